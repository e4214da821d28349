//! SIGHUP: the log is opened again, and the settings are read again. Says what holds now and what
//! needs a restart. Called by the program.

use std::io::IsTerminal as _;

use runtime::shutdown::Hangup;
use runtime::telemetry::Guard;
use toml::Table;

use crate::Tracker;
use crate::settings::Settings;

/// Waits for SIGHUP for as long as the tracker runs. `read` reads the settings as they are written.
/// Returns when the terminal that it was started in is gone: nobody wants a tracker without its window.
pub(crate) async fn on_hangup(
    tracker: &Tracker,
    begun: &Settings,
    log: &Guard,
    read: impl Fn() -> Result<Settings, String>,
) {
    let mut hangup = Hangup::catch();
    let mut held = begun.clone();
    let had_terminal = std::io::stdin().is_terminal();
    loop {
        hangup.next().await;
        if had_terminal && !std::io::stdin().is_terminal() {
            return;
        }
        log.reopen();
        let new = match read() {
            Ok(new) => new,
            Err(error) => {
                tracing::error!("the log is opened again; the settings stay as they are: {error}");
                continue;
            }
        };
        let config = match new.config() {
            Ok(config) => config,
            Err(error) => {
                tracing::error!("the log is opened again; the settings stay as they are: {error}");
                continue;
            }
        };
        if let Err(error) = log.set_filter(&new.log) {
            tracing::error!("the log is opened again; the settings stay as they are: {error}");
            continue;
        }
        log.set_rotation(new.rotation());
        tracker.hub().reconfigure(|held| {
            held.message_log = config.registry.message_log;
            held.unknown = config.registry.unknown;
            held.max_members = config.registry.max_members;
            held.max_announcers = config.registry.max_announcers;
            held.max_unlisted = config.registry.max_unlisted;
            held.max_announcers_per_address = config.registry.max_announcers_per_address;
            held.max_announced_per_address = config.registry.max_announced_per_address;
            held.requests = config.registry.requests;
            held.messages = config.registry.messages;
            held.message_bytes = config.registry.message_bytes;
        });
        let (taken, left) = changed(&held, &new);
        tell(&taken, &left);
        // What needs a restart is said at each reload until there was one.
        held = keeping(&held, &new);
    }
}

fn tell(taken: &[String], left: &[String]) {
    let taken = if taken.is_empty() { "no setting changed".to_owned() } else { taken.join(", ") };
    tracing::info!("reloaded: the log is opened again; {taken}");
    if !left.is_empty() {
        tracing::warn!("after a restart only: {}", left.join(", "));
    }
}

/// The settings that hold now and those that do not, as `name = value`.
fn changed(before: &Settings, now: &Settings) -> (Vec<String>, Vec<String>) {
    let (before, now) = (table(before), table(now));
    let differ = Settings::KEYS.into_iter().filter(|key| before.get(*key) != now.get(*key));
    let (taken, left): (Vec<&str>, Vec<&str>) = differ.partition(|key| Settings::RELOADED.contains(key));
    let written = |keys: Vec<&str>| {
        let written = keys.into_iter().filter_map(|key| Some(format!("{key} = {}", now.get(key)?)));
        written.collect()
    };
    (written(taken), written(left))
}

/// What holds of `now` after a reload.
fn keeping(before: &Settings, now: &Settings) -> Settings {
    let (mut held, now) = (table(before), table(now));
    for key in Settings::RELOADED {
        if let Some(value) = now.get(key) {
            held.insert(key.to_owned(), value.clone());
        }
    }
    held.try_into().unwrap_or_else(|_| before.clone())
}

fn table(settings: &Settings) -> Table {
    Table::try_from(settings).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_taken_over_is_said_until_the_restart() {
        let before = Settings::default();
        let now = Settings {
            log: "debug".to_owned(),
            listen: ":7000".to_owned(),
            max_peers: 5,
            ..Settings::default()
        };
        let (taken, left) = changed(&before, &now);
        assert_eq!(taken, ["log = \"debug\"", "max_peers = 5"]);
        assert_eq!(left, ["listen = \":7000\""]);
        let held = keeping(&before, &now);
        assert_eq!((held.log.as_str(), held.max_peers, &held.listen), ("debug", 5, &before.listen));
        assert_eq!(changed(&held, &now), (Vec::new(), left));
    }
}
