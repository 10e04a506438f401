//! An engine may do more in its machine than it needs to: as root, by a writable root, by more privileges than it began with.

use crate::checks::acceptance::{ACCEPTED, mend, with_pods};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Node, Severity, Since, Situation};
use crate::domain::object::Security;

/// The check.
pub const CHECK: Check = Check {
    id: "security-lax",
    area: Area::Instance,
    title: "Security context",
    why: "Whoever takes over an engine has what its container may do. A database needs none of it but to write its own volume.",
    reads: "security contexts of the pods and of their container dragonfly",
    next: "Set it in the Dragonfly object, from operator v1.2.0: spec.podSecurityContext with runAsNonRoot true, runAsUser 999 and \
           fsGroup 999 (which is lost otherwise, and with it the right to write the volume), and spec.containerSecurityContext with \
           readOnlyRootFilesystem true, allowPrivilegeEscalation false and capabilities.drop [ALL].",
    situations: &[&LAX],
    needs: Check::NOTHING,
    run,
};

const LAX: Situation = Situation {
    id: "security-lax",
    word: "security lax",
    rule: "an engine's container is privileged (critical), may run as root, has a writable root, may gain privileges, does not drop \
           all capabilities, or its pod has a volume of a claim and no fsGroup",
    meaning: "Clients are served; whoever breaks into an engine gets further than need be.",
    ..ACCEPTED
};

/// What a container should not be allowed to, each in words.
fn lacks(security: &Security) -> Vec<&'static str> {
    let mut lacks = Vec::new();
    let is_other = security.user.is_some_and(|user| user > 0);
    if security.privileged == Some(true) {
        lacks.push("it is privileged");
    }
    if security.user == Some(0) {
        lacks.push("it runs as root");
    } else if security.non_root != Some(true) && !is_other {
        lacks.push("it may run as root (runAsNonRoot)");
    }
    if security.read_only_root != Some(true) {
        lacks.push("its root is writable (readOnlyRootFilesystem)");
    }
    if security.escalation != Some(false) {
        lacks.push("it may gain privileges (allowPrivilegeEscalation)");
    }
    if !security
        .dropped
        .iter()
        .any(|name| name.eq_ignore_ascii_case("all"))
    {
        lacks.push("it keeps capabilities (capabilities.drop)");
    }
    lacks
}

/// The fields of operator v1.2.0 and later that harden it. `runAsUser` is that of the server's image.
fn hardened(id: &crate::domain::InstanceId) -> String {
    let spec = [
        "podSecurityContext:",
        "  runAsNonRoot: true",
        "  runAsUser: 999",
        "  # Whoever sets podSecurityContext loses the operator's own fsGroup, and with it the right to write the volume.",
        "  fsGroup: 999",
        "containerSecurityContext:",
        "  readOnlyRootFilesystem: true",
        "  allowPrivilegeEscalation: false",
        "  privileged: false",
        "  capabilities:",
        "    drop: [\"ALL\"]",
    ];
    mend::dragonfly(
        id,
        &["No more than a database needs, from operator v1.2.0. Every pod starts anew for it."],
        &spec.map(str::to_owned),
    )
}

fn of_node(node: &Node<'_>) -> Vec<&'static str> {
    let pod = &node.view.pod.value;
    let mut lacks = node.container().map_or(Vec::new(), |c| lacks(&c.security));
    if !pod.claims.is_empty() && pod.fs_group.is_none() {
        lacks.push("its volume is not made writable for it (fsGroup)");
    }
    lacks
}

fn run(case: &Case<'_>) -> Answer {
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    if instance.nodes.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    let lax: Vec<(&Node<'_>, Vec<&str>)> = instance
        .nodes
        .iter()
        .map(|node| (node, of_node(node)))
        .filter(|(_, lacks)| !lacks.is_empty())
        .collect();
    let Some((_, of_first)) = lax.iter().max_by_key(|(_, lacks)| lacks.len()) else {
        return Answer::PASS;
    };
    let names: Vec<&str> = lax.iter().map(|(node, _)| node.name()).collect();
    let is_privileged = |(node, _): &(&Node<'_>, Vec<&str>)| {
        node.container()
            .is_some_and(|c| c.security.privileged == Some(true))
    };
    let severity = match lax.iter().any(is_privileged) {
        true => Severity::Critical,
        false => Severity::Warning,
    };
    let mut finding = case
        .finding(
            &CHECK,
            &LAX,
            severity,
            format!(
                "the engine of {} may do more than it needs: {}",
                list(&names),
                list(of_first)
            ),
        )
        .about(names)
        .mended_by(hardened(&instance.view.id));
    let since = lax
        .iter()
        .filter_map(|(node, _)| node.view.pod.value.meta.created)
        .min();
    for (node, lacks) in &lax {
        let source = format!("security contexts of pod {}", node.name());
        finding = finding.resting_on(list(lacks), source, node.view.pod.changed);
    }
    match since {
        Some(at) => finding.since(Since::Exactly(at)).into(),
        None => finding.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;

    fn hardened() -> Security {
        Security {
            non_root: Some(true),
            read_only_root: Some(true),
            escalation: Some(false),
            dropped: vec!["ALL".to_owned()],
            ..Security::default()
        }
    }

    #[test]
    fn nothing_more_than_it_needs_is_wanted() {
        let with = |change: fn(&mut Security)| {
            move |f: &mut _| {
                pods(f, |ordinal, pod| {
                    for container in &mut pod.containers {
                        container.security = hardened();
                        if ordinal == 1 {
                            change(&mut container.security);
                        }
                    }
                });
            }
        };
        let volumes = |group: Option<i64>| {
            move |f: &mut _| {
                pods(f, |_, pod| {
                    pod.claims = vec!["df-orders-0".to_owned()];
                    pod.fs_group = group;
                    for container in &mut pod.containers {
                        container.security = hardened();
                    }
                });
            }
        };
        let one = |lack: &str| {
            format!("warning healthy: the engine of orders-1 may do more than it needs: {lack}")
        };
        table(
            &CHECK,
            &[
                ("hardened", &with(|_| {}), "pass"),
                (
                    "another user than root",
                    &with(|s| (s.non_root, s.user) = (None, Some(999))),
                    "pass",
                ),
                (
                    "as root",
                    &with(|s| s.user = Some(0)),
                    &one("it runs as root"),
                ),
                (
                    "perhaps as root",
                    &with(|s| s.non_root = None),
                    &one("it may run as root (runAsNonRoot)"),
                ),
                (
                    "writable",
                    &with(|s| s.read_only_root = Some(false)),
                    &one("its root is writable (readOnlyRootFilesystem)"),
                ),
                (
                    "escalation",
                    &with(|s| s.escalation = None),
                    &one("it may gain privileges (allowPrivilegeEscalation)"),
                ),
                (
                    "capabilities",
                    &with(|s| s.dropped = vec!["NET_RAW".to_owned()]),
                    &one("it keeps capabilities (capabilities.drop)"),
                ),
                (
                    "privileged",
                    &with(|s| s.privileged = Some(true)),
                    "critical critical: the engine of orders-1 may do more than it needs: it is privileged",
                ),
                ("a volume with its group", &volumes(Some(999)), "pass"),
                (
                    "a volume without",
                    &volumes(None),
                    "warning healthy: the engine of orders-0, orders-1 and orders-2 may do more than it needs: its volume is not made \
                     writable for it (fsGroup)",
                ),
                (
                    "nothing said",
                    &|_| {},
                    "warning healthy: the engine of orders-0, orders-1 and orders-2 may do more than it needs: it may run as root \
                     (runAsNonRoot), its root is writable (readOnlyRootFilesystem), it may gain privileges \
                     (allowPrivilegeEscalation) and it keeps capabilities (capabilities.drop)",
                ),
            ],
        );
    }
}
