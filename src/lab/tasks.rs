//! The tasks of a lab, which all end with it.

use std::future::Future;

use tokio_util::sync::CancellationToken;

/// Starts tasks that end when the lab does; cloning shares the end.
#[derive(Clone, Debug, Default)]
pub(in crate::lab) struct Tasks(CancellationToken);

impl Tasks {
    /// Runs a task until it is done or the lab ends.
    pub(in crate::lab) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let ended = self.0.clone();
        tokio::spawn(async move {
            ended.run_until_cancelled(work).await;
        });
    }

    /// Tasks that can be ended before the others, and end with them.
    pub(in crate::lab) fn part(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Ends all of them at their next await.
    pub(in crate::lab) fn end(&self) {
        self.0.cancel();
    }

    /// Completes when they are ended.
    pub(in crate::lab) async fn ended(&self) {
        self.0.cancelled().await;
    }
}
