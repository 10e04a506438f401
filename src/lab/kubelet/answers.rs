//! What the API server asks a kubelet: logs, exec, and connections into pods.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::process::Process;
use super::{Machines, shell};
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
            self.dialled(namespace, pod).await?;
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
        Box::pin(async move {
            self.dialled(&exec.namespace, &exec.pod).await?;
            let mut exec = exec;
            if let Some((namespace, pod)) = self.0.tricks.answering(&exec.namespace, &exec.pod) {
                (exec.namespace, exec.pod) = (namespace, pod);
            }
            shell::run(&self.0, exec).await
        })
    }

    fn reach<'a>(&'a self, namespace: &'a str, pod: &'a str) -> Later<'a, Result<(), Status>> {
        Box::pin(self.dialled(namespace, pod))
    }

    fn dial<'a>(
        &'a self,
        namespace: &'a str,
        pod: &'a str,
        port: u16,
    ) -> Later<'a, io::Result<TcpStream>> {
        Box::pin(async move {
            let (namespace, pod) = match self.0.tricks.answering(namespace, pod) {
                Some((namespace, pod)) => (namespace, pod),
                None => (namespace.to_owned(), pod.to_owned()),
            };
            let node = self
                .0
                .pods()
                .get(&(namespace.clone(), pod.clone()))
                .map(|entry| entry.node.clone());
            if node.is_some_and(|node| self.0.tricks.is_lost(&node)) {
                return Err(self.0.nobody_answers().await);
            }
            let engine = self
                .engine(&namespace, &pod)
                .ok_or(io::ErrorKind::ConnectionRefused)?;
            engine.dial(port).await
        })
    }

    fn stats<'a>(&'a self, node: &'a str) -> Later<'a, Option<serde_json::Value>> {
        Box::pin(async move { self.summary(node) })
    }
}

impl Machines {
    /// Fails as an API server does that cannot reach the kubelet of a pod's machine.
    async fn dialled(&self, namespace: &str, pod: &str) -> Result<(), Status> {
        let key = (namespace.to_owned(), pod.to_owned());
        let node = self.0.pods().get(&key).map(|entry| entry.node.clone());
        let Some(node) = node.filter(|node| self.0.tricks.is_lost(node)) else {
            return Ok(());
        };
        let host = self.0.host(&node);
        let error = self.0.nobody_answers().await;
        Err(Status::internal(format!(
            "error dialing backend: dial tcp {host}:10250: {error}"
        )))
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
