//! The disk fills up under a download: it pauses with one line and goes on when there is room again.

use std::time::Duration;

use e2e::small_disk::{SmallDisk, fill_up};
use e2e::tree::{assert_same_file, assert_same_tree, make_file};
use e2e::{Dice, Lab, until};

#[test]
fn a_full_disk_pauses_one_download_until_there_is_room() {
    let lab = Lab::new();
    let into = lab.folder("small disk");
    let _disk = match SmallDisk::mount(&into, 100) {
        Ok(disk) => disk,
        Err(reason) => {
            println!("SKIPPED: a small disk cannot be mounted here: {reason}");
            return;
        }
    };
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("disk full");
    // Small files: room for big ones is reserved at the start, so the disk cannot fill up under them.
    let photos = lab.folder("source").join("photos");
    for number in 0..60 {
        make_file(photos.join(format!("{number}.jpg")), 900_000, &mut dice);
    }
    let other = make_file(lab.folder("source").join("other.bin"), 30_000_000, &mut dice);
    let mut ana = lab.peer("ana", &tracker).with("--limit-up", "10MB").started();
    ana.share(&photos);
    ana.share(&other);

    let mut bob = lab.peer("bob", &tracker).started();
    bob.is_connected();
    let told = bob.says(&format!("download photos --into \"{}\"", into.display()));
    until("some photos on the small disk", Duration::from_secs(20), || {
        (bob.verified("photos") > 5_000_000).then_some(())
    });
    let filler = into.join("filler");
    fill_up(&filler);
    let full = "one clear line about the full disk";
    let paused = bob.program().line_where(told, full, Duration::from_secs(30), |line| {
        line.contains("photos") && line.to_lowercase().contains("disk")
    });
    println!("{paused}");
    // Another download, on a disk with room, is not touched by it.
    let other_told = bob.download("other.bin");
    bob.is_done("other.bin", other_told, Duration::from_secs(30));
    assert_same_file(&other, &bob.downloads().join("other.bin"));

    std::fs::remove_file(&filler).expect("the filler goes");
    bob.is_done("photos", told, Duration::from_secs(90));
    assert_same_tree(&photos, &into.join("photos"));
    let said = bob.program().lines().iter().filter(|line| **line == paused).count();
    assert_eq!(said, 1, "said once, not again and again");
}

#[test]
fn a_download_that_cannot_fit_is_refused_before_its_first_byte() {
    let lab = Lab::new();
    let into = lab.folder("small disk");
    let _disk = match SmallDisk::mount(&into, 20) {
        Ok(disk) => disk,
        Err(reason) => {
            println!("SKIPPED: a small disk cannot be mounted here: {reason}");
            return;
        }
    };
    let tracker = lab.tracker();
    let mut dice = Dice::from_environment("does not fit");
    let source = make_file(lab.folder("source").join("film.bin"), 40_000_000, &mut dice);
    let mut ana = lab.peer("ana", &tracker).started();
    ana.share(&source);
    let bob = lab.peer("bob", &tracker);
    let mut get = bob.one_shot(&["get", "film.bin", "--into", &into.display().to_string()]);
    assert_eq!(get.exit_code(Duration::from_secs(30)), 9, "{:?}", get.lines());
    get.line_with(0, &["40.0 MB", "free"], Duration::from_secs(1));
    assert!(!into.join("film.bin").exists());
}
