//! What the page reads of the hub: one look under the lock, twice a second and only while somebody
//! watches.

use registry::{Scene, SceneShare};
use shared::control::{Counters, EntryId};

use super::Hub;
use crate::feed::Item;
use crate::store::Journal;

/// One look.
#[derive(Debug)]
pub(crate) struct View {
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    pub(crate) scene: Scene,
    pub(crate) counters: Counters,
    /// Why nothing can be kept, if so.
    pub(crate) failure: Option<String>,
    /// What happened last, oldest first.
    pub(crate) log: Vec<Item>,
}

impl Hub {
    /// How things are now.
    pub(crate) fn view(&self) -> View {
        let now = self.shared.clock.now();
        let inner = self.lock();
        View {
            at: runtime::clock::wall_millis(),
            scene: inner.registry.scene(now),
            counters: inner.registry.counters(now),
            failure: inner.journal.as_ref().and_then(Journal::failure),
            log: inner.feed.after(0),
        }
    }

    /// Bytes per second that move now.
    pub(crate) fn rate(&self) -> u64 {
        self.lock().registry.rate(self.shared.clock.now())
    }

    /// One entry with those who have it.
    pub(crate) fn share(&self, id: &EntryId) -> Option<SceneShare> {
        self.lock().registry.scene_share(id, self.shared.clock.now())
    }

    /// What happened behind number `after`.
    pub(crate) fn happened(&self, after: u64) -> Vec<Item> {
        self.lock().feed.after(after)
    }
}
