//! Rights that are missing in a context, and what cannot be told without each.

use super::words::{list, number};
use super::{Answer, Area, Case, Check, Severity, Shown, Since, Situation, State, Subject};
use crate::domain::fact::Scope;
use crate::domain::world::ContextWorld;
use crate::domain::{Access, Kind};

/// The check.
pub const CHECK: Check = Check {
    id: "not-permitted",
    area: Area::Access,
    title: "Rights missing",
    why: "Each missing right takes one panel away; what is shown without it is true, but not all there is.",
    reads: "answers of the API server to the standing watches",
    next: "Ask for list and watch on them; docs/rbac/watch.yaml has each rule, docs/rights.md what it is for.\n\
           See what you may do now.\n\
           $ {kubectl} auth can-i --list\n\
           Press r in the console: it asks again at once.",
    situations: &[&UNJUDGED, &LESS],
    needs: Check::NOTHING,
    run,
};

const UNJUDGED: Situation = Situation {
    id: "rights-missing",
    word: "not permitted",
    class: State::Unknown,
    rule: "the API server refuses the watch of Dragonfly objects, pods or EndpointSlices",
    meaning: "Instances there may be missing, or be neither well nor ill.",
    shown: Shown::By(&["forbidden-lists"]),
    ..Situation::BASE
};

const LESS: Situation = Situation {
    id: "rights-fewer",
    word: "fewer rights",
    class: State::Degraded,
    rule: "the API server refuses the watch of any other kind, or of the whole cluster where namespaces may be read, or the \
           namespace kube-system",
    meaning: "One panel shows less for each missing right; what is shown is true.",
    shown: Shown::By(&["fewer-rights"]),
    ..Situation::BASE
};

fn run(case: &Case<'_>) -> Answer {
    let Subject::Context(id) = case.subject else {
        return Answer::NOT_APPLICABLE;
    };
    let mut denied: Vec<(Kind, &Scope, &crate::domain::Fault, jiff::Timestamp)> = case
        .context
        .troubled_sources()
        .filter_map(|(kind, scope, source)| match &source.access {
            Some(Access::Denied(fault)) => Some((kind, scope, fault, source.since)),
            _ => None,
        })
        .collect();
    denied.sort_by_key(|(kind, scope, ..)| (*kind, (*scope).clone()));
    let elsewhere: Vec<_> = case
        .context
        .superseded_sources()
        .filter_map(|(kind, source)| match &source.access {
            Some(Access::Denied(fault)) => Some((kind, &Scope::Cluster, fault, source.since)),
            _ => None,
        })
        .collect();
    // Of the whole cluster, like a kind of which nothing may be read.
    let unidentified = case.context.unidentified.as_ref();
    let all = denied.iter().chain(&elsewhere).map(|(.., since)| *since);
    let Some(since) = all.chain(unidentified.map(|(_, since)| *since)).min() else {
        return Answer::PASS;
    };
    let mut kinds: Vec<Kind> = denied.iter().map(|(kind, ..)| *kind).collect();
    kinds.dedup();
    let places_of = |kind: &Kind| -> Vec<&str> {
        let of_kind = denied.iter().filter(|(k, ..)| k == kind);
        of_kind
            .filter_map(|(_, scope, ..)| match scope {
                Scope::Cluster => None,
                Scope::Namespace(ns) => Some(&**ns),
            })
            .collect()
    };
    // Kinds that are missing in the same places stand together.
    let mut by_places: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
    for kind in &kinds {
        let places = places_of(kind);
        match by_places.iter_mut().find(|(known, _)| *known == places) {
            Some((_, names)) => names.push(named(*kind)),
            None => by_places.push((places, vec![named(*kind)])),
        }
    }
    if unidentified.is_some() {
        const UID: &str = "the uid of its kube-system";
        match by_places.iter_mut().find(|(places, _)| places.is_empty()) {
            Some((_, names)) => names.push(UID),
            None => by_places.push((Vec::new(), vec![UID])),
        }
    }
    let names: Vec<String> = by_places
        .iter()
        .map(|(places, names)| match places.as_slice() {
            [] => list(names),
            places => format!("{} in {}", list(names), list(places)),
        })
        .collect();
    let rest: Vec<&str> = elsewhere.iter().map(|(kind, ..)| named(*kind)).collect();
    let outside = outside(case.context);
    // Where some of several kinds share a place, `and` would leave open which.
    let is_plain = by_places.iter().all(|(_, names)| names.len() == 1) || by_places.len() == 1;
    let told = match is_plain {
        true => list(&names),
        false => names.join("; "),
    };
    let sentence = match (names.as_slice(), rest.as_slice()) {
        (_, []) => format!("in {id} we may not read {told}"),
        ([], rest) => format!("in {id}, {outside}, we may not read {}", list(rest)),
        (_, rest) => format!(
            "in {id} we may not read {told}; nor, {outside}, {}",
            list(rest)
        ),
    };
    let mut lost: Vec<&str> = kinds.iter().map(|kind| lost(*kind)).collect();
    lost.extend(unidentified.map(|_| "whether another context leads to the same cluster"));
    let judging = kinds
        .iter()
        .any(|kind| matches!(kind, Kind::Dragonfly | Kind::Pod | Kind::EndpointSlice));
    let mut finding = case
        .finding(
            &CHECK,
            // Instances that may not be seen, or not be judged, are neither well nor ill.
            if judging { &UNJUDGED } else { &LESS },
            if judging {
                Severity::Warning
            } else {
                Severity::Note
            },
            sentence,
        )
        .meaning(meaning(&lost, &outside, rest.is_empty()))
        .since(Since::Seen(since));
    for (kind, _, fault, since) in denied.into_iter().chain(elsewhere) {
        finding = finding.resting_on(
            fault.message.clone(),
            format!("watch of {}", kind.resource()),
            since,
        );
    }
    if let Some((fault, since)) = unidentified {
        finding = finding.resting_on(fault.message.clone(), "namespace kube-system", *since);
    }
    finding.into()
}

/// Where the rest of the cluster is that may not be read: `outside namespace shop`.
fn outside(context: &ContextWorld) -> String {
    let namespaces: Vec<&str> = context.namespaces_instead().into_iter().collect();
    let noun = number(namespaces.len(), "namespace", "namespaces");
    format!("outside {noun} {}", list(&namespaces))
}

fn meaning(lost: &[&str], outside: &str, is_whole: bool) -> String {
    let mut sentences = Vec::new();
    if !lost.is_empty() {
        sentences.push(format!("So it cannot be told {}.", list(lost)));
    }
    if !is_whole {
        sentences.push(format!("What is {outside} is not seen."));
    }
    sentences.join(" ")
}

/// A kind as it stands in a sentence.
fn named(kind: Kind) -> &'static str {
    match kind {
        Kind::Crd => "the CRD",
        Kind::OperatorDeployment => "the operator's Deployment",
        Kind::OperatorPod => "the operator's pods",
        Kind::OperatorLease => "the operator's Lease",
        other => other.words(),
    }
}

/// What cannot be told without a kind.
fn lost(kind: Kind) -> &'static str {
    match kind {
        Kind::Crd => "which version of the CRD is installed",
        Kind::Dragonfly => "which instances there are",
        Kind::Pod => "which nodes they have and what these are doing",
        Kind::StatefulSet => "how far a rollout is",
        Kind::Service => "whether the master Service exists",
        Kind::EndpointSlice => "where the Service sends traffic",
        Kind::Pvc => "what storage they have",
        Kind::ExistingPvc => "what stands behind the claims that their owners chose",
        Kind::Pdb => "whether they are protected from evictions",
        Kind::NetworkPolicy => "who may reach them",
        Kind::Event => "what happened to them lately",
        Kind::OperatorDeployment => "whether an operator is installed and in which version",
        Kind::OperatorPod => "whether the operator runs",
        Kind::OperatorLease => "which operator pod leads",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::fixture::*;
    use crate::domain::{Fact, Fault, FaultKind};
    use std::sync::Arc;

    #[test]
    fn each_right_is_named_with_what_is_lost() {
        let mut f = healthy().build();
        let about = Subject::Context(infra());
        assert_eq!(line(&answer_about(&CHECK, &f, &about)), "pass");
        let deny = |f: &mut Fixture, kind, scope| {
            f.tell(
                Fact::Watched {
                    context: infra(),
                    kind,
                    scope,
                    access: Access::Denied(Fault::new(FaultKind::Forbidden, "is forbidden")),
                },
                ago(9),
            );
        };
        let within = |namespace: &str| Scope::Namespace(Arc::from(namespace));
        deny(&mut f, Kind::Event, within("shop"));
        deny(&mut f, Kind::Event, within("harbor"));
        deny(&mut f, Kind::Pdb, Scope::Cluster);
        assert_eq!(
            line(&answer_about(&CHECK, &f, &about)),
            "note degraded: in infra we may not read PodDisruptionBudgets and events in harbor and shop"
        );
        let identified = |denied: Option<&str>| Fact::Identified {
            context: infra(),
            cluster: None,
            version: None,
            denied: denied.map(|told| Fault::new(FaultKind::Forbidden, told)),
        };
        f.tell(identified(Some("may not get namespaces")), ago(10));
        assert_eq!(
            line(&answer_about(&CHECK, &f, &about)),
            "note degraded: in infra we may not read PodDisruptionBudgets and the uid of its kube-system; events in harbor and shop"
        );
        f.tell(identified(None), ago(9));
        deny(&mut f, Kind::NetworkPolicy, within("shop"));
        deny(&mut f, Kind::NetworkPolicy, within("harbor"));
        assert_eq!(
            line(&answer_about(&CHECK, &f, &about)),
            "note degraded: in infra we may not read PodDisruptionBudgets; NetworkPolicies and events in harbor and shop"
        );
        f.tell(
            Fact::Watched {
                context: infra(),
                kind: Kind::Pod,
                scope: Scope::Cluster,
                access: Access::Denied(Fault::new(FaultKind::Forbidden, "is forbidden")),
            },
            ago(9),
        );
        let answer = answer_about(&CHECK, &f, &about);
        assert!(line(&answer).starts_with(
            "warning unknown: in infra we may not read Dragonfly pods and PodDisruptionBudgets; "
        ));
        let super::super::Verdict::Unknown(finding) = answer.verdict else {
            panic!()
        };
        assert_eq!(finding.since, Since::Seen(ago(9)));
        assert_eq!(finding.evidence.len(), 6);
        // What is not judged by the missing right stays judged.
        assert_eq!(line(&answer_of(&CHECK, &f)), "n/a");
    }

    #[test]
    fn what_is_read_in_its_namespace_is_missing_only_outside_it() {
        let shop = || Scope::Namespace(Arc::from("shop"));
        let own = [Kind::Dragonfly, Kind::Pod];
        for (denied_wide, live, denied_narrow, wanted) in [
            (
                &own[..],
                &own[..],
                &[][..],
                "note degraded: in infra, outside namespace shop, we may not read Dragonfly objects and Dragonfly pods",
            ),
            (
                &[Kind::Crd, Kind::Dragonfly][..],
                &[Kind::Dragonfly][..],
                &[][..],
                "note degraded: in infra we may not read the CRD; nor, outside namespace shop, Dragonfly objects",
            ),
            (
                &[Kind::Dragonfly][..],
                &[][..],
                &[Kind::Dragonfly][..],
                "warning unknown: in infra we may not read Dragonfly objects in shop; nor, outside namespace shop, \
                 Dragonfly objects",
            ),
            (
                &[Kind::Dragonfly][..],
                &[][..],
                &[][..],
                "warning unknown: in infra we may not read Dragonfly objects",
            ),
        ] {
            let mut f = healthy().build();
            let deny = |kind, scope| Fact::Watched {
                context: infra(),
                kind,
                scope,
                access: Access::Denied(Fault::new(FaultKind::Forbidden, "is forbidden")),
            };
            for kind in denied_wide {
                f.tell(deny(*kind, Scope::Cluster), ago(9));
            }
            for kind in live {
                let listed = Fact::Listed {
                    context: infra(),
                    kind: *kind,
                    scope: shop(),
                    objects: vec![],
                };
                f.tell(listed, ago(9));
            }
            for kind in denied_narrow {
                f.tell(deny(*kind, shop()), ago(9));
            }
            let answer = answer_about(&CHECK, &f, &Subject::Context(infra()));
            assert_eq!(line(&answer), wanted);
        }
    }
}
