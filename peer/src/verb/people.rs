//! `who`, `message` and `say`: the people here.

use serde_json::json;
use shared::control::{Code, Message, ReceiptState, Sent, Who};
use shared::display::{Size, escape, fit};

use super::{Needs, Offer, Running, Said, Verb, remembered, target};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::link::{AskError, LinkState};
use crate::terminal::table::{Column, Table};

/// who
pub(super) const WHO: Verb = Verb {
    names: &["who", "quien"],
    arguments: "",
    about: "the people here",
    examples: &[],
    offer: Offer::Nothing,
    needs: Needs::TrackerIfThere,
    takes_text: false,
    stays: false,
    run: who,
};

/// message
pub(super) const MESSAGE: Verb = Verb {
    names: &["message", "msg", "m", "mensaje"],
    arguments: "NICK TEXT",
    about: "say something to one person",
    examples: &["msg bob ya esta el iso"],
    offer: Offer::Nicks,
    needs: Needs::Tracker,
    takes_text: true,
    stays: false,
    run: message,
};

/// say
pub(super) const SAY: Verb = Verb {
    names: &["say", "decir"],
    arguments: "TEXT",
    about: "say something to everybody",
    examples: &["say empezamos en 5 min"],
    offer: Offer::Nothing,
    needs: Needs::Tracker,
    takes_text: true,
    stays: false,
    run: say,
};

fn who<'a>(context: &'a Context, _: &'a Said) -> Running<'a> {
    Box::pin(async move {
        // While there is no connection nobody needs to wait for one.
        let asked = match context.link.state() {
            LinkState::Lost { reason } => {
                Err(AskError::NotConnected { tracker: context.link.tracker().to_owned(), reason })
            }
            _ => context.link.ask(Who::default()).await,
        };
        let here = match asked {
            Ok(here) => here,
            Err(error) => return remembered::last_known(context, error),
        };
        if context.screen.is_json() {
            for person in &here.peers {
                context.screen.json(json!({
                    "type": "roster", "nick": person.nick, "peer_id": person.peer_id.to_string(), "address": person.address.to_string(),
                    "agent": person.agent, "shares": person.shares, "bytes": person.bytes, "since": person.since,
                    "chat": person.chat,
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
                format!("{}{}", person.agent, if person.chat { "" } else { "  cannot chat" }),
            ]);
        }
        for line in table.lines(context.screen.width()) {
            context.screen.say(&line);
        }
        if here.peers.len() < 2 {
            let ways = crate::app::ways_to_join(&context.settings).join("     or: ");
            context.screen.say(&format!("You are alone. Others come with:  {ways}"));
        }
        Ok(())
    })
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
        send(context, "*", &said.text).await
    })
}

async fn send(context: &Context, to: &str, text: &str) -> Result<(), Failure> {
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
        }));
    } else {
        context.screen.say(&sent_line(to, &sent));
    }
    if to != "*" && sent.delivered + sent.stored == 0 {
        let text = format!("{} does not get your message.", fit(to, 32));
        return Err(Failure::new(Exit::Refused, "refused", text).advise("who"));
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
    if to != "*" {
        let state = match sent.receivers.first().map(|receipt| receipt.state) {
            Some(ReceiptState::Stored) => "stored: it comes when they are back",
            Some(ReceiptState::Refused) => "refused",
            Some(ReceiptState::Delivered) | None => "delivered",
        };
        return format!("to {} {time} {state}", fit(to, 32));
    }
    let total = sent.delivered + sent.stored + sent.refused;
    if total == 0 {
        return format!("to all {time}: nobody else is here");
    }
    let stored = if sent.stored > 0 { format!(", {} stored", sent.stored) } else { String::new() };
    format!("to all {time} {} of {total} delivered{stored}", sent.delivered)
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
