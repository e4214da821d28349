//! The command line: global options, then a verb with its words, or nothing for the prompt.

use std::path::PathBuf;

use clap::Parser;

use crate::options::Options;
use crate::settings::Written;

/// Share files with the people on this network.
#[derive(Debug, Parser)]
#[command(name = "peer", version, about, long_about = None, after_help = after_help())]
pub struct Cli {
    /// The tracker, as HOST or HOST:PORT (also `TRACKER_IP` and `TRACKER_PORT`)
    #[arg(long, value_name = "HOST[:PORT]")]
    pub tracker: Option<String>,
    /// What to be called here
    #[arg(long)]
    pub nick: Option<String>,
    /// This peer's folder: its state, its settings and its downloads
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Where to listen for peers; port 0 takes any
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// Most bytes sent per second, such as 8MB or 8MiB
    #[arg(long, value_name = "RATE")]
    pub limit_up: Option<String>,
    /// Most bytes received per second
    #[arg(long, value_name = "RATE")]
    pub limit_down: Option<String>,
    /// Most connections to other peers at once, 8 to 700 [default: 200]
    #[arg(long, value_name = "COUNT")]
    pub connections: Option<u16>,
    /// Exactly 4 upload slots every 10 s and an optimistic one every 30 s
    #[arg(long)]
    pub classic_choke: bool,
    /// Reveal pieces one by one while nobody else has everything: off, auto (to other programs) or on
    #[arg(long, value_name = "MODE")]
    pub super_seed: Option<String>,
    /// Neither look for peers and trackers on the local networks by multicast, nor answer there
    #[arg(long)]
    pub no_lsd: bool,
    /// Look for peers in the distributed hash table: off, lan (nodes of private networks) or public
    #[arg(long, value_name = "MODE")]
    pub dht: Option<String>,
    /// Nodes of the distributed hash table to begin with, beside the tracker's and those of the last run
    #[arg(long, value_name = "ADDR:PORT,...")]
    pub dht_nodes: Option<String>,
    /// Do not exchange with other peers who else is there
    #[arg(long)]
    pub no_pex: bool,
    /// Connect over uTP too, which gets through more routers and yields to other traffic (needs UDP)
    #[arg(long)]
    pub utp: bool,
    /// Obfuscated connections: accept, require or off (no secrecy, only less recognisable)
    #[arg(long, value_name = "MODE")]
    pub mse: Option<String>,
    /// Show the downloads as a page too, for browsers of this machine; port 0 takes any
    #[arg(long, value_name = "ADDR:PORT", num_args = 0..=1, default_missing_value = crate::web::DEFAULT)]
    pub web: Option<std::net::SocketAddr>,
    /// One JSON object per line, for programs
    #[arg(long)]
    pub json: bool,
    /// Options of the verb.
    #[command(flatten)]
    pub options: Options,
    /// A verb and what it is about; none opens the prompt
    #[arg(value_name = "VERB")]
    pub words: Vec<String>,
}

impl Cli {
    /// What the flags say about settings.
    pub fn written(&self) -> Written {
        Written {
            tracker: self.tracker.clone(),
            nick: self.nick.clone(),
            listen: self.listen.clone(),
            into: None,
            limit_up: self.limit_up.clone(),
            limit_down: self.limit_down.clone(),
            connections: self.connections,
            classic_choke: self.classic_choke.then_some(true),
            super_seed: self.super_seed.clone(),
            lsd: self.no_lsd.then_some(false),
            dht: self.dht.clone(),
            dht_nodes: self.dht_nodes.clone(),
            pex: self.no_pex.then_some(false),
            utp: self.utp.then_some(true),
            mse: self.mse.clone(),
        }
    }
}

fn after_help() -> String {
    let mut text = "Verbs (the same at the prompt):\n".to_owned();
    text.push_str(&crate::verb::overview().join("\n"));
    text.push_str(
        "\n  demo [FILE]                        a tracker and four peers on this machine, in under a minute",
    );
    text.push_str(
        "\n\nExit codes: 0 ok, 1 fault, 2 usage, 3 not found, 4 unreachable, 5 refused, 6 no source online,",
    );
    text.push_str("\n7 interrupted, 8 verification failed, 9 disk, 10 timeout, 11 already running, 12 declined, 13 exists.");
    text
}
