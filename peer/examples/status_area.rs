//! A prompt with status rows that tick, to look at and to test in a real terminal.
//!
//! `rows N` sets how many rows there are, `panic` panics, `quit` leaves; anything else is repeated.
//! A message comes every twenty ticks.

use std::sync::Arc;
use std::time::Duration;

use peer::terminal::prompt::{self, Typed};
use peer::terminal::{Complete, Screen};

struct Names;

impl Complete for Names {
    fn complete(&self, line: &str, at: usize) -> (usize, Vec<String>) {
        let start = line[..at].rfind(' ').map_or(0, |blank| blank + 1);
        let typed = line[start..at].trim_start_matches('"');
        let names = ["linux.iso", "película uno.mkv"];
        (start, names.iter().filter(|name| name.starts_with(typed)).map(|name| (*name).to_owned()).collect())
    }
}

#[expect(clippy::panic, reason = "what a panic leaves of the terminal is one of the things to look at")]
fn panic_now() {
    panic!("as asked");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let history = std::env::args_os().nth(1).unwrap_or_else(|| "status_area_history".into());
    let screen = Screen::start(false, false);
    let mut prompt = prompt::start(&screen, Arc::new(Names), history.into());
    prompt.set_prompt("ana> ");
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let (mut tick, mut rows) = (0_u64, 2_u64);
    loop {
        let typed = tokio::select! {
            typed = prompt.next() => typed,
            _ = ticks.tick() => {
                tick += 1;
                screen.rows((1..=rows).map(|row| format!("row {row}  tick {tick}")).collect());
                if tick.is_multiple_of(20) {
                    screen.say(&format!("[10:34] bob: message {}", tick / 20));
                }
                continue;
            }
        };
        match typed {
            Typed::Line(line) if line == "quit" => break,
            Typed::Line(line) if line == "panic" => panic_now(),
            Typed::Line(line) => match line.strip_prefix("rows ").and_then(|count| count.parse().ok()) {
                Some(count) => rows = count,
                None => screen.say(&format!("you typed {}: {}", line.len(), shared::display::escape(&line))),
            },
            Typed::TooLong(bytes) => screen.failure(&peer::words::too_long(bytes)),
            Typed::Interrupt => screen.say("interrupted"),
            Typed::End => break,
        }
    }
    drop(prompt);
    screen.say("left");
}
