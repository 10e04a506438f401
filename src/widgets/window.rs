//! Which part of a long list is on the screen.

use std::cell::Cell;
use std::ops::Range;

/// What drawing remembers between two frames: where the list was scrolled to, and how many rows fitted. A screen keeps
/// one per list; the widget that draws the list writes it, and paging reads it.
#[derive(Debug, Clone, Default)]
pub struct Window {
    offset: Cell<usize>,
    height: Cell<usize>,
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
}
