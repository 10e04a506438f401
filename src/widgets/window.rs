//! Which part of a long list is on the screen.

use std::cell::{Cell, RefCell};
use std::ops::Range;

/// What drawing remembers between two frames: where the list was scrolled to, how many rows fitted, how wide its columns
/// had to be. A screen keeps one per list; the widget that draws the list writes it, and paging reads it.
#[derive(Debug, Clone, Default)]
pub struct Window {
    offset: Cell<usize>,
    height: Cell<usize>,
    /// The row that stands on each line, where rows may take several.
    lines: RefCell<Vec<usize>>,
    /// The widest thing that each column has shown.
    widest: RefCell<Vec<u16>>,
    more_right: Cell<bool>,
}

impl Window {
    /// First row shown by the last frame.
    pub fn offset(&self) -> usize {
        self.offset.get()
    }

    /// Rows of a page: as many as the last frame showed, at least one.
    pub fn page(&self) -> usize {
        self.height.get().max(1)
    }

    /// Rows that the last frame showed of a list so long.
    pub fn shown(&self, len: usize) -> Range<usize> {
        let begin = self.offset.get().min(len);
        begin..begin.saturating_add(self.height.get()).min(len)
    }

    /// Which part of a list so long is seen, in words, where that is not all of it: `12–31 of 103`.
    pub fn place(&self, len: usize, dash: &str) -> Option<String> {
        let shown = self.shown(len);
        (shown.len() < len && !shown.is_empty())
            .then(|| format!("{}{dash}{} of {len}", shown.start + 1, shown.end))
    }

    /// Scrolls without a selection; the next frame keeps it within the list.
    pub fn scroll_to(&self, offset: usize) {
        self.offset.set(offset);
    }

    /// Moves as little as possible so that the selected row is seen and no row is wasted, and tells which rows to draw.
    pub fn follow(&self, selected: Option<usize>, len: usize, height: usize) -> Range<usize> {
        let mut offset = self.offset.get().min(len.saturating_sub(height));
        if let Some(selected) = selected.map(|s| s.min(len.saturating_sub(1)))
            && height > 0
        {
            offset = offset.clamp(selected.saturating_sub(height - 1), selected);
        }
        self.offset.set(offset);
        self.height.set(height);
        self.shown(len)
    }

    /// Notes which row stands on each line.
    pub fn note_lines(&self, lines: Vec<usize>) {
        *self.lines.borrow_mut() = lines;
    }

    /// The row that stands on a line of the list, counted from its first one, in the last frame.
    pub fn row_at(&self, line: usize) -> Option<usize> {
        self.lines.borrow().get(line).copied()
    }

    /// Lines that the rows of the last frame took.
    pub fn lines(&self) -> usize {
        self.lines.borrow().len()
    }

    /// Notes how wide what columns show is, and tells the widest that each has shown so far: a column that has grown
    /// stays as it is, so that nothing jumps back and forth.
    pub fn grown(&self, wide: &[u16]) -> Vec<u16> {
        let mut widest = self.widest.borrow_mut();
        widest.resize(wide.len(), 0);
        for (old, new) in widest.iter_mut().zip(wide) {
            *old = (*old).max(*new);
        }
        widest.clone()
    }

    /// Notes whether there are columns right of those that were drawn.
    pub fn note_more_right(&self, more: bool) {
        self.more_right.set(more);
    }

    /// There are columns right of those that the last frame drew.
    pub fn has_more_right(&self) -> bool {
        self.more_right.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selection_is_always_seen_and_the_list_moves_no_further_than_it_must() {
        let window = Window::default();
        for (selected, len, height, wanted) in [
            (Some(0), 100, 10, 0..10),
            (Some(9), 100, 10, 0..10),
            (Some(10), 100, 10, 1..11),
            (Some(5), 100, 10, 1..11),
            (Some(0), 100, 10, 0..10),
            (Some(99), 100, 10, 90..100),
            (Some(99), 100, 20, 80..100),
            (None, 100, 20, 80..100),
            (Some(3), 4, 20, 0..4),
            (Some(7), 4, 2, 2..4),
            (Some(0), 0, 10, 0..0),
            (Some(3), 10, 0, 0..0),
        ] {
            assert_eq!(
                window.follow(selected, len, height).clone().len(),
                wanted.len(),
                "{selected:?} of {len} in {height}"
            );
            if !wanted.is_empty() {
                assert_eq!(
                    window.shown(len),
                    wanted,
                    "{selected:?} of {len} in {height}"
                );
            }
        }
        assert_eq!(window.page(), 1);
    }

    #[test]
    fn where_one_is_in_a_list_is_told_only_where_it_overflows() {
        let window = Window::default();
        for (selected, len, height, wanted) in [
            (30, 103, 20, Some("12–31 of 103")),
            (0, 103, 20, Some("1–20 of 103")),
            (0, 20, 20, None),
            (0, 0, 20, None),
            (0, 5, 0, None),
        ] {
            window.follow(Some(selected), len, height);
            assert_eq!(
                window.place(len, "–").as_deref(),
                wanted,
                "{selected} of {len}"
            );
        }
    }

    #[test]
    fn columns_only_grow_until_there_are_others() {
        let window = Window::default();
        assert_eq!(window.grown(&[3, 9]), [3, 9]);
        assert_eq!(window.grown(&[5, 2]), [5, 9]);
        assert_eq!(window.grown(&[1, 1, 1]), [5, 9, 1]);
    }
}
