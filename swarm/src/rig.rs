//! For tests: one torrent on a bench, with a clock that is turned by hand and everything that came out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use shared::{Bitfield, InfoHash, InfoHashes, Layout, Moment, PeerId};

use wire::Message;
use wire::extended::handshake::ExtendedHandshake;
use wire::extended::{HANDSHAKE_ID, ut_holepunch, ut_pex};

use crate::config::TorrentConfig;
use crate::content::Content;
use crate::io::{CloseReason, Input, Output, PeerKey};
use crate::peer::Identity;
use crate::torrent::{Torrent, TorrentStart};

/// The numbers under which peers on the bench take these extensions.
pub(crate) const PEX: u8 = 10;
pub(crate) const PUNCH: u8 = 11;

/// Pieces of the torrent on the bench, of 32 KiB each.
pub(crate) const PIECES: u32 = 4;

/// A torrent under test.
pub(crate) struct Rig {
    pub(crate) torrent: Torrent,
    pub(crate) now: Moment,
    /// All that came out so far.
    pub(crate) seen: Vec<Output>,
    content: Option<Content>,
    next: u32,
}

/// How a connection begins.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Shake {
    pub(crate) outgoing: bool,
    pub(crate) dht: bool,
    pub(crate) utp: bool,
}

/// Where peer number `port` listens.
pub(crate) fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, u8::try_from(port % 250).unwrap() + 1], port))
}

/// A connection with nothing remarkable about it.
pub(crate) fn identity(key: PeerKey) -> Identity {
    let peer_id = PeerId([u8::try_from(key.0 % 250).unwrap(); 20]);
    let (outgoing, fast, extended, v2, dht, utp) = (false, true, true, true, false, false);
    Identity { key, peer_id, address: address(1), outgoing, fast, extended, v2, dht, utp }
}

fn content(private: bool) -> Content {
    let length = 32 * 1024;
    Content {
        hashes: InfoHashes::v1(InfoHash([7; 20])),
        layout: Layout::new(u64::from(PIECES * length), length.into()).unwrap(),
        trees: Vec::new(),
        piece_layers: BTreeMap::new(),
        piece_hashes_v1: Some(vec![[0; 20]; PIECES as usize].into_boxed_slice()),
        raw_info: None,
        private,
    }
}

impl Rig {
    fn new(content: Option<Content>, config: TorrentConfig) -> Self {
        Self::holding(content, Bitfield::empty(PIECES), config)
    }

    fn holding(content: Option<Content>, have: Bitfield, config: TorrentConfig) -> Self {
        let start = TorrentStart {
            hashes: InfoHashes::v1(InfoHash([7; 20])),
            content: content.clone().map(Arc::new),
            have,
            paused: false,
        };
        let torrent = Torrent::new(config, start, 1, Moment::START);
        Self { torrent, now: Moment::START, seen: Vec::new(), content, next: 1 }
    }

    /// A torrent that anybody may name peers of; it has no piece yet.
    pub(crate) fn public() -> Self {
        Self::new(Some(content(false)), TorrentConfig::default())
    }

    /// A private torrent.
    pub(crate) fn private() -> Self {
        Self::new(Some(content(true)), TorrentConfig::default())
    }

    /// A torrent of which only the names are known.
    pub(crate) fn unknown() -> Self {
        Self::new(None, TorrentConfig::default())
    }

    /// A torrent that is complete.
    pub(crate) fn complete() -> Self {
        Self::complete_with(TorrentConfig::default())
    }

    /// A torrent that is complete, with other settings.
    pub(crate) fn complete_with(config: TorrentConfig) -> Self {
        Self::holding(Some(content(false)), Bitfield::full(PIECES), config)
    }

    /// A peer of our own kind has reached us.
    pub(crate) fn ours(&mut self, port: u16) -> PeerKey {
        let key = PeerKey(self.next);
        self.next += 1;
        self.input(Input::Connected {
            peer: key,
            peer_id: PeerId(*b"-EJ0100-............"),
            address: (address(port).ip(), 50_000).into(),
            outgoing: false,
            fast: true,
            extended: true,
            v2: true,
            dht: false,
            utp: false,
        });
        key
    }

    /// The same from the start with other settings.
    pub(crate) fn with(self, config: TorrentConfig) -> Self {
        Self::new(self.content, config)
    }

    /// Hands one thing in and gives what comes out.
    pub(crate) fn input(&mut self, input: Input) -> Vec<Output> {
        self.torrent.handle_input(input, self.now);
        let outputs: Vec<_> = std::iter::from_fn(|| self.torrent.poll_output()).collect();
        self.seen.extend(outputs.iter().cloned());
        outputs
    }

    /// Lets seconds pass, one at a time, while every peer says that it is alive; gives what came out.
    pub(crate) fn pass(&mut self, seconds: u64) -> Vec<Output> {
        let mut outputs = Vec::new();
        for _ in 0..seconds {
            self.now = self.now + Duration::from_secs(1);
            outputs.extend(self.input(Input::Timeout));
            for view in self.torrent.peers(self.now) {
                let alive = Input::Message { peer: view.peer, message: Message::KeepAlive };
                outputs.extend(self.input(alive));
            }
        }
        outputs
    }

    /// The info dictionary has come.
    pub(crate) fn learn(&mut self, private: bool) -> Vec<Output> {
        let content = Arc::new(content(private));
        self.input(Input::ContentKnown { content, have: Bitfield::empty(PIECES) })
    }

    /// A connection with peer number `port`; its key counts from 1.
    pub(crate) fn connect(&mut self, port: u16, shake: Shake) -> Vec<Output> {
        let from = if shake.outgoing { address(port) } else { (address(port).ip(), 50_000).into() };
        self.shake_hands(from, u8::try_from(port % 250).unwrap() + 1, shake)
    }

    /// A connection with a peer at some other address.
    pub(crate) fn connect_from(&mut self, address: &str, shake: Shake) -> PeerKey {
        self.shake_hands(address.parse().unwrap(), 255, shake);
        PeerKey(self.next - 1)
    }

    fn shake_hands(&mut self, address: SocketAddr, id: u8, shake: Shake) -> Vec<Output> {
        let key = PeerKey(self.next);
        self.next += 1;
        self.input(Input::Connected {
            peer: key,
            peer_id: PeerId([id; 20]),
            address,
            outgoing: shake.outgoing,
            fast: true,
            extended: true,
            v2: false,
            dht: shake.dht,
            utp: shake.utp,
        })
    }

    /// We have reached peer number `port`.
    pub(crate) fn dialled(&mut self, port: u16) -> PeerKey {
        self.connect(port, Shake { outgoing: true, ..Shake::default() });
        PeerKey(self.next - 1)
    }

    /// Peer number `port` has reached us.
    pub(crate) fn came(&mut self, port: u16) -> PeerKey {
        self.connect(port, Shake::default());
        PeerKey(self.next - 1)
    }

    /// The extension handshake of a peer: it takes all that the bench knows.
    pub(crate) fn greet(&mut self, peer: PeerKey, mut said: ExtendedHandshake) {
        for (name, number) in [(ut_pex::NAME, PEX), (ut_holepunch::NAME, PUNCH)] {
            said.m.entry(name.to_owned()).or_insert(number);
        }
        let message = Message::Extended { id: HANDSHAKE_ID, payload: said.encode().into() };
        self.input(Input::Message { peer, message });
    }

    /// The number that our last extension handshake gives to an extension; `None` when it is not there.
    pub(crate) fn number_of(&self, name: &str) -> Option<u8> {
        let last = self.seen.iter().rev().find_map(|output| match output {
            Output::Send { message: Message::Extended { id: HANDSHAKE_ID, payload }, .. } => Some(payload),
            _ => None,
        });
        ExtendedHandshake::decode(last.unwrap()).unwrap().m.get(name).copied()
    }

    /// Why we ended the connection, if we did.
    pub(crate) fn closed(&self, key: PeerKey) -> Option<CloseReason> {
        self.seen.iter().find_map(|output| match output {
            Output::Close { peer, reason } if *peer == key => Some(*reason),
            _ => None,
        })
    }

    /// Every address that was dialled, in order.
    pub(crate) fn dials(&self) -> Vec<SocketAddr> {
        let dials = self.seen.iter().filter_map(|output| match output {
            Output::Dial { address } => Some(*address),
            _ => None,
        });
        dials.collect()
    }
}
