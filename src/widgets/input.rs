//! One line to type in: the filter, the palette, a name to confirm.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui_textarea::{CursorMove, DataCursor, Input, Key as TextKey, TextArea};
use unicode_width::UnicodeWidthChar;

use super::{Look, Piece, draw};
use crate::settings::{Key, KeyPress, Tone};

/// A line being typed, with its cursor. Editing keys are those of a shell: `ctrl-a`, `ctrl-e`, `ctrl-w`, `ctrl-u`,
/// `ctrl-k`, arrows, `home`, `end`.
#[derive(Debug, Clone, Default)]
pub struct LineInput {
    area: TextArea<'static>,
}

impl LineInput {
    /// An empty line.
    pub fn new() -> Self {
        Self::default()
    }

    /// A line that says something already, with the cursor at its end.
    pub fn with_text(text: &str) -> Self {
        let mut input = Self::new();
        input.paste(text);
        input
    }

    /// What has been typed.
    pub fn text(&self) -> &str {
        self.area.lines().first().map_or("", String::as_str)
    }

    /// Nothing has been typed.
    pub fn is_empty(&self) -> bool {
        self.text().is_empty()
    }

    /// Forgets what was typed.
    pub fn clear(&mut self) {
        self.area = TextArea::default();
    }

    /// Types a text at once. Line breaks become blanks: a pasted line break must never confirm anything.
    pub fn paste(&mut self, text: &str) {
        let line: String = crate::domain::text::plain(text)
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        self.area.insert_str(line);
    }

    /// Gives the line a key. Returns whether it was one for the line; `enter`, `esc`, `tab`, up and down never are.
    pub fn press(&mut self, press: KeyPress) -> bool {
        match (press.ctrl, press.alt, press.key) {
            (true, false, Key::Char('u')) => {
                self.area.delete_line_by_head();
            }
            (true, false, Key::Char('a')) | (_, _, Key::Home) => {
                self.area.move_cursor(CursorMove::Head);
            }
            (true, false, Key::Char('e')) | (_, _, Key::End) => {
                self.area.move_cursor(CursorMove::End);
            }
            (true, false, Key::Char('k' | 'w' | 'h' | 'b' | 'f' | 'd')) => {
                self.area.input(text_input(press));
            }
            (false, true, Key::Char('b' | 'f' | 'd')) => {
                self.area.input(text_input(press));
            }
            (false, false, Key::Char(c)) if !c.is_control() => self.area.insert_char(c),
            (_, _, Key::Backspace | Key::Delete | Key::Left | Key::Right) => {
                self.area.input(text_input(press));
            }
            _ => return false,
        }
        true
    }

    /// Draws a prompt and the line behind it, scrolled so that the cursor is seen; `placeholder` where nothing has been
    /// typed. The cursor is drawn when the line has the keyboard.
    pub fn render(
        &self,
        prompt: &[Piece],
        placeholder: &str,
        focused: bool,
        look: &Look<'_>,
        area: Rect,
        buf: &mut Buffer,
    ) {
        let area = area.intersection(buf.area);
        let Some(row) = draw::rows(area).next() else {
            return;
        };
        draw::lay(Tone::Field, look, row, buf);
        let used = draw::line(prompt, look, row, buf);
        let field = draw::right_of(row, used);
        let DataCursor(_, cursor) = self.area.cursor();
        let (text, at) = visible(self.text(), cursor, usize::from(field.width));
        if self.is_empty() {
            // One column stays for the cursor, so that the placeholder does not look typed.
            let hint = draw::right_of(field, 1);
            draw::line(&[Piece::muted(placeholder)], look, hint, buf);
        } else {
            let style = look.style(Tone::Text);
            buf.set_stringn(field.x, field.y, text, usize::from(field.width), style);
        }
        let x = field
            .x
            .saturating_add(u16::try_from(at).unwrap_or(u16::MAX));
        if focused
            && x < field.right()
            && let Some(cell) = buf.cell_mut((x, field.y))
        {
            cell.modifier.toggle(Modifier::REVERSED);
        }
    }
}

/// The part of a line that fits with the cursor in it, and the cursor's column in that part.
fn visible(text: &str, cursor: usize, columns: usize) -> (&str, usize) {
    let wide = |c: char| c.width().unwrap_or(0);
    let mut begin = 0;
    let mut before: usize = text.chars().take(cursor).map(wide).sum();
    for c in text.chars() {
        // The cursor itself wants a column.
        if before < columns || columns == 0 {
            break;
        }
        before -= wide(c);
        begin += c.len_utf8();
    }
    (text.get(begin..).unwrap_or_default(), before)
}

fn text_input(press: KeyPress) -> Input {
    let key = match press.key {
        Key::Char(c) => TextKey::Char(c),
        Key::Backspace => TextKey::Backspace,
        Key::Delete => TextKey::Delete,
        Key::Left => TextKey::Left,
        Key::Right => TextKey::Right,
        _ => TextKey::Null,
    };
    Input {
        key,
        ctrl: press.ctrl,
        alt: press.alt,
        // A selection would be invisible here.
        shift: false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::settings::GlyphSet;
    use crate::widgets::dump;

    fn typed(keys: &[&str]) -> LineInput {
        let mut input = LineInput::new();
        for key in keys {
            input.press(KeyPress::parse(key).unwrap());
        }
        input
    }

    #[test]
    fn it_edits_as_a_shell_does() {
        for (keys, wanted) in [
            (&["a", "b", "space", "c"][..], "ab c"),
            (&["a", "b", "backspace"], "a"),
            (&["a", "b", "ctrl-a", "x"], "xab"),
            (&["a", "b", "home", "delete"], "b"),
            (&["a", "b", "left", "x"], "axb"),
            (&["a", "b", "ctrl-u"], ""),
            (&["a", "b", "left", "ctrl-k"], "a"),
            (&["a", "space", "b", "c", "ctrl-w"], "a "),
            (&["G", "<", "ü"], "G<ü"),
            (
                &[
                    "a", "enter", "esc", "tab", "up", "down", "ctrl-c", "ctrl-x", "f1",
                ],
                "a",
            ),
        ] {
            assert_eq!(typed(keys).text(), wanted, "{keys:?}");
        }
    }

    #[test]
    fn keys_that_are_not_for_the_line_are_given_back() {
        for (key, wanted) in [
            ("a", true),
            ("left", true),
            ("ctrl-u", true),
            ("enter", false),
            ("esc", false),
            ("tab", false),
            ("up", false),
            ("ctrl-c", false),
            ("ctrl-n", false),
            ("alt-x", false),
        ] {
            let mut input = LineInput::new();
            assert_eq!(input.press(KeyPress::parse(key).unwrap()), wanted, "{key}");
        }
    }

    #[test]
    fn a_paste_stays_on_its_line() {
        let mut input = LineInput::with_text("name\nrest\u{1b}[31m\t!");
        assert_eq!(input.text(), "name rest !");
        input.clear();
        assert!(input.is_empty());
    }

    #[test]
    fn the_cursor_is_always_seen() {
        for (text, columns, wanted) in [
            ("abc", 10, " :abc\n"),
            ("abcdefgh", 6, " :fgh\n"),
            ("日本語", 6, " :語\n"),
            ("", 8, " : name\n"),
        ] {
            let input = LineInput::with_text(text);
            let said = dump::drawn(columns, 1, GlyphSet::Unicode, |look, area, buf| {
                let prompt = [Piece::new(" :", Tone::Key)];
                input.render(&prompt, "name it", true, look, area, buf);
                let reversed = area
                    .positions()
                    .filter(|p| {
                        buf.cell(*p)
                            .is_some_and(|c| c.modifier.contains(Modifier::REVERSED))
                    })
                    .count();
                assert_eq!(reversed, 1, "{text}");
            });
            assert!(said.starts_with(wanted.trim_end()), "{text}: {said}");
        }
    }
}
