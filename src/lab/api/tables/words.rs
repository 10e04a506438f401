//! How tables spell times, lists and missing things.

use jiff::Timestamp;
use serde_json::Value;

use crate::lab::clock;

/// What stands for a missing value.
pub(super) const NONE: &str = "<none>";
/// What stands for an unknown time.
pub(super) const UNKNOWN: &str = "<unknown>";

/// `HumanDuration` of `k8s.io/apimachinery`: two units at most, fewer the longer it is.
fn duration(seconds: i64) -> String {
    if seconds < -1 {
        return "<invalid>".into();
    }
    if seconds < 0 {
        return "0s".into();
    }
    let two = |first: i64, a: &str, second: i64, b: &str| {
        if second == 0 {
            format!("{first}{a}")
        } else {
            format!("{first}{a}{second}{b}")
        }
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let days = hours / 24;
    if seconds < 120 {
        format!("{seconds}s")
    } else if minutes < 10 {
        two(minutes, "m", seconds % 60, "s")
    } else if minutes < 180 {
        format!("{minutes}m")
    } else if hours < 8 {
        two(hours, "h", minutes % 60, "m")
    } else if hours < 48 {
        format!("{hours}h")
    } else if hours < 192 {
        two(days, "d", hours % 24, "h")
    } else if hours < 24 * 365 * 2 {
        format!("{days}d")
    } else if hours < 24 * 365 * 8 {
        two(days / 365, "y", days % 365, "d")
    } else {
        format!("{}y", days / 365)
    }
}

/// The time since a stamp.
pub(super) fn since(at: &str, now: Timestamp) -> String {
    match clock::parse(at) {
        Some(at) => duration(now.as_second() - at.as_second()),
        None => UNKNOWN.into(),
    }
}

/// `a=b,c=d`, or `<none>`.
pub(super) fn pairs(map: Option<&Value>) -> String {
    let mut pairs: Vec<String> = map
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    // Sorted as texts, not as keys: `a.b/c=x` comes before `a=x`.
    pairs.sort();
    or_none(pairs.join(","))
}

/// A `LabelSelector` in one line.
pub(super) fn selector(selector: Option<&Value>) -> String {
    let Some(selector) = selector else {
        return NONE.into();
    };
    let mut parts: Vec<String> = match selector.get("matchLabels") {
        Some(labels) => labels
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
            .collect(),
        None => Vec::new(),
    };
    for one in selector
        .get("matchExpressions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default();
        let values: Vec<&str> = one
            .get("values")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        parts.push(match text("operator") {
            "Exists" => text("key").to_owned(),
            "DoesNotExist" => format!("!{}", text("key")),
            "NotIn" => format!("{} notin ({})", text("key"), values.join(",")),
            _ => format!("{} in ({})", text("key"), values.join(",")),
        });
    }
    or_none(parts.join(","))
}

/// `<none>` for an empty text.
pub(super) fn or_none(text: String) -> String {
    if text.is_empty() { NONE.into() } else { text }
}

/// The first three of many, and how many more.
pub(super) fn three(all: &[String]) -> String {
    match all {
        [] => NONE.into(),
        [a, b, c, rest @ ..] if !rest.is_empty() => format!("{a},{b},{c} + {} more...", rest.len()),
        few => few.join(","),
    }
}

/// `RWO,ROX`.
pub(super) fn access_modes(modes: Option<&Value>) -> String {
    let short: Vec<&str> = modes
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|mode| match mode {
            "ReadWriteOnce" => "RWO",
            "ReadOnlyMany" => "ROX",
            "ReadWriteMany" => "RWX",
            "ReadWriteOncePod" => "RWOP",
            other => other,
        })
        .collect();
    short.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let table = [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (600, "10m"),
            (179 * 60, "179m"),
            (180 * 60, "3h"),
            (185 * 60, "3h5m"),
            (8 * 3600, "8h"),
            (47 * 3600, "47h"),
            (49 * 3600, "2d1h"),
            (192 * 3600, "8d"),
            (729 * 86400, "729d"),
            (731 * 86400, "2y1d"),
            (9 * 365 * 86400, "9y"),
        ];
        for (seconds, text) in table {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn long_lists_are_cut() {
        let all: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        assert_eq!(three(&all), "a,b,c + 2 more...");
        assert_eq!(three(&[]), NONE);
    }
}
