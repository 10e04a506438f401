//! Files of YAML with several documents, each with its lines: one that cannot be read does not take the others with it.

use serde_json::Value;

/// A document of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The line on which it begins, from 1: the first that says anything.
    pub line: usize,
    /// Its lines from there on, as they are written.
    pub lines: Vec<String>,
    /// What it says, or why it cannot be read.
    pub value: Result<Value, Broken>,
}

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The line in the file, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// What is wrong there; never a value of the file.
    pub problem: String,
}

/// The documents of a file; those that say nothing are left out.
pub fn documents(text: &str) -> Vec<Document> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines: Vec<&str> = text.lines().collect();
    // A line of three dashes ends a document whatever stands before it: what belongs to a text is indented.
    let is_end = |line: &str| line == "---" || line.starts_with("--- ") || line.trim_end() == "...";
    let mut documents = Vec::new();
    for part in split(&lines, is_end) {
        let (from, part) = part;
        let says = |line: &&str| {
            let bare = line.trim();
            !bare.is_empty() && !bare.starts_with('#') && !bare.starts_with('%')
        };
        let Some(skipped) = part.iter().position(says) else {
            continue;
        };
        let lines: Vec<String> = part
            .iter()
            .skip(skipped)
            .map(|line| (*line).to_owned())
            .collect();
        let line = from + skipped + 1;
        let value = parse(&lines.join("\n"), line);
        documents.push(Document { line, lines, value });
    }
    documents
}

/// Runs of lines between those that end one, each with the number of its first, from 0.
fn split<'t>(lines: &'t [&'t str], is_end: impl Fn(&str) -> bool) -> Vec<(usize, Vec<&'t str>)> {
    let mut parts = vec![(0, Vec::new())];
    for (at, line) in lines.iter().enumerate() {
        if is_end(line) {
            parts.push((at + 1, Vec::new()));
        } else if let Some((_, part)) = parts.last_mut() {
            part.push(*line);
        }
    }
    parts
}

fn parse(text: &str, first: usize) -> Result<Value, Broken> {
    let options = serde_saphyr::options! {
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options::<Value>(text, options).map_err(|error| {
        let error = error.without_snippet();
        let place = error.location();
        let (line, column) = place.map_or((1, 1), |at| (at.line(), at.column()));
        // Other messages can quote a value, which may be a secret.
        let problem = match error {
            serde_saphyr::Error::ExternalMessage { msg, .. } => format!("is not YAML: {msg}"),
            serde_saphyr::Error::Eof { .. } => "is not YAML: it ends too early".to_owned(),
            _ => "is not YAML that can be read".to_owned(),
        };
        Broken {
            line: first + usize::try_from(line.max(1)).unwrap_or(1) - 1,
            column: usize::try_from(column.max(1)).unwrap_or(1),
            problem: crate::domain::text::one_line(&problem),
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_document_knows_its_lines() {
        for (name, text, wanted) in [
            ("nothing", "", vec![]),
            ("comments", "# a\n---\n# b\n", vec![]),
            ("one", "a: 1\n", vec![(1, true)]),
            (
                "two",
                "# x\n---\na: 1\n---\n\nb: 2\n",
                vec![(3, true), (6, true)],
            ),
            ("with a mark of bytes", "\u{feff}a: 1", vec![(1, true)]),
            ("dashes in a text", "a: |\n  ---\n  b\n", vec![(1, true)]),
            (
                "broken first",
                "a: [\n---\nb: 1\n",
                vec![(1, false), (3, true)],
            ),
            (
                "a template",
                "a: {{ x }}\n---\nb: 1\n",
                vec![(1, false), (3, true)],
            ),
            (
                "windows",
                "a: 1\r\n---\r\nb: 2\r\n",
                vec![(1, true), (3, true)],
            ),
        ] {
            let told: Vec<(usize, bool)> = documents(text)
                .iter()
                .map(|one| (one.line, one.value.is_ok()))
                .collect();
            assert_eq!(told, wanted, "{name}");
        }
    }

    #[test]
    fn what_is_broken_is_told_with_line_and_column_of_the_file() {
        let text = "a: 1\n---\n# why\nb:\n  c: \"x\n  d: ]\n";
        let all = documents(text);
        let broken = all.last().unwrap().value.clone().unwrap_err();
        assert!(broken.line >= 4 && broken.line <= 7, "{broken:?}");
        assert!(broken.column >= 1);
        assert!(broken.problem.starts_with("is not YAML"), "{broken:?}");
    }
}
