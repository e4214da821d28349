//! What the program `peer` does from its first to its last moment: arguments, one verb or the prompt, exit code.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser as _;
use runtime::Shutdown;
use runtime::telemetry::{self, Telemetry};

use crate::app::App;
use crate::cli::Cli;
use crate::failure::{Exit, Failure};
use crate::settings::{self, Settings};
use crate::terminal::Screen;
use crate::verb::{self, Needs, Offer, Said, Verb};
use crate::{demo, local, options, repl, web, words};

/// How long a clean end may take before the program ends anyway.
const FAREWELL: Duration = Duration::from_secs(2);

/// Runs the program.
pub fn main() -> ExitCode {
    let mut arguments: Vec<String> =
        std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    // The tracker as a library, for `demo`: a peer alone is enough to try everything.
    if arguments.get(1).is_some_and(|word| word == "tracker") {
        arguments.remove(0);
        return tracker::cli::run(arguments.into_iter().map(Into::into));
    }
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => {
            error.print().ok();
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            let screen = Screen::start(arguments.iter().any(|word| word == "--json"), false);
            screen.failure(&options::refused(&error));
            return ExitCode::from(Exit::Usage.code());
        }
    };
    let screen = Screen::start(cli.json, false);
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(threads()).enable_all().build();
    let exit = match built {
        Ok(runtime) => {
            let exit = runtime.block_on(run(cli, screen.clone()));
            runtime.shutdown_timeout(Duration::from_millis(100));
            exit
        }
        Err(error) => {
            Err(Failure::new(Exit::Unexpected, "runtime", format!("No threads can be started: {error}."))
                .advise("close other programs"))
        }
    };
    let code = match exit {
        Ok(code) => code,
        Err(failure) => {
            screen.failure(&failure);
            failure.exit.code()
        }
    };
    screen.restore();
    ExitCode::from(code)
}

/// Threads for all that waits for the network: half of the cores, as the engine's own threads read, write and hash
/// beside them. With one for every core a block is handed from one cache to another more often than it gains.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

async fn run(cli: Cli, screen: Screen) -> Result<u8, Failure> {
    let stop = Shutdown::new();
    drop(runtime::spawn("signals", watch_signals(stop.clone(), screen.clone())));
    if cli.words.first().is_some_and(|word| word == "demo") {
        return demo::run(cli.words.get(1).map(Path::new), &screen, &stop).await.map(|()| 0);
    }
    let settings = read_settings(&cli)?;
    let Some(word) = cli.words.first() else {
        return prompt(settings, screen, stop, cli.web).await;
    };
    let verb = verb::find(word).ok_or_else(|| {
        let rest: Vec<String> = cli.words.iter().skip(1).map(|word| words::quote(word)).collect();
        verb::unknown("", word, &rest.join(" "))
    })?;
    let said = said(&cli, verb);
    if verb.name() == "help" {
        for line in verb::help_on(cli.words.get(1).map(String::as_str))? {
            screen.say(&line);
        }
        return Ok(0);
    }
    if cli.web.is_some() {
        let text = "--web is for the prompt, which stays; a verb of another terminal shows there too.";
        return Err(Failure::new(Exit::Usage, "web", text).advise("peer --web"));
    }
    if verb.needs == Needs::Nothing {
        return one_shot(verb, &said, settings, screen, stop).await.map(|()| 0);
    }
    match local::call(&settings.dir, &as_typed(&cli, verb), &screen, &stop).await? {
        local::Called::Ended(code) => Ok(code),
        local::Called::NobodyThere => one_shot(verb, &said, settings, screen, stop).await.map(|()| 0),
    }
}

fn read_settings(cli: &Cli) -> Result<Settings, Failure> {
    let bad = |text: String| Failure::new(Exit::Usage, "settings", text).advise("peer --help");
    if !cli.dir.is_dir() {
        let shown = shared::display::fit(&cli.dir.display().to_string(), 80);
        return Err(Failure::new(Exit::NotFound, "no_folder", format!("There is no folder {shown}."))
            .advise(format!("mkdir {shown}")));
    }
    let mut settings = settings::read(&cli.dir, &cli.written())
        .map_err(|error| bad(format!("{}.", shared::display::escape(&error.to_string()))))?;
    if let Some(into) = &cli.options.into {
        settings.into = Some(into.clone());
    }
    if let Err(fault) = shared::control::check_nick(&settings.nick) {
        return Err(bad(format!(
            "The nick \"{}\" cannot be used: {fault}.",
            shared::display::fit(&settings.nick, 40)
        )));
    }
    Ok(settings)
}

fn said(cli: &Cli, verb: &Verb) -> Said {
    let words: Vec<String> = cli.words.iter().skip(1).cloned().collect();
    let text = if verb.takes_text { text_of(&words, verb.name() == "message") } else { words.join(" ") };
    Said { words, text, options: cli.options.clone() }
}

/// The words of a text as one line; a nick with spaces is put into quotes again.
fn text_of(words: &[String], nick_first: bool) -> String {
    match words.split_first() {
        Some((nick, rest)) if nick_first => format!("{} {}", words::quote(nick), rest.join(" ")),
        _ => words.join(" "),
    }
}

/// The command line as somebody would have typed it at the prompt.
fn as_typed(cli: &Cli, verb: &Verb) -> String {
    let said = cli.words.get(1..).unwrap_or_default();
    let mut line = vec![verb.name().to_owned()];
    if verb.takes_text {
        line.push(text_of(said, verb.name() == "message"));
    } else {
        line.extend(said.iter().map(|word| words::quote(&as_named_from_anywhere(word, verb))));
        // What is written goes where the caller stands.
        if verb.name() == "export" && said.len() == 1 {
            line.push(words::quote(&std::path::absolute(".").unwrap_or_default().to_string_lossy()));
        }
        line.extend(cli.options.as_words());
    }
    line.join(" ")
}

/// A path is named in full: the running peer may have another working folder.
fn as_named_from_anywhere(word: &str, verb: &Verb) -> String {
    let path = Path::new(word);
    let torrent = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("torrent"));
    let is_path = verb.offer == Offer::Paths || (torrent && (path.is_file() || verb.name() == "export"));
    match std::path::absolute(path) {
        Ok(whole) if is_path && !word.is_empty() => whole.to_string_lossy().into_owned(),
        _ => word.to_owned(),
    }
}

async fn prompt(
    settings: Settings,
    screen: Screen,
    stop: Shutdown,
    page: Option<SocketAddr>,
) -> Result<u8, Failure> {
    let _log = log(&settings.dir);
    let app = App::start(settings, screen, stop.clone(), true, Needs::Both).await?;
    open_door(&app, &stop).await;
    if let Some(address) = page
        && let Err(failure) = web::open(&app.context, address, &stop).await
    {
        stop.request();
        farewell(app).await;
        return Err(failure);
    }
    fulfil_wishes(&app);
    let exit = repl::run(&app).await;
    stop.request();
    farewell(app).await;
    Ok(exit.code())
}

async fn one_shot(
    verb: &Verb,
    said: &Said,
    settings: Settings,
    screen: Screen,
    stop: Shutdown,
) -> Result<(), Failure> {
    // Whoever only asks leaves nothing behind in the folder.
    let needs = verb.needs(said);
    let _log = if asks_only(needs) { None } else { log(&settings.dir) };
    let app = match needs {
        Needs::Nothing => App::alone(settings, screen, stop.clone()),
        Needs::Tracker | Needs::TrackerIfThere => App::ask_only(settings, screen, stop.clone()).await?,
        _ => App::start(settings, screen, stop.clone(), false, needs).await?,
    };
    let ended = ask_and_run(verb, needs, said, &app, &stop).await;
    stop.request();
    farewell(app).await;
    ended
}

/// Whether the verb runs without a session of its own.
fn asks_only(needs: Needs) -> bool {
    matches!(needs, Needs::Tracker | Needs::TrackerIfThere | Needs::Nothing)
}

async fn ask_and_run(
    verb: &Verb,
    needs: Needs,
    said: &Said,
    app: &App,
    stop: &Shutdown,
) -> Result<(), Failure> {
    if !matches!(needs, Needs::Session | Needs::Nothing) {
        let connected = app.connected().await;
        if needs != Needs::TrackerIfThere {
            connected?;
        }
    }
    if !asks_only(needs) {
        open_door(app, stop).await;
    }
    if verb.stays || said.options.seed {
        fulfil_wishes(app);
    }
    (verb.run)(&app.context, said).await?;
    if verb.stays || said.options.seed {
        if !app.context.screen.is_json() {
            app.context.screen.say("Sharing until Ctrl-C.");
        }
        stop.requested().await;
    }
    Ok(())
}

/// A peer that stays fetches what is wanted when it appears.
fn fulfil_wishes(app: &App) {
    if let Ok(swarms) = app.context.swarms() {
        swarms.fulfil_wishes(app.context.download_folder());
    }
}

async fn open_door(app: &App, stop: &Shutdown) {
    if let Err(error) = local::open(app.context.clone(), stop.clone()).await {
        tracing::warn!(%error, "one-shot verbs cannot reach this peer");
    }
}

async fn farewell(app: App) {
    if tokio::time::timeout(FAREWELL, app.stop()).await.is_err() {
        tracing::warn!("the peer could not stop in time");
    }
}

/// The log of a peer is a file: its screen belongs to the person.
fn log(dir: &Path) -> Option<telemetry::Guard> {
    let folder = dir.join(engine::config::PRIVATE_FOLDER);
    std::fs::create_dir_all(&folder).ok()?;
    let telemetry = Telemetry {
        console: None,
        console_filter: "off".to_owned(),
        file: Some(folder.join("peer.log")),
        file_filter: std::env::var("PEER_LOG").unwrap_or_else(|_| "info".to_owned()),
        rotation: telemetry::Rotation::default(),
    };
    telemetry::init(&telemetry).ok()
}

/// The first Ctrl-C or SIGTERM asks everything to stop cleanly, the second ends the program at once.
async fn watch_signals(stop: Shutdown, screen: Screen) {
    runtime::shutdown::signal().await;
    stop.request();
    runtime::shutdown::signal().await;
    screen.restore();
    #[expect(clippy::exit, reason = "the person asked twice; state on disk is always consistent")]
    std::process::exit(Exit::Interrupted.code().into());
}
