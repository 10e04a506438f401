//! From keymap files to bindings in force, with everything in them that cannot work named.

use super::resolve::overlap;
use super::{Argument, Binding, DEFAULT, GLOBAL, Keymap, Vocabulary};
use crate::settings::key::{self, KeyPress};
use crate::settings::problem::{Problem, suggestion};
use crate::settings::shipped::{self, Layer};
use crate::settings::source::{self, Node, Source, Table, Value};

pub(super) fn load(
    name: &str,
    files: &[Source],
    own: Option<&Source>,
    vocabulary: &Vocabulary<'_>,
) -> (Keymap, Vec<Problem>) {
    let mut problems = Vec::new();
    let implied = Some(DEFAULT);
    let mut layers = shipped::lineage(
        "keymap",
        name,
        DEFAULT,
        implied,
        files,
        shipped::KEYMAPS,
        &mut problems,
    );
    let name = layers
        .last()
        .map_or_else(|| DEFAULT.to_owned(), |layer| layer.source.name.clone());
    if let Some(own) = own {
        let (table, wrong) = source::read(own);
        problems.extend(wrong);
        layers.push(Layer {
            source: own.clone(),
            table,
        });
    }
    let mut bindings: Vec<Binding> = Vec::new();
    for layer in &layers {
        let fresh = read(layer, vocabulary, &mut problems);
        lay_over(&mut bindings, fresh, &mut problems);
    }
    across_scopes(&bindings, vocabulary, &mut problems);
    problems.sort();
    problems.dedup();
    let keymap = Keymap {
        name,
        bindings,
        scopes: vocabulary
            .scopes
            .iter()
            .map(|s| {
                let parents = s.parents.iter().map(|p| (*p).to_owned()).collect();
                (s.name.to_owned(), parents)
            })
            .collect(),
        reasons: vocabulary
            .words
            .iter()
            .map(|w| (w.name.to_owned(), w.otherwise.to_owned()))
            .collect(),
    };
    (keymap, problems)
}

/// The bindings of one file that can be understood, in its order.
fn read(layer: &Layer, vocabulary: &Vocabulary<'_>, problems: &mut Vec<Problem>) -> Vec<Binding> {
    let mut out: Vec<Binding> = Vec::new();
    for (key, node) in &layer.table {
        match (key.as_str(), &node.value) {
            ("inherits" | "description", _) => {}
            ("bind", Value::List(items)) => {
                for item in items {
                    read_one(layer, item, vocabulary, &mut out, problems);
                }
            }
            ("bind", _) => problems.push(layer.problem(
                node.line,
                "`bind` is a list of tables: begin each with `[[bind]]`.",
            )),
            (other, _) => problems.push(layer.problem(
                node.line,
                format!(
                    "a keymap has no `{other}`; {}",
                    suggestion(other, ["inherits", "description", "bind"])
                ),
            )),
        }
    }
    within_file(layer, out, problems)
}

fn read_one(
    layer: &Layer,
    item: &Node,
    vocabulary: &Vocabulary<'_>,
    out: &mut Vec<Binding>,
    problems: &mut Vec<Problem>,
) {
    let Value::Table(table) = &item.value else {
        problems.push(layer.problem(
            item.line,
            format!("a binding is a table, not {}.", item.value.kind()),
        ));
        return;
    };
    let mut wrong: Vec<(usize, String)> = Vec::new();
    for (key, node) in table {
        let known = ["on", "run", "when", "scope", "desc", "hint"];
        if !known.contains(&key.as_str()) {
            wrong.push((
                node.line,
                format!("a binding has no `{key}`; {}", suggestion(key, known)),
            ));
        }
    }
    // An unknown word beside a good binding is named, and the binding kept; the rest decides whether it can work.
    let told = wrong.len();
    let sequences = keys_of(table, item.line, &mut wrong);
    let run = run_of(table, item.line, vocabulary, &mut wrong);
    let scope = scope_of(table, vocabulary, &mut wrong);
    let when = words_of(table, vocabulary, &mut wrong);
    let desc = text(table, "desc", &mut wrong);
    let hint = text(table, "hint", &mut wrong).map(|(_, text)| text);
    let usable = wrong.len() == told;
    problems.extend(
        wrong
            .into_iter()
            .map(|(line, why)| layer.problem(line, why)),
    );
    let (Some(scope), Some(run), true) = (scope, run, usable) else {
        return;
    };
    let desc = desc
        .map(|(_, text)| text)
        .or_else(|| run.as_deref().and_then(|run| describe(run, vocabulary)))
        .unwrap_or_default();
    for (line, sequence) in sequences {
        out.push(Binding {
            sequence,
            run: run.clone(),
            when: when.clone(),
            scope: scope.clone(),
            desc: desc.clone(),
            hint: hint.clone(),
            file: layer.source.file.clone(),
            line,
        });
    }
}

fn keys_of(
    table: &Table,
    line: usize,
    wrong: &mut Vec<(usize, String)>,
) -> Vec<(usize, Vec<KeyPress>)> {
    let mut out = Vec::new();
    let mut one = |line: usize, value: &Value, wrong: &mut Vec<(usize, String)>| match value {
        Value::Text(text) => match KeyPress::parse_sequence(text) {
            Ok(sequence) => out.push((line, sequence)),
            Err(why) => wrong.push((line, why)),
        },
        other => wrong.push((line, format!("a key is text, not {}.", other.kind()))),
    };
    match table.get("on") {
        None => wrong.push((line, "this binding has no key: add `on = \"...\"`.".into())),
        Some(node) => match &node.value {
            Value::List(items) => items.iter().for_each(|i| one(i.line, &i.value, wrong)),
            value => one(node.line, value, wrong),
        },
    }
    out
}

/// `Some(None)` takes the key away; `None` is a mistake.
fn run_of(
    table: &Table,
    line: usize,
    vocabulary: &Vocabulary<'_>,
    wrong: &mut Vec<(usize, String)>,
) -> Option<Option<String>> {
    let before = wrong.len();
    let Some((line, run)) = text(table, "run", wrong) else {
        if wrong.len() == before {
            wrong.push((
                line,
                "this binding has no command: add `run = \"...\"`, or `run = \"none\"` to take the key away."
                    .into(),
            ));
        }
        return None;
    };
    let run = run.split_whitespace().collect::<Vec<_>>().join(" ");
    if run.is_empty() || run == "none" {
        return Some(None);
    }
    match checked(&run, vocabulary) {
        Ok(()) => Some(Some(run)),
        Err(why) => {
            wrong.push((line, why));
            None
        }
    }
}

fn checked(run: &str, vocabulary: &Vocabulary<'_>) -> Result<(), String> {
    let known = vocabulary.commands;
    if known
        .iter()
        .any(|c| c.name == run && c.argument == Argument::None)
    {
        return Ok(());
    }
    let (name, argument) = run.split_once(' ').unwrap_or((run, ""));
    // A name can be known twice, alone and with something after it: what stands here decides which is meant.
    let meant = known
        .iter()
        .filter(|c| c.name == name)
        .max_by_key(|c| c.argument != Argument::None);
    let Some(command) = meant else {
        return Err(format!(
            "there is no command `{run}`; {}",
            suggestion(run, known.iter().map(|c| c.name))
        ));
    };
    match (command.argument, argument) {
        (Argument::None, "") => Ok(()),
        (Argument::None, _) => Err(format!("`{name}` takes nothing after its name.")),
        (Argument::Text, "") => Err(format!("`{name}` wants something after its name.")),
        (Argument::Text, _) => Ok(()),
        (Argument::OneOf(words), _) if words.contains(&argument) => Ok(()),
        (Argument::OneOf(words), _) => Err(format!(
            "`{name} {argument}` is not known; {}",
            suggestion(argument, words.iter().copied())
        )),
    }
}

fn describe(run: &str, vocabulary: &Vocabulary<'_>) -> Option<String> {
    let name = run.split(' ').next().unwrap_or(run);
    let known = |wanted: &str| vocabulary.commands.iter().find(|c| c.name == wanted);
    known(run)
        .or_else(|| known(name))
        .map(|c| c.desc.to_owned())
}

fn scope_of(
    table: &Table,
    vocabulary: &Vocabulary<'_>,
    wrong: &mut Vec<(usize, String)>,
) -> Option<String> {
    let before = wrong.len();
    match text(table, "scope", wrong) {
        None => (wrong.len() == before).then(|| GLOBAL.to_owned()),
        Some((line, scope)) => {
            if vocabulary.scopes.iter().any(|s| s.name == scope) {
                return Some(scope);
            }
            let known = vocabulary.scopes.iter().map(|s| s.name);
            wrong.push((
                line,
                format!("there is no scope `{scope}`; {}", suggestion(&scope, known)),
            ));
            None
        }
    }
}

fn words_of(
    table: &Table,
    vocabulary: &Vocabulary<'_>,
    wrong: &mut Vec<(usize, String)>,
) -> Vec<String> {
    let Some((line, words)) = text(table, "when", wrong) else {
        return Vec::new();
    };
    let words: Vec<String> = words
        .split(|c: char| c.is_whitespace() || matches!(c, '&' | ','))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    for word in &words {
        if !vocabulary.words.iter().any(|w| w.name == word) {
            let known = vocabulary.words.iter().map(|w| w.name);
            wrong.push((
                line,
                format!(
                    "`{word}` is not a word of `when`; {}",
                    suggestion(word, known)
                ),
            ));
        }
    }
    words
}

fn text(table: &Table, key: &str, wrong: &mut Vec<(usize, String)>) -> Option<(usize, String)> {
    let node = table.get(key)?;
    match &node.value {
        Value::Text(text) => Some((node.line, text.clone())),
        other => {
            wrong.push((node.line, format!("`{key}` is text, not {}.", other.kind())));
            None
        }
    }
}

/// Names the bindings of a file that another of the same file makes unreachable, and leaves them out.
fn within_file(layer: &Layer, bindings: Vec<Binding>, problems: &mut Vec<Problem>) -> Vec<Binding> {
    let mut kept: Vec<Binding> = Vec::new();
    for binding in bindings {
        let hidden_by = kept.iter().find(|earlier| {
            earlier.scope == binding.scope
                && earlier.run.is_some()
                && binding.run.is_some()
                && (overlap(&earlier.sequence, &binding.sequence)
                    || earlier.sequence == binding.sequence
                        && earlier.when.iter().all(|w| binding.when.contains(w)))
        });
        match hidden_by {
            Some(earlier) => problems.push(layer.problem(
                binding.line,
                format!(
                    "`{}` can never be reached: `{}` of line {} comes first{}; this line is ignored.",
                    key::shown(&binding.sequence),
                    key::shown(&earlier.sequence),
                    earlier.line,
                    in_scope(&binding.scope),
                ),
            )),
            None => kept.push(binding),
        }
    }
    kept
}

/// Lays a file's bindings over those of the files beneath it, and names what is lost by that without having been asked
/// for: longer or shorter sequences that the new keys hide, and commands that have no key left.
fn lay_over(bindings: &mut Vec<Binding>, fresh: Vec<Binding>, problems: &mut Vec<Problem>) {
    let mut lost: Vec<(Binding, &Binding)> = Vec::new();
    for new in &fresh {
        let mut known = false;
        bindings.retain(|old| {
            let same = old.scope == new.scope && old.sequence == new.sequence;
            let hidden = old.scope == new.scope
                && new.run.is_some()
                && old.run.is_some()
                && overlap(&old.sequence, &new.sequence);
            known |= same || old.sequence == new.sequence && old.run.is_some();
            if hidden {
                problems.push(Problem::new(
                    &new.file,
                    new.line,
                    format!(
                        "`{}` hides `{}` ({}){}; bind one of them elsewhere.",
                        key::shown(&new.sequence),
                        key::shown(&old.sequence),
                        old.run.as_deref().unwrap_or("none"),
                        in_scope(&old.scope),
                    ),
                ));
            }
            if (same || hidden) && new.run.is_some() {
                lost.push((old.clone(), new));
            }
            !same && !hidden
        });
        if new.run.is_none() && !known {
            problems.push(Problem::new(
                &new.file,
                new.line,
                format!(
                    "`{}` is taken away{}, but nothing is bound to it.",
                    key::shown(&new.sequence),
                    in_scope(&new.scope)
                ),
            ));
        }
    }
    for (old, new) in lost {
        let Some(run) = &old.run else { continue };
        let has_key = |b: &Binding| b.run.as_ref() == Some(run);
        if !bindings.iter().chain(&fresh).any(has_key) {
            problems.push(Problem::new(
                &new.file,
                new.line,
                format!(
                    "`{run}` has no key any more, since `{}` is `{}` here; it can still be run from the palette.",
                    key::shown(&new.sequence),
                    new.run.as_deref().unwrap_or("none"),
                ),
            ));
        }
    }
    bindings.extend(fresh);
}

/// Names sequences that can never be finished in some scope, because a nearer scope takes their beginning.
fn across_scopes(bindings: &[Binding], vocabulary: &Vocabulary<'_>, problems: &mut Vec<Problem>) {
    let parents = |scope: &str| {
        let found = vocabulary.scopes.iter().find(|s| s.name == scope);
        found.map_or(&[][..], |s| s.parents)
    };
    for near in bindings.iter().filter(|b| b.run.is_some()) {
        let mut chain: Vec<&str> = parents(&near.scope).to_vec();
        let mut at = 0;
        while let Some(here) = chain.get(at).copied() {
            chain.extend(parents(here));
            at += 1;
            // A circle of parents would never end; a handful of scopes has no honest chain longer than this.
            if at > 16 {
                break;
            }
        }
        for far in bindings {
            if chain.contains(&far.scope.as_str())
                && far.run.is_some()
                && far.sequence.len() > near.sequence.len()
                && far.sequence.starts_with(&near.sequence)
            {
                problems.push(Problem::new(
                    &near.file,
                    near.line,
                    format!(
                        "`{}` in scope `{}` hides `{}` ({}){} there.",
                        key::shown(&near.sequence),
                        near.scope,
                        key::shown(&far.sequence),
                        far.run.as_deref().unwrap_or("none"),
                        in_scope(&far.scope),
                    ),
                ));
            }
        }
    }
}

fn in_scope(scope: &str) -> String {
    if scope == GLOBAL {
        String::new()
    } else {
        format!(" in scope `{scope}`")
    }
}
