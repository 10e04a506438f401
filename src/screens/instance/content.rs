//! What stands in a pane: its columns, its rows as they are wanted, and what is said when there are none.

use super::selection::Lists;
use super::{Pane, events, nodes, storage, unread};
use crate::checks::{Finding, Since};
use crate::domain::{InstanceView, Kind};
use crate::screens::parts::{See, finding_sign, finding_tone};
use crate::widgets::{Column, Piece, Row};

type Rows<'a> = Box<dyn Fn(usize) -> Row + 'a>;

/// The columns of a pane, its rows as they are wanted, and what is said when there are none.
pub(super) fn of<'a>(
    pane: Pane,
    see: &'a See<'a>,
    view: &'a InstanceView<'a>,
    lists: &'a Lists,
) -> (Vec<Column>, Rows<'a>, String) {
    let stale = !view.context.is_live();
    match pane {
        Pane::Nodes => {
            let shown: Vec<_> = view
                .nodes
                .iter()
                .filter(|n| lists.nodes.iter().any(|name| *name == *n.id.pod))
                .collect();
            let rows = move |at: usize| {
                let node = shown.get(at);
                node.map(|n| nodes::cells(see, view, n)).unwrap_or_default()
            };
            let empty = unread(view, Kind::Pod).unwrap_or_else(|| "no pod".to_owned());
            (nodes::columns(view), Box::new(rows), empty)
        }
        Pane::Storage => {
            let lines: Vec<_> = storage::lines(see, view)
                .into_iter()
                .filter(|line| lists.storage.contains(&line.name))
                .map(|line| line.row)
                .collect();
            let rows = move |at: usize| lines.get(at).cloned().unwrap_or_default();
            let empty = "no PVC, no PodDisruptionBudget: its data lives as long as its pods";
            (storage::columns(), Box::new(rows), empty.to_owned())
        }
        Pane::Events => {
            let shown: Vec<_> = view
                .events()
                .into_iter()
                .filter(|e| lists.events.iter().any(|name| *name == *e.value.meta.name))
                .collect();
            let rows = move |at: usize| {
                let event = shown.get(at);
                event
                    .map(|e| events::cells(see, e, stale))
                    .unwrap_or_default()
            };
            let empty = unread(view, Kind::Event)
                .unwrap_or_else(|| "no event: the API server keeps them for an hour".to_owned());
            (events::columns(), Box::new(rows), empty)
        }
        Pane::Findings | Pane::Charts => {
            let columns = vec![
                Column::new("finding", "").width(30, 60).fill(),
                Column::new("since", "").width(14, 18).right().priority(1),
            ];
            let judged = see.board.instance(&view.id);
            let findings: &[Finding] = judged.map_or(&[], |j| &j.findings);
            let rows = move |at: usize| {
                let finding = findings.get(at);
                finding
                    .map(|finding| finding_cells(see, finding))
                    .unwrap_or_default()
            };
            let empty = match judged {
                Some(_) => "nothing is wrong: every check that applies is passed",
                None => "not judged yet",
            };
            (columns, Box::new(rows), empty.to_owned())
        }
    }
}

fn finding_cells(see: &See<'_>, finding: &Finding) -> Row {
    let tone = finding_tone(finding);
    let sign = see.sign(finding_sign(finding));
    Row::new(vec![
        Piece::new(format!("{sign} {}", finding.sentence), tone),
        Piece::muted(match finding.since {
            Since::Exactly(at) => format!("since {}", see.age(at)),
            Since::Seen(_) => see.since(finding.since),
        }),
    ])
}
