//! The brain of a torrent between strangers: bytes become connections, messages, true and false blocks,
//! failing disks and time, against a model that knows the truth.
//!
//! Laws: a piece is called verified only when its bytes on the disk are right; only verified bytes are given
//! away, and few at a time; whoever is banned has lied; nothing is written that nobody asked for; an input
//! has a bounded answer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::swarm::TorrentStart;
use ::swarm::{
    Alert, Command, Content, DialFailure, Input, Output, PeerKey, PeerSource, Torrent, TorrentConfig,
};
use ::wire::{Message, Range};
use bytes::Bytes;
use sha1::{Digest, Sha1};
use shared::{Bitfield, BlockRef, InfoHash, InfoHashes, Layout, Moment, PeerId};

const PIECE_LENGTH: u32 = 32 * 1024;
const TOTAL: u64 = 4 * PIECE_LENGTH as u64 + 20_000;
/// The most that may be on its way to one peer.
const MOST_ON_ITS_WAY: u32 = 2 << 20;
/// More outputs than this for one input would be a flood.
const MOST_OUTPUTS: usize = 20_000;

/// Runs the brain as the bytes say.
pub(crate) fn torrent(bytes: &[u8]) {
    let mut world = World::new();
    let mut script = Script(bytes);
    while let Some(word) = script.byte() {
        world.act(word, &mut script);
        world.torrent.check_invariants();
    }
}

struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

struct World {
    torrent: Torrent,
    layout: Layout,
    now: Moment,
    truth: Vec<u8>,
    disk: Vec<u8>,
    verified: BTreeSet<u32>,
    requests: BTreeMap<PeerKey, VecDeque<Range>>,
    on_their_way: BTreeMap<PeerKey, VecDeque<shared::Span>>,
    writes: VecDeque<BlockRef>,
    liars: BTreeSet<PeerId>,
}

impl World {
    fn new() -> Self {
        let layout = Layout::new(TOTAL, PIECE_LENGTH.into()).unwrap_or_else(|_| Layout::empty());
        let truth: Vec<u8> =
            (0..TOTAL).map(|at| u8::try_from((at / 7 + at / 16_384) % 251).unwrap_or(0)).collect();
        let pieces: Vec<[u8; 20]> =
            truth.chunks(PIECE_LENGTH as usize).map(|piece| Sha1::digest(piece).into()).collect();
        let hashes = InfoHashes::v1(InfoHash([7; 20]));
        let content = Content {
            hashes,
            layout: layout.clone(),
            trees: Vec::new(),
            piece_layers: BTreeMap::new(),
            piece_hashes_v1: Some(pieces.into_boxed_slice()),
            raw_info: None,
            private: false,
        };
        let config = TorrentConfig {
            listen_port: Some(7000),
            dht_port: Some(7001),
            utp: true,
            ..TorrentConfig::default()
        };
        let have = Bitfield::empty(layout.pieces());
        let start = TorrentStart { hashes, content: Some(Arc::new(content)), have, paused: false };
        Self {
            torrent: Torrent::new(config, start, 1, Moment::default()),
            layout,
            now: Moment::default(),
            disk: vec![0; truth.len()],
            truth,
            verified: BTreeSet::new(),
            requests: BTreeMap::new(),
            on_their_way: BTreeMap::new(),
            writes: VecDeque::new(),
            liars: BTreeSet::new(),
        }
    }

    /// One word of the script.
    fn act(&mut self, word: u8, script: &mut Script<'_>) {
        let peer = PeerKey(u32::from(word >> 5));
        match word & 0x1f {
            0..=2 => self.connect(peer, script.byte().unwrap_or(0)),
            3 => self.disconnect(peer),
            4..=9 => self.message(peer, script),
            10..=15 => self.block(peer, true),
            16..=17 => self.block(peer, false),
            18..=20 => self.written(word & 0x80 == 0),
            21..=22 => self.uploaded(peer),
            23 => {
                let addresses = vec![address(peer), SocketAddr::from(([0, 0, 0, 0], 0))];
                self.input(Input::PeersFound { addresses, source: PeerSource::Tracker });
            }
            24 => self.input(Input::DialFailed { address: address(peer), reason: DialFailure::Refused }),
            25 => self.input(Input::Command(Command::Pause)),
            26..=27 => self.input(Input::Command(Command::Resume)),
            _ => {
                let wait = Duration::from_millis(u64::from(script.byte().unwrap_or(0)) * 200);
                self.now = Moment::from_start(self.now.since_start() + wait);
                self.input(Input::Timeout);
            }
        }
    }

    fn connect(&mut self, peer: PeerKey, flags: u8) {
        if self.requests.contains_key(&peer) {
            return;
        }
        self.requests.insert(peer, VecDeque::new());
        self.input(Input::Connected {
            peer,
            peer_id: id(peer),
            address: address(peer),
            outgoing: flags & 1 != 0,
            fast: flags & 2 != 0,
            extended: flags & 4 != 0,
            v2: flags & 8 != 0,
            dht: flags & 16 != 0,
            utp: flags & 32 != 0,
        });
    }

    fn disconnect(&mut self, peer: PeerKey) {
        if self.requests.remove(&peer).is_some() {
            self.on_their_way.remove(&peer);
            self.input(Input::Disconnected { peer });
        }
    }

    /// Any message, as a stranger would write it.
    fn message(&mut self, peer: PeerKey, script: &mut Script<'_>) {
        let length = script.byte().unwrap_or(0);
        let body = script.take(usize::from(length % 64));
        let mut frame = u32::try_from(body.len()).unwrap_or(0).to_be_bytes().to_vec();
        frame.extend_from_slice(body);
        let Ok(Some(message)) = ::wire::codec::decode(&mut Bytes::from(frame)) else { return };
        if !self.requests.contains_key(&peer) {
            return;
        }
        if let Message::Piece { index, begin, data } = message {
            self.liars.insert(id(peer));
            let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
            self.input(Input::Block { peer, range: Range { index, begin, length }, data, leaf: None });
        } else {
            self.input(Input::Message { peer, message });
        }
    }

    /// The answer to the oldest request to a peer.
    fn block(&mut self, peer: PeerKey, honest: bool) {
        let Some(range) = self.requests.get_mut(&peer).and_then(VecDeque::pop_front) else { return };
        let from = range.index as usize * PIECE_LENGTH as usize + range.begin as usize;
        let mut data = self.truth[from..from + range.length as usize].to_vec();
        if !honest {
            data[0] ^= 1;
            self.liars.insert(id(peer));
        }
        self.input(Input::Block { peer, range, data: data.into(), leaf: None });
    }

    fn written(&mut self, well: bool) {
        if let Some(block) = self.writes.pop_front() {
            let failed = Input::WriteFailed { block, full: true };
            self.input(if well { Input::Written { block } } else { failed });
        }
    }

    fn uploaded(&mut self, peer: PeerKey) {
        if let Some(span) = self.on_their_way.get_mut(&peer).and_then(VecDeque::pop_front) {
            self.input(Input::Uploaded { peer, span });
        }
    }

    /// One input, then all outputs and what a body would do at once.
    fn input(&mut self, input: Input) {
        let mut waiting = VecDeque::from([input]);
        let mut outputs = 0;
        while let Some(input) = waiting.pop_front() {
            self.torrent.handle_input(input, self.now);
            while let Some(output) = self.torrent.poll_output() {
                outputs += 1;
                assert!(outputs < MOST_OUTPUTS, "an input has a bounded answer");
                waiting.extend(self.obey(output));
            }
        }
    }

    fn obey(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Send { peer, message: Message::Request(range) } => {
                let inside = self.layout.span(range.index, range.begin, range.length).is_some();
                assert!(inside, "asks only for what there is: {range:?}");
                self.requests.entry(peer).or_default().push_back(range);
            }
            Output::Write { block, data } => {
                let from = self.start_of(block);
                self.disk[from..from + data.len()].copy_from_slice(&data);
                self.writes.push_back(block);
            }
            Output::HashPiece { piece } => {
                let sha1 = Some(Sha1::digest(&self.disk[self.bytes_of(piece.get())]).into());
                return Some(Input::PieceHashed { piece, sha1 });
            }
            Output::Verified { piece } => {
                let bytes = self.bytes_of(piece.get());
                assert!(self.disk[bytes.clone()] == self.truth[bytes], "{piece:?} is verified and wrong");
                assert!(self.verified.insert(piece.get()), "{piece:?} is verified twice");
            }
            Output::Upload { peer, span } => {
                assert!(self.verified.contains(&span.piece().get()), "gives away what is not verified");
                let on_its_way = self.on_their_way.entry(peer).or_default();
                on_its_way.push_back(span);
                let bytes: u32 = on_its_way.iter().map(|span| span.length()).sum();
                assert!(bytes <= MOST_ON_ITS_WAY, "{bytes} bytes on their way to one peer");
            }
            Output::Dial { address } | Output::Punch { address } => {
                let ip = address.ip();
                let possible = !ip.is_unspecified() && !ip.is_multicast() && !ip.is_loopback();
                assert!(address.port() != 0 && possible, "dials {address}");
            }
            Output::DhtNode { address } => assert_ne!(address.port(), 0, "a node without a port"),
            Output::Close { peer, .. } => {
                self.requests.remove(&peer);
                self.on_their_way.remove(&peer);
            }
            Output::Alert(Alert::Banned { peer_id, .. }) => {
                assert!(self.liars.contains(&peer_id), "an honest peer is banned");
            }
            _ => {}
        }
        None
    }

    fn start_of(&self, block: BlockRef) -> usize {
        usize::try_from(self.layout.offset(block.piece)).unwrap_or(0) + block.begin() as usize
    }

    fn bytes_of(&self, piece: u32) -> std::ops::Range<usize> {
        let from = piece as usize * PIECE_LENGTH as usize;
        from..(from + PIECE_LENGTH as usize).min(self.truth.len())
    }
}

fn id(peer: PeerKey) -> PeerId {
    PeerId([b'a' + u8::try_from(peer.0).unwrap_or(0); 20])
}

fn address(peer: PeerKey) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 6000 + u16::try_from(peer.0).unwrap_or(0)))
}
