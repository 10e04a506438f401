//! The status of PodDisruptionBudgets.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Controller, Key, key, keys};
use crate::lab::clock;
use crate::lab::json::{number, set};
use crate::lab::pods;
use crate::lab::resources::{BUDGETS, GroupResource, PODS};
use crate::lab::store::{Object, Store};

/// The controller.
pub(in crate::lab) struct Budgets {
    store: Store,
}

impl Budgets {
    pub(in crate::lab) fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Controller for Budgets {
    fn follows(&self) -> &'static [GroupResource<'static>] {
        &[BUDGETS, PODS]
    }

    fn touched(&self, what: GroupResource<'static>, object: &Object) -> Vec<Key> {
        if what == BUDGETS {
            return vec![key(object)];
        }
        let listed = self.store.list(BUDGETS, Some(&object.namespace));
        let mut budgets = listed.map(|listed| listed.items).unwrap_or_default();
        budgets.retain(|budget| {
            let budget = budget.value();
            pods::selector(&budget, "/spec/selector/matchLabels").is_some_and(|selector| {
                selector
                    .iter()
                    .all(|(key, value)| object.label(key) == Some(value))
            })
        });
        budgets.iter().map(|budget| key(budget)).collect()
    }

    fn all(&self) -> Vec<Key> {
        keys(&self.store, BUDGETS)
    }

    fn settle(&mut self, (namespace, name): &Key) -> Option<Duration> {
        let budget = self.store.get(BUDGETS, namespace, name).ok()?.value();
        let selector = pods::selector(&budget, "/spec/selector/matchLabels")?;
        let selected = self.store.labelled(PODS, Some(namespace), &selector);
        let selected: Vec<Value> = selected.iter().map(|pod| pod.value()).collect();
        let wanted = status(&budget, &selected, self.store.now());
        if budget.get("status") != Some(&wanted) {
            let _ = self.store.update(
                BUDGETS,
                namespace,
                name,
                "kube-controller-manager",
                |value| set(value, &["status"], wanted),
            );
        }
        None
    }
}

/// What a budget allows at present.
pub(in crate::lab) fn status(budget: &Value, selected: &[Value], now: Timestamp) -> Value {
    let expected = selected.len() as i64;
    let healthy = selected
        .iter()
        .filter(|pod| pods::ready(pod) && !pods::deleting(pod))
        .count() as i64;
    let desired = match (
        budget.pointer("/spec/minAvailable"),
        budget.pointer("/spec/maxUnavailable"),
    ) {
        (Some(least), _) => amount(least, expected),
        (None, Some(most)) => (expected - amount(most, expected)).max(0),
        (None, None) => 0,
    };
    let allowed = (healthy - desired).max(0);
    let generation = number(budget, "/metadata/generation").unwrap_or(1);
    let mut status = json!({
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptionsAllowed": allowed,
        "expectedPods": expected,
        "observedGeneration": generation,
    });
    if let Some(old) = budget.pointer("/status/conditions") {
        set(&mut status, &["conditions"], old.clone());
    }
    let (word, reason) = match allowed > 0 {
        true => ("True", "SufficientPods"),
        false => ("False", "InsufficientPods"),
    };
    let condition = json!({
        "type": "DisruptionAllowed", "status": word, "reason": reason, "message": "",
        "observedGeneration": generation,
    });
    pods::set_condition(&mut status, condition, &clock::seconds(now));
    status
}

/// A number of pods, or a percentage of them, rounded up.
fn amount(value: &Value, of: i64) -> i64 {
    if let Some(number) = value.as_i64() {
        return number;
    }
    let percent = value.as_str().unwrap_or_default().trim_end_matches('%');
    let percent: i64 = percent.parse().unwrap_or(0);
    (of * percent + 99) / 100
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lab::json::text;

    fn pods(ready: usize, unready: usize) -> Vec<Value> {
        let pod = |word: &str| json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": word}]}});
        let mut all: Vec<Value> = (0..ready).map(|_| pod("True")).collect();
        all.extend((0..unready).map(|_| pod("False")));
        all
    }

    #[test]
    fn what_may_be_disrupted_follows_health_and_the_rule() {
        let table = [
            (json!({"maxUnavailable": 1}), pods(3, 0), (2, 1)),
            (json!({"maxUnavailable": 1}), pods(2, 1), (2, 0)),
            (json!({"minAvailable": 2}), pods(3, 0), (2, 1)),
            (json!({"minAvailable": "50%"}), pods(3, 0), (2, 1)),
            (json!({"maxUnavailable": "25%"}), pods(4, 0), (3, 1)),
        ];
        for (spec, selected, (desired, allowed)) in table {
            let status = status(&json!({"spec": spec}), &selected, Timestamp::UNIX_EPOCH);
            assert_eq!(
                number(&status, "/desiredHealthy").unwrap(),
                desired,
                "{spec}"
            );
            assert_eq!(
                number(&status, "/disruptionsAllowed").unwrap(),
                allowed,
                "{spec}"
            );
            let word = if allowed > 0 { "True" } else { "False" };
            assert_eq!(text(&status, "/conditions/0/status"), word);
        }
    }
}
