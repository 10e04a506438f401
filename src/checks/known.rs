//! What is known of an instance, node by node, in plain sentences: the facts that every state rests on, the healthy one
//! too. What is not known is said to be so, with the reason; nothing is left out because it is well.

use jiff::Timestamp;

use super::words::list;
use super::{Evidence, changes};
use crate::domain::comparison::Changed;
use crate::domain::engine::{Question, Role, RoleReply, Side, Way};
use crate::domain::world::EngineRecord;
use crate::domain::{Compared, InstanceId, InstanceView, NodeId, NodeView, World, text};

/// What is known of one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Of what: a pod's name, or the instance's.
    pub of: String,
    /// The facts, each with its source and when it was learned.
    pub facts: Vec<Evidence>,
}

/// Of an instance as a whole, and of each of its nodes.
pub(super) fn of_instance(world: &World, id: &InstanceId) -> Vec<Known> {
    let Some(view) = world.instance(id) else {
        return Vec::new();
    };
    let mut known = vec![whole(&view)];
    known.extend(view.nodes.iter().map(|node| one(&view, node)));
    known.extend(changes::of(&view, None));
    known
}

/// Of one node of an instance.
pub(super) fn of_node(world: &World, id: &InstanceId, node: &NodeId) -> Vec<Known> {
    let Some(view) = world.instance(id) else {
        return Vec::new();
    };
    view.nodes
        .iter()
        .filter(|n| n.id == *node)
        .flat_map(|n| {
            let changed = changes::of(&view, Some(&n.id.pod));
            std::iter::once(one(&view, n)).chain(changed)
        })
        .collect()
}

fn whole(view: &InstanceView<'_>) -> Known {
    let object = &view.dragonfly;
    let mut facts = Facts::default();
    let wanted = view
        .wanted()
        .map_or_else(|| "an unknown number of".to_owned(), |n| n.to_string());
    facts.add(
        format!(
            "{wanted} {} wanted",
            if wanted == "1" {
                "node is"
            } else {
                "nodes are"
            }
        ),
        "the Dragonfly object",
        object.changed,
    );
    if let Some(phase) = &object.value.phase {
        facts.add(
            format!("its phase is {phase}, which is no statement about health"),
            "status of the Dragonfly object",
            object.changed,
        );
    }
    let endpoints = view.endpoints();
    let seen = view.slices.iter().map(|slice| slice.changed).max();
    match (endpoints.as_slice(), seen) {
        ([], None) => {}
        ([], Some(at)) => facts.add("the Service sends nowhere", "EndpointSlices", at),
        (some, Some(at)) => facts.add(
            format!("the Service sends to {}", list(some)),
            "EndpointSlices",
            at,
        ),
        (_, None) => {}
    }
    if let Some(service) = view.service.filter(|held| held.value.is_global()) {
        facts.add(
            "it is a global one of a Cilium ClusterMesh: clients of the other clusters that have one of its name are sent here \
             too",
            format!("Service {}", view.dragonfly.value.service),
            service.changed,
        );
    }
    let id = &view.id;
    if let Some(known) = view.context.comparison(&id.namespace, &id.name) {
        let said = match &known.value {
            Ok(made) => {
                let nodes: Vec<String> = made.nodes.iter().map(Compared::words).collect();
                let mut said = format!("{}: {}", made.sample_words(), nodes.join("; "));
                let changed = view.changed_since(made, known.at);
                if !changed.is_empty() {
                    let changed = Changed::words(&changed);
                    said.push_str(&format!("; since then {changed}"));
                }
                said
            }
            Err(fault) => format!("its nodes could not be compared: {}", fault.message),
        };
        facts.add(said, "a comparison that was asked for", known.at);
    }
    for stranger in view.strangers() {
        facts.add(stranger.words(), "INFO REPLICATION", stranger.at);
    }
    Known {
        of: view.id.to_string(),
        facts: facts.0,
    }
}

fn one(view: &InstanceView<'_>, node: &NodeView<'_>) -> Known {
    let pod = &node.pod.value;
    let mut facts = Facts::default();
    facts.add(
        match node.label_role() {
            Some(role) => format!("its label says {}", role.word()),
            None => "it has no role label".to_owned(),
        },
        "label role of the pod",
        pod.role_since
            .map_or(node.pod.changed, |at| view.context.by_our_clock(at)),
    );
    facts.add(
        match (pod.meta.deleting.is_some(), pod.is_ready()) {
            (true, _) => "its pod is being deleted",
            (false, true) => "Kubernetes calls it ready, which says nothing of its data",
            (false, false) => "Kubernetes calls it not ready",
        },
        "conditions of the pod",
        node.pod.changed,
    );
    match node.engine {
        Some(engine) => engine_facts(view, node, engine, &mut facts),
        None => facts.add(
            "its engine was never asked",
            "no question so far",
            node.pod.first_seen,
        ),
    }
    lines_of_masters(view, node, &mut facts);
    Known {
        of: node.id.pod.to_string(),
        facts: facts.0,
    }
}

fn engine_facts(
    view: &InstanceView<'_>,
    node: &NodeView<'_>,
    engine: &EngineRecord,
    facts: &mut Facts,
) {
    if let Some(known) = &engine.ping {
        let (took, loading) = known.value;
        let took = milliseconds(took);
        facts.add(
            if loading {
                format!("it answers PING with -LOADING in {took}")
            } else {
                format!("it answers PING in {took}")
            },
            "PING",
            known.at,
        );
    }
    if let Some(known) = &engine.replication {
        let said = match &known.value.side {
            Side::Master { connected, .. } => {
                format!("it calls itself master and counts {connected} connected")
            }
            Side::Replica(follower) => {
                let whom = view
                    .nodes
                    .iter()
                    .find(|n| n.ip() == Some(follower.host.as_str()))
                    .map_or(follower.host.clone(), |n| n.id.pod.to_string());
                let link = match (follower.link_up, follower.syncing) {
                    (_, true) => "a full sync in progress",
                    (true, false) => "link up",
                    (false, false) => "link down",
                };
                let io = follower.last_io.map_or(String::new(), |s| {
                    format!(", last heard from it {s} s before")
                });
                let offset = follower
                    .offset
                    .map_or(", no offset".to_owned(), |n| format!(", offset {n}"));
                format!("it calls itself replica of {whom}: {link}{io}{offset}")
            }
        };
        facts.add(said, Question::Replication.command(), known.at);
    } else if let Some(known) = &engine.role {
        let said = match &known.value {
            RoleReply::Master { .. } => "it calls itself master".to_owned(),
            RoleReply::Replica { host, state, .. } => {
                format!("it calls itself replica of {host}, link {}", state.word())
            }
        };
        facts.add(said, Question::Role.command(), known.at);
    }
    if let Some(known) = &engine.persistence
        && known.value.loading
    {
        facts.add("it is loading", Question::Persistence.command(), known.at);
    }
    if let Some(known) = &engine.keyspace {
        facts.add(
            format!(
                "it holds {}",
                text::counted(known.value.keys, "key", "keys")
            ),
            Question::Keyspace.command(),
            known.at,
        );
    }
    if let Some(known) = &engine.data_port {
        let took = milliseconds(known.value.took);
        facts.add(
            format!("{}, after {took}", known.value.words()),
            "a try at port 6379",
            known.at,
        );
    }
    if let (Some(way), Some(fault)) = (engine.way(), engine.no_port_forward()) {
        let left_out = match way {
            Way::PortForward => "",
            Way::PodProxy => ", which tells neither whom a replica follows nor its offset",
            Way::Exec => ", asked more seldom",
        };
        facts.add(
            format!(
                "it is known through {}{left_out}, for we {}",
                way.word(),
                fault.message
            ),
            "our own asking",
            engine.heard.unwrap_or(node.pod.first_seen),
        );
    }
    for (question, (fault, since)) in &engine.silent {
        let what = question.map_or("any question", Question::command);
        facts.add(
            format!("it does not answer {what}: {}", fault.message),
            "our own asking",
            *since,
        );
    }
    if engine.heard.is_none() && engine.silent.is_empty() {
        facts.add(
            "its engine has said nothing yet",
            "our own asking",
            node.pod.first_seen,
        );
    }
}

/// What the nodes that call themselves master say of this one.
fn lines_of_masters(view: &InstanceView<'_>, node: &NodeView<'_>, facts: &mut Facts) {
    for master in view.engine_masters() {
        let Some(known) = master.engine.and_then(|e| e.replication.as_ref()) else {
            continue;
        };
        if master.id == node.id || node.engine_role().map(|k| k.value) == Some(Role::Master) {
            continue;
        }
        let name = &master.id.pod;
        let said = match view.line_for(master, node) {
            Some(line) => format!("{name} lists it as {}", line_words(line)),
            None => format!("{name} does not list it"),
        };
        facts.add(said, format!("INFO REPLICATION of {name}"), known.at);
    }
}

/// `0.4 ms`, `12 ms`.
fn milliseconds(took: std::time::Duration) -> String {
    let micros = took.as_micros();
    if micros < 10_000 {
        format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100)
    } else {
        format!("{} ms", micros / 1_000)
    }
}

fn line_words(line: &crate::domain::engine::ReplicaLine) -> String {
    let lag = line.lag.map_or("of unknown lag".to_owned(), |n| {
        format!("lag {}", text::counted(n, "record", "records"))
    });
    format!("{}, {lag}", line.state.word())
}

#[derive(Default)]
struct Facts(Vec<Evidence>);

impl Facts {
    fn add(&mut self, text: impl Into<String>, source: impl Into<String>, at: Timestamp) {
        self.0.push(Evidence::new(text, source, at));
    }
}
