//! Known addresses, how we came to know them, and whom to dial next.
//!
//! Peers leave and return at any time: an address that failed is tried again after a growing pause.
//! Never dials; the torrent asks for the next address while it has room for a connection.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use rand::RngExt;
use shared::Moment;

use crate::dice::Dice;
use crate::io::PeerSource;
use crate::peer::Who;
use crate::view::KnownPeer;

/// The pause after the first failure; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Failures in a row after which an address is forgotten that only strangers told of.
const MOST_FAILURES: u32 = 5;
/// Bans that are remembered; the oldest go first.
const MOST_BANNED: usize = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// May be dialled from this moment on.
    Waiting(Moment),
    Dialling,
    Connected,
    /// Not dialled: it was ourselves, or it is banned until then.
    Shunned(Moment),
}

#[derive(Debug, Clone)]
struct Known {
    /// Who told first.
    source: PeerSource,
    /// The tracker or the person has named it, first or later.
    vouched: bool,
    failures: u32,
    state: State,
    /// When a connection began there last, or ended.
    reached: Option<Moment>,
}

/// Addresses of one torrent's peers.
#[derive(Debug)]
pub(crate) struct PeerList {
    known: BTreeMap<SocketAddr, Known>,
    due: BTreeSet<(Moment, SocketAddr)>,
    /// The first of those: it is asked for after every input.
    soonest: Option<Moment>,
    dialling: usize,
    most: usize,
    /// The oldest first.
    banned: VecDeque<Who>,
}

impl PeerList {
    /// A list that never holds more than `most` addresses.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            known: BTreeMap::new(),
            due: BTreeSet::new(),
            soonest: None,
            dialling: 0,
            most,
            banned: VecDeque::new(),
        }
    }

    /// How many dials are under way.
    pub(crate) fn dialling(&self) -> usize {
        self.dialling
    }

    /// Somebody told of `address`; says whether it is worth a dial that was not due before.
    pub(crate) fn found(&mut self, address: SocketAddr, source: PeerSource, now: Moment) {
        if address.port() == 0 || address.ip().is_unspecified() || address.ip().is_multicast() {
            return;
        }
        // What strangers tell never takes the last places.
        let vouched = source.is_vouched();
        let most = if vouched { self.most } else { self.most.div_ceil(2) };
        let full = self.known.len() >= most;
        if let Some(known) = self.known.get_mut(&address) {
            known.vouched |= vouched;
        }
        match self.known.get_mut(&address) {
            // The person, or the peer itself, says that it is there now: no more pauses.
            Some(known) if source == PeerSource::Asked => {
                known.failures = 0;
                if matches!(known.state, State::Waiting(_)) {
                    self.set(address, State::Waiting(now));
                }
            }
            Some(_) => {}
            None if full => {}
            None => {
                self.known.insert(
                    address,
                    Known { source, vouched, failures: 0, state: State::Shunned(now), reached: None },
                );
                self.set(address, State::Waiting(now));
            }
        }
    }

    /// The next address to dial, booked as being dialled.
    pub(crate) fn next(&mut self, now: Moment) -> Option<SocketAddr> {
        if self.soonest.is_none_or(|at| at > now) {
            return None;
        }
        let (_, address) = *self.due.first()?;
        self.set(address, State::Dialling);
        Some(address)
    }

    /// Books `address` as being dialled, due or not; `false` when it is not to be dialled.
    pub(crate) fn take(&mut self, address: SocketAddr) -> bool {
        let waits = matches!(self.known.get(&address), Some(Known { state: State::Waiting(_), .. }));
        if waits {
            self.set(address, State::Dialling);
        }
        waits
    }

    /// When the next address may be dialled.
    pub(crate) fn next_due(&self) -> Option<Moment> {
        self.soonest
    }

    /// `address` could not be reached; says whether that is the first time in a row.
    pub(crate) fn failed(&mut self, address: SocketAddr, dice: &mut Dice, now: Moment) -> bool {
        let Some(known) = self.known.get_mut(&address) else { return false };
        if known.state != State::Dialling {
            return false;
        }
        known.failures += 1;
        let (failures, vouched) = (known.failures, known.vouched);
        let hearsay = !vouched && matches!(known.source, PeerSource::Exchange | PeerSource::Dht);
        if failures >= MOST_FAILURES && hearsay {
            self.forget(address);
        } else {
            self.set(address, State::Waiting(now + pause(failures, dice)));
        }
        failures == 1
    }

    /// We are connected to `address`.
    pub(crate) fn connected(&mut self, address: SocketAddr, now: Moment) {
        self.set(address, State::Connected);
        if let Some(known) = self.known.get_mut(&address) {
            known.reached = Some(now);
        }
    }

    /// The connection to `address` has ended after having lasted for `lasted`.
    pub(crate) fn disconnected(
        &mut self,
        address: SocketAddr,
        lasted: Duration,
        dice: &mut Dice,
        now: Moment,
    ) {
        let Some(known) = self.known.get_mut(&address) else { return };
        if matches!(known.state, State::Shunned(_)) {
            return;
        }
        known.reached = Some(now);
        known.failures = if lasted > LONGEST_PAUSE { 1 } else { known.failures + 1 };
        let failures = known.failures;
        self.set(address, State::Waiting(now + pause(failures, dice)));
    }

    /// Does not dial `address` again before `until`.
    pub(crate) fn shun(&mut self, address: SocketAddr, until: Moment) {
        self.set(address, State::Shunned(until));
        if self.known.contains_key(&address) {
            self.due.insert((until, address));
            self.look_who_is_first();
        }
    }

    /// Addresses at which somebody was reached, unless it is better to leave them alone.
    pub(crate) fn reached(&self, now: Moment) -> impl Iterator<Item = KnownPeer> + '_ {
        self.known.iter().filter_map(move |(address, known)| {
            let seen = match known.state {
                State::Shunned(_) => return None,
                State::Connected => now,
                State::Waiting(_) | State::Dialling => known.reached?,
            };
            Some(KnownPeer { address: *address, source: known.source, vouched: known.vouched, seen })
        })
    }

    /// Who told of `address` first; `None` when nobody did.
    pub(crate) fn source(&self, address: SocketAddr) -> Option<PeerSource> {
        self.known.get(&address).map(|known| known.source)
    }

    /// Whether the tracker or the person has named `address`.
    pub(crate) fn is_vouched(&self, address: SocketAddr) -> bool {
        self.known.get(&address).is_some_and(|known| known.vouched)
    }

    /// Forgets every address that neither the tracker nor the person has named.
    pub(crate) fn forget_unvouched(&mut self) {
        self.forget_where(|known| !known.vouched);
    }

    /// Forgets every address but those that are left alone for a while.
    pub(crate) fn forget_all(&mut self) {
        self.forget_where(|known| !matches!(known.state, State::Shunned(_)));
    }

    fn forget_where(&mut self, gone: impl Fn(&Known) -> bool) {
        let gone = self.known.iter().filter(|(_, known)| gone(known));
        for address in gone.map(|(address, _)| *address).collect::<Vec<_>>() {
            self.forget(address);
        }
    }

    fn forget(&mut self, address: SocketAddr) {
        // Out of the books first.
        self.set(address, State::Shunned(Moment::START));
        self.known.remove(&address);
    }

    /// Does not speak to `who` again; says whether that is news.
    pub(crate) fn ban(&mut self, who: Who) -> bool {
        if self.is_banned(&who) {
            return false;
        }
        if self.banned.len() >= MOST_BANNED {
            self.banned.pop_front();
        }
        self.banned.push_back(who);
        true
    }

    /// Whether `who` is banned.
    pub(crate) fn is_banned(&self, who: &Who) -> bool {
        self.banned.contains(who)
    }

    fn set(&mut self, address: SocketAddr, state: State) {
        let Some(known) = self.known.get_mut(&address) else { return };
        if let State::Waiting(at) | State::Shunned(at) = known.state {
            self.due.remove(&(at, address));
        }
        self.dialling -= usize::from(known.state == State::Dialling);
        self.dialling += usize::from(state == State::Dialling);
        known.state = state;
        if let State::Waiting(at) = state {
            self.due.insert((at, address));
        }
        self.look_who_is_first();
    }

    fn look_who_is_first(&mut self) {
        self.soonest = self.due.first().map(|(at, _)| *at);
    }

    /// Panics (in tests) when the books contradict each other.
    pub(crate) fn check_invariants(&self) {
        let dialling = self.known.values().filter(|known| known.state == State::Dialling).count();
        assert_eq!(dialling, self.dialling);
        assert_eq!(self.soonest, self.due.first().map(|(at, _)| *at));
        for (at, address) in &self.due {
            let state = self.known.get(address).map(|known| known.state);
            assert!(state == Some(State::Waiting(*at)) || state == Some(State::Shunned(*at)));
        }
    }
}

fn pause(failures: u32, dice: &mut Dice) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10));
    doubled.min(LONGEST_PAUSE).mul_f64(dice.random_range(0.8..1.2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::seeded;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], port))
    }

    #[test]
    fn failures_are_retried_after_growing_pauses() {
        let mut dice = seeded(1);
        let mut list = PeerList::new(10);
        let mut now = Moment::START;
        list.found(address(1), PeerSource::Tracker, now);
        let mut pauses = Vec::new();
        for attempt in 0..12 {
            assert_eq!(list.next(now), Some(address(1)));
            assert_eq!(list.next(now), None, "it is being dialled");
            assert_eq!(list.failed(address(1), &mut dice, now), attempt == 0);
            let due = list.next_due().unwrap();
            pauses.push(due.since(now).as_millis());
            now = due;
            list.check_invariants();
        }
        assert!((400..=600).contains(&pauses[0]), "{pauses:?}");
        assert!((48_000..=72_000).contains(&pauses[11]), "{pauses:?}");
    }

    #[test]
    fn being_asked_for_ends_the_pause() {
        let mut dice = seeded(1);
        let mut list = PeerList::new(10);
        list.found(address(1), PeerSource::Tracker, Moment::START);
        list.next(Moment::START);
        list.failed(address(1), &mut dice, Moment::START);
        assert_eq!(list.next(Moment::START), None);
        list.found(address(1), PeerSource::Asked, Moment::START);
        assert_eq!(list.next(Moment::START), Some(address(1)));
    }

    #[test]
    fn a_shunned_address_rests_until_its_time_is_over() {
        let mut list = PeerList::new(10);
        list.found(address(1), PeerSource::Tracker, Moment::START);
        let until = Moment::START + Duration::from_secs(600);
        list.shun(address(1), until);
        list.found(address(1), PeerSource::Asked, Moment::START);
        assert_eq!(list.next(until - Duration::from_secs(1)), None);
        assert_eq!(list.next(until), Some(address(1)));
        list.check_invariants();
    }

    #[test]
    fn what_strangers_tell_is_forgotten_sooner_unless_the_tracker_says_it_too() {
        let mut dice = seeded(1);
        let mut list = PeerList::new(10);
        list.found(address(1), PeerSource::Exchange, Moment::START);
        list.found(address(2), PeerSource::Exchange, Moment::START);
        list.found(address(2), PeerSource::Tracker, Moment::START);
        assert_eq!(list.source(address(2)), Some(PeerSource::Exchange), "who told first");
        let mut now = Moment::START;
        for _ in 0..5 {
            now = now + Duration::from_secs(100);
            while let Some(address) = list.next(now) {
                list.failed(address, &mut dice, now);
            }
        }
        assert_eq!((list.source(address(1)), list.is_vouched(address(2))), (None, true));
        list.check_invariants();
    }

    #[test]
    fn of_more_bans_than_are_remembered_the_oldest_are_forgotten() {
        let mut list = PeerList::new(10);
        let who = |port: usize| {
            let id = std::array::from_fn(|at| port.to_le_bytes().get(at).copied().unwrap_or(0));
            Who::new(shared::PeerId(id), address(1))
        };
        for port in 0..=MOST_BANNED {
            assert!(list.ban(who(port)));
            assert!(!list.ban(who(port)), "no news");
        }
        assert!(!list.is_banned(&who(0)));
        assert!(list.is_banned(&who(1)) && list.is_banned(&who(MOST_BANNED)));
        let elsewhere = Who::new(shared::PeerId([0; 20]), SocketAddr::from(([10, 0, 0, 2], 1)));
        assert!(!list.is_banned(&elsewhere));
        assert_eq!(list.banned.len(), MOST_BANNED);
    }

    #[test]
    fn the_list_is_bounded_and_refuses_nonsense() {
        let mut list = PeerList::new(3);
        for port in 0..10 {
            list.found(address(port), PeerSource::Exchange, Moment::START);
        }
        assert_eq!(list.next_due(), Some(Moment::START));
        for port in 8..12 {
            // Strangers have left room for whom the tracker names.
            list.found(address(port), PeerSource::Tracker, Moment::START);
        }
        list.found(SocketAddr::from(([0, 0, 0, 0], 5)), PeerSource::Asked, Moment::START);
        let dialled: Vec<_> = std::iter::from_fn(|| list.next(Moment::START)).collect();
        assert_eq!(dialled, [address(1), address(2), address(8)]);
    }
}
