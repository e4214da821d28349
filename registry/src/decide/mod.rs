//! Deciding: what a command means for the state as it is. Nothing here changes anything.

mod announcing;
mod browsing;
mod finding;
mod operating;
mod people;
mod presence;
mod replying;
mod rooms;
mod sharing;
mod sources;
mod talking;

use rand::Rng;
use shared::control::{Answer, Change, Code, Done, EntryId, Have, Pong, Push, Refusal, Request};
use shared::{InfoHash, Moment};

use crate::catalog::Item;
use crate::command::{Command, Decision, SessionKey, Urgency};
use crate::config::Config;
use crate::crowd::Crowd;
use crate::identity::MemberId;
use crate::members::Member;
use crate::state::State;

/// Everything that a decision looks at.
pub(crate) struct Decider<'a> {
    pub(crate) state: &'a State,
    /// Clients that have no name.
    pub(crate) crowd: &'a Crowd,
    pub(crate) config: &'a Config,
    pub(crate) now: Moment,
    /// The time of day: milliseconds since 1970.
    pub(crate) at: u64,
    /// Requests that were refused so far.
    pub(crate) refused: u64,
}

impl Decider<'_> {
    /// What follows from `command`.
    pub(crate) fn decide(&self, command: Command, rng: &mut impl Rng) -> Decision {
        match command {
            Command::Hello { session, address, via, hello } => self.hello(session, address, via, &hello, rng),
            Command::Announce(said) => self.announce(&said, rng),
            Command::Gone { session, how, detail } => self.gone(session, how, detail),
            Command::Collected { session, up_to } => self.collected(session, up_to),
            Command::Operate { by, action } => self.operate(by, action, rng),
            Command::Search { session, search, found } => match self.member(session) {
                Ok(_) => self.search(&search, found.as_ref()),
                Err(refusal) => Decision::refuse(refusal),
            },
            Command::Request { session, request } => match self.member(session) {
                Ok(member) => self.request(member, *request, rng),
                Err(refusal) => Decision::refuse(refusal),
            },
        }
    }

    /// Who a connection is.
    pub(crate) fn member(&self, session: SessionKey) -> Result<&Member, Refusal> {
        self.state.members.of_session(session).ok_or_else(|| {
            Refusal::new(Code::NotRegistered, "say who you are first")
                .advise(r#"{"type":"hello","version":1,"nick":"ana","peer_id":"<40 hex digits>","ports":[]}"#)
        })
    }

    fn request(&self, member: &Member, request: Request, rng: &mut impl Rng) -> Decision {
        match request {
            Request::Hello(_) => Decision::refuse(Refusal::new(
                Code::AlreadyRegistered,
                format!("this connection is already registered as {:?}", member.nick),
            )),
            Request::Share(share) => self.share(member, share, rng),
            Request::Unshare(unshare) => self.unshare(member, &unshare.entry),
            Request::Search(search) => self.search(&search, None),
            Request::Browse(browse) => self.browse(&browse),
            Request::Find(find) => self.find(&find),
            Request::SourcesOf(sources) => self.sources(member, &sources, rng),
            Request::Progress(progress) => self.progress(member, &progress),
            Request::Message(message) => self.message(member, message),
            Request::History(history) => self.history(member, &history),
            Request::Who(who) => self.who(member, &who),
            Request::Join(join) => self.join(member, &join, rng),
            Request::Leave(leave) => self.leave_room(member, &leave),
            Request::Rooms(_) => self.rooms(member),
            Request::Ignore(ignore) => self.ignore(member, &ignore),
            Request::Unignore(unignore) => self.unignore(member, &unignore),
            Request::Away(away) => Self::away(member, away),
            Request::Back(_) => Self::back(member),
            Request::ConnectBack(back) => self.connect_back(member, &back),
            Request::StatsOf(stats) => self.stats(stats.entry.as_ref()),
            Request::Ping(_) => Decision::answer(Answer::Pong(Pong { time: self.at })),
            Request::Bye(bye) => self.bye(member, bye.reason),
        }
    }

    /// The item that a request names.
    fn item(&self, entry: &EntryId) -> Result<(InfoHash, &Item), Refusal> {
        let key = self.state.catalog.of_id(entry);
        let found = key.and_then(|key| self.state.catalog.get(key).map(|item| (key, item)));
        found.ok_or_else(|| {
            let text = format!("there is no entry {:?}", entry.0);
            Refusal::new(Code::NoSuchEntry, text).advise("search, or find by name")
        })
    }

    /// Tells all who wait for news of an entry what `member` did with it.
    fn tell_subscribers(&self, to: &mut Decision, item: &Item, member: &Member, have: Have, change: Change) {
        for peer in &item.swarm.subscribers {
            if *peer == member.id {
                continue;
            }
            if let Some(subscriber) = self.state.members.get(*peer)
                && let Some(session) = subscriber.session
            {
                let peer = State::source(member, have, subscriber.asker());
                let push = Push::Source { entry: item.about.entry.clone(), peer, change };
                to.deliver(vec![session], Urgency::Owed, push);
            }
        }
    }

    /// Tells all others something that they can do without.
    fn tell_others(&self, to: &mut Decision, peer: MemberId, push: Push) {
        to.deliver(self.state.members.sessions_except(peer), Urgency::Advisory, push);
    }
}

/// Nothing to tell.
fn done() -> Decision {
    Decision::answer(Answer::Done(Done {}))
}

/// A count as it travels.
fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
