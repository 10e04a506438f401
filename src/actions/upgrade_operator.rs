//! An upgrade of the operator: another image in its Deployment. What an upgrade brings beside is looked at before: rights and CRD
//! of its version, policies that it makes, instances that it rolls.

use std::time::Duration;

use serde_json::{Value, json};

use super::restart_operator::{MADE, before, deployment, lease, none_rolls, runs, settles};
use super::upgrade::{judged, version};
use super::{
    About, Action, ArgDoc, Does, Gate, Goal, Look, Plan, Risk, Scene, Step, Test, gates, no_choice,
    restart_operator,
};
use crate::checks::pairs::{Pair, built_in, servers};
use crate::checks::rights::{self, Rights};
use crate::checks::schema::{Schema, compare};
use crate::checks::{ACCEPTANCE, Case, Subject, Verdict};
use crate::domain::object::{Deployment, Dragonfly};
use crate::domain::{InstanceId, Version};

/// The action.
pub const ACTION: Action = Action {
    id: "upgrade-operator",
    verb: "upgrade",
    title: "Upgrade the operator",
    doc: "gives the operator another image, after a look at what its version needs and does to every instance",
    about: About::Operator,
    risk: Risk::Disruptive,
    args: &[
        ArgDoc {
            name: "image",
            value: "IMAGE",
            doc: "the image that is to run, with its tag",
            default: None,
            required: false,
        },
        ArgDoc {
            name: "version",
            value: "VERSION",
            doc: "the version of the operator that is to run, from where its image is now",
            default: None,
            required: false,
        },
    ],
    reads,
    available,
    candidates: no_choice,
    preflight,
    plan,
};

/// The newest version that was read for what is known here.
const READ: Version = Version(1, 6, 1);

fn reads(scene: &Scene<'_>) -> Vec<Look> {
    restart_operator::reads(scene)
}

fn available(scene: &Scene<'_>) -> Result<(), String> {
    match scene.target {
        super::Target::Object(_) => Ok(()),
        super::Target::Instance(_) => Err("it is about the operator".to_owned()),
    }
}

/// Its container, by place and name, with the image that it has.
fn manager(value: &Value) -> Option<(usize, &str, &str)> {
    let containers = value
        .pointer("/spec/template/spec/containers")?
        .as_array()?;
    let text = |container: &'_ Value, key: &str| -> Option<String> {
        container.get(key)?.as_str().map(str::to_owned)
    };
    let at = containers
        .iter()
        .position(|container| text(container, "name").as_deref() == Some("manager"))
        .unwrap_or(0);
    let container = containers.get(at)?;
    let name = container.get("name")?.as_str()?;
    Some((at, name, container.get("image")?.as_str()?))
}

/// The image that is asked for.
fn wanted(scene: &Scene<'_>, now: &str) -> Result<String, String> {
    match (scene.args.get("image"), scene.args.get("version")) {
        (Some(image), None) if !image.is_empty() && !image.contains(char::is_whitespace) => {
            Ok(image.to_owned())
        }
        (None, Some(version)) => {
            let Some(parsed) = Version::parse(version) else {
                return Err(format!("{version} is no version: --version v1.6.1"));
            };
            let named = now.split_once('@').map_or(now, |(name, _)| name);
            let name = match named.rsplit_once(':') {
                Some((name, tag)) if !tag.contains('/') => name,
                _ => named,
            };
            Ok(format!("{name}:{parsed}"))
        }
        _ => Err("either --image IMAGE or --version VERSION is wanted".to_owned()),
    }
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let (Some(case), Ok((object, value))) = (scene.case(), deployment(scene)) else {
        return Vec::new();
    };
    let Some((_, _, now)) = manager(value) else {
        return vec![Gate::block("image", format!("{object} has no container"))];
    };
    let image = match wanted(scene, now) {
        Ok(image) => image,
        Err(why) => return vec![Gate::block("image", why)],
    };
    let held = case.context.operators.get(&object.namespace, &object.name);
    let (old, new) = (version(now), version(&image));
    let mut gates = vec![Gate::of(
        "runs",
        runs(object, value).map(|pods| format!("{object} is to have {pods} pods")),
    )];
    let (Some(new), Some(held)) = (new, held) else {
        gates.push(Gate::ask(
            "image",
            format!("the tag of {image} is no version: neither rights nor CRD nor policies can be judged for it"),
        ));
        gates.push(none_rolls(scene));
        return gates;
    };
    let operator = &held.value;
    gates.push(match old {
        Some(old) if new < old => {
            Gate::ask("newer", format!("{new} is older than {old}, which runs"))
        }
        Some(old) => Gate::pass("newer", format!("{old} runs, {new} is to")),
        None => Gate::warn("newer", format!("the tag of {now} is no version")),
    });
    gates.push(rights_of(&case, operator, new));
    gates.push(crd_of(&case, new));
    gates.push(servers_under(&case, new));
    gates.push(rolled(&case, operator, old, new));
    gates.push(locks_out(scene, &case, old, new));
    gates.push(gates::owned(&operator.meta, case.context.id.as_str()));
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

/// Its service account may do what the version does.
fn rights_of(case: &Case<'_>, operator: &Deployment, new: Version) -> Gate {
    const ID: &str = "operator-rights";
    match rights::of(case.context, operator, new) {
        Rights::Complete if new > READ => Gate::warn(
            ID,
            format!(
                "its roles give it all that {READ} needs; what {new} needs beside is not known here"
            ),
        ),
        Rights::Complete => Gate::pass(ID, format!("its roles give it all that {new} needs")),
        Rights::Lacks(lacks) => Gate::block(
            ID,
            format!(
                "its roles lack what {new} needs: {}. Install the roles of that version first: darner check --area operator tells them",
                lacks.join(", ")
            ),
        ),
        Rights::Unread => Gate::ask(
            ID,
            "its roles have not been read: whether it may do what it needs is not told",
        ),
        Rights::Untold(what, fault) => {
            Gate::ask(ID, format!("{what} cannot be read: {}", fault.message))
        }
    }
}

/// The CRD is of the version: what it lacks, the API server drops in silence.
fn crd_of(case: &Case<'_>, new: Version) -> Gate {
    const ID: &str = "crd";
    let Some(crd) = case.context.crds.iter().next() else {
        return Gate::ask(ID, "the CRD is not known");
    };
    match compare(&crd.value, new) {
        Schema::Fits if new > READ => Gate::warn(
            ID,
            format!("the CRD is of {READ}; which fields {new} brings is not known here"),
        ),
        Schema::Fits => Gate::pass(ID, format!("the CRD is of {new}")),
        Schema::Newer(more) => Gate::warn(
            ID,
            format!("the CRD has fields that {new} ignores: {}", more.join(", ")),
        ),
        Schema::Older(lacks) => Gate::ask(
            ID,
            format!(
                "the CRD lacks fields of {new}: {}. The image alone does not bring them: apply the CRD of that version first, on the server's side",
                lacks.join(", ")
            ),
        ),
        Schema::Untold => Gate::ask(ID, "the schema of the CRD names no field"),
    }
}

fn name(dragonfly: &Dragonfly) -> String {
    format!("{}/{}", dragonfly.meta.namespace, dragonfly.meta.name)
}

/// What is known of the servers that run under the new one; the worst counts.
fn servers_under(case: &Case<'_>, new: Version) -> Gate {
    const ID: &str = "versions";
    let mut worst: Option<Gate> = None;
    let mut untold = Vec::new();
    for held in case.context.dragonflies.iter() {
        let meta = &held.value.meta;
        let id = InstanceId::new(case.context.id.clone(), &meta.namespace, &meta.name);
        let Some(view) = case.world.instance(&id) else {
            continue;
        };
        let Ok(servers) = servers(&view) else {
            untold.push(name(&held.value));
            continue;
        };
        let snapshot = held.value.snapshot.as_ref();
        for server in servers {
            let pair = Pair {
                operator: new,
                server: server.version,
                pods: view.wanted().unwrap_or(1),
                master_only: snapshot.is_some_and(|snapshot| snapshot.master_only),
            };
            let mut gate = judged(&pair, ID);
            gate.evidence = format!("{}: {}", name(&held.value), gate.evidence);
            if worst.as_ref().is_none_or(|worst| worst.stand < gate.stand) {
                worst = Some(gate);
            }
        }
    }
    match (worst, untold.is_empty()) {
        (Some(worst), true) => worst,
        (Some(worst), false) if worst.stand > super::Stand::Warn => worst,
        (_, false) => Gate::warn(
            ID,
            format!("which server {} runs is not told", untold.join(", ")),
        ),
        (None, true) => Gate::pass(ID, "there is no instance"),
    }
}

/// Instances whose template the new version changes by itself, so that it rolls each.
fn rolled(case: &Case<'_>, operator: &Deployment, old: Option<Version>, new: Version) -> Gate {
    const ID: &str = "rolls";
    const ARGUMENT: Version = Version(1, 3, 0);
    let all = || case.context.dragonflies.iter().map(|held| &held.value);
    // v1.3.0 passes an argument that those before do not.
    if old.is_none_or(|old| (old < ARGUMENT) != (new < ARGUMENT)) {
        let names: Vec<String> = all().map(|one| name(one)).collect();
        return match names.as_slice() {
            [] => Gate::pass(ID, "there is no instance"),
            names => Gate::ask(
                ID,
                format!(
                    "it changes the arguments of every pod, and so rolls {}",
                    names.join(", ")
                ),
            ),
        };
    }
    let is_named = operator
        .args
        .iter()
        .any(|arg| arg.starts_with("--dragonfly-image"));
    let same = old.is_some_and(|old| built_in(old).is_some() && built_in(old) == built_in(new));
    let without: Vec<String> = all()
        .filter(|one| one.image.is_none())
        .map(|one| name(one))
        .collect();
    match without.is_empty() || is_named || same {
        true => Gate::pass(
            ID,
            "no instance takes its image from the operator's version",
        ),
        false => Gate::ask(
            ID,
            format!(
                "spec.image of {} is empty: it takes that of the operator's version ({}), and is rolled",
                without.join(", "),
                built_in(new).unwrap_or("not known")
            ),
        ),
    }
}

/// Nobody is locked out by the policies that the new version makes.
fn locks_out(scene: &Scene<'_>, case: &Case<'_>, old: Option<Version>, new: Version) -> Gate {
    const ID: &str = "policies";
    const OWN: Version = Version(1, 5, 0);
    if new < OWN || old.is_some_and(|old| old >= Version(1, 6, 0)) {
        return Gate::pass(
            ID,
            format!(
                "{new} makes no policy that {} does not",
                old.map_or("it".to_owned(), |old| old.to_string())
            ),
        );
    }
    let Some(check) = ACCEPTANCE
        .iter()
        .find(|check| check.id == "upgrade-locks-out")
    else {
        return Gate::ask(ID, "what its policies do is not told");
    };
    let (mut found, mut untold) = (Vec::new(), Vec::new());
    for held in case.context.dragonflies.iter() {
        let meta = &held.value.meta;
        let id = InstanceId::new(case.context.id.clone(), &meta.namespace, &meta.name);
        let subject = Subject::Instance(id);
        let Some(case) = Case::of(case.world, &subject, scene.limits, case.now) else {
            continue;
        };
        match (check.run)(&case).verdict {
            Verdict::Finding(one) => found.push(one.sentence.clone()),
            Verdict::Unknown(one) => untold.push(one.sentence.clone()),
            Verdict::Pass | Verdict::NotApplicable => {}
        }
    }
    match (found.is_empty(), untold.is_empty()) {
        (false, _) => Gate::ask(ID, found.join("; ")),
        (true, false) => Gate::ask(ID, untold.join("; ")),
        (true, true) => Gate::pass(
            ID,
            "the policies that it makes lock nobody out who is known, by simulation",
        ),
    }
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let (object, value) = deployment(scene)?;
    let (at, container, now) =
        manager(value).ok_or_else(|| format!("{object} has no container"))?;
    let image = wanted(scene, now)?;
    let uid = value.pointer("/metadata/uid").and_then(Value::as_str);
    let mut goals = settles(scene, object);
    let at = at.to_string();
    let path = [
        "spec",
        "template",
        "spec",
        "containers",
        at.as_str(),
        "image",
    ];
    goals.push(Goal::Field(
        object.clone(),
        path.map(str::to_owned).to_vec(),
        Test::Is(json!(image)),
    ));
    if now == image {
        return Err(format!(
            "{object} has {image} already; darner restart operator restarts it"
        ));
    }
    let patch = Step::new(
        format!("write {image} into {object}"),
        Does::Patch {
            object: object.clone(),
            part: "",
            uid: uid.map(std::sync::Arc::from),
            patch: json!({"spec": {"template": {"spec": {"containers": [{"name": container, "image": image}]}}}}),
        },
    )
    .leaves(format!("{object} rolling out to {image}, as its controller does by itself"));
    let wait = Step::new(
        format!("wait until {object} is rolled out and a new process leads"),
        Does::Await(goals.clone()),
    )
    .within(MADE)
    .leaves(format!(
        "{object} half rolled out: darner upgrade operator --image {now} goes back"
    ));
    let meta = scene.context().and_then(|context| {
        let held = context.operators.get(&object.namespace, &object.name)?;
        Some(&held.value.meta)
    });
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: format!("upgrade the operator {}/{} from {now} to {image}", object.namespace, object.name),
        risk: Risk::Disruptive,
        before: before(scene, object, value),
        steps: vec![patch, wait],
        at_the_end: Vec::new(),
        goals,
        patience: Duration::from_secs(30),
        losses: "nothing by itself; instances that it rolls have their own takeovers".to_owned(),
        takes: "until its pods are made anew, and up to 15 s more until one leads; meanwhile nothing fails over by itself".to_owned(),
        back: format!("darner upgrade operator --image {now}; what the new one has written, such as policies, stays"),
        owner: meta.and_then(gates::git_owner),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use std::collections::BTreeSet;

    use super::*;
    use crate::actions::equals::equals;
    use crate::actions::{Args, ObjectId, Objects, Reading, Resource, Rules, Target};
    use crate::checks::Limits;
    use crate::domain::fixture::*;

    #[test]
    fn the_image_that_is_wanted_is_written_into_its_container_alone() {
        let f = healthy().build();
        let object = ObjectId::new(&infra(), Resource::DEPLOYMENT, "ops", "operator");
        let set = "kubectl --context infra -n ops set image deployment/operator manager=";
        for (name, now_image, arg, value, wanted) in [
            (
                "a version",
                "r.io:5000/op:v1.5.0",
                "version",
                "1.6.1",
                Ok("r.io:5000/op:v1.6.1"),
            ),
            (
                "where no tag is",
                "r.io:5000/op",
                "version",
                "v1.6.1",
                Ok("r.io:5000/op:v1.6.1"),
            ),
            (
                "by digest before",
                "r.io/op:v1.5.0@sha256:1",
                "version",
                "v1.6.1",
                Ok("r.io/op:v1.6.1"),
            ),
            (
                "an image",
                "r.io/op:v1.5.0",
                "image",
                "q.io/x:v1.6.1",
                Ok("q.io/x:v1.6.1"),
            ),
            (
                "no version",
                "r.io/op:v1.5.0",
                "version",
                "new",
                Err("new is no version: --version v1.6.1"),
            ),
            (
                "the same",
                "op:v1.6.1",
                "version",
                "v1.6.1",
                Err(
                    "Deployment operator has op:v1.6.1 already; darner restart operator restarts it",
                ),
            ),
        ] {
            let value_of = json!({"metadata": {"uid": "u"}, "spec": {"replicas": 2, "template": {"spec": {"containers": [
                {"name": "kube-rbac-proxy", "image": "proxy:v1"}, {"name": "manager", "image": now_image},
            ]}}}});
            let target = Target::Object(object.clone());
            let objects: Objects = [(object.clone(), Some(value_of))].into_iter().collect();
            let reading = Reading {
                world: &f.world,
                objects: &objects,
                now: now(),
            };
            let args = Args::default().with(arg, value);
            let (limits, rules, accepted) = (Limits::default(), Rules::default(), BTreeSet::new());
            let scene = Scene::new(reading, &limits, &rules, &target, &args, &accepted);
            match (wanted, (ACTION.plan)(&scene)) {
                (Ok(image), Ok(plan)) => {
                    assert_eq!(equals(&plan.steps[0]), format!("{set}{image}"), "{name}");
                    let Does::Patch { patch, object, .. } = &plan.steps[0].does else {
                        panic!("{name}");
                    };
                    assert!(crate::actions::plan::merges_lists(object, patch), "{name}");
                }
                (Err(why), Err(told)) => assert_eq!(told, why, "{name}"),
                (_, told) => panic!("{name}: {told:?}"),
            }
        }
    }
}
