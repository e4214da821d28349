//! `tracker backup` and `tracker export`: what a tracker remembers, taken out of its folder, also while
//! it runs. Nothing in the folder is changed. Called by the command line.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use registry::{Config, Event, Lasting, Registry};
use serde_json::{Value, json};
use shared::PeerId;

use crate::cli::{CANNOT_WRITE, Failure, REFUSED, UNEXPECTED, USAGE, say};
use crate::store::{self, StoreError};

/// Copies the database of the tracker in `dir` into the new file `to`.
pub(crate) fn backup(dir: &Path, to: &Path) -> Result<(), Failure> {
    if to.exists() {
        let text = format!("{} is there already.\n  try: another name", to.display());
        return Err(Failure::new(REFUSED, text));
    }
    let from = database(dir, "tracker backup FILE --dir DIR")?;
    store::backup(&from, to).map_err(|error| {
        Failure::new(CANNOT_WRITE, format!("Cannot copy {} to {}: {error}", from.display(), to.display()))
    })?;
    say(&format!(
        "{} holds all that the tracker remembers.\n  to go back to it: stop the tracker and put it in the place of {}",
        to.display(),
        from.display()
    ));
    Ok(())
}

/// Prints what the tracker in `dir` remembers: one JSON object a line.
pub(crate) fn export(dir: &Path) -> Result<(), Failure> {
    let from = database(dir, "tracker export --json --dir DIR")?;
    let events = remembered(&from)
        .map_err(|error| Failure::new(UNEXPECTED, format!("Cannot read {}: {error}", from.display())))?;
    let mut out = BufWriter::new(std::io::stdout().lock());
    let written = objects(&events).try_for_each(|object| writeln!(out, "{object}"));
    match written.and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failure::new(CANNOT_WRITE, format!("Cannot print: {error}"))),
    }
}

fn database(dir: &Path, example: &str) -> Result<PathBuf, Failure> {
    let path = dir.join(store::FILE);
    if path.exists() {
        return Ok(path);
    }
    let text = format!("No tracker ever ran in {}.\n  try: {example}", dir.display());
    Err(Failure::new(USAGE, text))
}

fn remembered(path: &Path) -> Result<Vec<Event>, StoreError> {
    let mut registry = Registry::new(Config::default());
    store::read_beside(path, &mut registry)?;
    Ok(registry.checkpoint(false).into_iter().map(|Lasting { event, .. }| event).collect())
}

/// The events of a checkpoint as objects for other programs.
fn objects(events: &[Event]) -> impl Iterator<Item = Value> {
    let nicks: BTreeMap<PeerId, &str> = events
        .iter()
        .filter_map(|event| match event {
            Event::Known { peer, nick, .. } => Some((*peer, nick.as_str())),
            _ => None,
        })
        .collect();
    events.iter().filter_map(move |event| match event {
        Event::Known { peer, nick, first, seen, .. } => Some(json!({
            "v": 1, "type": "person", "nick": nick, "peer_id": peer, "first": first, "seen": seen,
        })),
        Event::Catalogued { new, names, holders, seen } => Some(json!({
            "v": 1, "type": "share", "entry": new.entry, "name": new.name, "names": names, "size": new.size,
            "files": new.files, "piece_length": new.piece_length, "kind": new.kind,
            "info_hash_v1": new.v1, "info_hash_v2": new.v2, "comment": new.comment, "private": new.private,
            "by": holders.iter().filter_map(|peer| nicks.get(peer)).collect::<Vec<_>>(), "seen": seen,
        })),
        // Text that was not to be kept is empty.
        Event::Messaged { message, from, to, text, at, .. } => Some(json!({
            "v": 1, "type": "message", "message": message, "from": from, "to": to, "at": at,
            "text": (!text.is_empty()).then_some(text),
        })),
        Event::Room { room, kept, members, lock } => Some(json!({
            "v": 1, "type": "room", "room": room, "kept": kept, "closed": lock.is_some(),
            "members": members.iter().filter_map(|(peer, _)| nicks.get(peer)).collect::<Vec<_>>(),
        })),
        Event::Operated { order } => Some(json!({
            "v": 1, "type": "order", "by": order.by, "at": order.at, "order": order.deed.verb(),
            "whom": order.deed.whom(), "text": order.deed.text(), "until": order.deed.until(),
        })),
        Event::Tallied { sums } => Some(json!({ "v": 1, "type": "totals", "totals": sums })),
        _ => None,
    })
}
