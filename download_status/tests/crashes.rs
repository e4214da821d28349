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
    /// Which run of the machine it is.
    boot: u32,
    /// Whether a file that was replaced without a sync is there after a loss of power.
    renames_survive: bool,
    /// What is believed, and what is being hashed, after a loss of power.
    checking: Option<Belief>,
}

impl World {
    fn new() -> Self {
        let mut brain = Checkpointer::new([], "0".into());
        brain.put(entry(), Moment::START);
        Self {
            boot: 0,
            renames_survive: false,
            checking: None,
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
                let whole = durable || self.renames_survive;
                slot.1 = if whole { slot.0.clone() } else { Some(b"{\"schema\": 1, \"che".to_vec()) };
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
        let same_boot = !power && status.boot == self.boot.to_string();
        let circumstances = Circumstances { clean: status.clean, same_boot, saved_at: status.saved_at };
        let belief = match status.entries.iter().find(|entry| entry.hashes == InfoHashes::v1(id())) {
            Some(entry) => believe(entry, &layout, &[file], circumstances),
            None => Belief { have: Bitfield::empty(PIECES), doubtful: Vec::new() },
        };
        (status, belief)
    }

    /// The machine stops and starts again, and begins to hash what is in doubt.
    fn lose_power(&mut self) {
        let (status, belief) = self.after_crash(true);
        self.disk.data.0 = self.disk.data.1.clone();
        for copy in &mut self.disk.copies {
            copy.0 = copy.1.clone();
        }
        self.under_way.clear();
        self.boot += 1;
        self.brain = Checkpointer::new(status.entries, self.boot.to_string());
        self.brain.believed(id(), &belief.have, self.now);
        self.checking = Some(belief);
        self.poll();
    }

    /// Everything in doubt is hashed.
    fn end_check(&mut self) {
        let Some(Belief { mut have, doubtful }) = self.checking.take() else { return };
        let right: BTreeSet<u32> = doubtful
            .iter()
            .map(|piece| piece.get())
            .filter(|piece| self.disk.data.0.contains(piece))
            .collect();
        for piece in &right {
            have.set(PieceIndex::new(*piece));
        }
        self.brain.put(Entry { have: Some(have), unsynced: right, ..entry() }, self.now);
        self.poll();
    }

    /// A piece of another torrent is verified.
    fn verify_other(&mut self, piece: u32) {
        let other = InfoHash([2; 20]);
        if self.brain.get(other).is_none_or(|entry| entry.have.is_none()) {
            self.brain.put(Entry { hashes: InfoHashes::v1(other), ..entry() }, self.now);
        }
        self.brain.verified(other, PieceIndex::new(piece), PIECE, self.now);
        self.poll();
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn inv_01_while_what_an_earlier_run_left_is_being_hashed(
        steps in proptest::collection::vec((0_u8..12, 1_u64..9000), 1..250)
    ) {
        let mut world = World::new();
        world.poll();
        let mut next = 0..PIECES;
        for (what, millis) in steps {
            world.renames_survive = millis % 2 == 0;
            match what {
                0..=2 if world.checking.is_none() => world.verify(next.next().unwrap()),
                0..=3 => world.verify_other(next.next().unwrap()),
                4..=6 => world.pass(Duration::from_millis(millis)),
                7 if world.checking.is_none() => world.lose_power(),
                7 => world.end_check(),
                _ => world.finish_one(),
            }
            world.check();
        }
        // It ends in order all the same, and what was not hashed stays in doubt.
        world.brain.stop(world.now);
        world.poll();
        while !world.under_way.is_empty() {
            world.finish_one();
            world.check();
        }
        prop_assert!(world.brain.is_stopped());
    }
}

#[test]
fn inv_01_a_sync_says_nothing_of_what_is_not_hashed_yet() {
    let mut world = World::new();
    world.renames_survive = true;
    world.poll();
    while !world.under_way.is_empty() {
        world.finish_one();
    }
    world.verify(7);
    world.pass(Duration::from_secs(3));
    // The status is written, the piece is not synced.
    world.finish_one();
    world.lose_power();
    assert_eq!(world.checking.as_ref().unwrap().doubtful, [PieceIndex::new(7)]);
    world.verify_other(0);
    for _ in 0..40 {
        world.pass(Duration::from_millis(500));
        while !world.under_way.is_empty() {
            world.finish_one();
        }
        world.check();
    }
    world.brain.stop(world.now);
    world.poll();
    while !world.under_way.is_empty() {
        world.finish_one();
    }
    assert!(world.brain.is_stopped(), "nobody waits for what is not hashed");
    let (status, belief) = world.after_crash(false);
    assert!(status.clean && !belief.have.get(PieceIndex::new(7)));
    assert_eq!(belief.doubtful, [PieceIndex::new(7)]);
}

#[test]
fn inv_01_what_one_run_doubts_the_next_one_doubts_too() {
    let mut have = Bitfield::empty(PIECES);
    for piece in [1, 2, 3] {
        have.set(PieceIndex::new(piece));
    }
    let mut brain = Checkpointer::new([Entry { have: Some(have.clone()), ..entry() }], "boot".into());
    // Piece 2 lies in a file that was changed while nothing ran, and piece 3 in one that is gone.
    let mut believed = Bitfield::empty(PIECES);
    believed.set(PieceIndex::new(1));
    brain.believed(id(), &believed, Moment::START);
    for copy in [Copy::Current, Copy::Previous] {
        let order = brain.poll(Moment::START, 1000).unwrap();
        let Order::Write { copy: written, status, .. } = order else { panic!("{order:?}") };
        assert_eq!((written, status.entries[0].have.as_ref()), (copy, Some(&have)));
        assert_eq!(status.entries[0].unsynced, BTreeSet::from([2, 3]));
        brain.write_done(copy, true, Moment::START);
    }
    assert!(brain.poll(Moment::START, 1000).is_none());
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
