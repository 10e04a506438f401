//! The keys that work here, from the bindings in force; those that do nothing now say why.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::over::Over;
use super::picker::{Looks, Picker, widest};
use super::state::State;
use crate::msg::Command;
use crate::settings::{Bound, Tone};
use crate::widgets::table::natural_width;
use crate::widgets::{Column, Look, Piece, Row};

/// The help while it is open.
#[derive(Debug)]
pub(super) struct Help {
    pub picker: Picker,
    bound: Vec<Bound>,
    found: Vec<usize>,
    columns: Vec<Column>,
}

impl Help {
    /// The keys of the screen that is shown, or of the explanation over it.
    pub fn of(state: &State, now: Timestamp) -> Self {
        let scope = match state.over.last() {
            Some(Over::Explain(_)) => state.scope(),
            _ => state.screen(),
        };
        let bound = state.keymap.bindings(scope, &state.words(now));
        let keys: Vec<String> = bound.iter().map(|bound| bound.keys.join(" ")).collect();
        let why = |bound: &Bound| widest(bound.disabled.as_deref().into_iter());
        let does = widest(bound.iter().map(|bound| bound.desc.as_str()));
        let columns = vec![
            Column::new("key", "KEY")
                .width(8, 22)
                .holds(widest(keys.iter().map(String::as_str)))
                .firm(22),
            Column::new("does", "DOES")
                .width(24, does)
                .holds(does)
                .fill(),
            Column::new("why", "NOT NOW")
                .width(12, 48)
                .holds(bound.iter().map(why).max().unwrap_or(0)),
        ];
        let mut help = Self {
            picker: Picker::default(),
            bound,
            found: Vec::new(),
            columns,
        };
        help.find();
        help
    }

    /// The command of the selected line; `None` when it does nothing now.
    pub fn chosen(&self) -> Option<Command> {
        let bound = self.bound.get(*self.found.get(self.picker.selected())?)?;
        match bound.disabled {
            Some(_) => None,
            None => Command::parse(&bound.run).ok(),
        }
    }

    /// Looks for what was typed.
    pub fn find(&mut self) {
        let typed = self.picker.typed().to_lowercase();
        self.found = self
            .bound
            .iter()
            .enumerate()
            .filter(|(_, bound)| {
                let keys = bound.keys.iter().any(|key| key.to_lowercase() == typed);
                let text = format!("{} {}", bound.desc, bound.run).to_lowercase();
                keys || text.contains(&typed)
            })
            .map(|(at, _)| at)
            .collect();
        self.picker.narrowed(self.found.len());
    }

    /// Draws it; where there is no room for a column of reasons, they stand behind what the key does.
    pub fn view(&self, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        let is_narrow = natural_width(&self.columns) > area.width.saturating_sub(7);
        let columns = match self.columns.split_last() {
            Some((_, others)) if is_narrow => others,
            _ => &self.columns,
        };
        let looks = Looks {
            title: "Keys that work here",
            prompt: "/",
            placeholder: "type to narrow, enter to do it",
            empty: "no key does that",
            columns,
            all: self.bound.len(),
            rows: 60,
        };
        let row = |at: usize| self.row(at, is_narrow);
        self.picker.view(&looks, &row, look, area, buf);
    }

    fn row(&self, at: usize, is_narrow: bool) -> Row {
        let bound = self.found.get(at).and_then(|at| self.bound.get(*at));
        let Some(bound) = bound else {
            return Row::default();
        };
        let (key, text) = match bound.disabled {
            None => (Tone::Key, Tone::Text),
            Some(_) => (Tone::Disabled, Tone::Disabled),
        };
        let why = bound.disabled.clone().unwrap_or_default();
        let does = match is_narrow && !why.is_empty() {
            true => format!("{} ({why})", bound.desc),
            false => bound.desc.clone(),
        };
        Row::new(vec![
            Piece::new(bound.keys.join(" "), key),
            Piece::new(does, text),
            Piece::new(why, Tone::Disabled),
        ])
    }
}
