//! Rooms: who is away gets what was said, once and in order, also when the tracker is killed meanwhile; and
//! what the operator ordered holds after that.

use std::time::{Duration, Instant};

use e2e::Lab;
use e2e::control::{Control, hex};
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(60);
const MEMBERS: usize = 50;
const AWAY: usize = 10;

fn peer_id(number: usize) -> [u8; 20] {
    let mut id = *b"-E2E001-member000000";
    id[14..].copy_from_slice(format!("{number:06}").as_bytes());
    id
}

fn enter(tracker: std::net::SocketAddr, number: usize) -> (Control, Value) {
    Control::hello(tracker, &format!("member{number}"), peer_id(number), 1)
}

/// The messages that follow a welcome: id, text and whether it is late.
fn missed(control: &mut Control, welcome: &Value) -> Vec<(u64, String, bool)> {
    let count = welcome["missed"].as_u64().expect("a count");
    let read = |_| {
        let push = control.push("message", SOON);
        let (id, text) = (push["message"].as_u64(), push["text"].as_str());
        (id.expect("an id"), text.expect("a text").to_owned(), push["late"] == true)
    };
    (0..count).map(read).collect()
}

#[test]
fn a_room_of_fifty_loses_nothing_when_ten_are_away_and_the_tracker_is_killed() {
    let lab = Lab::new();
    let mut tracker = lab.tracker();
    let address = tracker.address();
    let mut members: Vec<Control> = (0..MEMBERS).map(|number| enter(address, number).0).collect();
    for member in &mut members {
        assert_eq!(member.ask(json!({"type": "join", "room": "@aula1"}))["type"], "ok");
    }
    for member in members.iter_mut().skip(MEMBERS - AWAY) {
        member.ask(json!({"type": "bye"}));
    }
    members.truncate(MEMBERS - AWAY);
    let (mut teacher, _) = Control::hello(address, "teacher", [9; 20], 1);
    let refused = teacher.ask(json!({"type": "message", "to": "@aula1", "text": "hola"}));
    assert_eq!((&refused["code"], &refused["try"]), (&json!("not_in_room"), &json!("join @aula1")));
    teacher.ask(json!({"type": "join", "room": "@aula1"}));
    let mut ids = Vec::new();
    let begun = Instant::now();
    for text in ["empezamos", "pagina 9"] {
        let sent = teacher.ask(json!({"type": "message", "to": "@aula1", "text": text}));
        assert_eq!((&sent["delivered"], &sent["stored"]), (&json!(MEMBERS - AWAY), &json!(AWAY)), "{sent}");
        assert_eq!(sent["receivers"].as_array().map(Vec::len), Some(AWAY), "who has it not is named");
        ids.push(sent["message"].as_u64().expect("an id"));
    }
    for member in &mut members {
        for id in &ids {
            let push = member.push("message", SOON);
            assert_eq!(
                (&push["message"], &push["late"], &push["to"]),
                (&json!(id), &json!(false), &json!("@aula1"))
            );
        }
    }
    println!(
        "two messages to {} listeners and back: {:.1} ms",
        MEMBERS - AWAY,
        begun.elapsed().as_secs_f64() * 1e3
    );
    tracker.kill();
    tracker.restart();
    let ten = MEMBERS - AWAY..MEMBERS;
    for number in ten.clone() {
        let (mut member, welcome) = enter(address, number);
        let got = missed(&mut member, &welcome);
        let expected = [(ids[0], "empezamos".to_owned(), true), (ids[1], "pagina 9".to_owned(), true)];
        assert_eq!(got, expected, "member{number}: once, in order");
        member.ask(json!({"type": "bye"}));
    }
    // Those who took it are not told again, and belong still. What was kept before an answer is kept.
    let (mut teacher, _) = Control::hello(address, "teacher", [9; 20], 1);
    assert_eq!(teacher.ask(json!({"type": "message", "to": "*", "text": "fin"}))["type"], "ok");
    tracker.kill();
    tracker.restart();
    for number in ten {
        let (mut member, welcome) = enter(address, number);
        assert_eq!(welcome["missed"], 0, "member{number}");
        let rooms = member.ask(json!({"type": "rooms"}));
        assert_eq!(
            (&rooms["rooms"][0]["members"], &rooms["rooms"][0]["joined"]),
            (&json!(MEMBERS + 1), &json!(true))
        );
    }
}

#[test]
fn people_talk_in_rooms_answer_ignore_and_say_that_they_do_not_look() {
    let lab = Lab::new();
    let mut tracker = lab.tracker();
    let mut ana = lab.peer("ana", &tracker).started();
    let mut eva = lab.peer("eva", &tracker).started();
    ana.is_connected();
    eva.is_connected();
    let told = ana.says("say @aula1 hola");
    ana.program().line_with(told, &["There is no room @aula1"], SOON);
    let told = ana.says("join @aula1");
    ana.program().line_with(told, &["@aula1 is new"], SOON);
    let told = eva.says("unirse aula1");
    eva.program().line_with(told, &["You are in @aula1: 2 members, 2 here"], SOON);
    eva.says("exit");
    assert_eq!(eva.program().exit_code(SOON), 0);
    ana.program().line_with(told, &["eva has gone"], SOON);
    for text in ["say @aula1 empezamos", "msg @aula1 trae el disco"] {
        let told = ana.says(text);
        ana.program().line_with(told, &["@aula1", "0 of 1 delivered, 1 stored"], SOON);
    }
    let told = ana.says("message eva \u{1b}[2Jsolo para ti");
    ana.program().line_with(told, &["eva", "stored"], SOON);
    tracker.kill();
    tracker.restart();
    eva.start();
    eva.program().line_with(0, &["ana", "while you were away", "solo para ti"], SOON);
    let late: Vec<String> =
        eva.program().lines().into_iter().filter(|line| line.contains("while you were away")).collect();
    assert_eq!(late.len(), 3, "{late:?}");
    assert!(late[0].contains("ana @aula1 (while you were away): empezamos"), "{late:?}");
    assert!(late[1].contains("trae el disco") && late[2].contains("\\u{1b}[2Jsolo"), "{late:?}");
    ana.program().line_with(told, &["Connected again"], SOON);
    // A line without a verb goes to nobody.
    let told = eva.says("hola");
    eva.program().line_with(told, &["\"hola\" is not a command"], SOON);
    let told = eva.says("reply ya la vi");
    ana.program().line_with(0, &["eva", "ya la vi"], SOON);
    eva.program().line_with(told, &["to ana", "delivered"], SOON);
    eva.says("away comiendo");
    eva.program().line_with(told, &["is told: away, comiendo"], SOON);
    let told = ana.says("reply vale");
    ana.program().line_with(told, &["eva is away: comiendo"], SOON);
    let told = ana.says("who @aula1");
    ana.program().line_with(told, &["eva", "away: comiendo"], SOON);
    let told = eva.says("ignore ana");
    eva.program().line_with(told, &["You do not hear ana"], SOON);
    let told = ana.says("message eva oye");
    ana.program().line_with(told, &["eva does not accept messages from you"], SOON);
    let told = ana.says("history @aula1");
    ana.program().line_with(told, &["ana @aula1: trae el disco"], SOON);
    let told = ana.says("salirse @aula1");
    ana.program().line_with(told, &["You are not in @aula1 any more"], SOON);
    let told = ana.says("say @aula1 hola");
    ana.program().line_with(told, &["You are not in @aula1"], SOON);
    ana.program().line_with(told, &["try", "join @aula1"], SOON);
}

#[test]
fn what_the_operator_ordered_holds_when_the_tracker_was_killed() {
    let lab = Lab::new();
    let mut tracker = lab.tracker();
    let address = tracker.address();
    let (mut bob, _) = Control::hello(address, "bob", [2; 20], 1);
    let (mut eva, _) = Control::hello(address, "eva", [3; 20], 1);
    let order = |tracker: &mut e2e::Tracker, line: &str, words: &[&str]| {
        let before = tracker.program().mark();
        tracker.program().type_line(line);
        tracker.program().line_with(before, words, SOON);
        if !matches!(line, "bans" | "orders") {
            tracker.program().line_where(before, "Done.", SOON, |line| line == "Done.");
        }
    };
    order(&mut tracker, "motd examen a las 10", &["MOTD", "examen a las 10"]);
    order(&mut tracker, "mute eva 2h habla mucho", &["MUTE", "eva", "habla mucho", "until"]);
    order(&mut tracker, "room add @clase", &["ROOM ADD", "@clase"]);
    order(&mut tracker, "ban bob 2d spam", &["BAN", "bob", "spam", "until"]);
    assert_eq!(bob.push("kick", SOON)["reason"], "banned for 2 days: spam");
    tracker.kill();
    tracker.restart();
    let mut bob = Control::connect(address);
    let refused = bob
        .ask(json!({"type": "hello", "version": 1, "nick": "robert", "peer_id": hex(&[2; 20]), "ports": []}));
    assert_eq!(
        (&refused["code"], &refused["text"]),
        (&json!("banned"), &json!("you are banned from this tracker for 2 days more: spam"))
    );
    drop(eva);
    let welcome;
    (eva, welcome) = Control::hello(address, "eva", [3; 20], 1);
    assert_eq!(welcome["motd"], "examen a las 10");
    assert_eq!(eva.ask(json!({"type": "message", "to": "*", "text": "hola"}))["code"], "muted");
    assert_eq!(eva.ask(json!({"type": "join", "room": "clase"}))["created"], false);
    order(&mut tracker, "bans", &["ban", "bob", "spam"]);
    order(&mut tracker, "orders", &["console", "ban", "bob", "spam"]);
    order(&mut tracker, "unban bob", &["UNBAN", "bob"]);
    order(&mut tracker, "unmute eva", &["UNMUTE", "eva"]);
    assert_eq!(eva.ask(json!({"type": "message", "to": "*", "text": "hola"}))["type"], "ok");
    Control::hello(address, "bob", [2; 20], 1);
    // Where nobody may come from, the programs say so and end with a code of its own.
    order(&mut tracker, "ban 127.0.0.0/8 1h obras", &["BAN", "127.0.0.0/8"]);
    let refused = std::process::Command::new(lab.program("peer"))
        .args(["--tracker", &address.to_string(), "--dir"])
        .arg(lab.folder("mikel"))
        .args(["say", "hola"])
        .output()
        .expect("the program runs");
    let said =
        String::from_utf8_lossy(&refused.stderr).into_owned() + &String::from_utf8_lossy(&refused.stdout);
    assert_eq!(refused.status.code(), Some(5), "{said}");
    assert!(said.contains("your address is banned from this tracker"), "{said}");
}
