//! Every save makes a new file, and none is ever deleted: the volume fills up, and then saves fail (op#179, df#1377).

use crate::checks::acceptance::{ACCEPTED, mend};
use crate::checks::stored::files_pile_up;
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};

/// The check.
pub const CHECK: Check = Check {
    id: "snapshots-pile-up",
    area: Area::Storage,
    title: "Snapshots pile up",
    why: "The server's own file name holds the time, so that each save writes a new file; nothing deletes the old ones.",
    reads: "spec.snapshot and spec.args of the Dragonfly object",
    next: "Give the file a fixed name, so that each save replaces the one before: --dbfilename=dump in spec.args of the Dragonfly \
           object. Or delete old files by other means.",
    situations: &[&PILES],
    needs: Check::NOTHING,
    run,
};

const PILES: Situation = Situation {
    id: "snapshots-pile-up",
    word: "snapshots pile up",
    rule: "snapshots are made and spec.args names no --dbfilename without {timestamp}: a warning with a schedule, else advice",
    meaning: "Once the volume is full, no save succeeds any more.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let held = instance.view.dragonfly;
    let Some(snapshot) = &held.value.snapshot else {
        return Answer::NOT_APPLICABLE;
    };
    if !files_pile_up(&instance.view) {
        return Answer::PASS;
    }
    let name = &instance.view.id;
    let severity = match snapshot.cron {
        Some(_) => Severity::Warning,
        None => Severity::Note,
    };
    let mut finding = case
        .finding(
            &CHECK,
            &PILES,
            severity,
            format!("each save of {name} makes a new file, and nothing deletes the old ones"),
        )
        .resting_on(
            "spec.args has no --dbfilename with a fixed name",
            format!("Dragonfly {name}"),
            held.changed,
        )
        .since(Since::Seen(held.changed));
    if let Some(cron) = &snapshot.cron {
        let text = format!("spec.snapshot.cron is {cron}");
        finding = finding.resting_on(text, format!("Dragonfly {name}"), held.changed);
    }
    let manifest = mend::arguments(
        name,
        &held.value,
        &["A fixed name: each save replaces the one before. Every pod starts anew for it."],
        |flags, at| flags.get(at).is_some_and(|flag| flag.name != "dbfilename"),
        &["--dbfilename=dump".to_owned()],
    );
    match manifest {
        Some(manifest) => finding.mended_by(manifest).into(),
        None => finding.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::object::Snapshot;

    #[test]
    fn a_fixed_name_is_wanted() {
        let with = |cron: Option<&'static str>, args: &'static [&'static str]| {
            move |f: &mut _| {
                dragonfly(f, |d| {
                    d.snapshot = Some(Snapshot {
                        cron: cron.map(str::to_owned),
                        ..Snapshot::default()
                    });
                    d.args = args.iter().map(|a| (*a).to_owned()).collect();
                });
            }
        };
        const SAYS: &str =
            "each save of shop/orders makes a new file, and nothing deletes the old ones";
        table(
            &CHECK,
            &[
                ("no snapshots", &|_| {}, "n/a"),
                (
                    "a fixed name",
                    &with(Some("0 * * * *"), &["--dbfilename=dump"]),
                    "pass",
                ),
                (
                    "none",
                    &with(Some("0 * * * *"), &[]),
                    &format!("warning healthy: {SAYS}"),
                ),
                (
                    "one with the time",
                    &with(Some("0 * * * *"), &["--dbfilename=d-{timestamp}"]),
                    &format!("warning healthy: {SAYS}"),
                ),
                (
                    "without a schedule",
                    &with(None, &[]),
                    &format!("note healthy: {SAYS}"),
                ),
            ],
        );
    }
}
