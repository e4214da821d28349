//! The life of the connection: connect, hello, questions and answers, heartbeat, and again.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use rand::RngExt as _;
use runtime::{LineReader, Outbox};
use shared::control::{
    FromTracker, Hello, LINE_AFTER_LOGIN, OkLine, Ping, Push, Refusal, Request, VERSION, Welcome,
    parse_from_tracker, write_request,
};
use tokio::io::AsyncWriteExt as _;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, timeout};

use super::{AskError, LinkConfig, LinkEvent, LinkState, Question, back_off};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the tracker may take to let us in.
const LOGIN: Duration = Duration::from_secs(10);
/// How long one line may take from its first byte to its last.
const LINE: Duration = Duration::from_secs(30);
/// Bytes that are written at a time.
const BATCH: usize = 64 * 1024;
/// Bytes of questions that may wait for a slow tracker.
const OUTBOX: usize = 4 * 1024 * 1024;
/// How long to wait after a refusal: it will be refused again unless something changed.
const REFUSED: Duration = Duration::from_secs(10);

/// Keeps a connection for as long as somebody asks questions.
pub(super) async fn keep(
    config: LinkConfig,
    mut questions: mpsc::Receiver<Question>,
    events: mpsc::Sender<LinkEvent>,
    state: watch::Sender<LinkState>,
) {
    let mut tries = 0;
    let mut session = None;
    loop {
        let reason = match Session::begin(&config, session.take()).await {
            Ok(mut live) => {
                tries = 0;
                session = Some(live.welcome.session.clone());
                state.send_replace(LinkState::Connected(Box::new(live.welcome.clone())));
                if events.send(LinkEvent::Connected(Box::new(live.welcome.clone()))).await.is_err() {
                    return;
                }
                let ended = live.run(&mut questions, &events).await;
                live.outbox.close();
                let Some(reason) = ended else { return };
                tracing::info!(%reason, "tracker lost");
                state.send_replace(LinkState::Lost { reason: reason.clone() });
                if events.send(LinkEvent::Lost { reason: reason.clone() }).await.is_err() {
                    return;
                }
                reason
            }
            Err(Begin::Refused(refusal)) => {
                state.send_replace(LinkState::Refused(Box::new(refusal.clone())));
                if !wait(REFUSED, &mut questions, &config.tracker, &refusal.text).await {
                    return;
                }
                continue;
            }
            Err(Begin::Failed(reason)) => {
                state.send_replace(LinkState::Lost { reason: reason.clone() });
                reason
            }
        };
        let pause = back_off::wait(tries, rand::rng().random());
        tries = tries.saturating_add(1);
        if !wait(pause, &mut questions, &config.tracker, &reason).await {
            return;
        }
    }
}

/// Waits, answering questions with what is the matter. Says whether anybody still holds the link.
async fn wait(
    pause: Duration,
    questions: &mut mpsc::Receiver<Question>,
    tracker: &str,
    reason: &str,
) -> bool {
    let end = Instant::now() + pause;
    loop {
        tokio::select! {
            () = tokio::time::sleep_until(end) => return true,
            question = questions.recv() => match question {
                None => return false,
                Some(question) => {
                    let error = AskError::NotConnected { tracker: tracker.to_owned(), reason: reason.to_owned() };
                    // Whoever asked may have given up already.
                    drop(question.answer.send(Err(error)));
                }
            },
        }
    }
}

/// Why no session began.
enum Begin {
    Refused(Refusal),
    Failed(String),
}

/// One connection that the tracker has let in.
struct Session {
    welcome: Welcome,
    lines: LineReader<OwnedReadHalf>,
    outbox: Outbox,
    waiting: BTreeMap<u64, oneshot::Sender<Result<OkLine, AskError>>>,
    next_id: u64,
    heard: Instant,
    /// We said goodbye: that the tracker hangs up then is no loss.
    leaving: bool,
}

impl Session {
    async fn begin(config: &LinkConfig, session: Option<String>) -> Result<Self, Begin> {
        let failed = |error: io::Error| Begin::Failed(plain(&error));
        let address = timeout(CONNECT, tokio::net::lookup_host(&config.tracker)).await;
        let addresses: Vec<_> = address
            .map_err(|_| Begin::Failed("its name cannot be found in time".to_owned()))?
            .map_err(failed)?
            .collect();
        let mut connected = Err(Begin::Failed("its name has no address".to_owned()));
        for address in addresses {
            connected = runtime::net::connect(address, CONNECT).await.map_err(failed);
            if connected.is_ok() {
                break;
            }
        }
        let (read, mut write) = connected?.into_split();
        let mut lines = LineReader::new(read, LINE_AFTER_LOGIN, LINE);
        let hello = Hello {
            version: VERSION,
            nick: config.nick.clone(),
            peer_id: config.peer_id,
            ports: config.ports.clone(),
            addresses: Vec::new(),
            agent: config.agent.clone(),
            token: None,
            session,
            guest: config.guest,
        };
        write.write_all(&write_request(Some(0), &hello.into())).await.map_err(failed)?;
        let first = timeout(LOGIN, lines.next())
            .await
            .map_err(|_| Begin::Failed("it does not let us in".to_owned()))?;
        let first = first.map_err(|error| Begin::Failed(error.to_string()))?;
        let first = first.ok_or_else(|| Begin::Failed("it hung up".to_owned()))?;
        let not_ours = |_| Begin::Failed("what answers there is no tracker of this kind".to_owned());
        let welcome = match parse_from_tracker(first).map_err(not_ours)? {
            FromTracker::Ok(line) => line.read::<Welcome>().map_err(not_ours)?,
            FromTracker::Refused { refusal, .. } => return Err(Begin::Refused(refusal)),
            FromTracker::Push(push) => {
                return Err(Begin::Failed(farewell(&push).unwrap_or("it said something else").to_owned()));
            }
        };
        let outbox = Outbox::new(OUTBOX);
        drop(runtime::spawn("tracker writer", write_all(write, outbox.clone())));
        Ok(Self {
            welcome,
            lines,
            outbox,
            waiting: BTreeMap::new(),
            next_id: 1,
            heard: Instant::now(),
            leaving: false,
        })
    }

    /// Questions, answers and pushes until the connection ends; `None` when nobody holds the link any more.
    async fn run(
        &mut self,
        questions: &mut mpsc::Receiver<Question>,
        events: &mpsc::Sender<LinkEvent>,
    ) -> Option<String> {
        let interval = Duration::from_secs(self.welcome.interval.clamp(1, 3600));
        let mut beat = tokio::time::interval(interval);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                question = questions.recv() => {
                    let Question { request, answer } = question?;
                    self.leaving |= matches!(request, Request::Bye(_));
                    let Some(id) = self.send(&request) else { return Some("it does not read".to_owned()) };
                    self.waiting.insert(id, answer);
                }
                line = self.lines.next() => {
                    let line = match line {
                        Ok(Some(line)) => parse_from_tracker(line),
                        Ok(None) if self.leaving => return None,
                        Ok(None) => return Some("it hung up".to_owned()),
                        Err(error) => return Some(error.to_string()),
                    };
                    self.heard = Instant::now();
                    if let Some(reason) = self.hear(line, events).await {
                        return Some(reason);
                    }
                }
                _ = beat.tick() => {
                    if self.heard.elapsed() > 3 * interval {
                        return Some("it has been silent for too long".to_owned());
                    }
                    if self.send(&Ping {}.into()).is_none() {
                        return Some("it does not read".to_owned());
                    }
                }
            }
        }
    }

    fn send(&mut self, request: &Request) -> Option<u64> {
        let id = self.next_id;
        self.next_id += 1;
        // Only a tracker that reads nothing for a long time lets it overflow; silence ends that.
        self.outbox.push(write_request(Some(id), request)).ok()?;
        Some(id)
    }

    /// Takes one line; gives the reason when it ends the connection.
    async fn hear(
        &mut self,
        line: Result<FromTracker, shared::control::ControlError>,
        events: &mpsc::Sender<LinkEvent>,
    ) -> Option<String> {
        match line {
            Ok(FromTracker::Ok(line)) => {
                if let Some(answer) = line.id.and_then(|id| self.waiting.remove(&id)) {
                    drop(answer.send(Ok(line)));
                }
                None
            }
            Ok(FromTracker::Refused { id: Some(id), refusal }) => {
                if let Some(answer) = self.waiting.remove(&id) {
                    drop(answer.send(Err(AskError::Refused(refusal))));
                }
                None
            }
            Ok(FromTracker::Refused { id: None, refusal }) => Some(refusal.text),
            Ok(FromTracker::Push(push)) => {
                let reason = farewell(&push).map(str::to_owned);
                if events.send(LinkEvent::Push(push)).await.is_err() {
                    return Some("nobody listens any more".to_owned());
                }
                reason
            }
            Err(error) => Some(format!("what it says cannot be read: {error}")),
        }
    }
}

/// Why the tracker ends the session, if this is how it does.
fn farewell(push: &Push) -> Option<&str> {
    match push {
        Push::Bye { reason } | Push::Kick { reason } => Some(reason),
        _ => None,
    }
}

async fn write_all(mut write: OwnedWriteHalf, outbox: Outbox) {
    while let Some(lines) = outbox.take(BATCH).await {
        if let Err(error) = write.write_all(&lines).await {
            tracing::debug!(%error, "the tracker does not read");
            outbox.close();
            return;
        }
    }
}

/// An error of the system in a few words.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        io::ErrorKind::TimedOut => "no answer".to_owned(),
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "no way leads there".to_owned(),
        _ => error.to_string(),
    }
}
