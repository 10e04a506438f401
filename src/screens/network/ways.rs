//! Who may reach whom on which port, one connection a row.

use crate::checks::reach::matrix::Way;
use crate::domain::reach::{Outcome, Protocol};
use crate::domain::text;
use crate::screens::parts::{Field, Measure, Section, See, Sieved};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row, draw};

/// Columns that may be scrolled away.
pub(super) const COLUMNS: usize = 8;

/// Predicted is another than expected, or who must not be there is.
pub(super) fn is_ill(way: &Way) -> bool {
    if way.is_intruded() {
        return true;
    }
    match (way.expected, way.predicted.outcome()) {
        (Some(true), Outcome::Denied) | (Some(false), Outcome::Allowed) => true,
        (Some(_) | None, _) => false,
    }
}

/// The name by which a selection is kept.
pub(super) fn name(way: &Way) -> String {
    format!(
        "{}/{}: {} to {} on {}",
        way.instance.context, way.instance, way.from, way.to, way.port
    )
}

/// The row as the filter sees it.
pub(super) fn words(way: &Way) -> impl Sieved + '_ {
    Words(
        format!(
            "{} {} {} {} {} {}",
            way.context,
            way.instance,
            way.from,
            way.to,
            way.port,
            way.predicted.outcome().word()
        )
        .to_lowercase(),
    )
}

struct Words(String);

impl Sieved for Words {
    fn text(&self) -> &str {
        &self.0
    }

    fn field(&self, _: Field) -> &str {
        &self.0
    }

    fn figure(&self, _: Measure) -> Option<f64> {
        None
    }
}

/// The pane, but for its rows.
pub(super) fn section<'a, 'w>(
    see: &See<'_>,
    names: Section<'a>,
    all: impl Iterator<Item = &'w Way>,
) -> Section<'a> {
    let (mut total, mut ill, mut unknown) = (0_u64, 0_usize, 0_usize);
    let (mut froms, mut tos) = (0_u16, 0_u16);
    let width = |text: &str| u16::try_from(draw::width(text)).unwrap_or(u16::MAX);
    for way in all {
        froms = froms.max(width(&way.from));
        tos = tos.max(width(&way.to));
        total += 1;
        ill += usize::from(is_ill(way));
        unknown += usize::from(way.predicted.outcome() == Outcome::Unknown);
    }
    let mut columns = Vec::new();
    if see.world.shown_contexts().count() > 1 {
        columns.push(Column::new("context", "CONTEXT").width(7, 14).priority(4));
    }
    columns.extend([
        Column::new("from", "FROM")
            .width(12, 30)
            .holds(froms)
            .firm(16)
            .cut_middle(),
        Column::new("to", "TO")
            .width(12, 28)
            .holds(tos)
            .firm(14)
            .cut_middle(),
        Column::new("port", "PORT").width(6, 6).right(),
        Column::new("expected", "EXPECTED").width(8, 8),
        Column::new("predicted", "PREDICTED").width(9, 9),
        Column::new("clients", "CLIENTS")
            .width(7, 9)
            .right()
            .priority(1),
        Column::new("by", "DECIDED BY")
            .width(12, 100)
            .fill()
            .priority(2),
    ]);
    Section {
        leads: true,
        title: see.title_of(
            "Who may reach whom",
            names.len,
            usize::try_from(total).unwrap_or(usize::MAX),
        ),
        right: vec![Piece::muted(format!(
            "{}, {ill} not as expected, {unknown} unknown",
            text::counted(total, "way", "ways")
        ))],
        columns,
        empty: match (total, see.world.instances().next()) {
            (0, None) => see.hint.unwrap_or("there is no instance").to_owned(),
            (0, Some(_)) => "policies have not been read yet".to_owned(),
            _ => "nothing fits the filter".to_owned(),
        },
        ..names
    }
}

/// The cells of a row.
pub(super) fn cells(see: &See<'_>, way: &Way) -> Row {
    let outcome = way.predicted.outcome();
    let (sign, tone) = match (is_ill(way), outcome, way.expected) {
        (true, ..) => (Glyph::Broken, Tone::Broken),
        (false, Outcome::Unknown, _) => (Glyph::Unknown, Tone::Unknown),
        (false, _, Some(_)) => (Glyph::Healthy, Tone::Healthy),
        (false, _, None) => (Glyph::Dot, Tone::Text),
    };
    let dash = || Piece::muted(see.sign(Glyph::Dash));
    let mut cells = Vec::new();
    if see.world.shown_contexts().count() > 1 {
        cells.push(Piece::muted(way.context.to_string()));
    }
    cells.extend([
        Piece::text(way.from.clone()),
        Piece::text(way.to.clone()),
        Piece::text(port(way)),
        match way.expected {
            Some(true) => Piece::text("allowed"),
            Some(false) => Piece::text("denied"),
            None => dash(),
        },
        Piece::new(format!("{} {}", see.sign(sign), outcome.word()), tone),
        match way.clients {
            // It stands only for what is on its side: nobody knows who would connect.
            None => dash(),
            Some(0) => Piece::muted("none"),
            Some(n) if way.is_intruded() => {
                Piece::new(format!("{} {n}", see.sign(Glyph::Broken)), Tone::Broken)
            }
            Some(n) => Piece::text(text::count(n)),
        },
        Piece::muted(way.predicted.deciding().words()),
    ]);
    let is_live = |id| see.world.context(id).is_some_and(|c| c.is_live());
    Row::new(cells).stale(!is_live(&way.context) || !is_live(&way.instance.context))
}

/// `6379`, `53/UDP`.
pub(super) fn port(way: &Way) -> String {
    match way.protocol {
        Protocol::Tcp => way.port.to_string(),
        Protocol::Udp => format!("{}/UDP", way.port),
    }
}
