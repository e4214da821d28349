//! Laws of the peer wire: a stream of messages, and the handshake before it.

use ::wire::codec::{decode, encode};
use ::wire::extended::handshake::{ExtendedHandshake, MAX_EXTENSIONS, MAX_NAME};
use ::wire::extended::ut_metadata::{MAX_METADATA_SIZE, METADATA_PIECE_LENGTH, UtMetadata};
use ::wire::handshake::Handshake;
use ::wire::message::Message;
use bytes::{Bytes, BytesMut};

/// A stream, read whole and read in two arrivals cut at a place that the first byte chooses: the same
/// messages and the same complaint come out, and what is written again is what was read.
pub(crate) fn stream(bytes: &[u8]) {
    let Some((&cut, stream)) = bytes.split_first() else { return };
    let whole = read(&[stream]);
    let cut = usize::from(cut) % (stream.len() + 1);
    assert_eq!(whole, read(&[&stream[..cut], &stream[cut..]]), "cut at {cut}");
    let mut written = Vec::new();
    for message in &whole.0 {
        if matches!(message, Message::Unknown(_)) {
            return;
        }
        encode(message, &mut written);
    }
    assert!(stream.starts_with(&written), "what is written is what was read");
}

/// All messages of the arrivals, and whether the stream was refused.
fn read(arrivals: &[&[u8]]) -> (Vec<Message>, bool) {
    let (mut held, mut messages) = (BytesMut::new(), Vec::new());
    for arrival in arrivals {
        held.extend_from_slice(arrival);
        let mut buffer = Bytes::copy_from_slice(&held);
        loop {
            match decode(&mut buffer) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(violation) => {
                    assert!(!violation.to_string().is_empty(), "a refusal says why");
                    return (messages, true);
                }
            }
        }
        held = BytesMut::from(buffer.as_ref());
    }
    (messages, false)
}

/// The first 68 bytes.
pub(crate) fn handshake(bytes: &[u8]) {
    let Some(first) = bytes.first_chunk() else { return };
    match Handshake::decode(first) {
        Ok(handshake) => {
            assert!(Handshake::may_begin(bytes), "what is a handshake also begins like one");
            assert_eq!(handshake.encode(), *first, "what is written is what was read");
        }
        Err(_) => assert!(!Handshake::may_begin(&first[..20]), "refused for its first 20 bytes only"),
    }
}

/// The extension handshake: bounded, and the same when it is written again.
pub(crate) fn extended_handshake(bytes: &[u8]) {
    match ExtendedHandshake::decode(bytes) {
        Ok(said) => {
            assert!(said.m.len() <= MAX_EXTENSIONS, "extensions without end");
            assert!(
                said.m.keys().chain(&said.version).all(|name| name.len() <= MAX_NAME),
                "a name without end"
            );
            assert!(said.metadata_size.is_none_or(|size| (1..=MAX_METADATA_SIZE).contains(&size)));
            assert!(said.m.keys().all(|name| said.id_of(name) != Some(0)), "0 is the handshake itself");
            assert_eq!(ExtendedHandshake::decode(&said.encode()).as_ref(), Ok(&said), "written again");
            let mut twice = said.clone();
            twice.update(said.clone());
            assert_eq!(twice, said, "saying it twice changes nothing");
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "a refusal is one line"),
    }
}

/// Pieces of the info dictionary: data fits its place, and is the same when it is written again.
pub(crate) fn ut_metadata(bytes: &[u8]) {
    match UtMetadata::decode(&Bytes::copy_from_slice(bytes)) {
        Ok(message) => {
            if let UtMetadata::Data { piece, total_size, data } = &message {
                let end = u64::from(*piece) * u64::from(METADATA_PIECE_LENGTH) + data.len() as u64;
                assert!(!data.is_empty() && end <= u64::from(*total_size), "data beyond the end");
                assert!(bytes.ends_with(data), "the data is what came last");
            }
            let again = UtMetadata::decode(&message.encode().into());
            assert_eq!(again, Ok(message), "the same when it is written again");
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control), "a refusal is one line"),
    }
}
