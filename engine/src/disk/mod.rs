//! Files: what a torrent's bytes are on disk, and the threads that move them.

pub(crate) mod arriving;
pub mod beneath;
pub mod block_disk;
pub(crate) mod hash_tree;
pub(crate) mod open_files;
pub(crate) mod page_buffer;
pub(crate) mod source;
pub(crate) mod storage;
pub(crate) mod verify;
