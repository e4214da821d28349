//! A torrent's state as words for people and as JSON for programs.

use std::path::Path;

use engine::{DhtMode, PeerSource, PeerStatus, State, TorrentStatus};
use serde_json::{Value, json};
use shared::PeerId;
use shared::display::{Size, fit};
use shared::metainfo::Info;
use shared::program::Program;

use crate::context::Context;
use crate::link::{AskError, LinkState};
use crate::terminal::progress::{Progress, clock, percent};

/// One transfer on one line.
pub fn progress(status: &TorrentStatus, width: usize) -> String {
    let name = &status.name;
    match (status.state, status.checking) {
        (State::Downloading | State::Seeding, _) => Progress {
            name: name.clone(),
            done: status.verified_bytes,
            total: status.size,
            down: status.rate_down,
            up: status.rate_up,
            seeds: status.seeds,
            peers: status.peers.saturating_sub(status.seeds),
            left: status.eta,
        }
        .line(width),
        (State::Checking, Some(check)) => {
            let line = format!("{}  checking {} of {}", fit(name, 40), Size(check.done), Size(check.total));
            fit(&line, width)
        }
        // Nobody knows yet how much there is.
        (State::Metadata, _) => fit(&format!("{}  {}", fit(name, 40), state(State::Metadata)), width),
        (other, _) => fit(
            &format!("{}  {}  {}", fit(name, 40), percent(status.verified_bytes, status.size), state(other)),
            width,
        ),
    }
}

/// After something was taken back from the tracker: it may not have heard of it.
pub(super) fn withdrawn(context: &Context, told: Result<(), AskError>) {
    let Err(error) = told else { return };
    tracing::info!(%error, "the tracker was not told");
    context.screen.say("The tracker hears of it when it is back.");
}

/// What was odd about a torrent: names that had to change, things that were left out.
pub(super) fn notes(context: &Context, info: &Info) {
    const MOST: usize = 10;
    if context.screen.is_json() {
        for note in info.notes() {
            context.screen.json(json!({"type": "warning", "code": "note", "text": note.to_string()}));
        }
        return;
    }
    for note in info.notes().iter().take(MOST) {
        context.screen.say(&format!("  note: {}", fit(&note.to_string(), 200)));
    }
    if let more @ 1.. = info.notes().len().saturating_sub(MOST) {
        context.screen.say(&format!("  and {more} more notes"));
    }
}

/// By what peers are found, in one line.
pub(super) fn finding(context: &Context) -> String {
    let settings = &context.settings;
    let ways = [
        (matches!(context.link.state(), LinkState::Connected(_)), "tracker"),
        (settings.lsd, "LSD"),
        (settings.dht == DhtMode::Lan, "DHT(lan)"),
        (settings.dht == DhtMode::Public, "DHT(public)"),
        (settings.pex, "PEX"),
    ];
    let ways: Vec<&str> = ways.iter().filter(|(on, _)| *on).map(|(_, way)| *way).collect();
    match ways.as_slice() {
        [] => "nothing: links and torrent files only".to_owned(),
        [only] => format!("{only} only"),
        several => format!("mixed: {}", several.join(" + ")),
    }
}

/// The program that a peer's id tells.
pub(super) fn program(peer: &PeerId) -> String {
    Program::of(*peer).agent()
}

/// Where a peer came from, in one letter, and how it is connected.
pub(super) fn flags(peer: &PeerStatus) -> String {
    let source = match peer.source {
        Some(PeerSource::Tracker) => 'T',
        Some(PeerSource::Exchange) => 'X',
        Some(PeerSource::LocalDiscovery) => 'L',
        Some(PeerSource::Dht) => 'D',
        Some(PeerSource::Remembered) => 'M',
        Some(PeerSource::Asked) => 'A',
        None => 'I',
    };
    if peer.utp { format!("{source}u") } else { source.to_string() }
}

/// Where a peer came from, for programs.
pub(super) fn source_word(source: Option<PeerSource>) -> &'static str {
    match source {
        Some(PeerSource::Tracker) => "tracker",
        Some(PeerSource::Exchange) => "pex",
        Some(PeerSource::LocalDiscovery) => "lsd",
        Some(PeerSource::Dht) => "dht",
        Some(PeerSource::Remembered) => "remembered",
        Some(PeerSource::Asked) => "asked",
        None => "incoming",
    }
}

/// Where something lies: at the prompt from the working folder on, in full for whoever asks from elsewhere.
pub(super) fn place(context: &Context, path: &Path) -> String {
    let here = std::env::current_dir().ok().filter(|_| context.at_prompt);
    let path = here.and_then(|here| path.strip_prefix(here).ok()).unwrap_or(path);
    fit(&path.display().to_string(), 80)
}

/// Time left as `0:50`, or `-`.
pub(super) fn left(status: &TorrentStatus) -> String {
    status.eta.map_or_else(|| "-".to_owned(), clock)
}

/// How much of it is verified, as people read it.
pub(super) fn share_done(status: &TorrentStatus) -> String {
    percent(status.verified_bytes, status.size)
}

/// How much of it is verified, in percent; an empty file is complete.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
pub(super) fn in_percent(status: &TorrentStatus) -> f64 {
    if status.size == 0 {
        return if status.pieces == status.pieces_verified && status.state == State::Seeding {
            100.0
        } else {
            0.0
        };
    }
    status.verified_bytes as f64 * 100.0 / status.size as f64
}

/// What it is doing, in a word or two.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Metadata => "asking for its description",
        State::Checking => "checking",
        State::Downloading => "downloading",
        State::Paused => "paused",
        State::PausedDiskFull => "paused: disk full",
        State::Waiting => "waiting for a source",
        State::Seeding => "sharing",
        State::Error => "failed",
    }
}

/// The stable word of a state for programs.
pub(crate) fn state_word(state: State) -> &'static str {
    match state {
        State::Metadata => "metadata",
        State::Checking => "checking",
        State::Downloading => "downloading",
        State::Paused => "paused",
        State::PausedDiskFull => "disk_full",
        State::Waiting => "waiting",
        State::Seeding => "seeding",
        State::Error => "error",
    }
}

/// One torrent as a JSON line of that type. Names are as they are: programs escape for themselves.
pub fn torrent_json(kind: &str, status: &TorrentStatus) -> Value {
    json!({
        "type": kind,
        "id": status.id.to_string(),
        "name": status.name,
        "size": status.size,
        "state": state_word(status.state),
        "status": state(status.state),
        "progress": in_percent(status) / 100.0,
        "verified": status.verified_bytes,
        "downloaded": status.downloaded,
        "uploaded": status.uploaded,
        "wasted": status.wasted,
        "download_rate": status.rate_down.round(),
        "upload_rate": status.rate_up.round(),
        "num_seeds": status.seeds,
        "num_peers": status.peers,
        "has_metadata": status.state != State::Metadata,
        "is_finished": status.state == State::Seeding,
        "eta": status.eta.map(|eta| eta.as_secs()),
        "path": status.path.display().to_string(),
        "from": status.from.iter().map(|(peer, bytes)| (peer.to_string(), json!(bytes))).collect::<serde_json::Map<_, _>>(),
    })
}

/// How a torrent is now, for a program that has just changed it.
pub(super) fn status_json(context: &Context, before: &TorrentStatus) {
    if context.screen.is_json() {
        let now = context.session().ok().and_then(|session| session.status(before.id));
        context.screen.json(torrent_json("status", now.as_ref().unwrap_or(before)));
    }
}
