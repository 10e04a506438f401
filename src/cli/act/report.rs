//! What a run says, headless: lines on standard error while it goes on, and its end on standard output as text, as versioned
//! JSON, or as the commands that its steps equal.

use std::sync::Arc;

use serde::Serialize;

use crate::actions::equals::equals;
use crate::actions::{About, Gate, ObjectId, Plan, Progress, Resource, Stand};
use crate::cli::fleet::Fleet;
use crate::domain::{Foreign, World, text};
use crate::msg::run::{Ending, Outcome, StepState};
use crate::msg::{News, RunId};

/// Name and version of the format of `-o json`.
pub const VERSION: &str = "darner.run/v1";

/// What was told so far.
pub(super) struct Told {
    run: RunId,
    output: String,
    plan: Option<Arc<Plan>>,
    gates: Vec<Gate>,
    steps: Vec<Option<StepState>>,
}

impl Told {
    pub(super) fn new(run: RunId, output: &str) -> Self {
        Self {
            run,
            output: output.to_owned(),
            plan: None,
            gates: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// A plan is shown: whole, or by what differs.
    pub(super) fn planned(&mut self, plan: &Arc<Plan>, gates: &[Gate], difference: &[String]) {
        let first = self.plan.is_none();
        self.plan = Some(plan.clone());
        self.gates = gates.to_vec();
        self.steps = vec![None; plan.all_steps().count()];
        if self.output == "text" && first {
            eprint!("{}", plan_text(plan, gates));
        }
        for line in difference {
            eprintln!("darner: by now: {line}");
        }
    }

    /// A line of news.
    pub(super) fn news(&mut self, news: &News) {
        let News::Step { place, state } = news else {
            return;
        };
        let words = self
            .plan
            .as_ref()
            .and_then(|plan| plan.all_steps().nth(*place))
            .map_or("", |step| step.words.as_str());
        let told = match state {
            StepState::Held => "enter goes on".to_owned(),
            StepState::Runs(waits) if waits.is_empty() => "…".to_owned(),
            StepState::Runs(waits) => format!("waits: {}", waits.join("; ")),
            StepState::Done(answer, took) => format!("{answer} ({} ms)", took.as_millis()),
            StepState::Skipped(why) => format!("not needed: {why}"),
            StepState::Failed(why) => format!("failed: {why}"),
            StepState::Unknown(why) => format!("unknown: {why}"),
        };
        let is_quiet = matches!(state, StepState::Runs(waits) if waits.is_empty());
        if !is_quiet {
            eprintln!("{:>3}. {words}: {}", place + 1, text::one_line(&told));
        }
        if let Some(kept) = self.steps.get_mut(*place) {
            *kept = Some(state.clone());
        }
    }

    /// How it ended, as it is printed on standard output.
    pub(super) fn ended(self, ending: &Ending) -> color_eyre::Result<String> {
        match self.output.as_str() {
            "json" => Ok(serde_json::to_string_pretty(&self.report(ending))? + "\n"),
            "kubectl" => Ok(self.commands(ending)),
            _ => Ok(ended_text(ending)),
        }
    }

    fn commands(&self, ending: &Ending) -> String {
        let Some(plan) = &self.plan else {
            return format!("# {}\n", ending.sentence);
        };
        let steps = plan.all_steps();
        let lines = steps.map(|step| format!("# {}\n{}\n", step.words, equals(step)));
        format!("# {}\n{}", plan.sentence, lines.collect::<String>())
    }

    fn report<'a>(&'a self, ending: &'a Ending) -> Report<'a> {
        let steps = self.plan.iter().flat_map(|plan| plan.all_steps());
        Report {
            version: VERSION,
            run: self.run.as_str(),
            outcome: ending.outcome,
            sentence: &ending.sentence,
            took_ms: u64::try_from(ending.took.as_millis()).unwrap_or(u64::MAX),
            plan: self.plan.as_deref().map(|plan| ReportedPlan {
                action: plan.action,
                context: plan.target.context().as_str(),
                namespace: plan.target.namespace(),
                name: plan.target.name(),
                sentence: &plan.sentence,
                risk: plan.risk.word(),
                before: &plan.before,
                losses: &plan.losses,
                takes: &plan.takes,
                back: &plan.back,
            }),
            gates: &self.gates,
            steps: steps
                .zip(&self.steps)
                .map(|(step, state)| ReportedStep::of(step.words.as_str(), equals(step), state))
                .collect(),
            proof: ending
                .proof
                .iter()
                .map(|(goal, progress)| ReportedGoal {
                    goal,
                    holds: matches!(progress, Progress::Holds(_)),
                    told: progress.words(),
                })
                .collect(),
            left: &ending.left,
        }
    }
}

#[derive(Serialize)]
struct Report<'a> {
    version: &'static str,
    run: &'a str,
    outcome: Outcome,
    sentence: &'a str,
    took_ms: u64,
    plan: Option<ReportedPlan<'a>>,
    gates: &'a [Gate],
    steps: Vec<ReportedStep<'a>>,
    proof: Vec<ReportedGoal<'a>>,
    left: &'a [String],
}

#[derive(Serialize)]
struct ReportedPlan<'a> {
    action: &'a str,
    context: &'a str,
    namespace: &'a str,
    name: &'a str,
    sentence: &'a str,
    risk: &'a str,
    before: &'a [String],
    losses: &'a str,
    takes: &'a str,
    back: &'a str,
}

#[derive(Serialize)]
struct ReportedStep<'a> {
    words: &'a str,
    equals: String,
    state: &'static str,
    told: String,
    took_ms: Option<u64>,
}

impl<'a> ReportedStep<'a> {
    fn of(words: &'a str, equals: String, state: &Option<StepState>) -> Self {
        let (word, told, took) = match state {
            None | Some(StepState::Held) => ("not begun", String::new(), None),
            Some(StepState::Runs(waits)) => ("begun", waits.join("; "), None),
            Some(StepState::Done(answer, took)) => ("done", answer.clone(), Some(*took)),
            Some(StepState::Skipped(why)) => ("skipped", why.clone(), None),
            Some(StepState::Failed(why)) => ("failed", why.clone(), None),
            Some(StepState::Unknown(why)) => ("unknown", why.clone(), None),
        };
        Self {
            words,
            equals,
            state: word,
            told,
            took_ms: took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}

#[derive(Serialize)]
struct ReportedGoal<'a> {
    goal: &'a str,
    holds: bool,
    told: &'a str,
}

fn plan_text(plan: &Plan, gates: &[Gate]) -> String {
    let mut out = format!(
        "{} ({}), context {}\n",
        plan.sentence,
        plan.risk.word(),
        plan.target.context()
    );
    for line in &plan.before {
        out.push_str(&format!("     {line}\n"));
    }
    out.push_str("gates:\n");
    for gate in gates {
        let sign = match gate.stand {
            Stand::Pass => "pass ",
            Stand::Warn => "warn ",
            Stand::Ask => "ask  ",
            Stand::Block => "block",
        };
        let accept = match gate.stand {
            Stand::Ask => format!(" [--accept {}]", gate.id),
            _ => String::new(),
        };
        out.push_str(&format!(
            "  {sign} {}: {}{accept}\n",
            gate.id, gate.evidence
        ));
    }
    out.push_str("steps:\n");
    for (place, step) in plan.all_steps().enumerate() {
        let together = if step.together {
            ", at the same moment"
        } else {
            ""
        };
        out.push_str(&format!(
            "{:>3}. {}{together}\n     {}\n",
            place + 1,
            step.words,
            equals(step)
        ));
    }
    for (word, told) in [
        ("loses", &plan.losses),
        ("takes", &plan.takes),
        ("back", &plan.back),
    ] {
        out.push_str(&format!("{word}: {told}\n"));
    }
    if let Some(owner) = &plan.owner {
        out.push_str(&format!(
            "owned by {owner}: it puts back what Git does not say\n"
        ));
    }
    out
}

fn ended_text(ending: &Ending) -> String {
    let mut out = format!("{}: {}\n", ending.outcome.word(), ending.sentence);
    for (goal, progress) in &ending.proof {
        let sign = match progress {
            Progress::Holds(_) => "holds",
            Progress::NotYet(_) => "not yet",
            Progress::Untold(_) => "not told",
        };
        out.push_str(&format!("  {sign}: {goal} ({})\n", progress.words()));
    }
    for line in &ending.left {
        out.push_str(&format!("  left: {line}\n"));
    }
    if !ending.took.is_zero() {
        out.push_str(&format!("  took {} ms\n", ending.took.as_millis()));
    }
    out
}

/// The object that `KIND/NAME` means, in the namespace of `-n`; nothing where it names no kind of that sort.
///
/// # Errors
/// When the kind is named and the rest is missing: the namespace, or which of several contexts.
pub(super) fn object_of(
    written: &str,
    about: About,
    world: &World,
    fleet: &Fleet,
) -> Result<Option<ObjectId>, String> {
    let (kind, name) = match (written.split_once('/'), about) {
        (None, About::Claim) => ("pvc", written),
        (Some(split), _) => split,
        (None, _) => return Ok(None),
    };
    let resource = match (kind.to_lowercase().as_str(), about) {
        ("deployment" | "deployments" | "deploy", About::Workload) => Resource::DEPLOYMENT,
        ("statefulset" | "statefulsets" | "sts", About::Workload) => Resource::STATEFUL_SET,
        ("pvc" | "persistentvolumeclaim", About::Claim) => Resource::PVC,
        (kind, About::Flux) => {
            let of = |what: Foreign| crate::checks::flux::kind(what).to_lowercase();
            let found = crate::checks::flux::KINDS
                .iter()
                .copied()
                .find(|what| of(*what) == kind || what.doc().resource == kind);
            match found.and_then(Resource::of_flux) {
                Some(resource) => resource,
                None => return Ok(None),
            }
        }
        _ => return Ok(None),
    };
    let [namespace] = fleet.asked.as_slice() else {
        return Err(format!("{written} wants its namespace: -n NAMESPACE"));
    };
    let contexts: Vec<_> = world.shown_contexts().collect();
    match contexts.as_slice() {
        [one] => Ok(Some(ObjectId::new(&one.id, resource, namespace, name))),
        _ => Err(format!("{written} wants its context: --context CONTEXT")),
    }
}
