//! Which nodes an action of one instance is about: the one that was named, or the one that is meant without a name.

use std::sync::Arc;

use super::scene::one_master;
use super::{ArgDoc, Candidate, Does, Gate, Goal, Scene};
use crate::checks::{Instance, Node, Word};
use crate::domain::engine::Role;
use crate::domain::text;

/// `--pod`, where the master is meant without it.
pub(super) const POD: ArgDoc = ArgDoc {
    name: "pod",
    value: "POD",
    doc: "the node that does it; without it, the master",
    default: None,
    required: false,
};

/// `--pod`, where every node is meant without it.
pub(super) const ONE_OF_ALL: ArgDoc = ArgDoc {
    doc: "only this node; without it, every node in turn, the master last",
    ..POD
};

/// The node that was named, or the master.
///
/// # Errors
/// Why there is no such one, as a sentence.
pub(super) fn one<'c, 'a>(
    scene: &Scene<'_>,
    instance: &'c Instance<'a>,
) -> Result<&'c Node<'a>, String> {
    match scene.args.get("pod") {
        Some(pod) => named(instance, pod),
        None => one_master(instance)
            .map(|(master, _)| master)
            .map_err(|why| format!("{why}: name a pod")),
    }
}

/// The node that was named, or all of them that run, the master last.
///
/// # Errors
/// Why there is none, as a sentence.
pub(super) fn all<'c, 'a>(
    scene: &Scene<'_>,
    instance: &'c Instance<'a>,
) -> Result<Vec<&'c Node<'a>>, String> {
    if let Some(pod) = scene.args.get("pod") {
        return named(instance, pod).map(|node| vec![node]);
    }
    let mut nodes: Vec<&Node<'_>> = instance.nodes.iter().filter(|node| node.runs()).collect();
    nodes.sort_by_key(|node| node.says(Role::Master));
    match nodes.is_empty() {
        true => Err(format!("no node of {} runs", instance.view.id)),
        false => Ok(nodes),
    }
}

/// The node of that pod.
///
/// # Errors
/// That there is none.
pub(super) fn named<'c, 'a>(instance: &'c Instance<'a>, pod: &str) -> Result<&'c Node<'a>, String> {
    instance
        .node(pod)
        .ok_or_else(|| format!("{} has no pod {}", instance.view.id, text::one_line(pod)))
}

/// That an engine can be asked, and why not.
pub(super) fn answers(node: &Node<'_>) -> Result<String, String> {
    let name = node.name();
    match &node.word {
        _ if node.is_going() => Err(format!("{name} is being deleted")),
        _ if !node.runs() => Err(format!("{name} does not run")),
        Word::Silent { .. } => Err(format!("{name} does not answer")),
        Word::Says { role, .. } => Ok(format!("{name} answers, and is {}", role.word())),
    }
}

/// The same of several, as one gate.
pub(super) fn all_answer(nodes: &[&Node<'_>]) -> Gate {
    const ID: &str = "answers";
    let mut told = Vec::new();
    for node in nodes {
        match answers(node) {
            Ok(words) => told.push(words),
            Err(why) => return Gate::block(ID, why),
        }
    }
    Gate::pass(ID, told.join("; "))
}

/// Every node with whether it could be chosen.
pub(super) fn candidates(
    scene: &Scene<'_>,
    judged: impl Fn(&Node<'_>) -> Result<String, String>,
) -> Vec<Candidate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let nodes = case.instance.iter().flat_map(|instance| &instance.nodes);
    nodes
        .map(|node| Candidate {
            pod: node.name().to_owned(),
            figures: match &node.word {
                Word::Says { role, .. } => role.word().to_owned(),
                Word::Silent { .. } => "silent".to_owned(),
            },
            judged: judged(node),
        })
        .collect()
}

/// Its pod's uid.
pub(super) fn uid(node: &Node<'_>) -> Arc<str> {
    node.view.pod.value.meta.uid.clone()
}

/// A command to an engine, told by its answer, and by that goal where none comes.
pub(super) fn command(node: &Node<'_>, words: &[&str], told_by: Vec<Goal>) -> Does {
    Does::Command {
        node: node.view.id.clone(),
        uid: uid(node),
        words: words.iter().map(|word| (*word).to_owned()).collect(),
        expects: None,
        reply: None,
        told_by,
        refuted_by: Vec::new(),
    }
}

/// What is there before: `orders-0: replica, uid 3f…`.
pub(super) fn line(node: &Node<'_>) -> String {
    let role = match &node.word {
        Word::Says { role, .. } => role.word(),
        Word::Silent { .. } => "silent",
    };
    format!("{}: {role}, uid {}", node.name(), uid(node))
}
