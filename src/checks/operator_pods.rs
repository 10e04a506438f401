//! What the operator's pods are at: how many are ready, why the others are not, and what to do about that.

use super::Case;
use super::words::{bracketed, clock};
use crate::domain::object::{Container, ContainerState, Deployment, Pod};
use crate::domain::world::ContextWorld;

/// Ready pods of the operator; by its Deployments' word where its pods are not followed.
pub(super) fn ready_pods(context: &ContextWorld, pods: bool) -> i64 {
    if pods {
        let ready = context
            .operator_pods
            .iter()
            .filter(|held| held.value.is_ready() && held.value.meta.deleting.is_none());
        i64::try_from(ready.count()).unwrap_or(i64::MAX)
    } else {
        context.operators.iter().map(|held| held.value.ready).sum()
    }
}

/// Why its pods are not ready, each reason before the pods that have it (where they are to be named): where there is little
/// room, long names must not hide it.
pub(super) fn reasons(context: &ContextWorld, named: bool) -> String {
    let mut by_reason: Vec<(String, Vec<&str>)> = Vec::new();
    for held in context.operator_pods.iter() {
        let (why, name) = (why(&held.value), &*held.value.meta.name);
        match by_reason.iter_mut().find(|(known, _)| *known == why) {
            Some((_, names)) => names.push(name),
            None => by_reason.push((why, vec![name])),
        }
    }
    let told: Vec<String> = by_reason
        .iter()
        .map(|(why, names)| match named {
            true => format!("{why}{}", bracketed(&names.join(", "))),
            false => why.clone(),
        })
        .collect();
    told.join(", ")
}

fn why(pod: &Pod) -> String {
    if pod.meta.deleting.is_some() {
        return "being deleted".to_owned();
    }
    let waiting = pod.containers.iter().find_map(|c| match &c.state {
        ContainerState::Waiting { reason, .. } if !reason.is_empty() => Some(reason.as_str()),
        _ => None,
    });
    match waiting {
        Some(reason) => reason.to_owned(),
        None if pod.phase.is_empty() || pod.phase == "Running" => "not ready".to_owned(),
        None => pod.phase.to_lowercase(),
    }
}

/// How long one that starts takes at the most until it has its Lease, seconds: the Lease of a leader that ended lasts so long.
const LEASE: i64 = 15;

/// What to do about pods that are not ready: what they said when they ended, where something ended; else what keeps them from
/// starting, or how they get on.
pub(super) fn why_not_ready(case: &Case<'_>, deployment: &Deployment) -> String {
    let (namespace, name) = (&deployment.meta.namespace, &deployment.meta.name);
    let pods = || case.context.operator_pods.iter().map(|held| &held.value);
    let has_ended = |pod: &Pod| {
        let ended = |c: &Container| {
            let crashes = matches!(&c.state, ContainerState::Waiting { reason, .. } if reason.contains("CrashLoop"));
            crashes || c.last_end.is_some() || matches!(c.state, ContainerState::Ended(_))
        };
        pod.restarts() > 0 || pod.containers.iter().any(ended)
    };
    if pods().any(|pod| has_ended(pod)) {
        return format!(
            "See why it ended.\n$ {{cluster}} -n {namespace} logs deployment/{name} -c manager --previous"
        );
    }
    let started = pods()
        .flat_map(|pod| &pod.containers)
        .filter_map(|container| match &container.state {
            ContainerState::Running { since } => *since,
            _ => None,
        })
        .max();
    match started {
        Some(at) => format!(
            "It was started at {}, and takes up to {LEASE} s to get its Lease: wait for that.\nIf it is not ready then, see what \
             it does.\n$ {{cluster}} -n {namespace} logs deployment/{name} -c manager --tail=100",
            clock(case.context.by_our_clock(at).min(case.now))
        ),
        None => format!(
            "See why its pods do not start.\n$ {{cluster}} -n {namespace} describe pods -l control-plane=controller-manager"
        ),
    }
}
