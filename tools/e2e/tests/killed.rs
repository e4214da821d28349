//! A downloader that is killed fifty times in one download, sources and tracker killed too: it always
//! completes by itself, never claims what is not there, and loses little.

use std::time::Duration;

use e2e::checker::{Verdict, bytes_of, claim, judge};
use e2e::sentences::SOON;
use e2e::tree::{assert_same_file, make_file};
use e2e::{Dice, Lab, Peer, until, within};

const PIECE: usize = 128 << 10;
/// The most that may be fetched again for one kill.
const MOST_LOST: usize = 32 << 20;
const MIB: f64 = 1_048_576.0;

/// What is claimed and what is true, looked at while the peer is dead.
fn inspect(peer: &Peer, source: &std::path::Path) -> Option<Verdict> {
    let claimed = claim(peer.folder(), "film.bin")?;
    Some(judge(&claimed.pieces, source, &bytes_of(&peer.downloads(), "film.bin"), PIECE))
}

#[test]
fn fifty_kills_of_a_downloader_never_make_a_false_claim() {
    const LENGTH: u64 = 192 << 20;
    const KILLS: u64 = 50;
    let lab = Lab::new();
    let mut tracker = lab.tracker();
    let mut dice = Dice::from_environment("fifty kills");
    let source = make_file(lab.folder("source").join("film.bin"), LENGTH, &mut dice);
    let mut sources = ["ana", "carla"].map(|nick| lab.peer(nick, &tracker).started());
    for peer in &mut sources {
        peer.share(&source);
    }
    let mut bob = lab.peer("bob", &tracker);
    let mut before = Verdict::default();
    let mut worst = 0;
    for kill in 1..=KILLS {
        // Slow enough that the download lasts for all the kills to come.
        let left = LENGTH - (before.claimed.len() * PIECE) as u64;
        let rate = (left / (2 * (KILLS - kill) + 8)).max(64 << 10);
        let mut life = bob.clone_stopped().with("--limit-down", &rate.to_string());
        life.start();
        if kill == 1 {
            life.download("film.bin");
        }
        let moment = Duration::from_millis(100 + dice.below(2_900));
        let is_done = |line: &String| line.contains("sha256 ok");
        let done = within(moment, || life.program().lines().iter().any(is_done).then_some(()));
        life.kill();
        assert!(done.is_none(), "complete after {kill} kills: the limit of {rate} B/s did not hold");
        let verdict = inspect(&bob, &source).unwrap_or_default();
        let context = format!("kill {kill} after {moment:?}");
        assert_eq!(verdict.false_claims().len(), 0, "{context}: {:?}", verdict.false_claims());
        assert!(verdict.claimed.is_superset(&before.claimed), "{context}: what was proved is proved");
        // What this life brought and the file does not say: pieces that earlier lives left behind aside.
        let lost = (&verdict.unclaimed() - &before.right).len() * PIECE;
        worst = worst.max(lost);
        assert!(lost <= MOST_LOST, "{context} costs {lost} bytes");
        before = verdict;
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
    let (claimed, right) = (before.claimed.len(), before.right.len());
    println!(
        "{KILLS} kills: {claimed} pieces claimed, {right} right; worst loss {:.1} MiB",
        worst as f64 / MIB
    );
    assert!(claimed > 0, "fifty lives of up to three seconds leave something that is proved");
    bob.start();
    bob.is_done("film.bin", 0, Duration::from_secs(60));
    assert_same_file(&source, &bob.downloads().join("film.bin"));
}

#[test]
fn a_kill_at_full_speed_loses_at_most_32_mib() {
    const LENGTH: u64 = 512 << 20;
    let lab = Lab::in_memory();
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("kill at full speed");
    let source = make_file(lab.folder("source").join("film.bin"), LENGTH, &mut dice);
    let mut ana = lab.peer("ana", &tracker).started();
    ana.share(&source);
    for round in 1..=5 {
        let mut bob = lab.peer(&format!("bob{round}"), &tracker).started();
        bob.is_connected();
        bob.download("film.bin");
        let enough = LENGTH / 10 + dice.below(LENGTH / 2);
        until("some of the film at full speed", SOON, || (bob.verified("film.bin") > enough).then_some(()));
        bob.kill();
        let Some(verdict) = inspect(&bob, &source) else { continue };
        assert_eq!(verdict.false_claims().len(), 0, "round {round}: {:?}", verdict.false_claims());
        let lost = verdict.unclaimed().len() * PIECE;
        println!(
            "round {round}: killed with {:.0} MiB right, {:.1} MiB to be fetched again",
            (verdict.right.len() * PIECE) as f64 / MIB,
            lost as f64 / MIB
        );
        assert!(lost <= MOST_LOST, "round {round}: {lost} bytes lost");
        bob.start();
        bob.is_done("film.bin", 0, Duration::from_secs(60));
        assert_same_file(&source, &bob.downloads().join("film.bin"));
        bob.kill();
    }
}
