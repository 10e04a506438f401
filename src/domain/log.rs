//! Lines of logs, as far as they can be understood.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;

/// How loud a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Loudness {
    /// `DEBUG`, and zap's numbered levels.
    Debug,
    /// `INFO`, and lines that do not say.
    #[default]
    Info,
    /// `WARN`.
    Warning,
    /// `ERROR` and worse.
    Error,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogLine {
    /// When it was written, by the machine's clock.
    pub at: Option<Timestamp>,
    /// How loud it is.
    pub loudness: Loudness,
    /// The part of the program that wrote it, may be empty.
    pub logger: String,
    /// What it says.
    pub message: String,
    /// Its fields, by name; nested ones as `Dragonfly.name`.
    pub fields: Vec<(String, String)>,
}

impl LogLine {
    /// A field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// It speaks of that instance, or of one of its pods: by its fields, else by `namespace/name` in its words.
    pub fn speaks_of(&self, namespace: &str, instance: &str) -> bool {
        let owned = |name: &str| {
            name == instance
                || name
                    .strip_prefix(instance)
                    .and_then(|rest| rest.strip_prefix('-'))
                    .is_some_and(|ordinal| ordinal.parse::<u32>().is_ok())
        };
        let by_fields = ["", "Dragonfly.", "Pod."].iter().any(|group| {
            self.field(&format!("{group}namespace")) == Some(namespace)
                && self.field(&format!("{group}name")).is_some_and(owned)
        });
        let by_words = |text: &str| {
            text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '.' | '/')))
                .filter_map(|word| word.split_once('/'))
                .any(|(ns, name)| ns == namespace && owned(name))
        };
        by_fields || by_words(&self.message) || self.fields.iter().any(|(_, v)| by_words(v))
    }
}

/// The last lines of a log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogTail {
    lines: VecDeque<Arc<LogLine>>,
    /// Lines that came before those and were let go.
    let_go: u64,
}

impl LogTail {
    /// Lines that are kept.
    pub const LENGTH: usize = 2_000;

    /// Takes more lines in.
    pub fn extend(&mut self, lines: impl IntoIterator<Item = LogLine>) {
        for line in lines {
            if self.lines.len() == Self::LENGTH {
                self.lines.pop_front();
                self.let_go += 1;
            }
            self.lines.push_back(Arc::new(line));
        }
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &Arc<LogLine>> + ExactSizeIterator {
        self.lines.iter()
    }

    /// How many lines came before those that are kept.
    pub fn let_go(&self) -> u64 {
        self.let_go
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_line_speaks_of_an_instance_and_of_its_pods_and_of_no_namesake() {
        let fields = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            let owned = |(k, v): &(&str, &str)| ((*k).to_owned(), (*v).to_owned());
            pairs.iter().map(owned).collect()
        };
        for (message, pairs, wanted) in [
            (
                "x",
                fields(&[("namespace", "shop"), ("name", "orders")]),
                true,
            ),
            (
                "x",
                fields(&[("namespace", "shop"), ("name", "orders-12")]),
                true,
            ),
            (
                "x",
                fields(&[("namespace", "shop"), ("name", "orders-eu")]),
                false,
            ),
            (
                "x",
                fields(&[("namespace", "shop"), ("name", "orders-eu-0")]),
                false,
            ),
            (
                "x",
                fields(&[("namespace", "bank"), ("name", "orders")]),
                false,
            ),
            (
                "x",
                fields(&[("Pod.namespace", "shop"), ("Pod.name", "orders-0")]),
                true,
            ),
            ("cannot reach shop/orders-1: refused", Vec::new(), true),
            ("cannot reach shop/ordersx", Vec::new(), false),
            ("x", fields(&[("error", "pod shop/orders-0 is gone")]), true),
            ("orders", Vec::new(), false),
        ] {
            let line = LogLine {
                message: message.to_owned(),
                fields: pairs,
                ..LogLine::default()
            };
            assert_eq!(line.speaks_of("shop", "orders"), wanted, "{line:?}");
        }
    }

    #[test]
    fn only_the_last_lines_are_kept_and_the_others_are_counted() {
        let mut tail = LogTail::default();
        let line = |n: usize| LogLine {
            message: n.to_string(),
            ..LogLine::default()
        };
        tail.extend((0..LogTail::LENGTH + 5).map(line));
        assert_eq!(tail.lines().len(), LogTail::LENGTH);
        assert_eq!(tail.let_go(), 5);
        assert_eq!(tail.lines().next().unwrap().message, "5");
    }
}
