//! A room for tests: a tracker on a free port of this machine, and people whose lines are run and heard.

#![allow(unreachable_pub, reason = "it is public to the files of tests beside it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::path::PathBuf;
use std::time::Duration;

use peer::app::App;
use peer::failure::Failure;
use peer::repl;
use peer::settings::Settings;
use peer::terminal::{Screen, View};
use peer::verb::Needs;
use runtime::Shutdown;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tracker::{StoreConfig, Tracker, TrackerConfig};

/// A tracker and a folder for everybody.
pub struct Room {
    tracker: Tracker,
    folder: TempDir,
}

/// A running peer whose prompt is the test.
pub struct Person {
    pub app: App,
    lines: mpsc::Receiver<String>,
    home: PathBuf,
}

impl Room {
    pub async fn new() -> Self {
        let config = TrackerConfig { listen: ([127, 0, 0, 1], 0).into(), ..TrackerConfig::default() };
        Self { tracker: Tracker::start(config).await.unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    /// A room whose tracker remembers what lasts when it starts again.
    pub async fn lasting() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = TrackerConfig { listen: ([127, 0, 0, 1], 0).into(), ..remembering(&folder) };
        Self { tracker: Tracker::start(config).await.unwrap(), folder }
    }

    /// The tracker of a lasting room is there again.
    pub async fn start_tracker_again(&mut self) {
        let config = TrackerConfig { listen: self.tracker.local_addr(), ..remembering(&self.folder) };
        self.tracker = Tracker::start(config).await.unwrap();
    }

    /// Starts a peer and waits until the tracker has let it in.
    pub async fn person(&self, nick: &str) -> Person {
        let person = self.start(nick, self.tracker.local_addr().to_string()).await;
        person.app.connected().await.unwrap();
        person
    }

    /// The same for a program that reads what is said.
    pub async fn program(&self, nick: &str) -> Person {
        let person = self.start_as(nick, self.tracker.local_addr().to_string(), true).await;
        person.app.connected().await.unwrap();
        person
    }

    /// Starts a peer, whether the tracker answers or not.
    pub async fn anyway(&self, nick: &str) -> Person {
        self.start(nick, self.tracker.local_addr().to_string()).await
    }

    /// Starts a peer of this room with another room's tracker.
    pub async fn moved(&self, nick: &str, other: &Self) -> Person {
        let person = self.start(nick, other.tracker.local_addr().to_string()).await;
        person.app.connected().await.unwrap();
        person
    }

    /// The tracker goes; its room stays.
    pub async fn stop_tracker(&self) {
        self.tracker.stop().await;
    }

    /// Starts a peer whose tracker is not there.
    pub async fn hermit(&self, nick: &str) -> Person {
        let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let nobody = taken.local_addr().unwrap();
        drop(taken);
        self.start(nick, nobody.to_string()).await
    }

    async fn start(&self, nick: &str, tracker: String) -> Person {
        self.start_as(nick, tracker, false).await
    }

    async fn start_as(&self, nick: &str, tracker: String, json: bool) -> Person {
        let home = self.folder.path().join(nick);
        std::fs::create_dir_all(&home).unwrap();
        let settings = Settings {
            tracker: Some(tracker),
            listen: Some(([127, 0, 0, 1], 0).into()),
            // Tests at once on one machine do not find each other.
            lsd: false,
            dht: engine::DhtMode::Off,
            ..Settings::new(home.clone(), nick)
        };
        let (said, lines) = mpsc::channel(4096);
        let view = View { json, terminal: false, colour: false, columns: 100 };
        let app = App::start(settings, Screen::remote(said, view), Shutdown::new(), true, Needs::Both)
            .await
            .unwrap();
        Person { app, lines, home }
    }

    /// Stops the tracker, and starts another where it was.
    pub async fn restart_tracker(&mut self) {
        let listen = self.tracker.local_addr();
        self.tracker.stop().await;
        let config = TrackerConfig { listen, ..TrackerConfig::default() };
        self.tracker = Tracker::start(config).await.unwrap();
    }

    pub async fn close(self) {
        self.tracker.stop().await;
    }
}

fn remembering(folder: &TempDir) -> TrackerConfig {
    let store = StoreConfig { dir: folder.path().join("tracker"), sync: tracker::Sync::Normal };
    TrackerConfig { store: Some(store), ..TrackerConfig::default() }
}

impl Person {
    /// Runs a line as if it had been typed; gives what was said meanwhile.
    pub async fn run(&mut self, line: &str) -> Result<Vec<String>, Failure> {
        while self.lines.try_recv().is_ok() {}
        let ended = tokio::time::timeout(Duration::from_secs(30), repl::run_line(&self.app.context, line));
        ended.await.unwrap_or_else(|_| panic!("{line} did not end"))?;
        Ok(std::iter::from_fn(|| self.lines.try_recv().ok()).collect())
    }

    /// Says goodbye and stops.
    pub async fn leave(self) {
        self.app.stop().await;
    }

    /// Runs a line again and again until it is done and says `text`.
    pub async fn until(&mut self, line: &str, text: &str) -> String {
        let mut last = String::new();
        let said = async {
            loop {
                match self.run(line).await {
                    Ok(said) => match said.iter().find(|one| one.contains(text)) {
                        Some(found) => return found.clone(),
                        None => last = said.join("\n"),
                    },
                    Err(failure) => last = failure.text,
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(30), said).await;
        found.unwrap_or_else(|_| panic!("{line} does not say {text}, but {last}"))
    }

    /// Runs a line, and waits until a line that holds `text` was said; gives everything said till then.
    pub async fn run_until(&mut self, line: &str, text: &str) -> Vec<String> {
        let mut said = self.run(line).await.unwrap();
        if !said.iter().any(|one| one.contains(text)) {
            said.push(self.hear(text).await);
        }
        said
    }

    /// Waits for a line that holds `text`.
    pub async fn hear(&mut self, text: &str) -> String {
        let heard = async {
            loop {
                let line = self.lines.recv().await.unwrap();
                if line.contains(text) {
                    return line;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), heard)
            .await
            .unwrap_or_else(|_| panic!("nobody says {text}"))
    }

    /// Writes a file into the person's folder; gives its path.
    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.home.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub fn folder(&self) -> String {
        self.home.to_str().unwrap().to_owned()
    }

    /// What lies in the folder of downloads.
    pub fn downloads(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.home.join("Archivos_a_b_c")).into_iter().flatten();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}
