//! Every question asked of everything, and every answer kept: what a report of what was judged and what could not be is made
//! of. A state needs only what is wrong; a roll says also what is right, and what was not asked.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::acceptance::asked;
use super::board::by_our_clock;
use super::{
    ACCEPTANCE, ALL, Answer, Case, Check, Finding, Limits, Severity, Since, State, Subject,
    Verdict, context_unreachable,
};
use crate::domain::{ContextId, Needs, Want, World};

/// One check's answer about one subject.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The check.
    pub check: &'static Check,
    /// About what.
    pub subject: Subject,
    /// Its answer.
    pub verdict: Verdict,
}

/// Asks every check, of health and of acceptance, about every context, operator, instance and consumer.
///
/// While a cluster is not reached, nothing of it is known: whatever was seen of it before, the answer is *unknown* then.
pub fn roll(world: &World, limits: &Limits, now: Timestamp) -> Vec<Entry> {
    let mut roll = Vec::new();
    for subject in subjects(world, limits) {
        let Some(case) = Case::of(world, &subject, limits, now) else {
            let untold = of_unopened(&subject, limits, now);
            roll.extend(untold.map(|(_, check, verdict)| Entry {
                check,
                subject: subject.clone(),
                verdict,
            }));
            continue;
        };
        for check in checks_of(&subject) {
            roll.push(Entry {
                check,
                subject: subject.clone(),
                verdict: ask(&case, check).verdict,
            });
        }
    }
    roll
}

/// What must be read, and asked of engines, for all of it beside what is followed at all times, as far as that can be told by
/// now.
pub fn needs(world: &World, limits: &Limits, now: Timestamp) -> Needs {
    let mut wants: BTreeSet<Want> = BTreeSet::new();
    for subject in subjects(world, limits) {
        let Some(case) = Case::of(world, &subject, limits, now) else {
            continue;
        };
        for check in checks_of(&subject) {
            wants.extend((check.needs)(&case));
        }
    }
    // A cluster that is not open, or not reached, has nobody who reads.
    let is_read = |context: &ContextId| world.context(context).is_some_and(|c| c.is_live());
    wants.retain(|want| is_read(want.context()));
    Needs {
        wants,
        clients: asked(world, limits),
        judged: false,
    }
}

/// The checks that are asked about such a subject.
pub fn checks_of(subject: &Subject) -> impl Iterator<Item = &'static Check> {
    let health: &[&Check] = match subject {
        Subject::Consumer(_) => &[],
        _ => ALL,
    };
    health.iter().chain(ACCEPTANCE).copied()
}

/// Everything that is asked about. A cluster that is open twice is asked about once, but for the way to it.
pub fn subjects(world: &World, limits: &Limits) -> Vec<Subject> {
    let shown: Vec<_> = world.shown_contexts().map(|context| &context.id).collect();
    let mut subjects: Vec<Subject> = Vec::new();
    for context in world.contexts() {
        subjects.push(Subject::Context(context.id.clone()));
        if shown.contains(&&context.id) {
            subjects.push(Subject::Operator(context.id.clone()));
        }
    }
    subjects.extend(world.instances().map(Subject::Instance));
    let consumers = limits.expected.consumers.iter();
    subjects.extend(consumers.map(|consumer| Subject::Consumer(consumer.id.clone())));
    subjects
}

/// What is told of a consumer whose context is not open: one answer, of the check that its entry in the settings is for, with
/// that check's place among [`checks_of`].
pub(super) fn of_unopened(
    subject: &Subject,
    limits: &Limits,
    now: Timestamp,
) -> Option<(usize, &'static Check, Verdict)> {
    let Subject::Consumer(id) = subject else {
        return None;
    };
    let wish = limits.expected.consumer(id)?;
    let wanted = match wish.denied {
        true => "consumer-let-in",
        false => "consumer-blocked",
    };
    let mut all = checks_of(subject).enumerate();
    let (at, check) = all.find(|(_, check)| check.id == wanted)?;
    let context = &id.context;
    let sentence = format!("consumer {id} cannot be judged: its context {context} is not open");
    let situation = &super::acceptance::UNTOLD;
    let finding = Finding {
        check: check.id,
        situation,
        short: situation.word.to_owned(),
        subject: subject.clone(),
        severity: Severity::Note,
        state: State::Unknown,
        sentence,
        meaning: situation.meaning.to_owned(),
        next: format!(
            "Open {context} too: name it with --context, or under `fleet` in the settings. Where it has another name in the kubeconfig, \
             give the `[[consumer]]` that."
        ),
        evidence: Vec::new(),
        since: Since::Seen(now),
        about: Vec::new(),
        covers: Vec::new(),
        manifest: None,
    };
    Some((at, check, Verdict::Unknown(finding)))
}

/// Asks one check. While a cluster is not reached, what was seen of it is no answer.
pub(super) fn ask(case: &Case<'_>, check: &'static Check) -> Answer {
    let is_way = check.id == context_unreachable::CHECK.id;
    let mut answer = (check.run)(case);
    if let Verdict::Finding(finding) | Verdict::Unknown(finding) = &mut answer.verdict {
        finding.since = by_our_clock(case, finding.since);
    }
    if case.context.is_live() || is_way || answer.verdict == Verdict::NotApplicable {
        return answer;
    }
    match (context_unreachable::CHECK.run)(case).verdict {
        Verdict::Finding(why) | Verdict::Unknown(why) => Verdict::Unknown(Finding {
            check: check.id,
            state: State::Unknown,
            ..why
        })
        .into(),
        Verdict::Pass | Verdict::NotApplicable => answer,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;
    use crate::domain::fixture::*;

    fn of(f: &Fixture) -> Vec<Entry> {
        roll(&f.world, &Limits::default(), now())
    }

    #[test]
    fn everything_is_asked_about_everything_and_every_answer_is_kept() {
        let f = healthy().build();
        let all = of(&f);
        // A context, its operator, an instance.
        assert_eq!(all.len(), 3 * (ALL.len() + ACCEPTANCE.len()));
        let about = |subject: &Subject, id: &str| {
            let mut found = all
                .iter()
                .filter(|e| e.check.id == id && e.subject == *subject);
            match (found.next().map(|e| &e.verdict), found.next()) {
                (Some(Verdict::Pass), None) => "pass",
                (Some(Verdict::Finding(_)), None) => "finding",
                (Some(Verdict::Unknown(_)), None) => "unknown",
                (Some(Verdict::NotApplicable), None) => "n/a",
                _ => "not once",
            }
        };
        let instance = Subject::Instance(f.id.clone());
        for (subject, id, wanted) in [
            (&instance, "no-master", "pass"),
            (&instance, "few-replicas", "pass"),
            (&instance, "memory-limit-missing", "finding"),
            (&instance, "budget-unfit", "unknown"),
            (&instance, "operator-alone", "n/a"),
            (&Subject::Operator(infra()), "operator-alone", "unknown"),
            (&Subject::Context(infra()), "context-unreachable", "pass"),
            (&Subject::Context(infra()), "few-replicas", "n/a"),
        ] {
            assert_eq!(about(subject, id), wanted, "{id} of {subject:?}");
        }
    }

    #[test]
    fn of_a_cluster_that_is_not_reached_everything_is_unknown() {
        let f = healthy().unreachable().build();
        let all = of(&f);
        assert!(all.len() > 100);
        let mut unknown = 0;
        for entry in &all {
            match &entry.verdict {
                Verdict::Unknown(why) => {
                    unknown += 1;
                    assert_eq!(why.check, entry.check.id);
                    assert!(
                        why.sentence.contains("infra is not reachable"),
                        "{}",
                        why.sentence
                    );
                }
                Verdict::NotApplicable => {}
                other => panic!("{} of {:?}: {other:?}", entry.check.id, entry.subject),
            }
        }
        assert!(unknown > 30, "{unknown}");
    }

    #[test]
    fn a_consumer_of_a_context_that_is_not_open_is_unknown_with_the_reason() {
        use crate::checks::acceptance::fixture::with_consumer;
        use crate::domain::ContextId;

        for (denied, wanted) in [(false, "consumer-blocked"), (true, "consumer-let-in")] {
            let (f, mut limits) = with_consumer(denied);
            for consumer in &mut limits.expected.consumers {
                consumer.id.context = ContextId::new("elsewhere");
            }
            let all = roll(&f.world, &limits, now());
            let told: Vec<(&str, &Verdict)> = all
                .iter()
                .filter(|entry| matches!(entry.subject, Subject::Consumer(_)))
                .map(|entry| (entry.check.id, &entry.verdict))
                .collect();
            let [(check, Verdict::Unknown(why))] = told.as_slice() else {
                panic!("{told:?}");
            };
            assert_eq!(*check, wanted);
            assert_eq!(
                why.sentence,
                "consumer web/front cannot be judged: its context elsewhere is not open"
            );
        }
    }

    #[test]
    fn acceptance_has_no_say_in_the_state() {
        let f = healthy().build();
        let instance = Subject::Instance(f.id.clone());
        let is_found = of(&f)
            .iter()
            .any(|e| e.subject == instance && matches!(e.verdict, Verdict::Finding(_)));
        assert!(is_found);
        let judged = super::super::judge(&f.world, &instance, &Limits::default(), now());
        assert_eq!(judged.state, State::Healthy);
        assert!(judged.findings.is_empty());
    }
}
