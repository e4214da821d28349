//! `peer demo [FILE]`: the whole product on this machine in under a minute.
//!
//! A tracker and four peers run as processes of their own in a fresh folder. One shares, three fetch from
//! each other at once, one of them is killed half way and started again, and every copy is compared. All of
//! it ends and is removed with this function, however it ends.

mod actor;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand::Rng as _;
use runtime::Shutdown;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use shared::display::{Elapsed, Size, fit};

use self::actor::Actor;
use crate::failure::{Exit, Failure};
use crate::terminal::Screen;
use crate::terminal::table::{Column, Table};

/// What is made when no file is named.
const OWN_SIZE: u64 = 256 * 1024 * 1024;
/// Bytes a second that each peer may send: slow enough to watch, fast enough for a minute.
const UPLINK: u64 = 30_000_000;
/// The longest the whole may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// Who fetches.
const TAKERS: [&str; 3] = ["bob", "carla", "dani"];

/// Shows everything; fails unless every copy is equal to the source.
pub async fn run(file: Option<&Path>, screen: &Screen, stop: &Shutdown) -> Result<(), Failure> {
    let folder = tempfile::Builder::new().prefix("enjambre-demo.").tempdir().map_err(|error| {
        Failure::new(Exit::DiskFull, "folder", format!("No temporary folder can be made: {error}."))
            .advise("TMPDIR=/another/folder peer demo")
    })?;
    let stage = Stage { screen, folder: folder.path().to_owned(), started: Instant::now() };
    let ended = tokio::select! {
        ended = tokio::time::timeout(PATIENCE, stage.play(file)) => ended.unwrap_or_else(|_| Err(broken("The demo took too long"))),
        () = stop.requested() => Err(Failure::new(Exit::Interrupted, "interrupted", "Stopped; everything is cleaned up.").advise("peer demo")),
    };
    if let Err(error) = folder.close() {
        screen.say(&format!("The folder of the demo could not be removed: {error}."));
    }
    ended
}

fn broken(what: &str) -> Failure {
    Failure::new(Exit::Unexpected, "demo", format!("{what}."))
        .advise("peer demo again; the state of this machine may be to blame")
}

struct Stage<'a> {
    screen: &'a Screen,
    folder: PathBuf,
    started: Instant,
}

/// What became of one taker.
struct Outcome {
    nick: &'static str,
    seconds: Duration,
    from: Vec<(String, u64)>,
    equal: bool,
    note: &'static str,
}

impl Stage<'_> {
    fn tell(&self, line: &str) {
        self.screen.say(&format!("{:>6}  {line}", Elapsed(self.started.elapsed()).to_string()));
    }

    async fn play(&self, file: Option<&Path>) -> Result<(), Failure> {
        let (source, size) = self.source(file)?;
        let name = source.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (_tracker, address) = actor::start_tracker(&self.make("tracker")?).await?;
        self.tell(&format!("tracker at {address}"));
        let mut ana = self.peer("ana", &address)?;
        ana.say("status").await?;
        ana.expect("its first answer", |line| line["type"] == "status").await?;
        ana.say(&format!("share {}", crate::words::quote(&source.to_string_lossy()))).await?;
        ana.expect("shared", |line| line["type"] == "share").await?;
        self.tell(&format!("ana shares {}, {}", fit(&name, 40), Size(size)));

        let get = format!("get {}", crate::words::quote(&name));
        let mut takers = Vec::new();
        let began = Instant::now();
        for nick in TAKERS {
            let mut taker = self.peer(nick, &address)?;
            taker.say(&get).await?;
            takers.push(taker);
        }
        self.tell("bob, carla and dani fetch it, from ana and from each other");

        let mut bob = takers.remove(0);
        let reached = self.watch(&mut bob, &name, 0.5, true).await?;
        bob.kill().await;
        self.tell(&format!("bob is killed with SIGKILL at {:.0} %", reached * 100.0));
        let mut bob = self.peer("bob", &address)?;
        let resumed = self.watch(&mut bob, &name, 0.0, false).await?;
        self.tell(&format!("bob is started again and goes on by himself from {:.0} %", resumed * 100.0));
        ana.say("message bob ya casi esta").await?;
        let heard = bob.expect("the message", |line| line["type"] == "message").await?;
        self.tell(&format!("ana to bob: {}", fit(heard["text"].as_str().unwrap_or_default(), 60)));
        takers.insert(0, bob);

        let nicks = self.nicks(&mut ana).await?;
        let expected = hash(&source)?;
        let mut outcomes = Vec::new();
        for (mut taker, nick) in takers.into_iter().zip(TAKERS) {
            self.watch(&mut taker, &name, 1.0, true).await?;
            let seconds = began.elapsed();
            let line = taker.status(&name).await?;
            let copy = PathBuf::from(line["path"].as_str().unwrap_or_default());
            let equal = hash(&copy)? == expected;
            let from = givers(&line, &nicks);
            let several = if from.len() > 1 { "several sources" } else { "one source" };
            self.tell(&format!(
                "{nick} has it all, from {several}; SHA-256 {}",
                if equal { "equal" } else { "DIFFERENT" }
            ));
            let note = if nick == "bob" { "killed and resumed" } else { "" };
            outcomes.push(Outcome { nick, seconds, from, equal, note });
            // Whoever is done stays: the others may still need it.
            taker.leave_running(&mut ana);
        }
        self.close(&outcomes, size, &expected)
    }

    /// A peer with a folder of its own.
    fn peer(&self, nick: &'static str, tracker: &str) -> Result<Actor, Failure> {
        let folder = self.make(nick)?;
        Actor::start(nick, &folder, tracker, UPLINK)
    }

    fn make(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).map_err(|error| disk(&folder, &error))?;
        Ok(folder)
    }

    /// The file to share: the one that was named, or one of random bytes.
    fn source(&self, file: Option<&Path>) -> Result<(PathBuf, u64), Failure> {
        if let Some(file) = file {
            let missing = || {
                Failure::new(
                    Exit::NotFound,
                    "no_file",
                    format!("No file \"{}\".", fit(&file.display().to_string(), 80)),
                )
            };
            let metadata = std::fs::metadata(file).map_err(|_| missing().advise("peer demo FILE"))?;
            if !metadata.is_file() {
                return Err(Failure::new(Exit::Usage, "not_a_file", "The demo takes one file.")
                    .advise("peer demo FILE"));
            }
            let path = std::path::absolute(file).map_err(|error| disk(file, &error))?;
            return Ok((path, metadata.len()));
        }
        let path = self.make("source")?.join("pelicula.bin");
        let mut out = std::fs::File::create(&path).map_err(|error| disk(&path, &error))?;
        let mut dice = rand::rng();
        let mut block = vec![0; 1024 * 1024];
        for _ in 0..OWN_SIZE / 1024 / 1024 {
            dice.fill_bytes(&mut block);
            out.write_all(&block).map_err(|error| disk(&path, &error))?;
        }
        Ok((path, OWN_SIZE))
    }

    /// Asks `actor` until that share of the download is verified, showing progress; gives what was reached.
    async fn watch(&self, actor: &mut Actor, name: &str, until: f64, aloud: bool) -> Result<f64, Failure> {
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        let mut told = Instant::now();
        loop {
            ticks.tick().await;
            let Some(line) = actor.status_if_any(name).await? else { continue };
            let progress = line["progress"].as_f64().unwrap_or(0.0);
            let finished = line["is_finished"] == true;
            if finished || (until < 1.0 && progress >= until && line["state"] != "checking") {
                return Ok(progress);
            }
            if aloud && told.elapsed() > Duration::from_millis(1500) {
                told = Instant::now();
                let rate = shared::display::Rate(line["download_rate"].as_f64().unwrap_or(0.0));
                self.tell(&format!(
                    "  {} {:.0} %  {rate}  {} peers",
                    actor.nick(),
                    progress * 100.0,
                    line["num_peers"]
                ));
            }
        }
    }

    /// Who is who, by peer id.
    async fn nicks(&self, actor: &mut Actor) -> Result<BTreeMap<String, String>, Failure> {
        let mut nicks = BTreeMap::new();
        actor.say("who").await?;
        while nicks.len() < TAKERS.len() + 1 {
            let line = actor.expect("the roster", |line| line["type"] == "roster").await?;
            let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
            nicks.insert(text("peer_id"), text("nick"));
        }
        Ok(nicks)
    }

    fn close(&self, outcomes: &[Outcome], size: u64, expected: &[u8; 32]) -> Result<(), Failure> {
        let mut table = Table::new([
            Column::left("who"),
            Column::right("got"),
            Column::right("in"),
            Column::left("from"),
            Column::left("SHA-256"),
            Column::left(""),
        ]);
        for outcome in outcomes {
            let total: u64 = outcome.from.iter().map(|(_, bytes)| bytes).sum();
            let from: Vec<String> = outcome
                .from
                .iter()
                .map(|(nick, bytes)| format!("{nick} {} %", bytes * 100 / total.max(1)))
                .collect();
            let equal = if outcome.equal { "equal" } else { "DIFFERENT" };
            let row = [
                outcome.nick.to_owned(),
                Size(size).to_string(),
                Elapsed(outcome.seconds).to_string(),
                from.join(", "),
                equal.to_owned(),
                outcome.note.to_owned(),
            ];
            table.row(row);
        }
        self.screen.say("");
        for line in table.lines(self.screen.width().max(100)) {
            self.screen.say(&line);
        }
        let digest = shared::InfoHashV2(*expected).to_string();
        self.screen.say(&format!("SHA-256 {digest}   the whole took {}", Elapsed(self.started.elapsed())));
        if outcomes.iter().all(|outcome| outcome.equal) {
            Ok(())
        } else {
            Err(Failure::new(Exit::Unverified, "different", "A copy differs from its source.")
                .advise("tell us: this must never happen"))
        }
    }
}

/// Who gave how much, most first.
fn givers(line: &Value, nicks: &BTreeMap<String, String>) -> Vec<(String, u64)> {
    let from = line["from"].as_object().into_iter().flatten();
    let mut givers: Vec<(String, u64)> = from
        .filter_map(|(id, bytes)| {
            Some((nicks.get(id).cloned().unwrap_or_else(|| "?".to_owned()), bytes.as_u64()?))
        })
        .filter(|(_, bytes)| *bytes > 0)
        .collect();
    givers.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    givers
}

fn hash(path: &Path) -> Result<[u8; 32], Failure> {
    let mut file = std::fs::File::open(path).map_err(|error| disk(path, &error))?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; 1024 * 1024];
    loop {
        let read = file.read(&mut block).map_err(|error| disk(path, &error))?;
        let Some(part) = block.get(..read).filter(|part| !part.is_empty()) else { break };
        hasher.update(part);
    }
    Ok(hasher.finalize().into())
}

fn disk(path: &Path, error: &std::io::Error) -> Failure {
    let shown = fit(&path.display().to_string(), 80);
    Failure::new(Exit::DiskFull, "disk", format!("{shown}: {error}."))
        .advise("TMPDIR=/a/folder/with/space peer demo")
}
