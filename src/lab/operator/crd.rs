//! The definition of the `Dragonfly` kind: names, scope, columns and fields of operator v1.6.1, without descriptions.
//!
//! Fields that repeat whole Kubernetes types (affinity, containers, probes of containers) are open objects here; the
//! published definition spells them out over six thousand lines.

use serde_json::{Value, json};

/// The `CustomResourceDefinition` object.
pub(in crate::lab) fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": "dragonflies.dragonflydb.io",
            "annotations": {"controller-gen.kubebuilder.io/version": "v0.17.2"},
        },
        "spec": {
            "conversion": {"strategy": "None"},
            "group": "dragonflydb.io",
            "names": {"kind": "Dragonfly", "listKind": "DragonflyList", "plural": "dragonflies",
                "singular": "dragonfly"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1alpha1",
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": [
                    {"jsonPath": ".status.phase", "name": "Phase", "type": "string",
                        "description": "The current phase of the Dragonfly cluster"},
                    {"jsonPath": ".status.isRollingUpdate", "name": "Rolling Update", "type": "boolean",
                        "description": "Indicates if a rolling update is in progress"},
                    {"jsonPath": ".spec.replicas", "name": "Replicas", "type": "integer",
                        "description": "Number of replicas"},
                ],
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "description": "Dragonfly is the Schema for the dragonflies API",
                    "properties": {
                        "apiVersion": text(),
                        "kind": text(),
                        "metadata": {"type": "object"},
                        "spec": spec(),
                        "status": {"type": "object", "properties": {"isRollingUpdate": flag(), "phase": text()}},
                    },
                }},
            }],
        },
    })
}

fn spec() -> Value {
    let meta = || object(json!({"annotations": texts(), "labels": texts()}));
    let key = || {
        required(
            json!({"key": text(), "name": text(), "optional": flag()}),
            "key",
        )
    };
    json!({
        "type": "object",
        "properties": {
            "aclFromSecret": key(),
            "additionalContainers": list(open()),
            "additionalVolumes": list(open()),
            "affinity": open(),
            "annotations": texts(),
            "args": list(text()),
            "authentication": object(json!({"clientCaCertSecret": key(), "passwordFromSecret": key()})),
            "containerSecurityContext": open(),
            "customLivenessProbeConfigMap": object(json!({"name": text()})),
            "customReadinessProbeConfigMap": object(json!({"name": text()})),
            "customStartupProbeConfigMap": object(json!({"name": text()})),
            "enableReplicationReadinessGate": flag(),
            "env": list(open()),
            "image": text(),
            "imagePullPolicy": {"type": "string", "default": "Always"},
            "imagePullSecrets": list(object(json!({"name": text()}))),
            "initContainers": list(open()),
            "labels": texts(),
            "memcachedPort": whole(),
            "networkPolicyEnabled": {"type": "boolean", "default": true},
            "nodeSelector": texts(),
            "ownedObjectsMetadata": meta(),
            "pdb": object(json!({"maxUnavailable": either(), "minAvailable": either()})),
            "podMetadata": meta(),
            "podSecurityContext": open(),
            "priorityClassName": text(),
            "replicas": whole(),
            "resources": object(json!({"claims": list(open()), "limits": amounts(), "requests": amounts()})),
            "serviceAccountName": text(),
            "serviceSpec": object(json!({"annotations": texts(), "labels": texts(), "name": text(),
                "nodePort": whole(), "type": text()})),
            "skipFSGroup": flag(),
            "snapshot": object(json!({"cron": text(), "dir": text(), "enableOnMasterOnly": flag(),
                "existingPersistentVolumeClaimName": text(), "persistentVolumeClaimSpec": open()})),
            "tiering": object(json!({"persistentVolumeClaimSpec": open()})),
            "tlsSecretRef": object(json!({"name": text(), "namespace": text()})),
            "tolerations": list(open()),
            "topologySpreadConstraints": list(open()),
        },
    })
}

fn text() -> Value {
    json!({"type": "string"})
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

fn whole() -> Value {
    json!({"type": "integer", "format": "int32"})
}

fn open() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

fn either() -> Value {
    json!({"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true})
}

fn texts() -> Value {
    json!({"type": "object", "additionalProperties": {"type": "string"}})
}

fn amounts() -> Value {
    json!({"type": "object", "additionalProperties": either()})
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn object(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

fn required(properties: Value, field: &str) -> Value {
    json!({"type": "object", "properties": properties, "required": [field]})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lab::resources;

    #[test]
    fn the_definition_serves_the_kind() {
        let kind = resources::from_definition(&definition()).unwrap();
        assert_eq!(kind.id(), resources::DRAGONFLIES);
        assert_eq!(kind.api_version(), "dragonflydb.io/v1alpha1");
        assert!(kind.status && kind.namespaced && kind.columns.len() == 3);
    }
}
