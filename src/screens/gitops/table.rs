//! The objects that deliver, one a row.

use super::row::{LinkRow, kind};
use crate::domain::world::ContextWorld;
use crate::screens::parts::{Section, See, as_of};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row, draw};

/// Columns that may be scrolled away.
pub(super) const COLUMNS: usize = 9;

/// The pane, but for its rows.
pub(super) fn section<'a>(see: &See<'_>, names: Section<'a>, known: &[LinkRow]) -> Section<'a> {
    let mut columns = Vec::new();
    if see.world.shown_contexts().count() > 1 {
        columns.push(Column::new("context", "CONTEXT").width(7, 14).priority(4));
    }
    let longest = |names: &mut dyn Iterator<Item = String>| {
        let longest = names.map(|name| draw::width(&name)).max().unwrap_or(0);
        u16::try_from(longest).unwrap_or(u16::MAX)
    };
    columns.extend([
        Column::new("kind", "KIND").width(13, 18).priority(3),
        Column::new("name", "NAME")
            .width(12, 40)
            .holds(longest(&mut known.iter().map(place)))
            .firm(16)
            .cut_middle(),
        Column::new("ready", "STANDS").width(13, 14),
        Column::new("revision", "REVISION")
            .width(10, 24)
            .priority(2)
            .cut_middle(),
        Column::new("suspended", "SUSPENDED")
            .width(12, 26)
            .priority(1),
        Column::new("drift", "DRIFT").width(8, 8).priority(6),
        Column::new("since", "SINCE")
            .width(6, 6)
            .right()
            .priority(5),
        Column::new("delivers", "DELIVERS")
            .width(10, 30)
            .priority(7)
            .cut_middle(),
        Column::new("message", "MESSAGE")
            .width(16, 160)
            .priority(8)
            .fill(),
    ]);
    Section {
        leads: true,
        title: see.title_of("Delivery", names.len, known.len()),
        right: summary(see, known),
        columns,
        empty: empty(see, known.len()),
        ..names
    }
}

/// The name with its namespace.
fn place(row: &LinkRow) -> String {
    match row.namespace.as_str() {
        "" => row.object.clone(),
        namespace => format!("{namespace}/{}", row.object),
    }
}

/// `6 objects, 1 suspended, 2 ill`, and of when that is where a context is not followed.
fn summary(see: &See<'_>, known: &[LinkRow]) -> Vec<Piece> {
    let objects = match known.len() {
        1 => "1 object".to_owned(),
        n => format!("{n} objects"),
    };
    let suspended = known.iter().filter(|row| row.suspended.is_some()).count();
    let ill = known.iter().filter(|row| row.is_ill()).count();
    let mut pieces = vec![Piece::muted(format!(
        "{objects}, {suspended} suspended, {ill} ill"
    ))];
    let dark: Vec<&ContextWorld> = see
        .world
        .shown_contexts()
        .filter(|context| !context.is_live() && known.iter().any(|row| row.context == context.id))
        .collect();
    match dark.as_slice() {
        [] => {}
        [one] => {
            let age = as_of(see, one).into_iter();
            pieces
                .extend(age.map(|age| Piece::new(format!(", {} {}", one.id, age.text), age.tone)));
        }
        several => {
            let text = format!(", {} contexts not followed", several.len());
            pieces.push(Piece::new(text, Tone::Stale));
        }
    }
    pieces
}

fn empty(see: &See<'_>, all: usize) -> String {
    if all > 0 {
        return "nothing fits the filter".to_owned();
    }
    match see.world.shown_contexts().next() {
        None => see.hint.unwrap_or("no context is open").to_owned(),
        Some(_) => {
            "nothing here is delivered by Flux, and no ExternalSecret fills a Secret".to_owned()
        }
    }
}

/// The cells of a row.
pub(super) fn cells(see: &See<'_>, row: &LinkRow) -> Row {
    let dash = || Piece::muted(see.sign(Glyph::Dash));
    let some = |text: &str| match text.is_empty() {
        true => dash(),
        false => Piece::text(text.to_owned()),
    };
    let mut cells = Vec::new();
    if see.world.shown_contexts().count() > 1 {
        cells.push(Piece::muted(row.context.to_string()));
    }
    cells.extend([
        Piece::muted(kind(row.what)),
        Piece::text(place(row)),
        Piece::new(format!("{} {}", see.sign(row.sign), row.word), row.tone),
        match (&row.revision, &row.tried) {
            (Some(applied), Some(tried)) => {
                Piece::new(format!("{applied}, tried {tried}"), Tone::Degraded)
            }
            (None, Some(tried)) => Piece::new(format!("tried {tried}"), Tone::Degraded),
            (Some(applied), None) => Piece::text(applied.clone()),
            (None, None) => dash(),
        },
        match &row.suspended {
            None => dash(),
            Some(writer) => Piece::new(suspended(see, row, writer.as_ref()), Tone::Degraded),
        },
        match row.drift.as_deref() {
            None => dash(),
            Some("enabled") => Piece::text("enabled"),
            Some(mode) => Piece::muted(mode.to_owned()),
        },
        match (row.since, see.world.context(&row.context)) {
            (Some(at), Some(context)) => Piece::muted(see.age_in(context, at)),
            _ => dash(),
        },
        some(&row.delivers()),
        some(&row.message),
    ]);
    Row::new(cells).stale(row.is_stale)
}

/// `kubectl, 3h20m`.
fn suspended(
    see: &See<'_>,
    row: &LinkRow,
    writer: Option<&crate::domain::object::Writer>,
) -> String {
    let context = see.world.context(&row.context);
    let age = writer
        .and_then(|writer| writer.at)
        .zip(context)
        .map(|(at, context)| format!(", {}", see.age_in(context, at)))
        .unwrap_or_default();
    match writer.map(|writer| writer.manager.as_str()) {
        None | Some("") => format!("by nobody known{age}"),
        Some("kustomize-controller") => format!("in Git{age}"),
        Some(manager) => format!("{manager}{age}"),
    }
}
