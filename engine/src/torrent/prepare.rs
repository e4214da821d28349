//! Before the first byte: where a download goes, what of it is there already, and whether there is room.
//!
//! Nothing that is found is written over unless its hashes say that it belongs to this torrent.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shared::{Bitfield, PieceIndex};
use swarm::Content;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::connection::Place;
use crate::disk::beneath::Root;
use crate::disk::page_buffer::PageBuffer;
use crate::disk::source::Source;
use crate::disk::storage::{Storage, StoredFile, stamps};
use crate::disk::verify;
use crate::error::{OsError, TorrentError};
use crate::shared_parts::Parts;
use crate::torrent::existing::{self, Giver};

/// What the unfinished file or folder is called beside its final name.
const UNFINISHED: &str = ".part";
/// Files longer than this get their room before the first byte.
const RESERVED_FROM: u64 = 1024 * 1024;
/// The longest name that file systems take, in bytes.
const MOST_NAME: usize = 255;
/// How many other names are tried.
const MOST_NAMES: u32 = 1000;

/// A torrent's names and sizes on disk.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// The file's or folder's name.
    pub(crate) name: String,
    /// Whether it is a folder.
    pub(crate) folder: bool,
    /// Every file that is not padding.
    pub(crate) files: Vec<StoredFile>,
    /// Pieces and hashes.
    pub(crate) content: Arc<Content>,
}

/// What an earlier run left.
#[derive(Debug, Clone)]
pub(crate) struct Left {
    /// The unfinished or finished file or folder, beneath the folder of downloads.
    pub(crate) top: PathBuf,
    /// The pieces that are believed.
    pub(crate) have: Bitfield,
    /// The pieces that must be hashed before they are believed.
    pub(crate) doubtful: Vec<PieceIndex>,
}

/// A place for a download.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) source: Arc<Source>,
    pub(crate) have: Bitfield,
    /// What the finished file or folder will be called, beneath the folder of downloads.
    pub(crate) final_name: PathBuf,
    /// Pieces that were hashed just now and are right.
    pub(crate) checked: Vec<PieceIndex>,
    /// It was there already under its final name, complete.
    pub(crate) found: bool,
}

/// How a preparation goes on.
#[derive(Debug)]
pub(crate) enum News {
    /// Bytes hashed, of how many.
    Checking(u64, u64),
    /// There is not enough room; it waits.
    DiskFull {
        /// Bytes still to be stored.
        need: u64,
        /// Bytes free.
        free: u64,
    },
    /// There is room now.
    DiskRoom,
    /// The place is ready.
    Ready(Prepared),
    /// It cannot be stored.
    Failed(TorrentError),
}

/// Finds a place. Runs as a task of its own beside the torrent's, and ends with it.
#[derive(Debug)]
pub(crate) struct Preparation {
    pub(crate) parts: Arc<Parts>,
    pub(crate) shape: Shape,
    pub(crate) into: PathBuf,
    pub(crate) left: Option<Left>,
    pub(crate) place: Arc<Place>,
    pub(crate) news: mpsc::Sender<News>,
    pub(crate) end: CancellationToken,
}

/// One way to store the torrent.
#[derive(Debug)]
enum Found {
    /// Something that could be it, whole or in part, has the final name.
    Named,
    /// An unfinished download has the name.
    Unfinished,
    /// The name is free.
    Nothing,
    /// Something else has the name.
    Other,
}

impl Preparation {
    /// Tells [`News::Ready`] or [`News::Failed`] at last, unless it is ended before. When this returns,
    /// nothing of it is at work on the disk any more.
    pub(crate) async fn run(self) {
        let outcome = self.prepare().await;
        let news = match outcome {
            _ if self.end.is_cancelled() => return,
            Ok(prepared) => News::Ready(prepared),
            Err(error) => News::Failed(error),
        };
        self.tell(news).await;
    }

    /// Tells the torrent's task, unless it has stopped listening.
    async fn tell(&self, news: News) {
        tokio::select! {
            sent = self.news.send(news) => drop(sent),
            () = self.end.cancelled() => {}
        }
    }

    fn storage(&self, top: PathBuf, writable: bool) -> Result<Storage, TorrentError> {
        let root = Root::open(&self.into).map_err(|error| file_error(&self.into, &error))?;
        Ok(Storage::new(
            Arc::clone(&self.parts.block_disk),
            Arc::clone(&self.parts.open_files),
            root,
            top,
            self.shape.files.clone(),
            self.shape.content.layout.clone(),
            writable,
        ))
    }

    async fn prepare(&self) -> Result<Prepared, TorrentError> {
        let made = runtime::in_place(|| std::fs::create_dir_all(&self.into));
        made.map_err(|error| file_error(&self.into, &error))?;
        if let Some(left) = &self.left {
            let storage = Arc::new(self.storage(left.top.clone(), true)?);
            let _ = self.place.storage.set(Arc::clone(&storage)).is_ok();
            let mut have = left.have.clone();
            let right = self.check(&storage, left.doubtful.clone()).await?;
            for piece in &right {
                have.set(*piece);
            }
            let final_name = PathBuf::from(&self.shape.name);
            return self.ready(storage, have, right, final_name).await;
        }
        let pieces: Vec<PieceIndex> = self.shape.content.layout.iter().collect();
        let mut giver: Option<Giver> = None;
        for number in 0..MOST_NAMES {
            let name = numbered(&self.shape.name, number, self.shape.folder);
            let part = with_suffix(&name);
            match self.look(&name)? {
                Found::Named => {
                    let storage = Arc::new(self.storage(name.clone(), false)?);
                    let right = self.check(&storage, pieces.clone()).await?;
                    if right.len() == pieces.len() && existing::is_whole(&storage) {
                        return Ok(self.found(storage, name));
                    }
                    if right.is_empty() {
                        continue;
                    }
                    if self.take_over(&storage, &right, &part).await? {
                        let storage = Arc::new(self.storage(part, true)?);
                        let have = self.bits(&right);
                        return self.ready(storage, have, right, name).await;
                    }
                    giver.get_or_insert(Giver { storage, right });
                }
                Found::Unfinished => {
                    let storage = Arc::new(self.storage(part, true)?);
                    let right = self.check(&storage, pieces.clone()).await?;
                    if !right.is_empty() {
                        let have = self.bits(&right);
                        return self.ready(storage, have, right, name).await;
                    }
                }
                Found::Nothing => {
                    let storage = Arc::new(self.storage(part, true)?);
                    let prepared = self.ready(Arc::clone(&storage), self.bits(&[]), Vec::new(), name).await?;
                    let Some(giver) = giver else { return Ok(prepared) };
                    let right = self.copy(giver, &storage).await?;
                    return Ok(Prepared { have: self.bits(&right), checked: right, ..prepared });
                }
                Found::Other => {}
            }
        }
        Err(file_error(&self.into.join(&self.shape.name), &io::ErrorKind::AlreadyExists.into()))
    }

    /// Exactly these pieces.
    fn bits(&self, pieces: &[PieceIndex]) -> Bitfield {
        let mut have = Bitfield::empty(self.shape.content.layout.pieces());
        for piece in pieces {
            have.set(*piece);
        }
        have
    }

    /// What has this name, or the unfinished form of it.
    fn look(&self, name: &Path) -> Result<Found, TorrentError> {
        let failed = |error: io::Error| file_error(&self.into.join(name), &error);
        let root = Root::open(&self.into).map_err(failed)?;
        let part = with_suffix(name);
        if root.exists(name).map_err(failed)? {
            return Ok(if self.could_be(&root, name) { Found::Named } else { Found::Other });
        }
        if !self.parts.torrents().claim(&self.place, &self.into.join(&part)) {
            return Ok(Found::Other);
        }
        if !root.exists(&part).map_err(failed)? {
            return Ok(Found::Nothing);
        }
        let fits = self.could_be(&root, &part);
        Ok(if fits { Found::Unfinished } else { Found::Other })
    }

    /// Whether each file that is there is a file of this torrent, or the beginning of one, by its size.
    fn could_be(&self, root: &Root, top: &Path) -> bool {
        root.is_folder(top) == self.shape.folder
            && stamps(root, top, &self.shape.files).into_iter().zip(&self.shape.files).all(|(stamp, file)| {
                match stamp {
                    Ok(stamp) => stamp.size <= file.length,
                    Err(error) => error.kind() == io::ErrorKind::NotFound,
                }
            })
    }

    fn found(&self, storage: Arc<Storage>, final_name: PathBuf) -> Prepared {
        self.parts.torrents().release(&self.place);
        let have = Bitfield::full(storage.layout().pieces());
        let stamps = storage.stamps();
        let source = Source::new(storage, Arc::clone(&self.shape.content));
        source.watch(stamps.clone(), &stamps);
        Prepared { source: Arc::new(source), have, checked: Vec::new(), final_name, found: true }
    }

    /// Waits for room and makes the files.
    async fn ready(
        &self,
        storage: Arc<Storage>,
        have: Bitfield,
        checked: Vec<PieceIndex>,
        final_name: PathBuf,
    ) -> Result<Prepared, TorrentError> {
        let _ = self.place.storage.set(Arc::clone(&storage)).is_ok();
        let pieces = (&have, checked.as_slice());
        self.parts.recorder.placed(self.place.torrent, &storage.top(), &final_name, pieces);
        let mut told = false;
        loop {
            let made = Arc::clone(&storage);
            let outcome = self.parts.disk.run(move || make(&made)).await;
            match outcome {
                None => return Err(TorrentError::Fault),
                Some(Ok(Room::Enough)) => break,
                Some(Ok(Room::TooLittle { need, free })) => {
                    if !told {
                        self.tell(News::DiskFull { need, free }).await;
                    }
                    told = true;
                    tokio::select! {
                        () = tokio::time::sleep(self.parts.config.disk_full_probe) => {}
                        () = self.end.cancelled() => return Err(TorrentError::Fault),
                    }
                }
                Some(Err((path, error))) => return Err(file_error(&path, &error)),
            }
        }
        if told {
            self.tell(News::DiskRoom).await;
        }
        let content = Arc::clone(&self.shape.content);
        let source = Arc::new(Source::new(storage, content));
        Ok(Prepared { source, have, checked, final_name, found: false })
    }

    /// Hashes pieces on all hash threads; gives those that are right.
    pub(super) async fn check(
        &self,
        storage: &Arc<Storage>,
        pieces: Vec<PieceIndex>,
    ) -> Result<Vec<PieceIndex>, TorrentError> {
        let layout = storage.layout();
        let total: u64 = pieces.iter().map(|piece| u64::from(layout.length(*piece))).sum();
        if pieces.is_empty() {
            return Ok(pieces);
        }
        self.tell(News::Checking(0, total)).await;
        let work = Arc::new(Check {
            storage: Arc::clone(storage),
            content: Arc::clone(&self.shape.content),
            pieces,
            next: AtomicU64::new(0),
            end: self.end.clone(),
        });
        let (sender, mut receiver) = mpsc::channel(64);
        for _ in 0..self.parts.hashers.count() {
            let (work, sender) = (Arc::clone(&work), sender.clone());
            self.parts.hashers.submit(move || work.run(&sender));
        }
        drop(sender);
        let mut right = Vec::new();
        let (mut done, mut told) = (0, tokio::time::Instant::now());
        while let Some((piece, is_right)) = receiver.recv().await {
            done += u64::from(storage.layout().length(piece));
            if is_right {
                right.push(piece);
            }
            if told.elapsed() >= std::time::Duration::from_millis(250) {
                told = tokio::time::Instant::now();
                self.tell(News::Checking(done, total)).await;
            }
        }
        if self.end.is_cancelled() {
            return Err(TorrentError::Fault);
        }
        self.tell(News::Checking(done, total)).await;
        right.sort_unstable();
        Ok(right)
    }
}

/// Pieces that several threads hash.
struct Check {
    storage: Arc<Storage>,
    content: Arc<Content>,
    pieces: Vec<PieceIndex>,
    next: AtomicU64,
    end: CancellationToken,
}

impl Check {
    fn run(&self, done: &mpsc::Sender<(PieceIndex, bool)>) {
        let mut buffer = PageBuffer::default();
        while !self.end.is_cancelled() {
            let next = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed)).unwrap_or(usize::MAX);
            let Some(piece) = self.pieces.get(next) else { return };
            // What cannot be read is not there.
            let right = verify::piece_is_right(&self.storage, &self.content, *piece, &mut buffer);
            if done.blocking_send((*piece, right.unwrap_or(false))).is_err() {
                return;
            }
        }
    }
}

/// Whether the files could be made.
enum Room {
    Enough,
    TooLittle { need: u64, free: u64 },
}

/// Makes the files and reserves their room.
fn make(storage: &Storage) -> Result<Room, (PathBuf, io::Error)> {
    let failed = |error| (storage.path(), error);
    let mut need = 0_u64;
    let there =
        if storage.root().exists(&storage.top()).map_err(failed)? { storage.stamps() } else { Vec::new() };
    for (index, file) in storage.files().iter().enumerate() {
        let there = there.get(index).copied().flatten().map_or(0, |stamp| stamp.size);
        need += file.length.saturating_sub(there);
    }
    let free = storage.free_space().map_err(failed)?;
    if need > free {
        return Ok(Room::TooLittle { need, free });
    }
    for (index, file) in storage.files().iter().enumerate() {
        if file.length < RESERVED_FROM {
            continue;
        }
        match storage.file(index).and_then(|open| open.reserve(file.length)) {
            Err(error) if crate::disk::block_disk::is_full(&error) => {
                return Ok(Room::TooLittle { need, free });
            }
            other => other.map_err(|error| (storage.root().join(&storage.relative(index)), error))?,
        }
    }
    Ok(Room::Enough)
}

/// An error of a file, to be kept.
pub(crate) fn file_error(path: &Path, error: &io::Error) -> TorrentError {
    TorrentError::File { path: path.to_owned(), source: Arc::new(OsError::from(error)) }
}

/// The name of the unfinished form; a very long name is cut so that the suffix fits.
pub(crate) fn with_suffix(name: &Path) -> PathBuf {
    let text = name.to_string_lossy();
    let mut end = text.len().min(MOST_NAME - UNFINISHED.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    PathBuf::from(format!("{}{UNFINISHED}", text.get(..end).unwrap_or_default()))
}

/// `name`, or `name (1)` with its extension kept.
pub(crate) fn numbered(name: &str, number: u32, folder: bool) -> PathBuf {
    if number == 0 {
        return PathBuf::from(name);
    }
    match name.rsplit_once('.') {
        Some((stem, extension)) if !folder && !stem.is_empty() => {
            PathBuf::from(format!("{stem} ({number}).{extension}"))
        }
        _ => PathBuf::from(format!("{name} ({number})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_extension() {
        for (name, folder, expected) in [
            ("a.iso", false, "a (2).iso"),
            ("a", false, "a (2)"),
            (".hidden", false, ".hidden (2)"),
            ("v1.2", true, "v1.2 (2)"),
            ("a.tar.gz", false, "a.tar (2).gz"),
        ] {
            assert_eq!(numbered(name, 2, folder), PathBuf::from(expected));
        }
        let long = "ñ".repeat(127);
        let part = with_suffix(Path::new(&long));
        assert!(part.as_os_str().len() <= 255 && part.to_string_lossy().ends_with("ñ.part"));
    }
}
