//! The Service of an instance does not select the master alone: clients come to replicas, which refuse their writes.

use crate::checks::acceptance::{ACCEPTED, knows, unread};
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::Kind;

/// The check.
pub const CHECK: Check = Check {
    id: "selector-too-wide",
    area: Area::Exposure,
    title: "Service that does not select the master alone",
    why: "Clients know one name. Where replicas are behind it as well, part of their writes is refused and part of what they read \
          is old.",
    reads: "spec.selector of the master Service",
    next: "Put the selector back: app={name}, app.kubernetes.io/name=dragonfly and role=master. The operator merges what it wants \
           and never removes anything; a Service that it did not make has to be changed where it comes from.\n\
           $ {kubectl} get services -o wide",
    situations: &[&WIDE],
    needs: Check::NOTHING,
    run,
};

const WIDE: Situation = Situation {
    id: "selector-too-wide",
    word: "selector too wide",
    rule: "spec.selector of the master Service lacks role=master or app=NAME, or wants another value of one of them",
    meaning: "Clients are sent to replicas, or to no node or another instance.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let view = &instance.view;
    if !knows(case, Kind::Service, &view.id.namespace) {
        return unread(case, &CHECK, Kind::Service, &view.id.namespace);
    }
    // That it is absent shows in where traffic goes, which is judged as health.
    let Some(held) = view.service else {
        return Answer::NOT_APPLICABLE;
    };
    let wrong: Vec<String> = [("role", "master"), ("app", &*view.id.name)]
        .into_iter()
        .filter_map(|(label, wanted)| match held.value.selector.get(label) {
            Some(value) if value == wanted => None,
            Some(value) => Some(format!("{label}={value} instead of {label}={wanted}")),
            None => Some(format!("no {label}={wanted}")),
        })
        .collect();
    if wrong.is_empty() {
        return Answer::PASS;
    }
    let name = &held.value.meta.name;
    let selector: Vec<String> = held
        .value
        .selector
        .iter()
        .map(|(label, value)| format!("{label}={value}"))
        .collect();
    case.finding(
        &CHECK,
        &WIDE,
        Severity::Critical,
        format!(
            "Service {name} selects by {}",
            crate::checks::words::list(&wrong)
        ),
    )
    .resting_on(
        format!("spec.selector is {}", selector.join(", ")),
        format!("Service {name}"),
        held.changed,
    )
    .since(Since::Seen(held.changed))
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::Object;
    use crate::domain::fixture::{Fixture, healthy};
    use crate::domain::object::Service;
    use std::sync::Arc;

    #[test]
    fn the_master_alone_is_wanted() {
        let with = |selector: &'static [(&'static str, &'static str)]| {
            move |f: &mut Fixture| {
                let pairs = selector
                    .iter()
                    .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
                let service = Service {
                    meta: meta("orders"),
                    selector: pairs.collect(),
                    ..Service::default()
                };
                listed(f, Kind::Service, vec![Object::Service(Arc::new(service))]);
            }
        };
        table(
            &CHECK,
            &[
                ("the operator's", &|_| {}, "pass"),
                (
                    "any role",
                    &with(&[("app", "orders")]),
                    "critical critical: Service orders selects by no role=master",
                ),
                (
                    "replicas of another instance",
                    &with(&[("app", "carts"), ("role", "replica")]),
                    "critical critical: Service orders selects by role=replica instead of role=master and app=carts instead of app=orders",
                ),
                (
                    "absent",
                    &|f| *f = healthy().without_service().build(),
                    "n/a",
                ),
            ],
        );
    }
}
