//! Small charts of the node that acts as master: operations, memory, and the lag of its replicas.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::domain::world::Series;
use crate::domain::{InstanceView, NodeView, text};
use crate::screens::parts::See;
use crate::settings::Tone;
use crate::widgets::chart::sampled;
use crate::widgets::{Chart, Piece, draw};

/// Columns from which charts stand side by side.
const SIDE_BY_SIDE: u16 = 66;

/// Rows from which they stand one beneath the other all the same: bars that long tell less than more columns do.
const TALL: u16 = 24;

/// The node whose figures are drawn: the one that acts as master, else the first that answered.
pub(super) fn charted<'v, 'a>(view: &'v InstanceView<'a>) -> Option<&'v NodeView<'a>> {
    let speaks = |n: &&NodeView<'a>| n.speaks();
    view.engine_masters()
        .find(speaks)
        .or_else(|| view.engine_masters().next())
        .or_else(|| view.nodes.iter().find(speaks))
        .or_else(|| view.nodes.iter().find(|n| n.engine.is_some()))
}

type Format<'a> = &'a dyn Fn(f64) -> String;

/// Draws them.
pub(super) fn view(see: &See<'_>, view: &InstanceView<'_>, area: Rect, buf: &mut Buffer) {
    let Some((node, engine)) = charted(view).and_then(|n| Some((n, n.engine?))) else {
        let line = [Piece::muted(" no engine has answered yet")];
        draw::line(&line, &see.look, area, buf);
        return;
    };
    let stale = !node.speaks() || !view.context.is_live();
    let area = draw::right_of(area, 1);
    let rate = |v: f64| format!("{}/s", text::count(whole(v)));
    let bytes = |v: f64| text::bytes(whole(v));
    let records = |v: f64| format!("{} rec", text::count(whole(v)));
    let limit = engine.memory.as_ref().and_then(|known| known.value.max);
    let charts: [(&str, &Series, Format<'_>, Option<u64>); 3] = [
        ("ops", &engine.ops, &rate, None),
        // Up to the limit, so that the height tells how full it is.
        (
            "memory used",
            &engine.used,
            &bytes,
            limit.filter(|max| *max > 0),
        ),
        ("lag", &engine.lag, &records, None),
    ];
    let now = see.now.as_second();
    for ((label, series, format, limit), place) in charts.into_iter().zip(places(area)) {
        let columns = Chart::columns(label, place);
        let values = sampled(series.figures(), now, Series::SPAN, columns, see.period());
        let is_blank = values.last().copied().flatten().is_none();
        let newest = series.last().filter(|_| !is_blank);
        let over = label == "lag" && newest.is_some_and(|lag| lag > see.limits.lag);
        let tone = if over { Tone::Degraded } else { Tone::Chart };
        Chart::new(label, &values, format)
            .tone(tone)
            .up_to(limit.map(|max| max as f64))
            .span(Series::SPAN)
            .newest(newest)
            .stale(stale)
            .render(&see.look, place, buf);
    }
}

/// Side by side where there is room but not too much of it, else one beneath the other.
fn places(area: Rect) -> Vec<Rect> {
    if area.width >= SIDE_BY_SIDE && (3..TALL).contains(&area.height) {
        let wide = (area.width - 4) / 3;
        return (0..3)
            .map(|i| Rect {
                x: area.x + i * (wide + 2),
                width: wide,
                ..area
            })
            .collect();
    }
    let high = (area.height / 3).max(1);
    (0..3)
        .map(|i| {
            let below = draw::below(area, i * high);
            Rect {
                height: high.min(below.height),
                ..below
            }
        })
        .collect()
}

/// A figure of a chart as a whole number; charts hold only counts.
fn whole(value: f64) -> u64 {
    value.max(0.0) as u64
}
