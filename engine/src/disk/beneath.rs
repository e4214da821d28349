//! Files beneath one folder, and nowhere else.
//!
//! A path is walked name by name from an open folder, and no symbolic link is followed on the way: a
//! link planted before or during the walk makes the call fail instead of leading outside. This is the
//! only file that opens, renames or removes what a torrent names; on systems without `openat` each
//! step is checked before it is taken.

use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To be read; it must exist.
    Read,
    /// To be read and written; it must exist.
    Write,
    /// To be read and written; made with its folders where missing, never emptied.
    Create,
}

/// How a file looks from outside: when none of this has changed, neither has its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Stamp {
    /// Length in bytes.
    pub size: u64,
    /// Last change of the content, in nanoseconds since 1970.
    pub modified_nanos: i64,
    /// Number of the file in its file system; 0 where there is none.
    pub inode: u64,
}

/// A folder that is held open.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    /// Reading what lies here never waits for a disk.
    on_ram: bool,
    #[cfg(unix)]
    folder: std::os::fd::OwnedFd,
}

/// The names of a relative path; an error when it is anything else.
fn names(relative: &Path) -> io::Result<Vec<&std::ffi::OsStr>> {
    let names: Option<Vec<_>> = relative
        .components()
        .map(|component| match component {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect();
    names
        .filter(|names| !names.is_empty())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a path beneath a folder has only names"))
}

impl Root {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is no disk behind it, as far as this is known.
    pub fn is_on_ram(&self) -> bool {
        self.on_ram
    }

    /// The whole path of something beneath.
    pub fn join(&self, relative: &Path) -> PathBuf {
        self.path.join(relative)
    }
}

#[cfg(unix)]
#[path = "beneath_unix.rs"]
mod walk;

#[cfg(not(unix))]
#[path = "beneath_portable.rs"]
mod walk;

pub(crate) use walk::{read_at, read_cached_at, reserve, write_vectored_at};

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn files_are_made_with_their_folders_and_never_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let path = Path::new("a/ñ/file");
        let file = root.open_file(path, Access::Create).unwrap();
        reserve(&file, 10).unwrap();
        assert_eq!(
            write_vectored_at(&file, &[io::IoSlice::new(b"ab"), io::IoSlice::new(b"c")], 3).unwrap(),
            3
        );
        let again = root.open_file(path, Access::Create).unwrap();
        let mut buffer = [0; 4];
        assert_eq!(read_at(&again, &mut buffer, 2).unwrap(), 4);
        assert_eq!(&buffer, b"\0abc");
        assert_eq!(root.stamp(path).unwrap(), Stamp::of(&file).unwrap());
        assert!(root.free_space().unwrap() > 0 && root.is_folder(Path::new("a")));
    }

    #[test]
    fn nothing_leads_outside() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), b"s").unwrap();
        let dir = tempfile::tempdir().unwrap();
        symlink(outside.path(), dir.path().join("link")).unwrap();
        symlink(outside.path().join("secret"), dir.path().join("file")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        for path in ["link/secret", "file", "../x", "/etc/passwd", "", "link/new/x", ".", "a/../../x"] {
            for access in [Access::Read, Access::Write, Access::Create] {
                assert!(root.open_file(Path::new(path), access).is_err(), "{path} {access:?}");
            }
            assert!(
                root.make_folder(&Path::new(path).join("deeper")).is_err() || path.is_empty() || path == "."
            );
        }
        assert!(root.rename(Path::new("file"), Path::new("link/file")).is_err());
        assert!(root.remove_file(Path::new("link/secret")).is_err());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_that_is_taken_stays() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), b"a").unwrap();
        std::fs::write(dir.path().join("b"), b"b").unwrap();
        let root = Root::open(dir.path()).unwrap();
        let error = root.rename(Path::new("a"), Path::new("b")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        root.rename(Path::new("a"), Path::new("c")).unwrap();
        assert_eq!(std::fs::read(dir.path().join("c")).unwrap(), b"a");
    }

    #[test]
    fn pipes_and_folders_are_no_files() {
        let dir = tempfile::tempdir().unwrap();
        rustix::fs::mkfifoat(
            rustix::fs::CWD,
            dir.path().join("pipe"),
            rustix::fs::Mode::from_raw_mode(0o600),
        )
        .unwrap();
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        let root = Root::open(dir.path()).unwrap();
        assert!(root.open_file(Path::new("pipe"), Access::Read).is_err());
        assert!(root.open_file(Path::new("folder"), Access::Read).is_err());
    }
}
