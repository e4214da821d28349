//! By which name a browser came, so that what it is given leads back here.
//!
//! The header is a stranger's text: only what can be a host passes.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::{HeaderMap, header};

use super::Ends;

/// The host as it stands in a URL and its port: what the browser says, if it can be one, or the address
/// by which it reaches this machine.
pub(super) fn of(headers: &HeaderMap, ends: Ends, port: u16) -> (String, u16) {
    let told = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    told.and_then(split).unwrap_or_else(|| (bracketed(ends.via), port))
}

/// The announce URLs for whoever came by `host`.
pub(super) fn announce_urls((host, port): &(String, u16), udp: u16) -> [String; 2] {
    [format!("http://{host}:{port}/announce"), format!("udp://{host}:{udp}/announce")]
}

fn bracketed(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// `name`, `name:port`, `1.2.3.4:port`, `[::1]:port`.
fn split(told: &str) -> Option<(String, u16)> {
    if told.len() > 255 {
        return None;
    }
    if let Ok(address) = told.parse::<SocketAddr>() {
        return Some((bracketed(address.ip()), address.port())).filter(|(_, port)| *port > 0);
    }
    let bare = told.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(v6) = bare {
        return v6.parse::<Ipv6Addr>().ok().map(|v6| (bracketed(v6.into()), 80));
    }
    let (name, port) = match told.split_once(':') {
        Some((name, port)) => (name, port.parse().ok().filter(|port| *port > 0)?),
        None => (told, 80),
    };
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
    };
    name.trim_end_matches('.').split('.').all(label).then(|| (name.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_host_is_taken() {
        let ends = Ends { from: "10.0.0.9:5".parse().unwrap(), via: "10.0.0.1".parse().unwrap() };
        let of = |told: &str| {
            let mut headers = HeaderMap::new();
            if let Ok(value) = told.parse() {
                headers.insert(header::HOST, value);
            }
            let (host, port) = of(&headers, ends, 6969);
            format!("{host}:{port}")
        };
        for (told, meant) in [
            ("aula.local:6969", "aula.local:6969"),
            ("Aula", "aula:80"),
            ("192.168.1.10:7000", "192.168.1.10:7000"),
            ("192.168.1.10", "192.168.1.10:80"),
            ("[fd00::1]:6969", "[fd00::1]:6969"),
            ("[fd00::1]", "[fd00::1]:80"),
        ] {
            assert_eq!(of(told), meant);
        }
        let long = "a.".repeat(200);
        for odd in [
            "",
            "a b",
            "a:0",
            "a:x",
            "a:99999",
            "<script>",
            "a/../b",
            "user@host",
            "a..b",
            "[x]",
            "-a",
            &long,
        ] {
            assert_eq!(of(odd), "10.0.0.1:6969", "{odd}");
        }
    }
}
