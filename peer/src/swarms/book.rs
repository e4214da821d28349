//! What is known of the swarms that this peer takes part in: pure, so that each rule has a test.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use shared::control::{EntryId, Source};
use shared::{InfoHash, PeerId};

use super::picture::Painted;

/// The most peers whose names are kept.
const MOST_PEERS: usize = 20_000;
/// Of how many peers it is said that no way leads to them, for each torrent.
const MOST_UNREACHED: usize = 5;

/// One torrent as the tracker knows it.
#[derive(Debug, Clone, Default)]
pub(super) struct Page {
    /// Its entry in the catalog, once the tracker told.
    pub entry: Option<EntryId>,
    /// Under which hash the tracker knows it, once it told.
    pub known_as: Option<InfoHash>,
    /// What its owner says about it.
    pub comment: Option<String>,
    /// Whether only the tracker may name peers.
    pub private: bool,
    /// Only its names were known when the tracker was told last.
    pub nameless: bool,
    /// Quarters of the download that were told, 0 to 4; none before it began.
    pub quarters: Option<u8>,
    /// What the tracker was shown last, while something moved.
    pub painted: Option<Painted>,
    /// Of whom the person knows that they cannot be reached.
    unreached: BTreeSet<PeerId>,
}

/// Torrents, people and addresses.
#[derive(Debug, Default)]
pub(super) struct Book {
    pages: BTreeMap<InfoHash, Page>,
    nicks: BTreeMap<PeerId, String>,
    homes: BTreeMap<SocketAddr, PeerId>,
}

impl Book {
    /// The page of a torrent, made when there is none.
    pub(super) fn page(&mut self, id: InfoHash) -> &mut Page {
        self.pages.entry(id).or_default()
    }

    /// The entry of a torrent.
    pub(super) fn entry_of(&self, id: InfoHash) -> Option<EntryId> {
        self.pages.get(&id)?.entry.clone()
    }

    /// Nobody can reach a peer for a torrent; says whether the person is to hear it.
    pub(super) fn is_unreached(&mut self, id: InfoHash, peer_id: PeerId) -> bool {
        let unreached = &mut self.page(id).unreached;
        unreached.len() < MOST_UNREACHED && unreached.insert(peer_id)
    }

    /// The torrent of an entry.
    pub(super) fn id_of(&self, entry: &EntryId) -> Option<InfoHash> {
        self.pages.iter().find(|(_, page)| page.entry.as_ref() == Some(entry)).map(|(id, _)| *id)
    }

    /// Forgets a torrent.
    pub(super) fn remove(&mut self, id: InfoHash) {
        self.pages.remove(&id);
    }

    /// The tracker was new or started again: entries may have other names now.
    pub(super) fn tracker_is_new(&mut self) {
        for page in self.pages.values_mut() {
            page.entry = None;
            page.quarters = None;
            page.painted = None;
        }
    }

    /// Learns who somebody is.
    pub(super) fn meet(&mut self, peer_id: PeerId, nick: &str) {
        if self.nicks.len() < MOST_PEERS || self.nicks.contains_key(&peer_id) {
            self.nicks.insert(peer_id, nick.to_owned());
        }
    }

    /// Learns where a source can be dialled; gives its addresses unless it is `own`.
    pub(super) fn meet_source(&mut self, source: &Source, own: PeerId) -> Vec<SocketAddr> {
        if source.peer_id == own {
            return Vec::new();
        }
        if !source.nick.is_empty() {
            self.meet(source.peer_id, &source.nick);
        }
        for address in &source.addresses {
            if self.homes.len() < MOST_PEERS || self.homes.contains_key(address) {
                self.homes.insert(*address, source.peer_id);
            }
        }
        source.addresses.clone()
    }

    /// What a peer is called.
    pub(super) fn nick_of(&self, peer_id: &PeerId) -> Option<String> {
        self.nicks.get(peer_id).cloned()
    }

    /// Who is called so.
    pub(super) fn called(&self, nick: &str) -> Option<PeerId> {
        self.nicks.iter().find(|(_, known)| known.as_str() == nick).map(|(id, _)| *id)
    }

    /// Everybody whose name is known.
    pub(super) fn names(&self) -> Vec<String> {
        self.nicks.values().cloned().collect()
    }

    /// Who lives at an address.
    pub(super) fn at(&self, address: &SocketAddr) -> Option<PeerId> {
        self.homes.get(address).copied()
    }
}

/// How many quarters of `size` bytes are here.
pub(super) fn quarters(verified: u64, size: u64) -> u8 {
    if size == 0 {
        return 0;
    }
    u8::try_from(u128::from(verified) * 4 / u128::from(size)).unwrap_or(4).min(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::control::Have;

    #[test]
    fn quarters_are_told_at_their_marks() {
        let marks: Vec<u8> = [0, 24, 25, 49, 50, 99, 100].map(|verified| quarters(verified, 100)).to_vec();
        assert_eq!(marks, [0, 0, 1, 1, 2, 3, 4]);
        assert_eq!(quarters(0, 0), 0);
    }

    #[test]
    fn that_somebody_is_out_of_reach_is_said_once_and_of_a_few() {
        let (mut book, one, other) = (Book::default(), InfoHash([1; 20]), InfoHash([2; 20]));
        let said = (0..100).flat_map(|_| 0..10).filter(|peer| book.is_unreached(one, PeerId([*peer; 20])));
        assert_eq!(said.count(), 5);
        assert!(book.is_unreached(other, PeerId([0; 20])), "another torrent");
    }

    #[test]
    fn we_are_no_source_of_ours() {
        let mut book = Book::default();
        let own = PeerId([1; 20]);
        let address: SocketAddr = "10.0.0.1:6881".parse().unwrap();
        let source = |peer_id| Source {
            nick: "x".into(),
            peer_id,
            addresses: vec![address],
            have: Have::Full,
            agent: String::new(),
        };
        assert!(book.meet_source(&source(own), own).is_empty());
        assert_eq!(book.meet_source(&source(PeerId([2; 20])), own), [address]);
        assert_eq!(book.at(&address), Some(PeerId([2; 20])));
        assert_eq!(book.nick_of(&PeerId([2; 20])).as_deref(), Some("x"));
    }
}
