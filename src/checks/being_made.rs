//! A young instance that is not complete yet: it is being made rather than broken.

use super::{Answer, Case, Check, Severity, Since, State};

/// The check.
pub const CHECK: Check = Check {
    id: "being-made",
    title: "Instance being made",
    why: "The operator makes pods one after the other and elects a master when the first is ready; until then nothing \
          is wrong.",
    reads: "creation time of the Dragonfly object, its pods, INFO replication of its nodes",
    run,
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
    } else if instance.masters().is_empty() {
        "no master is elected yet".to_owned()
    } else if instance.endpoints.as_deref() == Some(&[]) {
        "the Service has no endpoint yet".to_owned()
    } else {
        return Answer::PASS;
    };
    let id = &instance.view.id;
    let finding = case.finding(
        &CHECK,
        Severity::Note,
        State::Syncing,
        format!("{id} is being made: {missing}"),
    );
    let meta = &instance.view.dragonfly.value.meta;
    let since = meta.created.map_or(
        Since::Seen(instance.view.dragonfly.first_seen),
        Since::Exactly,
    );
    Answer::from(finding.since(since)).again(Some(until))
}
