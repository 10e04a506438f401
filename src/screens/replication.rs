//! Replication of one instance: every link as its two ends tell it, whose data set each node holds, how lag and offsets
//! move, what changed, and whether the data is the same.

mod charts;
mod compared;
mod links;
mod nodes;

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::fleet::evidence_text;
use super::instance::head;
use super::parts::{Plain, Section, See, Sheet, changes};
use super::{Fresh, Intent, Screen, ScreenDoc};
use crate::checks::{Subject, Topic};
use crate::domain::timeline::{Change, timeline};
use crate::domain::{InstanceId, InstanceView, NodeView};
use crate::msg::Command;
use crate::msg::command::{Copied, Target, Turn};
use crate::widgets::draw;

/// Replication.
pub const SCREEN: ScreenDoc = ScreenDoc {
    id: "replication",
    title: "Replication",
    doc: "one instance: its links from both ends, data sets, lag, changes of roles",
    about_instance: true,
    make: || Box::new(Replication::default()),
};

/// The panes, from top to bottom.
const LINKS: usize = 0;
const NODES: usize = 1;
const HISTORY: usize = 3;
const COMPARED: usize = 4;

/// The screen.
#[derive(Debug, Default)]
struct Replication {
    id: Option<InstanceId>,
    sheet: Sheet<5>,
    /// What changed, worked out when something did.
    changes: Vec<Change>,
}

impl Screen for Replication {
    fn refresh(&mut self, see: &See<'_>, fresh: &Fresh) -> bool {
        let Some(id) = &self.id else { return true };
        let Some(view) = see.world.instance(id) else {
            return true;
        };
        let differs = fresh.everything
            || fresh.sieved
            || fresh.judged
            || fresh.touched.instances.contains(id)
            || fresh.touched.links.contains(&id.context)
            || fresh.touched.operators.contains(&id.context);
        if differs {
            self.changes = timeline(&view);
        }
        differs
    }

    fn on(&mut self, command: &Command, see: &See<'_>) -> Vec<Intent> {
        let Some(id) = self.id.clone() else {
            return Vec::new();
        };
        let Some(view) = see.world.instance(&id) else {
            return Vec::new();
        };
        let mut sheet = std::mem::take(&mut self.sheet);
        let intents = {
            let sections = self.sections(see, &view);
            act(command, see, &view, &mut sheet, &sections, &self.changes)
        };
        self.sheet = sheet;
        intents
    }

    fn words(&self, see: &See<'_>) -> Vec<&'static str> {
        let Some(view) = self.id.as_ref().and_then(|id| see.world.instance(id)) else {
            return Vec::new();
        };
        let judged = see.board.instance(&view.id);
        let sections = self.sections(see, &view);
        let here = sections.get(self.sheet.pane());
        [
            ("instance", true),
            ("node", self.sheet.pane() <= NODES && !view.nodes.is_empty()),
            ("finding", judged.is_some_and(|j| !j.findings.is_empty())),
            ("ill", links::ill(&view, see.limits.lag).next().is_some()),
            ("master", view.engine_masters().next().is_some()),
            ("change", !self.changes.is_empty()),
            ("rows", here.is_some_and(|section| section.len > 0)),
        ]
        .into_iter()
        .filter_map(|(word, holds)| holds.then_some(word))
        .collect()
    }

    fn selected(&self) -> Option<InstanceId> {
        self.id.clone()
    }

    fn turn_to(&mut self, instance: &InstanceId) {
        if self.id.as_ref() != Some(instance) {
            *self = Self {
                id: Some(instance.clone()),
                ..Self::default()
            };
        }
    }

    fn select_node(&mut self, pod: &str) {
        self.sheet.focus(NODES);
        self.sheet.choose(NODES, Some(pod.to_owned()));
    }

    fn click(&mut self, column: u16, row: u16, see: &See<'_>) -> Vec<Intent> {
        let view = self.id.as_ref().and_then(|id| see.world.instance(id));
        if let Some(view) = view {
            let mut sheet = std::mem::take(&mut self.sheet);
            sheet.click(column, row, &self.sections(see, &view));
            self.sheet = sheet;
        }
        Vec::new()
    }

    fn view(&self, see: &See<'_>, area: Rect, buf: &mut Buffer) {
        let Some(id) = &self.id else { return };
        let Some(view) = see.world.instance(id) else {
            head::gone(see, id, area, buf);
            return;
        };
        let lines = head::lines(see, &view, usize::from(area.width));
        let rows = u16::try_from(lines.len() + 1).unwrap_or(u16::MAX);
        let place = Rect {
            height: rows.min(area.height),
            ..area
        };
        head::view(see, &view, &lines, place, buf);
        let rest = draw::below(area, rows);
        self.sheet.view(see, &self.sections(see, &view), rest, buf);
    }
}

impl Replication {
    /// All panes, in their order.
    fn sections<'a>(&'a self, see: &'a See<'a>, view: &'a InstanceView<'a>) -> Vec<Section<'a>> {
        vec![
            links::section(see, view),
            nodes::section(see, view),
            charts::section(see, view),
            self.history(see),
            compared::section(see, view),
        ]
    }

    fn history<'a>(&'a self, see: &'a See<'a>) -> Section<'a> {
        let shown: Vec<&Change> = self
            .changes
            .iter()
            .filter(|change| see.filter.shows(&Plain::of(&changes::cells(see, change))))
            .collect();
        let names: Vec<String> = shown.iter().map(|change| changes::name(change)).collect();
        Section {
            columns: changes::columns(),
            len: shown.len(),
            name: Box::new(move |at| names.get(at).cloned().unwrap_or_default()),
            row: Box::new(move |at| {
                let change = shown.get(at);
                change
                    .map(|change| changes::cells(see, change))
                    .unwrap_or_default()
            }),
            empty: changes::NOTHING.to_owned(),
            lines: 2,
            ..Section::of("history", "What changed, newest first", Vec::new())
        }
    }
}

/// Carries a command out on the panes.
fn act(
    command: &Command,
    see: &See<'_>,
    view: &InstanceView<'_>,
    sheet: &mut Sheet<5>,
    sections: &[Section<'_>],
    changed: &[Change],
) -> Vec<Intent> {
    let pane = sheet.pane();
    let here = sections.get(pane);
    let name = here.and_then(|section| sheet.name(pane, section));
    match command {
        Command::Move(motion) => {
            if let Some(section) = here {
                sheet.move_by(*motion, section);
            }
        }
        Command::Pane(turn) => sheet.turn(*turn),
        Command::Scroll(side) => sheet.scroll(*side, links::COLUMNS),
        Command::Find(turn) => {
            let found = find_ill(*turn, see, view, sheet, sections);
            if found.is_some() {
                sheet.focus(LINKS);
                sheet.choose(LINKS, found);
            }
        }
        Command::Jump(Target::Master) => {
            let master = view.engine_masters().next();
            sheet.focus(NODES);
            sheet.choose(NODES, master.map(|node| node.id.pod.to_string()));
        }
        Command::Jump(Target::Change) => {
            sheet.focus(HISTORY);
            sheet.choose(HISTORY, None);
        }
        Command::Sort(_) => {
            return vec![Intent::Tell("rows here stand in a fixed order".to_owned())];
        }
        Command::Open if pane == HISTORY => {
            let found = changed
                .iter()
                .find(|change| name.as_deref() == Some(changes::name(change).as_str()));
            let told = found.map(|change| Intent::Tell(changes::in_full(see, change)));
            return told.into_iter().collect();
        }
        Command::Open if is_node(view, pane, name.as_deref()) => {
            let pod = name.unwrap_or_default();
            return vec![Intent::Explain(Topic::node(&view.id, &pod), None)];
        }
        Command::Open => {
            let at = here.and_then(|section| sheet.at(pane, section));
            let told = here.zip(at).map(|(section, at)| section.in_full(see, at));
            return told.map(Intent::Tell).into_iter().collect();
        }
        Command::Explain => {
            return vec![Intent::Explain(
                Subject::Instance(view.id.clone()).into(),
                None,
            )];
        }
        Command::Copy(copied) => return vec![copy(*copied, see, view, pane, name.as_deref())],
        _ => {}
    }
    Vec::new()
}

/// Whether a row is about a node that is there.
fn is_node(view: &InstanceView<'_>, pane: usize, name: Option<&str>) -> bool {
    let is_it = |node: &NodeView<'_>| name == Some(&*node.id.pod);
    matches!(pane, LINKS | NODES) && view.nodes.iter().any(is_it)
}

/// The next replica whose link is not well, or the one before.
fn find_ill(
    turn: Turn,
    see: &See<'_>,
    view: &InstanceView<'_>,
    sheet: &Sheet<5>,
    sections: &[Section<'_>],
) -> Option<String> {
    let section = sections.get(LINKS)?;
    let at = sheet.at(LINKS, section).unwrap_or(0);
    let len = section.len;
    (1..=len)
        .map(|step| match turn {
            Turn::Next => (at + step) % len,
            Turn::Previous => (at + len - step) % len,
        })
        .map(|at| (section.name)(at))
        .find(|name| links::ill(view, see.limits.lag).any(|node| *node.id.pod == **name))
}

fn copy(
    copied: Copied,
    see: &See<'_>,
    view: &InstanceView<'_>,
    pane: usize,
    name: Option<&str>,
) -> Intent {
    let id = &view.id;
    let here = format!("kubectl --context {} -n {}", id.context, id.namespace);
    let pod = name
        .filter(|_| matches!(pane, LINKS | NODES | COMPARED))
        .and_then(|name| view.nodes.iter().find(|node| *node.id.pod == *name));
    match copied {
        Copied::Evidence => Intent::Copy(
            Arc::from("evidence"),
            evidence_text(see, &Subject::Instance(id.clone())),
        ),
        Copied::Name => {
            let text = match pod {
                Some(node) => format!("{}/{}", id.namespace, node.id.pod),
                None => id.to_string(),
            };
            Intent::Copy(Arc::from(text.as_str()), text)
        }
        Copied::Kubectl => {
            let text = match pod {
                Some(node) => format!("{here} get pod {} -o yaml", node.id.pod),
                None if pane == HISTORY => format!("{here} get events --sort-by=.lastTimestamp"),
                None => format!("{here} get dragonfly {} -o yaml", id.name),
            };
            Intent::Copy(Arc::from("kubectl command"), text)
        }
    }
}
