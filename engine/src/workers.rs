//! Threads that take jobs from one queue: disk threads and hash threads.
//!
//! The queue itself has no limit; each kind of job has one where it is made (receive memory, uploads
//! of a connection, one check at a time), so that handing in a job never waits.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use crate::error::StartError;

/// Something to do on a thread that may wait for a disk.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// A few threads with one queue. They end when this is dropped, after what is queued.
#[derive(Debug)]
pub(crate) struct Workers {
    queue: Arc<Queue>,
    count: usize,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    filled: Condvar,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue")
    }
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    ended: bool,
}

impl Queue {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.state();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            if state.ended {
                return None;
            }
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Workers {
    /// Starts `count` threads.
    pub(crate) fn start(name: &'static str, count: usize) -> Result<Self, StartError> {
        let queue = Arc::new(Queue::default());
        for number in 0..count.max(1) {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name(format!("{name}-{number}"))
                .spawn(move || {
                    while let Some(job) = queue.next() {
                        // A job that panics has been reported by the panic hook; the others go on.
                        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)).is_ok();
                    }
                })
                .map_err(|source| StartError::Thread { name, source })?;
        }
        Ok(Self { queue, count: count.max(1) })
    }

    /// How many threads there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Hands in a job; it is done in turn.
    pub(crate) fn submit(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.queue.state();
        if !state.ended {
            state.jobs.push_back(Box::new(job));
            drop(state);
            self.queue.filled.notify_one();
        }
    }

    /// Does a job and waits for what it gives; `None` when the threads have ended.
    pub(crate) async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.submit(move || {
            let _ = sender.send(job()).is_ok();
        });
        receiver.await.ok()
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.queue.state().ended = true;
        self.queue.filled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn jobs_are_done_also_after_one_of_them_panicked() {
        let workers = Workers::start("test", 1).unwrap();
        workers.submit(|| panic!("on purpose"));
        assert_eq!(workers.run(|| 7).await, Some(7));
        let (sender, receiver) = tokio::sync::oneshot::channel();
        workers.submit(move || sender.send(8).unwrap());
        drop(workers);
        assert_eq!(receiver.await, Ok(8), "what is queued is still done");
    }
}
