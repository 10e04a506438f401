//! A rollout waits at one of its steps. The operator's waits never end by themselves, so a rollout that moves no pod for
//! a while stays where it is until somebody sees to what it waits for.

use jiff::Timestamp;

use super::case::later;
use super::waiting::{Gate, Waiting, progress, version, waiting};
use super::{
    Answer, Area, Case, Check, Instance, Severity, Shown, Since, Situation, State, pods_missing,
    takeover,
};
use crate::domain::Version;
use crate::domain::object::{ContainerState, image_tag};

/// The check.
pub const CHECK: Check = Check {
    id: "rollout-waiting",
    area: Area::Operator,
    title: "Rollout waits",
    why: "A rollout that waits never gives up: until it goes on, the instance is not wholly on the version that is wanted, and \
          no master is replaced in the ordinary way.",
    reads: "pods and their revisions, the StatefulSet, status.phase (as the operator itself does), engines",
    next: "See to what it waits for.\n\
           $ {kubectl} describe pod {pod}\n\
           In the console the screen Operator (key 5) tells what it waits for with every instance.",
    situations: &[&WAITING, &ROLLING],
    needs: Check::NOTHING,
    run,
};

const WAITING: Situation = Situation {
    id: "rollout-waiting",
    word: "rollout waits",
    class: State::Degraded,
    rule: "the phase is RollingUpdate and no pod was made, deleted or given a role for 5 min; or for 30 s where the pod that it \
           waits for has a link that is down; or for 60 s where it is ready and has no role; or that pod will not mend by itself \
           (its image, crashes, no machine)",
    meaning: "Clients are served by what runs; the rollout goes on only when what it waits for has come.",
    accounts_for: &[
        "pods-missing",
        "replication-retrying",
        "link-down",
        "role-missing",
    ],
    shown: Shown::By(&[
        "rollout-stuck",
        "rollout-unstable",
        "rollout-blocked",
        "threads-starved",
        "policy-blocks",
    ]),
};

const ROLLING: Situation = Situation {
    id: "rolling-update",
    word: "rolling update",
    class: State::Syncing,
    rule: "the phase is RollingUpdate, the revisions of the pods say so too, and it goes on: a pod was made, deleted or given a \
           role within 5 min",
    meaning: "Clients are served; there is one node less to fail over to at times, and clients lose their connections once, when \
              the master is replaced.",
    shown: Shown::By(&["rolling-update"]),
    ..Situation::BASE
};

/// What to do where the schedule of a replica could not be cleared.
const UNCLEARED: &str = "Look for LOADING in the operator's log (in the console: the screen Operator, key 5).\n\
    Update the operator to v1.6.0 or later, which clears the schedule first; until then set \
    spec.snapshot.enableOnMasterOnly false and delete the pod, so that it is made and configured anew.\n\
    $ {kubectl} delete pod {pod}";

/// How long a rollout may stand still before it is worth a look, seconds: five minutes, in which a pod is deleted, made,
/// pulled and synced.
const STILL: i64 = 300;
/// The same where what it waits for is a link that is down, seconds.
const CUT: i64 = 30;
/// The same where it is ready and has no role, seconds: the operator gives it within moments, or not at all.
const ROLELESS: i64 = 60;

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let Some(found) = rollout(case) else {
        return Answer::NOT_APPLICABLE;
    };
    let moved = progress(instance);
    let due = due(instance, &found, moved);
    // What it waits for then is said of the takeover, louder.
    if due > case.now || takeover::is_under_way(case) {
        return goes_on(case, instance, &found).again(Some(due));
    }
    let id = &instance.view.id;
    let at = instance.view.dragonfly.changed;
    let why = uncleared(case, instance, &found);
    let next = if why.is_some() { UNCLEARED } else { "" };
    case.finding(
        &CHECK,
        &WAITING,
        Severity::Warning,
        format!(
            "the rollout of {id} stands still ({}): it waits for {}{}",
            found.gate.word(),
            found.sentence,
            why.unwrap_or_else(|| image(instance, &found))
        ),
    )
    .next(next)
    .since(since(&found.since, moved))
    .resting_on(
        found.gate.word(),
        "the steps of the operator's rollout",
        case.now,
    )
    .resting_on(
        "status.phase is RollingUpdate",
        format!("Dragonfly {id}"),
        at,
    )
    .about(found.about)
    .into()
}

/// The image of the pod that it waits for, where that is what cannot be had, as the end of a sentence.
fn image(instance: &Instance<'_>, found: &Waiting) -> String {
    let about = found.about.iter().filter_map(|pod| instance.node(pod));
    let pulled =
        about
            .filter_map(|node| node.container())
            .find(|container| match &container.state {
                ContainerState::Waiting { reason, .. } => reason.contains("Image"),
                _ => false,
            });
    pulled.map_or(String::new(), |container| {
        let image = image_tag(&container.image).unwrap_or(&container.image);
        format!(" for its image {image}")
    })
}

/// Whether the pod that it waits for is ready and has no role.
fn without_role(instance: &Instance<'_>, found: &Waiting) -> bool {
    let about = found.about.iter().filter_map(|pod| instance.node(pod));
    about
        .filter(|node| node.is_ready())
        .any(|node| node.view.label_role().is_none())
}

/// Why it gets none, as the end of a sentence, where the operator is of a version that clears the schedule of a replica after it
/// has made it one: a server that loads refuses that (op#498, reported of server v1.29.0), and the pod is not looked at again.
fn uncleared(case: &Case<'_>, instance: &Instance<'_>, found: &Waiting) -> Option<String> {
    let snapshot = instance.view.dragonfly.value.snapshot.as_ref()?;
    let version = version(case);
    let is_concerned = (Version(1, 3, 0)..Version(1, 6, 0)).contains(&version);
    let applies = snapshot.master_only && snapshot.cron.is_some() && is_concerned;
    (applies && without_role(instance, found)).then(|| {
        format!(
            "; operator {version} gives none where its server refused to have its snapshot schedule cleared while it loaded \
             (enableOnMasterOnly, op#498)"
        )
    })
}

/// The step of a rollout at which the operator waits.
fn rollout(case: &Case<'_>) -> Option<Waiting> {
    waiting(case)
        .into_iter()
        .find(|one| matches!(one.gate, Gate::Rollout(_)))
}

/// When a rollout that last moved then has stood still for too long.
fn due(instance: &Instance<'_>, found: &Waiting, moved: Timestamp) -> Timestamp {
    let mut waits_for = instance
        .nodes
        .iter()
        .filter(|node| found.about.iter().any(|pod| *pod == node.name()));
    let still = if waits_for
        .clone()
        .any(|node| !node.is_going() && pods_missing::broken(node).is_some())
    {
        0
    } else if waits_for.any(|node| node.follower().is_some_and(|l| !l.link_up && !l.syncing)) {
        CUT
    } else if without_role(instance, found) {
        ROLELESS
    } else {
        STILL
    };
    later(moved, still)
}

/// Until when a rollout of the instance goes on, unless it moves again; `None` where there is none, or it stands still.
pub(super) fn goes_on_until(case: &Case<'_>, instance: &Instance<'_>) -> Option<Timestamp> {
    let found = rollout(case)?;
    Some(due(instance, &found, progress(instance))).filter(|due| *due > case.now)
}

/// A rollout that moves is no illness.
fn goes_on(case: &Case<'_>, instance: &Instance<'_>, found: &Waiting) -> Answer {
    let id = &instance.view.id;
    let step = found.gate.word();
    case.finding(
        &CHECK,
        &ROLLING,
        Severity::Note,
        format!(
            "a rollout of {id} goes on ({step}): it waits for {}",
            found.sentence
        ),
    )
    .called(step)
    .next("Wait. In the console the screen Operator (key 5) shows each step.")
    .since(found.since.unwrap_or(Since::Seen(case.now)))
    .resting_on(step, "the steps of the operator's rollout", case.now)
    .resting_on(
        "status.phase is RollingUpdate",
        format!("Dragonfly {id}"),
        instance.view.dragonfly.changed,
    )
    .about(found.about.iter().cloned())
    .into()
}

/// Since when it stands: since what it waits for began, but not before a pod last moved.
fn since(told: &Option<Since>, moved: Timestamp) -> Since {
    match told {
        Some(Since::Exactly(at)) if *at > moved => Since::Exactly(*at),
        Some(Since::Seen(at)) if *at > moved => Since::Seen(*at),
        _ => Since::Exactly(moved),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::fixture::*;
    use crate::checks::waiting::tests::*;
    use crate::domain::fixture::*;

    #[test]
    fn a_rollout_that_stands_still_is_told_with_its_step() {
        for (name, fixture, wanted) in [
            (
                "no rollout",
                rolled(healthy(), &["new", "new", "new"], "Ready"),
                "n/a",
            ),
            (
                "young",
                rolled(
                    instance("orders")
                        .node(master())
                        .node(replica())
                        .node(replica().young(40).unready()),
                    &["old", "old", "new"],
                    "RollingUpdate",
                ),
                "note syncing: a rollout of shop/orders goes on (rollout gate 1): it waits for orders-2 to become ready: it is not \
                 ready",
            ),
            (
                "how it stands with one that goes holds nothing up",
                rolled(
                    instance("orders")
                        .node(master())
                        .node(replica())
                        .node(replica().waiting("CrashLoopBackOff").deleting()),
                    &["old", "new", "old"],
                    "RollingUpdate",
                ),
                "note syncing: a rollout of shop/orders goes on (rollout gate 4): it waits for orders-2 to be gone and come \
                 back: it is being deleted",
            ),
            (
                "old",
                rolled(
                    instance("orders")
                        .node(master())
                        .node(replica())
                        .node(replica().waiting("ImagePullBackOff")),
                    &["old", "old", "new"],
                    "RollingUpdate",
                ),
                "warning degraded: the rollout of shop/orders stands still (rollout gate 1): it waits for orders-2 to become ready: it \
                 waits in ImagePullBackOff for its image v1.39.0",
            ),
        ] {
            assert_eq!(line(&answer_of(&CHECK, &fixture)), wanted, "{name}");
        }
    }

    #[test]
    fn it_is_looked_at_again_when_it_would_have_stood_still_for_long() {
        let young = instance("orders")
            .node(master())
            .node(replica().young(40).unready());
        let fixture = rolled(young, &["old", "new"], "RollingUpdate");
        assert_eq!(answer_of(&CHECK, &fixture).again_at, Some(ago(40 - STILL)));
    }
}
