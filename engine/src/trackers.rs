//! Trackers, as the session shows and takes them.

use shared::InfoHash;
use tokio::sync::oneshot;

use crate::announcer::TrackerStatus;
use crate::announcer::task::Word;
use crate::connection::Event;
use crate::error::CommandError;
use crate::folder::write_atomically;
use crate::session::Session;
use crate::torrent::Command;

impl Session {
    /// How a torrent's trackers stand, tier by tier in the order in which they are tried. Empty when it
    /// has none, or when the session does not announce.
    pub async fn trackers(&self, id: InfoHash) -> Result<Vec<TrackerStatus>, CommandError> {
        let id = self.find(id)?.id;
        let Some(announcer) = self.announcer() else { return Ok(Vec::new()) };
        let (sender, receiver) = oneshot::channel();
        announcer.send(Word::View(id, sender)).await.map_err(|_| CommandError::Stopping)?;
        receiver.await.map_err(|_| CommandError::Stopping)
    }

    /// More trackers for a torrent, in tiers (BEP 12), behind those that it has; kept in its torrent file.
    pub async fn add_trackers(&self, id: InfoHash, tiers: Vec<Vec<String>>) -> Result<(), CommandError> {
        let torrent = self.find(id)?;
        if let Some(metainfo) = torrent.metainfo.add_trackers(&tiers) {
            let path = self.folder().torrent(torrent.id);
            let written =
                self.writers().run(move || write_atomically(&path, &metainfo.to_bytes(), true)).await;
            if let Some(Err(error)) = written {
                // They are asked all the same; after a restart they have to be told again.
                tracing::warn!(%id, %error, "new trackers could not be kept");
            }
        }
        if let Some(announcer) = self.announcer() {
            announcer.send(Word::Look).await.map_err(|_| CommandError::Stopping)?;
        }
        Ok(())
    }

    /// The tracker that [`Session::add_peers`] hears is another one from now on: every private torrent
    /// drops and forgets its peers (BEP 27), those of earlier runs too. Others go on with theirs.
    pub async fn tracker_changed(&self) {
        let torrents: Vec<_> =
            self.parts().torrents().iter().filter(|torrent| torrent.is_private()).cloned().collect();
        for torrent in torrents {
            // One that has ended has no peers either.
            let _ = torrent.inbox.send(Event::Command(Command::TrackerChanged)).await.is_ok();
            self.parts().private_begins_anew(torrent.id);
        }
    }

    /// Asks a torrent's trackers now, pauses or not.
    pub async fn announce(&self, id: InfoHash) -> Result<(), CommandError> {
        let id = self.find(id)?.id;
        let Some(announcer) = self.announcer() else { return Ok(()) };
        announcer.send(Word::Again(id)).await.map_err(|_| CommandError::Stopping)
    }

    /// Tells every tracker that we leave; returns within a second.
    pub(crate) async fn leave_trackers(&self) {
        let Some(announcer) = self.announcer() else { return };
        let (done, left) = oneshot::channel();
        if announcer.send(Word::Stop(done)).await.is_ok() {
            // The task answers in time, or has ended.
            let _ = left.await.is_ok();
        }
    }
}
