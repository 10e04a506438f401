//! How a container is started, or why it is not.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::super::flags::Refused;
use super::super::state::{Now, PodState};
use super::{Due, Worker, back_off};
use crate::lab::json::{items, number, text};

/// When a liveness probe has failed often enough: its initial delay, and three periods.
const FAILS_AFTER: Duration = Duration::from_secs(40);

impl Worker {
    /// Starts a container's process, or shows why it cannot be.
    pub(super) async fn start(&mut self, name: &str) {
        let Some(pod) = self.pod() else { return };
        let Some(container) = items(&pod, "/spec/containers")
            .iter()
            .find(|one| text(one, "/name") == name)
        else {
            return;
        };
        let image = text(container, "/image").to_owned();
        let (ip, restarts) = match &self.state {
            Some(state) => {
                let again = state
                    .containers
                    .iter()
                    .find(|one| one.name == name && one.last.is_some());
                (state.ip.clone(), again.map_or(0, |one| one.restarts + 1))
            }
            None => return,
        };
        let field = format!("spec.containers{{{name}}}");
        let say = |kind: &str, reason: &str, sentence: &str| {
            self.shared
                .events
                .on(&self.node)
                .now(&pod, kind, reason, sentence, &field);
        };
        match self
            .shared
            .program(&pod, container, &ip, restarts, Duration::ZERO)
            .await
        {
            Ok(process) => {
                let sentence = match self.pulled.take() {
                    Some(took) => format!(
                        "Successfully pulled image \"{image}\" in {:.3}s ({:.3}s including waiting). Image size: 91827364 bytes.",
                        took.as_secs_f64(),
                        took.as_secs_f64()
                    ),
                    None => format!("Container image \"{image}\" already present on machine"),
                };
                say("Normal", "Pulled", &sentence);
                say("Normal", "Created", &format!("Created container: {name}"));
                say("Normal", "Started", &format!("Started container {name}"));
                let process = Arc::new(process);
                self.shared
                    .started(&self.namespace, &self.name, &self.uid, name, &process);
                self.running.insert(name.to_owned(), process);
                let probed = container.get("readinessProbe");
                let now = self.shared.store.now();
                if let Some(state) = &mut self.state {
                    state.with(name, |one| {
                        one.now = Now::Running(now);
                        one.restarts = restarts;
                        one.ready = probed.is_none();
                    });
                }
                let tricks = &self.shared.tricks;
                if tricks.is_impatient(&self.namespace, &self.name) {
                    let after = FAILS_AFTER / self.shared.haste();
                    self.later(after, Due::Load(name.to_owned()));
                }
                if let Some(probe) = probed {
                    let delay = number(probe, "/initialDelaySeconds")
                        .unwrap_or(0)
                        .max(1)
                        .unsigned_abs();
                    self.later(
                        Duration::from_secs(delay) / self.shared.haste(),
                        Due::Ready(name.to_owned()),
                    );
                }
            }
            Err(refused) => self.refused(&pod, name, &image, refused),
        }
    }

    fn refused(&mut self, pod: &Value, name: &str, image: &str, refused: Refused) {
        let field = format!("spec.containers{{{name}}}");
        let events = self.shared.events.on(&self.node);
        let waiting = |state: &PodState| {
            let found = state.containers.iter().find(|one| one.name == name);
            matches!(
                found.map(|one| &one.now),
                Some(Now::Waiting("ErrImagePull" | "ImagePullBackOff", _))
            )
        };
        let mut shown = (refused.reason, refused.message.clone());
        if refused.reason == "ErrImagePull" {
            let again = self.state.as_ref().is_some_and(waiting);
            if again {
                let sentence = format!("Back-off pulling image \"{image}\"");
                events.now(pod, "Normal", "BackOff", &sentence, &field);
                events.now(pod, "Warning", "Failed", "Error: ImagePullBackOff", &field);
                shown = (
                    "ImagePullBackOff",
                    format!("{sentence}: ErrImagePull: {}", refused.message),
                );
            } else {
                events.now(
                    pod,
                    "Normal",
                    "Pulling",
                    &format!("Pulling image \"{image}\""),
                    &field,
                );
                let sentence = format!("Failed to pull image \"{image}\": {}", refused.message);
                events.now(pod, "Warning", "Failed", &sentence, &field);
                events.now(pod, "Warning", "Failed", "Error: ErrImagePull", &field);
            }
        } else {
            events.now(
                pod,
                "Warning",
                "Failed",
                &format!("Error: {}", refused.message),
                &field,
            );
        }
        if let Some(state) = &mut self.state {
            state.with(name, |one| {
                one.now = Now::Waiting(shown.0, shown.1);
                one.ready = false;
            });
        }
        let times = self.crashes.entry(name.to_owned()).or_insert(0);
        *times += 1;
        let delay = back_off(*times);
        self.later(delay / self.shared.haste(), Due::Start(name.to_owned()));
    }
}
