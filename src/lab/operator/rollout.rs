//! The gates of a rolling update, as operator v1.6.1 passes them, one step per look; those before v1.6.0 delete all old
//! replicas in one.

use serde_json::{Value, json};

use super::election::{Candidate, Role};
use crate::lab::engine::Version;

/// From this version on replicas are deleted one at a time.
const ONE_AT_A_TIME: Version = Version(1, 6, 0);

/// A pod during a rollout.
#[derive(Clone, Debug)]
pub(in crate::lab) struct Rolling {
    /// What an election sees of it.
    pub(in crate::lab) pod: Candidate,
    /// Whether its deletion was asked for.
    pub(in crate::lab) deleting: bool,
    /// Whether INFO calls its replication stable (a master passes).
    pub(in crate::lab) stable: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lab) enum Step {
    /// Nothing yet, and why.
    Wait(Gate),
    /// An old pod that is not ready: its successor may do better.
    DeleteStuck(String),
    /// The next old replica, or (before v1.6.0) all of them.
    DeleteReplicas(Vec<String>),
    /// Hand over to an updated replica, then delete the old master.
    TakeOver {
        /// The replica to be promoted.
        replica: String,
        /// The old master.
        master: String,
    },
    /// No replica there is: delete the master.
    DeleteMaster(String),
    /// Everything is new; these old pods still carry the master label.
    Finish(Vec<String>),
}

/// What a rollout waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lab) enum Gate {
    /// A pod is not ready, or loads.
    Startup(String),
    /// A pod has no role.
    Role(String),
    /// There are not as many labelled replicas as there shall be.
    Replicas {
        /// How many there shall be.
        expected: usize,
        /// How many there are.
        current: usize,
    },
    /// An updated replica is not in stable sync.
    Stable(String),
    /// A replica is going.
    Going(String),
    /// No master is there that is not going.
    Master,
}

impl Gate {
    /// The operator's words, and what it adds to them.
    pub(in crate::lab) fn words(&self) -> (&'static str, Value) {
        match self {
            Self::Startup(pod) => ("waiting for pod to finish startup", json!({"pod": pod})),
            Self::Role(pod) => ("waiting for pod to be assigned a role", json!({"pod": pod})),
            Self::Replicas { expected, current } => (
                "waiting for all replicas to be configured",
                json!({"expected": expected, "current": current}),
            ),
            Self::Stable(pod) => (
                "not all new replicas are in stable status yet",
                json!({"pod": pod, "reason": null}),
            ),
            Self::Going(pod) => ("waiting for replica to terminate", json!({"pod": pod})),
            Self::Master => ("failed to get master: no healthy master found", json!({})),
        }
    }
}

/// The step of an operator of that version for these pods, sorted by name, of an instance that wants `replicas`.
pub(in crate::lab) fn next(pods: &[Rolling], replicas: usize, version: Version) -> Step {
    for one in pods.iter().filter(|one| !one.deleting) {
        let name = &one.pod.name;
        if !one.pod.ready && !one.pod.updated {
            return Step::DeleteStuck(name.clone());
        }
        if !one.pod.ready {
            return Step::Wait(Gate::Startup(name.clone()));
        }
        if one.pod.role.is_none() {
            return Step::Wait(Gate::Role(name.clone()));
        }
    }
    let labelled: Vec<&Rolling> = pods
        .iter()
        .filter(|one| one.pod.role == Some(Role::Replica))
        .collect();
    if labelled.len() != replicas.saturating_sub(1) {
        return Step::Wait(Gate::Replicas {
            expected: replicas.saturating_sub(1),
            current: labelled.len(),
        });
    }
    if let Some(one) = labelled.iter().find(|one| one.pod.updated && !one.stable) {
        return Step::Wait(Gate::Stable(one.pod.name.clone()));
    }
    let one_at_a_time = version >= ONE_AT_A_TIME;
    if let Some(one) = labelled.iter().find(|one| one.deleting && one_at_a_time) {
        return Step::Wait(Gate::Going(one.pod.name.clone()));
    }
    let old = labelled.iter().filter(|one| !one.pod.updated);
    let most = if one_at_a_time { 1 } else { labelled.len() };
    let old: Vec<String> = old.map(|one| one.pod.name.clone()).take(most).collect();
    if !old.is_empty() {
        return Step::DeleteReplicas(old);
    }
    let masters = || pods.iter().filter(|one| one.pod.role == Some(Role::Master));
    let old: Vec<String> = masters()
        .filter(|one| !one.pod.updated)
        .map(|one| one.pod.name.clone())
        .collect();
    if masters().any(|one| one.pod.updated) {
        return Step::Finish(old);
    }
    let Some(master) = masters().find(|one| !one.deleting) else {
        return Step::Wait(Gate::Master);
    };
    let master = master.pod.name.clone();
    match labelled.iter().find(|one| one.pod.updated) {
        Some(replica) => Step::TakeOver {
            replica: replica.pod.name.clone(),
            master,
        },
        None => Step::DeleteMaster(master),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Version = Version(1, 6, 1);

    /// One word per pod: `m`/`r`/`-` label, `+` updated, `!` not ready, `~` not stable, `x` terminating.
    fn pods(text: &str) -> Vec<Rolling> {
        text.split_whitespace()
            .zip(0_u32..)
            .map(|(word, ordinal)| Rolling {
                pod: Candidate {
                    name: format!("df-{ordinal}"),
                    ordinal,
                    role: match word.chars().next() {
                        Some('m') => Some(Role::Master),
                        Some('r') => Some(Role::Replica),
                        _ => None,
                    },
                    ready: !word.contains('!'),
                    updated: word.contains('+'),
                    offset: None,
                },
                deleting: word.contains('x'),
                stable: !word.contains('~'),
            })
            .collect()
    }

    #[test]
    fn replicas_go_one_at_a_time_and_the_master_last() {
        let on = |gate: fn(String) -> Gate| Step::Wait(gate("df-1".into()));
        let table = [
            ("m r r", Step::DeleteReplicas(vec!["df-1".into()])),
            ("m rx r", on(Gate::Going)),
            (
                "m r",
                Step::Wait(Gate::Replicas {
                    expected: 2,
                    current: 1,
                }),
            ),
            ("m -+! r", on(Gate::Startup)),
            ("m -! r", Step::DeleteStuck("df-1".into())),
            ("m -+ r", on(Gate::Role)),
            ("m r+~ r", on(Gate::Stable)),
            ("m r+ r", Step::DeleteReplicas(vec!["df-2".into()])),
            (
                "m r+ r+",
                Step::TakeOver {
                    replica: "df-1".into(),
                    master: "df-0".into(),
                },
            ),
            ("m+ r+ r+", Step::Finish(vec![])),
        ];
        for (text, wanted) in table {
            assert_eq!(next(&pods(text), 3, NEW), wanted, "{text}");
        }
        assert_eq!(next(&pods("m"), 1, NEW), Step::DeleteMaster("df-0".into()));
        assert_eq!(next(&pods("m+"), 1, NEW), Step::Finish(vec![]));
        assert_eq!(
            next(&pods("mx r+ m+"), 2, NEW),
            Step::Finish(vec!["df-0".into()])
        );
    }

    #[test]
    fn before_v1_6_0_all_replicas_go_at_once() {
        let both = || Step::DeleteReplicas(vec!["df-1".into(), "df-2".into()]);
        let table = [
            ("m r r", both()),
            // Those that go are still there, and carry their label.
            ("m rx rx", both()),
            ("m r+ r", Step::DeleteReplicas(vec!["df-2".into()])),
            ("m -+! r", Step::Wait(Gate::Startup("df-1".into()))),
        ];
        for (text, wanted) in table {
            let old = Version(1, 5, 0);
            assert_eq!(next(&pods(text), 3, old), wanted, "{text}");
        }
    }
}
