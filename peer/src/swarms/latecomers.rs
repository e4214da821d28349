//! Other people's clients that want what we have and do not come: behind a firewall that lets nobody in we are
//! out of their reach, and nothing in their protocol lets them ask us to dial. So we do, after some time.
//!
//! Never at once: whoever can reach us dials us as soon as the tracker named us, and two connections that cross
//! cost both sides one. [`Latecomers`] is pure, so that the rule has a test; called by the go-between.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use engine::State;
use shared::control::Source;
use shared::{InfoHash, PeerId};

use super::Swarms;

/// How long it may take to come by itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many are waited for at once; of the others the swarm will tell.
const MOST: usize = 200;
/// How many are dialled at one look, each at its best address.
const AT_ONCE: usize = 5;
/// Of how many of our own shares the tracker is asked to tell who comes.
const MOST_FOLLOWED: usize = 100;

/// Those who are waited for, each with its address and since when.
#[derive(Debug, Default)]
pub(super) struct Latecomers {
    waiting: BTreeMap<(InfoHash, PeerId), (SocketAddr, Duration)>,
    followed: BTreeSet<InfoHash>,
}

/// One of ours: those dial whom the tracker named, and ask us to dial when that is in vain.
fn is_ours(source: &Source) -> bool {
    source.agent.starts_with("peer/")
}

/// Whether who has everything waits for a newcomer, rather than to be told of it at once: for all who come for
/// what it shares, and for other people's clients in any case.
pub(super) fn waits(is_share: bool, source: &Source) -> bool {
    is_share || !is_ours(source)
}

/// Whether who is connected, under an id, at an address, and perhaps known to listen somewhere, is the one
/// that the tracker told of. Other people's clients call themselves one thing to a tracker and may call
/// themselves another to a peer.
fn is_here(
    (told, at): (PeerId, SocketAddr),
    peer_id: PeerId,
    address: SocketAddr,
    listens_at: Option<SocketAddr>,
) -> bool {
    peer_id == told || address == at || listens_at == Some(at)
}

impl Latecomers {
    /// Whether a share may be followed; then it counts until it is taken back.
    pub(super) fn may_follow(&mut self, id: InfoHash) -> bool {
        let may = self.followed.len() < MOST_FOLLOWED || self.followed.contains(&id);
        if may {
            self.followed.insert(id);
        }
        may
    }

    /// We have no part of a torrent any more: nobody is waited for, and another may be followed.
    pub(super) fn taken_back(&mut self, id: InfoHash) {
        self.followed.remove(&id);
        self.waiting.retain(|(of, _), _| *of != id);
    }

    /// The tracker was new or started again: nothing is followed there.
    pub(super) fn tracker_is_new(&mut self) {
        self.followed.clear();
    }

    /// Somebody wants a torrent of ours, as is heard at `now`.
    pub(super) fn wants(&mut self, id: InfoHash, source: &Source, now: Duration) {
        let key = (id, source.peer_id);
        let Some(address) = source.addresses.first().filter(|_| !is_ours(source) && !source.have.is_full())
        else {
            self.waiting.remove(&key);
            return;
        };
        if self.waiting.len() < MOST || self.waiting.contains_key(&key) {
            self.waiting.entry(key).or_insert((*address, now));
        }
    }

    /// It went.
    pub(super) fn left(&mut self, id: InfoHash, peer_id: PeerId) {
        self.waiting.remove(&(id, peer_id));
    }

    /// Those who had their time by `now`. They are not waited for any more.
    pub(super) fn due(&mut self, now: Duration) -> Vec<(InfoHash, PeerId, SocketAddr)> {
        let is_due = |since: Duration| now.saturating_sub(since) >= PATIENCE;
        let due = self.waiting.iter().filter(|(_, (_, since))| is_due(*since)).take(AT_ONCE);
        let due: Vec<_> = due.map(|((id, peer_id), (address, _))| (*id, *peer_id, *address)).collect();
        for (id, peer_id, _) in &due {
            self.waiting.remove(&(*id, *peer_id));
        }
        due
    }
}

impl Swarms {
    /// Dials those who should have come by now, where they have not.
    pub(super) fn fetch_latecomers(&self) {
        let due = self.latecomers().due(self.begun.elapsed());
        for (id, peer_id, address) in due {
            // A download dials for itself, and what is paused gives nothing.
            let seeds = self.session.status(id).is_some_and(|status| status.state == State::Seeding);
            if !seeds {
                continue;
            }
            let session = self.session.clone();
            drop(runtime::spawn("latecomer", async move {
                let Ok(peers) = session.peers(id).await else { return };
                let told = (peer_id, address);
                if !peers.iter().any(|peer| is_here(told, peer.peer_id, peer.address, peer.listens_at)) {
                    tracing::debug!(%id, %address, "it did not come, so it is dialled");
                    drop(session.dial(id, address).await);
                }
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use shared::control::Have;

    use super::*;

    fn source(number: u8, agent: &str, have: Have) -> Source {
        let address = format!("192.168.1.{number}:6881").parse().unwrap();
        let (peer_id, nick) = (PeerId([number; 20]), String::new());
        Source { nick, peer_id, addresses: vec![address], have, agent: agent.to_owned() }
    }

    const ID: InfoHash = InfoHash([7; 20]);

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn only_a_foreign_and_unfinished_client_that_had_its_time_is_dialled_and_once() {
        let mut late = Latecomers::default();
        late.wants(ID, &source(1, "qBittorrent 5.0.3", Have::Pieces(0)), secs(10));
        late.wants(ID, &source(2, "peer/0.1.0", Have::Pieces(0)), secs(10));
        late.wants(ID, &source(3, "qBittorrent 5.0.3", Have::Full), secs(10));
        late.wants(ID, &source(4, "", Have::Pieces(3)), secs(10));
        late.wants(ID, &source(5, "", Have::Pieces(3)), secs(12));
        let deaf = Source { addresses: Vec::new(), ..source(6, "", Have::Pieces(3)) };
        late.wants(ID, &deaf, secs(10));
        assert_eq!(late.due(secs(14)), []);
        late.left(ID, PeerId([4; 20]));
        // To be told of again begins nothing anew.
        late.wants(ID, &source(1, "qBittorrent 5.0.3", Have::Pieces(9)), secs(14));
        let due = late.due(secs(15));
        assert_eq!(due, [(ID, PeerId([1; 20]), "192.168.1.1:6881".parse().unwrap())]);
        // Number five has everything meanwhile.
        late.wants(ID, &source(5, "", Have::Full), secs(16));
        assert_eq!(late.due(secs(99)), []);
    }

    #[test]
    fn a_newcomer_is_waited_for_where_it_would_come_by_itself() {
        let (ours, foreign) = (source(1, "peer/0.1.0", Have::Pieces(0)), source(2, "", Have::Pieces(0)));
        assert!(waits(true, &ours) && waits(true, &foreign) && waits(false, &foreign));
        assert!(!waits(false, &ours));
    }

    #[test]
    fn a_crowd_is_taken_a_few_at_a_time_and_no_longer_than_a_list_may_be() {
        let mut late = Latecomers::default();
        for number in 0..=255 {
            late.wants(ID, &source(number, "", Have::Pieces(0)), secs(1));
        }
        let mut looks = 0;
        let mut all = 0;
        loop {
            let due = late.due(secs(9)).len();
            if due == 0 {
                break;
            }
            assert!(due <= AT_ONCE);
            (looks, all) = (looks + 1, all + due);
        }
        assert_eq!((looks, all), (MOST / AT_ONCE, MOST));
    }

    #[test]
    fn a_share_that_is_taken_back_makes_room_for_another() {
        let mut late = Latecomers::default();
        let id = |number: u16| InfoHash([number.to_be_bytes(); 10].concat().try_into().unwrap());
        assert_eq!((0..300).filter(|number| late.may_follow(id(*number))).count(), MOST_FOLLOWED);
        assert!(late.may_follow(id(7)), "it is followed already");
        assert!(!late.may_follow(id(300)));
        late.wants(id(7), &source(1, "", Have::Pieces(0)), secs(1));
        late.wants(id(8), &source(1, "", Have::Pieces(0)), secs(1));
        late.taken_back(id(7));
        assert!(late.may_follow(id(300)) && !late.may_follow(id(7)));
        let due: Vec<_> = late.due(secs(9)).into_iter().map(|(id, ..)| id).collect();
        assert_eq!(due, [id(8)], "nobody is waited for who wants what is not shared any more");
        late.tracker_is_new();
        assert!(late.may_follow(id(7)));
    }

    #[test]
    fn who_came_under_another_id_is_known_by_where_it_listens() {
        let far = |port| SocketAddr::from(([192, 168, 1, 1], port));
        let told = (PeerId([1; 20]), far(6881));
        assert!(is_here(told, PeerId([1; 20]), far(40_000), None));
        assert!(is_here(told, PeerId([2; 20]), far(6881), None));
        assert!(is_here(told, PeerId([2; 20]), far(40_000), Some(far(6881))));
        assert!(
            !is_here(told, PeerId([2; 20]), far(40_000), None),
            "it may be another behind the same address"
        );
        assert!(!is_here(told, PeerId([2; 20]), far(40_000), Some(far(6882))));
    }
}
