//! The SHA-256 tree over the blocks of a file (BEP 52): roots and proofs.

use sha2::{Digest, Sha256};

/// The leaf of one block.
pub fn hash_block(block: &[u8]) -> [u8; 32] {
    Sha256::digest(block).into()
}

fn parent(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The root over `leaves`, filled up with zeros to `width` (a power of two).
pub fn root(leaves: &[[u8; 32]], width: usize) -> [u8; 32] {
    let mut layer = leaves.to_vec();
    layer.resize(width.max(1), [0; 32]);
    while layer.len() > 1 {
        layer = layer
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => parent(left, right),
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
        node = if at.is_multiple_of(2) { parent(&node, uncle) } else { parent(uncle, &node) };
        at /= 2;
    }
    node == *root
}
