//! The master Service sends traffic to something that is not the master, or nowhere though there is one.

use super::several_masters::{CHANGING, IT_PASSES};
use super::turn::its_turn;
use super::words::list;
use super::{Answer, Area, Case, Check, Instance, Node, Severity, Shown, Since, Situation, State};
use crate::domain::object::{EndpointSlice, Service};
use crate::domain::world::Held;
use crate::domain::{Kind, Role};

/// The check.
pub const CHECK: Check = Check {
    id: "service-elsewhere",
    area: Area::Exposure,
    title: "Service points elsewhere",
    why: "Clients know only the Service: whatever the engines say, they reach what its endpoints name.",
    reads: "the master Service, its EndpointSlices, INFO replication and ROLE of every node",
    next: "See where it sends.\n\
           $ {kubectl} get endpointslices -l kubernetes.io/service-name={service} -o wide\n\
           See what it selects.\n\
           $ {kubectl} get service {service} -o wide",
    situations: &[&ELSEWHERE, &ABSENT, &CHANGING],
    needs: Check::NOTHING,
    run,
};

const ELSEWHERE: Situation = Situation {
    id: "service-elsewhere",
    word: "service elsewhere",
    class: State::ServiceElsewhere,
    rule: "the ready endpoints of the master Service name a node that is not the one master, or none though there is one, for more than 5 s; or an endpoint says replica while the master is not heard",
    meaning: "Clients that reach a replica cannot write (READONLY) and may read old values; without an endpoint they are refused.",
    shown: Shown::By(&["service-elsewhere"]),
    ..Situation::BASE
};

const ABSENT: Situation = Situation {
    id: "service-missing",
    word: "no Service",
    class: State::ServiceElsewhere,
    rule: "the Services of its namespace are followed, and the master Service is not among them",
    meaning: "Clients that use its name reach nothing.",
    shown: Shown::By(&["service-deleted"]),
    ..Situation::BASE
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let unfinished = instance.masters().is_empty() || instance.endpoints.as_deref() == Some(&[]);
    if instance.young_until.is_some() && unfinished {
        // `being-made` speaks for it.
        return Answer::NOT_APPLICABLE.again(instance.young_until);
    }
    if service_is_absent(case, instance) {
        let name = &instance.view.dragonfly.value.service;
        let finding = case
            .finding(
                &CHECK,
                &ABSENT,
                Severity::Critical,
                format!("the Service {name} of {} does not exist", instance.view.id),
            )
            .next(its_turn(case, "why it does not make it again"))
            .resting_on(format!("no Service {name}"), "list of Services", case.now);
        return finding.into();
    }
    let Some(endpoints) = &instance.endpoints else {
        return Answer::NOT_APPLICABLE;
    };
    match instance.masters().as_slice() {
        [master] => against(case, instance, endpoints, master),
        // Several: `several-masters` says where the Service sends.
        [_, _, ..] => Answer::NOT_APPLICABLE,
        [] => without_master(case, instance, endpoints),
    }
}

fn service_is_absent(case: &Case<'_>, instance: &Instance<'_>) -> bool {
    instance.view.service.is_none()
        && case
            .context
            .source(Kind::Service, &instance.view.id.namespace)
            .is_some_and(|s| super::case::is_followed(s, case.limits, case.now))
}

/// Endpoints against the one master.
fn against(
    case: &Case<'_>,
    instance: &Instance<'_>,
    endpoints: &[String],
    master: &Node<'_>,
) -> Answer {
    let strangers: Vec<&String> = endpoints
        .iter()
        .filter(|e| *e != master.name() && Some(e.as_str()) != master.view.ip())
        .collect();
    if strangers.is_empty() && !endpoints.is_empty() {
        return Answer::PASS;
    }
    if endpoints.is_empty() && master.loading && !master.is_ready() {
        // Its probe keeps clients away while it loads, as it should: `loading` speaks for it.
        return Answer::NOT_APPLICABLE;
    }
    // Endpoints follow labels and readiness by themselves, a moment later.
    let turned = [
        master.view.engine.and_then(|e| e.role_changed),
        changed(&instance.view.slices),
    ];
    let moved = turned
        .into_iter()
        .flatten()
        .chain(instance.nodes.iter().filter_map(|n| n.view.relabelled));
    let settling = moved
        .max()
        .and_then(|at| case.still(at, case.limits.settling))
        .max(case.unsettled_until(master));
    if let Some(until) = settling {
        let sentence = format!(
            "{} acts as master and {}: one of them has just changed",
            master.name(),
            instance.endpoints_words()
        );
        let finding = case
            .finding(&CHECK, &CHANGING, Severity::Note, sentence)
            .next(IT_PASSES)
            .about([master.name()])
            .resting_on(instance.endpoints_words(), "EndpointSlices", case.now);
        return Answer::from(finding).again(Some(until));
    }
    let service = &instance.view.dragonfly.value.service;
    let (sentence, meaning) = if endpoints.is_empty() {
        (
            format!(
                "the Service {service} sends nowhere, though {} acts as master{}",
                master.name(),
                why_not_an_endpoint(instance.view.service, master)
            ),
            "Clients are refused.",
        )
    } else {
        let strangers_words = list(&described(instance, &strangers));
        let sentence = if strangers.len() == endpoints.len() {
            format!(
                "the Service {service} sends to {strangers_words}, but the master is {}{}",
                master.name(),
                why_not_an_endpoint(instance.view.service, master)
            )
        } else {
            format!(
                "the Service {service} sends to {strangers_words} besides the master {}",
                master.name()
            )
        };
        (
            sentence,
            "Clients that reach a replica cannot write (READONLY) and may read old values.",
        )
    };
    finding(case, instance, sentence, meaning)
        .about(
            strangers
                .into_iter()
                .cloned()
                .chain([master.name().to_owned()]),
        )
        .into()
}

/// No engine is known to be master: still, an endpoint that says it is a replica cannot be the right one.
fn without_master(case: &Case<'_>, instance: &Instance<'_>, endpoints: &[String]) -> Answer {
    let replicas: Vec<&String> = endpoints
        .iter()
        .filter(|name| {
            instance
                .node(name)
                .or_else(|| instance.node_at(name))
                .is_some_and(|n| n.says(Role::Replica) && case.unsettled_until(n).is_none())
        })
        .collect();
    let unheard = instance.nodes.iter().any(|n| n.might_be_master());
    if replicas.is_empty() || !unheard {
        // With nobody left to be master, `no-master` says it all.
        return Answer::NOT_APPLICABLE;
    }
    let sentence = format!(
        "the Service {} sends to {}",
        instance.view.dragonfly.value.service,
        list(&described(instance, &replicas))
    );
    finding(
        case,
        instance,
        sentence,
        "Clients cannot write there (READONLY).",
    )
    .about(replicas.into_iter().cloned())
    .into()
}

fn finding(
    case: &Case<'_>,
    instance: &Instance<'_>,
    sentence: String,
    meaning: &str,
) -> super::Finding {
    let since = changed(&instance.view.slices).map_or(Since::Seen(case.now), |changed| {
        let turned = instance
            .nodes
            .iter()
            .filter_map(|n| n.view.engine.and_then(|e| e.role_changed))
            .max();
        Since::Seen(turned.map_or(changed, |t| t.max(changed)))
    });
    let mut finding = case
        .finding(&CHECK, &ELSEWHERE, Severity::Critical, sentence)
        .meaning(meaning)
        .next(next(case, instance))
        .since(since);
    if let Some(service) = instance.view.service {
        let selector: Vec<String> = service
            .value
            .selector
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        finding = finding.resting_on(
            format!("it selects {}", selector.join(",")),
            format!("Service {}", service.value.meta.name),
            service.changed,
        );
    }
    for slice in &instance.view.slices {
        let names: Vec<String> = slice
            .value
            .endpoints
            .iter()
            .map(|e| {
                let name = e.pod.clone().or_else(|| e.addresses.first().cloned());
                let name = name.unwrap_or_else(|| "an endpoint without address".to_owned());
                if e.ready {
                    name
                } else {
                    format!("{name} (not ready)")
                }
            })
            .collect();
        finding = finding.resting_on(
            if names.is_empty() {
                "no endpoints".to_owned()
            } else {
                names.join(", ")
            },
            format!("EndpointSlice {}", slice.value.meta.name),
            slice.changed,
        );
    }
    finding
}

/// What to do next: of the two that disagree, selector and label, the one that is wrong.
fn next(case: &Case<'_>, instance: &Instance<'_>) -> String {
    let name = &*instance.view.dragonfly.value.service;
    let look = CHECK.next.replace("{service}", name);
    let (Some(service), Some(master)) = (instance.view.service, instance.master()) else {
        return look;
    };
    // The operator makes every Service select role=master, and gives labels; it sets only the labels right by itself.
    let steps: Vec<String> = unmet(service, master)
        .iter()
        .map(|(key, wanted, is)| match (*key, *wanted) {
            ("role", "master") => format!(
                "The label of the master's pod is wrong. {}",
                its_turn(case, "why it does not label it")
            ),
            ("role", _) => format!(
                "The selector is wrong: the operator makes it role=master. Set it right.\n$ {{kubectl}} patch service {name} \
                 -p '{{\"spec\":{{\"selector\":{{\"role\":\"master\"}}}}}}'"
            ),
            (key, wanted) => format!(
                "Selector and label {key} disagree ({key}={wanted} against {}): find out who changed which.",
                is.unwrap_or("none")
            ),
        })
        .collect();
    format!("{look}\n{}", steps.join("\n"))
}

fn described(instance: &Instance<'_>, endpoints: &[&String]) -> Vec<String> {
    endpoints
        .iter()
        .map(|name| {
            let node = instance.node(name).or_else(|| instance.node_at(name));
            match node {
                Some(n) if n.says(Role::Replica) => format!("{} (a replica)", n.name()),
                Some(n) => n.name().to_owned(),
                None => format!("{name} (none of its pods)"),
            }
        })
        .collect()
}

/// What keeps the master from being an endpoint, as far as pod and Service tell, as the end of a sentence; nothing where they
/// do not.
fn why_not_an_endpoint(service: Option<&Held<Service>>, master: &Node<'_>) -> String {
    if !master.is_ready() {
        return ", which is not ready".to_owned();
    }
    let Some(service) = service else {
        return String::new();
    };
    let unmet = unmet(service, master);
    if unmet.is_empty() {
        return String::new();
    }
    let (selects, is): (Vec<String>, Vec<String>) = unmet
        .iter()
        .map(|(key, wanted, is)| {
            let is = match is {
                Some(is) => format!("{key}={is}"),
                None => format!("no {key}"),
            };
            (format!("{key}={wanted}"), is)
        })
        .unzip();
    format!(
        ": the Service selects {}, and the master's pod has {}",
        list(&selects),
        list(&is)
    )
}

/// What the Service selects by and the master's pod is not: label, value that is selected, value that it has.
fn unmet<'a>(
    service: &'a Held<Service>,
    master: &'a Node<'_>,
) -> Vec<(&'a str, &'a str, Option<&'a str>)> {
    let labels = &master.view.pod.value.meta.labels;
    let selector = service.value.selector.iter();
    selector
        .filter(|(key, value)| labels.get(*key) != Some(value))
        .map(|(key, value)| (&**key, &**value, labels.get(key).map(|is| &**is)))
        .collect()
}

/// When the endpoints last changed before our eyes.
fn changed(slices: &[&Held<EndpointSlice>]) -> Option<jiff::Timestamp> {
    slices
        .iter()
        .filter(|slice| slice.changed > slice.first_seen)
        .map(|slice| slice.changed)
        .max()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;

    #[test]
    fn endpoints_are_held_against_the_engines_master() {
        table(
            &CHECK,
            vec![
                ("healthy", healthy(), "pass"),
                (
                    "nowhere, while its master loads and is not ready for it",
                    instance("orders")
                        .node(master().loading().unready().endpoint(false))
                        .node(replica()),
                    "n/a",
                ),
                (
                    "to a replica",
                    instance("orders")
                        .node(master().endpoint(false))
                        .node(replica().endpoint(true)),
                    "critical service-elsewhere: the Service orders sends to orders-1 (a replica), but the master is \
                     orders-0",
                ),
                (
                    "to both",
                    instance("orders")
                        .node(master())
                        .node(replica().endpoint(true)),
                    "critical service-elsewhere: the Service orders sends to orders-1 (a replica) besides the master \
                     orders-0",
                ),
                (
                    "to a stranger",
                    instance("orders")
                        .node(master().endpoint(false))
                        .sends_to("10.9.9.9"),
                    "critical service-elsewhere: the Service orders sends to 10.9.9.9 (none of its pods), but the \
                     master is orders-0",
                ),
                (
                    "to the master by address alone",
                    instance("orders")
                        .node(master().endpoint(false))
                        .sends_to("10.0.0.1"),
                    "pass",
                ),
                (
                    "nowhere, because the master has no label",
                    instance("orders")
                        .node(master().unlabelled())
                        .node(replica()),
                    "critical service-elsewhere: the Service orders sends nowhere, though orders-0 acts as master: \
                     the Service selects role=master, and the master's pod has no role",
                ),
                (
                    "nowhere, because the master is not ready",
                    instance("orders").node(master().unready()).node(replica()),
                    "critical service-elsewhere: the Service orders sends nowhere, though orders-0 acts as master, \
                     which is not ready",
                ),
                (
                    "no Service",
                    healthy().without_service(),
                    "critical service-elsewhere: the Service orders of shop/orders does not exist",
                ),
                (
                    "the master is silent, the endpoint is a replica",
                    instance("orders")
                        .node(master().endpoint(false).falls_silent(None, 20).heard(40))
                        .node(replica().endpoint(true)),
                    "critical service-elsewhere: the Service orders sends to orders-1 (a replica)",
                ),
                (
                    "several masters are told by their own check",
                    instance("orders").node(master()).node(master()),
                    "n/a",
                ),
                (
                    "no master is told by its own check",
                    instance("orders").node(master().engine_replica()),
                    "n/a",
                ),
            ],
        );
    }

    #[test]
    fn endpoints_are_given_time_to_follow() {
        let mut f = healthy().build();
        f.send_to(&[], ago(2));
        let answer = answer_of(&CHECK, &f);
        assert_eq!(
            line(&answer),
            "note syncing: orders-0 acts as master and the Service sends nowhere: one of them has just changed"
        );
        assert_eq!(answer.again_at, Some(ago(-3)));
        let mut f = healthy().build();
        f.send_to(&[], ago(6));
        let told = line(&answer_of(&CHECK, &f));
        assert_eq!(
            told,
            "critical service-elsewhere: the Service orders sends nowhere, though orders-0 acts as master"
        );
    }

    #[test]
    fn without_endpoints_being_followed_nothing_is_said() {
        let fault = crate::domain::Fault::new(crate::domain::FaultKind::Forbidden, "no");
        let spec = instance("orders")
            .node(master().endpoint(false))
            .source(Kind::EndpointSlice, crate::domain::Access::Denied(fault));
        table(&CHECK, vec![("denied", spec, "n/a")]);
    }
}
