//! Bencode (BEP 3): a bounded reader that never recurses, and a canonical writer.
//!
//! The reader borrows from its input and keeps, for every value, the bytes it was made of, so that
//! an info dictionary can be hashed exactly as it was written. What is legal but not canonical
//! (keys out of order) is accepted and reported; what is ambiguous is refused.

mod decode;
mod encode;

pub use decode::{DecodeError, Decoded, Limits, decode, decode_prefix};
pub use encode::{Dict, List, encode_bytes, encode_int};

/// One value with the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value<'a> {
    kind: Kind<'a>,
    raw: &'a [u8],
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind<'a> {
    Int(i64),
    Bytes(&'a [u8]),
    List(Vec<Value<'a>>),
    /// Sorted by key, whatever the order on the wire.
    Dict(Vec<(&'a [u8], Value<'a>)>),
}

impl<'a> Value<'a> {
    /// The bytes that this value was read from, as written.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        if let Kind::Int(number) = self.kind { Some(number) } else { None }
    }

    /// The bytes, if it is a string.
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        if let Kind::Bytes(bytes) = self.kind { Some(bytes) } else { None }
    }

    /// The text, if it is a string of UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        self.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The values, if it is a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Kind::List(values) = &self.kind { Some(values) } else { None }
    }

    /// The entries in the order of their keys, if it is a dictionary.
    pub fn as_dict(&self) -> Option<&[(&'a [u8], Self)]> {
        if let Kind::Dict(entries) = &self.kind { Some(entries) } else { None }
    }

    /// The value at `key`, if it is a dictionary that has one.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let entries = self.as_dict()?;
        let at = entries.binary_search_by(|(name, _)| (*name).cmp(key.as_bytes())).ok()?;
        entries.get(at).map(|(_, value)| value)
    }
}
