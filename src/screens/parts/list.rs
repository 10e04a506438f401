//! Moving through a list.

use crate::msg::command::Motion;

/// Where a selection or an offset goes, in a list of `len` rows of which `page` are seen.
pub fn moved(at: usize, motion: Motion, page: usize, len: usize) -> usize {
    let half = (page / 2).max(1);
    let last = len.saturating_sub(1);
    let moved = match motion {
        Motion::Up => at.saturating_sub(1),
        Motion::Down => at.saturating_add(1),
        Motion::HalfUp => at.saturating_sub(half),
        Motion::HalfDown => at.saturating_add(half),
        Motion::PageUp => at.saturating_sub(page),
        Motion::PageDown => at.saturating_add(page),
        Motion::First => 0,
        Motion::Last => last,
    };
    // The list may have grown shorter since the selection was made.
    moved.min(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_never_left() {
        for (motion, wanted) in [
            (Motion::Up, [0, 4, 8]),
            (Motion::Down, [1, 6, 9]),
            (Motion::HalfUp, [0, 3, 7]),
            (Motion::HalfDown, [2, 7, 9]),
            (Motion::PageUp, [0, 1, 5]),
            (Motion::PageDown, [4, 9, 9]),
            (Motion::First, [0, 0, 0]),
            (Motion::Last, [9, 9, 9]),
        ] {
            for (at, wanted) in [0, 5, 9].into_iter().zip(wanted) {
                assert_eq!(moved(at, motion, 4, 10), wanted, "{motion:?} from {at}");
            }
            assert_eq!(moved(0, motion, 4, 0), 0);
            assert_eq!(moved(7, motion, 1, 1), 0);
        }
    }
}
