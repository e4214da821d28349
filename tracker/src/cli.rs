//! The program `tracker`: flags, the banner, the console, and a clean end.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use runtime::telemetry::{Console, Guard, Telemetry};
use runtime::{Shutdown, settings};
use shared::control::{DEFAULT_PORT, MessageLog};
use toml::{Table, Value};

use crate::config::{DEFAULT_HTTP_PORT, TrackerConfig};
use crate::settings::Settings;
use crate::{StartError, StoreConfig, StoreError, Tracker, archive, console, occupant, reload};

/// Exit codes, the same for all programs of the house.
pub(crate) const UNEXPECTED: u8 = 1;
pub(crate) const USAGE: u8 = 2;
pub(crate) const REFUSED: u8 = 5;
pub(crate) const CANNOT_WRITE: u8 = 9;
const ALREADY_RUNNING: u8 = 11;

#[derive(Debug, Parser)]
#[command(
    name = "tracker",
    version,
    about = "Peers meet here: who is online, who shares what, who says what",
    after_help = "Settings may also stand in DIR/tracker.toml, or in the environment as TRACKER_LISTEN and so on."
)]
struct Flags {
    /// What to do [default: run]
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Where peers connect: ADDR:PORT, ADDR or :PORT [default: 0.0.0.0:5000]
    #[arg(long, value_name = "ADDR:PORT", global = true)]
    listen: Option<String>,
    /// Only another port
    #[arg(long, value_name = "PORT", conflicts_with = "listen", global = true)]
    port: Option<u16>,
    /// Where BitTorrent clients announce, over HTTP and UDP [default: port 6969 beside the peers]
    #[arg(long, value_name = "ADDR:PORT", global = true)]
    http: Option<String>,
    /// No doors for BitTorrent clients
    #[arg(long, conflicts_with = "http", global = true)]
    no_http: bool,
    /// The folder of tracker.toml, tracker.db and tracker.log
    #[arg(long, value_name = "DIR", default_value = ".", global = true)]
    dir: PathBuf,
    /// The file of settings [default: DIR/tracker.toml]
    #[arg(long, value_name = "FILE", global = true)]
    settings: Option<PathBuf>,
    /// How much of a message is logged: full, meta (who and how long) or off
    #[arg(long, value_name = "HOW MUCH", value_parser = ["full", "meta", "off"], global = true)]
    log_messages: Option<String>,
    /// What an ok survives: full (also a loss of power) or normal (only the end of the program)
    #[arg(long, value_name = "HOW MUCH", value_parser = ["full", "normal"], global = true)]
    sync: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
enum Verb {
    /// Run until Ctrl-C or `stop`
    Run,
    /// Print all settings and where each comes from
    Config {
        /// A tracker.toml in which every setting is explained, to begin with
        #[arg(long)]
        example: bool,
    },
    /// Copy what the tracker of DIR remembers into a new file, also while it runs
    Backup {
        /// The new file: another tracker.db
        file: PathBuf,
    },
    /// Print what the tracker of DIR remembers, one object a line, also while it runs
    Export {
        /// As JSON lines, the only form that there is
        #[arg(long, required = true)]
        json: bool,
    },
}

/// A sentence for the person, and the code to end with.
pub(crate) struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    pub(crate) fn new(code: u8, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

/// Runs the program with `args` (its own name first) and says how to end.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let flags = match Flags::try_parse_from(args) {
        Ok(flags) => flags,
        Err(error) => {
            // Help and version go to standard output and end well; mistakes name the nearest flag.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match run_flags(&flags) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure.text);
            ExitCode::from(failure.code)
        }
    }
}

#[expect(clippy::print_stderr, reason = "the one place that says why the program ends")]
fn complain(text: &str) {
    for line in text.lines() {
        eprintln!("{}", shared::display::escape(line));
    }
}

#[expect(clippy::print_stdout, reason = "the banner, and the settings that were asked for")]
pub(crate) fn say(text: &str) {
    for line in text.lines() {
        println!("{}", shared::display::escape(line));
    }
}

fn settings_file(flags: &Flags) -> PathBuf {
    flags.settings.clone().unwrap_or_else(|| flags.dir.join("tracker.toml"))
}

/// The settings as they are written now.
fn resolve(flags: &Flags) -> Result<settings::Resolved<Settings>, settings::SettingsError> {
    let mut table = Table::new();
    let mut set = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            table.insert(key.to_owned(), Value::String(value));
        }
    };
    set("listen", flags.listen.clone().or_else(|| flags.port.map(|port| format!(":{port}"))));
    set("http", flags.http.clone().or_else(|| flags.no_http.then(|| "off".to_owned())));
    set("log_messages", flags.log_messages.clone());
    set("sync", flags.sync.clone());
    let environment = |name: &str| std::env::var(name).ok();
    settings::resolve("TRACKER", &Settings::KEYS, Some(&settings_file(flags)), environment, table)
}

fn run_flags(flags: &Flags) -> Result<(), Failure> {
    if flags.verb == Some(Verb::Config { example: true }) {
        say(Settings::EXAMPLE);
        return Ok(());
    }
    let file = settings_file(flags);
    let resolved = resolve(flags)
        .map_err(|error| Failure::new(USAGE, format!("{error}\n  try: tracker config --example")))?;
    if let Some(Verb::Config { .. }) = flags.verb {
        say(&describe(&resolved, &file)?);
        return Ok(());
    }
    if let Some(Verb::Backup { file }) = &flags.verb {
        return archive::backup(&flags.dir, file);
    }
    if let Some(Verb::Export { .. }) = &flags.verb {
        return archive::export(&flags.dir);
    }
    let mut config = resolved.settings.config().map_err(|error| Failure::new(USAGE, error.to_string()))?;
    std::fs::create_dir_all(&flags.dir).map_err(|error| {
        Failure::new(CANNOT_WRITE, format!("Cannot make the folder {}: {error}", flags.dir.display()))
    })?;
    config.store = Some(StoreConfig { dir: flags.dir.clone(), sync: resolved.settings.sync });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(UNEXPECTED, format!("Cannot start: {error}")))?;
    let read = || resolve(flags).map(|resolved| resolved.settings).map_err(|error| error.to_string());
    let ended = runtime.block_on(serve(config, &resolved.settings, &flags.dir, read));
    // A thread that still waits for a line of input must not hold the program.
    runtime.shutdown_background();
    ended
}

async fn serve(
    config: TrackerConfig,
    settings: &Settings,
    dir: &Path,
    read: impl Fn() -> Result<Settings, String>,
) -> Result<(), Failure> {
    let message_log = config.registry.message_log;
    let log = dir.join("tracker.log");
    let guard = start_log(settings, &log)?;
    let tracker = Tracker::start(config).await.map_err(|error| start_failure(&error))?;
    say(&banner(tracker.local_addr(), tracker.http_addr(), &log, message_log));
    let shutdown = Shutdown::new();
    runtime::service::notify("READY=1");
    tokio::select! {
        _ = runtime::shutdown::signal() => {}
        () = shutdown.requested() => {}
        () = console::run(&tracker, &shutdown) => {}
        () = reload::on_hangup(&tracker, settings, &guard, read) => {}
    }
    runtime::service::notify("STOPPING=1");
    let online = tracker.online();
    tracker.stop().await;
    tracing::info!("stopped; {online} {} told", if online == 1 { "peer was" } else { "peers were" });
    drop(guard);
    Ok(())
}

/// A log file that cannot be written is no reason not to serve: then there is the console alone.
fn start_log(settings: &Settings, log: &Path) -> Result<Guard, Failure> {
    let telemetry = |file| Telemetry {
        console: Some(Console::Stdout),
        console_filter: settings.log.clone(),
        file,
        file_filter: settings.log.clone(),
        rotation: settings.rotation(),
    };
    if let Err(error) = std::fs::OpenOptions::new().create(true).append(true).open(log) {
        complain(&format!("Cannot write to {}: {error}. What happens is shown here only", log.display()));
        return runtime::telemetry::init(&telemetry(None))
            .map_err(|error| Failure::new(CANNOT_WRITE, error.to_string()));
    }
    runtime::telemetry::init(&telemetry(Some(log.to_owned())))
        .map_err(|error| Failure::new(CANNOT_WRITE, format!("{error}\n  try: tracker --dir ANOTHER_FOLDER")))
}

fn start_failure(error: &StartError) -> Failure {
    match error {
        StartError::Listen { address, source } => listen_failure(*address, source),
        StartError::Doors { address, source } => doors_failure(*address, source),
        StartError::Store(error) => {
            let code = if matches!(error, StoreError::InUse { .. }) { ALREADY_RUNNING } else { CANNOT_WRITE };
            Failure::new(code, format!("{error}.\n  {}", error.advice()))
        }
    }
}

fn listen_failure(address: SocketAddr, source: &std::io::Error) -> Failure {
    match source.kind() {
        std::io::ErrorKind::AddrInUse => {
            let by = occupant::of_port(address.port()).map(|by| format!(" by {by}")).unwrap_or_default();
            let port = address.port();
            let next = port.checked_add(1).unwrap_or(DEFAULT_PORT);
            Failure::new(
                ALREADY_RUNNING,
                format!(
                    "Port {port} is in use{by}. It may already be running.\n  try: tracker --port {next}"
                ),
            )
        }
        std::io::ErrorKind::PermissionDenied => Failure::new(
            REFUSED,
            format!("Port {} needs special rights.\n  try: tracker --port {DEFAULT_PORT}", address.port()),
        ),
        std::io::ErrorKind::AddrNotAvailable => Failure::new(
            USAGE,
            format!(
                "{} is not an address of this machine.\n  try: tracker --listen :{}",
                address.ip(),
                address.port()
            ),
        ),
        _ => Failure::new(UNEXPECTED, format!("Cannot listen on {address}: {source}")),
    }
}

fn doors_failure(address: SocketAddr, source: &std::io::Error) -> Failure {
    let (code, what) = match source.kind() {
        std::io::ErrorKind::AddrInUse => {
            let by = occupant::of_port(address.port()).map(|by| format!(" by {by}")).unwrap_or_default();
            (ALREADY_RUNNING, format!("Port {} for BitTorrent clients is in use{by}.", address.port()))
        }
        std::io::ErrorKind::PermissionDenied => {
            (REFUSED, format!("Port {} for BitTorrent clients needs special rights.", address.port()))
        }
        _ => (UNEXPECTED, format!("Cannot listen for BitTorrent clients on {address}: {source}.")),
    };
    Failure::new(code, format!("{what}\n  try: tracker --http :{DEFAULT_HTTP_PORT}, or --no-http"))
}

/// What BitTorrent clients and browsers are given, at the address that is shown first.
fn clients(http: SocketAddr, first: IpAddr, token: &Path) -> String {
    let ip = if http.ip().is_unspecified() { first } else { http.ip() };
    let at = SocketAddr::new(ip, http.port());
    format!(
        "  BitTorrent  http://{at}/announce   udp://{at}/announce\n  \
         page        http://{at}/   its operator's token is in {}",
        token.display()
    )
}

fn banner(bound: SocketAddr, http: Option<SocketAddr>, log: &Path, message_log: MessageLog) -> String {
    let reachable = runtime::net::reachable(bound.ip());
    let port = bound.port();
    let addresses: Vec<String> = reachable
        .iter()
        .map(|interface| {
            let address = SocketAddr::new(interface.ip, port);
            let name =
                if is_plain(&interface.name) { String::new() } else { format!(" ({})", interface.name) };
            format!("{address}{name}")
        })
        .collect();
    let join = reachable.first().map_or_else(
        || bound.to_string(),
        |interface| match port {
            DEFAULT_PORT => interface.ip.to_string(),
            port => SocketAddr::new(interface.ip, port).to_string(),
        },
    );
    let kept = match message_log {
        MessageLog::Full => "message text is logged (change: --log-messages meta)",
        MessageLog::Meta => "of messages, who and how long is logged",
        MessageLog::Off => "messages are not logged",
    };
    let clients = http.map_or_else(
        || "  BitTorrent  no doors for other clients (--no-http)".to_owned(),
        |http| {
            let first = reachable.first().map_or(bound.ip(), |interface| interface.ip);
            clients(http, first, &log.with_file_name(crate::web::TOKEN_FILE))
        },
    );
    format!(
        "tracker {} - LAN/VPN swarm\n  peers       {}\n  join        others join with: peer --tracker {join}\n\
         {clients}\n  log         {}   {kept}\nWaiting for peers. Type help; Ctrl-C stops.",
        env!("CARGO_PKG_VERSION"),
        addresses.join("   "),
        log.display(),
    )
}

/// Whether an interface is one of the machine's ordinary ones, whose name tells nothing.
fn is_plain(name: &str) -> bool {
    name.is_empty() || ["eth", "en", "wl", "lo"].iter().any(|prefix| name.starts_with(prefix))
}

fn describe(resolved: &settings::Resolved<Settings>, file: &Path) -> Result<String, Failure> {
    let table = Table::try_from(&resolved.settings)
        .map_err(|error| Failure::new(UNEXPECTED, format!("the settings cannot be shown: {error}")))?;
    let mut text = format!("# file: {}\n", file.display());
    for key in Settings::KEYS {
        let Some(value) = table.get(key) else { continue };
        let origin = resolved.origins.get(key).copied().unwrap_or(settings::Origin::Default);
        let setting = format!("{key} = {value}");
        text = format!("{text}{setting:<40} # {origin}\n");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_says_how_others_join() {
        let shown = banner(
            "127.0.0.1:5000".parse().unwrap(),
            "0.0.0.0:6969".parse().ok(),
            Path::new("./tracker.log"),
            MessageLog::Full,
        );
        assert!(shown.contains("peer --tracker 127.0.0.1\n"), "{shown}");
        let shown =
            banner("127.0.0.1:7000".parse().unwrap(), None, Path::new("./tracker.log"), MessageLog::Off);
        assert!(shown.contains("peer --tracker 127.0.0.1:7000\n"), "{shown}");
    }

    #[test]
    fn flags_are_well_formed() {
        use clap::CommandFactory as _;
        Flags::command().debug_assert();
    }
}
