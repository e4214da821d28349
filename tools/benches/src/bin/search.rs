//! How long the tracker takes to answer a search: `cargo xtask bench search [SHARES]`.
//!
//! A registry with films, notes and courses in Spanish is filled, its index is made, and questions are
//! answered on one thread the whole way: index, registry, line of JSON. Measured twice: every question
//! for the first time, and as people ask, a few of them often and most rarely.

#![allow(clippy::print_stdout, reason = "the figures are what it is for")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a measurement that cannot go on ends")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures are rounded anyway"
)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use benches::vocabulary::{Vocabulary, question};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use registry::{Command, Config, Rate, Registry, SessionKey};
use shared::bencode::{Dict, List};
use shared::control::{Answer, Have, Hello, Kind, Search, Share, VERSION, write_answer};
use shared::{InfoHash, InfoHashes, Moment, PeerId};
use tracker::search::Index;

const SEED: u64 = 20_261_121;
const QUESTIONS: usize = 5_000;
const PEOPLE: usize = 100;

fn hash(number: usize) -> InfoHash {
    let mut hash = [0; 20];
    let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash[..8].copy_from_slice(&mixed.to_be_bytes());
    hash[8..16].copy_from_slice(&(number as u64).to_be_bytes());
    InfoHash(hash)
}

fn course(words: &Vocabulary, rng: &mut StdRng) -> (Vec<u8>, u64) {
    let files = rng.random_range(3..50_u64);
    let list = (0..files).fold(List::default(), |list, file| {
        let folder = format!("Tema {}", 1 + file / 5);
        let name = format!("{} {}.pdf", words.words(3, rng), file);
        let path = List::default().bytes(&folder).bytes(&name).encode();
        list.raw(&Dict::default().int("length", 100_000).raw(b"path", path).encode())
    });
    let pieces = vec![7; 20 * usize::try_from((files * 100_000).div_ceil(262_144)).unwrap()];
    let info = Dict::default().raw(b"files", list.encode()).bytes("name", "curso");
    (info.int("piece length", 262_144).bytes("pieces", pieces).encode(), files)
}

fn share(number: usize, words: &Vocabulary, rng: &mut StdRng) -> Share {
    let year = rng.random_range(1950..2027);
    let (name, files, info) = match number % 10 {
        0..4 => (format!("{} ({year}) [1080p].mkv", words.words(3, rng)), 1, None),
        4..7 => (format!("{} - apuntes {}.pdf", words.words(3, rng), rng.random_range(1..30)), 1, None),
        _ => {
            let (info, files) = course(words, rng);
            (format!("Curso {year} {}", words.words(2, rng)), files, Some(info))
        }
    };
    Share {
        kind: Kind::of_name(&name),
        name,
        size: files * 100_000,
        files,
        piece_length: 262_144,
        hashes: InfoHashes::v1(hash(number)),
        root: None,
        info,
        layers: None,
        have: Have::Full,
        comment: None,
        private: false,
    }
}

fn fill(shares: usize, rng: &mut StdRng) -> (Registry, Vec<String>) {
    let generous = Rate { burst: 1 << 40, per_second: 1 };
    let mut registry = Registry::new(Config { requests: generous, max_shares: shares, ..Config::default() });
    for person in 1..=PEOPLE {
        let session = SessionKey(person as u64);
        let address = "127.0.0.1:9".parse().unwrap();
        let mut id = [0; 20];
        id[..8].copy_from_slice(&session.0.to_be_bytes());
        let hello = Hello {
            version: VERSION,
            nick: format!("n{person}"),
            peer_id: PeerId(id),
            ports: vec![1],
            addresses: Vec::new(),
            agent: String::new(),
            token: None,
            session: None,
            guest: false,
        };
        let hello = Box::new(hello);
        let command = Command::Hello { session, address, via: address.ip(), hello };
        registry.execute(command, Moment::default(), 1, rng);
    }
    let words = Vocabulary::new(rng);
    let mut names = Vec::new();
    for number in 0..shares {
        let share = share(number, &words, rng);
        names.push(share.name.clone());
        // Some things are with many people.
        let sharers = if rng.random_range(0..20) == 0 { rng.random_range(1..20) } else { 1 };
        for _ in 0..sharers {
            let session = SessionKey(rng.random_range(1..=PEOPLE) as u64);
            let request = Box::new(share.clone().into());
            registry.execute(Command::Request { session, request }, Moment::default(), 1, rng);
        }
    }
    (registry, names)
}

fn questions(names: &[String], words: &Vocabulary, rng: &mut StdRng) -> Vec<Search> {
    (0..QUESTIONS).map(|at| Search { query: question(at, names, words, rng), ..Search::default() }).collect()
}

/// Answers all of these; milliseconds of each.
fn measure(
    index: &Index,
    registry: &Mutex<Registry>,
    asked: &[&Search],
    rng: &mut StdRng,
) -> (Vec<f64>, f64) {
    let (mut times, mut hits) = (Vec::new(), 0);
    for search in asked {
        let begin = Instant::now();
        let found = index.answer(search);
        let command = Command::Search { session: SessionKey(1), search: Box::new((*search).clone()), found };
        let decision = registry.lock().unwrap().execute(command, Moment::default(), 1, rng);
        let Some(Ok(answer)) = decision.reply else { panic!("refused: {:?}", decision.reply) };
        std::hint::black_box(write_answer(Some(1), &answer));
        times.push(begin.elapsed().as_secs_f64() * 1_000.0);
        if let Answer::Matches(matches) = answer {
            hits += usize::try_from(matches.total).unwrap();
        }
    }
    (times, hits as f64 / asked.len() as f64)
}

fn report(what: &str, (mut times, hits): (Vec<f64>, f64)) {
    let all: f64 = times.iter().sum();
    times.sort_by(f64::total_cmp);
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!(
        "{what:<28} {:>8.0} /s   median {:.3} ms   99 % {:.3} ms   worst {:.3} ms   {hits:.0} hits each",
        times.len() as f64 / all * 1_000.0,
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

/// Bytes that this program holds in memory.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or(0.0) / 1_000.0
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let shares = std::env::args().nth(1).and_then(|shares| shares.parse().ok()).unwrap_or(100_000);
    let mut rng = StdRng::seed_from_u64(SEED);
    let (mut registry, names) = fill(shares, &mut rng);
    let mut words = StdRng::seed_from_u64(SEED);
    let words = Vocabulary::new(&mut words);
    let keys = registry.follow();
    let registry = Arc::new(Mutex::new(registry));
    let before = resident();
    println!("{shares} shares, seed {SEED}; the registry holds {before:.0} MB");
    let feed = Arc::clone(&registry);
    let pull = move |keys: &[(InfoHash, bool)]| {
        let registry = feed.lock().unwrap();
        keys.iter().map(|(key, anew)| registry.listing(*key, *anew)).collect()
    };
    let begin = Instant::now();
    let index = Index::start(keys, 2, Box::new(pull)).unwrap();
    assert!(index.settled(Duration::from_secs(600)).await);
    println!(
        "index made in {:.1} s; it takes {:.0} MB more for {} terms",
        begin.elapsed().as_secs_f64(),
        resident() - before,
        index.size().terms
    );
    let asked = questions(&names, &words, &mut rng);
    let new: Vec<&Search> = asked.iter().collect();
    report("each for the first time", measure(&index, &registry, &new, &mut rng));
    let often: Vec<&Search> = (0..40_000)
        .map(|_| &asked[((rng.random::<f64>().powi(4) * asked.len() as f64) as usize).min(asked.len() - 1)])
        .collect();
    report("as people ask", measure(&index, &registry, &often, &mut rng));
    let one: Vec<&Search> = asked.iter().step_by(2).collect();
    let page = Search { query: "tema".to_owned(), ..Search::default() };
    report("one broad word, again", measure(&index, &registry, &vec![&page; one.len()], &mut rng));
}
