//! A downloader that is killed fifty times in one download, sources and tracker killed too: it always
//! completes by itself, never claims what is not there, and loses little.

use std::time::Duration;

use e2e::checker::{Verdict, bytes_of, claim, judge};
use e2e::tree::{assert_same_file, make_file};
use e2e::{Dice, Lab, within};

const LENGTH: u64 = 192 << 20;
const PIECE: usize = 256 << 10;
const KILLS: u64 = 50;
/// The most that may be fetched again for one kill.
const MOST_LOST: u64 = 32 << 20;

#[test]
fn fifty_kills_of_a_downloader_never_make_a_false_claim() {
    let lab = Lab::new();
    let mut tracker = lab.tracker();
    let mut dice = Dice::from_environment("fifty kills");
    let source = make_file(lab.folder("source").join("film.bin"), LENGTH, &mut dice);
    let mut sources = ["ana", "carla"].map(|nick| lab.peer(nick, &tracker).started());
    for peer in &mut sources {
        peer.share(&source);
    }
    let mut bob = lab.peer("bob", &tracker);
    let mut worst_loss = 0;
    let mut verdict = Verdict::default();
    for kill in 1..=KILLS {
        // Slow enough that the download lasts for all the kills to come.
        let left = (LENGTH - (verdict.claimed * PIECE) as u64).max(PIECE as u64);
        let rate = (left / (KILLS - kill + 4)).max(64 << 10);
        let mut life = bob.clone_stopped().with("--limit-down", &rate.to_string());
        life.start();
        if kill == 1 {
            life.download("film.bin");
        }
        let moment = Duration::from_millis(150 + dice.below(1_350));
        let done = within(moment, || {
            life.program().lines().iter().any(|line| line.contains("sha256 ok")).then_some(())
        });
        life.kill();
        assert!(done.is_none(), "complete after {kill} kills: the limit {rate} did not hold");
        let Some(claimed) = claim(bob.folder(), "film.bin") else {
            continue;
        };
        verdict = judge(&claimed.pieces, &source, &bytes_of(&bob.downloads(), "film.bin"), PIECE);
        assert_eq!(verdict.false_claims, 0, "kill {kill} after {moment:?}: {verdict:?}");
        let lost = (verdict.unclaimed * PIECE) as u64;
        worst_loss = worst_loss.max(lost);
        assert!(lost <= MOST_LOST, "kill {kill} would cost {lost} bytes: {verdict:?}");
        match dice.below(8) {
            0 => {
                tracker.kill();
                tracker.restart();
            }
            victim @ 1..=2 => {
                let victim = &mut sources[usize::try_from(victim).expect("a small number") - 1];
                victim.kill();
                victim.start();
            }
            _ => {}
        }
    }
    println!("{KILLS} kills: {verdict:?}, worst loss {:.1} MiB", worst_loss as f64 / f64::from(1 << 20));
    bob.start();
    bob.is_done("film.bin", 0, Duration::from_secs(60));
    assert_same_file(&source, &bob.downloads().join("film.bin"));
}
