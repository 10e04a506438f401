#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
//! Judgements as a whole, and how the board keeps them.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::checks::fixture::*;
use crate::domain::engine::{LinkState, Probe, Role, Side};
use crate::domain::fixture::*;
use crate::domain::{Access, ContextId, Fact, Fault, FaultKind, Kind, Object, Scope};

#[test]
fn ids_are_unique_and_every_check_explains_itself() {
    let ids: BTreeSet<&str> = ALL.iter().map(|check| check.id).collect();
    assert_eq!(ids.len(), ALL.len());
    for check in ALL {
        assert!(
            check.id.chars().all(|c| c.is_ascii_lowercase() || c == '-'),
            "{}",
            check.id
        );
        assert!(!check.title.is_empty() && check.why.ends_with('.') && !check.reads.is_empty());
    }
}

#[test]
fn states_are_listed_from_best_to_worst() {
    assert!(State::ALL.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(State::ALL.last(), Some(&State::NoMaster));
}

#[test]
fn the_worst_finding_decides() {
    for (name, spec, wanted) in [
        ("healthy", healthy(), State::Healthy),
        ("alone", instance("o").node(master()), State::Healthy),
        (
            "full sync",
            instance("o")
                .node(master())
                .node(replica().full_sync(30, 1)),
            State::Syncing,
        ),
        ("a pod less", healthy().wanting(4), State::Degraded),
        (
            "a silent replica and a pod less",
            instance("o")
                .node(master())
                .node(replica().heard(90))
                .wanting(3),
            State::Unknown,
        ),
        (
            "a pod in a crash loop is no mystery",
            instance("o")
                .node(master())
                .node(replica().waiting("CrashLoopBackOff")),
            State::Degraded,
        ),
        (
            "labels the wrong way round",
            instance("o")
                .node(master().engine_replica())
                .node(replica().engine_master()),
            State::ServiceElsewhere,
        ),
        (
            "two masters",
            instance("o").node(master()).node(replica().engine_master()),
            State::SeveralMasters,
        ),
        (
            "no master",
            instance("o").node(replica()).node(replica()),
            State::NoMaster,
        ),
        (
            "the master is frozen, its replica sees nothing wrong",
            instance("o")
                .node(master().heard(12).falls_silent(None, 10))
                .node(replica()),
            State::Unknown,
        ),
        (
            "nobody may be asked, all looks well by label and endpoint",
            instance("o")
                .node(master().unreachable(FaultKind::Forbidden, "forbidden"))
                .node(replica().unreachable(FaultKind::Forbidden, "forbidden")),
            State::Unknown,
        ),
        (
            "nobody may be asked, and two are labelled",
            instance("o")
                .node(master().unreachable(FaultKind::Forbidden, "forbidden"))
                .node(master().unreachable(FaultKind::Forbidden, "forbidden")),
            State::SeveralMasters,
        ),
        (
            "cut off while all was well",
            healthy().unreachable(),
            State::Unknown,
        ),
        (
            "young and empty",
            instance("o").wanting(3).young(4),
            State::Syncing,
        ),
    ] {
        let judged = judgement(&spec.build());
        assert_eq!(judged.state, wanted, "{name}: {:#?}", judged.findings);
        assert_eq!(
            judged.findings.is_empty(),
            wanted == State::Healthy,
            "{name}"
        );
    }
}

#[test]
fn what_is_still_seen_is_seen_since_it_was_first_seen() {
    let mut f = instance("orders")
        .node(master())
        .node(replica().lagging(20_000))
        .build();
    let limits = Limits::default();
    let subject = Subject::Instance(f.id.clone());
    let mut board = Board::default();
    let touched = Touched {
        instances: [f.id.clone()].into(),
        ..Touched::default()
    };
    assert!(board.update(&f.world, &touched, &limits, now()));
    let since = |board: &Board| board.subject(&subject).unwrap().findings[0].since;
    assert_eq!(since(&board), Since::Seen(now()));
    assert!(
        !board.update(&f.world, &touched, &limits, now()),
        "nothing changed"
    );
    // Twelve seconds later it lags by another figure: still the same finding.
    let later = ago(-12);
    f.answers(
        "orders-0",
        Probe::Replication(crate::domain::Replication {
            replid: None,
            side: Side::Master {
                connected: 1,
                replicas: vec![crate::domain::engine::ReplicaLine {
                    ip: ip(1),
                    port: 6379,
                    state: LinkState::Online,
                    lag: Some(30_000),
                }],
            },
        }),
        later,
    );
    assert!(board.update(&f.world, &touched, &limits, later));
    assert_eq!(since(&board), Since::Seen(now()));
    assert_eq!(since(&board).words(later), "seen for 12s");
}

#[test]
fn time_alone_makes_an_engine_silent() {
    let f = healthy().build();
    let limits = Limits::default();
    let mut board = Board::default();
    let touched = Touched {
        instances: [f.id.clone()].into(),
        ..Touched::default()
    };
    board.update(&f.world, &touched, &limits, now());
    let due = board.next_due().unwrap();
    assert_eq!(due, ago(-29));
    let nothing = Touched::default();
    assert!(!board.update(&f.world, &nothing, &limits, ago(-28)));
    assert_eq!(board.instance(&f.id).unwrap().state, State::Healthy);
    assert!(board.update(&f.world, &nothing, &limits, due));
    assert_eq!(board.instance(&f.id).unwrap().state, State::Unknown);
    assert!(
        board.next_due().is_none_or(|next| next > due),
        "no endless judging"
    );
}

#[test]
fn what_is_gone_is_forgotten() {
    let mut f = healthy().build();
    let limits = Limits::default();
    let mut board = Board::default();
    let all = Touched {
        links: [infra()].into(),
        ..Touched::default()
    };
    board.update(&f.world, &all, &limits, now());
    assert!(board.instance(&f.id).is_some());
    let touched = f.tell(
        Fact::Gone {
            context: infra(),
            kind: Kind::Dragonfly,
            namespace: f.id.namespace.clone(),
            name: f.id.name.clone(),
        },
        now(),
    );
    assert!(board.update(&f.world, &touched, &limits, now()));
    assert!(board.instance(&f.id).is_none());
    // Opened anew, the context has no instance until one is listed again.
    let mut f = healthy().build();
    board.update(&f.world, &all, &limits, now());
    let touched = f.tell(
        Fact::Opened {
            context: infra(),
            namespaces: Vec::new(),
        },
        now(),
    );
    board.update(&f.world, &touched, &limits, now());
    assert!(board.instance(&f.id).is_none());
}

#[test]
fn attention_says_a_cut_off_context_once_and_worst_first() {
    let f = healthy().unreachable().build();
    let mut board = Board::default();
    let all = Touched {
        links: [infra()].into(),
        ..Touched::default()
    };
    board.update(&f.world, &all, &Limits::default(), now());
    assert_eq!(board.instance(&f.id).unwrap().state, State::Unknown);
    let sentences: Vec<&str> = board
        .attention(&f.world)
        .iter()
        .map(|f| f.sentence.as_str())
        .collect();
    assert_eq!(
        sentences,
        ["infra is not reachable (dial timeout); nothing there is being watched"]
    );
}

#[test]
fn a_context_that_was_never_opened_is_unknown() {
    let subject = Subject::Context(ContextId::new("nowhere"));
    let judged = judge(&World::default(), &subject, &Limits::default(), now());
    assert_eq!((judged.state, judged.applies), (State::Unknown, false));
}

/// Everything that can be the matter with one node.
fn any_node() -> impl Strategy<Value = NodeSpec> {
    let base = prop_oneof![4 => Just(master()), 8 => Just(replica()), 1 => Just(pending())];
    let twist = prop_oneof![
        10 => Just(0_u8),
        1 => 1..22_u8,
    ];
    (base, twist.clone(), twist).prop_map(|(node, a, b)| twisted(twisted(node, a), b))
}

fn twisted(node: NodeSpec, twist: u8) -> NodeSpec {
    match twist {
        1 => node.unlabelled(),
        2 => node.engine_master(),
        3 => node.engine_replica(),
        4 => node.unasked(),
        5 => node.unreachable(FaultKind::Forbidden, "forbidden"),
        6 => node.heard(12).falls_silent(None, 10),
        7 => node
            .heard(12)
            .falls_silent(Some(crate::domain::engine::Question::Replication), 10),
        8 => node.heard(31),
        9 => node.unready(),
        10 => node.young(10),
        11 => node.deleting(),
        12 => node.waiting("CrashLoopBackOff"),
        13 => node.full_sync(30, 100),
        14 => node.cut_off(30),
        15 => node.cut_off(2),
        16 => node.listed(None),
        17 => node.listed(Some(LinkState::Preparation)),
        18 => node.follows("10.7.7.7"),
        19 => node.loading(),
        20 => node.endpoint(true),
        21 => node.endpoint(false),
        _ => node,
    }
}

fn any_instance() -> impl Strategy<Value = InstanceSpec> {
    let nodes = prop::collection::vec(any_node(), 0..4);
    (nodes, -1..2_i64, 0..24_u8).prop_map(|(nodes, more, twist)| {
        let wanted = i64::try_from(nodes.len()).unwrap() + more;
        let spec = nodes
            .into_iter()
            .fold(instance("orders"), InstanceSpec::node)
            .wanting(wanted.max(0));
        let fault = Fault::new(FaultKind::Refused, "503");
        match twist {
            0 => spec.young(20),
            1 => spec.without_service(),
            2 => spec.sends_to("10.9.9.9"),
            3 => spec.unreachable(),
            4 => spec.source(Kind::Pod, Access::Denied(fault)),
            5 => spec.source(Kind::EndpointSlice, Access::Broken(fault)),
            _ => spec,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// The one promise: healthy is never said of anything else. Told here in other words than the checks use.
    #[test]
    fn healthy_is_said_only_of_what_is_well(spec in any_instance()) {
        let f = spec.build();
        let judged = judgement(&f);
        prop_assert_eq!(judged.findings.is_empty(), judged.state == State::Healthy);
        prop_assert!(judged.again_at.is_none_or(|at| at > now()));
        if judged.state != State::Healthy {
            return Ok(());
        }
        let context = f.world.context(&infra()).unwrap();
        prop_assert!(context.is_live());
        for kind in [Kind::Pod, Kind::EndpointSlice] {
            let access = &context.source(kind, "shop").unwrap().access;
            prop_assert_eq!(access, &Some(Access::Live));
        }
        let view = f.world.instance(&f.id).unwrap();
        let ready = view.nodes.iter().filter(|n| n.pod.value.is_ready() && n.pod.value.meta.deleting.is_none());
        prop_assert!(ready.count() as i64 >= view.wanted().unwrap());
        let masters: Vec<_> = view.engine_masters().filter(|n| n.pod.value.meta.deleting.is_none()).collect();
        prop_assert_eq!(masters.len(), 1);
        prop_assert_eq!(masters[0].label_role(), Some(Role::Master));
        prop_assert_eq!(view.endpoints(), vec![masters[0].id.pod.to_string()]);
        for node in &view.nodes {
            if node.pod.value.meta.deleting.is_some() || !node.pod.value.is_ready() {
                // One more than wanted, or on its way out.
                continue;
            }
            let engine = node.engine.unwrap();
            prop_assert!(engine.heard.unwrap() > ago(30));
            prop_assert!(!engine.silent.contains_key(&None));
            prop_assert!(!engine.persistence.as_ref().unwrap().value.loading);
            if node.id == masters[0].id {
                continue;
            }
            prop_assert_eq!(node.label_role(), Some(Role::Replica));
            let follower = engine.follower().unwrap();
            prop_assert!(follower.link_up && !follower.syncing && follower.offset.is_some());
            prop_assert_eq!(&*follower.host, masters[0].ip().unwrap());
            let line = view.line_for(masters[0], node).unwrap();
            prop_assert_eq!(&line.state, &LinkState::Online);
        }
    }
}

#[test]
fn what_befalls_an_operator_is_told_on_its_instances_at_once() {
    let mut f = healthy().build();
    let limits = Limits::default();
    let mut board = Board::default();
    let mut list = |f: &mut Fixture, kind, objects| {
        let fact = Fact::Listed {
            context: infra(),
            kind,
            scope: Scope::Cluster,
            objects,
        };
        let mut touched = f.tell(fact, ago(1));
        // Only the operator is touched.
        touched.links.clear();
        board.update(&f.world, &touched, &limits, now());
        let judged = board.instance(&f.id);
        judged.map(|j| (j.state, j.findings.len()))
    };
    let id = f.id.clone();
    let operator = || {
        vec![Object::OperatorDeployment(std::sync::Arc::new(
            crate::domain::object::Deployment {
                replicas: 1,
                ready: 1,
                ..Default::default()
            },
        ))]
    };
    list(&mut f, Kind::OperatorPod, vec![]);
    let up = list(&mut f, Kind::OperatorDeployment, operator());
    assert_eq!(up, Some((State::Healthy, 1)), "it has no pod");
    let down = list(&mut f, Kind::OperatorDeployment, vec![]);
    assert_eq!(down, Some((State::Healthy, 1)), "it is gone");
    let finding = &board.instance(&id).unwrap().findings[0];
    assert_eq!(
        finding.sentence,
        "nobody would fail it over: no operator was found in infra"
    );
    // The attention list says it once, as the operator's.
    let told: Vec<&str> = board
        .attention(&f.world)
        .into_iter()
        .map(|finding| finding.sentence.as_str())
        .filter(|sentence| sentence.contains("no operator"))
        .collect();
    assert_eq!(told, ["no operator was found in infra"]);
}

/// A known cause takes its mere consequences along, and nothing that it does not speak of.
#[test]
fn consequences_become_evidence_of_their_cause() {
    let ids = |f: &Fixture| -> Vec<&str> {
        let judged = judgement(f);
        judged.findings.iter().map(|f| f.situation.id).collect()
    };
    for (case, spec, wanted) in [
        (
            "the pod that crashes is why there is no master",
            instance("orders")
                .node(master().waiting("CrashLoopBackOff"))
                .node(replica()),
            vec!["no-master"],
        ),
        (
            "a pod that does not exist is a thing of its own",
            instance("orders")
                .node(master().waiting("CrashLoopBackOff"))
                .node(replica())
                .wanting(3),
            vec!["no-master", "pods-missing"],
        ),
        (
            "a node that lags is no consequence of another that is cut off",
            instance("orders")
                .node(master())
                .node(replica().cut_off(30))
                .node(replica().lagging(20_000)),
            vec!["link-down", "lag-high"],
        ),
    ] {
        assert_eq!(ids(&spec.build()), wanted, "{case}");
    }
    let f = instance("orders")
        .node(master().waiting("CrashLoopBackOff"))
        .node(replica())
        .build();
    let judged = judgement(&f);
    let evidence = &judged.findings.first().unwrap().evidence;
    assert!(
        evidence
            .iter()
            .any(|fact| fact.source == "pods-missing, its consequence"),
        "{evidence:?}"
    );
}

#[test]
fn what_was_seen_before_a_cluster_was_lost_is_told_as_it_was_told_then() {
    let lost = healthy().unreachable().build();
    let subject = Subject::Instance(lost.id.clone());
    let limits = Limits::default();
    let told = |judged: &Judgement| -> Vec<String> {
        let cut = &judged.findings[0];
        let past = cut.evidence.iter().filter(|e| e.at == ago(5));
        past.map(|e| format!("{}: {}", e.source, e.text)).collect()
    };
    // Watched for a while it had grown critical, which nothing but that watching tells.
    let f = instance("orders")
        .node(master())
        .node(replica().lagging(20_000))
        .build();
    let mut before = judge(&f.world, &Subject::Instance(f.id.clone()), &limits, now());
    before.findings[0].short = "lagging for long".to_owned();
    let sentence = before.findings[0].sentence.clone();
    let wanted = [
        "what was seen before: lagging for long when it was last heard".to_owned(),
        format!("lag-high as last seen: {sentence}"),
    ];
    let mut first = judge(&lost.world, &subject, &limits, now());
    first.remember(&before, Some(ago(5)));
    assert_eq!(told(&first), wanted);
    // And so it stays, however often it is judged again meanwhile.
    let mut second = judge(&lost.world, &subject, &limits, now());
    second.remember(&first, Some(ago(5)));
    assert_eq!(told(&second), wanted);
}
