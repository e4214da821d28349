//! A single announce, to see what a tracker says.

use std::time::{Duration, Instant};

use shared::announce::{Announce, AnnounceReply, DEFAULT_WANTED, Event};
use shared::{InfoHash, PeerId};

use super::ask::{AnnounceError, Asker};
use super::http::address;
use crate::http::{Scheme, Url};

/// The port that is told: nobody takes connections for a trial.
const PORT: u16 = 6881;
/// How long the farewell after a trial may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// What came of a single announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnounceReport {
    /// What was asked: the whole address of an HTTP announce with its query, the tracker's own for UDP.
    pub asked: String,
    /// What the tracker answered.
    pub reply: AnnounceReply,
    /// From the question to the answer, name service included.
    pub elapsed: Duration,
}

/// Announces once at `url` under a peer id made up for it, and takes it back at once, so that no tracker
/// gives that peer to others for long.
pub async fn once(url: &str, hash: InfoHash, event: Event) -> Result<AnnounceReport, AnnounceError> {
    let url = Url::parse(url)?;
    let mut id = *b"-EJ0000-............";
    id.iter_mut().skip(8).for_each(|byte| *byte = b'a' + rand::random::<u8>() % 26);
    let announce = Announce {
        hash,
        peer_id: PeerId(id),
        port: PORT,
        uploaded: 0,
        downloaded: 0,
        left: None,
        event,
        wanted: if event == Event::Stopped { 0 } else { DEFAULT_WANTED },
        key: Some(rand::random()),
    };
    let asked = match url.scheme() {
        Scheme::Udp => url.to_string(),
        Scheme::Http | Scheme::Https => address(&url, announce.clone(), None).to_string(),
    };
    let asker = Asker { v4_first: true, ..Asker::default() };
    let start = Instant::now();
    let reply = asker.ask(&url, announce.clone(), None).await?;
    let elapsed = start.elapsed();
    if event != Event::Stopped {
        let farewell = Announce { event: Event::Stopped, wanted: 0, ..announce };
        let said = asker.ask(&url, farewell, reply.tracker_id.clone());
        // A tracker that does not take it forgets the peer by itself.
        let _ = tokio::time::timeout(FAREWELL, said).await.is_ok();
    }
    Ok(AnnounceReport { asked, reply, elapsed })
}
