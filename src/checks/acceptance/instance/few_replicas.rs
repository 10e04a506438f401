//! Fewer than three pods: while one of them is away, as in each rollout, there is nothing left to fail over to. Or another
//! number of them than the settings expect.

use crate::checks::acceptance::{ACCEPTED, mend};
use crate::checks::words::counted;
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};

/// The check.
pub const CHECK: Check = Check {
    id: "few-replicas",
    area: Area::Instance,
    title: "Few pods",
    why: "With two pods, each rollout and each drained machine leaves a master alone; with one, each of them is an outage.",
    reads: "spec.replicas of the Dragonfly object; replicas of its [[instance]] in the settings",
    next: "Set spec.replicas to 3 in the Dragonfly object, the master included, unless the data may be lost.",
    situations: &[&FEW, &UNEXPECTED],
    needs: Check::NOTHING,
    run,
};

const FEW: Situation = Situation {
    id: "few-replicas",
    word: "few replicas",
    rule: "spec.replicas, the master included, is 1 (a warning) or 2 (advice)",
    meaning: "While one pod is away, a lost master cannot be replaced.",
    ..ACCEPTED
};

const UNEXPECTED: Situation = Situation {
    id: "replicas-unexpected",
    word: "other replicas",
    rule: "the settings expect another number of pods than spec.replicas",
    meaning: "It is not what it is meant to be: somebody scaled it, or the settings are old.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let held = instance.view.dragonfly;
    let name = &instance.view.id;
    let expected = case.limits.expected.instance(name);
    if let Some(expected) = expected.and_then(|expected| expected.replicas)
        && let Some(wanted) = held.value.replicas
        && i64::try_from(expected) != Ok(wanted)
    {
        let severity = match i64::try_from(expected).is_ok_and(|expected| wanted < expected) {
            true => Severity::Warning,
            false => Severity::Note,
        };
        return case
            .finding(
                &CHECK,
                &UNEXPECTED,
                severity,
                format!(
                    "{name} is to have {} by the settings, and its Dragonfly object wants {wanted}",
                    counted(expected, "pod", "pods")
                ),
            )
            .next("Set spec.replicas in the Dragonfly object to what is expected, or put the settings right.")
            .resting_on(
                format!("spec.replicas is {wanted}"),
                format!("Dragonfly {name}"),
                held.changed,
            )
            .since(Since::Seen(held.changed))
            .into();
    }
    let (severity, wanted) = match held.value.replicas {
        // Nobody says, or it was taken out of service on purpose.
        None | Some(..=0) => return Answer::NOT_APPLICABLE,
        Some(1) => (Severity::Warning, 1),
        Some(2) => (Severity::Note, 2),
        Some(_) => return Answer::PASS,
    };
    let mut finding = case.finding(
        &CHECK,
        &FEW,
        severity,
        format!(
            "{name} has {}, three are advised",
            counted(wanted, "pod", "pods")
        ),
    );
    if wanted == 1 {
        finding = finding.meaning("Each rollout and each loss of its machine is an outage, and its data is in memory once.");
    }
    finding
        .mended_by(mend::dragonfly(
            name,
            &["Three pods, the master included: while one is away, a lost master is still replaced."],
            &["replicas: 3".to_owned()],
        ))
        .resting_on(
            format!("spec.replicas is {wanted}"),
            format!("Dragonfly {name}"),
            held.changed,
        )
        .since(Since::Seen(held.changed))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;

    #[test]
    fn three_are_advised() {
        let with = |replicas| move |f: &mut _| dragonfly(f, |d| d.replicas = replicas);
        table(
            &CHECK,
            &[
                ("three", &|_| {}, "pass"),
                ("more", &with(Some(5)), "pass"),
                (
                    "two",
                    &with(Some(2)),
                    "note healthy: shop/orders has 2 pods, three are advised",
                ),
                (
                    "one",
                    &with(Some(1)),
                    "warning healthy: shop/orders has 1 pod, three are advised",
                ),
                ("out of service", &with(Some(0)), "n/a"),
                ("nobody says", &with(None), "n/a"),
            ],
        );
    }
}
