//! `info`, `magnet` and `export`: what something is, and how programs of others get it.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use engine::{AddSource, TorrentStatus};
use serde_json::json;
use shared::InfoHashes;
use shared::display::{Size, escape, fit};
use shared::magnet::{self, Magnet};
use shared::metainfo::{Metainfo, Version};

use super::{Needs, Offer, Running, Said, Verb, target, told};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::link::LinkState;
use crate::options::version_word;
use crate::terminal::qr;

/// The most addresses of ours in a link.
const MOST_ADDRESSES: usize = 4;

const fn verb(
    names: &'static [&'static str],
    arguments: &'static str,
    about: &'static str,
    examples: &'static [&'static str],
    run: for<'a> fn(&'a Context, &'a Said) -> Running<'a>,
) -> Verb {
    Verb {
        names,
        arguments,
        about,
        examples,
        offer: Offer::Remote,
        needs: Needs::Session,
        takes_text: false,
        stays: false,
        run,
    }
}

/// info
pub(super) const INFO: Verb = verb(
    &["info", "informacion"],
    "NAME|FILE.torrent",
    "all that is known: files, pieces, hashes, trackers",
    &["info linux.iso", "info linux.torrent"],
    info,
);
/// magnet
pub(super) const MAGNET: Verb = verb(
    &["magnet", "link", "enlace"],
    "NAME",
    "a link for any BitTorrent program, with a QR code",
    &["magnet linux.iso"],
    link,
);
/// export
pub(super) const EXPORT: Verb = verb(
    &["export", "exportar"],
    "NAME [FILE.torrent] [--announce URL] [--yes]",
    "write the torrent file, for any BitTorrent program",
    &["export linux.iso", "export \"Tema 3\" ~/tema3.torrent"],
    export,
);

/// Something with a description, here or at the tracker.
struct Described {
    metainfo: Metainfo,
    status: Option<TorrentStatus>,
}

/// The description of something that is here, in a file, or that the tracker knows.
async fn described(context: &Context, verb: &str, name: &str) -> Result<Described, Failure> {
    if let Ok(status) = context.torrent(name)
        && let Some(metainfo) = context.session()?.metainfo(status.id)
    {
        return Ok(Described { metainfo: (*metainfo).clone(), status: Some(status) });
    }
    let target = target::resolve(context, verb, name).await?;
    let metainfo = match target.source {
        AddSource::Metainfo(metainfo) => *metainfo,
        AddSource::Info(info) => Metainfo { announce: target.trackers, ..Metainfo::of_info(*info) },
        AddSource::Hashes { .. } => {
            let text = format!("Only the hash of {} is known so far.", fit(name, 60));
            return Err(Failure::new(Exit::NotFound, "no_info", text)
                .advise("get it: its description comes from the others"));
        }
    };
    Ok(Described { metainfo, status: None })
}

fn info<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let name = said.name("What do you want to know about?", "info NAME")?;
        let Described { metainfo, status } = described(context, "info", &name).await?;
        let info = &metainfo.info;
        if context.screen.is_json() {
            context.screen.json(info_json(&metainfo, status.as_ref()));
            return Ok(());
        }
        for line in info_lines(&metainfo, status.as_ref()) {
            context.screen.say(&line);
        }
        told::notes(context, info);
        Ok(())
    })
}

fn info_json(metainfo: &Metainfo, status: Option<&TorrentStatus>) -> serde_json::Value {
    let info = &metainfo.info;
    let files: Vec<_> =
        info.files().map(|file| json!({"path": file.path.to_string(), "size": file.length})).collect();
    json!({
        "type": "info", "name": info.name().to_string(), "size": info.length(), "files": files,
        "pieces": info.layout().pieces(), "piece_length": info.layout().piece_length(),
        "info_hash_v1": info.hashes().get_v1().map(|hash| hash.to_string()),
        "info_hash_v2": info.hashes().get_v2().map(|hash| hash.to_string()), "private": info.is_private(),
        "format": version_word(info.version()), "trackers": metainfo.announce, "comment": metainfo.comment,
        "created_by": metainfo.created_by, "creation_date": metainfo.creation_date,
        "path": status.map(|status| status.path.display().to_string()),
        "verified": status.map(|status| status.verified_bytes),
    })
}

/// Everything, one fact a line.
fn info_lines(metainfo: &Metainfo, status: Option<&TorrentStatus>) -> Vec<String> {
    const FILES: usize = 20;
    let info = &metainfo.info;
    let layout = info.layout();
    let mut lines = vec![format!("{}   {}", escape(&info.name().to_string()), Size(info.length()))];
    let mut say = |key: &str, value: String| lines.push(format!("{key:<11} {value}"));
    if let Some(status) = status {
        say("Here", format!("{}, {}", told::state(status.state), told::share_done(status)));
        say("Place", fit(&status.path.display().to_string(), 120));
    }
    say("Pieces", format!("{} of {} KiB", layout.pieces(), layout.piece_length() / 1024));
    if let Some(hash) = info.hashes().get_v1() {
        say("Hash (v1)", hash.to_string());
    }
    if let Some(hash) = info.hashes().get_v2() {
        say("Hash (v2)", hash.to_string());
    }
    let readers = match info.version() {
        Version::V1 => "version 1: every BitTorrent program can read it",
        Version::V2 => "version 2 only: older BitTorrent programs cannot read it",
        Version::Hybrid => "hybrid: every BitTorrent program can read it",
    };
    say("Format", readers.to_owned());
    if info.is_private() {
        say("Private", "only its trackers may name peers".to_owned());
    }
    for (number, tier) in (1..).zip(&metainfo.announce).take(16) {
        let urls: Vec<String> = tier.iter().take(8).map(|url| fit(url, 100)).collect();
        say("Tracker", format!("{}   (tier {number})", urls.join(", ")));
    }
    if let Some(comment) = &metainfo.comment {
        say("Comment", fit(comment, 200));
    }
    if let Some(program) = &metainfo.created_by {
        say("Made by", fit(program, 80));
    }
    if let Some(date) = metainfo.creation_date.and_then(runtime::clock::date_of) {
        say("Made on", date);
    }
    let count = info.files().count();
    say("Files", count.to_string());
    lines.extend(
        info.files().take(FILES).map(|file| {
            format!("  {:>9}  {}", Size(file.length).to_string(), escape(&file.path.to_string()))
        }),
    );
    if count > FILES {
        lines.push(format!("  ... and {} more", count - FILES));
    }
    lines
}

/// Where others announce themselves: the torrent's own trackers, then ours unless the torrent is private.
fn trackers(context: &Context, metainfo: Option<&Metainfo>) -> Vec<Vec<String>> {
    let mut tiers = metainfo.map(|metainfo| metainfo.announce.clone()).unwrap_or_default();
    let closed = metainfo.is_some_and(|metainfo| metainfo.info.is_private()) && !tiers.is_empty();
    if let LinkState::Connected(welcome) = context.link.state()
        && !closed
    {
        // One tracker by several doors: the next one is for when the first is shut.
        let ours = welcome.tracker.announce.into_iter().take(8);
        let new: Vec<String> = ours.filter(|url| !tiers.iter().flatten().any(|known| known == url)).collect();
        tiers.extend(new.into_iter().map(|url| vec![url]));
    }
    tiers
}

/// Where others can dial us.
fn own_addresses(context: &Context) -> Result<Vec<SocketAddr>, Failure> {
    let listen = context.session()?.listen_address();
    let reachable = runtime::net::reachable(listen.ip());
    let addresses = reachable.iter().map(|interface| SocketAddr::new(interface.ip, listen.port()));
    Ok(addresses.take(MOST_ADDRESSES).collect())
}

fn link<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let name = said.name("A link to what?", "magnet NAME")?;
        let (hashes, name, metainfo, peers) = if let Ok(status) = context.torrent(&name) {
            let metainfo = context.session()?.metainfo(status.id);
            (status.hashes, status.name, metainfo, own_addresses(context)?)
        } else {
            let found = target::find(context, "magnet", &name).await?;
            (found.entry.hashes, found.entry.name, None, Vec::new())
        };
        let tiers = trackers(context, metainfo.as_deref());
        let trackers: Vec<String> = tiers.into_iter().flatten().take(16).collect();
        let file = trackers.iter().find_map(|url| torrent_url(url, &name));
        let code = short(hashes, trackers.first());
        let magnet = Magnet { hashes, name: Some(name), trackers, peers };
        if context.screen.is_json() {
            context.screen.json(json!({"type": "magnet", "magnet": magnet.to_string(), "torrent": file}));
            return Ok(());
        }
        context.screen.say(&magnet.to_string());
        if let Some(url) = file {
            context.screen.say(&format!("or the torrent file:  {}", escape(&url)));
        }
        if context.screen.is_terminal() {
            for row in qr::rows(&code, context.screen.width()).unwrap_or_default() {
                context.screen.say(&row);
            }
        }
        Ok(())
    })
}

/// The shortest link that still finds it: a smaller QR code.
fn short(hashes: InfoHashes, tracker: Option<&String>) -> String {
    let hashes = hashes.get_v1().map_or(hashes, InfoHashes::v1);
    let trackers = tracker.cloned().into_iter().collect();
    Magnet { hashes, name: None, trackers, peers: Vec::new() }.to_string()
}

/// Where our tracker gives the torrent file, beside its `/announce`.
fn torrent_url(announce: &str, name: &str) -> Option<String> {
    let base = announce.strip_suffix("/announce").filter(|base| base.starts_with("http://"))?;
    Some(format!("{base}/t/{}.torrent", magnet::escape(name)))
}

fn export<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let name = said.need(0, "What do you want to export?", "export NAME [FILE.torrent]")?;
        if said.words.len() > 2 {
            return Err(target::needs_quotes("export", &said.words.join(" ")));
        }
        let Described { mut metainfo, .. } = described(context, "export", name).await?;
        let asked = said.options.tiers()?;
        metainfo.announce = if asked.is_empty() { trackers(context, Some(&metainfo)) } else { asked };
        let file_name = format!("{}.torrent", metainfo.info.name());
        let path = match said.words.get(1).map(|word| target::home(word)) {
            Some(folder) if folder.is_dir() => folder.join(file_name),
            Some(path) => path,
            None => PathBuf::from(file_name),
        };
        let bytes = metainfo.to_bytes();
        write(&path, &bytes, said.options.yes)?;
        let shown = told::place(context, &path);
        if context.screen.is_json() {
            context.screen.json(json!({
                "type": "exported", "name": metainfo.info.name().to_string(), "path": path.display().to_string(),
                "bytes": bytes.len(), "trackers": metainfo.announce,
            }));
            return Ok(());
        }
        context.screen.say(&format!("Wrote {shown} ({}).", Size(bytes.len() as u64)));
        if metainfo.announce.is_empty() {
            context
                .screen
                .say("  note: it names no tracker; other programs need one, or to be on this network");
        }
        if lacks_layers(&metainfo) {
            let name = fit(&metainfo.info.name().to_string(), 60);
            context.screen.say(&format!(
                "  note: hashes of its pieces are missing, and some programs want them; once you have {name}, export it again"
            ));
        }
        Ok(())
    })
}

/// Whether hashes that a torrent of version 2 should carry are not known here.
fn lacks_layers(metainfo: &Metainfo) -> bool {
    let piece = u64::from(metainfo.info.layout().piece_length());
    metainfo.info.files().any(|file| {
        file.length > piece && file.pieces_root.is_some_and(|root| !metainfo.piece_layers.contains_key(&root))
    })
}

/// Writes a file whole or not at all; what has the name already stays unless `replace`.
fn write(path: &Path, bytes: &[u8], replace: bool) -> Result<(), Failure> {
    let shown = fit(&path.display().to_string(), 80);
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let failed = |error: &std::io::Error| {
        let text = format!("{shown} cannot be written: {}.", escape(&error.to_string()));
        Failure::new(Exit::DiskFull, "not_written", text).advise("export NAME ANOTHER_FILE.torrent")
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file =
        tempfile::Builder::new().prefix(".enjambre-").tempfile_in(folder).map_err(|error| failed(&error))?;
    for_everybody(file.as_file()).map_err(|error| failed(&error))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(|error| failed(&error))?;
    let kept = if replace { file.persist(path) } else { file.persist_noclobber(path) };
    match kept {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            let text = format!("{shown} is there already, and is something else.");
            Err(Failure::new(Exit::AlreadyExists, "exists", text)
                .advise("another name, or --yes to replace it"))
        }
        Err(error) => Err(failed(&error.error)),
    }
}

/// A temporary file is its owner's alone; a torrent file is to be given away.
fn for_everybody(file: &std::fs::File) -> std::io::Result<()> {
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    #[cfg(not(unix))]
    let _ = file;
    Ok(())
}
