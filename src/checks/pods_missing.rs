//! Fewer pods are ready than wanted, and why.

use super::words::{bracketed, counted};
use super::{Answer, Area, Case, Check, Instance, Node, Severity, Shown, Since, Situation, State};
use crate::domain::object::{ContainerEnd, ContainerState};
use crate::domain::text;

/// The check.
pub const CHECK: Check = Check {
    id: "pods-missing",
    area: Area::Instance,
    title: "Pods missing or not ready",
    why: "Every pod that is missing is a replica that cannot take over.",
    reads: "spec.replicas, pods with their conditions and container states",
    next: "See why.\n\
           $ {kubectl} describe pod {pod}",
    situations: &[&MISSING, &STARTING],
    needs: Check::NOTHING,
    run,
};

const MISSING: Situation = Situation {
    id: "pods-missing",
    word: "pods missing",
    class: State::Degraded,
    rule: "fewer pods are ready than wanted, more than 60 s after the instance was made",
    meaning: "There are fewer nodes to fail over to, or none.",
    shown: Shown::By(&["no-room", "oom-killed"]),
    ..Situation::BASE
};

/// Pods that are there for the first time, and start as they should: after a change of size, or in the place of another.
const STARTING: Situation = Situation {
    id: "pods-starting",
    word: "pods starting",
    class: State::Syncing,
    rule: "fewer pods are ready than wanted, and each of the others was made less than 60 s ago and has not ended since",
    meaning: "There are fewer nodes to fail over to until they are ready and in sync.",
    shown: Shown::Not("it passes within seconds; a story changes the size of an instance"),
    ..Situation::BASE
};

/// What to do where a container has run before: what never ran has no former log.
const ENDED: &str = "See why.\n\
    $ {kubectl} describe pod {pod}\n\
    See how its last run ended.\n\
    $ {kubectl} logs {pod} -c dragonfly --previous";
/// What to do where pods do not even exist.
const ABSENT: &str = "See why they are not made.\n\
    $ {kubectl} describe statefulset {name}";

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    if instance.young_until.is_some() {
        return Answer::NOT_APPLICABLE.again(instance.young_until);
    }
    let wanted = instance.wanted();
    let ready = instance.nodes.iter().filter(|n| n.is_ready()).count();
    if ready >= wanted {
        return Answer::PASS;
    }
    let ill: Vec<&Node<'_>> = instance.nodes.iter().filter(|n| !n.is_ready()).collect();
    let mut told: Vec<String> = ill.iter().map(|n| reason(n)).collect();
    let absent = wanted.saturating_sub(instance.nodes.len());
    if absent > 0 {
        told.push(match absent {
            1 => "one pod does not exist".to_owned(),
            n => format!("{n} pods do not exist"),
        });
    }
    if let Some(until) = replaced_until(case, instance, &ill) {
        // One pod after the other is away in a rollout: `rolling-update` speaks for it.
        return Answer::PASS.again(Some(until));
    }
    // A pod that was just made is starting, and what comes after it in order waits for it.
    let starting = ill
        .iter()
        .filter(|n| !n.is_going() && broken(n).is_none())
        .filter_map(|n| n.young_until)
        .min();
    let all_starting = ill
        .iter()
        .all(|n| n.young_until.is_some() && broken(n).is_none());
    let (situation, severity) = match starting {
        Some(_) if all_starting && ill.iter().all(|n| n.view.pod.value.restarts() == 0) => {
            (&STARTING, Severity::Note)
        }
        Some(_) if all_starting => (&MISSING, Severity::Note),
        _ => (&MISSING, Severity::Warning),
    };
    let since = ill
        .iter()
        .filter_map(|n| unready_since(n))
        .min()
        .map_or(Since::Seen(case.now), Since::Exactly);
    let mut finding = case
        .finding(
            &CHECK,
            situation,
            severity,
            format!("{ready} of {wanted} pods are ready: {}", told.join(", ")),
        )
        .next(match ill.first() {
            None => ABSENT,
            Some(first) if !last_end(first).is_empty() => ENDED,
            Some(_) => "",
        })
        .about(
            ill.iter()
                .map(|n| n.name().to_owned())
                .chain(absent_names(instance, absent)),
        )
        .since(since);
    for node in &ill {
        for (text, source) in evidence(node) {
            finding = finding.resting_on(text, source, node.view.pod.changed);
        }
    }
    Answer::from(finding).again(starting)
}

/// Until when the one pod that is not ready is but replaced by a rollout that goes on: it goes, is to be made, or starts.
fn replaced_until(
    case: &Case<'_>,
    instance: &Instance<'_>,
    ill: &[&Node<'_>],
) -> Option<jiff::Timestamp> {
    let until = super::rollout_waiting::goes_on_until(case, instance)?;
    let missing = instance.wanted().saturating_sub(instance.nodes.len());
    match (ill, missing) {
        ([], 1) => Some(until),
        ([one], 0) if one.is_going() => Some(until),
        ([one], 0) if broken(one).is_none() => one.young_until.map(|young| young.min(until)),
        _ => None,
    }
}

/// The names of pods that do not exist, as their StatefulSet will call them.
pub(super) fn absent_names(instance: &Instance<'_>, absent: usize) -> Vec<String> {
    let name = &instance.view.id.name;
    (0..instance.wanted())
        .map(|ordinal| format!("{name}-{ordinal}"))
        .filter(|pod| instance.node(pod).is_none())
        .take(absent)
        .collect()
}

/// Why a pod is not ready, as it is shown: `orders-2 waits in CrashLoopBackOff (last run ended OOMKilled, exit code 137)`.
fn reason(node: &Node<'_>) -> String {
    let name = node.name();
    let pod = &node.view.pod.value;
    if node.is_going() {
        return format!("{name} is being deleted");
    }
    if let Some(broken) = broken(node) {
        return broken;
    }
    match node.container().map(|c| &c.state) {
        Some(ContainerState::Waiting { reason, .. }) if !reason.is_empty() => {
            format!("{name} is starting ({reason})")
        }
        Some(ContainerState::Running { .. }) if node.young_until.is_some() => {
            format!("{name} is starting{}", last_end(node))
        }
        Some(ContainerState::Running { .. }) => {
            let why = pod.condition("Ready").map_or("", |c| c.reason.as_str());
            format!(
                "{name} runs but is not ready{}{}",
                bracketed(why),
                last_end(node)
            )
        }
        _ => format!("{name} is {}", or(&pod.phase, "not running").to_lowercase()),
    }
}

/// The reason, when it is one that does not pass by itself.
pub(super) fn broken(node: &Node<'_>) -> Option<String> {
    let name = node.name();
    let pod = &node.view.pod.value;
    if let Some(scheduled) = pod.condition("PodScheduled")
        && scheduled.status == "False"
    {
        let why = or(&scheduled.message, &scheduled.reason);
        return Some(format!(
            "{name} has no machine{}",
            bracketed(&text::one_line(why))
        ));
    }
    match node.container().map(|c| &c.state) {
        Some(ContainerState::Waiting { reason, .. })
            if reason.contains("BackOff")
                || reason.starts_with("Err")
                || reason.contains("Invalid")
                || reason.contains("Error") =>
        {
            Some(format!("{name} waits in {reason}{}", last_end(node)))
        }
        Some(ContainerState::Ended(end)) => Some(format!("{name} ended {}", ended(end))),
        _ if !pod.reason.is_empty() => Some(format!("{name} is {}", pod.reason)),
        _ if pod.phase == "Failed" => Some(format!("{name} has failed")),
        _ => None,
    }
}

fn last_end(node: &Node<'_>) -> String {
    node.container()
        .and_then(|c| c.last_end.as_ref())
        .map_or(String::new(), |end| {
            format!(" (last run ended {})", ended(end))
        })
}

fn ended(end: &ContainerEnd) -> String {
    format!(
        "{}, exit code {}",
        or(&end.reason, "without a reason"),
        end.exit
    )
}

fn or<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

fn unready_since(node: &Node<'_>) -> Option<jiff::Timestamp> {
    let pod = &node.view.pod.value;
    let unready = pod
        .condition("Ready")
        .filter(|c| c.status != "True")
        .and_then(|c| c.since);
    pod.meta.deleting.or(unready).or(pod.meta.created)
}

fn evidence(node: &Node<'_>) -> Vec<(String, String)> {
    let pod = &node.view.pod.value;
    let mut told = Vec::new();
    for name in ["PodScheduled", "Ready"] {
        if let Some(c) = pod.condition(name).filter(|c| c.status != "True") {
            let text = format!("{name}={} {} {}", c.status, c.reason, c.message);
            told.push((
                text::one_line(&text),
                format!("conditions of pod {}", node.name()),
            ));
        }
    }
    if let Some(ContainerState::Waiting { reason, message }) = node.container().map(|c| &c.state) {
        told.push((
            text::one_line(&format!("waiting: {reason} {message}")),
            format!("container status of pod {}", node.name()),
        ));
    }
    let restarts = pod.restarts();
    if restarts > 0 {
        told.push((
            counted(restarts, "restart", "restarts"),
            format!("container status of pod {}", node.name()),
        ));
    }
    told
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::checks::waiting::tests::rolled;
    use crate::domain::fixture::*;

    #[test]
    fn the_one_pod_that_a_rollout_replaces_is_not_missing() {
        let three = |a: NodeSpec, b: NodeSpec| {
            let spec = instance("orders").node(master()).node(a).node(b);
            rolled(spec, &["old", "new", "old"], "RollingUpdate")
        };
        let young = || replica().young(40).unready();
        for (name, fixture, wanted) in [
            ("it starts", three(young(), replica()), "pass"),
            ("it goes", three(replica(), replica().deleting()), "pass"),
            (
                "two at once",
                three(young(), replica().deleting()),
                "warning degraded: 1 of 3 pods are ready: orders-1 is starting, orders-2 is being deleted",
            ),
            (
                "it starts for long",
                three(replica().young(70).unready(), replica()),
                "warning degraded: 2 of 3 pods are ready: orders-1 runs but is not ready (ContainersNotReady)",
            ),
            (
                "it will not start",
                three(replica().young(40).waiting("ImagePullBackOff"), replica()),
                "warning degraded: 2 of 3 pods are ready: orders-1 waits in ImagePullBackOff",
            ),
        ] {
            assert_eq!(line(&answer_of(&CHECK, &fixture)), wanted, "{name}");
        }
    }

    #[test]
    fn the_reason_is_named() {
        table(
            &CHECK,
            vec![
                ("healthy", healthy(), "pass"),
                (
                    "does not exist",
                    instance("orders").node(master()).node(replica()).wanting(3),
                    "warning degraded: 2 of 3 pods are ready: one pod does not exist",
                ),
                (
                    "crash loop after running out of memory",
                    instance("orders").node(master()).node(
                        replica()
                            .ended("OOMKilled", 137)
                            .waiting("CrashLoopBackOff"),
                    ),
                    "warning degraded: 1 of 2 pods are ready: orders-1 waits in CrashLoopBackOff (last run ended \
                     OOMKilled, exit code 137)",
                ),
                (
                    "no machine",
                    instance("orders").node(master()).node(
                        pending().unschedulable("0/3 nodes are available: 3 Insufficient memory."),
                    ),
                    "warning degraded: 1 of 2 pods are ready: orders-1 has no machine (0/3 nodes are available: 3 \
                     Insufficient memory.)",
                ),
                (
                    "bad image",
                    instance("orders")
                        .node(master())
                        .node(replica().waiting("ImagePullBackOff")),
                    "warning degraded: 1 of 2 pods are ready: orders-1 waits in ImagePullBackOff",
                ),
                (
                    "just made",
                    instance("orders").node(master()).node(pending().young(12)),
                    "note syncing: 1 of 2 pods are ready: orders-1 is starting (ContainerCreating)",
                ),
                (
                    "going",
                    instance("orders").node(master()).node(replica().deleting()),
                    "warning degraded: 1 of 2 pods are ready: orders-1 is being deleted",
                ),
                (
                    "runs but is not ready",
                    instance("orders").node(master()).node(replica().unready()),
                    "warning degraded: 1 of 2 pods are ready: orders-1 runs but is not ready (ContainersNotReady)",
                ),
                (
                    "being made",
                    instance("orders").node(master()).wanting(3).young(20),
                    "n/a",
                ),
                ("more than wanted", healthy().wanting(2), "pass"),
            ],
        );
    }

    #[test]
    fn since_when_is_the_clusters_own_word() {
        let f = instance("orders")
            .node(master())
            .node(replica().unready())
            .build();
        let super::super::Verdict::Finding(finding) = answer_of(&CHECK, &f).verdict else {
            panic!()
        };
        assert_eq!(finding.since, Since::Exactly(ago(40)));
    }
}
