//! One torrent: a loop around its brain. It waits for an inbox and a deadline, hands in what happened,
//! and does what comes out. Nothing in it waits for a disk, a socket or another torrent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared::path::SafePath;
use shared::{Bitfield, InfoHashes, Moment, PeerId, PieceIndex};
use swarm::{Input, Output, PeerKey, Torrent};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::connection::{Connection, Event, Inbox, Place, Shaken};
use crate::dialer::{self, By};
use crate::disk::source::{Changed, Source};
use crate::shared_parts::Parts;
use crate::status::State;
use crate::torrent::Command;
use crate::torrent::disk_full::DiskFull;
use crate::torrent::files;
use crate::torrent::known::KnownMetainfo;
use crate::torrent::lost::Lost;
use crate::torrent::prepare::{News, Shape};
use crate::torrent::view::View;
use crate::torrent::writes::Writes;

/// How many events are taken from the inbox at once.
const AT_ONCE: usize = 64;

/// How many things are kept for a brain that is not there yet.
const MOST_EARLY: usize = 256;

/// A torrent at work.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) parts: Arc<Parts>,
    pub(crate) hashes: InfoHashes,
    pub(crate) place: Arc<Place>,
    pub(crate) own_inbox: Inbox,
    /// There once the place on disk is ready (or when only the names are known).
    pub(crate) brain: Option<Torrent>,
    pub(crate) shape: Option<Shape>,
    pub(crate) connections: BTreeMap<PeerKey, (Connection, PeerId)>,
    pub(crate) next_key: u32,
    /// Addresses that came before there was a brain.
    pub(crate) early: Vec<Input>,
    pub(crate) paused: bool,
    pub(crate) is_share: bool,
    pub(crate) view: View,
    pub(crate) disk_full: Option<DiskFull>,
    pub(crate) lost: Lost,
    /// Finishing and keeping under way.
    pub(crate) on_disk: usize,
    pub(crate) final_name: std::path::PathBuf,
    /// Leaves of the blocks of pieces that are not whole yet.
    pub(crate) leaves: BTreeMap<PieceIndex, Vec<[u8; 32]>>,
    /// Who gave how much in earlier runs.
    pub(crate) given_before: BTreeMap<PeerId, u64>,
    /// Preparation and checks end with this.
    pub(crate) end: CancellationToken,
    pub(crate) stopping: Vec<oneshot::Sender<()>>,
    /// Who waits for a pause: told once the blocks that had come before are written.
    pub(crate) pausing: Vec<oneshot::Sender<()>>,
    /// Who wants a torrent that failed to go on, while writes from before are still on their way: their
    /// failures belong to the past.
    pub(crate) resuming: Vec<oneshot::Sender<()>>,
    /// What failed and is done once more when the torrent goes on.
    pub(crate) failed: Option<Step>,
    /// The unfinished file or folder that an earlier run left, beneath the folder of downloads.
    pub(crate) left: Option<std::path::PathBuf>,
    pub(crate) batch: Outgoing,
    pub(crate) preparing: Option<tokio::task::JoinHandle<()>>,
    pub(crate) news: mpsc::Sender<News>,
    pub(crate) changes: mpsc::Sender<Changed>,
    pub(crate) metainfo: Arc<KnownMetainfo>,
    /// Where to put what only its names are known of.
    pub(crate) into: std::path::PathBuf,
    pub(crate) rename: Option<SafePath>,
    /// Where torrent files are kept.
    pub(crate) kept: std::path::PathBuf,
}

/// A step of a torrent's life that is made beside its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A place is found.
    Prepare,
    /// The final name is given.
    Finish,
}

/// What comes out of the brain in one turn, to be handed on at its end.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    writes: Writes,
    wake: BTreeSet<PeerKey>,
}

/// What a task listens to.
#[derive(Debug)]
pub(crate) struct Ears {
    pub(crate) inbox: mpsc::Receiver<Event>,
    pub(crate) news: mpsc::Receiver<News>,
    pub(crate) changes: mpsc::Receiver<Changed>,
}

impl Task {
    /// Runs until it is told to stop.
    pub(crate) async fn run(mut self, mut ears: Ears) {
        let mut events = Vec::with_capacity(AT_ONCE);
        self.publish();
        loop {
            let deadline = self.deadline();
            let clock = self.parts.clock;
            tokio::select! {
                count = ears.inbox.recv_many(&mut events, AT_ONCE) => if count == 0 { break },
                Some(news) = ears.news.recv() => self.news(news),
                Some(changed) = ears.changes.recv() => self.changed(changed),
                () = clock.sleep_until(deadline) => {}
            }
            for event in events.drain(..) {
                self.event(event);
            }
            if !self.pausing.is_empty() && self.batch.writes.is_empty() {
                self.publish();
                answer(&mut self.pausing);
            }
            if !self.resuming.is_empty() && self.is_on_disk() {
                self.resume();
            }
            self.look_at_clock();
            self.flush();
            if !self.stopping.is_empty() && self.is_on_disk() && self.connections.is_empty() {
                break;
            }
        }
        self.record_givers();
        self.end.cancel();
        if let Some(preparing) = self.preparing.take() {
            let _ = preparing.await.is_ok();
        }
        if let Some(source) = self.place.source.get() {
            source.storage().close();
        }
        self.publish();
        answer(&mut self.stopping);
    }

    /// Whether nothing of it is on its way to the disk.
    fn is_on_disk(&self) -> bool {
        self.on_disk == 0 && self.batch.writes.is_empty()
    }

    pub(crate) fn now(&self) -> Moment {
        self.parts.clock.now()
    }

    fn deadline(&self) -> Option<Moment> {
        let brain = self.brain.as_ref().and_then(Torrent::next_timeout);
        let probe = self.disk_full.as_ref().map(DiskFull::next_probe);
        let view = self.view.next_refresh(!self.connections.is_empty());
        [brain, probe, view, self.lost.next_look()].into_iter().flatten().min()
    }

    fn look_at_clock(&mut self) {
        let now = self.now();
        if self.brain.as_ref().and_then(Torrent::next_timeout).is_some_and(|due| due <= now) {
            self.input(Input::Timeout);
        }
        if self.disk_full.as_ref().is_some_and(|full| full.next_probe() <= now) {
            self.probe_room();
        }
        if self.lost.next_look().is_some_and(|due| due <= now) {
            self.look_for_lost();
        }
        if self.view.is_due(now, !self.connections.is_empty()) {
            self.publish();
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Inputs(inputs) => inputs.into_iter().for_each(|input| self.input(input)),
            Event::Attach(shaken) => self.attach(*shaken),
            Event::Gone(peer) => {
                self.connections.remove(&peer);
                self.input(Input::Disconnected { peer });
            }
            Event::Finished(outcome) => {
                self.on_disk -= 1;
                match outcome {
                    Ok(finished) => self.finished(finished),
                    Err(error) => self.fail_at(Step::Finish, error),
                }
            }
            Event::Kept(outcome) => {
                self.on_disk -= 1;
                if let Err(error) = outcome {
                    self.fail(error);
                }
            }
            Event::FileTrouble(error) => self.fail(error),
            Event::Found(pieces) => self.found(pieces),
            Event::Room(free) => self.room(free),
            Event::Command(command) => self.command(command),
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Peers(addresses, source) => self.input(Input::PeersFound { addresses, source }),
            Command::Pause(done) => {
                self.paused = true;
                self.record_paused();
                self.input(Input::Command(swarm::Command::Pause));
                self.publish();
                self.pausing.push(done);
                answer(&mut self.resuming);
            }
            Command::Resume(done) => {
                answer(&mut self.pausing);
                self.resuming.push(done);
                if self.view.state != State::Error {
                    self.resume();
                }
            }
            Command::ViewPeers(answer) => {
                let peers = self.brain.as_ref().map(|brain| brain.peers(self.now())).unwrap_or_default();
                let _ = answer.send(peers.iter().map(View::peer).collect()).is_ok();
            }
            Command::ViewPieces(answer) => {
                let have =
                    self.brain.as_ref().map_or_else(|| Bitfield::empty(0), |brain| brain.have().clone());
                let _ = answer.send(have).is_ok();
            }
            Command::KnownPeers(answer) => {
                let known = self.brain.as_ref().map(|brain| brain.known_peers(self.now()));
                let _ = answer.send(known.unwrap_or_default()).is_ok();
            }
            Command::TrackerChanged => self.input(Input::Command(swarm::Command::TrackerChanged)),
            Command::Stop(done) => {
                self.stopping.push(done);
                self.end.cancel();
                self.input(Input::Command(swarm::Command::Stop));
                for (connection, _) in self.connections.values() {
                    connection.end.cancel();
                }
            }
        }
    }

    /// A connection has shaken hands: it belongs to the brain from now on.
    fn attach(&mut self, shaken: Shaken) {
        if self.brain.is_none() || !self.stopping.is_empty() {
            return;
        }
        let peer = PeerKey(self.next_key);
        self.next_key += 1;
        let (greeting, address, outgoing) = (shaken.greeting, shaken.address, shaken.outgoing);
        let utp = shaken.stream.is_utp();
        let connection = Connection::start(shaken, peer, self.own_inbox.clone(), Arc::clone(&self.place));
        self.connections.insert(peer, (connection, greeting.peer_id));
        self.input(Input::Connected {
            peer,
            peer_id: greeting.peer_id,
            address,
            outgoing,
            fast: greeting.fast,
            extended: greeting.extended,
            v2: greeting.v2,
            dht: greeting.dht,
            utp,
        });
    }

    /// Hands one thing to the brain and does what it says.
    pub(crate) fn input(&mut self, input: Input) {
        match &input {
            Input::Written { .. } => {
                self.batch.writes.settled();
                self.wrote();
            }
            Input::WriteFailed { .. } => self.batch.writes.settled(),
            Input::Block { peer, data, range, leaf } => {
                if let Some((_, peer_id)) = self.connections.get(peer) {
                    self.view.count(*peer_id, data.len());
                }
                if let Some(leaf) = leaf {
                    self.note_leaf(*range, *leaf);
                }
            }
            _ => {}
        }
        let now = self.now();
        let Some(brain) = self.brain.as_mut() else {
            let keep = matches!(input, Input::PeersFound { .. } | Input::Command(_));
            if keep && self.early.len() < MOST_EARLY {
                self.early.push(input);
            }
            return;
        };
        brain.handle_input(input, now);
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.brain.as_mut().and_then(Torrent::poll_output) {
            self.output(output);
        }
    }

    fn output(&mut self, output: Output) {
        match output {
            Output::Dial { address } => {
                dialer::dial(&self.parts, self.hashes, address, By::Any, self.own_inbox.clone());
            }
            Output::Close { peer, reason } => {
                if let Some((connection, _)) = self.connections.get(&peer) {
                    tracing::debug!(peer = peer.0, %reason, "connection closed");
                    connection.end.cancel();
                }
            }
            Output::Send { peer, message } => {
                if let Some((connection, _)) = self.connections.get(&peer) {
                    if connection.outbox.send(&message) {
                        self.batch.wake.insert(peer);
                    } else {
                        tracing::debug!(peer = peer.0, "connection closed: it takes nothing");
                        connection.end.cancel();
                    }
                }
            }
            Output::Upload { peer, span } => {
                if let Some((connection, _)) = self.connections.get(&peer) {
                    connection.outbox.upload(span);
                    self.batch.wake.insert(peer);
                }
            }
            Output::Write { block, data } => self.batch.writes.push((block, data)),
            Output::HashPiece { piece } => self.with_source(|source, inbox, parts| {
                files::hash_piece(source, parts, inbox, piece);
            }),
            Output::DigestBlocks { piece } => self.with_source(|source, inbox, parts| {
                files::digest_blocks(source, parts, inbox, piece);
            }),
            Output::ReadHashes { peer, range } => self.with_source(|source, inbox, parts| {
                files::read_hashes(source, parts, inbox, peer, range);
            }),
            Output::Verified { piece } => self.verified(piece),
            Output::Completed => self.complete(),
            Output::InfoReceived { raw } => self.info_received(&raw),
            Output::PieceLayers { layers } => self.layers_received(layers),
            Output::Punch { address } => {
                dialer::dial(&self.parts, self.hashes, address, By::Utp, self.own_inbox.clone());
            }
            Output::DhtNode { address } => {
                // A node that has no time for more knows enough of them.
                let _ = self.parts.dht_nodes.get().map(|nodes| nodes.try_send(address));
            }
            Output::Alert(alert) => self.alert(alert),
        }
    }

    fn with_source(&self, act: impl FnOnce(Arc<Source>, Inbox, &Parts)) {
        if let Some(source) = self.place.source.get() {
            act(Arc::clone(source), self.own_inbox.clone(), &self.parts);
        }
    }

    /// Hands on what one turn brought: one job for the disk, one wake-up for each writer.
    fn flush(&mut self) {
        if let Some(job) = self.batch.writes.next_job() {
            self.with_source(|source, inbox, parts| files::write(source, parts, inbox, job));
        }
        for peer in std::mem::take(&mut self.batch.wake) {
            if let Some((connection, _)) = self.connections.get(&peer) {
                connection.outbox.wake();
            }
        }
    }

    pub(crate) fn record_paused(&self) {
        let paused = self.paused;
        self.parts.recorder.update(self.id(), |entry| entry.paused = paused);
    }

    pub(crate) fn id(&self) -> shared::InfoHash {
        self.hashes.primary()
    }

    /// Shows how things are now.
    pub(crate) fn publish(&mut self) {
        let now = self.now();
        self.view.publish(self.brain.as_ref(), self.paused, self.disk_full.is_some(), now);
    }
}

/// Tells everybody who waits that it is so. Whoever has given up waiting needs no answer.
pub(crate) fn answer(waiting: &mut Vec<oneshot::Sender<()>>) {
    for done in waiting.drain(..) {
        let _ = done.send(()).is_ok();
    }
}
