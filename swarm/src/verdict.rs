//! Blocks and pieces to verdicts: what comes is judged as soon as it can be, and what is false is
//! fetched again and blamed on the peer that provably sent it, on nobody else.
//!
//! Never claims a piece that is not both written and verified.

use std::collections::BTreeSet;

use bytes::Bytes;
use shared::{BlockRef, PieceIndex};
use wire::{HashRange, Message, Range};

use crate::download::Download;
use crate::io::{Alert, Breach, Output, PeerKey};
use crate::merkle;
use crate::peer::Peer;
use crate::piece_download::PieceDownload;
use crate::pipeline::smooth;
use crate::turn::{Culprit, Turn};
use crate::verify::Verdict;

/// Blocks that a peer may send unasked before it counts as hostile: messages cross.
const MOST_STRAY_BLOCKS: u32 = 64;
/// Pieces whose missing hashes are asked for again in one go.
const MOST_RETRIES: usize = 64;

impl Download {
    /// A block came from `key`.
    pub(crate) fn block(
        &mut self,
        key: PeerKey,
        range: Range,
        data: Bytes,
        leaf: Option<[u8; 32]>,
        turn: &mut Turn<'_>,
    ) {
        let Some(peer) = turn.peers.get_mut(key) else { return };
        let block = self.block_of(range).filter(|_| data.len() == range.length as usize);
        let bytes = u64::from(range.length);
        let asked = block.and_then(|block| peer.leech.requests.remove(&block));
        let late = asked.is_none() && block.is_some_and(|block| peer.answers_withdrawn(block));
        let (Some(block), true) = (block, asked.is_some() || late) else {
            self.wasted += bytes;
            peer.leech.stray += 1;
            if block.is_none() || peer.leech.stray > MOST_STRAY_BLOCKS {
                let Range { index, begin, length } = range;
                turn.breach(key, Breach::NotAskedFor { index, begin, length });
            }
            return;
        };
        self.rate.add(bytes, turn.now);
        peer.leech.rate.add(bytes, turn.now);
        if let Some(asked) = asked {
            let open = peer.leech.requests.len();
            let gap = peer.leech.pipeline.block_came(range.length, asked, open, turn.now);
            self.gap = gap.map(|gap| smooth(self.gap, gap)).or(self.gap);
            if peer.leech.withdrawn.contains_key(&block) {
                // It was asked twice, and this was the first answer.
                turn.out.send(peer, Message::Cancel(range), turn.now);
            }
        }
        let sender = peer.sender();
        let (leaf, verdict) = self.judge_block(block, &data, leaf);
        if verdict == Verdict::False {
            self.wasted += bytes;
            self.release(block, key);
            turn.culprits.push(Culprit { sender, piece: block.piece, block: block.index });
            return;
        }
        let taken = self
            .picker
            .update(block.piece, |download| {
                let welcome = download.only_from.is_none_or(|only| only == key);
                let proven = verdict == Verdict::True;
                if welcome { download.receive(block.index, sender, leaf, proven) } else { None }
            })
            .flatten();
        if let Some(requesters) = taken {
            turn.out.push(Output::Write { block, data });
            for other in requesters.into_iter().filter(|other| *other != key) {
                self.take_back(other, block, turn);
            }
        } else {
            self.wasted += bytes;
            self.release(block, key);
        }
        self.fill(key, turn);
    }

    fn judge_block(
        &self,
        block: BlockRef,
        data: &Bytes,
        leaf: Option<[u8; 32]>,
    ) -> (Option<[u8; 32]>, Verdict) {
        let trees = self.verifier.has_trees();
        let doubtful = || self.picker.piece(block.piece).is_some_and(|piece| !piece.suspicions.is_empty());
        let leaf = match leaf {
            None if trees || doubtful() => Some(merkle::hash_block(data)),
            known => known,
        };
        let verdict = match leaf {
            Some(leaf) if trees => self.verifier.judge(block.piece, block.index, &leaf),
            _ => Verdict::Unknown,
        };
        (leaf, verdict)
    }

    /// A block reached the disk.
    pub(crate) fn written(&mut self, block: BlockRef, turn: &mut Turn<'_>) {
        let news = self.picker.update(block.piece, |download| download.written(block.index));
        if news == Some(true) {
            self.conclude(block.piece, turn);
        }
    }

    /// A block did not reach the disk: nothing more is asked for until the shell says so.
    pub(crate) fn write_failed(&mut self, block: BlockRef, full: bool, turn: &mut Turn<'_>) {
        self.picker.update(block.piece, |download| download.write_failed(block.index));
        if !self.halted {
            self.halt(turn);
            turn.out.alert(Alert::WriteFailed { block, full });
        }
    }

    /// Hashes came from `key`.
    pub(crate) fn hashes(&mut self, key: PeerKey, range: &HashRange, hashes: &Bytes, turn: &mut Turn<'_>) {
        if self.layers.concerns(key, range) {
            if let Some(layers) = self.layers.answered(key, range, hashes, turn) {
                turn.out.push(Output::PieceLayers { layers: layers.clone() });
                self.verifier.know(layers);
            }
            return;
        }
        for piece in self.hashing.answered(key, range, hashes, &mut self.verifier, turn) {
            self.leaves_known(piece, turn);
        }
    }

    /// `key` will not give hashes: somebody else may.
    pub(crate) fn hashes_refused(&mut self, key: PeerKey, range: &HashRange, turn: &mut Turn<'_>) {
        if self.layers.concerns(key, range) {
            self.layers.refused(key, range, turn);
            return;
        }
        if let Some(piece) = self.hashing.refused(key, range, turn) {
            self.hashing.ask(piece, None, &self.verifier, turn);
            self.conclude(piece, turn);
        }
    }

    fn leaves_known(&mut self, piece: PieceIndex, turn: &mut Turn<'_>) {
        if self.have.get(piece) {
            self.verifier.forget(piece);
            return;
        }
        let Some(download) = self.picker.piece(piece) else { return };
        let suspicions = download.suspicions.clone();
        for (index, leaf) in download.unproven() {
            let Some(leaf) = leaf else { continue };
            match self.verifier.judge(piece, index, &leaf) {
                Verdict::True => {
                    self.picker.update(piece, |download| download.prove(index));
                }
                Verdict::False => self.discard(piece, index, turn),
                Verdict::Unknown => {}
            }
        }
        for suspicion in suspicions {
            if self.verifier.judge(piece, suspicion.block, &suspicion.digest) == Verdict::False {
                turn.culprits.push(Culprit { sender: suspicion.sender, piece, block: suspicion.block });
            }
        }
        self.conclude(piece, turn);
    }

    /// A block that has come is provably false: its sender is to blame and it is fetched again.
    fn discard(&mut self, piece: PieceIndex, block: u32, turn: &mut Turn<'_>) {
        let Some(sender) = self.picker.piece(piece).and_then(|download| download.sender(block)) else {
            return;
        };
        self.wasted += self
            .content
            .layout
            .block_span(BlockRef { piece, index: block })
            .map_or(0, |span| u64::from(span.length()));
        self.picker.update(piece, |download| download.reset(block));
        turn.culprits.push(Culprit { sender, piece, block });
    }

    /// Every block of `piece` may have come: judges the piece when they have.
    pub(crate) fn conclude(&mut self, piece: PieceIndex, turn: &mut Turn<'_>) {
        let Some(download) = self.picker.piece(piece).filter(|piece| piece.is_written() && !piece.judging)
        else {
            return;
        };
        let judged = download.leaves().and_then(|leaves| self.verifier.judge_piece(piece, &leaves));
        if download.is_proven() || judged == Some(true) {
            self.verified(piece, turn);
        } else if judged == Some(false) {
            self.failed(piece, turn);
        } else if self.content.piece_hashes_v1.is_some() && !self.hashing.is_waiting(piece) {
            self.picker.update(piece, |download| download.judging = true);
            turn.out.push(Output::HashPiece { piece });
        }
    }

    /// The shell read a piece back.
    pub(crate) fn piece_hashed(&mut self, piece: PieceIndex, sha1: Option<[u8; 20]>, turn: &mut Turn<'_>) {
        let expected =
            self.content.piece_hashes_v1.as_ref().and_then(|all| all.get(piece.as_usize())).copied();
        let was_judging = self
            .picker
            .update(piece, |download| std::mem::replace(&mut download.judging, false))
            .unwrap_or(false);
        if !was_judging {
            return;
        }
        match sha1 {
            Some(sha1) if Some(sha1) == expected => self.verified(piece, turn),
            Some(_) => self.failed(piece, turn),
            // Unreadable: nobody is to blame, everything is fetched again.
            None => {
                self.picker.update(piece, PieceDownload::reset_all);
            }
        }
    }

    /// `piece` does not have its hash: finds out whom to blame, and fetches it again.
    fn failed(&mut self, piece: PieceIndex, turn: &mut Turn<'_>) {
        let Some(download) = self.picker.piece(piece) else { return };
        self.wasted += u64::from(self.content.layout.data_length(piece));
        turn.out.alert(Alert::PieceFailed { piece });
        if let Some(sender) = download.single_sender() {
            turn.culprits.push(Culprit { sender, piece, block: 0 });
            self.fetch_again(piece, turn);
        } else if let Some(leaves) = download.leaves() {
            self.picker.update(piece, |download| download.suspect(&leaves));
            self.fetch_again(piece, turn);
        } else {
            self.picker.update(piece, |download| download.judging = true);
            turn.out.push(Output::DigestBlocks { piece });
        }
    }

    /// The shell made a digest of each block of a piece that failed.
    pub(crate) fn blocks_digested(
        &mut self,
        piece: PieceIndex,
        digests: Option<&[[u8; 32]]>,
        turn: &mut Turn<'_>,
    ) {
        let was_judging = self.picker.update(piece, |download| {
            if let Some(digests) = digests.filter(|_| download.judging) {
                download.suspect(digests);
            }
            std::mem::replace(&mut download.judging, false)
        });
        if was_judging == Some(true) {
            self.fetch_again(piece, turn);
        }
    }

    /// Fetches all of `piece` again, from one peer alone: if it fails again that one is to blame, and
    /// if not, comparing shows who was.
    fn fetch_again(&mut self, piece: PieceIndex, turn: &mut Turn<'_>) {
        let Some(download) = self.picker.piece(piece) else { return };
        let suspects: BTreeSet<_> = (0..download.blocks())
            .filter_map(|block| download.sender(block).map(|sender| sender.peer))
            .chain(download.suspicions.iter().map(|suspicion| suspicion.sender.peer))
            .collect();
        let able = |peer: &&Peer| peer.holdings.has.get(piece) && peer.permit.unchoked;
        let only = turn.peers.values().filter(able).find(|peer| !suspects.contains(&peer.key()));
        let only = only.or_else(|| turn.peers.values().find(able)).map(Peer::key);
        self.picker.update(piece, |download| {
            download.reset_all();
            download.only_from = only;
        });
        self.picker.has_changed();
        self.hashing.ask(piece, only, &self.verifier, turn);
    }

    fn verified(&mut self, piece: PieceIndex, turn: &mut Turn<'_>) {
        let Some(done) = self.picker.finish(piece) else { return };
        for suspicion in &done.suspicions {
            let truth = done.leaf(suspicion.block);
            if truth.is_some_and(|truth| truth != suspicion.digest) {
                turn.culprits.push(Culprit { sender: suspicion.sender, piece, block: suspicion.block });
            }
        }
        self.verifier.forget(piece);
        if !self.have.set(piece) {
            return;
        }
        turn.out.push(Output::Verified { piece });
        for peer in turn.peers.values_mut() {
            if peer.holdings.has.get(piece) {
                peer.holdings.wanted = peer.holdings.wanted.saturating_sub(1);
            }
            turn.out.send(peer, Message::Have(piece.get()), turn.now);
        }
        if self.is_complete() {
            turn.out.push(Output::Completed);
            self.hungry.clear();
        }
    }

    /// Pieces that may be asked of one peer alone, which does not send: another one's turn.
    pub(crate) fn reassign(&mut self, turn: &mut Turn<'_>) {
        let sends = |key: PeerKey| {
            turn.peers.get(key).is_some_and(|peer| peer.permit.unchoked && !peer.leech.pipeline.is_snubbed())
        };
        let orphans: Vec<_> = self
            .picker
            .under_way()
            .filter(|(_, download)| !download.judging && !download.suspicions.is_empty())
            .filter(|(_, download)| !download.only_from.is_some_and(sends))
            .map(|(piece, _)| piece)
            .collect();
        for piece in orphans {
            self.fetch_again(piece, turn);
        }
    }

    pub(crate) fn ask_for_missing_hashes(&mut self, turn: &mut Turn<'_>) {
        let silent: Vec<_> = self
            .picker
            .under_way()
            .filter(|(piece, _)| !self.hashing.is_waiting(*piece))
            .map(|(piece, _)| piece)
            .take(MOST_RETRIES)
            .collect();
        for piece in silent {
            self.hashing.ask(piece, None, &self.verifier, turn);
            self.conclude(piece, turn);
        }
    }
}
