//! Memory that files are read into, beginning where a page of memory begins.
//!
//! Content lies at multiples of 16 KiB in most files, and the system copies it from pages. Several
//! processors do that three times as slowly when the place that bytes are copied to lies 1 to 31 bytes
//! further in its page than where they come from, and 16 bytes into a page is just where an allocator
//! begins long pieces of memory (docs/performance.md has the figures). Knows no file. Called by whoever
//! reads much.

use std::ops::{Deref, DerefMut};

use aligned_vec::{AVec, ConstAlign};

/// A page of memory nearly everywhere, in bytes.
const PAGE: usize = 4096;

/// Bytes that begin with a page.
#[derive(Debug)]
pub(crate) struct PageBuffer {
    /// As long as it ever was: bytes that are to be read over need not be zeros.
    bytes: AVec<u8, ConstAlign<PAGE>>,
    length: usize,
}

impl Default for PageBuffer {
    /// Empty; takes no memory.
    fn default() -> Self {
        Self { bytes: AVec::new(PAGE), length: 0 }
    }
}

impl PageBuffer {
    /// Makes it so long. New bytes are zeros, or what was there before it became shorter.
    pub(crate) fn set_length(&mut self, length: usize) {
        if self.bytes.len() < length {
            self.bytes.resize(length, 0);
        }
        self.length = length;
    }
}

impl Deref for PageBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl DerefMut for PageBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_with_a_page_however_it_grew() {
        let mut buffer = PageBuffer::default();
        for length in [0, 1, 100, 5000, 131_072, 262_144, 70_000, 1 << 20] {
            buffer.set_length(length);
            assert_eq!(*buffer, vec![0; length]);
            assert!(length == 0 || buffer.as_ptr().addr().is_multiple_of(PAGE));
        }
    }
}
