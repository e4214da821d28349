//! What others want of us: who is answered, what they asked for, and what goes to the network next.
//!
//! Serves one peer's requests for one piece before turning to the next peer, so that somebody soon
//! has a whole piece to pass on. Never hands out a block of a piece that is not verified, and none
//! to a choked peer unless the fast extension allows the piece.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use shared::{Bitfield, Layout, Moment, PieceIndex, Span};
use wire::{Message, Range};

use crate::availability::Availability;
use crate::choker::{Choker, Round};
use crate::io::{Breach, Output, PeerKey};
use crate::outbox::range_of;
use crate::peer::Peer;
use crate::peers::Peers;
use crate::rate::Rate;
use crate::slots::{GRANT_PATIENCE, whole};
use crate::spread::Spread;
use crate::turn::Turn;

/// The largest request that anybody may send, in bytes.
const LARGEST_REQUEST: u32 = 128 * 1024;
/// Most bytes handed to the network for one peer and not yet out.
const PEER_WINDOW: u64 = 1024 * 1024;
/// Bytes handed to the network in all before the rate of the link is known, and the least later.
const FIRST_WINDOW: u64 = 128 * 1024;
const LEAST_WINDOW: u64 = 32 * 1024;
/// The time's worth of bytes that may be handed to the network.
const WINDOW_MILLIS: u64 = 12;
/// What anybody gets before giving anything.
const FREE_BYTES: u64 = 512 * 1024;
/// A peer whose bytes have not moved for so long, while others were sent much more, does not hold
/// them up.
const STALL: Duration = Duration::from_millis(200);
/// Nor do those for whom nothing has moved for so long.
const STANDSTILL: Duration = Duration::from_secs(3);

/// The uploading half of a torrent.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) choker: Choker,
    pub(crate) round: Round,
    /// Peers with requests in store, next to be served first.
    pub(crate) ring: VecDeque<PeerKey>,
    serving: Option<(PeerKey, PieceIndex)>,
    /// Interested peers that are choked.
    pub(crate) waiting: BTreeSet<PeerKey>,
    /// Peers that are answered.
    pub(crate) unchoked: BTreeSet<PeerKey>,
    /// Peers answered a moment ago, which have not asked yet.
    pub(crate) grants: VecDeque<(Moment, PeerKey)>,
    /// Something has changed since the link was last given what it can take.
    pub(crate) stirred: bool,
    pub(crate) queued: u64,
    pub(crate) outstanding: u64,
    /// The part of `outstanding` that does not move.
    stalled: BTreeSet<PeerKey>,
    pub(crate) stalled_bytes: u64,
    next_look: Moment,
    last_done: Moment,
    pub(crate) rate: Rate,
    /// Present while we are complete and may advise others.
    pub(crate) spread: Option<Spread>,
    /// Peers that do not know all that we have (BEP 16).
    pub(crate) hidden: usize,
    /// Somebody is new among them and knows of nothing yet.
    pub(crate) newly_hidden: bool,
    /// Nothing is hidden from anybody any more.
    pub(crate) revealed_for_good: bool,
}

impl Upload {
    /// Nobody is answered yet.
    pub(crate) fn new(now: Moment) -> Self {
        Self {
            choker: Choker::new(now),
            round: Round::default(),
            ring: VecDeque::new(),
            serving: None,
            waiting: BTreeSet::new(),
            unchoked: BTreeSet::new(),
            grants: VecDeque::new(),
            stirred: true,
            queued: 0,
            outstanding: 0,
            stalled: BTreeSet::new(),
            stalled_bytes: 0,
            next_look: now,
            last_done: now,
            rate: Rate::new(Duration::from_millis(200)),
            spread: None,
            hidden: 0,
            newly_hidden: false,
            revealed_for_good: false,
        }
    }

    /// All bytes of blocks handed to the network.
    pub(crate) fn uploaded(&self) -> u64 {
        self.rate.total()
    }

    /// `key` asks for bytes.
    pub(crate) fn request(
        &mut self,
        key: PeerKey,
        range: Range,
        layout: &Layout,
        have: &Bitfield,
        turn: &mut Turn<'_>,
    ) {
        if range.length > LARGEST_REQUEST {
            turn.breach(key, Breach::OversizedRequest { length: range.length });
            return;
        }
        let most = turn.config.max_queued_requests;
        let Some(peer) = turn.peers.get_mut(key) else { return };
        let span = layout.span(range.index, range.begin, range.length);
        let answered = span.filter(|span| {
            let answered = peer.supply.unchoked || peer.supply.allowed_fast.contains(&span.piece());
            answered && have.get(span.piece()) && peer.supply.queue.len() < most
        });
        let Some(span) = answered else {
            if peer.identity.fast {
                turn.out.send(peer, Message::Reject(range), turn.now);
            }
            return;
        };
        self.stirred = true;
        if peer.supply.queue.is_empty() {
            self.ring.push_back(key);
            self.grants.retain(|(_, granted)| *granted != key);
        }
        peer.supply.queue.push_back(span);
        peer.supply.queued += u64::from(span.length());
        self.queued += u64::from(span.length());
        self.taken(key, span.piece(), turn);
    }

    /// `key` does not need these bytes any more.
    pub(crate) fn cancel(&mut self, key: PeerKey, range: Range, turn: &mut Turn<'_>) {
        let Some(peer) = turn.peers.get_mut(key) else { return };
        let Some(at) = peer.supply.queue.iter().position(|span| range_of(*span) == range) else { return };
        self.stirred = true;
        if let Some(span) = peer.supply.queue.remove(at) {
            peer.supply.queued -= u64::from(span.length());
            self.queued -= u64::from(span.length());
        }
        if peer.supply.queue.is_empty() {
            self.ring.retain(|waiting| *waiting != key);
        }
        if peer.identity.fast {
            turn.out.send(peer, Message::Reject(range), turn.now);
        }
    }

    /// Bytes for `key` are out, or could not be read.
    pub(crate) fn done(&mut self, key: PeerKey, span: Span, sent: bool, turn: &mut Turn<'_>) {
        let Some(peer) = turn.peers.get_mut(key) else { return };
        let bytes = u64::from(span.length()).min(peer.supply.outstanding);
        peer.supply.outstanding -= bytes;
        peer.supply.progress = turn.now;
        self.stirred = true;
        self.last_done = turn.now;
        self.outstanding -= bytes;
        if self.stalled.remove(&key) {
            self.stalled_bytes -= peer.supply.outstanding + bytes;
        }
        if sent {
            peer.supply.rate.add(bytes, turn.now);
            self.rate.add(bytes, turn.now);
            peer.supply.sent_before = self.rate.total();
        } else if peer.identity.fast {
            turn.out.send(peer, Message::Reject(range_of(span)), turn.now);
        }
        if peer.supply.choke_pending && peer.supply.outstanding == 0 {
            self.say_choke(key, turn);
        }
    }

    /// `peer` has left.
    pub(crate) fn left(&mut self, peer: &Peer) {
        let key = peer.key();
        self.forget_copies(peer);
        self.queued -= peer.supply.queued;
        self.outstanding -= peer.supply.outstanding;
        if self.stalled.remove(&key) {
            self.stalled_bytes -= peer.supply.outstanding;
        }
        self.waiting.remove(&key);
        self.ring.retain(|waiting| *waiting != key);
        self.grants.retain(|(_, granted)| *granted != key);
        self.unchoked.remove(&key);
        self.stirred = true;
        self.hidden -= usize::from(peer.supply.revealed.is_some());
        self.choker.left(key);
    }

    /// Hands to the network what it can take, and answers somebody else when it could take more.
    pub(crate) fn pump(&mut self, complete: bool, rarity: &Availability, turn: &mut Turn<'_>) {
        let due = self.next_timeout().is_some_and(|at| at <= turn.now);
        if !std::mem::take(&mut self.stirred) && !due {
            return;
        }
        self.look_for_stalls(turn);
        self.trim(complete, turn);
        self.grant(complete, turn);
        let window = self.window(turn.now);
        while self.outstanding - self.stalled_bytes < window {
            let Some((key, span)) = self.next_span(complete, rarity, turn) else { break };
            let Some(peer) = turn.peers.get_mut(key) else { break };
            let bytes = u64::from(span.length());
            if peer.supply.outstanding == 0 {
                peer.supply.progress = turn.now;
                peer.supply.sent_before = self.rate.total();
            }
            peer.supply.queued -= bytes;
            peer.supply.outstanding += bytes;
            peer.spoke = turn.now;
            self.queued -= bytes;
            self.outstanding += bytes;
            if self.stalled.contains(&key) {
                self.stalled_bytes += bytes;
            }
            turn.out.push(Output::Upload { peer: key, span });
        }
    }

    /// The next request to serve: of the same piece while there are any, else of the next peer.
    fn next_span(
        &mut self,
        complete: bool,
        rarity: &Availability,
        turn: &mut Turn<'_>,
    ) -> Option<(PeerKey, Span)> {
        if let Some((key, piece)) = self.serving.take() {
            let same = turn.peers.get_mut(key).filter(|peer| may_take_more(peer)).and_then(|peer| {
                let queue = &mut peer.supply.queue;
                queue.front().filter(|span| span.piece() == piece)?;
                let span = queue.pop_front()?;
                Some((span, peer.supply.queue.is_empty()))
            });
            if let Some((span, empty)) = same {
                self.serving = Some((key, piece));
                if empty {
                    self.ring.retain(|waiting| *waiting != key);
                }
                return Some((key, span));
            }
        }
        let copies =
            |peer: &Peer| peer.supply.queue.front().map_or(u32::MAX, |span| rarity.copies(span.piece()));
        let (at, key) = (0..)
            .zip(&self.ring)
            .filter_map(|(at, key)| turn.peers.get(*key).map(|peer| (at, peer)))
            .filter(|(_, peer)| may_take_more(peer))
            .min_by_key(|(at, peer)| {
                let earned = self.round.holds(peer.key());
                (!earned, !complete && only_takes(peer), copies(peer), *at)
            })
            .map(|(at, peer)| (at, peer.key()))?;
        self.ring.remove(at);
        let peer = turn.peers.get_mut(key)?;
        let span = peer.supply.queue.pop_front()?;
        if !peer.supply.queue.is_empty() {
            self.ring.push_back(key);
        }
        self.serving = Some((key, span.piece()));
        Some((key, span))
    }

    /// Finds out whose bytes do not move, so that they do not hold up the rest.
    fn look_for_stalls(&mut self, turn: &mut Turn<'_>) {
        if turn.now < self.next_look {
            return;
        }
        self.next_look = turn.now + STALL;
        let overtaken = 4 * self.window(turn.now);
        let nothing_moves = turn.now.since(self.last_done) >= STANDSTILL;
        for peer in turn.peers.values().filter(|peer| peer.supply.outstanding > 0) {
            let behind = self.rate.total() - peer.supply.sent_before >= overtaken;
            let slow = turn.now.since(peer.supply.progress) >= STALL;
            if slow && (behind || nothing_moves) && self.stalled.insert(peer.key()) {
                self.stalled_bytes += peer.supply.outstanding;
            }
        }
    }

    /// Bytes that may be handed to the network and not be out yet.
    fn window(&self, now: Moment) -> u64 {
        let least = if self.rate.is_young(now) { FIRST_WINDOW } else { LEAST_WINDOW };
        least.max(whole(self.rate.per_second(now)) * WINDOW_MILLIS / 1000)
    }

    /// When something may have to be done although nothing happens.
    pub(crate) fn next_timeout(&self) -> Option<Moment> {
        let grant = self.grants.front().filter(|_| !self.waiting.is_empty());
        let grant = grant.map(|(at, _)| *at + GRANT_PATIENCE);
        let stall = (self.queued > 0).then_some(self.next_look);
        [grant, stall].into_iter().flatten().min()
    }

    /// Panics (in tests) when the books contradict the peers.
    pub(crate) fn check_invariants(&self, peers: &Peers) {
        let sum = |of: fn(&Peer) -> u64| peers.values().map(of).sum::<u64>();
        assert_eq!(self.queued, sum(|peer| peer.supply.queued));
        assert_eq!(self.outstanding, sum(|peer| peer.supply.outstanding));
        for peer in peers.values() {
            let supply = &peer.supply;
            let queued: u64 = supply.queue.iter().map(|span| u64::from(span.length())).sum();
            assert_eq!(queued, supply.queued);
            assert_eq!(self.waiting.contains(&peer.key()), supply.interested && !supply.unchoked);
            assert_eq!(self.ring.contains(&peer.key()), !supply.queue.is_empty());
            let answered = |span: &Span| supply.unchoked || supply.allowed_fast.contains(&span.piece());
            assert!(supply.queue.iter().all(answered), "queued for a choked peer");
        }
        assert_eq!(self.hidden, peers.values().filter(|peer| peer.supply.revealed.is_some()).count());
        let unchoked = peers.values().filter(|peer| peer.supply.unchoked).map(Peer::key);
        assert!(self.unchoked.iter().copied().eq(unchoked));
        let stalled: u64 =
            self.stalled.iter().filter_map(|key| peers.get(*key)).map(|p| p.supply.outstanding).sum();
        assert_eq!(self.stalled_bytes, stalled);
    }
}

/// It has taken a good deal and given nothing.
fn only_takes(peer: &Peer) -> bool {
    peer.leech.rate.is_new() && peer.supply.rate.total() > FREE_BYTES
}

fn may_take_more(peer: &Peer) -> bool {
    peer.supply.outstanding < PEER_WINDOW && !peer.supply.choke_pending
}
