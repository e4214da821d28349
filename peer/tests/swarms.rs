//! Session and tracker stay in step: what is here is shared again, what is wanted is followed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use crate::room::Room;

/// Bytes that differ from block to block.
fn film() -> Vec<u8> {
    (0_u32..200_000).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tracker_that_starts_again_learns_everything_again() {
    let mut room = Room::new().await;
    let mut ana = room.person("ana").await;
    let mut bob = room.person("bob").await;
    let path = ana.file("film.bin", &film());
    ana.run(&format!("share {path}")).await.unwrap();
    bob.run_until("get film.bin", "done").await;

    room.restart_tracker().await;
    bob.until("search film", "2/2 full").await;
    ana.until("msg bob ya esta", "delivered").await;
    bob.hear("ana: ya esta").await;
    let mut eva = room.person("eva").await;
    eva.run_until("get film.bin", "done").await;
    room.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_without_a_source_begins_when_one_comes() {
    let room = Room::new().await;
    let mut ana = room.person("ana").await;
    let mut bob = room.person("bob").await;
    let path = ana.file("film.bin", &film());
    ana.run(&format!("share {path}")).await.unwrap();
    ana.leave().await;
    bob.run("get film.bin").await.unwrap();
    bob.until("downloads", "waiting").await;

    // Somebody else has the same under the same name: it is the same thing.
    let mut carla = room.person("carla").await;
    let path = carla.file("film.bin", &film());
    carla.run(&format!("share {path}")).await.unwrap();
    let done = bob.hear("done").await;
    assert!(done.contains("carla 100 %"), "{done}");
    let said = bob.run("sources film.bin").await.unwrap();
    assert!(said.iter().any(|line| line.contains("carla") && line.contains("all")), "{said:?}");
    room.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_searches_gets_every_page_and_hears_what_is_left_out() {
    let room = Room::new().await;
    let ana = room.person("ana").await;
    let mut bob = room.program("bob").await;
    // A page is full long before it holds a thousand of them.
    let comment = "x".repeat(1000);
    let found = |said: &[String]| -> Vec<serde_json::Value> {
        said.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    for (range, results) in [(0..700_u32, 700), (700..1010, 1000)] {
        for number in range {
            let mut id = [0; 20];
            id[..4].copy_from_slice(&number.to_be_bytes());
            let share = shared::control::Share {
                name: format!("tema {number}.pdf"),
                size: 1000,
                files: 1,
                piece_length: 16384,
                hashes: shared::InfoHashes::v1(shared::InfoHash(id)),
                root: None,
                kind: shared::control::Kind::Doc,
                info: None,
                layers: None,
                have: shared::control::Have::Full,
                comment: Some(comment.clone()),
                private: false,
            };
            ana.app.context.link.ask(share).await.unwrap();
        }
        let said = found(&bob.run("search tema").await.unwrap());
        let entries: std::collections::BTreeSet<&str> = said
            .iter()
            .filter(|line| line["type"] == "search_result")
            .map(|line| line["entry"].as_str().unwrap())
            .collect();
        assert_eq!(entries.len(), results);
        let warned: Vec<_> = said.iter().filter(|line| line["type"] == "warning").collect();
        let more = warned.first().map(|line| (line["given"].as_u64(), line["total"].as_u64()));
        assert_eq!(more, (results == 1000).then_some((Some(1000), Some(1010))), "{warned:?}");
    }
    room.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unshared_is_found_no_more_and_the_file_stays() {
    let room = Room::new().await;
    let mut ana = room.person("ana").await;
    let mut bob = room.person("bob").await;
    let path = ana.file("film.bin", &film());
    ana.run(&format!("share {path}")).await.unwrap();
    bob.until("search film", "1/1 full").await;
    ana.run("unshare film.bin").await.unwrap();
    let said = ana.run("shares").await.unwrap();
    assert!(said.iter().any(|line| line.contains("You share nothing")), "{said:?}");
    let sources = bob.run("sources film.bin").await;
    let gone = sources.map_or(true, |said| said.iter().any(|line| line.contains("No one else")));
    assert!(gone, "nobody has it any more");
    assert_eq!(std::fs::read(path).unwrap(), film());
    room.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_unshares_while_the_tracker_is_away_hears_so_and_what_is_shared_again_stays() {
    let mut room = Room::lasting().await;
    let mut ana = room.person("ana").await;
    let mut bob = room.person("bob").await;
    let mut paths = Vec::new();
    for name in ["one.bin", "two.bin", "three.bin"] {
        let path = ana.file(name, &[name.as_bytes(), &film()].concat());
        ana.run(&format!("share {path}")).await.unwrap();
        paths.push(path);
    }
    bob.until("browse ana", "3 shares").await;

    room.stop_tracker().await;
    for name in ["one.bin", "two.bin"] {
        let said = ana.run(&format!("unshare {name}")).await.unwrap();
        assert!(said.iter().any(|line| line.contains("hears of it when it is back")), "{said:?}");
    }
    // One of them is shared again before the tracker has heard of it: nothing is taken back.
    drop(ana.run(&format!("share {}", paths[1])).await);
    ana.until("shares", "two.bin").await;
    room.start_tracker_again().await;
    bob.until("browse ana", "2 shares").await;
    bob.until("browse ana", "two.bin").await;

    // With the tracker there, it hears of it at once.
    for name in ["two.bin", "three.bin"] {
        let said = ana.run(&format!("unshare {name}")).await.unwrap();
        assert!(!said.iter().any(|line| line.contains("when it is back")), "{said:?}");
    }
    bob.until("browse ana", "ana shares nothing").await;
    room.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_starts_again_without_a_tracker_knows_the_others_and_goes_on() {
    let room = Room::new().await;
    let mut ana = room.person("ana").await;
    let mut bob = room.person("bob").await;
    let path = ana.file("film.bin", &vec![film(); 8].concat());
    ana.run(&format!("share {path}")).await.unwrap();
    ana.run("limit up 500k").await.unwrap();
    bob.run("get film.bin").await.unwrap();
    bob.until("peers", "ana").await;
    let known = std::path::PathBuf::from(bob.folder()).join(".enjambre");
    let written = |name: &str, what: &str| {
        std::fs::read_to_string(known.join(name)).is_ok_and(|text| text.contains(what))
    };
    let until = async |name: &str, what: &str| {
        while !written(name, what) {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let both = async { tokio::join!(until("known_peers", "127.0.0.1:"), until("roster.json", "ana")) };
    tokio::time::timeout(std::time::Duration::from_secs(60), both).await.unwrap();
    bob.leave().await;
    room.stop_tracker().await;

    let mut bob = room.anyway("bob").await;
    let said = bob.until("who", "The last people known:").await;
    assert!(said.contains("nothing listens there"), "{said}");
    bob.until("who", "ana").await;
    bob.until("peers", "ana").await;
    ana.run("limit off").await.unwrap();
    let done = bob.hear("done").await;
    assert!(done.contains("ana 100 %"), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bep_27_a_private_download_drops_its_peers_when_another_tracker_lets_it_in() {
    let (room, other) = (Room::new().await, Room::new().await);
    let mut ana = room.person("ana").await;
    let mut bob = room.person("bob").await;
    let path = ana.file("film.bin", &vec![film(); 8].concat());
    ana.run(&format!("share {path} --private")).await.unwrap();
    ana.run("limit up 300k").await.unwrap();
    bob.run("get film.bin").await.unwrap();
    bob.until("peers", "ana").await;
    let roster = std::path::PathBuf::from(bob.folder()).join(".enjambre/roster.json");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !std::fs::read_to_string(&roster).is_ok_and(|text| text.contains("ana")) {
        assert!(std::time::Instant::now() < deadline, "nobody is written down");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    bob.leave().await;

    let mut bob = room.moved("bob", &other).await;
    bob.hear("film.bin is private and has another tracker now").await;
    bob.until("downloads", "waiting").await;
    let said = bob.run("who").await.unwrap();
    assert!(!said.iter().any(|line| line.contains("ana")), "{said:?}");
    bob.leave().await;

    // With its own tracker again it goes on.
    let mut bob = room.moved("bob", &room).await;
    ana.run("limit off").await.unwrap();
    bob.hear("done").await;
}
