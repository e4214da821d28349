//! The prompt in a real pseudo-terminal: what is being typed is never disturbed, and the terminal is always
//! given back as it was.

use std::time::Duration;

use e2e::screen::Screen;
use e2e::sentences::SOON;
use e2e::tree::{assert_same_file, make_file};
use e2e::{Dice, Lab, Peer, within};

fn in_a_terminal(peer: &Peer, lab: &Lab) -> Screen {
    let arguments = peer.arguments();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let screen = Screen::start(&lab.program("peer"), &words, peer.folder());
    screen.shows("bob>", SOON);
    screen
}

/// The row of the prompt and its text, the last one on the screen.
fn prompt(rows: &[String]) -> Option<(usize, &str)> {
    rows.iter()
        .enumerate()
        .rev()
        .find(|(_, row)| row.starts_with("bob>"))
        .map(|(at, row)| (at, row.trim_end()))
}

/// The percentage on a progress row.
fn percent(row: &str) -> Option<f64> {
    let before = row.split('%').next()?.trim_end();
    before.rsplit(' ').next()?.parse().ok()
}

#[test]
fn progress_moves_and_a_message_appears_while_a_half_typed_line_stays_whole() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("prompt");
    let source = make_file(lab.folder("source").join("film.bin"), 60_000_000, &mut dice);
    let mut ana = lab.peer("ana", &tracker).with("--limit-up", "6MB").started();
    ana.share(&source);
    let bob = lab.peer("bob", &tracker);
    let mut screen = in_a_terminal(&bob, &lab);
    screen.shows("Connected", SOON);
    screen.press("download film.bin\r");
    let progress = |rows: &[String]| {
        let (prompt_row, _) = prompt(rows)?;
        let row =
            rows.iter().skip(prompt_row + 1).find(|row| row.contains("film.bin") && row.contains('%'))?;
        percent(row)
    };
    let first = screen.until("a progress row under the prompt", SOON, progress);

    let half = "message ana una frase sin termin";
    screen.press(half);
    let typed = format!("bob> {half}");
    screen.until("the half-typed line", SOON, |rows| (prompt(rows)?.1 == typed).then_some(()));

    ana.says("message bob hola desde arriba");
    let whole = |rows: &[String]| {
        let (at, text) = prompt(rows)?;
        assert_eq!(text, typed, "the half-typed line was disturbed:\n{}", rows.join("\n"));
        Some(at)
    };
    screen.until("the message above the prompt", SOON, |rows| {
        let at = whole(rows)?;
        rows.iter().take(at).any(|row| row.contains("ana") && row.contains("hola desde arriba")).then_some(())
    });
    let later = screen.until("progress that moved three times since", SOON, |rows| {
        whole(rows);
        progress(rows).filter(|now| *now > first + 3.0)
    });
    println!("the row went from {first} % to {later} % while a line was half typed");

    screen.press("ar\r");
    ana.program().line_with(0, &["bob", "una frase sin terminar"], SOON);
    screen.until("the end of the download above the prompt", Duration::from_secs(60), |rows| {
        rows.iter().any(|row| row.contains("film.bin") && row.contains("done")).then_some(())
    });
    screen.press("quit\r");
    assert_eq!(screen.exit_code(SOON), 0);
    assert!(screen.is_restored(), "the terminal is as before");
    assert_eq!(screen.leftover_modes(), Vec::<&str>::new());
    assert_same_file(&source, &bob.downloads().join("film.bin"));
}

#[test]
fn ctrl_c_twice_leaves_at_once_and_gives_the_terminal_back() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("ctrl-c");
    let source = make_file(lab.folder("source").join("film.bin"), 60_000_000, &mut dice);
    let mut ana = lab.peer("ana", &tracker).with("--limit-up", "4MB").started();
    ana.share(&source);
    let mut bob = lab.peer("bob", &tracker);
    let mut screen = in_a_terminal(&bob, &lab);
    screen.shows("Connected", SOON);
    screen.press("download film.bin\r");
    screen.until("progress", SOON, |rows| rows.iter().any(|row| row.contains('%')).then_some(()));

    screen.press("something half typed\x03");
    screen.until("a line that was cleared", SOON, |rows| (prompt(rows)?.1 == "bob>").then_some(()));
    screen.press("\x03");
    let first = within(Duration::from_secs(3), || screen.ended());
    let code = first.unwrap_or_else(|| {
        screen.press("\x03");
        screen.exit_code(Duration::from_secs(3))
    });
    assert_eq!(code, 7, "interrupted, unfinished, resumable");
    assert!(screen.is_restored(), "the terminal is as before");
    assert_eq!(screen.leftover_modes(), Vec::<&str>::new());

    bob.start();
    bob.is_done("film.bin", 0, Duration::from_secs(60));
    assert_same_file(&source, &bob.downloads().join("film.bin"));
}

#[test]
fn a_killed_prompt_leaves_nothing_behind_that_the_next_start_minds() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let mut bob = lab.peer("bob", &tracker);
    let screen = in_a_terminal(&bob, &lab);
    screen.shows("Connected", SOON);
    drop(screen);
    bob.start();
    bob.is_connected();
}
