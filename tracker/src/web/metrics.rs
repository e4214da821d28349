//! `/metrics` for Prometheus, and `/healthz` for whoever watches over the tracker. No name, nick or info
//! hash is a label: their number has no bound.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::Extension;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::Web;
use super::api::refused;

pub(super) async fn metrics(Extension(web): Extension<Arc<Web>>) -> Response {
    let body = write(&web);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], body).into_response()
}

/// 200 while what is acknowledged is kept, 503 when it cannot be.
pub(super) async fn healthz(Extension(web): Extension<Arc<Web>>) -> Response {
    match web.hub.failure() {
        None => ([(header::CONTENT_TYPE, "application/json")], "{\"status\":\"ok\"}").into_response(),
        Some(failure) => {
            let text = format!("nothing can be kept at present: {}", shared::display::escape(&failure));
            refused(StatusCode::SERVICE_UNAVAILABLE, "cannot_keep", &text)
        }
    }
}

fn write(web: &Web) -> String {
    let counters = web.hub.counters();
    let keeps = u64::from(web.hub.failure().is_none());
    let (torrents, places) = web.hub.crowd();
    let gauges = [
        ("peers_online", "Peers and clients that are here.", counters.online),
        ("peers_online_most", "The most that were here at once.", counters.most_online),
        ("entries", "Entries in the catalog.", counters.entries),
        ("entries_bytes", "Bytes of all entries.", counters.bytes),
        ("transfer_bytes_per_second", "What peers say that moves between them.", web.hub.rate()),
        ("crowd_torrents", "Torrents in which there are clients without a name.", torrents as u64),
        ("crowd_places", "Clients without a name, each counted in each of its torrents.", places as u64),
        ("web_viewers", "Viewers of the live page.", web.live.viewers() as u64),
        ("store_keeps", "1 while what is acknowledged is kept, 0 when it cannot be.", keeps),
        ("start_time_seconds", "When the tracker started, in seconds since 1970.", web.about.started / 1_000),
    ];
    let totals = [
        ("sessions_total", "Sessions that began.", counters.connects),
        ("messages_total", "Messages that were relayed.", counters.messages),
        ("downloads_completed_total", "Downloads that completed.", counters.completed),
        ("downloaded_bytes_total", "Bytes that peers say they received.", counters.downloaded),
        ("requests_refused_total", "Requests that were refused.", counters.refused),
        ("web_viewers_cut_total", "Viewers that were cut because they did not read.", web.live.cut()),
        (
            "datagrams_dropped_total",
            "Announces by datagram that came too fast and were dropped.",
            web.dropped.load(Ordering::Relaxed),
        ),
    ];
    let mut text = String::new();
    let all =
        gauges.map(|metric| ("gauge", metric)).into_iter().chain(totals.map(|metric| ("counter", metric)));
    for (kind, (name, help, value)) in all {
        let _ = writeln!(
            text,
            "# HELP enjambre_{name} {help}\n# TYPE enjambre_{name} {kind}\nenjambre_{name} {value}"
        );
    }
    let _ = writeln!(
        text,
        "# HELP enjambre_build_info Which program this is.\n# TYPE enjambre_build_info gauge\n\
         enjambre_build_info{{version=\"{}\"}} 1",
        env!("CARGO_PKG_VERSION")
    );
    text
}
