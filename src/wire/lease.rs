//! Leases.

use serde_json::Value;

use super::read;
use crate::domain::object::{Lease, Meta};

/// Decodes a Lease. An empty holder, as a released Lease has, is absent.
pub fn lease(meta: Meta, value: &Value) -> Lease {
    Lease {
        meta,
        holder: read::line(value, &["spec", "holderIdentity"]),
        renewed: read::time(value, &["spec", "renewTime"]),
        acquired: read::time(value, &["spec", "acquireTime"]),
        duration: read::whole(value, &["spec", "leaseDurationSeconds"]),
        transitions: read::whole(value, &["spec", "leaseTransitions"]),
    }
}
