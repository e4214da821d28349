//! qBittorrent without a window: a profile folder, and the torrent on the command line.

use std::fs;
use std::process::Command;

use super::Job;

/// The command that starts it.
pub(super) fn command(job: &Job) -> Command {
    let profile = job.folder.join("profile");
    let settings = profile.join("qBittorrent/config");
    fs::create_dir_all(&settings).expect("a folder of qBittorrent's");
    let (ip, port) = (job.listen.ip(), job.listen.port());
    let wishes = format!(
        "[LegalNotice]\nAccepted=true\n\
         [BitTorrent]\nSession\\Port={port}\nSession\\Interface=lo\nSession\\InterfaceAddress={ip}\n\
         Session\\DHTEnabled=false\nSession\\LSDEnabled=false\nSession\\PeXEnabled=true\n\
         Session\\BTProtocol=TCP\nSession\\MultiConnectionsPerIp=true\nSession\\QueueingSystemEnabled=false\n\
         Session\\DefaultSavePath={data}\nSession\\DisableAutoTMMByDefault=true\n\
         [Network]\nPortForwardingEnabled=false\n\
         [Preferences]\nWebUI\\Address={ip}\nWebUI\\Port={control}\nWebUI\\LocalHostAuth=false\n\
         WebUI\\UseUPnP=false\nGeneral\\Locale=en\nAdvanced\\RecheckOnCompletion=false\n",
        data = job.data.display(),
        control = job.control,
    );
    fs::write(settings.join("qBittorrent.conf"), wishes).expect("qBittorrent's settings");
    let mut command = Command::new("qbittorrent-nox");
    command.arg(format!("--profile={}", profile.display()));
    command.arg(format!("--webui-port={}", job.control));
    command.arg(format!("--save-path={}", job.data.display()));
    command.args(["--skip-dialog=true", "--add-paused=false"]).arg(&job.torrent);
    command
}
