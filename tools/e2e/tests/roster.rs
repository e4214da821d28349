//! A peer starts again while its tracker is dead: it goes on with the people whom it knew.

use std::time::Duration;

use e2e::sentences::SOON;
use e2e::tree::{assert_same_file, make_file};
use e2e::{Dice, Lab, until};

#[test]
fn a_download_goes_on_after_kill_9_with_the_tracker_dead_too() {
    const LENGTH: u64 = 48 << 20;
    let lab = Lab::new();
    let mut tracker = lab.tracker();
    let mut dice = Dice::from_environment("roster");
    let source = make_file(lab.folder("source").join("film.bin"), LENGTH, &mut dice);
    // Nobody finds anybody but through the tracker, or by memory.
    let alone = |nick| lab.peer(nick, &tracker).with("--no-lsd", "--no-pex").with("--dht", "off");
    let mut ana = alone("ana").with("--limit-up", "6MB").started();
    ana.share(&source);
    let mut bob = alone("bob").started();
    bob.download("film.bin");
    until("half of the film", SOON, || (bob.verified("film.bin") > LENGTH / 2).then_some(()));
    let memory = bob.folder().join(".enjambre/known_peers");
    let known = std::fs::read_to_string(&memory).expect("the addresses are kept while it downloads");
    assert!(known.contains(&ana.listen().to_string()), "{known}");

    bob.kill();
    tracker.kill();
    let started = std::time::Instant::now();
    bob.start();
    bob.is_done("film.bin", 0, Duration::from_secs(60));
    println!("the second half came without a tracker in {:.1} s", started.elapsed().as_secs_f64());
    assert_same_file(&source, &bob.downloads().join("film.bin"));

    // At the prompt, and from another terminal when the peer does not run.
    let mark = bob.says("who");
    bob.program().line_with(mark, &["The last people known:"], SOON);
    bob.program().line_with(mark, &["ana", &ana.listen().to_string()], SOON);
    bob.kill();
    let mut who = bob.one_shot(&["who"]);
    assert_eq!(who.exit_code(SOON), 0, "{:?}", who.lines());
    let said = who.lines().join("\n");
    assert!(said.contains("There is no connection to the tracker"), "{said}");
    assert!(said.contains(&ana.listen().to_string()), "{said}");
    println!("{said}");
}
