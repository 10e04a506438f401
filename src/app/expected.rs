//! What the settings expect of the fleet, in the words of the checks.

use std::sync::Arc;

use crate::domain::expected::{ExpectedInstance, InstanceName, StoreAddress};
use crate::domain::{Consumer, ConsumerId, ContextId, Expected};
use crate::settings::Settings;

/// What the reader expects of the fleet. What is unfit was left out when the settings were read.
pub(super) fn expected_of(settings: &Settings) -> Expected {
    let instances = settings.instances.iter().filter_map(|wish| {
        Some(ExpectedInstance {
            instance: InstanceName::of(&wish.instance)?,
            replicas: Some(wish.replicas).filter(|wanted| *wanted > 0),
            tenant: wish.tenant.clone(),
            shared: wish.shared,
        })
    });
    let consumers = settings.consumers.iter().filter_map(|wish| {
        let labels = wish.labels.iter().filter_map(|label| {
            let (key, value) = label.split_once('=')?;
            Some((key.to_owned(), value.to_owned()))
        });
        Some(Consumer {
            id: ConsumerId {
                context: ContextId::new(&wish.context),
                namespace: Arc::from(wish.namespace.as_str()),
                name: Arc::from(wish.name.as_str()),
            },
            instance: InstanceName::of(&wish.instance)?,
            host: wish.host.clone(),
            port: u16::try_from(wish.port).ok()?,
            labels: labels.collect(),
            workload: wish.workload.clone(),
            tenant: wish.tenant.clone(),
            denied: wish.expect == "denied",
        })
    });
    let stores = settings.stores.iter().filter_map(|wish| {
        let (namespace, rest) = wish.service.split_once('/')?;
        let (service, port) = rest.split_once(':').unwrap_or((rest, ""));
        let at = match wish.at.as_str() {
            "" => &wish.context,
            at => at,
        };
        Some(StoreAddress {
            context: ContextId::new(&wish.context),
            at: ContextId::new(at),
            namespace: Arc::from(namespace),
            service: Arc::from(service),
            port: Arc::from(port),
            path: Arc::from(wish.path.trim_end_matches('/')),
        })
    });
    Expected {
        instances: instances.collect(),
        consumers: consumers.collect(),
        stores: stores.collect(),
    }
}
