//! `share` and `unshare`: give files and folders to the others.

use std::path::{Path, PathBuf};

use engine::{HashProgress, ShareError, ShareNote, ShareOptions, Shared};
use serde_json::json;
use shared::control;
use shared::display::{Rate, Size, escape, fit};

use super::{Needs, Offer, Running, Said, Verb, target, told};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::link::AskError;
use crate::words;

/// share
pub(super) const SHARE: Verb = Verb {
    names: &["share", "compartir"],
    arguments: "PATH... [--as NAME] [--comment TEXT] [--announce URL] [--private] [--anon] [--format v1|v2|hybrid]",
    about: "share files and folders with everybody here",
    examples: &[
        "share linux.iso",
        "share \"Tema 3/\"",
        "share notas.pdf --as \"notas de hoy.pdf\"",
        "share film.mkv --announce http://192.168.1.10:6969/announce --no-date",
    ],
    offer: Offer::Paths,
    needs: Needs::Both,
    takes_text: false,
    stays: true,
    run: share,
};

/// unshare
pub(super) const UNSHARE: Verb = Verb {
    names: &["unshare", "descompartir"],
    arguments: "NAME",
    about: "stop sharing; the file stays where it is",
    examples: &["unshare linux.iso"],
    offer: Offer::Own,
    needs: Needs::Both,
    takes_text: false,
    stays: false,
    run: unshare,
};

fn share<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        said.need(0, "What do you want to share?", "share FILE_OR_FOLDER     e.g. share \"Tema 3/\"")?;
        if said.options.name.is_some() && said.words.len() > 1 {
            let text = "--as names one thing, and several were given.";
            return Err(Failure::new(Exit::Usage, "usage", text).advise("share FILE --as NAME"));
        }
        let paths: Vec<PathBuf> = said.words.iter().map(|word| target::home(word)).collect();
        if let Some(missing) = paths.iter().find(|path| path.symlink_metadata().is_err()) {
            let whole = said.words.join(" ");
            let one_name = paths.len() > 1 && target::home(&whole).exists();
            return Err(if one_name { target::needs_quotes("share", &whole) } else { no_file(missing) });
        }
        let options = options(said)?;
        for path in &paths {
            share_one(context, path, said, &options).await?;
        }
        Ok(())
    })
}

/// What was said about the torrent file.
fn options(said: &Said) -> Result<ShareOptions, Failure> {
    let options = &said.options;
    let today = i64::try_from(runtime::clock::wall_millis() / 1000).ok();
    Ok(ShareOptions {
        name: options.name.clone(),
        private: options.private,
        comment: options.comment.clone(),
        version: options.format.unwrap_or_default(),
        announce: options.tiers()?,
        date: today.filter(|_| !options.no_date),
        anonymous: options.anon,
    })
}

async fn share_one(
    context: &Context,
    path: &Path,
    said: &Said,
    options: &ShareOptions,
) -> Result<(), Failure> {
    let shared = hash(context, path, options.clone()).await?;
    for note in &shared.notes {
        context.screen.say(&format!("  note: {}", note_text(note)));
    }
    if shared.already && !options.announce.is_empty() {
        let added = context.session()?.add_trackers(shared.id, options.announce.clone()).await;
        added.map_err(|error| target::failed(&error))?;
    }
    let answer = publish(context, &shared, said).await;
    // The same content is here under another name: one swarm is better than two, so it is joined.
    if let Ok(known) = &answer
        && known.hashes != shared.info.hashes()
        && !shared.already
    {
        context.session()?.unshare(shared.id).await.map_err(|error| target::failed(&error))?;
        let shared =
            hash(context, path, ShareOptions { name: Some(known.name.clone()), ..options.clone() }).await?;
        let answer = publish(context, &shared, said).await;
        tell(context, &shared, &answer, Some(path));
        return Ok(());
    }
    tell(context, &shared, &answer, None);
    Ok(())
}

async fn hash(context: &Context, path: &Path, options: ShareOptions) -> Result<Shared, Failure> {
    let screen = context.screen.clone();
    let shown = fit(&path.display().to_string(), 60);
    let progress = move |progress: HashProgress| {
        screen.live(&format!("Hashing  {shown}  {}  {}", Size(progress.total), Rate(progress.rate)));
    };
    let shared = context.session()?.share(path, options, progress).await;
    context.screen.finish_live("");
    shared.map_err(|error| refused(path, &error))
}

async fn publish(context: &Context, shared: &Shared, said: &Said) -> Result<control::Shared, AskError> {
    let comment = said.options.comment.clone().filter(|_| !said.options.anon);
    match context.swarms() {
        Ok(swarms) => swarms.publish(shared.id, comment, said.options.private).await,
        Err(_) => Err(AskError::TimedOut),
    }
}

/// Says what was shared; `other_name` is the path when it goes by the name that the others know.
fn tell(
    context: &Context,
    shared: &Shared,
    answer: &Result<control::Shared, AskError>,
    other_name: Option<&Path>,
) {
    let name = shared.info.name().to_string();
    let (size, files) = (shared.info.length(), shared.info.files().count());
    if context.screen.is_json() {
        return context.screen.json(json!({
            "type": "share", "name": name, "size": size, "files": files, "id": shared.id.to_string(),
            "already": shared.already, "published": answer.is_ok(),
        }));
    }
    let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
    let short: String = shared.id.to_string().chars().take(6).collect();
    let note = match (answer, other_name) {
        (Err(error), _) => {
            format!("   (others see it once the tracker is back: {})", escape(&error.to_string()))
        }
        (Ok(_), Some(path)) => {
            let own = path.file_name().map(|name| fit(&name.to_string_lossy(), 40)).unwrap_or_default();
            format!("   (the others know {own} by this name: same content)")
        }
        (Ok(_), None) if shared.already => "   (it was already shared)".to_owned(),
        (Ok(_), None) => String::new(),
    };
    context.screen.say(&format!("Shared   {}  {}  {files}  id {short}{note}", escape(&name), Size(size)));
}

fn note_text(note: &ShareNote) -> String {
    let path = |path: &Path| fit(&path.display().to_string(), 60);
    match note {
        ShareNote::EmptyFolder { path: at } => {
            format!("{} is an empty folder and is left out: a torrent holds files", path(at))
        }
        ShareNote::Symlink { path: at } => format!("{} is a link and is left out", path(at)),
        ShareNote::Own { path: at } => format!("{} is the program's own and is left out", path(at)),
        ShareNote::Special { path: at, kind } => format!("{} is {kind} and is left out", path(at)),
        ShareNote::Followed { path: at, target } => {
            format!("{} is a link: sharing {}", path(at), path(target))
        }
        ShareNote::Renamed { path: at, name } => format!("{} is shared as {}", path(at), escape(name)),
    }
}

fn refused(path: &Path, error: &ShareError) -> Failure {
    let shown = fit(&path.display().to_string(), 80);
    match error {
        ShareError::Unreadable { path: at, source } if source.kind() == std::io::ErrorKind::NotFound => {
            no_file(at)
        }
        ShareError::Unreadable { path: at, source }
            if source.kind() == std::io::ErrorKind::PermissionDenied =>
        {
            Failure::new(
                Exit::Refused,
                "permission",
                format!("Cannot read {}: permission denied.", fit(&at.display().to_string(), 80)),
            )
            .advise("chmod u+r, or share another file")
        }
        ShareError::Kind { kind, .. } => {
            Failure::new(Exit::Usage, "not_a_file", format!("{shown} is {kind}, not a file or a folder."))
                .advise("share FILE_OR_FOLDER")
        }
        ShareError::Empty { .. } => Failure::new(
            Exit::Usage,
            "empty_folder",
            format!("{shown} holds no file, so there is nothing to share."),
        )
        .advise("put files into it first"),
        ShareError::Changed { path: at } => {
            let text = format!("{} changed while it was read.", fit(&at.display().to_string(), 80));
            Failure::new(Exit::Unverified, "changed", text).advise("share it again when nobody writes to it")
        }
        ShareError::Downloading { path: at } => {
            let text =
                format!("The same content is being downloaded to {}.", fit(&at.display().to_string(), 80));
            Failure::new(Exit::AlreadyExists, "downloading", text).advise("downloads")
        }
        other => Failure::new(
            Exit::Unexpected,
            "share_failed",
            format!("{shown} could not be shared: {}.", escape(&other.to_string())),
        )
        .advise("share another file, or look into .enjambre/peer.log"),
    }
}

fn no_file(path: &Path) -> Failure {
    let text = format!("No file \"{}\".", fit(&path.display().to_string(), 80));
    let Some(near) = neighbour(path) else {
        return Failure::new(Exit::NotFound, "no_file", text)
            .advise("share FILE_OR_FOLDER     (Tab completes names)");
    };
    let text = format!("{text} Did you mean {}?", fit(&near, 60));
    let near = path.with_file_name(&near).to_string_lossy().into_owned();
    Failure::new(Exit::NotFound, "no_file", text).advise(format!("share {}", target::typable(&near)))
}

/// A file beside the missing one with nearly its name.
fn neighbour(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_string_lossy().into_owned();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<String> = std::fs::read_dir(folder)
        .ok()?
        .take(10_000)
        .filter_map(|entry| entry.ok().map(|entry| entry.file_name().to_string_lossy().into_owned()))
        .collect();
    words::nearest(&name, names.iter().map(String::as_str)).map(str::to_owned)
}

fn unshare<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let name = said.name("What do you want to stop sharing?", "unshare NAME     (shares lists them)")?;
        let status = context.torrent(&name)?;
        context.session()?.unshare(status.id).await.map_err(|error| target::failed(&error))?;
        let told = context.swarms()?.withdraw(status.id).await;
        context.screen.json(json!({
            "type": "unshared", "id": status.id.to_string(), "name": status.name, "tracker_told": told.is_ok(),
        }));
        context
            .screen
            .say(&format!("No longer shared: {}. The file stays where it is.", escape(&status.name)));
        told::withdrawn(context, told);
        Ok(())
    })
}
