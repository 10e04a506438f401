//! A mistake in a file of the reader's, with the place to mend it.

use std::fmt;

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

/// The nearest of `known` to a word that is not among them, if it is near enough to be a slip of the hand.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = (word.chars().count() / 3).max(1) + 1;
    known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
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

/// Edits between two words (insert, delete, replace, swap of neighbours), without regard to case.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = Vec::with_capacity(b.len() + 1);
        next.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut least = (at(&row, j + 1) + 1)
                .min(at(&next, j) + 1)
                .min(at(&row, j) + usize::from(x != y));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                least = least.min(at(&before, j - 1) + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row.last().copied().unwrap_or(0)
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
