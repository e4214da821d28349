//! One tracker as its torrent knows it: what it was told, what it said, how long it is left alone.

use std::time::Duration;

use shared::Moment;
use shared::announce::Event;

use super::Ask;

/// The longest text of a tracker that is kept, in characters.
const MAX_TEXT: usize = 300;
/// The longest tracker id that is sent back, in bytes.
const MAX_TRACKER_ID: usize = 256;

/// What a tracker answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// How long until the next announce.
    pub interval: Option<Duration>,
    /// How long at least.
    pub min_interval: Option<Duration>,
    /// What it wants to be sent back.
    pub tracker_id: Option<Vec<u8>>,
    /// Peers that have everything, if it said.
    pub seeds: Option<u32>,
    /// Peers that do not, if it said.
    pub leechers: Option<u32>,
    /// How many addresses it gave.
    pub peers: usize,
    /// A word for the person. From outside.
    pub warning: Option<String>,
}

/// Why a tracker did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setback {
    /// One sentence for the person; may hold words from outside.
    pub text: String,
    /// Whether it said when to come again (BEP 31).
    pub retry: Retry,
}

/// When a tracker that refused may be asked again (BEP 31).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retry {
    /// It did not say.
    #[default]
    Unsaid,
    /// After so long.
    After(Duration),
    /// Never.
    Never,
}

/// How it stands with a tracker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TrackerState {
    /// Not asked yet, or not any more.
    #[default]
    Untried,
    /// Its answer is waited for.
    Asking,
    /// It answered.
    Works,
    /// It did not, and is asked again later; one sentence why.
    Failed(String),
    /// It wants never to be asked again, or cannot be; one sentence why.
    GivenUp(String),
}

/// One tracker as the person may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackerView {
    /// Its address, as it was given. From outside.
    pub url: String,
    /// Number of its tier, from 0.
    pub tier: usize,
    /// How it stands.
    pub state: TrackerState,
    /// Peers that have everything, by its last word.
    pub seeds: Option<u32>,
    /// Peers that do not.
    pub leechers: Option<u32>,
    /// Addresses that it gave last time.
    pub peers: usize,
    /// A word of its own for the person. From outside.
    pub warning: Option<String>,
    /// Failures in a row.
    pub failures: u32,
    /// When it last answered or failed.
    pub last: Option<Moment>,
    /// When it is asked again, if that is known.
    pub next: Option<Moment>,
}

/// See the head of this file.
#[derive(Debug)]
pub(super) struct Tracker {
    pub(super) url: String,
    pub(super) state: TrackerState,
    /// It has taken our `started`.
    pub(super) started: bool,
    pub(super) completed_due: bool,
    pub(super) stop_due: bool,
    /// The event of the announce that is under way.
    pub(super) told: Option<Event>,
    pub(super) failures: u32,
    pub(super) not_before: Moment,
    pub(super) given_up: bool,
    pub(super) next: Option<Moment>,
    last: Option<Moment>,
    answer: Answer,
}

impl Tracker {
    pub(super) fn new(url: String, now: Moment) -> Self {
        Self {
            url,
            state: TrackerState::Untried,
            started: false,
            completed_due: false,
            stop_due: false,
            told: None,
            failures: 0,
            not_before: now,
            given_up: false,
            next: None,
            last: None,
            answer: Answer::default(),
        }
    }

    pub(super) fn works(&self) -> bool {
        matches!(self.state, TrackerState::Works)
    }

    /// Whether it may be asked at `now`. An event does not wait for the least interval, but for the
    /// pause after a failure.
    pub(super) fn may(&self, now: Moment) -> bool {
        !self.given_up && (self.not_before <= now || (self.completed_due && self.failures == 0))
    }

    /// The event that it has to hear.
    pub(super) fn event(&self) -> Event {
        match (self.started, self.completed_due) {
            (false, _) => Event::Started,
            (true, true) => Event::Completed,
            (true, false) => Event::Interval,
        }
    }

    pub(super) fn ask(&mut self, number: usize, event: Event) -> Ask {
        self.told = Some(event);
        Ask { tracker: number, url: self.url.clone(), event, tracker_id: self.answer.tracker_id.clone() }
    }

    /// It answered the announce that was under way.
    pub(super) fn took(&mut self, mut answer: Answer, now: Moment, not_before: Moment) {
        self.started = true;
        self.completed_due = false;
        self.state = TrackerState::Works;
        self.failures = 0;
        (self.last, self.not_before) = (Some(now), not_before);
        answer.warning = answer.warning.map(|text| shorten(&text));
        let given = answer.tracker_id.take().filter(|id| id.len() <= MAX_TRACKER_ID);
        // One that is not said again stays as it was.
        answer.tracker_id = given.or_else(|| self.answer.tracker_id.take());
        self.answer = answer;
    }

    /// It did not.
    pub(super) fn suffered(&mut self, setback: &Setback, now: Moment, not_before: Moment) {
        self.failures = self.failures.saturating_add(1);
        self.given_up = setback.retry == Retry::Never;
        // Whoever has not heard of us hears that we are complete when it does.
        self.completed_due &= self.started;
        (self.last, self.not_before) = (Some(now), not_before);
        self.next = (!self.given_up).then_some(not_before);
        let text = shorten(&setback.text);
        self.state = if self.given_up { TrackerState::GivenUp(text) } else { TrackerState::Failed(text) };
    }

    pub(super) fn view(&self, tier: usize) -> TrackerView {
        TrackerView {
            url: self.url.clone(),
            tier,
            state: self.state.clone(),
            seeds: self.answer.seeds,
            leechers: self.answer.leechers,
            peers: self.answer.peers,
            warning: self.answer.warning.clone(),
            failures: self.failures,
            last: self.last,
            next: self.next,
        }
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}
