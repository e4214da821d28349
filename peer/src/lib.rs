//! The person's side of the swarm: a prompt, one-shot verbs and a demonstration over one engine session.

pub mod app;
pub mod chat;
pub mod cli;
pub mod completion;
pub mod context;
pub mod demo;
pub mod failure;
pub mod inspect;
pub mod link;
pub mod local;
pub mod news;
pub mod options;
pub mod program;
pub mod repl;
pub mod settings;
pub mod swarms;
pub mod terminal;
pub mod verb;
pub mod web;
pub mod words;
