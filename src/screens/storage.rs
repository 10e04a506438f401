//! Storage: where the data of every instance is kept, how full that is, how far wish and reality drifted apart, and how
//! old the last snapshot is against its schedule.

mod about;
mod row;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::fleet::evidence_text;
use super::parts::{Section, See, Sheet, answers};
use super::{Fresh, Intent, Screen, ScreenDoc};
use crate::checks::{Area, Subject, stored};
use crate::domain::{InstanceId, Want};
use crate::msg::Command;
use crate::msg::command::Copied;
use row::StoreRow;

/// Storage.
pub const SCREEN: ScreenDoc = ScreenDoc {
    id: "storage",
    title: "Storage",
    doc: "claims of every instance: sizes wanted and real, use, snapshots, drift",
    about_instance: false,
    make: || Box::new(Storage::default()),
};

/// The panes, from top to bottom.
const CLAIMS: usize = 0;
const ABOUT: usize = 1;
const FINDINGS: usize = 2;
const PANES: usize = 3;
/// Whose findings are shown, once they are kept: to be asked for is the Checks screen's.
const AREAS: &[Area] = &[Area::Storage];

/// The screen.
#[derive(Debug, Default)]
struct Storage {
    sheet: Sheet<PANES>,
    /// Every row, by instance.
    known: BTreeMap<InstanceId, Vec<StoreRow>>,
    /// The rows that are shown: an instance, and the number of the row among its rows.
    shown: Vec<(InstanceId, usize)>,
    /// Columns of the last drawing, to break sentences by.
    width: std::cell::Cell<u16>,
}

impl Screen for Storage {
    fn refresh(&mut self, see: &See<'_>, fresh: &Fresh) -> bool {
        let all = fresh.everything
            || fresh.sieved
            || fresh.touched.shown
            || !fresh.touched.links.is_empty();
        let wanted: Vec<InstanceId> = if all {
            self.known.clear();
            see.world.instances().collect()
        } else {
            fresh.touched.instances.iter().cloned().collect()
        };
        for id in wanted {
            match see.world.instance(&id) {
                Some(view) => self.known.insert(id, row::rows(see, &view)),
                None => self.known.remove(&id),
            };
        }
        self.shown.clear();
        for id in see.world.instances() {
            let rows = self.known.get(&id).map_or(&[][..], Vec::as_slice);
            let shown = rows.iter().enumerate().filter(|(_, row)| {
                (!see.ill_only || row.is_ill()) && see.filter.shows(&row.words())
            });
            self.shown.extend(shown.map(|(at, _)| (id.clone(), at)));
        }
        true
    }

    fn on(&mut self, command: &Command, see: &See<'_>) -> Vec<Intent> {
        let mut sheet = std::mem::take(&mut self.sheet);
        let intents = {
            let sections = self.sections_of(see, &sheet);
            let pane = sheet.pane();
            let is_ill = |at: usize| self.row(at).is_some_and(|(_, row)| row.is_ill());
            let is_steered = sheet.steer(command, &sections, table::COLUMNS, is_ill);
            let at = |pane: usize| sheet.at(pane, sections.get(pane)?);
            match command {
                _ if is_steered => Vec::new(),
                Command::Sort(_) => {
                    vec![Intent::Tell("rows here stand in a fixed order".to_owned())]
                }
                _ if pane == FINDINGS => {
                    let found = answers::ill_of(see, AREAS, |_| true);
                    answers::on(command, see, &found, at(FINDINGS))
                }
                _ => self.act(command, see, at(CLAIMS)),
            }
        };
        // What is said about another claim begins at its top.
        if !matches!(command, Command::Move(_)) || sheet.pane() != ABOUT {
            sheet.choose(ABOUT, None);
        }
        self.sheet = sheet;
        intents
    }

    fn words(&self, see: &See<'_>) -> Vec<&'static str> {
        let id = self.selected();
        let judged = id.as_ref().and_then(|id| see.board.instance(id));
        let is_ill = judged.is_some_and(|j| !j.findings.is_empty());
        let found = is_ill || !answers::ill_of(see, AREAS, |_| true).is_empty();
        [
            ("instance", id.is_some()),
            ("finding", found),
            ("ill", self.known.values().flatten().any(StoreRow::is_ill)),
            ("rows", !self.shown.is_empty()),
        ]
        .into_iter()
        .filter_map(|(word, holds)| holds.then_some(word))
        .collect()
    }

    fn selected(&self) -> Option<InstanceId> {
        let names = self.names();
        let at = self.sheet.at(CLAIMS, &names)?;
        self.shown.get(at).map(|(id, _)| id.clone())
    }

    fn turn_to(&mut self, instance: &InstanceId) {
        if self.selected().as_ref() == Some(instance) {
            return;
        }
        let rows = self.known.get(instance);
        let first = rows
            .and_then(|rows| rows.first())
            .map(|row| row.name(instance));
        if let Some(first) = first {
            self.sheet.choose(CLAIMS, Some(first));
        }
    }

    fn wants(&self, see: &See<'_>) -> BTreeSet<Want> {
        see.world
            .shown_contexts()
            .filter(|context| context.is_live())
            .flat_map(stored::wants)
            .collect()
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

impl Storage {
    fn row(&self, at: usize) -> Option<(&InstanceId, &StoreRow)> {
        let (id, number) = self.shown.get(at)?;
        Some((id, self.known.get(id)?.get(*number)?))
    }

    /// The names of the rows alone.
    fn names(&self) -> Section<'_> {
        Section {
            len: self.shown.len(),
            name: Box::new(|at| {
                let found = self.row(at);
                found.map(|(id, row)| row.name(id)).unwrap_or_default()
            }),
            ..Section::of("claims", "", Vec::new())
        }
    }

    fn sections_of<'a>(&'a self, see: &'a See<'a>, sheet: &Sheet<PANES>) -> Vec<Section<'a>> {
        let claims = Section {
            row: Box::new(|at| {
                let found = self.row(at);
                found
                    .map(|(id, row)| table::cells(see, id, row))
                    .unwrap_or_default()
            }),
            ..table::section(see, self.names(), &self.known)
        };
        let found = answers::ill_of(see, AREAS, |_| true);
        let findings = answers::section(see, "Findings", found.clone());
        let about = match sheet.pane() {
            FINDINGS => {
                let at = sheet.at(FINDINGS, &findings);
                let chosen = at.and_then(|at| found.get(at).copied());
                answers::evidence(see, chosen, self.width.get())
            }
            _ => {
                let chosen = sheet.at(CLAIMS, &claims).and_then(|at| self.row(at));
                about::section(see, chosen, self.width.get())
            }
        };
        vec![claims, about, findings]
    }

    fn act(&self, command: &Command, see: &See<'_>, at: Option<usize>) -> Vec<Intent> {
        let Some((id, row)) = at.and_then(|at| self.row(at)) else {
            return Vec::new();
        };
        match command {
            Command::Open => {
                let pod = (!row.pod.is_empty()).then(|| Arc::from(row.pod.as_str()));
                vec![Intent::Show(id.clone(), pod)]
            }
            Command::Explain => vec![Intent::Explain(Subject::Instance(id.clone()).into(), None)],
            Command::Copy(Copied::Evidence) => vec![Intent::Copy(
                Arc::from("evidence"),
                evidence_text(see, &Subject::Instance(id.clone())),
            )],
            Command::Copy(Copied::Name) => {
                let name = match &row.claim {
                    Some(claim) => format!("{}/{claim}", id.namespace),
                    None => format!("{}/{}", id.namespace, row.pod),
                };
                vec![Intent::Copy(Arc::from(name.as_str()), name)]
            }
            Command::Copy(Copied::Kubectl) => {
                let what = match &row.claim {
                    Some(claim) => format!("pvc {claim}"),
                    None => format!("pod {}", row.pod),
                };
                let text = format!(
                    "kubectl --context {} -n {} get {what} -o yaml",
                    id.context, id.namespace
                );
                vec![Intent::Copy(Arc::from("kubectl command"), text)]
            }
            Command::CopyManifest => answers::no_finding(),
            _ => Vec::new(),
        }
    }
}
