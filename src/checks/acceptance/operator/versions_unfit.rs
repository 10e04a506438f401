//! The operator's version and the server's are known not to get on, or nobody has read one of them: see [`crate::checks::pairs`].

use crate::checks::acceptance::{ACCEPTED, unread, untold};
use crate::checks::crd_missing::followed;
use crate::checks::pairs::{Pair, Server, Standing, built_in, servers, standing};
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::{Kind, Version};

/// The check.
pub const CHECK: Check = Check {
    id: "versions-unfit",
    area: Area::Operator,
    title: "Operator and server that do not get on",
    why: "Each operator is made and tested with the servers of its day. Under another one an instance may not start at all, or \
          come to harm in its next rollout or failover.",
    reads: "the versions of the operator's image, of the instance's image and of its engines",
    next: "Choose a pair of which nothing is known: the newest server that was read for this is v1.40.1, the newest operator v1.6.1.",
    situations: &[&FATAL, &FAULTY, &UNTRIED],
    needs: Check::NOTHING,
    run,
};

const FATAL: Situation = Situation {
    id: "versions-fatal",
    word: "cannot start",
    rule: "the server does not know an argument that the operator always passes: below v1.20.0 under operator v1.3.0 or later",
    meaning: "A pod that starts anew ends at once, and again and again.",
    ..ACCEPTED
};

const FAULTY: Situation = Situation {
    id: "versions-faulty",
    word: "known fault",
    rule: "a fault is written down of this operator with this server, number of pods and settings",
    meaning: "It shows in the next rollout, failover or restart.",
    ..ACCEPTED
};

const UNTRIED: Situation = Situation {
    id: "versions-untried",
    word: "untried pair",
    rule: "the operator is older than v1.1.0 or newer than v1.6.1, or the server older than v1.17.0 or newer than v1.40.1",
    meaning: "Whether the two get on is not known here.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    if !followed(case, Kind::OperatorDeployment) {
        return unread(case, &CHECK, Kind::OperatorDeployment, "");
    }
    // That there is none is told elsewhere.
    let Some(held) = case.context.operators.iter().next() else {
        return Answer::NOT_APPLICABLE;
    };
    let view = &instance.view;
    let name = &view.id;
    let Some(operator) = held.value.version().and_then(Version::parse) else {
        return untold(
            case,
            &CHECK,
            "the operator's image does not tell its version",
        );
    };
    let servers = match servers(view) {
        Ok(servers) => servers,
        Err(why) => {
            return untold(
                case,
                &CHECK,
                format!("the version of {name} is not known: {why}"),
            );
        }
    };
    let snapshot = view.dragonfly.value.snapshot.as_ref();
    let judged: Vec<(&Server, Standing)> = servers
        .iter()
        .map(|server| {
            let pair = Pair {
                operator,
                server: server.version,
                pods: view.wanted().unwrap_or(1),
                master_only: snapshot.is_some_and(|snapshot| snapshot.master_only),
            };
            (server, standing(&pair))
        })
        .collect();
    let worst = judged.iter().max_by_key(|(_, standing)| match standing {
        Standing::Good => 0,
        Standing::Untested(_) => 1,
        Standing::Faulty(known) => {
            2 + usize::from(known.iter().any(|one| one.fatal)) * 100 + known.len()
        }
    });
    let Some((server, standing)) = worst else {
        return Answer::PASS;
    };
    let runs = match server.runs {
        true => "runs",
        false => "is to run",
    };
    let pair = format!(
        "{name} {runs} server {} under operator {operator}",
        server.word
    );
    let mut finding = match standing {
        Standing::Good => return Answer::PASS,
        Standing::Untested(why) => case.finding(
            &CHECK,
            &UNTRIED,
            Severity::Note,
            format!("{pair}, of which nothing is known here: {why}"),
        ),
        Standing::Faulty(known) => {
            let Some(first) = known.first() else {
                return Answer::PASS;
            };
            let (situation, severity) = match first.fatal {
                true => (&FATAL, Severity::Critical),
                false => (&FAULTY, Severity::Warning),
            };
            let more = match known.len() - 1 {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            let mut finding = case.finding(
                &CHECK,
                situation,
                severity,
                format!("{pair}: {} ({}){more}", first.sentence, first.reference),
            );
            for one in known {
                finding = finding.resting_on(one.sentence, one.reference, held.changed);
            }
            finding
        }
    };
    if let Some(built) = built_in(operator) {
        finding = finding.resting_on(
            format!("it was released with server {built}"),
            format!("operator {operator}"),
            held.changed,
        );
    }
    finding
        .since(Since::Seen(held.changed.max(view.dragonfly.changed)))
        .into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::Object;
    use crate::domain::fixture::Fixture;
    use crate::domain::object::Deployment;

    #[test]
    fn a_pair_that_gets_on_is_wanted() {
        let with = |tag: &'static str, image: &'static str| {
            move |f: &mut Fixture| {
                let deployment = Deployment {
                    meta: meta("op"),
                    replicas: 2,
                    images: vec![("manager".to_owned(), format!("operator:{tag}"))],
                    ..Deployment::default()
                };
                let object = Object::OperatorDeployment(Arc::new(deployment));
                listed(f, Kind::OperatorDeployment, vec![object]);
                dragonfly(f, |d| {
                    d.image = Some(format!("df:{image}"));
                    d.replicas = Some(3);
                });
            }
        };
        // The engines of the fixture are of v1.39.0.
        table(
            &CHECK,
            &[
                (
                    "a takeover may lock it",
                    &with("v1.6.1", "v1.39.0"),
                    "warning healthy: shop/orders runs server v1.39.0 under operator v1.6.1: the takeover of a rollout may lock the \
                     instance for up to 10,000 s, and sent again it ends the new master; server v1.40.0 survives it (df#7870) (op#582)",
                ),
                (
                    "one that will not start is wanted",
                    &with("v1.3.0", "v1.17.0"),
                    "critical critical: shop/orders is to run server v1.17.0 under operator v1.3.0: the server does not start: it \
                     knows --break_replication_on_master_restart, which the operator always passes from v1.3.0, only from v1.20.0 \
                     (df#3193), and 6 more",
                ),
                (
                    "a single pod has no takeover",
                    &|f| {
                        with("v1.6.1", "v1.39.0")(f);
                        dragonfly(f, |d| d.replicas = Some(1));
                    },
                    "pass",
                ),
                (
                    "an operator that nobody has read",
                    &|f| {
                        with("v1.9.0", "v1.39.0")(f);
                        dragonfly(f, |d| d.replicas = Some(1));
                    },
                    "note healthy: shop/orders runs server v1.39.0 under operator v1.9.0, of which nothing is known here: operator \
                     v1.9.0 is newer than v1.6.1",
                ),
                (
                    "no operator, which is told elsewhere",
                    &|f| listed(f, Kind::OperatorDeployment, Vec::new()),
                    "n/a",
                ),
                (
                    "operator not read",
                    &|_| {},
                    "note unknown: nothing is known of operator Deployment: they are not being followed",
                ),
            ],
        );
    }
}
