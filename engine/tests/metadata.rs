//! Torrents of which only the names are known: everything else comes from peers, over real sockets.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use crate::lab::{Peer, bytes, wait_until};
use engine::{AddOptions, AddSource, State};
use sha1::{Digest as _, Sha1};
use shared::merkle;
use shared::metainfo::{HashedFile, Metainfo, Recipe, Version};
use shared::path::SafePath;
use shared::{BLOCK_LENGTH, InfoHashes};

const PIECE: u32 = 64 * 1024;

fn hashed(path: SafePath, content: &[u8], fill: bool) -> HashedFile {
    let length = content.len() as u64;
    let blocks = length.div_ceil(u64::from(BLOCK_LENGTH));
    let pieces = content.chunks(PIECE as usize);
    let piece_roots = pieces.clone().map(|piece| {
        let leaves: Vec<_> = piece.chunks(BLOCK_LENGTH as usize).map(merkle::hash_block).collect();
        merkle::piece_root(&leaves, blocks, PIECE)
    });
    let sha1 = pieces.clone().map(|piece| {
        let mut piece = piece.to_vec();
        piece.resize(if fill { PIECE as usize } else { piece.len() }, 0);
        Sha1::digest(piece).into()
    });
    HashedFile { path, length, piece_roots: piece_roots.collect(), piece_hashes_v1: sha1.collect() }
}

fn file(name: &str, content: &[u8], version: Version) -> Metainfo {
    let path = SafePath::name(name).unwrap();
    let mut file = hashed(path.clone(), content, false);
    clear(&mut file, version);
    let (single_file, private) = (true, false);
    Recipe { name: path, single_file, version, piece_length: PIECE, private, files: vec![file] }
        .build()
        .unwrap()
}

fn clear(file: &mut HashedFile, version: Version) {
    match version {
        Version::V1 => file.piece_roots.clear(),
        Version::V2 => file.piece_hashes_v1.clear(),
        Version::Hybrid => {}
    }
}

/// A folder of which the dictionary is much longer than its content.
fn long_names(folder: &str, version: Version) -> (Metainfo, Vec<(String, Vec<u8>)>) {
    let contents: Vec<_> = (0..2400_u64)
        .map(|number| {
            (format!("{number:04} {}", "long ".repeat(35)).trim_end().to_owned(), bytes(40, number))
        })
        .collect();
    let files = contents.iter().map(|(name, content)| {
        let mut file = hashed(SafePath::from_components([name.as_str()]).unwrap(), content, true);
        clear(&mut file, version);
        file
    });
    let name = SafePath::name(folder).unwrap();
    let (files, single_file, private) = (files.collect(), false, false);
    let recipe = Recipe { name, single_file, version, piece_length: PIECE, private, files };
    (recipe.build().unwrap(), contents)
}

impl Peer {
    fn downloads(&self, name: &str) -> std::path::PathBuf {
        self.path("Archivos_a_b_c").join(name)
    }

    /// Has the content already, under its name.
    async fn offer(&self, metainfo: &Metainfo, name: &str, content: &[u8]) {
        std::fs::create_dir_all(self.path("Archivos_a_b_c")).unwrap();
        std::fs::write(self.downloads(name), content).unwrap();
        self.seed(metainfo).await;
    }

    async fn seed(&self, metainfo: &Metainfo) {
        let source = AddSource::Metainfo(Box::new(metainfo.clone()));
        let added = self.session.add(source, AddOptions::default()).await.unwrap();
        assert_eq!(self.done(added.id).await.downloaded, 0);
    }

    async fn get_by_hash(&self, hashes: InfoHashes, from: &[&Self]) -> shared::InfoHash {
        let source = AddSource::Hashes { hashes, name: "unknown".into() };
        let added = self.session.add(source, AddOptions::default()).await.unwrap();
        assert_eq!(self.session.status(added.id).unwrap().state, State::Metadata);
        self.meet(added.id, from).await;
        added.id
    }
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bep_09_a_hash_is_enough_for_every_version() {
    let content = bytes(1_500_000, 7);
    for version in [Version::V1, Version::V2, Version::Hybrid] {
        let (one, two, three) = (Peer::start().await, Peer::start().await, Peer::start().await);
        let metainfo = file("a.bin", &content, version);
        one.offer(&metainfo, "a.bin", &content).await;
        let id = two.get_by_hash(metainfo.info.hashes(), &[&one]).await;
        let status = two.done(id).await;
        assert_eq!(
            (status.path.as_path(), status.name.as_str()),
            (two.downloads("a.bin").as_path(), "a.bin")
        );
        assert!(read(&status.path) == content, "{version:?}");
        assert_eq!(two.session.metainfo(id).unwrap().info, metainfo.info);
        // Whoever learnt it from peers teaches it.
        one.session.stop().await;
        let id = three.get_by_hash(metainfo.info.hashes(), &[&two]).await;
        assert!(read(&three.done(id).await.path) == content, "{version:?} from the second");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bep_09_one_name_of_a_hybrid_is_enough_and_the_other_is_learnt() {
    let content = bytes(400_000, 8);
    let metainfo = file("a.bin", &content, Version::Hybrid);
    let hashes = metainfo.info.hashes();
    let (v1, v2) = (hashes.get_v1().unwrap(), hashes.get_v2().unwrap());
    let one = Peer::start().await;
    one.offer(&metainfo, "a.bin", &content).await;
    for known in [InfoHashes::v1(v1), InfoHashes::v2(v2)] {
        let two = Peer::start().await;
        let id = two.get_by_hash(known, &[&one]).await;
        assert_eq!(id, known.primary());
        let status = two.done(id).await;
        assert!(read(&status.path) == content);
        assert_eq!(two.session.status(v1).map(|status| status.id), Some(id), "found by either");
        assert_eq!(two.session.status(v2.truncated()).map(|status| status.id), Some(id));
        // It goes on under the same name after a restart.
        let two = two.restart().await;
        wait_until(|| two.session.status(id).is_some_and(|status| status.state == State::Seeding)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bep_09_a_dictionary_longer_than_any_control_message_arrives() {
    for version in [Version::V1, Version::Hybrid] {
        let (metainfo, contents) = long_names("long", version);
        let length = metainfo.info.raw().len();
        assert!(length > shared::control::MAX_INFO, "{length}");
        let (one, two) = (Peer::start().await, Peer::start().await);
        std::fs::create_dir_all(one.downloads("long")).unwrap();
        for (name, content) in &contents {
            std::fs::write(one.downloads("long").join(name), content).unwrap();
        }
        one.seed(&metainfo).await;
        let id = two.get_by_hash(metainfo.info.hashes(), &[&one]).await;
        let status = two.done(id).await;
        for (name, content) in &contents {
            assert!(read(&status.path.join(name)) == *content, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bep_52_piece_layers_come_from_peers_and_are_kept() {
    let content = bytes(3_000_000, 9);
    for version in [Version::V2, Version::Hybrid] {
        let (one, two) = (Peer::start().await, Peer::start().await);
        let metainfo = file("a.bin", &content, version);
        one.offer(&metainfo, "a.bin", &content).await;
        one.session.set_limits(engine::Limits { up: Some(400_000), down: None });
        let source = AddSource::Info(Box::new(metainfo.info.clone()));
        let id = two.session.add(source, AddOptions::default()).await.unwrap().id;
        assert!(two.session.metainfo(id).unwrap().piece_layers.is_empty());
        two.meet(id, &[&one]).await;
        let layers = || two.session.metainfo(id).unwrap().piece_layers.clone();
        wait_until(|| layers() == metainfo.piece_layers).await;
        assert!(two.session.status(id).unwrap().pieces_verified < 20, "long before the end");
        // Half a download is found again with no other hashes than those that were kept.
        wait_until(|| two.session.status(id).unwrap().pieces_verified > 8).await;
        let two = two.restart().await;
        wait_until(|| two.session.status(id).is_some_and(|status| status.pieces_verified > 8)).await;
        assert_eq!(two.session.metainfo(id).unwrap().piece_layers, metainfo.piece_layers);
        one.session.set_limits(engine::Limits::default());
        two.meet(id, &[&one]).await;
        assert!(read(&two.done(id).await.path) == content);
    }
}
