//! The SHA-256 tree over the blocks of a file (BEP 52): roots and proofs.

use shared::merkle::hash_pair;

pub use shared::merkle::hash_block;

/// The root over `leaves`, filled up with zeros to `width` (a power of two).
pub fn root(leaves: &[[u8; 32]], width: usize) -> [u8; 32] {
    let mut layer = leaves.to_vec();
    layer.resize(width.max(1), [0; 32]);
    while layer.len() > 1 {
        layer = layer
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => hash_pair(left, right),
                _ => [0; 32],
            })
            .collect();
    }
    layer.first().copied().unwrap_or([0; 32])
}

/// Whether `hashes`, which begin at `index` of their layer, lead to `root` by way of `uncles`.
pub fn verify_hashes(root: &[u8; 32], index: usize, hashes: &[[u8; 32]], uncles: &[[u8; 32]]) -> bool {
    let mut node = self::root(hashes, hashes.len());
    let mut at = index / hashes.len().max(1);
    for uncle in uncles {
        node = if at.is_multiple_of(2) { hash_pair(&node, uncle) } else { hash_pair(uncle, &node) };
        at /= 2;
    }
    node == *root
}
