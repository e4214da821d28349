//! Crowds, seen to their end. One program for all of them: each is linked with the whole crate.

mod churn;
mod determinism;
mod endgame;
mod flash_crowd;
mod liar;
mod orphans;
mod peer_exchange;
mod poisoned_block;
mod rarest_first;
mod resume_after_crash;
mod tit_for_tat;
