//! An announce over HTTP or HTTPS (BEP 3, 7, 23).

use shared::announce::{Announce, AnnounceReply};
use wire::tracker::http::{AnnounceQuery, HttpReply, ReplyError};

use super::ask::AnnounceError;
use crate::http::{Client, Terms, Url};

/// The most bytes of an answer.
const MAX_ANSWER: usize = 1024 * 1024;

/// The whole address of an announce.
pub(super) fn address(url: &Url, announce: Announce, tracker_id: Option<Vec<u8>>) -> Url {
    let query = AnnounceQuery { tracker_id, ..AnnounceQuery::new(announce) };
    url.with_query(&query.encode())
}

/// Announces at `url`.
pub(super) async fn announce(
    client: &Client,
    url: &Url,
    announce: Announce,
    tracker_id: Option<Vec<u8>>,
    v4_first: bool,
) -> Result<AnnounceReply, AnnounceError> {
    let terms = Terms { max_body: MAX_ANSWER, as_tracker: true, v4_first };
    let got = client.get(&address(url, announce, tracker_id), terms).await?;
    // Some trackers refuse with an error of HTTP and a sentence of their own.
    let reply = HttpReply::decode(&got.body);
    match reply {
        Err(ReplyError::Failure(failure)) => Err(AnnounceError::refused(&got.host, failure)),
        _ if got.status != 200 => Err(AnnounceError::Status { host: got.host, status: got.status }),
        Ok(reply) => Ok(reply),
        Err(error) => Err(AnnounceError::Odd { host: got.host, reason: error.to_string() }),
    }
}
