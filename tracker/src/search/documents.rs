//! The entries that are searched, in memory: the folded names and paths of each, with what results are
//! filtered and ranked by. The terms say which of them have a word; here is what a text really says.

use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;

use registry::Listing;
use roaring::RoaringBitmap;
use shared::InfoHash;
use shared::control::Kind;
use shared::metainfo::Info;

use super::index;
use super::question::{Question, Word, fold, terms};

/// Paths of one entry that are searched.
const MAX_PATHS: usize = 5_000;
/// Bytes of these, as they are shown and as they are compared.
const MAX_PATH_BYTES: usize = 256 * 1024;
/// Letters of a name by which equals are put in order, in bytes.
const FIRST: usize = 11;
/// Bytes of text that are looked at without asking another thread.
pub(super) const LITTLE: usize = 256 * 1024;
/// Changes that are remembered, to tell whether an older result still holds.
const MAX_RECENT: usize = 64;

/// How well an entry fits; less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// Its name is what was asked.
    Exact,
    /// Its name begins so.
    Start,
    /// Its names have all words, each whole.
    Whole,
    /// Its names have all words.
    Part,
    /// A path has those words that its name has not, each whole.
    PathWhole,
    /// A path has those words that its name has not.
    PathPart,
}

/// One entry.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) key: InfoHash,
    /// Folded, one on each line.
    names: Box<str>,
    /// Folded, one on each line, in the order of the files.
    paths: Box<str>,
    /// The same as they are shown.
    shown: Box<str>,
    kind: Kind,
    size: u64,
}

/// What decides among entries that fit equally well. These lie side by side, as a question may look at
/// those of many thousand entries.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    sources: u32,
    /// The first letters of its first name.
    first: [u8; FIRST],
    has_more_names: bool,
}

impl Place {
    fn new(names: &str, sources: usize) -> Self {
        let mut first = [0; FIRST];
        let letters = names.lines().next().unwrap_or_default().bytes();
        first.iter_mut().zip(letters).for_each(|(to, letter)| *to = letter);
        let sources = u32::try_from(sources).unwrap_or(u32::MAX);
        Self { sources, first, has_more_names: names.contains('\n') }
    }

    /// Whether a name may begin with what was asked: that it does not is told without looking at it.
    fn may_begin(&self, question: &Question) -> bool {
        self.has_more_names || self.first.iter().zip(question.query.bytes()).all(|(has, asked)| *has == asked)
    }
}

impl Document {
    /// What is searched of an entry.
    pub(super) fn new(listing: &Listing) -> Self {
        let (mut paths, mut shown) = (String::new(), String::new());
        let info = listing.info.as_deref().and_then(|info| Info::parse(info).ok());
        if let Some(info) = info.filter(|info| !info.is_single_file()) {
            for file in info.files().take(MAX_PATHS) {
                let path = file.path.to_string();
                // One letter may be many once it is folded.
                let folded = fold(&path);
                if (shown.len() + path.len()).max(paths.len() + folded.len()) > MAX_PATH_BYTES {
                    break;
                }
                for (to, line) in [(&mut paths, folded), (&mut shown, path.replace(char::is_control, " "))] {
                    to.push_str(&line);
                    to.push('\n');
                }
            }
        }
        let names: Vec<String> = listing.names.iter().map(|name| fold(name)).collect();
        Self {
            key: listing.key,
            names: names.join("\n").into_boxed_str(),
            paths: paths.into_boxed_str(),
            shown: shown.into_boxed_str(),
            kind: listing.kind,
            size: listing.size,
        }
    }

    /// Its terms, each with whether it is one of a path; some more than once.
    pub(super) fn terms(&self) -> impl Iterator<Item = (&str, bool)> {
        let names = terms(&self.names).map(|term| (term, false));
        names.chain(terms(&self.paths).map(|term| (term, true)))
    }

    /// Bytes of the texts that words are looked for in.
    pub(super) fn length(&self) -> usize {
        self.names.len() + self.paths.len()
    }

    /// The folded name that is shown.
    pub(super) fn name(&self) -> &str {
        self.names.lines().next().unwrap_or_default()
    }

    /// Whether it is of the kind and size that is asked for.
    pub(super) fn is_wanted(&self, question: &Question) -> bool {
        (question.min..=question.max).contains(&self.size)
            && question.kind.is_none_or(|kind| kind == self.kind)
    }

    /// Whether it fits.
    pub(super) fn fits(&self, question: &Question) -> bool {
        let has = |word: &Word| word.is_in(&self.names) || word.is_in(&self.paths);
        self.is_wanted(question) && question.words.iter().all(has)
    }

    /// Where a word is: in the names, whole there, in the paths, whole there.
    pub(super) fn places(&self, word: &Word) -> [bool; 4] {
        let [names, paths] = [&self.names, &self.paths];
        [word.is_in(names), word.stands_in(names), word.is_in(paths), word.stands_in(paths)]
    }

    /// How well a name is begun by what was asked, if one is.
    fn begins(&self, question: &Question) -> Option<Fit> {
        let fit = |name: &str| {
            let rest = name.strip_prefix(question.query.as_str())?;
            Some(if rest.is_empty() { Fit::Exact } else { Fit::Start })
        };
        self.names.lines().filter_map(fit).min()
    }

    /// The path that has most of the words that the names have not, as it is shown.
    pub(super) fn path(&self, question: &Question) -> Option<&str> {
        let missing: Vec<&Word> = question.words.iter().filter(|word| !word.is_in(&self.names)).collect();
        let has = |line: &str| {
            let whole = missing.iter().filter(|word| word.stands_in(line)).count();
            let part = missing.iter().filter(|word| word.is_in(line)).count();
            (part, whole)
        };
        let best = self.paths.lines().enumerate().map(|(number, line)| (has(line), Reverse(number)));
        let (_, line) = best.max().filter(|((part, _), _)| *part > 0)?;
        self.shown.lines().nth(line.0)
    }
}

/// What results are put in order by: better fits first, then what more people have; the row at last.
pub(super) type Rank = (Fit, Reverse<u32>, [u8; FIRST], u32);

/// All entries, each in a row of its own.
#[derive(Debug, Default)]
pub(super) struct Documents {
    rows: Vec<Option<Document>>,
    /// Beside the rows.
    places: Vec<Place>,
    /// Rows that are taken.
    pub(super) taken: RoaringBitmap,
    free: Vec<u32>,
    by_key: HashMap<InfoHash, u32>,
    /// How often texts changed.
    pub(super) edition: u64,
    /// How often the number of somebody's sources changed.
    pub(super) sourcing: u64,
    /// What changed last, with the edition that it made.
    recent: std::collections::VecDeque<(u64, InfoHash)>,
}

impl Documents {
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn get(&self, row: u32) -> Option<&Document> {
        self.rows.get(index(row))?.as_ref()
    }

    pub(super) fn row(&self, key: InfoHash) -> Option<u32> {
        self.by_key.get(&key).copied()
    }

    /// Takes an entry in that is not there yet; its row.
    pub(super) fn add(&mut self, document: Document, sources: usize) -> u32 {
        let row = self.free.pop().unwrap_or_else(|| {
            self.rows.push(None);
            self.places.push(Place::default());
            u32::try_from(self.rows.len() - 1).unwrap_or(u32::MAX)
        });
        self.by_key.insert(document.key, row);
        self.taken.insert(row);
        self.changed(document.key);
        let place = Place::new(&document.names, sources);
        if let (Some(free), Some(at)) = (self.rows.get_mut(index(row)), self.places.get_mut(index(row))) {
            (*free, *at) = (Some(document), place);
        }
        row
    }

    /// Takes an entry out; the row that it had.
    pub(super) fn remove(&mut self, key: InfoHash) -> Option<(u32, Document)> {
        let row = self.by_key.remove(&key)?;
        self.free.push(row);
        self.taken.remove(row);
        self.changed(key);
        Some((row, self.rows.get_mut(index(row))?.take()?))
    }

    pub(super) fn set_sources(&mut self, key: InfoHash, sources: usize) {
        let sources = u32::try_from(sources).unwrap_or(u32::MAX);
        let place = self.row(key).and_then(|row| self.places.get_mut(index(row)));
        if let Some(place) = place.filter(|place| place.sources != sources) {
            place.sources = sources;
            self.sourcing += 1;
        }
    }

    /// The rank of an entry that fits so well at least; a name that begins with the question is better.
    pub(super) fn rank(&self, row: u32, fit: Fit, question: &Question) -> Rank {
        let place = self.places.get(index(row)).copied().unwrap_or_default();
        let fit = if question.words.is_empty() {
            Fit::Start
        } else if fit < Fit::PathWhole && place.may_begin(question) {
            self.get(row).and_then(|document| document.begins(question)).unwrap_or(fit)
        } else {
            fit
        };
        (fit, Reverse(place.sources), place.first, row)
    }

    /// The order of two ranks, by the whole names where these begin alike.
    pub(super) fn compare(&self, one: &Rank, other: &Rank) -> Ordering {
        let name = |rank: &Rank| self.get(rank.3).map(Document::name);
        let ranks = (one.0, one.1, one.2).cmp(&(other.0, other.1, other.2));
        ranks.then_with(|| name(one).cmp(&name(other))).then(one.3.cmp(&other.3))
    }

    fn changed(&mut self, key: InfoHash) {
        self.edition += 1;
        self.recent.push_back((self.edition, key));
        if self.recent.len() > MAX_RECENT {
            self.recent.pop_front();
        }
    }

    /// Whether what was found in an older edition is what would be found now; `had` says of an entry
    /// whether it was found. Not when there is much to look at.
    pub(super) fn holds_since(
        &self,
        edition: u64,
        question: &Question,
        had: impl Fn(InfoHash) -> bool,
    ) -> bool {
        let oldest = self.recent.front().map_or(self.edition, |(first, _)| first - 1);
        let mut left = LITTLE;
        let mut may_fit = |key| {
            let Some(document) = self.row(key).and_then(|row| self.get(row)) else { return false };
            let Some(rest) = left.checked_sub(document.length()) else { return true };
            left = rest;
            document.fits(question)
        };
        let mut since = self.recent.iter().rev().take_while(|(at, _)| *at > edition);
        edition >= oldest && since.all(|(_, key)| !may_fit(*key) && !had(*key))
    }
}

#[cfg(test)]
mod tests {
    use shared::control::Search;

    use super::*;

    fn listing(number: u8, name: &str) -> Listing {
        Listing {
            key: InfoHash([number; 20]),
            names: vec![name.to_owned()],
            kind: Kind::Doc,
            size: 100,
            sources: 1,
            info: None,
        }
    }

    fn document(number: u8, name: &str) -> Document {
        Document::new(&listing(number, name))
    }

    fn question(query: &str) -> Question {
        Question::new(&Search { query: query.to_owned(), ..Search::default() })
    }

    #[test]
    fn what_is_asked_besides_words_leaves_out() {
        let document = document(1, "a");
        for (search, fits) in [
            (Search { min: Some(100), max: Some(100), ..Search::default() }, true),
            (Search { min: Some(101), ..Search::default() }, false),
            (Search { max: Some(99), ..Search::default() }, false),
            (Search { kind: Some(Kind::Doc), ..Search::default() }, true),
            (Search { kind: Some(Kind::Audio), ..Search::default() }, false),
        ] {
            assert_eq!(document.fits(&Question::new(&search)), fits, "{search:?}");
        }
    }

    #[test]
    fn paths_are_bounded_as_they_are_folded() {
        use shared::bencode::{Dict, List};
        // One letter that is many once it is folded.
        let path = "\u{fdfa}".repeat(70);
        let file = |number: usize| {
            let parts = (0..10).fold(List::default(), |parts, _| parts.bytes(format!("{number} {path}")));
            Dict::default().int("length", 1).raw(b"path", parts.encode()).encode()
        };
        let files = (0..50).fold(List::default(), |files, number| files.raw(&file(number)));
        let info = Dict::default()
            .raw(b"files", files.encode())
            .bytes("name", "x")
            .int("piece length", 16_384)
            .bytes("pieces", [7; 20])
            .encode();
        let listing = Listing { info: Some(info), ..listing(1, "x") };
        let document = Document::new(&listing);
        assert!(document.paths.len() <= MAX_PATH_BYTES + 100, "{}", document.paths.len());
        assert!(document.paths.len() > MAX_PATH_BYTES / 2);
    }

    #[test]
    fn an_older_result_holds_while_nothing_new_fits_it() {
        let mut documents = Documents::default();
        documents.add(document(1, "algebra"), 1);
        let edition = documents.edition;
        documents.add(document(2, "fisica"), 1);
        assert!(documents.holds_since(edition, &question("algebra"), |_| false));
        assert!(!documents.holds_since(edition, &question("fisica"), |_| false));
        let edition = documents.edition;
        documents.remove(InfoHash([2; 20]));
        assert!(documents.holds_since(edition, &question("algebra"), |_| false));
        assert!(!documents.holds_since(edition, &question("fisica"), |key| key == InfoHash([2; 20])));
        for _ in 0..MAX_RECENT {
            documents.add(document(3, "quimica"), 1);
            documents.remove(InfoHash([3; 20]));
        }
        assert!(
            !documents.holds_since(edition, &question("algebra"), |_| false),
            "it cannot be told any more"
        );
        assert_eq!(documents.len(), 1);
    }
}
