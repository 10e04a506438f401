//! Cluster addresses of Services: a real API server allocates them when the Service is created.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Controller, Key, key, keys};
use crate::lab::defaults;
use crate::lab::json::{set, text};
use crate::lab::resources::{GroupResource, SERVICES};
use crate::lab::seed::Seed;
use crate::lab::store::{Object, Store};

/// The allocator.
pub(in crate::lab) struct Services {
    store: Store,
    seed: Seed,
}

impl Services {
    pub(in crate::lab) fn new(store: Store, seed: Seed) -> Self {
        Self { store, seed }
    }
}

impl Controller for Services {
    fn follows(&self) -> &'static [GroupResource<'static>] {
        &[SERVICES]
    }

    fn touched(&self, _what: GroupResource<'static>, object: &Object) -> Vec<Key> {
        vec![key(object)]
    }

    fn all(&self) -> Vec<Key> {
        keys(&self.store, SERVICES)
    }

    fn settle(&mut self, (namespace, name): &Key) -> Option<Duration> {
        let object = self.store.get(SERVICES, namespace, name).ok()?;
        let service = object.value();
        if !text(&service, "/spec/clusterIP").is_empty()
            || text(&service, "/spec/type") == "ExternalName"
        {
            return None;
        }
        let seed = self.seed;
        let _ = self
            .store
            .update(SERVICES, namespace, name, "kube-apiserver", |service| {
                give_address(service, seed);
            });
        None
    }
}

/// Fills in what a Service gets at creation, its address included.
pub(in crate::lab) fn give_address(service: &mut Value, seed: Seed) {
    let (namespace, name) = (
        text(service, "/metadata/namespace").to_owned(),
        text(service, "/metadata/name").to_owned(),
    );
    let mut spec = service.get("spec").cloned().unwrap_or_else(|| json!({}));
    defaults::service_spec(&mut spec);
    let number = seed.below(0xfff0, &["service", &namespace, &name]) + 10;
    let address = format!("10.96.{}.{}", number >> 8, number & 0xff);
    set(&mut spec, &["clusterIP"], address.clone().into());
    set(&mut spec, &["clusterIPs"], json!([address]));
    set(service, &["spec"], spec);
}
