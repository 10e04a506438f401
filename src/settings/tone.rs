//! What a piece of text means. Themes give meanings a look; nothing else in the house names a colour.

/// A meaning. State is never shown by a tone alone: a word and a [`super::Glyph`] stand beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Tone {
    /// Ordinary text.
    #[default]
    Text,
    /// Text that matters less: units, ages, hints.
    Muted,
    /// Text that matters more: the name of the thing in view.
    Strong,
    /// The one accent.
    Accent,
    /// The selected row of the pane that has the keyboard; a surface.
    Focus,
    /// The selected row of a pane that has not; a surface.
    Selected,
    /// A panel's title.
    Title,
    /// A column's heading.
    Header,
    /// Rules and box lines.
    Border,
    /// As it should be.
    Healthy,
    /// On its way: a sync, a start, a connection being made.
    Syncing,
    /// Not as it should be; clients are served.
    Degraded,
    /// Clients are hurt.
    Broken,
    /// Cannot be told.
    Unknown,
    /// Known once, and too old to be relied on.
    Stale,
    /// The master role.
    Master,
    /// The replica role.
    Replica,
    /// What loses data or service when it is done.
    Danger,
    /// A key to press.
    Key,
    /// What cannot be done here and now.
    Disabled,
    /// Writing is locked.
    Locked,
    /// Writing is unlocked.
    Unlocked,
    /// The letters of a name that match what was typed.
    Match,
    /// The line of a chart.
    Chart,
    /// Where text is typed; a surface.
    Field,
    /// A pop-up over the screen; a surface.
    Popup,
}

impl Tone {
    /// Every tone.
    pub const ALL: &[Tone] = &[
        Tone::Text,
        Tone::Muted,
        Tone::Strong,
        Tone::Accent,
        Tone::Focus,
        Tone::Selected,
        Tone::Title,
        Tone::Header,
        Tone::Border,
        Tone::Healthy,
        Tone::Syncing,
        Tone::Degraded,
        Tone::Broken,
        Tone::Unknown,
        Tone::Stale,
        Tone::Master,
        Tone::Replica,
        Tone::Danger,
        Tone::Key,
        Tone::Disabled,
        Tone::Locked,
        Tone::Unlocked,
        Tone::Match,
        Tone::Chart,
        Tone::Field,
        Tone::Popup,
    ];

    /// The name in theme files.
    pub fn name(self) -> &'static str {
        match self {
            Tone::Text => "text",
            Tone::Muted => "muted",
            Tone::Strong => "strong",
            Tone::Accent => "accent",
            Tone::Focus => "focus",
            Tone::Selected => "selected",
            Tone::Title => "title",
            Tone::Header => "header",
            Tone::Border => "border",
            Tone::Healthy => "healthy",
            Tone::Syncing => "syncing",
            Tone::Degraded => "degraded",
            Tone::Broken => "broken",
            Tone::Unknown => "unknown",
            Tone::Stale => "stale",
            Tone::Master => "master",
            Tone::Replica => "replica",
            Tone::Danger => "danger",
            Tone::Key => "key",
            Tone::Disabled => "disabled",
            Tone::Locked => "locked",
            Tone::Unlocked => "unlocked",
            Tone::Match => "match",
            Tone::Chart => "chart",
            Tone::Field => "field",
            Tone::Popup => "popup",
        }
    }

    /// The tone of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|tone| tone.name() == name)
    }

    /// The tone whose look a theme's silence means. Every chain ends at [`Tone::Text`]; surfaces have none, because
    /// what lies under text cannot look like text.
    pub fn parent(self) -> Option<Self> {
        match self {
            Tone::Text | Tone::Focus | Tone::Selected | Tone::Field | Tone::Popup => None,
            Tone::Muted | Tone::Strong | Tone::Accent | Tone::Replica => Some(Tone::Text),
            Tone::Healthy | Tone::Degraded => Some(Tone::Text),
            Tone::Title | Tone::Master => Some(Tone::Strong),
            Tone::Header | Tone::Border | Tone::Unknown | Tone::Stale => Some(Tone::Muted),
            Tone::Disabled | Tone::Locked => Some(Tone::Muted),
            Tone::Syncing | Tone::Broken | Tone::Unlocked => Some(Tone::Degraded),
            Tone::Danger => Some(Tone::Broken),
            Tone::Key | Tone::Match | Tone::Chart => Some(Tone::Accent),
        }
    }

    /// Surfaces lie under text: they give a background and leave the text's own tone readable on it.
    pub fn is_surface(self) -> bool {
        matches!(
            self,
            Tone::Focus | Tone::Selected | Tone::Field | Tone::Popup
        )
    }

    /// The letter of this tone in the second layer of a snapshot.
    pub fn letter(self) -> char {
        match self {
            Tone::Text => 't',
            Tone::Muted => 'm',
            Tone::Strong => 's',
            Tone::Accent => 'a',
            Tone::Focus => 'f',
            Tone::Selected => 'e',
            Tone::Title => 'i',
            Tone::Header => 'c',
            Tone::Border => 'o',
            Tone::Healthy => 'h',
            Tone::Syncing => 'y',
            Tone::Degraded => 'd',
            Tone::Broken => 'b',
            Tone::Unknown => 'u',
            Tone::Stale => 'l',
            Tone::Master => 'q',
            Tone::Replica => 'r',
            Tone::Danger => 'x',
            Tone::Key => 'k',
            Tone::Disabled => 'n',
            Tone::Locked => 'j',
            Tone::Unlocked => 'w',
            Tone::Match => 'z',
            Tone::Chart => 'g',
            Tone::Field => 'v',
            Tone::Popup => 'p',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_letters_are_unique_and_every_chain_ends_at_text() {
        let mut names: Vec<_> = Tone::ALL.iter().map(|t| t.name()).collect();
        let mut letters: Vec<_> = Tone::ALL.iter().map(|t| t.letter()).collect();
        for list in [names.len(), letters.len()] {
            assert_eq!(list, Tone::ALL.len());
        }
        names.sort_unstable();
        names.dedup();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(names.len(), Tone::ALL.len());
        assert_eq!(letters.len(), Tone::ALL.len());
        for tone in Tone::ALL {
            assert_eq!(Tone::named(tone.name()), Some(*tone));
            let mut at = *tone;
            for _ in 0..5 {
                at = at.parent().unwrap_or(at);
            }
            let end = if tone.is_surface() { *tone } else { Tone::Text };
            assert_eq!(at, end, "{tone:?}");
        }
        assert_eq!(Tone::named("crimson"), None);
    }
}
