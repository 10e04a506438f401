//! Small charts of one figure over time: one line beside a label, or a few rows with their scale.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Look, Piece, draw};
use crate::domain::text;
use crate::settings::{Glyph, Tone};

/// Columns kept for a figure with its unit, so that the line does not jump when the figure grows.
const FIGURE: u16 = 9;

/// A figure over time, newest at the right, one column each.
#[derive(Clone)]
pub struct Chart<'a> {
    label: &'a str,
    values: &'a [Option<f64>],
    format: &'a dyn Fn(f64) -> String,
    tone: Tone,
    from_zero: bool,
    up_to: Option<f64>,
    span: Option<i64>,
    newest: Option<f64>,
    stale: bool,
}

impl<'a> Chart<'a> {
    /// A chart of values, oldest first; `None` is a time at which nobody answered, and stays blank. `format` writes a
    /// figure with its unit, for instance [`crate::domain::text::bytes`].
    pub fn new(
        label: &'a str,
        values: &'a [Option<f64>],
        format: &'a dyn Fn(f64) -> String,
    ) -> Self {
        Self {
            label,
            values,
            format,
            tone: Tone::Chart,
            from_zero: true,
            up_to: None,
            span: None,
            newest: None,
            stale: false,
        }
    }

    /// The tone of its line.
    #[must_use]
    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    /// The scale begins at the least value instead of zero.
    #[must_use]
    pub fn from_least(mut self) -> Self {
        self.from_zero = false;
        self
    }

    /// The scale ends at that figure, a limit for instance, unless a value is larger.
    #[must_use]
    pub fn up_to(mut self, most: Option<f64>) -> Self {
        self.up_to = most;
        self
    }

    /// From the left edge to the right one it is so many seconds: a tall chart gets an axis that says so. The values
    /// must be as many as [`Chart::columns`].
    #[must_use]
    pub fn span(mut self, seconds: i64) -> Self {
        self.span = Some(seconds);
        self
    }

    /// The newest figure, which is written beside the label, as tables write it: a column shows the largest of its time.
    /// Where the last column is blank, it is too old to be written.
    #[must_use]
    pub fn newest(mut self, figure: Option<u64>) -> Self {
        self.newest = figure.map(|figure| figure as f64);
        self
    }

    /// How many values a chart shows in an area so large.
    pub fn columns(label: &str, area: Rect) -> usize {
        match area.height {
            0 | 1 => {
                let label = u16::try_from(draw::width(label)).unwrap_or(u16::MAX);
                let rest = area.width.saturating_sub(label.saturating_add(1));
                usize::from(rest.saturating_sub(FIGURE))
            }
            _ => usize::from(area.width - scale(area.width)),
        }
    }

    /// The source is silent.
    #[must_use]
    pub fn stale(mut self, stale: bool) -> Self {
        self.stale = stale;
        self
    }

    /// Draws on one line where there is one row, else a heading, and the chart with its scale beneath.
    pub fn render(&self, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        match area.height {
            0 => {}
            1 => self.one_line(look, area, buf),
            _ => self.tall(look, area, buf),
        }
    }

    fn one_line(&self, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        let used = draw::line(&[Piece::muted(self.label)], look, area, buf);
        let rest = draw::right_of(area, used.saturating_add(1));
        let figure = FIGURE.min(rest.width);
        let line = Rect {
            width: rest.width - figure,
            ..rest
        };
        self.bars(look, line, buf);
        let now = [self.now(look)];
        draw_right(&now, look, draw::right_of(rest, line.width), buf);
    }

    fn tall(&self, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        let head = [Piece::muted(self.label), Piece::text(" "), self.now(look)];
        draw::line(&head, look, area, buf);
        let body = draw::below(area, 1);
        let side = draw::right_of(body, body.width - scale(body.width));
        let mut chart = Rect {
            width: body.width - side.width,
            ..body
        };
        // Two rows of bars at least, before one says how far back they reach.
        if let Some(span) = self.span
            && chart.height > 2
        {
            chart.height -= 1;
            axis(
                span,
                look,
                draw::below(body, chart.height),
                chart.width,
                buf,
            );
        }
        self.bars(look, chart, buf);
        let Some((least, most)) = self.range(usize::from(chart.width)) else {
            return;
        };
        let figure = |value: f64| [Piece::muted((self.format)(value))];
        draw_right(&figure(most), look, side, buf);
        if chart.height > 1 && most > least {
            let last = draw::below(side, chart.height - 1);
            draw_right(&figure(least), look, last, buf);
        }
    }

    /// The newest value, or a dash.
    fn now(&self, look: &Look<'_>) -> Piece {
        match self.values.last().copied().flatten() {
            Some(value) if value.is_finite() => {
                let value = self.newest.unwrap_or(value);
                let tone = if self.stale { Tone::Stale } else { Tone::Text };
                Piece::new((self.format)(value), tone)
            }
            _ => Piece::new(look.glyph(Glyph::Dash), Tone::Unknown),
        }
    }

    /// The values that fit, newest last.
    fn recent(&self, columns: usize) -> &[Option<f64>] {
        let from = self.values.len().saturating_sub(columns);
        self.values.get(from..).unwrap_or_default()
    }

    /// The ends of the scale for the values that are shown.
    fn range(&self, columns: usize) -> Option<(f64, f64)> {
        let known = self.recent(columns).iter().flatten();
        let known = known.copied().filter(|v| v.is_finite());
        let (least, most) = known.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| {
            (a.min(v), b.max(v))
        });
        if least > most {
            return None;
        }
        let least = if self.from_zero {
            least.min(0.0)
        } else {
            least
        };
        Some((least, self.up_to.map_or(most, |limit| most.max(limit))))
    }

    fn bars(&self, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        let columns = usize::from(area.width);
        let Some((least, most)) = self.range(columns) else {
            return;
        };
        let levels = look.glyphs.levels();
        let steps = levels.len() * usize::from(area.height);
        let values = self.recent(columns);
        let indent = area.width - u16::try_from(values.len()).unwrap_or(area.width);
        let tone = if self.stale { Tone::Stale } else { self.tone };
        let style = look.style(tone);
        for (x, value) in (area.x + indent..area.right()).zip(values) {
            let Some(value) = value.filter(|v| v.is_finite()) else {
                continue;
            };
            let share = if most > least {
                (value - least) / (most - least)
            } else if most > 0.0 {
                // A steady figure is drawn in the middle: it is neither nothing nor the most there ever was.
                0.5
            } else {
                0.0
            };
            // At least one step: zero is a value, a blank is none.
            let mut height = (share * steps as f64).round().max(1.0) as usize;
            for y in (area.top()..area.bottom()).rev() {
                let Some(level) = height.min(levels.len()).checked_sub(1) else {
                    break;
                };
                if let (Some(cell), Some(sign)) = (buf.cell_mut((x, y)), levels.get(level)) {
                    cell.set_symbol(sign).set_style(style);
                }
                height = height.saturating_sub(levels.len());
            }
        }
    }
}

/// Columns that the scale beside a chart takes. A chart without room for one shows its line rather than figures.
fn scale(width: u16) -> u16 {
    if width >= 3 * FIGURE { FIGURE } else { 0 }
}

/// How far back the chart reaches, at its left, half of that in the middle where there is room, and now.
fn axis(span: i64, look: &Look<'_>, row: Rect, width: u16, buf: &mut Buffer) {
    let row = Rect {
        width: width.min(row.width),
        height: row.height.min(1),
        ..row
    };
    let ago = |seconds: i64| [Piece::muted(format!("-{}", text::span(seconds)))];
    let (begin, half) = (ago(span), ago(span / 2));
    let used = draw::line(&begin, look, row, buf);
    let wide = u16::try_from(draw::line_width(&half)).unwrap_or(u16::MAX);
    let middle = (row.width / 2).saturating_sub(wide / 2);
    if middle > used.saturating_add(2) && row.width > middle.saturating_add(wide).saturating_add(6)
    {
        draw::line(&half, look, draw::right_of(row, middle), buf);
    }
    if row.width > used.saturating_add(4) {
        draw_right(&[Piece::muted("now")], look, row, buf);
    }
}

/// Figures with the second at which each was learned (oldest first), as one value for each of so many columns, of which
/// the last is now. A column shows the largest figure of its time; where there is none, the figure before it, as long as
/// that is no older than `hold` seconds: a blank is a time at which nobody answered.
pub fn sampled(
    figures: impl IntoIterator<Item = (i64, u64)>,
    now: i64,
    span: i64,
    columns: usize,
    hold: i64,
) -> Vec<Option<f64>> {
    let mut values: Vec<Option<(i64, u64)>> = vec![None; columns];
    let count = i64::try_from(columns).unwrap_or(i64::MAX).max(1);
    // Columns stand for fixed times, so that bars travel to the left and do not flicker.
    let place = |second: i64| second.saturating_mul(count).div_euclid(span.max(1));
    let first = place(now).saturating_sub(count - 1);
    for (at, figure) in figures {
        let column = usize::try_from(place(at.min(now)).saturating_sub(first));
        if let Some(value) = column.ok().and_then(|column| values.get_mut(column)) {
            let most = value.map_or(figure, |(_, most)| most.max(figure));
            *value = Some((at, most));
        }
    }
    let mut last: Option<(i64, u64)> = None;
    values
        .into_iter()
        .enumerate()
        .map(|(column, value)| {
            last = value.or(last);
            let column = i64::try_from(column).unwrap_or(i64::MAX);
            // The end of the time that the column stands for.
            let until = first.saturating_add(column).saturating_mul(span) / count;
            last.filter(|(at, _)| until.saturating_sub(*at) <= hold)
                .map(|(_, figure)| figure as f64)
        })
        .collect()
}

fn draw_right(pieces: &[Piece], look: &Look<'_>, area: Rect, buf: &mut Buffer) {
    let wide = u16::try_from(draw::line_width(pieces)).unwrap_or(u16::MAX);
    let at = area.width.saturating_sub(wide);
    draw::line(pieces, look, draw::right_of(area, at), buf);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::GlyphSet;
    use crate::widgets::dump;

    fn drawn(values: &[Option<f64>], width: u16, height: u16, set: GlyphSet) -> String {
        let format = |v: f64| format!("{v:.0}/s");
        dump::drawn(width, height, set, |look, area, buf| {
            Chart::new("ops", values, &format).render(look, area, buf);
        })
    }

    #[test]
    fn zero_is_a_value_and_silence_is_a_blank() {
        let values = [Some(0.0), Some(4.0), None, Some(8.0), Some(2.0)];
        for (set, wanted) in [
            (
                GlyphSet::Unicode,
                "ops    ▁▄ █▂      2/s\n\nmmm    gg gg      ttt\n",
            ),
            (
                GlyphSet::Ascii,
                "ops    _= #.      2/s\n\nmmm    gg gg      ttt\n",
            ),
        ] {
            assert_eq!(drawn(&values, 21, 1, set), wanted);
        }
    }

    #[test]
    fn the_heading_tells_the_newest_figure_not_the_largest_of_a_column() {
        // Two figures of the last ten seconds.
        let figures = [(2_995, 80), (2_999, 30)];
        let values = sampled(figures, 3_000, 300, 30, 14);
        let format = |v: f64| format!("{v:.0}/s");
        let of = |newest| {
            dump::drawn(30, 1, GlyphSet::Unicode, |look, area, buf| {
                let chart = Chart::new("ops", &values, &format).newest(newest);
                chart.render(look, area, buf);
            })
        };
        assert!(of(Some(30)).contains(" 30/s"), "{}", of(Some(30)));
        assert!(of(None).contains(" 80/s"), "{}", of(None));
        let blank = sampled(figures, 3_100, 300, 30, 14);
        let old = dump::drawn(30, 1, GlyphSet::Unicode, |look, area, buf| {
            let chart = Chart::new("ops", &blank, &format).newest(Some(30));
            chart.render(look, area, buf);
        });
        assert!(!old.contains("30/s"), "{old}");
    }

    #[test]
    fn a_tall_chart_has_a_scale() {
        let values: Vec<_> = (0..=16).map(|v| Some(f64::from(v))).collect();
        let said = drawn(&values, 27, 3, GlyphSet::Unicode);
        let text: Vec<_> = said.lines().take(3).collect();
        assert_eq!(
            text,
            [
                "ops 16/s",
                "          ▁▂▃▄▅▆▇█     16/s",
                " ▁▁▂▃▄▅▆▇█████████      0/s",
            ]
        );
    }

    #[test]
    fn a_chart_says_how_far_back_it_reaches_and_how_high_it_goes() {
        let values: Vec<_> = (0..21).map(|v| Some(f64::from(v % 5))).collect();
        let format = |v: f64| format!("{v:.0}/s");
        for (width, height, wanted) in [
            (
                30,
                4,
                vec![
                    "ops 0/s",
                    "                           8/s",
                    "▁▂▄▆█▁▂▄▆█▁▂▄▆█▁▂▄▆█▁      0/s",
                    "-5m    -2m30s     now",
                ],
            ),
            (
                30,
                3,
                vec![
                    "ops 0/s",
                    "                           8/s",
                    "▁▂▄▆█▁▂▄▆█▁▂▄▆█▁▂▄▆█▁      0/s",
                ],
            ),
            (9, 4, vec!["ops 0/s", "", "▄▆█▁▂▄▆█▁", "-5m   now"]),
        ] {
            let said = dump::drawn(width, height, GlyphSet::Unicode, |look, area, buf| {
                let from = values.len() - Chart::columns("ops", area);
                Chart::new("ops", values.get(from..).unwrap_or_default(), &format)
                    .up_to(Some(8.0))
                    .span(300)
                    .render(look, area, buf);
            });
            let text: Vec<_> = said.lines().take(usize::from(height)).collect();
            assert_eq!(text, wanted, "{width}x{height}");
        }
    }

    #[test]
    fn figures_are_put_into_columns_by_their_time() {
        let of =
            |figures: &[(i64, u64)], hold| sampled(figures.iter().copied(), 1_000, 10, 5, hold);
        for (figures, hold, wanted) in [
            // Two seconds a column; of two figures in one, the larger.
            (
                &[(1_000, 9), (999, 3), (998, 7)][..],
                0,
                [None, None, None, Some(7.0), Some(9.0)],
            ),
            (
                &[(992, 4), (993, 5), (1_000, 1)],
                4,
                [Some(5.0), Some(5.0), Some(5.0), None, Some(1.0)],
            ),
            // What is too old or from a clock ahead of ours.
            (
                &[(1, 1), (1_007, 2)],
                100,
                [None, None, None, None, Some(2.0)],
            ),
            (&[], 100, [None; 5]),
        ] {
            assert_eq!(of(figures, hold), wanted, "{figures:?}");
        }
        assert_eq!(sampled([(1, 1)], 1, 0, 0, 0), []);
    }

    #[test]
    fn what_cannot_be_drawn_is_a_dash() {
        for values in [&[][..], &[None], &[Some(f64::NAN)], &[Some(f64::INFINITY)]] {
            assert_eq!(
                drawn(values, 14, 1, GlyphSet::Unicode),
                "ops          –\n\nmmm          u\n"
            );
        }
        let steady = drawn(&[Some(5.0), Some(5.0)], 16, 1, GlyphSet::Unicode);
        assert!(steady.starts_with("ops  ██      5/s"), "{steady}");
    }
}
