//! The operator out of the way for the length of a run, and given back at its end, however it ends. What is paused carries a
//! mark, in the same patch that pauses it: by which run, for what, and how it was; whoever finds it can give it back.

use std::time::Duration;

use serde_json::{Value, json};

use super::gates;
use super::{Does, Goal, Look, ObjectId, Resource, Scene, Step, anew};
use crate::checks::{Case, flux};
use crate::domain::Foreign;

/// The annotation that tells which run paused an object.
pub const PAUSED_BY: &str = "darner.dev/paused-by";
/// The annotation that tells what it was paused for: `NAMESPACE/NAME` of an instance.
pub const PAUSED_FOR: &str = "darner.dev/paused-for";
/// The annotation that tells how many pods a Deployment was to have before.
pub const REPLICAS: &str = "darner.dev/replicas";

/// What must be read to pause the operator.
pub(super) fn reads(case: &Case<'_>) -> Vec<Look> {
    let operator = gates::operator(case);
    operator
        .into_iter()
        .chain(release(case))
        .map(Look::Object)
        .collect()
}

/// The HelmRelease that delivers the operator.
pub(super) fn release(case: &Case<'_>) -> Option<ObjectId> {
    let operator = case.context.operators.iter().next()?;
    let owner = flux::owners(&operator.value.meta)
        .into_iter()
        .find(|owner| owner.what == Foreign::HelmRelease)?;
    let resource = Resource::of_flux(owner.what)?;
    Some(ObjectId::new(
        &case.context.id,
        resource,
        &owner.namespace,
        &owner.name,
    ))
}

/// By which run of ours an object is paused, as it was read.
pub(super) fn mark(value: &Value) -> Option<&str> {
    annotation(value, PAUSED_BY)
}

/// An annotation of an object as it was read.
pub(super) fn annotation<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    let annotations = value.pointer("/metadata/annotations")?;
    annotations.get(name)?.as_str()
}

/// How many pods a paused Deployment is to have again.
pub(super) fn replicas_before(value: &Value) -> Option<i64> {
    let pods: i64 = annotation(value, REPLICAS)?.parse().ok()?;
    (pods > 0).then_some(pods)
}

fn number(value: &Value, path: &str) -> Option<i64> {
    value.pointer(path).and_then(Value::as_i64)
}

fn is_suspended(value: &Value) -> bool {
    value.pointer("/spec/suspend") == Some(&Value::Bool(true))
}

fn patched(object: &ObjectId, patch: Value) -> Does {
    Does::Patch {
        object: object.clone(),
        part: "",
        uid: None,
        patch,
    }
}

/// Gives a Deployment its pods back, and takes the mark away.
pub(super) fn scale_back(object: &ObjectId, replicas: i64) -> Step {
    let none = Value::Null;
    Step::new(
        format!("scale {object} back to {replicas}"),
        patched(
            object,
            json!({
                "metadata": {"annotations": {PAUSED_BY: none, PAUSED_FOR: none, REPLICAS: none}},
                "spec": {"replicas": replicas},
            }),
        ),
    )
}

/// Lets Flux deliver a release again, and takes the mark away.
pub(super) fn resume(object: &ObjectId) -> Step {
    let none = Value::Null;
    Step::new(
        format!("resume {object}"),
        patched(
            object,
            json!({
                "metadata": {"annotations": {PAUSED_BY: none, PAUSED_FOR: none}},
                "spec": {"suspend": false},
            }),
        ),
    )
}

/// The steps that pause the operator, and those that give it back at the end: the release first and last, where it would put the
/// operator back. What a run before left paused is given back too.
///
/// # Errors
/// When the operator's Deployment is not known, as a clause.
pub(super) fn pause(
    scene: &Scene<'_>,
    case: &Case<'_>,
    steps: &mut Vec<Step>,
    at_the_end: &mut Vec<(usize, Step)>,
) -> Result<(), String> {
    let operator = gates::operator(case).ok_or("the operator's Deployment is not known")?;
    let deployment = scene
        .reading
        .object(&operator)
        .flatten()
        .ok_or("the operator's Deployment could not be read")?;
    let paused_for = format!("{}/{}", scene.target.namespace(), scene.target.name());
    let replicas = number(deployment, "/spec/replicas").unwrap_or(1);
    let release = release(case).and_then(|release| {
        let value = scene.reading.object(&release).flatten()?;
        Some((release, value))
    });
    if let Some((release, value)) = release {
        let mode = value
            .pointer("/spec/driftDetection/mode")
            .and_then(Value::as_str);
        let suspends = mode == Some("enabled") && !is_suspended(value) && replicas > 0;
        if suspends || (is_suspended(value) && mark(value).is_some()) {
            at_the_end.push((steps.len(), resume(&release)));
        }
        if suspends {
            steps.push(
                Step::new(
                    format!("suspend {release}, which would put the operator back"),
                    patched(
                        &release,
                        json!({
                            "metadata": {"annotations": {PAUSED_BY: anew::RUN, PAUSED_FOR: paused_for}},
                            "spec": {"suspend": true},
                        }),
                    ),
                )
                .leaves("the operator's HelmRelease suspended: darner give-back operator resumes it"),
            );
        }
    }
    if replicas == 0 {
        // A run before has left it so.
        if let Some(before) = replicas_before(deployment) {
            at_the_end.insert(0, (steps.len(), scale_back(&operator, before)));
        }
        return Ok(());
    }
    // Given back first what was taken last.
    at_the_end.insert(0, (steps.len(), scale_back(&operator, replicas)));
    steps.push(
        Step::new(
            format!("scale {operator} to nothing"),
            patched(
                &operator,
                json!({
                    "metadata": {"annotations": {
                        PAUSED_BY: anew::RUN, PAUSED_FOR: paused_for, REPLICAS: replicas.to_string(),
                    }},
                    "spec": {"replicas": 0},
                }),
            ),
        )
        .leaves("no operator, so that nothing fails over: darner give-back operator gives it back"),
    );
    steps.push(
        Step::new(
            format!("wait until no pod of {operator} runs"),
            Does::Await(vec![Goal::Scaled(operator.clone(), 0)]),
        )
        .within(Duration::from_secs(60)),
    );
    Ok(())
}
