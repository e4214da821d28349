//! Sessions in one process: real files, real sockets, the public face only.

use engine::{AddOptions, AddSource, Alert, Beginning, ShareOptions, State};

use crate::lab::{Peer, bytes, wait_until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_every_size_arrive_whole() {
    let (one, mut two) = (Peer::start().await, Peer::start().await);
    for length in [0, 1, 16383, 16384, 16385, 262_144, 3_000_000] {
        let name = format!("file {length}.bin");
        std::fs::write(one.path(&name), bytes(length, length as u64)).unwrap();
        let shared = one.share(&name).await;
        let added = two.get(&shared, &[&one]).await;
        assert_eq!(added.beginning, Beginning::New);
        let status = two.done(shared.id).await;
        assert_eq!(status.path, two.path("Archivos_a_b_c").join(&name));
        assert_eq!(std::fs::read(&status.path).unwrap(), bytes(length, length as u64));
        assert!(!two.path("Archivos_a_b_c").join(format!("{name}.part")).exists());
        two.alert(|alert| matches!(alert, Alert::Completed { id, .. } if *id == shared.id)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_sources_all_give() {
    let peers = [Peer::start().await, Peer::start().await, Peer::start().await];
    let content = bytes(12_000_000, 3);
    let mut shared = None;
    for peer in &peers {
        std::fs::write(peer.path("film"), &content).unwrap();
        shared = Some(peer.share("film").await);
        peer.session.set_limits(engine::Limits { up: Some(8_000_000), down: None });
    }
    let shared = shared.unwrap();
    let leech = Peer::start().await;
    leech.get(&shared, &peers.each_ref()).await;
    let status = leech.done(shared.id).await;
    assert!(std::fs::read(&status.path).unwrap() == content);
    assert_eq!(status.from.len(), 3, "{:?}", status.from);
    for (peer, given) in &status.from {
        assert!(*given > status.size / 5, "{peer} gave {given}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_arrives_with_its_names_and_its_empty_file() {
    let (one, two) = (Peer::start().await, Peer::start().await);
    let names =
        ["carpeta/sub/ñandú 😀.txt", "carpeta/vacío", "carpeta/big.bin", "carpeta/a b c", "carpeta/z/z"];
    for (number, name) in names.iter().enumerate() {
        std::fs::create_dir_all(one.path(name).parent().unwrap()).unwrap();
        let length = [10, 0, 700_000, 262_144, 16384][number];
        std::fs::write(one.path(name), bytes(length, number as u64)).unwrap();
    }
    let shared = one.share("carpeta").await;
    two.get(&shared, &[&one]).await;
    let status = two.done(shared.id).await;
    assert_eq!(status.path, two.path("Archivos_a_b_c/carpeta"));
    for name in names {
        assert_eq!(
            std::fs::read(two.path("Archivos_a_b_c").join(name)).unwrap(),
            std::fs::read(one.path(name)).unwrap(),
            "{name}"
        );
    }
    assert!(!two.path("Archivos_a_b_c/carpeta.part").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_already_is_used_and_what_differs_stays() {
    let (one, two) = (Peer::start().await, Peer::start().await);
    let content = bytes(1_000_000, 1);
    std::fs::write(one.path("a.bin"), &content).unwrap();
    let shared = one.share("a.bin").await;
    let folder = two.path("Archivos_a_b_c");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("a.bin"), bytes(1_000_000, 2)).unwrap();
    let added = two.get(&shared, &[&one]).await;
    assert_eq!(added.beginning, Beginning::Checking);
    let status = two.done(shared.id).await;
    assert_eq!(status.path, folder.join("a (1).bin"));
    assert!(std::fs::read(folder.join("a.bin")).unwrap() == bytes(1_000_000, 2));
    assert!(std::fs::read(folder.join("a (1).bin")).unwrap() == content);
    // Somebody who has the whole file fetches nothing.
    let three = Peer::start().await;
    let folder = three.path("Archivos_a_b_c");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("a.bin"), &content).unwrap();
    three.get(&shared, &[&one]).await;
    let status = three.done(shared.id).await;
    assert_eq!((status.path, status.downloaded), (folder.join("a.bin"), 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pause_resume_and_cancel_do_what_they_say() {
    let (one, two) = (Peer::start().await, Peer::start().await);
    std::fs::write(one.path("a.bin"), bytes(4_000_000, 1)).unwrap();
    let shared = one.share("a.bin").await;
    one.session.set_limits(engine::Limits { up: Some(1_000_000), down: None });
    two.get(&shared, &[&one]).await;
    let part = two.path("Archivos_a_b_c/a.bin.part");
    wait_until(|| two.session.status(shared.id).is_some_and(|status| status.pieces_verified > 0)).await;
    two.session.pause(shared.id).await.unwrap();
    let at_rest = two.session.status(shared.id).unwrap();
    assert_eq!(at_rest.state, State::Paused);
    wait_until(|| two.session.status(shared.id).is_some_and(|status| status.peers == 0)).await;
    assert_eq!(two.session.status(shared.id).unwrap().verified_bytes, at_rest.verified_bytes);
    two.session.resume(shared.id).await.unwrap();
    two.meet(shared.id, &[&one]).await;
    let before = two.session.status(shared.id).unwrap().pieces_verified;
    wait_until(|| two.session.status(shared.id).is_some_and(|status| status.pieces_verified > before)).await;
    two.session.cancel(shared.id, true).await.unwrap();
    assert!(!part.exists() && two.session.list().is_empty());
    assert!(matches!(two.session.pause(shared.id).await, Err(engine::CommandError::Unknown { .. })));
    // Kept bytes are used by the next try.
    two.get(&shared, &[&one]).await;
    wait_until(|| two.session.status(shared.id).is_some_and(|status| status.pieces_verified > 2)).await;
    two.session.cancel(shared.id, false).await.unwrap();
    assert!(part.exists());
    one.session.set_limits(engine::Limits::default());
    let added = two.get(&shared, &[&one]).await;
    assert_eq!(added.beginning, Beginning::Checking);
    let status = two.done(shared.id).await;
    assert!(status.downloaded < status.size, "{} of {}", status.downloaded, status.size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sharing_again_does_not_hash_again_until_something_changes() {
    let one = Peer::start().await;
    std::fs::write(one.path("a.bin"), bytes(1_000_000, 1)).unwrap();
    let first = one.share("a.bin").await;
    let mut told = 0;
    let again = one.session.share(&one.path("a.bin"), ShareOptions::default(), |_| told += 1).await.unwrap();
    assert!(!first.already && again.already && again.id == first.id);
    assert_eq!(told, 0);
    std::fs::write(one.path("a.bin"), bytes(1_000_001, 1)).unwrap();
    let changed = one.share("a.bin").await;
    assert!(!changed.already && changed.id != first.id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_info_dictionary_alone_is_enough() {
    let one = Peer::start().await;
    std::fs::write(one.path("a.bin"), bytes(3_000_000, 1)).unwrap();
    let shared = one.share("a.bin").await;
    let two = Peer::start().await;
    let source = AddSource::Info(Box::new((*shared.info).clone()));
    let added = two.session.add(source, AddOptions::default()).await.unwrap();
    two.meet(added.id, &[&one]).await;
    assert!(std::fs::read(two.done(added.id).await.path).unwrap() == bytes(3_000_000, 1));
    // The one who never saw the piece layers gives as well.
    one.session.stop().await;
    let three = Peer::start().await;
    let source = AddSource::Info(Box::new((*shared.info).clone()));
    let added = three.session.add(source, AddOptions::default()).await.unwrap();
    three.meet(added.id, &[&two]).await;
    let status = three.done(added.id).await;
    assert!(std::fs::read(status.path).unwrap() == bytes(3_000_000, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_of_many_small_files_arrives() {
    let (one, two) = (Peer::start().await, Peer::start().await);
    for number in 0_usize..400 {
        let folder = one.path(&format!("many/{}", number % 7));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("file {number}")), bytes(number * 50, number as u64)).unwrap();
    }
    let shared = one.share("many").await;
    two.get(&shared, &[&one]).await;
    let status = two.done(shared.id).await;
    for number in 0..400 {
        let name = format!("{}/file {number}", number % 7);
        assert!(
            std::fs::read(status.path.join(&name)).unwrap() == bytes(number * 50, number as u64),
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_down_holds_over_all_sources() {
    let (one, two, leech) = (Peer::start().await, Peer::start().await, Peer::start().await);
    for peer in [&one, &two] {
        std::fs::write(peer.path("film"), bytes(6_000_000, 3)).unwrap();
    }
    let (shared, _) = (one.share("film").await, two.share("film").await);
    leech.session.set_limits(engine::Limits { up: None, down: Some(4_000_000) });
    assert_eq!(leech.session.limits().down, Some(4_000_000));
    let since = std::time::Instant::now();
    leech.get(&shared, &[&one, &two]).await;
    leech.done(shared.id).await;
    // Never faster than the limit, a burst apart.
    assert!(since.elapsed().as_secs_f64() > 6.0 / 4.0 * 0.8, "{:?}", since.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torrent_known_by_its_names_alone_waits_for_its_description() {
    let one = Peer::start().await;
    std::fs::write(one.path("a.bin"), bytes(3_000_000, 1)).unwrap();
    let shared = one.share("a.bin").await;
    let two = Peer::start().await;
    let source = AddSource::Hashes { hashes: shared.info.hashes(), name: "a film".into() };
    let added = two.session.add(source, AddOptions::default()).await.unwrap();
    let status = two.session.status(added.id).unwrap();
    assert_eq!((status.state, status.name.as_str()), (State::Metadata, "a film"));
    two.session.cancel(added.id, true).await.unwrap();
    assert!(two.session.list().is_empty());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_differ_only_in_case_are_shared_and_stand_apart_where_they_arrive() {
    let (one, two) = (Peer::start().await, Peer::start().await);
    std::fs::create_dir(one.path("src")).unwrap();
    for (name, seed) in [("src/Make.c", 1), ("src/make.c", 2), ("src/make.h", 3)] {
        std::fs::write(one.path(name), bytes(300_000, seed)).unwrap();
    }
    let shared = one.share("src").await;
    assert!(
        matches!(&shared.notes[..], [engine::ShareNote::Renamed { name, .. }] if name == "make.1.c"),
        "{:?}",
        shared.notes
    );
    // The sharer knows its own names after a restart too.
    let one = one.restart().await;
    two.get(&shared, &[&one]).await;
    two.done(shared.id).await;
    for (name, seed) in [("Make.c", 1), ("make.1.c", 2), ("make.h", 3)] {
        assert!(
            std::fs::read(two.path("Archivos_a_b_c/src").join(name)).unwrap() == bytes(300_000, seed),
            "{name}"
        );
    }
}
