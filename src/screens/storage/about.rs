//! Everything about the selected claim, in sentences.

use super::row::{StoreRow, Usage};
use super::table;
use crate::checks::stored::Age;
use crate::domain::{InstanceId, text};
use crate::screens::parts::{Section, See, as_of};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row, draw};

/// The pane.
pub(super) fn section<'a>(
    see: &See<'_>,
    chosen: Option<(&InstanceId, &StoreRow)>,
    width: u16,
) -> Section<'a> {
    let Some((id, row)) = chosen else {
        return Section {
            headless: true,
            empty: "nothing is selected".to_owned(),
            ..Section::of("about", "About", Vec::new())
        };
    };
    let mut lines: Vec<(Glyph, Tone, String)> = Vec::new();
    let drift = row.drift.iter();
    lines.extend(drift.map(|one| (Glyph::Warning, Tone::Degraded, one.clone())));
    lines.extend(volume(row));
    lines.extend(usage(see, row));
    lines.extend(snapshots(see, row));
    // The marker, the sign and a blank take columns; the last one stays free.
    let room = usize::from(width.saturating_sub(5)).max(20);
    let rows = lines
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
            let row = Row::new(vec![Piece::new(text, tone)]).stale(row.is_stale);
            (at.to_string(), row)
        })
        .collect();
    let title = match (row.pod.as_str(), &row.claim) {
        ("", Some(claim)) => format!("{id}: {claim}"),
        (pod, Some(claim)) => format!("{id}: {claim} of {pod}"),
        (pod, None) => format!("{id}: {pod}"),
    };
    let context = see.world.context(&id.context);
    Section {
        right: context
            .map(|context| as_of(see, context))
            .unwrap_or_default(),
        columns: vec![Column::new("text", "").width(20, 200).fill()],
        headless: true,
        ..Section::of("about", title, rows)
    }
}

type Line = (Glyph, Tone, String);

fn volume(row: &StoreRow) -> Vec<Line> {
    let Some(claim) = &row.claim else {
        let text = match &row.directory {
            Some(dir) if dir.starts_with("s3://") => {
                format!(
                    "no volume: snapshots go to {dir}, and what is not in one lives as long as its pod"
                )
            }
            _ => "no volume: what it holds lives as long as its pod".to_owned(),
        };
        return vec![(Glyph::Dot, Tone::Muted, text)];
    };
    let size = |bytes: Option<u64>| bytes.map_or("an unknown size".to_owned(), text::bytes);
    let mut lines = Vec::new();
    if row.is_shared {
        lines.push((
            Glyph::Dot,
            Tone::Text,
            "all pods mount this one claim (existingPersistentVolumeClaimName)".to_owned(),
        ));
    } else if row.wanted.is_some() || row.template.is_some() {
        lines.push((
            Glyph::Dot,
            Tone::Text,
            format!(
                "the Dragonfly object wants {}, the StatefulSet's template says {}",
                row.wanted.map_or("none".to_owned(), text::bytes),
                row.template.map_or("nothing".to_owned(), text::bytes)
            ),
        ));
    }
    if let Some(phase) = &row.phase {
        let class = match &row.class {
            Some(class) => format!(", StorageClass {class}, {}", row.class_words),
            None => ", of no StorageClass".to_owned(),
        };
        let on = match &row.volume {
            Some(volume) => format!(" to {volume}"),
            None => String::new(),
        };
        lines.push((
            Glyph::Dot,
            Tone::Text,
            format!(
                "PVC {claim} is {phase}{on}, asks for {}, has {}{class}",
                size(row.asked),
                size(row.real)
            ),
        ));
    }
    lines
}

fn usage(see: &See<'_>, row: &StoreRow) -> Vec<Line> {
    match &row.usage {
        Usage::None => Vec::new(),
        Usage::Unknown(why) => vec![(
            Glyph::Unknown,
            Tone::Unknown,
            format!("how full it is, is not known: {why}"),
        )],
        Usage::Known {
            used, capacity, at, ..
        } => {
            let of = capacity
                .map(|bytes| format!(" of {}", text::bytes(bytes)))
                .unwrap_or_default();
            let growth = table::growth(see, row).text;
            let growth = match growth.contains(" in ") {
                true => format!(", {growth}"),
                false => ", how fast it grows is not known yet".to_owned(),
            };
            vec![(
                Glyph::Dot,
                Tone::Text,
                format!(
                    "{}{of} used{growth}; measured by its kubelet, read {} ago",
                    text::bytes(*used),
                    see.age(*at)
                ),
            )]
        }
    }
}

fn snapshots(see: &See<'_>, row: &StoreRow) -> Vec<Line> {
    let told = &row.snapshots;
    let mut lines = Vec::new();
    if let Some((at, error)) = &told.failure {
        let error = match error.as_str() {
            "" => "no reason is told",
            error => error,
        };
        lines.push((
            Glyph::Broken,
            Tone::Broken,
            format!("the last save failed {} ago: {error}", see.age(*at)),
        ));
    }
    if !told.strays.is_empty() {
        lines.push((Glyph::Warning, Tone::Degraded, told.strays.clone()));
    } else if told.engine.is_none() && told.schedule.is_some() && row.claim.is_some() {
        let text = "whether the engine itself has this schedule (CONFIG GET snapshot_cron) it has not told";
        lines.push((Glyph::Unknown, Tone::Muted, text.to_owned()));
    }
    let last = match told.last {
        Some(at) => format!("last saved {} ago to {}", see.age(at), told.file),
        None => "not saved since its process started".to_owned(),
    };
    let next = told
        .next
        .and_then(|at| see.until(at))
        .map(|left| format!(", next in {left}"))
        .unwrap_or_default();
    let cron = told.schedule.as_deref().unwrap_or_default();
    lines.push(match &told.age {
        Age::Unscheduled => (
            Glyph::Dot,
            Tone::Muted,
            format!("no snapshots are scheduled; {last}"),
        ),
        Age::Unreadable(why) => (
            Glyph::Warning,
            Tone::Degraded,
            format!("the schedule `{cron}` cannot be read: {why}; {last}"),
        ),
        Age::Elsewhere => (
            Glyph::Dot,
            Tone::Muted,
            format!("snapshots {cron} (UTC) are made on the master only; {last}"),
        ),
        Age::Unknown => (
            Glyph::Unknown,
            Tone::Unknown,
            format!("snapshots {cron} (UTC){next}; the engine has not told when it last saved"),
        ),
        Age::Young => (
            Glyph::Dot,
            Tone::Text,
            format!("snapshots {cron} (UTC){next}; none was due since its process started"),
        ),
        Age::Good => (
            Glyph::Healthy,
            Tone::Text,
            match told.by_schedule {
                Some(false) => format!(
                    "snapshots {cron} (UTC){next}; {last}, off its schedule, of which none was missed"
                ),
                _ => format!("snapshots {cron} (UTC){next}; {last}, as scheduled"),
            },
        ),
        Age::Missed => (
            Glyph::Warning,
            Tone::Degraded,
            format!("snapshots {cron} (UTC){next}; {last}: the last one that was due is missing"),
        ),
        Age::MissedTwice => (
            Glyph::Broken,
            Tone::Broken,
            format!("snapshots {cron} (UTC){next}; {last}: two or more that were due are missing"),
        ),
    });
    if row.piles_up {
        let text = "every save writes a new file and none is ever deleted, unless --dbfilename is a fixed name (op#179)";
        lines.push((Glyph::Warning, Tone::Muted, text.to_owned()));
    }
    lines
}
