//! The bottom line: what is being typed, else what was just said, else the keys that work here; and the box that shows
//! how a begun key sequence can go on.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::over::Over;
use super::state::State;
use crate::settings::{Glyph, Resolution, Tone, key};
use crate::widgets::{Look, Piece, Popup, Segment, Strip, draw};

/// Draws the bottom line.
pub(super) fn view(state: &State, now: Timestamp, area: Rect, buf: &mut Buffer) {
    let look = state.look();
    let inside = draw::right_of(area, 1);
    if let Some(Over::Prompt(prompt)) = state.over.last() {
        let lead = [Piece::new("/", Tone::Key)];
        let example = "text  !not  /regex/  state:ill  state:no-master  ctx:infra  lag>100";
        let problem = state.desk().and_then(|desk| desk.filter.problem.as_deref());
        let room = problem.map_or(0, |why| draw::width(why) + 2);
        // What is typed keeps its room, up to a half of the line.
        let typed = draw::width(prompt.line.text()).saturating_add(4);
        let half = usize::from(inside.width / 2);
        let room = room.min(usize::from(inside.width).saturating_sub(typed.min(half)));
        let room = u16::try_from(room).unwrap_or(0);
        let line = Rect {
            width: inside.width - room,
            ..inside
        };
        prompt.line.render(&lead, example, true, &look, line, buf);
        if let Some(why) = problem {
            let at = draw::right_of(inside, line.width + 1);
            let why = draw::fit(why, usize::from(at.width), look.glyph(Glyph::Ellipsis));
            draw::line(&[Piece::new(why, Tone::Degraded)], &look, at, buf);
        }
        return;
    }
    if let Some(notice) = state.notices.on_line(now) {
        let (sign, tone) = match notice.is_problem {
            true => (Glyph::Warning, Tone::Degraded),
            false => (Glyph::Dot, Tone::Text),
        };
        let line = [
            Piece::new(look.glyph(sign), tone),
            Piece::new(format!(" {}", notice.text), tone),
        ];
        draw::line(&line, &look, inside, buf);
        return;
    }
    if let Some(segments) = state
        .over
        .last()
        .and_then(|over| of_over(state, over, now, &look))
    {
        Strip::new(segments).render(&look, inside, buf);
        return;
    }
    let bound = state.keymap.bindings(state.scope(), &state.words(now));
    Strip::of_keys(&bound).render(&look, inside, buf);
}

/// What can be done in what lies over the screen, where the keys of the screen beneath mean something else or nothing.
fn of_over(state: &State, over: &Over, now: Timestamp, look: &Look<'_>) -> Option<Vec<Segment>> {
    let of = |key: &str, hint: &str| {
        Segment::new(vec![
            Piece::new(key, Tone::Key),
            Piece::muted(format!(" {hint}")),
        ])
    };
    let arrows = format!(
        "{}{}",
        look.glyph(Glyph::Ascending),
        look.glyph(Glyph::Descending)
    );
    match over {
        Over::Palette(_) | Over::Help(_) => Some(vec![
            of("enter", "do it"),
            of(&arrows, "select"),
            of("home/end", "first, last"),
            of("esc", "close"),
        ]),
        Over::Explain(explain) => {
            let keys = explain.copy_keys(state, now);
            let copy = match (keys.first(), keys.last()) {
                (Some(first), Some(last)) if first != last => {
                    Some(of(&format!("{first}-{last}"), "copy a command"))
                }
                (Some(only), _) => Some(of(only, "copy the command")),
                _ => None,
            };
            let others = [of(&arrows, "scroll"), of("esc", "close")];
            Some(copy.into_iter().chain(others).collect())
        }
        Over::Notices(_) => Some(vec![of(&arrows, "scroll"), of("esc", "close")]),
        Over::Ask => Some(vec![of("y", "quit"), of("n esc", "stay")]),
        Over::Password(_) => Some(vec![of("enter", "keep"), of("esc", "leave")]),
        Over::Actions(_) => Some(vec![
            of("enter", "plan it"),
            of(&arrows, "select"),
            of("esc", "close"),
        ]),
        Over::Form(_) => Some(vec![
            of("enter", "plan it"),
            of(&arrows, "choose"),
            of("tab", "next"),
            of("esc", "leave"),
        ]),
        Over::Unlock(_) => Some(vec![of("enter", "unlock"), of("esc", "leave")]),
        Over::AskInFlight => Some(vec![of("ctrl-c", "stop it and leave"), of("esc", "stay")]),
        Over::Run(view) => Some(super::acting::run_keys(state, view.run(), &arrows)),
        Over::Prompt(_) => None,
    }
}

/// Draws how a begun key sequence can go on, when the reader hesitates.
pub(super) fn hints(state: &State, now: Timestamp, area: Rect, buf: &mut Buffer) {
    let Some(pending) = state.pending.as_ref().filter(|p| p.is_hinted(now)) else {
        return;
    };
    let words = state.words(now);
    let Resolution::Prefix(next) = state.keymap.resolve(&pending.keys, state.scope(), &words)
    else {
        return;
    };
    let look = state.look();
    let lines: Vec<Vec<Piece>> = next
        .iter()
        .map(|continuation| {
            let (key, text) = match continuation.disabled {
                None => (Tone::Key, Tone::Text),
                Some(_) => (Tone::Disabled, Tone::Disabled),
            };
            let why = continuation.disabled.as_deref();
            vec![
                Piece::new(format!("{:<6}", continuation.key.to_string()), key),
                Piece::new(continuation.desc.clone(), text),
                Piece::new(why.map_or(String::new(), |why| format!(" ({why})")), text),
            ]
        })
        .collect();
    let wide = lines.iter().map(|line| draw::line_width(line)).max();
    let width = u16::try_from(wide.unwrap_or(0)).unwrap_or(u16::MAX);
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    // At the bottom right, where it hides the least.
    let taken_rows = height.saturating_add(2).min(area.height);
    let taken = width.saturating_add(4).min(area.width);
    let corner = Rect {
        x: area.right() - taken,
        y: area.bottom() - taken_rows,
        width: taken,
        height: taken_rows,
    };
    let inner = Popup::new(key::shown(&pending.keys), width, height).render(&look, corner, buf);
    draw::lines(&lines, &look, inner, buf);
}
