//! Claims with their wanted and real sizes, disruption budgets, network policies and the snapshot schedule.

use crate::domain::object::{NetworkPolicy, Pdb, Pvc};
use crate::domain::{InstanceView, Kind, text};
use crate::screens::parts::See;
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row};

/// The columns, from left to right.
pub(super) fn columns() -> Vec<Column> {
    vec![
        Column::new("object", "OBJECT")
            .width(22, 60)
            .firm(30)
            .cut_middle()
            .pinned(),
        Column::new("state", "STATE").width(10, 26),
        Column::new("wanted", "WANTED").width(9, 9).right(),
        Column::new("real", "REAL").width(9, 9).right(),
        Column::new("class", "CLASS").width(8, 24).priority(2),
        Column::new("age", "AGE").width(6, 6).right().priority(3),
    ]
}

/// One line: its name for the selection, the kind as kubectl spells it (`None` for a sentence), and its cells.
pub(super) struct Line {
    pub name: String,
    pub kind: Option<&'static str>,
    pub row: Row,
}

/// Every line.
pub(super) fn lines(see: &See<'_>, view: &InstanceView<'_>) -> Vec<Line> {
    let stale = !view.context.is_live();
    let mut lines: Vec<Line> = view
        .pvcs
        .iter()
        .map(|held| Line {
            name: held.value.meta.name.to_string(),
            kind: Some("pvc"),
            row: claim(see, view, &held.value).stale(stale),
        })
        .collect();
    lines.extend(view.pdbs.iter().map(|held| Line {
        name: held.value.meta.name.to_string(),
        kind: Some("pdb"),
        row: budget(see, view, &held.value).stale(stale),
    }));
    lines.extend(view.policies.iter().map(|held| Line {
        name: held.value.meta.name.to_string(),
        kind: Some("networkpolicy"),
        row: policy(see, view, &held.value).stale(stale),
    }));
    // A right that is missing takes its lines away, and says so.
    let snapshot = view.dragonfly.value.snapshot.as_ref();
    let names_claim = snapshot.is_some_and(|snapshot| snapshot.existing_claim.is_some());
    let unread = [Kind::Pvc, Kind::ExistingPvc, Kind::Pdb, Kind::NetworkPolicy]
        .into_iter()
        .filter(|kind| names_claim || *kind != Kind::ExistingPvc)
        .filter_map(|kind| Some((kind, super::unread(view, kind)?)));
    lines.extend(unread.map(|(kind, why)| Line {
        name: kind.words().to_owned(),
        kind: None,
        row: Row::new(vec![Piece::muted(why)]).spanning(),
    }));
    lines
}

fn claim(see: &See<'_>, view: &InstanceView<'_>, pvc: &Pvc) -> Row {
    let dash = || Piece::muted(see.sign(Glyph::Dash));
    let size = |bytes: Option<u64>| bytes.map(text::bytes);
    let resizing = pvc.conditions.iter().find(|c| c.status == "True");
    let (state, tone) = match (pvc.phase.as_str(), resizing) {
        ("Bound", Some(condition)) => (spaced(&condition.name), Tone::Syncing),
        ("Bound", None) => ("bound".to_owned(), Tone::Healthy),
        ("Pending", _) => ("pending".to_owned(), Tone::Degraded),
        ("", _) => ("unknown".to_owned(), Tone::Unknown),
        (phase, _) => (phase.to_lowercase(), Tone::Broken),
    };
    let small = matches!((pvc.requested, pvc.capacity), (Some(w), Some(r)) if r < w);
    let real = size(pvc.capacity).map_or_else(dash, |size| {
        Piece::new(size, if small { Tone::Degraded } else { Tone::Text })
    });
    Row::new(vec![
        Piece::text(format!("PVC {}", pvc.meta.name)),
        Piece::new(state, tone),
        size(pvc.requested).map_or_else(dash, Piece::text),
        real,
        pvc.class.clone().map_or_else(dash, Piece::muted),
        pvc.meta
            .created
            .map_or_else(dash, |at| Piece::muted(see.age_in(view.context, at))),
    ])
}

/// How many more pods an eviction may take.
fn budget(see: &See<'_>, view: &InstanceView<'_>, pdb: &Pdb) -> Row {
    let tone = if pdb.allowed > 0 {
        Tone::Healthy
    } else {
        Tone::Degraded
    };
    let rule = match (&pdb.min_available, &pdb.max_unavailable) {
        (Some(min), _) => format!("min {min}"),
        (None, Some(max)) => format!("max {max} out"),
        (None, None) => String::new(),
    };
    let created = pdb.meta.created;
    let age = created
        .map(|at| see.age_in(view.context, at))
        .unwrap_or_default();
    Row::new(vec![
        Piece::text(format!("PDB {}", pdb.meta.name)),
        Piece::new(format!("may lose {}", pdb.allowed), tone),
        Piece::text(format!("{} well", pdb.desired)),
        Piece::text(format!("{} well", pdb.healthy)),
        Piece::muted(rule),
        Piece::muted(age),
    ])
}

fn policy(see: &See<'_>, view: &InstanceView<'_>, policy: &NetworkPolicy) -> Row {
    let state = match policy.ingress_rules {
        None => "does not limit ingress".to_owned(),
        Some(0) => "denies all ingress".to_owned(),
        Some(1) => "1 ingress rule".to_owned(),
        Some(n) => format!("{n} ingress rules"),
    };
    let age = policy.meta.created.map(|at| see.age_in(view.context, at));
    Row::new(vec![
        Piece::text(format!("NetworkPolicy {}", policy.meta.name)),
        Piece::text(state),
        Piece::default(),
        Piece::default(),
        Piece::default(),
        Piece::muted(age.unwrap_or_default()),
    ])
}

/// `FileSystemResizePending` as words.
fn spaced(name: &str) -> String {
    let mut words = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(c.to_lowercase());
    }
    words
}
