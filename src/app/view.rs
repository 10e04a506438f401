//! The whole picture.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::state::State;
use super::update::news;
use super::{footer, topbar};
use crate::screens::parts::Counts;
use crate::settings::Tone;
use crate::widgets::{Piece, draw};

/// The least columns and rows in which screens can be read.
const LEAST: (u16, u16) = (50, 10);

/// Draws everything as it is at `now`, and notes when that goes out of date (see [`State::next_wake`]). Where there is
/// no room to draw anything that could be read, it says so, with the worst news.
pub fn view(state: &State, now: Timestamp, area: Rect, buf: &mut Buffer) {
    state.clock.clear();
    let look = state.look();
    draw::clear(&look, area, buf);
    if area.width < LEAST.0 || area.height < LEAST.1 {
        tiny(state, area, buf);
        return;
    }
    let Some(desk) = state.desk() else { return };
    let see = state.see(desk, now);
    let row = |y: u16| Rect {
        y,
        height: 1,
        ..area
    };
    topbar::view(state, &see, now, row(area.top()), buf);
    let body = Rect {
        y: area.y + 1,
        height: area.height - 2,
        ..area
    };
    desk.screen.view(&see, body, buf);
    footer::view(state, now, row(area.bottom() - 1), buf);
    for over in &state.over {
        over.view(state, now, body, buf);
    }
    footer::hints(state, now, body, buf);
}

/// A sentence instead of garbage.
fn tiny(state: &State, area: Rect, buf: &mut Buffer) {
    let counts = state.counts();
    let look = state.look();
    let news = match counts {
        Counts { all: 0, .. } => ("no instance yet.".to_owned(), Tone::Text),
        Counts { ill: 1.., .. } => (format!("{}.", news(counts)), Tone::Broken),
        _ if counts.tone() == Tone::Muted => (format!("{}.", news(counts)), Tone::Healthy),
        _ => (format!("{}.", news(counts)), counts.tone()),
    };
    let (columns, rows) = LEAST;
    let room = format!(
        "Needs {columns}x{rows}, has {}x{}.",
        area.width, area.height
    );
    let width = usize::from(area.width);
    let first = draw::wrap(&format!("darner: {}", news.0), width);
    let second = draw::wrap(&room, width);
    let lines: Vec<Vec<Piece>> = first
        .into_iter()
        .map(|line| vec![Piece::new(line, news.1)])
        .chain(second.into_iter().map(|line| vec![Piece::muted(line)]))
        .collect();
    draw::lines(&lines, &look, area, buf);
}
