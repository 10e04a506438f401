//! A box over the middle of the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Look, Piece, draw};
use crate::settings::{Glyph, Tone};

/// A box with a title: the palette, the help, a question.
#[derive(Debug, Clone)]
pub struct Popup {
    title: String,
    width: u16,
    height: u16,
    tone: Tone,
}

impl Popup {
    /// A box whose contents want so many columns and rows; it takes less where there is less.
    pub fn new(title: impl Into<String>, width: u16, height: u16) -> Self {
        Self {
            title: title.into(),
            width,
            height,
            tone: Tone::Title,
        }
    }

    /// The title's tone: [`Tone::Danger`] for a question about a loss.
    #[must_use]
    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    /// The rectangle that the box takes on a screen, frame included.
    pub fn area(&self, screen: Rect) -> Rect {
        let width = whole(self.width.saturating_add(4), screen.width, SCRAP.0);
        let height = whole(self.height.saturating_add(2), screen.height, SCRAP.1);
        Rect {
            x: screen.x + (screen.width - width) / 2,
            // A little above the middle, where the eye rests.
            y: screen.y + (screen.height - height) / 3,
            width,
            height,
        }
    }

    /// Writes at the right end of the lower edge, over a frame that is drawn: which part of a list is seen.
    pub fn foot(&self, text: Option<&str>, look: &Look<'_>, screen: Rect, buf: &mut Buffer) {
        let area = self.area(screen).intersection(buf.area);
        let Some(text) = text.filter(|_| area.height > 1) else {
            return;
        };
        let wide = u16::try_from(draw::width(text)).unwrap_or(u16::MAX);
        // A blank on each side, and a piece of the edge and the corner at the right.
        if let Some(at) = area
            .width
            .checked_sub(wide.saturating_add(4))
            .filter(|at| *at > 1)
        {
            let row = draw::right_of(draw::below(area, area.height - 1), at);
            let row = Rect {
                width: wide + 2,
                ..row
            };
            draw::line(&[Piece::muted(format!(" {text} "))], look, row, buf);
        }
    }

    /// Draws the frame over whatever is there and returns the inside.
    pub fn render(&self, look: &Look<'_>, screen: Rect, buf: &mut Buffer) -> Rect {
        let area = self.area(screen).intersection(buf.area);
        draw::clear(look, area, buf);
        draw::lay(Tone::Popup, look, area, buf);
        if area.width < 2 || area.height < 2 {
            return Rect { height: 0, ..area };
        }
        let (right, bottom) = (area.right() - 1, area.bottom() - 1);
        let last = Rect {
            y: bottom,
            height: 1,
            ..area
        };
        draw::rule(Glyph::Horizontal, Tone::Border, look, area, buf);
        draw::rule(Glyph::Horizontal, Tone::Border, look, last, buf);
        for row in draw::rows(area) {
            draw::sign(Glyph::Vertical, Tone::Border, look, area.x, row.y, buf);
            draw::sign(Glyph::Vertical, Tone::Border, look, right, row.y, buf);
        }
        for (glyph, x, y) in [
            (Glyph::TopLeft, area.x, area.y),
            (Glyph::TopRight, right, area.y),
            (Glyph::BottomLeft, area.x, bottom),
            (Glyph::BottomRight, right, bottom),
        ] {
            draw::sign(glyph, Tone::Border, look, x, y, buf);
        }
        let room = usize::from(area.width).saturating_sub(6);
        let title = draw::fit(&self.title, room, look.glyph(Glyph::Ellipsis));
        if !title.is_empty() {
            let title = [Piece::new(format!(" {title} "), self.tone)];
            draw::line(&title, look, draw::right_of(area, 2), buf);
        }
        // One blank column on each side keeps text off the frame; a box too narrow for that does without.
        let margin = if area.width > 4 { 2 } else { 1 };
        Rect {
            x: area.x + margin,
            y: area.y + 1,
            width: area.width.saturating_sub(2 * margin),
            height: area.height - 2,
        }
    }
}

/// Columns and rows of the screen beneath, both sides together, that are no more than scraps.
const SCRAP: (u16, u16) = (8, 2);

/// So much of what there is, or all where only scraps would be left.
fn whole(wanted: u16, there: u16, scraps: u16) -> u16 {
    match there.saturating_sub(wanted) <= scraps {
        true => there,
        false => wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::GlyphSet;
    use crate::widgets::dump;

    #[test]
    fn it_covers_what_is_beneath_and_nothing_else() {
        let said = dump::drawn(22, 7, GlyphSet::Unicode, |look, area, buf| {
            for row in draw::rows(area) {
                draw::line(&[Piece::text("x".repeat(22))], look, row, buf);
            }
            let popup = Popup::new("Quit?", 8, 2);
            let inner = popup.render(look, area, buf);
            draw::line(&[Piece::new("y  n", Tone::Key)], look, inner, buf);
            popup.foot(Some("1/9"), look, area, buf);
            popup.foot(Some("too long to fit"), look, area, buf);
        });
        assert_eq!(
            said,
            "xxxxxxxxxxxxxxxxxxxxxx\n\
             xxxxx┌─ Quit? ──┐xxxxx\n\
             xxxxx│ y  n     │xxxxx\n\
             xxxxx│          │xxxxx\n\
             xxxxx└──── 1/9 ─┘xxxxx\n\
             xxxxxxxxxxxxxxxxxxxxxx\n\
             xxxxxxxxxxxxxxxxxxxxxx\n\
             \n\
             tttttttttttttttttttttt\n\
             tttttooiiiiiiiooottttt\n\
             tttttopkkkkpppppottttt\n\
             tttttoppppppppppottttt\n\
             tttttooooommmmmoottttt\n\
             tttttttttttttttttttttt\n\
             tttttttttttttttttttttt\n"
        );
    }

    #[test]
    fn it_leaves_no_scraps_of_what_is_beneath() {
        let screen = Rect::new(0, 1, 80, 22);
        for (width, height, wanted) in [
            (30, 1, Rect::new(23, 7, 34, 3)),
            // Beside it something can be read, or nothing is left.
            (67, 10, Rect::new(4, 4, 71, 12)),
            (68, 10, Rect::new(0, 4, 80, 12)),
            (30, 18, Rect::new(23, 1, 34, 22)),
            (200, 100, screen),
        ] {
            assert_eq!(Popup::new("", width, height).area(screen), wanted);
        }
    }
}
