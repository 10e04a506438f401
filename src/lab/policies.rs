//! What the NetworkPolicies of a cluster let through, as a network that enforces them does: a pod that no policy selects for a
//! direction is open in it, one that some do is open to what any of them allows.
//!
//! It is asked for the operator's connections and for the clients of instances, and only where a scenario lets the network
//! enforce policies; not for peers, probes, or whoever comes through the API server.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::json::{items, number, pairs, text};
use super::resources::{NAMESPACES, NETWORK_POLICIES};
use super::store::Store;

/// One end of a connection, as the policies of the other end see it.
#[derive(Clone, Copy, Debug)]
pub(in crate::lab) struct End<'a> {
    /// The pod, where it is one of the same cluster.
    pub(in crate::lab) pod: Option<&'a Value>,
    /// Its address.
    pub(in crate::lab) ip: &'a str,
}

/// Whether the policies of a cluster let `from` connect to a port of the pod `to`.
pub(in crate::lab) fn admits(store: &Store, from: &End<'_>, to: &Value, port: u16) -> bool {
    let there = End {
        pod: Some(to),
        ip: text(to, "/status/podIP"),
    };
    let port = Port {
        number: port,
        of: to,
    };
    let out = from
        .pod
        .is_none_or(|pod| passes(store, pod, "egress", &there, &port));
    out && passes(store, to, "ingress", from, &port)
}

/// The port that is asked for, of the pod that has it: policies may name it.
struct Port<'a> {
    number: u16,
    of: &'a Value,
}

/// Whether the policies on one pod let the other end through in a direction.
fn passes(store: &Store, pod: &Value, direction: &str, other: &End<'_>, port: &Port<'_>) -> bool {
    let namespace = text(pod, "/metadata/namespace");
    let listed = store.list(NETWORK_POLICIES, Some(namespace));
    let policies: Vec<Value> = listed
        .map(|listed| listed.items.iter().map(|one| one.value()).collect())
        .unwrap_or_default();
    let mut on_it = policies
        .iter()
        .filter(|policy| speaks_of(policy, direction))
        .filter(|policy| selects(policy.pointer("/spec/podSelector"), pod, "/metadata/labels"))
        .peekable();
    if on_it.peek().is_none() {
        return true;
    }
    let (rules, peers) = match direction {
        "egress" => ("/spec/egress", "/to"),
        _ => ("/spec/ingress", "/from"),
    };
    on_it.any(|policy| {
        items(policy, rules).iter().any(|rule| {
            let who = items(rule, peers);
            (who.is_empty()
                || who
                    .iter()
                    .any(|peer| is_meant(store, peer, namespace, other)))
                && opens(rule, port)
        })
    })
}

/// Whether a policy restricts that direction: by its types, or by its rules where it names none.
fn speaks_of(policy: &Value, direction: &str) -> bool {
    let types = items(policy, "/spec/policyTypes");
    match types.is_empty() {
        true => direction == "ingress" || policy.pointer("/spec/egress").is_some(),
        false => types
            .iter()
            .filter_map(Value::as_str)
            .any(|one| one.eq_ignore_ascii_case(direction)),
    }
}

/// Whether a peer of a rule means the other end.
fn is_meant(store: &Store, peer: &Value, namespace: &str, other: &End<'_>) -> bool {
    if let Some(block) = peer.get("ipBlock") {
        let within = |range: &str| is_within(other.ip, range);
        let excepted = items(block, "/except").iter().filter_map(Value::as_str);
        return within(text(block, "/cidr")) && !excepted.into_iter().any(within);
    }
    // A pod of another cluster is but an address.
    let Some(pod) = other.pod else { return false };
    let theirs = text(pod, "/metadata/namespace");
    let at_home = match peer.get("namespaceSelector") {
        None => theirs == namespace,
        selector => {
            let found = store.get(NAMESPACES, "", theirs).map(|one| one.value());
            found.is_ok_and(|found| selects(selector, &found, "/metadata/labels"))
        }
    };
    at_home
        && peer
            .get("podSelector")
            .is_none_or(|selector| selects(Some(selector), pod, "/metadata/labels"))
}

/// Whether a rule opens that port; one without ports opens all.
fn opens(rule: &Value, port: &Port<'_>) -> bool {
    let ports = items(rule, "/ports");
    ports.is_empty()
        || ports.iter().any(|one| {
            let tcp = matches!(text(one, "/protocol"), "" | "TCP");
            let name = text(one, "/port");
            let first = number(one, "/port");
            let wanted = i64::from(port.number);
            tcp && match first {
                Some(first) => {
                    let last = number(one, "/endPort").unwrap_or(first);
                    (first..=last).contains(&wanted)
                }
                None if name.is_empty() => true,
                None => named(port.of, name) == Some(wanted),
            }
        })
}

/// The number of a named port of a pod.
fn named(pod: &Value, name: &str) -> Option<i64> {
    let containers = items(pod, "/spec/containers");
    let mut ports = containers.iter().flat_map(|one| items(one, "/ports"));
    let found = ports.find(|one| text(one, "/name") == name)?;
    number(found, "/containerPort")
}

/// Whether a label selector takes an object; none takes nothing, an empty one everything.
fn selects(selector: Option<&Value>, object: &Value, labels: &str) -> bool {
    let Some(selector) = selector else {
        return false;
    };
    let of = |key: &str| object.pointer(labels)?.get(key)?.as_str();
    let exact = pairs(selector, "/matchLabels").all(|(key, value)| of(key) == Some(value));
    exact
        && items(selector, "/matchExpressions").iter().all(|one| {
            let own = of(text(one, "/key"));
            let listed = own.is_some_and(|own| {
                let values = items(one, "/values");
                values.iter().any(|value| value.as_str() == Some(own))
            });
            match text(one, "/operator") {
                "In" => listed,
                "NotIn" => !listed,
                "Exists" => own.is_some(),
                _ => own.is_none(),
            }
        })
}

/// Whether an IPv4 address is in a range such as `10.0.0.0/8`.
fn is_within(ip: &str, range: &str) -> bool {
    let (base, bits) = range.split_once('/').unwrap_or((range, "32"));
    let (Ok(ip), Ok(base), Ok(bits)) = (
        ip.parse::<Ipv4Addr>(),
        base.parse::<Ipv4Addr>(),
        bits.parse::<u32>(),
    ) else {
        return false;
    };
    let mask = u32::MAX
        .checked_shl(32_u32.saturating_sub(bits))
        .unwrap_or(0);
    ip.to_bits() & mask == base.to_bits() & mask
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lab::clock::Clock;
    use serde_json::json;

    fn pod(namespace: &str, name: &str, labels: Value, ip: &str) -> Value {
        json!({"metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": {"containers": [{"name": "c", "ports": [{"name": "admin", "containerPort": 9999}]}]},
            "status": {"podIP": ip}})
    }

    fn store(policies: &[Value]) -> Store {
        let store = Store::new(1, Clock::default());
        for namespace in ["shop", "ops"] {
            let value = json!({"metadata": {"name": namespace}});
            store.create(NAMESPACES, "", value, "t").unwrap();
        }
        for (number, spec) in policies.iter().enumerate() {
            let value = json!({"metadata": {"name": format!("p{number}"), "namespace": "shop"}, "spec": spec});
            store.create(NETWORK_POLICIES, "shop", value, "t").unwrap();
        }
        store
    }

    #[test]
    fn what_no_policy_selects_is_open_and_what_some_do_is_open_to_any_of_them() {
        let engine = pod("shop", "df-0", json!({"app": "df"}), "10.0.0.1");
        let near = pod("shop", "web", json!({"app": "web"}), "10.0.0.2");
        let far = pod("ops", "manager", json!({"role": "op"}), "10.0.1.3");
        let on_it = json!({"matchLabels": {"app": "df"}});
        let rule = |from: Value, port: Value| json!({"from": [from], "ports": [{"port": port}]});
        let policy = |rules: Value| json!({"podSelector": on_it, "policyTypes": ["Ingress"], "ingress": rules});
        let home = json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ops"}},
            "podSelector": {"matchExpressions": [{"key": "role", "operator": "In", "values": ["op"]}]}});
        // Name, policies, then who gets in: near, far, one outside, each on 9999 and 6379.
        let table = [
            ("none", vec![], [true; 6]),
            (
                "on others",
                vec![
                    json!({"podSelector": {"matchLabels": {"app": "x"}}, "policyTypes": ["Ingress"]}),
                ],
                [true; 6],
            ),
            ("that lets nobody in", vec![policy(json!([]))], [false; 6]),
            (
                "that speaks of egress alone",
                vec![json!({"podSelector": on_it, "policyTypes": ["Egress"], "egress": []})],
                [true; 6],
            ),
            (
                "same namespace, by number",
                vec![policy(json!([rule(
                    json!({"podSelector": {}}),
                    json!(9999)
                )]))],
                [true, false, false, false, false, false],
            ),
            (
                "other namespace, by name",
                vec![policy(json!([rule(home.clone(), json!("admin"))]))],
                [false, false, true, false, false, false],
            ),
            (
                "both",
                vec![
                    policy(json!([rule(json!({"podSelector": {}}), json!(6379))])),
                    policy(json!([rule(home, json!(9999))])),
                ],
                [false, true, true, false, false, false],
            ),
            (
                "a range but for a part of it",
                vec![policy(
                    json!([{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.1.0/24"]}}]}]),
                )],
                [true, true, false, false, false, false],
            ),
            (
                "ports from one to another",
                vec![policy(
                    json!([{"ports": [{"port": 6000, "endPort": 7000}]}]),
                )],
                [false, true, false, true, false, true],
            ),
            (
                "that keeps the near one from going out",
                vec![
                    json!({"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"]}),
                ],
                [false, false, true, true, true, true],
            ),
        ];
        for (name, policies, wanted) in table {
            let store = store(&policies);
            let ends = [
                (Some(&near), "10.0.0.2"),
                (Some(&far), "10.0.1.3"),
                (None, "192.0.2.9"),
            ];
            let got: Vec<bool> = ends
                .iter()
                .flat_map(|(pod, ip)| [9999, 6379].map(|port| (*pod, *ip, port)))
                .map(|(pod, ip, port)| admits(&store, &End { pod, ip }, &engine, port))
                .collect();
            assert_eq!(got, wanted, "{name}");
        }
    }
}
