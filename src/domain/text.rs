//! Text that came from outside, made safe to draw; and the few ways in which figures are written for people.

use std::path::Path;

use jiff::Timestamp;

/// Longest text that is kept of any outside message, in characters.
const KEPT: usize = 4_096;
/// Longest single line kept of an outside message, in characters.
const LINE: usize = 400;

/// Removes control sequences and control characters (newlines and tabs stay), and bounds the length.
///
/// Escape sequences are removed whole (CSI, OSC, DCS and two-character ones), so that a pod's log cannot move the
/// cursor, set a title or leave letters of a half-removed sequence behind. Bidirectional overrides go too: they make
/// text read differently from what it is.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(KEPT));
    let mut chars = text.chars().peekable();
    let mut kept = 0;
    while let Some(c) = chars.next() {
        if kept >= KEPT {
            out.push('…');
            break;
        }
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\u{9b}' => skip_csi(&mut chars),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => skip_string(&mut chars),
            '\n' | '\t' => {
                out.push(c);
                kept += 1;
            }
            c if c.is_control() || is_steering(c) => {}
            c => {
                out.push(c);
                kept += 1;
            }
        }
    }
    out
}

/// [`plain`] on one line: runs of white space become one space, and the length is bounded for a row.
pub fn one_line(text: &str) -> String {
    let mut out = String::new();
    for (i, word) in plain(text).split_whitespace().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        out.push_str(word);
    }
    if out.chars().count() > LINE {
        out = out.chars().take(LINE - 1).collect();
        out.push('…');
    }
    out
}

/// [`one_line`] with nothing left in it that Markdown or HTML would take for its own.
pub fn markdown(text: &str) -> String {
    let mut out = String::new();
    for c in one_line(text).chars() {
        if matches!(
            c,
            '|' | '*' | '_' | '`' | '[' | ']' | '<' | '>' | '#' | '\\'
        ) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// Characters that change the direction or joining of what follows, and so can disguise it.
fn is_steering(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn skip_escape(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match chars.next() {
        Some('[') => skip_csi(chars),
        Some(']' | 'P' | 'X' | '^' | '_') => skip_string(chars),
        // Character set choices carry one more character.
        Some('(' | ')' | '*' | '+' | '#' | '%' | ' ') => {
            chars.next();
        }
        _ => {}
    }
}

fn skip_csi(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(&c) = chars.peek() {
        // A CSI sequence is parameters and intermediates (0x20 to 0x3f) and one final character (0x40 to 0x7e).
        if !(' '..='~').contains(&c) {
            return;
        }
        chars.next();
        if ('@'..='~').contains(&c) {
            return;
        }
    }
}

fn skip_string(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(c) = chars.next() {
        match c {
            '\u{07}' | '\u{9c}' => return,
            '\u{1b}' => {
                if chars.peek() == Some(&'\\') {
                    chars.next();
                }
                return;
            }
            // A string that never ends must not swallow the rest of a log.
            '\n' => return,
            _ => {}
        }
    }
}

/// A length of time as people say it in a table: `42s`, `1m12s`, `3m`, `2h05m`, `4d`. Negative becomes `0s`.
pub fn age_of(seconds: i64) -> String {
    let s = seconds.max(0);
    match s {
        0..60 => format!("{s}s"),
        60..600 => format!("{}m{:02}s", s / 60, s % 60),
        600..3_600 => format!("{}m", s / 60),
        3_600..86_400 => format!("{}h{:02}m", s / 3_600, s % 3_600 / 60),
        _ => format!("{}d", s / 86_400),
    }
}

/// A length of time in round units, for an axis: `30s`, `5m`, `2m30s`, `1h`.
pub fn span(seconds: i64) -> String {
    let s = seconds.max(0);
    match (s / 3_600, s % 3_600 / 60, s % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, 0) => format!("{m}m"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, 0, _) => format!("{h}h"),
        (h, m, _) => format!("{h}h{m:02}m"),
    }
}

/// How long before `now` something happened, as [`age_of`] writes it. The future reads as `0s`: clocks differ.
pub fn age(at: Timestamp, now: Timestamp) -> String {
    age_of(now.as_second().saturating_sub(at.as_second()))
}

/// Bytes with a binary unit and at most one decimal: `98 MiB`, `1.2 GiB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut value = n as f64;
    let mut unit = "B";
    for u in UNITS {
        unit = u;
        if value < 1_000.0 {
            break;
        }
        if u != "PiB" {
            value /= 1_024.0;
        }
    }
    if unit == "B" || value >= 10.0 {
        format!("{value:.0} {unit}")
    } else {
        format!("{value:.1} {unit}")
    }
}

/// A count, shortened from ten thousand on: `4,812`, `12.3k`, `4.1M`.
pub fn count(n: u64) -> String {
    match n {
        0..1_000 => n.to_string(),
        1_000..10_000 => format!("{},{:03}", n / 1_000, n % 1_000),
        10_000..1_000_000 => short(n as f64 / 1_000.0, "k"),
        1_000_000..1_000_000_000 => short(n as f64 / 1_000_000.0, "M"),
        _ => short(n as f64 / 1_000_000_000.0, "G"),
    }
}

/// So many of something: `1 record`, `4,812 records`, `12.3k records`.
pub fn counted(n: u64, one: &str, several: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { several })
}

/// A count in full: `902,113`.
pub fn exact(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A word or a phrase with a capital first letter.
pub fn capital(phrase: &str) -> String {
    let mut letters = phrase.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

/// Journal records in words: `1 record`, `1,204 records`.
pub fn records(n: u64) -> String {
    match n {
        1 => "1 record".to_owned(),
        n => format!("{} records", exact(n)),
    }
}

/// [`count`] of a figure that stands beside others of its kind: in full where it differs from one of them and both would
/// read the same.
pub fn count_among(n: u64, others: impl IntoIterator<Item = u64>) -> String {
    let short = count(n);
    let alike = |other: u64| other != n && count(other) == short;
    match others.into_iter().any(alike) {
        true => exact(n),
        false => short,
    }
}

fn short(value: f64, unit: &str) -> String {
    if value >= 99.95 {
        format!("{value:.0}{unit}")
    } else {
        format!("{value:.1}{unit}")
    }
}

/// A word as a shell reads it back: as it stands where that is safe, else in single quotes.
pub fn shell_word(word: &str) -> String {
    let is_safe = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./_-".contains(c);
    if !word.is_empty() && word.chars().all(is_safe) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// The commands within a text, `kubectl --context ...` and `darner compare --context ...`, as they reach the same clusters:
/// by the kubeconfig file that darner itself was given. Without one they stay as they are, and find what darner found.
pub fn reached_by(text: &str, kubeconfig: Option<&Path>) -> String {
    let Some(file) = kubeconfig else {
        return text.to_owned();
    };
    let file = shell_word(&file.to_string_lossy());
    ["kubectl", "darner compare"]
        .iter()
        .fold(text.to_owned(), |text, command| {
            text.replace(
                &format!("{command} --context "),
                &format!("{command} --kubeconfig {file} --context "),
            )
        })
}

/// The name that is nearest to one that does not exist, if one is near enough to be a slip of the keys: within a third of
/// its letters, three at most and none of a name of one or two (insert, delete, replace, swap of neighbours, case aside),
/// else one that contains it.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let most = match lower.chars().count() {
        0..=2 => 0,
        letters => (letters / 3).clamp(1, 3),
    };
    known
        .into_iter()
        .filter_map(|known| {
            let candidate = known.to_lowercase();
            let distance = strsim::osa_distance(&lower, &candidate);
            let is_part = lower.len() >= 3 && candidate.contains(&lower);
            let is_near = distance <= most && !lower.is_empty();
            (is_near || is_part).then_some((if is_near { distance } else { usize::MAX }, known))
        })
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_sequences_never_reach_the_screen() {
        for (given, wanted) in [
            ("plain", "plain"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{07}after", "after"),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{9b}2Jgone", "gone"),
            ("bell\u{07} del\u{7f}", "bell del"),
            ("\u{202e}desrever", "desrever"),
            ("\u{1b}Pdcs\u{1b}\\ok", "ok"),
            ("half \u{1b}[", "half "),
            ("half \u{1b}", "half "),
            ("\u{1b}]never ends\nnext line", "next line"),
            ("\u{1b}[31\nnew", "\nnew"),
            ("two\nlines\tkept", "two\nlines\tkept"),
        ] {
            assert_eq!(plain(given), wanted, "{given:?}");
        }
        assert_eq!(one_line("a\n  b\t c"), "a b c");
        assert!(plain(&"x".repeat(10_000)).chars().count() <= KEPT + 1);
        assert!(one_line(&"x".repeat(10_000)).chars().count() <= LINE);
    }

    #[test]
    fn only_a_slip_of_the_keys_is_taken_for_a_name() {
        let known = ["orders", "gitlab", "cache", "db", "dragonfly"];
        for (given, wanted) in [
            ("ordres", Some("orders")),
            ("cahce", Some("cache")),
            ("GITLAB", Some("gitlab")),
            ("dragonfyl", Some("dragonfly")),
            ("drag", Some("dragonfly")),
            ("foo", None),
            ("cat", None),
            ("bd", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, known), wanted, "{given}");
        }
    }

    #[test]
    fn a_shell_reads_a_word_back_as_it_was() {
        for (given, wanted) in [
            ("infra", "infra"),
            ("arn:aws:eks:eu/x@y", "arn:aws:eks:eu/x@y"),
            ("my cluster", "'my cluster'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(given), wanted);
        }
    }

    #[test]
    fn figures_read_as_people_write_them() {
        for (s, wanted) in [
            (-5, "0s"),
            (42, "42s"),
            (72, "1m12s"),
            (600, "10m"),
            (3_599, "59m"),
            (7_500, "2h05m"),
            (400_000, "4d"),
        ] {
            assert_eq!(age_of(s), wanted);
        }
        for (n, wanted) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 KiB"),
            (1_288_490_189, "1.2 GiB"),
            (102_760_448, "98 MiB"),
            (20 * 1_073_741_824, "20 GiB"),
        ] {
            assert_eq!(bytes(n), wanted, "{n}");
        }
        for (n, wanted) in [
            (310, "310"),
            (4_812, "4,812"),
            (12_345, "12.3k"),
            (999_999, "1000k"),
            (4_100_000, "4.1M"),
        ] {
            assert_eq!(count(n), wanted, "{n}");
        }
        for (n, wanted) in [
            (0, "0"),
            (310, "310"),
            (4_812, "4,812"),
            (902_113, "902,113"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(exact(n), wanted, "{n}");
        }
    }

    #[test]
    fn figures_that_differ_never_read_the_same_beside_each_other() {
        for (n, others, wanted) in [
            (902_113, &[902_113, 901_999][..], "902,113"),
            (901_999, &[902_113], "901,999"),
            (902_113, &[902_113, 900_113], "902k"),
            (902_113, &[], "902k"),
            (4_812, &[4_811], "4,812"),
        ] {
            assert_eq!(count_among(n, others.iter().copied()), wanted, "{n}");
        }
    }

    #[test]
    fn commands_name_the_kubeconfig_that_was_named() {
        let text = "look: kubectl --context a -n b get pods; kubectl --context c logs x; darner compare --context a b/c";
        assert_eq!(reached_by(text, None), text);
        assert_eq!(
            reached_by(text, Some(Path::new("/tmp/my lab"))),
            "look: kubectl --kubeconfig '/tmp/my lab' --context a -n b get pods; \
             kubectl --kubeconfig '/tmp/my lab' --context c logs x; \
             darner compare --kubeconfig '/tmp/my lab' --context a b/c"
        );
        // What is no command stays.
        let told = "name them with --context, kubectl";
        assert_eq!(reached_by(told, Some(Path::new("/x"))), told);
    }
}
