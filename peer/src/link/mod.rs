//! The connection to the tracker: JSON lines, answers matched to questions, reconnection by itself.
//!
//! Nobody waits for the tracker who does not have to: a question fails quickly while there is no
//! connection, and what happens is told as [`LinkEvent`]s. What to share and to follow is not known here.

mod back_off;
mod connection;

use std::fmt;
use std::time::Duration;

use shared::PeerId;
use shared::control::{Ask, Bye, ControlError, OkLine, Push, Refusal, Request, Welcome};
use tokio::sync::{mpsc, oneshot, watch};

/// Questions that may wait to be sent.
const QUESTIONS: usize = 256;
/// Events that may wait to be heard.
const EVENTS: usize = 4096;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a question waits for a connection that is just coming up.
const GRACE: Duration = Duration::from_millis(1500);
/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Whom to talk to, and as whom.
#[derive(Debug, Clone)]
pub struct LinkConfig {
    /// HOST:PORT.
    pub tracker: String,
    /// What to be called.
    pub nick: String,
    /// Who we are.
    pub peer_id: PeerId,
    /// Where our wire listens; empty when nobody can dial us.
    pub ports: Vec<u16>,
    /// Our program.
    pub agent: String,
    /// Whether the id is for this connection only: nothing is kept for it when it has gone.
    pub guest: bool,
}

/// How it stands with the tracker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// The first connection is being made.
    Connecting,
    /// The tracker has let us in.
    Connected(Box<Welcome>),
    /// There is no connection; it is tried again.
    Lost {
        /// Why.
        reason: String,
    },
    /// The tracker does not want us as we are; it is tried again, more slowly.
    Refused(Box<Refusal>),
}

impl fmt::Display for LinkState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connecting => f.write_str("connecting"),
            Self::Connected(welcome) => write!(f, "{} {}", welcome.tracker.name, welcome.tracker.version),
            Self::Lost { reason } => write!(f, "not connected ({reason})"),
            Self::Refused(refusal) => write!(f, "refused: {}", refusal.text),
        }
    }
}

/// Something that happened on the connection.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkEvent {
    /// The tracker has let us in, for the first time or again.
    Connected(Box<Welcome>),
    /// The connection is gone.
    Lost {
        /// Why.
        reason: String,
    },
    /// The tracker said something unasked.
    Push(Box<Push>),
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no connection.
    #[error("there is no connection to the tracker {tracker} ({reason})")]
    NotConnected {
        /// HOST:PORT.
        tracker: String,
        /// Why.
        reason: String,
    },
    /// The tracker did not answer in time.
    #[error("the tracker did not answer within {}", shared::display::Elapsed(PATIENCE))]
    TimedOut,
    /// The tracker said no.
    #[error("{}", .0.text)]
    Refused(Refusal),
    /// The tracker answered something else than what was asked.
    #[error("the tracker's answer cannot be read: {0}")]
    Broken(#[from] ControlError),
}

/// One question on its way.
struct Question {
    request: Request,
    answer: oneshot::Sender<Result<OkLine, AskError>>,
}

/// The connection as its users see it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TrackerLink {
    tracker: String,
    wanted_nick: String,
    questions: mpsc::Sender<Question>,
    state: watch::Receiver<LinkState>,
}

impl TrackerLink {
    /// Starts connecting. The events must be received; the link lives as long as somebody holds it.
    pub fn start(config: LinkConfig) -> (Self, mpsc::Receiver<LinkEvent>) {
        let (questions, asked) = mpsc::channel(QUESTIONS);
        let (events, heard) = mpsc::channel(EVENTS);
        let (state, seen) = watch::channel(LinkState::Connecting);
        let link = Self {
            tracker: config.tracker.clone(),
            wanted_nick: config.nick.clone(),
            questions,
            state: seen,
        };
        drop(runtime::spawn("tracker link", connection::keep(config, asked, events, state)));
        (link, heard)
    }

    /// A link that never connects, for verbs that ask nobody.
    pub fn none(nick: &str) -> Self {
        let (questions, _) = mpsc::channel(1);
        let reason = "nobody asked for one".to_owned();
        let (_, state) = watch::channel(LinkState::Lost { reason });
        Self { tracker: "none".to_owned(), wanted_nick: nick.to_owned(), questions, state }
    }

    /// Asks and waits for the answer.
    pub async fn ask<A: Ask>(&self, request: A) -> Result<A::Answer, AskError> {
        self.wait_connected(GRACE).await?;
        let (answer, answered) = oneshot::channel();
        let question = Question { request: request.into(), answer };
        let gone = || AskError::NotConnected {
            tracker: self.tracker.clone(),
            reason: "the connection ended".into(),
        };
        let asked = tokio::time::timeout(PATIENCE, async {
            self.questions.send(question).await.map_err(|_| gone())?;
            answered.await.map_err(|_| gone())?
        });
        let line = asked.await.map_err(|_| AskError::TimedOut)??;
        Ok(line.read()?)
    }

    /// HOST:PORT of the tracker.
    pub fn tracker(&self) -> &str {
        &self.tracker
    }

    /// How it stands.
    pub fn state(&self) -> LinkState {
        self.state.borrow().clone()
    }

    /// What we are called here: as granted, or as wished while there is no tracker.
    pub fn nick(&self) -> String {
        match &*self.state.borrow() {
            LinkState::Connected(welcome) => welcome.nick.clone(),
            _ => self.wanted_nick.clone(),
        }
    }

    /// What the operator of the tracker tells all who come, while we are there.
    pub fn motd(&self) -> Option<String> {
        match &*self.state.borrow() {
            LinkState::Connected(welcome) => welcome.motd.clone(),
            _ => None,
        }
    }

    /// Waits until the tracker has let us in, or says why it has not.
    pub async fn wait_connected(&self, within: Duration) -> Result<Welcome, AskError> {
        let mut state = self.state.clone();
        let settled = |state: &LinkState| matches!(state, LinkState::Connected(_) | LinkState::Refused(_));
        // When the time is over, the state as it is then tells why.
        drop(tokio::time::timeout(within, state.wait_for(settled)).await);
        match self.state() {
            LinkState::Connected(welcome) => Ok(*welcome),
            LinkState::Refused(refusal) => Err(AskError::Refused(*refusal)),
            LinkState::Lost { reason } => {
                Err(AskError::NotConnected { tracker: self.tracker.clone(), reason })
            }
            LinkState::Connecting => {
                Err(AskError::NotConnected { tracker: self.tracker.clone(), reason: "no answer".to_owned() })
            }
        }
    }

    /// Says goodbye, so that the others see at once that we left.
    pub async fn leave(&self, reason: &str) {
        if matches!(&*self.state.borrow(), LinkState::Connected(_)) {
            let bye = self.ask(Bye { reason: Some(reason.to_owned()) });
            if let Ok(Err(error)) = tokio::time::timeout(FAREWELL, bye).await {
                tracing::debug!(%error, "no farewell");
            }
        }
    }
}
