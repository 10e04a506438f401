//! Answers of checks as panes of a sheet: the findings of some areas as rows, and the evidence and the remedy of the one that
//! is selected. Screens that show a part of the whole show what the checks say of it with these, so that they say what the
//! Checks screen says.

use std::sync::Arc;

use super::{Section, See};
use crate::checks::remedy::{self, Sort};
use crate::checks::{Area, Finding, Kept, Severity, Since, Subject, Topic, Verdict};
use crate::msg::Command;
use crate::msg::command::Copied;
use crate::screens::Intent;
use crate::settings::{Glyph, Tone};
use crate::widgets::{Column, Piece, Row, draw};

/// A check's answer about a subject.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// About what.
    pub subject: &'a Subject,
    /// The answer.
    pub kept: &'a Kept,
}

impl Answered<'_> {
    /// Its name among rows: it stays the same whatever the answer becomes.
    pub fn name(&self) -> String {
        format!(
            "{} {}",
            self.kept.check.id,
            Topic::from(self.subject.clone()).name()
        )
    }

    /// What it is about, short: `shop/orders`, `operator`, `context`.
    pub fn about(&self) -> String {
        match self.subject {
            Subject::Context(_) => "context".to_owned(),
            Subject::Operator(_) => "operator".to_owned(),
            Subject::Instance(id) => id.to_string(),
            Subject::Consumer(id) => format!("consumer {id}"),
        }
    }
}

/// What checks of these areas found or could not tell about the subjects that are asked for, the worst first and of equals the
/// latest. Empty while answers are not kept: a screen that shows them says so in [`Screen::judges`](crate::screens::Screen).
pub fn ill_of<'a>(
    see: &See<'a>,
    areas: &[Area],
    is_asked: impl Fn(&Subject) -> bool,
) -> Vec<Answered<'a>> {
    let all = see.standing.answers().filter(|(subject, kept)| {
        areas.contains(&kept.check.area)
            && !matches!(kept.verdict, Verdict::Pass | Verdict::NotApplicable)
            && is_asked(subject)
    });
    let mut found: Vec<Answered<'_>> = all
        .map(|(subject, kept)| Answered { subject, kept })
        .collect();
    found.sort_by_key(|one| (one.kept.rank(), std::cmp::Reverse(one.kept.since.at())));
    found
}

/// The sign and the tone of an answer.
pub fn sign(kept: &Kept) -> (Glyph, Tone) {
    match &kept.verdict {
        Verdict::Pass => (Glyph::Healthy, Tone::Healthy),
        Verdict::Unknown(_) => (Glyph::Unknown, Tone::Unknown),
        Verdict::NotApplicable => (Glyph::Dash, Tone::Muted),
        Verdict::Finding(found) => match found.severity {
            Severity::Critical => (Glyph::Broken, Tone::Broken),
            Severity::Warning => (Glyph::Warning, Tone::Degraded),
            Severity::Note => (Glyph::Dot, Tone::Text),
        },
    }
}

/// The word of an answer: its severity, `unknown` or `pass`.
pub fn word(kept: &Kept) -> &'static str {
    kept.finding().map_or("pass", Finding::word)
}

/// The columns of [`row`].
pub fn columns(see: &See<'_>) -> Vec<Column> {
    let mut columns = vec![Column::new("answer", "ANSWER").width(10, 10)];
    if see.world.contexts().count() > 1 {
        let names = see
            .world
            .contexts()
            .map(|context| draw::width(context.id.as_str()));
        let widest = u16::try_from(names.max().unwrap_or(0)).unwrap_or(u16::MAX);
        columns.push(
            Column::new("context", "CONTEXT")
                .width(7, 20)
                .holds(widest)
                .firm(7)
                .cut_middle()
                .priority(2),
        );
    }
    columns.extend([
        Column::new("subject", "ABOUT")
            .width(8, 36)
            .firm(12)
            .cut_middle(),
        Column::new("check", "CHECK").width(8, 28).priority(4),
        Column::new("what", "WHAT").width(24, 160).fill(),
        Column::new("since", "SINCE")
            .width(6, 14)
            .right()
            .priority(1),
        Column::new("turns", "TURNS")
            .width(5, 5)
            .right()
            .priority(3),
    ]);
    columns
}

/// The cells of an answer, in the order of [`columns`].
pub fn row(see: &See<'_>, one: &Answered<'_>) -> Row {
    let (glyph, tone) = sign(one.kept);
    let mut cells = vec![Piece::new(
        format!("{} {}", see.sign(glyph), word(one.kept)),
        tone,
    )];
    if see.world.contexts().count() > 1 {
        cells.push(Piece::muted(one.subject.context().to_string()));
    }
    let what = match one.kept.finding() {
        Some(finding) => Piece::text(finding.sentence.clone()),
        None => Piece::muted(one.kept.check.title),
    };
    let turns = match one.kept.turns(see.now) {
        0 => Piece::text(""),
        n if one.kept.is_flapping(see.now) => {
            Piece::new(format!("{} {n}", see.sign(Glyph::Syncing)), Tone::Degraded)
        }
        n => Piece::muted(n.to_string()),
    };
    // Whether only our own watching vouches for it is told below, in words.
    let since = see.age(one.kept.since.at());
    cells.extend([
        Piece::text(one.about()),
        Piece::muted(one.kept.check.id),
        what,
        Piece::muted(since),
        turns,
    ]);
    Row::new(cells)
}

/// The answers as a pane.
pub fn section<'a>(
    see: &'a See<'a>,
    title: impl Into<String>,
    all: Vec<Answered<'a>>,
) -> Section<'a> {
    let all = std::rc::Rc::new(all);
    let named = all.clone();
    let empty = match see.standing.is_kept() {
        true => "no check that applies here found anything",
        false => {
            "the checks have not been asked yet: the Checks screen asks them, and keeps their answers from then on"
        }
    };
    Section {
        columns: columns(see),
        len: all.len(),
        name: Box::new(move |at| named.get(at).map(Answered::name).unwrap_or_default()),
        row: Box::new(move |at| all.get(at).map(|one| row(see, one)).unwrap_or_default()),
        empty: empty.to_owned(),
        leads: true,
        ..Section::of("findings", title, Vec::new())
    }
}

/// The evidence of an answer as a pane of so many columns: what is so and since when, what it rests on, what to do, why it
/// matters, and what mends it.
pub fn evidence<'a>(see: &See<'_>, chosen: Option<Answered<'_>>, width: u16) -> Section<'a> {
    let Some(one) = chosen else {
        return Section {
            headless: true,
            empty: "nothing is selected".to_owned(),
            ..Section::of("evidence", "Evidence", Vec::new())
        };
    };
    // The marker and a blank take columns; the last one stays free.
    let room = usize::from(width.saturating_sub(4)).max(20);
    let rows = lines(see, &one, room)
        .into_iter()
        .enumerate()
        .map(|(at, piece)| (at.to_string(), Row::new(vec![piece])))
        .collect();
    let title = format!(
        "{} of {}",
        one.kept.check.id,
        Topic::from(one.subject.clone()).name()
    );
    Section {
        // A sentence that fills would lose its indent, which a manifest lives by.
        columns: vec![Column::new("text", "").width(20, 400)],
        headless: true,
        ..Section::of("evidence", title, rows)
    }
}

/// The same as text for a ticket.
pub fn evidence_text(see: &See<'_>, one: &Answered<'_>) -> String {
    let head = format!(
        "{}: check {} at {}\n",
        Topic::from(one.subject.clone()).name(),
        one.kept.check.id,
        see.now
    );
    let lines = lines(see, one, usize::MAX);
    let lines = lines.iter().map(|piece| format!("{}\n", piece.text));
    std::iter::once(head).chain(lines).collect()
}

/// What copying means for an answer.
pub fn copy(see: &See<'_>, one: &Answered<'_>, what: Copied) -> Intent {
    let copy = |what: &str, text: String| Intent::Copy(Arc::from(what), text);
    match what {
        Copied::Name => {
            let name = match one.subject {
                Subject::Context(id) | Subject::Operator(id) => id.to_string(),
                Subject::Instance(id) => id.to_string(),
                Subject::Consumer(id) => id.to_string(),
            };
            copy(&name, name.clone())
        }
        Copied::Kubectl => {
            let steps = one.kept.finding().map(Finding::steps).unwrap_or_default();
            match steps.into_iter().find_map(|step| step.command) {
                Some(command) => copy("kubectl command", command),
                None => Intent::Tell("no step of this answer has a command".to_owned()),
            }
        }
        Copied::Evidence => copy("evidence", evidence_text(see, one)),
    }
}

/// Copies the manifest that mends what was found.
pub fn copy_manifest(one: &Answered<'_>) -> Intent {
    match one.kept.finding().and_then(|f| f.manifest.clone()) {
        Some(manifest) => Intent::Copy(Arc::from("manifest"), manifest),
        None => Intent::Tell("no manifest mends this; its steps say what does".to_owned()),
    }
}

/// What a command does with the finding that is selected among these.
pub fn on(
    command: &Command,
    see: &See<'_>,
    found: &[Answered<'_>],
    at: Option<usize>,
) -> Vec<Intent> {
    let Some(one) = at.and_then(|at| found.get(at)) else {
        return Vec::new();
    };
    match command {
        Command::Copy(what) => vec![copy(see, one, *what)],
        Command::CopyManifest => vec![copy_manifest(one)],
        Command::Explain => vec![Intent::Explain(Topic::from(one.subject.clone()), None)],
        _ => Vec::new(),
    }
}

/// What copying a manifest comes to while another pane than that of the findings has the keyboard.
pub fn no_finding() -> Vec<Intent> {
    vec![Intent::Tell(
        "a manifest mends a finding: tab goes to the findings".to_owned(),
    )]
}

fn lines(see: &See<'_>, one: &Answered<'_>, room: usize) -> Vec<Piece> {
    let mut lines: Vec<Piece> = Vec::new();
    let mut say = |lead: &str, text: &str, tone: Tone| {
        let indent = " ".repeat(draw::width(lead));
        let parts = draw::wrap(text, room.saturating_sub(indent.len()).max(8));
        for (at, part) in parts.into_iter().enumerate() {
            let lead = if at == 0 { lead } else { &indent };
            lines.push(Piece::new(format!("{lead}{part}"), tone));
        }
    };
    let kept = one.kept;
    let (glyph, tone) = sign(kept);
    let lead = format!("{} ", see.sign(glyph));
    match kept.finding() {
        None => say(&lead, &format!("{}: passes", kept.check.title), tone),
        Some(finding) => {
            say(&lead, &finding.sentence, tone);
            say("  ", &finding.meaning, Tone::Text);
        }
    }
    say("  ", &standing_words(see, kept), Tone::Muted);
    if let Some(finding) = kept.finding() {
        let dot = format!("  {} ", see.sign(Glyph::Dot));
        for fact in &finding.evidence {
            // The glance notes when the words go out of date.
            see.age(fact.at);
            say(&dot, &fact.words(see.now), Tone::Text);
        }
        for (at, step) in finding.steps().iter().enumerate() {
            let lead = if at == 0 { "  Next: " } else { "        " };
            say(lead, &step.say, Tone::Accent);
            if let Some(command) = &step.command {
                say("        $ ", command, Tone::Strong);
            }
        }
    }
    say("  Why: ", kept.check.why, Tone::Muted);
    say("  Reads: ", kept.check.reads, Tone::Muted);
    if let Some(manifest) = kept.finding().and_then(|f| f.manifest.as_deref()) {
        let changes = remedy::changes(see.world, one.subject.context(), manifest);
        if let Some(changes) = &changes {
            say("  ", "This mends it, by what it changes:", Tone::Accent);
            for change in changes {
                let tone = match change.sort {
                    Sort::Gone => Tone::Broken,
                    Sort::New => Tone::Healthy,
                    Sort::Same => Tone::Muted,
                };
                lines.push(Piece::new(format!("    {}", change.words()), tone));
            }
        }
        let whole = manifest.lines().filter(|_| changes.is_none());
        if changes.is_none() {
            lines.push(Piece::new("  This mends it:", Tone::Accent));
        }
        for line in whole {
            let tone = match line.trim_start().starts_with('#') {
                true => Tone::Muted,
                false => Tone::Text,
            };
            lines.push(Piece::new(format!("    {line}"), tone));
        }
    }
    lines
}

/// `warning for 3m, check few-replicas, flapping: 4 turns in 30 minutes`.
fn standing_words(see: &See<'_>, kept: &Kept) -> String {
    let since = see.since(kept.since);
    let since = match kept.since {
        Since::Exactly(_) => format!("for {since}"),
        Since::Seen(_) => since,
    };
    let mut words = format!("{} {since}, check {}", word(kept), kept.check.id);
    let turns = kept.turns(see.now);
    if turns > 0 {
        let minutes = crate::checks::REMEMBERED;
        let flapping = match kept.is_flapping(see.now) {
            true => ", flapping:",
            false => ",",
        };
        words.push_str(&format!(
            "{flapping} {turns} {} between pass and finding in the last {minutes} minutes",
            if turns == 1 { "turn" } else { "turns" }
        ));
    }
    words
}
