//! `darner explain`: why something is so, with every fact behind it: the text of the `x` overlay, on standard output.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::args::{ExplainArgs, Told};
use super::gather::Gathering;
use super::report::Overall;
use super::status::{incomplete, unread};
use super::{USAGE, fleet};
use crate::checks::{
    self, Evidence, Explanation, Finding, Since, State, Step, Subject, Topic, UNKNOWN,
};
use crate::domain::{ContextId, InstanceId, NodeId, World, address, text};
use crate::observe::inbox;
use crate::runtime::Supervisor;

/// Name and version of the format of `-o json`.
pub const VERSION: &str = "darner.explain/v1";

/// Runs the command; the result is the exit code.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(args: &ExplainArgs, fleet: fleet::Fleet) -> color_eyre::Result<u8> {
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
    let patience = Duration::from_secs(args.timeout);
    gathering
        .settle_on(patience, Some((&focus, &args.subject)))
        .await;
    let unanswered = gathering.unanswered();
    let code = tell(args, &gathering, unanswered, fleet.kubeconfig.as_deref())?;
    supervisor.stop().await;
    Ok(code)
}

fn tell(
    args: &ExplainArgs,
    gathering: &Gathering,
    unanswered: Vec<String>,
    by: Option<&Path>,
) -> color_eyre::Result<u8> {
    let complete = unanswered.is_empty();
    let world = &gathering.world;
    let topics = match topics(&args.subject, world) {
        Ok(topics) => topics,
        Err(sentence) => {
            let Some(unread) = unread(world) else {
                eprintln!("darner: {sentence}");
                return Ok(USAGE);
            };
            eprintln!(
                "darner: whether there is {} cannot be told: {unread} could not be read",
                text::one_line(&args.subject)
            );
            return Ok(Overall::Unjudged.code());
        }
    };
    let told: Vec<Explanation> = topics
        .iter()
        .map(|topic| checks::explain(world, &gathering.board, topic, None))
        .collect();
    let now = Timestamp::now();
    let mut out = match args.output {
        Told::Text => told
            .iter()
            .map(|one| plain(one, now, by))
            .collect::<Vec<_>>()
            .join("\n"),
        Told::Markdown => told
            .iter()
            .map(|one| markdown(one, now, by))
            .collect::<Vec<_>>()
            .join("\n"),
        Told::Json => {
            let report = Report {
                version: VERSION,
                at: now,
                complete,
                unanswered: unanswered.clone(),
                subjects: told.iter().map(|one| subject(one, by)).collect(),
            };
            serde_json::to_string_pretty(&report)? + "\n"
        }
    };
    if !complete && args.output != Told::Json {
        out.push_str(&format!("\n{}\n", incomplete(&unanswered)));
    }
    match std::io::stdout().lock().write_all(out.as_bytes()) {
        // Whoever reads has read enough (`| head`).
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    Ok(verdict(&told).code())
}

/// The worst of what was explained, by its state and by each finding that is printed: a takeover at work, or what is wrong
/// with a context or its operator, is found although the state is none of the ill ones.
fn verdict(told: &[Explanation]) -> Overall {
    let states = || told.iter().filter_map(|one| one.state);
    let unjudged = told.iter().any(|one| one.state.is_none());
    let mut findings = told.iter().flat_map(|one| &one.findings);
    let is_found = findings.any(|f| matches!(f.word(), "critical" | "warning"));
    let is_untold = |one: &Explanation| one.findings.iter().any(|f| f.word() == UNKNOWN);
    if is_found || states().any(|state| state > State::Syncing && state != State::Unknown) {
        Overall::Findings
    } else if unjudged
        || states().any(|state| state == State::Unknown)
        || told.iter().any(is_untold)
    {
        Overall::Unjudged
    } else {
        Overall::Well
    }
}

/// What an address means: `context/NAME`, `[NAMESPACE/]INSTANCE`, `[NAMESPACE/]POD`.
fn topics(address: &str, world: &World) -> Result<Vec<Topic>, String> {
    if let Some(name) = address.strip_prefix("context/") {
        let id = ContextId::new(name);
        if world.context(&id).is_some() {
            return Ok(vec![Topic::Subject(Subject::Context(id))]);
        }
        let names: Vec<&str> = world.contexts().map(|c| c.id.as_str()).collect();
        return Err(format!(
            "context {name} is not open; open are {}",
            names.join(", ")
        ));
    }
    let found = address::find(world, address).map_err(|unfound| unfound.to_string())?;
    Ok(found
        .into_iter()
        .map(|place| match place.pod {
            Some(pod) => {
                let InstanceId {
                    context, namespace, ..
                } = place.instance;
                Topic::Node(NodeId {
                    context,
                    namespace,
                    pod,
                })
            }
            None => Topic::Subject(Subject::Instance(place.instance)),
        })
        .collect())
}

/// The next steps of a finding, its commands by the kubeconfig that was named.
fn steps(finding: &Finding, by: Option<&Path>) -> Vec<Step> {
    let reached = |text: String| text::reached_by(&text, by);
    let steps = finding.steps().into_iter();
    steps
        .map(|Step { say, command }| Step {
            say: reached(say),
            command: command.map(reached),
        })
        .collect()
}

fn plain(told: &Explanation, now: Timestamp, by: Option<&Path>) -> String {
    let mut out = format!("{}\n", told.answer);
    for finding in &told.findings {
        out.push_str(&format!(
            "\n{}: {}\n  {}, check {}\n",
            finding.word(),
            finding.sentence,
            finding.since_words(now),
            finding.check
        ));
        if !finding.meaning.is_empty() {
            out.push_str(&format!("  {}\n", finding.meaning));
        }
        out.push_str("  Next:\n");
        for step in steps(finding, by) {
            if !step.say.is_empty() {
                out.push_str(&format!("  - {}\n", step.say));
            }
            // On a line of its own, however long: it is there to be copied.
            if let Some(command) = step.command {
                out.push_str(&format!("    {command}\n"));
            }
        }
        if !finding.evidence.is_empty() {
            out.push_str("  Evidence:\n");
        }
        for fact in &finding.evidence {
            out.push_str(&format!("  - {}\n", fact.words(now)));
        }
        out.push_str(&format!("  {}\n", finding.why()));
    }
    for known in &told.known {
        out.push_str(&format!("\n{}\n", known.of));
        for fact in &known.facts {
            out.push_str(&format!("  - {}\n", fact.words(now)));
        }
    }
    out
}

fn markdown(told: &Explanation, now: Timestamp, by: Option<&Path>) -> String {
    let escape = text::markdown;
    let mut out = format!("# {}\n\n{}\n", escape(&told.name), escape(&told.answer));
    for finding in &told.findings {
        out.push_str(&format!(
            "\n## {}: {}\n\n{} ({}, check `{}`)\n\n",
            finding.word(),
            escape(&finding.sentence),
            escape(&finding.meaning),
            finding.since_words(now),
            finding.check
        ));
        out.push_str("Next:\n\n");
        for step in steps(finding, by) {
            out.push_str(&format!("- {}\n", escape(&step.say)));
            if let Some(command) = step.command {
                out.push_str(&format!(
                    "\n  ```sh\n  {}\n  ```\n\n",
                    text::one_line(&command)
                ));
            }
        }
        if !finding.evidence.is_empty() {
            out.push_str("\nEvidence:\n\n");
        }
        for fact in &finding.evidence {
            out.push_str(&format!("- {}\n", escape(&fact.words(now))));
        }
        out.push_str(&format!("\n{}\n", escape(finding.why())));
    }
    for known in &told.known {
        out.push_str(&format!("\n## What is known of {}\n\n", escape(&known.of)));
        for fact in &known.facts {
            out.push_str(&format!("- {}\n", escape(&fact.words(now))));
        }
    }
    out
}

/// The report behind `-o json`. Its own types: within one version fields are only added.
#[derive(Debug, Serialize)]
struct Report {
    version: &'static str,
    at: Timestamp,
    /// Every source answered before the deadline.
    complete: bool,
    /// What had not answered by then, in words; empty when it is complete.
    unanswered: Vec<String>,
    subjects: Vec<OneSubject>,
}

#[derive(Debug, Serialize)]
struct OneSubject {
    /// `context`, `operator`, `instance` or `node`.
    kind: &'static str,
    context: String,
    namespace: Option<String>,
    name: Option<String>,
    /// The state by its id; `null` while it was not judged.
    state: Option<&'static str>,
    answer: String,
    findings: Vec<OneFinding>,
    known: Vec<OneKnown>,
}

#[derive(Debug, Serialize)]
struct OneFinding {
    check: &'static str,
    /// What it found, by its id in docs/reference/states.md.
    situation: &'static str,
    severity: &'static str,
    sentence: String,
    meaning: String,
    /// What to do next, as text: a line for each step.
    next: String,
    /// The same as data.
    steps: Vec<OneStep>,
    since: Timestamp,
    since_is_exact: bool,
    evidence: Vec<OneFact>,
}

#[derive(Debug, Serialize)]
struct OneStep {
    /// What to do, or what the command shows.
    say: String,
    /// One line, ready to be run.
    command: Option<String>,
}

#[derive(Debug, Serialize)]
struct OneKnown {
    of: String,
    facts: Vec<OneFact>,
}

#[derive(Debug, Serialize)]
struct OneFact {
    text: String,
    source: String,
    at: Timestamp,
}

fn subject(told: &Explanation, by: Option<&Path>) -> OneSubject {
    let (kind, namespace, name) = match &told.topic {
        Topic::Subject(Subject::Context(_)) => ("context", None, None),
        Topic::Subject(Subject::Operator(_)) => ("operator", None, None),
        Topic::Subject(Subject::Instance(id)) => (
            "instance",
            Some(id.namespace.to_string()),
            Some(id.name.to_string()),
        ),
        Topic::Subject(Subject::Consumer(id)) => (
            "consumer",
            Some(id.namespace.to_string()),
            Some(id.name.to_string()),
        ),
        Topic::Node(id) => (
            "node",
            Some(id.namespace.to_string()),
            Some(id.pod.to_string()),
        ),
    };
    OneSubject {
        kind,
        context: told.topic.context().to_string(),
        namespace,
        name,
        state: told.state.map(State::id),
        answer: told.answer.clone(),
        findings: told
            .findings
            .iter()
            .map(|finding| OneFinding {
                check: finding.check,
                situation: finding.situation.id,
                severity: finding.word(),
                sentence: finding.sentence.clone(),
                meaning: finding.meaning.clone(),
                next: text::reached_by(&finding.next_step(), by),
                steps: steps(finding, by)
                    .into_iter()
                    .map(|step| OneStep {
                        say: step.say,
                        command: step.command,
                    })
                    .collect(),
                since: finding.since.at(),
                since_is_exact: matches!(finding.since, Since::Exactly(_)),
                evidence: finding.evidence.iter().map(fact).collect(),
            })
            .collect(),
        known: told
            .known
            .iter()
            .map(|known| OneKnown {
                of: known.of.clone(),
                facts: known.facts.iter().map(fact).collect(),
            })
            .collect(),
    }
}

fn fact(evidence: &Evidence) -> OneFact {
    OneFact {
        text: evidence.text.clone(),
        source: evidence.source.clone(),
        at: evidence.at,
    }
}
