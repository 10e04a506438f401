//! The claims, one a row.

use std::collections::{BTreeMap, BTreeSet};

use super::row::{StoreRow, Usage, is_full};
use crate::checks::stored::Age;
use crate::domain::world::ContextWorld;
use crate::domain::{ContextId, InstanceId, Kind, text};
use crate::screens::parts::{Section, See, as_of, denied};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row, draw};

/// Columns that may be scrolled away.
pub(super) const COLUMNS: usize = 10;

/// The pane, but for its rows.
pub(super) fn section<'a>(
    see: &See<'_>,
    names: Section<'a>,
    known: &BTreeMap<InstanceId, Vec<StoreRow>>,
) -> Section<'a> {
    let rows = || known.values().flatten();
    let several = see.world.shown_contexts().count() > 1;
    let drift = Column::new("drift", "DRIFT").width(5, 5).right();
    // A column of nothing takes no room from names.
    let drift = match rows().any(|row| !row.drift.is_empty()) {
        true => drift,
        false => drift.priority(1),
    };
    let mut columns = Vec::new();
    if several {
        columns.push(Column::new("context", "CONTEXT").width(7, 14).priority(6));
    }
    columns.extend([
        Column::new("instance", "INSTANCE")
            .width(12, 30)
            .holds(longest(known.keys().map(ToString::to_string)))
            .firm(18)
            .cut_middle(),
        // Pods of an instance differ at their ends alone.
        Column::new("pod", "POD")
            .width(10, 40)
            .holds(longest(rows().map(|row| row.pod.clone())))
            .firm(20)
            .cut_middle(),
        Column::new("state", "VOLUME").width(11, 18),
        Column::new("wanted", "WANTED")
            .width(8, 8)
            .right()
            .priority(2),
        Column::new("template", "TEMPLATE")
            .width(8, 8)
            .right()
            .priority(5),
        Column::new("asked", "ASKED")
            .width(8, 8)
            .right()
            .priority(4),
        Column::new("real", "REAL").width(8, 8).right().priority(1),
        // `100% 1023 MiB`.
        Column::new("used", "USED").width(13, 13).right(),
        Column::new("growth", "GROWTH")
            .width(10, 20)
            .right()
            .priority(6),
        Column::new("class", "CLASS").width(8, 24).priority(6),
        Column::new("schedule", "SNAPSHOTS")
            .width(12, 20)
            .priority(3),
        // `✖ save failed`.
        Column::new("saved", "LAST SAVE").width(13, 14),
        drift,
    ]);
    Section {
        leads: true,
        title: see.title_of("Storage", names.len, rows().count()),
        right: summary(see, known),
        columns,
        empty: empty(see, rows().count()),
        ..names
    }
}

fn longest(names: impl Iterator<Item = String>) -> u16 {
    let longest = names.map(|name| draw::width(&name)).max().unwrap_or(0);
    u16::try_from(longest).unwrap_or(u16::MAX)
}

/// `6 volumes, 2 pods without, 1 ill`, and of when that is where a context is not followed.
fn summary(see: &See<'_>, known: &BTreeMap<InstanceId, Vec<StoreRow>>) -> Vec<Piece> {
    let rows = || known.values().flatten();
    // Pods may share one.
    let volumes: BTreeSet<(&ContextId, &str, &str)> = known
        .iter()
        .flat_map(|(id, rows)| rows.iter().map(move |row| (id, row)))
        .filter_map(|(id, row)| Some((&id.context, &*id.namespace, row.claim.as_deref()?)))
        .collect();
    let mut text = match volumes.len() {
        1 => "1 volume".to_owned(),
        n => format!("{n} volumes"),
    };
    match rows().filter(|row| row.claim.is_none()).count() {
        0 => {}
        1 => text.push_str(", 1 pod without"),
        n => text.push_str(&format!(", {n} pods without")),
    }
    let ill = rows().filter(|row| row.is_ill()).count();
    text.push_str(&format!(", {ill} ill"));
    let mut pieces = vec![Piece::muted(text)];
    let dark: Vec<&ContextWorld> = see
        .world
        .shown_contexts()
        .filter(|context| !context.is_live() && known.keys().any(|id| id.context == context.id))
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
    let context = see.world.shown_contexts().next();
    match context.map(|context| (context, denied(context, Kind::Dragonfly))) {
        None => see.hint.unwrap_or("no context is open").to_owned(),
        Some((_, Some(fault))) => fault.message.clone(),
        Some((context, None)) if !context.has_listed(Kind::Dragonfly) && !context.is_live() => {
            format!("what is there is not known: {} is not followed", context.id)
        }
        Some((context, None)) if !context.has_listed(Kind::Dragonfly) => {
            "Dragonfly objects are being listed".to_owned()
        }
        Some(_) => "there is no instance".to_owned(),
    }
}

/// The cells of a row.
pub(super) fn cells(see: &See<'_>, id: &InstanceId, row: &StoreRow) -> Row {
    let dash = || Piece::muted(see.sign(Glyph::Dash));
    let size = |bytes: Option<u64>| bytes.map_or_else(dash, |b| Piece::text(text::bytes(b)));
    let differs =
        |one: Option<u64>, other: Option<u64>| one.zip(other).is_some_and(|(a, b)| a != b);
    let odd = |piece: Piece, odd: bool| match odd {
        true => Piece::new(piece.text, Tone::Degraded),
        false => piece,
    };
    let mut cells = Vec::new();
    if see.world.shown_contexts().count() > 1 {
        cells.push(Piece::muted(id.context.to_string()));
    }
    cells.extend([
        Piece::text(id.to_string()),
        match row.pod.as_str() {
            "" => Piece::new("no pod", Tone::Degraded),
            pod => Piece::text(pod),
        },
        state(see, row),
        size(row.wanted),
        odd(size(row.template), differs(row.wanted, row.template)),
        odd(size(row.asked), differs(row.template, row.asked)),
        odd(size(row.real), differs(row.asked, row.real)),
        used(see, row),
        growth(see, row),
        row.class.clone().map_or_else(dash, |class| {
            Piece::new(
                class,
                if row.class_is_odd {
                    Tone::Degraded
                } else {
                    Tone::Muted
                },
            )
        }),
        row.snapshots.schedule.clone().map_or_else(dash, |cron| {
            odd(Piece::muted(cron), !row.snapshots.strays.is_empty())
        }),
        saved(see, row),
        match row.drift.len() {
            0 => dash(),
            n => Piece::new(format!("{} {n}", see.sign(Glyph::Warning)), Tone::Degraded),
        },
    ]);
    Row::new(cells).stale(row.is_stale)
}

fn state(see: &See<'_>, row: &StoreRow) -> Piece {
    let (mut sign, word, tone) = match (&row.claim, row.phase.as_deref(), &row.resizing) {
        (None, ..) => (Glyph::Dot, "none", Tone::Muted),
        (Some(_), None, _) => (Glyph::Unknown, "not there", Tone::Degraded),
        (_, Some("bound"), Some(_)) => (Glyph::Syncing, "resizing", Tone::Syncing),
        (_, Some("bound"), None) if row.is_shared => (Glyph::Healthy, "shared", Tone::Healthy),
        (_, Some("bound"), None) => (Glyph::Healthy, "bound", Tone::Healthy),
        (_, Some("pending"), _) => (Glyph::Warning, "pending", Tone::Degraded),
        (_, Some(""), _) => (Glyph::Unknown, "unknown", Tone::Unknown),
        (_, Some(phase), _) => (Glyph::Broken, phase, Tone::Broken),
    };
    // As of before the connection was lost.
    if row.is_stale && sign == Glyph::Healthy {
        sign = Glyph::Unknown;
    }
    let text = match &row.claim {
        // Instances with tiering have two claims a pod.
        Some(claim) if claim.starts_with("tiering-") => format!("{word} (tier)"),
        _ => word.to_owned(),
    };
    Piece::new(format!("{} {text}", see.sign(sign)), tone)
}

fn used(see: &See<'_>, row: &StoreRow) -> Piece {
    match &row.usage {
        Usage::None => Piece::muted(see.sign(Glyph::Dash)),
        Usage::Unknown(_) => Piece::new("?", Tone::Unknown),
        Usage::Known {
            used,
            capacity: Some(capacity),
            ..
        } if *capacity > 0 => {
            let percent = u128::from(*used) * 100 / u128::from(*capacity);
            let tone = if is_full(*used, *capacity) {
                Tone::Broken
            } else {
                Tone::Text
            };
            Piece::new(format!("{percent}% {}", text::bytes(*used)), tone)
        }
        Usage::Known { used, .. } => Piece::text(text::bytes(*used)),
    }
}

/// How much it grew while we look; what came before nobody tells.
pub(super) fn growth(see: &See<'_>, row: &StoreRow) -> Piece {
    let dash = Piece::muted(see.sign(Glyph::Dash));
    let Usage::Known {
        used,
        at,
        first: Some((before, since)),
        ..
    } = &row.usage
    else {
        return dash;
    };
    let seconds = at.as_second().saturating_sub(since.as_second());
    if seconds < 30 {
        return dash;
    }
    let by = text::bytes(used.abs_diff(*before));
    let sign = if used < before { "-" } else { "+" };
    Piece::muted(format!("{sign}{by} in {}", text::age_of(seconds)))
}

fn saved(see: &See<'_>, row: &StoreRow) -> Piece {
    let snapshots = &row.snapshots;
    if snapshots.failure.is_some() {
        let sign = see.sign(Glyph::Broken);
        return Piece::new(format!("{sign} save failed"), Tone::Broken);
    }
    let (sign, tone) = match &snapshots.age {
        Age::MissedTwice => (Glyph::Broken, Tone::Broken),
        Age::Missed | Age::Unreadable(_) => (Glyph::Warning, Tone::Degraded),
        Age::Unknown => return Piece::new("?", Tone::Unknown),
        Age::Elsewhere => return Piece::muted("on master"),
        Age::Good if row.is_stale => (Glyph::Unknown, Tone::Unknown),
        Age::Good => (Glyph::Healthy, Tone::Healthy),
        Age::Young => (Glyph::Dot, Tone::Muted),
        Age::Unscheduled => (Glyph::Dot, Tone::Muted),
    };
    let text = match snapshots.last {
        Some(at) => format!("{} ago", see.age(at)),
        None => "never".to_owned(),
    };
    Piece::new(format!("{} {text}", see.sign(sign)), tone)
}
