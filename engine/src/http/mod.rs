//! A small HTTP client for announces and torrent files: one GET, bounded in bytes, time and redirects.
//!
//! It decides itself which addresses it connects to, so that nobody leads it from outside to a service
//! that only this machine or this network may see. It sends no cookie, no referrer and no password.

mod tls;
mod url;

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, LOCATION, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

pub use url::UrlError;
pub(crate) use url::{Reach, Scheme, Url};

/// The most redirects that are followed.
const MAX_REDIRECTS: usize = 3;
/// How long a name may take to be looked up, and one connection to be made.
const STEP: Duration = Duration::from_secs(5);
/// How long the whole may take.
const WHOLE: Duration = Duration::from_secs(30);
/// Bytes of the head of an answer.
const MAX_HEAD: usize = 64 * 1024;
/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;

/// Why nothing came. One sentence each, without anything secret of the address.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address cannot be used.
    #[error("{0}")]
    Url(#[from] UrlError),
    /// The name leads nowhere.
    #[error("{host} cannot be found: {reason}")]
    Lookup {
        /// The name.
        host: String,
        /// What the system says.
        reason: String,
    },
    /// Nobody answers there.
    #[error("{address} cannot be reached: {reason}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        reason: String,
    },
    /// It cannot show who it is.
    #[error("{host} is not who it should be: {reason}")]
    Tls {
        /// Which host.
        host: String,
        /// Why.
        reason: String,
    },
    /// It does not speak HTTP, or stopped in the middle.
    #[error("{host} does not answer as a web server does: {reason}")]
    Broken {
        /// Which host.
        host: String,
        /// Why.
        reason: String,
    },
    /// Too slow.
    #[error("{host} did not answer within {} s", after.as_secs())]
    TimedOut {
        /// Which host.
        host: String,
        /// The limit.
        after: Duration,
    },
    /// More bytes than anybody needs.
    #[error("{host} answers with more than {limit} bytes")]
    TooLarge {
        /// Which host.
        host: String,
        /// The limit.
        limit: usize,
    },
    /// It leads on and on.
    #[error("{host} leads elsewhere more than {MAX_REDIRECTS} times")]
    Redirects {
        /// The first host.
        host: String,
    },
    /// It leads to where strangers must not lead us.
    #[error("{host} leads to {to}, which is {what}: not followed")]
    Inwards {
        /// Which host.
        host: String,
        /// Where to.
        to: String,
        /// What that is.
        what: &'static str,
    },
}

/// What came.
#[derive(Debug)]
pub(crate) struct Got {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The body, within the limit.
    pub(crate) body: Bytes,
    /// The host that answered in the end.
    pub(crate) host: String,
}

/// What a GET may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// The most bytes of the body.
    pub(crate) max_body: usize,
    /// The address came from a torrent: this machine itself is only asked where trackers are.
    pub(crate) as_tracker: bool,
    /// Prefer IPv4.
    pub(crate) v4_first: bool,
}

/// The client; keeps the certificates that this machine trusts once they were needed.
#[derive(Default)]
pub(crate) struct Client {
    tls: OnceLock<TlsConnector>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// Fetches `url`, following redirects within the bounds.
    pub(crate) async fn get(&self, url: &Url, terms: Terms) -> Result<Got, HttpError> {
        let host = url.host().to_owned();
        let whole = timeout(WHOLE, self.follow(url.clone(), terms)).await;
        whole.unwrap_or(Err(HttpError::TimedOut { host, after: WHOLE }))
    }

    async fn follow(&self, first: Url, terms: Terms) -> Result<Got, HttpError> {
        let (mut url, mut allowed) = (first.clone(), None);
        for _ in 0..=MAX_REDIRECTS {
            let addresses = lookup(&url, terms.v4_first).await?;
            let reach = addresses.iter().map(|address| Reach::of(address.ip())).max();
            let reach = reach.unwrap_or(Reach::Own);
            if let Some((host, from)) = allowed.take() {
                check_inwards(host, from, &url, reach)?;
            }
            if terms.as_tracker && reach == Reach::Own {
                url.check_own()?;
            }
            let response = self.exchange(&url, &addresses).await?;
            let status = response.status();
            let location = response.headers().get(LOCATION).filter(|_| status.is_redirection());
            if let Some(location) = location {
                let target = std::str::from_utf8(location.as_bytes()).unwrap_or_default();
                let next = url.join(target)?;
                allowed = Some((url.host().to_owned(), reach));
                url = next;
                continue;
            }
            let host = url.host().to_owned();
            let body = Limited::new(response.into_body(), terms.max_body).collect().await;
            let body = body.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    return HttpError::TooLarge { host: host.clone(), limit: terms.max_body };
                }
                HttpError::Broken { host: host.clone(), reason: error.to_string() }
            })?;
            return Ok(Got { status: status.as_u16(), body: body.to_bytes(), host });
        }
        Err(HttpError::Redirects { host: first.host().to_owned() })
    }

    /// One request and the head of its answer.
    async fn exchange(&self, url: &Url, addresses: &[SocketAddr]) -> Result<Response<Answer>, HttpError> {
        let mut last = None;
        for address in addresses {
            match runtime::net::connect(*address, STEP).await {
                Ok(stream) if url.scheme() == Scheme::Https => {
                    let failed = |reason: String| HttpError::Tls { host: url.host().to_owned(), reason };
                    let name = tls::server_name(url.host()).map_err(failed)?;
                    let handshake = self.connector().await.connect(name, stream);
                    let stream = timeout(STEP, handshake)
                        .await
                        .map_err(|_| failed(String::from("it did not answer in time")))?
                        .map_err(|error| failed(error.to_string()))?;
                    return ask(url, stream).await;
                }
                Ok(stream) => return ask(url, stream).await,
                Err(error) => {
                    last = Some(HttpError::Connect { address: *address, reason: error.to_string() });
                }
            }
        }
        Err(last.unwrap_or_else(|| HttpError::Lookup {
            host: url.host().to_owned(),
            reason: String::from("it has no address"),
        }))
    }

    async fn connector(&self) -> TlsConnector {
        if let Some(connector) = self.tls.get() {
            return connector.clone();
        }
        let read = tokio::task::spawn_blocking(tls::connector).await;
        let connector = read.unwrap_or_else(|_| tls::connector());
        self.tls.get_or_init(|| connector).clone()
    }
}

/// Nobody leads from outside to what only this network or this machine may see.
fn check_inwards(host: String, from: Reach, to: &Url, reach: Reach) -> Result<(), HttpError> {
    if reach > from {
        return Err(HttpError::Inwards { host, to: to.host().to_owned(), what: reach.words() });
    }
    Ok(())
}

/// The body of an answer. The connection ends with it.
#[derive(Debug)]
struct Answer {
    body: hyper::body::Incoming,
    _connection: AbortOnDropHandle<()>,
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, hyper::Error>>> {
        std::pin::Pin::new(&mut self.body).poll_frame(context)
    }
}

async fn ask<S>(url: &Url, stream: S) -> Result<Response<Answer>, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: &dyn std::fmt::Display| HttpError::Broken {
        host: url.host().to_owned(),
        reason: error.to_string(),
    };
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    let connection = AbortOnDropHandle::new(runtime::spawn("http", async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a web server's connection ended badly");
        }
    }));
    let request = Request::get(url.target())
        .header(HOST, url.authority())
        .header(USER_AGENT, concat!("Enjambre/", env!("CARGO_PKG_VERSION")))
        .header("Accept-Encoding", "identity")
        .header("Connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| broken(&error))?;
    let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
    Ok(response.map(|body| Answer { body, _connection: connection }))
}

/// The addresses of a host, a few, those of the preferred family first.
pub(crate) async fn lookup(url: &Url, v4_first: bool) -> Result<Vec<SocketAddr>, HttpError> {
    let failed = |reason: String| HttpError::Lookup { host: url.host().to_owned(), reason };
    let found = timeout(STEP, tokio::net::lookup_host((url.bare_host(), url.port())))
        .await
        .map_err(|_| failed(String::from("the name service did not answer")))?
        .map_err(|error| failed(error.to_string()))?;
    let mut addresses: Vec<SocketAddr> = found.collect();
    addresses.sort_by_key(|address| address.is_ipv4() != v4_first);
    addresses.dedup();
    addresses.truncate(MAX_ADDRESSES);
    if addresses.is_empty() {
        return Err(failed(String::from("it has no address")));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests;
