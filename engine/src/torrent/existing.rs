//! Data that another program left under a download's final name: what of it is right is used.
//!
//! An unfinished download of another program, whose missing pieces were never written, is taken over as
//! it lies and becomes the `.part`. A file with anything else in it is somebody's: it stays as it is, and
//! its right pieces are copied. Called by the preparation of a torrent only.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use shared::{BLOCK_LENGTH, PieceIndex};

use crate::disk::storage::Storage;
use crate::error::TorrentError;
use crate::torrent::prepare::{Preparation, file_error};

/// Somebody's file that holds right pieces and stays.
#[derive(Debug)]
pub(super) struct Giver {
    pub(super) storage: Arc<Storage>,
    pub(super) right: Vec<PieceIndex>,
}

/// Whether every file is there in its full length.
pub(super) fn is_whole(storage: &Storage) -> bool {
    storage
        .files()
        .iter()
        .enumerate()
        .all(|(index, file)| storage.stamp(index).is_ok_and(|stamp| stamp.size == file.length))
}

impl Preparation {
    /// Makes what lies under the final name the unfinished download, if nothing of anybody is lost by
    /// that; says whether it did.
    pub(super) async fn take_over(
        &self,
        storage: &Arc<Storage>,
        right: &[PieceIndex],
        part: &Path,
    ) -> Result<bool, TorrentError> {
        let failed = |error: io::Error| file_error(&self.into.join(part), &error);
        if self.parts.torrents().lies_at(&storage.path()) || storage.root().exists(part).map_err(failed)? {
            return Ok(false);
        }
        let missing: Vec<PieceIndex> =
            storage.layout().iter().filter(|piece| right.binary_search(piece).is_err()).collect();
        let (looked, end) = (Arc::clone(storage), self.end.clone());
        let unwritten = self
            .parts
            .hashers
            .run(move || missing.iter().all(|piece| !end.is_cancelled() && has_hole(&looked, *piece)))
            .await;
        if unwritten != Some(true) || !self.parts.torrents().claim(&self.place, &self.into.join(part)) {
            return Ok(false);
        }
        let renamed = storage.rename_top(part);
        if let Err(error) = &renamed {
            tracing::warn!(%error, path = ?storage.path(), "an unfinished file could not be taken over");
            self.parts.torrents().release(&self.place);
        }
        Ok(renamed.is_ok())
    }

    /// Copies right pieces; gives those that are right where they are now.
    pub(super) async fn copy(
        &self,
        giver: Giver,
        to: &Arc<Storage>,
    ) -> Result<Vec<PieceIndex>, TorrentError> {
        let (written, end) = (Arc::clone(to), self.end.clone());
        let right = giver.right.clone();
        let copied = self.parts.disk.run(move || {
            for piece in giver.right.iter().take_while(|_| !end.is_cancelled()) {
                let layout = written.layout();
                let mut buffer = vec![0; layout.length(*piece) as usize];
                giver.storage.read(layout.offset(*piece), &mut buffer)?;
                written.write(layout.offset(*piece), &[Bytes::from(buffer)])?;
            }
            giver.storage.close();
            Ok(())
        });
        match copied.await {
            None => Err(TorrentError::Fault),
            Some(Err(error)) => Err(file_error(&to.path(), &error)),
            Some(Ok(())) => self.check(to, right).await,
        }
    }
}

/// Whether some block of a piece was never written: zeros, beyond the end, or not there at all.
fn has_hole(storage: &Storage, piece: PieceIndex) -> bool {
    let layout = storage.layout();
    let (begin, length) = (layout.offset(piece), layout.data_length(piece));
    let mut buffer = vec![0; BLOCK_LENGTH as usize];
    let mut at = 0;
    while at < length {
        let block = buffer.get_mut(..(length - at).min(BLOCK_LENGTH) as usize).unwrap_or_default();
        match storage.read(begin + u64::from(at), block) {
            Ok(()) if block.iter().any(|byte| *byte != 0) => {}
            _ => return true,
        }
        at += BLOCK_LENGTH;
    }
    false
}
