//! What the pod garbage collector does for a machine that a person has declared out of service: its pods are evicted, and
//! those that are Terminating there are removed, though no kubelet says that they have ended.

use std::time::Duration;

use serde_json::Value;

use super::{Controller, Key, key, keys};
use crate::lab::json::{items, text};
use crate::lab::pods;
use crate::lab::resources::{GroupResource, NODES, PODS};
use crate::lab::store::{Delete, Object, Store};

/// The taint by which a person says so.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// What it must do.
const NO_EXECUTE: &str = "NoExecute";

/// The controller.
pub(in crate::lab) struct LostPods {
    store: Store,
}

impl LostPods {
    pub(in crate::lab) fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Controller for LostPods {
    fn follows(&self) -> &'static [GroupResource<'static>] {
        &[NODES, PODS]
    }

    fn touched(&self, what: GroupResource<'static>, object: &Object) -> Vec<Key> {
        if what == NODES {
            return vec![key(object)];
        }
        // A pod matters when it begins to go.
        if !object.deleting {
            return Vec::new();
        }
        vec![(
            String::new(),
            text(&object.value(), "/spec/nodeName").to_owned(),
        )]
    }

    fn all(&self) -> Vec<Key> {
        keys(&self.store, NODES)
    }

    fn settle(&mut self, (_, machine): &Key) -> Option<Duration> {
        let node = self.store.get(NODES, "", machine).ok()?.value();
        if !is_out_of_service(&node) {
            return None;
        }
        let listed = self.store.list(PODS, None).ok()?;
        for pod in listed.items {
            let value = pod.value();
            if text(&value, "/spec/nodeName") != machine || tolerates(&value) {
                continue;
            }
            // The taint alone evicts; only from a machine that is not ready pods are taken without its word.
            let how = match is_ready(&node) {
                true if pod.deleting => continue,
                true => Delete::default(),
                false => Delete::now(),
            };
            // It may be gone by itself.
            let _ = self.store.delete(PODS, &pod.namespace, &pod.name, &how);
        }
        None
    }
}

fn is_out_of_service(node: &Value) -> bool {
    let taints = items(node, "/spec/taints");
    taints
        .iter()
        .any(|taint| text(taint, "/key") == OUT_OF_SERVICE && text(taint, "/effect") == NO_EXECUTE)
}

fn is_ready(node: &Value) -> bool {
    pods::condition(node, "Ready")
}

/// Whether a pod stays there all the same.
fn tolerates(pod: &Value) -> bool {
    let all = items(pod, "/spec/tolerations");
    all.iter().any(|one| {
        let (key, effect) = (text(one, "/key"), text(one, "/effect"));
        (key == OUT_OF_SERVICE || (key.is_empty() && text(one, "/operator") == "Exists"))
            && (effect.is_empty() || effect == NO_EXECUTE)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lab::clock::Clock;
    use serde_json::json;

    /// A machine with that readiness and taint, and a pod there: whether the pod is there afterwards, and going.
    fn after(ready: &str, taint: Option<&str>, toleration: Value) -> Option<bool> {
        let store = Store::new(1, Clock::default());
        let taints: Vec<Value> = taint
            .map(|effect| json!({"key": OUT_OF_SERVICE, "effect": effect}))
            .into_iter()
            .collect();
        let node = json!({"metadata": {"name": "m"}, "spec": {"taints": taints},
            "status": {"conditions": [{"type": "Ready", "status": ready}]}});
        store.create(NODES, "", node, "t").unwrap();
        let namespace = json!({"metadata": {"name": "n"}});
        store
            .create(crate::lab::resources::NAMESPACES, "", namespace, "t")
            .unwrap();
        let pod = json!({"metadata": {"name": "p", "namespace": "n"},
            "spec": {"nodeName": "m", "tolerations": toleration, "containers": [{"name": "c", "image": "i"}]},
            "status": {"phase": "Running"}});
        store.create(PODS, "n", pod, "t").unwrap();
        LostPods::new(store.clone()).settle(&(String::new(), "m".into()));
        store.get(PODS, "n", "p").ok().map(|pod| pod.deleting)
    }

    #[test]
    fn pods_go_by_the_taint_and_without_their_machines_word_only_when_it_is_not_ready() {
        let none = || json!([]);
        let all = json!([{"operator": "Exists"}]);
        let table = [
            ("Unknown", None, none(), Some(false)),
            ("Unknown", Some("NoSchedule"), none(), Some(false)),
            ("Unknown", Some(NO_EXECUTE), none(), None),
            ("True", Some(NO_EXECUTE), none(), Some(true)),
            ("Unknown", Some(NO_EXECUTE), all, Some(false)),
        ];
        for (ready, taint, toleration, wanted) in table {
            let found = after(ready, taint, toleration.clone());
            assert_eq!(found, wanted, "{ready} {taint:?} {toleration}");
        }
    }
}
