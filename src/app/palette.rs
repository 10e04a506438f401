//! The palette: every screen, every instance, every pod of one and every command, found by a few letters.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32String};
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
    /// Name and what it is or does, as they are searched.
    text: Utf32String,
}

/// An entry that matches what was typed.
#[derive(Debug)]
enum Found {
    /// What was typed is itself a command.
    Typed(Command),
    /// This entry.
    Entry(usize),
}

impl Palette {
    /// Everything that can be chosen from where the reader is.
    pub fn of(state: &State, now: Timestamp) -> Self {
        let bindings = state.keymap.bindings(state.screen(), &state.words(now));
        let mut bound = Bindings::new();
        for one in &bindings {
            bound.entry(one.run.as_str()).or_insert(one);
        }
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
            Found::Entry(at) => {
                let entry = self.entries.get(*at)?;
                entry.disabled.is_none().then(|| entry.command.clone())
            }
        }
    }

    /// Looks for what was typed.
    pub fn find(&mut self) {
        let typed = self.picker.typed();
        let mut found: Vec<Found> = match typed.trim().is_empty() {
            true => (0..self.entries.len()).map(Found::Entry).collect(),
            false => {
                let pattern = parse(typed);
                let mut matcher = Matcher::new(Config::DEFAULT);
                let entries = self.entries.iter().enumerate();
                let mut scored: Vec<(u32, usize)> = entries
                    .filter_map(|(at, entry)| {
                        let score = pattern.score(entry.text.slice(..), &mut matcher)?;
                        Some((score, at))
                    })
                    .collect();
                // Of equals the earlier entry comes first: screens, then instances, then pods, then commands.
                scored.sort_by_key(|(score, at)| (std::cmp::Reverse(*score), *at));
                scored.into_iter().map(|(_, at)| Found::Entry(at)).collect()
            }
        };
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
        // Which letters match is asked of those rows alone that are drawn.
        let pattern = parse(self.picker.typed());
        let matcher = RefCell::new(Matcher::new(Config::DEFAULT));
        let letters = |entry: &Entry| matching(entry, &pattern, &mut matcher.borrow_mut());
        let row = |at: usize| self.row(at, &letters);
        self.picker.view(&looks, &row, look, area, buf);
    }

    fn row(&self, at: usize, letters: &dyn Fn(&Entry) -> Letters) -> Row {
        match self.found.get(at) {
            Some(Found::Typed(command)) => Row::new(vec![
                Piece::text(command.to_string()),
                Piece::muted(command.doc()),
                Piece::default(),
                Piece::muted("command"),
            ]),
            Some(Found::Entry(at)) => {
                let Some(entry) = self.entries.get(*at) else {
                    return Row::default();
                };
                let (in_name, in_does) = letters(entry);
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

/// What is bound here, by the command as it is spelled.
type Bindings<'a> = BTreeMap<&'a str, &'a Bound>;
/// Places of letters that match, in the name of an entry and in what it does.
type Letters = (Vec<usize>, Vec<usize>);

fn parse(typed: &str) -> Pattern {
    Pattern::parse(typed, CaseMatching::Ignore, Normalization::Smart)
}

/// The letters of an entry that match.
fn matching(entry: &Entry, pattern: &Pattern, matcher: &mut Matcher) -> Letters {
    let mut indices = Vec::new();
    pattern.indices(entry.text.slice(..), matcher, &mut indices);
    indices.sort_unstable();
    indices.dedup();
    let name = entry.name.chars().count();
    let all = indices.iter().filter_map(|i| usize::try_from(*i).ok());
    let (in_name, in_does): (Vec<usize>, Vec<usize>) = all.partition(|letter| *letter < name);
    // Between the two stands a blank.
    let in_does = in_does
        .iter()
        .filter_map(|letter| letter.checked_sub(name + 1));
    (in_name, in_does.collect())
}

fn entry(
    name: &str,
    does: &str,
    kind: &'static str,
    command: Command,
    bound: &Bindings<'_>,
) -> Entry {
    let spelled = command.to_string();
    let here = bound.get(spelled.as_str());
    Entry {
        name: name.to_owned(),
        does: does.to_owned(),
        kind,
        keys: here
            .and_then(|bound| bound.keys.first().cloned())
            .unwrap_or_default(),
        disabled: here.and_then(|bound| bound.disabled.clone()),
        text: Utf32String::from(format!("{name} {does}")),
        command,
    }
}
