//! Addressing, everywhere alike: an instance is `[NAMESPACE/]NAME`, a node is named by its pod, `[NAMESPACE/]POD`; a
//! context's name may stand before either. What is not found is answered with the nearest name that exists.
//!
//! `darner status`, the console's argument and the palette all ask here.

use std::fmt;
use std::sync::Arc;

use super::id::{ContextId, InstanceId};
use super::text::nearest;
use super::world::World;

/// What an address means: an instance, or one of its nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The instance.
    pub instance: InstanceId,
    /// The node's pod, when the address names one.
    pub pod: Option<Arc<str>>,
}

/// An address that means nothing. Its `Display` is a sentence with the nearest name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfound {
    /// As it was written.
    pub address: String,
    near: Option<String>,
    instances: Vec<String>,
}

/// What an address means. It may mean places in several contexts or namespaces; an instance comes before a pod of the same
/// name. Contexts that show a cluster a second time are left out, unless the address names one.
///
/// # Errors
/// [`Unfound`], when it means nothing that is known.
pub fn find(world: &World, address: &str) -> Result<Vec<Place>, Unfound> {
    let known = places(world);
    for is_node in [false, true] {
        let found: Vec<Place> = known
            .iter()
            .filter(|place| place.pod.is_some() == is_node && is_addressed(place, address))
            .cloned()
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let spelled: Vec<String> = known
        .iter()
        .flat_map(|place| {
            let namespace = &place.instance.namespace;
            let name = name(place);
            [name.to_owned(), format!("{namespace}/{name}")]
        })
        .collect();
    Err(Unfound {
        address: address.to_owned(),
        near: nearest(address, spelled.iter().map(String::as_str)).map(str::to_owned),
        instances: known
            .iter()
            .filter(|place| place.pod.is_none())
            .map(|place| place.instance.to_string())
            .collect(),
    })
}

/// Every instance that is shown, and every pod of one.
pub fn places(world: &World) -> Vec<Place> {
    let mut places = Vec::new();
    for context in world.shown_contexts() {
        places.extend(context.instances().map(|instance| Place {
            instance,
            pod: None,
        }));
        places.extend(context.pods.iter().filter_map(|held| {
            let meta = &held.value.meta;
            let app = meta.labels.get("app")?;
            context.dragonflies.get(&meta.namespace, app)?;
            Some(Place {
                instance: InstanceId {
                    context: context.id.clone(),
                    namespace: meta.namespace.clone(),
                    name: Arc::from(app.as_str()),
                },
                pod: Some(meta.name.clone()),
            })
        }));
    }
    places
}

fn name(place: &Place) -> &str {
    place.pod.as_ref().unwrap_or(&place.instance.name)
}

/// Whether `[CONTEXT/][NAMESPACE/]NAME` means this place. Context names may contain slashes themselves.
fn is_addressed(place: &Place, address: &str) -> bool {
    let context: &ContextId = &place.instance.context;
    let namespace = &place.instance.namespace;
    let name = name(place);
    address == name
        || address == format!("{namespace}/{name}")
        || address == format!("{context}/{namespace}/{name}")
}

impl Unfound {
    /// Nothing at all is known that could be addressed.
    pub fn is_nothing_known(&self) -> bool {
        self.instances.is_empty()
    }
}

impl fmt::Display for Unfound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FEW: usize = 12;
        write!(f, "there is no instance and no pod {}", self.address)?;
        match (&self.near, self.instances.as_slice()) {
            (Some(near), _) => write!(f, "; did you mean {near}?"),
            (None, []) => write!(f, ": no instance was found in the contexts that are open"),
            (None, few) if few.len() <= FEW => write!(f, "; there are {}", few.join(", ")),
            (None, many) => write!(f, "; there are {} instances", many.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::fact::{Fact, Scope};
    use crate::domain::id::Kind;
    use crate::domain::object::{Dragonfly, Meta, Object, Pod};
    use jiff::Timestamp;

    fn meta(namespace: &str, name: &str, app: &str) -> Meta {
        Meta {
            namespace: Arc::from(namespace),
            name: Arc::from(name),
            labels: [("app".to_owned(), app.to_owned())].into(),
            ..Meta::default()
        }
    }

    fn world(contexts: &[(&str, &[(&str, &str)])]) -> World {
        let mut world = World::default();
        for (context, instances) in contexts {
            let context = ContextId::new(context);
            let mut tell = |fact| {
                world.apply(fact, Timestamp::UNIX_EPOCH);
            };
            tell(Fact::Opened {
                context: context.clone(),
                namespaces: Vec::new(),
            });
            let dragonfly = |(ns, name): &(&str, &str)| {
                Object::Dragonfly(Arc::new(Dragonfly {
                    meta: meta(ns, name, name),
                    ..Dragonfly::default()
                }))
            };
            let pod = |(ns, name): &(&str, &str)| {
                Object::Pod(Arc::new(Pod {
                    meta: meta(ns, &format!("{name}-0"), name),
                    ..Pod::default()
                }))
            };
            for (kind, objects) in [
                (Kind::Dragonfly, instances.iter().map(dragonfly).collect()),
                (Kind::Pod, instances.iter().map(pod).collect()),
            ] {
                tell(Fact::Listed {
                    context: context.clone(),
                    kind,
                    scope: Scope::Cluster,
                    objects,
                });
            }
        }
        world
    }

    #[test]
    fn an_address_finds_instances_and_nodes_or_the_nearest_name() {
        let world = world(&[
            ("a", &[("harbor", "cache"), ("gitlab", "cache")]),
            ("b/c", &[("df", "dragonfly")]),
        ]);
        let found = |address: &str| match find(&world, address) {
            Ok(places) => places
                .iter()
                .map(|place| {
                    let pod = place.pod.as_deref().unwrap_or("-");
                    format!("{} {} {pod}", place.instance.context, place.instance)
                })
                .collect::<Vec<_>>()
                .join(", "),
            Err(unfound) => unfound.to_string(),
        };
        for (address, wanted) in [
            ("cache", "a gitlab/cache -, a harbor/cache -"),
            ("harbor/cache", "a harbor/cache -"),
            ("a/harbor/cache", "a harbor/cache -"),
            ("b/c/df/dragonfly", "b/c df/dragonfly -"),
            ("dragonfly-0", "b/c df/dragonfly dragonfly-0"),
            ("harbor/cache-0", "a harbor/cache cache-0"),
            ("a/harbor/cache-0", "a harbor/cache cache-0"),
            (
                "dragonfyl",
                "there is no instance and no pod dragonfyl; did you mean dragonfly?",
            ),
            (
                "harbor/cahce",
                "there is no instance and no pod harbor/cahce; did you mean harbor/cache?",
            ),
            (
                "dragonfly-9",
                "there is no instance and no pod dragonfly-9; did you mean dragonfly-0?",
            ),
            (
                "zzz",
                "there is no instance and no pod zzz; there are gitlab/cache, harbor/cache, df/dragonfly",
            ),
        ] {
            assert_eq!(found(address), wanted);
        }
        let none = find(&World::default(), "x").unwrap_err();
        assert!(none.is_nothing_known());
        assert!(none.to_string().contains("no instance was found"));
    }
}
