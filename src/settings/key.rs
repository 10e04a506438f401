//! Keys and how keymap files write them: `j`, `G`, `ctrl-d`, `enter`, `shift-tab`, `f1`, and sequences as `g g`.

use std::fmt;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// A key, without what is held down beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A character, in the case in which it arrives.
    Char(char),
    /// Enter or return.
    Enter,
    /// Escape.
    Esc,
    /// Tabulator.
    Tab,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// Insert.
    Insert,
    /// Home.
    Home,
    /// End.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// A function key, from 1.
    F(u8),
}

/// One press: a key and what was held down.
///
/// Shift is part of a character (`G`, `<`) and so is only kept beside keys that have no upper case, because terminals
/// do not agree on whether they report it for characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPress {
    /// The key.
    pub key: Key,
    /// Control was held.
    pub ctrl: bool,
    /// Alt was held.
    pub alt: bool,
    /// Shift was held, for keys other than characters.
    pub shift: bool,
}

const NAMES: [(&str, Key); 23] = [
    ("enter", Key::Enter),
    ("esc", Key::Esc),
    ("tab", Key::Tab),
    ("backspace", Key::Backspace),
    ("delete", Key::Delete),
    ("insert", Key::Insert),
    ("home", Key::Home),
    ("end", Key::End),
    ("pgup", Key::PageUp),
    ("pgdn", Key::PageDown),
    ("up", Key::Up),
    ("down", Key::Down),
    ("left", Key::Left),
    ("right", Key::Right),
    ("space", Key::Char(' ')),
    // Other spellings of the same; the first of a key is the one that is shown.
    ("return", Key::Enter),
    ("escape", Key::Esc),
    ("del", Key::Delete),
    ("ins", Key::Insert),
    ("pageup", Key::PageUp),
    ("pagedown", Key::PageDown),
    ("backtab", Key::Tab),
    ("minus", Key::Char('-')),
];

impl KeyPress {
    /// A key alone.
    pub fn plain(key: Key) -> Self {
        Self {
            key,
            ctrl: false,
            alt: false,
            shift: false,
        }
    }

    /// A character alone.
    pub fn char(c: char) -> Self {
        Self::plain(Key::Char(c))
    }

    /// A character with control.
    pub fn ctrl(c: char) -> Self {
        Self {
            ctrl: true,
            ..Self::char(c)
        }
    }

    /// The character that this press types, if it types one.
    pub fn typed(self) -> Option<char> {
        match self.key {
            Key::Char(c) if !self.ctrl && !self.alt => Some(c),
            _ => None,
        }
    }

    /// Reads one press, as in `ctrl-d`.
    ///
    /// # Errors
    /// A sentence that says what could not be understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut press = Self::char(' ');
        let mut rest = text;
        loop {
            let lower = rest.to_ascii_lowercase();
            let (held, after) = if lower.strip_prefix("ctrl-").is_some_and(|r| !r.is_empty()) {
                (&mut press.ctrl, "ctrl-".len())
            } else if lower.strip_prefix("alt-").is_some_and(|r| !r.is_empty()) {
                (&mut press.alt, "alt-".len())
            } else if lower.strip_prefix("shift-").is_some_and(|r| !r.is_empty()) {
                (&mut press.shift, "shift-".len())
            } else {
                break;
            };
            *held = true;
            rest = rest.get(after..).unwrap_or_default();
        }
        press.key = key_named(rest).ok_or_else(|| {
            let known = NAMES.iter().map(|(name, _)| *name);
            format!(
                "`{text}` is not a key; {}",
                super::problem::suggestion(rest, known)
            )
        })?;
        press.shift |= rest.eq_ignore_ascii_case("backtab");
        Ok(press.tidied())
    }

    /// Reads a sequence of presses with spaces between them, as in `g g`.
    ///
    /// # Errors
    /// A sentence that says which press could not be understood.
    pub fn parse_sequence(text: &str) -> Result<Vec<Self>, String> {
        let keys: Vec<Self> = text
            .split_whitespace()
            .map(Self::parse)
            .collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err("no key is named here; write for instance `x` or `g g`.".to_owned());
        }
        Ok(keys)
    }

    /// One spelling for presses that terminals report in several.
    fn tidied(mut self) -> Self {
        if let Key::Char(c) = self.key {
            if self.ctrl {
                // A control code has no case.
                self.key = Key::Char(c.to_ascii_lowercase());
            } else if self.shift && c.is_ascii_lowercase() {
                self.key = Key::Char(c.to_ascii_uppercase());
            }
            self.shift = false;
        }
        self
    }
}

fn key_named(name: &str) -> Option<Key> {
    let mut chars = name.chars();
    if let (Some(c), None) = (chars.next(), chars.next()) {
        return (!c.is_control() && !c.is_whitespace()).then_some(Key::Char(c));
    }
    let lower = name.to_ascii_lowercase();
    if let Some((_, key)) = NAMES.iter().find(|(name, _)| *name == lower) {
        return Some(*key);
    }
    let number: u8 = lower.strip_prefix('f')?.parse().ok()?;
    (1..=24).contains(&number).then_some(Key::F(number))
}

impl fmt::Display for KeyPress {
    /// As keymap files write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (held, name) in [
            (self.ctrl, "ctrl-"),
            (self.alt, "alt-"),
            (self.shift, "shift-"),
        ] {
            if held {
                f.write_str(name)?;
            }
        }
        match self.key {
            Key::F(number) => write!(f, "f{number}"),
            key => match (NAMES.iter().find(|(_, named)| *named == key), key) {
                (Some((name, _)), k) if k != Key::Char('-') => f.write_str(name),
                (_, Key::Char(c)) => write!(f, "{c}"),
                _ => Ok(()),
            },
        }
    }
}

/// A sequence as it is shown: `gg` and `cn` when it is all characters, else `ctrl-x ctrl-c`.
pub fn shown(sequence: &[KeyPress]) -> String {
    let plain = sequence
        .iter()
        .all(|press| press.typed().is_some_and(|c| c != ' '));
    let words: Vec<String> = sequence.iter().map(KeyPress::to_string).collect();
    words.join(if plain { "" } else { " " })
}

impl From<KeyEvent> for KeyPress {
    /// A key that the console has no name for (media keys, lone modifiers) becomes the NUL character, which nothing
    /// can be bound to.
    fn from(event: KeyEvent) -> Self {
        let held = |modifier| event.modifiers.contains(modifier);
        let key = match event.code {
            KeyCode::Char(c) => Key::Char(c),
            KeyCode::Enter => Key::Enter,
            KeyCode::Esc => Key::Esc,
            KeyCode::Tab | KeyCode::BackTab => Key::Tab,
            KeyCode::Backspace => Key::Backspace,
            KeyCode::Delete => Key::Delete,
            KeyCode::Insert => Key::Insert,
            KeyCode::Home => Key::Home,
            KeyCode::End => Key::End,
            KeyCode::PageUp => Key::PageUp,
            KeyCode::PageDown => Key::PageDown,
            KeyCode::Up => Key::Up,
            KeyCode::Down => Key::Down,
            KeyCode::Left => Key::Left,
            KeyCode::Right => Key::Right,
            KeyCode::F(number) => Key::F(number),
            _ => Key::Char('\0'),
        };
        Self {
            key,
            ctrl: held(KeyModifiers::CONTROL),
            alt: held(KeyModifiers::ALT),
            shift: held(KeyModifiers::SHIFT) || event.code == KeyCode::BackTab,
        }
        .tidied()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn notation_reads_and_writes_the_same_key() {
        for (given, wanted) in [
            ("j", "j"),
            ("G", "G"),
            ("shift-g", "G"),
            ("ctrl-d", "ctrl-d"),
            ("Ctrl-D", "ctrl-d"),
            ("alt-x", "alt-x"),
            ("ctrl--", "ctrl--"),
            ("-", "-"),
            ("minus", "-"),
            ("enter", "enter"),
            ("return", "enter"),
            ("shift-tab", "shift-tab"),
            ("backtab", "shift-tab"),
            ("pagedown", "pgdn"),
            ("space", "space"),
            ("<", "<"),
            ("f12", "f12"),
            ("ü", "ü"),
        ] {
            assert_eq!(
                KeyPress::parse(given).unwrap().to_string(),
                wanted,
                "{given}"
            );
        }
        for wrong in ["", "ctrl-", "entr", "f0", "f25", "gg", "meta-x", "\u{7}"] {
            assert!(KeyPress::parse(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(
            KeyPress::parse("entr").unwrap_err(),
            "`entr` is not a key; did you mean `enter`?"
        );
        assert_eq!(shown(&KeyPress::parse_sequence(" g  g ").unwrap()), "gg");
        assert_eq!(
            shown(&KeyPress::parse_sequence("ctrl-x k").unwrap()),
            "ctrl-x k"
        );
        assert!(KeyPress::parse_sequence("  ").is_err());
    }

    #[test]
    fn terminals_that_spell_a_press_differently_mean_the_same() {
        let event = |code, modifiers| KeyPress::from(KeyEvent::new(code, modifiers));
        let (shift, none) = (KeyModifiers::SHIFT, KeyModifiers::NONE);
        for (given, wanted) in [
            (event(KeyCode::Char('G'), shift), "G"),
            (event(KeyCode::Char('G'), none), "G"),
            (event(KeyCode::Char('g'), shift), "G"),
            (event(KeyCode::Char('<'), shift), "<"),
            (event(KeyCode::BackTab, none), "shift-tab"),
            (event(KeyCode::BackTab, shift), "shift-tab"),
            (event(KeyCode::Tab, shift), "shift-tab"),
            (event(KeyCode::Char('D'), KeyModifiers::CONTROL), "ctrl-d"),
        ] {
            assert_eq!(given.to_string(), wanted);
        }
        assert_eq!(event(KeyCode::CapsLock, none), KeyPress::char('\0'));
    }
}
