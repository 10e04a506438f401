//! The operator leads and does nothing: it renews its Lease, and an instance stands before a step that is the operator's
//! own and waits for nobody.
//!
//! That it is silent is no sign: an operator that has nothing to do says nothing. So it is told only where something is
//! left undone, and for long (read of operator v1.1 to v1.6: it looks again within seconds; one instance that is slow to
//! ask holds up all others for some tens of seconds).

use jiff::Timestamp;

use super::case::later;
use super::leader::{self, Leader, leader};
use super::turn::its_turn;
use super::waiting::{waiting, would_elect};
use super::{
    Answer, Area, Case, Check, Instance, Severity, Shown, Since, Situation, State, stale_master,
};
use crate::domain::object::{ContainerState, Lease};
use crate::domain::{Role, text};

/// How long a step that is its own may be left undone, seconds.
const PATIENCE: i64 = 60;

/// The situation.
pub const STALLED: Situation = Situation {
    id: "operator-stalled",
    word: "operator stalled",
    class: State::Degraded,
    rule: "the operator's Lease is renewed, and for 60 s it has not done what it does by itself at its next look: elect a master \
           where a pod can be elected, give a ready pod its role, or take the next step of a rollout",
    meaning: "What the instance needs is not done, though the operator seems to be at work: no master is elected, no pod gets its \
              role.",
    accounts_for: &["role-missing"],
    shown: Shown::By(&["operator-stalled"]),
};

/// The check.
pub const CHECK: Check = Check {
    id: "operator-stalled",
    area: Area::Operator,
    title: "Operator stalled",
    why: "An operator that renews its Lease and does no work looks alive everywhere else.",
    reads: "the operator's Lease, and what it waits for with the instance",
    next: "Look in the operator's log what it is doing (in the console: the screen Operator, key 5).",
    situations: &[&STALLED],
    needs: Check::NOTHING,
    run,
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    if instance.young_until.is_some() {
        return Answer::NOT_APPLICABLE.again(instance.young_until);
    }
    let Leader::Fresh(lease, _) = leader(case.context, case.limits, case.now) else {
        return Answer::NOT_APPLICABLE;
    };
    let all = waiting(case);
    // With anything else before it, the operator has a reason.
    let [own] = all.as_slice() else {
        return Answer::NOT_APPLICABLE;
    };
    let Some(step) = &own.its_own else {
        return Answer::PASS;
    };
    let acquired = lease
        .value
        .acquired
        .map(|at| case.context.by_our_clock(at).min(case.now));
    let stands = stands_since(case, instance).max(acquired.unwrap_or(Timestamp::MIN));
    let due = later(stands, PATIENCE);
    if due > case.now {
        return Answer::PASS.again(Some(due));
    }
    let id = &instance.view.id;
    case.finding(
        &CHECK,
        &STALLED,
        Severity::Warning,
        format!("the operator leads, but has not taken its next step for {id}, which is to {step}"),
    )
    .next(next(case, instance, &lease.value))
    .since(match lost_role_unseen(instance, &own.about) {
        true => Since::Seen(case.now),
        false => case.exactly(stands),
    })
    .resting_on(
        format!("left undone: {}", own.gate.word()),
        "the steps of the operator's controllers",
        case.now,
    )
    .resting_on(
        "it is being renewed",
        format!("Lease {}", lease.value.meta.name),
        lease.changed,
    )
    .about(own.about.iter().cloned())
    .into()
}

/// One of them was made a replica, so it may have had its role, and have lost it when nobody looked: nothing tells when.
fn lost_role_unseen(instance: &Instance<'_>, about: &[String]) -> bool {
    instance.nodes.iter().any(|node| {
        about.iter().any(|pod| pod == node.name())
            && node.view.label_role().is_none()
            && node.view.relabelled.is_none()
            && node.says(Role::Replica)
    })
}

/// Why the operator's next step would throw data away, as the beginning of a sentence; `None` where it would not.
fn data_at_risk(case: &Case<'_>, instance: &Instance<'_>) -> Option<String> {
    let labelled = |node: &&super::Node<'_>| node.view.label_role() == Some(Role::Master);
    let masters = instance.masters().len();
    let labels = instance.nodes.iter().filter(labelled).count();
    let loads = instance
        .nodes
        .iter()
        .find(|node| node.loading && (labelled(node) || node.says(Role::Master)));
    match (masters.max(labels), loads) {
        (count @ 2.., _) => Some(format!("There are {count} masters, each with its own data")),
        (_, Some(node)) => Some(format!("{} still loads what it holds", node.name())),
        _ => {
            stale_master::found(case).then(|| "The master has less than was held before".to_owned())
        }
    }
}

/// Its log, and how another pod of it comes to lead; but where its next step would throw data away, that comes first.
fn next(case: &Case<'_>, instance: &Instance<'_>, lease: &Lease) -> String {
    let look = its_turn(case, "what it does instead");
    if let Some(why) = data_at_risk(case, instance) {
        let whom = match would_elect(case) {
            Some(pod) => format!("one master, {pod} as it stands"),
            None => "one master".to_owned(),
        };
        return format!(
            "Do not make the operator go on yet. {why}, and its next step would make every node follow {whom}: what only \
             another node holds would be lost.\nCompare first what each of them holds.\n$ darner compare --context \
             {{context}} {{namespace}}/{{name}}\n{look}"
        );
    }
    let Some(leader) = leader::holder(lease).map(leader::pod_of) else {
        return look;
    };
    format!(
        "{look}\nLet another pod of it lead: delete the one that does.\n$ {{cluster}} -n {} delete pod {}",
        text::shell_word(&lease.meta.namespace),
        text::shell_word(leader)
    )
}

/// Since when the operator could have acted: what it would look at has not changed since, by our clock.
pub(super) fn stands_since(case: &Case<'_>, instance: &Instance<'_>) -> Timestamp {
    let ours = |at: Timestamp| case.context.by_our_clock(at).min(case.now);
    let nodes = instance.nodes.iter().flat_map(|node| {
        let pod = &node.view.pod.value;
        let ready = pod
            .condition("Ready")
            .filter(|c| c.status == "True")
            .and_then(|c| c.since);
        let started = match node.container().map(|c| &c.state) {
            Some(ContainerState::Running { since }) => *since,
            _ => None,
        };
        let told = [
            pod.meta.created,
            pod.meta.deleting,
            pod.role_since,
            ready,
            started,
        ];
        let seen = [
            node.view.relabelled,
            node.view.engine.and_then(|e| e.role_changed),
        ];
        told.map(|at| at.map(ours))
            .into_iter()
            .chain(seen)
            .flatten()
    });
    let dragonfly = &instance.view.dragonfly;
    // One that was the same when it was first seen may be old: only a change before our eyes is one. (But since when a node
    // loads, nothing tells.)
    let loads = instance.nodes.iter().any(|node| node.loading);
    let set = instance
        .view
        .stateful_set
        .filter(|set| set.changed > set.first_seen || loads)
        .map(|set| set.changed);
    nodes
        .chain(set)
        .max()
        .unwrap_or(dragonfly.first_seen)
        .min(case.now)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::sync::Arc;

    use super::*;
    use crate::checks::fixture::*;
    use crate::checks::waiting::tests::operator;
    use crate::domain::fixture::*;
    use crate::domain::object::Pod;
    use crate::domain::{Fact, Object};

    fn told(spec: InstanceSpec, works: bool) -> String {
        let mut f = spec.build();
        // Pods that were ready 40 s ago in the fixture have been for as long as they are old.
        let context = f.world.context(&infra()).unwrap();
        let pods: Vec<Pod> = context
            .pods
            .iter()
            .map(|held| (*held.value).clone())
            .collect();
        for mut pod in pods {
            for condition in &mut pod.conditions {
                condition.since = pod.meta.created;
            }
            let object = Object::Pod(Arc::new(pod));
            let context = infra();
            f.tell(Fact::Seen { context, object }, ago(5));
        }
        operator(&mut f, "v1.6.1", works);
        line(&answer_of(&CHECK, &f))
    }

    #[test]
    fn it_is_told_only_where_a_step_of_its_own_is_left_undone_for_long() {
        let masterless = || {
            instance("orders")
                .node(replica().cut_off(90))
                .node(replica().cut_off(90))
        };
        let fresh = instance("orders")
            .node(replica().cut_off(20))
            .node(replica().young(20).cut_off(15));
        for (name, spec, works, wanted) in [
            ("nothing to do", healthy(), true, "pass".to_owned()),
            (
                "nobody is labelled master, and one could be elected",
                masterless(),
                true,
                "warning degraded: the operator leads, but has not taken its next step for shop/orders, which is to elect orders-0 as \
                 master (no pod is labelled master)"
                    .to_owned(),
            ),
            ("since a moment only", fresh, true, "pass".to_owned()),
            ("it is down, which is told elsewhere", masterless(), false, "n/a".to_owned()),
            (
                "it waits for others",
                instance("orders").node(replica().unready()).node(replica().unready()),
                true,
                "pass".to_owned(),
            ),
        ] {
            assert_eq!(told(spec, works), wanted, "{name}");
        }
    }

    #[test]
    fn a_command_that_has_just_begun_to_look_judges_as_a_console_does() {
        let bare = || {
            let bare = replica().unlabelled();
            instance("orders").node(master()).node(replica()).node(bare)
        };
        assert_eq!(
            told(bare(), true),
            "warning degraded: the operator leads, but has not taken its next step for shop/orders, which is to make orders-2 a \
             replica"
        );
    }

    #[test]
    fn a_step_that_would_throw_data_away_is_not_hurried() {
        for (name, spec, hurried) in [
            (
                "nobody is labelled master",
                instance("orders")
                    .node(replica().cut_off(90))
                    .node(replica().cut_off(90)),
                true,
            ),
            (
                "two are masters",
                instance("orders")
                    .node(master())
                    .node(master())
                    .node(replica()),
                false,
            ),
        ] {
            let mut f = spec.build();
            operator(&mut f, "v1.6.1", true);
            let subject = crate::checks::Subject::Instance(f.id.clone());
            let limits = crate::checks::Limits::default();
            let case = Case::of(&f.world, &subject, &limits, now()).unwrap();
            let instance = case.judgeable().unwrap();
            let lease = Lease {
                holder: Some("op-1_x".to_owned()),
                ..Lease::default()
            };
            let next = next(&case, instance, &lease);
            assert_eq!(next.contains("delete pod"), hurried, "{name}: {next}");
            assert_eq!(next.contains("darner compare"), !hurried, "{name}: {next}");
            assert_eq!(
                next.contains("orders-2 as it stands"),
                !hurried,
                "{name}: {next}"
            );
        }
    }
}
