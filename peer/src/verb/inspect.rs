//! `inspect`: a torrent file or a magnet link, key by key. Needs neither tracker nor session.

use serde_json::json;
use shared::InfoHashes;
use shared::bencode::{self, DecodeError, Limits};
use shared::display::{escape, fit};
use shared::magnet::Magnet;
use shared::metainfo::Metainfo;

use super::{Needs, Offer, Running, Said, Verb, target};
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::inspect as text;

/// inspect
pub(super) const INSPECT: Verb = Verb {
    names: &["inspect", "inspeccionar"],
    arguments: "FILE.torrent|MAGNET",
    about: "what is written in a torrent file or a link, key by key",
    examples: &["inspect linux.torrent", "inspect \"magnet:?xt=urn:btih:...\""],
    offer: Offer::Paths,
    needs: Needs::Nothing,
    takes_text: false,
    stays: false,
    run: inspect,
};

fn inspect<'a>(context: &'a Context, said: &'a Said) -> Running<'a> {
    Box::pin(async move {
        let name =
            said.name("What do you want to look into?", "inspect FILE.torrent     or a magnet link")?;
        if name.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("magnet:")) {
            return magnet(context, &name);
        }
        let bytes = target::torrent_bytes(&name)?;
        torrent(context, &name, &bytes)
    })
}

fn magnet(context: &Context, link: &str) -> Result<(), Failure> {
    let magnet = target::magnet(link)?;
    let parameters = Magnet::parameters(link).unwrap_or_default();
    if context.screen.is_json() {
        context.screen.json(json!({
            "type": "inspect", "kind": "magnet", "parameters": parameters,
            "info_hash_v1": magnet.hashes.get_v1().map(|hash| hash.to_string()),
            "info_hash_v2": magnet.hashes.get_v2().map(|hash| hash.to_string()),
        }));
        return Ok(());
    }
    for line in text::magnet(&parameters) {
        context.screen.say(&line);
    }
    for line in hash_lines(magnet.hashes) {
        context.screen.say(&line);
    }
    Ok(())
}

fn hash_lines(hashes: InfoHashes) -> impl Iterator<Item = String> {
    let v1 = hashes.get_v1().map(|hash| format!("info hash (v1)         {hash}"));
    let v2 = hashes.get_v2().map(|hash| format!("info hash (v2)         {hash}"));
    v1.into_iter().chain(v2)
}

fn torrent(context: &Context, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let damaged = |reason: &str| {
        let text = format!("{} is damaged: {}.", fit(name, 80), escape(reason));
        Failure::new(Exit::Unverified, "bad_torrent", text).advise("ask who made it for it again")
    };
    let decoded = bencode::decode_prefix(bytes, Limits::TORRENT).map_err(|error| match error {
        DecodeError::Unexpected { at: 0, .. } => {
            let text = format!("{} is no torrent file: it does not begin like one.", fit(name, 80));
            Failure::new(Exit::Unverified, "bad_torrent", text).advise("inspect FILE.torrent")
        }
        other => damaged(&other.to_string()),
    })?;
    let metainfo = Metainfo::parse(bytes);
    if context.screen.is_json() {
        let hashes = metainfo.as_ref().ok().map(|metainfo| metainfo.info.hashes());
        context.screen.json(json!({
            "type": "inspect", "kind": "torrent", "value": text::torrent_json(&decoded.value),
            "info_hash_v1": hashes.and_then(|hashes| hashes.get_v1()).map(|hash| hash.to_string()),
            "info_hash_v2": hashes.and_then(|hashes| hashes.get_v2()).map(|hash| hash.to_string()),
        }));
    } else {
        context.screen.say(&text::title(name, bytes.len()));
        for line in text::torrent(&decoded.value) {
            context.screen.say(&line);
        }
    }
    // What is written is shown in any case; whether it can be used is the exit.
    let metainfo = metainfo.map_err(|error| damaged(&error.to_string()))?;
    if !context.screen.is_json() {
        for line in hash_lines(metainfo.info.hashes()) {
            context.screen.say(&line);
        }
    }
    super::told::notes(context, &metainfo.info);
    Ok(())
}
