//! The keys that work here, from the bindings in force; those that do nothing now say why.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::over::list_motion;
use super::state::State;
use crate::msg::Command;
use crate::screens::parts::moved;
use crate::settings::{Bound, KeyPress, Tone};
use crate::widgets::{Column, LineInput, Look, Piece, Popup, Row, Table, Window, draw};

/// The help while it is open.
#[derive(Debug)]
pub(super) struct Help {
    line: LineInput,
    bound: Vec<Bound>,
    found: Vec<usize>,
    selected: usize,
    window: Window,
}

impl Help {
    /// The keys of the screen that is shown.
    pub fn of(state: &State, now: Timestamp) -> Self {
        let bound = state.keymap.bindings(state.screen(), &state.words(now));
        let mut help = Self {
            line: LineInput::new(),
            bound,
            found: Vec::new(),
            selected: 0,
            window: Window::default(),
        };
        help.find();
        help
    }

    /// Types, or moves the selection.
    pub fn press(&mut self, key: KeyPress) {
        if let Some(motion) = list_motion(key) {
            self.selected = moved(self.selected, motion, self.window.page(), self.found.len());
        } else if self.line.press(key) {
            self.find();
        }
    }

    /// Types a text at once.
    pub fn paste(&mut self, text: &str) {
        self.line.paste(text);
        self.find();
    }

    /// The command of the selected line; `None` when it does nothing now.
    pub fn chosen(&self) -> Option<Command> {
        let bound = self.bound.get(*self.found.get(self.selected)?)?;
        match bound.disabled {
            Some(_) => None,
            None => Command::parse(&bound.run).ok(),
        }
    }

    fn find(&mut self) {
        let typed = self.line.text().to_lowercase();
        self.selected = 0;
        self.window.scroll_to(0);
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
    }

    /// Draws it.
    pub fn view(&self, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        let height = area.height.saturating_sub(4).min(40);
        let width = area.width.saturating_sub(6).clamp(30, 100);
        let inner = Popup::new("Keys that work here", width, height).render(look, area, buf);
        let prompt = [Piece::new("/", Tone::Key)];
        self.line.render(
            &prompt,
            "type to narrow, enter to do it",
            true,
            look,
            inner,
            buf,
        );
        let columns = [
            Column::new("key", "KEY").width(8, 16),
            Column::new("does", "DOES").width(34, 46).fill(),
            Column::new("why", "NOT NOW").width(24, 42).priority(2),
            Column::new("scope", "WHERE").width(6, 8).priority(3),
        ];
        let row = |at: usize| self.row(at);
        Table::new(&columns, self.found.len(), &row)
            .selected(Some(self.selected))
            .when_empty("no key does that")
            .render(&self.window, look, draw::below(inner, 1), buf);
    }

    fn row(&self, at: usize) -> Row {
        let bound = self.found.get(at).and_then(|at| self.bound.get(*at));
        let Some(bound) = bound else {
            return Row::default();
        };
        let (key, text) = match bound.disabled {
            None => (Tone::Key, Tone::Text),
            Some(_) => (Tone::Disabled, Tone::Disabled),
        };
        Row::new(vec![
            Piece::new(bound.keys.join(" "), key),
            Piece::new(bound.desc.clone(), text),
            Piece::new(bound.disabled.clone().unwrap_or_default(), Tone::Disabled),
            Piece::muted(bound.scope.clone()),
        ])
    }
}
