//! What an announce must show: proof that the announcer can read at the address it writes from (BEP 5).

use std::net::IpAddr;
use std::time::Duration;

use rand::RngExt as _;
use sha1::{Digest as _, Sha1};
use shared::Moment;

/// How long a secret is given out; it counts for as long again.
const PERIOD: Duration = Duration::from_secs(300);

/// The secrets behind our tokens.
#[derive(Debug)]
pub(crate) struct Tokens {
    now: [u8; 16],
    before: [u8; 16],
    since: Moment,
}

impl Tokens {
    pub(crate) fn new(dice: &mut impl rand::Rng, now: Moment) -> Self {
        Self { now: dice.random(), before: dice.random(), since: now }
    }

    /// The token for an address.
    pub(crate) fn give(&mut self, ip: IpAddr, dice: &mut impl rand::Rng, now: Moment) -> Vec<u8> {
        self.turn(dice, now);
        make(&self.now, ip).to_vec()
    }

    /// Whether it was given to this address, not long ago.
    pub(crate) fn check(&mut self, token: &[u8], ip: IpAddr, dice: &mut impl rand::Rng, now: Moment) -> bool {
        self.turn(dice, now);
        token == make(&self.now, ip) || token == make(&self.before, ip)
    }

    fn turn(&mut self, dice: &mut impl rand::Rng, now: Moment) {
        let age = now.since(self.since);
        if age >= PERIOD {
            self.before = if age < PERIOD * 2 { self.now } else { dice.random() };
            self.now = dice.random();
            self.since = now;
        }
    }
}

fn make(secret: &[u8; 16], ip: IpAddr) -> [u8; 8] {
    let mut digest = Sha1::new();
    digest.update(secret);
    match ip.to_canonical() {
        IpAddr::V4(ip) => digest.update(ip.octets()),
        IpAddr::V6(ip) => digest.update(ip.octets()),
    }
    let mut token = [0; 8];
    token.iter_mut().zip(digest.finalize()).for_each(|(to, from)| *to = from);
    token
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand::rngs::Xoshiro256PlusPlus;

    use super::*;

    #[test]
    fn a_token_is_good_for_its_address_and_for_a_while() {
        let mut dice = Xoshiro256PlusPlus::seed_from_u64(1);
        let at = |seconds| Moment::from_start(Duration::from_secs(seconds));
        let (one, two) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let mut tokens = Tokens::new(&mut dice, at(0));
        let token = tokens.give(one, &mut dice, at(0));
        assert!(tokens.check(&token, one, &mut dice, at(299)));
        assert!(!tokens.check(&token, two, &mut dice, at(299)));
        assert!(tokens.check(&token, one, &mut dice, at(599)));
        assert!(!tokens.check(&token, one, &mut dice, at(900)));
        let token = tokens.give(one, &mut dice, at(1_000));
        assert!(!tokens.check(&token, one, &mut dice, at(9_999)), "nobody asked in between");
    }
}
