//! Gives back what a run of ours paused and did not: the operator's pods, the release that delivers it. A run that was killed,
//! or of which nobody knows how it ended, leaves them so, with a mark that says what they were (`pause`).

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::pause::{self, PAUSED_FOR};
use super::restart_operator::{before, deployment, lease};
use super::{
    About, Action, Does, Gate, Goal, Look, ObjectId, Plan, Resource, Risk, Scene, Step, Test,
    no_choice,
};

/// The action.
pub const ACTION: Action = Action {
    id: "give-back",
    verb: "give-back",
    title: "Give back what was paused",
    doc: "gives back what an unfinished run has paused: scales the operator to what it was, resumes the release that delivers it",
    about: About::Operator,
    risk: Risk::Reversible,
    args: &[],
    reads,
    available,
    candidates: no_choice,
    preflight,
    plan,
};

/// How long the operator's pods are given to be ready.
const READY: Duration = Duration::from_secs(180);

fn release(scene: &Scene<'_>) -> Option<ObjectId> {
    pause::release(&scene.case()?)
}

/// The lock of the run that paused it.
fn lock(scene: &Scene<'_>) -> Option<ObjectId> {
    let (object, value) = deployment(scene).ok()?;
    let (namespace, name) = pause::annotation(value, PAUSED_FOR)?.split_once('/')?;
    let lease = format!("darner-{name}");
    Some(ObjectId::new(
        &object.context,
        Resource::LEASE,
        namespace,
        lease,
    ))
}

fn reads(scene: &Scene<'_>) -> Vec<Look> {
    let lease = lease(scene).map(|(lease, _)| lease);
    let all = release(scene).into_iter().chain(lock(scene)).chain(lease);
    all.map(Look::Object).collect()
}

/// What is paused by a run of ours, as it was read.
struct Paused<'a> {
    /// The Deployment, and how many pods it had.
    operator: Option<(&'a ObjectId, i64)>,
    /// The release.
    release: Option<ObjectId>,
    /// By which runs.
    runs: Vec<&'a str>,
}

fn paused<'a>(scene: &Scene<'a>) -> Result<Paused<'a>, String> {
    let (object, value) = deployment(scene)?;
    let mut found = Paused {
        operator: None,
        release: None,
        runs: Vec::new(),
    };
    if let (Some(run), Some(pods)) = (pause::mark(value), pause::replicas_before(value)) {
        found.operator = Some((object, pods));
        found.runs.push(run);
    }
    if let Some(release) = release(scene)
        && let Some(run) = scene
            .reading
            .object(&release)
            .flatten()
            .and_then(pause::mark)
    {
        found.release = Some(release);
        found.runs.push(run);
    }
    found.runs.dedup();
    match found.runs.is_empty() {
        false => Ok(found),
        true => Err(format!(
            "no run of ours has left {object} or its release paused"
        )),
    }
}

fn available(scene: &Scene<'_>) -> Result<(), String> {
    match scene.reading.object(match scene.target {
        super::Target::Object(object) => object,
        super::Target::Instance(_) => return Err("it is about the operator".to_owned()),
    }) {
        // It is read before it is planned.
        None => Ok(()),
        Some(_) => paused(scene).map(drop),
    }
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    const OVER: &str = "run-over";
    let found = match paused(scene) {
        Ok(found) => found,
        Err(why) => return vec![Gate::block("paused", why)],
    };
    let runs = found.runs.join(", ");
    let mut gates = vec![Gate::pass("paused", format!("paused by run {runs}"))];
    gates.push(match lock(scene).map(|lock| scene.reading.object(&lock)) {
        Some(Some(Some(lease))) if is_held(lease, &found.runs, scene.reading.now) => Gate::block(
            OVER,
            format!("run {runs} still goes on: it gives it back itself at its end"),
        ),
        Some(Some(_)) => Gate::pass(OVER, "the lock of that run is not held any more"),
        Some(None) => Gate::ask(
            OVER,
            format!("whether run {runs} still goes on is not told"),
        ),
        None => Gate::warn(OVER, "what it was paused for is not written down"),
    });
    gates
}

/// Whether one of those runs holds that lock still. Its clock may be ahead of ours by a little, or behind.
fn is_held(lease: &Value, runs: &[&str], now: Timestamp) -> bool {
    let run = pause::annotation(lease, "darner.dev/run").unwrap_or_default();
    let renewed = lease.pointer("/spec/renewTime").and_then(Value::as_str);
    let renewed = renewed.and_then(|text| text.parse::<Timestamp>().ok());
    let good = lease
        .pointer("/spec/leaseDurationSeconds")
        .and_then(Value::as_i64);
    let until = renewed.map(|at| at.as_second() + good.unwrap_or(0));
    runs.contains(&run) && until.is_some_and(|until| until > now.as_second())
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let (object, value) = deployment(scene)?;
    let found = paused(scene)?;
    let (mut steps, mut goals, mut what) = (Vec::new(), Vec::new(), Vec::new());
    if let Some((operator, pods)) = found.operator {
        steps.push(pause::scale_back(operator, pods));
        goals.push(Goal::Scaled(operator.clone(), pods));
        // Where somebody else has given it back in part, the process that leads may be the one before.
        let is_down = value.pointer("/spec/replicas") == Some(&Value::from(0));
        let leads = lease(scene).filter(|_| is_down);
        goals.extend(leads.map(|(lease, holder)| Goal::Leads(lease, holder)));
        what.push(format!("{operator} ({pods} pods)"));
    }
    if let Some(release) = &found.release {
        steps.push(pause::resume(release));
        let path = ["spec", "suspend"].map(str::to_owned).to_vec();
        goals.push(Goal::Field(release.clone(), path, Test::Unset));
        what.push(release.to_string());
    }
    steps.push(Step::new("wait until it is as it was", Does::Await(goals.clone())).within(READY));
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: format!("give back {}, paused by run {}", what.join(" and "), found.runs.join(", ")),
        risk: Risk::Reversible,
        before: before(scene, object, value),
        steps,
        at_the_end: Vec::new(),
        goals,
        patience: Duration::from_secs(30),
        losses: "nothing".to_owned(),
        takes: "until the operator's pods are ready, and up to 15 s more until one leads; it then puts right what it finds".to_owned(),
        back: "promote --operator pause pauses it again for the length of a run".to_owned(),
        owner: None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::actions::{Args, Objects, Reading, Rules, Stand, Target};
    use crate::checks::Limits;
    use crate::domain::fixture::*;

    #[test]
    fn what_a_run_of_ours_paused_is_given_back_when_it_is_over() {
        let f = healthy().build();
        let object = ObjectId::new(&infra(), Resource::DEPLOYMENT, "ops", "operator");
        let lock = ObjectId::new(&infra(), Resource::LEASE, "shop", "darner-orders");
        let marked = json!({
            "metadata": {"uid": "u", "annotations": {
                "darner.dev/paused-by": "r1", "darner.dev/paused-for": "shop/orders", "darner.dev/replicas": "2",
            }},
            "spec": {"replicas": 0},
        });
        let lease = |run: &str, renewed: &str| {
            json!({
                "metadata": {"annotations": {"darner.dev/run": run}},
                "spec": {"renewTime": renewed, "leaseDurationSeconds": 15},
            })
        };
        for (name, value, lease, wanted) in [
            (
                "paused by a run that is over",
                marked.clone(),
                Some(None),
                Ok((
                    Stand::Pass,
                    "give back Deployment operator (2 pods), paused by run r1",
                )),
            ),
            (
                "by one that goes on",
                marked.clone(),
                Some(Some(lease("r1", "2026-01-02T11:59:55Z"))),
                Ok((
                    Stand::Block,
                    "give back Deployment operator (2 pods), paused by run r1",
                )),
            ),
            (
                "by one that died",
                marked.clone(),
                Some(Some(lease("r1", "2026-01-02T11:59:00Z"))),
                Ok((
                    Stand::Pass,
                    "give back Deployment operator (2 pods), paused by run r1",
                )),
            ),
            (
                "another run holds the lock by now",
                marked.clone(),
                Some(Some(lease("r2", "2026-01-02T11:59:55Z"))),
                Ok((
                    Stand::Pass,
                    "give back Deployment operator (2 pods), paused by run r1",
                )),
            ),
            (
                "whose lock cannot be read",
                marked,
                None,
                Ok((
                    Stand::Ask,
                    "give back Deployment operator (2 pods), paused by run r1",
                )),
            ),
            (
                "scaled to nothing by somebody else",
                json!({"metadata": {"uid": "u"}, "spec": {"replicas": 0}}),
                Some(None),
                Err("no run of ours has left Deployment operator or its release paused"),
            ),
        ] {
            let target = Target::Object(object.clone());
            let mut objects: Objects = [(object.clone(), Some(value))].into_iter().collect();
            objects.extend(lease.map(|lease| (lock.clone(), lease)));
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
            match (wanted, (ACTION.plan)(&scene)) {
                (Ok((stand, sentence)), Ok(plan)) => {
                    assert_eq!(plan.sentence, sentence, "{name}");
                    let gates = (ACTION.preflight)(&scene);
                    assert_eq!(gates[1].stand, stand, "{name}");
                    let Does::Patch { patch, .. } = &plan.steps[0].does else {
                        panic!("{name}");
                    };
                    assert_eq!(patch["spec"]["replicas"], json!(2), "{name}");
                    assert_eq!(
                        patch["metadata"]["annotations"]["darner.dev/paused-by"],
                        Value::Null
                    );
                }
                (Err(why), Err(told)) => assert_eq!(told, why, "{name}"),
                (_, told) => panic!("{name}: {told:?}"),
            }
        }
    }
}
