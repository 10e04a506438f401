//! The certificate that clients are shown ends soon, or has ended: as the data port shows it, whatever stands in a Secret.

use jiff::{SignedDuration, Timestamp};

use crate::checks::acceptance::{ACCEPTED, untold, with_pods};
use crate::checks::words::{list, number};
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};

/// The check.
pub const CHECK: Check = Check {
    id: "certificate-ending",
    area: Area::Secrets,
    title: "Certificate that ends",
    why: "From one moment to the next no client that verifies it connects any more. A renewed Secret is not enough: the server \
          reads its certificate when it starts.",
    reads: "the certificates in the TLS handshakes of the data ports",
    next: "Renew the Secret of spec.tlsSecretRef, then start the pods anew one by one, replicas first.\n\
           $ {kubectl} delete pod {pod}",
    situations: &[&ENDING, &ENDED],
    needs: Check::NOTHING,
    run,
};

const ENDING: Situation = Situation {
    id: "certificate-ending",
    word: "cert ends soon",
    rule: "the certificate that a node shows ends within 30 days; critical within 7",
    meaning: "No client that verifies it connects after that.",
    ..ACCEPTED
};

const ENDED: Situation = Situation {
    id: "certificate-ended",
    word: "cert ended",
    rule: "the certificate that a node shows has ended",
    meaning: "No client that verifies it connects.",
    ..ACCEPTED
};

/// Days before its end from which on it is told, and told as critical.
const DAYS: (i64, i64) = (30, 7);

fn run(case: &Case<'_>) -> Answer {
    let instance = match with_pods(case, &CHECK) {
        Ok(instance) => instance,
        Err(answer) => return *answer,
    };
    if !instance.view.dragonfly.value.tls {
        return Answer::NOT_APPLICABLE;
    }
    let shown: Vec<_> = instance
        .nodes
        .iter()
        .filter_map(|node| {
            let tried = node.view.engine?.data_port.as_ref()?;
            let certificate = tried.value.certificate.as_ref()?;
            Some((node, certificate, certificate.not_after?, tried.at))
        })
        .collect();
    let Some((_, certificate, end, _)) = shown.iter().min_by_key(|(_, _, end, _)| *end) else {
        let sentence = format!(
            "no pod of {} has shown its certificate yet",
            instance.view.id
        );
        return untold(case, &CHECK, sentence);
    };
    let (end, subject) = (*end, &certificate.subject);
    let before = |days: i64| {
        end.checked_sub(SignedDuration::from_hours(days * 24))
            .unwrap_or(end)
    };
    let (soon, critical) = (before(DAYS.0), before(DAYS.1));
    if case.now < soon {
        return Answer::PASS.again(Some(soon));
    }
    let names: Vec<&str> = shown
        .iter()
        .filter(|(_, _, other, _)| *other == end)
        .map(|(node, ..)| node.name())
        .collect();
    let day = end.strftime("%Y-%m-%d");
    let (situation, severity, verb, next): (_, _, _, Option<Timestamp>) = if case.now >= end {
        (&ENDED, Severity::Critical, "ended on", None)
    } else if case.now >= critical {
        (&ENDING, Severity::Critical, "ends on", Some(end))
    } else {
        (&ENDING, Severity::Warning, "ends on", Some(critical))
    };
    let since = match case.now >= end {
        true => end,
        false => soon,
    };
    let mut finding = case
        .finding(
            &CHECK,
            situation,
            severity,
            format!(
                "the certificate that {} {} {verb} {day}",
                list(&names),
                number(names.len(), "shows", "show")
            ),
        )
        .about(names.iter().copied())
        .since(Since::Exactly(since));
    for (node, _, other, at) in &shown {
        finding = finding.resting_on(
            format!("the certificate of {subject} ends at {other}"),
            format!("TLS handshake of {}", node.name()),
            *at,
        );
    }
    Answer::from(finding).again(next)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::data_port::{Certificate, DataPort, Found, Stage};
    use crate::domain::fixture::{Fixture, ago, infra, now};
    use crate::domain::{Fact, NodeId};

    /// Certificates that end in so many days each, shown by the first nodes.
    fn with(days: &'static [i64]) -> impl Fn(&mut Fixture) {
        move |f| {
            dragonfly(f, |d| d.tls = true);
            for (ordinal, days) in days.iter().enumerate() {
                let tried = DataPort {
                    found: Found::Usable,
                    stage: Stage::Command,
                    took: Duration::from_millis(3),
                    certificate: Some(Certificate {
                        subject: "orders".to_owned(),
                        not_after: Some(now() + SignedDuration::from_hours(days * 24)),
                        is_verified: false,
                    }),
                    logged_in: true,
                };
                let pod = format!("orders-{ordinal}");
                let fact = Fact::Knocked {
                    node: NodeId::new(infra(), "shop", &pod),
                    uid: Arc::from(format!("uid-{pod}").as_str()),
                    tried: Box::new(tried),
                };
                f.tell(fact, ago(5));
            }
        }
    }

    #[test]
    fn the_earliest_end_counts() {
        let day = |days: i64| {
            (now() + SignedDuration::from_hours(days * 24))
                .strftime("%Y-%m-%d")
                .to_string()
        };
        table(
            &CHECK,
            &[
                ("far", &with(&[90, 90, 90]), "pass"),
                (
                    "a month",
                    &with(&[90, 20, 90]),
                    &format!(
                        "warning healthy: the certificate that orders-1 shows ends on {}",
                        day(20)
                    ),
                ),
                (
                    "a week",
                    &with(&[5, 5, 90]),
                    &format!(
                        "critical critical: the certificate that orders-0 and orders-1 show ends on {}",
                        day(5)
                    ),
                ),
                (
                    "over",
                    &with(&[-1, 90, 90]),
                    &format!(
                        "critical critical: the certificate that orders-0 shows ended on {}",
                        day(-1)
                    ),
                ),
                ("no TLS", &|_| {}, "n/a"),
                (
                    "nobody has looked",
                    &with(&[]),
                    "note unknown: no pod of shop/orders has shown its certificate yet",
                ),
            ],
        );
    }
}
