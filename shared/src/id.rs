//! Who and what: info hashes of both versions and peer ids.

use std::fmt;
use std::str::FromStr;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use thiserror::Error;

/// A hexadecimal id that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{what} needs {expected} hexadecimal digits, got {length} characters")]
pub struct HexError {
    /// What was being read, such as "an info hash".
    pub what: &'static str,
    /// How many digits it has.
    pub expected: usize,
    /// How many characters came.
    pub length: usize,
}

fn from_hex<const N: usize>(text: &str, what: &'static str) -> Result<[u8; N], HexError> {
    let error = || HexError { what, expected: 2 * N, length: text.chars().count() };
    if text.len() != 2 * N {
        return Err(error());
    }
    let mut bytes = [0; N];
    // A tracker that starts reads millions of them: one look for a digit, and one at the end whether all were.
    let mut wrong = 0;
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let (high, low) = (digit(*high), digit(*low));
        wrong |= high | low;
        *byte = high << 4 | low & 0x0f;
    }
    if wrong > 0x0f { Err(error()) } else { Ok(bytes) }
}

/// The value of a hexadecimal digit in either case; above 15 for anything else.
fn digit(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        _ => u8::MAX,
    }
}

/// The digits of `bytes`, of which there are half as many as places in `digits`.
fn write_hex<'a>(bytes: &[u8], digits: &'a mut [u8]) -> &'a str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let (pairs, _) = digits.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [byte >> 4, byte & 0x0f].map(|digit| DIGITS.get(usize::from(digit)).copied().unwrap_or(b'?'));
    }
    str::from_utf8(digits).unwrap_or_default()
}

/// Reads an id where it stands: a copy of each would be a good part of a tracker's start.
struct Hex<const N: usize>(&'static str);

impl<const N: usize> Visitor<'_> for Hex<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} hexadecimal digits", self.0, 2 * N)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
        from_hex(text, self.0).map_err(E::custom)
    }
}

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $length:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $length]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(write_hex(&self.0, &mut [0; 2 * $length]))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
        impl FromStr for $name {
            type Err = HexError;
            fn from_str(text: &str) -> Result<Self, HexError> {
                from_hex(text, $what).map(Self)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(write_hex(&self.0, &mut [0; 2 * $length]))
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Hex($what)).map(Self)
            }
        }
    };
}

hex_id!(
    /// Twenty bytes that name a torrent on the wire: the SHA-1 of its `info` (BEP 3) or the first
    /// twenty bytes of its [`InfoHashV2`] (BEP 52). Shown and read as 40 hexadecimal digits.
    InfoHash,
    20,
    "an info hash"
);
hex_id!(
    /// The SHA-256 of the `info` dictionary (BEP 52). Shown and read as 64 hexadecimal digits.
    InfoHashV2,
    32,
    "a v2 info hash"
);
hex_id!(
    /// Twenty bytes that name one peer (BEP 3, BEP 20); ours stay the same across restarts.
    PeerId,
    20,
    "a peer id"
);

impl InfoHashV2 {
    /// The first twenty bytes, which stand for the hash in handshakes and announces (BEP 52).
    pub fn truncated(&self) -> InfoHash {
        let mut short = [0; 20];
        short.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        InfoHash(short)
    }
}

/// Both names of one torrent. At least one is there: the fields are private so that it stays so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InfoHashes {
    v1: Option<InfoHash>,
    v2: Option<InfoHashV2>,
}

impl InfoHashes {
    /// A torrent as BEP 3 knows it.
    pub fn v1(hash: InfoHash) -> Self {
        Self { v1: Some(hash), v2: None }
    }

    /// A torrent as only BEP 52 knows it.
    pub fn v2(hash: InfoHashV2) -> Self {
        Self { v1: None, v2: Some(hash) }
    }

    /// A torrent that both kinds of clients can join.
    pub fn hybrid(v1: InfoHash, v2: InfoHashV2) -> Self {
        Self { v1: Some(v1), v2: Some(v2) }
    }

    /// From what a message or a file gave; `None` when it gave neither.
    pub fn from_options(v1: Option<InfoHash>, v2: Option<InfoHashV2>) -> Option<Self> {
        (v1.is_some() || v2.is_some()).then_some(Self { v1, v2 })
    }

    /// Whether these are names of the info dictionary with these bytes: every hash that is known is its
    /// hash.
    pub fn name(&self, info: &[u8]) -> bool {
        let v1 = self.v1.is_none_or(|hash| hash.0 == <[u8; 20]>::from(Sha1::digest(info)));
        let v2 = self.v2.is_none_or(|hash| hash.0 == <[u8; 32]>::from(Sha256::digest(info)));
        v1 && v2
    }

    /// The v1 hash, where there is one.
    pub fn get_v1(&self) -> Option<InfoHash> {
        self.v1
    }

    /// The whole v2 hash, where there is one.
    pub fn get_v2(&self) -> Option<InfoHashV2> {
        self.v2
    }

    /// The one that names the torrent in maps, folders and first handshakes: v1 where there is one.
    pub fn primary(&self) -> InfoHash {
        match (self.v1, self.v2) {
            (Some(v1), _) => v1,
            (None, Some(v2)) => v2.truncated(),
            (None, None) => InfoHash([0; 20]),
        }
    }

    /// Whether twenty bytes from a handshake or an announce mean this torrent.
    pub fn matches(&self, hash: &InfoHash) -> bool {
        self.v1.as_ref() == Some(hash) || self.v2.is_some_and(|v2| v2.truncated() == *hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_reads_back_in_either_case_and_refuses_the_rest() {
        let hash: InfoHash = "00112233445566778899AABBCCDDEEFF00112233".parse().unwrap();
        assert_eq!(hash.to_string(), "00112233445566778899aabbccddeeff00112233");
        for bad in
            ["", "00", "zz112233445566778899aabbccddeeff00112233", "é0112233445566778899aabbccddeeff0011223"]
        {
            assert!(bad.parse::<InfoHash>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_hybrid_answers_to_both_names() {
        let v1 = InfoHash([1; 20]);
        let v2 = InfoHashV2([2; 32]);
        let both = InfoHashes::hybrid(v1, v2);
        assert!(both.matches(&v1) && both.matches(&InfoHash([2; 20])) && !both.matches(&InfoHash([3; 20])));
        assert_eq!(both.primary(), v1);
        assert_eq!(InfoHashes::v2(v2).primary(), InfoHash([2; 20]));
        assert_eq!(InfoHashes::from_options(None, None), None);
    }
}
