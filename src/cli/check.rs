//! `darner check`: every check asked once of everything, with every answer: what is as it should be, what is not, and what
//! could not be judged.

mod junit;
mod print;

use std::io::Write;
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::args::{CheckArgs, Checked};
use super::gather::Gathering;
use super::report::{Finding, Overall, finding_of};
use super::status::{is_read, unread};
use super::{USAGE, fleet};
use crate::checks::{Area, Entry, Severity, Subject, Verdict, roll};
use crate::domain::{InstanceId, address, text};
use crate::observe::inbox;
use crate::runtime::Supervisor;

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
    /// What had not answered by then, in words; empty when it is complete.
    pub unanswered: Vec<String>,
    /// `well`, `findings` or `unjudged`; decides the exit code.
    pub verdict: Overall,
    /// The mildest severity that counts as a finding in the verdict.
    pub fail_on: &'static str,
    /// Areas that were asked for, in their order, with the number of answers of each kind.
    pub areas: Vec<Counts>,
    /// Answers, by area, the worst first.
    pub answers: Vec<Row>,
}

/// Answers of an area, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// The area's word.
    pub area: &'static str,
    /// What it is about.
    pub title: &'static str,
    /// As it should be.
    pub pass: usize,
    /// Not as it should be.
    pub finding: usize,
    /// Could not be judged.
    pub unknown: usize,
    /// The question does not arise.
    pub not_applicable: usize,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The check, by its id in docs/reference/checks.md.
    pub check: &'static str,
    /// Its area.
    pub area: &'static str,
    /// Its title.
    pub title: &'static str,
    /// About what.
    pub subject: About,
    /// `pass`, `finding` or `unknown`.
    pub answer: &'static str,
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
    fn of(subject: &Subject) -> Self {
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

    /// `shop/orders in infra`, `operator of infra`, `context infra`.
    pub fn words(&self) -> String {
        match (&self.namespace, &self.name) {
            (Some(namespace), Some(name)) if self.kind == "consumer" => {
                format!("consumer {namespace}/{name} in {}", self.context)
            }
            (Some(namespace), Some(name)) => format!("{namespace}/{name} in {}", self.context),
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
    let (outlet, inbox) = inbox();
    let mut supervisor = Supervisor::default();
    let (focus, watching) = tokio::sync::watch::channel(crate::observe::Focus::default());
    let fleet = fleet.once();
    fleet.start(&mut supervisor, &outlet, &watching);
    let gathering = Gathering::new(inbox, fleet.limits.clone(), fleet.confines.clone());
    let mut gathering = gathering.looking_once(&fleet);
    gathering.settle_with_needs(args.deadline, &focus).await;
    let code = tell(args, &gathering, fleet.kubeconfig.as_deref())?;
    supervisor.stop().await;
    Ok(code)
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
    let mut report = report(&roll, args.fail_on, &args.areas, is_lacking, now);
    report.unanswered = gathering.unanswered();
    report.complete = report.unanswered.is_empty();
    if !report.complete && report.verdict == Overall::Well {
        report.verdict = Overall::Unjudged;
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

/// How bad an answer is, for its place among others: worse comes first.
fn rank(severity: &str) -> usize {
    let order = ["critical", "warning", "unknown", "note"];
    order
        .iter()
        .position(|one| *one == severity)
        .unwrap_or(order.len())
}

/// Makes the report of a roll. What could not be judged of an operator is told and leaves the verdict as it is: instances
/// are judged without it, as by `status`.
fn report(
    roll: &[Entry],
    fail_on: Severity,
    areas: &[Area],
    is_lacking: bool,
    now: Timestamp,
) -> Report {
    let (mut is_found, mut is_unknown) = (false, is_lacking);
    let mut counts: Vec<Counts> = Vec::new();
    let mut answers: Vec<Row> = Vec::new();
    for area in Area::ALL {
        if !areas.is_empty() && !areas.contains(area) {
            continue;
        }
        let mut count = Counts {
            area: area.word(),
            title: area.title(),
            pass: 0,
            finding: 0,
            unknown: 0,
            not_applicable: 0,
        };
        let mut rows: Vec<Row> = Vec::new();
        for entry in roll.iter().filter(|entry| entry.check.area == *area) {
            let (answer, finding) = match &entry.verdict {
                Verdict::NotApplicable => {
                    count.not_applicable += 1;
                    continue;
                }
                Verdict::Pass => {
                    count.pass += 1;
                    ("pass", None)
                }
                Verdict::Finding(found) => {
                    count.finding += 1;
                    is_found |= found.severity >= fail_on;
                    ("finding", Some(finding_of(found)))
                }
                Verdict::Unknown(why) => {
                    count.unknown += 1;
                    is_unknown |= !matches!(entry.subject, Subject::Operator(_));
                    ("unknown", Some(finding_of(why)))
                }
            };
            rows.push(Row {
                check: entry.check.id,
                area: area.word(),
                title: entry.check.title,
                subject: About::of(&entry.subject),
                answer,
                finding,
            });
        }
        rows.sort_by_key(|row| rank(row.finding.as_ref().map_or("", |f| f.severity)));
        answers.extend(rows);
        counts.push(count);
    }
    Report {
        version: VERSION,
        at: now,
        complete: true,
        unanswered: Vec::new(),
        verdict: match (is_found, is_unknown) {
            (true, _) => Overall::Findings,
            (false, true) => Overall::Unjudged,
            (false, false) => Overall::Well,
        },
        fail_on: fail_on.word(),
        areas: counts,
        answers,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::checks::{ACCEPTANCE, Finding as Found, Since, State};
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

    fn made(roll: &[Entry], fail_on: Severity) -> Report {
        report(roll, fail_on, &[], false, Timestamp::UNIX_EPOCH)
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
        let lacking = report(&[], Severity::Note, &[], true, Timestamp::UNIX_EPOCH);
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
        assert!(page.contains("| operator | 1 | 1 | 1 | 1 |"), "{page}");
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
