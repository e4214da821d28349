//! How an event looks on the console: `10:31:02 CONNECT  ana ...` or `10:31:02 warn  text key=value`.

use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::AUDIT;

/// The console's form.
pub(super) struct ConsoleFormat;

impl<S, N> FormatEvent<S, N> for ConsoleFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut row = Row::default();
        event.record(&mut row);
        let text = if event.metadata().target() == AUDIT {
            row.message
        } else {
            format!("{}{}{}", level(*event.metadata().level()), row.message, row.fields)
        };
        writeln!(writer, "{} {}", crate::clock::time_of_day(), shared::display::escape(&text))
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error  ",
        Level::WARN => "warn   ",
        Level::INFO => "",
        Level::DEBUG => "debug  ",
        Level::TRACE => "trace  ",
    }
}

#[derive(Default)]
struct Row {
    message: String,
    fields: String,
}

impl Visit for Row {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing into a `String` cannot fail.
        let _ = if field.name() == "message" {
            write!(self.message, "{value:?}")
        } else {
            write!(self.fields, "  {}={value:?}", field.name())
        };
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Memory {
        type Writer = Self;
        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn audit_rows_are_shown_alone_and_nothing_steers_the_terminal() {
        let memory = Memory::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .event_format(ConsoleFormat)
            .with_writer(memory.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(target: "audit", action = "CONNECT", nick = "ana", "CONNECT     ana");
            tracing::warn!(nick = "\u{1b}[31meva\u{202e}", "odd {}", "name\u{9b}1m\nfaked");
        });
        let shown = String::from_utf8(memory.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 2, "{shown}");
        assert_eq!(lines[0].split_at(9).1, "CONNECT     ana");
        assert!(lines[1].contains("warn   odd name"), "{shown}");
        assert!(!shown.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{shown:?}");
    }
}
