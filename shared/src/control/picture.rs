//! What a peer shows of a transfer while it runs, for pictures only: nothing is decided by it and nothing
//! of it is kept.

use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::fields::{Fields, number_of};
use super::json::Value;
use super::{MAX_CELLS, MAX_FLOWS, MAX_NUMBER};
use crate::id::PeerId;

/// What one connection moves at present, as one of its ends sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// The other end, by its own word.
    pub peer_id: PeerId,
    /// Bytes per second from it.
    pub down: u64,
    /// Bytes per second to it.
    pub up: u64,
}

/// The piece map: at most [`MAX_CELLS`] cells in the order of the content, each says how much of its part
/// is verified, from 0 to 255.
pub(super) fn pieces(fields: &mut Fields<'_>) -> Result<Option<Vec<u8>>, Fault> {
    let cells = super::parse::bytes(fields, "pieces", MAX_CELLS)?;
    Ok(cells.filter(|cells| !cells.is_empty()))
}

pub(super) fn flows(fields: &Fields<'_>) -> Result<Vec<Flow>, Fault> {
    fields.list("flows", MAX_FLOWS, |value| {
        let field = "flows";
        let Value::Object(object) = value else {
            return Err(Fault::WrongKind { field, expected: "a list of objects" });
        };
        let rate = |key: &str| match object.get(key) {
            None | Some(Value::Null) => Ok(0),
            Some(value) => number_of(value, field, MAX_NUMBER),
        };
        let peer_id = match object.get("peer_id") {
            Some(Value::Text(text)) => text.parse().map_err(|_| Fault::BadHash { field, digits: 40 }),
            _ => Err(Fault::Unfit { field, reason: "must hold objects with `peer_id`" }),
        };
        Ok(Flow { peer_id: peer_id?, down: rate("down")?, up: rate("up")? })
    })
}
