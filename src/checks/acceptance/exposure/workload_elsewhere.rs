//! A consumer's workload names another host than the one by which the settings say that it connects.

use crate::checks::acceptance::passages::wish;
use crate::checks::acceptance::{ACCEPTED, untold};
use crate::checks::listed::want;
use crate::checks::reach::services::ServiceName;
use crate::checks::reach::{self};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Severity, Situation};
use crate::domain::Want;
use serde_json::Value;

/// The check.
pub const CHECK: Check = Check {
    id: "workload-elsewhere",
    area: Area::Exposure,
    title: "Workload that names another host",
    why: "What a workload connects to is written in its own definition. Where that differs from what everybody believes, every other \
          check about the consumer judges the wrong name.",
    reads: "host names in the environment of the consumer's Deployment or StatefulSet, or in the values of its HelmRelease; values of \
            Secrets are never read",
    next: "Compare its definition with the host in the settings, and mend the one that is wrong.",
    situations: &[&ELSEWHERE],
    needs,
    run,
};

const ELSEWHERE: Situation = Situation {
    id: "workload-elsewhere",
    word: "other host",
    rule: "the workload that the settings name for a consumer names hosts in its definition, and none of them is the host by which it is said to connect",
    meaning: "It uses another instance than is believed, or a name that only happens to work.",
    ..ACCEPTED
};

fn needs(case: &Case<'_>) -> Vec<Want> {
    let found = wish(case).and_then(|wish| {
        let context = reach::home(case.world, &wish.id.context)?;
        let (what, _) = reach::workload(wish)?;
        Some(want(context, what, &wish.id.namespace))
    });
    found.into_iter().collect()
}

fn run(case: &Case<'_>) -> Answer {
    let Some(wish) = wish(case)
        .filter(|wish| !wish.denied && !wish.host.is_empty() && !wish.workload.is_empty())
    else {
        return Answer::NOT_APPLICABLE;
    };
    let Some((what, name)) = reach::workload(wish) else {
        let sentence = format!(
            "the settings call the workload of {} {}, which is none of Deployment/NAME, StatefulSet/NAME and HelmRelease/NAME",
            wish.id, wish.workload
        );
        return untold(case, &CHECK, sentence);
    };
    let namespace = &*wish.id.namespace;
    let home = reach::home(case.world, &wish.id.context).map_or(&wish.id.context, |home| &home.id);
    let found = match case.listed_in(&CHECK, home, what, namespace) {
        Ok(found) => found,
        Err(answer) => return *answer,
    };
    let Some(workload) = found.objects.iter().find(|one| &*one.meta.name == name) else {
        let sentence = format!(
            "{home} has no {} {namespace}/{name}",
            wish.workload.split('/').next().unwrap_or_default()
        );
        return untold(case, &CHECK, sentence);
    };
    let hosts = workload.body.get("hosts").and_then(Value::as_array);
    let hosts: Vec<&str> = hosts
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let is_it = |host: &&str| {
        let [one, other] = [host, wish.host.as_str()].map(|host| ServiceName::of(host, namespace));
        **host == wish.host || (one.is_some() && one == other)
    };
    if hosts.iter().any(is_it) {
        return Answer::PASS;
    }
    let called = format!("{} in {namespace}", wish.workload);
    if hosts.is_empty() {
        let sentence = format!(
            "{called} names no host in its definition: it may come from a Secret, a ConfigMap or its image, which are not read"
        );
        return untold(case, &CHECK, sentence);
    }
    let sentence = format!(
        "{called} of {home} names {}, not {} by which {} is said to connect",
        list(&hosts),
        wish.host,
        wish.id
    );
    case.finding(&CHECK, &ELSEWHERE, Severity::Warning, sentence)
        .resting_on(format!("hosts: {}", list(&hosts)), called, found.at)
        .into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::checks::fixture::line;
    use crate::domain::{ContextId, Foreign, Scope};
    use serde_json::json;

    #[test]
    fn the_definition_names_the_host_that_is_said() {
        for (name, env, wanted) in [
            (
                "it",
                json!([{"name": "REDIS_HOST", "value": "orders.shop.svc.cluster.local"}]),
                "pass",
            ),
            (
                "shorter",
                json!([{"name": "REDIS_URL", "value": "redis://:secret@orders.shop:6379"}]),
                "pass",
            ),
            (
                "another",
                json!([{"name": "REDIS_HOST", "value": "carts.shop.svc"}]),
                "warning healthy: Deployment/front in web of apps names carts.shop.svc, not orders.shop.svc.cluster.local by which web/front is said to connect",
            ),
            (
                "none",
                json!([{"name": "REDIS_URL", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]),
                "note unknown: Deployment/front in web names no host in its definition: it may come from a Secret, a ConfigMap or its image, which are not read",
            ),
        ] {
            let (mut f, mut limits) = with_consumer(false);
            limits.expected.consumers[0].workload = "Deployment/front".to_owned();
            let front = json!({"metadata": {"name": "front", "namespace": "web"}, "spec": {"template": {"spec": {"containers": [{"env": env}]}}}});
            let apps = ContextId::new("apps");
            read_in(
                &mut f,
                &apps,
                Foreign::Deployment,
                Scope::Namespace("web".into()),
                Ok(vec![front]),
            );
            let subject = crate::checks::Subject::Consumer(limits.expected.consumers[0].id.clone());
            assert_eq!(
                line(&answer_within(&CHECK, &f, &limits, &subject)),
                wanted,
                "{name}"
            );
        }
        consumer_table(&CHECK, false, &[("no workload is named", &|_| {}, "n/a")]);
    }
}
