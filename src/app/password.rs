//! The line where the password of a data port is typed: masked, in memory that is wiped, kept nowhere else.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use secrecy::zeroize::Zeroizing;

use crate::domain::InstanceId;
use crate::msg::{Effect, Secret};
use crate::settings::{Key, KeyPress, Tone};
use crate::widgets::{Look, Piece, Popup, draw};

/// Longest password, bytes. The room for it is taken at once: a text that grew would leave copies behind.
const LONGEST: usize = 512;

/// A password while it is typed.
pub(super) struct PasswordLine {
    instance: InstanceId,
    typed: Zeroizing<String>,
}

impl std::fmt::Debug for PasswordLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PasswordLine({}, ***)", self.instance)
    }
}

impl PasswordLine {
    pub fn new(instance: InstanceId) -> Self {
        Self {
            instance,
            typed: Zeroizing::new(String::with_capacity(LONGEST)),
        }
    }

    /// Types a text at once, up to its first line break.
    pub fn paste(&mut self, text: &str) {
        for c in text.lines().next().unwrap_or_default().chars() {
            self.push(c);
        }
    }

    /// Gives the line a key.
    pub fn press(&mut self, key: KeyPress) {
        match (key.ctrl, key.key) {
            (true, Key::Char('u')) => self.typed.clear(),
            (false, Key::Backspace) => {
                self.typed.pop();
            }
            _ => key.typed().into_iter().for_each(|c| self.push(c)),
        }
    }

    fn push(&mut self, c: char) {
        if !c.is_control() && self.typed.len() + c.len_utf8() <= LONGEST {
            self.typed.push(c);
        }
    }

    /// What was typed, handed over.
    pub fn entered(&self) -> Effect {
        Effect::Password {
            instance: self.instance.clone(),
            password: Secret::new((*self.typed).clone()),
        }
    }

    /// Draws it; of the password only how long it is, up to a bound.
    pub fn view(&self, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        let title = format!("Password of {}", self.instance);
        let width = area.width.saturating_sub(6).clamp(20, 64);
        let inner = Popup::new(title, width, 3).render(look, area, buf);
        let room = usize::from(inner.width).saturating_sub(2);
        let shown = self.typed.chars().count().min(room);
        let lines = [
            vec![
                Piece::text("*".repeat(shown)),
                Piece::new("_", Tone::Accent),
            ],
            vec![Piece::muted(
                "kept in memory until darner ends; empty forgets it",
            )],
            vec![
                Piece::new("enter", Tone::Key),
                Piece::text(" keep   "),
                Piece::new("esc", Tone::Key),
                Piece::text(" leave"),
            ],
        ];
        draw::lines(&lines, look, inner, buf);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ContextId;

    #[test]
    fn what_is_typed_reaches_the_effect_and_nothing_that_can_be_printed() {
        let instance = InstanceId::new(ContextId::new("infra"), "shop", "orders");
        let mut line = PasswordLine::new(instance.clone());
        line.paste("hunter3\nsecond line");
        line.press(KeyPress::plain(Key::Backspace));
        line.press(KeyPress::plain(Key::Char('2')));
        let effect = line.entered();
        let wanted = Effect::Password {
            instance,
            password: Secret::new("hunter2".to_owned()),
        };
        assert_eq!(effect, wanted);
        for shown in [format!("{line:?}"), format!("{effect:?}")] {
            assert!(!shown.contains("hunter"), "{shown}");
        }
        line.paste(&"x".repeat(10_000));
        assert_eq!(line.typed.len(), LONGEST);
        assert_eq!(
            line.typed.capacity(),
            LONGEST,
            "it was never copied to a larger place"
        );
        line.press(KeyPress::ctrl('u'));
        assert!(line.typed.is_empty());
    }
}
