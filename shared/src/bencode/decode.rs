//! Reading bencode: iterative, bounded in bytes, depth and tokens, exact about where it failed.

use thiserror::Error;

use super::{Kind, Value};

/// How much a reader believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest input, in bytes.
    pub bytes: usize,
    /// The deepest nesting.
    pub depth: usize,
    /// The most values and keys in all.
    pub tokens: usize,
}

impl Limits {
    /// For a .torrent file.
    pub const TORRENT: Self = Self { bytes: 10 * 1024 * 1024, depth: 64, tokens: 3_000_000 };
    /// For one message of a peer.
    pub const MESSAGE: Self = Self { bytes: 1024 * 1024, depth: 16, tokens: 20_000 };
}

/// Why bytes are not bencode that we believe. Offsets count from the start of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The input is longer than the limit.
    #[error("{length} bytes, limit {limit}")]
    TooLong {
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The input stops inside a value.
    #[error("unexpected end at byte {at}")]
    End {
        /// Where more was needed.
        at: usize,
    },
    /// A byte that cannot stand there.
    #[error("expected {expected} at byte {at}")]
    Unexpected {
        /// What could have stood there.
        expected: &'static str,
        /// Where.
        at: usize,
    },
    /// `-0`, leading zeros, or beyond 64 bits.
    #[error("bad number at byte {at}")]
    Number {
        /// Where the number begins.
        at: usize,
    },
    /// Nested deeper than the limit.
    #[error("nested deeper than {limit} at byte {at}")]
    TooDeep {
        /// The limit.
        limit: usize,
        /// Where.
        at: usize,
    },
    /// More values than the limit.
    #[error("more than {limit} values at byte {at}")]
    TooMany {
        /// The limit.
        limit: usize,
        /// Where.
        at: usize,
    },
    /// A dictionary has a key twice.
    #[error("key given twice at byte {at}")]
    DuplicateKey {
        /// Where the dictionary ends.
        at: usize,
    },
    /// Bytes follow the value.
    #[error("bytes after the end at byte {at}")]
    Trailing {
        /// Where the value ended.
        at: usize,
    },
}

/// A value with what was odd about its encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded<'a> {
    /// The value.
    pub value: Value<'a>,
    /// Whether some dictionary had its keys out of order.
    pub unsorted: bool,
    /// What follows the value.
    pub rest: &'a [u8],
}

/// Reads the one value that `input` is.
pub fn decode(input: &[u8], limits: Limits) -> Result<Value<'_>, DecodeError> {
    let decoded = decode_prefix(input, limits)?;
    if decoded.rest.is_empty() {
        Ok(decoded.value)
    } else {
        Err(DecodeError::Trailing { at: input.len() - decoded.rest.len() })
    }
}

/// Reads the value at the head of `input` and tells what follows it.
pub fn decode_prefix(input: &[u8], limits: Limits) -> Result<Decoded<'_>, DecodeError> {
    if input.len() > limits.bytes {
        return Err(DecodeError::TooLong { length: input.len(), limit: limits.bytes });
    }
    Reader { input, at: 0, tokens: 0, limits, open: Vec::new(), unsorted: false }.read()
}

/// A list or dictionary whose end has not come yet.
struct Open<'a> {
    start: usize,
    parts: Parts<'a>,
}

enum Parts<'a> {
    List(Vec<Value<'a>>),
    Dict(Vec<(&'a [u8], Value<'a>)>, Option<&'a [u8]>),
}

struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    tokens: usize,
    limits: Limits,
    open: Vec<Open<'a>>,
    unsorted: bool,
}

impl<'a> Reader<'a> {
    fn read(mut self) -> Result<Decoded<'a>, DecodeError> {
        loop {
            let Some(value) = self.step()? else { continue };
            match self.open.last_mut() {
                None => {
                    let rest = self.input.get(self.at..).unwrap_or_default();
                    return Ok(Decoded { value, unsorted: self.unsorted, rest });
                }
                Some(Open { parts: Parts::List(values), .. }) => values.push(value),
                Some(Open { parts: Parts::Dict(entries, key), .. }) => match (key.take(), value.kind) {
                    (Some(key), kind) => entries.push((key, Value { kind, raw: value.raw })),
                    (None, Kind::Bytes(bytes)) => *key = Some(bytes),
                    (None, _) => {
                        let at = self.at.saturating_sub(value.raw.len());
                        return Err(DecodeError::Unexpected { expected: "a key", at });
                    }
                },
            }
        }
    }

    /// Takes one token; gives a value when the token ends one.
    fn step(&mut self) -> Result<Option<Value<'a>>, DecodeError> {
        let start = self.at;
        self.tokens += 1;
        if self.tokens > self.limits.tokens {
            return Err(DecodeError::TooMany { limit: self.limits.tokens, at: start });
        }
        match self.peek()? {
            b'i' => {
                self.at += 1;
                let number = self.number(b'e')?;
                Ok(Some(self.value(Kind::Int(number), start)))
            }
            b'0'..=b'9' => {
                let length = self.number(b':')?;
                let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
                let bytes = end
                    .and_then(|end| self.input.get(self.at..end))
                    .ok_or(DecodeError::End { at: self.input.len() })?;
                self.at += bytes.len();
                Ok(Some(self.value(Kind::Bytes(bytes), start)))
            }
            b'l' => self.enter(Parts::List(Vec::new())),
            b'd' => self.enter(Parts::Dict(Vec::new(), None)),
            b'e' => self.leave().map(Some),
            _ => Err(DecodeError::Unexpected { expected: "a value", at: start }),
        }
    }

    fn peek(&self) -> Result<u8, DecodeError> {
        self.input.get(self.at).copied().ok_or(DecodeError::End { at: self.at })
    }

    fn value(&self, kind: Kind<'a>, start: usize) -> Value<'a> {
        Value { kind, raw: self.input.get(start..self.at).unwrap_or_default() }
    }

    fn enter(&mut self, parts: Parts<'a>) -> Result<Option<Value<'a>>, DecodeError> {
        if self.open.len() >= self.limits.depth {
            return Err(DecodeError::TooDeep { limit: self.limits.depth, at: self.at });
        }
        self.open.push(Open { start: self.at, parts });
        self.at += 1;
        Ok(None)
    }

    fn leave(&mut self) -> Result<Value<'a>, DecodeError> {
        let at = self.at;
        let Some(open) = self.open.pop() else {
            return Err(DecodeError::Unexpected { expected: "a value", at });
        };
        self.at += 1;
        let kind = match open.parts {
            Parts::List(values) => Kind::List(values),
            Parts::Dict(_, Some(_)) => return Err(DecodeError::Unexpected { expected: "a value", at }),
            Parts::Dict(mut entries, None) => {
                if !entries.is_sorted_by(|(one, _), (next, _)| one < next) {
                    self.unsorted = true;
                    entries.sort_by_key(|(key, _)| *key);
                    if entries.windows(2).any(|pair| matches!(pair, [(one, _), (next, _)] if one == next)) {
                        return Err(DecodeError::DuplicateKey { at });
                    }
                }
                Kind::Dict(entries)
            }
        };
        Ok(self.value(kind, open.start))
    }

    /// Reads digits (with a sign, before `e`) up to `end`: no leading zeros, no `-0`, 64 bits.
    fn number(&mut self, end: u8) -> Result<i64, DecodeError> {
        let start = self.at;
        let bad = DecodeError::Number { at: start };
        let negative = end == b'e' && self.peek()? == b'-';
        self.at += usize::from(negative);
        let first = self.at;
        let mut number: i64 = 0;
        loop {
            match self.peek()? {
                digit @ b'0'..=b'9' => {
                    let digit = i64::from(digit - b'0');
                    let signed = if negative { -digit } else { digit };
                    number = number.checked_mul(10).and_then(|n| n.checked_add(signed)).ok_or(bad)?;
                    self.at += 1;
                }
                byte if byte == end => break,
                _ => return Err(bad),
            }
        }
        let digits = self.at - first;
        let leading_zero = self.input.get(first) == Some(&b'0');
        if digits == 0 || (leading_zero && (digits > 1 || negative)) {
            return Err(bad);
        }
        self.at += 1;
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Result<Value<'_>, DecodeError> {
        decode(input, Limits::TORRENT)
    }

    #[test]
    fn values_keep_the_bytes_they_were_made_of() {
        let value = read(b"d4:infod1:ai-5ee4:listl2:hii0eee").unwrap();
        let info = value.get("info").unwrap();
        assert_eq!(info.raw(), b"d1:ai-5ee");
        assert_eq!(info.get("a").and_then(Value::as_int), Some(-5));
        let list = value.get("list").and_then(Value::as_list).unwrap();
        assert_eq!(list.first().and_then(Value::as_str), Some("hi"));
        assert!(value.get("nothing").is_none());
    }

    #[test]
    fn b05_to_b16_ambiguous_or_broken_input_is_refused_with_its_place() {
        use DecodeError::{DuplicateKey, End, Number, Trailing, Unexpected};
        let cases: [(&[u8], DecodeError); 17] = [
            (b"", End { at: 0 }),
            (b"i", End { at: 1 }),
            (b"<html>", Unexpected { expected: "a value", at: 0 }),
            (b"i-0e", Number { at: 1 }),
            (b"i08e", Number { at: 1 }),
            (b"ie", Number { at: 1 }),
            (b"i-e", Number { at: 1 }),
            (b"i9223372036854775808e", Number { at: 1 }),
            (b"4:abc", End { at: 5 }),
            (b"-4:abcd", Unexpected { expected: "a value", at: 0 }),
            (b"04:abcd", Number { at: 0 }),
            (b"99999999999:x", End { at: 13 }),
            (b"18446744073709551617:x", Number { at: 0 }),
            (b"l", End { at: 1 }),
            (b"di1e1:ae", Unexpected { expected: "a key", at: 1 }),
            (b"d1:ai1e1:ai2ee", DuplicateKey { at: 13 }),
            (b"i1ei2e", Trailing { at: 3 }),
        ];
        for (input, error) in cases {
            assert_eq!(read(input), Err(error), "{}", String::from_utf8_lossy(input));
        }
        assert!(read(b"d1:ae").is_err() && read(b"e").is_err());
        assert_eq!(read(b"i-9223372036854775808e").unwrap().as_int(), Some(i64::MIN));
    }

    #[test]
    fn b14_keys_out_of_order_are_accepted_and_told() {
        let decoded = decode_prefix(b"d1:bi1e1:ai2eeX", Limits::TORRENT).unwrap();
        assert!(decoded.unsorted);
        assert_eq!(decoded.rest, b"X");
        assert_eq!(decoded.value.get("a").and_then(Value::as_int), Some(2));
        assert!(!decode_prefix(b"d1:ai1e1:bi2ee", Limits::TORRENT).unwrap().unsorted);
    }

    #[test]
    fn b17_to_b20_bombs_are_refused_early() {
        assert_eq!(read(&vec![b'l'; 1_000_000]), Err(DecodeError::TooDeep { limit: 64, at: 64 }));
        let mut deep = vec![b'l'; 64];
        deep.extend(vec![b'e'; 64]);
        assert!(read(&deep).is_ok());
        let many = [&b"l"[..], &b"0:".repeat(3_000_000), b"e"].concat();
        assert_eq!(read(&many), Err(DecodeError::TooMany { limit: 3_000_000, at: 5_999_999 }));
        let long = vec![b'0'; 10 * 1024 * 1024 + 1];
        assert!(matches!(read(&long), Err(DecodeError::TooLong { .. })));
    }
}
