//! Announce and scrape over UDP (BEP 15): one datagram each way, all numbers big-endian.
//!
//! A client first asks for a connection id and must show it in every other request, which proves that
//! it can read at the address it writes from. Which ids are right is the tracker's affair.

use std::net::{Ipv4Addr, SocketAddr};

use shared::announce::{Announce, AnnounceReply, Event, MAX_SCRAPE, Scrape};
use shared::{InfoHash, PeerId};
use thiserror::Error;

use super::compact::{self, Family};

/// What every request for a connection begins with.
pub const MAGIC: u64 = 0x0417_2710_1980;
/// Bytes of a request for a connection, and of its answer.
pub const CONNECT_LENGTH: usize = 16;
/// Bytes of an announce; what follows are options (BEP 41) that are not looked at.
pub const ANNOUNCE_LENGTH: usize = 98;
/// The longest sentence of an error that is kept, in bytes.
pub const MAX_ERROR: usize = 512;

const CONNECT: u32 = 0;
const ANNOUNCE: u32 = 1;
const SCRAPE: u32 = 2;
const ERROR: u32 = 3;

/// What a client sends. `transaction` is its own mark, which the answer repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Give me a connection id.
    Connect {
        /// The mark.
        transaction: u32,
    },
    /// I am in this swarm: who else is?
    Announce {
        /// The id that the tracker gave.
        connection: u64,
        /// The mark.
        transaction: u32,
        /// What it says.
        announce: Announce,
        /// An address that it claims, if any.
        ip: Option<Ipv4Addr>,
    },
    /// How do these torrents fare?
    Scrape {
        /// The id that the tracker gave.
        connection: u64,
        /// The mark.
        transaction: u32,
        /// At least one, at most [`MAX_SCRAPE`].
        hashes: Vec<InfoHash>,
    },
}

/// What the tracker answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// The connection id.
    Connect {
        /// The mark.
        transaction: u32,
        /// To be shown for a minute (BEP 15).
        connection: u64,
    },
    /// To an announce.
    Announce {
        /// The mark.
        transaction: u32,
        /// What is answered; of it interval, counts and peers travel.
        reply: AnnounceReply,
    },
    /// To a scrape: the torrents in the order of the question.
    Scrape {
        /// The mark.
        transaction: u32,
        /// How they fare.
        files: Vec<Scrape>,
    },
    /// Not so.
    Error {
        /// The mark.
        transaction: u32,
        /// Why: text from a stranger when it was read.
        reason: String,
    },
}

/// Why a datagram means nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DatagramError {
    /// It ends too early.
    #[error("{bytes} bytes are too few")]
    Short {
        /// Its bytes.
        bytes: usize,
    },
    /// A first request that is none of this protocol.
    #[error("not the protocol's magic number")]
    Magic,
    /// A kind that nobody knows.
    #[error("action {action} is none of connect, announce, scrape")]
    Action {
        /// The mark, so that an answer can carry it.
        transaction: u32,
        /// The number.
        action: u32,
    },
    /// A number outside of what can be.
    #[error("{what} is {value}")]
    Number {
        /// The mark, so that an answer can carry it.
        transaction: u32,
        /// Of what.
        what: &'static str,
        /// What it says.
        value: u64,
    },
}

impl Request {
    /// The datagram.
    pub fn encode(&self) -> Vec<u8> {
        let head = |connection: u64, action: u32, transaction: u32| {
            [&connection.to_be_bytes()[..], &action.to_be_bytes(), &transaction.to_be_bytes()].concat()
        };
        match self {
            Self::Connect { transaction } => head(MAGIC, CONNECT, *transaction),
            Self::Announce { connection, transaction, announce, ip } => {
                let mut bytes = head(*connection, ANNOUNCE, *transaction);
                bytes.extend(announce.hash.0);
                bytes.extend(announce.peer_id.0);
                bytes.extend(announce.downloaded.to_be_bytes());
                bytes.extend(announce.left.unwrap_or(i64::MAX.unsigned_abs()).to_be_bytes());
                bytes.extend(announce.uploaded.to_be_bytes());
                bytes.extend(announce.event.number().to_be_bytes());
                bytes.extend(ip.unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
                bytes.extend(announce.key.unwrap_or(0).to_be_bytes());
                bytes.extend(i32::from(announce.wanted).to_be_bytes());
                bytes.extend(announce.port.to_be_bytes());
                bytes
            }
            Self::Scrape { connection, transaction, hashes } => {
                let mut bytes = head(*connection, SCRAPE, *transaction);
                hashes.iter().take(MAX_SCRAPE).for_each(|hash| bytes.extend(hash.0));
                bytes
            }
        }
    }

    /// Reads a datagram.
    pub fn decode(datagram: &[u8]) -> Result<Self, DatagramError> {
        let mut fields = Fields { rest: datagram, bytes: datagram.len() };
        let connection = fields.u64()?;
        let (action, transaction) = (fields.u32()?, fields.u32()?);
        match action {
            CONNECT if connection == MAGIC => Ok(Self::Connect { transaction }),
            CONNECT => Err(DatagramError::Magic),
            ANNOUNCE => Self::announce(&mut fields, connection, transaction),
            SCRAPE => {
                let mut hashes = Vec::new();
                while hashes.len() < MAX_SCRAPE && fields.rest.len() >= 20 {
                    hashes.push(InfoHash(fields.take()?));
                }
                if hashes.is_empty() {
                    return Err(DatagramError::Short { bytes: datagram.len() });
                }
                Ok(Self::Scrape { connection, transaction, hashes })
            }
            action => Err(DatagramError::Action { transaction, action }),
        }
    }

    fn announce(fields: &mut Fields<'_>, connection: u64, transaction: u32) -> Result<Self, DatagramError> {
        let (hash, peer_id) = (InfoHash(fields.take()?), PeerId(fields.take()?));
        let (downloaded, left, uploaded) = (fields.u64()?, fields.u64()?, fields.u64()?);
        let event = fields.u32()?;
        let (ip, key) = (Ipv4Addr::from(fields.take::<4>()?), fields.u32()?);
        let (asked, port) = (i32::from_be_bytes(fields.take()?), u16::from_be_bytes(fields.take()?));
        let event = Event::from_number(event).map_err(|_| DatagramError::Number {
            transaction,
            what: "event",
            value: u64::from(event),
        })?;
        let announce = Announce {
            hash,
            peer_id,
            port,
            uploaded,
            downloaded,
            left: Some(left).filter(|left| i64::try_from(*left).is_ok_and(|left| left != i64::MAX)),
            event,
            wanted: Announce::wanted(Some(i64::from(asked)), event),
            key: Some(key).filter(|key| *key != 0),
        };
        let ip = Some(ip).filter(|ip| !ip.is_unspecified());
        Ok(Self::Announce { connection, transaction, announce, ip })
    }
}

impl Response {
    /// The datagram, for a client of `family`: only its own kind of addresses fits into it.
    pub fn encode(&self, family: Family) -> Vec<u8> {
        let head =
            |action: u32, transaction: &u32| [action.to_be_bytes(), transaction.to_be_bytes()].concat();
        match self {
            Self::Connect { transaction, connection } => {
                [head(CONNECT, transaction), connection.to_be_bytes().to_vec()].concat()
            }
            Self::Announce { transaction, reply } => {
                let mut bytes = Vec::new();
                let list = compact::encode(reply.peers.iter().copied(), family);
                let numbers = (reply.interval, reply.leechers, reply.seeds);
                Self::write_announce(&mut bytes, *transaction, numbers, &list);
                bytes
            }
            Self::Scrape { transaction, files } => {
                let mut bytes = head(SCRAPE, transaction);
                for number in files.iter().flat_map(|file| [file.seeds, file.completed, file.leechers]) {
                    bytes.extend(number.to_be_bytes());
                }
                bytes
            }
            Self::Error { transaction, reason } => {
                [head(ERROR, transaction), reason.as_bytes().to_vec()].concat()
            }
        }
    }

    /// Puts the answer to an announce behind what `out` holds; `list` are peers as compact lists of the
    /// client's family have them.
    pub fn write_announce(
        out: &mut Vec<u8>,
        transaction: u32,
        (interval, leechers, seeds): (u32, u32, u32),
        list: &[u8],
    ) {
        for number in [ANNOUNCE, transaction, interval, leechers, seeds] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        out.extend_from_slice(list);
    }

    /// The mark that it repeats.
    pub fn transaction(&self) -> u32 {
        match self {
            Self::Connect { transaction, .. }
            | Self::Announce { transaction, .. }
            | Self::Scrape { transaction, .. }
            | Self::Error { transaction, .. } => *transaction,
        }
    }

    /// Reads a datagram from a tracker of `family`. Bytes that make no whole address at the end of an
    /// announce are left out, as are torrents of a scrape beyond [`MAX_SCRAPE`].
    pub fn decode(datagram: &[u8], family: Family) -> Result<Self, DatagramError> {
        let mut fields = Fields { rest: datagram, bytes: datagram.len() };
        let (action, transaction) = (fields.u32()?, fields.u32()?);
        match action {
            CONNECT => Ok(Self::Connect { transaction, connection: fields.u64()? }),
            ANNOUNCE => {
                let (interval, leechers, seeds) = (fields.u32()?, fields.u32()?, fields.u32()?);
                let whole = fields.rest.len() - fields.rest.len() % family.width();
                let list = fields.rest.get(..whole).unwrap_or_default();
                let peers: Vec<SocketAddr> = compact::decode(list, family).unwrap_or_default();
                let reply = AnnounceReply { interval, leechers, seeds, peers, ..AnnounceReply::default() };
                Ok(Self::Announce { transaction, reply })
            }
            SCRAPE => {
                let mut files = Vec::new();
                while files.len() < MAX_SCRAPE && fields.rest.len() >= 12 {
                    let (seeds, completed, leechers) = (fields.u32()?, fields.u32()?, fields.u32()?);
                    files.push(Scrape { seeds, leechers, completed });
                }
                Ok(Self::Scrape { transaction, files })
            }
            ERROR => {
                let reason = fields.rest.get(..MAX_ERROR).unwrap_or(fields.rest);
                let mut reason = String::from_utf8_lossy(reason).trim_end_matches('\0').to_owned();
                // What was not UTF-8 has grown.
                while reason.len() > MAX_ERROR {
                    reason.pop();
                }
                Ok(Self::Error { transaction, reason })
            }
            action => Err(DatagramError::Action { transaction, action }),
        }
    }
}

/// What has not been read of a datagram.
struct Fields<'a> {
    rest: &'a [u8],
    bytes: usize,
}

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], DatagramError> {
        let (field, rest) =
            self.rest.split_first_chunk().ok_or(DatagramError::Short { bytes: self.bytes })?;
        self.rest = rest;
        Ok(*field)
    }

    fn u32(&mut self) -> Result<u32, DatagramError> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, DatagramError> {
        self.take().map(u64::from_be_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn announce() -> Announce {
        Announce {
            hash: InfoHash([0xab; 20]),
            peer_id: PeerId(*b"-qB5030-abcdefghijkl"),
            port: 6881,
            uploaded: 7,
            downloaded: 8,
            left: Some(9),
            event: Event::Started,
            wanted: 50,
            key: Some(0xdead_beef),
        }
    }

    #[test]
    fn the_layout_is_that_of_the_text() {
        let connect = Request::Connect { transaction: 0x0102_0304 }.encode();
        assert_eq!(connect, [0, 0, 4, 0x17, 0x27, 0x10, 0x19, 0x80, 0, 0, 0, 0, 1, 2, 3, 4]);
        let request =
            Request::Announce { connection: 1, transaction: 2, announce: announce(), ip: None }.encode();
        assert_eq!(request.len(), ANNOUNCE_LENGTH);
        assert_eq!((&request[16..36], &request[36..44]), (&[0xab; 20][..], &b"-qB5030-"[..]));
        assert_eq!((request[63], request[71], request[79], request[83]), (8, 9, 7, 2));
        assert_eq!(
            (&request[88..92], &request[92..]),
            (&[0xde, 0xad, 0xbe, 0xef][..], &[0, 0, 0, 50, 0x1a, 0xe1][..])
        );
        let reply = AnnounceReply {
            interval: 120,
            seeds: 3,
            leechers: 4,
            peers: vec!["10.0.0.1:6881".parse().unwrap(), "[fd00::1]:6882".parse().unwrap()],
            ..AnnounceReply::default()
        };
        let response = Response::Announce { transaction: 2, reply };
        let v4 = response.encode(Family::V4);
        assert_eq!(v4[..20], [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 120, 0, 0, 0, 4, 0, 0, 0, 3]);
        assert_eq!((v4.len(), response.encode(Family::V6).len()), (26, 38));
    }

    #[test]
    fn a18_a19_a21_a22_what_is_no_request_is_named() {
        let short = |bytes: usize| Err(DatagramError::Short { bytes });
        let connect = Request::Connect { transaction: 5 }.encode();
        assert_eq!(Request::decode(&connect[..15]), short(15));
        assert_eq!(Request::decode(&[0; 16]), Err(DatagramError::Magic));
        let whole =
            Request::Announce { connection: 1, transaction: 2, announce: announce(), ip: None }.encode();
        assert_eq!(Request::decode(&whole[..97]), short(97));
        assert!(Request::decode(&[&whole[..], b"\x02\x09/announce"].concat()).is_ok(), "options follow");
        let mut odd = whole.clone();
        odd[11] = 9;
        assert_eq!(Request::decode(&odd), Err(DatagramError::Action { transaction: 2, action: 9 }));
        odd[11] = 1;
        odd[83] = 4;
        let event = DatagramError::Number { transaction: 2, what: "event", value: 4 };
        assert_eq!(Request::decode(&odd), Err(event));
        let scrape = Request::Scrape { connection: 1, transaction: 2, hashes: vec![] }.encode();
        assert_eq!(Request::decode(&scrape), short(16));
        assert_eq!(Request::decode(&[scrape, vec![1; 19]].concat()), short(35));
    }

    #[test]
    fn a08_a09_a10_a16_numbers_from_outside_are_bounded() {
        let mut bytes =
            Request::Announce { connection: 1, transaction: 2, announce: announce(), ip: None }.encode();
        for (asked, given) in [(-1, 50), (0, 0), (7, 7), (1_000_000_000, 200), (i32::MIN, 50)] {
            bytes[92..96].copy_from_slice(&i32::to_be_bytes(asked));
            let Ok(Request::Announce { announce, .. }) = Request::decode(&bytes) else { panic!("{asked}") };
            assert_eq!(announce.wanted, given);
        }
        bytes[64..72].copy_from_slice(&(-1_i64).to_be_bytes());
        let Ok(Request::Announce { announce, .. }) = Request::decode(&bytes) else { panic!("left") };
        assert_eq!(announce.left, None);
        let many = [&bytes[..8], &[0, 0, 0, 2, 0, 0, 0, 2], &[7; 20 * 80]].concat();
        let Ok(Request::Scrape { hashes, .. }) = Request::decode(&many) else { panic!("scrape") };
        assert_eq!(hashes.len(), MAX_SCRAPE);
    }

    #[test]
    fn answers_that_are_none_are_named() {
        for bytes in [&[][..], &[0; 7], &[0; 15], &[0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]] {
            assert_eq!(Response::decode(bytes, Family::V4), Err(DatagramError::Short { bytes: bytes.len() }));
        }
        let odd = [&[0, 0, 0, 3, 0, 0, 0, 2][..], &[0xff; 900]].concat();
        let Ok(Response::Error { reason, transaction: 2 }) = Response::decode(&odd, Family::V4) else {
            panic!("an error is an error")
        };
        assert!(!reason.is_empty() && reason.len() <= MAX_ERROR);
        let ragged = [&[0, 0, 0, 1][..], &[0; 16], &[10, 0, 0, 1, 0, 9, 10, 0]].concat();
        let Ok(Response::Announce { reply, .. }) = Response::decode(&ragged, Family::V4) else { panic!() };
        assert_eq!(reply.peers, ["10.0.0.1:9".parse().unwrap()]);
    }

    proptest! {
        #[test]
        fn reads_back_what_it_writes(
            connection: u64, transaction: u32, hash: [u8; 20], id: [u8; 20], port: u16,
            counts: (u64, u64), left in proptest::option::of(0..i64::MAX.unsigned_abs()),
            event in 0..3_u32, wanted in 0..=200_u16, key in proptest::option::of(1_u32..),
            numbers in proptest::collection::vec(any::<(u32, u32, u32)>(), 1..5),
        ) {
            let event = Event::from_number(event).unwrap();
            let announce = Announce {
                hash: InfoHash(hash), peer_id: PeerId(id), port, uploaded: counts.0, downloaded: counts.1, left, event, wanted, key,
            };
            let requests = [
                Request::Connect { transaction },
                Request::Announce { connection, transaction, announce, ip: None },
                Request::Scrape { connection, transaction, hashes: vec![InfoHash(hash), InfoHash(id)] },
            ];
            for request in requests {
                prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
            }
            let scrape = |(seeds, leechers, completed): &(u32, u32, u32)| Scrape {
                seeds: *seeds, leechers: *leechers, completed: *completed,
            };
            let responses = [
                Response::Connect { transaction, connection },
                Response::Scrape { transaction, files: numbers.iter().map(scrape).collect() },
                Response::Error { transaction, reason: "no".to_owned() },
            ];
            for response in responses {
                prop_assert_eq!(Response::decode(&response.encode(Family::V6), Family::V6), Ok(response));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (Request::decode(&bytes), Response::decode(&bytes, Family::V4));
        }
    }
}
