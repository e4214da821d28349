//! What can be wrong with a line, with stable codes and one sentence each.
//!
//! [`Fault`] is what this module's readers find; [`Refusal`] is any refusal as it travels, those of
//! the tracker's brain included. Codes never change their meaning; sentences may.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::entry::Entry;

/// A line that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{fault}")]
pub struct ControlError {
    /// The sender's number, where it could be read.
    pub id: Option<u64>,
    /// What is wrong.
    pub fault: Fault,
}

impl From<Fault> for ControlError {
    fn from(fault: Fault) -> Self {
        Self { id: None, fault }
    }
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// Not JSON, or not an object.
    #[error("{reason} (byte {byte})")]
    BadJson {
        /// What was found.
        reason: &'static str,
        /// Where, counted from 0.
        byte: usize,
    },
    /// Not UTF-8.
    #[error("the line is not UTF-8 (byte {byte})")]
    NotUtf8 {
        /// Where, counted from 0.
        byte: usize,
    },
    /// Objects and lists nest too deep.
    #[error("objects and lists nest too deep (byte {byte}, limit {})", super::MAX_DEPTH)]
    TooDeep {
        /// Where, counted from 0.
        byte: usize,
    },
    /// An object has too many keys.
    #[error("an object has too many keys (byte {byte}, limit {})", super::MAX_KEYS)]
    TooManyKeys {
        /// Where, counted from 0.
        byte: usize,
    },
    /// More bytes than a line may hold.
    #[error("the line is longer than {limit} bytes")]
    LineTooLong {
        /// The limit.
        limit: usize,
    },
    /// A field is missing.
    #[error("`{field}` is missing")]
    Missing {
        /// The key.
        field: &'static str,
    },
    /// A field holds something of another kind.
    #[error("`{field}` must be {expected}")]
    WrongKind {
        /// The key.
        field: &'static str,
        /// What belongs there, such as "text".
        expected: &'static str,
    },
    /// A number that cannot be taken.
    #[error("`{field}` {fault}")]
    Number {
        /// The key.
        field: &'static str,
        /// Why not.
        fault: NumberFault,
    },
    /// A list that is too long.
    #[error("`{field}` holds too many (limit {limit})")]
    TooMany {
        /// The key.
        field: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A text that is longer than its limit.
    #[error("`{field}` is too long ({length} bytes, limit {limit})")]
    TextTooLong {
        /// The key.
        field: &'static str,
        /// How long it is.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// A field whose value contradicts the others or is none of the known words.
    #[error("`{field}` {reason}")]
    Unfit {
        /// The key.
        field: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// A hash or id that is not one.
    #[error("`{field}` needs {digits} hexadecimal digits")]
    BadHash {
        /// The key.
        field: &'static str,
        /// How many digits it has.
        digits: usize,
    },
    /// A nick, or a name, that nobody can have.
    #[error("`{field}` {fault}")]
    BadName {
        /// The key.
        field: &'static str,
        /// Why not.
        fault: NameFault,
    },
    /// A shared name that would be a path.
    #[error("`{field}` {fault}")]
    BadPath {
        /// The key.
        field: &'static str,
        /// Why not.
        fault: NameFault,
    },
    /// A message without text.
    #[error("`text` is empty")]
    EmptyMessage,
    /// A request that this version does not know.
    #[error("there is no request {word:?} (known: {})", super::Request::WORDS.join(", "))]
    UnknownType {
        /// The word, cut to 40 characters.
        word: String,
    },
    /// Another version of the protocol.
    #[error("version {theirs} of the protocol is not spoken here, only version {}", super::VERSION)]
    Version {
        /// The version that was asked for.
        theirs: u64,
    },
}

/// Why a number cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NumberFault {
    /// It has a fraction.
    #[error("must be a whole number")]
    NotWhole,
    /// It is below zero.
    #[error("must be 0 or more")]
    Negative,
    /// It is above what this field, or any field, may hold.
    #[error("is out of range (limit {limit})")]
    TooLarge {
        /// The largest number that may stand there.
        limit: u64,
    },
    /// It is below what this field may hold.
    #[error("is out of range (at least {least})")]
    TooSmall {
        /// The smallest number that may stand there.
        least: u64,
    },
}

/// Why a nick or a name cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameFault {
    /// Nothing, or only spaces.
    #[error("is empty")]
    Empty,
    /// More columns on a screen than fit.
    #[error("is too long (limit {limit} columns)")]
    TooWide {
        /// The limit.
        limit: usize,
    },
    /// More bytes than fit.
    #[error("is too long (limit {limit} bytes)")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The character 0.
    #[error("holds NUL, which is not allowed")]
    Nul,
    /// A control character.
    #[error("holds a control character, which is not allowed")]
    Control,
    /// A character that cannot be seen or that turns the direction of writing.
    #[error("holds an invisible character, which is not allowed")]
    Invisible,
    /// A tower of accents.
    #[error("has too many marks on one letter (limit {limit})")]
    Marks {
        /// The limit.
        limit: usize,
    },
    /// A character that commands need for themselves.
    #[error("holds {0:?}, which is not allowed")]
    Reserved(char),
    /// A name that means something else here.
    #[error("is a reserved name")]
    ReservedName,
    /// A path where one name belongs.
    #[error("must be one name, not a path")]
    Path,
}

impl Fault {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::BadJson { .. } | Self::NotUtf8 { .. } => Code::BadJson,
            Self::TooDeep { .. } => Code::TooDeep,
            Self::TooManyKeys { .. } => Code::TooManyKeys,
            Self::LineTooLong { .. } | Self::TextTooLong { .. } => Code::TooLong,
            Self::Missing { .. }
            | Self::WrongKind { .. }
            | Self::Number { .. }
            | Self::TooMany { .. }
            | Self::Unfit { .. } => Code::BadField,
            Self::BadHash { .. } => Code::BadHash,
            Self::BadName { fault: NameFault::ReservedName, .. } => Code::Reserved,
            Self::BadName { .. } => Code::BadName,
            Self::BadPath { .. } => Code::BadPath,
            Self::EmptyMessage => Code::BadMessage,
            Self::UnknownType { .. } => Code::UnknownType,
            Self::Version { .. } => Code::BadVersion,
        }
    }

    /// Whether the connection cannot go on: where the next line begins is no longer known, or the
    /// sender builds lines that no honest program builds.
    pub fn closes(&self) -> bool {
        matches!(
            self,
            Self::NotUtf8 { .. } | Self::TooDeep { .. } | Self::TooManyKeys { .. } | Self::LineTooLong { .. }
        )
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $word:literal $name:ident),+ $(,)?) => {
        /// What kind of refusal: the stable word that programs look at.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $word)] $name,)+
            /// A code that this version does not know.
            #[serde(other, rename = "other")]
            Other,
        }

        impl Code {
            /// All codes that the tracker gives.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The word on the wire.
            pub fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ Self::Other => "other" }
            }
        }
    };
}

codes! {
    /// Not a JSON object.
    "bad_json" BadJson,
    /// Objects and lists nest too deep.
    "too_deep" TooDeep,
    /// An object has too many keys.
    "too_many_keys" TooManyKeys,
    /// A line or a text is too long.
    "too_long" TooLong,
    /// A field is missing or wrong.
    "bad_field" BadField,
    /// A hash or id is not one.
    "bad_hash" BadHash,
    /// A nick or a name that nobody can have.
    "bad_name" BadName,
    /// A shared name that would be a path.
    "bad_path" BadPath,
    /// A nick that means something else here.
    "reserved" Reserved,
    /// A message that cannot be sent.
    "bad_message" BadMessage,
    /// No such request.
    "unknown_type" UnknownType,
    /// Another version of the protocol.
    "bad_version" BadVersion,
    /// `hello` must come first.
    "not_registered" NotRegistered,
    /// `hello` came twice.
    "already_registered" AlreadyRegistered,
    /// The nick, and every number after it, is taken.
    "name_taken" NameTaken,
    /// No one of that name, or with that id, is here.
    "no_such_user" NoSuchUser,
    /// There is no room of that name.
    "no_such_room" NoSuchRoom,
    /// The peer does not belong to that room.
    "not_in_room" NotInRoom,
    /// The room is closed, and that is not its key, or none was said.
    "bad_key" BadKey,
    /// A guest keeps nothing: it belongs to no room and ignores nobody.
    "guest" Guest,
    /// The receiver is a BitTorrent client, which has no chat.
    "cannot_chat" CannotChat,
    /// Nothing of that name or id is shared.
    "no_such_entry" NoSuchEntry,
    /// Several entries fit; they are listed.
    "ambiguous" Ambiguous,
    /// The peer does not share that.
    "not_shared" NotShared,
    /// More than one peer may share, subscribe or send.
    "too_many" TooMany,
    /// The operator does not let this peer, or its address, in.
    "banned" Banned,
    /// The operator does not let this peer write.
    "muted" Muted,
    /// The operator took this content off the list.
    "removed" Removed,
    /// Too fast; `retry_after_ms` says when to come again.
    "rate_limited" RateLimited,
    /// Too many faulty lines: the connection closes.
    "too_many_errors" TooManyErrors,
    /// Too many connections from that address.
    "too_many_sessions" TooManySessions,
    /// The time for a login or a line is over.
    "timeout" Timeout,
    /// The tracker stops.
    "stopping" Stopping,
    /// Not spoken on this port.
    "wrong_protocol" WrongProtocol,
}

/// A refusal as it travels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The stable code.
    pub code: Code,
    /// One sentence for a person: what was wrong and the limit.
    pub text: String,
    /// What to do instead.
    #[serde(default, rename = "try", skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// How long to wait before asking again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Names that are nearly what was asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<String>,
    /// The entries that fit an ambiguous name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Entry>,
}

impl Refusal {
    /// A refusal of this kind with this sentence.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            advice: None,
            retry_after_ms: None,
            near: Vec::new(),
            candidates: Vec::new(),
        }
    }

    /// The same with what to do instead.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

impl From<&Fault> for Refusal {
    fn from(fault: &Fault) -> Self {
        Self::new(fault.code(), fault.to_string())
    }
}
