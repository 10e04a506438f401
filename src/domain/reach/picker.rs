//! What picks pods: requirements of labels of the pod, of its namespace, and of its cluster, all in one.

use std::sync::Arc;

use serde_json::Value;

use super::fit::Fit;
use super::{End, What};

/// Requirements, all of which must hold. Without any it picks every pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Picker {
    wanted: Vec<Wanted>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    key: Key,
    test: Test,
}

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// A label of the pod.
    Pod(String),
    /// The name of its namespace.
    Namespace,
    /// A label of its namespace.
    NamespaceLabel(String),
    /// What Cilium calls its cluster.
    Cluster,
    /// Its ServiceAccount.
    ServiceAccount,
    /// What Cilium reserves, such as `world` and `host`.
    Reserved(String),
    /// A label of a source that is not known here.
    Unknown(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    DoesNotExist,
    /// As it was written.
    Unknown(String),
}

enum Found<'a> {
    Is(&'a str),
    Absent,
    Untold(String),
}

/// The label that every namespace has: its name (Kubernetes v1.22 and later).
const NAME: &str = "kubernetes.io/metadata.name";

impl Picker {
    /// From a LabelSelector: what its keys mean is told by `key`. `None` for what is no selector.
    pub(super) fn of(selector: &Value, key: impl Fn(&str) -> Key) -> Option<Self> {
        let mut wanted = Vec::new();
        if selector.is_null() {
            return Some(Self::default());
        }
        let fields = selector.as_object()?;
        for (field, value) in fields {
            match field.as_str() {
                "matchLabels" => {
                    for (label, value) in value.as_object().into_iter().flatten() {
                        let test = match value.as_str() {
                            Some(value) => Test::In(vec![value.to_owned()]),
                            None => Test::Unknown(value.to_string()),
                        };
                        let key = key(label);
                        wanted.push(Wanted { key, test });
                    }
                }
                "matchExpressions" => {
                    for one in value.as_array().into_iter().flatten() {
                        wanted.push(expression(one, &key));
                    }
                }
                other => wanted.push(Wanted {
                    key: Key::Unknown(other.to_owned()),
                    test: Test::Exists,
                }),
            }
        }
        Some(Self { wanted })
    }

    /// The same, of pods of that namespace alone.
    pub(super) fn in_namespace(mut self, namespace: &str) -> Self {
        let test = Test::In(vec![namespace.to_owned()]);
        let key = Key::Namespace;
        self.wanted.insert(0, Wanted { key, test });
        self
    }

    /// The same and those requirements too.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.wanted.extend(other.wanted);
        self
    }

    /// Whether some requirement is of such a key.
    pub(super) fn names(&self, is: impl Fn(&Key) -> bool) -> bool {
        self.wanted.iter().any(|wanted| is(&wanted.key))
    }

    /// Whether it picks that end of a connection.
    pub(super) fn fit(&self, end: &End) -> Fit {
        let reserved = self.names(|key| matches!(key, Key::Reserved(_)));
        match end.what {
            What::Pod => {}
            What::Outside if reserved => {}
            What::Host if reserved => {
                return Fit::Unsure(
                    "whether it means the machine of a pod is not known".to_owned(),
                );
            }
            What::Outside | What::Host => return Fit::No,
        }
        let mut all = Fit::Yes;
        for wanted in &self.wanted {
            all = all.and(wanted.fit(end));
            if all == Fit::No {
                break;
            }
        }
        all
    }
}

impl Wanted {
    fn fit(&self, end: &End) -> Fit {
        let found = match self.key.find(end) {
            Found::Is(value) => Some(value),
            Found::Absent => None,
            Found::Untold(why) => return Fit::Unsure(why),
        };
        let is_one_of = |values: &[String]| {
            found.is_some_and(|found| values.iter().any(|value| value == found))
        };
        match &self.test {
            Test::In(values) => Fit::of(is_one_of(values)),
            Test::NotIn(values) => Fit::of(!is_one_of(values)),
            Test::Exists => Fit::of(found.is_some()),
            Test::DoesNotExist => Fit::of(found.is_none()),
            Test::Unknown(written) => {
                Fit::Unsure(format!("the requirement {written} is not understood"))
            }
        }
    }
}

impl Key {
    fn find<'a>(&self, end: &'a End) -> Found<'a> {
        let given = |value: Option<&'a str>| value.map_or(Found::Absent, Found::Is);
        match self {
            Key::Pod(label) => given(end.labels.get(label).map(String::as_str)),
            Key::Namespace if end.what == What::Pod => Found::Is(&end.namespace),
            Key::Namespace => Found::Absent,
            Key::NamespaceLabel(label) if label == NAME => Found::Is(&end.namespace),
            Key::NamespaceLabel(label) => match &end.namespace_labels {
                Some(labels) => given(labels.get(label).map(String::as_str)),
                None => Found::Untold(format!(
                    "labels of namespace {} in {} are not known",
                    end.namespace, end.context
                )),
            },
            Key::Cluster => match &end.cluster {
                Some(cluster) => Found::Is(cluster),
                None => Found::Untold(format!("what Cilium calls {} is not known", end.context)),
            },
            Key::ServiceAccount => Found::Untold("ServiceAccounts of pods are not read".to_owned()),
            Key::Reserved(name) if name == "world" && end.what == What::Outside => Found::Is(""),
            Key::Reserved(_) => Found::Absent,
            Key::Unknown(key) => Found::Untold(format!("the key {key} is not understood")),
        }
    }
}

fn expression(one: &Value, key: &impl Fn(&str) -> Key) -> Wanted {
    let text = |field: &str| one.get(field).and_then(Value::as_str);
    let values = || {
        let all = one.get("values").and_then(Value::as_array);
        let all = all.into_iter().flatten().filter_map(Value::as_str);
        all.map(str::to_owned).collect()
    };
    let test = match text("operator") {
        Some("In") => Test::In(values()),
        Some("NotIn") => Test::NotIn(values()),
        Some("Exists") => Test::Exists,
        Some("DoesNotExist") => Test::DoesNotExist,
        _ => Test::Unknown(one.to_string()),
    };
    match text("key") {
        Some(name) => Wanted {
            key: key(name),
            test,
        },
        None => Wanted {
            key: Key::Unknown(String::new()),
            test,
        },
    }
}

/// A key of a plain `podSelector`.
pub(super) fn of_pod(label: &str) -> Key {
    Key::Pod(label.to_owned())
}

/// A key of a plain `namespaceSelector`.
pub(super) fn of_namespace(label: &str) -> Key {
    Key::NamespaceLabel(label.to_owned())
}

/// A key of one of Cilium's selectors, which may say where its label comes from: `k8s:app`, `any:app`, `reserved:host`.
pub(super) fn of_cilium(key: &str) -> Key {
    let label = match key.split_once(':') {
        None => key,
        Some(("k8s" | "any", label)) => label,
        Some(("reserved", name)) => return Key::Reserved(name.to_owned()),
        Some(_) => return Key::Unknown(key.to_owned()),
    };
    match label {
        "io.kubernetes.pod.namespace" => Key::Namespace,
        "io.cilium.k8s.policy.cluster" => Key::Cluster,
        "io.cilium.k8s.policy.serviceaccount" => Key::ServiceAccount,
        label => match label.strip_prefix("io.cilium.k8s.namespace.labels.") {
            Some(label) => Key::NamespaceLabel(label.to_owned()),
            None => Key::Pod(label.to_owned()),
        },
    }
}

/// Every pod of a namespace.
pub(super) fn all_of(namespace: &Arc<str>) -> Picker {
    Picker::default().in_namespace(namespace)
}
