//! Message Stream Encryption (also called protocol encryption, PE): the exchange in front of the
//! handshake that some clients demand, so that a middle box cannot tell the protocol by its bytes.
//!
//! It hides, it does not protect: the keys are agreed with whoever answers, RC4 is broken, and nothing
//! is authenticated. Both roles are state machines: bytes that came go in, bytes to send come out, dice
//! are handed in. They hold at most [`MOST_PAD`] or [`MOST_EARLY`] bytes of the far side at a time. Called
//! by the engine, under the deadline of the handshake.

mod initiator;
mod keys;
mod responder;

use shared::InfoHash;
use thiserror::Error;

pub use initiator::Initiator;
pub use keys::{Cipher, PRIVATE_KEY_LENGTH, PUBLIC_KEY_LENGTH};
pub use responder::{Responder, Sought};

/// The longest padding that either side may put in, in bytes.
pub const MOST_PAD: usize = 512;
/// The most bytes that we take together with the exchange itself: a handshake and what may follow it.
pub const MOST_EARLY: usize = 16 * 1024;

/// The verification constant.
const VC: [u8; 8] = [0; 8];

/// What the bytes after the exchange look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// As they are.
    Plain,
    /// Each direction through its own RC4.
    Rc4,
}

/// The methods that one side takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Methods {
    /// Plain bytes after the exchange.
    pub plain: bool,
    /// RC4 to the end of the connection.
    pub rc4: bool,
}

impl Methods {
    /// Either.
    pub const ANY: Self = Self { plain: true, rc4: true };
    /// Only what is hidden to the end.
    pub const RC4: Self = Self { plain: false, rc4: true };

    fn bits(self) -> [u8; 4] {
        [0, 0, 0, u8::from(self.plain) | u8::from(self.rc4) << 1]
    }

    fn read(bits: [u8; 4]) -> Self {
        Self { plain: bits[3] & 1 != 0, rc4: bits[3] & 2 != 0 }
    }

    /// What two sides both take. Plain bytes cost less, so they come first.
    fn common(self, other: Self) -> Option<Method> {
        if self.plain && other.plain {
            Some(Method::Plain)
        } else if self.rc4 && other.rc4 {
            Some(Method::Rc4)
        } else {
            None
        }
    }

    fn has(self, method: Method) -> bool {
        match method {
            Method::Plain => self.plain,
            Method::Rc4 => self.rc4,
        }
    }
}

/// The dice of one exchange, thrown by the shell.
#[derive(Debug, Clone)]
pub struct Dice {
    /// The private key.
    pub private: [u8; PRIVATE_KEY_LENGTH],
    /// Padding behind our public key; what is longer than [`MOST_PAD`] is left out.
    pub key_pad: Vec<u8>,
    /// Padding inside our second message; what is longer than [`MOST_PAD`] is left out.
    pub inner_pad: Vec<u8>,
}

/// How far an exchange is.
#[derive(Debug)]
pub enum Progress {
    /// More bytes are needed.
    More,
    /// The far side means one of our torrents: say which with [`Responder::found`].
    Find(Sought),
    /// Both sides have agreed.
    Done(Box<Agreed>),
}

/// What both sides have agreed on.
#[derive(Debug)]
pub struct Agreed {
    /// The ciphers for what we send and for what comes; `None` when the rest is plain.
    pub ciphers: Option<(Cipher, Cipher)>,
    /// Bytes that came with the exchange, in the clear: the beginning of what the far side says.
    pub early: Vec<u8>,
}

impl Agreed {
    /// What the bytes look like from now on.
    pub fn method(&self) -> Method {
        if self.ciphers.is_some() { Method::Rc4 } else { Method::Plain }
    }

    fn new(method: Method, sends: Cipher, mut takes: Cipher, mut early: Vec<u8>, mut rest: Vec<u8>) -> Self {
        let ciphers = match method {
            Method::Plain => None,
            Method::Rc4 => {
                takes.apply(&mut rest);
                Some((sends, takes))
            }
        };
        early.append(&mut rest);
        Self { ciphers, early }
    }
}

/// Why an exchange came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MseError {
    /// A public key that no honest side has.
    #[error("the public key is not one of this group")]
    Key,
    /// What had to follow the padding did not come.
    #[error("no second message within {MOST_PAD} bytes of padding")]
    NoSync,
    /// It means a torrent that is not here.
    #[error("for a torrent that is not here")]
    Unknown,
    /// The verification constant is wrong.
    #[error("the verification constant is wrong")]
    Constant,
    /// Longer padding than allowed.
    #[error("{length} bytes of padding, the limit is {MOST_PAD}")]
    Pad {
        /// What it wrote.
        length: u16,
    },
    /// More bytes with the exchange than we take.
    #[error("{length} bytes with the exchange, the limit is {MOST_EARLY}")]
    Early {
        /// What it wrote.
        length: u16,
    },
    /// The sides take nothing in common, or the answer is not what was offered.
    #[error("no common method: offered or chosen were bits {bits:#04x}")]
    Method {
        /// What the far side wrote, its lowest byte.
        bits: u8,
    },
}

/// Where a needle begins in what came, looked for behind at most [`MOST_PAD`] bytes: its end, `None`
/// while it may still come.
fn sync(received: &[u8], needle: &[u8]) -> Result<Option<usize>, MseError> {
    let most = MOST_PAD + needle.len();
    let window = received.get(..received.len().min(most)).unwrap_or_default();
    let found = window.windows(needle.len()).position(|part| part == needle);
    match found {
        Some(begin) => Ok(Some(begin + needle.len())),
        None if received.len() >= most => Err(MseError::NoSync),
        None => Ok(None),
    }
}

/// Takes this many bytes off the front, when there are as many.
fn take(received: &mut Vec<u8>, count: usize) -> Option<Vec<u8>> {
    if received.len() < count {
        return None;
    }
    let rest = received.split_off(count);
    Some(std::mem::replace(received, rest))
}

/// The same as an array.
fn take_array<const N: usize>(received: &mut Vec<u8>) -> Option<[u8; N]> {
    take(received, N).and_then(|bytes| bytes.try_into().ok())
}

fn pad_length(bytes: [u8; 2]) -> Result<usize, MseError> {
    let length = u16::from_be_bytes(bytes);
    if usize::from(length) > MOST_PAD {
        return Err(MseError::Pad { length });
    }
    Ok(usize::from(length))
}

/// Padding as it is written: its length and itself.
fn write_pad(out: &mut Vec<u8>, pad: &[u8]) {
    let pad = bounded(pad);
    out.extend_from_slice(&u16::try_from(pad.len()).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(pad);
}

fn bounded(pad: &[u8]) -> &[u8] {
    pad.get(..pad.len().min(MOST_PAD)).unwrap_or_default()
}

/// Whether a connection that begins with these bytes may be a plain handshake; if not, it is taken for
/// an exchange.
pub fn may_be_plain(bytes: &[u8]) -> bool {
    crate::Handshake::may_begin(bytes)
}

/// The torrent's name inside the exchange.
type Skey = InfoHash;

#[cfg(test)]
mod tests;
