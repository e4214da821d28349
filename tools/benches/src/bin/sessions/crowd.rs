//! Many connections of one thread: what comes is handed on as it comes, what does not go out at once waits.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

/// Bytes that are read at once.
const BUFFER: usize = 256 * 1024;

/// Connections, by numbers from 0.
pub(crate) struct Crowd {
    poll: Poll,
    events: Events,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    unsent: Vec<u8>,
    /// The beginning of a line that is not whole.
    tail: Vec<u8>,
}

impl Crowd {
    pub(crate) fn new() -> Self {
        let (poll, events) = (Poll::new().unwrap(), Events::with_capacity(4_096));
        Self { poll, events, connections: Vec::new(), buffer: vec![0; BUFFER] }
    }

    /// One more connection, which says this first. Gives its number.
    pub(crate) fn join(&mut self, address: SocketAddr, first: &str) -> usize {
        let stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut stream = TcpStream::from_std(stream);
        let number = self.connections.len();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(number), interest).unwrap();
        self.connections.push(Connection { stream, unsent: Vec::new(), tail: Vec::new() });
        self.send(number, first.as_bytes());
        number
    }

    pub(crate) fn send(&mut self, who: usize, bytes: &[u8]) {
        let connection = &mut self.connections[who];
        connection.unsent.extend_from_slice(bytes);
        connection.flush();
    }

    /// Waits for so long at most, and hands on what came.
    pub(crate) fn turn(&mut self, wait: Duration, mut each: impl FnMut(usize, &[u8])) {
        self.pump(wait, |who, _, bytes| each(who, bytes));
    }

    /// The same with whole lines.
    pub(crate) fn lines(&mut self, wait: Duration, mut each: impl FnMut(usize, &[u8])) {
        self.pump(wait, |who, tail, bytes| {
            tail.extend_from_slice(bytes);
            let whole = memchr::memrchr(b'\n', tail).map_or(0, |end| end + 1);
            tail[..whole].split_inclusive(|byte| *byte == b'\n').for_each(|line| each(who, line));
            tail.drain(..whole);
        });
    }

    fn pump(&mut self, wait: Duration, mut each: impl FnMut(usize, &mut Vec<u8>, &[u8])) {
        if let Err(error) = self.poll.poll(&mut self.events, Some(wait)) {
            assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
            return;
        }
        for event in &self.events {
            let who = event.token().0;
            let connection = &mut self.connections[who];
            if event.is_writable() {
                connection.flush();
            }
            while event.is_readable() {
                match connection.stream.read(&mut self.buffer) {
                    Ok(0) => panic!("connection {who} was closed"),
                    Ok(read) => {
                        each(who, &mut connection.tail, &self.buffer[..read]);
                        if read < BUFFER {
                            break;
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("connection {who}: {error}"),
                }
            }
        }
    }

    /// Reads on until nothing comes for so long; what comes is dropped.
    pub(crate) fn quieten(&mut self, silence: Duration) {
        let mut heard = Instant::now();
        while heard.elapsed() < silence {
            self.turn(Duration::from_millis(20), |_, _| heard = Instant::now());
        }
    }

    /// Reads on until so many answers came, each a line with a number.
    pub(crate) fn answers(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            self.lines(Duration::from_secs(60), |_, line| {
                if is_answer(line) {
                    assert!(!line.starts_with(br#"{"type":"error""#), "{}", String::from_utf8_lossy(line));
                    left = left.saturating_sub(1);
                }
            });
        }
    }
}

impl Connection {
    fn flush(&mut self) {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(sent) => drop(self.unsent.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("cannot write: {error}"),
            }
        }
    }
}

/// Whether a line answers something: pushes have no number.
pub(crate) fn is_answer(line: &[u8]) -> bool {
    // Behind the type, which has a few letters: that of most pushes has more.
    line.get(8..28).is_some_and(|begin| memchr::memmem::find(begin, br#""id":"#).is_some())
}
