//! `want`, `unwant` and `wants`: what is to be fetched when it appears.

use serde_json::json;
use shared::display::{Size, fit};

use super::find::kind;
use super::{Needs, Offer, Running, Said, Verb, target};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::swarms::wishes::{MOST, MOST_WORDS, Refused, USUAL_MAX, Wish};
use crate::terminal::table::{Column, Table};
use crate::words;

/// want
pub(super) const WANT: Verb = Verb {
    names: &["want", "quiero"],
    arguments: "WORDS [--max SIZE] [--type KIND] [--by NICK] [--all]",
    about: "get it when it appears; with --all everything that has the words",
    examples: &["want tema 3", "want linux --max 5G", "want apuntes --by ana --all"],
    offer: Offer::Remote,
    needs: Needs::Both,
    takes_text: false,
    stays: true,
    run: want,
};

/// unwant
pub(super) const UNWANT: Verb = Verb {
    names: &["unwant", "noquiero"],
    arguments: "WORDS|NUMBER|all",
    about: "no longer wait for it",
    examples: &["unwant tema 3", "unwant 1", "unwant all"],
    offer: Offer::Nothing,
    needs: Needs::Session,
    takes_text: false,
    stays: false,
    run: unwant,
};

/// wants
pub(super) const WANTS: Verb = Verb {
    names: &["wants", "deseos"],
    arguments: "",
    about: "what is waited for",
    examples: &[],
    offer: Offer::Nothing,
    needs: Needs::Session,
    takes_text: false,
    stays: false,
    run: wants,
};

fn want<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let said_words = said.name("What do you want?", "want WORDS     e.g. want tema 3")?;
        let said_words = said_words.split_whitespace().collect::<Vec<_>>().join(" ");
        if said_words.is_empty() || said_words.len() > MOST_WORDS {
            let text = format!("The words may have 1 to {MOST_WORDS} bytes.");
            return Err(Failure::new(Exit::Usage, "bad_words", text).advise("want WORDS"));
        }
        let options = &said.options;
        let wish = Wish {
            words: said_words,
            max: options.max.as_deref().map(words::parse_size).transpose()?.unwrap_or(USUAL_MAX),
            kind: options.kind.as_deref().map(kind).transpose()?,
            by: options.by.clone(),
            all: options.all,
            things: 0,
            since: runtime::clock::wall_millis(),
        };
        let swarms = context.swarms()?;
        let name = fit(&wish.words, 60);
        swarms.change_wishes(|wishes| wishes.add(wish.clone())).map_err(|refused| match refused {
            Refused::Twice => {
                Failure::new(Exit::AlreadyExists, "wanted_already", format!("\"{name}\" is wanted already."))
                    .advise(format!("wants     or: unwant {}", target::typable(&wish.words)))
            }
            Refused::Full => Failure::new(
                Exit::Refused,
                "too_many",
                format!("{MOST} things are wanted already, which is the limit."),
            )
            .advise("wants     and: unwant NUMBER"),
        })?;
        swarms.fulfil_wishes(context.download_folder());
        if context.screen.is_json() {
            context.screen.json(wish_json(1, &wish));
        } else {
            let what = if wish.all { "Everything with" } else { "The first thing with" };
            context.screen.say(&format!(
                "{what} \"{name}\" is fetched when it appears, up to {}.   wants     unwant {}",
                Size(wish.max),
                target::typable(&wish.words)
            ));
        }
        Ok(())
    })
}

fn unwant<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let named = said.name("What is not wanted any more?", "unwant WORDS     (wants lists them)")?;
        let swarms = context.swarms()?;
        if matches!(named.as_str(), "all" | "todo") {
            let count = swarms.change_wishes(crate::swarms::wishes::Wishes::clear);
            context.screen.say(&format!("{count} taken back."));
            return Ok(());
        }
        if let Some(wish) = swarms.change_wishes(|wishes| wishes.remove(&named)) {
            context.screen.say(&format!("\"{}\" is not waited for any more.", fit(&wish.words, 60)));
            return Ok(());
        }
        let wishes = swarms.wishes();
        let near = words::nearest(&named, wishes.list().iter().map(|wish| wish.words.as_str()));
        let near =
            near.map_or_else(|| "wants".to_owned(), |near| format!("unwant {}", target::typable(near)));
        let text = format!("\"{}\" is not wanted.", fit(&named, 60));
        Err(Failure::new(Exit::NotFound, "not_found", text).advise(near))
    })
}

fn wish_json(number: usize, wish: &Wish) -> serde_json::Value {
    json!({
        "type": "want", "number": number, "words": wish.words, "max": wish.max, "kind": wish.kind, "by": wish.by,
        "all": wish.all, "fetched": wish.things, "since": wish.since,
    })
}

fn wants<'a>(context: &'a Context, _: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let wishes = context.swarms()?.wishes();
        if context.screen.is_json() {
            for (number, wish) in (1..).zip(wishes.list()) {
                context.screen.json(wish_json(number, wish));
            }
            return Ok(());
        }
        if wishes.list().is_empty() {
            context.screen.say("Nothing is waited for.   try: want WORDS");
            return Ok(());
        }
        let mut table = Table::new([
            Column::right("#"),
            Column::left("words").cut(),
            Column::right("up to"),
            Column::left("by").optional(),
            Column::left("takes"),
            Column::left("since").optional(),
        ]);
        for (number, wish) in (1..).zip(wishes.list()) {
            let takes =
                if wish.all { format!("all ({} so far)", wish.things) } else { "the first".to_owned() };
            table.row([
                number.to_string(),
                wish.words.clone(),
                Size(wish.max).to_string(),
                wish.by.clone().unwrap_or_else(|| "-".to_owned()),
                takes,
                runtime::clock::date_and_time_of(wish.since),
            ]);
        }
        for line in table.lines(context.screen.width()) {
            context.screen.say(&line);
        }
        Ok(())
    })
}
