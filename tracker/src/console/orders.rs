//! The operator's orders as they are typed: to the registry's actions, and what follows as lines.

use registry::{Action, Ban, Command, Mute, Order, Removal};
use shared::control::{Refusal, RoomEntry, RoomKey};
use shared::display::{columns, escape, fit};

use crate::hub::{Hub, Standing};

/// The verbs, for guessing what was meant.
pub(super) const VERBS: [&str; 12] =
    ["room", "remove", "restore", "say", "motd", "mute", "unmute", "kick", "ban", "unban", "bans", "orders"];

/// Who orders here.
const BY: &str = "console";

/// What a line of these verbs is.
pub(super) enum Line {
    /// An order.
    Order(Action),
    /// A question, or a mistake, with what is to be said.
    Said(String),
}

/// Reads a line, if its verb is one of these.
pub(super) fn read_line(hub: &Hub, verb: &str, rest: &str) -> Option<Line> {
    let said = match verb {
        "bans" | "vetos" => bans(&hub.standing()),
        "orders" | "ordenes" => orders(&hub.standing().orders),
        "rooms" | "salas" => rooms(&hub.rooms()),
        "room" | "sala" if matches!(rest, "" | "list" | "lista") => rooms(&hub.rooms()),
        "motd" | "saludo" if rest.is_empty() => motd(&hub.standing()),
        _ => match read(verb, rest)? {
            Ok(action) => return Some(Line::Order(action)),
            Err(usage) => usage,
        },
    };
    Some(Line::Said(said))
}

/// Obeys an order; what is said when it is kept. What was done stands in the log line.
pub(super) async fn obey(hub: &Hub, action: Action) -> String {
    match hub.order(Command::Operate { by: BY.to_owned(), action }).await {
        Err(refusal) => refused(&refusal),
        Ok(true) => "Done.".to_owned(),
        Ok(false) => {
            "Done, but not on disk: it will be forgotten when the tracker stops.\n  try: status".to_owned()
        }
    }
}

/// The action of a line, or how the verb is used; `None` when it is none of these verbs.
fn read(verb: &str, rest: &str) -> Option<Result<Action, String>> {
    let usage = |question: &str, line: &str| Some(Err(format!("{question}\n  try: {line}")));
    let (word, after) = split(rest);
    let nick = word.to_owned();
    Some(Ok(match verb {
        "say" | "decir" if rest.is_empty() => return usage("What do you want to say?", "say TEXT"),
        "say" | "decir" => Action::Say { text: rest.to_owned() },
        "motd" | "saludo" => Action::Motd { text: (!matches!(rest, "off" | "no")).then(|| rest.to_owned()) },
        "mute" | "callar" if rest.is_empty() => return usage("Whom?", "mute NICK [30m] [WHY]"),
        "mute" | "callar" => {
            let (millis, reason) = time_and_reason(after);
            Action::Mute { nick, millis, reason }
        }
        "unmute" | "hablar" if rest.is_empty() => return usage("Whom?", "unmute NICK"),
        "unmute" | "hablar" => Action::Unmute { nick },
        "kick" | "echar" if rest.is_empty() => return usage("Whom?", "kick NICK [WHY]"),
        "kick" | "echar" => {
            let reason = if after.is_empty() { "sent away by the operator" } else { after };
            Action::Kick { nick, reason: reason.to_owned() }
        }
        "ban" | "vetar" if rest.is_empty() => {
            return usage("Whom?", "ban NICK [30m] [WHY]     or: ban 192.168.7.0/24 2d");
        }
        "ban" | "vetar" => {
            let (millis, reason) = time_and_reason(after);
            Action::Ban { whom: nick, millis, reason }
        }
        "unban" | "desvetar" if rest.is_empty() => {
            return usage("Whom?", "unban NICK|IP|NETWORK     (bans lists them)");
        }
        "unban" | "desvetar" => Action::Unban { whom: nick },
        "remove" | "retirar" if rest.is_empty() => {
            return usage("What?", "remove #ID|NAME [WHY]     (shares lists them)");
        }
        "remove" | "retirar" => {
            let (entry, reason) = name_and_reason(rest);
            Action::Remove { entry, reason }
        }
        "restore" | "restaurar" if rest.is_empty() => {
            return usage("What?", "restore #ID|NAME     (bans lists what was removed)");
        }
        "restore" | "restaurar" => Action::Restore { entry: name_and_reason(rest).0 },
        "room" | "sala" => return Some(room(word, after)),
        _ => return None,
    }))
}

/// `room add @NAME [KEY]`, `room open @NAME`, `room del @NAME`; `room list` is no order.
fn room(word: &str, rest: &str) -> Result<Action, String> {
    let (name, key) = split(rest);
    let room = name.to_owned();
    match word {
        "add" | "crear" if key.is_empty() && !name.is_empty() => Ok(Action::AddRoom { room, key: None }),
        "add" | "crear" if !name.is_empty() => match RoomKey::new(key) {
            Ok(key) => Ok(Action::AddRoom { room, key: Some(key) }),
            Err(fault) => Err(format!("The key {fault}.\n  try: room add @NAME KEY")),
        },
        "open" | "abrir" if !name.is_empty() => Ok(Action::OpenRoom { room }),
        "del" | "delete" | "remove" | "borrar" if !name.is_empty() => Ok(Action::DropRoom { room }),
        _ => Err("What about a room?\n  try: room add @NAME [KEY]     or: room open @NAME     or: room del \
                  @NAME     or: room list"
            .to_owned()),
    }
}

/// The rooms as lines.
fn rooms(rooms: &[RoomEntry]) -> String {
    if rooms.is_empty() {
        return "There are no rooms.\n  try: room add @NAME".to_owned();
    }
    let rows = rooms.iter().map(|entry| {
        let name = fit(&entry.room, 33);
        let pad = " ".repeat(20_usize.saturating_sub(columns(&name)));
        let kept = if entry.kept { "  stays when it is empty" } else { "" };
        let closed = if entry.closed { "  closed with a key" } else { "" };
        let members = if entry.members == 1 { "member" } else { "members" };
        format!("{name}{pad} {} {members}, {} here{kept}{closed}", entry.members, entry.here)
    });
    rows.collect::<Vec<_>>().join("\n")
}

fn split(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

/// A name that may stand between quotes, as it may have spaces, and the rest.
fn name_and_reason(text: &str) -> (String, String) {
    let quoted = text.strip_prefix('"').and_then(|text| text.split_once('"'));
    let (name, reason) = quoted.unwrap_or_else(|| split(text));
    (name.to_owned(), reason.trim().to_owned())
}

/// A time such as `30m`, if the text begins with one, and the rest.
fn time_and_reason(text: &str) -> (Option<u64>, String) {
    let (word, rest) = split(text);
    match millis(word) {
        Some(millis) => (Some(millis), rest.to_owned()),
        None => (None, text.to_owned()),
    }
}

/// Milliseconds of a time such as `45s`, `30m`, `12h`, `2d` or `1w`.
fn millis(word: &str) -> Option<u64> {
    let unit = match word.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let number = word.get(..word.len() - 1)?;
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse::<u64>().ok().filter(|number| digits && *number > 0)?.checked_mul(unit * 1_000)
}

fn refused(refusal: &Refusal) -> String {
    let near = refusal.near.first().map(|near| format!(" Did you mean: {} ?", escape(near)));
    format!("{}.{}", escape(&refusal.text), near.unwrap_or_default())
}

fn motd(standing: &Standing) -> String {
    match &standing.motd {
        Some(text) => format!("Everyone who comes is told: {}\n  motd off ends that", escape(text)),
        None => "Who comes is told nothing.\n  try: motd TEXT".to_owned(),
    }
}

fn bans(standing: &Standing) -> String {
    let until = |until: Option<u64>| {
        until.map_or_else(
            || "for ever".to_owned(),
            |at| format!("until {}", runtime::clock::date_and_time_of(at)),
        )
    };
    let rows = standing.bans.iter().map(|ban| {
        let Ban { reason, by, .. } = ban;
        row("ban", &ban.whom(), &until(ban.until), by, reason)
    });
    let mutes = standing.mutes.iter().map(|mute| {
        let Mute { nick, reason, by, .. } = mute;
        row("mute", nick, &until(mute.until), by, reason)
    });
    let removals = standing.removals.iter().map(|removal| {
        let Removal { entry, name, reason, by, .. } = removal;
        row("gone", &format!("#{} {name}", entry.0), "for ever", by, reason)
    });
    let rows: Vec<String> = rows.chain(mutes).chain(removals).collect();
    if rows.is_empty() { "Everyone may come, write and share.".to_owned() } else { rows.join("\n") }
}

fn row(what: &str, whom: &str, until: &str, by: &str, reason: &str) -> String {
    let (whom, by, reason) = (fit(whom, 43), escape(by), fit(reason, 80));
    let pad = " ".repeat(18_usize.saturating_sub(columns(&whom)));
    format!("{what:<5} {whom}{pad} {until:<24} by {by:<8} {reason}").trim_end().to_owned()
}

/// Orders that are shown.
const SHOWN: usize = 50;

fn orders(orders: &[Order]) -> String {
    if orders.is_empty() {
        return "Nothing was ordered yet.".to_owned();
    }
    let rows = orders.iter().skip(orders.len().saturating_sub(SHOWN)).map(|order| {
        let Order { deed, .. } = order;
        let whom = if matches!(deed.verb(), "say" | "motd") { String::new() } else { deed.whom() };
        let (time, by) = (runtime::clock::date_and_time_of(order.at), escape(&order.by));
        format!("{time}  {by:<8} {:<7} {} {}", deed.verb(), fit(&whom, 43), fit(deed.text(), 80))
            .trim_end()
            .to_owned()
    });
    rows.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_from_reasons() {
        assert_eq!(time_and_reason("30m too loud"), (Some(1_800_000), "too loud".to_owned()));
        assert_eq!(time_and_reason("2d"), (Some(172_800_000), String::new()));
        for text in ["too loud", "m", "-3m", "0m", "30", "30m2", "99999999999999999999w", "ñ"] {
            assert_eq!(time_and_reason(text), (None, text.to_owned()), "{text}");
        }
    }

    #[test]
    fn lines_are_orders() {
        let ban = read("ban", "192.168.7.0/24 1h a whole room").unwrap().unwrap();
        let expected = Action::Ban {
            whom: "192.168.7.0/24".to_owned(),
            millis: Some(3_600_000),
            reason: "a whole room".to_owned(),
        };
        assert_eq!(ban, expected);
        assert_eq!(read("motd", "off"), Some(Ok(Action::Motd { text: None })));
        let room = || "@aula1".to_owned();
        let key = RoomKey::new("tango lima").ok();
        assert_eq!(read("room", "add @aula1 tango lima"), Some(Ok(Action::AddRoom { room: room(), key })));
        assert_eq!(read("sala", "abrir @aula1"), Some(Ok(Action::OpenRoom { room: room() })));
        assert!(read("room", "add").unwrap().is_err());
        assert!(read("ban", "").unwrap().is_err());
        let remove = read("remove", "\"Tema 3.pdf\" not for us").unwrap().unwrap();
        let expected = Action::Remove { entry: "Tema 3.pdf".to_owned(), reason: "not for us".to_owned() };
        assert_eq!(remove, expected);
        assert_eq!(read("restaurar", "#9c1e47"), Some(Ok(Action::Restore { entry: "#9c1e47".to_owned() })));
        assert!(read("status", "").is_none());
        for verb in VERBS.into_iter().filter(|verb| !matches!(*verb, "bans" | "orders" | "motd" | "room")) {
            assert!(read(verb, "").unwrap().is_err(), "{verb} shows how it is used");
        }
    }
}
