//! Keeping the rows: worked out again only where something changed, filtered and sorted, with the selection in place.

use std::collections::{BTreeMap, BTreeSet};

use super::Fleet;
use super::row::{Aged, FleetRow, RowKey};
use crate::domain::world::ContextWorld;
use crate::domain::{ContextId, InstanceId};
use crate::screens::parts::See;
use crate::widgets::draw;

impl Fleet {
    /// Works every row out again. Returns whether any differs.
    pub(super) fn rebuild(&mut self, see: &See<'_>) -> bool {
        let contexts = see.world.shown_contexts();
        let rows = contexts
            .flat_map(|context| rows_of(see, context))
            .map(|row| (row.key.clone(), row))
            .collect();
        let changed = rows != self.rows;
        self.rows = rows;
        changed
    }

    /// Works the rows of some contexts out again; all of them where other contexts are shown than before, which can
    /// happen with any of them: a twin is found out when it tells who it is. Returns whether any row differs.
    pub(super) fn rework_contexts(
        &mut self,
        see: &See<'_>,
        contexts: &BTreeSet<ContextId>,
    ) -> bool {
        let shown: BTreeSet<&ContextId> = see.world.shown_contexts().map(|c| &c.id).collect();
        let had: BTreeSet<&ContextId> = self.rows.keys().map(RowKey::context).collect();
        if shown != had {
            return self.rebuild(see);
        }
        let fresh: Vec<FleetRow> = contexts
            .iter()
            .filter(|id| shown.contains(id))
            .filter_map(|id| see.world.context(id))
            .flat_map(|context| rows_of(see, context))
            .collect();
        let is_theirs = |key: &RowKey| contexts.contains(key.context());
        let before = self.rows.keys().filter(|key| is_theirs(key)).count();
        let same =
            before == fresh.len() && fresh.iter().all(|row| self.rows.get(&row.key) == Some(row));
        if !same {
            self.rows.retain(|key, _| !is_theirs(key));
            let fresh = fresh.into_iter().map(|row| (row.key.clone(), row));
            self.rows.extend(fresh);
        }
        !same
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

/// The rows of a context: one for each instance, or one that says why there is none.
fn rows_of(see: &See<'_>, context: &ContextWorld) -> Vec<FleetRow> {
    let mut rows: Vec<FleetRow> = context
        .instances()
        .filter_map(|id| see.world.instance(&id))
        .map(|view| FleetRow::of_instance(see, &view))
        .collect();
    if rows.is_empty() {
        rows.push(FleetRow::of_context(see, context));
    }
    rows
}
