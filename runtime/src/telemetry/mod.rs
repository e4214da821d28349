//! Logging, set up once per program: lines for people on the console, JSON lines in a file.
//!
//! Events of the target [`AUDIT`] are what a tracker's console is for: their message is a finished
//! row and is shown as it is, after the time. All other events show their level, message and
//! fields. Whatever is shown passes [`shared::display::escape`] here, once more, so that no text
//! from outside can steer a terminal. A program that owns its screen (the peer's prompt) takes no
//! console and only the file.

mod console;
mod rotating;
mod sink;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tracing_subscriber::filter::{EnvFilter, ParseError};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, reload};

use self::console::ConsoleFormat;
pub use self::rotating::Rotation;
use self::rotating::{Rotating, Wishes};
use self::sink::{Sink, WhenFull};

/// The target of events that an operator wants to see: who came, shared, fetched, said, went.
pub const AUDIT: &str = "audit";

/// Which stream is the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Console {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// What is logged where.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// Where people read along, if they do.
    pub console: Option<Console>,
    /// What the console shows, such as `info` or `warn,audit=info`.
    pub console_filter: String,
    /// Where JSON lines are appended, if anywhere.
    pub file: Option<PathBuf>,
    /// What the file gets.
    pub file_filter: String,
    /// When the file is put aside.
    pub rotation: Rotation,
}

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The file cannot be written.
    #[error("cannot write the log {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A filter cannot be read.
    #[error("{filter:?} is not a filter such as \"info\" or \"debug,engine=trace\"")]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// A thread could not be started.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] io::Error),
    /// The program set logging up before.
    #[error("logging was set up before")]
    Twice,
}

/// Keeps the writers alive; what was logged is written out when it is dropped.
#[derive(Debug)]
#[must_use = "logging ends when this is dropped"]
pub struct Guard {
    _sinks: Vec<sink::Flush>,
    filters: Vec<reload::Handle<EnvFilter, Registry>>,
    file: Option<Arc<Wishes>>,
}

impl Guard {
    /// From now on the console and the file get what this filter says.
    pub fn set_filter(&self, text: &str) -> Result<(), TelemetryError> {
        for handle in &self.filters {
            let filter = filter(text)?;
            // The handle fails only when logging is over.
            let _ = handle.reload(filter);
        }
        Ok(())
    }

    /// From now on the file is put aside so.
    pub fn set_rotation(&self, rotation: Rotation) {
        if let Some(file) = &self.file {
            file.set(rotation);
        }
    }

    /// Somebody put the file aside: the next line begins a new one under its name.
    pub fn reopen(&self) {
        if let Some(file) = &self.file {
            file.reopen();
        }
    }
}

/// Sets logging up for the whole program, panics included.
pub fn init(telemetry: &Telemetry) -> Result<Guard, TelemetryError> {
    let mut sinks = Vec::new();
    let mut layers = Vec::new();
    let mut filters = Vec::new();
    let mut wishes = None;
    if let Some(console) = telemetry.console {
        let stream: Box<dyn io::Write + Send> = match console {
            Console::Stdout => Box::new(io::stdout()),
            Console::Stderr => Box::new(io::stderr()),
        };
        // A terminal can be stopped with a key; the program must not stop with it.
        let (sink, flush) = Sink::start("console", stream, WhenFull::Drop).map_err(TelemetryError::Thread)?;
        sinks.push(flush);
        let (filter, handle) = reload::Layer::new(filter(&telemetry.console_filter)?);
        filters.push(handle);
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .event_format(ConsoleFormat)
            .with_writer(sink)
            .with_filter(filter);
        layers.push(layer.boxed());
    }
    if let Some(path) = &telemetry.file {
        let file = Wishes::new(telemetry.rotation);
        wishes = Some(Arc::clone(&file));
        let file = Rotating::open(path, file)
            .map_err(|source| TelemetryError::File { path: path.clone(), source })?;
        let (sink, flush) =
            Sink::start("log", Box::new(file), WhenFull::Wait).map_err(TelemetryError::Thread)?;
        sinks.push(flush);
        let (filter, handle) = reload::Layer::new(filter(&telemetry.file_filter)?);
        filters.push(handle);
        let layer = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .with_span_list(false)
            .with_timer(LocalTime)
            .with_writer(sink)
            .with_filter(filter);
        layers.push(layer.boxed());
    }
    Registry::default().with(layers).try_init().map_err(|_| TelemetryError::Twice)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let payload = panic.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        tracing::error!(place, "panicked: {}", text.unwrap_or("without a text"));
    }));
    Ok(Guard { _sinks: sinks, filters, file: wishes })
}

fn filter(filter: &str) -> Result<EnvFilter, TelemetryError> {
    EnvFilter::try_new(filter).map_err(|source| TelemetryError::Filter { filter: filter.to_owned(), source })
}

struct LocalTime;

impl FormatTime for LocalTime {
    fn format_time(&self, w: &mut Writer<'_>) -> std::fmt::Result {
        w.write_str(&crate::clock::timestamp())
    }
}
