//! Services and EndpointSlices: where traffic should go, and where it goes.

use serde_json::Value;

use super::read;
use crate::domain::object::{Endpoint, EndpointSlice, Meta, Service};

/// Decodes a Service.
pub fn service(meta: Meta, value: &Value) -> Service {
    Service {
        meta,
        selector: read::map(value, &["spec", "selector"]),
        kind: read::line_or_empty(value, &["spec", "type"]),
        cluster_ip: read::line(value, &["spec", "clusterIP"]),
        ports: read::list(value, &["spec", "ports"])
            .iter()
            .filter_map(|port| {
                let number = u16::try_from(read::whole(port, &["port"])?).ok()?;
                Some((read::line_or_empty(port, &["name"]), number))
            })
            .collect(),
    }
}

/// Decodes an EndpointSlice. One that names no Service belongs to none.
pub fn slice(meta: Meta, value: &Value) -> EndpointSlice {
    let service = meta
        .labels
        .get("kubernetes.io/service-name")
        .cloned()
        .unwrap_or_default();
    EndpointSlice {
        meta,
        service,
        endpoints: read::list(value, &["endpoints"])
            .iter()
            .filter(|endpoint| endpoint.is_object())
            .map(endpoint)
            .collect(),
    }
}

fn endpoint(endpoint: &Value) -> Endpoint {
    // discovery/v1: an absent `ready` is to be read as true, an absent `serving` as `ready`.
    let ready = read::flag(endpoint, &["conditions", "ready"]).unwrap_or(true);
    Endpoint {
        addresses: read::lines(endpoint, &["addresses"]),
        ready,
        serving: read::flag(endpoint, &["conditions", "serving"]).unwrap_or(ready),
        terminating: read::flag(endpoint, &["conditions", "terminating"]).unwrap_or(false),
        pod: read::at(endpoint, &["targetRef"])
            .filter(|target| read::line(target, &["kind"]).is_none_or(|kind| kind == "Pod"))
            .and_then(|target| read::line(target, &["name"])),
    }
}
