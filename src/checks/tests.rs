//! Every recorded situation of replication is judged as what it is; recorded from real servers (see
//! `tests/fixtures/engine/README.md`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod recorded;

use std::collections::BTreeSet;

use super::fixture::judgement;
use super::{Judgement, Limits, Subject, judge};
use crate::domain::comparison::{Compared, Comparison};
use crate::domain::engine::{Keyspace, Probe};
use crate::domain::fixture::*;
use crate::domain::{Fact, Role};
use crate::wire::fixture::{Situation, situation, situations};

/// What is recorded beside replication: judged by other checks.
const OTHERS: &[&str] = &[
    "bgsave-failed",
    "loading",
    "never-saved",
    "oom",
    "rss-guard",
    "save-failed",
    "saved",
    "saving",
];

/// A pod in which the recorded node runs.
fn pod(label: Option<Role>) -> NodeSpec {
    match label {
        Some(Role::Master) => master().unasked(),
        Some(Role::Replica) => replica().unasked(),
        None => replica().unlabelled().unasked(),
    }
}

fn m() -> NodeSpec {
    pod(Some(Role::Master))
}

fn r() -> NodeSpec {
    pod(Some(Role::Replica))
}

/// A pod whose container is being started again.
fn crashed(node: NodeSpec) -> NodeSpec {
    node.ended("Error", 137).waiting("CrashLoopBackOff")
}

/// How long ago a situation is told, in seconds, oldest first.
const LONG: &[i64] = &[30, 20, 12, 6, 1];
const MINUTES: &[i64] = &[80, 60, 40, 20, 10, 1];
const JUST_NOW: &[i64] = &[1];

/// The instance in that situation for that long. Nodes that were not recorded in it answer as in `fill`.
fn tell(spec: InstanceSpec, name: &str, fill: &str, times: &[i64]) -> Fixture {
    let mut f = spec.build();
    for seconds in times {
        let recorded = situation(name);
        let missing = Situation {
            name: fill.to_owned(),
            nodes: situation(fill)
                .nodes
                .into_iter()
                .filter(|n| !recorded.nodes.iter().any(|r| r.ordinal == n.ordinal))
                .filter(|n| f.world.instance(&f.id).unwrap().nodes.len() > n.ordinal)
                .collect(),
        };
        missing.tell(&mut f, ago(*seconds));
        recorded.tell(&mut f, ago(*seconds));
    }
    f
}

/// `word: id id`, the leading one first.
fn found(judgement: &Judgement) -> String {
    let ids: Vec<&str> = judgement.findings.iter().map(|f| f.situation.id).collect();
    format!("{}: {}", judgement.word(), ids.join(" "))
}

#[test]
fn every_recorded_situation_of_replication_is_judged_as_what_it_is() {
    let three = |a, b, c| instance("orders").node(a).node(b).node(c);
    let two = |a, b| instance("orders").node(a).node(b);
    let alone = || instance("orders").node(m());
    let table: Vec<(&str, InstanceSpec, &[i64], &str)> = vec![
        ("healthy", three(m(), r(), r()), LONG, "healthy: "),
        ("healthy-v1.40", three(m(), r(), r()), LONG, "healthy: "),
        ("fresh", alone(), LONG, "healthy: "),
        ("alone", alone(), LONG, "healthy: "),
        // Nothing in INFO tells it.
        (
            "diverged",
            three(r().deleting(), m(), r()).wanting(2),
            LONG,
            "healthy: ",
        ),
        ("partial-sync-done", three(r(), m(), r()), LONG, "healthy: "),
        (
            "frozen-master",
            three(m(), r(), r()),
            LONG,
            "frozen master: frozen-master",
        ),
        (
            "frozen-master-v1.40",
            three(m(), r(), r()),
            LONG,
            "frozen master: frozen-master",
        ),
        // Mute for a moment is not known to be frozen.
        (
            "frozen-master",
            three(m(), r(), r()),
            JUST_NOW,
            "not heard: engine-silent",
        ),
        (
            "frozen-replica",
            three(m(), r(), r()),
            LONG,
            "frozen replica: frozen-replica",
        ),
        (
            "master-dead",
            two(crashed(m()), r()),
            LONG,
            "no master: no-master",
        ),
        (
            "master-dead-v1.40",
            two(crashed(m()), r()),
            LONG,
            "no master: no-master",
        ),
        (
            "replica-dead",
            three(m(), r(), crashed(r())),
            LONG,
            "pods missing: pods-missing",
        ),
        (
            "replica-back-empty",
            three(m(), r(), pod(None).young(10)),
            JUST_NOW,
            "no role yet: role-coming replica-waiting",
        ),
        (
            "replication-stopped",
            three(m(), r(), r()),
            LONG,
            "stopped: replication-stopped",
        ),
        (
            "replication-stopped-v1.40",
            three(m(), r(), r()),
            LONG,
            "stopped: replication-stopped",
        ),
        (
            "full-sync",
            three(m(), r(), r()),
            LONG,
            "full sync 14%: full-sync",
        ),
        // Told by ROLE alone: its INFO replication was not recorded.
        (
            "full-sync-v1.40",
            three(m(), r(), r()),
            LONG,
            "full sync 4%: full-sync",
        ),
        (
            "partial-sync",
            three(r().deleting(), m(), r()).wanting(2),
            JUST_NOW,
            "partial sync: partial-sync",
        ),
        (
            "half-way",
            three(r().deleting(), m(), r()).wanting(2),
            LONG,
            "half-way: replica-half-way",
        ),
        (
            "takeover-wedged",
            three(r(), m(), r()),
            MINUTES,
            "takeover wedged: takeover-wedged",
        ),
        (
            "takeover-wedged-v1.40",
            three(m(), r(), r()),
            MINUTES,
            "takeover wedged: takeover-wedged",
        ),
        (
            "takeover-wedged",
            three(r(), m(), r()),
            LONG,
            "takeover: takeover-in-progress",
        ),
        (
            "takeover-old-master-up",
            three(r(), pod(None), m()),
            LONG,
            "old master up: old-master-up",
        ),
        (
            "takeover-done",
            three(r().deleting(), r(), m()).wanting(2),
            LONG,
            "follows another: follows-another",
        ),
        (
            "takeover-done-repointed",
            three(r(), m(), crashed(r())),
            LONG,
            "pods missing: pods-missing",
        ),
        (
            "takeover-retried",
            three(r(), crashed(r()), crashed(m())),
            LONG,
            "no master: no-master",
        ),
        // The replica that followed the side that came back empty has stopped for good: a thing of its own.
        (
            "split-brain",
            three(m(), m(), r()),
            LONG,
            "split brain: split-brain replication-stopped",
        ),
    ];
    let mut told = BTreeSet::new();
    let mut wrong = Vec::new();
    for (name, spec, times, wanted) in table {
        let fill = if name.ends_with("v1.40") {
            "healthy-v1.40"
        } else {
            "healthy"
        };
        let f = tell(spec, name, fill, times);
        let judged = judgement(&f);
        let is = found(&judged);
        if is != wanted {
            let sentences: Vec<&str> = judged
                .findings
                .iter()
                .map(|f| f.sentence.as_str())
                .collect();
            wrong.push(format!(
                "{name}\n  is     {is}\n  wanted {wanted}\n  {sentences:#?}"
            ));
        }
        for finding in &judged.findings {
            if finding.evidence.is_empty() || finding.meaning.is_empty() {
                wrong.push(format!(
                    "{name}: {} has no evidence or meaning",
                    finding.situation.id
                ));
            }
        }
        told.insert(name.to_owned());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    told.extend(OTHERS.iter().map(|name| (*name).to_owned()));
    let all: BTreeSet<String> = situations().into_iter().collect();
    assert_eq!(told, all);
}

#[test]
fn what_holds_a_takeover_up_is_looked_for_on_the_old_master() {
    for (name, fill, spec, times, old) in [
        (
            "takeover-wedged",
            "healthy",
            instance("orders").node(r()).node(m()).node(r()),
            MINUTES,
            "orders-1",
        ),
        (
            "takeover-wedged",
            "healthy",
            instance("orders").node(r()).node(m()).node(r()),
            LONG,
            "orders-1",
        ),
        (
            "takeover-wedged-v1.40",
            "healthy-v1.40",
            instance("orders").node(m()).node(r()).node(r()),
            MINUTES,
            "orders-0",
        ),
    ] {
        let judged = judgement(&tell(spec, name, fill, times));
        let next = judged.leading().unwrap().next_step();
        assert!(next.contains(&format!(" exec {old} ")), "{name}: {next}");
    }
}

#[test]
fn a_full_sync_tells_its_rate_once_it_is_honest() {
    for (case, (since, heard, keys), later, wanted) in [
        (
            "twenty keys a second for half a minute",
            (40, 29, 100),
            660,
            "orders-1 is in full sync (66 %, 20 keys a second, about 17s left)",
        ),
        (
            "too short to tell",
            (8, 6, 500),
            600,
            "orders-1 is in full sync (60 %)",
        ),
        (
            "the old data is still being thrown away",
            (40, 29, 900),
            600,
            "orders-1 is in full sync (60 %)",
        ),
    ] {
        let node = replica().full_sync(since, keys).heard(heard);
        let mut f = instance("orders").node(master()).node(node).build();
        let probe = Probe::Keyspace(Keyspace {
            keys: later,
            ..Keyspace::default()
        });
        f.answers("orders-1", probe, ago(1));
        let judged = judgement(&f);
        let finding = judged.findings.first().unwrap();
        assert_eq!(finding.sentence, wanted, "{case}");
        assert_eq!(
            finding.short,
            format!("full sync {}%", later / 10),
            "{case}"
        );
    }
}

#[test]
fn diverged_is_known_since_a_comparison_and_until_another_data_set() {
    let outcome = |different, replid: &str| {
        Ok(Comparison {
            master: "orders-0".into(),
            asked: 200,
            sampled: 200,
            every: false,
            too_large: 0,
            keys: Some(1_000),
            replid: Some(replid.to_owned()),
            nodes: vec![Compared {
                pod: "orders-1".into(),
                equal: 200 - different,
                different,
                replid: Some(replid.to_owned()),
                ..Compared::default()
            }],
        })
    };
    for (case, comparisons, wanted) in [
        ("nobody has asked", vec![], "healthy: "),
        ("equal", vec![outcome(0, "c1d276f4")], "healthy: "),
        (
            "three are not the master's",
            vec![outcome(3, "c1d276f4")],
            "diverged: diverged",
        ),
        (
            "equal in the next comparison",
            vec![outcome(3, "c1d276f4"), outcome(0, "c1d276f4")],
            "healthy: ",
        ),
        (
            "the data set was replaced since",
            vec![outcome(3, "older")],
            "healthy: ",
        ),
    ] {
        let mut f = healthy().build();
        for outcome in comparisons {
            let instance = f.id.clone();
            f.tell(Fact::Compared { instance, outcome }, ago(9));
        }
        let judged = judge(
            &f.world,
            &Subject::Instance(f.id.clone()),
            &Limits::default(),
            now(),
        );
        assert_eq!(found(&judged), wanted, "{case}");
    }
}
