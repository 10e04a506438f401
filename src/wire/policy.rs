//! PodDisruptionBudgets and NetworkPolicies.

use serde_json::Value;

use super::read;
use crate::domain::object::{Meta, NetworkPolicy, Pdb};

/// Decodes a PodDisruptionBudget.
pub fn pdb(meta: Meta, value: &Value) -> Pdb {
    Pdb {
        meta,
        selector: read::map(value, &["spec", "selector", "matchLabels"]),
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
        selector: read::map(value, &["spec", "podSelector", "matchLabels"]),
        ingress_rules: speaks_of_ingress.then(|| read::list(value, &["spec", "ingress"]).len()),
    }
}
