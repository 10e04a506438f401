//! The rows: alerts, and rules.

use crate::checks::acceptance::{Fires, Watch, WatchRule};
use crate::domain::ContextId;
use crate::domain::monitoring::StoreAlert;
use crate::screens::parts::{Section, See};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row};

/// Columns that may be scrolled away.
pub(super) const COLUMNS: usize = 6;

/// The pane of alerts, but for its rows.
pub(super) fn alerts<'a>(
    see: &See<'_>,
    several: bool,
    known: &[(ContextId, Watch)],
    shown: usize,
) -> Section<'a> {
    let mut columns = Vec::new();
    if several {
        columns.push(Column::new("context", "CONTEXT").width(7, 14).priority(4));
    }
    columns.extend([
        Column::new("state", "STATE").width(9, 9),
        Column::new("severity", "SEVERITY").width(8, 10),
        Column::new("alert", "ALERT").width(16, 40),
        Column::new("where", "WHERE").width(12, 40).cut_middle(),
        Column::new("since", "SINCE")
            .width(6, 8)
            .right()
            .priority(1),
        Column::new("runbook", "RUNBOOK")
            .width(12, 80)
            .priority(3)
            .fill(),
    ]);
    let all = || known.iter().flat_map(|(_, watch)| &watch.alerts);
    let firing = all().filter(|alert| alert.is_firing).count();
    let about = all().filter(|alert| alert.is_about_dragonfly()).count();
    let read = known.iter().filter_map(|(_, watch)| watch.read).min();
    // Where nobody has told, that there are none is not known.
    let untold = known.iter().filter(|(_, watch)| watch.read.is_none());
    let untold = untold.count();
    let text = match read {
        None => "not known: no metrics store has told".to_owned(),
        Some(read) => {
            let unheard = match untold {
                0 => String::new(),
                n => format!(", not known of {n} of {} contexts", known.len()),
            };
            format!(
                "{firing} firing, {} pending, {about} about Dragonfly{unheard}, read {} ago",
                all().count() - firing,
                see.age(read)
            )
        }
    };
    Section {
        leads: true,
        right: vec![Piece::muted(text)],
        columns,
        empty: nothing(
            see,
            known,
            all().count() > 0,
            "no alert is pending or firing",
        ),
        ..Section::of(
            "alerts",
            see.title_of("Alerts", shown, all().count()),
            Vec::new(),
        )
    }
}

/// The pane of rules, but for its rows.
pub(super) fn rules<'a>(
    see: &See<'_>,
    several: bool,
    known: &[(ContextId, Watch)],
    shown: usize,
) -> Section<'a> {
    let mut columns = Vec::new();
    if several {
        columns.push(Column::new("context", "CONTEXT").width(7, 14).priority(4));
    }
    columns.extend([
        Column::new("rule", "RULE").width(16, 40),
        Column::new("severity", "SEVERITY").width(8, 10).priority(2),
        Column::new("place", "WHERE")
            .width(12, 40)
            .priority(3)
            .cut_middle(),
        Column::new("runbook", "RUNBOOK").width(7, 7).priority(1),
        Column::new("fires", "CAN IT FIRE").width(12, 200).fill(),
    ]);
    let all = || known.iter().flat_map(|(_, watch)| &watch.rules);
    let dead = all().filter(|rule| is_dead(rule)).count();
    let troubles: Vec<&str> = known
        .iter()
        .flat_map(|(_, watch)| watch.troubles.iter().map(String::as_str))
        .collect();
    let empty = match troubles.first() {
        _ if all().next().is_some() => "nothing fits the filter".to_owned(),
        Some(trouble) => (*trouble).to_owned(),
        None if known.is_empty() => "no context is followed".to_owned(),
        None => "there is no rule about Dragonfly".to_owned(),
    };
    let tone = if dead > 0 {
        Tone::Degraded
    } else {
        Tone::Muted
    };
    let text = match all().count() {
        0 if known.is_empty() || !troubles.is_empty() => "not known".to_owned(),
        1 => format!("1 rule, {dead} can never fire"),
        count => format!("{count} rules, {dead} can never fire"),
    };
    Section {
        right: vec![Piece::new(text, tone)],
        columns,
        empty,
        ..Section::of(
            "rules",
            see.title_of("Rules about Dragonfly", shown, all().count()),
            Vec::new(),
        )
    }
}

/// Why there is nothing to show.
fn nothing(see: &See<'_>, known: &[(ContextId, Watch)], any: bool, none: &str) -> String {
    if any {
        return "nothing fits the filter".to_owned();
    }
    let mut troubles = known.iter().flat_map(|(_, watch)| &watch.troubles);
    match troubles.next() {
        Some(trouble) => trouble.clone(),
        None if known.is_empty() => see.hint.unwrap_or("no context is followed").to_owned(),
        None => none.to_owned(),
    }
}

pub(super) fn is_dead(rule: &WatchRule) -> bool {
    matches!(rule.fires, Fires::Never(_))
}

/// What an alert is about, by its labels: `shop/orders-0`.
fn place(alert: &StoreAlert) -> String {
    let label = |names: &[&str]| {
        let mut found = names.iter().filter_map(|name| alert.labels.get(*name));
        found.find(|value| !value.is_empty()).cloned()
    };
    let what = label(&["pod", "persistentvolumeclaim", "app", "instance"]);
    match (label(&["namespace"]), what) {
        (Some(namespace), Some(what)) => format!("{namespace}/{what}"),
        (namespace, what) => namespace.or(what).unwrap_or_default(),
    }
}

/// By which an alert stays selected.
pub(super) fn name_of_alert(context: &ContextId, alert: &StoreAlert) -> String {
    format!("{context} {} {:?}", alert.name, alert.labels)
}

fn severity(see: &See<'_>, word: &str) -> Piece {
    match word {
        "" => Piece::muted(see.sign(Glyph::Dash)),
        "critical" | "page" => Piece::new(word, Tone::Broken),
        "warning" | "error" | "major" => Piece::new(word, Tone::Degraded),
        other => Piece::muted(other),
    }
}

/// The cells of an alert.
pub(super) fn alert(see: &See<'_>, several: bool, context: &ContextId, alert: &StoreAlert) -> Row {
    let mut cells = Vec::new();
    if several {
        cells.push(Piece::muted(context.to_string()));
    }
    let (sign, word, tone) = match alert.is_firing {
        true => (Glyph::Broken, "firing", Tone::Broken),
        false => (Glyph::Warning, "pending", Tone::Degraded),
    };
    let dash = || Piece::muted(see.sign(Glyph::Dash));
    let name = match alert.is_about_dragonfly() {
        true => Piece::text(alert.name.clone()),
        false => Piece::muted(alert.name.clone()),
    };
    let since = alert.since.zip(see.world.context(context));
    cells.extend([
        Piece::new(format!("{} {word}", see.sign(sign)), tone),
        severity(see, alert.severity()),
        name,
        Piece::text(place(alert)),
        since.map_or_else(dash, |(since, context)| {
            Piece::text(see.age_in(context, since))
        }),
        match alert.annotations.get("runbook_url") {
            Some(link) if !link.is_empty() => Piece::muted(link.clone()),
            _ => dash(),
        },
    ]);
    Row::new(cells)
}

/// The cells of a rule.
pub(super) fn rule(see: &See<'_>, several: bool, context: &ContextId, rule: &WatchRule) -> Row {
    let mut cells = Vec::new();
    if several {
        cells.push(Piece::muted(context.to_string()));
    }
    let fires = match &rule.fires {
        Fires::Can => Piece::new(format!("{} yes", see.sign(Glyph::Healthy)), Tone::Healthy),
        Fires::Never(why) => Piece::new(
            format!("{} never: {why}", see.sign(Glyph::Broken)),
            Tone::Broken,
        ),
        Fires::Untold => Piece::new(
            format!("{} no store tells of its series", see.sign(Glyph::Unknown)),
            Tone::Unknown,
        ),
    };
    let runbook = match rule.runbook.contains("://") {
        true => Piece::muted("yes"),
        false => Piece::new("none", Tone::Degraded),
    };
    cells.extend([
        Piece::text(rule.name.clone()),
        severity(see, &rule.severity),
        Piece::muted(rule.place.clone()),
        runbook,
        fires,
    ]);
    Row::new(cells)
}
