#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::*;
use crate::settings::{Bound, Key, KeyPress};

/// Draws everything there is into a rectangle that may be empty, or partly or wholly beside the buffer.
fn draw_everything(look: &Look<'_>, text: &str, n: usize, area: Rect, buf: &mut Buffer) {
    let piece = || Piece::new(text, Tone::Broken);
    let pieces = vec![piece(), Piece::muted("·"), piece()];
    draw::line(&pieces, look, area, buf);
    draw::lines(&[pieces.clone(), vec![], pieces.clone()], look, area, buf);
    draw::rule(Glyph::Horizontal, Tone::Border, look, area, buf);
    draw::lay(Tone::Focus, look, area, buf);
    draw::clear(look, area, buf);
    if !area.is_empty() {
        draw::sign(Glyph::Broken, Tone::Broken, look, area.x, area.y, buf);
    }
    let inner = Panel::new(text)
        .right(pieces.clone())
        .render(look, area, buf);
    let popup = Popup::new(text, area.width, area.height);
    popup.foot(Some(text), look, inner, buf);
    let popup = popup.render(look, inner, buf);
    let segment = |i: u8| {
        let segment = Segment::new(vec![Piece::text(text)]).priority(i % 3);
        if i.is_multiple_of(2) {
            segment.at_right()
        } else {
            segment
        }
    };
    Strip::new((0..5).map(segment).collect())
        .separated(Glyph::Vertical)
        .render(look, area, buf);
    let bound = Bound {
        keys: vec!["gg".into()],
        run: "x".into(),
        desc: text.into(),
        hint: Some(text.into()),
        scope: "global".into(),
        disabled: None,
    };
    Strip::of_keys(&[bound.clone(), bound]).render(look, inner, buf);
    let values: Vec<Option<f64>> = (0..n)
        .map(|i| (i % 5 != 0).then_some((i as f64 - 3.0) * 1e300))
        .chain([Some(f64::NAN), Some(f64::INFINITY), Some(-0.0)])
        .collect();
    let format = |v: f64| format!("{v:.1}");
    let chart = Chart::new(text, &values, &format);
    chart
        .clone()
        .span(n as i64 * 77)
        .up_to(Some(3.0))
        .render(look, area, buf);
    chart.render(look, area, buf);
    chart.from_least().stale(true).render(look, popup, buf);
    let columns = [
        Column::new("a", "STATE").width(3, 9),
        Column::new("b", "NAME")
            .width(0, 60_000)
            .fill()
            .cut_middle(),
        Column::new("c", "LAG").width(60_000, 1).right().priority(1),
        Column::new("d", "").width(0, 0).priority(2).fill(),
    ];
    let window = Window::default();
    window.scroll_to(n * 7);
    let row = |_: usize| Row::new(vec![piece(), piece()]).stale(n.is_multiple_of(2));
    for selected in [None, Some(0), Some(n), Some(n * 3)] {
        Table::new(&columns, n, &row)
            .selected(selected)
            .sorted("a", true)
            .shifted(n % 4)
            .when_empty(text)
            .render(&window, look, area, buf);
        let marked = |_: usize| {
            Row::new(vec![piece(), piece()])
                .marked(1, vec![0, n])
                .spanning()
        };
        let table = Table::new(&columns, n, &marked)
            .selected(selected)
            .marking([text, "b"])
            .wrapped(3);
        table.wanted(area.width);
        table.without_header().render(&window, look, inner, buf);
    }
    let mut input = LineInput::with_text(text);
    for _ in 0..n {
        input.press(KeyPress::plain(Key::Left));
    }
    input.render(&[piece()], text, true, look, area, buf);
    draw::wrap(text, usize::from(area.width));
    draw::wrap_to(text, usize::from(area.width), n, "…");
    draw::wrap_pieces(&pieces, usize::from(area.width), n);
    draw::fit_words(text, n, "…");
    let shared = draw::shared_ends([text, "b", text]);
    draw::fit_core(text, n, "…", shared);
    draw::fit_core(text, n, "…", (n, n));
}

proptest! {
    #[test]
    fn nothing_is_too_small_too_far_or_too_strange_to_draw_into(
        x in 0_u16..30, y in 0_u16..12, width in 0_u16..40, height in 0_u16..12,
        text in "\\PC{0,12}|[日本é\u{200d}👩\u{301}\t\n\u{1b}ab ]{0,12}", n in 0_usize..40, ascii: bool,
    ) {
        let theme = Theme::lettered();
        let glyphs = if ascii { GlyphSet::Ascii } else { GlyphSet::Unicode };
        let look = Look { theme: &theme, glyphs };
        let whole = Rect::new(2, 1, 25, 8);
        let mut buf = Buffer::empty(whole);
        let area = Rect { x, y, width, height };
        draw_everything(&look, &text, n, area, &mut buf);
        // Not one cell outside of the rectangle was touched.
        let mine = area.intersection(whole);
        for position in whole.positions() {
            if !mine.contains(position) {
                prop_assert_eq!(buf.cell(position).unwrap(), &ratatui::buffer::Cell::EMPTY);
            }
        }
    }
}

#[test]
fn the_smallest_screens() {
    let theme = Theme::default();
    let look = Look {
        theme: &theme,
        glyphs: GlyphSet::Unicode,
    };
    for (width, height) in [(0, 0), (1, 0), (0, 1), (1, 1), (2, 1), (1, 2), (20, 5)] {
        let area = Rect::new(0, 0, width, height);
        let mut buf = Buffer::empty(area);
        draw_everything(&look, "dragonfly", 3, area, &mut buf);
    }
    let mut none = Buffer::empty(Rect::ZERO);
    draw_everything(&look, "dragonfly", 3, Rect::new(5, 5, 40, 10), &mut none);
}
