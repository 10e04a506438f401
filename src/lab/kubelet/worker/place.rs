//! Where a pod goes: the scheduler's and the volume binder's part of its life.

use futures::StreamExt;
use serde_json::{Value, json};

use super::super::schedule;
use super::{Word, Worker};
use crate::lab::controllers::{SELECTED_NODE, claims_of, follow};
use crate::lab::json::{set, text};
use crate::lab::pods;
use crate::lab::resources::{CLAIMS, NODES};
use std::time::Duration;

impl Worker {
    /// Finds a machine and waits for the volumes.
    pub(super) async fn place(&mut self) -> Result<Value, Word> {
        loop {
            let pod = self.pod().ok_or(Word::Gone)?;
            let assigned = text(&pod, "/spec/nodeName").to_owned();
            if !assigned.is_empty() {
                self.node = assigned;
                return Ok(pod);
            }
            let mut changes = follow(&self.shared.store, &[NODES, CLAIMS]);
            match self.choose(&pod) {
                Ok(node) => {
                    self.pause(Duration::from_millis(50)).await?;
                    if self.claims_bound(&pod, &node) {
                        self.assign(&node);
                        continue;
                    }
                }
                Err(sentence) => self.unschedulable(&pod, &sentence),
            }
            tokio::select! {
                word = self.words.recv() => match word {
                    Some(Word::Look | Word::Retry) => {}
                    other => return Err(other.unwrap_or(Word::Gone)),
                },
                _ = changes.next() => {}
            }
        }
    }

    fn choose(&self, pod: &Value) -> Result<String, String> {
        let mut tied = None;
        for name in claims_of(pod) {
            let claim = self.shared.store.get(CLAIMS, &self.namespace, &name);
            let claim = claim
                .map_err(|_| format!("persistentvolumeclaim \"{name}\" not found"))?
                .value();
            let node = claim
                .pointer("/metadata/annotations")
                .and_then(|all| all.get(SELECTED_NODE));
            tied = tied.or(node.and_then(Value::as_str).map(str::to_owned));
        }
        let nodes = self
            .shared
            .store
            .list(NODES, None)
            .map(|listed| listed.items)
            .unwrap_or_default();
        let nodes: Vec<Value> = nodes.iter().map(|node| node.value()).collect();
        if self.shared.tricks.is_full() {
            return Err(schedule::no_memory(nodes.len()));
        }
        schedule::choose(pod, &nodes, &self.shared.placed(), tied.as_deref())
    }

    /// Asks for volumes on the machine; whether all are there.
    fn claims_bound(&self, pod: &Value, node: &str) -> bool {
        let mut bound = true;
        for name in claims_of(pod) {
            let asked = self.shared.store.update(
                CLAIMS,
                &self.namespace,
                &name,
                "kube-scheduler",
                |claim| {
                    set(
                        claim,
                        &["metadata", "annotations", SELECTED_NODE],
                        node.into(),
                    );
                },
            );
            bound &= asked.is_ok_and(|claim| text(&claim.value(), "/status/phase") == "Bound");
        }
        bound
    }

    fn assign(&mut self, node: &str) {
        self.shared
            .placed_on(&self.namespace, &self.name, &self.uid, node);
        let now = crate::lab::clock::seconds(self.shared.store.now());
        let assigned = self.change("kube-scheduler", |pod| {
            set(pod, &["spec", "nodeName"], node.into());
            let mut status = pod.get("status").cloned().unwrap_or_else(|| json!({}));
            pods::set_condition(
                &mut status,
                json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null}),
                &now,
            );
            set(pod, &["status"], status);
        });
        if let Some(pod) = assigned {
            let sentence = format!(
                "Successfully assigned {}/{} to {node}",
                self.namespace, self.name
            );
            self.shared.scheduler.normal(&pod, "Scheduled", &sentence);
        }
    }

    fn unschedulable(&self, pod: &Value, sentence: &str) {
        self.shared
            .scheduler
            .warning(pod, "FailedScheduling", sentence);
        let now = crate::lab::clock::seconds(self.shared.store.now());
        self.change("kube-scheduler", |pod| {
            let mut status = pod.get("status").cloned().unwrap_or_else(|| json!({}));
            let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": sentence, "lastProbeTime": null});
            pods::set_condition(&mut status, condition, &now);
            set(pod, &["status"], status);
        });
    }
}
