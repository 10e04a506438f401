//! An operator at work, away, without a leader or unreadable, as tables.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::checks::fixture::*;
use crate::domain::fixture::*;
use std::sync::Arc;

use crate::checks::Limits;
use crate::domain::fixture::Fixture;
use crate::domain::object::{Condition, Container, ContainerState, Lease, Meta, Pod};
use crate::domain::{Fact, Fault, FaultKind, Object};

fn deployment(replicas: i64, ready: i64) -> Object {
    Object::OperatorDeployment(Arc::new(Deployment {
        meta: Meta {
            namespace: Arc::from("ops"),
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

#[test]
fn a_reason_stands_before_all_pods_that_have_it() {
    let named = |name: &str, waiting| {
        let Object::OperatorPod(mut one) = pod(false, waiting) else {
            panic!("a pod");
        };
        Arc::make_mut(&mut one).meta.name = Arc::from(name);
        Object::OperatorPod(one)
    };
    for (pods, wanted) in [
        (
            vec![
                named("op-a", "CrashLoopBackOff"),
                named("op-b", "CrashLoopBackOff"),
            ],
            "CrashLoopBackOff (op-a, op-b)",
        ),
        (
            vec![named("op-a", "ImagePullBackOff"), named("op-b", "")],
            "ImagePullBackOff (op-a), not ready (op-b)",
        ),
    ] {
        let mut f = healthy().build();
        listed(&mut f, Kind::OperatorDeployment, vec![deployment(2, 0)]);
        listed(&mut f, Kind::OperatorPod, pods);
        let context = f.world.context(&infra()).unwrap();
        assert_eq!(reasons(context, true), wanted);
    }
}

fn lease_renewed(seconds: i64) -> Object {
    Object::OperatorLease(Arc::new(Lease {
        meta: Meta {
            name: Arc::from("31079dea.dragonflydb.io"),
            ..Meta::default()
        },
        holder: Some("operator-x_1234".to_owned()),
        renewed: Some(ago(seconds)),
        duration: Some(15),
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
            "warning degraded: the operator of infra is scaled to 0",
        ),
        (
            vec![deployment(1, 0)],
            vec![pod(false, "CrashLoopBackOff")],
            vec![lease_renewed(3)],
            "warning degraded: no pod of the operator of infra is ready: CrashLoopBackOff (operator-x)",
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
            vec![lease_renewed(90)],
            "warning degraded: the operator of infra has no leader: operator-x does not renew its Lease",
        ),
        (
            // For all we know a clock is behind, and somebody renews it.
            vec![deployment(1, 1)],
            vec![pod(true, "")],
            vec![lease_renewed(40)],
            "pass",
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
    assert_eq!(answer.again_at, Some(ago(-6)));
}

#[test]
fn the_log_of_a_run_that_ended_is_asked_for_only_where_one_did() {
    let with = |reason: &str, restarts: u64, running: bool| {
        let mut one = pod(false, reason);
        if let Object::OperatorPod(pod) = &mut one {
            for container in &mut Arc::make_mut(pod).containers {
                container.restarts = restarts;
                if running {
                    let since = Some(ago(6));
                    container.state = ContainerState::Running { since };
                }
            }
        }
        one
    };
    for (name, pod, wanted) in [
        ("crashes", with("CrashLoopBackOff", 0, false), "--previous"),
        ("was restarted", with("", 1, true), "--previous"),
        (
            "just started",
            with("", 0, true),
            "It was started at 11:59:54 UTC, and takes up to 15 s to get its Lease",
        ),
        (
            "never started",
            with("ImagePullBackOff", 0, false),
            "describe pods",
        ),
    ] {
        let mut f = healthy().build();
        listed(&mut f, Kind::OperatorDeployment, vec![deployment(1, 0)]);
        listed(&mut f, Kind::OperatorPod, vec![pod]);
        let answer = answer_about(&CHECK, &f, &Subject::Operator(infra()));
        let Verdict::Finding(finding) = answer.verdict else {
            panic!("{name}")
        };
        let next = finding.next_step();
        assert!(next.contains(wanted), "{name}: {next}");
        let previous = next.contains("--previous");
        assert_eq!(previous, wanted == "--previous", "{name}: {next}");
    }
}

#[test]
fn the_lease_is_evidence_of_an_operator_that_is_down() {
    let mut f = healthy().build();
    listed(&mut f, Kind::OperatorDeployment, vec![deployment(1, 0)]);
    listed(
        &mut f,
        Kind::OperatorPod,
        vec![pod(false, "CrashLoopBackOff")],
    );
    listed(&mut f, Kind::OperatorLease, vec![lease_renewed(80)]);
    let answer = answer_about(&CHECK, &f, &Subject::Operator(infra()));
    let Verdict::Finding(finding) = answer.verdict else {
        panic!()
    };
    let lease = finding
        .evidence
        .iter()
        .find(|e| e.source.starts_with("Lease"))
        .unwrap();
    assert_eq!(
        (lease.text.as_str(), lease.at),
        (
            "held by operator-x_1234, last renewed at 11:58:40 UTC, lasts 15s: it has expired",
            ago(80)
        )
    );
    assert_eq!(
        finding.next_step(),
        "See why it ended: kubectl --context infra -n ops logs deployment/operator -c manager --previous"
    );
}

#[test]
fn an_instance_is_served_without_it_but_says_that_nobody_would_fail_it_over() {
    for (deployments, wanted) in [
        (vec![deployment(1, 1)], "n/a"),
        (
            vec![deployment(0, 0)],
            "note healthy: nobody would fail it over: the operator of infra is scaled to 0",
        ),
        (
            vec![],
            "note healthy: nobody would fail it over: no operator was found in infra",
        ),
    ] {
        let mut f = healthy().build();
        let pods = deployments.iter().map(|_| pod(true, "")).collect();
        listed(&mut f, Kind::OperatorDeployment, deployments);
        listed(&mut f, Kind::OperatorPod, pods);
        listed(&mut f, Kind::OperatorLease, vec![lease_renewed(3)]);
        assert_eq!(line(&answer_of(&CHECK, &f)), wanted);
        assert_eq!(judgement(&f).state, State::Healthy);
    }
}

#[test]
fn the_role_in_the_settings_says_who_needs_one() {
    let crd = || {
        Object::Crd(Arc::new(crate::domain::object::Crd {
            established: true,
            ..Default::default()
        }))
    };
    for (role, crds, instances, wanted) in [
        (None, vec![], false, "n/a"),
        (
            None,
            vec![crd()],
            false,
            "warning degraded: no operator was found in infra",
        ),
        (Some(false), vec![crd()], false, "n/a"),
        (
            Some(false),
            vec![crd()],
            true,
            "warning degraded: no operator was found in infra",
        ),
        (
            Some(true),
            vec![],
            false,
            "warning degraded: no operator was found in infra, whose role is infra in the settings",
        ),
    ] {
        let mut f = healthy().build();
        for kind in [
            Kind::OperatorDeployment,
            Kind::OperatorPod,
            Kind::OperatorLease,
        ] {
            listed(&mut f, kind, vec![]);
        }
        listed(&mut f, Kind::Crd, crds);
        if !instances {
            listed(&mut f, Kind::Dragonfly, vec![]);
        }
        let limits = Limits {
            operators: role.map(|role| (infra(), role)).into_iter().collect(),
            ..Limits::default()
        };
        let subject = Subject::Operator(infra());
        let case = Case::of(&f.world, &subject, &limits, now()).unwrap();
        assert_eq!(line(&(CHECK.run)(&case)), wanted, "{role:?}");
    }
}

#[test]
fn what_may_not_be_read_is_unknown_and_a_cluster_of_consumers_needs_none() {
    let mut f = healthy().build();
    assert_eq!(
        line(&answer_about(&CHECK, &f, &Subject::Operator(infra()))),
        "note unknown: the operator of infra is still being looked for"
    );
    for kind in [Kind::OperatorDeployment, Kind::OperatorPod] {
        let access = Access::Denied(Fault::new(FaultKind::Forbidden, "deployments is forbidden"));
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
            "warning degraded: no pod of the operator of infra is ready: CrashLoopBackOff (operator-x)",
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
