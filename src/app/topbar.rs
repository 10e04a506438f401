//! The top line: every context with its state, its operator, and what mode the console is in.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::state::State;
use crate::domain::Link;
use crate::domain::world::ContextWorld;
use crate::screens::See;
use crate::screens::parts::{operator_words, standing};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Piece, Segment, Strip};

/// Draws the top line.
pub(super) fn view(state: &State, see: &See<'_>, now: Timestamp, area: Rect, buf: &mut Buffer) {
    Strip::new(segments(state, see, now)).render(&see.look, area, buf);
}

/// What stands in it.
pub(super) fn segments(state: &State, see: &See<'_>, now: Timestamp) -> Vec<Segment> {
    let mut segments = vec![Segment::new(vec![
        Piece::text(" "),
        Piece::new("darner", Tone::Accent),
    ])];
    for (at, context) in see.world.contexts().enumerate() {
        let mut of_context = of_context(see, context);
        if let Some(first) = of_context.first_mut().filter(|_| at > 0) {
            let rule = format!("{}  ", see.sign(Glyph::Vertical));
            first.pieces.insert(0, Piece::new(rule, Tone::Border));
        }
        segments.extend(of_context);
    }
    segments.extend(modes(state, see, now));
    segments
}

fn of_context(see: &See<'_>, context: &ContextWorld) -> Vec<Segment> {
    let member = see.settings.member(context.id.as_str());
    let name = Piece::new(context.id.as_str(), Tone::Strong);
    if let Some(twin) = see.world.twin(&context.id) {
        let same = Piece::muted(format!(" = same cluster as {twin}"));
        return vec![Segment::new(vec![name, same]).priority(4).counted()];
    }
    let standing = standing(see, context);
    let mut pieces = vec![name];
    // What the cluster is for, unless its name says so already.
    if let Some(member) = member.filter(|m| !m.role.is_empty() && m.role != m.context) {
        pieces.push(Piece::muted(format!(" {}", member.role)));
    }
    if member.is_some_and(|member| member.read_only) {
        let lock = format!(" {}", see.sign(Glyph::Locked));
        pieces.push(Piece::new(lock, Tone::Locked));
    }
    pieces.extend([
        Piece::text(" "),
        Piece::new(see.sign(standing.sign), standing.tone),
    ]);
    if let Link::Live { rtt } = context.link {
        // Always as wide, so that nothing after it moves.
        let tone = match rtt >= see.limits.round_trip {
            true => Tone::Degraded,
            false => Tone::Muted,
        };
        pieces.push(Piece::new(format!(" {:>5}", milliseconds(rtt)), tone));
    }
    if !standing.word.is_empty() {
        pieces.push(Piece::new(format!(" {}", standing.word), standing.tone));
    }
    if !context.is_live() {
        let since = see.age(context.stands_since());
        pieces.push(Piece::muted(format!(" {since}")));
    }
    let own = Segment::new(pieces).priority(match standing.word {
        // What is well leaves before what is not.
        "" => 3,
        _ => 1,
    });
    let mut segments = vec![own.counted()];
    if !standing.why.is_empty() {
        let why = Piece::muted(format!("({})", standing.why));
        segments.push(Segment::new(vec![why]).priority(5).at_least(16));
        if let Link::Unreachable { retry_at, .. } | Link::LoginNeeded { retry_at, .. } =
            &context.link
        {
            let next = match see.until(*retry_at) {
                Some(left) => format!("retry in {left}"),
                None => "trying now".to_owned(),
            };
            segments.push(Segment::new(vec![Piece::muted(next)]).priority(5));
        }
    }
    if context.is_live()
        && let Some((tone, text)) = operator_words(see, context)
    {
        let words = Segment::new(vec![Piece::new(text, tone)]);
        // Its pods at least: `op 2/2…`.
        segments.push(words.priority(6).at_least(7));
    }
    segments
}

/// `12ms`, `1.2s`.
fn milliseconds(rtt: std::time::Duration) -> String {
    let ms = rtt.as_millis();
    match ms {
        0 => "<1ms".to_owned(),
        1..1_000 => format!("{ms}ms"),
        _ => format!("{:.1}s", rtt.as_secs_f64()),
    }
}

fn modes(state: &State, see: &See<'_>, now: Timestamp) -> Vec<Segment> {
    let mut segments = Vec::new();
    let unread = state.notices.unread();
    if unread > 0 {
        let word = if unread == 1 { "problem" } else { "problems" };
        let keys = state.keymap.keys_for("notices", state.screen());
        let key = keys
            .first()
            .map_or_else(String::new, |key| format!(" ({key})"));
        let text = format!("{} {unread} {word}{key}", see.sign(Glyph::Warning));
        segments.push(Segment::new(vec![Piece::new(text, Tone::Degraded)]).at_right());
    }
    if let Some(picture) = &state.frozen {
        // This age goes on: it tells how old the picture is.
        let age = See { now, ..*see }.age(picture.at);
        let text = format!("FROZEN {age}");
        segments.push(Segment::new(vec![Piece::new(text, Tone::Degraded)]).at_right());
    }
    segments.extend(runs(state, see));
    segments.push(lock(state, see));
    segments
}

/// A badge for every run in flight.
fn runs(state: &State, see: &See<'_>) -> Option<Segment> {
    let mut runs = state.runs.in_flight();
    let first = runs.next()?;
    let more = runs.count();
    let (at, of) = first.at();
    let name = format!("{} {}", first.order.action, first.order.target.name());
    let text = match more {
        0 => format!("{} {name} {at}/{of}", see.sign(Glyph::Syncing)),
        more => format!("{} {name} {at}/{of}, {more} more", see.sign(Glyph::Syncing)),
    };
    let badge = Segment::new(vec![Piece::new(text, Tone::Accent)]);
    Some(badge.at_right().priority(1))
}

/// Whether anything may be changed, and for how long yet.
fn lock(state: &State, see: &See<'_>) -> Segment {
    let (text, tone) = match (&state.rules.read_only, state.unlocked.iter().next()) {
        (Some(_), _) => (
            format!("{} READ-ONLY ", see.sign(Glyph::Locked)),
            Tone::Locked,
        ),
        (None, None) => (format!("{} LOCKED ", see.sign(Glyph::Locked)), Tone::Locked),
        (None, Some((context, until))) => {
            let left = see.until(*until).unwrap_or_else(|| "0s".to_owned());
            let more = match state.unlocked.len() {
                1 => String::new(),
                several => format!(" and {} more", several - 1),
            };
            (format!("UNLOCKED {context}{more} {left} "), Tone::Unlocked)
        }
    };
    Segment::new(vec![Piece::new(text, tone)])
        .at_right()
        .priority(2)
}
