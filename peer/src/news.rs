//! What happens while nobody asked: alerts of the engine and pushes of the tracker, as lines for the
//! person or for programs.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use engine::{Alert, Session, TorrentStatus};
use serde_json::json;
use shared::InfoHash;
use shared::control::{Away, Entry, Push, RoomChange, Welcome};
use shared::display::{Size, escape, fit};
use tokio::sync::mpsc;

use crate::app::FIRST_CONTACT;
use crate::chat::Chat;
use crate::link::TrackerLink;
use crate::swarms::wishes::{Unfit, Wish};
use crate::swarms::{News, Swarms};
use crate::terminal::Screen;
use crate::verb::{download, torrent_json};

/// Messages that are remembered so that none is shown twice: more than a tracker gives to one who comes back.
const MAX_TOLD: usize = 1_000;

/// Shows news until there is none any more.
pub async fn show(
    mut news: mpsc::Receiver<News>,
    session: Session,
    swarms: Swarms,
    (link, chat): (TrackerLink, Chat),
    screen: Screen,
    at_prompt: bool,
) {
    let (begun, told) = (Instant::now(), VecDeque::new());
    let mut teller = Teller {
        session,
        swarms,
        link,
        chat,
        screen,
        at_prompt,
        lost: false,
        begun,
        told,
        motd: None,
        hinted: false,
    };
    while let Some(one) = news.recv().await {
        teller.tell(one);
    }
}

struct Teller {
    session: Session,
    swarms: Swarms,
    link: TrackerLink,
    chat: Chat,
    screen: Screen,
    at_prompt: bool,
    lost: bool,
    begun: Instant,
    /// The last messages, by id, sender and time: a tracker that was killed before it knew that we have
    /// one says it again.
    told: VecDeque<(u64, String, u64)>,
    /// What the operator told those who come, as it was shown last.
    motd: Option<String>,
    /// It was said how one answers.
    hinted: bool,
}

impl Teller {
    fn tell(&mut self, news: News) {
        match news {
            News::Alert { alert, nick } => self.alert(&alert, nick),
            News::Push(push) if self.is_known(&push) => {}
            News::Push(push) => self.push(&push),
            News::Fetching { wish, entry } => self.fetching(&wish, &entry),
            News::NotFetched { wish, entry, why } => self.not_fetched(&wish, &entry, why),
            News::OutOfReach { id, nick, address } => self.out_of_reach(id, nick, address),
            News::Connected(welcome) => {
                if self.lost {
                    self.screen.say(&format!("Connected again. {} online.", welcome.online));
                } else if self.at_prompt && self.begun.elapsed() > FIRST_CONTACT {
                    self.screen.say(&format!(
                        "The tracker is here now. You are {}. {} online.",
                        fit(&welcome.nick, 32),
                        welcome.online
                    ));
                }
                self.lost = false;
                self.welcomed(&welcome);
            }
            News::Lost { reason } => {
                if !self.lost {
                    self.screen.say(&format!(
                        "The tracker is gone ({}). Downloads go on; I keep trying.",
                        escape(&reason)
                    ));
                    if self.at_prompt && !self.swarms.roster().people().is_empty() {
                        self.screen.say("  who shows the last people known.");
                    }
                }
                self.lost = true;
            }
        }
    }

    /// What the tracker says at the door, and what it has to be told again.
    fn welcomed(&mut self, welcome: &Welcome) {
        if self.motd != welcome.motd {
            self.motd.clone_from(&welcome.motd);
            // Text, or null when the operator took it back.
            self.json(|| json!({"type": "motd", "text": welcome.motd}));
            if let Some(text) = self.motd.as_ref().filter(|_| self.at_prompt && !self.screen.is_json()) {
                self.screen.say(&format!("[tracker] {}", escape(text)));
            }
        }
        if let Some(text) = self.chat.away() {
            let link = self.link.clone();
            drop(runtime::spawn("away again", async move {
                if let Err(error) = link.ask(Away { text: Some(text) }).await {
                    tracing::debug!(%error, "the tracker does not know that the person is away");
                }
            }));
        }
    }

    fn name(&self, id: InfoHash) -> String {
        self.session.status(id).map_or_else(|| id.to_string(), |status| fit(&status.name, 60))
    }

    fn nothing_of(&self, id: InfoHash) -> bool {
        self.session.status(id).is_some_and(|status| status.verified_bytes == 0)
    }

    fn alert(&self, alert: &Alert, nick: Option<String>) {
        let line = match alert {
            Alert::Started { .. } | Alert::Unreachable { .. } => return,
            Alert::Resumed { id, verified } => {
                format!("Resuming {}: {} are here already.", self.name(*id), Size(*verified))
            }
            Alert::Checking { id, done, total } => {
                // Beside a prompt the status rows say it.
                if !self.at_prompt || !self.screen.is_terminal() {
                    let line = format!("Checking {}  {} of {}", self.name(*id), Size(*done), Size(*total));
                    self.screen.live(&line);
                }
                return;
            }
            Alert::Completed { id, elapsed, path, .. } => return self.completed(*id, *elapsed, path),
            Alert::Found { id, bytes, .. } => return self.found(*id, *bytes),
            Alert::Banned { id, peer_id, address, piece, block } => {
                let who = nick.unwrap_or_else(|| {
                    format!("{} ({address})", peer_id.to_string().chars().take(8).collect::<String>())
                });
                let who = fit(&who, 40);
                self.json(|| json!({"type": "warning", "code": "banned", "nick": who, "peer_id": peer_id.to_string(), "piece": piece, "block": block}));
                format!(
                    "{}: block {block} of piece {piece} from {who} is false. It is fetched again from others; {who} is banned.",
                    self.name(*id)
                )
            }
            // A one-shot download that never fitted says so as its end.
            Alert::DiskFull { id, .. } if !self.at_prompt && self.nothing_of(*id) => return,
            Alert::DiskFull { id, need, free } => {
                self.json(|| json!({"type": "warning", "code": "disk_full", "id": id.to_string(), "need": need, "free": free}));
                format!(
                    "Disk full: {} waits. It needs {} and {} are free; it goes on by itself when there is space.",
                    self.name(*id),
                    Size(*need),
                    Size(*free)
                )
            }
            Alert::DiskRoom { id } => format!("There is space again: {} goes on.", self.name(*id)),
            Alert::ShareChanged { id, path, .. } => {
                format!(
                    "{} changed on disk ({}): changed pieces are not given any more.   share it again",
                    self.name(*id),
                    fit(&path.display().to_string(), 60)
                )
            }
            Alert::TrackerChanged { id } => {
                self.json(|| json!({"type": "warning", "code": "tracker_changed", "id": id.to_string()}));
                format!(
                    "{} is private and has another tracker now: its peers are those that this one names.",
                    self.name(*id)
                )
            }
            Alert::Failed { id, error } => {
                self.json(|| json!({"type": "warning", "code": "failed", "id": id.to_string(), "text": error.to_string()}));
                format!("{} cannot go on: {}.", self.name(*id), escape(&error.to_string()))
            }
            Alert::StatusTrouble { trouble } => escape(&trouble.to_string()).into_owned(),
        };
        if !self.screen.is_json() {
            self.screen.say(&line);
        }
    }

    fn fetching(&self, wish: &Wish, entry: &Entry) {
        if self.screen.is_json() {
            return self.screen.json(json!({
                "type": "wanted", "words": wish.words, "entry": entry.entry.0, "name": entry.name, "size": entry.size,
                "by": entry.by, "id": entry.hashes.primary().to_string(),
            }));
        }
        let by = entry.by.first().map_or_else(String::new, |nick| format!(" from {}", fit(nick, 32)));
        self.screen.say(&format!(
            "{} is here{by}: getting it, {}, because you want \"{}\".",
            fit(&entry.name, 60),
            Size(entry.size),
            fit(&wish.words, 60)
        ));
    }

    fn not_fetched(&self, wish: &Wish, entry: &Entry, why: Unfit) {
        let (code, reason) = match why {
            Unfit::Silent => return,
            Unfit::TooLarge => {
                ("too_large", format!("it has {} and you want at most {}", Size(entry.size), Size(wish.max)))
            }
            Unfit::NoRoom { free } => {
                ("disk_full", format!("it needs {} and {} are free", Size(entry.size), Size(free)))
            }
        };
        if self.screen.is_json() {
            return self.screen.json(json!({
                "type": "warning", "code": code, "words": wish.words, "entry": entry.entry.0, "name": entry.name,
                "size": entry.size, "text": reason,
            }));
        }
        let words = fit(&wish.words, 60);
        self.screen.say(&format!("{} has \"{words}\" that you want, but {reason}.", fit(&entry.name, 60)));
        self.screen.say(&format!("  try: get {}", crate::words::quote(&fit(&entry.name, 80))));
    }

    fn out_of_reach(&self, id: InfoHash, nick: Option<String>, address: SocketAddr) {
        let (name, port) = (self.name(id), self.session.listen_address().port());
        if self.screen.is_json() {
            return self.screen.json(json!({
                "type": "warning", "code": "out_of_reach", "id": id.to_string(), "nick": nick,
                "address": address.to_string(),
            }));
        }
        let who = nick.map_or_else(|| address.to_string(), |nick| fit(&nick, 32));
        self.screen.say(&format!(
            "No way leads to {who} for {name}: {address} does not answer, nor does our port {port} to {who}."
        ));
        self.screen.say(&format!(
            "  try: let the router pass TCP port {port} on to this machine, or have somebody join whom both can reach"
        ));
    }

    fn found(&self, id: InfoHash, bytes: u64) {
        self.done(id, |status| {
            vec![format!("{}  done  {} were here already  sha256 ok", fit(&status.name, 60), Size(bytes))]
        });
    }

    fn completed(&self, id: InfoHash, elapsed: Duration, path: &Path) {
        self.done(id, |status| {
            let mut lines = vec![download::done_line(status, elapsed, |peer| self.swarms.nick_of(peer))];
            if let Some(taken) =
                path.file_name().filter(|taken| taken.to_string_lossy() != status.name.as_str())
            {
                let taken = fit(&taken.to_string_lossy(), 60);
                lines.push(format!("  It is called {taken} here: another file has its name."));
            }
            lines
        });
    }

    /// A download is here: `lines` say how that came about.
    fn done(&self, id: InfoHash, lines: impl FnOnce(&TorrentStatus) -> Vec<String>) {
        let Some(status) = self.session.status(id) else { return };
        if self.screen.is_json() {
            if self.at_prompt {
                self.screen.json(torrent_json("done", &status));
            }
            return;
        }
        self.screen.finish_live("");
        for line in lines(&status) {
            self.screen.say(&line);
        }
        if self.at_prompt {
            let name = crate::words::quote(&status.name);
            self.screen.say(&format!("Sharing it with others now (stop: unshare {name})."));
        }
    }

    fn json(&self, line: impl FnOnce() -> serde_json::Value) {
        if self.screen.is_json() {
            self.screen.json(line());
        }
    }

    /// Whether this is a message that was shown before.
    fn is_known(&mut self, push: &Push) -> bool {
        let Push::Message { message, from, at, .. } = push else { return false };
        let this = (*message, from.clone(), *at);
        if self.told.contains(&this) {
            return true;
        }
        if self.told.len() == MAX_TOLD {
            self.told.pop_front();
        }
        self.told.push_back(this);
        false
    }

    fn push(&mut self, push: &Push) {
        if let Push::Message { message, from, to, text, at, late } = push {
            let is_private = to != "*" && !to.starts_with('@');
            if is_private {
                self.chat.heard(from);
            }
            if self.screen.is_json() {
                let line = json!({"type": "message", "message": message, "from": from, "to": to, "text": text, "at": at, "late": late});
                return self.screen.json(line);
            }
            let place = match to.as_str() {
                "*" => " to all".to_owned(),
                room if room.starts_with('@') => format!(" {}", fit(room, 33)),
                _ => String::new(),
            };
            let (time, late) = if *late {
                (runtime::clock::date_and_time_of(*at), " (while you were away)")
            } else {
                (runtime::clock::time_of_day(), "")
            };
            let hint =
                if is_private && self.at_prompt && !self.hinted { "     (reply TEXT answers)" } else { "" };
            self.hinted |= !hint.is_empty();
            let line = format!("[{time}] {}{place}{late}: {}{hint}", fit(from, 32), escape(text));
            return self.screen.say(&line);
        }
        if self.screen.is_json() || !self.at_prompt {
            return;
        }
        match push {
            Push::PeerJoined { nick, .. } => self.screen.say(&format!("{} is here.", fit(nick, 32))),
            Push::PeerLeft { nick, .. } => self.screen.say(&format!("{} has gone.", fit(nick, 32))),
            Push::Shared { nick, entry } => {
                let name = fit(&entry.name, 60);
                if entry.full > 0 && self.session.list().iter().all(|one| one.hashes != entry.hashes) {
                    self.screen.say(&format!(
                        "{} shares {name} ({}).   get {}",
                        fit(nick, 32),
                        Size(entry.size),
                        crate::words::quote(&entry.name)
                    ));
                }
            }
            Push::Room { room, nick, change } => {
                let (room, nick) = (fit(room, 33), fit(nick.as_deref().unwrap_or_default(), 32));
                self.screen.say(&match change {
                    RoomChange::Joined => format!("{nick} is in {room} now."),
                    RoomChange::Left => format!("{nick} has left {room}."),
                    RoomChange::Closed => format!("The tracker's operator closed {room}."),
                });
            }
            Push::Notice { text } => self.screen.say(&format!("[tracker] {}", escape(text))),
            Push::Kick { reason } => {
                self.screen.say(&format!("The tracker's operator sent you away: {}", escape(reason)));
            }
            _ => {}
        }
    }
}
