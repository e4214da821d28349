//! From a file or folder of the person's to a torrent that seeds it where it lies.

pub(crate) mod hash;
pub(crate) mod walk;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shared::metainfo::{HashedFile, Info, Metainfo, Recipe, piece_length_for};
use shared::path::SafePath;
use shared::{Bitfield, InfoHash, PieceIndex, merkle};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::content::{self, Names};
use crate::disk::beneath::Stamp;
use crate::disk::hash_tree::Leaves;
use crate::disk::source::Source;
use crate::disk::storage::{self, Storage};
use crate::error::ShareError;
use crate::options::{HashProgress, ShareNote, ShareOptions};
use crate::session::{Begin, Session};
use crate::share::hash::{PieceHashes, Work};
use crate::share::walk::Found;
use crate::torrent::prepare::{Prepared, Shape};

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(100);
/// What is written into torrent files as their maker.
const MAKER: &str = concat!("Enjambre ", env!("CARGO_PKG_VERSION"));

/// Something that is shared now.
#[derive(Debug, Clone)]
pub struct Shared {
    /// What the torrent is called in every call.
    pub id: InfoHash,
    /// What the info hashes name.
    pub info: Arc<Info>,
    /// The torrent file.
    pub metainfo: Arc<Metainfo>,
    /// What was left out or changed.
    pub notes: Vec<ShareNote>,
    /// It was shared or downloaded before, and nothing changed.
    pub already: bool,
}

impl Session {
    /// Hashes a file or folder and seeds it where it lies. `progress` is told about ten times a second.
    /// What is shared already and has not changed is not hashed again.
    pub async fn share(
        &self,
        path: &Path,
        options: ShareOptions,
        mut progress: impl FnMut(HashProgress) + Send,
    ) -> Result<Shared, ShareError> {
        let path = path.to_owned();
        let walked = self.parts().hashers.run(move || walk::walk(&path)).await;
        let found = Arc::new(walked.ok_or(ShareError::Stopping)??);
        let name = match &options.name {
            Some(name) => SafePath::name(name)
                .map_err(|error| ShareError::Name { path: found.path(), reason: error.to_string() })?,
            None => top_name(&found)?,
        };
        if let Some(already) = self.shared_already(&found, &name, &options) {
            return Ok(already);
        }
        let total: u64 = found.files.iter().map(|file| file.stamp.size).sum();
        let piece_length = piece_length_for(total);
        let hashes = self
            .hash(Work::new(Arc::clone(&found), piece_length, options.version), total, &mut progress)
            .await?;
        let checked = Arc::clone(&found);
        let unchanged = self.parts().hashers.run(move || walk::unchanged(&checked)).await;
        unchanged.ok_or(ShareError::Stopping)??;
        let mut metainfo = build(&found, &name, piece_length, &options, &hashes)?;
        metainfo.announce = options.announce;
        if !options.anonymous {
            metainfo.comment = options.comment;
            metainfo.created_by = Some(MAKER.to_owned());
            metainfo.creation_date = options.date;
        }
        self.seed(&found, Arc::new(metainfo), &hashes).await
    }

    /// Hashes on all hash threads.
    async fn hash(
        &self,
        work: Work,
        total: u64,
        progress: &mut (impl FnMut(HashProgress) + Send),
    ) -> Result<Vec<PieceHashes>, ShareError> {
        let work = Arc::new(work);
        let (sender, mut receiver) = mpsc::channel(64);
        for _ in 0..self.parts().hashers.count() {
            let (work, sender) = (Arc::clone(&work), sender.clone());
            self.parts().hashers.submit(move || work.run(&sender));
        }
        drop(sender);
        let since = Instant::now();
        let (mut told, mut bytes) = (since, 0_u64);
        let mut hashes = Vec::new();
        let tell = |bytes: u64| {
            #[expect(clippy::cast_precision_loss, reason = "a rate needs no sixteen digits")]
            let rate = bytes as f64 / since.elapsed().as_secs_f64().max(1e-6);
            HashProgress { bytes, total, rate }
        };
        while let Some(piece) = receiver.recv().await {
            let piece = piece?;
            bytes += piece.length;
            hashes.push(piece);
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                progress(tell(bytes));
            }
        }
        if bytes < total {
            return Err(ShareError::Stopping);
        }
        progress(tell(bytes));
        hashes.sort_unstable_by_key(|piece| (piece.file, piece.piece));
        Ok(hashes)
    }

    /// The torrent that this is already, when no file of it has changed.
    fn shared_already(&self, found: &Found, name: &SafePath, options: &ShareOptions) -> Option<Shared> {
        let torrents: Vec<_> = self.parts().torrents().iter().map(Arc::clone).collect();
        torrents.into_iter().find_map(|torrent| {
            let source = torrent.place.source.get()?;
            let metainfo = torrent.metainfo.get()?;
            let stamps: Vec<Option<Stamp>> = found.files.iter().map(|file| Some(file.stamp)).collect();
            let same = source.storage().path() == found.path()
                && metainfo.info.name() == name
                && metainfo.info.is_private() == options.private
                && metainfo.info.version() == options.version
                && source.stamps() == stamps;
            same.then(|| shared(&metainfo, found.notes.clone(), true))
        })
    }

    async fn seed(
        &self,
        found: &Arc<Found>,
        metainfo: Arc<Metainfo>,
        hashes: &[PieceHashes],
    ) -> Result<Shared, ShareError> {
        let unknown = self.parts().torrents().find_any(&metainfo.info.hashes());
        if let Some(torrent) = unknown {
            let status = torrent.status.borrow().clone();
            if status.verified_bytes < status.size {
                return Err(ShareError::Downloading { path: status.path });
            }
            return Ok(shared(&metainfo, found.notes.clone(), true));
        }
        let kept = self.keep(Arc::clone(&metainfo)).await.ok_or(ShareError::Stopping)?;
        kept.map_err(|(path, source)| ShareError::Keep { path, source })?;
        let shape = content::shape(&metainfo, None, Names::AsWritten);
        let root = crate::disk::beneath::Root::open(found.root.path())
            .map_err(|source| ShareError::Unreadable { path: found.path(), source })?;
        let stamps = found.files.iter().map(|file| Some(file.stamp)).collect();
        let now: Vec<_> =
            storage::stamps(&root, &found.top, &shape.files).into_iter().map(Result::ok).collect();
        let source = self.source_in_place(root, &found.top, &shape, stamps, &now);
        if metainfo.info.version().has_v2() {
            source.remember_leaves(leaves_by_piece(hashes));
        }
        let notes = found.notes.iter().cloned().chain(renamed(&metainfo.info)).collect();
        let result = shared(&metainfo, notes, false);
        self.begin_seeding(metainfo, shape, Arc::new(source), true, false);
        Ok(result)
    }

    /// Content that lies complete where somebody else put it.
    pub(crate) fn source_in_place(
        &self,
        root: crate::disk::beneath::Root,
        top: &Path,
        shape: &Shape,
        stamps: Vec<Option<Stamp>>,
        now: &[Option<Stamp>],
    ) -> Source {
        let parts = self.parts();
        let storage = Storage::new(
            Arc::clone(&parts.block_disk),
            Arc::clone(&parts.open_files),
            root,
            top.to_owned(),
            shape.files.clone(),
            shape.content.layout.clone(),
            false,
        );
        let source = Source::new(Arc::new(storage), Arc::clone(&shape.content));
        source.watch(stamps, now);
        source
    }

    /// Seeds what is complete.
    pub(crate) fn begin_seeding(
        &self,
        metainfo: Arc<Metainfo>,
        shape: Shape,
        source: Arc<Source>,
        is_share: bool,
        paused: bool,
    ) {
        let have = Bitfield::full(shape.content.layout.pieces());
        let final_name = shape.name.clone().into();
        let prepared = Prepared { source, have, checked: Vec::new(), final_name, found: true };
        let begin = Begin::Ready { prepared: Box::new(prepared), is_share };
        self.begin(metainfo.info.hashes(), Some(shape), Some(metainfo), begin, paused);
    }
}

fn shared(metainfo: &Arc<Metainfo>, notes: Vec<ShareNote>, already: bool) -> Shared {
    Shared {
        id: metainfo.info.hashes().primary(),
        info: Arc::new(metainfo.info.clone()),
        metainfo: Arc::clone(metainfo),
        notes,
        already,
    }
}

/// What others will call otherwise.
fn renamed(info: &Info) -> impl Iterator<Item = ShareNote> {
    info.files().filter_map(|file| {
        let path = file.written.as_ref()?.components().collect();
        Some(ShareNote::Renamed { path, name: file.path.to_string() })
    })
}

fn top_name(found: &Found) -> Result<SafePath, ShareError> {
    let text = found.top.to_str().unwrap_or_default();
    SafePath::name(text).map_err(|error| ShareError::Name { path: found.path(), reason: error.to_string() })
}

/// The torrent of what was hashed.
fn build(
    found: &Found,
    name: &SafePath,
    piece_length: u32,
    options: &ShareOptions,
    hashes: &[PieceHashes],
) -> Result<Metainfo, ShareError> {
    let mut files: Vec<HashedFile> = found
        .files
        .iter()
        .map(|file| HashedFile {
            path: if found.folder { file.path.clone() } else { name.clone() },
            length: file.stamp.size,
            piece_roots: Vec::new(),
            piece_hashes_v1: Vec::new(),
        })
        .collect();
    for piece in hashes {
        if let Some(file) = files.get_mut(piece.file) {
            let blocks = file.length.div_ceil(u64::from(shared::BLOCK_LENGTH));
            if options.version.has_v2() {
                file.piece_roots.push(merkle::piece_root(&piece.leaves, blocks, piece_length));
            }
            file.piece_hashes_v1.extend(piece.sha1);
        }
    }
    let recipe = Recipe {
        name: name.clone(),
        single_file: !found.folder,
        version: options.version,
        piece_length,
        private: options.private,
        files,
    };
    recipe.build().map_err(|error| ShareError::Build { path: found.path(), reason: error.to_string() })
}

/// Leaves under the numbers that pieces have in the torrent: every file begins at a piece.
fn leaves_by_piece(hashes: &[PieceHashes]) -> BTreeMap<PieceIndex, Leaves> {
    (0..)
        .map(PieceIndex::new)
        .zip(hashes)
        .map(|(index, piece)| (index, piece.leaves.as_slice().into()))
        .collect()
}
