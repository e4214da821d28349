//! `join`, `leave` and `rooms`: places where some hear what is said.

use serde_json::json;
use shared::control::{Join, Leave, RoomKey, Rooms};
use shared::display::fit;

use super::{Needs, Offer, Running, Said, Verb, target};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::terminal::table::{Column, Table};

/// join
pub(super) const JOIN: Verb = Verb {
    names: &["join", "unirse"],
    arguments: "@ROOM [KEY]",
    about: "hear what is said in a room; a new one is made, and closed if there is a key",
    examples: &["join @aula1", "join @notas tango-lima"],
    offer: Offer::Rooms,
    needs: Needs::Myself,
    takes_text: false,
    stays: false,
    run: join,
};

/// leave
pub(super) const LEAVE: Verb = Verb {
    names: &["leave", "salirse"],
    arguments: "@ROOM",
    about: "do not hear a room any more",
    examples: &["leave @aula1"],
    offer: Offer::Rooms,
    needs: Needs::Myself,
    takes_text: false,
    stays: false,
    run: leave,
};

/// rooms
pub(super) const ROOMS: Verb = Verb {
    names: &["rooms", "salas"],
    arguments: "",
    about: "the rooms, and in which you are",
    examples: &[],
    offer: Offer::Nothing,
    needs: Needs::Myself,
    takes_text: false,
    stays: false,
    run: rooms,
};

/// A room as it is asked for: the `@` may be left out.
pub(super) fn named(room: &str) -> String {
    if room.starts_with('@') { room.to_owned() } else { format!("@{room}") }
}

fn join<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        const USE: &str = "join @ROOM [KEY]     (rooms lists them)";
        let (name, key) = match said.words.as_slice() {
            [] => (said.name("Which room?", USE)?, None),
            [name, key @ ..] => (name.clone(), Some(key.join(" ")).filter(|key| !key.is_empty())),
        };
        let key = key.map(|key| RoomKey::new(&key)).transpose();
        let key =
            key.map_err(|fault| Failure::new(Exit::Usage, "usage", format!("The key {fault}.")).advise(USE))?;
        let room = named(&name);
        let joined = context.link.ask(Join { room, key }).await.map_err(target::asked)?;
        let name = fit(&joined.room, 33);
        if context.screen.is_json() {
            context.screen.json(json!({
                "type": "joined", "room": joined.room, "members": joined.members, "here": joined.here, "created": joined.created,
            }));
        } else if joined.created {
            context.screen.say(&format!("{name} is new, and you are in it.   say {name} TEXT"));
        } else {
            let (members, here) = (joined.members, joined.here);
            let word = if members == 1 { "member" } else { "members" };
            context
                .screen
                .say(&format!("You are in {name}: {members} {word}, {here} here.   say {name} TEXT"));
        }
        Ok(())
    })
}

fn leave<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let room = named(&said.name("Which room?", "leave @ROOM     (rooms lists them)")?);
        context.link.ask(Leave { room: room.clone() }).await.map_err(target::asked)?;
        if context.screen.is_json() {
            context.screen.json(json!({ "type": "left", "room": room }));
        } else {
            context.screen.say(&format!("You are not in {} any more.", fit(&room, 33)));
        }
        Ok(())
    })
}

fn rooms<'a>(context: &'a Context, _: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let list = context.link.ask(Rooms {}).await.map_err(target::asked)?;
        if context.screen.is_json() {
            for entry in &list.rooms {
                context.screen.json(json!({
                    "type": "room", "room": entry.room, "members": entry.members, "here": entry.here, "joined": entry.joined,
                    "kept": entry.kept, "closed": entry.closed,
                }));
            }
            return Ok(());
        }
        if list.rooms.is_empty() {
            context.screen.say("There are no rooms yet.   join @NAME makes one");
            return Ok(());
        }
        let mut table = Table::new([
            Column::left("room").cut(),
            Column::right("members"),
            Column::right("here"),
            Column::left(""),
        ]);
        for entry in &list.rooms {
            let joined = match (entry.joined, entry.closed) {
                (true, false) => "you are in it",
                (true, true) => "you are in it, closed",
                (false, true) => "closed: join @ROOM KEY",
                (false, false) => "",
            };
            table.row([
                entry.room.clone(),
                entry.members.to_string(),
                entry.here.to_string(),
                joined.to_owned(),
            ]);
        }
        for line in table.lines(context.screen.width()) {
            context.screen.say(&line);
        }
        Ok(())
    })
}
