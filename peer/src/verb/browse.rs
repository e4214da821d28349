//! `browse`: what one person shares, as a tree, also when it is away.
//!
//! The tracker tells the shares; what is inside a folder is read from its info dictionary, which it
//! tells too. Nothing is written anywhere.

use std::collections::BTreeMap;

use serde_json::json;
use shared::control::{Browse, Entry, Find, Found, Shelf};
use shared::display::{Size, fit};
use shared::metainfo::Info;

use super::{Needs, Offer, Running, Said, Verb, target};
use crate::context::{Context, Row};
use crate::failure::{Exit, Failure};

/// browse
pub(super) const BROWSE: Verb = Verb {
    names: &["browse", "ver"],
    arguments: "NICK [PATH] [--all]",
    about: "what somebody shares, folders with their files; also of who is away",
    examples: &["browse ana", "browse ana \"Tema 3\"", "browse ana \"Tema 3/practicas\" --all"],
    offer: Offer::Nicks,
    needs: Needs::Tracker,
    takes_text: false,
    stays: false,
    run: browse,
};

/// Lines that are shown unless all are asked for.
const MOST: usize = 100;
/// Lines that are shown at all.
const LIMIT: usize = 20_000;
/// Entries that are asked for at once.
const PAGE: u64 = 500;
/// Folders whose files are shown before only folders' names are.
const OPENED: usize = 25;
/// The same with `--all`.
const ALL_OPENED: usize = 1_000;

/// One line of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    depth: usize,
    /// The last part of the path.
    name: String,
    path: String,
    size: u64,
    /// Files inside, for a folder.
    files: Option<u64>,
}

fn browse<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let nick = said.need(0, "Whose shares?", "browse NICK     (who lists the people)")?;
        let path = said.words.get(1..).unwrap_or_default().join(" ");
        let path = path.trim_matches('/');
        let limit = if said.options.all || context.screen.is_json() { LIMIT } else { MOST };
        let (shelf, entries) = shelf(context, nick, limit).await?;
        let mut lines = Vec::new();
        let mut rows = Vec::new();
        if path.is_empty() {
            let mut to_open = if said.options.all || context.screen.is_json() { ALL_OPENED } else { OPENED };
            for entry in &entries {
                let folder = entry.files > 1;
                let name = entry.name.clone();
                lines.push(Line {
                    depth: 0,
                    path: name.clone(),
                    name,
                    size: entry.size,
                    files: folder.then_some(entry.files),
                });
                rows.push(Row::Entry(entry.entry.0.clone()));
                if folder && to_open > 0 && lines.len() < limit {
                    to_open -= 1;
                    if let Some(info) = describe(context, entry).await? {
                        let inside = tree(&info, &entry.name, "");
                        rows.extend(inside.iter().map(|_| Row::Entry(entry.entry.0.clone())));
                        lines.extend(inside);
                    }
                }
            }
        } else {
            let (entry, inside) = opened(&entries, path).ok_or_else(|| {
                nothing_there(&shelf.nick, path, entries.iter().map(|entry| entry.name.as_str()))
            })?;
            let info = describe(context, entry).await?.ok_or_else(|| undescribed(&entry.name))?;
            lines = tree(&info, &entry.name, inside);
            if lines.is_empty() {
                let names: Vec<String> =
                    tree(&info, &entry.name, "").into_iter().map(|line| line.path).collect();
                return Err(nothing_there(&shelf.nick, path, names.iter().map(String::as_str)));
            }
            rows = lines.iter().map(|_| Row::Entry(entry.entry.0.clone())).collect();
        }
        show(context, &shelf, path, &lines, limit);
        rows.truncate(limit);
        context.remember(rows);
        Ok(())
    })
}

/// All that somebody shares, as far as it is shown.
async fn shelf(context: &Context, nick: &str, limit: usize) -> Result<(Shelf, Vec<Entry>), Failure> {
    let (mut entries, mut after) = (Vec::new(), None);
    loop {
        let request = Browse { nick: nick.to_owned(), after, limit: Some(PAGE) };
        let mut page = context.link.ask(request).await.map_err(target::asked)?;
        entries.append(&mut page.entries);
        after = page.after;
        if after.is_none() || entries.len() >= limit {
            return Ok((page, entries));
        }
    }
}

/// The entry of a path, the name of which may hold what looks like another part, and the path inside it.
fn opened<'a>(entries: &'a [Entry], path: &'a str) -> Option<(&'a Entry, &'a str)> {
    let fits = entries.iter().filter_map(|entry| {
        let rest = path.strip_prefix(entry.name.as_str())?;
        (rest.is_empty() || rest.starts_with('/')).then(|| (entry, rest.trim_start_matches('/')))
    });
    fits.max_by_key(|(entry, _)| entry.name.len())
}

/// The files of a folder, where the tracker knows them.
async fn describe(context: &Context, entry: &Entry) -> Result<Option<Info>, Failure> {
    let found: Found =
        context.link.ask(Find::Entry { entry: entry.entry.clone() }).await.map_err(target::asked)?;
    let info = found.info.as_deref().and_then(|info| Info::parse(info).ok());
    Ok(info.filter(|info| info.hashes() == entry.hashes))
}

/// What is inside a folder below `under`, depth first, folders with the sums of what is in them. A path
/// that is a file is that file alone.
fn tree(info: &Info, name: &str, under: &str) -> Vec<Line> {
    #[derive(Default)]
    struct Folder {
        size: u64,
        files: u64,
        inside: BTreeMap<String, Self>,
        is_file: bool,
    }
    fn put(folder: &mut Folder, parts: &[&str], size: u64) {
        folder.size = folder.size.saturating_add(size);
        folder.files += 1;
        match parts.split_first() {
            Some((part, rest)) => put(folder.inside.entry((*part).to_owned()).or_default(), rest, size),
            None => folder.is_file = true,
        }
    }
    fn walk(folder: &Folder, depth: usize, path: &str, lines: &mut Vec<Line>) {
        for (name, inside) in &folder.inside {
            let path = format!("{path}/{name}");
            let files = (!inside.is_file).then_some(inside.files);
            lines.push(Line { depth, name: name.clone(), path: path.clone(), size: inside.size, files });
            walk(inside, depth + 1, &path, lines);
        }
    }
    let mut root = Folder::default();
    if info.is_single_file() {
        return Vec::new();
    }
    for file in info.files() {
        let path = file.path.to_string();
        let rest = match path.strip_prefix(under) {
            Some(rest) if under.is_empty() || rest.is_empty() => rest,
            Some(rest) if rest.starts_with('/') => rest.trim_start_matches('/'),
            _ => continue,
        };
        if rest.is_empty() {
            let last = path.rsplit('/').next().unwrap_or(&path).to_owned();
            return vec![Line {
                depth: 1,
                name: last,
                path: format!("{name}/{path}"),
                size: file.length,
                files: None,
            }];
        }
        put(&mut root, &rest.split('/').collect::<Vec<_>>(), file.length);
    }
    let mut lines = Vec::new();
    let top = [name, under].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    walk(&root, 1, &top, &mut lines);
    lines
}

fn show(context: &Context, shelf: &Shelf, path: &str, lines: &[Line], limit: usize) {
    let screen = &context.screen;
    if screen.is_json() {
        screen.json(json!({
            "type": "person", "nick": shelf.nick, "here": shelf.here, "seen": shelf.seen, "shares": shelf.total,
            "bytes": shelf.bytes,
        }));
        for line in lines.iter().take(limit) {
            screen.json(json!({
                "type": "listed", "path": line.path, "size": line.size, "depth": line.depth,
                "folder": line.files.is_some(), "files": line.files,
            }));
        }
        return;
    }
    let nick = fit(&shelf.nick, 32);
    let away = if shelf.here {
        String::new()
    } else {
        format!(", away since {}", runtime::clock::date_and_time_of(shelf.seen))
    };
    if shelf.total == 0 {
        return screen.say(&format!("{nick} shares nothing{away}."));
    }
    let below = if path.is_empty() { String::new() } else { format!("   {}", fit(path, 60)) };
    let things = if shelf.total == 1 { "share" } else { "shares" };
    screen.say(&format!("{nick}{away}   {} {things}, {}{below}", shelf.total, Size(shelf.bytes)));
    let width = screen.width().max(40);
    for line in lines.iter().take(limit) {
        let files = match line.files {
            Some(1) => "  1 file".to_owned(),
            Some(files) => format!("  {files} files"),
            None => String::new(),
        };
        let slash = if line.files.is_some() { "/" } else { "" };
        let facts = format!("  {}{files}", Size(line.size));
        let indent = "  ".repeat(line.depth.min(12) + 1);
        let room = width.saturating_sub(indent.len() + facts.chars().count() + slash.len()).max(12);
        screen.say(&format!("{indent}{}{slash}{facts}", fit(&line.name, room)));
    }
    let more = lines.len().saturating_sub(limit);
    let rest = shelf
        .total
        .saturating_sub(u64::try_from(lines.iter().filter(|line| line.depth == 0).count()).unwrap_or(0));
    if more > 0 || (path.is_empty() && rest > 0) {
        screen.say("  and more   (browse NICK FOLDER, or --all)");
    }
}

fn undescribed(name: &str) -> Failure {
    let text = format!("The tracker does not know what is inside {}.", fit(name, 60));
    Failure::new(Exit::NotFound, "no_description", text).advise(format!("get {}", target::typable(name)))
}

fn nothing_there<'a>(nick: &str, path: &str, names: impl Iterator<Item = &'a str>) -> Failure {
    let text = format!("{} has no \"{}\".", fit(nick, 32), fit(path, 60));
    match crate::words::nearest(path, names) {
        Some(near) => {
            Failure::new(Exit::NotFound, "not_found", format!("{text} Did you mean {}?", fit(near, 60)))
                .advise(format!("browse {} {}", target::typable(nick), target::typable(near)))
        }
        None => Failure::new(Exit::NotFound, "not_found", text)
            .advise(format!("browse {}", target::typable(nick))),
    }
}

#[cfg(test)]
mod tests {
    use shared::bencode::{Dict, List};

    use super::*;

    fn folder(paths: &[(&str, i64)]) -> Info {
        let files = paths.iter().fold(List::default(), |files, (path, length)| {
            let parts = path.split('/').fold(List::default(), List::bytes);
            files.raw(&Dict::default().int("length", *length).raw(b"path", parts.encode()).encode())
        });
        let info = Dict::default().raw(b"files", files.encode()).bytes("name", "x");
        Info::parse(&info.int("piece length", 16_384).bytes("pieces", [7; 20]).encode()).unwrap()
    }

    fn shown(lines: &[Line]) -> Vec<String> {
        let line = |line: &Line| format!("{} {} {} {:?}", line.depth, line.path, line.size, line.files);
        lines.iter().map(line).collect()
    }

    #[test]
    fn a_tree_has_folders_with_sums_and_can_be_entered_anywhere() {
        let info = folder(&[("b.pdf", 1), ("a/2.pdf", 10), ("a/1/x", 100), ("a/1/y", 1_000)]);
        let all = tree(&info, "T", "");
        assert_eq!(
            shown(&all),
            [
                "1 T/a 1110 Some(3)",
                "2 T/a/1 1100 Some(2)",
                "3 T/a/1/x 100 None",
                "3 T/a/1/y 1000 None",
                "2 T/a/2.pdf 10 None",
                "1 T/b.pdf 1 None"
            ]
        );
        assert_eq!(shown(&tree(&info, "T", "a/1")), ["1 T/a/1/x 100 None", "1 T/a/1/y 1000 None"]);
        assert_eq!(shown(&tree(&info, "T", "a/2.pdf")), ["1 T/a/2.pdf 10 None"]);
        assert!(tree(&info, "T", "a/2").is_empty() && tree(&info, "T", "c").is_empty());
    }
}
