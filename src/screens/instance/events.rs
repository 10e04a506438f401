//! Events about the instance and what belongs to it, newest first.

use crate::domain::InstanceView;
use crate::domain::object::Event;
use crate::domain::world::Held;
use crate::screens::parts::See;
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row};

/// The columns, from left to right.
pub(super) fn columns() -> Vec<Column> {
    vec![
        Column::new("age", "AGE").width(6, 6).right(),
        Column::new("reason", "REASON").width(12, 30),
        Column::new("about", "ABOUT")
            .width(12, 44)
            .cut_middle()
            .priority(1),
        Column::new("note", "NOTE").width(20, 40).fill(),
        Column::new("count", "TIMES")
            .width(5, 5)
            .right()
            .priority(3),
        Column::new("source", "FROM").width(10, 30).priority(4),
    ]
}

/// The cells of an event, in the order of [`columns`].
pub(super) fn cells(
    see: &See<'_>,
    view: &InstanceView<'_>,
    held: &Held<Event>,
    stale: bool,
) -> Row {
    let event = &held.value;
    // An event without a time is as old as we have known it.
    let told = event.at.or(event.meta.created);
    let age = match told {
        Some(at) => see.age_in(view.context, at),
        None => see.age(held.first_seen),
    };
    let (sign, tone) = match event.warning {
        true => (Glyph::Warning, Tone::Degraded),
        false => (Glyph::Dot, Tone::Muted),
    };
    let count = match event.count {
        0 | 1 => String::new(),
        n => n.to_string(),
    };
    Row::new(vec![
        Piece::muted(age),
        Piece::new(format!("{} {}", see.sign(sign), event.reason), tone),
        Piece::text(format!(
            "{} {}",
            event.about_kind.to_lowercase(),
            event.about_name
        )),
        Piece::text(crate::domain::text::one_line(&event.note)),
        Piece::muted(count),
        Piece::muted(event.source.clone()),
    ])
    .stale(stale)
}
