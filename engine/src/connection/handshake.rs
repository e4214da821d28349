//! The first 68 bytes in each direction: who are you, which torrent, what can you do.
//!
//! We dial hybrid torrents by their v1 hash with the v2 bit set, and take either hash from others
//! (BEP 52). Called by the dialer and the listener, under their deadline.

use std::io;

use shared::{InfoHash, InfoHashes, PeerId};
use thiserror::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wire::handshake::{HANDSHAKE_LENGTH, Handshake, Reserved};

/// What the handshake said of the far side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// Who it is, by its own word.
    pub(crate) peer_id: PeerId,
    /// Both sides speak the fast extension.
    pub(crate) fast: bool,
    /// The far side runs a DHT node.
    pub(crate) dht: bool,
    /// Both sides speak the extension protocol.
    pub(crate) extended: bool,
    /// The far side answers hash requests of this torrent.
    pub(crate) v2: bool,
    /// What we said.
    pub(crate) ours: Handshake,
    /// What it said.
    pub(crate) theirs: Handshake,
}

/// Why a handshake came to nothing.
#[derive(Debug, Error)]
pub(crate) enum HandshakeError {
    /// The connection broke.
    #[error("connection lost: {0}")]
    Lost(#[from] io::Error),
    /// It does not speak `BitTorrent`.
    #[error("{0}")]
    Violation(#[from] wire::Violation),
    /// It is for a torrent that is not here.
    #[error("no torrent {0} here")]
    Unknown(InfoHash),
    /// It answered for another torrent.
    #[error("answered for torrent {0}")]
    OtherTorrent(InfoHash),
}

fn ours(hashes: &InfoHashes, hash: InfoHash, peer_id: PeerId) -> Handshake {
    let reserved = Reserved::default().with_extended().with_fast();
    let reserved = if hashes.get_v2().is_some() { reserved.with_v2() } else { reserved };
    Handshake { reserved, hash, peer_id }
}

fn greeting(ours: Handshake, theirs: Handshake, hashes: &InfoHashes) -> Greeting {
    let by_v2_hash = hashes.get_v2().is_some_and(|v2| v2.truncated() == theirs.hash);
    Greeting {
        peer_id: theirs.peer_id,
        fast: theirs.reserved.fast(),
        dht: theirs.reserved.dht(),
        extended: theirs.reserved.extended(),
        // We may know of the other hash only later.
        v2: theirs.reserved.v2() || by_v2_hash,
        ours,
        theirs,
    }
}

/// The far side's 68 bytes; ends at the first byte that cannot belong to a handshake.
async fn read(stream: &mut TcpStream) -> Result<Handshake, HandshakeError> {
    let mut bytes = [0; HANDSHAKE_LENGTH];
    let mut filled = 0;
    while filled < HANDSHAKE_LENGTH {
        let read = stream.read(bytes.get_mut(filled..).unwrap_or_default()).await?;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        filled += read;
        if !Handshake::may_begin(bytes.get(..filled).unwrap_or_default()) {
            return Err(wire::Violation::NotBitTorrent.into());
        }
    }
    Ok(Handshake::decode(&bytes)?)
}

/// Shakes hands as the side that dialled.
pub(crate) async fn outgoing(
    stream: &mut TcpStream,
    hashes: &InfoHashes,
    peer_id: PeerId,
) -> Result<Greeting, HandshakeError> {
    let ours = ours(hashes, hashes.primary(), peer_id);
    stream.write_all(&ours.encode()).await?;
    let theirs = read(stream).await?;
    if !hashes.matches(&theirs.hash) {
        return Err(HandshakeError::OtherTorrent(theirs.hash));
    }
    Ok(greeting(ours, theirs, hashes))
}

/// Shakes hands as the side that was dialled; `find` says whether a torrent is here. Who asks for
/// another gets no answer.
pub(crate) async fn incoming<T>(
    stream: &mut TcpStream,
    peer_id: PeerId,
    find: impl FnOnce(&InfoHash) -> Option<(InfoHashes, T)>,
) -> Result<(Greeting, T), HandshakeError> {
    let theirs = read(stream).await?;
    let (hashes, torrent) = find(&theirs.hash).ok_or(HandshakeError::Unknown(theirs.hash))?;
    let ours = ours(&hashes, theirs.hash, peer_id);
    stream.write_all(&ours.encode()).await?;
    Ok((greeting(ours, theirs, &hashes), torrent))
}

#[cfg(test)]
mod tests {
    use shared::InfoHashV2;
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dialled = TcpStream::connect(listener.local_addr().unwrap());
        let (dialled, accepted) = tokio::join!(dialled, listener.accept());
        (dialled.unwrap(), accepted.unwrap().0)
    }

    fn hybrid() -> InfoHashes {
        InfoHashes::hybrid(InfoHash([1; 20]), InfoHashV2([2; 32]))
    }

    #[tokio::test]
    async fn both_sides_learn_who_and_what() {
        let (mut one, mut two) = pair().await;
        let hashes = hybrid();
        let (first, second) = tokio::join!(
            outgoing(&mut one, &hashes, PeerId([7; 20])),
            incoming(&mut two, PeerId([8; 20]), |hash| hashes.matches(hash).then_some((hashes, 5))),
        );
        let (first, (second, found)) = (first.unwrap(), second.unwrap());
        assert_eq!((first.peer_id, second.peer_id, found), (PeerId([8; 20]), PeerId([7; 20]), 5));
        assert!(first.fast && first.extended && first.v2 && second.v2);
    }

    #[tokio::test]
    async fn a_hybrid_answers_to_its_v2_name_under_that_name() {
        let (mut one, mut two) = pair().await;
        let v2_only = InfoHashes::v2(InfoHashV2([2; 32]));
        let (first, second) = tokio::join!(
            outgoing(&mut one, &v2_only, PeerId([7; 20])),
            incoming(&mut two, PeerId([8; 20]), |_| Some((hybrid(), ()))),
        );
        assert!(first.unwrap().v2 && second.unwrap().0.v2);
    }

    #[tokio::test]
    async fn strangers_get_no_answer() {
        let (mut one, mut two) = pair().await;
        one.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let refused = incoming(&mut two, PeerId([8; 20]), |_| Some((hybrid(), ()))).await;
        assert!(matches!(refused, Err(HandshakeError::Violation(_))));
        let (mut one, mut two) = pair().await;
        let asked = async {
            let result = outgoing(&mut one, &hybrid(), PeerId([7; 20])).await;
            assert!(matches!(result, Err(HandshakeError::Lost(_))));
        };
        let refused = async move {
            let refused = incoming::<()>(&mut two, PeerId([8; 20]), |_| None).await;
            assert!(matches!(refused, Err(HandshakeError::Unknown(_))));
        };
        tokio::join!(asked, refused);
    }
}
