//! What a metrics store tells: series, rules and alerts, as Prometheus and VictoriaMetrics answer for them.
//!
//! Paths as in Prometheus 3.x and VictoriaMetrics 1.1xx: the cluster version of the latter puts `/select/TENANT/prometheus`
//! before them, and its rules and alerts are told by vmalert.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::id::ContextId;

/// A Service that speaks the query API of Prometheus.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Store {
    /// The context that it runs in.
    pub context: ContextId,
    /// Its namespace.
    pub namespace: Arc<str>,
    /// The Service's name.
    pub service: Arc<str>,
    /// Its port, by name or number.
    pub port: Arc<str>,
    /// It is spoken to over TLS.
    pub tls: bool,
    /// What comes before `/api/v1/...`, such as `/select/0/prometheus`; empty for nothing.
    pub path: Arc<str>,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.service)
    }
}

/// What a store is asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ask {
    /// The instant vector of an expression, as it is now.
    Vector(Arc<str>),
    /// Its rules.
    Rules,
    /// Its pending and firing alerts.
    Alerts,
}

/// A question to a store (right: `get services/proxy` in its namespace).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Query {
    /// Whom.
    pub store: Store,
    /// What.
    pub ask: Ask,
}

impl Query {
    /// What it asks for, to a reader: `the alerts of the metrics store monitoring/vmsingle in infra`.
    pub fn words(&self) -> String {
        let what = match &self.ask {
            Ask::Vector(_) => "series",
            Ask::Rules => "the rules",
            Ask::Alerts => "the alerts",
        };
        format!(
            "{what} of the metrics store {} in {}",
            self.store, self.store.context
        )
    }
}

/// What a store answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// An instant vector.
    Vector {
        /// Its series.
        series: Vec<Series>,
        /// There are more than are kept.
        more: bool,
    },
    /// Rules about Dragonfly or its operator.
    Rules(Vec<StoreRule>),
    /// Alerts, those about Dragonfly first.
    Alerts {
        /// The alerts.
        alerts: Vec<StoreAlert>,
        /// There are more than are kept.
        more: bool,
    },
}

/// One series of an instant vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its labels, the name of the metric (`__name__`) among them.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

impl Series {
    /// A label; empty where it has none, which is the same to a store.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }
}

/// A rule as a store evaluates it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreRule {
    /// Name of its group.
    pub group: String,
    /// Name of the alert, or of the series that it records.
    pub name: String,
    /// It raises alerts, rather than recording a series.
    pub is_alert: bool,
    /// Its expression.
    pub expression: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Why its last evaluation failed; empty while it does not.
    pub error: String,
}

/// A pending or firing alert.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreAlert {
    /// Its name.
    pub name: String,
    /// Its labels but the name.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// It fires; otherwise it waits for its time to be over.
    pub is_firing: bool,
    /// Since when its expression holds.
    pub since: Option<Timestamp>,
    /// The value of its expression, as written.
    pub value: String,
}

impl StoreAlert {
    /// Its `severity` label, empty without one.
    pub fn severity(&self) -> &str {
        self.labels.get("severity").map_or("", String::as_str)
    }

    /// Whether it speaks of Dragonfly: in its name, a label, or the text of its annotations.
    pub fn is_about_dragonfly(&self) -> bool {
        let texts = self.labels.values().chain(self.annotations.values());
        texts
            .chain([&self.name])
            .any(|text| mentions_dragonfly(text))
    }
}

/// Whether a text speaks of Dragonfly.
pub fn mentions_dragonfly(text: &str) -> bool {
    const WORD: &[u8] = b"dragonfly";
    text.as_bytes()
        .windows(WORD.len())
        .any(|window| window.eq_ignore_ascii_case(WORD))
}

/// Whether a rule is worth keeping: it speaks of Dragonfly, or its expression reads what rules about it and its operator are
/// made of. A cluster has hundreds of others.
pub fn concerns_dragonfly<'a>(expression: &str, texts: impl IntoIterator<Item = &'a str>) -> bool {
    const READ: &[&str] = &[
        "controller_runtime_",
        "leader_election_",
        "kubelet_volume_stats_",
    ];
    mentions_dragonfly(expression)
        || READ.iter().any(|name| expression.contains(name))
        || texts.into_iter().any(mentions_dragonfly)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_about_dragonfly_are_told_from_others() {
        for (expression, text, wanted) in [
            ("dragonfly_master == 0", "", true),
            ("up{job=\"Dragonfly\"} == 0", "", true),
            ("kubelet_volume_stats_used_bytes > 5", "", true),
            (
                "rate(controller_runtime_reconcile_errors_total[5m]) > 0",
                "",
                true,
            ),
            ("up == 0", "a Dragonfly is down", true),
            ("up == 0", "a node is down", false),
            ("", "", false),
        ] {
            assert_eq!(
                concerns_dragonfly(expression, [text]),
                wanted,
                "{expression} {text}"
            );
        }
    }

    #[test]
    fn an_alert_speaks_of_dragonfly_by_any_of_its_texts() {
        let label = |name: &str, value: &str| [(name.to_owned(), value.to_owned())].into();
        for (alert, wanted) in [
            (
                StoreAlert {
                    name: "DragonflyDown".to_owned(),
                    ..StoreAlert::default()
                },
                true,
            ),
            (
                StoreAlert {
                    labels: label("namespace", "dragonfly-system"),
                    ..StoreAlert::default()
                },
                true,
            ),
            (
                StoreAlert {
                    annotations: label("summary", "dragonFLY is slow"),
                    ..StoreAlert::default()
                },
                true,
            ),
            (StoreAlert::default(), false),
        ] {
            assert_eq!(alert.is_about_dragonfly(), wanted, "{alert:?}");
        }
    }
}
