//! The election of a master, as the operator's pod controller goes about it.

use std::cmp::Reverse;

use super::{Gate, Waiting, fit};
use crate::checks::case::{Instance, Node};
use crate::checks::words::list;
use crate::domain::{Role, Version};

/// An election that is due, or that cannot be held.
pub(super) fn waiting(instance: &Instance<'_>, version: Version) -> Option<Waiting> {
    if instance.nodes.is_empty() {
        return None;
    }
    let fit = |node: &Node<'_>| fit::for_operator(node, version);
    let masters: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|node| node.view.label_role() == Some(Role::Master))
        .collect();
    let ready: Vec<&Node<'_>> = masters.iter().copied().filter(|n| fit(n).is_ok()).collect();
    match (masters.as_slice(), ready.as_slice()) {
        (_, [one]) => promoted(instance, one, version),
        (_, [_, _, ..]) => {
            let names: Vec<&str> = ready.iter().map(|node| node.name()).collect();
            let then = elected(instance, version).map_or(String::new(), |node| {
                format!(", and elects {}", node.name())
            });
            let sentence = format!(
                "its own next look: {} are labelled master, so it takes the role from all of them{then}",
                list(&names)
            );
            let step = format!(
                "take the role from {}, which are all labelled master, and elect one",
                list(&names)
            );
            let waiting = Waiting::at(Gate::Election, sentence).its_own(Some(step));
            Some(waiting.about(ready.iter().copied()))
        }
        (_, []) => {
            let lost = masters.first();
            let since = lost.and_then(|node| fit::unready_since(node));
            let cause = match lost {
                Some(node) => format!(
                    "{}, labelled master, {}",
                    node.name(),
                    fit(node).err().unwrap_or_default()
                ),
                None => "no pod is labelled master".to_owned(),
            };
            let sentence = match elected(instance, version) {
                Some(next) => format!(
                    "its own next look: {cause}, and it would elect {} ({})",
                    next.name(),
                    rule(version)
                ),
                None => format!(
                    "a pod that can be elected: {cause}{}",
                    reasons(instance, version, lost)
                ),
            };
            Some(
                Waiting::at(Gate::Election, sentence)
                    .its_own(
                        elected(instance, version)
                            .map(|next| format!("elect {} as master ({cause})", next.name())),
                    )
                    .about(lost.copied())
                    .since(since),
            )
        }
    }
}

/// Why no pod can be elected, but for the one that was named already.
fn reasons(instance: &Instance<'_>, version: Version, named: Option<&&Node<'_>>) -> String {
    let told: Vec<String> = instance
        .nodes
        .iter()
        .filter(|node| named.is_none_or(|named| named.name() != node.name()))
        .filter_map(|node| {
            let why = fit::for_operator(node, version).err()?;
            Some(format!("{} {why}", node.name()))
        })
        .collect();
    match told.is_empty() {
        true => String::new(),
        false => format!("; {}", list(&told)),
    }
}

/// Whom the operator would elect; `None` when nobody can be.
pub(super) fn elected<'a, 'b>(
    instance: &'b Instance<'a>,
    version: Version,
) -> Option<&'b Node<'a>> {
    let mut fit: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|node| fit::for_operator(node, version).is_ok())
        .collect();
    // Nodes stand by ordinal, and the sort keeps that order among equals.
    if version >= Version(1, 6, 0) {
        fit.sort_by_key(|node| {
            let replica = node.view.label_role() == Some(Role::Replica);
            let offset = node.follower().and_then(|link| link.offset).unwrap_or(0);
            (Reverse(replica), Reverse(offset))
        });
    }
    fit.first().copied()
}

/// How it chooses.
fn rule(version: Version) -> &'static str {
    if version >= Version(1, 6, 0) {
        "the replica with the highest offset, then the lowest ordinal"
    } else if version >= Version(1, 5, 0) {
        "the lowest ordinal that is ready, whatever it holds"
    } else {
        "the first that is ready, whatever it holds"
    }
}

/// The one labelled master calls itself a replica.
fn promoted(instance: &Instance<'_>, node: &Node<'_>, version: Version) -> Option<Waiting> {
    if !node.says(Role::Replica) {
        return None;
    }
    let name = node.name();
    let sentence = match version >= Version(1, 5, 0) {
        true => format!(
            "its own next look: {name}, labelled master, is a replica, and it makes it a master"
        ),
        false => format!(
            "nothing: {name}, labelled master, is a replica, which operators before v1.5.0 do not look at"
        ),
    };
    // In a rollout it looks at nodes of the new revision only.
    let step = format!("make {name} the master that its label says it is");
    let waiting = Waiting::at(Gate::Election, sentence)
        .its_own((version >= Version(1, 5, 0)).then_some(step));
    (!instance.nodes.is_empty()).then(|| waiting.about([node]))
}
