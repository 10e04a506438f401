//! Rights that are missing in a context, and what cannot be told without each.

use super::words::list;
use super::{Answer, Case, Check, Severity, Since, State, Subject};
use crate::domain::fact::Scope;
use crate::domain::{Access, Kind};

/// The check.
pub const CHECK: Check = Check {
    id: "not-permitted",
    title: "Rights missing",
    why: "Each missing right takes one panel away; what is shown without it is true, but not all there is.",
    reads: "answers of the API server to the standing watches",
    run,
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
    let Some(since) = denied.iter().map(|(.., since)| *since).min() else {
        return Answer::PASS;
    };
    let mut kinds: Vec<Kind> = denied.iter().map(|(kind, ..)| *kind).collect();
    kinds.dedup();
    let names: Vec<String> = kinds
        .iter()
        .map(|kind| {
            let places: Vec<&str> = denied
                .iter()
                .filter(|(k, ..)| k == kind)
                .filter_map(|(_, scope, ..)| match scope {
                    Scope::Cluster => None,
                    Scope::Namespace(ns) => Some(&**ns),
                })
                .collect();
            if places.is_empty() {
                kind.words().to_owned()
            } else {
                format!("{} in {}", kind.words(), list(&places))
            }
        })
        .collect();
    let lost: Vec<&str> = kinds.iter().map(|kind| lost(*kind)).collect();
    let judging = kinds
        .iter()
        .any(|kind| matches!(kind, Kind::Dragonfly | Kind::Pod | Kind::EndpointSlice));
    let mut finding = case
        .finding(
            &CHECK,
            if judging {
                Severity::Warning
            } else {
                Severity::Note
            },
            State::Degraded,
            format!("in {id} we may not read {}", list(&names)),
        )
        .meaning(format!("So it cannot be told {}.", list(&lost)))
        .since(Since::Seen(since));
    for (kind, scope, fault, since) in denied {
        let place = match scope {
            Scope::Cluster => "in all namespaces".to_owned(),
            Scope::Namespace(ns) => format!("in namespace {ns}"),
        };
        finding = finding.resting_on(
            fault.message.clone(),
            format!("list and watch {} {place}", kind.resource()),
            since,
        );
    }
    finding.into()
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
        let mut deny = |kind, scope| {
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
        deny(Kind::Event, Scope::Namespace(Arc::from("shop")));
        deny(Kind::Event, Scope::Namespace(Arc::from("harbor")));
        deny(Kind::Pdb, Scope::Cluster);
        assert_eq!(
            line(&answer_about(&CHECK, &f, &about)),
            "note degraded: in infra we may not read PodDisruptionBudgets and events in harbor and shop"
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
        assert!(
            line(&answer)
                .starts_with("warning degraded: in infra we may not read Dragonfly pods, ")
        );
        let super::super::Verdict::Finding(finding) = answer.verdict else {
            panic!()
        };
        assert_eq!(finding.since, Since::Seen(ago(9)));
        assert_eq!(finding.evidence.len(), 4);
        // What is not judged by the missing right stays judged.
        assert_eq!(line(&answer_of(&CHECK, &f)), "n/a");
    }
}
