//! Putting pieces of text into a buffer: cut, padded, wrapped, never outside the rectangle.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Look, Piece};
use crate::settings::{Glyph, Tone};

/// Columns that a text takes when drawn. Control characters are not drawn and take none.
pub fn width(text: &str) -> usize {
    if text.is_ascii() && !text.bytes().any(|b| b.is_ascii_control()) {
        return text.len();
    }
    clean(text).width()
}

/// The text in at most so many columns, with `ellipsis` for what is cut off at its end.
pub fn fit<'a>(text: &'a str, columns: usize, ellipsis: &str) -> Cow<'a, str> {
    let text = clean(text);
    if text.width() <= columns {
        return text;
    }
    let Some(room) = columns.checked_sub(ellipsis.width()) else {
        return Cow::Borrowed("");
    };
    let mut out = head(&text, room).to_owned();
    out.push_str(ellipsis);
    Cow::Owned(out)
}

/// The same with the cut in the middle, for names that differ at their ends (`dragonfly-…-0`).
pub fn fit_middle<'a>(text: &'a str, columns: usize, ellipsis: &str) -> Cow<'a, str> {
    let text = clean(text);
    if text.width() <= columns {
        return text;
    }
    let Some(room) = columns.checked_sub(ellipsis.width()) else {
        return Cow::Borrowed("");
    };
    let begin = head(&text, room.div_ceil(2));
    let end = tail(&text, room / 2);
    Cow::Owned(format!("{begin}{ellipsis}{end}"))
}

/// A sentence in at most so many columns, cut after a whole word where that does not waste much.
pub fn fit_words<'a>(text: &'a str, columns: usize, ellipsis: &str) -> Cow<'a, str> {
    /// A word longer than this is broken rather than left out.
    const LONG: usize = 16;
    let text = clean(text);
    if text.width() <= columns {
        return text;
    }
    let Some(room) = columns.checked_sub(ellipsis.width()) else {
        return Cow::Borrowed("");
    };
    let all = head(&text, room);
    let ends_whole = text
        .strip_prefix(all)
        .is_some_and(|rest| rest.starts_with(char::is_whitespace));
    let words = match all.rsplit_once(char::is_whitespace) {
        Some((before, last)) if !ends_whole && last.width() <= LONG => before,
        _ => all,
    };
    let words = words.trim_end_matches(|c: char| c.is_whitespace() || ",;:(".contains(c));
    let words = if words.is_empty() { all } else { words };
    Cow::Owned(format!("{words}{ellipsis}"))
}

/// One of several names that share their beginning or their end, in at most so many columns. What is shared (given in
/// characters) goes first, so that the part which tells it from the others stays whole as long as that is possible.
pub fn fit_core<'a>(
    text: &'a str,
    columns: usize,
    ellipsis: &str,
    shared: (usize, usize),
) -> Cow<'a, str> {
    let text = clean(text);
    if text.width() <= columns {
        return text;
    }
    let all = text.chars().count();
    let (before, after) = (shared.0.min(all), shared.1.min(all));
    let core = all.saturating_sub(before + after);
    let part =
        |skip: usize, take: usize| -> String { text.chars().skip(skip).take(take).collect() };
    let mut tries: Vec<String> = Vec::new();
    if core > 0 {
        if after > 0 {
            tries.push(format!("{}{ellipsis}", part(0, before + core)));
        }
        if before > 0 {
            tries.push(format!("{ellipsis}{}", part(before, core + after)));
        }
        if before > 0 && after > 0 {
            tries.push(format!("{ellipsis}{}{ellipsis}", part(before, core)));
        }
    }
    let found = tries.into_iter().find(|name| name.width() <= columns);
    match found {
        Some(name) => Cow::Owned(name),
        None => Cow::Owned(fit_middle(&text, columns, ellipsis).into_owned()),
    }
}

/// How many characters all names have in common at their beginning and at their end, in whole parts: up to and from a
/// separator. Nothing where one name is all that there is.
pub fn shared_ends<'a>(names: impl IntoIterator<Item = &'a str>) -> (usize, usize) {
    let names: Vec<Vec<char>> = names.into_iter().map(|n| n.chars().collect()).collect();
    let (Some(first), true) = (names.first(), names.len() > 1) else {
        return (0, 0);
    };
    let parts = |c: &char| "-_./:@".contains(*c);
    let agree = |at: &dyn Fn(&[char]) -> Option<char>| {
        let here = at(first);
        here.is_some() && names.iter().all(|name| at(name) == here)
    };
    let mut before = 0;
    let mut seen = 0;
    while agree(&|name| name.get(seen).copied()) {
        seen += 1;
        if first.get(seen - 1).is_some_and(parts) {
            before = seen;
        }
    }
    let mut after = 0;
    let mut seen = 0;
    while agree(&|name| name.iter().rev().nth(seen).copied()) {
        seen += 1;
        if first.iter().rev().nth(seen - 1).is_some_and(parts) {
            after = seen;
        }
    }
    // A name that has nothing of its own keeps all that it has.
    let shortest = names.iter().map(Vec::len).min().unwrap_or(0);
    if before + after >= shortest {
        return (before.min(shortest.saturating_sub(1)), 0);
    }
    (before, after)
}

/// A sentence in at most so many lines: wrapped between words, with an ellipsis where it still does not fit.
pub fn wrap_to(text: &str, columns: usize, lines: usize, ellipsis: &str) -> Vec<String> {
    let mut out = wrap(text, columns);
    if out.len() <= lines {
        return out;
    }
    let rest = out.split_off(lines.saturating_sub(1).min(out.len()));
    if lines > 0 {
        out.push(fit_words(&rest.join(" "), columns, ellipsis).into_owned());
    }
    out
}

/// Breaks a text into lines of at most so many columns, between words where that is possible. Line breaks in the text
/// stay.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    if columns == 0 {
        return Vec::new();
    }
    let mut out = Vec::new();
    for paragraph in text.lines() {
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            let mut word = clean(word).into_owned();
            if !line.is_empty() && line.width() + 1 + word.width() > columns {
                out.push(std::mem::take(&mut line));
            }
            // A word longer than a line is broken; a character wider than a line is left out.
            while word.width() > columns {
                let part = head(&word, columns).to_owned();
                let rest = word.strip_prefix(part.as_str()).unwrap_or_default();
                word = if part.is_empty() {
                    rest.chars().skip(1).collect()
                } else {
                    rest.to_owned()
                };
                if !part.is_empty() {
                    out.push(part);
                }
            }
            if !line.is_empty() && !word.is_empty() {
                line.push(' ');
            }
            line.push_str(&word);
        }
        out.push(line);
    }
    out
}

/// Breaks a line of pieces into lines of at most so many columns, between words; all but the first begin `hang` columns
/// further in. Blanks within a line stay as they are.
pub fn wrap_pieces(pieces: &[Piece], columns: usize, hang: usize) -> Vec<Vec<Piece>> {
    if line_width(pieces) <= columns {
        return vec![pieces.to_vec()];
    }
    let hang = if hang < columns { hang } else { 0 };
    let mut out: Vec<Vec<Piece>> = vec![Vec::new()];
    let mut used = 0;
    // What stands before the first word of all is its indent, and not a place to break.
    let mut has_word = false;
    for piece in pieces {
        for word in words(&piece.text) {
            let begins_blank = word.starts_with(char::is_whitespace);
            if has_word && begins_blank && used + width(word) > columns {
                out.push(vec![Piece::text(" ".repeat(hang))]);
                used = hang;
                has_word = false;
            }
            let word = match has_word || out.len() == 1 {
                true => word,
                false => word.trim_start(),
            };
            has_word |= !word.trim().is_empty();
            used += width(word);
            if let Some(line) = out.last_mut() {
                match line.last_mut() {
                    Some(last) if last.tone == piece.tone => last.text.push_str(word),
                    _ => line.push(Piece::new(word, piece.tone)),
                }
            }
        }
    }
    out
}

/// The words of a text, each with the blanks before it; blanks at the end are a word of their own.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let word = rest.trim_start();
        let blanks = rest.len() - word.len();
        let long = word.find(char::is_whitespace).unwrap_or(word.len());
        let (word, after) = rest.split_at_checked(blanks + long)?;
        rest = after;
        (!word.is_empty()).then_some(word)
    })
}

/// Columns that a line of pieces takes.
pub fn line_width(pieces: &[Piece]) -> usize {
    pieces.iter().map(Piece::width).sum()
}

/// Draws pieces one after the other into the first row of an area, with an ellipsis where they do not fit. Returns the
/// columns used.
pub fn line(pieces: &[Piece], look: &Look<'_>, area: Rect, buf: &mut Buffer) -> u16 {
    let area = area.intersection(buf.area);
    if area.is_empty() {
        return 0;
    }
    let room = usize::from(area.width);
    let ellipsis = look.glyph(Glyph::Ellipsis);
    let mut left = line_width(pieces);
    let mut used = 0;
    for piece in pieces {
        let here = room - used;
        let wide = piece.width();
        left -= wide;
        // The last column is kept for the ellipsis when more pieces follow than fit.
        let cut = wide > here || wide == here && left > 0;
        let text = if cut {
            let shortened = fit(&piece.text, here.saturating_sub(1), "");
            Cow::Owned(format!("{shortened}{ellipsis}"))
        } else {
            clean(&piece.text)
        };
        let x = area
            .x
            .saturating_add(u16::try_from(used).unwrap_or(u16::MAX));
        if x >= area.right() {
            break;
        }
        let (end, _) = buf.set_stringn(x, area.y, &text, here, look.style(piece.tone));
        used = usize::from(end.saturating_sub(area.x)).min(room);
        if cut || used >= room {
            break;
        }
    }
    u16::try_from(used).unwrap_or(u16::MAX)
}

/// Draws lines of pieces from the top of an area. Returns the rows used.
pub fn lines(lines: &[Vec<Piece>], look: &Look<'_>, area: Rect, buf: &mut Buffer) -> u16 {
    let mut used = 0;
    for (row, pieces) in rows(area).zip(lines) {
        line(pieces, look, row, buf);
        used += 1;
    }
    used
}

/// Lays a tone over an area without touching its text: a selected row, a pop-up's surface.
pub fn lay(tone: Tone, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
    buf.set_style(area, look.style(tone));
}

/// Empties an area down to the look of an empty screen.
pub fn clear(look: &Look<'_>, area: Rect, buf: &mut Buffer) {
    let area = area.intersection(buf.area);
    for position in area.positions() {
        if let Some(cell) = buf.cell_mut(position) {
            cell.reset();
            cell.set_style(look.theme.base());
        }
    }
}

/// Draws one sign over and over through the first row of an area.
pub fn rule(glyph: Glyph, tone: Tone, look: &Look<'_>, area: Rect, buf: &mut Buffer) {
    if let Some(row) = rows(area.intersection(buf.area)).next() {
        for x in row.left()..row.right() {
            sign(glyph, tone, look, x, row.y, buf);
        }
    }
}

/// Draws a sign at a place, if that place exists.
pub fn sign(glyph: Glyph, tone: Tone, look: &Look<'_>, x: u16, y: u16, buf: &mut Buffer) {
    if let Some(cell) = buf.cell_mut((x, y)) {
        cell.set_symbol(look.glyph(glyph))
            .set_style(look.style(tone));
    }
}

/// The rows of an area, one rectangle each, from the top.
pub fn rows(area: Rect) -> impl Iterator<Item = Rect> {
    let rows = if area.width == 0 { 0 } else { area.height };
    (0..rows).map(move |i| Rect {
        y: area.y.saturating_add(i),
        height: 1,
        ..area
    })
}

/// What remains of an area under its first rows.
pub fn below(area: Rect, rows: u16) -> Rect {
    let taken = rows.min(area.height);
    Rect {
        y: area.y.saturating_add(taken),
        height: area.height - taken,
        ..area
    }
}

/// What remains of an area right of its first columns.
pub fn right_of(area: Rect, columns: u16) -> Rect {
    let taken = columns.min(area.width);
    Rect {
        x: area.x.saturating_add(taken),
        width: area.width - taken,
        ..area
    }
}

fn clean(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        Cow::Owned(text.chars().filter(|c| !c.is_control()).collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// As much of the beginning as fits.
fn head(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let end = text
        .char_indices()
        .find(|(_, c)| {
            used += c.width().unwrap_or(0);
            used > columns
        })
        .map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or_default()
}

/// As much of the end as fits.
fn tail(text: &str, columns: usize) -> &str {
    let mut used = 0;
    let begin = text
        .char_indices()
        .rev()
        .find(|(_, c)| {
            used += c.width().unwrap_or(0);
            used > columns
        })
        .map_or(0, |(at, c)| at + c.len_utf8());
    text.get(begin..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_at_columns_not_at_bytes() {
        for (text, columns, end, middle) in [
            ("dragonfly-0", 11, "dragonfly-0", "dragonfly-0"),
            ("dragonfly-0", 10, "dragonfly…", "drago…ly-0"),
            ("dragonfly-0", 1, "…", "…"),
            ("dragonfly-0", 0, "", ""),
            ("日本語", 6, "日本語", "日本語"),
            ("日本語", 5, "日本…", "日…語"),
            ("日本語", 4, "日…", "日…"),
            ("a\u{1b}b", 2, "ab", "ab"),
            ("é", 1, "é", "é"),
        ] {
            assert_eq!(fit(text, columns, "…"), end, "{text} in {columns}");
            assert_eq!(
                fit_middle(text, columns, "…"),
                middle,
                "{text} in {columns}"
            );
            assert!(width(&fit(text, columns, "…")) <= columns);
        }
    }

    #[test]
    fn pieces_are_wrapped_between_words_and_keep_their_meaning() {
        let pieces = [
            Piece::text("  "),
            Piece::new("gitlab-2", Tone::Strong),
            Piece::new(" master  contested", Tone::Broken),
            Piece::muted("  15 ops/s"),
        ];
        let of = |columns, hang| -> Vec<String> {
            let lines = wrap_pieces(&pieces, columns, hang);
            let text = |line: &Vec<Piece>| line.iter().map(|p| p.text.as_str()).collect();
            lines.iter().map(text).collect()
        };
        for (columns, hang, wanted) in [
            (40, 4, vec!["  gitlab-2 master  contested  15 ops/s"]),
            (36, 4, vec!["  gitlab-2 master  contested  15", "    ops/s"]),
            (
                18,
                4,
                vec!["  gitlab-2 master", "    contested  15", "    ops/s"],
            ),
            (
                4,
                9,
                vec!["  gitlab-2", "master", "contested", "15", "ops/s"],
            ),
        ] {
            assert_eq!(of(columns, hang), wanted, "{columns}");
        }
        let second = wrap_pieces(&pieces, 18, 4).into_iter().nth(1);
        let tones: Vec<_> = second.iter().flatten().map(|p| p.tone).collect();
        assert_eq!(tones, [Tone::Text, Tone::Broken, Tone::Muted]);
    }

    #[test]
    fn a_sentence_is_cut_at_a_word() {
        for (columns, wanted) in [
            (40, "gitlab-0 and gitlab-2 both act as master"),
            (39, "gitlab-0 and gitlab-2 both act as…"),
            (22, "gitlab-0 and gitlab-2…"),
            (21, "gitlab-0 and…"),
            (5, "gitl…"),
            (1, "…"),
            (0, ""),
        ] {
            let text = "gitlab-0 and gitlab-2 both act as master";
            assert_eq!(fit_words(text, columns, "…"), wanted, "{columns}");
        }
        let long = "x a-word-that-is-longer-than-any-line-here";
        assert_eq!(fit_words(long, 20, "…"), "x a-word-that-is-lo…");
    }

    #[test]
    fn a_sentence_takes_the_lines_that_it_may() {
        for (columns, lines, wanted) in [
            (30, 2, vec!["one two three four"]),
            (10, 2, vec!["one two", "three four"]),
            (9, 2, vec!["one two", "three…"]),
            (9, 1, vec!["one two…"]),
            (9, 0, vec![]),
        ] {
            let said = wrap_to("one two three four", columns, lines, "…");
            assert_eq!(said, wanted, "{lines} of {columns}");
        }
    }

    #[test]
    fn what_tells_names_apart_is_kept_whole() {
        for (names, shared, columns, wanted) in [
            (
                &["lab-infra", "lab-apps"][..],
                (4, 0),
                7,
                &["…infra", "…apps"][..],
            ),
            (
                &["lab-infra", "lab-apps"],
                (4, 0),
                9,
                &["lab-infra", "lab-apps"],
            ),
            (
                &["prod-admin@eu", "test-admin@eu"],
                (0, 9),
                6,
                &["prod…", "test…"],
            ),
            (
                &[
                    "arn:aws:eks:eu:1:cluster/orders-prod",
                    "arn:aws:eks:eu:1:cluster/orders-test",
                ],
                (32, 0),
                8,
                &["…prod", "…test"],
            ),
            (&["a-one-z", "a-two-z"], (2, 2), 5, &["…one…", "…two…"]),
            (&["one"], (0, 0), 2, &["o…"]),
            (&["kind-a", "kind-a-b"], (5, 0), 5, &["…a", "…a-b"]),
            (&["same-x", "same-x"], (5, 0), 4, &["…x", "…x"]),
        ] {
            assert_eq!(shared_ends(names.iter().copied()), shared, "{names:?}");
            let said: Vec<_> = names
                .iter()
                .map(|name| fit_core(name, columns, "…", shared))
                .collect();
            assert_eq!(said, wanted, "{names:?}");
        }
    }

    #[test]
    fn words_are_kept_whole_where_they_fit() {
        for (text, columns, wanted) in [
            ("one two three", 8, vec!["one two", "three"]),
            ("one two three", 3, vec!["one", "two", "thr", "ee"]),
            ("a\n\nb", 4, vec!["a", "", "b"]),
            ("日本", 1, vec![""]),
            ("x", 0, vec![]),
        ] {
            assert_eq!(wrap(text, columns), wanted, "{text} in {columns}");
        }
    }
}
