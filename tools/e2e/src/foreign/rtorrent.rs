//! rTorrent as a daemon: a file of commands that it carries out at its start.

use std::fs;
use std::process::Command;

use super::Job;

/// The command that starts it.
pub(super) fn command(job: &Job) -> Command {
    let session = job.folder.join("session");
    fs::create_dir_all(&session).expect("a folder of rTorrent's");
    let wishes = format!(
        "network.bind_address.set = {ip}\n\
         network.local_address.set = {ip}\n\
         network.port_range.set = {port}-{port}\n\
         network.port_random.set = no\n\
         dht.mode.set = disable\n\
         protocol.pex.set = yes\n\
         trackers.use_udp.set = yes\n\
         session.path.set = \"{session}\"\n\
         directory.default.set = \"{data}\"\n\
         system.daemon.set = true\n\
         load.start = \"{torrent}\"\n",
        ip = job.listen.ip(),
        port = job.listen.port(),
        session = session.display(),
        data = job.data.display(),
        torrent = job.torrent.display(),
    );
    let settings = job.folder.join("rtorrent.rc");
    fs::write(&settings, wishes).expect("rTorrent's settings");
    let mut command = Command::new("rtorrent");
    command.arg("-n").arg("-o").arg(format!("import={}", settings.display()));
    command
}
