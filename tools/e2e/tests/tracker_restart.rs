//! The tracker dies in the middle of a download and comes back.

use std::time::{Duration, Instant};

use e2e::sentences::SOON;
use e2e::tree::{assert_same_file, make_file};
use e2e::{Dice, Lab, until};
use serde_json::json;

#[test]
fn a_killed_tracker_stalls_nobody_and_everyone_is_back_in_five_seconds() {
    let lab = Lab::new();
    let mut tracker = lab.tracker();
    let mut dice = Dice::from_environment("tracker restart");
    let source = make_file(lab.folder("source").join("film.bin"), 96_000_000, &mut dice);
    let mut ana = lab.peer("ana", &tracker).with("--limit-up", "8MB").started();
    ana.share(&source);
    let mut bob = lab.peer("bob", &tracker).started();
    let told = bob.download("film.bin");
    until("a tenth of the film", SOON, || (bob.verified("film.bin") > 9_600_000).then_some(()));

    tracker.kill();
    let before = bob.verified("film.bin");
    until("ten more MB without a tracker", Duration::from_secs(10), || {
        (bob.verified("film.bin") > before + 10_000_000).then_some(())
    });

    tracker.restart();
    let begun = Instant::now();
    let mut control = tracker.control("watcher");
    let five = Duration::from_secs(5);
    until("ana and bob back", five.saturating_sub(begun.elapsed()), || {
        let answer = control.ask(json!({"type": "who"}));
        let nicks: Vec<&str> =
            answer["peers"].as_array()?.iter().filter_map(|peer| peer["nick"].as_str()).collect();
        (nicks.contains(&"ana") && nicks.contains(&"bob")).then_some(())
    });
    until("the film listed again", five.saturating_sub(begun.elapsed()), || {
        let answer = control.ask(json!({"type": "search", "query": "film"}));
        answer["entries"].as_array()?.iter().any(|entry| entry["name"] == "film.bin").then_some(())
    });
    println!(
        "everyone back and shares listed {:.2} s after the tracker listened",
        begun.elapsed().as_secs_f64()
    );

    bob.is_done("film.bin", told, Duration::from_secs(60));
    assert_same_file(&source, &bob.downloads().join("film.bin"));
}
