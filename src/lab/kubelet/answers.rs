//! What the API server asks a kubelet: logs, exec, and connections into pods.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::process::Process;
use super::{Machines, shell, stats};
use crate::lab::kubelet_api::{Exec, Kubelet, Later, Log, LogLine, Output};
use crate::lab::status::Status;
use crate::lab::tasks::Tasks;

/// How often a followed log is looked at.
const FOLLOW: Duration = Duration::from_millis(150);

impl Kubelet for Machines {
    fn logs<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
        container: &'a str,
        previous: bool,
        follow: bool,
    ) -> Later<'a, Result<Log, Status>> {
        Box::pin(async move {
            if previous {
                let pods = self.0.pods();
                let entry = pods.get(&(namespace.to_owned(), pod.to_owned()));
                let before = entry.and_then(|entry| {
                    entry
                        .before
                        .get(container)
                        .or_else(|| entry.past.get(container))
                });
                let missing = || {
                    Status::bad_request(format!(
                        "previous terminated container \"{container}\" in pod \"{pod}\" not found"
                    ))
                };
                return Ok(Log {
                    past: before.cloned().ok_or_else(missing)?,
                    live: None,
                });
            }
            if let Some(process) = self.0.process(namespace, pod, container) {
                let (past, next) = process.lines(0);
                let live = follow.then(|| follow_log(&self.0.tasks, process, next));
                return Ok(Log { past, live });
            }
            let pods = self.0.pods();
            let entry = pods.get(&(namespace.to_owned(), pod.to_owned()));
            match entry.and_then(|entry| entry.past.get(container)) {
                Some(past) => Ok(Log {
                    past: past.clone(),
                    live: None,
                }),
                None => Err(Status::bad_request(format!(
                    "container \"{container}\" in pod \"{pod}\" is waiting to start: ContainerCreating"
                ))),
            }
        })
    }

    fn exec(&self, exec: Exec) -> Later<'_, Result<mpsc::Receiver<Output>, Status>> {
        Box::pin(async move { shell::run(&self.0, exec).await })
    }

    fn dial<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
        port: u16,
    ) -> Later<'a, io::Result<TcpStream>> {
        Box::pin(async move {
            let engine = self
                .engine(namespace, pod)
                .ok_or(io::ErrorKind::ConnectionRefused)?;
            engine.dial(port).await
        })
    }

    fn stats<'a>(&'a self, node: &'a str) -> Later<'a, Option<Value>> {
        Box::pin(async move { stats::summary(self, node) })
    }
}

fn follow_log(tasks: &Tasks, process: Arc<Process>, mut next: u64) -> mpsc::Receiver<LogLine> {
    let (sender, receiver) = mpsc::channel(64);
    tasks.spawn(async move {
        loop {
            let ended = process.has_ended();
            let (lines, after) = process.lines(next);
            next = after;
            for line in lines {
                if sender.send(line).await.is_err() {
                    return;
                }
            }
            if ended {
                return;
            }
            tokio::select! {
                () = sender.closed() => return,
                () = tokio::time::sleep(FOLLOW) => {}
                _ = process.exited() => {}
            }
        }
    });
    receiver
}
