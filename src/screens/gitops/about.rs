//! Everything about the selected object, in sentences: how it stands, who suspended it, its conditions.

use super::row::LinkRow;
use crate::checks::flux;
use crate::screens::parts::{Section, See, as_of};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row, draw};

/// The pane.
pub(super) fn section<'a>(see: &See<'_>, row: Option<&LinkRow>, width: u16) -> Section<'a> {
    let Some(row) = row else {
        return Section {
            headless: true,
            empty: "nothing is selected".to_owned(),
            ..Section::of("about", "About", Vec::new())
        };
    };
    // The marker, the sign and a blank take columns; the last one stays free.
    let room = usize::from(width.saturating_sub(5)).max(20);
    let rows = lines(see, row)
        .into_iter()
        .flat_map(|(sign, tone, text)| {
            let parts = draw::wrap(&text, room);
            parts.into_iter().enumerate().map(move |(at, part)| {
                let sign = if at == 0 { see.sign(sign) } else { " " };
                (tone, format!("{sign} {part}"))
            })
        })
        .enumerate()
        .map(|(at, (tone, text))| {
            let line = Row::new(vec![Piece::new(text, tone)]).stale(row.is_stale);
            (at.to_string(), line)
        })
        .collect();
    let context = see.world.context(&row.context);
    Section {
        right: context
            .map(|context| as_of(see, context))
            .unwrap_or_default(),
        columns: vec![Column::new("text", "").width(20, 220).fill()],
        headless: true,
        ..Section::of("about", row.called(), rows)
    }
}

/// The same as text for a ticket.
pub(super) fn text(see: &See<'_>, row: &LinkRow) -> String {
    let head = format!("{} in {} at {}\n", row.called(), row.context, see.now);
    let lines = lines(see, row)
        .into_iter()
        .map(|(.., text)| format!("{text}\n"));
    std::iter::once(head).chain(lines).collect()
}

fn lines(see: &See<'_>, row: &LinkRow) -> Vec<(Glyph, Tone, String)> {
    let plain = |text: String| (Glyph::Dot, Tone::Text, text);
    let stands = match row.message.is_empty() {
        true => format!("it is {}", row.word),
        false => format!("it is {}: {}", row.word, row.message),
    };
    let mut lines = vec![(row.sign, row.tone, stands)];
    let delivers = row.delivers();
    if !delivers.is_empty() {
        lines.push(plain(format!("of it come: {delivers}")));
    }
    if let Some(writer) = &row.suspended {
        let by = flux::by_whom(writer.as_ref());
        let context = see.world.context(&row.context);
        let at = writer.as_ref().and_then(|writer| writer.at);
        let since = at.zip(context).map_or(String::new(), |(at, context)| {
            format!(" {} ago, at {at}", see.age_in(context, at))
        });
        lines.push((
            Glyph::Warning,
            Tone::Degraded,
            format!(
                "it was suspended {by}{since}: what is changed in Git does not arrive, and what is changed by hand is not put back"
            ),
        ));
    }
    match (&row.revision, &row.tried) {
        (applied, Some(tried)) => lines.push((
            Glyph::Warning,
            Tone::Degraded,
            format!(
                "it tried {tried} last, and {} is applied",
                applied.as_deref().unwrap_or("nothing")
            ),
        )),
        (Some(applied), None) => lines.push(plain(format!("its revision is {applied}"))),
        (None, None) => {}
    }
    match row.drift.as_deref() {
        None => {}
        Some("enabled") => lines.push(plain(
            "drift detection is enabled: what is changed by hand is put back within its interval, also an operator that is scaled \
             down"
                .to_owned(),
        )),
        Some(mode) => lines.push(plain(format!(
            "drift detection is {mode}: what is changed by hand stays until the release changes"
        ))),
    }
    lines.extend(row.remarks.iter().cloned().map(plain));
    for condition in &row.conditions {
        let is_bad = matches!(
            (condition.name.as_str(), condition.status.as_str()),
            ("Stalled" | "FetchFailed", "True") | ("Ready" | "Healthy" | "Released", "False")
        );
        let (sign, tone) = match is_bad {
            true => (Glyph::Broken, Tone::Broken),
            false => (Glyph::Dot, Tone::Muted),
        };
        let context = see.world.context(&row.context);
        let since = condition
            .since
            .zip(context)
            .map_or(String::new(), |(at, context)| {
                format!(" for {}", see.age_in(context, at))
            });
        let said: Vec<&str> = [condition.reason.as_str(), condition.message.as_str()]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect();
        lines.push((
            sign,
            tone,
            format!(
                "condition {} is {}{since}: {}",
                condition.name,
                condition.status,
                said.join(": ")
            ),
        ));
    }
    lines
}
