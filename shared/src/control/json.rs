//! A bounded reader of one JSON object.
//!
//! It knows no types of ours: it gives text, numbers as they were written, lists and objects, and
//! refuses what nests deeper than [`MAX_DEPTH`], holds more than [`MAX_KEYS`] keys or the same key
//! twice. Its own stack is as deep as [`MAX_DEPTH`] lets it be.

use std::collections::BTreeMap;

use super::fault::Fault;
use super::{MAX_DEPTH, MAX_KEYS};

/// The keys of one object.
pub(super) type Object<'a> = BTreeMap<String, Value<'a>>;

/// Anything that JSON can say.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number as it was written.
    Number(&'a str),
    /// Text, escapes resolved.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// An object.
    Object(Object<'a>),
}

/// Reads a line that holds exactly one object.
pub(super) fn parse_object(line: &[u8]) -> Result<Object<'_>, Fault> {
    let text = std::str::from_utf8(line).map_err(|error| Fault::NotUtf8 { byte: error.valid_up_to() })?;
    if text.starts_with('\u{feff}') {
        return Err(Fault::BadJson { reason: "byte order mark", byte: 0 });
    }
    let mut reader = Reader { text, at: 0 };
    reader.skip_space();
    if reader.peek() != Some(b'{') {
        // Judge what stands there first: `01` is no JSON, `12` is JSON of the wrong kind.
        let start = reader.at;
        reader.value(0)?;
        return Err(Fault::BadJson { reason: "object expected", byte: start });
    }
    let Value::Object(object) = reader.value(0)? else {
        return Err(reader.fault("object expected"));
    };
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.fault("text after the object"));
    }
    Ok(object)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn fault(&self, reason: &'static str) -> Fault {
        Fault::BadJson { reason, byte: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, Fault> {
        match self.peek() {
            Some(b'{' | b'[') if depth >= MAX_DEPTH => Err(Fault::TooDeep { byte: self.at }),
            Some(b'{') => self.object(depth),
            Some(b'[') => self.list(depth),
            Some(b'"') => Ok(Value::Text(self.string()?)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.word(),
            None => Err(self.fault("unexpected end")),
        }
    }

    fn word(&mut self) -> Result<Value<'a>, Fault> {
        for (word, value) in
            [("null", Value::Null), ("true", Value::Bool(true)), ("false", Value::Bool(false))]
        {
            if self.rest().starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.fault("a value was expected"))
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, Fault> {
        let mut object = Object::new();
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(object));
        }
        loop {
            self.skip_space();
            let start = self.at;
            match self.peek() {
                Some(b'"') => {}
                Some(_) => return Err(self.fault("a key in quotes was expected")),
                None => return Err(self.fault("unexpected end")),
            }
            let key = self.string()?;
            self.skip_space();
            match self.peek() {
                Some(b':') => self.at += 1,
                Some(_) => return Err(self.fault("`:` was expected")),
                None => return Err(self.fault("unexpected end")),
            }
            if object.len() == MAX_KEYS {
                return Err(Fault::TooManyKeys { byte: start });
            }
            self.skip_space();
            let value = self.value(depth + 1)?;
            if object.insert(key, value).is_some() {
                return Err(Fault::BadJson { reason: "a key is there twice", byte: start });
            }
            if self.another(b'}')? {
                continue;
            }
            return Ok(Value::Object(object));
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value<'a>, Fault> {
        let mut list = Vec::new();
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(list));
        }
        loop {
            self.skip_space();
            list.push(self.value(depth + 1)?);
            if !self.another(b']')? {
                return Ok(Value::List(list));
            }
        }
    }

    /// Whether a comma says that more follows; takes the comma or the end.
    fn another(&mut self, end: u8) -> Result<bool, Fault> {
        self.skip_space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(found) if found == end => {
                self.at += 1;
                Ok(false)
            }
            Some(_) => Err(self.fault("`,` or the end was expected")),
            None => Err(self.fault("unexpected end")),
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Value<'a>, Fault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leads_with_zero = self.peek() == Some(b'0');
        let whole = self.digits();
        if whole == 0 || (leads_with_zero && whole > 1) {
            return Err(Fault::BadJson { reason: "not a number", byte: start });
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(Fault::BadJson { reason: "not a number", byte: start });
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(Fault::BadJson { reason: "not a number", byte: start });
            }
        }
        if matches!(self.peek(), Some(b'a'..=b'z' | b'A'..=b'Z' | b'.')) {
            return Err(Fault::BadJson { reason: "not a number", byte: start });
        }
        Ok(Value::Number(self.text.get(start..self.at).unwrap_or_default()))
    }

    fn string(&mut self) -> Result<String, Fault> {
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let plain = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20);
            let Some(plain) = plain else {
                self.at = self.text.len();
                return Err(self.fault("unexpected end"));
            };
            text.push_str(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                _ => return Err(self.fault("control character in a text")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at;
        self.at += 1;
        let escaped = self.peek();
        self.at += 1;
        Ok(match escaped {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(start),
            _ => return Err(Fault::BadJson { reason: "unknown escape", byte: start }),
        })
    }

    fn unicode(&mut self, start: usize) -> Result<char, Fault> {
        let unpaired = Fault::BadJson { reason: "unpaired surrogate", byte: start };
        let first = self.four_digits(start)?;
        match first {
            0xD800..=0xDBFF => {
                if !self.rest().starts_with("\\u") {
                    return Err(unpaired);
                }
                self.at += 2;
                let second = self.four_digits(start)?;
                if !(0xDC00..=0xDFFF).contains(&second) {
                    return Err(unpaired);
                }
                char::from_u32(0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)).ok_or(unpaired)
            }
            _ => char::from_u32(first).ok_or(unpaired),
        }
    }

    fn four_digits(&mut self, start: usize) -> Result<u32, Fault> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|c| c.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        self.at += 4;
        code.ok_or(Fault::BadJson { reason: "unknown escape", byte: start })
    }
}
