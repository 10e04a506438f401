//! Arguments of the Dragonfly object repeat those that the operator gives by itself, or say the opposite. Which of two wins
//! is not promised, and with some of them the operator cannot reach its engines any more (op#133).

use crate::checks::acceptance::flags::{Flag, flags};
use crate::checks::acceptance::{ACCEPTED, mend};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::object::Dragonfly;

/// The check.
pub const CHECK: Check = Check {
    id: "arguments-fight",
    area: Area::Instance,
    title: "Arguments that repeat or fight the operator's",
    why: "The operator reaches engines by the admin port that it opens itself; an argument that says otherwise leaves it, and \
          this program, without a way in.",
    reads: "spec.args of the Dragonfly object",
    next: "Take these arguments out of spec.args of the Dragonfly object, and say what they say in the field of the object that is \
           meant for it.",
    situations: &[&REPEATED, &FIGHT, &LOCKED],
    needs: Check::NOTHING,
    run,
};

const REPEATED: Situation = Situation {
    id: "arguments-repeated",
    word: "args repeated",
    rule: "an argument of spec.args is given twice, or says again what the operator's own says",
    meaning: "Whoever changes one of them later will not see it take effect.",
    ..ACCEPTED
};

const FIGHT: Situation = Situation {
    id: "arguments-fight",
    word: "args fight",
    rule: "an argument of spec.args says something else than the operator's own, or than another of the same name",
    meaning: "Which of the two the server takes is not promised.",
    ..ACCEPTED
};

const LOCKED: Situation = Situation {
    id: "arguments-lock-out",
    word: "operator lockout",
    rule: "spec.args sets --port, --admin_port or --admin_nopass to something else than the operator does",
    meaning: "The operator cannot reach the engines, so that no pod gets a role; or clients are sent to a port that nobody serves.",
    ..ACCEPTED
};

/// What the operator gives to every engine (v1.3.0 to v1.6.1), and which value of it is meant; `None` where the value is the
/// object's own affair, in the field that is named.
fn operators_own(
    dragonfly: &Dragonfly,
    flag: &Flag,
) -> Option<(Option<&'static str>, &'static str)> {
    let is_snapshot = dragonfly.snapshot.is_some();
    Some(match flag.name.as_str() {
        "alsologtostderr" => (Some("true"), ""),
        "break_replication_on_master_restart" => (Some("true"), ""),
        "primary_port_http_enabled" => (Some("false"), ""),
        "admin_port" => (Some("9999"), ""),
        "admin_nopass" => (Some("true"), ""),
        "port" => (Some("6379"), ""),
        "dir" if is_snapshot => (None, "spec.snapshot.dir"),
        "snapshot_cron" if is_snapshot => (None, "spec.snapshot.cron"),
        "tiered_prefix" if dragonfly.tiering_size.is_some() => (None, "spec.tiering"),
        "requirepass" if dragonfly.password_secret.is_some() => {
            (None, "spec.authentication.passwordFromSecret")
        }
        "tls" | "tls_cert_file" | "tls_key_file" | "no_tls_on_admin_port" if dragonfly.tls => {
            (None, "spec.tlsSecretRef")
        }
        _ => return None,
    })
}

/// Without these nobody reaches the engine.
const DOORS: &[&str] = &["admin_port", "admin_nopass", "port"];

/// Whether the flag says what is meant.
fn says(flag: &Flag, meant: &str) -> bool {
    match meant {
        "true" => flag.is_on(),
        "false" => !flag.is_on(),
        _ => flag.value.as_deref() == Some(meant),
    }
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let held = instance.view.dragonfly;
    let flags = flags(&held.value.args);
    if flags.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    let (mut locked, mut fighting, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
    for (at, flag) in flags.iter().enumerate() {
        // The value may be a password: only what is meant is told.
        let name = format!("--{}", flag.name);
        let before = flags.iter().take(at).find(|other| other.name == flag.name);
        match (operators_own(&held.value, flag), before) {
            (Some((Some(meant), _)), _) if says(flag, meant) => {
                repeated.push(format!("{name}, which is the operator's own"));
            }
            (Some((Some(meant), _)), _) if DOORS.contains(&flag.name.as_str()) => {
                locked.push(format!("{name}, which the operator sets to {meant}"));
            }
            (Some((Some(meant), _)), _) => {
                fighting.push(format!("{name}, which the operator sets to {meant}"));
            }
            (Some((None, field)), _) => {
                fighting.push(format!("{name}, which {field} sets already"))
            }
            (None, Some(before)) if before.value == flag.value => {
                repeated.push(format!("{name} twice"));
            }
            (None, Some(_)) => fighting.push(format!("{name} twice, with two values")),
            (None, None) => {}
        }
    }
    let (situation, severity) = match (locked.is_empty(), fighting.is_empty(), repeated.is_empty())
    {
        (true, true, true) => return Answer::PASS,
        (false, _, _) => (&LOCKED, Severity::Critical),
        (true, false, _) => (&FIGHT, Severity::Warning),
        (true, true, false) => (&REPEATED, Severity::Note),
    };
    let all: Vec<String> = [locked, fighting, repeated].concat();
    let name = &instance.view.id;
    let mut finding = case
        .finding(
            &CHECK,
            situation,
            severity,
            format!("spec.args of {name} has {}", list(&all)),
        )
        .since(Since::Seen(held.changed));
    let manifest = mend::arguments(
        name,
        &held.value,
        &[
            "Without what the operator sets itself, and of what stood there twice the last, which the server takes.",
        ],
        |flags, at| {
            flags.get(at).is_some_and(|flag| {
                let again = flags.iter().skip(at + 1);
                operators_own(&held.value, flag).is_none()
                    && !again.into_iter().any(|other| other.name == flag.name)
            })
        },
        &[],
    );
    if let Some(manifest) = manifest {
        finding = finding.mended_by(manifest);
    }
    for one in &all {
        finding = finding.resting_on(
            one.clone(),
            format!("spec.args of Dragonfly {name}"),
            held.changed,
        );
    }
    finding.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::object::Snapshot;

    #[test]
    fn arguments_are_held_against_the_operators_own() {
        let with = |args: &'static [&'static str]| {
            move |f: &mut _| {
                dragonfly(f, |d| {
                    d.args = args.iter().map(|a| (*a).to_owned()).collect();
                    d.snapshot = Some(Snapshot::default());
                    d.password_secret = Some(("s".to_owned(), "k".to_owned()));
                });
            }
        };
        table(
            &CHECK,
            &[
                ("none", &with(&[]), "n/a"),
                (
                    "its own affair",
                    &with(&["--maxmemory=1gb", "--cache_mode=true"]),
                    "pass",
                ),
                (
                    "repeated",
                    &with(&["--admin_port=9999", "--maxmemory=1gb", "--maxmemory=1gb"]),
                    "note healthy: spec.args of shop/orders has --admin_port, which is the operator's own and --maxmemory twice",
                ),
                (
                    "another value of the same",
                    &with(&["--maxmemory=1gb", "--maxmemory=2gb"]),
                    "warning healthy: spec.args of shop/orders has --maxmemory twice, with two values",
                ),
                (
                    "what a field says",
                    &with(&["--dir=/data", "--snapshot_cron", "* * * * *"]),
                    "warning healthy: spec.args of shop/orders has --dir, which spec.snapshot.dir sets already and --snapshot_cron, \
                     which spec.snapshot.cron sets already",
                ),
                (
                    "a password is not told",
                    &with(&["--requirepass=s3cret"]),
                    "warning healthy: spec.args of shop/orders has --requirepass, which spec.authentication.passwordFromSecret sets already",
                ),
                (
                    "http on the data port",
                    &with(&["--primary_port_http_enabled"]),
                    "warning healthy: spec.args of shop/orders has --primary_port_http_enabled, which the operator sets to false",
                ),
                (
                    "locked out",
                    &with(&["--admin_nopass=false"]),
                    "critical critical: spec.args of shop/orders has --admin_nopass, which the operator sets to true",
                ),
                (
                    "elsewhere",
                    &with(&["--port=6380"]),
                    "critical critical: spec.args of shop/orders has --port, which the operator sets to 6379",
                ),
            ],
        );
    }
}
