//! The themes and keymaps inside the binary, and how a file comes to inherit another.

use super::problem::{Problem, suggestion};
use super::source::{self, Source, Table, Value};

/// A file inside the binary: its name and its text.
pub type Shipped = (&'static str, &'static str);

/// Every shipped theme.
pub const THEMES: &[Shipped] = &[
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    (
        "high-contrast",
        include_str!("../../themes/high-contrast.toml"),
    ),
    ("mono", include_str!("../../themes/mono.toml")),
];

/// Every shipped keymap.
pub const KEYMAPS: &[Shipped] = &[
    ("default", include_str!("../../keymaps/default.toml")),
    ("vim", include_str!("../../keymaps/vim.toml")),
    ("k9s", include_str!("../../keymaps/k9s.toml")),
    ("emacs", include_str!("../../keymaps/emacs.toml")),
    ("arrows", include_str!("../../keymaps/arrows.toml")),
];

/// One file of a lineage, parsed.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    pub source: Source,
    pub table: Table,
}

impl Layer {
    pub fn problem(&self, line: usize, message: impl Into<String>) -> Problem {
        Problem::new(&self.source.file, line, message)
    }
}

/// The files that make up `name`, the root of the inheritance first. `what` is `theme` or `keymap`; `fallback` is
/// used when there is no such file; `implied` is what a file inherits that does not say (`inherits = "none"` stops
/// that).
///
/// A file of the reader's that has a shipped one's name hides it, and may inherit the one that it hides.
pub(super) fn lineage(
    what: &str,
    name: &str,
    fallback: &str,
    implied: Option<&str>,
    files: &[Source],
    shipped: &[Shipped],
    problems: &mut Vec<Problem>,
) -> Vec<Layer> {
    let mut layers: Vec<Layer> = Vec::new();
    let mut wanted = Some((name.to_owned(), 0));
    while let Some((name, line)) = wanted.take() {
        let taken: Vec<&str> = layers.iter().map(|l| l.source.file.as_str()).collect();
        let Some(source) = find(what, &name, files, shipped, &taken) else {
            let known = names(files, shipped);
            let known = known.iter().map(String::as_str);
            match layers.last() {
                Some(asker) if layers.iter().any(|l| l.source.name == name) => {
                    problems.push(asker.problem(
                        line,
                        format!(
                            "this {what} inherits itself through `{name}`; the circle is cut here."
                        ),
                    ))
                }
                Some(asker) => problems.push(asker.problem(
                    line,
                    format!(
                        "there is no {what} `{name}` to inherit; {}",
                        suggestion(&name, known)
                    ),
                )),
                None => {
                    problems.push(Problem::new(
                        format!("{what} `{name}`"),
                        0,
                        format!(
                            "there is no such {what}; `{fallback}` is used; {}",
                            suggestion(&name, known)
                        ),
                    ));
                    if name != fallback {
                        wanted = Some((fallback.to_owned(), 0));
                    }
                }
            }
            continue;
        };
        let (table, wrong) = source::read(&source);
        problems.extend(wrong);
        let layer = Layer { source, table };
        wanted = parent(&layer, implied, problems);
        layers.push(layer);
    }
    layers.reverse();
    layers
}

/// What a file inherits, and the line where it says so.
fn parent(
    layer: &Layer,
    implied: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Option<(String, usize)> {
    match layer.table.get("inherits") {
        Some(node) => match &node.value {
            Value::Text(name) if name.is_empty() || name == "none" => None,
            Value::Text(name) => Some((name.clone(), node.line)),
            other => {
                let why = format!("`inherits` is a name, not {}.", other.kind());
                problems.push(layer.problem(node.line, why));
                None
            }
        },
        None => implied
            .filter(|implied| *implied != layer.source.name)
            .map(|implied| (implied.to_owned(), 0)),
    }
}

fn find(
    what: &str,
    name: &str,
    files: &[Source],
    shipped: &[Shipped],
    taken: &[&str],
) -> Option<Source> {
    let shipped = shipped
        .iter()
        .filter(|(shipped, _)| *shipped == name)
        .map(|(name, text)| shipped_source(what, name, text));
    files
        .iter()
        .filter(|file| file.name == name)
        .cloned()
        .chain(shipped)
        .find(|source| !taken.contains(&source.file.as_str()))
}

/// A shipped file as a source, named so that a message about it cannot be taken for one about a file of the reader's.
pub(super) fn shipped_source(what: &str, name: &str, text: &str) -> Source {
    Source::new(name, format!("{what}s/{name}.toml (shipped)"), text)
}

pub(super) fn names(files: &[Source], shipped: &[Shipped]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let shipped = shipped.iter().map(|(name, _)| (*name).to_owned());
    for name in files.iter().map(|f| f.name.clone()).chain(shipped) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
