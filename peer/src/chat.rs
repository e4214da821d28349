//! What talking remembers while the peer runs: who wrote last, and whether the person looks.
//!
//! Written by the news and by the verbs; the tracker knows neither after a new start.

use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Default)]
struct Memory {
    wrote: Option<String>,
    away: Option<String>,
}

/// The memory. Copies are the same one.
#[derive(Debug, Clone, Default)]
pub struct Chat {
    memory: Arc<Mutex<Memory>>,
}

impl Chat {
    /// Somebody wrote to this person alone.
    pub fn heard(&self, from: &str) {
        self.with(|memory| memory.wrote = Some(from.to_owned()));
    }

    /// Who wrote last.
    pub fn last_writer(&self) -> Option<String> {
        self.with(|memory| memory.wrote.clone())
    }

    /// The person does not look, and says this meanwhile; or looks again.
    pub fn set_away(&self, text: Option<&str>) {
        self.with(|memory| memory.away = text.map(str::to_owned));
    }

    /// What the person says who does not look.
    pub fn away(&self) -> Option<String> {
        self.with(|memory| memory.away.clone())
    }

    fn with<T>(&self, take: impl FnOnce(&mut Memory) -> T) -> T {
        take(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
