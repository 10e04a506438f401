//! Several tenants share an instance: memory, threads, password, keyspace and failovers, whether they want to or not.

use std::collections::BTreeSet;

use crate::checks::acceptance::ACCEPTED;
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Severity, Situation};
use crate::domain::Consumer;

/// The check.
pub const CHECK: Check = Check {
    id: "shared-by-tenants",
    area: Area::Tenancy,
    title: "Tenants of one instance",
    why: "Tenants of one instance share its memory, its threads, its password, its keys and its failovers. Whoever fills it, or \
          empties it, does so to all of them.",
    reads: "consumers, instances and their tenants in the settings",
    next: "Say shared = true at its [[instance]] in the settings where that is meant; else give each tenant an instance of its own: \
           a namespace, a Dragonfly object with users of its own (spec.aclFromSecret), a password, a NetworkPolicy, a scrape \
           object. docs/tenancy.md weighs the two, docs/examples/tenant is one whole.",
    situations: &[&SHARED, &INTRUDED],
    needs: Check::NOTHING,
    run,
};

const SHARED: Situation = Situation {
    id: "shared-by-tenants",
    word: "shared",
    rule: "consumers of more than one tenant are expected to use the instance, and the settings do not call it shared",
    meaning: "What one tenant does to it, it does to all of them.",
    ..ACCEPTED
};

const INTRUDED: Situation = Situation {
    id: "tenant-intruded",
    word: "other tenant",
    rule: "a consumer of another tenant is expected to use an instance that is one tenant's own",
    meaning: "The tenant does not have it for itself.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let id = &instance.view.id;
    let expected = case.limits.expected.instance(id);
    let used: Vec<&Consumer> = case
        .limits
        .expected
        .consumers_of(id)
        .filter(|consumer| !consumer.denied)
        .collect();
    if used.is_empty() {
        return Answer::NOT_APPLICABLE;
    }
    // Who is nobody's is of the tenant that its namespace is.
    let tenant = |consumer: &Consumer| match consumer.tenant.as_str() {
        "" => consumer.id.namespace.to_string(),
        named => named.to_owned(),
    };
    let tenants: BTreeSet<String> = used.iter().map(|consumer| tenant(consumer)).collect();
    let own = expected.map_or("", |expected| expected.tenant.as_str());
    let others: Vec<&String> = tenants.iter().filter(|tenant| **tenant != own).collect();
    let (situation, severity, sentence) = match own {
        "" if tenants.len() > 1 && !expected.is_some_and(|expected| expected.shared) => {
            let tenants: Vec<&str> = tenants.iter().map(String::as_str).collect();
            (
                &SHARED,
                Severity::Note,
                format!("{id} is shared by {}", list(&tenants)),
            )
        }
        "" => return Answer::PASS,
        own if !others.is_empty() => (
            &INTRUDED,
            Severity::Warning,
            format!("{id} is {own}'s own, and {} to use it", {
                let names: Vec<&str> = others.iter().map(|tenant| tenant.as_str()).collect();
                format!(
                    "{} {} expected",
                    list(&names),
                    crate::checks::words::are(names.len())
                )
            }),
        ),
        _ => return Answer::PASS,
    };
    let mut finding = case.finding(&CHECK, situation, severity, sentence);
    for consumer in used {
        finding = finding.resting_on(
            format!(
                "consumer {} in {}, of {}",
                consumer.id,
                consumer.id.context,
                tenant(consumer)
            ),
            "settings",
            case.now,
        );
    }
    finding.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::Subject;
    use crate::checks::fixture::line;
    use crate::domain::expected::{ExpectedInstance, InstanceName};
    use crate::domain::fixture::{healthy, now};
    use crate::domain::{ConsumerId, ContextId, Expected};
    use std::sync::Arc;

    #[test]
    fn tenants_are_told_apart() {
        let of = |tenant: &str, denied| Consumer {
            id: ConsumerId {
                context: ContextId::new("apps"),
                namespace: Arc::from("web"),
                name: Arc::from(tenant),
            },
            instance: InstanceName::of("shop/orders").unwrap_or_default(),
            host: String::new(),
            port: 6379,
            labels: Default::default(),
            workload: String::new(),
            tenant: tenant.to_owned(),
            denied,
        };
        for (consumers, tenant, shared, wanted) in [
            (vec![], "", false, "n/a"),
            (vec![of("a", false)], "", false, "pass"),
            (
                vec![of("a", false), of("b", false)],
                "",
                false,
                "note healthy: shop/orders is shared by a and b",
            ),
            (vec![of("a", false), of("b", false)], "", true, "pass"),
            (vec![of("a", false), of("b", true)], "", false, "pass"),
            (vec![of("a", false)], "a", false, "pass"),
            (
                vec![of("a", false), of("b", false)],
                "a",
                false,
                "warning healthy: shop/orders is a's own, and b is expected to use it",
            ),
            (
                vec![of("", false), of("b", false)],
                "a",
                false,
                "warning healthy: shop/orders is a's own, and b and web are expected to use it",
            ),
        ] {
            let f = healthy().build();
            let limits = crate::checks::Limits {
                expected: Expected {
                    instances: vec![ExpectedInstance {
                        instance: InstanceName::of("shop/orders").unwrap_or_default(),
                        replicas: None,
                        tenant: tenant.to_owned(),
                        shared,
                    }],
                    consumers,
                    stores: Vec::new(),
                },
                ..Default::default()
            };
            let subject = Subject::Instance(f.id.clone());
            let answer = Case::of(&f.world, &subject, &limits, now()).map(|case| run(&case));
            assert_eq!(
                answer.map(|answer| line(&answer)).unwrap_or_default(),
                wanted
            );
        }
    }
}
