//! The first 68 bytes in each direction: who are you, which torrent, what can you do.
//!
//! We dial hybrid torrents by their v1 hash with the v2 bit set, and take either hash from others
//! (BEP 52); who sets that bit too is answered under the v2 hash. Called by the dialer and the listener,
//! under their deadline.

use std::io;

use shared::{InfoHash, InfoHashes, PeerId};
use thiserror::Error;
use wire::handshake::{HANDSHAKE_LENGTH, Handshake, Reserved};
use wire::mse::{Methods, Sought};

use crate::config::MseMode;
use crate::connection::mse;
use crate::connection::stream::Stream;

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
    /// Message Stream Encryption was tried and failed.
    #[error("MSE: {0}")]
    Mse(#[from] wire::mse::MseError),
    /// It begins plain, and we take only what is hidden.
    #[error("began without MSE")]
    Plain,
    /// It answered for another torrent.
    #[error("answered for torrent {0}")]
    OtherTorrent(InfoHash),
}

/// What we say of ourselves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Own {
    /// Who we are.
    pub(crate) peer_id: PeerId,
    /// We run a DHT node, and may say so for this torrent.
    pub(crate) dht: bool,
}

impl From<PeerId> for Own {
    fn from(peer_id: PeerId) -> Self {
        Self { peer_id, dht: false }
    }
}

fn ours(hashes: &InfoHashes, hash: InfoHash, own: Own) -> Handshake {
    let reserved = Reserved::default().with_extended().with_fast();
    let reserved = if hashes.get_v2().is_some() { reserved.with_v2() } else { reserved };
    let reserved = if own.dht { reserved.with_dht() } else { reserved };
    Handshake { reserved, hash, peer_id: own.peer_id }
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

/// Reads on until the far side's 68 bytes are there, or the first byte that cannot belong to them.
async fn fill(
    stream: &mut Stream,
    bytes: &mut [u8; HANDSHAKE_LENGTH],
) -> Result<Result<Handshake, usize>, HandshakeError> {
    let mut filled = 0;
    while filled < HANDSHAKE_LENGTH {
        filled += stream.read_some(bytes.get_mut(filled..).unwrap_or_default()).await?;
        if !Handshake::may_begin(bytes.get(..filled).unwrap_or_default()) {
            return Ok(Err(filled));
        }
    }
    Ok(Ok(Handshake::decode(bytes)?))
}

async fn read(stream: &mut Stream) -> Result<Handshake, HandshakeError> {
    let handshake = fill(stream, &mut [0; HANDSHAKE_LENGTH]).await?;
    Ok(handshake.map_err(|_| wire::Violation::NotBitTorrent)?)
}

/// Shakes hands as the side that dialled; with an offer, behind Message Stream Encryption.
pub(crate) async fn outgoing(
    stream: &mut Stream,
    hashes: &InfoHashes,
    own: impl Into<Own>,
    offer: Option<Methods>,
) -> Result<Greeting, HandshakeError> {
    let ours = ours(hashes, hashes.primary(), own.into());
    if let Some(offer) = offer {
        mse::begin(stream, hashes.primary(), offer).await?;
    }
    stream.write_all(&ours.encode()).await?;
    let theirs = read(stream).await?;
    if !hashes.matches(&theirs.hash) {
        return Err(HandshakeError::OtherTorrent(theirs.hash));
    }
    Ok(greeting(ours, theirs, hashes))
}

/// The names by which a torrent may be asked for, in handshakes and in front of them.
pub(crate) fn names(hashes: &InfoHashes) -> impl Iterator<Item = InfoHash> + use<> {
    let v2 = hashes.get_v2().map(|v2| v2.truncated());
    hashes.get_v1().into_iter().chain(v2)
}

/// The torrents that a stranger may ask for.
pub(crate) trait Offered {
    /// What is found.
    type Torrent;
    /// The torrent of this name.
    fn find(&self, hash: &InfoHash) -> Option<(InfoHashes, Self::Torrent)>;
    /// The name of the torrent that is meant.
    fn seek(&self, sought: &Sought) -> Option<InfoHash>;
    /// Whether others may know for this torrent that we run a DHT node.
    fn shows_dht(&self, _torrent: &Self::Torrent) -> bool {
        false
    }
}

/// The name under which we answer: who dials a hybrid by its v1 hash with the v2 bit set would rather
/// speak v2 (BEP 52). It matters beyond taste: libtorrent takes an answer under the v1 hash for that of
/// another torrent if a tracker told it between call and answer that we are in the v2 swarm as well.
fn answered_by(hashes: &InfoHashes, theirs: &Handshake) -> InfoHash {
    let v2 = hashes.get_v2().filter(|_| theirs.reserved.v2());
    v2.map_or(theirs.hash, |v2| v2.truncated())
}

/// Shakes hands as the side that was dialled. Who asks for a torrent that is not offered gets no answer.
pub(crate) async fn incoming<T: Offered>(
    stream: &mut Stream,
    peer_id: PeerId,
    mode: MseMode,
    offered: &T,
) -> Result<(Greeting, T::Torrent), HandshakeError> {
    let mut bytes = [0; HANDSHAKE_LENGTH];
    let theirs = match (fill(stream, &mut bytes).await?, mode) {
        (Ok(_), MseMode::Require) => return Err(HandshakeError::Plain),
        (Ok(theirs), MseMode::Accept | MseMode::Off) => theirs,
        (Err(_), MseMode::Off) => return Err(wire::Violation::NotBitTorrent.into()),
        (Err(filled), MseMode::Accept | MseMode::Require) => {
            let takes = if mode == MseMode::Require { Methods::RC4 } else { Methods::ANY };
            let first = bytes.get(..filled).unwrap_or_default();
            mse::answer(stream, first, takes, |sought| offered.seek(sought)).await?;
            read(stream).await?
        }
    };
    let (hashes, torrent) = offered.find(&theirs.hash).ok_or(HandshakeError::Unknown(theirs.hash))?;
    let own = Own { peer_id, dht: offered.shows_dht(&torrent) };
    let ours = ours(&hashes, answered_by(&hashes, &theirs), own);
    stream.write_all(&ours.encode()).await?;
    Ok((greeting(ours, theirs, &hashes), torrent))
}

#[cfg(test)]
mod tests {
    use shared::InfoHashV2;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn pair() -> (Stream, Stream) {
        let (dialled, accepted) = sockets().await;
        (dialled.into(), accepted.into())
    }

    async fn sockets() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dialled = TcpStream::connect(listener.local_addr().unwrap());
        let (dialled, accepted) = tokio::join!(dialled, listener.accept());
        (dialled.unwrap(), accepted.unwrap().0)
    }

    fn hybrid() -> InfoHashes {
        InfoHashes::hybrid(InfoHash([1; 20]), InfoHashV2([2; 32]))
    }

    /// One torrent, or none.
    struct Only(Option<InfoHashes>);

    impl Offered for Only {
        type Torrent = u8;
        fn find(&self, hash: &InfoHash) -> Option<(InfoHashes, u8)> {
            self.0.filter(|hashes| hashes.matches(hash)).map(|hashes| (hashes, 5))
        }
        fn seek(&self, sought: &Sought) -> Option<InfoHash> {
            self.0.and_then(|hashes| names(&hashes).find(|hash| sought.is(hash)))
        }
    }

    #[tokio::test]
    async fn both_sides_learn_who_and_what_in_every_way() {
        let ways = [
            (None, MseMode::Accept, "TCP"),
            (None, MseMode::Off, "TCP"),
            (Some(Methods::ANY), MseMode::Accept, "TCP, begun with MSE"),
            (Some(Methods::RC4), MseMode::Accept, "TCP with MSE"),
            (Some(Methods::ANY), MseMode::Require, "TCP with MSE"),
        ];
        for (offer, mode, carrier) in ways {
            let (mut one, mut two) = pair().await;
            let (hashes, offered) = (hybrid(), Only(Some(hybrid())));
            let (first, second) = tokio::join!(
                outgoing(&mut one, &hashes, PeerId([7; 20]), offer),
                incoming(&mut two, PeerId([8; 20]), mode, &offered),
            );
            let (first, (second, found)) = (first.unwrap(), second.unwrap());
            assert_eq!((first.peer_id, second.peer_id, found), (PeerId([8; 20]), PeerId([7; 20]), 5));
            assert!(first.fast && first.extended && first.v2 && second.v2);
            assert_eq!((first.ours.hash, first.theirs.hash), (InfoHash([1; 20]), InfoHash([2; 20])));
            assert_eq!((one.carrier(), two.carrier()), (carrier, carrier));
            one.write_all(b"words").await.unwrap();
            let mut words = [0; 5];
            assert_eq!(two.read_some(&mut words).await.unwrap(), 5);
            assert_eq!(&words, b"words");
        }
    }

    #[tokio::test]
    async fn who_takes_only_what_is_hidden_gives_no_plain_answer() {
        let (mut one, mut two) = pair().await;
        let hashes = hybrid();
        let asked = async move { outgoing(&mut one, &hashes, PeerId([7; 20]), None).await };
        let refused =
            async move { incoming(&mut two, PeerId([8; 20]), MseMode::Require, &Only(Some(hashes))).await };
        let (asked, refused) = tokio::join!(asked, refused);
        assert!(matches!(asked, Err(HandshakeError::Lost(_))));
        assert!(matches!(refused, Err(HandshakeError::Plain)));
    }

    #[tokio::test]
    async fn a_hybrid_answers_to_its_v2_name_under_that_name() {
        for offer in [None, Some(Methods::ANY)] {
            let (mut one, mut two) = pair().await;
            let v2_only = InfoHashes::v2(InfoHashV2([2; 32]));
            let offered = Only(Some(hybrid()));
            let (first, second) = tokio::join!(
                outgoing(&mut one, &v2_only, PeerId([7; 20]), offer),
                incoming(&mut two, PeerId([8; 20]), MseMode::Accept, &offered),
            );
            assert!(first.unwrap().v2 && second.unwrap().0.v2);
        }
    }

    #[tokio::test]
    async fn who_speaks_v1_only_is_answered_by_the_v1_hash() {
        let (mut one, mut two) = pair().await;
        let (v1_only, offered) = (InfoHashes::v1(InfoHash([1; 20])), Only(Some(hybrid())));
        let (first, second) = tokio::join!(
            outgoing(&mut one, &v1_only, PeerId([7; 20]), None),
            incoming(&mut two, PeerId([8; 20]), MseMode::Accept, &offered),
        );
        assert_eq!(first.unwrap().theirs.hash, InfoHash([1; 20]));
        assert!(!second.unwrap().0.v2);
    }

    #[tokio::test]
    async fn strangers_get_no_answer() {
        let (mut one, two) = sockets().await;
        let mut two = two.into();
        one.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let refused = incoming(&mut two, PeerId([8; 20]), MseMode::Off, &Only(Some(hybrid()))).await;
        assert!(matches!(refused, Err(HandshakeError::Violation(_))));
        for offer in [None, Some(Methods::ANY)] {
            let (mut one, mut two) = pair().await;
            let hashes = hybrid();
            let asked = async {
                let result = outgoing(&mut one, &hashes, PeerId([7; 20]), offer).await;
                assert!(matches!(result, Err(HandshakeError::Lost(_))));
            };
            let refused = async move {
                let refused = incoming(&mut two, PeerId([8; 20]), MseMode::Accept, &Only(None)).await;
                assert!(matches!(
                    refused,
                    Err(HandshakeError::Unknown(_) | HandshakeError::Mse(wire::mse::MseError::Unknown))
                ));
            };
            tokio::join!(asked, refused);
        }
    }

    #[tokio::test]
    async fn noise_ends_within_the_bytes_of_an_exchange() {
        let (mut one, two) = sockets().await;
        let mut two = two.into();
        one.write_all(&[0x55; 2000]).await.unwrap();
        let refused = incoming(&mut two, PeerId([8; 20]), MseMode::Accept, &Only(Some(hybrid()))).await;
        assert!(matches!(refused, Err(HandshakeError::Mse(wire::mse::MseError::NoSync))), "{refused:?}");
    }
}
