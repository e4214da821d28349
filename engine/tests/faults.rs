//! A disk that fills up, refuses, or lies.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use engine::disk::beneath::{Access, Root, Stamp};
use engine::disk::block_disk::{BlockDisk, BlockFile, StdDisk};
use engine::{Alert, Session, SessionConfig, State};

use crate::lab::{Peer, bytes, config, wait_until};

/// The real disk with faults on top.
#[derive(Debug, Default)]
struct Faulty {
    /// Bytes that can still be written.
    room: AtomicU64,
    /// Every write fails.
    broken: AtomicBool,
    /// Nothing can be synced.
    unsyncable: AtomicBool,
    /// Every read takes this many milliseconds.
    slow: AtomicU64,
}

#[derive(Debug)]
struct FaultyFile {
    file: Box<dyn BlockFile>,
    disk: Arc<Faulty>,
}

#[derive(Debug)]
struct Handle(Arc<Faulty>);

impl BlockDisk for Handle {
    fn open(&self, root: &Root, relative: &Path, access: Access) -> io::Result<Box<dyn BlockFile>> {
        let file = StdDisk.open(root, relative, access)?;
        Ok(Box::new(FaultyFile { file, disk: Arc::clone(&self.0) }))
    }

    fn free_space(&self, _: &Root) -> io::Result<u64> {
        Ok(self.0.room.load(Ordering::SeqCst))
    }
}

impl BlockFile for FaultyFile {
    #[expect(clippy::disallowed_methods, reason = "a slow disk")]
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::thread::sleep(Duration::from_millis(self.disk.slow.load(Ordering::SeqCst)));
        self.file.read_at(buffer, offset)
    }

    fn write_at(&self, buffers: &[io::IoSlice<'_>], offset: u64) -> io::Result<usize> {
        if self.disk.broken.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        // A short write first, then none at all: as a real disk fills up.
        let length: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let room = usize::try_from(self.disk.room.load(Ordering::SeqCst)).unwrap();
        let part: Vec<u8> = buffers.iter().flat_map(|buffer| buffer.iter().copied()).take(room).collect();
        if part.is_empty() && length > 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = self.file.write_at(&[io::IoSlice::new(&part)], offset)?;
        self.disk.room.fetch_sub(written as u64, Ordering::SeqCst);
        Ok(written)
    }

    fn cut(&self, length: u64) -> io::Result<()> {
        self.file.cut(length)
    }

    fn reserve(&self, length: u64) -> io::Result<()> {
        if self.disk.broken.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.file.reserve(length)
    }

    fn sync(&self) -> io::Result<()> {
        if self.disk.unsyncable.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.file.sync()
    }

    fn stamp(&self) -> io::Result<Stamp> {
        self.file.stamp()
    }
}

async fn on(disk: &Arc<Faulty>) -> Peer {
    let dir = tempfile::tempdir().unwrap();
    let config = SessionConfig {
        disk_full_probe: Duration::from_millis(50),
        disk_full_retry: Duration::from_millis(500),
        ..config(dir.path())
    };
    let (session, alerts) = Session::start_on(config, Arc::new(Handle(Arc::clone(disk)))).await.unwrap();
    Peer { dir, session, alerts }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_without_room_is_waited_for() {
    let one = Peer::start().await;
    std::fs::write(one.path("a.bin"), bytes(3_000_000, 1)).unwrap();
    let shared = one.share("a.bin").await;
    let disk = Arc::new(Faulty::default());
    disk.room.store(1_000_000, Ordering::SeqCst);
    let mut two = on(&disk).await;
    two.get(&shared, &[&one]).await;
    let alert = two.alert(|alert| matches!(alert, Alert::DiskFull { .. })).await;
    assert_eq!(alert, Alert::DiskFull { id: shared.id, need: 3_000_000, free: 1_000_000 });
    assert_eq!(two.session.status(shared.id).unwrap().state, State::PausedDiskFull);
    disk.room.store(10_000_000, Ordering::SeqCst);
    two.alert(|alert| matches!(alert, Alert::DiskRoom { .. })).await;
    assert!(std::fs::read(two.done(shared.id).await.path).unwrap() == bytes(3_000_000, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_half_way_is_told_once_and_the_download_goes_on_by_itself() {
    let one = Peer::start().await;
    std::fs::write(one.path("a.bin"), bytes(3_000_000, 1)).unwrap();
    let shared = one.share("a.bin").await;
    one.session.set_limits(engine::Limits { up: Some(3_000_000), down: None });
    let disk = Arc::new(Faulty::default());
    disk.room.store(10_000_000, Ordering::SeqCst);
    let mut two = on(&disk).await;
    two.get(&shared, &[&one]).await;
    wait_until(|| two.session.status(shared.id).unwrap().verified_bytes > 0).await;
    // Somebody else has taken the rest.
    disk.room.store(300_000, Ordering::SeqCst);
    two.alert(|alert| matches!(alert, Alert::DiskFull { .. })).await;
    wait_until(|| two.session.status(shared.id).unwrap().state == State::PausedDiskFull).await;
    // It tries again in vain a few times, and nobody is bothered.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    while let Ok(alert) = two.alerts.try_recv() {
        assert!(!matches!(alert, Alert::DiskFull { .. } | Alert::Failed { .. }), "{alert:?}");
    }
    disk.room.store(10_000_000, Ordering::SeqCst);
    two.alert(|alert| matches!(alert, Alert::DiskRoom { .. })).await;
    let status = two.done(shared.id).await;
    assert!(std::fs::read(status.path).unwrap() == bytes(3_000_000, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_disk_ends_the_download_with_the_files_name() {
    let one = Peer::start().await;
    std::fs::write(one.path("a.bin"), bytes(1_000_000, 1)).unwrap();
    let shared = one.share("a.bin").await;
    let disk = Arc::new(Faulty::default());
    disk.room.store(10_000_000, Ordering::SeqCst);
    disk.broken.store(true, Ordering::SeqCst);
    let mut two = on(&disk).await;
    two.get(&shared, &[&one]).await;
    let alert = two.alert(|alert| matches!(alert, Alert::Failed { .. })).await;
    let Alert::Failed { error, .. } = alert else { panic!("{alert:?}") };
    assert!(error.to_string().contains("a.bin.part"), "{error}");
    assert_eq!(two.session.status(shared.id).unwrap().state, State::Error);
    // Put right, it goes on when it is told to.
    disk.broken.store(false, Ordering::SeqCst);
    two.session.resume(shared.id).await.unwrap();
    two.meet(shared.id, &[&one]).await;
    two.done(shared.id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_failed_is_made_again_when_the_download_goes_on() {
    let one = Peer::start().await;
    std::fs::write(one.path("a.bin"), bytes(3_000_000, 1)).unwrap();
    let shared = one.share("a.bin").await;
    let disk = Arc::new(Faulty::default());
    disk.room.store(10_000_000, Ordering::SeqCst);
    // The first step finds no room that can be reserved, the last one cannot sync.
    disk.broken.store(true, Ordering::SeqCst);
    disk.unsyncable.store(true, Ordering::SeqCst);
    let mut two = on(&disk).await;
    two.get(&shared, &[]).await;
    for (fault, met) in [(&disk.broken, vec![&one]), (&disk.unsyncable, vec![])] {
        two.alert(|alert| matches!(alert, Alert::Failed { .. })).await;
        assert_eq!(two.session.status(shared.id).unwrap().state, State::Error);
        // Still wrong: it fails once more, and says so.
        two.session.resume(shared.id).await.unwrap();
        two.alert(|alert| matches!(alert, Alert::Failed { .. })).await;
        fault.store(false, Ordering::SeqCst);
        two.session.resume(shared.id).await.unwrap();
        two.meet(shared.id, &met).await;
    }
    let status = two.done(shared.id).await;
    assert_eq!((status.path.clone(), status.downloaded), (two.path("Archivos_a_b_c/a.bin"), status.size));
    assert!(std::fs::read(&status.path).unwrap() == bytes(3_000_000, 1));
    assert_eq!(std::fs::read_dir(two.path("Archivos_a_b_c")).unwrap().count(), 1);
    two.session.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_without_a_place_yet_is_remembered() {
    let one = Peer::start().await;
    let content = bytes(3_000_000, 1);
    std::fs::write(one.path("a.bin"), &content).unwrap();
    let shared = one.share("a.bin").await;
    let disk = Arc::new(Faulty::default());
    let mut waits = on(&disk).await;
    waits.get(&shared, &[]).await;
    waits.alert(|alert| matches!(alert, Alert::DiskFull { .. })).await;
    // And one whose data is still being hashed.
    disk.room.store(10_000_000, Ordering::SeqCst);
    disk.slow.store(100, Ordering::SeqCst);
    let mut hashes = on(&disk).await;
    std::fs::create_dir_all(hashes.path("Archivos_a_b_c")).unwrap();
    std::fs::write(hashes.path("Archivos_a_b_c/a.bin"), &content).unwrap();
    hashes.get(&shared, &[]).await;
    hashes.alert(|alert| matches!(alert, Alert::Checking { .. })).await;
    for (peer, from) in [(waits, vec![&one]), (hashes, vec![])] {
        let peer = peer.restart().await;
        peer.meet(shared.id, &from).await;
        assert_eq!(peer.done(shared.id).await.path, peer.path("Archivos_a_b_c/a.bin"));
        assert_eq!(std::fs::read_dir(peer.path("Archivos_a_b_c")).unwrap().count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_whose_check_was_cancelled_is_taken_up_by_the_next_who_wants_it() {
    let one = Peer::start().await;
    let content = bytes(3_000_000, 1);
    std::fs::write(one.path("a.bin"), &content).unwrap();
    let shared = one.share("a.bin").await;
    let disk = Arc::new(Faulty::default());
    disk.room.store(10_000_000, Ordering::SeqCst);
    let mut two = on(&disk).await;
    std::fs::create_dir_all(two.path("Archivos_a_b_c")).unwrap();
    std::fs::write(two.path("Archivos_a_b_c/a.bin.part"), &content[..1_500_000]).unwrap();
    disk.slow.store(100, Ordering::SeqCst);
    two.get(&shared, &[]).await;
    two.alert(|alert| matches!(alert, Alert::Checking { .. })).await;
    two.session.cancel(shared.id, false).await.unwrap();
    disk.slow.store(0, Ordering::SeqCst);
    two.get(&shared, &[&one]).await;
    let status = two.done(shared.id).await;
    assert_eq!(status.path, two.path("Archivos_a_b_c/a.bin"));
    assert!(status.downloaded < 2_000_000, "{}", status.downloaded);
    assert_eq!(std::fs::read_dir(two.path("Archivos_a_b_c")).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inv_06_names_planted_as_links_lead_nowhere() {
    let one = Peer::start().await;
    std::fs::create_dir(one.path("folder")).unwrap();
    std::fs::write(one.path("folder/a"), bytes(100_000, 1)).unwrap();
    let shared = one.share("folder").await;
    let mut two = Peer::start().await;
    let outside = tempfile::tempdir().unwrap();
    let downloads = two.path("Archivos_a_b_c");
    std::fs::create_dir_all(downloads.join("folder.part")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("x"), downloads.join("folder.part/a")).unwrap();
    two.get(&shared, &[&one]).await;
    let ended = tokio::time::timeout(Duration::from_secs(20), async {
        tokio::select! {
            status = two.session.wait_complete(shared.id) => status.is_ok(),
            _ = two.alerts.recv() => false,
        }
    });
    let _ = ended.await.unwrap();
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
}
