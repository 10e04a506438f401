//! Why something is so: every finding about a subject: what it means, what to do next, then the facts that it rests on and
//! how old they are.

use std::path::Path;

use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::reader;
use super::state::State;
use super::vocabulary::POPUP;
use crate::checks::{self, Evidence, Explanation, Finding, Subject, Topic};
use crate::domain::text;
use crate::msg::Command;
use crate::msg::command::Copied;
use crate::screens::See;
use crate::screens::fleet::{evidence_of_node, evidence_text};
use crate::screens::parts::{finding_sign, finding_tone};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Piece, Window, draw};

/// An explanation while it is open. It is written anew for every frame, so it stays true.
#[derive(Debug)]
pub(super) struct Explain {
    topic: Topic,
    first: Option<&'static str>,
    window: Window,
}

impl Explain {
    /// About a topic, the finding of that check first.
    pub fn new(topic: Topic, first: Option<&'static str>) -> Self {
        Self {
            topic,
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
        let (text, wide) = (reader::columns(area), reader::widest(area));
        let lines = self.lines(
            &see,
            &state.copy_keys(),
            state.kubeconfig.as_deref(),
            usize::from(text),
            usize::from(wide),
        );
        let title = format!("Why: {}", self.topic.name());
        reader::view(title, &lines, &self.window, &see.look, area, buf);
    }

    /// What is told, anew.
    fn told(&self, see: &See<'_>) -> Explanation {
        checks::explain(see.world, see.board, &self.topic, self.first)
    }

    /// The commands of all steps, in the order in which they are shown.
    fn commands(&self, see: &See<'_>) -> Vec<String> {
        let findings = self.told(see).findings;
        let steps = findings.iter().flat_map(Finding::steps);
        steps.filter_map(|step| step.command).collect()
    }

    /// What a command to copy means here: in a few words, and the text. The error says why there is nothing to copy.
    pub fn copy(
        &self,
        state: &State,
        command: &Command,
        now: Timestamp,
    ) -> Result<(String, String), String> {
        let desk = state.desk().ok_or("nothing is shown")?;
        let see = state.see(desk, now);
        let commands = self.commands(&see);
        let of_step = |number: usize| match number.checked_sub(1).and_then(|at| commands.get(at)) {
            Some(command) => {
                let what = format!("command {number} ({})", in_short(command));
                Ok((what, command.clone()))
            }
            None if commands.is_empty() => {
                Err("no step of this explanation has a command".to_owned())
            }
            None => Err(format!(
                "there is no command {number}: this explanation has {}",
                commands.len()
            )),
        };
        match command {
            Command::CopyStep(number) => match number.parse() {
                Ok(number) => of_step(number),
                Err(_) => Err(format!("`{number}` is no number of a command")),
            },
            Command::Copy(Copied::Kubectl) => of_step(1),
            Command::Copy(Copied::Evidence) => {
                let text = match &self.topic {
                    Topic::Subject(subject) => evidence_text(&see, subject),
                    Topic::Node(node) => evidence_of_node(&see, node, &self.told(&see)),
                };
                Ok(("evidence".to_owned(), text))
            }
            _ => {
                let name = match &self.topic {
                    Topic::Subject(Subject::Instance(id)) => id.to_string(),
                    Topic::Subject(Subject::Context(id) | Subject::Operator(id)) => id.to_string(),
                    Topic::Subject(Subject::Consumer(id)) => id.to_string(),
                    Topic::Node(id) => id.to_string(),
                };
                Ok((name.clone(), name))
            }
        }
    }

    /// The keys that copy its commands, as far as it has commands and they have keys.
    pub fn copy_keys(&self, state: &State, now: Timestamp) -> Vec<String> {
        let Some(desk) = state.desk() else {
            return Vec::new();
        };
        let mut keys = state.copy_keys();
        keys.truncate(self.commands(&state.see(desk, now)).len());
        keys
    }

    /// The text; its commands are written as they are copied, with the kubeconfig that darner was given.
    fn lines(
        &self,
        see: &See<'_>,
        keys: &[String],
        by: Option<&Path>,
        width: usize,
        wide: usize,
    ) -> Vec<Vec<Piece>> {
        let told = self.told(see);
        let mut lines = Vec::new();
        let mut keys = keys.iter();
        for finding in &told.findings {
            head(see, finding, width, &mut lines);
            // What to do stands above what it rests on: on a small screen the evidence alone fills more than there is.
            steps(finding, &mut keys, by, (width, wide), &mut lines);
            facts(see, &finding.evidence, width, &mut lines);
            said(finding.why(), "  ", Tone::Muted, width, &mut lines);
            lines.push(Vec::new());
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

/// What is so, since when, and what it means for clients.
fn head(see: &See<'_>, finding: &Finding, width: usize, lines: &mut Vec<Vec<Piece>>) {
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
}

/// The next steps: each sentence on lines of its own, and its command below it with the key that copies it, on one line
/// wherever the screen has it.
fn steps<'a>(
    finding: &Finding,
    keys: &mut impl Iterator<Item = &'a String>,
    by: Option<&Path>,
    (width, wide): (usize, usize),
    lines: &mut Vec<Vec<Piece>>,
) {
    for (at, step) in finding.steps().iter().enumerate() {
        let lead = if at == 0 { "  Next: " } else { "        " };
        let room = width.saturating_sub(lead.len());
        for (line, text) in draw::wrap(&text::reached_by(&step.say, by), room)
            .into_iter()
            .enumerate()
        {
            let lead = if line == 0 { lead } else { "        " };
            lines.push(vec![
                Piece::new(lead, Tone::Accent),
                Piece::new(text, Tone::Accent),
            ]);
        }
        let Some(command) = &step.command else {
            continue;
        };
        let key = keys.next().map_or("", String::as_str);
        let lead = format!("  {key:<KEY$} ");
        let command = text::reached_by(command, by);
        for (line, text) in draw::wrap(&command, wide.saturating_sub(lead.len()))
            .into_iter()
            .enumerate()
        {
            let lead = match line {
                0 => lead.clone(),
                // What goes on is told from what begins.
                _ => " ".repeat(lead.len()),
            };
            lines.push(vec![
                Piece::new(lead, Tone::Key),
                Piece::new(text, Tone::Strong),
            ]);
        }
    }
}

/// Columns of the key before a command.
const KEY: usize = 2;

/// A command without what all of them have in common: `exec orders-1 -c dragonfly -- redis-cli -p 9999 DBSIZE`.
fn in_short(command: &str) -> String {
    let mut words = command.split_whitespace().peekable();
    let mut short = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "kubectl" if short.is_empty() => {}
            "--kubeconfig" | "--context" | "-n" => {
                words.next();
            }
            word => short.push(word),
        }
    }
    short.join(" ")
}

impl State {
    /// The keys that copy the commands of an explanation, in their order; up to the first that has none.
    fn copy_keys(&self) -> Vec<String> {
        (1..=9)
            .map_while(|number| {
                let run = format!("copy-step {number}");
                self.keymap.keys_for(&run, POPUP).into_iter().next()
            })
            .collect()
    }
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
