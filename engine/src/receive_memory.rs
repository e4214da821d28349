//! The memory that received blocks may take from the socket until they are in their file.
//!
//! A reader takes a buffer before it reads; its bytes go on as slices and come back when the last
//! slice is dropped. While all are out nobody reads: that is what makes a slow disk slow the far side
//! instead of filling memory. Connections without traffic hold nothing.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The length of one buffer, in bytes.
pub(crate) const BUFFER_LENGTH: usize = 256 * 1024;
/// What permits count, in bytes.
const UNIT: usize = 4096;
/// How many unused buffers are kept for the next reader.
const KEPT: usize = 32;

/// The memory of one session.
#[derive(Debug)]
pub(crate) struct ReceiveMemory {
    permits: Arc<Semaphore>,
    unused: Mutex<Vec<Box<[u8]>>>,
}

/// A buffer to read into.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    permit: OwnedSemaphorePermit,
    home: Arc<ReceiveMemory>,
}

impl ReceiveMemory {
    /// As much as this, and at least two buffers.
    pub(crate) fn new(bytes: usize) -> Arc<Self> {
        let units = bytes.max(2 * BUFFER_LENGTH) / UNIT;
        Arc::new(Self { permits: Arc::new(Semaphore::new(units)), unused: Mutex::new(Vec::new()) })
    }

    /// A buffer of [`BUFFER_LENGTH`] bytes, when there is one. Its content is not defined. `None` when
    /// the session has ended.
    pub(crate) async fn take(self: &Arc<Self>) -> Option<Buffer> {
        let units = u32::try_from(BUFFER_LENGTH / UNIT).unwrap_or(1);
        let permit = Arc::clone(&self.permits).acquire_many_owned(units).await.ok()?;
        let kept = self.unused.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = kept.unwrap_or_else(|| vec![0; BUFFER_LENGTH].into());
        Some(Buffer { bytes, permit, home: Arc::clone(self) })
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut unused = self.home.unused.lock().unwrap_or_else(PoisonError::into_inner);
        if unused.len() < KEPT && !self.bytes.is_empty() {
            unused.push(std::mem::take(&mut self.bytes));
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

/// A few bytes with the permit for them.
struct Copied {
    bytes: Box<[u8]>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Copied {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Buffer {
    /// The first `length` bytes as something that can be cut up and handed on. A few bytes are copied,
    /// so that they do not keep a whole buffer from coming back.
    pub(crate) fn into_bytes(mut self, length: usize) -> Bytes {
        let length = length.min(self.bytes.len());
        if length > BUFFER_LENGTH / 4 {
            return Bytes::from_owner(self).slice(..length);
        }
        let permit = self.permit.split(length.div_ceil(UNIT));
        let bytes = self.bytes.get(..length).unwrap_or_default().into();
        Bytes::from_owner(Copied { bytes, _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(memory: &ReceiveMemory) -> usize {
        memory.permits.available_permits() * UNIT
    }

    #[tokio::test]
    async fn everything_comes_back_with_the_last_slice() {
        let memory = ReceiveMemory::new(4 * BUFFER_LENGTH);
        let mut buffer = memory.take().await.unwrap();
        buffer.as_mut()[..5].copy_from_slice(b"block");
        let bytes = buffer.into_bytes(200_000);
        let slice = bytes.slice(..5);
        drop(bytes);
        assert_eq!(free(&memory), 3 * BUFFER_LENGTH);
        assert_eq!(&slice[..], b"block");
        drop(slice);
        assert_eq!(free(&memory), 4 * BUFFER_LENGTH);
    }

    #[tokio::test]
    async fn a_few_bytes_do_not_keep_a_buffer() {
        let memory = ReceiveMemory::new(2 * BUFFER_LENGTH);
        let kept = memory.take().await.unwrap().into_bytes(100);
        assert_eq!(free(&memory), 2 * BUFFER_LENGTH - UNIT);
        assert_eq!(kept.len(), 100);
        assert_eq!(memory.take().await.unwrap().into_bytes(0).len(), 0);
    }

    #[tokio::test]
    async fn who_comes_when_all_is_out_waits() {
        let memory = ReceiveMemory::new(0);
        let (first, _second) = (memory.take().await, memory.take().await);
        let mut third = std::pin::pin!(memory.take());
        assert!(futures_poll(third.as_mut()).is_none());
        drop(first);
        assert!(third.await.is_some());
    }

    fn futures_poll<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match future.poll(&mut context) {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        }
    }
}
