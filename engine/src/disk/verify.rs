//! Reads pieces back and compares them with the torrent's hashes. Runs on disk and hash threads.

use std::io;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use shared::{BLOCK_LENGTH, PieceIndex};
use swarm::{Content, FileTree};

use crate::disk::page_buffer::PageBuffer;
use crate::disk::storage::Storage;

/// How much is read at a time, in bytes, a multiple of blocks: it stays in a core's cache until it is hashed.
const READ: usize = 64 * 1024;

/// The SHA-1 of a piece on disk, padding counted as zeros.
pub(crate) fn sha1_of_piece(
    storage: &Storage,
    piece: PieceIndex,
    buffer: &mut PageBuffer,
) -> io::Result<[u8; 20]> {
    let layout = storage.layout();
    let mut sha1 = Sha1::new();
    let length = layout.length(piece) as usize;
    read_in_parts(storage, layout.offset(piece), length, buffer, |part| sha1.update(part))?;
    Ok(sha1.finalize().into())
}

/// Shows `take` what lies in a range of the line, padding as zeros, in parts of whole blocks.
fn read_in_parts(
    storage: &Storage,
    begin: u64,
    length: usize,
    buffer: &mut PageBuffer,
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    for at in (0..length).step_by(READ) {
        buffer.set_length(READ.min(length - at));
        storage.read(begin + at as u64, buffer)?;
        take(buffer);
    }
    Ok(())
}

/// The SHA-256 of each block of data of a piece on disk.
pub(crate) fn leaves_of_piece(
    storage: &Storage,
    piece: PieceIndex,
    buffer: &mut PageBuffer,
) -> io::Result<Vec<[u8; 32]>> {
    let layout = storage.layout();
    let length = layout.data_length(piece) as usize;
    let mut leaves = Vec::with_capacity(length.div_ceil(BLOCK_LENGTH as usize));
    read_in_parts(storage, layout.offset(piece), length, buffer, |part| {
        let blocks: Vec<&[u8]> = part.chunks(BLOCK_LENGTH as usize).collect();
        leaves.extend(hashes::sha256_each(&blocks));
    })?;
    Ok(leaves)
}

/// Whether a piece on disk is what the torrent says. A piece that no known hash speaks of is not.
pub(crate) fn piece_is_right(
    storage: &Storage,
    content: &Content,
    piece: PieceIndex,
    buffer: &mut PageBuffer,
) -> io::Result<bool> {
    // The tree first: it is what blocks are compared with as they arrive, and it is hashed faster.
    if let Some((expected, width)) = expected_root(content, piece) {
        return Ok(root(leaves_of_piece(storage, piece, buffer)?, width) == expected);
    }
    let expected = content.piece_hashes_v1.as_ref().and_then(|hashes| hashes.get(piece.as_usize()));
    let Some(expected) = expected else { return Ok(false) };
    Ok(sha1_of_piece(storage, piece, buffer)? == *expected)
}

/// The tree of the file that a piece belongs to.
pub(crate) fn tree_of(content: &Content, piece: PieceIndex) -> Option<&FileTree> {
    let after = content.trees.partition_point(|tree| tree.first_piece <= piece);
    let tree = content.trees.get(after.checked_sub(1)?)?;
    let pieces = tree.length.div_ceil(u64::from(content.layout.piece_length()));
    (u64::from(piece.get() - tree.first_piece.get()) < pieces).then_some(tree)
}

/// The hash over the leaves of a piece, and over how many leaves it is made.
pub(crate) fn expected_root(content: &Content, piece: PieceIndex) -> Option<([u8; 32], usize)> {
    let tree = tree_of(content, piece)?;
    if tree.length <= u64::from(content.layout.piece_length()) {
        let leaves = usize::try_from(tree.length.div_ceil(u64::from(BLOCK_LENGTH))).ok()?;
        return Some((tree.pieces_root, leaves.next_power_of_two()));
    }
    let layer = content.piece_layers.get(&tree.pieces_root)?;
    let hash = layer.get((piece.get() - tree.first_piece.get()) as usize)?;
    Some((*hash, content.layout.blocks_in_whole_piece() as usize))
}

/// The root over `width` leaves, a power of two; missing ones count as zero hashes.
pub(crate) fn root(mut layer: Vec<[u8; 32]>, width: usize) -> [u8; 32] {
    layer.resize(width.max(1), [0; 32]);
    while layer.len() > 1 {
        layer = layer.chunks(2).map(|pair| Sha256::digest(pair.as_flattened()).into()).collect();
    }
    layer.first().copied().unwrap_or_default()
}
