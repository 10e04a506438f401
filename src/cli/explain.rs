//! `darner explain`: why something is so, with every fact behind it: the text of the `x` overlay, on standard output.

use std::io::Write;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::args::{ExplainArgs, Told};
use super::gather::Gathering;
use super::report::Overall;
use super::status::is_read;
use super::{USAGE, address, fleet};
use crate::checks::{self, Evidence, Explanation, Since, State, Subject, Topic};
use crate::domain::{ContextId, InstanceId, NodeId, World, text};
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
    // The sender stays so that the receivers do not see an end.
    let (_focus, watching) = tokio::sync::watch::channel(crate::observe::Focus::default());
    fleet.start(&mut supervisor, &outlet, &watching);
    let mut gathering = Gathering::new(inbox, fleet.limits.clone(), fleet.confines.clone());
    let complete = gathering.settle(Duration::from_secs(args.timeout)).await;
    let code = tell(args, &gathering, complete)?;
    supervisor.stop().await;
    Ok(code)
}

fn tell(args: &ExplainArgs, gathering: &Gathering, complete: bool) -> color_eyre::Result<u8> {
    let world = &gathering.world;
    let topics = match topics(&args.subject, world) {
        Ok(topics) => topics,
        Err(sentence) => {
            let unread: Vec<&str> = world
                .contexts()
                .filter(|context| !is_read(context))
                .map(|context| context.id.as_str())
                .collect();
            if unread.is_empty() {
                eprintln!("darner: {sentence}");
                return Ok(USAGE);
            }
            eprintln!(
                "darner: whether there is {} cannot be told: {} could not be read",
                text::one_line(&args.subject),
                text::one_line(&unread.join(", "))
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
            .map(|one| plain(one, now))
            .collect::<Vec<_>>()
            .join("\n"),
        Told::Markdown => told
            .iter()
            .map(|one| markdown(one, now))
            .collect::<Vec<_>>()
            .join("\n"),
        Told::Json => {
            let report = Report {
                version: VERSION,
                at: now,
                complete,
                subjects: told.iter().map(subject).collect(),
            };
            serde_json::to_string_pretty(&report)? + "\n"
        }
    };
    if !complete && args.output != Told::Json {
        out.push_str("\nnot every source answered before the deadline; what is missing is unknown, not well\n");
    }
    match std::io::stdout().lock().write_all(out.as_bytes()) {
        // Whoever reads has read enough (`| head`).
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    Ok(verdict(&told).code())
}

/// The worst of what was explained.
fn verdict(told: &[Explanation]) -> Overall {
    let states = || told.iter().filter_map(|one| one.state);
    let unjudged = told.iter().any(|one| one.state.is_none());
    if states().any(|state| state > State::Syncing && state != State::Unknown) {
        Overall::Findings
    } else if unjudged || states().any(|state| state == State::Unknown) {
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
            return Ok(vec![
                Topic::Subject(Subject::Context(id.clone())),
                Topic::Subject(Subject::Operator(id)),
            ]);
        }
        let names: Vec<&str> = world.contexts().map(|c| c.id.as_str()).collect();
        return Err(format!(
            "context {name} is not open; open are {}",
            names.join(", ")
        ));
    }
    let known: Vec<InstanceId> = world.instances().collect();
    let unknown = match address::instances(address, &known) {
        Ok(found) => {
            return Ok(found
                .into_iter()
                .map(|id| Topic::Subject(Subject::Instance(id.clone())))
                .collect());
        }
        Err(sentence) => sentence,
    };
    let (namespace, name) = match address.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, address),
    };
    let nodes: Vec<Topic> = known
        .iter()
        .filter_map(|id| world.instance(id))
        .flat_map(|view| view.nodes)
        .filter(|node| *node.id.pod == *name)
        .filter(|node| namespace.is_none_or(|ns| *node.id.namespace == *ns))
        .map(|node| Topic::Node(NodeId::clone(&node.id)))
        .collect();
    if nodes.is_empty() {
        return Err(unknown.replacen("no instance", "no instance and no pod", 1));
    }
    Ok(nodes)
}

fn plain(told: &Explanation, now: Timestamp) -> String {
    let mut out = format!("{}\n", told.answer);
    if let Some(way) = &told.way {
        let age = text::age(way.since, now);
        out.push_str(&format!(
            "{} for {age}: {}\n",
            way.fault.kind.word(),
            way.fault.message
        ));
        for line in [&way.fault.hint, &way.fault.detail] {
            if !line.is_empty() {
                out.push_str(&format!("  {line}\n"));
            }
        }
    }
    for point in &told.points {
        out.push_str(&format!(
            "\n{}: {}\n  {}, check {}\n",
            point.severity,
            point.sentence,
            point.since_words(now),
            point.check
        ));
        if !point.meaning.is_empty() {
            out.push_str(&format!("  {}\n", point.meaning));
        }
        for fact in &point.evidence {
            out.push_str(&format!("  - {}\n", fact.words(now)));
        }
        out.push_str(&format!("  {}\n", point.why));
    }
    for known in &told.known {
        out.push_str(&format!("\n{}\n", known.of));
        for fact in &known.facts {
            out.push_str(&format!("  - {}\n", fact.words(now)));
        }
    }
    out
}

fn markdown(told: &Explanation, now: Timestamp) -> String {
    let escape = text::markdown;
    let mut out = format!("# {}\n\n{}\n", escape(&told.name), escape(&told.answer));
    if let Some(way) = &told.way {
        out.push_str(&format!(
            "\n- **{}**: {} {}\n",
            way.fault.kind.word(),
            escape(&way.fault.message),
            escape(&way.fault.hint)
        ));
    }
    for point in &told.points {
        out.push_str(&format!(
            "\n## {}: {}\n\n{} ({}, check `{}`)\n\n",
            point.severity,
            escape(&point.sentence),
            escape(&point.meaning),
            point.since_words(now),
            point.check
        ));
        for fact in &point.evidence {
            out.push_str(&format!("- {}\n", escape(&fact.words(now))));
        }
        out.push_str(&format!("\n{}\n", escape(point.why)));
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
    severity: &'static str,
    sentence: String,
    meaning: String,
    since: Timestamp,
    since_is_exact: bool,
    evidence: Vec<OneFact>,
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

fn subject(told: &Explanation) -> OneSubject {
    let (kind, namespace, name) = match &told.topic {
        Topic::Subject(Subject::Context(_)) => ("context", None, None),
        Topic::Subject(Subject::Operator(_)) => ("operator", None, None),
        Topic::Subject(Subject::Instance(id)) => (
            "instance",
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
            .points
            .iter()
            .map(|point| OneFinding {
                check: point.check,
                severity: point.severity,
                sentence: point.sentence.clone(),
                meaning: point.meaning.clone(),
                since: point.since.at(),
                since_is_exact: matches!(point.since, Since::Exactly(_)),
                evidence: point.evidence.iter().map(fact).collect(),
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
