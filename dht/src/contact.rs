//! One node that we know.

use std::net::SocketAddr;

use shared::Moment;

use crate::node_id::NodeId;

/// A node with a name, and how it stands with us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) id: NodeId,
    pub(crate) address: SocketAddr,
    /// When it last answered us.
    pub(crate) heard: Moment,
    /// Questions in a row that it left unanswered.
    pub(crate) failures: u8,
}
