//! One torrent: composes the parts and is the only face of this crate.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use shared::{Bitfield, InfoHashes, Layout, Moment};
use wire::Message;

use crate::config::{SuperSeed, TorrentConfig};
use crate::content::Content;
use crate::dice::{self, Dice};
use crate::download::Download;
use crate::holepunch::Meetings;
use crate::io::{Alert, CloseReason, Command, Input, Output};
use crate::metadata::MetadataFetch;
use crate::outbox::Outbox;
use crate::peer::Peer;
use crate::peer_list::PeerList;
use crate::peers::Peers;
use crate::spread::Spread;
use crate::turn::{Culprit, Turn};
use crate::upload::Upload;

/// How often keep-alives, snubbing and the choker are looked at.
const TICK: Duration = Duration::from_secs(1);
/// How often idle peers are tried again at the end of a download.
const ENDGAME_TICK: Duration = Duration::from_millis(50);

/// What a torrent knows when it starts.
#[derive(Debug, Clone)]
pub struct TorrentStart {
    /// Its names.
    pub hashes: InfoHashes,
    /// Its content; `None` when only the names are known (BEP 9 fetches the rest).
    pub content: Option<Arc<Content>>,
    /// The pieces that are on disk and verified; none when the length does not fit.
    pub have: Bitfield,
    /// Starts as after a pause.
    pub paused: bool,
}

/// The brain of one torrent; see the head of the crate for how it is driven.
#[derive(Debug)]
pub struct Torrent {
    pub(crate) config: TorrentConfig,
    pub(crate) dice: Dice,
    pub(crate) out: Outbox,
    pub(crate) peers: Peers,
    pub(crate) list: PeerList,
    pub(crate) meetings: Meetings,
    pub(crate) download: Download,
    pub(crate) upload: Upload,
    pub(crate) metadata: MetadataFetch,
    pub(crate) content_known: bool,
    /// Where we listen, by the word of those who are connected; `None` until it is asked for again.
    pub(crate) seen_as: Option<BTreeSet<SocketAddr>>,
    /// What our extension handshakes say (BEP 21).
    upload_only: bool,
    pub(crate) paused: bool,
    pub(crate) stopped: bool,
    next_tick: Moment,
    next_endgame: Moment,
    timeout: Option<Moment>,
    /// Until then nothing follows an input that changes nothing but the books.
    quiet_until: Moment,
}

impl Torrent {
    /// A torrent at the moment `now`. `seed` is all its dice come from.
    pub fn new(config: TorrentConfig, start: TorrentStart, seed: u64, now: Moment) -> Self {
        let content_known = start.content.is_some();
        let content = start.content.unwrap_or_else(|| Arc::new(nothing_known(start.hashes)));
        let mut torrent = Self {
            list: PeerList::new(config.max_known_peers),
            meetings: Meetings::default(),
            download: Download::new(content, start.have),
            upload: Upload::new(now),
            config,
            dice: dice::seeded(seed),
            out: Outbox::default(),
            peers: Peers::default(),
            metadata: MetadataFetch::default(),
            seen_as: None,
            upload_only: false,
            content_known,
            paused: start.paused,
            stopped: false,
            next_tick: now,
            next_endgame: now,
            timeout: None,
            quiet_until: now,
        };
        torrent.download.halted = torrent.paused;
        torrent.upload_only = torrent.content_known && torrent.download.is_complete();
        torrent
    }

    /// Takes in one thing that happened.
    pub fn handle_input(&mut self, input: Input, now: Moment) {
        if let Input::Message { peer, message: Message::Have(index) } = input
            && now < self.quiet_until
            && self.download.note(peer, index, &mut self.peers, now)
        {
            return;
        }
        match input {
            Input::Connected { .. } => self.connected(&input, now),
            Input::Disconnected { peer } => self.disconnected(peer, now),
            Input::DialFailed { address, reason: _ } => {
                if self.list.failed(address, &mut self.dice, now) {
                    self.out.alert(Alert::Unreachable { address });
                }
                self.seek_meeting(address, now);
            }
            Input::PeersFound { addresses, source } => {
                self.peers_found(&addresses, source, now);
            }
            Input::ContentKnown { content, have } => self.content_known(content, have, now),
            Input::Command(command) => self.command(command, now),
            Input::Timeout => {}
            Input::Message { peer, message } => self.message(peer, message, now),
            Input::Block { peer, range, data, leaf } => {
                self.heard(peer, now);
                self.act(now, |download, _, turn| download.block(peer, range, data, leaf, turn));
            }
            Input::Written { block } => self.act(now, |download, _, turn| download.written(block, turn)),
            Input::WriteFailed { block, full } => {
                self.act(now, |download, _, turn| download.write_failed(block, full, turn));
            }
            Input::PieceHashed { piece, sha1 } => {
                self.act(now, |download, _, turn| download.piece_hashed(piece, sha1, turn));
            }
            Input::BlocksDigested { piece, digests } => {
                self.act(now, |download, _, turn| download.blocks_digested(piece, digests.as_deref(), turn));
            }
            Input::PieceLost { piece, again } => self.piece_lost(piece, again, now),
            Input::PieceFound { piece } => self.piece_found(piece, now),
            Input::Uploaded { peer, span } => {
                self.act(now, |_, upload, turn| upload.done(peer, span, true, turn));
            }
            Input::UploadFailed { peer, span } => {
                self.act(now, |_, upload, turn| upload.done(peer, span, false, turn));
            }
            Input::HashesRead { peer, range, hashes } => {
                self.hashes_read(peer, range, hashes, now);
            }
        }
        self.settle(now);
    }

    /// The next thing to do; call until there is none.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop()
    }

    /// When [`Input::Timeout`] should come if nothing else does.
    pub fn next_timeout(&self) -> Option<Moment> {
        self.timeout
    }

    /// Lets the parts act, then draws the consequences for the peers they complain about.
    pub(crate) fn act(&mut self, now: Moment, f: impl FnOnce(&mut Download, &mut Upload, &mut Turn<'_>)) {
        let (mut closing, mut culprits) = (Vec::new(), Vec::new());
        let mut turn = Turn {
            now,
            peers: &mut self.peers,
            out: &mut self.out,
            dice: &mut self.dice,
            config: &self.config,
            closing: &mut closing,
            culprits: &mut culprits,
        };
        f(&mut self.download, &mut self.upload, &mut turn);
        for culprit in culprits {
            self.ban(culprit, now);
        }
        for (peer, reason) in closing {
            self.close(peer, reason, now);
        }
    }

    /// What follows every input: idle peers get work, the link gets bytes, clocks are looked at.
    fn settle(&mut self, now: Moment) {
        if now >= self.next_tick && !self.stopped {
            self.next_tick = now + TICK;
            self.tick(now);
        }
        if self.upload.spread.is_none() && self.content_known && self.download.is_complete() {
            let layout = &self.download.content.layout;
            let (pieces, length) = (layout.pieces(), layout.piece_length());
            let advises = !self.config.classic_choke || self.config.super_seed == SuperSeed::On;
            self.upload.spread = advises.then(|| {
                let mut spread = Spread::new(pieces, length, &self.peers);
                self.download.given_up.ones().for_each(|piece| spread.withdraw(piece));
                spread
            });
        }
        if self.upload.newly_hidden {
            self.upload.newly_hidden = false;
            self.look_at_revealed(now);
        }
        let upload_only = self.content_known && self.download.is_complete();
        if std::mem::replace(&mut self.upload_only, upload_only) != upload_only {
            self.greet_all(now);
        }
        let endgame = now >= self.next_endgame && self.download.wants_endgame_tick();
        if endgame {
            self.next_endgame = now + ENDGAME_TICK;
        }
        self.act(now, |download, upload, turn| {
            if endgame {
                download.fill_hungry(turn);
            }
            download.settle(turn);
            upload.pump(download.is_complete(), &download.picker.availability, turn);
        });
        self.dial(now);
        self.timeout = self.find_timeout();
        let stirs = self.download.has_freed()
            || self.upload.stirred
            || self.upload.hidden > 0
            || self.upload.spread.is_some();
        self.quiet_until = self.timeout.filter(|_| self.content_known && !stirs).unwrap_or(now);
    }

    fn find_timeout(&self) -> Option<Moment> {
        if self.stopped || self.paused {
            return None;
        }
        let dial = self.list.next_due().filter(|_| self.has_room_to_dial());
        let tick = (!self.peers.is_empty()).then_some(self.next_tick);
        let endgame = self.download.wants_endgame_tick().then_some(self.next_endgame);
        [dial, tick, endgame, self.upload.next_timeout()].into_iter().flatten().min()
    }

    fn tick(&mut self, now: Moment) {
        self.look_after_connections(now);
        self.tell_acquaintances(now);
        self.look_after_meetings(now);
        self.metadata_tick(now);
        self.look_at_revealed(now);
        self.act(now, |download, upload, turn| {
            download.tick(turn);
            upload.tick(download.is_complete(), turn);
        });
    }

    fn command(&mut self, command: Command, now: Moment) {
        match command {
            Command::Pause => {
                self.paused = true;
                self.act(now, |download, _, turn| download.halt(turn));
                self.close_all(CloseReason::Paused, now);
            }
            Command::Resume => {
                self.paused = false;
                self.act(now, |download, _, turn| download.resume(turn));
            }
            Command::Stop => {
                self.stopped = true;
                self.download.halted = true;
                self.close_all(CloseReason::Stopped, now);
            }
            Command::TrackerChanged => self.tracker_changed(now),
        }
    }

    pub(crate) fn close_all(&mut self, reason: CloseReason, now: Moment) {
        for peer in self.peers.keys().collect::<Vec<_>>() {
            self.close(peer, reason, now);
        }
    }

    /// A false block has been proven: its sender is not spoken to any more.
    fn ban(&mut self, culprit: Culprit, now: Moment) {
        let Culprit { sender, piece, block } = culprit;
        let who = sender.who();
        if !self.list.ban(who) {
            return;
        }
        self.list.shun(sender.address, now + self.config.address_ban);
        let (peer_id, address) = (sender.peer_id, sender.address);
        self.out.alert(Alert::Banned { peer_id, address, piece, block });
        let theirs: Vec<_> =
            self.peers.values().filter(|peer| peer.identity.who() == who).map(Peer::key).collect();
        for peer in theirs {
            self.close(peer, CloseReason::Banned, now);
        }
    }

    fn content_known(&mut self, content: Arc<Content>, have: Bitfield, now: Moment) {
        if self.content_known {
            return;
        }
        self.content_known = true;
        let halted = self.download.halted;
        self.download = Download::new(content, have);
        self.download.halted = halted;
        let pieces = self.download.content.layout.pieces();
        self.enforce_private(now);
        let mut early = Vec::new();
        for peer in self.peers.values_mut() {
            peer.holdings.has = Bitfield::empty(pieces);
            early.extend(peer.about.early.take().into_iter().map(|message| (peer.key(), message)));
        }
        self.tell_late(now);
        self.greet_all(now);
        for key in self.peers.keys().collect::<Vec<_>>() {
            self.tell_dht_port(key, now);
        }
        for (peer, message) in early {
            self.message(peer, message, now);
        }
    }

    /// The pieces that are written and verified.
    pub fn have(&self) -> &Bitfield {
        &self.download.have
    }

    /// Bytes of blocks taken in, those that were thrown away included.
    pub fn downloaded(&self) -> u64 {
        self.download.rate.total()
    }

    /// Bytes of blocks handed to the network.
    pub fn uploaded(&self) -> u64 {
        self.upload.uploaded()
    }

    /// Bytes of blocks that came twice or were false.
    pub fn wasted(&self) -> u64 {
        self.download.wasted
    }

    /// Panics when the books of the parts contradict each other: for tests and simulations, at a cost
    /// that grows with pieces and peers.
    pub fn check_invariants(&self) {
        self.download.check_invariants(&self.peers);
        self.upload.check_invariants(&self.peers);
        self.list.check_invariants();
    }
}

/// Stands for the content until it is known: no pieces at all.
fn nothing_known(hashes: InfoHashes) -> Content {
    Content {
        hashes,
        layout: Layout::empty(),
        trees: Vec::new(),
        piece_layers: BTreeMap::new(),
        piece_hashes_v1: None,
        raw_info: None,
        private: false,
    }
}
