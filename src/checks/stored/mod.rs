//! Where the data of an instance is stored: its claims, what each of them should be, and how far that drifted apart.
//!
//! Three things should say the same of a claim's size: the Dragonfly object, the claim template in its StatefulSet, and
//! the PVC. They come apart because a template cannot be changed: up to operator v1.5 the change blocks everything else,
//! from v1.6.0 it is ignored with an event (op#165, op#394, op#472).

mod snapshots;

pub use snapshots::{Age, Snapshots, files_pile_up, snapshots};

use serde_json::Value;

use crate::domain::object::Pvc;
use crate::domain::want::{Foreign, Want};
use crate::domain::world::{ContextWorld, Held, Reading};
use crate::domain::{ContextId, Fault, InstanceView, Kind, NodeView, Scope, text};

/// One place in which data is kept, or should be.
#[derive(Debug)]
pub struct Place<'a> {
    /// The pod's name; empty for a claim that no pod uses.
    pub pod: String,
    /// The node, if its pod is there.
    pub node: Option<NodeView<'a>>,
    /// The claim's name; `None` when the pod keeps nothing on a volume.
    pub claim: Option<String>,
    /// The claim, if it is there.
    pub pvc: Option<&'a Held<Pvc>>,
    /// Size wanted by the Dragonfly object, bytes.
    pub wanted: Option<u64>,
    /// Size in the StatefulSet's claim template, bytes.
    pub template: Option<u64>,
    /// The Dragonfly object asks for such a claim.
    pub is_wanted: bool,
    /// The StatefulSet has such a template, as far as it is known.
    pub is_template: bool,
    /// The claim is the instance's own choice, and all pods mount it (`existingPersistentVolumeClaimName`).
    pub is_shared: bool,
}

/// What is known of a storage class.
#[derive(Debug, PartialEq, Eq)]
pub enum Class<'a> {
    /// The claim names none.
    Unnamed,
    /// Not read yet.
    Unread,
    /// It cannot be read.
    Untold(&'a Fault),
    /// There is none of that name.
    Absent,
    /// It is there.
    There {
        /// Volumes of it may grow.
        expands: bool,
        /// What becomes of a volume whose claim is deleted: `Delete`, `Retain`.
        reclaim: String,
    },
}

/// What must be read beside the standing questions to tell the storage of a context.
pub fn wants(context: &ContextWorld) -> Vec<Want> {
    /// Machines that are asked; more would be a burden.
    const MACHINES: usize = 50;
    if context.dragonflies.is_empty() {
        return Vec::new();
    }
    let mut machines: Vec<_> = context
        .pods
        .iter()
        .filter(|held| !held.value.claims.is_empty())
        .filter_map(|held| held.value.machine.as_deref())
        .collect();
    machines.sort_unstable();
    machines.dedup();
    let classes = classes(&context.id);
    let volumes = machines
        .into_iter()
        .take(MACHINES)
        .map(|machine| volumes(&context.id, machine));
    std::iter::once(classes).chain(volumes).collect()
}

fn classes(context: &ContextId) -> Want {
    Want::Objects {
        context: context.clone(),
        what: Foreign::StorageClass,
        scope: Scope::Cluster,
    }
}

/// The want that tells how full the volumes on a machine are.
pub fn volumes(context: &ContextId, machine: &str) -> Want {
    Want::Volumes {
        context: context.clone(),
        machine: machine.into(),
    }
}

/// Every place of an instance: the claims of each pod, by ordinal, and claims that no pod uses any more.
pub fn places<'a>(view: &InstanceView<'a>) -> Vec<Place<'a>> {
    let name = &*view.id.name;
    let dragonfly = &view.dragonfly.value;
    let snapshot = dragonfly.snapshot.as_ref();
    let shared = snapshot.and_then(|snapshot| snapshot.existing_claim.as_deref());
    let templates = view
        .stateful_set
        .map_or(&[][..], |set| &set.value.claim_templates);
    let mut families: Vec<&str> = templates.iter().map(|(name, _)| name.as_str()).collect();
    let sizes = [
        ("df", snapshot.and_then(|snapshot| snapshot.claim_size)),
        ("tiering", dragonfly.tiering_size),
    ];
    for (family, size) in sizes {
        if size.is_some() && !families.contains(&family) {
            families.push(family);
        }
    }
    let find = |claim: &str| {
        let own = view.pvcs.iter().copied();
        own.into_iter()
            .find(|held| *held.value.meta.name == *claim)
            .or_else(|| view.context.pvcs.get(&view.id.namespace, claim))
    };
    let mut all = Vec::new();
    for node in &view.nodes {
        let pod = node.id.pod.to_string();
        let ordinal = pod.rsplit_once('-').map_or("", |(_, tail)| tail);
        let of_pod = |claim: Option<String>| Place {
            pod: pod.clone(),
            node: Some(node.clone()),
            pvc: claim.as_deref().and_then(find),
            claim,
            wanted: None,
            template: None,
            is_wanted: false,
            is_template: false,
            is_shared: false,
        };
        let before = all.len();
        for family in &families {
            let wanted = sizes.iter().find(|(known, _)| known == family);
            let template = templates.iter().find(|(known, _)| known == family);
            all.push(Place {
                wanted: wanted.and_then(|(_, size)| *size),
                template: template.and_then(|(_, size)| *size),
                is_wanted: wanted.is_some_and(|(_, size)| size.is_some()),
                is_template: template.is_some()
                    || view.stateful_set.is_none()
                        && wanted.is_some_and(|(_, size)| size.is_some()),
                ..of_pod(Some(format!("{family}-{name}-{ordinal}")))
            });
        }
        if let Some(shared) = shared {
            all.push(Place {
                is_shared: true,
                ..of_pod(Some(shared.to_owned()))
            });
        }
        if all.len() == before {
            all.push(of_pod(None));
        }
    }
    let left: Vec<Place<'a>> = view
        .pvcs
        .iter()
        .filter(|held| {
            !all.iter()
                .any(|place| place.claim.as_deref() == Some(&*held.value.meta.name))
        })
        .map(|held| Place {
            pod: String::new(),
            node: None,
            claim: Some(held.value.meta.name.to_string()),
            pvc: Some(held),
            wanted: None,
            template: None,
            is_wanted: false,
            is_template: false,
            is_shared: false,
        })
        .collect();
    all.extend(left);
    all
}

/// What is known of a claim's class.
pub fn class<'a>(context: &'a ContextWorld, pvc: &Pvc) -> Class<'a> {
    let Some(name) = &pvc.class else {
        return Class::Unnamed;
    };
    match context
        .on_demand
        .objects(&context.id, Foreign::StorageClass, &Scope::Cluster)
    {
        Reading::Unread => Class::Unread,
        Reading::Failed(fault, _) => Class::Untold(fault),
        Reading::Known { objects, .. } => {
            let found = objects.iter().find(|class| *class.meta.name == **name);
            found.map_or(Class::Absent, |class| Class::There {
                expands: class.body.get("allowVolumeExpansion") == Some(&Value::Bool(true)),
                reclaim: class
                    .body
                    .get("reclaimPolicy")
                    .and_then(Value::as_str)
                    .unwrap_or("Delete")
                    .to_owned(),
            })
        }
    }
}

/// How Dragonfly object, StatefulSet, PVC and volume drifted apart, each in a sentence; none when they agree.
pub fn drift(context: &ContextWorld, place: &Place<'_>) -> Vec<String> {
    let mut told = Vec::new();
    let size = text::bytes;
    let Some(claim) = place.claim.as_deref() else {
        return told;
    };
    if place.pod.is_empty() {
        told.push(
            "no pod uses this claim: it is left from a larger or a former instance, and a pod of its name would load what is \
             on it (op#139)"
                .to_owned(),
        );
    }
    let remake = "a template cannot be changed: resize the PVCs, delete the StatefulSet without its pods \
                  (--cascade=orphan), and the operator makes it anew";
    match (place.is_wanted, place.is_template) {
        (true, false) => told.push(format!(
            "the Dragonfly object wants a claim, the StatefulSet has no template for it: {remake}"
        )),
        (false, true) => told.push(
            "the StatefulSet has a template for this claim, and the Dragonfly object does not want it any more".to_owned(),
        ),
        _ => {}
    }
    if let (Some(wanted), Some(template)) = (place.wanted, place.template)
        && wanted != template
    {
        told.push(format!(
            "the Dragonfly object wants {}, the StatefulSet's template {}: {remake}",
            size(wanted),
            size(template)
        ));
    }
    let Some(held) = place.pvc else {
        let known = context
            .source(
                match place.is_shared {
                    true => Kind::ExistingPvc,
                    false => Kind::Pvc,
                },
                place.node.as_ref().map_or("", |n| &n.id.namespace),
            )
            .is_some_and(|source| source.listed.is_some());
        if known {
            told.push(format!("PVC {claim} is not there"));
        }
        return told;
    };
    let pvc = &held.value;
    match pvc.phase.as_str() {
        "Bound" | "" => {}
        "Pending" => told.push("the PVC is pending: no volume is bound to it yet".to_owned()),
        "Lost" => told.push("the PVC has lost its volume: what was on it is gone".to_owned()),
        phase => told.push(format!("the PVC is {}", phase.to_lowercase())),
    }
    if pvc.meta.deleting.is_some() {
        told.push("the PVC is being deleted, as soon as no pod uses it".to_owned());
    }
    if let (Some(template), Some(asked)) = (place.template, pvc.requested)
        && template != asked
    {
        told.push(format!(
            "the PVC asks for {}, the StatefulSet's template {}: a new pod would get the template's",
            size(asked),
            size(template)
        ));
    }
    let class = class(context, pvc);
    if let (Some(asked), Some(real)) = (pvc.requested, pvc.capacity)
        && real < asked
    {
        let state = pvc.conditions.iter().find(|c| c.status == "True");
        let why = match (&class, state) {
            (Class::There { expands: false, .. }, _) => {
                ": its StorageClass does not allow expansion".to_owned()
            }
            (_, Some(condition)) if condition.name == "FileSystemResizePending" => {
                ": the file system grows when the pod starts anew".to_owned()
            }
            (_, Some(condition)) => format!(": {}", condition.name),
            (_, None) => String::new(),
        };
        told.push(format!(
            "the PVC asks for {}, the volume has {}{why}",
            size(asked),
            size(real)
        ));
    }
    if class == Class::Absent {
        told.push(format!(
            "StorageClass {} is not there (any more): the volume stays, but a new one cannot be made",
            pvc.class.as_deref().unwrap_or_default()
        ));
    }
    told
}

#[cfg(test)]
mod tests;
