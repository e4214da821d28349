//! Announces and scrapes: from the raw query to the registry and back to bencode.
//!
//! A refusal is an answer like any other (status 200), as clients show nothing else to people. Called by
//! the connections themselves (direct.rs), and by the routes for whatever these leave to them.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use registry::{Announcement, Door, Told, Unannounced};
use wire::tracker::http::{
    AnnounceQuery, CompactReply, Failure, HttpReply, PeersForm, Retry, ScrapeQuery, ScrapeReply,
};

use super::{Ends, Web};

/// When a client may come again that found no room, in minutes.
const FULL: u32 = 5;
/// The media type of all answers.
pub(super) const TYPE: &str = "text/plain";

pub(super) async fn announce(
    Extension(web): Extension<Arc<Web>>,
    Extension(ends): Extension<Ends>,
    RawQuery(query): RawQuery,
) -> Response {
    let mut body = Vec::new();
    answer(&web, ends, query.unwrap_or_default().as_bytes(), &mut Told::default(), &mut body);
    bencoded(body)
}

pub(super) async fn scrape(Extension(web): Extension<Arc<Web>>, RawQuery(query): RawQuery) -> Response {
    bencoded(scraped(&web, query.unwrap_or_default().as_bytes()))
}

/// Puts the answer to an announce behind what `out` holds. `told` is only there to be used again.
pub(super) fn answer(web: &Web, ends: Ends, query: &[u8], told: &mut Told, out: &mut Vec<u8>) {
    let query = match AnnounceQuery::parse(query) {
        Ok(query) => query,
        Err(error) => return out.extend(failure(error.to_string(), Some(Retry::Never))),
    };
    let said = Announcement {
        from: ends.from,
        via: ends.via,
        door: Door::Http,
        told: query.told,
        announce: query.announce,
    };
    told.wants_ids = query.form != PeersForm::Compact;
    let result = match web.hub.meet(&said, told) {
        Some(Ok(intervals)) if query.form == PeersForm::Compact => {
            let warning = told.is_hasty.then(|| registry::hasty(intervals.least));
            let reply = CompactReply {
                interval: intervals.usual,
                min_interval: intervals.least,
                seeds: told.seeds,
                leechers: told.leechers,
                completed: told.completed,
                tracker_id: &web.tracker_id,
                external_ip: ends.from.ip(),
                v4: &told.v4,
                v6: &told.v6,
                warning: warning.as_deref(),
            };
            return reply.write(out);
        }
        Some(Ok(intervals)) => Ok(told.announced(ends.from.ip(), intervals.usual, intervals.least)),
        Some(Err(refusal)) => Err(refusal),
        None => web.hub.announce(said),
    };
    match result {
        Ok(mut announced) => {
            announced.reply.tracker_id = Some(web.tracker_id.clone());
            let reply = HttpReply { reply: &announced.reply, ids: &announced.ids, form: query.form };
            out.extend(reply.encode());
        }
        Err(refusal) => {
            let retry = match &refusal {
                Unannounced::NotRegistered | Unannounced::Banned { .. } | Unannounced::Removed { .. } => {
                    Retry::Never
                }
                Unannounced::Full { .. } => Retry::Minutes(FULL),
            };
            out.extend(failure(refusal.to_string(), Some(retry)));
        }
    }
}

/// The answer to a scrape.
pub(super) fn scraped(web: &Web, query: &[u8]) -> Vec<u8> {
    let query = match ScrapeQuery::parse(query) {
        Ok(query) => query,
        Err(error) => return failure(error.to_string(), Some(Retry::Never)),
    };
    let found = web.hub.scrape(&query.hashes);
    let files = query.hashes.into_iter().zip(found).filter_map(|(hash, scrape)| Some((hash, scrape?)));
    ScrapeReply { files: files.collect(), min_interval: Some(30) }.encode()
}

/// The answer to an address that asks faster than it may.
pub(super) fn hurried() -> Vec<u8> {
    failure("too many requests from your address".to_owned(), Some(Retry::Minutes(1)))
}

/// An address asks faster than it may.
pub(super) fn too_fast() -> Response {
    bencoded(hurried())
}

fn failure(reason: String, retry: Option<Retry>) -> Vec<u8> {
    Failure { reason, retry }.encode()
}

fn bencoded(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, TYPE)], body).into_response()
}
