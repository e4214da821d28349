//! A tracker that starts with much to remember: how long that takes, and what each thing takes in memory.
//!
//! The events are those of the registry itself, which is asked as a tracker asks it, and are written into the
//! table that the tracker made.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use benches::figures::{median, spread};
use benches::vocabulary::Vocabulary;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use registry::{Command, Config, Lasting, Rate, Registry, SessionKey};
use rusqlite::{Connection, params};
use shared::control::{Have, Hello, Kind, Request, Share, VERSION};
use shared::{InfoHash, InfoHashes, Moment, PeerId};
use tempfile::TempDir;

use crate::programs::{self, Tracker};
use crate::table::Table;

const SEED: u64 = 20_261_121;
const EVENTS: u64 = 1_000_000;
/// When it all began: milliseconds since 1970.
const BEGIN: u64 = 1_790_000_000_000;
const PEOPLE: usize = 400;
const ROOMS: usize = 20;
/// People who stay away in the measures of memory.
const AWAY: usize = 500;

/// A folder with a database, which is filled through a registry.
struct Past {
    folder: TempDir,
    connection: Connection,
    registry: Registry,
    rng: StdRng,
    words: Vocabulary,
    events: u64,
    at: u64,
}

impl Past {
    fn new() -> Self {
        let folder = programs::folder();
        Tracker::new().start_in(folder.path()).stop();
        let connection = Connection::open(folder.path().join("tracker.db")).unwrap();
        connection.execute_batch("DELETE FROM event; BEGIN").unwrap();
        let no_limit = Rate { burst: 1 << 40, per_second: 1 << 20 };
        let config = Config {
            requests: no_limit,
            messages: no_limit,
            message_bytes: no_limit,
            max_shares: 1_000_000,
            max_members: 100_000,
            ..Config::default()
        };
        let mut rng = StdRng::seed_from_u64(SEED);
        let words = Vocabulary::new(&mut rng);
        Self { folder, connection, registry: Registry::new(config), rng, words, events: 0, at: BEGIN }
    }

    fn execute(&mut self, command: Command) {
        self.at += 10;
        let now = Moment::default() + Duration::from_millis(self.at - BEGIN);
        let decision = self.registry.execute(command, now, self.at, &mut self.rng);
        if let Some(Err(refusal)) = &decision.reply {
            panic!("{}", refusal.text);
        }
        for Lasting { event, .. } in decision.events.iter().filter_map(registry::Event::lasting) {
            self.events += 1;
            let body = serde_json::to_string(&event).unwrap();
            let kind = body.split('"').nth(1).unwrap_or_default();
            let insert = "INSERT INTO event (seq, at, kind, body) VALUES (?1, ?2, ?3, ?4)";
            let mut statement = self.connection.prepare_cached(insert).unwrap();
            statement.execute(params![self.events as i64, event.at() as i64, kind, body]).unwrap();
        }
    }

    fn request(&mut self, person: usize, line: &str) {
        let (_, request) = shared::control::parse_request(line.as_bytes()).unwrap();
        self.ask(person, request);
    }

    fn ask(&mut self, person: usize, request: Request) {
        self.execute(Command::Request { session: session(person), request: Box::new(request) });
    }

    fn come(&mut self, person: usize) {
        let address: SocketAddr = "192.168.1.20:40000".parse().unwrap();
        let mut id = [0; 20];
        id[..8].copy_from_slice(&(person as u64 + 1).to_be_bytes());
        let hello = Hello {
            version: VERSION,
            nick: format!("n{person}"),
            peer_id: PeerId(id),
            ports: vec![6881],
            addresses: Vec::new(),
            agent: "peer/0.1.0".to_owned(),
            token: None,
            session: None,
            guest: false,
        };
        let hello = Box::new(hello);
        self.execute(Command::Hello { session: session(person), address, via: address.ip(), hello });
    }

    fn go(&mut self, person: usize) {
        self.request(person, r#"{"type":"bye"}"#);
    }

    fn share(&mut self, person: usize, number: usize) {
        let mut hash = [0; 20];
        let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash[..8].copy_from_slice(&mixed.to_be_bytes());
        hash[8..16].copy_from_slice(&(number as u64).to_be_bytes());
        let name = format!("{} {number}.pdf", self.words.words(3, &mut self.rng));
        let share = Share {
            kind: Kind::of_name(&name),
            name,
            size: 1_000_000,
            files: 1,
            piece_length: 262_144,
            hashes: InfoHashes::v1(InfoHash(hash)),
            root: None,
            info: None,
            layers: None,
            have: Have::Full,
            comment: None,
            private: false,
        };
        self.ask(person, share.into());
    }

    fn say(&mut self, person: usize, to: &str) {
        let text = self.words.words(6, &mut self.rng);
        self.request(person, &format!(r#"{{"type":"message","to":"{to}","text":"{text}"}}"#));
    }

    /// Writes all of it.
    fn close(self) -> (TempDir, u64) {
        self.connection.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        (self.folder, self.events)
    }
}

fn session(person: usize) -> SessionKey {
    SessionKey(person as u64 + 1)
}

/// A term of a school: people come and go, share, take back, and talk.
fn term() -> (TempDir, u64) {
    let mut past = Past::new();
    for person in 0..PEOPLE {
        past.come(person);
        past.request(person, &format!(r#"{{"type":"join","room":"@sala{}"}}"#, person % ROOMS));
    }
    let (mut shares, mut turn) = (0, 0);
    while past.events < EVENTS {
        turn += 1;
        let person = past.rng.random_range(0..PEOPLE);
        match turn % 20 {
            0..8 => past.say(person, &format!("@sala{}", person % ROOMS)),
            8..14 => {
                let other = (person + past.rng.random_range(1..PEOPLE)) % PEOPLE;
                past.say(person, &format!("n{other}"));
            }
            16 | 17 if shares < 100_000 => {
                past.share(person, shares);
                shares += 1;
            }
            14..18 => past.say(person, "*"),
            _ => {
                past.go(person);
                past.come(person);
                past.request(person, &format!(r#"{{"type":"join","room":"@sala{}"}}"#, person % ROOMS));
            }
        }
    }
    past.close()
}

/// How long the start takes.
pub(crate) fn starts(rounds: usize, table: &mut Table) {
    let (folder, events) = term();
    let (mut seconds, mut processor, mut memory) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        // Some time after the start a long journal is made shorter, so each start has a copy.
        let copy = programs::folder();
        std::fs::copy(folder.path().join("tracker.db"), copy.path().join("tracker.db")).unwrap();
        let tracker = Tracker::new().start_in(copy.path());
        seconds.push(tracker.started_in.as_secs_f64());
        processor.push(tracker.processor());
        memory.push(tracker.resident() / 1e6);
        tracker.stop();
    }
    let shown = benches::figures::whole(events as f64);
    let what = format!("{shown} events: s from the start of the process until it takes connections");
    table.row(&[&what, &spread(&seconds, 2), "below 5"]);
    table.row(&["... processor time until then: s", &spread(&processor, 2), ""]);
    table.row(&["... memory then: MB", &spread(&memory, 0), ""]);
}

/// What a tracker that remembers this holds in memory when it has come to rest: bytes.
fn memory_of(folder: &Path, rounds: usize) -> f64 {
    let round = |_| {
        let tracker = Tracker::new().start_in(folder);
        // The index is made after the start.
        let mut used = tracker.processor();
        loop {
            programs::pause(Duration::from_millis(700));
            let now = tracker.processor();
            if now - used < 0.02 {
                break;
            }
            used = now;
        }
        let bytes = tracker.resident();
        tracker.stop();
        bytes
    };
    median(&(0..rounds).map(round).collect::<Vec<f64>>())
}

/// What a share, a person and a message take.
pub(crate) fn memory(rounds: usize, table: &mut Table) {
    let of = |fill: &dyn Fn(&mut Past)| {
        let mut past = Past::new();
        fill(&mut past);
        let (folder, _) = past.close();
        memory_of(folder.path(), rounds)
    };
    let empty = of(&|_| {});
    table.row(&["an empty tracker: MB", &format!("{:.1}", empty / 1e6), ""]);
    let (shares, people, letters) = (100_000, 10_000, 100_000);
    let with_shares = of(&|past| {
        past.come(0);
        (0..shares).for_each(|number| past.share(0, number));
    });
    let with_people = of(&|past| {
        (0..people).for_each(|person| {
            past.come(person);
            past.go(person);
        });
    });
    let with_letters = of(&|past| {
        (0..AWAY).for_each(|person| {
            past.come(person);
            past.go(person);
        });
        past.come(AWAY);
        (0..letters).for_each(|letter| past.say(AWAY, &format!("n{}", letter % AWAY)));
    });
    for (what, with, count) in [
        ("a share, of 100,000, with its place in the index: bytes", with_shares, shares),
        ("a person who is known and away, of 10,000: bytes", with_people, people),
        ("a message that waits for somebody, of 100,000: bytes", with_letters, letters),
    ] {
        table.row(&[what, &format!("{:.0}", (with - empty) / count as f64), ""]);
    }
}
