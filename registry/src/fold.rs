//! Text as it is compared: for searching, and for telling nicks apart.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Text for searching: without case and without accents. `Película` becomes `pelicula`.
pub fn search_key(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.nfkd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// A nick as it is told apart: without case, composed, and with letters of other alphabets that
/// look like Latin ones taken for these, so that nobody can be taken for somebody else.
pub(crate) fn nick_key(nick: &str) -> String {
    if nick.is_ascii() {
        // Nothing to compose, and asked for with each message.
        let key = nick.bytes().map(|byte| byte_looks_like(byte.to_ascii_lowercase()));
        return String::from_utf8(key.collect()).unwrap_or_default();
    }
    let lower: String = nick.nfkc().flat_map(char::to_lowercase).collect();
    lower.nfkc().map(looks_like).collect()
}

/// Letters and what is taken for them: Cyrillic, Greek, and Latin ones of another shape. Those of ASCII stand in
/// [`byte_looks_like`].
const LOOK_ALIKES: [(char, &str); 18] = [
    ('a', "аα"),
    ('b', "вβ"),
    ('c', "с"),
    ('d', "ԁ"),
    ('e', "еёε"),
    ('h', "нһ"),
    ('i', "іїӏιı"),
    ('j', "ј"),
    ('k', "кκ"),
    ('m', "м"),
    ('n', "η"),
    ('o', "оο"),
    ('p', "рρ"),
    ('q', "ԛ"),
    ('s', "ѕ"),
    ('t', "тτ"),
    ('x', "хχ"),
    ('y', "у"),
];

/// A byte of ASCII stays one.
fn byte_looks_like(byte: u8) -> u8 {
    match byte {
        b'l' | b'1' | b'|' => b'i',
        b'0' => b'o',
        other => other,
    }
}

fn looks_like(c: char) -> char {
    if let Some(byte) = u8::try_from(c).ok().filter(u8::is_ascii) {
        return char::from(byte_looks_like(byte));
    }
    LOOK_ALIKES.iter().find(|(_, others)| others.contains(c)).map_or(c, |(letter, _)| *letter)
}

/// How near two texts are, from 0 to 1: few slips of the finger, or the same beginning.
fn nearness(a: &str, b: &str) -> f64 {
    let letters = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    let (a_letters, b_letters) = (letters(a), letters(b));
    let typed = |slips: u32| 1.0 - f64::from(slips) / (f64::from(a_letters.max(b_letters)) + 1.0);
    let beginning = strsim::jaro_winkler(a, b) - 0.1;
    // Each letter that one has more is a slip: of texts so unequal in length the others need not be counted.
    if typed(a_letters.abs_diff(b_letters)) < NEAR {
        return beginning;
    }
    typed(u32::try_from(strsim::osa_distance(a, b)).unwrap_or(u32::MAX)).max(beginning)
}

/// From this nearness on a name is worth a "did you mean".
const NEAR: f64 = 0.7;

/// The `count` nearest of `names` to what was asked, best first.
#[expect(single_use_lifetimes, reason = "an anonymous one is not stable inside impl Trait")]
pub fn nearest<'a>(asked: &str, names: impl Iterator<Item = &'a str>, count: usize) -> Vec<String> {
    let asked = search_key(asked);
    let mut scored: Vec<(f64, &str)> = names
        .map(|name| (nearness(&asked, &search_key(name)), name))
        .filter(|(score, _)| *score >= NEAR)
        .collect();
    scored.sort_by(|(a, x), (b, y)| b.total_cmp(a).then_with(|| x.cmp(y)));
    scored.dedup_by(|(_, a), (_, b)| a == b);
    scored.into_iter().take(count).map(|(_, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_and_case_do_not_matter_when_searching() {
        assert_eq!(search_key("PELÍCULA Ñandú.mkv"), "pelicula nandu.mkv");
        assert_eq!(search_key("pelı\u{301}cula"), search_key("pelıcula"));
        assert_eq!(search_key("ﬁn"), "fin");
    }

    #[test]
    fn nicks_that_look_alike_are_one() {
        for (a, b) in
            [("Ana", "ana"), ("аna", "ana"), ("José", "jose\u{301}"), ("B0B", "bob"), ("lisa", "Iisa")]
        {
            assert_eq!(nick_key(a), nick_key(b), "{a} {b}");
        }
        for (a, b) in [("ana", "ana2"), ("José", "jose"), ("bob", "rob")] {
            assert_ne!(nick_key(a), nick_key(b), "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_come_first() {
        let names = ["bob", "bobby", "carla", "eva"];
        assert_eq!(nearest("bbo", names.into_iter(), 2), ["bob"]);
        assert_eq!(nearest("Bobbi", names.into_iter(), 2), ["bobby", "bob"]);
        assert!(nearest("zzzz", names.into_iter(), 2).is_empty());
    }
}
