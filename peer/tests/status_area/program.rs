//! A prompt with status rows that tick: what the tests run in a terminal. To look at it:
//! `STATUS_AREA_HISTORY=/tmp/history cargo test -p peer --test status_area -- --exact program --nocapture`
//!
//! `rows N` sets how many rows there are, `panic` panics, `quit` leaves; anything else is repeated.
//! A message comes every twenty ticks.

use std::path::PathBuf;
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

/// Runs until `quit` or the end of its input.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(history: PathBuf) {
    let screen = Screen::start(false, false);
    let mut prompt = prompt::start(&screen, Arc::new(Names), history);
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
            #[expect(clippy::panic, reason = "what a panic leaves of the terminal is under test")]
            Typed::Line(line) if line == "panic" => panic!("as asked"),
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
