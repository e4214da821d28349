//! One running program seen from outside: its lines as they come, its input, signals and its end.
//!
//! A reader thread per stream collects lines; tests wait for a line, never for time.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::wait;

/// All lines of standard output and standard error in the order of their coming.
#[derive(Debug, Default)]
struct Lines {
    list: Mutex<Vec<String>>,
    grew: Condvar,
}

impl Lines {
    fn push(&self, line: String) {
        self.list.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        self.grew.notify_all();
    }
}

/// A child process; killed when dropped.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Arc<Lines>,
    readers: Vec<JoinHandle<()>>,
}

impl Program {
    /// Starts a command with piped streams.
    pub fn start(name: impl Into<String>, command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let lines = Arc::new(Lines::default());
        let readers = [collect(child.stdout.take(), &lines), collect(child.stderr.take(), &lines)];
        let readers = readers.into_iter().flatten().collect();
        Self { name: name.into(), input: child.stdin.take(), child, lines, readers }
    }

    /// The number of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types one line.
    pub fn type_line(&mut self, line: &str) {
        let name = self.name.clone();
        let input = self.input.as_mut().unwrap_or_else(|| panic!("{name}: the input is closed"));
        let text = format!("{line}\n");
        input
            .write_all(text.as_bytes())
            .unwrap_or_else(|error| panic!("{name}: cannot type {line:?}: {error}"));
        input.flush().expect("a pipe flushes");
    }

    /// Ends the input, as Ctrl-D does.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// How many lines there are so far: a place to look from later.
    pub fn mark(&self) -> usize {
        self.lines.list.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.list.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for a line that holds all the words, looking from a mark on; gives the line.
    pub fn line_with(&self, from: usize, words: &[&str], most: Duration) -> String {
        self.line_where(from, &format!("{words:?}"), most, |line| {
            words.iter().all(|word| line.contains(word))
        })
    }

    /// Waits for a line that passes a test; gives the line.
    pub fn line_where(
        &self,
        from: usize,
        what: &str,
        most: Duration,
        is_it: impl Fn(&str) -> bool,
    ) -> String {
        let end = Instant::now() + most;
        let mut seen = from;
        let mut list = self.lines.list.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(line) = list.iter().skip(seen).find(|line| is_it(line)) {
                return line.clone();
            }
            seen = list.len().max(from);
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let tail = list.iter().skip(list.len().saturating_sub(40)).cloned().collect::<Vec<_>>();
                drop(list);
                panic!(
                    "{}: waited {most:?} in vain for {what}; its last lines:\n{}",
                    self.name,
                    tail.join("\n")
                );
            }
            list = self.lines.grew.wait_timeout(list, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits for a JSON line of a type.
    pub fn json_of_type(&self, from: usize, kind: &str, most: Duration) -> Value {
        let of_kind = |line: &str| json(line).is_some_and(|value| value["type"] == kind);
        let line = self.line_where(from, &format!("a JSON line of type {kind:?}"), most, of_kind);
        json(&line).expect("it was JSON a moment ago")
    }

    /// SIGKILL: no farewell. Returns when the process is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGINT, as Ctrl-C in its terminal.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// SIGTERM, as a system that shuts down.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process number");
        kill_process(pid, signal).unwrap_or_else(|error| panic!("{}: cannot signal: {error}", self.name));
    }

    /// Has it ended?
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child can be asked")
    }

    /// Waits for its end and for its last line, and gives the exit code (a signal counts as -1).
    pub fn exit_code(&mut self, most: Duration) -> i32 {
        let child = &mut self.child;
        let ended = wait::within(most, || child.try_wait().expect("our own child can be asked"));
        let Some(status) = ended else {
            panic!("{} did not end within {most:?}; its lines:\n{}", self.name, self.lines().join("\n"));
        };
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        status.code().unwrap_or(-1)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            let lines = self.lines();
            let tail = &lines[lines.len().saturating_sub(60)..];
            println!("--- last lines of {}:\n{}", self.name, tail.join("\n"));
        }
    }
}

/// A line as JSON, if it is a JSON object.
pub fn json(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok().filter(Value::is_object)
}

fn collect(stream: Option<impl Read + Send + 'static>, lines: &Arc<Lines>) -> Option<JoinHandle<()>> {
    let stream = stream?;
    let lines = Arc::clone(lines);
    Some(std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            lines.push(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
            line.clear();
        }
    }))
}
