//! What the parts of a torrent share while one input is dealt with.

use shared::{Moment, PieceIndex};
use wire::Message;

use crate::config::TorrentConfig;
use crate::dice::Dice;
use crate::io::{Breach, CloseReason, PeerKey};
use crate::outbox::Outbox;
use crate::peers::Peers;
use crate::piece_download::Sender;

/// Somebody who sent a provably false block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Culprit {
    pub(crate) sender: Sender,
    pub(crate) piece: PieceIndex,
    pub(crate) block: u32,
}

/// One input being dealt with.
pub(crate) struct Turn<'a> {
    pub(crate) now: Moment,
    pub(crate) peers: &'a mut Peers,
    pub(crate) out: &'a mut Outbox,
    pub(crate) dice: &'a mut Dice,
    pub(crate) config: &'a TorrentConfig,
    /// Connections to end once the input has been dealt with.
    pub(crate) closing: &'a mut Vec<(PeerKey, CloseReason)>,
    /// Peers to ban once the input has been dealt with.
    pub(crate) culprits: &'a mut Vec<Culprit>,
}

impl Turn<'_> {
    /// Sends `message` to `peer`, if it is still there.
    pub(crate) fn send(&mut self, peer: PeerKey, message: Message) {
        if let Some(peer) = self.peers.get_mut(peer) {
            self.out.send(peer, message, self.now);
        }
    }

    /// The far side broke the protocol: its connection ends.
    pub(crate) fn breach(&mut self, peer: PeerKey, breach: Breach) {
        self.closing.push((peer, CloseReason::Breach(breach)));
    }
}
