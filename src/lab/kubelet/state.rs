//! The status of a pod, from what its containers do.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::lab::clock;
use crate::lab::defaults;
use crate::lab::json::{items, set, text};
use crate::lab::pods;
use crate::lab::seed::Seed;

/// Where a pod lives and what its containers do.
#[derive(Clone, Debug)]
pub(in crate::lab) struct PodState {
    /// Address of the machine.
    pub(in crate::lab) host: String,
    /// Address of the pod; empty before its sandbox exists.
    pub(in crate::lab) ip: String,
    /// When the kubelet first saw it.
    pub(in crate::lab) started: Timestamp,
    /// Its containers, in the order of the spec.
    pub(in crate::lab) containers: Vec<Container>,
}

/// One container.
#[derive(Clone, Debug)]
pub(in crate::lab) struct Container {
    pub(in crate::lab) name: String,
    pub(in crate::lab) image: String,
    pub(in crate::lab) now: Now,
    /// The end before this one.
    pub(in crate::lab) last: Option<Ended>,
    pub(in crate::lab) ready: bool,
    pub(in crate::lab) restarts: u32,
}

/// What a container does at present.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::lab) enum Now {
    /// Not running, with the kubelet's reason and message.
    Waiting(&'static str, String),
    /// Running since.
    Running(Timestamp),
    /// Ended.
    Ended(Ended),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::lab) struct Ended {
    pub(in crate::lab) code: i32,
    pub(in crate::lab) reason: &'static str,
    pub(in crate::lab) started: Timestamp,
    pub(in crate::lab) finished: Timestamp,
}

impl Ended {
    /// An end with an exit code, and the word that goes with it.
    pub(in crate::lab) fn new(code: i32, started: Timestamp, finished: Timestamp) -> Self {
        let reason = if code == 0 { "Completed" } else { "Error" };
        Self {
            code,
            reason,
            started,
            finished,
        }
    }

    /// The same, where something better than its code tells why.
    pub(in crate::lab) fn called(self, reason: Option<&'static str>) -> Self {
        Self {
            reason: reason.unwrap_or(self.reason),
            ..self
        }
    }
}

impl PodState {
    /// A pod whose containers are about to be made.
    pub(in crate::lab) fn creating(pod: &Value, host: &str, ip: &str, now: Timestamp) -> Self {
        let containers = items(pod, "/spec/containers")
            .iter()
            .map(|container| Container {
                name: text(container, "/name").to_owned(),
                image: text(container, "/image").to_owned(),
                now: Now::Waiting("ContainerCreating", String::new()),
                last: None,
                ready: false,
                restarts: 0,
            })
            .collect();
        Self {
            host: host.to_owned(),
            ip: ip.to_owned(),
            started: now,
            containers,
        }
    }

    /// Remembers by its status that a pod has run before its machine was started anew: how its containers ended nobody
    /// knows.
    pub(in crate::lab) fn recall(&mut self, pod: &Value, now: Timestamp) {
        if let Some(started) = clock::parse(text(pod, "/status/startTime")) {
            self.started = started;
        }
        for status in items(pod, "/status/containerStatuses") {
            if text(status, "/containerID").is_empty() {
                continue;
            }
            let since = clock::parse(text(status, "/state/running/startedAt")).unwrap_or(now);
            let restarts = super::super::json::number(status, "/restartCount").unwrap_or(0);
            self.with(text(status, "/name"), |one| {
                one.restarts = u32::try_from(restarts).unwrap_or(0);
                one.last = Some(Ended {
                    code: 255,
                    reason: "Unknown",
                    started: since,
                    finished: now,
                });
            });
        }
    }

    /// A pod that has run and been ready since `since`.
    pub(in crate::lab) fn running(pod: &Value, host: &str, ip: &str, since: Timestamp) -> Self {
        let mut state = Self::creating(pod, host, ip, since);
        for container in &mut state.containers {
            container.now = Now::Running(since);
            container.ready = true;
        }
        state
    }

    /// Changes one container.
    pub(in crate::lab) fn with(&mut self, name: &str, change: impl FnOnce(&mut Container)) {
        if let Some(container) = self.containers.iter_mut().find(|one| one.name == name) {
            change(container);
        }
    }

    fn ready(&self) -> bool {
        self.containers.iter().all(|container| container.ready)
    }

    /// A pod whose containers have all ended is over only when nobody starts them again: because it is going.
    fn phase(&self, deleting: bool) -> &'static str {
        let begun = |container: &Container| {
            !matches!(container.now, Now::Waiting(..))
                || container.last.is_some()
                || container.restarts > 0
        };
        let ended = |container: &Container| matches!(container.now, Now::Ended(_));
        if deleting && self.containers.iter().all(ended) {
            let failed = |one: &Container| matches!(&one.now, Now::Ended(end) if end.code != 0);
            return if self.containers.iter().any(failed) {
                "Failed"
            } else {
                "Succeeded"
            };
        }
        if self.containers.iter().all(begun) {
            "Running"
        } else {
            "Pending"
        }
    }

    /// The `status` of `pod`. Conditions of others (readiness gates, disruption) are kept.
    pub(in crate::lab) fn status(&self, pod: &Value, now: Timestamp, seed: Seed) -> Value {
        let uid = text(pod, "/metadata/uid");
        let mut status = json!({
            "phase": self.phase(pods::deleting(pod)),
            "qosClass": defaults::qos_class(pod.get("spec").unwrap_or(&Value::Null)),
            "startTime": clock::seconds(self.started),
            "containerStatuses": self
                .containers
                .iter()
                .map(|container| container.status(uid, seed))
                .collect::<Vec<_>>(),
        });
        if !self.host.is_empty() {
            set(&mut status, &["hostIP"], self.host.clone().into());
            set(&mut status, &["hostIPs"], json!([{"ip": self.host}]));
        }
        if !self.ip.is_empty() {
            set(&mut status, &["podIP"], self.ip.clone().into());
            set(&mut status, &["podIPs"], json!([{"ip": self.ip}]));
        }
        if let Some(old) = pod.pointer("/status/conditions") {
            set(&mut status, &["conditions"], old.clone());
        }
        for condition in self.conditions(pod) {
            pods::set_condition(&mut status, condition, &clock::seconds(now));
        }
        status
    }

    fn conditions(&self, pod: &Value) -> Vec<Value> {
        let condition = |kind: &str, holds: bool, why: &Option<(&str, String)>| {
            let mut value = json!({"type": kind, "status": if holds { "True" } else { "False" },
                "lastProbeTime": null});
            if let (false, Some((reason, message))) = (holds, why) {
                set(&mut value, &["reason"], (*reason).into());
                set(&mut value, &["message"], message.clone().into());
            }
            value
        };
        let unready: Vec<&str> = self
            .containers
            .iter()
            .filter(|container| !container.ready)
            .map(|container| container.name.as_str())
            .collect();
        let containers = (!unready.is_empty()).then(|| {
            (
                "ContainersNotReady",
                format!("containers with unready status: [{}]", unready.join(" ")),
            )
        });
        let closed: Vec<&str> = items(pod, "/spec/readinessGates")
            .iter()
            .map(|gate| text(gate, "/conditionType"))
            .filter(|kind| !pods::condition(pod, kind))
            .collect();
        let gates = closed.first().map(|_| {
            let texts: Vec<String> = closed
                .iter()
                .map(|kind| match items(pod, "/status/conditions").iter().any(|one| text(one, "/type") == *kind) {
                    true => format!("the status of pod readiness gate \"{kind}\" is not \"True\", but False"),
                    false => format!("corresponding condition of pod readiness gate \"{kind}\" does not exist."),
                })
                .collect();
            ("ReadinessGatesNotReady", texts.join(", "))
        });
        let ready = self.ready();
        vec![
            condition("PodReadyToStartContainers", !self.ip.is_empty(), &None),
            condition("Initialized", true, &None),
            condition(
                "Ready",
                ready && gates.is_none(),
                &if ready { gates } else { containers.clone() },
            ),
            condition("ContainersReady", ready, &containers),
            condition("PodScheduled", true, &None),
        ]
    }
}

impl Container {
    fn status(&self, uid: &str, seed: Seed) -> Value {
        let id = |start: u32| {
            format!(
                "containerd://{}",
                seed.hex(64, &["container", uid, &self.name, &start.to_string()])
            )
        };
        let ended = |end: &Ended, start: u32| {
            json!({"containerID": id(start), "exitCode": end.code, "reason": end.reason,
                "startedAt": clock::seconds(end.started), "finishedAt": clock::seconds(end.finished)})
        };
        let state = match &self.now {
            Now::Waiting(reason, message) if message.is_empty() => {
                json!({"waiting": {"reason": reason}})
            }
            Now::Waiting(reason, message) => {
                json!({"waiting": {"message": message, "reason": reason}})
            }
            Now::Running(since) => json!({"running": {"startedAt": clock::seconds(*since)}}),
            Now::Ended(end) => json!({"terminated": ended(end, self.restarts)}),
        };
        // While it waits to be started again, the container of the last start is what the status names.
        let waiting = matches!(self.now, Now::Waiting(..));
        let named = (!waiting || self.last.is_some()).then_some(self.restarts);
        let before = if waiting {
            self.restarts
        } else {
            self.restarts.saturating_sub(1)
        };
        let last = match &self.last {
            Some(end) => json!({"terminated": ended(end, before)}),
            None => json!({}),
        };
        let mut value = json!({
            "name": self.name,
            "image": self.image,
            "imageID": "",
            "lastState": last,
            "ready": self.ready,
            "restartCount": self.restarts,
            "started": matches!(self.now, Now::Running(_)),
            "state": state,
        });
        if let Some(start) = named {
            let repository = self
                .image
                .rsplit_once(':')
                .map_or(self.image.as_str(), |(name, _)| name);
            let digest = Seed(0).hex(64, &["image", &self.image]);
            set(
                &mut value,
                &["imageID"],
                format!("{repository}@sha256:{digest}").into(),
            );
            set(&mut value, &["containerID"], id(start).into());
        }
        value
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn pod(gates: Value, conditions: Value) -> Value {
        json!({"metadata": {"uid": "u"}, "spec": {"containers": [{"name": "dragonfly", "image": "r/df:v1"}],
            "readinessGates": gates}, "status": {"conditions": conditions}})
    }

    fn shown(state: &PodState, pod: &Value) -> Value {
        state.status(pod, "2026-11-21T10:00:00Z".parse().unwrap(), Seed(1))
    }

    #[test]
    fn a_pod_goes_from_pending_to_ready() {
        let pod = pod(Value::Null, Value::Null);
        let then = "2026-11-21T09:00:00Z".parse().unwrap();
        let mut state = PodState::creating(&pod, "10.0.0.1", "", then);
        let status = shown(&state, &pod);
        assert_eq!(status["phase"], "Pending");
        assert_eq!(
            status["containerStatuses"][0]["state"]["waiting"]["reason"],
            "ContainerCreating"
        );
        assert!(!pods::ready(&json!({"status": status})));
        state.ip = "10.42.1.2".into();
        state.with("dragonfly", |one| one.now = Now::Running(then));
        let status = shown(&state, &pod);
        assert_eq!(status["phase"], "Running");
        assert!(!pods::condition(
            &json!({"status": status}),
            "ContainersReady"
        ));
        state.with("dragonfly", |one| one.ready = true);
        let status = shown(&state, &pod);
        assert!(pods::ready(&json!({"status": status})));
        assert_eq!(status["podIP"], "10.42.1.2");
    }

    #[test]
    fn a_crashing_container_keeps_its_pod_running_and_shows_both_ends() {
        let pod = pod(Value::Null, Value::Null);
        let then = "2026-11-21T09:00:00Z".parse().unwrap();
        let mut state = PodState::running(&pod, "h", "i", then);
        state.with("dragonfly", |one| {
            one.now = Now::Waiting("CrashLoopBackOff", "back-off 10s".into());
            one.last = Some(Ended::new(1, then, then));
            one.restarts = 3;
            one.ready = false;
        });
        let status = shown(&state, &pod);
        assert_eq!(status["phase"], "Running");
        let container = &status["containerStatuses"][0];
        assert_eq!(container["lastState"]["terminated"]["exitCode"], 1);
        assert_eq!(
            container["lastState"]["terminated"]["containerID"],
            container["containerID"]
        );
        assert_eq!(container["restartCount"], 3);
    }

    #[test]
    fn an_ended_container_ends_its_pod_only_when_that_is_going() {
        let mut pod = pod(Value::Null, Value::Null);
        let then = "2026-11-21T09:00:00Z".parse().unwrap();
        let mut state = PodState::running(&pod, "h", "i", then);
        state.with("dragonfly", |one| {
            one.now = Now::Ended(Ended::new(137, then, then))
        });
        assert_eq!(shown(&state, &pod)["phase"], "Running");
        set(
            &mut pod,
            &["metadata", "deletionTimestamp"],
            "2026-11-21T10:00:00Z".into(),
        );
        assert_eq!(shown(&state, &pod)["phase"], "Failed");
    }

    #[test]
    fn a_closed_gate_keeps_a_pod_from_being_ready() {
        let gate = "dragonflydb.io/replication-ready";
        let gates = json!([{"conditionType": gate}]);
        let then = "2026-11-21T09:00:00Z".parse().unwrap();
        let table = [
            (json!([]), false, "does not exist"),
            (
                json!([{"type": gate, "status": "False"}]),
                false,
                "but False",
            ),
            (json!([{"type": gate, "status": "True"}]), true, ""),
        ];
        for (conditions, ready, words) in table {
            let pod = pod(gates.clone(), conditions);
            let status = shown(&PodState::running(&pod, "h", "i", then), &pod);
            let found = items(&status, "/conditions")
                .iter()
                .find(|one| one["type"] == "Ready")
                .unwrap();
            assert_eq!(text(found, "/status") == "True", ready);
            assert!(text(found, "/message").contains(words), "{found}");
            assert!(pods::condition(
                &json!({"status": status}),
                "ContainersReady"
            ));
        }
    }
}
