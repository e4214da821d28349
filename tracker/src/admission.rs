//! What is checked of a share before the registry sees it: that its info dictionary and its piece layers
//! are what it says.
//!
//! Hashing half a megabyte takes a while, so it is done here, in the session's task, and never under
//! the hub's lock.

use shared::control::{Code, Refusal, Share};
use shared::metainfo::{Info, Metainfo};

/// Refuses an info dictionary that does not have the hashes, size or root that were told with it:
/// everyone who asks for the entry would get it.
pub(crate) fn check(share: &Share) -> Result<(), Refusal> {
    let Some(bytes) = &share.info else { return Ok(()) };
    let refuse = |text: String| Err(Refusal::new(Code::BadField, text));
    let info = match Info::parse(bytes) {
        Ok(info) => info,
        Err(error) => return refuse(format!("`info` is not an info dictionary: {error}")),
    };
    let (told, real) = (share.hashes, info.hashes());
    if told.get_v1().is_some() && told.get_v1() != real.get_v1() {
        return refuse("`info` does not have the `info_hash_v1` that was told".to_owned());
    }
    if told.get_v2().is_some() && told.get_v2() != real.get_v2() {
        return refuse("`info` does not have the `info_hash_v2` that was told".to_owned());
    }
    if info.length() != share.size {
        return refuse(format!("`size` is {}, but `info` makes {}", share.size, info.length()));
    }
    if info.is_private() != share.private {
        return refuse("`private` is not what `info` says".to_owned());
    }
    if let Some(layers) = &share.layers
        && let Err(error) = Metainfo::of_parts(info, layers)
    {
        return refuse(format!("`layers` are not the piece layers of `info`: {error}"));
    }
    Ok(())
}
