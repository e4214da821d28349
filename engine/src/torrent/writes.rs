//! Blocks on their way to the disk, in one job at a time: two threads that write to one file would only
//! wait for each other at its lock, and what comes while a job is under way is written by the next in
//! fewer and longer runs. How much may wait is bounded by the receive memory. Called by the torrent task.

use bytes::Bytes;
use shared::BlockRef;

/// A block and where it belongs.
pub(crate) type Write = (BlockRef, Bytes);

/// The blocks of one torrent that are not on disk yet.
#[derive(Debug, Default)]
pub(crate) struct Writes {
    waiting: Vec<Write>,
    /// Blocks of the job that is under way.
    under_way: usize,
}

impl Writes {
    /// A block is to be written.
    pub(crate) fn push(&mut self, write: Write) {
        self.waiting.push(write);
    }

    /// One block of the job under way was written, or could not be.
    pub(crate) fn settled(&mut self) {
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// The next job, when there is one and its turn has come.
    pub(crate) fn next_job(&mut self) -> Option<Vec<Write>> {
        if self.under_way > 0 || self.waiting.is_empty() {
            return None;
        }
        self.under_way = self.waiting.len();
        Some(std::mem::take(&mut self.waiting))
    }

    /// Whether every block is on disk, or failed.
    pub(crate) fn is_empty(&self) -> bool {
        self.under_way == 0 && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use shared::Layout;

    use super::*;

    #[test]
    fn what_comes_during_a_job_is_the_next_one() {
        let layout = Layout::new(100_000, 100_000).unwrap();
        let block = |number: u32| {
            let span = layout.span(0, number * 16_384, 16_384).unwrap();
            (layout.block_of(span).unwrap(), Bytes::new())
        };
        let mut writes = Writes::default();
        assert!(writes.next_job().is_none() && writes.is_empty());
        writes.push(block(0));
        assert_eq!(writes.next_job().unwrap().len(), 1);
        writes.push(block(1));
        writes.push(block(2));
        assert!(writes.next_job().is_none());
        writes.settled();
        assert_eq!(writes.next_job().unwrap().len(), 2);
        writes.settled();
        assert!(writes.next_job().is_none() && !writes.is_empty());
        writes.settled();
        assert!(writes.is_empty());
    }
}
