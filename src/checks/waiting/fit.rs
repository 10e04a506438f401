//! Whether a pod counts for the operator: Running, its containers ready, an address, not on its way out, not loading.

use crate::checks::Since;
use crate::checks::case::Node;
use crate::checks::words::bracketed;
use crate::domain::Version;
use crate::domain::object::ContainerState;

/// By Kubernetes' word alone.
///
/// # Errors
/// Why not, as the rest of a sentence about the pod: `is pending (Unschedulable)`.
pub(super) fn by_kubernetes(node: &Node<'_>) -> Result<(), String> {
    let pod = &node.view.pod.value;
    if node.is_going() {
        return Err("is being deleted".to_owned());
    }
    let disrupted = pod
        .condition("DisruptionTarget")
        .filter(|condition| condition.status == "True");
    if let Some(condition) = disrupted {
        return Err(format!("is about to be evicted ({})", condition.reason));
    }
    let waiting = node.container().and_then(|one| match &one.state {
        ContainerState::Waiting { reason, .. } if !reason.is_empty() => Some(reason.as_str()),
        _ => None,
    });
    if pod.phase != "Running" {
        let unscheduled = pod
            .condition("PodScheduled")
            .filter(|condition| condition.status == "False")
            .map(|condition| condition.reason.as_str());
        let phase = match pod.phase.as_str() {
            "" => "of no phase yet".to_owned(),
            phase => phase.to_lowercase(),
        };
        return Err(match (unscheduled, waiting) {
            // The reason first: where there is little room, it is what tells.
            (None, Some(reason)) if !matches!(reason, "ContainerCreating" | "PodInitializing") => {
                format!("waits in {reason}")
            }
            (why, _) => {
                let why = why.or(waiting).unwrap_or_default();
                format!("is {phase}{}", bracketed(why))
            }
        });
    }
    // Before v1.5.0 the operator asked for `Ready`; a readiness gate is all that lies between the two.
    let ready = pod
        .condition("ContainersReady")
        .or_else(|| pod.condition("Ready"))
        .is_some_and(|condition| condition.status == "True");
    if !ready {
        return Err(match waiting {
            Some(reason) => format!("waits in {reason}"),
            None => "is not ready".to_owned(),
        });
    }
    match pod.ip {
        Some(_) => Ok(()),
        None => Err("has no address yet".to_owned()),
    }
}

/// By Kubernetes' word, and by its engine's that it does not load (operator v1.3.1 and later).
///
/// # Errors
/// Why not, as the rest of a sentence about the pod.
pub(super) fn for_operator(node: &Node<'_>, version: Version) -> Result<(), String> {
    by_kubernetes(node)?;
    if node.loading && version >= Version(1, 3, 1) {
        return Err("is loading".to_owned());
    }
    Ok(())
}

/// Since when a pod is not ready, by Kubernetes' word.
pub(super) fn unready_since(node: &Node<'_>) -> Option<Since> {
    let pod = &node.view.pod.value;
    let condition = pod.condition("Ready").filter(|c| c.status != "True");
    condition
        .and_then(|condition| condition.since)
        .or(pod.meta.deleting)
        .map(Since::Exactly)
}
