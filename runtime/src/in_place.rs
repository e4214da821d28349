//! Work in the middle of a task that may wait for something slow: a terminal that takes nothing, a disk that syncs.

use tokio::runtime::{Handle, RuntimeFlavor};

/// Does `work` here and now, while the other tasks of this thread go on elsewhere. Costs some ten microseconds, so
/// it is for what happens seldom. Outside of a runtime, and in one of a single thread, `work` is simply done.
pub fn in_place<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn the_other_tasks_of_the_only_thread_go_on() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (sender, receiver) = mpsc::channel();
        let waits = runtime.spawn(async move {
            tokio::spawn(async move { sender.send(7) });
            // Nobody else could run the other task.
            in_place(|| receiver.recv().unwrap())
        });
        assert_eq!(runtime.block_on(waits).unwrap(), 7);
    }

    #[tokio::test]
    async fn where_there_is_one_thread_it_is_done() {
        assert_eq!(in_place(|| 7), 7);
    }
}
