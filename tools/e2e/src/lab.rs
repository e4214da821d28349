//! A fresh folder, free ports, and the real programs in it. Everything ends and is removed with the [`Lab`].
//!
//! The programs are those that stand in `target/release` beside the tests, built by `cargo xtask e2e`, or in
//! the folder that `E2E_BIN_DIR` names, which must be an absolute path.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::control::Control;
use crate::hosts::Host;
use crate::ports::free_address;
use crate::program::Program;
use crate::wait::until;
use crate::web;

/// How long a program may take to be ready on a busy machine.
const START: Duration = Duration::from_secs(20);

/// Where nothing listens, on any host (the port "discard").
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// One experiment.
#[derive(Debug)]
pub struct Lab {
    folder: TempDir,
    programs: PathBuf,
}

impl Lab {
    /// A laboratory in a new folder of the system's temporary folder.
    #[expect(clippy::new_without_default, reason = "it makes a folder on the disk")]
    pub fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// A laboratory on the RAM disk, for big files; in the temporary folder where there is none.
    pub fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Self::below(memory) } else { Self::new() }
    }

    fn below(folder: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("enjambre-e2e.").tempdir_in(folder);
        Self { folder: folder.expect("a temporary folder"), programs: programs() }
    }

    /// A folder of the laboratory, made when it is not there.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(&path).expect("a folder in the laboratory");
        path
    }

    /// The path of a program that ships.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// A tracker, started and listening.
    pub fn tracker(&self) -> Tracker {
        self.tracker_named("tracker")
    }

    /// A tracker with a folder of its own, for tests that have several.
    pub fn tracker_named(&self, name: &str) -> Tracker {
        Tracker::start(self, self.folder(name), free_address(), Doors::All, None)
    }

    /// A tracker that another program starts, such as `env A=B`, by becoming it.
    pub fn tracker_through(&self, starter: &[&str]) -> Tracker {
        let starter = starter.iter().map(|&word| word.to_owned()).collect();
        Tracker::start_through(self, self.folder("tracker"), free_address(), Doors::All, None, starter)
    }

    /// A tracker that speaks with our peers and nobody else.
    pub fn tracker_without_other_doors(&self) -> Tracker {
        Tracker::start(self, self.folder("tracker"), free_address(), Doors::Json, None)
    }

    /// A tracker on another host, at the usual ports.
    pub fn tracker_on(&self, host: &Host) -> Tracker {
        Tracker::start(self, self.folder("tracker"), (host.ip(), 5000).into(), Doors::All, Some(host.clone()))
    }

    /// A peer on another host, not started yet.
    pub fn peer_on(&self, host: &Host, nick: &str, tracker: &Tracker) -> Peer {
        let mut peer = self.peer(nick, tracker);
        peer.listen = (host.ip(), 6881).into();
        peer.host = Some(host.clone());
        peer
    }

    /// A peer on another host whose tracker is not there: whatever names others to it, no tracker does.
    pub fn peer_alone_on(&self, host: &Host, nick: &str) -> Peer {
        let mut peer = self.peer_alone(nick);
        peer.listen = (host.ip(), 6881).into();
        peer.host = Some(host.clone());
        peer
    }

    /// A peer on another host that is not told of any tracker.
    pub fn peer_untold_on(&self, host: &Host, nick: &str) -> Peer {
        let mut peer = self.peer_alone_on(host, nick);
        peer.tracker = None;
        peer
    }

    /// A peer whose tracker is not there.
    pub fn peer_alone(&self, nick: &str) -> Peer {
        self.peer_of(nick, NOBODY)
    }

    /// A peer, not started yet, with a folder of its own.
    pub fn peer(&self, nick: &str, tracker: &Tracker) -> Peer {
        self.peer_of(nick, tracker.address)
    }

    fn peer_of(&self, nick: &str, tracker: SocketAddr) -> Peer {
        Peer {
            nick: nick.to_owned(),
            folder: self.folder(nick),
            tracker: Some(tracker),
            listen: free_address(),
            options: Vec::new(),
            prompt_options: Vec::new(),
            executable: self.program("peer"),
            host: None,
            program: None,
        }
    }
}

/// For whom a tracker is there.
#[derive(Debug, Clone, Copy)]
enum Doors {
    /// For our peers, and for clients of other people.
    All,
    /// For our peers alone.
    Json,
}

/// A tracker process that can be killed and started again at the same address.
#[derive(Debug)]
pub struct Tracker {
    programs: PathBuf,
    address: SocketAddr,
    /// Its door for other people's clients, TCP and UDP.
    http: SocketAddr,
    doors: Doors,
    folder: PathBuf,
    host: Option<Host>,
    /// The words before its own.
    starter: Vec<String>,
    program: Program,
}

impl Tracker {
    fn start(lab: &Lab, folder: PathBuf, address: SocketAddr, doors: Doors, host: Option<Host>) -> Self {
        Self::start_through(lab, folder, address, doors, host, Vec::new())
    }

    fn start_through(
        lab: &Lab,
        folder: PathBuf,
        address: SocketAddr,
        doors: Doors,
        host: Option<Host>,
        starter: Vec<String>,
    ) -> Self {
        let http = match host {
            Some(_) => SocketAddr::new(address.ip(), 6969),
            None => free_address(),
        };
        let program = start_tracker(&lab.programs, address, (doors, http), &folder, host.as_ref(), &starter);
        Self { programs: lab.programs.clone(), address, http, doors, folder, host, starter, program }
    }

    /// Where it listens for clients of other people.
    pub const fn http(&self) -> SocketAddr {
        self.http
    }

    /// The announce URL that those clients are given.
    pub fn announce(&self) -> String {
        format!("http://{}/announce", self.http)
    }

    /// The same by datagrams.
    pub fn announce_udp(&self) -> String {
        format!("udp://{}/announce", self.http)
    }

    /// Fetches the `.torrent` file of a share from its page into a folder.
    pub fn torrent(&self, name: &str, folder: &Path) -> PathBuf {
        let path = folder.join(format!("{name}.torrent"));
        let answer = until("the page to have the torrent", START, || {
            let answer = web::get(self.http, &format!("/t/{name}.torrent"));
            (answer.status == 200).then_some(answer)
        });
        assert_eq!(answer.header("content-type"), Some("application/x-bittorrent"), "{:?}", answer.head);
        std::fs::write(&path, answer.body).expect("the .torrent file");
        path
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process.
    pub const fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.program.kill();
    }

    /// Starts it again where it was, after [`Tracker::kill`].
    pub fn restart(&mut self) {
        let Self { programs, address, http, doors, folder, host, starter, .. } = self;
        self.program = start_tracker(programs, *address, (*doors, *http), folder, host.as_ref(), starter);
    }

    /// A session with it under a nick that no peer has.
    pub fn control(&self, nick: &str) -> Control {
        let mut peer_id = [b'.'; 20];
        for (place, letter) in peer_id.iter_mut().zip(nick.bytes()) {
            *place = letter;
        }
        Control::hello(self.address, nick, peer_id, 1).0
    }
}

fn start_tracker(
    programs: &Path,
    address: SocketAddr,
    (doors, http): (Doors, SocketAddr),
    folder: &Path,
    host: Option<&Host>,
    starter: &[String],
) -> Program {
    let program = programs.join("tracker");
    let mut command = match starter {
        [] => Command::new(program),
        [first, others @ ..] => {
            let mut command = Command::new(first);
            command.args(others).arg(program);
            command
        }
    };
    command.arg("--listen").arg(address.to_string()).arg("--dir").arg(folder);
    match doors {
        Doors::All => command.arg("--http").arg(http.to_string()),
        Doors::Json => command.arg("--no-http"),
    };
    if let Some(host) = host {
        let program = Program::start("tracker", &mut host.place(&command));
        program.line_with(0, &["Waiting for peers"], START);
        return program;
    }
    let mut program = Program::start("tracker", &mut command);
    until("the tracker to listen", START, || {
        if let Some(status) = program.ended() {
            panic!("the tracker ended with {status}:\n{}", program.lines().join("\n"));
        }
        TcpStream::connect(address).ok()
    });
    program
}

/// A peer: its folder, its port and, while it runs, its process.
#[derive(Debug)]
pub struct Peer {
    nick: String,
    folder: PathBuf,
    tracker: Option<SocketAddr>,
    listen: SocketAddr,
    options: Vec<String>,
    /// Options of the prompt alone, and not of verbs beside it.
    prompt_options: Vec<String>,
    executable: PathBuf,
    host: Option<Host>,
    program: Option<Program>,
}

impl Peer {
    /// Adds an option to the command line of every start from now on.
    #[must_use]
    pub fn with(mut self, option: &str, value: &str) -> Self {
        self.options.extend([option.to_owned(), value.to_owned()]);
        self
    }

    /// Adds an option that has no value.
    #[must_use]
    pub fn with_flag(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// Adds an option that its prompt has, and no verb beside that.
    #[must_use]
    pub fn with_prompt_flag(mut self, option: &str) -> Self {
        self.prompt_options.push(option.to_owned());
        self
    }

    /// The same peer, not running: another life in the same folder at the same address.
    #[must_use]
    pub fn clone_stopped(&self) -> Self {
        Self {
            nick: self.nick.clone(),
            folder: self.folder.clone(),
            tracker: self.tracker,
            listen: self.listen,
            options: self.options.clone(),
            prompt_options: self.prompt_options.clone(),
            executable: self.executable.clone(),
            host: self.host.clone(),
            program: None,
        }
    }

    /// Its nick.
    pub fn nick(&self) -> &str {
        &self.nick
    }

    /// Its folder, where `download_status.json` lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where other peers dial it.
    pub const fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where its downloads come to lie.
    pub fn downloads(&self) -> PathBuf {
        self.folder.join("Archivos_a_b_c")
    }

    /// Starts the prompt, fed through a pipe that stays open.
    #[must_use]
    pub fn started(mut self) -> Self {
        self.start();
        self
    }

    /// Starts the prompt, fed through a pipe that stays open.
    pub fn start(&mut self) {
        let mut command = self.command();
        command.args(&self.prompt_options);
        self.program = Some(Program::start(self.nick.clone(), &mut command));
    }

    /// The command line of this peer without a verb.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.folder);
        command.args(self.arguments());
        match &self.host {
            Some(host) => host.place(&command),
            None => command,
        }
    }

    /// The arguments of this peer without a verb.
    pub fn arguments(&self) -> Vec<String> {
        let tracker = self.tracker.map(|tracker| ["--tracker".to_owned(), tracker.to_string()]);
        let mut list: Vec<String> = tracker.into_iter().flatten().collect();
        list.extend([
            "--nick".to_owned(),
            self.nick.clone(),
            "--dir".to_owned(),
            self.folder.display().to_string(),
            "--listen".to_owned(),
            self.listen.to_string(),
        ]);
        list.extend(self.options.iter().cloned());
        list
    }

    /// Starts a one-shot verb of this peer, beside the prompt if that runs.
    pub fn one_shot(&self, words: &[&str]) -> Program {
        let mut command = self.command();
        command.args(words);
        Program::start(format!("{} {}", self.nick, words.join(" ")), &mut command)
    }

    /// The running process.
    pub fn program(&mut self) -> &mut Program {
        let nick = &self.nick;
        self.program.as_mut().unwrap_or_else(|| panic!("{nick} does not run"))
    }

    /// Types a line; gives the mark from which its answer is to be looked for.
    pub fn says(&mut self, line: &str) -> usize {
        let program = self.program();
        let mark = program.mark();
        program.type_line(line);
        mark
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.program().kill();
        self.program = None;
    }
}

fn programs() -> PathBuf {
    if let Some(folder) = std::env::var_os("E2E_BIN_DIR") {
        return folder.into();
    }
    let folder = target_folder().join("release");
    let tracker = folder.join("tracker");
    assert!(tracker.exists(), "{} is missing\n  try: cargo xtask e2e", tracker.display());
    folder
}

/// The folder of everything that is built or fetched.
pub(crate) fn target_folder() -> PathBuf {
    let own = std::env::current_exe().expect("a test knows its own path");
    // target/PROFILE/deps/e2e-HASH
    own.ancestors().nth(3).expect("the folder `target`").to_path_buf()
}
