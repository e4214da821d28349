//! What was measured, as Markdown.

use std::fmt::Write as _;
use std::fs;

use crate::cases::{Row, Way};
use crate::load::Shape;
use crate::servers::{Folders, Program};

/// The machine in one line.
pub(crate) fn machine() -> String {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let name = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or("")
        .trim_matches([':', '\t', ' ']);
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let memory = read("/proc/meminfo");
    let kilobytes: u64 = memory.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or(0);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{cores} cores of {name}, {} GiB, Linux {}", kilobytes / 1_048_576, kernel.trim())
}

/// `1,234,567`.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn rate(rows: &[Row], program: Program, shape: Shape, way: Way) -> Option<f64> {
    let row = rows.iter().find(|row| (row.program, row.shape, row.way) == (program, shape, way))?;
    Some(row.seen.rate)
}

/// A table of rates: servers by cases.
pub(crate) fn rates(rows: &[Row], programs: &[Program], cases: &[(Shape, Way, &str)]) -> String {
    let mut text = String::from("| announces/s |");
    for (_, _, title) in cases {
        let _ = write!(text, " {title} |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---:|".repeat(cases.len()));
    text.push('\n');
    for program in programs {
        if !rows.iter().any(|row| row.program == *program) {
            continue;
        }
        let _ = write!(text, "| {} |", program.name());
        for (shape, way, _) in cases {
            let row = rows.iter().find(|row| (row.program, row.shape, row.way) == (*program, *shape, *way));
            let _ = match row {
                Some(row) => write!(
                    text,
                    " {} (p99 {:.1} ms) |",
                    thousands(row.seen.rate),
                    row.seen.p99.as_secs_f64() * 1_000.0
                ),
                None => write!(text, " - |"),
            };
        }
        text.push('\n');
    }
    text
}

/// Ours beside the best of others, and beside the bare server.
pub(crate) fn ratios(rows: &[Row], cases: &[(Shape, Way, &str)]) -> String {
    let mut text = String::new();
    for (shape, way, title) in cases {
        let Some(ours) = rate(rows, Program::Ours, *shape, *way) else { continue };
        let others = rows.iter().filter(|row| (row.shape, row.way) == (*shape, *way));
        let others = others.filter(|row| !matches!(row.program, Program::Ours | Program::Ceiling));
        let _ = write!(text, "* {title}:");
        if let Some(best) = others.max_by(|a, b| a.seen.rate.total_cmp(&b.seen.rate)) {
            let _ = write!(text, " {:.2} of {}", ours / best.seen.rate, best.program.name());
        }
        if let Some(bare) = rate(rows, Program::Ceiling, *shape, *way) {
            let _ = write!(text, ", {:.2} of the bare server", ours / bare);
        }
        text.push('\n');
    }
    text
}

/// Which versions were measured.
pub(crate) fn versions(programs: &[Program], folders: &Folders) -> String {
    let mut text = String::new();
    // One package serves both HTTP and UDP.
    for program in programs.iter().filter(|program| **program != Program::NodeUdp) {
        match program.place(folders) {
            Some(_) => {
                let _ = writeln!(text, "* {}: {}", program.name(), program.version(folders));
            }
            None => {
                let _ = writeln!(text, "* {}: not installed here, left out", program.name());
            }
        }
    }
    text
}
