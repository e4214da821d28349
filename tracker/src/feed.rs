//! The last things that happened, as everybody may see them on the page: never what one person said to
//! another, and of what was said to all only as much as the log keeps.
//!
//! Written by the hub under its lock, read by the page. Texts are escaped here, once.

use std::collections::VecDeque;

use registry::{Deed, Door, Event, Milestone};
use serde::Serialize;
use shared::control::{Departure, MessageLog};
use shared::display::escape;

/// How many are known.
const MOST: usize = 200;

/// One line of the page's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Item {
    /// Counts from 1, so that a reader knows what is new.
    pub(crate) n: u64,
    /// Milliseconds since 1970.
    pub(crate) at: u64,
    /// What it is.
    #[serde(flatten)]
    pub(crate) what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum What {
    Joined { nick: String, agent: String, client: bool },
    Left { nick: String, how: &'static str },
    Shared { nick: String, name: String, entry: String, size: u64 },
    Unshared { nick: String, name: String, entry: String },
    Removed { name: String, entry: String },
    Started { nick: String, name: String, entry: String },
    Quarter { nick: String, name: String, entry: String, percent: u8 },
    Done { nick: String, name: String, entry: String, size: u64, millis: Option<u64> },
    Stopped { nick: String, name: String, entry: String, percent: u8 },
    Notice { text: String },
    Message { from: String, to: String, text: Option<String>, bytes: usize },
}

/// The last [`MOST`] of them.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    items: VecDeque<Item>,
    last: u64,
}

impl Feed {
    /// Something happened at the time of day `now`.
    pub(crate) fn note(&mut self, event: &Event, now: u64) {
        let Some(what) = what(event) else { return };
        self.last += 1;
        let at = if event.at() > 0 { event.at() } else { now };
        self.items.push_back(Item { n: self.last, at, what });
        if self.items.len() > MOST {
            self.items.pop_front();
        }
    }

    /// Those behind number `after`, oldest first.
    pub(crate) fn after(&self, after: u64) -> Vec<Item> {
        let skipped = self.items.partition_point(|item| item.n <= after);
        self.items.iter().skip(skipped).cloned().collect()
    }
}

fn text(raw: &str) -> String {
    escape(raw).into_owned()
}

fn what(event: &Event) -> Option<What> {
    Some(match event {
        Event::Joined { member, .. } => What::Joined {
            nick: text(&member.nick),
            agent: text(&member.agent),
            client: member.door != Door::Json,
        },
        Event::Left { nick, how, .. } => {
            let how = match how {
                Departure::Left => "left",
                Departure::Lost => "lost",
                Departure::Kicked => "kicked",
            };
            What::Left { nick: text(nick), how }
        }
        Event::Shared { nick, name, entry, size, .. } => {
            What::Shared { nick: text(nick), name: text(name), entry: text(&entry.0), size: *size }
        }
        Event::Unshared { nick, name, entry, .. } => {
            What::Unshared { nick: text(nick), name: text(name), entry: text(&entry.0) }
        }
        Event::Progressed { nick, name, entry, size, milestone: Some(milestone), .. } => {
            let (nick, name, entry) = (text(nick), text(name), text(&entry.0));
            match milestone {
                Milestone::Start { .. } => What::Started { nick, name, entry },
                Milestone::Quarter { percent } => What::Quarter { nick, name, entry, percent: *percent },
                Milestone::Done { millis, .. } => {
                    What::Done { nick, name, entry, size: *size, millis: *millis }
                }
                Milestone::Stop { percent } => What::Stopped { nick, name, entry, percent: *percent },
            }
        }
        Event::Operated { order } => match &order.deed {
            Deed::Said { text: said } => What::Notice { text: text(said) },
            Deed::Removed { entry, name, .. } => What::Removed { name: text(name), entry: text(&entry.0) },
            _ => return None,
        },
        Event::Messaged { from, to, text: said, receiver: None, log, closed, .. } if is_public(to) => {
            if *log == MessageLog::Off {
                return None;
            }
            let shown = (*log == MessageLog::Full && !closed).then(|| text(said));
            What::Message { from: text(from), to: text(to), text: shown, bytes: said.len() }
        }
        _ => return None,
    })
}

/// What is said to all or to a room.
fn is_public(to: &str) -> bool {
    to == "*" || to.starts_with('@')
}

#[cfg(test)]
mod tests {
    use shared::PeerId;

    use super::*;

    fn said(to: &str, receiver: Option<PeerId>, log: MessageLog) -> Event {
        Event::Messaged {
            message: 1,
            peer: PeerId([1; 20]),
            from: "ana".to_owned(),
            to: to.to_owned(),
            receiver,
            text: "hola\u{1b}[2J".to_owned(),
            nonce: None,
            delivered: 1,
            stored: 0,
            refused: 0,
            log,
            closed: false,
            at: 7,
        }
    }

    #[test]
    fn what_is_private_is_never_shown_and_the_policy_holds() {
        let shown = |event: &Event| {
            let mut feed = Feed::default();
            feed.note(event, 9);
            feed.after(0).into_iter().map(|item| item.what).next()
        };
        let bob = Some(PeerId([2; 20]));
        assert_eq!(shown(&said("bob", bob, MessageLog::Full)), None);
        assert_eq!(shown(&said("bob", None, MessageLog::Full)), None, "a faulty event");
        assert_eq!(shown(&said("*", None, MessageLog::Off)), None);
        let message = |text: Option<&str>, to: &str| What::Message {
            from: "ana".to_owned(),
            to: to.to_owned(),
            text: text.map(str::to_owned),
            bytes: 8,
        };
        assert_eq!(shown(&said("*", None, MessageLog::Meta)), Some(message(None, "*")));
        assert_eq!(
            shown(&said("@sala", None, MessageLog::Full)),
            Some(message(Some("hola\\u{1b}[2J"), "@sala"))
        );
        let mut closed = said("@sala", None, MessageLog::Full);
        if let Event::Messaged { closed, .. } = &mut closed {
            *closed = true;
        }
        assert_eq!(shown(&closed), Some(message(None, "@sala")));
    }

    #[test]
    fn only_the_last_are_known() {
        let mut feed = Feed::default();
        for _ in 0..3 * MOST {
            feed.note(&said("*", None, MessageLog::Full), 9);
        }
        assert_eq!(feed.after(0).len(), MOST);
        assert_eq!(feed.after(3 * MOST as u64 - 2).len(), 2);
        assert!(feed.after(u64::MAX).is_empty());
    }
}
