//! Numbers and texts as engines write them.
//!
//! A number that is negative (the server writes -1 for "not known") or no number at all is absent; one that is too large
//! for us is the largest we have: "at least that much" is nearer to the truth than nothing.

use crate::domain::text;

/// Seconds after which no clock shows a time: the end of year 9999.
const LAST_SECOND: i64 = 253_402_207_200;

/// A whole number.
pub(super) fn number(value: &str) -> Option<u64> {
    let value = value.trim();
    let digits = value.strip_prefix('+').unwrap_or(value);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

/// A port; one that is out of range is absent.
pub(super) fn port(value: &str) -> Option<u16> {
    value.trim().parse().ok()
}

/// Unix seconds; a time that no clock shows is absent.
pub(super) fn second(value: &str) -> Option<i64> {
    let second: i64 = value.trim().parse().ok()?;
    (0..=LAST_SECOND).contains(&second).then_some(second)
}

/// A number as Prometheus writes it, to a whole one.
pub(super) fn rounded(value: f64) -> Option<u64> {
    // Casts of floats saturate.
    (value >= 0.0).then_some(value.round() as u64)
}

/// `1`, against anything else.
pub(super) fn flag(value: &str) -> bool {
    value.trim() == "1"
}

/// A text on one line, safe to draw; absent when nothing is left of it.
pub(super) fn line(value: &str) -> Option<String> {
    // Nearly all of them are one short word, and lists have thousands.
    if !value.is_empty() && value.len() <= 100 && value.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(value.to_owned());
    }
    Some(text::one_line(value)).filter(|line| !line.is_empty())
}

/// A text on one line of at most `most` characters.
pub(super) fn short(value: &str, most: usize) -> Option<String> {
    let mut line = line(value)?;
    if let Some((end, _)) = line.char_indices().nth(most) {
        line.truncate(end);
        line.push('…');
    }
    Some(line)
}

/// `df-v1.39.0`, or `df-v1.39.0-<hash>` in some builds, to `v1.39.0`.
pub(super) fn version(value: &str) -> Option<String> {
    let bare = value.trim().strip_prefix("df-").unwrap_or(value.trim());
    let version = match bare.rsplit_once('-') {
        Some((version, hash)) if hash.len() >= 7 && hash.chars().all(|c| c.is_ascii_hexdigit()) => {
            version
        }
        _ => bare,
    };
    short(version, 40)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_are_absent_or_bounded_and_never_wrong() {
        for (text, wanted) in [
            ("0", Some(0)),
            (" 42\r", Some(42)),
            ("+7", Some(7)),
            ("-1", None),
            ("", None),
            ("+", None),
            ("1.5", None),
            ("1e9", None),
            ("0x10", None),
            ("١٢", None),
            ("18446744073709551615", Some(u64::MAX)),
            ("100000000000000000000", Some(u64::MAX)),
            ("00000000000000000000000000000001", Some(1)),
        ] {
            assert_eq!(number(text), wanted, "{text:?}");
        }
        for (text, wanted) in [
            ("1795304888", Some(1_795_304_888)),
            ("0", Some(0)),
            ("-5", None),
            ("253402207201", None),
            ("100000000000000000000", None),
        ] {
            assert_eq!(second(text), wanted, "{text:?}");
        }
        assert!(jiff::Timestamp::from_second(LAST_SECOND - 86_400).is_ok());
        for (value, wanted) in [
            (0.4, Some(0)),
            (3.6, Some(4)),
            (-1.0, None),
            (f64::NAN, None),
            (f64::INFINITY, Some(u64::MAX)),
            (1e30, Some(u64::MAX)),
        ] {
            assert_eq!(rounded(value), wanted, "{value}");
        }
        for (text, wanted) in [
            ("6379", Some(6_379)),
            ("70000", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(port(text), wanted, "{text:?}");
        }
    }

    #[test]
    fn texts_are_bounded_and_whole_characters() {
        assert_eq!(short("äöü", 2).unwrap(), "äö…");
        assert_eq!(short("ab", 2).unwrap(), "ab");
        assert_eq!(short(" \u{1b}[2J ", 5), None);
        for (text, wanted) in [
            ("df-v1.39.0", Some("v1.39.0")),
            ("df-v1.39.0-0a1b2c3d", Some("v1.39.0")),
            ("df-v1.40.0-rc1", Some("v1.40.0-rc1")),
            ("v1.17.0", Some("v1.17.0")),
            ("", None),
        ] {
            assert_eq!(version(text).as_deref(), wanted, "{text}");
        }
    }
}
