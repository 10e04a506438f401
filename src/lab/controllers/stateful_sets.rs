//! StatefulSets with `OrderedReady` pods: creation in order, deletion from the end, claims from templates, and the
//! counts of `status`. `OnDelete` replaces no pod by itself; `RollingUpdate` does, from the highest ordinal down.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Births, Controller, Key, controller_reference, key, keys, owned_by, owners};
use crate::lab::events::Recorder;
use crate::lab::json::{extend, items, list_at, number, set, text};
use crate::lab::pods;
use crate::lab::resources::{CLAIMS, GroupResource, PODS, STATEFUL_SETS};
use crate::lab::seed::{self, Seed};
use crate::lab::store::{Delete, Object, Store};

const MANAGER: &str = "kube-controller-manager";

/// The controller.
pub(in crate::lab) struct StatefulSets {
    store: Store,
    seed: Seed,
    births: Births,
    events: Recorder,
}

impl StatefulSets {
    pub(in crate::lab) fn new(store: Store, seed: Seed) -> Self {
        Self {
            events: Recorder::new(&store, "statefulset-controller", ""),
            store,
            seed,
            births: Births::default(),
        }
    }

    fn create_pod(&mut self, set: &Value, ordinal: i64) {
        let namespace = text(set, "/metadata/namespace");
        for template in items(set, "/spec/volumeClaimTemplates") {
            let mut claim = claim(set, template, ordinal);
            let name = text(&claim, "/metadata/name").to_owned();
            if self.store.get(CLAIMS, namespace, &name).is_ok() {
                continue;
            }
            let uid = self.births.uid(self.seed, "claim", namespace, &name);
            set_uid(&mut claim, uid);
            if self.store.create(CLAIMS, namespace, claim, MANAGER).is_ok() {
                let set_name = text(set, "/metadata/name");
                self.events.normal(
                    set,
                    "SuccessfulCreate",
                    &format!(
                        "create Claim {name} Pod {set_name}-{ordinal} in StatefulSet {set_name} success"
                    ),
                );
            }
        }
        let mut pod = pod(set, ordinal, &revision_of(set), self.seed);
        let name = text(&pod, "/metadata/name").to_owned();
        let uid = self.births.uid(self.seed, "pod", namespace, &name);
        set_uid(&mut pod, uid);
        if self.store.create(PODS, namespace, pod, MANAGER).is_ok() {
            let set_name = text(set, "/metadata/name");
            self.events.normal(
                set,
                "SuccessfulCreate",
                &format!("create Pod {name} in StatefulSet {set_name} successful"),
            );
        }
    }

    fn delete_pod(&self, set: &Value, pod: &Value) {
        let (namespace, name) = (
            text(pod, "/metadata/namespace"),
            text(pod, "/metadata/name"),
        );
        if self
            .store
            .delete(PODS, namespace, name, &Delete::default())
            .is_ok()
        {
            let set_name = text(set, "/metadata/name");
            self.events.normal(
                set,
                "SuccessfulDelete",
                &format!("delete Pod {name} in StatefulSet {set_name} successful"),
            );
        }
    }

    /// One step: the first thing that is not as it should be, in the order of ordinals.
    fn step(&mut self, set: &Value, pods: &[Value]) {
        if pods::deleting(set) {
            return;
        }
        let wanted = number(set, "/spec/replicas").unwrap_or(1);
        let ordered = text(set, "/spec/podManagementPolicy") != "Parallel";
        let by_ordinal = |ordinal: i64| pods.iter().find(|pod| ordinal_of(pod) == Some(ordinal));
        for ordinal in 0..wanted {
            match by_ordinal(ordinal) {
                None => self.create_pod(set, ordinal),
                Some(pod) if pods::deleting(pod) => {}
                Some(pod) if ["Failed", "Succeeded"].contains(&text(pod, "/status/phase")) => {
                    self.delete_pod(set, pod);
                }
                Some(pod) if pods::ready(pod) => continue,
                Some(_) => {}
            }
            if ordered {
                return;
            }
        }
        let mut surplus: Vec<&Value> = pods
            .iter()
            .filter(|pod| ordinal_of(pod).is_some_and(|ordinal| ordinal >= wanted))
            .collect();
        surplus.sort_by_key(|pod| std::cmp::Reverse(ordinal_of(pod)));
        if let Some(last) = surplus.first() {
            if !pods::deleting(last) {
                self.delete_pod(set, last);
            }
            return;
        }
        if text(set, "/spec/updateStrategy/type") == "OnDelete" {
            return;
        }
        let update = revision_of(set);
        let old = (0..wanted)
            .rev()
            .filter_map(by_ordinal)
            .find(|pod| pods::deleting(pod) || !pods::ready(pod) || revision_label(pod) != update);
        if let Some(pod) = old.filter(|pod| !pods::deleting(pod) && revision_label(pod) != update) {
            self.delete_pod(set, pod);
        }
    }
}

impl Controller for StatefulSets {
    fn follows(&self) -> &'static [GroupResource<'static>] {
        &[STATEFUL_SETS, PODS]
    }

    fn touched(&self, what: GroupResource<'static>, object: &Object) -> Vec<Key> {
        match what == STATEFUL_SETS {
            true => vec![key(object)],
            false => owners(&self.store, STATEFUL_SETS, object),
        }
    }

    fn all(&self) -> Vec<Key> {
        keys(&self.store, STATEFUL_SETS)
    }

    fn settle(&mut self, (namespace, name): &Key) -> Option<Duration> {
        let object = self.store.get(STATEFUL_SETS, namespace, name).ok()?;
        let set = object.value();
        let read = |store: &Store| -> Vec<Value> {
            let owned = owned_by(store, PODS, namespace, &object.uid);
            owned.iter().map(|pod: &Arc<Object>| pod.value()).collect()
        };
        let pods = read(&self.store);
        self.step(&set, &pods);
        let wanted = status(&set, &read(&self.store));
        if set.get("status") != Some(&wanted) {
            // Whoever deleted it meanwhile is right.
            let _ = self
                .store
                .update(STATEFUL_SETS, namespace, name, MANAGER, |set| {
                    self::set(set, &["status"], wanted);
                });
        }
        None
    }
}

/// The revision a set's template stands for, as its pods are labelled.
pub(in crate::lab) fn revision_of(set: &Value) -> String {
    let template = set.pointer("/spec/template").unwrap_or(&Value::Null);
    let hash = seed::template_hash(&template.to_string());
    format!("{}-{hash}", text(set, "/metadata/name"))
}

/// The pod of an ordinal at a revision, not yet scheduled and without a uid.
pub(in crate::lab) fn pod(set: &Value, ordinal: i64, revision: &str, seed: Seed) -> Value {
    let name = text(set, "/metadata/name");
    let namespace = text(set, "/metadata/namespace");
    let pod_name = format!("{name}-{ordinal}");
    let template = set.pointer("/spec/template").unwrap_or(&Value::Null);
    let labels = json!({
        "apps.kubernetes.io/pod-index": ordinal.to_string(),
        "controller-revision-hash": revision,
        "statefulset.kubernetes.io/pod-name": pod_name,
    });
    let uid = text(set, "/metadata/uid");
    let owner = controller_reference("apps/v1", "StatefulSet", name, uid);
    let mut pod = pods::from_template(template, namespace, &pod_name, &labels, owner, seed);
    self::set(
        &mut pod,
        &["metadata", "generateName"],
        format!("{name}-").into(),
    );
    extend(
        &mut pod,
        &["spec"],
        &json!({"hostname": pod_name, "subdomain": text(set, "/spec/serviceName")}),
    );
    for template in items(set, "/spec/volumeClaimTemplates") {
        let volume = text(template, "/metadata/name");
        let claim = format!("{volume}-{name}-{ordinal}");
        list_at(&mut pod, &["spec", "volumes"]).insert(
            0,
            json!({"name": volume, "persistentVolumeClaim": {"claimName": claim}}),
        );
    }
    pod
}

/// The claim that an ordinal gets from a template.
pub(in crate::lab) fn claim(set: &Value, template: &Value, ordinal: i64) -> Value {
    let volume = text(template, "/metadata/name");
    let name = format!("{volume}-{}-{ordinal}", text(set, "/metadata/name"));
    let mut meta = template.get("metadata").cloned().unwrap_or_default();
    self::set(&mut meta, &["name"], name.into());
    if let Some(labels) = set.pointer("/spec/selector/matchLabels") {
        extend(&mut meta, &["labels"], labels);
    }
    self::set(
        &mut meta,
        &["finalizers"],
        json!(["kubernetes.io/pvc-protection"]),
    );
    let mut spec = template.get("spec").cloned().unwrap_or_default();
    if text(&spec, "/storageClassName").is_empty() {
        self::set(
            &mut spec,
            &["storageClassName"],
            super::claims::DEFAULT_CLASS.into(),
        );
    }
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec,
        "status": {"phase": "Pending"},
    })
}

/// The counts of a set. `currentRevision` of an `OnDelete` set stays what it was first, as in a real cluster.
pub(in crate::lab) fn status(set: &Value, pods: &[Value]) -> Value {
    let update = revision_of(set);
    let on_delete = text(set, "/spec/updateStrategy/type") == "OnDelete";
    let count = |wanted: &dyn Fn(&Value) -> bool| pods.iter().filter(|pod| wanted(pod)).count();
    let alive = |pod: &Value| !pods::deleting(pod);
    let updated = count(&|pod| alive(pod) && revision_label(pod) == update);
    let all = count(&|_| true);
    let current = match text(set, "/status/currentRevision") {
        "" => update.clone(),
        _ if !on_delete && updated == all => update.clone(),
        kept => kept.to_owned(),
    };
    let mut status = json!({
        "availableReplicas": count(&pods::ready),
        "collisionCount": 0,
        "currentReplicas": count(&|pod| alive(pod) && revision_label(pod) == current),
        "currentRevision": current,
        "observedGeneration": number(set, "/metadata/generation").unwrap_or(1),
        "readyReplicas": count(&pods::ready),
        "replicas": all,
        "updateRevision": update,
        "updatedReplicas": updated,
    });
    for field in ["currentReplicas", "readyReplicas", "updatedReplicas"] {
        // These three are left out at zero.
        if number(&status, &format!("/{field}")) == Some(0) {
            self::set(&mut status, &[field], Value::Null);
        }
    }
    status
}

fn revision_label(pod: &Value) -> &str {
    text(pod, "/metadata/labels/controller-revision-hash")
}

fn ordinal_of(pod: &Value) -> Option<i64> {
    let (_, ordinal) = text(pod, "/metadata/name").rsplit_once('-')?;
    ordinal.parse().ok()
}

fn set_uid(value: &mut Value, uid: String) {
    set(value, &["metadata", "uid"], uid.into());
}
