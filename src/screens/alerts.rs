//! Alerts: what the metrics stores of each context say is pending or firing, and beneath it the rules about Dragonfly, each
//! with whether it can fire at all.

mod table;

use std::collections::BTreeSet;
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::parts::{Plain, Section, See, Sheet, answers};
use super::{Fresh, Intent, Screen, ScreenDoc};
use crate::checks::Area;
use crate::checks::acceptance::{Watch, WatchRule, watch, watch_needs};
use crate::domain::monitoring::StoreAlert;
use crate::domain::{ContextId, InstanceId, Want};
use crate::msg::Command;
use crate::msg::command::Copied;

/// Alerts.
pub const SCREEN: ScreenDoc = ScreenDoc {
    id: "alerts",
    title: "Alerts",
    doc: "alerts that fire or are about to, and the rules about Dragonfly with whether each can fire",
    about_instance: false,
    make: || Box::new(Alerts::default()),
};

/// The panes beneath the alerts.
const RULES: usize = 1;
const FINDINGS: usize = 2;
const PANES: usize = 3;
/// Whose findings are shown.
const AREAS: &[Area] = &[Area::Observability];
/// Lines that a sentence takes at the most, where there is room.
const SENTENCE: usize = 4;

/// The screen.
#[derive(Debug, Default)]
struct Alerts {
    sheet: Sheet<PANES>,
    /// What watches each context.
    known: Vec<(ContextId, Watch)>,
    /// The alerts that are shown: numbers of a context and of an alert of it.
    alerts: Vec<(usize, usize)>,
    /// The rules that are shown.
    rules: Vec<(usize, usize)>,
}

impl Screen for Alerts {
    fn refresh(&mut self, see: &See<'_>, fresh: &Fresh) -> bool {
        let is_touched = fresh.everything
            || fresh.judged
            || fresh.touched.shown
            || !fresh.touched.wants.is_empty()
            || !fresh.touched.links.is_empty();
        if is_touched || self.known.is_empty() {
            let contexts = see.world.shown_contexts().filter(|one| one.is_live());
            self.known = contexts
                .map(|context| {
                    let watch = watch(see.world, &context.id, see.limits, see.now);
                    (context.id.clone(), watch)
                })
                .collect();
        }
        self.sieve(see);
        true
    }

    fn on(&mut self, command: &Command, see: &See<'_>) -> Vec<Intent> {
        let mut sheet = std::mem::take(&mut self.sheet);
        let intents = {
            let sections = self.sections(see);
            let pane = sheet.pane();
            let is_steered = sheet.steer(command, &sections, table::COLUMNS, |_| false);
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
                Command::Copy(what) => self.copied(*what, pane, at(pane)),
                Command::CopyManifest => answers::no_finding(),
                _ => Vec::new(),
            }
        };
        self.sheet = sheet;
        intents
    }

    fn words(&self, see: &See<'_>) -> Vec<&'static str> {
        let found = answers::ill_of(see, AREAS, |_| true).len();
        let len = match self.sheet.pane() {
            RULES => self.rules.len(),
            FINDINGS => found,
            _ => self.alerts.len(),
        };
        [("finding", found > 0), ("rows", len > 0)]
            .into_iter()
            .filter_map(|(word, holds)| holds.then_some(word))
            .collect()
    }

    fn selected(&self) -> Option<InstanceId> {
        None
    }

    fn wants(&self, see: &See<'_>) -> BTreeSet<Want> {
        see.world
            .shown_contexts()
            .filter(|context| context.is_live())
            .flat_map(|context| watch_needs(see.world, &context.id, see.limits, see.now))
            .collect()
    }

    fn judges(&self) -> bool {
        true
    }

    fn click(&mut self, column: u16, row: u16, see: &See<'_>) -> Vec<Intent> {
        let mut sheet = std::mem::take(&mut self.sheet);
        sheet.click(column, row, &self.sections(see));
        self.sheet = sheet;
        Vec::new()
    }

    fn view(&self, see: &See<'_>, area: Rect, buf: &mut Buffer) {
        self.sheet.view(see, &self.sections(see), area, buf);
    }
}

impl Alerts {
    fn sieve(&mut self, see: &See<'_>) {
        self.alerts.clear();
        self.rules.clear();
        for (of, (context, watch)) in self.known.iter().enumerate() {
            let alerts = watch.alerts.iter().enumerate().filter(|(_, alert)| {
                (!see.ill_only || alert.is_firing)
                    && see
                        .filter
                        .shows(&Plain::of(&table::alert(see, true, context, alert)))
            });
            self.alerts.extend(alerts.map(|(at, _)| (of, at)));
            let rules = watch.rules.iter().enumerate().filter(|(_, rule)| {
                (!see.ill_only || table::is_dead(rule))
                    && see
                        .filter
                        .shows(&Plain::of(&table::rule(see, true, context, rule)))
            });
            self.rules.extend(rules.map(|(at, _)| (of, at)));
        }
    }

    fn alert(&self, at: usize) -> Option<(&ContextId, &StoreAlert)> {
        let (of, at) = self.alerts.get(at)?;
        let (context, watch) = self.known.get(*of)?;
        Some((context, watch.alerts.get(*at)?))
    }

    fn rule(&self, at: usize) -> Option<(&ContextId, &WatchRule)> {
        let (of, at) = self.rules.get(at)?;
        let (context, watch) = self.known.get(*of)?;
        Some((context, watch.rules.get(*at)?))
    }

    fn sections<'a>(&'a self, see: &'a See<'a>) -> Vec<Section<'a>> {
        let several = see.world.shown_contexts().count() > 1;
        let alerts = Section {
            len: self.alerts.len(),
            name: Box::new(|at| {
                let found = self.alert(at);
                found
                    .map(|(context, alert)| table::name_of_alert(context, alert))
                    .unwrap_or_default()
            }),
            row: Box::new(move |at| {
                let found = self.alert(at);
                found
                    .map(|(context, alert)| table::alert(see, several, context, alert))
                    .unwrap_or_default()
            }),
            ..table::alerts(see, several, &self.known, self.alerts.len())
        };
        let rules = Section {
            len: self.rules.len(),
            name: Box::new(|at| {
                let found = self.rule(at);
                found
                    .map(|(context, rule)| format!("{context} {} {}", rule.place, rule.name))
                    .unwrap_or_default()
            }),
            row: Box::new(move |at| {
                let found = self.rule(at);
                found
                    .map(|(context, rule)| table::rule(see, several, context, rule))
                    .unwrap_or_default()
            }),
            lines: SENTENCE,
            ..table::rules(see, several, &self.known, self.rules.len())
        };
        let found = answers::ill_of(see, AREAS, |_| true);
        let findings = Section {
            lines: SENTENCE,
            ..answers::section(see, "Findings", found)
        };
        vec![alerts, rules, findings]
    }

    /// The name of an alert or rule; as evidence, the link to its runbook.
    fn copied(&self, what: Copied, pane: usize, at: Option<usize>) -> Vec<Intent> {
        let Some(at) = at else {
            return Vec::new();
        };
        let found = match pane {
            RULES => self
                .rule(at)
                .map(|(_, rule)| (rule.name.clone(), rule.runbook.clone())),
            _ => self.alert(at).map(|(_, alert)| {
                let link = alert.annotations.get("runbook_url").cloned();
                (alert.name.clone(), link.unwrap_or_default())
            }),
        };
        let Some((name, link)) = found else {
            return Vec::new();
        };
        match what {
            Copied::Evidence if link.is_empty() => {
                vec![Intent::Tell(format!("{name} has no link to a runbook"))]
            }
            Copied::Evidence => vec![Intent::Copy(Arc::from("link to the runbook"), link)],
            _ => vec![Intent::Copy(Arc::from(name.as_str()), name)],
        }
    }
}
