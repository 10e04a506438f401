//! What a kubelet measures of its volumes (`stats/summary`, read of Kubernetes 1.33).

use std::sync::Arc;

use serde_json::Value;

use super::read;
use crate::domain::want::VolumeUse;

/// The volumes of a machine's pods that belong to a claim. A claim that several pods mount is told once.
pub fn volumes(summary: &Value) -> Vec<VolumeUse> {
    let mut all: Vec<VolumeUse> = Vec::new();
    for pod in read::list(summary, &["pods"]) {
        for volume in read::list(pod, &["volume"]) {
            let Some(claim) = read::line(volume, &["pvcRef", "name"]) else {
                continue;
            };
            let bytes =
                |field: &str| read::whole(volume, &[field]).and_then(|n| u64::try_from(n).ok());
            let found = VolumeUse {
                namespace: Arc::from(
                    read::line_or_empty(volume, &["pvcRef", "namespace"]).as_str(),
                ),
                claim: Arc::from(claim.as_str()),
                used: bytes("usedBytes"),
                capacity: bytes("capacityBytes"),
                measured: read::time(volume, &["time"]),
            };
            let known = |v: &VolumeUse| v.namespace == found.namespace && v.claim == found.claim;
            if !all.iter().any(known) {
                all.push(found);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn volumes_of_claims_are_read_and_others_are_not() {
        let volume = |name: &str, used: Value| {
            json!({"time": "2026-01-02T12:00:00Z", "name": "df", "usedBytes": used,
            "capacityBytes": 1000, "pvcRef": {"name": name, "namespace": "shop"}})
        };
        let summary = json!({"node": {}, "pods": [
            {"volume": [volume("df-a-0", json!(400)), {"name": "tmp", "usedBytes": 3}]},
            {"volume": [volume("df-a-0", json!(500)), volume("df-a-1", json!(-1))]},
            {"volume": null}, 7,
        ]});
        let found: Vec<(String, Option<u64>, Option<u64>)> = volumes(&summary)
            .into_iter()
            .map(|v| (v.claim.to_string(), v.used, v.capacity))
            .collect();
        assert_eq!(
            found,
            [
                ("df-a-0".to_owned(), Some(400), Some(1000)),
                ("df-a-1".to_owned(), None, Some(1000)),
            ]
        );
        assert_eq!(volumes(&json!(null)), []);
    }
}
