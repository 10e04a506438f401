//! A rollout restart of any Deployment or StatefulSet, as `kubectl rollout restart` does it; but of an instance's own
//! StatefulSet, where it would restart nothing.

use std::time::Duration;

use serde_json::Value;

use super::restart_operator::{anew_step, deployment as workload, runs};
use super::{
    About, Action, Does, Gate, Goal, Look, ObjectId, Plan, Resource, Risk, Scene, Step, Target,
    no_choice, nothing_more,
};

/// The action.
pub const ACTION: Action = Action {
    id: "restart-workload",
    verb: "restart",
    title: "Restart a workload",
    doc: "makes every pod of a Deployment or StatefulSet anew, as its own strategy rolls them",
    about: About::Workload,
    risk: Risk::Reversible,
    args: &[],
    reads,
    available,
    candidates: no_choice,
    preflight,
    plan,
};

/// How long its pods are given to be made anew.
const MADE: Duration = Duration::from_secs(900);

fn reads(scene: &Scene<'_>) -> Vec<Look> {
    nothing_more(scene)
}

fn available(scene: &Scene<'_>) -> Result<(), String> {
    match workload(scene) {
        Ok((object, value)) => {
            is_anybodys(scene, object, value)?;
            runs(object, value).map(drop)
        }
        Err(_) if matches!(scene.target, Target::Object(_)) => Ok(()),
        Err(why) => Err(why),
    }
}

/// It is no instance's own, and its strategy rolls it.
fn is_anybodys(scene: &Scene<'_>, object: &ObjectId, value: &Value) -> Result<String, String> {
    if object.resource != Resource::STATEFUL_SET {
        return Ok(format!("{object} is a Deployment"));
    }
    let owners = value
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    let owner = owners
        .into_iter()
        .flatten()
        .find(|owner| owner.get("kind").and_then(Value::as_str) == Some("Dragonfly"));
    let (namespace, name) = (&object.namespace, &object.name);
    let known = scene
        .context()
        .and_then(|context| context.dragonflies.get(namespace, name));
    let owner = match (owner.and_then(|owner| owner.get("name")?.as_str()), known) {
        (Some(owner), _) => Some(owner.to_owned()),
        (None, Some(held)) => Some(held.value.meta.name.to_string()),
        (None, None) => None,
    };
    if let Some(owner) = owner {
        return Err(format!(
            "{object} is the instance {namespace}/{owner}'s own: its strategy OnDelete restarts nothing, and the operator writes its own \
             template again; darner restart {namespace}/{owner} restarts the instance"
        ));
    }
    let strategy = value
        .pointer("/spec/updateStrategy/type")
        .and_then(Value::as_str);
    match strategy {
        Some("OnDelete") => Err(format!(
            "{object} has the strategy OnDelete: a new template restarts nothing until its pods are deleted"
        )),
        _ => Ok(format!("{object} rolls its pods by itself")),
    }
}

/// What is there before: images and pods.
pub(super) fn before(object: &ObjectId, value: &Value) -> Vec<String> {
    let number = |path: &str| value.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    let containers = value
        .pointer("/spec/template/spec/containers")
        .and_then(Value::as_array);
    let images = containers.into_iter().flatten().filter_map(|container| {
        let text = |key: &str| container.get(key).and_then(Value::as_str);
        Some(format!("{} {}", text("name")?, text("image")?))
    });
    let images: Vec<String> = images.collect();
    vec![format!(
        "{object}: {} pods wanted, images {}, uid {}",
        number("/spec/replicas"),
        images.join(", "),
        value
            .pointer("/metadata/uid")
            .and_then(Value::as_str)
            .unwrap_or_default()
    )]
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Ok((object, value)) = workload(scene) else {
        return Vec::new();
    };
    let mut gates = vec![
        Gate::of("rolls", is_anybodys(scene, object, value)),
        Gate::of(
            "runs",
            runs(object, value).map(|pods| format!("{object} is to have {pods} pods")),
        ),
    ];
    let whole = Goal::RolledOut(object.clone()).judge(&scene.reading);
    gates.push(match whole.holds() {
        true => Gate::pass("whole", whole.words()),
        false => Gate::ask("whole", format!("it is not whole now: {}", whole.words())),
    });
    gates
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let (object, value) = workload(scene)?;
    is_anybodys(scene, object, value)?;
    runs(object, value)?;
    let goals = vec![Goal::RolledOut(object.clone())];
    let wait = Step::new(
        format!("wait until {object} is rolled out"),
        Does::Await(goals.clone()),
    )
    .within(MADE);
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: format!("restart {object} of {}", object.namespace),
        risk: Risk::Reversible,
        before: before(object, value),
        steps: vec![anew_step(object, value), wait],
        at_the_end: Vec::new(),
        goals,
        patience: Duration::from_secs(30),
        losses: "what its pods keep in memory alone".to_owned(),
        takes: "as long as its own strategy takes; what serves meanwhile depends on it".to_owned(),
        back: "kubectl rollout undo, if the template was changed since its pods were made"
            .to_owned(),
        owner: None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::actions::equals::equals;
    use crate::actions::{Args, Objects, Reading, Rules};
    use crate::checks::Limits;
    use crate::domain::fixture::*;

    #[test]
    fn any_workload_is_restarted_but_an_instances_own() {
        let f = healthy().build();
        let of = |resource, name: &str| ObjectId::new(&infra(), resource, "shop", name);
        let own = json!([{"kind": "Dragonfly", "name": "orders"}]);
        for (name, object, value, wanted) in [
            (
                "a deployment",
                of(Resource::DEPLOYMENT, "web"),
                json!({"metadata": {"uid": "u"}, "spec": {"replicas": 2}}),
                Ok("kubectl --context infra -n shop rollout restart deployment/web"),
            ),
            (
                "a set that rolls",
                of(Resource::STATEFUL_SET, "db"),
                json!({"metadata": {"uid": "u"}, "spec": {"updateStrategy": {"type": "RollingUpdate"}}}),
                Ok("kubectl --context infra -n shop rollout restart statefulset/db"),
            ),
            (
                "a set on delete",
                of(Resource::STATEFUL_SET, "db"),
                json!({"metadata": {"uid": "u"}, "spec": {"updateStrategy": {"type": "OnDelete"}}}),
                Err(
                    "StatefulSet db has the strategy OnDelete: a new template restarts nothing until its pods are deleted",
                ),
            ),
            (
                "an instance's own",
                of(Resource::STATEFUL_SET, "orders"),
                json!({"metadata": {"uid": "u", "ownerReferences": own}}),
                Err(
                    "StatefulSet orders is the instance shop/orders's own: its strategy OnDelete restarts nothing, and the operator writes its own \
                     template again; darner restart shop/orders restarts the instance",
                ),
            ),
            (
                "nothing runs",
                of(Resource::DEPLOYMENT, "web"),
                json!({"metadata": {"uid": "u"}, "spec": {"replicas": 0}}),
                Err(
                    "Deployment web is scaled to nothing: if a run of ours left it so, darner give-back operator gives it back",
                ),
            ),
        ] {
            let target = Target::Object(object.clone());
            let objects: Objects = [(object, Some(value))].into_iter().collect();
            let reading = Reading {
                world: &f.world,
                objects: &objects,
                now: now(),
            };
            let (limits, rules, args, accepted) = (
                Limits::default(),
                Rules::default(),
                Args::default(),
                BTreeSet::new(),
            );
            let scene = Scene::new(reading, &limits, &rules, &target, &args, &accepted);
            let planned = (ACTION.plan)(&scene);
            assert_eq!((ACTION.available)(&scene).is_ok(), wanted.is_ok(), "{name}");
            match wanted {
                Ok(line) => {
                    let plan = planned.unwrap();
                    assert_eq!(equals(&plan.steps[0]), line, "{name}");
                    assert_eq!(plan, (ACTION.plan)(&scene).unwrap(), "{name}");
                }
                Err(why) => assert_eq!(planned.unwrap_err(), why, "{name}"),
            }
        }
    }
}
