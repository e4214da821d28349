//! `/api/v1`: what the page shows, as JSON, for everybody; and the operator's actions, for who says the
//! word. `docs/api.md` describes it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Path, RawQuery};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use shared::control::{Entry, EntryId};

use super::live::json;
use super::rows::{EntryRow, PeerRow, ShareRow, TrackerRow};
use super::{Ends, Link, Web};

/// Entries on one page of a list, unless asked otherwise, and at most.
const ROWS: (usize, usize) = (100, 1_000);

/// A refusal: a stable word and a sentence.
#[derive(Debug, Serialize)]
struct Refused<'a> {
    error: &'a str,
    text: &'a str,
}

pub(super) fn refused(status: StatusCode, error: &str, text: &str) -> Response {
    written(status, json(&Refused { error, text }))
}

fn written(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

fn answered(value: &impl Serialize) -> Response {
    written(StatusCode::OK, json(value))
}

/// `/api/v1/overview`: the tracker, what moves, and how much there is.
pub(super) async fn overview(Extension(web): Extension<Arc<Web>>) -> Response {
    #[derive(Serialize)]
    struct Overview {
        now: u64,
        tracker: TrackerRow,
        rate: u64,
        flows: Vec<[u64; 3]>,
        rates: Vec<(u64, u64)>,
        viewers: usize,
    }
    let view = web.shown.view(&web.hub);
    answered(&Overview {
        now: view.at,
        tracker: TrackerRow::new(&view.counters, web.about, view.failure.is_none()),
        rate: view.scene.rate,
        flows: view.scene.flows.iter().map(|flow| [flow.from, flow.to, flow.rate]).collect(),
        rates: web.live.rates(),
        viewers: web.live.viewers(),
    })
}

/// `/api/v1/peers`: who is here; those first that move something.
pub(super) async fn peers(Extension(web): Extension<Arc<Web>>) -> Response {
    #[derive(Serialize)]
    struct Peers {
        peers: Vec<PeerRow>,
        total: usize,
    }
    let scene = web.shown.view(&web.hub).scene;
    answered(&Peers { peers: scene.peers.iter().map(PeerRow::from).collect(), total: scene.online })
}

/// `/api/v1/shares?after=N&limit=N`: what is shared, by name.
pub(super) async fn shares(Extension(web): Extension<Arc<Web>>, RawQuery(query): RawQuery) -> Response {
    #[derive(Serialize)]
    struct List {
        shares: Vec<EntryRow>,
        total: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<usize>,
    }
    let query = query.unwrap_or_default();
    let (Ok(after), Ok(limit)) = (number(&query, "after", 0), number(&query, "limit", ROWS.0)) else {
        return refused(StatusCode::BAD_REQUEST, "bad_query", "`after` and `limit` are whole numbers");
    };
    let limit = limit.clamp(1, ROWS.1);
    let entries: Vec<Entry> = web.shown.entries(&web.hub);
    let rows: Vec<EntryRow> = entries.iter().skip(after).take(limit).map(EntryRow::from).collect();
    let next = after.saturating_add(rows.len());
    let total = entries.len();
    answered(&List { shares: rows, total, after: (next < total).then_some(next) })
}

/// `/api/v1/shares/ID`: one of them, with who has how much.
pub(super) async fn share(Extension(web): Extension<Arc<Web>>, Path(id): Path<String>) -> Response {
    match web.shown.share(&web.hub, &EntryId(id.to_ascii_lowercase())) {
        Some(share) => answered(&ShareRow::from(&share)),
        None => refused(StatusCode::NOT_FOUND, "no_such_entry", "nothing that is shared has this id"),
    }
}

/// `/api/v1/log?after=N`: what happened last.
pub(super) async fn log(Extension(web): Extension<Arc<Web>>, RawQuery(query): RawQuery) -> Response {
    #[derive(Serialize)]
    struct Log {
        log: Vec<crate::feed::Item>,
    }
    match number(&query.unwrap_or_default(), "after", 0) {
        Ok(after) => answered(&Log { log: web.shown.happened(&web.hub, after as u64) }),
        Err(()) => refused(StatusCode::BAD_REQUEST, "bad_query", "`after` is a whole number"),
    }
}

/// `/api/v1/events`: a snapshot, then what changes, as server-sent events.
pub(super) async fn events(
    Extension(web): Extension<Arc<Web>>,
    Extension(link): Extension<Arc<Link>>,
) -> Response {
    let Some(stream) = web.live.watch(link.cut.clone()) else {
        let text = "there are too many viewers; come again later";
        return refused(StatusCode::SERVICE_UNAVAILABLE, "too_many_viewers", text);
    };
    link.watches();
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::new(stream)).into_response()
}

/// `/api/v1/operator`: whether the word that is said is the operator's.
pub(super) async fn operator(
    Extension(web): Extension<Arc<Web>>,
    Extension(ends): Extension<Ends>,
    headers: HeaderMap,
) -> Response {
    #[derive(Serialize)]
    struct Granted {
        operator: bool,
    }
    match web.admit_operator(ends, &headers) {
        Ok(()) => answered(&Granted { operator: true }),
        Err(refusal) => *refusal,
    }
}

/// A whole number of a query.
fn number(query: &str, key: &str, default: usize) -> Result<usize, ()> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == key).map_or(Ok(default), |(_, value)| value.parse().map_err(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_query() {
        assert_eq!(number("", "after", 7), Ok(7));
        assert_eq!(number("limit=5&after=3", "after", 7), Ok(3));
        assert_eq!(number("after=-1", "after", 7), Err(()));
        assert_eq!(number("after=", "after", 7), Err(()));
    }
}
