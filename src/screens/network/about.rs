//! Everything about the selected connection: both sides, what decides on each, and what nearly would.

use super::ways;
use crate::checks::reach::matrix::Way;
use crate::domain::reach::{Outcome, Side};
use crate::domain::text;
use crate::screens::parts::{Section, See};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row, draw};

/// The pane.
pub(super) fn section<'a>(see: &See<'_>, way: Option<&Way>, width: u16) -> Section<'a> {
    let Some(way) = way else {
        return Section {
            headless: true,
            empty: "nothing is selected".to_owned(),
            ..Section::of("policy", "Decided by", Vec::new())
        };
    };
    // The marker, the sign and a blank take columns; the last one stays free.
    let room = usize::from(width.saturating_sub(5)).max(20);
    let rows = lines(way)
        .into_iter()
        .flat_map(|(sign, tone, text)| {
            let parts = draw::wrap(&text, room);
            parts.into_iter().enumerate().map(move |(at, part)| {
                let sign = if at == 0 { see.sign(sign) } else { " " };
                (tone, format!("{sign} {part}"))
            })
        })
        .enumerate()
        .map(|(at, (tone, text))| (at.to_string(), Row::new(vec![Piece::new(text, tone)])))
        .collect();
    let title = format!("{} to {} on {}", way.from, way.to, ways::port(way));
    Section {
        columns: vec![Column::new("text", "").width(20, 200).fill()],
        headless: true,
        ..Section::of("policy", title, rows)
    }
}

/// The same as text for a ticket.
pub(super) fn text(way: &Way) -> String {
    let head = format!("{}\n", ways::name(way));
    let lines = lines(way).into_iter().map(|(.., text)| format!("{text}\n"));
    std::iter::once(head).chain(lines).collect()
}

fn lines(way: &Way) -> Vec<(Glyph, Tone, String)> {
    let expected = match way.expected {
        Some(true) => "it is expected to pass",
        Some(false) => "it is expected not to pass",
        None => "nothing is expected of it",
    };
    let outcome = way.predicted.outcome();
    let predicted = match outcome {
        Outcome::Allowed => "policies let it pass",
        Outcome::Denied => "policies do not let it pass",
        Outcome::Unknown => "whether policies let it pass cannot be told",
    };
    let (sign, tone) = match (ways::is_ill(way), outcome) {
        (true, _) => (Glyph::Broken, Tone::Broken),
        (false, Outcome::Unknown) => (Glyph::Unknown, Tone::Unknown),
        (false, _) => (Glyph::Dot, Tone::Text),
    };
    let seen = match way.clients {
        None => "nobody has tried it".to_owned(),
        Some(0) => "none of its clients is connected".to_owned(),
        Some(1) => "1 of its clients is connected".to_owned(),
        Some(n) => format!("{} of its clients are connected", text::count(n)),
    };
    let told = match way.is_intruded() {
        true => format!("it must not pass, and {seen} now; {predicted}"),
        false => format!("{expected}; {predicted}; {seen}"),
    };
    let mut lines = vec![(sign, tone, told)];
    if way.is_intruded() && outcome == Outcome::Denied {
        let why =
            "a connection that was open before a policy came stays open until one side closes it";
        lines.push((Glyph::Dot, Tone::Muted, why.to_owned()));
    }
    for side in [&way.predicted.egress, &way.predicted.ingress] {
        // There are no policies outside of the clusters.
        if !side.context.as_str().is_empty() {
            side_lines(side, &mut lines);
        }
    }
    lines
}

fn side_lines(side: &Side, lines: &mut Vec<(Glyph, Tone, String)>) {
    let (sign, tone) = match side.outcome {
        Outcome::Allowed => (Glyph::Dot, Tone::Text),
        Outcome::Unknown => (Glyph::Unknown, Tone::Unknown),
        Outcome::Denied => (Glyph::Warning, Tone::Degraded),
    };
    lines.push((sign, tone, side.words()));
    if side.outcome != Outcome::Allowed {
        for (rule, why) in &side.near {
            let text = format!("{rule} does not admit it: {why}");
            lines.push((Glyph::Dot, Tone::Muted, text));
        }
    }
    for note in &side.notes {
        lines.push((Glyph::Dot, Tone::Muted, note.clone()));
    }
}
