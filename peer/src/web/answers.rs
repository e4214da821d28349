//! What the page of a peer's own downloads is told, and what it may do: pause, resume, cancel, limits.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Extension, Path};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::{Limits, Session, State, TorrentStatus};
use serde::{Deserialize, Serialize};
use shared::InfoHash;
use shared::control::MAX_NUMBER;
use shared::display::escape;

use super::{Own, refused};
use crate::swarms::piece_map;
use crate::verb::told::state_word;

/// Torrents that are shown, those first that are not complete.
const MOST: usize = 200;

/// One torrent.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    name: String,
    size: u64,
    state: &'static str,
    percent: f64,
    rate_down: u64,
    rate_up: u64,
    peers: usize,
    /// Milliseconds until it is complete at this rate.
    eta: Option<u64>,
    error: Option<String>,
    share: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    cells: String,
}

/// Bytes per second; none for no limit.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    down: Option<u64>,
    up: Option<u64>,
}

/// `GET /api/v1/torrents`.
pub(super) async fn torrents(Extension(own): Extension<Arc<Own>>) -> Response {
    #[derive(Serialize)]
    struct Told {
        torrents: Vec<Row>,
        limits: Bounds,
    }
    let Ok(session) = own.context.session() else { return nothing_runs() };
    let mut list = session.list();
    list.sort_by(|a, b| {
        (a.state == State::Seeding).cmp(&(b.state == State::Seeding)).then_with(|| a.name.cmp(&b.name))
    });
    let mut torrents = Vec::new();
    for status in list.iter().take(MOST) {
        torrents.push(row(session, status).await);
    }
    let Limits { up, down } = session.limits();
    answered(&Told { torrents, limits: Bounds { down, up } })
}

async fn row(session: &Session, status: &TorrentStatus) -> Row {
    let whole = status.state == State::Seeding;
    let cells = match session.pieces(status.id).await {
        Ok(pieces) if !whole => STANDARD.encode(piece_map(&pieces)),
        _ => String::new(),
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate, rounded down")]
    let rate = |rate: f64| rate as u64;
    Row {
        id: status.id.to_string(),
        name: escape(&status.name).into_owned(),
        size: status.size,
        state: state_word(status.state),
        percent: percent(status),
        rate_down: rate(status.rate_down),
        rate_up: rate(status.rate_up),
        peers: status.peers,
        eta: status.eta.map(|eta| u64::try_from(eta.as_millis()).unwrap_or(u64::MAX)),
        error: status.error.as_ref().map(|error| escape(&error.to_string()).into_owned()),
        share: status.is_share,
        cells,
    }
}

#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn percent(status: &TorrentStatus) -> f64 {
    match status.size {
        _ if status.state == State::Seeding => 100.0,
        0 => 0.0,
        size => (status.verified_bytes as f64 * 100.0 / size as f64).min(100.0),
    }
}

/// `POST /api/v1/torrents/ID/ACTION`.
pub(super) async fn steer(
    Extension(own): Extension<Arc<Own>>,
    Path((id, action)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let Ok(session) = own.context.session() else { return nothing_runs() };
    if !is_json(&headers) {
        return not_json();
    }
    let status = id.parse::<InfoHash>().ok().and_then(|id| session.status(id));
    let Some(status) = status else {
        return refused(StatusCode::NOT_FOUND, "no_such_torrent", "there is no such torrent here");
    };
    let done = match action.as_str() {
        "pause" => session.pause(status.id).await,
        "resume" => session.resume(status.id).await,
        "cancel" if status.is_share || status.state == State::Seeding => {
            let text = "it is complete; there is nothing to cancel";
            return refused(StatusCode::CONFLICT, "complete", text);
        }
        "cancel" => {
            let done = session.cancel(status.id, false).await;
            if done.is_ok()
                && let Ok(swarms) = own.context.swarms()
                && let Err(error) = swarms.withdraw(status.id).await
            {
                tracing::info!(%error, "the tracker was not told");
            }
            done
        }
        _ => {
            return refused(
                StatusCode::NOT_FOUND,
                "no_such_action",
                "the actions are pause, resume and cancel",
            );
        }
    };
    match done {
        Ok(()) => answered(&serde_json::json!({"ok": true})),
        Err(error) => refused(StatusCode::CONFLICT, "refused", &escape(&error.to_string())),
    }
}

/// `POST /api/v1/limits`.
pub(super) async fn limits(Extension(own): Extension<Arc<Own>>, headers: HeaderMap, body: Bytes) -> Response {
    let Ok(session) = own.context.session() else { return nothing_runs() };
    if !is_json(&headers) {
        return not_json();
    }
    let bounds: Bounds = match serde_json::from_slice(&body) {
        Ok(bounds) => bounds,
        Err(error) => {
            return refused(StatusCode::BAD_REQUEST, "bad_limits", &escape(&error.to_string()));
        }
    };
    if [bounds.down, bounds.up].into_iter().flatten().any(|limit| !(1..=MAX_NUMBER).contains(&limit)) {
        let text = "a limit is a whole number of bytes per second, or null for none";
        return refused(StatusCode::BAD_REQUEST, "bad_limits", text);
    }
    session.set_limits(Limits { up: bounds.up, down: bounds.down });
    answered(&serde_json::json!({"ok": true}))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.and_then(|kind| kind.split(';').next()).is_some_and(|kind| kind.trim() == "application/json")
}

fn not_json() -> Response {
    refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", "an action is said as application/json")
}

fn nothing_runs() -> Response {
    refused(StatusCode::SERVICE_UNAVAILABLE, "no_session", "no session runs here")
}

fn answered(value: &impl Serialize) -> Response {
    match serde_json::to_string(value) {
        Ok(body) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => refused(StatusCode::INTERNAL_SERVER_ERROR, "not_written", &error.to_string()),
    }
}
