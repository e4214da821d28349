//! The registry as a whole: decides, applies, and keeps what is soft.

use std::time::Duration;

use rand::Rng;
use shared::Moment;
use shared::control::{Counters, Departure, Entry, Message, Person, Request, write_push};

use crate::addresses::Asker;
use crate::command::{Command, Decision, SessionKey};
use crate::config::Config;
use crate::decide::Decider;
use crate::event::Event;
use crate::flood::{Flood, Meter};
use crate::silence::Silence;
use crate::state::State;

/// The brain of the tracker.
#[derive(Debug)]
pub struct Registry {
    config: Config,
    state: State,
    flood: Flood,
    silence: Silence,
    refused: u64,
}

impl Registry {
    /// Nobody is here and nothing is shared.
    pub fn new(config: Config) -> Self {
        let patience = config.heartbeat * 3;
        Self {
            config,
            state: State::default(),
            flood: Flood::default(),
            silence: Silence::new(patience),
            refused: 0,
        }
    }

    /// What holds.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The state, which is the fold of all events so far.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// What follows from `command`; nothing has changed. `at` is the time of day in milliseconds since
    /// 1970, `now` counts from the tracker's start.
    pub fn decide(&self, command: Command, now: Moment, at: u64, rng: &mut impl Rng) -> Decision {
        self.decider(now, at).decide(command, rng)
    }

    fn decider(&self, now: Moment, at: u64) -> Decider<'_> {
        Decider { state: &self.state, config: &self.config, now, at, refused: self.refused }
    }

    /// Lets an event happen.
    pub fn apply(&mut self, event: &Event, now: Moment) {
        match event {
            Event::Joined { member, .. } => self.silence.watch(member.session, now),
            Event::Resumed { member, .. } => {
                if let Some(old) = self.state.members.get(member.peer_id) {
                    self.silence.forget(old.session);
                }
                self.silence.watch(member.session, now);
            }
            Event::Left { peer, .. } => {
                if let Some(old) = self.state.members.get(*peer) {
                    self.silence.forget(old.session);
                }
                self.flood.forget(*peer);
            }
            _ => {}
        }
        self.state.apply(event);
    }

    /// Decides and applies: refuses what comes too fast, and takes each command as a sign of life.
    pub fn execute(&mut self, command: Command, now: Moment, at: u64, rng: &mut impl Rng) -> Decision {
        let decision = match self.admit(&command, now) {
            Err(refusal) => Decision::refuse(refusal),
            Ok(()) => self.decide(command, now, at, rng),
        };
        for event in &decision.events {
            self.apply(event, now);
        }
        self.refused += u64::from(matches!(decision.reply, Some(Err(_))));
        decision
    }

    fn admit(&mut self, command: &Command, now: Moment) -> Result<(), shared::control::Refusal> {
        let Command::Request { session, request } = command else { return Ok(()) };
        self.silence.heard(*session, now);
        let Some(member) = self.state.members.of_session(*session) else { return Ok(()) };
        let peer = member.peer_id;
        let mut wanted = vec![(Meter::Requests(peer), self.config.requests, 1)];
        match request.as_ref() {
            Request::Message(message) => {
                wanted.push((Meter::Messages(peer), self.config.messages, 1));
                let meter = match self.state.members.of_nick(&message.to) {
                    Some(receiver) => Meter::BytesTo(receiver.peer_id),
                    None => Meter::BytesToAll,
                };
                wanted.push((meter, self.config.message_bytes, line_length(message)));
            }
            // Leaving is never too fast.
            Request::Bye(_) => return Ok(()),
            _ => {}
        }
        self.flood.take(&wanted, now)
    }

    /// When to call [`Self::expire`].
    pub fn next_timeout(&self) -> Option<Moment> {
        self.silence.next()
    }

    /// Connections that have been silent for three heartbeats are lost: what follows for each.
    pub fn expire(&mut self, now: Moment, at: u64, rng: &mut impl Rng) -> Vec<(SessionKey, Decision)> {
        let expired = self.silence.expired(now);
        let silent = self.config.heartbeat * 3;
        expired.into_iter().map(|session| (session, self.lost(session, silent, now, at, rng))).collect()
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
                let bytes = items.fold(0_u64, |sum, item| sum.saturating_add(item.about.size));
                member.person(asker, u64::try_from(member.entries.len()).unwrap_or(u64::MAX), bytes)
            })
            .collect();
        people.sort_by(|a, b| a.nick.cmp(&b.nick));
        people
    }

    /// What is shared, for the operator, by name.
    pub fn entries(&self) -> Vec<Entry> {
        let mut entries: Vec<Entry> =
            self.state.catalog.iter().map(|(_, item)| self.state.entry(item)).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.entry.cmp(&b.entry)));
        entries
    }
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
