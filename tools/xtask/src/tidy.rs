//! `cargo xtask tidy`: the promises about the source that no compiler checks.
//!
//! It reads ARCHITECTURE.md, docs/beps.md, `cargo metadata` and every `.rs` file, and changes none of them. All
//! findings are shown at once, each with its place.

mod arrows;
mod beps;
mod left_out;
mod source;

use std::path::{Path, PathBuf};

use crate::step::Failed;
use crate::workspace;

/// Runs every check.
pub(crate) fn run(_: &[String]) -> Result<(), Failed> {
    let root = workspace::root();
    let mut findings = arrows::check(&read(&root.join("ARCHITECTURE.md"))?, &workspace::members()?);
    findings.extend(beps::check(&read(&root.join("docs/beps.md"))?, |path| read(&root.join(path)).ok()));
    let mut files = Vec::new();
    walk(&root, &mut files)?;
    files.sort();
    for path in &mut files {
        let text = read(path)?;
        *path = path.strip_prefix(&root).unwrap_or(path).to_owned();
        findings.extend(source::check(path, &text));
    }
    findings.extend(left_out::check(&files, |path| read(&root.join(path)).ok()));
    for finding in &findings {
        println!("   {finding}");
    }
    if findings.is_empty() {
        println!("   {} files and all arrows are in order", files.len());
        Ok(())
    } else {
        Err(Failed::new(format!("{} findings", findings.len())))
    }
}

fn read(path: &Path) -> Result<String, Failed> {
    std::fs::read_to_string(path).map_err(|error| Failed::new(format!("{}: {error}", path.display())))
}

/// Every `.rs` file below a folder, build output and hidden folders left out.
fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failed> {
    let failed = |error| Failed::new(format!("{}: {error}", folder.display()));
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && !name.starts_with("target") {
                walk(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
