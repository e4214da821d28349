//! The walk of `beneath` for systems with `openat`. Linux opens a whole path in one call that refuses
//! every link; where the system has no such call, or forbids it, the path is walked name by name.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{Access, File, Path, PathBuf, Root, Stamp, io, names};

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW);

/// Where a last name is looked up.
enum Folder<'root> {
    Root(BorrowedFd<'root>),
    Beneath(OwnedFd),
}

impl AsFd for Folder<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Root(folder) => folder.as_fd(),
            Self::Beneath(folder) => folder.as_fd(),
        }
    }
}

/// Who may use a file that is made now.
fn mode_of(flags: OFlags) -> Mode {
    if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o666) } else { Mode::empty() }
}

impl Root {
    /// Holds an existing folder. This path is the person's: links in it are followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY;
        let folder = rustix::fs::open(path, flags, Mode::empty())?;
        let on_ram = is_on_ram(&folder);
        Ok(Self { path: path.to_owned(), on_ram, folder })
    }

    /// The folder that `relative` lies in, and its last name.
    fn parent<'path>(&self, relative: &'path Path, make: bool) -> io::Result<(Folder<'_>, &'path OsStr)> {
        let mut names = names(relative)?;
        let last = names.pop().unwrap_or_default();
        let above = relative.parent().filter(|_| !names.is_empty());
        let Some(above) = above else { return Ok((Folder::Root(self.folder.as_fd()), last)) };
        match self.open_whole(above, FOLDER) {
            Some(Ok(folder)) => return Ok((Folder::Beneath(folder), last)),
            // A link on the way is what it is for the walk: no folder.
            Some(Err(Errno::LOOP)) => return Err(Errno::NOTDIR.into()),
            Some(Err(error)) if !make || error != Errno::NOENT => return Err(error.into()),
            _ => {}
        }
        let mut folder = self.folder.try_clone()?;
        for name in names {
            let next = rustix::fs::openat(&folder, name, FOLDER, Mode::empty());
            folder = match next {
                Err(Errno::NOENT) if make => {
                    match rustix::fs::mkdirat(&folder, name, Mode::from_raw_mode(0o777)) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    rustix::fs::openat(&folder, name, FOLDER, Mode::empty())?
                }
                other => other?,
            };
        }
        Ok((Folder::Beneath(folder), last))
    }

    /// Opens a whole path in one call; `None` where the walk has to do it.
    #[cfg(target_os = "linux")]
    fn open_whole(&self, relative: &Path, flags: OFlags) -> Option<rustix::io::Result<OwnedFd>> {
        use rustix::fs::ResolveFlags;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match rustix::fs::openat2(&self.folder, relative, flags, mode_of(flags), resolve) {
            // Older than 5.6, forbidden in a container, or something above was renamed meanwhile.
            Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => None,
            outcome => Some(outcome),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn open_whole(&self, _: &Path, _: OFlags) -> Option<rustix::io::Result<OwnedFd>> {
        None
    }

    /// Opens a regular file beneath.
    pub fn open_file(&self, relative: &Path, access: Access) -> io::Result<File> {
        // NONBLOCK: a pipe planted under this name must not hold the thread.
        let flags = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = match access {
            Access::Read => flags | OFlags::RDONLY,
            Access::Write => flags | OFlags::RDWR,
            Access::Create => flags | OFlags::RDWR | OFlags::CREATE,
        };
        names(relative)?;
        let opened = match self.open_whole(relative, flags) {
            Some(Err(Errno::NOENT)) if access == Access::Create => None,
            other => other,
        };
        let opened = if let Some(opened) = opened {
            opened?
        } else {
            let (folder, name) = self.parent(relative, access == Access::Create)?;
            rustix::fs::openat(&folder, name, flags, mode_of(flags))?
        };
        let file = File::from(opened);
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
            Ok(()) | Err(Errno::EXIST) => Ok(()),
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

    /// How many files beneath look, in their order. Those that follow each other in one folder cost one
    /// call each.
    pub fn stamps(&self, files: impl IntoIterator<Item = PathBuf>) -> Vec<io::Result<Stamp>> {
        let mut last: Option<(PathBuf, Folder<'_>)> = None;
        let mut stamp = |relative: PathBuf| {
            let name = names(&relative)?.pop().unwrap_or_default();
            let above = relative.parent().unwrap_or(Path::new(""));
            let folder = match last.take() {
                Some((path, folder)) if path == above => folder,
                _ => self.parent(&relative, false)?.0,
            };
            let stat = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW);
            last = Some((above.to_owned(), folder));
            Ok(from_stat(&stat?))
        };
        files.into_iter().map(&mut stamp).collect()
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
                Err(Errno::INVAL | Errno::NOSYS) => {}
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

    /// Makes everything that anybody wrote to this file system survive a loss of power, in one call;
    /// `false` where there is no such call.
    pub fn sync_file_system(&self) -> io::Result<bool> {
        #[cfg(target_os = "linux")]
        rustix::fs::syncfs(&self.folder)?;
        Ok(cfg!(target_os = "linux"))
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

/// Whether a file or folder has no disk behind it.
#[cfg(target_os = "linux")]
fn is_on_ram(file: impl AsFd) -> bool {
    const TMPFS: u64 = 0x0102_1994;
    rustix::fs::fstatfs(file).is_ok_and(|stat| u64::try_from(stat.f_type).is_ok_and(|kind| kind == TMPFS))
}

/// Whether a file has no disk behind it, as far as this is known.
#[cfg(not(target_os = "linux"))]
fn is_on_ram(_: impl AsFd) -> bool {
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
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    file.set_len(length)
}

/// Writes buffers one after the other; says how many bytes were taken.
pub(crate) fn write_vectored_at(file: &File, buffers: &[io::IoSlice<'_>], offset: u64) -> io::Result<usize> {
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
