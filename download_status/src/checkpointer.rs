//! When to sync data and when to write the status, so that the promise of this crate holds.
//!
//! Two copies, two rhythms. The file itself is written every two seconds (sooner at the start) or 16 MiB of verified pieces
//! without waiting for the disk: that is enough for kill -9. Every ten seconds the data is synced, and
//! what is on disk for good then goes into the previous copy, which is synced: that is what a loss of
//! power leaves. The file says which of its bits a loss of power may still take back. When nothing is
//! unsynced, the file is synced as well.
//!
//! The engine calls in as things happen, takes every [`Order`] from [`Checkpointer::poll`], and reports
//! when each is done. At most one order of each kind is under way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shared::{Bitfield, InfoHash, Moment, PieceIndex};

use crate::model::{DownloadStatus, Entry, Stage};

/// How long verified pieces may be unwritten in the status.
pub const WRITE_EVERY: Duration = Duration::from_secs(2);
/// How long at first: it doubles with each write up to [`WRITE_EVERY`], so that a download that is always
/// killed early in its life gets somewhere all the same.
const FIRST_WRITE: Duration = Duration::from_millis(250);
/// How many bytes of them. The limit that is promised is 32 MiB; the rest is for those that are
/// verified while the file is being written.
pub const WRITE_BYTES: u64 = 16 * 1024 * 1024;
/// How long data may be unsynced.
pub const SYNC_EVERY: Duration = Duration::from_secs(10);
/// How long to wait after an error.
const RETRY: Duration = Duration::from_secs(5);

/// One of the two copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copy {
    /// `download_status.json`.
    Current,
    /// `download_status.json.bak`.
    Previous,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Make these pieces of these torrents survive a loss of power.
    Sync(BTreeMap<InfoHash, BTreeSet<u32>>),
    /// Replace a copy in one step.
    Write {
        /// Which.
        copy: Copy,
        /// Its new content.
        status: DownloadStatus,
        /// Whether it must survive a loss of power.
        durable: bool,
    },
}

/// Keeps what the status says and decides when it is written.
#[derive(Debug, Default)]
pub struct Checkpointer {
    entries: BTreeMap<InfoHash, Entry>,
    /// Downloads of an earlier run whose doubtful pieces have not been hashed yet: syncing what lies there
    /// would not make it right.
    unchecked: BTreeSet<InfoHash>,
    boot: String,
    /// Something changed since the file was last written: when that began.
    changed_since: Option<Moment>,
    /// It must be written at once.
    urgent: bool,
    bytes_unwritten: u64,
    /// How often the file was written in this run.
    writes: u32,
    unsynced_since: Option<Moment>,
    /// What is being synced: what will be on disk for good when that is done.
    syncing: Option<BTreeMap<InfoHash, BTreeSet<u32>>>,
    writing: [bool; 2],
    previous_wanted: bool,
    not_before: Moment,
    stopping: bool,
}

impl Checkpointer {
    /// Begins with what an earlier run left, in this run of the machine.
    pub fn new(entries: impl IntoIterator<Item = Entry>, boot: String) -> Self {
        let entries: BTreeMap<_, Entry> =
            entries.into_iter().map(|entry| (entry.hashes.primary(), entry)).collect();
        let unchecked = entries.iter().filter(|(_, entry)| entry.stage == Stage::Downloading);
        Self { unchecked: unchecked.map(|(id, _)| *id).collect(), entries, boot, ..Self::default() }
    }

    /// What is said of a torrent.
    pub fn get(&self, id: InfoHash) -> Option<&Entry> {
        self.entries.get(&id)
    }

    /// A torrent is new, or something about it but its pieces has changed.
    pub fn put(&mut self, entry: Entry, now: Moment) {
        if !entry.unsynced.is_empty() {
            self.unsynced_since.get_or_insert(now);
        }
        self.unchecked.remove(&entry.hashes.primary());
        self.entries.insert(entry.hashes.primary(), entry);
        self.touch(now);
        self.urgent = true;
    }

    /// Changes what is said of a torrent.
    pub fn update(&mut self, id: InfoHash, now: Moment, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries.get_mut(&id) {
            change(entry);
            if !entry.unsynced.is_empty() {
                self.unsynced_since.get_or_insert(now);
            }
            self.touch(now);
            self.urgent = true;
        }
    }

    /// A torrent is not wanted any more.
    pub fn remove(&mut self, id: InfoHash, now: Moment) {
        self.unchecked.remove(&id);
        if self.entries.remove(&id).is_some() {
            self.touch(now);
            self.urgent = true;
        }
    }

    /// A piece of so many bytes is written and verified.
    pub fn verified(&mut self, id: InfoHash, piece: PieceIndex, bytes: u64, now: Moment) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let Some(have) = entry.have.as_mut() else { return };
        if have.set(piece) {
            entry.verified = (entry.verified + bytes).min(entry.size);
            entry.unsynced.insert(piece.get());
            self.bytes_unwritten += bytes;
            self.unsynced_since.get_or_insert(now);
            self.touch(now);
        }
    }

    /// So much of a download of an earlier run is believed; all else that it claims is in doubt until it
    /// is [put][Self::put], also for a run that begins before that.
    pub fn believed(&mut self, id: InfoHash, believed: &Bitfield, now: Moment) {
        let unchecked = self.unchecked.contains(&id);
        let Some(entry) = self.entries.get_mut(&id).filter(|_| unchecked) else { return };
        let Some(have) = entry.have.as_ref() else { return };
        let doubts: BTreeSet<u32> =
            have.ones().filter(|piece| !believed.get(*piece)).map(PieceIndex::get).collect();
        if doubts != entry.unsynced {
            entry.unsynced = doubts;
            self.touch(now);
            self.urgent = true;
        }
    }

    /// The session ends: everything is synced and written once more, and said to be clean.
    pub fn stop(&mut self, now: Moment) {
        self.stopping = true;
        self.urgent = true;
        self.touch(now);
    }

    /// Whether everything is written after [`Checkpointer::stop`].
    pub fn is_stopped(&self) -> bool {
        self.stopping
            && self.changed_since.is_none()
            && !self.previous_wanted
            && self.syncing.is_none()
            && self.writing == [false, false]
            && !self.has_unsynced()
    }

    fn touch(&mut self, now: Moment) {
        self.changed_since.get_or_insert(now);
    }

    fn has_unsynced(&self) -> bool {
        self.unsynced().next().is_some()
    }

    /// What a sync makes safe.
    fn unsynced(&self) -> impl Iterator<Item = (&InfoHash, &BTreeSet<u32>)> {
        let checked = self.entries.iter().filter(|(id, _)| !self.unchecked.contains(id));
        checked.map(|(id, entry)| (id, &entry.unsynced)).filter(|(_, pieces)| !pieces.is_empty())
    }

    /// The next thing to do at `now`, with the time of day in milliseconds since 1970.
    pub fn poll(&mut self, now: Moment, saved_at: u64) -> Option<Order> {
        if now < self.not_before {
            return None;
        }
        if let Some(pieces) = self.begin_sync(now) {
            return Some(Order::Sync(pieces));
        }
        if self.previous_wanted && !self.writing[1] {
            self.previous_wanted = false;
            self.writing[1] = true;
            return Some(Order::Write { copy: Copy::Previous, status: self.synced(saved_at), durable: true });
        }
        // A clean stop is not said before the data is safe.
        let held_back = self.stopping && (self.syncing.is_some() || self.has_unsynced());
        if self.writing[0] || held_back || self.next_write().is_none_or(|due| due > now) {
            return None;
        }
        self.writing[0] = true;
        self.changed_since = None;
        self.bytes_unwritten = 0;
        self.writes = self.writes.saturating_add(1);
        let durable = !self.has_unsynced();
        // The previous copy follows when the data behind it is safe: now, or after the next sync.
        self.previous_wanted |= self.urgent && durable;
        self.urgent = false;
        let entries = self.entries.values().cloned().collect();
        let status = DownloadStatus { saved_at, boot: self.boot.clone(), clean: self.stopping, entries };
        Some(Order::Write { copy: Copy::Current, status, durable })
    }

    fn begin_sync(&mut self, now: Moment) -> Option<BTreeMap<InfoHash, BTreeSet<u32>>> {
        let due = self.unsynced_since.is_some_and(|since| self.stopping || now.since(since) >= SYNC_EVERY);
        if self.syncing.is_some() || !due {
            return None;
        }
        let unsynced: BTreeMap<_, _> = self.unsynced().map(|(id, pieces)| (*id, pieces.clone())).collect();
        self.unsynced_since = None;
        if unsynced.is_empty() {
            return None;
        }
        self.syncing = Some(unsynced.clone());
        Some(unsynced)
    }

    /// What is on disk for good: everything but the unsynced pieces. Those of a download that is unchecked
    /// keep their mark, and are hashed at the next start.
    fn synced(&self, saved_at: u64) -> DownloadStatus {
        let mut entries: Vec<Entry> = self.entries.values().cloned().collect();
        for entry in entries.iter_mut().filter(|entry| !self.unchecked.contains(&entry.hashes.primary())) {
            let unsynced = std::mem::take(&mut entry.unsynced);
            if let Some(have) = entry.have.as_mut() {
                for piece in unsynced {
                    have.clear(PieceIndex::new(piece));
                }
            }
        }
        DownloadStatus { saved_at, boot: self.boot.clone(), clean: self.stopping, entries }
    }

    fn next_write(&self) -> Option<Moment> {
        let since = self.changed_since?;
        let at_once = self.urgent || self.bytes_unwritten >= WRITE_BYTES;
        let patience = FIRST_WRITE.saturating_mul(1 << self.writes.min(8)).min(WRITE_EVERY);
        Some(if at_once { since } else { since + patience })
    }

    /// When [`Checkpointer::poll`] may have something to say, if nothing happens before.
    pub fn next_timeout(&self) -> Option<Moment> {
        let write = self.next_write().filter(|_| !self.writing[0]);
        let sync = self.unsynced_since.filter(|_| self.syncing.is_none()).map(|since| since + SYNC_EVERY);
        let previous = (self.previous_wanted && !self.writing[1]).then_some(Moment::START);
        [write, sync, previous].into_iter().flatten().min().map(|due| due.max(self.not_before))
    }

    /// An [`Order::Sync`] is done, or failed for these torrents.
    pub fn sync_done(&mut self, failed: &BTreeSet<InfoHash>, now: Moment) {
        for (id, pieces) in self.syncing.take().unwrap_or_default() {
            if failed.contains(&id) {
                self.unsynced_since.get_or_insert(now);
            } else if let Some(entry) = self.entries.get_mut(&id) {
                entry.unsynced.retain(|piece| !pieces.contains(piece));
            }
        }
        if !failed.is_empty() {
            self.not_before = now + RETRY;
        }
        self.previous_wanted = true;
        self.touch(now);
    }

    /// An [`Order::Write`] is done, or failed and is given again later.
    pub fn write_done(&mut self, copy: Copy, written: bool, now: Moment) {
        let slot = usize::from(copy == Copy::Previous);
        if let Some(writing) = self.writing.get_mut(slot) {
            *writing = false;
        }
        if !written {
            self.not_before = now + RETRY;
            match copy {
                Copy::Current => self.touch(now),
                Copy::Previous => self.previous_wanted = true,
            }
        }
    }

    /// Every torrent that is not complete.
    pub fn unfinished(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(|entry| entry.stage == Stage::Downloading)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_writes_come_soon_and_later_ones_every_two_seconds() {
        let mut checkpointer = Checkpointer::new([], "boot".to_owned());
        let mut waits = Vec::new();
        let mut now = Moment::START;
        for _ in 0..5 {
            checkpointer.touch(now);
            let due = checkpointer.next_timeout().unwrap();
            waits.push(due.since(now).as_millis());
            now = due;
            assert!(matches!(checkpointer.poll(now, 0), Some(Order::Write { copy: Copy::Current, .. })));
            checkpointer.write_done(Copy::Current, true, now);
        }
        assert_eq!(waits, [250, 500, 1000, 2000, 2000]);
    }
}
