//! Keeping the rows: worked out again only where something changed, filtered and sorted, with the selection in place.

use std::collections::{BTreeMap, BTreeSet};

use super::Fleet;
use super::row::{Aged, FleetRow, RowKey};
use crate::domain::{ContextId, InstanceId};
use crate::screens::parts::See;
use crate::widgets::draw;

impl Fleet {
    /// Works every row out again. Returns whether any differs.
    pub(super) fn rebuild(&mut self, see: &See<'_>) -> bool {
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
    pub(super) fn rework(&mut self, see: &See<'_>, instances: &BTreeSet<InstanceId>) -> bool {
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
                    let old = self.rows.get(&key);
                    if old.is_none_or(|old| !row.reads_as(old, see)) {
                        changed = true;
                        contexts.insert(&id.context);
                    }
                    self.rows.insert(key, row);
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
    pub(super) fn rejudge(&mut self, see: &See<'_>) -> bool {
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
    pub(super) fn arrange(&mut self, see: &See<'_>) {
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
}
