//! Does what the checkpointer says: syncs data, and replaces `download_status.json` and its previous
//! copy. Torrent tasks tell it what happened and never wait for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use download_status::{Checkpointer, Copy, Entry, Order};
use runtime::Clock;
use shared::{Bitfield, InfoHash, PieceIndex};
use tokio::sync::{Notify, mpsc, watch};

use crate::alert::{Alert, StatusTrouble};
use crate::folder::write_atomically;
use crate::shared_parts::Parts;
use crate::workers::Workers;

/// What is told to the checkpointer, from any task.
#[derive(Debug)]
pub(crate) struct Recorder {
    brain: Mutex<Checkpointer>,
    wake: Notify,
    clock: Clock,
    path: PathBuf,
}

/// Something that was ordered is done.
#[derive(Debug)]
enum Done {
    Synced(BTreeSet<InfoHash>),
    Written(Copy, Result<(), String>),
}

impl Recorder {
    /// Keeps the status in the file at `path`.
    pub(crate) fn new(brain: Checkpointer, clock: Clock, path: PathBuf) -> Self {
        Self { brain: Mutex::new(brain), wake: Notify::new(), clock, path }
    }

    fn tell<T>(&self, what: impl FnOnce(&mut Checkpointer) -> T) -> T {
        let told = what(&mut self.brain.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_one();
        told
    }

    /// A torrent is new.
    pub(crate) fn put(&self, entry: Entry) {
        self.tell(|brain| brain.put(entry, self.clock.now()));
    }

    /// Something about a torrent has changed.
    pub(crate) fn update(&self, id: InfoHash, change: impl FnOnce(&mut Entry)) {
        self.tell(|brain| brain.update(id, self.clock.now(), change));
    }

    /// A torrent is not wanted any more.
    pub(crate) fn remove(&self, id: InfoHash) {
        self.tell(|brain| brain.remove(id, self.clock.now()));
    }

    /// A piece of so many bytes is written and verified.
    pub(crate) fn verified(&self, id: InfoHash, piece: PieceIndex, bytes: u64) {
        self.tell(|brain| brain.verified(id, piece, bytes, self.clock.now()));
    }

    /// A place was found for a torrent of which nothing was said but what it is called. `checked` are
    /// pieces that were hashed just now.
    pub(crate) fn placed(
        &self,
        id: InfoHash,
        file: &Path,
        final_name: &Path,
        (have, checked): (&Bitfield, &[PieceIndex]),
    ) {
        self.update(id, |entry| {
            if entry.have.is_none() {
                entry.file = file.to_string_lossy().into_owned();
                entry.final_name = final_name.to_string_lossy().into_owned();
                entry.have = Some(have.clone());
                entry.unsynced = checked.iter().map(|piece| piece.get()).collect();
            }
        });
    }

    /// So much of what an earlier run left is believed before it is hashed.
    pub(crate) fn believed(&self, id: InfoHash, believed: &Bitfield) {
        self.tell(|brain| brain.believed(id, believed, self.clock.now()));
    }

    /// Everything is to be written once more.
    pub(crate) fn stop(&self) {
        self.tell(|brain| brain.stop(self.clock.now()));
    }

    /// What is said of a torrent.
    pub(crate) fn known(&self, id: InfoHash) -> Option<Entry> {
        self.tell_quietly(|brain| brain.get(id).cloned())
    }

    /// Pieces of a torrent that a loss of power may still take back.
    pub(crate) fn unsynced(&self, id: InfoHash) -> BTreeSet<u32> {
        self.tell_quietly(|brain| brain.get(id).map(|entry| entry.unsynced.clone()).unwrap_or_default())
    }

    /// Does what is ordered until everything is written after [`Recorder::stop`]. `threads` are for
    /// this alone: a sync may take long.
    pub(crate) async fn run(
        self: Arc<Self>,
        parts: Arc<Parts>,
        threads: Arc<Workers>,
        ended: watch::Sender<bool>,
    ) {
        let (sender, mut done) = mpsc::channel(4);
        loop {
            let now = self.clock.now();
            let wall = runtime::clock::wall_millis();
            while let Some(order) = self.tell_quietly(|brain| brain.poll(now, wall)) {
                self.carry_out(order, &parts, &threads, &sender);
            }
            if self.tell_quietly(|brain| brain.is_stopped()) {
                let _ = ended.send(true).is_ok();
                return;
            }
            let due = self.tell_quietly(|brain| brain.next_timeout());
            tokio::select! {
                () = self.wake.notified() => {}
                () = self.clock.sleep_until(due) => {}
                Some(done) = done.recv() => self.done(done, &parts),
            }
        }
    }

    fn tell_quietly<T>(&self, what: impl FnOnce(&mut Checkpointer) -> T) -> T {
        what(&mut self.brain.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn carry_out(&self, order: Order, parts: &Parts, threads: &Workers, done: &mpsc::Sender<Done>) {
        let done = done.clone();
        match order {
            Order::Sync(pieces) => {
                let storages: BTreeMap<_, _> = pieces
                    .into_iter()
                    .map(|(id, pieces)| {
                        let storage = parts.torrents().find(&id).and_then(|torrent| torrent.place.storage());
                        (id, (storage, pieces))
                    })
                    .collect();
                threads.submit(move || {
                    let mut failed = BTreeSet::new();
                    for (id, (storage, pieces)) in storages {
                        let Some(storage) = storage else { continue };
                        if let Err(error) = storage.sync_pieces(pieces) {
                            tracing::warn!(%id, %error, "data could not be synced");
                            failed.insert(id);
                        }
                    }
                    let _ = done.blocking_send(Done::Synced(failed)).is_ok();
                });
            }
            Order::Write { copy, status, durable } => {
                let path = self.path_of(copy);
                threads.submit(move || {
                    let written = write_atomically(&path, &status.to_bytes(), durable);
                    let written = written.map_err(|error| error.to_string());
                    let _ = done.blocking_send(Done::Written(copy, written)).is_ok();
                });
            }
        }
    }

    fn path_of(&self, copy: Copy) -> PathBuf {
        match copy {
            Copy::Current => self.path.clone(),
            Copy::Previous => previous(&self.path),
        }
    }

    fn done(&self, done: Done, parts: &Parts) {
        let now = self.clock.now();
        match done {
            Done::Synced(failed) => self.tell_quietly(|brain| brain.sync_done(&failed, now)),
            Done::Written(copy, written) => {
                if let Err(reason) = &written {
                    let trouble =
                        StatusTrouble::Unwritable { path: self.path_of(copy), reason: reason.clone() };
                    tracing::warn!(%trouble, "the status could not be written");
                    parts.alert(Alert::StatusTrouble { trouble });
                }
                self.tell_quietly(|brain| brain.write_done(copy, written.is_ok(), now));
            }
        }
    }
}

/// Where the previous copy lies.
pub(crate) fn previous(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".bak");
    PathBuf::from(name)
}
