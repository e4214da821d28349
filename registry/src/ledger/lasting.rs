//! Which events last, and what of them: what a journal must hold so that the ledger can be folded
//! from it again.

use shared::InfoHash;
use shared::control::MessageLog;

use crate::event::{Event, Milestone, NewEntry};
use crate::ledger::{person, stays};

/// An info dictionary with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dictionary {
    /// The first hash of its entry.
    pub key: InfoHash,
    /// The dictionary.
    pub info: Vec<u8>,
    /// The piece layers as a .torrent file holds them.
    pub layers: Option<Vec<u8>>,
}

impl Dictionary {
    /// Takes it out of an entry, if the entry has one.
    fn taken_from(entry: &mut NewEntry) -> Option<Self> {
        let key = entry.hashes()?.primary();
        let layers = entry.layers.take();
        entry.info.take().map(|info| Self { key, info, layers })
    }
}

/// An event as a journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lasting {
    /// The event, without info dictionaries and secrets.
    pub event: Event,
    /// The info dictionary that came with it, which is kept once beside the events.
    pub info: Option<Dictionary>,
    /// Whether somebody was promised that it lasts: an answer waits for it.
    pub promised: bool,
}

impl Event {
    /// What of this event outlives the process; `None` when nothing does.
    pub fn lasting(&self) -> Option<Lasting> {
        let keep = |event: Self, promised| Some(Lasting { event, info: None, promised });
        match self {
            Self::Joined { member, .. } | Self::Resumed { member, .. } => {
                if !stays(member) {
                    return None;
                }
                let mut event = self.clone();
                if let Self::Joined { member, .. } | Self::Resumed { member, .. } = &mut event {
                    // A session does not outlive the process, so its name is nobody's business.
                    member.token.clear();
                }
                keep(event, false)
            }
            Self::Shared { .. } => self.shared(),
            Self::Messaged { stored, log, .. } => {
                let mut event = self.clone();
                // Where text is not to be logged, only what somebody must still get is kept.
                if *log != MessageLog::Full
                    && *stored == 0
                    && let Self::Messaged { text, .. } = &mut event
                {
                    text.clear();
                }
                keep(event, true)
            }
            Self::Catalogued { .. } => {
                let mut event = self.clone();
                let Self::Catalogued { new, .. } = &mut event else { return None };
                let info = Dictionary::taken_from(new);
                Some(Lasting { event, info, promised: false })
            }
            Self::Unshared { .. }
            | Self::Operated { .. }
            | Self::Entered { .. }
            | Self::Exited { .. }
            | Self::Ignored { .. } => keep(self.clone(), true),
            Self::Progressed { peer, milestone: Some(Milestone::Done { .. }), .. }
            | Self::Left { peer, .. } => person(*peer).and_then(|_| keep(self.clone(), false)),
            Self::Forgotten { .. }
            | Self::Collected { .. }
            | Self::Known { .. }
            | Self::Tallied { .. }
            | Self::Standing { .. }
            | Self::Room { .. }
            | Self::Numbered { .. }
            | Self::Restarted { .. } => keep(self.clone(), false),
            Self::Progressed { .. }
            | Self::Subscribed { .. }
            | Self::Away { .. }
            | Self::Met { .. }
            | Self::Moved { .. } => None,
        }
    }

    fn shared(&self) -> Option<Lasting> {
        let mut event = self.clone();
        let Self::Shared { key, new, info, layers, .. } = &mut event else { return None };
        let (info, layers) = (info.take(), layers.take());
        let came_later = info.map(|info| Dictionary { key: *key, info, layers });
        let info = new.as_deref_mut().and_then(Dictionary::taken_from).or(came_later);
        Some(Lasting { event, info, promised: true })
    }
}
