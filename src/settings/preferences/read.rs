//! From the text of a settings file to [`Settings`], one key at a time.

use std::collections::BTreeSet;
use std::time::Duration;

use super::keys::{
    CONSUMER_KEYS, INSTANCE_KEYS, KEYS, KeyDoc, MEMBER_KEYS, PASSWORD_KEYS, STORE_KEYS, Slot,
    span_words,
};
use super::{ConsumerWish, InstanceWish, Member, PasswordCommand, Settings, StoreWish};
use crate::domain::expected::InstanceName;
use crate::settings::problem::{Problem, suggestion};
use crate::settings::source::{self, Node, Source, Table, Value};

/// What is wrong, and at which line.
type Wrong = (usize, String);

pub(super) fn read(source: &Source) -> (Settings, Vec<Problem>) {
    let (table, mut problems) = source::read(source);
    let mut settings = Settings::default();
    let mut wrong: Vec<Wrong> = Vec::new();
    walk("", &table, KEYS, &mut settings, &mut wrong);
    problems.extend(
        wrong
            .into_iter()
            .map(|(line, why)| Problem::new(&source.file, line, why)),
    );
    problems.sort();
    (settings, problems)
}

/// Fills what a table names. `prefix` is where it stands, with its full stop.
fn walk<T>(prefix: &str, table: &Table, keys: &[KeyDoc<T>], whole: &mut T, wrong: &mut Vec<Wrong>) {
    for (name, node) in table {
        let path = format!("{prefix}{name}");
        let section = format!("{path}.");
        if let Some(key) = keys.iter().find(|key| key.path == path) {
            if let Err(mut why) = fill(key, node, whole) {
                wrong.append(&mut why);
            }
        } else if keys.iter().any(|key| key.path.starts_with(&section)) {
            match &node.value {
                Value::Table(table) => walk(&section, table, keys, whole, wrong),
                other => wrong.push((
                    node.line,
                    format!(
                        "`{path}` is a table: write `[{path}]`, not {}.",
                        other.kind()
                    ),
                )),
            }
        } else {
            wrong.push((node.line, unknown(prefix, name, keys)));
        }
    }
}

/// There is no such key; perhaps there is one like it here, or the same in another table.
fn unknown<T>(prefix: &str, name: &str, keys: &[KeyDoc<T>]) -> String {
    let elsewhere = keys.iter().find_map(|key| {
        let (table, last) = key.path.rsplit_once('.')?;
        (last == name).then_some((table, last))
    });
    let what = format!("there is no key `{prefix}{name}`");
    match elsewhere {
        Some((table, last)) => format!("{what}; did you mean `{last}` in `[{table}]`?"),
        None => {
            let near: BTreeSet<&str> = keys
                .iter()
                .filter_map(|key| key.path.strip_prefix(prefix)?.split('.').next())
                .collect();
            format!("{what}; {}", suggestion(name, near))
        }
    }
}

/// Puts a value in its place, or says why it cannot be put there and what holds instead.
fn fill<T>(key: &KeyDoc<T>, node: &Node, whole: &mut T) -> Result<(), Vec<Wrong>> {
    let kept = key.slot.written(whole);
    let wrong = |what: String| {
        vec![(
            node.line,
            format!(
                "`{}` is {}, not {what}; {kept} is kept.",
                key.path,
                key.slot.kind()
            ),
        )]
    };
    match (&key.slot, &node.value) {
        (Slot::Text(at), Value::Text(text)) => at(whole).clone_from(text),
        (Slot::Yes(at), Value::Yes(yes)) => *at(whole) = *yes,
        (Slot::Count(at, least, most), Value::Integer(number)) => {
            let number = u64::try_from(*number).ok();
            match number.filter(|n| (least..=most).contains(&n)) {
                Some(number) => *at(whole) = number,
                None => return Err(wrong(written(&node.value))),
            }
        }
        (Slot::Span(at, least, most), value) => match span(value) {
            Some(span) if (least..=most).contains(&&span) => *at(whole) = span,
            Some(span) => return Err(wrong(span_words(span))),
            None => return Err(wrong(written(value))),
        },
        (Slot::Texts(at), Value::List(items)) => {
            let (texts, strangers) = texts(key.path, items);
            *at(whole) = texts;
            if !strangers.is_empty() {
                return Err(strangers);
            }
        }
        (Slot::Passwords(at), Value::List(items)) => {
            let mut strangers = Vec::new();
            *at(whole) = passwords(items, &mut strangers);
            if !strangers.is_empty() {
                return Err(strangers);
            }
        }
        (Slot::Instances(at), Value::List(items)) => {
            let mut strangers = Vec::new();
            let all = tables(
                key.path,
                items,
                INSTANCE_KEYS,
                wrong_instance,
                &mut strangers,
            );
            *at(whole) = all.into_iter().map(|(_, one)| one).collect();
            if !strangers.is_empty() {
                return Err(strangers);
            }
        }
        (Slot::Consumers(at), Value::List(items)) => {
            let mut strangers = Vec::new();
            *at(whole) = consumers(key.path, items, &mut strangers);
            if !strangers.is_empty() {
                return Err(strangers);
            }
        }
        (Slot::Stores(at), Value::List(items)) => {
            let mut strangers = Vec::new();
            let all = tables(key.path, items, STORE_KEYS, wrong_store, &mut strangers);
            *at(whole) = all.into_iter().map(|(_, one)| one).collect();
            if !strangers.is_empty() {
                return Err(strangers);
            }
        }
        (Slot::Fleet(at), Value::List(items)) => {
            let mut strangers = Vec::new();
            *at(whole) = fleet(items, &mut strangers);
            if !strangers.is_empty() {
                return Err(strangers);
            }
        }
        // What stands in the place of these may be a password itself.
        (Slot::Passwords(_), other) => return Err(wrong(other.kind().to_owned())),
        (_, other) if key.path == "command" => return Err(wrong(other.kind().to_owned())),
        (_, other) => return Err(wrong(written(other))),
    }
    Ok(())
}

/// A value as a message names it: short ones as they stand, others by their kind.
fn written(value: &Value) -> String {
    match value {
        Value::Text(text) if text.chars().count() <= 24 => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Yes(yes) => yes.to_string(),
        other => other.kind().to_owned(),
    }
}

/// Reads `"500ms"`, `"30s"`, `"2m"`, `"1h"`, or a whole number of seconds.
fn span(value: &Value) -> Option<Duration> {
    let text = match value {
        Value::Integer(number) => return u64::try_from(*number).ok().map(Duration::from_secs),
        Value::Text(text) => text.trim(),
        _ => return None,
    };
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(unit)?;
    let number: u64 = number.parse().ok()?;
    let each = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.checked_mul(each).map(Duration::from_millis)
}

fn texts(path: &str, items: &[Node]) -> (Vec<String>, Vec<Wrong>) {
    let mut texts = Vec::new();
    let mut wrong = Vec::new();
    for item in items {
        match &item.value {
            Value::Text(text) => texts.push(text.clone()),
            other => wrong.push((
                item.line,
                format!("`{path}` lists texts; {} is left out.", written(other)),
            )),
        }
    }
    (texts, wrong)
}

fn passwords(items: &[Node], wrong: &mut Vec<Wrong>) -> Vec<PasswordCommand> {
    let mut passwords = Vec::new();
    for item in items {
        let mut password = PasswordCommand::default();
        match &item.value {
            Value::Table(table) => walk("", table, PASSWORD_KEYS, &mut password, wrong),
            // Whatever stands there may be a password itself, and is not repeated.
            other => {
                let what = other.kind();
                wrong.push((
                    item.line,
                    format!(
                        "`password` lists tables with `instance` and `command`; {what} is left out."
                    ),
                ));
                continue;
            }
        }
        if password.instance.is_empty() || password.command.is_empty() {
            wrong.push((
                item.line,
                "this `[[password]]` lacks `instance` or `command`, and is left out.".to_owned(),
            ));
        } else {
            passwords.push(password);
        }
    }
    passwords
}

/// The tables of a list of them, each with its line: what is unfit is named, and left out.
fn tables<T: Default>(
    path: &str,
    items: &[Node],
    keys: &[KeyDoc<T>],
    unfit: fn(&T) -> Option<String>,
    wrong: &mut Vec<Wrong>,
) -> Vec<(usize, T)> {
    let mut all = Vec::new();
    for item in items {
        let mut one = T::default();
        match &item.value {
            Value::Table(table) => walk("", table, keys, &mut one, wrong),
            other => {
                let what = written(other);
                wrong.push((
                    item.line,
                    format!("`{path}` lists tables; {what} is left out."),
                ));
                continue;
            }
        }
        match unfit(&one) {
            Some(why) => wrong.push((
                item.line,
                format!("this `[[{path}]]` {why}, and is left out."),
            )),
            None => all.push((item.line, one)),
        }
    }
    all
}

/// Consumers, each but once: two of a name would be told apart by nothing.
fn consumers(path: &str, items: &[Node], wrong: &mut Vec<Wrong>) -> Vec<ConsumerWish> {
    let mut all: Vec<ConsumerWish> = Vec::new();
    for (line, mut one) in tables(path, items, CONSUMER_KEYS, wrong_consumer, wrong) {
        one.line = line;
        let is_it = |other: &&ConsumerWish| {
            (&other.context, &other.namespace, &other.name)
                == (&one.context, &one.namespace, &one.name)
        };
        match all.iter().find(is_it) {
            Some(first) => wrong.push((
                line,
                format!(
                    "this `[[{path}]]` is called {}/{} in {} like the one on line {}, and is left out: give it another `name`.",
                    one.namespace, one.name, one.context, first.line
                ),
            )),
            None => all.push(one),
        }
    }
    all
}

/// What is wrong with a text that is to be a name as Kubernetes takes it (RFC 1123): it stands in commands and manifests.
fn no_name(key: &str, written: &str) -> Option<String> {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let is_edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_name = written.len() <= 253
        && written.chars().all(is_inner)
        && written.starts_with(is_edge)
        && written.ends_with(is_edge);
    (!is_name).then(|| {
        format!(
            "has the {key} {:?}, which is none that Kubernetes takes (small letters, digits, `-` and `.`)",
            crate::domain::text::one_line(written)
        )
    })
}

/// The first of these keys that says nothing.
fn lacking(keys: &[(&str, &str)]) -> Option<String> {
    let (key, _) = keys.iter().find(|(_, value)| value.is_empty())?;
    Some(format!("lacks `{key}`"))
}

fn no_instance(written: &str) -> Option<String> {
    InstanceName::of(written).is_none().then(|| {
        format!("names {written:?}, which is neither NAMESPACE/NAME nor CONTEXT/NAMESPACE/NAME")
    })
}

fn wrong_instance(wish: &InstanceWish) -> Option<String> {
    lacking(&[("name", &wish.instance)]).or_else(|| no_instance(&wish.instance))
}

fn wrong_consumer(wish: &ConsumerWish) -> Option<String> {
    let required = [
        ("name", wish.name.as_str()),
        ("context", &wish.context),
        ("namespace", &wish.namespace),
        ("instance", &wish.instance),
    ];
    let label = wish.labels.iter().find(|label| !label.contains('='));
    lacking(&required)
        .or_else(|| no_name("name", &wish.name))
        .or_else(|| no_name("namespace", &wish.namespace))
        .or_else(|| no_instance(&wish.instance))
        .or_else(|| label.map(|label| format!("has the label {label:?}, which is not KEY=VALUE")))
        .or_else(|| {
            let known = ["allowed", "denied"];
            let is_known = known.contains(&wish.expect.as_str());
            (!is_known).then(|| {
                format!(
                    "expects {:?}, which is neither `allowed` nor `denied`",
                    wish.expect
                )
            })
        })
}

fn wrong_store(wish: &StoreWish) -> Option<String> {
    lacking(&[("context", &wish.context), ("service", &wish.service)]).or_else(|| {
        let is_named = wish
            .service
            .split_once('/')
            .is_some_and(|(namespace, rest)| {
                !namespace.is_empty() && !rest.is_empty() && !rest.contains('/')
            });
        (!is_named).then(|| {
            format!(
                "names the service {:?}, which is neither NAMESPACE/NAME nor NAMESPACE/NAME:PORT",
                wish.service
            )
        })
    })
}

fn fleet(items: &[Node], wrong: &mut Vec<Wrong>) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for item in items {
        let mut member = Member::default();
        match &item.value {
            Value::Text(context) => member.context.clone_from(context),
            Value::Table(table) => walk("", table, MEMBER_KEYS, &mut member, wrong),
            other => {
                let what = written(other);
                wrong.push((
                    item.line,
                    format!("`fleet` lists contexts; {what} is left out."),
                ));
                continue;
            }
        }
        if member.context.is_empty() {
            wrong.push((
                item.line,
                "this member of the fleet has no `context`, and is left out.".to_owned(),
            ));
        } else if members.iter().any(|m| m.context == member.context) {
            wrong.push((
                item.line,
                format!(
                    "context `{}` is in the fleet already; this mention is left out.",
                    member.context
                ),
            ));
        } else {
            members.push(member);
        }
    }
    members
}
