//! Small charts of one figure over time: one line beside a label, or a few rows with their scale.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Look, Piece, draw};
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
        // A chart without room for its scale shows its line rather than figures.
        let scale = if body.width >= 3 * FIGURE { FIGURE } else { 0 };
        let chart = Rect {
            width: body.width - scale,
            ..body
        };
        self.bars(look, chart, buf);
        let Some((least, most)) = self.range(usize::from(chart.width)) else {
            return;
        };
        let side = draw::right_of(body, chart.width);
        let figure = |value: f64| [Piece::muted((self.format)(value))];
        draw_right(&figure(most), look, side, buf);
        if body.height > 1 {
            let last = draw::below(side, body.height - 1);
            draw_right(&figure(least), look, last, buf);
        }
    }

    /// The newest value, or a dash.
    fn now(&self, look: &Look<'_>) -> Piece {
        match self.values.last().copied().flatten() {
            Some(value) if value.is_finite() => {
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
        Some((least, most))
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
