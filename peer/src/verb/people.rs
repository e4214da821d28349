//! `who`, `message` and `say`: the people here.

use serde_json::json;
use shared::control::{Code, Message, Person, ReceiptState, Sent, Who};
use shared::display::{Size, escape, fit};

use super::{Needs, Offer, Running, Said, Verb, remembered, rooms, target};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::link::{AskError, LinkState};
use crate::terminal::table::{Column, Table};

/// who
pub(super) const WHO: Verb = Verb {
    names: &["who", "quien"],
    arguments: "[@ROOM]",
    about: "the people here, or all who belong to a room",
    examples: &["who @aula1"],
    offer: Offer::Rooms,
    needs: Needs::TrackerIfThere,
    takes_text: false,
    stays: false,
    run: who,
};

/// message
pub(super) const MESSAGE: Verb = Verb {
    names: &["message", "msg", "m", "mensaje"],
    arguments: "NICK|@ROOM TEXT",
    about: "say something to one person, or in a room",
    examples: &["msg bob ya esta el iso", "msg @aula1 empezamos"],
    offer: Offer::Nicks,
    needs: Needs::Tracker,
    takes_text: true,
    stays: false,
    run: message,
};

/// say
pub(super) const SAY: Verb = Verb {
    names: &["say", "decir"],
    arguments: "[@ROOM] TEXT",
    about: "say something to everybody, or in a room",
    examples: &["say empezamos en 5 min", "say @aula1 empezamos"],
    offer: Offer::Rooms,
    needs: Needs::Tracker,
    takes_text: true,
    stays: false,
    run: say,
};

fn who<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        // While there is no connection nobody needs to wait for one.
        let asked = match context.link.state() {
            LinkState::Lost { reason } => {
                Err(AskError::NotConnected { tracker: context.link.tracker().to_owned(), reason })
            }
            _ => context.link.ask(Who { room: said.words.first().map(|room| rooms::named(room)) }).await,
        };
        let here = match asked {
            Ok(here) => here,
            Err(AskError::Refused(refusal)) => return Err(target::refused(refusal)),
            Err(error) => return remembered::last_known(context, error),
        };
        if context.screen.is_json() {
            for person in &here.peers {
                context.screen.json(json!({
                    "type": "roster", "nick": person.nick, "peer_id": person.peer_id.to_string(), "address": person.address.to_string(),
                    "agent": person.agent, "shares": person.shares, "bytes": person.bytes, "since": person.since,
                    "chat": person.chat, "away": person.away,
                }));
            }
            for absent in &here.absent {
                context.screen.json(json!({
                    "type": "absent", "nick": absent.nick, "peer_id": absent.peer_id.to_string(), "seen": absent.seen,
                }));
            }
            return Ok(());
        }
        let mut table = Table::new([
            Column::left("name").cut(),
            Column::left("address"),
            Column::right("shares"),
            Column::right("size").optional(),
            Column::left("program").cut().optional(),
        ]);
        for person in &here.peers {
            let address = person.addresses.first().unwrap_or(&person.address).to_string();
            let shares =
                if person.shares == 1 { "1 share".to_owned() } else { format!("{} shares", person.shares) };
            table.row([
                person.nick.clone(),
                address,
                shares,
                Size(person.bytes).to_string(),
                format!("{}{}{}", away(person), person.agent, if person.chat { "" } else { "  cannot chat" }),
            ]);
        }
        for line in table.lines(context.screen.width()) {
            context.screen.say(&line);
        }
        for absent in &here.absent {
            let since = runtime::clock::date_and_time_of(absent.seen);
            context.screen.say(&format!("{}  away since {since}", fit(&absent.nick, 32)));
        }
        if said.words.is_empty() && here.peers.len() < 2 {
            let ways = crate::app::ways_to_join(&context.settings).join("     or: ");
            context.screen.say(&format!("You are alone. Others come with:  {ways}"));
        }
        Ok(())
    })
}

/// What is said of somebody who is connected and does not look.
fn away(person: &Person) -> String {
    match person.away.as_deref() {
        None => String::new(),
        Some("") => "(away) ".to_owned(),
        Some(text) => format!("(away: {}) ", fit(text, 40)),
    }
}

/// `NICK TEXT` as typed: the text keeps its spaces.
fn split_nick(text: &str) -> (&str, &str) {
    let text = text.trim();
    let (nick, rest) = text
        .strip_prefix('"')
        .and_then(|rest| rest.split_once('"'))
        .unwrap_or_else(|| text.split_once(char::is_whitespace).unwrap_or((text, "")));
    (nick, rest.trim())
}

fn message<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let (nick, text) = split_nick(&said.text);
        if nick.is_empty() {
            return Err(Failure::new(Exit::Usage, "usage", "To whom?")
                .advise("msg NICK TEXT     (who lists the people here)"));
        }
        if text.is_empty() {
            let shown = fit(nick, 32);
            return Err(Failure::new(Exit::Usage, "usage", format!("What do you want to say to {shown}?"))
                .advise(format!("msg {shown} hola")));
        }
        send(context, nick, text).await
    })
}

fn say<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        if said.text.is_empty() {
            return Err(Failure::new(Exit::Usage, "usage", "What do you want to say to everybody?")
                .advise("say hola"));
        }
        match split_nick(&said.text) {
            ("@todos" | "@all" | "*", text) if !text.is_empty() => send(context, "*", text).await,
            (room, "") if room.starts_with('@') => {
                let shown = fit(room, 33);
                Err(Failure::new(Exit::Usage, "usage", format!("What do you want to say in {shown}?"))
                    .advise(format!("say {shown} hola")))
            }
            (room, text) if room.starts_with('@') => send(context, room, text).await,
            _ => send(context, "*", &said.text).await,
        }
    })
}

pub(super) async fn send(context: &Context, to: &str, text: &str) -> Result<(), Failure> {
    let request = Message { to: to.to_owned(), text: text.to_owned(), nonce: None };
    let sent = match context.link.ask(request).await {
        Ok(sent) => sent,
        Err(error) => {
            let program = program_of(context, to, &error).await;
            return Err(not_sent(to, text, program.as_deref(), error));
        }
    };
    if context.screen.is_json() {
        context.screen.json(json!({
            "type": "sent", "to": to, "message": sent.message, "delivered": sent.delivered, "stored": sent.stored, "refused": sent.refused,
            "receivers": sent.receivers.iter().map(|receipt| json!({
                "nick": receipt.nick, "state": receipt.state, "away": receipt.away,
            })).collect::<Vec<_>>(),
        }));
    }
    let is_private = to != "*" && !to.starts_with('@');
    if is_private && sent.delivered + sent.stored == 0 {
        let text = format!("{} does not accept messages from you.", fit(to, 32));
        return Err(Failure::new(Exit::Refused, "refused", text).advise("who"));
    }
    if !context.screen.is_json() {
        context.screen.say(&sent_line(to, &sent));
        for receipt in sent.receivers.iter().filter(|_| is_private) {
            if let Some(away) = &receipt.away {
                let text = if away.is_empty() { String::new() } else { format!(": {}", escape(away)) };
                context.screen.say(&format!("  {} is away{text}", fit(&receipt.nick, 32)));
            }
        }
    }
    Ok(())
}

/// The program of somebody who cannot chat.
async fn program_of(context: &Context, nick: &str, error: &AskError) -> Option<String> {
    if !matches!(error, AskError::Refused(refusal) if refusal.code == Code::CannotChat) {
        return None;
    }
    let here = context.link.ask(Who::default()).await.ok()?;
    here.peers.into_iter().find(|person| person.nick == nick).map(|person| person.agent)
}

fn sent_line(to: &str, sent: &Sent) -> String {
    let time = runtime::clock::time_of_day();
    if to != "*" && !to.starts_with('@') {
        let state = match sent.receivers.first().map(|receipt| receipt.state) {
            Some(ReceiptState::Stored) => "stored: it comes when they are back",
            Some(ReceiptState::Refused) => "refused",
            Some(ReceiptState::Delivered) | None => "delivered",
        };
        return format!("to {} {time} {state}", fit(to, 32));
    }
    let place = if to == "*" { "to all".to_owned() } else { fit(to, 33) };
    let total = sent.delivered + sent.stored + sent.refused;
    if total == 0 {
        return format!("{place} {time}: nobody else is {}", if to == "*" { "here" } else { "in it" });
    }
    let some =
        |number: u64, word: &str| if number > 0 { format!(", {number} {word}") } else { String::new() };
    let (stored, refused) = (some(sent.stored, "stored"), some(sent.refused, "refused"));
    format!("{place} {time} {} of {total} delivered{stored}{refused}", sent.delivered)
}

/// Somebody who came with a BitTorrent program.
fn cannot_chat(nick: &str, program: Option<&str>) -> String {
    let program = program.map_or_else(|| "another program".to_owned(), |program| fit(program, 40));
    format!("\"{}\" uses {program}: it can share but not chat.", fit(nick, 32))
}

fn not_sent(to: &str, text: &str, program: Option<&str>, error: AskError) -> Failure {
    let AskError::Refused(refusal) = error else { return target::asked(error) };
    if refusal.code == Code::CannotChat {
        return Failure::new(Exit::Refused, "cannot_chat", cannot_chat(to, program))
            .advise("who     (shows who can chat)");
    }
    if refusal.code != Code::NoSuchUser {
        return target::refused(refusal);
    }
    let shown = fit(to, 32);
    let near = refusal.near.first().map(|near| fit(near, 32));
    let asked = near.as_ref().map_or_else(String::new, |near| format!(" Did you mean {near}?"));
    let failure =
        Failure::new(Exit::NotFound, "no_such_user", format!("No one is called \"{shown}\".{asked}"));
    match near {
        Some(near) => failure.advise(format!("msg {near} {}", escape(text))),
        None => failure.advise("who lists the people here"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_keeps_its_spaces() {
        assert_eq!(split_nick("bob  hola   --que tal "), ("bob", "hola   --que tal"));
        assert_eq!(split_nick("\"ana maria\" hola"), ("ana maria", "hola"));
        assert_eq!(split_nick("bob"), ("bob", ""));
        assert_eq!(split_nick(""), ("", ""));
    }
}
