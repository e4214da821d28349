//! One peer's connection: a reader and a writer task, which end together.

pub(crate) mod departures;
pub(crate) mod handshake;
mod ledbat;
pub(crate) mod mse;
pub(crate) mod outbox;
pub(crate) mod reader;
pub(crate) mod stream;
pub(crate) mod trace;
pub(crate) mod utp;
mod utp_socket;
pub(crate) mod writer;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use runtime::unacknowledged::Unacknowledged;
use shared::{InfoHash, Span};
use swarm::{Input, PeerKey};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;
use wire::Range;

use crate::bandwidth::Bucket;
use crate::connection::departures::{Departures, Heard};
use crate::connection::handshake::Greeting;
use crate::connection::outbox::Outbox;
use crate::connection::reader::Reader;
use crate::connection::stream::Stream;
use crate::connection::trace::{Names, Tap, Traces};
use crate::connection::writer::Writer;
use crate::disk::page_buffer::PageBuffer;
use crate::disk::source::Source;
use crate::disk::storage::Storage;
use crate::error::TorrentError;
use crate::receive_memory::ReceiveMemory;
use crate::torrent::Command;
use crate::torrent::finish::Finished;
use crate::workers::Workers;

/// What reaches a torrent task.
#[derive(Debug)]
pub(crate) enum Event {
    /// Things for the brain, in the order in which they happened.
    Inputs(Vec<Input>),
    /// A connection has shaken hands.
    Attach(Box<Shaken>),
    /// A connection has ended.
    Gone(PeerKey),
    /// A finished download has its final name, or could not get it.
    Finished(Result<Finished, TorrentError>),
    /// The torrent file was written with all that is known of it, or could not be.
    Kept(Result<(), TorrentError>),
    /// A file cannot be read or written.
    FileTrouble(TorrentError),
    /// These pieces, which were lost, are there again.
    Found(Vec<shared::PieceIndex>),
    /// So many bytes are free on the disk that was full.
    Room(u64),
    /// The session wants something.
    Command(Command),
}

/// Into a torrent task.
pub(crate) type Inbox = mpsc::Sender<Event>;

/// A connection that has shaken hands and belongs to nobody yet.
#[derive(Debug)]
pub(crate) struct Shaken {
    pub(crate) stream: Stream,
    pub(crate) address: SocketAddr,
    pub(crate) outgoing: bool,
    pub(crate) greeting: Greeting,
    /// One of the session's connections.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// What all connections of one torrent share.
#[derive(Debug)]
pub(crate) struct Place {
    /// The torrent's id.
    pub(crate) torrent: InfoHash,
    pub(crate) traces: Arc<Traces>,
    pub(crate) memory: Arc<ReceiveMemory>,
    pub(crate) up: Arc<Bucket>,
    pub(crate) down: Arc<Bucket>,
    pub(crate) disk: Arc<Workers>,
    /// Tells what has left; not there where the system does not tell.
    pub(crate) unacknowledged: Option<Arc<Unacknowledged>>,
    /// The content; not there until it is known.
    pub(crate) source: OnceLock<Arc<Source>>,
    /// Its files, also while they are being checked.
    pub(crate) storage: OnceLock<Arc<Storage>>,
    /// The unfinished file or folder that no other torrent may take meanwhile.
    pub(crate) claimed: Mutex<Option<PathBuf>>,
}

impl Place {
    /// The files, as soon as a place for them was found.
    pub(crate) fn storage(&self) -> Option<Arc<Storage>> {
        // A second try may have found another than the first.
        self.source.get().map(|source| source.storage()).or_else(|| self.storage.get()).map(Arc::clone)
    }

    /// What is claimed for it, locked for a moment.
    pub(crate) fn claimed(&self) -> MutexGuard<'_, Option<PathBuf>> {
        self.claimed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this range is a block whose SHA-256 the brain can compare with something.
    fn wants_leaf(&self, range: Range) -> bool {
        self.source.get().is_some_and(|source| {
            let layout = source.storage().layout();
            let span = layout.span(range.index, range.begin, range.length);
            source.has_trees() && span.is_some_and(|span| layout.block_of(span).is_some())
        })
    }

    /// Reads spans into this buffer or a larger one: the bytes of those that could be read, and which
    /// those are. What is in memory is read at once, all else on a disk thread. `None` when the disk
    /// threads have ended.
    async fn read(&self, spans: Vec<Span>, mut buffer: PageBuffer) -> Option<(PageBuffer, Vec<bool>)> {
        let source = Arc::clone(self.source.get()?);
        if source.read_cached(&spans, &mut buffer) {
            return Some((buffer, vec![true; spans.len()]));
        }
        self.disk.run(move || source.read(&spans, buffer)).await
    }
}

/// The torrent task's side of a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// What to send.
    pub(crate) outbox: Arc<Outbox>,
    /// Ends both tasks.
    pub(crate) end: CancellationToken,
}

impl Connection {
    /// Starts the tasks of a connection. [`Event::Gone`] is the last that comes of it.
    pub(crate) fn start(shaken: Shaken, peer: PeerKey, inbox: Inbox, place: Arc<Place>) -> Self {
        let tap = Arc::new(Tap {
            traces: Arc::clone(&place.traces),
            torrent: place.torrent,
            address: shaken.address,
            peer_id: shaken.greeting.peer_id,
            ours: Arc::default(),
            theirs: Names::default(),
        });
        tap.greeted(&shaken);
        let outbox = Arc::new(Outbox::new(Arc::clone(&tap.ours)));
        let end = CancellationToken::new();
        let connection = Self { outbox: Arc::clone(&outbox), end: end.clone() };
        let Shaken { stream, address, permit, .. } = shaken;
        let (read_half, write_half, rest) = stream.into_halves();
        let (write_inbox, write_place) = (inbox.clone(), Arc::clone(&place));
        let write_end = end.clone();
        let departures = Departures::new(place.unacknowledged.clone(), write_half.ends());
        let heard = Arc::<Heard>::default();
        let mut writer = Writer {
            departures,
            heard: Arc::clone(&heard),
            half: write_half,
            peer,
            outbox,
            inbox: write_inbox,
            place: write_place,
            buffer: PageBuffer::default(),
            tap: Arc::clone(&tap),
        };
        let writing = runtime::spawn("connection writer", async move {
            let _ends_both = write_end.clone().drop_guard();
            tokio::select! {
                why = writer.run() => tracing::debug!(%address, %why, "connection ended while writing"),
                () = write_end.cancelled() => {}
            }
            writer.end().await;
        });
        let mut reader = Reader { half: read_half, peer, inbox: inbox.clone(), place, rest, tap, heard };
        let read_end = end;
        let _detached = runtime::spawn("connection reader", async move {
            let guard = read_end.clone().drop_guard();
            tokio::select! {
                why = reader.run() => tracing::debug!(%address, %why, "connection ended while reading"),
                () = read_end.cancelled() => {}
            }
            drop((guard, reader));
            let _ = writing.await.is_ok();
            drop(permit);
            let _ = inbox.send(Event::Gone(peer)).await.is_ok();
        });
        connection
    }
}
