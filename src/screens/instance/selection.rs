//! The names of what each pane lists, after filter and ill-only: what a selection is kept by.

use super::{Pane, Worked, buffers, clients, nodes, slow_log, storage};
use crate::domain::InstanceView;
use crate::domain::consumers::Group;
use crate::screens::parts::{Field, Measure, See, Sieved, changes};
use crate::settings::Tone;
use crate::widgets::Row;

/// Names of what is listed, by pane.
#[derive(Debug, Default)]
pub(super) struct Lists {
    names: [Vec<String>; Pane::ALL.len()],
    kinds: Vec<(String, &'static str)>,
}

impl Lists {
    /// What is listed now.
    pub fn of(see: &See<'_>, view: &InstanceView<'_>, worked: &Worked) -> Self {
        let shows = |text: String| {
            see.filter.shows(&Words {
                text: text.to_lowercase(),
                context: view.id.context.as_str(),
            })
        };
        let shows_row = |row: &Row| shows(texts(&row.cells));
        let mut lists = Self::default();
        let nodes = view.nodes.iter();
        lists.put(
            Pane::Nodes,
            nodes
                .filter(|n| !see.ill_only || nodes::is_ill(see, view, n))
                .filter(|n| shows_row(&nodes::cells(see, view, n)))
                .map(|n| n.id.pod.to_string()),
        );
        let judged = see.board.instance(&view.id);
        let findings = judged.map_or(&[][..], |j| &j.findings);
        // Findings are few and are what one came for: no filter hides them.
        lists.put(Pane::Findings, findings.iter().map(|f| f.check.to_owned()));
        let lines = storage::lines(see, view);
        let shown = lines.iter().filter(|line| shows_row(&line.row));
        lists.put(Pane::Storage, shown.map(|line| line.name.clone()));
        let kinds = lines.into_iter();
        lists.kinds = kinds
            .filter_map(|line| Some((line.name, line.kind?)))
            .collect();
        let events = view.events();
        lists.put(
            Pane::Events,
            events
                .iter()
                .filter(|e| !see.ill_only || e.value.warning)
                .filter(|e| {
                    let e = &e.value;
                    shows(format!("{} {} {}", e.reason, e.about_name, e.note))
                })
                .map(|e| e.value.meta.name.to_string()),
        );
        let hurts = |group: &&Group| {
            let tone = clients::hurt(view, group).1;
            !see.ill_only || !matches!(tone, Tone::Healthy | Tone::Muted)
        };
        let groups = worked.consumers.groups.iter().filter(hurts);
        let groups = groups.filter(|group| shows_row(&clients::cells(see, view, group)));
        let notes = clients::notes(view, &worked.consumers).into_iter();
        lists.put(
            Pane::Clients,
            groups.map(clients::name).chain(notes.map(|(name, _)| name)),
        );
        let slowest = slow_log::slowest(view);
        lists.put(
            Pane::SlowLog,
            slowest
                .iter()
                .filter(|slow| shows_row(&slow_log::cells(see, &worked.consumers, slow)))
                .map(slow_log::name),
        );
        let buffers = buffers::lines(see, view, &worked.consumers).into_iter();
        lists.put(
            Pane::Buffers,
            buffers
                .filter(|line| !see.ill_only || line.hurts)
                .filter(|line| shows_row(&line.row))
                .map(|line| line.name),
        );
        let changed = worked.changes.iter();
        lists.put(
            Pane::History,
            changed
                .filter(|change| shows_row(&changes::cells(see, change)))
                .map(changes::name),
        );
        lists
    }

    fn put(&mut self, pane: Pane, names: impl Iterator<Item = String>) {
        if let Some(place) = self.names.get_mut(pane.index()) {
            *place = names.collect();
        }
    }

    /// The names that a pane lists.
    pub fn of_pane(&self, pane: Pane) -> &[String] {
        self.names.get(pane.index()).map_or(&[], Vec::as_slice)
    }

    /// The kind of an object in the storage pane, as kubectl spells it.
    pub fn kind_of(&self, name: &str) -> Option<&'static str> {
        let found = self.kinds.iter().find(|(known, _)| known == name);
        found.map(|(_, kind)| *kind)
    }
}

fn texts(cells: &[crate::widgets::Piece]) -> String {
    let texts: Vec<&str> = cells.iter().map(|cell| cell.text.as_str()).collect();
    texts.join(" ")
}

/// A row that has words only.
struct Words<'a> {
    text: String,
    context: &'a str,
}

impl Sieved for Words<'_> {
    fn text(&self) -> &str {
        &self.text
    }

    fn field(&self, field: Field) -> &str {
        match field {
            Field::Context => self.context,
            _ => &self.text,
        }
    }

    fn figure(&self, _: Measure) -> Option<f64> {
        None
    }
}
