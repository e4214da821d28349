//! An outbox that writes into its socket itself: what is said to thousands is written by whoever says it, without
//! waking thousands of tasks, and lines that came since the last time go out in one call.
//!
//! A socket that takes no more is left to the task that owns the connection, which waits for it. Called by the
//! tracker's couriers and sessions.

use std::io;
use std::sync::{Arc, MutexGuard};

use tokio::net::tcp::OwnedWriteHalf;

use super::{Outbox, Overflow, SharedLine, State};

/// Bytes that are written by one call, and after which others get their turn.
const TURN: usize = 64 * 1024;

/// What came of writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flushed {
    /// Bytes that the socket took.
    pub bytes: usize,
    /// What is left.
    pub left: Left,
}

/// What an outbox still has for its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing that may be written now.
    Nothing,
    /// Something that the socket may take.
    Something,
    /// Something that the socket does not take at present.
    Stuck,
}

impl Outbox {
    /// From now on lines go into this socket, by [`Self::flush`] and [`Self::flush_due`]; [`super::Outbox::take`]
    /// must not be called any more.
    pub fn attach(&self, socket: Arc<OwnedWriteHalf>) {
        self.state().socket = Some(socket);
    }

    /// Lets go of the socket.
    pub fn detach(&self) {
        self.state().socket = None;
    }

    /// Puts a line at the end, unless more than `most` bytes wait: then it is left out. Says whether the caller is
    /// to see to it that [`Self::flush_due`] is called soon; without a socket, whoever takes lines is woken.
    pub fn push_due(&self, line: SharedLine, most: usize) -> Result<bool, Overflow> {
        let mut state = self.state();
        if state.closed || state.pending > most {
            return Ok(false);
        }
        if state.pending + line.0.bytes.len() > self.shared.limit {
            return Err(Overflow { limit: self.shared.limit });
        }
        state.pending += line.0.bytes.len();
        state.lines.push_back(line);
        if state.socket.is_some() {
            return Ok(!std::mem::replace(&mut state.due, true));
        }
        drop(state);
        self.shared.changed.notify_one();
        Ok(false)
    }

    /// Writes what waits, as far as the socket takes it at once; what is left after that is left to the task that
    /// calls [`Self::flush`]. Lines are put together in `room`.
    pub fn flush_due(&self, room: &mut Vec<u8>) {
        let mut state = self.state();
        state.due = false;
        if !self.write(state, room).is_ok_and(|flushed| flushed.left == Left::Nothing) {
            self.shared.changed.notify_one();
        }
    }

    /// Waits until something may be written; `false` after the last line of a closed outbox. May be dropped at any
    /// await.
    pub async fn ready(&self) -> bool {
        loop {
            let changed = self.shared.changed.notified();
            {
                let state = self.state();
                if state.lines.front().is_some_and(|line| line.0.number <= state.released) {
                    return true;
                }
                if state.closed && state.lines.is_empty() {
                    return false;
                }
            }
            changed.await;
        }
    }

    /// Writes what may be written now, 64 KiB or a little more, and never waits.
    pub fn flush(&self) -> io::Result<Flushed> {
        self.write(self.state(), &mut Vec::new())
    }

    /// The lock is held while the socket takes bytes, which is soon over, so that lines keep their order whoever
    /// writes them.
    fn write(&self, mut state: MutexGuard<'_, State>, room: &mut Vec<u8>) -> io::Result<Flushed> {
        let mut bytes = 0;
        let left = loop {
            let Some(written) = state.write(room) else { break Left::Nothing };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    state.advance(written);
                    bytes += written;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Left::Stuck,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if bytes >= TURN && !state.lines.is_empty() {
                break Left::Something;
            }
        };
        state.shrink();
        drop(state);
        if bytes > 0 {
            self.shared.drained.notify_waiters();
        }
        Ok(Flushed { bytes, left })
    }
}

impl State {
    /// Hands the first lines to the socket; `None` when there is nothing to hand over. Lines are short: to put them
    /// together costs less than to let the system gather them.
    fn write(&self, room: &mut Vec<u8>) -> Option<io::Result<usize>> {
        let socket = self.socket.as_ref()?;
        let mut lines = self.lines.iter().map(|line| &line.0).take_while(|line| line.number <= self.released);
        let first = lines.next()?.bytes.get(self.begun..)?;
        let Some(second) = lines.next() else { return Some(socket.try_write(first)) };
        room.clear();
        room.extend_from_slice(first);
        for line in std::iter::once(second).chain(lines) {
            if room.len() + line.bytes.len() > TURN {
                break;
            }
            room.extend_from_slice(&line.bytes);
        }
        Some(socket.try_write(room))
    }

    /// So many bytes of the first lines are written.
    fn advance(&mut self, written: usize) {
        self.pending = self.pending.saturating_sub(written);
        self.begun += written;
        while let Some(line) = self.lines.front()
            && line.0.bytes.len() <= self.begun
        {
            self.begun -= line.0.bytes.len();
            self.lines.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn pair(limit: usize) -> (Outbox, Arc<OwnedWriteHalf>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (_, to) = listener.accept().await.unwrap().0.into_split();
        let (outbox, to) = (Outbox::new(limit), Arc::new(to));
        outbox.attach(Arc::clone(&to));
        to.writable().await.unwrap();
        (outbox, to, there)
    }

    fn line(text: &str) -> SharedLine {
        Bytes::copy_from_slice(text.as_bytes()).into()
    }

    #[tokio::test]
    async fn lines_of_all_kinds_are_written_in_order_and_wait_for_their_number() {
        let (outbox, _to, there) = pair(1_000).await;
        assert_eq!(outbox.push_due(line("a\n"), 1_000), Ok(true));
        assert_eq!(outbox.push_due(line("b\n"), 1_000), Ok(false), "it is on its way already");
        assert_eq!(outbox.push_due(line("left out\n"), 3), Ok(false));
        outbox.push_answer_after(Bytes::from_static(b"c\n"), 1, Bytes::from_static(b"not c\n"));
        outbox.push_due(line("d\n"), 1_000).unwrap();
        outbox.flush_due(&mut Vec::new());
        assert_eq!(outbox.pending(), 4);
        assert_eq!(outbox.flush().unwrap(), Flushed { bytes: 0, left: Left::Nothing });
        outbox.release(1);
        assert!(outbox.ready().await);
        assert_eq!(outbox.flush().unwrap(), Flushed { bytes: 4, left: Left::Nothing });
        assert_eq!(outbox.push_due(line("e\n"), 1_000), Ok(true), "it was seen to");
        outbox.close();
        assert!(outbox.ready().await);
        outbox.flush_due(&mut Vec::new());
        assert!(!outbox.ready().await);
        let mut lines = BufReader::new(there).lines();
        for text in ["a", "b", "c", "d", "e"] {
            assert_eq!(lines.next_line().await.unwrap().unwrap(), text);
        }
    }

    #[tokio::test]
    async fn a_socket_that_is_full_is_left_to_its_task_and_no_line_is_cut() {
        let (outbox, to, mut there) = pair(64 << 20).await;
        let long = "x".repeat(100_000) + "\n";
        let mut said = 0;
        while outbox.flush().unwrap().left != Left::Stuck {
            outbox.push_due(line(&long), usize::MAX).unwrap();
            outbox.flush_due(&mut Vec::new());
            said += 1;
        }
        assert!(outbox.pending() > 0);
        outbox.push_due(line("dropped\n"), usize::MAX).unwrap();
        // A line that has begun goes on.
        outbox.close_with(Bytes::from_static(b"bye\n"));
        let reading = crate::spawn("reading", async move {
            let mut all = String::new();
            there.read_to_string(&mut all).await.unwrap();
            all
        });
        while outbox.ready().await {
            if outbox.flush().unwrap().left == Left::Stuck {
                to.writable().await.unwrap();
            }
        }
        assert_eq!(outbox.pending(), 0);
        outbox.detach();
        drop(to);
        let all = reading.await.unwrap();
        let lines: Vec<&str> = all.lines().collect();
        assert_eq!(lines.last(), Some(&"bye"));
        assert!(lines.len() <= said + 1);
        assert!(lines.iter().rev().skip(1).all(|line| line.len() == 100_000));
    }

    #[tokio::test]
    async fn whoever_does_not_read_overflows() {
        let (outbox, _to, _there) = pair(10).await;
        outbox.push_after(Bytes::from_static(b"12345678"), 7).unwrap();
        assert_eq!(outbox.push_due(line("123"), usize::MAX), Err(Overflow { limit: 10 }));
    }
}
