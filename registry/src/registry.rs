//! The registry as a whole: decides, applies, and keeps what is soft.

mod following;
mod meeting;

use std::collections::BTreeMap;
use std::time::Duration;

use rand::Rng;
use shared::announce::Scrape;
use shared::control::{
    Counters, Departure, Entry, Find, Message, Person, Progress, Refusal, Request, write_push,
};
use shared::{InfoHash, Moment};

use crate::addresses::Asker;
use crate::catalog::{Item, Located, names};
use crate::command::{Announced, Command, Decision, SessionKey};
use crate::config::Config;
use crate::crowd::{Crowd, Told};
use crate::decide::Decider;
use crate::event::Event;
use crate::flood::{Flood, Meter, room_meter};
use crate::identity::{Mark, MemberId};
use crate::ledger::{Dictionary, Lasting, room_key};
use crate::picture::Pictures;
use crate::silence::Silence;
use crate::state::State;

/// Messages that a try with the key of a room counts as.
const KEY_COST: u64 = 20;

/// What a .torrent file is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torrent {
    /// The entry.
    pub entry: Entry,
    /// Its info dictionary, where the catalog has it.
    pub info: Option<Vec<u8>>,
    /// Its piece layers, where the catalog has them.
    pub layers: Option<Vec<u8>>,
}

/// The brain of the tracker.
#[derive(Debug)]
pub struct Registry {
    config: Config,
    state: State,
    flood: Flood,
    silence: Silence<SessionKey>,
    /// Clients that only announce, each by the hash that it says.
    announces: Silence<(MemberId, InfoHash)>,
    /// Clients that have no name.
    crowd: Crowd,
    refused: u64,
    pictures: Pictures,
    /// Entries that changed since an index was told, each with whether more than its sources did; `None`
    /// while nobody wants to know.
    touched: Option<BTreeMap<InfoHash, bool>>,
}

impl Registry {
    /// Nobody is here and nothing is shared.
    pub fn new(config: Config) -> Self {
        let patience = config.heartbeat * 3;
        let announce_patience = config.announce_interval * 5 / 2;
        Self {
            config,
            state: State::default(),
            flood: Flood::default(),
            silence: Silence::new(patience),
            announces: Silence::new(announce_patience),
            crowd: Crowd::default(),
            refused: 0,
            pictures: Pictures::default(),
            touched: None,
        }
    }

    /// Takes in an event that a journal kept. To be called for all of them in order, before the first
    /// command, and then [`Self::restart`].
    pub fn replay(&mut self, event: Event) {
        self.state.replay(event);
    }

    /// Nothing was replayed: the journal turned out to be damaged.
    pub fn clear(&mut self) {
        self.state = State::default();
    }

    /// What was shared is listed with those who had it; nobody is here. `at` is when the last that is
    /// known happened, in milliseconds since 1970.
    pub fn restart(&mut self, at: u64) {
        self.state.apply(&Event::Restarted { at });
    }

    /// An info dictionary that a journal kept beside the events. Says whether it belongs to something.
    pub fn give_info(&mut self, kept: &Dictionary) -> bool {
        self.state.give_info(kept)
    }

    /// The fewest events whose fold is what lasts, with nobody here; with the info dictionaries, for a
    /// journal that has lost them, or without.
    pub fn checkpoint(&self, with_infos: bool) -> Vec<Lasting> {
        let policy = self.config.message_log;
        let events = self.state.checkpoint().into_iter();
        let mut events: Vec<Event> = events.map(|event| self.state.under(policy, event)).collect();
        for event in &mut events {
            match event {
                Event::Catalogued { new, .. } if with_infos => {
                    let key = new.hashes().map(|hashes| hashes.primary());
                    if let Some(item) = key.and_then(|key| self.state.catalog.get(key)) {
                        new.info.clone_from(&item.about.info);
                        new.layers.clone_from(&item.about.layers);
                    }
                }
                _ => {}
            }
        }
        events.iter().filter_map(Event::lasting).collect()
    }

    /// The sums as they are, as an event.
    pub fn tally(&self) -> Event {
        Event::Tallied { sums: self.state.sums }
    }

    /// Changes what holds from the next command on. Times of silence are those of the start.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
    }

    /// What holds.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The state, which is the fold of all events so far.
    pub fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn pictures(&self) -> &Pictures {
        &self.pictures
    }

    /// What follows from `command`; nothing has changed. `at` is the time of day in milliseconds since
    /// 1970, `now` counts from the tracker's start.
    pub fn decide(&self, command: Command, now: Moment, at: u64, rng: &mut impl Rng) -> Decision {
        self.decider(now, at).decide(command, rng)
    }

    pub(crate) fn decider(&self, now: Moment, at: u64) -> Decider<'_> {
        Decider {
            state: &self.state,
            crowd: &self.crowd,
            config: &self.config,
            now,
            at,
            refused: self.refused,
        }
    }

    /// Lets an event happen.
    pub fn apply(&mut self, event: &Event, now: Moment) {
        self.touch(event);
        match event {
            Event::Joined { member, .. } => self.watch(member.session, now),
            Event::Resumed { member, .. } => {
                let old = self.state.members.get(member.id()).and_then(|old| old.session);
                self.unwatch(old);
                self.watch(member.session, now);
            }
            Event::Left { peer, .. } => {
                if let Some(old) = self.state.members.get(*peer) {
                    let (session, entries) = (old.session, old.entries.clone());
                    self.unwatch(session);
                    for key in entries {
                        self.forget_announces(*peer, key);
                    }
                }
                if peer.mark == Mark::Session {
                    self.flood.forget(peer.peer_id);
                }
            }
            Event::Progressed { peer, key, have: None, .. } => self.forget_announces(*peer, *key),
            _ => {}
        }
        self.pictures.follow(event);
        self.state.apply(event);
        self.tell_crowd(event);
    }

    fn watch(&mut self, session: Option<SessionKey>, now: Moment) {
        if let Some(session) = session {
            self.silence.watch(session, now);
        }
    }

    fn unwatch(&mut self, session: Option<SessionKey>) {
        if let Some(session) = session {
            self.silence.forget(session);
        }
    }

    fn forget_announces(&mut self, peer: MemberId, key: InfoHash) {
        if let Some(item) = self.state.catalog.get(key) {
            names(&item.hashes).for_each(|hash| self.announces.forget((peer, hash)));
        }
    }

    /// Decides and applies: refuses what comes too fast, and takes each command as a sign of life.
    pub fn execute(&mut self, command: Command, now: Moment, at: u64, rng: &mut impl Rng) -> Decision {
        let shown = shown(&command);
        let decision = match self.admit(&command, now) {
            Err(refusal) => Decision::refuse(refusal),
            Ok(()) => self.decide(command, now, at, rng),
        };
        for event in &decision.events {
            self.apply(event, now);
        }
        if let (Some(progress), Some(Event::Progressed { peer, key, .. })) = (shown, decision.events.first())
        {
            self.pictures.take(*peer, *key, &progress, now);
        }
        if let Some(Ok(Announced { watched: Some(watched), .. })) = decision.announced {
            if self.announces.is_watched(watched) {
                self.announces.heard(watched, now);
            } else {
                self.announces.watch(watched, now);
            }
        }
        let refused = matches!(decision.reply, Some(Err(_))) || matches!(decision.announced, Some(Err(_)));
        self.refused += u64::from(refused);
        decision
    }

    fn admit(&mut self, command: &Command, now: Moment) -> Result<(), Refusal> {
        let Command::Request { session, request } = command else { return Ok(()) };
        self.admit_request(*session, Some(request), now)
    }

    fn admit_request(
        &mut self,
        session: SessionKey,
        request: Option<&Request>,
        now: Moment,
    ) -> Result<(), Refusal> {
        self.silence.heard(session, now);
        let Some(member) = self.state.members.of_session(session) else { return Ok(()) };
        let peer = member.id.peer_id;
        let mut wanted = vec![(Meter::Requests(peer), self.config.requests, 1)];
        match request {
            Some(Request::Message(message)) => {
                wanted.push((Meter::Messages(peer), self.config.messages, 1));
                let room = message.to.starts_with('@').then(|| room_meter(&room_key(&message.to)));
                let meter = match room {
                    Some(meter) => meter,
                    None => match self.state.members.of_nick(&message.to) {
                        Some(receiver) => Meter::BytesTo(receiver.id.peer_id),
                        None => Meter::BytesToAll,
                    },
                };
                wanted.push((meter, self.config.message_bytes, line_length(message)));
            }
            // Whoever guesses keys is slow.
            Some(Request::Join(join)) => {
                let cost = if join.key.is_some() { KEY_COST } else { 1 };
                wanted.push((Meter::Messages(peer), self.config.messages, cost));
            }
            // Others are told of these, and some of them last.
            Some(
                Request::Leave(_)
                | Request::Ignore(_)
                | Request::Unignore(_)
                | Request::Away(_)
                | Request::Back(_),
            ) => wanted.push((Meter::Messages(peer), self.config.messages, 1)),
            // Leaving is never too fast.
            Some(Request::Bye(_)) => return Ok(()),
            _ => {}
        }
        self.flood.take(&wanted, now)
    }

    /// When to call [`Self::expire`].
    pub fn next_timeout(&self) -> Option<Moment> {
        [self.silence.next(), self.announces.next(), self.crowd.next()].into_iter().flatten().min()
    }

    /// Connections that have been silent for three heartbeats are lost, and so are clients that missed
    /// two announces: what follows for each, with its connection if it has one.
    pub fn expire(
        &mut self,
        now: Moment,
        at: u64,
        rng: &mut impl Rng,
    ) -> Vec<(Option<SessionKey>, Decision)> {
        let silent = self.config.heartbeat * 3;
        let shrunk = self.crowd.expire(now, self.config.announce_interval * 5 / 2);
        for key in shrunk {
            self.touch_crowd(key);
        }
        let expired = self.silence.expired(now);
        let sessions =
            expired.into_iter().map(|session| (Some(session), self.lost(session, silent, now, at, rng)));
        let mut decisions: Vec<_> = sessions.collect();
        for (peer, hash) in self.announces.expired(now) {
            let Some((key, item)) = self.state.catalog.of_hash(hash) else { continue };
            // A client of a hybrid torrent announces by both hashes.
            if names(&item.hashes).any(|other| self.announces.is_watched((peer, other))) {
                continue;
            }
            let decision = self.decider(now, at).silent(peer, key);
            for event in &decision.events {
                self.apply(event, now);
            }
            decisions.push((None, decision));
        }
        decisions
    }

    /// How the torrent with that hash fares, if it is known.
    pub fn scrape(&self, hash: InfoHash) -> Option<Scrape> {
        let found = self.state.catalog.of_hash(hash);
        let key = found.map_or(hash, |(key, _)| key);
        if found.is_none() && !self.crowd.knows(key) {
            return None;
        }
        let mut told = Told::default();
        self.count(key, &mut told);
        Some(Scrape { seeds: told.seeds, leechers: told.leechers, completed: told.completed })
    }

    fn lost(
        &mut self,
        session: SessionKey,
        silent: Duration,
        now: Moment,
        at: u64,
        rng: &mut impl Rng,
    ) -> Decision {
        let detail = format!("silent {} s", silent.as_secs());
        self.execute(Command::Gone { session, how: Departure::Lost, detail }, now, at, rng)
    }

    /// Clients that have no name: the torrents in which they are, and their places in these.
    pub fn crowd(&self) -> (usize, usize) {
        (self.crowd.torrents(), self.crowd.places())
    }

    /// A connection that said anything at all is alive, even if it could not be understood.
    pub fn heard(&mut self, session: SessionKey, now: Moment) {
        self.silence.heard(session, now);
    }

    /// The tracker's counters, for its operator.
    pub fn counters(&self, now: Moment) -> Counters {
        self.decider(now, 0).counters()
    }

    /// What the peer of a connection is called.
    pub fn nick_of(&self, session: SessionKey) -> Option<&str> {
        self.state.members.of_session(session).map(|member| member.nick.as_str())
    }

    /// Who is here, for the operator, by nick.
    pub fn people(&self) -> Vec<Person> {
        let mut people: Vec<Person> = self
            .state
            .members
            .iter()
            .map(|member| {
                let asker = Asker { ip: member.via, via: member.via };
                let items = member.entries.iter().filter_map(|key| self.state.catalog.get(*key));
                let items = items.filter(|item| item.about.listed);
                let (shares, bytes) =
                    items.fold((0, 0_u64), |(n, sum), item| (n + 1, sum.saturating_add(item.about.size)));
                member.person(asker, shares, bytes)
            })
            .collect();
        people.sort_by(|a, b| a.nick.cmp(&b.nick));
        people
    }

    /// An entry as it is told.
    pub(crate) fn entry(&self, item: &Item) -> Entry {
        self.state.entry(item, &self.crowd)
    }

    pub(crate) fn crowded(&self) -> &Crowd {
        &self.crowd
    }

    /// The entries that a name leads to, and of the only one what its .torrent file is made of.
    pub fn locate(&self, name: &str) -> Result<Torrent, Vec<Entry>> {
        let find = Find::Name { name: name.to_owned() };
        let entry = |key: InfoHash| {
            self.state.catalog.get(key).map(|item| (self.state.entry(item, &self.crowd), item))
        };
        match self.state.catalog.locate(&find) {
            Located::One(key) => entry(key).ok_or_else(Vec::new).map(|(entry, item)| Torrent {
                entry,
                info: item.about.info.clone(),
                layers: item.about.layers.clone(),
            }),
            Located::Several(keys) => {
                Err(keys.into_iter().filter_map(entry).map(|(entry, _)| entry).collect())
            }
            Located::None(_) => Err(Vec::new()),
        }
    }

    /// What is shared, for the operator, by name.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> =
            self.state.catalog.iter().map(|(_, item)| self.state.entry(item, &self.crowd)).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.entry.cmp(&b.entry)));
        entries
    }
}

/// What a command shows of a transfer.
fn shown(command: &Command) -> Option<Progress> {
    let Command::Request { request, .. } = command else { return None };
    let Request::Progress(progress) = request.as_ref() else { return None };
    Some(progress.clone())
}

/// Bytes that a message will be for each receiver.
fn line_length(message: &Message) -> u64 {
    let push = shared::control::Push::Message {
        message: shared::control::MAX_NUMBER,
        from: "n".repeat(shared::control::MAX_NICK_COLUMNS),
        to: message.to.clone(),
        text: message.text.clone(),
        at: shared::control::MAX_NUMBER,
        late: false,
    };
    u64::try_from(write_push(&push).len()).unwrap_or(u64::MAX)
}
