//! A heading over part of the screen: a rule with a title at its left and a figure at its right, and no box.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Look, Piece, draw};
use crate::settings::{Glyph, Tone};

/// `─ Fleet ────────────── 3 instances, 1 ill ─`
#[derive(Debug, Clone, Default)]
pub struct Panel {
    title: String,
    right: Vec<Piece>,
    focused: bool,
}

impl Panel {
    /// A panel of that title.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..Self::default()
        }
    }

    /// What stands at the right end of the rule. It is left out where there is no room for it.
    #[must_use]
    pub fn right(mut self, pieces: Vec<Piece>) -> Self {
        self.right = pieces;
        self
    }

    /// The pane has the keyboard.
    #[must_use]
    pub fn focused(mut self, focused: bool) -> Self {
        self.focused = focused;
        self
    }

    /// What is left for the contents, without drawing the heading.
    pub fn inside(area: Rect) -> Rect {
        draw::below(area, 1)
    }

    /// Which part of a list is seen, before everything else at the right end; drawn after the list, which knows.
    #[must_use]
    pub fn place(mut self, place: Option<String>) -> Self {
        if let Some(place) = place {
            if !self.right.is_empty() {
                self.right.insert(0, Piece::text("  "));
            }
            self.right.insert(0, Piece::muted(place));
        }
        self
    }

    /// Draws the heading into the first row and returns what is left for the contents.
    pub fn render(&self, look: &Look<'_>, area: Rect, buf: &mut Buffer) -> Rect {
        let inner = Self::inside(area);
        let Some(row) = draw::rows(area).next() else {
            return inner;
        };
        draw::rule(Glyph::Horizontal, Tone::Border, look, row, buf);
        let room = usize::from(row.width).saturating_sub(4);
        if room == 0 {
            return inner;
        }
        let tone = if self.focused {
            Tone::Accent
        } else {
            Tone::Title
        };
        let ellipsis = look.glyph(Glyph::Ellipsis);
        let title = draw::fit(&self.title, room, ellipsis);
        let taken = draw::width(&title);
        if !title.is_empty() {
            let title = [Piece::new(format!(" {title} "), tone)];
            draw::line(&title, look, draw::right_of(row, 1), buf);
        }
        // Title, figure, a blank on each side of both, and a piece of rule at both ends and between.
        let wide = draw::line_width(&self.right);
        let between = room.checked_sub(taken + wide + 3);
        if let (Some(_), 1..) = (between, wide) {
            let from = usize::from(row.width).saturating_sub(wide + 3);
            let mut pieces = vec![Piece::text(" ")];
            pieces.extend(self.right.iter().cloned());
            pieces.push(Piece::text(" "));
            let from = u16::try_from(from).unwrap_or(u16::MAX);
            draw::line(&pieces, look, draw::right_of(row, from), buf);
        }
        inner
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::GlyphSet;
    use crate::widgets::dump;

    fn drawn(width: u16, set: GlyphSet) -> String {
        let panel = Panel::new("Fleet").right(vec![Piece::muted("3 instances, 1 ill")]);
        dump::drawn(width, 1, set, |look, area, buf| {
            panel.render(look, area, buf);
        })
    }

    #[test]
    fn the_figure_goes_before_the_title_does() {
        for (width, set, wanted) in [
            (
                40,
                GlyphSet::Unicode,
                "─ Fleet ─────────── 3 instances, 1 ill ─\n\noiiiiiiiooooooooooo mmmmmmmmmmmmmmmmmm o\n",
            ),
            (
                30,
                GlyphSet::Ascii,
                "- Fleet - 3 instances, 1 ill -\n\noiiiiiiio mmmmmmmmmmmmmmmmmm o\n",
            ),
            (
                29,
                GlyphSet::Unicode,
                "─ Fleet ─────────────────────\n\noiiiiiiiooooooooooooooooooooo\n",
            ),
            (8, GlyphSet::Unicode, "─ Fle… ─\n\noiiiiiio\n"),
            (3, GlyphSet::Unicode, "───\n\nooo\n"),
        ] {
            assert_eq!(drawn(width, set), wanted, "{width}");
        }
    }
}
