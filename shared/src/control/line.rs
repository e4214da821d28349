//! Lines out, on both sides, and lines in on the peer's side.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::MAX_NUMBER;
use super::answer::Answer;
use super::fault::{ControlError, Fault, Refusal};
use super::fields::Fields;
use super::json::parse_object;
use super::push::Push;
use super::request::Request;

/// Anything that a tracker says.
#[derive(Debug, Clone, PartialEq)]
pub enum FromTracker {
    /// A request was done.
    Ok(OkLine),
    /// A request, or the whole connection, was refused.
    Refused {
        /// The request's number.
        id: Option<u64>,
        /// Why.
        refusal: Refusal,
    },
    /// Something that answers nothing.
    Push(Box<Push>),
}

/// An `ok` or a `welcome`, to be read by whoever knows what was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct OkLine {
    /// The request's number.
    pub id: Option<u64>,
    line: serde_json::Value,
}

impl OkLine {
    /// The answer, as the one who asked expects it ([`super::Ask::Answer`]).
    pub fn read<T: DeserializeOwned>(self) -> Result<T, ControlError> {
        let id = self.id;
        serde_json::from_value(self.line).map_err(|_| ControlError { id, fault: UNEXPECTED })
    }
}

const UNEXPECTED: Fault =
    Fault::BadJson { reason: "the tracker's line has another shape than expected", byte: 0 };

/// Reads one line of a tracker, without its line feed. Unknown fields are ignored, an unknown type
/// is [`Push::Unknown`].
pub fn parse_from_tracker(line: &[u8]) -> Result<FromTracker, ControlError> {
    let mut fields = Fields(parse_object(line)?);
    let id = fields.optional_number("id", MAX_NUMBER)?;
    let word = fields.text("type", 64).map_err(|fault| ControlError { id, fault })?;
    drop(fields);
    // Within the bounds that were just checked, so nothing that follows can grow or recurse far.
    let shape = |_: serde_json::Error| ControlError { id, fault: UNEXPECTED };
    match word.as_str() {
        "ok" | "welcome" => {
            Ok(FromTracker::Ok(OkLine { id, line: serde_json::from_slice(line).map_err(shape)? }))
        }
        "error" => Ok(FromTracker::Refused { id, refusal: serde_json::from_slice(line).map_err(shape)? }),
        _ => Ok(FromTracker::Push(serde_json::from_slice(line).map_err(shape)?)),
    }
}

/// One request as a line with its line feed.
pub fn write_request(id: Option<u64>, request: &Request) -> Vec<u8> {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(flatten)]
        request: &'a Request,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
    }
    write(&Line { request, id })
}

#[derive(Serialize)]
struct TypedLine<'a, T> {
    #[serde(rename = "type")]
    word: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(flatten)]
    fields: &'a T,
}

/// One answer as a line with its line feed.
pub fn write_answer(id: Option<u64>, answer: &Answer) -> Vec<u8> {
    let word = if matches!(answer, Answer::Welcome(_)) { "welcome" } else { "ok" };
    write(&TypedLine { word, id, fields: answer })
}

/// One answer that promises nothing, as the tracker cannot write to its disk: with `durable` false.
pub fn write_answer_unkept(id: Option<u64>, answer: &Answer) -> Vec<u8> {
    #[derive(Serialize)]
    struct Unkept<'a> {
        durable: bool,
        #[serde(flatten)]
        answer: &'a Answer,
    }
    let word = if matches!(answer, Answer::Welcome(_)) { "welcome" } else { "ok" };
    write(&TypedLine { word, id, fields: &Unkept { durable: false, answer } })
}

/// One refusal as a line with its line feed.
pub fn write_refusal(id: Option<u64>, refusal: &Refusal) -> Vec<u8> {
    write(&TypedLine { word: "error", id, fields: refusal })
}

/// One push as a line with its line feed.
pub fn write_push(push: &Push) -> Vec<u8> {
    write(push)
}

fn write<T: Serialize>(line: &T) -> Vec<u8> {
    // Writing can only fail for maps whose keys are not text, of which these types have none.
    let mut bytes = serde_json::to_vec(line).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}
