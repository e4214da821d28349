//! What the engine asks of a disk, so that tests can put a failing one in its place.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::path::Path;

use crate::disk::beneath::{self, Access, Root, Stamp};

/// Opens files; [`StdDisk`] is the real one.
pub trait BlockDisk: Debug + Send + Sync {
    /// Opens a regular file beneath `root`.
    fn open(&self, root: &Root, relative: &Path, access: Access) -> io::Result<Box<dyn BlockFile>>;

    /// Bytes that are free where `root` is.
    fn free_space(&self, root: &Root) -> io::Result<u64> {
        root.free_space()
    }

    /// Makes everything written where `root` is survive a loss of power, at once; `false` when it can
    /// only be done file by file.
    fn sync_everything(&self, _root: &Root) -> io::Result<bool> {
        Ok(false)
    }
}

/// One open file. Positions are given with each call, so that many threads can share it.
pub trait BlockFile: Debug + Send + Sync {
    /// Reads at `offset`; fewer bytes than asked for at the end of the file.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The same for what is in memory already; `WouldBlock` when the disk would have to be waited for.
    fn read_cached_at(&self, _buffer: &mut [u8], _offset: u64) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Writes buffers one after the other at `offset`; says how many bytes were taken.
    fn write_at(&self, buffers: &[io::IoSlice<'_>], offset: u64) -> io::Result<usize>;

    /// Makes the file as long as this, reserving the room where that is cheap; never shortens it.
    fn reserve(&self, length: u64) -> io::Result<()>;

    /// Drops what the file holds beyond this length.
    fn cut(&self, length: u64) -> io::Result<()>;

    /// Makes everything written so far survive a loss of power.
    fn sync(&self) -> io::Result<()>;

    /// How the file looks now.
    fn stamp(&self) -> io::Result<Stamp>;
}

/// The disk of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct StdDisk;

impl BlockDisk for StdDisk {
    fn open(&self, root: &Root, relative: &Path, access: Access) -> io::Result<Box<dyn BlockFile>> {
        let file = root.open_file(relative, access)?;
        Ok(Box::new(StdFile { file, on_ram: root.is_on_ram() }))
    }

    fn sync_everything(&self, root: &Root) -> io::Result<bool> {
        root.sync_file_system()
    }
}

#[derive(Debug)]
struct StdFile {
    file: File,
    /// Reading never waits.
    on_ram: bool,
}

impl BlockFile for StdFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        beneath::read_at(&self.file, buffer, offset)
    }

    fn read_cached_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.on_ram {
            self.read_at(buffer, offset)
        } else {
            beneath::read_cached_at(&self.file, buffer, offset)
        }
    }

    fn write_at(&self, buffers: &[io::IoSlice<'_>], offset: u64) -> io::Result<usize> {
        beneath::write_vectored_at(&self.file, buffers, offset)
    }

    fn reserve(&self, length: u64) -> io::Result<()> {
        beneath::reserve(&self.file, length)
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn stamp(&self) -> io::Result<Stamp> {
        Stamp::of(&self.file)
    }
}

/// Whether an error means that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
