//! What a person types, taken apart: a line into words, a word into the nearest known one, a size
//! into bytes; and a name back into something that can be typed.
//!
//! Pure. It knows no verbs; the verbs ask it.

use shared::display::fit;

use crate::failure::{Exit, Failure};

/// The longest line that is read, in bytes.
pub const LINE_LIMIT: usize = 64 * 1024;

/// Splits a typed line into words.
///
/// Blanks separate. `"..."` and `'...'` hold blanks; inside `"` a backslash takes the next `"` or
/// backslash as it is, inside `'` nothing is special, outside quotes a backslash takes any
/// character as it is. `""` is an empty word.
///
/// # Errors
/// A line over [`LINE_LIMIT`], a quote that is never closed, a backslash with nothing after it.
pub fn split(line: &str) -> Result<Vec<String>, Failure> {
    if line.len() > LINE_LIMIT {
        return Err(too_long(line.len()));
    }
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<(char, usize)> = None;
    let mut characters = line.chars().zip(1_usize..).peekable();
    while let Some((c, column)) = characters.next() {
        match (quote, c) {
            (Some((open, _)), _) if c == open => quote = None,
            (Some(('"', _)), '\\') => {
                let escaped = characters.next_if(|(next, _)| matches!(next, '"' | '\\'));
                word.get_or_insert_default().push(escaped.map_or('\\', |(next, _)| next));
            }
            (None, '"' | '\'') => {
                quote = Some((c, column));
                word.get_or_insert_default();
            }
            (None, '\\') => match characters.next() {
                Some((next, _)) => word.get_or_insert_default().push(next),
                None => return Err(lone_backslash(column)),
            },
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if let Some((open, column)) = quote {
        return Err(unclosed(open, column));
    }
    words.extend(word);
    Ok(words)
}

/// The refusal of a line of `bytes` bytes, also for readers that stop reading before the end.
pub fn too_long(bytes: usize) -> Failure {
    Failure::new(Exit::Usage, "too_long", format!("Too long ({bytes} bytes, limit {LINE_LIMIT})."))
        .advise("share it as a file")
}

fn unclosed(open: char, column: usize) -> Failure {
    let text = format!("The quote {open} at column {column} is never closed.");
    Failure::new(Exit::Usage, "unclosed_quote", text)
        .advise(format!("close it, or write \\{open} for the sign"))
}

fn lone_backslash(column: usize) -> Failure {
    let text = format!("The backslash at column {column} has nothing after it.");
    Failure::new(Exit::Usage, "lone_backslash", text).advise("\\\\ for a backslash")
}

/// `name` as it has to be typed for [`split`] to give it back whole. Left alone when it can be.
pub fn quote(name: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._-+=:/@#%,~".contains(c);
    if !name.is_empty() && name.chars().all(plain) {
        return name.to_owned();
    }
    quote_always(name)
}

/// `name` in double quotes, whether it needs them or not.
pub fn quote_always(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('"');
    for c in name.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// The candidate that `word` was most probably meant to be; nothing if none is near.
///
/// Case does not matter. A beginning of a candidate (three letters or more) counts as near; else
/// one slip (a letter wrong, missing, too many, or two swapped) is allowed for every three whole letters,
/// and one in shorter words.
/// Of equally near ones the first wins.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer words are not slips of the finger; this also bounds the work.
    const LONGEST: usize = 255;
    let typed = word.to_lowercase();
    let letters = typed.chars().count();
    if letters == 0 || letters > LONGEST {
        return None;
    }
    let allowed = (letters / 3).clamp(1, 4);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let name = candidate.to_lowercase();
        let length = name.chars().count();
        let slips = if letters >= 3 && length > letters && name.starts_with(&typed) {
            1
        } else if length.abs_diff(letters) > allowed {
            continue;
        } else {
            strsim::osa_distance(&typed, &name)
        };
        // Everything replaced is another word, however short.
        let near = slips <= allowed && slips < letters.max(length);
        if near && best.is_none_or(|(fewest, _)| slips < fewest) {
            best = Some((slips, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// A size in bytes as typed: `500K`, `8MB`, `8MiB`, `1.5G`, `4096`; `/s` at the end is allowed.
///
/// Units are decimal; with an `i` binary. Case does not matter.
///
/// # Errors
/// Anything else, and what does not fit 64 bits.
pub fn parse_size(text: &str) -> Result<u64, Failure> {
    size(text.trim()).ok_or_else(|| {
        Failure::new(Exit::Usage, "bad_size", format!("\"{}\" is not a size.", fit(text, 40)))
            .advise("500K, 10M, 4G, 8MiB")
    })
}

fn size(text: &str) -> Option<u64> {
    // More digits than this are no size that a person means, and could overflow below.
    const FRACTION_DIGITS: usize = 9;
    let text = text.to_ascii_lowercase();
    let text = text.strip_suffix("/s").unwrap_or(&text);
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let (base, power) = match unit.strip_suffix('b').unwrap_or(unit) {
        "" => (1, 0),
        prefix => {
            let (base, letter) = prefix.strip_suffix('i').map_or((1000, prefix), |letter| (1024, letter));
            let power = ["k", "m", "g", "t", "p", "e"].iter().position(|known| *known == letter)?;
            (base, u32::try_from(power).ok()? + 1)
        }
    };
    let scale = u128::from(1_u64.checked_mul(u64::pow(base, power))?);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.len() > FRACTION_DIGITS || (number.contains('.') && fraction.is_empty()) {
        return None;
    }
    let whole = u128::from(whole.parse::<u64>().ok()?).checked_mul(scale)?;
    let part = if fraction.is_empty() {
        0
    } else {
        let tenths = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
        u128::from(fraction.parse::<u64>().ok()?) * scale / tenths
    };
    u64::try_from(whole + part).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_apart_into_words() {
        for (line, words) in [
            ("", &[][..]),
            ("   \t ", &[]),
            ("share linux.iso \"Tema 3/\"", &["share", "linux.iso", "Tema 3/"]),
            ("msg bob 'it is \"here\"'", &["msg", "bob", "it is \"here\""]),
            (r#"a\ b "c\"d\\e\n" 'f\g'"#, &["a b", r#"c"d\e\n"#, r"f\g"]),
            ("a\"b c\"d ''", &["ab cd", ""]),
            ("película  日本", &["película", "日本"]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
    }

    #[test]
    fn lines_that_cannot_be_meant_are_refused_with_the_place() {
        let refusal = split("share \"Tema 3").unwrap_err();
        assert_eq!((refusal.exit, refusal.code), (Exit::Usage, "unclosed_quote"));
        assert!(refusal.text.contains("column 7"), "{refusal}");
        assert!(split("ñ 'x").unwrap_err().text.contains("column 3"), "columns are characters, not bytes");
        assert_eq!(split("x\\").unwrap_err().code, "lone_backslash");
        assert!(split(&"x".repeat(LINE_LIMIT)).is_ok());
        assert_eq!(split(&"x".repeat(LINE_LIMIT + 1)).unwrap_err().code, "too_long");
    }

    #[test]
    fn quoting_and_splitting_are_inverse() {
        for name in ["linux.iso", "Tema 3/", "", "it's", "a\"b\\c", "música.mp3", "$HOME; rm", "日本 語"]
        {
            assert_eq!(split(&quote(name)).unwrap(), [name], "{}", quote(name));
        }
        assert_eq!(quote("linux-6.1.iso"), "linux-6.1.iso");
    }

    #[test]
    fn slips_find_their_word_and_other_words_do_not() {
        let verbs = ["share", "shares", "search", "download", "downloads", "status", "who", "get", "quit"];
        for (typed, meant) in [
            ("shrae", Some("share")),
            ("serach", Some("search")),
            ("donwload", Some("download")),
            ("DOWNLOAD", Some("download")),
            ("stat", Some("status")),
            ("wo", Some("who")),
            ("gte", Some("get")),
            ("hola", None),
            ("x", None),
            ("", None),
            ("zzzzzz", None),
        ] {
            assert_eq!(nearest(typed, verbs), meant, "{typed}");
        }
        assert_eq!(nearest("linx.iso", ["linux.iso", "peli.mkv"]), Some("linux.iso"));
        assert_eq!(nearest(&"x".repeat(300), ["xxx"]), None);
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("500K", 500_000),
            ("8MB", 8_000_000),
            ("8MiB", 8 << 20),
            ("8 mib/s", 8 << 20),
            ("10M", 10_000_000),
            ("4G", 4_000_000_000),
            ("1.5k", 1500),
            ("2TiB", 2 << 40),
            ("12B", 12),
        ] {
            assert_eq!(parse_size(text).unwrap(), bytes, "{text}");
        }
        let wrong =
            ["", "10X", "M", "-1", "1.", ".5M", "1..2M", "1e9", "99999999999E", "8MBB", "8ib", "1,5M", "∞"];
        for text in wrong {
            let refusal = parse_size(text).expect_err(text);
            assert_eq!((refusal.exit, refusal.code), (Exit::Usage, "bad_size"));
        }
    }
}
