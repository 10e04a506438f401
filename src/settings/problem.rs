//! A mistake in a file of the reader's, with the place to mend it.

use std::fmt;

use crate::domain::text::nearest;

/// One mistake. Nothing else is lost because of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file as the reader knows it: a path, or `keymaps/vim.toml (shipped)`.
    pub file: String,
    /// Line in it, from 1; 0 when it is about the file as a whole.
    pub line: usize,
    /// What is wrong, what is done instead, and what was probably meant.
    pub message: String,
}

impl Problem {
    /// A problem at a line of a file.
    pub fn new(file: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    /// `settings.toml:4: ...`, as compilers write it, so that editors can jump there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            write!(f, "{}: {}", self.file, self.message)
        } else {
            write!(f, "{}:{}: {}", self.file, self.line, self.message)
        }
    }
}

/// The sentence that offers the nearest known word, or lists all of them where they are few.
pub fn suggestion<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(near) = nearest(word, known.iter().copied()) {
        format!("did you mean `{near}`?")
    } else if !known.is_empty() && known.len() <= 12 {
        format!("known are {}.", quoted(&known))
    } else {
        String::new()
    }
}

/// `` `a`, `b` and `c` ``.
pub fn quoted(words: &[&str]) -> String {
    let mut out = String::new();
    for (i, word) in words.iter().enumerate() {
        if i > 0 {
            out.push_str(if i + 1 == words.len() { " and " } else { ", " });
        }
        out.push('`');
        out.push_str(word);
        out.push('`');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_hand_is_recognised_and_a_different_word_is_not() {
        let known = ["theme", "keymap", "mouse", "ascii", "limits"];
        for (given, wanted) in [
            ("thme", Some("theme")),
            ("Theme", Some("theme")),
            ("hteme", Some("theme")),
            ("key-map", Some("keymap")),
            ("mose", Some("mouse")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, known), wanted, "{given}");
        }
        assert_eq!(suggestion("thme", known), "did you mean `theme`?");
        assert_eq!(
            suggestion("zzzzzzzz", ["on", "off"]),
            "known are `on` and `off`."
        );
        assert_eq!(suggestion("x", []), "");
    }

    #[test]
    fn a_problem_reads_like_a_compiler_message() {
        assert_eq!(
            Problem::new("a.toml", 4, "no.").to_string(),
            "a.toml:4: no."
        );
        assert_eq!(Problem::new("a.toml", 0, "no.").to_string(), "a.toml: no.");
    }
}
