//! `darner check`: every check asked once of everything, with every answer: what is as it should be, what is not, and what
//! could not be judged.

mod baseline;
mod folder;
mod junit;
mod print;
mod template;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::args::{CheckArgs, Checked, Profile, Reach};
use super::gather::Gathering;
use super::report::{Finding, Overall, finding_of};
use super::status::{is_read, unread};
use super::{USAGE, fleet};
use baseline::Baseline;

use crate::checks::{ACCEPTANCE, ALL, Area, Check, Criterion, Entry, Subject, Verdict, roll};
use crate::domain::{InstanceId, address, text};
use crate::observe::inbox;
use crate::runtime::Supervisor;
use crate::settings::problem::suggestion;

/// Name and version of the format of `-o json`.
pub const VERSION: &str = "darner.check/v1";

/// Every answer but *not applicable*, which is only counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: &'static str,
    /// When it was made.
    pub at: Timestamp,
    /// Every source of every context answered before the deadline.
    pub complete: bool,
    /// It is of files rather than of clusters.
    #[serde(skip)]
    pub is_of_files: bool,
    /// What had not answered by then, in words; empty when it is complete.
    pub unanswered: Vec<String>,
    /// `well`, `findings` or `unjudged`; decides the exit code.
    pub verdict: Overall,
    /// The mildest severity that counts as a finding in the verdict.
    pub fail_on: &'static str,
    /// Areas that were asked for, in their order, with the number of answers of each kind.
    pub areas: Vec<Counts>,
    /// The profile that was asked for: `story`; `null` for none.
    pub profile: Option<&'static str>,
    /// The same counts by the story's acceptance criteria.
    pub criteria: Vec<Counts>,
    /// Answers, by area, the worst first; by criterion where that profile was asked for.
    pub answers: Vec<Row>,
    /// What is wrong with the baseline: entries that are expired, unused or say too little, with file and line.
    pub baseline: Vec<String>,
}

/// Answers of an area, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The area's word, or the criterion's.
    pub area: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// As it should be.
    pub pass: usize,
    /// Not as it should be.
    pub finding: usize,
    /// Not as it should be, and accepted by the baseline.
    pub accepted: usize,
    /// Could not be judged.
    pub unknown: usize,
    /// The question does not arise.
    pub not_applicable: usize,
}

/// Why a finding is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// The reason, in the words of the baseline.
    pub reason: String,
    /// The last day on which it is.
    pub until: Date,
}

/// Where an object stands in the files that were judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, below the folder.
    pub file: String,
    /// The line of the field, or of the object, from 1.
    pub line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The check, by its id in docs/reference/checks.md.
    pub check: &'static str,
    /// Its area.
    pub area: &'static str,
    /// The story's criterion that it counts to: `AC1` to `AC6`.
    pub criterion: &'static str,
    /// Its title.
    pub title: &'static str,
    /// About what.
    pub subject: About,
    /// `pass`, `finding`, `accepted` or `unknown`.
    pub answer: &'static str,
    /// Why it is accepted; `null` for what is not.
    pub accepted: Option<Accepted>,
    /// A manifest that mends what was found; `null` where none does.
    pub manifest: Option<String>,
    /// Where it stands, where files are judged; else `null`.
    pub place: Option<Place>,
    /// What was found, or why it could not be judged; `null` for a pass.
    pub finding: Option<Finding>,
}

/// What an answer is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct About {
    /// `context`, `operator`, `instance` or `consumer`.
    pub kind: &'static str,
    /// The context.
    pub context: String,
    /// The namespace of an instance or a consumer.
    pub namespace: Option<String>,
    /// The name of an instance or a consumer.
    pub name: Option<String>,
}

impl About {
    pub(super) fn of(subject: &Subject) -> Self {
        let context = text::one_line(subject.context().as_str());
        let (kind, id) = match subject {
            Subject::Context(_) => ("context", None),
            Subject::Operator(_) => ("operator", None),
            Subject::Instance(id) => ("instance", Some((&id.namespace, &id.name))),
            Subject::Consumer(id) => ("consumer", Some((&id.namespace, &id.name))),
        };
        Self {
            kind,
            context,
            namespace: id.map(|(namespace, _)| namespace.to_string()),
            name: id.map(|(_, name)| name.to_string()),
        }
    }

    /// Whether a baseline or an argument means it: `CONTEXT/NAMESPACE/NAME`, `NAMESPACE/NAME`, or the context's name for what
    /// is no object in it.
    pub fn is_called(&self, written: &str) -> bool {
        match (&self.namespace, &self.name) {
            (Some(namespace), Some(name)) => {
                let short = format!("{namespace}/{name}");
                written == short || written == format!("{}/{short}", self.context)
            }
            _ => written == self.context,
        }
    }

    /// `shop/orders in infra`, `operator of infra`, `context infra`.
    pub fn words(&self) -> String {
        match (&self.namespace, &self.name) {
            (Some(namespace), Some(name)) if self.kind == "consumer" => {
                format!("consumer {namespace}/{name} in {}", self.context)
            }
            (Some(namespace), Some(name)) => format!("{namespace}/{name} in {}", self.context),
            _ if self.kind == "object" => self.context.clone(),
            _ if self.kind == "operator" => format!("operator of {}", self.context),
            _ => format!("context {}", self.context),
        }
    }
}

/// Runs the command; the result is the exit code.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(args: &CheckArgs, fleet: fleet::Fleet) -> color_eyre::Result<u8> {
    for problem in &fleet.problems {
        eprintln!("darner: {problem}");
    }
    let kubeconfig = fleet.kubeconfig.clone();
    look_once(fleet, args.deadline, |gathering| {
        tell(args, gathering, kubeconfig.as_deref())
    })
    .await
}

/// Looks at a fleet once, with everything that checks need of it, and tells what came of that.
///
/// # Errors
/// Those of the telling.
pub(super) async fn look_once(
    fleet: fleet::Fleet,
    deadline: Duration,
    tell: impl FnOnce(&Gathering) -> color_eyre::Result<u8>,
) -> color_eyre::Result<u8> {
    let (outlet, inbox) = inbox();
    let mut supervisor = Supervisor::default();
    let (focus, watching) = tokio::sync::watch::channel(crate::observe::Focus::default());
    let fleet = fleet.once();
    fleet.start(&mut supervisor, &outlet, &watching);
    let gathering = Gathering::new(inbox, fleet.limits.clone(), fleet.confines.clone());
    let mut gathering = gathering.looking_once(&fleet);
    gathering.settle_with_needs(deadline, &focus).await;
    let code = tell(&gathering)?;
    supervisor.stop().await;
    Ok(code)
}

/// Judges a folder of files; the result is the exit code.
///
/// # Errors
/// When standard output cannot be written.
pub fn manifests(args: &CheckArgs, reach: &Reach) -> color_eyre::Result<u8> {
    let Some(folder) = &args.manifests else {
        return Ok(USAGE);
    };
    let folders = super::files::Folders::of_platform();
    let own = match super::files::read(&folders, reach.settings.as_deref()) {
        Ok(own) => own,
        Err(sentence) => {
            eprintln!("darner: {sentence}");
            return Ok(USAGE);
        }
    };
    for problem in &own.problems {
        eprintln!("darner: {problem}");
    }
    let now = Timestamp::now();
    let (Ok(mut baseline), true) = (accepted(args, now), folder.is_dir()) else {
        if !folder.is_dir() {
            eprintln!("darner: {} is no folder that can be read", folder.display());
        }
        return Ok(USAGE);
    };
    let read = folder::Folder::read(folder, &reach.namespaces);
    let judged = read.judge(&crate::app::limits_of(&own.settings), now);
    let asked: Vec<Entry> = judged
        .roll
        .into_iter()
        .filter(|entry| args.areas.is_empty() || args.areas.contains(&entry.check.area))
        .collect();
    let mut report = report(&asked, args, &mut baseline, false, now);
    for row in &mut report.answers {
        row.place = read.place(row);
    }
    read.add_unfilled(&mut report, args, &mut baseline);
    report.is_of_files = true;
    report.unanswered = read.problems();
    report.complete = report.unanswered.is_empty();
    if !report.complete && report.verdict == Overall::Well {
        report.verdict = Overall::Unjudged;
    }
    finish(report, args, &baseline, true, None)
}

/// The baseline that the arguments name, or none; the error was told.
fn accepted(args: &CheckArgs, now: Timestamp) -> Result<Baseline, ()> {
    let Some(file) = &args.baseline else {
        return Ok(Baseline::default());
    };
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|error| eprintln!("darner: {name} cannot be read: {error}"))?;
    let today = now.to_zoned(TimeZone::UTC).date();
    Baseline::read(&name, &text, today).map_err(|problems| {
        for problem in problems {
            eprintln!("darner: {problem}");
        }
    })
}

/// Prints the report; the result is the exit code.
fn finish(
    mut report: Report,
    args: &CheckArgs,
    baseline: &Baseline,
    is_whole: bool,
    kubeconfig: Option<&Path>,
) -> color_eyre::Result<u8> {
    report.baseline.extend(baseline.problems.iter().cloned());
    if is_whole && report.complete {
        let was_asked = |id: &str| {
            let checks = called(id);
            // Of what could not be judged somewhere, nothing is known to be gone.
            let is_judged = !report.answers.iter().any(|row| {
                row.answer == "unknown" && checks.iter().any(|check| check.id == row.check)
            });
            is_judged
                && checks
                    .iter()
                    .any(|check| args.areas.is_empty() || args.areas.contains(&check.area))
        };
        let unused = baseline.unused(was_asked);
        report.baseline.extend(unused);
    }
    for problem in &report.baseline {
        eprintln!("darner: {problem}");
    }
    for finding in report
        .answers
        .iter_mut()
        .filter_map(|row| row.finding.as_mut())
    {
        finding.next = text::reached_by(&finding.next, kubeconfig);
    }
    let out = match args.output {
        Checked::Text => print::plain(&report),
        Checked::Markdown => print::markdown(&report),
        Checked::Json => serde_json::to_string_pretty(&report)? + "\n",
        Checked::Junit => junit::page(&report),
    };
    match std::io::stdout().lock().write_all(out.as_bytes()) {
        // Whoever reads has read enough (`| head`).
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    Ok(report.verdict.code())
}

fn tell(
    args: &CheckArgs,
    gathering: &Gathering,
    kubeconfig: Option<&Path>,
) -> color_eyre::Result<u8> {
    let world = &gathering.world;
    let mut wanted: Vec<InstanceId> = Vec::new();
    for address in &args.instances {
        match address::find(world, address) {
            Ok(found) => wanted.extend(found.into_iter().map(|place| place.instance)),
            Err(sentence) => {
                let Some(unread) = unread(world) else {
                    eprintln!("darner: {sentence}");
                    return Ok(USAGE);
                };
                eprintln!(
                    "darner: whether there is an instance or a pod {address} cannot be told: {unread} could not be read"
                );
                return Ok(Overall::Unjudged.code());
            }
        }
    }
    let now = Timestamp::now();
    let Ok(mut baseline) = accepted(args, now) else {
        return Ok(USAGE);
    };
    let is_asked = |entry: &Entry| {
        let is_wanted = match &entry.subject {
            Subject::Instance(id) => wanted.is_empty() || wanted.contains(id),
            Subject::Context(_) | Subject::Operator(_) => wanted.is_empty(),
            Subject::Consumer(id) => {
                let consumer = gathering.limits.expected.consumer(id);
                wanted.is_empty()
                    || consumer.is_some_and(|c| wanted.iter().any(|id| c.instance.is(id)))
            }
        };
        is_wanted && (args.areas.is_empty() || args.areas.contains(&entry.check.area))
    };
    let roll = roll(world, &gathering.limits, now);
    let roll: Vec<Entry> = roll.into_iter().filter(is_asked).collect();
    // An instance that was found is known; of everything, a context that was not read is a part.
    let is_lacking = wanted.is_empty() && !world.contexts().all(is_read);
    let mut report = report(&roll, args, &mut baseline, is_lacking, now);
    report.unanswered = gathering.unanswered();
    report.complete = report.unanswered.is_empty();
    if !report.complete && report.verdict == Overall::Well {
        report.verdict = Overall::Unjudged;
    }
    if is_lacking && let Some(unread) = unread(world) {
        eprintln!("darner: nothing is known of what is in {unread}");
    }
    let is_whole = wanted.is_empty() && !is_lacking;
    finish(report, args, &baseline, is_whole, kubeconfig)
}

/// The checks that an id means: the check of that id, or those that can find the situation of that id.
pub(super) fn called(id: &str) -> Vec<&'static Check> {
    let all = || ALL.iter().chain(ACCEPTANCE).copied();
    match all().find(|check| check.id == id) {
        Some(check) => vec![check],
        None => all()
            .filter(|check| check.situations.iter().any(|one| one.id == id))
            .collect(),
    }
}

/// Why nothing is called so, with what comes near.
pub(super) fn nothing_called(id: &str) -> String {
    let all = || ALL.iter().chain(ACCEPTANCE);
    let situations = all().flat_map(|check| check.situations.iter().map(|one| one.id));
    let near = match suggestion(id, all().map(|check| check.id).chain(situations)) {
        near if near.is_empty() => String::new(),
        near => format!("; {near}"),
    };
    format!("there is no check and no situation `{id}`{near} (docs/reference/checks.md lists them)")
}

/// How bad an answer is, for its place among others: worse comes first.
fn rank(severity: &str) -> usize {
    let order = ["critical", "warning", "unknown", "note"];
    order
        .iter()
        .position(|one| *one == severity)
        .unwrap_or(order.len())
}

/// Makes the report of a roll. What could not be judged of an operator is told and leaves the verdict as it is: instances
/// are judged without it, as by `status`. What the baseline accepts is told, too, and counts as little.
fn report(
    roll: &[Entry],
    args: &CheckArgs,
    baseline: &mut Baseline,
    is_lacking: bool,
    now: Timestamp,
) -> Report {
    let (mut is_found, mut is_unknown) = (false, is_lacking);
    let areas = || {
        let all = Area::ALL.iter().copied();
        all.filter(|area| args.areas.is_empty() || args.areas.contains(area))
    };
    let mut counts: Vec<Counts> = areas()
        .map(|area| Counts::of(area.word(), area.title()))
        .collect();
    let mut criteria: Vec<Counts> = Criterion::ALL
        .iter()
        .filter(|one| areas().any(|area| Criterion::of(area) == **one))
        .map(|one| Counts::of(one.word(), one.title()))
        .collect();
    let mut answers: Vec<Row> = Vec::new();
    for entry in roll {
        let area = entry.check.area;
        let criterion = Criterion::of(area).word();
        let about = About::of(&entry.subject);
        let (answer, found) = match &entry.verdict {
            Verdict::NotApplicable => ("n/a", None),
            Verdict::Pass => ("pass", None),
            Verdict::Finding(found) => ("finding", Some(found)),
            Verdict::Unknown(why) => ("unknown", Some(why)),
        };
        let accepted = match answer {
            "finding" => {
                let situation = found.map_or("", |found| found.situation.id);
                baseline.accepts(entry.check.id, situation, &about)
            }
            _ => None,
        };
        let answer = if accepted.is_some() {
            "accepted"
        } else {
            answer
        };
        match (answer, found) {
            ("finding", Some(found)) => is_found |= found.severity >= args.fail_on,
            ("unknown", _) => is_unknown |= !matches!(entry.subject, Subject::Operator(_)),
            _ => {}
        }
        let groups = counts.iter_mut().chain(&mut criteria);
        for group in groups.filter(|one| one.area == area.word() || one.area == criterion) {
            group.count(answer);
        }
        if answer != "n/a" {
            answers.push(Row {
                check: entry.check.id,
                area: area.word(),
                criterion,
                title: entry.check.title,
                subject: about,
                answer,
                accepted,
                manifest: found.and_then(|found| found.manifest.clone()),
                place: None,
                finding: found.map(finding_of),
            });
        }
    }
    let place = |row: &Row| {
        let all = Area::ALL.iter();
        all.take_while(|area| area.word() != row.area).count()
    };
    let by_criterion = args.profile == Some(Profile::Story);
    answers.sort_by_key(|row| {
        let group = if by_criterion { 0 } else { place(row) };
        let criterion = if by_criterion { row.criterion } else { "" };
        let severity = match row.answer {
            "accepted" => "accepted",
            _ => row.finding.as_ref().map_or("", |f| f.severity),
        };
        (criterion, group, rank(severity))
    });
    Report {
        version: VERSION,
        at: now,
        complete: true,
        is_of_files: false,
        unanswered: Vec::new(),
        verdict: match (is_found, is_unknown) {
            (true, _) => Overall::Findings,
            (false, true) => Overall::Unjudged,
            (false, false) => Overall::Well,
        },
        fail_on: args.fail_on.word(),
        areas: counts,
        profile: by_criterion.then_some("story"),
        criteria,
        answers,
        baseline: Vec::new(),
    }
}

impl Counts {
    fn of(area: &'static str, title: &'static str) -> Self {
        Self {
            area,
            title,
            pass: 0,
            finding: 0,
            accepted: 0,
            unknown: 0,
            not_applicable: 0,
        }
    }

    fn count(&mut self, answer: &str) {
        let of = match answer {
            "pass" => &mut self.pass,
            "finding" => &mut self.finding,
            "accepted" => &mut self.accepted,
            "unknown" => &mut self.unknown,
            _ => &mut self.not_applicable,
        };
        *of += 1;
    }
}

impl Report {
    /// The groups by which it is told, and which of them an answer belongs to.
    fn groups(&self) -> &[Counts] {
        match self.profile {
            Some(_) => &self.criteria,
            None => &self.areas,
        }
    }

    fn of_group<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Row> + 'a {
        let rows = self.answers.iter();
        rows.filter(move |row| match self.profile {
            Some(_) => row.criterion == group,
            None => row.area == group,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::checks::{ACCEPTANCE, Finding as Found, Severity, Since, State};
    use crate::domain::ContextId;

    /// An answer of the first acceptance check with that state and severity; `None` for a pass.
    fn entry(subject: Subject, found: Option<(State, Severity)>) -> Entry {
        let check = ACCEPTANCE[0];
        let verdict = match found {
            None => Verdict::Pass,
            Some((state, severity)) => {
                let found = Found {
                    check: check.id,
                    situation: check.situations[0],
                    short: String::new(),
                    subject: subject.clone(),
                    severity,
                    state,
                    sentence: "a <b> & \"c\"".to_owned(),
                    meaning: "It is so.".to_owned(),
                    next: "Mend it.\n$ {kubectl} get x".to_owned(),
                    evidence: Vec::new(),
                    since: Since::Seen(Timestamp::UNIX_EPOCH),
                    about: Vec::new(),
                    covers: Vec::new(),
                    manifest: None,
                };
                match state {
                    State::Unknown => Verdict::Unknown(found),
                    _ => Verdict::Finding(found),
                }
            }
        };
        Entry {
            check,
            subject,
            verdict,
        }
    }

    fn instance() -> Subject {
        Subject::Instance(InstanceId::new(ContextId::new("infra"), "shop", "orders"))
    }

    fn asked(fail_on: Severity) -> CheckArgs {
        CheckArgs {
            instances: Vec::new(),
            output: Checked::Text,
            fail_on,
            areas: Vec::new(),
            profile: None,
            baseline: None,
            manifests: None,
            deadline: std::time::Duration::from_secs(1),
        }
    }

    fn made(roll: &[Entry], fail_on: Severity) -> Report {
        let args = asked(fail_on);
        report(
            roll,
            &args,
            &mut Baseline::default(),
            false,
            Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn what_is_accepted_is_told_with_its_reason_and_does_not_count() {
        let text = format!(
            "[[accept]]\ncheck = \"{}\"\nreason = \"it is small\"\nuntil = 2026-12-31\n",
            ACCEPTANCE[0].id
        );
        let today = "2026-11-22".parse().unwrap();
        let mut baseline = Baseline::read("b.toml", &text, today).unwrap();
        let roll = [entry(
            instance(),
            Some((State::Healthy, Severity::Critical)),
        )];
        let args = asked(Severity::Note);
        let report = report(&roll, &args, &mut baseline, false, Timestamp::UNIX_EPOCH);
        assert_eq!(report.verdict, Overall::Well);
        assert_eq!(report.answers[0].answer, "accepted");
        let counts = report.areas.iter().find(|c| c.area == "operator").unwrap();
        assert_eq!((counts.finding, counts.accepted), (0, 1));
        let plain = print::plain(&report);
        assert!(
            plain.contains("accepted until 2026-12-31: it is small"),
            "{plain}"
        );
        let page = print::markdown(&report);
        assert!(page.contains("it is small"), "{page}");
        let xml = junit::page(&report);
        assert!(
            xml.contains("failures=\"0\"") && xml.contains("<skipped message="),
            "{xml}"
        );
    }

    #[test]
    fn the_storys_profile_groups_by_its_criteria() {
        let roll = [entry(instance(), Some((State::Healthy, Severity::Warning)))];
        let args = CheckArgs {
            profile: Some(Profile::Story),
            ..asked(Severity::Note)
        };
        let mut none = Baseline::default();
        let report = report(&roll, &args, &mut none, false, Timestamp::UNIX_EPOCH);
        assert_eq!(report.criteria.len(), Criterion::ALL.len());
        let plain = print::plain(&report);
        assert!(plain.contains("AC1 Operator installed"), "{plain}");
        assert_eq!(report.answers[0].criterion, "AC1");
    }

    #[test]
    fn the_verdict_is_the_worst_that_counts() {
        let operator = || Subject::Operator(ContextId::new("infra"));
        let warning = || entry(instance(), Some((State::Healthy, Severity::Warning)));
        let unknown = |subject| entry(subject, Some((State::Unknown, Severity::Note)));
        for (name, roll, fail_on, wanted) in [
            ("nothing", vec![], Severity::Warning, Overall::Well),
            (
                "a pass",
                vec![entry(instance(), None)],
                Severity::Note,
                Overall::Well,
            ),
            (
                "a warning",
                vec![warning()],
                Severity::Warning,
                Overall::Findings,
            ),
            (
                "a milder one than counts",
                vec![warning()],
                Severity::Critical,
                Overall::Well,
            ),
            (
                "unknown",
                vec![unknown(instance())],
                Severity::Warning,
                Overall::Unjudged,
            ),
            (
                "of an operator",
                vec![unknown(operator())],
                Severity::Warning,
                Overall::Well,
            ),
            (
                "both",
                vec![unknown(instance()), warning()],
                Severity::Warning,
                Overall::Findings,
            ),
        ] {
            assert_eq!(made(&roll, fail_on).verdict, wanted, "{name}");
        }
        let mut none = Baseline::default();
        let args = asked(Severity::Note);
        let lacking = report(&[], &args, &mut none, true, Timestamp::UNIX_EPOCH);
        assert_eq!(lacking.verdict, Overall::Unjudged);
    }

    #[test]
    fn every_output_says_what_was_found_and_counts_the_rest() {
        let roll = [
            entry(instance(), Some((State::Healthy, Severity::Warning))),
            entry(instance(), None),
            entry(
                Subject::Context(ContextId::new("infra")),
                Some((State::Unknown, Severity::Note)),
            ),
            Entry {
                verdict: Verdict::NotApplicable,
                ..entry(instance(), None)
            },
        ];
        let report = made(&roll, Severity::Warning);
        let counts = report.areas.iter().find(|c| c.area == "operator").unwrap();
        assert_eq!(
            (
                counts.pass,
                counts.finding,
                counts.unknown,
                counts.not_applicable
            ),
            (1, 1, 1, 1)
        );
        assert_eq!(report.answers.len(), 3);
        let plain = print::plain(&report);
        for words in [
            "Operator and CRD: 1 pass, 1 finding, 1 unknown, 1 n/a",
            "warning  shop/orders in infra: a <b> & \"c\"",
            "unknown  context infra: a <b> & \"c\"",
            "next: Mend it: kubectl --context infra -n shop get x",
        ] {
            assert!(plain.contains(words), "{words}\n{plain}");
        }
        let page = print::markdown(&report);
        assert!(page.contains("| operator | 1 | 1 | 0 | 1 | 1 |"), "{page}");
        assert!(!page.contains("a <b>"), "{page}");
        let xml = junit::page(&report);
        for words in [
            "tests=\"3\" failures=\"1\" errors=\"1\"",
            "message=\"warning: a &lt;b&gt; &amp; &quot;c&quot;\"",
            "<error type=\"unknown\"",
        ] {
            assert!(xml.contains(words), "{words}\n{xml}");
        }
        let below = junit::page(&made(&roll, Severity::Critical));
        assert!(
            below.contains("failures=\"0\"") && below.contains("<system-out>"),
            "{below}"
        );
    }
}
