//! Upload slots: who is answered. The choker's rounds, and at once somebody more while the link has
//! room and somebody waits, so that no transfer waits for a clock.

use std::collections::VecDeque;
use std::time::Duration;

use rand::RngExt;
use shared::{Moment, Span};
use wire::Message;

use crate::choker::Contender;
use crate::io::PeerKey;
use crate::outbox::range_of;
use crate::turn::Turn;
use crate::upload::Upload;

/// Below this much work in store, another peer is answered at once.
const FIRST_BACKLOG: u64 = 128 * 1024;
const LEAST_BACKLOG: u64 = 64 * 1024;
const MOST_BACKLOG: u64 = 8 * 1024 * 1024;
const BACKLOG_MILLIS: u64 = 60;
/// Above so many times that, peers without an earned slot are choked again.
const HIGH_WATER: u64 = 2;
/// What a peer that was just answered is expected to ask for.
const EXPECTED_OF_GRANT: u64 = 64 * 1024;
/// How long that is expected.
pub(crate) const GRANT_PATIENCE: Duration = Duration::from_millis(30);

impl Upload {
    /// `key` wants something, or does not any more.
    pub(crate) fn interest(&mut self, key: PeerKey, interested: bool, turn: &mut Turn<'_>) {
        let Some(peer) = turn.peers.get_mut(key) else { return };
        peer.supply.interested = interested;
        self.stirred = true;
        if !interested {
            self.waiting.remove(&key);
            if peer.supply.revealed.is_some() {
                // It has all that it knows of.
                self.advise(key, turn);
            }
        } else if !peer.supply.unchoked {
            self.waiting.insert(key);
        }
    }

    /// A round of the choker, when one is due.
    pub(crate) fn tick(&mut self, complete: bool, turn: &mut Turn<'_>) {
        if !self.choker.is_due(turn.now) {
            return;
        }
        let contenders: Vec<_> = turn
            .peers
            .values()
            .filter(|peer| peer.supply.interested)
            .map(|peer| Contender {
                peer: peer.key(),
                rate: whole(if complete {
                    peer.supply.rate.per_second(turn.now)
                } else {
                    peer.leech.rate.per_second(turn.now)
                }),
                snubs: peer.leech.pipeline.is_snubbed(),
                connected: peer.about.connected,
            })
            .collect();
        let intervals = (turn.config.choke_interval, turn.config.optimistic_interval);
        let slots = turn.config.regular_slots;
        let round = self.choker.round(&contenders, slots, intervals, turn.dice, turn.now);
        self.round = round.clone();
        self.stirred = true;
        let full = turn.config.classic_choke || self.backlog() > 2 * self.backlog_target(turn.now);
        let keys: Vec<_> = turn.peers.keys().collect();
        for key in keys {
            if round.holds(key) {
                self.unchoke(key, turn);
            } else if full || turn.peers.get(key).is_some_and(|peer| !peer.supply.interested) {
                self.choke(key, turn);
            }
        }
    }

    /// Answers waiting peers while there is too little in store to keep the link busy.
    pub(crate) fn grant(&mut self, complete: bool, turn: &mut Turn<'_>) {
        while let Some((at, _)) = self.grants.front() {
            if turn.now.since(*at) < GRANT_PATIENCE {
                break;
            }
            self.grants.pop_front();
        }
        while !self.waiting.is_empty() {
            let free_slot = self.unchoked.len() < turn.config.regular_slots;
            let expected = EXPECTED_OF_GRANT * self.grants.len() as u64;
            let idle = self.backlog() + expected < self.backlog_target(turn.now);
            if !free_slot && (turn.config.classic_choke || !idle) {
                return;
            }
            let Some(best) = self.best_waiting(complete, turn) else { return };
            self.grants.push_back((turn.now, best));
            self.unchoke(best, turn);
        }
    }

    /// Answers fewer peers while more is asked for than the link carries soon: those who wait longest
    /// for others' sake had better ask elsewhere.
    pub(crate) fn trim(&mut self, complete: bool, turn: &mut Turn<'_>) {
        let high = HIGH_WATER * self.backlog_target(turn.now);
        if turn.config.classic_choke
            || self.backlog() <= high
            || self.unchoked.len() <= turn.config.regular_slots
        {
            return;
        }
        let now = turn.now;
        let mut extra: Vec<_> = self
            .unchoked
            .iter()
            .filter_map(|key| turn.peers.get(*key))
            .filter(|peer| !peer.supply.choke_pending)
            .filter(|peer| !self.round.holds(peer.key()) && peer.supply.outstanding == 0)
            .map(|peer| {
                let worth = if complete {
                    u64::MAX - peer.supply.rate.total()
                } else {
                    whole(peer.leech.rate.per_second(now))
                };
                (!peer.supply.queue.is_empty(), worth, std::cmp::Reverse(peer.supply.since), peer.key())
            })
            .collect();
        extra.sort_unstable();
        for (_, _, _, key) in extra {
            if self.backlog() <= high || self.unchoked.len() <= turn.config.regular_slots {
                return;
            }
            self.choke(key, turn);
        }
    }

    fn best_waiting(&self, complete: bool, turn: &mut Turn<'_>) -> Option<PeerKey> {
        let now = turn.now;
        let mut best: Option<(u64, u32, u32, PeerKey)> = None;
        for peer in self.waiting.iter().filter_map(|key| turn.peers.get(*key)) {
            let worth = if complete {
                u64::MAX - peer.supply.rate.total()
            } else {
                whole(peer.leech.rate.per_second(now))
            };
            let lacks = u32::MAX - peer.holdings.has.count();
            let rank = (worth, lacks, turn.dice.random::<u32>(), peer.key());
            if best.is_none_or(|best| rank > best) {
                best = Some(rank);
            }
        }
        best.map(|(_, _, _, key)| key)
    }

    fn backlog(&self) -> u64 {
        self.queued + self.outstanding - self.stalled_bytes
    }

    fn backlog_target(&self, now: Moment) -> u64 {
        if self.rate.is_new() {
            return FIRST_BACKLOG;
        }
        (whole(self.rate.per_second(now)) * BACKLOG_MILLIS / 1000).clamp(LEAST_BACKLOG, MOST_BACKLOG)
    }

    fn unchoke(&mut self, key: PeerKey, turn: &mut Turn<'_>) {
        let Some(peer) = turn.peers.get_mut(key) else { return };
        peer.supply.choke_pending = false;
        if peer.supply.unchoked {
            return;
        }
        peer.supply.unchoked = true;
        peer.supply.since = turn.now;
        self.unchoked.insert(key);
        self.stirred = true;
        self.waiting.remove(&key);
        self.advise(key, turn);
        turn.send(key, Message::Unchoke);
    }

    /// Answers `key` no more, once what was handed to the network is out.
    pub(crate) fn choke(&mut self, key: PeerKey, turn: &mut Turn<'_>) {
        let Some(peer) = turn.peers.get_mut(key).filter(|peer| peer.supply.unchoked) else { return };
        if peer.supply.outstanding > 0 {
            peer.supply.choke_pending = true;
        } else {
            self.say_choke(key, turn);
        }
    }

    pub(crate) fn say_choke(&mut self, key: PeerKey, turn: &mut Turn<'_>) {
        let Some(peer) = turn.peers.get_mut(key) else { return };
        peer.supply.choke_pending = false;
        peer.supply.unchoked = false;
        peer.supply.since = turn.now;
        self.unchoked.remove(&key);
        self.stirred = true;
        self.break_promises(peer);
        turn.out.send(peer, Message::Choke, turn.now);
        let (kept, dropped): (VecDeque<Span>, VecDeque<Span>) = std::mem::take(&mut peer.supply.queue)
            .into_iter()
            .partition(|span| peer.supply.allowed_fast.contains(&span.piece()));
        let bytes: u64 = dropped.iter().map(|span| u64::from(span.length())).sum();
        peer.supply.queued -= bytes;
        self.queued -= bytes;
        peer.supply.queue = kept;
        if peer.identity.fast {
            for span in dropped {
                turn.out.send(peer, Message::Reject(range_of(span)), turn.now);
            }
        }
        if peer.supply.queue.is_empty() {
            self.ring.retain(|waiting| *waiting != key);
        }
        if peer.supply.interested {
            self.waiting.insert(key);
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are neither negative nor huge"
)]
/// Whole bytes per second.
pub(crate) fn whole(rate: f64) -> u64 {
    rate as u64
}
