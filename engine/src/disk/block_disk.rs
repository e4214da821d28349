//! What the engine asks of a disk, so that tests can put a failing one in its place.

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::path::Path;

use crate::disk::beneath::{self, Access, Root, Stamp};

/// What one call gives to a file system goes no further than the next multiple of this. Linux takes the
/// memory for a longer write in one piece, and large pieces are those that nobody has touched for longest:
/// cold for the processor, and on a virtual machine often not there at all until they are touched.
const LONGEST_WRITE: u64 = 32 * 1024;

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
        if self.on_ram {
            return beneath::write_vectored_at(&self.file, buffers, offset);
        }
        let room = usize::try_from(LONGEST_WRITE - offset % LONGEST_WRITE).unwrap_or(usize::MAX);
        let mut length = 0;
        let fitting = buffers.iter().take_while(|buffer| {
            length += buffer.len();
            length <= room
        });
        match (fitting.count(), buffers.first()) {
            (0, Some(first)) => {
                let part = [io::IoSlice::new(first.get(..room).unwrap_or_default())];
                beneath::write_vectored_at(&self.file, &part, offset)
            }
            (count, _) => {
                beneath::write_vectored_at(&self.file, buffers.get(..count).unwrap_or_default(), offset)
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_ends_at_the_next_multiple_of_the_longest() {
        let dir = tempfile::tempdir().unwrap();
        let root = Root::open(dir.path()).unwrap();
        let file = root.open_file(Path::new("f"), Access::Create).unwrap();
        let file = StdFile { file, on_ram: false };
        let block = [7_u8; 12_000];
        let long = vec![9_u8; 100_000];
        let write = |buffers: &[&[u8]], offset| {
            let buffers: Vec<_> = buffers.iter().map(|buffer| io::IoSlice::new(buffer)).collect();
            file.write_at(&buffers, offset).unwrap()
        };
        assert_eq!(write(&[&block], 0), 12_000);
        assert_eq!(write(&[&block, &block, &block], 0), 24_000, "the third would go too far");
        assert_eq!(write(&[&long, &block], 32_768), 32_768);
        assert_eq!(write(&[&long], 32_767), 1);
        assert_eq!(write(&[&block, &block, &block[..8768]], 65_536), 32_768);
        assert_eq!(write(&[], 0), 0);
    }
}
