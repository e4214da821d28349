//! What may be asked of the registry, and what it decides.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use shared::control::{Answer, Departure, Hello, Push, Refusal, Request};

use crate::event::Event;

/// One connection, numbered by the shell; a number is used once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionKey(pub u64);

/// What may be asked.
#[derive(Debug, Clone)]
pub enum Command {
    /// A connection says who it is.
    Hello {
        /// The connection.
        session: SessionKey,
        /// Where it comes from.
        address: SocketAddr,
        /// The tracker's own address on that connection: how this peer reaches this machine.
        via: IpAddr,
        /// What it says.
        hello: Box<Hello>,
    },
    /// Any other request of a connection.
    Request {
        /// The connection.
        session: SessionKey,
        /// What it asks.
        request: Box<Request>,
    },
    /// A connection is gone.
    Gone {
        /// The connection.
        session: SessionKey,
        /// How.
        how: Departure,
        /// What happened, for the log.
        detail: String,
    },
    /// The operator says something to all.
    Notice {
        /// What.
        text: String,
    },
    /// The operator sends someone away.
    Kick {
        /// Whom.
        nick: String,
        /// Why.
        reason: String,
    },
}

/// How a delivery is treated when its receiver lags behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// It may be left out: who wants to know can ask.
    Advisory,
    /// It must arrive, or the connection ends.
    Owed,
}

/// A push and those it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The connections.
    pub to: Vec<SessionKey>,
    /// What is said.
    pub push: Push,
    /// What happens when a receiver lags.
    pub urgency: Urgency,
}

/// A connection that is to be closed after a last line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The connection.
    pub session: SessionKey,
    /// Its last line; `None` when the answer is the last line.
    pub last: Option<Push>,
}

/// What was decided. Nothing has changed until the events are applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// The answer to whoever asked.
    pub reply: Option<Result<Answer, Refusal>>,
    /// What is to happen.
    pub events: Vec<Event>,
    /// What is to be told to others.
    pub deliveries: Vec<Delivery>,
    /// Connections that end.
    pub ended: Vec<Ended>,
}

impl Decision {
    pub(crate) fn answer(answer: Answer) -> Self {
        Self { reply: Some(Ok(answer)), ..Self::default() }
    }

    pub(crate) fn refuse(refusal: Refusal) -> Self {
        Self { reply: Some(Err(refusal)), ..Self::default() }
    }

    pub(crate) fn deliver(&mut self, to: Vec<SessionKey>, urgency: Urgency, push: Push) {
        if !to.is_empty() {
            self.deliveries.push(Delivery { to, push, urgency });
        }
    }
}
