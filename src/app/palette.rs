//! The palette: every screen, every instance, every pod of one and every command, found by a few letters.

use std::sync::Arc;

use jiff::Timestamp;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::picker::{Looks, Picker, widest};
use super::state::State;
use crate::domain::address;
use crate::msg::{COMMANDS, Command, WITH_TEXT};
use crate::screens;
use crate::settings::{Bound, Tone};
use crate::widgets::{Column, Look, Piece, Row};

/// The palette while it is open.
#[derive(Debug)]
pub(super) struct Palette {
    pub picker: Picker,
    entries: Vec<Entry>,
    found: Vec<Found>,
    columns: Vec<Column>,
}

/// Something that can be chosen.
#[derive(Debug)]
struct Entry {
    name: String,
    /// What it is or does.
    does: String,
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
    /// This entry, with the positions of the letters that match, in its name and in what it does.
    Entry(usize, Vec<usize>, Vec<usize>),
}

impl Palette {
    /// Everything that can be chosen from where the reader is.
    pub fn of(state: &State, now: Timestamp) -> Self {
        let bound = state.keymap.bindings(state.screen(), &state.words(now));
        let mut entries: Vec<Entry> = screens::ALL
            .iter()
            .map(|doc| {
                let command = Command::Go(Arc::from(doc.id));
                entry(doc.title, doc.doc, "screen", command, &bound)
            })
            .collect();
        entries.extend(state.shown_world().instances().map(|id| {
            let name = format!("{}/{id}", id.context);
            let judged = state.shown_board().instance(&id);
            let does = judged.map_or("not judged yet", |judged| judged.word());
            let command = Command::Show(Arc::from(name.as_str()));
            entry(&name, does, "instance", command, &bound)
        }));
        let world = state.shown_world();
        entries.extend(address::places(world).into_iter().filter_map(|place| {
            let (id, pod) = (&place.instance, place.pod?);
            let name = format!("{}/{}/{pod}", id.context, id.namespace);
            let held = world.context(&id.context)?.pods.get(&id.namespace, &pod)?;
            // Without the name of its instance, which would find it before that.
            let does = match held.value.label_role() {
                Some(role) => format!("node, labelled {}", role.word()),
                None => "node without a role label".to_owned(),
            };
            let command = Command::Show(Arc::from(name.as_str()));
            Some(entry(&name, &does, "pod", command, &bound))
        }));
        entries.extend(
            COMMANDS
                .iter()
                .map(|doc| entry(doc.spelled, doc.doc, "command", doc.command.clone(), &bound)),
        );
        let keys = widest(entries.iter().map(|entry| entry.keys.as_str())).clamp(4, 12);
        let does = widest(entries.iter().map(|entry| entry.does.as_str()));
        let columns = vec![
            Column::new("name", "NAME")
                .width(16, 44)
                .holds(widest(entries.iter().map(|entry| entry.name.as_str())))
                .cut_middle(),
            Column::new("does", "WHAT IT IS OR DOES")
                .width(24, does)
                .holds(does)
                .fill(),
            Column::new("key", "KEY").width(keys, keys).priority(1),
            Column::new("kind", "KIND").width(8, 8).priority(2),
        ];
        let mut palette = Self {
            picker: Picker::default(),
            entries,
            found: Vec::new(),
            columns,
        };
        palette.find();
        palette
    }

    /// The command of the selection; `None` when it cannot be given here.
    pub fn chosen(&self) -> Option<Command> {
        match self.found.get(self.picker.selected())? {
            Found::Typed(command) => Some(command.clone()),
            Found::Entry(at, ..) => {
                let entry = self.entries.get(*at)?;
                entry.disabled.is_none().then(|| entry.command.clone())
            }
        }
    }

    /// Looks for what was typed.
    pub fn find(&mut self) {
        let typed = self.picker.typed();
        let pattern = Pattern::parse(typed, CaseMatching::Ignore, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut letters = Vec::new();
        let mut scored: Vec<(u32, usize, Vec<usize>)> = Vec::new();
        for (at, entry) in self.entries.iter().enumerate() {
            let mut indices = Vec::new();
            let text = format!("{} {}", entry.name, entry.does);
            let haystack = Utf32Str::new(&text, &mut letters);
            if let Some(score) = pattern.indices(haystack, &mut matcher, &mut indices) {
                indices.sort_unstable();
                indices.dedup();
                let matches = indices.iter().filter_map(|i| usize::try_from(*i).ok());
                scored.push((score, at, matches.collect()));
            }
        }
        // Of equals the earlier entry comes first: screens, then instances, then pods, then commands.
        scored.sort_by_key(|(score, at, _)| (std::cmp::Reverse(*score), *at));
        let in_parts = |(_, at, matches): (u32, usize, Vec<usize>)| {
            let name = self.entries.get(at).map_or(0, |e| e.name.chars().count());
            let (in_name, in_does): (Vec<usize>, Vec<usize>) =
                matches.into_iter().partition(|letter| *letter < name);
            // Between the two stands a blank.
            let in_does = in_does
                .iter()
                .filter_map(|letter| letter.checked_sub(name + 1));
            Found::Entry(at, in_name, in_does.collect())
        };
        let mut found: Vec<Found> = scored.into_iter().map(in_parts).collect();
        // What is written out in full is meant: `sort lag`, `filter state:no`.
        let first = typed.split_whitespace().next().unwrap_or_default();
        if WITH_TEXT.iter().any(|doc| doc.name == first)
            && let Ok(command) = Command::parse(typed)
        {
            found.insert(0, Found::Typed(command));
        }
        self.found = found;
        self.picker.narrowed(self.found.len());
    }

    /// Draws it.
    pub fn view(&self, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
        let looks = Looks {
            title: "Palette",
            prompt: ":",
            placeholder: "screen, instance, pod or command",
            empty: "nothing matches",
            columns: &self.columns,
            all: self.entries.len(),
            rows: 16,
        };
        let row = |at: usize| self.row(at);
        self.picker.view(&looks, &row, look, area, buf);
    }

    fn row(&self, at: usize) -> Row {
        match self.found.get(at) {
            Some(Found::Typed(command)) => Row::new(vec![
                Piece::text(command.to_string()),
                Piece::muted(command.doc()),
                Piece::default(),
                Piece::muted("command"),
            ]),
            Some(Found::Entry(at, in_name, in_does)) => {
                let Some(entry) = self.entries.get(*at) else {
                    return Row::default();
                };
                let (name, does, key) = match &entry.disabled {
                    None => (Tone::Text, Piece::muted(entry.does.clone()), Tone::Key),
                    Some(why) => (
                        Tone::Disabled,
                        Piece::new(format!("not now: {why}"), Tone::Disabled),
                        Tone::Disabled,
                    ),
                };
                let row = Row::new(vec![
                    Piece::new(entry.name.clone(), name),
                    does,
                    Piece::new(entry.keys.clone(), key),
                    Piece::muted(entry.kind),
                ])
                .marked(0, in_name.clone());
                match entry.disabled {
                    None => row.marked(1, in_does.clone()),
                    Some(_) => row,
                }
            }
            None => Row::default(),
        }
    }
}

fn entry(name: &str, does: &str, kind: &'static str, command: Command, bound: &[Bound]) -> Entry {
    let spelled = command.to_string();
    let here = bound.iter().find(|bound| bound.run == spelled);
    Entry {
        name: name.to_owned(),
        does: does.to_owned(),
        kind,
        keys: here
            .and_then(|bound| bound.keys.first().cloned())
            .unwrap_or_default(),
        disabled: here.and_then(|bound| bound.disabled.clone()),
        command,
    }
}
