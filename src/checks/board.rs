//! Judgements of everything, kept up to date with as little judging as possible.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::case::later;
use super::{
    ALL, Case, Check, Evidence, Finding, Limits, Seen, Severity, Since, State, Subject, Verdict,
    context_unreachable, operator_down, stuck_terminating,
};
use crate::domain::world::Touched;
use crate::domain::{InstanceId, Master, World};

/// All findings about one subject, and the state that they add up to.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The worst state of all findings.
    pub state: State,
    /// Findings and unknowns, worst first.
    pub findings: Vec<Finding>,
    /// At least one check had something to say. An operator where none is needed is neither well nor ill.
    pub applies: bool,
    /// Who acts as master, by the same facts as the state; as of when the cluster was last heard, while it is not.
    /// [`Master::Unknown`] for what is not an instance.
    pub master: Master,
    /// When time alone can change it.
    pub again_at: Option<Timestamp>,
}

/// Asks every check about a subject.
///
/// While the way to a subject's cluster is cut, what was seen of it is old: it is unknown then, and what it was judged
/// to be when the cluster was last heard is evidence, not judgement.
pub fn judge(world: &World, subject: &Subject, limits: &Limits, now: Timestamp) -> Judgement {
    let Some(case) = Case::of(world, subject, limits, now) else {
        return Judgement {
            state: State::Unknown,
            findings: Vec::new(),
            applies: false,
            master: Master::Unknown,
            again_at: None,
        };
    };
    if case.context.is_live() || matches!(subject, Subject::Context(_)) {
        return add_up(&case, ALL);
    }
    let mut unreachable = add_up(&case, &[&context_unreachable::CHECK]);
    unreachable.master = Master::Unknown;
    if let (Some(heard), Some(finding)) = (case.context.heard, unreachable.findings.first_mut())
        && let Some(then) = Case::of(world, subject, limits, heard)
    {
        let others: Vec<&Check> = ALL
            .iter()
            .copied()
            .filter(|check| check.id != context_unreachable::CHECK.id)
            .collect();
        let before = add_up(&then, &others);
        unreachable.master = before.master.clone();
        finding.evidence.extend(past(&before, heard));
    }
    unreachable
}

/// What something was judged to be when its cluster was last heard, as evidence.
fn past(before: &Judgement, heard: Timestamp) -> Vec<Evidence> {
    let then = |text: String, source: String| Evidence {
        seen: Seen::BeforeTheLoss,
        ..Evidence::new(text, source, heard)
    };
    let state = then(
        format!("{} when it was last heard", before.word()),
        "what was seen before".to_owned(),
    );
    let findings = before.findings.iter().map(|old| {
        let source = format!("{} as last seen", old.check);
        then(old.sentence.clone(), source)
    });
    std::iter::once(state).chain(findings).collect()
}

/// What the checks' answers add up to.
fn add_up(case: &Case<'_>, checks: &[&Check]) -> Judgement {
    let mut judgement = Judgement {
        state: State::Healthy,
        findings: Vec::new(),
        applies: false,
        master: case.master(),
        again_at: None,
    };
    for check in checks {
        let answer = (check.run)(case);
        judgement.applies |= answer.verdict != Verdict::NotApplicable;
        if let Verdict::Finding(mut finding) | Verdict::Unknown(mut finding) = answer.verdict {
            finding.since = by_our_clock(case, finding.since);
            judgement.findings.push(finding);
        }
        // A moment that is past would make the loop judge without end.
        let again_at = answer.again_at.filter(|at| *at > case.now);
        judgement.again_at = [judgement.again_at, again_at].into_iter().flatten().min();
    }
    judgement.findings = without_consequences(judgement.findings);
    judgement.state = judgement
        .findings
        .iter()
        .map(|finding| finding.state)
        .max()
        .unwrap_or(State::Healthy);
    judgement
        .findings
        .sort_by_key(|f| std::cmp::Reverse((f.state, f.severity)));
    judgement
}

/// Since when, by our clock: what the cluster dates is off by as much as its clock is. A moment that is still to come is
/// a clock that is wrong in a way we do not know; then only our own watching tells.
pub(super) fn by_our_clock(case: &Case<'_>, since: Since) -> Since {
    const LATE: i64 = 2;
    match since {
        Since::Seen(at) => Since::Seen(at.min(case.now)),
        Since::Exactly(at) => {
            let at = case.context.by_our_clock(at);
            match at <= later(case.now, LATE) {
                true => Since::Exactly(at.min(case.now)),
                false => Since::Seen(case.now),
            }
        }
    }
}

/// What is a mere consequence of something else becomes evidence of that. A consequence accounts for nothing itself.
fn without_consequences(findings: Vec<Finding>) -> Vec<Finding> {
    let (mut kept, mut consequences): (Vec<Finding>, Vec<Finding>) = (Vec::new(), Vec::new());
    for finding in &findings {
        let is_consequence = findings.iter().any(|cause| {
            cause.accounts_for(finding) && !findings.iter().any(|other| other.accounts_for(cause))
        });
        match is_consequence {
            true => consequences.push(finding.clone()),
            false => kept.push(finding.clone()),
        }
    }
    for consequence in consequences {
        let cause = kept
            .iter_mut()
            .find(|cause| cause.accounts_for(&consequence));
        if let Some(cause) = cause {
            cause.evidence.push(Evidence::new(
                consequence.sentence,
                format!("{}, its consequence", consequence.check),
                consequence.since.at(),
            ));
        }
    }
    kept
}

impl Judgement {
    /// The finding that decides: the worst one, unless its subject is well all the same.
    pub fn leading(&self) -> Option<&Finding> {
        self.findings
            .first()
            .filter(|_| self.state != State::Healthy)
    }

    /// What that check found, if anything.
    pub fn by(&self, check: &Check) -> Option<&Finding> {
        self.findings.iter().find(|found| found.check == check.id)
    }

    /// What the STATE column shows: the leading situation, else the state.
    pub fn word(&self) -> &str {
        self.leading()
            .map_or(self.state.word(), |finding| &finding.short)
    }

    /// The id of the leading situation, else of the state.
    pub fn situation(&self) -> &'static str {
        self.leading()
            .map_or(self.state.id(), |finding| finding.situation.id)
    }

    /// While its cluster is not heard, what it was judged to be is remembered as it was told then: judged anew from old
    /// facts it would have been seen for no time at all, and be milder.
    fn remember(&mut self, before: &Judgement, heard: Option<Timestamp>) {
        let is_cut = |finding: &&Finding| finding.check == context_unreachable::CHECK.id;
        let is_past = |evidence: &Evidence| evidence.seen == Seen::BeforeTheLoss;
        let (Some(heard), true) = (heard, self.findings.iter().any(|f| is_cut(&f))) else {
            return;
        };
        let remembered: Vec<Evidence> = match before.findings.iter().find(is_cut) {
            Some(old) => old
                .evidence
                .iter()
                .filter(|e| is_past(e))
                .cloned()
                .collect(),
            None => past(before, heard),
        };
        if remembered.is_empty() {
            return;
        }
        for finding in &mut self.findings {
            if is_cut(&&*finding) {
                finding.evidence.retain(|evidence| !is_past(evidence));
                finding.evidence.extend(remembered.iter().cloned());
            }
        }
    }

    /// Carries over since when we have seen what we still see: a check knows only the present.
    fn carry_over(&mut self, before: &Judgement, judged: Timestamp) {
        for finding in &mut self.findings {
            let Since::Seen(now) = finding.since else {
                continue;
            };
            // A check that tells an earlier moment knows since when, of these very objects.
            if now < judged {
                continue;
            }
            let seen = before.findings.iter().find_map(|old| match old.since {
                Since::Seen(at) if is_same(old, finding) => Some(at),
                _ => None,
            });
            if let Some(seen) = seen {
                finding.since = Since::Seen(seen.min(now));
            }
        }
    }
}

/// The same bad state of the same objects, whatever the figures in the sentence are by now.
fn is_same(old: &Finding, new: &Finding) -> bool {
    old.check == new.check
        && old.state == new.state
        && (old.about.is_empty() && new.about.is_empty()
            // Whatever each pod does: that there is no master is of the whole instance.
            || old.state == State::NoMaster
            || old.about.iter().any(|pod| new.about.contains(pod)))
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
            // And what was there before, which may be gone.
            again.extend(
                self.judged
                    .keys()
                    .filter(|subject| subject.context() == context)
                    .cloned(),
            );
        }
        again.extend(
            self.judged
                .iter()
                .filter(|(_, j)| j.again_at.is_some_and(|at| at <= now))
                .map(|(subject, _)| subject.clone()),
        );
        again.sort();
        again.dedup();
        let mut changed = false;
        // Operators come before instances, and what is said of an operator is said of its instances too: these are judged
        // again when it changes, not at each renewal of its Lease.
        let (first, mut instances): (Vec<Subject>, Vec<Subject>) = again
            .into_iter()
            .partition(|subject| !matches!(subject, Subject::Instance(_)));
        for subject in first {
            let is_news = self.judge(world, subject.clone(), limits, now);
            changed |= is_news;
            if let (Subject::Operator(id), true) = (&subject, is_news)
                && let Some(context) = world.context(id)
            {
                instances.extend(context.instances().map(Subject::Instance));
            }
        }
        instances.sort();
        instances.dedup();
        // That a machine is lost is told of its context, by the pods of its instances.
        let mut machines: Vec<Subject> = Vec::new();
        for subject in instances {
            let was_stuck = self.is_stuck(&subject);
            if self.judge(world, subject.clone(), limits, now) {
                changed = true;
                if was_stuck || self.is_stuck(&subject) {
                    machines.push(Subject::Context(subject.context().clone()));
                }
            }
        }
        machines.dedup();
        for subject in machines {
            changed |= self.judge(world, subject, limits, now);
        }
        changed
    }

    fn is_stuck(&self, subject: &Subject) -> bool {
        let judged = self.judged.get(subject);
        judged.is_some_and(|judged| judged.by(&stuck_terminating::CHECK).is_some())
    }

    fn judge(&mut self, world: &World, subject: Subject, limits: &Limits, now: Timestamp) -> bool {
        let exists = match &subject {
            Subject::Context(id) | Subject::Operator(id) => world.context(id).is_some(),
            Subject::Instance(id) => world.instance(id).is_some(),
            // Only acceptance is asked about it.
            Subject::Consumer(_) => false,
        };
        if !exists {
            return self.judged.remove(&subject).is_some();
        }
        let mut new = judge(world, &subject, limits, now);
        if let Some(before) = self.judged.get(&subject) {
            let is_cut_off = world
                .context(subject.context())
                .filter(|context| !context.is_live());
            // The way itself is judged by how it is now.
            if let (Some(context), false) = (is_cut_off, matches!(subject, Subject::Context(_))) {
                new.remember(before, context.heard);
            }
            new.carry_over(before, now);
        }
        // When it is asked again is nobody's news.
        let is_news = self.judged.get(&subject).is_none_or(|old| {
            (old.state, old.applies) != (new.state, new.applies) || old.findings != new.findings
        });
        self.judged.insert(subject, new);
        is_news
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
            .flat_map(|(subject, judgement)| {
                // That a context is cut off, or that an operator is down, is said once, not again for everything there.
                judgement
                    .findings
                    .iter()
                    .filter(move |finding| match subject {
                        Subject::Context(_) => true,
                        Subject::Operator(_) => finding.check != context_unreachable::CHECK.id,
                        Subject::Consumer(_) => false,
                        Subject::Instance(_) => {
                            ![context_unreachable::CHECK.id, operator_down::CHECK.id]
                                .contains(&finding.check)
                                && !self.is_told_of_machine(finding)
                        }
                    })
            })
            .collect();
        findings.sort_by_key(|f| (std::cmp::Reverse((f.severity, f.state)), f.since.at()));
        findings
    }

    /// A pod that cannot end on a lost machine, and hurts no client: that the machine is lost is said once, with all of them.
    fn is_told_of_machine(&self, finding: &Finding) -> bool {
        let Subject::Instance(id) = &finding.subject else {
            return false;
        };
        let machine = self.subject(&Subject::Context(id.context.clone()));
        finding.situation.id == stuck_terminating::STUCK.id
            && finding.severity < Severity::Critical
            && machine.is_some_and(|judged| {
                let told = judged.findings.iter();
                told.filter(|lost| lost.situation.id == stuck_terminating::LOST.id)
                    .any(|lost| {
                        let mut pods = finding.about.iter();
                        pods.all(|pod| lost.about.contains(&format!("{}/{pod}", id.namespace)))
                    })
            })
    }

    /// When the next judgement falls due by time alone.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.judged.values().filter_map(|j| j.again_at).min()
    }
}

#[cfg(test)]
mod tests;
