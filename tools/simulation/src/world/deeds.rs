//! What becomes of the things that a brain asks for: links carry them, disks take their time, manners spoil them.
//!
//! Called by the world for every output of a node; it only puts things to come into the queue.

use std::time::Duration;

use rand::RngExt;
use shared::{BlockRef, Moment, PieceIndex, Span, merkle};
use swarm::{Breach, CloseReason, Input, Output, PeerKey};
use wire::{Message, Range};

use super::event::{Event, Packet, number};
use super::{BLOCK_OVERHEAD, DISK, World, node_at};
use crate::content::{false_digest, marked_bytes, true_digest, true_piece_hash};
use crate::node::Manners;

impl World {
    pub(super) fn output(&mut self, node: usize, output: Output) {
        let now = self.now;
        match output {
            Output::Dial { address } => {
                if let Some(to) = node_at(address) {
                    self.push(now + self.latency * 4, Event::Dialled { node: number(node), to: number(to) });
                }
            }
            Output::Close { peer, reason } => {
                if let CloseReason::Breach(breach) = reason {
                    self.accuse(node, peer, breach);
                }
                self.hang_up(node, peer);
            }
            Output::Send { peer, message } => self.send(node, peer, message),
            Output::Upload { peer, span } => self.upload(node, peer, span),
            Output::Write { block, .. } => {
                self.remember(node, block);
                self.finish(node, DISK, Input::Written { block });
            }
            Output::HashPiece { piece } => {
                let sha1 = Some(self.piece_hash(node, piece));
                self.finish(node, DISK, Input::PieceHashed { piece, sha1 });
            }
            Output::DigestBlocks { piece } => {
                let digests = Some(self.digests(node, piece));
                self.finish(node, DISK, Input::BlocksDigested { piece, digests });
            }
            Output::ReadHashes { peer, range } => {
                let hashes = self.publication.hashes(&range);
                self.finish(node, DISK, Input::HashesRead { peer, range, hashes });
            }
            Output::Verified { piece } => {
                assert!(self.is_true(node, piece), "node {node} claims piece {piece}, which is false");
                if let Some(node) = self.nodes.get_mut(node) {
                    node.verified.push(piece.get());
                }
            }
            Output::Completed => {
                if let Some(node) = self.nodes.get_mut(node) {
                    node.done_at = Some(now);
                }
            }
            Output::InfoReceived { .. }
            | Output::PieceLayers { .. }
            | Output::DhtNode { .. }
            | Output::Punch { .. } => {}
            Output::Alert(alert) => {
                if let Some(node) = self.nodes.get_mut(node) {
                    node.alerts.push(alert);
                }
            }
        }
    }

    pub(super) fn finish(&mut self, node: usize, after: Duration, input: Input) {
        let start = self.nodes.get(node).map_or(0, |node| node.starts);
        self.done(self.now + after, node, input, start);
    }

    fn done(&mut self, at: Moment, node: usize, input: Input, start: u64) {
        let event = Event::Done { node: number(node), start: number(start), outcome: input.into() };
        self.push(at, event);
    }

    /// `node` says that the far side of `peer` broke the protocol.
    fn accuse(&mut self, node: usize, peer: PeerKey, breach: Breach) {
        let end = self.nodes.get(node).and_then(|node| node.ends.get(peer.0 as usize));
        let Some(accused) = end.map(|end| end.node) else { return };
        if let Some(accused) = self.nodes.get_mut(accused) {
            accused.breaches.push(breach);
        }
    }

    pub(super) fn hang_up(&mut self, node: usize, peer: PeerKey) {
        let Some(end) = self.nodes.get_mut(node).and_then(|node| node.ends.get_mut(peer.0 as usize)) else {
            return;
        };
        if std::mem::replace(&mut end.open, false) {
            let (to, key) = (end.node, end.key);
            self.push(
                self.now + self.latency,
                Event::Arrives { node: number(to), key, packet: Packet::Gone },
            );
        }
    }

    fn send(&mut self, node: usize, peer: PeerKey, message: Message) {
        let Some(it) = self.nodes.get_mut(node) else { return };
        if it.wish.manners == Manners::OnlyTakes && message == Message::Unchoke {
            return;
        }
        let Some(end) = it.ends.get(peer.0 as usize).filter(|end| end.open) else { return };
        let bytes = size_of(&message);
        it.small_bytes_sent += bytes;
        let wire = bytes + bytes * self.system.headers / 1000;
        let sent =
            if self.system.in_order { it.up.queue(wire, self.now) } else { it.up.slip_in(wire, self.now) };
        let (to, key) = (end.node, end.key);
        self.push(sent + self.latency, Event::Arrives { node: number(to), key, packet: message.into() });
    }

    fn upload(&mut self, node: usize, peer: PeerKey, span: Span) {
        let (now, latency) = (self.now, self.latency);
        let salt = self.rng.random::<u64>() >> 1;
        let Some(it) = self.nodes.get_mut(node) else { return };
        match it.wish.manners {
            Manners::Rejects => {
                self.finish(node, DISK, Input::UploadFailed { peer, span });
                return;
            }
            Manners::Ignores => {
                self.finish(node, DISK, Input::Uploaded { peer, span });
                return;
            }
            Manners::Honest | Manners::Poisons { .. } | Manners::OnlyTakes => {}
        }
        it.blocks_sent += 1;
        if node == 0 {
            self.source_blocks
                .insert(BlockRef { piece: span.piece(), index: span.begin() / crate::content::BLOCK });
        }
        it.bytes_sent += u64::from(span.length());
        let digest = match it.wish.manners {
            Manners::Poisons { every } if it.blocks_sent.is_multiple_of(every) => {
                it.false_blocks_sent += 1;
                Some(Box::new(false_digest(salt)))
            }
            _ => None,
        };
        let bytes = u64::from(span.length()) + BLOCK_OVERHEAD;
        let sent = it.up.queue(bytes + bytes * self.system.headers / 1000, now);
        let seems = it.up.seems(sent, self.system.hides, now);
        let end = it.ends.get(peer.0 as usize).copied().filter(|end| end.open);
        let start = it.starts;
        self.done(seems, node, Input::Uploaded { peer, span }, start);
        let Some(end) = end else { return };
        let range = Range { index: span.piece().get(), begin: span.begin(), length: span.length() };
        let packet = Packet::Block(range, digest);
        self.push(sent + latency, Event::Reaches { node: number(end.node), key: end.key, packet });
    }

    fn is_true(&self, node: usize, piece: PieceIndex) -> bool {
        let from = BlockRef { piece, index: 0 };
        let to = BlockRef { piece, index: u32::MAX };
        self.nodes.get(node).is_some_and(|node| node.false_blocks.range(from..=to).next().is_none())
    }

    fn piece_hash(&self, node: usize, piece: PieceIndex) -> [u8; 20] {
        if self.is_true(node, piece) { true_piece_hash(piece) } else { [0; 20] }
    }

    fn digests(&self, node: usize, piece: PieceIndex) -> Vec<[u8; 32]> {
        (0..self.publication.content.layout.blocks(piece))
            .map(|index| BlockRef { piece, index })
            .map(|block| {
                let known = self.nodes.get(node).and_then(|node| node.false_blocks.get(&block));
                let digest = known.copied().unwrap_or_else(|| true_digest(block));
                let span = self.publication.content.layout.block_span(block);
                merkle::hash_block(&marked_bytes(&digest, span.map_or(0, Span::length)))
            })
            .collect()
    }
}

/// Bytes of a message on the wire.
pub(super) fn size_of(message: &Message) -> u64 {
    let payload = match message {
        Message::KeepAlive => return 4,
        Message::Have(_) | Message::Suggest(_) | Message::AllowedFast(_) => 4,
        Message::Bitfield(bytes) => bytes.len(),
        Message::Request(_) | Message::Cancel(_) | Message::Reject(_) => 12,
        Message::HashRequest(_) | Message::HashReject(_) => 48,
        Message::Hashes(_, hashes) => 48 + hashes.len(),
        Message::Extended { payload, .. } => 1 + payload.len(),
        Message::Piece { data, .. } => 8 + data.len(),
        _ => 0,
    };
    5 + payload as u64
}
