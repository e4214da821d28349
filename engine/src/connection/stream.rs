//! The bytes of one connection, whatever carries them and however they are hidden.
//!
//! A plain TCP connection goes the straight way: readiness, reads into the caller's buffer, vectored
//! writes. What is hidden passes its cipher on the way. Used by handshakes as a whole, and by reader and
//! writer as halves.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use wire::mse::{Agreed, Cipher, Method};

/// A connection before it is split.
#[derive(Debug)]
pub(crate) struct Stream {
    tcp: TcpStream,
    /// For what is sent and for what comes.
    ciphers: Option<(Cipher, Cipher)>,
    /// How the bytes are hidden, when that was agreed on.
    hidden: Option<Method>,
    /// What came already and was not read yet, in the clear.
    early: Vec<u8>,
}

impl From<TcpStream> for Stream {
    fn from(tcp: TcpStream) -> Self {
        Self { tcp, ciphers: None, hidden: None, early: Vec::new() }
    }
}

impl Stream {
    /// Reads some bytes; 0: the far side has closed.
    pub(crate) async fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        if !self.early.is_empty() {
            let count = space.len().min(self.early.len());
            space.iter_mut().zip(self.early.drain(..count)).for_each(|(to, from)| *to = from);
            return Ok(count);
        }
        let read = self.tcp.read(space).await?;
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
        match &mut self.ciphers {
            Some((sends, _)) => {
                let mut hidden = bytes.to_vec();
                sends.apply(&mut hidden);
                self.tcp.write_all(&hidden).await
            }
            None => self.tcp.write_all(bytes).await,
        }
    }

    /// From now on as both sides have agreed.
    pub(crate) fn hide(&mut self, agreed: Agreed) {
        self.hidden = Some(agreed.method());
        self.ciphers = agreed.ciphers;
        self.early = agreed.early;
    }

    /// What carries it, for people.
    pub(crate) fn carrier(&self) -> &'static str {
        match self.hidden {
            None => "TCP",
            Some(Method::Plain) => "TCP, begun with MSE",
            Some(Method::Rc4) => "TCP with MSE",
        }
    }

    /// The two directions, and what came already.
    pub(crate) fn into_halves(self) -> (ReadHalf, WriteHalf, Vec<u8>) {
        let (read, write) = self.tcp.into_split();
        let (sends, takes) = self.ciphers.unzip();
        (ReadHalf { tcp: read, cipher: takes }, WriteHalf { tcp: write, cipher: sends }, self.early)
    }
}

/// What comes from the far side.
#[derive(Debug)]
pub(crate) struct ReadHalf {
    tcp: OwnedReadHalf,
    cipher: Option<Cipher>,
}

impl ReadHalf {
    /// Waits until something can be read, or the end is near.
    pub(crate) async fn readable(&mut self) -> io::Result<()> {
        self.tcp.readable().await
    }

    /// Reads what there is.
    pub(crate) fn try_read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let read = self.tcp.try_read(space)?;
        if let Some(cipher) = &mut self.cipher {
            cipher.apply(space.get_mut(..read).unwrap_or_default());
        }
        Ok(read)
    }
}

/// What goes to the far side.
#[derive(Debug)]
pub(crate) struct WriteHalf {
    tcp: OwnedWriteHalf,
    cipher: Option<Cipher>,
}

impl WriteHalf {
    /// Writes all of the slices, in order.
    pub(crate) async fn write_all(&mut self, slices: &mut [io::IoSlice<'_>]) -> io::Result<()> {
        match &mut self.cipher {
            None => write_vectored(&self.tcp, slices).await,
            Some(cipher) => {
                let mut hidden = Vec::with_capacity(slices.iter().map(|slice| slice.len()).sum());
                for slice in slices.iter() {
                    hidden.extend_from_slice(slice);
                }
                cipher.apply(&mut hidden);
                write_vectored(&self.tcp, &mut [io::IoSlice::new(&hidden)]).await
            }
        }
    }
}

async fn write_vectored(tcp: &OwnedWriteHalf, slices: &mut [io::IoSlice<'_>]) -> io::Result<()> {
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
