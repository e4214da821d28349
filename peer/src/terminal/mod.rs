//! The terminal: the one place that prints, the prompt, and what is lined up in columns.
//!
//! Nothing outside this module writes to standard output or reads standard input. It knows no
//! verbs and no shares; the application says what to show.

mod completion;
mod editing;
mod paint;
pub mod progress;
pub mod prompt;
pub mod qr;
mod screen;
mod size;
mod source;
mod status_area;
pub mod table;

pub use completion::Complete;
pub use paint::Tint;
pub use screen::{Screen, View};

#[cfg(test)]
mod tests;
