//! What reaches a node: messages, blocks through its downlink, ends of connections and new ones.
//!
//! Called by the world when the moment has come; it only hands inputs to brains.

use std::net::SocketAddr;

use shared::{BlockRef, PieceIndex};
use swarm::{Input, PeerKey};
use wire::{Message, Range};

use super::event::{Event, Packet, number};
use super::{BLOCK_OVERHEAD, World, address_of};
use crate::content::{marked_bytes, true_digest};
use crate::node::End;

impl World {
    /// A block has come to the downlink of `node`.
    pub(super) fn reach(&mut self, node: usize, key: PeerKey, packet: Packet) {
        let Packet::Block(Range { length, .. }, _) = &packet else { return };
        let Some(it) = self.nodes.get_mut(node) else { return };
        let through = it.down.queue(u64::from(*length) + BLOCK_OVERHEAD, self.now);
        if through > self.now {
            self.push(through, Event::Arrives { node: number(node), key, packet });
        } else {
            self.arrive(node, key, packet);
        }
    }

    pub(super) fn arrive(&mut self, node: usize, key: PeerKey, packet: Packet) {
        let open = |world: &mut Self| {
            let end = world.nodes.get_mut(node)?.ends.get_mut(key.0 as usize)?;
            end.open.then_some(end).map(|end| {
                if matches!(packet, Packet::Gone) {
                    end.open = false;
                }
            })
        };
        if open(self).is_none() {
            return;
        }
        let input = match packet {
            Packet::Have(piece) => Input::Message { peer: key, message: Message::Have(piece) },
            Packet::Request(range) => Input::Message { peer: key, message: Message::Request(range) },
            Packet::Message(message) if matches!(*message, Message::Suggest(_)) && self.is_foreign(node) => {
                return;
            }
            Packet::Message(message) => Input::Message { peer: key, message: *message },
            Packet::Gone => Input::Disconnected { peer: key },
            Packet::Block(range, digest) => {
                let index = range.begin / crate::content::BLOCK;
                let block = BlockRef { piece: PieceIndex::new(range.index), index };
                let digest = digest.map_or_else(|| true_digest(block), |digest| *digest);
                self.arriving = Some((block, digest));
                let v2 = !self.publication.content.trees.is_empty();
                let leaf = v2.then_some(digest);
                let data =
                    if v2 { self.filler.bytes(range.length) } else { marked_bytes(&digest, range.length) };
                Input::Block { peer: key, range, data, leaf }
            }
        };
        self.input(node, input);
    }

    fn is_foreign(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(|node| node.wish.foreign)
    }

    /// A block is written: should it not be as published, the disk holds something false.
    pub(super) fn remember(&mut self, node: usize, block: BlockRef) {
        let Some((_, digest)) = self.arriving.filter(|(arriving, _)| *arriving == block) else { return };
        if let Some(node) = self.nodes.get_mut(node) {
            if digest == true_digest(block) {
                node.false_blocks.remove(&block);
            } else {
                node.false_blocks.insert(block, digest);
            }
        }
    }

    pub(super) fn connect(&mut self, node: usize, to: usize) {
        if !self.is_up(node) {
            return;
        }
        if !self.is_up(to) {
            let reason = swarm::DialFailure::Refused;
            self.input(node, Input::DialFailed { address: address_of(to), reason });
            return;
        }
        let key_of = |world: &Self, node: usize| {
            PeerKey(world.nodes.get(node).map_or(0, |node| u32::try_from(node.ends.len()).unwrap_or(0)))
        };
        let (ours, theirs) = (key_of(self, node), key_of(self, to));
        let seen_as = SocketAddr::new(address_of(node).ip(), 40_000);
        for (at, other, key, other_key, address, outgoing) in
            [(node, to, ours, theirs, address_of(to), true), (to, node, theirs, ours, seen_as, false)]
        {
            let Some(peer_id) = self.nodes.get(other).map(|node| node.peer_id) else { return };
            if let Some(node) = self.nodes.get_mut(at) {
                node.ends.push(End { node: other, key: other_key, open: true });
            }
            self.input(
                at,
                Input::Connected {
                    peer: key,
                    peer_id,
                    address,
                    outgoing,
                    fast: true,
                    extended: true,
                    v2: true,
                    dht: false,
                    utp: false,
                },
            );
        }
    }
}
