//! `history` and `reply`: what was said, and answering it.

use serde_json::json;
use shared::control::{History, Past};
use shared::display::{escape, fit};

use super::{Needs, Offer, Running, Said, Verb, people, target};
use crate::context::Context;
use crate::failure::{Exit, Failure};

/// history
pub(super) const HISTORY: Verb = Verb {
    names: &["history", "historial"],
    arguments: "[NICK|@ROOM] [N]",
    about: "the last messages, or the last N",
    examples: &["history bob", "history @aula1 50"],
    offer: Offer::Nicks,
    needs: Needs::Myself,
    takes_text: false,
    stays: false,
    run: history,
};

/// reply
pub(super) const REPLY: Verb = Verb {
    names: &["reply", "responder"],
    arguments: "TEXT",
    about: "answer the one who wrote to you last",
    examples: &["reply ya voy"],
    offer: Offer::Nothing,
    needs: Needs::Myself,
    takes_text: true,
    stays: false,
    run: reply,
};

/// Messages that are shown when nobody says how many.
const SHOWN: u64 = 20;
/// The most that one answer of a tracker tells.
const MOST: u64 = 200;

fn history<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let ask = wanted(&said.words)?;
        let found = context.link.ask(ask.clone()).await.map_err(target::asked)?.messages;
        if context.screen.is_json() {
            for past in &found {
                context.screen.json(json!({
                    "type": "message", "message": past.message, "from": past.from, "to": past.to, "text": past.text, "at": past.at,
                    "late": false,
                }));
            }
            return Ok(());
        }
        if found.is_empty() {
            context.screen.say("Nothing was said that this tracker still knows.");
        }
        let me = context.link.nick();
        for past in &found {
            context.screen.say(&line(past, &me));
        }
        Ok(())
    })
}

/// `[NICK|@ROOM] [N]` as it was typed.
fn wanted(words: &[String]) -> Result<History, Failure> {
    let (words, limit) = match words.split_last() {
        Some((last, words)) if last.parse::<u64>().is_ok() => (words, last.parse().unwrap_or(SHOWN)),
        _ => (words, SHOWN),
    };
    if !(1..=MOST).contains(&limit) {
        return Err(Failure::new(Exit::Usage, "usage", format!("From 1 to {MOST} messages can be shown."))
            .advise("history bob 50"));
    }
    let with = match words.join(" ").as_str() {
        "" => None,
        "@todos" | "@all" | "*" => Some("*".to_owned()),
        with => Some(with.to_owned()),
    };
    Ok(History { with, before: None, limit: Some(limit) })
}

fn line(past: &Past, me: &str) -> String {
    let time = runtime::clock::date_and_time_of(past.at);
    let to = match past.to.as_str() {
        "*" => " to all".to_owned(),
        room if room.starts_with('@') => format!(" {}", fit(room, 33)),
        nick if nick == me => String::new(),
        nick => format!(" to {}", fit(nick, 32)),
    };
    format!("[{time}] {}{to}: {}", fit(&past.from, 32), escape(&past.text))
}

fn reply<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        if said.text.is_empty() {
            return Err(
                Failure::new(Exit::Usage, "usage", "What do you want to answer?").advise("reply ya voy")
            );
        }
        let to = match context.chat.last_writer() {
            Some(nick) => nick,
            None => last_writer(context).await?,
        };
        people::send(context, &to, &said.text).await
    })
}

/// Who wrote last before this peer was started, as the tracker knows it.
async fn last_writer(context: &Context) -> Result<String, Failure> {
    let me = context.link.nick();
    let ask = History { limit: Some(MOST), ..History::default() };
    let found = context.link.ask(ask).await.map_err(target::asked)?.messages;
    let last = found.into_iter().rev().find(|past| past.to == me && past.from != me);
    last.map(|past| past.from).ok_or_else(|| {
        Failure::new(Exit::NotFound, "nobody_wrote", "Nobody wrote to you yet.").advise("msg NICK TEXT")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_at_the_end_says_how_many() {
        let ask = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            wanted(&words).map(|ask| (ask.with, ask.limit.unwrap()))
        };
        assert_eq!(ask("").unwrap(), (None, 20));
        assert_eq!(ask("50").unwrap(), (None, 50));
        assert_eq!(ask("bob").unwrap(), (Some("bob".to_owned()), 20));
        assert_eq!(ask("@aula1 7").unwrap(), (Some("@aula1".to_owned()), 7));
        assert_eq!(ask("@todos").unwrap(), (Some("*".to_owned()), 20));
        assert_eq!(ask("bob 201").unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn lines_hide_nothing() {
        let past = |to: &str, text: &str| Past {
            message: 1,
            from: "ana".to_owned(),
            to: to.to_owned(),
            text: text.to_owned(),
            at: 1_795_244_316_395,
        };
        assert!(line(&past("bob", "hola"), "bob").ends_with("] ana: hola"));
        assert!(line(&past("@aula1", "hola"), "bob").ends_with("] ana @aula1: hola"));
        assert!(line(&past("eva", "\u{1b}[2J"), "ana").ends_with("] ana to eva: \\u{1b}[2J"));
    }
}
