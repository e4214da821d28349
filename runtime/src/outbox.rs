//! Lines on their way out to one slow or fast reader: bounded by bytes, never waited for.
//!
//! Whoever has a line puts it in and goes on; the task that owns the socket takes all that is there
//! and writes it. A reader that does not keep up overflows its outbox, and is to be cut.

mod flush;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

pub use flush::{Flushed, Left};

/// Room for lines that an empty outbox keeps: most of the time nothing waits, in thousands of them.
const KEEP: usize = 32;

/// More is waiting than the bound allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {limit} bytes wait to be read")]
pub struct Overflow {
    /// The bound, in bytes.
    pub limit: usize,
}

/// A bounded queue of lines with any number of writers and one reader. Copies are the same queue.
#[derive(Debug, Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limit: usize,
    state: Mutex<State>,
    /// Something to take, or closed.
    changed: Notify,
    /// Something was taken, or closed.
    drained: Notify,
    /// Closed. Apart from the others: what is written again and again must not wake whoever waits for this.
    ended: Notify,
}

/// A line that any number of outboxes hold, each by a pointer: thousands may have hundreds of the same lines.
#[derive(Debug, Clone)]
pub struct SharedLine(Arc<Line>);

impl From<Bytes> for SharedLine {
    fn from(bytes: Bytes) -> Self {
        Self(Arc::new(Line { bytes, number: 0, otherwise: None }))
    }
}

impl From<Vec<u8>> for SharedLine {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

/// A line, and what it waits for.
#[derive(Debug)]
struct Line {
    bytes: Bytes,
    /// The number that must be released before it may be taken; 0 for none.
    number: u64,
    /// What is said when that number is given up.
    otherwise: Option<Bytes>,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<SharedLine>,
    /// Lines that wait for a number up to this one may be taken.
    released: u64,
    /// Bytes in `lines` and in the batch that is being written.
    pending: usize,
    taken: usize,
    closed: bool,
    /// Where lines go, of an outbox that writes them itself.
    socket: Option<Arc<OwnedWriteHalf>>,
    /// Bytes of the first line that are written.
    begun: usize,
    /// Somebody will call [`Outbox::flush_due`].
    due: bool,
}

impl Outbox {
    /// An empty outbox for at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        let shared = Shared {
            limit,
            state: Mutex::default(),
            changed: Notify::new(),
            drained: Notify::new(),
            ended: Notify::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a line at the end. After [`Self::close`] it is dropped, as if the reader had gone.
    pub fn push(&self, line: impl Into<SharedLine>) -> Result<(), Overflow> {
        self.put(line.into())
    }

    /// Puts a line at the end, unless more than `lagging` bytes wait: then it is left out.
    pub fn push_unless(&self, line: impl Into<SharedLine>, lagging: usize) -> Result<(), Overflow> {
        if self.pending() > lagging { Ok(()) } else { self.push(line) }
    }

    /// Puts a line that, with all that come after it, waits until `number` is released or given up.
    pub fn push_after(&self, line: Bytes, number: u64) -> Result<(), Overflow> {
        self.put(SharedLine(Arc::new(Line { bytes: line, number, otherwise: None })))
    }

    fn put(&self, line: SharedLine) -> Result<(), Overflow> {
        let mut state = self.state();
        if state.closed {
            return Ok(());
        }
        if state.pending + line.0.bytes.len() > self.shared.limit {
            return Err(Overflow { limit: self.shared.limit });
        }
        state.pending += line.0.bytes.len();
        state.lines.push_back(line);
        drop(state);
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Puts a line that the reader itself asked for, whatever waits. Whoever answers requests calls
    /// [`Self::drained`] before the next one, so that at most one answer exceeds the bound.
    pub fn push_answer(&self, line: Bytes) {
        self.put_answer(line.into());
    }

    /// An answer that waits until `number` is released; `otherwise` is said if it is given up.
    pub fn push_answer_after(&self, line: Bytes, number: u64, otherwise: Bytes) {
        let line = Line { bytes: line, number, otherwise: Some(otherwise) };
        self.put_answer(SharedLine(Arc::new(line)));
    }

    fn put_answer(&self, line: SharedLine) {
        let mut state = self.state();
        if !state.closed {
            state.pending += line.0.bytes.len();
            state.lines.push_back(line);
        }
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Lines that waited for a number up to this one may be taken.
    pub fn release(&self, number: u64) {
        let mut state = self.state();
        state.released = state.released.max(number);
        drop(state);
        self.shared.changed.notify_one();
    }

    /// What lines wait for will not come: they may be taken, with what they say in that case.
    pub fn give_up(&self) {
        let mut state = self.state();
        let State { lines, pending, released, .. } = &mut *state;
        for line in lines.iter_mut().filter(|line| line.0.number > *released) {
            let said = line.0.otherwise.as_ref().unwrap_or(&line.0.bytes).clone();
            *pending = *pending - line.0.bytes.len() + said.len();
            *line = said.into();
        }
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Drops what waits, puts a last line, and closes: for a reader that is to be cut.
    pub fn close_with(&self, last: Bytes) {
        let mut state = self.state();
        if !state.closed {
            // A line of which a part is written already goes on to its end.
            let begun = usize::from(state.begun > 0);
            state.lines.truncate(begun);
            let rest: usize = state.lines.iter().map(|line| line.0.bytes.len()).sum();
            state.pending = state.taken + rest - state.begun + last.len();
            state.lines.push_back(last.into());
            state.closed = true;
        }
        drop(state);
        self.wake_all();
    }

    /// Takes no more lines; those that wait can still be taken.
    pub fn close(&self) {
        self.state().closed = true;
        self.wake_all();
    }

    fn wake_all(&self) {
        self.shared.changed.notify_one();
        self.shared.drained.notify_waiters();
        self.shared.ended.notify_waiters();
    }

    /// Waits until it is closed.
    pub async fn closed(&self) {
        self.wait(&self.shared.ended, |state| state.closed).await;
    }

    /// Waits until at most `bytes` wait or are being written, or it is closed.
    pub async fn drained(&self, bytes: usize) {
        let done = |state: &State| state.closed || state.pending <= bytes;
        // Nearly always so: then nothing is registered anywhere.
        if !done(&self.state()) {
            self.wait(&self.shared.drained, done).await;
        }
    }

    async fn wait(&self, change: &Notify, done: impl Fn(&State) -> bool) {
        loop {
            let changed = change.notified();
            tokio::pin!(changed);
            // Registered before looking, so that no change slips in between.
            changed.as_mut().enable();
            if done(&self.state()) {
                return;
            }
            changed.await;
        }
    }

    /// Bytes that wait or are being written.
    pub fn pending(&self) -> usize {
        self.state().pending
    }

    /// Waits for lines and takes at most `bytes` of them (one line at least), one behind the other. What was
    /// taken before counts as written. `None` after the last line of a closed outbox. May be dropped at any
    /// await.
    pub async fn take(&self, bytes: usize) -> Option<Bytes> {
        loop {
            let changed = self.shared.changed.notified();
            {
                let mut state = self.state();
                if state.taken > 0 {
                    state.pending -= std::mem::take(&mut state.taken);
                    self.shared.drained.notify_waiters();
                }
                if let Some(batch) = state.take(bytes) {
                    return Some(batch);
                }
                if state.closed && state.lines.is_empty() {
                    return None;
                }
            }
            changed.await;
        }
    }
}

impl State {
    /// The first lines that may be taken, as one piece: for a single line that everybody is told, the bytes
    /// that all share.
    fn take(&mut self, bytes: usize) -> Option<Bytes> {
        let (mut count, mut length) = (0, 0);
        for line in &self.lines {
            let line = &line.0;
            let is_full = count > 0 && length + line.bytes.len() > bytes;
            if is_full || line.number > self.released {
                break;
            }
            (count, length) = (count + 1, length + line.bytes.len());
        }
        let batch = match count {
            0 => return None,
            1 => self.lines.pop_front()?.0.bytes.clone(),
            _ => {
                let mut batch = BytesMut::with_capacity(length);
                self.lines.drain(..count).for_each(|line| batch.extend_from_slice(&line.0.bytes));
                batch.freeze()
            }
        };
        self.taken = length;
        self.shrink();
        Some(batch)
    }

    /// An empty queue gives back what a long one took.
    fn shrink(&mut self) {
        if self.lines.is_empty() && self.lines.capacity() > KEEP {
            self.lines = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_out_in_order_and_in_batches() {
        let outbox = Outbox::new(100);
        for line in ["one\n", "two\n", "three\n"] {
            outbox.push(Bytes::from_static(line.as_bytes())).unwrap();
        }
        outbox.close();
        assert_eq!(outbox.take(8).await.unwrap(), "one\ntwo\n");
        assert_eq!(outbox.take(1).await.unwrap(), "three\n");
        assert_eq!(outbox.take(8).await, None);
        assert_eq!(outbox.pending(), 0);
    }

    #[tokio::test]
    async fn a_reader_that_stalls_overflows_and_its_last_line_says_why() {
        let outbox = Outbox::new(10);
        outbox.push(Bytes::from_static(b"12345678")).unwrap();
        assert_eq!(outbox.push(Bytes::from_static(b"123")), Err(Overflow { limit: 10 }));
        // What is being written still counts: the socket has not taken it.
        assert_eq!(outbox.take(100).await.unwrap().len(), 8);
        assert_eq!(outbox.push(Bytes::from_static(b"123")), Err(Overflow { limit: 10 }));
        outbox.close_with(Bytes::from_static(b"bye"));
        outbox.push(Bytes::from_static(b"too late")).unwrap();
        assert_eq!(outbox.take(100).await.unwrap(), "bye");
        assert_eq!(outbox.take(100).await, None);
    }

    #[tokio::test]
    async fn whoever_answers_can_wait_for_the_reader() {
        let outbox = Outbox::new(4);
        outbox.push_answer(Bytes::from_static(b"a long answer"));
        let waiting = crate::spawn("waiting", {
            let outbox = outbox.clone();
            async move { outbox.drained(4).await }
        });
        assert_eq!(outbox.take(100).await.unwrap().len(), 13);
        assert!(!waiting.is_finished());
        outbox.push_answer(Bytes::from_static(b"x"));
        assert_eq!(outbox.take(100).await.unwrap(), "x");
        waiting.await.unwrap();
        outbox.close();
        outbox.closed().await;
    }

    #[tokio::test]
    async fn lines_wait_for_their_number_and_keep_their_order() {
        let line = |text: &'static str| Bytes::from_static(text.as_bytes());
        let outbox = Outbox::new(100);
        outbox.push(line("now")).unwrap();
        outbox.push_answer_after(line("kept"), 7, line("not kept"));
        outbox.push(line("later")).unwrap();
        assert_eq!(outbox.take(100).await.unwrap(), "now");
        let waiting = crate::spawn("waiting", {
            let outbox = outbox.clone();
            async move { outbox.take(100).await }
        });
        outbox.release(6);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        outbox.release(7);
        assert_eq!(waiting.await.unwrap().unwrap(), "keptlater");
        outbox.push_answer_after(line("kept"), 8, line("not kept"));
        outbox.push_after(line("a push"), 9).unwrap();
        outbox.close();
        outbox.give_up();
        assert_eq!(outbox.take(100).await.unwrap(), "not kepta push");
        assert_eq!(outbox.take(100).await, None);
        assert_eq!(outbox.pending(), 0);
    }

    #[tokio::test]
    async fn a_waiting_reader_wakes_up() {
        let outbox = Outbox::new(10);
        let reader = crate::spawn("reader", {
            let outbox = outbox.clone();
            async move { outbox.take(10).await }
        });
        outbox.push(Bytes::from_static(b"x")).unwrap();
        assert_eq!(reader.await.unwrap().unwrap(), "x");
    }
}
