//! Torrents that libtorrent 2.1 made of known content, and hostile ones, through the public face.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use sha1::Digest;
use shared::bencode::{Dict, List};
use shared::metainfo::{HashedFile, Info, Metainfo, MetainfoError, Note, Recipe, Version, piece_length_for};
use shared::path::SafePath;
use shared::{BLOCK_LENGTH, merkle};

/// The content that the torrents under `tests/torrents` were made of.
fn content(length: usize, seed: &str) -> Vec<u8> {
    let digests = (0_u32..).map(|at| sha2::Sha256::digest(format!("{seed}{at}")));
    digests.flatten().take(length).collect()
}

fn folder() -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([
        ("a.txt", content(20_000, "a")),
        ("empty", Vec::new()),
        ("sub/b c.bin", content(300_000, "b")),
        ("sub/más/ñ.txt", content(16_384, "n")),
    ])
}

fn hashed(path: &str, bytes: &[u8], piece_length: u32, pad: bool, version: Version) -> HashedFile {
    let blocks = bytes.len().div_ceil(BLOCK_LENGTH as usize) as u64;
    let pieces = bytes.chunks(piece_length as usize);
    let roots = pieces.clone().map(|piece| {
        let leaves: Vec<_> = piece.chunks(BLOCK_LENGTH as usize).map(merkle::hash_block).collect();
        merkle::piece_root(&leaves, blocks, piece_length)
    });
    let sums = pieces.map(|piece| {
        let mut piece = piece.to_vec();
        if pad {
            piece.resize(piece_length as usize, 0);
        }
        sha1::Sha1::digest(&piece).into()
    });
    HashedFile {
        path: SafePath::from_components(path.split('/')).unwrap(),
        length: bytes.len() as u64,
        piece_roots: if version == Version::V1 { Vec::new() } else { roots.collect() },
        piece_hashes_v1: if version == Version::V2 { Vec::new() } else { sums.collect() },
    }
}

fn recipe(name: &str, files: &BTreeMap<&str, Vec<u8>>, version: Version) -> Recipe {
    let single_file = files.len() == 1 && files.contains_key(name);
    let mut paths: Vec<SafePath> =
        files.keys().map(|path| SafePath::from_components(path.split('/')).unwrap()).collect();
    Recipe::sort(&mut paths);
    let file = |path: &SafePath| {
        let path = path.to_string();
        hashed(&path, &files[path.as_str()], 65536, !single_file, version)
    };
    Recipe {
        name: SafePath::name(name).unwrap(),
        single_file,
        version,
        piece_length: 65536,
        private: false,
        files: paths.iter().map(file).collect(),
    }
}

fn theirs(name: &str) -> (Vec<u8>, Metainfo) {
    let path = format!("{}/tests/torrents/{name}.torrent", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(path).unwrap();
    let metainfo = Metainfo::parse(&bytes).unwrap();
    (bytes, metainfo)
}

#[test]
fn equal_content_has_the_info_hashes_that_libtorrent_gives_it() {
    let film = BTreeMap::from([("film.bin", content(700_001, "film"))]);
    let tiny = BTreeMap::from([("tiny.bin", content(5, "tiny"))]);
    for (vector, ours) in [
        ("film.v1", recipe("film.bin", &film, Version::V1)),
        ("film.v2", recipe("film.bin", &film, Version::V2)),
        ("film.hybrid", recipe("film.bin", &film, Version::Hybrid)),
        ("tiny.hybrid", recipe("tiny.bin", &tiny, Version::Hybrid)),
        ("carpeta.v2", recipe("carpeta", &folder(), Version::V2)),
        ("carpeta.hybrid", recipe("carpeta", &folder(), Version::Hybrid)),
    ] {
        let (_, theirs) = theirs(vector);
        let ours = ours.build().unwrap();
        assert_eq!(ours.info.hashes(), theirs.info.hashes(), "{vector}");
        assert_eq!(ours.piece_layers, theirs.piece_layers, "{vector}");
        assert_eq!(Metainfo::parse(&ours.to_bytes()).unwrap(), ours, "{vector} reads back");
    }
    let (_, hybrid) = theirs("carpeta.hybrid");
    assert_eq!(hybrid.info.hashes().primary().to_string(), "785968634c786117b4f4ed963cbde91591cdce0a");
}

#[test]
fn files_lie_where_their_pieces_are() {
    for vector in ["carpeta.v2", "carpeta.hybrid"] {
        let info = theirs(vector).1.info;
        assert!(!info.is_single_file());
        assert_eq!(info.length(), 336_384);
        assert_eq!(info.layout().data_total(), 336_384, "{vector}: padding is not data");
        for file in info.files().filter(|file| file.length > 0) {
            let piece = info.layout().piece_at(file.offset).unwrap();
            assert_eq!(info.layout().offset(piece), file.offset);
            assert_eq!(info.tree_of(piece).unwrap().path, file.path);
        }
    }
    let v1 = theirs("carpeta.v1").1.info;
    assert_eq!((v1.version(), v1.length(), v1.layout().total_length()), (Version::V1, 336_384, 336_384));
    assert!(v1.tree_of(v1.layout().piece(0).unwrap()).is_none());
}

#[test]
fn an_info_dictionary_alone_is_enough() {
    let (_, whole) = theirs("film.hybrid");
    let alone = Info::parse(whole.info.raw()).unwrap();
    assert_eq!(alone, whole.info);
    assert!(alone.content_root().is_some());
}

#[test]
fn pieces_grow_with_the_content() {
    let mib = 1 << 20;
    for (total, length) in [
        (0, 128 * 1024),
        (512 * mib, 128 * 1024),
        (512 * mib + 1, 256 * 1024),
        (1_000_000_000, 256 * 1024),
        (1024 * mib, 256 * 1024),
        (1024 * mib + 1, 512 * 1024),
        (64 * 1024 * mib, 16 * 1024 * 1024),
        (u64::MAX, 16 * 1024 * 1024),
    ] {
        assert_eq!(piece_length_for(total), length, "{total}");
    }
}

/// A v1 torrent of one file, with what the test wants changed.
fn v1(change: impl FnOnce(Dict) -> Dict) -> Vec<u8> {
    let info = Dict::default()
        .bytes("name", "x")
        .int("piece length", 16384)
        .int("length", 1)
        .bytes("pieces", [0; 20]);
    Dict::default().raw(b"info", change(info).encode()).encode()
}

fn v1_files(files: &[(&[&str], i64, &str)]) -> Result<Metainfo, MetainfoError> {
    let list = files.iter().fold(List::default(), |list, (path, length, attr)| {
        let path = path.iter().fold(List::default(), List::bytes).encode();
        let entry = Dict::default().int("length", *length).raw(b"path", path);
        let entry = if attr.is_empty() { entry } else { entry.bytes("attr", attr) };
        list.raw(&entry.encode())
    });
    let total: i64 = files.iter().map(|(_, length, _)| length).sum();
    let pieces = vec![0; 20 * usize::try_from(total).unwrap().div_ceil(16384)];
    let info = Dict::default().bytes("name", "x").int("piece length", 16384).bytes("pieces", pieces);
    Metainfo::parse(&Dict::default().raw(b"info", info.raw(b"files", list.encode()).encode()).encode())
}

#[test]
fn b01_to_b04_what_is_no_torrent_is_named() {
    assert!(matches!(Metainfo::parse(b""), Err(MetainfoError::Bencode(_))));
    assert!(matches!(Metainfo::parse(b"x"), Err(MetainfoError::Bencode(_))));
    assert_eq!(Metainfo::parse(b"\n<!doctype html>"), Err(MetainfoError::WebPage));
    assert_eq!(Metainfo::parse(&[0x1f, 0x8b, 8, 0]), Err(MetainfoError::Gzip));
}

#[test]
fn b21_to_b32_impossible_torrents_are_refused() {
    assert!(Metainfo::parse(&v1(|info| info)).is_ok());
    assert!(Metainfo::parse(b"de").is_err());
    for name in ["", "..", "a/b", "a\\b", "nul\0"] {
        assert!(
            matches!(Metainfo::parse(&v1(|info| info.bytes("name", name))), Err(MetainfoError::Path(_))),
            "{name:?}"
        );
    }
    for length in [0, -1, 512, 256 * 1024 * 1024, i64::MAX] {
        assert!(
            Metainfo::parse(&v1(|info| info.int("piece length", length))).is_err(),
            "piece length {length}"
        );
    }
    for bytes in [0, 19, 21, 40] {
        let error = Metainfo::parse(&v1(|info| info.bytes("pieces", vec![0; bytes])));
        assert_eq!(error, Err(MetainfoError::Pieces { bytes, pieces: 1 }));
    }
    for length in [-1, i64::MAX] {
        assert!(Metainfo::parse(&v1(|info| info.int("length", length))).is_err(), "length {length}");
    }
}

#[test]
fn b33_to_b39_file_lists_are_checked_and_put_right() {
    assert!(v1_files(&[]).is_err());
    for path in [&[][..], &[".."], &["a", ""], &["a", "b/c"]] {
        assert!(v1_files(&[(path, 1, "")]).is_err(), "{path:?}");
    }
    let twice = v1_files(&[(&["a.txt"], 1, ""), (&["A.txt"], 2, "")]).unwrap().info;
    assert_eq!(twice.files().map(|file| file.path.to_string()).collect::<Vec<_>>(), ["a.txt", "A.1.txt"]);
    assert!(matches!(twice.notes(), [Note::Renamed { .. }]));
    let linked = v1_files(&[(&["link"], 0, "l"), (&["b"], 3, "")]).unwrap().info;
    assert_eq!(linked.files().count(), 1);
    assert_eq!(linked.notes(), [Note::LinkSkipped("link".into())]);
    let sum = v1(|info| {
        let file = Dict::default()
            .int("length", i64::MAX)
            .raw(b"path", List::default().bytes("a").encode())
            .encode();
        info.raw(b"files", List::default().raw(&file).raw(&file).raw(&file).encode())
    });
    assert!(Metainfo::parse(&sum).is_err());
}

#[test]
fn b40_v2_trees_are_checked() {
    let (bytes, good) = theirs("film.hybrid");
    let raw = good.info.raw().to_vec();
    let broken = |from: &[u8], to: &[u8]| {
        let at = bytes.windows(from.len()).position(|window| window == from).expect("the bytes to break");
        Metainfo::parse(&[&bytes[..at], to, &bytes[at + from.len()..]].concat())
    };
    assert_eq!(broken(b"12:meta versioni2e", b"12:meta versioni9e"), Err(MetainfoError::MetaVersion(9)));
    assert!(matches!(
        broken(b"6:lengthi700001e", b"6:lengthi700000e"),
        Err(MetainfoError::HybridDisagrees { .. })
    ));
    assert!(matches!(
        broken(b"12:piece lengthi65536e", b"12:piece lengthi65535e"),
        Err(MetainfoError::PieceLengthV2(_))
    ));
    let root = good.info.content_root().unwrap();
    let mut layer = bytes.clone();
    let at = layer.windows(32).rposition(|window| window == root).unwrap() + 40;
    layer[at] ^= 1;
    assert!(matches!(Metainfo::parse(&layer), Err(MetainfoError::PieceLayer { .. })));
    assert!(raw.len() < bytes.len());
}
