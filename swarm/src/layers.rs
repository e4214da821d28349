//! Piece layers from other peers (BEP 52), for a torrent that was not begun with its whole torrent file.
//!
//! Asked for as soon as somebody can answer: with them every piece can be judged alone, and hash
//! requests of others be answered before the download is complete. Believes nothing that does not lead
//! up to a file's root. The download calls it; it asks for no leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use shared::{BLOCK_LENGTH, Moment};
use wire::{HashRange, Message};

use crate::content::Content;
use crate::io::{Breach, PeerKey};
use crate::merkle;
use crate::peer::Peer;
use crate::turn::Turn;
use crate::verify::MOST_HASHES;

/// Silence after which somebody else is asked.
const PATIENCE: Duration = Duration::from_secs(8);
/// How long a peer that did not answer is not asked again.
const GRUDGE: Duration = Duration::from_secs(30);
/// Requests under way at once, with one peer and in all.
const MOST_OF_ONE: usize = 8;
const MOST_OPEN: usize = 64;

/// The piece hashes of each file, by the root of its tree.
pub(crate) type PieceLayers = BTreeMap<[u8; 32], Vec<[u8; 32]>>;

/// Piece layers under way.
#[derive(Debug, Default)]
pub(crate) struct LayerRequests {
    /// What has come of each layer.
    parts: BTreeMap<[u8; 32], Vec<Option<[u8; 32]>>>,
    /// Ranges that nobody has been asked for.
    wanted: BTreeSet<HashRange>,
    open: BTreeMap<HashRange, (PeerKey, Moment)>,
    /// Answers that are late but not unasked for.
    stale: BTreeSet<(PeerKey, HashRange)>,
}

impl LayerRequests {
    /// Wants the layer of each file of `content` that has more than one piece and whose layer is not
    /// known.
    pub(crate) fn new(content: &Content) -> Self {
        let per_piece = content.layout.blocks_in_whole_piece().max(1);
        let layer = per_piece.next_power_of_two().trailing_zeros();
        let mut requests = Self::default();
        for tree in &content.trees {
            let blocks = tree.length.div_ceil(u64::from(BLOCK_LENGTH));
            let pieces = u32::try_from(blocks.div_ceil(u64::from(per_piece))).unwrap_or(0);
            if pieces < 2 || content.piece_layers.contains_key(&tree.pieces_root) {
                continue;
            }
            let width = pieces.next_power_of_two();
            let length = width.min(MOST_HASHES);
            let proof_layers = width.trailing_zeros() - 1;
            let pieces_root = tree.pieces_root;
            let range = |index| HashRange { pieces_root, base_layer: layer, index, length, proof_layers };
            requests.wanted.extend((0..pieces).step_by(length as usize).map(range));
            requests.parts.insert(pieces_root, vec![None; pieces as usize]);
        }
        requests
    }

    /// Whether `range` was asked of `peer` for its layer.
    pub(crate) fn concerns(&self, peer: PeerKey, range: &HashRange) -> bool {
        self.open.get(range).is_some_and(|(asked, _)| *asked == peer) || self.stale.contains(&(peer, *range))
    }

    /// Asks for what nobody has been asked for: those who are complete first.
    pub(crate) fn ask(&mut self, turn: &mut Turn<'_>) {
        if self.wanted.is_empty() {
            return;
        }
        let now = turn.now;
        let mut open_with: BTreeMap<PeerKey, usize> = BTreeMap::new();
        for (peer, _) in self.open.values() {
            *open_with.entry(*peer).or_default() += 1;
        }
        let able = |peer: &&Peer| {
            let grudge = peer.about.refused_layers.is_some_and(|at| now.since(at) < GRUDGE);
            peer.identity.v2 && peer.holdings.told && !grudge
        };
        let mut able: Vec<_> = turn
            .peers
            .values()
            .filter(able)
            .map(|peer| (open_with.get(&peer.key()).copied().unwrap_or(0), !peer.is_complete(), peer.key()))
            .collect();
        while self.open.len() < MOST_OPEN {
            let Some((open, _, peer)) = able.iter_mut().filter(|(open, ..)| *open < MOST_OF_ONE).min() else {
                return;
            };
            let Some(range) = self.wanted.pop_first() else { return };
            *open += 1;
            self.open.insert(range, (*peer, now));
            turn.send(*peer, Message::HashRequest(range));
        }
    }

    /// Hashes came that were asked for: every layer, when these were the last.
    pub(crate) fn answered(
        &mut self,
        peer: PeerKey,
        range: &HashRange,
        payload: &Bytes,
        turn: &mut Turn<'_>,
    ) -> Option<PieceLayers> {
        self.stale.remove(&(peer, *range));
        if self.open.get(range).is_some_and(|(asked, _)| *asked == peer) {
            self.open.remove(range);
            self.wanted.insert(*range);
        }
        if self.learn(range, payload).is_none() {
            turn.breach(peer, Breach::FalseHashes);
            return None;
        }
        self.wanted.remove(range);
        if let Some((other, _)) = self.open.remove(range) {
            self.stale.insert((other, *range));
        }
        self.ask(turn);
        if self.parts.is_empty() || !self.wanted.is_empty() || !self.open.is_empty() {
            return None;
        }
        let whole = std::mem::take(&mut self.parts).into_iter();
        whole.map(|(root, layer)| Some((root, layer.into_iter().collect::<Option<Vec<_>>>()?))).collect()
    }

    fn learn(&mut self, range: &HashRange, payload: &Bytes) -> Option<()> {
        let (hashes, rest) = payload.as_chunks::<32>();
        let (base, uncles) = hashes.split_at_checked(range.length as usize)?;
        let Some(layer) = self.parts.get_mut(&range.pieces_root) else {
            // All is known already: what is late is not looked at.
            return Some(());
        };
        let height = layer.len().next_power_of_two().trailing_zeros() as usize;
        let climbed = range.length.checked_ilog2()? as usize + uncles.len();
        let index = range.index as usize;
        let proven = rest.is_empty()
            && climbed == height
            && merkle::verify_hashes(&range.pieces_root, index, base, uncles);
        if !proven {
            return None;
        }
        for (slot, hash) in layer.iter_mut().skip(index).zip(base) {
            *slot = Some(*hash);
        }
        Some(())
    }

    /// `peer` will not answer: somebody else may.
    pub(crate) fn refused(&mut self, peer: PeerKey, range: &HashRange, turn: &mut Turn<'_>) {
        self.stale.remove(&(peer, *range));
        if self.open.get(range).is_some_and(|(asked, _)| *asked == peer) {
            self.open.remove(range);
            self.wanted.insert(*range);
        }
        if let Some(peer) = turn.peers.get_mut(peer) {
            peer.about.refused_layers = Some(turn.now);
        }
        self.ask(turn);
    }

    /// `peer` has left: what it was asked for is asked of others.
    pub(crate) fn left(&mut self, peer: PeerKey, turn: &mut Turn<'_>) {
        self.stale.retain(|(asked, _)| *asked != peer);
        let lost: Vec<_> =
            self.open.iter().filter(|(_, (asked, _))| *asked == peer).map(|(range, _)| *range).collect();
        for range in lost {
            self.open.remove(&range);
            self.wanted.insert(range);
        }
        self.ask(turn);
    }

    /// Once a second: others are asked for what does not come.
    pub(crate) fn tick(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let late: Vec<_> = self
            .open
            .iter()
            .filter(|(_, (_, asked))| now.since(*asked) >= PATIENCE)
            .map(|(range, (peer, _))| (*range, *peer))
            .collect();
        for (range, peer) in late {
            self.open.remove(&range);
            self.wanted.insert(range);
            self.stale.insert((peer, range));
            if let Some(peer) = turn.peers.get_mut(peer) {
                peer.about.refused_layers = Some(now);
            }
        }
        self.ask(turn);
    }
}

#[cfg(test)]
mod tests {
    use shared::{InfoHashV2, InfoHashes, Layout, PieceIndex};

    use super::*;
    use crate::content::FileTree;

    fn content(pieces: u64) -> Content {
        let length = pieces * 4 * u64::from(BLOCK_LENGTH);
        Content {
            hashes: InfoHashes::v2(InfoHashV2([0; 32])),
            layout: Layout::new(length, 4 * u64::from(BLOCK_LENGTH)).unwrap(),
            trees: vec![FileTree { first_piece: PieceIndex::new(0), length, pieces_root: [1; 32] }],
            piece_layers: BTreeMap::new(),
            piece_hashes_v1: None,
            raw_info: None,
            private: false,
        }
    }

    #[test]
    fn ranges_cover_the_layer_and_lie_within_the_tree() {
        for (pieces, ranges, length, proof_layers) in
            [(1, 0, 0, 0), (2, 1, 2, 0), (3, 1, 4, 1), (512, 1, 512, 8), (513, 2, 512, 9), (1025, 3, 512, 10)]
        {
            let requests = LayerRequests::new(&content(pieces));
            assert_eq!(requests.wanted.len(), ranges, "{pieces}");
            for range in &requests.wanted {
                assert_eq!((range.base_layer, range.length, range.proof_layers), (2, length, proof_layers));
                assert!(range.index.is_multiple_of(length));
            }
        }
        let mut known = content(3);
        known.piece_layers.insert([1; 32], vec![[0; 32]; 3]);
        assert!(LayerRequests::new(&known).wanted.is_empty());
    }
}
