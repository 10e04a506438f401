//! Why something is so: every finding about a subject, with the facts that it rests on and how old they are.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::state::State;
use crate::checks::{self, Evidence, Point, Subject, Topic, Way};
use crate::screens::See;
use crate::screens::parts::{state_sign, state_tone};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Piece, Popup, Window, draw};

/// An explanation while it is open. It is written anew for every frame, so it stays true.
#[derive(Debug)]
pub(super) struct Explain {
    subject: Subject,
    first: Option<&'static str>,
    window: Window,
}

impl Explain {
    /// About a subject, the finding of that check first.
    pub fn new(subject: Subject, first: Option<&'static str>) -> Self {
        Self {
            subject,
            first,
            window: Window::default(),
        }
    }

    /// Where it is scrolled to.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Draws it.
    pub fn view(&self, state: &State, now: Timestamp, area: Rect, buf: &mut Buffer) {
        let Some(desk) = state.desk() else { return };
        let see = state.see(desk, now);
        let width = area.width.saturating_sub(6).clamp(30, 110);
        let lines = self.lines(&see, usize::from(width));
        let height = u16::try_from(lines.len())
            .unwrap_or(u16::MAX)
            .min(area.height.saturating_sub(4));
        let title = match &self.subject {
            Subject::Context(id) => format!("Why: context {id}"),
            Subject::Operator(id) => format!("Why: operator of {id}"),
            Subject::Instance(id) => format!("Why: {id} in {}", id.context),
        };
        let inner = Popup::new(title, width, height).render(&see.look, area, buf);
        let shown = self
            .window
            .follow(None, lines.len(), usize::from(inner.height));
        let shown = lines.get(shown).unwrap_or_default();
        draw::lines(shown, &see.look, inner, buf);
    }

    fn lines(&self, see: &See<'_>, width: usize) -> Vec<Vec<Piece>> {
        let topic = Topic::Subject(self.subject.clone());
        let told = checks::explain(see.world, see.board, &topic, self.first);
        let mut lines = Vec::new();
        if let Some(way) = &told.way {
            the_way(see, way, width, &mut lines);
        }
        for point in &told.points {
            one(see, point, width, &mut lines);
        }
        if told.points.is_empty() {
            said(&told.answer, "", Tone::Muted, width, &mut lines);
            lines.push(Vec::new());
        }
        for known in &told.known {
            lines.push(vec![Piece::new(known.of.clone(), Tone::Strong)]);
            facts(see, &known.facts, width, &mut lines);
        }
        lines
    }
}

/// The way to a cluster, with the raw message that a row has no room for.
fn the_way(see: &See<'_>, way: &Way, width: usize, lines: &mut Vec<Vec<Piece>>) {
    let fault = &way.fault;
    let since = see.age(way.since);
    lines.push(vec![Piece::new(
        format!("{} for {since}: {}", fault.kind.word(), fault.message),
        Tone::Broken,
    )]);
    for (text, tone) in [(&fault.hint, Tone::Text), (&fault.detail, Tone::Muted)] {
        said(text, "  ", tone, width, lines);
    }
    lines.push(Vec::new());
}

fn one(see: &See<'_>, point: &Point, width: usize, lines: &mut Vec<Vec<Piece>>) {
    let tone = state_tone(point.state);
    let sign = see.sign(state_sign(point.state));
    for (i, text) in draw::wrap(&point.sentence, width.saturating_sub(2))
        .into_iter()
        .enumerate()
    {
        let lead = if i == 0 {
            format!("{sign} ")
        } else {
            "  ".to_owned()
        };
        lines.push(vec![Piece::new(lead, tone), Piece::new(text, Tone::Strong)]);
    }
    // The glance notes when the words go out of date.
    see.since(point.since);
    lines.push(vec![
        Piece::muted("  "),
        Piece::new(point.severity, tone),
        Piece::muted(format!(", {}, check ", point.since_words(see.now))),
        Piece::muted(point.check),
    ]);
    said(&point.meaning, "  ", Tone::Text, width, lines);
    facts(see, &point.evidence, width, lines);
    said(point.why, "  ", Tone::Muted, width, lines);
    lines.push(Vec::new());
}

fn facts(see: &See<'_>, facts: &[Evidence], width: usize, lines: &mut Vec<Vec<Piece>>) {
    let dot = see.sign(Glyph::Dot);
    for fact in facts {
        see.age(fact.at);
        said(
            &format!("{dot} {}", fact.words(see.now)),
            "  ",
            Tone::Text,
            width,
            lines,
        );
    }
}

fn said(text: &str, indent: &str, tone: Tone, width: usize, lines: &mut Vec<Vec<Piece>>) {
    for line in draw::wrap(text, width.saturating_sub(indent.len())) {
        lines.push(vec![Piece::text(indent), Piece::new(line, tone)]);
    }
}
