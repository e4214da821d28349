//! The task that announces for all torrents of a session.
//!
//! Once a second, and when a torrent comes, it looks at what each torrent shows: paused ones leave, ones
//! that go on join, complete ones say so. A bounded number of trackers is asked at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shared::announce::{Announce, AnnounceReply, DEFAULT_WANTED, Event};
use shared::{InfoHash, InfoHashes, Moment};
use swarm::PeerSource;
use swarm::announce::{Announcer, Answer, Ask, Setback, TrackerView};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::TrackerStatus;
use super::ask::{AnnounceError, Asker};
use crate::connection::Event as TorrentEvent;
use crate::http::Url;
use crate::shared_parts::Parts;
use crate::status::{State, TorrentStatus};
use crate::torrent::{Command, TorrentHandle};

/// How often torrents are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Announces under way at once.
const AT_ONCE: usize = 20;
/// How long the farewell to all trackers may take when the session stops.
const FAREWELL: Duration = Duration::from_millis(800);
/// Words that may wait.
const WAITING: usize = 64;

/// What the session wants.
#[derive(Debug)]
pub(crate) enum Word {
    /// How do this torrent's trackers stand?
    View(InfoHash, oneshot::Sender<Vec<TrackerStatus>>),
    /// Ask again now, pauses or not.
    Again(InfoHash),
    /// Look now: something changed.
    Look,
    /// Say goodbye to every tracker; the answer comes when that is done, or not worth waiting for.
    Stop(oneshot::Sender<()>),
}

/// How one ask went.
struct Outcome {
    id: InfoHash,
    tracker: usize,
    is_farewell: bool,
    result: Result<AnnounceReply, Setback>,
}

/// One torrent, as its trackers know it.
struct Member {
    announcer: Announcer,
    running: bool,
    /// It was complete when it joined, or has said so since.
    complete: bool,
    facts: Facts,
}

/// What an announce says of a torrent.
#[derive(Debug, Clone, Copy)]
struct Facts {
    hashes: InfoHashes,
    uploaded: u64,
    downloaded: u64,
    left: Option<u64>,
}

impl Facts {
    fn of(torrent: &TorrentHandle, status: &TorrentStatus) -> Self {
        let left = (status.size > 0 || status.state == State::Seeding)
            .then(|| status.size.saturating_sub(status.verified_bytes));
        Self { hashes: torrent.hashes, uploaded: status.uploaded, downloaded: status.downloaded, left }
    }
}

/// The state of the task.
pub(crate) struct Task {
    parts: Arc<Parts>,
    asker: Arc<Asker>,
    /// By which a tracker knows us again when our address changes.
    key: u32,
    members: BTreeMap<InfoHash, Member>,
    slots: Arc<Semaphore>,
    /// Farewells whose outcome is still to come.
    farewells: usize,
    outcomes: mpsc::Sender<Outcome>,
    finished: mpsc::Receiver<Outcome>,
    words: mpsc::Receiver<Word>,
}

/// Starts the task. The sender is how the session speaks to it.
pub(crate) fn start(parts: Arc<Parts>, listens_on_v4: bool) -> mpsc::Sender<Word> {
    let (sender, words) = mpsc::channel(WAITING);
    let (outcomes, finished) = mpsc::channel(WAITING);
    let asker = Arc::new(Asker { v4_first: listens_on_v4, ..Asker::default() });
    let task = Task {
        parts,
        asker,
        key: rand::random(),
        members: BTreeMap::new(),
        slots: Arc::new(Semaphore::new(AT_ONCE)),
        farewells: 0,
        outcomes,
        finished,
        words,
    };
    let _detached = runtime::spawn("announcer", task.run());
    sender
}

impl Task {
    async fn run(mut self) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = self.parts.end.clone();
        let mut torrents_changed = self.parts.torrents_changed.subscribe();
        loop {
            tokio::select! {
                () = end.cancelled() => return,
                _ = look.tick() => self.look(),
                Ok(()) = torrents_changed.changed() => self.look(),
                Some(outcome) = self.finished.recv() => self.finished(outcome),
                word = self.words.recv() => match word {
                    None => return,
                    Some(Word::Look) => self.look(),
                    Some(Word::View(id, answer)) => {
                        self.look();
                        let _ = answer.send(self.view(id)).is_ok();
                    }
                    Some(Word::Again(id)) => {
                        let now = self.parts.clock.now();
                        if let Some(member) = self.members.get_mut(&id) {
                            member.announcer.again(now);
                        }
                    }
                    Some(Word::Stop(done)) => {
                        let _ = timeout(FAREWELL, self.say_goodbye()).await.is_ok();
                        let _ = done.send(()).is_ok();
                        return;
                    }
                },
            }
            self.ask_what_is_due();
        }
    }

    /// Compares every torrent with what its trackers know.
    fn look(&mut self) {
        let now = self.parts.clock.now();
        let torrents: Vec<Arc<TorrentHandle>> = self.parts.torrents().iter().map(Arc::clone).collect();
        for (id, member) in &mut self.members {
            if member.running && !torrents.iter().any(|torrent| torrent.id == *id) {
                member.running = false;
                member.announcer.stop();
            }
        }
        for torrent in torrents {
            let status = torrent.status.borrow();
            let facts = Facts::of(&torrent, &status);
            let complete = facts.left == Some(0);
            // What is being hashed is not known to be missing.
            let ready = status.state != State::Checking && status.checking.is_none();
            let wanted = ready && !matches!(status.state, State::Paused | State::Error);
            let tiers = torrent.metainfo.trackers();
            if tiers.is_empty() && !self.members.contains_key(&torrent.id) {
                continue;
            }
            let member = self.members.entry(torrent.id).or_insert_with(|| Member {
                announcer: Announcer::new(&[], rand::random(), now),
                running: false,
                complete,
                facts,
            });
            member.facts = facts;
            member.announcer.add(&tiers, now);
            if wanted && !member.running {
                member.complete = complete;
                member.announcer.start(now);
                member.running = true;
            } else if member.running && matches!(status.state, State::Paused | State::Error) {
                member.announcer.stop();
                member.running = false;
            } else if complete && !member.complete && member.running {
                member.complete = true;
                if facts.downloaded > 0 {
                    member.announcer.completed(now);
                }
            }
        }
    }

    fn ask_what_is_due(&mut self) {
        let now = self.parts.clock.now();
        let mut asks = Vec::new();
        for (id, member) in &mut self.members {
            while let Some(ask) = member.announcer.poll(now) {
                asks.push((*id, member.facts, ask));
            }
        }
        for (id, facts, ask) in asks {
            self.ask(id, facts, ask);
        }
        // Whoever left has nothing more to say.
        let here: Vec<InfoHash> = self.parts.torrents().iter().map(|torrent| torrent.id).collect();
        self.members
            .retain(|id, member| member.running || here.contains(id) || member.announcer.may_owe_farewell());
    }

    /// Asks in a task of its own.
    fn ask(&mut self, id: InfoHash, facts: Facts, ask: Ask) {
        let is_farewell = ask.event == Event::Stopped;
        self.farewells += usize::from(is_farewell);
        let (asker, slots, outcomes) =
            (Arc::clone(&self.asker), Arc::clone(&self.slots), self.outcomes.clone());
        let announce = |hash| Announce {
            hash,
            peer_id: self.parts.peer_id,
            port: self.parts.listen_port,
            uploaded: facts.uploaded,
            downloaded: facts.downloaded,
            left: facts.left,
            event: ask.event,
            wanted: if is_farewell { 0 } else { DEFAULT_WANTED },
            key: Some(self.key),
        };
        // A hybrid torrent is two swarms for trackers that do not know better (BEP 52).
        let v2 = facts.hashes.get_v2().map(|v2| v2.truncated());
        let first = announce(facts.hashes.primary());
        let second = v2.filter(|v2| facts.hashes.get_v1().is_some_and(|v1| v1 != *v2)).map(announce);
        let _detached = runtime::spawn("announce", async move {
            let Ok(_slot) = slots.acquire().await else { return };
            let result = both(&asker, &ask, first, second).await;
            if let Err(error) = &result {
                tracing::debug!(%id, %error, "an announce failed");
            }
            let result = result.map_err(|error| error.setback());
            let _ = outcomes.send(Outcome { id, tracker: ask.tracker, is_farewell, result }).await.is_ok();
        });
    }

    fn finished(&mut self, outcome: Outcome) {
        let now = self.parts.clock.now();
        self.farewells -= usize::from(outcome.is_farewell);
        let Some(member) = self.members.get_mut(&outcome.id) else { return };
        match outcome.result {
            Ok(reply) => {
                let answer = answer(&reply);
                let torrent = self.parts.torrents().find(&outcome.id);
                if let Some(torrent) = torrent.filter(|_| member.running) {
                    // A torrent that is too busy hears all this the next time.
                    let same = !member.announcer.is_another(outcome.tracker);
                    if same || self.parts.tracker_changed(&torrent) {
                        member.announcer.heed(outcome.tracker);
                        if !reply.peers.is_empty() {
                            let found = Command::Peers(reply.peers, PeerSource::Tracker);
                            let _ = torrent.inbox.try_send(TorrentEvent::Command(found)).is_ok();
                        }
                    }
                }
                member.announcer.answered(outcome.tracker, answer, now);
            }
            Err(setback) => member.announcer.failed(outcome.tracker, &setback, now),
        }
    }

    fn view(&self, id: InfoHash) -> Vec<TrackerStatus> {
        let now = self.parts.clock.now();
        let views = self.members.get(&id).map(|member| member.announcer.view()).unwrap_or_default();
        views.into_iter().map(|view| status(view, now)).collect()
    }

    /// Tells every tracker that knows us that we leave, all at once.
    async fn say_goodbye(&mut self) {
        self.look();
        // Farewells do not wait for the regular announces that are under way.
        self.slots = Arc::new(Semaphore::new(AT_ONCE * 5));
        for member in self.members.values_mut().filter(|member| member.running) {
            member.running = false;
            member.announcer.stop();
        }
        loop {
            self.ask_what_is_due();
            let is_owed = self.members.values().any(|member| member.announcer.may_owe_farewell());
            if self.farewells == 0 && !is_owed {
                return;
            }
            let Some(outcome) = self.finished.recv().await else { return };
            self.finished(outcome);
        }
    }
}

/// Announces under one name or under both. The first one counts; the second may only add.
async fn both(
    asker: &Asker,
    ask: &Ask,
    first: Announce,
    second: Option<Announce>,
) -> Result<AnnounceReply, AnnounceError> {
    let url = Url::parse(&ask.url)?;
    let first = asker.ask(&url, first, ask.tracker_id.clone());
    let Some(second) = second else { return first.await };
    let second = asker.ask(&url, second, ask.tracker_id.clone());
    match tokio::join!(first, second) {
        (Ok(mut reply), Ok(more)) => {
            reply.seeds = reply.seeds.max(more.seeds);
            reply.leechers = reply.leechers.max(more.leechers);
            reply.peers.extend(more.peers);
            reply.peers.sort_unstable();
            reply.peers.dedup();
            Ok(reply)
        }
        (Ok(reply), Err(_)) | (Err(_), Ok(reply)) => Ok(reply),
        (Err(error), Err(_)) => Err(error),
    }
}

fn answer(reply: &AnnounceReply) -> Answer {
    Answer {
        interval: Some(Duration::from_secs(reply.interval.into())),
        min_interval: reply.min_interval.map(|seconds| Duration::from_secs(seconds.into())),
        tracker_id: reply.tracker_id.clone(),
        seeds: Some(reply.seeds),
        leechers: Some(reply.leechers),
        peers: reply.peers.len(),
        warning: reply.warning.as_ref().map(|text| shared::display::escape(text).into_owned()),
    }
}

fn status(view: TrackerView, now: Moment) -> TrackerStatus {
    TrackerStatus {
        url: view.url,
        tier: view.tier,
        state: view.state,
        seeds: view.seeds,
        leechers: view.leechers,
        peers: view.peers,
        warning: view.warning,
        failures: view.failures,
        ago: view.last.map(|last| now.since(last)),
        next_in: view.next.map(|next| next.since(now)),
    }
}
