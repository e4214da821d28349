//! One downloader, three sharers limited to 8 MB/s each: all of them carry their part.

use std::time::{Duration, Instant};

use e2e::tree::{assert_same_file, make_file};
use e2e::{Dice, Lab};

const LENGTH: u64 = 144_000_000;

#[test]
fn three_limited_sharers_all_give_over_a_fifth() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("three sharers");
    let source = make_file(lab.folder("source").join("film.bin"), LENGTH, &mut dice);
    let mut sharers =
        ["ana", "carla", "eva"].map(|nick| lab.peer(nick, &tracker).with("--limit-up", "8MB").started());
    for sharer in &mut sharers {
        sharer.share(&source);
    }
    let mut bob = lab.peer("bob", &tracker).started();
    bob.is_connected();
    let begun = Instant::now();
    let told = bob.download("film.bin");
    let done = bob.is_done("film.bin", told, Duration::from_secs(120));
    let seconds = begun.elapsed().as_secs_f64();
    println!("{done}");
    println!("three sharers at 8 MB/s each: {:.1} MB/s in {seconds:.1} s", LENGTH as f64 / 1e6 / seconds);
    assert_same_file(&source, &bob.downloads().join("film.bin"));

    let from = bob.received_from("film.bin");
    let all: u64 = from.values().sum();
    for nick in ["ana", "carla", "eva"] {
        let bytes = from.get(nick).copied().unwrap_or(0);
        println!("  {nick}: {bytes} bytes, {:.1} %", 100.0 * bytes as f64 / all as f64);
        assert!(bytes * 5 > all, "{nick} gave {bytes} of {all} bytes: {from:?}");
    }
}
