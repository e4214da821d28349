//! libtorrent 2: a session in Python that takes one torrent and writes what happens as JSON lines.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use super::{Foreign, Job, Kind, clean, own_address};
use crate::lab::Lab;
use crate::program::Program;

/// The session, as a program of Python.
const SESSION: &str = include_str!("session.py");

/// What a session is told beyond a torrent and a folder.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// A magnet link in place of a `.torrent` file.
    pub magnet: Option<String>,
    /// Peers to dial at once.
    pub peers: Vec<SocketAddr>,
    /// Settings of libtorrent that differ from the quiet ones, by their names.
    pub settings: Map<String, Value>,
    /// DHT nodes to know from the start; turns the DHT on.
    pub dht_nodes: Vec<SocketAddr>,
}

/// A Python that has libtorrent 2: one of the system, or the one that `cargo xtask test` makes.
pub fn python() -> Option<PathBuf> {
    let own = crate::lab::target_folder().join("foreign/python/bin/python3");
    [own, "python3".into(), "/usr/bin/python3".into()].into_iter().find(|python| has_libtorrent(python))
}

fn has_libtorrent(python: &Path) -> bool {
    let question = "import libtorrent, sys; sys.exit(not libtorrent.__version__.startswith('2.'))";
    let mut command = Command::new(python);
    command.args(["-c", question]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The command that starts it with a `.torrent` file.
pub(super) fn command(job: &Job) -> Command {
    session(job, &Wishes::default())
}

/// Starts a session with wishes; a `.torrent` file is not needed when a magnet link is among them.
pub fn start(lab: &Lab, torrent: Option<&Path>, data: &Path, wishes: &Wishes) -> Foreign {
    start_at(lab, own_address(), torrent, data, wishes, None)
}

/// As [`start`], at an address, and through a command that leads to another host (`ip netns exec ...`).
pub fn start_at(
    lab: &Lab,
    listen: SocketAddr,
    torrent: Option<&Path>,
    data: &Path,
    wishes: &Wishes,
    host: Option<Command>,
) -> Foreign {
    let folder = lab.folder(&format!("libtorrent at {}", listen.to_string().replace(':', " ")));
    let torrent = torrent.map(Path::to_path_buf).unwrap_or_default();
    let job = Job { folder, listen, control: 0, torrent, data: data.to_path_buf() };
    let own = session(&job, wishes);
    let mut command = match host {
        None => own,
        Some(mut host) => {
            host.arg(own.get_program()).args(own.get_args());
            host
        }
    };
    let program = Program::start(format!("libtorrent at {listen}"), clean(&mut command, &job.folder));
    Foreign { kind: Kind::Libtorrent, listen, data: data.to_path_buf(), program }
}

fn session(job: &Job, wishes: &Wishes) -> Command {
    let program = job.folder.join("session.py");
    fs::create_dir_all(&job.folder).expect("a folder of libtorrent's");
    fs::write(&program, SESSION).expect("the session's program");
    let torrent = (!job.torrent.as_os_str().is_empty()).then_some(&job.torrent);
    let text = |addresses: &[SocketAddr]| addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
    let order = json!({
        "listen": job.listen.to_string(), "data": job.data, "torrent": torrent, "magnet": wishes.magnet,
        "peers": text(&wishes.peers), "settings": wishes.settings, "dht_nodes": text(&wishes.dht_nodes),
    });
    let mut command = Command::new(python().expect("Kind::is_here was asked before"));
    command.arg("-u").arg(program).arg(order.to_string());
    command
}
