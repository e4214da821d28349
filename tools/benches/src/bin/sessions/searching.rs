//! Searches of many sessions, in a small and in a large catalogue: questions that nobody asked before, and
//! questions as people ask, a few of them often.

use std::time::{Duration, Instant};

use benches::figures::{median, spread, spread_whole};
use benches::vocabulary::{Vocabulary, question};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use crate::crowd::{Crowd, is_answer};
use crate::idle::hello;
use crate::programs::{Program, Tracker};
use crate::table::Table;

const SEED: u64 = 20_261_121;
/// Those who share.
const SHARERS: usize = 20;
/// Those who search, each with so many questions on their way.
const SEARCHERS: usize = 64;
const WINDOW: usize = 4;
/// Questions that are asked again and again.
const KNOWN: usize = 500;
const ROUND: Duration = Duration::from_secs(2);
/// Time from question to question where they come at an even pace, however long answers take.
const PACE: Duration = Duration::from_millis(1);
/// Shares on their way to the tracker.
const AT_ONCE: usize = 2_000;

/// A tracker in which so many things are shared, and their names.
fn filled(shares: usize, words: &Vocabulary, rng: &mut StdRng) -> (Program, Crowd, Vec<String>) {
    let tracker = Tracker::new().start();
    let mut crowd = Crowd::new();
    for number in 0..SHARERS {
        crowd.join(tracker.address, &hello(number));
    }
    crowd.answers(SHARERS);
    let mut names = Vec::with_capacity(shares);
    let (mut sent, mut answered) = (0, 0);
    while answered < shares {
        while sent < shares && sent - answered < AT_ONCE {
            let name = name(sent, words, rng);
            crowd.send(sent % SHARERS, share(sent, &name).as_bytes());
            names.push(name);
            sent += 1;
        }
        crowd.lines(Duration::from_secs(60), |_, line| answered += usize::from(is_answer(line)));
    }
    crowd.quieten(Duration::from_millis(200));
    (tracker, crowd, names)
}

fn name(number: usize, words: &Vocabulary, rng: &mut StdRng) -> String {
    let year = rng.random_range(1950..2027);
    match number % 10 {
        0..4 => format!("{} ({year}) [1080p].mkv", words.words(3, rng)),
        4..7 => format!("{} - apuntes {}.pdf", words.words(3, rng), rng.random_range(1..30)),
        _ => format!("Curso {year} {}", words.words(2, rng)),
    }
}

/// The line that shares something under this name.
pub(crate) fn share(number: usize, name: &str) -> String {
    let mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let line = json!({"type": "share", "id": 1, "name": name, "size": 1_000_000, "piece_length": 262_144,
        "info_hash_v1": format!("{mixed:016x}{number:024x}")});
    format!("{line}\n")
}

/// Searches a second in a catalogue of so many shares.
pub(crate) fn searches(shares: usize, rounds: usize, table: &mut Table) {
    let mut rng = StdRng::seed_from_u64(SEED);
    let words = Vocabulary::new(&mut rng);
    let begin = Instant::now();
    let (tracker, _sharers, names) = filled(shares, &words, &mut rng);
    let filled_in = begin.elapsed().as_secs_f64();
    let mut crowd = Crowd::new();
    for number in 0..SEARCHERS {
        crowd.join(tracker.address, &hello(1_000 + number));
    }
    crowd.answers(SEARCHERS);
    crowd.quieten(Duration::from_millis(200));
    let known: Vec<String> = (0..KNOWN).map(|at| line(&question(at, &names, &words, &mut rng))).collect();
    let (mut new, mut paced, mut often) = (Rates::default(), Rates::default(), Rates::default());
    let mut at = 0;
    for _ in 0..rounds {
        paced.add_paced(&tracker, &mut crowd, || {
            at += 1;
            line(&question(at, &names, &words, &mut rng))
        });
        new.add(&tracker, &mut crowd, || {
            at += 1;
            line(&question(at, &names, &words, &mut rng))
        });
        often.add(&tracker, &mut crowd, || {
            // The square of a square: the first of them are asked most.
            let place = rng.random::<f64>().powi(4) * KNOWN as f64;
            known[(place as usize).min(KNOWN - 1)].clone()
        });
    }
    let shown = benches::figures::whole(shares as f64);
    for (what, rates, wanted) in [
        ("new questions, 1,000 a second", paced, "99 % below 20 ms"),
        ("new questions", new, ""),
        ("as people ask", often, "10,000"),
    ] {
        let per_second = spread_whole(&rates.per_second);
        let cells = [
            shown.as_str(),
            what,
            &per_second,
            &spread(&rates.tail, 1),
            &format!("{:.0}", median(&rates.cost)),
        ];
        table.row(&[cells[0], cells[1], cells[2], wanted, cells[3], cells[4]]);
    }
    println!("  (filled in {filled_in:.1} s)");
}

fn line(query: &str) -> String {
    let line = json!({"type": "search", "id": 1, "query": query, "limit": 20});
    format!("{line}\n")
}

/// What the rounds gave.
#[derive(Default)]
struct Rates {
    per_second: Vec<f64>,
    /// Milliseconds until the answer, of the slowest of a hundred.
    tail: Vec<f64>,
    /// Microseconds of processor time each.
    cost: Vec<f64>,
}

impl Rates {
    /// One round: each searcher asks on when it has an answer.
    fn add(&mut self, tracker: &Program, crowd: &mut Crowd, mut next: impl FnMut() -> String) {
        let (begin, before) = (Instant::now(), tracker.processor());
        let mut asked: Vec<std::collections::VecDeque<Instant>> = vec![<_>::default(); SEARCHERS];
        for (who, asked) in asked.iter_mut().enumerate() {
            for _ in 0..WINDOW {
                crowd.send(who, next().as_bytes());
                asked.push_back(Instant::now());
            }
        }
        let (mut took, mut open) = (Vec::new(), SEARCHERS * WINDOW);
        while open > 0 {
            let mut again = Vec::new();
            crowd.lines(Duration::from_secs(60), |who, line| {
                if is_answer(line) {
                    assert!(line.starts_with(br#"{"type":"ok""#), "{}", String::from_utf8_lossy(line));
                    took.push(asked[who].pop_front().unwrap().elapsed().as_secs_f64() * 1_000.0);
                    again.push(who);
                }
            });
            let goes_on = begin.elapsed() < ROUND;
            for who in again {
                if goes_on {
                    crowd.send(who, next().as_bytes());
                    asked[who].push_back(Instant::now());
                } else {
                    open -= 1;
                }
            }
        }
        self.end(tracker, (begin, before), took);
    }

    /// One round at an even pace: each question in the turn of another searcher.
    fn add_paced(&mut self, tracker: &Program, crowd: &mut Crowd, mut next: impl FnMut() -> String) {
        let (begin, before) = (Instant::now(), tracker.processor());
        let mut asked: Vec<std::collections::VecDeque<Instant>> = vec![<_>::default(); SEARCHERS];
        let (mut took, mut sent, mut due) = (Vec::new(), 0, begin);
        while due < begin + ROUND || took.len() < sent {
            while due <= Instant::now() && due < begin + ROUND {
                // A question that this program sends late has waited since it was due.
                asked[sent % SEARCHERS].push_back(due);
                crowd.send(sent % SEARCHERS, next().as_bytes());
                sent += 1;
                due += PACE;
            }
            crowd.lines(due.saturating_duration_since(Instant::now()), |who, line| {
                if is_answer(line) {
                    assert!(line.starts_with(br#"{"type":"ok""#), "{}", String::from_utf8_lossy(line));
                    took.push(asked[who].pop_front().unwrap().elapsed().as_secs_f64() * 1_000.0);
                }
            });
        }
        self.end(tracker, (begin, before), took);
    }

    /// A round that began at a time, and with so much processor time of the tracker, is over.
    fn end(&mut self, tracker: &Program, (begin, before): (Instant, f64), mut took: Vec<f64>) {
        self.per_second.push(took.len() as f64 / begin.elapsed().as_secs_f64());
        self.cost.push((tracker.processor() - before) / took.len() as f64 * 1e6);
        took.sort_by(f64::total_cmp);
        self.tail.push(took[took.len() * 99 / 100]);
    }
}
