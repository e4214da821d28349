//! Bytes to messages and back. Payloads stay slices of what was read.

use bytes::{Buf, Bytes};

use crate::message::{HashRange, Message, Range};
use crate::violation::Violation;

/// The longest message that is believed, without its length prefix: a bitfield of 8,000,000 pieces
/// and a `piece` of 1 MiB both fit.
pub const MAX_MESSAGE_LENGTH: u32 = 1024 * 1024 + 13;

/// Length of what stands before the bytes of a `piece` message: prefix, number, index, begin.
pub const PIECE_HEADER_LENGTH: usize = 13;

/// How many bytes the message at the head of `buffer` has with its prefix; `None` until the prefix
/// is there. A length that no message has is refused before anything of it is buffered.
pub fn frame_length(buffer: &[u8]) -> Result<Option<usize>, Violation> {
    let Some(prefix) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_be_bytes(*prefix);
    if length > MAX_MESSAGE_LENGTH {
        return Err(Violation::TooLong { length, limit: MAX_MESSAGE_LENGTH });
    }
    Ok(Some(4 + length as usize))
}

/// Takes one message off the head of `buffer`; `None` (and nothing taken) while it is incomplete.
pub fn decode(buffer: &mut Bytes) -> Result<Option<Message>, Violation> {
    match frame_length(buffer)? {
        Some(length) if buffer.len() >= length => {
            let mut frame = buffer.split_to(length);
            frame.advance(4);
            decode_frame(frame).map(Some)
        }
        _ => Ok(None),
    }
}

fn decode_frame(mut frame: Bytes) -> Result<Message, Violation> {
    if frame.is_empty() {
        return Ok(Message::KeepAlive);
    }
    let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    let id = frame.get_u8();
    let wrong = Violation::WrongLength { id, length };
    let exact = |bytes: usize| if frame.len() == bytes { Ok(()) } else { Err(wrong) };
    let message = match id {
        0..=3 | 14 | 15 => {
            exact(0)?;
            match id {
                0 => Message::Choke,
                1 => Message::Unchoke,
                2 => Message::Interested,
                3 => Message::NotInterested,
                14 => Message::HaveAll,
                _ => Message::HaveNone,
            }
        }
        4 | 13 | 17 => {
            exact(4)?;
            let piece = frame.get_u32();
            match id {
                4 => Message::Have(piece),
                13 => Message::Suggest(piece),
                _ => Message::AllowedFast(piece),
            }
        }
        5 => Message::Bitfield(frame),
        6 | 8 | 16 => {
            exact(12)?;
            let range = Range { index: frame.get_u32(), begin: frame.get_u32(), length: frame.get_u32() };
            match id {
                6 => Message::Request(range),
                8 => Message::Cancel(range),
                _ => Message::Reject(range),
            }
        }
        7 => {
            if frame.len() < 8 {
                return Err(wrong);
            }
            Message::Piece { index: frame.get_u32(), begin: frame.get_u32(), data: frame }
        }
        9 => {
            exact(2)?;
            Message::Port(frame.get_u16())
        }
        20 => {
            if frame.is_empty() {
                return Err(wrong);
            }
            Message::Extended { id: frame.get_u8(), payload: frame }
        }
        21..=23 => return decode_hashes(id, frame, wrong),
        _ => Message::Unknown(id),
    };
    Ok(message)
}

fn decode_hashes(id: u8, mut frame: Bytes, wrong: Violation) -> Result<Message, Violation> {
    if frame.len() < 48 || (id != 22 && frame.len() != 48) {
        return Err(wrong);
    }
    let mut pieces_root = [0; 32];
    frame.copy_to_slice(&mut pieces_root);
    let range = HashRange {
        pieces_root,
        base_layer: frame.get_u32(),
        index: frame.get_u32(),
        length: frame.get_u32(),
        proof_layers: frame.get_u32(),
    };
    match id {
        21 => Ok(Message::HashRequest(range)),
        22 => {
            let least = (range.length as usize).checked_mul(32);
            if !frame.len().is_multiple_of(32) || least.is_none_or(|least| frame.len() < least) {
                return Err(Violation::WrongHashes { bytes: frame.len(), length: range.length });
            }
            Ok(Message::Hashes(range, frame))
        }
        _ => Ok(Message::HashReject(range)),
    }
}

/// Writes `message` with its length prefix behind what `to` holds.
pub fn encode(message: &Message, to: &mut Vec<u8>) {
    match message {
        Message::KeepAlive => to.extend([0; 4]),
        Message::Choke => head(to, 0, 0),
        Message::Unchoke => head(to, 1, 0),
        Message::Interested => head(to, 2, 0),
        Message::NotInterested => head(to, 3, 0),
        Message::HaveAll => head(to, 14, 0),
        Message::HaveNone => head(to, 15, 0),
        Message::Have(piece) => number(to, 4, *piece),
        Message::Suggest(piece) => number(to, 13, *piece),
        Message::AllowedFast(piece) => number(to, 17, *piece),
        Message::Bitfield(bits) => payload(to, 5, bits),
        Message::Request(asked) => range(to, 6, asked),
        Message::Cancel(asked) => range(to, 8, asked),
        Message::Reject(asked) => range(to, 16, asked),
        Message::Piece { index, begin, data } => {
            to.extend(piece_header(*index, *begin, data.len()));
            to.extend_from_slice(data);
        }
        Message::Port(port) => {
            head(to, 9, 2);
            to.extend(port.to_be_bytes());
        }
        Message::Extended { id, payload } => {
            head(to, 20, payload.len() + 1);
            to.push(*id);
            to.extend_from_slice(payload);
        }
        Message::HashRequest(range) => hash_range(to, 21, range, &[]),
        Message::Hashes(range, hashes) => hash_range(to, 22, range, hashes),
        Message::HashReject(range) => hash_range(to, 23, range, &[]),
        Message::Unknown(id) => head(to, *id, 0),
    }
}

/// What stands before the `length` bytes of a `piece` message, so that they can be sent from where
/// they are.
pub fn piece_header(index: u32, begin: u32, length: usize) -> [u8; PIECE_HEADER_LENGTH] {
    let mut header = [0; PIECE_HEADER_LENGTH];
    let prefix = u32::try_from(length + 9).unwrap_or(u32::MAX).to_be_bytes();
    let parts = prefix.into_iter().chain([7]).chain(index.to_be_bytes()).chain(begin.to_be_bytes());
    header.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
    header
}

fn head(to: &mut Vec<u8>, id: u8, payload: usize) {
    to.extend(u32::try_from(payload + 1).unwrap_or(u32::MAX).to_be_bytes());
    to.push(id);
}

fn number(to: &mut Vec<u8>, id: u8, number: u32) {
    head(to, id, 4);
    to.extend(number.to_be_bytes());
}

fn payload(to: &mut Vec<u8>, id: u8, bytes: &[u8]) {
    head(to, id, bytes.len());
    to.extend_from_slice(bytes);
}

fn range(to: &mut Vec<u8>, id: u8, range: &Range) {
    head(to, id, 12);
    to.extend([range.index, range.begin, range.length].into_iter().flat_map(u32::to_be_bytes));
}

fn hash_range(to: &mut Vec<u8>, id: u8, range: &HashRange, hashes: &[u8]) {
    head(to, id, 48 + hashes.len());
    to.extend(range.pieces_root);
    let fields = [range.base_layer, range.index, range.length, range.proof_layers];
    to.extend(fields.into_iter().flat_map(u32::to_be_bytes));
    to.extend_from_slice(hashes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_range() -> impl Strategy<Value = Range> {
        (any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(index, begin, length)| Range {
            index,
            begin,
            length,
        })
    }

    fn any_bytes(at_most: usize) -> impl Strategy<Value = Bytes> {
        proptest::collection::vec(any::<u8>(), 0..=at_most).prop_map(Bytes::from)
    }

    fn any_hash_range(length: impl Strategy<Value = u32>) -> impl Strategy<Value = HashRange> {
        (any::<[u8; 32]>(), any::<u32>(), any::<u32>(), length, any::<u32>()).prop_map(
            |(pieces_root, base_layer, index, length, proof_layers)| HashRange {
                pieces_root,
                base_layer,
                index,
                length,
                proof_layers,
            },
        )
    }

    fn any_message() -> impl Strategy<Value = Message> {
        let hashes = (any_hash_range(0_u32..4), 0_usize..3).prop_map(|(range, uncles)| {
            let bytes = vec![9; (range.length as usize + uncles) * 32];
            Message::Hashes(range, bytes.into())
        });
        prop_oneof![
            proptest::sample::select(vec![
                Message::KeepAlive,
                Message::Choke,
                Message::Unchoke,
                Message::Interested,
                Message::NotInterested,
                Message::HaveAll,
                Message::HaveNone,
                Message::Unknown(99),
            ]),
            any::<u32>().prop_map(Message::Have),
            any::<u32>().prop_map(Message::Suggest),
            any::<u32>().prop_map(Message::AllowedFast),
            any_bytes(50).prop_map(Message::Bitfield),
            any_range().prop_map(Message::Request),
            any_range().prop_map(Message::Cancel),
            any_range().prop_map(Message::Reject),
            (any::<u32>(), any::<u32>(), any_bytes(300)).prop_map(|(index, begin, data)| Message::Piece {
                index,
                begin,
                data
            }),
            any::<u16>().prop_map(Message::Port),
            (any::<u8>(), any_bytes(60)).prop_map(|(id, payload)| Message::Extended { id, payload }),
            any_hash_range(any::<u32>()).prop_map(Message::HashRequest),
            any_hash_range(any::<u32>()).prop_map(Message::HashReject),
            hashes,
        ]
    }

    proptest! {
        #[test]
        fn the_same_messages_come_out_whatever_the_cuts(
            messages in proptest::collection::vec(any_message(), 0..8),
            cut in 1_usize..200,
        ) {
            let mut written = Vec::new();
            for message in &messages {
                encode(message, &mut written);
            }
            let mut read = Vec::new();
            let mut held = Vec::new();
            for part in written.chunks(cut) {
                held.extend_from_slice(part);
                let mut buffer = Bytes::from(held);
                while let Some(message) = decode(&mut buffer).unwrap() {
                    read.push(message);
                }
                held = buffer.to_vec();
            }
            prop_assert!(held.is_empty());
            prop_assert_eq!(read, messages);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut buffer = Bytes::from(bytes);
            while let Ok(Some(_)) = decode(&mut buffer) {}
        }
    }

    #[test]
    fn p05_a_length_beyond_the_limit_is_refused_from_the_prefix_alone() {
        let mut prefix = Bytes::copy_from_slice(&(MAX_MESSAGE_LENGTH + 1).to_be_bytes());
        assert!(matches!(decode(&mut prefix), Err(Violation::TooLong { .. })));
        assert!(frame_length(&[0, 0]).unwrap().is_none());
    }

    #[test]
    fn p06_a_thousand_empty_messages_are_a_thousand_keep_alives() {
        let mut buffer = Bytes::from(vec![0; 4000]);
        let read = std::iter::from_fn(|| decode(&mut buffer).unwrap());
        assert_eq!(read.filter(|message| *message == Message::KeepAlive).count(), 1000);
        assert!(buffer.is_empty());
    }

    #[test]
    fn p07_an_unknown_number_is_passed_over_with_its_payload() {
        let mut buffer = Bytes::from_static(&[0, 0, 0, 3, 200, 1, 2, 0, 0, 0, 1, 1]);
        assert_eq!(decode(&mut buffer), Ok(Some(Message::Unknown(200))));
        assert_eq!(decode(&mut buffer), Ok(Some(Message::Unchoke)));
    }

    #[test]
    fn the_longest_piece_and_bitfield_are_believed_and_stay_slices() {
        let mut bytes = piece_header(1, 2, 1024 * 1024).to_vec();
        bytes.resize(PIECE_HEADER_LENGTH + 1024 * 1024, 7);
        let whole = Bytes::from(bytes);
        let Ok(Some(Message::Piece { index: 1, begin: 2, data })) = decode(&mut whole.clone()) else {
            panic!("a piece of 1 MiB is refused")
        };
        assert_eq!(data.as_ptr(), whole[PIECE_HEADER_LENGTH..].as_ptr());
        let mut bits = Vec::new();
        encode(&Message::Bitfield(vec![0; 1_000_000].into()), &mut bits);
        assert!(decode(&mut bits.into()).unwrap().is_some(), "8,000,000 pieces");
    }

    #[test]
    fn wrong_lengths_are_violations() {
        let cases: [&[u8]; 9] = [
            &[0, 0, 0, 2, 0, 0],                   // choke with a payload
            &[0, 0, 0, 3, 4, 0, 0],                // P12: have of 3 bytes
            &[0, 0, 0, 2, 6, 0],                   // request of one byte
            &[0, 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0], // piece without its begin
            &[0, 0, 0, 1, 9],                      // port without a port
            &[0, 0, 0, 1, 20],                     // extended without a number
            &[0, 0, 0, 2, 14, 1],                  // have all with a payload
            &[0, 0, 0, 2, 21, 0],                  // hash request cut short
            &[0, 0, 0, 1, 22],                     // hashes cut short
        ];
        for bytes in cases {
            let got = decode(&mut Bytes::copy_from_slice(bytes));
            assert!(matches!(got, Err(Violation::WrongLength { .. })), "{bytes:?}: {got:?}");
        }
        let mut hashes = vec![0; 4 + 1 + 48];
        hashes[3] = 49;
        hashes[4] = 22;
        hashes[4 + 1 + 32 + 11] = 1;
        let got = decode(&mut Bytes::from(hashes));
        assert_eq!(got, Err(Violation::WrongHashes { bytes: 0, length: 1 }));
    }

    #[test]
    fn a_piece_can_be_sent_as_header_and_bytes() {
        let data = Bytes::from_static(b"sixteen kibibyte");
        let mut whole = Vec::new();
        encode(&Message::Piece { index: 3, begin: 16384, data: data.clone() }, &mut whole);
        let parts = [&piece_header(3, 16384, data.len())[..], &data].concat();
        assert_eq!(whole, parts);
    }
}
