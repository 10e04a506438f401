//! EndpointSlices: where a Service really sends traffic, from its selector and the readiness of pods.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Controller, Key, controller_reference, key, keys};
use crate::lab::clock;
use crate::lab::json::{extend, items, set, text};
use crate::lab::pods;
use crate::lab::resources::{ENDPOINT_SLICES, GroupResource, NODES, PODS, SERVICES};
use crate::lab::seed::Seed;
use crate::lab::store::{Object, Store};

const MANAGER: &str = "kube-controller-manager";
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The label that says which controller keeps a slice.
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const OURS: &str = "endpointslice-controller.k8s.io";
const TRIGGERED: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// The controller. One slice per Service: no lab Service has more than a hundred pods.
pub(in crate::lab) struct Endpoints {
    store: Store,
    seed: Seed,
}

impl Endpoints {
    pub(in crate::lab) fn new(store: Store, seed: Seed) -> Self {
        Self { store, seed }
    }

    /// The pods that a Service selects, in order of name.
    fn selected(&self, service: &Value) -> Option<Vec<Arc<Object>>> {
        let selector = pods::selector(service, "/spec/selector")?;
        let namespace = text(service, "/metadata/namespace");
        Some(self.store.labelled(PODS, Some(namespace), &selector))
    }
}

impl Controller for Endpoints {
    fn follows(&self) -> &'static [GroupResource<'static>] {
        &[SERVICES, PODS, ENDPOINT_SLICES]
    }

    fn touched(&self, what: GroupResource<'static>, object: &Object) -> Vec<Key> {
        if what == SERVICES {
            return vec![key(object)];
        }
        if what == ENDPOINT_SLICES {
            let service = object.label(SERVICE_NAME).unwrap_or_default();
            return vec![(object.namespace.clone(), service.to_owned())];
        }
        let listed = self.store.list(SERVICES, Some(&object.namespace));
        let mut services = listed.map(|listed| listed.items).unwrap_or_default();
        services.retain(|service| {
            let service = service.value();
            pods::selector(&service, "/spec/selector").is_some_and(|selector| {
                selector
                    .iter()
                    .all(|(key, value)| object.label(key) == Some(value))
            })
        });
        services.iter().map(|service| key(service)).collect()
    }

    fn all(&self) -> Vec<Key> {
        keys(&self.store, SERVICES)
    }

    fn settle(&mut self, (namespace, name): &Key) -> Option<Duration> {
        let service = self.store.get(SERVICES, namespace, name).ok()?;
        if service.deleting {
            return None;
        }
        let service = service.value();
        let selected: Vec<Value> = self
            .selected(&service)?
            .iter()
            .map(|pod| pod.value())
            .collect();
        let mut wanted = slice(&service, &selected, self.seed, |node| {
            zone(&self.store, node)
        });
        let have = self.store.labelled(
            ENDPOINT_SLICES,
            Some(namespace),
            &[(SERVICE_NAME, name), (MANAGED_BY, OURS)],
        );
        let triggered = clock::seconds(self.store.now());
        let annotations = json!({TRIGGERED: triggered});
        let Some(have) = have.first() else {
            extend(&mut wanted, &["metadata", "annotations"], &annotations);
            let _ = self
                .store
                .create(ENDPOINT_SLICES, namespace, wanted, MANAGER);
            return None;
        };
        let old = have.value();
        let same = ["/endpoints", "/ports", "/metadata/labels"]
            .iter()
            .all(|part| old.pointer(part) == wanted.pointer(part));
        if same {
            return None;
        }
        let _ = self
            .store
            .update(ENDPOINT_SLICES, namespace, &have.name, MANAGER, |slice| {
                for part in ["endpoints", "ports"] {
                    set(
                        slice,
                        &[part],
                        wanted.get(part).cloned().unwrap_or_default(),
                    );
                }
                let labels = wanted.pointer("/metadata/labels").cloned();
                set(slice, &["metadata", "labels"], labels.unwrap_or_default());
                extend(slice, &["metadata", "annotations"], &annotations);
            });
        None
    }
}

fn zone(store: &Store, node: &str) -> String {
    let node = store.get(NODES, "", node);
    node.ok()
        .and_then(|node| node.label("topology.kubernetes.io/zone").map(str::to_owned))
        .unwrap_or_default()
}

/// The slice of a Service over the pods it selects; `zone` knows the zone of a machine.
pub(in crate::lab) fn slice(
    service: &Value,
    selected: &[Value],
    seed: Seed,
    zone: impl Fn(&str) -> String,
) -> Value {
    let name = text(service, "/metadata/name");
    let namespace = text(service, "/metadata/namespace");
    let uid = text(service, "/metadata/uid");
    let slice_name = format!(
        "{name}-{}",
        seed.suffix(5, &["slice", namespace, name, uid])
    );
    let endpoints: Vec<Value> = selected
        .iter()
        .filter(|pod| {
            !text(pod, "/status/podIP").is_empty()
                && !["Failed", "Succeeded"].contains(&text(pod, "/status/phase"))
        })
        .map(|pod| endpoint(pod, name, &zone))
        .collect();
    let ports: Vec<Value> = match endpoints.is_empty() {
        // Without endpoints the controller leaves a placeholder that names no ports.
        true => Vec::new(),
        false => items(service, "/spec/ports")
            .iter()
            .map(|port| {
                let target = match port.get("targetPort") {
                    Some(Value::Number(number)) => Value::Number(number.clone()),
                    _ => port.get("port").cloned().unwrap_or_default(),
                };
                json!({"name": text(port, "/name"), "port": target, "protocol": text(port, "/protocol")})
            })
            .collect(),
    };
    let mut value = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": slice_name,
            "generateName": format!("{name}-"),
            "namespace": namespace,
            "labels": service.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({})),
            "ownerReferences": controller_reference("v1", "Service", name, uid),
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": ports,
    });
    extend(
        &mut value,
        &["metadata", "labels"],
        &json!({MANAGED_BY: OURS, SERVICE_NAME: name}),
    );
    value
}

fn endpoint(pod: &Value, service: &str, zone: &impl Fn(&str) -> String) -> Value {
    let (serving, terminating) = (pods::ready(pod), pods::deleting(pod));
    let node = text(pod, "/spec/nodeName");
    let mut value = json!({
        "addresses": [text(pod, "/status/podIP")],
        "conditions": {"ready": serving && !terminating, "serving": serving, "terminating": terminating},
        "nodeName": node,
        "targetRef": {
            "kind": "Pod",
            "name": text(pod, "/metadata/name"),
            "namespace": text(pod, "/metadata/namespace"),
            "uid": text(pod, "/metadata/uid"),
        },
    });
    let zone = zone(node);
    if !zone.is_empty() {
        set(&mut value, &["zone"], zone.into());
    }
    // The Service that a StatefulSet names gives its pods their names in DNS.
    let hostname = text(pod, "/spec/hostname");
    if text(pod, "/spec/subdomain") == service && !hostname.is_empty() {
        set(&mut value, &["hostname"], hostname.into());
    }
    value
}
