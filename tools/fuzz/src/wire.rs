//! Laws of the peer wire: a stream of messages, and the handshake before it.

use ::wire::codec::{decode, encode};
use ::wire::extended::handshake::{ExtendedHandshake, MAX_EXTENSIONS, MAX_NAME};
use ::wire::extended::lt_donthave::LtDontHave;
use ::wire::extended::ut_holepunch::UtHolepunch;
use ::wire::extended::ut_metadata::{MAX_METADATA_SIZE, METADATA_PIECE_LENGTH, UtMetadata};
use ::wire::extended::ut_pex::{MAX_LISTED, UtPex};
use ::wire::extended::{ExtendedError, lt_donthave, ut_holepunch, ut_metadata, ut_pex};
use ::wire::handshake::Handshake;
use ::wire::message::Message;
use ::wire::text::ExtendedText;
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
        assert!(is_a_line(&message.to_string()), "{message:?}");
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

/// A person can read it, and it moves nothing on the screen.
fn is_a_line(text: &str) -> bool {
    !text.is_empty() && text.len() < 40_000 && !text.contains(char::is_control)
}

/// What was read is the same when it is written again; a refusal is one line.
fn again<T: PartialEq + std::fmt::Debug + std::fmt::Display>(
    read: Result<T, ExtendedError>,
    write: impl Fn(&T) -> Vec<u8>,
    decode: impl Fn(&[u8]) -> Result<T, ExtendedError>,
) {
    match read {
        Ok(message) => {
            assert!(is_a_line(&message.to_string()), "{message:?}");
            assert_eq!(decode(&write(&message)), Ok(message), "the same when it is written again");
        }
        Err(error) => assert!(is_a_line(&error.to_string()), "a refusal is one line"),
    }
}

/// Peers that were met: bounded, and the same when they are written again.
pub(crate) fn ut_pex(bytes: &[u8]) {
    let read = UtPex::decode(bytes);
    if let Ok(said) = &read {
        assert!(said.added.len() <= 2 * MAX_LISTED && said.dropped.len() <= 2 * MAX_LISTED, "without end");
    }
    again(read, UtPex::encode, UtPex::decode);
}

/// Hole punching.
pub(crate) fn ut_holepunch(bytes: &[u8]) {
    again(UtHolepunch::decode(bytes), |said| said.encode(), UtHolepunch::decode);
}

/// A lost piece.
pub(crate) fn lt_donthave(bytes: &[u8]) {
    again(LtDontHave::decode(bytes), |said| said.encode(), LtDontHave::decode);
}

/// Any extended message under any name is told in one line.
pub(crate) fn extended_text(bytes: &[u8]) {
    let Some((&id, payload)) = bytes.split_first() else { return };
    let stranger = String::from_utf8_lossy(payload);
    let payload = Bytes::copy_from_slice(payload);
    let known = [ut_metadata::NAME, ut_pex::NAME, ut_holepunch::NAME, lt_donthave::NAME, &stranger];
    for name in known.into_iter().map(Some).chain([None]) {
        let text = ExtendedText { id, name, payload: &payload }.to_string();
        assert!(is_a_line(&text), "{name:?}: {text:?}");
    }
}
