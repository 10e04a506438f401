//! Checks: every answer of every check, by area or by the story's criteria, the worst first, with the evidence and the remedy
//! of the one that is selected.

mod lines;

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::parts::answers::{self, Answered};
use super::parts::{Section, See, Sheet};
use super::{Fresh, Intent, Screen, ScreenDoc};
use crate::checks::{ALL, Subject, Topic};
use crate::domain::InstanceId;
use crate::msg::Command;
use crate::widgets::Piece;
use lines::{Grouping, Line};

/// Checks.
pub const SCREEN: ScreenDoc = ScreenDoc {
    id: "checks",
    title: "Checks",
    doc: "every check of everything: what passes, what is found, what cannot be judged, and what mends it",
    about_instance: false,
    make: || Box::new(Checks::default()),
};

/// The panes, from top to bottom.
const ANSWERS: usize = 0;
const EVIDENCE: usize = 1;

/// The screen.
#[derive(Debug, Default)]
struct Checks {
    sheet: Sheet<2>,
    grouping: Grouping,
    lines: Vec<Line>,
    summary: Vec<Piece>,
    /// Columns of the last drawing, to break sentences by.
    width: std::cell::Cell<u16>,
}

impl Screen for Checks {
    fn refresh(&mut self, see: &See<'_>, _: &Fresh) -> bool {
        let lines = lines::lines(see, self.grouping);
        let summary = lines::summary(see);
        // What is drawn of an answer is looked up when it is drawn: its sentence may differ though its place does not.
        self.lines = lines;
        self.summary = summary;
        true
    }

    fn on(&mut self, command: &Command, see: &See<'_>) -> Vec<Intent> {
        if *command == Command::Group {
            self.grouping = self.grouping.other();
            self.lines = lines::lines(see, self.grouping);
            return vec![Intent::Tell(self.grouping.words().to_owned())];
        }
        let mut sheet = std::mem::take(&mut self.sheet);
        let intents = {
            let sections = self.sections_of(see, &sheet);
            let at = sections.first().and_then(|s| sheet.at(ANSWERS, s));
            let is_ill = |at: usize| {
                let line = self.lines.get(at);
                line.is_some_and(|line| line.is_ill(see.standing))
            };
            match command {
                _ if sheet.steer(command, &sections, lines::COLUMNS, is_ill) => Vec::new(),
                Command::Sort(_) => vec![Intent::Tell(
                    "answers stand by their group, the worst first".to_owned(),
                )],
                _ => self.act(command, see, at),
            }
        };
        // What is said about another answer begins at its top.
        if !matches!(command, Command::Move(_)) || sheet.pane() == ANSWERS {
            sheet.choose(EVIDENCE, None);
        }
        self.sheet = sheet;
        intents
    }

    fn words(&self, see: &See<'_>) -> Vec<&'static str> {
        let one = self.chosen(see);
        [
            ("instance", self.selected().is_some()),
            ("finding", one.is_some()),
            (
                "ill",
                self.lines.iter().any(|line| line.is_ill(see.standing)),
            ),
            ("rows", one.is_some()),
        ]
        .into_iter()
        .filter_map(|(word, holds)| holds.then_some(word))
        .collect()
    }

    fn selected(&self) -> Option<InstanceId> {
        let at = self.sheet.at(ANSWERS, &self.names())?;
        match self.lines.get(at)? {
            Line::Answer(Subject::Instance(id), _) => Some(id.clone()),
            _ => None,
        }
    }

    fn judges(&self) -> bool {
        true
    }

    fn click(&mut self, column: u16, row: u16, see: &See<'_>) -> Vec<Intent> {
        let mut sheet = std::mem::take(&mut self.sheet);
        sheet.click(column, row, &self.sections_of(see, &sheet));
        self.sheet = sheet;
        Vec::new()
    }

    fn view(&self, see: &See<'_>, area: Rect, buf: &mut Buffer) {
        self.width.set(area.width);
        self.sheet
            .view(see, &self.sections_of(see, &self.sheet), area, buf);
    }
}

impl Checks {
    /// The names of the rows alone.
    fn names(&self) -> Section<'_> {
        Section {
            len: self.lines.len(),
            name: Box::new(|at| self.lines.get(at).map(Line::name).unwrap_or_default()),
            ..Section::of("answers", "", Vec::new())
        }
    }

    /// The answer that is selected.
    fn chosen<'a>(&self, see: &See<'a>) -> Option<Answered<'a>> {
        let at = self.sheet.at(ANSWERS, &self.names())?;
        self.lines.get(at)?.answered(see.standing)
    }

    fn sections_of<'a>(&'a self, see: &'a See<'a>, sheet: &Sheet<2>) -> Vec<Section<'a>> {
        let shown = Section {
            title: see.title_of(
                &format!("Checks {}", self.grouping.title()),
                self.lines.iter().map(Line::answers).sum(),
                lines::all(see),
            ),
            right: self.summary.clone(),
            columns: answers::columns(see),
            row: Box::new(|at| {
                let line = self.lines.get(at);
                line.map(|line| line.row(see)).unwrap_or_default()
            }),
            empty: lines::empty(see),
            leads: true,
            ..self.names()
        };
        let line = sheet.at(ANSWERS, &shown).and_then(|at| self.lines.get(at));
        let evidence = match line {
            Some(line) => match line.answered(see.standing) {
                Some(one) => answers::evidence(see, Some(one), self.width.get()),
                None => line.told(see, self.width.get()),
            },
            None => answers::evidence(see, None, self.width.get()),
        };
        vec![shown, evidence]
    }

    fn act(&self, command: &Command, see: &See<'_>, at: Option<usize>) -> Vec<Intent> {
        let line = at.and_then(|at| self.lines.get(at));
        let Some(one) = line.and_then(|line| line.answered(see.standing)) else {
            return Vec::new();
        };
        match command {
            Command::Open => match one.subject {
                Subject::Instance(id) => {
                    let about = one.kept.finding().and_then(|f| f.about.first());
                    vec![Intent::Show(
                        id.clone(),
                        about.map(|pod| Arc::from(pod.as_str())),
                    )]
                }
                _ => vec![Intent::Tell(format!(
                    "{} has no screen of its own; what is known of it stands below",
                    Topic::from(one.subject.clone()).name()
                ))],
            },
            // What is no matter of health has nothing to add to what stands below.
            Command::Explain if ALL.iter().any(|check| check.id == one.kept.check.id) => {
                vec![Intent::Explain(
                    Topic::from(one.subject.clone()),
                    Some(one.kept.check.id),
                )]
            }
            Command::Explain => vec![Intent::Tell(
                "all that is known of it stands below; tab goes there".to_owned(),
            )],
            Command::Copy(what) => vec![answers::copy(see, &one, *what)],
            Command::CopyManifest => vec![answers::copy_manifest(&one)],
            _ => Vec::new(),
        }
    }
}
