//! What kinds a lab cluster serves: names, scope, verbs and subresources, as discovery tells them.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

/// Names a kind of object: API group and plural. The version does not matter to storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupResource<'a> {
    /// API group, empty for core.
    pub group: &'a str,
    /// Plural, lower case.
    pub plural: &'a str,
}

impl<'a> GroupResource<'a> {
    /// Names a kind.
    pub const fn new(group: &'a str, plural: &'a str) -> Self {
        Self { group, plural }
    }
}

/// As error texts write it: `pods`, `deployments.apps`.
impl fmt::Display for GroupResource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.plural)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// A printer column of a custom resource (`additionalPrinterColumns`).
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Heading, as the CRD writes it.
    pub name: String,
    /// `string`, `integer`, `boolean`, `date`, `number`.
    pub r#type: String,
    /// `format`, mostly empty.
    pub format: String,
    /// Description.
    pub description: String,
    /// 0 in the narrow table, 1 only with `-o wide`.
    pub priority: i64,
    /// For example `.status.phase`.
    pub json_path: String,
}

/// One served kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// API group, empty for core.
    pub group: Cow<'static, str>,
    /// Served (and only) version.
    pub version: Cow<'static, str>,
    /// Plural.
    pub plural: Cow<'static, str>,
    /// Singular.
    pub singular: Cow<'static, str>,
    /// Kind.
    pub kind: Cow<'static, str>,
    /// Short names, for `kubectl get po`.
    pub short: Cow<'static, [Cow<'static, str>]>,
    /// Categories, for example `all`.
    pub categories: Cow<'static, [Cow<'static, str>]>,
    /// Whether objects live in a namespace.
    pub namespaced: bool,
    /// Whether it has a `/status` subresource: writes to the main path then leave `status` alone.
    pub status: bool,
    /// Whether it has a `/scale` subresource.
    pub scale: bool,
    /// Further subresources (`log`, `exec`...), with the kind each takes.
    pub subresources: &'static [(&'static str, &'static str)],
    /// Whether the server counts `metadata.generation`.
    pub generation: bool,
    /// Only `create` is served (access reviews); nothing is stored.
    pub create_only: bool,
    /// Where the objects really are: `events.k8s.io/events` are the core events in another shape.
    pub stored_as: Option<GroupResource<'static>>,
    /// Fields that a field selector may name, beside `metadata.name` and `metadata.namespace`.
    pub fields: &'static [&'static str],
    /// Printer columns of a custom resource; empty for built-in kinds.
    pub columns: Vec<Column>,
    /// The `openAPIV3Schema` of a custom resource.
    pub schema: Option<Value>,
}

impl Resource {
    /// Group and plural.
    pub fn id(&self) -> GroupResource<'_> {
        GroupResource {
            group: &self.group,
            plural: &self.plural,
        }
    }

    /// `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_string()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Verbs as discovery lists them.
    pub fn verbs(&self) -> &'static [&'static str] {
        if self.custom() {
            return &[
                "delete",
                "deletecollection",
                "get",
                "list",
                "patch",
                "create",
                "update",
                "watch",
            ];
        }
        if self.create_only {
            return &["create"];
        }
        &[
            "create",
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "update",
            "watch",
        ]
    }

    /// Whether it comes from a CustomResourceDefinition.
    pub fn custom(&self) -> bool {
        self.schema.is_some()
    }

    const fn new(
        group: &'static str,
        version: &'static str,
        plural: &'static str,
        singular: &'static str,
        kind: &'static str,
        short: &'static [Cow<'static, str>],
        namespaced: bool,
    ) -> Self {
        Self {
            group: Cow::Borrowed(group),
            version: Cow::Borrowed(version),
            plural: Cow::Borrowed(plural),
            singular: Cow::Borrowed(singular),
            kind: Cow::Borrowed(kind),
            short: Cow::Borrowed(short),
            categories: Cow::Borrowed(&[]),
            namespaced,
            status: false,
            scale: false,
            subresources: &[],
            generation: false,
            create_only: false,
            stored_as: None,
            fields: &[],
            columns: Vec::new(),
            schema: None,
        }
    }

    const fn with_status(mut self) -> Self {
        self.status = true;
        self
    }

    const fn with_scale(mut self) -> Self {
        self.scale = true;
        self
    }

    const fn with_generation(mut self) -> Self {
        self.generation = true;
        self
    }

    fn in_all(mut self) -> Self {
        self.categories = Cow::Borrowed(ALL);
        self
    }

    const fn with(mut self, subresources: &'static [(&'static str, &'static str)]) -> Self {
        self.subresources = subresources;
        self
    }

    const fn only_create(mut self) -> Self {
        self.create_only = true;
        self
    }
}

macro_rules! names {
    ($($name:literal),*) => { &[$(Cow::Borrowed($name)),*] };
}

const ALL: &[Cow<'static, str>] = names!["all"];
const CORE: &str = "";
const RBAC: &str = "rbac.authorization.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";

/// Core namespaces.
pub const NAMESPACES: GroupResource<'static> = GroupResource::new(CORE, "namespaces");
/// Core pods.
pub const PODS: GroupResource<'static> = GroupResource::new(CORE, "pods");
/// Core services.
pub const SERVICES: GroupResource<'static> = GroupResource::new(CORE, "services");
/// Core config maps.
pub const CONFIG_MAPS: GroupResource<'static> = GroupResource::new(CORE, "configmaps");
/// Core secrets.
pub const SECRETS: GroupResource<'static> = GroupResource::new(CORE, "secrets");
/// Core events; `events.k8s.io` reads the same objects.
pub const EVENTS: GroupResource<'static> = GroupResource::new(CORE, "events");
/// The same events under their newer group.
pub const EVENTS_V1: GroupResource<'static> = GroupResource::new("events.k8s.io", "events");
/// Core nodes.
pub const NODES: GroupResource<'static> = GroupResource::new(CORE, "nodes");
/// Core persistent volume claims.
pub const CLAIMS: GroupResource<'static> = GroupResource::new(CORE, "persistentvolumeclaims");
/// Core persistent volumes.
pub const VOLUMES: GroupResource<'static> = GroupResource::new(CORE, "persistentvolumes");
/// Core service accounts.
pub const SERVICE_ACCOUNTS: GroupResource<'static> = GroupResource::new(CORE, "serviceaccounts");
/// `apps` deployments.
pub const DEPLOYMENTS: GroupResource<'static> = GroupResource::new("apps", "deployments");
/// `apps` stateful sets.
pub const STATEFUL_SETS: GroupResource<'static> = GroupResource::new("apps", "statefulsets");
/// `apps` replica sets.
pub const REPLICA_SETS: GroupResource<'static> = GroupResource::new("apps", "replicasets");
/// `policy` pod disruption budgets.
pub const BUDGETS: GroupResource<'static> = GroupResource::new("policy", "poddisruptionbudgets");
/// `discovery.k8s.io` endpoint slices.
pub const ENDPOINT_SLICES: GroupResource<'static> =
    GroupResource::new("discovery.k8s.io", "endpointslices");
/// `networking.k8s.io` network policies.
pub const NETWORK_POLICIES: GroupResource<'static> =
    GroupResource::new("networking.k8s.io", "networkpolicies");
/// `rbac.authorization.k8s.io` cluster roles.
pub const CLUSTER_ROLES: GroupResource<'static> = GroupResource::new(RBAC, "clusterroles");
/// `rbac.authorization.k8s.io` cluster role bindings.
pub const CLUSTER_ROLE_BINDINGS: GroupResource<'static> =
    GroupResource::new(RBAC, "clusterrolebindings");
/// `coordination.k8s.io` leases.
pub const LEASES: GroupResource<'static> = GroupResource::new("coordination.k8s.io", "leases");
/// `storage.k8s.io` storage classes.
pub const STORAGE_CLASSES: GroupResource<'static> =
    GroupResource::new("storage.k8s.io", "storageclasses");
/// `apiextensions.k8s.io` custom resource definitions; creating one adds the kind it defines.
pub const DEFINITIONS: GroupResource<'static> =
    GroupResource::new("apiextensions.k8s.io", "customresourcedefinitions");
/// The operator's own kind; served once its definition has been created.
pub const DRAGONFLIES: GroupResource<'static> = GroupResource::new("dragonflydb.io", "dragonflies");

/// The kinds every lab cluster serves from the start, in the order a real API server discovers them.
pub fn built_in() -> Vec<Resource> {
    let r = Resource::new;
    let mut all = vec![
        r(
            CORE,
            "v1",
            "configmaps",
            "configmap",
            "ConfigMap",
            names!["cm"],
            true,
        ),
        r(CORE, "v1", "events", "event", "Event", names!["ev"], true),
        r(
            CORE,
            "v1",
            "namespaces",
            "namespace",
            "Namespace",
            names!["ns"],
            false,
        )
        .with_status()
        .with(&[("finalize", "Namespace")]),
        r(CORE, "v1", "nodes", "node", "Node", names!["no"], false)
            .with_status()
            .with(&[("proxy", "NodeProxyOptions")]),
        r(
            CORE,
            "v1",
            "persistentvolumeclaims",
            "persistentvolumeclaim",
            "PersistentVolumeClaim",
            names!["pvc"],
            true,
        )
        .with_status(),
        r(
            CORE,
            "v1",
            "persistentvolumes",
            "persistentvolume",
            "PersistentVolume",
            names!["pv"],
            false,
        )
        .with_status(),
        // Pods are counted since 1.33.
        r(CORE, "v1", "pods", "pod", "Pod", names!["po"], true)
            .with_status()
            .with_generation()
            .in_all()
            .with(&[
                ("attach", "PodAttachOptions"),
                ("eviction", "Eviction"),
                ("exec", "PodExecOptions"),
                ("log", "Pod"),
                ("portforward", "PodPortForwardOptions"),
                ("proxy", "PodProxyOptions"),
            ]),
        r(CORE, "v1", "secrets", "secret", "Secret", &[], true),
        r(
            CORE,
            "v1",
            "serviceaccounts",
            "serviceaccount",
            "ServiceAccount",
            names!["sa"],
            true,
        ),
        r(
            CORE,
            "v1",
            "services",
            "service",
            "Service",
            names!["svc"],
            true,
        )
        .with_status()
        .in_all()
        .with(&[("proxy", "ServiceProxyOptions")]),
        r(
            "apps",
            "v1",
            "deployments",
            "deployment",
            "Deployment",
            names!["deploy"],
            true,
        )
        .with_status()
        .with_scale()
        .with_generation()
        .in_all(),
        r(
            "apps",
            "v1",
            "replicasets",
            "replicaset",
            "ReplicaSet",
            names!["rs"],
            true,
        )
        .with_status()
        .with_scale()
        .with_generation()
        .in_all(),
        r(
            "apps",
            "v1",
            "statefulsets",
            "statefulset",
            "StatefulSet",
            names!["sts"],
            true,
        )
        .with_status()
        .with_scale()
        .with_generation()
        .in_all(),
        r(
            "events.k8s.io",
            "v1",
            "events",
            "event",
            "Event",
            names!["ev"],
            true,
        ),
        r(
            "authentication.k8s.io",
            "v1",
            "selfsubjectreviews",
            "selfsubjectreview",
            "SelfSubjectReview",
            &[],
            false,
        )
        .only_create(),
        r(
            AUTHORIZATION,
            "v1",
            "selfsubjectaccessreviews",
            "selfsubjectaccessreview",
            "SelfSubjectAccessReview",
            &[],
            false,
        )
        .only_create(),
        r(
            AUTHORIZATION,
            "v1",
            "selfsubjectrulesreviews",
            "selfsubjectrulesreview",
            "SelfSubjectRulesReview",
            &[],
            false,
        )
        .only_create(),
        r(
            "networking.k8s.io",
            "v1",
            "networkpolicies",
            "networkpolicy",
            "NetworkPolicy",
            names!["netpol"],
            true,
        )
        .with_generation(),
        r(
            "policy",
            "v1",
            "poddisruptionbudgets",
            "poddisruptionbudget",
            "PodDisruptionBudget",
            names!["pdb"],
            true,
        )
        .with_status()
        .with_generation(),
        r(
            RBAC,
            "v1",
            "clusterrolebindings",
            "clusterrolebinding",
            "ClusterRoleBinding",
            &[],
            false,
        ),
        r(
            RBAC,
            "v1",
            "clusterroles",
            "clusterrole",
            "ClusterRole",
            &[],
            false,
        ),
        r(
            RBAC,
            "v1",
            "rolebindings",
            "rolebinding",
            "RoleBinding",
            &[],
            true,
        ),
        r(RBAC, "v1", "roles", "role", "Role", &[], true),
        r(
            "storage.k8s.io",
            "v1",
            "storageclasses",
            "storageclass",
            "StorageClass",
            names!["sc"],
            false,
        ),
        r(
            "apiextensions.k8s.io",
            "v1",
            "customresourcedefinitions",
            "customresourcedefinition",
            "CustomResourceDefinition",
            names!["crd", "crds"],
            false,
        )
        .with_status()
        .with_generation(),
        r(
            "coordination.k8s.io",
            "v1",
            "leases",
            "lease",
            "Lease",
            &[],
            true,
        ),
        r(
            "discovery.k8s.io",
            "v1",
            "endpointslices",
            "endpointslice",
            "EndpointSlice",
            &[],
            true,
        )
        .with_generation(),
    ];
    for resource in &mut all {
        if resource.id() == EVENTS_V1 {
            resource.stored_as = Some(EVENTS);
        }
        resource.fields = selectable(resource.id());
    }
    all
}

/// Fields that a field selector may name, from the registries of Kubernetes 1.32.
fn selectable(what: GroupResource<'_>) -> &'static [&'static str] {
    match (what.group, what.plural) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("" | "events.k8s.io", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source.component",
            "type",
        ],
        ("", "namespaces") => &["status.phase"],
        ("", "nodes") => &["spec.unschedulable"],
        ("", "secrets") => &["type"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("apps", "replicasets") => &["status.replicas"],
        _ => &[],
    }
}

/// The kind that a CustomResourceDefinition object defines: its first served version. `None` when it defines nothing
/// usable.
pub fn from_definition(definition: &Value) -> Option<Resource> {
    let text = |pointer: &str| {
        definition
            .pointer(pointer)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let texts = |pointer: &str| -> Vec<Cow<'static, str>> {
        definition
            .pointer(pointer)
            .and_then(Value::as_array)
            .map(|list| {
                list.iter()
                    .filter_map(Value::as_str)
                    .map(|s| Cow::Owned(s.to_owned()))
                    .collect()
            })
            .unwrap_or_default()
    };
    let kind = text("/spec/names/kind")?;
    let versions = definition.pointer("/spec/versions")?.as_array()?;
    let version = versions
        .iter()
        .find(|v| v.get("served").and_then(Value::as_bool) == Some(true))?;
    let columns = version
        .get("additionalPrinterColumns")
        .and_then(Value::as_array);
    let column = |value: &Value| {
        let text = |key: &str| {
            value
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Column {
            name: text("name"),
            r#type: text("type"),
            format: text("format"),
            description: text("description"),
            priority: value.get("priority").and_then(Value::as_i64).unwrap_or(0),
            json_path: text("jsonPath"),
        }
    };
    Some(Resource {
        group: Cow::Owned(text("/spec/group")?),
        version: Cow::Owned(version.get("name")?.as_str()?.to_owned()),
        plural: Cow::Owned(text("/spec/names/plural")?),
        singular: Cow::Owned(text("/spec/names/singular").unwrap_or_else(|| kind.to_lowercase())),
        kind: Cow::Owned(kind),
        short: Cow::Owned(texts("/spec/names/shortNames")),
        categories: Cow::Owned(texts("/spec/names/categories")),
        namespaced: text("/spec/scope")? == "Namespaced",
        status: version.pointer("/subresources/status").is_some(),
        scale: version.pointer("/subresources/scale").is_some(),
        subresources: &[],
        generation: true,
        create_only: false,
        stored_as: None,
        fields: &[],
        columns: columns
            .map(|list| list.iter().map(column).collect())
            .unwrap_or_default(),
        schema: Some(
            version
                .pointer("/schema/openAPIV3Schema")
                .cloned()
                .unwrap_or(Value::Bool(true)),
        ),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn every_kind_is_named_once() {
        let mut ids: Vec<String> = built_in().iter().map(|r| r.id().to_string()).collect();
        let before = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), before);
        for id in [
            PODS,
            DEPLOYMENTS,
            BUDGETS,
            LEASES,
            DEFINITIONS,
            EVENTS_V1,
            CLAIMS,
            ENDPOINT_SLICES,
        ] {
            assert!(ids.contains(&id.to_string()), "{id}");
        }
    }

    #[test]
    fn a_definition_becomes_a_kind() {
        let definition = json!({"spec": {
            "group": "dragonflydb.io", "scope": "Namespaced",
            "names": {"kind": "Dragonfly", "plural": "dragonflies", "singular": "dragonfly"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object"}},
                "additionalPrinterColumns": [{"name": "Phase", "type": "string", "jsonPath": ".status.phase"}]}],
        }});
        let kind = from_definition(&definition).unwrap();
        assert_eq!(kind.id(), DRAGONFLIES);
        assert_eq!(kind.api_version(), "dragonflydb.io/v1alpha1");
        assert!(kind.status && kind.namespaced && kind.custom() && !kind.scale);
        assert_eq!(kind.columns.first().unwrap().json_path, ".status.phase");
        assert_eq!(from_definition(&json!({})), None);
    }
}
