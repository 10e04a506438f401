//! Label selectors, as PodDisruptionBudgets and NetworkPolicies write them.

use std::collections::BTreeMap;

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
    /// Whether it selects an object with these labels.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels.iter().all(|(k, v)| labels.get(k) == Some(v))
            && self.expressions.iter().all(|e| e.holds(labels))
    }
}

impl Requirement {
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
