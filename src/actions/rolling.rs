//! How goals about pods that are made anew stand: a rollout as it goes on, who could lead, who leads.

use serde_json::Value;

use super::gate::Stand;
use super::goal::{Progress, endpoint_is, follows};
use super::object::ObjectId;
use super::scene::Reading;
use super::{gates, scene};
use crate::checks::{self, Case, Instance, Limits, Subject, Verdict};
use crate::domain::engine::{Question, Role, Side};
use crate::domain::{InstanceId, InstanceView, NodeView, Version};

/// What the check of takeovers finds: which situation, and its sentence.
pub(super) fn takeover(case: &Case<'_>) -> Option<(&'static str, String, Vec<String>)> {
    let check = checks::ALL.iter().find(|check| check.id == "takeover")?;
    match (check.run)(case).verdict {
        Verdict::Finding(found) => Some((
            found.situation.id,
            found.sentence.clone(),
            found.about.clone(),
        )),
        _ => None,
    }
}

fn with_case<T>(
    reading: &Reading<'_>,
    id: &InstanceId,
    lag: Option<u64>,
    judge: impl FnOnce(&Case<'_>, &Instance<'_>) -> T,
) -> Option<T> {
    let mut limits = Limits::default();
    limits.lag = lag.unwrap_or(limits.lag);
    let subject = Subject::Instance(id.clone());
    let case = Case::of(reading.world, &subject, &limits, reading.now)?;
    let instance = case.instance.as_ref()?;
    Some(judge(&case, instance))
}

/// Whether it could take over at this moment.
pub(super) fn fit_to_lead(reading: &Reading<'_>, id: &InstanceId, pod: &str, lag: u64) -> Progress {
    with_case(reading, id, Some(lag), |case, instance| {
        let Some(node) = instance.node(pod) else {
            return Progress::NotYet(format!("there is no pod {pod}"));
        };
        let fit = match gates::fit(case, instance, node) {
            Ok(fit) => fit,
            Err(why) => return Progress::NotYet(why),
        };
        let mut gates = vec![
            gates::all_answer(instance),
            gates::no_full_sync(instance),
            gates::no_save(case, instance),
        ];
        if let Ok((master, _)) = scene::one_master(instance) {
            gates.push(gates::no_slow_client(case, master));
        }
        let against: Vec<String> = gates
            .into_iter()
            .filter(|gate| gate.stand == Stand::Block)
            .map(|gate| gate.evidence)
            .collect();
        match against.is_empty() {
            true => Progress::Holds(fit),
            false => Progress::NotYet(against.join("; ")),
        }
    })
    .unwrap_or_else(|| Progress::Untold(format!("{id} is not there")))
}

/// Exactly one master, by label, engine and endpoint.
pub(super) fn one_master(view: &InstanceView<'_>) -> Progress {
    let labelled: Vec<&NodeView<'_>> = view.labelled_masters().collect();
    let [one] = labelled.as_slice() else {
        let names: Vec<&str> = labelled.iter().map(|node| &*node.id.pod).collect();
        return Progress::NotYet(match names.as_slice() {
            [] => "no pod is labelled master".to_owned(),
            names => format!("{} are labelled master", names.join(" and ")),
        });
    };
    let pod = &one.id.pod;
    // One without a role label was just made, and nobody is sent to it.
    let others = view
        .nodes
        .iter()
        .filter(|node| node.id != one.id && node.label_role().is_some());
    let also: Vec<&str> = others
        .filter(|node| node.speaks() && says(node, Role::Master))
        .map(|node| &*node.id.pod)
        .collect();
    match () {
        () if !one.speaks() => Progress::Untold(format!("{pod}'s engine does not answer")),
        () if !says(one, Role::Master) => {
            Progress::NotYet(format!("{pod} is labelled master, and its engine is none"))
        }
        () if !also.is_empty() => {
            Progress::NotYet(format!("{} says role:master as well", also.join(" and ")))
        }
        () => match endpoint_is(view, pod) {
            Progress::Holds(_) => {
                Progress::Holds(format!("{pod}, by its label, its engine and the Service"))
            }
            progress => progress,
        },
    }
}

fn says(node: &NodeView<'_>, role: Role) -> bool {
    node.engine_role().is_some_and(|known| known.value == role)
}

/// Whether no replica of an instance of several pods is in sync with its master.
pub(super) fn is_alone(reading: &Reading<'_>, id: &InstanceId) -> Option<bool> {
    let view = reading.world.instance(id)?;
    (view.wanted().unwrap_or(1) > 1).then(|| !has_replica(&view))
}

fn has_replica(view: &InstanceView<'_>) -> bool {
    view.labelled_masters().any(|master| {
        view.nodes
            .iter()
            .any(|node| node.id != master.id && follows(view, &node.id.pod, &master.id.pod).holds())
    })
}

/// How a rollout to an image goes on: which pods are of it, what the others wait for, and a takeover that does not end.
pub(super) fn runs_image(reading: &Reading<'_>, id: &InstanceId, image: &str) -> Progress {
    let Some(view) = reading.world.instance(id) else {
        return Progress::Untold(format!("{id} is not there"));
    };
    let wanted = view
        .wanted()
        .and_then(|pods| usize::try_from(pods).ok())
        .unwrap_or(view.nodes.len());
    let revision = view
        .stateful_set
        .map_or("", |set| &*set.value.update_revision);
    let is_new = |node: &NodeView<'_>| {
        let pod = &node.pod.value;
        let hash = pod.meta.labels.get("controller-revision-hash");
        pod.container("dragonfly").is_some_and(|c| c.image == image)
            && hash.is_none_or(|hash| revision.is_empty() || hash == revision)
    };
    let new = view.nodes.iter().filter(|node| is_new(node)).count();
    let mut words = vec![format!("{new} of {wanted} pods on the new revision")];
    words.extend(
        view.nodes
            .iter()
            .filter_map(|node| stands(node, is_new(node))),
    );
    if wanted > 1 && !has_replica(&view) {
        words.push("no replica is in sync".to_owned());
    }
    let phase = view.dragonfly.value.phase.as_deref().unwrap_or("none");
    let is_done = phase.eq_ignore_ascii_case("ready");
    if !is_done {
        words.push(format!("phase {phase}"));
    }
    let wedged = with_case(reading, id, None, |case, _| takeover(case)).flatten();
    if let Some((situation, sentence, _)) = &wedged
        && *situation != "takeover-in-progress"
    {
        words.push(format!("{sentence}: darner unwedge {id} ends it"));
    }
    let all_ready = view.nodes.iter().all(|node| node.pod.value.is_ready());
    match new == wanted && view.nodes.len() == wanted && all_ready && is_done {
        true => Progress::Holds(format!(
            "{new} of {wanted} pods on the new revision, phase {phase}"
        )),
        false => Progress::NotYet(words.join(", ")),
    }
}

/// What is to be said of one pod in a rollout: nothing of one that is new and well.
fn stands(node: &NodeView<'_>, is_new: bool) -> Option<String> {
    let pod = &node.id.pod;
    let syncs = node
        .engine
        .and_then(|engine| engine.replication.as_ref())
        .is_some_and(|known| matches!(&known.value.side, Side::Replica(f) if f.syncing));
    let role = node.label_role().map_or("", Role::word);
    match () {
        () if node.pod.value.meta.deleting.is_some() => Some(format!("{pod} is being deleted")),
        () if !is_new => Some(format!("{pod} is old ({role})").replace(" ()", "")),
        () if !node.pod.value.is_ready() => Some(format!("{pod} is not ready")),
        () if syncs => Some(format!("{pod} in full sync")),
        () if node.label_role().is_none() => Some(format!("{pod} has no role yet")),
        () => None,
    }
}

/// Every engine says that it is of that version.
pub(super) fn engines_are(view: &InstanceView<'_>, version: Version) -> Progress {
    let (mut others, mut untold) = (Vec::new(), Vec::new());
    for node in &view.nodes {
        let server = node
            .engine_on(Question::Server)
            .and_then(|engine| engine.server.as_ref());
        let told = server.and_then(|known| Version::parse(known.value.version.as_deref()?));
        match told {
            Some(told) if told == version => {}
            Some(told) => others.push(format!("{} says {told}", node.id.pod)),
            None => untold.push(format!("{} does not say", node.id.pod)),
        }
    }
    match (others.is_empty(), untold.is_empty()) {
        (true, true) => Progress::Holds(format!("{} engines say {version}", view.nodes.len())),
        (false, _) => Progress::NotYet(others.join("; ")),
        (true, false) => Progress::Untold(untold.join("; ")),
    }
}

/// The Lease is held by another process than before.
pub(super) fn leads(reading: &Reading<'_>, lease: &ObjectId, before: &str) -> Progress {
    let value = match reading.object(lease) {
        None => return Progress::Untold(format!("{lease} was not read")),
        Some(None) => return Progress::NotYet(format!("there is no {lease}")),
        Some(Some(value)) => value,
    };
    let holder = value
        .pointer("/spec/holderIdentity")
        .and_then(Value::as_str);
    match holder.unwrap_or_default() {
        "" => Progress::NotYet("nobody holds the Lease".to_owned()),
        holder if holder == before => {
            Progress::NotYet(format!("{} holds the Lease still", pod_of(holder)))
        }
        holder => Progress::Holds(format!("{} holds the Lease", pod_of(holder))),
    }
}

/// The pod's name in a holder's: `POD_UUID`.
fn pod_of(holder: &str) -> &str {
    holder.split_once('_').map_or(holder, |(pod, _)| pod)
}
