//! A `${NAME}` stands in an object as it was written: what was to put a value there did not, as a Flux Kustomization without
//! its `postBuild`. The API server takes it, and it means nothing to anybody.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::checks::acceptance::ACCEPTED;
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation};
use crate::domain::InstanceView;
use crate::domain::object::{Meta, Unfilled};

/// The check.
pub const CHECK: Check = Check {
    id: "value-unfilled",
    area: Area::Instance,
    title: "A value that nobody filled in",
    why: "The words were meant to be replaced before they reached the cluster; as they are, they are a wrong value.",
    reads: "the Dragonfly object; labels and annotations of it, its pods, StatefulSet, Service, PVCs, budgets and policies; \
            arguments of the pods",
    next: "See which Kustomization applied it, and whether its spec.postBuild substitutes that name.\n\
           $ {kubectl} get dragonfly {name} -o yaml --show-managed-fields",
    situations: &[&UNFILLED],
    needs: Check::NOTHING,
    run,
};

const UNFILLED: Situation = Situation {
    id: "value-unfilled",
    word: "value unfilled",
    rule: "a ${NAME} is left in spec of the Dragonfly object, in a label or annotation of what belongs to it, or in an argument of a pod",
    meaning: "What it stands for is not what was meant.",
    ..ACCEPTED
};

/// Where something was left, and when that object last changed.
type Left = (String, Unfilled, Timestamp);

/// Every object of the instance, by what it is called, with when it last changed.
fn objects<'a>(view: &'a InstanceView<'_>) -> Vec<(&'static str, &'a Meta, Timestamp)> {
    let mut all = vec![(
        "Dragonfly",
        &view.dragonfly.value.meta,
        view.dragonfly.changed,
    )];
    all.extend(
        view.stateful_set
            .map(|held| ("StatefulSet", &held.value.meta, held.changed)),
    );
    all.extend(
        view.service
            .map(|held| ("Service", &held.value.meta, held.changed)),
    );
    all.extend(
        view.nodes
            .iter()
            .map(|node| ("pod", &node.pod.value.meta, node.pod.changed)),
    );
    all.extend(
        view.pvcs
            .iter()
            .map(|held| ("PVC", &held.value.meta, held.changed)),
    );
    let pdbs = view.pdbs.iter();
    all.extend(pdbs.map(|held| ("PodDisruptionBudget", &held.value.meta, held.changed)));
    let policies = view.policies.iter();
    all.extend(policies.map(|held| ("NetworkPolicy", &held.value.meta, held.changed)));
    all
}

fn left(view: &InstanceView<'_>) -> Vec<Left> {
    let mut all: Vec<Left> = Vec::new();
    let name = &view.id.name;
    let held = view.dragonfly;
    let own = held.value.unfilled.iter().cloned();
    all.extend(own.map(|one| (format!("Dragonfly {name}"), one, held.changed)));
    for (kind, meta, at) in objects(view) {
        let mut of_map = |what: &str, map: &BTreeMap<String, String>| {
            for (key, value) in map {
                let found = [
                    Unfilled::of(format!("a key of {what}"), key),
                    Unfilled::of(format!("{what} {key}"), value),
                ];
                let found = found.into_iter().flatten();
                all.extend(found.map(|one| (format!("{kind} {}", meta.name), one, at)));
            }
        };
        of_map("label", &meta.labels);
        of_map("annotation", &meta.annotations);
    }
    for node in &view.nodes {
        let Some(container) = node.pod.value.container("dragonfly") else {
            continue;
        };
        for arg in &container.args {
            let found = Unfilled::of("arguments", arg);
            all.extend(found.map(|one| (format!("pod {}", node.id.pod), one, node.pod.changed)));
        }
    }
    all
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let left = left(&instance.view);
    let Some((object, first, _)) = left.first() else {
        return Answer::PASS;
    };
    let mut names: Vec<&str> = left
        .iter()
        .flat_map(|(_, one, _)| one.words.split(' '))
        .collect();
    names.sort_unstable();
    names.dedup();
    let more = match left.len() - 1 {
        0 => String::new(),
        more => format!(
            ", and {more} more {}",
            crate::checks::words::number(more, "place", "places")
        ),
    };
    let mut finding = case
        .finding(
            &CHECK,
            &UNFILLED,
            Severity::Warning,
            format!(
                "{} is left as it was written in {} of {object}{more}",
                list(&names),
                first.place
            ),
        )
        .since(Since::Seen(
            left.iter().map(|(_, _, at)| *at).max().unwrap_or(case.now),
        ));
    for (object, one, at) in &left {
        finding = finding.resting_on(
            format!("{} has {}", one.place, one.words),
            object.clone(),
            *at,
        );
    }
    finding.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;

    #[test]
    fn it_is_looked_for_everywhere() {
        table(
            &CHECK,
            &[
                ("nothing", &|_| {}, "pass"),
                (
                    "in the object",
                    &|f| {
                        dragonfly(f, |d| {
                            d.unfilled = Unfilled::of("spec.image", "${REPO}:v1")
                                .into_iter()
                                .collect()
                        })
                    },
                    "warning healthy: ${REPO} is left as it was written in spec.image of Dragonfly orders",
                ),
                (
                    "in an annotation",
                    &|f| {
                        dragonfly(f, |d| {
                            d.meta
                                .annotations
                                .insert("team".to_owned(), "${TEAM}".to_owned());
                        });
                    },
                    "warning healthy: ${TEAM} is left as it was written in annotation team of Dragonfly orders",
                ),
                (
                    "in the arguments of every pod",
                    &|f| {
                        pods(f, |_, pod| {
                            for container in &mut pod.containers {
                                container.args = vec!["--maxmemory=${MAX}".to_owned()];
                            }
                        });
                    },
                    "warning healthy: ${MAX} is left as it was written in arguments of pod orders-0, and 2 more places",
                ),
                (
                    "kept on purpose",
                    &|f| {
                        dragonfly(f, |d| {
                            d.meta
                                .annotations
                                .insert("note".to_owned(), "$${KEPT}".to_owned());
                        });
                    },
                    "pass",
                ),
            ],
        );
    }
}
