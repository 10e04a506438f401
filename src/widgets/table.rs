//! Rows and columns: columns leave by priority where there is no room, sentences take a second line where there is some,
//! and only the rows that can be seen are made.

mod columns;
mod marks;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::{Look, Piece, Window, draw};
use crate::settings::{Glyph, Tone};

pub use columns::{Align, Column, Cut, Placed, fit_columns, natural_width};
use marks::{found, marked};

/// One row of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// One cell for each column, in the order of the columns; missing ones stay blank.
    pub cells: Vec<Piece>,
    /// Its source is silent: what it says is old, and it is drawn in [`Tone::Stale`] throughout.
    pub stale: bool,
    /// The last cell is a sentence: it is drawn over the columns right of it.
    pub spans: bool,
    /// Letters that match what was typed: the index of a cell, and positions in characters of its text.
    pub marks: Vec<(usize, Vec<usize>)>,
}

impl Row {
    /// A row of those cells.
    pub fn new(cells: Vec<Piece>) -> Self {
        Self {
            cells,
            ..Self::default()
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

    /// The same, with letters of a cell set off.
    #[must_use]
    pub fn marked(mut self, cell: usize, letters: Vec<usize>) -> Self {
        self.marks.push((cell, letters));
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
    words: Vec<&'a str>,
    lines: usize,
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
            words: Vec::new(),
            lines: 1,
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

    /// Columns scrolled away at the left; those that are pinned stay.
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

    /// Words, lower case, that are set off wherever they stand in a cell.
    #[must_use]
    pub fn marking(mut self, words: impl IntoIterator<Item = &'a str>) -> Self {
        self.words = words.into_iter().filter(|word| !word.is_empty()).collect();
        self
    }

    /// A sentence takes up to so many lines, as long as every row can be seen. Where not all sentences have room, each
    /// gets a second line before any gets a third; the first rows have the first claim.
    #[must_use]
    pub fn wrapped(mut self, lines: usize) -> Self {
        self.lines = lines.max(1);
        self
    }

    /// Lines that the rows would like to have at that width, headings not counted. Makes every row.
    pub fn wanted(&self, width: u16) -> usize {
        if self.lines == 1 {
            return self.len;
        }
        let rows: Vec<(usize, Row)> = (0..self.len).map(|at| (at, (self.row)(at))).collect();
        let wide = self.measured(&rows);
        let width = width.saturating_sub(1);
        let placed = fit_columns(self.columns, width, self.shift, &wide);
        rows.iter()
            .map(|(_, row)| {
                self.sentence(row, &placed, width, self.lines, "")
                    .len()
                    .max(1)
            })
            .sum()
    }

    /// Draws headings and visible rows.
    pub fn render(&self, window: &Window, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        let area = area.intersection(buf.area);
        let body = match self.headless {
            true => area,
            false => draw::below(area, 1),
        };
        let shown = window.follow(self.selected, self.len, usize::from(body.height));
        let rows: Vec<(usize, Row)> = shown.map(|at| (at, (self.row)(at))).collect();
        let wide = window.grown(&self.measured(&rows));
        // The first column of the screen carries the marker of the selected row.
        let mut inside = draw::right_of(area, 1);
        let mut placed = fit_columns(self.columns, inside.width, self.shift, &wide);
        let is_cut = |placed: &[Placed]| self.columns.len() > placed.len() + self.scrolled();
        if !self.headless && is_cut(&placed) {
            // The last column of the screen hints at what was left out.
            inside.width = inside.width.saturating_sub(1);
            placed = fit_columns(self.columns, inside.width, self.shift, &wide);
        }
        window.note_more_right(is_cut(&placed));
        if !self.headless {
            self.header(&placed, look, inside, buf);
        }
        if self.len == 0 {
            window.note_lines(Vec::new());
            if let Some(sentence) = self.empty {
                let at = draw::right_of(body, 1);
                let lines: Vec<Vec<Piece>> = draw::wrap(sentence, usize::from(at.width))
                    .into_iter()
                    .map(|line| vec![Piece::muted(line)])
                    .collect();
                draw::lines(&lines, look, at, buf);
            }
            return;
        }
        let spare = usize::from(body.height).saturating_sub(self.len);
        let most = self.shares(&rows, &placed, inside.width, spare);
        let mut rest = body;
        let mut lines = Vec::new();
        for ((index, row), most) in rows.into_iter().zip(most) {
            let ellipsis = look.glyph(Glyph::Ellipsis);
            let sentence = self.sentence(&row, &placed, inside.width, most, ellipsis);
            let high = sentence.len().max(1);
            let place = Rect {
                height: u16::try_from(high).unwrap_or(1).min(rest.height),
                ..rest
            };
            rest = draw::below(rest, place.height);
            lines.extend(std::iter::repeat_n(index, usize::from(place.height)));
            if self.selected == Some(index) {
                self.mark_selected(look, place, buf);
            }
            let inside = Rect {
                width: inside.width,
                ..draw::right_of(place, 1)
            };
            self.cells(&row, &sentence, &placed, look, inside, buf);
        }
        window.note_lines(lines);
    }

    /// How many lines the sentence of each row may take, when so many lines are left over.
    fn shares(
        &self,
        rows: &[(usize, Row)],
        placed: &[Placed],
        width: u16,
        mut spare: usize,
    ) -> Vec<usize> {
        if self.lines == 1 || spare == 0 {
            return vec![1; rows.len()];
        }
        let wanted: Vec<usize> = rows
            .iter()
            .map(|(_, row)| self.sentence(row, placed, width, self.lines, "").len())
            .collect();
        let mut shares = vec![1; rows.len()];
        for lines in 2..=self.lines {
            for (share, wanted) in shares.iter_mut().zip(&wanted) {
                if *wanted >= lines && spare > 0 {
                    *share = lines;
                    spare -= 1;
                }
            }
        }
        shares
    }

    fn mark_selected(&self, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        if area.is_empty() {
            return;
        }
        let (surface, tone) = match self.focused {
            true => (Tone::Focus, Tone::Accent),
            false => (Tone::Selected, Tone::Muted),
        };
        draw::lay(surface, look, area, buf);
        draw::sign(Glyph::Marker, tone, look, area.x, area.y, buf);
    }

    /// How wide what each column shows is.
    fn measured(&self, rows: &[(usize, Row)]) -> Vec<u16> {
        let wide = |piece: &Piece| u16::try_from(piece.width()).unwrap_or(u16::MAX);
        (0..self.columns.len())
            .map(|at| {
                let cells = rows.iter().filter_map(|(_, row)| {
                    let is_span = row.spans && at + 1 == row.cells.len();
                    row.cells.get(at).filter(|_| !is_span)
                });
                cells.map(wide).max().unwrap_or(0)
            })
            .collect()
    }

    /// The lines of a row's sentence: of its spanning cell, or of that in the column of sentences. Empty where it has
    /// none.
    fn sentence(
        &self,
        row: &Row,
        placed: &[Placed],
        width: u16,
        lines: usize,
        ellipsis: &str,
    ) -> Vec<String> {
        let is_sentence = |place: &&Placed| match row.spans {
            true => place.column + 1 == row.cells.len(),
            false => self
                .columns
                .get(place.column)
                .is_some_and(Column::is_sentence),
        };
        let place = placed.iter().find(is_sentence);
        let Some((place, cell)) = place.and_then(|p| Some((p, row.cells.get(p.column)?))) else {
            return Vec::new();
        };
        let room = match row.spans {
            true => width.saturating_sub(place.x),
            false => place.width,
        };
        draw::wrap_to(&cell.text, usize::from(room), lines, ellipsis)
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
                Some((id, descending)) if id == column.id => Some(match descending {
                    true => Glyph::Descending,
                    false => Glyph::Ascending,
                }),
                _ => None,
            };
            let tone = match direction {
                Some(_) => Tone::Accent,
                None => Tone::Header,
            };
            let width = usize::from(place.width);
            let mut title = draw::fit(column.title, width, "");
            // The sign of the order stands in the gap behind the title, so that the title never moves; at the edge of
            // the table it takes the title's last column.
            let behind = |title: &str| match column.align {
                Align::Left => u16::try_from(draw::width(title)).unwrap_or(u16::MAX),
                Align::Right => place.width,
            };
            let mut at = place.x.saturating_add(behind(&title));
            if direction.is_some() && at >= area.width {
                title = draw::fit(column.title, width.saturating_sub(1), "");
                at = area.width.saturating_sub(1);
                let short = place.width.saturating_sub(1);
                let place = Placed {
                    width: short,
                    ..*place
                };
                put(&title, tone, &[], column.align, &place, look, row, buf);
            } else {
                put(&title, tone, &[], column.align, place, look, row, buf);
            }
            if let Some(glyph) = direction
                && at < area.width
            {
                draw::sign(glyph, tone, look, row.x.saturating_add(at), row.y, buf);
            }
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
        let movable = self.columns.iter().filter(|c| !c.pinned).count();
        self.shift.min(movable)
    }

    fn cells(
        &self,
        row: &Row,
        sentence: &[String],
        placed: &[Placed],
        look: &Look<'_>,
        area: Rect,
        buf: &mut Buffer,
    ) {
        let ellipsis = look.glyph(Glyph::Ellipsis);
        for place in placed {
            let (Some(column), Some(cell)) =
                (self.columns.get(place.column), row.cells.get(place.column))
            else {
                continue;
            };
            let tone = if row.stale { Tone::Stale } else { cell.tone };
            let spans = row.spans && place.column + 1 == row.cells.len();
            if spans || column.is_sentence() && !row.spans {
                let rest = draw::right_of(area, place.x);
                let width = if spans {
                    rest.width
                } else {
                    place.width.min(rest.width)
                };
                for (line, text) in draw::rows(Rect { width, ..rest }).zip(sentence) {
                    let pieces = marked(text, tone, &self.letters(row, place.column, text));
                    draw::line(&pieces, look, line, buf);
                }
                continue;
            }
            let width = usize::from(place.width);
            let text = match column.cut {
                Cut::End => draw::fit(&cell.text, width, ellipsis),
                Cut::Middle => draw::fit_middle(&cell.text, width, ellipsis),
                Cut::Shared(before, after) => {
                    draw::fit_core(&cell.text, width, ellipsis, (before, after))
                }
            };
            let letters = self.letters(row, place.column, &text);
            put(&text, tone, &letters, column.align, place, look, area, buf);
        }
    }

    /// Positions of the letters to set off in what is drawn of a cell.
    fn letters(&self, row: &Row, column: usize, drawn: &str) -> Vec<usize> {
        let own = row.marks.iter().filter(|(cell, _)| *cell == column);
        let mut letters: Vec<usize> = own.flat_map(|(_, letters)| letters.clone()).collect();
        letters.extend(found(drawn, &self.words));
        letters
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "what a cell is drawn from; a struct of it would be made for one call"
)]
fn put(
    text: &str,
    tone: Tone,
    letters: &[usize],
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
    draw::line(&marked(text, tone, letters), look, cell, buf);
}

#[cfg(test)]
mod tests;
