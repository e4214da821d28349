//! A piece that a peer had and has lost (BEP 54): the opposite of `have`.

use std::fmt;

use super::ExtendedError;

/// What the extension is called in the extension handshake.
pub const NAME: &str = "lt_donthave";

/// The one message of the extension: I do not have this piece any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LtDontHave {
    /// Number of the piece, as the far side wrote it: nothing says yet that it exists.
    pub piece: u32,
}

impl LtDontHave {
    /// The payload of the message: four bytes.
    pub fn encode(self) -> Vec<u8> {
        self.piece.to_be_bytes().to_vec()
    }

    /// Reads a payload.
    pub fn decode(payload: &[u8]) -> Result<Self, ExtendedError> {
        let wrong = ExtendedError::WrongSize { bytes: payload.len(), expected: 4 };
        let piece = <[u8; 4]>::try_from(payload).map_err(|_| wrong)?;
        Ok(Self { piece: u32::from_be_bytes(piece) })
    }
}

impl fmt::Display for LtDontHave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "don't have {}", self.piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_four_bytes_and_nothing_else() {
        let message = LtDontHave { piece: 0x0102_0304 };
        assert_eq!(message.encode(), [1, 2, 3, 4]);
        assert_eq!(LtDontHave::decode(&[1, 2, 3, 4]), Ok(message));
        assert_eq!(message.to_string(), "don't have 16909060");
        for bytes in [0, 1, 3, 5, 400] {
            let error = ExtendedError::WrongSize { bytes, expected: 4 };
            assert_eq!(LtDontHave::decode(&vec![0; bytes]), Err(error));
        }
    }
}
