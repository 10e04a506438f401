//! Fleet: every instance of every open context, worst first, and what needs attention.

mod attention;
mod columns;
mod row;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::parts::{See, moved};
use super::{Fresh, Intent, Screen, ScreenDoc};
use crate::checks::Subject;
use crate::domain::{ContextId, InstanceId};
use crate::msg::Command;
use crate::msg::command::{Copied, Motion, Side, Sorting, Target, Turn};
use crate::settings::Tone;
use crate::settings::problem::suggestion;
use crate::widgets::{Panel, Piece, Table, Window, draw};
use attention::Notice;
pub(crate) use attention::evidence_text;
use columns::Fit;
use row::{Aged, FleetRow, RowKey};

/// Fleet.
pub const SCREEN: ScreenDoc = ScreenDoc {
    id: "fleet",
    title: "Fleet",
    doc: "every instance of every open context, worst first, and what needs attention",
    about_instance: false,
    make: || Box::new(Fleet::default()),
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Pane {
    #[default]
    Table,
    Attention,
}

/// The screen.
#[derive(Debug)]
struct Fleet {
    rows: BTreeMap<RowKey, FleetRow>,
    /// What is shown, in order.
    order: Vec<RowKey>,
    selected: Option<RowKey>,
    /// The reader has moved the selection; until then it stands on the first row, which is the worst.
    is_chosen: bool,
    /// The longest names, see [`Fit`].
    longest: (u16, u16, u16),
    notices: Vec<Notice>,
    noticed: Option<(Subject, &'static str)>,
    pane: Pane,
    sort: (&'static str, bool),
    shift: usize,
    window: Window,
    attention: Window,
    /// Where the two lists were drawn, for the mouse.
    drawn: Cell<(Rect, Rect)>,
}

impl Default for Fleet {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            order: Vec::new(),
            selected: None,
            is_chosen: false,
            longest: (0, 0, 0),
            notices: Vec::new(),
            noticed: None,
            pane: Pane::default(),
            sort: ("state", true),
            shift: 0,
            window: Window::default(),
            attention: Window::default(),
            drawn: Cell::default(),
        }
    }
}

impl Screen for Fleet {
    fn refresh(&mut self, see: &See<'_>, fresh: &Fresh) -> bool {
        // Which contexts are shown can change with any of them: a twin is found out when it tells who it is.
        let mut changed = if fresh.everything || !fresh.touched.links.is_empty() {
            self.rebuild(see)
        } else {
            self.rework(see, &fresh.touched.instances)
        };
        if fresh.judged {
            changed |= self.rejudge(see);
        }
        if fresh.everything || fresh.judged || !fresh.touched.links.is_empty() {
            let notices: Vec<Notice> = see
                .board
                .attention(see.world)
                .into_iter()
                .map(Notice::of)
                .collect();
            changed |= notices != self.notices;
            self.notices = notices;
        }
        if changed || fresh.everything || fresh.sieved {
            self.arrange(see);
        }
        changed || fresh.sieved
    }

    fn on(&mut self, command: &Command, see: &See<'_>) -> Vec<Intent> {
        match command {
            Command::Move(motion) => self.move_by(*motion),
            Command::Open => {
                self.is_chosen = true;
                return self.open();
            }
            Command::Pane(_) => {
                self.pane = match self.pane {
                    Pane::Table => Pane::Attention,
                    Pane::Attention => Pane::Table,
                };
            }
            Command::Scroll(Side::Left) => self.shift = self.shift.saturating_sub(1),
            Command::Scroll(Side::Right) => {
                self.shift = (self.shift + 1).min(columns::ids().len());
            }
            Command::Sort(sorting) => return self.sort_by(sorting, see),
            Command::Find(turn) => self.find_ill(*turn),
            Command::Explain => {
                if let Some((subject, check)) = self.subject() {
                    return vec![Intent::Explain(subject, check)];
                }
            }
            Command::Copy(copied) => return self.copy(*copied, see).into_iter().collect(),
            Command::Jump(Target::Finding) => {
                self.pane = Pane::Attention;
                self.noticed = self.notices.first().map(|n| (n.subject.clone(), n.check));
            }
            _ => {}
        }
        Vec::new()
    }

    fn words(&self, _: &See<'_>) -> Vec<&'static str> {
        let row = self.row();
        let on_list = self.pane == Pane::Attention;
        let is_instance = match self.subject() {
            Some((Subject::Instance(_), _)) => true,
            Some(_) | None => false,
        };
        [
            ("instance", is_instance),
            (
                "finding",
                on_list && !self.notices.is_empty() || row.is_some_and(FleetRow::is_ill),
            ),
            (
                "ill",
                self.order
                    .iter()
                    .any(|key| self.rows.get(key).is_some_and(FleetRow::is_ill)),
            ),
            (
                "rows",
                if on_list {
                    !self.notices.is_empty()
                } else {
                    row.is_some()
                },
            ),
            ("columns", !on_list),
        ]
        .into_iter()
        .filter_map(|(word, holds)| holds.then_some(word))
        .collect()
    }

    fn selected(&self) -> Option<InstanceId> {
        match self.subject()? {
            (Subject::Instance(id), _) => Some(id),
            _ => None,
        }
    }

    fn click(&mut self, column: u16, row: u16, _: &See<'_>) -> Vec<Intent> {
        let (table, list) = self.drawn.get();
        let inside = |area: Rect| {
            let hit = area.contains((column, row).into());
            hit.then(|| usize::from(row - area.y))
        };
        if let Some(at) = inside(table) {
            self.pane = Pane::Table;
            self.is_chosen = true;
            let key = self.order.get(self.window.offset() + at).cloned();
            self.selected = key.or_else(|| self.selected.take());
        } else if let Some(at) = inside(list) {
            self.pane = Pane::Attention;
            if let Some(notice) = self.notices.get(self.attention.offset() + at) {
                self.noticed = Some((notice.subject.clone(), notice.check));
            }
        }
        Vec::new()
    }

    fn view(&self, see: &See<'_>, area: Rect, buf: &mut Buffer) {
        let (table, list) = self.layout(see.zoomed, see.hint.is_some(), area);
        let body = self.view_table(see, table, buf);
        let lines = self.view_attention(see, list, buf);
        self.drawn.set((body, lines));
    }
}

impl Fleet {
    /// Works every row out again. Returns whether any differs.
    fn rebuild(&mut self, see: &See<'_>) -> bool {
        let mut rows = BTreeMap::new();
        for context in see.world.shown_contexts() {
            let mut has_any = false;
            for id in context.instances() {
                if let Some(view) = see.world.instance(&id) {
                    has_any = true;
                    let row = FleetRow::of_instance(see, &view);
                    rows.insert(row.key.clone(), row);
                }
            }
            if !has_any {
                let row = FleetRow::of_context(see, context);
                rows.insert(row.key.clone(), row);
            }
        }
        let changed = rows != self.rows;
        self.rows = rows;
        changed
    }

    /// Works the rows of some instances out again. Returns whether any differs.
    fn rework(&mut self, see: &See<'_>, instances: &BTreeSet<InstanceId>) -> bool {
        let mut changed = false;
        let mut contexts: BTreeSet<&ContextId> = BTreeSet::new();
        for id in instances {
            if see.world.twin(&id.context).is_some() {
                continue;
            }
            let key = RowKey::Instance(id.clone());
            match see.world.instance(id) {
                Some(view) => {
                    let row = FleetRow::of_instance(see, &view);
                    if self.rows.get(&key) != Some(&row) {
                        changed = true;
                        contexts.insert(&id.context);
                        self.rows.insert(key, row);
                    }
                }
                None => {
                    contexts.insert(&id.context);
                    changed |= self.rows.remove(&key).is_some();
                }
            }
        }
        // A context's first instance takes the place of its row, its last one gives it back.
        for id in contexts {
            let Some(context) = see.world.context(id) else {
                continue;
            };
            let key = RowKey::Context(id.clone());
            if context.dragonflies.is_empty() {
                changed |= self
                    .rows
                    .insert(key, FleetRow::of_context(see, context))
                    .is_none();
            } else {
                changed |= self.rows.remove(&key).is_some();
            }
        }
        changed
    }

    /// Works those rows out again whose judgement changed. Returns whether any did.
    fn rejudge(&mut self, see: &See<'_>) -> bool {
        let outdated: BTreeSet<InstanceId> = self
            .rows
            .values()
            .filter_map(|row| match &row.key {
                RowKey::Instance(id) if !row.shows(see.board.instance(id)) => Some(id.clone()),
                _ => None,
            })
            .collect();
        self.rework(see, &outdated)
    }

    /// Filters and sorts, and keeps the selection where it is: on its row if that is still shown, else on the row that
    /// has taken its place.
    fn arrange(&mut self, see: &See<'_>) {
        let at = self.position();
        let places: BTreeMap<&ContextId, usize> = see
            .world
            .contexts()
            .enumerate()
            .map(|(place, context)| (&context.id, place))
            .collect();
        let mut shown: Vec<&FleetRow> = self
            .rows
            .values()
            .filter(|row| !see.ill_only || row.is_ill())
            .filter(|row| see.filter.shows(&Aged { row, now: see.now }))
            .collect();
        let (column, descending) = self.sort;
        // Rows that are equal by the column stand by context and name, so that they never change places by chance.
        shown.sort_by(|a, b| {
            let place = |row: &FleetRow| places.get(row.key.context()).copied();
            a.order(b, column, descending)
                .then_with(|| place(a).cmp(&place(b)))
                .then_with(|| a.key.cmp(&b.key))
        });
        let longest = |name: fn(&FleetRow) -> usize| {
            let longest = self.rows.values().map(name).max().unwrap_or(0);
            u16::try_from(longest).unwrap_or(u16::MAX)
        };
        self.longest = (
            longest(|row| draw::width(row.key.context().as_str())),
            longest(|row| row.instance_width().0),
            longest(|row| row.instance_width().1),
        );
        self.order = shown.into_iter().map(|row| row.key.clone()).collect();
        if !self.is_chosen {
            self.selected = None;
        }
        let is_shown = self
            .selected
            .as_ref()
            .is_some_and(|key| self.order.contains(key));
        if !is_shown {
            let last = self.order.len().saturating_sub(1);
            self.selected = self.order.get(at.unwrap_or(0).min(last)).cloned();
        }
    }

    fn position(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.order.iter().position(|key| key == selected)
    }

    fn notice_position(&self) -> Option<usize> {
        let found = self
            .noticed
            .as_ref()
            .and_then(|(subject, check)| self.notices.iter().position(|n| n.is(subject, check)));
        found.or((!self.notices.is_empty()).then_some(0))
    }

    fn row(&self) -> Option<&FleetRow> {
        self.rows.get(self.selected.as_ref()?)
    }

    /// What is selected, and by which finding.
    fn subject(&self) -> Option<(Subject, Option<&'static str>)> {
        match self.pane {
            Pane::Attention => {
                let notice = self.notices.get(self.notice_position()?)?;
                Some((notice.subject.clone(), Some(notice.check)))
            }
            Pane::Table => Some((
                match self.selected.clone()? {
                    RowKey::Instance(id) => Subject::Instance(id),
                    RowKey::Context(id) => Subject::Context(id),
                },
                None,
            )),
        }
    }

    fn move_by(&mut self, motion: Motion) {
        match self.pane {
            Pane::Table => {
                self.is_chosen = true;
                let at = self.position().unwrap_or(0);
                let to = moved(at, motion, self.window.page(), self.order.len());
                self.selected = self.order.get(to).cloned();
            }
            Pane::Attention => {
                let at = self.notice_position().unwrap_or(0);
                let to = moved(at, motion, self.attention.page(), self.notices.len());
                self.noticed = self.notices.get(to).map(|n| (n.subject.clone(), n.check));
            }
        }
    }

    fn find_ill(&mut self, turn: Turn) {
        self.pane = Pane::Table;
        self.is_chosen = true;
        let len = self.order.len();
        let at = self.position().unwrap_or(0);
        let is_ill = |at: &usize| {
            let row = self.order.get(*at).and_then(|key| self.rows.get(key));
            row.is_some_and(FleetRow::is_ill)
        };
        let found = (1..=len)
            .map(|step| match turn {
                Turn::Next => (at + step) % len,
                Turn::Previous => (at + len - step) % len,
            })
            .find(is_ill);
        if let Some(to) = found {
            self.selected = self.order.get(to).cloned();
        }
    }

    fn open(&self) -> Vec<Intent> {
        match self.subject() {
            Some((Subject::Instance(id), _)) => vec![Intent::Show(id)],
            Some((subject, check)) => vec![Intent::Explain(subject, check)],
            None => Vec::new(),
        }
    }

    fn sort_by(&mut self, sorting: &Sorting, see: &See<'_>) -> Vec<Intent> {
        let columns = columns::ids();
        let (column, descending) = self.sort;
        let at = columns.iter().position(|id| *id == column).unwrap_or(0);
        let to = match sorting {
            Sorting::Left => at.checked_sub(1).unwrap_or(columns.len() - 1),
            Sorting::Right => (at + 1) % columns.len(),
            Sorting::Reverse => {
                self.sort = (column, !descending);
                self.arrange(see);
                return Vec::new();
            }
            Sorting::By(name) => match columns.iter().position(|id| *id == &**name) {
                Some(at) => at,
                None => {
                    let near = suggestion(name, columns.iter().copied());
                    return vec![Intent::Tell(format!("there is no column `{name}`; {near}"))];
                }
            },
        };
        if let Some(column) = columns.get(to) {
            self.sort = (column, columns::descends_first(column));
            self.arrange(see);
        }
        Vec::new()
    }

    fn copy(&self, copied: Copied, see: &See<'_>) -> Option<Intent> {
        let (subject, _) = self.subject()?;
        Some(match copied {
            Copied::Name => {
                let name = match &subject {
                    Subject::Instance(id) => id.to_string(),
                    Subject::Context(id) | Subject::Operator(id) => id.to_string(),
                };
                Intent::Copy(Arc::from(name.as_str()), name)
            }
            Copied::Kubectl => {
                let text = match &subject {
                    Subject::Instance(id) => format!(
                        "kubectl --context {} -n {} get dragonfly {} -o yaml",
                        id.context, id.namespace, id.name
                    ),
                    Subject::Context(id) | Subject::Operator(id) => {
                        format!("kubectl --context {id} get dragonflies -A")
                    }
                };
                Intent::Copy(Arc::from("kubectl command"), text)
            }
            Copied::Evidence => {
                let text = evidence_text(see, &subject);
                Intent::Copy(Arc::from("evidence"), text)
            }
        })
    }

    /// The areas of the table and of the attention list, headings included.
    fn layout(&self, zoomed: bool, has_hint: bool, area: Rect) -> (Rect, Rect) {
        let none = Rect { height: 0, ..area };
        if zoomed {
            return match self.pane {
                Pane::Table => (area, none),
                Pane::Attention => (none, area),
            };
        }
        // The table takes the rows that it needs, with room for a hint beneath; attention stands below it and has as
        // many lines as there are findings, up to a third of the screen where both cannot be shown in full.
        let rows = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let hint = u16::from(has_hint) * 3;
        let table = rows(self.order.len().max(1)).saturating_add(3 + hint);
        let wanted = rows(self.notices.len()).saturating_add(1);
        let list = wanted
            .min(area.height / 3)
            .max(area.height.saturating_sub(table));
        let table = Rect {
            height: area.height - list,
            ..area
        };
        (table, draw::below(area, table.height))
    }

    fn view_table(&self, see: &See<'_>, area: Rect, buf: &mut Buffer) -> Rect {
        if area.is_empty() {
            return area;
        }
        let focused = self.pane == Pane::Table && see.has_keyboard;
        let inner = Panel::new("Fleet")
            .focused(focused)
            .right(self.summary(see))
            .render(&see.look, area, buf);
        let old = |row: &FleetRow| columns::old_since(see, row).is_some();
        let columns = columns::columns(Fit {
            longest: self.longest,
            several_contexts: see.world.shown_contexts().count() > 1,
            any_old: self.rows.values().any(old),
        });
        let row = |at: usize| {
            let row = self.order.get(at).and_then(|key| self.rows.get(key));
            row.map(|row| columns::cells(see, row)).unwrap_or_default()
        };
        let (column, descending) = self.sort;
        Table::new(&columns, self.order.len(), &row)
            .selected(self.position())
            .focused(focused)
            .sorted(column, descending)
            .shifted(self.shift)
            .when_empty(self.empty_words(see))
            .render(&self.window, &see.look, inner, buf);
        if let Some(hint) = see.hint {
            // Under the last row, where there is room for it.
            let rows = u16::try_from(self.order.len()).unwrap_or(u16::MAX);
            let at = draw::right_of(draw::below(inner, rows.saturating_add(2)), 1);
            let lines: Vec<Vec<Piece>> = draw::wrap(hint, usize::from(at.width))
                .into_iter()
                .map(|line| vec![Piece::muted(line)])
                .collect();
            draw::lines(&lines, &see.look, at, buf);
        }
        draw::below(inner, 1)
    }

    fn empty_words(&self, see: &See<'_>) -> &'static str {
        if !self.rows.is_empty() {
            return match see.ill_only {
                true => "nothing here is ill (! shows everything)",
                false => "nothing matches the filter (esc clears it)",
            };
        }
        "no context is open yet"
    }

    /// `3 instances, 1 ill`, and what is left out.
    fn summary(&self, see: &See<'_>) -> Vec<Piece> {
        let instances = || {
            let rows = self.rows.values();
            rows.filter(|row| matches!(row.key, RowKey::Instance(_)))
        };
        let all = instances().count();
        let ill = instances().filter(|row| row.is_ill()).count();
        let mut pieces = Vec::new();
        let written = see.filter.written();
        if !written.is_empty() || see.ill_only {
            let mut only = written.to_owned();
            if see.ill_only {
                only.insert_str(0, "ill only ");
            }
            let only = only.trim_end();
            let shown = self.order.len();
            pieces.push(Piece::new(format!("{only} shows {shown}, "), Tone::Accent));
        }
        pieces.push(Piece::muted(match all {
            0 => "no instance".to_owned(),
            1 => "1 instance, ".to_owned(),
            all => format!("{all} instances, "),
        }));
        pieces.push(match ill {
            _ if all == 0 => Piece::default(),
            0 => Piece::muted("none ill"),
            n => Piece::new(format!("{n} ill"), Tone::Degraded),
        });
        pieces
    }

    fn view_attention(&self, see: &See<'_>, area: Rect, buf: &mut Buffer) -> Rect {
        if area.is_empty() {
            return area;
        }
        let focused = self.pane == Pane::Attention && see.has_keyboard;
        let inner = Panel::new("Attention")
            .focused(focused)
            .right(attention::summary(see, self.notices.len()))
            .render(&see.look, area, buf);
        let columns = attention::columns(&self.notices);
        let row = |at: usize| {
            let notice = self.notices.get(at);
            notice
                .map(|notice| attention::cells(see, notice))
                .unwrap_or_default()
        };
        let selected = (self.pane == Pane::Attention)
            .then(|| self.notice_position())
            .flatten();
        Table::new(&columns, self.notices.len(), &row)
            .selected(selected)
            .focused(focused)
            .without_header()
            .when_empty(if attention::is_known(see) {
                "nothing needs attention"
            } else {
                "nothing is known yet"
            })
            .render(&self.attention, &see.look, inner, buf);
        inner
    }
}
