//! Deployments and their ReplicaSets: one set per pod template, a rolling update that adds one new pod at a time, and
//! the counts and conditions of `status`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Births, Controller, Key, controller_reference, key, keys, owned_by, owners};
use crate::lab::clock;
use crate::lab::events::Recorder;
use crate::lab::json::{extend, number, set, text};
use crate::lab::pods;
use crate::lab::resources::{DEPLOYMENTS, GroupResource, PODS, REPLICA_SETS};
use crate::lab::seed::{self, Seed};
use crate::lab::store::{Delete, Object, Store};

const MANAGER: &str = "kube-controller-manager";
const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";

/// Deployments to ReplicaSets.
pub(in crate::lab) struct Deployments {
    store: Store,
    seed: Seed,
    births: Births,
    events: Recorder,
}

impl Deployments {
    pub(in crate::lab) fn new(store: Store, seed: Seed) -> Self {
        Self {
            events: Recorder::new(&store, "deployment-controller", ""),
            store,
            seed,
            births: Births::default(),
        }
    }

    fn scale(&self, deployment: &Value, replica_set: &Value, to: i64) {
        let from = number(replica_set, "/spec/replicas").unwrap_or(0);
        if from == to {
            return;
        }
        let (namespace, name) = names(replica_set);
        let scaled = self
            .store
            .update(REPLICA_SETS, namespace, name, MANAGER, |value| {
                set(value, &["spec", "replicas"], to.into());
            });
        if scaled.is_ok() {
            let way = if to > from { "up" } else { "down" };
            let sentence = format!("Scaled {way} replica set {name} from {from} to {to}");
            self.events
                .normal(deployment, "ScalingReplicaSet", &sentence);
        }
    }

    fn step(&mut self, deployment: &Value, sets: &[Value]) {
        if pods::deleting(deployment) {
            return;
        }
        let wanted = number(deployment, "/spec/replicas").unwrap_or(1);
        let name = set_name(deployment);
        let (old, new): (Vec<&Value>, Vec<&Value>) = sets
            .iter()
            .partition(|one| text(one, "/metadata/name") != name);
        let old_pods: i64 = old
            .iter()
            .filter_map(|one| number(one, "/spec/replicas"))
            .sum();
        let Some(new) = new.first() else {
            let mut value = replica_set_of(deployment, 0);
            let namespace = text(deployment, "/metadata/namespace");
            let uid = self.births.uid(self.seed, "replicaset", namespace, &name);
            set(&mut value, &["metadata", "uid"], uid.into());
            if let Ok(made) = self.store.create(REPLICA_SETS, namespace, value, MANAGER) {
                let first = if old_pods == 0 { wanted } else { 1.min(wanted) };
                self.scale(deployment, &made.value(), first);
            }
            return;
        };
        let have = number(new, "/spec/replicas").unwrap_or(0);
        let ready = number(new, "/status/readyReplicas").unwrap_or(0);
        if have > wanted || old_pods == 0 {
            self.scale(deployment, new, wanted);
        } else if have < wanted && ready == have {
            // One more than wanted for a moment: a surge of one.
            self.scale(deployment, new, have + 1);
        }
        let left = (wanted - ready).max(0);
        if let Some(one) = old
            .iter()
            .find(|one| number(one, "/spec/replicas").unwrap_or(0) > 0)
            && old_pods > left
        {
            let own = number(one, "/spec/replicas").unwrap_or(0);
            self.scale(deployment, one, (own - (old_pods - left)).max(0));
        }
    }
}

impl Controller for Deployments {
    fn follows(&self) -> &'static [GroupResource<'static>] {
        &[DEPLOYMENTS, REPLICA_SETS]
    }

    fn touched(&self, what: GroupResource<'static>, object: &Object) -> Vec<Key> {
        match what == DEPLOYMENTS {
            true => vec![key(object)],
            false => owners(&self.store, DEPLOYMENTS, object),
        }
    }

    fn all(&self) -> Vec<Key> {
        keys(&self.store, DEPLOYMENTS)
    }

    fn settle(&mut self, (namespace, name): &Key) -> Option<Duration> {
        let object = self.store.get(DEPLOYMENTS, namespace, name).ok()?;
        let deployment = object.value();
        let read = |store: &Store| -> Vec<Value> {
            let owned = owned_by(store, REPLICA_SETS, namespace, &object.uid);
            owned.iter().map(|one: &Arc<Object>| one.value()).collect()
        };
        self.step(&deployment, &read(&self.store));
        let wanted = deployment_status(&deployment, &read(&self.store), self.store.now());
        if deployment.get("status") != Some(&wanted) {
            let _ = self
                .store
                .update(DEPLOYMENTS, namespace, name, MANAGER, |value| {
                    set(value, &["status"], wanted);
                });
        }
        None
    }
}

/// ReplicaSets to pods.
pub(in crate::lab) struct ReplicaSets {
    store: Store,
    seed: Seed,
    /// Pods made so far per set, so that names do not depend on the order of events elsewhere.
    made: BTreeMap<Key, u32>,
    events: Recorder,
}

impl ReplicaSets {
    pub(in crate::lab) fn new(store: Store, seed: Seed) -> Self {
        Self {
            events: Recorder::new(&store, "replicaset-controller", ""),
            store,
            seed,
            made: BTreeMap::new(),
        }
    }

    fn create(&mut self, replica_set: &Value) {
        let (namespace, name) = names(replica_set);
        // Names of the start come first; a taken one is passed over.
        for _ in 0..100 {
            let count = self
                .made
                .entry((namespace.to_owned(), name.to_owned()))
                .or_insert(0);
            let pod = replica_set_pod(replica_set, *count, self.seed);
            *count += 1;
            let pod_name = text(&pod, "/metadata/name").to_owned();
            match self.store.create(PODS, namespace, pod, MANAGER) {
                Ok(_) => {
                    let sentence = format!("Created pod: {pod_name}");
                    return self
                        .events
                        .normal(replica_set, "SuccessfulCreate", &sentence);
                }
                Err(status) if status.code == 409 => {}
                Err(_) => return,
            }
        }
    }
}

impl Controller for ReplicaSets {
    fn follows(&self) -> &'static [GroupResource<'static>] {
        &[REPLICA_SETS, PODS]
    }

    fn touched(&self, what: GroupResource<'static>, object: &Object) -> Vec<Key> {
        match what == REPLICA_SETS {
            true => vec![key(object)],
            false => owners(&self.store, REPLICA_SETS, object),
        }
    }

    fn all(&self) -> Vec<Key> {
        keys(&self.store, REPLICA_SETS)
    }

    fn settle(&mut self, (namespace, name): &Key) -> Option<Duration> {
        let object = self.store.get(REPLICA_SETS, namespace, name).ok()?;
        let replica_set = object.value();
        let read = |store: &Store| -> Vec<Value> {
            let owned = owned_by(store, PODS, namespace, &object.uid);
            owned.iter().map(|pod: &Arc<Object>| pod.value()).collect()
        };
        let pods = read(&self.store);
        let mut active: Vec<&Value> = pods.iter().filter(|pod| !pods::deleting(pod)).collect();
        let wanted = number(&replica_set, "/spec/replicas").unwrap_or(1);
        let have = active.len() as i64;
        if !object.deleting && have < wanted {
            for _ in have..wanted {
                self.create(&replica_set);
            }
        } else if have > wanted {
            active.sort_by_key(|pod| (pods::ready(pod), text(pod, "/metadata/name").to_owned()));
            let surplus = usize::try_from(have - wanted).unwrap_or(0);
            for pod in active.iter().take(surplus) {
                let pod_name = text(pod, "/metadata/name");
                if self
                    .store
                    .delete(PODS, namespace, pod_name, &Delete::default())
                    .is_ok()
                {
                    let sentence = format!("Deleted pod: {pod_name}");
                    self.events
                        .normal(&replica_set, "SuccessfulDelete", &sentence);
                }
            }
        }
        let wanted = replica_set_status(&replica_set, &read(&self.store));
        if replica_set.get("status") != Some(&wanted) {
            let _ = self
                .store
                .update(REPLICA_SETS, namespace, name, MANAGER, |value| {
                    set(value, &["status"], wanted);
                });
        }
        None
    }
}

fn names(value: &Value) -> (&str, &str) {
    (
        text(value, "/metadata/namespace"),
        text(value, "/metadata/name"),
    )
}

fn set_name(deployment: &Value) -> String {
    let template = deployment.pointer("/spec/template").unwrap_or(&Value::Null);
    let hash = seed::template_hash(&template.to_string());
    format!("{}-{hash}", text(deployment, "/metadata/name"))
}

/// The set of a Deployment's present template, without uid.
pub(in crate::lab) fn replica_set_of(deployment: &Value, replicas: i64) -> Value {
    let (namespace, own) = names(deployment);
    let name = set_name(deployment);
    let hash = name.rsplit_once('-').map_or("", |(_, hash)| hash);
    let mut template = deployment
        .pointer("/spec/template")
        .cloned()
        .unwrap_or_default();
    set(&mut template, &["metadata", "labels", HASH], hash.into());
    let mut selector = deployment
        .pointer("/spec/selector")
        .cloned()
        .unwrap_or_default();
    set(&mut selector, &["matchLabels", HASH], hash.into());
    let labels = template.pointer("/metadata/labels").cloned();
    let mut value = json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": labels,
            "annotations": {
                "deployment.kubernetes.io/desired-replicas": number(deployment, "/spec/replicas").unwrap_or(1).to_string(),
                "deployment.kubernetes.io/max-replicas": (number(deployment, "/spec/replicas").unwrap_or(1) + 1).to_string(),
            },
            "ownerReferences": controller_reference("apps/v1", "Deployment", own, text(deployment, "/metadata/uid")),
        },
        "spec": {"replicas": replicas, "selector": selector, "template": template},
        "status": {"replicas": 0},
    });
    let revision = match text(
        deployment,
        "/metadata/annotations/deployment.kubernetes.io~1revision",
    ) {
        "" => "1",
        own => own,
    };
    extend(
        &mut value,
        &["metadata", "annotations"],
        &json!({REVISION: revision}),
    );
    value
}

/// The n-th pod of a set.
pub(in crate::lab) fn replica_set_pod(replica_set: &Value, number: u32, seed: Seed) -> Value {
    let (namespace, name) = names(replica_set);
    let count = number.to_string();
    let pod_name = format!(
        "{name}-{}",
        seed.suffix(5, &["pod", namespace, name, &count])
    );
    let uid = text(replica_set, "/metadata/uid");
    let owner = controller_reference("apps/v1", "ReplicaSet", name, uid);
    let template = replica_set
        .pointer("/spec/template")
        .unwrap_or(&Value::Null);
    let mut pod = pods::from_template(template, namespace, &pod_name, &json!({}), owner, seed);
    extend(
        &mut pod,
        &["metadata"],
        &json!({"generateName": format!("{name}-"), "uid": seed.uid(&["pod", namespace, &pod_name])}),
    );
    pod
}

/// The counts of a ReplicaSet.
pub(in crate::lab) fn replica_set_status(replica_set: &Value, pods: &[Value]) -> Value {
    let active: Vec<&Value> = pods.iter().filter(|pod| !pods::deleting(pod)).collect();
    let ready = active.iter().filter(|pod| pods::ready(pod)).count();
    let mut status = json!({
        "replicas": active.len(),
        "observedGeneration": number(replica_set, "/metadata/generation").unwrap_or(1),
    });
    if !active.is_empty() {
        set(&mut status, &["fullyLabeledReplicas"], active.len().into());
    }
    if ready > 0 {
        set(&mut status, &["readyReplicas"], ready.into());
        set(&mut status, &["availableReplicas"], ready.into());
    }
    status
}

/// The counts and conditions of a Deployment.
pub(in crate::lab) fn deployment_status(
    deployment: &Value,
    sets: &[Value],
    now: Timestamp,
) -> Value {
    let name = set_name(deployment);
    let wanted = number(deployment, "/spec/replicas").unwrap_or(1);
    let sum = |field: &str, new_only: bool| -> i64 {
        sets.iter()
            .filter(|one| !new_only || text(one, "/metadata/name") == name)
            .filter_map(|one| number(one, &format!("/status/{field}")))
            .sum()
    };
    let (all, ready, updated) = (
        sum("replicas", false),
        sum("readyReplicas", false),
        sum("replicas", true),
    );
    let mut status =
        json!({"observedGeneration": number(deployment, "/metadata/generation").unwrap_or(1)});
    for (field, count) in [
        ("replicas", all),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", ready),
        ("unavailableReplicas", (wanted - ready).max(0)),
    ] {
        if count > 0 {
            set(&mut status, &[field], count.into());
        }
    }
    if let Some(old) = deployment.pointer("/status/conditions") {
        set(&mut status, &["conditions"], old.clone());
    }
    // A quarter may be missing, rounded down; with few pods that is none.
    let available = ready >= wanted - wanted / 4;
    let complete = updated == wanted && all == wanted && ready == wanted;
    let stamp = clock::seconds(now);
    let condition = |kind: &str, holds: bool, reason: &str, message: String| {
        let word = if holds { "True" } else { "False" };
        let mut value = json!({"type": kind, "status": word, "reason": reason, "message": message});
        let old = crate::lab::json::items(deployment, "/status/conditions")
            .iter()
            .find(|one| text(one, "/type") == kind);
        let same = old.filter(|old| text(old, "/reason") == reason && text(old, "/status") == word);
        let updated = same.map_or(stamp.clone(), |old| text(old, "/lastUpdateTime").to_owned());
        set(&mut value, &["lastUpdateTime"], updated.into());
        value
    };
    let minimum = |has: &str| format!("Deployment {has} minimum availability.");
    let first = match available {
        true => condition(
            "Available",
            true,
            "MinimumReplicasAvailable",
            minimum("has"),
        ),
        false => condition(
            "Available",
            false,
            "MinimumReplicasUnavailable",
            minimum("does not have"),
        ),
    };
    let second = match complete {
        true => condition(
            "Progressing",
            true,
            "NewReplicaSetAvailable",
            format!("ReplicaSet \"{name}\" has successfully progressed."),
        ),
        false => condition(
            "Progressing",
            true,
            "ReplicaSetUpdated",
            format!("ReplicaSet \"{name}\" is progressing."),
        ),
    };
    pods::set_condition(&mut status, first, &stamp);
    pods::set_condition(&mut status, second, &stamp);
    status
}
