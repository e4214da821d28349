//! Announces and scrapes: from the raw query to the registry and back to bencode.
//!
//! A refusal is an answer like any other (status 200), as clients show nothing else to people.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use registry::{Announcement, Door, Unannounced};
use wire::tracker::http::{AnnounceQuery, Failure, HttpReply, Retry, ScrapeQuery, ScrapeReply};

use super::{Ends, Web};

/// When a client may come again that found no room, in minutes.
const FULL: u32 = 5;

pub(super) async fn announce(
    Extension(web): Extension<Arc<Web>>,
    Extension(ends): Extension<Ends>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = match AnnounceQuery::parse(query.unwrap_or_default().as_bytes()) {
        Ok(query) => query,
        Err(error) => return failure(error.to_string(), Some(Retry::Never)),
    };
    let said = Announcement {
        from: ends.from,
        via: ends.via,
        door: Door::Http,
        told: query.told,
        announce: query.announce,
    };
    match web.hub.announce(said) {
        Ok(mut announced) => {
            announced.reply.tracker_id = Some(web.tracker_id.clone());
            bencoded(HttpReply { reply: &announced.reply, ids: &announced.ids, form: query.form }.encode())
        }
        Err(refusal) => {
            let retry = match &refusal {
                Unannounced::NotRegistered | Unannounced::Banned { .. } => Retry::Never,
                Unannounced::Full { .. } => Retry::Minutes(FULL),
            };
            failure(refusal.to_string(), Some(retry))
        }
    }
}

pub(super) async fn scrape(Extension(web): Extension<Arc<Web>>, RawQuery(query): RawQuery) -> Response {
    let query = match ScrapeQuery::parse(query.unwrap_or_default().as_bytes()) {
        Ok(query) => query,
        Err(error) => return failure(error.to_string(), Some(Retry::Never)),
    };
    let found = web.hub.scrape(&query.hashes);
    let files = query.hashes.into_iter().zip(found).filter_map(|(hash, scrape)| Some((hash, scrape?)));
    bencoded(ScrapeReply { files: files.collect(), min_interval: Some(30) }.encode())
}

/// An address asks faster than it may.
pub(super) fn too_fast() -> Response {
    failure("too many requests from your address".to_owned(), Some(Retry::Minutes(1)))
}

fn failure(reason: String, retry: Option<Retry>) -> Response {
    bencoded(Failure { reason, retry }.encode())
}

fn bencoded(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain")], body).into_response()
}
