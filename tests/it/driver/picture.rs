//! A picture of what the terminal shows, as SVG: for the README, produced from the program itself.

use std::fmt::Write;

/// Width and height of one cell, and the size of its letters.
const CELL: (f32, f32, f32) = (8.4, 18.0, 14.0);

/// Draws a screen.
pub fn svg(screen: &vt100::Screen) -> String {
    let (rows, cols) = screen.size();
    let (rows, cols) = (u16::from(rows), u16::from(cols));
    let (width, height) = (
        f32::from(cols) * CELL.0 + 16.0,
        f32::from(rows) * CELL.1 + 16.0,
    );
    let background = screen
        .cell(0, 0)
        .map_or("#1e1e2e".into(), |cell| colour(cell.bgcolor(), "#16181d"));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"{}\">\n<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{background}\"/>\n",
        CELL.2
    );
    for row in 0..rows {
        let mut col = 0;
        while col < cols {
            let Some(first) = screen.cell(row, col) else {
                break;
            };
            // A run of cells that look the same is one piece of text.
            let look = |cell: &vt100::Cell| {
                (
                    cell.fgcolor(),
                    cell.bgcolor(),
                    cell.bold(),
                    cell.dim(),
                    cell.inverse(),
                )
            };
            let mut end = col;
            let mut text = String::new();
            while let Some(cell) = screen
                .cell(row, end)
                .filter(|cell| end < cols && look(cell) == look(first))
            {
                text.push_str(if cell.has_contents() {
                    cell.contents()
                } else {
                    " "
                });
                end += 1;
            }
            let (mut front, mut back) = (
                colour(first.fgcolor(), "#d5d8df"),
                colour(first.bgcolor(), &background),
            );
            if first.inverse() {
                std::mem::swap(&mut front, &mut back);
            }
            let (x, y) = (8.0 + f32::from(col) * CELL.0, 8.0 + f32::from(row) * CELL.1);
            let length = f32::from(end - col) * CELL.0;
            if back != background {
                let _ = writeln!(
                    out,
                    "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{length:.1}\" height=\"{}\" fill=\"{back}\"/>",
                    CELL.1
                );
            }
            if !text.trim().is_empty() {
                let text = text
                    .replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;");
                let weight = if first.bold() {
                    " font-weight=\"bold\""
                } else {
                    ""
                };
                let opacity = if first.dim() { " opacity=\"0.6\"" } else { "" };
                let _ = writeln!(
                    out,
                    "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\" xml:space=\"preserve\" fill=\"{front}\"{weight}{opacity}>{text}</text>",
                    y + CELL.2
                );
            }
            col = end;
        }
    }
    out.push_str("</svg>\n");
    out
}

fn colour(colour: vt100::Color, default: &str) -> String {
    const SIXTEEN: [&str; 16] = [
        "#16181d", "#cd3131", "#0dbc79", "#c8a200", "#2472c8", "#bc3fbc", "#11a8cd", "#d5d8df",
        "#666666", "#f14c4c", "#23d18b", "#f5f543", "#3b8eea", "#d670d6", "#29b8db", "#ffffff",
    ];
    match colour {
        vt100::Color::Default => default.to_owned(),
        vt100::Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
        vt100::Color::Idx(i) if i < 16 => SIXTEEN[usize::from(i)].to_owned(),
        vt100::Color::Idx(i) if i >= 232 => format!("#{0:02x}{0:02x}{0:02x}", 8 + 10 * (i - 232)),
        vt100::Color::Idx(i) => {
            let step = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
            let i = i - 16;
            format!(
                "#{:02x}{:02x}{:02x}",
                step(i / 36),
                step(i / 6 % 6),
                step(i % 6)
            )
        }
    }
}
