//! Network: who may reach each instance, by policy, as it is expected, predicted and seen; the Services that lead to it in every
//! context, with where they really send; the mesh between the clusters; and what the checks of exposure and policy found.

mod about;
mod mesh;
mod services;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::parts::{Section, See, Sheet, answers};
use super::{Fresh, Intent, Screen, ScreenDoc};
use crate::checks::Area;
use crate::checks::reach::matrix::{self, Way};
use crate::domain::{ContextId, InstanceId, Want};
use crate::msg::Command;
use crate::msg::command::Copied;
use mesh::MeshRow;
use services::ServiceRow;

/// Network.
pub const SCREEN: ScreenDoc = ScreenDoc {
    id: "network",
    title: "Network",
    doc: "who may reach each instance by policy, its Services in every context, the mesh",
    about_instance: false,
    make: || Box::new(Network::default()),
};

/// The panes, from top to bottom: between these are the Services and the mesh.
const WAYS: usize = 0;
const ABOUT: usize = 1;
const FINDINGS: usize = 4;
const PANES: usize = 5;

/// What these panes show of the checks.
const AREAS: &[Area] = &[Area::Exposure, Area::Policy];

/// The screen.
#[derive(Debug, Default)]
struct Network {
    sheet: Sheet<PANES>,
    /// Every connection, by instance.
    known: BTreeMap<InstanceId, Vec<Way>>,
    /// Those that are shown: an instance, and the number of the row among its rows.
    shown: Vec<(InstanceId, usize)>,
    services: Vec<ServiceRow>,
    mesh: Vec<MeshRow>,
    /// The pane about what is selected is about a finding: that pane had the keyboard after the first one.
    on_finding: bool,
    /// Columns of the last drawing, to break sentences by.
    width: std::cell::Cell<u16>,
}

impl Screen for Network {
    fn refresh(&mut self, see: &See<'_>, fresh: &Fresh) -> bool {
        let touched = &fresh.touched;
        let objects = !touched.wants.is_empty() || !touched.links.is_empty();
        if fresh.everything || fresh.sieved || objects || (touched.news && !touched.is_empty()) {
            self.known.clear();
            for id in see.world.instances() {
                if let Some(view) = see.world.instance(&id) {
                    let ways = matrix::ways(see.world, see.limits, &view);
                    self.known.insert(id, ways);
                }
            }
            self.services = services::rows(see);
            self.mesh = mesh::rows(see);
        }
        self.shown.clear();
        for (id, all) in &self.known {
            let shown = all.iter().enumerate().filter(|(_, way)| {
                (!see.ill_only || ways::is_ill(way)) && see.filter.shows(&ways::words(way))
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
            let chosen = |sheet: &Sheet<PANES>| {
                let section = sections.get(pane)?;
                sheet.name(pane, section)
            };
            let before = chosen(&sheet);
            let is_ill = |at: usize| self.way(at).is_some_and(ways::is_ill);
            sheet.steer(command, &sections, ways::COLUMNS, is_ill);
            // What is said about another row begins at its top.
            if sheet.pane() != ABOUT
                && (before != chosen(&sheet) || matches!(command, Command::Pane(_)))
            {
                sheet.choose(ABOUT, None);
            }
            self.act(command, see, &sheet, &sections)
        };
        self.sheet = sheet;
        self.follow();
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
            ("ill", self.known.values().flatten().any(ways::is_ill)),
            ("rows", !self.shown.is_empty()),
        ]
        .into_iter()
        .filter_map(|(word, holds)| holds.then_some(word))
        .collect()
    }

    fn selected(&self) -> Option<InstanceId> {
        let at = self.sheet.at(WAYS, &self.names())?;
        self.shown.get(at).map(|(id, _)| id.clone())
    }

    fn turn_to(&mut self, instance: &InstanceId) {
        if self.selected().as_ref() == Some(instance) {
            return;
        }
        let first = self.known.get(instance).and_then(|all| all.first());
        if let Some(way) = first {
            self.sheet.choose(WAYS, Some(ways::name(way)));
        }
    }

    fn wants(&self, see: &See<'_>) -> BTreeSet<Want> {
        services::wants(see)
    }

    fn judges(&self) -> bool {
        true
    }

    fn click(&mut self, column: u16, row: u16, see: &See<'_>) -> Vec<Intent> {
        let mut sheet = std::mem::take(&mut self.sheet);
        sheet.click(column, row, &self.sections_of(see, &sheet));
        self.sheet = sheet;
        self.follow();
        Vec::new()
    }

    fn view(&self, see: &See<'_>, area: Rect, buf: &mut Buffer) {
        self.width.set(area.width);
        self.sheet
            .view(see, &self.sections_of(see, &self.sheet), area, buf);
    }
}

impl Network {
    /// Notes which of the panes that lead had the keyboard last.
    fn follow(&mut self) {
        match self.sheet.pane() {
            WAYS => self.on_finding = false,
            FINDINGS => self.on_finding = true,
            _ => {}
        }
    }

    fn way(&self, at: usize) -> Option<&Way> {
        let (id, number) = self.shown.get(at)?;
        self.known.get(id)?.get(*number)
    }

    /// The names of the rows alone.
    fn names(&self) -> Section<'_> {
        Section {
            len: self.shown.len(),
            name: Box::new(|at| self.way(at).map(ways::name).unwrap_or_default()),
            ..Section::of("ways", "", Vec::new())
        }
    }

    fn sections_of<'a>(&'a self, see: &'a See<'a>, sheet: &Sheet<PANES>) -> Vec<Section<'a>> {
        let all = self.known.values().flatten();
        let ways = Section {
            row: Box::new(|at| {
                let way = self.way(at);
                way.map(|way| ways::cells(see, way)).unwrap_or_default()
            }),
            ..ways::section(see, self.names(), all)
        };
        let services = services::section(see, &self.services);
        let mesh = mesh::section(see, &self.mesh);
        let found = answers::ill_of(see, AREAS, |_| true);
        let findings = answers::section(see, "Findings", found.clone());
        let width = self.width.get();
        let about = match self.on_finding {
            true => {
                let at = sheet.at(FINDINGS, &findings);
                answers::evidence(see, at.and_then(|at| found.get(at).copied()), width)
            }
            false => {
                let way = sheet.at(WAYS, &ways).and_then(|at| self.way(at));
                about::section(see, way, width)
            }
        };
        vec![ways, about, services, mesh, findings]
    }

    fn act(
        &self,
        command: &Command,
        see: &See<'_>,
        sheet: &Sheet<PANES>,
        sections: &[Section<'_>],
    ) -> Vec<Intent> {
        if self.on_finding {
            let found = answers::ill_of(see, AREAS, |_| true);
            let at = sections
                .get(FINDINGS)
                .and_then(|section| sheet.at(FINDINGS, section));
            return answers::on(command, see, &found, at);
        }
        let at = sections.first().and_then(|section| sheet.at(WAYS, section));
        let Some(way) = at.and_then(|at| self.way(at)) else {
            return Vec::new();
        };
        let id = &way.instance;
        match command {
            Command::Sort(_) => vec![Intent::Tell("rows here stand in a fixed order".to_owned())],
            Command::Open => vec![Intent::Show(id.clone(), None)],
            Command::Explain => {
                let subject = crate::checks::Subject::Instance(id.clone());
                vec![Intent::Explain(subject.into(), None)]
            }
            Command::Copy(Copied::Evidence) => {
                let text = about::text(way);
                vec![Intent::Copy(Arc::from("evidence"), text)]
            }
            Command::Copy(Copied::Name) => {
                let name = ways::name(way);
                vec![Intent::Copy(Arc::from(name.as_str()), name)]
            }
            Command::Copy(Copied::Kubectl) => {
                let text = format!(
                    "kubectl --context {} -n {} get networkpolicies -o wide",
                    id.context, id.namespace
                );
                vec![Intent::Copy(Arc::from("kubectl command"), text)]
            }
            Command::CopyManifest => answers::no_finding(),
            _ => Vec::new(),
        }
    }
}

/// Contexts that matter here: those of instances, and those of their consumers.
fn contexts<'a>(see: &See<'a>) -> Vec<&'a crate::domain::world::ContextWorld> {
    let mut ids: BTreeSet<&ContextId> = BTreeSet::new();
    let instances: Vec<InstanceId> = see.world.instances().collect();
    ids.extend(instances.iter().map(|id| &id.context));
    for wish in &see.limits.expected.consumers {
        let id = &wish.id.context;
        ids.insert(see.world.twin(id).unwrap_or(id));
    }
    let shown = see.world.shown_contexts();
    shown.filter(|context| ids.contains(&context.id)).collect()
}
