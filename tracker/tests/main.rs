//! The tracker as its callers meet it. One program for all of them: each is linked with the whole crate.

mod bad_input;
mod clients;
mod dht;
mod lab;
mod program;
mod protocol_doc;
mod sessions;
