//! Programs of other people that the end-to-end tests talk to: other BitTorrent clients and trackers,
//! and what makes hosts and watches packets.
//!
//! As root on Debian they are installed; otherwise they are named, with what is not tested without
//! them. With `CI=true` a missing one is a failure. Packages of Python and npm go into
//! `target/foreign`, never into the system.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Need, answers, install, is_root, is_there};
use crate::step::{self, Failed};
use crate::workspace;

const NEEDS: [Need; 13] = [
    Need { program: "aria2c", package: "aria2", why: "downloads from us and seeds to us" },
    Need {
        program: "transmission-daemon",
        package: "transmission-daemon",
        why: "downloads from us and seeds to us",
    },
    Need { program: "qbittorrent-nox", package: "qbittorrent-nox", why: "downloads from us and seeds to us" },
    Need { program: "rtorrent", package: "rtorrent", why: "downloads from us and seeds to us" },
    Need { program: "opentracker", package: "opentracker", why: "a tracker that our peer announces to" },
    Need { program: "tcpdump", package: "tcpdump", why: "sees which packets leave a host" },
    Need { program: "nft", package: "nftables", why: "the address translation of a router" },
    Need { program: "ip", package: "iproute2", why: "hosts as network namespaces" },
    Need { program: "nc", package: "netcat-openbsd", why: "speaks the control protocol by hand" },
    Need { program: "faketime", package: "faketime", why: "makes the clock of a tracker jump" },
    Need { program: "chromium", package: "chromium", why: "looks at the tracker's page" },
    Need { program: "node", package: "nodejs", why: "runs npm packages" },
    Need { program: "npm", package: "npm", why: "fetches npm packages" },
];

/// Packages of npm and what for: a client and a server that are tried against our tracker and peer; what
/// steers Chromium; and what looks for obstacles to people on a page.
const NPM_PACKAGES: [(&str, &str, &str); 3] = [
    ("bittorrent-tracker", "11.2.3", "another tracker and its client"),
    ("playwright-core", "1.65.1", "steers Chromium"),
    ("axe-core", "4.14.1", "finds obstacles on a page"),
];

/// Makes Debian packages of Rust programs.
const CARGO_DEB: &str = "cargo-deb@3.8.0";

/// Where packages of Python and npm lie, so that the tests find them.
pub(super) fn folder() -> PathBuf {
    workspace::target().join("foreign")
}

/// Installs what is missing where that is allowed, and names what stays missing.
pub(super) fn check() -> Result<(), Failed> {
    let missing = || NEEDS.iter().filter(|need| !is_there(need)).collect::<Vec<_>>();
    let before = missing();
    if !before.is_empty() && is_root() {
        let packages: Vec<&str> = before.iter().map(|need| need.package).collect();
        if install(&packages).is_err() {
            // One name that this system does not know must not keep the others away.
            for package in packages {
                let _ = install(&[package]);
            }
        }
    }
    let mut lines: Vec<String> = missing().iter().map(|need| lacking(need)).collect();
    lines.extend(libtorrent().err());
    lines.extend(npm_packages().err());
    lines.extend(cargo_deb().err());
    for line in &lines {
        println!("   {line}");
    }
    if !lines.is_empty() && std::env::var("CI").is_ok_and(|ci| ci == "true") {
        return Err(Failed::new(format!("{} programs of others are missing, and CI=true", lines.len())));
    }
    Ok(())
}

/// Installs the trackers among them where that is allowed; one line for each that stays missing.
pub(super) fn trackers() -> Vec<String> {
    let theirs = || NEEDS.iter().filter(|need| matches!(need.program, "opentracker" | "node" | "npm"));
    let missing: Vec<&str> = theirs().filter(|need| !is_there(need)).map(|need| need.package).collect();
    if !missing.is_empty() && is_root() {
        let _ = install(&missing);
    }
    let mut lines: Vec<String> = theirs().filter(|need| !is_there(need)).map(lacking).collect();
    lines.extend(npm_packages().err());
    lines
}

fn lacking(need: &Need) -> String {
    let Need { program, package, why } = need;
    format!("missing: {program} ({why}); its tests are skipped\n     try: sudo apt-get install -y {package}")
}

/// Makes the Debian package. Built without optimising, which is quicker and does as well.
fn cargo_deb() -> Result<(), String> {
    let root = folder().join("cargo-deb");
    if answers(Command::new(root.join("bin/cargo-deb")).arg("--version"))
        || answers(Command::new("cargo-deb").arg("--version"))
    {
        return Ok(());
    }
    let mut install = workspace::cargo();
    install.args(["install", CARGO_DEB, "--locked", "--debug", "--quiet", "--root"]).arg(&root);
    step::run(install).map_err(|error| {
        format!(
            "missing: {CARGO_DEB} (makes the Debian package): {error}; its test is skipped\n     try: cargo install {CARGO_DEB}"
        )
    })
}

/// A Python that has libtorrent 2: one of the system, or one made in `target/foreign/python`.
fn libtorrent() -> Result<(), String> {
    let own = folder().join("python");
    let python = own.join("bin/python3");
    let candidates = [python.as_path(), Path::new("python3"), Path::new("/usr/bin/python3")];
    if candidates.iter().any(|python| has_libtorrent(python)) {
        return Ok(());
    }
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&own);
    let made = step::run(make).is_ok() && {
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "libtorrent>=2,<3"]);
        step::run(pip).is_ok()
    };
    if !made && is_root() {
        let _ = install(&["python3-libtorrent"]);
    }
    if candidates.iter().any(|python| has_libtorrent(python)) {
        return Ok(());
    }
    Err("missing: libtorrent 2 for Python (a second client of every torrent version); its tests are skipped\n     \
         try: pip install libtorrent"
        .to_owned())
}

fn has_libtorrent(python: &Path) -> bool {
    answers(
        Command::new(python)
            .args(["-c", "import libtorrent, sys; sys.exit(not libtorrent.__version__.startswith('2.'))"]),
    )
}

fn npm_packages() -> Result<(), String> {
    let folder = folder().join("npm");
    let is_here = |name: &str| folder.join("node_modules").join(name).join("package.json").exists();
    let missing: Vec<_> = NPM_PACKAGES.iter().filter(|(name, ..)| !is_here(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let wanted: Vec<String> =
        NPM_PACKAGES.iter().map(|(name, version, _)| format!("{name}@{version}")).collect();
    let failed = |error: String| {
        let what: Vec<String> = missing.iter().map(|(name, _, why)| format!("{name} ({why})")).collect();
        format!(
            "missing: of npm {}: {error}; their tests are skipped\n     try: npm install --prefix {} {}",
            what.join(", "),
            folder.display(),
            wanted.join(" ")
        )
    };
    std::fs::create_dir_all(&folder).map_err(|error| failed(error.to_string()))?;
    let mut npm = Command::new("npm");
    // No scripts: their optional packages would compile a WebRTC, or fetch browsers, that nothing here uses.
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=optional"]);
    npm.arg("--prefix").arg(&folder).args(&wanted);
    step::run(npm).map_err(|error| failed(error.to_string()))
}
