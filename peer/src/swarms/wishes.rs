//! What the person wants that nobody shares yet, kept on disk: pure, so that each rule has a test.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use engine::config::PRIVATE_FOLDER;
use serde::{Deserialize, Serialize};
use shared::control::{Entry, Kind};
use shared::{InfoHash, InfoHashes};

/// The most wishes at once.
pub const MOST: usize = 50;
/// Bytes of the words of one.
pub const MOST_WORDS: usize = 200;
/// Things that one wish fetches that asks for all.
pub const MOST_THINGS: usize = 100;
/// Bytes that one thing may have when nothing is said: 20 GB.
pub const USUAL_MAX: u64 = 20_000_000_000;
/// Contents that are remembered as fetched, the oldest of which are forgotten first.
const MOST_TAKEN: usize = 5_000;
/// The longest file that is read, in bytes.
const MOST_BYTES: u64 = 1024 * 1024;

/// Something that is to be fetched when it appears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// The words that its name, or a path inside it, must have.
    pub words: String,
    /// The most bytes that it may have.
    pub max: u64,
    /// Only this kind.
    #[serde(default)]
    pub kind: Option<Kind>,
    /// Only from this nick.
    #[serde(default)]
    pub by: Option<String>,
    /// Whether everything that fits is fetched, and not the first thing only.
    #[serde(default)]
    pub all: bool,
    /// Things that it has fetched.
    #[serde(default)]
    pub things: usize,
    /// Since when it is wished: milliseconds since 1970.
    pub since: u64,
}

/// Why a thing that fits is not fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// It is known and nobody has it who is here, or it is here already, or it was fetched before.
    Silent,
    /// It is larger than the wish allows.
    TooLarge,
    /// There is not so much room on the disk.
    NoRoom {
        /// Free bytes.
        free: u64,
    },
}

/// Why a wish is not taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There are [`MOST`] already.
    Full,
    /// The same is wished already.
    Twice,
}

/// All wishes, and what they fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wishes {
    #[serde(rename = "wishes")]
    list: Vec<Wish>,
    #[serde(default)]
    taken: VecDeque<InfoHash>,
    /// Of what it was said that it does not fit; not kept.
    #[serde(skip)]
    told: VecDeque<InfoHash>,
}

impl Wishes {
    fn path(home: &Path) -> PathBuf {
        home.join(PRIVATE_FOLDER).join("wants.json")
    }

    /// The wishes that an earlier run kept; none when there is no file that can be read.
    pub fn load(home: &Path) -> Self {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(Self::path(home));
        if let Err(error) = file.and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes)) {
            tracing::debug!(%error, "nothing was wanted in an earlier run");
        }
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8]) -> Self {
        let Ok(mut wishes) = serde_json::from_slice::<Self>(bytes) else { return Self::default() };
        wishes.list.retain(|wish| !wish.words.trim().is_empty() && wish.words.len() <= MOST_WORDS);
        wishes.list.truncate(MOST);
        wishes.taken.truncate(MOST_TAKEN);
        wishes
    }

    /// Writes them so that at every moment the old or the new ones are there, also after a loss of power.
    pub fn save(&self, home: &Path) -> io::Result<()> {
        let path = Self::path(home);
        let beside = path.with_extension("json.tmp");
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        std::fs::rename(beside, path)
    }

    /// Every wish, the oldest first.
    pub fn list(&self) -> &[Wish] {
        &self.list
    }

    /// One more wish.
    pub fn add(&mut self, wish: Wish) -> Result<(), Refused> {
        if self.list.iter().any(|other| other.words.to_lowercase() == wish.words.to_lowercase()) {
            return Err(Refused::Twice);
        }
        if self.list.len() >= MOST {
            return Err(Refused::Full);
        }
        self.list.push(wish);
        Ok(())
    }

    /// A wish that is none any more: by its words, or by its number from 1 on.
    pub fn remove(&mut self, said: &str) -> Option<Wish> {
        let by_words = self.list.iter().position(|wish| wish.words.to_lowercase() == said.to_lowercase());
        let by_number = || said.trim_start_matches('#').parse::<usize>().ok()?.checked_sub(1);
        let at = by_words.or_else(by_number).filter(|at| *at < self.list.len())?;
        Some(self.list.remove(at))
    }

    /// None any more.
    pub fn clear(&mut self) -> usize {
        std::mem::take(&mut self.list).len()
    }

    /// Whether a thing that has the words is fetched for a wish; `is_here` says that it is here already,
    /// `free` how much room there is.
    pub fn judge(&self, words: &str, entry: &Entry, is_here: bool, free: Option<u64>) -> Result<(), Unfit> {
        let Some(wish) = self.list.iter().find(|wish| wish.words == words) else {
            return Err(Unfit::Silent);
        };
        if entry.sources == 0 || is_here || self.is_taken(&entry.hashes) {
            return Err(Unfit::Silent);
        }
        if entry.size > wish.max {
            return Err(Unfit::TooLarge);
        }
        match free {
            Some(free) if free < entry.size => Err(Unfit::NoRoom { free }),
            _ => Ok(()),
        }
    }

    fn is_taken(&self, hashes: &InfoHashes) -> bool {
        self.taken.iter().any(|taken| hashes.matches(taken))
    }

    /// A thing is fetched for a wish, which is over unless it asks for all; nothing of this content is
    /// fetched for a wish again.
    pub fn take(&mut self, words: &str, hashes: &InfoHashes) {
        if self.taken.len() == MOST_TAKEN {
            self.taken.pop_front();
        }
        self.taken.push_back(hashes.primary());
        if let Some(at) = self.list.iter().position(|wish| wish.words == words)
            && let Some(wish) = self.list.get_mut(at)
        {
            wish.things += 1;
            if !wish.all || wish.things >= MOST_THINGS {
                self.list.remove(at);
            }
        }
    }

    /// A thing could not be fetched after all: its wish is one again.
    pub fn give_back(&mut self, wish: &Wish, hashes: &InfoHashes) {
        self.taken.retain(|taken| !hashes.matches(taken));
        let has_room = self.list.len() < MOST;
        match self.list.iter_mut().find(|other| other.words == wish.words) {
            Some(other) => other.things = other.things.saturating_sub(1),
            None if has_room => self.list.push(wish.clone()),
            None => {}
        }
    }

    /// Whether it is the first time that something is told of this content.
    pub fn is_new(&mut self, hashes: &InfoHashes) -> bool {
        if self.told.iter().any(|told| hashes.matches(told)) {
            return false;
        }
        if self.told.len() == MOST_TAKEN {
            self.told.pop_front();
        }
        self.told.push_back(hashes.primary());
        true
    }
}

#[cfg(test)]
mod tests {
    use shared::control::EntryId;

    use super::*;

    fn wish(words: &str, all: bool) -> Wish {
        Wish { words: words.to_owned(), max: 1_000, kind: None, by: None, all, things: 0, since: 1 }
    }

    fn entry(number: u8, size: u64, sources: u64) -> Entry {
        Entry {
            entry: EntryId(number.to_string()),
            name: "tema 3".to_owned(),
            size,
            files: 1,
            piece_length: 16_384,
            kind: Kind::Doc,
            sources,
            full: sources,
            by: Vec::new(),
            seen: None,
            hashes: InfoHashes::v1(InfoHash([number; 20])),
            comment: None,
            private: false,
        }
    }

    #[test]
    fn only_what_may_be_had_is_fetched() {
        let mut wishes = Wishes::default();
        wishes.add(wish("tema 3", false)).unwrap();
        let good = entry(1, 1_000, 1);
        assert_eq!(wishes.judge("tema 3", &good, false, Some(1_000)), Ok(()));
        assert_eq!(wishes.judge("tema 3", &good, false, None), Ok(()));
        assert_eq!(wishes.judge("tema 3", &good, false, Some(999)), Err(Unfit::NoRoom { free: 999 }));
        assert_eq!(wishes.judge("tema 3", &good, true, None), Err(Unfit::Silent), "it is here");
        assert_eq!(wishes.judge("tema 3", &entry(1, 1_001, 1), false, None), Err(Unfit::TooLarge));
        assert_eq!(
            wishes.judge("tema 3", &entry(1, 1, 0), false, None),
            Err(Unfit::Silent),
            "nobody is here"
        );
        assert_eq!(wishes.judge("tema 4", &good, false, None), Err(Unfit::Silent), "nobody wished it");
    }

    #[test]
    fn the_first_thing_ends_a_wish_and_the_same_content_never_comes_twice() {
        let mut wishes = Wishes::default();
        wishes.add(wish("a", false)).unwrap();
        wishes.add(wish("b", true)).unwrap();
        let (one, two) = (entry(1, 1, 1), entry(2, 1, 1));
        wishes.take("a", &one.hashes);
        assert_eq!(wishes.list().len(), 1);
        assert_eq!(wishes.judge("b", &one, false, None), Err(Unfit::Silent));
        wishes.take("b", &two.hashes);
        assert_eq!(wishes.list()[0].things, 1);
        let ended = wish("a", false);
        wishes.give_back(&ended, &one.hashes);
        assert_eq!(wishes.judge("a", &one, false, None), Ok(()), "it failed, so it is wished again");
        for number in 0..MOST_THINGS {
            wishes.take("b", &entry(u8::try_from(number).unwrap(), 1, 1).hashes);
        }
        assert!(wishes.list().iter().all(|wish| wish.words != "b"), "enough is enough");
    }

    #[test]
    fn wishes_are_bounded_differ_and_survive_a_restart() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(PRIVATE_FOLDER)).unwrap();
        let mut wishes = Wishes::load(home.path());
        assert_eq!(wishes, Wishes::default());
        for number in 0..MOST {
            wishes.add(wish(&format!("w{number}"), false)).unwrap();
        }
        assert_eq!(wishes.add(wish("one more", false)), Err(Refused::Full));
        assert_eq!(wishes.add(wish("W3", false)), Err(Refused::Twice));
        wishes.take("w0", &entry(9, 1, 1).hashes);
        wishes.save(home.path()).unwrap();
        let mut again = Wishes::load(home.path());
        assert_eq!(again, wishes);
        assert_eq!(again.remove("W1").unwrap().words, "w1");
        assert_eq!(again.remove("#1").unwrap().words, "w2");
        assert_eq!((again.remove("0"), again.remove("99"), again.remove("nothing")), (None, None, None));
        assert_eq!(again.clear(), MOST - 3);
    }

    #[test]
    fn a_file_of_nonsense_is_no_wish() {
        for bytes in [&b""[..], b"{", b"[]", br#"{"wishes":[{"words":" ","max":1,"since":1}]}"#] {
            assert_eq!(Wishes::parse(bytes), Wishes::default(), "{bytes:?}");
        }
        let long =
            serde_json::json!({"wishes": [{"words": "x".repeat(MOST_WORDS + 1), "max": 1, "since": 1}]});
        assert!(Wishes::parse(long.to_string().as_bytes()).list().is_empty());
        let of_one = Entry { hashes: InfoHashes::v1(InfoHash([1; 20])), ..entry(1, 1, 1) };
        let mut wishes = Wishes::default();
        assert!(wishes.is_new(&of_one.hashes) && !wishes.is_new(&of_one.hashes));
    }
}
