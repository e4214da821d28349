//! The info dictionary from peers and for peers (BEP 9).
//!
//! While only the names are known: its pieces are asked of several peers at once, and what comes
//! together is compared with the names. When it does not fit, all of it is fetched again from one peer
//! alone: either that one is proven false, or the truth shows which of the others were. Nothing is
//! believed before the whole fits. Once it is known, others get it from us, at a bounded rate.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use shared::Moment;
use wire::extended::ut_metadata::{
    METADATA_PIECE_LENGTH, UtMetadata, metadata_piece_length, metadata_pieces,
};

use crate::extensions::Extension;
use crate::io::{Breach, CloseReason, Output, PeerKey};
use crate::peer::{Peer, Who};
use crate::torrent::Torrent;

/// Pieces asked of one peer at once.
const MOST_ASKED: usize = 4;
/// Silence after which somebody else is asked, if there is anybody with nothing else to do.
const IMPATIENCE: Duration = Duration::from_secs(1);
/// Silence after which a peer is not asked any more for a while.
const PATIENCE: Duration = Duration::from_secs(10);
/// That while; also after a refusal.
const REST: Duration = Duration::from_secs(30);
/// How long a length that only some give is believed, when others give another one ...
const BELIEF: Duration = Duration::from_secs(60);
/// ... and longer for each of its pieces.
const BELIEF_PER_PIECE: Duration = Duration::from_secs(1);
/// Peers remembered for having given false pieces.
const MOST_DISTRUSTED: usize = 4096;
/// Pieces sent to one peer within a second.
const MOST_PER_SECOND: u32 = 128;
/// Requests of one peer that wait for the next second.
const MOST_WAITING: usize = 64;
/// How often one peer gets the whole dictionary, and pieces beyond that.
const MOST_COPIES: u32 = 4;
const SPARE_PIECES: u32 = 64;

/// The exchange of the dictionary with one peer.
#[derive(Debug, Clone, Default)]
pub(crate) struct MetadataExchange {
    /// Pieces asked of it, and when.
    asked: BTreeMap<u32, Moment>,
    /// It is not asked before this moment.
    rests_until: Option<Moment>,
    /// Pieces that it asked for and that wait for their second.
    waiting: VecDeque<u32>,
    /// Pieces sent to it since the second began, and in all.
    sent: (Moment, u32),
    sent_in_all: u32,
}

/// A piece that came.
#[derive(Debug, Clone)]
struct Part {
    from: Who,
    data: Bytes,
}

/// The dictionary as some peers give it.
#[derive(Debug)]
struct Attempt {
    size: u32,
    begun: Moment,
    parts: Vec<Option<Part>>,
}

impl Attempt {
    /// When another length is tried, if there is one.
    fn belief_ends(&self) -> Moment {
        self.begun + BELIEF + BELIEF_PER_PIECE * metadata_pieces(self.size)
    }
}

/// Fetching the dictionary.
#[derive(Debug, Default)]
pub(crate) struct MetadataFetch {
    attempt: Option<Attempt>,
    /// After an attempt that did not fit: this peer alone is asked.
    alone: Option<PeerKey>,
    /// What did not fit, to be compared with the truth, and the length that it was said to have.
    suspicions: Option<(u32, Vec<Part>)>,
    distrusted: BTreeSet<Who>,
    found: bool,
}

impl Torrent {
    /// A message of the extension came from `key`.
    pub(crate) fn metadata_message(&mut self, key: PeerKey, payload: &Bytes, now: Moment) {
        match UtMetadata::decode(payload) {
            Ok(UtMetadata::Request { piece }) => self.metadata_asked(key, piece, now),
            Ok(UtMetadata::Data { piece, total_size, data }) => {
                self.metadata_came(key, piece, total_size, &data, now);
            }
            Ok(UtMetadata::Reject { piece }) => {
                let Some(peer) = self.peers.get_mut(key) else { return };
                if peer.about.metadata.asked.remove(&piece).is_some() {
                    peer.about.metadata.rests_until = Some(now + REST);
                    self.seek_metadata(now);
                } else {
                    self.nuisance(key, now);
                }
            }
            Ok(UtMetadata::Unknown(_)) | Err(_) => self.nuisance(key, now),
        }
    }

    /// `key` wants a piece.
    fn metadata_asked(&mut self, key: PeerKey, piece: u32, now: Moment) {
        let pieces = self.known_pieces();
        let Some(peer) = self.peers.get_mut(key) else { return };
        let most = pieces * MOST_COPIES + SPARE_PIECES;
        let waits = u32::try_from(peer.about.metadata.waiting.len()).unwrap_or(u32::MAX);
        if piece >= pieces || peer.about.metadata.sent_in_all + waits >= most {
            self.say_metadata(key, &UtMetadata::Reject { piece }, now);
            self.nuisance(key, now);
        } else if peer.about.metadata.waiting.len() < MOST_WAITING {
            peer.about.metadata.waiting.push_back(piece);
            self.give_metadata(key, now);
        } else {
            self.say_metadata(key, &UtMetadata::Reject { piece }, now);
        }
    }

    /// Pieces of the dictionary that we can give; none while it is not known.
    fn known_pieces(&self) -> u32 {
        let raw = self.download.content.raw_info.as_ref();
        raw.and_then(|raw| u32::try_from(raw.len()).ok()).map_or(0, metadata_pieces)
    }

    /// Sends to `key` what it asked for, as much as this second allows.
    fn give_metadata(&mut self, key: PeerKey, now: Moment) {
        let Some(raw) = self.download.content.raw_info.clone() else { return };
        let Ok(total_size) = u32::try_from(raw.len()) else { return };
        loop {
            let Some(peer) = self.peers.get_mut(key) else { return };
            let (since, sent) = &mut peer.about.metadata.sent;
            if now.since(*since) >= Duration::from_secs(1) {
                (*since, *sent) = (now, 0);
            }
            if *sent >= MOST_PER_SECOND {
                return;
            }
            let Some(piece) = peer.about.metadata.waiting.pop_front() else { return };
            *sent += 1;
            peer.about.metadata.sent_in_all += 1;
            let begin = piece as usize * METADATA_PIECE_LENGTH as usize;
            let length = metadata_piece_length(total_size, piece).unwrap_or(0) as usize;
            let data = raw.slice(begin.min(raw.len())..(begin + length).min(raw.len()));
            self.say_metadata(key, &UtMetadata::Data { piece, total_size, data }, now);
        }
    }

    fn say_metadata(&mut self, key: PeerKey, message: &UtMetadata, now: Moment) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if let Some(message) = peer.extended(Extension::Metadata, message.encode()) {
            self.out.send(peer, message, now);
        }
    }

    /// `key` may have said that it has the dictionary.
    pub(crate) fn metadata_offered(&mut self, key: PeerKey, now: Moment) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        // Whoever says more than before may give more than before.
        peer.about.metadata.rests_until = None;
        self.seek_metadata(now);
    }

    /// Once a second: who is silent, and who asked for more than a second allows.
    pub(crate) fn metadata_tick(&mut self, now: Moment) {
        let waiting: Vec<_> = self
            .peers
            .values()
            .filter(|peer| !peer.about.metadata.waiting.is_empty())
            .map(Peer::key)
            .collect();
        for key in waiting {
            self.give_metadata(key, now);
        }
        if self.content_known || self.metadata.found {
            return;
        }
        for peer in self.peers.values_mut() {
            if peer.about.metadata.asked.values().any(|asked| now.since(*asked) >= PATIENCE) {
                peer.about.metadata.asked.clear();
                peer.about.metadata.rests_until = Some(now + REST);
            }
        }
        self.seek_metadata(now);
    }

    /// Asks for what is missing, of everybody who may have it.
    pub(crate) fn seek_metadata(&mut self, now: Moment) {
        if self.content_known || self.metadata.found || self.paused || self.stopped {
            return;
        }
        let able: BTreeMap<PeerKey, u32> =
            self.peers.values().filter_map(|peer| Some((peer.key(), self.size_from(peer, now)?))).collect();
        self.choose_size(&able, now);
        let alone = self.metadata.alone;
        let Some(attempt) = &self.metadata.attempt else { return };
        let askable = able
            .iter()
            .filter(|(key, size)| **size == attempt.size && alone.is_none_or(|alone| alone == **key));
        let mut asked: BTreeMap<u32, Moment> = BTreeMap::new();
        for (piece, at) in self.peers.values().flat_map(|peer| &peer.about.metadata.asked) {
            asked.entry(*piece).and_modify(|last| *last = (*last).max(*at)).or_insert(*at);
        }
        let missing: Vec<u32> =
            (0..).zip(&attempt.parts).filter(|(_, part)| part.is_none()).map(|(piece, _)| piece).collect();
        let mut asking = Vec::new();
        for key in askable.map(|(key, _)| *key) {
            let Some(peer) = self.peers.get_mut(key) else { continue };
            let room = MOST_ASKED.saturating_sub(peer.about.metadata.asked.len());
            let free = |piece: &&u32| {
                asked.get(*piece).is_none_or(|at| now.since(*at) >= IMPATIENCE)
                    && !peer.about.metadata.asked.contains_key(*piece)
            };
            let chosen: Vec<u32> = missing.iter().filter(free).take(room).copied().collect();
            for piece in chosen {
                asked.insert(piece, now);
                peer.about.metadata.asked.insert(piece, now);
                asking.push((key, piece));
            }
        }
        for (key, piece) in asking {
            self.say_metadata(key, &UtMetadata::Request { piece }, now);
        }
    }

    /// The length that `peer` gives the dictionary, if it may be asked for it.
    fn size_from(&self, peer: &Peer, now: Moment) -> Option<u32> {
        peer.takes(Extension::Metadata)?;
        let rests = peer.about.metadata.rests_until.is_some_and(|until| now < until);
        let trusted = !self.metadata.distrusted.contains(&peer.identity.who());
        peer.about.said.as_ref()?.metadata_size.filter(|_| trusted && !rests)
    }

    /// Begins with the length that most peers give, and again when nobody gives the present one any
    /// more, when more peers give another, or when it has not led anywhere for long.
    fn choose_size(&mut self, able: &BTreeMap<PeerKey, u32>, now: Moment) {
        let fetch = &mut self.metadata;
        let belief_ends = fetch.attempt.as_ref().map(Attempt::belief_ends);
        if let Some(alone) = fetch.alone
            && belief_ends.is_some_and(|end| now >= end)
        {
            // It has had all the time it could need.
            if let Some(peer) = self.peers.get_mut(alone) {
                peer.about.metadata.rests_until = Some(now + REST);
            }
            fetch.alone = None;
        }
        if fetch.alone.is_some_and(|alone| !able.contains_key(&alone)) {
            fetch.alone = None;
        }
        if fetch.suspicions.is_some() && fetch.alone.is_none() {
            let givers: BTreeSet<_> =
                fetch.suspicions.iter().flat_map(|(_, parts)| parts).map(|part| part.from).collect();
            let gave = |key: &&PeerKey| {
                self.peers.get(**key).is_some_and(|peer| givers.contains(&peer.identity.who()))
            };
            fetch.alone = able.keys().find(|key| !gave(key)).or_else(|| able.keys().next()).copied();
            fetch.attempt = None;
        }
        let mut votes: BTreeMap<u32, usize> = BTreeMap::new();
        for (key, size) in able {
            if fetch.alone.is_none_or(|alone| alone == *key) {
                *votes.entry(*size).or_default() += 1;
            }
        }
        if let Some(attempt) = &fetch.attempt {
            let votes_for_it = votes.get(&attempt.size).copied().unwrap_or(0);
            if votes.len() > 1 && now >= attempt.belief_ends() {
                votes.remove(&attempt.size);
            } else if votes.values().all(|votes| *votes <= votes_for_it) {
                return;
            }
        }
        let best = votes.iter().max_by_key(|(_, votes)| **votes).map(|(size, _)| *size);
        let Some(size) = best else { return };
        let parts = vec![None; metadata_pieces(size) as usize];
        fetch.attempt = Some(Attempt { size, begun: now, parts });
        for peer in self.peers.values_mut() {
            peer.about.metadata.asked.clear();
        }
    }

    /// A piece came from `key`.
    fn metadata_came(&mut self, key: PeerKey, piece: u32, total_size: u32, data: &Bytes, now: Moment) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let asked = peer.about.metadata.asked.remove(&piece).is_some();
        let from = peer.identity.who();
        let Some(attempt) = self.metadata.attempt.as_mut().filter(|_| asked) else {
            self.nuisance(key, now);
            return;
        };
        if attempt.size != total_size {
            peer.about.metadata.rests_until = Some(now + REST);
            self.seek_metadata(now);
            return;
        }
        if let Some(part @ None) = attempt.parts.get_mut(piece as usize) {
            // A copy: what came is a slice of a much larger buffer.
            *part = Some(Part { from, data: Bytes::copy_from_slice(data) });
        }
        let whole: Option<Vec<Part>> = attempt.parts.iter().cloned().collect();
        if let Some(parts) = whole {
            self.metadata.attempt = None;
            self.metadata_whole(total_size, parts, now);
        }
        self.seek_metadata(now);
    }

    /// Every piece is there: it fits, or somebody lied.
    fn metadata_whole(&mut self, size: u32, parts: Vec<Part>, now: Moment) {
        let raw: Vec<u8> = parts.iter().flat_map(|part| part.data.iter().copied()).collect();
        if self.download.content.hashes.name(&raw) {
            self.metadata.found = true;
            if let Some((said, suspects)) = self.metadata.suspicions.take() {
                let truth = parts.iter().map(|part| Some(&part.data)).chain(std::iter::repeat(None));
                for (suspect, truth) in suspects.into_iter().zip(truth) {
                    if said != size || truth != Some(&suspect.data) {
                        self.distrust(suspect.from, now);
                    }
                }
            }
            self.out.push(Output::InfoReceived { raw: raw.into() });
            return;
        }
        let givers: BTreeSet<_> = parts.iter().map(|part| part.from).collect();
        self.metadata.alone = None;
        match givers.first() {
            Some(liar) if givers.len() == 1 => self.distrust(*liar, now),
            _ => self.metadata.suspicions = Some((size, parts)),
        }
    }

    /// `liar` has provably given false pieces of the dictionary.
    fn distrust(&mut self, liar: Who, now: Moment) {
        if self.metadata.distrusted.len() >= MOST_DISTRUSTED {
            self.metadata.distrusted.pop_first();
        }
        if !self.metadata.distrusted.insert(liar) {
            return;
        }
        let theirs: Vec<_> =
            self.peers.values().filter(|peer| peer.identity.who() == liar).map(Peer::key).collect();
        for key in theirs {
            self.close(key, CloseReason::Breach(Breach::FalseMetadata), now);
        }
    }
}
