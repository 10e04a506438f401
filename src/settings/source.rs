//! TOML with places: every value knows its line, and a broken line does not take the rest of the file with it.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// One file as somebody else has read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What it is called when it is chosen: `dark`, `vim`; its file name without the ending.
    pub name: String,
    /// What it is called in messages: its path.
    pub file: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// A file of the reader's.
    pub fn new(name: impl Into<String>, file: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            file: file.into(),
            text: text.into(),
        }
    }
}

/// A table with places.
pub(super) type Table = BTreeMap<String, Node>;

/// A value and the line of its key (or of itself, in a list).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// From 1.
    pub line: usize,
    pub value: Value,
}

/// The kinds of value that the files here use.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Yes(bool),
    Other,
    List(Vec<Node>),
    Table(Table),
}

impl Value {
    /// What the value is, as a reader would say it.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "text",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a fraction",
            Value::Yes(_) => "true or false",
            Value::Other => "a date or time",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// Reads a file. What could be read is returned beside what could not.
pub(super) fn read(source: &Source) -> (Table, Vec<Problem>) {
    let lines = Lines::of(&source.text);
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let mut problems: Vec<Problem> = errors
        .iter()
        .map(|error| {
            let line = error.span().map_or(0, |span| lines.at(span.start));
            let said = crate::domain::text::one_line(error.message());
            Problem::new(
                &source.file,
                line,
                format!("this is not TOML: {said}; the line is ignored."),
            )
        })
        .collect();
    // One slip often makes the parser stumble several times on the same line; the first message is the useful one.
    problems.dedup_by(|later, first| later.line == first.line);
    (table_of(table.get_ref(), &lines), problems)
}

fn table_of(table: &DeTable<'_>, lines: &Lines) -> Table {
    table
        .iter()
        .map(|(key, value)| {
            let line = lines.at(key.span().start);
            let value = value_of(value, lines);
            (key.get_ref().to_string(), Node { line, value })
        })
        .collect()
}

fn value_of(value: &Spanned<DeValue<'_>>, lines: &Lines) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i64::from_str_radix(&digits, number.radix()).map_or(Value::Other, Value::Integer)
        }
        DeValue::Float(number) => number
            .as_str()
            .replace('_', "")
            .parse()
            .map_or(Value::Other, Value::Float),
        DeValue::Boolean(yes) => Value::Yes(*yes),
        DeValue::Datetime(_) => Value::Other,
        DeValue::Array(items) => Value::List(
            items
                .iter()
                .map(|item| Node {
                    line: lines.at(item.span().start),
                    value: value_of(item, lines),
                })
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(table_of(table, lines)),
    }
}

/// Where each line of a text begins.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let begins = text.match_indices('\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(begins).collect())
    }

    /// The line, from 1, that holds the byte.
    fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|begin| *begin <= byte)
    }
}
