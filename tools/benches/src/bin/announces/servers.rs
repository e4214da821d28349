//! The servers that are measured: ours, those of others where they are installed, and one that only
//! answers. Each runs on the first core, with settings that let one machine announce for all.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::load::{Shape, hash};

/// The core of servers, and that of loads.
pub(crate) const CORES: (&str, &str) = ("0", "1");
/// Why a server that is nowhere does not start.
pub(crate) const NOT_HERE: &str = "is not installed";
/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Program {
    Ours,
    OpenTracker,
    AquaticHttp,
    AquaticUdp,
    /// The npm package bittorrent-tracker.
    NodeHttp,
    NodeUdp,
    /// Ours that only answers.
    Ceiling,
}

impl Program {
    pub(crate) const HTTP: [Self; 5] =
        [Self::Ours, Self::OpenTracker, Self::AquaticHttp, Self::NodeHttp, Self::Ceiling];
    pub(crate) const UDP: [Self; 4] = [Self::Ours, Self::OpenTracker, Self::AquaticUdp, Self::NodeUdp];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "Enjambre",
            Self::OpenTracker => "opentracker",
            Self::AquaticHttp => "aquatic_http",
            Self::AquaticUdp => "aquatic_udp",
            Self::NodeHttp | Self::NodeUdp => "npm bittorrent-tracker",
            Self::Ceiling => "bare server (only answers)",
        }
    }

    /// Where it is; `None` when it is not installed.
    pub(crate) fn place(self, folders: &Folders) -> Option<PathBuf> {
        let aquatic = |name: &str| folders.target.join("rivals/aquatic/bin").join(name);
        let place = match self {
            Self::Ours => folders.tracker.clone(),
            Self::Ceiling => std::env::current_exe().ok()?,
            Self::OpenTracker => PathBuf::from("/usr/bin/opentracker"),
            Self::AquaticHttp => aquatic("aquatic_http"),
            Self::AquaticUdp => aquatic("aquatic_udp"),
            Self::NodeHttp | Self::NodeUdp => folders.node_package().join("server.js"),
        };
        place.exists().then_some(place)
    }

    /// What it says of its version.
    pub(crate) fn version(self, folders: &Folders) -> String {
        let first = |command: &mut Command| {
            let said = command.output().ok()?;
            let said = if said.stdout.is_empty() { said.stderr } else { said.stdout };
            String::from_utf8_lossy(&said).lines().next().map(|line| line.trim().to_owned())
        };
        let version = match self {
            Self::Ours => first(Command::new(&folders.tracker).arg("--version")),
            Self::OpenTracker => {
                first(Command::new("dpkg-query").args(["-W", "-f", "${Version}", "opentracker"]))
            }
            Self::AquaticHttp | Self::AquaticUdp => self.place(folders).and_then(|place| {
                let crates = fs::read_to_string(folders.target.join("rivals/aquatic/.crates.toml")).ok()?;
                let name = place.file_name()?.to_str()?.to_owned();
                let line = crates.lines().find(|line| line.contains(&format!("\"{name} ")))?;
                line.split(' ').nth(1).map(str::to_owned)
            }),
            Self::NodeHttp | Self::NodeUdp => {
                fs::read_to_string(folders.node_package().join("package.json")).ok().and_then(|package| {
                    let line = package.lines().find(|line| line.contains("\"version\""))?;
                    Some(line.split('"').nth(3)?.to_owned())
                })
            }
            Self::Ceiling => Some("of this bench".to_owned()),
        };
        version.unwrap_or_else(|| "unknown".to_owned())
    }
}

/// Where things lie.
#[derive(Debug)]
pub(crate) struct Folders {
    /// Cargo's target folder.
    pub(crate) target: PathBuf,
    /// The release tracker.
    pub(crate) tracker: PathBuf,
    /// What is thrown away.
    pub(crate) scratch: PathBuf,
}

impl Folders {
    fn node_package(&self) -> PathBuf {
        self.target.join("foreign/npm/node_modules/bittorrent-tracker")
    }
}

/// A server that runs until this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts one and waits until it listens.
    pub(crate) fn start(program: Program, folders: &Folders) -> Result<Self, String> {
        let place = program.place(folders).ok_or(NOT_HERE)?;
        let address = free_port()?;
        let dir = folders.scratch.join(format!("{}-{}", program.name().replace(' ', "-"), address.port()));
        fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
        let mut command = Command::new("taskset");
        command.args(["-c", CORES.0]);
        arguments(&mut command, program, &place, address, &dir)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| error.to_string())?;
        let mut server = Self { child, program, address };
        server.wait_until_it_listens()?;
        Ok(server)
    }

    fn wait_until_it_listens(&mut self) -> Result<(), String> {
        let begun = Instant::now();
        let by_tcp = !matches!(self.program, Program::AquaticUdp | Program::NodeUdp);
        while begun.elapsed() < PATIENCE {
            if let Ok(Some(ended)) = self.child.try_wait() {
                return Err(format!("ended at once: {ended}"));
            }
            let answers = if by_tcp {
                TcpStream::connect(self.address).is_ok()
            } else {
                crate::by_udp::connect(self.address).is_some()
            };
            if answers {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err("does not listen".to_owned())
    }

    /// Bytes in memory, and open handles.
    pub(crate) fn holds(&self) -> (u64, usize) {
        let folder = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = kilobytes.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        let handles = fs::read_dir(folder.join("fd")).map_or(0, Iterator::count);
        (kilobytes.unwrap_or(0) * 1024, handles)
    }

    /// Seconds of processor time so far.
    pub(crate) fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let after = stat.rsplit(") ").next().unwrap_or_default();
        let ticks: u64 = after.split(' ').skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum();
        ticks as f64 / 100.0
    }
}

/// A port that is free for both protocols.
fn free_port() -> Result<SocketAddr, String> {
    for _ in 0..100 {
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let address = udp.local_addr().map_err(|error| error.to_string())?;
        if std::net::TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err("no port is free".to_owned())
}

/// How it is told where to listen: what is released knows one address, what is built from the repository one
/// of each kind. It prints what it knows.
fn aquatic_listens(place: &Path, address: SocketAddr) -> String {
    let known = Command::new(place).arg("-p").output().map(|output| output.stdout).unwrap_or_default();
    if String::from_utf8_lossy(&known).contains("address_ipv4") {
        format!("use_ipv6 = false\naddress_ipv4 = '{address}'")
    } else {
        format!("address = '{address}'")
    }
}

fn arguments(
    command: &mut Command,
    program: Program,
    place: &Path,
    address: SocketAddr,
    dir: &Path,
) -> Result<(), String> {
    let write = |name: &str, text: String| {
        let file = dir.join(name);
        fs::write(&file, text).map(|()| file).map_err(|error| error.to_string())
    };
    let port = address.port().to_string();
    match program {
        Program::Ours => {
            command.arg(place).args(["--listen", "127.0.0.1:0", "--http", &address.to_string()]);
            command.arg("--dir").arg(dir);
            // One machine announces for all.
            for limit in ["HTTP_REQUESTS_PER_SECOND", "UDP_REQUESTS_PER_SECOND"] {
                command.env(format!("TRACKER_{limit}"), "0");
            }
            for limit in ["CLIENTS_PER_ADDRESS", "TORRENTS_PER_ADDRESS"] {
                command.env(format!("TRACKER_{limit}"), "0");
            }
            command.env("TRACKER_MAX_CLIENTS", "2000000").env("TRACKER_MAX_TORRENTS", "200000");
        }
        Program::OpenTracker => {
            // Debian builds it so that it knows only what is on a list.
            let mut list = String::new();
            for torrent in 0..Shape::SINGLE.torrents {
                list.extend(hash(torrent).iter().map(|byte| format!("{byte:02x}")));
                list.push('\n');
            }
            write("list", list)?;
            // As root it goes to live in the folder as somebody else.
            let _ = Command::new("chmod").arg("a+rx").arg(dir).status();
            command
                .arg(place)
                .args(["-i", "127.0.0.1", "-p", &port, "-P", &port, "-w", "list", "-d"])
                .arg(dir);
        }
        Program::AquaticHttp => {
            let config = format!(
                "socket_workers = 1\nswarm_workers = 1\nlog_level = 'error'\n[network]\n{}\n\
                 keep_alive = true\n[protocol]\nmax_peers = 50\n",
                aquatic_listens(place, address)
            );
            command.arg(place).arg("-c").arg(write("http.toml", config)?);
        }
        Program::AquaticUdp => {
            let config = format!(
                "socket_workers = 1\nlog_level = 'error'\n[network]\n{}\n\
                 [protocol]\nmax_response_peers = 50\n",
                aquatic_listens(place, address)
            );
            command.arg(place).arg("-c").arg(write("udp.toml", config)?);
        }
        Program::NodeHttp | Program::NodeUdp => {
            let (http, udp) = (program == Program::NodeHttp, program == Program::NodeUdp);
            let script = format!(
                "import Server from 'file://{}'\n\
                 const server = new Server({{ http: {http}, udp: {udp}, ws: false, stats: false }})\n\
                 server.on('error', () => {{}})\nserver.on('warning', () => {{}})\n\
                 server.listen({port}, {{ http: '127.0.0.1', udp: '127.0.0.1', udp4: '127.0.0.1' }})\n",
                place.display()
            );
            command.arg("node").arg(write("server.mjs", script)?);
        }
        Program::Ceiling => drop(command.arg(place).args(["ceiling", &address.to_string()])),
    }
    Ok(())
}
