//! Laws of the peer wire: a stream of messages, and the handshake before it.

use ::wire::codec::{decode, encode};
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
