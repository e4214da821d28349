//! What programs of others get of us: torrent files, links, and what is said about them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::path::Path;

use crate::room::{Person, Room};
use peer::failure::Exit;
use shared::magnet::Magnet;
use shared::metainfo::{Metainfo, Version};

const TRACKERS: &str =
    "--announce http://a.test/announce,udp://b.test:1/announce --announce http://c.test/announce";

async fn exported(person: &mut Person, name: &str, to: &str) -> Metainfo {
    person.run(&format!("export {name} {to}")).await.unwrap();
    Metainfo::parse(&std::fs::read(to).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn d39_to_d48_what_was_said_while_sharing_stands_in_the_file() {
    let room = Room::new().await;
    let mut ana = room.person("ana").await;
    let path = ana.file("film.bin", &vec![7; 300_000]);
    let to = format!("{}/out.torrent", ana.folder());
    ana.run(&format!("share {path} --comment \"hola a todos\" --private {TRACKERS}")).await.unwrap();
    let metainfo = exported(&mut ana, "film.bin", &to).await;
    assert_eq!(metainfo.announce[0], ["http://a.test/announce", "udp://b.test:1/announce"]);
    assert_eq!(metainfo.announce[1], ["http://c.test/announce"]);
    assert_eq!(metainfo.announce.len(), 2, "a private torrent keeps to its own trackers");
    assert_eq!(metainfo.comment.as_deref(), Some("hola a todos"));
    assert!(metainfo.created_by.unwrap().starts_with("Enjambre"));
    assert!(metainfo.creation_date.unwrap() > 1_700_000_000 && metainfo.info.is_private());

    let said = ana.run(&format!("inspect {to}")).await.unwrap().join("\n");
    for key in [
        "announce-list",
        "comment",
        "created by",
        "creation date",
        "private",
        "pieces root",
        "info hash (v2)",
    ] {
        assert!(said.contains(key), "{key}: {said}");
    }
    let said = ana.run("info film.bin").await.unwrap().join("\n");
    for fact in ["http://c.test/announce", "hola a todos", "Made on", "Private", "Hash (v1)", "sharing"] {
        assert!(said.contains(fact), "{fact}: {said}");
    }
    room.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anonymous_files_name_nobody_and_have_the_same_hash() {
    let room = Room::new().await;
    let (mut ana, mut bob) = (room.person("ana").await, room.person("bob").await);
    let (one, other) = (ana.file("film.bin", &vec![7; 300_000]), bob.file("film.bin", &vec![7; 300_000]));
    ana.run(&format!("share {one} --anon --comment secreto")).await.unwrap();
    bob.run(&format!("share {other} --no-date --comment hola")).await.unwrap();
    let to = format!("{}/out.torrent", ana.folder());
    let anonymous = exported(&mut ana, "film.bin", &to).await;
    assert_eq!((&anonymous.comment, &anonymous.created_by, anonymous.creation_date), (&None, &None, None));
    let bytes = std::fs::read(&to).unwrap();
    for word in ["secreto", "ana", "Enjambre", "creation date"] {
        assert!(!bytes.windows(word.len()).any(|part| part == word.as_bytes()), "{word}");
    }
    let to = format!("{}/out.torrent", bob.folder());
    let named = exported(&mut bob, "film.bin", &to).await;
    assert_eq!((named.comment.as_deref(), named.creation_date), (Some("hola"), None));
    assert_eq!(named.info.hashes(), anonymous.info.hashes());
    room.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d45_each_format_is_made_and_can_be_downloaded() {
    let room = Room::new().await;
    let (mut ana, mut bob) = (room.person("ana").await, room.person("bob").await);
    for (format, version) in [("v1", Version::V1), ("v2", Version::V2)] {
        let name = format!("film-{format}.bin");
        let content: Vec<u8> = (0_u32..200_000)
            .flat_map(|number| number.wrapping_mul(version_seed(version)).to_be_bytes())
            .collect();
        let path = ana.file(&name, &content);
        ana.run(&format!("share {path} --format {format}")).await.unwrap();
        let to = format!("{}/{format}.torrent", ana.folder());
        let metainfo = exported(&mut ana, &name, &to).await;
        assert_eq!(metainfo.info.version(), version);
        bob.run_until(&format!("get {to}"), &format!("{name}  done")).await;
        assert!(bob.downloads().iter().any(|path| std::fs::read(path).unwrap() == content));
    }
    room.close().await;
}

fn version_seed(version: Version) -> u32 {
    if version == Version::V1 { 2_654_435_761 } else { 40_503 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_names_us_and_nothing_is_written_over() {
    let room = Room::new().await;
    let mut ana = room.person("ana").await;
    let path = ana.file("film ñ.bin", &vec![7; 300_000]);
    ana.run(&format!("share \"{path}\"")).await.unwrap();
    let said = ana.run("magnet \"film ñ.bin\"").await.unwrap();
    let link = Magnet::parse(said.iter().find(|line| line.starts_with("magnet:")).unwrap()).unwrap();
    let session = ana.app.context.session().unwrap();
    assert_eq!(link.peers, [session.listen_address()]);
    assert_eq!((link.hashes, link.name.as_deref()), (session.list()[0].hashes, Some("film ñ.bin")));

    let there = ana.file("there.torrent", b"somebody's");
    let failure = ana.run(&format!("export \"film ñ.bin\" {there}")).await.unwrap_err();
    assert_eq!(failure.exit, Exit::AlreadyExists);
    assert_eq!(std::fs::read(&there).unwrap(), b"somebody's");
    ana.run(&format!("export \"film ñ.bin\" {there} --yes")).await.unwrap();
    assert!(Metainfo::parse(&std::fs::read(&there).unwrap()).is_ok());
    // A folder is where the file is put, under the torrent's name.
    ana.run(&format!("export \"film ñ.bin\" {}", ana.folder())).await.unwrap();
    assert!(Path::new(&ana.folder()).join("film ñ.bin.torrent").is_file());
    room.close().await;
}
