//! Announces and scrapes at the connection itself: their requests are read and answered here, one read and
//! one write each. Whatever else comes is left to the web server, with the bytes that were read of it.
//!
//! It reads only what it knows: `GET /announce` and `GET /scrape` of HTTP/1.1 without a body. Anything
//! unusual, also in these, is for the web server, which has all the rules. Called by the web door.

use std::io;
use std::time::Duration;

use registry::Told;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use wire::tracker::http::decimal;

use super::{Ends, HEAD_DEADLINE, LIFETIME, MAX_HEAD, MAX_HEADERS, MAX_LINE, Web, announce};

/// Room for a request as clients write them.
const ROOM: usize = 2_048;
/// How long an answer may take to be taken.
const WRITE_DEADLINE: Duration = Duration::from_secs(15);

/// How a connection goes on.
pub(super) enum Rest {
    /// It is over.
    Closed,
    /// The web server goes on, beginning with what was read already.
    Left(TcpStream, Vec<u8>),
}

/// What stands at the beginning of what was read.
#[derive(Debug, PartialEq, Eq)]
enum Next<'a> {
    /// Not enough yet.
    Partial,
    /// A request for the web server.
    Other,
    /// One for us.
    Ours(Asked<'a>),
}

#[derive(Debug, PartialEq, Eq)]
struct Asked<'a> {
    is_scrape: bool,
    query: &'a [u8],
    /// Bytes of the whole request.
    length: usize,
    closes: bool,
}

/// Answers announces until something else comes or the connection ends.
pub(super) async fn serve(mut stream: TcpStream, web: &Web, ends: Ends) -> io::Result<Rest> {
    let mut got: Vec<u8> = Vec::with_capacity(ROOM);
    let (mut out, mut told) = (Vec::with_capacity(ROOM), Told::default());
    let born = Instant::now();
    let mut since = born;
    let deadline = sleep(HEAD_DEADLINE);
    tokio::pin!(deadline);
    loop {
        let mut done = 0;
        let mut closes = false;
        out.clear();
        while let Some(rest) = got.get(done..).filter(|rest| !rest.is_empty() && !closes) {
            match next(rest) {
                Next::Partial if rest.len() <= MAX_HEAD => break,
                Next::Partial | Next::Other => {
                    // What stands before it is answered first.
                    write(&mut stream, &out).await?;
                    got.drain(..done);
                    return Ok(Rest::Left(stream, got));
                }
                Next::Ours(asked) => {
                    done += asked.length;
                    closes = asked.closes;
                    answer(web, ends, &asked, &mut told, &mut out);
                }
            }
        }
        if done > 0 {
            // Others that are ready are read first, so that their answers leave in one go: each that leaves
            // alone may wake a processor.
            tokio::task::yield_now().await;
            write(&mut stream, &out).await?;
            if closes {
                return Ok(Rest::Closed);
            }
            got.drain(..done);
            since = Instant::now();
            if since.duration_since(born) > LIFETIME {
                return Ok(Rest::Closed);
            }
        }
        loop {
            tokio::select! {
                biased;
                read = stream.read_buf(&mut got) => {
                    if read? == 0 {
                        return Ok(Rest::Closed);
                    }
                    break;
                }
                // It is set again only when it is over: most connections are quicker than it.
                () = &mut deadline => {
                    let until = since + HEAD_DEADLINE;
                    if until <= Instant::now() {
                        return Ok(Rest::Closed);
                    }
                    deadline.as_mut().reset(until);
                }
            }
        }
    }
}

/// Writes all of it; usually at once.
async fn write(stream: &mut TcpStream, out: &[u8]) -> io::Result<()> {
    use tokio::io::AsyncWriteExt as _;
    if out.is_empty() {
        return Ok(());
    }
    let written = match stream.try_write(out) {
        Ok(written) => written,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(error) => return Err(error),
    };
    match out.get(written..).filter(|rest| !rest.is_empty()) {
        None => Ok(()),
        Some(rest) => tokio::time::timeout(WRITE_DEADLINE, stream.write_all(rest))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
    }
}

fn answer(web: &Web, ends: Ends, asked: &Asked<'_>, told: &mut Told, out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-type: ");
    out.extend_from_slice(announce::TYPE.as_bytes());
    out.extend_from_slice(b"\r\nx-content-type-options: nosniff\r\ncache-control: no-store\r\n");
    if asked.closes {
        out.extend_from_slice(b"connection: close\r\n");
    }
    out.extend_from_slice(b"content-length: ");
    // The length is known when the body is there: its place is kept free.
    let place = out.len();
    out.extend_from_slice(b"      \r\n\r\n");
    let body = out.len();
    if !web.admits(ends.from.ip()) {
        out.extend(announce::hurried());
    } else if asked.is_scrape {
        out.extend(announce::scraped(web, asked.query));
    } else {
        announce::answer(web, ends, asked.query, told, out);
    }
    let mut digits = Vec::with_capacity(8);
    decimal(&mut digits, u64::try_from(out.len() - body).unwrap_or(0));
    if let Some(place) = out.get_mut(place..place + digits.len()) {
        place.copy_from_slice(&digits);
    }
}

/// Looks at what was read.
fn next(got: &[u8]) -> Next<'_> {
    const WAYS: [(&[u8], bool); 2] = [(b"GET /announce", false), (b"GET /scrape", true)];
    let begins = |way: &[u8]| got.iter().zip(way).all(|(a, b)| a == b);
    let Some((way, is_scrape)) = WAYS.into_iter().find(|(way, _)| begins(way)) else { return Next::Other };
    let Some(line_end) = memchr::memchr(b'\n', got) else {
        return if got.len() > MAX_LINE { Next::Other } else { Next::Partial };
    };
    let Some(target) = got.get(way.len()..line_end).and_then(|line| line.strip_suffix(b" HTTP/1.1\r")) else {
        return Next::Other;
    };
    // The rules of an odd target are the web server's.
    let is_plain = target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#');
    if !is_plain || target.len() + way.len() > MAX_LINE {
        return Next::Other;
    }
    let query = match target.split_first() {
        None => &[][..],
        Some((b'?', query)) => query,
        Some(_) => return Next::Other,
    };
    let (mut at, mut closes) = (line_end + 1, false);
    for _ in 0..=MAX_HEADERS {
        let rest = got.get(at..).unwrap_or_default();
        let Some(length) = memchr::memchr(b'\n', rest) else { return Next::Partial };
        let Some(line) = rest.get(..length).and_then(|line| line.strip_suffix(b"\r")) else {
            return Next::Other;
        };
        at += length + 1;
        if line.is_empty() {
            return Next::Ours(Asked { is_scrape, query, length: at, closes });
        }
        let Some(colon) = memchr::memchr(b':', line) else { return Next::Other };
        let (name, value) = line.split_at_checked(colon).unwrap_or((line, &[]));
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        let is_name = name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_');
        let has_body = is(b"content-length") || is(b"transfer-encoding");
        if !is_name || name.is_empty() || has_body || is(b"expect") || is(b"upgrade") {
            return Next::Other;
        }
        if is(b"connection") {
            if value.eq_ignore_ascii_case(b"close") {
                closes = true;
            } else if !value.eq_ignore_ascii_case(b"keep-alive") {
                return Next::Other;
            }
        }
    }
    Next::Other
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(text: &str) -> Option<(bool, String, usize, bool)> {
        match next(text.as_bytes()) {
            Next::Ours(asked) => Some((
                asked.is_scrape,
                String::from_utf8_lossy(asked.query).into_owned(),
                asked.length,
                asked.closes,
            )),
            _ => None,
        }
    }

    #[test]
    fn announces_and_scrapes_are_ours() {
        let text = "GET /announce?info_hash=%01&port=1 HTTP/1.1\r\nHost: a\r\nConnection: Close\r\n\r\n";
        assert_eq!(ours(text), Some((false, "info_hash=%01&port=1".to_owned(), text.len(), true)));
        let two = format!("GET /scrape HTTP/1.1\r\nUser-Agent: x y\r\nconnection: keep-alive\r\n\r\n{text}");
        assert_eq!(ours(&two), Some((true, String::new(), two.len() - text.len(), false)));
        // However it is cut, it is waited for.
        for end in 0..text.len() {
            assert_eq!(next(&text.as_bytes()[..end]), Next::Partial, "{end}");
        }
    }

    #[test]
    fn whatever_is_unusual_is_for_the_web_server() {
        let long = format!("GET /announce?x={} HTTP/1.1\r\n\r\n", "y".repeat(MAX_LINE + 1));
        let many = format!("GET /announce HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(MAX_HEADERS + 1));
        for text in [
            "GET / HTTP/1.1\r\n\r\n",
            "POST /announce HTTP/1.1\r\n\r\n",
            "GET /announcements HTTP/1.1\r\n\r\n",
            "GET /announce/x HTTP/1.1\r\n\r\n",
            "GET /announce?x HTTP/1.0\r\n\r\n",
            "GET /announce?x\r\n\r\n",
            "GET /announce?x HTTP/1.1\n\n",
            "GET /announce?x y HTTP/1.1\r\n\r\n",
            "GET /announce?x#y HTTP/1.1\r\n\r\n",
            "GET /announce?x\u{e9} HTTP/1.1\r\n\r\n",
            "GET /announce?x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
            "GET /announce?x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET /announce?x HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
            "GET /announce?x HTTP/1.1\r\nConnection: close, x\r\n\r\n",
            "GET /announce?x HTTP/1.1\r\nno colon\r\n\r\n",
            "GET /announce?x HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
            "GET /announce?x HTTP/1.1\r\n: b\r\n\r\n",
            "\u{13}BitTorrent protocol",
            &long,
            &many,
        ] {
            assert_eq!(next(text.as_bytes()), Next::Other, "{text:?}");
        }
    }
}
