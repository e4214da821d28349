//! Listening in: every message of a connection as one line, for whoever asked to see it.
//!
//! While nobody listens this is one look at a number for each batch of messages. Readers and writers
//! never wait for a listener: what it does not take is dropped, counted, and told with the next line.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use shared::{InfoHash, PeerId, Span};
use tokio::sync::mpsc;
use wire::extended::HANDSHAKE_ID;
use wire::extended::handshake::ExtendedHandshake;
use wire::text::ExtendedText;
use wire::{Handshake, Message, Range};

use crate::connection::Shaken;
use crate::connection::outbox::Item;

/// How many lines may wait for a listener.
const WAITING_LINES: usize = 1024;

/// Which way a message went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TraceDirection {
    /// From the peer to us.
    In,
    /// From us to the peer.
    Out,
}

/// Which messages to tell: those that fit everything that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TraceFilter {
    /// Of this torrent, by its id.
    pub torrent: Option<InfoHash>,
    /// With the peer that says it is this one.
    pub peer_id: Option<PeerId>,
    /// With peers at this address.
    pub ip: Option<IpAddr>,
}

/// One message that went over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceLine {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// Which way.
    pub direction: TraceDirection,
    /// Of which torrent.
    pub torrent: InfoHash,
    /// The far side.
    pub address: SocketAddr,
    /// Who it is, by its own word.
    pub peer_id: PeerId,
    /// What the message says, in one line; texts of the far side are escaped.
    pub text: String,
    /// How many lines before this one were dropped because nobody took them.
    pub dropped: u64,
}

#[derive(Debug)]
struct Listener {
    filter: TraceFilter,
    lines: mpsc::Sender<TraceLine>,
    dropped: u64,
}

/// Everybody who listens to one session.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    /// How many there are, to be looked at without the lock.
    count: AtomicUsize,
    listeners: Mutex<Vec<Listener>>,
}

impl Traces {
    /// One more. It listens until it drops its end.
    pub(crate) fn listen(&self, filter: TraceFilter) -> mpsc::Receiver<TraceLine> {
        let (lines, receiver) = mpsc::channel(WAITING_LINES);
        let mut listeners = self.listeners();
        listeners.push(Listener { filter, lines, dropped: 0 });
        self.count.store(listeners.len(), Ordering::Relaxed);
        receiver
    }

    fn listeners(&self) -> std::sync::MutexGuard<'_, Vec<Listener>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one side calls its extensions, from its extension handshakes (BEP 10).
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<BTreeMap<u8, String>>);

impl Names {
    /// Looks at a message of that side.
    pub(crate) fn note(&self, message: &Message) {
        let Message::Extended { id: HANDSHAKE_ID, payload } = message else { return };
        let Ok(handshake) = ExtendedHandshake::decode(payload) else { return };
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, id) in handshake.m {
            names.retain(|_, known| *known != name);
            if id != HANDSHAKE_ID {
                names.insert(id, name);
            }
        }
    }

    fn get(&self, id: u8) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
}

/// One connection, as listeners see it.
#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) traces: Arc<Traces>,
    pub(crate) torrent: InfoHash,
    pub(crate) address: SocketAddr,
    pub(crate) peer_id: PeerId,
    /// What we call extensions: the numbers in what comes in.
    pub(crate) ours: Arc<Names>,
    /// What the far side calls them: the numbers in what goes out.
    pub(crate) theirs: Names,
}

impl Tap {
    /// Whether anybody listens to anything. A listener that comes at this moment may miss a message.
    pub(crate) fn is_open(&self) -> bool {
        self.traces.count.load(Ordering::Relaxed) > 0
    }

    /// The two messages that opened the connection.
    pub(crate) fn greeted(&self, shaken: &Shaken) {
        if !self.is_open() {
            return;
        }
        let ours = (TraceDirection::Out, &shaken.greeting.ours);
        let theirs = (TraceDirection::In, &shaken.greeting.theirs);
        let carrier = shaken.stream.carrier();
        for (direction, handshake) in if shaken.outgoing { [ours, theirs] } else { [theirs, ours] } {
            self.tell(direction, || HandshakeText { handshake, carrier }.to_string());
        }
    }

    /// A message that came in.
    pub(crate) fn came(&self, message: &Message) {
        self.tell(TraceDirection::In, || text(message, &self.ours));
    }

    /// Things that were sent, with the bytes of the messages among them.
    pub(crate) fn sent(&self, items: &[Item], bytes: &[u8], readable: &[bool]) {
        if !self.is_open() {
            return;
        }
        let mut bytes = Bytes::copy_from_slice(bytes);
        let mut readable = readable.iter();
        for item in items {
            match item {
                Item::Bytes(count) => {
                    let mut now = bytes.split_to((*count).min(bytes.len()));
                    while let Ok(Some(message)) = wire::codec::decode(&mut now) {
                        self.tell(TraceDirection::Out, || text(&message, &self.theirs));
                    }
                }
                Item::Upload(span) if readable.next() == Some(&true) => {
                    self.tell(TraceDirection::Out, || format!("piece {}", range(*span)));
                }
                Item::Upload(_) => {}
            }
        }
    }

    fn tell(&self, direction: TraceDirection, text: impl FnOnce() -> String) {
        let mut listeners = self.traces.listeners();
        let mut text = Some(text);
        let mut line: Option<TraceLine> = None;
        listeners.retain_mut(|listener| {
            if listener.lines.is_closed() {
                return false;
            }
            if !self.fits(&listener.filter) {
                return true;
            }
            if line.is_none() {
                line = text.take().map(|text| self.line(direction, text()));
            }
            let Some(mut line) = line.clone() else { return true };
            line.dropped = listener.dropped;
            match listener.lines.try_send(line) {
                Ok(()) => listener.dropped = 0,
                Err(_) => listener.dropped += 1,
            }
            true
        });
        self.traces.count.store(listeners.len(), Ordering::Relaxed);
    }

    fn fits(&self, filter: &TraceFilter) -> bool {
        filter.torrent.is_none_or(|torrent| torrent == self.torrent)
            && filter.peer_id.is_none_or(|peer_id| peer_id == self.peer_id)
            && filter.ip.is_none_or(|ip| ip == self.address.ip())
    }

    fn line(&self, direction: TraceDirection, text: String) -> TraceLine {
        let Self { torrent, address, peer_id, .. } = *self;
        TraceLine {
            at: runtime::clock::wall_millis(),
            direction,
            torrent,
            address,
            peer_id,
            text,
            dropped: 0,
        }
    }
}

fn range(span: Span) -> Range {
    Range { index: span.piece().get(), begin: span.begin(), length: span.length() }
}

fn text(message: &Message, names: &Names) -> String {
    match message {
        Message::Extended { id, payload } => {
            let name = names.get(*id);
            ExtendedText { id: *id, name: name.as_deref(), payload }.to_string()
        }
        message => message.to_string(),
    }
}

struct HandshakeText<'a> {
    handshake: &'a Handshake,
    carrier: &'static str,
}

impl fmt::Display for HandshakeText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Handshake { reserved, hash, .. } = self.handshake;
        write!(f, "handshake for {hash} over {}", self.carrier)?;
        let speaks = [
            (reserved.extended(), "extensions"),
            (reserved.fast(), "fast"),
            (reserved.v2(), "v2"),
            (reserved.dht(), "DHT"),
        ];
        let mut before = "; speaks ";
        for (_, what) in speaks.into_iter().filter(|(speaks, _)| *speaks) {
            write!(f, "{before}{what}")?;
            before = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use wire::Reserved;

    use super::*;

    fn tap(traces: &Arc<Traces>) -> Tap {
        Tap {
            traces: Arc::clone(traces),
            torrent: InfoHash([1; 20]),
            address: "10.0.0.1:5".parse().unwrap(),
            peer_id: PeerId([2; 20]),
            ours: Arc::default(),
            theirs: Names::default(),
        }
    }

    #[test]
    fn each_filter_takes_what_fits_it() {
        let traces = Arc::new(Traces::default());
        let tap = tap(&traces);
        assert!(!tap.is_open());
        let fit = TraceFilter {
            torrent: Some(tap.torrent),
            peer_id: Some(tap.peer_id),
            ip: Some(tap.address.ip()),
        };
        let mut yes = [TraceFilter::default(), fit].map(|filter| traces.listen(filter));
        let mut no = [
            TraceFilter { torrent: Some(InfoHash([9; 20])), ..fit },
            TraceFilter { peer_id: Some(PeerId([9; 20])), ..fit },
            TraceFilter { ip: Some([10, 0, 0, 2].into()), ..fit },
        ]
        .map(|filter| traces.listen(filter));
        tap.came(&Message::Have(7));
        for lines in &mut yes {
            let line = lines.try_recv().unwrap();
            assert_eq!((line.text.as_str(), line.direction), ("have 7", TraceDirection::In));
        }
        assert!(no.iter_mut().all(|lines| lines.try_recv().is_err()));
        drop((yes, no));
        tap.came(&Message::Have(8));
        assert!(!tap.is_open());
    }

    #[test]
    fn lines_that_nobody_takes_are_counted() {
        let traces = Arc::new(Traces::default());
        let tap = tap(&traces);
        let mut lines = traces.listen(TraceFilter::default());
        (0..WAITING_LINES + 5).for_each(|_| tap.came(&Message::Choke));
        (0..WAITING_LINES).for_each(|_| assert_eq!(lines.try_recv().unwrap().dropped, 0));
        tap.came(&Message::Unchoke);
        tap.came(&Message::Unchoke);
        assert_eq!(lines.try_recv().unwrap().dropped, 5);
        assert_eq!(lines.try_recv().unwrap().dropped, 0);
    }

    #[test]
    fn what_is_sent_is_told_in_order_and_what_could_not_be_read_is_not() {
        let traces = Arc::new(Traces::default());
        let tap = tap(&traces);
        let mut lines = traces.listen(TraceFilter::default());
        let layout = shared::Layout::new(100, 100).unwrap();
        let upload = |begin| Item::Upload(layout.span(0, begin, 10).unwrap());
        let mut bytes = Vec::new();
        wire::codec::encode(&Message::Unchoke, &mut bytes);
        wire::codec::encode(&Message::Have(3), &mut bytes);
        tap.sent(&[upload(0), Item::Bytes(14), upload(10)], &bytes, &[true, false]);
        let mut texts = Vec::new();
        while let Ok(line) = lines.try_recv() {
            texts.push(line.text);
        }
        assert_eq!(texts, ["piece 0 at 0, 10 bytes", "unchoke", "have 3"]);
    }

    #[test]
    fn extensions_are_called_by_the_names_of_who_reads_them() {
        let traces = Arc::new(Traces::default());
        let tap = tap(&traces);
        let mut lines = traces.listen(TraceFilter::default());
        let mut handshake = ExtendedHandshake::default();
        handshake.m.insert("ut_pex".to_owned(), 5);
        let said = |handshake: &ExtendedHandshake| Message::Extended {
            id: HANDSHAKE_ID,
            payload: handshake.encode().into(),
        };
        tap.ours.note(&said(&handshake));
        let pex = Message::Extended { id: 5, payload: Bytes::from_static(b"de") };
        tap.came(&pex);
        assert!(lines.try_recv().unwrap().text.starts_with("ut_pex"));
        handshake.m.insert("ut_pex".to_owned(), 6);
        tap.ours.note(&said(&handshake));
        tap.came(&pex);
        assert_eq!(lines.try_recv().unwrap().text, "extended 5, 2 bytes");
    }

    #[test]
    fn handshakes_say_what_the_side_speaks() {
        let handshake = Handshake {
            reserved: Reserved::default().with_fast().with_v2(),
            hash: InfoHash([1; 20]),
            peer_id: PeerId([2; 20]),
        };
        let text = |reserved| {
            let handshake = Handshake { reserved, ..handshake };
            HandshakeText { handshake: &handshake, carrier: "TCP" }.to_string()
        };
        let front = format!("handshake for {} over TCP", "01".repeat(20));
        assert_eq!(text(handshake.reserved), format!("{front}; speaks fast, v2"));
        assert_eq!(text(Reserved::default()), front);
    }
}
