//! How the product must behave, each sentence a test with real processes. They run one at a time:
//! `cargo xtask e2e [FILTER]`.
#![expect(clippy::cast_precision_loss, reason = "figures that are printed for a reader")]
#![expect(clippy::print_stdout, reason = "what a test saw is for the reader of its output")]
#![expect(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod discovery;
mod disk_full;
mod finding;
mod flood;
mod foreign;
mod foreign_trackers;
mod halfway;
mod killed;
mod latecomer;
mod many_files;
mod messages;
mod own_page;
mod package;
mod page;
mod poison;
mod private;
mod prompt;
mod punch;
mod rooms;
mod roster;
mod service;
mod sizes;
mod steering;
mod three_sharers;
mod tracker_clock;
mod tracker_disk;
mod tracker_killed;
mod tracker_pressed;
mod tracker_restart;
