//! Which program a peer id tells (BEP 20), for people: the id is a claim and decides nothing.

use crate::PeerId;

/// Two letters of an id in the form `-XX1234-`, and the program.
const LETTERS: &[(&[u8; 2], &str)] = &[
    (b"7T", "aTorrent"),
    (b"AG", "Ares"),
    (b"AZ", "Vuze"),
    (b"BC", "BitComet"),
    (b"BI", "BiglyBT"),
    (b"BT", "BitTorrent"),
    (b"DE", "Deluge"),
    (b"EJ", "Enjambre"),
    (b"EN", "Enjambre"),
    (b"FD", "FreeDownloadManager"),
    (b"FL", "Folx"),
    (b"FW", "FrostWire"),
    (b"KT", "KTorrent"),
    (b"LT", "libtorrent"),
    (b"PI", "PicoTorrent"),
    (b"SD", "Xunlei"),
    (b"TL", "Tribler"),
    (b"TR", "Transmission"),
    (b"TX", "Tixati"),
    (b"UM", "uTorrentMac"),
    (b"UT", "uTorrent"),
    (b"WD", "WebTorrentDesktop"),
    (b"WW", "WebTorrent"),
    (b"XL", "Xunlei"),
    (b"lt", "rTorrent"),
    (b"qB", "qBittorrent"),
    (b"rQ", "rqbit"),
];
/// Letters of an id in the form `A2-1-36-0-`, and the program.
const WORDS: &[(&[u8], &str)] = &[(b"A2-", "aria2"), (b"M", "BitTorrent")];

/// A program as a peer id tells it: plain letters and digits, whoever made the id up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// One word, fit to be a nick.
    pub name: String,
    /// Such as `5.0.3`; empty when it is not told.
    pub version: String,
}

impl Program {
    /// The program of an id; one that nobody knows is `client`.
    pub fn of(id: PeerId) -> Self {
        dashed(&id.0)
            .or_else(|| dotted(&id.0))
            .unwrap_or_else(|| Self { name: "client".to_owned(), version: String::new() })
    }

    /// Name and version in one line.
    pub fn agent(&self) -> String {
        format!("{} {}", self.name, self.version).trim_end().to_owned()
    }
}

/// `-qB5030-` and twelve bytes that mean nothing.
fn dashed(id: &[u8; 20]) -> Option<Program> {
    let [b'-', first, second, one, two, three, four, b'-', ..] = *id else { return None };
    if ![first, second, one, two, three, four].iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let letters = [first, second];
    let known = LETTERS.iter().find(|(of, _)| **of == letters).map(|(_, name)| (*name).to_owned());
    let digits = [one, two, three, four].map(digit);
    let version = match (&letters, digits) {
        // Before 4.0 it wrote hundredths, and the last place tells what kind of build it is.
        (b"TR", [major @ ..=3, minor, tenth, _]) => format!("{major}.{minor}{tenth}"),
        (b"TR", [major, minor, patch, _]) | (_, [major, minor, patch, 0]) => {
            format!("{major}.{minor}.{patch}")
        }
        (_, [major, minor, patch, build]) => format!("{major}.{minor}.{patch}.{build}"),
    };
    let unknown = || format!("client-{}{}", char::from(first), char::from(second));
    Some(Program { name: known.unwrap_or_else(unknown), version })
}

/// `A2-1-36-0-` or `M7-10-5--`: numbers between dashes.
fn dotted(id: &[u8; 20]) -> Option<Program> {
    let (rest, name) = WORDS.iter().find_map(|(word, name)| Some((id.strip_prefix(*word)?, *name)))?;
    let mut numbers = rest.split(|byte| *byte == b'-').map(|number| {
        let digits = (1..=4).contains(&number.len()) && number.iter().all(u8::is_ascii_digit);
        digits.then(|| String::from_utf8_lossy(number).into_owned())
    });
    let numbers = [numbers.next()??, numbers.next()??, numbers.next()??];
    Some(Program { name: name.to_owned(), version: numbers.join(".") })
}

/// A digit of a version: letters go on after 9. Only called for letters and digits.
fn digit(byte: u8) -> u32 {
    char::from(byte).to_digit(36).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d60_programs_are_told_by_their_ids() {
        for (id, agent) in [
            (b"-qB5030-abcdefghijkl", "qBittorrent 5.0.3"),
            (b"-TR4060-abcdefghijkl", "Transmission 4.0.6"),
            (b"-TR2940-abcdefghijkl", "Transmission 2.94"),
            (b"-LT20B0-abcdefghijkl", "libtorrent 2.0.11"),
            (b"-lt0D80-\x00\x01\x02\x03\x04\xff\x06\x07\x08\x09\x0a\x0b", "rTorrent 0.13.8"),
            (b"-DE13F0-abcdefghijkl", "Deluge 1.3.15"),
            (b"-WW0203-abcdefghijkl", "WebTorrent 0.2.0.3"),
            (b"A2-1-36-0-abcdefghij", "aria2 1.36.0"),
            (b"M7-10-5--abcdefghijk", "BitTorrent 7.10.5"),
            (b"-EJ0100-abcdefghijkl", "Enjambre 0.1.0"),
            (b"-ZZ1234-abcdefghijkl", "client-ZZ 1.2.3.4"),
            (b"-\x1b]1234-abcdefghijkl", "client"),
            (b"M7-x-5--abcdefghijkl", "client"),
            (b"A2-1-36abcdefghijklm", "client"),
            (&[0; 20], "client"),
        ] {
            let program = Program::of(PeerId(*id));
            assert_eq!(program.agent(), agent);
            assert!(crate::control::check_nick(&program.name).is_ok(), "{}", program.name);
        }
    }
}
