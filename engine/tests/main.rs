//! Sessions that meet. One program for all of them: each is linked with the whole crate.

mod announce;
mod dht;
mod exchange;
mod existing;
mod faults;
mod holepunch;
mod lab;
mod local_discovery;
mod lost;
mod memory;
mod metadata;
mod mse;
mod resume;
mod trace;
mod transfer;
mod utp;
