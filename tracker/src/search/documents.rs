//! The texts that are searched, in memory: the folded names and paths of each entry, with what results
//! are filtered and ranked by. The table of words says which of them to look at; here is the truth.

use std::collections::HashMap;

use registry::Listing;
use shared::InfoHash;
use shared::control::Kind;
use shared::metainfo::Info;

use super::question::{Question, Word, fold};

/// Paths of one entry that are searched.
const MAX_PATHS: usize = 5_000;
/// Bytes of these.
const MAX_PATH_BYTES: usize = 256 * 1024;
/// Changes that are remembered, to tell whether an older result still holds.
const MAX_RECENT: usize = 64;

/// How well an entry fits; less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// Its name is what was asked.
    Exact,
    /// Its name begins so.
    Start,
    /// Its name has all words, each whole.
    Whole,
    /// Its name has all words.
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
    kind: Kind,
    size: u64,
    pub(super) sources: u32,
    /// The first letters of its name, for an order among equals.
    order: [u8; 12],
}

/// A document on its way in, with its paths as they are shown.
pub(super) struct Prepared {
    pub(super) document: Document,
    pub(super) shown: String,
}

impl Document {
    /// What is searched of an entry.
    pub(super) fn prepare(listing: &Listing) -> Prepared {
        let (mut paths, mut shown) = (String::new(), String::new());
        let info = listing.info.as_deref().and_then(|info| Info::parse(info).ok());
        if let Some(info) = info.filter(|info| !info.is_single_file()) {
            for file in info.files().take(MAX_PATHS) {
                let path = file.path.to_string();
                if shown.len() + path.len() > MAX_PATH_BYTES {
                    break;
                }
                for (to, line) in
                    [(&mut paths, fold(&path)), (&mut shown, path.replace(char::is_control, " "))]
                {
                    to.push_str(&line);
                    to.push('\n');
                }
            }
        }
        let names: Vec<String> = listing.names.iter().map(|name| fold(name)).collect();
        let mut order = [0; 12];
        let first = names.first().map(String::as_bytes).unwrap_or_default();
        order.iter_mut().zip(first).for_each(|(to, byte)| *to = *byte);
        let document = Self {
            key: listing.key,
            names: names.join("\n").into_boxed_str(),
            paths: paths.into_boxed_str(),
            kind: listing.kind,
            size: listing.size,
            sources: u32::try_from(listing.sources).unwrap_or(u32::MAX),
            order,
        };
        Prepared { document, shown }
    }

    /// All that is searched.
    pub(super) fn text(&self) -> String {
        format!("{}\n{}", self.names, self.paths)
    }

    /// The folded name that is shown.
    pub(super) fn name(&self) -> &str {
        self.names.lines().next().unwrap_or_default()
    }

    /// Whether it fits, and how well.
    pub(super) fn fit(&self, question: &Question) -> Option<Fit> {
        if self.size < question.min
            || self.size > question.max
            || question.kind.is_some_and(|kind| kind != self.kind)
        {
            return None;
        }
        let in_name = |word: &Word| word.is_in(&self.names);
        if question.words.iter().all(in_name) {
            return Some(self.fit_of_names(question));
        }
        let mut missing = question.words.iter().filter(|word| !in_name(word));
        if self.paths.is_empty() || !missing.clone().all(|word| word.is_in(&self.paths)) {
            return None;
        }
        let whole = missing.all(|word| word.stands_in(&self.paths));
        Some(if whole { Fit::PathWhole } else { Fit::PathPart })
    }

    /// How well the names have words that they all have.
    fn fit_of_names(&self, question: &Question) -> Fit {
        let fit = |name: &str| {
            if name == question.query {
                Fit::Exact
            } else if name.starts_with(&question.query) {
                Fit::Start
            } else if question.words.iter().all(|word| word.stands_in(name)) {
                Fit::Whole
            } else {
                Fit::Part
            }
        };
        self.names.lines().map(fit).min().unwrap_or(Fit::Part)
    }

    /// The line of the path that has most of the words that the names have not.
    pub(super) fn line(&self, question: &Question) -> Option<usize> {
        let missing: Vec<&Word> = question.words.iter().filter(|word| !word.is_in(&self.names)).collect();
        let has = |line: &str| {
            let whole = missing.iter().filter(|word| word.stands_in(line)).count();
            let part = missing.iter().filter(|word| word.is_in(line)).count();
            (part, whole)
        };
        let best =
            self.paths.lines().enumerate().map(|(number, line)| (has(line), std::cmp::Reverse(number)));
        best.max().filter(|((part, _), _)| *part > 0).map(|(_, number)| number.0)
    }

    /// Its place among results: better fits first, then what more people have.
    pub(super) fn rank(&self, fit: Fit) -> Rank {
        (fit, std::cmp::Reverse(self.sources), self.order)
    }
}

/// What results are put in order by.
pub(super) type Rank = (Fit, std::cmp::Reverse<u32>, [u8; 12]);

/// All entries, each in a row of its own.
#[derive(Debug, Default)]
pub(super) struct Documents {
    rows: Vec<Option<Document>>,
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
        self.rows.get(usize::try_from(row).ok()?)?.as_ref()
    }

    pub(super) fn row(&self, key: InfoHash) -> Option<u32> {
        self.by_key.get(&key).copied()
    }

    /// Every row that is taken.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Document)> {
        (0_u32..).zip(&self.rows).filter_map(|(row, document)| Some((row, document.as_ref()?)))
    }

    /// A row for an entry: the one that it has, or a free one.
    pub(super) fn assign(&mut self, key: InfoHash) -> u32 {
        if let Some(row) = self.row(key) {
            return row;
        }
        let row = self.free.pop().unwrap_or_else(|| {
            self.rows.push(None);
            u32::try_from(self.rows.len() - 1).unwrap_or(u32::MAX)
        });
        self.by_key.insert(key, row);
        row
    }

    pub(super) fn put(&mut self, row: u32, document: Document) {
        self.changed(document.key);
        if let Some(place) = usize::try_from(row).ok().and_then(|row| self.rows.get_mut(row)) {
            *place = Some(document);
        }
    }

    pub(super) fn remove(&mut self, key: InfoHash) -> Option<Document> {
        let row = self.by_key.remove(&key)?;
        self.free.push(row);
        self.changed(key);
        self.rows.get_mut(usize::try_from(row).ok()?)?.take()
    }

    pub(super) fn set_sources(&mut self, key: InfoHash, sources: usize) {
        let sources = u32::try_from(sources).unwrap_or(u32::MAX);
        let row = self.row(key).and_then(|row| usize::try_from(row).ok());
        let document = row.and_then(|row| self.rows.get_mut(row)).and_then(Option::as_mut);
        if let Some(document) = document.filter(|document| document.sources != sources) {
            document.sources = sources;
            self.sourcing += 1;
        }
    }

    fn changed(&mut self, key: InfoHash) {
        self.edition += 1;
        self.recent.push_back((self.edition, key));
        if self.recent.len() > MAX_RECENT {
            self.recent.pop_front();
        }
    }

    /// Whether what was found in an older edition is what would be found now; `had` says of an entry
    /// whether it was found.
    pub(super) fn holds_since(
        &self,
        edition: u64,
        question: &Question,
        had: impl Fn(InfoHash) -> bool,
    ) -> bool {
        let oldest = self.recent.front().map_or(self.edition, |(first, _)| first - 1);
        let fits = |key| {
            let document = self.row(key).and_then(|row| self.get(row));
            document.is_some_and(|document| document.fit(question).is_some())
        };
        let mut since = self.recent.iter().rev().take_while(|(at, _)| *at > edition);
        edition >= oldest && since.all(|(_, key)| !fits(*key) && !had(*key))
    }
}

#[cfg(test)]
mod tests {
    use shared::control::Search;

    use super::*;

    fn document(names: &[&str], paths: &[&str]) -> Document {
        let listing = Listing {
            key: InfoHash([1; 20]),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            kind: Kind::Doc,
            size: 100,
            sources: 1,
            info: None,
        };
        let mut document = Document::prepare(&listing).document;
        document.paths = paths.iter().map(|path| fold(path) + "\n").collect::<String>().into_boxed_str();
        document
    }

    fn question(query: &str) -> Question {
        Question::new(&Search { query: query.to_owned(), ..Search::default() })
    }

    #[test]
    fn a_name_is_better_than_a_path_and_a_whole_word_than_a_part() {
        let document =
            document(&["Álgebra para el exámen", "algebra"], &["1/matrices.pdf", "2/Sistemas de Cramer.pdf"]);
        for (query, fit, line) in [
            ("ALGEBRA para el examen", Some(Fit::Exact), None),
            ("algebra", Some(Fit::Exact), None),
            ("álgebra par", Some(Fit::Start), None),
            ("examen algebra", Some(Fit::Whole), None),
            ("exam algebra", Some(Fit::Part), None),
            ("cramer algebra", Some(Fit::PathWhole), Some(1)),
            ("tema", Some(Fit::PathPart), Some(1)),
            ("matrices sistemas cramer", Some(Fit::PathWhole), Some(1)),
            ("física", None, None),
            ("", Some(Fit::Start), None),
        ] {
            let question = question(query);
            assert_eq!((document.fit(&question), document.line(&question)), (fit, line), "{query}");
        }
    }

    #[test]
    fn what_is_asked_besides_words_leaves_out() {
        let document = document(&["a"], &[]);
        for (search, fits) in [
            (Search { min: Some(100), max: Some(100), ..Search::default() }, true),
            (Search { min: Some(101), ..Search::default() }, false),
            (Search { max: Some(99), ..Search::default() }, false),
            (Search { kind: Some(Kind::Doc), ..Search::default() }, true),
            (Search { kind: Some(Kind::Audio), ..Search::default() }, false),
        ] {
            assert_eq!(document.fit(&Question::new(&search)).is_some(), fits, "{search:?}");
        }
    }

    #[test]
    fn an_older_result_holds_while_nothing_new_fits_it() {
        let mut documents = Documents::default();
        let row = documents.assign(InfoHash([1; 20]));
        documents.put(row, document(&["algebra"], &[]));
        let edition = documents.edition;
        let row = documents.assign(InfoHash([2; 20]));
        documents.put(row, Document { key: InfoHash([2; 20]), ..document(&["fisica"], &[]) });
        assert!(documents.holds_since(edition, &question("algebra"), |_| false));
        assert!(!documents.holds_since(edition, &question("fisica"), |_| false));
        let edition = documents.edition;
        documents.remove(InfoHash([2; 20]));
        assert!(documents.holds_since(edition, &question("algebra"), |_| false));
        assert!(!documents.holds_since(edition, &question("fisica"), |key| key == InfoHash([2; 20])));
        for _ in 0..MAX_RECENT {
            documents.put(row, document(&["quimica"], &[]));
        }
        assert!(
            !documents.holds_since(edition, &question("algebra"), |_| false),
            "it cannot be told any more"
        );
        assert_eq!(documents.len(), 1);
    }
}
