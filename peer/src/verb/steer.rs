//! `pause`, `resume` and `cancel`.

use engine::{State, TorrentStatus};
use serde_json::json;
use shared::display::{Size, escape, fit};

use super::{Needs, Offer, Running, Said, Verb, target, told};
use crate::context::Context;
use crate::failure::{Exit, Failure};

/// pause
pub(super) const PAUSE: Verb = Verb {
    names: &["pause", "p", "pausa"],
    arguments: "NAME or all",
    about: "stop for a while, also after a restart",
    examples: &["pause linux.iso", "pause all"],
    offer: Offer::Own,
    needs: Needs::Session,
    takes_text: false,
    stays: false,
    run: pause,
};

/// resume
pub(super) const RESUME: Verb = Verb {
    names: &["resume", "r", "reanudar"],
    arguments: "NAME or all",
    about: "go on",
    examples: &["resume linux.iso"],
    offer: Offer::Own,
    needs: Needs::Session,
    takes_text: false,
    stays: false,
    run: resume,
};

/// cancel
pub(super) const CANCEL: Verb = Verb {
    names: &["cancel", "c", "cancelar"],
    arguments: "NAME --keep or --delete",
    about: "give a download up; keep the part or delete it",
    examples: &["cancel linux.iso --keep", "cancel linux.iso --delete"],
    offer: Offer::Own,
    needs: Needs::Both,
    takes_text: false,
    stays: false,
    run: cancel,
};

/// The torrents that were named, or all that are unfinished.
fn chosen(context: &Context, said: &Said, verb: &str) -> Result<Vec<TorrentStatus>, Failure> {
    let usage = format!("{verb} NAME     or: {verb} all");
    let first = said.need(0, &format!("What do you want to {verb}?"), &usage)?;
    if matches!(first, "all" | "todo") {
        let list = context.session()?.list();
        return Ok(list.into_iter().filter(|one| one.state != State::Seeding && !one.is_share).collect());
    }
    context.torrents(&said.words)
}

fn pause<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let chosen = chosen(context, said, "pause")?;
        if chosen.is_empty() {
            context.screen.say("Nothing to pause.");
        }
        for one in chosen {
            let name = escape(&one.name);
            if one.state == State::Paused {
                context.screen.say(&format!("{name} was already paused."));
                continue;
            }
            let session = context.session()?;
            session.pause(one.id).await.map_err(|error| target::failed(&error))?;
            let now = session.status(one.id).unwrap_or_else(|| one.clone());
            context.screen.say(&format!(
                "Paused {name} at {}.   resume {}",
                told::share_done(&now),
                crate::words::quote(&one.name)
            ));
            told::status_json(context, &now);
        }
        Ok(())
    })
}

fn resume<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let chosen = chosen(context, said, "resume")?;
        if chosen.is_empty() {
            context.screen.say("Nothing to resume.");
        }
        for one in chosen {
            let name = escape(&one.name);
            match one.state {
                State::Seeding => context.screen.say(&format!("{name} is complete; it is being shared.")),
                State::Paused | State::PausedDiskFull | State::Error => {
                    context.session()?.resume(one.id).await.map_err(|error| target::failed(&error))?;
                    context.screen.say(&format!("Resumed {name} at {}.", told::share_done(&one)));
                    told::status_json(context, &one);
                }
                _ => context.screen.say(&format!("{name} is not paused: {}.", told::state(one.state))),
            }
        }
        Ok(())
    })
}

fn cancel<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        if said.words.is_empty() {
            return Err(which(context)?);
        }
        let one = context.torrent(&said.words.join(" "))?;
        let name = fit(&one.name, 60);
        if one.is_share || one.state == State::Seeding {
            let text = format!("{name} is complete; there is nothing to cancel.");
            return Err(Failure::new(Exit::Usage, "complete", text).advise("unshare stops sharing it"));
        }
        let has_part = one.verified_bytes > 0;
        if has_part && !said.options.keep && !said.options.delete {
            let text =
                format!("{} of {name} are here already. Say --keep or --delete.", Size(one.verified_bytes));
            let quoted = crate::words::quote(&one.name);
            return Err(
                Failure::new(Exit::Usage, "keep_or_delete", text).advise(format!("cancel {quoted} --keep"))
            );
        }
        let delete = said.options.delete || !has_part;
        context.session()?.cancel(one.id, delete).await.map_err(|error| target::failed(&error))?;
        let told = context.swarms()?.withdraw(one.id).await;
        context.screen.json(json!({
            "type": "cancelled", "id": one.id.to_string(), "name": one.name, "kept": !delete,
            "tracker_told": told.is_ok(),
        }));
        if delete {
            context.screen.say(&format!("Cancelled {name}. Nothing of it is left here."));
        } else {
            let path = told::place(context, &one.path);
            context.screen.say(&format!(
                "Cancelled {name}. The part stays in {path} (get {} continues it).",
                crate::words::quote(&one.name)
            ));
        }
        told::withdrawn(context, told);
        Ok(())
    })
}

fn which(context: &Context) -> Result<Failure, Failure> {
    let list = context.session()?.list();
    let names: Vec<String> = list
        .iter()
        .filter(|one| one.state != State::Seeding && !one.is_share)
        .map(|one| fit(&one.name, 40))
        .collect();
    if names.is_empty() {
        let text = "There is no download to cancel.";
        return Ok(Failure::new(Exit::Usage, "usage", text).advise("downloads --all"));
    }
    let text = format!("Which one? {}.", names.join(", "));
    Ok(Failure::new(Exit::Usage, "usage", text).advise("cancel NAME --keep     or: cancel NAME --delete"))
}
