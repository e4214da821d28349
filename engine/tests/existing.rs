//! Data that other programs left in the folder of downloads.
#![allow(clippy::unwrap_used, reason = "tests")]

use crate::lab::{Peer, bytes};
use engine::Beginning;

/// Half of the file right, the rest as `rest` says, put into the folder by somebody else.
async fn half_of_it_there(rest: impl Fn(&mut Vec<u8>)) -> (engine::TorrentStatus, Peer, Vec<u8>) {
    let (one, two) = (Peer::start().await, Peer::start().await);
    let content = bytes(2_000_000, 1);
    std::fs::write(one.path("a.bin"), &content).unwrap();
    let shared = one.share("a.bin").await;
    let folder = two.path("Archivos_a_b_c");
    std::fs::create_dir_all(&folder).unwrap();
    let mut there = content.clone();
    rest(&mut there);
    std::fs::write(folder.join("a.bin"), &there).unwrap();
    let added = two.get(&shared, &[&one]).await;
    assert_eq!(added.beginning, Beginning::Checking);
    let status = two.done(shared.id).await;
    assert!(status.downloaded < 1_300_000, "right pieces were fetched: {}", status.downloaded);
    assert!(status.downloaded >= 1_000_000 && status.wasted == 0, "{}", status.downloaded);
    assert!(std::fs::read(&status.path).unwrap() == content);
    (status, two, there)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unfinished_file_of_another_program_is_completed_where_it_lies() {
    // As long as the whole, as most programs reserve it; and only its beginning.
    for rest in
        [|there: &mut Vec<u8>| there[1_000_000..].fill(0), |there: &mut Vec<u8>| there.truncate(1_000_000)]
    {
        let (status, two, _) = half_of_it_there(rest).await;
        assert_eq!(status.path, two.path("Archivos_a_b_c/a.bin"));
        assert_eq!(std::fs::read_dir(two.path("Archivos_a_b_c")).unwrap().count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_version_of_a_file_stays_and_its_right_pieces_are_used() {
    let (status, two, there) = half_of_it_there(|there| there[1_000_000..].fill(7)).await;
    assert_eq!(status.path, two.path("Archivos_a_b_c/a (1).bin"));
    assert!(std::fs::read(two.path("Archivos_a_b_c/a.bin")).unwrap() == there);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_moved_away_and_is_got_again_has_its_own_name_again() {
    let (one, two) = (Peer::start().await, Peer::start().await);
    std::fs::write(one.path("a.bin"), bytes(1_000_000, 1)).unwrap();
    let shared = one.share("a.bin").await;
    for elsewhere in ["first", "second"] {
        two.get(&shared, &[&one]).await;
        let status = two.done(shared.id).await;
        assert_eq!(status.path, two.path("Archivos_a_b_c/a.bin"));
        std::fs::rename(status.path, two.path(elsewhere)).unwrap();
        two.session.unshare(shared.id).await.unwrap();
    }
}
