//! `ignore`, `unignore`, `away` and `back`: whom one hears, and whether one looks.

use serde_json::json;
use shared::control::{Away, Back, Ignore, Ignored, MAX_AWAY, Unignore};
use shared::display::{escape, fit};

use super::{Needs, Offer, Running, Said, Verb, target};
use crate::context::Context;
use crate::failure::{Exit, Failure};

/// ignore
pub(super) const IGNORE: Verb = Verb {
    names: &["ignore", "ignorar"],
    arguments: "[NICK]",
    about: "do not hear somebody, also after a restart; alone: whom you do not hear",
    examples: &["ignore mikel"],
    offer: Offer::Nicks,
    needs: Needs::Myself,
    takes_text: false,
    stays: false,
    run: ignore,
};

/// unignore
pub(super) const UNIGNORE: Verb = Verb {
    names: &["unignore", "escuchar"],
    arguments: "NICK",
    about: "hear somebody again",
    examples: &["unignore mikel"],
    offer: Offer::Nicks,
    needs: Needs::Myself,
    takes_text: false,
    stays: false,
    run: unignore,
};

/// away
pub(super) const AWAY: Verb = Verb {
    names: &["away", "ausente"],
    arguments: "[TEXT]",
    about: "tell those who write that you do not look",
    examples: &["away comiendo"],
    offer: Offer::Nothing,
    needs: Needs::Myself,
    takes_text: true,
    stays: false,
    run: away,
};

/// back
pub(super) const BACK: Verb = Verb {
    names: &["back", "volver"],
    arguments: "",
    about: "you look again",
    examples: &[],
    offer: Offer::Nothing,
    needs: Needs::Myself,
    takes_text: false,
    stays: false,
    run: back,
};

fn ignore<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let nick = said.words.first().map(|_| said.words.join(" "));
        let list = context.link.ask(Ignore { nick: nick.clone() }).await.map_err(target::asked)?;
        show(context, &list, nick.map(|nick| format!("You do not hear {} any more.", fit(&nick, 32))));
        Ok(())
    })
}

fn unignore<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let nick = said.name("Whom?", "unignore NICK     (ignore lists them)")?;
        let list = context.link.ask(Unignore { nick: nick.clone() }).await.map_err(target::asked)?;
        show(context, &list, Some(format!("You hear {} again.", fit(&nick, 32))));
        Ok(())
    })
}

fn show(context: &Context, list: &Ignored, line: Option<String>) {
    if context.screen.is_json() {
        return context.screen.json(json!({ "type": "ignored", "ignored": list.ignored }));
    }
    let line = line.unwrap_or_else(|| match list.ignored.as_slice() {
        [] => "You hear everybody.   ignore NICK".to_owned(),
        some => {
            let nicks: Vec<String> = some.iter().map(|nick| fit(nick, 32)).collect();
            format!("You do not hear: {}   (unignore NICK)", nicks.join(", "))
        }
    });
    context.screen.say(&line);
}

fn away<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let text = said.text.trim();
        if text.len() > MAX_AWAY {
            let long = format!("Too long ({} bytes, limit {MAX_AWAY}).", text.len());
            return Err(Failure::new(Exit::Usage, "too_long", long).advise("away comiendo"));
        }
        context.link.ask(Away { text: Some(text.to_owned()) }).await.map_err(target::asked)?;
        context.chat.set_away(Some(text));
        say(
            context,
            &json!({ "type": "away", "text": text }),
            &match text {
                "" => "Who writes to you is told that you are away.   back".to_owned(),
                text => format!("Who writes to you is told: away, {}   back", escape(text)),
            },
        );
        Ok(())
    })
}

fn back<'a>(context: &'a Context, _: &'a Said) -> Running<'a> {
    Box::pin(async move {
        context.chat.set_away(None);
        context.link.ask(Back {}).await.map_err(target::asked)?;
        say(context, &json!({ "type": "back" }), "Nobody is told any more that you are away.");
        Ok(())
    })
}

fn say(context: &Context, object: &serde_json::Value, line: &str) {
    if context.screen.is_json() {
        context.screen.json(object.clone());
    } else {
        context.screen.say(line);
    }
}
