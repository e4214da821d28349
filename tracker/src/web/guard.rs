//! Who may ask: a browser that came by a name of this machine, from a page of this machine.
//!
//! A page elsewhere can make a browser ask us. By a name of its own that it lets point here (DNS
//! rebinding) it could read the answers; so only names are taken that no stranger can own. Announces
//! are no browser's business and are not asked.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};

/// Endings under which no stranger can have a name.
const LOCAL: [&str; 8] =
    [".local", ".lan", ".home", ".home.arpa", ".internal", ".localhost", ".localdomain", ".test"];

/// Why an asker is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Stranger {
    /// The name is none of ours.
    #[error(
        "this name does not lead to the page; use the machine's address, such as http://192.168.1.10:6969/"
    )]
    Host,
    /// The page that asks is none of ours.
    #[error("another site asks; only the tracker's own page may")]
    Origin,
}

/// Looks at the headers by which a browser tells where it comes from.
/// `names` are further names of this machine.
pub(super) fn check(headers: &HeaderMap, names: &[String]) -> Result<(), Stranger> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).ok_or(Stranger::Host)?;
    if headers.get_all(header::HOST).iter().count() != 1 || !is_ours(host, names) {
        return Err(Stranger::Host);
    }
    for origin in headers.get_all(header::ORIGIN) {
        let same = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://"));
        if !same.is_some_and(|origin| origin.eq_ignore_ascii_case(host)) {
            return Err(Stranger::Origin);
        }
    }
    Ok(())
}

/// An address, a name without a dot, one under an ending of local networks, or one that the operator told.
fn is_ours(host: &str, names: &[String]) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((v6, port)) => return v6.parse::<IpAddr>().is_ok() && is_port(port),
            None => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) if is_port(&host[name.len()..]) && !port.is_empty() => name,
            Some(_) => return false,
            None => host,
        },
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    if name.parse::<IpAddr>().is_ok() {
        return true;
    }
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > 253 || !name.bytes().all(letters) {
        return false;
    }
    !name.contains('.')
        || LOCAL.iter().any(|ending| name.ends_with(ending))
        || names.iter().any(|own| own.eq_ignore_ascii_case(&name))
}

/// Nothing, or a colon and a number.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: &str, origin: Option<&str>) -> Result<(), Stranger> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        check(&headers, &["tracker.school.example".to_owned()])
    }

    #[test]
    fn only_names_that_no_stranger_can_own_lead_here() {
        for good in [
            "192.168.1.10:6969",
            "127.0.0.1",
            "[::1]:6969",
            "[fd00::1]",
            "localhost:6969",
            "aula",
            "Aula:80",
            "aula.local:6969",
            "tracker.lan",
            "pc.home.arpa:1",
            "tracker.school.example:6969",
        ] {
            assert_eq!(asked(good, None), Ok(()), "{good}");
        }
        for bad in [
            "evil.example:6969",
            "evil.com",
            "192.168.1.10.evil.com",
            "local.evil.com:80",
            "a.local.evil.com",
            "[::1",
            "[x]:80",
            "127.0.0.1:x",
            "127.0.0.1:",
            "a b",
            "",
            ":80",
            "evil.com#.local",
            "user@aula",
            "1.2.3.4:99999",
        ] {
            assert_eq!(asked(bad, None), Err(Stranger::Host), "{bad}");
        }
        assert_eq!(check(&HeaderMap::new(), &[]), Err(Stranger::Host));
        let mut two = HeaderMap::new();
        two.append(header::HOST, "aula".parse().unwrap());
        two.append(header::HOST, "evil.com".parse().unwrap());
        assert_eq!(check(&two, &[]), Err(Stranger::Host));
    }

    #[test]
    fn only_our_own_page_may_ask() {
        assert_eq!(asked("10.0.0.1:6969", Some("http://10.0.0.1:6969")), Ok(()));
        for other in
            ["http://evil.com", "null", "https://10.0.0.1:6969", "http://10.0.0.1", "http://10.0.0.1:69690"]
        {
            assert_eq!(asked("10.0.0.1:6969", Some(other)), Err(Stranger::Origin), "{other}");
        }
    }
}
