//! pause, resume and cancel, from the prompt and from one-shot verbs beside it; Ctrl-C of a one-shot.

use std::time::Duration;

use e2e::sentences::SOON;
use e2e::tree::{assert_same_file, make_file};
use e2e::{Dice, Lab, Peer, Tracker, until, within};

/// A lab with ana sharing `film.bin` slowly and bob downloading it.
fn downloading(lab: &Lab, tracker: &Tracker) -> (Peer, Peer, usize) {
    let mut dice = Dice::from_environment("steering");
    let source = make_file(lab.folder("source").join("film.bin"), 60_000_000, &mut dice);
    let mut ana = lab.peer("ana", tracker).with("--limit-up", "8MB").started();
    ana.share(&source);
    let mut bob = lab.peer("bob", tracker).started();
    bob.is_connected();
    let told = bob.download("film.bin");
    until("some of the film", SOON, || (bob.verified("film.bin") > 2_000_000).then_some(()));
    (ana, bob, told)
}

/// Nothing of the film comes while this is asked: a paused download must not grow.
fn assert_stands_still(bob: &mut Peer) {
    let before = bob.verified("film.bin");
    let grew = within(Duration::from_secs(3), || (bob.verified("film.bin") > before).then_some(()));
    assert!(grew.is_none(), "a paused download went on: {before} to {}", bob.verified("film.bin"));
}

fn assert_film_is_right(lab: &Lab, bob: &Peer) {
    assert_same_file(&lab.folder("source").join("film.bin"), &bob.downloads().join("film.bin"));
}

#[test]
fn pause_and_resume_at_the_prompt() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let (_ana, mut bob, download) = downloading(&lab, &tracker);
    let told = bob.says("pause film.bin");
    bob.program().line_with(told, &["Paused", "film.bin"], SOON);
    until("blocks on their way have come in", SOON, || bob.is_paused("film.bin").then_some(()));
    assert_stands_still(&mut bob);
    let told = bob.says("pause film.bin");
    bob.program().line_with(told, &["already paused"], SOON);
    let told = bob.says("resume film.bin");
    bob.program().line_with(told, &["Resumed", "film.bin"], SOON);
    bob.is_done("film.bin", download, Duration::from_secs(60));
    assert_film_is_right(&lab, &bob);
    let told = bob.says("resume film.bin");
    bob.program().line_with(told, &["complete"], SOON);
}

#[test]
fn pause_and_resume_by_one_shot_verbs_beside_the_prompt() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let (_ana, mut bob, download) = downloading(&lab, &tracker);
    let mut pause = bob.one_shot(&["pause", "film.bin"]);
    assert_eq!(pause.exit_code(SOON), 0, "{:?}", pause.lines());
    until("paused", SOON, || bob.is_paused("film.bin").then_some(()));
    assert_stands_still(&mut bob);
    let mut downloads = bob.one_shot(&["downloads"]);
    assert_eq!(downloads.exit_code(SOON), 0);
    downloads.line_with(0, &["film.bin", "paused"], SOON);
    let mut resume = bob.one_shot(&["resume", "film.bin"]);
    assert_eq!(resume.exit_code(SOON), 0, "{:?}", resume.lines());
    bob.is_done("film.bin", download, Duration::from_secs(60));
    assert_film_is_right(&lab, &bob);
    let mut unknown = bob.one_shot(&["pause", "flim.bin"]);
    assert_eq!(unknown.exit_code(SOON), 3, "no such download: {:?}", unknown.lines());
}

#[test]
fn cancel_and_keep_goes_on_later_where_it_was() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let (_ana, mut bob, _) = downloading(&lab, &tracker);
    let told = bob.says("cancel film.bin --keep");
    bob.program().line_with(told, &["film.bin.part"], SOON);
    assert!(bob.downloads().join("film.bin.part").exists(), "the part was to be kept");
    let told = bob.download("film.bin");
    bob.is_done("film.bin", told, Duration::from_secs(60));
    assert_film_is_right(&lab, &bob);
}

#[test]
fn cancel_and_delete_leaves_nothing() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let (_ana, bob, _) = downloading(&lab, &tracker);
    let mut unsure = bob.one_shot(&["cancel", "film.bin"]);
    assert_eq!(unsure.exit_code(SOON), 2, "keep or delete must be said: {:?}", unsure.lines());
    assert!(bob.downloads().join("film.bin.part").exists());
    let mut cancel = bob.one_shot(&["cancel", "film.bin", "--delete"]);
    assert_eq!(cancel.exit_code(SOON), 0, "{:?}", cancel.lines());
    until("the part is gone", SOON, || (!bob.downloads().join("film.bin.part").exists()).then_some(()));
    assert!(!bob.downloads().join("film.bin").exists());
}

#[test]
fn ctrl_c_of_a_one_shot_download_is_resumable() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("one-shot");
    let source = make_file(lab.folder("source").join("film.bin"), 40_000_000, &mut dice);
    let ana = lab.peer("ana", &tracker).with("--limit-up", "8MB");
    let share = ana.one_shot(&["share", &source.display().to_string()]);
    share.line_with(0, &["Shared", "film.bin"], Duration::from_secs(60));
    let bob = lab.peer("bob", &tracker);
    let mut get = bob.one_shot(&["get", "film.bin"]);
    get.line_with(0, &["Getting", "film.bin"], SOON);
    until("some of the film", SOON, || (bob.verified("film.bin") > 2_000_000).then_some(()));
    get.interrupt();
    assert_eq!(get.exit_code(Duration::from_secs(3)), 7, "{:?}", get.lines());
    assert!(!bob.downloads().join("film.bin").exists(), "its name is taken only when every byte is verified");
    let mut get = bob.one_shot(&["get", "film.bin"]);
    assert_eq!(get.exit_code(Duration::from_secs(60)), 0, "{:?}", get.lines());
    assert_same_file(&source, &bob.downloads().join("film.bin"));
    let mut nobody = bob.one_shot(&["get", "flim.bin"]);
    assert_eq!(nobody.exit_code(SOON), 3, "{:?}", nobody.lines());
    nobody.line_with(0, &["film.bin"], SOON);
}
