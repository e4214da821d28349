//! Questions that wait for their answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shared::Moment;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// The most questions under way.
const MOST: usize = 1_000;

/// What a question is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To see whether a node is there.
    Ping,
    /// A step of this look-up.
    Lookup(u32),
    /// To be known as a peer.
    Announce,
}

#[derive(Debug)]
struct Waiting {
    to: SocketAddr,
    sent: Moment,
    purpose: Purpose,
}

/// See the head of this file.
#[derive(Debug, Default)]
pub(crate) struct Queries {
    waiting: BTreeMap<u32, Waiting>,
}

impl Queries {
    /// Notes a question under this mark; `false` when there are too many.
    pub(crate) fn add(&mut self, mark: u32, to: SocketAddr, purpose: Purpose, now: Moment) -> bool {
        if self.waiting.len() >= MOST {
            return false;
        }
        self.waiting.insert(mark, Waiting { to, sent: now, purpose });
        true
    }

    /// The question that this answers: the mark must be ours and the address the one that was asked.
    pub(crate) fn answered(&mut self, transaction: &[u8], from: SocketAddr) -> Option<Purpose> {
        let mark = u32::from_be_bytes(transaction.try_into().ok()?);
        if self.waiting.get(&mark)?.to != from {
            return None;
        }
        self.waiting.remove(&mark).map(|waiting| waiting.purpose)
    }

    /// Questions that were not answered in time.
    pub(crate) fn expire(&mut self, now: Moment) -> Vec<(SocketAddr, Purpose)> {
        let mut gone = Vec::new();
        self.waiting.retain(|_, waiting| {
            let late = now.since(waiting.sent) >= PATIENCE;
            if late {
                gone.push((waiting.to, waiting.purpose));
            }
            !late
        });
        gone
    }

    /// Whether this address is being asked already.
    pub(crate) fn asks(&self, address: SocketAddr) -> bool {
        self.waiting.values().any(|waiting| waiting.to == address)
    }

    /// When the next one is late.
    pub(crate) fn next_timeout(&self) -> Option<Moment> {
        self.waiting.values().map(|waiting| waiting.sent + PATIENCE).min()
    }
}
