//! The operator lacks a right that its version needs: see [`crate::checks::rights`].

use crate::checks::acceptance::{ACCEPTED, operators, untold};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Severity, Since, Situation, listed, rights};
use crate::domain::{Version, Want};

/// The check.
pub const CHECK: Check = Check {
    id: "operator-rights-missing",
    area: Area::Operator,
    title: "Operator without a right that it needs",
    why: "What is missing shows in its log only: the manager dies while it waits for its cache, or one part of its work is \
          never done. The chart of v1.6.0 lacks the right to ConfigMaps, that of v1.5.0 those to pods/status.",
    reads: "ClusterRoles and ClusterRoleBindings, Roles and RoleBindings of the operator's namespace, the version of its image",
    next: "Install chart or bundle of exactly its version anew; until then give it what is missing.\n\
           $ {cluster} auth can-i --list --as=system:serviceaccount:{namespace}:{account}",
    situations: &[&LACKS],
    needs,
    run,
};

const LACKS: Situation = Situation {
    id: "operator-rights-missing",
    word: "rights missing",
    rule: "no role that is bound to the service account of an operator gives it a verb which the bundle of its version does",
    meaning: "The operator does not start, or part of its work is never done.",
    ..ACCEPTED
};

fn needs(case: &Case<'_>) -> Vec<Want> {
    let all = operators(case, &CHECK).unwrap_or_default();
    all.iter()
        .flat_map(|held| rights::wants(&case.context.id, &held.value.meta.namespace))
        .collect()
}

fn run(case: &Case<'_>) -> Answer {
    let all = match operators(case, &CHECK) {
        Ok(all) => all,
        Err(answer) => return *answer,
    };
    for held in all {
        let operator = &held.value;
        let meta = &operator.meta;
        let Some(version) = operator.version().and_then(Version::parse) else {
            let sentence = format!(
                "which rights the operator {}/{} needs is not known: its image tells no version",
                meta.namespace, meta.name
            );
            return untold(case, &CHECK, sentence);
        };
        for (what, namespace) in rights::kinds(&meta.namespace) {
            if let Err(why) = listed::listed(case.context, what, namespace) {
                return case.unlisted(&CHECK, &case.context.id, what, namespace, why);
            }
        }
        let Some(lacks) = rights::lacks(case.context, operator, version) else {
            continue;
        };
        if lacks.is_empty() {
            continue;
        }
        let account = operator.service_account.as_deref().unwrap_or("default");
        let words: Vec<String> = lacks.iter().map(rights::Lack::words).collect();
        let mut finding = case
            .finding(
                &CHECK,
                &LACKS,
                Severity::Warning,
                format!(
                    "service account {}/{account} of the operator lacks what {version} needs: {}",
                    meta.namespace,
                    list(&words)
                ),
            )
            .next(
                CHECK
                    .next
                    .replace("{namespace}", &meta.namespace)
                    .replace("{account}", account),
            )
            .mended_by(rights::manifest(&lacks, &meta.namespace, account, version))
            .since(Since::Seen(held.changed));
        for lack in &lacks {
            finding = finding.resting_on(
                format!("no role that is bound to it gives {}", lack.words()),
                format!("roles of service account {account}"),
                case.now,
            );
        }
        return finding.into();
    }
    Answer::PASS
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::checks::fixture::answer_about;
    use crate::checks::{Subject, Verdict};
    use crate::domain::fixture::{Fixture, healthy, infra};
    use crate::domain::object::{Deployment, Meta};
    use crate::domain::{Fault, FaultKind, Foreign, Kind, Object, Scope};

    fn of_version(f: &mut Fixture, tag: &str) {
        let deployment = Deployment {
            meta: Meta {
                namespace: Arc::from("operators"),
                name: Arc::from("dragonfly-operator"),
                ..Meta::default()
            },
            replicas: 1,
            images: vec![("manager".to_owned(), format!("operator:{tag}"))],
            service_account: Some("manager".to_owned()),
            ..Deployment::default()
        };
        let object = Object::OperatorDeployment(Arc::new(deployment));
        listed(f, Kind::OperatorDeployment, vec![object]);
    }

    fn roles(f: &mut Fixture, rules: Value) {
        let home = || Scope::Namespace(Arc::from("operators"));
        let named = |name: &str| json!({"name": name, "namespace": "operators"});
        let role = json!({"metadata": {"name": "wide"}, "rules": rules});
        let binding = json!({
            "metadata": {"name": "wide"}, "roleRef": {"kind": "ClusterRole", "name": "wide"},
            "subjects": [{"kind": "ServiceAccount", "name": "manager", "namespace": "operators"}],
        });
        read(f, Foreign::ClusterRole, Ok(vec![role]));
        read(f, Foreign::ClusterRoleBinding, Ok(vec![binding]));
        read_in(
            f,
            &infra(),
            Foreign::Role,
            home(),
            Ok(vec![json!({"metadata": named("x")})]),
        );
        read_in(f, &infra(), Foreign::RoleBinding, home(), Ok(Vec::new()));
    }

    fn all() -> Value {
        json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])
    }

    /// All that v1.5.0 needs, and pods/status in part.
    fn older() -> Value {
        let verbs = [
            "create", "delete", "get", "list", "patch", "update", "watch",
        ];
        json!([
            {"apiGroups": ["", "apps", "dragonflydb.io", "policy", "networking.k8s.io", "coordination.k8s.io"],
             "resources": ["pods", "services", "events", "statefulsets", "dragonflies", "dragonflies/finalizers",
                           "dragonflies/status", "poddisruptionbudgets", "networkpolicies", "leases"],
             "verbs": verbs},
            {"apiGroups": [""], "resources": ["pods/status"], "verbs": ["get"]},
        ])
    }

    #[test]
    fn what_its_version_needs_is_wanted() {
        operator_table(
            &CHECK,
            &[
                (
                    "all",
                    &|f| {
                        of_version(f, "v1.6.1");
                        roles(f, all());
                    },
                    "pass",
                ),
                (
                    "roles of an older one",
                    &|f| {
                        of_version(f, "v1.6.1");
                        roles(f, older());
                    },
                    "warning healthy: service account operators/manager of the operator lacks what v1.6.1 needs: configmaps and \
                     patch,update pods/status",
                ),
                (
                    "which are enough for itself",
                    &|f| {
                        of_version(f, "v1.4.0");
                        roles(f, older());
                    },
                    "pass",
                ),
                (
                    "no version",
                    &|f| of_version(f, "latest"),
                    "note unknown: which rights the operator operators/dragonfly-operator needs is not known: its image tells no version",
                ),
                (
                    "not read",
                    &|f| of_version(f, "v1.6.1"),
                    "note unknown: nothing is known of ClusterRoles in infra: they have not been read yet",
                ),
                (
                    "refused",
                    &|f| {
                        of_version(f, "v1.6.1");
                        let fault = Fault::new(FaultKind::Forbidden, "may not list clusterroles");
                        read(f, Foreign::ClusterRole, Err(fault));
                    },
                    "note unknown: nothing is known of ClusterRoles in infra: may not list clusterroles",
                ),
            ],
        );
    }

    #[test]
    fn it_is_mended_by_the_smallest_role() {
        let mut f = healthy().build();
        of_version(&mut f, "v1.6.1");
        roles(&mut f, older());
        let Verdict::Finding(found) = answer_about(&CHECK, &f, &Subject::Operator(infra())).verdict
        else {
            unreachable!("it is a finding");
        };
        let manifest = found.manifest.unwrap();
        let wanted = "rules:\n  \
            - apiGroups: [\"\"]\n    resources: [\"configmaps\"]\n    verbs: [\"create\", \"delete\", \"get\", \"list\", \"patch\", \"update\", \"watch\"]\n  \
            - apiGroups: [\"\"]\n    resources: [\"pods/status\"]\n    verbs: [\"patch\", \"update\"]\n";
        assert!(manifest.contains(wanted), "{manifest}");
        assert!(
            manifest.contains("kind: ClusterRoleBinding") && !manifest.contains("kind: Role\n")
        );
    }
}
