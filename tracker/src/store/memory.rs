//! A store in memory: the twin that tests compare `SQLite` with, and that fails when it is told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use registry::{Dictionary, Event, Lasting};
use shared::InfoHash;

use super::{Loaded, Store, StoreError};

/// What is kept. Copies are the same store, so a test can look at it and make it fail.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    shared: Arc<Mutex<Rows>>,
}

#[derive(Debug, Default)]
struct Rows {
    events: Vec<String>,
    infos: BTreeMap<InfoHash, Dictionary>,
    full: bool,
}

impl Memory {
    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on nothing can be written, or everything again.
    pub(crate) fn set_full(&self, full: bool) {
        self.rows().full = full;
    }
}

impl Store for Memory {
    fn events(&mut self, take: &mut dyn FnMut(Event)) -> Result<Loaded, StoreError> {
        let mut loaded = Loaded::default();
        for text in &self.rows().events {
            let event: Event = serde_json::from_str(text)?;
            loaded = Loaded { events: loaded.events + 1, last: loaded.last.max(event.at()) };
            take(event);
        }
        Ok(loaded)
    }

    fn infos(&mut self, take: &mut dyn FnMut(&Dictionary) -> bool) -> Result<(), StoreError> {
        self.rows().infos.retain(|_, info| take(info));
        Ok(())
    }

    fn write(&mut self, batch: &[Lasting], anew: bool) -> Result<(), StoreError> {
        let mut rows = self.rows();
        if rows.full {
            return Err(StoreError::Full);
        }
        if anew {
            rows.events.clear();
        }
        for lasting in batch {
            rows.events.push(serde_json::to_string(&lasting.event)?);
            if let Some(info) = &lasting.info {
                rows.infos.insert(info.key, info.clone());
            }
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        u64::try_from(self.rows().events.len()).unwrap_or(u64::MAX)
    }
}
