//! Clients that only announce: the same swarms by other doors.
//!
//! Whatever a client claims of itself decides nothing for others: an id that somebody else has here is
//! told apart by key or address, and the places of one address are counted.

use std::net::SocketAddr;

use rand::Rng;
use shared::announce::{Announce, Event as Why};
use shared::control::{
    Change, Departure, EntryId, Have, Kind, MAX_NUMBER, Progress, ProgressEvent, Push, is_local,
};
use shared::{InfoHash, InfoHashes};

use super::Decider;
use crate::addresses::announced;
use crate::catalog::Item;
use crate::command::{Announcement, Decision, Unannounced};
use crate::config::Unknown;
use crate::crowd::hasty;
use crate::event::{Event, Milestone, NewEntry, NewMember};
use crate::identity::{Mark, MemberId};
use crate::members::Member;
use crate::swarm::SourceState;
use shared::program::Program;

impl Decider<'_> {
    pub(super) fn announce(&self, said: &Announcement, rng: &mut impl Rng) -> Decision {
        let id = self.speaker(said);
        if let Some(banned) = self.banned(said.announce.peer_id, said.from.ip()) {
            let refused = Err(Unannounced::Banned { text: banned.text });
            return Decision { announced: Some(refused), ..Decision::default() };
        }
        let result = match said.announce.event {
            Why::Stopped => Ok(self.stopped(said, id)),
            _ => self.present(said, id, rng),
        };
        result.unwrap_or_else(|refusal| Decision { announced: Some(Err(refusal)), ..Decision::default() })
    }

    /// Who announces. A peer that also has a connection is that peer, if it announces from the address
    /// of its connection with a port that it told there.
    pub(crate) fn speaker(&self, said: &Announcement) -> MemberId {
        let Announce { peer_id, key, port, .. } = said.announce;
        let session = MemberId::session(peer_id);
        let ip = said.from.ip();
        let here = |member: &Member| {
            let known = member.address.ip() == ip || member.addresses.iter().any(|known| known.ip() == ip);
            known && (port == 0 || member.addresses.iter().any(|known| known.port() == port))
        };
        let same = self.state.members.get(session).is_some_and(here);
        if same { session } else { MemberId::announcer(peer_id, key, ip) }
    }

    /// A client leaves a swarm.
    fn stopped(&self, said: &Announcement, id: MemberId) -> Decision {
        let mut decision = Decision::default();
        let found = self.state.catalog.of_hash(said.announce.hash);
        let Some((key, item)) = found else {
            decision.announced = Some(Ok(self.answer(said, None, (0, 0), Vec::new(), None)));
            return decision;
        };
        let source = item.swarm.sources.get(&id);
        // What a peer shares over its connection ends there.
        let leaves = source.filter(|source| id.mark != Mark::Session || !source.sharer);
        let full = item.swarm.full();
        let (crowd_full, crowd_others, _) = self.crowd.counts(key);
        let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let others = item.swarm.sources.len() - full + number(crowd_others);
        let mut counts = (full + number(crowd_full), others);
        if let (Some(source), Some(member)) = (leaves, self.state.members.get(id)) {
            let count = if source.have.is_full() { &mut counts.0 } else { &mut counts.1 };
            *count -= 1;
            self.drop_from(&mut decision, member, key, item, source, Some(&said.announce));
            self.leave_if_last(&mut decision, member, key, Departure::Left, String::new());
        }
        decision.announced = Some(Ok(self.answer(said, Some(item), counts, Vec::new(), None)));
        decision
    }

    /// A client that only announces has been silent for too long in one swarm.
    pub(crate) fn silent(&self, id: MemberId, key: InfoHash) -> Decision {
        let mut decision = Decision::default();
        let (member, item) = (self.state.members.get(id), self.state.catalog.get(key));
        if let (Some(member), Some(item)) = (member, item)
            && let Some(source) = item.swarm.sources.get(&id)
        {
            self.drop_from(&mut decision, member, key, item, source, None);
            let detail = format!("silent {} s", (self.config.announce_interval * 5 / 2).as_secs());
            self.leave_if_last(&mut decision, member, key, Departure::Lost, detail);
        }
        decision
    }

    fn drop_from(
        &self,
        to: &mut Decision,
        member: &Member,
        key: InfoHash,
        item: &Item,
        source: &SourceState,
        said: Option<&Announce>,
    ) {
        self.tell_subscribers(to, item, member, source.have, Change::Left);
        let unfinished = item.about.listed && !source.have.is_full();
        to.events.push(Event::Progressed {
            peer: member.id,
            nick: member.nick.clone(),
            key,
            entry: item.about.entry.clone(),
            name: item.about.name.clone(),
            size: item.about.size,
            have: None,
            left: item.about.size - item.about.size / 100 * u64::from(source.percent),
            downloaded: said.map_or(source.downloaded, |said| said.downloaded.min(MAX_NUMBER)),
            uploaded: said.map_or(source.uploaded, |said| said.uploaded.min(MAX_NUMBER)),
            milestone: unfinished.then_some(Milestone::Stop { percent: source.percent }),
            early: 0,
            at: self.at,
        });
    }

    /// A client that only announces is gone when it is in no swarm any more.
    fn leave_if_last(
        &self,
        to: &mut Decision,
        member: &Member,
        key: InfoHash,
        how: Departure,
        detail: String,
    ) {
        if member.session.is_none() && member.entries.iter().all(|entry| *entry == key) {
            self.say_left(to, member, how, detail, self.state.members.len() - 1);
        }
    }

    /// A client joins a swarm, or is in it still.
    fn present(
        &self,
        said: &Announcement,
        id: MemberId,
        rng: &mut impl Rng,
    ) -> Result<Decision, Unannounced> {
        let announce = &said.announce;
        let member = self.state.members.get(id);
        let found = self.state.catalog.of_hash(announce.hash);
        let before = found.and_then(|(_, item)| item.swarm.sources.get(&id));
        if before.is_none() {
            self.admit(said, id, member, found.map(|(_, item)| item))?;
        }
        let mut decision = Decision::default();
        let addresses = member.map(|member| member.addresses.as_slice()).unwrap_or_default();
        let addresses = announced(said.from.ip(), announce.port, &said.told, addresses);
        let member = match member {
            Some(member) => {
                let mut member = member.clone();
                if member.session.is_none()
                    && (member.addresses != addresses || member.address != said.seen())
                {
                    member.addresses.clone_from(&addresses);
                    let address = said.seen();
                    decision.events.push(Event::Moved { peer: id, address, addresses });
                }
                member
            }
            None => self.come(&mut decision, said, id, addresses)?,
        };
        let met: Item;
        let (key, item) = if let Some(found) = found {
            found
        } else {
            let new = unlisted(announce.hash);
            met = Item::new(new.clone(), InfoHashes::v1(announce.hash));
            decision.events.push(Event::Met { new: Box::new(new), at: self.at });
            (announce.hash, &met)
        };
        let early = self.early(announce, before);
        let have = have(announce, item);
        if id.mark != Mark::Session || before.is_none() {
            self.progress_of(&mut decision, &member, key, item, before, announce, have, early);
        }
        let late = early <= self.config.max_early;
        let peers = if late { self.peers(said, id, item, rng) } else { Vec::new() };
        let warning = (!late).then(|| {
            let least = u32::try_from(self.config.min_interval.as_secs()).unwrap_or(u32::MAX);
            hasty(least)
        });
        let (full, others) = item.swarm.sources.iter().filter(|(peer, _)| **peer != id).fold(
            (0, 0),
            |(full, others), (_, source)| {
                if source.have.is_full() { (full + 1, others) } else { (full, others + 1) }
            },
        );
        let (crowd_full, crowd_others, _) = self.crowd.counts(key);
        let number = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let (full, others) = (full + number(crowd_full), others + number(crowd_others));
        let counts = if have.is_full() { (full + 1, others) } else { (full, others + 1) };
        let mut answer = self.answer(said, Some(item), counts, peers, warning);
        let done = |event: &Event| {
            matches!(event, Event::Progressed { milestone: Some(Milestone::Done { .. }), .. })
        };
        if decision.events.iter().any(done) {
            answer.reply.completed = answer.reply.completed.map(|completed| completed.saturating_add(1));
        }
        answer.watched = (id.mark != Mark::Session).then_some((id, announce.hash));
        decision.announced = Some(Ok(answer));
        Ok(decision)
    }

    /// Whether there is room for one more client in one more swarm.
    fn admit(
        &self,
        said: &Announcement,
        id: MemberId,
        member: Option<&Member>,
        item: Option<&Item>,
    ) -> Result<(), Unannounced> {
        if let Some(removed) = self.removed(&InfoHashes::v1(said.announce.hash), None) {
            return Err(Unannounced::Removed { text: removed.text });
        }
        let config = self.config;
        let accepted = match config.unknown {
            Unknown::Accept => true,
            Unknown::Local => is_local(said.from.ip()),
            Unknown::Refuse => false,
        };
        if !accepted && item.is_none_or(|item| !item.about.listed) {
            return Err(Unannounced::NotRegistered);
        }
        let full = |what, limit| Err(Unannounced::Full { what, limit });
        let torrents = self.state.catalog.unlisted() + self.crowd.torrents();
        if item.is_none() && torrents >= config.max_unlisted && !self.crowd.knows(said.announce.hash) {
            return full("torrents that nobody shared", config.max_unlisted);
        }
        if id.mark == Mark::Session {
            let torrents = member.map_or(0, |member| member.entries.len());
            return if torrents < config.max_shares { Ok(()) } else { full("torrents", config.max_shares) };
        }
        let (mut there, mut swarms) = (0, 0);
        for other in self.state.members.announcers(said.from.ip()) {
            there += 1;
            swarms += other.entries.len();
        }
        swarms += self.crowd.places_of(said.from.ip());
        if swarms >= config.max_announced_per_address {
            return full("torrents at your address", config.max_announced_per_address);
        }
        if member.is_some() {
            return Ok(());
        }
        if there >= config.max_announcers_per_address {
            return full("clients at your address", config.max_announcers_per_address);
        }
        let clients = self.state.members.len() - self.state.members.connected() + self.crowd.places();
        if clients >= config.max_announcers {
            return full("clients", config.max_announcers);
        }
        Ok(())
    }

    /// A client that nobody knew.
    fn come(
        &self,
        to: &mut Decision,
        said: &Announcement,
        id: MemberId,
        addresses: Vec<SocketAddr>,
    ) -> Result<Member, Unannounced> {
        let program = Program::of(id.peer_id);
        let nick =
            self.state.members.grant(&program.name, id, |nick| self.state.ledger.is_held(nick, id.peer_id));
        let nick = nick.ok_or(Unannounced::Full { what: "clients of one program", limit: 100_000 })?;
        let new = NewMember {
            session: None,
            token: String::new(),
            door: said.door,
            agent: program.agent(),
            nick: nick.clone(),
            peer_id: id.peer_id,
            mark: id.mark,
            address: said.seen(),
            via: said.via,
            addresses,
            guest: true,
        };
        self.tell_others(to, id, Push::PeerJoined { nick, peer_id: id.peer_id });
        let member = Member::new(&new, self.at);
        let online = self.state.members.len() + 1;
        to.events.push(Event::Joined { member: Box::new(new), at: self.at, online });
        Ok(member)
    }

    /// How many announces in a row came before their time.
    fn early(&self, announce: &Announce, before: Option<&SourceState>) -> u8 {
        let least = u64::try_from(self.config.min_interval.as_millis()).unwrap_or(u64::MAX);
        match before {
            Some(before) if self.at.saturating_sub(before.heard) < least => {
                before.early.saturating_add(u8::from(announce.event == Why::Interval))
            }
            _ => 0,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "they are what the event holds")]
    fn progress_of(
        &self,
        to: &mut Decision,
        member: &Member,
        key: InfoHash,
        item: &Item,
        before: Option<&SourceState>,
        announce: &Announce,
        have: Have,
        early: u8,
    ) {
        match before {
            None => self.tell_subscribers(to, item, member, have, Change::Joined),
            Some(before) if have.is_full() && !before.have.is_full() => {
                self.tell_subscribers(to, item, member, have, Change::Completed);
            }
            Some(_) => {}
        }
        let (downloaded, uploaded) = (announce.downloaded.min(MAX_NUMBER), announce.uploaded.min(MAX_NUMBER));
        let told = announce.left.unwrap_or(0).min(MAX_NUMBER);
        let size = if item.about.listed { item.about.size } else { told.saturating_add(downloaded) };
        let left = match have {
            Have::Full => 0,
            Have::Pieces(_) => announce.left.map_or(size, |left| left.min(size)),
        };
        let completed = announce.event == Why::Completed;
        let milestone = if item.about.listed {
            let event = completed.then_some(ProgressEvent::Completed);
            let entry = item.about.entry.clone();
            let (pieces, flows) = (None, Vec::new());
            let progress = Progress { entry, have, left, downloaded, uploaded, event, pieces, flows };
            self.milestone(member.id, item, before, &progress, have, left)
        } else {
            // Where the size is not known, only the end is.
            let first = before.is_none_or(|before| !before.have.is_full());
            (completed && first).then_some(Milestone::Done { millis: None, downloaded })
        };
        to.events.push(Event::Progressed {
            peer: member.id,
            nick: member.nick.clone(),
            key,
            entry: item.about.entry.clone(),
            name: item.about.name.clone(),
            size,
            have: Some(have),
            left,
            downloaded,
            uploaded,
            milestone,
            early,
            at: self.at,
        });
    }
}

impl Announcement {
    /// Where the client was seen: its address, with the port where it takes connections.
    fn seen(&self) -> SocketAddr {
        SocketAddr::new(self.from.ip(), self.announce.port)
    }
}

/// How much a client has, from the bytes that it misses.
fn have(announce: &Announce, item: &Item) -> Have {
    match announce.left {
        Some(0) => Have::Full,
        _ if announce.event == Why::Completed => Have::Full,
        None => Have::Pieces(0),
        Some(left) => {
            let there = item.about.size.saturating_sub(left);
            Have::Pieces(there / item.about.piece_length.max(1))
        }
    }
}

/// A torrent that is known by its hash only.
fn unlisted(hash: InfoHash) -> NewEntry {
    NewEntry {
        entry: EntryId(hash.to_string()),
        name: hash.to_string(),
        size: 0,
        files: 0,
        piece_length: 0,
        kind: Kind::Other,
        v1: Some(hash),
        v2: None,
        root: None,
        info: None,
        layers: None,
        comment: None,
        private: false,
        listed: false,
    }
}
