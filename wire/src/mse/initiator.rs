//! The side that dialled.

use crate::mse::keys::{self, Cipher, PUBLIC_KEY_LENGTH, Secret};
use crate::mse::{
    Agreed, Dice, Method, Methods, MseError, Progress, Skey, VC, bounded, pad_length, sync, take, take_array,
    write_pad,
};

/// An exchange that we began.
#[derive(Debug)]
pub struct Initiator {
    dice: Dice,
    skey: Skey,
    offer: Methods,
    early: Vec<u8>,
    state: State,
    received: Vec<u8>,
    output: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// Their public key.
    Key,
    /// The constant behind their padding.
    Sync { sends: Cipher, constant: [u8; VC.len()], takes: Cipher },
    /// Their choice.
    Choice { sends: Cipher, takes: Cipher },
    /// The padding behind it.
    Pad { sends: Cipher, takes: Cipher, method: Method, length: usize },
    /// It is over.
    Over,
}

impl Initiator {
    /// Begins an exchange for a torrent, named as in the handshake that follows. `early` goes with our
    /// last message, so that the far side need not wait for it; it must be shorter than 64 KiB.
    pub fn new(dice: Dice, skey: Skey, offer: Methods, early: Vec<u8>) -> Self {
        let mut output = keys::public(&dice.private).to_vec();
        output.extend_from_slice(bounded(&dice.key_pad));
        Self { dice, skey, offer, early, state: State::Key, received: Vec::new(), output }
    }

    /// What is to be sent now.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Takes bytes that came.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Progress, MseError> {
        self.received.extend_from_slice(bytes);
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Key => match take_array::<PUBLIC_KEY_LENGTH>(&mut self.received) {
                    Some(theirs) => self.state = self.answer(&Secret::new(&self.dice.private, &theirs)?),
                    None => return Ok(self.wait(State::Key)),
                },
                State::Sync { sends, constant, takes } => match sync(&self.received, &constant)? {
                    Some(end) => {
                        self.received.drain(..end);
                        self.state = State::Choice { sends, takes };
                    }
                    None => return Ok(self.wait(State::Sync { sends, constant, takes })),
                },
                State::Choice { sends, mut takes } => match take_array::<6>(&mut self.received) {
                    Some(mut bytes) => {
                        takes.apply(&mut bytes);
                        let [a, b, c, d, high, low] = bytes;
                        let method = self.chosen([a, b, c, d])?;
                        let length = pad_length([high, low])?;
                        self.state = State::Pad { sends, takes, method, length };
                    }
                    None => return Ok(self.wait(State::Choice { sends, takes })),
                },
                State::Pad { sends, mut takes, method, length } => match take(&mut self.received, length) {
                    Some(mut pad) => {
                        takes.apply(&mut pad);
                        let rest = std::mem::take(&mut self.received);
                        let agreed = Agreed::new(method, sends, takes, Vec::new(), rest);
                        return Ok(Progress::Done(Box::new(agreed)));
                    }
                    None => return Ok(self.wait(State::Pad { sends, takes, method, length })),
                },
                State::Over => return Ok(Progress::More),
            }
        }
    }

    fn wait(&mut self, state: State) -> Progress {
        self.state = state;
        Progress::More
    }

    /// Says which torrent, and what we take.
    fn answer(&mut self, secret: &Secret) -> State {
        let (mut sends, mut takes) = (secret.of_initiator(&self.skey), secret.of_responder(&self.skey));
        let mut hidden = VC.to_vec();
        hidden.extend_from_slice(&self.offer.bits());
        write_pad(&mut hidden, &self.dice.inner_pad);
        let early = std::mem::take(&mut self.early);
        let early = early.get(..early.len().min(usize::from(u16::MAX))).unwrap_or_default();
        hidden.extend_from_slice(&u16::try_from(early.len()).unwrap_or(u16::MAX).to_be_bytes());
        hidden.extend_from_slice(early);
        sends.apply(&mut hidden);
        self.output.extend_from_slice(&secret.mark());
        self.output.extend_from_slice(&secret.hide(&self.skey));
        self.output.append(&mut hidden);
        let mut constant = VC;
        takes.apply(&mut constant);
        State::Sync { sends, constant, takes }
    }

    /// Exactly one of the methods that we offered.
    fn chosen(&self, bits: [u8; 4]) -> Result<Method, MseError> {
        let refused = MseError::Method { bits: bits[3] };
        let method = match bits {
            [0, 0, 0, 1] => Method::Plain,
            [0, 0, 0, 2] => Method::Rc4,
            _ => return Err(refused),
        };
        if self.offer.has(method) { Ok(method) } else { Err(refused) }
    }
}
