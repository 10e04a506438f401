//! Words, signs and tones for states, so that every screen says the same thing the same way.

use super::See;
use crate::checks::{Finding, Judgement, Leader, Severity, State, Subject, leader};
use crate::domain::world::ContextWorld;
use crate::domain::{Access, Fault, FaultKind, Kind, Link, Scope, text};
use crate::settings::{Glyph, Tone};
use crate::widgets::Piece;

/// The sign of a state of an instance.
pub fn state_sign(state: State) -> Glyph {
    match state {
        State::Healthy => Glyph::Healthy,
        State::Syncing => Glyph::Syncing,
        State::Degraded => Glyph::Warning,
        State::Unknown => Glyph::Unknown,
        State::Critical
        | State::RolesDisagree
        | State::ServiceElsewhere
        | State::SeveralMasters
        | State::NoMaster => Glyph::Broken,
    }
}

/// The tone of a state of an instance.
pub fn state_tone(state: State) -> Tone {
    match state {
        State::Healthy => Tone::Healthy,
        State::Syncing => Tone::Syncing,
        State::Degraded => Tone::Degraded,
        State::Unknown => Tone::Unknown,
        State::Critical
        | State::RolesDisagree
        | State::ServiceElsewhere
        | State::SeveralMasters
        | State::NoMaster => Tone::Broken,
    }
}

/// The sign of a finding, the same wherever it is told: that of the state that it puts its subject in, so that it and the
/// row it decides never differ.
pub fn finding_sign(finding: &Finding) -> Glyph {
    match (finding.state, finding.severity) {
        (_, Severity::Critical) if finding.state != State::Unknown => Glyph::Broken,
        // Served, and yet worth a warning's sign: nobody would fail it over.
        (State::Healthy, _) => Glyph::Warning,
        (state, _) => state_sign(state),
    }
}

/// The tone of a finding, the same wherever it is told.
pub fn finding_tone(finding: &Finding) -> Tone {
    match finding_sign(finding) {
        Glyph::Unknown => Tone::Unknown,
        Glyph::Broken => Tone::Broken,
        Glyph::Warning => Tone::Degraded,
        Glyph::Syncing => Tone::Syncing,
        _ => Tone::Text,
    }
}

/// How many instances are how: every title and count says it so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub all: usize,
    /// Worse than syncing, and known.
    pub ill: usize,
    /// Neither well nor ill: it cannot be told.
    pub unknown: usize,
    /// On the way to being well.
    pub syncing: usize,
}

impl Counts {
    /// Of instances in these states.
    pub fn of(states: impl IntoIterator<Item = State>) -> Self {
        let mut counts = Self::default();
        for state in states {
            counts.all += 1;
            counts.ill += usize::from(state.is_ill());
            counts.unknown += usize::from(state == State::Unknown);
            counts.syncing += usize::from(state == State::Syncing);
        }
        counts
    }

    /// `2 ill, 3 unknown`; `none ill`.
    pub fn words(&self) -> String {
        let counted = [
            (self.ill, "ill"),
            (self.unknown, "unknown"),
            (self.syncing, "syncing"),
        ];
        let words: Vec<String> = counted
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        match words.is_empty() {
            true => "none ill".to_owned(),
            false => words.join(", "),
        }
    }

    /// The tone of the worst of them.
    pub fn tone(&self) -> Tone {
        match self {
            Self { ill: 1.., .. } => Tone::Degraded,
            Self { unknown: 1.., .. } => Tone::Unknown,
            Self { syncing: 1.., .. } => Tone::Syncing,
            _ => Tone::Muted,
        }
    }
}

/// Memory used: its share of the limit, and how much that is, each at its own place so that neither moves when the other
/// changes.
pub fn memory_words(used: u64, percent: Option<u64>) -> String {
    let used = text::bytes(used);
    match percent {
        Some(percent) => format!("{percent}% {used:>8}"),
        None => used,
    }
}

/// How a context stands, in a word or a few.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its sign.
    pub sign: Glyph,
    /// Its tone.
    pub tone: Tone,
    /// `connecting`, `unreachable`, `login needed`, `degraded`, `operator down`, `slow`; empty when it is live, answers soon
    /// and nothing is missing.
    pub word: &'static str,
    /// What is missing or failing, short: `dial timeout`, `no events`.
    pub why: String,
}

/// How a context stands. Its sign is that of the worst finding about it, or about its operator, so that the strip shows the
/// same sign as the attention list and the explanation.
pub fn standing(see: &See<'_>, context: &ContextWorld) -> Standing {
    let of = |sign, tone, word, why: String| Standing {
        sign,
        tone,
        word,
        why,
    };
    match &context.link {
        Link::Connecting => of(Glyph::Syncing, Tone::Syncing, "connecting", String::new()),
        Link::Unreachable { fault, .. } => {
            let why = fault.message.clone();
            of(Glyph::Unknown, Tone::Unknown, "unreachable", why)
        }
        Link::LoginNeeded { fault, .. } => {
            let why = fault.message.clone();
            of(Glyph::Unknown, Tone::Unknown, "login needed", why)
        }
        Link::Unusable { fault } => {
            let why = fault.message.clone();
            of(Glyph::Unknown, Tone::Unknown, "unusable", why)
        }
        Link::Live { rtt } => {
            let why = missing(context).join(", ");
            let Some(worst) = worst_finding(see, context) else {
                return match why.is_empty() {
                    true if *rtt >= see.limits.round_trip => {
                        of(Glyph::Warning, Tone::Degraded, "slow", why)
                    }
                    true => of(Glyph::Healthy, Tone::Healthy, "", why),
                    false => of(Glyph::Warning, Tone::Degraded, "degraded", why),
                };
            };
            let word = match &worst.subject {
                Subject::Operator(_) if worst.check == "operator-down" => "operator down",
                Subject::Operator(_) => "CRD missing",
                _ => "degraded",
            };
            let (sign, tone) = match worst.severity {
                // That something may not be read, and is not needed, takes something away all the same.
                Severity::Note => (Glyph::Warning, Tone::Degraded),
                _ => (finding_sign(worst), finding_tone(worst)),
            };
            of(sign, tone, word, why)
        }
    }
}

/// How old what is known of a context is, for the heading of a pane; nothing while it is followed.
pub fn as_of(see: &See<'_>, context: &ContextWorld) -> Vec<Piece> {
    let at = context.heard.filter(|_| !context.is_live());
    at.map(|at| Piece::new(format!("as of {} ago", see.age(at)), Tone::Stale))
        .into_iter()
        .collect()
}

/// The worst finding about a context or its operator that a strip marks. That an operator cannot be looked for is told in
/// its own place.
fn worst_finding<'a>(see: &See<'a>, context: &ContextWorld) -> Option<&'a Finding> {
    let id = &context.id;
    let of = |subject: Subject| {
        let judged = see.board.subject(&subject);
        judged.map_or(&[] as &[Finding], |j| j.findings.as_slice())
    };
    let own = of(Subject::Context(id.clone())).iter();
    let operator = of(Subject::Operator(id.clone()))
        .iter()
        .filter(|finding| finding.severity > Severity::Note);
    own.chain(operator)
        .max_by_key(|finding| (finding.severity, finding.state))
}

/// What cannot be read in a context, each in a few words: `no right to read events`, `Dragonfly pods timed out`.
pub fn missing(context: &ContextWorld) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut denied: Vec<String> = Vec::new();
    for (kind, scope, source) in context.troubled_sources() {
        let place = match scope {
            Scope::Cluster => String::new(),
            Scope::Namespace(namespace) => format!(" in {namespace}"),
        };
        let what = format!("{}{place}", kind.words());
        match &source.access {
            Some(Access::Denied(_)) if !denied.contains(&what) => denied.push(what),
            Some(Access::Broken(fault)) => {
                let word = match fault.kind {
                    // The server answered, but with a trouble of its own: nobody was refused a right.
                    FaultKind::Refused => "failing",
                    kind => kind.word(),
                };
                words.push(format!("{what} {word}"));
            }
            _ => {}
        }
    }
    if context.unidentified.is_some() {
        denied.push("which cluster it is".to_owned());
    }
    if !denied.is_empty() {
        words.insert(0, format!("no right to read {}", denied.join(", ")));
    }
    let instead: Vec<&str> = context.namespaces_instead().into_iter().collect();
    if !instead.is_empty() {
        words.push(format!("only in {}", instead.join(", ")));
    }
    if context.engines_forbidden().is_some() {
        words.push("no port-forward".to_owned());
    }
    words
}

/// The state of the operator of a context, with what a strip says of it.
pub fn operator_words(see: &See<'_>, context: &ContextWorld) -> Option<(Tone, String)> {
    let judged = see.board.subject(&Subject::Operator(context.id.clone()));
    let tone = match judged.and_then(|j: &Judgement| j.findings.first()) {
        None => Tone::Muted,
        Some(worst) => finding_tone(worst),
    };
    if let Some(fault) = denied(context, Kind::OperatorDeployment) {
        let word = match fault.kind {
            FaultKind::Forbidden => "op not permitted",
            _ => "op ?",
        };
        return Some((Tone::Unknown, word.to_owned()));
    }
    let Some(deployment) = context.operators.iter().next() else {
        // A cluster that needs none lacks none.
        let is_needed = judged.is_some_and(|j| j.applies);
        return (is_needed && context.has_listed(Kind::OperatorDeployment))
            .then(|| (tone, "op none".to_owned()));
    };
    let value = &deployment.value;
    let mut text = format!("op {}/{}", value.ready, value.replicas);
    if let Some(version) = value.version() {
        text.push(' ');
        text.push_str(version);
    }
    // Where no pod is wanted and none is there, the Lease names one that is gone; that nobody leads follows from that.
    if value.replicas == 0 && context.operator_pods.is_empty() {
        return Some((tone, text));
    }
    let leader = leader(context, see.limits, see.now);
    if let Some(pod) = leader.pod() {
        // The pod's last part tells it from its namesakes.
        let tail = pod.rsplit_once('-').map_or(pod, |(_, tail)| tail);
        let ellipsis = see.sign(Glyph::Ellipsis);
        text.push_str(&format!(" lead {ellipsis}-{tail}"));
    }
    match leader {
        Leader::Expired(..) => text.push_str(" no leader"),
        Leader::Fresh(_, until) => see.clock.note(until.as_second().saturating_add(1)),
        Leader::Unknown => {}
    }
    if context.operators.len() > 1 {
        text.push_str(&format!(" and {} more", context.operators.len() - 1));
    }
    Some((tone, text))
}

/// Why a kind cannot be read anywhere in a context.
pub fn denied(context: &ContextWorld, kind: Kind) -> Option<&Fault> {
    let mut found = None;
    for ((k, _), source) in &context.sources {
        if *k != kind {
            continue;
        }
        match &source.access {
            Some(Access::Denied(fault) | Access::Broken(fault)) if source.listed.is_none() => {
                found = Some(fault);
            }
            _ => return None,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::{Limits, judge};
    use crate::domain::fixture::{healthy, instance, master, now, pending, replica};

    #[test]
    fn a_row_and_the_finding_that_decides_it_have_one_sign() {
        for (name, fixture) in [
            (
                "a node is missing",
                instance("orders").node(master()).node(pending()).build(),
            ),
            (
                "a replica is cut off",
                instance("orders")
                    .node(master())
                    .node(replica().cut_off(90))
                    .build(),
            ),
            ("no master", instance("orders").node(replica()).build()),
            ("well", healthy().build()),
        ] {
            let subject = Subject::Instance(fixture.id.clone());
            let judged = judge(&fixture.world, &subject, &Limits::default(), now());
            let sign = judged.leading().map_or(Glyph::Healthy, finding_sign);
            assert_eq!(sign, state_sign(judged.state), "{name}: {}", judged.word());
        }
    }

    #[test]
    fn what_is_ill_unknown_and_syncing_is_counted_apart() {
        use State::*;
        for (states, wanted) in [
            (&[Healthy, Healthy][..], "none ill"),
            (&[Healthy, Syncing], "1 syncing"),
            (&[Unknown, Unknown, Unknown], "3 unknown"),
            (
                &[Degraded, NoMaster, Unknown, Syncing, Healthy],
                "2 ill, 1 unknown, 1 syncing",
            ),
        ] {
            assert_eq!(Counts::of(states.iter().copied()).words(), wanted);
        }
    }
}
