//! What it waits for, instance by instance.

use std::collections::BTreeMap;

use crate::checks::waiting::{Gate, Waiting};
use crate::checks::{Finding, Judgement, OPERATOR_DOWN, Since, State, Subject};
use crate::domain::world::ContextWorld;
use crate::domain::{InstanceId, Kind};
use crate::screens::parts::{Field, Measure, Section, See, Sieved, as_of, denied, state_sign};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row};

/// The pane.
pub(super) fn section<'a>(
    see: &'a See<'a>,
    context: &'a ContextWorld,
    waits: &'a BTreeMap<InstanceId, Vec<Waiting>>,
    about: Option<&'a InstanceId>,
) -> Section<'a> {
    let shown: Vec<(&InstanceId, &Vec<Waiting>)> = waits
        .iter()
        .filter(|(id, waits)| shows(see, id, waits))
        .collect();
    let busy = waits
        .values()
        .filter(|waits| waits.iter().any(|one| one.gate != Gate::Nothing));
    let named: Vec<String> = shown.iter().map(|(id, _)| id.to_string()).collect();
    let len = shown.len();
    let right = match context.is_live() {
        true => vec![Piece::muted(format!(
            "{} of {}; enter: log of one",
            busy.count(),
            waits.len()
        ))],
        // Nothing can be told of any, so they are not counted.
        false => as_of(see, context),
    };
    Section {
        right,
        columns: vec![
            Column::new("instance", "INSTANCE")
                .width(14, 27)
                .cut_middle(),
            Column::new("at", "AT").width(13, 15),
            Column::new("waits", "WAITS FOR").width(28, 60).fill(),
            Column::new("since", "SINCE")
                // `seen for 23h59m`.
                .width(15, 15)
                .right()
                .priority(2),
            Column::new("phase", "PHASE").width(13, 16).priority(4),
        ],
        len,
        lines: super::SENTENCE,
        leads: true,
        name: Box::new(move |at| named.get(at).cloned().unwrap_or_default()),
        row: Box::new(move |at| {
            let found = shown.get(at);
            found
                .map(|(id, waits)| row(see, context, id, waits, about == Some(*id)))
                .unwrap_or_default()
        }),
        empty: empty(context, waits.is_empty()),
        ..Section::of("waits", "What it waits for", Vec::new())
    }
}

/// The instances that are shown, in their order.
pub(super) fn shown(see: &See<'_>, waits: &BTreeMap<InstanceId, Vec<Waiting>>) -> Vec<InstanceId> {
    waits
        .iter()
        .filter(|(id, waits)| shows(see, id, waits))
        .map(|(id, _)| id.clone())
        .collect()
}

fn empty(context: &ContextWorld, none: bool) -> String {
    match denied(context, Kind::Dragonfly) {
        Some(fault) => format!("{}: {}", Kind::Dragonfly.words(), fault.message),
        None if context.has_listed(Kind::Crd) && context.crds.is_empty() => {
            "there is no CRD, so no instance can be there".to_owned()
        }
        None if !context.has_listed(Kind::Dragonfly) && !context.is_live() => {
            format!("what is there is not known: {} is not followed", context.id)
        }
        None if !context.has_listed(Kind::Dragonfly) => {
            "Dragonfly objects are being listed".to_owned()
        }
        None if none => "no instance is in this context".to_owned(),
        None => "nothing fits the filter".to_owned(),
    }
}

fn shows(see: &See<'_>, id: &InstanceId, waits: &[Waiting]) -> bool {
    if see.ill_only && waits.iter().all(|one| one.gate == Gate::Nothing) {
        return false;
    }
    see.filter.shows(&Words::of(id, waits))
}

fn row(
    see: &See<'_>,
    context: &ContextWorld,
    id: &InstanceId,
    waits: &[Waiting],
    narrowed: bool,
) -> Row {
    let Some(first) = waits.first() else {
        return Row::default();
    };
    let judged = see.board.instance(id);
    let sign = sign(first.gate, judged.map(|judged| judged.state));
    let tone = match sign {
        Glyph::Healthy => Tone::Muted,
        Glyph::Unknown => Tone::Unknown,
        Glyph::Broken => Tone::Broken,
        Glyph::Warning => Tone::Degraded,
        _ => Tone::Syncing,
    };
    let then: Vec<&str> = waits.iter().map(|one| one.sentence.as_str()).collect();
    let mut then = then.join("; then ");
    let ill = judged.filter(|judged| first.gate == Gate::Nothing && judged.state.is_ill());
    if let Some(judged) = ill {
        then.push_str(&format!("; but: {}", judged.word()));
    }
    let dragonfly = context.dragonflies.get(&id.namespace, &id.name);
    let phase = dragonfly.and_then(|held| held.value.phase.clone());
    // Since when the operator is as it is, the board remembers; what is worked out here knows only now.
    let of_operator = see.board.subject(&Subject::Operator(context.id.clone()));
    let remembered = match first.gate {
        Gate::Operator => of_operator.and_then(|judged| judged.by(&OPERATOR_DOWN)),
        // The event that tells when a rollout began does not last as long as one that is stuck.
        Gate::Rollout(_) if first.since.is_none() => judged.and_then(of_rollout),
        _ => None,
    };
    let since = remembered.map(|finding| finding.since).or(first.since);
    let since = since.map(|since| match since {
        Since::Exactly(at) => see.age_in(context, at),
        Since::Seen(_) => see.since(since),
    });
    let marker = if narrowed { see.sign(Glyph::Down) } else { "" };
    Row::new(vec![
        Piece::new(
            format!("{marker}{id}"),
            if narrowed { Tone::Accent } else { Tone::Text },
        ),
        Piece::new(format!("{} {}", see.sign(sign), first.gate.word()), tone),
        Piece::new(then, tone),
        Piece::muted(since.unwrap_or_default()),
        Piece::muted(phase.unwrap_or_else(|| "no phase".to_owned())),
    ])
    .stale(!context.is_live())
}

/// The sign of a step, by what it waits for, and never at odds with how the instance was judged: no milder than that, and
/// worse than a warning only where that is.
fn sign(gate: Gate, judged: Option<State>) -> Glyph {
    let own = match gate {
        Gate::Nothing => Glyph::Healthy,
        Gate::Unknown => Glyph::Unknown,
        Gate::Operator | Gate::Port => Glyph::Broken,
        Gate::Election | Gate::Objects => Glyph::Warning,
        _ => Glyph::Syncing,
    };
    let Some(judged) = judged.map(state_sign) else {
        return own;
    };
    let most = match judged {
        Glyph::Broken => Glyph::Broken,
        _ => Glyph::Warning,
    };
    let bad = |sign: Glyph| match sign {
        Glyph::Healthy => 0,
        Glyph::Syncing => 1,
        Glyph::Unknown => 2,
        Glyph::Warning => 3,
        _ => 4,
    };
    match () {
        () if bad(own) < bad(judged) => judged,
        () if bad(own) > bad(most) => most,
        () => own,
    }
}

/// The finding that speaks of a rollout that goes on, or is stuck.
fn of_rollout(judged: &Judgement) -> Option<&Finding> {
    let of = |check: &str| {
        judged
            .findings
            .iter()
            .find(|finding| finding.check == check)
    };
    of("takeover").or_else(|| of("rollout-waiting"))
}

struct Words<'a> {
    text: String,
    context: &'a str,
    namespace: &'a str,
    name: &'a str,
}

impl<'a> Words<'a> {
    fn of(id: &'a InstanceId, waits: &[Waiting]) -> Self {
        let mut text = id.to_string();
        for one in waits {
            text.push(' ');
            text.push_str(one.gate.word());
            text.push(' ');
            text.push_str(&one.sentence);
        }
        Self {
            text: text.to_lowercase(),
            context: id.context.as_str(),
            namespace: &id.namespace,
            name: &id.name,
        }
    }
}

impl Sieved for Words<'_> {
    fn text(&self) -> &str {
        &self.text
    }

    fn field(&self, field: Field) -> &str {
        match field {
            Field::Context => self.context,
            Field::Namespace => self.namespace,
            Field::Name => self.name,
            _ => &self.text,
        }
    }

    fn figure(&self, _: Measure) -> Option<f64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sign_of_a_step_is_not_at_odds_with_the_state() {
        use Glyph::{Broken, Healthy, Syncing, Unknown, Warning};
        for (gate, judged, wanted) in [
            (Gate::Nothing, None, Healthy),
            (Gate::Operator, None, Broken),
            (Gate::Nothing, Some(State::Healthy), Healthy),
            (Gate::Role, Some(State::Healthy), Syncing),
            // It serves.
            (Gate::Operator, Some(State::Healthy), Warning),
            (Gate::Port, Some(State::Degraded), Warning),
            (Gate::Operator, Some(State::NoMaster), Broken),
            // It does not, whatever the operator thinks.
            (Gate::Nothing, Some(State::SeveralMasters), Broken),
            (Gate::Rollout(5), Some(State::Critical), Broken),
            (Gate::Nothing, Some(State::Degraded), Warning),
            (Gate::Nothing, Some(State::Unknown), Unknown),
        ] {
            assert_eq!(sign(gate, judged), wanted, "{gate:?} {judged:?}");
        }
    }
}
