//! One step of a chore: announced, timed, and its own output shown as it comes.
//!
//! A step never hides what the program inside it prints, so the closing lines of the test runners
//! reach the reader as they are.

use std::fmt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Why a chore did not succeed, as one or two lines for the person.
#[derive(Debug)]
pub(crate) struct Failed(String);

impl Failed {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A name and what to do; see [`run_all`].
pub(crate) struct Step {
    name: &'static str,
    action: Box<dyn FnOnce() -> Result<(), Failed>>,
}

impl Step {
    /// A step that is done in this program.
    pub(crate) fn new(name: &'static str, action: impl FnOnce() -> Result<(), Failed> + 'static) -> Self {
        Self { name, action: Box::new(action) }
    }

    /// A step that is another program.
    pub(crate) fn command(name: &'static str, command: Command) -> Self {
        Self::new(name, move || run(command))
    }
}

/// Runs a program with our own output and an empty input; fails unless it says success.
pub(crate) fn run(mut command: Command) -> Result<(), Failed> {
    println!("   $ {}", line(&command));
    command.stdin(Stdio::null());
    let status = command.status().map_err(|error| Failed::new(format!("{}: {error}", line(&command))))?;
    if status.success() { Ok(()) } else { Err(Failed::new(format!("{}: {status}", line(&command)))) }
}

/// The command as a person would type it.
fn line(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut words = vec![program.file_name().unwrap_or_default().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}

/// Runs the steps in order, stops at the first that fails, and closes with a table of times.
pub(crate) fn run_all(steps: Vec<Step>) -> Result<(), Failed> {
    let total = steps.len();
    let begun = Instant::now();
    let mut table: Vec<(&'static str, Option<Duration>, &'static str)> = Vec::new();
    let mut outcome = Ok(());
    for (number, step) in steps.into_iter().enumerate() {
        if outcome.is_err() {
            table.push((step.name, None, "not run"));
            continue;
        }
        println!("\n==> [{}/{total}] {}", number + 1, step.name);
        let at = Instant::now();
        let result = (step.action)();
        let took = at.elapsed();
        table.push((step.name, Some(took), if result.is_ok() { "ok" } else { "FAILED" }));
        println!("<== {} {} in {:.1} s", step.name, table.last().map_or("", |row| row.2), took.as_secs_f64());
        outcome = result.map_err(|failed| Failed::new(format!("step \"{}\" failed: {failed}", step.name)));
    }
    println!();
    for (name, took, verdict) in table {
        let took = took.map_or_else(|| "-".to_owned(), |took| format!("{:.1} s", took.as_secs_f64()));
        println!("  {name:<28} {took:>10}  {verdict}");
    }
    println!("  {:<28} {:>10}", "in all", format!("{:.1} s", begun.elapsed().as_secs_f64()));
    outcome
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn stops_at_the_first_step_that_fails_and_names_it() {
        let ran = Arc::new(AtomicU32::new(0));
        let count = |name, fail| {
            let ran = Arc::clone(&ran);
            Step::new(name, move || {
                ran.fetch_add(1, Ordering::Relaxed);
                if fail { Err(Failed::new("no")) } else { Ok(()) }
            })
        };
        let failed = run_all(vec![count("one", false), count("two", true), count("three", false)]);
        assert_eq!(ran.load(Ordering::Relaxed), 2);
        assert_eq!(failed.unwrap_err().to_string(), "step \"two\" failed: no");
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let failed = run(Command::new("no-such-program-here")).unwrap_err();
        assert!(failed.to_string().starts_with("no-such-program-here: "), "{failed}");
    }
}
