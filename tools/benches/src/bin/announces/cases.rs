//! What is measured: servers side by side, filled once and asked in turns, the median of the turns.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use crate::load::{Seen, Shape};
use crate::servers::{CORES, Folders, Program, Server};

/// Turns of each server.
const TURNS: usize = 3;
/// How long a turn takes.
const SPAN: Duration = Duration::from_secs(2);

/// How announces come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Kept,
    New,
    Udp,
}

/// What one server did in one case.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) program: Program,
    pub(crate) shape: Shape,
    pub(crate) way: Way,
    pub(crate) seen: Seen,
}

/// One load, in a process of its own on the other core.
pub(crate) fn load(
    way: Way,
    server: SocketAddr,
    shape: Shape,
    span: Option<Duration>,
) -> Result<Seen, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let word = match way {
        Way::Kept => "load-kept",
        Way::New => "load-new",
        Way::Udp => "load-udp",
    };
    let span = span.map_or("once".to_owned(), |span| span.as_millis().to_string());
    let mut command = Command::new("taskset");
    command.args(["-c", CORES.1]).arg(program).arg(word).arg(server.to_string());
    command.args([shape.torrents.to_string(), shape.peers.to_string(), span]);
    let said = command.output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&said.stdout);
    Seen::read(&text).ok_or_else(|| {
        format!(
            "the load said nothing: {}",
            String::from_utf8_lossy(&said.stderr).lines().last().unwrap_or("")
        )
    })
}

/// Servers side by side in one shape, by one or two ways.
pub(crate) fn side_by_side(
    programs: &[Program],
    shape: Shape,
    ways: &[Way],
    folders: &Folders,
) -> (Vec<Row>, Vec<String>) {
    let (mut servers, mut notes, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for program in programs {
        match Server::start(*program, folders) {
            Ok(server) => servers.push(server),
            Err(error) => notes.push(format!("{}: left out, as it {error}", program.name())),
        }
    }
    for server in servers.iter().filter(|server| server.program != Program::Ceiling) {
        let way = if ways.contains(&Way::Udp) { Way::Udp } else { Way::Kept };
        match load(way, server.address, shape, None) {
            Ok(seen) if seen.lost > shape.places() / 100 => {
                notes.push(format!(
                    "{}: {} of the first announces had no answer",
                    server.program.name(),
                    seen.lost
                ));
            }
            Ok(_) => {}
            Err(error) => notes.push(format!("{}: {error}", server.program.name())),
        }
    }
    for way in ways {
        let mut turns: Vec<Vec<(Seen, f64)>> = vec![Vec::new(); servers.len()];
        for _ in 0..TURNS {
            for (server, turns) in servers.iter().zip(&mut turns) {
                let before = server.cpu();
                match load(*way, server.address, shape, Some(SPAN)) {
                    Ok(seen) => turns.push((seen, (server.cpu() - before) / SPAN.as_secs_f64())),
                    Err(error) => notes.push(format!("{}: {error}", server.program.name())),
                }
            }
        }
        for (server, mut turns) in servers.iter().zip(turns) {
            turns.sort_by(|a, b| a.0.rate.total_cmp(&b.0.rate));
            if let Some((seen, busy)) = turns.get(turns.len() / 2).copied() {
                let program = server.program;
                println!(
                    "{way:?} {shape}: {:<28} {:>9.0}/s  {seen} busy {busy:.2}",
                    program.name(),
                    seen.rate
                );
                rows.push(Row { program, shape, way: *way, seen });
            }
        }
    }
    (rows, notes)
}
