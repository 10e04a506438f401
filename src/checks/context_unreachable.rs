//! The way to a cluster is cut, or not open yet: nothing there is being watched.
//!
//! What was seen there before is old, not wrong and not right. For the cluster's instances and operator the answer is
//! therefore *unknown*, with what they were last seen as among the evidence (see [`super::judge`]).

use jiff::Timestamp;

use super::words::{bracketed, clock};
use super::{Answer, Case, Check, Finding, Severity, Since, State, Subject};
use crate::domain::fact::Link;

/// The check.
pub const CHECK: Check = Check {
    id: "context-unreachable",
    title: "Context not reachable",
    why: "While a cluster does not answer, nothing that is shown of it is true now; it may have failed over meanwhile.",
    reads: "heartbeat of the API server",
    run,
};

fn run(case: &Case<'_>) -> Answer {
    let Some((severity, what)) = trouble(case) else {
        return match case.subject {
            Subject::Context(_) => Answer::PASS,
            Subject::Operator(_) | Subject::Instance(_) => Answer::NOT_APPLICABLE,
        };
    };
    let context = case.context;
    let since = context.heard.unwrap_or(context.link_since);
    let told = match (case.subject, context.heard) {
        (Subject::Context(_), None) => what,
        (Subject::Context(_), Some(_)) => format!("{what}: nothing there is being watched"),
        (_, None) => what,
        (_, Some(heard)) => format!("{what}; last heard at {}", clock(heard)),
    };
    let severity = match case.subject {
        Subject::Context(_) => severity,
        // The context's own finding says it once, loudly.
        Subject::Operator(_) | Subject::Instance(_) => Severity::Note,
    };
    let finding = case
        .finding(&CHECK, severity, State::Unknown, told)
        .since(Since::Seen(since));
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
    finding.meaning(fault.hint.clone()).resting_on(
        detail.clone(),
        "heartbeat of the API server",
        at,
    )
}
