//! Seeded dice: the same seed throws the same numbers on every machine, and a test prints its seed.

/// A small generator (`SplitMix64`); good enough to choose moments and fill files, never for secrets.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that always fall the same way for a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed of the environment variable `E2E_SEED`, or a fixed one; printed so that a run can be repeated.
    pub fn from_environment(test: &str) -> Self {
        let seed = std::env::var("E2E_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(20_261_121);
        println!("{test}: E2E_SEED={seed}");
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Fills a buffer.
    pub fn fill(&mut self, buffer: &mut [u8]) {
        for part in buffer.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            part.copy_from_slice(&bytes[..part.len()]);
        }
    }
}
