//! After the last byte: empty files made, everything synced, and the final name given.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::beneath::{Access, Stamp};
use crate::disk::block_disk::BlockDisk;
use crate::disk::source::Source;
use crate::disk::storage::Storage;
use crate::torrent::prepare::numbered;

/// A finished download.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The final path.
    pub(crate) path: PathBuf,
    /// How each file looks now.
    pub(crate) stamps: Vec<Option<Stamp>>,
}

/// Gives a complete download its final name, or that name with a number when it is taken. Runs on a
/// disk thread.
pub(crate) fn finish(
    source: &Source,
    disk: &Arc<dyn BlockDisk>,
    final_name: &Path,
    folder: bool,
    unsynced: std::collections::BTreeSet<u32>,
) -> Result<Finished, (PathBuf, io::Error)> {
    let storage = source.storage();
    let failed = |error| (storage.path(), error);
    if folder {
        storage.root().make_folder(&storage.top()).map_err(failed)?;
    }
    for (index, _) in storage.files().iter().enumerate().filter(|(_, file)| file.length == 0) {
        let relative = storage.relative(index);
        let made = disk.open(storage.root(), &relative, Access::Create).and_then(|file| file.sync());
        made.map_err(|error| (storage.root().join(&relative), error))?;
    }
    let mut stamps = storage.stamps();
    if let Some(gone) = stamps.iter().position(Option::is_none) {
        return Err((storage.root().join(&storage.relative(gone)), io::ErrorKind::NotFound.into()));
    }
    for (index, file) in storage.files().iter().enumerate() {
        // Somebody may have written behind the end of the part: the file is what was shared, no more.
        let stamp = stamps.get_mut(index);
        if let Some(stamp) = stamp.filter(|stamp| stamp.is_some_and(|stamp| stamp.size > file.length)) {
            storage.file(index).and_then(|open| open.cut(file.length)).map_err(failed)?;
            *stamp = Some(storage.stamp(index).map_err(failed)?);
        }
    }
    storage.sync_pieces(unsynced).map_err(failed)?;
    // A second try may find that the first one came further than this.
    if storage.is_writable() {
        give_name(storage, &final_name.to_string_lossy(), folder).map_err(failed)?;
    }
    storage.root().sync_folder_of(&storage.top()).map_err(failed)?;
    // The files look as they did before their folder's name changed.
    source.watch(stamps.clone(), &stamps);
    Ok(Finished { path: storage.path(), stamps })
}

/// Renames the file or folder, with a number behind its name where that is taken.
fn give_name(storage: &Storage, name: &str, folder: bool) -> io::Result<()> {
    for number in 0..1000 {
        match storage.rename_top(&numbered(name, number, folder)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            outcome => return outcome,
        }
    }
    storage.rename_top(&numbered(name, 1000, folder))
}

/// Removes the bytes of an unfinished download: its files, then its folders from the inside out. What
/// the torrent did not put there stays, and keeps its folders.
pub(crate) fn remove(storage: &Storage) -> Result<(), (PathBuf, io::Error)> {
    storage.close();
    let mut folders = std::collections::BTreeSet::new();
    for index in 0..storage.files().len() {
        let relative = storage.relative(index);
        match storage.root().remove_file(&relative) {
            Err(error)
                if error.kind() != io::ErrorKind::NotFound
                    && error.kind() != io::ErrorKind::NotADirectory =>
            {
                return Err((storage.root().join(&relative), error));
            }
            _ => {}
        }
        folders.extend(
            relative.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).map(Path::to_owned),
        );
    }
    folders.insert(storage.top());
    for folder in folders.iter().rev() {
        // A folder that is not empty holds something of somebody else.
        let _ = storage.root().remove_folder(folder).is_ok();
    }
    Ok(())
}
