//! Transmission's daemon: a settings file, and a folder that it watches for `.torrent` files.

use std::fs;
use std::process::Command;

use serde_json::json;

use super::Job;

/// The command that starts it.
pub(super) fn command(job: &Job) -> Command {
    let (settings, watched) = (job.folder.join("settings"), job.folder.join("watched"));
    for folder in [&settings, &watched] {
        fs::create_dir_all(folder).expect("a folder of transmission's");
    }
    fs::copy(&job.torrent, watched.join("job.torrent")).expect("a copy of the torrent");
    let wishes = json!({
        "bind-address-ipv4": job.listen.ip().to_string(), "bind-address-ipv6": "::1",
        "peer-port": job.listen.port(), "peer-port-random-on-start": false,
        "rpc-enabled": true, "rpc-port": job.control, "rpc-bind-address": job.listen.ip().to_string(),
        "rpc-authentication-required": false, "rpc-whitelist-enabled": false,
        "dht-enabled": false, "lpd-enabled": false, "pex-enabled": true, "utp-enabled": false,
        "port-forwarding-enabled": false, "blocklist-enabled": false, "encryption": 0,
        "preallocation": 0, "download-dir": job.data.display().to_string(), "incomplete-dir-enabled": false,
        "rename-partial-files": false, "start-added-torrents": true, "trash-original-torrent-files": false,
        "watch-dir": watched.display().to_string(), "watch-dir-enabled": true,
        "download-queue-enabled": false, "seed-queue-enabled": false, "ratio-limit-enabled": false,
        "idle-seeding-limit-enabled": false, "message-level": 3,
    });
    fs::write(settings.join("settings.json"), wishes.to_string()).expect("transmission's settings");
    let mut command = Command::new("transmission-daemon");
    command.args(["--foreground", "--config-dir"]).arg(settings);
    command
}
