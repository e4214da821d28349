//! The 68 bytes that open every connection (BEP 3), with their reserved bits.

use shared::{InfoHash, PeerId};

use crate::violation::Violation;

/// Length of a handshake, in bytes.
pub const HANDSHAKE_LENGTH: usize = 68;

const PROTOCOL: &[u8; 20] = b"\x13BitTorrent protocol";

/// The eight reserved bytes: what a peer can do beyond BEP 3. Unknown bits are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reserved(pub [u8; 8]);

macro_rules! reserved_bit {
    ($(#[$doc:meta])* $get:ident, $with:ident, $byte:literal, $bit:literal) => {
        $(#[$doc])*
        pub fn $get(self) -> bool {
            self.0[$byte] & $bit != 0
        }
        /// The same, switched on.
        #[must_use]
        pub fn $with(mut self) -> Self {
            self.0[$byte] |= $bit;
            self
        }
    };
}

impl Reserved {
    reserved_bit!(
        /// Speaks the extension protocol (BEP 10).
        extended, with_extended, 5, 0x10
    );
    reserved_bit!(
        /// Runs a DHT node (BEP 5).
        dht, with_dht, 7, 0x01
    );
    reserved_bit!(
        /// Speaks the fast extension (BEP 6).
        fast, with_fast, 7, 0x04
    );
    reserved_bit!(
        /// Understands v2 torrents and answers hash requests (BEP 52).
        v2, with_v2, 7, 0x10
    );
}

/// What each side says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handshake {
    /// What the peer can do beyond BEP 3.
    pub reserved: Reserved,
    /// The torrent, by its v1 or truncated v2 hash.
    pub hash: InfoHash,
    /// Who speaks.
    pub peer_id: PeerId,
}

impl Handshake {
    /// The bytes on the wire.
    pub fn encode(&self) -> [u8; HANDSHAKE_LENGTH] {
        let mut bytes = [0; HANDSHAKE_LENGTH];
        let parts = PROTOCOL.iter().chain(&self.reserved.0).chain(&self.hash.0).chain(&self.peer_id.0);
        bytes.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
        bytes
    }

    /// Reads a handshake; only the protocol's name can be wrong.
    pub fn decode(bytes: &[u8; HANDSHAKE_LENGTH]) -> Result<Self, Violation> {
        let (protocol, rest) = bytes.split_first_chunk::<20>().ok_or(Violation::NotBitTorrent)?;
        let (reserved, rest) = rest.split_first_chunk::<8>().ok_or(Violation::NotBitTorrent)?;
        let (hash, rest) = rest.split_first_chunk::<20>().ok_or(Violation::NotBitTorrent)?;
        let (peer_id, _) = rest.split_first_chunk::<20>().ok_or(Violation::NotBitTorrent)?;
        if protocol != PROTOCOL {
            return Err(Violation::NotBitTorrent);
        }
        Ok(Self { reserved: Reserved(*reserved), hash: InfoHash(*hash), peer_id: PeerId(*peer_id) })
    }

    /// Whether bytes that have arrived so far can still become a handshake: a connection that starts
    /// with anything else is closed without waiting for all 68.
    pub fn may_begin(bytes: &[u8]) -> bool {
        PROTOCOL.iter().zip(bytes).all(|(expected, got)| expected == got)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        let handshake = Handshake {
            reserved: Reserved::default().with_extended().with_fast().with_v2(),
            hash: InfoHash([7; 20]),
            peer_id: PeerId(*b"-EN0100-abcdefghijkl"),
        };
        let bytes = handshake.encode();
        assert_eq!(&bytes[..28], b"\x13BitTorrent protocol\0\0\0\0\0\x10\0\x14");
        let read = Handshake::decode(&bytes).unwrap();
        assert_eq!(read, handshake);
        assert!(
            read.reserved.extended() && read.reserved.fast() && read.reserved.v2() && !read.reserved.dht()
        );
    }

    #[test]
    fn p01_nineteen_wrong_bytes_are_known_at_once() {
        let mut bytes = [0; HANDSHAKE_LENGTH];
        bytes[0] = 0x13;
        assert_eq!(Handshake::decode(&bytes), Err(Violation::NotBitTorrent));
        assert!(!Handshake::may_begin(b"GET /"));
        assert!(Handshake::may_begin(b"\x13Bit") && Handshake::may_begin(b""));
    }
}
