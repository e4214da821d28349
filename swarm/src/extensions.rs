//! The extensions that we take (BEP 10), one line each, and the handshake that tells of them.
//!
//! An extension is added with its line in [`TABLE`], the condition on which it is offered in
//! `Torrent::offers`, and the part that deals with its messages in `Torrent::extension`. Nothing wrong
//! in an extended message ends a connection at once: it counts as a nuisance.

use bytes::Bytes;
use shared::Moment;
use wire::Message;
use wire::extended::handshake::ExtendedHandshake;
use wire::extended::{HANDSHAKE_ID, lt_donthave, ut_holepunch, ut_metadata, ut_pex};

use crate::io::PeerKey;
use crate::peer::Peer;
use crate::torrent::Torrent;

/// An extension that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extension {
    /// The info dictionary in pieces (BEP 9).
    Metadata,
    /// Who is connected to whom (BEP 11).
    PeerExchange,
    /// A piece that was had and is lost (BEP 54).
    DontHave,
    /// Meeting through a third (BEP 55).
    Holepunch,
}

/// Each extension with the number under which we take its messages, and its name.
const TABLE: &[(Extension, u8, &str)] = &[
    (Extension::Metadata, 1, ut_metadata::NAME),
    (Extension::PeerExchange, 2, ut_pex::NAME),
    (Extension::DontHave, 3, lt_donthave::NAME),
    (Extension::Holepunch, 4, ut_holepunch::NAME),
];

/// The number under which the far side takes messages of each extension, in the order of [`TABLE`]; 0 is
/// that it does not.
pub(crate) type Numbers = [u8; TABLE.len()];

impl Extension {
    fn of(number: u8) -> Option<Self> {
        TABLE.iter().find(|(_, known, _)| *known == number).map(|(extension, _, _)| *extension)
    }

    /// Whether an extended message under this number is about pieces, and has to wait until the content
    /// is known.
    pub(crate) fn is_about_pieces(number: u8) -> bool {
        Self::of(number) == Some(Self::DontHave)
    }

    fn place(self) -> usize {
        self as usize
    }
}

impl Peer {
    /// The number under which the far side takes messages of `extension`; `None` when it does not.
    pub(crate) fn takes(&self, extension: Extension) -> Option<u8> {
        self.about.numbers.get(extension.place()).copied().filter(|number| *number != 0)
    }

    /// A message of `extension`, for a far side that takes it.
    pub(crate) fn extended(&self, extension: Extension, payload: Vec<u8>) -> Option<Message> {
        self.takes(extension).map(|id| Message::Extended { id, payload: payload.into() })
    }

    /// Where the far side takes connections, as far as known: where we dialled it, or the port of its
    /// extension handshake.
    pub(crate) fn listens_at(&self) -> Option<std::net::SocketAddr> {
        if self.identity.outgoing {
            return Some(self.identity.address);
        }
        let port = self.about.said.as_ref().and_then(|said| said.port);
        port.map(|port| (self.identity.address.ip(), port).into()).or(self
            .about
            .dial_addresses
            .first()
            .copied())
    }
}

impl Torrent {
    /// Whether we take messages of `extension` now.
    fn offers(&self, extension: Extension) -> bool {
        match extension {
            Extension::Metadata | Extension::DontHave => true,
            Extension::PeerExchange => self.exchanges_peers(),
            Extension::Holepunch => self.punches_holes(),
        }
    }

    /// A message of `extension` came from `key`.
    fn extension(&mut self, extension: Extension, key: PeerKey, payload: &Bytes, now: Moment) {
        match extension {
            Extension::Metadata => self.metadata_message(key, payload, now),
            Extension::PeerExchange => self.acquaintances_told(key, payload, now),
            Extension::DontHave => self.dont_have(key, payload, now),
            Extension::Holepunch => self.holepunch_message(key, payload, now),
        }
    }

    /// Sends our extension handshake to `key`: at the start, and again when what it says has changed.
    pub(crate) fn greet(&mut self, key: PeerKey, now: Moment) {
        let taken: Vec<_> =
            TABLE.iter().map(|entry| entry.0).filter(|extension| self.offers(*extension)).collect();
        let raw_info = self.download.content.raw_info.as_ref();
        let size = raw_info.and_then(|raw| u32::try_from(raw.len()).ok());
        let complete = self.content_known && self.download.is_complete();
        let Some(peer) = self.peers.get_mut(key).filter(|peer| peer.identity.extended) else { return };
        // What was offered and is not any more is switched off by number 0.
        let known =
            TABLE.iter().filter(|entry| taken.contains(&entry.0) || peer.about.offered.contains(&entry.0));
        let m = known.map(|(extension, number, name)| {
            ((*name).to_owned(), if taken.contains(extension) { *number } else { 0 })
        });
        let said = ExtendedHandshake {
            m: m.collect(),
            version: Some(self.config.client.clone()),
            port: self.config.listen_port,
            metadata_size: size.filter(|size| (1..=ut_metadata::MAX_METADATA_SIZE).contains(size)),
            reqq: u32::try_from(self.config.max_queued_requests).ok(),
            yourip: Some(peer.identity.address.ip()),
            upload_only: complete && peer.supply.revealed.is_none(),
        };
        peer.about.offered = taken;
        let message = Message::Extended { id: HANDSHAKE_ID, payload: said.encode().into() };
        self.out.send(peer, message, now);
    }

    /// Sends our extension handshake to everybody again.
    pub(crate) fn greet_all(&mut self, now: Moment) {
        for key in self.peers.keys().collect::<Vec<_>>() {
            self.greet(key, now);
        }
    }

    /// An extended message came from `key`.
    pub(crate) fn extended(&mut self, key: PeerKey, id: u8, payload: &Bytes, now: Moment) {
        if id == HANDSHAKE_ID {
            self.greeted(key, payload, now);
        } else if let Some(extension) = Extension::of(id).filter(|extension| self.offers(*extension)) {
            self.extension(extension, key, payload, now);
        } else {
            self.nuisance(key, now);
        }
    }

    /// The extension handshake of `key`, the first or a later one.
    fn greeted(&mut self, key: PeerKey, payload: &Bytes, now: Moment) {
        let Ok(mut said) = ExtendedHandshake::decode(payload) else {
            self.nuisance(key, now);
            return;
        };
        let Some(peer) = self.peers.get_mut(key) else { return };
        // The names are not kept, only the numbers of those that we know.
        let m = std::mem::take(&mut said.m);
        for (number, (_, _, name)) in peer.about.numbers.iter_mut().zip(TABLE) {
            *number = m.get(*name).copied().unwrap_or(*number);
        }
        let again = peer.about.said.is_some();
        if let Some(before) = peer.about.said.as_mut() {
            before.update(said);
        } else {
            peer.about.said = Some(said);
        }
        if let Some(most) = peer.about.said.as_ref().and_then(|said| said.reqq) {
            peer.leech.pipeline.allow(most as usize);
        }
        self.seen_as = None;
        self.metadata_offered(key, now);
        if again {
            // Each may say more than before, but not without end.
            self.nuisance(key, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_extension_has_its_own_number_and_name() {
        for (at, (extension, number, name)) in TABLE.iter().enumerate() {
            assert_ne!(*number, HANDSHAKE_ID);
            assert_eq!((Extension::of(*number), extension.place()), (Some(*extension), at));
            assert!(TABLE.iter().skip(at + 1).all(|(_, other, said)| other != number && said != name));
        }
        assert_eq!(Extension::of(250), None);
    }
}
