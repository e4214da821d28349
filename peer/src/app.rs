//! Puts the parts together for one run: session, tracker link, news; and takes them apart again.

use std::sync::Arc;
use std::time::Duration;

use engine::{Session, SessionConfig, StartError};
use rand::RngExt as _;
use runtime::Shutdown;
use shared::PeerId;
use shared::control::Welcome;
use shared::display::{escape, fit};
use tokio::net::TcpStream;

use crate::chat::Chat;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::link::{AskError, LinkConfig, TrackerLink};
use crate::news;
use crate::settings::{Settings, TRACKER_PORT};
use crate::swarms::Swarms;
use crate::terminal::Screen;
use crate::verb::Needs;

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("context", &self.context).finish_non_exhaustive()
    }
}

/// What we call ourselves.
pub const AGENT: &str = concat!("peer/", env!("CARGO_PKG_VERSION"));
/// How long a first connection to the tracker is waited for.
pub(crate) const FIRST_CONTACT: Duration = Duration::from_secs(5);
/// How long to look for a tracker on this machine when none is named.
const LOCAL_LOOK: Duration = Duration::from_millis(500);
/// How long to ask the local networks for one after that.
const LAN_LOOK: Duration = Duration::from_secs(1);

/// A running peer.
pub struct App {
    /// What verbs get to see.
    pub context: Context,
    hosted: Option<tracker::Tracker>,
}

impl App {
    /// A peer with everything: files, connections, tracker.
    pub async fn start(
        settings: Settings,
        screen: Screen,
        stop: Shutdown,
        at_prompt: bool,
        needs: Needs,
    ) -> Result<Self, Failure> {
        let mut config = SessionConfig::new(settings.dir.clone());
        config.into.clone_from(&settings.into);
        config.listen = settings.listen;
        config.limit_up = settings.limit_up;
        config.limit_down = settings.limit_down;
        if let Some(connections) = settings.connections {
            config.max_connections = connections.into();
        }
        config.classic_choke = settings.classic_choke;
        config.super_seed = settings.super_seed;
        config.lsd = settings.lsd;
        config.dht = settings.dht;
        config.dht_bootstrap.clone_from(&settings.dht_nodes);
        config.pex = settings.pex;
        config.utp = settings.utp;
        config.mse = settings.mse;
        let (session, alerts) = Session::start(config).await.map_err(|error| not_started(&error))?;
        // Who only wants to look at or steer what is here needs no tracker, and hosts none.
        let (tracker, hosted) = match needs {
            Needs::Both | Needs::BothUnlessNamed => find_or_host(&settings, &screen).await?,
            Needs::Myself => {
                let found = find_tracker(&settings, &screen).await;
                (found.unwrap_or_else(|| named_or_local(&settings)), None)
            }
            Needs::Session | Needs::Tracker | Needs::TrackerIfThere | Needs::Nothing => {
                (named_or_local(&settings), None)
            }
        };
        let (link, events) = TrackerLink::start(LinkConfig {
            tracker,
            nick: settings.nick.clone(),
            peer_id: session.peer_id(),
            ports: vec![session.listen_address().port()],
            agent: AGENT.to_owned(),
            guest: false,
        });
        let (swarms, stream) =
            Swarms::start(session.clone(), alerts, link.clone(), events, settings.dir.clone());
        let chat = Chat::default();
        drop(runtime::spawn(
            "news",
            news::show(
                stream,
                session.clone(),
                swarms.clone(),
                (link.clone(), chat.clone()),
                screen.clone(),
                at_prompt,
            ),
        ));
        let swarms = Some((session, swarms));
        let context = Context {
            swarms,
            link,
            screen,
            settings: Arc::new(settings),
            rows: Arc::default(),
            trace: Arc::default(),
            chat,
            stop,
            at_prompt,
        };
        Ok(Self { context, hosted })
    }

    /// Nothing but the settings and the screen.
    pub fn alone(settings: Settings, screen: Screen, stop: Shutdown) -> Self {
        let link = TrackerLink::none(&settings.nick);
        Self::without_session(settings, screen, stop, link)
    }

    /// Only a connection to the tracker, under an id that lives as long as the verb.
    pub async fn ask_only(settings: Settings, screen: Screen, stop: Shutdown) -> Result<Self, Failure> {
        let tracker = find_tracker(&settings, &screen).await.unwrap_or_else(|| named_or_local(&settings));
        let mut peer_id = *b"-EN0100-............";
        let mut dice = rand::rng();
        for byte in peer_id.iter_mut().skip(8) {
            *byte = dice.random_range(b'a'..=b'z');
        }
        let (link, mut events) = TrackerLink::start(LinkConfig {
            tracker,
            nick: settings.nick.clone(),
            peer_id: PeerId(peer_id),
            ports: Vec::new(),
            agent: AGENT.to_owned(),
            guest: true,
        });
        drop(runtime::spawn("unheard news", async move { while events.recv().await.is_some() {} }));
        Ok(Self::without_session(settings, screen, stop, link))
    }

    fn without_session(settings: Settings, screen: Screen, stop: Shutdown, link: TrackerLink) -> Self {
        let context = Context {
            swarms: None,
            link,
            screen,
            settings: Arc::new(settings),
            rows: Arc::default(),
            trace: Arc::default(),
            chat: Chat::default(),
            stop,
            at_prompt: false,
        };
        Self { context, hosted: None }
    }

    /// Waits for the tracker's welcome, or says why there is none.
    pub async fn connected(&self) -> Result<Welcome, Failure> {
        self.context.link.wait_connected(FIRST_CONTACT).await.map_err(|error| match error {
            AskError::Refused(refusal) => Failure::new(
                Exit::Refused,
                refusal.code.word(),
                format!("The tracker refuses: {}.", escape(&refusal.text)),
            )
            .advise(
                refusal
                    .advice
                    .map_or_else(|| "another --nick".to_owned(), |advice| escape(&advice).into_owned()),
            ),
            other => {
                let tracker = self.context.link.tracker();
                let reason = match other {
                    AskError::NotConnected { reason, .. } => reason,
                    other => other.to_string(),
                };
                let text = format!("No tracker answers at {}: {}.", fit(tracker, 60), escape(&reason));
                Failure::new(Exit::Unreachable, "no_tracker", text)
                    .advise("start one with: tracker     or name another: peer --tracker HOST")
            }
        })
    }

    /// Leaves: the tracker is told, the state is saved.
    pub async fn stop(self) {
        self.context.link.leave("left").await;
        if let Some((session, _)) = &self.context.swarms {
            session.stop().await;
        }
        if let Some(tracker) = self.hosted {
            tracker.stop().await;
        }
    }
}

/// The tracker that was named, or else the one that may run on this machine.
fn named_or_local(settings: &Settings) -> String {
    settings.tracker.clone().unwrap_or_else(|| format!("127.0.0.1:{TRACKER_PORT}"))
}

/// The tracker that was named, or one on this machine, or one that answers on the local networks.
async fn find_tracker(settings: &Settings, screen: &Screen) -> Option<String> {
    if let Some(tracker) = &settings.tracker {
        return Some(tracker.clone());
    }
    let local = format!("127.0.0.1:{TRACKER_PORT}");
    let looked = tokio::time::timeout(LOCAL_LOOK, TcpStream::connect(&local)).await;
    if matches!(looked, Ok(Ok(_))) {
        return Some(local);
    }
    if !settings.lsd {
        return None;
    }
    let begun = std::time::Instant::now();
    let found = runtime::lan::find_trackers(LAN_LOOK).await;
    let (first, others) = found.split_first()?;
    if !screen.is_json() {
        let took = begun.elapsed().as_secs_f64();
        screen.say(&format!("No tracker was named: taking {first}, found on this network in {took:.1} s."));
        if !others.is_empty() {
            let others: Vec<String> = others.iter().take(4).map(ToString::to_string).collect();
            screen.say(&format!("  there are others:  peer --tracker {}", others.join("   or   ")));
        }
    }
    Some(first.to_string())
}

/// A tracker that is there, or one that this peer hosts for the others.
async fn find_or_host(
    settings: &Settings,
    screen: &Screen,
) -> Result<(String, Option<tracker::Tracker>), Failure> {
    if let Some(tracker) = find_tracker(settings, screen).await {
        return Ok((tracker, None));
    }
    let local = format!("127.0.0.1:{TRACKER_PORT}");
    let config = tracker::TrackerConfig {
        listen: ([0, 0, 0, 0], TRACKER_PORT).into(),
        http: Some(([0, 0, 0, 0], tracker::DEFAULT_HTTP_PORT).into()),
        http_port_may_move: true,
        lan: true,
        ..tracker::TrackerConfig::default()
    };
    match tracker::Tracker::start(config).await {
        Ok(hosted) => {
            if !screen.is_json() {
                screen.say(&format!(
                    "No tracker was named, so this peer is the tracker too (port {TRACKER_PORT})."
                ));
                for line in ways_to_join(settings) {
                    screen.say(&format!("  others join with:  {line}"));
                }
            }
            Ok((local, Some(hosted)))
        }
        Err(error) => {
            let text = format!(
                "No tracker was named, and none can be started here: {}.",
                escape(&error.to_string())
            );
            Err(Failure::new(Exit::Unreachable, "no_tracker", text).advise("peer --tracker HOST"))
        }
    }
}

/// What a person at another machine types to come here.
pub(crate) fn ways_to_join(settings: &Settings) -> Vec<String> {
    let elsewhere = |tracker: &&String| !tracker.starts_with("127.") && !tracker.starts_with("localhost:");
    if let Some(tracker) = settings.tracker.as_ref().filter(elsewhere) {
        return vec![format!("peer --tracker {}", fit(tracker, 60))];
    }
    // A tracker of this machine has the same port for others.
    let port = settings.tracker.as_deref().and_then(|tracker| tracker.rsplit_once(':'));
    let port = port.map_or_else(String::new, |(_, port)| format!(":{}", fit(port, 5)));
    let reachable = runtime::net::reachable(std::net::Ipv4Addr::UNSPECIFIED.into());
    let mut ways: Vec<String> = reachable
        .iter()
        .filter(|interface| interface.ip.is_ipv4() && !interface.ip.is_loopback())
        .map(|interface| format!("peer --tracker {}{port}", interface.ip))
        .collect();
    if ways.is_empty() {
        ways.push("peer     (on this machine)".to_owned());
    }
    ways
}

fn not_started(error: &StartError) -> Failure {
    let text = format!("{}.", escape(&error.to_string()));
    match error {
        StartError::Locked { .. } => {
            Failure::new(Exit::AlreadyRunning, "locked", text).advise("peer --dir ANOTHER_FOLDER")
        }
        StartError::Folder { .. } => {
            Failure::new(Exit::DiskFull, "folder", text).advise("peer --dir A_FOLDER_OF_YOURS")
        }
        StartError::Listen { .. } => Failure::new(Exit::AlreadyRunning, "listen", text)
            .advise("peer --listen 0.0.0.0:0   (takes any free port)"),
        StartError::NewerStatus { .. } => Failure::new(Exit::Unreachable, "newer_status", text)
            .advise("use the newer peer, or another --dir"),
        StartError::Thread { .. } => {
            Failure::new(Exit::Unexpected, "thread", text).advise("close other programs")
        }
    }
}
