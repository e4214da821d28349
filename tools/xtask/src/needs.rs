//! What a machine must have before the tests can run: named when missing, installed where that is
//! one command and we are allowed to.
//!
//! It never touches the Rust toolchain: that is the one thing a person brings.

mod foreign;

use std::process::{Command, Stdio};

use crate::step::{self, Failed};

/// A program that the tests start, and the Debian package that holds it.
struct Need {
    program: &'static str,
    package: &'static str,
    why: &'static str,
}

const NEEDS: [Need; 2] = [
    Need { program: "cc", package: "gcc", why: "links every Rust program" },
    Need { program: "python3", package: "python3", why: "runs the client of docs/protocol.md" },
];

/// Checks everything; installs by apt-get as root on Debian, otherwise says what to install.
pub(crate) fn check() -> Result<(), Failed> {
    for component in [["fmt", "--version"], ["clippy", "--version"]] {
        if !answers(crate::workspace::cargo().args(component)) {
            let name = if component[0] == "fmt" { "rustfmt" } else { "clippy" };
            return Err(Failed::new(format!(
                "cargo {} is missing\n  try: rustup component add {name}",
                component[0]
            )));
        }
    }
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !is_there(need)).collect();
    for need in &missing {
        println!("   missing: {} ({})", need.program, need.why);
    }
    if !missing.is_empty() {
        let packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
        install(&packages)?;
    }
    foreign::check()?;
    println!("   what the machine needs has been looked at");
    Ok(())
}

/// Trackers of others for those who measure ours; what stays missing is named and left out.
pub(crate) fn foreign_trackers() {
    for line in foreign::trackers() {
        println!("   {line}");
    }
}

/// Installs Debian packages when that can work without asking; otherwise fails with the command to type.
pub(crate) fn install(packages: &[&str]) -> Result<(), Failed> {
    let by_hand = format!("install: {}", packages.join(" "));
    if !is_root() || !answers(Command::new("apt-get").arg("--version")) {
        return Err(Failed::new(format!("{by_hand}\n  try: sudo apt-get install -y {}", packages.join(" "))));
    }
    let mut update = Command::new("apt-get");
    update.args(["update", "-qq"]);
    step::run(update)?;
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command.args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages);
    step::run(command)
}

/// Is there a file of that name where programs lie? Not all programs end well when asked for their version.
fn is_there(need: &Need) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(system).any(|folder| folder.join(need.program).is_file())
}

/// Does this command start and end well?
pub(crate) fn answers(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
