//! Addresses of trackers and of torrent files: `http`, `https` and `udp`, and what each may lead to.
//!
//! Most of them come from strangers. Private addresses are the normal case here and always allowed; this
//! machine itself only where trackers are.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv6Addr};

use shared::control::is_local;
use thiserror::Error;

/// The longest address that is read, in bytes.
const MAX_LENGTH: usize = 8 * 1024;
/// The longest host name (RFC 1035).
const MAX_HOST: usize = 253;

/// Why an address cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UrlError {
    /// Longer than any real one.
    #[error("an address of {0} bytes, limit {MAX_LENGTH}")]
    TooLong(usize),
    /// Not one of the three.
    #[error("a tracker's address begins with http://, https:// or udp://")]
    Scheme,
    /// `https` leads to `http`.
    #[error("{host} leads from https to http: not followed")]
    Downgrade {
        /// Which host.
        host: String,
    },
    /// No host, or one that cannot be.
    #[error("the address has no usable host name")]
    Host,
    /// No port where one must be, or one that cannot be.
    #[error("the address has no usable port")]
    Port,
    /// A name and a password in front of the host.
    #[error("a password in an address is not sent: write it without")]
    Password,
    /// Control characters.
    #[error("the address holds characters that no address has")]
    Characters,
    /// This machine, but not a tracker's path.
    #[error("{host} is this machine itself: there only a path that ends with /announce is asked")]
    OwnMachine {
        /// Which host.
        host: String,
    },
}

/// How to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
    Udp,
}

/// From where an address can be reached; later ones are for fewer eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// From everywhere.
    Public,
    /// From a LAN or VPN.
    Private,
    /// From this machine or its cable only.
    Own,
}

impl Reach {
    /// Of an address.
    pub(crate) fn of(ip: IpAddr) -> Self {
        let ip = ip.to_canonical();
        let link_local = match ip {
            IpAddr::V4(v4) => v4.is_link_local(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        if ip.is_loopback() || ip.is_unspecified() || link_local {
            Self::Own
        } else if is_local(ip) {
            Self::Private
        } else {
            Self::Public
        }
    }

    /// What it is.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Private => "a private address",
            Self::Own => "this machine itself",
        }
    }
}

/// An address that can be asked. Its text is of ASCII without spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    scheme: Scheme,
    /// With brackets when it is an IPv6 address.
    host: String,
    port: u16,
    /// Path and query, beginning with `/`.
    target: String,
}

impl Url {
    /// Reads an address. What stands behind a `#` is for browsers.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_LENGTH {
            return Err(UrlError::TooLong(text.len()));
        }
        let (scheme, rest) = text.trim().split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            "udp" => Scheme::Udp,
            _ => return Err(UrlError::Scheme),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(UrlError::Password);
        }
        let (host, port) = split_port(authority)?;
        let port = match (port, scheme) {
            (Some(port), _) => port.parse().ok().filter(|port| *port != 0).ok_or(UrlError::Port)?,
            (None, Scheme::Http) => 80,
            (None, Scheme::Https) => 443,
            (None, Scheme::Udp) => return Err(UrlError::Port),
        };
        Ok(Self { scheme, host: read_host(host)?, port, target: read_target(path)? })
    }

    /// Where a redirect from here leads.
    pub(crate) fn join(&self, location: &str) -> Result<Self, UrlError> {
        let scheme = if self.scheme == Scheme::Https { "https" } else { "http" };
        let next = if location.starts_with("//") {
            Self::parse(&format!("{scheme}:{location}"))?
        } else if location.contains("://") {
            Self::parse(location)?
        } else if location.starts_with('/') {
            Self { target: read_target(location)?, ..self.clone() }
        } else {
            let path = self.target.split('?').next().unwrap_or("/");
            let folder = path.rfind('/').and_then(|end| path.get(..=end)).unwrap_or("/");
            Self { target: read_target(&format!("{folder}{location}"))?, ..self.clone() }
        };
        match (self.scheme, next.scheme) {
            (_, Scheme::Udp) => Err(UrlError::Scheme),
            (Scheme::Https, Scheme::Http) => Err(UrlError::Downgrade { host: next.host }),
            _ => Ok(next),
        }
    }

    /// The same with more behind its `?`.
    pub(crate) fn with_query(&self, query: &str) -> Self {
        let joint = if self.target.contains('?') { '&' } else { '?' };
        Self { target: format!("{}{joint}{query}", self.target), ..self.clone() }
    }

    /// Refuses what is no tracker's path, for addresses of this machine.
    pub(crate) fn check_own(&self) -> Result<(), UrlError> {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        // Our own announce stands behind the `?`, and nothing in front of it.
        let ours = query.is_empty() || query.starts_with("info_hash=");
        let fits = path.ends_with("/announce") && ours;
        if fits { Ok(()) } else { Err(UrlError::OwnMachine { host: self.host.clone() }) }
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host; an IPv6 address stands in brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The host as the name service wants it.
    pub(crate) fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Path and query.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// Host and, where it is not the usual one, port.
    pub(crate) fn authority(&self) -> String {
        match (self.scheme, self.port) {
            (Scheme::Http, 80) | (Scheme::Https, 443) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Udp => "udp",
        };
        write!(f, "{scheme}://{}{}", self.authority(), self.target)
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), UrlError> {
    let after = authority.rfind(']').map_or(0, |end| end + 1);
    let tail = authority.get(after..).unwrap_or_default();
    match tail.rfind(':') {
        Some(colon) => {
            let (host, port) = authority.split_at_checked(after + colon).ok_or(UrlError::Host)?;
            let port = port.get(1..).unwrap_or_default();
            if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(UrlError::Port);
            }
            Ok((host, Some(port)))
        }
        None => Ok((authority, None)),
    }
}

fn read_host(host: &str) -> Result<String, UrlError> {
    if let Some(inside) = host.strip_prefix('[') {
        let ip: Ipv6Addr = inside.strip_suffix(']').and_then(|ip| ip.parse().ok()).ok_or(UrlError::Host)?;
        return Ok(format!("[{ip}]"));
    }
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let fits = (1..=MAX_HOST).contains(&host.len()) && host.bytes().all(letters) && !host.starts_with('.');
    if fits { Ok(host.to_ascii_lowercase()) } else { Err(UrlError::Host) }
}

/// Path and query as they are sent: what is not ASCII is percent-encoded, as browsers do it.
fn read_target(path: &str) -> Result<String, UrlError> {
    let path = path.split('#').next().unwrap_or_default();
    if path.chars().any(char::is_control) {
        return Err(UrlError::Characters);
    }
    let mut target = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        target.push('/');
    }
    for byte in path.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            target.push(char::from(byte));
        } else {
            let _ = write!(target, "%{byte:02X}");
        }
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, written) in [
            ("http://10.0.0.1:6969/announce", "http://10.0.0.1:6969/announce"),
            ("HTTP://Tracker.LAN/announce?passkey=1#top", "http://tracker.lan/announce?passkey=1"),
            ("https://t.example:443", "https://t.example/"),
            ("udp://[FD00::1]:6969/announce", "udp://[fd00::1]:6969/announce"),
            ("http://h?a", "http://h/?a"),
            (" http://h/a b/ñ ", "http://h/a%20b/%C3%B1"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!(url.to_string(), written);
            assert_eq!(Url::parse(&url.to_string()), Ok(url));
        }
        let url = Url::parse("http://h/announce?k=1").unwrap();
        assert_eq!(url.with_query("info_hash=x").target(), "/announce?k=1&info_hash=x");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, error) in [
            ("", UrlError::Scheme),
            ("announce", UrlError::Scheme),
            ("wss://h/announce", UrlError::Scheme),
            ("file:///etc/passwd", UrlError::Scheme),
            ("http:///announce", UrlError::Host),
            ("http://a b/", UrlError::Host),
            ("http://ñ/", UrlError::Host),
            ("http://[10.0.0.1]/", UrlError::Host),
            ("http://[::1/", UrlError::Host),
            ("http://h:0/", UrlError::Port),
            ("http://h:65536/", UrlError::Port),
            ("http://h:/", UrlError::Port),
            ("http://h:+1/", UrlError::Port),
            ("udp://h/announce", UrlError::Port),
            ("http://me:secret@h/", UrlError::Password),
            ("http://h/\r\nX: y", UrlError::Characters),
        ] {
            assert_eq!(Url::parse(text), Err(error), "{text}");
        }
        let long = format!("http://h/{}", "a".repeat(MAX_LENGTH));
        assert_eq!(Url::parse(&long), Err(UrlError::TooLong(long.len())));
    }

    #[test]
    fn redirects_are_read_from_where_they_are_said() {
        let from = Url::parse("https://h:8443/a/b?c").unwrap();
        for (location, written) in [
            ("https://other/x", "https://other/x"),
            ("//other/x", "https://other/x"),
            ("/x?y", "https://h:8443/x?y"),
            ("x", "https://h:8443/a/x"),
            ("", "https://h:8443/a/"),
        ] {
            assert_eq!(from.join(location).unwrap().to_string(), written, "{location}");
        }
        assert!(matches!(from.join("http://h/"), Err(UrlError::Downgrade { .. })));
        assert_eq!(from.join("file:///etc/passwd"), Err(UrlError::Scheme));
        assert_eq!(from.join("udp://h:1/"), Err(UrlError::Scheme));
    }

    #[test]
    fn this_machine_is_only_asked_where_trackers_are() {
        for (target, fits) in [
            ("announce", true),
            ("key/announce", true),
            ("announce?info_hash=x&port=1", true),
            ("", false),
            ("api/delete", false),
            ("announce?next=/api", false),
            ("xannounce", false),
        ] {
            let url = Url::parse(&format!("http://127.0.0.1:1/{target}")).unwrap();
            assert_eq!(url.check_own().is_ok(), fits, "{target}");
        }
    }

    #[test]
    fn reach_is_told_apart() {
        for (ip, reach) in [
            ("127.0.0.1", Reach::Own),
            ("::1", Reach::Own),
            ("0.0.0.0", Reach::Own),
            ("169.254.1.1", Reach::Own),
            ("fe80::1", Reach::Own),
            ("::ffff:127.0.0.1", Reach::Own),
            ("10.1.1.1", Reach::Private),
            ("fd00::1", Reach::Private),
            ("100.64.0.1", Reach::Private),
            ("8.8.8.8", Reach::Public),
        ] {
            assert_eq!(Reach::of(ip.parse().unwrap()), reach, "{ip}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_what_is_taken_reads_back(
            text in "(http|https|udp|HTTP|ftp)://[a-zA-Z0-9\\[\\]:.@%ñ_-]{0,30}[/?#]?.{0,40}",
            location in ".{0,40}",
        ) {
            if let Ok(url) = Url::parse(&text) {
                prop_assert!(url.to_string().bytes().all(|byte| byte.is_ascii_graphic()), "{}", url);
                prop_assert_eq!(Url::parse(&url.to_string()), Ok(url.clone()));
                if let Ok(next) = url.join(&location) {
                    prop_assert!(next.to_string().bytes().all(|byte| byte.is_ascii_graphic()), "{}", next);
                }
            }
        }
    }
}
