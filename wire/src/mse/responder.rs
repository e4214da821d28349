//! The side that was dialled.

use shared::InfoHash;

use crate::mse::keys::{self, Cipher, PUBLIC_KEY_LENGTH, Secret};
use crate::mse::{
    Agreed, Dice, MOST_EARLY, Method, Methods, MseError, Progress, VC, bounded, pad_length, sync, take,
    take_array, write_pad,
};

/// An exchange that the far side began.
#[derive(Debug)]
pub struct Responder {
    dice: Dice,
    takes: Methods,
    state: State,
    received: Vec<u8>,
    output: Vec<u8>,
}

/// A torrent, told only to who has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sought([u8; 20]);

impl Sought {
    /// Whether it is the torrent with this name.
    pub fn is(&self, hash: &InfoHash) -> bool {
        keys::name(hash) == self.0
    }
}

#[derive(Debug)]
struct Ciphers {
    sends: Cipher,
    takes: Cipher,
}

#[derive(Debug)]
enum State {
    /// Their public key.
    Key,
    /// Their mark behind their padding.
    Sync(Secret),
    /// The torrent.
    Torrent(Secret),
    /// We are asked which torrent that is.
    Asked(Secret),
    /// What they offer.
    Offer(Ciphers),
    /// The padding behind it, and how much follows.
    Pad(Ciphers, Method, usize),
    /// What came with it.
    Early(Ciphers, Method, usize),
    /// It is over.
    Over,
}

impl Responder {
    /// An exchange of which nothing has come yet.
    pub fn new(dice: Dice, takes: Methods) -> Self {
        Self { dice, takes, state: State::Key, received: Vec::new(), output: Vec::new() }
    }

    /// What is to be sent now.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Says which of our torrents [`Progress::Find`] asked for.
    pub fn found(&mut self, hash: InfoHash) -> Result<Progress, MseError> {
        if let State::Asked(secret) = &self.state {
            let (sends, takes) = (secret.of_responder(&hash), secret.of_initiator(&hash));
            self.state = State::Offer(Ciphers { sends, takes });
        }
        self.take(&[])
    }

    /// Takes bytes that came.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Progress, MseError> {
        self.received.extend_from_slice(bytes);
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Key => match take_array::<PUBLIC_KEY_LENGTH>(&mut self.received) {
                    Some(theirs) => {
                        let secret = Secret::new(&self.dice.private, &theirs)?;
                        self.output.extend_from_slice(&keys::public(&self.dice.private));
                        self.output.extend_from_slice(bounded(&self.dice.key_pad));
                        self.state = State::Sync(secret);
                    }
                    None => return Ok(self.wait(State::Key)),
                },
                State::Sync(secret) => match sync(&self.received, &secret.mark())? {
                    Some(end) => {
                        self.received.drain(..end);
                        self.state = State::Torrent(secret);
                    }
                    None => return Ok(self.wait(State::Sync(secret))),
                },
                State::Torrent(secret) => match take_array::<20>(&mut self.received) {
                    Some(hidden) => {
                        let sought = Sought(secret.unhide(hidden));
                        self.state = State::Asked(secret);
                        return Ok(Progress::Find(sought));
                    }
                    None => return Ok(self.wait(State::Torrent(secret))),
                },
                State::Offer(mut ciphers) => match take_array::<14>(&mut self.received) {
                    Some(mut bytes) => {
                        ciphers.takes.apply(&mut bytes);
                        let (method, pad) = self.offered(bytes)?;
                        self.state = State::Pad(ciphers, method, pad);
                    }
                    None => return Ok(self.wait(State::Offer(ciphers))),
                },
                State::Pad(mut ciphers, method, pad) => match take(&mut self.received, pad + 2) {
                    Some(mut bytes) => {
                        ciphers.takes.apply(&mut bytes);
                        let early = early_length(&bytes)?;
                        self.state = State::Early(ciphers, method, early);
                    }
                    None => return Ok(self.wait(State::Pad(ciphers, method, pad))),
                },
                State::Early(mut ciphers, method, length) => match take(&mut self.received, length) {
                    Some(mut early) => {
                        ciphers.takes.apply(&mut early);
                        return Ok(self.agree(ciphers, method, early));
                    }
                    None => return Ok(self.wait(State::Early(ciphers, method, length))),
                },
                state @ (State::Asked(_) | State::Over) => return Ok(self.wait(state)),
            }
        }
    }

    fn wait(&mut self, state: State) -> Progress {
        self.state = state;
        Progress::More
    }

    /// The constant, what they offer, and how long their padding is.
    fn offered(&self, bytes: [u8; 14]) -> Result<(Method, usize), MseError> {
        let [constant @ .., a, b, c, d, high, low] = bytes;
        if constant != VC {
            return Err(MseError::Constant);
        }
        let offer = Methods::read([a, b, c, d]);
        let method = self.takes.common(offer).ok_or(MseError::Method { bits: d })?;
        Ok((method, pad_length([high, low])?))
    }

    /// Says what we have chosen.
    fn agree(&mut self, mut ciphers: Ciphers, method: Method, early: Vec<u8>) -> Progress {
        let mut hidden = VC.to_vec();
        let (plain, rc4) = (method == Method::Plain, method == Method::Rc4);
        hidden.extend_from_slice(&Methods { plain, rc4 }.bits());
        write_pad(&mut hidden, &self.dice.inner_pad);
        ciphers.sends.apply(&mut hidden);
        self.output.append(&mut hidden);
        let rest = std::mem::take(&mut self.received);
        Progress::Done(Box::new(Agreed::new(method, ciphers.sends, ciphers.takes, early, rest)))
    }
}

fn early_length(padded: &[u8]) -> Result<usize, MseError> {
    let length = padded.last_chunk::<2>().map_or(0, |bytes| u16::from_be_bytes(*bytes));
    if usize::from(length) > MOST_EARLY {
        return Err(MseError::Early { length });
    }
    Ok(usize::from(length))
}
