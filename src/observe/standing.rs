//! The standing questions: for each watched kind, the path, the selector that keeps it small, and what of the answer is
//! meant.
//!
//! Labels as operator v1.1 to v1.6 and its chart write them.

use serde_json::Value;

use crate::connect::fault::Asked;
use crate::domain::Kind;
use crate::domain::fact::Scope;

/// Name of the CRD.
const CRD: &str = "dragonflies.dragonflydb.io";
/// Name of the operator's leader Lease, in whatever namespace it runs.
const LEASE: &str = "31079dea.dragonflydb.io";
/// What the operator puts on everything that it makes, and a StatefulSet on its pods and claims.
const OWNED: &str = "labelSelector=app.kubernetes.io%2Fname%3Ddragonfly";

/// Kinds asked about over the whole cluster, or per namespace where only that is permitted.
pub(super) const WIDE: &[Kind] = &[
    Kind::Crd,
    Kind::Dragonfly,
    Kind::Pod,
    Kind::StatefulSet,
    Kind::Service,
    Kind::EndpointSlice,
    Kind::Pvc,
    Kind::OperatorDeployment,
    Kind::OperatorPod,
    Kind::OperatorLease,
];

/// Kinds asked about only in namespaces that have an instance: they carry no label to ask by.
pub(super) const PER_NAMESPACE: &[Kind] = &[Kind::Event, Kind::Pdb, Kind::NetworkPolicy];

/// Kinds asked about only in namespaces that have an instance which names an object of them: they carry no label either.
pub(super) const WHERE_NAMED: &[Kind] = &[Kind::ExistingPvc];

/// Whether the kind lives in namespaces.
pub(super) fn is_namespaced(kind: Kind) -> bool {
    kind != Kind::Crd
}

/// Whether the kind belongs to the operator, which rarely lives where its instances do.
pub(super) fn is_operators(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::OperatorDeployment | Kind::OperatorPod | Kind::OperatorLease
    )
}

/// The collection's path.
pub(super) fn path(kind: Kind, scope: &Scope) -> String {
    let version = match kind {
        Kind::Dragonfly => "v1alpha1",
        _ => "v1",
    };
    let root = match kind.group() {
        "" => format!("/api/{version}"),
        group => format!("/apis/{group}/{version}"),
    };
    match scope {
        Scope::Namespace(namespace) if is_namespaced(kind) => {
            format!("{root}/namespaces/{namespace}/{}", kind.resource())
        }
        _ => format!("{root}/{}", kind.resource()),
    }
}

/// What narrows the question, as a part of the query; empty when nothing does.
pub(super) fn selector(kind: Kind) -> String {
    match kind {
        Kind::Crd => format!("fieldSelector=metadata.name%3D{CRD}"),
        Kind::OperatorLease => format!("fieldSelector=metadata.name%3D{LEASE}"),
        Kind::Pod | Kind::StatefulSet | Kind::Service | Kind::EndpointSlice | Kind::Pvc => {
            OWNED.to_owned()
        }
        // The raw bundle's Deployment says `deployment` (as every kubebuilder project of its age), the chart's says
        // `dragonfly-operator`.
        Kind::OperatorDeployment => {
            "labelSelector=app.kubernetes.io%2Fname%20in%20%28deployment%2Cdragonfly-operator%29"
                .to_owned()
        }
        // The one label that pods of the bundle and of the chart share, and other operators' pods with them.
        Kind::OperatorPod => "labelSelector=control-plane%3Dcontroller-manager".to_owned(),
        Kind::Dragonfly | Kind::Event | Kind::Pdb | Kind::NetworkPolicy | Kind::ExistingPvc => {
            String::new()
        }
    }
}

/// Whether an object that the selector let through is meant: other operators share the labels of ours.
pub(super) fn is_meant(kind: Kind, object: &Value) -> bool {
    let spec = match kind {
        Kind::OperatorPod => object.get("spec"),
        Kind::OperatorDeployment => object.pointer("/spec/template/spec"),
        _ => return true,
    };
    let ours = |text: Option<&Value>| {
        text.and_then(Value::as_str)
            .is_some_and(|text| text.contains("dragonfly"))
    };
    let containers = spec
        .and_then(|spec| spec.get("containers"))
        .and_then(Value::as_array);
    ours(object.pointer("/metadata/name"))
        || containers
            .into_iter()
            .flatten()
            .any(|container| ours(container.get("image")))
}

/// The question in words and rights.
pub(super) fn asked<'a>(kind: Kind, scope: &'a Scope, verb: &'static str) -> Asked<'a> {
    Asked {
        verb,
        resource: kind.resource(),
        group: kind.group(),
        namespace: match scope {
            Scope::Namespace(namespace) => Some(namespace),
            Scope::Cluster => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_has_one_place() {
        for kind in Kind::ALL {
            let places = [WIDE, PER_NAMESPACE, WHERE_NAMED]
                .iter()
                .filter(|list| list.contains(kind))
                .count();
            assert_eq!(places, 1, "{kind:?}");
        }
        assert!(WIDE.len() <= 12, "the promise on standing watches");
    }

    #[test]
    fn paths_are_those_of_the_api() {
        let shop = Scope::Namespace(Arc::from("shop"));
        for (kind, scope, wanted) in [
            (Kind::Pod, &Scope::Cluster, "/api/v1/pods"),
            (Kind::Pod, &shop, "/api/v1/namespaces/shop/pods"),
            (
                Kind::Dragonfly,
                &Scope::Cluster,
                "/apis/dragonflydb.io/v1alpha1/dragonflies",
            ),
            (
                Kind::EndpointSlice,
                &shop,
                "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices",
            ),
            (
                Kind::Crd,
                &shop,
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            ),
            (
                Kind::OperatorLease,
                &Scope::Cluster,
                "/apis/coordination.k8s.io/v1/leases",
            ),
        ] {
            assert_eq!(path(kind, scope), wanted);
            let uri = format!("{}?{}", path(kind, scope), selector(kind));
            assert!(uri.parse::<http::Uri>().is_ok(), "{uri}");
        }
    }

    #[test]
    fn other_operators_are_not_taken_for_ours() {
        let pod = |name: &str, image: &str| json!({"metadata": {"name": name}, "spec": {"containers": [{"image": image}]}});
        for (object, meant) in [
            (
                pod("dragonfly-operator-controller-manager-7d-x", "quay.io/x/y"),
                true,
            ),
            (
                pod(
                    "shared-cache-op-5-x",
                    "docker.dragonflydb.io/dragonflydb/operator:v1.6.1",
                ),
                true,
            ),
            (
                pod(
                    "capi-controller-manager-1",
                    "registry.k8s.io/cluster-api:v1",
                ),
                false,
            ),
            (json!({"metadata": {"name": "x"}}), false),
        ] {
            assert_eq!(is_meant(Kind::OperatorPod, &object), meant, "{object}");
        }
        let deployment = json!({"metadata": {"name": "op"}, "spec": {"template": {"spec": {"containers": [
            {"image": "quay.io/brancz/kube-rbac-proxy:v0.16.0"}, {"image": "mirror.example/dragonfly-operator:v1"}]}}}});
        assert!(is_meant(Kind::OperatorDeployment, &deployment));
        assert!(is_meant(Kind::Pod, &json!({})));
    }
}
