//! What is said about runs: what is asked for, what a run tells on its way, what is told to it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::actions::{Args, Gate, Plan, Progress, Target};

/// The name of one run, unique over machines: `20261122T221501-promote-orders-1f3a`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(Arc<str>);

impl RunId {
    /// Of that name.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(Arc::from(name.as_ref()))
    }

    /// The name of a run of an action on a target that begins then; `salt` tells runs of the same second apart.
    pub fn of(action: &str, target: &Target, now: Timestamp, salt: u32) -> Self {
        let at = now.strftime("%Y%m%dT%H%M%S");
        Self(Arc::from(format!(
            "{at}-{action}-{}-{:04x}",
            target.name(),
            salt & 0xffff
        )))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The run that it becomes.
    pub run: RunId,
    /// By which action.
    pub action: &'static str,
    /// About what.
    pub target: Target,
    /// How.
    pub args: Args,
    /// Gates that are accepted from the beginning, by id.
    pub accepted: BTreeSet<String>,
    /// Only what it would come to is asked for: nothing is locked, nothing is changed.
    pub dry: bool,
    /// Each step waits for a word.
    pub by_step: bool,
}

/// What is told to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// The plan that was shown is to be carried out.
    Approve {
        /// As it was shown: if it is another by now, it is shown again.
        plan: Arc<Plan>,
        /// What was typed to confirm it, or `--yes`.
        typed: String,
        /// Why, in the words of whoever approved.
        reason: String,
        /// Gates that are accepted, by id.
        accepted: BTreeSet<String>,
    },
    /// The next step, where each waits for a word.
    Next,
    /// Stop before the next step; before it is approved: do not begin.
    Stop,
}

/// What a run tells.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// It reads what it must know.
    Reads,
    /// It is planned, and waits for a word.
    Planned {
        /// What it would do.
        plan: Arc<Plan>,
        /// What it stands behind.
        gates: Arc<[Gate]>,
        /// How it differs from what was approved a moment ago; empty the first time.
        difference: Vec<String>,
    },
    /// It is written down and begins.
    Began,
    /// How a step stands.
    Step {
        /// Its place: those at the end come after the others.
        place: usize,
        /// How it stands.
        state: StepState,
    },
    /// All steps are done, and what proves it is waited for: each goal in words with how it stands.
    Verifies(Vec<(String, Progress)>),
    /// It has ended.
    Ended(Ending),
}

/// How a step stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepState {
    /// It waits for a word.
    Held,
    /// It is being done; for one that waits, what for.
    Runs(Vec<String>),
    /// It is done: what was answered, and how long it took.
    Done(String, Duration),
    /// It was not needed, and why.
    Skipped(String),
    /// It failed, and why.
    Failed(String),
    /// Whether it was done cannot be told, and why.
    Unknown(String),
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// In one word.
    pub outcome: Outcome,
    /// In a sentence.
    pub sentence: String,
    /// What it left that is not as it should be, and what is to be done about it; a line each.
    pub left: Vec<String>,
    /// What proves it, or does not: each goal with by whose word.
    pub proof: Vec<(String, Progress)>,
    /// From the approval on.
    pub took: Duration,
}

/// A run as the ledger remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    /// Its name.
    pub run: String,
    /// When it was meant.
    pub at: Timestamp,
    /// Who meant it.
    pub who: String,
    /// By which action, and how it was asked for.
    pub asked: (String, Vec<(String, String)>),
    /// About what: `CONTEXT/NAMESPACE/NAME`.
    pub place: String,
    /// What it does.
    pub sentence: String,
    /// Why, in the words of whoever approved.
    pub reason: String,
    /// Each step with what came of it.
    pub steps: Vec<(String, String)>,
    /// How it ended, in a word and a sentence; `None`: no end is written.
    pub ended: Option<(String, String)>,
    /// It has left something undone that no later run made good.
    pub unfinished: bool,
}

/// The word for how a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// What was wanted is so, by two sources at least.
    Verified,
    /// Nothing was changed: a gate, the lock, the ledger or whoever was asked stood against it.
    Refused,
    /// It ended half-way, and what stands is told.
    Failed,
    /// Whoever was asked stopped it half-way.
    Stopped,
    /// Whether it came to what was wanted cannot be told; it may still be going on.
    Unknown,
    /// Only what it would come to was asked for.
    Dry,
}

impl Outcome {
    /// The word shown.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Verified => "verified",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
            Outcome::Stopped => "stopped",
            Outcome::Unknown => "unknown",
            Outcome::Dry => "planned",
        }
    }

    /// The exit code of a headless verb: 0 verified, 1 refused or failed, 2 unknown.
    pub fn code(self) -> u8 {
        match self {
            Outcome::Verified | Outcome::Dry => 0,
            Outcome::Refused | Outcome::Failed | Outcome::Stopped => 1,
            Outcome::Unknown => 2,
        }
    }
}
