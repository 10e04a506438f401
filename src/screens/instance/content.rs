//! What stands in a pane: its columns, its rows as they are wanted, and what is said when there are none.

use super::head::short_of_acceptance;
use super::selection::Lists;
use super::{Pane, Worked, buffers, clients, events, nodes, slow_log, storage, unread};
use crate::checks::{Finding, Since};
use crate::domain::{InstanceView, Kind};
use crate::screens::parts::{See, changes, finding_sign, finding_tone};
use crate::widgets::{Column, Piece, Row};

type Rows<'a> = Box<dyn Fn(usize) -> Row + 'a>;

/// The columns of a pane, its rows as they are wanted, and what is said when there are none.
pub(super) fn of<'a>(
    pane: Pane,
    see: &'a See<'a>,
    view: &'a InstanceView<'a>,
    lists: &'a Lists,
    worked: &'a Worked,
) -> (Vec<Column>, Rows<'a>, String) {
    let stale = !view.context.is_live();
    let names = lists.of_pane(pane);
    match pane {
        Pane::Nodes => {
            let shown: Vec<_> = view
                .nodes
                .iter()
                .filter(|n| {
                    lists
                        .of_pane(Pane::Nodes)
                        .iter()
                        .any(|name| *name == *n.id.pod)
                })
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
                .filter(|line| lists.of_pane(Pane::Storage).contains(&line.name))
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
                .filter(|e| {
                    lists
                        .of_pane(Pane::Events)
                        .iter()
                        .any(|name| *name == *e.value.meta.name)
                })
                .collect();
            let rows = move |at: usize| {
                let event = shown.get(at);
                event
                    .map(|e| events::cells(see, view, e, stale))
                    .unwrap_or_default()
            };
            let empty = unread(view, Kind::Event)
                .unwrap_or_else(|| "no event: the API server keeps them for an hour".to_owned());
            (events::columns(), Box::new(rows), empty)
        }
        Pane::Clients => {
            let mut shown: Vec<Row> = worked
                .consumers
                .groups
                .iter()
                .filter(|group| names.contains(&clients::name(group)))
                .map(|group| clients::cells(see, view, group))
                .collect();
            let notes = clients::notes(view, &worked.consumers);
            shown.extend(notes.into_iter().map(|(_, row)| row));
            (clients::columns(view), made(shown), clients::empty(view))
        }
        Pane::SlowLog => {
            let shown = slow_log::slowest(view)
                .iter()
                .filter(|slow| names.contains(&slow_log::name(slow)))
                .map(|slow| slow_log::cells(see, &worked.consumers, slow))
                .collect();
            (slow_log::columns(), made(shown), slow_log::empty(view))
        }
        Pane::Buffers => {
            let shown = buffers::lines(see, view, &worked.consumers)
                .into_iter()
                .filter(|line| names.contains(&line.name))
                .map(|line| line.row)
                .collect();
            let empty = "no node has told its buffers yet".to_owned();
            (buffers::columns(), made(shown), empty)
        }
        Pane::History => {
            let shown: Vec<_> = worked
                .changes
                .iter()
                .filter(|change| names.contains(&changes::name(change)))
                .collect();
            let rows = move |at: usize| {
                let change = shown.get(at);
                change
                    .map(|change| changes::cells(see, change))
                    .unwrap_or_default()
            };
            let empty = changes::NOTHING.to_owned();
            (changes::columns(), Box::new(rows), empty)
        }
        Pane::Findings | Pane::Charts => {
            let columns = vec![
                Column::new("sign", "").width(1, 1),
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
            let empty = match (judged, short_of_acceptance(see, &view.id)) {
                (Some(_), Some(short)) => format!("nothing is wrong now; {short}"),
                (Some(_), None) => {
                    "nothing is wrong: every check of health that applies is passed".to_owned()
                }
                (None, _) => "not judged yet".to_owned(),
            };
            (columns, Box::new(rows), empty)
        }
    }
}

/// Rows that are made already.
fn made<'a>(rows: Vec<Row>) -> Rows<'a> {
    Box::new(move |at| rows.get(at).cloned().unwrap_or_default())
}

fn finding_cells(see: &See<'_>, finding: &Finding) -> Row {
    let tone = finding_tone(finding);
    let sign = see.sign(finding_sign(finding));
    Row::new(vec![
        Piece::new(sign, tone),
        Piece::new(finding.sentence.clone(), tone),
        Piece::muted(match finding.since {
            Since::Exactly(at) => format!("since {}", see.age(at)),
            Since::Seen(_) => see.since(finding.since),
        }),
    ])
}
