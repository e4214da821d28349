//! Local service discovery (BEP 14): the one datagram that says "I have these torrents, at this port",
//! read and written. The same datagram, with a name of its own for a hash, finds a tracker.
//!
//! No socket: who joins groups and sends is `runtime::multicast`.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use thiserror::Error;

use crate::InfoHash;

/// The port of both groups.
pub const PORT: u16 = 6771;
/// The group of IPv4.
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(239, 192, 152, 143);
/// The group of IPv6.
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0xefc0, 0x988f);

/// The most bytes of a datagram, written or read.
pub const MAX_DATAGRAM: usize = 1_400;
/// The most hashes in one datagram that we write: with these it fits [`MAX_DATAGRAM`].
pub const MAX_HASHES: usize = 20;
/// The most characters of a cookie.
pub const MAX_COOKIE: usize = 64;

/// What a tracker of ours is called in place of a torrent: the SHA-1 of `enjambre tracker`.
pub const TRACKER: InfoHash = InfoHash([
    0x70, 0x10, 0x6e, 0xf0, 0x86, 0x64, 0x0c, 0x28, 0xd0, 0x30, 0x5d, 0xf6, 0xcc, 0x19, 0xe9, 0x87, 0x5d,
    0x8e, 0xd0, 0x4c,
]);

/// The first line.
const FIRST_LINE: &str = "BT-SEARCH * HTTP/1.1";
/// The most header lines that are looked at.
const MAX_LINES: usize = 64;

/// Where both families meet when the port of the groups is `port`.
pub fn group(ipv6: bool, port: u16) -> SocketAddr {
    if ipv6 {
        SocketAddr::V6(SocketAddrV6::new(GROUP_V6, port, 0, 0))
    } else {
        SocketAddr::V4(SocketAddrV4::new(GROUP_V4, port))
    }
}

/// One datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// The TCP port where the sender takes connections, at the address that the datagram comes from.
    /// 0 only asks: whoever has what is named may say so.
    pub port: u16,
    /// What the sender has, at least one.
    pub hashes: Vec<InfoHash>,
    /// By which a sender knows its own datagrams again.
    pub cookie: Option<String>,
}

/// Why a datagram was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LsdError {
    /// More bytes than anybody needs.
    #[error("datagram of {length} bytes, the limit is {MAX_DATAGRAM}")]
    TooLong {
        /// How many came.
        length: usize,
    },
    /// Not text, or not this protocol.
    #[error("not a BT-SEARCH datagram")]
    Foreign,
    /// More lines than anybody needs.
    #[error("more than {MAX_LINES} lines")]
    TooManyLines,
    /// No port, two, or not a number below 65536.
    #[error("no usable Port line")]
    Port,
    /// No hash, or one that is not 40 hexadecimal digits.
    #[error("no usable Infohash line")]
    Hash,
    /// A cookie that is too long or not printable.
    #[error("cookie is not 1 to {MAX_COOKIE} printable characters")]
    Cookie,
}

impl Datagram {
    /// Reads a datagram; unknown header lines are passed over.
    pub fn parse(bytes: &[u8]) -> Result<Self, LsdError> {
        if bytes.len() > MAX_DATAGRAM {
            return Err(LsdError::TooLong { length: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| LsdError::Foreign)?;
        let mut lines = text.split("\r\n");
        if lines.next() != Some(FIRST_LINE) {
            return Err(LsdError::Foreign);
        }
        let (mut port, mut hashes, mut cookie) = (None, Vec::new(), None);
        for (number, line) in lines.take_while(|line| !line.is_empty()).enumerate() {
            if number == MAX_LINES {
                return Err(LsdError::TooManyLines);
            }
            let Some((name, value)) = line.split_once(':') else { return Err(LsdError::Foreign) };
            let value = value.trim_matches([' ', '\t']);
            match name.to_ascii_lowercase().as_str() {
                "port" if port.is_none() => port = Some(read_port(value)?),
                "port" => return Err(LsdError::Port),
                "infohash" => {
                    let hash = value.parse().map_err(|_| LsdError::Hash)?;
                    if !hashes.contains(&hash) {
                        hashes.push(hash);
                    }
                }
                "cookie" => cookie = Some(read_cookie(value)?),
                _ => {}
            }
        }
        if hashes.is_empty() {
            return Err(LsdError::Hash);
        }
        Ok(Self { port: port.ok_or(LsdError::Port)?, hashes, cookie })
    }

    /// The bytes to send to `group`. Hashes beyond [`MAX_HASHES`] and a cookie that nobody would read
    /// are left out.
    pub fn encode(&self, group: SocketAddr) -> Vec<u8> {
        let mut text = format!("{FIRST_LINE}\r\nHost: {group}\r\nPort: {}\r\n", self.port);
        for hash in self.hashes.iter().take(MAX_HASHES) {
            text.push_str("Infohash: ");
            text.push_str(&hash.to_string());
            text.push_str("\r\n");
        }
        if let Some(cookie) = self.cookie.as_deref().filter(|cookie| read_cookie(cookie).is_ok()) {
            text.push_str("cookie: ");
            text.push_str(cookie);
            text.push_str("\r\n");
        }
        text.push_str("\r\n\r\n");
        text.into_bytes()
    }
}

fn read_port(value: &str) -> Result<u16, LsdError> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    if digits { value.parse().map_err(|_| LsdError::Port) } else { Err(LsdError::Port) }
}

fn read_cookie(value: &str) -> Result<String, LsdError> {
    let fits = (1..=MAX_COOKIE).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(value.to_owned()) } else { Err(LsdError::Cookie) }
}

#[cfg(test)]
mod tests {
    use sha1::{Digest as _, Sha1};

    use super::*;

    fn full() -> Datagram {
        Datagram {
            port: 6881,
            hashes: (0..20).map(|byte| InfoHash([byte; 20])).collect(),
            cookie: Some("c".repeat(MAX_COOKIE)),
        }
    }

    #[test]
    fn a_tracker_is_called_by_the_hash_of_its_name() {
        assert_eq!(TRACKER.0, <[u8; 20]>::from(Sha1::digest("enjambre tracker")));
    }

    #[test]
    fn what_is_written_is_read_back_and_fits() {
        for (ipv6, host) in [(false, "239.192.152.143:6771"), (true, "[ff15::efc0:988f]:6771")] {
            let bytes = full().encode(group(ipv6, PORT));
            assert!(bytes.len() <= MAX_DATAGRAM, "{}", bytes.len());
            assert!(String::from_utf8_lossy(&bytes).contains(&format!("\r\nHost: {host}\r\n")));
            assert_eq!(Datagram::parse(&bytes), Ok(full()));
        }
        let many = Datagram { hashes: (0..99).map(|byte| InfoHash([byte; 20])).collect(), ..full() };
        assert_eq!(Datagram::parse(&many.encode(group(false, PORT))), Ok(full()));
    }

    #[test]
    fn another_clients_spelling_is_understood() {
        let text = "BT-SEARCH * HTTP/1.1\r\nhost:239.192.152.143:6771\r\nport:  51413\r\nX-More: yes\r\n\
                    InfoHash: AAAABBBBCCCCDDDDEEEEFFFF0000111122223333\r\n\r\n\r\n";
        let read = Datagram::parse(text.as_bytes()).unwrap();
        assert_eq!((read.port, read.cookie), (51413, None));
        assert_eq!(read.hashes, ["aaaabbbbccccddddeeeeffff0000111122223333".parse().unwrap()]);
    }

    #[test]
    fn bad_datagrams_are_refused() {
        let hash = "Infohash: aaaabbbbccccddddeeeeffff0000111122223333\r\n";
        let with = |lines: &str| format!("{FIRST_LINE}\r\n{lines}\r\n\r\n").into_bytes();
        for (bytes, error) in [
            (Vec::new(), LsdError::Foreign),
            (b"NOTIFY * HTTP/1.1\r\nPort: 1\r\n\r\n".to_vec(), LsdError::Foreign),
            (vec![0xff; 40], LsdError::Foreign),
            (with("no colon\r\n"), LsdError::Foreign),
            (with(hash), LsdError::Port),
            (with("Port: 1\r\n"), LsdError::Hash),
            (with(&format!("Port: 65536\r\n{hash}")), LsdError::Port),
            (with(&format!("Port: -1\r\n{hash}")), LsdError::Port),
            (with(&format!("Port: +1\r\n{hash}")), LsdError::Port),
            (with(&format!("Port: 1\r\nPort: 2\r\n{hash}")), LsdError::Port),
            (with("Port: 1\r\nInfohash: 00\r\n"), LsdError::Hash),
            (with(&format!("Port: 1\r\n{hash}cookie: {}\r\n", "c".repeat(65))), LsdError::Cookie),
            (with(&format!("Port: 1\r\n{hash}cookie: \u{1b}\r\n")), LsdError::Cookie),
            (with(&format!("Port: 1\r\n{hash}{}", "a:\r\n".repeat(80))), LsdError::TooManyLines),
            (vec![b' '; MAX_DATAGRAM + 1], LsdError::TooLong { length: MAX_DATAGRAM + 1 }),
        ] {
            assert_eq!(Datagram::parse(&bytes), Err(error), "{}", String::from_utf8_lossy(&bytes));
        }
    }
}
