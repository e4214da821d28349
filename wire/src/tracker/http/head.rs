//! The head of an HTTP request, where it is one of a BitTorrent client and nothing unusual.
//!
//! Only `GET /announce` and `GET /scrape` of HTTP/1.1 without a body are read. Anything else, and anything odd
//! in these, is told apart and left to a web server, which has all the rules.

/// Headers of a request.
pub const MAX_HEADERS: usize = 64;
/// Bytes of a request's target.
pub const MAX_TARGET: usize = 8 * 1024;

/// What stands at the beginning of what was read. Without a bound of its own on what is not there yet: that
/// is for whoever reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head<'a> {
    /// Not enough yet.
    Partial,
    /// A request for a web server.
    Other,
    /// An announce or a scrape.
    Asked(Asked<'a>),
}

/// An announce or a scrape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked<'a> {
    /// Which of the two.
    pub is_scrape: bool,
    /// What stands behind the `?`.
    pub query: &'a [u8],
    /// Bytes of the whole head.
    pub length: usize,
    /// The client wants no second request.
    pub closes: bool,
}

impl<'a> Head<'a> {
    /// Looks at what was read of a connection.
    pub fn read(got: &'a [u8]) -> Self {
        const WAYS: [(&[u8], bool); 2] = [(b"GET /announce", false), (b"GET /scrape", true)];
        let begins = |way: &[u8]| got.iter().zip(way).all(|(a, b)| a == b);
        let Some((way, is_scrape)) = WAYS.into_iter().find(|(way, _)| begins(way)) else {
            return Self::Other;
        };
        let Some(line_end) = memchr::memchr(b'\n', got) else {
            return if got.len() > MAX_TARGET { Self::Other } else { Self::Partial };
        };
        let Some(target) = got.get(way.len()..line_end).and_then(|line| line.strip_suffix(b" HTTP/1.1\r"))
        else {
            return Self::Other;
        };
        // The rules of an odd target are the web server's.
        let is_plain = target.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#');
        if !is_plain || target.len() + way.len() > MAX_TARGET {
            return Self::Other;
        }
        let query = match target.split_first() {
            None => &[][..],
            Some((b'?', query)) => query,
            Some(_) => return Self::Other,
        };
        let (mut at, mut closes) = (line_end + 1, false);
        for _ in 0..=MAX_HEADERS {
            let rest = got.get(at..).unwrap_or_default();
            let Some(length) = memchr::memchr(b'\n', rest) else { return Self::Partial };
            let Some(line) = rest.get(..length).and_then(|line| line.strip_suffix(b"\r")) else {
                return Self::Other;
            };
            at += length + 1;
            if line.is_empty() {
                return Self::Asked(Asked { is_scrape, query, length: at, closes });
            }
            let Some(colon) = memchr::memchr(b':', line) else { return Self::Other };
            let (name, value) = line.split_at_checked(colon).unwrap_or((line, &[]));
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
            let is_name =
                name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_');
            let has_body = is(b"content-length") || is(b"transfer-encoding");
            if !is_name || name.is_empty() || has_body || is(b"expect") || is(b"upgrade") {
                return Self::Other;
            }
            if is(b"connection") {
                if value.eq_ignore_ascii_case(b"close") {
                    closes = true;
                } else if !value.eq_ignore_ascii_case(b"keep-alive") {
                    return Self::Other;
                }
            }
        }
        Self::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(text: &str) -> Option<(bool, String, usize, bool)> {
        match Head::read(text.as_bytes()) {
            Head::Asked(asked) => Some((
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
            assert_eq!(Head::read(&text.as_bytes()[..end]), Head::Partial, "{end}");
        }
    }

    #[test]
    fn whatever_is_unusual_is_for_the_web_server() {
        let long = format!("GET /announce?x={} HTTP/1.1\r\n\r\n", "y".repeat(MAX_TARGET + 1));
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
            assert_eq!(Head::read(text.as_bytes()), Head::Other, "{text:?}");
        }
    }
}
