//! The programs that are measured: started on the core of servers with a folder of their own, read from
//! outside, and ended by their ids.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::idle::hello;

/// The core of whatever is measured.
pub(crate) const SERVER_CORE: &str = "0";
/// The core of the load.
pub(crate) const LOAD_CORE: &str = "1";
/// How long a program may take to listen.
const PATIENCE: Duration = Duration::from_secs(120);
/// Ticks of `/proc/PID/stat` in a second.
const TICKS: f64 = 100.0;

/// Until another process is asked again how it stands, which it has no way to tell by itself.
#[expect(clippy::disallowed_methods, reason = "what is waited for is another process")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// A program that listens. It ends when this is dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From its start until it served.
    pub(crate) started_in: Duration,
    /// Its own folder, which ends with it.
    folder: Option<TempDir>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    /// Starts `command` pinned, and waits until `address` takes connections.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        address: SocketAddr,
        folder: Option<TempDir>,
    ) -> Self {
        let begin = Instant::now();
        let mut command = Command::new("taskset");
        command.args(["-c", SERVER_CORE]).arg(program).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{} ended: {status}", program.display());
            }
            assert!(begin.elapsed() < PATIENCE, "{} does not listen", program.display());
            pause(Duration::from_millis(1));
        }
        Self { child, address, started_in: begin.elapsed(), folder }
    }

    /// Bytes of memory that it has now.
    pub(crate) fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(self.proc("status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() * 1_024.0
    }

    /// Seconds of processor time that it used so far.
    pub(crate) fn processor(&self) -> f64 {
        let stat = std::fs::read_to_string(self.proc("stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
    }

    /// Files and sockets that it has open.
    pub(crate) fn handles(&self) -> usize {
        std::fs::read_dir(self.proc("fd")).unwrap().count()
    }

    /// Ends it in good order.
    pub(crate) fn stop(mut self) {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        let begin = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < PATIENCE, "it does not end");
            pause(Duration::from_millis(5));
        }
    }

    fn proc(&self, what: &str) -> String {
        format!("/proc/{}/{what}", self.child.id())
    }
}

/// What a tracker is started with.
pub(crate) struct Tracker {
    program: PathBuf,
    sync: &'static str,
}

impl Tracker {
    /// The program beside this one.
    pub(crate) fn new() -> Self {
        let program = std::env::current_exe().unwrap().with_file_name("tracker");
        assert!(program.is_file(), "{} is missing: cargo build --release --bin tracker", program.display());
        Self { program, sync: "normal" }
    }

    /// With another promise.
    pub(crate) fn sync(self, sync: &'static str) -> Self {
        Self { sync, ..self }
    }

    /// Starts it in a new folder.
    pub(crate) fn start(&self) -> Program {
        let folder = folder();
        let mut program = self.start_in(folder.path());
        program.folder = Some(folder);
        program
    }

    /// Starts it in a folder that stays, and waits until it answers.
    pub(crate) fn start_in(&self, folder: &Path) -> Program {
        let arguments = self.arguments(folder);
        let address = arguments[3].parse().unwrap();
        let begin = Instant::now();
        let mut program = Program::start(&self.program, &arguments, address, None);
        // It listens before it has read what it remembers. A guest leaves nothing behind.
        let mut guest = TcpStream::connect(address).unwrap();
        let hello = hello(usize::MAX).replace("\"id\":1,", "\"id\":1,\"guest\":true,");
        guest.write_all(hello.as_bytes()).unwrap();
        let mut answer = String::new();
        BufReader::new(&guest).read_line(&mut answer).unwrap();
        assert!(answer.starts_with("{\"type\":\"welcome\""), "{answer}");
        program.started_in = begin.elapsed();
        program
    }

    fn arguments(&self, folder: &Path) -> Vec<String> {
        // Many come from one address here, and talk more than people would.
        let mut settings = String::new();
        for (name, value) in [
            ("sessions_per_local_address", 1_000_000),
            ("max_peers", 100_000),
            ("requests_per_second", 1_000_000),
            ("messages_per_second", 1_000_000),
            ("message_kilobytes_per_second", 1_000_000),
        ] {
            writeln!(settings, "{name} = {value}").unwrap();
        }
        std::fs::write(folder.join("tracker.toml"), settings).unwrap();
        let place = folder.display().to_string();
        let listen = free_address().to_string();
        ["--dir", &place, "--listen", &listen, "--no-http", "--sync", self.sync].map(str::to_owned).into()
    }
}

/// A folder on the disk on which this was built.
pub(crate) fn folder() -> TempDir {
    let beside = std::env::current_exe().unwrap();
    tempfile::Builder::new().prefix("sessions.").tempdir_in(beside.parent().unwrap()).unwrap()
}

/// An address of this machine that nobody listens on.
pub(crate) fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Keeps this program on the core of the load.
pub(crate) fn pin() {
    let id = std::process::id().to_string();
    let pinned = Command::new("taskset").args(["-cp", LOAD_CORE, &id]).stdout(Stdio::null()).status();
    assert!(pinned.is_ok_and(|status| status.success()), "taskset is missing: apt-get install util-linux");
}
