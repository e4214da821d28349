//! Who gives what, and how far downloads are.

use rand::Rng;
use shared::InfoHash;
use shared::control::{
    Answer, Change, Code, EntryId, Have, Progress, ProgressEvent, Push, Refusal, Share, Shared,
};

use super::{Decider, count, done};
use crate::catalog::{Item, names};
use crate::command::Decision;
use crate::event::{Event, Milestone, NewEntry};
use crate::identity::MemberId;
use crate::members::Member;
use crate::state::percent_of;
use crate::swarm::SourceState;

/// Sources that the answer to `share` tells.
const SAMPLE: usize = 50;
/// Nicks that the line of a download names.
const MAX_FROM: usize = 3;

impl Decider<'_> {
    pub(super) fn share(&self, member: &Member, share: Share, rng: &mut impl Rng) -> Decision {
        let root = share.root.filter(|_| share.files == 1);
        if let Some(removed) = self.removed(&share.hashes, root) {
            return Decision::refuse(removed);
        }
        match self.state.catalog.same(&share.hashes, root, share.private) {
            Some(key) => match self.state.catalog.get(key).filter(|item| item.about.listed) {
                Some(item) => self.share_known(member, key, item, share, rng),
                None => self.share_new(member, share, rng),
            },
            None => self.share_new(member, share, rng),
        }
    }

    fn share_known(
        &self,
        member: &Member,
        key: InfoHash,
        item: &Item,
        share: Share,
        rng: &mut impl Rng,
    ) -> Decision {
        if share.size != item.about.size {
            let text =
                format!("`size` is {} for the same content, which has {}", share.size, item.about.size);
            return Decision::refuse(Refusal::new(Code::BadField, text));
        }
        let before = item.swarm.sources.get(&member.id);
        if before.is_none() && member.entries.len() >= self.config.max_shares {
            return Decision::refuse(self.too_many_shares());
        }
        let mut decision = Decision::answer(Answer::Shared(Shared {
            entry: item.about.entry.clone(),
            name: item.about.name.clone(),
            joined: true,
            hashes: item.hashes,
            sources: self.some_sources(item, member, SAMPLE, rng),
        }));
        if before.is_some_and(|before| before.sharer && before.have == share.have) {
            return decision;
        }
        match before {
            None => self.tell_subscribers(&mut decision, item, member, share.have, Change::Joined),
            Some(before) if share.have.is_full() && !before.have.is_full() => {
                self.tell_subscribers(&mut decision, item, member, share.have, Change::Completed);
            }
            Some(_) => {}
        }
        if item.swarm.sources.is_empty() {
            let mut told = self.entry(item);
            (told.by, told.seen) = (vec![member.nick.clone()], None);
            told.sources += 1;
            told.full += u64::from(share.have.is_full());
            let push = Push::Shared { nick: member.nick.clone(), entry: told };
            self.tell_others(&mut decision, member.id, push);
        }
        let same_hash = share.hashes.matches(&key);
        let info = share.info.filter(|_| same_hash && item.about.info.is_none());
        let (info, layers) = self.with_room_for(info, share.layers);
        decision.events.push(Event::Shared {
            peer: member.id,
            nick: member.nick.clone(),
            key,
            entry: item.about.entry.clone(),
            alias: (share.name != item.about.name).then_some(share.name),
            name: item.about.name.clone(),
            size: item.about.size,
            have: share.have,
            new: None,
            info,
            layers,
            sources: item.swarm.sources.len() + usize::from(before.is_none()),
            at: self.at,
        });
        decision
    }

    /// Content that nobody shared before; clients may have announced it by one of its hashes or by both.
    fn share_new(&self, member: &Member, share: Share, rng: &mut impl Rng) -> Decision {
        if member.entries.len() >= self.config.max_shares {
            return Decision::refuse(self.too_many_shares());
        }
        let mut forgotten = None;
        if self.state.catalog.len() >= self.config.max_entries {
            forgotten = self.state.catalog.most_idle();
            if forgotten.is_none() {
                let text = format!("the catalog is full ({} entries)", self.config.max_entries);
                return Decision::refuse(Refusal::new(Code::TooMany, text));
            }
        }
        let key = share.hashes.primary();
        let entry = self.state.catalog.free_id(key);
        let (info, layers) = self.with_room_for(share.info, share.layers);
        let new = NewEntry {
            entry: entry.clone(),
            name: share.name,
            size: share.size,
            files: share.files,
            piece_length: share.piece_length,
            kind: share.kind,
            v1: share.hashes.get_v1(),
            v2: share.hashes.get_v2(),
            root: share.root.filter(|_| share.files == 1),
            info,
            layers,
            comment: share.comment,
            private: share.private,
            listed: true,
        };
        let mut known: Vec<&Item> = Vec::new();
        for (_, item) in names(&share.hashes).filter_map(|hash| self.state.catalog.of_hash(hash)) {
            if !known.iter().any(|other| std::ptr::eq(*other, item)) {
                known.push(item);
            }
        }
        let sources = known.iter().flat_map(|item| self.some_sources(item, member, SAMPLE, rng)).take(SAMPLE);
        let mut decision = Decision::answer(Answer::Shared(Shared {
            entry: entry.clone(),
            name: new.name.clone(),
            joined: false,
            hashes: share.hashes,
            sources: sources.collect(),
        }));
        for item in &known {
            self.tell_subscribers(&mut decision, item, member, share.have, Change::Joined);
        }
        let before = known.iter().map(|item| item.swarm.sources.len()).sum::<usize>();
        let full = known.iter().map(|item| item.swarm.full()).sum::<usize>();
        let mut told = Item::new(new.clone(), share.hashes).entry(vec![member.nick.clone()]);
        // Clients without a name may have come by one hash or by the other.
        let crowd = names(&share.hashes).map(|hash| self.crowd.counts(hash));
        let (crowd_full, crowd_others) =
            crowd.fold((0, 0), |sum, (full, others, _)| (sum.0 + u64::from(full), sum.1 + u64::from(others)));
        told.sources = count(before + 1) + crowd_full + crowd_others;
        told.full = count(full + usize::from(share.have.is_full())) + crowd_full;
        let push = Push::Shared { nick: member.nick.clone(), entry: told };
        self.tell_others(&mut decision, member.id, push);
        decision.events.extend(forgotten.map(|key| Event::Forgotten { key }));
        decision.events.push(Event::Shared {
            peer: member.id,
            nick: member.nick.clone(),
            key,
            entry,
            name: new.name.clone(),
            size: new.size,
            have: share.have,
            new: Some(Box::new(new)),
            info: None,
            layers: None,
            alias: None,
            sources: before + 1,
            at: self.at,
        });
        decision
    }

    /// What of an info dictionary and its piece layers still fits into the catalog.
    fn with_room_for(
        &self,
        info: Option<Vec<u8>>,
        layers: Option<Vec<u8>>,
    ) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
        let free = self.config.max_info_bytes.saturating_sub(self.state.catalog.info_bytes());
        let Some(info) = info.filter(|info| info.len() <= free) else { return (None, None) };
        let layers = layers.filter(|layers| layers.len() <= free - info.len());
        (Some(info), layers)
    }

    fn too_many_shares(&self) -> Refusal {
        let text =
            format!("you are a source of {} entries already, which is the limit", self.config.max_shares);
        Refusal::new(Code::TooMany, text).advise("unshare")
    }

    pub(super) fn unshare(&self, member: &Member, entry: &EntryId) -> Decision {
        let (key, item) = match self.item(entry) {
            Ok(found) => found,
            Err(refusal) => return Decision::refuse(refusal),
        };
        let source = item.swarm.sources.get(&member.id);
        // What was shared before a restart and not since is taken back too.
        if source.is_none() && !self.state.ledger.holds(member.id, key) {
            let text = format!("you do not share {:?}", item.about.name);
            return Decision::refuse(Refusal::new(Code::NotShared, text));
        }
        let mut decision = done();
        if let Some(source) = source {
            self.tell_subscribers(&mut decision, item, member, source.have, Change::Left);
        }
        let (nick, name) = (member.nick.clone(), item.about.name.clone());
        let push = Push::Unshared { nick: nick.clone(), entry: item.about.entry.clone(), name: name.clone() };
        self.tell_others(&mut decision, member.id, push);
        decision.events.push(Event::Unshared {
            peer: member.id,
            nick,
            key,
            entry: item.about.entry.clone(),
            name,
            sources: item.swarm.sources.len() - usize::from(source.is_some()),
        });
        decision
    }

    pub(super) fn progress(&self, member: &Member, progress: &Progress) -> Decision {
        let (key, item) = match self.item(&progress.entry) {
            Ok(found) => found,
            Err(refusal) => return Decision::refuse(refusal),
        };
        let size = item.about.size;
        if progress.left > size {
            let text = format!("`left` is {}, but the whole has {size} bytes", progress.left);
            return Decision::refuse(Refusal::new(Code::BadField, text));
        }
        let before = item.swarm.sources.get(&member.id);
        let stopped = progress.event == Some(ProgressEvent::Stopped);
        if stopped && before.is_none() {
            return done();
        }
        if before.is_none() && member.entries.len() >= self.config.max_shares {
            return Decision::refuse(self.too_many_shares());
        }
        let have = match (progress.event, progress.have) {
            (Some(ProgressEvent::Completed), _) | (_, Have::Full) => Have::Full,
            (_, Have::Pieces(pieces)) if pieces >= item.pieces() && progress.left == 0 => Have::Full,
            (_, Have::Pieces(pieces)) => Have::Pieces(pieces.min(item.pieces())),
        };
        let left = if have.is_full() { 0 } else { progress.left };
        let mut decision = done();
        let change = match before {
            Some(_) if stopped => Some(Change::Left),
            None => Some(Change::Joined),
            Some(before) if have.is_full() && !before.have.is_full() => Some(Change::Completed),
            Some(_) => None,
        };
        if let Some(change) = change {
            self.tell_subscribers(&mut decision, item, member, have, change);
        }
        decision.events.push(Event::Progressed {
            peer: member.id,
            nick: member.nick.clone(),
            key,
            entry: item.about.entry.clone(),
            name: item.about.name.clone(),
            size,
            have: (!stopped).then_some(have),
            left,
            downloaded: progress.downloaded,
            uploaded: progress.uploaded,
            milestone: self.milestone(member.id, item, before, progress, have, left),
            early: 0,
            at: self.at,
        });
        decision
    }

    /// What of it is worth a line.
    pub(super) fn milestone(
        &self,
        peer: MemberId,
        item: &Item,
        before: Option<&SourceState>,
        progress: &Progress,
        have: Have,
        left: u64,
    ) -> Option<Milestone> {
        let size = item.about.size;
        let percent = percent_of(size.saturating_sub(left), size);
        let was_full = before.is_some_and(|before| before.have.is_full());
        match progress.event {
            Some(ProgressEvent::Stopped) if was_full => return None,
            Some(ProgressEvent::Stopped) => return Some(Milestone::Stop { percent }),
            _ => {}
        }
        if have.is_full() {
            let fetched = !was_full && (before.is_some() || progress.event == Some(ProgressEvent::Completed));
            let started = before.and_then(|before| before.started);
            return fetched.then(|| Milestone::Done {
                millis: started.map(|(at, _)| self.at.saturating_sub(at)),
                downloaded: progress.downloaded.saturating_sub(started.map_or(0, |(_, before)| before)),
            });
        }
        let Some(before) = before.filter(|_| progress.event != Some(ProgressEvent::Started)) else {
            let others = item.swarm.sources.iter().filter(|(other, _)| **other != peer);
            let mut others: Vec<_> = others.collect();
            others.sort_by_key(|(_, source)| !source.have.is_full());
            let nicks = others.into_iter().filter_map(|(peer, _)| self.state.members.get(*peer));
            let from = nicks.take(MAX_FROM).map(|other| other.nick.clone()).collect();
            return Some(Milestone::Start { from });
        };
        let quarter = percent / 25;
        (quarter > before.percent / 25).then_some(Milestone::Quarter { percent: quarter * 25 })
    }
}
