//! What the operator waits for with an instance, in words: judged from facts alone, by the steps that its controllers
//! take (read of operator v1.1.0 to v1.6.1; the steps are those of v1.6.1, and where older ones differ it is said).
//!
//! This is no judgement of health: an instance for which the operator waits may serve its clients well. It is the one
//! place that reads `status.phase`, because the operator itself decides by it.

mod election;
mod fit;
mod rollout;

#[cfg(test)]
pub(super) mod tests;

use super::case::{Case, Instance, Node, Word, is_followed};
use super::words::{bracketed, list};
use super::{Since, Subject, Verdict, operator_down, operator_pods, operator_stalled};
use crate::domain::engine::Question;
use crate::domain::{FaultKind, Kind, Version};
use jiff::Timestamp;

/// Where it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Gate {
    /// Nowhere.
    Nothing,
    /// It cannot be told.
    Unknown,
    /// There is no operator at work.
    Operator,
    /// The instance is being deleted.
    Deletion,
    /// The StatefulSet is to be made.
    Objects,
    /// A pod's port 9999 does not answer.
    Port,
    /// A master is to be elected.
    Election,
    /// A pod is to be given its role.
    Role,
    /// A pod is to be made or to become ready.
    Pods,
    /// A rollout is to begin.
    RolloutStart,
    /// A rollout is under way; the step of its controller, from 1 to 6.
    Rollout(u8),
}

impl Gate {
    /// A word or two for a column.
    pub fn word(self) -> &'static str {
        match self {
            Gate::Nothing => "nothing",
            Gate::Unknown => "not known",
            Gate::Operator => "operator",
            Gate::Deletion => "deletion",
            Gate::Objects => "objects",
            Gate::Port => "port 9999",
            Gate::Election => "election",
            Gate::Role => "role",
            Gate::Pods => "pods",
            Gate::RolloutStart => "rollout start",
            Gate::Rollout(1) => "rollout gate 1",
            Gate::Rollout(2) => "rollout gate 2",
            Gate::Rollout(3) => "rollout gate 3",
            Gate::Rollout(4) => "rollout gate 4",
            Gate::Rollout(5) => "rollout gate 5",
            Gate::Rollout(_) => "rollout gate 6",
        }
    }
}

/// What it waits for.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// Where.
    pub gate: Gate,
    /// For what, in a sentence.
    pub sentence: String,
    /// Names of the pods that it speaks of.
    pub about: Vec<String>,
    /// Since when, where something tells.
    pub since: Option<Since>,
    /// When time alone can change it.
    pub again_at: Option<Timestamp>,
    /// It waits for nobody: it is a step that the operator takes by itself at its next look, and this step: `make orders-2 a
    /// replica`.
    pub its_own: Option<String>,
}

impl Waiting {
    fn at(gate: Gate, sentence: impl Into<String>) -> Self {
        Self {
            gate,
            sentence: sentence.into(),
            about: Vec::new(),
            since: None,
            again_at: None,
            its_own: None,
        }
    }

    fn about<'a>(mut self, nodes: impl IntoIterator<Item = &'a Node<'a>>) -> Self {
        self.about = nodes.into_iter().map(|n| n.name().to_owned()).collect();
        self
    }

    /// The same, as a step that it takes by itself; which.
    fn its_own(mut self, step: Option<String>) -> Self {
        self.its_own = step;
        self
    }

    fn since(mut self, since: Option<Since>) -> Self {
        self.since = since;
        self
    }
}

/// What the operator waits for with the case's instance, what comes first first. Never empty for an instance; empty for
/// anything else.
pub fn waiting(case: &Case<'_>) -> Vec<Waiting> {
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    if !case.context.is_live() {
        let sentence = format!("{} is not reached, so nothing can be told", case.context.id);
        return vec![Waiting::at(Gate::Unknown, sentence)];
    }
    let mut all: Vec<Waiting> = operator(case).into_iter().collect();
    all.push(with_operator(case, instance));
    // Where nobody acts, only what would be done next is worth saying.
    let idle = |last: &Waiting| matches!(last.gate, Gate::Nothing | Gate::Unknown);
    if all.len() > 1 && all.last().is_some_and(idle) {
        all.pop();
    }
    all
}

/// The pod that the operator would elect as master, were it to elect one now.
pub(super) fn would_elect(case: &Case<'_>) -> Option<String> {
    let instance = case.judgeable()?;
    let elected = election::elected(instance, version(case))?;
    Some(elected.name().to_owned())
}

/// The version of the context's operator. Where nobody tells it, it is taken for the newest that was read.
pub fn version(case: &Case<'_>) -> Version {
    let deployment = case.context.operators.iter().next();
    deployment
        .and_then(|held| Version::parse(held.value.version()?))
        .unwrap_or(Version(1, 6, 1))
}

/// When something of the instance last moved: a pod was made, asked to go, or given a role. By the cluster's word, as far
/// as it tells.
pub(super) fn progress(instance: &Instance<'_>) -> Timestamp {
    let dragonfly = &instance.view.dragonfly;
    let pods = instance.nodes.iter().flat_map(|node| {
        let pod = &node.view.pod.value;
        [
            pod.meta.created,
            pod.meta.deleting,
            pod.role_since,
            node.view.relabelled,
        ]
    });
    let made = dragonfly.value.meta.created;
    pods.chain([made])
        .flatten()
        .max()
        .unwrap_or(dragonfly.first_seen)
}

/// What keeps the operator from working at all.
fn operator(case: &Case<'_>) -> Option<Waiting> {
    let subject = Subject::Operator(case.context.id.clone());
    let about = Case::of(case.world, &subject, case.limits, case.now)?;
    let answer = (operator_down::CHECK.run)(&about);
    let mut waiting = match answer.verdict {
        Verdict::Finding(finding) => {
            // Where this is told, whose pods they are is told already.
            let sentence = match finding.situation.id == operator_down::DOWN.id {
                true => format!(
                    "a pod of it to be ready: {}",
                    operator_pods::reasons(case.context, false)
                ),
                false => format!("somebody to act: {}", finding.sentence),
            };
            Waiting::at(Gate::Operator, sentence).since(Some(finding.since))
        }
        Verdict::Unknown(finding) => Waiting::at(Gate::Unknown, finding.sentence),
        Verdict::Pass | Verdict::NotApplicable => return None,
    };
    waiting.again_at = answer.again_at;
    Some(waiting)
}

/// What it waits for while an operator is at work.
fn with_operator(case: &Case<'_>, instance: &Instance<'_>) -> Waiting {
    let dragonfly = &instance.view.dragonfly.value;
    let version = version(case);
    if let Some(at) = dragonfly.meta.deleting {
        let what = match version >= Version(1, 3, 1) {
            true => {
                "nothing any more: the instance is being deleted, and the operator leaves it alone"
            }
            false => "the end of the deletion",
        };
        return Waiting::at(Gate::Deletion, what).since(Some(Since::Exactly(at)));
    }
    if !instance.pods_known {
        return Waiting::at(
            Gate::Unknown,
            "the pods cannot be read, so nothing can be told",
        );
    }
    let namespace = &*instance.view.id.namespace;
    let sets = case.context.source(Kind::StatefulSet, namespace);
    let sets_known = sets.is_some_and(|source| is_followed(source, case.limits, case.now));
    if sets_known && instance.view.stateful_set.is_none() {
        let sentence = match &dragonfly.phase {
            None => {
                "its own first look at the instance: it has made nothing of it yet, so it may not watch this namespace, \
                     lack a right, or refuse a field of it (its log says which)"
            }
            Some(_) => "the StatefulSet, which is not there: it makes it anew at its next look",
        };
        return Waiting::at(Gate::Objects, sentence);
    }
    port(case, instance)
        .or_else(|| rollout::waiting(case, instance, version))
        .or_else(|| {
            let waiting = election::waiting(instance, version)?;
            // Where no condition tells it: it has stood so for as long as nothing moved before our eyes.
            let first_seen = instance.view.dragonfly.first_seen;
            let stands = operator_stalled::stands_since(case, instance).max(first_seen);
            let since = waiting.since.unwrap_or(Since::Seen(stands.min(case.now)));
            Some(waiting.since(Some(since)))
        })
        .or_else(|| role(instance, version))
        .or_else(|| pods(instance))
        .or_else(|| rollout::start(instance))
        .unwrap_or_else(|| nothing(instance))
}

/// An error on port 9999 is an error to the operator, not "not ready": it tries again later, and does nothing else for
/// the instance until then.
fn port(case: &Case<'_>, instance: &Instance<'_>) -> Option<Waiting> {
    let mut silent: Vec<(&Node<'_>, Timestamp, &str)> = Vec::new();
    for node in &instance.nodes {
        let Word::Silent {
            why: Some((_, fault)),
            since: Some(since),
            ..
        } = &node.word
        else {
            continue;
        };
        // Our own missing right, or a pod that is gone for us, is nothing that the operator meets.
        let ours = matches!(fault.kind, FaultKind::Forbidden | FaultKind::NotFound);
        if !ours && fit::by_kubernetes(node).is_ok() {
            silent.push((node, *since, &fault.message));
        }
    }
    let (_, since, why) = silent.first()?;
    let names: Vec<&str> = silent.iter().map(|(node, ..)| node.name()).collect();
    let does = if names.len() == 1 { "does" } else { "do" };
    let sentence = format!(
        "port 9999 of {}, which {does} not answer{}: the operator fails at it and does nothing else for the instance",
        list(&names),
        bracketed(why),
    );
    let since = Since::Seen((*since).min(case.now));
    Some(
        Waiting::at(Gate::Port, sentence)
            .about(silent.iter().map(|(node, ..)| *node))
            .since(Some(since)),
    )
}

/// A pod that nobody has made master or replica yet.
fn role(instance: &Instance<'_>, version: Version) -> Option<Waiting> {
    let bare: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|node| node.view.label_role().is_none() && !node.is_going())
        .collect();
    let node = bare.first()?;
    let name = node.name();
    let snapshot = instance.view.dragonfly.value.snapshot.as_ref();
    let blocked = snapshot.is_some_and(|snapshot| snapshot.master_only)
        && (Version(1, 3, 0)..=Version(1, 5, 0)).contains(&version);
    let sentence = match fit::for_operator(node, version) {
        Err(why) => format!("{name} to become ready, so that it gets a role: {name} {why}"),
        Ok(()) if blocked => format!(
            "its own next look at {name}, to make it a replica; with enableOnMasterOnly operator {version} may fail at \
             that (op#498)"
        ),
        Ok(()) => format!("its own next look at {name}, to make it a replica"),
    };
    Some(
        Waiting::at(Gate::Role, sentence)
            .its_own(
                fit::for_operator(node, version)
                    .is_ok()
                    .then(|| format!("make {name} a replica")),
            )
            .about([*node])
            .since(node.view.relabelled.map(Since::Seen)),
    )
}

/// Pods that are missing or not ready: StatefulSets of the operator make one pod after the other.
fn pods(instance: &Instance<'_>) -> Option<Waiting> {
    let unready = instance
        .nodes
        .iter()
        .find_map(|node| Some((node, fit::by_kubernetes(node).err()?)));
    let there = instance.nodes.len();
    let missing = instance.wanted().saturating_sub(there);
    let sentence = match (&unready, missing) {
        (None, 0) => return None,
        (Some((node, why)), 0) => format!("{} to become ready: it {why}", node.name()),
        (Some((node, why)), _) => format!(
            "{there} of {} pods are there: the StatefulSet makes the next one only when {} is ready, which {why}",
            instance.wanted(),
            node.name(),
        ),
        (None, _) => format!(
            "the StatefulSet to make the pods that are missing: {there} of {} are there",
            instance.wanted()
        ),
    };
    let since = unready
        .as_ref()
        .and_then(|(node, _)| fit::unready_since(node));
    Some(
        Waiting::at(Gate::Pods, sentence)
            .about(unready.iter().map(|(node, _)| *node))
            .since(since),
    )
}

/// Nothing; and what it will not see to.
fn nothing(instance: &Instance<'_>) -> Waiting {
    let broken: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|node| {
            node.view.engine_on(Question::Replication).is_some()
                && node.follower().is_some_and(|link| !link.link_up)
        })
        .collect();
    let unheard: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|node| node.runs() && matches!(node.word, Word::Silent { .. }))
        .collect();
    if !unheard.is_empty() {
        let names: Vec<&str> = unheard.iter().map(|node| node.name()).collect();
        let sentence = format!(
            "nothing by labels and pods; whether {} took the role of its label is not known",
            list(&names)
        );
        return Waiting::at(Gate::Unknown, sentence).about(unheard);
    }
    if broken.is_empty() {
        return Waiting::at(Gate::Nothing, "all its steps are done");
    }
    let names: Vec<&str> = broken.iter().map(|node| node.name()).collect();
    let sentence = format!(
        "it does not look at replication links, so it will not repair that of {}",
        list(&names)
    );
    Waiting::at(Gate::Nothing, sentence).about(broken)
}
