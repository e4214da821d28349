//! The registry as its callers meet it. One program for all of them: each is linked with the whole crate.

mod announce;
mod crowd;
mod finding;
mod laws;
mod mail;
mod operator;
mod registry;
mod room;
mod rooms;
mod scene;
