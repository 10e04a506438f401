//! What is waited for, as tables.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::sync::Arc;

use super::*;
use crate::checks::Limits;
use crate::domain::fixture::*;
use crate::domain::object::{Condition, Container, Deployment, Lease, Meta, Object, Pod};
use crate::domain::object::{Dragonfly, Snapshot, StatefulSet};
use crate::domain::{Fact, Fault, Role, Scope};

/// An operator of that version at work, or with no pod ready.
pub fn operator(f: &mut Fixture, version: &str, works: bool) {
    let meta = |name: &str| Meta {
        namespace: Arc::from("op"),
        name: Arc::from(name),
        ..Meta::default()
    };
    let deployment = Deployment {
        meta: meta("op"),
        replicas: 1,
        ready: i64::from(works),
        images: vec![("manager".to_owned(), format!("operator:{version}"))],
        ..Deployment::default()
    };
    let pod = Pod {
        meta: meta("op-1"),
        phase: "Running".to_owned(),
        conditions: vec![Condition {
            name: "Ready".to_owned(),
            status: if works { "True" } else { "False" }.to_owned(),
            ..Condition::default()
        }],
        containers: vec![Container::default()],
        ..Pod::default()
    };
    let lease = Lease {
        meta: meta("31079dea.dragonflydb.io"),
        holder: Some("op-1_x".to_owned()),
        renewed: Some(ago(1)),
        duration: Some(15),
        ..Lease::default()
    };
    for (kind, object) in [
        (
            Kind::OperatorDeployment,
            Object::OperatorDeployment(Arc::new(deployment)),
        ),
        (Kind::OperatorPod, Object::OperatorPod(Arc::new(pod))),
        (Kind::OperatorLease, Object::OperatorLease(Arc::new(lease))),
    ] {
        f.tell(
            Fact::Listed {
                context: infra(),
                kind,
                scope: Scope::Cluster,
                objects: vec![object],
            },
            ago(2),
        );
    }
}

/// That instance under operator v1.6.1, with a StatefulSet of revision `new`, its pods of these revisions, in that phase.
pub fn rolled(spec: InstanceSpec, revisions: &[&str], phase: &str) -> Fixture {
    under(spec, revisions, phase, "v1.6.1")
}

fn under(spec: InstanceSpec, revisions: &[&str], phase: &str, version: &str) -> Fixture {
    let mut f = spec.build();
    operator(&mut f, version, true);
    let set = StatefulSet {
        meta: Meta {
            namespace: Arc::from("shop"),
            name: Arc::from("orders"),
            ..Meta::default()
        },
        update_revision: "new".to_owned(),
        ..StatefulSet::default()
    };
    f.tell(
        Fact::Listed {
            context: infra(),
            kind: Kind::StatefulSet,
            scope: Scope::Cluster,
            objects: vec![Object::StatefulSet(Arc::new(set))],
        },
        ago(600),
    );
    for (ordinal, revision) in revisions.iter().enumerate() {
        let name = format!("orders-{ordinal}");
        let context = f.world.context(&infra()).unwrap();
        let mut pod = (*context.pods.get("shop", &name).unwrap().value).clone();
        pod.meta.labels.insert(
            "controller-revision-hash".to_owned(),
            (*revision).to_owned(),
        );
        see(&mut f, Object::Pod(Arc::new(pod)));
    }
    change(&mut f, |dragonfly| {
        dragonfly.phase = Some(phase.to_owned()).filter(|phase| !phase.is_empty());
    });
    f
}

fn see(f: &mut Fixture, object: Object) {
    let context = infra();
    f.tell(Fact::Seen { context, object }, ago(500));
}

fn change(f: &mut Fixture, how: impl FnOnce(&mut Dragonfly)) {
    let context = f.world.context(&infra()).unwrap();
    let held = context.dragonflies.get("shop", "orders").unwrap();
    let mut dragonfly = (*held.value).clone();
    how(&mut dragonfly);
    see(f, Object::Dragonfly(Arc::new(dragonfly)));
}

/// All that it waits for, one a line.
fn told(f: &Fixture) -> String {
    let limits = Limits::default();
    let subject = Subject::Instance(f.id.clone());
    let case = Case::of(&f.world, &subject, &limits, now()).unwrap();
    let lines: Vec<String> = waiting(&case)
        .into_iter()
        .map(|one| format!("{}: {}", one.gate.word(), one.sentence))
        .collect();
    lines.join("\n")
}

fn steady(spec: InstanceSpec) -> Fixture {
    rolled(spec, &[], "Ready")
}

#[test]
fn a_healthy_instance_is_waited_for_in_nothing() {
    let f = rolled(healthy(), &["new", "new", "new"], "Ready");
    assert_eq!(told(&f), "nothing: all its steps are done");
    let stopped = instance("orders")
        .node(master())
        .node(replica())
        .node(replica().cut_off(90));
    assert_eq!(
        told(&steady(stopped)),
        "nothing: it does not look at replication links, so it will not repair that of orders-2"
    );
}

#[test]
fn without_an_operator_nobody_acts() {
    let mut f = steady(healthy());
    operator(&mut f, "v1.6.1", false);
    assert_eq!(told(&f), "operator: a pod of it to be ready: not ready");
    let mut f = steady(instance("orders").node(master().unready()).node(replica()));
    operator(&mut f, "v1.6.1", false);
    assert_eq!(
        told(&f),
        "operator: a pod of it to be ready: not ready\n\
         election: its own next look: orders-0, labelled master, is not ready, and it would elect orders-1 (the replica with \
         the highest offset, then the lowest ordinal)"
    );
    // Neither has been listed: nothing is said about who is not there.
    assert_eq!(
        told(&healthy().build()),
        "not known: the operator of infra is still being looked for"
    );
}

#[test]
fn what_is_not_reached_or_read_is_not_told() {
    assert_eq!(
        told(&steady(healthy().unreachable())),
        "not known: infra is not reached, so nothing can be told"
    );
    let denied = healthy().source(
        Kind::Pod,
        crate::domain::Access::Denied(Fault::new(FaultKind::Forbidden, "no")),
    );
    assert_eq!(
        told(&steady(denied)),
        "not known: the pods cannot be read, so nothing can be told"
    );
}

#[test]
fn deletion_and_missing_objects_come_first() {
    let mut f = steady(healthy());
    change(&mut f, |dragonfly| dragonfly.meta.deleting = Some(ago(9)));
    assert_eq!(
        told(&f),
        "deletion: nothing any more: the instance is being deleted, and the operator leaves it alone"
    );
    for (phase, wanted) in [
        (
            "",
            "objects: its own first look at the instance: it has made nothing of it yet",
        ),
        (
            "Ready",
            "objects: the StatefulSet, which is not there: it makes it anew at its next look",
        ),
    ] {
        let mut f = rolled(instance("orders").wanting(2), &[], phase);
        f.tell(
            Fact::Listed {
                context: infra(),
                kind: Kind::StatefulSet,
                scope: Scope::Cluster,
                objects: Vec::new(),
            },
            ago(5),
        );
        let told = told(&f);
        assert!(told.starts_with(wanted), "{told}");
    }
}

#[test]
fn a_port_that_does_not_answer_holds_everything_up() {
    let frozen = || {
        instance("orders")
            .node(master())
            .node(
                replica()
                    .heard(60)
                    .falls_silent(Some(Question::Replication), 40),
            )
            .node(replica().unlabelled())
    };
    assert_eq!(
        told(&steady(frozen())),
        "port 9999: port 9999 of orders-1, which does not answer (timed out): the operator fails at it and does nothing else \
         for the instance"
    );
    // A pod that is not ready is not asked by the operator either, and a right that we lack is nothing to it.
    for node in [
        replica().unreachable(FaultKind::Timeout, "late").unready(),
        replica().unreachable(FaultKind::Forbidden, "may not"),
    ] {
        let told = told(&steady(instance("orders").node(master()).node(node)));
        assert!(!told.starts_with("port"), "{told}");
    }
    let untold = replica().unreachable(FaultKind::Forbidden, "may not");
    assert_eq!(
        told(&steady(instance("orders").node(master()).node(untold))),
        "not known: nothing by labels and pods; whether orders-1 took the role of its label is not known"
    );
}

#[test]
fn elections() {
    let unfit = || replica().waiting("CrashLoopBackOff");
    let by_rule = |f: InstanceSpec, version: &str| told(&under(f, &[], "Ready", version));
    for (name, spec, version, wanted) in [
        (
            "nobody can be elected",
            instance("orders")
                .node(master().waiting("CrashLoopBackOff"))
                .node(unfit()),
            "v1.6.1",
            "election: a pod that can be elected: orders-0, labelled master, waits in CrashLoopBackOff; orders-1 waits in \
             CrashLoopBackOff",
        ),
        (
            "a node that loads is no candidate",
            instance("orders")
                .node(pending())
                .node(master().unlabelled().loading()),
            "v1.6.1",
            "election: a pod that can be elected: no pod is labelled master; orders-0 is pending (ContainerCreating) and \
             orders-1 is loading",
        ),
        (
            "before v1.3.1 it is one",
            instance("orders")
                .node(pending())
                .node(master().unlabelled().loading()),
            "v1.3.0",
            "election: its own next look: no pod is labelled master, and it would elect orders-1 (the first that is ready, \
             whatever it holds)",
        ),
        (
            "the highest offset wins",
            instance("orders")
                .node(master().deleting())
                .node(replica().full_sync(1, 3))
                .node(replica()),
            "v1.6.1",
            "election: its own next look: orders-0, labelled master, is being deleted, and it would elect orders-2 (the \
             replica with the highest offset, then the lowest ordinal)",
        ),
        (
            "the lowest ordinal won",
            instance("orders")
                .node(master().unlabelled())
                .node(replica()),
            "v1.5.0",
            "election: its own next look: no pod is labelled master, and it would elect orders-0 (the lowest ordinal that is \
             ready, whatever it holds)",
        ),
        (
            "two are labelled",
            instance("orders").node(master()).node(master()),
            "v1.6.1",
            "election: its own next look: orders-0 and orders-1 are labelled master, so it takes the role from all of them, \
             and elects orders-0",
        ),
        (
            "the label is wrong",
            instance("orders")
                .node(master().engine_replica())
                .node(replica()),
            "v1.6.1",
            "election: its own next look: orders-0, labelled master, is a replica, and it makes it a master",
        ),
        (
            "which older ones do not see",
            instance("orders")
                .node(master().engine_replica())
                .node(replica()),
            "v1.4.0",
            "election: nothing: orders-0, labelled master, is a replica, which operators before v1.5.0 do not look at",
        ),
    ] {
        assert_eq!(by_rule(spec, version), wanted, "{name}");
    }
}

#[test]
fn roles_and_pods() {
    for (name, spec, wanted) in [
        (
            "a role is due",
            instance("orders")
                .node(master())
                .node(replica().unlabelled()),
            "role: its own next look at orders-1, to make it a replica",
        ),
        (
            "a role waits for its pod",
            instance("orders")
                .node(master())
                .node(pending().unschedulable("no room")),
            "role: orders-1 to become ready, so that it gets a role: orders-1 is pending (Unschedulable)",
        ),
        (
            "a pod waits for another",
            instance("orders")
                .node(master())
                .node(replica().unready())
                .wanting(3),
            "pods: 2 of 3 pods are there: the StatefulSet makes the next one only when orders-1 is ready, which is not ready",
        ),
        (
            "pods are being made",
            instance("orders").node(master()).node(replica()).wanting(3),
            "pods: the StatefulSet to make the pods that are missing: 2 of 3 are there",
        ),
        (
            "a replica is not ready",
            instance("orders")
                .node(master())
                .node(replica().waiting("CrashLoopBackOff")),
            "pods: orders-1 to become ready: it waits in CrashLoopBackOff",
        ),
    ] {
        assert_eq!(told(&steady(spec)), wanted, "{name}");
    }
    let mut f = under(
        instance("orders")
            .node(master())
            .node(replica().unlabelled()),
        &[],
        "Ready",
        "v1.4.0",
    );
    change(&mut f, |dragonfly| {
        dragonfly.snapshot = Some(Snapshot {
            master_only: true,
            ..Snapshot::default()
        });
    });
    assert_eq!(
        told(&f),
        "role: its own next look at orders-1, to make it a replica; with enableOnMasterOnly operator v1.4.0 may fail at that \
         (op#498)"
    );
}

#[test]
fn every_gate_of_a_rollout() {
    let rolling = "RollingUpdate";
    let three = |a: NodeSpec, b: NodeSpec, c: NodeSpec| instance("orders").node(a).node(b).node(c);
    for (name, spec, revisions, phase, version, wanted) in [
        (
            "about to begin",
            healthy(),
            ["old", "new", "old"],
            "Ready",
            "v1.6.1",
            "rollout start: its own next look: orders-0 and orders-2 are of an old revision, and it begins a rollout",
        ),
        (
            "kept from beginning",
            healthy(),
            ["old", "new", "new"],
            "Configuring",
            "v1.6.1",
            "rollout start: phase Ready, in which alone it begins a rollout: orders-0 is of an old revision, and the phase is \
             Configuring",
        ),
        (
            "old and not ready",
            three(master(), replica().unready(), replica()),
            ["old", "old", "new"],
            rolling,
            "v1.6.1",
            "rollout gate 1: the successor of orders-1, which is of the old revision and is not ready: it deletes it",
        ),
        (
            "old and loading",
            three(master(), replica().full_sync(9, 1), replica()),
            ["old", "old", "new"],
            rolling,
            "v1.6.1",
            "rollout gate 1: orders-1 to become ready: it is loading",
        ),
        (
            "new and not ready",
            three(master(), replica(), replica().waiting("ImagePullBackOff")),
            ["old", "old", "new"],
            rolling,
            "v1.6.1",
            "rollout gate 1: orders-2 to become ready: it waits in ImagePullBackOff",
        ),
        (
            "without a role",
            three(master(), replica(), replica().unlabelled()),
            ["old", "old", "new"],
            rolling,
            "v1.6.1",
            "rollout gate 1: orders-2 to get its role: it is ready and has none",
        ),
        (
            "too few replicas",
            three(master(), replica(), replica()).wanting(4),
            ["old", "new", "new"],
            rolling,
            "v1.6.1",
            "rollout gate 2: 3 pods labelled replica: there are 2",
        ),
        (
            "not in sync",
            three(master(), replica(), replica().cut_off(30)),
            ["old", "new", "new"],
            rolling,
            "v1.6.1",
            "rollout gate 3: orders-2, new and a replica, to be in stable sync: its link to the master is down",
        ),
        (
            "one is going",
            three(master(), replica().deleting(), replica()),
            ["old", "old", "new"],
            rolling,
            "v1.6.1",
            "rollout gate 4: orders-1 to be gone and come back: it is being deleted",
        ),
        (
            "the next old replica",
            healthy(),
            ["old", "old", "new"],
            rolling,
            "v1.6.1",
            "rollout gate 4: its own next step: it deletes orders-1, an old replica",
        ),
        (
            "all old replicas at once",
            healthy(),
            ["old", "old", "old"],
            rolling,
            "v1.5.0",
            "rollout gate 4: its own next step: it deletes orders-1, an old replica, and all other old replicas with it (op#359)",
        ),
        (
            "the takeover",
            healthy(),
            ["old", "new", "new"],
            rolling,
            "v1.6.1",
            "rollout gate 5: the takeover by orders-1 from orders-0, the last old pod; the operator gives up waiting after 10 s, \
             the server only after 10,000 s (op#582)",
        ),
        (
            "the end",
            healthy(),
            ["new", "new", "new"],
            rolling,
            "v1.6.1",
            "rollout gate 6: its own next look: every pod is of the new revision, and only the phase is to be set",
        ),
    ] {
        let told = told(&under(spec, &revisions, phase, version));
        assert_eq!(told, wanted, "{name}");
    }
    // A wait that is known from an answer is as old as that; one of Kubernetes' as old as its condition.
    let f = rolled(
        three(master(), replica(), replica().waiting("x")),
        &["old", "old", "new"],
        rolling,
    );
    let limits = Limits::default();
    let subject = Subject::Instance(f.id.clone());
    let case = Case::of(&f.world, &subject, &limits, now()).unwrap();
    let first = waiting(&case).remove(0);
    assert_eq!(first.since, Some(Since::Exactly(ago(40))));
    assert_eq!(first.about, ["orders-2"]);
    let _ = Role::Master;
}
