//! The file tree of a v2 torrent (BEP 52).

use super::files::{has_attribute, length};
use super::parse::MetainfoError;
use super::{FileEntry, Note};
use crate::bencode::Value;
use crate::path::{PathError, SafePath};

/// Reads `file tree` into files on a line where each begins at a piece boundary, with the padding
/// between them. Says too whether it is a single file called like the torrent.
pub(super) fn read(
    info: &Value<'_>,
    name: &SafePath,
    piece_length: u64,
    notes: &mut Vec<Note>,
) -> Result<(Vec<FileEntry>, bool), MetainfoError> {
    let key = "file tree";
    let tree = info.get(key).and_then(Value::as_dict).ok_or(MetainfoError::Missing { key })?;
    let mut files: Vec<FileEntry> = Vec::new();
    // Depth first without recursion: what is still to be visited, last one first.
    let mut waiting = Vec::new();
    push(&mut waiting, &[], tree)?;
    let mut end = 0_u64;
    while let Some((path, value)) = waiting.pop() {
        let entries = value.as_dict().ok_or(MetainfoError::Missing { key })?;
        let Some(file) = value.get("") else {
            push(&mut waiting, &path, entries)?;
            continue;
        };
        if entries.len() != 1 {
            return Err(MetainfoError::FileAndFolder { path: path.join("/") });
        }
        let path = SafePath::from_components(path)?;
        if has_attribute(file, b'l') {
            notes.push(Note::LinkSkipped(path.to_string()));
            continue;
        }
        let length = length(file, "length")?;
        let root = file.get("pieces root").and_then(Value::as_bytes);
        let pieces_root = match (length, root) {
            (0, _) => None,
            (_, Some(root)) => Some(root.try_into().map_err(|_| MetainfoError::RootLength(root.len()))?),
            (_, None) => return Err(MetainfoError::Missing { key: "pieces root" }),
        };
        let offset = if length == 0 {
            end
        } else {
            let aligned = end.checked_next_multiple_of(piece_length).ok_or(MetainfoError::TooLarge)?;
            files.extend((aligned > end).then(|| padding(end, aligned - end)).transpose()?);
            aligned
        };
        end = offset.checked_add(length).ok_or(MetainfoError::TooLarge)?;
        files.push(FileEntry { path, written: None, length, offset, pieces_root, padding: false });
    }
    if files.is_empty() {
        return Err(MetainfoError::Missing { key });
    }
    let single = matches!(&files[..], [only] if only.path == *name);
    Ok((files, single))
}

/// Puts the entries of a folder on the stack, so that the first is visited first.
fn push<'v, 'a>(
    waiting: &mut Vec<(Vec<&'a str>, &'v Value<'a>)>,
    parents: &[&'a str],
    entries: &'v [(&'a [u8], Value<'a>)],
) -> Result<(), MetainfoError> {
    for (part, value) in entries.iter().rev() {
        let part = std::str::from_utf8(part).map_err(|_| MetainfoError::NotText { key: "file tree" })?;
        let mut path = parents.to_vec();
        path.push(part);
        if path.len() > SafePath::MAX_DEPTH {
            return Err(PathError::Deep(path.len()).into());
        }
        waiting.push((path, value));
    }
    Ok(())
}

/// Padding as hybrid torrents write it (BEP 47).
pub(super) fn padding(offset: u64, length: u64) -> Result<FileEntry, MetainfoError> {
    let path = SafePath::from_components([".pad", &length.to_string()])?;
    Ok(FileEntry { path, written: None, length, offset, pieces_root: None, padding: true })
}
