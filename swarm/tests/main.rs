//! Brains that meet in memory. One program for all of them: each is linked with the whole crate.

mod crossing;
mod lab;
mod lost;
mod metadata;
mod upload_only;
