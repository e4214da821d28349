//! The open files of a session: a bounded number, the one unused for longest closed first.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::block_disk::BlockFile;

/// A file of a storage: the storage's number, the file's number, and whether it may be written.
pub(crate) type FileKey = (u64, usize, bool);

/// Open files by key, with the order of their last use.
#[derive(Debug)]
pub(crate) struct OpenFiles {
    limit: usize,
    state: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    files: BTreeMap<FileKey, (u64, Arc<dyn BlockFile>)>,
    by_use: BTreeMap<u64, FileKey>,
    uses: u64,
}

impl Recent {
    fn touch(&mut self, key: FileKey) -> Option<Arc<dyn BlockFile>> {
        let (used, file) = self.files.get_mut(&key)?;
        self.by_use.remove(used);
        self.uses += 1;
        *used = self.uses;
        self.by_use.insert(self.uses, key);
        Some(Arc::clone(file))
    }

    fn remove(&mut self, key: &FileKey) {
        if let Some((used, _)) = self.files.remove(key) {
            self.by_use.remove(&used);
        }
    }
}

impl OpenFiles {
    /// No file yet, and never more than `limit`; those in use at the moment are not counted.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit: limit.max(1), state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file, when it is open.
    pub(crate) fn opened(&self, key: FileKey) -> Option<Arc<dyn BlockFile>> {
        self.state().touch(key)
    }

    /// The open file, or the one that `open` gives.
    pub(crate) fn get(
        &self,
        key: FileKey,
        open: impl FnOnce() -> io::Result<Box<dyn BlockFile>>,
    ) -> io::Result<Arc<dyn BlockFile>> {
        if let Some(file) = self.opened(key) {
            return Ok(file);
        }
        // Opened outside the lock: two threads may open the same file, and one handle goes.
        let file: Arc<dyn BlockFile> = open()?.into();
        let mut state = self.state();
        while state.files.len() >= self.limit {
            let Some(oldest) = state.by_use.first_key_value().map(|(_, key)| *key) else { break };
            state.remove(&oldest);
        }
        state.remove(&key);
        state.uses += 1;
        let used = state.uses;
        state.by_use.insert(used, key);
        state.files.insert(key, (used, Arc::clone(&file)));
        Ok(file)
    }

    /// Closes every file of a storage.
    pub(crate) fn close_all_of(&self, storage: u64) {
        let mut state = self.state();
        let keys: Vec<FileKey> = state
            .files
            .range((storage, 0, false)..=(storage, usize::MAX, true))
            .map(|(key, _)| *key)
            .collect();
        for key in keys {
            state.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::beneath::Stamp;

    #[derive(Debug)]
    struct Nothing;
    impl BlockFile for Nothing {
        fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
            Ok(0)
        }
        fn write_at(&self, _: &[io::IoSlice<'_>], _: u64) -> io::Result<usize> {
            Ok(0)
        }
        fn reserve(&self, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn cut(&self, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
        fn stamp(&self) -> io::Result<Stamp> {
            Ok(Stamp::default())
        }
    }

    #[test]
    fn the_one_unused_for_longest_is_closed() {
        let files = OpenFiles::new(2);
        let mut opened = 0;
        let mut get = |file| {
            files
                .get((0, file, false), || {
                    opened += 1;
                    Ok(Box::new(Nothing))
                })
                .unwrap();
            opened
        };
        assert_eq!([get(1), get(2), get(1), get(3), get(1), get(2)], [1, 2, 2, 3, 3, 4]);
        files.close_all_of(0);
        assert!(files.state().files.is_empty() && files.state().by_use.is_empty());
    }
}
