//! `search` and `sources`: what there is and who has it.

use engine::PeerStatus;
use serde_json::json;
use shared::InfoHashes;
use shared::control::{Entry, Have, Kind, Search, Source, SourcesOf};
use shared::display::{Size, escape, fit};

use super::{Needs, Offer, Running, Said, Verb, target, told};
use crate::context::{Context, Row};
use crate::failure::{Exit, Failure};
use crate::terminal::table::{Column, Table};
use crate::words;

/// Pages of a search that are asked for one after the other.
const MOST_PAGES: usize = 100;

/// search
pub(super) const SEARCH: Verb = Verb {
    names: &["search", "buscar"],
    arguments: "[WORDS] [--type KIND] [--min SIZE] [--max SIZE] [--by NICK]",
    about: "what others share; accents and case do not matter",
    examples: &["search tema 3", "search --type video --min 500M", "search --by ana"],
    offer: Offer::Remote,
    needs: Needs::Tracker,
    takes_text: false,
    stays: false,
    run: search,
};

/// sources
pub(super) const SOURCES: Verb = Verb {
    names: &["sources", "fuentes"],
    arguments: "NAME",
    about: "who has how much of it",
    examples: &["sources linux.iso"],
    offer: Offer::Remote,
    needs: Needs::Tracker,
    takes_text: false,
    stays: false,
    run: sources,
};

fn search<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let size = |text: &Option<String>| text.as_deref().map(words::parse_size).transpose();
        let options = &said.options;
        let query = said.words.join(" ");
        let request = Search {
            query: query.clone(),
            kind: options.kind.as_deref().map(kind).transpose()?,
            min: size(&options.min)?,
            max: size(&options.max)?,
            by: options.by.clone(),
            after: None,
            limit: Some(if context.screen.is_json() { 1000 } else { 50 }),
        };
        if context.screen.is_json() {
            return search_all(context, request).await;
        }
        let found = context.link.ask(request).await.map_err(target::asked)?;
        if found.entries.is_empty() {
            return nothing(context, &query, &found.near);
        }
        let mut table = Table::new([
            Column::right("#"),
            Column::left("name").cut(),
            Column::right("size"),
            Column::right("files").optional(),
            Column::left("sources"),
            Column::left("by").cut(),
        ]);
        for (number, entry) in (1..).zip(&found.entries) {
            table.row([
                number.to_string(),
                entry.name.clone(),
                Size(entry.size).to_string(),
                entry.files.to_string(),
                match entry.sources {
                    0 => "offline".to_owned(),
                    sources => format!("{}/{sources} full", entry.full),
                },
                by(entry),
            ]);
        }
        context.remember(found.entries.iter().map(|entry| Row::Entry(entry.entry.0.clone())));
        for line in table.lines(context.screen.width()) {
            context.screen.say(&line);
        }
        for (number, entry) in (1..).zip(&found.entries) {
            if let Some(path) = found.paths.get(&entry.entry) {
                context
                    .screen
                    .say(&format!("  {number} has {}", fit(path, context.screen.width().max(40) - 12)));
            }
        }
        let more = if found.total > found.entries.len() as u64 { "   (more words show fewer)" } else { "" };
        context.screen.say(&format!("{} found.{more}   get 1     sources 1", found.total));
        Ok(())
    })
}

/// All that the tracker tells, page after page, one object each; at the end how many more there are.
async fn search_all(context: &Context, mut request: Search) -> Result<(), Failure> {
    let mut given = 0;
    for _ in 0..MOST_PAGES {
        let found = context.link.ask(request.clone()).await.map_err(target::asked)?;
        for entry in &found.entries {
            context.screen.json(entry_json(entry, found.paths.get(&entry.entry)));
        }
        given += found.entries.len() as u64;
        request.after = found.after;
        if found.after.is_some() {
            continue;
        }
        if given == 0 {
            return nothing(context, &request.query, &found.near);
        }
        if found.total > given {
            let text = format!("{} more fit; more words show fewer.", found.total - given);
            let total = found.total;
            context.screen.json(
                json!({"type": "warning", "code": "more", "text": text, "given": given, "total": total}),
            );
        }
        return Ok(());
    }
    let text = format!("The tracker's pages do not end; the first {given} are here.");
    context.screen.json(json!({"type": "warning", "code": "more", "text": text, "given": given}));
    Ok(())
}

/// Who has it; when nobody is here, who had it and when that was.
fn by(entry: &Entry) -> String {
    match entry.seen.filter(|_| entry.sources == 0) {
        Some(seen) => format!("({}, {})", entry.by.join(" "), runtime::clock::date_and_time_of(seen)),
        None => entry.by.join(" "),
    }
}

pub(super) fn kind(word: &str) -> Result<Kind, Failure> {
    let word = word.to_lowercase();
    let known = Kind::WORDS.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind);
    known.ok_or_else(|| {
        let names: Vec<&str> = Kind::WORDS.iter().map(|(name, _)| *name).collect();
        Failure::new(Exit::Usage, "bad_kind", format!("\"{}\" is no kind of thing.", fit(&word, 40)))
            .advise(format!("--type {}", names.join(", ")))
    })
}

fn entry_json(entry: &Entry, path: Option<&String>) -> serde_json::Value {
    json!({
        "type": "search_result", "entry": entry.entry.0, "name": entry.name, "size": entry.size, "files": entry.files,
        "sources": entry.sources, "full": entry.full, "by": entry.by, "seen": entry.seen,
        "info_hash_v1": entry.hashes.get_v1().map(|hash| hash.to_string()),
        "info_hash_v2": entry.hashes.get_v2().map(|hash| hash.to_string()),
        "path": path,
    })
}

fn nothing(context: &Context, query: &str, near: &[String]) -> Result<(), Failure> {
    if query.is_empty() && near.is_empty() {
        context.screen.say("Nobody shares anything yet.   try: share FILE_OR_FOLDER");
        return Ok(());
    }
    let text = format!("Nothing matches \"{}\".", fit(query, 60));
    let failure = Failure::new(Exit::NotFound, "not_found", text);
    Err(match near.first() {
        Some(near) => failure.advise(format!("search {}", fit(near, 60))),
        None => failure.advise("fewer words, or search alone for everything"),
    })
}

fn sources<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let name = said.name("The sources of what?", "sources NAME")?;
        let found = target::find(context, "sources", &name).await?;
        let request = SourcesOf { entry: found.entry.entry.clone(), want: 200, subscribe: false };
        let answer = context.link.ask(request).await.map_err(target::asked)?;
        let others = connected(context, found.entry.hashes, &answer.sources).await;
        let pieces = found.entry.size.div_ceil(found.entry.piece_length.max(1));
        if context.screen.is_json() {
            for source in &answer.sources {
                context.screen.json(json!({
                    "type": "source", "nick": Some(&source.nick).filter(|nick| !nick.is_empty()), "peer_id": source.peer_id.to_string(), "full": source.have.is_full(),
                    "addresses": source.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(), "agent": source.agent, "source": "tracker",
                }));
            }
            for peer in &others {
                context.screen.json(json!({
                    "type": "source", "nick": null, "peer_id": peer.peer_id.to_string(), "full": peer.complete,
                    "addresses": [peer.address.to_string()], "agent": told::program(&peer.peer_id),
                    "source": told::source_word(peer.source),
                }));
            }
            return Ok(());
        }
        if answer.sources.is_empty() && others.is_empty() {
            context.screen.say(&format!("No one else who has {} is online.", escape(&found.entry.name)));
            return Ok(());
        }
        let mut table = Table::new([
            Column::left("name").cut(),
            Column::right("has"),
            Column::left("address"),
            Column::left("from"),
            Column::left("program").optional(),
        ]);
        for source in &answer.sources {
            let has = match source.have {
                Have::Full => "all".to_owned(),
                // How much one without a name has is not known.
                Have::Pieces(_) if source.nick.is_empty() => "a part".to_owned(),
                Have::Pieces(count) => format!("{} %", (count * 100 / pieces.max(1)).min(100)),
            };
            let address = source.addresses.first().map_or_else(|| "-".to_owned(), ToString::to_string);
            let nick = if source.nick.is_empty() { "-".to_owned() } else { source.nick.clone() };
            table.row([nick, has, address, "T".to_owned(), source.agent.clone()]);
        }
        for peer in &others {
            let has = format!("{} %", (u64::from(peer.pieces) * 100 / pieces.max(1)).min(100));
            let has = if peer.complete { "all".to_owned() } else { has };
            let row = [
                "-".to_owned(),
                has,
                peer.address.to_string(),
                told::flags(peer),
                told::program(&peer.peer_id),
            ];
            table.row(row);
        }
        for line in table.lines(context.screen.width()) {
            context.screen.say(&line);
        }
        Ok(())
    })
}

/// Peers that this one is connected to and that the tracker did not name.
async fn connected(context: &Context, hashes: InfoHashes, named: &[Source]) -> Vec<PeerStatus> {
    let Ok(session) = context.session() else { return Vec::new() };
    let Some(status) = session.list().into_iter().find(|status| hashes.matches(&status.id)) else {
        return Vec::new();
    };
    let mut peers = session.peers(status.id).await.unwrap_or_default();
    peers.retain(|peer| named.iter().all(|source| source.peer_id != peer.peer_id));
    peers
}
