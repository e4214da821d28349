//! aria2: everything on the command line.

use std::process::Command;

use super::Job;

/// The command that starts it.
pub(super) fn command(job: &Job) -> Command {
    let mut command = Command::new("aria2c");
    command.args(["--no-conf", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false"]);
    command.args(["--enable-peer-exchange=true", "--disable-ipv6=true", "--async-dns=false"]);
    // What lies there is checked, and taken for what it is; it goes on giving afterwards.
    command.args(["--check-integrity=true", "--allow-overwrite=true", "--auto-file-renaming=false"]);
    command.args(["--seed-ratio=0.0", "--file-allocation=none", "--disk-cache=0"]);
    command.args(["--summary-interval=5", "--console-log-level=info", "--bt-tracker-interval=2"]);
    command.arg(format!("--listen-port={}", job.listen.port()));
    command.arg(format!("--interface={}", job.listen.ip()));
    command.arg(format!("--dir={}", job.data.display()));
    command.arg(&job.torrent);
    command
}
