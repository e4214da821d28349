//! From the outbox to the socket: many messages in one system call, blocks read from disk only when
//! their turn comes, so that a slow peer holds no memory.

use std::io;
use std::sync::Arc;

use shared::Span;
use swarm::{Input, PeerKey};
use thiserror::Error;
use wire::codec::PIECE_HEADER_LENGTH;

use crate::connection::departures::{Departures, Heard, LOOK};
use crate::connection::outbox::{Batch, Item, Outbox};
use crate::connection::stream::WriteHalf;
use crate::connection::trace::Tap;
use crate::connection::{Event, Inbox, Place};
use crate::disk::page_buffer::PageBuffer;

/// Why writing ended.
#[derive(Debug, Error)]
pub(crate) enum WriteEnd {
    /// The connection broke.
    #[error("connection lost: {0}")]
    Lost(#[from] io::Error),
    /// The torrent or the disk threads are gone.
    #[error("the torrent has ended")]
    Ended,
}

/// A connection that sends nothing for this long holds no memory for blocks.
const IDLE: std::time::Duration = std::time::Duration::from_secs(1);

/// Messages of so many bytes together do not wait for blocks that were paid for before.
const SMALL: usize = 1024;

/// Writes to one peer until the connection ends.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) half: WriteHalf,
    pub(crate) peer: PeerKey,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) inbox: Inbox,
    pub(crate) place: Arc<Place>,
    /// Room for blocks; given back when nothing has been sent for a while.
    pub(crate) buffer: PageBuffer,
    pub(crate) tap: Arc<Tap>,
    pub(crate) departures: Departures,
    pub(crate) heard: Arc<Heard>,
}

/// Items that go out together, with the bytes of their blocks.
#[derive(Debug)]
struct Group<'batch> {
    items: &'batch [Item],
    /// The encoded messages among them.
    bytes: &'batch [u8],
    /// The blocks of the uploads that could be read, one behind the other; without uploads, whatever was
    /// sent before.
    blocks: PageBuffer,
    /// Which of the uploads those are.
    readable: Vec<bool>,
}

impl Writer {
    /// Never returns while the connection is good.
    pub(crate) async fn run(&mut self) -> WriteEnd {
        loop {
            let outcome = if self.departures.is_waiting() {
                tokio::select! {
                    biased;
                    batch = self.outbox.take() => self.send(batch).await,
                    () = self.heard.wait() => self.report(Vec::new()).await,
                    () = tokio::time::sleep(LOOK) => self.report(Vec::new()).await,
                }
            } else if let Ok(batch) = tokio::time::timeout(IDLE, self.outbox.take()).await {
                self.send(batch).await
            } else {
                self.buffer = PageBuffer::default();
                let batch = self.outbox.take().await;
                self.send(batch).await
            };
            if let Err(end) = outcome {
                return end;
            }
        }
    }

    /// Tells the brain of the blocks whose end nobody will learn: they were handed on.
    pub(crate) async fn end(&mut self) {
        let peer = self.peer;
        let rest = self.departures.end().into_iter().map(|span| Input::Uploaded { peer, span }).collect();
        let _ = self.inbox.send(Event::Inputs(rest)).await.is_ok();
    }

    async fn send(&mut self, batch: Batch) -> Result<(), WriteEnd> {
        let mut items = batch.items.as_slice();
        let mut bytes = batch.bytes.as_slice();
        let mut buffer = std::mem::take(&mut self.buffer);
        while !items.is_empty() {
            let quantum = self.place.up.quantum();
            let (count, encoded) = match items.first() {
                // A request or a `have` is worth more to both sides than the block behind it.
                Some(Item::Bytes(bytes)) if *bytes <= SMALL && self.place.up.is_limited() => (1, *bytes),
                _ => group_length(items, quantum),
            };
            let (now, later) = items.split_at(count);
            let (now_bytes, later_bytes) = bytes.split_at(encoded.min(bytes.len()));
            (items, bytes) = (later, later_bytes);
            let spans: Vec<Span> = uploads(now).collect();
            let readable = if spans.is_empty() {
                Vec::new()
            } else {
                let (read, readable) = self.place.read(spans.clone(), buffer).await.ok_or(WriteEnd::Ended)?;
                buffer = read;
                readable
            };
            let group = Group { items: now, bytes: now_bytes, blocks: buffer, readable };
            self.write(&group).await?;
            self.tap.sent(group.items, group.bytes, &group.readable);
            let unreadable = self.depart(&group);
            self.report(unreadable).await?;
            buffer = group.blocks;
        }
        self.buffer = buffer;
        Ok(())
    }

    /// Pays for a whole group and writes it.
    async fn write(&mut self, group: &Group<'_>) -> Result<(), WriteEnd> {
        let headers = group.headers();
        let mut slices = group.slices(&headers);
        let length = slices.iter().map(|slice| slice.len()).sum();
        if group.readable.is_empty() && length <= SMALL {
            self.place.up.pay_ahead(length).await;
        } else {
            self.place.up.pay(length).await;
        }
        let Self { half, departures, inbox, peer, .. } = self;
        let mut write = std::pin::pin!(half.write_all(&mut slices));
        loop {
            match tokio::time::timeout(LOOK, &mut write).await {
                Ok(outcome) => return Ok(outcome?),
                // What was written before may leave while this waits for room.
                Err(_) => report(departures, inbox, *peer, Vec::new()).await?,
            }
        }
    }

    async fn report(&mut self, unreadable: Vec<Span>) -> Result<(), WriteEnd> {
        report(&mut self.departures, &self.inbox, self.peer, unreadable).await
    }

    /// Notes what was written; gives the blocks that could not be read.
    fn depart(&mut self, group: &Group<'_>) -> Vec<Span> {
        let mut unreadable = Vec::new();
        let mut readable = group.readable.iter();
        for item in group.items {
            match item {
                Item::Bytes(count) => self.departures.wrote(*count),
                Item::Upload(span) if readable.next() == Some(&true) => {
                    self.departures.wrote_block(*span, span.length() as usize + PIECE_HEADER_LENGTH);
                }
                Item::Upload(span) => unreadable.push(*span),
            }
        }
        unreadable
    }
}

/// Tells the brain which blocks have left, and which could not be read.
async fn report(
    departures: &mut Departures,
    inbox: &Inbox,
    peer: PeerKey,
    unreadable: Vec<Span>,
) -> Result<(), WriteEnd> {
    let left = if departures.is_waiting() { departures.left() } else { Vec::new() };
    let inputs: Vec<_> = left
        .into_iter()
        .map(|span| Input::Uploaded { peer, span })
        .chain(unreadable.into_iter().map(|span| Input::UploadFailed { peer, span }))
        .collect();
    if inputs.is_empty() {
        return Ok(());
    }
    inbox.send(Event::Inputs(inputs)).await.map_err(|_| WriteEnd::Ended)
}

fn uploads(items: &[Item]) -> impl Iterator<Item = Span> + '_ {
    items.iter().filter_map(|item| match item {
        Item::Upload(span) => Some(*span),
        Item::Bytes(_) => None,
    })
}

/// How many of the items go out together, at least one and about `quantum` bytes, and how many
/// encoded bytes are among them.
fn group_length(items: &[Item], quantum: usize) -> (usize, usize) {
    let (mut total, mut encoded, mut count) = (0, 0, 0);
    for item in items {
        match item {
            Item::Bytes(bytes) => {
                encoded += bytes;
                total += bytes;
            }
            Item::Upload(span) => total += span.length() as usize + PIECE_HEADER_LENGTH,
        }
        if count > 0 && total > quantum {
            if let Item::Bytes(bytes) = item {
                encoded -= bytes;
            }
            break;
        }
        count += 1;
    }
    (count, encoded)
}

impl<'batch> Group<'batch> {
    fn headers(&self) -> Vec<[u8; PIECE_HEADER_LENGTH]> {
        uploads(self.items)
            .map(|span| wire::codec::piece_header(span.piece().get(), span.begin(), span.length() as usize))
            .collect()
    }

    /// Everything to write, in order. Uploads that could not be read are left out.
    fn slices<'all>(&'all self, headers: &'all [[u8; PIECE_HEADER_LENGTH]]) -> Vec<io::IoSlice<'all>>
    where
        'batch: 'all,
    {
        let mut slices = Vec::with_capacity(self.items.len() * 2);
        let (mut bytes, mut blocks) = (self.bytes, &*self.blocks);
        let mut uploads = headers.iter().zip(&self.readable);
        for item in self.items {
            match item {
                Item::Bytes(count) => {
                    let (now, later) = bytes.split_at((*count).min(bytes.len()));
                    bytes = later;
                    slices.push(io::IoSlice::new(now));
                }
                Item::Upload(span) => {
                    if let Some((header, true)) = uploads.next() {
                        let (now, later) = blocks.split_at((span.length() as usize).min(blocks.len()));
                        blocks = later;
                        slices.push(io::IoSlice::new(header));
                        slices.push(io::IoSlice::new(now));
                    }
                }
            }
        }
        slices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(bytes: &[u8]) -> PageBuffer {
        let mut blocks = PageBuffer::default();
        blocks.set_length(bytes.len());
        blocks.copy_from_slice(bytes);
        blocks
    }

    #[test]
    fn groups_are_about_a_quantum_and_never_empty() {
        let layout = shared::Layout::new(1 << 20, 1 << 20).unwrap();
        let block = Item::Upload(layout.span(0, 0, 16384).unwrap());
        assert_eq!(group_length(&[block, block, block], 33_000), (2, 0));
        assert_eq!(group_length(&[Item::Bytes(50), block, block], 10), (1, 50));
        assert_eq!(group_length(&[block, Item::Bytes(50_000), block], 33_000), (1, 0));
        assert_eq!(group_length(&[block], 1), (1, 0));
    }

    #[test]
    fn what_could_not_be_read_leaves_no_trace() {
        let layout = shared::Layout::new(100, 100).unwrap();
        let span = |begin| Item::Upload(layout.span(0, begin, 3).unwrap());
        let items = [Item::Bytes(2), span(0), span(3), Item::Bytes(1), span(6)];
        let group = Group {
            items: &items,
            bytes: b"abc",
            blocks: blocks(b"123789"),
            readable: vec![true, false, true],
        };
        let headers = group.headers();
        let sent: Vec<u8> = group.slices(&headers).iter().flat_map(|slice| slice.to_vec()).collect();
        let header = |begin| wire::codec::piece_header(0, begin, 3).to_vec();
        assert_eq!(
            sent,
            [b"ab".to_vec(), header(0), b"123".to_vec(), b"c".to_vec(), header(6), b"789".to_vec()].concat()
        );
    }

    #[test]
    fn messages_without_uploads_are_alone_although_blocks_were_sent_before() {
        let blocks = blocks(b"sent before");
        let group = Group { items: &[Item::Bytes(3)], bytes: b"abc", blocks, readable: Vec::new() };
        let lengths: Vec<usize> = group.slices(&[]).iter().map(|slice| slice.len()).collect();
        assert_eq!(lengths, [3]);
    }
}
