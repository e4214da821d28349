//! One connection: reads lines, asks the hub, writes what its outbox holds.
//!
//! Everything is bounded: a line in bytes and time, the login in time, faulty lines in number, the
//! outbox in bytes, and the next request is only read when the answers before it were taken.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;
use registry::{Command, SessionKey};
use runtime::{Left, LineError, LineReader, Outbox};
use shared::control::{
    Code, ControlError, Departure, Fault, LINE_AFTER_LOGIN, LINE_BEFORE_LOGIN, Refusal, Request,
    parse_request, write_refusal,
};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Duration, Instant, timeout, timeout_at};

use crate::admission;
use crate::config::TrackerConfig;
use crate::doors;
use crate::hub::{self, Hub};

/// Bytes that a full socket must take in the time that is allowed, or all that waits.
const BATCH: usize = 64 * 1024;
/// Bytes of requests after which others get their turn.
const BURST: usize = 32 * 1024;
/// The next request is read when no more than this waits for the reader.
const TAKEN: usize = 256 * 1024;
/// How long a connection that ends may take to read its last lines.
const GRACE: Duration = Duration::from_secs(1);
/// Bytes of a refused connection that are read and dropped, so that its last line is not lost.
const DISCARD: usize = 4 * 1024 * 1024;

/// How a connection ended.
struct Ending {
    how: Departure,
    detail: String,
    /// The last line, if there is one to write.
    last: Option<Refusal>,
}

impl Ending {
    fn lost(detail: impl Into<String>) -> Self {
        Self { how: Departure::Lost, detail: detail.into(), last: None }
    }

    fn refused(refusal: Refusal) -> Self {
        Self { how: Departure::Lost, detail: refusal.text.clone(), last: Some(refusal) }
    }
}

/// Serves one connection until it ends.
pub(crate) async fn serve(stream: TcpStream, address: SocketAddr, hub: Hub, config: &TrackerConfig) {
    if let Err(error) = runtime::net::tune(&stream) {
        tracing::debug!(%error, "socket options could not be set");
    }
    let via = stream.local_addr().map_or(address.ip(), |local| local.ip());
    let outbox = Outbox::new(config.outbox_bytes);
    let Some(session) = hub.connect(&outbox) else { return };
    let deadline = Instant::now() + config.login_deadline;
    if let Some(line) = doors::foreign(&stream, deadline).await {
        hub.disconnect(session, Departure::Lost, String::new());
        // Rare and large: no session is to have room for it.
        return Box::pin(doors::answer(stream, line)).await;
    }
    let (from, to) = stream.into_split();
    let to = Arc::new(to);
    outbox.attach(Arc::clone(&to));
    let mut reader = Reader {
        lines: LineReader::new(from, LINE_BEFORE_LOGIN, config.line_deadline),
        hub: &hub,
        config,
        outbox: &outbox,
        session,
        address,
        via: via.to_canonical(),
        errors: VecDeque::new(),
    };
    let ending = {
        let writing = write_all(&to, &outbox, config.write_deadline);
        tokio::pin!(writing);
        tokio::select! {
            ending = reader.read_all(deadline) => {
                if let Some(refusal) = &ending.last {
                    outbox.push_answer(Bytes::from(write_refusal(None, refusal)));
                }
                outbox.close();
                // A reader that does not read its last lines in time goes without them.
                let _ = timeout(GRACE, &mut writing).await;
                ending
            }
            ending = &mut writing => ending,
            () = cut(&outbox) => Ending::lost("too slow a reader"),
        }
    };
    hub.disconnect(session, ending.how, ending.detail);
    // With the last that holds it, this half of the connection ends.
    outbox.detach();
    drop(to);
    discard(reader.lines.into_inner()).await;
}

/// The outbox was closed, and its last lines could not be written in time.
async fn cut(outbox: &Outbox) {
    outbox.closed().await;
    tokio::time::sleep(GRACE).await;
}

/// Reads on for a moment: a socket that is closed with bytes unread takes its last line back.
async fn discard(mut from: OwnedReadHalf) {
    let mut buffer = vec![0; 16 * 1024];
    let mut left = DISCARD;
    let _ = timeout(GRACE, async {
        while let Ok(read) = from.read(&mut buffer).await {
            left = left.saturating_sub(read);
            if read == 0 || left == 0 {
                break;
            }
        }
    })
    .await;
}

/// Writes what nobody else has written: answers, and what a slow reader did not take at once.
async fn write_all(to: &OwnedWriteHalf, outbox: &Outbox, patience: Duration) -> Ending {
    // Since when the socket is full, and what it took meanwhile.
    let (mut until, mut taken) = (None, 0);
    while outbox.ready().await {
        let flushed = match outbox.flush() {
            Ok(flushed) => flushed,
            Err(error) => return Ending::lost(format!("connection broke: {error}")),
        };
        taken += flushed.bytes;
        if flushed.left != Left::Stuck || taken >= BATCH {
            (until, taken) = (None, 0);
        }
        match flushed.left {
            Left::Nothing => {}
            Left::Something => tokio::task::yield_now().await,
            Left::Stuck => {
                let until = *until.get_or_insert_with(|| Instant::now() + patience);
                match timeout_at(until, to.writable()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return Ending::lost(format!("connection broke: {error}")),
                    Err(_) => return Ending::lost(format!("took nothing for {} s", patience.as_secs())),
                }
            }
        }
    }
    Ending::lost("ended by the tracker")
}

struct Reader<'a> {
    lines: LineReader<OwnedReadHalf>,
    hub: &'a Hub,
    config: &'a TrackerConfig,
    outbox: &'a Outbox,
    session: SessionKey,
    address: SocketAddr,
    via: IpAddr,
    /// When the last faulty lines came.
    errors: VecDeque<Instant>,
}

impl Reader<'_> {
    async fn read_all(&mut self, login: Instant) -> Ending {
        let mut registered = false;
        let mut said = 0;
        loop {
            self.outbox.drained(TAKEN).await;
            let next = if registered {
                self.lines.next().await
            } else {
                match timeout_at(login, self.lines.next()).await {
                    Ok(next) => next,
                    Err(_) => return self.too_late(),
                }
            };
            let line = match next {
                Ok(Some(line)) => line,
                Ok(None) => return Ending::lost(hub::CLOSED),
                Err(error) => return ending_of(error),
            };
            if line.trim_ascii().is_empty() {
                self.hub.heard(self.session);
                continue;
            }
            let length = line.len();
            let parsed = parse_request(line);
            if let ControlFlow::Break(ending) = self.answer(parsed, &mut registered).await {
                return ending;
            }
            said += length;
            if said > BURST {
                said = 0;
                self.hub.give_way().await;
            }
        }
    }

    fn too_late(&self) -> Ending {
        let limit = self.config.login_deadline.as_secs();
        Ending::refused(Refusal::new(Code::Timeout, format!("no hello within {limit} s")))
    }

    async fn answer(
        &mut self,
        parsed: Result<(Option<u64>, Request), ControlError>,
        registered: &mut bool,
    ) -> ControlFlow<Ending> {
        let (id, request) = match parsed {
            Ok(parsed) => parsed,
            Err(ControlError { id, fault }) => {
                self.hub.heard(self.session);
                let refusal = advise(Refusal::from(&fault), &fault);
                if fault.closes() {
                    return ControlFlow::Break(Ending::refused(refusal));
                }
                self.outbox.push_answer(Bytes::from(write_refusal(id, &refusal)));
                return self.count_error();
            }
        };
        let session = self.session;
        let command = match request {
            Request::Search(search) => {
                let found = self.hub.search(session, id, search).await;
                return self.after(found);
            }
            Request::Hello(hello) => {
                Command::Hello { session, address: self.address, via: self.via, hello: Box::new(hello) }
            }
            Request::Share(share) => {
                if let Err(refusal) = admission::check(&share) {
                    self.hub.heard(session);
                    self.outbox.push_answer(Bytes::from(write_refusal(id, &refusal)));
                    return ControlFlow::Continue(());
                }
                Command::Request { session, request: Box::new(Request::Share(share)) }
            }
            request => Command::Request { session, request: Box::new(request) },
        };
        let greeting = matches!(command, Command::Hello { .. });
        match self.hub.ask(session, id, command) {
            Ok(()) if greeting => {
                *registered = true;
                self.lines.set_limit(LINE_AFTER_LOGIN);
                ControlFlow::Continue(())
            }
            answered => self.after(answered),
        }
    }

    fn after(&mut self, answered: Result<(), Refusal>) -> ControlFlow<Ending> {
        match answered {
            Err(refusal) if matches!(refusal.code, Code::NotRegistered | Code::AlreadyRegistered) => {
                self.count_error()
            }
            Ok(()) | Err(_) => ControlFlow::Continue(()),
        }
    }

    /// Too many faulty lines in a short time come from a program that does not listen.
    fn count_error(&mut self) -> ControlFlow<Ending> {
        let now = Instant::now();
        self.errors.push_back(now);
        while self.errors.front().is_some_and(|first| now - *first > self.config.error_window) {
            self.errors.pop_front();
        }
        if self.errors.len() < self.config.errors {
            return ControlFlow::Continue(());
        }
        let window = self.config.error_window.as_secs();
        let text = format!("too many faulty lines ({} in {window} s)", self.config.errors);
        ControlFlow::Break(Ending::refused(Refusal::new(Code::TooManyErrors, text)))
    }
}

fn ending_of(error: LineError) -> Ending {
    match error {
        LineError::TooLong { limit } => Ending::refused(Refusal::from(&Fault::LineTooLong { limit })),
        LineError::TooSlow { limit } => {
            let text = format!("a line must end within {} s", limit.as_secs());
            Ending::refused(Refusal::new(Code::Timeout, text))
        }
        LineError::Unfinished { bytes } => {
            Ending::refused(Refusal::from(&Fault::BadJson { reason: "unexpected end", byte: bytes }))
        }
        LineError::Io(error) => Ending::lost(format!("connection broke: {error}")),
    }
}

fn advise(refusal: Refusal, fault: &Fault) -> Refusal {
    match fault {
        Fault::BadJson { .. } => refusal.advise(r#"one JSON object per line, such as {"type":"who"}"#),
        _ => refusal,
    }
}
