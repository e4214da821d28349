//! The info dictionary from peers (BEP 9), in pieces of 16 KiB.

use bytes::Bytes;
use shared::bencode::{Dict, Limits, Value, decode_prefix};

use super::ExtendedError;

/// What the extension is called in the extension handshake.
pub const NAME: &str = "ut_metadata";
/// Length of every piece of the dictionary but the last, in bytes.
pub const METADATA_PIECE_LENGTH: u32 = 16 * 1024;
/// The longest info dictionary that is believed, in bytes: the longest that can be read.
pub const MAX_METADATA_SIZE: u32 = 10 * 1024 * 1024;

/// How many pieces an info dictionary of `size` bytes has.
pub fn metadata_pieces(size: u32) -> u32 {
    size.div_ceil(METADATA_PIECE_LENGTH)
}

/// Length in bytes of piece `piece` of an info dictionary of `size` bytes; `None` beyond its end.
pub fn metadata_piece_length(size: u32, piece: u32) -> Option<u32> {
    let begin = piece.checked_mul(METADATA_PIECE_LENGTH).filter(|begin| *begin < size)?;
    Some((size - begin).min(METADATA_PIECE_LENGTH))
}

/// One message of the extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UtMetadata {
    /// Send me this piece.
    Request {
        /// Its number, as the far side wrote it: nothing says yet that it exists.
        piece: u32,
    },
    /// The piece you asked for. Its length fits its number and `total_size`.
    Data {
        /// Its number.
        piece: u32,
        /// Length of the whole dictionary in bytes, 1 to [`MAX_METADATA_SIZE`].
        total_size: u32,
        /// The bytes: a slice of the payload, never a copy.
        data: Bytes,
    },
    /// I will not send this piece.
    Reject {
        /// Its number.
        piece: u32,
    },
    /// A kind we do not know: ignored and counted.
    Unknown(i64),
}

impl UtMetadata {
    /// The payload of the message.
    pub fn encode(&self) -> Vec<u8> {
        let head = |kind, piece| Dict::default().int("msg_type", kind).int("piece", i64::from(piece));
        match self {
            Self::Request { piece } => head(0, *piece).encode(),
            Self::Data { piece, total_size, data } => {
                let mut payload = head(1, *piece).int("total_size", i64::from(*total_size)).encode();
                payload.extend_from_slice(data);
                payload
            }
            Self::Reject { piece } => head(2, *piece).encode(),
            Self::Unknown(kind) => Dict::default().int("msg_type", *kind).encode(),
        }
    }

    /// Reads a payload: a dictionary, and for data the bytes behind it.
    pub fn decode(payload: &Bytes) -> Result<Self, ExtendedError> {
        let decoded = decode_prefix(payload, Limits::MESSAGE)?;
        let dict = &decoded.value;
        if dict.as_dict().is_none() {
            return Err(ExtendedError::NotDictionary);
        }
        let kind = number(dict, "msg_type")?;
        if !(0..=2).contains(&kind) {
            return Ok(Self::Unknown(kind));
        }
        let value = number(dict, "piece")?;
        let piece = u32::try_from(value).map_err(|_| ExtendedError::BadNumber { key: "piece", value })?;
        match kind {
            0 => return Ok(Self::Request { piece }),
            2 => return Ok(Self::Reject { piece }),
            _ => {}
        }
        let (key, value) = ("total_size", number(dict, "total_size")?);
        let total_size = u32::try_from(value).ok().filter(|size| (1..=MAX_METADATA_SIZE).contains(size));
        let total_size = total_size.ok_or(ExtendedError::BadNumber { key, value })?;
        let expected = metadata_piece_length(total_size, piece);
        let expected = expected.ok_or(ExtendedError::BadNumber { key: "piece", value: i64::from(piece) })?;
        let bytes = decoded.rest.len();
        if bytes != expected as usize {
            return Err(ExtendedError::WrongLength { piece, bytes, expected: expected as usize });
        }
        Ok(Self::Data { piece, total_size, data: payload.slice(payload.len() - bytes..) })
    }
}

fn number(dict: &Value<'_>, key: &'static str) -> Result<i64, ExtendedError> {
    dict.get(key).and_then(Value::as_int).ok_or(ExtendedError::Missing { key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(payload: &[u8]) -> Result<UtMetadata, ExtendedError> {
        UtMetadata::decode(&Bytes::copy_from_slice(payload))
    }

    #[test]
    fn the_three_messages_are_as_the_bep_writes_them() {
        let data = Bytes::from_static(b"xx");
        for (message, payload) in [
            (UtMetadata::Request { piece: 0 }, &b"d8:msg_typei0e5:piecei0ee"[..]),
            (
                UtMetadata::Data { piece: 2, total_size: 32_770, data },
                b"d8:msg_typei1e5:piecei2e10:total_sizei32770eexx",
            ),
            (UtMetadata::Reject { piece: 7 }, b"d8:msg_typei2e5:piecei7ee"),
        ] {
            assert_eq!(message.encode(), payload);
            assert_eq!(decode(payload), Ok(message));
        }
        assert_eq!(decode(b"d8:msg_typei9ee"), Ok(UtMetadata::Unknown(9)));
    }

    #[test]
    fn data_stays_a_slice_of_the_payload() {
        let payload = Bytes::from_static(b"d8:msg_typei1e5:piecei0e10:total_sizei3eeabc");
        let Ok(UtMetadata::Data { data, .. }) = UtMetadata::decode(&payload) else { panic!("no data") };
        assert_eq!(data.as_ptr(), payload[payload.len() - 3..].as_ptr());
    }

    #[test]
    fn p28_and_p29_numbers_that_cannot_be_are_refused() {
        let missing = |key| Err(ExtendedError::Missing { key });
        let bad = |key, value| Err(ExtendedError::BadNumber { key, value });
        for (payload, error) in [
            (&b"de"[..], missing("msg_type")),
            (b"i1e", Err(ExtendedError::NotDictionary)),
            (b"d8:msg_typei0ee", missing("piece")),
            (b"d8:msg_typei0e5:piecei-1ee", bad("piece", -1)),
            (b"d8:msg_typei0e5:piecei4294967296ee", bad("piece", 1 << 32)),
            (b"d8:msg_typei1e5:piecei0eex", missing("total_size")),
            (b"d8:msg_typei1e5:piecei0e10:total_sizei-1eex", bad("total_size", -1)),
            (b"d8:msg_typei1e5:piecei0e10:total_sizei0ee", bad("total_size", 0)),
            (b"d8:msg_typei1e5:piecei0e10:total_sizei1099511627776eex", bad("total_size", 1 << 40)),
            (b"d8:msg_typei1e5:piecei1000000000e10:total_sizei5eex", bad("piece", 1_000_000_000)),
            (
                b"d8:msg_typei1e5:piecei0e10:total_sizei3eeabcd",
                Err(ExtendedError::WrongLength { piece: 0, bytes: 4, expected: 3 }),
            ),
        ] {
            assert_eq!(decode(payload), error, "{}", String::from_utf8_lossy(payload));
        }
        assert_eq!(
            decode(b"d8:msg_typei0e5:piecei1000000000ee"),
            Ok(UtMetadata::Request { piece: 1_000_000_000 }),
            "whoever has the dictionary knows that there is no such piece, and rejects it"
        );
    }

    #[test]
    fn pieces_cover_the_dictionary() {
        for size in [1, 16_383, 16_384, 16_385, 32_768, MAX_METADATA_SIZE] {
            let pieces = metadata_pieces(size);
            let lengths = (0..pieces).map(|piece| metadata_piece_length(size, piece).unwrap());
            assert_eq!(lengths.sum::<u32>(), size);
            assert_eq!(metadata_piece_length(size, pieces), None);
        }
        assert_eq!((metadata_pieces(0), metadata_piece_length(0, 0)), (0, None));
        assert_eq!(metadata_piece_length(u32::MAX, u32::MAX), None);
    }

    #[test]
    fn what_is_believed_can_be_read() {
        assert_eq!(MAX_METADATA_SIZE as usize, Limits::TORRENT.bytes);
    }

    proptest! {
        #[test]
        fn reads_back_what_it_writes(total_size in 1_u32..100_000, at: prop::sample::Index, kind in 0..3) {
            let piece = u32::try_from(at.index(metadata_pieces(total_size) as usize)).unwrap();
            let length = metadata_piece_length(total_size, piece).unwrap() as usize;
            let message = match kind {
                0 => UtMetadata::Request { piece },
                1 => UtMetadata::Data { piece, total_size, data: vec![b'e'; length].into() },
                _ => UtMetadata::Reject { piece },
            };
            prop_assert_eq!(decode(&message.encode()), Ok(message));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&bytes);
            let _ = decode(&[&b"d8:msg_typei1e5:piecei"[..], &bytes].concat());
        }
    }
}
