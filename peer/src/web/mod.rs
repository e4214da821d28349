//! `peer --web`: a page for this peer's own downloads, for a browser on this machine.
//!
//! It listens on loopback only. Whoever else uses this machine can reach it too, and so can every page
//! that its browser shows; so nothing is told or done without the token of the printed address, which
//! stands behind its `#` and is sent by our own page only.

mod answers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension, Path, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rand::RngExt as _;
use runtime::Shutdown;
use serde_json::json;
use shared::display::escape;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::context::Context;
use crate::failure::{Exit, Failure};

/// Where it listens unless told otherwise: any free port.
pub const DEFAULT: &str = "127.0.0.1:0";
/// Connections at once.
const CONNECTIONS: usize = 64;
/// Bytes of what is sent with an action.
const MAX_BODY: usize = 4 * 1024;
/// How long a head may take to arrive.
const HEAD_DEADLINE: Duration = Duration::from_secs(15);
/// The pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(100);

/// What all requests share.
struct Own {
    context: Context,
    token: String,
}

/// Opens the page until `stop`, and says where it is.
pub async fn open(context: &Context, address: SocketAddr, stop: &Shutdown) -> Result<(), Failure> {
    if !address.ip().is_loopback() {
        let text = format!("--web is for this machine only, and {} is not.", address.ip());
        return Err(Failure::new(Exit::Usage, "not_loopback", text).advise("peer --web=127.0.0.1:8080"));
    }
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let text = format!("The page cannot be opened at {address}: {}.", escape(&error.to_string()));
        Failure::new(Exit::AlreadyRunning, "web", text).advise("peer --web   (takes any free port)")
    })?;
    let bound = listener.local_addr().unwrap_or(address);
    let mut dice = rand::rng();
    let token: String = (0..40).map(|_| char::from(b"0123456789abcdef"[dice.random_range(0..16)])).collect();
    let url = format!("http://{bound}/#{token}");
    context.screen.json(json!({"type": "web", "url": url}));
    if !context.screen.is_json() {
        context.screen.say(&format!("Your downloads as a page, for you alone:  {url}"));
    }
    let router = router(Arc::new(Own { context: context.clone(), token }));
    drop(runtime::spawn("web", accept(listener, router, stop.clone())));
    Ok(())
}

async fn accept(listener: TcpListener, router: Router, stop: Shutdown) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = stop.requested() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let (service, stop) = (TowerToHyperService::new(router.clone()), stop.clone());
        drop(runtime::spawn("web connection", async move {
            let _place = place;
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_DEADLINE)
                .max_buf_size(16 * 1024)
                .serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                () = stop.requested() => {}
                _ = served => {}
            }
        }));
    }
}

fn router(own: Arc<Own>) -> Router {
    let api = Router::new()
        .route("/torrents", get(answers::torrents))
        .route("/torrents/{id}/{action}", post(answers::steer))
        .route("/limits", post(answers::limits))
        .layer(from_fn(admit));
    Router::new()
        .nest("/api/v1", api)
        .route("/", get(page))
        .route("/assets/{name}", get(asset))
        .fallback(|| async { refused(StatusCode::NOT_FOUND, "not_found", "there is nothing here") })
        .layer(from_fn(check))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(Extension(own))
}

async fn page() -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], include_str!("assets/own.html")).into_response()
}

async fn asset(Path(name): Path<String>) -> Response {
    let own = ("text/javascript; charset=utf-8", include_bytes!("assets/own.js").as_slice());
    match if name == "own.js" { Some(own) } else { tracker::page_asset(&name) } {
        Some((kind, bytes)) => ([(header::CONTENT_TYPE, kind)], bytes).into_response(),
        None => refused(StatusCode::NOT_FOUND, "not_found", "there is no such file"),
    }
}

/// Only a browser that came by this machine's own address, and only from our own page.
async fn check(request: Request, next: Next) -> Response {
    let mut response = if is_ours(request.headers()) {
        next.run(request).await
    } else {
        refused(StatusCode::FORBIDDEN, "strange_host_or_origin", "only this machine's own page may ask")
    };
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn is_ours(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next().and_then(|host| host.to_str().ok()), hosts.next()) else {
        return false;
    };
    let name =
        host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    let loopback = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let own_page = |origin: &HeaderValue| {
        origin
            .to_str()
            .ok()
            .and_then(|origin| origin.strip_prefix("http://"))
            .is_some_and(|origin| origin == host)
    };
    (loopback || name.eq_ignore_ascii_case("localhost"))
        && headers.get_all(header::ORIGIN).iter().all(own_page)
}

/// Only who says the token; it takes as long for every wrong one of the same length.
async fn admit(Extension(own): Extension<Arc<Own>>, request: Request, next: Next) -> Response {
    let said = request.headers().get(header::AUTHORIZATION).and_then(|said| said.to_str().ok());
    let said = said.and_then(|said| said.strip_prefix("Bearer ")).unwrap_or_default().as_bytes();
    let token = own.token.as_bytes();
    let differ =
        said.iter().zip(token).fold(said.len() ^ token.len(), |differ, (a, b)| differ | usize::from(a ^ b));
    if std::hint::black_box(differ) != 0 {
        let text = "open the address that peer --web printed, with everything behind the #";
        return refused(StatusCode::UNAUTHORIZED, "no_token", text);
    }
    next.run(request).await
}

/// A refusal: a stable word and a sentence.
fn refused(status: StatusCode, error: &str, text: &str) -> Response {
    let body = json!({"error": error, "text": text}).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_and_its_own_page_may_ask() {
        let asked = |host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            is_ours(&headers)
        };
        assert!(asked("127.0.0.1:8080", None) && asked("localhost:1", None) && asked("[::1]:1", None));
        assert!(asked("127.0.0.1:8080", Some("http://127.0.0.1:8080")));
        for host in
            ["evil.example:8080", "192.168.1.10:8080", "127.0.0.1.evil.example", "", "localhost.evil.example"]
        {
            assert!(!asked(host, None), "{host}");
        }
        for origin in ["http://evil.example", "http://127.0.0.1:9", "https://127.0.0.1:8080", "null"] {
            assert!(!asked("127.0.0.1:8080", Some(origin)), "{origin}");
        }
        assert!(!is_ours(&HeaderMap::new()));
    }
}
