//! `darner remedy`: the manifests that mend what is found now, or the steps where no manifest does.

use std::io::Write;
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::args::RemedyArgs;
use super::check::{self, About};
use super::gather::Gathering;
use super::status::{incomplete, unread};
use super::{USAGE, fleet};
use crate::checks::{Entry, Finding, Subject, Verdict, roll};
use crate::domain::{World, address, text};

/// Name and version of the format of `-o json`.
pub const VERSION: &str = "darner.remedy/v1";

/// What mends what is found now.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: &'static str,
    /// When it was made.
    pub at: Timestamp,
    /// What was asked for.
    pub finding: String,
    /// What mends each.
    pub remedies: Vec<Remedy>,
    /// Why it could not be judged of some, a sentence each.
    pub unknown: Vec<String>,
}

/// What mends a finding.
#[derive(Debug, Serialize)]
pub struct Remedy {
    /// The check.
    pub check: &'static str,
    /// What it found, by its id in docs/reference/states.md.
    pub situation: &'static str,
    /// `critical`, `warning` or `note`.
    pub severity: &'static str,
    /// About what.
    pub subject: About,
    /// What is so.
    pub sentence: String,
    /// The manifest; `null` where only steps mend it.
    pub manifest: Option<String>,
    /// What to do, step by step.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Serialize)]
pub struct Step {
    /// What to do.
    pub say: String,
    /// The command for it; `null` for none.
    pub command: Option<String>,
}

/// Runs the command; the result is the exit code.
///
/// # Errors
/// When standard output cannot be written.
pub async fn run(args: &RemedyArgs, fleet: fleet::Fleet) -> color_eyre::Result<u8> {
    for problem in &fleet.problems {
        eprintln!("darner: {problem}");
    }
    if let Err(sentence) = known(&args.finding) {
        eprintln!("darner: {sentence}");
        return Ok(USAGE);
    }
    let kubeconfig = fleet.kubeconfig.clone();
    check::look_once(fleet, args.deadline, |gathering| {
        tell(args, gathering, kubeconfig.as_deref())
    })
    .await
}

/// Whether there is a check or a situation of that id.
fn known(id: &str) -> Result<(), String> {
    match check::called(id).is_empty() {
        true => Err(check::nothing_called(id)),
        false => Ok(()),
    }
}

fn tell(
    args: &RemedyArgs,
    gathering: &Gathering,
    kubeconfig: Option<&Path>,
) -> color_eyre::Result<u8> {
    let now = Timestamp::now();
    let world = &gathering.world;
    let is_meant = match &args.subject {
        None => None,
        Some(written) => match meant(written, world, gathering) {
            Some(subjects) => Some(subjects),
            None => {
                if let Some(unread) = unread(world) {
                    eprintln!(
                        "darner: whether there is anything called {written} cannot be told: {unread} could not be read"
                    );
                    return Ok(2);
                }
                eprintln!("darner: there is no instance, consumer or context called {written}");
                return Ok(USAGE);
            }
        },
    };
    let all = roll(world, &gathering.limits, now);
    let asked = all.iter().filter(|entry| {
        is_meant
            .as_ref()
            .is_none_or(|all| all.contains(&entry.subject))
    });
    let report = report(&args.finding, asked, now, kubeconfig);
    let unanswered = gathering.unanswered();
    let out = match args.output {
        Some(_) => serde_json::to_string_pretty(&report)? + "\n",
        None => plain(&report),
    };
    match std::io::stdout().lock().write_all(out.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    for why in &report.unknown {
        eprintln!("darner: {why}");
    }
    if !unanswered.is_empty() {
        eprintln!("darner: {}", incomplete(&unanswered));
    }
    let lacking = unread(world).filter(|_| is_meant.is_none());
    if let Some(lacking) = &lacking {
        eprintln!("darner: nothing is known of what is in {lacking}");
    }
    let code = code(&report, unanswered.is_empty() && lacking.is_none());
    if code == 1 {
        eprintln!("darner: nothing of {} is found now", args.finding);
    }
    Ok(code)
}

/// The subjects that an argument means; `None` when nothing is called so.
fn meant(written: &str, world: &World, gathering: &Gathering) -> Option<Vec<Subject>> {
    if let Ok(found) = address::find(world, written) {
        let instances = found
            .into_iter()
            .map(|place| Subject::Instance(place.instance));
        return Some(instances.collect());
    }
    let all = crate::checks::subjects(world, &gathering.limits);
    let called: Vec<Subject> = all
        .into_iter()
        .filter(|subject| About::of(subject).is_called(written) || is_named(subject, written))
        .collect();
    (!called.is_empty()).then_some(called)
}

/// A consumer by the name alone that the settings give it.
fn is_named(subject: &Subject, written: &str) -> bool {
    matches!(subject, Subject::Consumer(id) if *id.name == *written)
}

/// 0 where something mends it, 1 where nothing is found, 2 where that could not be judged.
fn code(report: &Report, is_complete: bool) -> u8 {
    match (
        report.remedies.is_empty(),
        report.unknown.is_empty() && is_complete,
    ) {
        (false, _) => 0,
        (true, true) => 1,
        (true, false) => 2,
    }
}

fn report<'a>(
    finding: &str,
    asked: impl Iterator<Item = &'a Entry>,
    now: Timestamp,
    kubeconfig: Option<&Path>,
) -> Report {
    let mut report = Report {
        version: VERSION,
        at: now,
        finding: finding.to_owned(),
        remedies: Vec::new(),
        unknown: Vec::new(),
    };
    for entry in asked {
        let is_of_check = entry.check.id == finding;
        match &entry.verdict {
            Verdict::Finding(found) if is_of_check || found.situation.id == finding => {
                report.remedies.push(remedy(entry, found, kubeconfig));
            }
            Verdict::Unknown(why)
                if is_of_check || entry.check.situations.iter().any(|one| one.id == finding) =>
            {
                let who = About::of(&entry.subject).words();
                let told = format!("{who} could not be judged: {}", why.sentence);
                report.unknown.push(told);
            }
            _ => {}
        }
    }
    report
}

fn remedy(entry: &Entry, found: &Finding, kubeconfig: Option<&Path>) -> Remedy {
    let reached = |words: &str| text::reached_by(words, kubeconfig);
    Remedy {
        check: entry.check.id,
        situation: found.situation.id,
        severity: found.word(),
        subject: About::of(&entry.subject),
        sentence: found.sentence.clone(),
        manifest: found.manifest.as_deref().map(reached),
        steps: found
            .steps()
            .into_iter()
            .map(|step| Step {
                say: reached(&step.say),
                command: step.command.as_deref().map(reached),
            })
            .collect(),
    }
}

/// One manifest after the other, each with what it mends as comments; what no manifest mends is comments alone.
fn plain(report: &Report) -> String {
    let mut out = String::new();
    for (at, one) in report.remedies.iter().enumerate() {
        if at > 0 {
            out.push_str("---\n");
        }
        let mut say = |lead: &str, text: &str| {
            for line in text.lines() {
                out.push_str(&format!("# {lead}{line}\n"));
            }
        };
        say(
            "",
            &format!("{} ({}, {})", one.subject.words(), one.severity, one.check),
        );
        say("", &one.sentence);
        match &one.manifest {
            Some(manifest) => {
                out.push_str(manifest.trim_end());
                out.push('\n');
            }
            None => {
                say("", "No manifest mends it; this does:");
                for step in &one.steps {
                    say("- ", &step.say);
                    say("  $ ", step.command.as_deref().unwrap_or(""));
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::checks::Limits;
    use crate::domain::fixture::{healthy, now};

    #[test]
    fn what_is_found_is_printed_as_yaml_and_what_is_not_is_said() {
        let f = healthy().build();
        let all = roll(&f.world, &Limits::default(), now());
        for (finding, remedies, code_wanted, words) in [
            ("security-lax", 1, 0, "readOnlyRootFilesystem: true"),
            ("memory-limit-missing", 1, 0, "# "),
            ("few-replicas", 0, 1, ""),
            ("budget-unfit", 0, 2, ""),
        ] {
            let report = report(finding, all.iter(), now(), None);
            assert_eq!(report.remedies.len(), remedies, "{finding}");
            assert_eq!(code(&report, true), code_wanted, "{finding}");
            let told = plain(&report);
            assert!(told.contains(words), "{finding}: {told}");
            // Whatever is printed is YAML, if only comments.
            for part in crate::wire::documents(&told) {
                assert!(part.value.is_ok(), "{finding}: {told}");
            }
        }
        assert_eq!(
            code(&report("few-replicas", all.iter(), now(), None), false),
            2
        );
    }

    #[test]
    fn an_unknown_id_is_told_with_the_nearest() {
        assert_eq!(known("few-replicas"), Ok(()));
        // What a check of health or of acceptance finds has a name of its own.
        assert_eq!(known("no-master"), Ok(()));
        assert_eq!(known("budget-missing"), Ok(()));
        let told = known("few-replica").unwrap_err();
        assert!(told.contains("did you mean `few-replicas`?"), "{told}");
    }
}
