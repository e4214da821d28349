//! Requests to others: as many open with each peer as its pipeline allows, and work for those that
//! have none: what a slower peer leaves waiting, and at the very end what is waited for anyway.

use std::time::Duration;

use shared::{Bitfield, BlockRef, Moment};
use wire::Message;

use crate::dice::Dice;
use crate::download::Download;
use crate::io::PeerKey;
use crate::outbox::range_of;
use crate::peer::Peer;
use crate::picker::{Asked, Picker};
use crate::turn::Turn;

/// The shortest time that a request may wait before somebody else is asked too.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);
/// The longest.
const MOST_PATIENCE: Duration = Duration::from_secs(4);
/// How long a block waits with one peer before an idle one may be asked instead.
const LEAST_WAIT: Duration = Duration::from_millis(50);
/// ... in blocks as they come one after the other, and at most.
const GAPS: u32 = 12;
const MOST_WAIT: Duration = Duration::from_secs(2);

impl Download {
    /// Whether something has become free that was not handed out.
    pub(crate) fn has_freed(&self) -> bool {
        self.picker.generation() != self.seen_generation
    }

    /// Hands what has become free to peers that had nothing to do.
    pub(crate) fn settle(&mut self, turn: &mut Turn<'_>) {
        if self.has_freed() {
            self.seen_generation = self.picker.generation();
            self.fill_hungry(turn);
        }
    }

    /// Whether idle peers wait for the moment to ask again for what others leave unanswered.
    pub(crate) fn wants_endgame_tick(&self) -> bool {
        !self.hungry.is_empty() && self.picker.has_pieces()
    }

    /// At the end: asks idle peers for what others leave unanswered.
    pub(crate) fn fill_hungry(&mut self, turn: &mut Turn<'_>) {
        let hungry: Vec<_> = self.hungry.iter().copied().collect();
        for key in hungry {
            self.fill(key, turn);
        }
    }

    /// Keeps as many requests open with `key` as its pipeline allows.
    pub(crate) fn fill(&mut self, key: PeerKey, turn: &mut Turn<'_>) {
        if self.halted || self.is_complete() {
            return;
        }
        let Some(peer) = turn.peers.get_mut(key) else { return };
        if !peer.has_room() {
            self.hungry.remove(&key);
            return;
        }
        let mut picked = Vec::new();
        let mut begun = Vec::new();
        while peer.has_room() {
            let Some((block, is_new)) = pick(&mut self.picker, peer, turn.dice, turn.now) else {
                self.hungry.insert(key);
                break;
            };
            if peer.leech.requests.is_empty() {
                peer.leech.pipeline.wakes(turn.now);
            }
            peer.leech.requests.insert(block, turn.now);
            picked.push(block);
            begun.extend(is_new.then_some(block.piece));
        }
        let stolen = steal(&mut self.picker, peer, self.gap.unwrap_or_default(), turn.now);
        if peer.has_room() {
            self.hungry.insert(key)
        } else {
            self.hungry.remove(&key)
        };
        if self.verifier.has_trees() {
            for piece in begun {
                self.hashing.ask(piece, Some(key), &self.verifier, turn);
            }
        }
        if let Some((holder, blocks)) = stolen {
            for block in &blocks {
                self.cancel(holder, *block, turn);
            }
            picked.extend(blocks);
        }
        for block in picked {
            if let Some(span) = self.content.layout.block_span(block) {
                turn.send(key, Message::Request(range_of(span)));
            }
        }
    }
}

/// Takes what another peer leaves waiting, for a peer that has nothing else to do.
fn steal(
    picker: &mut Picker,
    peer: &mut Peer,
    gap: Duration,
    now: Moment,
) -> Option<(PeerKey, Vec<BlockRef>)> {
    let room = peer.leech.pipeline.depth().saturating_sub(peer.leech.requests.len());
    if room == 0 || !peer.permit.unchoked || now < peer.leech.next_theft {
        return None;
    }
    let wait = (gap * GAPS).clamp(LEAST_WAIT, MOST_WAIT);
    peer.leech.next_theft = now + LEAST_WAIT;
    let stolen = picker.steal(peer.key(), &peer.holdings.has, room, now - wait, now - wait * 10, now)?;
    for block in &stolen.1 {
        peer.leech.requests.insert(*block, now);
    }
    Some(stolen)
}

fn pick(picker: &mut Picker, peer: &mut Peer, dice: &mut Dice, now: Moment) -> Option<(BlockRef, bool)> {
    let key = peer.key();
    if peer.leech.exhausted != Some(picker.generation()) {
        let fast_only = (!peer.permit.unchoked).then(|| {
            let mut allowed = Bitfield::empty(peer.holdings.has.len());
            for piece in peer.permit.allowed_fast.iter().filter(|piece| peer.holdings.has.get(**piece)) {
                allowed.set(*piece);
            }
            allowed
        });
        let asked = Asked {
            peer: key,
            has: fast_only.as_ref().unwrap_or(&peer.holdings.has),
            current: &mut peer.leech.current,
            suggested: &mut peer.leech.suggested,
            suggests: peer.leech.suggests && peer.leech.requests.len() * 4 >= peer.leech.pipeline.depth(),
        };
        if let Some(found) = picker.pick(asked, dice, now) {
            return Some(found);
        }
        peer.leech.exhausted = Some(picker.generation());
    }
    if !picker.is_endgame() || !peer.permit.unchoked {
        return None;
    }
    let patience = peer.leech.pipeline.expected_wait(now, peer.leech.requests.len());
    let before = now - patience.clamp(LEAST_PATIENCE, MOST_PATIENCE);
    let block = picker.pick_duplicate(key, &peer.holdings.has, before, now)?;
    Some((block, false))
}
