//! Who could not be dialled is asked, through the tracker, to dial us; when that leads to nothing either,
//! the person hears it, once for each peer and torrent. Called by the go-between.

use std::net::SocketAddr;
use std::time::Duration;

use engine::State;
use shared::control::{ConnectBack, EntryId};
use shared::{InfoHash, PeerId};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{News, Swarms};
use crate::link::AskError;

/// How long the far side may take: it tries TCP and uTP, each with a deadline of its own.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is looked whether it has come.
const LOOK: Duration = Duration::from_millis(500);

impl Swarms {
    /// `address` of a torrent does not answer.
    pub(super) fn ask_back(
        &self,
        id: InfoHash,
        entry: EntryId,
        (peer_id, address): (PeerId, SocketAddr),
        news: mpsc::Sender<News>,
    ) {
        let swarms = self.clone();
        Self::aside(async move {
            // A tracker that is too old to pass it on, or that has just lost that peer, changes nothing here.
            let asked = swarms.link.ask(ConnectBack { peer_id, entry }).await.map(drop);
            let gone = matches!(&asked, Err(AskError::Refused(_)));
            if gone || swarms.comes(id, peer_id).await || !swarms.book().is_unreached(id, peer_id) {
                return asked;
            }
            let nick = swarms.nick_of(&peer_id);
            // A reader that is slow loses news.
            let _ = news.try_send(News::OutOfReach { id, nick, address }).is_ok();
            asked
        });
    }

    /// Waits until the peer is connected, or nobody has to be any more. `false`: the time is over.
    async fn comes(&self, id: InfoHash, peer_id: PeerId) -> bool {
        let end = Instant::now() + PATIENCE;
        loop {
            let Some(status) = self.session.status(id) else { return true };
            let waits = matches!(status.state, State::Downloading | State::Waiting | State::Metadata);
            if !waits || status.seeds > 0 {
                return true;
            }
            let Ok(peers) = self.session.peers(id).await else { return true };
            if peers.iter().any(|peer| peer.peer_id == peer_id) {
                return true;
            }
            if Instant::now() >= end {
                return false;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}
