//! Words, signs and tones for states, so that every screen says the same thing the same way.

use super::See;
use crate::checks::{Judgement, State, Subject};
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
        State::RolesDisagree
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
        State::RolesDisagree
        | State::ServiceElsewhere
        | State::SeveralMasters
        | State::NoMaster => Tone::Broken,
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

/// How old what is shown of a context is, where its API server does not answer: for the heading over its rows.
pub fn as_of(see: &See<'_>, context: &ContextWorld) -> Option<Piece> {
    if context.is_live() {
        return None;
    }
    let text = match context.heard {
        Some(at) => format!("as of {} ago", see.age(at)),
        None => "never heard".to_owned(),
    };
    Some(Piece::new(text, Tone::Stale))
}

/// How a context stands, in a word or a few.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its sign.
    pub sign: Glyph,
    /// Its tone.
    pub tone: Tone,
    /// `connecting`, `unreachable`, `login needed`, `degraded`; empty when it is live and nothing is missing.
    pub word: &'static str,
    /// What is missing or failing, short: `dial timeout`, `no events`.
    pub why: String,
}

/// How a context stands.
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
            of(Glyph::Broken, Tone::Broken, "unreachable", why)
        }
        Link::LoginNeeded { fault, .. } => {
            let why = fault.message.clone();
            of(Glyph::Broken, Tone::Broken, "login needed", why)
        }
        Link::Unusable { fault } => {
            let why = fault.message.clone();
            of(Glyph::Broken, Tone::Broken, "unusable", why)
        }
        Link::Live { .. } => {
            let missing = missing(context);
            if missing.is_empty() {
                let judged = see.board.subject(&Subject::Context(context.id.clone()));
                let worst = judged.map_or(State::Healthy, |j| j.state);
                return match worst {
                    State::Healthy => of(Glyph::Healthy, Tone::Healthy, "", String::new()),
                    state => of(
                        state_sign(state),
                        state_tone(state),
                        "degraded",
                        String::new(),
                    ),
                };
            }
            of(
                Glyph::Warning,
                Tone::Degraded,
                "degraded",
                missing.join(", "),
            )
        }
    }
}

/// What cannot be read in a context, each in two words: `no events`, `pods failing`.
pub fn missing(context: &ContextWorld) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for (kind, scope, source) in context.troubled_sources() {
        let place = match scope {
            Scope::Cluster => String::new(),
            Scope::Namespace(namespace) => format!(" in {namespace}"),
        };
        let word = match &source.access {
            Some(Access::Denied(_)) => format!("no {}{place}", kind.words()),
            Some(Access::Broken(fault)) => {
                format!("{}{place} {}", kind.words(), fault.kind.word())
            }
            _ => continue,
        };
        if !words.contains(&word) {
            words.push(word);
        }
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
    let tone = match judged.map(|j: &Judgement| j.state) {
        None | Some(State::Healthy) => Tone::Muted,
        Some(state) => state_tone(state),
    };
    if let Some(fault) = denied(context, Kind::OperatorDeployment) {
        let word = match fault.kind {
            FaultKind::Forbidden => "op not permitted",
            _ => "op ?",
        };
        return Some((Tone::Unknown, word.to_owned()));
    }
    let Some(deployment) = context.operators.iter().next() else {
        return context
            .has_listed(Kind::OperatorDeployment)
            .then(|| (tone, "op none".to_owned()));
    };
    let value = &deployment.value;
    let mut text = format!("op {}/{}", value.ready, value.replicas);
    if let Some(version) = value.version() {
        text.push(' ');
        text.push_str(version);
    }
    if let Some(holder) = context
        .leases
        .iter()
        .find_map(|l| l.value.holder.as_deref())
    {
        // `<pod>_<uuid>`; the pod's last part tells it from its namesakes.
        let pod = holder.split_once('_').map_or(holder, |(pod, _)| pod);
        let tail = pod.rsplit_once('-').map_or(pod, |(_, tail)| tail);
        let ellipsis = see.sign(Glyph::Ellipsis);
        text.push_str(&format!(" lead {ellipsis}-{tail}"));
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
