//! Objects of Flux: asked to reconcile, suspended with who and why written down, and resumed.
//!
//! Of Flux 2.0 to 2.7: `reconcile.fluxcd.io/requestedAt` is any new value, and handled when `status.lastHandledReconcileAt` equals
//! it; on a HelmRelease `reconcile.fluxcd.io/forceAt` with the same value has it install or upgrade once more.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::goal::Test;
use super::plan::MOMENT;
use super::proof::{REQUESTED, Shows, annotation, condition};
use super::{
    About, Action, ArgDoc, Does, Gate, Goal, Look, ObjectId, Plan, Resource, Risk, Scene, Step,
    Target,
};
use crate::checks::flux::{self, Ref};
use crate::domain::object::Meta;
use crate::domain::{Foreign, text};

/// Who suspended it with us.
pub const BY: &str = "darner.dev/suspended-by";
/// Why.
pub const REASON: &str = "darner.dev/suspended-reason";
/// When.
pub const AT: &str = "darner.dev/suspended-at";
/// Has a HelmRelease install or upgrade once more.
const FORCED: &str = "reconcile.fluxcd.io/forceAt";

/// Asks to reconcile.
pub const RECONCILE: Action = Action {
    id: "flux-reconcile",
    verb: "flux reconcile",
    title: "Reconcile",
    doc: "asks Flux to bring what an object delivers in line with Git now, rather than at its next interval",
    about: About::Flux,
    risk: Risk::Reversible,
    args: &[
        ArgDoc {
            name: "with-source",
            value: "",
            doc: "fetch what it is made of first",
            default: None,
            required: false,
        },
        ArgDoc {
            name: "force",
            value: "",
            doc: "of a HelmRelease: install or upgrade once more though nothing changed",
            default: None,
            required: false,
        },
    ],
    reads: sources,
    available,
    candidates: super::no_choice,
    preflight: may_reconcile,
    plan: reconcile,
};

/// Suspends, with who and why.
pub const SUSPEND: Action = Action {
    id: "flux-suspend",
    verb: "flux suspend",
    title: "Suspend",
    doc: "has Flux leave what an object delivers as it is; who wants it and why is written on the object, and reminded of at each start",
    args: &[
        ArgDoc {
            name: "for",
            value: "WHO",
            doc: "who owns it: a person or a team that can be asked",
            default: None,
            required: true,
        },
        ArgDoc {
            name: "why",
            value: "WORDS",
            doc: "what for, and until what has happened",
            default: None,
            required: true,
        },
    ],
    reads: super::nothing_more,
    preflight: may_suspend,
    plan: suspend,
    ..RECONCILE
};

/// Resumes.
pub const RESUME: Action = Action {
    id: "flux-resume",
    verb: "flux resume",
    title: "Resume",
    doc: "has Flux go on with an object that was suspended, and reconcile it at once",
    args: &[],
    reads: super::nothing_more,
    preflight: may_resume,
    plan: resume,
    ..RECONCILE
};

/// How long a reconciliation may take: Helm's own patience with a release is five minutes.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a source may take to be fetched.
const FETCHED: Duration = Duration::from_secs(120);

fn available(scene: &Scene<'_>) -> Result<(), String> {
    scene.context().ok_or("the context is not open")?;
    let Target::Object(object) = scene.target else {
        return Err("it is about an object of Flux".to_owned());
    };
    match object.resource.flux() {
        Some(_) => Ok(()),
        None => Err(format!("{object} is no object of Flux")),
    }
}

/// The object in the version that is served, as it was read.
fn target<'a>(scene: &Scene<'a>) -> Result<(ObjectId, &'a Value), String> {
    available(scene)?;
    let Target::Object(object) = scene.target else {
        return Err("it is about an object of Flux".to_owned());
    };
    found(scene, object)
}

fn found<'a>(scene: &Scene<'a>, object: &ObjectId) -> Result<(ObjectId, &'a Value), String> {
    match scene.reading.object(object) {
        Some(Some(value)) => Ok((object.as_read(value), value)),
        Some(None) => Err(format!("there is no {object} in {}", object.namespace)),
        None => Err(format!("{object} could not be read")),
    }
}

/// Who applies an object from Git, by the labels that Flux writes on what it applies.
pub(super) fn owner_of(value: &Value) -> Option<String> {
    let labels = value.pointer("/metadata/labels").and_then(Value::as_object);
    let labels = labels.into_iter().flatten();
    let meta = Meta {
        labels: labels
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
        ..Meta::default()
    };
    super::gates::git_owner(&meta)
}

fn is_suspended(value: &Value) -> bool {
    value.pointer("/spec/suspend") == Some(&Value::Bool(true))
}

/// A HelmRepository of OCI charts: it is an address only, no controller reconciles it (Flux 2.3 and later).
fn is_address(value: &Value) -> bool {
    value.pointer("/spec/type").and_then(Value::as_str) == Some("oci")
}

/// `suspended for jane: the disk is being moved`.
fn suspended_words(value: &Value) -> String {
    let note = |key: &str| annotation(value, key).map(text::one_line);
    match (note(BY), note(REASON)) {
        (None, _) => "suspended, and nobody wrote with darner by whom and why".to_owned(),
        (Some(by), reason) => {
            let at = note(AT).map_or(String::new(), |at| format!(" at {at}"));
            format!(
                "suspended for {by}{at}: {}",
                reason.as_deref().unwrap_or("no reason is written there")
            )
        }
    }
}

fn there<'a>(scene: &Scene<'a>) -> Result<(ObjectId, &'a Value), Box<Gate>> {
    target(scene).map_err(|why| Box::new(Gate::block("there", why)))
}

/// What the object takes what it applies from, in the preferred version.
fn named_sources(scene: &Scene<'_>) -> Vec<ObjectId> {
    let Ok((object, value)) = target(scene) else {
        return Vec::new();
    };
    let Some(what) = object
        .resource
        .flux()
        .filter(|_| scene.args.is_on("with-source"))
    else {
        return Vec::new();
    };
    let who = Ref {
        what,
        namespace: object.namespace.to_string(),
        name: object.name.to_string(),
    };
    let Some(known) = crate::wire::foreign(what, value) else {
        return Vec::new();
    };
    let sources = flux::sources(&who, &known)
        .into_iter()
        .filter_map(|source| {
            let resource = Resource::of_flux(source.what)?;
            Some(ObjectId::new(
                &object.context,
                resource,
                &source.namespace,
                &source.name,
            ))
        });
    sources.collect()
}

fn sources(scene: &Scene<'_>) -> Vec<Look> {
    named_sources(scene).into_iter().map(Look::Object).collect()
}

fn may_reconcile(scene: &Scene<'_>) -> Vec<Gate> {
    let (object, value) = match there(scene) {
        Ok(found) => found,
        Err(gate) => return vec![*gate],
    };
    let mut gates = vec![going(&object, value)];
    if scene.args.is_on("with-source") {
        let sources = named_sources(scene);
        if sources.is_empty() {
            gates.push(Gate::block(
                "source",
                format!("{object} names no source of its own"),
            ));
        }
        for source in sources {
            gates.push(match found(scene, &source) {
                Ok((_, value)) if is_address(value) => Gate::pass(
                    "source",
                    format!("{source} is an address and nothing more (type oci): charts are fetched from it with the release"),
                ),
                Ok((_, value)) if is_suspended(value) => Gate::block(
                    "source",
                    format!("{source} is {}: resume it first", suspended_words(value)),
                ),
                Ok(_) => Gate::pass("source", format!("{source} is not suspended")),
                Err(why) => Gate::block("source", why),
            });
        }
    }
    if scene.args.is_on("force") && object.resource.flux() != Some(Foreign::HelmRelease) {
        gates.push(Gate::block(
            "force",
            format!("{object} is no HelmRelease: there is nothing to force"),
        ));
    }
    gates.push(match condition(value, "Ready") {
        Some(("True", said)) => Gate::pass("ready", format!("{object} is ready: {said}")),
        Some((_, said)) => Gate::warn("ready", format!("{object} is not ready: {said}")),
        None => Gate::warn("ready", format!("{object} tells nothing of being ready")),
    });
    gates
}

/// It is not suspended: then a request would wait, and whoever suspended it has a reason.
fn going(object: &ObjectId, value: &Value) -> Gate {
    const ID: &str = "not-suspended";
    match is_suspended(value) {
        false => Gate::pass(ID, format!("{object} is not suspended")),
        true => Gate::block(
            ID,
            format!(
                "{object} is {}: darner flux resume {}/{} -n {} has it go on",
                suspended_words(value),
                object.resource.singular(),
                object.name,
                object.namespace
            ),
        ),
    }
}

/// What holds of an object beside what it carries: an object that is applied from Git may be put back by that.
fn git(object: &ObjectId, value: &Value) -> Gate {
    const ID: &str = "git";
    match owner_of(value) {
        None => Gate::pass(ID, format!("nothing from Git applies {object} itself")),
        Some(owner) => Gate::warn(
            ID,
            format!(
                "{owner} applies {object}: where Git says spec.suspend itself, that comes back at its next interval"
            ),
        ),
    }
}

fn may_suspend(scene: &Scene<'_>) -> Vec<Gate> {
    let (object, value) = match there(scene) {
        Ok(found) => found,
        Err(gate) => return vec![*gate],
    };
    let going = match is_suspended(value) {
        false => Gate::pass("not-suspended", format!("{object} is not suspended")),
        true => Gate::block(
            "not-suspended",
            format!("{object} is {} already", suspended_words(value)),
        ),
    };
    let mut gates = vec![going, git(&object, value)];
    for (id, arg) in [("owner", "for"), ("why", "why")] {
        let given = scene.args.get(arg).map(str::trim).unwrap_or_default();
        gates.push(match given {
            "" => Gate::block(
                id,
                format!("--{arg} is not given, and whoever finds it suspended will ask"),
            ),
            given => Gate::pass(id, text::one_line(given)),
        });
    }
    gates
}

fn may_resume(scene: &Scene<'_>) -> Vec<Gate> {
    let (object, value) = match there(scene) {
        Ok(found) => found,
        Err(gate) => return vec![*gate],
    };
    let suspended = match is_suspended(value) {
        true => Gate::pass(
            "suspended",
            format!("{object} is {}", suspended_words(value)),
        ),
        false => Gate::block("suspended", format!("{object} is not suspended")),
    };
    let mut gates = vec![suspended, git(&object, value)];
    if is_suspended(value) && annotation(value, BY).is_none() {
        gates.push(Gate::ask(
            "reason",
            "nobody wrote down with darner why it is suspended: ask before it goes on",
        ));
    }
    gates
}

/// Asks an object to be reconciled.
fn request(object: &ObjectId, value: &Value, force: bool) -> Does {
    let mut notes = json!({REQUESTED: MOMENT});
    if force && let Some(notes) = notes.as_object_mut() {
        notes.insert(FORCED.to_owned(), json!(MOMENT));
    }
    patch(object, value, json!({"metadata": {"annotations": notes}}))
}

fn patch(object: &ObjectId, value: &Value, patch: Value) -> Does {
    Does::Patch {
        object: object.clone(),
        part: "",
        uid: value
            .pointer("/metadata/uid")
            .and_then(Value::as_str)
            .map(Arc::from),
        patch,
    }
}

fn reconciled(object: &ObjectId, value: &Value) -> Goal {
    let before = annotation(value, REQUESTED).map(str::to_owned);
    Goal::Shows(object.clone(), Shows::Reconciled(before))
}

fn before(object: &ObjectId, value: &Value) -> String {
    let state = match is_suspended(value) {
        true => suspended_words(value),
        false => "not suspended".to_owned(),
    };
    let uid = value
        .pointer("/metadata/uid")
        .and_then(Value::as_str)
        .unwrap_or("not told");
    format!("{object} in {}: {state}, uid {uid}", object.namespace)
}

fn reconcile(scene: &Scene<'_>) -> Result<Plan, String> {
    let (object, value) = target(scene)?;
    let mut steps = Vec::new();
    let mut lines = Vec::new();
    for source in named_sources(scene) {
        let (source, told) = found(scene, &source)?;
        if is_address(told) {
            continue;
        }
        lines.push(before(&source, told));
        steps.push(Step::new(
            format!("ask {source} to be fetched"),
            request(&source, told, false),
        ));
        steps.push(
            Step::new(
                format!("wait until {source} is fetched"),
                Does::Await(vec![reconciled(&source, told)]),
            )
            .within(FETCHED),
        );
    }
    lines.push(before(&object, value));
    let force = scene.args.is_on("force");
    let words = match force {
        true => format!("ask {object} to be reconciled, and installed or upgraded once more"),
        false => format!("ask {object} to be reconciled"),
    };
    steps.push(
        Step::new(words, request(&object, value, force))
            .leaves("the request, which Flux takes up by itself"),
    );
    Ok(Plan {
        sentence: format!("reconcile {object} in {}", object.namespace),
        before: lines,
        steps,
        goals: vec![reconciled(&object, value)],
        patience: PATIENCE,
        losses: match force {
            true => "nothing that Git says; what was changed by hand in the release is put back",
            false => "nothing that Git says; a Kustomization puts back what was changed by hand",
        }
        .to_owned(),
        takes: "seconds, and for a release that changes as long as its pods take".to_owned(),
        back: "suspend it, or change Git".to_owned(),
        ..bare(scene, &RECONCILE, value)
    })
}

fn suspend(scene: &Scene<'_>) -> Result<Plan, String> {
    let (object, value) = target(scene)?;
    let arg = |name: &str| scene.args.get(name).map(text::one_line).unwrap_or_default();
    let (who, why) = (arg("for"), arg("why"));
    let change = json!({
        "metadata": {"annotations": {BY: who, REASON: why, AT: MOMENT}},
        "spec": {"suspend": true},
    });
    let noted = |key: &str, wanted: &str| {
        let path = ["metadata", "annotations", key].map(str::to_owned).to_vec();
        Goal::Field(object.clone(), path, Test::Is(json!(wanted)))
    };
    Ok(Plan {
        sentence: format!("suspend {object} in {} for {who}", object.namespace),
        before: vec![before(&object, value)],
        steps: vec![
            Step::new(
                format!("suspend {object} for {who}: {why}"),
                patch(&object, value, change),
            )
            .leaves("it suspended"),
        ],
        goals: vec![
            Goal::Field(object.clone(), field(), Test::Is(json!(true))),
            noted(BY, &who),
            noted(REASON, &why),
        ],
        patience: Duration::from_secs(10),
        losses: "nothing; but what Git says from now on is not applied, and what is changed by hand is not put back".to_owned(),
        takes: "at once; clients do not notice".to_owned(),
        back: format!("flux resume {}/{} -n {}", object.resource.singular(), object.name, object.namespace),
        ..bare(scene, &SUSPEND, value)
    })
}

fn resume(scene: &Scene<'_>) -> Result<Plan, String> {
    let (object, value) = target(scene)?;
    let change = json!({
        "metadata": {"annotations": {BY: null, REASON: null, AT: null, REQUESTED: MOMENT}},
        "spec": {"suspend": false},
    });
    Ok(Plan {
        sentence: format!("resume {object} in {}", object.namespace),
        before: vec![before(&object, value)],
        steps: vec![
            Step::new(
                format!("have {object} go on, and reconcile at once"),
                patch(&object, value, change),
            )
            .leaves("it going on"),
        ],
        goals: vec![
            Goal::Field(object.clone(), field(), Test::Unset),
            reconciled(&object, value),
        ],
        patience: PATIENCE,
        losses: "what was changed by hand meanwhile, where Git says otherwise".to_owned(),
        takes: "seconds, and for a release that changes as long as its pods take".to_owned(),
        back: "suspend it again".to_owned(),
        ..bare(scene, &RESUME, value)
    })
}

fn field() -> Vec<String> {
    ["spec", "suspend"].map(str::to_owned).to_vec()
}

/// A plan with nothing in it yet.
fn bare(scene: &Scene<'_>, action: &Action, value: &Value) -> Plan {
    Plan {
        action: action.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: String::new(),
        risk: action.risk,
        before: Vec::new(),
        steps: Vec::new(),
        at_the_end: Vec::new(),
        goals: Vec::new(),
        patience: PATIENCE,
        losses: String::new(),
        takes: String::new(),
        back: String::new(),
        owner: owner_of(value),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::actions::equals::equals;
    use crate::actions::fixture::{ask_with, gate_in, held_with, read};
    use crate::domain::fixture::{healthy, infra};

    fn id(what: Foreign) -> ObjectId {
        ObjectId::new(
            &infra(),
            Resource::of_flux(what).unwrap(),
            "flux-system",
            "dragonfly",
        )
    }

    fn release(spec: Value, notes: Value) -> Value {
        json!({
            "apiVersion": "helm.toolkit.fluxcd.io/v2",
            "kind": "HelmRelease",
            "metadata": {"name": "dragonfly", "namespace": "flux-system", "uid": "u1", "generation": 2, "annotations": notes},
            "spec": spec,
            "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "UpgradeSucceeded"}], "observedGeneration": 2},
        })
    }

    fn gate(
        action: &Action,
        value: Value,
        args: &[(&'static str, &str)],
        id_of_gate: &str,
    ) -> String {
        let target = Target::Object(id(Foreign::HelmRelease));
        let objects = read(&id(Foreign::HelmRelease), value);
        ask_with(&target, &healthy().build(), &objects, args, |scene| {
            gate_in(action, scene, id_of_gate)
        })
    }

    #[test]
    fn what_is_suspended_is_not_reconciled_and_says_for_whom() {
        let suspended = || json!({"suspend": true});
        let notes = || json!({BY: "jane", REASON: "the disk is moved", AT: "2026-01-02T10:00:00Z"});
        for (action, spec, notes, args, gate_id, wanted) in [
            (
                &RECONCILE,
                json!({}),
                json!({}),
                &[][..],
                "not-suspended",
                "pass: HelmRelease dragonfly is not suspended",
            ),
            (
                &RECONCILE,
                suspended(),
                notes(),
                &[],
                "not-suspended",
                "blocked: HelmRelease dragonfly is suspended for jane at 2026-01-02T10:00:00Z: the disk is moved: darner flux resume helmrelease/dragonfly -n flux-system has it go on",
            ),
            (
                &RECONCILE,
                json!({}),
                json!({}),
                &[("with-source", "true")],
                "source",
                "blocked: HelmRelease dragonfly names no source of its own",
            ),
            (
                &SUSPEND,
                suspended(),
                json!({}),
                &[("for", "jane")],
                "not-suspended",
                "blocked: HelmRelease dragonfly is suspended, and nobody wrote with darner by whom and why already",
            ),
            (
                &SUSPEND,
                json!({}),
                json!({}),
                &[("for", "  ")],
                "owner",
                "blocked: --for is not given, and whoever finds it suspended will ask",
            ),
            (
                &RESUME,
                json!({}),
                json!({}),
                &[],
                "suspended",
                "blocked: HelmRelease dragonfly is not suspended",
            ),
            (
                &RESUME,
                suspended(),
                json!({}),
                &[],
                "reason",
                "to be accepted: nobody wrote down with darner why it is suspended: ask before it goes on",
            ),
            (&RESUME, suspended(), notes(), &[], "reason", "no such gate"),
        ] {
            assert_eq!(
                gate(action, release(spec, notes), args, gate_id),
                wanted,
                "{}",
                action.id
            );
        }
    }

    #[test]
    fn a_plan_is_the_same_whenever_it_is_made_and_speaks_the_version_that_is_served() {
        let mut old = release(
            json!({"chartRef": {"kind": "OCIRepository", "name": "charts"}}),
            json!({}),
        );
        old["apiVersion"] = json!("helm.toolkit.fluxcd.io/v2beta2");
        let mut objects = read(&id(Foreign::HelmRelease), old);
        let charts = ObjectId::new(
            &infra(),
            Resource::of_flux(Foreign::OciRepository).unwrap(),
            "flux-system",
            "charts",
        );
        objects.insert(charts, Some(json!({"apiVersion": "source.toolkit.fluxcd.io/v1beta2", "metadata": {"uid": "u2"}})));
        let target = Target::Object(id(Foreign::HelmRelease));
        let args = [("with-source", "true"), ("force", "true")];
        let make = || ask_with(&target, &healthy().build(), &objects, &args, reconcile).unwrap();
        let plan = make();
        assert_eq!(plan, make());
        let paths: Vec<String> = plan
            .steps
            .iter()
            .filter_map(|step| match &step.does {
                Does::Patch { object, .. } => Some(object.path()),
                _ => None,
            })
            .collect();
        assert_eq!(
            paths,
            [
                "/apis/source.toolkit.fluxcd.io/v1beta2/namespaces/flux-system/ocirepositories/charts",
                "/apis/helm.toolkit.fluxcd.io/v2beta2/namespaces/flux-system/helmreleases/dragonfly",
            ]
        );
        let last = equals(plan.steps.last().unwrap());
        assert_eq!(
            last,
            "kubectl --context infra -n flux-system annotate --overwrite helmrelease.helm.toolkit.fluxcd.io/dragonfly 'reconcile.fluxcd.io/forceAt='\"$(date -u +%FT%TZ)\"'' 'reconcile.fluxcd.io/requestedAt='\"$(date -u +%FT%TZ)\"''"
        );
    }

    #[test]
    fn a_request_is_done_when_it_was_taken_up_and_the_object_is_ready() {
        let f = healthy().build();
        let goal = Goal::Shows(
            id(Foreign::HelmRelease),
            Shows::Reconciled(Some("1".to_owned())),
        );
        let with = |asked: &str, handled: &str, ready: &str, seen: i64| {
            read(
                &id(Foreign::HelmRelease),
                json!({
                    "metadata": {"generation": 2, "annotations": {REQUESTED: asked}},
                    "status": {"lastHandledReconcileAt": handled, "observedGeneration": seen,
                        "conditions": [{"type": "Ready", "status": ready, "message": "said"}]},
                }),
            )
        };
        for (name, objects, wanted) in [
            (
                "the one of before",
                with("1", "1", "True", 2),
                "not yet: HelmRelease dragonfly carries no new request",
            ),
            (
                "not taken up",
                with("2", "1", "True", 2),
                "not yet: the controller of HelmRelease dragonfly has not taken the request up",
            ),
            (
                "its change not seen",
                with("2", "2", "True", 1),
                "not yet: the controller of HelmRelease dragonfly has not seen its last change",
            ),
            (
                "failed",
                with("2", "2", "False", 2),
                "not yet: HelmRelease dragonfly is not ready: said",
            ),
            (
                "done",
                with("2", "2", "True", 2),
                "holds: HelmRelease dragonfly is ready: said",
            ),
        ] {
            assert_eq!(held_with(&goal, &f, &objects), wanted, "{name}");
        }
    }
}
