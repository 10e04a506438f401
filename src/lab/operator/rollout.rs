//! The gates of a rolling update, as operator v1.6.1 passes them, one step per look.

use super::election::{Candidate, Role};

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
    Wait(String),
    /// An old pod that is not ready: its successor may do better.
    DeleteStuck(String),
    /// The next old replica.
    DeleteReplica(String),
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

/// The step for these pods, sorted by name, of an instance that wants `replicas`.
pub(in crate::lab) fn next(pods: &[Rolling], replicas: usize) -> Step {
    for one in pods.iter().filter(|one| !one.deleting) {
        let name = &one.pod.name;
        if !one.pod.ready && !one.pod.updated {
            return Step::DeleteStuck(name.clone());
        }
        if !one.pod.ready {
            return Step::Wait(format!("pod {name} is not ready"));
        }
        if one.pod.role.is_none() {
            return Step::Wait(format!("pod {name} has no role"));
        }
    }
    let labelled: Vec<&Rolling> = pods
        .iter()
        .filter(|one| one.pod.role == Some(Role::Replica))
        .collect();
    if labelled.len() != replicas.saturating_sub(1) {
        return Step::Wait(format!(
            "{} of {} replicas",
            labelled.len(),
            replicas.saturating_sub(1)
        ));
    }
    if let Some(one) = labelled.iter().find(|one| one.pod.updated && !one.stable) {
        return Step::Wait(format!("replica {} is not stable", one.pod.name));
    }
    if let Some(one) = labelled.iter().find(|one| one.deleting) {
        return Step::Wait(format!("replica {} is terminating", one.pod.name));
    }
    if let Some(one) = labelled.iter().find(|one| !one.pod.updated) {
        return Step::DeleteReplica(one.pod.name.clone());
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
        return Step::Wait("no master".into());
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
        let wait = |why: &str| Step::Wait(why.to_owned());
        let table = [
            ("m r r", Step::DeleteReplica("df-1".into())),
            ("m rx r", wait("replica df-1 is terminating")),
            ("m r", wait("1 of 2 replicas")),
            ("m -+! r", wait("pod df-1 is not ready")),
            ("m -! r", Step::DeleteStuck("df-1".into())),
            ("m -+ r", wait("pod df-1 has no role")),
            ("m r+~ r", wait("replica df-1 is not stable")),
            ("m r+ r", Step::DeleteReplica("df-2".into())),
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
            assert_eq!(next(&pods(text), 3), wanted, "{text}");
        }
        assert_eq!(next(&pods("m"), 1), Step::DeleteMaster("df-0".into()));
        assert_eq!(next(&pods("m+"), 1), Step::Finish(vec![]));
        assert_eq!(
            next(&pods("mx r+ m+"), 2),
            Step::Finish(vec!["df-0".into()])
        );
    }
}
