//! The HTTP door: announces and scrapes for BitTorrent clients, and a page for people.
//!
//! ```text
//! GET /announce, /scrape   bencode (announce.rs)
//! GET /                    what is shared (page.rs)
//! GET /t/NAME.torrent      the file (torrent.rs)
//! ```
//!
//! Only reading, without cookies or scripts. Connections, heads, time and requests of one address are
//! bounded; whoever is over a limit hears it in one line or is cut.

mod announce;
mod host;
mod page;
mod torrent;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rand::RngExt as _;
use runtime::Shutdown;
use shared::control::is_local;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::hub::Hub;
use crate::listener::{Addresses, is_of_one_connection};
use crate::rate::{Rate, place};

/// Connections of one public address, and of one nearby.
const CONNECTIONS: (usize, usize) = (64, 512);
/// Connections in all.
const MAX_CONNECTIONS: usize = 4_096;
/// Bytes that a request's head may have, and the longest line in it that is looked at.
const MAX_HEAD: usize = 16 * 1024;
const MAX_LINE: usize = 8 * 1024;
/// Headers of a request.
const MAX_HEADERS: usize = 64;
/// How long a head may take to arrive; a connection that asks nothing for so long ends too.
const HEAD_DEADLINE: Duration = Duration::from_secs(15);
/// How long one connection may live, whatever it does.
const LIFETIME: Duration = Duration::from_secs(300);
/// Requests of one address: a burst, and each second.
const REQUESTS: (u32, u32) = (500, 100);
/// The same for pages and files, which cost more.
const PAGES: (u32, u32) = (40, 10);
/// The pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(100);

/// What all requests share.
pub(crate) struct Web {
    hub: Hub,
    /// The port of both announce doors.
    port: u16,
    /// What clients are given as `tracker id`.
    tracker_id: Vec<u8>,
    requests: Rate,
    pages: Rate,
}

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
struct Ends {
    from: SocketAddr,
    via: IpAddr,
}

/// Serves until it is told to stop.
pub(crate) async fn serve(listener: TcpListener, hub: Hub, shutdown: Shutdown, tasks: TaskTracker) {
    let port = listener.local_addr().map_or(0, |address| address.port());
    let web = Arc::new(Web {
        hub,
        port,
        tracker_id: format!("{:08x}", rand::make_rng::<rand::rngs::StdRng>().random::<u32>()).into_bytes(),
        requests: Rate::new(REQUESTS.0, REQUESTS.1),
        pages: Rate::new(PAGES.0, PAGES.1),
    });
    let addresses = Addresses::default();
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = shutdown.requested() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                tracing::debug!(%error, "no web connection can be accepted, trying again");
                sleep(PAUSE).await;
                continue;
            }
        };
        let from = runtime::net::canonical(address);
        let limit = if is_local(from.ip()) { CONNECTIONS.1 } else { CONNECTIONS.0 };
        // Whoever is over the limit is cut without a word: he has enough connections to be told on.
        if connections.len() >= MAX_CONNECTIONS {
            continue;
        }
        let Some(held) = addresses.take(place(from.ip()), limit) else { continue };
        let (web, shutdown) = (Arc::clone(&web), shutdown.clone());
        let connection = connections.track_future(async move {
            let _held = held;
            tokio::select! {
                () = shutdown.requested() => {}
                ended = timeout(LIFETIME, connection(stream, from, web)) => {
                    if ended.is_err() {
                        tracing::debug!(%from, "a web connection lived too long");
                    }
                }
            }
        });
        runtime::spawn("web", tasks.track_future(connection));
    }
}

async fn connection(stream: TcpStream, from: SocketAddr, web: Arc<Web>) {
    let via = stream.local_addr().map_or(from.ip(), |local| local.ip().to_canonical());
    if let Err(error) = runtime::net::tune(&stream) {
        tracing::debug!(%error, "socket options could not be set");
    }
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router(web, Ends { from, via })))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, %from, "a web connection broke");
    }
}

fn router(web: Arc<Web>, ends: Ends) -> Router {
    Router::new()
        .route("/", get(page::page))
        .route("/t/{name}", get(torrent::file))
        .route("/announce", get(announce::announce))
        .route("/scrape", get(announce::scrape))
        .fallback(|| async { plain(StatusCode::NOT_FOUND, "There is nothing here; the list is at /") })
        .layer(from_fn(check))
        .layer(Extension(ends))
        .layer(Extension(web))
}

/// What every request must be, and what every answer says.
async fn check(Extension(web): Extension<Arc<Web>>, request: Request, next: Next) -> Response {
    let ends = request.extensions().get::<Ends>().copied();
    let path = request.uri().path();
    let line = path.len() + request.uri().query().map_or(0, str::len);
    let is_announce = matches!(path, "/announce" | "/scrape");
    let now = Instant::now();
    let allowed = ends.is_none_or(|ends| {
        let rate = if is_announce { &web.requests } else { &web.pages };
        rate.take(ends.from.ip(), now)
    });
    let mut response = if line > MAX_LINE {
        plain(StatusCode::URI_TOO_LONG, "The address is longer than 8,192 bytes")
    } else if !matches!(*request.method(), Method::GET | Method::HEAD) {
        plain(StatusCode::METHOD_NOT_ALLOWED, "This server is only read from")
    } else if allowed {
        next.run(request).await
    } else if is_announce {
        announce::too_fast()
    } else {
        plain(StatusCode::TOO_MANY_REQUESTS, "Too many requests from your address; wait a moment")
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// One line of text.
fn plain(status: StatusCode, text: &str) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (status, kind, format!("{text}\n")).into_response()
}
