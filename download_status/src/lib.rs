//! The brain of resume: what `download_status.json` says, what of it may be believed after a crash, and
//! when it may be written.
//!
//! The promise: a bit is set only for a piece that is written and verified, so the file never claims a
//! byte that is not on disk. After kill -9 at most two seconds or 32 MiB of verified pieces are
//! forgotten; after a loss of power at most ten seconds. No clock, file or thread is touched here: the
//! engine does what [`Checkpointer`] says.

pub mod checkpointer;
pub mod model;
pub mod read;
pub mod trust;

pub use checkpointer::{Checkpointer, Copy, Order};
pub use model::{DownloadStatus, Entry, OldEntry, Stage};
pub use read::{Loaded, ReadError, SkippedEntry, read};
pub use trust::{Belief, Circumstances, FileFound, believe};
