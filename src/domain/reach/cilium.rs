//! CiliumNetworkPolicies and CiliumClusterwideNetworkPolicies of `cilium.io/v2`, compiled.
//!
//! Beside the plain ones: a rule without peers and without ports admits nothing (of a plain policy it admits everything), a
//! list of peers that is there but empty means nobody, and what isolates is a list of rules with at least one in it, or
//! `enableDefaultDeny`.

use std::sync::Arc;

use serde_json::Value;

use super::block::Block;
use super::kubernetes::{ip_block, which};
use super::picker::{self, Key, Picker};
use super::rule::{Compiled, Direction, Kind, Peer, Peers, Policy, PolicyName, Ports, Which};

/// Compiles what an object holds: `spec`, and each of `specs`. The namespace is empty for one of the whole cluster.
pub(super) fn compile(namespace: &Arc<str>, name: &Arc<str>, body: &Value) -> Vec<Policy> {
    let several = body.get("specs").and_then(Value::as_array);
    let one = body.get("spec").filter(|spec| !spec.is_null());
    one.into_iter()
        .chain(several.into_iter().flatten())
        .filter_map(|spec| policy(namespace, name, spec))
        .collect()
}

/// `None` for one about machines rather than pods.
fn policy(namespace: &Arc<str>, name: &Arc<str>, spec: &Value) -> Option<Policy> {
    let selector = spec.get("endpointSelector");
    if selector.is_none() && spec.get("nodeSelector").is_some() {
        return None;
    }
    const KNOWN: &[&str] = &[
        "endpointSelector",
        "nodeSelector",
        "ingress",
        "egress",
        "ingressDeny",
        "egressDeny",
        "enableDefaultDeny",
        "labels",
        "description",
        "log",
    ];
    let subjects = selector.and_then(|one| Picker::of(one, picker::of_cilium));
    let unclear = match &subjects {
        None => Some("its endpointSelector is not understood".to_owned()),
        Some(_) => stranger(spec, KNOWN).map(|field| format!("its {field} is not understood")),
    };
    let subjects = subjects.unwrap_or_default();
    let kind = match &**namespace {
        "" => Kind::CiliumClusterwideNetworkPolicy,
        _ => Kind::CiliumNetworkPolicy,
    };
    Some(Policy {
        name: PolicyName {
            kind,
            namespace: namespace.clone(),
            name: name.clone(),
        },
        subjects: match &**namespace {
            "" => subjects,
            namespace => subjects.in_namespace(namespace),
        },
        ingress: direction(namespace, spec, "ingress", "ingressDeny", INGRESS),
        egress: direction(namespace, spec, "egress", "egressDeny", EGRESS),
        unclear,
    })
}

/// Names of the fields of a direction's rules.
struct Fields {
    endpoints: &'static str,
    requires: &'static str,
    blocks: &'static str,
    block_sets: &'static str,
    entities: &'static str,
    groups: &'static str,
    nodes: &'static str,
    /// Fields whose peers are outside of the clusters, or cannot be told.
    names: Option<&'static str>,
    services: Option<&'static str>,
}

const INGRESS: &Fields = &Fields {
    endpoints: "fromEndpoints",
    requires: "fromRequires",
    blocks: "fromCIDR",
    block_sets: "fromCIDRSet",
    entities: "fromEntities",
    groups: "fromGroups",
    nodes: "fromNodes",
    names: None,
    services: None,
};

const EGRESS: &Fields = &Fields {
    endpoints: "toEndpoints",
    requires: "toRequires",
    blocks: "toCIDR",
    block_sets: "toCIDRSet",
    entities: "toEntities",
    groups: "toGroups",
    nodes: "toNodes",
    names: Some("toFQDNs"),
    services: Some("toServices"),
};

fn direction(
    namespace: &Arc<str>,
    spec: &Value,
    allow: &'static str,
    deny: &'static str,
    fields: &Fields,
) -> Direction {
    let rules = |list: &'static str| {
        let rules = spec.get(list).and_then(Value::as_array);
        let rules = rules.into_iter().flatten().enumerate();
        let rules = rules.map(|(at, one)| rule(namespace, list, at + 1, one, fields));
        rules.collect::<Vec<_>>()
    };
    let (allowed, denied) = (rules(allow), rules(deny));
    let said = spec.pointer(&format!("/enableDefaultDeny/{allow}"));
    Direction {
        isolates: said
            .and_then(Value::as_bool)
            .unwrap_or(!allowed.is_empty() || !denied.is_empty()),
        allow: allowed,
        deny: denied,
    }
}

fn rule(
    namespace: &Arc<str>,
    list: &'static str,
    number: usize,
    rule: &Value,
    fields: &Fields,
) -> Compiled {
    let items = |field: &str| rule.get(field).and_then(Value::as_array);
    let mut peers: Vec<Peer> = Vec::new();
    let mut named = false;
    let mut each = |field: &str, of: &dyn Fn(&Value) -> Peer| {
        if let Some(items) = items(field) {
            named = true;
            peers.extend(items.iter().map(of));
        }
    };
    each(fields.endpoints, &|one| endpoints(namespace, one));
    each(fields.blocks, &block);
    each(fields.block_sets, &block_set);
    each(fields.entities, &|one| match one.as_str() {
        Some(name) => Peer::Entity(name.to_lowercase()),
        None => unclear("an entity is not understood", true),
    });
    each(fields.groups, &|_| {
        unclear(
            "it speaks of a cloud's groups, which cannot be read here",
            false,
        )
    });
    each(fields.nodes, &|_| unclear("it speaks of machines", false));
    if let Some(names) = fields.names {
        each(names, &|one| {
            let name = ["matchName", "matchPattern"]
                .iter()
                .find_map(|field| one.get(*field)?.as_str());
            let name = name.unwrap_or_default();
            unclear(&format!("it speaks of the host name {name}"), false)
        });
    }
    if let Some(services) = fields.services {
        each(services, &|_| {
            unclear("it speaks of a Service, whose pods are not looked up", true)
        });
    }
    let mut ports = Vec::new();
    let mut looks_inside = false;
    for one in items("toPorts").into_iter().flatten() {
        looks_inside |= one.get("rules").is_some_and(|rules| !rules.is_null())
            || one.get("serverNames").is_some();
        let numbers = one.get("ports").and_then(Value::as_array);
        match numbers.map(Vec::as_slice) {
            None | Some([]) => ports.push(Ports {
                protocol: None,
                which: Which::All,
            }),
            Some(numbers) => ports.extend(numbers.iter().map(port)),
        }
    }
    let is_icmp = items("icmps").is_some_and(|icmps| !icmps.is_empty());
    let peers = match (named, ports.is_empty()) {
        // What is about ICMP alone is not about a connection.
        _ if is_icmp && ports.is_empty() => Peers::Some(Vec::new()),
        (true, _) => Peers::Some(peers),
        (false, false) => Peers::Everyone,
        (false, true) => Peers::Some(Vec::new()),
    };
    Compiled {
        list,
        number,
        peers,
        ports,
        looks_inside,
        unclear: odd(rule, fields),
    }
}

/// What of a rule is not understood, or narrows it in a way that is not simulated.
fn odd(rule: &Value, fields: &Fields) -> Option<String> {
    if items_of(rule, fields.requires) > 0 {
        return Some(format!(
            "it has {}, which is not simulated",
            fields.requires
        ));
    }
    if rule.pointer("/authentication/mode").and_then(Value::as_str) == Some("required") {
        return Some("it wants both ends to authenticate each other".to_owned());
    }
    let known = [
        fields.endpoints,
        fields.requires,
        fields.blocks,
        fields.block_sets,
        fields.entities,
        fields.groups,
        fields.nodes,
        fields.names.unwrap_or_default(),
        fields.services.unwrap_or_default(),
        "toPorts",
        "icmps",
        "authentication",
    ];
    stranger(rule, &known).map(|field| format!("its {field} is not understood"))
}

fn items_of(rule: &Value, field: &str) -> usize {
    let items = rule.get(field).and_then(Value::as_array);
    items.map_or(0, Vec::len)
}

/// A field that is not among those.
fn stranger(value: &Value, known: &[&str]) -> Option<String> {
    let mut fields = value.as_object().into_iter().flatten();
    let found = fields.find(|(field, value)| !value.is_null() && !known.contains(&field.as_str()));
    found.map(|(field, _)| field.clone())
}

fn unclear(why: &str, is_pods: bool) -> Peer {
    Peer::Unclear {
        why: why.to_owned(),
        is_pods,
    }
}

/// A peer by its labels. One that names no namespace is of the policy's own; for a policy of the whole cluster, of any.
fn endpoints(namespace: &Arc<str>, selector: &Value) -> Peer {
    let Some(picker) = Picker::of(selector, picker::of_cilium) else {
        return unclear("one of its peers is not understood", true);
    };
    let is_placed = picker.names(|key| {
        matches!(
            key,
            Key::Namespace | Key::NamespaceLabel(_) | Key::Reserved(_)
        )
    });
    match &**namespace {
        "" => Peer::Endpoints(picker),
        _ if is_placed => Peer::Endpoints(picker),
        _ => Peer::Endpoints(picker.and(picker::all_of(namespace))),
    }
}

fn block(one: &Value) -> Peer {
    match one.as_str().and_then(Block::parse) {
        Some(block) => Peer::Block {
            block,
            except: Vec::new(),
        },
        None => unclear("a block of addresses is not understood", true),
    }
}

fn block_set(one: &Value) -> Peer {
    match one.get("cidr") {
        Some(_) => ip_block(one, "cidr"),
        None => unclear("it speaks of a group of addresses by name", false),
    }
}

fn port(port: &Value) -> Ports {
    let protocol = port.get("protocol").and_then(Value::as_str);
    let which = match which(port.get("port"), port.get("endPort")) {
        // Cilium writes any port as 0.
        Which::Range(0, 0) => Which::All,
        which => which,
    };
    Ports {
        protocol: protocol
            .filter(|word| !word.is_empty())
            .map(str::to_uppercase),
        which,
    }
}
