//! Magnet links: the names of a torrent and where to find it, in one line (BEP 9, BEP 53).

use std::fmt;
use std::net::SocketAddr;

use thiserror::Error;

use crate::{InfoHash, InfoHashV2, InfoHashes};

/// The longest link that is read, in bytes.
const MAX_LENGTH: usize = 16 * 1024;
/// The most trackers and peers that are taken from one link.
const MAX_LIST: usize = 64;

/// What a magnet link says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Magnet {
    /// The torrent's names.
    pub hashes: InfoHashes,
    /// What it is called, as a suggestion.
    pub name: Option<String>,
    /// Trackers that know it.
    pub trackers: Vec<String>,
    /// Peers that have it.
    pub peers: Vec<SocketAddr>,
}

/// Why a text is not a magnet link that we can use.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MagnetError {
    /// It does not begin with `magnet:?`.
    #[error("a magnet link begins with \"magnet:?\"")]
    Scheme,
    /// It is longer than any real one.
    #[error("magnet link of {0} bytes, limit {MAX_LENGTH}")]
    TooLong(usize),
    /// No `xt` names a BitTorrent info hash.
    #[error("this magnet link has no info hash (xt=urn:btih:... or xt=urn:btmh:1220...)")]
    NoHash,
    /// A v1 hash of the wrong length or with letters that do not belong.
    #[error("xt=urn:btih: needs 40 hex or 32 base32 characters; this one has {0}")]
    HashV1(usize),
    /// A v2 hash that is not a SHA-256 multihash.
    #[error("xt=urn:btmh: needs 1220 and 64 hex characters; this one has {0}")]
    HashV2(usize),
    /// A `%` without two hexadecimal digits behind it.
    #[error("bad percent code at character {0}")]
    Percent(usize),
}

impl Magnet {
    /// Reads a link. Unknown parameters are ignored, and so are addresses that cannot be read.
    pub fn parse(text: &str) -> Result<Self, MagnetError> {
        let (mut v1, mut v2) = (None, None);
        let mut magnet = (None, Vec::new(), Vec::new());
        for (key, value) in Self::parameters(text)? {
            match key.split('.').next().unwrap_or_default() {
                "xt" => {
                    if let Some(hash) = value.strip_prefix("urn:btih:") {
                        v1 = Some(read_v1(hash)?);
                    } else if let Some(hash) = value.strip_prefix("urn:btmh:") {
                        let digits = hash.strip_prefix("1220").ok_or(MagnetError::HashV2(hash.len()))?;
                        v2 = Some(digits.parse::<InfoHashV2>().map_err(|_| MagnetError::HashV2(hash.len()))?);
                    }
                }
                "dn" => magnet.0 = Some(value),
                "tr" if magnet.1.len() < MAX_LIST => magnet.1.push(value),
                "x" if key == "x.pe" && magnet.2.len() < MAX_LIST => {
                    magnet.2.extend(value.parse::<SocketAddr>());
                }
                _ => {}
            }
        }
        let hashes = InfoHashes::from_options(v1, v2).ok_or(MagnetError::NoHash)?;
        Ok(Self { hashes, name: magnet.0, trackers: magnet.1, peers: magnet.2 })
    }

    /// Every parameter as it stands in a link, known or not, its percent codes undone.
    pub fn parameters(text: &str) -> Result<Vec<(String, String)>, MagnetError> {
        if text.len() > MAX_LENGTH {
            return Err(MagnetError::TooLong(text.len()));
        }
        let scheme = text.get(..8).filter(|scheme| scheme.eq_ignore_ascii_case("magnet:?"));
        let query = scheme.and_then(|_| text.get(8..)).ok_or(MagnetError::Scheme)?;
        let mut at = 8;
        let mut parameters = Vec::new();
        for parameter in query.split('&') {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value =
                unescape(value).map_err(|offset| MagnetError::Percent(at + key.len() + 1 + offset))?;
            at += parameter.len() + 1;
            parameters.push((key.to_owned(), value));
        }
        Ok(parameters)
    }
}

impl fmt::Display for Magnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v1 = self.hashes.get_v1().map(|hash| format!("xt=urn:btih:{hash}"));
        let v2 = self.hashes.get_v2().map(|hash| format!("xt=urn:btmh:1220{hash}"));
        let name = self.name.as_ref().map(|name| format!("dn={}", escape(name)));
        let trackers = self.trackers.iter().map(|url| format!("tr={}", escape(url)));
        let peers = self.peers.iter().map(|peer| format!("x.pe={peer}"));
        let parts: Vec<String> = v1.into_iter().chain(v2).chain(name).chain(trackers).chain(peers).collect();
        write!(f, "magnet:?{}", parts.join("&"))
    }
}

fn read_v1(text: &str) -> Result<InfoHash, MagnetError> {
    let bad = || MagnetError::HashV1(text.chars().count());
    if text.len() == 40 {
        return text.parse().map_err(|_| bad());
    }
    if text.len() != 32 {
        return Err(bad());
    }
    // Base32 of RFC 4648: five bits a letter, eight letters to five bytes.
    let mut hash = [0; 20];
    for (bytes, letters) in hash.chunks_exact_mut(5).zip(text.as_bytes().chunks_exact(8)) {
        let mut bits = 0_u64;
        for letter in letters {
            let value = match letter.to_ascii_uppercase() {
                letter @ b'A'..=b'Z' => letter - b'A',
                digit @ b'2'..=b'7' => digit - b'2' + 26,
                _ => return Err(bad()),
            };
            bits = bits << 5 | u64::from(value);
        }
        bytes.iter_mut().zip(bits.to_be_bytes().into_iter().skip(3)).for_each(|(to, from)| *to = from);
    }
    Ok(InfoHash(hash))
}

/// `text` with everything but letters, digits and `-._~` as percent codes (RFC 3986).
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(byte.into());
        } else {
            escaped.extend(['%', hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
    }
    escaped
}

fn hex_digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap_or('0').to_ascii_uppercase()
}

/// Undoes percent codes and `+`; what is not UTF-8 afterwards becomes U+FFFD.
fn unescape(text: &str) -> Result<String, usize> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes().enumerate();
    while let Some((at, byte)) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|(_, digit)| char::from(digit).to_digit(16));
                let (high, low) = (digit().ok_or(at)?, digit().ok_or(at)?);
                u8::try_from(high << 4 | low).map_err(|_| at)?
            }
            b'+' => b' ',
            byte => byte,
        });
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_forms_of_hashes_are_read() {
        let hex = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a";
        let base32 = "YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK";
        let link = |hash: &str| Magnet::parse(&format!("magnet:?xt=urn:btih:{hash}&dn=un%20nombre+raro"));
        assert_eq!(link(hex).unwrap(), link(base32).unwrap());
        assert_eq!(link(hex).unwrap().name.as_deref(), Some("un nombre raro"));
        let v2 = format!(
            "magnet:?xt.1=urn:btmh:1220{}&x.pe=10.0.0.1:6881&x.pe=bad&tr=http%3A%2F%2Fa%2F",
            "ab".repeat(32)
        );
        let magnet = Magnet::parse(&v2).unwrap();
        assert_eq!((magnet.peers.len(), magnet.trackers.as_slice()), (1, &["http://a/".to_owned()][..]));
    }

    #[test]
    fn bad_links_say_what_is_wrong() {
        let v2 = format!("magnet:?xt=urn:btmh:1221{}", "a".repeat(64));
        for (link, error) in [
            ("http://x", MagnetError::Scheme),
            ("magnet:?dn=x", MagnetError::NoHash),
            ("magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88", MagnetError::HashV1(39)),
            ("magnet:?xt=urn:btih:1EX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK", MagnetError::HashV1(32)),
            (v2.as_str(), MagnetError::HashV2(68)),
            ("magnet:?dn=%zz", MagnetError::Percent(11)),
        ] {
            assert_eq!(Magnet::parse(link), Err(error), "{link}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(name in proptest::option::of(".{0,20}"), v1: [u8; 20], v2 in proptest::option::of(any::<[u8; 32]>())) {
            let hashes = InfoHashes::from_options(Some(InfoHash(v1)), v2.map(InfoHashV2)).unwrap();
            let magnet = Magnet { hashes, name, trackers: vec!["udp://h:1/a?b=c&d".into()], peers: vec!["[::1]:5".parse().unwrap()] };
            prop_assert_eq!(Magnet::parse(&magnet.to_string()), Ok(magnet));
        }

        #[test]
        fn no_text_makes_it_panic(text in "(magnet:\\?)?.{0,80}") {
            let _ = Magnet::parse(&text);
        }
    }
}
