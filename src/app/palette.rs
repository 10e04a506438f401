//! The palette: every screen, every instance and every command, found by a few letters.

use std::sync::Arc;

use jiff::Timestamp;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::over::list_motion;
use super::state::State;
use crate::msg::{COMMANDS, Command, WITH_TEXT};
use crate::screens::{self, parts::moved};
use crate::settings::{Bound, KeyPress, Tone};
use crate::widgets::{Item, LineInput, List, Look, Piece, Popup, Window, draw};

/// The palette while it is open.
#[derive(Debug)]
pub(super) struct Palette {
    line: LineInput,
    entries: Vec<Entry>,
    found: Vec<Found>,
    selected: usize,
    window: Window,
}

/// Something that can be chosen.
#[derive(Debug)]
struct Entry {
    text: String,
    kind: &'static str,
    keys: String,
    command: Command,
    disabled: Option<String>,
}

/// An entry that matches what was typed.
#[derive(Debug)]
enum Found {
    /// What was typed is itself a command.
    Typed(Command),
    /// This entry, with the positions of the letters that match.
    Entry(usize, Vec<usize>),
}

impl Palette {
    /// Everything that can be chosen from where the reader is.
    pub fn of(state: &State, now: Timestamp) -> Self {
        let bound = state.keymap.bindings(state.screen(), &state.words(now));
        let mut entries: Vec<Entry> = screens::ALL
            .iter()
            .map(|doc| {
                let command = Command::Go(Arc::from(doc.id));
                entry(
                    format!("{}: {}", doc.title, doc.doc),
                    "screen",
                    command,
                    &bound,
                )
            })
            .collect();
        entries.extend(state.shown_world().instances().map(|id| {
            let text = format!("{}/{id}", id.context);
            let command = Command::Show(Arc::from(text.as_str()));
            entry(text, "instance", command, &bound)
        }));
        entries.extend(COMMANDS.iter().map(|doc| {
            let text = format!("{}: {}", doc.spelled, doc.doc);
            entry(text, "command", doc.command.clone(), &bound)
        }));
        let mut palette = Self {
            line: LineInput::new(),
            entries,
            found: Vec::new(),
            selected: 0,
            window: Window::default(),
        };
        palette.find();
        palette
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

    /// The command of the selection; `None` when it cannot be given here.
    pub fn chosen(&self) -> Option<Command> {
        match self.found.get(self.selected)? {
            Found::Typed(command) => Some(command.clone()),
            Found::Entry(at, _) => {
                let entry = self.entries.get(*at)?;
                entry.disabled.is_none().then(|| entry.command.clone())
            }
        }
    }

    fn find(&mut self) {
        let typed = self.line.text();
        self.selected = 0;
        self.window.scroll_to(0);
        let pattern = Pattern::parse(typed, CaseMatching::Ignore, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut letters = Vec::new();
        let mut scored: Vec<(u32, usize, Vec<usize>)> = Vec::new();
        for (at, entry) in self.entries.iter().enumerate() {
            let mut indices = Vec::new();
            let haystack = Utf32Str::new(&entry.text, &mut letters);
            if let Some(score) = pattern.indices(haystack, &mut matcher, &mut indices) {
                indices.sort_unstable();
                indices.dedup();
                let matches = indices.iter().filter_map(|i| usize::try_from(*i).ok());
                scored.push((score, at, matches.collect()));
            }
        }
        // Of equals the earlier entry comes first: screens, then instances, then commands.
        scored.sort_by_key(|(score, at, _)| (std::cmp::Reverse(*score), *at));
        self.found = scored
            .into_iter()
            .map(|(_, at, matches)| Found::Entry(at, matches))
            .collect();
        // What is written out in full is meant: `sort lag`, `filter state:no`.
        let name = typed.split_whitespace().next().unwrap_or_default();
        if WITH_TEXT.iter().any(|doc| doc.name == name)
            && let Ok(command) = Command::parse(typed)
        {
            self.found.insert(0, Found::Typed(command));
        }
    }

    /// Draws it.
    pub fn view(&self, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        let height = area.height.saturating_sub(8).clamp(4, 20);
        let width = area.width.saturating_sub(8).clamp(30, 96);
        let inner = Popup::new("Palette", width, height).render(look, area, buf);
        let prompt = [Piece::new(":", Tone::Key)];
        self.line.render(
            &prompt,
            "screen, instance or command",
            true,
            look,
            inner,
            buf,
        );
        let item = |at: usize| self.item(at);
        List::new(self.found.len(), &item)
            .selected(Some(self.selected))
            .when_empty("nothing matches")
            .render(&self.window, look, draw::below(inner, 1), buf);
    }

    fn item(&self, at: usize) -> Item {
        match self.found.get(at) {
            Some(Found::Typed(command)) => Item {
                text: command.to_string(),
                detail: vec![Piece::muted(command.doc())],
                ..Item::default()
            },
            Some(Found::Entry(at, matches)) => {
                let Some(entry) = self.entries.get(*at) else {
                    return Item::default();
                };
                let mut detail = Vec::new();
                if let Some(why) = &entry.disabled {
                    detail.push(Piece::new(format!("{why}  "), Tone::Disabled));
                }
                detail.push(Piece::new(format!("{:>6}", entry.keys), Tone::Key));
                detail.push(Piece::muted(format!("  {:<8}", entry.kind)));
                Item {
                    text: entry.text.clone(),
                    matches: matches.clone(),
                    detail,
                    disabled: entry.disabled.is_some(),
                }
            }
            None => Item::default(),
        }
    }
}

fn entry(text: String, kind: &'static str, command: Command, bound: &[Bound]) -> Entry {
    let spelled = command.to_string();
    let here = bound.iter().find(|bound| bound.run == spelled);
    Entry {
        text,
        kind,
        keys: here
            .and_then(|bound| bound.keys.first().cloned())
            .unwrap_or_default(),
        disabled: here.and_then(|bound| bound.disabled.clone()),
        command,
    }
}
