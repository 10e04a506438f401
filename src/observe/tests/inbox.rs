#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::time::Duration;

use futures::FutureExt;

use super::*;
use crate::domain::engine::{Probe, Unanswered};
use crate::domain::fact::{Access, Link};
use crate::domain::object::{Event, Meta, Pod};
use crate::domain::{Fault, FaultKind, Object};

fn c() -> ContextId {
    ContextId::new("c")
}

fn meta(ns: &str, name: &str, uid: &str) -> Meta {
    Meta {
        namespace: Arc::from(ns),
        name: Arc::from(name),
        uid: Arc::from(uid),
        ..Meta::default()
    }
}

fn pod(ns: &str, name: &str, uid: &str) -> Object {
    Object::Pod(Arc::new(Pod {
        meta: meta(ns, name, uid),
        ..Pod::default()
    }))
}

fn seen(ns: &str, name: &str, uid: &str) -> Fact {
    Fact::Seen {
        context: c(),
        object: pod(ns, name, uid),
    }
}

fn gone(ns: &str, name: &str) -> Fact {
    Fact::Gone {
        context: c(),
        kind: Kind::Pod,
        namespace: Arc::from(ns),
        name: Arc::from(name),
    }
}

fn listed(scope: Scope, uid: &str) -> Fact {
    Fact::Listed {
        context: c(),
        kind: Kind::Pod,
        scope,
        objects: vec![pod("ns", "listed", uid)],
    }
}

fn watched(access: Access) -> Fact {
    Fact::Watched {
        context: c(),
        kind: Kind::Pod,
        scope: Scope::Cluster,
        access,
    }
}

fn unwatched(ns: &str) -> Fact {
    Fact::Unwatched {
        context: c(),
        kind: Kind::Pod,
        scope: Scope::Namespace(Arc::from(ns)),
    }
}

fn pinged(pod: &str, ms: u64) -> Fact {
    Fact::Probed {
        node: NodeId::new(c(), "ns", pod),
        uid: Arc::from("1"),
        probe: Probe::Ping {
            took: Duration::from_millis(ms),
            loading: false,
        },
    }
}

fn silent(pod: &str, question: Option<Question>) -> Fact {
    Fact::Silent {
        node: NodeId::new(c(), "ns", pod),
        uid: Arc::from("1"),
        unanswered: Unanswered {
            question,
            fault: Fault::new(FaultKind::Timeout, "late"),
        },
    }
}

fn linked(ms: u64) -> Fact {
    Fact::Linked {
        context: c(),
        link: Link::Live {
            rtt: Duration::from_millis(ms),
        },
    }
}

fn out_of(facts: Vec<Fact>) -> Vec<Fact> {
    let (outlet, mut inbox) = inbox();
    for fact in facts {
        outlet.send(fact);
    }
    let mut buf = Vec::new();
    inbox.recv_many(&mut buf, usize::MAX).now_or_never();
    buf
}

#[test]
fn a_later_fact_takes_the_place_of_the_one_that_it_overtakes() {
    let broken = || watched(Access::Broken(Fault::new(FaultKind::Timeout, "x")));
    let ns = || Scope::Namespace(Arc::from("ns"));
    for (name, given, wanted) in [
        (
            "an object keeps its place, so that it is known before its engine answers",
            vec![seen("ns", "a", "1"), pinged("a", 1), seen("ns", "a", "2")],
            vec![seen("ns", "a", "2"), pinged("a", 1)],
        ),
        (
            "an object that is gone was not there",
            vec![seen("ns", "a", "1"), gone("ns", "a")],
            vec![gone("ns", "a")],
        ),
        (
            "objects of one name in two namespaces are two",
            vec![seen("ns", "a", "1"), seen("other", "a", "1")],
            vec![seen("ns", "a", "1"), seen("other", "a", "1")],
        ),
        (
            "an answer goes to the end, so that a silence before it stays before it",
            vec![pinged("a", 1), silent("a", None), pinged("a", 2)],
            vec![silent("a", None), pinged("a", 2)],
        ),
        (
            "a silence overtakes the answer to the same question and no other",
            vec![
                pinged("a", 1),
                silent("a", Some(Question::Ping)),
                silent("a", Some(Question::Role)),
            ],
            vec![
                silent("a", Some(Question::Ping)),
                silent("a", Some(Question::Role)),
            ],
        ),
        (
            "a list makes void what waits of its kind and scope",
            vec![
                seen("ns", "a", "1"),
                broken(),
                gone("ns", "b"),
                listed(Scope::Cluster, "1"),
            ],
            vec![listed(Scope::Cluster, "1")],
        ),
        (
            "a namespace's list leaves other namespaces alone",
            vec![
                seen("other", "a", "1"),
                seen("ns", "a", "1"),
                listed(ns(), "1"),
            ],
            vec![seen("other", "a", "1"), listed(ns(), "1")],
        ),
        (
            "what comes after a list comes after it",
            vec![
                listed(Scope::Cluster, "1"),
                seen("ns", "listed", "2"),
                broken(),
                seen("ns", "listed", "3"),
            ],
            vec![
                listed(Scope::Cluster, "1"),
                seen("ns", "listed", "3"),
                broken(),
            ],
        ),
        (
            "a second list takes the first one's place with all that followed it",
            vec![
                listed(Scope::Cluster, "1"),
                seen("ns", "listed", "2"),
                linked(1),
                listed(Scope::Cluster, "3"),
            ],
            vec![listed(Scope::Cluster, "3"), linked(1)],
        ),
        (
            "a watch that was given up takes its list with it",
            vec![listed(ns(), "1"), seen("ns", "b", "1"), unwatched("ns")],
            vec![unwatched("ns")],
        ),
        (
            "of a link only the last word counts",
            vec![linked(1), linked(2)],
            vec![linked(2)],
        ),
        (
            "opening is never overtaken",
            vec![
                Fact::Opened {
                    context: c(),
                    namespaces: vec![],
                },
                linked(1),
            ],
            vec![
                Fact::Opened {
                    context: c(),
                    namespaces: vec![],
                },
                linked(1),
            ],
        ),
    ] {
        assert_eq!(out_of(given), wanted, "{name}");
    }
}

#[test]
fn a_flood_of_events_is_bounded_and_drops_the_oldest() {
    let event = |i: usize| Fact::Seen {
        context: c(),
        object: Object::Event(Arc::new(Event {
            meta: meta("ns", &format!("e{i}"), "1"),
            ..Event::default()
        })),
    };
    let mut given = vec![seen("ns", "a", "1")];
    given.extend((0..EVENTS + 10).map(event));
    let got = out_of(given);
    assert_eq!(got.len(), EVENTS + 1);
    assert_eq!(got[0], seen("ns", "a", "1"));
    assert_eq!(got[1], event(10));
}

#[tokio::test]
async fn facts_come_in_portions_and_nothing_is_lost_by_giving_up_waiting() {
    let (outlet, mut inbox) = inbox();
    let mut buf = Vec::new();
    assert!(inbox.recv_many(&mut buf, 8).now_or_never().is_none());
    for name in ["a", "b", "c"] {
        outlet.send(seen("ns", name, "1"));
    }
    assert_eq!(inbox.len(), 3);
    assert_eq!(inbox.recv_many(&mut buf, 2).await, 2);
    assert_eq!(inbox.recv_many(&mut buf, 2).await, 1);
    assert_eq!(buf.len(), 3);
    // A waiter wakes when a fact comes from elsewhere, and when the last outlet goes.
    let second = outlet.clone();
    let send = async {
        tokio::task::yield_now().await;
        second.send(seen("ns", "d", "1"));
    };
    let (taken, ()) = tokio::join!(inbox.recv_many(&mut buf, 8), send);
    assert_eq!(taken, 1);
    drop(second);
    assert!(inbox.recv_many(&mut buf, 8).now_or_never().is_none());
    let last = async {
        tokio::task::yield_now().await;
        drop(outlet);
    };
    let (taken, ()) = tokio::join!(inbox.recv_many(&mut buf, 8), last);
    assert_eq!(taken, 0);
}

#[tokio::test]
async fn what_has_arrived_waits_until_it_is_taken() {
    let (outlet, mut inbox) = inbox();
    let mut buf = Vec::new();
    assert!(inbox.arrived().now_or_never().is_none());
    assert_eq!(inbox.take_waiting(&mut buf, 8), 0);
    let send = async {
        for name in ["a", "b", "c"] {
            outlet.send(seen("ns", name, "1"));
        }
    };
    tokio::join!(inbox.arrived(), send);
    // It took nothing, and comes back at once as long as something waits.
    inbox.arrived().await;
    assert_eq!(inbox.take_waiting(&mut buf, 2), 2);
    inbox.arrived().await;
    assert_eq!(inbox.take_waiting(&mut buf, 2), 1);
    assert!(inbox.arrived().now_or_never().is_none());
    drop(outlet);
    inbox.arrived().await;
}
