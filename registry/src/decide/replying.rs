//! What a client that announces is told.

use std::net::SocketAddr;
use std::time::Duration;

use rand::Rng;
use shared::PeerId;
use shared::announce::AnnounceReply;

use super::Decider;
use crate::addresses::{Asker, for_asker};
use crate::catalog::Item;
use crate::command::{Announced, Announcement, Door};
use crate::crowd::{Told, share};
use crate::identity::MemberId;

impl Decider<'_> {
    /// Others in the swarm as the client can reach them, at most one address of each kind for each.
    pub(super) fn peers(
        &self,
        said: &Announcement,
        id: MemberId,
        item: &Item,
        rng: &mut impl Rng,
    ) -> Vec<(SocketAddr, PeerId)> {
        let asker = Asker { ip: said.from.ip(), via: said.via };
        let own = SocketAddr::new(said.from.ip(), said.announce.port);
        let mut peers = Vec::new();
        let wanted = usize::from(said.announce.wanted);
        let key = item.hashes.primary();
        let (full, others, _) = self.crowd.counts(key);
        let crowd = usize::try_from(full.saturating_add(others)).unwrap_or(usize::MAX);
        let named = if crowd == 0 { wanted } else { share(item.swarm.sources.len(), crowd, wanted) };
        for other in item.swarm.sample(named, id, rng) {
            // The same id at another address is the client itself, or no one it could talk to.
            let other = Some(other).filter(|other| other.peer_id != id.peer_id);
            let Some(member) = other.and_then(|other| self.state.members.get(other)) else { continue };
            let addresses = for_asker(&member.addresses, asker);
            for v4 in [true, false] {
                let fits = said.door != Door::Udp || v4 == said.from.is_ipv4();
                let best = addresses.iter().find(|address| address.is_ipv4() == v4 && fits);
                peers.extend(best.filter(|best| **best != own).map(|best| (*best, member.id.peer_id)));
            }
        }
        if crowd > 0 {
            let rest = wanted.saturating_sub(peers.len());
            let mut told = Told { wants_ids: true, ..Told::default() };
            self.crowd.tell(key, said, rest, rng, &mut told);
            peers.extend(told.pairs);
        }
        peers
    }

    /// The answer, given seeds and leechers, peers, and what is wrong if anything is.
    pub(super) fn answer(
        &self,
        said: &Announcement,
        item: Option<&Item>,
        (seeds, leechers): (usize, usize),
        peers: Vec<(SocketAddr, PeerId)>,
        warning: Option<String>,
    ) -> Announced {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        let completed = item.map_or(0, |item| item.swarm.completed);
        let key = item.map_or(said.announce.hash, |item| item.hashes.primary());
        let completed = completed.saturating_add(self.crowd.counts(key).2.into());
        let (peers, ids) = peers.into_iter().unzip();
        let reply = AnnounceReply {
            interval: seconds(self.config.announce_interval),
            min_interval: Some(seconds(self.config.min_interval)),
            seeds: number(seeds),
            leechers: number(leechers),
            completed: Some(u32::try_from(completed).unwrap_or(u32::MAX)),
            peers,
            warning,
            tracker_id: None,
            external_ip: Some(said.from.ip()),
        };
        Announced { reply, ids, watched: None }
    }
}
