//! The arithmetic of the exchange: Diffie-Hellman in its group, its hashes, RC4 without the first bytes.

use crypto_bigint::modular::{ConstMontyForm, ConstMontyParams as _};
use crypto_bigint::{U192, U768, const_monty_params};
use rc4::{KeyInit as _, Rc4, StreamCipher as _};
use sha1::{Digest as _, Sha1};

use crate::mse::{MseError, Skey};

/// Length of a public key, in bytes.
pub const PUBLIC_KEY_LENGTH: usize = 96;
/// Length of a private key, in bytes.
pub const PRIVATE_KEY_LENGTH: usize = 20;
/// Bytes of each cipher that nobody uses.
const DISCARDED: usize = 1024;

const_monty_params!(
    Group,
    U768,
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563",
    "The prime of the exchange."
);
type Element = ConstMontyForm<Group, { U768::LIMBS }>;

fn power(base: &Element, private: &[u8; PRIVATE_KEY_LENGTH]) -> [u8; PUBLIC_KEY_LENGTH] {
    let mut exponent = [0; 24];
    exponent.iter_mut().skip(4).zip(private).for_each(|(to, from)| *to = *from);
    base.pow_bounded_exp(&U192::from_be_slice(&exponent), 160).retrieve().to_be_bytes().into()
}

/// The public key of a private one.
pub(super) fn public(private: &[u8; PRIVATE_KEY_LENGTH]) -> [u8; PUBLIC_KEY_LENGTH] {
    power(&Element::new(&U768::from_u8(2)), private)
}

/// What both sides know after they have seen each other's public key.
#[derive(Clone)]
pub(super) struct Secret([u8; PUBLIC_KEY_LENGTH]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    pub(super) fn new(
        private: &[u8; PRIVATE_KEY_LENGTH],
        theirs: &[u8; PUBLIC_KEY_LENGTH],
    ) -> Result<Self, MseError> {
        let theirs = U768::from_be_slice(theirs);
        let last = Group::PARAMS.modulus().as_ref().wrapping_sub(&U768::ONE);
        if theirs <= U768::ONE || theirs >= last {
            return Err(MseError::Key);
        }
        Ok(Self(power(&Element::new(&theirs), private)))
    }

    /// What marks the second message of who dialled.
    pub(super) fn mark(&self) -> [u8; 20] {
        hash("req1", &[&self.0])
    }

    /// A torrent's name, so that only who knows it recognises it.
    pub(super) fn hide(&self, skey: &Skey) -> [u8; 20] {
        self.unhide(name(skey))
    }

    /// The hash of the torrent's name that was hidden so.
    pub(super) fn unhide(&self, mut hidden: [u8; 20]) -> [u8; 20] {
        hidden.iter_mut().zip(hash("req3", &[&self.0])).for_each(|(byte, mask)| *byte ^= mask);
        hidden
    }

    /// The cipher of what the side that dialled sends.
    pub(super) fn of_initiator(&self, skey: &Skey) -> Cipher {
        Cipher::new(hash("keyA", &[&self.0, &skey.0]))
    }

    /// The cipher of what the side that was dialled sends.
    pub(super) fn of_responder(&self, skey: &Skey) -> Cipher {
        Cipher::new(hash("keyB", &[&self.0, &skey.0]))
    }
}

/// The hash under which a torrent is looked for.
pub(super) fn name(skey: &Skey) -> [u8; 20] {
    hash("req2", &[&skey.0])
}

fn hash(label: &str, parts: &[&[u8]]) -> [u8; 20] {
    let mut hash = Sha1::new_with_prefix(label);
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// One direction of a connection that is hidden to its end. It goes forward only: every byte passes
/// through it once and in order.
pub struct Cipher(Rc4);

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher")
    }
}

impl Cipher {
    fn new(key: [u8; 20]) -> Self {
        // Twenty bytes are a key that RC4 takes, so the other one is never used.
        let mut cipher = Self(Rc4::new_from_slice(&key).unwrap_or_else(|_| Rc4::new(&[0; 32].into())));
        cipher.apply(&mut [0; DISCARDED]);
        cipher
    }

    /// Hides bytes, or shows what was hidden.
    pub fn apply(&mut self, bytes: &mut [u8]) {
        self.0.apply_keystream(bytes);
    }
}
