//! Torrent files from a web server, at the wish of the person.

use shared::metainfo::{Metainfo, MetainfoError};
use thiserror::Error;

use crate::http::{Client, HttpError, Terms, Url};

/// The most bytes of a torrent file.
pub const MAX_TORRENT: usize = 16 * 1024 * 1024;

/// Why no torrent came. One sentence each.
#[derive(Debug, Error)]
pub enum FetchError {
    /// Nothing came.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The server says no.
    #[error("{host} answers with HTTP status {status}")]
    Status {
        /// Which host.
        host: String,
        /// The status.
        status: u16,
    },
    /// A web page, or a torrent that cannot be used.
    #[error("what {host} gives is no usable torrent: {source}")]
    Torrent {
        /// Which host.
        host: String,
        /// Why.
        source: MetainfoError,
    },
}

/// Fetches a torrent file: at most [`MAX_TORRENT`] bytes within half a minute, over at most three
/// redirects, none of which leads from outside to this network or machine.
pub async fn torrent(url: &str) -> Result<Metainfo, FetchError> {
    let url = Url::parse(url).map_err(HttpError::Url)?;
    let terms = Terms { max_body: MAX_TORRENT, as_tracker: false, v4_first: true };
    let got = Client::default().get(&url, terms).await?;
    if got.status != 200 {
        return Err(FetchError::Status { host: got.host, status: got.status });
    }
    Metainfo::parse(&got.body).map_err(|source| FetchError::Torrent { host: got.host, source })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// Answers every request with this status and body.
    async fn serve(status: &'static str, body: Vec<u8>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/x.torrent", listener.local_addr().unwrap());
        runtime::spawn("server", async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.read(&mut [0; 4096]).await.unwrap();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
                let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
            }
        });
        url
    }

    #[tokio::test]
    async fn a_torrent_comes_and_anything_else_is_named() {
        let info = b"d6:lengthi5e4:name1:a12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae";
        let good = serve("200 OK", [&b"d4:info"[..], info, b"e"].concat()).await;
        assert_eq!(torrent(&good).await.unwrap().info.length(), 5);
        let page = serve("200 OK", b"<html>".to_vec()).await;
        let error = torrent(&page).await.unwrap_err();
        assert!(error.to_string().starts_with("what 127.0.0.1 gives is no usable torrent: "), "{error}");
        let error = torrent(&serve("404 Not Found", Vec::new()).await).await.unwrap_err();
        assert_eq!(error.to_string(), "127.0.0.1 answers with HTTP status 404");
        let error = torrent("udp://127.0.0.1:9/x").await.unwrap_err();
        assert!(matches!(error, FetchError::Http(_)), "{error}");
    }
}
