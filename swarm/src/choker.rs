//! Whom to answer: the interested peers that give most, and one by chance (BEP 3).
//!
//! Pure choice: never sends anything and keeps no peer's state. The upload collects the contenders,
//! asks, and tells the peers.

use std::cmp::Reverse;
use std::time::Duration;

use rand::RngExt;
use rand::seq::SliceRandom;
use shared::Moment;

use crate::dice::Dice;
use crate::io::PeerKey;

/// For how long a peer counts as new.
const NEW: Duration = Duration::from_secs(60);
/// How much likelier a new peer is to be tried.
const NEW_WEIGHT: usize = 3;

/// An interested peer, as the choker sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contender {
    pub(crate) peer: PeerKey,
    /// Bytes per second it gives us; when we are complete, what we give it.
    pub(crate) rate: u64,
    /// It leaves our requests unanswered.
    pub(crate) snubs: bool,
    pub(crate) connected: Moment,
}

/// When to choose anew, and who was tried last.
#[derive(Debug)]
pub(crate) struct Choker {
    next_round: Moment,
    next_trial: Moment,
    optimistic: Option<PeerKey>,
}

/// The outcome of one round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Round {
    /// Those who earned a slot, best first.
    pub(crate) regular: Vec<PeerKey>,
    /// The one that is tried by chance.
    pub(crate) optimistic: Option<PeerKey>,
}

impl Round {
    /// Whether `peer` is answered.
    pub(crate) fn holds(&self, peer: PeerKey) -> bool {
        self.optimistic == Some(peer) || self.regular.contains(&peer)
    }
}

impl Choker {
    /// A choker whose first round is due at once.
    pub(crate) fn new(now: Moment) -> Self {
        Self { next_round: now, next_trial: now, optimistic: None }
    }

    /// Whether a round is due.
    pub(crate) fn is_due(&self, now: Moment) -> bool {
        now >= self.next_round
    }

    /// Chooses anew among `contenders`.
    pub(crate) fn round(
        &mut self,
        contenders: &[Contender],
        slots: usize,
        intervals: (Duration, Duration),
        dice: &mut Dice,
        now: Moment,
    ) -> Round {
        self.next_round = now + intervals.0;
        let mut ranked: Vec<_> = contenders.to_vec();
        ranked.shuffle(dice);
        ranked.sort_by_key(|contender| (contender.snubs, Reverse(contender.rate)));
        let rest = ranked.split_off(slots.min(ranked.len()));
        let regular: Vec<_> = ranked.iter().map(|contender| contender.peer).collect();
        let still_tried = self
            .optimistic
            .filter(|tried| now < self.next_trial && rest.iter().any(|contender| contender.peer == *tried));
        if still_tried.is_none() && !rest.is_empty() {
            self.next_trial = now + intervals.1;
            self.optimistic = chance(&rest, self.optimistic, dice, now);
        } else {
            self.optimistic = still_tried;
        }
        Round { regular, optimistic: self.optimistic }
    }

    /// `peer` has left.
    pub(crate) fn left(&mut self, peer: PeerKey) {
        if self.optimistic == Some(peer) {
            self.optimistic = None;
        }
    }
}

/// One of `rest` by chance, not the `last` one if there is another; new peers are likelier.
fn chance(rest: &[Contender], last: Option<PeerKey>, dice: &mut Dice, now: Moment) -> Option<PeerKey> {
    let tickets: Vec<_> = rest
        .iter()
        .filter(|contender| rest.len() == 1 || Some(contender.peer) != last)
        .flat_map(|contender| {
            let weight = if now.since(contender.connected) < NEW { NEW_WEIGHT } else { 1 };
            std::iter::repeat_n(contender.peer, weight)
        })
        .collect();
    tickets.get(dice.random_range(0..tickets.len().max(1))).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::seeded;
    use proptest::prelude::*;

    const INTERVALS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));

    fn contender(peer: u32, rate: u64) -> Contender {
        Contender { peer: PeerKey(peer), rate, snubs: false, connected: Moment::START }
    }

    #[test]
    fn the_four_that_give_most_are_answered_and_one_more() {
        let contenders: Vec<_> = (0..20).map(|peer| contender(peer, u64::from(peer))).collect();
        let mut choker = Choker::new(Moment::START);
        let round = choker.round(&contenders, 4, INTERVALS, &mut seeded(1), Moment::START);
        assert_eq!(round.regular, [19, 18, 17, 16].map(PeerKey));
        assert!(round.optimistic.is_some_and(|peer| peer.0 < 16));
    }

    #[test]
    fn a_snubbing_peer_ranks_behind_everybody() {
        let mut contenders: Vec<_> = (0..5).map(|peer| contender(peer, 100 + u64::from(peer))).collect();
        contenders[4].snubs = true;
        let mut choker = Choker::new(Moment::START);
        let round = choker.round(&contenders, 4, INTERVALS, &mut seeded(1), Moment::START);
        assert!(!round.regular.contains(&PeerKey(4)));
    }

    #[test]
    fn the_optimistic_slot_moves_on_every_third_round() {
        let contenders: Vec<_> = (0..20).map(|peer| contender(peer, u64::from(20 - peer))).collect();
        let mut choker = Choker::new(Moment::START);
        let mut dice = seeded(7);
        let tried: Vec<_> = (0..9_u32)
            .map(|round| {
                let now = Moment::START + INTERVALS.0 * round;
                choker.round(&contenders, 4, INTERVALS, &mut dice, now).optimistic
            })
            .collect();
        assert!(tried.chunks(3).all(|same| same.iter().all(|peer| *peer == same[0])), "{tried:?}");
        assert!(tried[0] != tried[3] && tried[3] != tried[6], "{tried:?}");
    }

    #[test]
    fn new_peers_are_three_times_as_likely_to_be_tried() {
        let now = Moment::START + Duration::from_secs(1000);
        let mut contenders: Vec<_> = (0..2).map(|peer| contender(peer, 0)).collect();
        contenders[1].connected = now;
        let mut dice = seeded(3);
        let new = (0..4000)
            .filter(|_| {
                Choker::new(now).round(&contenders, 0, INTERVALS, &mut dice, now).optimistic
                    == Some(PeerKey(1))
            })
            .count();
        assert!((2850..3150).contains(&new), "{new} of 4000, expected 3000");
    }

    proptest! {
        #[test]
        fn nobody_gets_two_slots_and_nobody_who_gives_more_is_left_out(
            rates in proptest::collection::vec(0_u64..1000, 0..40),
            slots in 0_usize..8,
            seed: u64,
        ) {
            let contenders: Vec<_> =
                (0_u32..).zip(&rates).map(|(peer, rate)| contender(peer, *rate)).collect();
            let mut choker = Choker::new(Moment::START);
            let round = choker.round(&contenders, slots, INTERVALS, &mut seeded(seed), Moment::START);
            prop_assert_eq!(round.regular.len(), slots.min(rates.len()));
            prop_assert_eq!(round.optimistic.is_some(), rates.len() > slots);
            prop_assert!(round.optimistic.is_none_or(|peer| !round.regular.contains(&peer)));
            let worst_in = round.regular.iter().map(|peer| rates[peer.0 as usize]).min();
            let best_out = (0_u32..).zip(&rates)
                .filter(|(peer, _)| !round.regular.contains(&PeerKey(*peer)))
                .map(|(_, rate)| *rate)
                .max();
            if let (Some(worst_in), Some(best_out)) = (worst_in, best_out) {
                prop_assert!(worst_in >= best_out);
            }
        }
    }
}
