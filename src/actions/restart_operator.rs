//! A restart of the operator: its Deployment makes its pods anew, and a new process takes the Lease. Instances go on meanwhile;
//! nobody fails over until a process leads again (its Lease lasts 15 s and is not given back: operator v1.1 to v1.6).

use std::time::Duration;

use serde_json::{Value, json};

use super::equals::RESTARTED;
use super::{
    About, Action, Does, Gate, Goal, Look, ObjectId, Plan, Resource, Risk, Scene, Step, Target,
    anew, no_choice,
};

/// The action.
pub const ACTION: Action = Action {
    id: "restart-operator",
    verb: "restart",
    title: "Restart the operator",
    doc: "makes the operator's pods anew and waits until a new one leads",
    about: About::Operator,
    risk: Risk::Reversible,
    args: &[],
    reads,
    available,
    candidates: no_choice,
    preflight,
    plan,
};

/// How long its pods are given to be made anew, and one of them to take the Lease.
pub(super) const MADE: Duration = Duration::from_secs(300);

/// The Deployment that it is about, as it was read.
pub(super) fn deployment<'a>(scene: &Scene<'a>) -> Result<(&'a ObjectId, &'a Value), String> {
    let Target::Object(object) = scene.target else {
        return Err("it is about the operator".to_owned());
    };
    match scene.reading.object(object) {
        Some(Some(value)) => Ok((object, value)),
        Some(None) => Err(format!("there is no {object} in {}", object.namespace)),
        None => Err(format!("{object} was not read")),
    }
}

/// The Lease of the leader, and who holds it.
pub(super) fn lease(scene: &Scene<'_>) -> Option<(ObjectId, String)> {
    let context = scene.context()?;
    let home = scene.target.namespace();
    let held = context
        .leases
        .iter()
        .filter(|held| held.value.meta.namespace == *home)
        .max_by_key(|held| held.value.renewed)?;
    let meta = &held.value.meta;
    let object = ObjectId::new(&context.id, Resource::LEASE, &meta.namespace, &meta.name);
    // As it was read just now, where it was.
    let read = scene.reading.object(&object).flatten();
    let holder = read.and_then(|value| value.pointer("/spec/holderIdentity")?.as_str());
    let holder = holder.or(held.value.holder.as_deref()).unwrap_or_default();
    Some((object, holder.to_owned()))
}

pub(super) fn reads(scene: &Scene<'_>) -> Vec<Look> {
    let lease = lease(scene).map(|(object, _)| Look::Object(object));
    lease.into_iter().collect()
}

fn available(scene: &Scene<'_>) -> Result<(), String> {
    match deployment(scene) {
        Ok((object, value)) => runs(object, value).map(drop),
        // It is read before it is planned.
        Err(_) if matches!(scene.target, Target::Object(_)) => Ok(()),
        Err(why) => Err(why),
    }
}

/// How many pods it is to have, if its controller acts on it.
pub(super) fn runs(object: &ObjectId, value: &Value) -> Result<i64, String> {
    let replicas = value
        .pointer("/spec/replicas")
        .and_then(Value::as_i64)
        .unwrap_or(1);
    if value.pointer("/spec/paused") == Some(&Value::Bool(true)) {
        return Err(format!(
            "{object} is paused (spec.paused): no change of it is rolled out"
        ));
    }
    match replicas {
        0 => Err(format!(
            "{object} is scaled to nothing: if a run of ours left it so, darner give-back operator gives it back"
        )),
        replicas => Ok(replicas),
    }
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Ok((object, value)) = deployment(scene) else {
        return Vec::new();
    };
    let mut gates = vec![Gate::of(
        "runs",
        runs(object, value).map(|pods| format!("{object} is to have {pods} pods")),
    )];
    gates.push(none_rolls(scene));
    gates.push(match lease(scene) {
        Some((lease, holder)) => Gate::pass("lease", format!("{holder} holds {lease}")),
        None => Gate::warn(
            "lease",
            "no Lease of it is known: who leads afterwards is not proven",
        ),
    });
    gates
}

/// No instance is in the middle of something that the operator does.
pub(super) fn none_rolls(scene: &Scene<'_>) -> Gate {
    const ID: &str = "no-rollout";
    let Some(context) = scene.context() else {
        return Gate::block(ID, "the context is not open");
    };
    let busy: Vec<String> = context
        .dragonflies
        .iter()
        .filter_map(|held| {
            let phase = held.value.phase.as_deref()?;
            let meta = &held.value.meta;
            let is_busy = ["RollingUpdate", "Configuring"].contains(&phase);
            is_busy.then(|| format!("{}/{} ({phase})", meta.namespace, meta.name))
        })
        .collect();
    match busy.as_slice() {
        [] => Gate::pass(
            ID,
            "the operator is in the middle of no rollout or election",
        ),
        some => Gate::ask(
            ID,
            format!(
                "the operator is in the middle of {}: a new one goes on with it",
                some.join(", ")
            ),
        ),
    }
}

/// Waits until it is rolled out and a new process leads; the same as goals.
pub(super) fn settles(scene: &Scene<'_>, object: &ObjectId) -> Vec<Goal> {
    let leads = lease(scene).map(|(lease, holder)| Goal::Leads(lease, holder));
    [Goal::RolledOut(object.clone())]
        .into_iter()
        .chain(leads)
        .collect()
}

/// What is there before: images, pods, who leads.
pub(super) fn before(scene: &Scene<'_>, object: &ObjectId, value: &Value) -> Vec<String> {
    let mut lines = super::restart_workload::before(object, value);
    lines.extend(lease(scene).map(|(lease, holder)| format!("{lease}: held by {holder}")));
    lines
}

/// The patch by which all pods of a workload are made anew.
pub(super) fn anew_step(object: &ObjectId, value: &Value) -> Step {
    let uid = value.pointer("/metadata/uid").and_then(Value::as_str);
    Step::new(
        format!("note in {object} that its pods are to be made anew"),
        Does::Patch {
            object: object.clone(),
            part: "",
            uid: uid.map(std::sync::Arc::from),
            patch: json!({"spec": {"template": {"metadata": {"annotations": {RESTARTED: anew::NOW}}}}}),
        },
    )
    .leaves(format!("{object} rolling out, as its controller does by itself"))
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let (object, value) = deployment(scene)?;
    runs(object, value)?;
    let goals = settles(scene, object);
    let wait = Step::new(
        format!("wait until {object} is rolled out and a new process leads"),
        Does::Await(goals.clone()),
    )
    .within(MADE);
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: format!("restart the operator {}/{}", object.namespace, object.name),
        risk: Risk::Reversible,
        before: before(scene, object, value),
        steps: vec![anew_step(object, value), wait],
        at_the_end: Vec::new(),
        goals,
        patience: Duration::from_secs(30),
        losses: "nothing: instances serve without it".to_owned(),
        takes: "until its pods are made anew, and up to 15 s more until one leads; meanwhile nothing fails over by itself".to_owned(),
        back: "nothing to go back to: the same pods but younger".to_owned(),
        owner: None,
    })
}
