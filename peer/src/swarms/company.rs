//! Keeps the [`Roster`] in step with the tracker's list of people, and on disk.

use std::path::PathBuf;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shared::PeerId;
use shared::control::{Person, Who};

use super::Swarms;
use super::roster::Roster;
use crate::link::{AskError, LinkState};

/// How old the roster on disk may become while only times have changed.
const REFRESH: Duration = Duration::from_secs(60);

/// Who is and was here.
#[derive(Debug)]
pub(super) struct Company {
    home: PathBuf,
    roster: Roster,
    /// Who is here now, by the tracker's last word.
    here: Vec<Person>,
    /// Somebody came or went since then.
    stale: bool,
    /// The roster says more than its file.
    unsaved: bool,
    saved: Instant,
}

impl Company {
    /// As an earlier run left it.
    pub(super) fn load(home: PathBuf) -> Self {
        let roster = Roster::load(&home, now());
        Self { home, roster, here: Vec::new(), stale: false, unsaved: false, saved: Instant::now() }
    }

    /// Everybody who was here.
    pub(super) const fn roster(&self) -> &Roster {
        &self.roster
    }

    fn meet(&mut self, own: PeerId) {
        self.unsaved |= self.roster.meet(&self.here, own, now());
    }

    /// What is to be written now, and where.
    fn due(&mut self) -> Option<(Roster, PathBuf)> {
        let due = self.unsaved || (!self.here.is_empty() && self.saved.elapsed() >= REFRESH);
        due.then(|| {
            (self.unsaved, self.saved) = (false, Instant::now());
            (self.roster.clone(), self.home.clone())
        })
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    runtime::clock::wall_millis() / 1000
}

impl Swarms {
    fn company(&self) -> MutexGuard<'_, Company> {
        self.company.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everybody who was here, as far as it is remembered.
    pub fn roster(&self) -> Roster {
        let mut company = self.company();
        company.meet(self.session.peer_id());
        company.roster.clone()
    }

    /// Somebody came or went: the list of people is asked for soon.
    pub(super) fn somebody_came_or_went(&self) {
        let mut company = self.company();
        // Whoever went was here until now.
        company.meet(self.session.peer_id());
        company.stale = true;
    }

    /// Nobody tells any more who is here.
    pub(super) fn tracker_lost(&self) {
        let mut company = self.company();
        company.meet(self.session.peer_id());
        company.here.clear();
        company.unsaved = true;
    }

    /// Asks who is here.
    pub(super) async fn ask_who(&self) -> Result<(), AskError> {
        let here = self.link.ask(Who::default()).await?.peers;
        for person in &here {
            self.book().meet(person.peer_id, &person.nick);
        }
        let mut company = self.company();
        company.here = here;
        company.meet(self.session.peer_id());
        Ok(())
    }

    /// The tracker has let us in. When it is another one than the last time, private torrents begin anew
    /// with the peers that this one names (BEP 27).
    pub(super) async fn follow_tracker(&self) {
        let other = {
            let mut company = self.company();
            company.unsaved |= company.roster.tracker != self.link.tracker();
            company.roster.follow(self.link.tracker())
        };
        if other {
            self.session.tracker_changed().await;
        }
    }

    /// Once a second: asks who is here if that has changed, and writes down what is due.
    pub(super) fn look_around(&self) {
        let stale = std::mem::take(&mut self.company().stale);
        if stale && matches!(self.link.state(), LinkState::Connected(_)) {
            let swarms = self.clone();
            Self::aside(async move { swarms.ask_who().await });
        }
        self.company().meet(self.session.peer_id());
        let due = self.company().due();
        if let Some((roster, home)) = due {
            drop(tokio::task::spawn_blocking(move || {
                if let Err(error) = roster.save(&home) {
                    tracing::warn!(%error, "the people here could not be written down");
                }
            }));
        }
    }
}
