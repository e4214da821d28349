//! Waiting for a condition with a deadline: the only place that lets time pass.

use std::time::{Duration, Instant};

/// How often a condition that nobody announces is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// Waits until the question has an answer; ends the test at the deadline, naming what was awaited.
pub fn until<T>(what: &str, most: Duration, mut question: impl FnMut() -> Option<T>) -> T {
    within(most, &mut question).unwrap_or_else(|| panic!("waited {most:?} in vain for: {what}"))
}

/// Waits until the question has an answer or the time is over.
pub fn within<T>(most: Duration, mut question: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + most;
    loop {
        if let Some(answer) = question() {
            return Some(answer);
        }
        if Instant::now() >= end {
            return None;
        }
        glance();
    }
}

#[expect(clippy::disallowed_methods, reason = "the condition itself is looked at again right after")]
fn glance() {
    std::thread::sleep(GLANCE);
}
