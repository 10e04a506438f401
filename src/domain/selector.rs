//! Label selectors, as PodDisruptionBudgets and NetworkPolicies write them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::text;

/// A `LabelSelector` of Kubernetes' API: labels and requirements, all of which must hold. An empty one selects
/// everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    /// `matchLabels`.
    pub labels: BTreeMap<String, String>,
    /// `matchExpressions`.
    pub expressions: Vec<Requirement>,
}

/// One of the `matchExpressions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What is required of its value.
    pub operator: Operator,
}

/// What is required of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// It is there, with one of these values.
    In(Vec<String>),
    /// It is absent, or has none of these values.
    NotIn(Vec<String>),
    /// It is there.
    Exists,
    /// It is absent.
    DoesNotExist,
    /// An operator that we do not know, as written. Whether it holds cannot be told; it is taken not to.
    Unknown(String),
}

impl Selector {
    /// Reads a `LabelSelector` as the API writes it. An expression without a key asks for a label that nothing has, so it
    /// selects nothing.
    pub fn of(value: &Value) -> Self {
        let labels = value.get("matchLabels").and_then(Value::as_object);
        let expressions = value.get("matchExpressions").and_then(Value::as_array);
        Self {
            labels: labels
                .into_iter()
                .flatten()
                .filter_map(|(key, label)| {
                    Some((text::one_line(key), text::one_line(label.as_str()?)))
                })
                .collect(),
            expressions: expressions
                .into_iter()
                .flatten()
                .map(Requirement::of)
                .collect(),
        }
    }

    /// Whether it selects an object with these labels.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels.iter().all(|(k, v)| labels.get(k) == Some(v))
            && self.expressions.iter().all(|e| e.holds(labels))
    }
}

impl Requirement {
    fn of(value: &Value) -> Self {
        let word = |key: &str| value.get(key).and_then(Value::as_str).map(text::one_line);
        let values = || {
            let values = value.get("values").and_then(Value::as_array);
            let values = values.into_iter().flatten().filter_map(Value::as_str);
            values.map(text::one_line).collect()
        };
        let key = word("key").filter(|key| !key.is_empty());
        let operator = match word("operator").unwrap_or_default().as_str() {
            _ if key.is_none() => Operator::Exists,
            "In" => Operator::In(values()),
            "NotIn" => Operator::NotIn(values()),
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => Operator::Unknown(other.to_owned()),
        };
        Self {
            key: key.unwrap_or_default(),
            operator,
        }
    }

    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match &self.operator {
            Operator::In(values) => value.is_some_and(|v| values.contains(v)),
            Operator::NotIn(values) => value.is_none_or(|v| !values.contains(v)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Unknown(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_and_requirements_must_all_hold() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect()
        };
        let pod = map(&[("app", "orders"), ("role", "replica")]);
        let values = |values: &[&str]| values.iter().map(|v| (*v).to_owned()).collect();
        for (labels, expressions, wanted) in [
            (&[][..], vec![], true),
            (&[("app", "orders")][..], vec![], true),
            (&[("app", "carts")][..], vec![], false),
            (
                &[][..],
                vec![("app", Operator::In(values(&["carts", "orders"])))],
                true,
            ),
            (
                &[][..],
                vec![("app", Operator::In(values(&["carts"])))],
                false,
            ),
            (&[][..], vec![("zone", Operator::In(values(&["a"])))], false),
            (
                &[][..],
                vec![("app", Operator::NotIn(values(&["carts"])))],
                true,
            ),
            (
                &[][..],
                vec![("app", Operator::NotIn(values(&["orders"])))],
                false,
            ),
            (
                &[][..],
                vec![("zone", Operator::NotIn(values(&["a"])))],
                true,
            ),
            (&[][..], vec![("role", Operator::Exists)], true),
            (&[][..], vec![("zone", Operator::Exists)], false),
            (&[][..], vec![("zone", Operator::DoesNotExist)], true),
            (&[][..], vec![("role", Operator::DoesNotExist)], false),
            (
                &[][..],
                vec![("role", Operator::Unknown("Gt".to_owned()))],
                false,
            ),
            (
                &[("app", "orders")][..],
                vec![("role", Operator::Exists), ("zone", Operator::Exists)],
                false,
            ),
        ] {
            let selector = Selector {
                labels: map(labels),
                expressions: expressions
                    .into_iter()
                    .map(|(key, operator)| Requirement {
                        key: key.to_owned(),
                        operator,
                    })
                    .collect(),
            };
            assert_eq!(selector.selects(&pod), wanted, "{selector:?}");
        }
    }
}
