//! Starts tasks: each has a name, keeps the span it was started in, and does not die in silence.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument as _;

/// Starts `future` as a task. A panic in it is logged with the task's name and reaches whoever
/// awaits the handle; it ends nothing else. Dropping the handle lets the task run on.
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    // In a place of its own: a future that is moved into another one before it is awaited takes twice its size there.
    let future = Box::pin(future);
    tokio::spawn(
        async move {
            let _report = ReportPanic { name };
            future.await
        }
        .in_current_span(),
    )
}

/// Notices that it is dropped by unwinding. What panicked, and where, is told by the panic hook.
struct ReportPanic {
    name: &'static str,
}

impl Drop for ReportPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!(task = self.name, "a task ended by panic");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_reaches_the_handle_and_no_one_else() {
        let bad = spawn("bad", async { panic!("on purpose") });
        let good = spawn("good", async { 7 });
        assert!(bad.await.unwrap_err().is_panic());
        assert_eq!(good.await.unwrap(), 7);
    }
}
