//! Answers of a metrics store: the query API of Prometheus, which VictoriaMetrics speaks too (Prometheus 2.x and 3.x,
//! VictoriaMetrics 1.9x and later); and the rules that Kubernetes objects hold.

use serde_json::{Map, Value, json};

use super::read;
use crate::domain::monitoring::{
    Ask, Series, StoreAlert, StoreRule, Told, concerns_dragonfly, mentions_dragonfly,
};
use crate::domain::text;

/// Series that are kept of an answer: more than the pods of a large fleet have of one metric.
const SERIES: usize = 10_000;
/// Rules that are kept.
const RULES: usize = 1_000;
/// Alerts that are kept.
const ALERTS: usize = 500;

/// What a store answered to that question.
///
/// # Errors
/// What is wrong with the answer, or what the store says is wrong with the question.
pub fn store_answer(ask: &Ask, body: &[u8]) -> Result<Told, String> {
    let answer: Value =
        serde_json::from_slice(body).map_err(|error| format!("not JSON: {error}"))?;
    match read::line_or_empty(&answer, &["status"]).as_str() {
        "success" => {}
        "error" => return Err(refusal(&answer)),
        _ => return Err("JSON without a status, so not of the query API".to_owned()),
    }
    let data = answer.get("data").unwrap_or(&Value::Null);
    match ask {
        Ask::Vector(_) => vector(data),
        Ask::Rules => match data.get("groups") {
            Some(Value::Array(_) | Value::Null) => Ok(Told::Rules(rules(data))),
            _ => Err("an answer without groups of rules".to_owned()),
        },
        Ask::Alerts => match data.get("alerts") {
            Some(Value::Array(_) | Value::Null) => Ok(alerts(data)),
            _ => Err("an answer without alerts".to_owned()),
        },
    }
}

/// What the store itself says is wrong, where its body says so.
pub fn store_refusal(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    (read::line_or_empty(&answer, &["status"]) == "error").then(|| refusal(&answer))
}

fn refusal(answer: &Value) -> String {
    let kind = read::line_or_empty(answer, &["errorType"]);
    let why = read::line_or_empty(answer, &["error"]);
    match (kind.is_empty(), why.is_empty()) {
        (true, true) => "it says error, and not which".to_owned(),
        (false, false) => format!("{kind}: {why}"),
        _ => format!("{kind}{why}"),
    }
}

fn vector(data: &Value) -> Result<Told, String> {
    let kind = read::line_or_empty(data, &["resultType"]);
    if kind != "vector" {
        return Err(format!(
            "a result of type {kind:?} where series were asked for"
        ));
    }
    let all = read::list(data, &["result"]);
    let series = all.iter().take(SERIES).filter_map(one_series).collect();
    Ok(Told::Vector {
        series,
        more: all.len() > SERIES,
    })
}

fn one_series(value: &Value) -> Option<Series> {
    let labels = read::map(value, &["metric"]);
    // `[unix seconds, "value"]`; the value is text, since JSON has no NaN.
    let number = read::list(value, &["value"]).get(1)?;
    let value = match number {
        Value::String(text) => text.trim().parse().ok()?,
        other => other.as_f64()?,
    };
    Some(Series { labels, value })
}

fn rules(data: &Value) -> Vec<StoreRule> {
    let mut all = Vec::new();
    for group in read::list(data, &["groups"]) {
        let name = read::line_or_empty(group, &["name"]);
        for rule in read::list(group, &["rules"]) {
            all.push(StoreRule {
                group: name.clone(),
                name: read::line_or_empty(rule, &["name"]),
                is_alert: read::line_or_empty(rule, &["type"]) != "recording",
                expression: read::prose(rule, &["query"]),
                labels: read::map(rule, &["labels"]),
                annotations: read::map(rule, &["annotations"]),
                error: read::line_or_empty(rule, &["lastError"]),
            });
        }
    }
    let concerns = |rule: &StoreRule| {
        let texts = rule.labels.values().chain(rule.annotations.values());
        let texts = texts.chain([&rule.name]).map(String::as_str);
        concerns_dragonfly(&rule.expression, texts)
    };
    let recorded: Vec<String> = all
        .iter()
        .filter(|rule| !rule.is_alert && !rule.name.is_empty() && concerns(rule))
        .map(|rule| rule.name.clone())
        .collect();
    all.retain(|rule| concerns(rule) || recorded.iter().any(|name| rule.expression.contains(name)));
    all.truncate(RULES);
    all
}

fn alerts(data: &Value) -> Told {
    let mut all: Vec<StoreAlert> = read::list(data, &["alerts"])
        .iter()
        .filter_map(|alert| {
            let mut labels = read::map(alert, &["labels"]);
            // vmalert tells the name beside the labels too.
            let name = labels.remove("alertname");
            let name = name.unwrap_or_else(|| read::line_or_empty(alert, &["name"]));
            let state = read::line_or_empty(alert, &["state"]);
            let value = read::as_written(alert, &["value"]).unwrap_or_default();
            matches!(state.as_str(), "firing" | "pending").then_some(StoreAlert {
                name,
                labels,
                annotations: read::map(alert, &["annotations"]),
                is_firing: state == "firing",
                since: read::time(alert, &["activeAt"]),
                value,
            })
        })
        .collect();
    all.sort_by_cached_key(|alert| !alert.is_about_dragonfly());
    let more = all.len() > ALERTS;
    all.truncate(ALERTS);
    Told::Alerts { alerts: all, more }
}

/// The rules about Dragonfly and its operator of a PrometheusRule or a VMRule, in their own structure: `groups` of `rules`,
/// with those that read what these record. Their expressions are kept whole, over several lines as they are written.
pub(super) fn rule_object(value: &Value) -> Value {
    let all: Vec<(String, Vec<(Value, bool)>)> = read::list(value, &["spec", "groups"])
        .iter()
        .map(|group| {
            let rules = read::list(group, &["rules"]).iter().filter_map(one_rule);
            (read::line_or_empty(group, &["name"]), rules.collect())
        })
        .collect();
    let recorded: Vec<String> = all
        .iter()
        .flat_map(|(_, rules)| rules)
        .filter(|(_, concerns)| *concerns)
        .filter_map(|(rule, _)| rule.get("record")?.as_str().map(str::to_owned))
        .collect();
    let reads_one = |rule: &Value| {
        let expression = read::prose(rule, &["expr"]);
        recorded.iter().any(|name| expression.contains(name))
    };
    let groups: Vec<Value> = all
        .into_iter()
        .filter_map(|(name, rules)| {
            let kept = rules.into_iter();
            let kept = kept.filter(|(rule, concerns)| *concerns || reads_one(rule));
            let kept: Vec<Value> = kept.map(|(rule, _)| rule).collect();
            (!kept.is_empty()).then(|| json!({"name": name, "rules": kept}))
        })
        .collect();
    json!({ "spec": { "groups": groups } })
}

/// A rule, and whether it concerns Dragonfly by itself.
fn one_rule(rule: &Value) -> Option<(Value, bool)> {
    // An expression may be a bare number.
    let expression = match rule.get("expr")? {
        Value::String(written) => text::plain(written),
        other => other.to_string(),
    };
    let mut kept = Map::new();
    for field in ["alert", "record", "for"] {
        if let Some(line) = read::line(rule, &[field]) {
            kept.insert(field.to_owned(), line.into());
        }
    }
    for field in ["labels", "annotations"] {
        let map = read::map(rule, &[field]);
        if !map.is_empty() {
            kept.insert(field.to_owned(), json!(map));
        }
    }
    let maps = ["labels", "annotations"].iter().filter_map(|field| {
        let fields = kept.get(*field)?.as_object()?;
        Some(fields.values().filter_map(Value::as_str))
    });
    let names = ["alert", "record"]
        .iter()
        .filter_map(|field| kept.get(*field)?.as_str());
    let concerns = concerns_dragonfly(&expression, maps.flatten().chain(names));
    kept.insert("expr".to_owned(), expression.into());
    Some((Value::Object(kept), concerns))
}

/// Whether a Service is one of a metrics store, or of what evaluates its rules, by its name and labels: those that the
/// operators and charts of VictoriaMetrics, Prometheus and Thanos give.
pub(super) fn serves_metrics(service: &Value) -> bool {
    const WORDS: &[&str] = &[
        "vmsingle",
        "vmselect",
        "vmalert",
        "victoria-metrics",
        "prometheus",
        "thanos-query",
    ];
    let labels = read::map(service, &["metadata", "labels"]);
    let named = [
        read::line_or_empty(service, &["metadata", "name"]),
        labels
            .get("app.kubernetes.io/name")
            .cloned()
            .unwrap_or_default(),
        labels.get("app").cloned().unwrap_or_default(),
    ];
    // A Dragonfly of that name is none.
    let is_engine = labels
        .get("app.kubernetes.io/name")
        .is_some_and(|name| mentions_dragonfly(name));
    !is_engine
        && named
            .iter()
            .any(|name| WORDS.iter().any(|word| name.contains(word)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::sync::Arc;

    use super::*;

    fn asked(ask: &Ask, body: &str) -> String {
        match store_answer(ask, body.as_bytes()) {
            Ok(Told::Vector { series, more }) => {
                let all: Vec<String> = series
                    .iter()
                    .map(|s| format!("{} {}", s.label("pod"), s.value))
                    .collect();
                format!("{all:?} {more}")
            }
            Ok(Told::Rules(rules)) => {
                let all: Vec<String> = rules
                    .iter()
                    .map(|r| format!("{}/{} {}", r.group, r.name, r.expression))
                    .collect();
                format!("{all:?}")
            }
            Ok(Told::Alerts { alerts, more }) => {
                let all: Vec<String> = alerts
                    .iter()
                    .map(|a| format!("{} {} {}", a.name, a.is_firing, a.severity()))
                    .collect();
                format!("{all:?} {more}")
            }
            Err(why) => why,
        }
    }

    #[test]
    fn answers_are_read_and_what_is_no_answer_says_so() {
        let vector = Ask::Vector(Arc::from("up"));
        for (ask, body, wanted) in [
            (
                &vector,
                r#"{"status":"success","data":{"resultType":"vector","result":[
                    {"metric":{"__name__":"up","pod":"orders-0"},"value":[1700000000.5,"1"]},
                    {"metric":{},"value":[1,"NaN"]},{"metric":{"pod":"x"}},7]}}"#,
                r#"["orders-0 1", " NaN"] false"#,
            ),
            (
                &vector,
                r#"{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}"#,
                "a result of type \"scalar\" where series were asked for",
            ),
            (
                &vector,
                r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#,
                "bad_data: parse error",
            ),
            (
                &vector,
                r#"{"kind":"Status"}"#,
                "JSON without a status, so not of the query API",
            ),
            (
                &vector,
                "<html>",
                "not JSON: expected value at line 1 column 1",
            ),
            (
                &Ask::Rules,
                r#"{"status":"success","data":{"groups":[{"name":"g","rules":[
                    {"name":"A","query":"dragonfly_master == 0","type":"alerting"},{"name":"B","query":"up == 0"}]}]}}"#,
                r#"["g/A dragonfly_master == 0"]"#,
            ),
            (
                &Ask::Rules,
                r#"{"status":"success","data":{"groups":null}}"#,
                "[]",
            ),
            (
                &Ask::Rules,
                r#"{"status":"success","data":[]}"#,
                "an answer without groups of rules",
            ),
            (
                &Ask::Alerts,
                r#"{"status":"success","data":{"alerts":[
                    {"labels":{"alertname":"Other"},"state":"firing"},
                    {"labels":{"alertname":"DragonflyDown","severity":"critical"},"state":"pending","value":"1e+00"},
                    {"labels":{"alertname":"Past"},"state":"inactive"}]}}"#,
                r#"["DragonflyDown false critical", "Other true "] false"#,
            ),
            (
                &Ask::Alerts,
                r#"{"status":"success"}"#,
                "an answer without alerts",
            ),
        ] {
            assert_eq!(asked(ask, body), wanted, "{body}");
        }
    }

    #[test]
    fn of_rule_objects_only_rules_about_dragonfly_are_kept_with_their_whole_expressions() {
        let long = format!("dragonfly_master{{pod=~\"{}\"}}\n> 0", "x|".repeat(300));
        let object = json!({"spec": {"groups": [
            {"name": "kubernetes", "rules": [{"alert": "KubeDown", "expr": "up == 0"}]},
            {"name": "cache", "rules": [
                {"alert": "NoMaster", "expr": long, "for": "1m", "annotations": {"runbook_url": "u"}},
                {"record": "r", "expr": 1, "labels": {"of": "dragonfly"}}, {"alert": "x"}, 5,
                {"alert": "R", "expr": "r > 1"}, {"alert": "S", "expr": "s > 1"},
            ]},
        ]}});
        assert_eq!(
            rule_object(&object),
            json!({"spec": {"groups": [{"name": "cache", "rules": [
                {"alert": "NoMaster", "expr": long, "for": "1m", "annotations": {"runbook_url": "u"}},
                {"record": "r", "expr": "1", "labels": {"of": "dragonfly"}},
                {"alert": "R", "expr": "r > 1"},
            ]}]}})
        );
        assert_eq!(rule_object(&json!(null)), json!({"spec": {"groups": []}}));
    }

    #[test]
    fn services_of_metrics_stores_are_told_from_others() {
        for (name, label, wanted) in [
            ("vmsingle-main", "vmsingle", true),
            ("prometheus-operated", "", true),
            ("metrics", "prometheus", true),
            ("orders", "dragonfly", false),
            ("prometheus", "dragonfly", false),
            ("web", "", false),
        ] {
            let service =
                json!({"metadata": {"name": name, "labels": {"app.kubernetes.io/name": label}}});
            assert_eq!(serves_metrics(&service), wanted, "{name} {label}");
        }
    }
}
