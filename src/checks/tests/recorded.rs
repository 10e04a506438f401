//! Every recorded situation of real servers is judged as what it is, by the checks that are about one node: those of
//! memory, snapshots, loading and lost data. What is recorded of replication is none of these.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::checks::fixture::judgement;
use crate::domain::engine::{Probe, Server};
use crate::domain::fixture::*;
use crate::domain::object::Snapshot;
use crate::domain::{Fact, Object};
use crate::wire::fixture::{situation, situations};

/// What this table is about.
const OURS: &[&str] = &[
    "answers-garbled",
    "data-port-unusable",
    "disk-full",
    "empty-master",
    "loading",
    "operator-stalled",
    "out-of-memory",
    "ready-while-loading",
    "replica-loading",
    "rss-guard",
    "save-failed",
    "saving",
    "schedule-lost",
    "slow-engine",
    "snapshot-stale",
    "stale-master",
    "stuck-terminating",
];

/// What is recorded, and what of the table is found; everything else finds none of it.
const FOUND: &[(&str, &[&str])] = &[
    ("bgsave-failed", &["disk-full"]),
    ("loading", &["ready-while-loading"]),
    ("oom", &["out-of-memory"]),
    ("rss-guard", &["rss-guard"]),
    ("save-failed", &["disk-full"]),
    ("saving", &["saving"]),
];

/// An instance of as many nodes as that situation has, the first of them the master.
fn world(name: &str) -> Fixture {
    let nodes = situation(name).nodes;
    let last = nodes.iter().map(|node| node.ordinal).max().unwrap_or(0);
    let mut spec = instance("orders").node(master());
    for _ in 0..last {
        spec = spec.node(replica());
    }
    spec.build()
}

/// What of the table is found.
fn found(f: &Fixture) -> Vec<&'static str> {
    let mut found: Vec<&'static str> = judgement(f)
        .findings
        .iter()
        .map(|finding| finding.situation.id)
        .filter(|id| OURS.contains(id))
        .collect();
    found.sort_unstable();
    found
}

#[test]
fn every_recorded_situation_is_judged_as_what_it_is() {
    let known: BTreeMap<&str, &[&str]> = FOUND.iter().copied().collect();
    let all = situations();
    for name in known.keys() {
        assert!(all.iter().any(|one| one == name), "{name} is not recorded");
    }
    for name in all {
        let mut f = world(&name);
        situation(&name).tell(&mut f, ago(1));
        let wanted = known.get(name.as_str()).copied().unwrap_or(&[]);
        assert_eq!(found(&f), wanted, "{name}");
    }
}

#[test]
fn told_after_a_healthy_one_a_restarted_master_is_empty() {
    for (before, after) in [
        ("healthy", "replication-stopped"),
        ("healthy-v1.40", "replication-stopped-v1.40"),
    ] {
        let mut f = world(after);
        situation(before).tell(&mut f, ago(90));
        assert_eq!(found(&f), [""; 0], "{before}");
        // However long it had been up, the process is a young one now.
        let up = |uptime| {
            Probe::Server(Server {
                uptime: Some(uptime),
                ..Server::default()
            })
        };
        f.answers("orders-0", up(86_400), ago(80));
        f.answers("orders-0", up(3), ago(60));
        situation(after).tell(&mut f, ago(1));
        assert_eq!(found(&f), ["empty-master"], "{after}");
    }
}

#[test]
fn one_that_never_saved_is_stale_once_its_schedule_has_passed() {
    let mut f = world("never-saved");
    let context = f.world.context(&infra()).unwrap();
    let mut dragonfly = (*context.dragonflies.get("shop", "orders").unwrap().value).clone();
    dragonfly.snapshot = Some(Snapshot {
        cron: Some("*/30 * * * *".to_owned()),
        ..Snapshot::default()
    });
    let object = Object::Dragonfly(Arc::new(dragonfly));
    let context = infra();
    f.tell(Fact::Seen { context, object }, ago(60));
    for (uptime, wanted) in [(300, &[][..]), (86_400, &["snapshot-stale"])] {
        let server = Server {
            uptime: Some(uptime),
            ..Server::default()
        };
        f.answers("orders-0", Probe::Server(server), ago(1));
        situation("never-saved").tell(&mut f, ago(1));
        assert_eq!(found(&f), wanted, "up for {uptime} s");
    }
}
