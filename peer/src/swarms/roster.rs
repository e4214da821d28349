//! The people of the room as they were seen last, kept on disk: while the tracker is away they are still
//! known by name, and it is known which tracker that was. Decides nothing about downloads.

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use engine::config::PRIVATE_FOLDER;
use serde::{Deserialize, Serialize};
use shared::PeerId;
use shared::control::{Person, check_nick};

/// The most people that are kept.
const MOST: usize = 200;
/// The longest file that is read, in bytes.
const MOST_BYTES: u64 = 256 * 1024;
/// Seconds after which somebody is forgotten who did not come back.
const OLDEST: u64 = 30 * 24 * 3600;

/// Somebody who was here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acquaintance {
    /// What they were called.
    pub nick: String,
    /// Who they are.
    pub peer_id: PeerId,
    /// Where they could be dialled.
    pub address: SocketAddr,
    /// When they were here last: seconds since 1970.
    pub seen: u64,
}

/// Everybody who was here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// The tracker that let us in last; empty when none did yet.
    pub tracker: String,
    people: Vec<Acquaintance>,
}

impl Roster {
    /// Where the roster of a peer lies.
    pub fn path(home: &Path) -> PathBuf {
        home.join(PRIVATE_FOLDER).join("roster.json")
    }

    /// The roster that an earlier run kept; an empty one when there is none that can be read.
    pub fn load(home: &Path, now: u64) -> Self {
        let mut bytes = Vec::new();
        let read = std::fs::File::open(Self::path(home))
            .and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes));
        if let Err(error) = read {
            tracing::debug!(%error, "nobody is known of an earlier run");
        }
        Self::parse(&bytes, now)
    }

    /// The same of a file's bytes, `now` in seconds since 1970: what makes no sense or is too old is left
    /// out.
    pub fn parse(bytes: &[u8], now: u64) -> Self {
        let Ok(mut roster) = serde_json::from_slice::<Self>(bytes) else { return Self::default() };
        // A clock that was set back makes nobody stay for ever.
        roster.people.iter_mut().for_each(|one| one.seen = one.seen.min(now));
        roster.people.retain(|one| check_nick(&one.nick).is_ok());
        roster.shorten(now);
        roster
    }

    /// Writes it so that at every moment the old or the new one is there.
    pub fn save(&self, home: &Path) -> io::Result<()> {
        let path = Self::path(home);
        let beside = path.with_extension("json.tmp");
        std::fs::write(&beside, serde_json::to_vec(self)?)?;
        std::fs::rename(beside, path)
    }

    /// These people are here now; says whether anything but the time has changed.
    pub fn meet(&mut self, here: &[Person], own: PeerId, now: u64) -> bool {
        let mut known: BTreeMap<PeerId, Acquaintance> =
            std::mem::take(&mut self.people).into_iter().map(|one| (one.peer_id, one)).collect();
        let mut changed = false;
        for person in here.iter().filter(|person| person.peer_id != own) {
            let address = person.addresses.first().copied().unwrap_or(person.address);
            let one = Acquaintance { nick: person.nick.clone(), peer_id: person.peer_id, address, seen: now };
            let before = known.insert(person.peer_id, one);
            changed |= before.is_none_or(|before| (&before.nick, before.address) != (&person.nick, address));
        }
        self.people = known.into_values().collect();
        self.shorten(now);
        changed
    }

    /// Another tracker has let us in than the last time: its people are others. Says whether it is so.
    pub fn follow(&mut self, tracker: &str) -> bool {
        let other = !self.tracker.is_empty() && self.tracker != tracker;
        if other {
            self.people.clear();
        }
        tracker.clone_into(&mut self.tracker);
        other
    }

    /// Everybody, who was here last first.
    pub fn people(&self) -> &[Acquaintance] {
        &self.people
    }

    fn shorten(&mut self, now: u64) {
        self.people.retain(|one| now.saturating_sub(one.seen) <= OLDEST);
        self.people.sort_by(|one, two| (two.seen, &one.nick).cmp(&(one.seen, &two.nick)));
        self.people.truncate(MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn person(number: u8, nick: &str) -> Person {
        let address: SocketAddr = ([10, 0, 0, number], 6881).into();
        Person {
            nick: nick.to_owned(),
            peer_id: PeerId([number; 20]),
            address: ([10, 0, 0, number], 50_000).into(),
            addresses: vec![address],
            agent: String::new(),
            shares: 0,
            bytes: 0,
            since: 0,
            chat: true,
            away: None,
        }
    }

    fn nicks(roster: &Roster) -> Vec<&str> {
        roster.people().iter().map(|one| one.nick.as_str()).collect()
    }

    #[test]
    fn who_was_here_last_comes_first_and_survives_a_restart() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(PRIVATE_FOLDER)).unwrap();
        assert_eq!(Roster::load(home.path(), NOW), Roster::default());
        let mut roster = Roster::default();
        let own = PeerId([9; 20]);
        assert!(!roster.follow("10.0.0.1:5000"), "the first one is no other");
        assert!(roster.meet(&[person(1, "bob"), person(9, "me"), person(2, "eva")], own, NOW - 60));
        assert!(!roster.meet(&[person(1, "bob")], own, NOW), "only the time has changed");
        assert!(roster.meet(&[person(2, "EVA")], own, NOW - 30));
        assert_eq!(nicks(&roster), ["bob", "EVA"]);
        assert_eq!(roster.people()[0].address, ([10, 0, 0, 1], 6881).into(), "where it can be dialled");
        roster.save(home.path()).unwrap();
        assert_eq!(Roster::load(home.path(), NOW), roster);
    }

    #[test]
    fn another_tracker_has_other_people() {
        let mut roster = Roster::default();
        roster.follow("a:5000");
        roster.meet(&[person(1, "bob")], PeerId([9; 20]), NOW);
        assert!(!roster.follow("a:5000"));
        assert_eq!(nicks(&roster), ["bob"]);
        assert!(roster.follow("b:5000"));
        assert_eq!(nicks(&roster), [""; 0]);
    }

    #[test]
    fn what_lies_on_the_disk_is_bounded_and_never_believed_blindly() {
        let mut roster = Roster::default();
        let crowd: Vec<Person> = (0..=255).map(|number| person(number, &format!("n{number}"))).collect();
        roster.meet(&crowd, PeerId([9; 20]), NOW);
        assert_eq!(roster.people().len(), MOST);
        let good = serde_json::to_vec(&roster).unwrap();
        assert_eq!(Roster::parse(&good, NOW), roster);
        assert_eq!(Roster::parse(&good, NOW + OLDEST + 1).people().len(), 0, "nobody stays for ever");
        assert!(Roster::parse(&good, NOW - 5).people().iter().all(|one| one.seen == NOW - 5));
        for bad in [&good[..good.len() / 2], b"", b"[]", b"{\"tracker\":1}", b"\xff\xfe", b"{\"people\":[]}"]
        {
            assert_eq!(Roster::parse(bad, NOW), Roster::default());
        }
        let text = String::from_utf8(good).unwrap().replace("\"n1\"", "\"\\u001b[31m\"");
        assert_eq!(Roster::parse(text.as_bytes(), NOW).people().len(), MOST - 1, "a nick that cannot be");
    }
}
