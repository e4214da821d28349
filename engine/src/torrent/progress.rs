//! What a torrent task does when a piece, or the last one, is verified.

use std::sync::Arc;

use shared::PieceIndex;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use download_status::{Entry, Stage};
use shared::{BLOCK_LENGTH, Bitfield, PeerId};
use wire::Range;

use crate::connection::Event;
use crate::disk::beneath::Stamp;
use crate::resume;
use crate::torrent::finish;
use crate::torrent::prepare::{Shape, file_error, with_suffix};
use crate::torrent::task::Task;

/// Of how many unfinished pieces leaves are kept.
const MOST_OPEN_PIECES: usize = 512;

impl Task {
    /// A piece is written and verified.
    pub(crate) fn verified(&mut self, piece: PieceIndex) {
        if let Some(source) = self.place.source.get() {
            self.view.verified(source, piece);
            if let Some(leaves) = self.leaves.remove(&piece) {
                source.offer_leaves(piece, leaves);
            }
            let bytes = u64::from(source.storage().layout().data_length(piece));
            self.parts.recorder.verified(self.id(), piece, bytes);
        }
    }

    /// Keeps the leaf of a block that came, for those who will ask for it. Whether it is the right one
    /// turns out when the piece is whole.
    pub(crate) fn note_leaf(&mut self, range: Range, leaf: [u8; 32]) {
        let Some(source) = self.place.source.get() else { return };
        let layout = source.storage().layout();
        let Some(piece) = layout.piece(range.index) else { return };
        let blocks = layout.blocks(piece) as usize;
        let open = self.leaves.len();
        if open >= MOST_OPEN_PIECES && !self.leaves.contains_key(&piece) {
            return;
        }
        let leaves = self.leaves.entry(piece).or_insert_with(|| vec![[0; 32]; blocks]);
        if let Some(slot) = leaves.get_mut((range.begin / BLOCK_LENGTH) as usize) {
            *slot = leaf;
        }
    }

    /// Every piece is: the files get their final name on a disk thread.
    pub(crate) fn complete(&mut self) {
        let (Some(source), Some(shape)) = (self.place.source.get(), self.shape.as_ref()) else { return };
        let (source, inbox) = (Arc::clone(source), self.own_inbox.clone());
        let disk = Arc::clone(&self.parts.block_disk);
        let (name, folder) = (self.final_name.clone(), shape.folder);
        let unsynced = self.parts.recorder.unsynced(self.id());
        self.on_disk += 1;
        self.parts.disk.submit(move || {
            let outcome = finish::finish(&source, &disk, &name, folder, unsynced)
                .map_err(|(path, error)| file_error(&path, &error));
            let _ = inbox.blocking_send(Event::Finished(outcome)).is_ok();
        });
    }

    /// Tells the status that a torrent is wanted, unless it is known there: it is not forgotten while
    /// a place is looked for.
    pub(crate) fn record_wanted(&self, shape: &Shape) {
        if self.parts.recorder.known(self.id()).is_some() {
            return;
        }
        self.parts.recorder.put(Entry {
            hashes: self.hashes,
            name: shape.name.clone(),
            stage: Stage::Downloading,
            paused: self.paused,
            size: shape.content.layout.data_total(),
            verified: 0,
            folder: text(&self.into),
            file: text(&with_suffix(Path::new(&shape.name))),
            final_name: shape.name.clone(),
            have: None,
            unsynced: BTreeSet::new(),
            stamp: None,
            from: BTreeMap::new(),
            added_at: runtime::clock::wall_millis(),
            completed_at: None,
        });
    }

    /// Tells the status where the torrent lies and what of it is there. `checked` are pieces that were
    /// hashed just now: their bytes are right but perhaps not on disk for good.
    pub(crate) fn record_place(&mut self, have: &Bitfield, checked: &[PieceIndex], stage: Stage) {
        let (Some(source), Some(shape)) = (self.place.source.get(), self.shape.as_ref()) else { return };
        let storage = source.storage();
        let stamps = source.stamps();
        let now = runtime::clock::wall_millis();
        let known = self.parts.recorder.known(self.id());
        self.given_before = known.as_ref().map(|entry| entry.from.clone()).unwrap_or_default();
        self.parts.recorder.put(Entry {
            hashes: self.hashes,
            name: shape.name.clone(),
            stage,
            paused: self.paused,
            size: self.view.size(),
            verified: self.view.verified_bytes(),
            folder: text(storage.root().path()),
            file: text(&storage.top()),
            final_name: text(&self.final_name),
            have: Some(have.clone()),
            unsynced: checked.iter().map(|piece| piece.get()).collect(),
            stamp: (stage != Stage::Downloading).then(|| resume::digest(&stamps)),
            from: self.given_before.clone(),
            added_at: known.as_ref().map_or(now, |entry| entry.added_at),
            completed_at: known.and_then(|entry| entry.completed_at),
        });
    }

    /// Tells the status that the torrent is complete.
    pub(crate) fn record_complete(&self, stamps: &[Option<Stamp>]) {
        let Some(source) = self.place.source.get() else { return };
        let file = text(&source.storage().top());
        let stamp = resume::digest(stamps);
        let from = self.givers();
        self.parts.recorder.update(self.id(), |entry| {
            entry.stage = Stage::Complete;
            entry.final_name.clone_from(&file);
            entry.file = file;
            entry.stamp = Some(stamp);
            entry.unsynced.clear();
            entry.completed_at = Some(runtime::clock::wall_millis());
            entry.from = from;
        });
    }

    /// Who gave how many bytes, earlier runs included.
    fn givers(&self) -> BTreeMap<PeerId, u64> {
        let mut givers = self.given_before.clone();
        for (peer, bytes) in self.view.from() {
            *givers.entry(peer).or_default() += bytes;
        }
        givers
    }

    /// Tells the status who gave how much.
    pub(crate) fn record_givers(&self) {
        if self.view.from().is_empty() {
            return;
        }
        let from = self.givers();
        self.parts.recorder.update(self.id(), |entry| entry.from = from);
    }
}

/// A path as the status writes it. A path that is no text is not found again and is told then.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
