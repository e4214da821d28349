//! The torrent task's errands on disk and hash threads. Each answers into the torrent's inbox.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use shared::{BlockRef, PieceIndex};
use swarm::{Input, PeerKey};
use wire::HashRange;

use crate::connection::{Event, Inbox};
use crate::disk::block_disk::is_full;
use crate::disk::page_buffer::PageBuffer;
use crate::disk::source::Source;
use crate::disk::{hash_tree, verify};
use crate::shared_parts::Parts;
use crate::torrent::prepare::file_error;
use crate::torrent::writes::Write;

thread_local! {
    /// A hash thread's room for one piece.
    static PIECE: RefCell<PageBuffer> = RefCell::default();
}

/// Gives the answer; a torrent that has ended does not need it.
fn answer(inbox: &Inbox, event: Event) {
    let _ = inbox.blocking_send(event).is_ok();
}

/// Writes blocks where they belong, neighbours together.
pub(crate) fn write(source: Arc<Source>, parts: &Parts, inbox: Inbox, mut blocks: Vec<Write>) {
    parts.disk.submit(move || {
        blocks.sort_unstable_by_key(|(block, _)| *block);
        hash(&source, &blocks);
        let mut inputs = Vec::with_capacity(blocks.len());
        let mut rest = blocks;
        while !rest.is_empty() {
            let run = take_run(&source, &mut rest);
            let (names, bytes): (Vec<BlockRef>, Vec<Bytes>) = run.into_iter().unzip();
            let outcome = write_run(&source, &names, &bytes);
            // The memory goes back before anybody hears of it.
            drop(bytes);
            match outcome {
                Ok(()) => inputs.extend(names.into_iter().map(|block| Input::Written { block })),
                Err(error) => {
                    for block in &names {
                        source.arriving().forget(block.piece);
                    }
                    let full = is_full(&error);
                    if !full {
                        let error = file_error(&source.storage().path(), &error);
                        answer(&inbox, Event::FileTrouble(error));
                    }
                    inputs.extend(names.into_iter().map(|block| Input::WriteFailed { block, full }));
                }
            }
        }
        answer(&inbox, Event::Inputs(inputs));
    });
}

fn line_offset(source: &Source, block: BlockRef) -> u64 {
    source.storage().layout().offset(block.piece) + u64::from(block.begin())
}

/// The blocks at the head that follow each other on the line.
fn take_run(source: &Source, rest: &mut Vec<Write>) -> Vec<Write> {
    let mut end = None;
    let together = rest
        .iter()
        .take_while(|(block, bytes)| {
            let begin = line_offset(source, *block);
            let follows = end.is_none_or(|end| end == begin);
            end = Some(begin + bytes.len() as u64);
            follows
        })
        .count();
    let later = rest.split_off(together);
    std::mem::replace(rest, later)
}

fn write_run(source: &Source, names: &[BlockRef], bytes: &[Bytes]) -> io::Result<()> {
    let Some(first) = names.first() else { return Ok(()) };
    source.storage().write(line_offset(source, *first), bytes)
}

/// Hashes what is about to be written, where pieces have nothing but their SHA-1. What does not lie on the disk
/// as it came is read back later.
fn hash(source: &Source, blocks: &[Write]) {
    if source.has_trees() {
        return;
    }
    source.arriving().take_in(blocks.chunk_by(|(one, _), (next, _)| one.piece == next.piece).filter(
        |piece| {
            let whole = lies_whole(source, piece);
            if let Some((block, _)) = piece.first().filter(|_| !whole) {
                source.arriving().forget(block.piece);
            }
            whole
        },
    ));
}

/// Whether every byte of these blocks, neighbours of one piece, has its place in a file.
fn lies_whole(source: &Source, blocks: &[Write]) -> bool {
    let length: usize = blocks.iter().map(|(_, bytes)| bytes.len()).sum();
    let Some((first, _)) = blocks.first() else { return true };
    let segments = source.storage().segments(line_offset(source, *first), length as u64);
    segments.iter().map(|segment| segment.length).sum::<usize>() == length
}

/// Makes the SHA-1 of a piece; reads it back unless its blocks were hashed as they were written.
pub(crate) fn hash_piece(source: Arc<Source>, parts: &Parts, inbox: Inbox, piece: PieceIndex) {
    parts.hashers.submit(move || {
        let beginning = source.arriving().take(piece);
        let arrived = beginning.and_then(|beginning| beginning.finish(piece, source.storage().layout()));
        let read_back = || {
            PIECE
                .with_borrow_mut(|buffer| verify::sha1_of_piece(source.storage(), piece, buffer))
                .inspect_err(|error| tracing::warn!(%error, %piece, "a piece could not be read back"))
                .ok()
        };
        let sha1 = arrived.or_else(read_back);
        answer(&inbox, Event::Inputs(vec![Input::PieceHashed { piece, sha1 }]));
    });
}

/// Reads a piece back and makes the SHA-256 of each block.
pub(crate) fn digest_blocks(source: Arc<Source>, parts: &Parts, inbox: Inbox, piece: PieceIndex) {
    parts.hashers.submit(move || {
        let digests = PIECE
            .with_borrow_mut(|buffer| verify::leaves_of_piece(source.storage(), piece, buffer))
            .inspect_err(|error| tracing::warn!(%error, %piece, "a piece could not be read back"))
            .ok();
        answer(&inbox, Event::Inputs(vec![Input::BlocksDigested { piece, digests }]));
    });
}

/// Looks up hashes of a file's tree for a peer.
pub(crate) fn read_hashes(source: Arc<Source>, parts: &Parts, inbox: Inbox, peer: PeerKey, range: HashRange) {
    parts.hashers.submit(move || {
        let mut read = BTreeMap::new();
        let upper = source.upper(&range.pieces_root);
        let hashes = hash_tree::answer(source.content(), upper.as_deref(), &range, |piece| {
            if let Some(leaves) = read.get(&piece) {
                return Some(Arc::clone(leaves));
            }
            let leaves = source.leaves(piece)?;
            read.insert(piece, Arc::clone(&leaves));
            Some(leaves)
        });
        answer(&inbox, Event::Inputs(vec![Input::HashesRead { peer, range, hashes }]));
    });
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use sha1::{Digest as _, Sha1};
    use shared::{InfoHash, InfoHashes, Layout};
    use swarm::Content;

    use super::*;
    use crate::disk::beneath::Root;
    use crate::disk::block_disk::StdDisk;
    use crate::disk::open_files::OpenFiles;
    use crate::disk::storage::{Storage, StoredFile};

    /// A v1 torrent: 20,000 bytes, padding up to the third block, and two pieces and a half in all.
    fn source(dir: &Path) -> Source {
        let layout = Layout::with_padding(10 * 16_384, 4 * 16_384, [(20_000, 12_768)]).unwrap();
        let content = Content {
            hashes: InfoHashes::v1(InfoHash([1; 20])),
            layout: layout.clone(),
            trees: Vec::new(),
            piece_layers: BTreeMap::new(),
            piece_hashes_v1: Some(Box::default()),
            raw_info: None,
            private: false,
        };
        let file = |name, offset, length| StoredFile { inside: PathBuf::from(name), offset, length };
        let files = vec![file("first", 0, 20_000), file("second", 32_768, 8 * 16_384)];
        let root = Root::open(dir).unwrap();
        let open = Arc::new(OpenFiles::new(4));
        let storage = Storage::new(Arc::new(StdDisk), open, root, "top".into(), files, layout, true);
        Source::new(Arc::new(storage), Arc::new(content))
    }

    #[test]
    fn what_would_not_lie_on_disk_as_it_came_is_left_to_be_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let source = source(dir.path());
        let layout = source.storage().layout();
        let job: Vec<Write> = layout
            .iter()
            .flat_map(|piece| (0..layout.blocks(piece)).map(move |index| BlockRef { piece, index }))
            .map(|block| (block, Bytes::from(vec![7; layout.block_span(block).unwrap().length() as usize])))
            .collect();
        hash(&source, &job);
        let hashes: Vec<_> = layout
            .iter()
            .map(|piece| source.arriving().take(piece).and_then(|beginning| beginning.finish(piece, layout)))
            .collect();
        let whole = |blocks: usize| Some(<[u8; 20]>::from(Sha1::digest(vec![7; blocks * 16_384])));
        assert_eq!(hashes, [None, whole(4), whole(2)], "what came of the padding is written nowhere");
    }
}
