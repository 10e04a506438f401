//! Judgements of everything, kept up to date with as little judging as possible.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{ALL, Finding, Limits, State, Subject, Verdict};
use crate::domain::world::Touched;
use crate::domain::{InstanceId, World};

/// All findings about one subject, and the state that they add up to.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The worst state of all findings.
    pub state: State,
    /// Findings and unknowns, worst first.
    pub findings: Vec<Finding>,
    /// When time alone can change it.
    pub again_at: Option<Timestamp>,
}

/// Asks every check about a subject.
pub fn judge(world: &World, subject: &Subject, limits: &Limits, now: Timestamp) -> Judgement {
    let mut judgement = Judgement {
        state: State::Healthy,
        findings: Vec::new(),
        again_at: None,
    };
    for check in ALL {
        let answer = (check.run)(world, subject, limits, now);
        if let Verdict::Finding(finding) | Verdict::Unknown(finding) = answer.verdict {
            judgement.state = judgement.state.max(finding.state);
            judgement.findings.push(finding);
        }
        judgement.again_at = [judgement.again_at, answer.again_at]
            .into_iter()
            .flatten()
            .min();
    }
    judgement
        .findings
        .sort_by_key(|f| std::cmp::Reverse((f.state, f.severity)));
    judgement
}

/// The judgements of every subject that is shown.
#[derive(Debug, Default, Clone)]
pub struct Board {
    judged: BTreeMap<Subject, Judgement>,
}

impl Board {
    /// Judges again what was touched, and what is due by time alone. Returns whether any judgement changed.
    pub fn update(
        &mut self,
        world: &World,
        touched: &Touched,
        limits: &Limits,
        now: Timestamp,
    ) -> bool {
        let mut again: Vec<Subject> = touched
            .instances
            .iter()
            .cloned()
            .map(Subject::Instance)
            .collect();
        for context in &touched.operators {
            again.push(Subject::Operator(context.clone()));
        }
        for context in &touched.links {
            again.push(Subject::Context(context.clone()));
            again.push(Subject::Operator(context.clone()));
            if let Some(c) = world.context(context) {
                again.extend(c.instances().map(Subject::Instance));
            }
        }
        again.extend(
            self.judged
                .iter()
                .filter(|(_, j)| j.again_at.is_some_and(|at| at <= now))
                .map(|(subject, _)| subject.clone()),
        );
        let mut changed = false;
        for subject in again {
            changed |= self.judge(world, subject, limits, now);
        }
        changed
    }

    fn judge(&mut self, world: &World, subject: Subject, limits: &Limits, now: Timestamp) -> bool {
        let exists = match &subject {
            Subject::Context(id) | Subject::Operator(id) => world.context(id).is_some(),
            Subject::Instance(id) => world.instance(id).is_some(),
        };
        if !exists {
            return self.judged.remove(&subject).is_some();
        }
        let new = judge(world, &subject, limits, now);
        if self.judged.get(&subject) == Some(&new) {
            return false;
        }
        self.judged.insert(subject, new);
        true
    }

    /// The judgement of an instance.
    pub fn instance(&self, id: &InstanceId) -> Option<&Judgement> {
        self.judged.get(&Subject::Instance(id.clone()))
    }

    /// The judgement of any subject.
    pub fn subject(&self, subject: &Subject) -> Option<&Judgement> {
        self.judged.get(subject)
    }

    /// Every finding about what is shown, worst first and then oldest: the attention list.
    pub fn attention(&self, world: &World) -> Vec<&Finding> {
        let mut findings: Vec<&Finding> = self
            .judged
            .iter()
            .filter(|(subject, _)| {
                // The way to a twin context matters in itself; what it shows is shown once.
                matches!(subject, Subject::Context(_)) || world.twin(subject.context()).is_none()
            })
            .flat_map(|(_, judgement)| &judgement.findings)
            .collect();
        findings.sort_by_key(|f| (std::cmp::Reverse((f.severity, f.state)), f.since.at()));
        findings
    }

    /// When the next judgement falls due by time alone.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.judged.values().filter_map(|j| j.again_at).min()
    }
}
