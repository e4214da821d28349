//! The query of an announce (BEP 3, 7, 23).

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use shared::PeerId;
use shared::announce::{Announce, Event};

use super::pairs::{Pair, QueryError, escape, info_hash, one, split, twenty};
use super::reply::MAX_TRACKER_ID;

/// How the client wants to be told of peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeersForm {
    /// Six or eighteen bytes each (`compact=1`, and when it says nothing: BEP 23).
    #[default]
    Compact,
    /// A dictionary each, with the peer's id (`compact=0`).
    Dictionaries,
    /// A dictionary each without the id (`compact=0&no_peer_id=1`).
    DictionariesWithoutIds,
}

/// All that an announce says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnnounceQuery {
    /// What counts at every door.
    pub announce: Announce,
    /// Addresses that it tells of itself (`ip`, `ipv4`, `ipv6`): a claim, at most three.
    pub told: Vec<IpAddr>,
    /// In which form it wants peers.
    pub form: PeersForm,
    /// What the tracker said to be told again, at most [`MAX_TRACKER_ID`] bytes.
    pub tracker_id: Option<Vec<u8>>,
}

impl AnnounceQuery {
    /// A plain announce, as a client of ours writes it.
    pub fn new(announce: Announce) -> Self {
        Self { announce, told: Vec::new(), form: PeersForm::Compact, tracker_id: None }
    }

    /// Reads what stands behind the `?`, in any order. Keys that nobody knows are ignored; a known key
    /// that comes twice is refused.
    pub fn parse(query: &[u8]) -> Result<Self, QueryError> {
        let pairs = split(query)?;
        let need = |key| one(&pairs, key)?.ok_or(QueryError::Missing { key });
        let event = match one(&pairs, "event")? {
            None => Event::Interval,
            Some(word) => {
                let word = std::str::from_utf8(&word).ok().and_then(|word| word.parse().ok());
                word.ok_or(QueryError::Event)?
            }
        };
        let asked: Option<i64> = number(&pairs, "numwant")?;
        // No client knows a length of 2^63 - 1 or less than nothing: both are said for "not known yet".
        let left = number::<i128>(&pairs, "left")?.and_then(|left| u64::try_from(left).ok());
        let count = |key| Ok(number::<u64>(&pairs, key)?.unwrap_or(0));
        let announce = Announce {
            hash: info_hash(&need("info_hash")?)?,
            peer_id: PeerId(twenty(&need("peer_id")?, "peer_id")?),
            port: number(&pairs, "port")?.ok_or(QueryError::Missing { key: "port" })?,
            uploaded: count("uploaded")?,
            downloaded: count("downloaded")?,
            left: left.filter(|left| i64::try_from(*left).is_ok_and(|left| left != i64::MAX)),
            event,
            wanted: Announce::wanted(asked, event),
            key: one(&pairs, "key")?.filter(|key| !key.is_empty()).map(|key| key_number(&key)),
        };
        let mut told = Vec::new();
        for key in ["ip", "ipv4", "ipv6"] {
            told.extend(one(&pairs, key)?.as_deref().and_then(address));
        }
        let on = |key| Ok::<bool, QueryError>(one(&pairs, key)?.is_some_and(|value| *value == *b"1"));
        let form = match (one(&pairs, "compact")?.as_deref(), on("no_peer_id")?) {
            (Some(b"0"), true) => PeersForm::DictionariesWithoutIds,
            (Some(b"0"), false) => PeersForm::Dictionaries,
            _ => PeersForm::Compact,
        };
        let tracker_id =
            one(&pairs, "trackerid")?.filter(|id| id.len() <= MAX_TRACKER_ID).map(Cow::into_owned);
        Ok(Self { announce, told, form, tracker_id })
    }

    /// The query as a client sends it behind the `?`.
    pub fn encode(&self) -> String {
        let announce = &self.announce;
        let mut query = format!(
            "info_hash={}&peer_id={}&port={}&uploaded={}&downloaded={}&left={}",
            escape(&announce.hash.0),
            escape(&announce.peer_id.0),
            announce.port,
            announce.uploaded,
            announce.downloaded,
            announce.left.unwrap_or(i64::MAX.unsigned_abs()),
        );
        let (compact, without) = match self.form {
            PeersForm::Compact => (1, true),
            PeersForm::Dictionaries => (0, false),
            PeersForm::DictionariesWithoutIds => (0, true),
        };
        let _ = write!(query, "&compact={compact}");
        if without {
            query.push_str("&no_peer_id=1");
        }
        if announce.event != Event::Interval {
            let _ = write!(query, "&event={}", announce.event);
        }
        let _ = write!(query, "&numwant={}", announce.wanted);
        if let Some(key) = announce.key {
            let _ = write!(query, "&key={key:08X}");
        }
        for ip in &self.told {
            let key = if ip.is_ipv4() { "ipv4" } else { "ipv6" };
            let _ = write!(query, "&{key}={}", escape(ip.to_string().as_bytes()));
        }
        if let Some(id) = &self.tracker_id {
            let _ = write!(query, "&trackerid={}", escape(id));
        }
        query
    }
}

fn number<T: FromStr>(pairs: &[Pair<'_>], key: &'static str) -> Result<Option<T>, QueryError> {
    let Some(value) = one(pairs, key)?.filter(|value| !value.is_empty()) else { return Ok(None) };
    // The reader of numbers would take a `+`, which no client writes.
    let text = std::str::from_utf8(&value).ok().filter(|text| !text.starts_with('+'));
    text.and_then(|text| text.parse().ok()).map(Some).ok_or(QueryError::Number { key })
}

/// The number of a key: eight hexadecimal digits as most clients write it, or any other bytes folded
/// (FNV-1a), so that the same bytes are the same number.
fn key_number(key: &[u8]) -> u32 {
    let text = std::str::from_utf8(key).ok().filter(|text| text.len() <= 8 && !text.starts_with('+'));
    text.and_then(|text| u32::from_str_radix(text, 16).ok()).unwrap_or_else(|| {
        key.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
    })
}

/// An address, also with a port behind it (BEP 7); a name is no address.
fn address(value: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.len() <= 64)?;
    let ip = text.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    let ip = ip.ok()?.to_canonical();
    (ip != IpAddr::V4(Ipv4Addr::UNSPECIFIED) && ip != IpAddr::V6(Ipv6Addr::UNSPECIFIED)).then_some(ip)
}
