//! One says something, and a thousand hear it: a room of the tracker beside a channel of Redis and a subject
//! of NATS, with the same text, in rounds that alternate.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use benches::figures::{median, spread, spread_whole};

use crate::crowd::Crowd;
use crate::idle::hello;
use crate::programs::{self, Program, Tracker};
use crate::table::Table;

/// Messages that are on their way at once.
const WINDOW: u64 = 8;
const WARM: Duration = Duration::from_millis(500);
const ROUND: Duration = Duration::from_secs(3);
/// Begins a text; nothing else of a line has it.
const MARK: u8 = b'~';
/// Digits of the time behind it.
const DIGITS: usize = 18;
/// The times that one of so many listeners hears are looked at.
const SAMPLE: usize = 37;

/// Somebody who hands on what one says to many.
#[derive(Clone, Copy)]
enum Contender {
    Enjambre,
    Redis,
    Nats,
}

impl Contender {
    const ALL: [Self; 3] = [Self::Enjambre, Self::Redis, Self::Nats];

    fn name(self) -> String {
        let version = |program: &str| {
            let output = Command::new(program).arg("--version").output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let number =
                text.split(['=', ' ', 'v', '\n']).find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
            number.unwrap_or_default().to_owned()
        };
        match self {
            Self::Enjambre => "enjambre, a room".to_owned(),
            Self::Redis => format!("redis {}", version("redis-server")),
            Self::Nats => format!("nats {}", version("nats-server")),
        }
    }

    fn start(self) -> Program {
        let address = programs::free_address();
        let port = address.port().to_string();
        let strings = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        match self {
            Self::Enjambre => Tracker::new().sync("full").start(),
            Self::Redis => {
                let folder = programs::folder();
                let place = folder.path().display().to_string();
                let words = [
                    "--port",
                    &port,
                    "--bind",
                    "127.0.0.1",
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                    "--dir",
                    &place,
                ];
                Program::start(Path::new("redis-server"), &strings(&words), address, Some(folder))
            }
            Self::Nats => Program::start(
                Path::new("nats-server"),
                &strings(&["-a", "127.0.0.1", "-p", &port]),
                address,
                None,
            ),
        }
    }

    /// What a listener with this number says first.
    fn listen(self, number: usize) -> String {
        match self {
            Self::Enjambre => hello(number) + "{\"type\":\"join\",\"id\":2,\"room\":\"@sala\"}\n",
            Self::Redis => "SUBSCRIBE room\r\n".to_owned(),
            Self::Nats => "CONNECT {\"verbose\":false}\r\nSUB room 1\r\n".to_owned(),
        }
    }

    /// What the speaker says first.
    fn enter(self, number: usize) -> String {
        match self {
            Self::Enjambre => self.listen(number),
            Self::Redis => String::new(),
            Self::Nats => "CONNECT {\"verbose\":false}\r\n".to_owned(),
        }
    }

    fn say(self, text: &str) -> String {
        match self {
            Self::Enjambre => {
                format!("{{\"type\":\"message\",\"id\":3,\"to\":\"@sala\",\"text\":\"{text}\"}}\n")
            }
            Self::Redis => format!("PUBLISH room {text}\r\n"),
            Self::Nats => format!("PUB room {}\r\n{text}\r\n", text.len()),
        }
    }
}

/// What the rounds of one of them gave.
#[derive(Default)]
struct Rounds {
    per_second: Vec<f64>,
    /// Milliseconds.
    middle: Vec<f64>,
    tail: Vec<f64>,
    /// Microseconds of processor time of each delivery.
    cost: Vec<f64>,
}

/// All of them, with so many listeners.
pub(crate) fn rooms(listeners: usize, rounds: usize, table: &mut Table) {
    let mut results: Vec<Rounds> = Contender::ALL.iter().map(|_| Rounds::default()).collect();
    for _ in 0..rounds {
        for (contender, results) in Contender::ALL.into_iter().zip(&mut results) {
            round(contender, listeners, results);
        }
    }
    let ours = median(&results[0].per_second);
    for (contender, results) in Contender::ALL.into_iter().zip(&results) {
        let is_ours = matches!(contender, Contender::Enjambre);
        table.row(&[
            &contender.name(),
            &listeners.to_string(),
            &spread_whole(&results.per_second),
            &spread(&results.middle, 1),
            &spread(&results.tail, 1),
            &format!("{:.2}", median(&results.cost)),
            &format!("{:.2}", ours / median(&results.per_second)),
            if is_ours && listeners == 1_000 { "1,000,000 or more; 99 % below 20 ms" } else { "" },
        ]);
    }
}

fn round(contender: Contender, listeners: usize, results: &mut Rounds) {
    let server = contender.start();
    let mut crowd = Crowd::new();
    for number in 0..listeners {
        crowd.join(server.address, &contender.listen(number));
        if number % 16 == 15 {
            crowd.turn(Duration::ZERO, |_, _| {});
        }
    }
    let speaker = crowd.join(server.address, &contender.enter(listeners));
    crowd.quieten(Duration::from_millis(500));

    let begin = Instant::now();
    let mut counting: Option<(Instant, u64, f64)> = None;
    let (mut said, mut heard, mut took) = (0_u64, 0_u64, Vec::new());
    while counting.is_none_or(|(since, ..)| since.elapsed() < ROUND) {
        if counting.is_none() && begin.elapsed() > WARM {
            counting = Some((Instant::now(), heard, server.processor()));
        }
        while said < heard / listeners as u64 + WINDOW {
            let text = format!("~{:018}{}", begin.elapsed().as_micros(), "a".repeat(21));
            crowd.send(speaker, contender.say(&text).as_bytes());
            said += 1;
        }
        crowd.turn(Duration::from_millis(20), |who, bytes| {
            if who == speaker {
                return;
            }
            heard += memchr::memchr_iter(MARK, bytes).count() as u64;
            if counting.is_some() && who.is_multiple_of(SAMPLE) {
                took.extend(memchr::memrchr(MARK, bytes).and_then(|at| age(&bytes[at + 1..], begin)));
            }
        });
    }
    let (since, before, used) = counting.unwrap();
    let delivered = (heard - before) as f64;
    results.per_second.push(delivered / since.elapsed().as_secs_f64());
    results.cost.push((server.processor() - used) / delivered * 1e6);
    took.sort_by(f64::total_cmp);
    results.middle.push(took[took.len() / 2]);
    results.tail.push(took[took.len() * 99 / 100]);
}

/// Milliseconds since the time that stands at the beginning of this, if all of it came.
fn age(text: &[u8], begin: Instant) -> Option<f64> {
    let digits = std::str::from_utf8(text.get(..DIGITS)?).ok()?;
    let said: f64 = digits.parse().ok()?;
    Some((begin.elapsed().as_micros() as f64 - said) / 1_000.0)
}
