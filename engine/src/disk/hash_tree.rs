//! Answers to hash requests (BEP 52), from the leaves of pieces and the piece layers.

use std::sync::Arc;

use bytes::Bytes;
use shared::{BLOCK_LENGTH, PieceIndex};
use swarm::{Content, FileTree};
use wire::HashRange;

use crate::disk::verify;

/// The leaves of one piece, data only.
pub(crate) type Leaves = Arc<[[u8; 32]]>;

/// The layers of a file's tree from its pieces up, made once.
#[derive(Debug)]
pub(crate) struct Upper {
    /// The first is the layer of pieces, each further one half as long; padding left out.
    layers: Vec<Vec<[u8; 32]>>,
}

impl Upper {
    /// The layers over what the torrent file says of this root's pieces; `None` when it says nothing.
    pub(crate) fn over(content: &Content, pieces_root: &[u8; 32]) -> Option<Self> {
        let mut layer = content.piece_layers.get(pieces_root)?.clone();
        let mut height = piece_layer(content);
        let mut layers = Vec::new();
        while layer.len() > 1 {
            let next = layer
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => verify::root(vec![*left, *right], 2),
                    _ => verify::root(vec![pair.first().copied().unwrap_or_default(), padding(height)], 2),
                })
                .collect();
            layers.push(std::mem::replace(&mut layer, next));
            height += 1;
        }
        layers.push(layer);
        Some(Self { layers })
    }
}

/// The layer whose nodes are pieces.
fn piece_layer(content: &Content) -> u32 {
    content.layout.blocks_in_whole_piece().next_power_of_two().trailing_zeros()
}

/// One file's tree with the means to look into it.
struct Tree<'tree, F> {
    content: &'tree Content,
    file: &'tree FileTree,
    upper: Option<&'tree Upper>,
    /// Leaves of a piece; `None` when they cannot be had.
    leaves: F,
    /// The layer whose nodes are pieces.
    piece_layer: u32,
}

/// The hashes of `range` followed by the uncles that prove them, 32 bytes each; `None` when we do not
/// have what is needed.
pub(crate) fn answer(
    content: &Content,
    upper: Option<&Upper>,
    range: &HashRange,
    leaves: impl FnMut(PieceIndex) -> Option<Leaves>,
) -> Option<Bytes> {
    let file = content.trees.iter().find(|tree| tree.pieces_root == range.pieces_root)?;
    let mut tree = Tree { content, file, upper, leaves, piece_layer: piece_layer(content) };
    let mut bytes = Vec::with_capacity(range.length as usize * 32);
    for index in range.index..range.index.checked_add(range.length)? {
        bytes.extend(tree.node(range.base_layer, index)?);
    }
    let inferred = range.length.checked_ilog2()?;
    for up in inferred..=range.proof_layers {
        let layer = range.base_layer.checked_add(up)?;
        if layer >= tree.height() {
            break;
        }
        bytes.extend(tree.node(layer, (range.index >> up) ^ 1)?);
    }
    Some(bytes.into())
}

impl<F: FnMut(PieceIndex) -> Option<Leaves>> Tree<'_, F> {
    fn blocks(&self) -> u64 {
        self.file.length.div_ceil(u64::from(BLOCK_LENGTH))
    }

    fn height(&self) -> u32 {
        self.blocks().next_power_of_two().trailing_zeros()
    }

    /// One node, counted from the layer of blocks (0) up.
    fn node(&mut self, layer: u32, index: u32) -> Option<[u8; 32]> {
        let width = 1_u64.checked_shl(layer)?;
        let first = u64::from(index).checked_mul(width)?;
        if first >= self.blocks() {
            return Some(padding(layer));
        }
        if layer < self.piece_layer || self.height() <= self.piece_layer {
            return self.over_leaves(first, width);
        }
        let layer = self.upper?.layers.get((layer - self.piece_layer) as usize)?;
        layer.get(index as usize).copied()
    }

    /// A node below the pieces, or of a file that is one piece.
    fn over_leaves(&mut self, first: u64, width: u64) -> Option<[u8; 32]> {
        let in_piece = u64::from(self.content.layout.blocks_in_whole_piece());
        let number = u32::try_from(first / in_piece).ok()?.checked_add(self.file.first_piece.get())?;
        let leaves = (self.leaves)(PieceIndex::new(number))?;
        let from = usize::try_from(first % in_piece).ok()?;
        let to = from.checked_add(usize::try_from(width).ok()?)?.min(leaves.len());
        let part = leaves.get(from..to).unwrap_or_default().to_vec();
        Some(fold(part, width.trailing_zeros(), 0))
    }
}

/// The node `up` layers above `nodes`, which stand in `layer`; missing ones are padding.
fn fold(mut nodes: Vec<[u8; 32]>, up: u32, layer: u32) -> [u8; 32] {
    nodes.resize(1 << up, padding(layer));
    verify::root(nodes, 1 << up)
}

/// The node of a layer below which there are no blocks.
fn padding(layer: u32) -> [u8; 32] {
    (0..layer).fold([0; 32], |below, _| verify::root(vec![below, below], 2))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use shared::{InfoHashV2, InfoHashes, Layout};

    use super::*;

    /// A file of `blocks` blocks in pieces of four, with leaf `n` being `n` in each byte.
    fn content(blocks: u64) -> (Content, Vec<[u8; 32]>) {
        let leaves: Vec<[u8; 32]> = (0..blocks).map(|n| [u8::try_from(n).unwrap() + 1; 32]).collect();
        let width = usize::try_from(blocks).unwrap().next_power_of_two();
        let pieces_root = verify::root(leaves.clone(), width);
        let layer: Vec<_> = leaves.chunks(4).map(|piece| verify::root(piece.to_vec(), 4)).collect();
        let length = blocks * u64::from(BLOCK_LENGTH);
        let content = Content {
            hashes: InfoHashes::v2(InfoHashV2([0; 32])),
            layout: Layout::new(length, 4 * u64::from(BLOCK_LENGTH)).unwrap(),
            trees: vec![FileTree { first_piece: PieceIndex::new(0), length, pieces_root }],
            piece_layers: BTreeMap::from([(pieces_root, layer)]),
            piece_hashes_v1: None,
            raw_info: None,
            private: false,
        };
        (content, leaves)
    }

    #[test]
    fn every_answer_proves_itself() {
        for blocks in [2_u64, 3, 4, 5, 9, 16, 21] {
            let (content, leaves) = content(blocks);
            let root = content.trees[0].pieces_root;
            let height = blocks.next_power_of_two().trailing_zeros();
            for base_layer in 0..height {
                for length in [2_u32, 4, 8].into_iter().filter(|length| length.ilog2() + base_layer <= height)
                {
                    for index in (0..(1 << (height - base_layer))).step_by(length as usize) {
                        let proof_layers = height - base_layer - 1;
                        let range = HashRange { pieces_root: root, base_layer, index, length, proof_layers };
                        let upper = Upper::over(&content, &root);
                        let answer = answer(&content, upper.as_ref(), &range, |piece| {
                            let from = piece.as_usize() * 4;
                            Some(leaves[from..(from + 4).min(leaves.len())].into())
                        });
                        let hashes: Vec<[u8; 32]> = answer.unwrap().as_chunks::<32>().0.to_vec();
                        let (base, uncles) = hashes.split_at(length as usize);
                        let mut node = verify::root(base.to_vec(), base.len());
                        let mut at = index / length;
                        for uncle in uncles {
                            let pair = if at % 2 == 0 { vec![node, *uncle] } else { vec![*uncle, node] };
                            node = verify::root(pair, 2);
                            at /= 2;
                        }
                        assert_eq!(node, root, "{blocks} blocks, {range:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_not_known_is_not_answered() {
        let (content, _) = content(9);
        let pieces_root = content.trees[0].pieces_root;
        let range = HashRange { pieces_root, base_layer: 0, index: 0, length: 2, proof_layers: 3 };
        assert_eq!(answer(&content, None, &range, |_| None), None);
        let other = HashRange { pieces_root: [9; 32], ..range };
        assert_eq!(answer(&content, None, &other, |_| Some([[1; 32]; 4].as_slice().into())), None);
    }
}
