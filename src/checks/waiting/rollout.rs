//! The six steps of a rollout, as the operator's controller goes through them every five seconds. None of its waits ever
//! ends by itself.

use super::{Gate, Waiting, fit};
use crate::checks::Since;
use crate::checks::case::{Case, Instance, Node};
use crate::checks::words::list;
use crate::domain::engine::Question;
use crate::domain::{Role, Version};

/// The phase that a rollout puts an instance in.
const ROLLING: &str = "RollingUpdate";

/// A rollout that is under way, and the step at which it waits.
pub(super) fn waiting(
    case: &Case<'_>,
    instance: &Instance<'_>,
    version: Version,
) -> Option<Waiting> {
    let phase = instance.view.dragonfly.value.phase.as_deref();
    if phase != Some(ROLLING) {
        return None;
    }
    let revision = revision(instance)?;
    let waiting = made_ready(instance, revision, version)
        .or_else(|| counted(instance))
        .or_else(|| stable(instance, revision))
        .unwrap_or_else(|| next(instance, revision, version));
    Some(if waiting.since.is_none() {
        let since = begun(case, instance).map(Since::Exactly);
        waiting.since(since)
    } else {
        waiting
    })
}

/// A rollout that has yet to begin.
pub(super) fn start(instance: &Instance<'_>) -> Option<Waiting> {
    let revision = revision(instance)?;
    let old: Vec<&Node<'_>> = old(instance, revision).collect();
    if old.is_empty() {
        return None;
    }
    let names: Vec<&str> = old.iter().map(|node| node.name()).collect();
    let are = crate::checks::words::are(names.len());
    let sentence = match instance.view.dragonfly.value.phase.as_deref() {
        Some("Ready" | "ready") => format!(
            "its own next look: {} {are} of an old revision, and it begins a rollout",
            list(&names)
        ),
        phase => format!(
            "phase Ready, in which alone it begins a rollout: {} {are} of an old revision, and the phase is {}",
            list(&names),
            phase.unwrap_or("not set")
        ),
    };
    let phase = instance.view.dragonfly.value.phase.as_deref();
    let its_own = matches!(phase, Some("Ready" | "ready"));
    Some(
        Waiting::at(Gate::RolloutStart, sentence)
            .its_own(its_own.then(|| "begin a rollout".to_owned()))
            .about(old),
    )
}

/// When the rollout began, by the operator's event.
pub(super) fn begun(case: &Case<'_>, instance: &Instance<'_>) -> Option<jiff::Timestamp> {
    let id = &instance.view.id;
    case.context
        .events
        .in_namespace(&id.namespace)
        .filter(|held| {
            held.value.about_kind == "Dragonfly"
                && *held.value.about_name == *id.name
                && held.value.reason == "Rollout"
                && held.value.note.contains("Starting")
        })
        .filter_map(|held| held.value.at)
        .max()
}

/// The revision that all pods should have.
pub(super) fn revision<'a>(instance: &Instance<'a>) -> Option<&'a str> {
    let set = instance.view.stateful_set?;
    Some(set.value.update_revision.as_str()).filter(|revision| !revision.is_empty())
}

fn revision_of<'a>(node: &Node<'a>) -> Option<&'a str> {
    let labels = &node.view.pod.value.meta.labels;
    labels.get("controller-revision-hash").map(String::as_str)
}

/// Pods of an old revision.
pub(super) fn old<'a, 'b>(
    instance: &'b Instance<'a>,
    revision: &'b str,
) -> impl Iterator<Item = &'b Node<'a>> {
    instance
        .nodes
        .iter()
        .filter(move |node| revision_of(node).is_some_and(|own| own != revision))
}

/// Step 1: every pod, by name: one that is old and not ready is deleted, any other must be ready and have a role.
fn made_ready(instance: &Instance<'_>, revision: &str, version: Version) -> Option<Waiting> {
    let at = |sentence: String, node: &Node<'_>| {
        Waiting::at(Gate::Rollout(1), sentence)
            .since(fit::unready_since(node))
            .about([node])
    };
    for node in instance.nodes.iter().filter(|node| !node.is_going()) {
        let name = node.name();
        let is_old = revision_of(node).is_some_and(|own| own != revision);
        match fit::for_operator(node, version) {
            Err(why) if is_old && fit::by_kubernetes(node).is_err() => {
                let sentence = format!(
                    "the successor of {name}, which is of the old revision and {why}: it deletes it"
                );
                return Some(at(sentence, node));
            }
            Err(why) => {
                let sentence = format!("{name} to become ready: it {why}");
                return Some(at(sentence, node));
            }
            Ok(()) if node.view.label_role().is_none() => {
                let sentence = format!("{name} to get its role: it is ready and has none");
                return Some(at(sentence, node));
            }
            Ok(()) => {}
        }
    }
    None
}

/// Step 2: as many pods labelled replica as there should be.
fn counted(instance: &Instance<'_>) -> Option<Waiting> {
    let wanted = instance.wanted().saturating_sub(1);
    let there = instance
        .nodes
        .iter()
        .filter(|node| node.view.label_role() == Some(Role::Replica))
        .count();
    (there != wanted).then(|| {
        let sentence = format!("{wanted} pods labelled replica: there are {there}");
        Waiting::at(Gate::Rollout(2), sentence)
    })
}

/// Step 3: every replica of the new revision replicates stably: link up, no sync, not loading.
fn stable(instance: &Instance<'_>, revision: &str) -> Option<Waiting> {
    let unstable = instance
        .nodes
        .iter()
        .filter(|node| {
            node.view.label_role() == Some(Role::Replica) && revision_of(node) == Some(revision)
        })
        .find_map(|node| Some((node, unsteady(node)?)));
    let (node, why) = unstable?;
    let name = node.name();
    let since = node
        .view
        .engine_on(Question::Replication)
        .and_then(|engine| engine.unsynced_since)
        .map(Since::Seen);
    let sentence = format!("{name}, new and a replica, to be in stable sync: {why}");
    Some(
        Waiting::at(Gate::Rollout(3), sentence)
            .about([node])
            .since(since),
    )
}

/// Why a replica is not stable in the operator's eyes. A node that calls itself master passes, as it does there.
fn unsteady(node: &Node<'_>) -> Option<&'static str> {
    if node.loading {
        return Some("it is loading");
    }
    let link = node.follower()?;
    match () {
        () if link.syncing => Some("it is in full sync"),
        () if !link.link_up => Some("its link to the master is down"),
        () if link.last_io.is_none() => Some("it has heard nothing from its master"),
        () => None,
    }
}

/// Steps 4 to 6: replicas of the old revision one after the other, then the master, then the end.
fn next(instance: &Instance<'_>, revision: &str, version: Version) -> Waiting {
    let going = instance
        .nodes
        .iter()
        .find(|node| node.is_going() && node.view.label_role() != Some(Role::Master));
    if let (Some(node), true) = (going, version >= Version(1, 6, 0)) {
        let sentence = format!(
            "{} to be gone and come back: it is being deleted",
            node.name()
        );
        let since = fit::unready_since(node);
        return Waiting::at(Gate::Rollout(4), sentence)
            .about([node])
            .since(since);
    }
    let is_master = |node: &&Node<'_>| node.view.label_role() == Some(Role::Master);
    if let Some(node) = old(instance, revision).find(|node| !is_master(node)) {
        let all = match version >= Version(1, 6, 0) {
            true => "",
            false => ", and all other old replicas with it (op#359)",
        };
        let sentence = format!(
            "its own next step: it deletes {}, an old replica{all}",
            node.name()
        );
        return Waiting::at(Gate::Rollout(4), sentence)
            .its_own(Some(format!("delete {}, an old replica", node.name())))
            .about([node]);
    }
    if let Some(node) = old(instance, revision).next() {
        let name = node.name();
        let to = instance.nodes.iter().find(|other| {
            other.view.label_role() == Some(Role::Replica) && revision_of(other) == Some(revision)
        });
        let sentence = match to {
            Some(to) => format!(
                "the takeover by {} from {name}, the last old pod; the operator gives up waiting after 10 s, the server \
                 only after 10,000 s (op#582)",
                to.name()
            ),
            None => format!(
                "its own next step: it deletes {name}, the only pod, with nobody to take over"
            ),
        };
        return Waiting::at(Gate::Rollout(5), sentence).about([node]);
    }
    Waiting::at(
        Gate::Rollout(6),
        "its own next look: every pod is of the new revision, and only the phase is to be set",
    )
    .its_own(Some(
        "set the phase: every pod is of the new revision".to_owned(),
    ))
}
