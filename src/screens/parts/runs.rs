//! What runs have told so far: the state behind the run view, the badge and the screen Activity. Kept by `app`, drawn by all.

use std::sync::Arc;

use jiff::Timestamp;

use crate::actions::{Gate, Plan, Progress, Stand, Target};
use crate::msg::run::{Ending, Past, StepState};
use crate::msg::{News, Order, RunId};

/// How many runs that ended are kept for the session.
const KEPT: usize = 50;

/// All runs of this session, the newest last, and what the ledger remembers of earlier ones.
#[derive(Debug, Default, Clone)]
pub struct Runs {
    runs: Vec<Run>,
    /// Of earlier sessions and other processes, the newest last.
    pub past: Vec<Past>,
}

/// One run.
#[derive(Debug, Clone)]
pub struct Run {
    /// What was asked for.
    pub order: Order,
    /// When it was asked for.
    pub asked: Timestamp,
    /// Where it is.
    pub phase: Phase,
    /// What it would do, or does.
    pub plan: Option<Arc<Plan>>,
    /// What it stands behind.
    pub gates: Arc<[Gate]>,
    /// How the plan differs from what was approved a moment ago.
    pub difference: Vec<String>,
    /// Each step, with how it stands and since when.
    pub steps: Vec<Option<(StepState, Timestamp)>>,
    /// What proves it.
    pub proof: Vec<(String, Progress)>,
    /// How it ended.
    pub ending: Option<(Ending, Timestamp)>,
    /// When its first step began.
    pub began: Option<Timestamp>,
    /// It was told to stop.
    pub stopping: bool,
}

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It reads what it must know.
    Reads,
    /// It waits for a word.
    Waits,
    /// Its steps are carried out.
    Runs,
    /// What proves it is waited for.
    Verifies,
    /// It has ended.
    Ended,
}

impl Phase {
    /// The word shown.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Reads => "reading",
            Phase::Waits => "waits for you",
            Phase::Runs => "running",
            Phase::Verifies => "verifying",
            Phase::Ended => "ended",
        }
    }
}

impl Run {
    /// It may change something yet.
    pub fn is_in_flight(&self) -> bool {
        matches!(self.phase, Phase::Runs | Phase::Verifies)
    }

    /// Gates that must be accepted by name.
    pub fn asks(&self) -> impl Iterator<Item = &Gate> {
        self.gates.iter().filter(|gate| gate.stand == Stand::Ask)
    }

    /// The step that is being done, as its place among how many.
    pub fn at(&self) -> (usize, usize) {
        let begun = self.steps.iter().filter(|step| step.is_some()).count();
        (begun, self.steps.len())
    }
}

impl Runs {
    /// A run was asked for.
    pub fn ask(&mut self, order: Order, now: Timestamp) {
        let ended = |run: &Run| run.phase == Phase::Ended;
        if self.runs.iter().filter(|run| ended(run)).count() >= KEPT
            && let Some(at) = self.runs.iter().position(ended)
        {
            self.runs.remove(at);
        }
        self.runs.push(Run {
            order,
            asked: now,
            phase: Phase::Reads,
            plan: None,
            gates: Arc::from([]),
            difference: Vec::new(),
            steps: Vec::new(),
            proof: Vec::new(),
            ending: None,
            began: None,
            stopping: false,
        });
    }

    /// A run told something.
    pub fn hear(&mut self, id: &RunId, news: News, now: Timestamp) {
        let Some(run) = self.runs.iter_mut().find(|run| run.order.run == *id) else {
            return;
        };
        match news {
            News::Reads => run.phase = Phase::Reads,
            News::Planned {
                plan,
                gates,
                difference,
            } => {
                run.phase = Phase::Waits;
                run.steps = vec![None; plan.all_steps().count()];
                run.plan = Some(plan);
                run.gates = gates;
                run.difference = difference;
            }
            News::Began => {
                run.phase = Phase::Runs;
                run.began = Some(now);
            }
            News::Step { place, state } => {
                run.phase = Phase::Runs;
                if let Some(kept) = run.steps.get_mut(place) {
                    let since = match (&kept, &state) {
                        (Some((StepState::Runs(_), since)), StepState::Runs(_)) => *since,
                        _ => now,
                    };
                    *kept = Some((state, since));
                }
            }
            News::Verifies(proof) => {
                run.phase = Phase::Verifies;
                run.proof = proof;
            }
            News::Ended(ending) => {
                run.phase = Phase::Ended;
                if !ending.proof.is_empty() {
                    run.proof.clone_from(&ending.proof);
                }
                run.ending = Some((ending, now));
            }
        }
    }

    /// It was told to stop.
    pub fn stop(&mut self, id: &RunId) {
        if let Some(run) = self.runs.iter_mut().find(|run| run.order.run == *id) {
            run.stopping = true;
        }
    }

    /// One of them.
    pub fn get(&self, id: &RunId) -> Option<&Run> {
        self.runs.iter().find(|run| run.order.run == *id)
    }

    /// All of this session, the newest first.
    pub fn all(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().rev()
    }

    /// Those that may change something yet.
    pub fn in_flight(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(|run| run.is_in_flight())
    }

    /// The one about a target that has not ended.
    pub fn about(&self, target: &Target) -> Option<&Run> {
        let is = |run: &&Run| run.order.target == *target && run.phase != Phase::Ended;
        self.runs.iter().find(is)
    }
}
