//! The tracker's DHT node, over a real socket.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use runtime::Shutdown;
use runtime::dht::{Dht, DhtConfig, Found, Scope};
use shared::InfoHash;
use tracker::{Tracker, TrackerConfig};

#[tokio::test]
async fn peers_that_know_only_the_tracker_find_each_other_in_the_dht() {
    let listen = ([127, 0, 0, 1], 0).into();
    let tracker =
        Tracker::start(TrackerConfig { listen, lan: true, ..TrackerConfig::default() }).await.unwrap();
    let node = || {
        let config = DhtConfig { listen, scope: Scope::Lan, bootstrap: vec![tracker.local_addr()] };
        Dht::start(config, Shutdown::new()).unwrap()
    };
    let ((one, _one_found), (two, mut two_found)) = (node(), node());
    let hash = InfoHash([5; 20]);
    one.seek(hash, Some(7_001));
    two.seek(hash, None);
    let found = tokio::time::timeout(Duration::from_secs(60), two_found.recv()).await.unwrap();
    assert_eq!(found, Some(Found { hash, peers: vec![([127, 0, 0, 1], 7_001).into()] }));
    tracker.stop().await;
}
