//! Signs beside words, in two sets: one for terminals that show Unicode, one of plain ASCII.

/// A sign by its meaning. Every one is exactly one column wide in both sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Glyph {
    /// As it should be.
    Healthy,
    /// On its way.
    Syncing,
    /// Not as it should be.
    Warning,
    /// Clients are hurt.
    Broken,
    /// Cannot be told.
    Unknown,
    /// Sorted upwards.
    Ascending,
    /// Sorted downwards.
    Descending,
    /// Points right: a link, a flow.
    Right,
    /// Points left.
    Left,
    /// Points up.
    Up,
    /// Points down.
    Down,
    /// Text was cut here.
    Ellipsis,
    /// The selected row.
    Marker,
    /// There is more to the left.
    MoreLeft,
    /// There is more to the right.
    MoreRight,
    /// Nothing to show.
    Dash,
    /// Stands between parts of one line.
    Dot,
    /// Rule.
    Horizontal,
    /// Upright line.
    Vertical,
    /// Box corner.
    TopLeft,
    /// Box corner.
    TopRight,
    /// Box corner.
    BottomLeft,
    /// Box corner.
    BottomRight,
    /// Tree: a child with siblings below.
    Branch,
    /// Tree: the last child.
    LastBranch,
    /// Tree: beside a subtree that goes on.
    Trunk,
    /// A link that does not work.
    Cut,
    /// Writing is locked.
    Locked,
    /// Yes, in a matrix.
    Tick,
    /// No, in a matrix.
    Cross,
}

impl Glyph {
    /// Every glyph.
    pub const ALL: &[Glyph] = &[
        Glyph::Healthy,
        Glyph::Syncing,
        Glyph::Warning,
        Glyph::Broken,
        Glyph::Unknown,
        Glyph::Ascending,
        Glyph::Descending,
        Glyph::Right,
        Glyph::Left,
        Glyph::Up,
        Glyph::Down,
        Glyph::Ellipsis,
        Glyph::Marker,
        Glyph::MoreLeft,
        Glyph::MoreRight,
        Glyph::Dash,
        Glyph::Dot,
        Glyph::Horizontal,
        Glyph::Vertical,
        Glyph::TopLeft,
        Glyph::TopRight,
        Glyph::BottomLeft,
        Glyph::BottomRight,
        Glyph::Branch,
        Glyph::LastBranch,
        Glyph::Trunk,
        Glyph::Cut,
        Glyph::Locked,
        Glyph::Tick,
        Glyph::Cross,
    ];

    /// The signs of health, which must differ from one another in both sets.
    pub const HEALTH: &[Glyph] = &[
        Glyph::Healthy,
        Glyph::Syncing,
        Glyph::Warning,
        Glyph::Broken,
        Glyph::Unknown,
    ];

    const fn both(self) -> (&'static str, &'static str) {
        match self {
            Glyph::Healthy => ("●", "*"),
            Glyph::Syncing => ("◐", "~"),
            Glyph::Warning => ("▲", "!"),
            Glyph::Broken => ("✖", "X"),
            Glyph::Unknown => ("?", "?"),
            Glyph::Ascending => ("▲", "^"),
            Glyph::Descending => ("▼", "v"),
            Glyph::Right => ("→", ">"),
            Glyph::Left => ("←", "<"),
            Glyph::Up => ("↑", "^"),
            Glyph::Down => ("↓", "v"),
            Glyph::Ellipsis => ("…", "~"),
            Glyph::Marker => ("▸", ">"),
            Glyph::MoreLeft => ("‹", "<"),
            Glyph::MoreRight => ("›", ">"),
            Glyph::Dash => ("–", "-"),
            Glyph::Dot => ("·", "."),
            Glyph::Horizontal => ("─", "-"),
            Glyph::Vertical => ("│", "|"),
            Glyph::TopLeft => ("┌", "+"),
            Glyph::TopRight => ("┐", "+"),
            Glyph::BottomLeft => ("└", "+"),
            Glyph::BottomRight => ("┘", "+"),
            Glyph::Branch => ("├", "|"),
            Glyph::LastBranch => ("└", "`"),
            Glyph::Trunk => ("│", "|"),
            Glyph::Cut => ("╳", "x"),
            Glyph::Locked => ("■", "#"),
            Glyph::Tick => ("✓", "y"),
            Glyph::Cross => ("✗", "n"),
        }
    }
}

/// Which signs the terminal is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GlyphSet {
    /// Box drawing, arrows and block elements.
    #[default]
    Unicode,
    /// Printable ASCII only.
    Ascii,
}

impl GlyphSet {
    /// The sign for a meaning.
    pub const fn get(self, glyph: Glyph) -> &'static str {
        let (unicode, ascii) = glyph.both();
        match self {
            GlyphSet::Unicode => unicode,
            GlyphSet::Ascii => ascii,
        }
    }

    /// Levels of a sparkline from lowest to highest. The lowest is visible: zero is a value, absence is a blank.
    pub const fn levels(self) -> &'static [&'static str] {
        match self {
            GlyphSet::Unicode => &["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
            GlyphSet::Ascii => &["_", ".", "-", "=", "+", "*", "%", "#"],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use unicode_width::UnicodeWidthStr;

    #[test]
    fn every_glyph_is_one_column_wide_and_ascii_is_ascii() {
        for glyph in Glyph::ALL {
            for set in [GlyphSet::Unicode, GlyphSet::Ascii] {
                assert_eq!(set.get(*glyph).width(), 1, "{glyph:?} {set:?}");
            }
            assert!(GlyphSet::Ascii.get(*glyph).is_ascii(), "{glyph:?}");
        }
        assert!(GlyphSet::Ascii.levels().iter().all(|l| l.is_ascii()));
        assert_eq!(
            GlyphSet::Ascii.levels().len(),
            GlyphSet::Unicode.levels().len()
        );
    }

    #[test]
    fn states_of_health_can_be_told_apart_without_colour() {
        for set in [GlyphSet::Unicode, GlyphSet::Ascii] {
            let mut signs: Vec<_> = Glyph::HEALTH.iter().map(|g| set.get(*g)).collect();
            signs.sort_unstable();
            signs.dedup();
            assert_eq!(signs.len(), Glyph::HEALTH.len(), "{set:?}");
        }
    }
}
