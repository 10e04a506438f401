//! A list to choose from, with the letters that match what was typed set off: the palette.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Look, Piece, Window, draw};
use crate::settings::{Glyph, Tone};

/// One thing to choose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub text: String,
    /// Positions, in characters, of the letters of the name that match.
    pub matches: Vec<usize>,
    /// What stands at the right: a key, a kind, a reason.
    pub detail: Vec<Piece>,
    /// It cannot be chosen here and now.
    pub disabled: bool,
}

/// A list over items that are made when they are drawn.
#[derive(Clone)]
pub struct List<'a> {
    len: usize,
    item: &'a dyn Fn(usize) -> Item,
    selected: Option<usize>,
    empty: Option<&'a str>,
}

impl<'a> List<'a> {
    /// A list of `len` items. `item` makes the one of an index; it is called for visible ones only.
    pub fn new(len: usize, item: &'a dyn Fn(usize) -> Item) -> Self {
        Self {
            len,
            item,
            selected: None,
            empty: None,
        }
    }

    /// The selected item, which is kept in view.
    #[must_use]
    pub fn selected(mut self, selected: Option<usize>) -> Self {
        self.selected = selected;
        self
    }

    /// What is said when there is nothing to choose.
    #[must_use]
    pub fn when_empty(mut self, sentence: &'a str) -> Self {
        self.empty = Some(sentence);
        self
    }

    /// Draws the visible items.
    pub fn render(&self, window: &Window, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        let shown = window.follow(self.selected, self.len, usize::from(area.height));
        if self.len == 0 {
            if let Some(sentence) = self.empty {
                draw::line(&[Piece::muted(sentence)], look, area, buf);
            }
            return;
        }
        for (row, index) in draw::rows(area).zip(shown) {
            if self.selected == Some(index) {
                draw::lay(Tone::Focus, look, row, buf);
                draw::sign(Glyph::Marker, Tone::Accent, look, row.x, row.y, buf);
            }
            one(&(self.item)(index), look, draw::right_of(row, 2), buf);
        }
    }
}

/// The name at the left, with what fits of the detail at the right; the name has the first claim.
fn one(item: &Item, look: &Look<'_>, row: Rect, buf: &mut Buffer) {
    let tone = if item.disabled {
        Tone::Disabled
    } else {
        Tone::Text
    };
    let used = usize::from(draw::line(&name(item, tone), look, row, buf));
    let room = usize::from(row.width).saturating_sub(used + 2);
    let wide = draw::line_width(&item.detail).min(room);
    if wide > 0 {
        let at = usize::from(row.width) - wide;
        let at = u16::try_from(at).unwrap_or(u16::MAX);
        draw::line(&item.detail, look, draw::right_of(row, at), buf);
    }
}

/// The name in runs of matching and other letters.
fn name(item: &Item, tone: Tone) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (i, c) in item.text.chars().enumerate() {
        let tone = if item.matches.contains(&i) {
            Tone::Match
        } else {
            tone
        };
        match pieces.last_mut() {
            Some(last) if last.tone == tone => last.text.push(c),
            _ => pieces.push(Piece::new(c, tone)),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::GlyphSet;
    use crate::widgets::dump;

    #[test]
    fn matches_are_set_off_and_details_give_way() {
        let item = |i: usize| Item {
            text: format!("go master {i}"),
            matches: vec![0, 3, 4],
            detail: vec![Piece::new("gm", Tone::Key)],
            disabled: i == 2,
        };
        let window = Window::default();
        for (width, wanted) in [
            (
                18,
                "  go master 1   gm\n▸ go master 2   gm\n\n  zt zztttt t   kk\nAFZNNZZNNNNNNFFFKK\n",
            ),
            (
                14,
                "  go master 1\n▸ go master 2\n\n  zt zztttt t\nAFZNNZZNNNNNNF\n",
            ),
        ] {
            let said = dump::drawn(width, 2, GlyphSet::Unicode, |look, area, buf| {
                List::new(3, &item)
                    .selected(Some(2))
                    .render(&window, look, area, buf);
            });
            assert_eq!(said, wanted, "{width}");
        }
        let said = dump::drawn(9, 1, GlyphSet::Unicode, |look, area, buf| {
            List::new(0, &item)
                .when_empty("nothing matches")
                .render(&window, look, area, buf);
        });
        assert_eq!(said, "nothing …\n\nmmmmmmmmm\n");
    }
}
