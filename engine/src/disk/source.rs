//! What is read to be given to others, and that it is still what was promised.
//!
//! Files that are shared belong to somebody else: they may change, shrink or vanish at any time. Each
//! read is followed by a look at the file's size, time and number; when one has changed, every piece of
//! the file is in doubt and is hashed again before anything of it is given. A piece that does not have
//! its hash any more is withdrawn. While a download is still written to, the changes are our own and
//! what is given has just been verified.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use shared::{Bitfield, PieceIndex, Span};
use swarm::Content;
use tokio::sync::mpsc;

use crate::disk::arriving::Arriving;
use crate::disk::beneath::Stamp;
use crate::disk::hash_tree::{Leaves, Upper};
use crate::disk::page_buffer::PageBuffer;
use crate::disk::storage::Storage;
use crate::disk::verify;

/// The most leaves that are kept: 8 MiB of them, for 4 GiB of content.
const MOST_LEAVES: usize = 262_144;

/// The most files whose upper layers are kept.
const MOST_TREES: usize = 16;

/// Content on disk that others may have.
#[derive(Debug)]
pub(crate) struct Source {
    storage: Arc<Storage>,
    content: Arc<Content>,
    /// The content with piece layers that came later.
    completed: OnceLock<Arc<Content>>,
    watch: Mutex<Option<Watch>>,
    /// What of a torrent without trees is hashed while it is written.
    arriving: Arriving,
    /// Leaves of pieces that somebody asked for.
    leaves: Mutex<BTreeMap<PieceIndex, Leaves>>,
    /// The upper layers of files that somebody asked about.
    upper: Mutex<BTreeMap<[u8; 32], Arc<Upper>>>,
    /// Told of pieces that turn out to be wrong, whenever somebody asks for them.
    changes: OnceLock<mpsc::Sender<Changed>>,
}

/// A piece is not on disk any more as the torrent says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Which piece.
    pub(crate) piece: PieceIndex,
    /// Number of the file.
    pub(crate) file: usize,
    /// It is the first one of its file.
    pub(crate) is_first: bool,
    /// The files are still being written by us.
    pub(crate) unfinished: bool,
}

/// What is known of files that we do not write.
#[derive(Debug)]
struct Watch {
    /// How each file looked when its pieces were last known to be right.
    stamps: Vec<Option<Stamp>>,
    /// Pieces to be hashed before they are given.
    doubtful: Bitfield,
    /// Pieces that were hashed and are wrong.
    withdrawn: Bitfield,
    /// Files that were told of.
    told: Vec<bool>,
    /// How often a file looked otherwise than before.
    changes: u64,
}

impl Source {
    /// Content that is still being written.
    pub(crate) fn new(storage: Arc<Storage>, content: Arc<Content>) -> Self {
        Self {
            storage,
            content,
            completed: OnceLock::new(),
            watch: Mutex::new(None),
            arriving: Arriving::default(),
            leaves: Mutex::default(),
            upper: Mutex::default(),
            changes: OnceLock::new(),
        }
    }

    /// The hashes of pieces that are being written.
    pub(crate) fn arriving(&self) -> &Arriving {
        &self.arriving
    }

    /// Whom to tell of files that turn out to be wrong.
    pub(crate) fn tell(&self, changes: mpsc::Sender<Changed>) {
        let _ = self.changes.set(changes).is_ok();
    }

    /// Leaves that are known already, so that they need not be read again.
    pub(crate) fn remember_leaves(&self, leaves: BTreeMap<PieceIndex, Leaves>) {
        let most = self.most_pieces();
        let mut known = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(leaves.into_iter().take(most));
    }

    /// Leaves of a piece that was just verified. They are kept when they are the right ones: a block
    /// may have come again, and false, after the piece was whole.
    pub(crate) fn offer_leaves(&self, piece: PieceIndex, leaves: Vec<[u8; 32]>) {
        if let Some((expected, width)) = verify::expected_root(self.content(), piece)
            && verify::root(leaves.clone(), width) == expected
        {
            let mut known = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
            if known.len() < self.most_pieces() {
                known.insert(piece, leaves.into());
            }
        }
    }

    /// The layers above the pieces of one file.
    pub(crate) fn upper(&self, pieces_root: &[u8; 32]) -> Option<Arc<Upper>> {
        let mut known = self.upper.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(upper) = known.get(pieces_root) {
            return Some(Arc::clone(upper));
        }
        let upper = Arc::new(Upper::over(self.content(), pieces_root)?);
        if known.len() >= MOST_TREES {
            known.pop_first();
        }
        known.insert(*pieces_root, Arc::clone(&upper));
        Some(upper)
    }

    fn most_pieces(&self) -> usize {
        MOST_LEAVES / (self.storage.layout().blocks_in_whole_piece() as usize).max(1)
    }

    /// The files.
    pub(crate) fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }

    /// What the torrent says.
    pub(crate) fn content(&self) -> &Arc<Content> {
        self.completed.get().unwrap_or(&self.content)
    }

    /// These piece layers, which the content came without, are proven.
    pub(crate) fn know_layers(&self, layers: &BTreeMap<[u8; 32], Vec<[u8; 32]>>) {
        let mut content = (*self.content).clone();
        content.piece_layers.extend(layers.iter().map(|(root, layer)| (*root, layer.clone())));
        let _ = self.completed.set(Arc::new(content)).is_ok();
    }

    /// Whether there are SHA-256 trees to compare blocks with.
    pub(crate) fn has_trees(&self) -> bool {
        !self.content.trees.is_empty()
    }

    /// From now on nobody should write: `stamps` says how each file looked when it was right, and a
    /// file that looks otherwise by `now` is in doubt.
    pub(crate) fn watch(&self, stamps: Vec<Option<Stamp>>, now: &[Option<Stamp>]) {
        let pieces = self.storage.layout().pieces();
        let files = self.storage.files().len();
        let mut watch = Watch {
            stamps,
            doubtful: Bitfield::empty(pieces),
            withdrawn: Bitfield::empty(pieces),
            told: vec![false; files],
            changes: 0,
        };
        watch.stamps.resize(files, None);
        for file in 0..files {
            watch.look(&self.storage, file, now.get(file).copied().flatten());
        }
        *self.lock() = Some(watch);
    }

    /// How every file looked when it was last known to be right; empty while it is written.
    pub(crate) fn stamps(&self) -> Vec<Option<Stamp>> {
        self.lock().as_ref().map(|watch| watch.stamps.clone()).unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Watch>> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The leaves of a piece, from memory or from disk.
    pub(crate) fn leaves(&self, piece: PieceIndex) -> Option<Leaves> {
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = leaves.get(&piece) {
            return Some(Arc::clone(known));
        }
        drop(leaves);
        let made = verify::leaves_of_piece(&self.storage, piece, &mut PageBuffer::default()).ok()?;
        // A file that has changed gives other leaves; whoever got those would take us for a liar.
        let (expected, width) = verify::expected_root(self.content(), piece)?;
        if verify::root(made.clone(), width) != expected {
            return None;
        }
        let made: Leaves = made.into();
        leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        while leaves.len() > self.most_pieces() {
            leaves.pop_first();
        }
        leaves.insert(piece, Arc::clone(&made));
        Some(made)
    }

    /// Fills `buffer` with spans, one behind the other, without waiting for the disk; `false`: some of it
    /// is not in memory or in doubt, and [`Self::read`] is to be called.
    pub(crate) fn read_cached(&self, spans: &[Span], buffer: &mut PageBuffer) -> bool {
        buffer.set_length(spans.iter().map(|span| span.length() as usize).sum());
        let (mut rest, mut parts) = (spans, &mut **buffer);
        while let Some(first) = rest.first() {
            let (count, length) = self.run_length(rest);
            let Some((part, others)) = parts.split_at_mut_checked(length) else { return false };
            let offset = self.storage.line_offset(*first);
            let read = self.storage.read_cached(offset, part);
            if read.is_err() || !self.look_at_files(offset, length as u64).is_ok_and(|doubt| !doubt) {
                return false;
            }
            (rest, parts) = (rest.get(count..).unwrap_or_default(), others);
        }
        true
    }

    /// Reads spans into `buffer`, one behind the other, those that cannot be given left out; says
    /// which could be. Runs on a disk thread.
    pub(crate) fn read(&self, spans: &[Span], mut buffer: PageBuffer) -> (PageBuffer, Vec<bool>) {
        let mut readable = vec![false; spans.len()];
        let total: usize = spans.iter().map(|span| span.length() as usize).sum();
        buffer.set_length(total);
        let (mut filled, mut next) = (0, 0);
        while let Some(rest) = spans.get(next..).filter(|rest| !rest.is_empty()) {
            let (count, length) = self.run_length(rest);
            let run = rest.get(..count).unwrap_or_default();
            let part = buffer.get_mut(filled..filled + length).unwrap_or_default();
            match self.read_undoubted(run, part) {
                Ok(true) => {
                    filled += length;
                    readable.iter_mut().skip(next).take(count).for_each(|one| *one = true);
                }
                // One span at a time, so that a wrong piece takes no other with it.
                Ok(false) | Err(_) => {
                    for (span, readable) in run.iter().zip(readable.iter_mut().skip(next)) {
                        let end = filled + span.length() as usize;
                        let part = buffer.get_mut(filled..end).unwrap_or_default();
                        *readable = self.read_doubted(*span, part).is_ok();
                        filled = if *readable { end } else { filled };
                    }
                }
            }
            next += count;
        }
        buffer.set_length(filled);
        (buffer, readable)
    }

    /// How many of the spans follow each other on the line, and how long they are together.
    fn run_length(&self, spans: &[Span]) -> (usize, usize) {
        let mut end = None;
        let (mut count, mut length) = (0, 0);
        for span in spans {
            let begin = self.storage.line_offset(*span);
            if end.is_some_and(|end| end != begin) {
                break;
            }
            end = Some(begin + u64::from(span.length()));
            count += 1;
            length += span.length() as usize;
        }
        (count, length)
    }

    /// Reads spans that follow each other; `false` when something about them is in doubt.
    fn read_undoubted(&self, run: &[Span], buffer: &mut [u8]) -> io::Result<bool> {
        let Some(first) = run.first() else { return Ok(true) };
        let offset = self.storage.line_offset(*first);
        self.storage.read(offset, buffer)?;
        // Looked at after reading: whoever changed these bytes before we read them changed the time.
        Ok(!self.look_at_files(offset, buffer.len() as u64)?)
    }

    /// Reads a span after its piece has been hashed, if need be.
    fn read_doubted(&self, span: Span, buffer: &mut [u8]) -> io::Result<()> {
        for _ in 0..2 {
            self.settle(span.piece())?;
            match self.read_undoubted(&[span], buffer) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(_) => self.doubt(span.piece())?,
            }
        }
        Err(io::Error::other("the file is being changed"))
    }

    /// Compares the files of a range with their stamps; says whether anything in it is in doubt.
    fn look_at_files(&self, offset: u64, length: u64) -> io::Result<bool> {
        if self.lock().is_none() {
            return Ok(false);
        }
        let segments = self.storage.segments(offset, length);
        let mut seen = Vec::with_capacity(segments.len());
        for segment in segments {
            seen.push((segment.file, self.storage.file(segment.file)?.stamp()?));
        }
        let mut lock = self.lock();
        let Some(watch) = lock.as_mut() else { return Ok(false) };
        for (file, stamp) in seen {
            watch.look(&self.storage, file, Some(stamp));
        }
        let layout = self.storage.layout();
        let first = layout.piece_at(offset).map_or(0, PieceIndex::get);
        let last = layout.piece_at(offset + length.saturating_sub(1)).map_or(first, PieceIndex::get);
        let doubt = |piece: u32| {
            let piece = PieceIndex::new(piece);
            watch.doubtful.get(piece) || watch.withdrawn.get(piece)
        };
        Ok((first..=last).any(doubt))
    }

    /// A piece could not be read although its file looks as it did: it is hashed before it is given. An
    /// error when it is wrong.
    fn doubt(&self, piece: PieceIndex) -> io::Result<()> {
        if let Some(watch) = self.lock().as_mut() {
            watch.doubtful.set(piece);
            return Ok(());
        }
        if self.has_its_hash(piece) {
            return Ok(());
        }
        self.tell_changed(piece, None);
        Err(wrong())
    }

    /// Hashes a doubtful piece; an error when it is wrong.
    fn settle(&self, piece: PieceIndex) -> io::Result<()> {
        self.judge(piece).map_err(|first_of| {
            self.tell_changed(piece, first_of);
            wrong()
        })
    }

    /// Whether a piece that was withdrawn can be given again. Looks at its files first.
    pub(crate) fn is_right_again(&self, piece: PieceIndex) -> bool {
        let layout = self.storage.layout();
        let (offset, length) = (layout.offset(piece), u64::from(layout.data_length(piece)));
        self.look_at_files(offset, length).is_ok() && self.judge(piece).is_ok()
    }

    /// Hashes a piece if it is in doubt, which it stays if a file changes meanwhile. When it is wrong: the file of which it is the first such piece,
    /// if any.
    fn judge(&self, piece: PieceIndex) -> Result<(), Option<usize>> {
        let (doubtful, withdrawn, changes) = match self.lock().as_ref() {
            Some(watch) => (watch.doubtful.get(piece), watch.withdrawn.get(piece), watch.changes),
            None => (false, false, 0),
        };
        if withdrawn {
            return Err(None);
        }
        if !doubtful {
            return Ok(());
        }
        let right = self.has_its_hash(piece);
        let mut lock = self.lock();
        let Some(watch) = lock.as_mut() else { return Ok(()) };
        if watch.changes != changes {
            // What changed while it was hashed is still in doubt, whatever it was before.
            return Ok(());
        }
        watch.doubtful.clear(piece);
        if right {
            return Ok(());
        }
        watch.withdrawn.set(piece);
        let mut first_of = None;
        for file in self.storage.files_of(piece) {
            if let Some(told @ false) = watch.told.get_mut(file) {
                *told = true;
                first_of.get_or_insert(file);
            }
        }
        Err(first_of)
    }

    fn has_its_hash(&self, piece: PieceIndex) -> bool {
        let right = verify::piece_is_right(&self.storage, self.content(), piece, &mut PageBuffer::default());
        right.is_ok_and(|right| right)
    }

    fn tell_changed(&self, piece: PieceIndex, first_of: Option<usize>) {
        let unfinished = self.lock().is_none();
        let file = first_of.or_else(|| self.storage.files_of(piece).into_iter().next());
        let (Some(changes), Some(file)) = (self.changes.get(), file) else { return };
        let changed = Changed { piece, file, is_first: first_of.is_some(), unfinished };
        // A full queue means that somebody is being told already; whoever asks next tells it again.
        let _ = changes.try_send(changed).is_ok();
    }
}

fn wrong() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the piece does not have its hash any more")
}

impl Watch {
    /// Notes how a file looks now; when that is new, its pieces are in doubt.
    fn look(&mut self, storage: &Storage, file: usize, now: Option<Stamp>) {
        let Some(known) = self.stamps.get_mut(file) else { return };
        if *known == now && now.is_some() {
            return;
        }
        *known = now;
        self.changes += 1;
        for piece in storage.pieces_of(file) {
            let piece = PieceIndex::new(piece);
            self.withdrawn.clear(piece);
            self.doubtful.set(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use sha1::{Digest as _, Sha1};
    use shared::{InfoHash, InfoHashes, Layout};

    use super::*;
    use crate::disk::beneath::Root;
    use crate::disk::block_disk::StdDisk;
    use crate::disk::open_files::OpenFiles;
    use crate::disk::storage::StoredFile;

    fn source(dir: &Path, line: &[u8]) -> (Source, mpsc::Receiver<Changed>) {
        std::fs::write(dir.join("file"), line).unwrap();
        let layout = Layout::new(line.len() as u64, 32).unwrap();
        let content = Content {
            hashes: InfoHashes::v1(InfoHash([1; 20])),
            layout: layout.clone(),
            trees: Vec::new(),
            piece_layers: BTreeMap::new(),
            piece_hashes_v1: Some(line.chunks(32).map(|piece| Sha1::digest(piece).into()).collect()),
            raw_info: None,
            private: false,
        };
        let file = StoredFile { inside: PathBuf::new(), offset: 0, length: line.len() as u64 };
        let root = Root::open(dir).unwrap();
        let open = Arc::new(OpenFiles::new(4));
        let storage = Storage::new(Arc::new(StdDisk), open, root, "file".into(), vec![file], layout, false);
        let (sender, receiver) = mpsc::channel(4);
        let source = Source::new(Arc::new(storage), Arc::new(content));
        source.tell(sender);
        let stamps = source.storage().stamps();
        source.watch(stamps.clone(), &stamps);
        (source, receiver)
    }

    fn span(source: &Source, piece: u32, begin: u32, length: u32) -> Span {
        source.storage().layout().span(piece, begin, length).unwrap()
    }

    /// Another time, whatever the file system's clock says.
    fn touch(dir: &Path, seconds: u64) {
        let file = std::fs::File::options().write(true).open(dir.join("file")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
    }

    #[test]
    fn spans_that_follow_each_other_come_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let line: Vec<u8> = (0..100).collect();
        let (source, _) = source(dir.path(), &line);
        let spans = [
            span(&source, 0, 8, 8),
            span(&source, 0, 16, 16),
            span(&source, 1, 0, 4),
            span(&source, 0, 0, 4),
        ];
        let (bytes, readable) = source.read(&spans, PageBuffer::default());
        assert_eq!(readable, [true; 4]);
        assert_eq!(*bytes, [&line[8..36], &line[..4]].concat());
    }

    #[test]
    fn inv_04_a_changed_piece_is_withdrawn_and_the_others_are_given() {
        let dir = tempfile::tempdir().unwrap();
        let mut line: Vec<u8> = (0..100).collect();
        let (source, mut changes) = source(dir.path(), &line);
        line[40] = 0xee;
        std::fs::write(dir.path().join("file"), &line).unwrap();
        touch(dir.path(), 5);
        let spans = [span(&source, 0, 0, 8), span(&source, 1, 0, 4), span(&source, 2, 0, 4)];
        let (bytes, readable) = source.read(&spans, PageBuffer::default());
        assert_eq!(readable, [true, false, true]);
        assert_eq!(*bytes, [&line[..8], &line[64..68]].concat());
        let changed = Changed { piece: PieceIndex::new(1), file: 0, is_first: true, unfinished: false };
        assert_eq!(changes.try_recv().unwrap(), changed);
        // Told again to whoever asks again; and when the file is put right, it is given again.
        assert_eq!(source.read(&spans[1..2], PageBuffer::default()).1, [false]);
        assert_eq!(changes.try_recv().unwrap(), Changed { is_first: false, ..changed });
        assert!(changes.try_recv().is_err() && !source.is_right_again(PieceIndex::new(1)));
        line[40] = 40;
        std::fs::write(dir.path().join("file"), &line).unwrap();
        touch(dir.path(), 6);
        assert!(source.is_right_again(PieceIndex::new(1)));
        assert_eq!(source.read(&spans, PageBuffer::default()).1, [true; 3]);
    }

    #[test]
    fn inv_04_a_file_that_was_cut_or_removed_gives_what_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let line: Vec<u8> = (0..100).collect();
        let (source, _) = source(dir.path(), &line);
        std::fs::File::options().write(true).open(dir.path().join("file")).unwrap().set_len(70).unwrap();
        let spans = [span(&source, 0, 0, 8), span(&source, 2, 0, 4), span(&source, 3, 0, 4)];
        assert_eq!(source.read(&spans, PageBuffer::default()).1, [true, false, false]);
        std::fs::remove_file(dir.path().join("file")).unwrap();
        source.storage().close();
        assert_eq!(source.read(&spans, PageBuffer::default()).1, [false; 3]);
    }
}
