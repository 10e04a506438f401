//! Every answer of every check, kept up to date with as little judging as possible: what [`roll`](super::roll) tells once,
//! told for as long as somebody looks, with since when each answer is so and how often it turned.
//!
//! A fact costs the judging of what it touched and of what reads that: the instance, its operator and its context when it is
//! news, the consumers that use it; of a list that was read on demand the checks that need it, and no other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::acceptance::asked;
use super::roll::{ask, checks_of, of_unopened, subjects};
use super::{ALL, Area, Case, Check, Finding, Limits, Severity, Since, State, Subject, Verdict};
use crate::domain::{ContextId, InstanceId, Needs, Touched, Want, World};

/// How long a turn from pass to finding, or back, is remembered, minutes.
pub const REMEMBERED: i64 = 30;
/// Most turns that are remembered of an answer.
const TURNS: usize = 32;
/// So many turns within the time that is remembered are flapping: it failed, was well, and failed again.
const FLAPPING: usize = 3;

/// One check's answer about one subject, for as long as it is asked.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The check.
    pub check: &'static Check,
    /// Its answer; never *not applicable*.
    pub verdict: Verdict,
    /// Since when it is this answer, finding or none: by the cluster's word where a finding has that, else by our watching.
    pub since: Since,
    /// When it turned from pass to finding or back, the last one last.
    turns: VecDeque<Timestamp>,
    /// It was a finding when it was last known.
    was_found: Option<bool>,
}

impl Kept {
    /// The finding, or why it could not be judged.
    pub fn finding(&self) -> Option<&Finding> {
        match &self.verdict {
            Verdict::Finding(finding) | Verdict::Unknown(finding) => Some(finding),
            Verdict::Pass | Verdict::NotApplicable => None,
        }
    }

    /// How often it turned between pass and finding of late.
    pub fn turns(&self, now: Timestamp) -> usize {
        let from = now - SignedDuration::from_mins(REMEMBERED);
        self.turns.iter().filter(|at| **at > from).count()
    }

    /// Whether it fails and is well in turn.
    pub fn is_flapping(&self, now: Timestamp) -> bool {
        self.turns(now) >= FLAPPING
    }

    /// Worse than a note, and known.
    pub fn is_ill(&self) -> bool {
        matches!(&self.verdict, Verdict::Finding(found) if found.severity > Severity::Note)
    }

    /// Its place among others: the worst first, what is well last.
    pub fn rank(&self) -> u8 {
        match &self.verdict {
            Verdict::Finding(found) => match found.severity {
                Severity::Critical => 0,
                Severity::Warning => 1,
                Severity::Note => 3,
            },
            Verdict::Unknown(_) => 2,
            Verdict::Pass => 4,
            Verdict::NotApplicable => 5,
        }
    }
}

/// Answers, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// As it should be.
    pub pass: usize,
    /// Not as it should be.
    pub finding: usize,
    /// Could not be judged.
    pub unknown: usize,
    /// The question does not arise.
    pub not_applicable: usize,
}

impl Tally {
    /// Adds an answer.
    pub fn count(&mut self, verdict: &Verdict) {
        let of = match verdict {
            Verdict::Pass => &mut self.pass,
            Verdict::Finding(_) => &mut self.finding,
            Verdict::Unknown(_) => &mut self.unknown,
            Verdict::NotApplicable => &mut self.not_applicable,
        };
        *of += 1;
    }

    /// Adds all of another.
    pub fn add(&mut self, other: Tally) {
        self.pass += other.pass;
        self.finding += other.finding;
        self.unknown += other.unknown;
        self.not_applicable += other.not_applicable;
    }

    /// `3 pass, 1 finding, 2 unknown`; *not applicable* is left out.
    pub fn words(&self) -> String {
        let finding = match self.finding {
            1 => "1 finding".to_owned(),
            n => format!("{n} findings"),
        };
        format!("{} pass, {finding}, {} unknown", self.pass, self.unknown)
    }
}

/// All that is kept of a subject: what applies, by the place of its check among those that are asked about it, and what is
/// needed.
#[derive(Debug, Default, Clone)]
struct Asked {
    kept: BTreeMap<usize, Kept>,
    needs: Vec<(usize, Want)>,
    /// When an answer falls due by time alone.
    due: BTreeMap<usize, Timestamp>,
    /// The first of these.
    first_due: Option<Timestamp>,
}

/// The answers about everything, while they are kept; nothing at all before.
#[derive(Debug, Default, Clone)]
pub struct Standing {
    is_kept: bool,
    asked: BTreeMap<Subject, Asked>,
    /// Who needs what.
    needed: BTreeMap<Want, BTreeSet<Subject>>,
    /// Whose clients are asked for.
    clients: BTreeSet<InstanceId>,
    /// When the operator of a context last changed otherwise than by renewing its Lease.
    operators: BTreeMap<ContextId, Timestamp>,
    revision: u64,
}

impl Standing {
    /// Begins to keep answers: asks everything once. Nothing is done where that has begun.
    pub fn begin(&mut self, world: &World, limits: &Limits, now: Timestamp) {
        if self.is_kept {
            return;
        }
        self.is_kept = true;
        self.revision += 1;
        for subject in subjects(world, limits) {
            self.ask(world, &subject, limits, now);
        }
        self.clients = asked(world, limits);
        for context in world.contexts() {
            self.operators
                .insert(context.id.clone(), operator_changed(world, &context.id));
        }
    }

    /// Whether answers are kept.
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Asks again what was touched, and what is due by time alone. Returns whether any answer changed.
    pub fn update(
        &mut self,
        world: &World,
        touched: &Touched,
        limits: &Limits,
        now: Timestamp,
    ) -> bool {
        if !self.is_kept {
            return false;
        }
        let mut changed = false;
        let mut whole: BTreeSet<Subject> = BTreeSet::new();
        for id in &touched.instances {
            // Of a cluster that is open twice everything is asked once.
            if world.twin(&id.context).is_some() {
                continue;
            }
            whole.insert(Subject::Instance(id.clone()));
            // What reads an instance beside itself; figures that move by themselves are nobody else's matter.
            if touched.news {
                whole.insert(Subject::Operator(id.context.clone()));
                whole.insert(Subject::Context(id.context.clone()));
            }
            let consumers = limits.expected.consumers_of(id);
            whole.extend(consumers.map(|one| Subject::Consumer(one.id.clone())));
        }
        for context in &touched.operators {
            whole.insert(Subject::Operator(context.clone()));
            let last = operator_changed(world, context);
            // Its Lease is renewed every other second, which is nothing to its instances.
            if self.operators.insert(context.clone(), last) != Some(last) {
                whole.extend(self.of_context(world, context));
            }
        }
        if !touched.links.is_empty() {
            // Who can be read may differ.
            self.revision += 1;
            let all: BTreeSet<Subject> = subjects(world, limits).into_iter().collect();
            let gone = self.asked.keys().filter(|subject| !all.contains(subject));
            let new = all
                .iter()
                .filter(|subject| !self.asked.contains_key(subject));
            let here = all
                .iter()
                .filter(|subject| touched.links.contains(subject.context()));
            let elsewhere = self
                .needed
                .iter()
                .filter(|(want, _)| touched.links.contains(want.context()))
                .flat_map(|(_, subjects)| subjects);
            whole.extend(gone.chain(new).chain(here).chain(elsewhere).cloned());
        }
        // Time changes answers together: what was not asked a moment ago is asked when another answer falls due.
        let due = self
            .asked
            .iter()
            .filter(|(_, asked)| asked.first_due.is_some_and(|at| at <= now));
        whole.extend(due.map(|(subject, _)| subject.clone()));
        let mut consumers = !touched.links.is_empty();
        for subject in &whole {
            changed |= self.ask(world, subject, limits, now);
            consumers |= matches!(subject, Subject::Consumer(_));
        }
        if consumers {
            let clients = asked(world, limits);
            self.revision += u64::from(clients != self.clients);
            self.clients = clients;
        }
        let mut single: BTreeMap<Subject, BTreeSet<usize>> = BTreeMap::new();
        for want in &touched.wants {
            for subject in self.needed.get(want).into_iter().flatten() {
                let asked = self.asked.get(subject);
                let needing = asked.into_iter().flat_map(|asked| &asked.needs);
                let needing = needing.filter(|(_, one)| one == want).map(|(at, _)| *at);
                single.entry(subject.clone()).or_default().extend(needing);
            }
        }
        for (subject, checks) in single {
            if !whole.contains(&subject) {
                changed |= self.ask_some(world, &subject, &checks, limits, now);
            }
        }
        changed
    }

    fn of_context(&self, world: &World, id: &ContextId) -> Vec<Subject> {
        let context = world.context(id).filter(|_| world.twin(id).is_none());
        context.map_or(Vec::new(), |context| {
            context.instances().map(Subject::Instance).collect()
        })
    }

    /// Asks everything about a subject; forgets what is gone.
    fn ask(&mut self, world: &World, subject: &Subject, limits: &Limits, now: Timestamp) -> bool {
        let exists = match subject {
            Subject::Context(id) => world.context(id).is_some(),
            Subject::Operator(id) => world.context(id).is_some() && world.twin(id).is_none(),
            Subject::Instance(id) => {
                world.twin(&id.context).is_none() && world.instance(id).is_some()
            }
            Subject::Consumer(id) => limits.expected.consumer(id).is_some(),
        };
        let case = Case::of(world, subject, limits, now).filter(|_| exists);
        let untold = match &case {
            None if exists => of_unopened(subject, limits, now),
            _ => None,
        };
        let is_gone = case.is_none() && untold.is_none();
        let mut asked = match self.asked.remove(subject) {
            Some(asked) => asked,
            None if is_gone => return false,
            None => Asked::default(),
        };
        let mut changed = is_gone;
        let mut needs = Vec::new();
        if let Some((at, check, verdict)) = untold {
            let before = asked.kept.len();
            asked.kept.retain(|known, _| *known == at);
            asked.due.clear();
            changed |= before != asked.kept.len();
            changed |= asked.keep(at, check, verdict, now);
        }
        if let Some(case) = &case {
            for (at, check) in checks_of(subject).enumerate() {
                changed |= asked.ask(at, check, case);
                needs.extend((check.needs)(case).into_iter().map(|want| (at, want)));
            }
        }
        if needs != asked.needs {
            self.revision += 1;
            for (_, want) in asked.needs.drain(..) {
                if let Some(who) = self.needed.get_mut(&want) {
                    who.remove(subject);
                    if who.is_empty() {
                        self.needed.remove(&want);
                    }
                }
            }
            for (_, want) in &needs {
                let who = self.needed.entry(want.clone()).or_default();
                who.insert(subject.clone());
            }
            asked.needs = needs;
        }
        if is_gone {
            return true;
        }
        asked.first_due = asked.due.values().min().copied();
        self.asked.insert(subject.clone(), asked);
        changed
    }

    /// Asks only these checks about a subject.
    fn ask_some(
        &mut self,
        world: &World,
        subject: &Subject,
        checks: &BTreeSet<usize>,
        limits: &Limits,
        now: Timestamp,
    ) -> bool {
        let Some(case) = Case::of(world, subject, limits, now) else {
            return false;
        };
        let Some(asked) = self.asked.get_mut(subject) else {
            return false;
        };
        let mut changed = false;
        let wanted = checks_of(subject).enumerate();
        for (at, check) in wanted.filter(|(at, _)| checks.contains(at)) {
            changed |= asked.ask(at, check, &case);
            // What was read may tell that more must be read.
            for want in (check.needs)(&case) {
                if !asked
                    .needs
                    .iter()
                    .any(|(by, one)| *by == at && *one == want)
                {
                    let who = self.needed.entry(want.clone()).or_default();
                    who.insert(subject.clone());
                    asked.needs.push((at, want));
                    self.revision += 1;
                }
            }
        }
        asked.first_due = asked.due.values().min().copied();
        changed
    }

    /// What must be read, and asked of engines, for all of it beside what is followed at all times, as far as that can be told
    /// by now.
    pub fn needs(&self, world: &World) -> Needs {
        // A cluster that is not open, or not reached, has nobody who reads.
        let is_read = |context: &ContextId| world.context(context).is_some_and(|c| c.is_live());
        let needed = self.needed.keys();
        Needs {
            wants: needed
                .filter(|want| is_read(want.context()))
                .cloned()
                .collect(),
            clients: self.clients.clone(),
            judged: false,
        }
    }

    /// Differs whenever [`Standing::needs`] may.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// When the next answer falls due by time alone.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.asked.values().filter_map(|one| one.first_due).min()
    }

    /// Every answer but *not applicable*, by subject.
    pub fn answers(&self) -> impl Iterator<Item = (&Subject, &Kept)> {
        self.asked
            .iter()
            .flat_map(|(subject, asked)| asked.kept.values().map(move |kept| (subject, kept)))
    }

    /// The answers about a subject.
    pub fn about(&self, subject: &Subject) -> impl Iterator<Item = &Kept> {
        let asked = self.asked.get(subject);
        asked.into_iter().flat_map(|asked| asked.kept.values())
    }

    /// The answers of checks of these areas.
    pub fn of_areas<'a>(
        &'a self,
        areas: &'a [Area],
    ) -> impl Iterator<Item = (&'a Subject, &'a Kept)> {
        self.answers()
            .filter(|(_, kept)| areas.contains(&kept.check.area))
    }

    /// The answer of a check about a subject.
    pub fn of(&self, subject: &Subject, check: &str) -> Option<&Kept> {
        self.entry(subject, check).map(|(_, kept)| kept)
    }

    /// The same, with the subject as it is kept.
    pub fn entry(&self, subject: &Subject, check: &str) -> Option<(&Subject, &Kept)> {
        let (subject, asked) = self.asked.get_key_value(subject)?;
        let kept = asked.kept.values().find(|kept| kept.check.id == check)?;
        Some((subject, kept))
    }

    /// How many answers of each kind there are in every area.
    pub fn tallies(&self) -> BTreeMap<Area, Tally> {
        let mut tallies: BTreeMap<Area, Tally> = BTreeMap::new();
        let mut asked: BTreeMap<Area, usize> = BTreeMap::new();
        for (subject, of) in &self.asked {
            for check in checks_of(subject) {
                *asked.entry(check.area).or_default() += 1;
            }
            for kept in of.kept.values() {
                tallies
                    .entry(kept.check.area)
                    .or_default()
                    .count(&kept.verdict);
            }
        }
        for (area, all) in asked {
            let tally = tallies.entry(area).or_default();
            let applies = tally.pass + tally.finding + tally.unknown;
            tally.not_applicable = all.saturating_sub(applies);
        }
        tallies
    }
}

impl Asked {
    /// Asks a check and keeps its answer. Returns whether that differs from what it answered before.
    fn ask(&mut self, at: usize, check: &'static Check, case: &Case<'_>) -> bool {
        let answer = ask(case, check);
        // A moment that is past would make the loop ask without end.
        match answer.again_at.filter(|again| *again > case.now) {
            Some(again) => self.due.insert(at, again),
            None => self.due.remove(&at),
        };
        self.keep(at, check, answer.verdict, case.now)
    }

    /// Keeps an answer. Returns whether it differs from the one before.
    fn keep(
        &mut self,
        at: usize,
        check: &'static Check,
        mut verdict: Verdict,
        now: Timestamp,
    ) -> bool {
        if verdict == Verdict::NotApplicable {
            return self.kept.remove(&at).is_some();
        }
        let found = match &verdict {
            Verdict::Finding(_) => Some(true),
            Verdict::Pass => Some(false),
            _ => None,
        };
        let since = |verdict: &Verdict| match verdict {
            Verdict::Finding(f) | Verdict::Unknown(f) => Some(f.since),
            _ => None,
        };
        let Some(kept) = self.kept.get_mut(&at) else {
            let kept = Kept {
                check,
                since: since(&verdict).unwrap_or(Since::Seen(now)),
                turns: VecDeque::new(),
                was_found: found,
                verdict,
            };
            self.kept.insert(at, kept);
            return true;
        };
        carry_over(kept, &mut verdict, now);
        let is_same_sort =
            std::mem::discriminant(&kept.verdict) == std::mem::discriminant(&verdict);
        kept.since = match since(&verdict) {
            Some(since) => since,
            None if is_same_sort => kept.since,
            None => Since::Seen(now),
        };
        if let (Some(before), Some(is_found)) = (kept.was_found, found)
            && before != is_found
        {
            kept.turns.push_back(now);
            while kept.turns.len() > TURNS {
                kept.turns.pop_front();
            }
        }
        kept.was_found = found.or(kept.was_found);
        // When it is asked again is nobody's news.
        let changed = kept.verdict != verdict;
        kept.verdict = verdict;
        changed
    }
}

/// Carries over since when we have seen what we still see: a check knows only the present.
fn carry_over(before: &Kept, verdict: &mut Verdict, judged: Timestamp) {
    let (Verdict::Finding(new) | Verdict::Unknown(new), Some(old)) = (verdict, before.finding())
    else {
        return;
    };
    let is_same = old.situation.id == new.situation.id
        && (old.state == State::Unknown) == (new.state == State::Unknown);
    if !is_same {
        return;
    }
    // What is not as it should be lasts for as long as it is found, whatever else of the object was edited and whichever pod was
    // replaced meanwhile; only of health a check that tells an earlier moment knows better, of these very objects.
    let lasts = new.state != State::Unknown && !ALL.iter().any(|check| check.id == new.check);
    new.since = match (old.since, new.since) {
        (Since::Seen(seen), Since::Seen(now)) if now >= judged || lasts => {
            Since::Seen(seen.min(now))
        }
        (Since::Exactly(then), Since::Exactly(now)) if lasts && !new.about.is_empty() => {
            Since::Exactly(then.min(now))
        }
        (_, since) => since,
    };
}

/// When anything of a context's operator but its Lease last changed before our eyes.
fn operator_changed(world: &World, id: &ContextId) -> Timestamp {
    let Some(context) = world.context(id) else {
        return Timestamp::MIN;
    };
    let deployments = context.operators.iter().map(|held| held.changed);
    let pods = context.operator_pods.iter().map(|held| held.changed);
    let crds = context.crds.iter().map(|held| held.changed);
    let all = deployments.chain(pods).chain(crds);
    all.max().unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests;
