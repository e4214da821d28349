//! A laboratory for whole programs: [`Lab`] gives a fresh folder and free ports and starts the real
//! `tracker` and `peer`; the rest looks at them from outside, as a person, a killer or a liar would.
//!
//! Nothing here leans on the crates that ship programs (`.torrent` files are made with `shared`, and other
//! people's clients judge them): what a test believes about a download it has
//! read from the disk and hashed itself. Every wait has a deadline and waits for the event.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says why and ends"
)]
#![expect(clippy::print_stdout, reason = "what a test measured is for the reader of its output")]
#![expect(
    clippy::missing_panics_doc,
    reason = "everything here ends the test when the world is not as it must be"
)]

pub mod browser;
pub mod checker;
pub mod control;
pub mod dice;
pub mod foreign;
pub mod hosts;
pub mod js;
pub mod lab;
pub mod naming_tracker;
pub mod poisoner;
pub mod ports;
pub mod program;
pub mod screen;
pub mod sentences;
pub mod skip;
pub mod small_disk;
pub mod torrent;
pub mod tree;
pub mod wait;
pub mod web;
pub mod witness;

pub use dice::Dice;
pub use foreign::{Foreign, Kind};
pub use lab::{Lab, Peer, Tracker};
pub use program::Program;
pub use wait::{until, within};
