//! What fills a Secret of an instance from outside does not: its ExternalSecret is not synced, or late, or the store behind it
//! is not ready (External Secrets 0.9 to 1.x).

use jiff::Timestamp;
use serde_json::Value;

use crate::checks::acceptance::ACCEPTED;
use crate::checks::flux::condition;
use crate::checks::listed::{Untold, listed};
use crate::checks::{Answer, Area, Case, Check, Finding, Severity, Since, Situation};
use crate::domain::object::Condition;
use crate::domain::text;
use crate::domain::want::ForeignObject;
use crate::domain::{Foreign, Want};

/// The check.
pub const CHECK: Check = Check {
    id: "external-secret-late",
    area: Area::Secrets,
    title: "Secret that is not renewed from outside",
    why: "The Secret stays as it was: a password that is changed in the vault does not arrive, and one that is lost is not made \
          anew.",
    reads: "ExternalSecrets of the instance's namespace that make the Secrets which the Dragonfly object names: condition Ready, \
            refreshTime, refreshInterval; their SecretStore or ClusterSecretStore",
    next: "See what it says.\n\
           $ {kubectl} describe externalsecrets.external-secrets.io {external}\n\
           Once the cause is gone, let it try at once.\n\
           $ {kubectl} annotate externalsecrets.external-secrets.io {external} force-sync=now --overwrite",
    situations: &[&STORE, &UNSYNCED, &LATE],
    needs,
    run,
};

const STORE: Situation = Situation {
    id: "secret-store-not-ready",
    word: "store not ready",
    rule: "the SecretStore or ClusterSecretStore of such an ExternalSecret is absent, or its condition Ready is not True",
    meaning: "Nothing that comes from it is renewed.",
    ..ACCEPTED
};

const UNSYNCED: Situation = Situation {
    id: "external-secret-unsynced",
    word: "not synced",
    rule: "condition Ready of an ExternalSecret that makes a Secret of the instance is not True",
    meaning: "The Secret stays as it was, or is not there.",
    ..ACCEPTED
};

const LATE: Situation = Situation {
    id: "external-secret-late",
    word: "not renewed",
    rule: "the last refresh of such an ExternalSecret is older than twice its refreshInterval and five minutes",
    meaning: "What was changed outside since has not arrived.",
    ..ACCEPTED
};

/// How much later than twice its interval a refresh may be, seconds.
const GRACE: i64 = 300;

fn needs(case: &Case<'_>) -> Vec<Want> {
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    if instance.view.dragonfly.value.secrets.is_empty() {
        return Vec::new();
    }
    let namespace = &*instance.view.id.namespace;
    let mut wants = vec![case.want(Foreign::ExternalSecret, namespace)];
    let stores = making(case).unwrap_or_default();
    wants.extend(
        stores
            .iter()
            .filter_map(|(one, _)| store(one))
            .map(|(what, _)| case.want(what, place(what, namespace))),
    );
    wants
}

/// Where objects of that kind of store are read.
fn place(what: Foreign, namespace: &str) -> &str {
    match what {
        Foreign::SecretStore => namespace,
        _ => "",
    }
}

/// The ExternalSecrets that make a Secret of the instance, with when they were read.
fn making<'a>(case: &Case<'a>) -> Result<Vec<(&'a ForeignObject, Timestamp)>, Untold<'a>> {
    let Some(instance) = &case.instance else {
        return Ok(Vec::new());
    };
    let all = listed(
        case.context,
        Foreign::ExternalSecret,
        &instance.view.id.namespace,
    )?;
    let uses = &instance.view.dragonfly.value.secrets;
    let made = |one: &ForeignObject| {
        let target = one
            .body
            .pointer("/spec/target/name")
            .and_then(Value::as_str);
        target.unwrap_or(&one.meta.name).to_owned()
    };
    let of_it = |one: &&ForeignObject| uses.iter().any(|used| used.name == made(one));
    Ok(all
        .objects
        .into_iter()
        .filter(of_it)
        .map(|one| (one, all.at))
        .collect())
}

/// The store that an ExternalSecret reads from.
fn store(external: &ForeignObject) -> Option<(Foreign, String)> {
    let named = external.body.pointer("/spec/secretStoreRef")?;
    let text = |key: &str| named.get(key).and_then(Value::as_str);
    let what = match text("kind") {
        Some("ClusterSecretStore") => Foreign::ClusterSecretStore,
        Some("SecretStore") | None => Foreign::SecretStore,
        Some(_) => return None,
    };
    Some((what, text("name")?.to_owned()))
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let view = &instance.view;
    let namespace = &*view.id.namespace;
    if view.dragonfly.value.secrets.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    let making = match making(case) {
        Ok(making) => making,
        Err(why) => {
            return case.unlisted(
                &CHECK,
                &case.context.id,
                Foreign::ExternalSecret,
                namespace,
                why,
            );
        }
    };
    if making.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    let mut again: Option<Timestamp> = None;
    for (external, at) in making {
        let name = &*external.meta.name;
        let next = |finding: Finding| finding.next(CHECK.next.replace("{external}", name));
        match of_store(case, external) {
            Ok(Some(finding)) => return finding.into(),
            Ok(None) => {}
            Err(answer) => return *answer,
        }
        let ready = condition(external, "Ready");
        match ready.filter(|ready| ready.status == "True") {
            Some(_) => {}
            None => {
                let ready = condition(external, "Ready");
                let sentence = format!(
                    "ExternalSecret {namespace}/{name} is not synced: {}",
                    ready
                        .as_ref()
                        .map_or("it has no condition yet".to_owned(), said)
                );
                let finding = case.finding(&CHECK, &UNSYNCED, Severity::Warning, sentence);
                return next(finding)
                    .resting_on(
                        ready
                            .as_ref()
                            .map_or("it has no condition Ready".to_owned(), |c| {
                                format!("Ready is {}: {}", c.status, said(c))
                            }),
                        format!("ExternalSecret {name}"),
                        at,
                    )
                    .since(since(ready.as_ref(), at))
                    .into();
            }
        }
        let Some((refreshed, until)) = late_from(case, external) else {
            continue;
        };
        if until > case.now {
            again = Some(again.map_or(until, |again| again.min(until)));
            continue;
        }
        let interval = external
            .body
            .pointer("/spec/refreshInterval")
            .and_then(Value::as_str);
        let sentence = format!(
            "ExternalSecret {namespace}/{name} was last refreshed {} ago, and is to be every {}",
            text::age(case.context.by_our_clock(refreshed), case.now),
            interval.unwrap_or("1h")
        );
        return next(case.finding(&CHECK, &LATE, Severity::Warning, sentence))
            .resting_on(
                format!("status.refreshTime is {refreshed}"),
                format!("ExternalSecret {name}"),
                at,
            )
            .since(Since::Exactly(refreshed))
            .into();
    }
    Answer::PASS.again(again)
}

/// When it was last refreshed, and from when on the next refresh is late; `None` where none is to come.
fn late_from(case: &Case<'_>, external: &ForeignObject) -> Option<(Timestamp, Timestamp)> {
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
    let patience =
        jiff::SignedDuration::from_secs(interval.saturating_mul(2).saturating_add(GRACE));
    let until = case
        .context
        .by_our_clock(refreshed)
        .checked_add(patience)
        .ok()?;
    Some((refreshed, until))
}

/// Whole seconds of a duration as Go writes it: `1h`, `1h30m0s`, `0`.
fn seconds(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let duration: jiff::SignedDuration = text.parse().ok()?;
    Some(duration.as_secs())
}

fn of_store(case: &Case<'_>, external: &ForeignObject) -> Result<Option<Finding>, Box<Answer>> {
    let Some((what, name)) = store(external) else {
        return Ok(None);
    };
    let namespace = &*external.meta.namespace;
    let place = place(what, namespace);
    let (kind, words) = match what {
        Foreign::SecretStore => ("secretstores", format!("SecretStore {namespace}/{name}")),
        _ => ("clustersecretstores", format!("ClusterSecretStore {name}")),
    };
    let stores = case.listed(&CHECK, what, place)?;
    let found = stores
        .objects
        .iter()
        .find(|store| *store.meta.name == *name);
    let ready = found.and_then(|store| condition(store, "Ready"));
    let why = match (found, &ready) {
        (None, _) => "is not there".to_owned(),
        (Some(_), None) => "has no condition yet: nobody has looked at it".to_owned(),
        (Some(_), Some(ready)) if ready.status == "True" => return Ok(None),
        (Some(_), Some(ready)) => format!("is not ready: {}", said(ready)),
    };
    let sentence = format!(
        "{words}, which ExternalSecret {} reads from, {why}",
        external.meta.name
    );
    Ok(Some(
        case.finding(&CHECK, &STORE, Severity::Warning, sentence)
            .next(format!(
                "See what it says: its address, and what it logs in with.\n\
                 $ {{kubectl}} describe {kind}.external-secrets.io {name}"
            ))
            .resting_on(why, words, stores.at)
            .since(since(ready.as_ref(), stores.at)),
    ))
}

fn said(c: &Condition) -> String {
    match c.message.is_empty() {
        true => c.reason.clone(),
        false => format!("{}: {}", c.reason, c.message),
    }
}

fn since(condition: Option<&Condition>, at: Timestamp) -> Since {
    let since = condition.and_then(|condition| condition.since);
    since.map_or(Since::Seen(at), Since::Exactly)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::fixture::{Fixture, ago};
    use crate::domain::object::{SecretPurpose, SecretUse};
    use crate::domain::{Fault, FaultKind};

    fn ready(status: &str, reason: &str) -> Value {
        json!([{"type": "Ready", "status": status, "reason": reason, "message": "m"}])
    }

    /// The instance reads `auth`, which an ExternalSecret of another name makes.
    fn reading(f: &mut Fixture) {
        dragonfly(f, |d| {
            d.secrets = vec![SecretUse {
                purpose: SecretPurpose::Password,
                name: "auth".to_owned(),
                keys: Vec::new(),
            }];
        });
    }

    fn with(
        external: (&'static str, i64, &'static str),
        store: &'static str,
    ) -> impl Fn(&mut Fixture) {
        move |f| {
            reading(f);
            let (status, refreshed, interval) = external;
            let one = json!({
                "metadata": {"name": "from-vault", "namespace": "shop"},
                "spec": {"secretStoreRef": {"kind": "ClusterSecretStore", "name": "vault"}, "target": {"name": "auth"},
                         "refreshInterval": interval},
                "status": {"conditions": ready(status, "SecretSyncedError"), "refreshTime": ago(refreshed).to_string()},
            });
            read(f, Foreign::ExternalSecret, Ok(vec![one]));
            let store = json!({"metadata": {"name": "vault"}, "status": {"conditions": ready(store, "InvalidProviderConfig")}});
            read(f, Foreign::ClusterSecretStore, Ok(vec![store]));
        }
    }

    #[test]
    fn what_makes_a_secret_is_wanted_in_step() {
        table(
            &CHECK,
            &[
                ("in step", &with(("True", 600, "1h"), "True"), "pass"),
                (
                    "not synced",
                    &with(("False", 600, "1h"), "True"),
                    "warning healthy: ExternalSecret shop/from-vault is not synced: SecretSyncedError: m",
                ),
                (
                    "late",
                    &with(("True", 10_800, "1h0m0s"), "True"),
                    "warning healthy: ExternalSecret shop/from-vault was last refreshed 3h00m ago, and is to be every 1h0m0s",
                ),
                ("never again", &with(("True", 10_800, "0"), "True"), "pass"),
                (
                    "its store",
                    &with(("False", 600, "1h"), "False"),
                    "warning healthy: ClusterSecretStore vault, which ExternalSecret from-vault reads from, is not ready: \
                     InvalidProviderConfig: m",
                ),
                (
                    "its store is absent",
                    &|f| {
                        with(("True", 600, "1h"), "True")(f);
                        read(f, Foreign::ClusterSecretStore, Ok(Vec::new()));
                    },
                    "warning healthy: ClusterSecretStore vault, which ExternalSecret from-vault reads from, is not there",
                ),
                (
                    "made by hand",
                    &|f| {
                        reading(f);
                        read(f, Foreign::ExternalSecret, Ok(Vec::new()));
                    },
                    "n/a",
                ),
                (
                    "no External Secrets there",
                    &|f| {
                        reading(f);
                        read(
                            f,
                            Foreign::ExternalSecret,
                            Err(Fault::new(FaultKind::NotFound, "no such kind")),
                        );
                    },
                    "n/a",
                ),
                ("no Secret is read", &|_| {}, "n/a"),
            ],
        );
        for (text, wanted) in [
            ("1h0m0s", Some(3_600)),
            ("90s", Some(90)),
            ("0", Some(0)),
            ("0s", Some(0)),
            ("x", None),
        ] {
            assert_eq!(seconds(text), wanted, "{text}");
        }
    }
}
