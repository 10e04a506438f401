//! What can be wrong: one file per check, and the judgement made of their answers.
//!
//! A check is a pure question about a subject. Its answers are pass, finding, *unknown* (with the reason: an
//! unreachable pod is neither healthy nor ill) and not applicable. Health is the worst finding; `status.phase` is
//! never asked.
//!
//! Never: side effects, a clock (time is handed in), drawing.
//!
//! Start with [`Check`], then read any file beside this one. To add a check: write the file, add one line to [`ALL`].

pub mod acceptance;
mod answers_garbled;
mod area;
mod being_made;
mod board;
mod case;
mod changes;
mod clocks_differ;
mod context_unreachable;
mod crd_missing;
mod criterion;
mod data_port;
mod deleted_together;
mod diverged;
mod engine_silent;
mod explanation;
pub mod external;
pub mod flux;
mod foreign_node;
mod frozen_node;
mod garbled_object;
mod known;
mod lag_high;
pub mod leader;
mod link_down;
mod links;
pub mod listed;
mod load_killed;
mod loading;
mod no_master;
mod not_permitted;
mod operator_down;
mod operator_pods;
mod operator_stalled;
mod out_of_memory;
pub mod pairs;
mod pods_missing;
pub mod reach;
pub mod reference;
pub mod remedy;
mod replica_half_way;
mod replica_syncing;
mod replication_stopped;
pub mod rights;
mod role_missing;
mod roles_disagree;
mod roll;
mod rollout_waiting;
mod rss_guard;
mod save_failed;
mod saving;
pub mod schema;
mod service_elsewhere;
mod several_masters;
mod sides;
mod situation;
mod slow_engine;
mod snapshot_stale;
mod source_silent;
mod stale_master;
mod standing;
pub mod steps;
pub mod stored;
mod stray_replica;
mod stuck_terminating;
mod takeover;
mod turn;
pub mod waiting;
mod words;

#[cfg(test)]
pub(crate) mod fixture;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{ConsumerId, ContextId, Expected, InstanceId, Want, text};

pub use acceptance::ACCEPTANCE;
pub use area::Area;
pub use board::{Board, Judgement, judge};
pub use case::{Case, Instance, Node, Word};
pub use crd_missing::CHECK as CRD_MISSING;
pub use criterion::Criterion;
pub use explanation::{Explanation, Topic, explain};
pub use known::Known;
pub use leader::{Leader, leader};
pub use operator_down::{CHECK as OPERATOR_DOWN, EXPECTED, NOT_EXPECTED};
pub use roll::{Entry, checks_of, needs, roll, subjects};
pub use situation::{Shown, Situation, situations};
pub use standing::{Kept, REMEMBERED, Standing, Tally};
pub use steps::Step;

/// Every check. The order is the order of judgement; display is by severity.
pub const ALL: &[&Check] = &[
    &context_unreachable::CHECK,
    &not_permitted::CHECK,
    &garbled_object::CHECK,
    &clocks_differ::CHECK,
    &crd_missing::CHECK,
    &operator_down::CHECK,
    &source_silent::CHECK,
    &being_made::CHECK,
    &no_master::CHECK,
    &takeover::CHECK,
    &frozen_node::CHECK,
    &several_masters::CHECK,
    &service_elsewhere::CHECK,
    &roles_disagree::CHECK,
    &role_missing::CHECK,
    &foreign_node::CHECK,
    &engine_silent::CHECK,
    &answers_garbled::CHECK,
    &slow_engine::CHECK,
    &pods_missing::CHECK,
    &stuck_terminating::CHECK,
    &stale_master::CHECK,
    &loading::CHECK,
    &load_killed::CHECK,
    &replication_stopped::CHECK,
    &replica_half_way::CHECK,
    &stray_replica::CHECK,
    &link_down::CHECK,
    &diverged::CHECK,
    &rollout_waiting::CHECK,
    &deleted_together::CHECK,
    &replica_syncing::CHECK,
    &lag_high::CHECK,
    &operator_stalled::CHECK,
    &rss_guard::CHECK,
    &out_of_memory::CHECK,
    &data_port::CHECK,
    &save_failed::CHECK,
    &snapshot_stale::CHECK,
    &saving::CHECK,
];

/// What a check is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The way to a cluster, and what may be read in it.
    Context(ContextId),
    /// The operator of a cluster, with its CRD.
    Operator(ContextId),
    /// An instance.
    Instance(InstanceId),
    /// A workload that uses an instance, as the settings list it. Only acceptance is asked about it.
    Consumer(ConsumerId),
}

impl Subject {
    /// The context that the subject lives in.
    pub fn context(&self) -> &ContextId {
        match self {
            Subject::Context(id) | Subject::Operator(id) => id,
            Subject::Instance(id) => &id.context,
            Subject::Consumer(id) => &id.context,
        }
    }
}

/// One check.
#[derive(Debug)]
pub struct Check {
    /// Stable kebab-case id that names the bad state; never reused.
    pub id: &'static str,
    /// The part of the whole that it looks at.
    pub area: Area,
    /// A few words for a heading.
    pub title: &'static str,
    /// Why it matters, in a sentence or two.
    pub why: &'static str,
    /// What it reads.
    pub reads: &'static str,
    /// What to do about a finding, where the finding itself does not say: lines of [`steps`], with the places that
    /// [`Finding::steps`] fills in.
    pub next: &'static str,
    /// The situations that it can find, each by name.
    pub situations: &'static [&'static Situation],
    /// What must be read for it beside what is followed at all times.
    pub needs: fn(&Case<'_>) -> Vec<Want>,
    /// The judgement. Pure.
    pub run: fn(&Case<'_>) -> Answer,
}

impl Check {
    /// For a check that reads only what is followed at all times.
    pub const NOTHING: fn(&Case<'_>) -> Vec<Want> = |_| Vec::new();
}

/// A check's answer, and when time alone can change it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The verdict.
    pub verdict: Verdict,
    /// When to ask again though no fact has changed.
    pub again_at: Option<Timestamp>,
}

impl Answer {
    /// As it should be.
    pub const PASS: Self = Self {
        verdict: Verdict::Pass,
        again_at: None,
    };
    /// The question does not arise.
    pub const NOT_APPLICABLE: Self = Self {
        verdict: Verdict::NotApplicable,
        again_at: None,
    };

    /// The same, to be asked again at that moment.
    #[must_use]
    pub fn again(mut self, at: Option<Timestamp>) -> Self {
        self.again_at = at;
        self
    }
}

impl From<Verdict> for Answer {
    fn from(verdict: Verdict) -> Self {
        Self {
            verdict,
            again_at: None,
        }
    }
}

impl From<Finding> for Answer {
    /// A finding in state unknown is a verdict of unknown.
    fn from(finding: Finding) -> Self {
        match finding.state {
            State::Unknown => Verdict::Unknown(finding),
            _ => Verdict::Finding(finding),
        }
        .into()
    }
}

/// What a check says.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// Not as it should be.
    Finding(Finding),
    /// Could not be judged; the finding says which source is silent and since when, its state is [`State::Unknown`].
    Unknown(Finding),
    /// The question does not arise for this subject.
    NotApplicable,
}

/// A negative answer, or one that could not be given.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Id of the check.
    pub check: &'static str,
    /// What it found, by name.
    pub situation: &'static Situation,
    /// That name as the STATE column shows it: its word, or more exactly, such as `full sync 63%`.
    pub short: String,
    /// About what.
    pub subject: Subject,
    /// How bad.
    pub severity: Severity,
    /// The state that it puts its subject in.
    pub state: State,
    /// One plain sentence that names the objects: what is so.
    pub sentence: String,
    /// What it means for clients, in a sentence; may be empty.
    pub meaning: String,
    /// What to do next: lines of [`steps`], with the places that [`Finding::steps`] fills in.
    pub next: String,
    /// The facts that it rests on.
    pub evidence: Vec<Evidence>,
    /// Since when.
    pub since: Since,
    /// Names of the pods that it speaks of; empty when it is about its subject as a whole.
    pub about: Vec<String>,
    /// Pods beyond those that it speaks of whose consequences it accounts for (see [`Situation::accounts_for`]).
    pub covers: Vec<String>,
    /// A manifest that mends it, where one exists: YAML that can be applied as it stands, with its reasons as comments.
    pub manifest: Option<String>,
}

impl Finding {
    /// The same, with what it means for clients.
    #[must_use]
    pub fn meaning(mut self, meaning: impl Into<String>) -> Self {
        self.meaning = meaning.into();
        self
    }

    /// The same, with another next step than its check's; an empty one changes nothing.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        let next = next.into();
        if !next.is_empty() {
            self.next = next;
        }
        self
    }

    /// How bad it is, in the one word that every place uses: its severity, or `unknown` where it could not be judged.
    pub fn word(&self) -> &'static str {
        match self.state {
            State::Unknown => UNKNOWN,
            _ => self.severity.word(),
        }
    }

    /// The same, resting on one more fact.
    #[must_use]
    pub fn resting_on(
        mut self,
        text: impl Into<String>,
        source: impl Into<String>,
        at: Timestamp,
    ) -> Self {
        self.evidence.push(Evidence::new(text, source, at));
        self
    }

    /// The same, so since then.
    #[must_use]
    pub fn since(mut self, since: Since) -> Self {
        self.since = since;
        self
    }

    /// The same, mended by that manifest.
    #[must_use]
    pub fn mended_by(mut self, manifest: impl Into<String>) -> Self {
        self.manifest = Some(manifest.into());
        self
    }

    /// The same, called that by the STATE column; cut to the width that a word may take.
    #[must_use]
    pub fn called(mut self, short: impl Into<String>) -> Self {
        self.short = short.into().chars().take(Situation::WIDTH).collect();
        self
    }

    /// The same, accounting for its consequences on these pods too.
    #[must_use]
    pub fn covering(mut self, pods: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.covers = pods.into_iter().map(Into::into).collect();
        self
    }

    /// Whether the other finding is a mere consequence of this one: it is named as one, speaks of no pod that this one
    /// does not speak of or cover, and is not worse than this one. Something unknown is not worse than what is known.
    pub fn accounts_for(&self, other: &Finding) -> bool {
        self.situation.accounts_for.contains(&other.situation.id)
            && (other.state == State::Unknown || other.state <= self.state)
            && other
                .about
                .iter()
                .all(|pod| self.about.contains(pod) || self.covers.contains(pod))
    }

    /// The same, speaking of these pods.
    #[must_use]
    pub fn about(mut self, pods: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.about = pods.into_iter().map(Into::into).collect();
        self
    }
}

/// The word for what could not be judged.
pub const UNKNOWN: &str = "unknown";

/// One fact behind a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// What was observed.
    pub text: String,
    /// Where: `label role of pod x`, `INFO replication of x`.
    pub source: String,
    /// When it was learned.
    pub at: Timestamp,
    /// Whether it is known of the present.
    pub seen: Seen,
}

impl Evidence {
    /// A fact as it is known at present.
    pub fn new(text: impl Into<String>, source: impl Into<String>, at: Timestamp) -> Self {
        Self {
            text: text.into(),
            source: source.into(),
            at,
            seen: Seen::Lately,
        }
    }
}

/// What a fact is worth now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It is the last that is known, and is replaced by whatever is learned next.
    Lately,
    /// It was so when its cluster was last heard: kept as it was told then, while nothing is learned.
    BeforeTheLoss,
}

/// Since when something is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// The cluster says so: an event, a condition, a managed field, a last state.
    Exactly(Timestamp),
    /// We have seen it since then; it may be older. Reads `seen for 12s`.
    Seen(Timestamp),
}

impl Since {
    /// The moment.
    pub fn at(self) -> Timestamp {
        match self {
            Since::Exactly(at) | Since::Seen(at) => at,
        }
    }

    /// `3m04s`, or `seen for 12s` when only our own watching vouches for it.
    pub fn words(self, now: Timestamp) -> String {
        let age = text::age(self.at(), now);
        match self {
            Since::Exactly(_) => age,
            Since::Seen(_) => format!("seen for {age}"),
        }
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Not as it should be; clients are served.
    Warning,
    /// Clients are hurt, or data is at risk.
    Critical,
}

impl Severity {
    /// The class of what a situation of that class comes to at this severity. Severity and class never contradict each other: a
    /// critical finding is of [`State::Critical`] at least, whatever its situation is elsewhere (a replica that refuses writes
    /// hurts nobody, its master does), so that its sign, its row and every count of what is ill say the same.
    pub fn class(self, class: State) -> State {
        match self {
            Severity::Critical => class.max(State::Critical),
            Severity::Warning | Severity::Note => class,
        }
    }

    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

/// The state of an instance, from best to worst; the worst finding decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// One master, agreed on by label, engine and Service; every replica in stable sync; all pods there.
    Healthy,
    /// A replica is in full or partial sync, or the instance is being made.
    Syncing,
    /// Fewer healthy nodes than wanted, or a node that does not do its part; clients are served.
    Degraded,
    /// It cannot be told: a source is silent.
    Unknown,
    /// Clients are hurt, or data is at risk, by what a finding names: the mildest class of a critical finding.
    Critical,
    /// Label and engine disagree about a node's role.
    RolesDisagree,
    /// The Service's endpoints are not the engine's master.
    ServiceElsewhere,
    /// More than one node acts as master.
    SeveralMasters,
    /// No node acts as master.
    NoMaster,
}

impl State {
    /// Every state, from best to worst.
    pub const ALL: &[State] = &[
        State::Healthy,
        State::Syncing,
        State::Degraded,
        State::Unknown,
        State::Critical,
        State::RolesDisagree,
        State::ServiceElsewhere,
        State::SeveralMasters,
        State::NoMaster,
    ];

    /// Worse than syncing, and known: what `ill` means in every count, in the filter `state:ill` and in the exit code of
    /// `status`. Unknown is neither well nor ill, and counted apart.
    pub fn is_ill(self) -> bool {
        self > State::Syncing && self != State::Unknown
    }

    /// What it means, as a legend explains it.
    pub fn meaning(self) -> &'static str {
        match self {
            State::Healthy => {
                "one master, agreed on by label, engine and Service; every replica in stable sync; all pods there"
            }
            State::Syncing => {
                "a replica is in full or partial sync, a role change is on its way, or the instance is being made"
            }
            State::Degraded => {
                "something that a finding names, while clients are served: fewer healthy nodes than wanted, or a node that does not \
                 do its part"
            }
            State::Unknown => "it cannot be told: a source is silent",
            State::Critical => "clients are hurt or data is at risk, by what a finding names",
            State::RolesDisagree => "label and engine disagree about a node's role",
            State::ServiceElsewhere => "the Service's endpoints are not the engine's master",
            State::SeveralMasters => "more than one node acts as master",
            State::NoMaster => "no node acts as master",
        }
    }

    /// The word shown.
    pub fn word(self) -> &'static str {
        match self {
            State::Healthy => "healthy",
            State::Syncing => "syncing",
            State::Degraded => "degraded",
            State::Unknown => "unknown",
            State::Critical => "critical",
            State::RolesDisagree => "roles disagree",
            State::ServiceElsewhere => "service elsewhere",
            State::SeveralMasters => "several masters",
            State::NoMaster => "no master",
        }
    }

    /// The word in versioned JSON.
    pub fn id(self) -> &'static str {
        match self {
            State::Healthy => "healthy",
            State::Syncing => "syncing",
            State::Degraded => "degraded",
            State::Unknown => "unknown",
            State::Critical => "critical",
            State::RolesDisagree => "roles-disagree",
            State::ServiceElsewhere => "service-elsewhere",
            State::SeveralMasters => "several-masters",
            State::NoMaster => "no-master",
        }
    }
}

/// Bounds that turn a figure into a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// An engine that last answered longer ago than this counts as silent, seconds.
    pub silent_after: i64,
    /// A replica further behind than this in stable sync is degraded, journal records. Measured: 440 to 1,450 are
    /// normal under load; a sensible warning starts near 10,000.
    pub lag: u64,
    /// A pod or instance younger than this is being made rather than broken, seconds.
    pub grace: i64,
    /// A replica in state `preparation` for longer than this has stopped replicating, seconds (v1.39, v1.40).
    pub preparation: i64,
    /// A leader whose Lease was not renewed for this long, though longer than the Lease itself says, is a finding,
    /// seconds.
    pub lease: i64,
    /// A role change is given this long to reach labels, endpoints and engines, seconds.
    pub settling: i64,
    /// An engine's last answer is believed this long though the question after it failed, seconds: one lost reply is
    /// no silence.
    pub patience: i64,
    /// A heartbeat of an API server that takes this long is told as slow: one near by takes milliseconds, one across an ocean
    /// some tenths of a second.
    pub round_trip: Duration,
    /// Contexts that are to have an operator (true), or that only use instances elsewhere and need none (false), by the
    /// `role` that the settings give them. Of any other context it is judged by what is there.
    pub operators: BTreeMap<ContextId, bool>,
    /// What the fleet is to be.
    pub expected: Expected,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            silent_after: 30,
            lag: 10_000,
            grace: 60,
            preparation: 10,
            lease: 30,
            settling: 5,
            patience: 5,
            round_trip: Duration::from_secs(1),
            operators: BTreeMap::new(),
            expected: Expected::default(),
        }
    }
}

#[cfg(test)]
mod tests;
