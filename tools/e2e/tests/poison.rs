//! A peer that sends false blocks is named and banned; the file is right and honest peers stay.

use std::time::Duration;

use e2e::poisoner::Poisoner;
use e2e::sentences::SOON;
use e2e::tree::{assert_same_file, make_file};
use e2e::{Dice, Lab};

#[test]
fn a_poisoner_is_banned_by_name_and_the_honest_stay() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("poison");
    let source = make_file(lab.folder("source").join("film.bin"), 64_000_000, &mut dice);
    let mut ana = lab.peer("ana", &tracker).with("--limit-up", "8MB").started();
    let mut carla = lab.peer("carla", &tracker).with("--limit-up", "8MB").started();
    ana.share(&source);
    carla.share(&source);
    let mut poisoner = Poisoner::start(&source, 128 * 1024);
    poisoner.join(tracker.address(), "film.bin");

    let mut bob = lab.peer("bob", &tracker).started();
    let told = bob.download("film.bin");
    let banned = bob.program().line_where(told, "a ban by name", SOON, |line| {
        line.to_lowercase().contains("ban") && line.contains("mallory")
    });
    println!("{banned}");
    bob.is_done("film.bin", told, Duration::from_secs(60));
    assert_same_file(&source, &bob.downloads().join("film.bin"));

    assert!(poisoner.lies() > 0, "the liar was asked for blocks");
    println!("{} handshakes, {} false blocks sent", poisoner.handshakes(), poisoner.lies());
    let from = bob.received_from("film.bin");
    for honest in ["ana", "carla"] {
        assert!(from.get(honest).copied().unwrap_or(0) > 0, "{honest} stayed and gave: {from:?}");
        let accused = |line: &String| line.to_lowercase().contains("banned") && line.contains(honest);
        assert!(!bob.program().lines().iter().any(accused), "{honest} was banned");
    }
}
