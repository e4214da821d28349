//! The extension handshake (BEP 10): which extensions a peer takes, and a little about itself.

use std::collections::BTreeMap;
use std::net::IpAddr;

use shared::bencode::{Dict, Limits, Value, decode_prefix, encode_bytes};

use super::ExtendedError;
use super::ut_metadata::MAX_METADATA_SIZE;

/// The most extensions that are remembered of one peer.
pub const MAX_EXTENSIONS: usize = 128;
/// The longest name of an extension or of a program that is remembered, in bytes.
pub const MAX_NAME: usize = 128;

/// What a peer says of itself. Every part may be missing; a part that makes no sense counts as missing,
/// so that one odd value of a foreign program does not cost the rest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExtendedHandshake {
    /// Name of each extension, and the number under which the speaker wants to receive it; 0 switches
    /// it off.
    pub m: BTreeMap<String, u8>,
    /// Name and version of the program: text from a stranger, not fit for a screen as it is.
    pub version: Option<String>,
    /// TCP port where the speaker takes connections; never 0.
    pub port: Option<u16>,
    /// Length of the info dictionary in bytes, 1 to [`MAX_METADATA_SIZE`] (BEP 9).
    pub metadata_size: Option<u32>,
    /// How many requests the speaker holds for us without dropping any; never 0.
    pub reqq: Option<u32>,
    /// Our own address as the speaker sees it.
    pub yourip: Option<IpAddr>,
    /// The speaker wants no data (BEP 21).
    pub upload_only: bool,
}

impl ExtendedHandshake {
    /// The number to send extension `name` under; `None` when the speaker does not take it.
    pub fn id_of(&self, name: &str) -> Option<u8> {
        self.m.get(name).copied().filter(|id| *id != 0)
    }

    /// Takes over what a later handshake of the same peer says: extensions are added or switched off,
    /// the other parts change when they are given.
    pub fn update(&mut self, later: Self) {
        for (name, id) in later.m {
            if self.m.len() < MAX_EXTENSIONS || self.m.contains_key(&name) {
                self.m.insert(name, id);
            }
        }
        self.version = later.version.or(self.version.take());
        self.port = later.port.or(self.port);
        self.metadata_size = later.metadata_size.or(self.metadata_size);
        self.reqq = later.reqq.or(self.reqq);
        self.yourip = later.yourip.or(self.yourip);
        self.upload_only = later.upload_only;
    }

    /// The payload of the message.
    pub fn encode(&self) -> Vec<u8> {
        let m = self.m.iter().fold(Dict::default(), |m, (name, id)| m.int(name, i64::from(*id)));
        let mut dict = Dict::default().raw(b"m", m.encode());
        for (key, number) in [
            ("metadata_size", self.metadata_size),
            ("p", self.port.map(u32::from)),
            ("reqq", self.reqq),
            // Said either way: a later handshake may take it back.
            ("upload_only", Some(u32::from(self.upload_only))),
        ] {
            if let Some(number) = number {
                dict = dict.int(key, i64::from(number));
            }
        }
        if let Some(version) = &self.version {
            dict = dict.bytes("v", version);
        }
        match self.yourip {
            Some(IpAddr::V4(ip)) => dict = dict.raw(b"yourip", encode_bytes(&ip.octets())),
            Some(IpAddr::V6(ip)) => dict = dict.raw(b"yourip", encode_bytes(&ip.octets())),
            None => {}
        }
        dict.encode()
    }

    /// Reads a payload. Only what is no bencoded dictionary at all is refused; bytes behind it are not
    /// looked at.
    pub fn decode(payload: &[u8]) -> Result<Self, ExtendedError> {
        let dict = decode_prefix(payload, Limits::MESSAGE)?.value;
        if dict.as_dict().is_none() {
            return Err(ExtendedError::NotDictionary);
        }
        let number = |key| dict.get(key).and_then(Value::as_int);
        let positive =
            |key| number(key).and_then(|value| u32::try_from(value).ok()).filter(|value| *value > 0);
        Ok(Self {
            m: dict.get("m").and_then(Value::as_dict).map(extensions).unwrap_or_default(),
            version: dict.get("v").and_then(Value::as_bytes).map(program),
            port: number("p").and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0),
            metadata_size: positive("metadata_size").filter(|size| *size <= MAX_METADATA_SIZE),
            reqq: positive("reqq"),
            yourip: dict.get("yourip").and_then(Value::as_bytes).and_then(address),
            upload_only: number("upload_only").is_some_and(|value| value != 0),
        })
    }
}

/// The extensions whose names can be names; a number that no message can carry switches off.
fn extensions(entries: &[(&[u8], Value<'_>)]) -> BTreeMap<String, u8> {
    let named = entries.iter().filter_map(|(name, id)| {
        let name = std::str::from_utf8(name).ok().filter(|name| name.len() <= MAX_NAME)?;
        let id = id.as_int().and_then(|id| u8::try_from(id).ok()).unwrap_or(0);
        Some((name.to_owned(), id))
    });
    named.take(MAX_EXTENSIONS).collect()
}

/// The program's name, cut to what is remembered.
fn program(bytes: &[u8]) -> String {
    let mut name = String::from_utf8_lossy(bytes.get(..MAX_NAME).unwrap_or(bytes)).into_owned();
    // What was not UTF-8 has grown.
    while name.len() > MAX_NAME {
        name.pop();
    }
    name
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shared::bencode::DecodeError;

    #[test]
    fn what_libtorrent_says_is_understood() {
        let payload = b"d12:complete_agoi-1e1:md11:lt_donthavei7e10:share_modei8e11:upload_onlyi3e\
            12:ut_holepunchi4e11:ut_metadatai2e6:ut_pexi1ee13:metadata_sizei912e4:reqqi2000e\
            11:upload_onlyi1e1:v16:libtorrent/2.0.96:yourip4:\x7f\x00\x00\x01e";
        let read = ExtendedHandshake::decode(payload).unwrap();
        assert_eq!(read.id_of("ut_metadata"), Some(2));
        assert_eq!(read.m.len(), 6);
        assert_eq!(read.version.as_deref(), Some("libtorrent/2.0.9"));
        assert_eq!((read.metadata_size, read.reqq, read.port), (Some(912), Some(2000), None));
        assert_eq!(read.yourip, Some(IpAddr::from([127, 0, 0, 1])));
        assert!(read.upload_only);
    }

    #[test]
    fn p26_what_is_no_dictionary_is_an_error() {
        for payload in [&b""[..], b"x", b"d1:m", b"d1:ml1:ae"] {
            assert!(matches!(ExtendedHandshake::decode(payload), Err(ExtendedError::Bencode(_))));
        }
        assert_eq!(ExtendedHandshake::decode(b"i1e"), Err(ExtendedError::NotDictionary));
        let bomb = [&b"d1:m"[..], &b"l".repeat(100_000)].concat();
        let error = ExtendedHandshake::decode(&bomb);
        assert!(matches!(error, Err(ExtendedError::Bencode(DecodeError::TooDeep { .. }))));
        assert_eq!(ExtendedHandshake::decode(b"de").unwrap(), ExtendedHandshake::default());
    }

    #[test]
    fn p27_numbers_that_no_message_can_carry_switch_that_extension_off() {
        let payload = b"d1:md1:ai0e1:bi256e1:ci-1e1:d1:x1:ei255eee";
        let read = ExtendedHandshake::decode(payload).unwrap();
        assert_eq!(
            ["a", "b", "c", "d", "e"].map(|name| read.id_of(name)),
            [None, None, None, None, Some(255)]
        );
    }

    #[test]
    fn p28_sizes_and_ports_that_cannot_be_count_as_missing() {
        for size in [-1, 0, i64::from(MAX_METADATA_SIZE) + 1, 1 << 40, i64::MAX] {
            let payload = Dict::default().int("metadata_size", size).int("reqq", 250).encode();
            let read = ExtendedHandshake::decode(&payload).unwrap();
            assert_eq!((read.metadata_size, read.reqq), (None, Some(250)), "{size}");
        }
        for port in [-1, 0, 65_536] {
            let payload = Dict::default().int("p", port).encode();
            assert_eq!(ExtendedHandshake::decode(&payload).unwrap().port, None, "{port}");
        }
        let odd = b"d1:mi1e1:pi6881e1:vi3e6:yourip5:abcdee";
        let read = ExtendedHandshake::decode(odd).unwrap();
        assert_eq!(read, ExtendedHandshake { port: Some(6881), ..ExtendedHandshake::default() });
    }

    #[test]
    fn what_is_remembered_of_a_peer_is_bounded() {
        let many =
            (0..1000).fold(Dict::default(), |m, at| m.int(&format!("x{at}"), 1)).int(&"y".repeat(200), 1);
        let payload = Dict::default().raw(b"m", many.encode()).bytes("v", "é".repeat(5000)).encode();
        let mut read = ExtendedHandshake::decode(&payload).unwrap();
        assert_eq!(read.m.len(), MAX_EXTENSIONS);
        assert!(read.m.keys().all(|name| name.len() <= MAX_NAME));
        assert_eq!(read.version.as_ref().map(String::len), Some(MAX_NAME));
        let m = (0..100).map(|at| (format!("z{at}"), 1)).collect();
        read.update(ExtendedHandshake { m, ..ExtendedHandshake::default() });
        assert_eq!(read.m.len(), MAX_EXTENSIONS, "later handshakes add up to no more");
        let invalid = Dict::default().bytes("v", [0xff; 500]).encode();
        let version = ExtendedHandshake::decode(&invalid).unwrap().version.unwrap();
        assert!(version.len() <= MAX_NAME && !version.is_empty());
    }

    #[test]
    fn a_later_handshake_adds_and_switches_off() {
        let said = |m: &[(&str, u8)], metadata_size| ExtendedHandshake {
            m: m.iter().map(|(name, id)| ((*name).to_owned(), *id)).collect(),
            metadata_size,
            ..ExtendedHandshake::default()
        };
        let mut known = said(&[("ut_pex", 1), ("ut_metadata", 2)], Some(5));
        known.update(said(&[("ut_pex", 0), ("ut_holepunch", 4)], None));
        assert_eq!((known.id_of("ut_pex"), known.id_of("ut_metadata")), (None, Some(2)));
        assert_eq!((known.id_of("ut_holepunch"), known.metadata_size), (Some(4), Some(5)));
    }

    proptest! {
        #[test]
        fn reads_back_what_it_writes(
            m in proptest::collection::btree_map(".{0,10}", any::<u8>(), 0..8),
            version in proptest::option::of(".{0,20}"),
            port in proptest::option::of(1_u16..),
            metadata_size in proptest::option::of(1..=MAX_METADATA_SIZE),
            reqq in proptest::option::of(1_u32..),
            yourip in proptest::option::of(any::<IpAddr>()),
            upload_only: bool,
        ) {
            let said = ExtendedHandshake { m, version, port, metadata_size, reqq, yourip, upload_only };
            prop_assert_eq!(ExtendedHandshake::decode(&said.encode()), Ok(said));
        }
    }
}
