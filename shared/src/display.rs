//! How text and numbers from outside reach a person's eyes: the one escape function.
//!
//! Names, nicks, messages and programs' names come from strangers. Before any of it reaches a
//! screen or a log it passes [`escape`], after which it holds no control character, no character
//! that reorders or hides others, and no line break.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Whether a character could move the cursor, reorder, hide or forge what a person reads.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// `text` with every unsafe character written out (`\n`, `\t`, `\u{1b}`); borrowed when there is none.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) { safe.extend(c.escape_default()) } else { safe.push(c) }
    }
    Cow::Owned(safe)
}

/// Bytes that should be UTF-8 but need not be, escaped; what is not UTF-8 becomes U+FFFD.
pub fn escape_bytes(bytes: &[u8]) -> String {
    escape(&String::from_utf8_lossy(bytes)).into_owned()
}

/// `text` escaped and cut to at most `columns` terminal columns; a cut ends in `…`.
pub fn fit(text: &str, columns: usize) -> String {
    let safe = escape(text);
    if safe.width() <= columns {
        return safe.into_owned();
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in safe.chars() {
        let width = c.width().unwrap_or(0);
        if used + width + 1 > columns {
            break;
        }
        used += width;
        cut.push(c);
    }
    if columns > 0 {
        cut.push('…');
    }
    cut
}

/// How many terminal columns `text` takes once it is escaped.
pub fn columns(text: &str) -> usize {
    escape(text).width()
}

/// A number of bytes for people, in decimal units: `0 B`, `999 B`, `4.70 GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
        if self.0 < 1000 {
            return f.pad(&format!("{} B", self.0));
        }
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let mut value = self.0 as f64 / 1000.0;
        let mut unit = UNITS.iter();
        let mut name = unit.next().unwrap_or(&"kB");
        while value >= 999.5 {
            let Some(next) = unit.next() else { break };
            value /= 1000.0;
            name = next;
        }
        let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
        f.pad(&format!("{value:.digits$} {name}"))
    }
}

/// Bytes a second for people: `54.7 MB/s`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "negative and NaN become 0"
        )]
        let whole = self.0.max(0.0) as u64;
        f.pad(&format!("{}/s", Size(whole)))
    }
}

/// A stretch of time for people: `0.3 s`, `42 s`, `1m26s`, `2h05m`, `3d04h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Elapsed(pub Duration);

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let text = match seconds {
            0..=9 => format!("{:.1} s", self.0.as_secs_f64()),
            10..=59 => format!("{seconds} s"),
            60..=3599 => format!("{}m{:02}s", seconds / 60, seconds % 60),
            3600..=86_399 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
            _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
        };
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_act_on_a_terminal_is_written_out() {
        for (text, shown) in [
            ("película 日本 😀", "película 日本 😀"),
            ("a\x1b[31mb", "a\\u{1b}[31mb"),
            ("hola\n[12:00] admin: x", "hola\\n[12:00] admin: x"),
            ("gpj.\u{202e}exe", "gpj.\\u{202e}exe"),
            ("a\u{200b}b\u{85}c\u{2028}", "a\\u{200b}b\\u{85}c\\u{2028}"),
        ] {
            assert_eq!(escape(text), shown);
        }
        assert_eq!(escape_bytes(b"a\xff\x07"), "a\u{fffd}\\u{7}");
    }

    #[test]
    fn sizes_and_times_have_three_digits_or_so() {
        let sizes = [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (4_700_372_992, "4.70 GB"),
            (999_999, "1.00 MB"),
            (54_700_000, "54.7 MB"),
            (212_345_678, "212 MB"),
        ];
        for (bytes, shown) in sizes {
            assert_eq!(Size(bytes).to_string(), shown);
        }
        assert_eq!(Rate(54_700_000.0).to_string(), "54.7 MB/s");
        assert_eq!(format!("{:>9}|", Size(5)), "      5 B|");
        for (seconds, shown) in [(0, "0.0 s"), (86, "1m26s"), (7500, "2h05m"), (273_600, "3d04h")] {
            assert_eq!(Elapsed(Duration::from_secs(seconds)).to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn nothing_unsafe_gets_through_and_nothing_is_too_wide(text in "\\PC*|.*", columns in 0_usize..40) {
            let safe = escape(&text);
            prop_assert!(!safe.contains(is_unsafe));
            prop_assert!(fit(&text, columns).width() <= columns);
        }
    }
}
