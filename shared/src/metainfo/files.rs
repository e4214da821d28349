//! The file list of a v1 torrent (BEP 3, padding and links by BEP 47).

use std::borrow::Cow;

use super::parse::MetainfoError;
use super::{FileEntry, Note};
use crate::bencode::Value;
use crate::path::SafePath;

pub(super) fn length(value: &Value<'_>, key: &'static str) -> Result<u64, MetainfoError> {
    let number = value.get(key).and_then(Value::as_int).ok_or(MetainfoError::Missing { key })?;
    u64::try_from(number).map_err(|_| MetainfoError::BadNumber { key, value: number })
}

/// Whether `attr` of a file holds the letter.
pub(super) fn has_attribute(file: &Value<'_>, letter: u8) -> bool {
    file.get("attr").and_then(Value::as_bytes).is_some_and(|letters| letters.contains(&letter))
}

/// A name of a v1 torrent as text. Old programs wrote names in the code page of their country and a
/// second time, under `utf8`, as UTF-8; where they did not, what is no text becomes `_`.
pub(super) fn text<'a>(bytes: &'a [u8], utf8: Option<&'a str>) -> Cow<'a, str> {
    match (std::str::from_utf8(bytes), utf8) {
        (Ok(text), _) | (Err(_), Some(text)) => Cow::Borrowed(text),
        (Err(_), None) => {
            Cow::Owned(String::from_utf8_lossy(bytes).replace(char::REPLACEMENT_CHARACTER, "_"))
        }
    }
}

fn path(file: &Value<'_>) -> Result<SafePath, MetainfoError> {
    let key = "path";
    let parts = file.get(key).and_then(Value::as_list).ok_or(MetainfoError::Missing { key })?;
    let second = file.get("path.utf-8").and_then(Value::as_list).unwrap_or_default();
    let parts = parts.iter().enumerate().map(|(at, part)| {
        let bytes = part.as_bytes().ok_or(MetainfoError::NotText { key })?;
        Ok(text(bytes, second.get(at).and_then(Value::as_str)))
    });
    let parts = parts.collect::<Result<Vec<_>, MetainfoError>>()?;
    Ok(SafePath::from_components(parts.iter().map(AsRef::as_ref))?)
}

/// Reads `length` or `files`; says too whether it is a single file.
pub(super) fn read(
    info: &Value<'_>,
    name: &SafePath,
    notes: &mut Vec<Note>,
) -> Result<(Vec<FileEntry>, bool), MetainfoError> {
    let Some(list) = info.get("files") else {
        let length = length(info, "length")?;
        let file = FileEntry {
            path: name.clone(),
            written: None,
            length,
            offset: 0,
            pieces_root: None,
            padding: false,
        };
        return Ok((vec![file], true));
    };
    let list =
        list.as_list().filter(|list| !list.is_empty()).ok_or(MetainfoError::Missing { key: "files" })?;
    let mut files = Vec::with_capacity(list.len());
    let mut offset = 0_u64;
    for file in list {
        let path = path(file)?;
        if has_attribute(file, b'l') {
            // A link takes no room on the line of bytes, whatever its length says (BEP 47).
            notes.push(Note::LinkSkipped(path.to_string()));
            continue;
        }
        let length = length(file, "length")?;
        let padding = has_attribute(file, b'p');
        files.push(FileEntry { path, written: None, length, offset, pieces_root: None, padding });
        offset = offset.checked_add(length).ok_or(MetainfoError::TooLarge)?;
    }
    Ok((files, false))
}
