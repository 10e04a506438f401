#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
use std::sync::Arc;

use super::*;
use crate::checks::acceptance::fixture::{dragonfly, operator, pods};
use crate::checks::roll;
use crate::domain::expected::InstanceName;
use crate::domain::fixture::*;
use crate::domain::object::Dragonfly;
use crate::domain::want::Foreign;
use crate::domain::{Access, Consumer, ConsumerId, Expected, Fact, Kind, Object, Scope};

/// Every answer in a line, in order.
fn lines(standing: &Standing) -> Vec<String> {
    let line = |(subject, kept): (&Subject, &Kept)| {
        let what = kept.finding().map_or("", |found| &found.sentence);
        format!("{subject:?} {}: {} {what}", kept.check.id, kept.rank())
    };
    standing.answers().map(line).collect()
}

fn begun(f: &Fixture, limits: &Limits, now: Timestamp) -> Standing {
    let mut standing = Standing::default();
    standing.begin(&f.world, limits, now);
    standing
}

/// What a change touches, applied to a fixture and to the answers about it.
fn touching(instance: &Fixture) -> Touched {
    Touched {
        instances: [instance.id.clone()].into(),
        news: true,
        ..Touched::default()
    }
}

#[test]
fn nothing_is_asked_before_it_begins() {
    let f = healthy().build();
    let mut standing = Standing::default();
    assert!(!standing.update(&f.world, &touching(&f), &Limits::default(), now()));
    assert!(!standing.is_kept() && lines(&standing).is_empty());
    assert_eq!(standing.next_due(), None);
    assert!(standing.needs(&f.world).wants.is_empty());
}

#[test]
fn it_says_what_a_roll_says_and_goes_on_saying_it_as_things_change() {
    type Change = fn(&mut Fixture) -> Touched;
    let limits = Limits::default();
    let mut f = healthy().build();
    let mut standing = begun(&f, &limits, now());
    let cases: [(&str, Change); 6] = [
        ("nothing", |_| Touched::default()),
        ("fewer pods are wanted", |f| {
            dragonfly(f, |df| df.replicas = Some(1));
            touching(f)
        }),
        ("an image floats", |f| {
            pods(f, |_, pod| pod.containers[0].image = "df:latest".into());
            touching(f)
        }),
        ("an operator of one pod comes", |f| {
            operator(f, 1, &["m1"]);
            Touched {
                operators: [infra()].into(),
                links: [infra()].into(),
                ..Touched::default()
            }
        }),
        ("the watch of pods is denied", |f| {
            let access = Access::Denied(crate::domain::Fault::new(
                crate::domain::FaultKind::Forbidden,
                "may not",
            ));
            f.tell(
                Fact::Watched {
                    context: infra(),
                    kind: Kind::Pod,
                    scope: Scope::Cluster,
                    access,
                },
                now(),
            )
        }),
        ("the instance goes", |f| {
            f.tell(
                Fact::Gone {
                    context: infra(),
                    kind: Kind::Dragonfly,
                    namespace: f.id.namespace.clone(),
                    name: f.id.name.clone(),
                },
                now(),
            )
        }),
    ];
    for (name, change) in cases {
        let touched = change(&mut f);
        standing.update(&f.world, &touched, &limits, now());
        assert_eq!(
            lines(&standing),
            lines(&begun(&f, &limits, now())),
            "{name}"
        );
        let told: Vec<String> = roll(&f.world, &limits, now())
            .iter()
            .filter(|entry| entry.verdict != Verdict::NotApplicable)
            .map(|entry| format!("{:?} {}", entry.subject, entry.check.id))
            .collect();
        let mut told = told;
        let mut kept: Vec<String> = standing
            .answers()
            .map(|(subject, kept)| format!("{subject:?} {}", kept.check.id))
            .collect();
        told.sort();
        kept.sort();
        assert_eq!(kept, told, "{name}");
    }
}

#[test]
fn time_alone_changes_an_answer_when_it_falls_due() {
    let f = healthy().build();
    let limits = Limits::default();
    let mut standing = begun(&f, &limits, now());
    let nothing = Touched::default();
    let mut at = now();
    for _ in 0..20 {
        let Some(due) = standing.next_due() else {
            break;
        };
        assert!(due > at, "no endless asking");
        at = due;
        standing.update(&f.world, &nothing, &limits, at);
        let whole = begun(&f, &limits, at);
        let of = |one: &Standing| {
            let all = one
                .answers()
                .map(|(s, k)| (s.clone(), k.check.id, k.rank()));
            all.collect::<Vec<_>>()
        };
        assert_eq!(of(&standing), of(&whole), "at {at}");
    }
    assert!(at > now());
}

#[test]
fn it_is_remembered_since_when_and_how_often_an_answer_turned() {
    let mut f = healthy().build();
    let limits = Limits::default();
    let mut standing = begun(&f, &limits, now());
    let subject = Subject::Instance(f.id.clone());
    let of = |standing: &Standing| standing.of(&subject, "few-replicas").unwrap().clone();
    assert_eq!(of(&standing).turns(now()), 0);
    let later = |seconds: i64| ago(-seconds);
    // Wanted pods: fewer, as many, unknown to us for a while, and so on.
    for (seconds, replicas, turns, flapping) in [
        (10, 1, 1, false),
        (20, 1, 1, false),
        (30, 3, 2, false),
        (40, 1, 3, true),
        (50, 3, 4, true),
    ] {
        dragonfly(&mut f, |df| df.replicas = Some(replicas));
        standing.update(&f.world, &touching(&f), &limits, later(seconds));
        let kept = of(&standing);
        assert_eq!(kept.turns(later(seconds)), turns, "at {seconds}");
        assert_eq!(kept.is_flapping(later(seconds)), flapping, "at {seconds}");
        // Since when the finding is so, the check tells itself: the object was changed before.
        let begun = if replicas == 1 {
            ago(20)
        } else {
            later(seconds)
        };
        assert_eq!(kept.since.at(), begun, "at {seconds}");
    }
    // What is long ago is no flapping.
    let kept = of(&standing);
    assert_eq!(kept.turns(later(60 * REMEMBERED + 35)), 2);
    assert_eq!(kept.turns(later(60 * REMEMBERED + 51)), 0);
    for turn in 0..200 {
        let replicas = if turn % 2 == 0 { 1 } else { 3 };
        dragonfly(&mut f, |df| df.replicas = Some(replicas));
        standing.update(&f.world, &touching(&f), &limits, later(60 + turn));
    }
    assert_eq!(of(&standing).turns.len(), TURNS);
}

#[test]
fn what_was_read_for_one_check_asks_that_check_alone() {
    let mut f = healthy().build();
    let limits = Limits::default();
    let mut standing = begun(&f, &limits, now());
    let subject = Subject::Instance(f.id.clone());
    let want = Want::Objects {
        context: infra(),
        what: Foreign::NetworkPolicy,
        scope: Scope::Namespace(Arc::from("shop")),
    };
    let at = checks_of(&subject)
        .position(|check| check.id == "few-replicas")
        .unwrap();
    let asked = standing.asked.get_mut(&subject).unwrap();
    asked.needs.push((at, want.clone()));
    standing
        .needed
        .insert(want.clone(), [subject.clone()].into());
    assert!(standing.needs(&f.world).wants.contains(&want));
    let before = lines(&standing);
    dragonfly(&mut f, |df| {
        df.replicas = Some(1);
        df.image = Some("df:latest".to_owned());
    });
    let touched = Touched {
        wants: [want].into(),
        ..Touched::default()
    };
    assert!(standing.update(&f.world, &touched, &limits, now()));
    let after = lines(&standing);
    let changed: Vec<&String> = after.iter().filter(|one| !before.contains(one)).collect();
    assert_eq!(changed.len(), 1, "{changed:#?}");
    assert!(changed[0].contains("few-replicas"), "{changed:?}");
}

#[test]
fn a_consumer_is_asked_again_with_its_instance_and_counts_add_up() {
    let f = healthy().build();
    let consumer = Consumer {
        id: ConsumerId {
            context: infra(),
            namespace: Arc::from("web"),
            name: Arc::from("cart"),
        },
        instance: InstanceName::of("shop/orders").unwrap(),
        host: String::new(),
        port: 6379,
        labels: BTreeMap::new(),
        workload: String::new(),
        tenant: String::new(),
        denied: false,
    };
    let limits = Limits {
        expected: Expected {
            consumers: vec![consumer.clone()],
            ..Expected::default()
        },
        ..Limits::default()
    };
    let mut standing = begun(&f, &limits, now());
    let subject = Subject::Consumer(consumer.id);
    assert!(standing.asked.contains_key(&subject));
    standing.update(&f.world, &touching(&f), &limits, now());
    assert!(standing.asked.contains_key(&subject));
    let all = roll(&f.world, &limits, now());
    let mut sum = Tally::default();
    for area in Area::ALL {
        let mut wanted = Tally::default();
        for entry in all.iter().filter(|entry| entry.check.area == *area) {
            wanted.count(&entry.verdict);
        }
        let told = standing.tallies().get(area).copied().unwrap_or_default();
        assert_eq!(told, wanted, "{area:?}");
        sum.add(wanted);
    }
    assert_eq!(
        sum.pass + sum.finding + sum.unknown + sum.not_applicable,
        all.len()
    );
}

#[test]
fn a_finding_of_acceptance_lasts_through_edits_of_what_it_is_about() {
    let limits = Limits::default();
    let since = |standing: &Standing, f: &Fixture, check: &str| {
        let subject = Subject::Instance(f.id.clone());
        standing.of(&subject, check).unwrap().since.at()
    };
    let edited = |f: &mut Fixture, at: Timestamp, change: &dyn Fn(&mut Dragonfly)| {
        let held = f
            .world
            .context(&infra())
            .unwrap()
            .dragonflies
            .get("shop", &f.id.name);
        let mut new = (*held.unwrap().value).clone();
        change(&mut new);
        let object = Object::Dragonfly(Arc::new(new));
        f.tell(
            Fact::Seen {
                context: infra(),
                object,
            },
            at,
        )
    };
    let mut f = healthy().build();
    edited(&mut f, ago(20), &|df| df.replicas = Some(1));
    let mut standing = begun(&f, &limits, now());
    assert_eq!(since(&standing, &f, "few-replicas"), ago(20));
    // Another edit, which leaves the finding as it is.
    let touched = edited(&mut f, ago(-10), &|df| df.args.push("--a=1".to_owned()));
    standing.update(&f.world, &touched, &limits, ago(-10));
    assert_eq!(since(&standing, &f, "few-replicas"), ago(20), "it went on");
    // What was well in between began anew.
    for (at, replicas) in [(-20, 3), (-30, 1)] {
        let touched = edited(&mut f, ago(at), &|df| df.replicas = Some(replicas));
        standing.update(&f.world, &touched, &limits, ago(at));
    }
    assert_eq!(since(&standing, &f, "few-replicas"), ago(-30), "anew");
    // A rollout makes new pods, which lack the same.
    let before = since(&standing, &f, "memory-limit-missing");
    pods(&mut f, |_, pod| pod.meta.created = Some(ago(25)));
    standing.update(&f.world, &touching(&f), &limits, ago(-40));
    assert_eq!(since(&standing, &f, "memory-limit-missing"), before);
}
