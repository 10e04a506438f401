//! What is waited for, and what proves that a run came to what was wanted. A goal is judged from what was read, never from
//! an "OK".

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::Value;

use super::object::ObjectId;
use super::plan::Look;
use super::proof::{Shows, Tells};
use super::rolling;
use super::scene::Reading;
use crate::domain::engine::{LinkState, Role, Side};
use crate::domain::{InstanceId, InstanceView, NodeId, NodeView, Version, text};

/// One thing that can be seen to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Goal {
    /// The engine of that pod says that it has that role.
    EngineIs(NodeId, Arc<str>, Role),
    /// The engine of that pod says that it is not a master any more, or the pod is gone or runs another process than it did.
    StandsDown(NodeId, Arc<str>, InstanceId),
    /// The engine of that pod says that it replicates from that address, whatever its link does.
    PointsTo(NodeId, Arc<str>, String),
    /// The pod carries that `role` label; `None`: it carries none, or is gone.
    LabelIs(NodeId, Arc<str>, Option<Role>),
    /// The master Service sends to that pod, and to no other.
    EndpointIs(InstanceId, Arc<str>),
    /// The master Service does not send to that pod.
    NotEndpoint(InstanceId, Arc<str>),
    /// One node alone is master, by its label, by its engine and by where the Service sends; and it is not that pod.
    MasterIsNot(InstanceId, Option<Arc<str>>),
    /// Every node but that one replicates from it in stable sync, by the word of both ends. As many as are wanted.
    AllFollow(InstanceId, Arc<str>),
    /// That pod replicates from that other in stable sync, by the word of both ends.
    Follows(InstanceId, Arc<str>, Arc<str>),
    /// There is a pod of that name, not the one of that uid, and it is ready.
    Remade(NodeId, Arc<str>, InstanceId),
    /// The object is gone, or is another one than that.
    Gone(ObjectId, Arc<str>),
    /// What stands at that path of an object, as read from its API server.
    Field(ObjectId, Vec<String>, Test),
    /// No pod of the operator's Deployment is left, or as many are ready as its `spec.replicas` says.
    Scaled(ObjectId, i64),
    /// Its last change is rolled out: every pod is of it, and ready.
    RolledOut(ObjectId),
    /// That pod could take over at this moment: in stable sync by both ends, within so many records, and nothing in the instance
    /// that would hold a takeover up.
    FitToLead(InstanceId, Arc<str>, u64),
    /// Exactly one node acts as master, by label, engine and endpoint.
    OneMaster(InstanceId),
    /// Every pod runs that image, by the newest revision, and is ready; the operator has written that it is done.
    RunsImage(InstanceId, String),
    /// Every engine of it says that it is of that version.
    EnginesAre(InstanceId, Version),
    /// The Lease is held by another process than that one.
    Leads(ObjectId, String),
    /// What the engine of that pod tells of itself.
    Tells(NodeId, Arc<str>, Tells),
    /// What an object shows.
    Shows(ObjectId, Shows),
    /// What lies in that folder of a pod's container.
    Lies(NodeId, Arc<str>, super::proof::Lies),
    /// Exactly one node acts as master by its label and by its engine, the Service sends to it, and it is not that pod of before.
    HasMaster(InstanceId, Arc<str>),
}

/// What is asked of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// It is this.
    Is(Value),
    /// It is anything but this.
    IsNot(Value),
    /// It is not there, null, or `false`.
    Unset,
    /// It is a quantity of at least so many bytes.
    AtLeast(u64),
}

/// How a goal stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// It holds, and by whose word.
    Holds(String),
    /// Not yet, and why not.
    NotYet(String),
    /// It cannot be told, and why not.
    Untold(String),
}

impl Progress {
    /// It holds.
    pub fn holds(&self) -> bool {
        matches!(self, Progress::Holds(_))
    }

    /// The words, whichever.
    pub fn words(&self) -> &str {
        match self {
            Progress::Holds(words) | Progress::NotYet(words) | Progress::Untold(words) => words,
        }
    }
}

impl Goal {
    /// What it is, as a clause: `orders-1's engine is master`.
    pub fn words(&self) -> String {
        match self {
            Goal::EngineIs(node, _, role) => format!("{}'s engine is {}", node.pod, role.word()),
            Goal::StandsDown(node, ..) => format!("{} is no master any more", node.pod),
            Goal::PointsTo(node, _, ip) => format!("{} replicates from {ip}", node.pod),
            Goal::LabelIs(node, _, Some(role)) => {
                format!("{} is labelled {}", node.pod, role.word())
            }
            Goal::LabelIs(node, _, None) => format!("{} has no role label", node.pod),
            Goal::EndpointIs(_, pod) => format!("the Service sends to {pod} alone"),
            Goal::NotEndpoint(_, pod) => format!("the Service does not send to {pod}"),
            Goal::MasterIsNot(_, Some(pod)) => format!("another node than {pod} is master"),
            Goal::MasterIsNot(id, None) => format!("{id} has one master"),
            Goal::AllFollow(_, pod) => format!("every other node is in stable sync with {pod}"),
            Goal::Follows(_, pod, master) => format!("{pod} is in stable sync with {master}"),
            Goal::Remade(node, ..) => format!("{} was made anew and is ready", node.pod),
            Goal::Gone(object, _) => format!("{object} is gone"),
            Goal::Field(object, path, test) => {
                let path = path.join(".");
                match test {
                    Test::Is(value) => format!("{path} of {object} is {}", shown(value)),
                    Test::IsNot(value) => format!("{path} of {object} is not {}", shown(value)),
                    Test::Unset => format!("{path} of {object} is not set"),
                    Test::AtLeast(bytes) => {
                        format!("{path} of {object} is at least {}", text::bytes(*bytes))
                    }
                }
            }
            Goal::Scaled(object, 0) => format!("no pod of {object} runs"),
            Goal::Scaled(object, pods) => format!("{object} has {pods} ready"),
            Goal::RolledOut(object) => format!("{object} is rolled out"),
            Goal::FitToLead(_, pod, _) => format!("{pod} can take over, and nothing holds it up"),
            Goal::OneMaster(id) => {
                format!("{} has one master, by label, engine and endpoint", id.name)
            }
            Goal::RunsImage(id, image) => format!("every pod of {} runs {image}", id.name),
            Goal::EnginesAre(id, version) => {
                format!("every engine of {} is of {version}", id.name)
            }
            Goal::Leads(lease, _) => format!("a new process holds {lease}"),
            Goal::Tells(node, _, tells) => tells.words(&node.pod),
            Goal::Shows(object, shows) => shows.words(object),
            Goal::Lies(node, folder, lies) => lies.words(&node.pod, folder),
            Goal::HasMaster(id, _) => format!("{id} has one master, and the Service sends to it"),
        }
    }

    /// Whether the instance has no replica in sync at this moment, where the goal is about a rollout.
    pub fn leaves_alone(&self, reading: &Reading<'_>) -> Option<bool> {
        match self {
            Goal::RunsImage(id, _) => rolling::is_alone(reading, id),
            _ => None,
        }
    }

    /// Why it will never hold, once that is seen: what it waits for has failed.
    pub fn lost(&self, reading: &Reading<'_>) -> Option<String> {
        match self {
            Goal::Tells(node, uid, tells) => tells.lost(&node_of(reading, node, uid).ok()?),
            _ => None,
        }
    }

    /// Whether an engine's role and replication are all that is needed of it.
    pub fn is_of_role(&self) -> bool {
        !matches!(self, Goal::Tells(..))
    }

    /// What must be read to judge it.
    pub fn looks(&self) -> Vec<Look> {
        match self {
            Goal::EngineIs(node, ..)
            | Goal::LabelIs(node, ..)
            | Goal::PointsTo(node, ..)
            | Goal::Tells(node, ..) => {
                vec![Look::Node(node.clone())]
            }
            Goal::Lies(node, folder, lies) => {
                let mut looks = vec![Look::Files(node.clone(), folder.clone())];
                looks.extend(lies.wants_engine().then(|| Look::Node(node.clone())));
                looks
            }
            Goal::StandsDown(_, _, id)
            | Goal::EndpointIs(id, _)
            | Goal::NotEndpoint(id, _)
            | Goal::MasterIsNot(id, _)
            | Goal::AllFollow(id, _)
            | Goal::Follows(id, ..)
            | Goal::FitToLead(id, ..)
            | Goal::OneMaster(id)
            | Goal::RunsImage(id, _)
            | Goal::EnginesAre(id, _)
            | Goal::HasMaster(id, _)
            | Goal::Remade(_, _, id) => vec![Look::Instance(id.clone())],
            Goal::Gone(object, _)
            | Goal::Field(object, ..)
            | Goal::Shows(object, _)
            | Goal::Scaled(object, _)
            | Goal::Leads(object, _)
            | Goal::RolledOut(object) => vec![Look::Object(object.clone())],
        }
    }

    /// How it stands, by what was read.
    pub fn judge(&self, reading: &Reading<'_>) -> Progress {
        match self {
            Goal::EngineIs(node, uid, role) => engine_is(reading, node, uid, *role),
            Goal::StandsDown(node, uid, id) => stands_down(reading, node, uid, id),
            Goal::PointsTo(node, uid, ip) => points_to(reading, node, uid, ip),
            Goal::LabelIs(node, uid, role) => label_is(reading, node, uid, *role),
            Goal::EndpointIs(id, pod) => with_instance(reading, id, |view| endpoint_is(view, pod)),
            Goal::NotEndpoint(id, pod) => {
                with_instance(reading, id, |view| not_endpoint(view, pod))
            }
            Goal::MasterIsNot(id, pod) => {
                with_instance(reading, id, |view| master_is_not(view, pod.as_deref()))
            }
            Goal::AllFollow(id, master) => {
                with_instance(reading, id, |view| all_follow(view, master))
            }
            Goal::Follows(id, pod, master) => {
                with_instance(reading, id, |view| follows(view, pod, master))
            }
            Goal::Remade(node, uid, _) => remade(reading, node, uid),
            Goal::Gone(object, uid) => gone(reading, object, uid),
            Goal::Field(object, path, test) => field(reading, object, path, test),
            Goal::Scaled(object, pods) => scaled(reading, object, *pods),
            Goal::RolledOut(object) => rolled_out(reading, object),
            Goal::FitToLead(id, pod, lag) => rolling::fit_to_lead(reading, id, pod, *lag),
            Goal::OneMaster(id) => with_instance(reading, id, rolling::one_master),
            Goal::RunsImage(id, image) => rolling::runs_image(reading, id, image),
            Goal::EnginesAre(id, version) => {
                with_instance(reading, id, |view| rolling::engines_are(view, *version))
            }
            Goal::Leads(lease, before) => rolling::leads(reading, lease, before),
            Goal::Tells(node, uid, tells) => match node_of(reading, node, uid) {
                Ok(view) => tells.judge(&view),
                Err(progress) => progress,
            },
            Goal::Shows(object, shows) => match reading.object(object) {
                None => Progress::Untold(format!("{object} was not read")),
                Some(None) => Progress::NotYet(format!("there is no {object}")),
                Some(Some(value)) => shows.judge(object, value),
            },
            Goal::Lies(node, folder, lies) => lies.judge(reading, node, folder),
            Goal::HasMaster(id, old) => {
                with_instance(reading, id, |view| super::proof::has_master(view, old))
            }
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text::one_line(text),
        other => other.to_string(),
    }
}

fn with_instance(
    reading: &Reading<'_>,
    id: &InstanceId,
    judge: impl FnOnce(&InstanceView<'_>) -> Progress,
) -> Progress {
    match reading.world.instance(id) {
        Some(view) => judge(&view),
        None => Progress::Untold(format!("{id} is not there")),
    }
}

/// The node of that pod, if it is still that pod.
fn node_of<'a>(reading: &Reading<'a>, node: &NodeId, uid: &str) -> Result<NodeView<'a>, Progress> {
    let found = reading
        .world
        .instance_of_node(node)
        .and_then(|id| reading.world.instance(&id))
        .and_then(|view| view.nodes.into_iter().find(|n| n.id == *node));
    match found {
        None => Err(Progress::NotYet(format!("there is no pod {}", node.pod))),
        Some(found) if *found.pod.value.meta.uid != *uid => Err(Progress::NotYet(format!(
            "{} is another pod than before",
            node.pod
        ))),
        Some(found) => Ok(found),
    }
}

fn engine_is(reading: &Reading<'_>, node: &NodeId, uid: &str, role: Role) -> Progress {
    let view = match node_of(reading, node, uid) {
        Ok(view) => view,
        Err(progress) => return progress,
    };
    let pod = &node.pod;
    match view
        .engine
        .and_then(|e| e.engine_role())
        .filter(|_| view.speaks())
    {
        Some(known) if known.value == role => {
            Progress::Holds(format!("{pod}'s engine says role:{}", role.word()))
        }
        Some(known) => Progress::NotYet(format!("{pod}'s engine says role:{}", known.value.word())),
        None => Progress::Untold(format!("{pod}'s engine does not answer")),
    }
}

fn points_to(reading: &Reading<'_>, node: &NodeId, uid: &str, ip: &str) -> Progress {
    let view = match node_of(reading, node, uid) {
        Ok(view) => view,
        Err(progress) => return progress,
    };
    let pod = &node.pod;
    let Some(engine) = view.engine.filter(|_| view.speaks()) else {
        return Progress::Untold(format!("{pod} does not answer"));
    };
    match engine.follower() {
        Some(follower) if follower.host == ip => {
            Progress::Holds(format!("{pod} replicates from {ip}"))
        }
        Some(follower) => Progress::NotYet(format!("{pod} replicates from {}", follower.host)),
        None => Progress::NotYet(format!("{pod} says role:master")),
    }
}

fn stands_down(reading: &Reading<'_>, node: &NodeId, uid: &str, id: &InstanceId) -> Progress {
    let pod = &node.pod;
    let Some(view) = reading.world.instance(id) else {
        return Progress::Untold(format!("{id} is not there"));
    };
    let Some(found) = view.nodes.iter().find(|n| n.id == *node) else {
        return Progress::Holds(format!("pod {pod} is gone"));
    };
    if *found.pod.value.meta.uid != *uid {
        return Progress::Holds(format!("pod {pod} was made anew"));
    }
    if found.pod.value.meta.deleting.is_some() && found.label_role().is_none() {
        return Progress::Holds(format!("pod {pod} is being deleted, and has no role label"));
    }
    match found.engine_role().filter(|_| found.speaks()) {
        Some(known) if known.value == Role::Replica => {
            Progress::Holds(format!("{pod}'s engine says role:replica"))
        }
        Some(_) => Progress::NotYet(format!("{pod}'s engine still says role:master")),
        None => Progress::Untold(format!("{pod}'s engine does not answer")),
    }
}

fn label_is(reading: &Reading<'_>, node: &NodeId, uid: &str, role: Option<Role>) -> Progress {
    let pod = &node.pod;
    let view = match node_of(reading, node, uid) {
        Ok(view) => view,
        Err(progress) if role.is_none() => return Progress::Holds(progress.words().to_owned()),
        Err(progress) => return progress,
    };
    let word = |role: Option<Role>| {
        role.map_or("no role label".to_owned(), |r| format!("role={}", r.word()))
    };
    let told = format!("{pod} carries {}", word(view.label_role()));
    match view.label_role() == role {
        true => Progress::Holds(told),
        false => Progress::NotYet(told),
    }
}

pub(super) fn endpoint_is(view: &InstanceView<'_>, pod: &str) -> Progress {
    let endpoints = view.endpoints();
    match endpoints.as_slice() {
        [one] if one == pod => Progress::Holds(format!("the Service sends to {pod} alone")),
        [] => Progress::NotYet("the Service sends nowhere".to_owned()),
        some => Progress::NotYet(format!("the Service sends to {}", some.join(", "))),
    }
}

fn not_endpoint(view: &InstanceView<'_>, pod: &str) -> Progress {
    let endpoints = view.endpoints();
    match endpoints.iter().any(|one| one == pod) {
        false => Progress::Holds(format!("the Service does not send to {pod}")),
        true => Progress::NotYet(format!("the Service sends to {pod}")),
    }
}

fn master_is_not(view: &InstanceView<'_>, not: Option<&str>) -> Progress {
    let labelled: Vec<_> = view
        .labelled_masters()
        .filter(|node| node.pod.value.meta.deleting.is_none())
        .collect();
    let node = match labelled.as_slice() {
        [one] => *one,
        [] => return Progress::NotYet("no pod is labelled master".to_owned()),
        some => {
            let names: Vec<&str> = some.iter().map(|node| &*node.id.pod).collect();
            return Progress::NotYet(format!("{} are labelled master", names.join(" and ")));
        }
    };
    let pod = &*node.id.pod;
    if not == Some(pod) {
        return Progress::NotYet(format!("{pod} is labelled master"));
    }
    match node.engine_role().filter(|_| node.speaks()) {
        None => return Progress::Untold(format!("{pod}'s engine does not answer")),
        Some(known) if known.value == Role::Replica => {
            return Progress::NotYet(format!("{pod}'s engine says role:replica"));
        }
        Some(_) => {}
    }
    match endpoint_is(view, pod) {
        Progress::Holds(_) => Progress::Holds(format!(
            "{pod} is master, by its label, its engine and the Service"
        )),
        progress => progress,
    }
}

fn all_follow(view: &InstanceView<'_>, master: &str) -> Progress {
    let wanted = view
        .wanted()
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(view.nodes.len());
    let mut words = String::new();
    let mut untold = false;
    let others = view.nodes.iter().filter(|n| &*n.id.pod != master);
    let mut good = 0;
    for other in others {
        match follows(view, &other.id.pod, master) {
            Progress::Holds(_) => good += 1,
            progress => {
                untold |= matches!(progress, Progress::Untold(_));
                let _ = write!(
                    words,
                    "{}{}",
                    if words.is_empty() { "" } else { "; " },
                    progress.words()
                );
            }
        }
    }
    let missing = wanted.saturating_sub(1).saturating_sub(good);
    match (words.is_empty(), missing) {
        (true, 0) => Progress::Holds(format!("{good} in stable sync with {master}, by both ends")),
        (true, missing) => Progress::NotYet(format!("{missing} of {wanted} pods missing")),
        (false, _) if untold => Progress::Untold(words),
        (false, _) => Progress::NotYet(words),
    }
}

pub(super) fn follows(view: &InstanceView<'_>, pod: &str, master: &str) -> Progress {
    let find = |name: &str| view.nodes.iter().find(|n| &*n.id.pod == name);
    let (Some(node), Some(head)) = (find(pod), find(master)) else {
        return Progress::NotYet(format!("there is no pod {pod}, or no pod {master}"));
    };
    let Some(engine) = node.engine.filter(|_| node.speaks()) else {
        return Progress::Untold(format!("{pod} does not answer"));
    };
    let Some(known) = engine.replication.as_ref() else {
        return Progress::Untold(format!("{pod} has not told its replication"));
    };
    let follower = match &known.value.side {
        Side::Replica(follower) => follower,
        Side::Master { .. } => return Progress::NotYet(format!("{pod} says role:master")),
    };
    if head.ip() != Some(follower.host.as_str()) {
        return Progress::NotYet(format!("{pod} replicates from {}", follower.host));
    }
    if !follower.claims_sync() {
        let why = match (follower.link_up, follower.syncing) {
            (_, true) => "is in a full sync",
            (false, _) => "has no link",
            _ => "has no offset yet",
        };
        return Progress::NotYet(format!("{pod} {why}"));
    }
    match view.line_for(head, node).map(|line| &line.state) {
        Some(LinkState::Online) => Progress::Holds(format!("{pod} in stable sync, by both ends")),
        Some(state) => Progress::NotYet(format!("{master} lists {pod} as {}", state.word())),
        None => Progress::NotYet(format!("{master} does not list {pod}")),
    }
}

fn remade(reading: &Reading<'_>, node: &NodeId, uid: &str) -> Progress {
    let pod = &node.pod;
    let found = reading
        .world
        .instance_of_node(node)
        .and_then(|id| reading.world.instance(&id))
        .and_then(|view| view.nodes.into_iter().find(|n| n.id == *node));
    match found {
        None => Progress::NotYet(format!("there is no pod {pod} yet")),
        Some(found) if *found.pod.value.meta.uid == *uid => {
            Progress::NotYet(format!("pod {pod} is still the one before"))
        }
        Some(found) if !found.pod.value.is_ready() => {
            Progress::NotYet(format!("the new pod {pod} is not ready"))
        }
        Some(_) => Progress::Holds(format!("the new pod {pod} is ready")),
    }
}

fn gone(reading: &Reading<'_>, object: &ObjectId, uid: &str) -> Progress {
    match reading.object(object) {
        None => Progress::Untold(format!("{object} was not read")),
        Some(None) => Progress::Holds(format!("{object} is gone")),
        Some(Some(value)) => match value.pointer("/metadata/uid").and_then(Value::as_str) {
            Some(now) if now != uid => Progress::Holds(format!("{object} is another one")),
            _ => Progress::NotYet(format!("{object} is still there")),
        },
    }
}

fn field(reading: &Reading<'_>, object: &ObjectId, path: &[String], test: &Test) -> Progress {
    let value = match reading.object(object) {
        None => return Progress::Untold(format!("{object} was not read")),
        Some(None) => return Progress::NotYet(format!("there is no {object}")),
        Some(Some(value)) => value,
    };
    let found = path
        .iter()
        .try_fold(value, |value, key| match value {
            Value::Array(list) => key.parse::<usize>().ok().and_then(|at| list.get(at)),
            other => other.get(key),
        })
        .filter(|found| !found.is_null());
    let path = path.join(".");
    let told = match found {
        Some(found) => format!("{path} of {object} is {}", shown(found)),
        None => format!("{path} of {object} is not set"),
    };
    let holds = match test {
        Test::Is(wanted) => found == Some(wanted),
        Test::IsNot(unwanted) => found != Some(unwanted),
        Test::Unset => found.is_none_or(|found| *found == Value::Bool(false)),
        Test::AtLeast(bytes) => found
            .and_then(Value::as_str)
            .and_then(crate::wire::quantity::bytes)
            .is_some_and(|has| has >= *bytes),
    };
    match holds {
        true => Progress::Holds(told),
        false => Progress::NotYet(told),
    }
}

fn number(value: &Value, path: &str) -> i64 {
    value.pointer(path).and_then(Value::as_i64).unwrap_or(0)
}

fn scaled(reading: &Reading<'_>, object: &ObjectId, pods: i64) -> Progress {
    let value = match reading.object(object) {
        None => return Progress::Untold(format!("{object} was not read")),
        Some(None) => return Progress::NotYet(format!("there is no {object}")),
        Some(Some(value)) => value,
    };
    let (has, ready) = (
        number(value, "/status/replicas"),
        number(value, "/status/readyReplicas"),
    );
    let seen = number(value, "/status/observedGeneration") >= number(value, "/metadata/generation");
    let told = format!("{object} has {has} pods, {ready} ready");
    let there = match pods {
        0 => has == 0,
        pods => ready >= pods,
    };
    match seen && there {
        true => Progress::Holds(told),
        false => Progress::NotYet(told),
    }
}

fn rolled_out(reading: &Reading<'_>, object: &ObjectId) -> Progress {
    let value = match reading.object(object) {
        None => return Progress::Untold(format!("{object} was not read")),
        Some(None) => return Progress::NotYet(format!("there is no {object}")),
        Some(Some(value)) => value,
    };
    let wanted = value
        .pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .unwrap_or(1);
    let status = |name: &str| number(value, &format!("/status/{name}"));
    let seen = status("observedGeneration") >= number(value, "/metadata/generation");
    let (updated, ready, all) = (
        status("updatedReplicas"),
        status("readyReplicas"),
        status("replicas"),
    );
    let told = format!("{object}: {updated} of {wanted} pods are new, {ready} ready");
    match seen && updated >= wanted && ready >= wanted && all <= updated {
        true => Progress::Holds(told),
        false => Progress::NotYet(told),
    }
}
