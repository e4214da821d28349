//! What this peer has and does: `shares`, `downloads`, `status`, `peers`.

use engine::{PeerStatus, State, TorrentStatus};
use serde_json::json;
use shared::display::{Rate, Size, escape, fit};

use super::{Needs, Offer, Running, Said, Verb, target, told};
use crate::context::{Context, Row};
use crate::failure::Failure;
use crate::terminal::table::{Column, Table};

const fn verb(
    names: &'static [&'static str],
    arguments: &'static str,
    about: &'static str,
    needs: Needs,
    run: for<'a> fn(&'a Context, &'a Said) -> Running<'a>,
) -> Verb {
    Verb {
        names,
        arguments,
        about,
        examples: &[],
        offer: Offer::Own,
        needs,
        takes_text: false,
        stays: false,
        run,
    }
}

/// shares
pub(super) const SHARES: Verb = verb(&["shares", "mis"], "", "what this peer shares", Needs::Session, shares);
/// downloads
pub(super) const DOWNLOADS: Verb =
    verb(&["downloads", "ls", "descargas"], "[--all]", "what is being downloaded", Needs::Session, downloads);
/// status
pub(super) const STATUS: Verb = verb(
    &["status", "s", "estado"],
    "[NAME]",
    "how it goes, in all or for one thing",
    Needs::Session,
    status,
);
/// peers
pub(super) const PEERS: Verb =
    verb(&["peers", "pares"], "[NAME]", "who gives and takes pieces right now", Needs::Session, peers);
fn shares<'a>(context: &'a Context, _: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let list: Vec<TorrentStatus> = context
            .session()?
            .list()
            .into_iter()
            .filter(|one| one.state == State::Seeding || one.is_share)
            .collect();
        show_list(context, &list, "You share nothing yet.", "share FILE_OR_FOLDER");
        Ok(())
    })
}

fn downloads<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let all = said.options.all;
        let list: Vec<TorrentStatus> =
            context.session()?.list().into_iter().filter(|one| all || !one.is_share).collect();
        show_list(context, &list, "No downloads.", "search WORDS, then get NAME");
        Ok(())
    })
}

fn show_list(context: &Context, list: &[TorrentStatus], none: &str, advice: &str) {
    if context.screen.is_json() {
        for status in list {
            context.screen.json(told::torrent_json("download", status));
        }
        return;
    }
    if list.is_empty() {
        context.screen.say(&format!("{none}   try: {advice}"));
        return;
    }
    let mut table = Table::new([
        Column::right("#"),
        Column::left("name").cut(),
        Column::right("done"),
        Column::right("size"),
        Column::right("down"),
        Column::right("up"),
        Column::right("seeds").optional(),
        Column::right("peers").optional(),
        Column::right("left").optional(),
        Column::left("state"),
    ]);
    for (number, one) in (1..).zip(list) {
        table.row([
            number.to_string(),
            one.name.clone(),
            told::share_done(one),
            Size(one.size).to_string(),
            rate(one.rate_down),
            rate(one.rate_up),
            one.seeds.to_string(),
            one.peers.to_string(),
            told::left(one),
            told::state(one.state).to_owned(),
        ]);
    }
    context.remember(list.iter().map(|one| Row::Torrent(one.id)));
    for line in table.lines(context.screen.width()) {
        context.screen.say(&line);
    }
}

fn rate(rate: f64) -> String {
    if rate < 1.0 { "-".to_owned() } else { Rate(rate).to_string() }
}

fn status<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        if said.words.is_empty() {
            return whole_status(context);
        }
        let name = said.words.join(" ");
        let status = context.torrent(&name)?;
        if context.screen.is_json() {
            context.screen.json(told::torrent_json("status", &status));
            return Ok(());
        }
        for line in ten_fields(&status) {
            context.screen.say(&line);
        }
        Ok(())
    })
}

fn whole_status(context: &Context) -> Result<(), Failure> {
    let session = context.session()?;
    let list = session.list();
    let (down, up) = list.iter().fold((0.0, 0.0), |(down, up), one| (down + one.rate_down, up + one.rate_up));
    let sharing = list.iter().filter(|one| one.state == State::Seeding).count();
    let tracker = context.link.state();
    let limits = session.limits();
    if context.screen.is_json() {
        context.screen.json(json!({
            "type": "status", "tracker": tracker.to_string(), "listen": session.listen_address().to_string(),
            "download_rate": down.round(), "upload_rate": up.round(), "torrents": list.len(), "sharing": sharing,
            "limit_up": limits.up, "limit_down": limits.down, "finding": told::finding(context),
            "motd": context.link.motd(),
        }));
        return Ok(());
    }
    let limit = |limit: Option<u64>| {
        limit.map_or_else(|| "no limit".to_owned(), |limit| format!("limit {}/s", Size(limit)))
    };
    let address = escape(context.link.tracker());
    context.screen.say(&format!("Tracker     {address}   {}", escape(&tracker.to_string())));
    if let Some(motd) = context.link.motd() {
        context.screen.say(&format!("It says     {}", fit(&motd, 200)));
    }
    context.screen.say(&format!("Listening   {}", session.listen_address()));
    context.screen.say(&format!("Finding     {}", told::finding(context)));
    context.screen.say(&format!("Down        {}   {}", Rate(down), limit(limits.down)));
    context.screen.say(&format!("Up          {}   {}", Rate(up), limit(limits.up)));
    context.screen.say(&format!("Sharing     {sharing} of {} things", list.len()));
    Ok(())
}

/// Everything about one torrent: the eight fields of the course's client, what is left and what was wasted.
pub fn ten_fields(status: &TorrentStatus) -> Vec<String> {
    let pair =
        |left: &str, one: String, right: &str, other: String| format!("{left:<12}{one:<21}{right:<8}{other}");
    vec![
        format!("--- {} {}", fit(&status.name, 50), "-".repeat(24)),
        pair("Status", told::state(status.state).to_owned(), "Seeds", status.seeds.to_string()),
        pair("Progress", format!("{:.2} %", told::in_percent(status)), "Peers", status.peers.to_string()),
        pair("Downloaded", Size(status.downloaded).to_string(), "Down", Rate(status.rate_down).to_string()),
        pair("Uploaded", Size(status.uploaded).to_string(), "Up", Rate(status.rate_up).to_string()),
        pair("Left", told::left(status), "Wasted", Size(status.wasted).to_string()),
    ]
}

fn peers<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let session = context.session()?;
        let torrents = if said.words.is_empty() { session.list() } else { context.torrents(&said.words)? };
        let mut shown = 0;
        for torrent in torrents {
            let list = session.peers(torrent.id).await.map_err(|error| target::failed(&error))?;
            shown += list.len();
            show_peers(context, &torrent, &list)?;
        }
        if context.screen.is_json() {
            return Ok(());
        }
        context.screen.say(if shown == 0 {
            "No peer is connected right now.   try: sources NAME"
        } else {
            "flags: T tracker, X other peers, L this network, D DHT, M link or memory, A asked, I came by itself; u uTP"
        });
        Ok(())
    })
}

fn show_peers(context: &Context, torrent: &TorrentStatus, list: &[PeerStatus]) -> Result<(), Failure> {
    let swarms = context.swarms()?;
    let name = |peer: &PeerStatus| swarms.nick_of(&peer.peer_id).unwrap_or_else(|| "-".to_owned());
    if context.screen.is_json() {
        for peer in list {
            context.screen.json(json!({
                "type": "peer", "torrent": torrent.id.to_string(), "nick": swarms.nick_of(&peer.peer_id),
                "peer_id": peer.peer_id.to_string(), "address": peer.address.to_string(), "outgoing": peer.outgoing,
                "pieces": peer.pieces, "complete": peer.complete, "download_rate": peer.rate_down.round(),
                "upload_rate": peer.rate_up.round(), "downloaded": peer.downloaded, "uploaded": peer.uploaded,
                "unchokes_us": peer.unchokes_us, "unchoked": peer.unchoked, "interested": peer.interested,
                "interesting": peer.interesting, "snubbed": peer.snubbed, "program": told::program(&peer.peer_id),
                "source": told::source_word(peer.source), "utp": peer.utp,
            }));
        }
        return Ok(());
    }
    if list.is_empty() {
        return Ok(());
    }
    context.screen.say(&format!("{}:", fit(&torrent.name, 60)));
    let mut table = Table::new([
        Column::left("name").cut(),
        Column::left("address").optional(),
        Column::right("has"),
        Column::right("down"),
        Column::right("up"),
        Column::left("they").optional(),
        Column::left("we").optional(),
        Column::left("flags"),
        Column::left("program").cut().optional(),
    ]);
    for peer in list {
        let has = f64::from(peer.pieces) * 100.0 / f64::from(torrent.pieces.max(1));
        let they = if peer.interested { "interested" } else { "-" };
        let we = if peer.unchoked { "unchoked" } else { "choked" };
        let address = peer.address.to_string();
        table.row([
            name(peer),
            address,
            format!("{has:.0} %"),
            rate(peer.rate_down),
            rate(peer.rate_up),
            they.to_owned(),
            we.to_owned(),
            told::flags(peer),
            told::program(&peer.peer_id),
        ]);
    }
    for line in table.lines(context.screen.width()) {
        context.screen.say(&line);
    }
    Ok(())
}
