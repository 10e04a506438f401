//! Which hosts a workload's definition names, and which images it runs: what is told of an environment, whose values may be
//! secret, and are not kept.
//!
//! A value is looked at only where it is written in the definition itself, never where it comes from a Secret; of a URL only the
//! host is taken, never what stands before an `@`; of a variable that sounds secret only a URL's.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::read;
use crate::domain::text;
use crate::domain::want::Foreign;

/// What such an object tells: `images` and `hosts` of a workload, `hosts` of a HelmRelease; `None` of any other kind.
pub(super) fn of(what: Foreign, value: &Value) -> Option<Map<String, Value>> {
    let mut told = Map::new();
    let mut hosts: BTreeSet<String> = BTreeSet::new();
    match what {
        Foreign::Deployment | Foreign::StatefulSet => {
            const POD: &[&str] = &["spec", "template", "spec", "containers"];
            let mut images = Vec::new();
            for container in read::list(value, POD) {
                images.extend(read::line(container, &["image"]).map(Value::String));
                for one in read::list(container, &["env"]) {
                    let name = read::line_or_empty(one, &["name"]);
                    if let Some(Value::String(text)) = one.get("value") {
                        find(&name, text, &mut hosts);
                    }
                }
            }
            told.insert("images".to_owned(), Value::Array(images));
        }
        Foreign::HelmRelease => walk("", read::at(value, &["spec", "values"])?, &mut hosts),
        _ => return None,
    }
    let hosts = hosts.into_iter().map(Value::String).collect();
    told.insert("hosts".to_owned(), Value::Array(hosts));
    Some(told)
}

fn walk(name: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => find(name, text, found),
        Value::Array(items) => items.iter().for_each(|item| walk(name, item, found)),
        Value::Object(fields) => {
            // A list of variables, as a pod writes it.
            let variable = fields.get("name").and_then(Value::as_str);
            for (key, value) in fields {
                let name = match (key.as_str(), variable) {
                    ("value", Some(variable)) => variable,
                    (key, _) => key,
                };
                walk(name, value, found);
            }
        }
        _ => {}
    }
}

/// The hosts that the value of a variable of that name tells.
fn find(name: &str, value: &str, found: &mut BTreeSet<String>) {
    const SECRET: &[&str] = &["PASS", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "AUTH"];
    const PLACE: &[&str] = &["HOST", "ADDR", "SERVER", "ENDPOINT"];
    let name = name.to_uppercase();
    let is_secret = SECRET.iter().any(|word| name.contains(word));
    let is_place = PLACE.iter().any(|word| name.contains(word));
    for word in value.split([',', ' ', ';', '\n']) {
        let (is_url, rest) = match word.split_once("://") {
            Some((_, rest)) => (true, rest),
            None => (false, word),
        };
        if is_secret && !is_url {
            continue;
        }
        let place = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let place = place.rsplit('@').next().unwrap_or_default();
        let (host, port) = match place.split_once(':') {
            Some((host, port)) => (host, port),
            None => (place, ""),
        };
        let is_whole = port.chars().all(|c| c.is_ascii_digit());
        let is_named = is_url || is_place || host.contains('.');
        if is_whole && is_named && is_host(host) {
            found.insert(text::one_line(host.trim_end_matches('.')));
        }
    }
}

/// Names as DNS writes them: small letters, figures and hyphens between dots, with a letter in the last part. A token with
/// capitals in it is none.
fn is_host(text: &str) -> bool {
    let text = text.trim_end_matches('.');
    let part = |part: &str| {
        let is_edge =
            |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        part.len() <= 63
            && is_edge(part.chars().next())
            && is_edge(part.chars().last())
            && part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253 && text.split('.').all(part) && last.chars().any(|c| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn hosts_are_told_and_nothing_else_of_a_value() {
        for (name, value, wanted) in [
            (
                "REDIS_HOST",
                "dragonfly.dragonfly-system.svc.cluster.local",
                &["dragonfly.dragonfly-system.svc.cluster.local"][..],
            ),
            ("REDIS_HOST", "dragonfly", &["dragonfly"]),
            ("MODE", "standalone", &[]),
            ("REDIS_ADDR", "dragonfly.db:6379", &["dragonfly.db"]),
            (
                "REDIS_URL",
                "redis://user:s3cret@dragonfly.db.svc:6379/0",
                &["dragonfly.db.svc"],
            ),
            (
                "REDIS_URL",
                "user:s3cret@dragonfly.db.svc:6379",
                &["dragonfly.db.svc"],
            ),
            ("REDIS_PASSWORD", "s3.cret", &[]),
            (
                "REDIS_PASSWORD",
                "redis://:s3.cret@dragonfly.db:6379",
                &["dragonfly.db"],
            ),
            ("API_TOKEN", "eyJhbGciOi.eyJzdWIi.SflKxwRJ", &[]),
            ("THING", "eyJhbGciOi.eyJzdWIi.SflKxwRJ", &[]),
            (
                "HOSTS",
                "a.db.svc:6379,b.db.svc:6379",
                &["a.db.svc", "b.db.svc"],
            ),
            ("VERSION", "1.2.3", &[]),
            ("REDIS_HOST", "10.1.2.3", &[]),
            ("REDIS_HOST", "${HOST}", &[]),
        ] {
            let mut found = BTreeSet::new();
            find(name, value, &mut found);
            assert_eq!(
                found.into_iter().collect::<Vec<_>>(),
                wanted,
                "{name}={value}"
            );
        }
    }

    #[test]
    fn a_workload_tells_hosts_and_images_and_a_release_its_hosts() {
        let workload = json!({"spec": {"template": {"spec": {"containers": [{
            "image": "quay.io/x/web:v1",
            "env": [
                {"name": "REDIS_HOST", "value": "dragonfly.db.svc"},
                {"name": "REDIS_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}},
                {"name": "DEBUG", "value": "yes"},
            ],
        }]}}}});
        let told = of(Foreign::Deployment, &workload).unwrap();
        assert_eq!(
            Value::Object(told),
            json!({"images": ["quay.io/x/web:v1"], "hosts": ["dragonfly.db.svc"]})
        );
        let release = json!({"spec": {"values": {
            "redis": {"host": "dragonfly.db.svc", "password": "a.b.c"},
            "env": [{"name": "CACHE_HOST", "value": "cache"}],
        }}});
        let told = of(Foreign::HelmRelease, &release).unwrap();
        assert_eq!(
            Value::Object(told),
            json!({"hosts": ["cache", "dragonfly.db.svc"]})
        );
        assert_eq!(of(Foreign::HelmRelease, &json!({"spec": {}})), None);
        assert_eq!(of(Foreign::Service, &workload), None);
    }
}
