//! Two sessions in one process, real files and sockets, with a torrent made by hand.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sha1::{Digest as _, Sha1};
use sha2::Sha256;
use shared::{Bitfield, InfoHash, InfoHashV2, InfoHashes, Layout, PieceIndex};
use swarm::{Content, FileTree};

use crate::disk::beneath::Root;
use crate::disk::source::Source;
use crate::disk::storage::{Storage, StoredFile};
use crate::disk::verify;
use crate::session::{Begin, Session};
use crate::torrent::finish;
use crate::torrent::prepare::{Prepared, Shape};
use crate::{Alert, SessionConfig};

fn shape(bytes: &[u8], piece_length: u64, v2: bool) -> Shape {
    let layout = Layout::new(bytes.len() as u64, piece_length).unwrap();
    let v1: InfoHash = InfoHash(Sha1::digest(bytes).into());
    let leaves: Vec<[u8; 32]> = bytes.chunks(16384).map(|block| Sha256::digest(block).into()).collect();
    let pieces_root = verify::root(leaves.clone(), leaves.len().next_power_of_two());
    let per_piece = usize::try_from(piece_length / 16384).unwrap();
    let layer: Vec<_> = leaves.chunks(per_piece).map(|piece| verify::root(piece.to_vec(), per_piece)).collect();
    let tree = FileTree { first_piece: PieceIndex::new(0), length: bytes.len() as u64, pieces_root };
    let hashes =
        if v2 { InfoHashes::hybrid(v1, InfoHashV2(Sha256::digest(bytes).into())) } else { InfoHashes::v1(v1) };
    let content = Content {
        hashes,
        layout,
        trees: if v2 { vec![tree] } else { Vec::new() },
        piece_layers: BTreeMap::from([(pieces_root, layer)]),
        piece_hashes_v1: Some(
            bytes.chunks(usize::try_from(piece_length).unwrap()).map(|piece| Sha1::digest(piece).into()).collect(),
        ),
        raw_info: None,
        private: false,
    };
    Shape {
        name: "film.bin".into(),
        folder: false,
        files: vec![StoredFile { inside: PathBuf::new(), offset: 0, length: bytes.len() as u64 }],
        content: Arc::new(content),
    }
}

async fn start(dir: &Path) -> (Session, tokio::sync::mpsc::Receiver<Alert>) {
    let config = SessionConfig { listen: Some(([127, 0, 0, 1], 0).into()), ..SessionConfig::new(dir) };
    Session::start(config).await.unwrap()
}

fn seed(session: &Session, dir: &Path, shape: Shape) {
    let parts = session.parts();
    let storage = Storage::new(
        Arc::clone(&parts.block_disk),
        Arc::clone(&parts.open_files),
        Root::open(dir).unwrap(),
        "film.bin".into(),
        shape.files.clone(),
        shape.content.layout.clone(),
        false,
    );
    let (changes, _) = tokio::sync::mpsc::channel(1);
    let source = Source::new(Arc::new(storage), Arc::clone(&shape.content), changes);
    source.watch(finish::stamps(source.storage()));
    let have = Bitfield::full(shape.content.layout.pieces());
    let prepared = Prepared { source: Arc::new(source), have, final_name: "film.bin".into(), found: true };
    session.begin(shape.content.hashes, shape, Begin::Ready(Box::new(prepared)), false);
}

async fn transfer(bytes: Vec<u8>, v2: bool) -> Duration {
    let base = Path::new("/dev/shm");
    let base = if base.is_dir() { base } else { Path::new("/tmp") };
    let (one, two) = (tempfile::tempdir_in(base).unwrap(), tempfile::tempdir_in(base).unwrap());
    std::fs::write(one.path().join("film.bin"), &bytes).unwrap();
    let shape = shape(&bytes, if bytes.len() > 1 << 24 { 1 << 20 } else { 1 << 18 }, v2);
    let id = shape.content.hashes.primary();
    let ((seeder, _alerts), (leech, _more)) = (start(one.path()).await, start(two.path()).await);
    seed(&seeder, one.path(), shape.clone());
    let begin = Begin::Prepare { into: two.path().join("got"), left: None };
    leech.begin(shape.content.hashes, shape, begin, false);
    let since = std::time::Instant::now();
    leech.add_peers(id, vec![seeder.listen_address()]).await.unwrap();
    let done = tokio::time::timeout(Duration::from_secs(60), leech.wait_complete(id)).await;
    let took = since.elapsed();
    let status = match done {
        Ok(done) => done.unwrap(),
        Err(_) => panic!("{:#?} {:#?}", leech.status(id), leech.peers(id).await),
    };
    assert_eq!(status.path, two.path().join("got/film.bin"));
    assert!(std::fs::read(&status.path).unwrap() == bytes);
    leech.stop().await;
    seeder.stop().await;
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_goes_from_one_session_to_another() {
    for length in [1, 16383, 16384, 262_144, 3_000_000] {
        let bytes: Vec<u8> = (0..length).map(|at: u32| u8::try_from(at * 7 % 251).unwrap()).collect();
        transfer(bytes.clone(), false).await;
        transfer(bytes, true).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures; run by hand in release"]
async fn speed() {
    let mut state = 1_u64;
    let bytes: Vec<u8> = (0..1 << 30)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .collect();
    for v2 in [false, true, false, true] {
        let took = transfer(bytes.clone(), v2).await.as_secs_f64();
        println!("v2 {v2}: {:.0} MB/s", 1073.74 / took);
    }
}
