//! What happens in the swarms that the person may want to see. Shown by `crate::news`.

use engine::Alert;
use shared::InfoHash;
use shared::control::{Entry, Push, Welcome};

use super::wishes::{Unfit, Wish};

/// Something that the person may want to see.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// The engine has something to say.
    Alert {
        /// What.
        alert: Alert,
        /// What the peer that it is about is called, if it is about one that is known.
        nick: Option<String>,
    },
    /// The tracker has let us in.
    Connected(Box<Welcome>),
    /// The tracker is gone.
    Lost {
        /// Why.
        reason: String,
    },
    /// Neither we nor a peer that has it could dial the other.
    OutOfReach {
        /// For which torrent.
        id: InfoHash,
        /// What the peer is called, if that is known.
        nick: Option<String>,
        /// Where it was dialled.
        address: std::net::SocketAddr,
    },
    /// Something that was wanted has appeared and is being fetched.
    Fetching {
        /// What was wanted.
        wish: Wish,
        /// What has appeared.
        entry: Box<Entry>,
    },
    /// Something that was wanted has appeared and is not fetched.
    NotFetched {
        /// What was wanted.
        wish: Wish,
        /// What has appeared.
        entry: Box<Entry>,
        /// Why it is not fetched.
        why: Unfit,
    },
    /// The tracker said something unasked.
    Push(Box<Push>),
}
