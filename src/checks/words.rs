//! How findings put several objects into one sentence.

/// `a`, `a and b`, `a, b and c`.
pub fn list<T: AsRef<str>>(names: &[T]) -> String {
    match names {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => format!(
            "{} and {}",
            first
                .iter()
                .map(AsRef::as_ref)
                .collect::<Vec<_>>()
                .join(", "),
            last.as_ref()
        ),
    }
}

/// `is` for one, `are` for several.
pub fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// `has` for one, `have` for several.
pub fn has(count: usize) -> &'static str {
    if count == 1 { "has" } else { "have" }
}

/// The one word for one, the other for several.
pub fn number<'a>(count: usize, one: &'a str, several: &'a str) -> &'a str {
    if count == 1 { one } else { several }
}

/// `1 restart`, `3 restarts`.
pub use crate::domain::text::counted;

/// A figure in full: `902,113`.
pub fn exact(figure: u64) -> String {
    let digits = figure.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The text in brackets after a space, or after a colon if it has brackets of its own; nothing for an empty one.
pub fn bracketed(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else if text.contains('(') {
        // Brackets within brackets are hard to read.
        format!(": {text}")
    } else {
        format!(" ({text})")
    }
}

/// The moment as a clock shows it, in UTC: what a sentence may say that must stay true while it stands.
pub fn clock(at: jiff::Timestamp) -> String {
    format!("{} UTC", at.strftime("%H:%M:%S"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_listed_as_people_do() {
        for (names, wanted) in [
            (&[] as &[&str], ""),
            (&["a"], "a"),
            (&["a", "b"], "a and b"),
            (&["a", "b", "c"], "a, b and c"),
        ] {
            assert_eq!(list(names), wanted);
        }
        for (figure, wanted) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_902_113, "1,902,113"),
        ] {
            assert_eq!(exact(figure), wanted);
        }
        assert_eq!(
            clock("2026-01-02T03:04:05.9Z".parse().unwrap()),
            "03:04:05 UTC"
        );
    }
}
