//! A provisioner of volumes: it makes a volume for each claim that waits for one of its own, and takes away those that are
//! released. Binding the two is the business of the real volume controller.

use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::controllers::{Controller, DEFAULT_CLASS, Key, PROVISIONER, key, keys};
use crate::lab::events::Recorder;
use crate::lab::json::{set, text};
use crate::lab::resources::{CLAIMS, GroupResource, VOLUMES};
use crate::lab::store::{Delete, Object, Store};

/// The machine that the scheduler chose, as a claim tells it.
const SELECTED: &str = "/metadata/annotations/volume.kubernetes.io~1selected-node";
/// Who shall provision, as the volume controller writes it on a claim that waits.
const ASKED: &str = "/metadata/annotations/volume.kubernetes.io~1storage-provisioner";
const PROVISIONED_BY: &str = "/metadata/annotations/pv.kubernetes.io~1provisioned-by";

/// The class that is served here, the default one of the cluster.
pub(super) fn class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": DEFAULT_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": PROVISIONER, "reclaimPolicy": "Delete", "allowVolumeExpansion": true,
        "volumeBindingMode": "WaitForFirstConsumer",
    })
}

/// The controller.
pub(super) struct Volumes {
    store: Store,
    events: Recorder,
}

impl Volumes {
    pub(super) fn new(store: Store) -> Self {
        Self {
            events: Recorder::new(&store, PROVISIONER, ""),
            store,
        }
    }

    fn claim(&self, namespace: &str, name: &str) -> Option<Duration> {
        let claim = self.store.get(CLAIMS, namespace, name).ok()?.value();
        let volume = wanted(&claim)?;
        let made = self.store.create(VOLUMES, "", volume, PROVISIONER);
        if let Ok(volume) = made {
            let sentence = format!("Successfully provisioned volume {}", volume.name);
            self.events
                .normal(&claim, "ProvisioningSucceeded", &sentence);
        }
        None
    }
}

impl Controller for Volumes {
    fn follows(&self) -> &'static [GroupResource<'static>] {
        &[CLAIMS, VOLUMES]
    }

    /// A volume has no namespace: that tells the two apart.
    fn touched(&self, _: GroupResource<'static>, object: &Object) -> Vec<Key> {
        vec![key(object)]
    }

    fn all(&self) -> Vec<Key> {
        let mut all = keys(&self.store, CLAIMS);
        all.extend(keys(&self.store, VOLUMES));
        all
    }

    fn settle(&mut self, (namespace, name): &Key) -> Option<Duration> {
        if !namespace.is_empty() {
            return self.claim(namespace, name);
        }
        let volume = self.store.get(VOLUMES, "", name).ok()?;
        if !volume.deleting && is_left(&volume.value()) {
            // Somebody may have been quicker.
            let _ = self.store.delete(VOLUMES, "", name, &Delete::now());
        }
        None
    }
}

/// The volume for a claim that waits for one from here.
fn wanted(claim: &Value) -> Option<Value> {
    let node = text(claim, SELECTED);
    let waits = text(claim, "/status/phase") == "Pending"
        && text(claim, "/spec/volumeName").is_empty()
        && text(claim, ASKED) == PROVISIONER
        && !node.is_empty();
    if !waits {
        return None;
    }
    let mut copy = claim.clone();
    let mut volume = crate::lab::controllers::bound_claim(&mut copy);
    // The real controller says when it is bound.
    set(&mut volume, &["status"], Value::Null);
    Some(volume)
}

/// Whether a volume from here has lost its claim for good.
fn is_left(volume: &Value) -> bool {
    text(volume, PROVISIONED_BY) == PROVISIONER
        && text(volume, "/status/phase") == "Released"
        && text(volume, "/spec/persistentVolumeReclaimPolicy") == "Delete"
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_volume_is_made_when_the_scheduler_has_chosen_a_machine_for_a_claim_of_ours() {
        let claim = json!({
            "metadata": {"name": "df-orders-0", "namespace": "shop", "uid": "u-1", "annotations": {
                "volume.kubernetes.io/selected-node": "node-2",
                "volume.kubernetes.io/storage-provisioner": PROVISIONER}},
            "spec": {"storageClassName": DEFAULT_CLASS, "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "2Gi"}}},
            "status": {"phase": "Pending"},
        });
        let volume = wanted(&claim).unwrap();
        let told = [
            ("/metadata/name", "pvc-u-1"),
            ("/spec/claimRef/uid", "u-1"),
            ("/spec/capacity/storage", "2Gi"),
            (
                "/spec/nodeAffinity/required/nodeSelectorTerms/0/matchExpressions/0/values/0",
                "node-2",
            ),
            (PROVISIONED_BY, PROVISIONER),
        ];
        for (place, wanted) in told {
            assert_eq!(text(&volume, place), wanted, "{place}");
        }
        let without = |path: &[&str], value: Value| {
            let mut other = claim.clone();
            set(&mut other, path, value);
            wanted(&other)
        };
        let selected = [
            "metadata",
            "annotations",
            "volume.kubernetes.io/selected-node",
        ];
        let asked = [
            "metadata",
            "annotations",
            "volume.kubernetes.io/storage-provisioner",
        ];
        assert_eq!(without(&selected, Value::Null), None);
        assert_eq!(without(&asked, "other".into()), None);
        assert_eq!(without(&["status", "phase"], "Bound".into()), None);
    }

    #[test]
    fn a_released_volume_of_ours_is_taken_away() {
        let volume = |by: &str, phase: &str, policy: &str| {
            json!({"metadata": {"annotations": {"pv.kubernetes.io/provisioned-by": by}},
                "spec": {"persistentVolumeReclaimPolicy": policy}, "status": {"phase": phase}})
        };
        let table = [
            (volume(PROVISIONER, "Released", "Delete"), true),
            (volume(PROVISIONER, "Bound", "Delete"), false),
            (volume(PROVISIONER, "Released", "Retain"), false),
            (volume("other", "Released", "Delete"), false),
        ];
        for (volume, left) in table {
            assert_eq!(is_left(&volume), left, "{volume}");
        }
    }
}
