//! A plan: steps as data, with what they rely on. It can be printed, compared, approved and written down; nothing here
//! carries anything out.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::goal::Goal;
use super::object::ObjectId;
use super::target::{Args, Target};
use crate::domain::{InstanceId, NodeId, Role};

/// How much an action may cost, and so how it is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Changes nothing.
    Read,
    /// Can be taken back: `y`.
    Reversible,
    /// Clients notice: the name of what it is about is typed.
    Disruptive,
    /// May lose data: `CONTEXT/NAMESPACE/NAME` is typed, and a reason is given.
    LosesData,
}

impl Risk {
    /// The word shown.
    pub fn word(self) -> &'static str {
        match self {
            Risk::Read => "reads",
            Risk::Reversible => "reversible",
            Risk::Disruptive => "disruptive",
            Risk::LosesData => "may lose data",
        }
    }

    /// What is typed to confirm an action of that risk on a target; empty for what changes nothing.
    pub fn confirmation(self, target: &Target) -> String {
        match self {
            Risk::Read => String::new(),
            Risk::Reversible => "y".to_owned(),
            Risk::Disruptive => target.name().to_string(),
            Risk::LosesData => target.address(),
        }
    }
}

/// What is to be done, made of the world at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// By which action.
    pub action: &'static str,
    /// About what.
    pub target: Target,
    /// As it was asked for.
    pub args: Args,
    /// What it does, as a phrase in the imperative: `promote orders-1 of shop/orders to master`.
    pub sentence: String,
    /// What it may cost.
    pub risk: Risk,
    /// What is there before, one line each: `orders-0  master  uid 3f…`.
    pub before: Vec<String>,
    /// In order.
    pub steps: Vec<Step>,
    /// Carried out at the end, however it ends, once the step of that place has begun: what was paused goes on.
    pub at_the_end: Vec<(usize, Step)>,
    /// What tells that it came to what was wanted, each from a source of its own.
    pub goals: Vec<Goal>,
    /// How long the goals are waited for after the last step.
    pub patience: Duration,
    /// What can be lost, or that nothing can.
    pub losses: String,
    /// How long it should take, and what clients notice meanwhile.
    pub takes: String,
    /// How to go back.
    pub back: String,
    /// Who owns what it changes in Git, if anybody does: what then undoes it.
    pub owner: Option<String>,
}

impl Plan {
    /// Every step, those at the end too.
    pub fn all_steps(&self) -> impl Iterator<Item = &Step> {
        self.steps
            .iter()
            .chain(self.at_the_end.iter().map(|(_, step)| step))
    }

    /// How another plan for the same differs, in lines: what is no longer done, and what is done instead. Empty when they do
    /// the same.
    pub fn difference(&self, now: &Plan) -> Vec<String> {
        let lines = |plan: &Plan| -> Vec<String> {
            let steps = plan.all_steps().map(|step| step.words.clone());
            let rest = [plan.sentence.clone(), plan.losses.clone()];
            let before = plan.before.iter().cloned();
            steps.chain(rest).chain(before).collect()
        };
        let (was, is) = (lines(self), lines(now));
        let gone = was.iter().filter(|line| !is.contains(line));
        let new = is.iter().filter(|line| !was.contains(line));
        let told: Vec<String> = gone
            .map(|line| format!("- {line}"))
            .chain(new.map(|line| format!("+ {line}")))
            .collect();
        // The words may be the same where what is done is not: another uid behind the same name.
        let is_same = self.steps == now.steps && self.at_the_end == now.at_the_end;
        match told.is_empty() && !is_same {
            true => vec!["an object of the same name was made anew meanwhile".to_owned()],
            false => told,
        }
    }
}

/// One thing that is done, or waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it does, in words.
    pub words: String,
    /// What is done.
    pub does: Does,
    /// Done at the same moment as the step before it.
    pub together: bool,
    /// Done as soon as the step before it is answered: nothing comes between, neither a stop nor a wait for a word.
    pub behind: bool,
    /// Whether it may be done again when it did not answer, or lost a race: it comes to the same however often it is done.
    pub repeatable: bool,
    /// Whether the run goes on when it fails: it helps, and what it is for can come about without it.
    pub optional: bool,
    /// Not done where all of this holds just before: somebody else has done it, or there is nothing to do.
    pub unless: Vec<Goal>,
    /// How long it may take.
    pub deadline: Duration,
    /// What stands when the run is stopped after it.
    pub leaves: String,
}

impl Step {
    /// A step that may be repeated and must succeed within 10 s.
    pub fn new(words: impl Into<String>, does: Does) -> Self {
        Self {
            words: words.into(),
            does,
            together: false,
            behind: false,
            repeatable: true,
            optional: false,
            unless: Vec::new(),
            deadline: Duration::from_secs(10),
            leaves: String::new(),
        }
    }

    /// Done at the same moment as the step before it.
    pub fn together(mut self) -> Self {
        self.together = true;
        self
    }

    /// Done as soon as the step before it is answered, whatever else is wanted by then.
    pub fn behind(mut self) -> Self {
        self.behind = true;
        self
    }

    /// Never done twice.
    pub fn once(mut self) -> Self {
        self.repeatable = false;
        self
    }

    /// The run goes on when it fails.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Not done where all of this holds just before.
    pub fn unless(mut self, goals: Vec<Goal>) -> Self {
        self.unless = goals;
        self
    }

    /// It may take so long.
    pub fn within(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// What stands when the run is stopped after it.
    pub fn leaves(mut self, words: impl Into<String>) -> Self {
        self.leaves = words.into();
        self
    }
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Does {
    /// Sends one command to the admin port of a node, over a port-forward.
    Command {
        /// To which.
        node: NodeId,
        /// Only if it is this pod.
        uid: Arc<str>,
        /// The command, word by word. Never a secret.
        words: Vec<String>,
        /// Only if its engine has this role just before.
        expects: Option<Role>,
        /// What its reply is, if it is not `OK`: any that begins so.
        reply: Option<String>,
        /// What tells, by reading alone, that it was carried out although no answer came. Without one, what cannot be told is
        /// *unknown*.
        told_by: Vec<Goal>,
        /// What tells, by reading alone, that it was not.
        refuted_by: Vec<Goal>,
    },
    /// Merges a patch into an object.
    Patch {
        /// Into which.
        object: ObjectId,
        /// Which part: `scale`, `status`; the object itself where empty.
        part: &'static str,
        /// Only if it is this one.
        uid: Option<Arc<str>>,
        /// A JSON merge patch (RFC 7386); see [`merges_lists`].
        patch: Value,
    },
    /// Deletes an object.
    Delete {
        /// Which.
        object: ObjectId,
        /// Only if it is this one.
        uid: Arc<str>,
        /// Seconds that it is given to end; its own where `None`, at once and by force at 0.
        grace: Option<u32>,
        /// Leaves what it owns.
        orphans: bool,
    },
    /// Asks the API server to evict a pod, which keeps to budgets.
    Evict {
        /// Which.
        object: ObjectId,
        /// Only if it is this one.
        uid: Arc<str>,
    },
    /// Ends the connections to the port for data of a node, one by one; never what comes from the machine itself, nor a replica's,
    /// nor any to the port for administration.
    DropClients {
        /// Of which node.
        node: NodeId,
        /// Only if it is this pod.
        uid: Arc<str>,
        /// Addresses whose connections stay.
        spare: Vec<String>,
    },
    /// Runs a command in a container of a pod.
    Run {
        /// In which pod.
        node: NodeId,
        /// Only if it is this pod.
        uid: Arc<str>,
        /// The container.
        container: &'static str,
        /// The command, word by word.
        words: Vec<String>,
    },
    /// Waits until all of this holds.
    Await(Vec<Goal>),
}

impl Does {
    /// Whether it changes anything.
    pub fn changes(&self) -> bool {
        !matches!(self, Does::Await(_))
    }
}

/// Whether a patch changes entries of a list of containers, which a merge patch would replace as a whole: of a built-in kind it is sent
/// as a strategic one, which merges them by name.
pub fn merges_lists(object: &ObjectId, patch: &Value) -> bool {
    let containers = patch.pointer("/spec/template/spec/containers");
    object.resource.group == "apps" && containers.is_some_and(Value::is_array)
}

/// What must be read again to judge a plan, or a goal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Look {
    /// An instance: its Dragonfly object, StatefulSet, Service, slices, pods and the engines in them.
    Instance(InstanceId),
    /// A pod of an instance, and the engine in it.
    Node(NodeId),
    /// One object.
    Object(ObjectId),
    /// The files in a folder of an engine's container; given as the object [`folder`].
    Files(NodeId, Arc<str>),
}

/// A folder in an engine's container, as an object of which the files are read: a list of [`crate::wire::ListedFile`]s.
pub fn folder(node: &NodeId, folder: &str) -> ObjectId {
    ObjectId::new(
        &node.context,
        super::Resource::FOLDER,
        &node.namespace,
        format!("{}:{folder}", node.pod),
    )
}

/// Stands in a patch for the moment at which it is carried out: a plan is the same whenever it is made.
pub const MOMENT: &str = "{now}";
