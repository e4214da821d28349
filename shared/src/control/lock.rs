//! The key of a closed room as it is said, and what is kept of it. The key itself is kept nowhere and shown
//! nowhere.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::fault::NameFault;

/// Bytes of a key.
pub const MAX_ROOM_KEY: usize = 128;
/// How often a key is hashed: what a guess costs whoever stole the database.
const ROUNDS: u32 = 2_000;

/// What opens a closed room: 1 to [`MAX_ROOM_KEY`] bytes, without blanks around it.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RoomKey(String);

impl RoomKey {
    /// A key as it was typed; an empty one is none.
    pub fn new(typed: &str) -> Result<Self, NameFault> {
        let key = typed.trim();
        if key.is_empty() {
            return Err(NameFault::Empty);
        }
        if key.len() > MAX_ROOM_KEY {
            return Err(NameFault::TooLong { limit: MAX_ROOM_KEY });
        }
        if key.chars().any(char::is_control) {
            return Err(NameFault::Control);
        }
        Ok(Self(key.to_owned()))
    }
}

/// Whatever prints requests or orders does not print keys.
impl fmt::Debug for RoomKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomKey(***)")
    }
}

impl<'de> Deserialize<'de> for RoomKey {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let typed = String::deserialize(from)?;
        Self::new(&typed).map_err(|fault| serde::de::Error::custom(format!("`key` {fault}")))
    }
}

/// What is kept of a key: enough to know it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomLock {
    /// Makes equal keys of two rooms differ.
    salt: u64,
    /// In hexadecimal digits.
    hash: String,
}

impl RoomLock {
    /// The lock that `key` opens. `salt` is random.
    pub fn new(key: &RoomKey, salt: u64) -> Self {
        let mut hash = Sha256::new().chain_update(salt.to_be_bytes()).chain_update(&key.0).finalize();
        for _ in 0..ROUNDS {
            hash = Sha256::new().chain_update(salt.to_be_bytes()).chain_update(hash).finalize();
        }
        let digits = hash.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let hash = digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect();
        Self { salt, hash }
    }

    /// Whether this key opens it.
    pub fn opens(&self, key: &RoomKey) -> bool {
        Self::new(key, self.salt) == *self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_key_opens_a_lock_and_nothing_prints_it() {
        let key = RoomKey::new(" tango lima ").unwrap();
        let lock = RoomLock::new(&key, 7);
        assert!(lock.opens(&RoomKey::new("tango lima").unwrap()));
        for other in ["Tango lima", "tango", "tango lima 2"] {
            assert!(!lock.opens(&RoomKey::new(other).unwrap()), "{other}");
        }
        assert_ne!(lock, RoomLock::new(&key, 8));
        let shown = format!("{key:?} {lock:?} {}", serde_json::to_string(&lock).unwrap());
        assert!(!shown.contains("tango"), "{shown}");
        let again: RoomLock = serde_json::from_str(&serde_json::to_string(&lock).unwrap()).unwrap();
        assert!(again.opens(&key));
    }

    #[test]
    fn keys_have_bounds() {
        for bad in ["", "  ", "a\u{1b}b", &"x".repeat(129)] {
            assert!(RoomKey::new(bad).is_err(), "{bad:?}");
        }
        assert!(RoomKey::new(&"x".repeat(128)).is_ok());
    }
}
