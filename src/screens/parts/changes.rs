//! What changed, as rows: when, how well that is known, where, what, and who tells it.

use crate::domain::timeline::{Change, Precision, Sort};
use crate::screens::parts::See;
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row};

/// What is said when nothing is known to have changed.
pub const NOTHING: &str = "nothing is known to have changed";

/// The columns, from left to right.
pub fn columns() -> Vec<Column> {
    vec![
        Column::new("age", "AGE").width(6, 6).right(),
        Column::new("known", "KNOWN").width(7, 7).priority(2),
        Column::new("pod", "NODE")
            .width(8, 40)
            .firm(14)
            .cut_middle()
            .priority(1),
        Column::new("what", "WHAT CHANGED").width(20, 60).fill(),
        Column::new("source", "TOLD BY").width(10, 24).priority(3),
    ]
}

/// The name of a change, by which a selection is kept.
pub fn name(change: &Change) -> String {
    format!("{} {} {}", change.at, change.source, change.words())
}

/// The cells of a change, in the order of [`columns`].
pub fn cells(see: &See<'_>, change: &Change) -> Row {
    let (sign, tone) = match change.sort {
        Sort::Role => (Glyph::Right, Tone::Master),
        Sort::Data => (Glyph::Warning, Tone::Degraded),
        Sort::End => (Glyph::Cut, Tone::Degraded),
        Sort::Begin => (Glyph::Dot, Tone::Text),
        Sort::Rollout | Sort::Operator => (Glyph::Dot, Tone::Muted),
    };
    let known = match change.precision {
        Precision::Exactly => Piece::muted(change.precision.word()),
        // Only our own watching vouches for it.
        Precision::Seen => Piece::new(change.precision.word(), Tone::Unknown),
    };
    Row::new(vec![
        Piece::muted(see.age(change.at)),
        known,
        Piece::text(change.pod.as_deref().unwrap_or_default()),
        Piece::new(format!("{} {}", see.sign(sign), change.text), tone),
        Piece::muted(change.source),
    ])
}

/// A change in full: rows cut long sentences.
pub fn in_full(see: &See<'_>, change: &Change) -> String {
    format!(
        "{} ago, {}: {} (told by {})",
        see.age(change.at),
        change.precision.word(),
        change.words(),
        change.source
    )
}
