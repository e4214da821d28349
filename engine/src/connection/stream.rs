//! The bytes of one connection, whatever carries them and however they are hidden.
//!
//! A plain TCP connection goes the straight way: readiness, reads into the caller's buffer, vectored
//! writes. What is hidden passes its cipher on the way. Used by handshakes as a whole, and by reader and
//! writer as halves.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use librqbit_utp::{UtpStream, UtpStreamReadHalf, UtpStreamWriteHalf};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use wire::mse::{Agreed, Cipher, Method};

/// What is read of uTP before there is a buffer, in bytes.
const FIRST: usize = 4096;

enum Carrier {
    Tcp(TcpStream),
    Utp(Box<UtpStream>),
}

/// A connection before it is split.
pub(crate) struct Stream {
    carrier: Carrier,
    /// For what is sent and for what comes.
    ciphers: Option<(Cipher, Cipher)>,
    /// How the bytes are hidden, when that was agreed on.
    hidden: Option<Method>,
    /// What came already and was not read yet, in the clear.
    early: Vec<u8>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stream({})", self.carrier())
    }
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Self::over(Carrier::Tcp(tcp))
    }
}

impl From<UtpStream> for Stream {
    fn from(utp: UtpStream) -> Self {
        Self::over(Carrier::Utp(Box::new(utp)))
    }
}

impl Stream {
    fn over(carrier: Carrier) -> Self {
        Self { carrier, ciphers: None, hidden: None, early: Vec::new() }
    }

    /// Reads some bytes; 0: the far side has closed.
    pub(crate) async fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if !self.early.is_empty() {
            let count = space.len().min(self.early.len());
            space.iter_mut().zip(self.early.drain(..count)).for_each(|(to, from)| *to = from);
            return Ok(count);
        }
        let read = match &mut self.carrier {
            Carrier::Tcp(tcp) => tcp.read(space).await?,
            Carrier::Utp(utp) => utp.read(space).await?,
        };
        if let Some((_, takes)) = &mut self.ciphers {
            takes.apply(space.get_mut(..read).unwrap_or_default());
        }
        Ok(read)
    }

    /// The same where the end is a failure.
    pub(crate) async fn read_some(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self.read(space).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => Ok(read),
        }
    }

    /// Writes all of them.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut bytes = bytes.to_vec();
        if let Some((sends, _)) = &mut self.ciphers {
            sends.apply(&mut bytes);
        }
        match &mut self.carrier {
            Carrier::Tcp(tcp) => tcp.write_all(&bytes).await,
            Carrier::Utp(utp) => utp.write_all(&bytes).await,
        }
    }

    /// From now on as both sides have agreed.
    pub(crate) fn hide(&mut self, agreed: Agreed) {
        self.hidden = Some(agreed.method());
        self.ciphers = agreed.ciphers;
        self.early = agreed.early;
    }

    /// Whether it runs over uTP.
    pub(crate) fn is_utp(&self) -> bool {
        matches!(self.carrier, Carrier::Utp(_))
    }

    /// What carries it, for people.
    pub(crate) fn carrier(&self) -> &'static str {
        match (&self.carrier, self.hidden) {
            (Carrier::Tcp(_), None) => "TCP",
            (Carrier::Tcp(_), Some(Method::Plain)) => "TCP, begun with MSE",
            (Carrier::Tcp(_), Some(Method::Rc4)) => "TCP with MSE",
            (Carrier::Utp(_), None) => "uTP",
            (Carrier::Utp(_), Some(Method::Plain)) => "uTP, begun with MSE",
            (Carrier::Utp(_), Some(Method::Rc4)) => "uTP with MSE",
        }
    }

    /// The two directions, and what came already.
    pub(crate) fn into_halves(self) -> (ReadHalf, WriteHalf, Vec<u8>) {
        let (sends, takes) = self.ciphers.unzip();
        let (read, write) = match self.carrier {
            Carrier::Tcp(tcp) => {
                let (read, write) = tcp.into_split();
                (Reads::Tcp(read), Writes::Tcp(write))
            }
            Carrier::Utp(utp) => {
                let (read, write) = utp.split();
                (Reads::Utp(UtpReads { half: read, first: Vec::new() }), Writes::Utp(write))
            }
        };
        (ReadHalf { reads: read, cipher: takes }, WriteHalf { writes: write, cipher: sends }, self.early)
    }
}

enum Reads {
    Tcp(OwnedReadHalf),
    Utp(UtpReads),
}

/// uTP cannot be asked whether there is something to read, so a little is read to know.
struct UtpReads {
    half: UtpStreamReadHalf,
    first: Vec<u8>,
}

impl UtpReads {
    async fn readable(&mut self) -> io::Result<()> {
        if self.first.is_empty() {
            self.first.resize(FIRST, 0);
            let read = self.half.read(&mut self.first).await;
            self.first.truncate(read.as_ref().copied().unwrap_or(0));
            read?;
        }
        Ok(())
    }

    fn try_read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if !self.first.is_empty() {
            let count = space.len().min(self.first.len());
            space.iter_mut().zip(self.first.drain(..count)).for_each(|(to, from)| *to = from);
            return Ok(count);
        }
        let mut space = ReadBuf::new(space);
        // Who waits is woken by the poll of `readable`, not by this one.
        let mut context = Context::from_waker(Waker::noop());
        match Pin::new(&mut self.half).poll_read(&mut context, &mut space) {
            Poll::Ready(Ok(())) => Ok(space.filled().len()),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

/// What comes from the far side.
pub(crate) struct ReadHalf {
    reads: Reads,
    cipher: Option<Cipher>,
}

impl std::fmt::Debug for ReadHalf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReadHalf")
    }
}

impl ReadHalf {
    /// Waits until something can be read, or the end is near.
    pub(crate) async fn readable(&mut self) -> io::Result<()> {
        match &mut self.reads {
            Reads::Tcp(tcp) => tcp.readable().await,
            Reads::Utp(utp) => utp.readable().await,
        }
    }

    /// Reads what there is.
    pub(crate) fn try_read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.reads {
            Reads::Tcp(tcp) => tcp.try_read(space)?,
            Reads::Utp(utp) => utp.try_read(space)?,
        };
        if let Some(cipher) = &mut self.cipher {
            cipher.apply(space.get_mut(..read).unwrap_or_default());
        }
        Ok(read)
    }
}

enum Writes {
    Tcp(OwnedWriteHalf),
    Utp(UtpStreamWriteHalf),
}

/// What goes to the far side.
pub(crate) struct WriteHalf {
    writes: Writes,
    cipher: Option<Cipher>,
}

impl std::fmt::Debug for WriteHalf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WriteHalf")
    }
}

impl WriteHalf {
    /// Our address and theirs, where it is TCP.
    pub(crate) fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        match &self.writes {
            Writes::Tcp(tcp) => tcp.local_addr().ok().zip(tcp.peer_addr().ok()),
            Writes::Utp(_) => None,
        }
    }

    /// Writes all of the slices, in order.
    pub(crate) async fn write_all(&mut self, slices: &mut [io::IoSlice<'_>]) -> io::Result<()> {
        let Some(cipher) = &mut self.cipher else { return self.writes.write_all(slices).await };
        let mut hidden = Vec::with_capacity(slices.iter().map(|slice| slice.len()).sum());
        for slice in slices.iter() {
            hidden.extend_from_slice(slice);
        }
        cipher.apply(&mut hidden);
        self.writes.write_all(&mut [io::IoSlice::new(&hidden)]).await
    }
}

impl Writes {
    async fn write_all(&mut self, slices: &mut [io::IoSlice<'_>]) -> io::Result<()> {
        let tcp = match self {
            Self::Tcp(tcp) => tcp,
            Self::Utp(utp) => {
                for slice in slices.iter() {
                    utp.write_all(slice).await?;
                }
                return Ok(());
            }
        };
        let mut rest = slices;
        while !rest.is_empty() {
            match tcp.try_write_vectored(rest.get(..rest.len().min(1024)).unwrap_or_default()) {
                Ok(written) => io::IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => tcp.writable().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
