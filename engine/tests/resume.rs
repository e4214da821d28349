//! What survives a restart, in order or not.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use engine::{Alert, Limits, State, StatusTrouble};

use crate::lab::{Peer, bytes, wait_until};

/// Copies a folder, the status before the data: what kill -9 would leave at that moment.
fn crash_image(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    copy(&from.join("download_status.json"), &to.path().join("download_status.json"));
    copy(&from.join("download_status.json.bak"), &to.path().join("download_status.json.bak"));
    copy(&from.join(".enjambre"), &to.path().join(".enjambre"));
    copy(&from.join("Archivos_a_b_c"), &to.path().join("Archivos_a_b_c"));
    // The paths inside are those of the first folder.
    for name in ["download_status.json", "download_status.json.bak"] {
        let path = to.path().join(name);
        let Ok(text) = std::fs::read_to_string(&path) else { continue };
        let (old, new) = (from.canonicalize().unwrap(), to.path().canonicalize().unwrap());
        let text = text.replace(old.to_str().unwrap(), new.to_str().unwrap());
        std::fs::write(&path, with_checksum(&text)).unwrap();
    }
    to
}

/// The same text with the checksum that fits it.
fn with_checksum(text: &str) -> String {
    use sha2::Digest as _;
    let at = text.find("\"checksum\": \"").unwrap() + 13;
    let old = &text[at..at + 64];
    let zeros = text.replacen(old, &"0".repeat(64), 1);
    let sum = shared::InfoHashV2(sha2::Sha256::digest(&zeros).into()).to_string();
    zeros.replacen(&"0".repeat(64), &sum, 1)
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else if from.exists() {
        let _ = std::fs::copy(from, to);
    }
}

async fn half_way(length: usize) -> (Peer, Peer, engine::Shared) {
    let (one, two) = (Peer::start().await, Peer::start().await);
    std::fs::write(one.path("a.bin"), bytes(length, 1)).unwrap();
    let shared = one.share("a.bin").await;
    one.session.set_limits(Limits { up: Some(4_000_000), down: None });
    two.get(&shared, &[&one]).await;
    wait_until(|| two.session.status(shared.id).is_some_and(|status| status.verified_bytes > 2_000_000))
        .await;
    (one, two, shared)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_stop_checks_nothing_and_fetches_only_the_rest() {
    let (one, two, shared) = half_way(8_000_000).await;
    let mut two = two.restart().await;
    let before = two.session.status(shared.id).unwrap();
    one.session.set_limits(Limits::default());
    two.meet(shared.id, &[&one]).await;
    let status = two.done(shared.id).await;
    assert!(before.verified_bytes > 0 || status.downloaded < status.size - 1_500_000);
    assert!(status.downloaded < status.size - 1_500_000, "{} of {}", status.downloaded, status.size);
    assert!(std::fs::read(&status.path).unwrap() == bytes(8_000_000, 1));
    while let Ok(alert) = two.alerts.try_recv() {
        assert!(!matches!(alert, Alert::Checking { .. } | Alert::StatusTrouble { .. }), "{alert:?}");
    }
    // And once more: complete things come back as they were.
    let two = two.restart().await;
    let status = two.session.status(shared.id).unwrap();
    assert_eq!((status.state, status.is_share), (State::Seeding, false));
    assert_eq!(status.verified_bytes, status.size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_01_02_after_kill_9_no_bit_is_false_and_little_is_lost() {
    let (one, two, shared) = half_way(16_000_000).await;
    wait_until(|| {
        let text = std::fs::read_to_string(two.path("download_status.json")).unwrap_or_default();
        let verified = text.lines().find_map(|line| line.trim().strip_prefix("\"verified\": "));
        verified.is_some_and(|bytes| bytes.trim_end_matches(',').parse::<u64>().unwrap() > 1_000_000)
    })
    .await;
    let image = crash_image(two.dir.path());
    // The image has the same identity: both at once would be one peer.
    two.session.stop().await;
    let three = Peer::start_in(image).await;
    one.session.set_limits(Limits::default());
    three.meet(shared.id, &[&one]).await;
    let status = three.done(shared.id).await;
    assert!(status.downloaded < status.size, "something was kept");
    assert!(std::fs::read(&status.path).unwrap() == bytes(16_000_000, 1));
    assert!(status.path.starts_with(three.dir.path().canonicalize().unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s03_s08_with_both_copies_ruined_the_data_is_hashed_and_used() {
    let (one, two, shared) = half_way(8_000_000).await;
    two.session.stop().await;
    let image = crash_image(two.dir.path());
    std::fs::write(image.path().join("download_status.json"), vec![0; 4096]).unwrap();
    std::fs::write(image.path().join("download_status.json.bak"), "{").unwrap();
    let mut three = Peer::start_in(image).await;
    three
        .alert(|alert| matches!(alert, Alert::StatusTrouble { trouble: StatusTrouble::Rebuilt { .. } }))
        .await;
    three.alert(|alert| matches!(alert, Alert::Checking { .. })).await;
    one.session.set_limits(Limits::default());
    three.meet(shared.id, &[&one]).await;
    let status = three.done(shared.id).await;
    assert!(status.downloaded < status.size - 1_500_000, "{} of {}", status.downloaded, status.size);
    assert!(std::fs::read(&status.path).unwrap() == bytes(8_000_000, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s08_the_previous_copy_stands_in() {
    let (one, two, shared) = half_way(8_000_000).await;
    two.session.stop().await;
    let image = crash_image(two.dir.path());
    let path = image.path().join("download_status.json");
    let text = std::fs::read_to_string(&path).unwrap().replace("a.bin", "b.bin");
    std::fs::write(&path, text).unwrap();
    let mut three = Peer::start_in(image).await;
    three
        .alert(|alert| matches!(alert, Alert::StatusTrouble { trouble: StatusTrouble::PreviousUsed { .. } }))
        .await;
    one.session.set_limits(Limits::default());
    three.meet(shared.id, &[&one]).await;
    let status = three.done(shared.id).await;
    assert!(status.downloaded < status.size - 1_500_000, "{} of {}", status.downloaded, status.size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shares_come_back_and_a_change_meanwhile_is_noticed() {
    let one = Peer::start().await;
    for name in ["same", "changed", "gone"] {
        std::fs::write(one.path(name), bytes(1_000_000, 1)).unwrap();
    }
    let mut ids = Vec::new();
    for name in ["same", "changed", "gone"] {
        ids.push(one.share(name).await);
    }
    one.session.stop().await;
    let mut content = bytes(1_000_000, 1);
    content[500_000] ^= 1;
    std::fs::write(one.path("changed"), &content).unwrap();
    std::fs::remove_file(one.path("gone")).unwrap();
    let mut one = one.restart().await;
    let state = |id: usize| one.session.status(ids[id].id).unwrap();
    assert_eq!((state(0).state, state(0).is_share), (State::Seeding, true));
    assert_eq!(state(2).state, State::Error);
    let two = Peer::start().await;
    two.get(&ids[0], &[&one]).await;
    two.done(ids[0].id).await;
    two.get(&ids[1], &[&one]).await;
    one.alert(|alert| matches!(alert, Alert::ShareChanged { id, piece: 3, .. } if *id == ids[1].id)).await;
    let last = || two.session.status(ids[1].id).unwrap().pieces_verified;
    wait_until(|| last() == 7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_stays_paused_and_cancelled_stays_away() {
    let (_one, two, shared) = half_way(4_000_000).await;
    two.session.pause(shared.id).await.unwrap();
    let two = two.restart().await;
    wait_until(|| two.session.status(shared.id).unwrap().state == State::Paused).await;
    two.session.cancel(shared.id, true).await.unwrap();
    let two = two.restart().await;
    assert!(two.session.list().is_empty());
    assert!(!two.path("Archivos_a_b_c/a.bin.part").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s13_a_part_that_grew_behind_its_end_becomes_the_file_that_was_shared() {
    use std::io::Write as _;
    let (one, two, shared) = half_way(8_000_000).await;
    let part = two.session.status(shared.id).unwrap().path;
    let grow = |part: &Path| {
        let mut file = std::fs::File::options().append(true).open(part)?;
        file.set_len(8_000_000)?;
        file.write_all(b"not of the film")
    };
    grow(&part).unwrap();
    one.session.set_limits(Limits::default());
    let status = two.done(shared.id).await;
    assert!(std::fs::read(&status.path).unwrap() == bytes(8_000_000, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_the_last_rename_and_the_status_nothing_is_fetched_again() {
    let (_one, two, shared) = half_way(8_000_000).await;
    two.session.stop().await;
    let image = crash_image(two.dir.path());
    let folder = image.path().join("Archivos_a_b_c");
    std::fs::remove_file(folder.join("a.bin.part")).unwrap();
    std::fs::write(folder.join("a.bin"), bytes(8_000_000, 1)).unwrap();
    // Nobody is there to fetch it from.
    let three = Peer::start_in(image).await;
    let status = three.done(shared.id).await;
    assert_eq!((status.path, status.downloaded), (three.path("Archivos_a_b_c/a.bin"), 0));
    let three = three.restart().await;
    assert_eq!(three.session.status(shared.id).unwrap().state, State::Seeding);
    assert_eq!(std::fs::read_dir(three.path("Archivos_a_b_c")).unwrap().count(), 1);
}
