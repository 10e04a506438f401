//! The ledger: who meant to do what, what each step was answered, how it ended. Lines of versioned JSON, only ever appended,
//! and on disk before the first step; without it nothing runs.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::review::Who;
use crate::actions::reminders::Suspension;
use crate::actions::{Gate, Plan, Progress, equals::equals};
use crate::domain::text::plain;
use crate::msg::RunId;
use crate::msg::run::{Ending, Outcome, Past};

/// Name and version of the format of a line.
pub const VERSION: &str = "darner.ledger/v1";

/// A line, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// [`VERSION`].
    pub v: String,
    /// When, by our clock.
    pub at: Timestamp,
    /// Of which run.
    pub run: String,
    /// What it says.
    #[serde(flatten)]
    pub page: Page,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one such line a run, and none is kept for long"
)]
pub enum Page {
    /// What was meant, before anything was done.
    Intended {
        /// By the word of the API server.
        user: String,
        /// By the word of this machine.
        os_user: String,
        /// On which machine.
        host: String,
        /// The process.
        pid: u32,
        /// Where.
        context: String,
        /// Of the target.
        namespace: String,
        /// Of the target.
        name: String,
        /// The target's kind.
        kind: String,
        /// Which action.
        action: String,
        /// How it was asked for.
        args: Vec<(String, String)>,
        /// What it does.
        sentence: String,
        /// What it may cost.
        risk: String,
        /// What was there before.
        before: Vec<String>,
        /// Its steps, each with what one would type instead.
        steps: Vec<(String, String)>,
        /// How many of them are carried out at the end, however it ends.
        at_the_end: usize,
        /// What it stood behind: name, how it stood, what showed it.
        gates: Vec<(String, String, String)>,
        /// What was typed to confirm it.
        typed: String,
        /// Why, in the words of whoever approved.
        reason: String,
    },
    /// A step is begun.
    Begun {
        /// Its place.
        place: usize,
        /// What it does.
        words: String,
    },
    /// A step is over.
    Step {
        /// Its place.
        place: usize,
        /// `done`, `skipped`, `failed`, `unknown`.
        state: String,
        /// What was answered.
        answer: String,
        /// How long it took.
        took_ms: u64,
    },
    /// The run is over.
    Ended {
        /// In one word.
        outcome: String,
        /// In a sentence.
        sentence: String,
        /// What it left.
        left: Vec<String>,
        /// What proves it, or does not.
        proof: Vec<(String, String, String)>,
        /// From the approval on.
        took_ms: u64,
    },
    /// A line of a version that is not known here.
    #[serde(other)]
    Other,
}

/// A run that was begun and of which no end is written, or one that left something undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Its first line.
    pub intended: Entry,
    /// Steps that were begun, with how they stood when the ledger ends: nothing where that is not written.
    pub begun: Vec<(usize, String, Option<String>)>,
    /// How it ended, if it did: `failed`, `unknown`, `stopped`.
    pub ended: Option<String>,
}

/// What stands suspended by these lines: whose change was made, or may have been, and not taken back since.
fn suspended(entries: &[Entry]) -> Vec<Suspension> {
    let mut intended: BTreeMap<&str, (bool, Suspension)> = BTreeMap::new();
    let mut standing: Vec<Suspension> = Vec::new();
    for entry in entries {
        match &entry.page {
            Page::Intended {
                context,
                namespace,
                name,
                kind,
                action,
                args,
                ..
            } if action == "flux-suspend" || action == "flux-resume" => {
                let arg = |wanted: &str| {
                    let found = args.iter().find(|(name, _)| name == wanted);
                    found.map(|(_, value)| value.clone()).unwrap_or_default()
                };
                let one = Suspension {
                    context: context.clone(),
                    namespace: namespace.clone(),
                    kind: kind.clone(),
                    name: name.clone(),
                    owner: arg("for"),
                    reason: arg("why"),
                    since: Some(entry.at),
                };
                intended.insert(&entry.run, (action == "flux-suspend", one));
            }
            Page::Step {
                place: 0, state, ..
            } if state != "failed" => {
                let Some((suspends, one)) = intended.get(entry.run.as_str()) else {
                    continue;
                };
                standing.retain(|other| !other.is_about(one));
                if *suspends {
                    standing.push(one.clone());
                }
            }
            _ => {}
        }
    }
    standing
}

/// The ledger of this machine's user.
#[derive(Debug, Clone)]
pub struct Ledger {
    path: PathBuf,
}

impl Ledger {
    /// The ledger in that folder, which is made when it is first written.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            path: folder.join("ledger.jsonl"),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it can be written, without writing anything.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check(&self) -> io::Result<()> {
        self.open().map(drop)
    }

    fn open(&self) -> io::Result<File> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(&self.path)
    }

    /// Appends a line; it is on disk when this returns with `sync`.
    ///
    /// # Errors
    /// When it is not: then nothing must be done that it was to say.
    pub fn write(&self, run: &RunId, page: Page, sync: bool) -> io::Result<()> {
        let entry = Entry {
            v: VERSION.to_owned(),
            at: Timestamp::now(),
            run: run.to_string(),
            page,
        };
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        let mut file = self.open()?;
        // One write, so that lines of two processes never mix.
        file.write_all(&line)?;
        match sync {
            true => file.sync_data(),
            false => Ok(()),
        }
    }

    /// What was suspended and not resumed by runs of this ledger, oldest first.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn suspended(&self) -> io::Result<Vec<Suspension>> {
        Ok(suspended(&self.read()?))
    }

    /// Every line that can be read, oldest first; one that was cut off by a full disk or a crash is passed over.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read(&self) -> io::Result<Vec<Entry>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut entries = Vec::new();
        for line in BufReader::new(file).split(b'\n') {
            if let Ok(entry) = serde_json::from_slice(&line?) {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// Runs that are not finished: begun without an end, or ended with something undone, and not made good by a later one on
    /// the same target.
    ///
    /// # Errors
    /// As of [`Self::read`].
    pub fn unfinished(&self) -> io::Result<Vec<Unfinished>> {
        Ok(unfinished(&self.read()?))
    }
}

impl Ledger {
    /// The runs that it remembers, the newest last; of very many only the latest.
    ///
    /// # Errors
    /// As of [`Self::read`].
    pub fn past(&self) -> io::Result<Vec<Past>> {
        const LATEST: usize = 200;
        let entries = self.read()?;
        let open = unfinished(&entries);
        let mut runs: Vec<Past> = Vec::new();
        for entry in &entries {
            if let Some(run) = first_of(entry, &open) {
                runs.push(run);
            } else if let Some(run) = runs.iter_mut().rev().find(|run| run.run == entry.run) {
                follow(run, &entry.page);
            }
        }
        let older = runs.len().saturating_sub(LATEST);
        Ok(runs.split_off(older))
    }
}

/// A run, by its first line.
fn first_of(entry: &Entry, open: &[Unfinished]) -> Option<Past> {
    let Page::Intended {
        user,
        os_user,
        host,
        context,
        namespace,
        name,
        sentence,
        steps,
        reason,
        action,
        args,
        ..
    } = &entry.page
    else {
        return None;
    };
    let who = Who {
        user: user.clone(),
        os_user: os_user.clone(),
        host: host.clone(),
    };
    let parts = [context, namespace, name].map(String::as_str);
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    Some(Past {
        run: entry.run.clone(),
        at: entry.at,
        who: plain(&who.words()),
        asked: (action.clone(), args.clone()),
        place: plain(&parts.join("/")),
        sentence: plain(sentence),
        reason: plain(reason),
        steps: steps
            .iter()
            .map(|(words, _)| (plain(words), String::new()))
            .collect(),
        ended: None,
        unfinished: open.iter().any(|run| run.intended.run == entry.run),
    })
}

fn follow(run: &mut Past, page: &Page) {
    let step = |run: &mut Past, place: usize, told: String| {
        if let Some((_, kept)) = run.steps.get_mut(place) {
            *kept = told;
        }
    };
    match page {
        Page::Begun { place, .. } => step(run, *place, "begun".to_owned()),
        Page::Step {
            place,
            state,
            answer,
            took_ms,
        } => step(
            run,
            *place,
            plain(&format!("{state}: {answer} ({took_ms} ms)")),
        ),
        Page::Ended {
            outcome, sentence, ..
        } => run.ended = Some((plain(outcome), plain(sentence))),
        Page::Intended { .. } | Page::Other => {}
    }
}

fn unfinished(entries: &[Entry]) -> Vec<Unfinished> {
    let mut open: Vec<Unfinished> = Vec::new();
    for entry in entries {
        match &entry.page {
            Page::Intended { .. } => open.push(Unfinished {
                intended: entry.clone(),
                begun: Vec::new(),
                ended: None,
            }),
            page => {
                let Some(at) = open.iter().position(|run| run.intended.run == entry.run) else {
                    continue;
                };
                if take_in(&mut open, at, page) {
                    let done = open.remove(at);
                    // What it made good is finished with it.
                    open.retain(|run| !run.is_about_the_same(&done));
                }
            }
        }
    }
    // What never began has left nothing, once it has an end.
    open.retain(|run| run.ended.is_none() || !run.begun.is_empty());
    open
}

/// Adds a line to the run of that place; tells whether it ended well.
fn take_in(open: &mut [Unfinished], at: usize, page: &Page) -> bool {
    let Some(run) = open.get_mut(at) else {
        return false;
    };
    match page {
        Page::Begun { place, words } => run.begun.push((*place, words.clone(), None)),
        Page::Step { place, state, .. } => {
            if let Some((_, _, stands)) = run.begun.iter_mut().find(|(at, ..)| at == place) {
                *stands = Some(state.clone());
            }
        }
        Page::Ended { outcome, .. } => {
            run.ended = Some(outcome.clone());
            return outcome == Outcome::Verified.word();
        }
        Page::Intended { .. } | Page::Other => {}
    }
    false
}

impl Unfinished {
    /// About the same target as that other one.
    pub fn is_about_the_same(&self, other: &Unfinished) -> bool {
        self.place() == other.place()
    }

    /// Context, namespace, kind and name of its target.
    pub fn place(&self) -> Option<(&str, &str, &str, &str)> {
        match &self.intended.page {
            Page::Intended {
                context,
                namespace,
                kind,
                name,
                ..
            } => Some((context, namespace, kind, name)),
            _ => None,
        }
    }

    /// What it was to do: action and arguments.
    pub fn asked(&self) -> Option<(&str, &[(String, String)])> {
        match &self.intended.page {
            Page::Intended { action, args, .. } => Some((action, args)),
            _ => None,
        }
    }

    /// `promote orders-1 of shop/orders …, begun 2026-11-22T22:10:04Z by jane on laptop, is unfinished: step 1 was begun`.
    pub fn words(&self) -> String {
        let Page::Intended {
            sentence,
            os_user,
            host,
            ..
        } = &self.intended.page
        else {
            return String::new();
        };
        let last = match self.begun.last() {
            None => "no step was begun".to_owned(),
            Some((place, words, None)) => {
                format!(
                    "step {} ({words}) was begun, and its answer is not known",
                    place + 1
                )
            }
            Some((place, words, Some(state))) => format!("step {} ({words}) {state}", place + 1),
        };
        let ended = match &self.ended {
            Some(ended) => format!("ended {ended}"),
            None => "has no end".to_owned(),
        };
        format!(
            "{sentence}: begun {} by {os_user} on {host}, {ended}: {last}",
            self.intended.at.strftime("%Y-%m-%d %H:%M:%S")
        )
    }
}

/// The first line of a run.
pub(super) fn intended(plan: &Plan, gates: &[Gate], who: &Who, typed: &str, reason: &str) -> Page {
    let target = &plan.target;
    Page::Intended {
        user: who.user.clone(),
        os_user: who.os_user.clone(),
        host: who.host.clone(),
        pid: std::process::id(),
        context: target.context().to_string(),
        namespace: target.namespace().to_string(),
        name: target.name().to_string(),
        kind: match target {
            crate::actions::Target::Instance(_) => "Dragonfly".to_owned(),
            crate::actions::Target::Object(object) => object.resource.kind.to_owned(),
        },
        action: plan.action.to_owned(),
        args: plan
            .args
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        sentence: plan.sentence.clone(),
        risk: plan.risk.word().to_owned(),
        before: plan.before.clone(),
        steps: plan
            .all_steps()
            .map(|step| (step.words.clone(), equals(step)))
            .collect(),
        at_the_end: plan.at_the_end.len(),
        gates: gates
            .iter()
            .map(|gate| {
                (
                    gate.id.to_owned(),
                    gate.stand.word().to_owned(),
                    gate.evidence.clone(),
                )
            })
            .collect(),
        typed: typed.to_owned(),
        reason: reason.to_owned(),
    }
}

/// The last line of a run.
pub(super) fn ended(ending: &Ending) -> Page {
    Page::Ended {
        outcome: ending.outcome.word().to_owned(),
        sentence: ending.sentence.clone(),
        left: ending.left.clone(),
        proof: ending
            .proof
            .iter()
            .map(|(goal, progress)| {
                let stands = match progress {
                    Progress::Holds(_) => "holds",
                    Progress::NotYet(_) => "not yet",
                    Progress::Untold(_) => "not told",
                };
                (goal.clone(), stands.to_owned(), progress.words().to_owned())
            })
            .collect(),
        took_ms: millis(ending.took),
    }
}

pub(super) fn millis(took: std::time::Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn intended(name: &str) -> Page {
        Page::Intended {
            user: String::new(),
            os_user: "jane".into(),
            host: "laptop".into(),
            pid: 1,
            context: "infra".into(),
            namespace: "shop".into(),
            name: name.into(),
            kind: "Dragonfly".into(),
            action: "promote".into(),
            args: vec![("to".into(), "orders-1".into())],
            sentence: format!("promote a replica of {name}"),
            risk: "disruptive".into(),
            before: Vec::new(),
            steps: Vec::new(),
            at_the_end: 0,
            gates: Vec::new(),
            typed: String::new(),
            reason: String::new(),
        }
    }

    fn ended(outcome: &str) -> Page {
        Page::Ended {
            outcome: outcome.into(),
            sentence: String::new(),
            left: Vec::new(),
            proof: Vec::new(),
            took_ms: 1,
        }
    }

    fn begun() -> Page {
        Page::Begun {
            place: 0,
            words: "take over".into(),
        }
    }

    /// A run of Flux's verbs whose change came to that.
    fn flux(run: &str, action: &str, name: &str, state: &str) -> Vec<Entry> {
        let meant = match intended(name) {
            Page::Intended {
                context, namespace, ..
            } => Page::Intended {
                action: action.into(),
                args: vec![
                    ("for".into(), "jane".into()),
                    ("why".into(), "a test".into()),
                ],
                context,
                namespace,
                kind: "HelmRelease".into(),
                name: name.into(),
                user: String::new(),
                os_user: String::new(),
                host: String::new(),
                pid: 1,
                sentence: String::new(),
                risk: String::new(),
                before: Vec::new(),
                steps: Vec::new(),
                at_the_end: 0,
                gates: Vec::new(),
                typed: String::new(),
                reason: String::new(),
            },
            other => other,
        };
        let step = Page::Step {
            place: 0,
            state: state.into(),
            answer: String::new(),
            took_ms: 1,
        };
        let entry = |page| Entry {
            v: VERSION.into(),
            at: Timestamp::UNIX_EPOCH,
            run: run.into(),
            page,
        };
        vec![entry(meant), entry(step)]
    }

    #[test]
    fn what_was_suspended_and_not_resumed_is_remembered() {
        for (name, runs, wanted) in [
            ("nothing", vec![], vec![]),
            (
                "suspended",
                vec![flux("a", "flux-suspend", "x", "done")],
                vec!["x"],
            ),
            (
                "perhaps",
                vec![flux("a", "flux-suspend", "x", "unknown")],
                vec!["x"],
            ),
            (
                "refused",
                vec![flux("a", "flux-suspend", "x", "failed")],
                vec![],
            ),
            (
                "resumed",
                vec![
                    flux("a", "flux-suspend", "x", "done"),
                    flux("b", "flux-resume", "x", "done"),
                ],
                vec![],
            ),
            (
                "another was resumed",
                vec![
                    flux("a", "flux-suspend", "x", "done"),
                    flux("b", "flux-resume", "y", "done"),
                ],
                vec!["x"],
            ),
            (
                "resuming failed",
                vec![
                    flux("a", "flux-suspend", "x", "done"),
                    flux("b", "flux-resume", "x", "failed"),
                ],
                vec!["x"],
            ),
            (
                "twice",
                vec![
                    flux("a", "flux-suspend", "x", "done"),
                    flux("b", "flux-suspend", "x", "done"),
                ],
                vec!["x"],
            ),
        ] {
            let told = suspended(&runs.concat());
            let names: Vec<&str> = told.iter().map(|one| one.name.as_str()).collect();
            assert_eq!(names, wanted, "{name}");
            assert!(
                told.iter()
                    .all(|one| one.owner == "jane" && one.reason == "a test")
            );
        }
    }

    #[test]
    fn what_is_unfinished_is_known_from_the_ledger_alone() {
        let folder = tempfile::tempdir().unwrap();
        for (name, lines, wanted) in [
            ("nothing", vec![], vec![]),
            ("intended alone", vec![("a", intended("x"))], vec!["a"]),
            (
                "done",
                vec![
                    ("a", intended("x")),
                    ("a", begun()),
                    ("a", ended("verified")),
                ],
                vec![],
            ),
            (
                "failed half-way",
                vec![("a", intended("x")), ("a", begun()), ("a", ended("failed"))],
                vec!["a"],
            ),
            (
                "refused before it began",
                vec![("a", intended("x")), ("a", ended("refused"))],
                vec![],
            ),
            (
                "made good by another",
                vec![
                    ("a", intended("x")),
                    ("a", begun()),
                    ("b", intended("x")),
                    ("b", begun()),
                    ("b", ended("verified")),
                ],
                vec![],
            ),
            (
                "not by one on another target",
                vec![
                    ("a", intended("x")),
                    ("b", intended("y")),
                    ("b", ended("verified")),
                ],
                vec!["a"],
            ),
        ] {
            let ledger = Ledger::in_folder(&folder.path().join(name));
            for (run, page) in lines {
                ledger.write(&RunId::new(run), page, true).unwrap();
            }
            let told = ledger.unfinished().unwrap();
            let runs: Vec<&str> = told.iter().map(|run| run.intended.run.as_str()).collect();
            assert_eq!(runs, wanted, "{name}");
        }
    }

    #[test]
    fn a_line_that_was_cut_off_is_passed_over_and_later_ones_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::in_folder(folder.path());
        ledger.write(&RunId::new("a"), intended("x"), true).unwrap();
        let mut text = std::fs::read(ledger.path()).unwrap();
        text.extend_from_slice(b"{\"v\":\"darner.le\n{\"v\":\"darner.ledger/v9\",\"at\":\"2026-11-22T10:00:00Z\",\"run\":\"b\",\"what\":\"sung\"}\n");
        std::fs::write(ledger.path(), text).unwrap();
        ledger
            .write(&RunId::new("a"), ended("verified"), true)
            .unwrap();
        let read = ledger.read().unwrap();
        let runs: Vec<&str> = read.iter().map(|entry| entry.run.as_str()).collect();
        assert_eq!(runs, ["a", "b", "a"]);
        assert_eq!(ledger.unfinished().unwrap(), []);
    }

    #[test]
    fn a_ledger_that_cannot_be_written_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(Ledger::in_folder(&file).check().is_err());
        assert!(
            Ledger::in_folder(&folder.path().join("new"))
                .check()
                .is_ok()
        );
    }
}
