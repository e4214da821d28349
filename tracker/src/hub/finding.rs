//! How the hub searches: the index is fed with what changed, and asked outside of the lock; the registry
//! says what may be seen of what it found. Called by the hub and by sessions.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use registry::{Command, SessionKey};
use shared::control::{Refusal, Search, write_refusal};

use super::{Hub, Inner};
use crate::search::Index;

/// Questions that take long and are answered at once, at most.
const MAX_SLOW: usize = 4;
/// Entries that are read from the registry at once, while everybody else waits.
const AT_ONCE: usize = 16;

impl Hub {
    /// Makes the index, if that is possible; without one, names are looked through.
    pub(super) fn start_index(&self) {
        let hub = Arc::downgrade(&self.shared);
        let pull = Box::new(move |keys: &[_]| {
            let Some(shared) = hub.upgrade() else { return Vec::new() };
            let mut listings = Vec::with_capacity(keys.len());
            for some in keys.chunks(AT_ONCE) {
                let inner = shared.inner.lock().unwrap_or_else(PoisonError::into_inner);
                listings.extend(some.iter().map(|(key, anew)| inner.registry.listing(*key, *anew)));
            }
            listings
        });
        let slow = std::thread::available_parallelism().map_or(1, NonZero::get).min(MAX_SLOW);
        let keys = self.lock().registry.follow();
        match Index::start(keys, slow, pull) {
            Ok(index) => self.lock().index = Some(index),
            Err(error) => tracing::warn!(%error, "no index: searches look through names only"),
        }
    }

    /// A connection searches; the answer goes into its outbox with the number it gave.
    pub(crate) async fn search(
        &self,
        session: SessionKey,
        id: Option<u64>,
        search: Search,
    ) -> Result<(), Refusal> {
        let (index, among) = match self.admit_search(session, &search) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                if let Some(outbox) = self.lock().outboxes.get(&session) {
                    outbox.push_answer(Bytes::from(write_refusal(id, &refusal)));
                }
                return Err(refusal);
            }
        };
        let found = match index {
            Some(index) => index.search(&search, among).await,
            None => None,
        };
        let command = Command::Search { session, search: Box::new(search), found };
        match self.lock().execute(command, Some((session, id))) {
            Some(Err(refusal)) => Err(refusal),
            _ => Ok(()),
        }
    }

    fn admit_search(&self, session: SessionKey, search: &Search) -> Result<Admitted, Refusal> {
        let mut inner = self.lock();
        inner.collect(session);
        let among = inner.registry.admit_search(session, search, self.shared.clock.now())?;
        Ok((inner.index.clone(), among))
    }
}

/// The index, and what is to be searched of it.
type Admitted = (Option<Index>, Option<BTreeSet<shared::InfoHash>>);

impl Inner {
    /// Tells the index what changed.
    pub(super) fn feed_index(&mut self) {
        if let Some(index) = &self.index {
            index.touch(self.registry.touched());
        }
    }
}
