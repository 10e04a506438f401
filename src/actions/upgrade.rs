//! An upgrade of an instance: another image in its Dragonfly object. The operator rolls the pods, replicas first; the run looks
//! on and tells which pod is where, whether a replica is in sync, and a takeover that does not end.

use std::time::Duration;

use serde_json::json;

use super::scene::one_master;
use super::{
    About, Action, ArgDoc, Does, Gate, Goal, Look, ObjectId, Plan, Risk, Scene, Step, gates, moves,
    no_choice, nothing_more,
};
use crate::checks::pairs::{Pair, Standing, standing};
use crate::checks::{Case, Instance};
use crate::domain::engine::Question;
use crate::domain::object::image_tag;
use crate::domain::{Version, text};

/// The action.
pub const ACTION: Action = Action {
    id: "upgrade",
    verb: "upgrade",
    title: "Upgrade the server",
    doc: "gives an instance another image, which the operator rolls out pod by pod, and looks on until every pod runs it",
    about: About::Instance,
    risk: Risk::Disruptive,
    args: &[ArgDoc {
        name: "image",
        value: "IMAGE",
        doc: "the image that every pod is to run, with its tag",
        default: None,
        required: true,
    }],
    reads,
    available,
    candidates: no_choice,
    preflight,
    plan,
};

/// How long the rollout is looked at.
const ROLLS: Duration = Duration::from_secs(3_600);

fn reads(scene: &Scene<'_>) -> Vec<Look> {
    nothing_more(scene)
}

fn available(scene: &Scene<'_>) -> Result<(), String> {
    let case = scene.case().ok_or("the context is not open")?;
    case.instance.as_ref().ok_or("no such instance is known")?;
    match case.context.operators.iter().next() {
        Some(_) => Ok(()),
        None => Err("no operator is known in this context: nobody would roll it out".to_owned()),
    }
}

/// The image that is asked for, in one word.
fn image<'a>(scene: &Scene<'a>) -> Result<&'a str, String> {
    let image = scene.args.get("image").unwrap_or_default();
    match image.is_empty() || image.contains(char::is_whitespace) {
        true => Err("no image is named: --image IMAGE".to_owned()),
        false => Ok(image),
    }
}

/// The version that an image's tag tells.
pub(super) fn version(image: &str) -> Option<Version> {
    Version::parse(image_tag(image)?)
}

/// The oldest version that an engine of it told.
fn runs(case: &Case<'_>, instance: &Instance<'_>) -> Option<Version> {
    let told = instance.nodes.iter().filter_map(|node| {
        let known = node.told(case, Question::Server, |e| e.server.as_ref())?;
        Version::parse(known.value.version.as_deref()?)
    });
    told.max()
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let image = match image(scene) {
        Ok(image) => image,
        Err(why) => return vec![Gate::block("image", why)],
    };
    if instance.view.dragonfly.value.image.as_deref() == Some(image) {
        return vec![
            Gate::pass(
                "written",
                format!("{image} is written in it already: the run only looks on"),
            ),
            operator_runs(&case),
        ];
    }
    let mut gates = vec![
        tag(image),
        is_newer(&case, instance, image),
        gets_on(&case, instance, image),
        one_at_a_time(&case, instance),
        gates::owned(
            &instance.view.dragonfly.value.meta,
            case.context.id.as_str(),
        ),
        operator_runs(&case),
        gates::one_master_gate(instance),
        gates::all_answer(instance),
        gates::no_full_sync(instance),
        gates::no_save(&case, instance),
        gates::no_rollout(&case, instance),
        gates::all_in_sync(&case, instance),
        gates::budget(instance),
        gates::cooled(scene, &case, instance),
    ];
    if let Ok((master, others)) = one_master(instance) {
        // The operator's takeover waits for hours where a client does not read.
        gates.push(gates::no_slow_client(&case, master));
        gates.push(match others.len() {
            0 => Gate::ask(
                "another-replica",
                "it has one pod alone: while that is made anew nobody serves, and it comes back with its last snapshot",
            ),
            1 => Gate::ask(
                "another-replica",
                "it has one replica: while that is made anew, nobody could stand in for the master",
            ),
            more => Gate::pass("another-replica", format!("it has {more} replicas")),
        });
    }
    gates
}

fn tag(image: &str) -> Gate {
    const ID: &str = "image";
    match (version(image), image.contains("@sha256:")) {
        (Some(version), _) => Gate::pass(ID, format!("{image} is of {version}")),
        (None, true) => Gate::ask(
            ID,
            format!("{image} tells no version: what is known of it cannot be looked up"),
        ),
        (None, false) => Gate::ask(
            ID,
            format!(
                "the tag of {image} is no version: pods made at different times may run different servers"
            ),
        ),
    }
}

/// It is no older server than what runs: what the newer one wrote, the older may not read.
fn is_newer(case: &Case<'_>, instance: &Instance<'_>, image: &str) -> Gate {
    const ID: &str = "newer";
    match (version(image), runs(case, instance)) {
        (Some(new), Some(old)) if new < old => Gate::ask(
            ID,
            format!(
                "{new} is older than {old}, which runs: it may not read what that one wrote, nor follow it"
            ),
        ),
        (Some(new), Some(old)) => Gate::pass(ID, format!("{old} runs, {new} is to")),
        _ => Gate::warn(ID, "whether it is newer than what runs is not told"),
    }
}

/// What is known of that server under the operator that is there.
fn gets_on(case: &Case<'_>, instance: &Instance<'_>, image: &str) -> Gate {
    const ID: &str = "versions";
    let operator = case.context.operators.iter().next();
    let operator = operator.and_then(|held| Version::parse(held.value.version()?));
    let (Some(operator), Some(server)) = (operator, version(image)) else {
        return Gate::ask(
            ID,
            "a version is not told, so what is known of the pair cannot be looked up",
        );
    };
    let snapshot = instance.view.dragonfly.value.snapshot.as_ref();
    let pair = Pair {
        operator,
        server,
        pods: instance.view.wanted().unwrap_or(1),
        master_only: snapshot.is_some_and(|snapshot| snapshot.master_only),
    };
    judged(&pair, ID)
}

/// What is known of a pair, as a gate.
pub(super) fn judged(pair: &Pair, id: &'static str) -> Gate {
    let words = format!("server {} under operator {}", pair.server, pair.operator);
    match standing(pair) {
        Standing::Good => Gate::pass(id, format!("nothing is known against {words}")),
        Standing::Untested(why) => {
            Gate::ask(id, format!("of {words} nothing is known here: {why}"))
        }
        Standing::Faulty(known) => {
            let told: Vec<String> = known
                .iter()
                .map(|one| format!("{} ({})", one.sentence, one.reference))
                .collect();
            let told = format!("{words}: {}", told.join("; "));
            match known.iter().any(|one| one.fatal) {
                true => Gate::block(id, told),
                false => Gate::ask(id, told),
            }
        }
    }
}

/// The operator rolls one replica at a time.
fn one_at_a_time(case: &Case<'_>, instance: &Instance<'_>) -> Gate {
    const ID: &str = "one-at-a-time";
    let operator = case.context.operators.iter().next();
    let version = operator.and_then(|held| Version::parse(held.value.version()?));
    let replicas = instance.view.wanted().unwrap_or(1).saturating_sub(1);
    match version {
        Some(version) if version < Version(1, 6, 0) && replicas > 1 => Gate::ask(
            ID,
            format!(
                "operator {version} deletes all {replicas} replicas at once: the master is alone until one has synced (op#359)"
            ),
        ),
        Some(version) => Gate::pass(ID, format!("operator {version} rolls one pod at a time")),
        None => Gate::warn(ID, "the operator's version is not told"),
    }
}

fn operator_runs(case: &Case<'_>) -> Gate {
    const ID: &str = "operator-runs";
    let ready = case
        .context
        .operators
        .iter()
        .map(|held| held.value.ready)
        .max();
    match ready {
        Some(ready) if ready > 0 => Gate::pass(ID, format!("{ready} of its pods are ready")),
        _ => Gate::block(
            ID,
            "no pod of the operator is ready: nobody would roll it out",
        ),
    }
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let id = &instance.view.id;
    let image = image(scene)?;
    let dragonfly = &instance.view.dragonfly.value;
    let set = instance
        .view
        .stateful_set
        .map(|held| held.value.image.as_str());
    let old = dragonfly
        .image
        .as_deref()
        .or(set)
        .unwrap_or("the operator's own");
    let is_written = dragonfly.image.as_deref() == Some(image);
    let runs = Goal::RunsImage(id.clone(), image.to_owned());
    let mut goals = vec![
        Goal::Field(
            ObjectId::dragonfly(id),
            ["spec", "image"].map(str::to_owned).to_vec(),
            super::Test::Is(json!(image)),
        ),
        runs.clone(),
        Goal::OneMaster(id.clone()),
    ];
    goals.extend(version(image).map(|version| Goal::EnginesAre(id.clone(), version)));
    let mut steps = Vec::new();
    if !is_written {
        let uid = Some(dragonfly.meta.uid.clone());
        steps.push(
            Step::new(
                format!("write {} into the Dragonfly {}", text::one_line(image), id.name),
                Does::Patch {
                    object: ObjectId::dragonfly(id),
                    part: "",
                    uid,
                    patch: json!({"spec": {"image": image}}),
                },
            )
            .leaves(format!(
                "the rollout to {image}, which the operator carries on by itself: darner upgrade {id} --image {image} looks on again"
            )),
        );
    }
    steps.push(
        Step::new(
            "look on while the operator rolls it out: replicas first, one after the other, the master last",
            Does::Await(vec![runs, Goal::OneMaster(id.clone())]),
        )
        .within(ROLLS)
        .leaves("the rollout, which the operator carries on by itself"),
    );
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: format!("upgrade {id} from {old} to {image}"),
        risk: Risk::Disruptive,
        before: moves::before(instance),
        steps,
        at_the_end: Vec::new(),
        goals,
        patience: Duration::from_secs(60),
        losses: match instance.nodes.len() {
            0 | 1 => "what its last snapshot does not hold".to_owned(),
            _ => "no acknowledged write, as long as the operator's takeover does not meet a fault; connections to each pod are reset once".to_owned(),
        },
        takes: "as long as each pod needs to start and to sync, one after the other".to_owned(),
        back: format!("darner upgrade {id} --image {old}, as far as that server reads what the newer one wrote"),
        owner: gates::git_owner(&dragonfly.meta),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use super::*;
    use crate::actions::{Args, Objects, Progress, Reading, Rules, Stand, Target};
    use crate::checks::Limits;
    use crate::domain::fixture::*;
    use crate::domain::object::{Deployment, Dragonfly, Meta, StatefulSet};
    use crate::domain::{Fact, Object};

    fn seen(f: &mut Fixture, object: Object) {
        let context = infra();
        f.tell(Fact::Seen { context, object }, ago(5));
    }

    fn operator(f: &mut Fixture, tag: &str, ready: i64) {
        let deployment = Deployment {
            meta: Meta {
                namespace: Arc::from("ops"),
                name: Arc::from("operator"),
                ..Meta::default()
            },
            replicas: 2,
            ready,
            images: vec![("manager".to_owned(), format!("operator:{tag}"))],
            ..Deployment::default()
        };
        seen(f, Object::OperatorDeployment(Arc::new(deployment)));
    }

    fn change(f: &mut Fixture, change: impl FnOnce(&mut Dragonfly)) {
        let context = f.world.context(&infra()).unwrap();
        let mut new = (*context.dragonflies.get("shop", "orders").unwrap().value).clone();
        change(&mut new);
        seen(f, Object::Dragonfly(Arc::new(new)));
    }

    fn asked<T>(f: &Fixture, image: &str, ask: impl FnOnce(&Scene<'_>) -> T) -> T {
        let target = Target::Instance(f.id.clone());
        let objects = Objects::new();
        let reading = Reading {
            world: &f.world,
            objects: &objects,
            now: now(),
        };
        let args = Args::default().with("image", image);
        let (limits, rules, accepted) = (Limits::default(), Rules::default(), BTreeSet::new());
        ask(&Scene::new(
            reading, &limits, &rules, &target, &args, &accepted,
        ))
    }

    #[test]
    fn what_is_known_against_it_is_told_before() {
        type Change = fn(&mut Fixture);
        let nothing: Change = |_| {};
        let cases: &[(&str, &str, &str, Change, &str, Stand, &str)] = &[
            (
                "a good pair",
                "v1.6.1",
                "df:v1.40.1",
                nothing,
                "versions",
                Stand::Pass,
                "nothing is known against server v1.40.1 under operator v1.6.1",
            ),
            (
                "one that does not start",
                "v1.6.1",
                "df:v1.17.0",
                nothing,
                "versions",
                Stand::Block,
                "server v1.17.0 under operator v1.6.1: the server does not start",
            ),
            (
                "one that nobody read",
                "v1.6.1",
                "df:v1.99.0",
                nothing,
                "versions",
                Stand::Ask,
                "of server v1.99.0 under operator v1.6.1 nothing is known here",
            ),
            (
                "older than what runs",
                "v1.6.1",
                "df:v1.38.0",
                nothing,
                "newer",
                Stand::Ask,
                "v1.38.0 is older than v1.39.0",
            ),
            (
                "a floating tag",
                "v1.6.1",
                "df:latest",
                nothing,
                "image",
                Stand::Ask,
                "the tag of df:latest is no version",
            ),
            (
                "an operator that rolls at once",
                "v1.5.0",
                "df:v1.40.1",
                nothing,
                "one-at-a-time",
                Stand::Ask,
                "operator v1.5.0 deletes all 2 replicas at once",
            ),
            (
                "no operator runs",
                "v1.6.1",
                "df:v1.40.1",
                |f| operator(f, "v1.6.1", 0),
                "operator-runs",
                Stand::Block,
                "no pod of the operator is ready",
            ),
            (
                "Git owns it",
                "v1.6.1",
                "df:v1.40.1",
                |f| {
                    change(f, |d| {
                        for (key, value) in [("name", "apps"), ("namespace", "flux-system")] {
                            let key = format!("kustomize.toolkit.fluxcd.io/{key}");
                            d.meta.labels.insert(key, value.to_owned());
                        }
                    });
                },
                "git-owner",
                Stand::Ask,
                "Kustomization flux-system/apps owns it and puts it back: change Git instead, or first stop it with darner flux suspend kustomization/apps -n flux-system --context infra",
            ),
            (
                "it is written already",
                "v1.6.1",
                "df:v1.40.1",
                |f| change(f, |d| d.image = Some("df:v1.40.1".to_owned())),
                "written",
                Stand::Pass,
                "df:v1.40.1 is written in it already: the run only looks on",
            ),
        ];
        for (name, tag, image, change, gate, stand, evidence) in cases {
            let mut f = healthy().build();
            operator(&mut f, tag, 2);
            change(&mut f);
            let gates = asked(&f, image, |scene| (ACTION.preflight)(scene));
            let found = gates.iter().find(|found| found.id == *gate);
            let found = found.unwrap_or_else(|| panic!("{name}: {gates:?}"));
            assert_eq!(found.stand, *stand, "{name}: {}", found.evidence);
            assert!(
                found.evidence.starts_with(evidence),
                "{name}: {}",
                found.evidence
            );
            let plan = asked(&f, image, |scene| (ACTION.plan)(scene)).unwrap();
            assert_eq!(
                plan,
                asked(&f, image, |scene| (ACTION.plan)(scene)).unwrap(),
                "{name}"
            );
            // What is written already is not written again.
            assert_eq!(
                plan.steps.len(),
                if *gate == "written" { 1 } else { 2 },
                "{name}"
            );
        }
    }

    #[test]
    fn a_rollout_is_told_as_it_goes_on() {
        let image = "dragonfly:v1.39.0";
        let of = |f: &Fixture| {
            let objects = Objects::new();
            let reading = Reading {
                world: &f.world,
                objects: &objects,
                now: now(),
            };
            let goal = Goal::RunsImage(f.id.clone(), image.to_owned());
            (goal.judge(&reading), goal.leaves_alone(&reading))
        };
        let set = |f: &mut Fixture, phase: &str, revisions: &[&str]| {
            let phase = Some(phase.to_owned());
            change(f, |d| d.phase = phase);
            let set = StatefulSet {
                meta: Meta {
                    namespace: Arc::from("shop"),
                    name: Arc::from("orders"),
                    ..Meta::default()
                },
                replicas: 3,
                update_revision: "new".to_owned(),
                ..StatefulSet::default()
            };
            seen(f, Object::StatefulSet(Arc::new(set)));
            for (ordinal, revision) in revisions.iter().enumerate() {
                let context = f.world.context(&infra()).unwrap();
                let name = format!("orders-{ordinal}");
                let mut pod = (*context.pods.get("shop", &name).unwrap().value).clone();
                let key = "controller-revision-hash".to_owned();
                pod.meta.labels.insert(key, (*revision).to_owned());
                seen(f, Object::Pod(Arc::new(pod)));
            }
        };
        let three = |second, third| instance("orders").node(master()).node(second).node(third);
        for (name, spec, phase, revisions, wanted, alone) in [
            (
                "done",
                healthy(),
                "Ready",
                ["new"; 3],
                Ok("3 of 3 pods on the new revision, phase Ready"),
                false,
            ),
            (
                "the operator has not done",
                healthy(),
                "RollingUpdate",
                ["new"; 3],
                Err("3 of 3 pods on the new revision, phase RollingUpdate"),
                false,
            ),
            (
                "the second one syncs",
                three(replica().full_sync(20, 5), replica()),
                "RollingUpdate",
                ["old", "new", "old"],
                Err(
                    "1 of 3 pods on the new revision, orders-0 is old (master), orders-1 in full sync, orders-2 is old (replica), phase RollingUpdate",
                ),
                false,
            ),
            (
                "the master is alone",
                three(replica().full_sync(20, 5), replica().deleting().cut_off(5)),
                "RollingUpdate",
                ["old", "new", "old"],
                Err(
                    "1 of 3 pods on the new revision, orders-0 is old (master), orders-1 in full sync, orders-2 is being deleted, no replica is in sync, phase RollingUpdate",
                ),
                true,
            ),
        ] {
            let mut f = spec.build();
            set(&mut f, phase, &revisions);
            let (progress, is_alone) = of(&f);
            let wanted = match wanted {
                Ok(words) => Progress::Holds(words.to_owned()),
                Err(words) => Progress::NotYet(words.to_owned()),
            };
            assert_eq!(progress, wanted, "{name}");
            assert_eq!(is_alone, Some(alone), "{name}");
        }
    }
}
