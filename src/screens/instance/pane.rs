//! The panes of the Instance screen, and the tabs of those that take turns.

use super::selection::Lists;
use crate::domain::Kind;
use crate::msg::command::Turn;
use crate::settings::Tone;
use crate::widgets::{Piece, draw};

/// What can have the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Pane {
    #[default]
    Nodes,
    Findings,
    Storage,
    Events,
    Charts,
    Clients,
    SlowLog,
    Buffers,
    History,
}

impl Pane {
    pub(super) const ALL: &[Pane] = &[
        Pane::Nodes,
        Pane::Findings,
        Pane::Storage,
        Pane::Events,
        Pane::Charts,
        Pane::Clients,
        Pane::SlowLog,
        Pane::Buffers,
        Pane::History,
    ];
    /// Those that take turns where there is no room for all.
    pub(super) const LOWER: &[Pane] = match Self::ALL {
        [Pane::Nodes, lower @ ..] => lower,
        all => all,
    };
    /// Those at the bottom of a wide screen.
    pub(super) const BOTTOM: &[Pane] = &[
        Pane::Events,
        Pane::Clients,
        Pane::SlowLog,
        Pane::Buffers,
        Pane::History,
    ];
    /// What happened.
    pub(super) const HAPPENED: &[Pane] = &[Pane::Events, Pane::History];
    /// Who uses it, and how that goes.
    pub(super) const USED: &[Pane] = &[Pane::Clients, Pane::SlowLog, Pane::Buffers];

    /// Its place in [`Pane::ALL`].
    pub(super) fn index(self) -> usize {
        self as usize
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Pane::Nodes => "Nodes",
            Pane::Findings => "Findings",
            Pane::Storage => "Storage",
            Pane::Events => "Events",
            Pane::Charts => "Charts",
            Pane::Clients => "Clients",
            Pane::SlowLog => "Slow log",
            Pane::Buffers => "Buffers",
            Pane::History => "History",
        }
    }

    /// The word for it among tabs.
    pub(super) fn tab(self) -> &'static str {
        match self {
            Pane::Nodes => "nodes",
            Pane::Findings => "findings",
            Pane::Storage => "storage",
            Pane::Events => "events",
            Pane::Charts => "charts",
            Pane::Clients => "clients",
            Pane::SlowLog => "slow",
            Pane::Buffers => "buffers",
            Pane::History => "history",
        }
    }

    /// The kind of object that is shown in it.
    pub(super) fn rests_on(self) -> Option<Kind> {
        match self {
            Pane::Nodes | Pane::Charts => Some(Kind::Pod),
            Pane::Storage => Some(Kind::Pvc),
            Pane::Events => Some(Kind::Event),
            // Of engines each row says itself how old it is.
            Pane::Findings | Pane::Clients | Pane::SlowLog | Pane::Buffers => None,
            Pane::History => Some(Kind::Pod),
        }
    }

    pub(super) fn turned(self, turn: Turn) -> Self {
        let at = Self::ALL.iter().position(|pane| *pane == self).unwrap_or(0);
        let len = Self::ALL.len();
        let to = match turn {
            Turn::Next => (at + 1) % len,
            Turn::Previous => (at + len - 1) % len,
        };
        Self::ALL.get(to).copied().unwrap_or_default()
    }
}

/// Panes that take turns, by name, with how much is in each; the one that is shown stands out. Where there is less room
/// their counts go first.
pub(super) fn tabs(
    shown: Pane,
    turns: &[Pane],
    lists: &Lists,
    room: usize,
    ellipsis: &str,
) -> Vec<Piece> {
    let of = |turns: &[Pane], gap: &str, counts: bool| {
        let mut pieces = Vec::new();
        for pane in turns {
            if !pieces.is_empty() {
                pieces.push(Piece::muted(gap));
            }
            let tone = match *pane == shown {
                true => Tone::Accent,
                false => Tone::Muted,
            };
            let count = match (pane, counts) {
                (Pane::Charts, _) | (_, false) => String::new(),
                (pane, true) => format!(" {}", lists.of_pane(*pane).len()),
            };
            pieces.push(Piece::new(format!("{}{count}", pane.tab()), tone));
        }
        pieces
    };
    let all = [
        of(turns, "  ", true),
        of(turns, "  ", false),
        of(turns, " ", false),
    ];
    let fits = |pieces: &Vec<Piece>| draw::line_width(pieces) <= room;
    if let Some(pieces) = all.into_iter().find(fits) {
        return pieces;
    }
    // Its neighbours at least.
    let some = |from: usize, to: usize| {
        let mut pieces = of(turns.get(from..to).unwrap_or_default(), " ", false);
        if from > 0 {
            pieces.insert(0, Piece::muted(format!("{ellipsis} ")));
        }
        if to < turns.len() {
            pieces.push(Piece::muted(format!(" {ellipsis}")));
        }
        pieces
    };
    let at = turns.iter().position(|pane| *pane == shown).unwrap_or(0);
    let (mut from, mut to) = (at, at + 1);
    loop {
        let (wider_from, wider_to) = (from.saturating_sub(1), (to + 1).min(turns.len()));
        if (wider_from, wider_to) == (from, to) || !fits(&some(wider_from, wider_to)) {
            return some(from, to);
        }
        (from, to) = (wider_from, wider_to);
    }
}
