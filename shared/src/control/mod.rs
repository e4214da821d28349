//! The control protocol: what a peer and the tracker say to each other, as JSON lines.
//!
//! A peer writes a [`Request`] per line, the tracker writes an answer per request, in order, and
//! pushes in between. `docs/protocol.md` shows every line by example. Nothing here reads a socket:
//! a line comes in as bytes, a line goes out as bytes. What comes in is bounded before it is
//! believed, and each refusal is a [`ControlError`] with a stable code and one sentence.
//!
//! Called by the tracker's sessions (`parse_request`, `write_answer`, `write_push`) and by the
//! peer's link to its tracker (`write_request`, `parse_from_tracker`).

mod answer;
mod browse;
mod entry;
mod fault;
mod fields;
mod json;
mod line;
mod lock;
mod name;
mod parse;
mod picture;
mod push;
mod reach;
mod request;
mod room;
#[cfg(test)]
mod tests;

pub use answer::{
    Answer, Counters, Done, Found, Matches, MessageLog, Messages, Past, Person, Policy, Pong, Receipt,
    ReceiptState, Sent, Shared, Sources, Stats, SwarmCounters, TrackerDescription, Welcome, WhoIsHere,
};
pub use browse::{Browse, Shelf};
pub use entry::{Entry, EntryId, Have, Kind, ProgressEvent, Source};
pub use fault::{Code, ControlError, Fault, NameFault, NumberFault, Refusal};
pub use line::{
    FromTracker, OkLine, parse_from_tracker, write_answer, write_answer_unkept, write_push, write_refusal,
    write_request,
};
pub use lock::{MAX_ROOM_KEY, RoomKey, RoomLock};
pub use name::{check_nick, check_room, check_share_name, check_text};
pub use parse::parse_request;
pub use picture::Flow;
pub use push::{Change, Departure, Push};
pub use reach::is_local;
pub use request::{
    Ask, Bye, ConnectBack, Find, Hello, History, Message, Ping, Progress, Request, Search, Share, SourcesOf,
    StatsOf, Unshare, Who,
};
pub use room::{
    Absent, Away, Back, Ignore, Ignored, Join, Joined, Leave, RoomChange, RoomEntry, RoomList, Rooms,
    Unignore,
};

/// The version of the protocol that `hello` carries.
pub const VERSION: u64 = 1;
/// The TCP port a tracker listens on unless told otherwise.
pub const DEFAULT_PORT: u16 = 5000;
/// Bytes a line may hold before `hello` was answered, without its line feed.
pub const LINE_BEFORE_LOGIN: usize = 64 * 1024;
/// Bytes a line may hold after login, without its line feed.
pub const LINE_AFTER_LOGIN: usize = 1024 * 1024;
/// How deep objects and lists may nest.
pub const MAX_DEPTH: usize = 32;
/// Keys that one object may hold.
pub const MAX_KEYS: usize = 256;
/// The largest number that may be said: what every JSON reader can hold exactly, 2^53 - 1.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;
/// Bytes of text in a message.
pub const MAX_TEXT: usize = 4096;
/// Bytes of what somebody says who is away.
pub const MAX_AWAY: usize = 256;
/// Columns of a nick, and of a room's name without its `@`.
pub const MAX_NICK_COLUMNS: usize = 32;
/// Bytes of a shared name.
pub const MAX_NAME: usize = 255;
/// Bytes of an info dictionary that may travel inside `share`; larger ones go from peer to peer.
pub const MAX_INFO: usize = 512 * 1024;
/// Bytes of piece layers that may travel inside `share`: 6,000 pieces and more.
pub const MAX_LAYERS: usize = 196 * 1024;
/// Cells that a piece map in `progress` may have, a byte each.
pub const MAX_CELLS: usize = 512;
/// Connections that `progress` may tell the rates of.
pub const MAX_FLOWS: usize = 64;
/// Sources that `sources` gives when it is not told how many.
pub const DEFAULT_WANT: u64 = 50;
