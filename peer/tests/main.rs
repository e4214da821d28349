//! The peer as its callers meet it. One program for all of them: each is linked with the whole crate.

mod bad_input;
mod link;
mod named;
mod room;
mod swarms;
mod torrent_files;
