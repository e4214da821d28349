//! Hashing a share on all cores: SHA-1 of pieces and SHA-256 of blocks in one pass over the bytes, as far
//! as the torrent's version asks for them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sha1::Sha1;
use sha2::Digest as _;
use shared::metainfo::Version;
use shared::{BLOCK_LENGTH, merkle};
use tokio::sync::mpsc;

use crate::disk::beneath::Access;
use crate::error::ShareError;
use crate::share::walk::Found;

/// How much is read at a time, in bytes: what stays in a core's cache while it is hashed twice.
const READ: usize = 64 * 1024;

/// The hashes of one piece.
#[derive(Debug, Clone)]
pub(crate) struct PieceHashes {
    /// Which file.
    pub(crate) file: usize,
    /// Which piece of the file.
    pub(crate) piece: u64,
    /// Bytes of data.
    pub(crate) length: u64,
    /// SHA-1, filled up with zeros to a whole piece in a folder; none where only v2 is wanted.
    pub(crate) sha1: Option<[u8; 20]>,
    /// SHA-256 of each block; none where only v1 is wanted.
    pub(crate) leaves: Box<[merkle::Hash]>,
}

/// A share that several threads hash.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) found: Arc<Found>,
    pub(crate) piece_length: u32,
    version: Version,
    /// Every piece: the file and its number there.
    pieces: Vec<(usize, u64)>,
    next: AtomicUsize,
}

impl Work {
    /// Everything that was found, in pieces of this length.
    pub(crate) fn new(found: Arc<Found>, piece_length: u32, version: Version) -> Self {
        let pieces = found
            .files
            .iter()
            .enumerate()
            .flat_map(|(file, entry)| {
                let count = entry.stamp.size.div_ceil(u64::from(piece_length));
                (0..count).map(move |piece| (file, piece))
            })
            .collect();
        Self { found, piece_length, version, pieces, next: AtomicUsize::new(0) }
    }

    /// Hashes pieces until there are none left or nobody wants them. Runs on a hash thread.
    pub(crate) fn run(&self, done: &mpsc::Sender<Result<PieceHashes, ShareError>>) {
        let mut buffer = vec![0; READ];
        let mut open: Option<(usize, std::fs::File)> = None;
        loop {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            let Some((file, piece)) = self.pieces.get(next).copied() else { return };
            let hashed = self.hash(file, piece, &mut open, &mut buffer);
            let failed = hashed.is_err();
            if done.blocking_send(hashed).is_err() || failed {
                return;
            }
        }
    }

    fn hash(
        &self,
        file: usize,
        piece: u64,
        open: &mut Option<(usize, std::fs::File)>,
        buffer: &mut [u8],
    ) -> Result<PieceHashes, ShareError> {
        let Some(entry) = self.found.files.get(file) else {
            return Err(ShareError::Empty { path: self.found.path() });
        };
        let path = || self.found.root.join(&entry.relative);
        let unreadable = |source| ShareError::Unreadable { path: path(), source };
        if open.as_ref().is_none_or(|(opened, _)| *opened != file) {
            let opened = self.found.root.open_file(&entry.relative, Access::Read).map_err(unreadable)?;
            *open = Some((file, opened));
        }
        let Some((_, handle)) = open.as_ref() else { return Err(ShareError::Changed { path: path() }) };
        let whole = u64::from(self.piece_length);
        let begin = piece * whole;
        let length = entry.stamp.size.saturating_sub(begin).min(whole);
        let mut sha1 = self.version.has_v1().then(Sha1::new);
        let mut leaves = Vec::new();
        let mut at = 0;
        while at < length {
            let count = usize::try_from(length - at).unwrap_or(READ).min(READ);
            let part = buffer.get_mut(..count).unwrap_or_default();
            read_exact(handle, part, begin + at).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => ShareError::Changed { path: path() },
                _ => unreadable(error),
            })?;
            for block in (*part).chunks(BLOCK_LENGTH as usize) {
                if let Some(sha1) = &mut sha1 {
                    sha1.update(block);
                }
                if self.version.has_v2() {
                    leaves.push(merkle::hash_block(block));
                }
            }
            at += count as u64;
        }
        if let Some(sha1) = sha1.as_mut().filter(|_| self.found.folder) {
            fill_up(sha1, whole - length, buffer);
        }
        let sha1 = sha1.map(|sha1| sha1.finalize().into());
        Ok(PieceHashes { file, piece, length, sha1, leaves: leaves.into() })
    }
}

/// Zeros up to the end of the piece (BEP 47).
fn fill_up(sha1: &mut Sha1, mut zeros: u64, buffer: &mut [u8]) {
    if zeros > 0 {
        buffer.fill(0);
    }
    while zeros > 0 {
        let count = usize::try_from(zeros).unwrap_or(READ).min(buffer.len());
        sha1.update(buffer.get(..count).unwrap_or_default());
        zeros -= count as u64;
    }
}

fn read_exact(file: &std::fs::File, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match crate::disk::beneath::read_at(file, buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                offset += read as u64;
                buffer = buffer.get_mut(read..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
