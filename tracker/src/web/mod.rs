//! The HTTP door: announces and scrapes for BitTorrent clients, and a page for people.
//!
//! ```text
//! GET /announce, /scrape        bencode (announce.rs), before anything else (direct.rs)
//! GET /                         the live page (assets.rs), fed by
//! GET /api/v1/...               JSON (api.rs) and a stream of what changes (live.rs)
//! POST /api/v1/actions/NAME     for who says the operator's word (actions.rs, operator.rs)
//! GET /list, /qr/ID.svg         what is shared, without scripts (list.rs)
//! GET /t/NAME.torrent           the file (torrent.rs)
//! GET /metrics, /healthz        for programs that watch (metrics.rs)
//! ```
//!
//! Without cookies. Connections, heads, time and requests of one address are bounded; whoever is over a
//! limit hears it in one line or is cut. Browsers that came by a strange name are refused (guard.rs).

mod actions;
mod announce;
mod api;
mod assets;
mod direct;
mod guard;
mod host;
mod list;
mod live;
mod metrics;
mod operator;
mod replay;
mod rows;
mod torrent;
mod veil;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Extension, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rand::RngExt as _;
use runtime::Shutdown;
use shared::control::is_local;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_util::task::TaskTracker;

use crate::hub::Hub;
use crate::listener::{Addresses, Trouble, is_of_one_connection};
use crate::rate::{Rate, place};

pub(crate) use self::assets::find as asset;
pub(crate) use self::operator::{FILE as TOKEN_FILE, Operator};
pub use self::veil::PageNames;

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
/// Requests of one address at once: so many times those of a second.
const BURST: u32 = 5;
/// The same for pages and files, which cost more.
const PAGES: (u32, u32) = (40, 10);
/// Wrong tokens of one address: a burst, and in a minute.
const GUESSES: (u32, u32) = (5, 6);
/// How long a viewer may watch.
const WATCHING: Duration = Duration::from_secs(24 * 3_600);

/// What the web door is given.
pub(crate) struct WebConfig {
    /// The operator's word; without it nothing can be done from the page.
    pub(crate) operator: Option<Operator>,
    /// The port where peers of the control protocol connect.
    pub(crate) peers: u16,
    /// Names of this machine by which browsers may come.
    pub(crate) names: Vec<String>,
    /// Whether the page tells names of people and files.
    pub(crate) shown: PageNames,
    /// Datagrams of the other door that were dropped.
    pub(crate) dropped: Arc<AtomicU64>,
    /// Requests of one address each second; 0 for no limit.
    pub(crate) requests_per_second: u32,
}

/// What all requests share.
pub(crate) struct Web {
    hub: Hub,
    live: live::Live,
    about: rows::About,
    operator: Option<Operator>,
    names: Vec<String>,
    shown: PageNames,
    dropped: Arc<AtomicU64>,
    guesses: Rate,
    /// The port of both announce doors.
    port: u16,
    /// What clients are given as `tracker id`.
    tracker_id: Vec<u8>,
    requests: Option<Rate>,
    pages: Rate,
}

impl Web {
    /// Whether an address may ask one thing more now.
    fn admits(&self, ip: IpAddr) -> bool {
        self.requests.as_ref().is_none_or(|requests| requests.take(ip, Instant::now()))
    }
}

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
struct Ends {
    from: SocketAddr,
    via: IpAddr,
}

/// One connection, as those who answer on it may steer it.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// Ends it.
    cut: Shutdown,
    watching: AtomicBool,
}

impl Link {
    /// It carries the live stream, which has no end.
    fn watches(&self) {
        self.watching.store(true, Ordering::Relaxed);
    }

    /// When it has lived for too long.
    async fn lifetime(&self) {
        sleep(LIFETIME).await;
        if self.watching.load(Ordering::Relaxed) {
            sleep(WATCHING).await;
        }
    }
}

/// Serves until it is told to stop.
pub(crate) async fn serve(
    listener: TcpListener,
    hub: Hub,
    config: WebConfig,
    shutdown: Shutdown,
    tasks: TaskTracker,
) {
    let port = listener.local_addr().map_or(0, |address| address.port());
    let web = Arc::new(Web {
        hub,
        live: live::Live::default(),
        about: rows::About { started: runtime::clock::wall_millis(), port: config.peers },
        operator: config.operator,
        names: config.names,
        shown: config.shown,
        dropped: config.dropped,
        guesses: Rate::per_minute(GUESSES.0, GUESSES.1),
        port,
        tracker_id: format!("{:08x}", rand::make_rng::<rand::rngs::StdRng>().random::<u32>()).into_bytes(),
        requests: Rate::or_none(config.requests_per_second, BURST),
        pages: Rate::new(PAGES.0, PAGES.1),
    });
    let (watched, until) = (Arc::clone(&web), shutdown.clone());
    runtime::spawn("page", async move {
        watched.live.run(watched.hub.clone(), watched.shown, watched.about, until).await;
    });
    let router = router(Arc::clone(&web));
    let addresses = Addresses::default();
    let connections = TaskTracker::new();
    let mut trouble = Trouble::default();
    loop {
        let accepted = tokio::select! {
            () = shutdown.requested() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                trouble.wait("web connection", &error).await;
                continue;
            }
        };
        trouble.is_over();
        let from = runtime::net::canonical(address);
        let limit = if is_local(from.ip()) { CONNECTIONS.1 } else { CONNECTIONS.0 };
        // Whoever is over the limit is cut without a word: he has enough connections to be told on.
        if connections.len() >= MAX_CONNECTIONS {
            continue;
        }
        let Some(held) = addresses.take(place(from.ip()), limit) else { continue };
        let (web, router, shutdown) = (Arc::clone(&web), router.clone(), shutdown.clone());
        let connection = connections.track_future(async move {
            let _held = held;
            let left = tokio::select! {
                () = shutdown.requested() => None,
                left = announces(stream, from, &web) => left,
            };
            if let Some((stream, before, ends)) = left {
                // Most connections never come here, so they need not hold the room for it.
                Box::pin(requests(replay::Replay::new(stream, before), ends, router, &shutdown)).await;
            }
        });
        runtime::spawn("web", tasks.track_future(connection));
    }
}

/// Answers announces; gives back a connection on which something else is asked, with what was read of it.
async fn announces(stream: TcpStream, from: SocketAddr, web: &Web) -> Option<(TcpStream, Vec<u8>, Ends)> {
    let via = stream.local_addr().map_or(from.ip(), |local| local.ip().to_canonical());
    let ends = Ends { from, via };
    match direct::serve(stream, web, ends).await {
        Ok(direct::Rest::Left(stream, before)) => {
            if let Err(error) = runtime::net::tune(&stream) {
                tracing::debug!(%error, "socket options could not be set");
            }
            Some((stream, before, ends))
        }
        Ok(direct::Rest::Closed) => None,
        Err(error) => {
            tracing::debug!(%error, %from, "a client's connection broke");
            None
        }
    }
}

/// Answers all requests of a connection.
async fn requests(stream: replay::Replay, ends: Ends, router: Router, shutdown: &Shutdown) {
    let from = ends.from;
    let link = Arc::new(Link { cut: shutdown.child(), ..Link::default() });
    let handle = Arc::clone(&link);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ends);
        request.extensions_mut().insert(Arc::clone(&handle));
        router.call(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        () = link.cut.requested() => {}
        () = link.lifetime() => tracing::debug!(%from, "a web connection lived too long"),
        served = served => {
            if let Err(error) = served {
                tracing::debug!(%error, %from, "a web connection broke");
            }
        }
    }
}

fn router(web: Arc<Web>) -> Router {
    Router::new()
        .route("/", get(assets::page))
        .route("/assets/{name}", get(assets::asset))
        .route("/list", get(list::list))
        .route("/qr/{file}", get(list::qr))
        .route("/api/v1/overview", get(api::overview))
        .route("/api/v1/peers", get(api::peers))
        .route("/api/v1/shares", get(api::shares))
        .route("/api/v1/shares/{id}", get(api::share))
        .route("/api/v1/log", get(api::log))
        .route("/api/v1/events", get(api::events))
        .route("/api/v1/operator", get(api::operator))
        .route("/api/v1/actions/{name}", post(actions::act))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(metrics::healthz))
        .route("/t/{name}", get(torrent::file))
        .route("/announce", get(announce::announce))
        .route("/scrape", get(announce::scrape))
        .fallback(|| async { plain(StatusCode::NOT_FOUND, "There is nothing here; the list is at /") })
        .layer(from_fn(check))
        .layer(Extension(web))
}

/// What every request must be, and what every answer says.
async fn check(Extension(web): Extension<Arc<Web>>, request: Request, next: Next) -> Response {
    let ends = request.extensions().get::<Ends>().copied();
    let path = request.uri().path();
    let line = path.len() + request.uri().query().map_or(0, str::len);
    let is_announce = matches!(path, "/announce" | "/scrape");
    let is_dear = matches!(path, "/list" | "/api/v1/shares")
        || ["/t/", "/qr/"].iter().any(|dear| path.starts_with(dear));
    let is_action = path.starts_with("/api/v1/actions/");
    let now = Instant::now();
    let allowed = ends.is_none_or(|ends| {
        if is_dear { web.pages.take(ends.from.ip(), now) } else { web.admits(ends.from.ip()) }
    });
    // What a torrent client fetches by a name that it was told is no page.
    let is_page = !is_announce && !path.starts_with("/t/");
    let strange = is_page.then(|| guard::check(request.headers(), &web.names)).and_then(Result::err);
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let mut response = if line > MAX_LINE {
        plain(StatusCode::URI_TOO_LONG, "The address is longer than 8,192 bytes")
    } else if !(reads || is_action && request.method() == Method::POST) {
        plain(StatusCode::METHOD_NOT_ALLOWED, "This server is only read from")
    } else if let Some(strange) = strange {
        api::refused(StatusCode::FORBIDDEN, "strange_host_or_origin", &strange.to_string())
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
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
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
