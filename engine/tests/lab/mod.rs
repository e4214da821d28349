//! Sessions in one process for the tests of this crate: real files, real sockets, the public face only.
#![allow(unreachable_pub, reason = "it is public to the files of tests beside it")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::match_wild_err_arm, reason = "tests")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::{AddOptions, AddSource, Alert, Session, SessionConfig, ShareOptions};
use shared::InfoHash;
use tokio::sync::mpsc;

/// A session in a folder of its own.
pub struct Peer {
    pub dir: tempfile::TempDir,
    pub session: Session,
    pub alerts: mpsc::Receiver<Alert>,
}

pub fn config(dir: &Path) -> SessionConfig {
    // Tests at once on one machine do not find each other.
    SessionConfig {
        listen: Some(([127, 0, 0, 1], 0).into()),
        lsd: false,
        dht: engine::DhtMode::Off,
        ..SessionConfig::new(dir)
    }
}

impl Peer {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (session, alerts) = Session::start(config(dir.path())).await.unwrap();
        Self { dir, session, alerts }
    }

    /// With other settings than usual.
    pub async fn start_with(change: impl FnOnce(&mut SessionConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        change(&mut config);
        let (session, alerts) = Session::start(config).await.unwrap();
        Self { dir, session, alerts }
    }

    /// Ends it in order and starts it again in the same folder.
    pub async fn restart(self) -> Self {
        self.session.stop().await;
        let Self { dir, session, alerts } = self;
        drop((session, alerts));
        Self::start_in(dir).await
    }

    pub async fn start_in(dir: tempfile::TempDir) -> Self {
        // The folder is free as soon as the last task of the former session has ended.
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        loop {
            match Session::start(config(dir.path())).await {
                Ok((session, alerts)) => return Self { dir, session, alerts },
                Err(engine::StartError::Locked { .. }) if std::time::Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub async fn share(&self, name: &str) -> engine::Shared {
        self.session.share(&self.path(name), ShareOptions::default(), |_| {}).await.unwrap()
    }

    pub async fn get(&self, shared: &engine::Shared, from: &[&Self]) -> engine::Added {
        let source = AddSource::Metainfo(Box::new((*shared.metainfo).clone()));
        let added = self.session.add(source, AddOptions::default()).await.unwrap();
        self.meet(added.id, from).await;
        added
    }

    pub async fn meet(&self, id: InfoHash, others: &[&Self]) {
        let addresses = others.iter().map(|other| other.session.listen_address()).collect();
        self.session.add_peers(id, addresses).await.unwrap();
    }

    pub async fn done(&self, id: InfoHash) -> engine::TorrentStatus {
        match tokio::time::timeout(Duration::from_secs(60), self.session.wait_complete(id)).await {
            Ok(status) => status.unwrap(),
            Err(_) => panic!("{:#?} {:#?}", self.session.status(id), self.session.peers(id).await),
        }
    }

    pub async fn alert(&mut self, wanted: impl Fn(&Alert) -> bool) -> Alert {
        let find = async {
            loop {
                let alert = self.alerts.recv().await.unwrap();
                if wanted(&alert) {
                    return alert;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), find).await.unwrap()
    }
}

pub fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..length).map(next).collect()
}

pub async fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "it never came true");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
