//! The last snapshot is older than its schedule allows, or the node has lost its schedule: a restart of all nodes would
//! load what was true long ago.

use jiff::Timestamp;

use super::stored::{Age, Snapshots, snapshots};
use super::words::list;
use super::{Answer, Area, Case, Check, Node, Severity, Shown, Since, Situation, State};
use crate::domain::engine::Question;
use crate::domain::text;

/// The last one is too old.
pub const STALE: Situation = Situation {
    id: "snapshot-stale",
    word: "snapshot stale",
    class: State::Degraded,
    rule: "two moments of the Dragonfly object's snapshot schedule have passed (the last one by two minutes) without a \
           snapshot of a node that should make them, and it is not saving",
    meaning: "Clients are served. What was written since the last snapshot would be lost if all nodes restarted.",
    accounts_for: &["schedule-lost"],
    shown: Shown::By(&["snapshot-stale"]),
};

/// The engine's own schedule is not the one that it should have.
pub const SCHEDULE_LOST: Situation = Situation {
    id: "schedule-lost",
    word: "schedule lost",
    class: State::Degraded,
    rule: "the Dragonfly object schedules snapshots and CONFIG GET snapshot_cron of a node that should make them is empty",
    meaning: "Clients are served, but no snapshot will be made: operators before v1.6.0 forgot to give a new master its \
              schedule.",
    accounts_for: &[],
    shown: Shown::By(&["schedule-lost"]),
};

/// The check.
pub const CHECK: Check = Check {
    id: "snapshot-stale",
    area: Area::Storage,
    title: "Snapshots not made",
    why: "A schedule that is lost, or saves that do not happen, are seen only when a restart loads what is left.",
    reads: "spec.snapshot, INFO persistence and INFO server of every node, CONFIG GET snapshot_cron",
    next: "See whether it has its schedule.\n\
           $ {redis-cli} CONFIG GET snapshot_cron\n\
           Make a snapshot now.\n\
           $ {redis-cli} BGSAVE",
    situations: &[&STALE, &SCHEDULE_LOST],
    needs: Check::NOTHING,
    run,
};

/// A node whose snapshots are not made.
struct Lacking<'a, 'b> {
    node: &'b Node<'a>,
    known: Snapshots,
    is_stale: bool,
    /// When INFO persistence told it.
    at: Timestamp,
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let snapshot = instance.view.dragonfly.value.snapshot.as_ref();
    let Some(cron) = snapshot.and_then(|snapshot| snapshot.cron.as_deref()) else {
        return Answer::NOT_APPLICABLE;
    };
    let lacking: Vec<Lacking<'_, '_>> = instance
        .nodes
        .iter()
        .filter_map(|node| lacking(case, &instance.view, node))
        .collect();
    if lacking.is_empty() {
        return Answer::PASS;
    }
    let is_stale = lacking.iter().any(|one| one.is_stale);
    let names: Vec<&str> = lacking.iter().map(|one| one.node.name()).collect();
    let have = super::words::has(names.len());
    let lost = lacking
        .iter()
        .any(|one| one.known.engine.as_deref() == Some(""));
    let sentence = match (is_stale, lost) {
        (true, true) => format!(
            "{} {have} no schedule any more and made no snapshot though one is due by '{cron}'",
            list(&names)
        ),
        (true, false) => format!(
            "{} {have} made no snapshot though one is due by '{cron}'",
            list(&names)
        ),
        (false, _) => format!(
            "{} {have} no schedule for snapshots where '{cron}' is wanted",
            list(&names)
        ),
    };
    let situation = match is_stale {
        true => &STALE,
        false => &SCHEDULE_LOST,
    };
    let since = lacking
        .iter()
        .filter_map(|one| one.known.last)
        .min()
        .filter(|_| is_stale)
        .map_or(Since::Seen(case.now), |at| case.exactly(at));
    let mut finding = case
        .finding(&CHECK, situation, Severity::Warning, sentence)
        .about(names)
        .since(since);
    for one in &lacking {
        let name = one.node.name();
        let last = match one.known.last {
            Some(last) => format!("the last snapshot is {} old", text::age(last, case.now)),
            None => "it has saved nothing since it started".to_owned(),
        };
        finding = finding.resting_on(last, format!("INFO persistence of {name}"), one.at);
        let config = one.node.view.engine.and_then(|e| e.config.as_ref());
        if let (Some(engine), Some(config)) = (&one.known.engine, config) {
            finding = finding.resting_on(
                match engine.as_str() {
                    "" => "snapshot_cron is empty".to_owned(),
                    has => format!("snapshot_cron is '{has}'"),
                },
                format!("CONFIG GET of {name}"),
                config.at,
            );
        }
    }
    finding
        .resting_on(
            format!("spec.snapshot.cron is '{cron}'"),
            format!("Dragonfly {}", instance.view.id),
            instance.view.dragonfly.changed,
        )
        .into()
}

fn lacking<'a, 'b>(
    case: &Case<'_>,
    view: &crate::domain::InstanceView<'_>,
    node: &'b Node<'a>,
) -> Option<Lacking<'a, 'b>> {
    let told = node.told(case, Question::Persistence, |e| e.persistence.as_ref())?;
    // One that loads or takes a full sync saves nothing, and one that saves is at it.
    if node.loading || told.value.loading || told.value.saving || node.is_going() {
        return None;
    }
    let known = snapshots(view, Some(&node.view), case.now);
    let is_stale = known.age == Age::MissedTwice;
    let is_lost = known.age != Age::Elsewhere && known.engine.as_deref() == Some("");
    (is_stale || is_lost).then_some(Lacking {
        node,
        known,
        is_stale,
        at: told.at,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::Arc;

    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::engine::{Config, Persistence, Probe, Role, Server};
    use crate::domain::fixture::*;
    use crate::domain::object::Snapshot;
    use crate::domain::{Fact, Object};

    /// A healthy instance with snapshots every half an hour; the master saved so many seconds ago and has that schedule.
    fn scheduled(master_only: bool, saved: Option<i64>, cron: Option<&str>) -> Fixture {
        let mut f = healthy().build();
        let context = f.world.context(&infra()).unwrap();
        let mut dragonfly = (*context.dragonflies.get("shop", "orders").unwrap().value).clone();
        dragonfly.snapshot = Some(Snapshot {
            cron: Some("*/30 * * * *".to_owned()),
            master_only,
            ..Snapshot::default()
        });
        let object = Object::Dragonfly(Arc::new(dragonfly));
        let context = infra();
        f.tell(Fact::Seen { context, object }, ago(60));
        for (pod, saved) in [
            ("orders-0", saved),
            ("orders-1", if master_only { None } else { Some(600) }),
            ("orders-2", if master_only { None } else { Some(600) }),
        ] {
            let said = Persistence {
                last_save: saved.map(|s| ago(s).as_second()),
                last_file: saved.map_or(String::new(), |_| "dump.dfs".to_owned()),
                ..Persistence::default()
            };
            let server = Server {
                uptime: Some(86_400),
                ..Server::default()
            };
            f.answers(pod, Probe::Server(server), ago(1));
            f.answers(pod, Probe::Persistence(said), ago(1));
        }
        if let Some(cron) = cron {
            let flags = [("snapshot_cron".to_owned(), cron.to_owned())];
            let config = Config {
                flags: flags.into(),
                ..Config::default()
            };
            f.answers("orders-0", Probe::Config(config), ago(120));
        }
        f
    }

    #[test]
    fn a_snapshot_older_than_its_schedule_is_told() {
        let none = "orders-0 has made no snapshot though one is due by '*/30 * * * *'";
        for (name, f, wanted) in [
            ("nothing scheduled", healthy().build(), "n/a".to_owned()),
            ("fresh", scheduled(false, Some(600), Some("*/30 * * * *")), "pass".to_owned()),
            ("one moment missed is a delay", scheduled(false, Some(2_400), None), "pass".to_owned()),
            (
                "two moments missed",
                scheduled(false, Some(9 * 3_600), None),
                format!("warning degraded: {none}"),
            ),
            ("never saved, and up for a day", scheduled(true, None, None), format!("warning degraded: {none}")),
            (
                "schedule lost, and its last one is still fresh",
                scheduled(false, Some(600), Some("")),
                "warning degraded: orders-0 has no schedule for snapshots where '*/30 * * * *' is wanted".to_owned(),
            ),
            (
                "schedule lost, and stale",
                scheduled(true, Some(9 * 3_600), Some("")),
                "warning degraded: orders-0 has no schedule any more and made no snapshot though one is due by '*/30 * * * *'"
                    .to_owned(),
            ),
        ] {
            assert_eq!(line(&answer_of(&CHECK, &f)), wanted, "{name}");
        }
    }

    #[test]
    fn replicas_make_none_where_only_the_master_does() {
        let f = scheduled(true, Some(600), None);
        let replica = f.world.instance(&f.id).unwrap();
        assert!(
            replica
                .nodes
                .iter()
                .any(|n| n.label_role() == Some(Role::Replica))
        );
        assert_eq!(line(&answer_of(&CHECK, &f)), "pass");
    }

    #[test]
    fn an_engine_whose_clock_is_hours_behind_is_not_stale_for_that() {
        let mut f = scheduled(false, Some(600 + 7_200), Some("*/30 * * * *"));
        assert_ne!(line(&answer_of(&CHECK, &f)), "pass");
        f.answers("orders-0", Probe::Time(ago(7_200)), ago(0));
        assert_eq!(line(&answer_of(&CHECK, &f)), "pass");
    }
}
