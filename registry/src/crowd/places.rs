//! The clients of one torrent that came by one kind of address: a flat list of records without any
//! allocation of their own. Called by the swarms of a crowd.

use shared::PeerId;

use super::index::Index;

/// Lists up to this length are looked through.
const SHORT: usize = 24;

/// The client has everything.
pub(super) const FULL: u8 = 1;
/// It proves itself by a key, and not by its address.
pub(super) const KEYED: u8 = 2;
/// It is in the list of the other kind of address too, and counted there.
pub(super) const TWIN: u8 = 4;
/// From here on: how many announces in a row came too early.
const EARLY: u8 = 8;
/// More are not counted.
const MAX_EARLY: u8 = u8::MAX / EARLY;

/// What tells clients apart: the id, and a key or what stands for the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) id: PeerId,
    pub(super) mark: [u8; 4],
    pub(super) keyed: bool,
}

impl Who {
    /// Spread over all numbers, in a way that nobody outside can foresee.
    pub(super) fn mix(&self, secret: u64) -> u64 {
        let part = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let id = &self.id.0;
        let (first, last) = (part(id.first_chunk()), part(id.last_chunk()));
        let fold = |a: u64, b: u64| {
            let wide = u128::from(a) * u128::from(b);
            u64::try_from(wide & u128::from(u64::MAX)).unwrap_or(0) ^ u64::try_from(wide >> 64).unwrap_or(0)
        };
        let mark = u64::from(u32::from_le_bytes(self.mark)) << 1 | u64::from(self.keyed);
        let middle =
            id.get(8..12).map_or(0, |bytes| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
        let mixed = fold(last ^ secret, first ^ 0x9e37_79b9_7f4a_7c15);
        fold(mixed ^ middle, mark ^ secret.rotate_left(32) ^ 0xd6e8_feb8_6659_fd93)
    }
}

/// One client in one torrent; `W` bytes say where it is: address and port as compact lists have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place<const W: usize> {
    pub(super) id: PeerId,
    pub(super) contact: [u8; W],
    pub(super) mark: [u8; 4],
    /// Seconds since the start at which it was last heard, modulo 65,536.
    pub(super) heard: u16,
    pub(super) flags: u8,
}

impl<const W: usize> Place<W> {
    pub(super) fn who(&self) -> Who {
        Who { id: self.id, mark: self.mark, keyed: self.has(KEYED) }
    }

    /// Whether it has that id. The end is looked at first: the beginning is its program's.
    #[inline]
    pub(super) fn says(&self, id: PeerId) -> bool {
        let end = |id: &PeerId| id.0.last_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
        end(&self.id) == end(&id) && self.id == id
    }

    #[inline]
    fn is(&self, who: &Who) -> bool {
        self.mark == who.mark && self.says(who.id) && self.has(KEYED) == who.keyed
    }

    #[inline]
    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub(super) fn set(&mut self, flag: u8, on: bool) {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
    }

    /// Counts an announce that came before its time, or one that did not.
    pub(super) fn hurry(&mut self, early: bool, counts: bool) -> u8 {
        let before = self.flags / EARLY;
        let count = if early { (before + u8::from(counts)).min(MAX_EARLY) } else { 0 };
        self.flags = self.flags % EARLY + count * EARLY;
        count
    }

    /// Seconds since it was heard.
    pub(super) fn age(&self, now: u16) -> u16 {
        now.wrapping_sub(self.heard)
    }

    /// Whether a connection to it can mean anything: its port is none otherwise.
    #[inline]
    pub(super) fn is_dialable(&self) -> bool {
        self.contact.get(W - 2..) != Some(&[0, 0])
    }
}

/// Clients of one torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places<const W: usize> {
    list: Vec<Place<W>>,
    index: Index,
}

impl<const W: usize> Default for Places<W> {
    fn default() -> Self {
        Self { list: Vec::new(), index: Index::default() }
    }
}

impl<const W: usize> Places<W> {
    pub(super) fn list(&self) -> &[Place<W>] {
        &self.list
    }

    fn position(&self, who: &Who, secret: u64) -> Option<usize> {
        if self.index.is_absent() {
            return self.list.iter().position(|place| place.is(who));
        }
        self.index.find(who.mix(secret), |at| self.list.get(at).is_some_and(|place| place.is(who)))
    }

    pub(super) fn get_mut(&mut self, who: &Who, secret: u64) -> Option<&mut Place<W>> {
        self.position(who, secret).and_then(|at| self.list.get_mut(at))
    }

    /// One who is not there yet.
    pub(super) fn insert(&mut self, place: Place<W>, secret: u64) {
        if self.list.len() == self.list.capacity() {
            // Room for an eighth more: doubling would leave a third of all memory unused.
            self.list.reserve_exact((self.list.len() / 8).max(1));
        }
        self.list.push(place);
        self.note_last(secret);
    }

    fn note_last(&mut self, secret: u64) {
        let last = self.list.len() - 1;
        let Self { list, index } = self;
        if index.is_absent() && last < SHORT {
            return;
        }
        let mix = |at: usize| list.get(at).map_or(0, |place| place.who().mix(secret));
        if index.has_room(last) {
            index.insert(mix(last), last);
        } else {
            index.rebuild(last + 1, mix);
        }
    }

    pub(super) fn remove(&mut self, who: &Who, secret: u64) -> Option<Place<W>> {
        let at = self.position(who, secret)?;
        Some(self.remove_at(at, secret))
    }

    fn remove_at(&mut self, at: usize, secret: u64) -> Place<W> {
        let Self { list, index } = self;
        if !index.is_absent() {
            let mix = |at: usize| list.get(at).map_or(0, |place| place.who().mix(secret));
            let last = list.len() - 1;
            index.remove(mix(at), at, mix);
            if at != last {
                index.moved(mix(last), last, at);
            }
        }
        let gone = list.swap_remove(at);
        if list.len() < SHORT / 2 {
            index.drop_all();
        }
        if list.len() * 2 < list.capacity() {
            list.shrink_to(list.len() + list.len() / 8);
        }
        gone
    }

    /// Takes out all for whom `goes` holds.
    pub(super) fn take(&mut self, secret: u64, goes: impl Fn(&Place<W>) -> bool) -> Vec<Place<W>> {
        let mut gone = Vec::new();
        let mut at = 0;
        while let Some(place) = self.list.get(at) {
            if goes(place) {
                gone.push(self.remove_at(at, secret));
            } else {
                at += 1;
            }
        }
        gone
    }

    /// `want` of them, each equally likely, spread over the list by a step that divides nothing of it:
    /// two draws, whatever the number. All of them where there are no more. `dice` are two draws.
    #[inline]
    pub(super) fn sample(&self, want: usize, dice: (usize, usize)) -> impl Iterator<Item = &Place<W>> {
        /// Steps; a list is no multiple of all of them.
        const PRIMES: [usize; 8] =
            [15_485_863, 1_299_709, 104_729, 7_919, 1_000_003, 17_389, 48_611, 224_737];
        let length = self.list.len();
        let step = (0..PRIMES.len()).map(|at| PRIMES[(at + dice.1) % PRIMES.len()]);
        let step = step.into_iter().find(|prime| !length.is_multiple_of(*prime)).unwrap_or(1) % length.max(1);
        let mut at = dice.0 % length.max(1);
        (0..want.min(length)).filter_map(move |_| {
            let place = self.list.get(at);
            at += step;
            if at >= length {
                at -= length;
            }
            place
        })
    }
}
