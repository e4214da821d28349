//! What we still need: hands out requests, takes blocks in, and passes verified pieces on.
//!
//! Composes the picker, the verifier and the hash requests. Never claims a piece that is not both
//! written and verified; the torrent calls it for every message about what others have.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use shared::{Bitfield, BlockRef, PieceIndex};
use wire::{Message, Range};

use crate::content::Content;
use crate::hashing::HashRequests;
use crate::io::{Breach, PeerKey};
use crate::layers::LayerRequests;
use crate::outbox::range_of;
use crate::peer::Peer;
use crate::peers::Peers;
use crate::picker::Picker;
use crate::rate::Rate;
use crate::turn::Turn;
use crate::verify::Verifier;

/// Requests taken back that are remembered for each peer.
const MOST_WITHDRAWN: usize = 2048;

/// The downloading half of a torrent.
#[derive(Debug)]
pub(crate) struct Download {
    pub(crate) content: Arc<Content>,
    pub(crate) have: Bitfield,
    /// Pieces that were lost and are not fetched again.
    pub(crate) given_up: Bitfield,
    pub(crate) picker: Picker,
    pub(crate) verifier: Verifier,
    pub(crate) hashing: HashRequests,
    pub(crate) layers: LayerRequests,
    /// Peers that could be asked for more if there were anything to ask for.
    pub(crate) hungry: BTreeSet<PeerKey>,
    pub(crate) seen_generation: u64,
    /// Nothing is asked for: the disk failed, or the torrent is paused.
    pub(crate) halted: bool,
    /// Bytes of blocks that came.
    pub(crate) rate: Rate,
    /// Time between blocks that a peer sends one after the other.
    pub(crate) gap: Option<Duration>,
    /// Bytes of blocks that were of no use.
    pub(crate) wasted: u64,
}

impl Download {
    /// Everything but `have` is wanted.
    pub(crate) fn new(content: Arc<Content>, have: Bitfield) -> Self {
        let layout = &content.layout;
        let fits = have.len() == layout.pieces();
        let mut have = if fits { have } else { Bitfield::empty(layout.pieces()) };
        // A piece of padding alone is never stored: it is here from the start.
        for piece in layout.iter().filter(|piece| layout.blocks(*piece) == 0) {
            have.set(piece);
        }
        Self {
            picker: Picker::new(Arc::clone(&content), &have),
            verifier: Verifier::new(Arc::clone(&content)),
            hashing: HashRequests::default(),
            layers: LayerRequests::new(&content),
            given_up: Bitfield::empty(content.layout.pieces()),
            content,
            have,
            hungry: BTreeSet::new(),
            seen_generation: 0,
            halted: false,
            rate: Rate::new(Duration::from_millis(100)),
            gap: None,
            wasted: 0,
        }
    }

    /// Whether nothing is wanted any more: every piece is here, but for those that were given up.
    pub(crate) fn is_complete(&self) -> bool {
        self.have.count() + self.given_up.count() == self.have.len()
    }

    /// Whether `piece` is wanted and not here.
    pub(crate) fn lacks(&self, piece: PieceIndex) -> bool {
        !self.have.get(piece) && !self.given_up.get(piece)
    }

    /// `key` answers requests from now on.
    pub(crate) fn unchoked(&mut self, key: PeerKey, turn: &mut Turn<'_>) {
        let Some(peer) = turn.peers.get_mut(key) else { return };
        if !std::mem::replace(&mut peer.permit.unchoked, true) {
            peer.leech.pipeline.unchoked(turn.now);
            peer.leech.exhausted = None;
            self.fill(key, turn);
        }
    }

    /// `key` does not answer requests from now on.
    pub(crate) fn choked(&mut self, key: PeerKey, turn: &mut Turn<'_>) {
        let Some(peer) = turn.peers.get_mut(key) else { return };
        peer.permit.unchoked = false;
        peer.leech.suggested.clear();
        peer.leech.current = None;
        self.hungry.remove(&key);
        if !peer.identity.fast {
            // Without the fast extension a choke silently drops what was asked for.
            self.withdraw(key, turn, false);
        }
    }

    /// `key` will not send these bytes.
    pub(crate) fn rejected(&mut self, key: PeerKey, range: Range, turn: &mut Turn<'_>) {
        let Some(block) = self.block_of(range) else { return };
        let Some(peer) = turn.peers.get_mut(key) else { return };
        // What was taken back and asked for again is first rejected for having been taken back.
        if peer.answers_withdrawn(block) {
            return;
        }
        if peer.leech.requests.remove(&block).is_none() {
            peer.about.nuisance += 1;
            if peer.about.nuisance > MOST_STRAY {
                turn.breach(key, Breach::StrayReject);
            }
            return;
        }
        self.release(block, key);
        if peer.permit.unchoked || peer.permit.allowed_fast.contains(&block.piece) {
            self.refused(key, block.piece, turn);
        }
    }

    /// `key` suggests a piece.
    pub(crate) fn suggested(&mut self, key: PeerKey, piece: PieceIndex, turn: &mut Turn<'_>) {
        let Some(peer) = turn.peers.get_mut(key) else { return };
        peer.leech.suggests = true;
        if !self.lacks(piece) || peer.leech.suggested.len() >= MOST_SUGGESTED {
            return;
        }
        peer.leech.suggested.push_back(piece);
        peer.leech.exhausted = None;
        self.fill(key, turn);
    }

    /// `key` lets us ask for `piece` even while it chokes us.
    pub(crate) fn allowed_fast(&mut self, key: PeerKey, piece: PieceIndex, turn: &mut Turn<'_>) {
        let Some(peer) = turn.peers.get_mut(key) else { return };
        if peer.permit.allowed_fast.len() < MOST_SUGGESTED && self.lacks(piece) {
            peer.permit.allowed_fast.insert(piece);
            peer.leech.exhausted = None;
            self.fill(key, turn);
        }
    }

    /// Takes every request back and asks for nothing more.
    pub(crate) fn halt(&mut self, turn: &mut Turn<'_>) {
        self.halted = true;
        self.hungry.clear();
        let keys: Vec<_> = turn.peers.keys().collect();
        for key in keys {
            self.withdraw(key, turn, true);
        }
    }

    /// Asks again after [`Download::halt`].
    pub(crate) fn resume(&mut self, turn: &mut Turn<'_>) {
        self.halted = false;
        let keys: Vec<_> = turn.peers.keys().collect();
        for key in keys {
            self.fill(key, turn);
        }
    }

    /// `peer` has left: what it was asked for is free, what it has is rarer.
    pub(crate) fn left(&mut self, peer: &Peer, turn: &mut Turn<'_>) {
        let key = peer.key();
        self.hungry.remove(&key);
        for block in peer.leech.requests.keys() {
            self.release(*block, key);
        }
        self.forget_holdings(peer);
        self.layers.left(key, turn);
        for piece in self.hashing.left(key) {
            self.hashing.ask(piece, None, &self.verifier, turn);
            self.conclude(piece, turn);
        }
    }

    /// Once a second: who snubs us, hashes that do not come, pieces that wait for hashes.
    pub(crate) fn tick(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        let snubbing: Vec<_> = turn
            .peers
            .values()
            .filter(|peer| {
                !peer.leech.requests.is_empty() && now >= peer.leech.pipeline.snub_at(turn.config.snub_after)
            })
            .map(Peer::key)
            .collect();
        for key in snubbing {
            if let Some(peer) = turn.peers.get_mut(key) {
                peer.leech.pipeline.snub();
            }
            self.withdraw(key, turn, true);
            self.fill(key, turn);
        }
        self.layers.tick(turn);
        for piece in self.hashing.tick(turn) {
            self.hashing.ask(piece, None, &self.verifier, turn);
            self.conclude(piece, turn);
        }
        if self.verifier.has_trees() {
            self.ask_for_missing_hashes(turn);
        }
        self.reassign(turn);
        self.forgive(turn);
        let keys: Vec<_> = turn.peers.keys().collect();
        for key in keys {
            self.update_interest(key, turn);
        }
    }

    pub(crate) fn block_of(&self, range: Range) -> Option<BlockRef> {
        let layout = &self.content.layout;
        layout.span(range.index, range.begin, range.length).and_then(|span| layout.block_of(span))
    }

    pub(crate) fn release(&mut self, block: BlockRef, key: PeerKey) {
        self.picker.update(block.piece, |download| download.release(block.index, key));
    }

    /// Another peer was faster: `key` need not send `block` any more.
    pub(crate) fn take_back(&mut self, key: PeerKey, block: BlockRef, turn: &mut Turn<'_>) {
        if self.cancel(key, block, turn) {
            self.fill(key, turn);
        }
    }

    /// Tells `key` not to send `block`; says whether it had been asked.
    pub(crate) fn cancel(&self, key: PeerKey, block: BlockRef, turn: &mut Turn<'_>) -> bool {
        let Some(peer) = turn.peers.get_mut(key) else { return false };
        if peer.leech.requests.remove(&block).is_none() {
            return false;
        }
        remember(peer, block);
        if let Some(span) = self.content.layout.block_span(block) {
            turn.out.send(peer, Message::Cancel(range_of(span)), turn.now);
        }
        true
    }

    /// Takes back what `key` was asked for of `piece`: it has said that it will not send it.
    pub(crate) fn withdraw_piece(&mut self, key: PeerKey, piece: PieceIndex, turn: &mut Turn<'_>) {
        let Some(peer) = turn.peers.get_mut(key) else { return };
        let from = BlockRef { piece, index: 0 };
        let to = BlockRef { piece, index: u32::MAX };
        for block in peer.leech.requests.range(from..=to).map(|(block, _)| *block).collect::<Vec<_>>() {
            peer.leech.requests.remove(&block);
            remember(peer, block);
            self.picker.update(piece, |download| download.release(block.index, key));
        }
    }

    /// Takes back all that `key` was asked for, telling it when `tell`.
    pub(crate) fn withdraw(&mut self, key: PeerKey, turn: &mut Turn<'_>, tell: bool) {
        let Some(peer) = turn.peers.get_mut(key) else { return };
        peer.leech.current = None;
        for block in std::mem::take(&mut peer.leech.requests).into_keys() {
            remember(peer, block);
            self.picker.update(block.piece, |download| download.release(block.index, key));
            if let Some(span) = self.content.layout.block_span(block).filter(|_| tell) {
                turn.out.send(peer, Message::Cancel(range_of(span)), turn.now);
            }
        }
    }

    /// Panics (in tests) when the books contradict each other.
    pub(crate) fn check_invariants(&self, peers: &Peers) {
        self.picker.check_invariants();
        for (piece, download) in self.picker.under_way() {
            assert!(self.lacks(piece), "a piece that is here is not under way");
            for index in 0..download.blocks() {
                let block = BlockRef { piece, index };
                for requester in download.requesters(index) {
                    let asked =
                        peers.get(*requester).is_some_and(|peer| peer.leech.requests.contains_key(&block));
                    assert!(asked, "{block:?} is asked of {requester:?}");
                }
            }
        }
        let may_be_asked = |key: &PeerKey| peers.get(*key).is_some_and(|peer| !peer.permit.is_none());
        assert!(self.hungry.iter().all(may_be_asked), "{:?} are hungry", self.hungry);
        for peer in peers.values() {
            let wanted = peer.holdings.has.ones().filter(|piece| self.lacks(*piece)).count();
            assert_eq!(wanted, peer.holdings.wanted as usize, "{:?}", peer.key());
            for block in peer.leech.requests.keys() {
                let asked = self
                    .picker
                    .piece(block.piece)
                    .is_some_and(|download| download.requesters(block.index).contains(&peer.key()));
                assert!(asked, "{block:?} of {:?}", peer.key());
            }
        }
    }
}

/// Stray rejections before a peer counts as hostile.
const MOST_STRAY: u32 = 2000;
/// Suggestions that are remembered for each peer.
const MOST_SUGGESTED: usize = 64;

fn remember(peer: &mut Peer, block: BlockRef) {
    if peer.leech.withdrawn.len() >= MOST_WITHDRAWN {
        peer.leech.withdrawn.pop_first();
    }
    let owed = peer.leech.withdrawn.entry(block).or_default();
    *owed = owed.saturating_add(1);
}
