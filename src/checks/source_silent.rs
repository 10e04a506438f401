//! A list without which an instance cannot be judged is not being followed: not listed yet, not permitted, or broken.

use super::case::is_followed;
use super::steps::of_fault;
use super::{Answer, Area, Case, Check, Finding, Severity, Shown, Since, Situation, State};
use crate::domain::object::Dragonfly;
use crate::domain::world::{Held, Source};
use crate::domain::{Access, Kind};

/// The check.
pub const CHECK: Check = Check {
    id: "source-silent",
    area: Area::Access,
    title: "A needed list is not followed",
    why: "Without its pods and endpoints an instance is neither healthy nor ill: it is not known.",
    reads: "the standing watches of Dragonfly objects, pods and EndpointSlices",
    next: "Press r in the console: it asks again at once.\n\
           See whether the API server answers others.\n\
           $ {kubectl} get pods",
    situations: &[&SILENT],
    needs: Check::NOTHING,
    run,
};

const SILENT: Situation = Situation {
    id: "source-silent",
    word: "not followed",
    class: State::Unknown,
    rule: "the watch of its pods, of its EndpointSlices or of Dragonfly objects is refused, not answered yet, or broken for more than 5 s",
    meaning: "Until then the instance is neither well nor ill.",
    shown: Shown::By(&["watch-broken"]),
    ..Situation::BASE
};

/// What an instance's health rests on, and what is lost without it.
const NEEDED: &[(Kind, &str)] = &[
    (Kind::Pod, "which nodes there are cannot be told"),
    (
        Kind::EndpointSlice,
        "where the Service sends traffic cannot be told",
    ),
    (Kind::Dragonfly, "what is wanted may have changed"),
];

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let mut again = None;
    for (kind, lost) in NEEDED {
        let source = case.context.source(*kind, &instance.view.id.namespace);
        if *kind == Kind::Dragonfly && source.is_none_or(|s| s.listed.is_none()) {
            // The object itself is here, so it was seen; only a break afterwards matters.
            continue;
        }
        if source.is_some_and(|s| is_followed(s, case.limits, case.now)) {
            // A break is forgiven for a short time only.
            if let Some(s) = source
                && matches!(s.access, Some(Access::Broken(_)))
            {
                again = [again, case.still(s.since, case.limits.settling)]
                    .into_iter()
                    .flatten()
                    .min();
            }
            continue;
        }
        return finding(case, *kind, source, lost, instance.view.dragonfly).into();
    }
    Answer::PASS.again(again)
}

fn finding(
    case: &Case<'_>,
    kind: Kind,
    source: Option<&Source>,
    lost: &str,
    dragonfly: &Held<Dragonfly>,
) -> Finding {
    let what = format!("{} of {}", kind.words(), dragonfly.value.meta.namespace);
    let (severity, sentence, fault) = match source.and_then(|s| s.access.as_ref()) {
        Some(Access::Denied(fault)) => (
            Severity::Warning,
            format!("{what} may not be read: {lost}"),
            Some(fault),
        ),
        Some(Access::Absent) => (
            Severity::Warning,
            format!("{what} are not served by this API server: {lost}"),
            None,
        ),
        Some(Access::Broken(fault)) => (
            Severity::Warning,
            format!("{what} are not being followed ({fault}): {lost}"),
            Some(fault),
        ),
        Some(Access::Live) | None => (
            Severity::Note,
            format!("{what} are still being listed: {lost}"),
            None,
        ),
    };
    let since = source.map_or(dragonfly.first_seen, |s| s.since);
    let finding = case
        .finding(&CHECK, &SILENT, severity, sentence)
        .since(Since::Seen(since));
    match fault {
        Some(fault) => finding.next(of_fault(fault)).resting_on(
            if fault.detail.is_empty() {
                fault.message.clone()
            } else {
                fault.detail.clone()
            },
            format!("watch of {}", kind.resource()),
            since,
        ),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fault::{Fault, FaultKind};
    use crate::domain::fixture::*;

    #[test]
    fn each_needed_list_is_named() {
        let denied = || Access::Denied(Fault::new(FaultKind::Forbidden, "forbidden"));
        let broken = || Access::Broken(Fault::new(FaultKind::Refused, "503"));
        table(
            &CHECK,
            vec![
                ("healthy", healthy(), "pass"),
                (
                    "pods denied",
                    healthy().source(Kind::Pod, denied()),
                    "warning unknown: Dragonfly pods of shop may not be read: which nodes there are cannot be told",
                ),
                (
                    "endpoints denied",
                    healthy().source(Kind::EndpointSlice, denied()),
                    "warning unknown: EndpointSlices of shop may not be read: where the Service sends traffic cannot \
                     be told",
                ),
                (
                    "pods broken",
                    healthy().source(Kind::Pod, broken()),
                    "warning unknown: Dragonfly pods of shop are not being followed (503): which nodes there are \
                     cannot be told",
                ),
                (
                    "Dragonfly objects broken",
                    healthy().source(Kind::Dragonfly, broken()),
                    "warning unknown: Dragonfly objects of shop are not being followed (503): what is wanted may have \
                     changed",
                ),
                (
                    "events are no need",
                    healthy().source(Kind::Event, denied()),
                    "pass",
                ),
            ],
        );
    }

    #[test]
    fn before_the_first_list_nothing_is_judged() {
        let mut f = healthy().build();
        f.tell(
            crate::domain::Fact::Unwatched {
                context: infra(),
                kind: Kind::Pod,
                scope: crate::domain::Scope::Cluster,
            },
            ago(1),
        );
        let judged = judgement(&f);
        assert_eq!(judged.state, State::Unknown);
        let sentences: Vec<&str> = judged
            .findings
            .iter()
            .map(|f| f.sentence.as_str())
            .collect();
        assert_eq!(
            sentences,
            ["Dragonfly pods of shop are still being listed: which nodes there are cannot be told"]
        );
    }

    #[test]
    fn a_short_break_is_forgiven() {
        let mut f = healthy().build();
        f.tell(
            crate::domain::Fact::Watched {
                context: infra(),
                kind: Kind::Pod,
                scope: crate::domain::Scope::Cluster,
                access: broken_now(),
            },
            ago(2),
        );
        let answer = answer_of(&CHECK, &f);
        assert_eq!(
            (line(&answer).as_str(), answer.again_at),
            ("pass", Some(ago(-3)))
        );
    }

    fn broken_now() -> Access {
        Access::Broken(Fault::new(FaultKind::Refused, "503"))
    }
}
