//! A thread that writes log lines, so that whoever logs does not wait for a terminal or a disk.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{Builder, JoinHandle};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait for the thread.
const QUEUE: usize = 8 * 1024;

/// What happens to a line when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WhenFull {
    /// It is dropped and counted; the count is shown when there is room again.
    Drop,
    /// Whoever logs waits.
    Wait,
}

enum Job {
    Line(Vec<u8>),
    Stop,
}

/// Takes lines for the thread.
#[derive(Clone)]
pub(super) struct Sink {
    queue: SyncSender<Job>,
    when_full: WhenFull,
    dropped: Arc<AtomicU64>,
}

/// Ends the thread, after what waits was written, when dropped.
#[derive(Debug)]
pub(super) struct Flush {
    queue: SyncSender<Job>,
    when_full: WhenFull,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    /// Starts the thread that writes to `stream`.
    pub(super) fn start(
        name: &str,
        stream: Box<dyn Write + Send>,
        when_full: WhenFull,
    ) -> io::Result<(Self, Flush)> {
        let (queue, jobs) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&dropped);
        let thread = Builder::new().name(name.to_owned()).spawn(move || write_all(&jobs, stream, &count))?;
        Ok((
            Self { queue: queue.clone(), when_full, dropped },
            Flush { queue, when_full, thread: Some(thread) },
        ))
    }

    fn put(&self, line: Vec<u8>) {
        let refused = match self.when_full {
            WhenFull::Wait => self.queue.send(Job::Line(line)).is_err(),
            WhenFull::Drop => matches!(self.queue.try_send(Job::Line(line)), Err(TrySendError::Full(_))),
        };
        if refused {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write_all(jobs: &Receiver<Job>, mut stream: Box<dyn Write + Send>, dropped: &AtomicU64) {
    // A log that cannot be written has nowhere to complain; the program goes on.
    while let Ok(Job::Line(line)) = jobs.recv() {
        let _ = stream.write_all(&line);
        let missing = dropped.swap(0, Ordering::Relaxed);
        if missing > 0 {
            let _ = writeln!(stream, "... {missing} lines were not shown: the console did not keep up");
        }
        let _ = stream.flush();
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let told = match self.when_full {
            WhenFull::Wait => self.queue.send(Job::Stop).is_ok(),
            // The queue may be full because a terminal is stopped: then nothing is waited for.
            WhenFull::Drop => self.queue.try_send(Job::Stop).is_ok(),
        };
        if told && let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Collects one event and hands it over as one line.
pub(super) struct Line<'a> {
    sink: &'a Sink,
    bytes: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Line<'a>;
    fn make_writer(&'a self) -> Line<'a> {
        Line { sink: self, bytes: Vec::new() }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.sink.put(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_lines_are_written_in_order_before_the_end() {
        let memory = Memory::default();
        let (sink, flush) = Sink::start("test", Box::new(memory.clone()), WhenFull::Wait).unwrap();
        for number in 0..3 * QUEUE {
            let mut line = sink.make_writer();
            writeln!(line, "{number}").unwrap();
        }
        drop(flush);
        let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        assert!(text.lines().map(|line| line.parse::<usize>().unwrap()).eq(0..3 * QUEUE));
    }

    #[test]
    fn a_stopped_console_stops_nobody_and_says_what_is_missing() {
        let memory = Memory::default();
        let stopped = memory.0.lock().unwrap();
        let (sink, mut flush) = Sink::start("test", Box::new(memory.clone()), WhenFull::Drop).unwrap();
        for _ in 0..QUEUE + 10 {
            sink.put(b"x\n".to_vec());
        }
        drop(stopped);
        sink.queue.send(Job::Line(b"end\n".to_vec())).unwrap();
        sink.queue.send(Job::Stop).unwrap();
        flush.thread.take().unwrap().join().unwrap();
        let text = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("lines were not shown"), "{}", text.len());
    }
}
