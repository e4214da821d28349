//! One piece on its way: which blocks are free, asked for, being written, written, proven.
//!
//! Knows who sent each block even after that peer has left, so that a false one can be blamed on
//! the right peer. Never decides whom to ask: the picker does.

use std::net::SocketAddr;

use shared::{Moment, PeerId};

use crate::io::PeerKey;
use crate::peer::Who;

/// Who sent a block, kept for as long as the block may turn out to be false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sender {
    pub(crate) peer: PeerKey,
    pub(crate) peer_id: PeerId,
    pub(crate) address: SocketAddr,
}

impl Sender {
    /// Whom to blame.
    pub(crate) fn who(&self) -> Who {
        Who::new(self.peer_id, self.address)
    }
}

/// How far a block has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Nobody was asked.
    Free,
    /// Asked for, of at least one peer.
    Requested,
    /// Received and handed to the disk.
    Writing,
    /// On disk.
    Written,
}

#[derive(Debug, Clone)]
struct Block {
    stage: Stage,
    requested_at: Moment,
    requesters: Vec<PeerKey>,
    /// How often it was taken from one peer to be asked of another.
    moves: u8,
    sender: Option<Sender>,
    leaf: Option<[u8; 32]>,
    proven: bool,
    /// Known to be false while it is still on its way to the disk: free once it is there.
    doomed: bool,
}

impl Block {
    fn is_movable(&self, before: Moment) -> bool {
        self.stage == Stage::Requested
            && self.requesters.len() == 1
            && self.requested_at <= before
            && self.moves < MOST_MOVES
    }
}

/// How often one block may be taken from one peer to be asked of another.
const MOST_MOVES: u8 = 60;

/// What a peer once sent for a block of a piece that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suspicion {
    pub(crate) block: u32,
    pub(crate) digest: [u8; 32],
    pub(crate) sender: Sender,
}

/// The blocks of one piece.
#[derive(Debug, Clone)]
pub(crate) struct PieceDownload {
    blocks: Box<[Block]>,
    free: u32,
    written: u32,
    proven: u32,
    hint: usize,
    /// Once the piece has failed: the only peer that is asked, so that its word can be judged.
    pub(crate) only_from: Option<PeerKey>,
    /// Set while the whole piece is being judged by the shell.
    pub(crate) judging: bool,
    /// What was sent for this piece in attempts that failed.
    pub(crate) suspicions: Vec<Suspicion>,
}

/// Attempts at one piece whose blocks are remembered.
const MAX_SUSPICIONS_PER_BLOCK: usize = 4;

impl PieceDownload {
    /// A piece of `blocks` blocks, none of them here.
    pub(crate) fn new(blocks: u32) -> Self {
        let empty = Block {
            stage: Stage::Free,
            requested_at: Moment::START,
            requesters: Vec::new(),
            moves: 0,
            sender: None,
            leaf: None,
            proven: false,
            doomed: false,
        };
        Self {
            blocks: vec![empty; blocks as usize].into(),
            free: blocks,
            written: 0,
            proven: 0,
            hint: 0,
            only_from: None,
            judging: false,
            suspicions: Vec::new(),
        }
    }

    fn block(&mut self, index: u32) -> Option<&mut Block> {
        self.blocks.get_mut(index as usize)
    }

    /// How many blocks the piece has.
    pub(crate) fn blocks(&self) -> u32 {
        u32::try_from(self.blocks.len()).unwrap_or(u32::MAX)
    }

    /// How many blocks nobody was asked for.
    pub(crate) fn free(&self) -> u32 {
        self.free
    }

    /// Whether every block is on disk.
    pub(crate) fn is_written(&self) -> bool {
        self.written == self.blocks()
    }

    /// Whether every block is on disk and proven true.
    pub(crate) fn is_proven(&self) -> bool {
        self.is_written() && self.proven == self.blocks()
    }

    /// Whether nothing was asked for or received.
    pub(crate) fn is_untouched(&self) -> bool {
        self.free == self.blocks()
    }

    /// How far `index` has come; `None` outside the piece.
    pub(crate) fn stage(&self, index: u32) -> Option<Stage> {
        self.blocks.get(index as usize).map(|block| block.stage)
    }

    /// Asks `peer` for the first free block, if there is one.
    pub(crate) fn request_free(&mut self, peer: PeerKey, now: Moment) -> Option<u32> {
        if self.free == 0 {
            return None;
        }
        let at = (self.hint..self.blocks.len())
            .chain(0..self.hint)
            .find(|at| self.blocks.get(*at).is_some_and(|block| block.stage == Stage::Free))?;
        self.hint = at + 1;
        let index = u32::try_from(at).ok()?;
        self.request(index, peer, now);
        Some(index)
    }

    /// Asks `peer` for block `index`, perhaps besides others.
    pub(crate) fn request(&mut self, index: u32, peer: PeerKey, now: Moment) {
        let Some(block) = self.block(index) else { return };
        let was_free = block.stage == Stage::Free;
        if was_free || block.stage == Stage::Requested {
            block.stage = Stage::Requested;
            block.requested_at = now;
            block.requesters.push(peer);
            self.free -= u32::from(was_free);
        }
    }

    /// `peer` will not send block `index`; says whether the block is free now.
    pub(crate) fn release(&mut self, index: u32, peer: PeerKey) -> bool {
        let Some(block) = self.block(index) else { return false };
        let before = block.requesters.len();
        block.requesters.retain(|requester| *requester != peer);
        if block.stage != Stage::Requested || before == 0 || !block.requesters.is_empty() {
            return false;
        }
        block.stage = Stage::Free;
        self.free += 1;
        self.hint = self.hint.min(index as usize);
        true
    }

    /// Block `index` came from `sender`; returns all who had been asked for it, or `None` when it is
    /// not needed any more.
    pub(crate) fn receive(
        &mut self,
        index: u32,
        sender: Sender,
        leaf: Option<[u8; 32]>,
        proven: bool,
    ) -> Option<Vec<PeerKey>> {
        let block = self.block(index)?;
        let was_free = match block.stage {
            Stage::Free => true,
            Stage::Requested => false,
            Stage::Writing | Stage::Written => return None,
        };
        block.stage = Stage::Writing;
        block.sender = Some(sender);
        block.leaf = leaf;
        block.proven = proven;
        let requesters = std::mem::take(&mut block.requesters);
        self.free -= u32::from(was_free);
        self.proven += u32::from(proven);
        Some(requesters)
    }

    /// Block `index` is on disk; says whether it counts.
    pub(crate) fn written(&mut self, index: u32) -> bool {
        let Some(block) = self.block(index).filter(|block| block.stage == Stage::Writing) else {
            return false;
        };
        block.stage = Stage::Written;
        let counts = !block.doomed;
        self.written += 1;
        if !counts {
            self.reset(index);
        }
        counts
    }

    /// Block `index` did not reach the disk.
    pub(crate) fn write_failed(&mut self, index: u32) {
        self.reset(index);
        self.written(index);
    }

    /// Block `index` must be fetched again, once it is not on its way to the disk any more.
    pub(crate) fn reset(&mut self, index: u32) {
        let Some(block) = self.block(index) else { return };
        if matches!(block.stage, Stage::Free | Stage::Requested) {
            return;
        }
        let proven = std::mem::replace(&mut block.proven, false);
        block.doomed = block.stage == Stage::Writing;
        let freed = !block.doomed;
        if freed {
            block.stage = Stage::Free;
            block.sender = None;
            block.leaf = None;
        }
        self.proven -= u32::from(proven);
        if freed {
            self.free += 1;
            self.written -= 1;
            self.hint = self.hint.min(index as usize);
        }
    }

    /// Every block that has come must be fetched again.
    pub(crate) fn reset_all(&mut self) {
        for index in 0..self.blocks() {
            self.reset(index);
        }
    }

    /// Who sent block `index`.
    pub(crate) fn sender(&self, index: u32) -> Option<Sender> {
        self.blocks.get(index as usize).and_then(|block| block.sender)
    }

    /// The one peer that sent every block, when it was one.
    pub(crate) fn single_sender(&self) -> Option<Sender> {
        let first = self.sender(0)?;
        self.blocks
            .iter()
            .all(|block| block.sender.is_some_and(|sender| sender.who() == first.who()))
            .then_some(first)
    }

    /// The leaf hashes of all blocks, when every one is known.
    pub(crate) fn leaves(&self) -> Option<Vec<[u8; 32]>> {
        self.blocks.iter().map(|block| block.leaf).collect()
    }

    /// The SHA-256 of block `index`, when it is known.
    pub(crate) fn leaf(&self, index: u32) -> Option<[u8; 32]> {
        self.blocks.get(index as usize).and_then(|block| block.leaf)
    }

    /// Blocks that have come and are not proven, with their leaf.
    pub(crate) fn unproven(&self) -> Vec<(u32, Option<[u8; 32]>)> {
        (0_u32..)
            .zip(&self.blocks)
            .filter(|(_, block)| !block.proven && !block.doomed && block.sender.is_some())
            .map(|(index, block)| (index, block.leaf))
            .collect()
    }

    /// Block `index` has been proven true.
    pub(crate) fn prove(&mut self, index: u32) {
        let news = self
            .block(index)
            .is_some_and(|block| !block.doomed && !std::mem::replace(&mut block.proven, true));
        self.proven += u32::from(news);
    }

    /// Remembers who sent what, block by block, before everything is fetched again.
    pub(crate) fn suspect(&mut self, digests: &[[u8; 32]]) {
        let limit = MAX_SUSPICIONS_PER_BLOCK * self.blocks.len();
        let sent: Vec<_> = (0..self.blocks())
            .zip(digests)
            .filter_map(|(block, digest)| {
                self.sender(block).map(|sender| Suspicion { block, digest: *digest, sender })
            })
            .collect();
        self.suspicions.extend(sent);
        self.suspicions.truncate(limit);
    }

    /// A block asked for before `before` of fewer than `most` peers, `peer` not among them; asked for
    /// before `long_before`, those that it was asked of do not count.
    pub(crate) fn overdue(
        &self,
        peer: PeerKey,
        before: Moment,
        long_before: Moment,
        most: usize,
    ) -> Option<u32> {
        (0_u32..)
            .zip(&self.blocks)
            .find(|(_, block)| {
                block.stage == Stage::Requested
                    && block.requested_at <= before
                    && (block.requesters.len() < most || block.requested_at <= long_before)
                    && !block.requesters.contains(&peer)
            })
            .map(|(index, _)| index)
    }

    /// The peer other than `thief` that leaves most blocks waiting since `before`, with how many. One
    /// that has sent a part of the piece is about to send the rest, unless it waits since `long_before`.
    pub(crate) fn slowest(
        &self,
        thief: PeerKey,
        before: Moment,
        long_before: Moment,
    ) -> Option<(PeerKey, usize)> {
        let mut waits: Vec<(PeerKey, usize)> = Vec::new();
        for block in self.blocks.iter().filter(|block| block.is_movable(before)) {
            let Some(holder) = block.requesters.first().filter(|holder| **holder != thief) else { continue };
            if block.requested_at > long_before && self.has_begun(*holder) {
                continue;
            }
            match waits.iter_mut().find(|(peer, _)| peer == holder) {
                Some((_, count)) => *count += 1,
                None => waits.push((*holder, 1)),
            }
        }
        waits.into_iter().max_by_key(|(_, count)| *count)
    }

    fn has_begun(&self, holder: PeerKey) -> bool {
        self.blocks.iter().any(|block| block.sender.is_some_and(|sender| sender.peer == holder))
    }

    /// Takes the last `most` blocks that `holder` leaves waiting since `before` and asks `thief`.
    pub(crate) fn steal(
        &mut self,
        thief: PeerKey,
        holder: PeerKey,
        most: usize,
        before: Moment,
        now: Moment,
    ) -> Vec<u32> {
        let mut stolen = Vec::new();
        for (index, block) in (0..self.blocks()).rev().zip(self.blocks.iter_mut().rev()) {
            if stolen.len() < most && block.is_movable(before) && block.requesters == [holder] {
                block.requesters = vec![thief];
                block.requested_at = now;
                block.moves += 1;
                stolen.push(index);
            }
        }
        stolen
    }

    /// Who has been asked for block `index`.
    pub(crate) fn requesters(&self, index: u32) -> &[PeerKey] {
        self.blocks.get(index as usize).map_or(&[], |block| &block.requesters)
    }

    /// Panics (in tests) when the counts contradict the blocks.
    pub(crate) fn check_invariants(&self) {
        let count = |wanted: Stage| self.blocks.iter().filter(|block| block.stage == wanted).count();
        assert_eq!(count(Stage::Free), self.free as usize);
        assert_eq!(count(Stage::Written), self.written as usize);
        assert_eq!(self.blocks.iter().filter(|block| block.proven).count(), self.proven as usize);
        for block in &self.blocks {
            assert_eq!(block.stage == Stage::Requested, !block.requesters.is_empty());
            assert_eq!(matches!(block.stage, Stage::Writing | Stage::Written), block.sender.is_some());
        }
    }
}
