//! A young instance that is not complete yet: it is being made rather than broken.

use super::{Answer, Area, Case, Check, Instance, Severity, Shown, Since, Situation, State};
use crate::domain::Role;

/// The check.
pub const CHECK: Check = Check {
    id: "being-made",
    area: Area::Instance,
    title: "Instance being made",
    why: "The operator makes pods one after the other and elects a master when the first is ready; until then nothing \
          is wrong.",
    reads: "creation time of the Dragonfly object, its pods, INFO replication of its nodes",
    next: "Wait. This shows what it waits for.\n\
           $ {kubectl} get pods,events",
    situations: &[&MADE],
    needs: Check::NOTHING,
    run,
};

const MADE: Situation = Situation {
    id: "being-made",
    word: "being made",
    class: State::Syncing,
    rule: "the Dragonfly object is younger than 60 s and as it was made, none of its pods goes or was made anew, and pods are not \
           ready, no node is master or labelled so, or the Service has no endpoint",
    meaning: "Until it has a master that the Service sends to, it cannot be used; until it is complete, there are fewer nodes to \
              fail over to.",
    shown: Shown::By(&["new-instance"]),
    ..Situation::BASE
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let Some(until) = instance.young_until else {
        return Answer::NOT_APPLICABLE;
    };
    let wanted = instance.wanted();
    let ready = instance.nodes.iter().filter(|n| n.is_ready()).count();
    let missing = if ready < wanted {
        format!("{ready} of {wanted} pods are ready")
    } else if instance.masters().is_empty() && !is_elected(instance) {
        "no master is elected yet".to_owned()
    } else if instance.endpoints.as_deref() == Some(&[]) {
        "the Service has no endpoint yet".to_owned()
    } else {
        return Answer::PASS;
    };
    let id = &instance.view.id;
    let finding = case.finding(
        &CHECK,
        &MADE,
        Severity::Note,
        format!("{id} is being made: {missing}"),
    );
    let meta = &instance.view.dragonfly.value.meta;
    let since = meta.created.map_or(
        Since::Seen(instance.view.dragonfly.first_seen),
        Since::Exactly,
    );
    Answer::from(finding.since(since)).again(Some(until))
}

/// A pod is labelled master, whatever its engine does by now: that is told by other checks.
fn is_elected(instance: &Instance<'_>) -> bool {
    let mut labels = instance.nodes.iter().map(|node| node.view.label_role());
    labels.any(|role| role == Some(Role::Master))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::FaultKind;
    use crate::domain::fixture::*;

    #[test]
    fn a_young_instance_is_not_broken() {
        table(
            &CHECK,
            vec![
                ("old", healthy(), "n/a"),
                ("young and complete", healthy().young(20), "pass"),
                (
                    "no pods yet",
                    instance("orders").wanting(3).young(5),
                    "note syncing: shop/orders is being made: 0 of 3 pods are ready",
                ),
                (
                    "no master yet",
                    instance("orders").node(replica()).node(replica()).young(20),
                    "note syncing: shop/orders is being made: no master is elected yet",
                ),
                (
                    "the master that was elected does not answer: other checks tell it",
                    instance("orders")
                        .node(master().unreachable(FaultKind::Timeout, "timed out"))
                        .node(replica())
                        .young(20),
                    "pass",
                ),
                (
                    "a pod was made anew: it was complete before",
                    instance("orders")
                        .node(replica().young(2))
                        .node(master().young(15))
                        .wanting(3)
                        .young(20),
                    "n/a",
                ),
                (
                    "a pod goes",
                    instance("orders")
                        .node(master())
                        .node(replica().deleting())
                        .wanting(3)
                        .young(20),
                    "n/a",
                ),
                (
                    "made in the future: a clock that differs",
                    instance("orders").wanting(1).young(-30),
                    "note syncing: shop/orders is being made: 0 of 1 pods are ready",
                ),
                (
                    "made in a far future: a clock that is wrong hides nothing",
                    instance("orders").young(-9_000),
                    "n/a",
                ),
            ],
        );
    }
}
