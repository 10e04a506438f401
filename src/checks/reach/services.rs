//! Host names of Services, and the Services that they name.

use serde_json::Value;

use crate::checks::listed::{Untold, listed};
use crate::domain::want::ForeignObject;
use crate::domain::world::ContextWorld;
use crate::domain::{Foreign, InstanceView};

/// A Service by its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl std::fmt::Display for ServiceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl ServiceName {
    /// The Service that a host name means to a pod of that namespace: `NAME`, `NAME.NAMESPACE`, `NAME.NAMESPACE.svc` and what
    /// follows that within a cluster; `None` for the name of something else.
    pub fn of(host: &str, at: &str) -> Option<Self> {
        let host = host.trim_end_matches('.');
        let mut parts = host.split('.');
        let name = parts.next().filter(|name| !name.is_empty())?;
        let (namespace, rest) = match parts.next() {
            None => (at, Vec::new()),
            Some(namespace) => (namespace, parts.collect::<Vec<_>>()),
        };
        let is_service = match rest.as_slice() {
            [] | ["svc"] => true,
            // The domain of a cluster may be any; that of a mesh of Kubernetes' own is another kind of object.
            ["svc", "clusterset", ..] => false,
            ["svc", ..] => true,
            _ => false,
        };
        (is_service && !namespace.is_empty()).then(|| Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }

    /// It, in a context; `None` where there is none.
    ///
    /// # Errors
    /// Why Services of its namespace are not known.
    pub fn find<'a>(
        &self,
        context: &'a ContextWorld,
    ) -> Result<Option<&'a ForeignObject>, Untold<'a>> {
        let found = listed(context, Foreign::Service, &self.namespace)?;
        let mut all = found.objects.into_iter();
        Ok(all.find(|one| *one.meta.name == *self.name))
    }
}

/// The master Service of an instance.
pub fn of_instance(view: &InstanceView<'_>) -> ServiceName {
    ServiceName {
        namespace: view.id.namespace.to_string(),
        name: view.dragonfly.value.service.clone(),
    }
}

/// What Cilium is told of a Service by annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Global {
    /// `service.cilium.io/global`: it is one with the Service of the same name and namespace in other clusters.
    pub is_global: bool,
    /// `service.cilium.io/shared`: its own backends are told to other clusters; true unless said otherwise.
    pub is_shared: bool,
    /// `service.cilium.io/affinity` is `remote`: backends of other clusters come first.
    pub prefers_remote: bool,
}

impl Global {
    /// As a Service is annotated.
    pub fn of(service: &ForeignObject) -> Self {
        let said = |key: &str| {
            let key = format!("service.cilium.io/{key}");
            service.meta.annotations.get(&key).map(String::as_str)
        };
        let is_global = said("global") == Some("true");
        Self {
            is_global,
            is_shared: is_global && said("shared") != Some("false"),
            prefers_remote: said("affinity") == Some("remote"),
        }
    }
}

/// Whether a Service selects the pods of an instance, by name.
pub fn selects(service: &ForeignObject, instance: &str) -> bool {
    let app = service.body.pointer("/spec/selector/app");
    app.and_then(Value::as_str) == Some(instance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_name_means_a_service_or_something_else() {
        for (host, wanted) in [
            ("dragonfly", Some("web/dragonfly")),
            ("dragonfly.db", Some("db/dragonfly")),
            ("dragonfly.db.svc", Some("db/dragonfly")),
            ("dragonfly.db.svc.cluster.local", Some("db/dragonfly")),
            ("dragonfly.db.svc.cluster.local.", Some("db/dragonfly")),
            ("dragonfly.db.svc.clusterset.local", None),
            ("cache.example.com", None),
            ("", None),
        ] {
            let found = ServiceName::of(host, "web").map(|name| name.to_string());
            assert_eq!(found.as_deref(), wanted, "{host}");
        }
    }
}
