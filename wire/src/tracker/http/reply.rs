//! The answer to an announce: bencode, as dictionaries or compact (BEP 3, 7, 23, 24, 31).

use std::net::{IpAddr, SocketAddr};

use shared::PeerId;
use shared::announce::AnnounceReply;
use shared::bencode::{DecodeError, Dict, Limits, List, Value, decode};
use thiserror::Error;

use super::announce::PeersForm;
use crate::tracker::compact::{self, Family, MAX_ADDRESSES};

/// The longest sentence of a tracker that is kept, in bytes.
pub const MAX_TEXT: usize = 1_024;
/// The longest tracker id that is kept, in bytes.
pub const MAX_TRACKER_ID: usize = 256;
/// What a tracker means that names no interval, in seconds.
pub const DEFAULT_INTERVAL: u32 = 1_800;

/// When a refused client may come again (BEP 31).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// After so many minutes.
    Minutes(u32),
    /// Not with this torrent.
    Never,
}

/// A refusal in one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Why: at most [`MAX_TEXT`] bytes; text from a stranger when it was read.
    pub reason: String,
    /// When to come again, if the tracker says it.
    pub retry: Option<Retry>,
}

impl Failure {
    /// The answer's body.
    pub fn encode(&self) -> Vec<u8> {
        let dict = Dict::default().bytes("failure reason", &self.reason);
        match self.retry {
            None => dict,
            Some(Retry::Never) => dict.bytes("retry in", "never"),
            Some(Retry::Minutes(minutes)) => dict.int("retry in", i64::from(minutes)),
        }
        .encode()
    }

    /// The refusal in a dictionary, if there is one.
    pub(super) fn of(dict: &Value<'_>) -> Option<Self> {
        let reason = text(dict.get("failure reason")?)?;
        let retry = dict.get("retry in").and_then(|retry| match (retry.as_int(), retry.as_bytes()) {
            (_, Some(b"never")) => Some(Retry::Never),
            (Some(minutes), _) => u32::try_from(minutes).ok().map(Retry::Minutes),
            _ => None,
        });
        Some(Self { reason, retry })
    }
}

/// Why an answer gives no peers.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReplyError {
    /// A web page, or anything else.
    #[error("the answer is not bencode: {0}")]
    Bencode(#[from] DecodeError),
    /// Bencode, but no dictionary.
    #[error("the answer is no dictionary")]
    NotDictionary,
    /// The tracker says no. Its sentence came from a stranger.
    #[error("{}", .0.reason)]
    Failure(Failure),
    /// A part of another type.
    #[error("\"{key}\" is missing or of the wrong type")]
    Missing {
        /// Which.
        key: &'static str,
    },
    /// A compact list that does not come out even.
    #[error("\"{key}\" has {bytes} bytes, which is no multiple of {width}")]
    Ragged {
        /// Which.
        key: &'static str,
        /// Its bytes.
        bytes: usize,
        /// Bytes of one address.
        width: usize,
    },
}

/// An answer on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply<'a> {
    /// What is answered.
    pub reply: &'a AnnounceReply,
    /// The ids of its peers in their order; only [`PeersForm::Dictionaries`] tells them.
    pub ids: &'a [PeerId],
    /// In which form.
    pub form: PeersForm,
}

impl HttpReply<'_> {
    /// The answer's body.
    pub fn encode(&self) -> Vec<u8> {
        let reply = self.reply;
        let mut dict = Dict::default()
            .int("interval", i64::from(reply.interval))
            .int("complete", i64::from(reply.seeds))
            .int("incomplete", i64::from(reply.leechers));
        for (key, number) in [("min interval", reply.min_interval), ("downloaded", reply.completed)] {
            if let Some(number) = number {
                dict = dict.int(key, i64::from(number));
            }
        }
        if let Some(warning) = &reply.warning {
            dict = dict.bytes("warning message", warning);
        }
        if let Some(id) = &reply.tracker_id {
            dict = dict.bytes("tracker id", id);
        }
        match reply.external_ip.map(|ip| ip.to_canonical()) {
            Some(IpAddr::V4(ip)) => dict = dict.bytes("external ip", ip.octets()),
            Some(IpAddr::V6(ip)) => dict = dict.bytes("external ip", ip.octets()),
            None => {}
        }
        if self.form == PeersForm::Compact {
            let peers = |family| compact::encode(reply.peers.iter().copied(), family);
            dict = dict.bytes("peers", peers(Family::V4));
            let v6 = peers(Family::V6);
            return if v6.is_empty() { dict.encode() } else { dict.bytes("peers6", v6).encode() };
        }
        let with_ids = self.form == PeersForm::Dictionaries;
        let peers = reply.peers.iter().enumerate().filter(|(_, address)| compact::is_dialable(**address));
        let peers = peers.fold(List::default(), |list, (at, address)| {
            let peer = Dict::default()
                .bytes("ip", address.ip().to_canonical().to_string())
                .int("port", i64::from(address.port()));
            let id = self.ids.get(at).filter(|_| with_ids);
            list.raw(&id.map_or(peer.clone(), |id| peer.bytes("peer id", id.0)).encode())
        });
        dict.raw(b"peers", peers.encode()).encode()
    }

    /// Reads an answer's body. At most [`MAX_ADDRESSES`] peers of each kind are taken; a peer that
    /// makes no sense or is told by a name is left out.
    pub fn decode(body: &[u8]) -> Result<AnnounceReply, ReplyError> {
        let dict = decode(body, Limits::MESSAGE)?;
        if dict.as_dict().is_none() {
            return Err(ReplyError::NotDictionary);
        }
        if let Some(failure) = Failure::of(&dict) {
            return Err(ReplyError::Failure(failure));
        }
        let number = |key| {
            let number = dict.get(key).and_then(Value::as_int);
            number.and_then(|number| u32::try_from(number).ok())
        };
        let mut peers = match dict.get("peers") {
            None if dict.get("peers6").is_some() => Vec::new(),
            Some(list) if list.as_list().is_some() => dictionaries(list.as_list().unwrap_or_default()),
            Some(list) if list.as_bytes().is_some() => addresses(list, "peers", Family::V4)?,
            _ => return Err(ReplyError::Missing { key: "peers" }),
        };
        if let Some(list) = dict.get("peers6") {
            peers.extend(addresses(list, "peers6", Family::V6)?);
        }
        let tracker_id = dict.get("tracker id").and_then(Value::as_bytes);
        Ok(AnnounceReply {
            interval: number("interval").filter(|interval| *interval > 0).unwrap_or(DEFAULT_INTERVAL),
            min_interval: number("min interval"),
            seeds: number("complete").unwrap_or(0),
            leechers: number("incomplete").unwrap_or(0),
            completed: number("downloaded"),
            peers,
            warning: dict.get("warning message").and_then(text),
            tracker_id: tracker_id.filter(|id| id.len() <= MAX_TRACKER_ID).map(<[u8]>::to_vec),
            external_ip: dict.get("external ip").and_then(Value::as_bytes).and_then(ip_of_bytes),
        })
    }
}

fn addresses(list: &Value<'_>, key: &'static str, family: Family) -> Result<Vec<SocketAddr>, ReplyError> {
    let bytes = list.as_bytes().ok_or(ReplyError::Missing { key })?;
    let ragged = ReplyError::Ragged { key, bytes: bytes.len(), width: family.width() };
    compact::decode(bytes, family).ok_or(ragged)
}

fn dictionaries(list: &[Value<'_>]) -> Vec<SocketAddr> {
    let peers = list.iter().take(MAX_ADDRESSES).filter_map(|peer| {
        let ip: IpAddr = peer.get("ip")?.as_str()?.parse().ok()?;
        let port = u16::try_from(peer.get("port")?.as_int()?).ok()?;
        Some(SocketAddr::new(ip.to_canonical(), port))
    });
    peers.filter(|address| compact::is_dialable(*address)).collect()
}

fn ip_of_bytes(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok().map(|ip| ip.to_canonical())
}

/// A sentence, cut to what is kept.
pub(super) fn text(value: &Value<'_>) -> Option<String> {
    let bytes = value.as_bytes()?;
    let mut text = String::from_utf8_lossy(bytes.get(..MAX_TEXT).unwrap_or(bytes)).into_owned();
    // What was not UTF-8 has grown.
    while text.len() > MAX_TEXT {
        text.pop();
    }
    Some(text)
}
