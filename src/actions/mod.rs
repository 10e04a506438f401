//! Ground floor: what can be done. One file an action.
//!
//! An [`Action`] says of a [`Scene`] whether it is available and why not, which [`Gate`]s it must pass, and what its
//! [`Plan`] is: steps as data, with the goals that prove it. All of it is a pure function of what was read. What is planned
//! here is carried out in one place, `perform`, and nowhere else.
//!
//! Never: executing anything, IO, a clock, logging.
//!
//! Start with [`ALL`], then `promote.rs`.

pub mod anew;
mod choice;
mod drop_clients;
mod emergency_promote;
pub mod equals;
mod evict;
mod failover;
#[cfg(test)]
mod fixture;
pub mod flux;
pub mod gate;
pub mod gates;
mod give_back;
pub mod goal;
mod grow;
mod kept;
mod leading;
mod maxmemory;
mod memory;
mod moves;
pub mod object;
pub mod pause;
pub mod plan;
mod promote;
pub mod proof;
mod release;
pub mod reminders;
mod remove_snapshots;
mod repair;
mod restart;
mod restart_operator;
mod restart_workload;
mod roles;
mod rolling;
pub mod rules;
pub mod scene;
mod snapshot;
mod split_brain;
pub mod target;
#[cfg(test)]
#[path = "tests/told.rs"]
mod told;
mod unwedge;
mod upgrade;
mod upgrade_operator;
pub mod wants;

pub use gate::{Gate, Stand};
pub use goal::{Goal, Progress, Test};
pub use object::{ObjectId, Resource};
pub use plan::{Does, Look, Plan, Risk, Step};
pub use rules::{Guardrail, Rules};
pub use scene::{Objects, Reading, Scene};
pub use target::{Args, Target};

/// An action: everything there is to know of it before it is carried out.
#[derive(Debug)]
pub struct Action {
    /// Stable name: `promote`.
    pub id: &'static str,
    /// How it is spelled on the command line: `promote`, `flux suspend`. Several actions may share one, about other things.
    pub verb: &'static str,
    /// What it is, in a few words: `Promote a replica`.
    pub title: &'static str,
    /// What it does and what for, in a sentence or two.
    pub doc: &'static str,
    /// What it is about.
    pub about: About,
    /// What it may cost at the most.
    pub risk: Risk,
    /// How it may be asked for.
    pub args: &'static [ArgDoc],
    /// What must be read beside what its target is, before it can be planned.
    pub reads: fn(&Scene<'_>) -> Vec<Look>,
    /// Why it cannot be done now, as a clause; checked by what is known already, so that a key can be grey.
    pub available: fn(&Scene<'_>) -> Result<(), String>,
    /// What could be chosen for the argument that names a pod, each with why it can or cannot be.
    pub candidates: fn(&Scene<'_>) -> Vec<Candidate>,
    /// Conditions of its own; those of every action are beside.
    pub preflight: fn(&Scene<'_>) -> Vec<Gate>,
    /// The steps, or why there are none, as a sentence.
    pub plan: fn(&Scene<'_>) -> Result<Plan, String>,
}

/// What an action is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// An instance.
    Instance,
    /// The operator of an instance, or of a context.
    Operator,
    /// A Deployment or StatefulSet.
    Workload,
    /// An object of Flux.
    Flux,
    /// A claim.
    Claim,
}

/// One way of asking for an action in particular.
#[derive(Debug, PartialEq, Eq)]
pub struct ArgDoc {
    /// Its name, and its headless option.
    pub name: &'static str,
    /// What stands behind it; empty for a switch.
    pub value: &'static str,
    /// What it is, as a phrase.
    pub doc: &'static str,
    /// What it is when it is not given; `None`: nothing.
    pub default: Option<&'static str>,
    /// It must be given.
    pub required: bool,
}

/// A pod that could be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which.
    pub pod: String,
    /// The figures that it is judged by, as a line.
    pub figures: String,
    /// Why it can be chosen, or cannot.
    pub judged: Result<String, String>,
}

/// Every action, in the order in which they are offered.
pub const ALL: &[&Action] = &[
    &promote::ACTION,
    &failover::ACTION,
    &emergency_promote::ACTION,
    &release::ACTION,
    &repair::ACTION,
    &split_brain::ACTION,
    &roles::ACTION,
    &restart::ACTION,
    &restart_operator::ACTION,
    &restart_workload::ACTION,
    &upgrade::ACTION,
    &upgrade_operator::ACTION,
    &unwedge::ACTION,
    &give_back::ACTION,
    &snapshot::ACTION,
    &memory::DECOMMIT,
    &memory::DEFRAGMENT,
    &maxmemory::ACTION,
    &remove_snapshots::ACTION,
    &drop_clients::ACTION,
    &evict::ACTION,
    &flux::RECONCILE,
    &flux::SUSPEND,
    &flux::RESUME,
    &grow::ACTION,
];

impl Action {
    /// The action of that id.
    pub fn of(id: &str) -> Option<&'static Action> {
        ALL.iter().copied().find(|action| action.id == id)
    }

    /// Everything that stands before it, its own gates and those of every action, by what was read.
    pub fn gates(&self, scene: &Scene<'_>) -> Vec<Gate> {
        let mut gates = gates::every(self, scene);
        gates.extend((self.preflight)(scene));
        gates
    }
}

/// Nothing is read beside what the target is.
pub(crate) fn nothing_more(_: &Scene<'_>) -> Vec<Look> {
    Vec::new()
}

/// No pod is chosen.
pub(crate) fn no_choice(_: &Scene<'_>) -> Vec<Candidate> {
    Vec::new()
}
