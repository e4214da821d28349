//! Another program's bencode reader (`bendy`) and ours, on the same bytes: they accept the same and read
//! the same out of it.

use bendy::decoding::{Decoder, Object};
use proptest::prelude::*;
use shared::bencode::{Dict, Limits, List, Value, decode_prefix, encode_bytes, encode_int};

/// What was read, without the reader.
#[derive(Debug, PartialEq)]
enum Tree {
    Int(i64),
    Bytes(Vec<u8>),
    List(Vec<Self>),
    Dict(Vec<(Vec<u8>, Self)>),
}

/// The first value of the bytes if it is canonical, as we read it.
fn ours(bytes: &[u8]) -> Option<Tree> {
    fn tree(value: &Value<'_>) -> Tree {
        if let Some(number) = value.as_int() {
            Tree::Int(number)
        } else if let Some(bytes) = value.as_bytes() {
            Tree::Bytes(bytes.to_vec())
        } else if let Some(values) = value.as_list() {
            Tree::List(values.iter().map(tree).collect())
        } else {
            let entries = value.as_dict().unwrap_or_default().iter();
            Tree::Dict(entries.map(|(key, value)| (key.to_vec(), tree(value))).collect())
        }
    }
    let decoded = decode_prefix(bytes, Limits::TORRENT).ok()?;
    (!decoded.unsorted).then(|| tree(&decoded.value))
}

/// The same as the other program reads it; numbers beyond 64 bits, which it keeps as text, are refused.
fn theirs(bytes: &[u8]) -> Option<Tree> {
    fn tree(object: Object<'_, '_>) -> Option<Tree> {
        match object {
            Object::Integer(text) => text.parse().ok().map(Tree::Int),
            Object::Bytes(bytes) => Some(Tree::Bytes(bytes.to_vec())),
            Object::List(mut list) => {
                let mut values = Vec::new();
                while let Some(value) = list.next_object().ok()? {
                    values.push(tree(value)?);
                }
                Some(Tree::List(values))
            }
            Object::Dict(mut dict) => {
                let mut entries = Vec::new();
                while let Some((key, value)) = dict.next_pair().ok()? {
                    entries.push((key.to_vec(), tree(value)?));
                }
                Some(Tree::Dict(entries))
            }
        }
    }
    let mut decoder = Decoder::new(bytes).with_max_depth(Limits::TORRENT.depth);
    tree(decoder.next_object().ok()??)
}

fn any_encoded() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(encode_int),
        proptest::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| encode_bytes(&bytes)),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6)
                .prop_map(|items| items.iter().fold(List::default(), |list, item| list.raw(item)).encode()),
            proptest::collection::btree_map(proptest::collection::vec(any::<u8>(), 0..5), inner, 0..6)
                .prop_map(|map| map
                    .into_iter()
                    .fold(Dict::default(), |dict, (key, value)| dict.raw(&key, value))
                    .encode()),
        ]
    })
}

#[test]
fn both_refuse_what_is_ambiguous() {
    let cases: [&[u8]; 22] = [
        b"",
        b"i",
        b"ie",
        b"i-e",
        b"i-0e",
        b"i08e",
        b"i+1e",
        b"i 1e",
        b"i9223372036854775808e",
        b"i-9223372036854775809e",
        b"4:abc",
        b"-4:abcd",
        b"04:abcd",
        b"99999999999:x",
        b"18446744073709551617:x",
        b"l",
        b"li1e",
        b"di1e1:ae",
        b"d1:ae",
        b"d1:ai1e1:ai2ee",
        b"e",
        b"<html>",
    ];
    for bytes in cases {
        assert_eq!((ours(bytes), theirs(bytes)), (None, None), "{}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn real_torrents_read_the_same() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torrents");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(ours(&bytes).is_some());
        assert_eq!(ours(&bytes), theirs(&bytes));
        read += 1;
    }
    assert_eq!(read, 7);
}

proptest! {
    #[test]
    fn both_accept_what_is_canonical(bytes in any_encoded()) {
        prop_assert!(ours(&bytes).is_some());
        prop_assert_eq!(ours(&bytes), theirs(&bytes));
    }

    #[test]
    fn both_judge_damaged_bytes_the_same(
        mut bytes in any_encoded(),
        at: prop::sample::Index,
        to in proptest::sample::select(b"ilde0123456789:-\0".to_vec()),
    ) {
        let at = at.index(bytes.len());
        bytes[at] = to;
        prop_assert_eq!(ours(&bytes), theirs(&bytes));
    }

    #[test]
    fn both_judge_noise_the_same(bytes in proptest::collection::vec(proptest::sample::select(b"ilde01234:-".to_vec()), 0..24)) {
        prop_assert_eq!(ours(&bytes), theirs(&bytes));
    }
}
