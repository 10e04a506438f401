//! NetworkPolicies of `networking.k8s.io/v1`, compiled.

use std::sync::Arc;

use serde_json::Value;

use super::block::Block;
use super::picker::{self, Picker};
use super::rule::{Compiled, Direction, Kind, Peer, Peers, Policy, PolicyName, Ports, Which};

/// Compiles the `spec` of a NetworkPolicy.
pub(super) fn compile(namespace: &Arc<str>, name: &Arc<str>, spec: &Value) -> Policy {
    let list = |field: &str| {
        let list = spec.get(field).and_then(Value::as_array);
        list.map_or(&[][..], Vec::as_slice)
    };
    let types: Vec<&str> = list("policyTypes")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    // Without types it is about ingress, and about egress where it has rules for that.
    let is_about = |word: &str, otherwise: bool| match types.is_empty() {
        true => otherwise,
        false => types.contains(&word),
    };
    let direction = |field: &'static str, peers: &str, is_about: bool| match is_about {
        true => Direction {
            isolates: true,
            allow: list(field)
                .iter()
                .enumerate()
                .map(|(at, rule)| compile_rule(namespace, field, at + 1, rule, peers))
                .collect(),
            deny: Vec::new(),
        },
        false => Direction::default(),
    };
    let subjects = Picker::of(
        spec.get("podSelector").unwrap_or(&Value::Null),
        picker::of_pod,
    );
    Policy {
        name: PolicyName {
            kind: Kind::NetworkPolicy,
            namespace: namespace.clone(),
            name: name.clone(),
        },
        unclear: subjects
            .is_none()
            .then(|| "its podSelector is not understood".to_owned()),
        subjects: subjects.unwrap_or_default().in_namespace(namespace),
        ingress: direction("ingress", "from", is_about("Ingress", true)),
        egress: direction(
            "egress",
            "to",
            is_about("Egress", !list("egress").is_empty()),
        ),
    }
}

fn compile_rule(
    namespace: &Arc<str>,
    list: &'static str,
    number: usize,
    rule: &Value,
    peers: &str,
) -> Compiled {
    let items = |field: &str| {
        let items = rule.get(field).and_then(Value::as_array);
        items.map_or(&[][..], Vec::as_slice)
    };
    // No peers, and an empty list of them, mean anyone.
    let peers = match items(peers) {
        [] => Peers::Everyone,
        some => Peers::Some(some.iter().map(|one| peer(namespace, one)).collect()),
    };
    Compiled {
        list,
        number,
        peers,
        ports: items("ports").iter().map(port).collect(),
        looks_inside: false,
        unclear: None,
    }
}

fn peer(namespace: &Arc<str>, peer: &Value) -> Peer {
    if let Some(block) = peer.get("ipBlock") {
        return ip_block(block, "cidr");
    }
    let of = |field: &str, key: fn(&str) -> picker::Key| {
        let selector = peer.get(field).filter(|one| !one.is_null())?;
        Some(Picker::of(selector, key))
    };
    let pods = of("podSelector", picker::of_pod);
    let picker = match (of("namespaceSelector", picker::of_namespace), pods) {
        (None, None) => None,
        (None, Some(pods)) => pods.map(|pods| pods.in_namespace(namespace)),
        (Some(namespaces), None) => namespaces,
        (Some(namespaces), Some(pods)) => namespaces.zip(pods).map(|(all, pods)| all.and(pods)),
    };
    match picker {
        Some(picker) => Peer::Endpoints(picker),
        None => Peer::Unclear {
            why: "one of its peers is not understood".to_owned(),
            is_pods: true,
        },
    }
}

/// A block of addresses with exceptions.
pub(super) fn ip_block(block: &Value, field: &str) -> Peer {
    let except = block.get("except").and_then(Value::as_array);
    let except: Option<Vec<Block>> = except
        .into_iter()
        .flatten()
        .map(|one| one.as_str().and_then(Block::parse))
        .collect();
    let block = block
        .get(field)
        .and_then(Value::as_str)
        .and_then(Block::parse);
    match block.zip(except) {
        Some((block, except)) => Peer::Block { block, except },
        None => Peer::Unclear {
            why: "a block of addresses is not understood".to_owned(),
            is_pods: true,
        },
    }
}

fn port(port: &Value) -> Ports {
    let protocol = port
        .get("protocol")
        .and_then(Value::as_str)
        .unwrap_or("TCP");
    Ports {
        protocol: Some(protocol.to_owned()),
        which: which(port.get("port"), port.get("endPort")),
    }
}

/// A port by number, name, or none for all; a text of digits is a number, as Cilium writes them.
pub(super) fn which(port: Option<&Value>, end: Option<&Value>) -> Which {
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let Some(port) = port.filter(|port| !port.is_null()) else {
        return Which::All;
    };
    let unclear = || Which::Unclear(format!("the port {port} is not understood"));
    let Some(from) = number(port) else {
        return match port.as_str() {
            Some(name) if !name.is_empty() => Which::Named(name.to_owned()),
            _ => unclear(),
        };
    };
    let until = match end.filter(|end| !end.is_null()) {
        None => Some(from),
        Some(end) => number(end),
    };
    let until = until.and_then(|until| u16::try_from(until).ok());
    match (u16::try_from(from).ok(), until) {
        (Some(from), Some(0)) => Which::Range(from, from),
        (Some(from), Some(until)) => Which::Range(from, until),
        _ => unclear(),
    }
}
