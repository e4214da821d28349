//! The wish to stop: Ctrl-C, SIGTERM or a command, seen by every task that holds a copy.

use tokio_util::sync::CancellationToken;

/// A wish to stop that, once made, stays made. Copies are one and the same wish.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
}

impl Shutdown {
    /// No wish yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A wish that comes with this one but may also come alone.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { token: self.token.child_token() }
    }

    /// Asks everyone to stop.
    pub fn request(&self) {
        self.token.cancel();
    }

    /// Whether it was asked.
    pub fn is_requested(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Waits until it is asked.
    pub async fn requested(&self) {
        self.token.cancelled().await;
    }
}

/// Waits for Ctrl-C or SIGTERM and says which it was. Each call waits for a new one.
pub async fn signal() -> &'static str {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                _ = tokio::signal::ctrl_c() => "Ctrl-C",
                _ = terminate.recv() => "SIGTERM",
            },
            Err(error) => {
                tracing::warn!(%error, "SIGTERM cannot be caught");
                ctrl_c().await
            }
        }
    }
    #[cfg(not(unix))]
    ctrl_c().await
}

/// Waits for a SIGHUP. Each call waits for a new one; where there are no such signals, for ever.
pub struct Hangup {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangup {
    /// From now on a SIGHUP no longer ends the program.
    pub fn catch() -> Self {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let signal = signal(SignalKind::hangup());
            Self {
                signal: signal.inspect_err(|error| tracing::warn!(%error, "SIGHUP cannot be caught")).ok(),
            }
        }
        #[cfg(not(unix))]
        Self {}
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

impl std::fmt::Debug for Hangup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hangup")
    }
}

async fn ctrl_c() -> &'static str {
    match tokio::signal::ctrl_c().await {
        Ok(()) => "Ctrl-C",
        // Without signals there is nothing to wait for; other ways to stop remain.
        Err(_) => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_stops_with_its_parent_and_not_the_other_way_round() {
        let parent = Shutdown::new();
        let (first, second) = (parent.child(), parent.child());
        first.request();
        first.requested().await;
        assert!(!parent.is_requested() && !second.is_requested());
        parent.request();
        second.requested().await;
    }
}
