//! Pieces that were there and are not any more: the brain is told, and from time to time it is looked
//! whether they have come back.
//!
//! A file with its final name belongs to the person: what was changed in it is not fetched again and
//! not written over. Only an unfinished download mends itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use shared::{Moment, PieceIndex};
use swarm::Input;

use crate::alert::Alert;
use crate::connection::Event;
use crate::disk::source::Changed;
use crate::torrent::task::Task;

/// How often it is looked whether the person has put a file right.
const LOOK: Duration = Duration::from_secs(5);
/// Pieces that are looked at in one go.
const MOST_AT_ONCE: usize = 64;

/// Pieces that are lost.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    pieces: BTreeSet<PieceIndex>,
    next_look: Moment,
    /// A hash thread is at it.
    looking: bool,
    /// The last piece that was looked at.
    last: Option<PieceIndex>,
}

impl Lost {
    /// When to look again.
    pub(crate) fn next_look(&self) -> Option<Moment> {
        (!self.looking && !self.pieces.is_empty()).then_some(self.next_look)
    }
}

impl Task {
    /// A piece is not what the torrent says any more.
    pub(crate) fn changed(&mut self, changed: Changed) {
        let Changed { piece, file, is_first, unfinished } = changed;
        let Some(source) = self.place.source.get() else { return };
        if is_first {
            let path = source.storage().root().join(&source.storage().relative(file));
            self.parts.alert(Alert::ShareChanged { id: self.id(), piece: piece.get(), path });
        }
        let Some(have) = self.brain.as_ref().map(swarm::Torrent::have).filter(|have| have.get(piece)) else {
            return;
        };
        // When every piece was there, the files are being given their final names.
        let again = unfinished && !have.is_full();
        let bytes = u64::from(source.storage().layout().data_length(piece));
        self.view.lost(bytes);
        if again {
            self.parts.recorder.update(self.id(), |entry| {
                if entry.have.as_mut().is_some_and(|have| have.clear(piece)) {
                    entry.verified = entry.verified.saturating_sub(bytes);
                    entry.unsynced.remove(&piece.get());
                }
            });
        } else {
            if self.lost.pieces.is_empty() {
                self.lost.next_look = self.now() + LOOK;
            }
            self.lost.pieces.insert(piece);
        }
        tracing::warn!(id = %self.id(), %piece, again, "a piece is not there any more");
        self.input(Input::PieceLost { piece, again });
        self.publish();
    }

    /// Asks a hash thread whether what was lost is there again.
    pub(crate) fn look_for_lost(&mut self) {
        let now = self.now();
        let Some(source) = self.place.source.get().map(Arc::clone) else { return };
        let after = |piece: &&PieceIndex| self.lost.last.is_none_or(|last| **piece > last);
        let mut some: Vec<PieceIndex> =
            self.lost.pieces.iter().filter(after).take(MOST_AT_ONCE).copied().collect();
        if some.is_empty() {
            some = self.lost.pieces.iter().take(MOST_AT_ONCE).copied().collect();
        }
        self.lost.last = some.last().copied();
        self.lost.looking = true;
        self.lost.next_look = now + LOOK;
        let inbox = self.own_inbox.clone();
        self.parts.hashers.submit(move || {
            let found = some.into_iter().filter(|piece| source.is_right_again(*piece)).collect();
            let _ = inbox.blocking_send(Event::Found(found)).is_ok();
        });
    }

    /// These are there again.
    pub(crate) fn found(&mut self, pieces: Vec<PieceIndex>) {
        self.lost.looking = false;
        for piece in pieces {
            if self.lost.pieces.remove(&piece) {
                if let Some(source) = self.place.source.get() {
                    self.view.verified(source, piece);
                }
                self.input(Input::PieceFound { piece });
            }
        }
        self.publish();
    }
}
