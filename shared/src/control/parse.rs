//! From a line to a [`Request`] that cannot be wrong.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::browse::Browse;
use super::fault::{ControlError, Fault, NumberFault};
use super::fields::{Fields, number_of};
use super::json::{Value, parse_object};
use super::lock::RoomKey;
use super::name::{check_nick, check_room, check_share_name, check_text};
use super::request::{
    Bye, ConnectBack, Find, Hello, History, Message, Ping, Progress, Request, Search, Share, SourcesOf,
    StatsOf, Unshare, Who,
};
use super::room::{Away, Back, Ignore, Join, Leave, Rooms, Unignore};
use super::{
    DEFAULT_WANT, EntryId, Have, Kind, MAX_AWAY, MAX_INFO, MAX_LAYERS, MAX_NUMBER, ProgressEvent, VERSION,
};
use crate::id::{InfoHash, InfoHashV2, InfoHashes, PeerId};

/// Bytes of a program's name.
const MAX_AGENT: usize = 64;
/// Bytes of a token, a session's name, a nonce or an entry's name.
const MAX_WORD: usize = 64;
/// Bytes of what is said about a share, or of a reason to leave.
const MAX_COMMENT: usize = 1024;
/// Ports, and further addresses, of one peer.
const MAX_ADDRESSES: usize = 8;
/// Bytes of a search.
const MAX_QUERY: usize = 4_096;
/// Pieces that `piece_length` may be: 1 KiB to 128 MiB.
const PIECE_LENGTHS: (u64, u64) = (1 << 10, 128 << 20);

/// Reads one line, without its line feed, as a request and its number. The line must already be
/// within the limit of its time ([`super::LINE_BEFORE_LOGIN`], [`super::LINE_AFTER_LOGIN`]).
pub fn parse_request(line: &[u8]) -> Result<(Option<u64>, Request), ControlError> {
    let mut fields = Fields(parse_object(line)?);
    let id = fields.optional_number("id", MAX_NUMBER)?;
    read(&mut fields).map(|request| (id, request)).map_err(|fault| ControlError { id, fault })
}

fn read(fields: &mut Fields<'_>) -> Result<Request, Fault> {
    let word = fields.text("type", super::LINE_AFTER_LOGIN)?;
    Ok(match word.as_str() {
        "hello" => hello(fields)?.into(),
        "share" => share(fields)?.into(),
        "unshare" => Unshare { entry: entry(fields)? }.into(),
        "search" => search(fields)?.into(),
        "browse" => Browse {
            nick: fields.text("nick", MAX_COMMENT)?,
            after: fields.optional_number("after", MAX_NUMBER)?,
            limit: fields.optional_number("limit", 1_000)?,
        }
        .into(),
        "find" => find(fields)?.into(),
        "sources" => SourcesOf {
            entry: entry(fields)?,
            want: fields.optional_number("want", 200)?.unwrap_or(DEFAULT_WANT),
            subscribe: fields.flag("subscribe")?,
        }
        .into(),
        "progress" => progress(fields)?.into(),
        "message" => message(fields)?.into(),
        "history" => History {
            with: fields.optional_text("with", MAX_COMMENT)?,
            before: fields.optional_number("before", MAX_NUMBER)?,
            limit: fields.optional_number("limit", 200)?,
        }
        .into(),
        "who" => {
            Who { room: fields.optional_text("room", MAX_COMMENT)?.map(|name| room(&name)).transpose()? }
                .into()
        }
        "join" => Join { room: named_room(fields)?, key: room_key(fields)? }.into(),
        "leave" => Leave { room: named_room(fields)? }.into(),
        "rooms" => Rooms {}.into(),
        "ignore" => Ignore { nick: fields.optional_text("nick", MAX_COMMENT)? }.into(),
        "unignore" => Unignore { nick: fields.text("nick", MAX_COMMENT)? }.into(),
        "away" => Away { text: fields.optional_text("text", MAX_AWAY)? }.into(),
        "back" => Back {}.into(),
        "connect_back" => ConnectBack { peer_id: peer_id(fields)?, entry: entry(fields)? }.into(),
        "stats" => {
            StatsOf { entry: fields.optional_text("entry", MAX_WORD)?.map(|word| tidy_entry(&word)) }.into()
        }
        "ping" => Ping {}.into(),
        "bye" => Bye { reason: fields.optional_text("reason", MAX_COMMENT)? }.into(),
        _ => return Err(Fault::UnknownType { word: word.chars().take(40).collect() }),
    })
}

fn room_key(fields: &mut Fields<'_>) -> Result<Option<RoomKey>, Fault> {
    let key = fields.optional_text("key", MAX_COMMENT)?;
    let key = key.map(|key| RoomKey::new(&key)).transpose();
    key.map_err(|fault| Fault::BadName { field: "key", fault })
}

fn hello(fields: &mut Fields<'_>) -> Result<Hello, Fault> {
    let version = fields.number("version")?;
    if version != VERSION {
        return Err(Fault::Version { theirs: version });
    }
    let nick = fields.text("nick", MAX_COMMENT)?;
    let nick = check_nick(&nick).map_err(|fault| Fault::BadName { field: "nick", fault })?;
    Ok(Hello {
        version,
        nick,
        peer_id: peer_id(fields)?,
        ports: fields.list("ports", MAX_ADDRESSES, port)?,
        addresses: fields.list("addresses", MAX_ADDRESSES, address)?,
        agent: fields.optional_text("agent", MAX_AGENT)?.unwrap_or_default(),
        token: fields.optional_text("token", MAX_WORD)?,
        session: fields.optional_text("session", MAX_WORD)?,
        guest: fields.flag("guest")?,
    })
}

fn port(value: &Value<'_>) -> Result<u16, Fault> {
    let number = number_of(value, "ports", u64::from(u16::MAX))?;
    let too_small = Fault::Number { field: "ports", fault: NumberFault::TooSmall { least: 1 } };
    u16::try_from(number).ok().filter(|port| *port > 0).ok_or(too_small)
}

fn address(value: &Value<'_>) -> Result<SocketAddr, Fault> {
    let unfit = Fault::Unfit { field: "addresses", reason: "must hold addresses such as 192.168.1.20:6881" };
    match value {
        Value::Text(text) => text.parse().ok().filter(|address: &SocketAddr| address.port() > 0).ok_or(unfit),
        _ => Err(Fault::WrongKind { field: "addresses", expected: "a list of text" }),
    }
}

fn share(fields: &mut Fields<'_>) -> Result<Share, Fault> {
    let name = check_share_name(&fields.text("name", super::LINE_AFTER_LOGIN)?)?;
    let size = fields.number("size")?;
    let piece_length = fields.number("piece_length")?;
    if piece_length < PIECE_LENGTHS.0 {
        let fault = NumberFault::TooSmall { least: PIECE_LENGTHS.0 };
        return Err(Fault::Number { field: "piece_length", fault });
    }
    if piece_length > PIECE_LENGTHS.1 {
        let fault = NumberFault::TooLarge { limit: PIECE_LENGTHS.1 };
        return Err(Fault::Number { field: "piece_length", fault });
    }
    let v1: Option<InfoHash> = fields.optional_hex("info_hash_v1", 40)?;
    let v2: Option<InfoHashV2> = fields.optional_hex("info_hash_v2", 64)?;
    let hashes = InfoHashes::from_options(v1, v2).ok_or(Fault::Missing { field: "info_hash_v1" })?;
    let have = fields.have(Have::Full)?;
    if let Have::Pieces(pieces) = have
        && pieces > size.div_ceil(piece_length)
    {
        return Err(Fault::Unfit { field: "have", reason: "is more pieces than `size` makes" });
    }
    Ok(Share {
        kind: kind(fields)?.unwrap_or_else(|| Kind::of_name(&name)),
        files: fields.optional_number("files", 1_000_000)?.unwrap_or(1),
        root: fields.optional_hex("root", 64)?,
        info: bytes(fields, "info", MAX_INFO)?,
        layers: bytes(fields, "layers", MAX_LAYERS)?,
        comment: fields.optional_text("comment", MAX_COMMENT)?,
        private: fields.flag("private")?,
        name,
        size,
        piece_length,
        hashes,
        have,
    })
}

pub(super) fn bytes(
    fields: &mut Fields<'_>,
    field: &'static str,
    limit: usize,
) -> Result<Option<Vec<u8>>, Fault> {
    let Some(text) = fields.optional_text(field, super::LINE_AFTER_LOGIN)? else { return Ok(None) };
    let bytes = STANDARD.decode(text).map_err(|_| Fault::Unfit { field, reason: "must be base64" })?;
    if bytes.len() > limit {
        return Err(Fault::TextTooLong { field, length: bytes.len(), limit });
    }
    Ok(Some(bytes))
}

fn kind(fields: &mut Fields<'_>) -> Result<Option<Kind>, Fault> {
    let Some(word) = fields.optional_text("kind", MAX_WORD)? else { return Ok(None) };
    let found = Kind::WORDS.iter().find(|(known, _)| *known == word);
    let reason = "must be doc, audio, video, image, archive, program or other";
    found.map(|(_, kind)| Some(*kind)).ok_or(Fault::Unfit { field: "kind", reason })
}

fn search(fields: &mut Fields<'_>) -> Result<Search, Fault> {
    Ok(Search {
        query: fields.optional_text("query", MAX_QUERY)?.unwrap_or_default(),
        kind: kind(fields)?,
        min: fields.optional_number("min", MAX_NUMBER)?,
        max: fields.optional_number("max", MAX_NUMBER)?,
        by: fields.optional_text("by", MAX_COMMENT)?,
        after: fields.optional_number("after", MAX_NUMBER)?,
        limit: fields.optional_number("limit", 1_000)?,
    })
}

fn find(fields: &mut Fields<'_>) -> Result<Find, Fault> {
    if let Some(word) = fields.optional_text("entry", MAX_WORD)? {
        return Ok(Find::Entry { entry: tidy_entry(&word) });
    }
    if let Some(hash) = fields.optional_text("info_hash", 1024)? {
        let field = "info_hash";
        let long = hash.parse::<InfoHashV2>().map(|hash| hash.truncated());
        let hash = long.or_else(|_| hash.parse());
        return hash
            .map(|info_hash| Find::Hash { info_hash })
            .map_err(|_| Fault::BadHash { field, digits: 40 });
    }
    Ok(Find::Name { name: fields.text("name", MAX_COMMENT)? })
}

fn progress(fields: &mut Fields<'_>) -> Result<Progress, Fault> {
    let event = match fields.optional_text("event", MAX_WORD)?.as_deref() {
        None => None,
        Some("started") => Some(ProgressEvent::Started),
        Some("completed") => Some(ProgressEvent::Completed),
        Some("stopped") => Some(ProgressEvent::Stopped),
        Some(_) => {
            let reason = "must be started, completed or stopped";
            return Err(Fault::Unfit { field: "event", reason });
        }
    };
    let count = |field| fields.optional_number(field, MAX_NUMBER).map(Option::unwrap_or_default);
    let (left, downloaded, uploaded) = (count("left")?, count("downloaded")?, count("uploaded")?);
    Ok(Progress {
        have: fields.have(Have::Pieces(0))?,
        entry: entry(fields)?,
        left,
        downloaded,
        uploaded,
        event,
        pieces: super::picture::pieces(fields)?,
        flows: super::picture::flows(fields)?,
    })
}

fn message(fields: &mut Fields<'_>) -> Result<Message, Fault> {
    let to = fields.text("to", MAX_COMMENT)?;
    let text = fields.text("text", super::LINE_AFTER_LOGIN)?;
    check_text(&text)?;
    Ok(Message { to, text, nonce: fields.optional_text("nonce", MAX_WORD)? })
}

fn named_room(fields: &mut Fields<'_>) -> Result<String, Fault> {
    room(&fields.text("room", MAX_COMMENT)?)
}

fn room(name: &str) -> Result<String, Fault> {
    check_room(name).map_err(|fault| Fault::BadName { field: "room", fault })
}

fn peer_id(fields: &mut Fields<'_>) -> Result<PeerId, Fault> {
    fields.optional_hex("peer_id", 40)?.ok_or(Fault::Missing { field: "peer_id" })
}

fn entry(fields: &mut Fields<'_>) -> Result<EntryId, Fault> {
    fields.text("entry", MAX_WORD).map(|word| tidy_entry(&word))
}

/// People write `#9c1e47` and `9C1E47`.
fn tidy_entry(word: &str) -> EntryId {
    EntryId(word.strip_prefix('#').unwrap_or(word).to_ascii_lowercase())
}
