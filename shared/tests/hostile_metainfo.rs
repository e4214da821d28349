//! Torrents made to do harm, through the public face.

use shared::bencode::{Dict, List};
use shared::metainfo::{Metainfo, MetainfoError, Note};
use shared::path::SafePath;

/// An entry of `files` (v1): its path, what `length` says if anything, its `attr`.
type File<'a> = (&'a [&'a str], Option<i64>, &'a str);

fn v1_of(files: &[File<'_>], pieces: usize) -> Result<Metainfo, MetainfoError> {
    let list = files.iter().fold(List::default(), |list, (path, length, attr)| {
        let path = path.iter().fold(List::default(), List::bytes).encode();
        let entry = Dict::default().raw(b"path", path);
        let entry = length.map_or(entry.clone(), |length| entry.int("length", length));
        let entry = if attr.is_empty() { entry } else { entry.bytes("attr", attr) };
        list.raw(&entry.encode())
    });
    let info = Dict::default()
        .bytes("name", "x")
        .int("piece length", 16384)
        .bytes("pieces", vec![0; 20 * pieces])
        .raw(b"files", list.encode());
    Metainfo::parse(&Dict::default().raw(b"info", info.encode()).encode())
}

fn paths(metainfo: &Metainfo) -> Vec<String> {
    metainfo.info.files().map(|file| file.path.to_string()).collect()
}

#[test]
fn a_name_given_ten_thousand_times_is_refused_early() {
    let files: Vec<File<'_>> = vec![(&["same"], Some(0), ""); 10_000];
    assert_eq!(v1_of(&files, 0), Err(MetainfoError::Collisions { limit: 500 }));
    let few = v1_of(&files[..501], 0).unwrap();
    assert_eq!(paths(&few).last().unwrap(), "same.500");
    assert_eq!(few.info.notes().len(), 500);
}

#[test]
fn a_renamed_file_still_has_a_safe_name() {
    let long = format!("{}.txt", "é".repeat(125));
    let plain = "x".repeat(255);
    for name in [long.as_str(), plain.as_str()] {
        let twice = v1_of(&[(&[name], Some(0), ""), (&[name], Some(0), "")], 0).unwrap();
        for path in paths(&twice) {
            assert!(SafePath::name(&path).is_ok(), "{} bytes", path.len());
        }
    }
    let deep = vec![long.as_str(); 16];
    let twice = v1_of(&[(&deep, Some(0), ""), (&deep, Some(0), "")], 0).unwrap();
    assert!(paths(&twice).iter().all(|path| path.len() <= SafePath::MAX_LENGTH));
}

#[test]
fn b39_a_link_takes_no_room_whatever_it_says() {
    for length in [None, Some(0), Some(16_384), Some(-1), Some(i64::MAX)] {
        let torrent = v1_of(&[(&["link"], length, "lx"), (&["b"], Some(3), "")], 1).unwrap();
        let b = torrent.info.files().next().unwrap();
        assert_eq!((b.offset, torrent.info.layout().total_length()), (0, 3), "{length:?}");
        assert_eq!(torrent.info.notes(), [Note::LinkSkipped("link".into())]);
    }
}

#[test]
fn a_file_gives_way_to_a_folder_of_its_name() {
    let (file, inside): (File<'_>, File<'_>) = ((&["A"], Some(1), ""), (&["a", "b"], Some(1), ""));
    assert_eq!(paths(&v1_of(&[file, inside], 1).unwrap()), ["A.1", "a/b"]);
    let other_way = v1_of(&[inside, file], 1).unwrap();
    assert_eq!(paths(&other_way), ["a/b", "A.1"]);
    assert_eq!(other_way.info.notes(), [Note::Renamed { from: "A".into(), to: "A.1".into() }]);
    let taken: File<'_> = (&["a.1", "c"], Some(1), "");
    assert_eq!(paths(&v1_of(&[file, inside, taken], 1).unwrap()), ["A.2", "a/b", "a.1/c"]);
}

/// A v2 torrent with this file tree.
fn v2_of(tree: &Dict) -> Result<Metainfo, MetainfoError> {
    let info = Dict::default()
        .bytes("name", "x")
        .int("piece length", 16384)
        .int("meta version", 2)
        .raw(b"file tree", tree.encode());
    Metainfo::parse(&Dict::default().raw(b"info", info.encode()).encode())
}

#[test]
fn refusals_hold_nothing_that_acts_on_a_terminal() {
    let empty_file = || Dict::default().raw(b"", Dict::default().int("length", 0).encode());
    let both = empty_file().raw(b"inside", empty_file().encode());
    let foul = |text: &str| text.contains(|c: char| c.is_control() || c == '\u{202e}');
    for name in ["\u{1b}[31m", "gpj.\u{202e}exe"] {
        let error = v2_of(&Dict::default().raw(name.as_bytes(), both.encode())).unwrap_err();
        assert!(!foul(&error.to_string()), "{:?}", error.to_string());
        let link = Dict::default().int("length", 0).bytes("attr", "l");
        let link = Dict::default().raw(b"", link.encode());
        let tree = Dict::default().raw(name.as_bytes(), link.encode()).raw(b"file", empty_file().encode());
        match v2_of(&tree) {
            Err(error) => assert!(!foul(&error.to_string())),
            Ok(torrent) => {
                assert!(torrent.info.notes().iter().all(|note| !foul(&note.to_string())));
            }
        }
    }
}

#[test]
fn b40_a_root_must_have_32_bytes() {
    let file = Dict::default().int("length", 1).bytes("pieces root", [0; 31]);
    let tree = Dict::default().raw(b"x", Dict::default().raw(b"", file.encode()).encode());
    assert_eq!(v2_of(&tree), Err(MetainfoError::RootLength(31)));
}

#[test]
fn no_tree_is_too_deep_or_too_wide_to_be_refused() {
    let leaf = Dict::default().raw(b"", Dict::default().int("length", 0).encode());
    let deep = (0..200).fold(leaf.clone(), |inner, _| Dict::default().raw(b"a", inner.encode()));
    assert!(v2_of(&deep).is_err());
    let wide =
        (0..50_000).fold(Dict::default(), |tree, at| tree.raw(format!("{at}").as_bytes(), leaf.encode()));
    assert_eq!(v2_of(&wide).unwrap().info.files().count(), 50_000);
}

#[test]
fn b14_and_b16_odd_but_clear_torrents_are_read_as_written_and_told() {
    let sorted = b"d6:lengthi1e4:name1:x12:piece lengthi16384e6:pieces20:01234567890123456789e";
    let unsorted = b"d4:name1:x6:lengthi1e12:piece lengthi16384e6:pieces20:01234567890123456789e";
    let read =
        |info: &[u8], behind: &[u8]| Metainfo::parse(&[b"d4:info", info, b"e", behind].concat()).unwrap();
    let (one, other) = (read(sorted, b"\r\n"), read(unsorted, b""));
    assert_eq!(one.info.notes(), [Note::Trailing(2)]);
    assert_eq!(other.info.notes(), [Note::Unsorted]);
    assert_eq!(&other.info.raw()[..], unsorted);
    assert_ne!(one.info.hashes(), other.info.hashes(), "hashed as written, never as it should be");
    assert_eq!(read(&other.info.raw().clone(), b"").info.hashes(), other.info.hashes());
}

#[test]
fn b21_b22_b26_what_is_missing_or_negative_is_named() {
    let parse = |info: &str| Metainfo::parse(info.as_bytes()).unwrap_err().to_string();
    for (torrent, said) in [
        ("de", "\"info\" is missing or of the wrong type"),
        ("d4:infoi1ee", "\"info\" is missing or of the wrong type"),
        ("d4:infod12:piece lengthi16384e6:pieces0:ee", "\"name\" is missing or of the wrong type"),
        ("d4:infod4:name1:x6:pieces0:ee", "\"piece length\" is missing or of the wrong type"),
        ("d4:infod4:name1:x12:piece lengthi-5e6:pieces0:ee", "\"piece length\" is -5"),
        ("d4:infod4:name1:x12:piece lengthi16384eee", "\"pieces\" is missing or of the wrong type"),
        ("d4:infod6:lengthi-1e4:name1:x12:piece lengthi16384e6:pieces0:ee", "\"length\" is -1"),
        ("d4:info", "unexpected end at byte 7"),
    ] {
        assert_eq!(parse(torrent), said, "{torrent}");
    }
}

#[test]
fn names_in_an_old_code_page_are_read_by_their_second_spelling_or_made_fit() {
    let parts = |parts: &[&[u8]]| parts.iter().fold(List::default(), List::bytes).encode();
    let with = Dict::default()
        .int("length", 1)
        .raw(b"path", parts(&[b"\xe1rbol", b"a"]))
        .raw(b"path.utf-8", parts(&["árbol".as_bytes(), b"a"]));
    let without = Dict::default().int("length", 1).raw(b"path", parts(&[b"ni\xf1o.txt"]));
    let hostile =
        Dict::default().int("length", 1).raw(b"path", parts(&[b"\xff"])).raw(b"path.utf-8", parts(&[b".."]));
    let torrent = |files: Vec<u8>| {
        let info = Dict::default()
            .bytes("name", b"\xe1")
            .bytes("name.utf-8", "á")
            .int("piece length", 16384)
            .bytes("pieces", [0; 20])
            .raw(b"files", files);
        Metainfo::parse(&Dict::default().raw(b"info", info.encode()).encode())
    };
    let read = torrent(List::default().raw(&with.encode()).raw(&without.encode()).encode()).unwrap();
    assert_eq!(paths(&read), ["árbol/a", "ni_o.txt"]);
    assert_eq!(read.info.name().to_string(), "á");
    assert!(matches!(torrent(List::default().raw(&hostile.encode()).encode()), Err(MetainfoError::Path(_))));
}
