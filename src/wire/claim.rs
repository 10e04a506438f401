//! PersistentVolumeClaims.

use serde_json::Value;

use super::read;
use crate::domain::object::{Meta, Pvc};

/// Decodes a claim.
pub fn pvc(meta: Meta, value: &Value) -> Pvc {
    Pvc {
        meta,
        phase: read::line_or_empty(value, &["status", "phase"]),
        requested: read::bytes(value, &["spec", "resources", "requests", "storage"]),
        capacity: read::bytes(value, &["status", "capacity", "storage"]),
        class: read::line(value, &["spec", "storageClassName"]),
        volume: read::line(value, &["spec", "volumeName"]),
        conditions: read::conditions(value),
    }
}
