//! A claim grown: the volume of a node gets larger under it. It never gets smaller again.
//!
//! The operator's claims come from a template in its StatefulSet that cannot be changed, so that the Dragonfly object, the
//! template and the claim say different sizes from then on, until the StatefulSet is made anew (operator v1.1 to v1.6).

use std::time::Duration;

use serde_json::{Value, json};

use super::proof::Shows;
use super::{
    About, Action, ArgDoc, Does, Gate, Goal, Look, ObjectId, Plan, Resource, Risk, Scene, Step,
    Target, gates,
};
use crate::checks::stored::{Place, places};
use crate::domain::{InstanceView, text};
use crate::wire::quantity;

/// The action.
pub const ACTION: Action = Action {
    id: "grow",
    verb: "grow",
    title: "Grow a claim",
    doc: "makes the volume of a PersistentVolumeClaim larger, where its StorageClass allows it; it cannot be made smaller again",
    about: About::Claim,
    risk: Risk::Disruptive,
    args: &[ArgDoc {
        name: "size",
        value: "SIZE",
        doc: "how large it becomes: 20Gi",
        default: None,
        required: true,
    }],
    reads,
    available,
    candidates: super::no_choice,
    preflight,
    plan,
};

fn claim<'a>(scene: &Scene<'a>) -> Result<(&'a ObjectId, &'a Value), String> {
    let Target::Object(object) = scene.target else {
        return Err("it is about a claim".to_owned());
    };
    match scene.reading.object(object) {
        Some(Some(value)) => Ok((object, value)),
        Some(None) => Err(format!(
            "there is no claim {} in {}",
            object.name, object.namespace
        )),
        None => Err(format!("claim {} was not read", object.name)),
    }
}

fn class(object: &ObjectId, value: &Value) -> Option<ObjectId> {
    let name = value.pointer("/spec/storageClassName")?.as_str()?;
    Some(ObjectId::new(
        &object.context,
        Resource::STORAGE_CLASS,
        "",
        name,
    ))
}

fn reads(scene: &Scene<'_>) -> Vec<Look> {
    let class = claim(scene)
        .ok()
        .and_then(|(object, value)| class(object, value));
    class.map(Look::Object).into_iter().collect()
}

fn available(scene: &Scene<'_>) -> Result<(), String> {
    scene.context().ok_or("the context is not open")?;
    Ok(())
}

fn wanted<'a>(scene: &Scene<'a>) -> Result<(u64, &'a str), String> {
    let asked = scene.args.get("size").ok_or("no size is given")?;
    match quantity::bytes(asked).filter(|bytes| *bytes > 0) {
        Some(bytes) => Ok((bytes, asked)),
        None => Err(format!("{} is no size: 20Gi is", text::one_line(asked))),
    }
}

/// What the claim asks for, and what its volume has.
fn sizes(value: &Value) -> (Option<u64>, Option<u64>) {
    let at = |path: &str| {
        value
            .pointer(path)
            .and_then(Value::as_str)
            .and_then(quantity::bytes)
    };
    (
        at("/spec/resources/requests/storage"),
        at("/status/capacity/storage"),
    )
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let (object, value) = match claim(scene) {
        Ok(found) => found,
        Err(why) => return vec![Gate::block("there", why)],
    };
    let mut gates = vec![
        larger(scene, value),
        bound(value),
        expands(scene, object, value),
    ];
    gates.extend(drift(scene, object));
    gates
}

fn larger(scene: &Scene<'_>, value: &Value) -> Gate {
    const ID: &str = "larger";
    let (wanted, (asked, has)) = match wanted(scene) {
        Ok((wanted, _)) => (wanted, sizes(value)),
        Err(why) => return Gate::block(ID, why),
    };
    let size = |bytes: Option<u64>| bytes.map_or("not told".to_owned(), text::bytes);
    let told = format!("it asks for {}, its volume has {}", size(asked), size(has));
    match asked.max(has) {
        Some(now) if wanted > now => Gate::pass(ID, told),
        Some(_) => Gate::block(
            ID,
            format!(
                "{told}: {} is no more, and a claim cannot be made smaller",
                text::bytes(wanted)
            ),
        ),
        None => Gate::block(ID, "its size is not told"),
    }
}

fn bound(value: &Value) -> Gate {
    match value.pointer("/status/phase").and_then(Value::as_str) {
        Some("Bound") => Gate::pass("bound", "the claim is bound to a volume"),
        other => Gate::block(
            "bound",
            format!(
                "the claim is {}: only one with a volume can grow",
                other.unwrap_or("of no phase").to_lowercase()
            ),
        ),
    }
}

fn expands(scene: &Scene<'_>, object: &ObjectId, value: &Value) -> Gate {
    const ID: &str = "expands";
    let Some(class) = class(object, value) else {
        return Gate::block(
            ID,
            "the claim has no StorageClass, and without one nothing grows it",
        );
    };
    match scene.reading.object(&class) {
        None => Gate::block(
            ID,
            format!("{class} could not be read, so that it is not known whether it allows it"),
        ),
        Some(None) => Gate::block(ID, format!("there is no {class} (any more)")),
        Some(Some(told)) => match told.get("allowVolumeExpansion") {
            Some(Value::Bool(true)) => Gate::pass(ID, format!("{class} allows expansion")),
            _ => Gate::block(
                ID,
                format!("{class} does not allow expansion (allowVolumeExpansion)"),
            ),
        },
    }
}

/// The place of an instance that the claim is for.
fn place<'a>(scene: &Scene<'a>, object: &ObjectId) -> Option<(InstanceView<'a>, Place<'a>)> {
    let context = scene.context()?;
    context
        .dragonflies
        .iter()
        .filter(|held| held.value.meta.namespace == object.namespace)
        .find_map(|held| {
            let id = crate::domain::InstanceId::new(
                context.id.clone(),
                &*held.value.meta.namespace,
                &*held.value.meta.name,
            );
            let view = InstanceView::of(context, &id)?;
            let mut all = places(&view).into_iter();
            let found = all.find(|place| place.claim.as_deref() == Some(&*object.name))?;
            Some((view, found))
        })
}

/// What will say another size from then on, and how it comes to say the same.
fn drift(scene: &Scene<'_>, object: &ObjectId) -> Option<Gate> {
    const ID: &str = "template";
    let (size, asked) = wanted(scene).ok()?;
    let Some((view, place)) = place(scene, object) else {
        return Some(Gate::warn(ID, "no instance that is known uses this claim"));
    };
    let id = &view.id;
    if place.is_shared || !(place.is_wanted || place.is_template) {
        return Some(Gate::pass(
            ID,
            format!("{id} mounts it and has no template for it"),
        ));
    }
    if place.wanted == Some(size) && place.template == Some(size) {
        return Some(Gate::pass(
            ID,
            format!("{id} and its StatefulSet's template say {asked} already"),
        ));
    }
    let says = |bytes: Option<u64>| bytes.map_or("no size".to_owned(), text::bytes);
    let owner = gates::git_owner(&view.dragonfly.value.meta).map_or(String::new(), |owner| {
        format!(" in Git ({owner} applies it)")
    });
    Some(Gate::warn(
        ID,
        format!(
            "the Dragonfly object says {}, the template of its StatefulSet {}, which cannot be changed: a new pod would get a claim of that. So that they agree: grow the claim of every pod; write {asked} into the Dragonfly object{owner}; then kubectl -n {} delete statefulset {} --cascade=orphan, and the operator makes it anew around the pods that run",
            says(place.wanted),
            says(place.template),
            id.namespace,
            id.name
        ),
    ))
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let (object, value) = claim(scene)?;
    let (size, asked) = wanted(scene)?;
    let (requests, capacity) = sizes(value);
    let uid = value.pointer("/metadata/uid").and_then(Value::as_str);
    let show = |bytes: Option<u64>| bytes.map_or("not told".to_owned(), text::bytes);
    let goal = Goal::Shows(object.clone(), Shows::Grown(size));
    let steps = vec![
        Step::new(
            format!("have {object} ask for {asked}"),
            Does::Patch {
                object: object.clone(),
                part: "",
                uid: uid.map(std::sync::Arc::from),
                patch: json!({"spec": {"resources": {"requests": {"storage": asked}}}}),
            },
        )
        .leaves("the claim growing by itself, to its end"),
    ];
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: format!("grow claim {} in {} to {asked}", object.name, object.namespace),
        risk: ACTION.risk,
        before: vec![format!(
            "claim {}: asks for {}, its volume has {}, uid {}",
            object.name,
            show(requests),
            show(capacity),
            uid.unwrap_or("not told")
        )],
        steps,
        at_the_end: Vec::new(),
        goals: vec![goal],
        patience: Duration::from_secs(300),
        losses: "nothing".to_owned(),
        takes: "seconds to minutes, by its provisioner. Where the file system can only grow when it is mounted, the claim says FileSystemResizePending until the pod starts anew".to_owned(),
        back: "there is no way back: a claim cannot be made smaller".to_owned(),
        owner: super::flux::owner_of(value),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::actions::Objects;
    use crate::actions::fixture::{ask_with, gate_in, held_with, read};
    use crate::domain::fixture::{healthy, infra};

    fn id() -> ObjectId {
        ObjectId::new(&infra(), Resource::PVC, "shop", "df-orders-0")
    }

    fn with(asked: &str, has: &str, class: Option<Value>) -> Objects {
        let claim = json!({
            "metadata": {"name": "df-orders-0", "namespace": "shop", "uid": "u1"},
            "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": asked}}},
            "status": {"phase": "Bound", "capacity": {"storage": has}},
        });
        let mut objects = read(&id(), claim);
        let fast = ObjectId::new(&infra(), Resource::STORAGE_CLASS, "", "fast");
        objects.insert(fast, class);
        objects
    }

    #[test]
    fn it_grows_only_where_it_may_and_never_shrinks() {
        let may = || Some(json!({"allowVolumeExpansion": true}));
        let f = healthy().build();
        for (name, objects, size, gate, wanted) in [
            (
                "larger",
                with("10Gi", "10Gi", may()),
                "20Gi",
                "larger",
                "pass: it asks for 10 GiB, its volume has 10 GiB",
            ),
            (
                "the same",
                with("10Gi", "10Gi", may()),
                "10Gi",
                "larger",
                "blocked: it asks for 10 GiB, its volume has 10 GiB: 10 GiB is no more, and a claim cannot be made smaller",
            ),
            (
                "asked for already",
                with("20Gi", "10Gi", may()),
                "15Gi",
                "larger",
                "blocked: it asks for 20 GiB, its volume has 10 GiB: 15 GiB is no more, and a claim cannot be made smaller",
            ),
            (
                "no size",
                with("10Gi", "10Gi", may()),
                "lots",
                "larger",
                "blocked: lots is no size: 20Gi is",
            ),
            (
                "allowed",
                with("10Gi", "10Gi", may()),
                "20Gi",
                "expands",
                "pass: StorageClass fast allows expansion",
            ),
            (
                "not allowed",
                with("10Gi", "10Gi", Some(json!({}))),
                "20Gi",
                "expands",
                "blocked: StorageClass fast does not allow expansion (allowVolumeExpansion)",
            ),
            (
                "no class",
                with("10Gi", "10Gi", None),
                "20Gi",
                "expands",
                "blocked: there is no StorageClass fast (any more)",
            ),
            (
                "no claim",
                Objects::from([(id(), None)]),
                "20Gi",
                "there",
                "blocked: there is no claim df-orders-0 in shop",
            ),
        ] {
            let args = [("size", size)];
            let got = ask_with(&Target::Object(id()), &f, &objects, &args, |scene| {
                gate_in(&ACTION, scene, gate)
            });
            assert_eq!(got, wanted, "{name}");
        }
    }

    #[test]
    fn what_it_waits_for_is_told() {
        let f = healthy().build();
        let goal = Goal::Shows(id(), Shows::Grown(20 << 30));
        let with = |has: &str, condition: Value| {
            read(
                &id(),
                json!({"status": {"capacity": {"storage": has}, "conditions": condition}}),
            )
        };
        for (objects, wanted) in [
            (
                with("20Gi", json!([])),
                "holds: status.capacity of PersistentVolumeClaim df-orders-0 is 20 GiB",
            ),
            (
                with("10Gi", json!([])),
                "not yet: status.capacity of PersistentVolumeClaim df-orders-0 is 10 GiB",
            ),
            (
                with(
                    "10Gi",
                    json!([{"type": "FileSystemResizePending", "status": "True"}]),
                ),
                "not yet: status.capacity of PersistentVolumeClaim df-orders-0 is 10 GiB: the volume has grown, and its file system grows when the pod starts anew (FileSystemResizePending)",
            ),
            (
                with(
                    "10Gi",
                    json!([{"type": "ControllerResizeError", "status": "True", "message": "quota"}]),
                ),
                "not yet: status.capacity of PersistentVolumeClaim df-orders-0 is 10 GiB: ControllerResizeError, quota",
            ),
        ] {
            assert_eq!(held_with(&goal, &f, &objects), wanted);
        }
    }
}
