//! An upgrade of an instance: another image in its Dragonfly object. The operator rolls the pods, replicas first; the run looks
//! on and tells which pod is where, whether a replica is in sync, and a takeover that does not end.

use std::time::Duration;

use serde_json::json;

use super::scene::one_master;
use super::{
    About, Action, ArgDoc, Does, Gate, Goal, Look, ObjectId, Plan, Risk, Scene, Step, gates,
    no_choice, nothing_more, promote,
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
            Gate::pass("written", format!("{image} is written in it already: the run only looks on")),
            operator_runs(&case),
        ];
    }
    let mut gates = vec![
        tag(image),
        is_newer(&case, instance, image),
        gets_on(&case, instance, image),
        one_at_a_time(&case, instance),
        gates::owned(&instance.view.dragonfly.value.meta, case.context.id.as_str()),
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
        (None, true) => Gate::ask(ID, format!("{image} tells no version: what is known of it cannot be looked up")),
        (None, false) => Gate::ask(
            ID,
            format!("the tag of {image} is no version: pods made at different times may run different servers"),
        ),
    }
}

/// It is no older server than what runs: what the newer one wrote, the older may not read.
fn is_newer(case: &Case<'_>, instance: &Instance<'_>, image: &str) -> Gate {
    const ID: &str = "newer";
    match (version(image), runs(case, instance)) {
        (Some(new), Some(old)) if new < old => Gate::ask(
            ID,
            format!("{new} is older than {old}, which runs: it may not read what that one wrote, nor follow it"),
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
        return Gate::ask(ID, "a version is not told, so what is known of the pair cannot be looked up");
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
        Standing::Untested(why) => Gate::ask(id, format!("of {words} nothing is known here: {why}")),
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
            format!("operator {version} deletes all {replicas} replicas at once: the master is alone until one has synced (op#359)"),
        ),
        Some(version) => Gate::pass(ID, format!("operator {version} rolls one pod at a time")),
        None => Gate::warn(ID, "the operator's version is not told"),
    }
}

fn operator_runs(case: &Case<'_>) -> Gate {
    const ID: &str = "operator-runs";
    let ready = case.context.operators.iter().map(|held| held.value.ready).max();
    match ready {
        Some(ready) if ready > 0 => Gate::pass(ID, format!("{ready} of its pods are ready")),
        _ => Gate::block(ID, "no pod of the operator is ready: nobody would roll it out"),
    }
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let id = &instance.view.id;
    let image = image(scene)?;
    let dragonfly = &instance.view.dragonfly.value;
    let set = instance.view.stateful_set.map(|held| held.value.image.as_str());
    let old = dragonfly.image.as_deref().or(set).unwrap_or("the operator's own");
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
        before: promote::before(instance),
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
