//! A Secret that the pods of an instance read is not there, or lacks the key that they read.

use serde_json::Value;

use crate::checks::acceptance::ACCEPTED;
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::object::SecretUse;
use crate::domain::want::ForeignObject;
use crate::domain::{Foreign, Want};

/// The check.
pub const CHECK: Check = Check {
    id: "secret-missing",
    area: Area::Secrets,
    title: "Secret or key missing",
    why: "Pods that run go on with what they read when they started. The next one that starts, as after a lost machine, does \
          not come up.",
    reads: "the Secrets that the Dragonfly object names, as metadata: names of their keys by managed fields, never a value",
    next: "See what the Secret holds, by the names of its keys.\n\
           $ {kubectl} describe secret {secret}\n\
           Make it anew where it comes from: the ExternalSecret, or whoever applies it.",
    situations: &[&MISSING, &NO_KEY],
    needs,
    run,
};

const MISSING: Situation = Situation {
    id: "secret-missing",
    word: "secret missing",
    rule: "a Secret that the Dragonfly object names is not in its namespace",
    meaning: "No pod of the instance can start any more.",
    ..ACCEPTED
};

const NO_KEY: Situation = Situation {
    id: "secret-key-missing",
    word: "key missing",
    rule: "the managed fields of such a Secret name keys, and not the one that is read",
    meaning: "No pod of the instance can start any more.",
    ..ACCEPTED
};

pub(super) fn needs(case: &Case<'_>) -> Vec<Want> {
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    match instance.view.dragonfly.value.secrets.is_empty() {
        true => Vec::new(),
        false => vec![case.want(Foreign::Secret, &instance.view.id.namespace)],
    }
}

/// The names of a Secret's keys; empty where nobody has told.
fn keys(secret: &ForeignObject) -> Vec<&str> {
    let keys = secret.body.get("keys").and_then(Value::as_array);
    keys.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let held = instance.view.dragonfly;
    let uses: &[SecretUse] = &held.value.secrets;
    if uses.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    let namespace = &*instance.view.id.namespace;
    let secrets = match case.listed(&CHECK, Foreign::Secret, namespace) {
        Ok(secrets) => secrets,
        Err(answer) => return *answer,
    };
    let found = |name: &str| secrets.objects.iter().find(|o| *o.meta.name == *name);
    let next = |name: &str| CHECK.next.replace("{secret}", name);
    let absent: Vec<&SecretUse> = uses
        .iter()
        .filter(|one| found(&one.name).is_none())
        .collect();
    if let Some(first) = absent.first() {
        let words: Vec<String> = absent
            .iter()
            .map(|one| {
                format!(
                    "Secret {namespace}/{} with {}",
                    one.name,
                    one.purpose.words()
                )
            })
            .collect();
        let mut finding = case
            .finding(
                &CHECK,
                &MISSING,
                Severity::Critical,
                format!(
                    "{} {} not there",
                    list(&words),
                    crate::checks::words::are(words.len())
                ),
            )
            .next(next(&first.name))
            .since(Since::Seen(secrets.at));
        for one in &absent {
            finding = finding.resting_on(
                format!("Secret {} is not among {}", one.name, secrets.objects.len()),
                format!("Secrets of namespace {namespace}"),
                secrets.at,
            );
        }
        return finding.into();
    }
    for one in uses {
        let Some(secret) = found(&one.name) else {
            continue;
        };
        let there = keys(secret);
        let lacks: Vec<&str> = one
            .keys
            .iter()
            .map(String::as_str)
            .filter(|key| !there.contains(key))
            .collect();
        // One that was made before managed fields were kept tells no key at all.
        let is_told = secret.body.get("told").and_then(serde_json::Value::as_bool);
        if lacks.is_empty() || (there.is_empty() && is_told != Some(true)) {
            continue;
        }
        return case
            .finding(
                &CHECK,
                &NO_KEY,
                Severity::Critical,
                format!(
                    "Secret {namespace}/{} has no key {}, which is read for {}",
                    one.name,
                    list(&lacks),
                    one.purpose.words()
                ),
            )
            .next(next(&one.name))
            .resting_on(
                match there.is_empty() {
                    true => "it has no keys".to_owned(),
                    false => format!("its keys are {}", there.join(", ")),
                },
                format!("managed fields of Secret {}", one.name),
                secrets.at,
            )
            .since(Since::Seen(secrets.at))
            .into();
    }
    Answer::PASS
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::fixture::{Fixture, ago, infra};
    use crate::domain::object::SecretPurpose;
    use crate::domain::{Fault, FaultKind, Scope};

    /// The instance reads its password from `auth`, and these Secrets are there with these keys.
    fn with(f: &mut Fixture, found: Result<&[(&str, &[&str])], Fault>) {
        dragonfly(f, |d| {
            d.secrets = vec![SecretUse {
                purpose: SecretPurpose::Password,
                name: "auth".to_owned(),
                keys: vec!["password".to_owned()],
            }];
        });
        let secret = |(name, keys): &(&str, &[&str])| {
            let fields: serde_json::Map<String, Value> = keys
                .iter()
                .map(|key| (format!("f:{key}"), json!({})))
                .collect();
            json!({"metadata": {"name": name, "namespace": "shop", "managedFields": [
                {"manager": "x", "time": ago(900).to_string(), "fieldsV1": {"f:data": fields}}]}})
        };
        let found = found.map(|all| all.iter().map(secret).collect());
        let scope = Scope::Namespace(Arc::from("shop"));
        read_in(f, &infra(), Foreign::Secret, scope, found);
    }

    #[test]
    fn every_secret_that_is_read_is_wanted_with_its_key() {
        table(
            &CHECK,
            &[
                (
                    "there",
                    &|f| with(f, Ok(&[("auth", &["password", "user"])])),
                    "pass",
                ),
                (
                    "absent",
                    &|f| with(f, Ok(&[("other", &["password"])])),
                    "critical critical: Secret shop/auth with the password is not there",
                ),
                (
                    "another key",
                    &|f| with(f, Ok(&[("auth", &["pass"])])),
                    "critical critical: Secret shop/auth has no key password, which is read for the password",
                ),
                (
                    "no key at all",
                    &|f| with(f, Ok(&[("auth", &[])])),
                    "critical critical: Secret shop/auth has no key password, which is read for the password",
                ),
                (
                    "keys that nobody tells",
                    &|f| {
                        with(f, Ok(&[]));
                        let old = json!({"metadata": {"name": "auth", "namespace": "shop"}});
                        let scope = Scope::Namespace(Arc::from("shop"));
                        read_in(f, &infra(), Foreign::Secret, scope, Ok(vec![old]));
                    },
                    "pass",
                ),
                ("none is read", &|_| {}, "n/a"),
                (
                    "refused",
                    &|f| {
                        with(
                            f,
                            Err(Fault::new(FaultKind::Forbidden, "may not list secrets")),
                        )
                    },
                    "note unknown: nothing is known of Secrets of namespace shop in infra: may not list secrets",
                ),
            ],
        );
    }
}
