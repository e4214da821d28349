//! What the operator types: one verb a line, its answer below.
//!
//! End of input is no wish to stop: a service has no input at all.

mod orders;

use std::io::BufRead as _;
use std::time::Duration;

use runtime::Shutdown;
use shared::control::{Counters, Entry, Person};
use shared::display::{Elapsed, Size, fit};
use tokio::sync::mpsc;

use crate::Tracker;

const HELP: &str = "\
status            how many peers, entries, messages
peers             who is here
shares [NAME]     what is shared
say TEXT          a line for everyone
motd [TEXT|off]   what everyone is told who comes
mute NICK [30m] [WHY]     someone may not write     unmute NICK
kick NICK [WHY]           someone is sent away
ban NICK|IP|NETWORK [2d] [WHY]   ... and may not come back     unban ...
remove #ID|NAME [WHY]     a file is taken off the list, for good     restore #ID|NAME
room add @NAME [KEY]      a room that stays; KEY closes it    room open @NAME
room del @NAME            a room goes                         room list
bans              who may not come, who may not write, what may not be shared
orders            what was ordered lately, by whom, when, why
stop              tell everyone and stop (so does Ctrl-C)
help              this";

/// The verbs of this file, for guessing what was meant.
const VERBS: [&str; 5] = ["status", "peers", "shares", "stop", "help"];

/// Takes verbs from standard input until it ends or the tracker stops.
pub(crate) async fn run(tracker: &Tracker, shutdown: &Shutdown) {
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        let answer = obey(tracker, shutdown, line.trim()).await;
        if !answer.is_empty() {
            print(&answer);
        }
        if shutdown.is_requested() {
            return;
        }
    }
    // Nothing more will come; whoever waits for this waits for ever.
    std::future::pending::<()>().await;
}

#[expect(clippy::print_stdout, reason = "this is what the operator asked to see")]
fn print(answer: &str) {
    println!("{answer}");
}

/// Standard input blocks, so it has a thread of its own, which ends with the program.
fn lines() -> mpsc::Receiver<String> {
    let (to, lines) = mpsc::channel(16);
    let reading = std::thread::Builder::new().name("console".to_owned()).spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if to.blocking_send(line).is_err() {
                return;
            }
        }
    });
    if let Err(error) = reading {
        tracing::warn!(%error, "the console takes no verbs: its thread could not be started");
    }
    lines
}

async fn obey(tracker: &Tracker, shutdown: &Shutdown, line: &str) -> String {
    let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    match orders::read_line(tracker.hub(), verb.trim_start_matches('/'), rest) {
        Some(orders::Line::Order(action)) => return orders::obey(tracker.hub(), action).await,
        Some(orders::Line::Said(answer)) => return answer,
        None => {}
    }
    match verb.trim_start_matches('/') {
        "" => String::new(),
        "status" | "estado" => {
            let trouble = tracker.hub().failure();
            let trouble = trouble.map(|why| format!("\nnothing is kept on disk: {why}"));
            status(&tracker.hub().counters(), tracker.dropped_datagrams()) + &trouble.unwrap_or_default()
        }
        "peers" | "who" | "pares" | "quien" => peers(&tracker.hub().people()),
        "shares" | "compartidos" => shares(&tracker.hub().entries(), rest),
        "stop" | "quit" | "exit" | "salir" => {
            shutdown.request();
            String::new()
        }
        "help" | "?" | "ayuda" => HELP.to_owned(),
        unknown => {
            let nearest =
                VERBS.iter().chain(&orders::VERBS).min_by_key(|known| strsim::osa_distance(unknown, known));
            let guess = nearest.filter(|known| strsim::osa_distance(unknown, known) <= 2);
            let guess = guess.map(|known| format!(" Did you mean: {known} ?")).unwrap_or_default();
            format!("\"{}\" is not a command.{guess}\n  try: help", fit(unknown, 40))
        }
    }
}

fn status(counters: &Counters, dropped: u64) -> String {
    let uptime = Elapsed(Duration::from_secs(counters.uptime));
    let unnamed = match counters.unnamed {
        0 => String::new(),
        unnamed => format!(" and {unnamed} without a name"),
    };
    format!(
        "up {uptime}   {} online{unnamed} (most {}, {} connects)\n{} entries, {}   {} downloads done, {} received\n\
         {} messages   {} requests refused   {dropped} datagrams dropped",
        counters.online,
        counters.most_online,
        counters.connects,
        counters.entries,
        Size(counters.bytes),
        counters.completed,
        Size(counters.downloaded),
        counters.messages,
        counters.refused,
    )
}

fn peers(people: &[Person]) -> String {
    if people.is_empty() {
        return "Nobody is here.".to_owned();
    }
    let rows = people.iter().map(|person| {
        let address = person.addresses.first().copied().unwrap_or(person.address);
        let reach = if person.addresses.is_empty() { "  cannot be dialled" } else { "" };
        let reach = format!("{reach}{}", if person.chat { "" } else { "  cannot chat" });
        let (nick, agent) = (fit(&person.nick, 20), fit(&person.agent, 24));
        let size = Size(person.bytes);
        format!("{nick:<12} {address:<22} {:>4} shares {size:>9}  {agent}{reach}", person.shares)
    });
    rows.collect::<Vec<_>>().join("\n")
}

fn shares(entries: &[Entry], name: &str) -> String {
    let wanted = name.to_lowercase();
    let rows: Vec<String> = entries
        .iter()
        .filter(|entry| entry.name.to_lowercase().contains(&wanted))
        .map(|entry| {
            let by = if entry.by.is_empty() { "-".to_owned() } else { entry.by.join(" ") };
            let (name, size) = (fit(&entry.name, 40), Size(entry.size));
            let sources = format!("{}/{} full", entry.full, entry.sources);
            format!("{:<8} {name:<24} {size:>9}  {sources:<10} {}", entry.entry.0, fit(&by, 40))
        })
        .collect();
    match (rows.is_empty(), name.is_empty()) {
        (true, true) => "Nothing is shared.".to_owned(),
        (true, false) => format!("Nothing that is shared has \"{}\" in its name.", fit(name, 40)),
        (false, _) => rows.join("\n"),
    }
}
