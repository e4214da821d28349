//! What BitTorrent clients ask of the hub: announces and scrapes. Called by the HTTP and the UDP door.

use registry::{Announced, Announcement, Command, Told, Unannounced};
use shared::InfoHash;
use shared::announce::Scrape;

use super::Hub;

/// How often a client shall announce, and how often it may, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Intervals {
    pub(crate) usual: u32,
    pub(crate) least: u32,
}

impl Hub {
    /// A client announces. Whoever has no name is answered in `told`; `None` when the client has one, or is
    /// to get one: then [`Self::announce`] is to be asked.
    pub(crate) fn meet(
        &self,
        said: &Announcement,
        told: &mut Told,
    ) -> Option<Result<Intervals, Unannounced>> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let (now, at) = (inner.clock.now(), runtime::clock::wall_millis());
        let met = inner.registry.meet(said, now, at, &mut inner.rng, told)?;
        let config = inner.registry.config();
        let seconds = |time: std::time::Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let (usual, least) = (seconds(config.announce_interval), seconds(config.min_interval));
        Some(met.map(|()| Intervals { usual, least }))
    }

    /// A client announces, with all that follows for those who have names.
    pub(crate) fn announce(&self, said: Announcement) -> Result<Announced, Unannounced> {
        let mut inner = self.lock();
        let mut decision = inner.decide(Command::Announce(Box::new(said)));
        let announced = decision.announced.take();
        let (_, slow) = inner.carry_out(decision, None);
        inner.cut(slow);
        announced.unwrap_or(Err(Unannounced::NotRegistered))
    }

    /// How torrents fare, in the order of their hashes.
    pub(crate) fn scrape(&self, hashes: &[InfoHash]) -> Vec<Option<Scrape>> {
        let inner = self.lock();
        hashes.iter().map(|hash| inner.registry.scrape(*hash)).collect()
    }

    /// Clients that have no name: the torrents in which they are, and their places in these.
    pub(crate) fn crowd(&self) -> (usize, usize) {
        self.lock().registry.crowd()
    }
}
