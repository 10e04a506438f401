//! Lines of the operator's log, as `pods/log` sends them with times.
//!
//! The operator logs with zap: its console form (time, level, logger, message and JSON, with tabs between) as the bundle
//! and the chart run it, or one JSON object a line where it was told so. Leader election speaks through klog. A line of
//! any other form is a message as it stands.

use jiff::Timestamp;
use serde_json::Value;

use crate::domain::log::{LogLine, Loudness};
use crate::domain::text;

/// Fields of a line that are kept.
const FIELDS: usize = 24;

/// Reads a line. The time before its first blank, which the API server puts there when it is asked to, counts for more
/// than the one inside.
pub fn log_line(line: &str) -> LogLine {
    let (at, rest) = match line.split_once(' ') {
        Some((stamp, rest)) if stamp.parse::<Timestamp>().is_ok() => (stamp.parse().ok(), rest),
        _ => (
            line.trim().parse().ok(),
            if line.trim().parse::<Timestamp>().is_ok() {
                ""
            } else {
                line
            },
        ),
    };
    let mut told = json(rest)
        .or_else(|| console(rest))
        .or_else(|| klog(rest))
        .unwrap_or_else(|| LogLine {
            message: text::one_line(rest),
            ..LogLine::default()
        });
    told.at = at.or(told.at);
    told
}

fn loudness(word: &str) -> Option<Loudness> {
    Some(match word.to_ascii_uppercase().as_str() {
        "DEBUG" => Loudness::Debug,
        "INFO" => Loudness::Info,
        "WARN" | "WARNING" => Loudness::Warning,
        "ERROR" | "DPANIC" | "PANIC" | "FATAL" => Loudness::Error,
        // zap writes logr's deeper levels as numbers.
        other => {
            let level: i64 = other
                .strip_prefix("LEVEL(")
                .and_then(|rest| rest.strip_suffix(')'))
                .unwrap_or(other)
                .parse()
                .ok()?;
            if level < 0 {
                Loudness::Debug
            } else {
                Loudness::Info
            }
        }
    })
}

/// `{"level":"info","ts":"…","logger":"…","msg":"…",…}`
fn json(line: &str) -> Option<LogLine> {
    let Value::Object(object) = serde_json::from_str(line.trim()).ok()? else {
        return None;
    };
    let mut told = LogLine::default();
    for (key, value) in &object {
        match (key.as_str(), value) {
            ("level", Value::String(word)) => told.loudness = loudness(word).unwrap_or_default(),
            ("ts" | "time" | "timestamp", value) => told.at = moment(value),
            ("logger", Value::String(name)) => told.logger = text::one_line(name),
            ("msg" | "message", Value::String(said)) => told.message = text::one_line(said),
            ("caller", _) => {}
            _ => field(&mut told.fields, key, value),
        }
    }
    Some(told)
}

/// `2026-01-02T12:00:00Z<tab>INFO<tab>setup<tab>starting manager<tab>{"a": 1}`
fn console(line: &str) -> Option<LogLine> {
    let mut parts: Vec<&str> = line.split('\t').collect();
    if parts.len() < 3 {
        return None;
    }
    let at = moment(&Value::String(parts.first()?.trim().to_owned()));
    let loudness = loudness(parts.get(1)?.trim())?;
    let mut told = LogLine {
        at,
        loudness,
        ..LogLine::default()
    };
    if let Some(Ok(Value::Object(object))) = parts
        .last()
        .map(|last| serde_json::from_str::<Value>(last.trim()))
    {
        for (key, value) in &object {
            field(&mut told.fields, key, value);
        }
        parts.pop();
    }
    let words = parts.get(2..)?;
    // With more than the message left, what comes first is the logger.
    let (logger, message) = match words {
        [message] => ("", (*message).to_owned()),
        [logger, rest @ ..] => (*logger, rest.join(" ")),
        [] => return None,
    };
    told.logger = text::one_line(logger);
    told.message = text::one_line(&message);
    Some(told)
}

/// `I0102 12:00:00.000000       1 leaderelection.go:257] attempting to acquire …`
fn klog(line: &str) -> Option<LogLine> {
    let mut chars = line.chars();
    let loudness = match chars.next()? {
        'I' => Loudness::Info,
        'W' => Loudness::Warning,
        'E' | 'F' => Loudness::Error,
        _ => return None,
    };
    let (head, message) = line.split_once("] ")?;
    let dated = chars.take(4).filter(char::is_ascii_digit).count() == 4;
    let place = head.split_whitespace().next_back()?;
    if !dated || !place.contains(':') {
        return None;
    }
    Some(LogLine {
        loudness,
        logger: text::one_line(place),
        message: text::one_line(message),
        ..LogLine::default()
    })
}

/// RFC 3339, or seconds of unix time with a fraction, as zap writes them by default.
fn moment(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => {
            let seconds = number
                .as_f64()
                .filter(|s| s.is_finite() && s.abs() < 1e11)?;
            Timestamp::from_millisecond((seconds * 1_000.0) as i64).ok()
        }
        _ => None,
    }
}

/// Keeps a field, an object's fields one by one.
fn field(fields: &mut Vec<(String, String)>, key: &str, value: &Value) {
    let mut keep = |key: String, value: &Value| {
        if fields.len() < FIELDS {
            let told = match value {
                Value::String(text) => text::one_line(text),
                other => text::one_line(&other.to_string()),
            };
            fields.push((text::one_line(&key), told));
        }
    };
    match value {
        Value::Object(inner) => {
            for (name, value) in inner {
                keep(format!("{key}.{name}"), value);
            }
        }
        // A stack fills the screen and tells an operator nothing.
        _ if key == "stacktrace" => {}
        other => keep(key.to_owned(), other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> String {
        let line = log_line(line);
        let fields: Vec<String> = line
            .fields
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        format!(
            "{}|{:?}|{}|{}|{}",
            line.at.map(|at| at.to_string()).unwrap_or_default(),
            line.loudness,
            line.logger,
            line.message,
            fields.join(",")
        )
    }

    #[test]
    fn every_form_that_the_operator_writes_is_read() {
        for (line, wanted) in [
            (
                "2026-01-02T12:00:00.5Z 2026-01-02T12:00:00Z\tINFO\tsetup\tstarting manager",
                "2026-01-02T12:00:00.5Z|Info|setup|starting manager|",
            ),
            (
                "2026-01-02T12:00:00Z\tERROR\tReconciler error\t{\"controller\": \"Dragonfly\", \"Dragonfly\": {\"name\":\"orders\",\"namespace\":\"shop\"}, \"error\": \"dial tcp\\n10.0.0.1:9999\"}",
                "2026-01-02T12:00:00Z|Error||Reconciler error|Dragonfly.name=orders,Dragonfly.namespace=shop,controller=Dragonfly,error=dial tcp 10.0.0.1:9999",
            ),
            (
                r#"2026-01-02T12:00:01Z {"level":"info","ts":"2026-01-02T12:00:00Z","logger":"setup","caller":"a.go:1","msg":"hello","n":3}"#,
                "2026-01-02T12:00:01Z|Info|setup|hello|n=3",
            ),
            (
                r#"{"level":"error","ts":1767355200.25,"msg":"x","stacktrace":"a\nb"}"#,
                "2026-01-02T12:00:00.25Z|Error||x|",
            ),
            (
                "2026-01-02T12:00:00Z I0102 12:00:00.000000       1 leaderelection.go:257] attempting to acquire leader lease a/b...",
                "2026-01-02T12:00:00Z|Info|leaderelection.go:257|attempting to acquire leader lease a/b...|",
            ),
            (
                "2026-01-02T12:00:00Z\tLEVEL(-2)\tdeep\tdown",
                "2026-01-02T12:00:00Z|Debug|deep|down|",
            ),
            ("panic: \u{1b}[31mboom", "|Info||panic: boom|"),
            ("\tat x.go:1", "|Info||at x.go:1|"),
            ("2026-01-02T12:00:00Z ", "2026-01-02T12:00:00Z|Info|||"),
            ("2026-01-02T12:00:00Z", "2026-01-02T12:00:00Z|Info|||"),
            ("I0102 no place] x", "|Info||I0102 no place] x|"),
            ("[1,2]", "|Info||[1,2]|"),
            ("", "|Info|||"),
        ] {
            assert_eq!(told(line), wanted, "{line}");
        }
    }

    #[test]
    fn a_line_full_of_fields_is_cut() {
        let many: Vec<String> = (0..100).map(|n| format!("\"f{n}\":1")).collect();
        let line = log_line(&format!("{{\"msg\":\"x\",{}}}", many.join(",")));
        assert_eq!(line.fields.len(), FIELDS);
    }
}
