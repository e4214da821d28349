//! The messages between nodes: one bencoded dictionary in one datagram (BEP 5, with BEP 32 and BEP 43).

use std::net::{IpAddr, SocketAddr};

use shared::InfoHash;
use shared::bencode::{DecodeError, Dict, Limits, List, Value, decode};
use thiserror::Error;
use wire::tracker::compact::{self, Family};

use crate::node_id::NodeId;

/// The longest datagram that is read or written, in bytes.
pub const MAX_DATAGRAM: usize = 1_500;
/// The most nodes of one family in one message.
pub const MAX_NODES: usize = 16;
/// The most peers in one message.
pub const MAX_PEERS: usize = 50;
/// The longest token and transaction of others that are kept, in bytes.
pub const MAX_TOKEN: usize = 64;
/// The longest sentence of an error that is kept, in bytes.
pub const MAX_TEXT: usize = 200;

/// How our nodes call themselves to others.
const VERSION: &[u8] = b"EJ01";
const LIMITS: Limits = Limits { bytes: MAX_DATAGRAM, depth: 8, tokens: 400 };

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The asker's mark, which the answer repeats.
    pub transaction: Vec<u8>,
    /// What it says.
    pub body: Body,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A question.
    Query(Query),
    /// An answer.
    Reply(Reply),
    /// A refusal.
    Error {
        /// 201 generic, 202 server, 203 protocol, 204 method unknown.
        code: i64,
        /// Why; from outside when it was read.
        text: String,
    },
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Who asks.
    pub id: NodeId,
    /// What.
    pub kind: Kind,
    /// It wants IPv4 nodes, IPv6 nodes; neither: those of its own family (BEP 32).
    pub want: (bool, bool),
    /// It does not answer itself: nobody should keep it (BEP 43).
    pub read_only: bool,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Are you there?
    Ping,
    /// Whom do you know near this name?
    FindNode(NodeId),
    /// Whom do you know that has this torrent?
    GetPeers(InfoHash),
    /// I have this torrent.
    AnnouncePeer {
        /// Which.
        hash: InfoHash,
        /// The TCP port; none: the port that this datagram comes from.
        port: Option<u16>,
        /// What the node gave when it was asked for peers.
        token: Vec<u8>,
    },
}

/// An answer; what does not belong to the question is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// Who answers.
    pub id: Option<NodeId>,
    /// Nodes near what was asked for.
    pub nodes: Vec<(NodeId, SocketAddr)>,
    /// Peers that have the torrent.
    pub peers: Vec<SocketAddr>,
    /// To be shown when announcing.
    pub token: Option<Vec<u8>>,
    /// The asker's address as the answering node sees it (BEP 42).
    pub asker: Option<SocketAddr>,
}

/// Why a datagram means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KrpcError {
    /// Not bencode.
    #[error("not bencode: {0}")]
    Bencode(#[from] DecodeError),
    /// Something is missing, or of the wrong kind or length.
    #[error("\"{key}\" is missing or wrong")]
    Key {
        /// Which.
        key: &'static str,
    },
    /// A question that nobody knows; it can be refused.
    #[error("unknown question")]
    Unknown {
        /// The mark, so that the refusal can carry it.
        transaction: Vec<u8>,
    },
}

impl Message {
    /// The datagram.
    pub fn encode(&self) -> Vec<u8> {
        let mut dict = Dict::default().bytes("t", &self.transaction).bytes("v", VERSION);
        match &self.body {
            Body::Query(query) => {
                let (name, arguments) = query.arguments();
                dict = dict.bytes("y", "q").bytes("q", name).raw(b"a", arguments.encode());
                if query.read_only {
                    dict = dict.int("ro", 1);
                }
            }
            Body::Reply(reply) => {
                dict = dict.bytes("y", "r").raw(b"r", reply.values().encode());
                if let Some(asker) = reply.asker {
                    dict = dict.bytes("ip", compact::encode([asker], Family::of(asker.ip())));
                }
            }
            Body::Error { code, text } => {
                let code = shared::bencode::encode_int(*code);
                dict = dict.bytes("y", "e").raw(b"e", List::default().raw(&code).bytes(text).encode());
            }
        }
        dict.encode()
    }

    /// Reads a datagram.
    pub fn decode(datagram: &[u8]) -> Result<Self, KrpcError> {
        let dict = decode(datagram, LIMITS)?;
        let transaction = short(&dict, "t")?.ok_or(KrpcError::Key { key: "t" })?;
        let body = match dict.get("y").and_then(Value::as_bytes) {
            Some(b"q") => {
                let arguments = dict.get("a").ok_or(KrpcError::Key { key: "a" })?;
                let read_only = dict.get("ro").and_then(Value::as_int) == Some(1);
                let name = dict.get("q").and_then(Value::as_bytes).ok_or(KrpcError::Key { key: "q" })?;
                let id = NodeId(twenty(arguments, "id")?);
                let kind = match name {
                    b"ping" => Kind::Ping,
                    b"find_node" => Kind::FindNode(NodeId(twenty(arguments, "target")?)),
                    b"get_peers" => Kind::GetPeers(InfoHash(twenty(arguments, "info_hash")?)),
                    b"announce_peer" => announce(arguments)?,
                    _ => return Err(KrpcError::Unknown { transaction }),
                };
                let wanted = arguments.get("want").and_then(Value::as_list).unwrap_or_default();
                let wants = |word: &[u8]| wanted.iter().any(|one| one.as_bytes() == Some(word));
                Body::Query(Query { id, kind, want: (wants(b"n4"), wants(b"n6")), read_only })
            }
            Some(b"r") => {
                let values = dict.get("r").ok_or(KrpcError::Key { key: "r" })?;
                let asker = dict.get("ip").and_then(Value::as_bytes).and_then(one_address);
                Body::Reply(reply(values, asker)?)
            }
            Some(b"e") => {
                let parts = dict.get("e").and_then(Value::as_list).unwrap_or_default();
                let text = parts.get(1).and_then(Value::as_bytes).unwrap_or_default();
                let text = String::from_utf8_lossy(text.get(..MAX_TEXT).unwrap_or(text));
                let code = parts.first().and_then(Value::as_int).unwrap_or(201);
                Body::Error { code, text: text.chars().take(MAX_TEXT).collect() }
            }
            _ => return Err(KrpcError::Key { key: "y" }),
        };
        Ok(Self { transaction, body })
    }
}

impl Query {
    fn arguments(&self) -> (&'static str, Dict) {
        let dict = Dict::default().bytes("id", self.id.0);
        let (name, dict) = match &self.kind {
            Kind::Ping => ("ping", dict),
            Kind::FindNode(target) => ("find_node", dict.bytes("target", target.0)),
            Kind::GetPeers(hash) => ("get_peers", dict.bytes("info_hash", hash.0)),
            Kind::AnnouncePeer { hash, port, token } => (
                "announce_peer",
                dict.bytes("info_hash", hash.0)
                    .int("implied_port", i64::from(port.is_none()))
                    .int("port", i64::from(port.unwrap_or(0)))
                    .bytes("token", token),
            ),
        };
        let words: Vec<&str> = [(self.want.0, "n4"), (self.want.1, "n6")]
            .iter()
            .filter(|want| want.0)
            .map(|want| want.1)
            .collect();
        if words.is_empty() {
            return (name, dict);
        }
        let list = words.iter().fold(List::default(), List::bytes);
        (name, dict.raw(b"want", list.encode()))
    }
}

impl Reply {
    fn values(&self) -> Dict {
        let mut dict = Dict::default();
        if let Some(id) = self.id {
            dict = dict.bytes("id", id.0);
        }
        for (key, family) in [("nodes", Family::V4), ("nodes6", Family::V6)] {
            let of_family = self.nodes.iter().filter(|(_, address)| Family::of(address.ip()) == family);
            let mut bytes = Vec::new();
            for (id, address) in of_family.take(MAX_NODES) {
                let compact = compact::encode([*address], family);
                if !compact.is_empty() {
                    bytes.extend(id.0);
                    bytes.extend(compact);
                }
            }
            if !bytes.is_empty() {
                dict = dict.bytes(key, bytes);
            }
        }
        if !self.peers.is_empty() {
            let list = self.peers.iter().take(MAX_PEERS).fold(List::default(), |list, peer| {
                list.bytes(compact::encode([*peer], Family::of(peer.ip())))
            });
            dict = dict.raw(b"values", list.encode());
        }
        if let Some(token) = &self.token {
            dict = dict.bytes("token", token);
        }
        dict
    }
}

fn announce(arguments: &Value<'_>) -> Result<Kind, KrpcError> {
    let hash = InfoHash(twenty(arguments, "info_hash")?);
    let implied = arguments.get("implied_port").and_then(Value::as_int).is_some_and(|implied| implied != 0);
    let port = arguments.get("port").and_then(Value::as_int).and_then(|port| u16::try_from(port).ok());
    let port = match (implied, port.filter(|port| *port != 0)) {
        (true, _) => None,
        (false, Some(port)) => Some(port),
        (false, None) => return Err(KrpcError::Key { key: "port" }),
    };
    let token = short(arguments, "token")?.ok_or(KrpcError::Key { key: "token" })?;
    Ok(Kind::AnnouncePeer { hash, port, token })
}

fn reply(values: &Value<'_>, asker: Option<SocketAddr>) -> Result<Reply, KrpcError> {
    let mut nodes = Vec::new();
    for (key, family) in [("nodes", Family::V4), ("nodes6", Family::V6)] {
        let Some(bytes) = values.get(key).and_then(Value::as_bytes) else { continue };
        let width = 20 + family.width();
        if bytes.len() % width != 0 {
            return Err(KrpcError::Key { key });
        }
        for node in bytes.chunks_exact(width).take(MAX_NODES) {
            let Some((id, address)) = node.split_first_chunk() else { continue };
            let address = compact::decode(address, family).unwrap_or_default();
            nodes.extend(address.first().map(|address| (NodeId(*id), *address)));
        }
    }
    let peers = values.get("values").and_then(Value::as_list).unwrap_or_default();
    let peers = peers.iter().filter_map(|peer| one_address(peer.as_bytes()?)).take(MAX_PEERS).collect();
    Ok(Reply { id: Some(NodeId(twenty(values, "id")?)), nodes, peers, token: short(values, "token")?, asker })
}

fn one_address(bytes: &[u8]) -> Option<SocketAddr> {
    let family = match bytes.len() {
        6 => Family::V4,
        18 => Family::V6,
        _ => return None,
    };
    let address = compact::decode(bytes, family)?.first().copied()?;
    Some(SocketAddr::new(IpAddr::to_canonical(&address.ip()), address.port()))
}

fn twenty(dict: &Value<'_>, key: &'static str) -> Result<[u8; 20], KrpcError> {
    let bytes = dict.get(key).and_then(Value::as_bytes);
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(KrpcError::Key { key })
}

fn short(dict: &Value<'_>, key: &'static str) -> Result<Option<Vec<u8>>, KrpcError> {
    match dict.get(key).map(Value::as_bytes) {
        None => Ok(None),
        Some(Some(bytes)) if (1..=MAX_TOKEN).contains(&bytes.len()) => Ok(Some(bytes.to_vec())),
        Some(_) => Err(KrpcError::Key { key }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &[u8; 20] = b"abcdefghij0123456789";
    const M: &[u8; 20] = b"mnopqrstuvwxyz123456";

    fn query(kind: Kind) -> Message {
        let query = Query { id: NodeId(*A), kind, want: (false, false), read_only: false };
        Message { transaction: b"aa".to_vec(), body: Body::Query(query) }
    }

    /// The examples of the text.
    #[test]
    fn bep5_messages_of_the_text_are_understood() {
        let token = b"aoeusnth".to_vec();
        for (text, message) in [
            ("d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe", query(Kind::Ping)),
            (
                "d1:ad2:id20:abcdefghij01234567896:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe",
                query(Kind::FindNode(NodeId(*M))),
            ),
            (
                "d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe",
                query(Kind::GetPeers(InfoHash(*M))),
            ),
            (
                "d1:ad2:id20:abcdefghij012345678912:implied_porti1e9:info_hash20:mnopqrstuvwxyz1234564:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
                query(Kind::AnnouncePeer { hash: InfoHash(*M), port: None, token: token.clone() }),
            ),
            (
                "d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re",
                Message {
                    transaction: b"aa".to_vec(),
                    body: Body::Reply(Reply {
                        id: Some(NodeId(*A)),
                        peers: ["97.120.106.101:11893", "105.100.104.116:28269"]
                            .map(|a| a.parse().unwrap())
                            .into(),
                        token: Some(token.clone()),
                        ..Reply::default()
                    }),
                },
            ),
            (
                "d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
                Message {
                    transaction: b"aa".to_vec(),
                    body: Body::Error { code: 201, text: "A Generic Error Ocurred".to_owned() },
                },
            ),
        ] {
            assert_eq!(Message::decode(text.as_bytes()).as_ref(), Ok(&message), "{text}");
            assert_eq!(Message::decode(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn both_families_read_back_and_the_largest_answer_fits() {
        let nodes = (0..16_u16).flat_map(|number| {
            let byte = u8::try_from(number).unwrap();
            let v6 = SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, number], 1));
            [(NodeId([byte; 20]), ([10, 0, 0, byte], 1).into()), (NodeId([byte; 20]), v6)]
        });
        let mut nodes: Vec<(NodeId, SocketAddr)> = nodes.collect();
        nodes.sort_by_key(|(_, address)| address.is_ipv6());
        let reply = Reply {
            id: Some(NodeId([1; 20])),
            nodes: nodes.into_iter().filter(|(id, _)| id.0[0] < 8).collect(),
            peers: (0..50).map(|byte| ([10, 0, 1, byte], 9).into()).collect(),
            token: Some(vec![7; 8]),
            asker: Some("[fd00::5]:77".parse().unwrap()),
        };
        let message = Message { transaction: vec![1; 4], body: Body::Reply(reply) };
        let bytes = message.encode();
        assert!(bytes.len() <= MAX_DATAGRAM, "{}", bytes.len());
        assert_eq!(Message::decode(&bytes), Ok(message));
    }

    #[test]
    fn bad_datagrams_are_refused() {
        let key = |key: &'static str| KrpcError::Key { key };
        for (text, error) in [
            ("de", key("t")),
            ("d1:t0:1:y1:qe", key("t")),
            ("d1:t2:aae", key("y")),
            ("d1:t2:aa1:y1:xe", key("y")),
            ("d1:q4:ping1:t2:aa1:y1:qe", key("a")),
            ("d1:ad2:id19:abcdefghij012345678e1:q4:ping1:t2:aa1:y1:qe", key("id")),
            ("d1:ad2:id20:abcdefghij0123456789e1:q9:find_node1:t2:aa1:y1:qe", key("target")),
            ("d1:rd2:id20:abcdefghij01234567895:nodes3:abce1:t2:aa1:y1:re", key("nodes")),
            ("d1:rdee", key("t")),
            (
                "d1:ad2:id20:abcdefghij0123456789e1:q4:vote1:t2:aa1:y1:qe",
                KrpcError::Unknown { transaction: b"aa".to_vec() },
            ),
        ] {
            assert_eq!(Message::decode(text.as_bytes()), Err(error), "{text}");
        }
        for bytes in [vec![b'l'; 1_400], b"d1:x".repeat(300), vec![b'i'; 2_000], Vec::new()] {
            assert!(matches!(Message::decode(&bytes), Err(KrpcError::Bencode(_))), "{}", bytes.len());
        }
    }
}
