//! What was measured, as Markdown.

use std::fmt::Write as _;

use benches::figures::whole;

use crate::cases::{Row, Way};
use crate::load::Shape;
use crate::servers::{Folders, Program};

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
                    whole(row.seen.rate),
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
