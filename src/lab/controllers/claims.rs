//! A provisioner that binds claims to fresh volumes, grows them when asked to, and lets go of them when no pod uses them
//! any more.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Controller, Key, key, keys};
use crate::lab::clock;
use crate::lab::events::Recorder;
use crate::lab::json::{extend, items, set, text};
use crate::lab::resources::{CLAIMS, GroupResource, PODS, VOLUMES};
use crate::lab::store::{Delete, Object, Store, Writer};

/// The storage class of claims that name none.
pub(in crate::lab) const DEFAULT_CLASS: &str = "local-zonal";
/// Who provisions.
pub(in crate::lab) const PROVISIONER: &str = "zonal.csi.lab.example";
/// The machine that the scheduler chose for the first pod of a claim.
pub(in crate::lab) const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// What is told while a volume grows: its disk first, then its file system.
const RESIZING: &str = "Resizing";
const FILE_SYSTEM: &str = "FileSystemResizePending";
/// How long each of the two takes.
const STEP: Duration = Duration::from_millis(1500);
const PROTECTION: &str = "kubernetes.io/pvc-protection";

/// The controller.
pub(in crate::lab) struct Claims {
    store: Store,
    events: Recorder,
}

impl Claims {
    pub(in crate::lab) fn new(store: Store) -> Self {
        Self {
            events: Recorder::new(&store, PROVISIONER, ""),
            store,
        }
    }

    /// Binds a claim whose first pod has a machine.
    fn bind(&self, claim: &Value) {
        let (namespace, name) = (
            text(claim, "/metadata/namespace"),
            text(claim, "/metadata/name"),
        );
        let mut wanted = claim.clone();
        let volume = bound(&mut wanted);
        let volume_name = text(&volume, "/metadata/name").to_owned();
        // A volume of a former attempt is as good.
        let _ = self.store.create(VOLUMES, "", volume, PROVISIONER);
        let bound = self
            .store
            .update(CLAIMS, namespace, name, PROVISIONER, |claim| {
                *claim = wanted
            });
        if bound.is_ok() {
            self.events.normal(
                claim,
                "ProvisioningSucceeded",
                &format!("Successfully provisioned volume {volume_name}"),
            );
        }
    }

    fn used(&self, namespace: &str, claim: &str) -> bool {
        let listed = self.store.list(PODS, Some(namespace));
        let mut pods = listed.map(|listed| listed.items).unwrap_or_default();
        pods.retain(|pod| claims_of(&pod.value()).iter().any(|name| name == claim));
        !pods.is_empty()
    }
}

impl Controller for Claims {
    fn follows(&self) -> &'static [GroupResource<'static>] {
        &[CLAIMS, PODS]
    }

    fn touched(&self, what: GroupResource<'static>, object: &Object) -> Vec<Key> {
        if what == CLAIMS {
            return vec![key(object)];
        }
        // A pod matters only when it goes: a deleted claim may wait for that.
        if self
            .store
            .get(PODS, &object.namespace, &object.name)
            .is_ok()
        {
            return Vec::new();
        }
        let names = claims_of(&object.value());
        names
            .into_iter()
            .map(|name| (object.namespace.clone(), name))
            .collect()
    }

    fn all(&self) -> Vec<Key> {
        keys(&self.store, CLAIMS)
    }

    fn settle(&mut self, (namespace, name): &Key) -> Option<Duration> {
        let object = self.store.get(CLAIMS, namespace, name).ok()?;
        let claim = object.value();
        let selected = text(
            &claim,
            "/metadata/annotations/volume.kubernetes.io~1selected-node",
        );
        if object.deleting {
            if !self.used(namespace, name) {
                let volume = text(&claim, "/spec/volumeName");
                let _ = self.store.update(
                    CLAIMS,
                    namespace,
                    name,
                    "kube-controller-manager",
                    |claim| {
                        set(claim, &["metadata", "finalizers"], Value::Null);
                    },
                );
                let _ = self.store.delete(VOLUMES, "", volume, &Delete::now());
            }
        } else if text(&claim, "/status/phase") != "Bound" {
            if !selected.is_empty() {
                self.bind(&claim);
            }
        } else if claim.pointer("/status/capacity/storage")
            != claim.pointer("/spec/resources/requests/storage")
        {
            // The change that began a step brings us here as well.
            let since = clock::parse(text(&claim, "/status/conditions/0/lastTransitionTime"));
            let due = since.and_then(|since| since.checked_add(STEP).ok());
            if due.is_some_and(|due| self.store.now() < due) {
                return Some(STEP);
            }
            let step = grow(&claim, &clock::seconds(self.store.now()));
            let again = step.again;
            let writer = Writer {
                subresource: "status",
                ..Writer::from(PROVISIONER)
            };
            // Somebody may have deleted it meanwhile.
            let _ = self.store.update(CLAIMS, namespace, name, writer, |claim| {
                set(claim, &["status"], step.status);
            });
            return again.then_some(STEP);
        }
        None
    }
}

/// A step of a volume's growth: first the volume, then, while it is in use, its file system, then the capacity is told.
struct Growth {
    status: Value,
    again: bool,
}

fn grow(claim: &Value, now: &str) -> Growth {
    let mut status = claim.get("status").cloned().unwrap_or_default();
    let under_way: Vec<Value> = items(claim, "/status/conditions").to_vec();
    let is = |kind: &str| under_way.iter().any(|one| text(one, "/type") == kind);
    let condition = |kind: &str, message: &str| json!([{"type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": now, "message": message}]);
    let again = if is(FILE_SYSTEM) {
        let wanted = claim.pointer("/spec/resources/requests/storage").cloned();
        set(
            &mut status,
            &["capacity", "storage"],
            wanted.unwrap_or_default(),
        );
        set(&mut status, &["conditions"], Value::Null);
        false
    } else if is(RESIZING) {
        let waits =
            "Waiting for user to (re-)start a pod to finish file system resize of volume on node.";
        set(&mut status, &["conditions"], condition(FILE_SYSTEM, waits));
        true
    } else {
        set(&mut status, &["conditions"], condition(RESIZING, ""));
        true
    };
    Growth { status, again }
}

/// The claims that a pod mounts.
pub(in crate::lab) fn claims_of(pod: &Value) -> Vec<String> {
    items(pod, "/spec/volumes")
        .iter()
        .map(|volume| text(volume, "/persistentVolumeClaim/claimName").to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

/// Turns a claim into a bound one, and gives the volume it is bound to. The claim needs its uid and the annotation of the
/// selected machine.
pub(in crate::lab) fn bound(claim: &mut Value) -> Value {
    let volume = format!("pvc-{}", text(claim, "/metadata/uid"));
    let size = claim
        .pointer("/spec/resources/requests/storage")
        .cloned()
        .unwrap_or_else(|| "1Gi".into());
    let modes = claim
        .pointer("/spec/accessModes")
        .cloned()
        .unwrap_or_default();
    let node = text(
        claim,
        "/metadata/annotations/volume.kubernetes.io~1selected-node",
    )
    .to_owned();
    let class = text(claim, "/spec/storageClassName").to_owned();
    extend(
        claim,
        &["metadata", "annotations"],
        &json!({
            "pv.kubernetes.io/bind-completed": "yes",
            "pv.kubernetes.io/bound-by-controller": "yes",
            "volume.beta.kubernetes.io/storage-provisioner": PROVISIONER,
            "volume.kubernetes.io/storage-provisioner": PROVISIONER,
        }),
    );
    set(claim, &["metadata", "finalizers"], json!([PROTECTION]));
    set(claim, &["spec", "volumeName"], volume.clone().into());
    set(
        claim,
        &["status"],
        json!({"accessModes": modes, "capacity": {"storage": size}, "phase": "Bound"}),
    );
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": volume,
            "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER},
        },
        "spec": {
            "accessModes": modes,
            "capacity": {"storage": size},
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "name": text(claim, "/metadata/name"), "namespace": text(claim, "/metadata/namespace"),
                "uid": text(claim, "/metadata/uid"),
            },
            "csi": {"driver": PROVISIONER, "fsType": "ext4", "volumeHandle": volume},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]}},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": class,
            "volumeMode": "Filesystem",
        },
        "status": {"phase": "Bound"},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_grows_before_its_file_system_and_tells_its_capacity_last() {
        let mut claim = json!({"spec": {"resources": {"requests": {"storage": "20Gi"}}},
            "status": {"phase": "Bound", "capacity": {"storage": "10Gi"}}});
        let mut told = Vec::new();
        loop {
            let step = grow(&claim, "2026-01-01T00:00:00Z");
            set(&mut claim, &["status"], step.status);
            let conditions = items(&claim, "/status/conditions");
            let kinds: Vec<&str> = conditions.iter().map(|one| text(one, "/type")).collect();
            told.push(format!(
                "{} {}",
                kinds.join(","),
                text(&claim, "/status/capacity/storage")
            ));
            if !step.again {
                break;
            }
        }
        assert_eq!(
            told,
            ["Resizing 10Gi", "FileSystemResizePending 10Gi", " 20Gi"]
        );
    }
}
