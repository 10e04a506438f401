//! A drawn buffer as text: what it says, and in a second layer what each cell means. Snapshots are made of it, because
//! text alone cannot tell a calm screen from one full of alarms.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::Color;

use super::Look;
use crate::settings::{GlyphSet, Theme, Tone};

/// Draws with [`Theme::lettered`] into a fresh buffer of that size and writes both layers down.
pub fn drawn(
    width: u16,
    height: u16,
    glyphs: GlyphSet,
    draw: impl FnOnce(&Look<'_>, Rect, &mut Buffer),
) -> String {
    let theme = Theme::lettered();
    let look = Look {
        theme: &theme,
        glyphs,
    };
    let area = Rect::new(0, 0, width, height);
    let mut buf = Buffer::empty(area);
    draw(&look, area, &mut buf);
    dump(&buf)
}

/// Both layers of a buffer that was drawn with [`Theme::lettered`]: the text, an empty line, and a letter for every
/// cell (see [`Tone::letter`]), with blanks at the ends of lines left out.
///
/// A cell on the focused row has its letter in upper case; an empty cell on another surface has the surface's letter;
/// `?` is a cell whose colour is not a tone's.
pub fn dump(buf: &Buffer) -> String {
    let mut out = text(buf);
    out.push('\n');
    for row in rows(buf) {
        let letters: String = row.iter().map(|cell| letter(cell)).collect();
        out.push_str(letters.trim_end());
        out.push('\n');
    }
    out
}

/// The text of a buffer, with blanks at the ends of lines left out.
pub fn text(buf: &Buffer) -> String {
    let mut out = String::new();
    for row in rows(buf) {
        let symbols: String = row.iter().map(|cell| cell.symbol()).collect();
        out.push_str(symbols.trim_end());
        out.push('\n');
    }
    out
}

/// The cells of each row that can be seen: the one behind a wide character cannot.
fn rows(buf: &Buffer) -> impl Iterator<Item = Vec<&Cell>> {
    let area = buf.area;
    (area.top()..area.bottom()).map(move |y| {
        let mut hidden = 0;
        (area.left()..area.right())
            .filter_map(|x| buf.cell((x, y)))
            .filter(|cell| {
                if hidden > 0 {
                    hidden -= 1;
                    return false;
                }
                hidden = super::draw::width(cell.symbol()).saturating_sub(1);
                true
            })
            .collect()
    })
}

fn letter(cell: &Cell) -> char {
    let tone = |colour: Color| match colour {
        Color::Indexed(number) => Tone::ALL.get(usize::from(number)).copied(),
        _ => None,
    };
    let (text, surface) = (tone(cell.fg), tone(cell.bg));
    let own = match (text, cell.fg) {
        // Nothing can be seen of ordinary text where there is none.
        (Some(Tone::Text), _) | (None, Color::Reset) if cell.symbol() == " " => {
            surface.map_or(' ', Tone::letter)
        }
        (Some(tone), _) => tone.letter(),
        (None, Color::Reset) => Tone::Text.letter(),
        (None, _) => '?',
    };
    if surface == Some(Tone::Focus) {
        own.to_ascii_uppercase()
    } else {
        own
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::widgets::{Piece, draw};

    #[test]
    fn meaning_is_written_beneath_the_text() {
        let said = drawn(12, 3, GlyphSet::Unicode, |look, area, buf| {
            let pieces = [Piece::new("✖ 日本", Tone::Broken), Piece::muted(" 3s")];
            draw::line(&pieces, look, area, buf);
            let second = draw::below(area, 1);
            draw::line(&pieces, look, second, buf);
            draw::lay(
                Tone::Focus,
                look,
                Rect {
                    height: 1,
                    ..second
                },
                buf,
            );
            draw::lay(Tone::Popup, look, draw::below(area, 2), buf);
        });
        assert_eq!(
            said,
            "✖ 日本 3s\n✖ 日本 3s\n\n\nbbbbmmm\nBBBBMMMFFF\npppppppppppp\n"
        );
    }
}
