//! The way to a cluster is cut, or not open yet: nothing there is being watched.
//!
//! What was seen there before is old, not wrong and not right. For the cluster's instances and operator the answer is
//! therefore *unknown*, with what they were last seen as among the evidence (see [`super::judge`]).

use jiff::Timestamp;

use super::steps::of_fault;
use super::words::{bracketed, clock};
use super::{
    Answer, Area, Case, Check, Finding, Severity, Shown, Since, Situation, State, Subject,
};
use crate::domain::fact::Link;

/// The check.
pub const CHECK: Check = Check {
    id: "context-unreachable",
    area: Area::Access,
    title: "Context not reachable",
    why: "While a cluster does not answer, nothing that is shown of it is true now; it may have failed over meanwhile.",
    reads: "heartbeat of the API server",
    next: "Press r in the console: it tries again at once.\n\
           See whether the server answers others.\n\
           $ {kubectl} version",
    situations: &[&UNREACHABLE],
    needs: Check::NOTHING,
    run,
};

const UNREACHABLE: Situation = Situation {
    id: "context-unreachable",
    word: "unreachable",
    class: State::Unknown,
    rule: "the heartbeat of the API server fails, wants a login, or has not been answered yet; of its instances and its operator it is said too",
    meaning: "What is shown of it is as it was when it was last heard; it may have changed since.",
    shown: Shown::By(&["context-unreachable", "context-hangs"]),
    ..Situation::BASE
};

fn run(case: &Case<'_>) -> Answer {
    let Some((severity, what)) = trouble(case) else {
        return match case.subject {
            Subject::Context(_) => Answer::PASS,
            _ => Answer::NOT_APPLICABLE,
        };
    };
    let context = case.context;
    let since = context.stands_since();
    let told = match (case.subject, context.heard) {
        (Subject::Context(_), None) => what,
        (Subject::Context(_), Some(_)) => format!("{what}; nothing there is being watched"),
        (_, None) => what,
        (_, Some(heard)) => format!("{what}; last heard at {}", clock(heard)),
    };
    let severity = match case.subject {
        Subject::Context(_) => severity,
        // The context's own finding says it once, loudly.
        _ => Severity::Note,
    };
    let finding = case
        .finding(&CHECK, &UNREACHABLE, severity, told)
        .meaning(match context.heard {
            Some(_) => "What is shown of it is as it was then; it may have changed since.",
            None => "Nothing of it is known yet.",
        })
        .since(Since::Seen(since))
        .called(match &context.link {
            Link::Connecting => "connecting",
            Link::LoginNeeded { .. } => "login needed",
            Link::Unusable { .. } => "not usable",
            Link::Unreachable { .. } | Link::Live { .. } => UNREACHABLE.word,
        });
    with_fault(finding, &context.link, context.link_since).into()
}

/// What is wrong with the way, if anything is.
fn trouble(case: &Case<'_>) -> Option<(Severity, String)> {
    let id = &case.context.id;
    Some(match &case.context.link {
        Link::Live { .. } => return None,
        Link::Connecting if case.context.heard.is_none() => {
            (Severity::Note, format!("{id} is being connected"))
        }
        Link::Connecting => (Severity::Warning, format!("{id} is being connected again")),
        Link::Unreachable { fault, .. } => (
            Severity::Warning,
            format!("{id} is not reachable{}", bracketed(&fault.message)),
        ),
        Link::LoginNeeded { fault, .. } => (
            Severity::Warning,
            format!("{id} wants a login{}", bracketed(&fault.message)),
        ),
        Link::Unusable { fault } => (
            Severity::Warning,
            format!("{id} cannot be opened{}", bracketed(&fault.message)),
        ),
    })
}

fn with_fault(finding: Finding, link: &Link, at: Timestamp) -> Finding {
    let Some(fault) = link.fault() else {
        return finding;
    };
    let detail = if fault.detail.is_empty() {
        &fault.message
    } else {
        &fault.detail
    };
    let next = match fault.hint.as_str() {
        "" => String::new(),
        _ => format!(
            "{}\nPress r in the console: it tries again at once.",
            of_fault(fault)
        ),
    };
    finding
        .next(next)
        .resting_on(detail.clone(), "heartbeat of the API server", at)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;
    use crate::domain::{Fact, Fault, FaultKind};

    fn linked(link: Link) -> String {
        let mut f = healthy().build();
        f.tell(
            Fact::Linked {
                context: infra(),
                link,
            },
            ago(5),
        );
        line(&answer_about(&CHECK, &f, &Subject::Context(infra())))
    }

    #[test]
    fn each_sort_of_trouble_has_its_words() {
        let fault = || Fault::new(FaultKind::Timeout, "dial timeout");
        assert_eq!(
            linked(Link::Live {
                rtt: std::time::Duration::ZERO
            }),
            "pass"
        );
        assert_eq!(
            linked(Link::Unreachable {
                fault: fault(),
                retry_at: now()
            }),
            "warning unknown: infra is not reachable (dial timeout); nothing there is being watched"
        );
        assert_eq!(
            linked(Link::LoginNeeded {
                fault: Fault::new(FaultKind::Unauthenticated, "aws: expired"),
                retry_at: now()
            }),
            "warning unknown: infra wants a login (aws: expired); nothing there is being watched"
        );
        assert_eq!(
            linked(Link::Unusable {
                fault: Fault::new(FaultKind::Unusable, "no server")
            }),
            "warning unknown: infra cannot be opened (no server); nothing there is being watched"
        );
        assert_eq!(
            linked(Link::Connecting),
            "warning unknown: infra is being connected again; nothing there is being watched"
        );
    }

    #[test]
    fn an_instance_of_a_cut_off_context_is_unknown_since_it_was_last_heard() {
        let f = instance("orders")
            .node(master())
            .node(master())
            .unreachable()
            .build();
        let judged = judgement(&f);
        assert_eq!(judged.state, State::Unknown);
        let [finding] = judged.findings.as_slice() else {
            panic!("{:?}", judged.findings)
        };
        assert_eq!(
            finding.sentence,
            "infra is not reachable (dial timeout); last heard at 11:59:22 UTC"
        );
        assert_eq!(finding.since, Since::Seen(ago(38)));
        assert_eq!(
            finding.next_step(),
            "Press r in the console: it tries again at once.\nSee whether the server answers others: kubectl --context infra -n \
             shop version"
        );
        let told: Vec<&str> = finding.evidence.iter().map(|e| e.text.as_str()).collect();
        assert!(
            told.contains(&"several masters when it was last heard"),
            "{told:?}"
        );
        assert!(
            told.iter()
                .any(|t| t.starts_with("orders-0 and orders-1 both act as master")),
            "{told:?}"
        );
    }
}
