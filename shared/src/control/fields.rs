//! Typed reading of the keys of one object, each refusal naming its key and its limit.

use super::fault::{Fault, NumberFault};
use super::json::{Object, Value};
use super::{Have, MAX_NUMBER};

/// The keys of a request; keys that nobody asks for are ignored, `null` is as good as absent.
pub(super) struct Fields<'a>(pub(super) Object<'a>);

impl<'a> Fields<'a> {
    fn value(&self, key: &str) -> Option<&Value<'a>> {
        self.0.get(key).filter(|value| **value != Value::Null)
    }

    /// Text of at most `limit` bytes, where it is there.
    pub(super) fn optional_text(
        &mut self,
        field: &'static str,
        limit: usize,
    ) -> Result<Option<String>, Fault> {
        match self.0.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Text(text)) if text.len() > limit => {
                Err(Fault::TextTooLong { field, length: text.len(), limit })
            }
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(Fault::WrongKind { field, expected: "text" }),
        }
    }

    /// Text of at most `limit` bytes.
    pub(super) fn text(&mut self, field: &'static str, limit: usize) -> Result<String, Fault> {
        self.optional_text(field, limit)?.ok_or(Fault::Missing { field })
    }

    /// A whole number up to `limit`, where it is there.
    pub(super) fn optional_number(&self, field: &'static str, limit: u64) -> Result<Option<u64>, Fault> {
        self.value(field).map(|value| number_of(value, field, limit)).transpose()
    }

    /// A whole number up to 2^53 - 1.
    pub(super) fn number(&self, field: &'static str) -> Result<u64, Fault> {
        self.optional_number(field, MAX_NUMBER)?.ok_or(Fault::Missing { field })
    }

    /// `true` or `false`; `false` when it is not there.
    pub(super) fn flag(&self, field: &'static str) -> Result<bool, Fault> {
        match self.value(field) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(Fault::WrongKind { field, expected: "true or false" }),
        }
    }

    /// Hexadecimal digits of an id, where it is there.
    pub(super) fn optional_hex<T: std::str::FromStr>(
        &mut self,
        field: &'static str,
        digits: usize,
    ) -> Result<Option<T>, Fault> {
        let text = self.optional_text(field, 1024)?;
        text.map(|text| text.parse().map_err(|_| Fault::BadHash { field, digits })).transpose()
    }

    /// A list of at most `limit` items, each read by `read`; empty when it is not there.
    pub(super) fn list<T>(
        &self,
        field: &'static str,
        limit: usize,
        read: impl Fn(&Value<'a>) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        match self.value(field) {
            None => Ok(Vec::new()),
            Some(Value::List(list)) if list.len() > limit => Err(Fault::TooMany { field, limit }),
            Some(Value::List(list)) => list.iter().map(read).collect(),
            Some(_) => Err(Fault::WrongKind { field, expected: "a list" }),
        }
    }

    /// `"full"` or a count of pieces; `default` when it is not there.
    pub(super) fn have(&self, default: Have) -> Result<Have, Fault> {
        let field = "have";
        match self.value(field) {
            None => Ok(default),
            Some(Value::Text(word)) if word == "full" => Ok(Have::Full),
            Some(value @ Value::Number(_)) => Ok(Have::Pieces(number_of(value, field, MAX_NUMBER)?)),
            Some(_) => Err(Fault::WrongKind { field, expected: "\"full\" or a count of pieces" }),
        }
    }
}

/// The whole number that `value` says, up to `limit`.
pub(super) fn number_of(value: &Value<'_>, field: &'static str, limit: u64) -> Result<u64, Fault> {
    let Value::Number(written) = value else {
        return Err(Fault::WrongKind { field, expected: "a number" });
    };
    whole(written, limit).map_err(|fault| Fault::Number { field, fault })
}

fn whole(written: &str, limit: u64) -> Result<u64, NumberFault> {
    let too_large = NumberFault::TooLarge { limit };
    if let Some(below) = written.strip_prefix('-') {
        return if below == "0" { Ok(0) } else { Err(NumberFault::Negative) };
    }
    if written.bytes().all(|byte| byte.is_ascii_digit()) {
        return written.parse().ok().filter(|number| *number <= limit).ok_or(too_large);
    }
    // `1e400` is too large, `1.5` and `1e-1` are not whole; neither is worth doing arithmetic for.
    let exponent = written.rsplit_once(['e', 'E']).map(|(_, exponent)| exponent);
    match exponent {
        Some(exponent) if !exponent.starts_with('-') && !written.contains('.') => Err(too_large),
        _ => Err(NumberFault::NotWhole),
    }
}
