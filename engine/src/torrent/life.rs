//! The turning points of a torrent's life: its place is ready, it is complete, it fails, and what the
//! person hears of it.

use std::sync::Arc;

use download_status::Stage;
use swarm::{Input, Torrent};

use crate::alert::Alert;
use crate::error::TorrentError;
use crate::status::{Progress, State};
use crate::torrent::finish::Finished;
use crate::torrent::prepare::{News, Prepared};
use crate::torrent::task::{Step, Task, answer};

impl Task {
    pub(crate) fn news(&mut self, news: News) {
        match news {
            News::Checking(done, total) => {
                self.view.checking = Some(Progress { done, total });
                self.parts.alert(Alert::Checking { id: self.id(), done, total });
            }
            News::DiskFull { need, free } => {
                self.view.state = State::PausedDiskFull;
                self.publish();
                self.parts.alert(Alert::DiskFull { id: self.id(), need, free });
            }
            News::DiskRoom => {
                self.view.state = State::Waiting;
                self.publish();
                self.parts.alert(Alert::DiskRoom { id: self.id() });
            }
            News::Ready(prepared) => self.ready(prepared),
            News::Failed(error) => self.fail_at(Step::Prepare, error),
        }
        self.publish();
    }

    /// The place is there: the brain begins.
    pub(crate) fn ready(&mut self, prepared: Prepared) {
        let Prepared { source, have, checked, final_name, found } = prepared;
        self.final_name = final_name;
        self.view.begin(&source, &have);
        self.view.path = source.storage().path();
        let content = Arc::clone(source.content());
        let stage = match (found, self.is_share) {
            (false, _) => Stage::Downloading,
            (true, false) => Stage::Complete,
            (true, true) => Stage::Shared,
        };
        let complete = have.is_full();
        source.tell(self.changes.clone());
        let _ = self.place.storage.set(Arc::clone(source.storage())).is_ok();
        let _ = self.place.source.set(source).is_ok();
        self.record_place(&have, &checked, stage);
        if let Some(brain) = self.brain.as_mut() {
            brain.handle_input(Input::ContentKnown { content, have }, self.parts.clock.now());
            self.drain();
        } else {
            self.begin(Some(content), have);
        }
        if found {
            self.view.complete(self.view.path.clone());
            if !self.is_share {
                let (bytes, path) = (self.view.size(), self.view.path.clone());
                self.publish();
                self.parts.alert(Alert::Found { id: self.id(), bytes, path });
            }
        } else if complete {
            // Everything was there but the final name; an empty torrent is complete at once.
            self.complete();
        }
    }

    /// Makes the brain and hands it what came before it.
    pub(crate) fn begin(&mut self, content: Option<Arc<swarm::Content>>, have: shared::Bitfield) {
        let config = swarm::TorrentConfig {
            peer_id: self.parts.peer_id,
            listen_port: Some(self.parts.listen_port),
            utp: self.parts.utp.get().is_some(),
            pex: self.parts.config.pex,
            dht_port: self.parts.dht_port.get().copied(),
            client: self.parts.config.client.clone(),
            classic_choke: self.parts.config.classic_choke,
            super_seed: self.parts.config.super_seed,
            max_connections: self.parts.config.max_connections,
            ..swarm::TorrentConfig::default()
        };
        let start = swarm::TorrentStart { hashes: self.hashes, content, have, paused: self.paused };
        self.brain = Some(Torrent::new(config, start, rand::random(), self.now()));
        self.drain();
        for input in std::mem::take(&mut self.early) {
            self.input(input);
        }
    }

    pub(crate) fn finished(&mut self, finished: Finished) {
        tracing::info!(id = %self.id(), "download complete");
        self.record_complete(&finished.stamps);
        self.parts.torrents().release(&self.place);
        self.view.complete(finished.path.clone());
        let (elapsed, bytes) = (self.view.elapsed(self.now()), self.view.size());
        self.publish();
        self.parts.alert(Alert::Completed { id: self.id(), elapsed, bytes, path: finished.path });
    }

    pub(crate) fn alert(&mut self, alert: swarm::Alert) {
        let id = self.id();
        match alert {
            swarm::Alert::Banned { peer_id, address, piece, block } => {
                self.parts.alert(Alert::Banned { id, peer_id, address, piece: piece.get(), block });
            }
            swarm::Alert::PieceFailed { piece } => {
                tracing::warn!(%id, %piece, "a piece did not have its hash and is fetched again");
            }
            swarm::Alert::WriteFailed { full: true, .. } => self.disk_is_full(),
            // The disk thread has told what was wrong.
            swarm::Alert::WriteFailed { full: false, .. } => {}
            swarm::Alert::Unreachable { address } => self.parts.alert(Alert::Unreachable { id, address }),
        }
    }

    /// The torrent goes on: the person has put right what was wrong, or wants to see it fail again.
    pub(crate) fn resume(&mut self) {
        self.paused = false;
        let failed = self.failed.take();
        if self.view.state == State::Error && (self.brain.is_some() || failed.is_some()) {
            self.view.state = State::Waiting;
            self.view.error = None;
        }
        self.record_paused();
        self.input(Input::Command(swarm::Command::Resume));
        match failed {
            Some(Step::Prepare) => self.prepare_again(),
            Some(Step::Finish) => self.complete(),
            None => {}
        }
        self.publish();
        answer(&mut self.resuming);
    }

    pub(crate) fn fail_at(&mut self, step: Step, error: TorrentError) {
        self.failed = Some(step);
        self.fail(error);
    }

    pub(crate) fn fail(&mut self, error: TorrentError) {
        tracing::warn!(id = %self.id(), %error, "a torrent cannot go on");
        if self.view.state == State::Error {
            return;
        }
        self.view.state = State::Error;
        self.view.error = Some(error.clone());
        self.input(Input::Command(swarm::Command::Pause));
        self.publish();
        self.parts.alert(Alert::Failed { id: self.id(), error });
    }
}
