//! A peer that is half way is already a source; the original may leave once the pieces are all there.

use std::time::Duration;

use e2e::sentences::SOON;
use e2e::tree::{assert_same_file, make_file};
use e2e::{Dice, Lab, until};

const LENGTH: u64 = 80_000_000;

#[test]
fn a_peer_half_way_serves_and_outlives_the_original() {
    let lab = Lab::new();
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("half way");
    let source = make_file(lab.folder("source").join("film.bin"), LENGTH, &mut dice);
    let mut ana = lab.peer("ana", &tracker).with("--limit-up", "8MB").started();
    ana.share(&source);
    let mut bob = lab.peer("bob", &tracker).started();
    let bob_told = bob.download("film.bin");
    until("bob half way", Duration::from_secs(60), || (bob.verified("film.bin") > LENGTH / 2).then_some(()));

    let mut carla = lab.peer("carla", &tracker).with("--limit-down", "4MB").started();
    let carla_told = carla.download("film.bin");
    until("carla fed by bob before he has it all", SOON, || {
        let fed = carla.received_from("film.bin").get("bob").copied().unwrap_or(0) > 0;
        (fed && bob.verified("film.bin") < LENGTH).then_some(())
    });

    bob.is_done("film.bin", bob_told, Duration::from_secs(60));
    ana.kill();
    let at_that_time = carla.verified("film.bin");
    assert!(at_that_time < LENGTH, "carla must still need something: the test would show nothing");
    println!("the original left when carla had {:.0} %", 100.0 * at_that_time as f64 / LENGTH as f64);
    carla.is_done("film.bin", carla_told, Duration::from_secs(60));
    assert_same_file(&source, &carla.downloads().join("film.bin"));
    println!("carla received from {:?}", carla.received_from("film.bin"));
}
