//! Who and what, as far as the page tells: on a screen that a whole class sees, nicknames and names of files
//! may be nobody's business. Then peers are numbers, and files their short ids. Whatever the page and
//! `/api/v1` tell of people and files goes through here.

use registry::SceneShare;
use serde::{Deserialize, Serialize};
use shared::control::{Entry, EntryId};

use crate::feed::{Item, What};
use crate::hub::{Hub, View};

/// What stands for somebody of whom no number is known.
const SOMEBODY: &str = "•••";

/// Whether the page tells nicknames, names of files and what is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageNames {
    /// It does.
    #[default]
    Full,
    /// To nobody.
    Hidden,
}

impl PageNames {
    /// How things are now.
    pub(super) fn view(self, hub: &Hub) -> View {
        let mut view = hub.view();
        if self == Self::Hidden {
            for peer in &mut view.scene.peers {
                peer.nick = number(peer.number);
            }
            view.scene.shares.iter_mut().for_each(hide_share);
            view.log.iter_mut().for_each(hide_item);
        }
        view
    }

    /// What is shared.
    pub(super) fn entries(self, hub: &Hub) -> Vec<Entry> {
        let mut entries = hub.entries();
        if self == Self::Hidden {
            entries.iter_mut().for_each(hide_entry);
        }
        entries
    }

    /// One entry with those who have it.
    pub(super) fn share(self, hub: &Hub, id: &EntryId) -> Option<SceneShare> {
        let mut share = hub.share(id)?;
        if self == Self::Hidden {
            hide_share(&mut share);
        }
        Some(share)
    }

    /// What happened behind number `after`.
    pub(super) fn happened(self, hub: &Hub, after: u64) -> Vec<Item> {
        let mut items = hub.happened(after);
        if self == Self::Hidden {
            items.iter_mut().for_each(hide_item);
        }
        items
    }
}

fn number(peer: u64) -> String {
    format!("peer {peer}")
}

fn hide_entry(entry: &mut Entry) {
    entry.name.clone_from(&entry.entry.0);
    entry.comment = None;
    entry.by.iter_mut().for_each(|nick| SOMEBODY.clone_into(nick));
}

fn hide_share(share: &mut SceneShare) {
    hide_entry(&mut share.entry);
    for holder in &mut share.holders {
        holder.nick = number(holder.peer);
    }
}

fn hide_item(item: &mut Item) {
    let hide = |text: &mut String| SOMEBODY.clone_into(text);
    match &mut item.what {
        What::Joined { nick, .. } | What::Left { nick, .. } => hide(nick),
        What::Shared { nick, name, entry, .. }
        | What::Unshared { nick, name, entry }
        | What::Started { nick, name, entry }
        | What::Quarter { nick, name, entry, .. }
        | What::Done { nick, name, entry, .. }
        | What::Stopped { nick, name, entry, .. } => {
            hide(nick);
            name.clone_from(entry);
        }
        What::Removed { name, entry } => name.clone_from(entry),
        // The operator says it to all.
        What::Notice { .. } => {}
        What::Message { from, to, text, .. } => {
            hide(from);
            if to != "*" {
                "@•••".clone_into(to);
            }
            *text = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_somebody_wrote_is_left_of_what_happened() {
        let text = || "secret".to_owned();
        let (nick, name, entry) = (text, text, || "9c1e47".to_owned());
        let (from, to) = (text(), "@secret".to_owned());
        for what in [
            What::Joined { nick: nick(), agent: String::new(), client: false },
            What::Left { nick: nick(), how: "left" },
            What::Shared { nick: nick(), name: name(), entry: entry(), size: 1 },
            What::Unshared { nick: nick(), name: name(), entry: entry() },
            What::Removed { name: name(), entry: entry() },
            What::Started { nick: nick(), name: name(), entry: entry() },
            What::Quarter { nick: nick(), name: name(), entry: entry(), percent: 25 },
            What::Done { nick: nick(), name: name(), entry: entry(), size: 1, millis: None },
            What::Stopped { nick: nick(), name: name(), entry: entry(), percent: 1 },
            What::Message { from, to, text: Some(text()), bytes: 6 },
        ] {
            let mut item = Item { n: 1, at: 1, what };
            hide_item(&mut item);
            let told = serde_json::to_string(&item).unwrap();
            assert!(!told.contains("secret"), "{told}");
        }
    }
}
