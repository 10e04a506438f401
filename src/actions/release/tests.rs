#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
use super::*;
use crate::actions::Objects;
use crate::actions::told::{machine, told};
use crate::domain::FaultKind;
use crate::domain::fixture::*;

fn gone() -> NodeSpec {
    replica()
        .unreachable(FaultKind::Timeout, "timed out")
        .on("m1")
}

fn node(ready: &str, since: i64, taints: Value) -> Value {
    json!({
        "metadata": {"uid": "u1", "resourceVersion": "77"},
        "spec": {"taints": taints},
        "status": {"conditions": [
            {"type": "Ready", "status": ready, "lastTransitionTime": ago(since).to_string()},
        ]},
    })
}

#[test]
fn nothing_is_released_without_evidence() {
    let fenced = json!([{"key": OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute"}]);
    let one = |value, renewed| machine("m1", value, renewed);
    for (case, objects, wanted) in [
        (
            "not read",
            Objects::new(),
            "block machine-lost: machine m1 could not be read, so that nothing tells that it is gone (the right to get nodes is needed)",
        ),
        (
            "deleted",
            one(None, None),
            "pass machine-lost: there is no machine m1 any more",
        ),
        (
            "fenced",
            one(Some(node("Unknown", 9, fenced)), Some(9)),
            "pass machine-lost: machine m1 was put out of service by its taint",
        ),
        (
            "not ready for long",
            one(Some(node("Unknown", 400, Value::Null)), Some(400)),
            "warn machine-lost: machine m1 is not ready (Unknown) since 6m40s, longer than the 5m00s that pods are kept there. \
             That is no proof that nothing runs there: be certain that it is off, or cut off from its volumes and clients",
        ),
        (
            "not ready for a moment",
            one(Some(node("Unknown", 50, Value::Null)), Some(90)),
            "block machine-lost: machine m1 is not ready since 50s only: it counts as lost after 5m00s",
        ),
        (
            "ready, and heard of",
            one(Some(node("True", 9_000, Value::Null)), Some(3)),
            "block machine-lost: machine m1 is ready, and its kubelet renewed its Lease 3s ago: delete the pod as usual",
        ),
        (
            "ready by a controller that is down too",
            one(Some(node("True", 9_000, Value::Null)), Some(700)),
            "warn machine-lost: the kubelet of machine m1 has not renewed its Lease for 11m. That is no proof that nothing runs \
             there: be certain that it is off, or cut off from its volumes and clients",
        ),
    ] {
        let f = instance("orders").node(master()).node(gone()).build();
        assert_eq!(
            told(&ACTION, &f, &[("pod", "orders-1")], &objects).gate("machine-lost"),
            wanted,
            "{case}"
        );
    }
}

#[test]
fn a_pod_whose_engine_answers_is_never_released() {
    let lost = machine("m1", None, None);
    let f = instance("orders")
        .node(master())
        .node(replica().on("m1"))
        .build();
    let said = told(&ACTION, &f, &[("pod", "orders-1")], &lost);
    assert_eq!(said.stops(), ["block dead"]);
    assert_eq!(said.unavailable, "every pod answers: none is lost");
    let out_of_reach = master()
        .unreachable(FaultKind::Timeout, "timed out")
        .on("m1");
    let f = instance("orders")
        .node(out_of_reach)
        .node(replica())
        .build();
    assert_eq!(
        told(&ACTION, &f, &[("pod", "orders-0")], &lost).gate("dead"),
        "block dead: orders-1 hears from orders-0: its process lives, out of our reach"
    );
    // The last that holds the data is not given up unasked.
    let f = instance("orders")
        .node(gone())
        .node(replica().full_sync(20, 7))
        .build();
    assert_eq!(
        told(&ACTION, &f, &[("pod", "orders-0")], &lost).stops(),
        ["ask another-copy"]
    );
    let f = instance("orders").node(master()).build();
    assert_eq!(
        told(&ACTION, &f, &[("pod", "orders-7")], &lost).stops(),
        ["block chosen"]
    );
}

#[test]
fn by_force_it_is_this_pod_alone_and_by_taint_the_machine_with_its_other_taints() {
    let f = instance("orders").node(master()).node(gone()).build();
    let others = json!([{"key": "spot", "effect": "NoSchedule"}]);
    let objects = machine("m1", Some(node("Unknown", 400, others)), None);
    let force = told(&ACTION, &f, &[("pod", "orders-1")], &objects)
        .plan
        .unwrap();
    assert!(matches!(
        &force.steps[0].does,
        Does::Delete { grace: Some(0), uid, .. } if &**uid == "uid-orders-1"
    ));
    let taint = told(&ACTION, &f, &[("pod", "orders-1"), ("by", TAINT)], &objects);
    assert!(taint.gate("whole-machine").starts_with("warn"));
    let plan = taint.plan.unwrap();
    let Does::Patch { patch, uid, .. } = &plan.steps[0].does else {
        panic!("{plan:#?}")
    };
    assert_eq!(uid.as_deref(), Some("u1"));
    assert_eq!(
        *patch,
        json!({
            "metadata": {"resourceVersion": "77"},
            "spec": {"taints": [
                {"key": "spot", "effect": "NoSchedule"},
                {"key": OUT_OF_SERVICE, "value": "nodeshutdown", "effect": "NoExecute"},
            ]},
        })
    );
    // Lost races are not run again: what was read is not what is there.
    assert!(!plan.steps[0].repeatable);
    let other = told(
        &ACTION,
        &f,
        &[("pod", "orders-1"), ("by", "magic")],
        &objects,
    );
    assert_eq!(
        other.plan.unwrap_err(),
        "--by is force-delete or out-of-service-taint, and not magic"
    );
}
