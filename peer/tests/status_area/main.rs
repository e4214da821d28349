//! The prompt in a real pseudo-terminal, and without one: what a person would see.

#![allow(clippy::unwrap_used, reason = "tests")]
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod program;

use std::io::{Read, Write};
use std::num::NonZero;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Nothing here takes long; a machine under load may.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names the history file of the program, and by being there makes this binary be the program.
const HISTORY: &str = "STATUS_AREA_HISTORY";
/// What this binary is run with, to be the program.
const ARGUMENTS: [&str; 5] = ["--quiet", "--exact", "program", "--nocapture", "--test-threads=1"];

/// Not a test: the program that the tests run.
#[test]
fn program() {
    if let Some(history) = std::env::var_os(HISTORY) {
        program::run(history.into());
    }
}

/// A pseudo-terminal with a program in it.
struct Terminal {
    screen: Arc<(Mutex<vt100::Parser>, Condvar)>,
    keys: Box<dyn Write + Send>,
    master: Box<dyn MasterPty + Send>,
    _folder: tempfile::TempDir,
}

impl Terminal {
    /// Runs the program and then `after`, in a shell, on a terminal of this size.
    fn start(rows: u16, columns: u16, after: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pair = native_pty_system()
            .openpty(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 })
            .unwrap();
        let mut shell = CommandBuilder::new("sh");
        shell.args(["-c", &format!("\"$0\" \"$@\"; {after}")]);
        shell.arg(std::env::current_exe().unwrap());
        shell.args(ARGUMENTS);
        shell.env(HISTORY, folder.path().join("history"));
        shell.env("TERM", "xterm-256color");
        // A backtrace would push off the screen what is looked for.
        shell.env("RUST_BACKTRACE", "0");
        pair.slave.spawn_command(shell).unwrap();
        let parser = vt100::Parser::new(NonZero::new(rows).unwrap(), NonZero::new(columns).unwrap(), 0);
        let screen = Arc::new((Mutex::new(parser), Condvar::new()));
        let shown = Arc::clone(&screen);
        let mut output = pair.master.try_clone_reader().unwrap();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                shown.0.lock().unwrap().process(&bytes[..read]);
                shown.1.notify_all();
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Self { screen, keys, master: pair.master, _folder: folder }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    fn resize(&mut self, rows: u16, columns: u16) {
        let mut parser = self.screen.0.lock().unwrap();
        parser.screen_mut().set_size(NonZero::new(rows).unwrap(), NonZero::new(columns).unwrap());
        self.master.resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }).unwrap();
    }

    /// Waits until the rows of the screen are as wanted, and gives them.
    fn wait(&self, wanted: &str, is_so: impl Fn(&[String]) -> bool) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut parser = self.screen.0.lock().unwrap();
        loop {
            let columns = parser.screen().size().1.get();
            let rows: Vec<String> =
                parser.screen().rows(0, columns).map(|row| row.trim_end().to_owned()).collect();
            if is_so(&rows) {
                return rows;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "never came: {wanted}\n{}", rows.join("\n"));
            parser = self.screen.1.wait_timeout(parser, left).unwrap().0;
        }
    }
}

/// Whether an empty line is being edited: before that, keys go to the terminal's own line discipline.
fn prompts(rows: &[String]) -> bool {
    rows.iter().rfind(|row| !row.is_empty() && !row.starts_with("row ")).is_some_and(|row| row == "ana>")
}

/// The tick that the status row `row` shows on the last lines of the screen.
fn tick(rows: &[String], row: usize) -> Option<u64> {
    let start = format!("row {row}  tick ");
    rows.iter().rev().find_map(|line| line.strip_prefix(&start)?.parse().ok())
}

fn place(rows: &[String], line: &str) -> Option<usize> {
    rows.iter().position(|row| row == line)
}

#[test]
fn rows_tick_and_messages_come_while_a_half_typed_line_stays_whole() {
    let mut terminal = Terminal::start(12, 50, "seq 100 140; stty -a");
    terminal.wait("the prompt", prompts);
    terminal.press("half a typed li");
    let typed = "ana> half a typed li";
    let before = terminal.wait("the typed line", |rows| place(rows, typed).is_some());
    let began = tick(&before, 1).unwrap_or(0);
    let rows = terminal.wait("ticks and a message above the line", |rows| {
        let above = |message: &String| message.starts_with("[10:34] bob: message");
        let at = place(rows, typed);
        tick(rows, 2).is_some_and(|now| now > began + 40)
            && at.is_some_and(|at| at >= 2 && above(&rows[at - 1]) && above(&rows[at - 2]))
    });
    assert!(rows[10].starts_with("row 1  tick") && rows[11].starts_with("row 2  tick"), "{rows:#?}");
    assert_eq!(rows.iter().filter(|row| row.starts_with("row ")).count(), 2, "{rows:#?}");

    terminal.press("ne\r");
    terminal.wait("the whole line was read", |rows| {
        place(rows, "you typed 17: half a typed line").is_some() && prompts(rows)
    });
    terminal.press("\u{1}\u{b}quit\r");
    // What the shell prints afterwards scrolls over the whole terminal, in a line discipline as found.
    let rows = terminal.wait("the shell goes on", |rows| rows.iter().any(|row| row.contains("echoke")));
    assert!(!rows.iter().any(|row| row.starts_with("row ")), "{rows:#?}");
    assert!(rows.iter().any(|row| row.contains(" icanon") || row.starts_with("icanon")), "{rows:#?}");
    assert!(!rows[10].is_empty(), "the last rows scroll again: {rows:#?}");
}

#[test]
fn a_long_line_wraps_above_the_rows_and_the_number_of_rows_may_change() {
    let mut terminal = Terminal::start(14, 40, "true");
    terminal.wait("the prompt", prompts);
    terminal.press("rows 4\r");
    terminal.wait("four rows", |rows| tick(rows, 4).is_some() && prompts(rows));
    for _ in 0..8 {
        terminal.press("\r");
    }
    terminal.press(&"x".repeat(90));
    terminal.wait("the wrapped line at the foot, the rows below it", |rows| {
        let wrapped = [format!("ana> {}", "x".repeat(35)), "x".repeat(40), "x".repeat(15)];
        rows[7..10] == wrapped && rows[10].starts_with("row 1")
    });
    terminal.press("\r");
    terminal.wait("all of it was read", |rows| rows.iter().any(|row| row.starts_with("you typed 90: xxx")));
    terminal.press("rows 0\r");
    terminal.wait("no row is left", |rows| rows.iter().all(|row| !row.starts_with("row ")));
}

#[test]
fn a_resize_leaves_one_set_of_rows_and_the_line() {
    let mut terminal = Terminal::start(14, 50, "true");
    terminal.wait("the prompt", prompts);
    terminal.press("half");
    terminal
        .wait("the line and the rows", |rows| place(rows, "ana> half").is_some() && tick(rows, 2).is_some());
    for (height, width) in [(20, 60), (10, 30), (24, 80)] {
        terminal.resize(height, width);
        terminal.wait("rows at the new foot, and nowhere else", |rows| {
            rows.iter().filter(|row| row.starts_with("row ")).count() == 2
                && rows[rows.len() - 2].starts_with("row 1")
                && rows[rows.len() - 1].starts_with("row 2")
                && place(rows, "ana> half").is_some()
        });
    }
    terminal.resize(6, 80);
    terminal.wait("a small terminal has the line and no held rows", |rows| {
        rows.len() == 6 && place(rows, "ana> half").is_some() && rows[5].starts_with("row ").eq(&false)
    });
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_is_reported() {
    let mut terminal = Terminal::start(40, 80, "echo; stty -a | tr ' ' '\\n' | grep -x icanon; echo after");
    terminal.wait("the rows", |rows| tick(rows, 2).is_some() && prompts(rows));
    terminal.press("panic\r");
    let rows = terminal.wait("the shell goes on", |rows| place(rows, "after").is_some());
    assert!(rows.iter().any(|row| row.contains("as asked")), "{rows:#?}");
    assert!(place(&rows, "icanon").is_some(), "{rows:#?}");
    assert!(rows.iter().all(|row| !row.starts_with("row ")), "{rows:#?}");
}

#[test]
fn keys_clear_interrupt_complete_and_end() {
    let mut terminal = Terminal::start(12, 60, "echo exit $?");
    terminal.wait("the prompt", prompts);
    terminal.press("get pel\t");
    terminal.wait("a name in quotes", |rows| place(rows, "ana> get \"película uno.mkv\"").is_some());
    terminal.press("\u{3}");
    terminal.wait("a cleared line", prompts);
    terminal.press("\u{3}");
    terminal.wait("an interrupt", |rows| place(rows, "interrupted").is_some() && prompts(rows));
    terminal.press("\u{4}");
    terminal.wait("the end", |rows| place(rows, "exit 0").is_some());
}

#[test]
fn pasted_lines_come_one_by_one_and_escapes_do_nothing() {
    let mut terminal = Terminal::start(16, 60, "true");
    terminal.wait("the prompt", prompts);
    terminal.press("\u{1b}[200~first\nsecond \u{1b}[2J\u{1b}[201~\r");
    let rows = terminal.wait("both lines", |rows| rows.iter().any(|row| row.contains(": second")));
    assert!(place(&rows, "you typed 5: first").is_some(), "{rows:#?}");
}

#[test]
fn a_pipe_gives_its_lines_and_gets_no_control_characters() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(ARGUMENTS)
        .env(HISTORY, folder.path().join("history"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let long = "y".repeat(70_000);
    let writer = std::thread::spawn(move || write!(input, "first\n{long}\nlast").unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(out.contains("you typed 5: first\n") && out.contains("you typed 4: last\n"), "{out}");
    assert!(out.contains("left\n"), "{out}");
    assert!(err.starts_with("Too long (70000 bytes, limit 65536)."), "{err}");
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!out.contains(control) && !err.contains(control), "{out:?} {err:?}");
    assert!(!folder.path().join("history").exists(), "a pipe is not remembered");
}
