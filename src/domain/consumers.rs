//! Who uses a node: the clients that its CLIENT LIST tells, by the workload whose address they have, in whatever context
//! that runs. Consumers often live in another cluster than the instance that they use.
//!
//! An address says whose it is only as far as pods could be read: what is nobody's there may be a machine's, a proxy's or
//! a gateway's, and is told apart from what was not read at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::engine::ClientList;
use super::fact::Scope;
use super::id::ContextId;
use super::object::Meta;
use super::view::InstanceView;
use super::want::{Foreign, ForeignObject, Want};
use super::world::{ContextWorld, Reading, World};

/// The port for administration that the operator gives every node (v1.1 to v1.6).
pub const ADMIN_PORT: u16 = 9999;

/// Whose an address is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// A workload's.
    Workload(Workload),
    /// Of pods in the network of their machine, which share its address.
    Machine(ContextId, Arc<str>),
    /// More than one workload has it: clusters may use the same addresses.
    Several(Vec<Workload>),
    /// The node's own: a port-forward (ours too), a probe, a program beside it.
    Local,
    /// No pod that could be read has it.
    Nobody(String),
}

/// What runs pods.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Workload {
    /// In which context.
    pub context: ContextId,
    /// In which namespace.
    pub namespace: Arc<str>,
    /// `Deployment`, `StatefulSet`, `Pod` where nothing owns it.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// The clients of one workload at one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Whose they are.
    pub whose: Whose,
    /// The node that they are connected to, by its pod.
    pub node: Arc<str>,
    /// They are connected to its port for administration rather than that for data.
    pub admin: bool,
    /// How many.
    pub clients: u64,
    /// Of them, how many wait in BLPOP and its like.
    pub blocked: u64,
    /// Of them, how many are subscribed.
    pub subscribed: u64,
    /// Bytes of their commands that wait.
    pub queued_bytes: u64,
    /// Longest `idle`, seconds.
    pub idle: Option<u64>,
    /// Longest `age`, seconds.
    pub oldest: Option<u64>,
    /// Shortest `age`, seconds.
    pub youngest: Option<u64>,
    /// How many addresses they have: about as many pods.
    pub addresses: usize,
    /// What they call themselves.
    pub names: BTreeSet<String>,
    /// Their libraries.
    pub libraries: BTreeSet<String>,
    /// When the node told so.
    pub at: Timestamp,
}

/// The clients of all nodes of an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consumers {
    /// In groups; those of the workload with most clients first.
    pub groups: Vec<Group>,
    /// Clients that were too many to be told apart.
    pub others: u64,
    /// Whose each address is that a client has.
    whose: BTreeMap<String, Whose>,
    /// Contexts whose pods could not be read, and why; `None`: not read yet.
    pub unread: Vec<(ContextId, Option<String>)>,
    /// Contexts that have more pods than are kept.
    pub cut: Vec<ContextId>,
}

/// What must be read to tell whose an address is: the pods of every context that is shown.
pub fn wants(world: &World) -> BTreeSet<Want> {
    let contexts = world.shown_contexts().filter(|context| context.is_live());
    contexts
        .flat_map(|context| {
            scopes(context).into_iter().map(|scope| Want::Objects {
                context: context.id.clone(),
                what: Foreign::Pod,
                scope,
            })
        })
        .collect()
}

/// Over what pods are read: the whole cluster, or the namespaces that it is confined to.
fn scopes(context: &ContextWorld) -> Vec<Scope> {
    match context.namespaces.as_slice() {
        [] => vec![Scope::Cluster],
        some => some.iter().cloned().map(Scope::Namespace).collect(),
    }
}

/// The clients of an instance's nodes, in groups.
pub fn consumers(world: &World, view: &InstanceView<'_>) -> Consumers {
    let lists: Vec<(&Arc<str>, &ClientList, Timestamp)> = view
        .nodes
        .iter()
        .filter_map(|node| {
            let known = node.engine?.client_list.as_ref()?;
            Some((&node.id.pod, &known.value, known.at))
        })
        .collect();
    let mut made = Consumers::default();
    let addresses: BTreeSet<&str> = lists.iter().flat_map(|(_, list, _)| asked(list)).collect();
    if addresses.is_empty() {
        return made;
    }
    let mut found = Found {
        wanted: addresses,
        by_address: BTreeMap::new(),
    };
    for context in world.shown_contexts() {
        found.read(context, &mut made);
    }
    made.whose = found
        .wanted
        .iter()
        .map(|ip| ((*ip).to_owned(), found.whose(ip)))
        .collect();
    let mut groups: BTreeMap<(Whose, Arc<str>, bool), Group> = BTreeMap::new();
    for (pod, list, at) in lists {
        made.others += list.others;
        for clients in &list.groups {
            let whose = made.whose(&clients.ip);
            let admin = clients.port == Some(ADMIN_PORT);
            let key = (whose.clone(), pod.clone(), admin);
            let group = groups.entry(key).or_insert_with(|| Group {
                whose,
                node: pod.clone(),
                admin,
                clients: 0,
                blocked: 0,
                subscribed: 0,
                queued_bytes: 0,
                idle: None,
                oldest: None,
                youngest: None,
                addresses: 0,
                names: BTreeSet::new(),
                libraries: BTreeSet::new(),
                at,
            });
            group.clients += clients.count;
            group.blocked += clients.blocked;
            group.subscribed += clients.subscribed;
            group.queued_bytes = group.queued_bytes.saturating_add(clients.queued_bytes);
            group.idle = group.idle.max(clients.idle);
            group.oldest = group.oldest.max(clients.oldest);
            group.youngest = [group.youngest, clients.youngest]
                .into_iter()
                .flatten()
                .min();
            group.names.extend(clients.name.clone());
            group.libraries.extend(clients.library.clone());
        }
        for ((whose, node, _), group) in &mut groups {
            if *node == *pod {
                let ips = list.groups.iter().map(|clients| clients.ip.as_str());
                let own: BTreeSet<&str> = ips
                    .filter(|ip| made.whose.get(*ip) == Some(whose))
                    .collect();
                group.addresses = own.len();
            }
        }
    }
    made.groups = groups.into_values().collect();
    let mut all: BTreeMap<Whose, u64> = BTreeMap::new();
    for group in &made.groups {
        *all.entry(group.whose.clone()).or_default() += group.clients;
    }
    let rank = |group: &Group| {
        let total = all.get(&group.whose).copied().unwrap_or(0);
        (
            group.admin,
            std::cmp::Reverse(total),
            group.whose.clone(),
            group.node.clone(),
        )
    };
    made.groups.sort_by_cached_key(rank);
    made
}

/// The addresses of a list's clients.
fn asked(list: &ClientList) -> impl Iterator<Item = &str> {
    let slow = list.slow.iter().map(|client| host(&client.addr));
    list.groups
        .iter()
        .map(|clients| clients.ip.as_str())
        .chain(slow)
}

/// The host of `10.0.0.1:6379` or `[fd00::1]:6379`.
pub fn host(addr: &str) -> &str {
    let host = addr.rsplit_once(':').map_or(addr, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

impl Consumers {
    /// Whose an address is.
    pub fn whose(&self, ip: &str) -> Whose {
        let known = self.whose.get(ip).cloned();
        known.unwrap_or_else(|| Whose::Nobody(ip.to_owned()))
    }

    /// All clients of data ports.
    pub fn clients(&self) -> u64 {
        let data = self.groups.iter().filter(|group| !group.admin);
        data.map(|group| group.clients).sum()
    }

    /// How many workloads have clients at data ports.
    pub fn workloads(&self) -> usize {
        let data = self.groups.iter().filter(|group| !group.admin);
        let own: BTreeSet<&Whose> = data
            .map(|group| &group.whose)
            .filter(|whose| matches!(whose, Whose::Workload(_) | Whose::Several(_)))
            .collect();
        own.len()
    }
}

impl Whose {
    /// `shop/orders-api`, `machine worker-1`, `10.4.0.9, nobody's`.
    pub fn words(&self) -> String {
        match self {
            Whose::Workload(workload) => workload.to_string(),
            Whose::Machine(_, machine) => format!("the network of machine {machine}"),
            Whose::Several(all) => {
                let names: Vec<String> = all.iter().map(Workload::to_string).collect();
                names.join(" or ")
            }
            Whose::Local => "itself or a port-forward".to_owned(),
            Whose::Nobody(ip) => format!("{ip}, no pod's"),
        }
    }

    /// The context that it runs in, where that is one.
    pub fn context(&self) -> Option<&ContextId> {
        match self {
            Whose::Workload(workload) => Some(&workload.context),
            Whose::Machine(context, _) => Some(context),
            Whose::Several(_) | Whose::Local | Whose::Nobody(_) => None,
        }
    }
}

impl std::fmt::Display for Workload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Pods with an address that is asked after.
struct Found<'a> {
    wanted: BTreeSet<&'a str>,
    by_address: BTreeMap<&'a str, BTreeSet<Whose>>,
}

impl<'a> Found<'a> {
    /// Looks through what is known of a context's pods: those that are watched anyway, and those that were asked for.
    fn read(&mut self, context: &'a ContextWorld, made: &mut Consumers) {
        for held in context.pods.iter().chain(context.operator_pods.iter()) {
            let pod = &held.value;
            if let Some(ip) = pod.ip.as_deref() {
                self.note(ip, || Whose::Workload(workload(context, &pod.meta)));
            }
        }
        for scope in scopes(context) {
            match context.on_demand.objects(&context.id, Foreign::Pod, &scope) {
                Reading::Unread => made.unread.push((context.id.clone(), None)),
                Reading::Failed(fault, _) => made
                    .unread
                    .push((context.id.clone(), Some(fault.message.clone()))),
                Reading::Known { objects, more, .. } => {
                    objects.iter().for_each(|pod| self.see(context, pod));
                    if more {
                        made.cut.push(context.id.clone());
                    }
                }
            }
        }
        made.unread.dedup();
        made.cut.dedup();
    }

    fn see(&mut self, context: &ContextWorld, pod: &ForeignObject) {
        let text = |path: &str| pod.body.pointer(path).and_then(Value::as_str);
        if matches!(text("/status/phase"), Some("Succeeded" | "Failed")) {
            // Its address may be another's by now.
            return;
        }
        let further = pod.body.pointer("/status/podIPs").and_then(Value::as_array);
        let further = further
            .into_iter()
            .flatten()
            .filter_map(|one| one.get("ip")?.as_str());
        let shares = pod
            .body
            .pointer("/spec/hostNetwork")
            .and_then(Value::as_bool)
            == Some(true);
        for ip in text("/status/podIP").into_iter().chain(further) {
            self.note(ip, || match shares {
                true => {
                    let machine = text("/spec/nodeName").unwrap_or_default();
                    Whose::Machine(context.id.clone(), Arc::from(machine))
                }
                false => Whose::Workload(workload(context, &pod.meta)),
            });
        }
    }

    fn note(&mut self, ip: &str, whose: impl FnOnce() -> Whose) {
        if let Some(ip) = self.wanted.get(ip) {
            self.by_address.entry(ip).or_default().insert(whose());
        }
    }

    fn whose(&self, ip: &str) -> Whose {
        if is_local(ip) {
            return Whose::Local;
        }
        let Some(found) = self.by_address.get(ip) else {
            return Whose::Nobody(ip.to_owned());
        };
        let mut found = found.iter();
        match (found.next(), found.next()) {
            (Some(one), None) => one.clone(),
            (Some(one), Some(other)) => {
                let all = [one, other].into_iter().chain(found);
                Whose::Several(
                    all.filter_map(|whose| match whose {
                        Whose::Workload(workload) => Some(workload.clone()),
                        _ => None,
                    })
                    .collect(),
                )
            }
            _ => Whose::Nobody(ip.to_owned()),
        }
    }
}

/// Whether an address is of the machine itself: a port-forward, a probe, a program beside the engine.
pub fn is_local(ip: &str) -> bool {
    ip.starts_with("127.") || ip == "::1" || !ip.contains(['.', ':'])
}

/// What runs a pod, by the name of its owner: a ReplicaSet of a Deployment is called after it, with a hash at the end; a
/// Job of a CronJob with the minute at the end.
fn workload(context: &ContextWorld, pod: &Meta) -> Workload {
    /// The letters of Kubernetes' hashes (`SafeEncodeString`).
    const HASH: &str = "bcdfghjklmnpqrstvwxz2456789";
    let named = |kind: &str, name: &str| Workload {
        context: context.id.clone(),
        namespace: pod.namespace.clone(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    let Some(owner) = &pod.owner else {
        return named("Pod", &pod.name);
    };
    let parts = owner.name.rsplit_once('-');
    match (owner.kind.as_str(), parts) {
        ("ReplicaSet", Some((name, hash)))
            if (1..=10).contains(&hash.len()) && hash.chars().all(|c| HASH.contains(c)) =>
        {
            named("Deployment", name)
        }
        ("Job", Some((name, minute)))
            if minute.len() >= 8 && minute.chars().all(|c| c.is_ascii_digit()) =>
        {
            named("CronJob", name)
        }
        (kind, _) => named(kind, &owner.name),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::engine::{ClientGroup, Probe};
    use crate::domain::fixture::*;
    use crate::domain::object::Owner;
    use crate::domain::want::Fetched;
    use crate::domain::{Fact, Fault, FaultKind, Link};
    use serde_json::json;

    fn apps() -> ContextId {
        ContextId::new("apps")
    }

    fn pod(namespace: &str, name: &str, owner: Option<(&str, &str)>, body: Value) -> ForeignObject {
        ForeignObject {
            meta: Meta {
                namespace: Arc::from(namespace),
                name: Arc::from(name),
                owner: owner.map(|(kind, name)| Owner {
                    kind: kind.to_owned(),
                    name: name.to_owned(),
                    uid: String::new(),
                }),
                ..Meta::default()
            },
            body,
        }
    }

    fn at(ip: &str) -> Value {
        json!({"status": {"podIP": ip}})
    }

    fn clients(ip: &str, count: u64, port: u16) -> ClientGroup {
        ClientGroup {
            ip: ip.to_owned(),
            port: Some(port),
            count,
            blocked: count / 2,
            idle: Some(count),
            ..ClientGroup::default()
        }
    }

    /// An instance whose master has these clients, in a world of two contexts; the pods of the other one are these.
    fn world(groups: Vec<ClientGroup>, pods: Result<Vec<ForeignObject>, &str>) -> Fixture {
        let mut f = instance("orders").node(master()).node(replica()).build();
        let total = groups.iter().map(|group| group.count).sum();
        let list = ClientList {
            total,
            groups,
            ..ClientList::default()
        };
        f.answers("orders-0", Probe::ClientList(list), ago(3));
        f.tell(
            Fact::Opened {
                context: apps(),
                namespaces: Vec::new(),
            },
            ago(500),
        );
        f.tell(
            Fact::Linked {
                context: apps(),
                link: Link::Live {
                    rtt: std::time::Duration::from_millis(9),
                },
            },
            ago(500),
        );
        let wanted = wants(&f.world);
        assert_eq!(wanted.len(), 2, "the pods of both contexts");
        for want in wanted {
            let answer = if *want.context() == apps() {
                pods.clone()
            } else {
                Ok(Vec::new())
            };
            f.tell(
                Fact::Fetched {
                    want,
                    answer: answer
                        .map(|objects| Fetched::Objects {
                            objects: objects.into(),
                            more: false,
                        })
                        .map_err(|why| Fault::new(FaultKind::Forbidden, why)),
                },
                ago(2),
            );
        }
        f
    }

    fn told(f: &Fixture) -> Vec<String> {
        let view = f.world.instance(&f.id).unwrap();
        let made = consumers(&f.world, &view);
        let line = |group: &Group| {
            let context = group.whose.context().map_or("-", ContextId::as_str);
            let port = if group.admin { " admin" } else { "" };
            format!(
                "{} ({context}) at {}{port}: {} clients of {} addresses, {} blocked",
                group.whose.words(),
                group.node,
                group.clients,
                group.addresses,
                group.blocked
            )
        };
        made.groups.iter().map(line).collect()
    }

    #[test]
    fn clients_are_told_by_the_workload_whose_pods_have_their_addresses() {
        let set = Some(("ReplicaSet", "orders-api-6f7d8c9b4c"));
        let pods = vec![
            pod("shop", "orders-api-6f7d8c9b4c-x2x4z", set, at("10.1.0.1")),
            pod(
                "shop",
                "orders-api-6f7d8c9b4c-q8q8q",
                set,
                json!({"status": {"podIP": "10.1.0.2", "podIPs": [{"ip": "10.1.0.2"}, {"ip": "fd00::2"}]}}),
            ),
            pod(
                "jobs",
                "nightly-29301234-abcde",
                Some(("Job", "nightly-29301234")),
                at("10.1.0.3"),
            ),
            pod("shop", "bare", None, at("10.1.0.4")),
            // A ReplicaSet of its own, whose name ends in a word.
            pod(
                "shop",
                "own-set-1",
                Some(("ReplicaSet", "own-set")),
                at("10.1.0.5"),
            ),
            // It has ended, and its address went to another.
            pod(
                "shop",
                "done",
                None,
                json!({"status": {"podIP": "10.1.0.1", "phase": "Succeeded"}}),
            ),
            pod(
                "kube-system",
                "agent",
                None,
                json!({"status": {"podIP": "10.9.0.1"}, "spec": {"hostNetwork": true, "nodeName": "worker-1"}}),
            ),
        ];
        let groups = vec![
            clients("10.1.0.1", 4, 6379),
            clients("10.1.0.2", 2, 6379),
            clients("fd00::2", 1, 6379),
            clients("10.1.0.3", 3, 6379),
            clients("10.1.0.4", 2, 6379),
            clients("10.1.0.5", 1, 6379),
            clients("10.9.0.1", 1, 6379),
            clients("10.77.0.1", 5, 6379),
            clients("127.0.0.1", 1, 9999),
            // A node of the instance itself, which is watched anyway.
            clients(&ip(1), 1, 9999),
        ];
        assert_eq!(
            told(&world(groups, Ok(pods))),
            [
                "shop/orders-api (apps) at orders-0: 7 clients of 3 addresses, 3 blocked",
                "10.77.0.1, no pod's (-) at orders-0: 5 clients of 1 addresses, 2 blocked",
                "jobs/nightly (apps) at orders-0: 3 clients of 1 addresses, 1 blocked",
                "shop/bare (apps) at orders-0: 2 clients of 1 addresses, 1 blocked",
                "shop/own-set (apps) at orders-0: 1 clients of 1 addresses, 0 blocked",
                "the network of machine worker-1 (apps) at orders-0: 1 clients of 1 addresses, 0 blocked",
                "shop/orders-1 (infra) at orders-0 admin: 1 clients of 1 addresses, 0 blocked",
                "itself or a port-forward (-) at orders-0 admin: 1 clients of 1 addresses, 0 blocked",
            ]
        );
    }

    #[test]
    fn an_address_of_two_clusters_is_of_either() {
        let pods = vec![pod("shop", "web", None, at(&ip(1)))];
        assert_eq!(
            told(&world(vec![clients(&ip(1), 2, 6379)], Ok(pods))),
            ["shop/web or shop/orders-1 (-) at orders-0: 2 clients of 1 addresses, 1 blocked"]
        );
    }

    #[test]
    fn what_could_not_be_read_is_said() {
        let f = world(vec![clients("10.1.0.1", 2, 6379)], Err("may not list pods"));
        let view = f.world.instance(&f.id).unwrap();
        let made = consumers(&f.world, &view);
        assert_eq!(
            made.unread,
            [(apps(), Some("may not list pods".to_owned()))]
        );
        assert_eq!(made.clients(), 2);
        assert_eq!(made.workloads(), 0);
    }

    #[test]
    fn the_host_of_an_address() {
        for (addr, wanted) in [
            ("10.0.0.1:4711", "10.0.0.1"),
            ("[fd00::1]:4711", "fd00::1"),
            ("10.0.0.1", "10.0.0.1"),
            ("", ""),
        ] {
            assert_eq!(host(addr), wanted);
        }
    }
}
