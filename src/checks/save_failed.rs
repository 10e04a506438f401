//! The last save of a node failed, or the volume that it saves to is full: a restart would load an older snapshot, or
//! none.
//!
//! `rdb_last_bgsave_status` stays `ok` after a failure (measured, v1.39), so it is told by `last_failed_save` and
//! `last_error`, and by how full the volume is where that was read.

use jiff::Timestamp;

use super::stored::{Snapshots, places, snapshots};
use super::words::{clock, list};
use super::{Answer, Area, Case, Check, Finding, Node, Severity, Shown, Since, Situation, State};
use crate::domain::InstanceView;
use crate::domain::engine::Question;
use crate::domain::text;

/// A volume as full as this is as good as full: the next snapshot does not fit, percent.
const FULL: u64 = 97;

/// A save failed.
pub const FAILED: Situation = Situation {
    id: "save-failed",
    word: "save failed",
    class: State::Degraded,
    rule: "last_failed_save of a node is not older than its last_success_save (rdb_last_bgsave_status stays ok after a failure \
           and is not read)",
    meaning: "Clients are served. What was written since the last good snapshot would be lost if all nodes restarted.",
    accounts_for: &["snapshot-stale"],
    shown: Shown::By(&["save-failed"]),
};

/// The volume is full.
pub const DISK_FULL: Situation = Situation {
    id: "disk-full",
    word: "disk full",
    class: State::Degraded,
    rule: "the last save of a node failed with 'No space left', or the volume of its claim is 97 % full or more (known while \
           the screen Storage or an instance's storage is read)",
    meaning: "Clients are served, but no snapshot can be saved. Snapshots are never deleted unless --dbfilename is a fixed \
              name, so it does not pass by itself.",
    accounts_for: &["save-failed", "snapshot-stale"],
    shown: Shown::By(&["disk-full"]),
};

/// The check.
pub const CHECK: Check = Check {
    id: "save-failed",
    area: Area::Storage,
    title: "Save failed, or no room to save",
    why: "A snapshot that fails is seen nowhere else: the server's own status stays ok, and clients are served.",
    reads: "INFO persistence of every node; how full volumes are, while something shows it",
    next: "See the error.\n\
           $ {kubectl} logs {pod} -c dragonfly --tail=100\n\
           See how full the volume is.\n\
           $ {kubectl} exec {pod} -c dragonfly -- df -h\n\
           Try again.\n\
           $ {redis-cli} BGSAVE",
    situations: &[&FAILED, &DISK_FULL],
    needs: Check::NOTHING,
    run,
};

/// What to do about a full volume.
const MAKE_ROOM: &str = "See old snapshots to delete; a fixed --dbfilename keeps one file only.\n\
    $ {kubectl} exec {pod} -c dragonfly -- ls -l /dragonfly/snapshots\n\
    See how full the volume is.\n\
    $ {kubectl} exec {pod} -c dragonfly -- df -h\n\
    Or enlarge the claim, then try again.\n\
    $ {redis-cli} BGSAVE";

/// A node with trouble to save.
struct Trouble<'a, 'b> {
    node: &'b Node<'a>,
    /// The failure that stands: when, by our clock, and what was said.
    failure: Option<(Timestamp, String)>,
    /// The last good one.
    saved: Option<Timestamp>,
    /// Its volume is full: the claim, percent, and when that was read.
    full: Option<(String, u64, Timestamp)>,
}

impl Trouble<'_, '_> {
    fn is_disk(&self) -> bool {
        let no_space = |(_, error): &(Timestamp, String)| {
            let error = error.to_lowercase();
            error.contains("no space left") || error.contains("disk quota")
        };
        self.full.is_some() || self.failure.as_ref().is_some_and(no_space)
    }
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let full = full_volumes(case, &instance.view);
    let all: Vec<Trouble<'_, '_>> = instance
        .nodes
        .iter()
        .filter_map(|node| trouble(case, &instance.view, node, &full))
        .collect();
    if all.is_empty() {
        return Answer::PASS;
    }
    // What is worse to mend comes first; the rest of the nodes is told with it.
    let is_disk = all.iter().any(Trouble::is_disk);
    finding(case, &all, is_disk).into()
}

fn trouble<'a, 'b>(
    case: &Case<'_>,
    view: &InstanceView<'_>,
    node: &'b Node<'a>,
    full: &[(String, String, u64, Timestamp)],
) -> Option<Trouble<'a, 'b>> {
    let failed = node
        .told(case, Question::Persistence, |e| e.persistence.as_ref())
        .is_some_and(|known| known.value.last_save_failed());
    let full = full.iter().find(|(pod, ..)| pod == node.name());
    if !failed && full.is_none() {
        return None;
    }
    let Snapshots { failure, last, .. } = snapshots(view, Some(&node.view), case.now);
    let one = Trouble {
        node,
        failure: failure.filter(|_| failed),
        saved: last,
        full: full.map(|(_, claim, percent, at)| (claim.clone(), *percent, *at)),
    };
    (one.failure.is_some() || one.full.is_some()).then_some(one)
}

/// Volumes that are as good as full, by what was read of them: pod, claim, percent, and when.
fn full_volumes(case: &Case<'_>, view: &InstanceView<'_>) -> Vec<(String, String, u64, Timestamp)> {
    if !case.context.on_demand.knows_volumes() {
        return Vec::new();
    }
    let namespace = &view.id.namespace;
    places(view)
        .into_iter()
        .filter_map(|place| {
            let claim = place.claim?;
            let (volume, at) = case.context.on_demand.volume(namespace, &claim)?;
            let (used, capacity) = (volume.now.used?, volume.now.capacity?);
            let percent = u128::from(used) * 100 / u128::from(capacity.max(1));
            let percent = u64::try_from(percent).unwrap_or(u64::MAX);
            (percent >= FULL && !place.pod.is_empty()).then_some((place.pod, claim, percent, at))
        })
        .collect()
}

fn finding(case: &Case<'_>, all: &[Trouble<'_, '_>], is_disk: bool) -> Finding {
    let told: Vec<String> = all.iter().map(words).collect();
    let since = all
        .iter()
        .filter_map(|one| one.failure.as_ref().map(|(at, _)| *at))
        .min()
        .map_or(Since::Seen(case.now), |at| case.exactly(at));
    let situation = match is_disk {
        true => &DISK_FULL,
        false => &FAILED,
    };
    let mut finding = case
        .finding(&CHECK, situation, Severity::Warning, list(&told))
        .next(if is_disk { MAKE_ROOM } else { "" })
        .about(all.iter().map(|one| one.node.name()))
        .since(since);
    for one in all {
        let name = one.node.name();
        let known = one.node.view.engine.and_then(|e| e.persistence.as_ref());
        if let (Some((at, error)), Some(known)) = (&one.failure, known) {
            let last = match one.saved {
                Some(saved) => format!("the last good one ended at {}", clock(saved)),
                None => "none has succeeded since it started".to_owned(),
            };
            finding = finding.resting_on(
                format!("a save failed at {}: {error}; {last}", clock(*at)),
                format!("INFO persistence of {name}"),
                known.at,
            );
            if let Some(changes) = known.value.changes.filter(|changes| *changes > 0) {
                finding = finding.resting_on(
                    format!("{} changes since the last good one", text::count(changes)),
                    format!("INFO persistence of {name}"),
                    known.at,
                );
            }
        }
        if let Some((claim, percent, at)) = &one.full {
            finding = finding.resting_on(
                format!("the volume of {claim} is {percent} % full"),
                "the kubelet's summary of volumes",
                *at,
            );
        }
    }
    finding
}

fn words(one: &Trouble<'_, '_>) -> String {
    let name = one.node.name();
    match (&one.failure, &one.full) {
        (Some((_, error)), _) if error.is_empty() => format!("the last save of {name} failed"),
        (Some((_, error)), _) => format!("the last save of {name} failed: {error}"),
        (None, Some((claim, percent, _))) => {
            format!("the volume of {claim}, to which {name} saves, is {percent} % full")
        }
        (None, None) => format!("{name} cannot save"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::engine::{Persistence, Probe};
    use crate::domain::fixture::*;

    #[test]
    fn a_save_that_failed_last_is_told_with_its_error() {
        let at = |seconds: i64| Some(ago(seconds).as_second());
        let saved = Persistence {
            last_save: at(600),
            last_file: "dump-1.dfs".to_owned(),
            ..Persistence::default()
        };
        for (name, said, wanted) in [
            ("saved", saved.clone(), "pass"),
            ("never saved", Persistence::default(), "pass"),
            (
                "failed after a good one",
                Persistence {
                    last_failed: at(60),
                    last_error: "Input/output error".to_owned(),
                    ..saved.clone()
                },
                "warning degraded: the last save of orders-0 failed: Input/output error",
            ),
            (
                "failed, and then a good one",
                Persistence {
                    last_failed: at(900),
                    last_error: "Input/output error".to_owned(),
                    ..saved.clone()
                },
                "pass",
            ),
            (
                "failed without a word",
                Persistence {
                    last_failed: at(60),
                    ..saved
                },
                "warning degraded: the last save of orders-0 failed",
            ),
            (
                "full",
                Persistence {
                    last_failed: at(60),
                    last_error: "No space left on device".to_owned(),
                    ..Persistence::default()
                },
                "warning degraded: the last save of orders-0 failed: No space left on device",
            ),
        ] {
            let mut f = healthy().build();
            f.answers("orders-0", Probe::Persistence(said), ago(1));
            assert_eq!(line(&answer_of(&CHECK, &f)), wanted, "{name}");
        }
    }

    #[test]
    fn since_when_is_told_by_our_clock_however_wrong_the_engines_is() {
        let mut f = healthy().build();
        // Its clock is two hours behind ours.
        f.answers("orders-0", Probe::Time(ago(7_200)), ago(0));
        let said = Persistence {
            last_failed: Some(ago(7_260).as_second()),
            last_error: "Input/output error".to_owned(),
            ..Persistence::default()
        };
        f.answers("orders-0", Probe::Persistence(said), ago(1));
        let super::super::Verdict::Finding(finding) = answer_of(&CHECK, &f).verdict else {
            panic!()
        };
        assert_eq!(finding.since, Since::Exactly(ago(60)));
    }
}
