//! Lists that fit into one line: whoever reads the answer takes no line above its limit.

use shared::control::Entry;

/// Bytes of a list: half a line, so that everything around it fits too.
const PAGE_BYTES: usize = shared::control::LINE_AFTER_LOGIN / 2;

/// As many of `items` as fit, at least one if there is any.
pub(crate) fn fitting<T>(items: impl Iterator<Item = T>, weigh: impl Fn(&T) -> usize) -> Vec<T> {
    let mut page = Vec::new();
    let mut bytes = 0;
    for item in items {
        bytes += weigh(&item);
        if bytes > PAGE_BYTES && !page.is_empty() {
            break;
        }
        page.push(item);
    }
    page
}

/// Bytes of a text inside JSON.
pub(crate) fn weight(text: &str) -> usize {
    text.len() + 5 * count(text, |byte| byte < 0x20) + count(text, |byte| byte == b'"' || byte == b'\\')
}

/// How many bytes are so. Without a branch, so that many are looked at at once: each message is weighed when it
/// comes and when it goes.
fn count(text: &str, is: impl Fn(u8) -> bool) -> usize {
    let of = |part: &[u8]| part.iter().fold(0_u8, |sum, byte| sum + u8::from(is(*byte)));
    text.as_bytes().chunks(128).map(|part| usize::from(of(part))).sum()
}

/// Bytes of an entry inside a list.
pub(crate) fn entry_weight(entry: &Entry) -> usize {
    let said = weight(&entry.name) + entry.comment.as_deref().map_or(0, weight);
    400 + said + entry.by.iter().map(|nick| weight(nick) + 3).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_what_fits_and_never_nothing() {
        assert_eq!(fitting([300_000, 200_000, 100_000].into_iter(), |bytes| *bytes), [300_000, 200_000]);
        assert_eq!(fitting([5_000_000].into_iter(), |bytes| *bytes).len(), 1);
        assert!(fitting(std::iter::empty::<usize>(), |bytes| *bytes).is_empty());
        for text in ["plain", "\u{1}\"\\ñ"] {
            assert_eq!(weight(text) + 2, serde_json::to_string(text).unwrap().len());
        }
    }
}
