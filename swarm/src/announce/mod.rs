//! Which tracker is asked, when, and with which event: tiers (BEP 12), intervals, back-off (BEP 31).
//!
//! One [`Announcer`] for each torrent. It knows trackers by their addresses and nothing of HTTP or UDP;
//! the engine asks what [`Announcer::poll`] says and reports how it went. A tracker that fails never
//! stops a download: it is left alone for a growing while, and the next one is asked.

mod tracker;

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt as _;
use rand::seq::SliceRandom as _;
use shared::Moment;
use shared::announce::Event;

pub use tracker::{Answer, Retry, Setback, TrackerState, TrackerView};

use crate::dice::{self, Dice};
use tracker::Tracker;

/// The most trackers of one torrent.
pub const MAX_TRACKERS: usize = 64;
/// The longest address of a tracker, in bytes.
pub const MAX_URL: usize = 2_048;

/// Between two announces when the tracker does not say.
const USUAL: Duration = Duration::from_secs(1_800);
/// Whatever a tracker says, it is asked neither more nor less often than this.
const BOUNDS: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(7_200));
/// The pause after the first failure, doubled after each further one, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(600));

/// One announce to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Which tracker, for [`Announcer::answered`] and [`Announcer::failed`].
    pub tracker: usize,
    /// Its address, as it was given.
    pub url: String,
    /// Why now.
    pub event: Event,
    /// What this tracker gave to be sent back.
    pub tracker_id: Option<Vec<u8>>,
}

/// What the torrent is for its trackers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It takes part.
    Running,
    /// It leaves, or has left.
    Stopping,
}

/// All trackers of one torrent.
#[derive(Debug)]
pub struct Announcer {
    trackers: Vec<Tracker>,
    /// Numbers of trackers, in the order in which they are tried.
    tiers: Vec<Vec<usize>>,
    dice: Dice,
    phase: Phase,
    /// The regular announce that is under way; while leaving, the `started` whose answer is to come.
    asking: Option<usize>,
    /// When the tiers are gone through again.
    next: Moment,
    /// Where the tracker runs that named peers last: the host and port of its address.
    speaker: Option<String>,
}

impl Announcer {
    /// The trackers of a torrent that begins at `now`; the same seed gives the same order.
    pub fn new(tiers: &[Vec<String>], seed: u64, now: Moment) -> Self {
        let mut announcer = Self {
            trackers: Vec::new(),
            tiers: Vec::new(),
            dice: dice::seeded(seed),
            phase: Phase::Running,
            asking: None,
            next: now,
            speaker: None,
        };
        announcer.add(tiers, now);
        announcer
    }

    /// More tiers, behind those that are there; a tracker that is known stays where it is.
    pub fn add(&mut self, tiers: &[Vec<String>], now: Moment) {
        let mut known: BTreeSet<String> = self.trackers.iter().map(|tracker| tracker.url.clone()).collect();
        for tier in tiers {
            let mut numbers = Vec::new();
            for url in tier {
                let fits = self.trackers.len() < MAX_TRACKERS && !url.is_empty() && url.len() <= MAX_URL;
                if fits && known.insert(url.clone()) {
                    numbers.push(self.trackers.len());
                    self.trackers.push(Tracker::new(url.clone(), now));
                }
            }
            if !numbers.is_empty() {
                numbers.shuffle(&mut self.dice);
                self.tiers.push(numbers);
                // Whoever nobody answered hears of the new ones at once.
                if !self.trackers.iter().any(Tracker::works) {
                    self.next = now;
                }
            }
        }
    }

    /// The torrent takes part again after [`Self::stop`].
    pub fn start(&mut self, now: Moment) {
        self.phase = Phase::Running;
        self.asking = None;
        // A new beginning does not wait for the interval of an earlier one.
        for tracker in self.trackers.iter_mut().filter(|tracker| tracker.failures == 0) {
            tracker.not_before = now;
        }
        self.next = now;
    }

    /// The last piece is verified: every tracker that knows us hears of it once.
    pub fn completed(&mut self, now: Moment) {
        for (number, tracker) in self.trackers.iter_mut().enumerate() {
            tracker.completed_due = tracker.started || self.asking == Some(number);
        }
        self.next = now;
    }

    /// The torrent leaves: every tracker that knows us hears of it once, and none is waited for. One that
    /// is being told `started` right now knows us when it answers, and hears of it then.
    pub fn stop(&mut self) {
        self.phase = Phase::Stopping;
        let is_new = |number: &usize| self.trackers.get(*number).is_some_and(|tracker| !tracker.started);
        self.asking = self.asking.filter(is_new);
        for tracker in &mut self.trackers {
            tracker.stop_due = tracker.started;
            tracker.started = false;
            tracker.completed_due = false;
        }
    }

    /// Whether a tracker that has never failed may answer our `started` yet, and is to hear that we left.
    pub fn may_owe_farewell(&self) -> bool {
        let asked = self.asking.and_then(|number| self.trackers.get(number));
        self.phase == Phase::Stopping && asked.is_some_and(|tracker| tracker.failures == 0)
    }

    /// The person wants to know now, or the network has changed: pauses are over.
    pub fn again(&mut self, now: Moment) {
        for tracker in self.trackers.iter_mut().filter(|tracker| !tracker.given_up) {
            tracker.failures = 0;
            tracker.not_before = now;
        }
        self.next = now;
    }

    /// The next announce to make; to be called again until there is none.
    pub fn poll(&mut self, now: Moment) -> Option<Ask> {
        if self.phase == Phase::Stopping {
            let number = self.trackers.iter().position(|tracker| tracker.stop_due)?;
            let tracker = self.trackers.get_mut(number)?;
            tracker.stop_due = false;
            return Some(tracker.ask(number, Event::Stopped));
        }
        if self.asking.is_some() || now < self.next {
            return None;
        }
        let may = |number: &&usize| self.trackers.get(**number).is_some_and(|tracker| tracker.may(now));
        let Some(number) = self.tiers.iter().flatten().find(may).copied() else {
            // Everybody failed or wants to be left alone: whoever comes first is asked then.
            let free = self.trackers.iter().filter(|tracker| !tracker.given_up);
            self.next = free.map(|tracker| tracker.not_before).min().unwrap_or(now + BOUNDS.1);
            return None;
        };
        let tracker = self.trackers.get_mut(number)?;
        let event = tracker.event();
        self.asking = Some(number);
        tracker.state = TrackerState::Asking;
        Some(tracker.ask(number, event))
    }

    /// A tracker answered.
    pub fn answered(&mut self, number: usize, answer: Answer, now: Moment) {
        let running = self.is_asked(number);
        let Some(tracker) = self.trackers.get_mut(number) else { return };
        let interval = answer.interval.unwrap_or(USUAL).clamp(BOUNDS.0, BOUNDS.1);
        let least = answer.min_interval.unwrap_or(BOUNDS.0).clamp(BOUNDS.0, interval);
        if !running {
            // The answer to a farewell, one that comes after it, or one to the `started` of who has left.
            if self.asking == Some(number) {
                self.asking = None;
                tracker.took(answer, now, now + least);
                (tracker.started, tracker.stop_due) = (false, true);
            }
            tracker.state = TrackerState::Untried;
            return;
        }
        // An event that came up while this one was under way is still to be told.
        let event_due = tracker.completed_due && tracker.told != Some(Event::Completed);
        tracker.took(answer, now, now + least);
        if event_due {
            tracker.completed_due = true;
        }
        self.asking = None;
        self.next = if event_due { now } else { now + interval };
        tracker.next = Some(self.next);
        self.promote(number);
    }

    /// Whether peers that this tracker names come from another one than the last did: those of a private
    /// torrent are to be dropped then (BEP 27). One that is asked over HTTP and over UDP is one tracker.
    pub fn is_another(&self, number: usize) -> bool {
        let asked = self.trackers.get(number).map(|tracker| authority(&tracker.url));
        self.speaker.as_deref().is_some_and(|speaker| Some(speaker) != asked)
    }

    /// Peers that this tracker named are taken: it speaks for the torrent from now on.
    pub fn heed(&mut self, number: usize) {
        if let Some(tracker) = self.trackers.get(number) {
            self.speaker = Some(authority(&tracker.url).to_owned());
        }
    }

    /// A tracker could not be asked, or refused.
    pub fn failed(&mut self, number: usize, setback: &Setback, now: Moment) {
        let running = self.is_asked(number);
        let factor = 0.75 + 0.5 * self.dice.random::<f64>();
        let Some(tracker) = self.trackers.get_mut(number) else { return };
        if !running {
            self.asking = self.asking.filter(|asked| *asked != number);
            tracker.state = TrackerState::Untried;
            return;
        }
        let doubled = PAUSES.0.saturating_mul(1 << tracker.failures.min(16));
        let pause = match setback.retry {
            Retry::Unsaid => doubled.min(PAUSES.1).mul_f64(factor),
            Retry::After(pause) => pause.clamp(PAUSES.0, BOUNDS.1),
            Retry::Never => BOUNDS.1,
        };
        tracker.suffered(setback, now, now + pause);
        self.asking = None;
        self.next = now;
    }

    /// When [`Self::poll`] may have something; `None` while an answer is waited for.
    pub fn next_timeout(&self) -> Option<Moment> {
        let idle = self.phase == Phase::Running && self.asking.is_none() && !self.trackers.is_empty();
        idle.then_some(self.next)
    }

    /// Whether any tracker is known.
    pub fn is_empty(&self) -> bool {
        self.trackers.is_empty()
    }

    /// Every tracker as the person may see it, tier by tier in the order in which they are tried.
    pub fn view(&self) -> Vec<TrackerView> {
        let numbered = self.tiers.iter().enumerate();
        numbered
            .flat_map(|(tier, numbers)| numbers.iter().map(move |number| (tier, *number)))
            .filter_map(|(tier, number)| Some(self.trackers.get(number)?.view(tier)))
            .collect()
    }

    /// The trackers in tiers, as they were given.
    pub fn tiers(&self) -> Vec<Vec<String>> {
        let url = |number: &usize| self.trackers.get(*number).map(|tracker| tracker.url.clone());
        self.tiers.iter().map(|tier| tier.iter().filter_map(url).collect()).collect()
    }

    fn is_asked(&self, number: usize) -> bool {
        self.phase == Phase::Running && self.asking == Some(number)
    }

    /// Who answered is asked first in its tier from now on.
    fn promote(&mut self, number: usize) {
        for tier in &mut self.tiers {
            if let Some(at) = tier.iter().position(|other| *other == number) {
                tier.remove(at);
                tier.insert(0, number);
            }
        }
    }
}

/// Host and port of an address as it was written, the whole of it when it has none.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    host.rsplit_once('@').map_or(host, |(_, host)| host)
}

#[cfg(test)]
mod tests;
