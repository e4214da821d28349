//! Hashing a share on all cores: SHA-1 of pieces and SHA-256 of blocks in one pass over the bytes, as far
//! as the torrent's version asks for them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hashes::Sha1;
use shared::metainfo::Version;
use shared::{BLOCK_LENGTH, merkle};
use tokio::sync::mpsc;

use crate::disk::beneath::Access;
use crate::disk::page_buffer::PageBuffer;
use crate::error::ShareError;
use crate::share::walk::{Found, FoundFile};

/// How much is read at a time, in bytes: of each of two pieces: what stays in a core's cache while it is hashed twice.
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
    pub(crate) leaves: Vec<merkle::Hash>,
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

    /// Hashes pieces, two side by side, until there are none left or nobody wants them. Runs on a hash thread.
    pub(crate) fn run(&self, done: &mpsc::Sender<Result<PieceHashes, ShareError>>) {
        let mut lanes = [Lane::default(), Lane::default()];
        loop {
            let next = self.next.fetch_add(lanes.len(), Ordering::Relaxed);
            let pieces = self.pieces.get(next..).unwrap_or_default();
            if pieces.is_empty() {
                return;
            }
            let hashed = match self.hash(pieces, &mut lanes) {
                Ok(hashed) => hashed.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            };
            for one in hashed {
                let failed = one.is_err();
                if done.blocking_send(one).is_err() || failed {
                    return;
                }
            }
        }
    }

    /// Hashes the first of `pieces`, one in each lane.
    fn hash(&self, pieces: &[(usize, u64)], lanes: &mut [Lane; 2]) -> Result<Vec<PieceHashes>, ShareError> {
        let mut hashed = Vec::with_capacity(lanes.len());
        let mut readings = Vec::with_capacity(lanes.len());
        for ((file, piece), lane) in pieces.iter().copied().zip(lanes) {
            let reading = self.open(file, piece, lane)?;
            hashed.push(PieceHashes { file, piece, length: reading.left, sha1: None, leaves: Vec::new() });
            readings.push(reading);
        }
        let mut sha1 = self.version.has_v1().then(<[Sha1; 2]>::default);
        while readings.iter().any(|reading| reading.left > 0) {
            let mut parts: [&[u8]; 2] = [&[]; 2];
            for (part, reading) in parts.iter_mut().zip(&mut readings) {
                *part = reading.next()?;
            }
            if let Some(sha1) = &mut sha1 {
                Sha1::update_two(sha1.each_mut(), parts);
            }
            if self.version.has_v2() {
                let [first, second] = parts.map(|part| part.chunks(BLOCK_LENGTH as usize));
                let of_first = first.len();
                let blocks: Vec<&[u8]> = first.chain(second).collect();
                let mut leaves = hashes::sha256_each(&blocks);
                let others = leaves.split_off(of_first);
                hashed.iter_mut().zip([leaves, others]).for_each(|(one, leaves)| one.leaves.extend(leaves));
            }
        }
        if let Some(mut sha1) = sha1 {
            if self.found.folder {
                let whole = u64::from(self.piece_length);
                let missing = |which: usize| hashed.get(which).map_or(0, |one| whole - one.length);
                fill_up(&mut sha1, [missing(0), missing(1)]);
            }
            hashed.iter_mut().zip(sha1).for_each(|(one, sha1)| one.sha1 = Some(sha1.finish()));
        }
        Ok(hashed)
    }

    /// `piece` of `file`, ready to be read through `lane`.
    fn open<'work>(
        &'work self,
        file: usize,
        piece: u64,
        lane: &'work mut Lane,
    ) -> Result<Reading<'work>, ShareError> {
        let found = &*self.found;
        let Some(entry) = found.files.get(file) else { return Err(ShareError::Empty { path: found.path() }) };
        if lane.open.as_ref().is_none_or(|(opened, _)| *opened != file) {
            let opened = found.root.open_file(&entry.relative, Access::Read).map_err(|source| {
                ShareError::Unreadable { path: found.root.join(&entry.relative), source }
            })?;
            lane.open = Some((file, opened));
        }
        let Some((_, handle)) = &lane.open else {
            return Err(ShareError::Changed { path: found.root.join(&entry.relative) });
        };
        let whole = u64::from(self.piece_length);
        let offset = piece * whole;
        let left = entry.stamp.size.saturating_sub(offset).min(whole);
        lane.buffer.set_length(READ);
        Ok(Reading { found, entry, handle, buffer: &mut lane.buffer, offset, left })
    }
}

/// What one of the two pieces that a thread hashes side by side is read with.
#[derive(Debug, Default)]
struct Lane {
    buffer: PageBuffer,
    /// The file read last, by its number.
    open: Option<(usize, std::fs::File)>,
}

/// One piece being read.
#[derive(Debug)]
struct Reading<'work> {
    found: &'work Found,
    entry: &'work FoundFile,
    handle: &'work std::fs::File,
    buffer: &'work mut [u8],
    offset: u64,
    left: u64,
}

impl Reading<'_> {
    /// The next bytes of the piece; none at its end.
    fn next(&mut self) -> Result<&[u8], ShareError> {
        let count = usize::try_from(self.left).unwrap_or(READ).min(READ);
        let part = self.buffer.get_mut(..count).unwrap_or_default();
        read_exact(self.handle, part, self.offset).map_err(|source| {
            let path = self.found.root.join(&self.entry.relative);
            match source.kind() {
                io::ErrorKind::UnexpectedEof => ShareError::Changed { path },
                _ => ShareError::Unreadable { path, source },
            }
        })?;
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(part)
    }
}

/// So many zeros for each, up to the end of the piece (BEP 47).
fn fill_up(sha1: &mut [Sha1; 2], mut zeros: [u64; 2]) {
    const ZEROS: &[u8] = &[0; BLOCK_LENGTH as usize];
    while zeros != [0, 0] {
        let parts = zeros.map(|zeros| {
            let count = usize::try_from(zeros).unwrap_or(ZEROS.len()).min(ZEROS.len());
            ZEROS.get(..count).unwrap_or_default()
        });
        Sha1::update_two(sha1.each_mut(), parts);
        zeros.iter_mut().zip(parts).for_each(|(zeros, part)| *zeros -= part.len() as u64);
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
