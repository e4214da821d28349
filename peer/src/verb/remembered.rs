//! Who was here, told while the tracker is away.

use serde_json::json;
use shared::display::{Elapsed, escape, fit};
use std::time::Duration;

use super::target;
use crate::context::Context;
use crate::failure::Failure;
use crate::link::AskError;
use crate::swarms::roster::{Acquaintance, Roster};
use crate::terminal::table::{Column, Table};

/// How many people one line names.
const MOST_NAMED: usize = 5;

/// Shows the last people known instead of those who are here; without any it fails as the question did.
pub(super) fn last_known(context: &Context, error: AskError) -> Result<(), Failure> {
    let away = matches!(error, AskError::NotConnected { .. } | AskError::TimedOut);
    let (roster, now) = (roster(context), now());
    if !away || roster.people().is_empty() {
        return Err(target::asked(error));
    }
    let text = format!("{}.", target::capital(&escape(&error.to_string())));
    if context.screen.is_json() {
        context.screen.json(json!({"type": "warning", "code": "no_tracker", "text": text}));
        for one in roster.people() {
            context.screen.json(json!({
                "type": "roster", "nick": one.nick, "peer_id": one.peer_id.to_string(),
                "address": one.address.to_string(), "seen": one.seen, "here": false,
            }));
        }
        return Ok(());
    }
    context.screen.say(&format!("{text} The last people known:"));
    let mut table = Table::new([Column::left("name").cut(), Column::left("address"), Column::left("seen")]);
    for one in roster.people() {
        table.row([one.nick.clone(), one.address.to_string(), ago(one, now)]);
    }
    for line in table.lines(context.screen.width()) {
        context.screen.say(&line);
    }
    Ok(())
}

/// The last people known in one line for the prompt; `None` when nobody is.
pub fn last_people(context: &Context) -> Option<String> {
    let (roster, now) = (roster(context), now());
    let name = |one: &Acquaintance| format!("{} ({})", fit(&one.nick, 32), ago(one, now));
    let named: Vec<String> = roster.people().iter().take(MOST_NAMED).map(name).collect();
    let more = match roster.people().len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (!named.is_empty()).then(|| format!("The last people known: {}{more}.   who", named.join(", ")))
}

fn roster(context: &Context) -> Roster {
    match &context.swarms {
        Some((_, swarms)) => swarms.roster(),
        None => Roster::load(&context.settings.dir, now()),
    }
}

fn ago(one: &Acquaintance, now: u64) -> String {
    match now.saturating_sub(one.seen) {
        0..10 => "just now".to_owned(),
        seconds => format!("{} ago", Elapsed(Duration::from_secs(seconds))),
    }
}

fn now() -> u64 {
    runtime::clock::wall_millis() / 1000
}
