//! The brain of the tracker: who is here, who shares what, who said what. BitTorrent clients that only
//! announce are members like others, without a connection.
//!
//! A [`Command`] is decided, which changes nothing and gives an answer, events and deliveries; an
//! [`Event`] is applied, which asks no questions and cannot fail. So the state is always the fold of
//! the events, and the log, a journal or a page need to read nothing else. Time and dice are handed
//! in; there is no I/O, clock, thread or lock, and only ordered containers: one seed, one trace.
//!
//! ```text
//! Registry ── State ── Members   who is here, under which nick, at which addresses
//!          │        ├─ Catalog   what is shared, found by hash, root, short id or name
//!          │        │    └─ Swarm   who has how much of one entry, who wants to be told
//!          │        ├─ Talk      the last messages, and the marks that make resending harmless
//!          │        └─ Ledger    what outlives the process: people, shares, mail, the operator's orders
//!          ├─ Crowd    clients that only announce, beyond those that have a name (soft)
//!          ├─ Flood    how fast each may ask and talk (soft: not part of the state)
//!          ├─ Silence  when each was last heard (soft)
//!          └─ Pictures what peers show of running transfers (soft)
//! ```
//!
//! The tracker's hub calls [`Registry::execute`] under its one lock.

mod addresses;
mod asked;
mod catalog;
mod command;
mod config;
mod crowd;
mod decide;
mod event;
mod flood;
mod fold;
mod identity;
mod ledger;
mod listing;
mod members;
mod operate;
mod page;
mod picture;
mod registry;
mod rest;
mod scene;
mod silence;
mod state;
mod swarm;
mod talk;
mod unread;

pub use command::{
    Announced, Announcement, Command, Decision, Delivery, Door, Ended, SessionKey, Unannounced, Urgency,
};
pub use config::{Config, Rate, Unknown};
pub use crowd::{Told, hasty};
pub use event::{Event, Milestone, NewEntry, NewMember};
pub use fold::{nearest, search_key};
pub use identity::{Mark, MemberId};
pub use ledger::{Dictionary, Lasting};
pub use listing::{Candidate, Candidates, Cursor, Listing, MAX_RANKED};
pub use operate::{Action, Ban, Deed, Mute, Order, Removal, Target};
pub use registry::{Registry, Torrent};
pub use scene::{Holder, Scene, SceneFlow, ScenePeer, SceneShare};
pub use state::{State, Sums};
