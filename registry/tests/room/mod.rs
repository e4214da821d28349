//! A registry with its time and dice, and what it told whom. After every command the state must be
//! the fold of all events, which went through JSON on the way.

#![allow(unreachable_pub, missing_docs, reason = "it is public to the files of tests beside it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use registry::{
    Announced, Announcement, Command, Config, Decision, Door, Event, Milestone, Registry, SessionKey, State,
    Told, Unannounced,
};
use shared::announce::{Announce, Event as Why};
use shared::control::{
    Answer, Departure, EntryId, Have, Hello, Kind, Push, Refusal, Request, Share, SourcesOf, VERSION, Welcome,
};
use shared::{InfoHash, InfoHashV2, InfoHashes, Moment, PeerId};

pub const SIZE: u64 = 100_000_000;
pub const PIECE_LENGTH: u64 = 262_144;
pub const PIECES: u64 = SIZE.div_ceil(PIECE_LENGTH);

pub fn peer_id(number: u64) -> PeerId {
    let mut id = [0; 20];
    id[..8].copy_from_slice(&number.to_le_bytes());
    PeerId(id)
}

/// Content `number` under a name.
pub fn share(name: &str, number: u8, root: Option<u8>) -> Share {
    Share {
        name: name.to_owned(),
        size: SIZE,
        files: 1,
        piece_length: PIECE_LENGTH,
        hashes: InfoHashes::v1(InfoHash([number; 20])),
        root: root.map(|root| InfoHashV2([root; 32])),
        kind: Kind::of_name(name),
        info: None,
        layers: None,
        have: Have::Full,
        comment: None,
        private: false,
    }
}

/// A BitTorrent client that only announces.
#[derive(Debug, Clone)]
pub struct Client {
    pub hash: InfoHash,
    pub id: [u8; 20],
    pub from: &'static str,
    pub port: u16,
    pub key: Option<u32>,
    pub left: Option<u64>,
    pub downloaded: u64,
    pub event: Why,
    pub wanted: u16,
    pub door: Door,
    pub told: Vec<&'static str>,
}

impl Client {
    /// A seed of content `number`.
    pub fn new(id: &[u8; 20], from: &'static str, number: u8) -> Self {
        Self {
            hash: InfoHash([number; 20]),
            id: *id,
            from,
            port: 51413,
            key: None,
            left: Some(0),
            downloaded: 0,
            event: Why::Started,
            wanted: 50,
            door: Door::Http,
            told: Vec::new(),
        }
    }
}

pub struct Room {
    pub registry: Registry,
    folded: State,
    /// What a journal would hold: the lasting events alone.
    journal: Vec<Event>,
    rng: SmallRng,
    now: Moment,
    pushes: BTreeMap<u64, Vec<Push>>,
    ended: Vec<u64>,
    /// What each was told late when it came.
    late: BTreeMap<u64, Vec<Push>>,
    events: Vec<Event>,
}

impl Room {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        Self {
            registry: Registry::new(config),
            folded: State::default(),
            journal: Vec::new(),
            rng: SmallRng::seed_from_u64(1),
            now: Moment::START,
            pushes: BTreeMap::new(),
            ended: Vec::new(),
            late: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    /// What a tracker knows that is started from the journal, and what it must know; the same after
    /// the journal was shortened.
    pub fn restarted(&self) -> [(State, State); 2] {
        let at = self.at();
        let start = |events: Vec<Event>| {
            let mut registry = Registry::new(Config::default());
            for event in events {
                registry.replay(event);
            }
            registry.replay(self.registry.tally());
            registry.restart(at);
            registry
        };
        let (expected, first) = (self.registry.state().at_rest(at), start(self.journal.clone()));
        let shortened = first.checkpoint(true).into_iter().map(|lasting| lasting.event).collect();
        let second = start(shortened).state().clone();
        [(first.state().clone(), expected.clone()), (second, expected)]
    }

    /// The tracker is killed and starts again from its journal.
    pub fn restart(&mut self) {
        let at = self.at();
        let mut registry = Registry::new(self.registry.config().clone());
        for event in &self.journal {
            registry.replay(event.clone());
        }
        registry.restart(at);
        self.journal.push(Event::Restarted { at });
        self.folded = registry.state().clone();
        self.registry = registry;
        self.pushes.clear();
    }

    pub fn time(&self) -> Moment {
        self.now
    }

    pub fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    fn at(&self) -> u64 {
        1_700_000_000_000 + u64::try_from(self.now.since_start().as_millis()).unwrap()
    }

    pub fn execute(&mut self, command: Command) -> Option<Result<Answer, Refusal>> {
        let asker = match &command {
            Command::Hello { session, .. } => session.0,
            _ => 0,
        };
        let mut decision = self.registry.execute(command, self.now, self.at(), &mut self.rng);
        self.late.insert(asker, std::mem::take(&mut decision.late));
        let reply = self.take(decision);
        assert_eq!(self.registry.state(), &self.folded, "the state is the fold of the events");
        reply
    }

    fn take(&mut self, decision: Decision) -> Option<Result<Answer, Refusal>> {
        for event in decision.events {
            let written = serde_json::to_string(&event).unwrap();
            let event: Event = serde_json::from_str(&written).unwrap();
            self.journal.extend(event.lasting().map(|lasting| lasting.event));
            self.folded.apply(&event);
            self.events.push(event);
        }
        for delivery in decision.deliveries {
            for session in delivery.to {
                self.pushes.entry(session.0).or_default().push(delivery.push.clone());
            }
        }
        for ended in decision.ended {
            self.ended.push(ended.session.0);
        }
        decision.reply
    }

    pub fn join_guest(&mut self, number: u64, nick: &str) -> Welcome {
        self.hello(number, Hello { guest: true, ..Self::said(number, nick) }).unwrap()
    }

    pub fn try_join(
        &mut self,
        session: u64,
        peer: u64,
        nick: &str,
        token: Option<String>,
    ) -> Result<Welcome, Refusal> {
        self.hello(session, Hello { session: token, ..Self::said(peer, nick) })
    }

    fn said(peer: u64, nick: &str) -> Hello {
        Hello {
            version: VERSION,
            nick: nick.to_owned(),
            peer_id: peer_id(peer),
            ports: vec![6881],
            addresses: Vec::new(),
            agent: "test/1".to_owned(),
            token: None,
            session: None,
            guest: false,
        }
    }

    fn hello(&mut self, session: u64, hello: Hello) -> Result<Welcome, Refusal> {
        let peer = hello.peer_id.0[..8].iter().rev().fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte));
        let reply = self.execute(Command::Hello {
            session: SessionKey(session),
            address: format!("192.168.1.{}:40000", peer % 250).parse().unwrap(),
            via: "192.168.1.254".parse().unwrap(),
            hello: Box::new(hello),
        });
        match reply.unwrap()? {
            Answer::Welcome(welcome) => Ok(*welcome),
            other => panic!("{other:?}"),
        }
    }

    pub fn join_as(&mut self, session: u64, peer: u64, nick: &str, token: Option<String>) -> Welcome {
        self.try_join(session, peer, nick, token).unwrap()
    }

    pub fn join(&mut self, number: u64, nick: &str) -> Welcome {
        self.join_as(number, number, nick, None)
    }

    pub fn ask(&mut self, session: u64, request: impl Into<Request>) -> Result<Answer, Refusal> {
        let request = Box::new(request.into());
        self.execute(Command::Request { session: SessionKey(session), request }).unwrap()
    }

    /// A client announces; the room's other helpers count its torrents by number.
    pub fn announce(&mut self, client: &Client) -> Result<Announced, Unannounced> {
        let announce = Announce {
            hash: client.hash,
            peer_id: PeerId(client.id),
            port: client.port,
            uploaded: 0,
            downloaded: client.downloaded,
            left: client.left,
            event: client.event,
            wanted: client.wanted,
            key: client.key,
        };
        let said = Announcement {
            from: client.from.parse().unwrap(),
            via: "192.168.1.254".parse().unwrap(),
            door: client.door,
            told: client.told.iter().map(|told| told.parse().unwrap()).collect(),
            announce,
        };
        // As the doors do: those without a name first.
        let mut told = Told { wants_ids: true, ..Told::default() };
        let at = self.at();
        if let Some(met) = self.registry.meet(&said, self.now, at, &mut self.rng, &mut told) {
            assert_eq!(self.registry.state(), &self.folded, "nothing of the state has changed");
            return met.map(|()| told.announced(said.from.ip(), 120, 30));
        }
        let command = Command::Announce(Box::new(said));
        let mut decision = self.registry.execute(command, self.now, self.at(), &mut self.rng);
        let announced = decision.announced.take();
        self.take(decision);
        assert_eq!(self.registry.state(), &self.folded, "the state is the fold of the events");
        announced.unwrap()
    }

    pub fn gone(&mut self, session: u64, how: Departure) {
        self.execute(Command::Gone { session: SessionKey(session), how, detail: String::new() });
    }

    pub fn expire(&mut self) -> Vec<u64> {
        let at = self.at();
        let expired = self.registry.expire(self.now, at, &mut self.rng);
        let sessions = expired.into_iter().filter_map(|(session, decision)| {
            self.take(decision);
            session.map(|session| session.0)
        });
        let sessions = sessions.collect();
        assert_eq!(self.registry.state(), &self.folded, "the state is the fold of the events");
        sessions
    }

    pub fn share(&mut self, session: u64, name: &str, number: u8) -> EntryId {
        match self.ask(session, share(name, number, None)).unwrap() {
            Answer::Shared(shared) => shared.entry,
            other => panic!("{other:?}"),
        }
    }

    pub fn sources(&mut self, session: u64, entry: &EntryId) -> Vec<String> {
        let ask = SourcesOf { entry: entry.clone(), want: 200, subscribe: true };
        match self.ask(session, ask).unwrap() {
            Answer::Sources(found) => found.sources.into_iter().map(|source| source.nick).collect(),
            other => panic!("{other:?}"),
        }
    }

    pub fn online(&self) -> u64 {
        self.registry.counters(self.now).online
    }

    pub fn pushes(&self, session: u64) -> Vec<Push> {
        self.pushes.get(&session).cloned().unwrap_or_default()
    }

    pub fn late(&self, session: u64) -> Vec<Push> {
        self.late.get(&session).cloned().unwrap_or_default()
    }

    pub fn forget_pushes(&mut self) {
        self.pushes.clear();
    }

    pub fn texts(&self, session: u64) -> Vec<(String, String)> {
        let messages = self.pushes(session).into_iter().filter_map(|push| match push {
            Push::Message { from, text, .. } => Some((from, text)),
            _ => None,
        });
        messages.collect()
    }

    pub fn ended(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.ended)
    }

    pub fn events(&self) -> &[Event] {
        &self.events
    }

    pub fn forget_events(&mut self) {
        self.events.clear();
    }

    pub fn milestones(&self) -> Vec<String> {
        let milestones = self.events.iter().filter_map(|event| match event {
            Event::Progressed { milestone, .. } => milestone.as_ref(),
            _ => None,
        });
        milestones
            .map(|milestone| match milestone {
                Milestone::Start { from } => format!("start from {from:?}"),
                Milestone::Quarter { percent } => format!("{percent} %"),
                Milestone::Done { millis, downloaded } => {
                    format!("done in {millis:?} ms, {downloaded} bytes")
                }
                Milestone::Stop { percent } => format!("stop at {percent} %"),
            })
            .collect()
    }
}
