//! The SHA-256 merkle trees of BEP 52: leaves, layers, roots and proofs.
//!
//! A file's tree has one leaf for each 16 KiB block. Layer 0 holds the leaves, filled up with zeros
//! to a power of two; the *piece layer* is the one whose hashes each cover a whole piece.

use sha2::{Digest, Sha256};

/// One node of a tree.
pub type Hash = [u8; 32];

/// The leaf of one block. The last block of a file is hashed at its own length.
pub fn hash_block(block: &[u8]) -> Hash {
    Sha256::digest(block).into()
}

/// The parent of two nodes.
pub fn hash_pair(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The node of `layer` under which there are only leaves beyond the end of the file.
pub fn pad_hash(layer: u32) -> Hash {
    (0..layer).fold([0; 32], |pad, _| hash_pair(&pad, &pad))
}

/// How many layers lie above the leaves of a file of `blocks` blocks; the last is the root alone.
pub fn height(blocks: u64) -> u32 {
    blocks.max(1).checked_next_power_of_two().map_or(64, u64::trailing_zeros)
}

/// The root over `hashes` of `layer`, filled up at the end to `1 << height` nodes. Hashes beyond that
/// width are not looked at.
pub fn root(hashes: &[Hash], layer: u32, height: u32) -> Hash {
    let mut nodes = hashes.get(..1 << height.min(31)).unwrap_or(hashes).to_vec();
    let mut pad = pad_hash(layer);
    for _ in 0..height {
        let width = nodes.len().div_ceil(2);
        for at in 0..width {
            let left = nodes.get(2 * at).copied().unwrap_or(pad);
            let right = nodes.get(2 * at + 1).copied().unwrap_or(pad);
            if let Some(parent) = nodes.get_mut(at) {
                *parent = hash_pair(&left, &right);
            }
        }
        nodes.truncate(width);
        pad = hash_pair(&pad, &pad);
    }
    nodes.first().copied().unwrap_or(pad)
}

/// The number of the layer whose nodes cover `piece_length` bytes each; 0 for 16 KiB.
pub fn piece_layer(piece_length: u32) -> u32 {
    height(u64::from(piece_length.div_ceil(crate::BLOCK_LENGTH)))
}

/// The node that stands for one piece in its file's tree: the root of the file when the file has no
/// other piece, else a node of the piece layer.
pub fn piece_root(leaves: &[Hash], file_blocks: u64, piece_length: u32) -> Hash {
    root(leaves, 0, height(file_blocks).min(piece_layer(piece_length)))
}

/// The root of a file of `file_blocks` blocks from the nodes of all its pieces.
pub fn file_root(piece_roots: &[Hash], file_blocks: u64, piece_length: u32) -> Hash {
    let layer = piece_layer(piece_length).min(height(file_blocks));
    root(piece_roots, layer, height(file_blocks) - layer)
}

/// Whether `hashes` (a power of two of them, beginning at `index` of `layer`) lead to `root` of a tree
/// of `height` layers above the leaves, by way of `uncles`: the nodes beside the way up, lowest first.
pub fn proves(
    root_hash: &Hash,
    height: u32,
    layer: u32,
    index: u32,
    hashes: &[Hash],
    uncles: &[Hash],
) -> bool {
    let count = hashes.len();
    if !count.is_power_of_two() {
        return false;
    }
    let own = count.trailing_zeros();
    let expected = height.checked_sub(layer).and_then(|above| above.checked_sub(own));
    if expected.map(|uncles| uncles as usize) != Some(uncles.len()) || !(index as usize).is_multiple_of(count)
    {
        return false;
    }
    let mut at = index >> own;
    let mut node = root(hashes, layer, own);
    for uncle in uncles {
        node = if at & 1 == 0 { hash_pair(&node, uncle) } else { hash_pair(uncle, &node) };
        at >>= 1;
    }
    at == 0 && node == *root_hash
}

/// `count` (a power of two) hashes beginning at `index` of `layer`, and the uncles that prove them, from
/// `nodes`: all the nodes of `layer` within the file. The counterpart of [`proves`]; `None` when the
/// range does not lie in the tree.
pub fn proof(
    nodes: &[Hash],
    height: u32,
    layer: u32,
    index: u32,
    count: u32,
    uncles: u32,
) -> Option<(Vec<Hash>, Vec<Hash>)> {
    let above = height.checked_sub(layer).filter(|above| *above < 31)?;
    let end = index.checked_add(count)?;
    let aligned = count.is_power_of_two() && index.is_multiple_of(count) && end <= 1 << above;
    if !aligned || uncles > above - count.trailing_zeros() {
        return None;
    }
    let pad = pad_hash(layer);
    let wanted = (index..end).map(|at| nodes.get(at as usize).copied().unwrap_or(pad)).collect();
    let own = count.trailing_zeros();
    let beside = (own..own + uncles).map(|level| {
        let sibling = ((index >> level) ^ 1) as usize;
        let start = (sibling << level).min(nodes.len());
        let end = ((sibling + 1) << level).min(nodes.len());
        root(nodes.get(start..end).unwrap_or_default(), layer, level)
    });
    Some((wanted, beside.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn leaves(count: u32) -> Vec<Hash> {
        (0..count).map(|number| hash_block(&number.to_be_bytes())).collect()
    }

    #[test]
    fn a_file_of_one_block_is_its_own_root() {
        let leaf = leaves(1);
        assert_eq!(file_root(&[piece_root(&leaf, 1, 262_144)], 1, 262_144), leaf[0]);
        assert_eq!(height(1), 0);
        assert_eq!((height(2), height(3), height(16), height(17)), (1, 2, 4, 5));
    }

    #[test]
    fn three_leaves_are_filled_up_with_zeros() {
        let leaves = leaves(3);
        let expected = hash_pair(&hash_pair(&leaves[0], &leaves[1]), &hash_pair(&leaves[2], &[0; 32]));
        assert_eq!(root(&leaves, 0, 2), expected);
        assert_eq!(pad_hash(1), hash_pair(&[0; 32], &[0; 32]));
    }

    proptest! {
        #[test]
        fn the_piece_layer_leads_to_the_same_root(blocks in 1_u32..70, log in 0_u32..5) {
            let all = leaves(blocks);
            let piece_length = crate::BLOCK_LENGTH << log;
            let roots: Vec<Hash> =
                all.chunks(1 << log).map(|piece| piece_root(piece, blocks.into(), piece_length)).collect();
            let whole = root(&all, 0, height(blocks.into()));
            prop_assert_eq!(file_root(&roots, blocks.into(), piece_length), whole);
        }

        #[test]
        fn proofs_prove_and_lies_do_not(blocks in 2_u32..70, log in 0_u32..4, at in 0_u32..70, flip in 0_usize..32) {
            let all = leaves(blocks);
            let height = height(blocks.into());
            let count = 1 << log.min(height);
            let index = (at % blocks) / count * count;
            let whole = root(&all, 0, height);
            let (mut hashes, uncles) = proof(&all, height, 0, index, count, height - count.trailing_zeros()).unwrap();
            prop_assert!(proves(&whole, height, 0, index, &hashes, &uncles));
            prop_assert!(!proves(&whole, height, 0, index ^ count, &hashes, &uncles) || height == count.trailing_zeros());
            hashes[0][flip] ^= 1;
            prop_assert!(!proves(&whole, height, 0, index, &hashes, &uncles));
        }
    }
}
