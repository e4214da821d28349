//! What a peer tells a tracker about one torrent and what it is told back, whatever the door: the
//! control protocol, HTTP (BEP 3, 7, 23) or UDP (BEP 15).
//!
//! Numbers that a stranger chose are bounded here, once for all doors.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use thiserror::Error;

use crate::{InfoHash, PeerId};

/// How many addresses a peer gets that names no number.
pub const DEFAULT_WANTED: u16 = 50;
/// The most addresses that a peer gets at once.
pub const MAX_WANTED: u16 = 200;
/// The most torrents that one scrape is answered for: what fits a UDP reply.
pub const MAX_SCRAPE: usize = 74;

/// Why a peer announces now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Event {
    /// The interval is over.
    #[default]
    Interval,
    /// It joins the swarm.
    Started,
    /// It has just verified the last piece.
    Completed,
    /// It leaves.
    Stopped,
}

/// A word that names no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("event is none of started, completed, stopped")]
pub struct UnknownEvent;

impl Event {
    /// The number in a UDP announce (BEP 15).
    pub fn number(self) -> u32 {
        match self {
            Self::Interval => 0,
            Self::Completed => 1,
            Self::Started => 2,
            Self::Stopped => 3,
        }
    }

    /// The event with that number.
    pub fn from_number(number: u32) -> Result<Self, UnknownEvent> {
        let all = [Self::Interval, Self::Completed, Self::Started, Self::Stopped];
        all.into_iter().find(|event| event.number() == number).ok_or(UnknownEvent)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Interval => "",
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Stopped => "stopped",
        })
    }
}

impl FromStr for Event {
    type Err = UnknownEvent;

    /// Reads the word of an HTTP announce; no word and `empty` mean the interval.
    fn from_str(word: &str) -> Result<Self, UnknownEvent> {
        match word {
            "" | "empty" => Ok(Self::Interval),
            "started" => Ok(Self::Started),
            "completed" => Ok(Self::Completed),
            "stopped" => Ok(Self::Stopped),
            _ => Err(UnknownEvent),
        }
    }
}

/// One peer's word about one torrent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announce {
    /// The torrent, by its v1 or truncated v2 hash.
    pub hash: InfoHash,
    /// Who speaks.
    pub peer_id: PeerId,
    /// The TCP port where it takes connections; 0 when it takes none.
    pub port: u16,
    /// Bytes of payload sent since it started.
    pub uploaded: u64,
    /// Bytes of payload received since it started.
    pub downloaded: u64,
    /// Bytes that it still needs; none when it does not know the size yet.
    pub left: Option<u64>,
    /// Why now.
    pub event: Event,
    /// How many addresses it wants, within [`MAX_WANTED`].
    pub wanted: u16,
    /// A number by which a peer proves that it is the same after its address changed.
    pub key: Option<u32>,
}

impl Announce {
    /// Whether the peer has everything.
    pub fn is_seed(&self) -> bool {
        self.left == Some(0)
    }

    /// How many addresses to give for what a peer asked: the default for nothing and for less than
    /// nothing, at most [`MAX_WANTED`], none to one that leaves.
    pub fn wanted(asked: Option<i64>, event: Event) -> u16 {
        match asked {
            _ if event == Event::Stopped => 0,
            None | Some(..0) => DEFAULT_WANTED,
            Some(asked) => u16::try_from(asked).unwrap_or(MAX_WANTED).min(MAX_WANTED),
        }
    }
}

/// What the tracker answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AnnounceReply {
    /// Seconds until the peer shall announce again.
    pub interval: u32,
    /// Seconds that it must wait at least.
    pub min_interval: Option<u32>,
    /// Peers that have everything.
    pub seeds: u32,
    /// Peers that do not.
    pub leechers: u32,
    /// How often the torrent was completed, where the tracker says it.
    pub completed: Option<u32>,
    /// Where others can be reached.
    pub peers: Vec<SocketAddr>,
    /// A sentence for the person; the answer counts all the same. Text from a stranger.
    pub warning: Option<String>,
    /// What the peer shall say as `trackerid` when it announces again.
    pub tracker_id: Option<Vec<u8>>,
    /// The peer's own address as the tracker sees it (BEP 24).
    pub external_ip: Option<IpAddr>,
}

/// How one torrent fares (BEP 48).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scrape {
    /// Peers that have everything.
    pub seeds: u32,
    /// Peers that do not.
    pub leechers: u32,
    /// How often it was completed.
    pub completed: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_one_word_and_one_number() {
        for event in [Event::Interval, Event::Started, Event::Completed, Event::Stopped] {
            assert_eq!(event.to_string().parse(), Ok(event));
            assert_eq!(Event::from_number(event.number()), Ok(event));
        }
        assert_eq!("empty".parse(), Ok(Event::Interval));
        assert_eq!("foo".parse::<Event>(), Err(UnknownEvent), "A11");
        assert_eq!(Event::from_number(4), Err(UnknownEvent));
    }

    #[test]
    fn a09_a10_nobody_gets_more_addresses_than_the_limit() {
        for (asked, given) in [
            (None, 50),
            (Some(-1), 50),
            (Some(i64::MIN), 50),
            (Some(0), 0),
            (Some(7), 7),
            (Some(200), 200),
            (Some(1_000_000_000), 200),
            (Some(i64::MAX), 200),
        ] {
            assert_eq!(Announce::wanted(asked, Event::Started), given, "{asked:?}");
        }
        assert_eq!(Announce::wanted(None, Event::Stopped), 0, "who leaves needs nobody");
    }
}
