//! A text over the screen that is read and scrolled: an explanation, everything that was said.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::settings::Glyph;
use crate::widgets::{Look, Piece, Popup, Window, draw};

/// The longest line in which a sentence is still easily read.
const LINE: u16 = 110;

/// The columns that a text over a screen so large may take.
pub(super) fn columns(area: Rect) -> u16 {
    area.width.saturating_sub(6).clamp(30, LINE)
}

/// The columns that a line that is not to be wrapped may take.
pub(super) fn widest(area: Rect) -> u16 {
    area.width.saturating_sub(6).max(30)
}

/// Draws lines of at most [`widest`] in a box that is as large as they need, with the part that is seen told where
/// that is not all.
pub(super) fn view(
    title: impl Into<String>,
    lines: &[Vec<Piece>],
    window: &Window,
    look: &Look<'_>,
    area: Rect,
    buf: &mut Buffer,
) {
    let title = title.into();
    let is_blank = |line: &Vec<Piece>| draw::line_width(line) == 0;
    let blank = lines.iter().rev().take_while(|line| is_blank(line)).count();
    let lines = lines.get(..lines.len() - blank).unwrap_or_default();
    let wide = lines.iter().map(|line| draw::line_width(line)).max();
    // The title stands between a corner and a blank on each side.
    let wide = wide.unwrap_or(0).max(draw::width(&title) + 2);
    // Sentences keep to a readable width by themselves; a command stands on one line wherever the screen has it.
    let width = u16::try_from(wide).unwrap_or(u16::MAX).min(widest(area));
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let height = height.min(area.height.saturating_sub(4));
    let popup = Popup::new(title, width, height);
    let inner = popup.render(look, area, buf);
    let shown = window.follow(None, lines.len(), usize::from(inner.height));
    draw::lines(lines.get(shown).unwrap_or_default(), look, inner, buf);
    let place = window.place(lines.len(), look.glyph(Glyph::Dash));
    popup.foot(place.as_deref(), look, area, buf);
}
