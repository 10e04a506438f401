//! Fleet: every instance of every open context, worst first, and what needs attention.

mod attention;
mod columns;
mod drawing;
mod row;
mod rows;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::parts::{See, moved};
use super::{Fresh, Intent, Screen, ScreenDoc};
use crate::checks::Subject;
use crate::domain::{ConsumerId, ContextId, InstanceId};
use crate::msg::Command;
use crate::msg::command::{Copied, Motion, Side, Sorting, Target, Turn};
use crate::settings::problem::suggestion;
use crate::widgets::Window;
use attention::{Namesakes, Notice};
pub(crate) use attention::{evidence_of_node, evidence_text};
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
    /// The longest names, see [`columns::Fit`].
    longest: (u16, u16, u16),
    /// What needs attention, as far as the filter shows it.
    notices: Vec<Notice>,
    /// How much needs attention, filter or not.
    noticed_of: usize,
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
            noticed_of: 0,
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
        let mut changed = if fresh.everything {
            self.rebuild(see)
        } else {
            let mut contexts = fresh.touched.links.clone();
            // The row of a context without instances tells whether there is an operator.
            let told = |id: &&ContextId| self.rows.contains_key(&RowKey::Context((*id).clone()));
            contexts.extend(fresh.touched.operators.iter().filter(told).cloned());
            let reworked = !contexts.is_empty() && self.rework_contexts(see, &contexts);
            self.rework(see, &fresh.touched.instances) || reworked
        };
        if fresh.judged {
            changed |= self.rejudge(see);
        }
        // What a row shows decides whether what is said of it is shown.
        let sifted = fresh.sieved || changed && !see.filter.is_empty();
        if fresh.everything || fresh.judged || sifted || !fresh.touched.links.is_empty() {
            let namesakes = Namesakes::among(self.rows.keys().filter_map(RowKey::instance));
            let notices: Vec<Notice> = see
                .board
                .attention(see.world)
                .into_iter()
                .map(|finding| Notice::of(finding, &namesakes))
                .collect();
            self.noticed_of = notices.len();
            let notices: Vec<Notice> = notices
                .into_iter()
                .filter(|notice| self.shows(see, notice))
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
                self.shift += usize::from(self.window.has_more_right());
            }
            Command::Sort(sorting) => return self.sort_by(sorting, see),
            Command::Find(turn) => self.find_ill(*turn),
            Command::Explain => {
                if let Some((subject, check)) = self.subject() {
                    return vec![Intent::Explain(subject.into(), check)];
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
            let key = self
                .window
                .row_at(at)
                .and_then(|at| self.order.get(at))
                .cloned();
            self.selected = key.or_else(|| self.selected.take());
        } else if let Some(at) = inside(list) {
            self.pane = Pane::Attention;
            if let Some(notice) = self
                .attention
                .row_at(at)
                .and_then(|at| self.notices.get(at))
            {
                self.noticed = Some((notice.subject.clone(), notice.check));
            }
        }
        Vec::new()
    }

    fn view(&self, see: &See<'_>, area: Rect, buf: &mut Buffer) {
        let (table, list) = self.layout(see, area);
        let body = self.view_table(see, table, buf);
        let lines = self.view_attention(see, list, buf);
        self.drawn.set((body, lines));
    }
}

impl Fleet {
    /// Whether the filter shows a finding: by its own words, or by all that is known of what it is about.
    fn shows(&self, see: &See<'_>, notice: &Notice) -> bool {
        let key = match &notice.subject {
            Subject::Instance(id) => RowKey::Instance(id.clone()),
            Subject::Context(id) | Subject::Operator(id) => RowKey::Context(id.clone()),
            Subject::Consumer(id) => RowKey::Context(id.context.clone()),
        };
        let row = self.rows.get(&key);
        let row = row.map(|row| Aged { row, now: see.now });
        see.filter.shows(&notice.sieved(row))
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
            // From what is wrong with a node one comes to that node, whose explanation is one key further.
            Some((Subject::Instance(id), check)) => vec![Intent::Show(id, self.pod_of(check))],
            Some((subject, check)) => vec![Intent::Explain(subject.into(), check)],
            None => Vec::new(),
        }
    }

    /// The pod that the selected finding speaks of first.
    fn pod_of(&self, check: Option<&'static str>) -> Option<Arc<str>> {
        check?;
        self.notices.get(self.notice_position()?)?.pod.clone()
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
                    Subject::Consumer(id) => id.to_string(),
                };
                Intent::Copy(Arc::from(name.as_str()), name)
            }
            Copied::Kubectl => {
                let text = match &subject {
                    Subject::Instance(id) => format!(
                        "kubectl --context {} -n {} get dragonfly {} -o yaml",
                        id.context, id.namespace, id.name
                    ),
                    Subject::Context(id)
                    | Subject::Operator(id)
                    | Subject::Consumer(ConsumerId { context: id, .. }) => {
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
}
