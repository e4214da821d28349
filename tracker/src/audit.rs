//! An event to its log line: the only place that says what the operator reads.
//!
//! The message of each line is a row for the console; its fields are for the log file. Text that
//! came from peers is escaped in both. Nothing here decides anything.

use std::fmt::Write as _;
use std::time::Duration;

use registry::{Door, Event, Milestone, NewMember, Order};
use runtime::telemetry::AUDIT;
use shared::control::{Departure, Have, MessageLog};
use shared::display::{Elapsed, Rate, Size, columns, escape, fit};

/// Columns of the action, of the nick, and of the row up to its last column.
const ACTION: usize = 11;
const NICK: usize = 6;
const ROW: usize = 62;
/// Columns of a name.
const NAME: usize = 48;

/// Logs what happened, if an operator wants to know it.
pub(crate) fn log(event: &Event) {
    match event {
        Event::Joined { member, online, .. } => connect(member, *online),
        Event::Resumed { member, .. } => {
            let (nick, address) = (escape(&member.nick), member.address);
            let row = row("CONNECT", &member.nick, &format!("{address}  back after a broken connection"), "");
            tracing::info!(target: AUDIT, action = "resume", %nick, %address, peer_id = %member.peer_id, "{row}");
        }
        Event::Left { peer, nick, how, detail, online, .. } => {
            let (how, text) = departure(*how, detail);
            let row = row("DISCONNECT", nick, &text, &online_now(*online));
            let (nick, detail) = (escape(nick), escape(detail));
            tracing::info!(target: AUDIT, action = "disconnect", %nick, peer_id = %peer, how, %detail, online, "{row}");
        }
        Event::Shared { nick, key, entry, name, size, have, sources, .. } => {
            let part = if have.is_full() { "" } else { "  a part" };
            let text = format!("{}  {}  {entry}{part}", fit(name, NAME), Size(*size));
            let row = row("SHARE", nick, &text, &counted(*sources, "source"));
            let (nick, name, have) = (escape(nick), escape(name), amount(*have));
            tracing::info!(target: AUDIT, action = "share", %nick, %name, size, %entry, info_hash = %key, have, sources, "{row}");
        }
        Event::Unshared { nick, key, entry, name, sources, .. } => {
            let text = format!("{}  {entry}", fit(name, NAME));
            let row = row("UNSHARE", nick, &text, &counted(*sources, "source"));
            let (nick, name) = (escape(nick), escape(name));
            tracing::info!(target: AUDIT, action = "unshare", %nick, %name, %entry, info_hash = %key, sources, "{row}");
        }
        Event::Progressed { milestone: Some(milestone), .. } => download(event, milestone),
        Event::Messaged { .. } => message(event),
        Event::Operated { order } => operated(order),
        Event::Entered { nick, room, .. } => in_room("JOIN", "join", nick, room),
        Event::Exited { nick, room, .. } => in_room("LEAVE", "leave", nick, room),
        Event::Met { new, .. } => {
            tracing::debug!(info_hash = %new.entry, "clients announce a torrent that nobody shared");
        }
        Event::Moved { .. }
        | Event::Forgotten { .. }
        | Event::Subscribed { .. }
        | Event::Progressed { milestone: None, .. }
        | Event::Collected { .. }
        | Event::Restarted { .. }
        | Event::Tallied { .. }
        | Event::Standing { .. }
        | Event::Room { .. }
        | Event::Numbered { .. }
        | Event::Ignored { .. }
        | Event::Away { .. }
        | Event::Known { .. }
        | Event::Catalogued { .. } => {}
    }
}

fn connect(member: &NewMember, online: usize) {
    let address = member.addresses.first().copied().unwrap_or(member.address);
    let reach = if member.addresses.is_empty() { "  cannot be dialled" } else { "" };
    let door = match member.door {
        Door::Json => "",
        Door::Http => "  by HTTP, cannot chat",
        Door::Udp => "  by UDP, cannot chat",
    };
    let text = format!("{address}  {}{reach}{door}", fit(&member.agent, 40));
    let row = row("CONNECT", &member.nick, &text, &online_now(online));
    let (nick, agent) = (escape(&member.nick), escape(&member.agent));
    let from = member.address;
    tracing::info!(target: AUDIT, action = "connect", %nick, %from, %address, peer_id = %member.peer_id, %agent, online, "{row}");
}

fn departure(how: Departure, detail: &str) -> (&'static str, String) {
    let word = match how {
        Departure::Left => "left",
        Departure::Lost => "lost",
        Departure::Kicked => "kicked",
    };
    let text = if detail.is_empty() { word.to_owned() } else { format!("{word} ({})", fit(detail, NAME)) };
    (word, text)
}

fn download(event: &Event, milestone: &Milestone) {
    let Event::Progressed { nick, key, entry, name, size, left, downloaded, .. } = event else { return };
    let had = size.saturating_sub(*left);
    #[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
    let percent = if *size == 0 { 100.0 } else { had as f64 * 100.0 / *size as f64 };
    let (step, text) = match milestone {
        Milestone::Start { from } => {
            let from = if from.is_empty() { "no one yet".to_owned() } else { from.join(", ") };
            ("start", format!("start {percent:>5.1} %  from {}", fit(&from, NAME)))
        }
        Milestone::Quarter { percent } => ("quarter", format!("{percent:>5} %")),
        Milestone::Done { millis, downloaded } => ("done", done(*size, *millis, *downloaded)),
        Milestone::Stop { percent } => ("stop", format!("stop  {percent:>3} %")),
    };
    let row = row("DOWNLOAD", nick, &format!("{}  {text}", fit(name, NAME)), "");
    let (nick, name) = (escape(nick), escape(name));
    tracing::info!(target: AUDIT, action = "download", step, %nick, %name, %entry, info_hash = %key, size, left, downloaded, "{row}");
}

fn done(size: u64, millis: Option<u64>, downloaded: u64) -> String {
    let Some(millis) = millis else { return format!("done    {}", Size(size)) };
    let elapsed = Duration::from_millis(millis);
    let mut text = format!("done    {} in {}", Size(size), Elapsed(elapsed));
    if millis > 0 && downloaded > 0 {
        #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
        let rate = downloaded as f64 / elapsed.as_secs_f64();
        let _ = write!(text, " ({})", Rate(rate));
    }
    text
}

fn message(event: &Event) {
    let Event::Messaged { message, from, to, text, delivered, stored, log, .. } = event else { return };
    let (from_safe, to_safe) = (escape(from), escape(to));
    let bytes = text.len();
    let kept = match stored {
        0 => String::new(),
        1 if *delivered == 0 => "  (kept)".to_owned(),
        stored => format!("  ({delivered} delivered, {stored} kept)"),
    };
    match log {
        MessageLog::Off => {}
        MessageLog::Meta => {
            let row = format!("{:<ACTION$} {from_safe} -> {to_safe}  ({bytes} bytes){kept}", "MESSAGE");
            tracing::info!(target: AUDIT, action = "message", message_id = message, from = %from_safe, to = %to_safe, bytes, delivered, "{row}");
        }
        MessageLog::Full => {
            let safe = escape(text);
            let row = format!("{:<ACTION$} {from_safe} -> {to_safe}  \"{safe}\"{kept}", "MESSAGE");
            tracing::info!(target: AUDIT, action = "message", message_id = message, from = %from_safe, to = %to_safe, text = %safe, bytes, delivered, "{row}");
        }
    }
}

fn in_room(word: &str, action: &str, nick: &str, room: &str) {
    let row = row(word, nick, &fit(room, NAME), "");
    let (nick, room) = (escape(nick), escape(room));
    tracing::info!(target: AUDIT, action, %nick, %room, "{row}");
}

/// What an operator ordered: who, when (the line's own time), and why.
fn operated(order: &Order) {
    let by = escape(&order.by).into_owned();
    let Order { deed, .. } = order;
    let (whom, until, text) = (deed.whom(), deed.until(), deed.text());
    let action = if deed.verb() == "say" { "notice" } else { deed.verb() };
    let shown = if text.is_empty() { String::new() } else { format!("\"{}\"", escape(text)) };
    let end = until.map(|until| format!("until {}", runtime::clock::date_and_time_of(until)));
    let row = row(&action.to_uppercase(), &whom, &shown, &end.unwrap_or_default());
    let (whom, text) = (escape(&whom), escape(text));
    tracing::info!(target: AUDIT, action, %whom, %by, until, %text, "{row}");
}

/// One row: action, nick, text, and what stands at its end.
fn row(action: &str, nick: &str, text: &str, end: &str) -> String {
    let nick = fit(nick, 32);
    let pad = |text: &str, width: usize| " ".repeat(width.saturating_sub(columns(text)));
    let mut row = format!("{action:<ACTION$} {nick}{} {text}", pad(&nick, NICK));
    if !end.is_empty() {
        row = format!("{row}{}  {end}", pad(&row, ROW));
    }
    row
}

fn online_now(online: usize) -> String {
    format!("{online} online")
}

fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn amount(have: Have) -> String {
    match have {
        Have::Full => "full".to_owned(),
        Have::Pieces(count) => format!("{count} pieces"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_columns_and_no_control_characters() {
        let short = row("CONNECT", "ana", "192.168.1.20:6881  peer/0.1.0", "1 online");
        assert_eq!(short, "CONNECT     ana    192.168.1.20:6881  peer/0.1.0                1 online");
        let wide = row("SHARE", "日本", "x", "2 sources");
        assert_eq!(columns(&wide), columns(&row("SHARE", "ana", "x", "2 sources")));
        assert!(!row("SHARE", "a\u{1b}[31m", "x", "").contains('\u{1b}'));
    }

    #[test]
    fn a_finished_download_tells_time_and_rate() {
        assert_eq!(done(4_700_372_992, Some(86_000), 4_700_372_992), "done    4.70 GB in 1m26s (54.7 MB/s)");
        assert_eq!(done(10, None, 10), "done    10 B");
        assert_eq!(done(0, Some(0), 0), "done    0 B in 0.0 s");
    }
}
