//! What a person can name to `get`, `info`, `sources`: a name, a number, an id, a magnet link, a .torrent.

use std::path::PathBuf;

use engine::fetch::FetchError;
use engine::{AddSource, CommandError};
use shared::control::{Code, Entry, EntryId, Find, Found, Refusal};
use shared::display::{Size, escape, fit};
use shared::magnet::Magnet;
use shared::metainfo::{Info, Metainfo};
use shared::{InfoHash, InfoHashV2, InfoHashes};

use crate::context::{Context, Row};
use crate::failure::{Exit, Failure};
use crate::link::AskError;
use crate::words;

/// The largest .torrent file that is read, in bytes.
const MAX_TORRENT: u64 = 10 * 1024 * 1024;

/// Something to download, with what is known of it.
#[derive(Debug)]
pub(super) struct Target {
    /// What it is called, not escaped.
    pub name: String,
    /// What the engine is given.
    pub source: AddSource,
    /// Peers that have it, where the target itself names them.
    pub peers: Vec<std::net::SocketAddr>,
    /// Trackers that know it, in tiers, where the target itself names them.
    pub trackers: Vec<Vec<String>>,
}

/// Whether `said` names what it means without any tracker: a link, a hash, a .torrent that is there.
pub(super) fn stands_alone(said: &str) -> bool {
    is_magnet(said) || is_url(said) || is_torrent_file(said) || hexadecimal(said).is_some()
}

fn is_url(said: &str) -> bool {
    let begins =
        |scheme: &str| said.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    begins("http://") || begins("https://")
}

fn is_magnet(said: &str) -> bool {
    said.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("magnet:"))
}

fn is_torrent_file(said: &str) -> bool {
    names_torrent_file(said) && home(said).is_file()
}

fn names_torrent_file(said: &str) -> bool {
    home(said).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("torrent"))
}

/// `~/x` as the shell would read it: at the prompt there is no shell.
pub(super) fn home(word: &str) -> PathBuf {
    match (word.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => PathBuf::from(word),
    }
}

/// Finds what `said` means, asking the tracker where that is needed. `verb` is who asks, for advice.
pub(super) async fn resolve(context: &Context, verb: &str, said: &str) -> Result<Target, Failure> {
    if is_magnet(said) {
        let magnet = magnet(said)?;
        let name = magnet.name.unwrap_or_else(|| magnet.hashes.primary().to_string());
        // Each tracker of a link is a tier of its own (BEP 12).
        let trackers = magnet.trackers.into_iter().map(|url| vec![url]).collect();
        return by_hash(context, magnet.hashes, name, magnet.peers, trackers).await;
    }
    if is_torrent_file(said) {
        return torrent_file(said);
    }
    if is_url(said) {
        return engine::fetch::torrent(said)
            .await
            .map(of_metainfo)
            .map_err(|error| not_fetched(said, &error));
    }
    if let Some(hashes) = hexadecimal(said) {
        return by_hash(context, hashes, said.to_owned(), Vec::new(), Vec::new()).await;
    }
    let found = find(context, verb, said).await?;
    of_entry(&found)
}

/// The catalog's entry that `said` means.
pub(super) async fn find(context: &Context, verb: &str, said: &str) -> Result<Found, Failure> {
    let row = said.parse::<usize>().ok().and_then(|number| context.row(number));
    let question = match (row, said.strip_prefix('#')) {
        (Some(Row::Entry(entry)), _) => Find::Entry { entry: EntryId(entry) },
        (Some(Row::Torrent(id)), _) => Find::Hash { info_hash: id },
        (None, Some(id)) => Find::Entry { entry: EntryId(id.to_ascii_lowercase()) },
        (None, None) => Find::Name { name: said.trim_end_matches('/').to_owned() },
    };
    context.link.ask(question).await.map_err(|error| not_found(verb, said, error))
}

fn of_entry(found: &Found) -> Result<Target, Failure> {
    let name = found.entry.name.clone();
    let source = match &found.info {
        Some(bytes) => {
            let info = Info::parse(bytes).map_err(|error| damaged(&name, &error.to_string()))?;
            if info.hashes() != found.entry.hashes {
                return Err(damaged(&name, "its description does not have the hash that the tracker says"));
            }
            AddSource::Info(Box::new(info))
        }
        None => AddSource::Hashes { hashes: found.entry.hashes, name: name.clone() },
    };
    Ok(Target { name, source, peers: Vec::new(), trackers: Vec::new() })
}

async fn by_hash(
    context: &Context,
    hashes: InfoHashes,
    name: String,
    peers: Vec<std::net::SocketAddr>,
    trackers: Vec<Vec<String>>,
) -> Result<Target, Failure> {
    // The tracker may know what peers would have to tell.
    match context.link.ask(Find::Hash { info_hash: hashes.primary() }).await {
        Ok(found) => of_entry(&found).map(|target| Target { peers, trackers, ..target }),
        Err(_) => {
            Ok(Target { source: AddSource::Hashes { hashes, name: name.clone() }, name, peers, trackers })
        }
    }
}

/// A magnet link, read.
pub(super) fn magnet(said: &str) -> Result<Magnet, Failure> {
    Magnet::parse(said).map_err(|error| {
        Failure::new(Exit::Usage, "bad_magnet", format!("{}.", capital(&error.to_string())))
            .advise("copy the whole link again")
    })
}

/// The bytes of a file that shall be a .torrent, bounded.
pub(super) fn torrent_bytes(path: &str) -> Result<Vec<u8>, Failure> {
    let shown = fit(path, 80);
    let unreadable = |error: &std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::new(Exit::NotFound, "no_file", format!("There is no file {shown}.")).advise("get NAME")
        }
        std::io::ErrorKind::PermissionDenied => {
            Failure::new(Exit::Refused, "permission", format!("Cannot read {shown}: permission denied."))
                .advise("chmod u+r, or another file")
        }
        _ => Failure::new(Exit::NotFound, "no_file", format!("{shown} is no file that can be read."))
            .advise("get NAME"),
    };
    let path = home(path);
    let size = std::fs::metadata(&path).map_err(|error| unreadable(&error))?.len();
    if size > MAX_TORRENT {
        return Err(damaged(&shown, "it is larger than 10 MiB"));
    }
    std::fs::read(&path).map_err(|error| unreadable(&error))
}

fn torrent_file(path: &str) -> Result<Target, Failure> {
    let bytes = torrent_bytes(path)?;
    let metainfo = Metainfo::parse(&bytes).map_err(|error| damaged(path, &error.to_string()))?;
    Ok(of_metainfo(metainfo))
}

/// A web server gave no torrent.
fn not_fetched(url: &str, error: &FetchError) -> Failure {
    let reason = escape(&error.to_string()).into_owned();
    match error {
        FetchError::Torrent { .. } => {
            Failure::new(Exit::Unverified, "bad_torrent", format!("{}.", capital(&reason)))
                .advise("look at the address in a browser: it must be a .torrent file")
        }
        FetchError::Status { status: 404, .. } => Failure::new(
            Exit::NotFound,
            "not_found",
            format!("There is nothing at {}: {reason}.", fit(url, 80)),
        )
        .advise("look at the address again"),
        _ => Failure::new(
            Exit::Unreachable,
            "not_fetched",
            format!("{} cannot be had: {reason}.", fit(url, 80)),
        )
        .advise("look at the address again"),
    }
}

fn of_metainfo(metainfo: Metainfo) -> Target {
    Target {
        name: metainfo.info.name().to_string(),
        trackers: metainfo.announce.clone(),
        source: AddSource::Metainfo(Box::new(metainfo)),
        peers: Vec::new(),
    }
}

fn hexadecimal(said: &str) -> Option<InfoHashes> {
    let v1 = said.parse::<InfoHash>().ok();
    let v2 = said.parse::<InfoHashV2>().ok();
    InfoHashes::from_options(v1, v2)
}

fn damaged(name: &str, reason: &str) -> Failure {
    let text = format!("{} is damaged: {}.", fit(name, 60), escape(reason));
    Failure::new(Exit::Unverified, "bad_torrent", text).advise("ask who shares it to share it again")
}

pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// The tracker does not know a name, or knows it twice.
fn not_found(verb: &str, said: &str, error: AskError) -> Failure {
    let AskError::Refused(refusal) = error else { return unreachable(&error) };
    let shown = fit(said, 60);
    match (refusal.code, refusal.near.first(), refusal.candidates.first()) {
        (Code::NoSuchEntry, Some(near), _) => {
            let text = format!("Nobody shares \"{shown}\". Did you mean {}?", fit(near, 60));
            Failure::new(Exit::NotFound, "not_found", text).advise(format!("{verb} {}", typable(near)))
        }
        (Code::NoSuchEntry, None, _) => {
            let no_file = if names_torrent_file(said) { ", and there is no such file here" } else { "" };
            Failure::new(Exit::NotFound, "not_found", format!("Nobody shares \"{shown}\"{no_file}."))
                .advise("search     (lists everything that is shared)")
        }
        (Code::Ambiguous, _, Some(first)) => {
            let each = |entry: &Entry| {
                let by = entry.by.first().map_or_else(String::new, |nick| format!(" by {}", fit(nick, 24)));
                format!("#{} {}{by}", fit(&entry.entry.0, 40), Size(entry.size))
            };
            let several: Vec<String> = refusal.candidates.iter().take(4).map(each).collect();
            let more = if refusal.candidates.len() > 4 { " and others" } else { "" };
            let text = format!("\"{shown}\" could be {}{more}.", several.join(", "));
            Failure::new(Exit::Usage, "ambiguous", text)
                .advise(format!("{verb} #{}", fit(&first.entry.0, 40)))
        }
        _ => refused(refusal),
    }
}

/// A name as it can be typed, for a line of advice.
pub(super) fn typable(name: &str) -> String {
    fit(&words::quote(name), 80)
}

/// Several words that together are one name: they were meant to stand in quotes.
pub(super) fn needs_quotes(verb: &str, name: &str) -> Failure {
    let text = format!("\"{}\" is one name with spaces: it needs quotes.", fit(name, 60));
    Failure::new(Exit::Usage, "needs_quotes", text).advise(format!("{verb} {}", typable(name)))
}

/// Any refusal of the tracker.
pub(super) fn refused(refusal: Refusal) -> Failure {
    let exit = match refusal.code {
        Code::NoSuchUser | Code::NoSuchEntry | Code::NoSuchRoom => Exit::NotFound,
        Code::BadField | Code::BadMessage | Code::TooLong | Code::BadName | Code::Ambiguous => Exit::Usage,
        _ => Exit::Refused,
    };
    let code = refusal.code.word();
    refused_as(exit, code, refusal)
}

fn refused_as(exit: Exit, code: &'static str, refusal: Refusal) -> Failure {
    let failure =
        Failure::new(exit, code, format!("{}.", capital(escape(&refusal.text).trim_end_matches('.'))));
    match refusal.advice {
        Some(advice) => failure.advise(escape(&advice).into_owned()),
        None => failure.advise("help"),
    }
}

/// Whatever kept a question from being answered.
pub(super) fn asked(error: AskError) -> Failure {
    match error {
        AskError::Refused(refusal) => refused(refusal),
        other => unreachable(&other),
    }
}

fn unreachable(error: &AskError) -> Failure {
    Failure::new(Exit::Unreachable, "no_tracker", format!("{}.", capital(&escape(&error.to_string()))))
        .advise("start one with: tracker      or name another: peer --tracker HOST")
}

/// A torrent that would not do what it was told.
pub(super) fn failed(error: &CommandError) -> Failure {
    let exit = match error {
        CommandError::Unknown { .. } => Exit::NotFound,
        CommandError::Delete { .. } => Exit::DiskFull,
        CommandError::Failed { .. } | CommandError::Stopping => Exit::Unexpected,
    };
    Failure::new(exit, "torrent", format!("{}.", capital(&escape(&error.to_string())))).advise("downloads")
}
