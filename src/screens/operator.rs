//! Operator: who works for the instances of each context, what it waits for with each of them, whether its version gets
//! on with theirs, what it is set up with, and its log.

mod heads;
mod log;
mod pods;
mod setup;
mod versions;
mod waits;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::fleet::evidence_text;
use super::parts::{Section, See, Sheet};
use super::{Fresh, Intent, Screen, ScreenDoc};
use crate::checks::waiting::{Waiting, waiting};
use crate::checks::{Case, Subject, rights};
use crate::domain::log::LogLine;
use crate::domain::world::ContextWorld;
use crate::domain::{ContextId, InstanceId, Want};
use crate::msg::Command;
use crate::msg::command::Copied;
use crate::widgets::Row;

/// Operator.
pub const SCREEN: ScreenDoc = ScreenDoc {
    id: "operator",
    title: "Operator",
    doc: "the operator of each context: what it waits for, its pods, versions, rights and log",
    about_instance: false,
    make: || Box::new(Operator::default()),
};

/// The panes, from top to bottom.
const HEADS: usize = 0;
const WAITS: usize = 1;
const PODS: usize = 2;
const VERSIONS: usize = 3;
const LOG: usize = 5;

/// Lines that a sentence takes at the most, where there is room.
const SENTENCE: usize = 6;

/// The screen.
#[derive(Debug, Default)]
struct Operator {
    sheet: Sheet<6>,
    /// The context whose operator is looked into.
    context: Option<ContextId>,
    /// What is waited for with each instance of that context.
    waits: BTreeMap<InstanceId, Vec<Waiting>>,
    /// The instances that are shown of these.
    waiting: Vec<InstanceId>,
    /// The rows in which versions are compared: the name of each, and its instance.
    compared: Vec<(String, InstanceId)>,
    /// The log is shown as far as it speaks of this instance.
    about: Option<InstanceId>,
    /// The log as it is shown.
    lines: Vec<Arc<LogLine>>,
    /// Number of the first of them in the whole log.
    first: u64,
}

impl Screen for Operator {
    fn refresh(&mut self, see: &See<'_>, fresh: &Fresh) -> bool {
        let before = self.context.clone();
        self.settle(see);
        let all = self.context != before
            || fresh.everything
            || fresh.sieved
            || fresh.judged
            || !fresh.touched.links.is_empty()
            || !fresh.touched.operators.is_empty();
        let wanted: Vec<InstanceId> = match self.context.as_ref().and_then(|c| see.world.context(c))
        {
            None => Vec::new(),
            Some(context) if all => {
                self.waits.clear();
                context.instances().collect()
            }
            Some(context) => {
                let touched = fresh.touched.instances.iter();
                touched
                    .filter(|id| id.context == context.id)
                    .cloned()
                    .collect()
            }
        };
        for id in wanted {
            let subject = Subject::Instance(id.clone());
            let waits =
                Case::of(see.world, &subject, see.limits, see.now).map(|case| waiting(&case));
            match waits.filter(|waits| !waits.is_empty()) {
                Some(waits) => self.waits.insert(id, waits),
                None => self.waits.remove(&id),
            };
        }
        self.waiting = waits::shown(see, &self.waits);
        self.compared = match self.context(see) {
            Some(context) => versions::shown(see, context),
            None => Vec::new(),
        };
        self.read_log(see);
        true
    }

    fn on(&mut self, command: &Command, see: &See<'_>) -> Vec<Intent> {
        // Rows change their places as operators fall ill: what somebody reads stays selected.
        if let Some(context) = &self.context {
            self.sheet.choose(HEADS, Some(context.to_string()));
        }
        let intents = self.carry_out(command, see);
        // Another context may be selected now, or another part of the log.
        self.refresh(
            see,
            &Fresh {
                sieved: true,
                ..Fresh::default()
            },
        );
        intents
    }

    fn words(&self, see: &See<'_>) -> Vec<&'static str> {
        let judged = self
            .subject_here()
            .and_then(|subject| see.board.subject(&subject));
        let sections = self.sections(see);
        let here = sections.get(self.sheet.pane());
        [
            ("instance", self.selected().is_some()),
            ("finding", judged.is_some_and(|j| !j.findings.is_empty())),
            ("rows", here.is_some_and(|section| section.len > 0)),
        ]
        .into_iter()
        .filter_map(|(word, holds)| holds.then_some(word))
        .collect()
    }

    fn selected(&self) -> Option<InstanceId> {
        // Of panes that have no instances of their own, the one that is marked beside them.
        self.under(
            &self.sheet,
            match self.sheet.pane() {
                VERSIONS => VERSIONS,
                _ => WAITS,
            },
        )
    }

    fn turn_to(&mut self, instance: &InstanceId) {
        if self.context.as_ref() != Some(&instance.context) {
            self.about = None;
        }
        self.context = Some(instance.context.clone());
        self.sheet.choose(HEADS, Some(instance.context.to_string()));
        self.sheet.choose(WAITS, Some(instance.to_string()));
    }

    fn wants(&self, see: &See<'_>) -> BTreeSet<Want> {
        let Some(context) = self.context(see) else {
            return BTreeSet::new();
        };
        let mut wants = BTreeSet::new();
        if let Some(held) = context.operators.iter().next() {
            wants.extend(rights::wants(&context.id, &held.value.meta.namespace));
        }
        wants.extend(log::followed(see, context).map(Want::Log));
        wants
    }

    fn click(&mut self, column: u16, row: u16, see: &See<'_>) -> Vec<Intent> {
        let mut sheet = std::mem::take(&mut self.sheet);
        sheet.click(column, row, &self.sections(see));
        self.sheet = sheet;
        self.refresh(see, &Fresh::everything());
        Vec::new()
    }

    fn view(&self, see: &See<'_>, area: Rect, buf: &mut Buffer) {
        self.sheet.view(see, &self.sections(see), area, buf);
    }
}

impl Operator {
    /// The context that is selected above: one that is shown, and of these the first with an operator where none was
    /// chosen.
    fn settle(&mut self, see: &See<'_>) {
        let heads = heads::section(see);
        let chosen = self.context.as_ref().map(ToString::to_string);
        if chosen.is_none() || self.sheet.pane() == HEADS {
            self.context = self
                .sheet
                .name(HEADS, &heads)
                .and_then(|name| contexts(see).find(|c| c.id.as_str() == name))
                .map(|context| context.id.clone());
        }
        if self.context(see).is_none() {
            self.context = contexts(see).next().map(|context| context.id.clone());
        }
        let here = self.context.clone();
        if self
            .about
            .as_ref()
            .is_some_and(|id| Some(&id.context) != here.as_ref())
        {
            self.about = None;
        }
    }

    fn context<'a>(&self, see: &See<'a>) -> Option<&'a ContextWorld> {
        see.world.context(self.context.as_ref()?)
    }

    fn subject(&self) -> Option<Subject> {
        self.context.clone().map(Subject::Operator)
    }

    /// The instance that is selected in a pane.
    fn under(&self, sheet: &Sheet<6>, pane: usize) -> Option<InstanceId> {
        let rows: Vec<(String, &InstanceId)> = match pane {
            WAITS => {
                let shown = self.waiting.iter();
                shown.map(|id| (id.to_string(), id)).collect()
            }
            VERSIONS => {
                let shown = self.compared.iter();
                shown.map(|(name, id)| (name.clone(), id)).collect()
            }
            _ => return None,
        };
        let names = rows.iter().map(|(name, _)| (name.clone(), Row::default()));
        let at = sheet.at(pane, &Section::of("", "", names.collect()))?;
        rows.get(at).map(|(_, id)| (*id).clone())
    }

    /// What the row under the cursor is about: its instance, or the operator.
    fn subject_here(&self) -> Option<Subject> {
        self.subject_under(&self.sheet)
    }

    fn subject_under(&self, sheet: &Sheet<6>) -> Option<Subject> {
        let instance = self.under(sheet, sheet.pane());
        instance.map(Subject::Instance).or_else(|| self.subject())
    }

    fn read_log(&mut self, see: &See<'_>) {
        self.lines.clear();
        self.first = 0;
        let Some(context) = self.context(see) else {
            return;
        };
        let Some(tail) = log::tail(see, context) else {
            return;
        };
        self.first = tail.let_go();
        let about = self.about.clone();
        let shows = |line: &&Arc<LogLine>| {
            let own = about
                .as_ref()
                .is_none_or(|id| line.speaks_of(&id.namespace, &id.name));
            own && log::is_loud(see, line) && see.filter.shows(&log::Words::of(context, line))
        };
        let lines: Vec<Arc<LogLine>> = tail.lines().filter(shows).cloned().collect();
        self.lines = lines;
    }

    /// All panes, in their order; without a context only the first.
    fn sections<'a>(&'a self, see: &'a See<'a>) -> Vec<Section<'a>> {
        let heads = heads::section(see);
        let Some(context) = self.context(see) else {
            return vec![heads];
        };
        vec![
            heads,
            waits::section(see, context, &self.waits, self.about.as_ref()),
            pods::section(see, context),
            versions::section(see, context),
            setup::section(see, context),
            log::section(see, context, &self.lines, self.about.as_ref()),
        ]
    }

    fn carry_out(&mut self, command: &Command, see: &See<'_>) -> Vec<Intent> {
        let mut sheet = std::mem::take(&mut self.sheet);
        let pane = sheet.pane();
        let intents = {
            let sections = self.sections(see);
            let here = sections.get(pane);
            match command {
                Command::Move(motion) => {
                    if let Some(section) = here {
                        sheet.move_by(*motion, section);
                    }
                    Vec::new()
                }
                Command::Pane(turn) => {
                    sheet.turn(*turn);
                    Vec::new()
                }
                Command::Scroll(side) => {
                    sheet.scroll(*side, heads::COLUMNS);
                    Vec::new()
                }
                Command::Sort(_) => {
                    vec![Intent::Tell("rows here stand in a fixed order".to_owned())]
                }
                Command::Explain => {
                    let subject = self.subject_under(&sheet).into_iter();
                    subject.map(|it| Intent::Explain(it.into(), None)).collect()
                }
                Command::Copy(copied) => self.copy(*copied, see, &sheet, &sections),
                Command::Open if pane != WAITS => self.open(see, &sheet, &sections),
                _ => Vec::new(),
            }
        };
        let narrowed = match command {
            Command::Open if pane == WAITS => self.under(&sheet, WAITS),
            _ => None,
        };
        self.sheet = sheet;
        match narrowed {
            Some(id) => self.narrow(id),
            None => intents,
        }
    }

    /// Shows the log of one instance only, or all of it again.
    fn narrow(&mut self, id: InstanceId) -> Vec<Intent> {
        self.about = (self.about.as_ref() != Some(&id)).then_some(id);
        self.sheet.choose(LOG, None);
        // The row has no room for all of it.
        let told = self.about.as_ref().and_then(|id| {
            let waits = self.waits.get(id)?.iter().map(|one| one.sentence.as_str());
            let waits: Vec<&str> = waits.collect();
            Some(format!("{id} waits for {}", waits.join("; then ")))
        });
        vec![Intent::Tell(
            told.unwrap_or_else(|| "the log shows everything".to_owned()),
        )]
    }

    /// Tells the selected row in full: columns cut long sentences.
    fn open(&self, see: &See<'_>, sheet: &Sheet<6>, sections: &[Section<'_>]) -> Vec<Intent> {
        let pane = sheet.pane();
        let at = sections
            .get(pane)
            .and_then(|section| sheet.at(pane, section));
        let told = match (pane, at) {
            (LOG, Some(at)) => self.lines.get(at).map(|line| log::in_full(line)),
            (VERSIONS, Some(at)) => self
                .context(see)
                .and_then(|context| versions::in_full(see, context, at)),
            (HEADS, _) => self
                .subject()
                .and_then(|subject| see.board.subject(&subject))
                .and_then(|judged| judged.findings.first())
                .map(|finding| finding.sentence.clone()),
            (pane, Some(at)) => sections.get(pane).and_then(|section| {
                let row = (section.row)(at);
                let cells: Vec<String> = row.cells.into_iter().map(|cell| cell.text).collect();
                Some(cells.join("  ")).filter(|text| !text.trim().is_empty())
            }),
            _ => None,
        };
        told.map(Intent::Tell).into_iter().collect()
    }

    fn copy(
        &self,
        copied: Copied,
        see: &See<'_>,
        sheet: &Sheet<6>,
        sections: &[Section<'_>],
    ) -> Vec<Intent> {
        let Some(context) = self.context(see) else {
            return Vec::new();
        };
        let pane = sheet.pane();
        let name = sections
            .get(pane)
            .and_then(|section| sheet.name(pane, section))
            .unwrap_or_default();
        let kubectl = format!("kubectl --context {}", context.id);
        let deployment = context.operators.iter().next().map(|held| &held.value.meta);
        let home = deployment.map_or("", |meta| &*meta.namespace);
        let (what, text) = match copied {
            Copied::Evidence => {
                let subject = self.subject_under(sheet);
                let text = subject.map(|subject| evidence_text(see, &subject));
                (Arc::from("evidence"), text.unwrap_or_default())
            }
            Copied::Name => {
                let name = match self.under(sheet, pane) {
                    Some(id) => id.to_string(),
                    None => name,
                };
                (Arc::from(name.as_str()), name)
            }
            Copied::Kubectl => {
                let text = match pane {
                    PODS => format!("{kubectl} -n {home} get pod {name} -o yaml"),
                    LOG => match log::followed(see, context) {
                        Some(log) => format!(
                            "{kubectl} -n {} logs {} -c {} -f",
                            log.namespace, log.pod, log.container
                        ),
                        None => return vec![Intent::Tell("no log is followed".to_owned())],
                    },
                    WAITS | VERSIONS => match self.under(sheet, pane) {
                        Some(id) => {
                            format!(
                                "{kubectl} -n {} get dragonfly {} -o yaml",
                                id.namespace, id.name
                            )
                        }
                        None => format!("{kubectl} get dragonflies -A"),
                    },
                    _ => match deployment {
                        Some(meta) => {
                            format!("{kubectl} -n {home} get deployment {} -o yaml", meta.name)
                        }
                        None => format!("{kubectl} get deployments -A"),
                    },
                };
                (Arc::from("kubectl command"), text)
            }
        };
        vec![Intent::Copy(what, text)]
    }
}

/// The contexts in the order in which their operators are listed: what is ill first, then those that have one.
fn contexts<'a>(see: &See<'a>) -> impl Iterator<Item = &'a ContextWorld> + use<'a> {
    let mut all: Vec<&ContextWorld> = see.world.shown_contexts().collect();
    all.sort_by_key(|context| {
        let judged = see.board.subject(&Subject::Operator(context.id.clone()));
        let is_ill = context.is_live() && judged.is_some_and(|judged| judged.state.is_ill());
        let is_absent = context.operators.is_empty() && context.operator_pods.is_empty();
        (!is_ill, is_absent)
    });
    all.into_iter()
}
