//! Why something is so: every finding about a subject, with the facts that it rests on and how old they are.

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::reader;
use super::state::State;
use crate::checks::{self, Finding, Subject};
use crate::domain::Link;
use crate::screens::See;
use crate::screens::parts::{state_sign, state_tone};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Piece, Window, draw};

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
        let lines = self.lines(&see, usize::from(reader::columns(area)));
        let title = match &self.subject {
            Subject::Context(id) => format!("Why: context {id}"),
            Subject::Operator(id) => format!("Why: operator of {id}"),
            Subject::Instance(id) => format!("Why: {id} in {}", id.context),
        };
        reader::view(title, &lines, &self.window, &see.look, area, buf);
    }

    fn lines(&self, see: &See<'_>, width: usize) -> Vec<Vec<Piece>> {
        let mut lines = Vec::new();
        if let Subject::Context(id) = &self.subject {
            way(see, id, width, &mut lines);
        }
        let judgement = see.board.subject(&self.subject);
        let mut findings: Vec<&Finding> =
            judgement.map_or(Vec::new(), |j| j.findings.iter().collect());
        findings.sort_by_key(|finding| Some(finding.check) != self.first);
        for finding in &findings {
            one(see, finding, width, &mut lines);
        }
        if findings.is_empty() {
            let text = match judgement {
                Some(_) => "Nothing is wrong here: every check that applies is passed.",
                None => "This was not judged yet.",
            };
            lines.push(vec![Piece::muted(text)]);
        }
        lines
    }
}

/// The way to a cluster, with the raw message that a row has no room for.
fn way(see: &See<'_>, id: &crate::domain::ContextId, width: usize, lines: &mut Vec<Vec<Piece>>) {
    let Some(context) = see.world.context(id) else {
        return;
    };
    let fault = match &context.link {
        Link::Unreachable { fault, .. }
        | Link::LoginNeeded { fault, .. }
        | Link::Unusable { fault } => fault,
        Link::Connecting | Link::Live { .. } => return,
    };
    let since = see.age(context.link_since);
    lines.push(vec![Piece::new(
        format!("{} for {since}: {}", fault.kind.word(), fault.message),
        Tone::Broken,
    )]);
    for (text, tone) in [(&fault.hint, Tone::Text), (&fault.detail, Tone::Muted)] {
        said(text, "  ", tone, width, lines);
    }
    lines.push(Vec::new());
}

fn one(see: &See<'_>, finding: &Finding, width: usize, lines: &mut Vec<Vec<Piece>>) {
    let tone = state_tone(finding.state);
    let sign = see.sign(state_sign(finding.state));
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
    lines.push(vec![
        Piece::muted("  "),
        Piece::new(finding.severity.word(), tone),
        Piece::muted(format!(", {}, check ", since_words(see, finding))),
        Piece::muted(finding.check),
    ]);
    said(&finding.meaning, "  ", Tone::Text, width, lines);
    for evidence in &finding.evidence {
        let age = see.age(evidence.at);
        let dot = see.sign(Glyph::Dot);
        said(
            &format!("{dot} {} ({}, {age} ago)", evidence.text, evidence.source),
            "  ",
            Tone::Text,
            width,
            lines,
        );
    }
    if let Some(check) = checks::ALL.iter().find(|check| check.id == finding.check) {
        said(check.why, "  ", Tone::Muted, width, lines);
    }
    lines.push(Vec::new());
}

fn since_words(see: &See<'_>, finding: &Finding) -> String {
    match finding.since {
        checks::Since::Exactly(_) => format!("since {} ago", see.since(finding.since)),
        checks::Since::Seen(_) => see.since(finding.since),
    }
}

fn said(text: &str, indent: &str, tone: Tone, width: usize, lines: &mut Vec<Vec<Piece>>) {
    for line in draw::wrap(text, width.saturating_sub(indent.len())) {
        lines.push(vec![Piece::text(indent), Piece::new(line, tone)]);
    }
}
