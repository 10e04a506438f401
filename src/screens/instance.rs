//! Instance: one `Dragonfly` and all that belongs to it: where traffic goes, who is what by whose word, storage,
//! findings, events, charts, who uses it, what was slow, where bytes wait, and what changed.

mod buffers;
mod charts;
mod clients;
mod content;
mod events;
pub(super) mod head;
mod layout;
mod nodes;
mod pane;
mod selection;
mod slow_log;
mod storage;
pub(super) mod topology;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::fleet::evidence_text;
use super::parts::{See, changes, moved, row_in_full};
use super::{Fresh, Intent, Screen, ScreenDoc};
use crate::checks::{Subject, Topic};
use crate::domain::consumers::{self, Consumers, consumers};
use crate::domain::timeline::{Change, timeline};
use crate::domain::{Access, InstanceId, InstanceView, Kind, Want};
use crate::msg::Command;
use crate::msg::command::{Copied, Motion, Side, Target, Turn};
use crate::settings::{Glyph, Tone};
use crate::widgets::{Panel, Piece, Table, Window, draw};
use layout::{Places, Wants, places};
use pane::{Pane, tabs};
use selection::Lists;

/// Instance.
pub const SCREEN: ScreenDoc = ScreenDoc {
    id: "instance",
    title: "Instance",
    doc: "one instance: topology, nodes, storage, findings, events, charts, clients, slow log, history",
    about_instance: true,
    make: || Box::new(Instance::default()),
};

/// The screen.
#[derive(Debug, Default)]
struct Instance {
    id: Option<InstanceId>,
    pane: Pane,
    /// The lower panes that had the keyboard, the last one first: where only one can be shown it is the first of these.
    recent: Vec<Pane>,
    /// What is selected in each pane, by name.
    chosen: [Option<String>; Pane::ALL.len()],
    windows: [Window; Pane::ALL.len()],
    shift: usize,
    worked: Worked,
    drawn: Cell<Places>,
}

/// What is worked out when something changed, rather than for each frame.
#[derive(Debug, Default)]
struct Worked {
    consumers: Consumers,
    changes: Vec<Change>,
}

impl Screen for Instance {
    fn refresh(&mut self, see: &See<'_>, fresh: &Fresh) -> bool {
        let Some(id) = &self.id else { return true };
        let Some(view) = see.world.instance(id) else {
            return true;
        };
        let differs = fresh.everything
            || fresh.sieved
            || fresh.judged
            || fresh.touched.shown
            || fresh.touched.instances.contains(id)
            || !fresh.touched.links.is_empty()
            || fresh.touched.operators.contains(&id.context);
        // The rest is worked out when it is drawn: it is one instance only.
        if differs {
            self.worked = Worked {
                consumers: consumers(see.world, &view),
                changes: timeline(&view),
            };
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
        let lists = Lists::of(see, &view, &self.worked);
        match command {
            Command::Move(motion) => self.move_by(*motion, &lists),
            Command::Pane(turn) => self.turn_pane(*turn),
            Command::Scroll(side) => self.scroll(*side),
            Command::Find(turn) => self.find_ill(*turn, see, &view),
            Command::Open | Command::Explain => {
                return self.explain(command, see, &id, &view, &lists);
            }
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
        let lists = Lists::of(see, &view, &self.worked);
        let judged = see.board.instance(&view.id);
        [
            ("instance", true),
            (
                "node",
                self.pane == Pane::Nodes && !lists.of_pane(Pane::Nodes).is_empty(),
            ),
            ("finding", judged.is_some_and(|j| !j.findings.is_empty())),
            (
                "ill",
                view.nodes.iter().any(|n| nodes::is_ill(see, &view, n)),
            ),
            ("master", view.engine_masters().next().is_some()),
            ("claim", !view.pvcs.is_empty()),
            ("event", !lists.of_pane(Pane::Events).is_empty()),
            ("change", !lists.of_pane(Pane::History).is_empty()),
            // What is not known of clients is told there, too.
            ("client", true),
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

    fn wants(&self, see: &See<'_>) -> BTreeSet<Want> {
        // Whose an address is, is told by pods of all contexts: they are read while that is looked at.
        let drawn = self.drawn.get();
        let looks = Pane::USED.contains(&self.pane)
            || Pane::USED.iter().any(|pane| !drawn.of(*pane).is_empty());
        match looks {
            true => consumers::wants(see.world),
            false => BTreeSet::new(),
        }
    }

    fn selected_pod(&self, see: &See<'_>) -> Option<String> {
        let view = see.world.instance(self.id.as_ref()?)?;
        let lists = Lists::of(see, &view, &self.worked);
        let name = (self.pane == Pane::Nodes).then(|| self.selected_name(&lists))?;
        name.map(str::to_owned)
    }

    fn select_node(&mut self, pod: &str) {
        self.focus(Pane::Nodes);
        self.choose(Pane::Nodes, Some(pod.to_owned()));
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
            let lists = Lists::of(see, &view, &self.worked);
            let at = window.row_at(line);
            if let Some(name) = at.and_then(|at| lists.of_pane(pane).get(at)) {
                self.choose(pane, Some(name.clone()));
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
            self.recent.retain(|other| *other != pane);
            self.recent.insert(0, pane);
        }
    }

    /// Which of some panes is shown where only one can be: the one last used; else findings where there are any, else
    /// events, where these are among them.
    fn turn(&self, of: &[Pane], see: &See<'_>) -> Pane {
        let recent = self.recent.iter().find(|pane| of.contains(pane));
        let judged = self.id.as_ref().and_then(|id| see.board.instance(id));
        let usual = match judged {
            Some(j) if j.findings.is_empty() => Pane::Events,
            _ => Pane::Findings,
        };
        let usual = of.iter().find(|pane| **pane == usual);
        recent
            .or(usual)
            .or_else(|| of.first())
            .copied()
            .unwrap_or_default()
    }

    fn chosen(&self, pane: Pane) -> Option<&str> {
        self.chosen.get(pane.index())?.as_deref()
    }

    fn choose(&mut self, pane: Pane, name: Option<String>) {
        if let Some(chosen) = self.chosen.get_mut(pane.index()) {
            *chosen = name;
        }
    }

    /// Where a pane is scrolled to; charts are not.
    fn window(&self, pane: Pane) -> Option<&Window> {
        match pane {
            Pane::Charts => None,
            pane => self.windows.get(pane.index()),
        }
    }

    fn turn_pane(&mut self, turn: Turn) {
        self.focus(self.pane.turned(turn));
    }

    /// Columns of the nodes; else the tab beside.
    fn scroll(&mut self, side: Side) {
        match (self.pane, side) {
            (Pane::Nodes, Side::Left) => self.shift = self.shift.saturating_sub(1),
            (Pane::Nodes, Side::Right) => {
                let more = self.window(Pane::Nodes).is_some_and(Window::has_more_right);
                self.shift += usize::from(more);
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
        let at = position(names, self.chosen(self.pane)).unwrap_or(0);
        let to = moved(at, motion, window.page(), names.len());
        self.choose(self.pane, names.get(to).cloned());
    }

    fn find_ill(&mut self, turn: Turn, see: &See<'_>, view: &InstanceView<'_>) {
        self.focus(Pane::Nodes);
        let len = view.nodes.len();
        let names: Vec<String> = view.nodes.iter().map(|n| n.id.pod.to_string()).collect();
        let at = position(&names, self.chosen(Pane::Nodes)).unwrap_or(0);
        let found = (1..=len)
            .map(|step| match turn {
                Turn::Next => (at + step) % len,
                Turn::Previous => (at + len - step) % len,
            })
            .filter_map(|i| view.nodes.get(i))
            .find(|node| nodes::is_ill(see, view, node));
        if let Some(node) = found {
            self.choose(Pane::Nodes, Some(node.id.pod.to_string()));
        }
    }

    fn explain(
        &self,
        command: &Command,
        see: &See<'_>,
        id: &InstanceId,
        view: &InstanceView<'_>,
        lists: &Lists,
    ) -> Vec<Intent> {
        let chosen = self.selected_name(lists);
        let told = match (self.pane, command) {
            (Pane::History, Command::Open) => self
                .worked
                .changes
                .iter()
                .find(|change| chosen == Some(changes::name(change).as_str()))
                .map(|change| changes::in_full(see, change)),
            (Pane::Clients | Pane::SlowLog | Pane::Buffers, Command::Open) => {
                chosen.and_then(|name| self.row_in_full(name, see, view, lists))
            }
            _ => None,
        };
        if let Some(told) = told {
            return vec![Intent::Tell(told)];
        }
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
        let findings = see.board.instance(id).map_or(&[][..], |j| &j.findings);
        let finding = findings
            .iter()
            .find(|f| self.pane == Pane::Findings && chosen == Some(f.check));
        // Opened, a node tells of itself, and so does a finding that speaks of one node only; `explain` tells of all.
        let pod = match (self.pane, command) {
            (Pane::Nodes, Command::Open) => chosen,
            (Pane::Findings, Command::Open) => match finding.map(|f| f.about.as_slice()) {
                Some([only]) => Some(only.as_str()),
                _ => None,
            },
            _ => None,
        };
        let pod = pod.filter(|pod| view.nodes.iter().any(|node| *node.id.pod == **pod));
        let topic = match pod {
            Some(pod) => Topic::node(id, pod),
            None => Subject::Instance(id.clone()).into(),
        };
        vec![Intent::Explain(topic, finding.map(|f| f.check))]
    }

    /// Every cell of a row with its heading: columns that have no room are told so.
    fn row_in_full(
        &self,
        name: &str,
        see: &See<'_>,
        view: &InstanceView<'_>,
        lists: &Lists,
    ) -> Option<String> {
        let at = position(lists.of_pane(self.pane), Some(name))?;
        let (columns, rows, _) = content::of(self.pane, see, view, lists, &self.worked);
        Some(row_in_full(see, &columns, &rows(at)))
    }

    fn selected_name<'a>(&self, lists: &'a Lists) -> Option<&'a str> {
        let names = lists.of_pane(self.pane);
        let at = position(names, self.chosen(self.pane)).unwrap_or(0);
        names.get(at).map(String::as_str)
    }

    fn copy(&self, copied: Copied, see: &See<'_>, id: &InstanceId, lists: &Lists) -> Vec<Intent> {
        let here = format!("kubectl --context {} -n {}", id.context, id.namespace);
        let name = self.selected_name(lists);
        let kind = match self.pane {
            Pane::Nodes => Some("pod"),
            Pane::Storage => name.and_then(|name| lists.kind_of(name)),
            _ => None,
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
                    (_, _, Pane::Events | Pane::History) => {
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
                self.choose(Pane::Nodes, master.map(|n| n.id.pod.to_string()));
            }
            Target::Claim => self.go_first(Pane::Storage, lists),
            Target::Event => self.go_first(Pane::Events, lists),
            Target::Finding => self.go_first(Pane::Findings, lists),
            Target::Change => self.go_first(Pane::History, lists),
            Target::Client => self.go_first(Pane::Clients, lists),
        }
    }

    /// Gives a pane the keyboard, and selects its first row.
    fn go_first(&mut self, pane: Pane, lists: &Lists) {
        self.focus(pane);
        self.choose(pane, lists.of_pane(pane).first().cloned());
    }

    fn view_instance(&self, see: &See<'_>, view: &InstanceView<'_>, area: Rect, buf: &mut Buffer) {
        let head = head::lines(see, view, usize::from(area.width));
        let wide = usize::from(layout::topology_width(area.width));
        let drawing = topology::lines(see, view, wide);
        let lists = Lists::of(see, view, &self.worked);
        let rows = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let findings = lists.of_pane(Pane::Findings).len().max(1);
        let wants = Wants {
            head: rows(head.len()),
            topology: rows(topology::wrapped(&drawing, wide).len()),
            nodes: rows(lists.of_pane(Pane::Nodes).len()),
            findings: match findings > usize::from(area.height) {
                true => area.height,
                // As it will be where panes stand side by side, too.
                false => self.with_pane(Pane::Findings, see, view, &lists, |table| {
                    rows(table.wanted(layout::findings_width(area.width)).max(1))
                }),
            },
            storage: rows(lists.of_pane(Pane::Storage).len()),
        };
        let turn = |of: &[Pane]| self.turn(of, see);
        let places = places(area, wants, self.pane, &turn, see.zoomed);
        self.drawn.set(places);
        head::view(see, view, &head, places.head, buf);
        if !places.topology.is_empty() {
            let inner = Panel::new("Topology")
                .right(as_of(see, view, Kind::EndpointSlice))
                .render(&see.look, places.topology, buf);
            let wrapped = topology::wrapped(&drawing, usize::from(inner.width));
            let drawing = match drawing.is_empty() {
                true => vec![vec![Piece::muted(" nothing is known yet")]],
                // A second line for what is long, unless a node had to go for it.
                false if wrapped.len() <= usize::from(inner.height) => wrapped,
                false => drawing,
            };
            draw::lines(&drawing, &see.look, inner, buf);
        }
        for pane in Pane::ALL {
            let place = places.of(*pane);
            if !place.is_empty() {
                self.view_pane(*pane, places.turns(*pane), see, view, &lists, place, buf);
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
        turns: &[Pane],
        see: &See<'_>,
        view: &InstanceView<'_>,
        lists: &Lists,
        area: Rect,
        buf: &mut Buffer,
    ) {
        let focused = self.pane == pane && see.has_keyboard;
        let inner = Panel::inside(area);
        let mut age = Vec::new();
        if let Some(kind) = pane.rests_on() {
            age = as_of(see, view, kind);
        } else if matches!(pane, Pane::Clients | Pane::SlowLog | Pane::Buffers) {
            age = told_ago(see, view, pane);
        }
        let mut place = None;
        if pane == Pane::Charts {
            charts::view(see, view, inner, buf);
        } else if let Some(window) = self.window(pane) {
            let names = lists.of_pane(pane);
            let at = position(names, self.chosen(pane)).or((!names.is_empty()).then_some(0));
            self.with_pane(pane, see, view, lists, |table| {
                table
                    .selected(at.filter(|_| self.pane == pane))
                    .focused(focused)
                    .render(window, &see.look, inner, buf);
            });
            place = window.place(names.len(), see.sign(Glyph::Dash));
        }
        let is_turn = pane == self.turn(turns, see) || see.zoomed;
        let mut right = match turns {
            [_, ..] if is_turn => {
                let taken = draw::width(pane.title())
                    + place.as_deref().map_or(0, |place| draw::width(place) + 2)
                    + match age.is_empty() {
                        true => 0,
                        false => draw::line_width(&age) + 2,
                    };
                tabs(
                    pane,
                    turns,
                    lists,
                    usize::from(area.width).saturating_sub(taken + 7),
                    see.sign(Glyph::Ellipsis),
                )
            }
            _ => match pane {
                Pane::Charts => {
                    let node = charts::charted(view).map(|n| n.id.pod.to_string());
                    vec![Piece::muted(node.unwrap_or_default())]
                }
                Pane::Clients => clients::summary(view, &self.worked.consumers),
                _ => Vec::new(),
            },
        };
        if !age.is_empty() && !right.is_empty() {
            age.push(Piece::text("  "));
        }
        right.splice(0..0, age);
        Panel::new(pane.title())
            .focused(focused)
            .right(right)
            .place(place)
            .render(&see.look, area, buf);
    }

    /// Does something with the table of a pane.
    fn with_pane<T>(
        &self,
        pane: Pane,
        see: &See<'_>,
        view: &InstanceView<'_>,
        lists: &Lists,
        then: impl FnOnce(Table<'_>) -> T,
    ) -> T {
        let (columns, rows, empty) = content::of(pane, see, view, lists, &self.worked);
        let row = |at: usize| rows(at);
        let table = Table::new(&columns, lists.of_pane(pane).len(), &row).when_empty(&empty);
        then(match pane {
            Pane::Nodes => table.shifted(self.shift).marking(see.filter.words()),
            // No filter hides findings, so none marks anything in them.
            Pane::Findings => table.without_header().wrapped(3),
            _ => table.wrapped(2).marking(see.filter.words()),
        })
    }
}

/// How old a pane is whose facts are not followed any more; nothing while they are.
fn as_of(see: &See<'_>, view: &InstanceView<'_>, kind: Kind) -> Vec<Piece> {
    view.stale_since(kind)
        .map(|at| Piece::new(format!("as of {} ago", see.age(at)), Tone::Stale))
        .into_iter()
        .collect()
}

/// How long ago the nodes last told what a pane shows, when that is longer than it should be.
fn told_ago(see: &See<'_>, view: &InstanceView<'_>, pane: Pane) -> Vec<Piece> {
    let oldest = view
        .nodes
        .iter()
        .filter_map(|node| {
            let engine = node.engine?;
            match pane {
                Pane::SlowLog => engine.slow_log.as_ref().map(|known| known.at),
                Pane::Buffers => engine.memory.as_ref().map(|known| known.at),
                _ => engine.client_list.as_ref().map(|known| known.at),
            }
        })
        .min();
    oldest
        .filter(|at| see.is_older(*at, see.period()))
        .map(|at| {
            let text = format!("in part as of {} ago", see.age(at));
            Piece::new(text, Tone::Stale)
        })
        .into_iter()
        .collect()
}

/// Why a kind cannot be read for this instance; `None` when it can.
fn unread(view: &InstanceView<'_>, kind: Kind) -> Option<String> {
    let source = view.context.source(kind, &view.id.namespace);
    match source.and_then(|source| source.access.as_ref()) {
        Some(Access::Denied(fault) | Access::Broken(fault)) => {
            let fault = fault.in_full(&view.id.context);
            Some(format!("{}: {fault}", kind.words()))
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
