//! The only place where tasks are spawned. Each has a name, an owner and an end that is noticed.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its name: `context infra`.
    pub task: String,
    /// The panic's message, if it did not end in peace.
    pub panic: Option<String>,
}

/// Owner of every task.
pub struct Supervisor {
    tasks: JoinSet<Ended>,
    cancel: CancellationToken,
}

impl Default for Supervisor {
    fn default() -> Self {
        Self {
            tasks: JoinSet::new(),
            cancel: CancellationToken::new(),
        }
    }
}

impl Supervisor {
    /// Starts a task. It is dropped at its next await point when the supervisor stops; a panic in it ends only it.
    pub fn spawn(
        &mut self,
        name: impl Into<String>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let name = name.into();
        let cancel = self.cancel.clone();
        self.tasks.spawn(async move {
            let caught = AssertUnwindSafe(task).catch_unwind();
            let panic = tokio::select! {
                ended = caught => ended.err().map(|panic| message_of(&*panic)),
                () = cancel.cancelled() => None,
            };
            if let Some(panic) = &panic {
                tracing::error!(task = name, panic, "a task panicked");
            }
            Ended { task: name, panic }
        });
    }

    /// The next task that ended. Pends forever while none is running, so that it fits into a `select!`.
    pub async fn next_end(&mut self) -> Ended {
        loop {
            match self.tasks.join_next().await {
                Some(Ok(ended)) => return ended,
                Some(Err(error)) => tracing::error!(%error, "a task could not be joined"),
                None => std::future::pending().await,
            }
        }
    }

    /// Stops everything and waits until it has stopped.
    pub async fn stop(&mut self) {
        self.cancel.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// What a panic said.
pub fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_one_task_and_is_told() {
        let mut supervisor = Supervisor::default();
        supervisor.spawn("calm", std::future::pending());
        supervisor.spawn("wild", async { panic!("thrown") });
        let ended = supervisor.next_end().await;
        assert_eq!(
            ended,
            Ended {
                task: "wild".into(),
                panic: Some("thrown".into())
            }
        );
        supervisor.stop().await;
    }
}
