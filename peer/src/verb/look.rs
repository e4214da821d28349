//! `trace` and `announce`: what goes over the wire, and what a tracker says.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::PoisonError;
use std::time::Duration;

use engine::announcer::{self, AnnounceReport};
use engine::{TraceDirection, TraceFilter, TraceLine};
use runtime::Shutdown;
use serde_json::json;
use shared::announce::Event;
use shared::display::{escape, fit};
use shared::{InfoHash, PeerId};
use tokio::sync::mpsc;

use super::{Needs, Offer, Running, Said, Verb};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::words;

/// The most columns of one message.
const MOST_TEXT: usize = 400;

/// trace
pub(super) const TRACE: Verb = Verb {
    names: &["trace", "traza"],
    arguments: "[NICK|ADDRESS|off] [--timeout TIME]",
    about: "every message with a peer as it goes over the wire",
    examples: &["trace bob", "trace 192.168.1.21", "trace off"],
    offer: Offer::Nicks,
    needs: Needs::Session,
    takes_text: false,
    stays: false,
    run: trace,
};

/// announce
pub(super) const ANNOUNCE: Verb = Verb {
    names: &["announce", "anunciar"],
    arguments: "URL [HASH] [--event started|stopped|completed]",
    about: "ask any BitTorrent tracker once, and show what it says",
    examples: &["announce http://192.168.1.10:6969/announce", "announce udp://192.168.1.10:6969"],
    offer: Offer::Nothing,
    needs: Needs::Nothing,
    takes_text: false,
    stays: false,
    run: announce,
};

fn trace<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let whom = said.words.join(" ");
        let before = context.trace.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(stop) = &before
            && context.at_prompt
        {
            stop.request();
        }
        if whom == "off" {
            let text = if before.is_some() { "No longer traced." } else { "Nothing was being traced." };
            context.screen.say(text);
            return Ok(());
        }
        let filter = filter(context, &whom)?;
        let lines = context.session()?.trace(filter);
        if !context.at_prompt {
            show(context, lines, &context.stop, said.options.timeout).await;
            return Ok(());
        }
        // At a prompt it goes on beside what is typed.
        let stop = Shutdown::new();
        *context.trace.lock().unwrap_or_else(PoisonError::into_inner) = Some(stop.clone());
        let (beside, timeout) = (context.clone(), said.options.timeout);
        drop(runtime::spawn("trace", async move { show(&beside, lines, &stop, timeout).await }));
        let whom = if whom.is_empty() { "everybody".to_owned() } else { fit(&whom, 40) };
        context.screen.say(&format!("Tracing {whom}.   trace off ends it"));
        Ok(())
    })
}

/// Whom a word means: an address, or somebody's name.
fn filter(context: &Context, whom: &str) -> Result<TraceFilter, Failure> {
    if whom.is_empty() {
        return Ok(TraceFilter::default());
    }
    let address = whom.parse::<IpAddr>().ok().or_else(|| whom.parse::<SocketAddr>().ok().map(|one| one.ip()));
    if address.is_some() {
        return Ok(TraceFilter { ip: address, ..TraceFilter::default() });
    }
    let swarms = context.swarms()?;
    if let Some(peer_id) = swarms.called(whom) {
        return Ok(TraceFilter { peer_id: Some(peer_id), ..TraceFilter::default() });
    }
    let names = swarms.names();
    let near = words::nearest(whom, names.iter().map(String::as_str)).map(|near| fit(near, 32));
    let asked = near.as_ref().map_or_else(String::new, |near| format!(" Did you mean {near}?"));
    let text = format!("No one is called \"{}\".{asked}", fit(whom, 40));
    let advice = near.map_or_else(|| "trace ADDRESS     or: who".to_owned(), |near| format!("trace {near}"));
    Err(Failure::new(Exit::NotFound, "no_such_user", text).advise(advice))
}

async fn show(
    context: &Context,
    mut lines: mpsc::Receiver<TraceLine>,
    stop: &Shutdown,
    timeout: Option<Duration>,
) {
    let end = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(end);
    let mut nicks = BTreeMap::new();
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            () = stop.requested() => None,
            () = context.stop.requested() => None,
            () = &mut end => None,
        };
        let Some(line) = line else { return };
        let nick = nick(context, &mut nicks, line.peer_id);
        if context.screen.is_json() {
            let direction = if line.direction == TraceDirection::In { "in" } else { "out" };
            context.screen.json(json!({
                "type": "trace", "at": line.at, "direction": direction, "address": line.address.to_string(),
                "peer_id": line.peer_id.to_string(), "nick": nick, "torrent": line.torrent.to_string(),
                "text": line.text, "dropped": line.dropped,
            }));
            continue;
        }
        if line.dropped > 0 {
            context.screen.say(&format!("... {} messages came too fast to be shown", line.dropped));
        }
        let arrow = if line.direction == TraceDirection::In { "<-" } else { "->" };
        let name = nick.map_or_else(|| line.address.to_string(), |nick| fit(&nick, 24));
        let time = runtime::clock::time_of(line.at);
        context.screen.say(&format!("{time}  {arrow} {name:<12} {}", fit(&line.text, MOST_TEXT)));
    }
}

/// What a peer is called; looked up once for each.
fn nick(context: &Context, known: &mut BTreeMap<PeerId, String>, peer: PeerId) -> Option<String> {
    const MOST_KNOWN: usize = 1000;
    if let Some(nick) = known.get(&peer) {
        return Some(nick.clone());
    }
    let nick = context.swarms().ok()?.nick_of(&peer)?;
    if known.len() < MOST_KNOWN {
        known.insert(peer, nick.clone());
    }
    Some(nick)
}

fn announce<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let url = said.need(0, "Which tracker?", "announce http://HOST:6969/announce [HASH]")?;
        let hash = match said.words.get(1) {
            Some(word) => read_hash(word)?,
            // A torrent that nobody has: only the tracker's manners are seen.
            None => InfoHash(rand::random()),
        };
        let event = match &said.options.event {
            Some(word) => word.parse::<Event>().map_err(|_| {
                let text = format!("\"{}\" is no event.", fit(word, 40));
                Failure::new(Exit::Usage, "bad_event", text).advise("--event started, stopped or completed")
            })?,
            None => Event::Started,
        };
        let report = announcer::once(url, hash, event).await.map_err(|error| {
            let text = format!("{} gives no answer: {}.", fit(url, 80), escape(&error.to_string()));
            Failure::new(Exit::Unreachable, "no_answer", text).advise("announce http://HOST:6969/announce")
        })?;
        tell(context, hash, &report);
        Ok(())
    })
}

fn read_hash(word: &str) -> Result<InfoHash, Failure> {
    let v2 = word.parse::<shared::InfoHashV2>().ok().map(|hash| hash.truncated());
    word.parse::<InfoHash>().ok().or(v2).ok_or_else(|| {
        let text = format!("\"{}\" is no info hash: that is 40 or 64 hex digits.", fit(word, 70));
        Failure::new(Exit::Usage, "bad_hash", text).advise("info NAME shows it")
    })
}

fn tell(context: &Context, hash: InfoHash, report: &AnnounceReport) {
    const MOST: usize = 50;
    let reply = &report.reply;
    if context.screen.is_json() {
        let peers: Vec<String> = reply.peers.iter().map(ToString::to_string).collect();
        return context.screen.json(json!({
            "type": "announce", "asked": report.asked, "info_hash": hash.to_string(),
            "seconds": report.elapsed.as_secs_f64(), "interval": reply.interval, "min_interval": reply.min_interval,
            "seeds": reply.seeds, "leechers": reply.leechers, "completed": reply.completed, "peers": peers,
            "warning": reply.warning, "external_ip": reply.external_ip.map(|ip| ip.to_string()),
        }));
    }
    let say = |key: &str, value: String| context.screen.say(&format!("{key:<14} {value}"));
    say("asked", fit(&report.asked, 400));
    say("answered in", format!("{:.1} ms", report.elapsed.as_secs_f64() * 1000.0));
    say("interval", format!("{} s   (when to ask again)", reply.interval));
    if let Some(least) = reply.min_interval {
        say("min interval", format!("{least} s   (not sooner)"));
    }
    say("complete", format!("{}   (have everything)", reply.seeds));
    say("incomplete", format!("{}   (do not)", reply.leechers));
    if let Some(completed) = reply.completed {
        say("downloaded", format!("{completed}   (how often it was completed)"));
    }
    if let Some(warning) = &reply.warning {
        say("warning", fit(warning, 200));
    }
    if let Some(id) = &reply.tracker_id {
        say("tracker id", shared::display::escape_bytes(id.get(..64).unwrap_or(id)));
    }
    if let Some(ip) = reply.external_ip {
        say("external ip", format!("{ip}   (how it sees us)"));
    }
    say("peers", reply.peers.len().to_string());
    for peer in reply.peers.iter().take(MOST) {
        say("", peer.to_string());
    }
    if let more @ 1.. = reply.peers.len().saturating_sub(MOST) {
        say("", format!("... and {more} more"));
    }
}
