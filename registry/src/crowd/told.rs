//! What a client without a name is told, in buffers that are filled again for the next one.

use std::net::{IpAddr, SocketAddr};

use shared::PeerId;
use shared::announce::AnnounceReply;

use crate::command::Announced;

/// What an announce to the crowd is answered with; kept and filled again by whoever asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Clients that have everything, the asking one included.
    pub seeds: u32,
    /// Clients that do not.
    pub leechers: u32,
    /// Downloads that completed.
    pub completed: u32,
    /// It announces too often, and is told of nobody.
    pub is_hasty: bool,
    /// Others by IPv4: six bytes each, as compact lists have them.
    pub v4: Vec<u8>,
    /// Others by IPv6: eighteen bytes each.
    pub v6: Vec<u8>,
    /// The others once more with their ids, where [`Self::wants_ids`].
    pub pairs: Vec<(SocketAddr, PeerId)>,
    /// Whether ids are asked for.
    pub wants_ids: bool,
}

impl Told {
    /// As it was made.
    pub fn clear(&mut self) {
        self.v4.clear();
        self.v6.clear();
        self.pairs.clear();
        (self.seeds, self.leechers, self.completed, self.is_hasty) = (0, 0, 0, false);
    }

    /// As an answer like that of a client with a name: its own address, and the seconds between announces.
    pub fn announced(&self, external_ip: IpAddr, interval: u32, min_interval: u32) -> Announced {
        let (peers, ids) = self.pairs.iter().copied().unzip();
        let reply = AnnounceReply {
            interval,
            min_interval: Some(min_interval),
            seeds: self.seeds,
            leechers: self.leechers,
            completed: Some(self.completed),
            peers,
            warning: self.is_hasty.then(|| hasty(min_interval)),
            tracker_id: None,
            external_ip: Some(external_ip),
        };
        Announced { reply, ids, watched: None }
    }

    /// One more that can be reached there.
    pub(crate) fn add(&mut self, address: SocketAddr, id: PeerId) {
        if self.wants_ids {
            self.pairs.push((address, id));
            return;
        }
        let list = match address.ip() {
            IpAddr::V4(ip) => {
                self.v4.extend_from_slice(&ip.octets());
                &mut self.v4
            }
            IpAddr::V6(ip) => {
                self.v6.extend_from_slice(&ip.octets());
                &mut self.v6
            }
        };
        list.extend_from_slice(&address.port().to_be_bytes());
    }
}

/// What is said to a client that announces more often than every `least` seconds.
pub fn hasty(least: u32) -> String {
    format!("you announce more often than every {least} s, so there are no peers this time")
}
