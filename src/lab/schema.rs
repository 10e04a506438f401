//! How lists of the built-in kinds are merged and owned: the part of Kubernetes' schema that patches and
//! `managedFields` need.
//!
//! Facts from the API types of Kubernetes 1.32 (`patchMergeKey`, `listType`, `listMapKey`).

/// What the items of a list are to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListShape {
    /// One value: replaced as a whole.
    Atomic,
    /// A set of scalars.
    Set,
    /// Items told apart by the values of these fields (server-side apply); the first alone is the key of a strategic
    /// merge patch.
    Keyed(&'static [&'static str]),
}

/// The shape of the list at a path of field names (list items are not part of the path). Custom resources have atomic
/// lists here, outside their metadata.
pub fn list_shape(custom: bool, path: &[&str]) -> ListShape {
    use ListShape::{Atomic, Keyed, Set};
    let (Some(last), parent) = (path.last(), path.iter().rev().nth(1)) else {
        return Atomic;
    };
    if path.first() == Some(&"metadata") {
        return match *last {
            "finalizers" => Set,
            "ownerReferences" => Keyed(&["uid"]),
            _ => Atomic,
        };
    }
    if custom {
        return Atomic;
    }
    let in_container = parent.is_some_and(|p| p.ends_with("ontainers"));
    let in_template = path.contains(&"template") || path.len() == 2;
    match *last {
        "containers" | "initContainers" | "ephemeralContainers" if in_template => Keyed(&["name"]),
        "env" if in_container => Keyed(&["name"]),
        "volumeMounts" if in_container => Keyed(&["mountPath"]),
        "volumeDevices" if in_container => Keyed(&["devicePath"]),
        "ports" if in_container => Keyed(&["containerPort", "protocol"]),
        "ports" if path == ["spec", "ports"] => Keyed(&["port", "protocol"]),
        "volumes" | "imagePullSecrets" if parent == Some(&"spec") => Keyed(&["name"]),
        "hostAliases" if parent == Some(&"spec") => Keyed(&["ip"]),
        "topologySpreadConstraints" if parent == Some(&"spec") => {
            Keyed(&["topologyKey", "whenUnsatisfiable"])
        }
        "conditions" if parent == Some(&"status") => Keyed(&["type"]),
        "addresses" if path == ["status", "addresses"] => Keyed(&["type"]),
        "podIPs" if parent == Some(&"status") => Keyed(&["ip"]),
        "secrets" if path == ["secrets"] => Keyed(&["name"]),
        "finalizers" if path == ["spec", "finalizers"] => Atomic,
        "accessModes" if parent == Some(&"spec") => Atomic,
        _ => Atomic,
    }
}

/// Whether the object at a path is one value to its owners: written as a whole, by one.
pub fn is_atomic(custom: bool, path: &[&str]) -> bool {
    let Some(last) = path.last() else {
        return false;
    };
    let item_of_owners = path == ["metadata", "ownerReferences"];
    item_of_owners
        || (!custom
            && path.len() > 1
            && matches!(
                *last,
                "selector"
                    | "podSelector"
                    | "namespaceSelector"
                    | "labelSelector"
                    | "nodeSelector"
                    | "claimRef"
                    | "fieldRef"
                    | "secretKeyRef"
                    | "configMapKeyRef"
                    | "resourceFieldRef"
                    | "dataSource"
            ))
        || (!custom && matches!(path, ["involvedObject" | "roleRef"]))
}

/// Whether the field at a path is there in every object of its kind, be it empty: nobody owns it by making it.
pub fn is_always_there(custom: bool, path: &[&str]) -> bool {
    match path {
        ["metadata"] => true,
        _ if custom => false,
        ["spec" | "status"] => true,
        [
            "spec",
            "strategy" | "updateStrategy" | "resources" | "template" | "containers",
        ] => true,
        ["spec", "template", "metadata" | "spec"] | ["spec", "template", "spec", "containers"] => {
            true
        }
        ["status", "loadBalancer"] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::ListShape::{Atomic, Keyed, Set};
    use super::*;

    #[test]
    fn shapes_are_those_of_the_api_types() {
        let table: &[(bool, &[&str], ListShape)] = &[
            (false, &["spec", "containers"], Keyed(&["name"])),
            (
                false,
                &["spec", "template", "spec", "containers"],
                Keyed(&["name"]),
            ),
            (false, &["spec", "containers", "env"], Keyed(&["name"])),
            (false, &["spec", "containers", "args"], Atomic),
            (
                false,
                &["spec", "template", "spec", "containers", "ports"],
                Keyed(&["containerPort", "protocol"]),
            ),
            (false, &["spec", "ports"], Keyed(&["port", "protocol"])),
            (false, &["spec", "tolerations"], Atomic),
            (false, &["status", "conditions"], Keyed(&["type"])),
            (false, &["metadata", "finalizers"], Set),
            (true, &["metadata", "ownerReferences"], Keyed(&["uid"])),
            (true, &["spec", "containers"], Atomic),
            (false, &["ports"], Atomic),
        ];
        for (custom, path, shape) in table {
            assert_eq!(list_shape(*custom, path), *shape, "{path:?}");
        }
    }
}
