//! How torrents fare, over HTTP (BEP 48): some hashes are asked for, never everything.

use std::collections::BTreeMap;

use shared::InfoHash;
use shared::announce::{MAX_SCRAPE, Scrape};
use shared::bencode::{Dict, Limits, Value, decode};

use super::pairs::{QueryError, escape, info_hash, split, unescape};
use super::reply::{Failure, ReplyError};

/// The torrents that a scrape asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScrapeQuery {
    /// At least one, at most [`MAX_SCRAPE`], each once.
    pub hashes: Vec<InfoHash>,
}

impl ScrapeQuery {
    /// Reads what stands behind the `?`. Hashes beyond [`MAX_SCRAPE`] are left out; a scrape of
    /// everything, which names none, is refused.
    pub fn parse(query: &[u8]) -> Result<Self, QueryError> {
        let mut hashes = Vec::new();
        for (_, value) in split(query)?.into_iter().filter(|(key, _)| *key == b"info_hash") {
            let value = unescape(value).ok_or(QueryError::Percent { key: "info_hash" })?;
            let hash = info_hash(&value)?;
            if hashes.len() < MAX_SCRAPE && !hashes.contains(&hash) {
                hashes.push(hash);
            }
        }
        if hashes.is_empty() {
            return Err(QueryError::Missing { key: "info_hash" });
        }
        Ok(Self { hashes })
    }

    /// The query as a client sends it behind the `?`.
    pub fn encode(&self) -> String {
        let pairs = self.hashes.iter().map(|hash| format!("info_hash={}", escape(&hash.0)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

/// The answer to a scrape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ScrapeReply {
    /// Each torrent that the tracker knows.
    pub files: BTreeMap<InfoHash, Scrape>,
    /// Seconds that the client must wait at least.
    pub min_interval: Option<u32>,
}

impl ScrapeReply {
    /// The answer's body.
    pub fn encode(&self) -> Vec<u8> {
        let files = self.files.iter().fold(Dict::default(), |files, (hash, scrape)| {
            let counters = Dict::default()
                .int("complete", i64::from(scrape.seeds))
                .int("downloaded", i64::from(scrape.completed))
                .int("incomplete", i64::from(scrape.leechers));
            files.raw(&hash.0, counters.encode())
        });
        let dict = Dict::default().raw(b"files", files.encode());
        let flags = self
            .min_interval
            .map(|seconds| Dict::default().int("min_request_interval", i64::from(seconds)).encode());
        flags.map_or(dict.clone(), |flags| dict.raw(b"flags", flags)).encode()
    }

    /// Reads an answer's body; of what it tells at most [`MAX_SCRAPE`] torrents are taken.
    pub fn decode(body: &[u8]) -> Result<Self, ReplyError> {
        let dict = decode(body, Limits::MESSAGE)?;
        if dict.as_dict().is_none() {
            return Err(ReplyError::NotDictionary);
        }
        if let Some(failure) = Failure::of(&dict) {
            return Err(ReplyError::Failure(failure));
        }
        let number = |of: &Value<'_>, key| {
            let number = of.get(key).and_then(Value::as_int);
            number.and_then(|number| u32::try_from(number).ok())
        };
        let files = dict.get("files").and_then(Value::as_dict).ok_or(ReplyError::Missing { key: "files" })?;
        let files = files.iter().take(MAX_SCRAPE).filter_map(|(hash, counters)| {
            let count = |key| number(counters, key).unwrap_or(0);
            let scrape = Scrape {
                seeds: count("complete"),
                leechers: count("incomplete"),
                completed: count("downloaded"),
            };
            Some((InfoHash((*hash).try_into().ok()?), scrape))
        });
        let flags = dict.get("flags");
        Ok(Self {
            files: files.collect(),
            min_interval: flags.and_then(|flags| number(flags, "min_request_interval")),
        })
    }
}

/// The scrape URL of an announce URL, where it has one: the last part of its path begins with
/// `announce`, and that word becomes `scrape`.
pub fn scrape_url(announce: &str) -> Option<String> {
    let (path, query) =
        announce.split_once('?').map_or((announce, None), |(path, query)| (path, Some(query)));
    let (before, last) = path.rsplit_once('/')?;
    let rest = last.strip_prefix("announce")?;
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{before}/scrape{rest}{query}"))
}
