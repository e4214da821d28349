//! Which block to ask for next: the piece at hand, then pieces begun, then what the peer suggests,
//! then the rarest piece; at the very end, what somebody else was asked for and has not sent.
//!
//! Owns the pieces under way. Never looks at the clock or the choker; the download calls it for a
//! peer that may be asked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use shared::{Bitfield, BlockRef, Moment, PieceIndex};

use crate::availability::Availability;
use crate::content::Content;
use crate::dice::Dice;
use crate::io::PeerKey;
use crate::piece_download::{PieceDownload, Stage};

/// Verified pieces before rarity counts: the first ones are for trading soon, so any will do.
const RANDOM_PIECES: u32 = 4;
/// Begun pieces that are looked at for one pick.
const OPEN_STEPS: usize = 64;
/// Peers that may be asked for the same block at the end.
const MOST_DUPLICATES: usize = 2;
/// How long a block may be waited for from so many before they do not count.
const LOST: Duration = Duration::from_secs(6);

/// The peer that a block is picked for.
pub(crate) struct Asked<'a> {
    pub(crate) peer: PeerKey,
    /// What it has and may be asked for now.
    pub(crate) has: &'a Bitfield,
    /// The piece that it was asked for last.
    pub(crate) current: &'a mut Option<PieceIndex>,
    /// What it said we might ask for.
    pub(crate) suggested: &'a mut VecDeque<PieceIndex>,
    /// It tells each peer what to ask for, so that no two fetch the same from it.
    pub(crate) suggests: bool,
}

/// A piece with free blocks, as far as choosing it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Open {
    free: u32,
    only_from: Option<PeerKey>,
}

impl Open {
    fn of(download: &PieceDownload) -> Self {
        Self { free: download.free(), only_from: download.only_from }
    }

    fn is_to(&self, peer: PeerKey) -> bool {
        self.only_from.is_none_or(|only| only == peer)
    }
}

/// The pieces under way and the rarity of the rest.
#[derive(Debug)]
pub(crate) struct Picker {
    content: Arc<Content>,
    pub(crate) availability: Availability,
    pieces: BTreeMap<PieceIndex, PieceDownload>,
    /// Those among them that have free blocks.
    open: BTreeMap<PieceIndex, Open>,
    wanted: u32,
    generation: u64,
}

impl Picker {
    /// Everything but `have` is wanted.
    pub(crate) fn new(content: Arc<Content>, have: &Bitfield) -> Self {
        let mut availability = Availability::new(content.layout.pieces());
        for piece in have.zeros() {
            availability.add_candidate(piece);
        }
        let wanted = have.len() - have.count();
        Self { content, availability, pieces: BTreeMap::new(), open: BTreeMap::new(), wanted, generation: 0 }
    }

    /// The piece under way with this number.
    pub(crate) fn piece(&self, piece: PieceIndex) -> Option<&PieceDownload> {
        self.pieces.get(&piece)
    }

    /// Changes a piece under way and keeps the books about it.
    pub(crate) fn update<T>(
        &mut self,
        piece: PieceIndex,
        change: impl FnOnce(&mut PieceDownload) -> T,
    ) -> Option<T> {
        let download = self.pieces.get_mut(&piece)?;
        let free = download.free();
        let result = change(download);
        self.generation += u64::from(download.free() > free);
        if download.is_untouched() && download.suspicions.is_empty() {
            self.pieces.remove(&piece);
            self.open.remove(&piece);
            self.availability.add_candidate(piece);
        } else if download.free() > 0 && !download.judging {
            self.open.insert(piece, Open::of(download));
        } else {
            self.open.remove(&piece);
        }
        Some(result)
    }

    /// `piece`, which was finished, is wanted again.
    pub(crate) fn want(&mut self, piece: PieceIndex) {
        self.wanted += 1;
        self.generation += 1;
        self.availability.add_candidate(piece);
    }

    /// `piece` is complete and true: nothing more is asked for it.
    pub(crate) fn finish(&mut self, piece: PieceIndex) -> Option<PieceDownload> {
        self.open.remove(&piece);
        self.availability.remove_candidate(piece);
        let finished = self.pieces.remove(&piece);
        self.wanted -= u32::from(finished.is_some());
        finished
    }

    /// Every block that is still wanted was asked of somebody.
    pub(crate) fn is_endgame(&self) -> bool {
        self.availability.candidates() == 0 && self.open.is_empty() && !self.pieces.is_empty()
    }

    /// Whether a block of `piece` may be asked of `peer`, if that has it.
    pub(crate) fn has_work(&self, piece: PieceIndex, peer: PeerKey) -> bool {
        self.availability.is_candidate(piece) || self.is_open_to(piece, peer)
    }

    /// Whether any piece is under way.
    pub(crate) fn has_pieces(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// Counts up whenever something can be picked that could not be before.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// Something else about what may be picked has changed.
    pub(crate) fn has_changed(&mut self) {
        self.generation += 1;
    }

    /// Pieces under way, rising.
    pub(crate) fn under_way(&self) -> impl Iterator<Item = (PieceIndex, &PieceDownload)> {
        self.pieces.iter().map(|(piece, download)| (*piece, download))
    }

    /// The next block to ask `asked` for, booked as asked for; the flag says that its piece was begun
    /// with it.
    pub(crate) fn pick(
        &mut self,
        mut asked: Asked<'_>,
        dice: &mut Dice,
        now: Moment,
    ) -> Option<(BlockRef, bool)> {
        if let Some(block) = asked.current.and_then(|piece| self.take(piece, &asked, now)) {
            return Some((block, false));
        }
        *asked.current = None;
        let found = self.suggested_piece(&mut asked).or_else(|| self.open_piece(&asked));
        let piece = match found {
            Some(piece) => piece,
            None if asked.suggests => return None,
            None => self.fresh_piece(asked.has, dice)?,
        };
        let begun = self.begin(piece);
        let block = self.take(piece, &asked, now)?;
        *asked.current = Some(piece);
        Some((block, begun))
    }

    /// A block that others were asked for before `before`, to be asked of `peer` too.
    pub(crate) fn pick_duplicate(
        &mut self,
        peer: PeerKey,
        has: &Bitfield,
        before: Moment,
        now: Moment,
    ) -> Option<BlockRef> {
        let (piece, index) = self
            .pieces
            .iter()
            .filter(|(piece, download)| {
                has.get(**piece) && download.only_from.is_none_or(|only| only == peer)
            })
            .find_map(|(piece, download)| {
                download.overdue(peer, before, now - LOST, MOST_DUPLICATES).map(|index| (*piece, index))
            })?;
        self.update(piece, |download| download.request(index, peer, now));
        Some(BlockRef { piece, index })
    }

    /// Half of the blocks of one piece that another peer leaves waiting since `before`, at most `most`,
    /// now booked as asked of `peer`; and that other peer.
    pub(crate) fn steal(
        &mut self,
        peer: PeerKey,
        has: &Bitfield,
        most: usize,
        before: Moment,
        long_before: Moment,
        now: Moment,
    ) -> Option<(PeerKey, Vec<BlockRef>)> {
        let (piece, holder, count) = self
            .pieces
            .iter()
            .filter(|(piece, download)| has.get(**piece) && download.only_from.is_none())
            .filter_map(|(piece, download)| {
                download.slowest(peer, before, long_before).map(|(holder, count)| (*piece, holder, count))
            })
            .max_by_key(|(_, _, count)| *count)?;
        let most = most.min(count.div_ceil(2));
        let stolen = self.update(piece, |download| download.steal(peer, holder, most, before, now))?;
        Some((holder, stolen.into_iter().map(|index| BlockRef { piece, index }).collect()))
    }

    fn take(&mut self, piece: PieceIndex, asked: &Asked<'_>, now: Moment) -> Option<BlockRef> {
        if !asked.has.get(piece) || !self.is_open_to(piece, asked.peer) {
            return None;
        }
        let index = self.update(piece, |download| download.request_free(asked.peer, now))??;
        Some(BlockRef { piece, index })
    }

    fn is_open_to(&self, piece: PieceIndex, peer: PeerKey) -> bool {
        self.open.get(&piece).is_some_and(|open| open.is_to(peer))
    }

    fn suggested_piece(&self, asked: &mut Asked<'_>) -> Option<PieceIndex> {
        while let Some(piece) = asked.suggested.pop_front() {
            if self.has_work(piece, asked.peer) && asked.has.get(piece) {
                return Some(piece);
            }
        }
        None
    }

    fn open_piece(&self, asked: &Asked<'_>) -> Option<PieceIndex> {
        self.open
            .iter()
            .filter(|(piece, open)| asked.has.get(**piece) && open.is_to(asked.peer))
            .take(OPEN_STEPS)
            .min_by_key(|(_, open)| open.free)
            .map(|(piece, _)| *piece)
    }

    fn fresh_piece(&self, has: &Bitfield, dice: &mut Dice) -> Option<PieceIndex> {
        let done = self.content.layout.pieces() - self.wanted;
        if done < RANDOM_PIECES {
            self.availability.any(has, dice)
        } else {
            self.availability.rarest_of(has, dice)
        }
    }

    fn begin(&mut self, piece: PieceIndex) -> bool {
        let begun = self.availability.remove_candidate(piece);
        if begun {
            let download = PieceDownload::new(self.content.layout.blocks(piece));
            self.open.insert(piece, Open::of(&download));
            self.pieces.insert(piece, download);
        }
        begun
    }

    /// Panics (in tests) when the books contradict each other.
    pub(crate) fn check_invariants(&self) {
        self.availability.check_invariants();
        let candidates = u32::try_from(self.availability.candidates()).unwrap_or(u32::MAX);
        let under_way = u32::try_from(self.pieces.len()).unwrap_or(u32::MAX);
        assert_eq!(candidates + under_way, self.wanted);
        for (piece, download) in &self.pieces {
            download.check_invariants();
            assert!(!self.availability.is_candidate(*piece));
            let open = (download.free() > 0 && !download.judging).then(|| Open::of(download));
            assert_eq!(self.open.get(piece).copied(), open);
            assert!(!download.is_proven() || download.stage(0) == Some(Stage::Written));
        }
    }
}
