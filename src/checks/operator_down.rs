//! The operator does not work: nobody will elect a master when one is lost.
//!
//! Judged from its Deployment, its pods and its leader Lease. Where none of them may be read, the answer is *unknown*.
//! A cluster without instances and CRD needs none.

use jiff::Timestamp;

use super::case::later;
use super::crd_missing::followed;
use super::words::{bracketed, number};
use super::{Answer, Case, Check, Finding, Severity, Since, State, Subject};
use crate::domain::object::{ContainerState, Deployment, Lease, Pod};
use crate::domain::world::{ContextWorld, Held};
use crate::domain::{Access, Kind, Scope};

/// The check.
pub const CHECK: Check = Check {
    id: "operator-down",
    title: "Operator down",
    why: "Instances go on without it, but no master is replaced, no pod gets a role and no rollout moves.",
    reads: "the operator's Deployment, pods and Lease 31079dea.dragonflydb.io",
    run,
};

fn run(case: &Case<'_>) -> Answer {
    let Subject::Operator(id) = case.subject else {
        return Answer::NOT_APPLICABLE;
    };
    let context = case.context;
    let (deployments, pods) = (
        followed(case, Kind::OperatorDeployment),
        followed(case, Kind::OperatorPod),
    );
    if !deployments && !pods {
        return unreadable(case);
    }
    if context.operators.is_empty() && context.operator_pods.is_empty() {
        if context.dragonflies.is_empty() && context.crds.is_empty() {
            return Answer::NOT_APPLICABLE;
        }
        let refused = [Kind::OperatorDeployment, Kind::OperatorPod]
            .iter()
            .any(|kind| context.is_superseded(*kind, &Scope::Cluster));
        if refused || !context.namespaces.is_empty() {
            let sentence = format!(
                "no operator is in the namespaces that are read in {id}; it may be in another"
            );
            return case
                .finding(&CHECK, Severity::Note, State::Unknown, sentence)
                .into();
        }
        return warning(case, format!("no operator was found in {id}")).into();
    }
    if let Some(held) = context
        .operators
        .iter()
        .find(|held| held.value.replicas == 0)
    {
        let name = &held.value.meta.name;
        return warning(case, format!("the operator {name} of {id} is scaled to 0"))
            .resting_on(
                "spec.replicas is 0",
                format!("Deployment {name}"),
                held.changed,
            )
            .into();
    }
    if ready_pods(context, pods) == 0 {
        return no_pod_is_ready(case).into();
    }
    lease(case)
}

fn warning(case: &Case<'_>, sentence: String) -> Finding {
    case.finding(&CHECK, Severity::Warning, State::Degraded, sentence)
        .meaning("Instances run on, but a lost master will not be replaced.")
}

/// Neither Deployment nor pods are being followed.
fn unreadable(case: &Case<'_>) -> Answer {
    let context = case.context;
    let denied = context.sources.iter().find_map(|((kind, _), source)| {
        let operators = matches!(kind, Kind::OperatorDeployment | Kind::OperatorPod);
        match &source.access {
            Some(Access::Denied(fault) | Access::Broken(fault)) if operators => {
                Some((fault, source.since))
            }
            _ => None,
        }
    });
    let id = &context.id;
    let Some((fault, since)) = denied else {
        let sentence = format!("the operator of {id} is still being looked for");
        return case
            .finding(&CHECK, Severity::Note, State::Unknown, sentence)
            .since(Since::Seen(context.link_since))
            .into();
    };
    let sentence = format!(
        "whether an operator runs in {id} cannot be told{}",
        bracketed(&fault.message)
    );
    case.finding(&CHECK, Severity::Note, State::Unknown, sentence)
        .meaning(fault.hint.clone())
        .since(Since::Seen(since))
        .into()
}

/// Ready pods of the operator; by its Deployments' word where its pods are not followed.
fn ready_pods(context: &ContextWorld, pods: bool) -> i64 {
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

fn no_pod_is_ready(case: &Case<'_>) -> Finding {
    let context = case.context;
    let id = &context.id;
    let reasons: Vec<String> = context
        .operator_pods
        .iter()
        .map(|held| format!("{} {}", held.value.meta.name, why(&held.value)))
        .collect();
    let sentence = if reasons.is_empty() {
        format!("the operator of {id} has no pod")
    } else {
        format!(
            "no pod of the operator of {id} is ready: {}",
            reasons.join(", ")
        )
    };
    let since = context
        .operators
        .iter()
        .filter_map(|held| unavailable_since(&held.value))
        .max()
        .map_or(Since::Seen(case.now), Since::Exactly);
    let mut finding = warning(case, sentence).since(since);
    for held in context.operators.iter() {
        finding = finding.resting_on(
            format!(
                "{} of {} replicas ready",
                held.value.ready, held.value.replicas
            ),
            format!("Deployment {}", held.value.meta.name),
            held.changed,
        );
    }
    for held in context.operator_pods.iter() {
        let restarts = held.value.restarts();
        finding = finding.resting_on(
            format!(
                "{restarts} {}",
                number(usize::from(restarts != 1) + 1, "restart", "restarts")
            ),
            format!("pod {}", held.value.meta.name),
            held.changed,
        );
    }
    finding
}

fn unavailable_since(deployment: &Deployment) -> Option<Timestamp> {
    deployment
        .conditions
        .iter()
        .find(|c| c.name == "Available" && c.status == "False")?
        .since
}

fn why(pod: &Pod) -> String {
    if pod.meta.deleting.is_some() {
        return "is being deleted".to_owned();
    }
    let waiting = pod.containers.iter().find_map(|c| match &c.state {
        ContainerState::Waiting { reason, .. } if !reason.is_empty() => Some(reason.as_str()),
        _ => None,
    });
    match waiting {
        Some(reason) => format!("waits in {reason}"),
        None if pod.phase.is_empty() || pod.phase == "Running" => "is not ready".to_owned(),
        None => format!("is {}", pod.phase.to_lowercase()),
    }
}

/// The leader renews its Lease every two seconds; the newest counts, where leases of older installs lie about.
fn lease(case: &Case<'_>) -> Answer {
    let newest = case
        .context
        .leases
        .iter()
        .filter_map(|held| Some((held.value.renewed?, held)))
        .max_by_key(|(renewed, _)| *renewed);
    let Some((renewed, held)) = newest else {
        // Not permitted, not made yet, or an operator that runs without leader election.
        return Answer::PASS;
    };
    let stale_at = later(renewed, case.limits.lease);
    if stale_at > case.now || !followed(case, Kind::OperatorLease) {
        return Answer::PASS.again(Some(stale_at).filter(|at| *at > case.now));
    }
    stale(case, held, renewed).into()
}

fn stale(case: &Case<'_>, held: &Held<Lease>, renewed: Timestamp) -> Finding {
    let id = &case.context.id;
    let holder = held.value.holder.as_deref().unwrap_or("nobody");
    let pod = holder.split_once('_').map_or(holder, |(pod, _)| pod);
    warning(
        case,
        format!("the operator of {id} has no leader: {pod} does not renew its Lease"),
    )
    .since(Since::Exactly(renewed))
    .resting_on(
        format!("held by {holder}"),
        format!("Lease {}", held.value.meta.name),
        held.changed,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;
    use std::sync::Arc;

    use crate::domain::fixture::Fixture;
    use crate::domain::object::{Condition, Container, Meta};
    use crate::domain::{Fact, Fault, FaultKind, Object};

    fn deployment(replicas: i64, ready: i64) -> Object {
        Object::OperatorDeployment(Arc::new(Deployment {
            meta: Meta {
                name: Arc::from("operator"),
                ..Meta::default()
            },
            replicas,
            ready,
            conditions: vec![Condition {
                name: "Available".to_owned(),
                status: if ready > 0 { "True" } else { "False" }.to_owned(),
                since: Some(ago(77)),
                ..Condition::default()
            }],
            ..Deployment::default()
        }))
    }

    fn pod(ready: bool, waiting: &str) -> Object {
        Object::OperatorPod(Arc::new(Pod {
            meta: Meta {
                name: Arc::from("operator-x"),
                ..Meta::default()
            },
            phase: "Running".to_owned(),
            conditions: vec![Condition {
                name: "Ready".to_owned(),
                status: if ready { "True" } else { "False" }.to_owned(),
                ..Condition::default()
            }],
            containers: vec![Container {
                name: "manager".to_owned(),
                state: ContainerState::Waiting {
                    reason: waiting.to_owned(),
                    message: String::new(),
                },
                ..Container::default()
            }],
            ..Pod::default()
        }))
    }

    fn lease_renewed(seconds: i64) -> Object {
        Object::OperatorLease(Arc::new(Lease {
            meta: Meta {
                name: Arc::from("31079dea.dragonflydb.io"),
                ..Meta::default()
            },
            holder: Some("operator-x_1234".to_owned()),
            renewed: Some(ago(seconds)),
            ..Lease::default()
        }))
    }

    fn listed(f: &mut Fixture, kind: Kind, objects: Vec<Object>) {
        f.tell(
            Fact::Listed {
                context: infra(),
                kind,
                scope: Scope::Cluster,
                objects,
            },
            ago(9),
        );
    }

    #[test]
    fn deployment_pods_and_lease_are_heard() {
        for (deployments, pods, leases, wanted) in [
            (
                vec![deployment(1, 1)],
                vec![pod(true, "")],
                vec![lease_renewed(3)],
                "pass",
            ),
            (vec![deployment(1, 1)], vec![pod(true, "")], vec![], "pass"),
            (
                vec![],
                vec![],
                vec![],
                "warning degraded: no operator was found in infra",
            ),
            (
                vec![deployment(0, 0)],
                vec![],
                vec![lease_renewed(300)],
                "warning degraded: the operator operator of infra is scaled to 0",
            ),
            (
                vec![deployment(1, 0)],
                vec![pod(false, "CrashLoopBackOff")],
                vec![lease_renewed(3)],
                "warning degraded: no pod of the operator of infra is ready: operator-x waits in CrashLoopBackOff",
            ),
            (
                vec![deployment(1, 0)],
                vec![],
                vec![],
                "warning degraded: the operator of infra has no pod",
            ),
            (
                vec![deployment(1, 1)],
                vec![pod(true, "")],
                vec![lease_renewed(31)],
                "warning degraded: the operator of infra has no leader: operator-x does not renew its Lease",
            ),
        ] {
            let mut f = healthy().build();
            listed(&mut f, Kind::OperatorDeployment, deployments);
            listed(&mut f, Kind::OperatorPod, pods);
            listed(&mut f, Kind::OperatorLease, leases);
            assert_eq!(
                line(&answer_about(&CHECK, &f, &Subject::Operator(infra()))),
                wanted
            );
        }
    }

    #[test]
    fn a_lease_is_looked_at_again_when_it_would_grow_stale() {
        let mut f = healthy().build();
        listed(&mut f, Kind::OperatorDeployment, vec![deployment(1, 1)]);
        listed(&mut f, Kind::OperatorPod, vec![pod(true, "")]);
        listed(&mut f, Kind::OperatorLease, vec![lease_renewed(3)]);
        let answer = answer_about(&CHECK, &f, &Subject::Operator(infra()));
        assert_eq!(answer.again_at, Some(ago(-27)));
    }

    #[test]
    fn what_may_not_be_read_is_unknown_and_a_cluster_of_consumers_needs_none() {
        let mut f = healthy().build();
        assert_eq!(
            line(&answer_about(&CHECK, &f, &Subject::Operator(infra()))),
            "note unknown: the operator of infra is still being looked for"
        );
        for kind in [Kind::OperatorDeployment, Kind::OperatorPod] {
            let access =
                Access::Denied(Fault::new(FaultKind::Forbidden, "deployments is forbidden"));
            f.tell(
                Fact::Watched {
                    context: infra(),
                    kind,
                    scope: Scope::Cluster,
                    access,
                },
                ago(9),
            );
        }
        assert_eq!(
            line(&answer_about(&CHECK, &f, &Subject::Operator(infra()))),
            "note unknown: whether an operator runs in infra cannot be told (deployments is forbidden)"
        );
        let mut f = healthy().build();
        listed(&mut f, Kind::Dragonfly, vec![]);
        listed(&mut f, Kind::OperatorDeployment, vec![]);
        listed(&mut f, Kind::OperatorPod, vec![]);
        assert_eq!(
            line(&answer_about(&CHECK, &f, &Subject::Operator(infra()))),
            "n/a"
        );
    }

    #[test]
    fn a_refused_cluster_is_no_blindness_where_its_namespace_is_read() {
        let kinds = [
            Kind::OperatorDeployment,
            Kind::OperatorPod,
            Kind::OperatorLease,
        ];
        for (deployments, pods, wanted) in [
            (vec![deployment(1, 1)], vec![pod(true, "")], "pass"),
            (
                vec![deployment(1, 0)],
                vec![pod(false, "CrashLoopBackOff")],
                "warning degraded: no pod of the operator of infra is ready: operator-x waits in CrashLoopBackOff",
            ),
            (
                // Not confined by the reader, so no namespace is written in the context.
                vec![],
                vec![],
                "note unknown: no operator is in the namespaces that are read in infra; it may be in another",
            ),
        ] {
            let mut f = healthy().build();
            for (kind, objects) in kinds.into_iter().zip([deployments, pods, vec![]]) {
                f.tell(
                    Fact::Watched {
                        context: infra(),
                        kind,
                        scope: Scope::Cluster,
                        access: Access::Denied(Fault::new(FaultKind::Forbidden, "forbidden")),
                    },
                    ago(9),
                );
                f.tell(
                    Fact::Listed {
                        context: infra(),
                        kind,
                        scope: Scope::Namespace(Arc::from("dragonfly-system")),
                        objects,
                    },
                    ago(9),
                );
            }
            assert_eq!(
                line(&answer_about(&CHECK, &f, &Subject::Operator(infra()))),
                wanted
            );
        }
    }
}
