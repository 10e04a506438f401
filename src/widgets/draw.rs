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
