//! The operators, one a row: how many of its pods are ready, its version, who leads it since when.

use super::contexts;
use crate::checks::leader::{Leader, leader};
use crate::checks::{CRD_MISSING, State, Subject};
use crate::domain::Kind;
use crate::domain::world::ContextWorld;
use crate::screens::parts::{Section, See, denied, standing, state_sign, state_tone};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row};

/// Columns that may be scrolled away.
pub(super) const COLUMNS: usize = 5;

/// The pane.
pub(super) fn section<'a>(see: &See<'_>) -> Section<'a> {
    let rows: Vec<(String, Row)> = contexts(see)
        .map(|context| (context.id.to_string(), row(see, context)))
        .collect();
    let with = rows.iter().filter(|(_, row)| !row.spans).count();
    let untold = contexts(see).filter(|context| is_untold(context)).count();
    Section {
        leads: true,
        right: summary(with, untold),
        columns: vec![
            Column::new("context", "CONTEXT").width(10, 16),
            Column::new("operator", "OPERATOR")
                .width(18, 60)
                .fill()
                .cut_middle(),
            Column::new("ready", "READY").width(5, 5).right(),
            Column::new("version", "VERSION").width(7, 9),
            Column::new("leader", "LEADER").width(8, 14).priority(2),
            Column::new("lease", "LEASE").width(26, 30).priority(1),
            Column::new("transitions", "CHANGES")
                .width(7, 7)
                .right()
                .priority(3),
        ],
        empty: see.hint.unwrap_or("no context is open").to_owned(),
        ..Section::of("operators", "Operator", rows)
    }
}

/// Whether it has an operator cannot be told at present.
fn is_untold(context: &ContextWorld) -> bool {
    let kind = Kind::OperatorDeployment;
    let is_unread = denied(context, kind).is_some() || !context.has_listed(kind);
    !context.is_live() || context.operators.is_empty() && is_unread
}

/// How many operators there are, as far as that is known: of a context that is not followed nothing is counted.
fn summary(known: usize, untold: usize) -> Vec<Piece> {
    let noun = if known == 1 { "operator" } else { "operators" };
    let contexts = if untold == 1 { "context" } else { "contexts" };
    match (known, untold) {
        (known, 0) => vec![Piece::muted(format!("{known} {noun}"))],
        (0, _) => vec![Piece::new("operators not known", Tone::Unknown)],
        (known, untold) => vec![
            Piece::muted(format!("{known} {noun}")),
            Piece::new(format!(", not known in {untold} {contexts}"), Tone::Unknown),
        ],
    }
}

fn row(see: &See<'_>, context: &ContextWorld) -> Row {
    let name = Piece::text(context.id.to_string());
    if !context.is_live() {
        let standing = standing(see, context);
        let sign = see.sign(standing.sign);
        let text = format!("{sign} {}: {}", standing.word, standing.why);
        return Row::new(vec![name, Piece::new(text, standing.tone)]).spanning();
    }
    let judged = see.board.subject(&Subject::Operator(context.id.clone()));
    let state = judged.map_or(State::Healthy, |judged| judged.state);
    let worst = judged.and_then(|judged| judged.findings.first());
    let Some(held) = context.operators.iter().next() else {
        let told = worst.map(|finding| finding.sentence.clone());
        let (text, tone) = match (told, denied(context, Kind::OperatorDeployment)) {
            (Some(told), _) => (
                format!("{} {told}", see.sign(state_sign(state))),
                state_tone(state),
            ),
            (None, Some(fault)) => (fault.message.clone(), Tone::Unknown),
            (None, None) if !context.has_listed(Kind::OperatorDeployment) => {
                ("the operator is being looked for".to_owned(), Tone::Syncing)
            }
            (None, None) => (
                "no operator, and no instance that would need one".to_owned(),
                Tone::Muted,
            ),
        };
        return Row::new(vec![name, Piece::new(text, tone)]).spanning();
    };
    let deployment = &held.value;
    let dash = || Piece::muted(see.sign(Glyph::Dash));
    let more = match context.operators.len() {
        0 | 1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let sign = see.sign(state_sign(state));
    // Neither its pods nor its Lease show that it has nothing to work on.
    let why = match worst {
        Some(finding) if finding.check == CRD_MISSING.id => "no CRD: ",
        _ => "",
    };
    let ready = format!("{}/{}", deployment.ready, deployment.replicas);
    let few = deployment.ready < deployment.replicas || deployment.replicas == 0;
    let (leads, lease) = leads(see, context);
    let transitions = newest(context).and_then(|lease| lease.transitions);
    Row::new(vec![
        name,
        Piece::new(
            format!(
                "{sign} {why}{}/{}{more}",
                deployment.meta.namespace, deployment.meta.name
            ),
            match state {
                State::Healthy => Tone::Text,
                state => state_tone(state),
            },
        ),
        Piece::new(ready, if few { Tone::Degraded } else { Tone::Text }),
        Piece::text(deployment.version().unwrap_or("unknown").to_owned()),
        leads,
        lease,
        transitions.map_or_else(dash, |n| Piece::muted(n.to_string())),
    ])
}

/// Who leads, and how its Lease stands.
fn leads(see: &See<'_>, context: &ContextWorld) -> (Piece, Piece) {
    match leader(context, see.limits, see.now) {
        Leader::Unknown => {
            let why = match denied(context, Kind::OperatorLease) {
                Some(fault) => fault.message.clone(),
                None if context.leases.is_empty() => "no Lease is there".to_owned(),
                None => "not known yet".to_owned(),
            };
            (
                Piece::new("unknown", Tone::Unknown),
                Piece::new(why, Tone::Unknown),
            )
        }
        Leader::Expired(held, at) => {
            // By its renewTime, as everything else tells it; what we saw counts where that says less than we know.
            let renewed = held
                .value
                .renewed
                .filter(|r| context.by_our_clock(*r) <= at);
            let words = match renewed {
                Some(renewed) => format!("not renewed for {}", see.age_in(context, renewed)),
                None => format!("seen not renewed for {}", see.age(at)),
            };
            (
                Piece::new("nobody", Tone::Degraded),
                Piece::new(words, Tone::Degraded),
            )
        }
        fresh @ Leader::Fresh(..) => {
            let pod = fresh.pod().unwrap_or_default();
            let tail = pod.rsplit_once('-').map_or(pod, |(_, tail)| tail);
            let ellipsis = see.sign(Glyph::Ellipsis);
            let renewed = newest(context).and_then(|lease| lease.renewed);
            let acquired = newest(context).and_then(|lease| lease.acquired);
            let mut words = match renewed {
                Some(at) => format!("renewed {} ago", see.age_in(context, at)),
                None => "held".to_owned(),
            };
            if let Some(at) = acquired {
                words.push_str(&format!(", for {}", see.age_in(context, at)));
            }
            (
                Piece::text(format!("{ellipsis}-{tail}")),
                Piece::muted(words),
            )
        }
    }
}

fn newest(context: &ContextWorld) -> Option<&crate::domain::object::Lease> {
    let newest = context.leases.iter().max_by_key(|held| held.value.renewed);
    newest.map(|held| &*held.value)
}
