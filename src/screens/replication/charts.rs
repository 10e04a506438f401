//! Lag and growth over the last minutes, replica by replica; of one in full sync the keys that it has and how fast they
//! come.

use ratatui::layout::Rect;

use super::links;
use crate::domain::engine::Question;
use crate::domain::world::Series;
use crate::domain::{InstanceView, NodeView, text};
use crate::screens::instance::topology;
use crate::screens::parts::{Section, See};
use crate::settings::Tone;
use crate::widgets::chart::sampled;
use crate::widgets::{Chart, Piece, draw};

/// Rows of one replica's charts, where there is room.
const ROWS: u16 = 3;
/// Columns between two charts.
const GAP: u16 = 2;

/// One chart: its label, its figures by second, how they are written, and whether its source is silent.
struct Drawn {
    label: String,
    figures: Vec<(i64, u64)>,
    unit: &'static str,
    tone: Tone,
    stale: bool,
}

/// The pane.
pub(super) fn section<'a>(see: &'a See<'a>, view: &'a InstanceView<'a>) -> Section<'a> {
    let rows: Vec<[Drawn; 2]> = links::replicas(view)
        .filter_map(|node| pair(see, view, node))
        .collect();
    let wanted = u16::try_from(rows.len().max(1)).unwrap_or(u16::MAX);
    let drawing = move |area: Rect, buf: &mut ratatui::buffer::Buffer| {
        if rows.is_empty() {
            let line = [Piece::muted(" no replica has answered yet")];
            draw::line(&line, &see.look, area, buf);
            return;
        }
        let area = draw::right_of(area, 1);
        let count = u16::try_from(rows.len()).unwrap_or(u16::MAX);
        // One line each at the least; those that have no room are left out.
        let high = (area.height / count).max(1);
        let wide = (area.width.saturating_sub(GAP)) / 2;
        for (at, pair) in rows.iter().enumerate() {
            let from = u16::try_from(at).unwrap_or(u16::MAX).saturating_mul(high);
            let below = draw::below(area, from);
            for (side, chart) in pair.iter().enumerate() {
                let place = Rect {
                    x: below.x + if side == 0 { 0 } else { wide + GAP },
                    width: wide,
                    height: high.min(below.height),
                    ..below
                };
                one(see, chart, place, buf);
            }
        }
    };
    Section {
        right: vec![Piece::muted("the last five minutes")],
        drawn: Some((wanted.saturating_mul(ROWS), Box::new(drawing))),
        ..Section::of("charts", "Lag and growth", Vec::new())
    }
}

/// The two charts of a replica; `None` while it has not answered.
fn pair(see: &See<'_>, view: &InstanceView<'_>, node: &NodeView<'_>) -> Option<[Drawn; 2]> {
    let engine = node.engine?;
    let pod = &node.id.pod;
    let stale = !node.speaks() || !view.context.is_live();
    if engine.follower()?.syncing {
        return Some([
            drawn(format!("{pod} keys"), engine.keys.figures(), "", stale),
            drawn(
                format!("{pod} gets keys"),
                engine.keys.growth(),
                "/s",
                stale,
            ),
        ]);
    }
    let master = topology::leader(view, node);
    let lags = master.and_then(|master| {
        let line = view.line_for(master, node)?;
        master.engine?.lags.get(&line.ip)
    });
    let none = Series::default();
    let lag = lags.unwrap_or(&none);
    let mute = master.is_none_or(|m| m.engine_on(Question::Replication).is_none());
    let mut lag_drawn = drawn(format!("{pod} lag"), lag.figures(), " rec", stale || mute);
    if lag.last().is_some_and(|last| last > see.limits.lag) {
        lag_drawn.tone = Tone::Degraded;
    }
    Some([
        lag_drawn,
        drawn(
            format!("{pod} takes records"),
            engine.offset.growth(),
            "/s",
            stale,
        ),
    ])
}

fn drawn(
    label: String,
    figures: impl Iterator<Item = (i64, u64)>,
    unit: &'static str,
    stale: bool,
) -> Drawn {
    Drawn {
        label,
        figures: figures.collect(),
        unit,
        tone: Tone::Chart,
        stale,
    }
}

fn one(see: &See<'_>, chart: &Drawn, place: Rect, buf: &mut ratatui::buffer::Buffer) {
    let columns = Chart::columns(&chart.label, place);
    let values = sampled(
        chart.figures.iter().copied(),
        see.now.as_second(),
        Series::SPAN,
        columns,
        see.period(),
    );
    let format = |value: f64| format!("{}{}", text::count(value.max(0.0) as u64), chart.unit);
    Chart::new(&chart.label, &values, &format)
        .tone(chart.tone)
        .span(Series::SPAN)
        .newest(chart.figures.last().map(|(_, figure)| *figure))
        .stale(chart.stale)
        .render(&see.look, place, buf);
}
