//! What a program was doing when a test gave up: its threads, its last lines in a log, and how busy the
//! machine was. Held by a test; it speaks only when that fails.

use std::cell::Cell;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of the log that are shown.
const LINES: usize = 12;

/// Looks at a process when the test that holds it panics, so it is to be dropped before the process.
#[derive(Debug)]
pub struct Witness {
    pid: Cell<u32>,
    log: PathBuf,
}

impl Witness {
    /// Of a process that writes to a log.
    pub fn new(pid: u32, log: PathBuf) -> Self {
        Self { pid: Cell::new(pid), log }
    }

    /// The process was started again.
    pub fn follow(&self, pid: u32) {
        self.pid.set(pid);
    }

    /// What is seen at this moment.
    pub fn look(&self) -> String {
        let mut text = format!("load {}", read(Path::new("/proc/loadavg")));
        let tasks = PathBuf::from(format!("/proc/{}/task", self.pid.get()));
        let tasks = fs::read_dir(&tasks).map_or_else(|_| Vec::new(), |all| all.flatten().collect());
        let _ = writeln!(text, "process {}, {} threads", self.pid.get(), tasks.len());
        for task in tasks {
            let of = |name: &str| read(&task.path().join(name));
            // Name, state, and the ticks that it ran for itself and in the system.
            let stat = of("stat");
            let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
            let field = |at: usize| fields.get(at).copied().unwrap_or("?");
            let (state, user, system) = (field(0), field(11), field(12));
            let name = of("comm");
            let (name, wchan) = (name.trim(), of("wchan"));
            let _ = writeln!(text, "  {name:<16} {state} {user}+{system} ticks  {wchan}");
            for line in of("stack").lines().take(6) {
                let _ = writeln!(text, "      {line}");
            }
        }
        let log = read(&self.log);
        let lines: Vec<&str> = log.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(LINES)) {
            let _ = writeln!(text, "log: {}", line.chars().take(300).collect::<String>());
        }
        text
    }
}

fn read(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("--- as it stood\n{}", self.look());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sees_the_threads_of_a_process_and_the_end_of_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        fs::write(&log, "first\n".repeat(LINES) + "last\n").unwrap();
        let seen = Witness::new(std::process::id(), log).look();
        let own = read(Path::new("/proc/self/comm"));
        assert!(seen.starts_with("load ") && seen.contains(own.trim()), "{seen}");
        assert!(seen.ends_with("log: last\n") && seen.matches("log: ").count() == LINES, "{seen}");
    }
}
