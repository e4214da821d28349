//! Message Stream Encryption over a real connection: throws the dice, carries the bytes.
//!
//! The state machines are in `wire::mse`. Called by the handshake, under its deadline.

use rand::{Rng as _, RngExt as _};
use shared::InfoHash;
use wire::mse::{Dice, Initiator, MOST_PAD, Methods, MseError, Progress, Responder, Sought};

use crate::connection::handshake::HandshakeError;
use crate::connection::stream::Stream;

/// How much is read at once.
const AT_ONCE: usize = 1024;

fn dice() -> Dice {
    let mut rng = rand::rng();
    let mut pad = || {
        let mut pad = vec![0; rng.random_range(0..=MOST_PAD)];
        rng.fill_bytes(&mut pad);
        pad
    };
    let (key_pad, inner_pad) = (pad(), pad());
    Dice { private: rng.random(), key_pad, inner_pad }
}

/// Begins an exchange for this torrent. The handshake follows when it is over: libtorrent 2.1 loses its
/// place in the stream when the handshake comes inside the exchange.
pub(crate) async fn begin(stream: &mut Stream, hash: InfoHash, offer: Methods) -> Result<(), HandshakeError> {
    let mut initiator = Initiator::new(dice(), hash, offer, Vec::new());
    let mut bytes = [0; AT_ONCE];
    loop {
        stream.write_all(&initiator.take_output()).await?;
        let read = stream.read_some(&mut bytes).await?;
        if let Progress::Done(agreed) = initiator.take(bytes.get(..read).unwrap_or_default())? {
            stream.hide(*agreed);
            return Ok(());
        }
    }
}

/// Answers an exchange of which `first` came already; `find` says which torrent is meant.
pub(crate) async fn answer(
    stream: &mut Stream,
    first: &[u8],
    takes: Methods,
    find: impl Fn(&Sought) -> Option<InfoHash>,
) -> Result<(), HandshakeError> {
    let mut responder = Responder::new(dice(), takes);
    let mut progress = responder.take(first)?;
    let mut bytes = [0; AT_ONCE];
    loop {
        if let Progress::Find(sought) = progress {
            progress = responder.found(find(&sought).ok_or(MseError::Unknown)?)?;
        }
        stream.write_all(&responder.take_output()).await?;
        if let Progress::Done(agreed) = progress {
            stream.hide(*agreed);
            return Ok(());
        }
        let read = stream.read_some(&mut bytes).await?;
        progress = responder.take(bytes.get(..read).unwrap_or_default())?;
    }
}
