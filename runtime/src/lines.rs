//! Lines from a stream: bounded in bytes and in time before anyone looks at them.
//!
//! A line ends with a line feed, which is not part of it; a carriage return before it is dropped.
//! Nothing is known here of what a line says. Used by the tracker's sessions, the peer's link to
//! its tracker, and the peer's local control socket.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, timeout_at};

/// Bytes that one read takes at most. They come by way of the stack, so that a stream that waits holds no memory.
const ROOM: usize = 8 * 1024;

/// Why there is no next line.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// The line is longer than allowed; where the next one begins is not known.
    #[error("the line is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes, without the line feed.
        limit: usize,
    },
    /// The line did not end in time.
    #[error("the line did not end within {limit:?}")]
    TooSlow {
        /// The time that was allowed from its first byte on.
        limit: Duration,
    },
    /// The stream ended inside a line.
    #[error("the stream ended in the middle of a line ({bytes} bytes of it came)")]
    Unfinished {
        /// How much of the line came.
        bytes: usize,
    },
    /// The stream broke.
    #[error("reading failed")]
    Io(#[from] io::Error),
}

/// Reads lines from `R`.
#[derive(Debug)]
pub struct LineReader<R> {
    stream: R,
    buffer: Vec<u8>,
    /// Bytes of `buffer` that were given out already.
    used: usize,
    /// Bytes of `buffer`, from its start, in which no further line feed is.
    searched: usize,
    limit: usize,
    patience: Duration,
    /// When the line that is now coming must be whole.
    deadline: Option<Instant>,
}

impl<R: AsyncRead + Unpin> LineReader<R> {
    /// A reader of lines of at most `limit` bytes, each whole within `patience` from its first byte.
    pub fn new(stream: R, limit: usize, patience: Duration) -> Self {
        Self { stream, buffer: Vec::new(), used: 0, searched: 0, limit, patience, deadline: None }
    }

    /// From the next line on, lines may hold `limit` bytes.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The stream, without what was read ahead of it.
    pub fn into_inner(self) -> R {
        self.stream
    }

    /// What has come of the line that is not whole yet.
    pub fn partial(&self) -> &[u8] {
        self.buffer.get(self.used..).unwrap_or_default()
    }

    /// The next line; `None` at the end of the stream. Waits for the first byte of a line without a
    /// limit of its own. May be dropped at any await and called again: nothing is lost.
    pub async fn next(&mut self) -> Result<Option<&[u8]>, LineError> {
        loop {
            if let Some(end) = self.find_line_feed() {
                let start = std::mem::replace(&mut self.used, end + 1);
                self.searched = self.used;
                self.deadline = None;
                if end - start > self.limit + 1 {
                    return Err(LineError::TooLong { limit: self.limit });
                }
                let line = self.buffer.get(start..end).unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if line.len() > self.limit {
                    return Err(LineError::TooLong { limit: self.limit });
                }
                return Ok(Some(line));
            }
            self.forget_used();
            // One more for a carriage return.
            if self.buffer.len() > self.limit + 1 {
                return Err(LineError::TooLong { limit: self.limit });
            }
            if !self.buffer.is_empty() && self.deadline.is_none() {
                self.deadline = Some(Instant::now() + self.patience);
            }
            if self.read().await? == 0 {
                let bytes = self.buffer.len();
                return if bytes == 0 { Ok(None) } else { Err(LineError::Unfinished { bytes }) };
            }
        }
    }

    async fn read(&mut self) -> Result<usize, LineError> {
        let Self { stream, buffer, .. } = self;
        let read = poll_fn(|context| {
            let mut bytes = [const { MaybeUninit::uninit() }; ROOM];
            let mut bytes = ReadBuf::uninit(&mut bytes);
            let read = ready!(Pin::new(&mut *stream).poll_read(context, &mut bytes));
            buffer.extend_from_slice(bytes.filled());
            Poll::Ready(read.map(|()| bytes.filled().len()))
        });
        let read = match self.deadline {
            None => read.await?,
            Some(deadline) => match timeout_at(deadline, read).await {
                Ok(read) => read?,
                Err(_) => return Err(LineError::TooSlow { limit: self.patience }),
            },
        };
        Ok(read)
    }

    fn find_line_feed(&mut self) -> Option<usize> {
        let from = self.searched.max(self.used);
        let found = self.buffer.get(from..)?.iter().position(|byte| *byte == b'\n');
        self.searched = found.map_or(self.buffer.len(), |at| from + at);
        found.map(|at| from + at)
    }

    /// Makes room by dropping the lines that were given out.
    fn forget_used(&mut self) {
        if self.used > 0 {
            self.buffer.drain(..self.used);
            self.searched -= self.used;
            self.used = 0;
        }
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    async fn all(input: &[u8], limit: usize) -> (Vec<String>, Option<LineError>) {
        let mut reader = LineReader::new(input, limit, PATIENCE);
        let mut lines = Vec::new();
        loop {
            match reader.next().await {
                Ok(Some(line)) => lines.push(String::from_utf8(line.to_vec()).unwrap()),
                Ok(None) => return (lines, None),
                Err(error) => return (lines, Some(error)),
            }
        }
    }

    #[tokio::test]
    async fn line_feeds_end_lines_and_carriage_returns_vanish() {
        let (lines, error) = all(b"one\r\ntwo\n\nthree\n", 5).await;
        assert_eq!(lines, ["one", "two", "", "three"]);
        assert!(error.is_none());
    }

    #[tokio::test]
    async fn the_limit_is_exact() {
        for ending in ["\n", "\r\n"] {
            let (lines, error) = all(format!("12345{ending}123456{ending}").as_bytes(), 5).await;
            assert_eq!(lines, ["12345"]);
            assert!(matches!(error, Some(LineError::TooLong { limit: 5 })), "{error:?}");
        }
    }

    #[tokio::test]
    async fn an_end_inside_a_line_is_told() {
        let (lines, error) = all(b"one\ntw", 5).await;
        assert_eq!(lines, ["one"]);
        assert!(matches!(error, Some(LineError::Unfinished { bytes: 2 })), "{error:?}");
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut_at_the_limit() {
        let endless = tokio::io::repeat(b'x');
        let mut reader = LineReader::new(endless, 64 * 1024, PATIENCE);
        assert!(matches!(reader.next().await, Err(LineError::TooLong { limit: 65_536 })));
        assert!(reader.buffer.capacity() < 256 * 1024, "{}", reader.buffer.capacity());
    }

    #[tokio::test(start_paused = true)]
    async fn a_drip_does_not_extend_the_deadline() {
        let (mut there, here) = tokio::io::duplex(64);
        let dripping = crate::spawn("drip", async move {
            while there.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        });
        let mut reader = LineReader::new(here, 1024, PATIENCE);
        let start = Instant::now();
        assert!(matches!(reader.next().await, Err(LineError::TooSlow { .. })));
        assert_eq!(start.elapsed(), PATIENCE);
        drop(reader);
        dripping.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_can_be_given_up_and_taken_up_again() {
        let (mut there, here) = tokio::io::duplex(64);
        let mut reader = LineReader::new(here, 1024, PATIENCE);
        there.write_all(b"hel").await.unwrap();
        assert!(tokio::time::timeout(Duration::from_secs(1), reader.next()).await.is_err());
        assert_eq!(reader.partial(), b"hel");
        there.write_all(b"lo\n").await.unwrap();
        assert_eq!(reader.next().await.unwrap(), Some(&b"hello"[..]));
    }
}
