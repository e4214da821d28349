//! The disk fills up under a download: it pauses with one line and goes on when there is room again.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use e2e::tree::{assert_same_file, make_file};
use e2e::{Dice, Lab, until};

/// A small disk of its own; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(folder: &Path, mib: u32) -> Result<Self, String> {
        let size = format!("size={mib}m");
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).output();
        match output {
            Ok(output) if output.status.success() => Ok(Self(folder.to_path_buf())),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

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
    let source = make_file(lab.folder("source").join("film.bin"), 60_000_000, &mut dice);
    let mut ana = lab.peer("ana", &tracker).with("--limit-up", "10MB").started();
    ana.share(&source);
    let other = make_file(lab.folder("source").join("other.bin"), 30_000_000, &mut dice);
    ana.share(&other);

    let mut bob = lab.peer("bob", &tracker).started();
    bob.is_connected();
    let told = bob.says(&format!("download film.bin --into \"{}\"", into.display()));
    until("some of the film on the small disk", Duration::from_secs(20), || {
        (bob.verified("film.bin") > 5_000_000).then_some(())
    });
    let filler = into.join("filler");
    fill_up(&filler);
    let paused = bob.program().line_where(
        told,
        "one clear line about the full disk",
        Duration::from_secs(30),
        |line| line.contains("film.bin") && line.to_lowercase().contains("disk"),
    );
    println!("{paused}");
    // Another download, on a disk with room, is not touched by it.
    let other_told = bob.download("other.bin");
    bob.is_done("other.bin", other_told, Duration::from_secs(30));
    assert_same_file(&other, &bob.downloads().join("other.bin"));

    std::fs::remove_file(&filler).expect("the filler goes");
    bob.is_done("film.bin", told, Duration::from_secs(90));
    assert_same_file(&source, &into.join("film.bin"));
    let said = bob.program().lines().iter().filter(|line| **line == paused).count();
    assert_eq!(said, 1, "said once, not again and again");
}

/// Writes until the disk takes no more.
fn fill_up(path: &Path) {
    let mut file = File::create(path).expect("the filler");
    let block = vec![1; 1 << 16];
    while file.write_all(&block).is_ok() {}
}
