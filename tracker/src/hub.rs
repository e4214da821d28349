//! One lock around the registry, and the outboxes of all sessions.
//!
//! Whatever is decided is applied, logged and put into outboxes under the lock, so that every peer,
//! the console and the log see one order. Nothing waits while the lock is held: an outbox takes a
//! line or its reader is cut.

mod courier;
mod finding;
mod keeping;
mod key_hasher;
mod meeting;
mod view;

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasherDefault;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use bytes::Bytes;
use rand::rngs::StdRng;
use registry::{Ban, Command, Decision, Event, Mute, Order, Registry, Removal, SessionKey, Torrent};
use runtime::{Clock, Outbox, Shutdown};
use shared::control::{
    Answer, Code, Counters, Departure, Entry, Person, Push, Receipt, ReceiptState, Refusal, Request,
    RoomEntry, Sent, write_answer, write_answer_unkept, write_push, write_refusal,
};

use crate::audit;
use crate::feed::Feed;
use crate::search::Index;
use crate::store::{self, Folder, Journal, Kept, StoreConfig, StoreError};

use self::courier::Couriers;
use self::key_hasher::KeyHasher;
pub(crate) use self::view::View;

/// How a connection that the peer closed in good order ends.
pub(crate) const CLOSED: &str = "closed without bye";
/// Advisory pushes are left out for a reader that has this much waiting.
const LAGGING: usize = 256 * 1024;

/// What operators ordered.
pub(crate) struct Standing {
    /// What everyone is told who comes.
    pub(crate) motd: Option<String>,
    /// Who may not write.
    pub(crate) mutes: Vec<Mute>,
    /// Who may not come.
    pub(crate) bans: Vec<Ban>,
    /// What may not be shared.
    pub(crate) removals: Vec<Removal>,
    /// The last orders, oldest first.
    pub(crate) orders: Vec<Order>,
}

/// The tracker's state behind its lock. Copies are the same hub.
#[derive(Clone)]
pub(crate) struct Hub {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    inner: Mutex<Inner>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Ours while the tracker runs.
    _folder: Option<Folder>,
}

struct Inner {
    clock: Clock,
    registry: Registry,
    rng: StdRng,
    /// Found thousands of times for each thing that is said to all: no order is needed.
    outboxes: HashMap<SessionKey, Outbox, BuildHasherDefault<KeyHasher>>,
    last_key: u64,
    stopping: bool,
    /// Where what lasts goes, for a tracker that has a folder.
    journal: Option<Journal>,
    tallied: Option<Event>,
    /// Finds what is shared by its words.
    index: Option<Index>,
    /// Connections that took all kept messages up to an id, and said nothing since.
    written: BTreeMap<SessionKey, u64>,
    /// What happened last, for the page.
    feed: Feed,
    couriers: Couriers,
}

impl Hub {
    /// A tracker that remembers what its store has, or an empty one.
    pub(crate) fn open(
        config: registry::Config,
        clock: Clock,
        store: Option<&StoreConfig>,
    ) -> Result<Self, StoreError> {
        let mut registry = Registry::new(config);
        let opened = store.map(|store| store::open(store, &mut registry)).transpose()?;
        let inner = Inner {
            clock,
            registry,
            rng: rand::make_rng(),
            outboxes: HashMap::default(),
            last_key: 0,
            stopping: false,
            journal: None,
            tallied: None,
            index: None,
            written: BTreeMap::new(),
            feed: Feed::default(),
            couriers: Couriers::default(),
        };
        let (inner, writer) = (Mutex::new(inner), Mutex::default());
        let hub = match (store, opened) {
            (Some(config), Some(mut opened)) => {
                let folder = opened.folder.take();
                let hub = Self { shared: Arc::new(Shared { clock, inner, writer, _folder: folder }) };
                hub.start_journal(config, opened)?;
                hub
            }
            _ => Self { shared: Arc::new(Shared { clock, inner, writer, _folder: None }) },
        };
        hub.start_index();
        Ok(hub)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic under the lock is a bug in one request; the registry changes only by events that
        // are applied whole, so going on serves everyone else.
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection has come; `None` when the tracker stops.
    pub(crate) fn connect(&self, outbox: &Outbox) -> Option<SessionKey> {
        let mut inner = self.lock();
        if inner.stopping {
            return None;
        }
        inner.last_key += 1;
        let key = SessionKey(inner.last_key);
        inner.outboxes.insert(key, outbox.clone());
        Some(key)
    }

    /// A connection has gone.
    pub(crate) fn disconnect(&self, session: SessionKey, how: Departure, detail: String) {
        let mut inner = self.lock();
        if detail == CLOSED {
            // Whoever closes in good order has read what was written.
            if inner.outboxes.get(&session).is_some_and(|outbox| outbox.pending() == 0) {
                inner.note_farewell(session);
            }
            inner.collect(session);
        }
        inner.written.remove(&session);
        inner.outboxes.remove(&session);
        if !inner.stopping {
            inner.execute(Command::Gone { session, how, detail }, None);
        }
    }

    /// A connection said something that could not be understood.
    pub(crate) fn heard(&self, session: SessionKey) {
        let mut inner = self.lock();
        inner.collect(session);
        inner.registry.heard(session, self.shared.clock.now());
    }

    /// A connection asks; the answer goes into its outbox with the number it gave. Says whether it
    /// was granted.
    pub(crate) fn ask(&self, session: SessionKey, id: Option<u64>, command: Command) -> Result<(), Refusal> {
        let mut inner = self.lock();
        if matches!(&command, Command::Request { request, .. } if matches!(request.as_ref(), Request::Bye(_)))
        {
            inner.note_farewell(session);
        }
        inner.collect(session);
        if inner.is_crowded(&command) {
            let text = "the tracker's disk is slow at present";
            let refusal = Refusal { retry_after_ms: Some(1_000), ..Refusal::new(Code::RateLimited, text) };
            if let Some(outbox) = inner.outboxes.get(&session) {
                outbox.push_answer(Bytes::from(write_refusal(id, &refusal)));
            }
            return Err(refusal);
        }
        match inner.execute(command, Some((session, id))) {
            Some(Err(refusal)) => Err(refusal),
            _ => Ok(()),
        }
    }

    /// What the .torrent file of a name is made of, or the entries that could be meant.
    pub(crate) fn locate(&self, name: &str) -> Result<Torrent, Vec<Entry>> {
        self.lock().registry.locate(name)
    }

    /// Ends those that have been silent for too long, for as long as the tracker runs.
    pub(crate) async fn watch_silence(self, shutdown: Shutdown) {
        /// Sessions that start meanwhile never end earlier than this.
        const TICK: std::time::Duration = std::time::Duration::from_millis(500);
        /// Ticks after which the counters are kept.
        const TALLY: u32 = 20;
        let mut ticks = 0;
        let clock = self.shared.clock;
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                () = clock.sleep_until(Some(clock.now() + TICK)) => {}
            }
            let mut inner = self.lock();
            let inner = &mut *inner;
            inner.note_written();
            ticks = (ticks + 1) % TALLY;
            if ticks == 0 {
                inner.tally();
            }
            let (now, at) = (clock.now(), runtime::clock::wall_millis());
            for (session, decision) in inner.registry.expire(now, at, &mut inner.rng) {
                if let Some(session) = session {
                    inner.end(session, Some(Push::Bye { reason: "you were silent for too long".to_owned() }));
                }
                let (_, slow) = inner.carry_out(decision, None);
                inner.cut(slow);
            }
        }
    }

    /// Tells everyone that the tracker stops, and takes no one any more.
    pub(crate) fn stop(&self) -> usize {
        let mut inner = self.lock();
        inner.stopping = true;
        inner.tally();
        inner.keep(&[Event::Restarted { at: runtime::clock::wall_millis() }]);
        let last = Bytes::from(write_push(&Push::Bye { reason: "the tracker stops".to_owned() }));
        inner.outboxes.values().for_each(|outbox| {
            outbox.push_answer(last.clone());
            outbox.close();
        });
        inner.outboxes.len()
    }

    /// Changes what holds from the next request on.
    pub(crate) fn reconfigure(&self, change: impl FnOnce(&mut registry::Config)) {
        self.lock().registry.reconfigure(change);
    }

    /// The tracker's counters.
    pub(crate) fn counters(&self) -> Counters {
        self.lock().registry.counters(self.shared.clock.now())
    }

    /// The rooms, by name.
    pub(crate) fn rooms(&self) -> Vec<RoomEntry> {
        self.lock().registry.rooms()
    }

    /// What of the operator's orders holds, and the last orders.
    pub(crate) fn standing(&self) -> Standing {
        let inner = self.lock();
        let at = runtime::clock::wall_millis();
        Standing {
            motd: inner.registry.motd().map(str::to_owned),
            mutes: inner.registry.mutes(at),
            bans: inner.registry.bans(at),
            removals: inner.registry.removals(),
            orders: inner.registry.orders(),
        }
    }

    /// Who is here.
    pub(crate) fn people(&self) -> Vec<Person> {
        self.lock().registry.people()
    }

    /// What is shared.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.lock().registry.entries()
    }
}

impl Inner {
    fn execute(
        &mut self,
        command: Command,
        asker: Option<(SessionKey, Option<u64>)>,
    ) -> Option<Result<Answer, Refusal>> {
        let decision = self.decide(command);
        let (reply, slow) = self.carry_out(decision, asker);
        self.cut(slow);
        reply
    }

    fn decide(&mut self, command: Command) -> Decision {
        let (now, at) = (self.clock.now(), runtime::clock::wall_millis());
        self.registry.execute(command, now, at, &mut self.rng)
    }

    /// Logs, delivers and answers; gives back the sessions that did not take what they must.
    fn carry_out(
        &mut self,
        decision: Decision,
        asker: Option<(SessionKey, Option<u64>)>,
    ) -> (Option<Result<Answer, Refusal>>, Vec<SessionKey>) {
        self.feed_index();
        let promise = self.keep(&decision.events);
        for event in &decision.events {
            audit::log(event);
            self.feed.note(event, runtime::clock::wall_millis());
        }
        let kept =
            decision.events.iter().any(|event| matches!(event, Event::Messaged { to, .. } if to != "*"));
        let mut slow = Vec::new();
        for delivery in decision.deliveries {
            self.hand_over(delivery, promise, &mut slow);
        }
        let mut reply = decision.reply;
        if let Some(Ok(Answer::Sent(sent))) = &mut reply {
            self.own_up(sent, kept, &slow);
        }
        if let (Some((session, id)), Some(reply)) = (asker, &reply)
            && let Some(outbox) = self.outboxes.get(&session)
        {
            match (reply, promise) {
                (Err(refusal), _) => outbox.push_answer(Bytes::from(write_refusal(id, refusal))),
                (Ok(answer), None) => outbox.push_answer(Bytes::from(write_answer(id, answer))),
                (Ok(answer), Some(Kept::Not)) => {
                    outbox.push_answer(Bytes::from(write_answer_unkept(id, answer)));
                }
                (Ok(answer), Some(Kept::At(number))) => {
                    let (kept, unkept) = (write_answer(id, answer), write_answer_unkept(id, answer));
                    outbox.push_answer_after(Bytes::from(kept), number, Bytes::from(unkept));
                    self.wait_for(promise, outbox);
                }
            }
        }
        if let Some(outbox) = asker.and_then(|(session, _)| self.outboxes.get(&session)) {
            for push in &decision.late {
                outbox.push_answer(Bytes::from(write_push(push)));
            }
        }
        for ended in decision.ended {
            self.end(ended.session, ended.last);
        }
        (reply, slow)
    }

    /// A message that its receiver's outbox did not take was not delivered, and its sender is told. One
    /// for a single person, or said in a room (`kept`), waits; what was said to all does not.
    fn own_up(&self, sent: &mut Sent, kept: bool, slow: &[SessionKey]) {
        for session in slow {
            let Some(nick) = self.registry.nick_of(*session) else { continue };
            sent.delivered = sent.delivered.saturating_sub(1);
            if let Some(receipt) = sent.receivers.iter_mut().find(|receipt| receipt.nick == nick) {
                sent.stored += 1;
                receipt.state = ReceiptState::Stored;
                continue;
            }
            let state = if kept { ReceiptState::Stored } else { ReceiptState::Refused };
            *(if kept { &mut sent.stored } else { &mut sent.refused }) += 1;
            sent.receivers.push(Receipt { nick: nick.to_owned(), state, away: None });
        }
    }

    /// Those who did not read leave at once, so that no one is told that they heard something; their
    /// leaving is told to others, some of whom may be too slow for that.
    fn cut(&mut self, mut slow: Vec<SessionKey>) {
        while let Some(session) = slow.pop() {
            self.outboxes.remove(&session);
            let detail = "too slow a reader".to_owned();
            let decision = self.decide(Command::Gone { session, how: Departure::Lost, detail });
            slow.extend(self.carry_out(decision, None).1);
        }
    }

    fn end(&mut self, session: SessionKey, last: Option<Push>) {
        if let Some(outbox) = self.outboxes.remove(&session) {
            if let Some(last) = last {
                outbox.push_answer(Bytes::from(write_push(&last)));
            }
            outbox.close();
        }
    }
}
