//! Names of nodes, and how far they are from each other and from torrents.

use std::fmt;

use rand::RngExt as _;
use shared::InfoHash;

/// Twenty bytes that name a node, in the same space as info hashes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 20]);

/// The exclusive or of two names: less is nearer.
pub(crate) type Distance = [u8; 20];

impl NodeId {
    /// A name by chance.
    pub fn random(dice: &mut impl rand::Rng) -> Self {
        Self(std::array::from_fn(|_| dice.random()))
    }

    /// How far two names are apart.
    pub(crate) fn distance(self, other: Self) -> Distance {
        let mut distance = self.0;
        distance.iter_mut().zip(other.0).for_each(|(byte, other)| *byte ^= other);
        distance
    }

    /// How many bits two names have in common at their beginning; 160 when they are the same.
    pub(crate) fn common_bits(self, other: Self) -> usize {
        let distance = self.distance(other);
        let whole = distance.iter().take_while(|byte| **byte == 0).count();
        let rest = distance.get(whole).map_or(0, |byte| byte.leading_zeros() as usize);
        8 * whole + rest
    }
}

impl From<InfoHash> for NodeId {
    fn from(hash: InfoHash) -> Self {
        Self(hash.0)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_the_exclusive_or() {
        let (zero, mut other) = (NodeId([0; 20]), [0; 20]);
        assert_eq!(zero.common_bits(zero), 160);
        other[1] = 0x10;
        assert_eq!(zero.common_bits(NodeId(other)), 11);
        assert_eq!(zero.distance(NodeId(other)), other);
        assert_eq!(NodeId(other).distance(NodeId(other)), [0; 20]);
    }
}
