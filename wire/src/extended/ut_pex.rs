//! Peers tell each other which peers they have met (BEP 11).
//!
//! Addresses come as they were written: whether they can be believed is for the reader of the message.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use shared::bencode::{Dict, Limits, Value, decode_prefix};

use super::ExtendedError;

/// What the extension is called in the extension handshake.
pub const NAME: &str = "ut_pex";
/// The most addresses that are read from one list; what follows them is not looked at. The BEP allows
/// 50 in all, some programs send more in their first message.
pub const MAX_LISTED: usize = 100;

const LENGTH_V4: usize = 6;
const LENGTH_V6: usize = 18;

/// What is told about a peer that was met. Unknown bits are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct PexFlags(pub u8);

impl PexFlags {
    /// It prefers encrypted connections.
    pub const ENCRYPTION: Self = Self(0x01);
    /// It is a seed, or wants no data.
    pub const SEED: Self = Self(0x02);
    /// It speaks uTP (BEP 29).
    pub const UTP: Self = Self(0x04);
    /// It takes part in hole punching (BEP 55).
    pub const HOLEPUNCH: Self = Self(0x08);
    /// The teller has dialled it, so it can be reached.
    pub const REACHABLE: Self = Self(0x10);

    /// Whether all bits of `flags` are set.
    pub fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// The same with the bits of `flags` set, when `set`.
    #[must_use]
    pub fn with(self, flags: Self, set: bool) -> Self {
        if set { Self(self.0 | flags.0) } else { self }
    }
}

/// A peer that the teller is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Met {
    /// Where it listens.
    pub address: SocketAddr,
    /// What is known about it; no bit is set when the teller says nothing.
    pub flags: PexFlags,
}

/// The one message of the extension: what changed since the last one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UtPex {
    /// Peers that the teller has met.
    pub added: Vec<Met>,
    /// Peers that it is not connected to any more.
    pub dropped: Vec<SocketAddr>,
}

impl UtPex {
    /// The payload of the message.
    pub fn encode(&self) -> Vec<u8> {
        let (mut v4, mut v4_flags, mut v6, mut v6_flags) = Default::default();
        for met in &self.added {
            let flags = if met.address.is_ipv4() { &mut v4_flags } else { &mut v6_flags };
            Vec::push(flags, met.flags.0);
            put(met.address, &mut v4, &mut v6);
        }
        let (mut dropped_v4, mut dropped_v6) = Default::default();
        for address in &self.dropped {
            put(*address, &mut dropped_v4, &mut dropped_v6);
        }
        Dict::default()
            .bytes("added", v4)
            .bytes("added.f", v4_flags)
            .bytes("added6", v6)
            .bytes("added6.f", v6_flags)
            .bytes("dropped", dropped_v4)
            .bytes("dropped6", dropped_v6)
            .encode()
    }

    /// Reads a payload. A list that is missing is empty; flags that do not fit their list are ignored.
    pub fn decode(payload: &[u8]) -> Result<Self, ExtendedError> {
        let dict = decode_prefix(payload, Limits::MESSAGE)?.value;
        if dict.as_dict().is_none() {
            return Err(ExtendedError::NotDictionary);
        }
        let mut added = Vec::new();
        for (key, flags_key, length) in [("added", "added.f", LENGTH_V4), ("added6", "added6.f", LENGTH_V6)] {
            let list = list(&dict, key, length)?;
            let flags = dict.get(flags_key).and_then(Value::as_bytes).unwrap_or_default();
            let flags = if flags.len() == list.len() / length { flags } else { &[] };
            let flags = flags.iter().copied().map(PexFlags).chain(std::iter::repeat(PexFlags::default()));
            added.extend(addresses(list, length).zip(flags).map(|(address, flags)| Met { address, flags }));
        }
        let mut dropped = Vec::new();
        for (key, length) in [("dropped", LENGTH_V4), ("dropped6", LENGTH_V6)] {
            dropped.extend(addresses(list(&dict, key, length)?, length));
        }
        Ok(Self { added, dropped })
    }
}

fn put(address: SocketAddr, v4: &mut Vec<u8>, v6: &mut Vec<u8>) {
    let list = match address {
        SocketAddr::V4(address) => {
            v4.extend(address.ip().octets());
            v4
        }
        SocketAddr::V6(address) => {
            v6.extend(address.ip().octets());
            v6
        }
    };
    list.extend(address.port().to_be_bytes());
}

fn list<'a>(dict: &Value<'a>, key: &'static str, length: usize) -> Result<&'a [u8], ExtendedError> {
    let Some(value) = dict.get(key) else { return Ok(&[]) };
    let list = value.as_bytes().ok_or(ExtendedError::Missing { key })?;
    if !list.len().is_multiple_of(length) {
        return Err(ExtendedError::BrokenList { key, bytes: list.len(), each: length });
    }
    Ok(list)
}

fn addresses(list: &[u8], length: usize) -> impl Iterator<Item = SocketAddr> {
    list.chunks_exact(length).take(MAX_LISTED).filter_map(|entry| {
        let (ip, port) = entry.split_last_chunk()?;
        let port = u16::from_be_bytes(*port);
        let v4 = <[u8; 4]>::try_from(ip).map(|ip| SocketAddr::from((Ipv4Addr::from(ip), port)));
        v4.or_else(|_| <[u8; 16]>::try_from(ip).map(|ip| SocketAddr::from((Ipv6Addr::from(ip), port)))).ok()
    })
}

impl fmt::Display for UtPex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peers met: {} added, {} dropped", self.added.len(), self.dropped.len())?;
        for (sign, address) in self
            .added
            .iter()
            .map(|met| ('+', met.address))
            .chain(self.dropped.iter().map(|address| ('-', *address)))
            .take(6)
        {
            write!(f, " {sign}{address}")?;
        }
        if self.added.len() + self.dropped.len() > 6 { f.write_str(" …") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_message_is_as_the_bep_writes_it() {
        let payload = b"d5:added12:\x0a\x00\x00\x01\x1a\xe1\x0a\x00\x00\x02\x00\x507:added.f2:\x12\x00\
            6:added618:\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x1a\xe18:added6.f1:\x0c\
            7:dropped6:\x0a\x00\x00\x03\x1a\xe18:dropped60:e";
        let message = UtPex::decode(payload).unwrap();
        let flags = PexFlags::SEED.with(PexFlags::REACHABLE, true);
        assert_eq!(message.added[0], Met { address: address("10.0.0.1:6881"), flags });
        assert_eq!(message.added[1], Met { address: address("10.0.0.2:80"), flags: PexFlags(0) });
        assert_eq!(message.added[2].address, address("[2001:db8::1]:6881"));
        assert!(message.added[2].flags.has(PexFlags::HOLEPUNCH) && !message.added[2].flags.has(flags));
        assert_eq!(message.dropped, [address("10.0.0.3:6881")]);
        assert_eq!(message.encode(), payload);
        assert_eq!(
            message.to_string(),
            "peers met: 3 added, 1 dropped +10.0.0.1:6881 +10.0.0.2:80 +[2001:db8::1]:6881 -10.0.0.3:6881"
        );
    }

    #[test]
    fn what_is_no_list_of_addresses_is_refused() {
        let broken = |key, bytes, each| Err(ExtendedError::BrokenList { key, bytes, each });
        for (payload, error) in [
            (&b"le"[..], Err(ExtendedError::NotDictionary)),
            (b"d5:addedi5ee", Err(ExtendedError::Missing { key: "added" })),
            (b"d5:added5:abcdee", broken("added", 5, 6)),
            (b"d6:added67:abcdefge", broken("added6", 7, 18)),
            (b"d7:dropped1:xe", broken("dropped", 1, 6)),
            (b"d8:dropped66:abcdefe", broken("dropped6", 6, 18)),
        ] {
            assert_eq!(UtPex::decode(payload), error, "{}", String::from_utf8_lossy(payload));
        }
        assert!(matches!(UtPex::decode(b"d5:added"), Err(ExtendedError::Bencode(_))));
        assert_eq!(UtPex::decode(b"de"), Ok(UtPex::default()), "nothing changed");
    }

    #[test]
    fn flags_that_do_not_fit_their_list_say_nothing() {
        for payload in [
            &b"d5:added6:\x0a\x00\x00\x01\x1a\xe17:added.f2:\xff\xffe"[..],
            b"d5:added6:\x0a\x00\x00\x01\x1a\xe17:added.fi255ee",
            b"d5:added6:\x0a\x00\x00\x01\x1a\xe1e",
        ] {
            let message = UtPex::decode(payload).unwrap();
            assert_eq!(message.added, [Met { address: address("10.0.0.1:6881"), flags: PexFlags(0) }]);
        }
    }

    #[test]
    fn a_list_without_end_is_cut() {
        let payload = Dict::default().bytes("added", vec![7; 6 * 10_000]).bytes("dropped", vec![7; 60_000]);
        let message = UtPex::decode(&payload.encode()).unwrap();
        assert_eq!((message.added.len(), message.dropped.len()), (MAX_LISTED, MAX_LISTED));
        assert!(message.to_string().len() < 300);
    }

    proptest! {
        #[test]
        fn reads_back_what_it_writes(
            v4 in proptest::collection::vec(any::<(Ipv4Addr, u16, u8)>(), 0..60),
            v6 in proptest::collection::vec(any::<(Ipv6Addr, u16, u8)>(), 0..60),
        ) {
            let v4 = v4.into_iter().map(|(ip, port, flags)| (SocketAddr::from((ip, port)), flags));
            let v6 = v6.into_iter().map(|(ip, port, flags)| (SocketAddr::from((ip, port)), flags));
            let added = v4.chain(v6).map(|(address, flags)| Met { address, flags: PexFlags(flags) });
            let added: Vec<_> = added.collect();
            let dropped = added.iter().map(|met| met.address).collect();
            let message = UtPex { added, dropped };
            prop_assert_eq!(UtPex::decode(&message.encode()), Ok(message));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = UtPex::decode(&bytes);
            let _ = UtPex::decode(&[&b"d5:added"[..], &bytes].concat());
        }
    }
}
