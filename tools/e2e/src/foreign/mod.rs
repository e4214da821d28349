//! BitTorrent clients that other people wrote, each started with one torrent on an address of its own
//! of the loopback interface.
//!
//! A [`Foreign`] is told where the data lies or goes: what is there it checks and gives, what lacks it
//! fetches. Public DHT, multicast, `UPnP` and everything else that would leave the machine are off.
//! Whether it has finished is read from the disk, never asked of it.

mod aria2;
pub mod libtorrent;
mod qbittorrent;
mod rtorrent;
mod transmission;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use crate::hosts::Host;
use crate::lab::Lab;
use crate::ports::free_port;
use crate::program::Program;
use crate::skip;
use crate::tree;
use crate::wait::until;

/// Which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// aria2.
    Aria2,
    /// Transmission's daemon.
    Transmission,
    /// libtorrent 2, driven from Python.
    Libtorrent,
    /// qBittorrent without a window.
    QBittorrent,
    /// rTorrent as a daemon.
    RTorrent,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Aria2, Self::Transmission, Self::Libtorrent, Self::QBittorrent, Self::RTorrent];

    /// Its name in what a test prints.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aria2 => "aria2",
            Self::Transmission => "transmission",
            Self::Libtorrent => "libtorrent",
            Self::QBittorrent => "qbittorrent",
            Self::RTorrent => "rtorrent",
        }
    }

    /// Can it run here? If not, that is said, and with `CI=true` it ends the test.
    pub fn is_here(self) -> bool {
        match self {
            Self::Libtorrent => match libtorrent::python() {
                Some(_) => true,
                None => skip::without("libtorrent 2 for Python", "pip install libtorrent"),
            },
            Self::Aria2 => skip::unless_here("aria2c", "aria2"),
            Self::Transmission => skip::unless_here("transmission-daemon", "transmission-daemon"),
            Self::QBittorrent => skip::unless_here("qbittorrent-nox", "qbittorrent-nox"),
            Self::RTorrent => skip::unless_here("rtorrent", "rtorrent"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What one client has to work with.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    /// A folder of its own for settings and logs.
    pub(crate) folder: PathBuf,
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// A port for its own remote control, on the same address.
    pub(crate) control: u16,
    /// A `.torrent` file.
    pub(crate) torrent: PathBuf,
    /// The folder in which the torrent's content lies or comes to lie.
    pub(crate) data: PathBuf,
}

/// A running client.
#[derive(Debug)]
pub struct Foreign {
    kind: Kind,
    listen: SocketAddr,
    data: PathBuf,
    program: Program,
}

impl Foreign {
    /// Starts a client with a `.torrent` file; `data` is the folder in which its content lies or goes.
    pub fn start(lab: &Lab, kind: Kind, torrent: &Path, data: &Path) -> Self {
        Self::start_at(lab, kind, own_address(), torrent, data, None)
    }

    /// The same on another host.
    pub fn start_on(lab: &Lab, host: &Host, kind: Kind, torrent: &Path, data: &Path) -> Self {
        Self::start_at(lab, kind, (host.ip(), 51_413).into(), torrent, data, Some(host))
    }

    fn start_at(
        lab: &Lab,
        kind: Kind,
        listen: SocketAddr,
        torrent: &Path,
        data: &Path,
        host: Option<&Host>,
    ) -> Self {
        let job = Job {
            // No space: rTorrent takes it for the end of a name.
            folder: lab.folder(&format!("{kind}-{}", listen.ip())),
            listen,
            control: host.map_or_else(|| free_port(listen.ip()), |_| 9091),
            torrent: torrent.to_path_buf(),
            data: data.to_path_buf(),
        };
        let mut command = match kind {
            Kind::Aria2 => aria2::command(&job),
            Kind::Transmission => transmission::command(&job),
            Kind::Libtorrent => libtorrent::command(&job),
            Kind::QBittorrent => qbittorrent::command(&job),
            Kind::RTorrent => rtorrent::command(&job),
        };
        clean(&mut command, &job.folder);
        if let Some(host) = host {
            command = host.place(&command);
        }
        let program = Program::start(format!("{kind} at {listen}"), &mut command);
        Self { kind, listen, data: data.to_path_buf(), program }
    }

    /// Which client it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Where others dial it.
    pub const fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// The process.
    pub const fn program(&mut self) -> &mut Program {
        &mut self.program
    }

    /// Waits until it takes connections.
    pub fn listens(&mut self, most: Duration) {
        let Self { kind, listen, program, .. } = self;
        until(&format!("{kind} to listen"), most, || {
            still_runs(*kind, program);
            TcpStream::connect(*listen).ok()
        });
    }

    /// Waits until its copy has every byte of the source, read from the disk.
    pub fn has_all_of(&mut self, source: &Path, most: Duration) {
        let Self { kind, data, program, .. } = self;
        let copy = data.join(source.file_name().expect("a source has a name"));
        let (length, hash) = (length_of(source), tree::sha256(source));
        until(&format!("{kind} to have all of {}", source.display()), most, || {
            still_runs(*kind, program);
            (length_of(&copy) == length && tree::sha256(&copy) == hash).then_some(())
        });
    }
}

fn still_runs(kind: Kind, program: &mut Program) {
    if let Some(status) = program.ended() {
        panic!("{kind} ended with {status}:\n{}", program.lines().join("\n"));
    }
}

fn length_of(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|file| file.len())
}

/// A home of its own, so that no settings of the person who runs the tests come in or are changed.
fn clean<'a>(command: &'a mut Command, home: &Path) -> &'a mut Command {
    command.env("HOME", home).env("XDG_CONFIG_HOME", home.join("config")).env("TERM", "dumb");
    for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    command
}

/// An address of the loopback net that no other client of this run has: some clients know a peer by
/// its address alone, so two on one address would be one to them.
pub fn own_address() -> SocketAddr {
    static NEXT: AtomicU8 = AtomicU8::new(0);
    let host = NEXT.fetch_add(1, Ordering::Relaxed) % 250 + 2;
    let ip = IpAddr::V4(Ipv4Addr::new(127, 0, 1, host));
    // Where only 127.0.0.1 exists, ports alone tell them apart.
    let ip = if TcpListener::bind((ip, 0)).is_ok() { ip } else { IpAddr::V4(Ipv4Addr::LOCALHOST) };
    SocketAddr::new(ip, free_port(ip))
}
