//! A download that found the disk full: when it looks for room and when it tries again.

use std::sync::Arc;
use std::time::Duration;

use shared::Moment;
use swarm::Input;

use crate::alert::Alert;
use crate::connection::Event;
use crate::torrent::task::Task;

/// Room for this many bytes is worth a try, or for all that is missing when that is less.
const WORTH_A_TRY: u64 = 64 * 1024 * 1024;

/// A full disk.
#[derive(Debug)]
pub(crate) struct DiskFull {
    next_probe: Moment,
    next_try: Moment,
    /// Writing goes on, but nothing has been written yet.
    trying: bool,
}

impl DiskFull {
    /// When to look again.
    pub(crate) fn next_probe(&self) -> Moment {
        self.next_probe
    }
}

impl Task {
    fn waits(&self) -> (Duration, Duration) {
        (self.parts.config.disk_full_probe, self.parts.config.disk_full_retry)
    }

    /// A write found no room. The person hears of it once, until something could be written again.
    pub(crate) fn disk_is_full(&mut self) {
        let now = self.parts.clock.now();
        let (probe, retry) = self.waits();
        let known = self.disk_full.is_some();
        self.disk_full = Some(DiskFull { next_probe: now + probe, next_try: now + retry, trying: false });
        self.publish();
        if !known {
            let need = self.view.size().saturating_sub(self.view.verified_bytes());
            let free = self.place.source.get().and_then(|source| source.storage().free_space().ok());
            self.parts.alert(Alert::DiskFull { id: self.id(), need, free: free.unwrap_or(0) });
        }
    }

    /// Asks a disk thread how much room there is.
    pub(crate) fn probe_room(&mut self) {
        let now = self.parts.clock.now();
        let (probe, _) = self.waits();
        let Some(full) = self.disk_full.as_mut() else { return };
        full.next_probe = now + probe;
        let Some(source) = self.place.source.get().map(Arc::clone) else { return };
        let inbox = self.own_inbox.clone();
        self.parts.disk.submit(move || {
            let free = source.storage().free_space().unwrap_or(0);
            let _ = inbox.blocking_send(Event::Room(free)).is_ok();
        });
    }

    /// So many bytes are free.
    pub(crate) fn room(&mut self, free: u64) {
        let now = self.parts.clock.now();
        let (_, retry) = self.waits();
        let missing = self.view.size().saturating_sub(self.view.verified_bytes());
        let Some(full) = self.disk_full.as_mut() else { return };
        let worth = free >= missing.min(WORTH_A_TRY);
        if full.trying || self.paused || !(worth || now >= full.next_try) {
            return;
        }
        full.trying = true;
        full.next_try = now + retry;
        self.input(Input::Command(swarm::Command::Resume));
    }

    /// Something was written.
    pub(crate) fn wrote(&mut self) {
        if self.disk_full.as_ref().is_some_and(|full| full.trying) {
            self.disk_full = None;
            self.publish();
            self.parts.alert(Alert::DiskRoom { id: self.id() });
        }
    }
}
