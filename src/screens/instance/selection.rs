//! The names of what each pane lists, after filter and ill-only: what a selection is kept by.

use super::{Pane, nodes, storage};
use crate::domain::InstanceView;
use crate::screens::parts::{Field, Measure, See, Sieved};

/// Names of what is listed, by pane.
#[derive(Debug, Default)]
pub(super) struct Lists {
    pub nodes: Vec<String>,
    pub findings: Vec<String>,
    pub storage: Vec<String>,
    pub events: Vec<String>,
    kinds: Vec<(String, &'static str)>,
}

impl Lists {
    /// What is listed now.
    pub fn of(see: &See<'_>, view: &InstanceView<'_>) -> Self {
        let shows = |text: String| {
            see.filter.shows(&Words {
                text: text.to_lowercase(),
                context: view.id.context.as_str(),
            })
        };
        let judged = see.board.instance(&view.id);
        let findings = judged.map_or(&[][..], |j| &j.findings);
        let lines = storage::lines(see, view);
        Self {
            nodes: view
                .nodes
                .iter()
                .filter(|n| !see.ill_only || nodes::is_ill(see, view, n))
                .filter(|n| shows(texts(&nodes::cells(see, view, n).cells)))
                .map(|n| n.id.pod.to_string())
                .collect(),
            // Findings are few and are what one came for: no filter hides them.
            findings: findings.iter().map(|f| f.check.to_owned()).collect(),
            storage: lines
                .iter()
                .filter(|line| shows(texts(&line.row.cells)))
                .map(|line| line.name.clone())
                .collect(),
            events: view
                .events()
                .iter()
                .filter(|e| !see.ill_only || e.value.warning)
                .filter(|e| {
                    let e = &e.value;
                    shows(format!("{} {} {}", e.reason, e.about_name, e.note))
                })
                .map(|e| e.value.meta.name.to_string())
                .collect(),
            kinds: lines
                .into_iter()
                .filter_map(|line| Some((line.name, line.kind?)))
                .collect(),
        }
    }

    /// The names that a pane lists.
    pub fn of_pane(&self, pane: Pane) -> &[String] {
        match pane {
            Pane::Nodes => &self.nodes,
            Pane::Findings => &self.findings,
            Pane::Storage => &self.storage,
            Pane::Events => &self.events,
            Pane::Charts => &[],
        }
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
