//! The picker alone, in the middle of a download from a crowd, for `cargo xtask bench picker`.
//!
//! Only there with the feature `measure`. Never part of a download: it keeps the very picker that ships
//! busy and takes what it picks for received.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use shared::{Bitfield, InfoHash, InfoHashes, Layout, Moment, PieceIndex};

use crate::content::Content;
use crate::dice::{self, Dice};
use crate::io::PeerKey;
use crate::picker::{Asked, Picker};

/// Blocks of a piece: 256 KiB.
const BLOCKS: u64 = 16;

/// What the connections have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crowd {
    /// Half of the pieces each, so that all pieces are equally rare but for a tenth that are rarer.
    Half,
    /// One piece in fifty each, from the common ones: what is rarest is never there.
    Few,
}

/// A picker, and the connections that it picks for.
#[derive(Debug)]
pub struct PickerAlone {
    picker: Picker,
    dice: Dice,
    has: Vec<Bitfield>,
    current: Vec<Option<PieceIndex>>,
    suggested: VecDeque<PieceIndex>,
}

impl PickerAlone {
    /// A torrent of `pieces` pieces of which half are here, with `connections` of the kind `crowd`.
    pub fn new(pieces: u32, connections: u32, crowd: Crowd, seed: u64) -> Self {
        let piece_length = BLOCKS * u64::from(shared::BLOCK_LENGTH);
        let layout = Layout::new(u64::from(pieces) * piece_length, piece_length);
        let content = Content {
            hashes: InfoHashes::v1(InfoHash([7; 20])),
            layout: layout.unwrap_or_else(|_| Layout::empty()),
            trees: Vec::new(),
            piece_layers: BTreeMap::new(),
            piece_hashes_v1: None,
            raw_info: None,
            private: false,
        };
        let all = || (0..pieces).map(PieceIndex::new);
        let mut have = Bitfield::empty(pieces);
        for piece in all().filter(|piece| piece.get() % 2 == 0) {
            have.set(piece);
        }
        let mut picker = Picker::new(Arc::new(content), &have);
        let mut has = vec![Bitfield::empty(pieces); connections as usize];
        for piece in all() {
            let is_rare = piece.get() % 10 == 1;
            let copies = if is_rare { connections / 2 - 1 } else { connections / 2 };
            for holder in (0..copies).map(|step| (piece.get().wrapping_mul(7) + step) % connections) {
                picker.availability.increment(piece);
                let shows = match crowd {
                    Crowd::Half => true,
                    Crowd::Few => !is_rare && (piece.get() / 2 + holder) % 25 == 0,
                };
                if let Some(has) = has.get_mut(holder as usize).filter(|_| shows) {
                    has.set(piece);
                }
            }
        }
        let current = vec![None; connections as usize];
        Self { picker, dice: dice::seeded(seed), has, current, suggested: VecDeque::new() }
    }

    /// One decision for each connection; how many blocks were found.
    pub fn decide(&mut self) -> usize {
        let mut found = 0;
        for (key, (has, current)) in (0..).map(PeerKey).zip(self.has.iter().zip(&mut self.current)) {
            let asked = Asked { peer: key, has, current, suggested: &mut self.suggested, suggests: false };
            found += usize::from(self.picker.pick(asked, &mut self.dice, Moment::START).is_some());
        }
        found
    }

    /// Pieces of which every block was asked for count as received, and are wanted again so that there is
    /// always something to pick.
    pub fn receive(&mut self) {
        let asked: Vec<_> =
            self.picker.under_way().filter(|(_, piece)| piece.free() == 0).map(|(piece, _)| piece).collect();
        for piece in asked {
            self.picker.finish(piece);
            self.picker.want(piece);
        }
    }
}
