//! Paths of one torrent that cannot all exist on one disk, and the names they get instead.

use std::collections::BTreeSet;

use super::parse::MetainfoError;
use super::{FileEntry, Note};

/// The most files of one torrent that get another name, and the highest number that one gets: beyond
/// it the torrent was made to do harm.
pub(super) const MAX_RENAMED: usize = 500;

/// Gives a number to each file whose path is the same as an earlier one's, or the same as a folder's,
/// on some system. Folders keep their names, and so does every file that stands in nobody's way.
pub(super) fn settle(files: &mut [FileEntry], notes: &mut Vec<Note>) -> Result<(), MetainfoError> {
    let real = || files.iter().filter(|file| !file.padding);
    let written: BTreeSet<String> = real().map(|file| file.path.collision_key()).collect();
    let is_folder = |key: &str| {
        let inside = format!("{key}/");
        written.range(inside.clone()..).next().is_some_and(|next| next.starts_with(&inside))
    };
    let mut taken = BTreeSet::new();
    let mut renamed = 0;
    for file in files.iter_mut().filter(|file| !file.padding) {
        let key = file.path.collision_key();
        if !is_folder(&key) && taken.insert(key) {
            continue;
        }
        renamed += 1;
        let mut free = None;
        for number in 1..=MAX_RENAMED {
            let other = file.path.numbered(number)?;
            let key = other.collision_key();
            if !written.contains(&key) && !is_folder(&key) && taken.insert(key) {
                free = Some(other);
                break;
            }
        }
        let Some(path) = free.filter(|_| renamed <= MAX_RENAMED) else {
            return Err(MetainfoError::Collisions { limit: MAX_RENAMED });
        };
        notes.push(Note::Renamed { from: file.path.to_string(), to: path.to_string() });
        file.written = Some(std::mem::replace(&mut file.path, path));
    }
    Ok(())
}
