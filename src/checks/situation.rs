//! What a finding is called: one named situation, with the rule by which it is raised. The class that it puts its subject
//! in ([`State`]) stays the coarse order of things; the situation is what people read.

use super::{ALL, Check, State};

/// One named situation that a check can find.
#[derive(Debug)]
pub struct Situation {
    /// Stable kebab-case id, never reused; in versioned JSON too.
    pub id: &'static str,
    /// What the STATE column shows while it leads; at most [`Situation::WIDTH`] characters. A finding may say it more
    /// exactly (`full sync 63%`).
    pub word: &'static str,
    /// The class that it puts its subject in.
    pub class: State,
    /// Exactly when it is raised, with its limits, in one sentence without a full stop.
    pub rule: &'static str,
    /// What it means for clients, in a sentence or two; a finding may say it more exactly.
    pub meaning: &'static str,
    /// Situations that are mere consequences of it, by id: where both are found, and the other one speaks of no pods but
    /// those that this one covers, it becomes evidence of this one. Never one that is worse than it.
    pub accounts_for: &'static [&'static str],
    /// What raises it for a test, and for whoever wants to see it.
    pub shown: Shown,
}

/// What raises a situation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The scenarios of `darner lab` of these names, each of which raises it as the leading one.
    By(&'static [&'static str]),
    /// No scenario does, and why.
    Not(&'static str),
}

impl Situation {
    /// Columns that a word may take.
    pub const WIDTH: usize = 17;

    /// What most have in common.
    pub const BASE: Self = Self {
        id: "",
        word: "",
        class: State::Unknown,
        rule: "",
        meaning: "",
        accounts_for: &[],
        shown: Shown::Not(""),
    };
}

/// Two of the same id are the same.
impl PartialEq for Situation {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// Every situation with the checks that can find it, in the order of judgement.
pub fn situations() -> Vec<(&'static Situation, Vec<&'static Check>)> {
    let mut all: Vec<(&'static Situation, Vec<&'static Check>)> = Vec::new();
    for check in ALL {
        for situation in check.situations {
            match all.iter_mut().find(|(known, _)| known.id == situation.id) {
                Some((_, checks)) => checks.push(check),
                None => all.push((situation, vec![check])),
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::checks::Severity;
    use std::collections::BTreeSet;

    /// What is worth a word and no illness.
    const NOTES: &[&str] = &[
        "nobody-to-fail-over",
        "saving",
        "clocks-differ",
        "restart-unseen",
    ];

    #[test]
    fn every_situation_is_told_in_full_and_fits() {
        let all = situations();
        let ids: BTreeSet<&str> = all.iter().map(|(s, _)| s.id).collect();
        assert_eq!(ids.len(), all.len());
        for (situation, checks) in &all {
            let id = situation.id;
            assert!(!id.is_empty() && !situation.word.is_empty(), "{id}");
            assert!(
                situation.word.chars().count() <= Situation::WIDTH,
                "{id}: {} is too long",
                situation.word
            );
            assert!(
                situation.class != State::Healthy || NOTES.contains(&id),
                "{id}"
            );
            assert!(
                !situation.rule.is_empty() && !situation.rule.ends_with('.'),
                "{id}"
            );
            assert!(situation.meaning.ends_with('.'), "{id}");
            for consequence in situation.accounts_for {
                let known = all.iter().find(|(other, _)| other.id == *consequence);
                let (other, _) = known.unwrap_or_else(|| panic!("{id} names {consequence}"));
                // Where the class is worse, the cause would hide more than it says.
                assert!(
                    other.class == State::Unknown || other.class <= situation.class,
                    "{id} cannot account for {consequence}"
                );
            }
            match situation.shown {
                Shown::By(names) => assert!(!names.is_empty(), "{id}"),
                Shown::Not(why) => assert!(why.len() > 20, "{id} is shown by nothing, and why?"),
            }
            assert!(!checks.is_empty());
        }
    }

    /// A critical finding under a milder class would stand there with a milder sign, and be missing from `N ill`.
    #[test]
    fn severity_and_class_of_a_finding_agree() {
        for class in State::ALL {
            for severity in [Severity::Note, Severity::Warning, Severity::Critical] {
                let state = severity.class(*class);
                assert!(state >= *class, "{class:?} {severity:?}");
                if severity == Severity::Critical {
                    assert!(state.is_ill() && state >= State::Critical, "{class:?}");
                } else {
                    assert_eq!(state, *class);
                }
            }
        }
        assert!(State::Critical > State::Degraded && State::Critical > State::Unknown);
    }

    #[test]
    fn every_check_has_a_situation() {
        for check in ALL {
            assert!(!check.situations.is_empty(), "{}", check.id);
        }
    }
}
