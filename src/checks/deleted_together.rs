//! A rollout has taken two pods or more away at the same moment, as operators before v1.6.0 do with all old replicas (op#359,
//! op#504). While they are away nobody is there to fail over to.

use super::pods_missing::absent_names;
use super::waiting::version;
use super::words::{counted, list};
use super::{Answer, Area, Case, Check, Instance, Node, Severity, Shown, Since, Situation, State};
use crate::domain::Role;

/// The check.
pub const CHECK: Check = Check {
    id: "replicas-deleted-together",
    area: Area::Instance,
    title: "Replicas deleted together",
    why: "A rollout is to replace one replica after the other. Where it takes all of them at once, the master alone holds the data \
          until they are back, and readers of replicas have nobody.",
    reads: "pods and their revisions, deletion and age, the StatefulSet, status.phase (as the operator itself does)",
    next: "Leave the pod of the master alone until the others are back in sync: it alone holds what they are to copy.\n\
           $ {kubectl} get pods -l app={name}\n\
           Before the next rollout, update the operator to v1.6.0 or later: it deletes one replica at a time.",
    situations: &[&TOGETHER],
    needs: Check::NOTHING,
    run,
};

const TOGETHER: Situation = Situation {
    id: "replicas-deleted-together",
    word: "replicas deleted",
    class: State::Degraded,
    rule: "the phase is RollingUpdate, and two pods or more are away at the same moment: asked to go (but not evicted), not there, or of \
           the new revision and not ready yet",
    meaning: "Clients of the master are served; there is nobody, or one fewer than there should be, to fail over to.",
    accounts_for: &["pods-missing", "pods-starting", "rolling-update"],
    shown: Shown::By(&["replicas-deleted"]),
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let rolls = instance.view.dragonfly.value.phase.as_deref() == Some("RollingUpdate");
    let revision = instance.view.stateful_set.map(|set| &set.value);
    let Some(set) = revision.filter(|_| rolls) else {
        return Answer::NOT_APPLICABLE;
    };
    let revision = set.update_revision.as_str();
    let away: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|node| is_away(node, revision))
        .collect();
    let absent = instance.wanted().saturating_sub(instance.nodes.len());
    let mut names: Vec<String> = away.iter().map(|node| node.name().to_owned()).collect();
    names.extend(absent_names(instance, absent));
    if names.len() < 2 {
        return Answer::PASS;
    }
    let id = &instance.view.id;
    let shown: Vec<&str> = names.iter().map(String::as_str).collect();
    let sentence = format!(
        "the rollout of {id} has taken {} away at the same moment: {}",
        list(&shown),
        left(instance)
    );
    let since = away
        .iter()
        .filter_map(|node| {
            let meta = &node.view.pod.value.meta;
            meta.deleting.or(meta.created)
        })
        .min();
    let mut finding = case
        .finding(&CHECK, &TOGETHER, Severity::Warning, sentence)
        .since(since.map_or(Since::Seen(case.now), Since::Exactly))
        .resting_on(
            "status.phase is RollingUpdate",
            format!("Dragonfly {id}"),
            instance.view.dragonfly.changed,
        )
        .resting_on(
            format!("it is of version {}", version(case)),
            "image of the operator",
            case.now,
        );
    for node in &away {
        let what = match node.is_going() {
            true => "its deletion was asked for",
            false => "it is of the new revision, and not ready yet",
        };
        let source = format!("pod {}", node.name());
        finding = finding.resting_on(what, source, node.view.pod.changed);
    }
    if absent > 0 {
        let what = format!(
            "{} not exist",
            counted(absent as u64, "pod does", "pods do")
        );
        finding = finding.resting_on(what, format!("pods of {id}"), case.now);
    }
    finding.about(names).into()
}

/// The rollout has asked it to go, or has made it anew and it is not ready yet. One that was evicted from its machine, or that
/// has failed since it was made, is away for another reason.
fn is_away(node: &Node<'_>, revision: &str) -> bool {
    let pod = &node.view.pod.value;
    if node.is_going() {
        let evicted = pod.condition("DisruptionTarget");
        return evicted.is_none_or(|condition| condition.status != "True");
    }
    let own = pod.meta.labels.get("controller-revision-hash");
    !node.is_ready() && pod.restarts() == 0 && own.is_some_and(|own| own == revision)
}

/// Who is left to fail over to, as the end of a sentence.
fn left(instance: &Instance<'_>) -> String {
    let ready: Vec<&str> = instance
        .nodes
        .iter()
        .filter(|node| node.is_ready() && node.view.label_role() == Some(Role::Replica))
        .map(Node::name)
        .collect();
    match ready.is_empty() {
        true => "no replica is left to fail over to".to_owned(),
        false => format!("{} alone can be failed over to", list(&ready)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::fixture::*;
    use crate::checks::waiting::tests::rolled;
    use crate::domain::fixture::*;

    #[test]
    fn pods_that_a_rollout_takes_together_are_named() {
        let three = |a: NodeSpec, b: NodeSpec| instance("orders").node(master()).node(a).node(b);
        let rolling = "RollingUpdate";
        for (name, fixture, wanted) in [
            (
                "no rollout",
                rolled(
                    three(replica().deleting(), replica().deleting()),
                    &["old", "old", "old"],
                    "Ready",
                ),
                "n/a",
            ),
            (
                "one after the other",
                rolled(
                    three(replica(), replica().deleting()),
                    &["old", "new", "old"],
                    rolling,
                ),
                "pass",
            ),
            (
                "both go",
                rolled(
                    three(replica().deleting(), replica().deleting()),
                    &["old", "old", "old"],
                    rolling,
                ),
                "warning degraded: the rollout of shop/orders has taken orders-1 and orders-2 away at the same moment: no replica \
                 is left to fail over to",
            ),
            (
                "one is made anew, the other not there",
                rolled(
                    instance("orders")
                        .node(master())
                        .node(replica().young(20).unready())
                        .wanting(3),
                    &["old", "new"],
                    rolling,
                ),
                "warning degraded: the rollout of shop/orders has taken orders-1 and orders-2 away at the same moment: no replica \
                 is left to fail over to",
            ),
            (
                "two of four",
                rolled(
                    three(replica().deleting(), replica().deleting()).node(replica()),
                    &["old", "old", "old", "old"],
                    rolling,
                ),
                "warning degraded: the rollout of shop/orders has taken orders-1 and orders-2 away at the same moment: orders-3 \
                 alone can be failed over to",
            ),
            (
                "one goes, another of the old revision is ill",
                rolled(
                    three(replica().deleting(), replica().unready()),
                    &["old", "old", "old"],
                    rolling,
                ),
                "pass",
            ),
        ] {
            assert_eq!(line(&answer_of(&CHECK, &fixture)), wanted, "{name}");
        }
    }
}
