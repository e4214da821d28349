//! The walk of `beneath` for systems without `openat`: every step is looked at before it is taken.
//! A link that is planted between the look and the step is not noticed; on those systems making
//! links needs a privilege that other users do not have.

use super::{Access, File, Path, Root, Stamp, io, names};
use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

impl Root {
    /// Holds an existing folder.
    pub fn open(path: &Path) -> io::Result<Self> {
        if fs::metadata(path)?.is_dir() {
            Ok(Self { path: path.to_owned(), on_ram: false })
        } else {
            Err(io::ErrorKind::NotADirectory.into())
        }
    }

    fn walk(&self, relative: &Path, make: bool) -> io::Result<PathBuf> {
        let mut names = names(relative)?;
        let last = names.pop().unwrap_or_default();
        let mut path = self.path.clone();
        for name in names {
            path.push(name);
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_dir() => {}
                Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
                Err(error) if make && error.kind() == io::ErrorKind::NotFound => fs::create_dir(&path)?,
                Err(error) => return Err(error),
            }
        }
        Ok(path.join(last))
    }

    /// Opens a regular file beneath.
    pub fn open_file(&self, relative: &Path, access: Access) -> io::Result<File> {
        let path = self.walk(relative, access == Access::Create)?;
        match fs::symlink_metadata(&path) {
            Ok(found) if !found.is_file() => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
            }
            Err(error) if access != Access::Create => return Err(error),
            _ => {}
        }
        let write = access != Access::Read;
        let create = access == Access::Create;
        OpenOptions::new().read(true).write(write).create(create).truncate(false).open(path)
    }

    /// Makes a folder beneath, and those on the way.
    pub fn make_folder(&self, relative: &Path) -> io::Result<()> {
        match fs::create_dir(self.walk(relative, true)?) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether anything, a link included, has this name.
    pub fn exists(&self, relative: &Path) -> io::Result<bool> {
        match self.walk(relative, false).and_then(fs::symlink_metadata) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether it is a folder and no link.
    pub fn is_folder(&self, relative: &Path) -> bool {
        self.walk(relative, false).and_then(fs::symlink_metadata).is_ok_and(|found| found.is_dir())
    }

    /// How a file beneath looks; links are not followed.
    pub fn stamp(&self, relative: &Path) -> io::Result<Stamp> {
        Ok(from_metadata(&fs::symlink_metadata(self.walk(relative, false)?)?))
    }

    /// How many files beneath look, in their order.
    pub fn stamps(&self, files: impl IntoIterator<Item = PathBuf>) -> Vec<io::Result<Stamp>> {
        files.into_iter().map(|relative| self.stamp(&relative)).collect()
    }

    /// Gives another name. Whatever has that name stays and makes this an error.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.exists(to)? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        fs::rename(self.walk(from, false)?, self.walk(to, true)?)
    }

    /// Removes one file.
    pub fn remove_file(&self, relative: &Path) -> io::Result<()> {
        fs::remove_file(self.walk(relative, false)?)
    }

    /// Removes one empty folder.
    pub fn remove_folder(&self, relative: &Path) -> io::Result<()> {
        fs::remove_dir(self.walk(relative, false)?)
    }

    /// Folders cannot be synced here; the system does it.
    pub fn sync_folder_of(&self, relative: &Path) -> io::Result<()> {
        self.walk(relative, false).map(drop)
    }

    /// There is no such call here.
    pub fn sync_file_system(&self) -> io::Result<bool> {
        Ok(false)
    }

    /// Not known here without calls of our own: never a reason to refuse.
    pub fn free_space(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

fn from_metadata(found: &fs::Metadata) -> Stamp {
    let modified = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let modified_nanos = modified.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or(0);
    Stamp { size: found.len(), modified_nanos, inode: 0 }
}

impl Stamp {
    /// How an open file looks now.
    pub fn of(file: &File) -> io::Result<Self> {
        Ok(from_metadata(&file.metadata()?))
    }
}

pub(crate) fn reserve(file: &File, length: u64) -> io::Result<()> {
    if file.metadata()?.len() < length { file.set_len(length) } else { Ok(()) }
}

pub(crate) fn write_vectored_at(file: &File, buffers: &[io::IoSlice<'_>], offset: u64) -> io::Result<usize> {
    let Some(first) = buffers.iter().find(|buffer| !buffer.is_empty()) else { return Ok(0) };
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_write(file, first, offset);
    #[cfg(not(windows))]
    {
        let _ = (file, first, offset);
        Err(io::ErrorKind::Unsupported.into())
    }
}

pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    #[cfg(windows)]
    return std::os::windows::fs::FileExt::seek_read(file, buffer, offset);
    #[cfg(not(windows))]
    {
        let _ = (file, buffer, offset);
        Err(io::ErrorKind::Unsupported.into())
    }
}

pub(crate) fn read_cached_at(_: &File, _: &mut [u8], _: u64) -> io::Result<usize> {
    Err(io::ErrorKind::WouldBlock.into())
}
