//! Rights that the operator needs and lacks: what its version asks of the API server, against the roles that are bound to
//! its service account. A right that is missing shows only in its log, or not at all: the manager dies while it waits
//! for its cache (read of operator v1.1 to v1.6.1; v1.6.0's chart lacks the one to ConfigMaps).

use serde_json::Value;

use crate::domain::object::Deployment;
use crate::domain::want::{Foreign, ForeignObject, Want};
use crate::domain::world::{ContextWorld, Reading};
use crate::domain::{ContextId, Fault, Scope, Version};

/// A right that the operator needs.
#[derive(Debug)]
struct Need {
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
    /// Since which version.
    since: Version,
    /// Only in its own namespace.
    at_home: bool,
}

const ALL_VERBS: &[&str] = &[
    "create", "delete", "get", "list", "patch", "update", "watch",
];
const STATUS: &[&str] = &["get", "patch", "update"];
const START: Version = Version(1, 1, 0);

const fn need(
    group: &'static str,
    resource: &'static str,
    verbs: &'static [&'static str],
    since: Version,
) -> Need {
    Need {
        group,
        resource,
        verbs,
        since,
        at_home: false,
    }
}

/// What the operator's own bundle gives it, by the version that first needed it.
const NEEDS: &[Need] = &[
    need("", "pods", ALL_VERBS, START),
    need("", "services", ALL_VERBS, START),
    need("", "configmaps", ALL_VERBS, Version(1, 6, 0)),
    need("", "events", &["create", "patch"], START),
    need("", "pods/status", STATUS, Version(1, 5, 0)),
    need("apps", "statefulsets", ALL_VERBS, START),
    need("dragonflydb.io", "dragonflies", ALL_VERBS, START),
    need(
        "dragonflydb.io",
        "dragonflies/finalizers",
        &["update"],
        START,
    ),
    need("dragonflydb.io", "dragonflies/status", STATUS, START),
    need(
        "policy",
        "poddisruptionbudgets",
        ALL_VERBS,
        Version(1, 2, 0),
    ),
    need(
        "networking.k8s.io",
        "networkpolicies",
        ALL_VERBS,
        Version(1, 5, 0),
    ),
    Need {
        at_home: true,
        ..need(
            "coordination.k8s.io",
            "leases",
            &["create", "get", "update"],
            START,
        )
    },
];

/// What can be told of the operator's rights.
#[derive(Debug, PartialEq, Eq)]
pub enum Rights<'a> {
    /// The roles have not been read yet.
    Unread,
    /// They cannot be read: which kind, and why.
    Untold(&'static str, &'a Fault),
    /// Nothing is missing.
    Complete,
    /// These are missing, each in words: `update pods/status`.
    Lacks(Vec<String>),
}

/// What must be read to tell the rights of the operator in that namespace.
pub fn wants(context: &ContextId, namespace: &str) -> impl Iterator<Item = Want> {
    asked(namespace)
        .into_iter()
        .map(move |(what, scope)| Want::Objects {
            context: context.clone(),
            what,
            scope,
        })
}

fn asked(namespace: &str) -> [(Foreign, Scope); 4] {
    let home = Scope::Namespace(namespace.into());
    [
        (Foreign::ClusterRole, Scope::Cluster),
        (Foreign::ClusterRoleBinding, Scope::Cluster),
        (Foreign::Role, home.clone()),
        (Foreign::RoleBinding, home),
    ]
}

/// The kinds that tell them, each with the namespace that it is read in; none for the whole cluster.
pub fn kinds(namespace: &str) -> [(Foreign, &str); 4] {
    [
        (Foreign::ClusterRole, ""),
        (Foreign::ClusterRoleBinding, ""),
        (Foreign::Role, namespace),
        (Foreign::RoleBinding, namespace),
    ]
}

/// A right that is missing.
#[derive(Debug)]
pub struct Lack {
    need: &'static Need,
    verbs: Vec<&'static str>,
}

impl Lack {
    /// In words: `update pods/status`, or the resource alone where nothing of it is given.
    pub fn words(&self) -> String {
        let group = match self.need.group {
            "" => String::new(),
            group => format!(".{group}"),
        };
        match self.verbs.len() == self.need.verbs.len() {
            true => format!("{}{group}", self.need.resource),
            false => format!("{} {}{group}", self.verbs.join(","), self.need.resource),
        }
    }

    fn rule(&self) -> String {
        let verbs: Vec<String> = self.verbs.iter().map(|verb| format!("{verb:?}")).collect();
        format!(
            "  - apiGroups: [{:?}]\n    resources: [{:?}]\n    verbs: [{}]\n",
            self.need.group,
            self.need.resource,
            verbs.join(", ")
        )
    }
}

/// The smallest roles that give what is missing, bound to the operator's service account.
pub fn manifest(lacks: &[Lack], namespace: &str, account: &str, version: Version) -> String {
    const NAME: &str = "dragonfly-operator-missing-rights";
    let of = |cluster: bool| {
        let rules: String = lacks
            .iter()
            .filter(|lack| lack.need.at_home != cluster)
            .map(Lack::rule)
            .collect();
        let (kind, place) = match cluster {
            true => ("ClusterRole", String::new()),
            false => ("Role", format!("  namespace: {namespace}\n")),
        };
        (!rules.is_empty()).then(|| {
            format!(
                "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {NAME}\n{place}rules:\n{rules}---\n\
                 apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}Binding\nmetadata:\n  name: {NAME}\n{place}\
                 roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {NAME}\n\
                 subjects:\n  - kind: ServiceAccount\n    name: {account}\n    namespace: {namespace}\n"
            )
        })
    };
    let parts: Vec<String> = [of(true), of(false)].into_iter().flatten().collect();
    format!(
        "# What operator {version} needs and its service account {namespace}/{account} lacks; delete it when chart or bundle of\n\
         # that version gives it.\n{}",
        parts.join("---\n")
    )
}

/// What an operator of that version lacks; `None` while its roles are not read.
pub fn lacks(context: &ContextWorld, operator: &Deployment, version: Version) -> Option<Vec<Lack>> {
    let (everywhere, home) = given(context, operator).ok()?;
    Some(
        NEEDS
            .iter()
            .filter(|need| need.since <= version)
            .filter_map(|need| lacking(need, if need.at_home { &home } else { &everywhere }))
            .collect(),
    )
}

/// The rights of an operator of that version, as far as its roles were read.
pub fn of<'a>(context: &'a ContextWorld, operator: &Deployment, version: Version) -> Rights<'a> {
    if let Err(untold) = given(context, operator) {
        return untold;
    }
    match lacks(context, operator, version) {
        None => Rights::Unread,
        Some(lacks) if lacks.is_empty() => Rights::Complete,
        Some(lacks) => Rights::Lacks(lacks.iter().map(Lack::words).collect()),
    }
}

/// The rules that are bound to an operator's service account: over the cluster, and in its own namespace.
type Given<'a> = (Vec<&'a Value>, Vec<&'a Value>);

fn given<'a>(context: &'a ContextWorld, operator: &Deployment) -> Result<Given<'a>, Rights<'a>> {
    let namespace = &*operator.meta.namespace;
    let account = operator.service_account.as_deref().unwrap_or("default");
    let mut read: Vec<&'a [ForeignObject]> = Vec::new();
    for (what, scope) in asked(namespace) {
        match context.on_demand.objects(&context.id, what, &scope) {
            Reading::Unread => return Err(Rights::Unread),
            Reading::Failed(fault, _) => return Err(Rights::Untold(what.doc().words, fault)),
            Reading::Known { objects, .. } => read.push(objects),
        }
    }
    let &[cluster_roles, cluster_bindings, roles, bindings] = read.as_slice() else {
        return Err(Rights::Unread);
    };
    let everywhere = rules(cluster_bindings, account, namespace, cluster_roles, &[]);
    let mut home = rules(bindings, account, namespace, cluster_roles, roles);
    home.extend(everywhere.iter().copied());
    Ok((everywhere, home))
}

/// The rules that bindings give a service account.
fn rules<'a>(
    bindings: &[ForeignObject],
    account: &str,
    namespace: &str,
    cluster_roles: &'a [ForeignObject],
    roles: &'a [ForeignObject],
) -> Vec<&'a Value> {
    let mut all = Vec::new();
    for binding in bindings {
        let text = |path: &str| binding.body.pointer(path).and_then(Value::as_str);
        let subjects = binding.body.get("subjects").and_then(Value::as_array);
        let mut subjects = subjects.into_iter().flatten();
        if !subjects.any(|subject| is_account(subject, account, namespace)) {
            continue;
        }
        let among = match text("/roleRef/kind") {
            Some("ClusterRole") => cluster_roles,
            Some("Role") => roles,
            _ => continue,
        };
        let role = among
            .iter()
            .find(|role| text("/roleRef/name") == Some(&*role.meta.name));
        let rules = role.and_then(|role| role.body.get("rules")?.as_array());
        all.extend(rules.into_iter().flatten());
    }
    all
}

/// A subject means the service account: by name, or by a group that all service accounts are in.
fn is_account(subject: &Value, account: &str, namespace: &str) -> bool {
    let text = |key: &str| subject.get(key).and_then(Value::as_str).unwrap_or_default();
    match text("kind") {
        "ServiceAccount" => text("name") == account && text("namespace") == namespace,
        "User" => text("name") == format!("system:serviceaccount:{namespace}:{account}"),
        "Group" => {
            let name = text("name");
            matches!(name, "system:serviceaccounts" | "system:authenticated")
                || name.strip_prefix("system:serviceaccounts:") == Some(namespace)
        }
        _ => false,
    }
}

/// What of a need no rule gives.
fn lacking(need: &'static Need, rules: &[&Value]) -> Option<Lack> {
    let has = |rule: &Value, key: &str, wanted: &str| {
        let list = rule.get(key).and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .any(|given| given == "*" || given == wanted)
    };
    let resource = |rule: &Value| {
        has(rule, "resources", need.resource)
            || need
                .resource
                .split_once('/')
                .is_some_and(|(_, sub)| has(rule, "resources", &format!("*/{sub}")))
    };
    let gives = |rule: &&Value, verb: &str| {
        // A rule for named objects gives nothing that can be relied on.
        rule.get("resourceNames").is_none()
            && has(rule, "apiGroups", need.group)
            && resource(rule)
            && has(rule, "verbs", verb)
    };
    let verbs: Vec<&'static str> = need
        .verbs
        .iter()
        .copied()
        .filter(|verb| !rules.iter().any(|rule| gives(rule, verb)))
        .collect();
    (!verbs.is_empty()).then_some(Lack { need, verbs })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::domain::fixture::*;
    use crate::domain::object::Meta;
    use crate::domain::{Fact, FaultKind, Fetched};

    fn object(name: &str, body: Value) -> ForeignObject {
        ForeignObject {
            meta: Meta {
                name: Arc::from(name),
                ..Meta::default()
            },
            body,
        }
    }

    fn deployment() -> Deployment {
        Deployment {
            meta: Meta {
                namespace: Arc::from("op"),
                name: Arc::from("op"),
                ..Meta::default()
            },
            service_account: Some("manager".to_owned()),
            ..Deployment::default()
        }
    }

    /// A fixture in which these rules are bound over the cluster, and these at home.
    fn bound(subject: Value, everywhere: Value, home: Value) -> Fixture {
        let mut f = healthy().build();
        let binding = |kind: &str, name: &str| {
            object(
                "b",
                json!({"roleRef": {"kind": kind, "name": name}, "subjects": [subject]}),
            )
        };
        let lists = [
            vec![object("wide", json!({"rules": everywhere}))],
            vec![
                binding("ClusterRole", "wide"),
                binding("ClusterRole", "gone"),
            ],
            vec![object("near", json!({"rules": home}))],
            vec![binding("Role", "near")],
        ];
        for ((what, scope), objects) in asked("op").into_iter().zip(lists) {
            f.tell(
                Fact::Fetched {
                    want: Want::Objects {
                        context: infra(),
                        what,
                        scope,
                    },
                    answer: Ok(Fetched::Objects {
                        objects: objects.into(),
                        more: false,
                    }),
                },
                ago(5),
            );
        }
        f
    }

    fn said(f: &Fixture, version: &str) -> String {
        let context = f.world.context(&infra()).unwrap();
        match of(context, &deployment(), Version::parse(version).unwrap()) {
            Rights::Unread => "unread".to_owned(),
            Rights::Untold(what, fault) => format!("{what}: {}", fault.message),
            Rights::Complete => "complete".to_owned(),
            Rights::Lacks(lacks) => lacks.join("; "),
        }
    }

    #[test]
    fn what_a_version_needs_is_held_against_what_it_is_given() {
        let account = json!({"kind": "ServiceAccount", "name": "manager", "namespace": "op"});
        let rule = |groups: &[&str], resources: &[&str], verbs: &[&str]| json!({"apiGroups": groups, "resources": resources, "verbs": verbs});
        let all = json!([rule(&["*"], &["*"], &["*"])]);
        let old = json!([
            rule(&[""], &["pods", "services"], ALL_VERBS),
            rule(&[""], &["events"], &["create", "patch"]),
            rule(&["apps"], &["statefulsets"], ALL_VERBS),
            rule(&["policy"], &["poddisruptionbudgets"], ALL_VERBS),
            rule(
                &["dragonflydb.io"],
                &["dragonflies", "dragonflies/finalizers"],
                ALL_VERBS
            ),
            rule(&["dragonflydb.io"], &["*/status"], &["get", "patch"]),
        ]);
        let leases = json!([rule(&["coordination.k8s.io"], &["leases"], ALL_VERBS)]);
        let named = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"], "resourceNames": ["x"]}]);
        for (subject, everywhere, home, version, wanted) in [
            (
                account.clone(),
                all.clone(),
                json!([]),
                "v1.6.1",
                "complete",
            ),
            (
                account.clone(),
                old.clone(),
                leases.clone(),
                "v1.3.0",
                "update dragonflies/status.dragonflydb.io",
            ),
            (
                account.clone(),
                old,
                json!([]),
                "v1.6.1",
                "configmaps; pods/status; update dragonflies/status.dragonflydb.io; networkpolicies.networking.k8s.io; \
                 leases.coordination.k8s.io",
            ),
            (
                json!({"kind": "Group", "name": "system:serviceaccounts:op"}),
                all.clone(),
                leases.clone(),
                "v1.6.1",
                "complete",
            ),
            (
                json!({"kind": "ServiceAccount", "name": "manager", "namespace": "elsewhere"}),
                all,
                leases,
                "v1.1.0",
                "pods; services; events; statefulsets.apps; dragonflies.dragonflydb.io; \
                 dragonflies/finalizers.dragonflydb.io; dragonflies/status.dragonflydb.io; leases.coordination.k8s.io",
            ),
            (
                account,
                named,
                json!(null),
                "v1.1.0",
                "pods; services; events; statefulsets.apps; dragonflies.dragonflydb.io; \
                 dragonflies/finalizers.dragonflydb.io; dragonflies/status.dragonflydb.io; leases.coordination.k8s.io",
            ),
        ] {
            assert_eq!(said(&bound(subject, everywhere, home), version), wanted);
        }
    }

    #[test]
    fn roles_that_were_not_read_tell_nothing() {
        let mut f = healthy().build();
        assert_eq!(said(&f, "v1.6.1"), "unread");
        let want = wants(&infra(), "op").next().unwrap();
        let answer = Err(Fault::new(
            FaultKind::Forbidden,
            "may not list clusterroles",
        ));
        f.tell(Fact::Fetched { want, answer }, ago(5));
        assert_eq!(
            said(&f, "v1.6.1"),
            "ClusterRoles: may not list clusterroles"
        );
    }
}
