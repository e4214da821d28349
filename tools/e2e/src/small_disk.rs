//! A small disk of its own, that can be filled up and made read-only. Needs root; a test says what it leaves
//! out where it cannot be had.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small disk of its own; unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one on a folder; says why not where that cannot be.
    pub fn mount(folder: &Path, mib: u32) -> Result<Self, String> {
        let size = format!("size={mib}m");
        let output = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).output();
        match output {
            Ok(output) if output.status.success() => Ok(Self(folder.to_path_buf())),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl SmallDisk {
    /// Nothing can be written on it any more, or again.
    pub fn set_read_only(&self, read_only: bool) {
        let options = if read_only { "remount,ro" } else { "remount,rw" };
        let status = Command::new("mount").args(["-o", options]).arg(&self.0).status().expect("mount");
        assert!(status.success(), "{options} of {}", self.0.display());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Writes until the disk takes no more.
pub fn fill_up(path: &Path) {
    let mut file = File::create(path).expect("the filler");
    let block = vec![1; 1 << 16];
    while file.write_all(&block).is_ok() {}
}
