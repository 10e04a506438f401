//! The machines as the cluster sees them: their Node objects, heartbeats and Leases.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::notes::Notes;
use super::range::Range;
use super::server::{JSON, MERGE, Server, Trouble};
use crate::lab::clock;
use crate::lab::furnish::nodes::HEALTH;
use crate::lab::json::{items, text};
use crate::lab::kubelet::Machines;
use crate::lab::resources::NODES;
use crate::lab::store::Store;

/// How often a kubelet renews its Lease, and looks after its Node.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// `leaseDurationSeconds` of a kubelet.
const LASTS: u32 = 40;
/// Between two looks at whether a machine was lost or has come back.
const LOOK: Duration = Duration::from_millis(250);
/// Where kubelets keep their Leases.
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

/// One machine.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Machine {
    pub(super) name: String,
    pub(super) address: Ipv4Addr,
    /// The addresses of its pods.
    pub(super) pods: Range,
    zone: &'static str,
}

/// So many machines, with their shares of the ranges.
///
/// # Errors
/// A sentence that says which range is too small.
pub(super) fn plan(
    count: u32,
    prefix: &str,
    nodes: Range,
    pods: Range,
) -> Result<Vec<Machine>, String> {
    (0..count)
        .map(|number| {
            // The first address is the network's own.
            let address = nodes.nth(u64::from(number) + 1);
            let share = pods.block(u64::from(number), 24);
            let small = |what: &str, range: Range| {
                format!("the range of {what}, {range}, is too small for {count} nodes")
            };
            Ok(Machine {
                name: format!("{prefix}-{}", number + 1),
                address: address.ok_or_else(|| small("nodes", nodes))?,
                pods: share.ok_or_else(|| small("pods (256 addresses a node)", pods))?,
                zone: ["zone-a", "zone-b", "zone-c"]
                    .get(number as usize % 3)
                    .unwrap_or(&"zone-a"),
            })
        })
        .collect()
}

impl Machine {
    /// Its Node, as a kubelet registers it.
    fn node(&self, version: &str, now: Timestamp) -> Value {
        let pods = self.pods.to_string();
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": self.name, "labels": {
                "beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": self.name,
                "kubernetes.io/os": "linux", "topology.kubernetes.io/region": "lab",
                "topology.kubernetes.io/zone": self.zone,
            }},
            "spec": {"podCIDR": pods, "podCIDRs": [pods], "providerID": format!("lab://{}", self.name)},
            "status": self.status(version, &json!([]), now),
        })
    }

    /// Its status; conditions of others are kept.
    fn status(&self, version: &str, there: &Value, now: Timestamp) -> Value {
        // As large a machine as the tests may want pods on.
        let amounts = json!({"cpu": "64", "ephemeral-storage": "1014309600Ki", "hugepages-2Mi": "0",
            "memory": "527617608Ki", "pods": "250"});
        let mut conditions: Vec<Value> = there.as_array().cloned().unwrap_or_default();
        for (kind, status, reason, message) in HEALTH {
            let old = conditions
                .iter()
                .position(|one| text(one, "/type") == *kind);
            let since = old
                .and_then(|at| conditions.get(at))
                .filter(|old| text(old, "/status") == *status)
                .map(|old| text(old, "/lastTransitionTime").to_owned());
            let condition = json!({"type": kind, "status": status, "reason": reason, "message": message,
                "lastHeartbeatTime": clock::seconds(now),
                "lastTransitionTime": since.unwrap_or_else(|| clock::seconds(now))});
            match old.and_then(|at| conditions.get_mut(at)) {
                Some(place) => *place = condition,
                None => conditions.push(condition),
            }
        }
        json!({
            // No host name: nothing resolves it, and an API server would rather take it than the address.
            "addresses": [{"type": "InternalIP", "address": self.address.to_string()}],
            "allocatable": amounts, "capacity": amounts, "conditions": conditions,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": super::kubelets::PORT}},
            "nodeInfo": {
                "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "containerd://2.0.5",
                "kernelVersion": "6.12.0-lab", "kubeProxyVersion": "", "kubeletVersion": version,
                "machineID": "", "operatingSystem": "linux", "osImage": "Lab Linux", "systemUUID": "",
            },
        })
    }

    fn lease(&self, uid: &str, now: Timestamp) -> Value {
        let mut lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": self.name, "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": self.name, "leaseDurationSeconds": LASTS, "renewTime": clock::micros(now)},
        });
        if !uid.is_empty() {
            let owner =
                json!([{"apiVersion": "v1", "kind": "Node", "name": self.name, "uid": uid}]);
            crate::lab::json::set(&mut lease, &["metadata", "ownerReferences"], owner);
        }
        lease
    }
}

/// Whether a Node says what its kubelet would: another may have marked it as lost.
fn is_well(node: &Value) -> bool {
    HEALTH.iter().all(|(kind, status, ..)| {
        items(node, "/status/conditions")
            .iter()
            .any(|one| text(one, "/type") == *kind && text(one, "/status") == *status)
    })
}

/// Registers machines and keeps them alive until the task ends; those that are lost are silent.
pub(super) struct Heart {
    pub(super) server: Server,
    pub(super) store: Store,
    pub(super) machines: Machines,
    pub(super) all: Vec<Machine>,
    /// The version that the kubelets are said to have: the API server's own.
    pub(super) version: String,
    pub(super) notes: Notes,
}

impl Heart {
    /// Beats until the task ends.
    pub(super) async fn beat(self) {
        let mut lost: BTreeSet<String> = BTreeSet::new();
        loop {
            for machine in &self.all {
                if !lost.contains(&machine.name) {
                    self.keep(machine).await;
                }
            }
            let next = tokio::time::Instant::now() + HEARTBEAT;
            while tokio::time::Instant::now() < next {
                tokio::time::sleep(LOOK).await;
                let now: BTreeSet<String> = self
                    .all
                    .iter()
                    .filter(|machine| self.machines.is_lost(&machine.name))
                    .map(|machine| machine.name.clone())
                    .collect();
                let back: Vec<&Machine> = self
                    .all
                    .iter()
                    .filter(|one| lost.contains(&one.name) && !now.contains(&one.name))
                    .collect();
                // A kubelet that can reach the server again says so at once.
                for machine in back {
                    self.keep(machine).await;
                }
                lost = now;
            }
        }
    }

    /// Registers every machine once.
    ///
    /// # Errors
    /// When the server refuses one.
    pub(super) async fn register(&self) -> Result<(), Trouble> {
        for machine in &self.all {
            self.renew(machine).await?;
        }
        Ok(())
    }

    async fn keep(&self, machine: &Machine) {
        if let Err(trouble) = self.renew(machine).await {
            self.notes
                .say(format!("node {} cannot be kept: {trouble}", machine.name));
        }
    }

    async fn renew(&self, machine: &Machine) -> Result<(), Trouble> {
        let now = Timestamp::now();
        let path = format!("/api/v1/nodes/{}", machine.name);
        let known = self.store.get(NODES, "", &machine.name).ok();
        let node = match known {
            Some(node) => node.value(),
            None => match self.server.get(&path).await {
                Ok(node) => node,
                Err(Trouble::Refused { code: 404, .. }) => {
                    let node = machine.node(&self.version, now);
                    let made = self
                        .server
                        .call(Method::POST, "/api/v1/nodes", JSON, Some(&node));
                    made.await?
                }
                Err(trouble) => return Err(trouble),
            },
        };
        if !is_well(&node)
            || text(&node, "/status/addresses/0/address") != machine.address.to_string()
        {
            let there = node.pointer("/status/conditions").cloned();
            let status = machine.status(&self.version, &there.unwrap_or_default(), now);
            let patch = json!({"status": status});
            let path = format!("{path}/status");
            let sent = self.server.call(Method::PATCH, &path, MERGE, Some(&patch));
            sent.await?;
        }
        let lease = machine.lease(text(&node, "/metadata/uid"), now);
        let path = format!("{LEASES}/{}", machine.name);
        let renewed = self
            .server
            .call(Method::PATCH, &path, MERGE, Some(&lease))
            .await;
        match renewed {
            Err(Trouble::Refused { code: 404, .. }) => {
                self.server.ensure(LEASES, &lease).await.map(|_| ())
            }
            other => other.map(|_| ()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn range(text: &str) -> Range {
        text.parse().unwrap()
    }

    #[test]
    fn machines_get_their_shares_or_a_sentence() {
        let all = plan(3, "node", range("10.1.0.0/24"), range("10.2.0.0/16")).unwrap();
        assert_eq!(all.len(), 3);
        assert_eq!(all[2].name, "node-3");
        assert_eq!(all[2].address.to_string(), "10.1.0.3");
        assert_eq!(all[2].pods.to_string(), "10.2.2.0/24");
        let table = [
            (9, "10.1.0.0/29", "10.2.0.0/16", "nodes"),
            (3, "10.1.0.0/24", "10.2.0.0/23", "pods"),
        ];
        for (count, nodes, pods, word) in table {
            let refusal = plan(count, "node", range(nodes), range(pods)).unwrap_err();
            assert!(
                refusal.contains(word) && refusal.contains("too small"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn a_machine_that_was_marked_as_lost_says_that_it_is_well() {
        let machine = plan(1, "n", range("10.1.0.0/24"), range("10.2.0.0/16")).unwrap();
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let fresh = machine[0].node("v1.33.13", now);
        assert!(is_well(&fresh));
        let there = json!([
            {"type": "Ready", "status": "Unknown", "lastTransitionTime": "2026-11-21T09:59:00Z"},
            {"type": "NetworkUnavailable", "status": "False"},
        ]);
        assert!(!is_well(&json!({"status": {"conditions": there}})));
        let status = machine[0].status("v1.33.13", &there, now);
        assert!(is_well(&json!({"status": status})));
        let kinds: Vec<&str> = items(&status, "/conditions")
            .iter()
            .map(|one| text(one, "/type"))
            .collect();
        assert!(kinds.contains(&"NetworkUnavailable"), "{kinds:?}");
        assert_eq!(
            status["conditions"][0]["lastTransitionTime"],
            "2026-11-21T10:00:00Z"
        );
    }
}
