//! `get` and `wait`: bring things here, and wait until they are.

use std::path::Path;
use std::time::{Duration, Instant};

use engine::{AddError, AddOptions, Beginning, State, TorrentStatus};
use serde_json::json;
use shared::InfoHash;
use shared::display::{Elapsed, Rate, Size, columns, escape, fit};

use super::target::{self, Target};
use super::{Needs, Offer, Running, Said, Verb, told};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::link::LinkState;
use crate::terminal::progress::bar;

/// get
pub(super) const GET: Verb = Verb {
    names: &["get", "download", "descargar", "bajar"],
    arguments: "NAME|FILE.torrent|URL|MAGNET|HASH... [--into DIR] [--seed] [--timeout TIME]",
    about: "download from everybody who has it",
    examples: &[
        "get linux.iso",
        "get \"Tema 3\" --into ~/clase",
        "get 2      (row 2 of the last search)",
        "get #9c1e47",
        "get linux.torrent",
        "get http://192.168.1.10:6969/t/linux.iso.torrent",
        "get \"magnet:?xt=urn:btih:...\"",
    ],
    offer: Offer::Remote,
    needs: Needs::BothUnlessNamed,
    takes_text: false,
    stays: false,
    run: get,
};

/// wait
pub(super) const WAIT: Verb = Verb {
    names: &["wait", "esperar"],
    arguments: "[NAME...] [--timeout TIME]",
    about: "wait until downloads are done",
    examples: &["wait", "wait linux.iso --timeout 10m"],
    offer: Offer::Own,
    needs: Needs::Session,
    takes_text: false,
    stays: false,
    run: wait,
};

fn get<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        said.need(0, "What do you want to get?", "get NAME     (search lists what there is)")?;
        let mut wanted = Vec::new();
        for word in named(context, said).await? {
            wanted.push(locate(context, word).await?);
        }
        // Nothing begins before everything that was named is found.
        let mut awaited = Vec::new();
        for one in wanted {
            awaited.push(begin(context, one, said).await?);
        }
        if context.at_prompt {
            return Ok(());
        }
        until_done(context, awaited.into_iter().flatten().collect(), said.options.timeout).await
    })
}

/// The names that were given, unless together they are one name that lacks its quotes.
async fn named<'a>(context: &Context, said: &'a Said) -> Result<&'a [String], Failure> {
    let whole = said.words.join(" ");
    let plain = !said.words.iter().any(|word| target::stands_alone(word));
    if said.words.len() > 1 && plain && target::find(context, "get", &whole).await.is_ok() {
        return Err(target::needs_quotes("get", &whole));
    }
    Ok(&said.words)
}

/// Something that was named, and found.
enum Wanted {
    /// Others have it.
    Target(Target),
    /// It is here, whole or in part.
    Known(Box<TorrentStatus>),
}

async fn locate(context: &Context, word: &str) -> Result<Wanted, Failure> {
    match target::resolve(context, "get", word).await {
        Ok(target) => Ok(Wanted::Target(target)),
        // What is here already needs no tracker to go on.
        Err(failure) => {
            context.torrent(word).map(|status| Wanted::Known(Box::new(status))).map_err(|_| failure)
        }
    }
}

/// A download that is waited for.
struct Awaited {
    id: InfoHash,
    /// It began with this verb: giving it up loses nothing.
    fresh: bool,
}

/// Starts one download; gives what there is to wait for.
async fn begin(context: &Context, wanted: Wanted, said: &Said) -> Result<Option<Awaited>, Failure> {
    let target = match wanted {
        Wanted::Target(target) => target,
        Wanted::Known(status) => {
            let unfinished = resume_known(context, &status).await;
            return Ok(unfinished.then_some(Awaited { id: status.id, fresh: false }));
        }
    };
    let options =
        AddOptions { into: said.options.into.clone(), trackers: target.trackers, ..AddOptions::default() };
    let session = context.session()?;
    let added = session.add(target.source, options).await.map_err(|error| refused(&target.name, &error))?;
    let name = escape(&target.name).into_owned();
    if let Err(error) = session.remember_peers(added.id, target.peers).await {
        tracing::debug!(%error, "peers of the link were not taken");
    }
    match added.beginning {
        Beginning::Already { complete: true } => {
            // A link may name it by its hash alone.
            let name = session.status(added.id).map_or(name, |status| escape(&status.name).into_owned());
            let then = if context.at_prompt || said.options.seed { " Sharing it." } else { "" };
            context.screen.say(&format!("You already have {name} (verified, 0 bytes fetched): done.{then}"));
            return Ok(context.screen.is_json().then_some(Awaited { id: added.id, fresh: false }));
        }
        Beginning::Already { complete: false } => {
            if let Some(status) = session.status(added.id) {
                resume_known(context, &status).await;
            }
            context.screen.say(&format!("Getting {name} already; it goes on."));
        }
        Beginning::New | Beginning::Checking => {
            if let Some(metainfo) = session.metainfo(added.id) {
                told::notes(context, &metainfo.info);
            }
            let what = match session.status(added.id) {
                Some(status) if status.state == State::Metadata => {
                    "asking the others what is in it".to_owned()
                }
                status => Size(status.map_or(0, |status| status.size)).to_string(),
            };
            context.screen.say(&format!("Getting {name}, {what} -> {}", told::place(context, &added.path)));
            if added.beginning == Beginning::Checking {
                context.screen.say(&format!("  something called {name} is here already; checking it first"));
            }
            // Without a connection it is told by itself when there is one.
            if matches!(context.link.state(), LinkState::Connected(_))
                && let Err(error) = context.swarms()?.publish(added.id, None, said.options.private).await
            {
                tracing::info!(%error, "the tracker was not told of the download");
            }
        }
    }
    Ok(Some(Awaited { id: added.id, fresh: added.beginning == Beginning::New }))
}

/// Wakes a paused download of that name; says whether there is something to wait for.
async fn resume_known(context: &Context, status: &TorrentStatus) -> bool {
    if status.state == State::Paused
        && let Ok(session) = context.session()
        && let Err(error) = session.resume(status.id).await
    {
        tracing::info!(%error, "could not be resumed");
    }
    status.state != State::Seeding
}

fn refused(name: &str, error: &AddError) -> Failure {
    let shown = fit(name, 60);
    match error {
        AddError::Folder { path, source } => {
            let text = format!(
                "Cannot write to {}: {}.",
                fit(&path.display().to_string(), 80),
                escape(&source.to_string())
            );
            Failure::new(Exit::DiskFull, "folder", text)
                .advise(format!("get {} --into ANOTHER_FOLDER", crate::words::quote(name)))
        }
        other => Failure::new(
            Exit::Unexpected,
            "add_failed",
            format!("{shown} cannot be downloaded: {}.", escape(&other.to_string())),
        )
        .advise("search"),
    }
}

fn wait<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let session = context.session()?;
        let named: Vec<TorrentStatus> = if said.words.is_empty() {
            session.list().into_iter().filter(is_under_way).collect()
        } else {
            context.torrents(&said.words)?
        };
        let awaited = named.iter().map(|one| Awaited { id: one.id, fresh: false }).collect();
        until_done(context, awaited, said.options.timeout).await
    })
}

fn is_under_way(status: &TorrentStatus) -> bool {
    !matches!(status.state, State::Seeding | State::Paused | State::Error)
}

/// Shows progress until every download is done, or fails as the first that cannot be.
async fn until_done(
    context: &Context,
    mut waiting: Vec<Awaited>,
    timeout: Option<Duration>,
) -> Result<(), Failure> {
    let session = context.session()?;
    let started = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let mut shown = Instant::now();
    while let Some(&Awaited { id, fresh }) = waiting.first() {
        let Some(mut watched) = session.watch(id) else {
            waiting.remove(0);
            continue;
        };
        let status = watched.borrow_and_update().clone();
        match status.state {
            State::Seeding => {
                context.screen.finish_live("");
                done_json(context, &status, started.elapsed());
                waiting.remove(0);
                continue;
            }
            State::Error => {
                context.screen.finish_live("");
                let reason = status.error.as_ref().map(ToString::to_string).unwrap_or_default();
                let text = format!("{} cannot go on: {}.", fit(&status.name, 60), escape(&reason));
                return Err(Failure::new(Exit::DiskFull, "failed", text).advise("downloads"));
            }
            State::PausedDiskFull if fresh && !context.at_prompt && status.verified_bytes == 0 => {
                context.screen.finish_live("");
                return Err(give_up(context, &status).await);
            }
            State::Paused if !context.at_prompt => {
                context.screen.finish_live("");
                let text = format!("{} was paused.", fit(&status.name, 60));
                return Err(
                    Failure::new(Exit::Interrupted, "paused", text).advise("resume it, then get it again")
                );
            }
            _ => {
                if shown.elapsed() > Duration::from_millis(250) && !context.at_prompt {
                    shown = Instant::now();
                    show(context, &status);
                }
            }
        }
        if let Some(limit) = timeout.filter(|limit| started.elapsed() > *limit) {
            context.screen.finish_live("");
            return Err(too_late(session.status(id), limit));
        }
        tokio::select! {
            _ = ticks.tick() => {}
            Ok(()) = watched.changed() => {}
            () = context.stop.requested() => return Err(interrupted(context, &waiting)),
        }
    }
    Ok(())
}

fn show(context: &Context, status: &TorrentStatus) {
    let screen = &context.screen;
    if screen.is_json() {
        return screen.json(told::torrent_json("progress", status));
    }
    let width = screen.width();
    if screen.is_terminal() && width >= 60 {
        let bar = bar(status.verified_bytes, status.size);
        screen.live(&format!("{bar} {}", told::progress(status, width - columns(&bar) - 2)));
    } else {
        screen.live(&told::progress(status, width));
    }
}

fn done_json(context: &Context, status: &TorrentStatus, elapsed: Duration) {
    if context.screen.is_json() {
        let mut line = told::torrent_json("done", status);
        if let Some(object) = line.as_object_mut() {
            object.insert("seconds".to_owned(), json!(elapsed.as_secs_f64()));
        }
        context.screen.json(line);
    }
}

/// Nobody waits beside a download that never fitted: it is taken back as if it had not been asked for.
async fn give_up(context: &Context, status: &TorrentStatus) -> Failure {
    if let Ok(session) = context.session()
        && let Err(error) = session.cancel(status.id, true).await
    {
        tracing::warn!(%error, "a download that does not fit stays");
    }
    if let Ok(swarms) = context.swarms()
        && let Err(error) = swarms.withdraw(status.id).await
    {
        tracing::info!(%error, "the tracker was not told");
    }
    let folder = status.path.parent().unwrap_or(&status.path);
    let shown = fit(&folder.display().to_string(), 80);
    let free = free(folder).map_or_else(String::new, |free| format!(", only {} free", Size(free)));
    let text = format!("{} needs {}{free} on {shown}.", fit(&status.name, 60), Size(status.size));
    Failure::new(Exit::DiskFull, "disk_full", text)
        .advise(format!("get {} --into ANOTHER_FOLDER", target::typable(&status.name)))
}

/// Free bytes on the disk of a folder, where the system tells.
#[cfg(unix)]
pub(crate) fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(not(unix))]
pub(crate) fn free(_: &Path) -> Option<u64> {
    None
}

fn interrupted(context: &Context, waiting: &[Awaited]) -> Failure {
    context.screen.finish_live("");
    let status = waiting.first().and_then(|one| context.session().ok()?.status(one.id));
    let text = status.map_or_else(
        || "Interrupted.".to_owned(),
        |status| {
            format!(
                "Paused {} at {}. It continues next time you start peer here.",
                fit(&status.name, 60),
                told::share_done(&status)
            )
        },
    );
    Failure::new(Exit::Interrupted, "interrupted", text).advise("peer, or the same get again")
}

fn too_late(status: Option<TorrentStatus>, limit: Duration) -> Failure {
    match status {
        Some(status) if status.state == State::Waiting || status.peers == 0 => {
            let text = format!("No one who has {} is online.", fit(&status.name, 60));
            Failure::new(Exit::NoSource, "no_source", text)
                .advise("leave the peer running: it starts by itself when someone comes")
        }
        _ => {
            let text = format!("Not done within {}.", Elapsed(limit));
            Failure::new(Exit::Timeout, "timeout", text).advise("the same get again goes on where it stopped")
        }
    }
}

/// The closing line of a download, as the prompt and one-shot programs show it.
pub fn done_line(
    status: &TorrentStatus,
    elapsed: Duration,
    nick_of: impl Fn(&shared::PeerId) -> Option<String>,
) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let rate = Rate(status.downloaded as f64 / elapsed.as_secs_f64().max(0.001));
    let total: u64 = status.from.iter().map(|(_, bytes)| bytes).sum();
    let from: Vec<String> = status
        .from
        .iter()
        .take(4)
        .filter(|(_, bytes)| *bytes > 0)
        .map(|(peer, bytes)| {
            let name = nick_of(peer).unwrap_or_else(|| peer.to_string().chars().take(8).collect());
            format!("{} {} %", fit(&name, 24), bytes * 100 / total.max(1))
        })
        .collect();
    let from = if from.is_empty() { String::new() } else { format!("  from {}", from.join(", ")) };
    format!(
        "{}  done  {} in {} ({rate})  sha256 ok{from}",
        fit(&status.name, 60),
        Size(status.size),
        Elapsed(elapsed)
    )
}
