//! The query string of a GET: pairs of bytes, bounded before they are looked at.

use std::borrow::Cow;

use shared::InfoHash;
use thiserror::Error;

/// The longest query that is read, in bytes.
pub const MAX_QUERY: usize = 8 * 1024;
/// The most pairs that one query may hold.
pub const MAX_PAIRS: usize = 128;

/// What is wrong with a query: one sentence for whoever wrote the client.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum QueryError {
    /// Longer than any real one.
    #[error("query of {bytes} bytes, limit {MAX_QUERY}")]
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// More pairs than any real one.
    #[error("more than {MAX_PAIRS} parameters")]
    TooMany,
    /// A `%` without two hexadecimal digits behind it.
    #[error("bad percent code in {key}")]
    Percent {
        /// Where.
        key: &'static str,
    },
    /// Which of the two counts?
    #[error("{key} is given twice")]
    Twice {
        /// Which.
        key: &'static str,
    },
    /// It must be there.
    #[error("{key} is missing")]
    Missing {
        /// Which.
        key: &'static str,
    },
    /// A hash or id of another length.
    #[error("{key} must be 20 raw bytes percent-encoded, got {bytes}")]
    Length {
        /// Which.
        key: &'static str,
        /// Bytes that came.
        bytes: usize,
    },
    /// A hash written as text.
    #[error("info_hash must be 20 raw bytes percent-encoded, got hex")]
    Hex,
    /// No number, or one that cannot be.
    #[error("{key} is no number that can be")]
    Number {
        /// Which.
        key: &'static str,
    },
    /// A word that names no event.
    #[error("event is none of started, completed, stopped")]
    Event,
}

/// A key and its value, as they were written.
pub(super) type Pair<'a> = (&'a [u8], &'a [u8]);

/// The pairs of a query in their order, still percent-encoded. A key without `=` has no bytes.
pub(super) fn split(query: &[u8]) -> Result<Vec<Pair<'_>>, QueryError> {
    if query.len() > MAX_QUERY {
        return Err(QueryError::TooLong { bytes: query.len() });
    }
    // As many as a client writes, so that it grows for nobody.
    let mut pairs = Vec::with_capacity(16);
    for pair in query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        if pairs.len() == MAX_PAIRS {
            return Err(QueryError::TooMany);
        }
        let end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let (key, value) = pair.split_at_checked(end).unwrap_or((pair, &[]));
        pairs.push((key, value.get(1..).unwrap_or_default()));
    }
    Ok(pairs)
}

/// The value of `key`, decoded; an error when it stands there twice.
pub(super) fn one<'a>(pairs: &[Pair<'a>], key: &'static str) -> Result<Option<Cow<'a, [u8]>>, QueryError> {
    let mut values = pairs.iter().filter(|(name, _)| *name == key.as_bytes());
    let Some((_, value)) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(QueryError::Twice { key });
    }
    unescape(value).map(Some).ok_or(QueryError::Percent { key })
}

/// Twenty raw bytes.
pub(super) fn twenty(value: &[u8], key: &'static str) -> Result<[u8; 20], QueryError> {
    if key == "info_hash" && matches!(value.len(), 40 | 64) && value.iter().all(u8::is_ascii_hexdigit) {
        return Err(QueryError::Hex);
    }
    value.try_into().map_err(|_| QueryError::Length { key, bytes: value.len() })
}

/// A torrent's name.
pub(super) fn info_hash(value: &[u8]) -> Result<InfoHash, QueryError> {
    twenty(value, "info_hash").map(InfoHash)
}

/// Undoes percent codes; `+` is itself, as clients write a space as `%20`.
pub(super) fn unescape(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    if !value.contains(&b'%') {
        return Some(Cow::Borrowed(value));
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| hex(*digit));
                let (high, low) = (digit()?, digit()?);
                high << 4 | low
            }
            byte => *byte,
        });
    }
    Some(Cow::Owned(bytes))
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Bytes as they may stand in a query.
pub(super) fn escape(bytes: &[u8]) -> String {
    let mut escaped = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            escaped.push(char::from(*byte));
        } else {
            let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0').to_ascii_uppercase();
            escaped.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    escaped
}
