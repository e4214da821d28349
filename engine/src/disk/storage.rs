//! Where the bytes of one torrent lie: the line of the torrent mapped onto files beneath a folder.
//!
//! Padding and empty files have no place on disk: padding reads as zeros and is never written.

use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use shared::{Layout, PieceIndex, Span};

use crate::disk::beneath::{Access, Root, Stamp};
use crate::disk::block_disk::{BlockDisk, BlockFile};
use crate::disk::open_files::{FileKey, OpenFiles};

/// One file of a torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredFile {
    /// Below the torrent's own name; empty for the only file of a torrent without a folder.
    pub(crate) inside: PathBuf,
    /// Where it begins on the line.
    pub(crate) offset: u64,
    /// Its length.
    pub(crate) length: u64,
}

impl StoredFile {
    /// Its path beneath the folder that the torrent lies in; `top` is the torrent's own name there.
    pub(crate) fn beneath(&self, top: &Path) -> PathBuf {
        if self.inside.as_os_str().is_empty() { top.to_owned() } else { top.join(&self.inside) }
    }
}

/// How each of a torrent's files looks now.
pub(crate) fn stamps(root: &Root, top: &Path, files: &[StoredFile]) -> Vec<io::Result<Stamp>> {
    root.stamps(files.iter().map(|file| file.beneath(top)))
}

/// A part of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Number of the file in [`Storage::files`].
    pub(crate) file: usize,
    /// Where in the file.
    pub(crate) offset: u64,
    /// How many bytes.
    pub(crate) length: usize,
    /// Where the bytes stand in the range that was asked about.
    pub(crate) at: usize,
}

/// More files than this are synced with everything else on their file system: one wait instead of one
/// for each.
const MOST_SYNCED_ALONE: usize = 64;

/// The files of one torrent, beneath one folder, under one name that may change once it is complete.
#[derive(Debug)]
pub(crate) struct Storage {
    id: u64,
    disk: Arc<dyn BlockDisk>,
    open_files: Arc<OpenFiles>,
    root: Root,
    /// The torrent's file or folder beneath the root.
    top: RwLock<PathBuf>,
    /// In the order of the line.
    files: Vec<StoredFile>,
    layout: Layout,
    writable: AtomicBool,
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl Storage {
    /// `top` is the name of the file or folder beneath `root`.
    pub(crate) fn new(
        disk: Arc<dyn BlockDisk>,
        open_files: Arc<OpenFiles>,
        root: Root,
        top: PathBuf,
        mut files: Vec<StoredFile>,
        layout: Layout,
        writable: bool,
    ) -> Self {
        files.sort_by_key(|file| file.offset);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        let writable = AtomicBool::new(writable);
        Self { id, disk, open_files, root, top: RwLock::new(top), files, layout, writable }
    }

    /// Pieces and blocks.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Every file, empty ones included, in the order of the line.
    pub(crate) fn files(&self) -> &[StoredFile] {
        &self.files
    }

    /// The folder that everything lies beneath.
    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// The torrent's file or folder beneath the root.
    pub(crate) fn top(&self) -> PathBuf {
        self.top.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The torrent's file or folder as a whole path.
    pub(crate) fn path(&self) -> PathBuf {
        self.root.join(&self.top())
    }

    /// A file beneath the root.
    pub(crate) fn relative(&self, file: usize) -> PathBuf {
        let top = self.top();
        self.files.get(file).map_or_else(|| top.clone(), |file| file.beneath(&top))
    }

    /// Gives the file or folder its other name; what has that name already makes this an error.
    /// From then on nothing is written.
    pub(crate) fn rename_top(&self, to: &Path) -> io::Result<()> {
        self.root.rename(&self.top(), to)?;
        to.clone_into(&mut self.top.write().unwrap_or_else(PoisonError::into_inner));
        self.writable.store(false, Ordering::Release);
        self.close();
        Ok(())
    }

    /// Closes its files; they are opened again when needed.
    pub(crate) fn close(&self) {
        self.open_files.close_all_of(self.id);
    }

    fn key(&self, file: usize) -> FileKey {
        (self.id, file, self.is_writable())
    }

    /// The open file.
    pub(crate) fn file(&self, file: usize) -> io::Result<Arc<dyn BlockFile>> {
        let key @ (.., writable) = self.key(file);
        self.open_files.get(key, || {
            let access = if writable { Access::Create } else { Access::Read };
            self.disk.open(&self.root, &self.relative(file), access)
        })
    }

    /// How a file looks now; an error when it is not there.
    pub(crate) fn stamp(&self, file: usize) -> io::Result<Stamp> {
        self.root.stamp(&self.relative(file))
    }

    /// How every file looks now; `None` for one that is not there.
    pub(crate) fn stamps(&self) -> Vec<Option<Stamp>> {
        stamps(&self.root, &self.top(), &self.files).into_iter().map(Result::ok).collect()
    }

    /// Whether it is still being downloaded.
    pub(crate) fn is_writable(&self) -> bool {
        self.writable.load(Ordering::Acquire)
    }

    /// Bytes free where it lies.
    pub(crate) fn free_space(&self) -> io::Result<u64> {
        self.disk.free_space(&self.root)
    }

    /// The parts of files that a range of the line covers, padding left out.
    pub(crate) fn segments(&self, offset: u64, length: u64) -> Vec<Segment> {
        let end = offset.saturating_add(length);
        let first = self.files.partition_point(|file| file.offset + file.length <= offset);
        self.files
            .iter()
            .enumerate()
            .skip(first)
            .take_while(|(_, file)| file.offset < end)
            .filter_map(|(index, file)| {
                let from = file.offset.max(offset);
                let to = (file.offset + file.length).min(end);
                let length = usize::try_from(to.checked_sub(from)?).ok().filter(|length| *length > 0)?;
                let at = usize::try_from(from - offset).ok()?;
                Some(Segment { file: index, offset: from - file.offset, length, at })
            })
            .collect()
    }

    /// Where a span begins on the line.
    pub(crate) fn line_offset(&self, span: Span) -> u64 {
        self.layout.offset(span.piece()) + u64::from(span.begin())
    }

    /// The files that a piece touches.
    pub(crate) fn files_of(&self, piece: PieceIndex) -> Vec<usize> {
        let length = u64::from(self.layout.length(piece));
        self.segments(self.layout.offset(piece), length).iter().map(|segment| segment.file).collect()
    }

    /// The pieces that a file touches; none for an empty one.
    pub(crate) fn pieces_of(&self, file: usize) -> std::ops::Range<u32> {
        let Some(file) = self.files.get(file).filter(|file| file.length > 0) else { return 0..0 };
        let first = self.layout.piece_at(file.offset);
        let last = self.layout.piece_at(file.offset + file.length - 1);
        match (first, last) {
            (Some(first), Some(last)) => first.get()..last.get() + 1,
            _ => 0..0,
        }
    }

    /// Fills `buffer` with what lies at `offset` of the line. Padding reads as zeros; a file that is
    /// too short is an error.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read_by(|file| self.file(file), |file, part, at| file.read_at(part, at), offset, buffer)
    }

    /// The same without waiting for the disk: `WouldBlock` when not all of it is in memory, or a file is not
    /// open: opening it may wait for a disk that sleeps.
    pub(crate) fn read_cached(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let file = |file| {
            if self.root.is_on_ram() {
                return self.file(file);
            }
            self.open_files.opened(self.key(file)).ok_or_else(|| io::ErrorKind::WouldBlock.into())
        };
        self.read_by(file, |file, part, at| file.read_cached_at(part, at), offset, buffer)
    }

    fn read_by(
        &self,
        file: impl Fn(usize) -> io::Result<Arc<dyn BlockFile>>,
        read: ReadAt,
        offset: u64,
        buffer: &mut [u8],
    ) -> io::Result<()> {
        let segments = self.segments(offset, buffer.len() as u64);
        let covered: usize = segments.iter().map(|segment| segment.length).sum();
        if covered < buffer.len() {
            buffer.fill(0);
        }
        for segment in segments {
            let file = file(segment.file)?;
            let Some(part) = buffer.get_mut(segment.at..segment.at + segment.length) else { continue };
            read_exact_at(&*file, read, part, segment.offset)?;
        }
        Ok(())
    }

    /// Writes buffers that follow each other from `offset` of the line on. What falls on padding is
    /// left out.
    pub(crate) fn write(&self, offset: u64, buffers: &[bytes::Bytes]) -> io::Result<()> {
        let length = buffers.iter().map(bytes::Bytes::len).sum::<usize>();
        for segment in self.segments(offset, length as u64) {
            let file = self.file(segment.file)?;
            let slices = slices_of(buffers, segment.at, segment.length);
            write_all_at(&*file, slices, segment.offset)?;
        }
        Ok(())
    }

    /// Makes these pieces survive a loss of power.
    pub(crate) fn sync_pieces(&self, pieces: impl IntoIterator<Item = u32>) -> io::Result<()> {
        let files: std::collections::BTreeSet<usize> =
            pieces.into_iter().flat_map(|piece| self.files_of(PieceIndex::new(piece))).collect();
        self.sync(files)
    }

    /// Makes everything written to these files survive a loss of power.
    pub(crate) fn sync(&self, files: impl IntoIterator<Item = usize>) -> io::Result<()> {
        let files: Vec<usize> = files.into_iter().collect();
        if files.len() > MOST_SYNCED_ALONE && self.disk.sync_everything(&self.root)? {
            return Ok(());
        }
        for index in files {
            if self.files.get(index).is_some_and(|file| file.length > 0) {
                self.file(index)?.sync()?;
            }
        }
        Ok(())
    }
}

/// A way to read a file.
type ReadAt = for<'a, 'b> fn(&'a (dyn BlockFile + 'a), &'b mut [u8], u64) -> io::Result<usize>;

fn read_exact_at(
    file: &dyn BlockFile,
    read: ReadAt,
    mut buffer: &mut [u8],
    mut offset: u64,
) -> io::Result<()> {
    while !buffer.is_empty() {
        match read(file, buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                buffer = buffer.get_mut(read..).unwrap_or_default();
                offset += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn slices_of(buffers: &[bytes::Bytes], at: usize, length: usize) -> Vec<io::IoSlice<'_>> {
    let (mut skip, mut left) = (at, length);
    let mut slices = Vec::with_capacity(buffers.len());
    for buffer in buffers {
        if skip >= buffer.len() {
            skip -= buffer.len();
            continue;
        }
        let take = (buffer.len() - skip).min(left);
        if take == 0 {
            break;
        }
        slices.push(io::IoSlice::new(buffer.get(skip..skip + take).unwrap_or_default()));
        skip = 0;
        left -= take;
    }
    slices
}

/// The most buffers that one system call takes.
const MOST_SLICES: usize = 1024;

fn write_all_at(file: &dyn BlockFile, mut slices: Vec<io::IoSlice<'_>>, mut offset: u64) -> io::Result<()> {
    let mut rest = slices.as_mut_slice();
    while !rest.is_empty() {
        let now = rest.get(..rest.len().min(MOST_SLICES)).unwrap_or_default();
        match file.write_at(now, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                offset += written as u64;
                io::IoSlice::advance_slices(&mut rest, written);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::disk::block_disk::StdDisk;

    /// Files of these lengths; each but the last padded to `piece_length` when that is given.
    fn storage(dir: &Path, lengths: &[u64], piece_length: u64, padded: bool) -> Storage {
        let mut offset = 0;
        let mut padding = Vec::new();
        let mut files = Vec::new();
        for (index, length) in lengths.iter().enumerate() {
            files.push(StoredFile { inside: PathBuf::from(format!("f{index}")), offset, length: *length });
            offset += length;
            let pad = (piece_length - offset % piece_length) % piece_length;
            if padded && index + 1 < lengths.len() && pad > 0 {
                padding.push((offset, pad));
                offset += pad;
            }
        }
        let layout = Layout::with_padding(offset, piece_length, padding).unwrap();
        let root = Root::open(dir).unwrap();
        let open = Arc::new(OpenFiles::new(2));
        Storage::new(Arc::new(StdDisk), open, root, PathBuf::from("top"), files, layout, true)
    }

    #[test]
    fn padding_is_neither_written_nor_read() {
        let dir = tempfile::tempdir().unwrap();
        let storage = storage(dir.path(), &[3, 0, 5], 16, true);
        storage.write(0, &[Bytes::from_static(&[7; 21])]).unwrap();
        let mut line = [9; 21];
        storage.read(0, &mut line).unwrap();
        assert_eq!(line, [7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 7, 7, 7, 7]);
        assert_eq!(storage.files_of(PieceIndex::new(0)), [0]);
        assert_eq!((storage.pieces_of(0), storage.pieces_of(1), storage.pieces_of(2)), (0..1, 0..0, 1..2));
        assert!(storage.read(16, &mut [0; 6]).is_ok(), "beyond the end there is nothing to read");
        std::fs::write(dir.path().join("top/f2"), b"xy").unwrap();
        assert_eq!(storage.read(16, &mut [0; 5]).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn only_a_ram_disk_opens_files_for_who_must_not_wait() {
        let dir = tempfile::tempdir().unwrap();
        let storage = storage(dir.path(), &[3], 16, false);
        storage.write(0, &[Bytes::from_static(b"abc")]).unwrap();
        storage.close();
        let cached = storage.read_cached(0, &mut [0; 3]);
        let is_open = storage.open_files.opened(storage.key(0)).is_some();
        assert_eq!((cached.is_ok(), is_open), (storage.root().is_on_ram(), storage.root().is_on_ram()));
        storage.read(0, &mut [0; 3]).unwrap();
        assert!(storage.open_files.opened(storage.key(0)).is_some());
    }

    #[test]
    fn a_new_name_ends_writing() {
        let dir = tempfile::tempdir().unwrap();
        let storage = storage(dir.path(), &[3], 16, false);
        storage.write(0, &[Bytes::from_static(b"abc")]).unwrap();
        storage.rename_top(Path::new("done")).unwrap();
        assert_eq!(std::fs::read(dir.path().join("done/f0")).unwrap(), b"abc");
        storage.read(0, &mut [0; 3]).unwrap();
        assert!(storage.write(0, &[Bytes::from_static(b"xyz")]).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_in_pieces_reads_back(
            lengths in proptest::collection::vec(0_u64..40, 1..6),
            padded in any::<bool>(),
            cuts in proptest::collection::vec(1_usize..20, 1..20),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let storage = storage(dir.path(), &lengths, 16, padded);
            let total = usize::try_from(storage.layout().total_length()).unwrap();
            let line: Vec<u8> = (0..total).map(|at| u8::try_from(at % 251).unwrap() + 1).collect();
            let mut at = 0;
            for cut in cuts.iter().cycle() {
                if at >= total { break; }
                let end = (at + cut).min(total);
                let middle = at + (end - at) / 2;
                let buffers = [Bytes::copy_from_slice(&line[at..middle]), Bytes::copy_from_slice(&line[middle..end])];
                storage.write(at as u64, &buffers).unwrap();
                at = end;
            }
            let mut read = vec![0xee; total];
            // A file that was never opened because it is empty does not exist, and is not missed.
            storage.read(0, &mut read).unwrap();
            for (index, file) in storage.files().iter().enumerate() {
                let from = usize::try_from(file.offset).unwrap();
                let to = from + usize::try_from(file.length).unwrap();
                prop_assert_eq!(&read[from..to], &line[from..to]);
                if file.length > 0 {
                    prop_assert_eq!(storage.stamp(index).unwrap().size, file.length);
                }
            }
            let in_files: u64 = storage.files().iter().map(|file| file.length).sum();
            let zeros = read.iter().fold(0, |zeros, byte| zeros + u64::from(*byte == 0));
            prop_assert_eq!(zeros, total as u64 - in_files);
        }
    }
}
