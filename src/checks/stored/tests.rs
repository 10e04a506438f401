//! What is stored where, as tables.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::domain::engine::{Persistence, Probe, Server};
use crate::domain::fixture::*;
use crate::domain::object::{Condition, Dragonfly, Meta, Object, Snapshot, StatefulSet};
use crate::domain::want::ForeignObject;
use crate::domain::{Fact, FaultKind, Fetched};

const GIB: u64 = 1 << 30;

fn claim(name: &str, asked: u64, real: u64, class: &str) -> Pvc {
    Pvc {
        meta: Meta {
            namespace: Arc::from("shop"),
            name: Arc::from(name),
            labels: [("app".to_owned(), "orders".to_owned())].into(),
            ..Meta::default()
        },
        phase: "Bound".to_owned(),
        requested: Some(asked),
        capacity: Some(real),
        class: Some(class.to_owned()),
        ..Pvc::default()
    }
}

fn stored(
    change: impl FnOnce(&mut Dragonfly),
    templates: &[(&str, u64)],
    claims: Vec<Pvc>,
    classes: Option<Result<Vec<&str>, Fault>>,
) -> Fixture {
    let mut f = instance("orders").node(master()).build();
    let context = f.world.context(&infra()).unwrap();
    let mut dragonfly = (*context.dragonflies.get("shop", "orders").unwrap().value).clone();
    change(&mut dragonfly);
    let set = StatefulSet {
        meta: Meta {
            namespace: Arc::from("shop"),
            name: Arc::from("orders"),
            ..Meta::default()
        },
        claim_templates: templates
            .iter()
            .map(|(name, size)| ((*name).to_owned(), Some(*size)))
            .collect(),
        ..StatefulSet::default()
    };
    let pvcs = claims.into_iter().map(|pvc| Object::Pvc(Arc::new(pvc)));
    for (kind, objects) in [
        (
            Kind::Dragonfly,
            vec![Object::Dragonfly(Arc::new(dragonfly))],
        ),
        (Kind::StatefulSet, vec![Object::StatefulSet(Arc::new(set))]),
        (Kind::Pvc, pvcs.collect()),
    ] {
        f.tell(
            Fact::Listed {
                context: infra(),
                kind,
                scope: Scope::Cluster,
                objects,
            },
            ago(300),
        );
    }
    if let Some(classes) = classes {
        let answer = classes.map(|names| Fetched::Objects {
            objects: names
                .into_iter()
                .map(|name| ForeignObject {
                    meta: Meta {
                        name: Arc::from(name),
                        ..Meta::default()
                    },
                    body: json!({"allowVolumeExpansion": name != "rigid"}),
                })
                .collect(),
            more: false,
        });
        let want = super::classes(&infra());
        f.tell(Fact::Fetched { want, answer }, ago(9));
    }
    f
}

fn wanting(size: u64) -> impl FnOnce(&mut Dragonfly) {
    move |dragonfly| {
        dragonfly.snapshot = Some(Snapshot {
            claim_size: Some(size),
            ..Snapshot::default()
        });
    }
}

/// Every place with its drift, one a line.
fn told(f: &Fixture) -> String {
    let view = f.world.instance(&f.id).unwrap();
    let lines: Vec<String> = places(&view)
        .iter()
        .map(|place| {
            let claim = place.claim.as_deref().unwrap_or("nothing");
            let drift: Vec<String> = drift(view.context, place)
                .into_iter()
                .map(|one| {
                    one.split(": a template")
                        .next()
                        .unwrap_or_default()
                        .to_owned()
                })
                .collect();
            format!("{} {claim}: {}", place.pod, drift.join("; "))
        })
        .collect();
    lines.join("\n")
}

#[test]
fn what_drifted_apart_is_told() {
    let named = |classes: &[&'static str]| Some(Ok(classes.to_vec()));
    let mut pending = claim("df-orders-0", 20 * GIB, 10 * GIB, "fast");
    pending.conditions.push(Condition {
        name: "FileSystemResizePending".to_owned(),
        status: "True".to_owned(),
        ..Condition::default()
    });
    let mut lost = claim("df-orders-0", GIB, GIB, "fast");
    lost.phase = "Lost".to_owned();
    for (name, f, wanted) in [
        (
            "all agree",
            stored(
                wanting(GIB),
                &[("df", GIB)],
                vec![claim("df-orders-0", GIB, GIB, "fast")],
                named(&["fast"]),
            ),
            "orders-0 df-orders-0: ",
        ),
        (
            "nothing is stored",
            stored(|_| {}, &[], vec![], None),
            "orders-0 nothing: ",
        ),
        (
            "wanted larger than the template",
            stored(
                wanting(20 * GIB),
                &[("df", 10 * GIB)],
                vec![claim("df-orders-0", 10 * GIB, 10 * GIB, "fast")],
                None,
            ),
            "orders-0 df-orders-0: the Dragonfly object wants 20 GiB, the StatefulSet's template 10 GiB",
        ),
        (
            "resized by hand, and waiting",
            stored(
                wanting(10 * GIB),
                &[("df", 10 * GIB)],
                vec![pending.clone()],
                named(&["fast"]),
            ),
            "orders-0 df-orders-0: the PVC asks for 20 GiB, the StatefulSet's template 10 GiB: a new pod would get the \
             template's; the PVC asks for 20 GiB, the volume has 10 GiB: the file system grows when the pod starts anew",
        ),
        (
            "a class that does not grow",
            stored(
                wanting(20 * GIB),
                &[("df", 20 * GIB)],
                vec![claim("df-orders-0", 20 * GIB, 10 * GIB, "rigid")],
                named(&["rigid"]),
            ),
            "orders-0 df-orders-0: the PVC asks for 20 GiB, the volume has 10 GiB: its StorageClass does not allow expansion",
        ),
        (
            "added later",
            stored(wanting(GIB), &[], vec![], None),
            "orders-0 df-orders-0: the Dragonfly object wants a claim, the StatefulSet has no template for it; PVC \
             df-orders-0 is not there",
        ),
        (
            "lost, and its class with it",
            stored(wanting(GIB), &[("df", GIB)], vec![lost], named(&["slow"])),
            "orders-0 df-orders-0: the PVC has lost its volume: what was on it is gone; StorageClass fast is not there (any \
             more): the volume stays, but a new one cannot be made",
        ),
        (
            "left over",
            stored(
                wanting(GIB),
                &[("df", GIB)],
                vec![
                    claim("df-orders-0", GIB, GIB, "fast"),
                    claim("df-orders-1", GIB, GIB, "fast"),
                ],
                None,
            ),
            "orders-0 df-orders-0: \n df-orders-1: no pod uses this claim: it is left from a larger or a former instance, and a \
             pod of its name would load what is on it (op#139)",
        ),
        (
            "tiering and a claim of one's own",
            stored(
                |dragonfly| {
                    dragonfly.tiering_size = Some(GIB);
                    dragonfly.snapshot = Some(Snapshot {
                        existing_claim: Some("mine".to_owned()),
                        ..Snapshot::default()
                    });
                },
                &[("tiering", GIB)],
                vec![
                    claim("tiering-orders-0", GIB, GIB, "fast"),
                    claim("mine", GIB, GIB, "fast"),
                ],
                None,
            ),
            "orders-0 tiering-orders-0: \norders-0 mine: ",
        ),
    ] {
        assert_eq!(told(&f), wanted, "{name}");
    }
}

#[test]
fn a_claim_of_ones_own_carries_no_label_of_the_operators() {
    let unlabelled = Pvc {
        meta: Meta {
            namespace: Arc::from("shop"),
            name: Arc::from("mine"),
            ..Meta::default()
        },
        ..claim("mine", GIB, GIB, "fast")
    };
    for (listed, wanted, shown) in [
        (None, "orders-0 mine: ", 0),
        (Some(vec![]), "orders-0 mine: PVC mine is not there", 0),
        (Some(vec![unlabelled]), "orders-0 mine: ", 1),
    ] {
        let mut f = stored(
            |dragonfly| {
                dragonfly.snapshot = Some(Snapshot {
                    existing_claim: Some("mine".to_owned()),
                    ..Snapshot::default()
                });
            },
            &[],
            vec![],
            None,
        );
        if let Some(claims) = listed {
            let objects = claims
                .into_iter()
                .map(|pvc| Object::ExistingPvc(Arc::new(pvc)));
            f.tell(
                Fact::Listed {
                    context: infra(),
                    kind: Kind::ExistingPvc,
                    scope: Scope::Namespace(Arc::from("shop")),
                    objects: objects.collect(),
                },
                ago(9),
            );
        }
        assert_eq!(told(&f), wanted);
        assert_eq!(f.world.instance(&f.id).unwrap().pvcs.len(), shown);
    }
}

#[test]
fn a_class_that_may_not_be_read_is_not_absent() {
    let fault = Fault::new(FaultKind::Forbidden, "may not list storageclasses");
    for (classes, wanted) in [
        (None, Class::Unread),
        (Some(Err(fault.clone())), Class::Untold(&fault)),
        (Some(Ok(vec![])), Class::Absent),
    ] {
        let f = stored(wanting(GIB), &[("df", GIB)], vec![], classes);
        let pvc = claim("df-orders-0", GIB, GIB, "fast");
        let context = f.world.context(&infra()).unwrap();
        assert_eq!(class(context, &pvc), wanted);
    }
}

fn at(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_second()
}

#[test]
fn a_snapshot_is_held_against_its_schedule() {
    let hourly = "0 * * * *";
    let saved = |text: &str| Persistence {
        last_save: Some(at(text)),
        last_file: "dump.dfs".to_owned(),
        ..Persistence::default()
    };
    let never = Persistence {
        last_save: Some(at("2026-01-02T11:59:00Z")),
        ..Persistence::default()
    };
    // It is 12:00 sharp; the snapshot of 12:00 has two minutes yet.
    for (name, cron, said, uptime, wanted) in [
        (
            "none wanted",
            None,
            Some(saved("2026-01-02T11:00:02Z")),
            90_000,
            Age::Unscheduled,
        ),
        (
            "in time",
            Some(hourly),
            Some(saved("2026-01-02T11:00:02Z")),
            90_000,
            Age::Good,
        ),
        (
            "a clock that is behind",
            Some(hourly),
            Some(saved("2026-01-02T10:59:10Z")),
            90_000,
            Age::Good,
        ),
        (
            "one missed",
            Some(hourly),
            Some(saved("2026-01-02T10:00:02Z")),
            90_000,
            Age::Missed,
        ),
        (
            "two missed",
            Some(hourly),
            Some(saved("2026-01-02T09:00:02Z")),
            90_000,
            Age::MissedTwice,
        ),
        (
            "never, for long",
            Some(hourly),
            Some(never.clone()),
            90_000,
            Age::MissedTwice,
        ),
        (
            "never, but young",
            Some(hourly),
            Some(never),
            60,
            Age::Young,
        ),
        ("not told", Some(hourly), None, 90_000, Age::Unknown),
        (
            "no schedule at all",
            Some("x"),
            None,
            90_000,
            Age::Unreadable("it has 1 fields instead of 5".to_owned()),
        ),
    ] {
        let mut f = stored(
            |dragonfly| {
                dragonfly.snapshot = Some(Snapshot {
                    cron: cron.map(str::to_owned),
                    ..Snapshot::default()
                });
            },
            &[],
            vec![],
            None,
        );
        let mut view_node = None;
        if let Some(said) = said {
            f.answers("orders-0", Probe::Persistence(said), now());
            f.answers(
                "orders-0",
                Probe::Server(Server {
                    uptime: Some(uptime),
                    ..Server::default()
                }),
                now(),
            );
            view_node = Some(());
        }
        let view = f.world.instance(&f.id).unwrap();
        let node = view_node.map(|()| &view.nodes[0]);
        assert_eq!(snapshots(&view, node, now()).age, wanted, "{name}");
    }
}

#[test]
fn a_failure_counts_while_no_success_came_after_it() {
    for (saved, failed, wanted) in [
        (100, Some(200), true),
        (200, Some(100), false),
        (100, None, false),
    ] {
        let mut f = stored(|_| {}, &[], vec![], None);
        let said = Persistence {
            last_save: Some(saved),
            last_file: "dump".to_owned(),
            last_failed: failed,
            last_error: "No space left on device".to_owned(),
            ..Persistence::default()
        };
        f.answers("orders-0", Probe::Persistence(said), now());
        let view = f.world.instance(&f.id).unwrap();
        let told = snapshots(&view, Some(&view.nodes[0]), now()).failure;
        assert_eq!(told.is_some(), wanted, "{saved} {failed:?}");
    }
}

#[test]
fn files_pile_up_unless_their_name_is_fixed() {
    for (snapshot, args, wanted) in [
        (true, vec![], true),
        (true, vec!["--dbfilename=dump"], false),
        (true, vec!["--dbfilename", "dump"], false),
        (true, vec!["--dbfilename=dump-{timestamp}"], true),
        (true, vec!["--maxmemory=1gb", "--dbfilename"], true),
        (false, vec![], false),
    ] {
        let f = stored(
            |dragonfly| {
                dragonfly.args = args.iter().map(|arg| (*arg).to_owned()).collect();
                dragonfly.snapshot = snapshot.then(Snapshot::default);
            },
            &[],
            vec![],
            None,
        );
        let view = f.world.instance(&f.id).unwrap();
        assert_eq!(files_pile_up(&view), wanted, "{args:?}");
    }
}

#[test]
fn an_engine_that_has_another_schedule_is_told() {
    let hourly = Some("0 * * * *");
    for (wanted, master_only, replica, has, told) in [
        (hourly, false, false, Some("0 * * * *"), ""),
        (hourly, false, false, None, ""),
        (
            hourly,
            true,
            false,
            Some(""),
            "the engine itself has no schedule",
        ),
        (hourly, true, true, Some(""), ""),
        (
            hourly,
            true,
            true,
            Some("0 * * * *"),
            "where it should have none",
        ),
        (
            hourly,
            false,
            false,
            Some("5 * * * *"),
            "has the schedule 5 * * * *",
        ),
        (None, false, false, Some(""), ""),
        (
            None,
            false,
            false,
            Some("5 * * * *"),
            "where it should have none",
        ),
    ] {
        let mut f = stored(
            |dragonfly| {
                dragonfly.snapshot = Some(Snapshot {
                    cron: wanted.map(str::to_owned),
                    master_only,
                    ..Snapshot::default()
                });
            },
            &[],
            vec![],
            None,
        );
        if replica {
            f.answers(
                "orders-0",
                Probe::Role(crate::domain::engine::RoleReply::Replica {
                    host: "10.0.0.9".to_owned(),
                    port: 9_999,
                    state: crate::domain::engine::LinkState::Online,
                }),
                now(),
            );
        }
        if let Some(has) = has {
            let flags = [("snapshot_cron".to_owned(), has.to_owned())].into();
            let config = crate::domain::engine::Config {
                flags,
                ..Default::default()
            };
            f.answers("orders-0", Probe::Config(config), now());
        }
        let view = f.world.instance(&f.id).unwrap();
        let strays = snapshots(&view, Some(&view.nodes[0]), now()).strays;
        assert!(
            strays.contains(told) && strays.is_empty() == told.is_empty(),
            "{has:?}: {strays}"
        );
    }
}

#[test]
fn a_snapshot_off_its_schedule_is_told_as_such() {
    // It is 12:00 sharp.
    for (cron, saved, took, wanted) in [
        ("0 * * * *", "2026-01-02T11:00:02Z", None, Some(true)),
        ("0 * * * *", "2026-01-02T10:59:10Z", None, Some(true)),
        ("0 * * * *", "2026-01-02T11:20:00Z", None, Some(false)),
        // It began in time.
        ("0 * * * *", "2026-01-02T11:20:00Z", Some(1_190), Some(true)),
        ("*/30 * * * *", "2026-01-02T11:35:11Z", Some(2), Some(false)),
        ("x", "2026-01-02T11:00:02Z", None, None),
    ] {
        let mut f = stored(
            |dragonfly| {
                dragonfly.snapshot = Some(Snapshot {
                    cron: Some(cron.to_owned()),
                    ..Snapshot::default()
                });
            },
            &[],
            vec![],
            None,
        );
        let said = Persistence {
            last_save: Some(at(saved)),
            last_file: "dump.dfs".to_owned(),
            last_save_took: took,
            ..Persistence::default()
        };
        f.answers("orders-0", Probe::Persistence(said), now());
        let view = f.world.instance(&f.id).unwrap();
        let told = snapshots(&view, Some(&view.nodes[0]), now());
        assert_eq!(told.by_schedule, wanted, "{cron} {saved} {took:?}");
    }
}
