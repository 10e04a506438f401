//! The `Dragonfly` object and its CRD, as operator v1.1 to v1.6 spell them.

use serde_json::Value;

use super::read;
use crate::domain::object::{Crd, Dragonfly, Meta, SecretPurpose, SecretUse, Snapshot, Unfilled};

/// Top-level fields of `spec` in any CRD from operator v1.1 to v1.6, sorted.
pub(super) const KNOWN_FIELDS: &[&str] = &[
    "aclFromSecret",
    "additionalContainers",
    "additionalVolumes",
    "affinity",
    "annotations",
    "args",
    "authentication",
    "containerSecurityContext",
    "customLivenessProbeConfigMap",
    "customReadinessProbeConfigMap",
    "customStartupProbeConfigMap",
    "enableReplicationReadinessGate",
    "env",
    "image",
    "imagePullPolicy",
    "imagePullSecrets",
    "initContainers",
    "labels",
    "memcachedPort",
    "networkPolicyEnabled",
    "nodeSelector",
    "ownedObjectsMetadata",
    "pdb",
    "podMetadata",
    "podSecurityContext",
    "priorityClassName",
    "replicas",
    "resources",
    "serviceAccountName",
    "serviceSpec",
    "skipFSGroup",
    "snapshot",
    "tiering",
    "tlsSecretRef",
    "tolerations",
    "topologySpreadConstraints",
];

/// Decodes a `Dragonfly`.
pub fn dragonfly(meta: Meta, value: &Value) -> Dragonfly {
    let service = read::line(value, &["spec", "serviceSpec", "name"])
        .unwrap_or_else(|| meta.name.to_string());
    Dragonfly {
        replicas: read::whole(value, &["spec", "replicas"]),
        image: read::line(value, &["spec", "image"]),
        args: read::lines(value, &["spec", "args"]),
        phase: read::line(value, &["status", "phase"]),
        service,
        snapshot: snapshot(value),
        password_secret: password_secret(value),
        tls: read::line(value, &["spec", "tlsSecretRef", "name"]).is_some(),
        secrets: secrets(value),
        memory_limit: read::bytes(value, &["spec", "resources", "limits", "memory"]),
        tiering_size: read::bytes(
            value,
            &[
                "spec",
                "tiering",
                "persistentVolumeClaimSpec",
                "resources",
                "requests",
                "storage",
            ],
        ),
        network_policy: read::flag(value, &["spec", "networkPolicyEnabled"]),
        readiness_gate: read::flag(value, &["spec", "enableReplicationReadinessGate"])
            .unwrap_or(false),
        managed_labels: managed_labels(value),
        unknown_fields: field_names(value, &["spec"])
            .into_iter()
            .filter(|field| KNOWN_FIELDS.binary_search(&field.as_str()).is_err())
            .collect(),
        unfilled: unfilled(value),
        meta,
    }
}

/// Labels that the operator manages, in the places of `spec` where labels may be given (v1.6.0 and later refuse them).
fn managed_labels(value: &Value) -> Vec<String> {
    const MANAGED: &[&str] = &[
        "app",
        "app.kubernetes.io/name",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/component",
        "app.kubernetes.io/version",
        "app.kubernetes.io/part-of",
        "app.kubernetes.io/managed-by",
    ];
    let places: &[&[&str]] = &[
        &["labels"],
        &["podMetadata", "labels"],
        &["ownedObjectsMetadata", "labels"],
        &["serviceSpec", "labels"],
    ];
    let mut found = Vec::new();
    for place in places {
        let path: Vec<&str> = std::iter::once("spec")
            .chain(place.iter().copied())
            .collect();
        let labels = read::map(value, &path);
        let managed = MANAGED.iter().filter(|label| labels.contains_key(**label));
        found.extend(managed.map(|label| format!("{} {label}", path.join("."))));
    }
    found
}

/// Places of `spec` where a `${NAME}` was left. What containers beside the engine's run may be a shell's, whose own
/// variables look the same: their commands and arguments are not looked at.
fn unfilled(value: &Value) -> Vec<Unfilled> {
    /// Places that are kept; more say nothing more.
    const MOST: usize = 16;
    fn walk(value: &Value, place: &str, found: &mut Vec<Unfilled>) {
        if found.len() >= MOST {
            return;
        }
        match value {
            Value::String(text) => found.extend(Unfilled::of(place, text)),
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    walk(item, &format!("{place}[{at}]"), found);
                }
            }
            Value::Object(fields) => {
                let is_container = place.contains("Containers[") && fields.contains_key("name");
                for (key, inner) in fields {
                    let is_shell = is_container && (key == "command" || key == "args");
                    if !is_shell {
                        walk(
                            inner,
                            &format!("{place}.{}", crate::domain::text::one_line(key)),
                            found,
                        );
                    }
                }
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    if let Some(spec) = read::at(value, &["spec"]) {
        walk(spec, "spec", &mut found);
    }
    found.truncate(MOST);
    found
}

fn snapshot(value: &Value) -> Option<Snapshot> {
    let snapshot = read::at(value, &["spec", "snapshot"]).filter(|s| s.is_object())?;
    Some(Snapshot {
        dir: read::line(snapshot, &["dir"]),
        cron: read::line(snapshot, &["cron"]),
        claim_size: read::bytes(
            snapshot,
            &[
                "persistentVolumeClaimSpec",
                "resources",
                "requests",
                "storage",
            ],
        ),
        master_only: read::flag(snapshot, &["enableOnMasterOnly"]).unwrap_or(false),
        existing_claim: read::line(snapshot, &["existingPersistentVolumeClaimName"]),
    })
}

fn password_secret(value: &Value) -> Option<(String, String)> {
    let secret = read::at(value, &["spec", "authentication", "passwordFromSecret"])?;
    Some((
        read::line(secret, &["name"])?,
        read::line_or_empty(secret, &["key"]),
    ))
}

/// Every Secret that the fields of `spec` name. A variable that is optional is left out: a pod starts without it.
fn secrets(value: &Value) -> Vec<SecretUse> {
    let mut all: Vec<SecretUse> = Vec::new();
    let mut add = |purpose, at: Option<&Value>, keys: &[&str]| {
        let named = at.and_then(|at| Some((at, read::line(at, &["name"])?)));
        let Some((at, name)) = named else { return };
        let keys = match read::line(at, &["key"]) {
            Some(key) => vec![key],
            None => keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        all.push(SecretUse {
            purpose,
            name,
            keys,
        });
    };
    let spec = |path: &[&str]| read::at(read::at(value, &["spec"])?, path);
    add(
        SecretPurpose::Password,
        spec(&["authentication", "passwordFromSecret"]),
        &[],
    );
    add(
        SecretPurpose::Certificate,
        spec(&["tlsSecretRef"]),
        &["tls.crt", "tls.key"],
    );
    add(
        SecretPurpose::ClientAuthority,
        spec(&["authentication", "clientCaCertSecret"]),
        &["ca.crt"],
    );
    add(SecretPurpose::Acl, spec(&["aclFromSecret"]), &[]);
    for variable in read::list(value, &["spec", "env"]) {
        let from = read::at(variable, &["valueFrom", "secretKeyRef"]);
        let from = from.filter(|from| read::flag(from, &["optional"]) != Some(true));
        let name = read::line_or_empty(variable, &["name"]);
        add(SecretPurpose::Variable(name), from, &[]);
    }
    all
}

/// Decodes the CRD.
pub fn crd(meta: Meta, value: &Value) -> Crd {
    let versions = read::list(value, &["spec", "versions"]);
    let stored = versions
        .iter()
        .find(|version| read::flag(version, &["storage"]) == Some(true));
    Crd {
        established: read::conditions(value)
            .iter()
            .any(|c| c.name == "Established" && c.status == "True"),
        served: versions
            .iter()
            .filter(|version| read::flag(version, &["served"]) == Some(true))
            .filter_map(|version| read::line(version, &["name"]))
            .collect(),
        spec_fields: stored.map(spec_fields).unwrap_or_default(),
        meta,
    }
}

/// Fields of `spec` in a version's schema, and those of `snapshot` as `snapshot.NAME`: the ones that tell one
/// operator version's CRD from another's.
fn spec_fields(version: &Value) -> Vec<String> {
    let spec = read::at(
        version,
        &[
            "schema",
            "openAPIV3Schema",
            "properties",
            "spec",
            "properties",
        ],
    );
    let Some(spec) = spec else { return Vec::new() };
    let mut names = field_names(spec, &[]);
    names.extend(
        field_names(spec, &["snapshot", "properties"])
            .into_iter()
            .map(|name| format!("snapshot.{name}")),
    );
    names
}

/// Names of the fields of an object, sorted.
fn field_names(value: &Value, path: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = read::at(value, path)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, _)| crate::domain::text::one_line(name))
        .collect();
    names.sort();
    names
}
