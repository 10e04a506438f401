//! Why something is so: every finding about a subject, with the facts that it rests on and how old they are.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::state::State;
use crate::checks::{self, Evidence, Finding, Subject, Topic};
use crate::screens::See;
use crate::screens::parts::{finding_sign, finding_tone};
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
        for finding in &told.findings {
            one(see, finding, width, &mut lines);
        }
        if told.findings.is_empty() {
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

fn one(see: &See<'_>, finding: &Finding, width: usize, lines: &mut Vec<Vec<Piece>>) {
    let tone = finding_tone(finding);
    let sign = see.sign(finding_sign(finding));
    for (i, text) in draw::wrap(&finding.sentence, width.saturating_sub(2))
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
    see.since(finding.since);
    lines.push(vec![
        Piece::muted("  "),
        Piece::new(finding.word(), tone),
        Piece::muted(format!(", {}, check ", finding.since_words(see.now))),
        Piece::muted(finding.check),
    ]);
    said(&finding.meaning, "  ", Tone::Text, width, lines);
    facts(see, &finding.evidence, width, lines);
    said(finding.why(), "  ", Tone::Muted, width, lines);
    let next = format!("Next: {}", finding.next_step());
    said(&next, "  ", Tone::Accent, width, lines);
    lines.push(Vec::new());
}

fn facts(see: &See<'_>, facts: &[Evidence], width: usize, lines: &mut Vec<Vec<Piece>>) {
    let dot = see.sign(Glyph::Dot);
    for fact in facts {
        // The glance notes when the words go out of date.
        see.age(fact.at);
        let text = format!("{dot} {}", fact.words(see.now));
        said(&text, "  ", Tone::Text, width, lines);
    }
}

fn said(text: &str, indent: &str, tone: Tone, width: usize, lines: &mut Vec<Vec<Piece>>) {
    for line in draw::wrap(text, width.saturating_sub(indent.len())) {
        lines.push(vec![Piece::text(indent), Piece::new(line, tone)]);
    }
}
