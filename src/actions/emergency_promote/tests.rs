#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
use super::*;
use crate::actions::told::{Told, operator, told};
use crate::domain::FaultKind;
use crate::domain::fixture::*;

fn dead() -> NodeSpec {
    master().unreachable(FaultKind::Timeout, "timed out")
}

fn left(offset: u64) -> NodeSpec {
    replica().cut_off(20).offset(Some(offset))
}

fn said(spec: InstanceSpec, args: &[(&'static str, &str)]) -> Told {
    let mut f = spec.build();
    let objects = operator(&mut f, "v1.6.1", 0, 300);
    told(&ACTION, &f, args, &objects)
}

#[test]
fn it_is_for_an_instance_without_master_and_without_operator() {
    let to = [("to", "orders-1")];
    for (case, spec, stops) in [
        (
            "dead",
            instance("orders").node(dead()).node(left(9)).node(left(9)),
            vec![],
        ),
        (
            "not running",
            instance("orders")
                .node(master().waiting("CrashLoopBackOff"))
                .node(left(9)),
            vec![],
        ),
        (
            "gone",
            instance("orders")
                .node(left(9).follows("10.0.0.99"))
                .node(left(9).follows("10.0.0.99")),
            vec![],
        ),
        (
            "a process that came back with nothing",
            instance("orders")
                .node(master().unlabelled().endpoint(false).keys(0))
                .node(left(9).follows("10.0.0.99")),
            vec![],
        ),
        ("alive", healthy(), vec!["block master-dead"]),
        (
            "out of our reach, and not of a replica's",
            instance("orders").node(dead()).node(replica()),
            vec!["ask link-still-up"],
        ),
        (
            "half of a data set",
            instance("orders")
                .node(dead())
                .node(left(9).offset(None))
                .node(left(9)),
            vec!["block candidate", "ask lower-offset"],
        ),
        (
            "another has more",
            instance("orders").node(dead()).node(left(9)).node(left(12)),
            vec!["ask lower-offset"],
        ),
        (
            "another holds more keys",
            instance("orders")
                .node(dead())
                .node(left(9))
                .node(left(9).keys(2_000)),
            vec!["ask fewer-keys"],
        ),
        (
            "histories that do not compare",
            instance("orders")
                .node(dead())
                .node(left(9))
                .node(left(9).replid("other")),
            vec!["ask one-history"],
        ),
    ] {
        assert_eq!(said(spec, &to).stops(), stops, "{case}");
    }
    let mut f = instance("orders").node(dead()).node(left(9)).build();
    let objects = operator(&mut f, "v1.6.1", 2, 1);
    assert_eq!(
        told(&ACTION, &f, &to, &objects).stops(),
        ["block no-operator"]
    );
}

#[test]
fn who_holds_most_is_offered_first() {
    let all = instance("orders")
        .node(dead())
        .node(left(9))
        .node(left(12))
        .node(left(12).offset(None));
    let offered: Vec<String> = said(all, &[])
        .candidates
        .iter()
        .map(|one| match &one.judged {
            Ok(why) => format!("{}: {why}", one.pod),
            Err(why) => format!("{}, not: {why}", one.pod),
        })
        .collect();
    assert_eq!(
        offered,
        [
            "orders-2: orders-2 has the highest offset, 12",
            "orders-1: orders-1 lacks 3 records that another has: to be accepted as lower-offset",
            "orders-0, not: orders-0 does not answer",
            "orders-3, not: orders-3 has no offset: it never finished a full sync",
        ]
    );
}

#[test]
fn whoever_was_ahead_is_emptied_and_nobody_else() {
    let spec = || {
        instance("orders")
            .node(dead())
            .node(left(9))
            .node(left(12))
            .node(left(7))
    };
    let highest = said(spec(), &[("to", "orders-2")]);
    assert_eq!(
        highest.steps(),
        [
            "have orders-2 follow nobody, and be master",
            "label orders-2 master",
            "take the role label of orders-0",
            "delete pod orders-0, whose process does not answer and could come back as a master",
            "have orders-1 follow orders-2",
            "wait until orders-1 is in stable sync with orders-2",
            "label orders-1 replica, following orders-2",
            "have orders-3 follow orders-2",
            "wait until orders-3 is in stable sync with orders-2",
            "label orders-3 replica, following orders-2",
        ]
    );
    let lower = said(spec(), &[("to", "orders-1")]);
    let twice: Vec<String> = lower
        .steps()
        .into_iter()
        .filter(|words| words.contains("once more"))
        .collect();
    assert_eq!(
        twice,
        [
            "have orders-2 follow orders-1 once more, which makes it a full sync: it may have been ahead"
        ]
    );
    assert!(
        lower
            .plan
            .unwrap()
            .losses
            .contains("What orders-2 may have beyond it is lost")
    );
}

#[test]
fn a_run_that_is_finished_empties_whoever_is_not_noted_to_follow() {
    // The chosen one is master by now, and nobody can tell any more who was ahead of it.
    let spec = instance("orders")
        .node(dead())
        .node(replica().engine_master().endpoint(false))
        .node(replica().follows("10.0.0.2"));
    let again = said(spec, &[("to", "orders-1"), ("resume", "run-1")]);
    assert_eq!(again.stops(), Vec::<&str>::new());
    let steps = again.steps();
    assert_eq!(steps[0], "label orders-1 master");
    assert!(
        steps
            .iter()
            .any(|words| words.starts_with("have orders-2 follow orders-1 once more")),
        "{steps:#?}"
    );
}
