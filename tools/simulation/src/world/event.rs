//! What is to come, and to whom: kept small, as hundred thousands of them wait in a great crowd, and each
//! is written, sorted and read once.

use shared::{BlockRef, Moment, Span};
use swarm::{Input, PeerKey};
use wire::{Message, Range};

use super::deeds::size_of;

/// What goes over a connection. What there is most of has a place of its own, the rest is boxed.
#[derive(Debug, Clone)]
pub(super) enum Packet {
    Have(u32),
    Request(Range),
    Message(Box<Message>),
    /// A block, and its digest where that is not the published one.
    Block(Range, Option<Box<[u8; 32]>>),
    Gone,
}

impl From<Message> for Packet {
    fn from(message: Message) -> Self {
        match message {
            Message::Have(piece) => Self::Have(piece),
            Message::Request(range) => Self::Request(range),
            other => Self::Message(Box::new(other)),
        }
    }
}

/// What has become of something that a brain asked its shell for.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Written(BlockRef),
    Uploaded(PeerKey, Span),
    Other(Box<Input>),
}

impl From<Input> for Outcome {
    fn from(input: Input) -> Self {
        match input {
            Input::Written { block } => Self::Written(block),
            Input::Uploaded { peer, span } => Self::Uploaded(peer, span),
            other => Self::Other(Box::new(other)),
        }
    }
}

impl From<Outcome> for Input {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Written(block) => Self::Written { block },
            Outcome::Uploaded(peer, span) => Self::Uploaded { peer, span },
            Outcome::Other(input) => *input,
        }
    }
}

/// Something to come. Nodes are told by their number.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// At the far end's downlink.
    Reaches {
        node: u32,
        key: PeerKey,
        packet: Packet,
    },
    /// Through it.
    Arrives {
        node: u32,
        key: PeerKey,
        packet: Packet,
    },
    Dialled {
        node: u32,
        to: u32,
    },
    Done {
        node: u32,
        /// Which life of the node asked for it.
        start: u32,
        outcome: Outcome,
    },
    Timer {
        node: u32,
    },
    Haves(Box<Haves>),
}

/// A piece that a node has and tells many of, with the same moment of arrival: each is an event of its own,
/// and they have numbers that follow each other.
#[derive(Debug, Clone, Default)]
pub(super) struct Haves {
    pub(super) at: Moment,
    pub(super) piece: u32,
    /// Whom it reaches, in order.
    pub(super) to: Vec<(u32, PeerKey)>,
    /// How many of them it has reached.
    pub(super) reached: usize,
}

impl Haves {
    /// Adds one more, if it is of the same piece at the same moment.
    pub(super) fn takes(&mut self, at: Moment, event: &Event) -> bool {
        match event {
            Event::Arrives { node, key, packet: Packet::Have(piece) }
                if self.to.is_empty() || (at, *piece) == (self.at, self.piece) =>
            {
                (self.at, self.piece) = (at, *piece);
                self.to.push((*node, *key));
                true
            }
            _ => false,
        }
    }

    /// The next one.
    pub(super) fn next(&mut self) -> Option<Event> {
        let (node, key) = *self.to.get(self.reached)?;
        self.reached += 1;
        Some(Event::Arrives { node, key, packet: Packet::Have(self.piece) })
    }
}

impl Event {
    /// What it adds to the trace.
    pub(super) fn kind(&self) -> u64 {
        match self {
            Self::Reaches { node, key, packet } | Self::Arrives { node, key, packet } => {
                let of_packet = match packet {
                    Packet::Have(piece) => size_of(&Message::Have(*piece)),
                    Packet::Request(range) => size_of(&Message::Request(*range)),
                    Packet::Message(message) => size_of(message),
                    Packet::Block(range, _) => u64::from(range.index) << 20 | u64::from(range.begin),
                    Packet::Gone => 3,
                };
                u64::from(*node) << 40 ^ u64::from(key.0) << 20 ^ of_packet
            }
            Self::Dialled { node, to } => u64::from(*node) << 32 ^ u64::from(*to),
            Self::Done { node, .. } => u64::from(*node) + 11,
            Self::Timer { node } => u64::from(*node) + 13,
            Self::Haves(_) => 0,
        }
    }
}

/// A count as events write it: the number of a node, or of one of its lives.
pub(super) fn number(of: impl TryInto<u32>) -> u32 {
    of.try_into().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_small() {
        assert!(size_of::<Event>() <= 40, "{} bytes", size_of::<Event>());
    }

    const fn size_of<T>() -> usize {
        std::mem::size_of::<T>()
    }
}
