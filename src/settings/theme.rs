//! Themes: a look for every [`Tone`].
//!
//! A theme file may inherit another, name colours in a palette, and leave out tones: a missing tone looks like its
//! parent tone, and what no tone says is the terminal's own.

use std::collections::BTreeMap;

use ratatui::style::{Color, Modifier, Style};

use super::colour::{self, ColourDepth};
use super::problem::{Problem, suggestion};
use super::shipped::{self, Layer};
use super::source::{Node, Source, Table, Value};
use super::tone::Tone;

/// The theme used when none is chosen, or the chosen one does not exist.
pub const DEFAULT: &str = "dark";

/// A look for every tone.
#[derive(Debug, Clone, PartialEq)]
pub struct Theme {
    name: String,
    background: Color,
    styles: BTreeMap<Tone, Style>,
}

impl Theme {
    /// Loads a theme by name: from the reader's files first, else a shipped one. Problems are those of the chosen
    /// theme and of all that it inherits.
    pub fn load(name: &str, files: &[Source]) -> (Self, Vec<Problem>) {
        let mut problems = Vec::new();
        let layers = shipped::lineage(
            "theme",
            name,
            DEFAULT,
            None,
            files,
            shipped::THEMES,
            &mut problems,
        );
        let mut palette = BTreeMap::new();
        let mut looks: BTreeMap<Tone, Look> = BTreeMap::new();
        let mut background = Color::Reset;
        let mut own_name = DEFAULT.to_owned();
        // Palettes first, so that a theme can give another look to a name that its parent uses.
        for layer in &layers {
            own_name.clone_from(&layer.source.name);
            read_palette(layer, &mut palette, &mut problems);
        }
        for layer in &layers {
            read_tones(layer, &palette, &mut background, &mut looks, &mut problems);
        }
        let styles = Tone::ALL
            .iter()
            .map(|tone| (*tone, resolved(*tone, &looks)))
            .collect();
        problems.sort();
        let theme = Self {
            name: own_name,
            background,
            styles,
        };
        (theme, problems)
    }

    /// The theme's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The look of a tone. Laid over what is there: what the look does not say stays.
    pub fn style(&self, tone: Tone) -> Style {
        self.styles.get(&tone).copied().unwrap_or_default()
    }

    /// The look of an empty screen, which everything is drawn on.
    pub fn base(&self) -> Style {
        let style = self.style(Tone::Text);
        if self.background == Color::Reset {
            style
        } else {
            style.bg(self.background)
        }
    }

    /// The theme as a terminal of that depth can show it. Without colours, every shipped meaning is carried by words,
    /// glyphs and weight, as the theme `mono` has them.
    #[must_use]
    pub fn shown_at(&self, depth: ColourDepth) -> Self {
        if depth == ColourDepth::None {
            let (mut mono, _) = Self::load("mono", &[]);
            for style in mono.styles.values_mut() {
                style.fg = None;
                style.bg = None;
            }
            mono.background = Color::Reset;
            return mono;
        }
        let mut theme = self.clone();
        theme.background = depth.nearest(theme.background);
        for (tone, style) in &mut theme.styles {
            style.fg = style.fg.map(|c| depth.nearest(c));
            style.bg = style.bg.map(|c| depth.nearest(c));
            // Sixteen colours have no quiet surface on which all the others can be read.
            if depth == ColourDepth::Ansi16 && tone.is_surface() {
                style.bg = None;
                if *tone == Tone::Focus {
                    style.add_modifier |= Modifier::REVERSED;
                }
            }
        }
        theme
    }

    /// A theme in which every tone can be told from its colour alone: tone number n is colour index n. Snapshots are
    /// drawn with it, see [`crate::widgets::dump`].
    pub fn lettered() -> Self {
        let styles = Tone::ALL.iter().zip(0..).map(|(tone, number)| {
            let colour = Color::Indexed(number);
            let style = if tone.is_surface() {
                Style::new().bg(colour)
            } else {
                Style::new().fg(colour)
            };
            (*tone, style)
        });
        Self {
            name: "lettered".to_owned(),
            background: Color::Reset,
            styles: styles.collect(),
        }
    }

    /// Names that can be chosen: the reader's first, then the shipped ones.
    pub fn names(files: &[Source]) -> Vec<String> {
        shipped::names(files, shipped::THEMES)
    }
}

impl Default for Theme {
    fn default() -> Self {
        Self::load(DEFAULT, &[]).0
    }
}

/// What theme files say of one tone; what they leave out is the parent tone's.
#[derive(Debug, Clone, Copy, Default)]
struct Look {
    fg: Option<Color>,
    bg: Option<Color>,
    on: Modifier,
}

/// A tone's own look, else that of the nearest parent that has one. A look is taken whole: a tone that says only
/// `bold` is bold in the terminal's colour rather than in one that somebody has to hunt for.
fn resolved(tone: Tone, looks: &BTreeMap<Tone, Look>) -> Style {
    let mut at = Some(tone);
    while let Some(here) = at {
        if let Some(look) = looks.get(&here) {
            let mut style = Style::new().add_modifier(look.on);
            style.fg = look.fg;
            style.bg = look.bg;
            return style;
        }
        at = here.parent();
    }
    // A selected row that looks like the others would be a trap.
    if tone == Tone::Focus {
        Style::new().add_modifier(Modifier::REVERSED)
    } else {
        Style::new()
    }
}

const MODIFIERS: [(&str, Modifier); 5] = [
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underline", Modifier::UNDERLINED),
    ("reversed", Modifier::REVERSED),
];

fn read_palette(layer: &Layer, palette: &mut BTreeMap<String, Color>, problems: &mut Vec<Problem>) {
    let Some(node) = layer.table.get("palette") else {
        return;
    };
    let Value::Table(names) = &node.value else {
        problems.push(layer.problem(node.line, "`palette` must be a table of names and colours."));
        return;
    };
    for (name, node) in names {
        match text_of(&node.value).as_deref().and_then(colour::parse) {
            Some(colour) => {
                palette.insert(name.clone(), colour);
            }
            None => problems.push(layer.problem(
                node.line,
                format!(
                    "`{name}` is not a colour: write `#rrggbb`, an ANSI name, a number from 0 to 255, or `default`."
                ),
            )),
        }
    }
}

fn read_tones(
    layer: &Layer,
    palette: &BTreeMap<String, Color>,
    background: &mut Color,
    looks: &mut BTreeMap<Tone, Look>,
    problems: &mut Vec<Problem>,
) {
    for (key, node) in &layer.table {
        match (key.as_str(), &node.value) {
            ("inherits" | "palette" | "description", _) => {}
            ("background", value) => match colour_of(value, palette) {
                Ok(colour) => *background = colour,
                Err(why) => problems.push(layer.problem(node.line, why)),
            },
            ("tones", Value::Table(tones)) => {
                read_looks(layer, tones, palette, looks, problems);
            }
            ("tones", _) => {
                problems.push(layer.problem(node.line, "`tones` must be a table: `[tones]`."));
            }
            (other, _) => problems.push(layer.problem(
                node.line,
                format!(
                    "a theme has no `{other}`; {}",
                    suggestion(
                        other,
                        ["inherits", "description", "background", "palette", "tones"]
                    )
                ),
            )),
        }
    }
}

fn read_looks(
    layer: &Layer,
    tones: &Table,
    palette: &BTreeMap<String, Color>,
    looks: &mut BTreeMap<Tone, Look>,
    problems: &mut Vec<Problem>,
) {
    for (name, node) in tones {
        let Some(tone) = Tone::named(name) else {
            let known = Tone::ALL.iter().map(|t| t.name());
            problems.push(layer.problem(
                node.line,
                format!("there is no tone `{name}`; {}", suggestion(name, known)),
            ));
            continue;
        };
        let (look, wrong) = look_of(node, palette);
        problems.extend(
            wrong
                .into_iter()
                .map(|(line, why)| layer.problem(line, format!("tone `{name}`: {why}"))),
        );
        if let Some(look) = look {
            looks.insert(tone, look);
        }
    }
}

/// Reads `"colour"`, `"colour bold"`, or `{ fg = .., bg = .., bold = true }`.
fn look_of(node: &Node, palette: &BTreeMap<String, Color>) -> (Option<Look>, Vec<(usize, String)>) {
    let mut look = Look::default();
    let mut wrong = Vec::new();
    match &node.value {
        Value::Text(words) => {
            for word in words.split_whitespace() {
                if let Some((_, modifier)) = MODIFIERS.iter().find(|(name, _)| *name == word) {
                    look.on |= *modifier;
                } else {
                    match colour_named(word, palette) {
                        Ok(colour) => look.fg = Some(colour),
                        Err(why) => wrong.push((node.line, why)),
                    }
                }
            }
        }
        Value::Integer(_) => match colour_of(&node.value, palette) {
            Ok(colour) => look.fg = Some(colour),
            Err(why) => wrong.push((node.line, why)),
        },
        Value::Table(table) => {
            for (key, part) in table {
                let modifier = MODIFIERS.iter().find(|(name, _)| name == key);
                match (key.as_str(), modifier, &part.value) {
                    ("fg", ..) => match colour_of(&part.value, palette) {
                        Ok(colour) => look.fg = Some(colour),
                        Err(why) => wrong.push((part.line, why)),
                    },
                    ("bg", ..) => match colour_of(&part.value, palette) {
                        Ok(colour) => look.bg = Some(colour),
                        Err(why) => wrong.push((part.line, why)),
                    },
                    (_, Some((_, modifier)), Value::Yes(yes)) => {
                        look.on.set(*modifier, *yes);
                    }
                    (_, Some(_), other) => wrong.push((
                        part.line,
                        format!("`{key}` is true or false, not {}.", other.kind()),
                    )),
                    (other, None, _) => {
                        let known = MODIFIERS.iter().map(|(name, _)| *name).chain(["fg", "bg"]);
                        wrong.push((
                            part.line,
                            format!("there is no `{other}`; {}", suggestion(other, known)),
                        ));
                    }
                }
            }
        }
        other => {
            wrong.push((
                node.line,
                format!(
                    "a look is text such as \"red bold\", or a table with `fg` and `bg`, not {}.",
                    other.kind()
                ),
            ));
            return (None, wrong);
        }
    }
    // A look of which nothing could be read must not hide the one that it would have replaced.
    let nothing = look.fg.is_none() && look.bg.is_none() && look.on.is_empty();
    let look = (!nothing || wrong.is_empty()).then_some(look);
    (look, wrong)
}

fn colour_of(value: &Value, palette: &BTreeMap<String, Color>) -> Result<Color, String> {
    match text_of(value) {
        Some(text) => colour_named(&text, palette),
        None => Err(format!(
            "a colour is text or a number, not {}.",
            value.kind()
        )),
    }
}

fn colour_named(name: &str, palette: &BTreeMap<String, Color>) -> Result<Color, String> {
    palette
        .get(name)
        .copied()
        .or_else(|| colour::parse(name))
        .ok_or_else(|| {
            let known = palette.keys().map(String::as_str).chain(colour::names());
            format!(
                "`{name}` is neither a colour nor in the palette; {}",
                suggestion(name, known)
            )
        })
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
