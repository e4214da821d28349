//! The one source of chance in a torrent: seeded, and the same on every machine.

use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

/// What every random choice of a torrent is drawn from.
pub(crate) type Dice = Xoshiro256PlusPlus;

/// Dice that fall the same way for the same `seed`.
pub(crate) fn seeded(seed: u64) -> Dice {
    Dice::seed_from_u64(seed)
}
