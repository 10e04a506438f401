//! Addressing, everywhere alike: an instance is `[NAMESPACE/]NAME`, a node is named by its pod, a context by its name
//! in the kubeconfig. What is not found is answered with the nearest name that exists.

use crate::domain::InstanceId;
use crate::domain::text::nearest;

/// The instances that an address means. One address may name instances of several contexts.
///
/// # Errors
/// A sentence with the nearest name when there is none.
pub fn instances<'a>(
    address: &str,
    known: &'a [InstanceId],
) -> Result<Vec<&'a InstanceId>, String> {
    let (namespace, name) = match address.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, address),
    };
    let found: Vec<_> = known
        .iter()
        .filter(|id| *id.name == *name && namespace.is_none_or(|ns| *id.namespace == *ns))
        .collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let names: Vec<String> = known
        .iter()
        .flat_map(|id| [id.name.to_string(), id.to_string()])
        .collect();
    let near = nearest(address, names.iter().map(String::as_str));
    Err(match (near, known.is_empty()) {
        (_, true) => format!(
            "there is no instance {address}: none was found in the contexts that were opened"
        ),
        (Some(near), _) => format!("there is no instance {address}; did you mean {near}?"),
        (None, _) => format!(
            "there is no instance {address}; there are {}",
            known
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        ),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::ContextId;

    #[test]
    fn an_address_finds_its_instances_or_the_nearest_name() {
        let id = |c: &str, ns: &str, n: &str| InstanceId::new(ContextId::new(c), ns, n);
        let known = [
            id("a", "harbor", "cache"),
            id("a", "gitlab", "cache"),
            id("b", "df", "dragonfly"),
        ];
        assert_eq!(instances("cache", &known).unwrap().len(), 2);
        assert_eq!(instances("harbor/cache", &known).unwrap(), [&known[0]]);
        for (address, answer) in [
            (
                "dragonfyl",
                "there is no instance dragonfyl; did you mean dragonfly?",
            ),
            (
                "harbor/cahce",
                "there is no instance harbor/cahce; did you mean harbor/cache?",
            ),
            (
                "zzz",
                "there is no instance zzz; there are harbor/cache, gitlab/cache, df/dragonfly",
            ),
        ] {
            assert_eq!(instances(address, &known).unwrap_err(), answer);
        }
        assert!(instances("x", &[]).unwrap_err().contains("none was found"));
    }
}
