//! One row of the Fleet table, worked out once when something about it changes.

use std::cmp::Ordering;

use jiff::Timestamp;

use crate::checks::{CRD_MISSING, Judgement, Since, State, Subject};
use crate::domain::object::Pod;
use crate::domain::world::ContextWorld;
use crate::domain::{
    ContextId, Figures, InstanceId, InstanceView, Kind, Link, Master, Scope, figures, figures_under,
};
use crate::screens::parts::{
    Field, Measure, See, Sieved, denied, standing, state_sign, state_tone,
};
use crate::settings::{Glyph, Tone};
use crate::widgets::draw;

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RowKey {
    /// An instance.
    Instance(InstanceId),
    /// A context that shows no instance, and why.
    Context(ContextId),
}

impl RowKey {
    /// The instance, if it is about one.
    pub fn instance(&self) -> Option<&InstanceId> {
        match self {
            RowKey::Instance(id) => Some(id),
            RowKey::Context(_) => None,
        }
    }

    /// The context that it lives in.
    pub fn context(&self) -> &ContextId {
        match self {
            RowKey::Instance(id) => &id.context,
            RowKey::Context(id) => id,
        }
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FleetRow {
    pub key: RowKey,
    pub sign: Glyph,
    pub tone: Tone,
    pub word: String,
    /// What `state:` is compared with: the word, and `ill` for what is worse than syncing.
    states: String,
    /// Higher is worse.
    pub rank: State,
    pub since: Option<Since>,
    /// `namespace/name`, or the sentence about a context without instances.
    pub name: String,
    pub figures: Option<Figures>,
    pub created: Option<Timestamp>,
    pub restarts: u64,
    pub findings: usize,
    /// Its context is not live: everything here is as of then.
    pub stale_since: Option<Timestamp>,
    pub is_stale: bool,
    master: String,
    version: String,
    text: String,
}

impl FleetRow {
    /// The row of an instance.
    pub fn of_instance(see: &See<'_>, view: &InstanceView<'_>) -> Self {
        let judgement = see.board.instance(&view.id);
        let state = judgement.map_or(State::Unknown, |j| j.state);
        let figures = match judgement {
            Some(judgement) => figures_under(view, judgement.master.clone()),
            None => figures(view),
        };
        let restarts = view.nodes.iter().map(|n| restarts(&n.pod.value)).sum();
        let is_stale = !view.context.is_live();
        Self {
            sign: state_sign(state),
            tone: state_tone(state),
            word: judgement.map_or(state.word(), |j| j.word()).to_owned(),
            rank: state,
            since: since_of(judgement),
            name: view.id.to_string(),
            created: view
                .dragonfly
                .value
                .meta
                .created
                .map(|at| view.context.by_our_clock(at)),
            restarts,
            findings: judgement.map_or(0, |j| j.findings.len()),
            is_stale,
            stale_since: view.context.heard.filter(|_| is_stale),
            master: figures.master.words(),
            version: figures.versions.join(" "),
            figures: Some(figures),
            key: RowKey::Instance(view.id.clone()),
            text: String::new(),
            states: String::new(),
        }
        .written()
    }

    /// The row of a context that shows no instance.
    pub fn of_context(see: &See<'_>, context: &ContextWorld) -> Self {
        let Absence {
            sign,
            tone,
            word,
            rank,
            sentence,
        } = absence(see, context);
        Self {
            key: RowKey::Context(context.id.clone()),
            sign,
            tone,
            word: word.to_owned(),
            rank,
            since: (!context.is_live()).then(|| Since::Seen(context.stands_since())),
            name: sentence,
            figures: None,
            created: None,
            restarts: 0,
            findings: 0,
            stale_since: context.heard.filter(|_| !context.is_live()),
            is_stale: false,
            master: String::new(),
            version: String::new(),
            text: String::new(),
            states: String::new(),
        }
        .written()
    }

    /// Whether its judgement is still the one that it shows.
    pub fn shows(&self, judgement: Option<&Judgement>) -> bool {
        let state = judgement.map_or(State::Unknown, |j| j.state);
        let since = since_of(judgement);
        let findings = judgement.map_or(0, |j| j.findings.len());
        let master = judgement.map(|j| &j.master);
        let word = judgement.map_or(state.word(), |j| j.word());
        (self.rank, self.since, self.findings) == (state, since, findings)
            && self.word == word
            && self.figures.as_ref().map(|figures| &figures.master) == master
    }

    /// Whether it says the same as its predecessor. A fresh answer that repeats the last one changes nothing that is
    /// shown, unless that one had grown old.
    pub fn reads_as(&self, old: &Self, see: &See<'_>) -> bool {
        let as_of = |row: &Self| row.figures.as_ref().and_then(|figures| figures.as_of);
        let was_old = as_of(old).is_some_and(|at| see.is_older(at, see.period()));
        if was_old || as_of(self) == as_of(old) {
            return self == old;
        }
        let mut same = self.clone();
        if let (Some(figures), Some(at)) = (&mut same.figures, as_of(old)) {
            figures.as_of = Some(at);
        }
        same == *old
    }

    /// Something is wrong with it, is on its way, or cannot be told: what `!` leaves.
    pub fn is_ill(&self) -> bool {
        self.rank != State::Healthy
    }

    /// Columns that its name takes with its namespace, and without; nothing for a context's row.
    pub fn instance_width(&self) -> (usize, usize) {
        match &self.key {
            RowKey::Instance(id) => (draw::width(&self.name), draw::width(&id.name)),
            RowKey::Context(_) => (0, 0),
        }
    }

    /// The order by a column; what is not known comes last whichever way the rows are sorted.
    pub fn order(&self, other: &Self, column: &str, descending: bool) -> Ordering {
        let number = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) if descending => b.total_cmp(&a),
            (Some(a), Some(b)) => a.total_cmp(&b),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        };
        let turned = |ordering: Ordering| {
            if descending {
                ordering.reverse()
            } else {
                ordering
            }
        };
        match column {
            "state" => turned(self.rank.cmp(&other.rank)),
            "context" => turned(self.key.context().cmp(other.key.context())),
            "instance" => turned(self.name.cmp(&other.name)),
            "master" => turned(self.master.cmp(&other.master)),
            "version" => turned(self.version.cmp(&other.version)),
            "since" => {
                let at = |row: &Self| row.since.map(|s| -(s.at().as_second() as f64));
                number(at(self), at(other))
            }
            "age" => {
                let at = |row: &Self| row.created.map(|at| -(at.as_second() as f64));
                number(at(self), at(other))
            }
            other_column => number(
                figure_of(self, other_column),
                figure_of(other, other_column),
            ),
        }
    }

    fn written(mut self) -> Self {
        // What the filter `state:` looks through: the class, the situation, and whether it is ill.
        let mut states = vec![self.word.as_str()];
        if matches!(self.key, RowKey::Instance(_)) && self.rank.word() != self.word {
            states.push(self.rank.word());
        }
        states.extend(self.rank.is_ill().then_some("ill"));
        self.states = states.join(" ");
        self.text = format!(
            "{} {} {} {} {}",
            self.word,
            self.key.context(),
            self.name,
            self.master,
            self.version
        )
        .to_lowercase();
        self
    }
}

fn figure_of(row: &FleetRow, column: &str) -> Option<f64> {
    row.figure(match column {
        "nodes" => Measure::Nodes,
        "lag" => Measure::Lag,
        "mem" => Measure::MemoryBytes,
        "keys" => Measure::Keys,
        "ops" => Measure::Ops,
        "restarts" => Measure::Restarts,
        "findings" => Measure::Findings,
        "sync" => {
            let figures = row.figures.as_ref()?;
            // The share of replicas in sync; an instance without replicas lacks none.
            return Some(match figures.replicas {
                0 => 1.0,
                all => figures.in_sync? as f64 / all as f64,
            });
        }
        _ => return None,
    })
}

impl Sieved for FleetRow {
    fn text(&self) -> &str {
        &self.text
    }

    fn field(&self, field: Field) -> &str {
        match (field, &self.key) {
            (Field::State, _) => &self.states,
            (Field::Context, key) => key.context().as_str(),
            (Field::Namespace, RowKey::Instance(id)) => &id.namespace,
            (Field::Name, RowKey::Instance(id)) => &id.name,
            (Field::Namespace | Field::Name, RowKey::Context(_)) => "",
            (Field::Master, _) => &self.master,
            (Field::Version, _) => &self.version,
        }
    }

    fn figure(&self, measure: Measure) -> Option<f64> {
        let figures = self.figures.as_ref()?;
        Some(match measure {
            Measure::Lag => figures.lag? as f64,
            Measure::MemoryPercent => figures.used_percent()? as f64,
            Measure::MemoryBytes => figures.used? as f64,
            Measure::Ops => figures.ops? as f64,
            Measure::Keys => figures.keys? as f64,
            Measure::Nodes => figures.ready as f64,
            Measure::Findings => self.findings as f64,
            Measure::Restarts => self.restarts as f64,
            Measure::Age => return None,
        })
    }
}

/// A row at a time, so that it can also be asked how old it is.
pub(super) struct Aged<'a> {
    pub row: &'a FleetRow,
    pub now: Timestamp,
}

impl Sieved for Aged<'_> {
    fn text(&self) -> &str {
        self.row.text()
    }

    fn field(&self, field: Field) -> &str {
        self.row.field(field)
    }

    fn figure(&self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::Age => {
                let created = self.row.created?.as_second();
                Some(self.now.as_second().saturating_sub(created) as f64)
            }
            other => self.row.figure(other),
        }
    }
}

struct Absence {
    sign: Glyph,
    tone: Tone,
    word: &'static str,
    rank: State,
    sentence: String,
}

/// Why a context shows no instance, in words.
fn absence(see: &See<'_>, context: &ContextWorld) -> Absence {
    let of = |sign, tone, word, rank, sentence: String| Absence {
        sign,
        tone,
        word,
        rank,
        sentence,
    };
    if !context.is_live() {
        let standing = standing(see, context);
        let (rank, sentence) = match &context.link {
            Link::Connecting => (State::Syncing, "asking the API server".to_owned()),
            Link::Unreachable { fault, .. } | Link::LoginNeeded { fault, .. } => {
                (State::Unknown, fault.message.clone())
            }
            Link::Unusable { fault } => (State::Unknown, fault.message.clone()),
            Link::Live { .. } => (State::Unknown, String::new()),
        };
        return of(standing.sign, standing.tone, standing.word, rank, sentence);
    }
    if let Some(fault) = denied(context, Kind::Dragonfly) {
        let sentence = fault.in_full(&context.id);
        let word = fault.kind.word();
        return of(
            Glyph::Unknown,
            Tone::Unknown,
            word,
            State::Unknown,
            sentence,
        );
    }
    let crd_is_there = context.crds.iter().next().is_some();
    let operator = see.board.subject(&Subject::Operator(context.id.clone()));
    if let Some(finding) = operator.and_then(|judged| judged.by(&CRD_MISSING)) {
        return of(
            state_sign(finding.state),
            state_tone(finding.state),
            finding.situation.word,
            finding.state,
            finding.sentence.clone(),
        );
    }
    if context.has_listed(Kind::Crd) && !crd_is_there {
        let sentence = "no CRD, so there can be no instance";
        return of(
            Glyph::Dash,
            Tone::Muted,
            "no CRD",
            State::Healthy,
            sentence.to_owned(),
        );
    }
    let is_absent = context.sources.iter().any(|((kind, _), source)| {
        *kind == Kind::Dragonfly && source.access == Some(crate::domain::Access::Absent)
    });
    if is_absent {
        let sentence = "its API knows no Dragonfly objects";
        return of(
            Glyph::Dash,
            Tone::Muted,
            "no CRD",
            State::Healthy,
            sentence.to_owned(),
        );
    }
    if context.has_listed(Kind::Dragonfly) {
        let confined = context.is_superseded(Kind::Dragonfly, &Scope::Cluster);
        let own: Vec<&str> = context.namespaces.iter().map(|ns| &**ns).collect();
        let instead: Vec<&str> = context.namespaces_instead().into_iter().collect();
        let places = if confined { &instead } else { &own };
        let place = match places.as_slice() {
            [] => "in this cluster".to_owned(),
            [one] => format!("in namespace {one}"),
            several => format!("in namespaces {}", several.join(", ")),
        };
        let sentence = format!("no Dragonfly {place}");
        if confined {
            // Elsewhere there may be any number.
            return of(
                Glyph::Unknown,
                Tone::Unknown,
                "unknown",
                State::Unknown,
                format!("{sentence}; elsewhere we may not list them (-n NAMESPACE looks there)"),
            );
        }
        return of(Glyph::Dash, Tone::Muted, "none", State::Healthy, sentence);
    }
    let sentence = "listing Dragonfly objects".to_owned();
    of(
        Glyph::Syncing,
        Tone::Syncing,
        "listing",
        State::Syncing,
        sentence,
    )
}

/// Since when an instance is in its state; nothing for one that is well, whatever else is noted of it.
fn since_of(judgement: Option<&Judgement>) -> Option<Since> {
    let judgement = judgement.filter(|j| j.state != State::Healthy)?;
    judgement.findings.first().map(|finding| finding.since)
}

fn restarts(pod: &Pod) -> u64 {
    pod.restarts()
}

/// The master's cell: its tone, and its words.
pub(super) fn master_cell(see: &See<'_>, master: &Master) -> (Tone, String) {
    match master {
        Master::One(name) => (Tone::Master, name.clone()),
        Master::None => (Tone::Broken, master.words()),
        Master::Contested(_) => (
            Tone::Broken,
            format!("{} {}", see.sign(Glyph::Unknown), master.words()),
        ),
        // No engine vouches for it.
        Master::Labelled(name) => (
            Tone::Unknown,
            format!("{} {name}", see.sign(Glyph::Unknown)),
        ),
        Master::Unknown => (Tone::Unknown, master.words()),
    }
}
