//! What fills the Secrets of an instance from outside: ExternalSecrets and their stores (External Secrets 0.9 to 1.x). The check
//! of acceptance and the screen read the same.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::listed::{Listed, Untold, last_listed, want};
use crate::domain::object::Dragonfly;
use crate::domain::want::ForeignObject;
use crate::domain::world::ContextWorld;
use crate::domain::{Foreign, Want};

/// How much later than twice its interval a refresh may be, seconds.
const GRACE: i64 = 300;

/// What must be read to tell what fills the Secrets of an instance: nothing where it reads none.
pub fn wants(context: &ContextWorld, dragonfly: &Dragonfly) -> Vec<Want> {
    if dragonfly.secrets.is_empty() {
        return Vec::new();
    }
    let namespace = &*dragonfly.meta.namespace;
    let mut wants = vec![want(context, Foreign::ExternalSecret, namespace)];
    if let Ok(makers) = makers(context, dragonfly) {
        let stores = makers.objects.iter().filter_map(|one| store(one));
        wants.extend(stores.map(|(what, _)| want(context, what, place(what, namespace))));
    }
    wants
}

/// The ExternalSecrets that make a Secret of the instance, as they were last told: of a cluster that is not reached no check
/// answers by them.
///
/// # Errors
/// Why they are not known.
pub fn makers<'a>(
    context: &'a ContextWorld,
    dragonfly: &Dragonfly,
) -> Result<Listed<'a>, Untold<'a>> {
    let mut all = last_listed(context, Foreign::ExternalSecret, &dragonfly.meta.namespace)?;
    all.objects.retain(|one| {
        dragonfly
            .secrets
            .iter()
            .any(|used| used.name == target(one))
    });
    Ok(all)
}

/// The Secret that an ExternalSecret makes.
pub fn target(external: &ForeignObject) -> &str {
    let named = external
        .body
        .pointer("/spec/target/name")
        .and_then(Value::as_str);
    named.unwrap_or(&external.meta.name)
}

/// The store that an ExternalSecret reads from.
pub fn store(external: &ForeignObject) -> Option<(Foreign, String)> {
    let named = external.body.pointer("/spec/secretStoreRef")?;
    let text = |key: &str| named.get(key).and_then(Value::as_str);
    let what = match text("kind") {
        Some("ClusterSecretStore") => Foreign::ClusterSecretStore,
        Some("SecretStore") | None => Foreign::SecretStore,
        Some(_) => return None,
    };
    Some((what, text("name")?.to_owned()))
}

/// Where stores of that kind are read for an ExternalSecret of that namespace; the empty one stands for the whole cluster.
pub fn place(what: Foreign, namespace: &str) -> &str {
    match what {
        Foreign::SecretStore => namespace,
        _ => "",
    }
}

/// When it was last refreshed, by its cluster's clock, and from when on, by ours, the next refresh is late; `None` where none is
/// to come.
pub fn late_from(
    context: &ContextWorld,
    external: &ForeignObject,
) -> Option<(Timestamp, Timestamp)> {
    let word = |path: &str| external.body.pointer(path).and_then(Value::as_str);
    if matches!(
        word("/spec/refreshPolicy"),
        Some("CreatedOnce" | "OnChange")
    ) {
        return None;
    }
    // An hour by default.
    let interval = seconds(word("/spec/refreshInterval").unwrap_or("1h"))?;
    if interval <= 0 {
        return None;
    }
    let refreshed: Timestamp = word("/status/refreshTime")?.parse().ok()?;
    let patience = SignedDuration::from_secs(interval.saturating_mul(2).saturating_add(GRACE));
    let until = context.by_our_clock(refreshed).checked_add(patience).ok()?;
    Some((refreshed, until))
}

/// Whole seconds of a duration as Go writes it: `1h`, `1h30m0s`, `0`.
fn seconds(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let duration: SignedDuration = text.parse().ok()?;
    Some(duration.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_read_as_go_writes_them() {
        for (text, wanted) in [
            ("1h0m0s", Some(3_600)),
            ("1h", Some(3_600)),
            ("90s", Some(90)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(seconds(text), wanted, "{text}");
        }
    }
}
