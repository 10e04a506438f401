//! PodDisruptionBudgets and NetworkPolicies.

use serde_json::Value;

use super::read;
use crate::domain::object::{Meta, NetworkPolicy, Pdb};
use crate::domain::selector::Selector;

/// Decodes a PodDisruptionBudget.
pub fn pdb(meta: Meta, value: &Value) -> Pdb {
    Pdb {
        meta,
        selector: read::at(value, &["spec", "selector"])
            .filter(|s| s.is_object())
            .map(Selector::of),
        min_available: read::as_written(value, &["spec", "minAvailable"]),
        max_unavailable: read::as_written(value, &["spec", "maxUnavailable"]),
        allowed: read::whole_or_zero(value, &["status", "disruptionsAllowed"]),
        healthy: read::whole_or_zero(value, &["status", "currentHealthy"]),
        desired: read::whole_or_zero(value, &["status", "desiredHealthy"]),
        expected: read::whole_or_zero(value, &["status", "expectedPods"]),
    }
}

/// Decodes a NetworkPolicy. It speaks of ingress if `policyTypes` says so or is absent, as the API defaults it.
pub fn network_policy(meta: Meta, value: &Value) -> NetworkPolicy {
    let types = read::lines(value, &["spec", "policyTypes"]);
    let speaks_of_ingress = types.is_empty() || types.iter().any(|t| t == "Ingress");
    NetworkPolicy {
        meta,
        selector: read::at(value, &["spec", "podSelector"])
            .map(Selector::of)
            .unwrap_or_default(),
        ingress_rules: speaks_of_ingress.then(|| read::list(value, &["spec", "ingress"]).len()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_are_read_with_their_expressions() {
        let orders = [("app".to_owned(), "orders".to_owned())].into();
        let carts = [("app".to_owned(), "carts".to_owned())].into();
        let by = |operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": "app", "operator": operator, "values": values}]});
        // The selector; whether a budget and a policy with it select the pods of orders, and those of carts.
        for (selector, budget, policy) in [
            (json!(null), [false, false], [true, true]),
            (json!({}), [true, true], [true, true]),
            (
                json!({"matchLabels": {"app": "orders"}}),
                [true, false],
                [true, false],
            ),
            (by("In", &["orders"]), [true, false], [true, false]),
            (by("NotIn", &["orders"]), [false, true], [false, true]),
            (by("Exists", &[]), [true, true], [true, true]),
            (by("DoesNotExist", &[]), [false, false], [false, false]),
            (by("Near", &["orders"]), [false, false], [false, false]),
            (
                json!({"matchExpressions": [{"operator": "DoesNotExist"}]}),
                [false, false],
                [false, false],
            ),
            (
                json!({"matchExpressions": [7]}),
                [false, false],
                [false, false],
            ),
        ] {
            let value = json!({"spec": {"selector": selector, "podSelector": selector}});
            let by_budget = |labels| {
                let pdb = pdb(Meta::default(), &value);
                pdb.selector.is_some_and(|s| s.selects(labels))
            };
            let by_policy = |labels| {
                network_policy(Meta::default(), &value)
                    .selector
                    .selects(labels)
            };
            assert_eq!(
                [by_budget(&orders), by_budget(&carts)],
                budget,
                "{selector}"
            );
            assert_eq!(
                [by_policy(&orders), by_policy(&carts)],
                policy,
                "{selector}"
            );
        }
    }
}
