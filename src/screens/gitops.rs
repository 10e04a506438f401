//! GitOps: what delivers the operator and the instances (HelmReleases, Kustomizations and their sources), what fills their
//! Secrets from outside, how each of them stands, who suspended it, and what the checks found there.

mod about;
mod row;
mod table;

use std::collections::BTreeSet;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::parts::{Section, See, Sheet, answers};
use super::{Fresh, Intent, Screen, ScreenDoc};
use crate::checks::{Area, Subject};
use crate::domain::{InstanceId, Want};
use crate::msg::Command;
use crate::msg::command::Copied;
use row::LinkRow;

/// GitOps.
pub const SCREEN: ScreenDoc = ScreenDoc {
    id: "gitops",
    title: "GitOps",
    doc: "what delivers operator and instances from Git, and fills their Secrets: ready, revision, suspended by whom",
    about_instance: false,
    make: || Box::new(Gitops::default()),
};

/// The panes, from top to bottom.
const LINKS: usize = 0;
const ABOUT: usize = 1;
const FINDINGS: usize = 2;
const PANES: usize = 3;

/// What the last pane shows of the checks.
const AREAS: &[Area] = &[Area::Gitops, Area::Secrets];

/// The screen.
#[derive(Debug, Default)]
struct Gitops {
    sheet: Sheet<PANES>,
    /// Every row.
    known: Vec<LinkRow>,
    /// Numbers of those that are shown.
    shown: Vec<usize>,
    /// Columns of the last drawing, to break sentences by.
    width: std::cell::Cell<u16>,
}

impl Screen for Gitops {
    fn refresh(&mut self, see: &See<'_>, fresh: &Fresh) -> bool {
        let touched = &fresh.touched;
        let objects = !touched.wants.is_empty()
            || !touched.links.is_empty()
            || !touched.operators.is_empty()
            || (touched.news && !touched.instances.is_empty());
        if fresh.everything || fresh.sieved || fresh.judged || objects {
            self.known = row::rows(see);
        }
        let shown =
            self.known.iter().enumerate().filter(|(_, row)| {
                (!see.ill_only || row.is_ill()) && see.filter.shows(&row.words())
            });
        self.shown = shown.map(|(at, _)| at).collect();
        true
    }

    fn on(&mut self, command: &Command, see: &See<'_>) -> Vec<Intent> {
        let mut sheet = std::mem::take(&mut self.sheet);
        let intents = {
            let sections = self.sections_of(see, &sheet);
            let pane = sheet.pane();
            let chosen = |sheet: &Sheet<PANES>| sheet.name(pane, sections.get(pane)?);
            let before = chosen(&sheet);
            let is_ill = |at: usize| self.row(at).is_some_and(LinkRow::is_ill);
            sheet.steer(command, &sections, table::COLUMNS, is_ill);
            // What is said about another row begins at its top.
            let is_turned = before != chosen(&sheet) || matches!(command, Command::Pane(_));
            if sheet.pane() != ABOUT && is_turned {
                sheet.choose(ABOUT, None);
            }
            self.act(command, see, &sheet, &sections)
        };
        self.sheet = sheet;
        intents
    }

    fn words(&self, see: &See<'_>) -> Vec<&'static str> {
        let id = self.selected();
        let found = !answers::ill_of(see, AREAS, |_| true).is_empty();
        [
            ("instance", id.is_some()),
            ("finding", found),
            ("ill", self.known.iter().any(LinkRow::is_ill)),
            ("rows", !self.shown.is_empty()),
        ]
        .into_iter()
        .filter_map(|(word, holds)| holds.then_some(word))
        .collect()
    }

    fn selected(&self) -> Option<InstanceId> {
        let at = self.sheet.at(LINKS, &self.names())?;
        match self.row(at)?.instances.as_slice() {
            [only] => Some(only.clone()),
            _ => None,
        }
    }

    fn turn_to(&mut self, instance: &InstanceId) {
        if self.selected().as_ref() == Some(instance) {
            return;
        }
        let row = self
            .known
            .iter()
            .find(|row| row.instances.contains(instance));
        if let Some(name) = row.map(LinkRow::name) {
            self.sheet.choose(LINKS, Some(name));
        }
    }

    fn wants(&self, see: &See<'_>) -> BTreeSet<Want> {
        row::wants(see)
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

impl Gitops {
    fn row(&self, at: usize) -> Option<&LinkRow> {
        self.known.get(*self.shown.get(at)?)
    }

    /// The names of the rows alone.
    fn names(&self) -> Section<'_> {
        Section {
            len: self.shown.len(),
            name: Box::new(|at| self.row(at).map(LinkRow::name).unwrap_or_default()),
            ..Section::of("delivery", "", Vec::new())
        }
    }

    fn sections_of<'a>(&'a self, see: &'a See<'a>, sheet: &Sheet<PANES>) -> Vec<Section<'a>> {
        let links = Section {
            row: Box::new(|at| {
                self.row(at)
                    .map(|row| table::cells(see, row))
                    .unwrap_or_default()
            }),
            ..table::section(see, self.names(), &self.known)
        };
        let found = answers::ill_of(see, AREAS, |_| true);
        let findings = answers::section(see, "Findings", found.clone());
        let width = self.width.get();
        let about = match sheet.pane() {
            FINDINGS => {
                let at = sheet.at(FINDINGS, &findings);
                answers::evidence(see, at.and_then(|at| found.get(at).copied()), width)
            }
            _ => about::section(
                see,
                sheet.at(LINKS, &links).and_then(|at| self.row(at)),
                width,
            ),
        };
        vec![links, about, findings]
    }

    fn act(
        &self,
        command: &Command,
        see: &See<'_>,
        sheet: &Sheet<PANES>,
        sections: &[Section<'_>],
    ) -> Vec<Intent> {
        let at = |pane: usize| sheet.at(pane, sections.get(pane)?);
        if sheet.pane() == FINDINGS {
            let found = answers::ill_of(see, AREAS, |_| true);
            return answers::on(command, see, &found, at(FINDINGS));
        }
        let Some(row) = at(LINKS).and_then(|at| self.row(at)) else {
            return Vec::new();
        };
        match command {
            Command::Sort(_) => vec![Intent::Tell("rows here stand in a fixed order".to_owned())],
            Command::Open => match row.instances.first() {
                Some(id) => vec![Intent::Show(id.clone(), None)],
                None => vec![Intent::Tell("no instance comes of this".to_owned())],
            },
            Command::Explain => {
                let subject = match row.instances.as_slice() {
                    [only] => Subject::Instance(only.clone()),
                    _ => Subject::Operator(row.context.clone()),
                };
                vec![Intent::Explain(subject.into(), None)]
            }
            Command::Copy(Copied::Evidence) => {
                vec![Intent::Copy(Arc::from("evidence"), about::text(see, row))]
            }
            Command::Copy(Copied::Name) => {
                let name = row.called();
                vec![Intent::Copy(Arc::from(name.as_str()), name)]
            }
            Command::Copy(Copied::Kubectl) => {
                let text = format!(
                    "kubectl --context {} get {} -o yaml",
                    row.context,
                    row.argument()
                );
                vec![Intent::Copy(Arc::from("kubectl command"), text)]
            }
            Command::CopyManifest => answers::no_finding(),
            _ => Vec::new(),
        }
    }
}
