//! A baseline: findings that are known and accepted, each with a reason and an end. What is accepted is told and does not
//! count; an entry that says nothing any more, or not enough, is told with its file and line.

use jiff::civil::Date;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{About, Accepted, called, nothing_called};
use crate::settings::problem::suggestion;

/// Accepted findings, as a file names them.
#[derive(Debug, Default)]
pub(super) struct Baseline {
    file: String,
    entries: Vec<Entry>,
    /// What is wrong with the file, with file and line.
    pub problems: Vec<String>,
}

#[derive(Debug)]
struct Entry {
    line: usize,
    /// The id of a check, or of a situation that it finds.
    check: String,
    subject: Option<String>,
    reason: String,
    until: Date,
    is_used: bool,
}

impl Baseline {
    /// Reads a file's text. Entries that say too little accept nothing.
    ///
    /// # Errors
    /// A sentence with file, line and column where it is no TOML; one with file and line for each entry that names what is
    /// neither a check nor a situation: whoever wrote it believes something accepted that is not.
    pub fn read(file: &str, text: &str, today: Date) -> Result<Self, Vec<String>> {
        let mut baseline = Self {
            file: file.to_owned(),
            ..Self::default()
        };
        let table = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let (line, column) = place(text, at);
            let what = error.message();
            vec![format!("{file}:{line}:{column}: is not TOML: {what}")]
        })?;
        let mut unknown = Vec::new();
        for (key, value) in table.get_ref() {
            let line = place(text, key.span().start).0;
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("accept", DeValue::Array(entries)) => {
                    for entry in entries {
                        baseline.take(text, entry, today, &mut unknown);
                    }
                }
                (word, _) => baseline.say(
                    line,
                    &format!("`{word}` means nothing here: entries are written as [[accept]]"),
                ),
            }
        }
        match unknown.is_empty() {
            true => Ok(baseline),
            false => Err(unknown),
        }
    }

    fn say(&mut self, line: usize, what: &str) {
        self.problems.push(format!("{}:{line}: {what}", self.file));
    }

    fn take(
        &mut self,
        text: &str,
        entry: &Spanned<DeValue<'_>>,
        today: Date,
        unknown: &mut Vec<String>,
    ) {
        let line = place(text, entry.span().start).0;
        let DeValue::Table(fields) = entry.get_ref() else {
            self.say(line, "an entry is a table: [[accept]]");
            return;
        };
        let written = |name: &str| {
            let found = fields.iter().find(|(key, _)| key.get_ref() == name);
            found.map(|(_, value)| match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Datetime(at) => at.to_string(),
                _ => String::new(),
            })
        };
        for (key, _) in fields {
            let word = key.get_ref().as_ref();
            let known = ["check", "subject", "reason", "until"];
            if !known.contains(&word) {
                let at = place(text, key.span().start).0;
                self.say(
                    at,
                    &format!("there is no `{word}`; {}", suggestion(word, known)),
                );
            }
        }
        let Some(check) = written("check").filter(|check| !check.is_empty()) else {
            self.say(line, "an entry without `check` accepts nothing");
            return;
        };
        if called(&check).is_empty() {
            unknown.push(format!("{}:{line}: {}", self.file, nothing_called(&check)));
            return;
        }
        let Some(reason) = written("reason").filter(|reason| !reason.trim().is_empty()) else {
            let what = format!("{check} is not accepted: the entry gives no `reason`");
            self.say(line, &what);
            return;
        };
        let until = written("until").unwrap_or_default();
        let Ok(until) = until.parse::<Date>() else {
            let what = format!(
                "{check} is not accepted: `until` is to be a day such as 2026-12-31, after which it counts again"
            );
            self.say(line, &what);
            return;
        };
        if until < today {
            let what = format!("{check} was accepted until {until} and counts again: {reason}");
            self.say(line, &what);
            return;
        }
        self.entries.push(Entry {
            line,
            check,
            subject: written("subject").filter(|subject| !subject.is_empty()),
            reason,
            until,
            is_used: false,
        });
    }

    /// Whether a finding of that check, that found that situation, about that subject is accepted, and why.
    pub fn accepts(&mut self, check: &str, situation: &str, about: &About) -> Option<Accepted> {
        let mut accepted = None;
        for entry in &mut self.entries {
            let is_meant = (entry.check == check || entry.check == situation)
                && entry
                    .subject
                    .as_ref()
                    .is_none_or(|subject| about.is_called(subject));
            if is_meant {
                entry.is_used = true;
                accepted = accepted.or(Some(Accepted {
                    reason: entry.reason.clone(),
                    until: entry.until,
                }));
            }
        }
        accepted
    }

    /// Entries that accepted nothing of what was asked, though their check was asked.
    pub fn unused(&self, was_asked: impl Fn(&str) -> bool) -> Vec<String> {
        let unused = self.entries.iter();
        let unused = unused.filter(|entry| !entry.is_used && was_asked(&entry.check));
        unused
            .map(|entry| {
                let about = entry.subject.as_ref();
                let about = about.map_or(String::new(), |subject| format!(" of {subject}"));
                format!(
                    "{}:{}: nothing of {}{about} is found any more: the entry can go",
                    self.file, entry.line, entry.check
                )
            })
            .collect()
    }
}

/// Line and column of a byte, from 1.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let last = before.rsplit('\n').next().unwrap_or("");
    (line, last.chars().count() + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::checks::Subject;
    use crate::domain::{ContextId, InstanceId};

    fn today() -> Date {
        "2026-11-22".parse().unwrap()
    }

    fn about(context: &str) -> About {
        let id = InstanceId::new(ContextId::new(context), "shop", "orders");
        About::of(&Subject::Instance(id))
    }

    #[test]
    fn an_entry_that_says_too_little_accepts_nothing_and_is_told_with_its_line() {
        for (text, wanted) in [
            ("", ""),
            (
                "\n[[accept]]\ncheck = \"few-replicas\"\nuntil = 2026-12-31\n",
                "b.toml:2: few-replicas is not accepted: the entry gives no `reason`",
            ),
            (
                "[[accept]]\ncheck = \"few-replicas\"\nreason = \" \"\nuntil = 2026-12-31\n",
                "b.toml:1: few-replicas is not accepted: the entry gives no `reason`",
            ),
            (
                "[[accept]]\ncheck = \"few-replicas\"\nreason = \"small\"\n",
                "b.toml:1: few-replicas is not accepted: `until` is to be a day such as 2026-12-31, after which it counts again",
            ),
            (
                "[[accept]]\ncheck = \"few-replicas\"\nreason = \"small\"\nuntil = 2026-11-21\n",
                "b.toml:1: few-replicas was accepted until 2026-11-21 and counts again: small",
            ),
            (
                "[[accept]]\nreason = \"x\"\n",
                "b.toml:1: an entry without `check` accepts nothing",
            ),
            (
                "x = 1\n",
                "b.toml:1: `x` means nothing here: entries are written as [[accept]]",
            ),
        ] {
            let mut read = Baseline::read("b.toml", text, today()).unwrap();
            assert_eq!(read.problems.join("\n"), wanted, "{text}");
            assert!(
                read.accepts("few-replicas", "few-replicas", &about("infra"))
                    .is_none()
            );
        }
        let broken = Baseline::read("b.toml", "\n[[accept]\n", today()).unwrap_err();
        assert!(broken.concat().starts_with("b.toml:2:"), "{broken:?}");
    }

    #[test]
    fn an_id_is_of_a_check_or_of_a_situation_and_any_other_is_an_error_with_its_line() {
        let entry = |id: &str| {
            format!("[[accept]]\ncheck = \"{id}\"\nreason = \"r\"\nuntil = 2026-12-31\n")
        };
        let told = Baseline::read("b.toml", &format!("\n{}", entry("few-replica")), today());
        assert_eq!(
            told.unwrap_err(),
            [
                "b.toml:2: there is no check and no situation `few-replica`; did you mean `few-replicas`? (docs/reference/checks.md lists them)"
            ]
        );
        let mut read = Baseline::read("b.toml", &entry("peers-blocked"), today()).unwrap();
        let about = about("infra");
        let mut accepts = |situation| {
            read.accepts("admin-port-blocked", situation, &about)
                .is_some()
        };
        assert!(!accepts("operator-blocked"), "another of the same check");
        assert!(accepts("peers-blocked"));
        assert!(read.unused(|_| true).is_empty());
    }

    #[test]
    fn what_is_accepted_is_meant_by_check_and_subject() {
        let entry = |subject: &str| {
            format!(
                "[[accept]]\ncheck = \"few-replicas\"\n{subject}reason = \"small\"\nuntil = 2026-11-22\n"
            )
        };
        for (subject, wanted) in [
            ("", true),
            ("subject = \"infra/shop/orders\"\n", true),
            ("subject = \"shop/orders\"\n", true),
            ("subject = \"apps/shop/orders\"\n", false),
            ("subject = \"infra\"\n", false),
        ] {
            let mut read = Baseline::read("b.toml", &entry(subject), today()).unwrap();
            assert_eq!(read.problems, [""; 0]);
            let accepted = read.accepts("few-replicas", "few-replicas", &about("infra"));
            assert_eq!(accepted.is_some(), wanted, "{subject}");
            assert!(
                read.accepts("security-lax", "security-lax", &about("infra"))
                    .is_none()
            );
            assert_eq!(read.unused(|_| true).is_empty(), wanted, "{subject}");
            assert!(read.unused(|_| false).is_empty());
        }
    }
}
