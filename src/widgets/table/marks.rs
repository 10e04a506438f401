//! Letters that match what was typed, set off in what is drawn.

use super::Piece;
use crate::settings::Tone;

/// A text in runs of matching and other letters. `letters` are positions in characters.
pub fn marked(text: &str, tone: Tone, letters: &[usize]) -> Vec<Piece> {
    if letters.is_empty() {
        return vec![Piece::new(text, tone)];
    }
    let mut pieces: Vec<Piece> = Vec::new();
    for (i, c) in text.chars().enumerate() {
        let tone = if letters.contains(&i) {
            Tone::Match
        } else {
            tone
        };
        match pieces.last_mut() {
            Some(last) if last.tone == tone => last.text.push(c),
            _ => pieces.push(Piece::new(c, tone)),
        }
    }
    pieces
}

/// Positions, in characters, of every letter of every place where one of the words (lower case) stands.
pub fn found(text: &str, words: &[&str]) -> Vec<usize> {
    if words.is_empty() {
        return Vec::new();
    }
    // One character each, so that positions stay those of the text.
    let lower: Vec<char> = text
        .chars()
        .map(|c| c.to_lowercase().next().unwrap_or(c))
        .collect();
    let mut letters = Vec::new();
    for word in words {
        let word: Vec<char> = word.chars().collect();
        for (at, window) in lower.windows(word.len().max(1)).enumerate() {
            if window == word.as_slice() {
                letters.extend(at..at + word.len());
            }
        }
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_case_and_as_often_as_they_stand() {
        for (text, words, wanted) in [
            ("Harbor/cache", &["har"][..], vec![0, 1, 2]),
            ("cache-cache", &["che"], vec![2, 3, 4, 8, 9, 10]),
            ("ÄÖ x", &["ö"], vec![1]),
            ("aaa", &["aa"], vec![0, 1, 1, 2]),
            ("x", &["xx", ""], vec![]),
            ("x", &[], vec![]),
        ] {
            assert_eq!(found(text, words), wanted, "{words:?} in {text}");
        }
    }

    #[test]
    fn runs_keep_the_text() {
        let pieces = marked("go master", Tone::Text, &[0, 3, 4]);
        let said: Vec<_> = pieces.iter().map(|p| (p.text.as_str(), p.tone)).collect();
        assert_eq!(
            said,
            [
                ("g", Tone::Match),
                ("o ", Tone::Text),
                ("ma", Tone::Match),
                ("ster", Tone::Text),
            ]
        );
    }
}
