//! Rows and columns: columns leave by priority where there is no room, nothing wraps, and only the rows that can be seen
//! are made.

mod columns;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Look, Piece, Window, draw};
use crate::settings::{Glyph, Tone};

pub use columns::{Align, Column, Placed, fit_columns};

/// One row of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// One cell for each column, in the order of the columns; missing ones stay blank.
    pub cells: Vec<Piece>,
    /// Its source is silent: what it says is old, and it is drawn in [`Tone::Stale`] throughout.
    pub stale: bool,
    /// The last cell is a sentence: it is drawn over the columns right of it.
    pub spans: bool,
}

impl Row {
    /// A row of those cells.
    pub fn new(cells: Vec<Piece>) -> Self {
        Self {
            cells,
            stale: false,
            spans: false,
        }
    }

    /// The same, with its last cell drawn over the columns right of it.
    #[must_use]
    pub fn spanning(mut self) -> Self {
        self.spans = true;
        self
    }

    /// The same, greyed when its source is silent.
    #[must_use]
    pub fn stale(mut self, stale: bool) -> Self {
        self.stale = stale;
        self
    }
}

/// A table over rows that are made when they are drawn.
#[derive(Clone)]
pub struct Table<'a> {
    columns: &'a [Column],
    len: usize,
    row: &'a dyn Fn(usize) -> Row,
    selected: Option<usize>,
    sort: Option<(&'a str, bool)>,
    shift: usize,
    focused: bool,
    headless: bool,
    empty: Option<&'a str>,
}

impl<'a> Table<'a> {
    /// A table of `len` rows. `row` makes the row of an index; it is called for visible rows only.
    pub fn new(columns: &'a [Column], len: usize, row: &'a dyn Fn(usize) -> Row) -> Self {
        Self {
            columns,
            len,
            row,
            selected: None,
            sort: None,
            shift: 0,
            focused: true,
            headless: false,
            empty: None,
        }
    }

    /// The selected row, which is kept in view.
    #[must_use]
    pub fn selected(mut self, selected: Option<usize>) -> Self {
        self.selected = selected;
        self
    }

    /// The id of the column by which the rows are sorted, and whether downwards.
    #[must_use]
    pub fn sorted(mut self, column: &'a str, descending: bool) -> Self {
        self.sort = Some((column, descending));
        self
    }

    /// Columns scrolled away at the left; those that are never left out stay.
    #[must_use]
    pub fn shifted(mut self, columns: usize) -> Self {
        self.shift = columns;
        self
    }

    /// The pane has the keyboard. It has where nothing is said.
    #[must_use]
    pub fn focused(mut self, focused: bool) -> Self {
        self.focused = focused;
        self
    }

    /// Without the row of headings.
    #[must_use]
    pub fn without_header(mut self) -> Self {
        self.headless = true;
        self
    }

    /// What is said when there are no rows.
    #[must_use]
    pub fn when_empty(mut self, sentence: &'a str) -> Self {
        self.empty = Some(sentence);
        self
    }

    /// Draws headings and visible rows.
    pub fn render(&self, window: &Window, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        // The first column of the screen carries the marker of the selected row.
        let mut inside = draw::right_of(area, 1);
        let mut placed = fit_columns(self.columns, inside.width, self.shift);
        if !self.headless && self.columns.len() > placed.len() + self.scrolled() {
            // The last column of the screen hints at what was left out.
            inside.width = inside.width.saturating_sub(1);
            placed = fit_columns(self.columns, inside.width, self.shift);
        }
        let mut body = area;
        if !self.headless {
            self.header(&placed, look, inside, buf);
            body = draw::below(area, 1);
        }
        let shown = window.follow(self.selected, self.len, usize::from(body.height));
        if self.len == 0 {
            if let (Some(sentence), Some(row)) = (self.empty, draw::rows(body).next()) {
                let row = draw::right_of(row, 1);
                draw::line(&[Piece::muted(sentence)], look, row, buf);
            }
            return;
        }
        for (area, index) in draw::rows(body).zip(shown) {
            let row = (self.row)(index);
            let is_selected = self.selected == Some(index);
            if is_selected {
                let surface = if self.focused {
                    Tone::Focus
                } else {
                    Tone::Selected
                };
                draw::lay(surface, look, area, buf);
                let tone = if self.focused {
                    Tone::Accent
                } else {
                    Tone::Muted
                };
                draw::sign(Glyph::Marker, tone, look, area.x, area.y, buf);
            }
            self.cells(&row, &placed, look, draw::right_of(area, 1), buf);
        }
    }

    fn header(&self, placed: &[Placed], look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        let Some(row) = draw::rows(area).next() else {
            return;
        };
        for place in placed {
            let Some(column) = self.columns.get(place.column) else {
                continue;
            };
            let direction = match self.sort {
                Some((id, descending)) if id == column.id => Some(if descending {
                    Glyph::Descending
                } else {
                    Glyph::Ascending
                }),
                _ => None,
            };
            let width = usize::from(place.width);
            let room = width.saturating_sub(usize::from(direction.is_some()));
            let mut title = draw::fit(column.title, room, "").into_owned();
            if let Some(glyph) = direction {
                title.push_str(look.glyph(glyph));
            }
            let tone = if direction.is_some() {
                Tone::Accent
            } else {
                Tone::Header
            };
            put(&title, tone, column.align, place, look, row, buf);
        }
        let scrolled = self.scrolled();
        if scrolled > 0 {
            let x = row.x.saturating_sub(1);
            draw::sign(Glyph::MoreLeft, Tone::Muted, look, x, row.y, buf);
        }
        if self.columns.len() > placed.len() + scrolled {
            draw::sign(Glyph::MoreRight, Tone::Muted, look, row.right(), row.y, buf);
        }
    }

    /// Columns that are scrolled away at the left.
    fn scrolled(&self) -> usize {
        let movable = self.columns.iter().filter(|c| c.priority > 0).count();
        self.shift.min(movable)
    }

    fn cells(&self, row: &Row, placed: &[Placed], look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        let ellipsis = look.glyph(Glyph::Ellipsis);
        for place in placed {
            let (Some(column), Some(cell)) =
                (self.columns.get(place.column), row.cells.get(place.column))
            else {
                continue;
            };
            if row.spans && place.column + 1 == row.cells.len() {
                let rest = draw::right_of(area, place.x);
                let tone = if row.stale { Tone::Stale } else { cell.tone };
                draw::line(&[Piece::new(cell.text.clone(), tone)], look, rest, buf);
                continue;
            }
            let width = usize::from(place.width);
            let text = if column.cut_middle {
                draw::fit_middle(&cell.text, width, ellipsis)
            } else {
                draw::fit(&cell.text, width, ellipsis)
            };
            let tone = if row.stale { Tone::Stale } else { cell.tone };
            put(&text, tone, column.align, place, look, area, buf);
        }
    }
}

fn put(
    text: &str,
    tone: Tone,
    align: Align,
    place: &Placed,
    look: &Look<'_>,
    area: Rect,
    buf: &mut Buffer,
) {
    let wide = u16::try_from(draw::width(text)).unwrap_or(u16::MAX);
    let indent = match align {
        Align::Left => 0,
        Align::Right => place.width.saturating_sub(wide),
    };
    let mut cell = draw::right_of(area, place.x.saturating_add(indent));
    cell.width = cell.width.min(place.width.saturating_sub(indent));
    draw::line(&[Piece::new(text, tone)], look, cell, buf);
}

#[cfg(test)]
mod tests;
