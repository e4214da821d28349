//! What is measured of one server at a time: memory, honest announces under strain, and churn.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::by_udp::datagram;
use crate::cases::{Way, load};
use crate::churn;
use crate::load::{Seen, Shape};
use crate::servers::{CORES, Folders, Program, Server};
use crate::strain::{BAD, HALF_OPEN, HONEST};
use benches::figures::whole;

/// How long each strain lasts, and the churn at the real tracker.
const STRAIN: Duration = Duration::from_secs(10);
const CHURN: Duration = Duration::from_secs(90);
/// Addresses from which a million clients come.
const ADDRESSES: u64 = 10_000;

/// Bytes for each of a million clients in a hundred thousand torrents.
pub(crate) fn memory(folders: &Folders) -> Result<String, String> {
    let mut text = String::from(
        "## Memory\n\n100,000 torrents with ten clients each, announced over UDP from 10,000 addresses; what the \
         process grew by.\n\n| | bytes for a client in a torrent | all |\n|---|---:|---:|\n",
    );
    for program in [Program::Ours, Program::OpenTracker, Program::AquaticUdp] {
        let Ok(server) = Server::start(program, folders) else { continue };
        let before = server.holds().0;
        let seen = run(&["fill-spread", &server.address.to_string()])?;
        let seen = Seen::read(&seen).ok_or("the load said nothing")?;
        let grown = server.holds().0.saturating_sub(before);
        let each = grown as f64 / seen.right.max(1) as f64;
        let _ = writeln!(
            text,
            "| {} | {each:.1} | {} MiB for {} announces |",
            program.name(),
            grown / 1_048_576,
            whole(seen.right as f64)
        );
    }
    Ok(text)
}

/// A million announces, each once, from many addresses.
pub(crate) fn fill_spread(server: SocketAddr) -> Seen {
    let begun = Instant::now();
    let shape = Shape::MILLION;
    let each = shape.places() / ADDRESSES;
    let (mut right, mut lost, mut bytes) = (0, 0, 0);
    let mut buffer = [0; 4_096];
    for address in 0..ADDRESSES {
        let ip = Ipv4Addr::from(0x7f01_0000 + address as u32);
        let Ok(socket) = UdpSocket::bind((ip, 0)) else { continue };
        let ready =
            socket.connect(server).and_then(|()| socket.set_read_timeout(Some(Duration::from_millis(500))));
        let ask = [&0x0417_2710_1980_u64.to_be_bytes()[..], &[0; 8]].concat();
        let id = ready.and_then(|()| socket.send(&ask)).and_then(|_| socket.recv(&mut buffer));
        if !id.is_ok_and(|length| length == 16) {
            lost += each;
            continue;
        }
        let id = u64::from_be_bytes(buffer[8..16].try_into().unwrap_or_default());
        // So many are under way at once that no queue overflows.
        for part in (0..each).collect::<Vec<_>>().chunks(50) {
            for number in part {
                // All clients of an address are in different torrents.
                let (torrent, peer) = shape.place(address * each + number);
                let _ = socket.send(&datagram(id, *number as u32, torrent, peer, 2));
            }
            for _ in part {
                match socket.recv(&mut buffer) {
                    Ok(length) if length >= 20 && buffer[3] == 1 => {
                        right += 1;
                        bytes += length as u64;
                    }
                    _ => lost += 1,
                }
            }
        }
    }
    Seen::of(right, lost, bytes, begun.elapsed(), Vec::new())
}

/// This program once more, on the core of loads.
fn run(words: &[&str]) -> Result<String, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let said = Command::new("taskset").args(["-c", CORES.1]).arg(program).args(words).output();
    said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).map_err(|error| error.to_string())
}

/// Honest announces beside bad datagrams, and beside half-open connections.
pub(crate) fn floods(folders: &Folders) -> Result<String, String> {
    let server = Server::start(Program::Ours, folders)?;
    load(Way::Udp, server.address, Shape::FULL, None)?;
    let mut text = String::from(
        "## Under strain\n\n| | trouble | honest announces answered | p50 | p99 |\n|---|---|---:|---:|---:|\n",
    );
    let seconds = STRAIN.as_secs().to_string();
    for (kind, title) in [
        (
            "flood",
            format!("{HONEST} honest announces/s over UDP, bad datagrams beside them (target {BAD}/s)"),
        ),
        ("half-open", format!("announces by a connection each, {HALF_OPEN} half-open ones beside them")),
    ] {
        let said = run(&["strain", kind, &server.address.to_string(), &seconds])?;
        let trouble = said.lines().next().and_then(|line| line.parse::<f64>().ok()).unwrap_or(0.0);
        let seen = Seen::read(&said).ok_or("the load said nothing")?;
        let unit = if kind == "flood" { "/s" } else { " held at the end" };
        let _ = writeln!(
            text,
            "| {title} | {}{unit} | {:.2} % of {} | {:.2} ms | {:.2} ms |",
            whole(trouble),
            seen.percent(),
            whole((seen.right + seen.lost) as f64),
            seen.p50.as_secs_f64() * 1_000.0,
            seen.p99.as_secs_f64() * 1_000.0
        );
    }
    Ok(text)
}

/// A day in virtual time, and a while at the real tracker.
pub(crate) fn churn(folders: &Folders) -> Result<String, String> {
    let begun = Instant::now();
    let (held, announces) = churn::day();
    let mut text = format!(
        "## Churn\n\nA day in virtual time at the registry: {} announces of clients that come, go and fall silent \
         in 2,000 torrents, in {:.1} s.\n\n| hour | memory | clients without a name |\n|---:|---:|---:|\n",
        whole(announces as f64),
        begun.elapsed().as_secs_f64()
    );
    for held in &held {
        let _ = writeln!(
            text,
            "| {} | {:.1} MiB | {} |",
            held.at / 3_600,
            held.memory as f64 / 1_048_576.0,
            whole(held.count as f64)
        );
    }
    let server = Server::start(Program::Ours, folders)?;
    load(Way::Udp, server.address, Shape::FULL, None)?;
    let (held, answered) = churn::at_tracker(server.address, CHURN, || server.holds());
    let _ = write!(
        text,
        "\nThe real tracker for {} s, filled with 100,000 clients: {} announces answered, by UDP and by a connection \
         each.\n\n| second | memory | handles |\n|---:|---:|---:|\n",
        CHURN.as_secs(),
        whole(answered as f64)
    );
    for held in &held {
        let _ =
            writeln!(text, "| {} | {:.1} MiB | {} |", held.at, held.memory as f64 / 1_048_576.0, held.count);
    }
    Ok(text)
}
