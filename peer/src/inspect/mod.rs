//! Bencode and magnet links for people: every key with its meaning, bounded and escaped.
//!
//! Pure. It shows what is written, also what we would never use; what we think of it is the caller's to
//! say.

mod meaning;

use serde_json::{Map, Value as Json, json};
use shared::bencode::Value;
use shared::display::{Size, escape, fit};

use self::meaning::Place;

/// The most lines for one file.
const MOST_LINES: usize = 500;
/// The most members of a list or a dictionary that are shown.
const MOST_MEMBERS: usize = 100;
/// The most columns of a text, and bytes of something else.
const MOST_TEXT: usize = 200;
const MOST_HEX: usize = 20;
/// How deep it is shown; files have no more than a few levels.
const MOST_DEPTH: usize = 32;

/// A decoded value as lines: key, value and, behind it, the key's meaning.
pub fn torrent(value: &Value<'_>) -> Vec<String> {
    let mut lines = Lines::default();
    lines.members(Place::File, 0, value);
    if lines.left_out > 0 {
        lines.lines.push(format!("... and {} more lines", lines.left_out));
    }
    lines.lines
}

/// A decoded value for programs: texts as they are, other bytes as `{"bytes": n, "hex": ".."}` with the
/// beginning in hexadecimal.
pub fn torrent_json(value: &Value<'_>) -> Json {
    to_json(value, 0)
}

/// The parameters of a magnet link as lines.
pub fn magnet(parameters: &[(String, String)]) -> Vec<String> {
    let line = |(key, value): &(String, String)| {
        let meaning = match key.split('.').next().unwrap_or(key) {
            "xt" if value.starts_with("urn:btih:") => Some("info hash of version 1, SHA-1 (BEP 9)"),
            "xt" if value.starts_with("urn:btmh:") => Some("info hash of version 2, SHA-256 (BEP 52)"),
            "xt" => Some("a hash of another network"),
            "dn" => Some("suggested name"),
            "tr" => Some("a tracker"),
            "x" if key == "x.pe" => Some("a peer that may have it (BEP 9)"),
            "ws" => Some("a web server that has the files (BEP 19)"),
            "as" | "xs" => Some("another place to get it"),
            "xl" => Some("bytes in all"),
            "so" => Some("only these files (BEP 53)"),
            "kt" => Some("words to search for"),
            _ => None,
        };
        shown(0, &fit(key, 40), &fit(value, MOST_TEXT), meaning)
    };
    let mut lines: Vec<String> = parameters.iter().take(MOST_MEMBERS).map(line).collect();
    if let more @ 1.. = parameters.len().saturating_sub(MOST_MEMBERS) {
        lines.push(format!("... and {more} more"));
    }
    lines
}

/// One key with its value and meaning.
fn shown(depth: usize, key: &str, value: &str, meaning: Option<&str>) -> String {
    let indent = "  ".repeat(depth);
    let head = format!("{indent}{key}");
    let meaning = meaning.unwrap_or("a key that no document names");
    format!("{head:<22} {value}   ({meaning})")
}

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    left_out: usize,
}

impl Lines {
    fn push(&mut self, line: String) {
        if self.lines.len() < MOST_LINES {
            self.lines.push(line);
        } else {
            self.left_out += 1;
        }
    }

    /// The members of a dictionary or list.
    fn members(&mut self, place: Place, depth: usize, value: &Value<'_>) {
        let indent = "  ".repeat(depth);
        if let Some(entries) = value.as_dict() {
            for (key, value) in entries.iter().take(MOST_MEMBERS) {
                self.member(place, depth, key, value);
            }
        } else if let Some(values) = value.as_list() {
            for (number, value) in (1..).zip(values.iter().take(MOST_MEMBERS)) {
                self.push(format!("{indent}{number:<4} {}", plain(value)));
                self.below(place, depth + 1, value);
            }
        }
        let members = value.as_dict().map_or(0, <[_]>::len) + value.as_list().map_or(0, <[_]>::len);
        if let more @ 1.. = members.saturating_sub(MOST_MEMBERS) {
            self.push(format!("{indent}... and {more} more"));
        }
    }

    fn member(&mut self, place: Place, depth: usize, key: &[u8], value: &Value<'_>) {
        let name = match std::str::from_utf8(key) {
            Ok("") => "\"\"".to_owned(),
            Ok(text) if place != Place::Layers => fit(text, 60),
            _ => hex(key),
        };
        let text = match (place, key) {
            (Place::Info, b"pieces") => hashes(value, 20),
            (Place::Layers, _) => hashes(value, 32),
            (Place::File, b"creation date") => date(value),
            (Place::Info | Place::Entry, b"length" | b"piece length") => size(value),
            (Place::Entry, b"path") => path(value),
            _ => plain(value),
        };
        self.push(shown(depth, &name, &text, place.meaning(key)));
        if !(place == Place::Entry && key == b"path") {
            self.below(place.below(key), depth + 1, value);
        }
    }

    fn below(&mut self, place: Place, depth: usize, value: &Value<'_>) {
        if depth < MOST_DEPTH {
            self.members(place, depth, value);
        } else if value.as_dict().is_some() || value.as_list().is_some() {
            self.push(format!("{}...", "  ".repeat(depth)));
        }
    }
}

/// A value in a few words; what it holds stands on lines of its own.
fn plain(value: &Value<'_>) -> String {
    if let Some(number) = value.as_int() {
        return number.to_string();
    }
    if let Some(list) = value.as_list() {
        return format!("list of {}", list.len());
    }
    match (value.as_bytes(), value.as_str()) {
        (_, Some(text)) => fit(text, MOST_TEXT),
        (Some(bytes), None) => format!("{} bytes: {}", bytes.len(), hex(bytes)),
        (None, None) => format!("dictionary of {}", value.as_dict().map_or(0, <[_]>::len)),
    }
}

fn hashes(value: &Value<'_>, each: usize) -> String {
    let Some(bytes) = value.as_bytes() else { return plain(value) };
    let count = bytes.len() / each;
    let odd = if bytes.len() % each == 0 { "" } else { " and a rest that is none" };
    format!("{count} hashes of {each} bytes{odd}: {}", hex(bytes))
}

fn size(value: &Value<'_>) -> String {
    match value.as_int().map(u64::try_from) {
        Some(Ok(bytes)) if bytes >= 1000 => format!("{bytes} = {}", Size(bytes)),
        _ => plain(value),
    }
}

fn date(value: &Value<'_>) -> String {
    match value.as_int() {
        Some(seconds) => match runtime::clock::date_of(seconds) {
            Some(date) => format!("{seconds} = {date}"),
            None => seconds.to_string(),
        },
        None => plain(value),
    }
}

fn path(value: &Value<'_>) -> String {
    let Some(parts) = value.as_list() else { return plain(value) };
    let parts: Vec<String> = parts.iter().take(MOST_MEMBERS).map(plain).collect();
    fit(&parts.join("/"), MOST_TEXT)
}

fn hex(bytes: &[u8]) -> String {
    let half = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    let digits: String =
        bytes.iter().take(MOST_HEX).flat_map(|byte| [half(byte >> 4), half(byte & 15)]).collect();
    if bytes.len() > MOST_HEX { format!("{digits}...") } else { digits }
}

fn to_json(value: &Value<'_>, depth: usize) -> Json {
    if depth > MOST_DEPTH {
        return json!("...");
    }
    if let Some(number) = value.as_int() {
        return json!(number);
    }
    if let Some(list) = value.as_list() {
        return list.iter().take(MOST_LINES).map(|one| to_json(one, depth + 1)).collect();
    }
    if let Some(entries) = value.as_dict() {
        let named = |(key, value): &(&[u8], Value<'_>)| {
            let name = std::str::from_utf8(key).map_or_else(|_| hex(key), str::to_owned);
            (name, to_json(value, depth + 1))
        };
        return Json::Object(entries.iter().take(MOST_LINES).map(named).collect::<Map<_, _>>());
    }
    let bytes = value.as_bytes().unwrap_or_default();
    match value.as_str() {
        Some(text) if text.len() <= 4096 => json!(text),
        _ => json!({"bytes": bytes.len(), "hex": hex(bytes)}),
    }
}

/// What is written on a line of its own about a whole file.
pub fn title(name: &str, bytes: usize) -> String {
    format!("{}   {}", escape(name), Size(bytes as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shared::bencode::{Limits, decode};

    #[test]
    fn d38_to_d52_every_key_of_the_documents_has_its_meaning() {
        let sample = b"d8:announce41:http://bttracker.debian.org:6969/announce13:announce-listll8:udp://h/el9:http://g/ee\
            7:comment4:hola10:created by13:mktorrent 1.113:creation datei1391870037e8:encoding5:UTF-8\
            4:infod5:filesld6:lengthi65703e4:pathl1:a9:perro.jpgeee4:name5:fotos12:piece lengthi262144e\
            6:pieces20:\x01\x02\x03\x04\x05\x06\x07\x08\x09\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\xff7:privatei1ee\
            7:strangei7ee";
        let text = torrent(&decode(sample, Limits::TORRENT).unwrap()).join("\n");
        for said in [
            "announce               http://bttracker.debian.org:6969/announce   (the tracker",
            "announce-list          list of 2   (more trackers, in tiers",
            "    1    udp://h/",
            "comment                hola   (a word",
            "created by             mktorrent 1.1   (",
            "creation date          1391870037 = 2014-02-08 14:33:57 UTC   (",
            "encoding               UTF-8   (",
            "      path             a/perro.jpg   (folders",
            "      length           65703 = 65.7 kB   (bytes of the file",
            "  name                 fotos   (",
            "  piece length         262144 = 262 kB   (",
            "  pieces               1 hashes of 20 bytes: 01020304050607080910111213141516171819ff   (SHA-1",
            "  private              1   (1: peers",
            "strange                7   (a key that no document names)",
        ] {
            assert!(text.contains(said), "{said}\n{text}");
        }
        assert_eq!(torrent_json(&decode(sample, Limits::TORRENT).unwrap())["info"]["private"], 1);
    }

    #[test]
    fn what_is_hostile_stays_on_its_line_and_short() {
        let text =
            torrent(&decode(b"d7:comment9:a\n\x1b[2Jxyz1:\x1b1:xe", Limits::TORRENT).unwrap()).join("|");
        assert!(!text.contains(['\n', '\x1b']), "{text}");
        let long = [&b"l"[..], &b"1:x".repeat(100_000), b"e"].concat();
        assert!(torrent(&decode(&long, Limits::TORRENT).unwrap()).len() <= MOST_LINES + 1);
        let deep = [&b"d4:infod9:file tree"[..], &b"d1:x".repeat(60), b"i1e", &b"e".repeat(62)].concat();
        assert!(torrent(&decode(&deep, Limits::TORRENT).unwrap()).len() <= MOST_DEPTH + 3);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = decode(&bytes, Limits::TORRENT) {
                prop_assert!(torrent(&value).iter().all(|line| !line.contains(char::is_control)));
                torrent_json(&value);
            }
        }
    }
}
