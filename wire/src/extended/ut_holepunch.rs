//! Two peers that cannot be dialled meet through a third that is connected to both (BEP 55).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::ExtendedError;

/// What the extension is called in the extension handshake.
pub const NAME: &str = "ut_holepunch";

/// Why the one in the middle does not bring two peers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PunchError {
    /// The address is none that can be.
    NoSuchPeer,
    /// It is not connected to that address.
    NotConnected,
    /// That peer does not take part in hole punching.
    NoSupport,
    /// The address is its own.
    NoSelf,
    /// A code we do not know.
    Other(u32),
}

impl PunchError {
    /// The number on the wire.
    pub fn code(self) -> u32 {
        match self {
            Self::NoSuchPeer => 1,
            Self::NotConnected => 2,
            Self::NoSupport => 3,
            Self::NoSelf => 4,
            Self::Other(code) => code,
        }
    }

    /// What that number means.
    pub fn from_code(code: u32) -> Self {
        match code {
            1 => Self::NoSuchPeer,
            2 => Self::NotConnected,
            3 => Self::NoSupport,
            4 => Self::NoSelf,
            code => Self::Other(code),
        }
    }
}

impl fmt::Display for PunchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPeer => f.write_str("no such peer"),
            Self::NotConnected => f.write_str("not connected to it"),
            Self::NoSupport => f.write_str("it does not take part"),
            Self::NoSelf => f.write_str("that is myself"),
            Self::Other(code) => write!(f, "error {code}"),
        }
    }
}

/// One message of the extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UtHolepunch {
    /// To the one in the middle: bring me together with the peer of this address.
    Rendezvous(SocketAddr),
    /// From the one in the middle, to both: dial this address by uTP, now.
    Connect(SocketAddr),
    /// From the one in the middle: it cannot be done.
    Error(SocketAddr, PunchError),
}

impl UtHolepunch {
    /// The payload of the message: 12 bytes, or 24 with an IPv6 address.
    pub fn encode(self) -> Vec<u8> {
        let (kind, address, code) = match self {
            Self::Rendezvous(address) => (0, address, 0),
            Self::Connect(address) => (1, address, 0),
            Self::Error(address, error) => (2, address, error.code()),
        };
        let mut payload = vec![kind, u8::from(address.is_ipv6())];
        match address {
            SocketAddr::V4(address) => payload.extend(address.ip().octets()),
            SocketAddr::V6(address) => payload.extend(address.ip().octets()),
        }
        payload.extend(address.port().to_be_bytes());
        payload.extend(code.to_be_bytes());
        payload
    }

    /// Reads a payload. The error code may be missing where it says nothing, as some programs leave it
    /// out; bytes behind it are not looked at.
    pub fn decode(payload: &[u8]) -> Result<Self, ExtendedError> {
        let bytes = payload.len();
        let short = |expected| ExtendedError::WrongSize { bytes, expected };
        let (&[kind, family], rest) = payload.split_first_chunk().ok_or(short(12))?;
        let (ip, rest) = match family {
            0 => {
                let (ip, rest) = rest.split_first_chunk::<4>().ok_or(short(12))?;
                (Ipv4Addr::from(*ip).into(), rest)
            }
            1 => {
                let (ip, rest) = rest.split_first_chunk::<16>().ok_or(short(24))?;
                (Ipv6Addr::from(*ip).into(), rest)
            }
            _ => return Err(ExtendedError::BadNumber { key: "addr_type", value: i64::from(family) }),
        };
        let expected = if family == 0 { 12 } else { 24 };
        let (port, rest) = rest.split_first_chunk().ok_or(short(expected))?;
        let address = SocketAddr::new(ip, u16::from_be_bytes(*port));
        match kind {
            0 => Ok(Self::Rendezvous(address)),
            1 => Ok(Self::Connect(address)),
            2 => {
                let code = rest.first_chunk().ok_or(short(expected))?;
                Ok(Self::Error(address, PunchError::from_code(u32::from_be_bytes(*code))))
            }
            _ => Err(ExtendedError::BadNumber { key: "msg_type", value: i64::from(kind) }),
        }
    }
}

impl fmt::Display for UtHolepunch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rendezvous(address) => write!(f, "rendezvous with {address}"),
            Self::Connect(address) => write!(f, "connect to {address}"),
            Self::Error(address, error) => write!(f, "no rendezvous with {address}: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_three_messages_are_as_the_bep_writes_them() {
        let v4: SocketAddr = "10.0.0.1:6881".parse().unwrap();
        let v6: SocketAddr = "[2001:db8::1]:80".parse().unwrap();
        let six = b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\x50\0\0\0\0";
        for (message, payload, text) in [
            (
                UtHolepunch::Rendezvous(v4),
                b"\0\0\x0a\0\0\x01\x1a\xe1\0\0\0\0".to_vec(),
                "rendezvous with 10.0.0.1:6881",
            ),
            (UtHolepunch::Connect(v6), [&b"\x01\x01"[..], six].concat(), "connect to [2001:db8::1]:80"),
            (
                UtHolepunch::Error(v4, PunchError::NotConnected),
                b"\x02\0\x0a\0\0\x01\x1a\xe1\0\0\0\x02".to_vec(),
                "no rendezvous with 10.0.0.1:6881: not connected to it",
            ),
        ] {
            assert_eq!(message.encode(), payload);
            assert_eq!(UtHolepunch::decode(&payload), Ok(message));
            assert_eq!(message.to_string(), text);
        }
        assert_eq!(
            UtHolepunch::decode(b"\0\0\x0a\0\0\x01\x1a\xe1"),
            Ok(UtHolepunch::Rendezvous(v4)),
            "as libtorrent writes it"
        );
    }

    #[test]
    fn what_is_too_short_or_of_no_known_kind_is_refused() {
        let short = |bytes, expected| Err(ExtendedError::WrongSize { bytes, expected });
        for (payload, error) in [
            (&b""[..], short(0, 12)),
            (b"\0", short(1, 12)),
            (b"\0\0\x0a\0\0\x01\x1a", short(7, 12)),
            (b"\0\x01\x0a\0\0\x01\x1a\xe1", short(8, 24)),
            (b"\x02\0\x0a\0\0\x01\x1a\xe1\0\0\0", short(11, 12)),
            (b"\0\x02\x0a\0\0\x01\x1a\xe1", Err(ExtendedError::BadNumber { key: "addr_type", value: 2 })),
            (b"\x03\0\x0a\0\0\x01\x1a\xe1", Err(ExtendedError::BadNumber { key: "msg_type", value: 3 })),
        ] {
            assert_eq!(UtHolepunch::decode(payload), error, "{payload:02x?}");
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_it_writes(address: (std::net::IpAddr, u16), kind in 0..3, code: u32) {
            let address = SocketAddr::from(address);
            let message = match kind {
                0 => UtHolepunch::Rendezvous(address),
                1 => UtHolepunch::Connect(address),
                _ => UtHolepunch::Error(address, PunchError::from_code(code)),
            };
            prop_assert_eq!(UtHolepunch::decode(&message.encode()), Ok(message));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
            let _ = UtHolepunch::decode(&bytes);
        }
    }
}
