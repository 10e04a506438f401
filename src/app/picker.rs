//! A list over the screen with a line to type in that narrows it: what the palette and the help have in common.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::msg::command::Motion;
use crate::screens::parts::moved;
use crate::settings::{Glyph, Key, KeyPress, Tone};
use crate::widgets::table::natural_width;
use crate::widgets::{Column, LineInput, Look, Piece, Popup, Row, Table, Window, draw};

/// The line, and what is selected in the list beneath it.
#[derive(Debug, Default)]
pub(super) struct Picker {
    line: LineInput,
    /// How many entries match what was typed.
    count: usize,
    selected: usize,
    window: Window,
}

/// How a list looks that is picked from.
pub(super) struct Looks<'a> {
    pub title: &'static str,
    /// Before the line to type in.
    pub prompt: &'static str,
    /// What may be typed, while nothing is.
    pub placeholder: &'static str,
    /// What is said when nothing matches.
    pub empty: &'static str,
    /// The columns, which know what they hold.
    pub columns: &'a [Column],
    /// Entries there are, whatever was typed: the box does not change its size.
    pub all: usize,
    /// Rows that are shown at the most.
    pub rows: u16,
}

impl Picker {
    /// What was typed.
    pub fn typed(&self) -> &str {
        self.line.text()
    }

    /// The place of the selected entry among those that match.
    pub fn selected(&self) -> usize {
        self.selected
    }

    /// So many entries match what was typed; the first is selected.
    pub fn narrowed(&mut self, count: usize) {
        self.count = count;
        self.selected = 0;
        self.window.scroll_to(0);
    }

    /// Types, or moves the selection. Returns whether something else is typed now.
    #[must_use]
    pub fn press(&mut self, key: KeyPress) -> bool {
        // In a line that is empty there is nowhere to go.
        let ends = match key.key {
            Key::Home if self.typed().is_empty() => Some(Motion::First),
            Key::End if self.typed().is_empty() => Some(Motion::Last),
            _ => None,
        };
        if let Some(motion) = motion(key).or(ends) {
            self.selected = moved(self.selected, motion, self.window.page(), self.count);
            return false;
        }
        self.line.press(key)
    }

    /// Types a text at once.
    pub fn paste(&mut self, text: &str) {
        self.line.paste(text);
    }

    /// Moves the selection, as the wheel of a mouse does.
    pub fn scroll(&mut self, motion: Motion) {
        self.selected = moved(self.selected, motion, self.window.page(), self.count);
    }

    /// Draws the box, the line, and those entries that are seen.
    pub fn view(
        &self,
        looks: &Looks<'_>,
        row: &dyn Fn(usize) -> Row,
        look: &Look<'_>,
        area: Rect,
        buf: &mut Buffer,
    ) {
        // The line and the headings stand above the entries; one column at the right may hint at columns left out.
        let rows = u16::try_from(looks.all).unwrap_or(u16::MAX).min(looks.rows);
        let height = rows.saturating_add(2).min(area.height.saturating_sub(2));
        let width = natural_width(looks.columns).saturating_add(1).max(40);
        let width = width.min(area.width.saturating_sub(6));
        let popup = Popup::new(looks.title, width, height);
        let inner = popup.render(look, area, buf);
        let prompt = [Piece::new(looks.prompt, Tone::Key)];
        self.line
            .render(&prompt, looks.placeholder, true, look, inner, buf);
        Table::new(looks.columns, self.count, row)
            .selected(Some(self.selected))
            .when_empty(looks.empty)
            .render(&self.window, look, draw::below(inner, 1), buf);
        let place = self.window.place(self.count, look.glyph(Glyph::Dash));
        popup.foot(place.as_deref(), look, area, buf);
    }
}

/// The widest of some texts, as a column holds it.
pub(super) fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> u16 {
    let widest = texts.map(draw::width).max().unwrap_or(0);
    u16::try_from(widest).unwrap_or(u16::MAX)
}

/// The motion that a key means in a list under a line to type in, where letters are text.
fn motion(key: KeyPress) -> Option<Motion> {
    if key == KeyPress::ctrl('n') {
        return Some(Motion::Down);
    }
    if key == KeyPress::ctrl('p') {
        return Some(Motion::Up);
    }
    match key.key {
        Key::Up => Some(Motion::Up),
        Key::Down => Some(Motion::Down),
        Key::Tab if key.shift => Some(Motion::Up),
        Key::Tab => Some(Motion::Down),
        Key::PageUp => Some(Motion::PageUp),
        Key::PageDown => Some(Motion::PageDown),
        _ => None,
    }
}
