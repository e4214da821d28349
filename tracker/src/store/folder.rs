//! The tracker's folder belongs to one tracker at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::StoreError;

/// The lock's name inside the folder.
const LOCK: &str = "tracker.lock";

/// A folder that is ours until this is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct Folder {
    _lock: File,
}

impl Folder {
    /// Takes the folder, or says that another tracker has it. `None` when no lock can be made there,
    /// as in a folder that cannot be written to: then there is nothing to protect.
    pub(crate) fn take(dir: &Path) -> Result<Option<Self>, StoreError> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        let Ok(lock) = options.open(dir.join(LOCK)) else { return Ok(None) };
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { _lock: lock })),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse { dir: dir.to_owned() }),
            // A file system without locks, such as some of the network.
            Err(TryLockError::Error(_)) => Ok(None),
        }
    }
}
