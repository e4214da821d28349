//! Where the project lies and what cargo says about its crates.
//!
//! Read only: it starts `cargo metadata` and never changes anything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::step::Failed;

/// The folder of the top-level Cargo.toml.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The folder of everything that is built or fetched.
pub(crate) fn target() -> PathBuf {
    let own = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    own.map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// A cargo of the toolchain that runs us, standing in the project's folder.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// What one member of the workspace leans on, development-only dependencies left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Leans {
    /// Members of this workspace.
    pub(crate) ours: BTreeSet<String>,
    /// Packages from outside.
    pub(crate) foreign: BTreeSet<String>,
    /// Does it lie under `tools/`?
    pub(crate) is_tool: bool,
}

/// Every member by its name.
pub(crate) fn members() -> Result<BTreeMap<String, Leans>, Failed> {
    let mut command = cargo();
    command.args(["metadata", "--format-version=1", "--no-deps"]);
    let output = command.output().map_err(|error| Failed::new(format!("cargo metadata: {error}")))?;
    if !output.status.success() {
        return Err(Failed::new(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr))));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| Failed::new(format!("cargo metadata gave no JSON: {error}")))?;
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    let names: BTreeSet<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    Ok(packages.iter().filter_map(|package| member(package, &names)).collect())
}

fn member(package: &Value, names: &BTreeSet<&str>) -> Option<(String, Leans)> {
    let name = package["name"].as_str()?;
    let manifest = Path::new(package["manifest_path"].as_str()?);
    let mut leans = Leans { is_tool: manifest.starts_with(root().join("tools")), ..Leans::default() };
    for dependency in package["dependencies"].as_array()? {
        if dependency["kind"].as_str() == Some("dev") {
            continue;
        }
        let on = dependency["name"].as_str()?;
        let set = if names.contains(on) { &mut leans.ours } else { &mut leans.foreign };
        set.insert(on.to_owned());
    }
    Some((name.to_owned(), leans))
}
