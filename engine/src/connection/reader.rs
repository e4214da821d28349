//! From the socket to the torrent's inbox: large reads into shared memory, messages cut out without
//! copying, blocks hashed on the spot, one batch of inputs for each read.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use swarm::{Input, PeerKey};
use thiserror::Error;
use wire::{Message, Range};

use crate::connection::departures::Heard;
use crate::connection::stream::ReadHalf;
use crate::connection::trace::Tap;
use crate::connection::{Event, Inbox, Place};
use crate::receive_memory::{BUFFER_LENGTH, Buffer};

/// Why reading ended.
#[derive(Debug, Error)]
pub(crate) enum ReadEnd {
    /// The far side closed.
    #[error("closed by the far side")]
    Closed,
    /// The connection broke.
    #[error("connection lost: {0}")]
    Lost(#[from] io::Error),
    /// The far side broke the protocol.
    #[error("{0}")]
    Violation(#[from] wire::Violation),
    /// The torrent is gone.
    #[error("the torrent has ended")]
    Ended,
}

/// Reads one peer until the connection ends.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) half: ReadHalf,
    pub(crate) peer: PeerKey,
    pub(crate) inbox: Inbox,
    pub(crate) place: Arc<Place>,
    /// The head of a message that has not arrived whole.
    pub(crate) rest: Vec<u8>,
    pub(crate) tap: Arc<Tap>,
    pub(crate) heard: Arc<Heard>,
}

impl Reader {
    /// Never returns while the connection is good.
    pub(crate) async fn run(&mut self) -> ReadEnd {
        // What came with the handshake.
        let early = std::mem::take(&mut self.rest);
        if let Err(end) = self.hand_on(early.into()).await {
            return end;
        }
        loop {
            if let Err(end) = self.turn().await {
                return end;
            }
        }
    }

    /// Waits until something comes, reads what there is, and hands it on.
    async fn turn(&mut self) -> Result<(), ReadEnd> {
        self.half.readable().await?;
        let wanted = wire::codec::frame_length(&self.rest)?.unwrap_or(0);
        let (bytes, came) = if wanted > BUFFER_LENGTH {
            let came = self.read_long(wanted)?;
            self.place.down.pay(came).await;
            if self.rest.len() < wanted {
                return Ok(());
            }
            (Bytes::from(std::mem::take(&mut self.rest)), 0)
        } else {
            self.read().await?
        };
        self.heard.came();
        self.place.down.pay(came).await;
        self.hand_on(bytes).await
    }

    /// Cuts out whole messages; the head of one more stays here.
    async fn hand_on(&mut self, mut bytes: Bytes) -> Result<(), ReadEnd> {
        let mut inputs = Vec::new();
        let mut unhashed = Vec::new();
        let traced = self.tap.is_open();
        while let Some(message) = wire::codec::decode(&mut bytes)? {
            if traced {
                self.tap.came(&message);
            }
            self.tap.theirs.note(&message);
            let input = self.input(message);
            if let Input::Block { range, .. } = &input
                && self.place.wants_leaf(*range)
            {
                unhashed.push(inputs.len());
            }
            inputs.push(input);
        }
        hash(&mut inputs, &unhashed);
        self.rest.clear();
        self.rest.extend_from_slice(&bytes);
        drop(bytes);
        if inputs.is_empty() {
            return Ok(());
        }
        self.inbox.send(Event::Inputs(inputs)).await.map_err(|_| ReadEnd::Ended)
    }

    /// Fills one buffer, as far as there is something to read: the rest of last time and what came.
    async fn read(&mut self) -> Result<(Bytes, usize), ReadEnd> {
        let mut buffer: Buffer = self.place.memory.take().await.ok_or(ReadEnd::Ended)?;
        let before = self.rest.len();
        let most = (before + self.place.down.quantum()).min(BUFFER_LENGTH);
        let space = buffer.as_mut().get_mut(..most).unwrap_or_default();
        if let Some(head) = space.get_mut(..before) {
            head.copy_from_slice(&self.rest);
        }
        let mut filled = before;
        while filled < most {
            match self.half.try_read(space.get_mut(filled..).unwrap_or_default()) {
                Ok(0) if filled == before => return Err(ReadEnd::Closed),
                // The end comes again with the next turn.
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok((buffer.into_bytes(filled), filled - before))
    }

    /// Goes on with a message that is longer than a buffer. It grows with what has arrived, up to the
    /// longest message that is believed.
    fn read_long(&mut self, wanted: usize) -> Result<usize, ReadEnd> {
        let before = self.rest.len();
        let more = wanted.saturating_sub(before).min(self.place.down.quantum());
        self.rest.resize(before + more, 0);
        let read = self.half.try_read(self.rest.get_mut(before..).unwrap_or_default());
        self.rest.truncate(before + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(0) => Err(ReadEnd::Closed),
            Ok(read) => Ok(read),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Ok(0)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn input(&self, message: Message) -> Input {
        match message {
            Message::Piece { index, begin, data } => {
                let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
                let range = Range { index, begin, length };
                Input::Block { peer: self.peer, range, data, leaf: None }
            }
            message => Input::Message { peer: self.peer, message },
        }
    }
}

/// Gives the blocks at `unhashed` their leaves, all of one read together: two at once are nearly twice as fast.
fn hash(inputs: &mut [Input], unhashed: &[usize]) {
    let blocks: Vec<&[u8]> = unhashed.iter().filter_map(|at| block(inputs.get(*at)?)).collect();
    let leaves = hashes::sha256_each(&blocks);
    for (at, made) in unhashed.iter().zip(leaves) {
        if let Some(Input::Block { leaf, .. }) = inputs.get_mut(*at) {
            *leaf = Some(made);
        }
    }
}

fn block(input: &Input) -> Option<&[u8]> {
    let Input::Block { data, .. } = input else { return None };
    Some(data)
}
