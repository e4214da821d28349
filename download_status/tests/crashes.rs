//! The checkpointer against a disk that forgets: whatever the moment of a crash, what is believed
//! afterwards is there, and little is lost.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use download_status::{
    Belief, Checkpointer, Circumstances, Copy, DownloadStatus, Entry, FileFound, Order, Stage, believe, read,
};
use proptest::prelude::*;
use shared::{Bitfield, InfoHash, InfoHashes, Layout, Moment, PieceIndex};

const PIECES: u32 = 400;
const PIECE: u64 = 1024 * 1024;

fn id() -> InfoHash {
    InfoHash([1; 20])
}

fn entry() -> Entry {
    Entry {
        hashes: InfoHashes::v1(id()),
        name: "film".into(),
        stage: Stage::Downloading,
        paused: false,
        size: u64::from(PIECES) * PIECE,
        verified: 0,
        folder: "/d".into(),
        file: "film.part".into(),
        final_name: "film".into(),
        have: Some(Bitfield::empty(PIECES)),
        unsynced: BTreeSet::new(),
        stamp: None,
        from: BTreeMap::new(),
        added_at: 0,
        completed_at: None,
    }
}

/// What programs see of a file, and what a loss of power leaves of it.
type TwoFaced = (Option<Vec<u8>>, Option<Vec<u8>>);

/// A disk with what programs see and what a loss of power leaves.
#[derive(Default)]
struct Disk {
    /// Pieces in the system's cache, and those on the disk itself.
    data: (BTreeSet<u32>, BTreeSet<u32>),
    /// The two copies, each as seen and as a loss of power leaves it.
    copies: [TwoFaced; 2],
}

struct World {
    brain: Checkpointer,
    disk: Disk,
    /// Orders under way, with the data that a sync has seen.
    under_way: VecDeque<(Order, BTreeSet<u32>)>,
    now: Moment,
    /// Bytes verified and when, for what may be lost.
    verified: Vec<(Moment, u32)>,
}

impl World {
    fn new() -> Self {
        let mut brain = Checkpointer::new([], "boot".into());
        brain.put(entry(), Moment::START);
        Self {
            brain,
            disk: Disk::default(),
            under_way: VecDeque::new(),
            now: Moment::START,
            verified: Vec::new(),
        }
    }

    fn wall(&self) -> u64 {
        u64::try_from(self.now.since_start().as_millis()).unwrap()
    }

    fn poll(&mut self) {
        while let Some(order) = self.brain.poll(self.now, self.wall()) {
            self.under_way.push_back((order, self.disk.data.0.clone()));
        }
    }

    /// Finishes the oldest order.
    fn finish_one(&mut self) {
        let Some((order, seen)) = self.under_way.pop_front() else { return };
        match order {
            Order::Sync(_) => {
                self.disk.data.1.extend(seen);
                self.brain.sync_done(&BTreeSet::new(), self.now);
            }
            Order::Write { copy, status, durable } => {
                let slot = &mut self.disk.copies[usize::from(copy == Copy::Previous)];
                slot.0 = Some(status.to_bytes());
                // A rename that was not synced may leave the old file, the new one, or rubbish.
                slot.1 = if durable { slot.0.clone() } else { Some(b"{\"schema\": 1, \"che".to_vec()) };
                self.brain.write_done(copy, true, self.now);
            }
        }
        self.poll();
    }

    fn verify(&mut self, piece: u32) {
        self.disk.data.0.insert(piece);
        self.brain.verified(id(), PieceIndex::new(piece), PIECE, self.now);
        self.verified.push((self.now, piece));
        self.poll();
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.brain.next_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let before = self.under_way.len();
            self.poll();
            if self.under_way.len() == before {
                break;
            }
        }
        self.now = self.now.max(end);
        self.poll();
    }

    /// What is believed after a crash, hashing aside.
    fn after_crash(&self, power: bool) -> (DownloadStatus, Belief) {
        let copies = self.disk.copies.iter().map(|(seen, durable)| if power { durable } else { seen });
        let status = copies.flatten().find_map(|bytes| read(bytes).ok()).map(|loaded| loaded.status);
        let status = status.unwrap_or_default();
        let layout = Layout::new(u64::from(PIECES) * PIECE, PIECE).unwrap();
        let length = u64::from(PIECES) * PIECE;
        // The time on a file after a loss of power is that of its last write that was kept.
        let modified_at = if power { 0 } else { self.wall() };
        let file = FileFound { offset: 0, length, size: Some(length), modified_at };
        let circumstances =
            Circumstances { clean: status.clean, same_boot: !power, saved_at: status.saved_at };
        let belief = match status.entries.first() {
            Some(entry) => believe(entry, &layout, &[file], circumstances),
            None => Belief { have: Bitfield::empty(PIECES), doubtful: Vec::new() },
        };
        (status, belief)
    }

    fn check(&self) {
        for power in [false, true] {
            let (_, belief) = self.after_crash(power);
            let there = if power { &self.disk.data.1 } else { &self.disk.data.0 };
            for piece in belief.have.ones() {
                assert!(
                    there.contains(&piece.get()),
                    "piece {piece} is believed and not there, power {power}"
                );
            }
        }
    }

    /// Bytes of verified pieces that kill -9 would make us fetch again.
    fn lost(&self) -> u64 {
        let (_, belief) = self.after_crash(false);
        let kept = belief.have.count() as usize + belief.doubtful.len();
        (self.verified.len() - kept) as u64 * PIECE
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn inv_01_02_03_at_every_instant(steps in proptest::collection::vec((0_u8..10, 1_u64..900), 1..250)) {
        let mut world = World::new();
        world.poll();
        let mut next = 0;
        for (what, millis) in steps {
            match what {
                0..=4 if next < PIECES => {
                    world.verify(next);
                    next += 1;
                }
                5 | 6 => world.pass(Duration::from_millis(millis)),
                _ => world.finish_one(),
            }
            world.check();
        }
        while !world.under_way.is_empty() {
            world.finish_one();
            world.check();
        }
        // A disk that keeps up loses little.
        for _ in 0..40 {
            world.pass(Duration::from_millis(500));
            while !world.under_way.is_empty() {
                world.finish_one();
            }
        }
        prop_assert_eq!(world.lost(), 0);
        world.brain.stop(world.now);
        world.poll();
        while !world.under_way.is_empty() {
            world.finish_one();
            world.check();
        }
        prop_assert!(world.brain.is_stopped());
        let (status, belief) = world.after_crash(true);
        prop_assert!(status.clean && belief.doubtful.is_empty());
        prop_assert_eq!(belief.have.count(), next);
    }
}

#[test]
fn inv_02_at_full_speed_less_than_32_mib_is_lost() {
    let mut world = World::new();
    world.poll();
    for piece in 0..PIECES {
        world.verify(piece);
        // The status takes as long to write as four more pieces take to come.
        if piece % 4 == 0 {
            world.finish_one();
        }
        world.now = world.now + Duration::from_millis(1);
        world.poll();
        assert!(world.lost() <= 32 * PIECE, "{} bytes", world.lost());
    }
}

#[test]
fn a_disk_that_refuses_is_asked_again_later() {
    let mut world = World::new();
    world.poll();
    let (order, _) = world.under_way.pop_front().unwrap();
    let Order::Write { copy: Copy::Current, .. } = order else { panic!("{order:?}") };
    world.brain.write_done(Copy::Current, false, world.now);
    world.under_way.clear();
    assert!(world.brain.poll(world.now, 0).is_none());
    let due = world.brain.next_timeout().unwrap();
    assert!(due > world.now && world.brain.poll(due, 0).is_some());
}
