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

    /// The whole path of something beneath.
    pub fn join(&self, relative: &Path) -> PathBuf {
        self.path.join(relative)
    }
}

#[cfg(unix)]
mod walk {
    use std::ffi::OsStr;
    use std::os::fd::{AsFd, OwnedFd};

    use rustix::fs::{AtFlags, FileType, Mode, OFlags};

    use super::{Access, File, Path, Root, Stamp, io, names};

    const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

    impl Root {
        /// Holds an existing folder. This path is the person's: links in it are followed.
        pub fn open(path: &Path) -> io::Result<Self> {
            let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
            let folder = rustix::fs::open(path, flags, Mode::empty())?;
            Ok(Self { path: path.to_owned(), folder })
        }

        /// The folder that `relative` lies in, and its last name.
        fn parent<'path>(&self, relative: &'path Path, make: bool) -> io::Result<(OwnedFd, &'path OsStr)> {
            let mut names = names(relative)?;
            let last = names.pop().unwrap_or_default();
            let mut folder = self.folder.try_clone()?;
            for name in names {
                let next = rustix::fs::openat(&folder, name, FOLDER, Mode::empty());
                folder = match next {
                    Err(rustix::io::Errno::NOENT) if make => {
                        match rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o777)) {
                            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                            Err(error) => return Err(error.into()),
                        }
                        rustix::fs::openat(&folder, name, FOLDER, Mode::empty())?
                    }
                    other => other?,
                };
            }
            Ok((folder, last))
        }

        /// Opens a regular file beneath.
        pub fn open_file(&self, relative: &Path, access: Access) -> io::Result<File> {
            let (folder, name) = self.parent(relative, access == Access::Create)?;
            // NONBLOCK: a pipe planted under this name must not hold the thread.
            let flags = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
            let flags = match access {
                Access::Read => flags | OFlags::RDONLY,
                Access::Write => flags | OFlags::RDWR,
                Access::Create => flags | OFlags::RDWR | OFlags::CREATE,
            };
            let file = File::from(rustix::fs::openat(&folder, name, flags, Mode::from_raw_mode(0o666))?);
            let kind = FileType::from_raw_mode(rustix::fs::fstat(&file)?.st_mode);
            if kind == FileType::RegularFile {
                Ok(file)
            } else {
                Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
            }
        }

        /// Makes a folder beneath, and those on the way.
        pub fn make_folder(&self, relative: &Path) -> io::Result<()> {
            let (folder, name) = self.parent(relative, true)?;
            match rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }

        /// Whether anything, a link included, has this name.
        pub fn exists(&self, relative: &Path) -> io::Result<bool> {
            match self.kind(relative) {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            }
        }

        fn kind(&self, relative: &Path) -> io::Result<FileType> {
            let (folder, name) = self.parent(relative, false)?;
            let stat = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            Ok(FileType::from_raw_mode(stat.st_mode))
        }

        /// Whether it is a folder and no link.
        pub fn is_folder(&self, relative: &Path) -> bool {
            self.kind(relative).is_ok_and(|kind| kind == FileType::Directory)
        }

        /// How a file beneath looks; links are not followed.
        pub fn stamp(&self, relative: &Path) -> io::Result<Stamp> {
            let (folder, name) = self.parent(relative, false)?;
            Ok(from_stat(&rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?))
        }

        /// Gives another name, also in another folder beneath. Whatever has that name stays and makes
        /// this an error.
        pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            let (from_folder, from_name) = self.parent(from, false)?;
            let (to_folder, to_name) = self.parent(to, true)?;
            #[cfg(target_os = "linux")]
            {
                use rustix::fs::RenameFlags;
                match rustix::fs::renameat_with(
                    &from_folder,
                    from_name,
                    &to_folder,
                    to_name,
                    RenameFlags::NOREPLACE,
                ) {
                    // Some file systems do not know the flag.
                    Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {}
                    other => return Ok(other?),
                }
            }
            if self.exists(to)? {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            Ok(rustix::fs::renameat(&from_folder, from_name, &to_folder, to_name)?)
        }

        /// Removes one file.
        pub fn remove_file(&self, relative: &Path) -> io::Result<()> {
            let (folder, name) = self.parent(relative, false)?;
            Ok(rustix::fs::unlinkat(&folder, name, AtFlags::empty())?)
        }

        /// Removes one empty folder.
        pub fn remove_folder(&self, relative: &Path) -> io::Result<()> {
            let (folder, name) = self.parent(relative, false)?;
            Ok(rustix::fs::unlinkat(&folder, name, AtFlags::REMOVEDIR)?)
        }

        /// Makes new names in the folder that `relative` lies in survive a loss of power.
        pub fn sync_folder_of(&self, relative: &Path) -> io::Result<()> {
            let (folder, _) = self.parent(relative, false)?;
            Ok(rustix::fs::fsync(&folder)?)
        }

        /// Bytes that are free for us.
        pub fn free_space(&self) -> io::Result<u64> {
            let stat = rustix::fs::fstatvfs(&self.folder)?;
            Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
        }
    }

    fn from_stat(stat: &rustix::fs::Stat) -> Stamp {
        #[allow(
            clippy::useless_conversion,
            clippy::unnecessary_fallible_conversions,
            reason = "the fields' types differ between systems"
        )]
        Stamp {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified_nanos: i64::from(stat.st_mtime)
                .saturating_mul(1_000_000_000)
                .saturating_add(i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
            inode: u64::from(stat.st_ino),
        }
    }

    impl Stamp {
        /// How an open file looks now.
        pub fn of(file: &File) -> io::Result<Self> {
            Ok(from_stat(&rustix::fs::fstat(file.as_fd())?))
        }
    }

    /// Whether a file has no disk behind it.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_on_ram(file: &File) -> bool {
        const TMPFS: u64 = 0x0102_1994;
        rustix::fs::fstatfs(file).is_ok_and(|stat| u64::try_from(stat.f_type).is_ok_and(|kind| kind == TMPFS))
    }

    /// Whether a file has no disk behind it, as far as this is known.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn is_on_ram(_: &File) -> bool {
        false
    }

    /// Reserves the file's length on disk, where that costs no writing; else only sets it.
    pub(crate) fn reserve(file: &File, length: u64) -> io::Result<()> {
        if file.metadata()?.len() >= length {
            return Ok(());
        }
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::FallocateFlags;
            // A RAM disk would fill every page with zeros.
            if !is_on_ram(file) {
                match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, length) {
                    Ok(()) => return Ok(()),
                    Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        file.set_len(length)
    }

    /// Writes buffers one after the other; says how many bytes were taken.
    pub(crate) fn write_vectored_at(
        file: &File,
        buffers: &[io::IoSlice<'_>],
        offset: u64,
    ) -> io::Result<usize> {
        Ok(rustix::io::pwritev(file, buffers, offset)?)
    }

    /// Reads at a place without moving anything.
    pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(file, buffer, offset)
    }

    /// Reads what the system has in memory; `WouldBlock` where that is nothing, or cannot be known.
    pub(crate) fn read_cached_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        #[cfg(target_os = "linux")]
        {
            use rustix::io::{Errno, ReadWriteFlags};
            let mut buffers = [io::IoSliceMut::new(buffer)];
            match rustix::io::preadv2(file, &mut buffers, offset, ReadWriteFlags::NOWAIT) {
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
                other => return Ok(other?),
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (file, buffer, offset);
        Err(io::ErrorKind::WouldBlock.into())
    }
}

#[cfg(not(unix))]
#[path = "beneath_portable.rs"]
mod walk;

pub(crate) use walk::{is_on_ram, read_at, read_cached_at, reserve, write_vectored_at};

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
