//! The torrent file as far as it is known: it may come late, and its piece layers later still.

use std::sync::{Arc, Mutex, PoisonError};

use shared::metainfo::Metainfo;

/// What is known of one torrent's file; shared by its task and its handle.
#[derive(Debug, Default)]
pub(crate) struct KnownMetainfo(Mutex<Option<Arc<Metainfo>>>);

impl KnownMetainfo {
    /// This much is known at the start.
    pub(crate) fn new(metainfo: Option<Arc<Metainfo>>) -> Self {
        Self(Mutex::new(metainfo))
    }

    /// All that is known by now.
    pub(crate) fn get(&self) -> Option<Arc<Metainfo>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on this is known.
    pub(crate) fn set(&self, metainfo: Arc<Metainfo>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(metainfo);
    }
}
