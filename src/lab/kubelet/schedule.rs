//! Which machine a pod goes to, and the addresses pods get there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::lab::json::{is_true, pairs, text};
use crate::lab::pods;

/// A pod that is already somewhere, as far as scheduling cares.
pub(in crate::lab) struct Placed {
    pub(in crate::lab) node: String,
    /// The `app` it belongs to.
    pub(in crate::lab) app: String,
}

/// Pods a machine takes, as a kubelet's default.
pub(in crate::lab) const PODS_PER_NODE: usize = 110;

/// The machine for `pod`: fewest pods of the same application, then fewest pods, then by name. `tied` is the machine its
/// volume is on.
///
/// # Errors
/// The scheduler's sentence.
pub(in crate::lab) fn choose(
    pod: &Value,
    nodes: &[Value],
    placed: &[Placed],
    tied: Option<&str>,
) -> Result<String, String> {
    let app = application(pod);
    let mut against: BTreeMap<&str, usize> = BTreeMap::new();
    let mut fits: Vec<(usize, usize, &str)> = Vec::new();
    for node in nodes {
        let name = text(node, "/metadata/name");
        let all = placed.iter().filter(|one| one.node == name).count();
        let same = placed
            .iter()
            .filter(|one| one.node == name && one.app == app)
            .count();
        let wrong_label = pairs(pod, "/spec/nodeSelector").any(|(key, value)| {
            let have = node
                .pointer("/metadata/labels")
                .and_then(|labels| labels.get(key));
            have.and_then(Value::as_str) != Some(value)
        });
        let reason = if is_true(node, "/spec/unschedulable") {
            "node(s) were unschedulable"
        } else if !pods::condition(node, "Ready") {
            "node(s) had untolerated taint {node.kubernetes.io/not-ready: }"
        } else if tied.is_some_and(|tied| tied != name) {
            "node(s) had volume node affinity conflict"
        } else if wrong_label {
            "node(s) didn't match Pod's node affinity/selector"
        } else if all >= PODS_PER_NODE {
            "Too many pods"
        } else {
            fits.push((same, all, name));
            continue;
        };
        *against.entry(reason).or_insert(0) += 1;
    }
    if let Some((_, _, name)) = fits.iter().min() {
        return Ok((*name).to_owned());
    }
    let reasons: Vec<String> = against
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    Err(format!(
        "0/{total} nodes are available: {reasons}. preemption: 0/{total} nodes are available: {total} Preemption is not \
         helpful for scheduling.",
        total = nodes.len(),
        reasons = reasons.join(", ")
    ))
}

/// The scheduler's sentence where no machine has the memory that a pod requests.
pub(in crate::lab) fn no_memory(nodes: usize) -> String {
    format!(
        "0/{nodes} nodes are available: {nodes} Insufficient memory. preemption: 0/{nodes} nodes are available: {nodes} No \
         preemption victims found for incoming pod."
    )
}

/// What a pod belongs to, for spreading.
pub(in crate::lab) fn application(pod: &Value) -> &str {
    text(pod, "/metadata/labels/app")
}

/// Pod addresses: 256 for each machine, in the order in which machines are first heard of.
#[derive(Debug)]
pub(in crate::lab) struct Addresses {
    /// The first of all addresses of the cluster.
    first: Ipv4Addr,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    machines: Vec<String>,
    taken: BTreeSet<Ipv4Addr>,
    /// The last address given out on each machine: addresses are not used again soon.
    last: BTreeMap<usize, u8>,
}

impl Addresses {
    /// Addresses of the form `10.CLUSTER.machine.pod`.
    pub(in crate::lab) fn new(cluster: u8) -> Self {
        Self::from(Ipv4Addr::new(10, cluster, 0, 0), Vec::new())
    }

    /// Addresses from `first` on, for machines in this order.
    pub(in crate::lab) fn from(first: Ipv4Addr, machines: Vec<String>) -> Self {
        let used = Used {
            machines,
            ..Used::default()
        };
        Self {
            first,
            used: Mutex::new(used),
        }
    }

    /// Says that somebody has this address already.
    pub(in crate::lab) fn is_taken(&self, address: &str) {
        if let Ok(address) = address.parse() {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            used.taken.insert(address);
        }
    }

    /// An address for a pod on this machine.
    pub(in crate::lab) fn take(&self, node: &str) -> IpAddr {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let machine = match used.machines.iter().position(|name| name == node) {
            Some(at) => at,
            None => {
                used.machines.push(node.to_owned());
                used.machines.len() - 1
            }
        };
        let block = u32::try_from(machine)
            .unwrap_or(u32::MAX)
            .saturating_mul(256);
        let block = self.first.to_bits().saturating_add(block);
        let mut last = used.last.get(&machine).copied().unwrap_or(1);
        let mut address = Ipv4Addr::UNSPECIFIED;
        for _ in 0..253 {
            last = if last >= 254 { 2 } else { last + 1 };
            address = Ipv4Addr::from_bits(block.saturating_add(u32::from(last)));
            if !used.taken.contains(&address) {
                break;
            }
        }
        used.last.insert(machine, last);
        used.taken.insert(address);
        IpAddr::V4(address)
    }

    /// Gives an address back.
    pub(in crate::lab) fn free(&self, address: &str) {
        if let Ok(address) = address.parse() {
            self.used
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .taken
                .remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn node(name: &str, unschedulable: bool) -> Value {
        json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
            "spec": {"unschedulable": unschedulable},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    }

    #[test]
    fn pods_of_one_application_are_spread() {
        let nodes = ["a", "b", "c"].map(|name| node(name, false));
        let pod = json!({"metadata": {"labels": {"app": "orders"}}});
        let mut placed = vec![Placed {
            node: "a".into(),
            app: "other".into(),
        }];
        let mut chosen = Vec::new();
        for _ in 0..4 {
            let node = choose(&pod, &nodes, &placed, None).unwrap();
            placed.push(Placed {
                node: node.clone(),
                app: "orders".into(),
            });
            chosen.push(node);
        }
        assert_eq!(chosen, ["b", "c", "a", "b"]);
    }

    #[test]
    fn a_pod_that_fits_nowhere_gets_the_schedulers_sentence() {
        let nodes = [node("a", true), node("b", false)];
        let table = [
            (
                json!({}),
                Some("a"),
                "1 node(s) had volume node affinity conflict, 1 node(s) were unschedulable",
            ),
            (
                json!({"spec": {"nodeSelector": {"kubernetes.io/hostname": "x"}}}),
                None,
                "1 node(s) didn't match Pod's node affinity/selector, 1 node(s) were unschedulable",
            ),
        ];
        for (pod, tied, words) in table {
            let error = choose(&pod, &nodes, &[], tied).unwrap_err();
            assert!(
                error.starts_with("0/2 nodes are available: ") && error.contains(words),
                "{error}"
            );
        }
        assert_eq!(choose(&json!({}), &nodes, &[], Some("b")).unwrap(), "b");
    }

    #[test]
    fn addresses_are_not_used_again_soon() {
        let addresses = Addresses::new(42);
        let first = addresses.take("a");
        assert_eq!(first.to_string(), "10.42.0.2");
        addresses.free("10.42.0.2");
        assert_eq!(addresses.take("a").to_string(), "10.42.0.3");
        assert_eq!(addresses.take("b").to_string(), "10.42.1.2");
    }
}
