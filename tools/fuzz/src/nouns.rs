//! Laws of the nouns that are read from the network or from a file.
#![expect(clippy::panic, reason = "a broken law must be seen")]

use std::collections::BTreeSet;
use std::path::{Component, Path};

use shared::bencode::{Dict, Limits, List, Value, decode_prefix, encode_bytes, encode_int};
use shared::lsd;
use shared::magnet::Magnet;
use shared::metainfo::Metainfo;
use shared::path::SafePath;
use shared::{Bitfield, display};

/// The first byte is the number of pieces; the rest is the field as it came.
pub(crate) fn bitfield(bytes: &[u8]) {
    let Some((&length, field)) = bytes.split_first() else { return };
    if let Some(bits) = Bitfield::from_wire(field, length.into()) {
        assert_eq!(bits.as_bytes(), field, "what was read is what is written");
        assert_eq!(bits.ones().count() + bits.zeros().count(), usize::from(length), "every piece once");
        assert_eq!(bits.count() as usize, bits.ones().count(), "the count counts");
    }
}

/// A value of any kind: what is written again from its parts is what was read.
pub(crate) fn bencode(bytes: &[u8]) {
    match decode_prefix(bytes, Limits::MESSAGE) {
        Ok(decoded) => {
            let taken = bytes.len() - decoded.rest.len();
            assert_eq!(decoded.value.raw(), &bytes[..taken], "a value knows its bytes");
            if !decoded.unsorted {
                assert_eq!(write(&decoded.value), &bytes[..taken], "what is written is what was read");
            }
        }
        Err(error) => assert_clean(&error.to_string()),
    }
}

/// The value written again, part by part.
fn write(value: &Value<'_>) -> Vec<u8> {
    if let Some(number) = value.as_int() {
        return encode_int(number);
    }
    if let Some(bytes) = value.as_bytes() {
        return encode_bytes(bytes);
    }
    if let Some(list) = value.as_list() {
        return list.iter().fold(List::default(), |list, value| list.raw(&write(value))).encode();
    }
    let dict = value.as_dict().unwrap_or_default().iter();
    dict.fold(Dict::default(), |dict, (key, value)| dict.raw(key, write(value))).encode()
}

/// A .torrent file: whatever is accepted lies inside its folder and means the same when written again.
pub(crate) fn metainfo(bytes: &[u8]) {
    let metainfo = match Metainfo::parse(bytes) {
        Ok(metainfo) => metainfo,
        Err(error) => return assert_clean(&error.to_string()),
    };
    let info = &metainfo.info;
    let length: u64 = info.entries().iter().map(|entry| entry.length).sum();
    assert_eq!(length, info.layout().total_length(), "the layout covers all files");
    let mut keys = BTreeSet::new();
    for file in info.files() {
        assert_inside(&file.path);
        assert_eq!(SafePath::from_components(file.path.components()).as_ref(), Ok(&file.path), "still safe");
        assert!(keys.insert(file.path.collision_key()), "two files would become one: {}", file.path);
    }
    for key in &keys {
        let folders = key.match_indices('/').filter_map(|(end, _)| key.get(..end));
        assert!(!folders.into_iter().any(|folder| keys.contains(folder)), "a file and a folder: {key}");
    }
    info.notes().iter().for_each(|note| assert_clean(&note.to_string()));
    assert_inside(info.name());
    let again = Metainfo::parse(&metainfo.to_bytes());
    let Ok(again) = again else { panic!("what was written is refused: {again:?}") };
    assert_eq!(again.info.hashes(), info.hashes(), "the same torrent when it is written again");
    assert_eq!(again.info.entries(), info.entries(), "the same files when it is written again");
}

/// Names from the network, one component per `/`.
pub(crate) fn path(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match SafePath::from_components(text.split('/')) {
        Ok(path) => {
            assert_inside(&path);
            let key = path.collision_key();
            assert!(!key.contains("..") || text.contains(".."), "a key adds nothing: {key:?}");
        }
        Err(error) => assert_clean(&error.to_string()),
    }
}

/// Text on its way to a screen or a log.
pub(crate) fn display(bytes: &[u8]) {
    let text = display::escape_bytes(bytes);
    assert_clean(&text);
    assert_eq!(display::escape(&text), text, "what is clean stays as it is");
    let columns = usize::from(bytes.first().copied().unwrap_or(0));
    let cut = display::fit(&String::from_utf8_lossy(bytes), columns);
    assert!(display::columns(&cut) <= columns, "{cut:?} is wider than {columns}");
    assert_clean(&cut);
}

/// A path that stays where it is put.
fn assert_inside(path: &SafePath) {
    let folder = Path::new("/download/folder");
    let whole = path.under(folder);
    let rest = whole.strip_prefix(folder).unwrap_or_else(|_| panic!("{} leaves the folder", whole.display()));
    let normal = rest.components().all(|part| matches!(part, Component::Normal(_)));
    assert!(
        normal && rest.components().count() == path.components().len(),
        "{} is not plain",
        whole.display()
    );
}

/// Nothing that moves a cursor, hides or turns text round.
fn assert_clean(text: &str) {
    let foul = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    assert!(!text.contains(foul), "not fit for a screen: {text:?}");
}

/// A magnet link: written again it means the same.
pub(crate) fn magnet(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Magnet::parse(text) {
        Ok(magnet) => {
            let again = Magnet::parse(&magnet.to_string());
            assert_eq!(
                again.as_ref().ok(),
                Some(&magnet),
                "the same link when it is written again: {magnet}"
            );
        }
        Err(error) => assert_clean(&error.to_string()),
    }
}

/// A datagram of local discovery: bounded, and the same when it is written again.
pub(crate) fn lsd(bytes: &[u8]) {
    match lsd::Datagram::parse(bytes) {
        Ok(mut datagram) => {
            assert!(bytes.len() <= lsd::MAX_DATAGRAM && !datagram.hashes.is_empty());
            datagram.hashes.truncate(lsd::MAX_HASHES);
            let written = datagram.encode(lsd::group(datagram.port % 2 == 0, lsd::PORT));
            assert!(written.len() <= lsd::MAX_DATAGRAM, "what is written fits");
            assert_eq!(lsd::Datagram::parse(&written), Ok(datagram), "the same when it is written again");
        }
        Err(error) => assert_clean(&error.to_string()),
    }
}
