//! `stats/summary`: what a kubelet measures of the volumes of its pods.

use serde_json::{Value, json};

use super::Machines;
use crate::lab::clock;
use crate::lab::controllers::claims_of;
use crate::lab::json::text;
use crate::lab::kubelet::flags;
use crate::lab::resources::{CLAIMS, NODES, PODS};

/// What an empty file system of a claim takes, bytes.
const EMPTY: u64 = 16 << 20;
/// What a key takes in a snapshot file, bytes.
const KEY: u64 = 160;
/// Files that lie on a volume by the time one looks: the default name makes a new one for each save.
const FILES: u64 = 6;

/// The summary of a machine; `None` when there is no such machine.
pub(super) fn summary(machines: &Machines, node: &str) -> Option<Value> {
    let store = machines.0.store();
    store.get(NODES, "", node).ok()?;
    let now = clock::seconds(store.now());
    let mut pods = Vec::new();
    for object in store.list(PODS, None).ok()?.items {
        let pod = object.value();
        if text(&pod, "/spec/nodeName") != node {
            continue;
        }
        let keys = machines
            .engine(&object.namespace, &object.name)
            .map_or(0, |engine| engine.keys());
        let volumes: Vec<Value> = claims_of(&pod)
            .into_iter()
            .filter_map(|claim| {
                let found = store.get(CLAIMS, &object.namespace, &claim).ok()?.value();
                let capacity = flags::bytes(text(&found, "/status/capacity/storage"))?;
                let used = (EMPTY + keys * KEY * FILES).min(capacity);
                Some(json!({
                    "time": now, "name": "df", "capacityBytes": capacity, "usedBytes": used,
                    "availableBytes": capacity - used, "inodes": 65_536, "inodesUsed": 11 + FILES,
                    "inodesFree": 65_525 - FILES,
                    "pvcRef": {"name": claim, "namespace": object.namespace},
                }))
            })
            .collect();
        let mut entry = json!({
            "podRef": {"name": object.name, "namespace": object.namespace, "uid": text(&pod, "/metadata/uid")},
            "startTime": text(&pod, "/status/startTime"),
        });
        if let (Some(fields), false) = (entry.as_object_mut(), volumes.is_empty()) {
            fields.insert("volume".to_owned(), volumes.into());
        }
        pods.push(entry);
    }
    Some(json!({"node": {"nodeName": node}, "pods": pods}))
}
