//! StatefulSets and Deployments.

use serde_json::Value;

use super::{foreign, read};
use crate::domain::object::{Deployment, Meta, StatefulSet, Writer};

/// Decodes a StatefulSet. An absent `spec.replicas` is 1, as the API defaults it.
pub fn stateful_set(meta: Meta, value: &Value) -> StatefulSet {
    let images = images(value);
    let image = images
        .iter()
        .find(|(name, _)| name == "dragonfly")
        .or_else(|| images.first())
        .map(|(_, image)| image.clone())
        .unwrap_or_default();
    StatefulSet {
        meta,
        replicas: read::whole(value, &["spec", "replicas"]).unwrap_or(1),
        ready: read::whole_or_zero(value, &["status", "readyReplicas"]),
        updated: read::whole_or_zero(value, &["status", "updatedReplicas"]),
        current_revision: read::line_or_empty(value, &["status", "currentRevision"]),
        update_revision: read::line_or_empty(value, &["status", "updateRevision"]),
        image,
        claim_templates: read::list(value, &["spec", "volumeClaimTemplates"])
            .iter()
            .filter_map(|template| {
                Some((
                    read::line(template, &["metadata", "name"])?,
                    read::bytes(template, &["spec", "resources", "requests", "storage"]),
                ))
            })
            .collect(),
    }
}

/// Decodes a Deployment. An absent `spec.replicas` is 1, as the API defaults it.
pub fn deployment(meta: Meta, value: &Value) -> Deployment {
    Deployment {
        meta,
        replicas: read::whole(value, &["spec", "replicas"]).unwrap_or(1),
        ready: read::whole_or_zero(value, &["status", "readyReplicas"]),
        updated: read::whole_or_zero(value, &["status", "updatedReplicas"]),
        images: images(value),
        args: containers(value)
            .iter()
            .find(|container| read::line(container, &["name"]).as_deref() == Some("manager"))
            .or_else(|| containers(value).first())
            .map(|container| read::lines(container, &["args"]))
            .unwrap_or_default(),
        scaled_by: scaled_by(value),
        service_account: read::line(value, &["spec", "template", "spec", "serviceAccountName"]),
        conditions: read::conditions(value),
    }
}

fn scaled_by(value: &Value) -> Option<Writer> {
    let writer = foreign::last_writer(value, &["f:spec", "f:replicas"])?;
    Some(Writer {
        manager: read::line_or_empty(&writer, &["manager"]),
        at: read::time(&writer, &["at"]),
    })
}

/// Container names of the pod template with their images.
fn images(value: &Value) -> Vec<(String, String)> {
    containers(value)
        .iter()
        .filter_map(|container| {
            Some((
                read::line(container, &["name"])?,
                read::line_or_empty(container, &["image"]),
            ))
        })
        .collect()
}

/// Containers of the pod template.
fn containers(value: &Value) -> &[Value] {
    read::list(value, &["spec", "template", "spec", "containers"])
}
