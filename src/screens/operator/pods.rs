//! Its pods: state, restarts, how the run before this one ended, and which of them leads.

use crate::checks::leader::leader;
use crate::domain::Kind;
use crate::domain::object::{Container, ContainerState, Pod};
use crate::domain::world::{ContextWorld, Held};
use crate::screens::parts::{Section, See, as_of, denied};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row};

/// The pane.
pub(super) fn section<'a>(see: &See<'_>, context: &ContextWorld) -> Section<'a> {
    let leader = leader(context, see.limits, see.now);
    let leads = leader.pod();
    let rows: Vec<(String, Row)> = context
        .operator_pods
        .iter()
        .map(|held| {
            let name = held.value.meta.name.to_string();
            let leads = leads == Some(name.as_str());
            (
                name,
                row(see, context, held, leads).stale(!context.is_live()),
            )
        })
        .collect();
    Section {
        right: as_of(see, context),
        columns: vec![
            Column::new("pod", "POD").width(20, 60).fill().cut_middle(),
            Column::new("state", "STATE").width(18, 22),
            Column::new("leads", "LEADS").width(5, 5),
            Column::new("restarts", "RESTARTS").width(8, 8).right(),
            Column::new("end", "LAST END").width(26, 34).priority(1),
            Column::new("machine", "NODE").width(8, 20).priority(3),
            Column::new("age", "AGE").width(6, 6).right().priority(2),
        ],
        empty: match denied(context, Kind::OperatorPod) {
            Some(fault) => format!("{}: {}", Kind::OperatorPod.words(), fault.message),
            None if !context.has_listed(Kind::OperatorPod) => {
                "operator pods: not listed yet".to_owned()
            }
            None => "it has no pod".to_owned(),
        },
        ..Section::of("pods", "Pods", rows)
    }
}

fn row(see: &See<'_>, context: &ContextWorld, held: &Held<Pod>, leads: bool) -> Row {
    let pod = &held.value;
    let (sign, word, tone) = match (state(pod), context.is_live()) {
        (now, true) => now,
        // Nobody vouches for it any more.
        ((_, word, _), false) => (Glyph::Unknown, format!("was {word}"), Tone::Unknown),
    };
    let restarts = pod.restarts();
    let dash = || Piece::muted(see.sign(Glyph::Dash));
    let end = pod
        .containers
        .iter()
        .filter_map(|one| Some((one, one.last_end.as_ref()?)))
        .max_by_key(|(_, end)| end.at);
    let end = end.map(|(container, end)| {
        let ago = end
            .at
            .map(|at| format!(", {} ago", see.age_in(context, at)))
            .unwrap_or_default();
        let which = match container.name.as_str() {
            "manager" | "" => String::new(),
            name => format!("{name}: "),
        };
        Piece::new(
            format!("{which}{} (exit {}){ago}", end.reason, end.exit),
            if end.exit == 0 {
                Tone::Text
            } else {
                Tone::Degraded
            },
        )
    });
    Row::new(vec![
        Piece::text(pod.meta.name.to_string()),
        Piece::new(format!("{} {word}", see.sign(sign)), tone),
        match (leads, context.is_live()) {
            (true, true) => Piece::new("leads", Tone::Master),
            (true, false) => Piece::new("led", Tone::Unknown),
            (false, _) => Piece::default(),
        },
        Piece::new(
            restarts.to_string(),
            if restarts > 0 {
                Tone::Degraded
            } else {
                Tone::Text
            },
        ),
        end.unwrap_or_else(dash),
        Piece::muted(pod.machine.clone().unwrap_or_default()),
        pod.meta
            .created
            .map_or_else(dash, |at| Piece::muted(see.age_in(context, at))),
    ])
}

fn state(pod: &Pod) -> (Glyph, String, Tone) {
    if pod.meta.deleting.is_some() {
        return (Glyph::Syncing, "being deleted".to_owned(), Tone::Syncing);
    }
    if pod.is_ready() {
        return (Glyph::Healthy, "ready".to_owned(), Tone::Healthy);
    }
    let waits = |one: &Container| match &one.state {
        ContainerState::Waiting { reason, .. } if !reason.is_empty() => Some(reason.clone()),
        _ => None,
    };
    match pod.containers.iter().find_map(waits) {
        Some(reason) => (Glyph::Broken, reason, Tone::Broken),
        None if pod.phase == "Running" || pod.phase.is_empty() => {
            (Glyph::Warning, "not ready".to_owned(), Tone::Degraded)
        }
        None => (Glyph::Warning, pod.phase.to_lowercase(), Tone::Degraded),
    }
}
