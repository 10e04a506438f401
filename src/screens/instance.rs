//! Instance: one `Dragonfly` and all that belongs to it: where traffic goes, who is what by whose word, storage,
//! findings, events, charts.

mod charts;
mod content;
mod events;
mod head;
mod layout;
mod nodes;
mod selection;
mod storage;
mod topology;

use std::cell::Cell;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::fleet::evidence_text;
use super::parts::{See, moved};
use super::{Fresh, Intent, Screen, ScreenDoc};
use crate::checks::Subject;
use crate::domain::{Access, InstanceId, InstanceView, Kind};
use crate::msg::Command;
use crate::msg::command::{Copied, Motion, Side, Target, Turn};
use crate::settings::Tone;
use crate::widgets::{Panel, Piece, Table, Window, draw};
use layout::{Places, Wants, places};
use selection::Lists;

/// Instance.
pub const SCREEN: ScreenDoc = ScreenDoc {
    id: "instance",
    title: "Instance",
    doc: "one instance: topology, nodes, storage, findings, events, charts",
    about_instance: true,
    make: || Box::new(Instance::default()),
};

/// What can have the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Pane {
    #[default]
    Nodes,
    Findings,
    Storage,
    Events,
    Charts,
}

impl Pane {
    const ALL: &[Pane] = &[
        Pane::Nodes,
        Pane::Findings,
        Pane::Storage,
        Pane::Events,
        Pane::Charts,
    ];

    fn title(self) -> &'static str {
        match self {
            Pane::Nodes => "Nodes",
            Pane::Findings => "Findings",
            Pane::Storage => "Storage",
            Pane::Events => "Events",
            Pane::Charts => "Charts",
        }
    }

    /// The kind of object that is shown in it.
    fn rests_on(self) -> Option<Kind> {
        match self {
            Pane::Nodes => Some(Kind::Pod),
            Pane::Storage => Some(Kind::Pvc),
            Pane::Events => Some(Kind::Event),
            Pane::Findings | Pane::Charts => None,
        }
    }

    fn turned(self, turn: Turn) -> Self {
        let at = Self::ALL.iter().position(|pane| *pane == self).unwrap_or(0);
        let len = Self::ALL.len();
        let to = match turn {
            Turn::Next => (at + 1) % len,
            Turn::Previous => (at + len - 1) % len,
        };
        Self::ALL.get(to).copied().unwrap_or_default()
    }
}

/// The screen.
#[derive(Debug, Default)]
struct Instance {
    id: Option<InstanceId>,
    pane: Pane,
    /// The lower pane that is shown where only one can be.
    tab: Option<Pane>,
    chosen: Chosen,
    windows: [Window; 4],
    shift: usize,
    drawn: Cell<Places>,
}

/// What is selected in each list, by name.
#[derive(Debug, Default)]
struct Chosen {
    node: Option<String>,
    finding: Option<String>,
    object: Option<String>,
    event: Option<String>,
}

impl Chosen {
    fn of(&self, pane: Pane) -> Option<&str> {
        match pane {
            Pane::Nodes => self.node.as_deref(),
            Pane::Findings => self.finding.as_deref(),
            Pane::Storage => self.object.as_deref(),
            Pane::Events => self.event.as_deref(),
            Pane::Charts => None,
        }
    }

    fn set(&mut self, pane: Pane, name: Option<String>) {
        match pane {
            Pane::Nodes => self.node = name,
            Pane::Findings => self.finding = name,
            Pane::Storage => self.object = name,
            Pane::Events => self.event = name,
            Pane::Charts => {}
        }
    }
}

impl Screen for Instance {
    fn refresh(&mut self, see: &See<'_>, fresh: &Fresh) -> bool {
        // Everything is worked out when it is drawn: it is one instance only.
        let Some(id) = &self.id else { return true };
        fresh.everything
            || fresh.sieved
            || fresh.judged
            || fresh.touched.instances.contains(id)
            || fresh.touched.links.contains(&id.context)
            || see.world.instance(id).is_none()
    }

    fn on(&mut self, command: &Command, see: &See<'_>) -> Vec<Intent> {
        let Some(id) = self.id.clone() else {
            return Vec::new();
        };
        let Some(view) = see.world.instance(&id) else {
            return Vec::new();
        };
        let lists = Lists::of(see, &view);
        match command {
            Command::Move(motion) => self.move_by(*motion, &lists),
            Command::Pane(turn) => self.turn_pane(*turn),
            Command::Scroll(side) => self.scroll(*side),
            Command::Find(turn) => self.find_ill(*turn, see, &view),
            Command::Open | Command::Explain => return self.explain(command, &id, &view, &lists),
            Command::Copy(copied) => return self.copy(*copied, see, &id, &lists),
            Command::Jump(target) => self.jump(*target, &view, &lists),
            Command::Sort(_) => {
                return vec![Intent::Tell("rows here stand in a fixed order".to_owned())];
            }
            _ => {}
        }
        Vec::new()
    }

    fn words(&self, see: &See<'_>) -> Vec<&'static str> {
        let Some(view) = self.id.as_ref().and_then(|id| see.world.instance(id)) else {
            return Vec::new();
        };
        let lists = Lists::of(see, &view);
        let judged = see.board.instance(&view.id);
        [
            ("instance", true),
            ("node", self.pane == Pane::Nodes && !lists.nodes.is_empty()),
            ("finding", judged.is_some_and(|j| !j.findings.is_empty())),
            (
                "ill",
                view.nodes.iter().any(|n| nodes::is_ill(see, &view, n)),
            ),
            ("master", view.engine_masters().next().is_some()),
            ("claim", !view.pvcs.is_empty()),
            ("event", !lists.events.is_empty()),
            ("rows", !lists.of_pane(self.pane).is_empty()),
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
        self.focus(Pane::Nodes);
        self.chosen.set(Pane::Nodes, Some(pod.to_owned()));
    }

    fn click(&mut self, column: u16, row: u16, see: &See<'_>) -> Vec<Intent> {
        let drawn = self.drawn.get();
        let hit = Pane::ALL
            .iter()
            .copied()
            .find(|pane| drawn.of(*pane).contains((column, row).into()));
        let Some(pane) = hit else { return Vec::new() };
        self.focus(pane);
        // A heading, and the headings of the columns, which findings do not have.
        let above = if pane == Pane::Findings { 1 } else { 2 };
        let line = usize::from(row - drawn.of(pane).y).checked_sub(above);
        let view = self.id.as_ref().and_then(|id| see.world.instance(id));
        if let (Some(line), Some(view), Some(window)) = (line, view, self.window(pane)) {
            let lists = Lists::of(see, &view);
            if let Some(name) = lists.of_pane(pane).get(window.offset() + line) {
                self.chosen.set(pane, Some(name.clone()));
            }
        }
        Vec::new()
    }

    fn view(&self, see: &See<'_>, area: Rect, buf: &mut Buffer) {
        let Some(id) = &self.id else { return };
        match see.world.instance(id) {
            Some(view) => self.view_instance(see, &view, area, buf),
            None => head::gone(see, id, area, buf),
        }
    }
}

impl Instance {
    fn focus(&mut self, pane: Pane) {
        self.pane = pane;
        if pane != Pane::Nodes {
            self.tab = Some(pane);
        }
    }

    /// The lower pane that is shown where only one can be: the one last used, else findings where there are any.
    fn tab(&self, see: &See<'_>) -> Pane {
        self.tab.unwrap_or_else(|| {
            let judged = self.id.as_ref().and_then(|id| see.board.instance(id));
            match judged {
                Some(j) if j.findings.is_empty() => Pane::Events,
                _ => Pane::Findings,
            }
        })
    }

    fn window(&self, pane: Pane) -> Option<&Window> {
        let at = Pane::ALL.iter().position(|p| *p == pane)?;
        self.windows.get(at)
    }

    fn turn_pane(&mut self, turn: Turn) {
        self.focus(self.pane.turned(turn));
    }

    /// Columns of the nodes; else the tab beside.
    fn scroll(&mut self, side: Side) {
        match (self.pane, side) {
            (Pane::Nodes, Side::Left) => self.shift = self.shift.saturating_sub(1),
            (Pane::Nodes, Side::Right) => {
                self.shift = (self.shift + 1).min(nodes::COLUMNS);
            }
            (pane, side) => {
                let turn = match side {
                    Side::Left => Turn::Previous,
                    Side::Right => Turn::Next,
                };
                let to = pane.turned(turn);
                if to != Pane::Nodes {
                    self.focus(to);
                }
            }
        }
    }

    fn move_by(&mut self, motion: Motion, lists: &Lists) {
        let names = lists.of_pane(self.pane);
        let Some(window) = self.window(self.pane) else {
            return;
        };
        let at = position(names, self.chosen.of(self.pane)).unwrap_or(0);
        let to = moved(at, motion, window.page(), names.len());
        self.chosen.set(self.pane, names.get(to).cloned());
    }

    fn find_ill(&mut self, turn: Turn, see: &See<'_>, view: &InstanceView<'_>) {
        self.focus(Pane::Nodes);
        let len = view.nodes.len();
        let names: Vec<String> = view.nodes.iter().map(|n| n.id.pod.to_string()).collect();
        let at = position(&names, self.chosen.of(Pane::Nodes)).unwrap_or(0);
        let found = (1..=len)
            .map(|step| match turn {
                Turn::Next => (at + step) % len,
                Turn::Previous => (at + len - step) % len,
            })
            .filter_map(|i| view.nodes.get(i))
            .find(|node| nodes::is_ill(see, view, node));
        if let Some(node) = found {
            self.chosen.set(Pane::Nodes, Some(node.id.pod.to_string()));
        }
    }

    fn explain(
        &self,
        command: &Command,
        id: &InstanceId,
        view: &InstanceView<'_>,
        lists: &Lists,
    ) -> Vec<Intent> {
        let chosen = self.selected_name(lists);
        if self.pane == Pane::Events && *command == Command::Open {
            // The row has no room for a long note.
            let events = view.events();
            let event = events
                .iter()
                .find(|e| chosen.is_some_and(|name| *e.value.meta.name == *name));
            return event
                .map(|e| Intent::Tell(format!("{}: {}", e.value.reason, e.value.note)))
                .into_iter()
                .collect();
        }
        let first = match self.pane {
            Pane::Findings => crate::checks::ALL
                .iter()
                .map(|check| check.id)
                .find(|check| chosen == Some(check)),
            _ => None,
        };
        vec![Intent::Explain(Subject::Instance(id.clone()), first)]
    }

    fn selected_name<'a>(&self, lists: &'a Lists) -> Option<&'a str> {
        let names = lists.of_pane(self.pane);
        let at = position(names, self.chosen.of(self.pane)).unwrap_or(0);
        names.get(at).map(String::as_str)
    }

    fn copy(&self, copied: Copied, see: &See<'_>, id: &InstanceId, lists: &Lists) -> Vec<Intent> {
        let here = format!("kubectl --context {} -n {}", id.context, id.namespace);
        let name = self.selected_name(lists);
        let kind = match self.pane {
            Pane::Nodes => Some("pod"),
            Pane::Storage => name.and_then(|name| lists.kind_of(name)),
            Pane::Findings | Pane::Events | Pane::Charts => None,
        };
        let (what, text) = match copied {
            Copied::Evidence => (
                Arc::from("evidence"),
                evidence_text(see, &Subject::Instance(id.clone())),
            ),
            Copied::Name => {
                let text = match (kind, name) {
                    (Some(_), Some(name)) => format!("{}/{name}", id.namespace),
                    _ => id.to_string(),
                };
                (Arc::from(text.as_str()), text)
            }
            Copied::Kubectl => {
                let text = match (kind, name, self.pane) {
                    (Some(kind), Some(name), _) => format!("{here} get {kind} {name} -o yaml"),
                    (_, _, Pane::Events) => {
                        format!("{here} get events --sort-by=.lastTimestamp")
                    }
                    _ => format!("{here} get dragonfly {} -o yaml", id.name),
                };
                (Arc::from("kubectl command"), text)
            }
        };
        vec![Intent::Copy(what, text)]
    }

    fn jump(&mut self, target: Target, view: &InstanceView<'_>, lists: &Lists) {
        match target {
            Target::Master => {
                self.focus(Pane::Nodes);
                let master = view.engine_masters().next();
                self.chosen
                    .set(Pane::Nodes, master.map(|n| n.id.pod.to_string()));
            }
            Target::Claim => {
                self.focus(Pane::Storage);
                self.chosen
                    .set(Pane::Storage, lists.storage.first().cloned());
            }
            Target::Event => {
                self.focus(Pane::Events);
                self.chosen.set(Pane::Events, lists.events.first().cloned());
            }
            Target::Finding => {
                self.focus(Pane::Findings);
                self.chosen
                    .set(Pane::Findings, lists.findings.first().cloned());
            }
        }
    }

    fn view_instance(&self, see: &See<'_>, view: &InstanceView<'_>, area: Rect, buf: &mut Buffer) {
        let wide = usize::from(area.width);
        let drawing = topology::lines(see, view, wide.min(120));
        let lists = Lists::of(see, view);
        let rows = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let wants = Wants {
            topology: rows(drawing.len()),
            nodes: rows(lists.nodes.len()),
            findings: rows(lists.findings.len().max(1)),
            storage: rows(lists.storage.len()),
        };
        let places = places(area, wants, self.pane, self.tab(see), see.zoomed);
        self.drawn.set(places);
        head::view(see, view, places.head, buf);
        if !places.topology.is_empty() {
            let inner = Panel::new("Topology")
                .right(as_of(see, view, Kind::EndpointSlice))
                .render(&see.look, places.topology, buf);
            let drawing = match drawing.is_empty() {
                true => vec![vec![Piece::muted(" nothing is known yet")]],
                false => drawing,
            };
            draw::lines(&drawing, &see.look, inner, buf);
        }
        for pane in Pane::ALL {
            let place = places.of(*pane);
            if !place.is_empty() {
                self.view_pane(*pane, places.tabbed, see, view, &lists, place, buf);
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "what a pane is drawn from; a struct of it would be made for one call"
    )]
    fn view_pane(
        &self,
        pane: Pane,
        tabbed: bool,
        see: &See<'_>,
        view: &InstanceView<'_>,
        lists: &Lists,
        area: Rect,
        buf: &mut Buffer,
    ) {
        let focused = self.pane == pane && see.has_keyboard;
        let mut panel = Panel::new(pane.title()).focused(focused);
        if tabbed && pane == self.tab(see) {
            panel = panel.right(tabs(pane, lists));
        } else if pane == Pane::Charts {
            let node = charts::charted(view).map(|n| n.id.pod.to_string());
            panel = panel.right(vec![Piece::muted(node.unwrap_or_default())]);
        } else if let Some(kind) = pane.rests_on() {
            panel = panel.right(as_of(see, view, kind));
        }
        let inner = panel.render(&see.look, area, buf);
        if pane == Pane::Charts {
            charts::view(see, view, inner, buf);
            return;
        }
        let Some(window) = self.window(pane) else {
            return;
        };
        let names = lists.of_pane(pane);
        let (columns, rows, empty) = content::of(pane, see, view, lists);
        let row = |at: usize| rows(at);
        let at = position(names, self.chosen.of(pane)).or((!names.is_empty()).then_some(0));
        let table = Table::new(&columns, names.len(), &row)
            .selected(at.filter(|_| self.pane == pane))
            .focused(focused)
            .shifted(if pane == Pane::Nodes { self.shift } else { 0 })
            .when_empty(&empty);
        match pane {
            Pane::Findings => table.without_header(),
            _ => table,
        }
        .render(window, &see.look, inner, buf);
    }
}

/// How old a pane is whose facts are not followed any more; nothing while they are.
fn as_of(see: &See<'_>, view: &InstanceView<'_>, kind: Kind) -> Vec<Piece> {
    view.stale_since(kind)
        .map(|at| Piece::new(format!("as of {} ago", see.age(at)), Tone::Stale))
        .into_iter()
        .collect()
}

/// The lower panes by name, with how much is in each; the one that is shown stands out.
fn tabs(shown: Pane, lists: &Lists) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for pane in Pane::ALL.iter().skip(1) {
        if !pieces.is_empty() {
            pieces.push(Piece::muted("  "));
        }
        let tone = if *pane == shown {
            Tone::Accent
        } else {
            Tone::Muted
        };
        let count = match pane {
            Pane::Charts => String::new(),
            pane => format!(" {}", lists.of_pane(*pane).len()),
        };
        let text = format!("{}{count}", pane.title().to_lowercase());
        pieces.push(Piece::new(text, tone));
    }
    pieces
}

/// Why a kind cannot be read for this instance; `None` when it can.
fn unread(view: &InstanceView<'_>, kind: Kind) -> Option<String> {
    let source = view.context.source(kind, &view.id.namespace);
    match source.and_then(|source| source.access.as_ref()) {
        Some(Access::Denied(fault) | Access::Broken(fault)) => {
            let hint = match fault.hint.as_str() {
                "" => String::new(),
                hint => format!(" ({hint})"),
            };
            Some(format!("{}: {}{hint}", kind.words(), fault.message))
        }
        Some(Access::Absent) => Some(format!("{}: the API server has none", kind.words())),
        Some(Access::Live) => None,
        None if source.is_none_or(|source| source.listed.is_none()) => {
            Some(format!("{}: not listed yet", kind.words()))
        }
        None => None,
    }
}

fn position(names: &[String], chosen: Option<&str>) -> Option<usize> {
    let chosen = chosen?;
    names.iter().position(|name| name == chosen)
}
