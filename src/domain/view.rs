//! Joins over the world: an instance with everything that belongs to it. Borrowed, computed on demand, no opinion.

use std::collections::BTreeSet;

use crate::domain::engine::{Question, ReplicaLine, Role, Side};
use crate::domain::id::{InstanceId, Kind, NodeId};
use crate::domain::object::*;
use crate::domain::selector::Selector;
use crate::domain::world::{ContextWorld, EngineRecord, Held, Known};

/// One instance and all that belongs to it.
#[derive(Debug)]
pub struct InstanceView<'a> {
    /// Which.
    pub id: InstanceId,
    /// Its context.
    pub context: &'a ContextWorld,
    /// The Dragonfly object.
    pub dragonfly: &'a Held<Dragonfly>,
    /// Its StatefulSet.
    pub stateful_set: Option<&'a Held<StatefulSet>>,
    /// The master Service.
    pub service: Option<&'a Held<Service>>,
    /// Where the master Service sends traffic.
    pub slices: Vec<&'a Held<EndpointSlice>>,
    /// Its pods as engines, by ordinal.
    pub nodes: Vec<NodeView<'a>>,
    /// Its claims.
    pub pvcs: Vec<&'a Held<Pvc>>,
    /// PodDisruptionBudgets that select its pods.
    pub pdbs: Vec<&'a Held<Pdb>>,
    /// NetworkPolicies that select its pods.
    pub policies: Vec<&'a Held<NetworkPolicy>>,
}

/// One pod of an instance as an engine.
#[derive(Debug, Clone)]
pub struct NodeView<'a> {
    /// Which.
    pub id: NodeId,
    /// The pod.
    pub pod: &'a Held<Pod>,
    /// What the engine said; `None` while it was never asked.
    pub engine: Option<&'a EngineRecord>,
    /// The master Service's ready endpoints contain it.
    pub is_endpoint: bool,
    /// When its `role` label was seen to change, by our clock.
    pub relabelled: Option<jiff::Timestamp>,
}

impl<'a> NodeView<'a> {
    /// What the `role` label says.
    pub fn label_role(&self) -> Option<Role> {
        self.pod.value.label_role()
    }

    /// What the engine says.
    pub fn engine_role(&self) -> Option<Known<Role>> {
        self.engine.and_then(EngineRecord::engine_role)
    }

    /// It has told its role, and the question after it is not unanswered at present. (Whether an answer is too old is
    /// a matter of limits, and so for `checks`.)
    pub fn speaks(&self) -> bool {
        self.engine.is_some_and(EngineRecord::speaks)
    }

    /// Its engine, if what that answered to the question still stands.
    pub fn engine_on(&self, question: Question) -> Option<&'a EngineRecord> {
        self.engine.filter(|engine| engine.stands(question))
    }

    /// The pod's address.
    pub fn ip(&self) -> Option<&str> {
        self.pod.value.ip.as_deref()
    }
}

/// A link of a node with something that is not of its instance, or a node that is another one's double: the way to one of
/// them leads to another process than it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// The node that says so.
    pub node: std::sync::Arc<str>,
    /// What is strange about it.
    pub oddity: Oddity,
    /// When it said so.
    pub at: jiff::Timestamp,
}

/// What is strange about a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Oddity {
    /// It follows a pod of another instance: its name, and whose it is.
    Follows(String, InstanceId),
    /// It lists a pod of another instance as its replica.
    Lists(String, InstanceId),
    /// It calls itself master with the same `master_replid` as that other node which does: one id is of one process, so
    /// both ways lead to the same one, or one of them was restored from the other's memory.
    Double(std::sync::Arc<str>),
}

impl Stranger {
    /// `orders-1 follows carts-0, a pod of shop/carts`.
    pub fn words(&self) -> String {
        let node = &self.node;
        match &self.oddity {
            Oddity::Follows(pod, id) => format!("{node} follows {pod}, a pod of {id}"),
            Oddity::Lists(pod, id) => format!("{node} lists {pod}, a pod of {id}, as its replica"),
            Oddity::Double(other) => format!(
                "{node} and {other} both call themselves master with the same replid, as if they were one process"
            ),
        }
    }
}

impl<'a> InstanceView<'a> {
    /// Links of its nodes with pods of other instances, and nodes that answer as if they were one.
    pub fn strangers(&self) -> Vec<Stranger> {
        let mut found = Vec::new();
        let mut masters: Vec<(&str, &NodeView<'a>)> = Vec::new();
        for node in &self.nodes {
            let Some(known) = node.engine.and_then(|e| e.replication.as_ref()) else {
                continue;
            };
            let mut add = |oddity| {
                found.push(Stranger {
                    node: node.id.pod.clone(),
                    oddity,
                    at: known.at,
                });
            };
            match &known.value.side {
                Side::Replica(follower) => {
                    if let Some((pod, id)) = self.elsewhere(&follower.host) {
                        add(Oddity::Follows(pod, id));
                    }
                }
                Side::Master { replicas, .. } => {
                    for line in replicas {
                        if let Some((pod, id)) = self.elsewhere(&line.ip) {
                            add(Oddity::Lists(pod, id));
                        }
                    }
                    if let Some(replid) = known.value.replid.as_deref() {
                        if let Some((_, first)) = masters.iter().find(|(id, _)| *id == replid) {
                            add(Oddity::Double(first.id.pod.clone()));
                        }
                        masters.push((replid, node));
                    }
                }
            }
        }
        found
    }

    /// The pod of another instance that has that address.
    fn elsewhere(&self, ip: &str) -> Option<(String, InstanceId)> {
        if ip.is_empty() || self.nodes.iter().any(|n| n.ip() == Some(ip)) {
            return None;
        }
        let pod = self
            .context
            .pods
            .iter()
            .find(|held| held.value.ip.as_deref() == Some(ip))?;
        let meta = &pod.value.meta;
        let app = meta.labels.get("app")?;
        let id = InstanceId {
            context: self.id.context.clone(),
            namespace: meta.namespace.clone(),
            name: std::sync::Arc::from(app.as_str()),
        };
        (id != self.id).then(|| (meta.name.to_string(), id))
    }

    /// Gathers an instance; `None` when there is no such Dragonfly object.
    pub fn of(context: &'a ContextWorld, id: &InstanceId) -> Option<Self> {
        let (ns, name) = (&*id.namespace, &*id.name);
        let dragonfly = context.dragonflies.get(ns, name)?;
        let service_name = dragonfly.value.service.as_str();
        let slices: Vec<_> = context.slices.group(ns, service_name).collect();
        let mut nodes: Vec<_> = context
            .pods
            .group(ns, name)
            .map(|pod| {
                let meta = &pod.value.meta;
                NodeView {
                    id: NodeId {
                        context: id.context.clone(),
                        namespace: meta.namespace.clone(),
                        pod: meta.name.clone(),
                    },
                    pod,
                    engine: context.engine(ns, &meta.name),
                    is_endpoint: sends_to(&slices, &pod.value),
                    relabelled: context.relabelled(ns, &meta.name),
                }
            })
            .collect();
        nodes.sort_by_key(|node| (ordinal(&node.id.pod), node.id.pod.clone()));
        let selects = |selector: &Selector| {
            nodes
                .iter()
                .any(|n| selector.selects(&n.pod.value.meta.labels))
        };
        // A claim that carries the operator's labels as well is among its own.
        let existing = dragonfly
            .value
            .snapshot
            .as_ref()
            .and_then(|snapshot| snapshot.existing_claim.as_deref())
            .and_then(|claim| context.existing_pvcs.get(ns, claim))
            .filter(|held| held.value.meta.labels.get("app").map(String::as_str) != Some(name));
        Some(Self {
            id: id.clone(),
            context,
            dragonfly,
            stateful_set: context.stateful_sets.get(ns, name),
            service: context.services.get(ns, service_name),
            pvcs: context.pvcs.group(ns, name).chain(existing).collect(),
            pdbs: context
                .pdbs
                .in_namespace(ns)
                .filter(|held| held.value.selector.as_ref().is_some_and(selects))
                .collect(),
            policies: context
                .policies
                .in_namespace(ns)
                .filter(|held| selects(&held.value.selector))
                .collect(),
            slices,
            nodes,
        })
    }

    /// When what is shown of that kind was last followed, if it is not followed now (see
    /// [`ContextWorld::stale_since`]): whatever rests on it is as of then.
    pub fn stale_since(&self, kind: Kind) -> Option<jiff::Timestamp> {
        self.context.stale_since(kind, &self.id.namespace)
    }

    /// When a node was last known, if it is not known now: its engine was last heard then, or its pod last followed,
    /// whichever is the longer ago. An engine that merely does not answer is not stale by this, but silent.
    pub fn node_stale_since(&self, node: &NodeView<'_>) -> Option<jiff::Timestamp> {
        let pods = self.stale_since(Kind::Pod)?;
        let heard = node.engine.and_then(|engine| engine.heard);
        Some(heard.map_or(pods, |heard| heard.min(pods)))
    }

    /// Pods wanted, master included.
    pub fn wanted(&self) -> Option<i64> {
        self.dragonfly
            .value
            .replicas
            .or_else(|| self.stateful_set.map(|s| s.value.replicas))
    }

    /// Nodes that the label calls master.
    pub fn labelled_masters(&self) -> impl Iterator<Item = &NodeView<'a>> {
        self.nodes
            .iter()
            .filter(|node| node.label_role() == Some(Role::Master))
    }

    /// Nodes that call themselves master.
    pub fn engine_masters(&self) -> impl Iterator<Item = &NodeView<'a>> + Clone {
        self.nodes
            .iter()
            .filter(|node| node.engine_role().is_some_and(|k| k.value == Role::Master))
    }

    /// Ready endpoints of the master Service, by pod name where known, else by address; sorted, each once: a dual-stack
    /// Service has a slice for each family, and a pod is in both.
    pub fn endpoints(&self) -> Vec<String> {
        let names: BTreeSet<String> = self
            .slices
            .iter()
            .flat_map(|slice| &slice.value.endpoints)
            .filter(|endpoint| endpoint.ready)
            .filter_map(|endpoint| {
                endpoint
                    .pod
                    .clone()
                    .or_else(|| endpoint.addresses.first().cloned())
            })
            .collect();
        names.into_iter().collect()
    }

    /// What a node that calls itself master lists about another node: its line, matched by address. Over a mesh or a
    /// proxy a line's address can be nobody's; such lines stand for the nodes that are left, in order.
    pub fn line_for(
        &self,
        master: &NodeView<'a>,
        replica: &NodeView<'a>,
    ) -> Option<&'a ReplicaLine> {
        let Side::Master { replicas, .. } = &master.engine?.replication.as_ref()?.value.side else {
            return None;
        };
        if replica.id == master.id {
            return None;
        }
        let has = |node: &NodeView<'_>, line: &ReplicaLine| node.ip() == Some(line.ip.as_str());
        if let Some(own) = replicas.iter().find(|line| has(replica, line)) {
            return Some(own);
        }
        let place = self
            .nodes
            .iter()
            .filter(|node| node.id != master.id && !replicas.iter().any(|line| has(node, line)))
            .position(|node| node.id == replica.id)?;
        replicas
            .iter()
            .filter(|line| !self.nodes.iter().any(|node| has(node, line)))
            .nth(place)
    }

    /// Whether the EndpointSlices of its namespace were ever listed: before, that none names a pod says nothing.
    pub fn endpoints_known(&self) -> bool {
        self.context
            .source(Kind::EndpointSlice, &self.id.namespace)
            .is_some_and(|source| source.listed.is_some())
    }

    /// Events about the instance and what belongs to it, newest first.
    pub fn events(&self) -> Vec<&'a Held<Event>> {
        let name = &*self.id.name;
        let mut events: Vec<_> = self
            .context
            .events
            .in_namespace(&self.dragonfly.value.meta.namespace)
            .filter(|held| {
                let about = held.value.about_name.as_str();
                about == name
                    || self.nodes.iter().any(|node| &*node.id.pod == about)
                    || self.pvcs.iter().any(|pvc| &*pvc.value.meta.name == about)
                    || about.rsplit_once('-').is_some_and(|(stem, tail)| {
                        (stem == name || stem.strip_prefix("df-") == Some(name))
                            && tail.parse::<u32>().is_ok()
                    })
            })
            .collect();
        events.sort_by_key(|held| {
            std::cmp::Reverse((
                held.value.at.or(held.value.meta.created),
                held.value.meta.name.clone(),
            ))
        });
        events
    }
}

/// The ordinal at the end of a StatefulSet pod's name; last when there is none.
fn ordinal(pod: &str) -> u32 {
    pod.rsplit_once('-')
        .and_then(|(_, tail)| tail.parse().ok())
        .unwrap_or(u32::MAX)
}

fn sends_to(slices: &[&Held<EndpointSlice>], pod: &Pod) -> bool {
    slices
        .iter()
        .flat_map(|slice| &slice.value.endpoints)
        .filter(|endpoint| endpoint.ready)
        .any(|endpoint| match &endpoint.pod {
            Some(name) => **name == *pod.meta.name,
            None => pod
                .ip
                .as_ref()
                .is_some_and(|ip| endpoint.addresses.contains(ip)),
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::domain::fixture::*;

    #[test]
    fn a_pod_in_the_slices_of_both_families_is_one_endpoint() {
        let mut f = healthy().build();
        for (pods, wanted) in [
            (vec!["orders-0", "orders-0"], vec!["orders-0"]),
            (
                vec!["orders-1", "orders-0", "orders-1"],
                vec!["orders-0", "orders-1"],
            ),
            (vec![], vec![]),
        ] {
            f.send_to(&pods, now());
            assert_eq!(f.world.instance(&f.id).unwrap().endpoints(), wanted);
        }
    }
}
