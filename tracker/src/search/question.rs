//! What is looked for, folded: words, and how well a text has them.
//!
//! Whatever stands in a query is a letter of a word or ends one: nothing in it is an operator.

use std::fmt;

use memchr::memmem::Finder;
use registry::search_key;
use shared::control::{Kind, Search};

/// Words of one query; those after them are not looked for.
const MAX_WORDS: usize = 64;

/// Words of one or two letters of one query: for each all terms are looked through.
const MAX_SHORT: usize = 4;

/// Words of a question that is answered at once.
const MAX_QUICK: usize = 8;

/// Text as it is compared: without case and accents, on one line.
pub(super) fn fold(text: &str) -> String {
    let mut folded = search_key(text);
    if folded.contains(char::is_control) {
        folded = folded.replace(char::is_control, " ");
    }
    folded
}

/// The terms of a folded text: its runs of letters and digits.
pub(super) fn terms(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|term| !term.is_empty())
}

/// A word with what finds it quickly.
#[derive(Clone)]
pub(super) struct Word {
    pub(super) text: String,
    finder: Finder<'static>,
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl Word {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), finder: Finder::new(text).into_owned() }
    }

    /// Whether it is nothing but letters and digits, so that it can only be a part of one term.
    pub(super) fn is_plain(&self) -> bool {
        self.text.chars().all(char::is_alphanumeric)
    }

    /// Whether terms say quickly where it is.
    pub(super) fn is_quick(&self) -> bool {
        self.is_plain() && self.text.chars().nth(2).is_some()
    }

    /// Whether a text has it anywhere.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.finder.find(text.as_bytes()).is_some()
    }

    /// Whether a text has it with no letter or digit before and after it.
    pub(super) fn stands_in(&self, text: &str) -> bool {
        self.finder.find_iter(text.as_bytes()).any(|at| {
            let before = text.get(..at).and_then(|before| before.chars().next_back());
            let after = text.get(at + self.text.len()..).and_then(|after| after.chars().next());
            !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
        })
    }
}

/// What is looked for.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// The words with one space between them.
    pub(super) query: String,
    pub(super) words: Vec<Word>,
    pub(super) kind: Option<Kind>,
    pub(super) min: u64,
    pub(super) max: u64,
    pub(super) by: Option<String>,
}

/// What two equal questions have in common.
pub(super) type Asked = (String, Option<Kind>, u64, u64, Option<String>);

impl Question {
    pub(super) fn new(search: &Search) -> Self {
        let folded = fold(&search.query);
        let mut seen = std::collections::BTreeSet::new();
        let mut short = 0;
        let mut is_looked_for = |word: &&str| {
            short += usize::from(word.chars().nth(2).is_none());
            word.chars().nth(2).is_some() || short <= MAX_SHORT
        };
        let words = folded.split_whitespace().filter(|word| seen.insert(*word) && is_looked_for(word));
        let words = words.take(MAX_WORDS);
        Self {
            query: folded.split_whitespace().collect::<Vec<_>>().join(" "),
            words: words.map(Word::new).collect(),
            kind: search.kind,
            min: search.min.unwrap_or(0),
            max: search.max.unwrap_or(u64::MAX),
            by: search.by.clone(),
        }
    }

    /// The same question with other words.
    pub(super) fn with_words(&self, words: &[String]) -> Self {
        let (query, words) = (words.join(" "), words.iter().map(|word| Word::new(word)).collect());
        Self { query, words, ..self.clone() }
    }

    /// Whether things of every kind and size are wanted.
    pub(super) fn is_for_all(&self) -> bool {
        self.kind.is_none() && self.min == 0 && self.max == u64::MAX
    }

    /// Whether what fits is found sooner than it is handed to another thread: no text has to be looked at for
    /// that, and no list of all terms.
    pub(super) fn is_quick(&self) -> bool {
        (1..=MAX_QUICK).contains(&self.words.len()) && self.words.iter().all(Word::is_quick)
    }

    pub(super) fn asked(&self) -> Asked {
        (self.query.clone(), self.kind, self.min, self.max, self.by.clone())
    }
}

/// Each three letters in a row.
pub(super) fn trigrams(text: &str) -> impl Iterator<Item = &str> {
    let ends = text.char_indices().map(|(at, letter)| at + letter.len_utf8());
    text.char_indices().zip(ends.skip(2)).filter_map(|((begin, _), end)| text.get(begin..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(query: &str) -> Vec<String> {
        let question = Question::new(&Search { query: query.to_owned(), ..Search::default() });
        question.words.into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn whatever_is_asked_is_words() {
        assert_eq!(words("  Película\t2024 \u{0}x pelicula"), ["pelicula", "2024", "x"]);
        assert_eq!(words("\"a\" OR NEAR(b*) ^c -d"), ["\"a\"", "or", "near(b*)", "^c", "-d"]);
        assert!(words(" \n\u{0} ").is_empty());
        let many = (0..100).map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ");
        assert_eq!(words(&many).len(), MAX_WORDS);
        assert_eq!(words("a b tema c d e f otro"), ["a", "b", "tema", "c", "d", "otro"]);
    }

    #[test]
    fn a_word_stands_alone_or_is_a_part() {
        let word = Word::new("tema");
        for (text, whole, part) in [
            ("tema 3", true, true),
            ("un-tema.pdf", true, true),
            ("sistema", false, true),
            ("tem a", false, false),
        ] {
            assert_eq!((word.stands_in(text), word.is_in(text)), (whole, part), "{text}");
        }
        assert!(Word::new("ñu").stands_in("el ñu"));
        assert!(!Word::new("ñu").stands_in("ñuñu"));
    }

    #[test]
    fn trigrams_are_of_letters_not_of_bytes() {
        assert_eq!(trigrams("日本語x").collect::<Vec<_>>(), ["日本語", "本語x"]);
        assert_eq!(trigrams("ab").count(), 0);
    }

    #[test]
    fn terms_are_runs_of_letters_and_digits() {
        assert_eq!(
            terms("un-tema (3).pdf\n日本語").collect::<Vec<_>>(),
            ["un", "tema", "3", "pdf", "日本語"]
        );
        assert_eq!(terms(" -\n").count(), 0);
        for (word, plain, quick) in [("tema", true, true), ("ñu", true, false), ("un-tema", false, false)] {
            assert_eq!((Word::new(word).is_plain(), Word::new(word).is_quick()), (plain, quick), "{word}");
        }
    }
}
