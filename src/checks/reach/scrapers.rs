//! Who scrapes the metrics of a cluster: the pods behind a Service that is a vmagent's or a Prometheus', by its name and port.

use serde_json::Value;

use super::pod;
use crate::checks::listed::{listed, want};
use crate::domain::reach::End;
use crate::domain::world::ContextWorld;
use crate::domain::{Foreign, Want};

/// One who scrapes.
#[derive(Debug, Clone)]
pub struct Scraper {
    /// Namespace and name of its Service.
    pub name: String,
    /// Its pods.
    pub end: End,
}

/// Ports by which each kind answers, and the word in its Service's name.
const KINDS: &[(&str, u64)] = &[("vmagent", 8429), ("prometheus", 9090)];

/// What must be read to find them.
pub fn needs(context: &ContextWorld) -> Vec<Want> {
    vec![want(context, Foreign::Service, "")]
}

/// All that are found.
///
/// # Errors
/// Why they are not known.
pub fn found(context: &ContextWorld) -> Result<Vec<Scraper>, String> {
    let services = listed(context, Foreign::Service, "")
        .map_err(|why| super::untold(context, Foreign::Service, why))?;
    let mut all: Vec<Scraper> = Vec::new();
    for service in services.objects {
        let name = &service.meta.name;
        let ports = service
            .body
            .pointer("/spec/ports")
            .and_then(Value::as_array);
        let has_port = |wanted: u64| {
            let mut ports = ports.into_iter().flatten();
            ports.any(|port| port.get("port").and_then(Value::as_u64) == Some(wanted))
        };
        let is_one = KINDS
            .iter()
            .any(|(word, port)| name.contains(word) && has_port(*port));
        let selector = service
            .body
            .pointer("/spec/selector")
            .and_then(Value::as_object);
        let Some(selector) = selector.filter(|selector| is_one && !selector.is_empty()) else {
            continue;
        };
        let labels = selector
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        let end = pod(context, &service.meta.namespace, labels);
        // A headless Service beside the other names the same pods.
        if !all.iter().any(|one| one.end == end) {
            all.push(Scraper {
                name: format!("{}/{name}", service.meta.namespace),
                end,
            });
        }
    }
    Ok(all)
}
