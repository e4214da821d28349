//! Every message as one line for a person's eyes. Texts of strangers are escaped; nothing is decided here.

use std::fmt;

use bytes::Bytes;
use shared::display::escape;

use crate::extended::handshake::ExtendedHandshake;
use crate::extended::lt_donthave::{self, LtDontHave};
use crate::extended::ut_holepunch::{self, UtHolepunch};
use crate::extended::ut_metadata::{self, UtMetadata};
use crate::extended::ut_pex::{self, UtPex};
use crate::extended::{ExtendedError, HANDSHAKE_ID};
use crate::message::{HashRange, Message, Range};

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}, {} bytes", self.index, self.begin, self.length)
    }
}

impl fmt::Display for HashRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pieces_root, base_layer, index, length, proof_layers } = self;
        for byte in pieces_root.iter().take(4) {
            write!(f, "{byte:02x}")?;
        }
        write!(f, "… layer {base_layer}, {length} from {index}")?;
        write!(f, ", {proof_layers} proof layers")
    }
}

/// An extended message is told by its number only, as the message does not say which extension that
/// is; see [`ExtendedText`].
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeepAlive => f.write_str("keep-alive"),
            Self::Choke => f.write_str("choke"),
            Self::Unchoke => f.write_str("unchoke"),
            Self::Interested => f.write_str("interested"),
            Self::NotInterested => f.write_str("not interested"),
            Self::Have(piece) => write!(f, "have {piece}"),
            Self::Bitfield(bits) => {
                let pieces: u32 = bits.iter().map(|byte| byte.count_ones()).sum();
                write!(f, "bitfield of {} bytes, {pieces} pieces", bits.len())
            }
            Self::Request(range) => write!(f, "request {range}"),
            Self::Piece { index, begin, data } => write!(f, "piece {index} at {begin}, {} bytes", data.len()),
            Self::Cancel(range) => write!(f, "cancel {range}"),
            Self::Port(port) => write!(f, "DHT port {port}"),
            Self::Suggest(piece) => write!(f, "suggest {piece}"),
            Self::HaveAll => f.write_str("have all"),
            Self::HaveNone => f.write_str("have none"),
            Self::Reject(range) => write!(f, "reject {range}"),
            Self::AllowedFast(piece) => write!(f, "allowed fast {piece}"),
            Self::Extended { id, payload } => {
                let name = (*id == HANDSHAKE_ID).then_some(HANDSHAKE);
                ExtendedText { id: *id, name, payload }.fmt(f)
            }
            Self::HashRequest(range) => write!(f, "hash request {range}"),
            Self::Hashes(range, hashes) => write!(f, "hashes {range}, {} bytes", hashes.len()),
            Self::HashReject(range) => write!(f, "hash reject {range}"),
            Self::Unknown(id) => write!(f, "unknown message {id}"),
        }
    }
}

const HANDSHAKE: &str = "extension handshake";

/// An extended message whose extension is known: written as what it says.
#[derive(Debug, Clone, Copy)]
pub struct ExtendedText<'a> {
    /// Its number.
    pub id: u8,
    /// What the receiver calls that number in its extension handshake; `None` when it never did.
    pub name: Option<&'a str>,
    /// What it says.
    pub payload: &'a Bytes,
}

impl fmt::Display for ExtendedText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name, payload } = *self;
        let bytes = payload.len();
        match name {
            _ if id == HANDSHAKE_ID => say(f, HANDSHAKE, bytes, ExtendedHandshake::decode(payload)),
            Some(name @ ut_metadata::NAME) => say(f, name, bytes, UtMetadata::decode(payload)),
            Some(name @ ut_pex::NAME) => say(f, name, bytes, UtPex::decode(payload)),
            Some(name @ ut_holepunch::NAME) => say(f, name, bytes, UtHolepunch::decode(payload)),
            Some(name @ lt_donthave::NAME) => say(f, name, bytes, LtDontHave::decode(payload)),
            Some(name) => write!(f, "extended {id} ({}), {bytes} bytes", escape(name)),
            None => write!(f, "extended {id}, {bytes} bytes"),
        }
    }
}

fn say<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    bytes: usize,
    read: Result<T, ExtendedError>,
) -> fmt::Result {
    match read {
        Ok(message) => write!(f, "{name}: {message}"),
        Err(error) => write!(f, "{name}, {bytes} bytes that mean nothing: {error}"),
    }
}

impl fmt::Display for ExtendedHandshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(self.version.as_deref().unwrap_or("a program without name")))?;
        if let Some(port) = self.port {
            write!(f, ", port {port}")?;
        }
        if let Some(size) = self.metadata_size {
            write!(f, ", metadata of {size} bytes")?;
        }
        if let Some(reqq) = self.reqq {
            write!(f, ", holds {reqq} requests")?;
        }
        if let Some(ip) = self.yourip {
            write!(f, ", you are {ip}")?;
        }
        if self.upload_only {
            f.write_str(", wants no data")?;
        }
        for (at, (name, id)) in self.m.iter().enumerate() {
            write!(f, "{}{}={id}", if at == 0 { "; " } else { " " }, escape(name))?;
        }
        Ok(())
    }
}

impl fmt::Display for UtMetadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { piece } => write!(f, "request {piece}"),
            Self::Data { piece, total_size, data } => {
                write!(f, "data {piece}, {} of {total_size} bytes", data.len())
            }
            Self::Reject { piece } => write!(f, "reject {piece}"),
            Self::Unknown(kind) => write!(f, "unknown kind {kind}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_one_line() {
        let range = Range { index: 3, begin: 16_384, length: 16_384 };
        let hashes =
            HashRange { pieces_root: [0xab; 32], base_layer: 0, index: 512, length: 256, proof_layers: 4 };
        let bytes = Bytes::from_static;
        for (message, text) in [
            (Message::KeepAlive, "keep-alive"),
            (Message::Choke, "choke"),
            (Message::Unchoke, "unchoke"),
            (Message::Interested, "interested"),
            (Message::NotInterested, "not interested"),
            (Message::Have(17), "have 17"),
            (Message::Bitfield(bytes(&[0xff, 0x80])), "bitfield of 2 bytes, 9 pieces"),
            (Message::Request(range), "request 3 at 16384, 16384 bytes"),
            (Message::Piece { index: 3, begin: 0, data: bytes(b"abc") }, "piece 3 at 0, 3 bytes"),
            (Message::Cancel(range), "cancel 3 at 16384, 16384 bytes"),
            (Message::Port(6881), "DHT port 6881"),
            (Message::Suggest(4), "suggest 4"),
            (Message::HaveAll, "have all"),
            (Message::HaveNone, "have none"),
            (Message::Reject(range), "reject 3 at 16384, 16384 bytes"),
            (Message::AllowedFast(5), "allowed fast 5"),
            (Message::Extended { id: 3, payload: bytes(b"xyz") }, "extended 3, 3 bytes"),
            (Message::HashRequest(hashes), "hash request abababab… layer 0, 256 from 512, 4 proof layers"),
            (
                Message::Hashes(hashes, bytes(&[0; 64])),
                "hashes abababab… layer 0, 256 from 512, 4 proof layers, 64 bytes",
            ),
            (Message::HashReject(hashes), "hash reject abababab… layer 0, 256 from 512, 4 proof layers"),
            (Message::Unknown(99), "unknown message 99"),
        ] {
            assert_eq!(message.to_string(), text);
        }
    }

    #[test]
    fn an_extended_message_whose_extension_is_known_says_what_it_says() {
        let say = |id, name, payload: &'static [u8]| {
            ExtendedText { id, name, payload: &Bytes::from_static(payload) }.to_string()
        };
        assert_eq!(say(2, Some("ut_metadata"), b"d8:msg_typei0e5:piecei7ee"), "ut_metadata: request 7");
        assert_eq!(
            say(2, Some("ut_metadata"), b"d8:msg_typei1e5:piecei0e10:total_sizei3eeabc"),
            "ut_metadata: data 0, 3 of 3 bytes"
        );
        assert_eq!(say(1, Some("ut_pex"), b"de"), "ut_pex: peers met: 0 added, 0 dropped");
        assert_eq!(say(7, Some("lt_donthave"), &[0, 0, 0, 9]), "lt_donthave: don't have 9");
        assert_eq!(
            say(7, Some("lt_donthave"), &[0]),
            "lt_donthave, 1 bytes that mean nothing: 1 bytes, expected 4"
        );
        assert_eq!(
            say(4, Some("ut_holepunch"), &[0, 0, 10, 0, 0, 1, 0, 80]),
            "ut_holepunch: rendezvous with 10.0.0.1:80"
        );
        assert_eq!(say(9, Some("\u{1b}[2J"), b"x"), "extended 9 (\\u{1b}[2J), 1 bytes");
        assert_eq!(say(9, None, b"x"), "extended 9, 1 bytes");
    }

    #[test]
    fn an_extension_handshake_is_told_with_its_names_escaped() {
        let payload = b"d1:md2:a\ni7e6:ut_pexi1ee13:metadata_sizei912e1:pi6881e4:reqqi250e\
            11:upload_onlyi1e1:v6:x\x1b[2Jy6:yourip4:\x7f\x00\x00\x01e";
        let message = Message::Extended { id: 0, payload: Bytes::from_static(payload) };
        assert_eq!(
            message.to_string(),
            "extension handshake: x\\u{1b}[2Jy, port 6881, metadata of 912 bytes, holds 250 requests, \
            you are 127.0.0.1, wants no data; a\\n=7 ut_pex=1"
        );
        let nothing = Message::Extended { id: 0, payload: Bytes::new() };
        assert!(nothing.to_string().starts_with("extension handshake, 0 bytes that mean nothing"));
    }
}
