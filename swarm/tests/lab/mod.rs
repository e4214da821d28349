//! A few brains in one room for the tests of this crate: what one sends the others have at once, disks
//! hold whatever was written, and time passes when nothing else is to be done.
#![allow(unreachable_pub, reason = "it is public to the files of tests beside it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use shared::bencode::Dict;
use shared::{Bitfield, InfoHash, InfoHashes, Layout, Moment, PeerId};
use swarm::{CloseReason, Content, Input, Output, PeerKey, Torrent, TorrentConfig, TorrentStart};
use wire::{Message, Range};

/// Bytes of one piece.
pub const PIECE: u32 = 32 * 1024;

/// Something to share whose truth is known.
#[derive(Debug, Clone)]
pub struct Publication {
    pub content: Arc<Content>,
    pub line: Bytes,
}

/// `length` bytes in pieces of [`PIECE`], under an info dictionary of at least `info_length` bytes.
pub fn publish(length: usize, info_length: usize) -> Publication {
    let line: Vec<u8> = (0..length).map(|at| u8::try_from((at / 7 + at / 16_384) % 251).unwrap()).collect();
    let pieces: Vec<[u8; 20]> = line.chunks(PIECE as usize).map(sha1).collect();
    let filling: Vec<u8> = (0..info_length).map(|at| u8::try_from(at / 100 % 251).unwrap()).collect();
    let raw: Bytes = Dict::default()
        .bytes("filling", filling)
        .int("length", i64::try_from(length).unwrap())
        .bytes("name", "a")
        .int("piece length", i64::from(PIECE))
        .bytes("pieces", pieces.concat())
        .encode()
        .into();
    let content = Content {
        hashes: InfoHashes::v1(InfoHash(sha1(&raw))),
        layout: Layout::new(length as u64, PIECE.into()).unwrap(),
        trees: Vec::new(),
        piece_layers: BTreeMap::new(),
        piece_hashes_v1: Some(pieces.into_boxed_slice()),
        raw_info: Some(raw),
        private: false,
    };
    Publication { content: Arc::new(content), line: line.into() }
}

pub fn sha1(bytes: &[u8]) -> [u8; 20] {
    use sha1::Digest as _;
    sha1::Sha1::digest(bytes).into()
}

/// One brain with its disk.
#[derive(Debug)]
pub struct Peer {
    pub brain: Torrent,
    pub id: PeerId,
    pub disk: Vec<u8>,
    /// The other end of each connection; none when it is closed.
    pub ends: Vec<Option<(usize, PeerKey)>>,
    pub closed: Vec<(usize, CloseReason)>,
    pub info: Option<Bytes>,
    /// What every message it sends becomes on its way.
    pub spoil: fn(Message) -> Option<Message>,
    /// Whether its blocks reach the others.
    pub gives: bool,
    /// Messages it sent.
    pub sent: Vec<Message>,
}

/// All of them.
#[derive(Debug)]
pub struct Room {
    pub now: Moment,
    pub publication: Publication,
    pub peers: Vec<Peer>,
    waiting: VecDeque<(usize, Input)>,
}

impl Room {
    pub fn new(publication: Publication) -> Self {
        Self {
            now: Moment::START + Duration::from_secs(1000),
            publication,
            peers: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    /// One that has all of it.
    pub fn seed(&mut self) -> usize {
        let have = Bitfield::full(self.publication.content.layout.pieces());
        let content = Some(Arc::clone(&self.publication.content));
        self.add(content, have, TorrentConfig::default())
    }

    /// One that knows the torrent and has nothing of it.
    pub fn leech(&mut self) -> usize {
        let have = Bitfield::empty(self.publication.content.layout.pieces());
        let content = Some(Arc::clone(&self.publication.content));
        self.add(content, have, TorrentConfig::default())
    }

    /// One that knows the names only.
    pub fn newcomer(&mut self) -> usize {
        self.add(None, Bitfield::empty(0), TorrentConfig::default())
    }

    pub fn add(&mut self, content: Option<Arc<Content>>, have: Bitfield, config: TorrentConfig) -> usize {
        let number = self.peers.len();
        let mut id = *b"-EJ0001-aaaaaaaaaaaa";
        id[19] = b'a' + u8::try_from(number).unwrap();
        let id = PeerId(id);
        let disk = if have.is_full() && content.is_some() {
            self.publication.line.to_vec()
        } else {
            vec![0; self.publication.line.len()]
        };
        let start = TorrentStart { hashes: self.publication.content.hashes, content, have, paused: false };
        let config = TorrentConfig { peer_id: id, listen_port: Some(7000), ..config };
        let brain = Torrent::new(config, start, number as u64, self.now);
        let (closed, info, sent) = (Vec::new(), None, Vec::new());
        self.peers.push(Peer {
            brain,
            id,
            disk,
            ends: Vec::new(),
            closed,
            info,
            spoil: Some,
            gives: true,
            sent,
        });
        number
    }

    /// Connects two of them; they speak everything.
    pub fn meet(&mut self, one: usize, other: usize) {
        self.meet_as(one, other, true);
    }

    /// Connects two of them, which speak nothing but BEP 3 unless they are `modern`.
    pub fn meet_as(&mut self, one: usize, other: usize, modern: bool) {
        let keys = [one, other].map(|peer| PeerKey(u32::try_from(self.peers[peer].ends.len()).unwrap()));
        self.peers[one].ends.push(Some((other, keys[1])));
        self.peers[other].ends.push(Some((one, keys[0])));
        for (at, far, peer, outgoing) in [(one, other, keys[0], true), (other, one, keys[1], false)] {
            let port = if outgoing { 7000 } else { 40_000 };
            let address = SocketAddr::from(([10, 0, 0, u8::try_from(far).unwrap()], port));
            let peer_id = self.peers[far].id;
            let (fast, extended, v2) = (modern, modern, modern);
            let input = Input::Connected {
                peer,
                peer_id,
                address,
                outgoing,
                fast,
                extended,
                v2,
                dht: false,
                utp: false,
            };
            self.waiting.push_back((at, input));
        }
        self.settle();
    }

    /// One of them hears something.
    pub fn tell(&mut self, peer: usize, input: Input) {
        self.waiting.push_back((peer, input));
        self.settle();
    }

    /// Lets everything happen that happens at once.
    pub fn settle(&mut self) {
        while let Some((peer, input)) = self.waiting.pop_front() {
            self.peers[peer].brain.handle_input(input, self.now);
            self.peers[peer].brain.check_invariants();
            while let Some(output) = self.peers[peer].brain.poll_output() {
                self.obey(peer, output);
            }
        }
    }

    /// Lets time pass in steps of 50 ms until `done`, at most `most`; says whether it came to that.
    pub fn run(&mut self, most: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + most;
        while !done(self) {
            if self.now >= end {
                return false;
            }
            self.now = self.now + Duration::from_millis(50);
            for peer in 0..self.peers.len() {
                self.waiting.push_back((peer, Input::Timeout));
            }
            self.settle();
        }
        true
    }

    pub fn is_complete(&self, peer: usize) -> bool {
        let have = self.peers[peer].brain.have();
        have.len() == self.publication.content.layout.pieces() && have.is_full()
    }

    pub fn is_connected(&self, one: usize, other: usize) -> bool {
        self.peers[one].ends.iter().flatten().any(|(far, _)| *far == other)
    }

    fn obey(&mut self, at: usize, output: Output) {
        let layout = self.publication.content.layout.clone();
        match output {
            Output::Close { peer, reason } => {
                if let Some((far, key)) = self.peers[at].ends[peer.0 as usize].take() {
                    self.peers[at].closed.push((far, reason));
                    self.peers[far].ends[key.0 as usize] = None;
                    self.waiting.push_back((far, Input::Disconnected { peer: key }));
                }
            }
            Output::Send { peer, message } => {
                self.peers[at].sent.push(message.clone());
                let spoilt = (self.peers[at].spoil)(message);
                if let (Some(message), Some((far, key))) = (spoilt, self.peers[at].ends[peer.0 as usize]) {
                    self.waiting.push_back((far, Input::Message { peer: key, message }));
                }
            }
            Output::Upload { peer, span } => {
                self.waiting.push_back((at, Input::Uploaded { peer, span }));
                let end = self.peers[at].ends[peer.0 as usize].filter(|_| self.peers[at].gives);
                let Some((far, key)) = end else { return };
                let from = usize::try_from(layout.offset(span.piece())).unwrap() + span.begin() as usize;
                let data = &self.peers[at].disk[from..from + span.length() as usize];
                let range = Range { index: span.piece().get(), begin: span.begin(), length: span.length() };
                let data = Bytes::copy_from_slice(data);
                self.waiting.push_back((far, Input::Block { peer: key, range, data, leaf: None }));
            }
            Output::Write { block, data } => {
                let from = usize::try_from(layout.offset(block.piece)).unwrap() + block.begin() as usize;
                self.peers[at].disk[from..from + data.len()].copy_from_slice(&data);
                self.waiting.push_back((at, Input::Written { block }));
            }
            Output::HashPiece { piece } => {
                let from = usize::try_from(layout.offset(piece)).unwrap();
                let piece_of_disk = &self.peers[at].disk[from..from + layout.length(piece) as usize];
                let sha1 = Some(sha1(piece_of_disk));
                self.waiting.push_back((at, Input::PieceHashed { piece, sha1 }));
            }
            Output::InfoReceived { raw } => {
                assert!(self.peers[at].info.replace(raw).is_none(), "received twice");
                let content = Arc::clone(&self.publication.content);
                let have = Bitfield::empty(layout.pieces());
                self.waiting.push_back((at, Input::ContentKnown { content, have }));
            }
            _ => {}
        }
    }
}
