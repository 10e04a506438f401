//! A rollout restart of an instance, in the operator's own order: replicas first, one at a time, each waiting for stable sync;
//! the master last, by takeover. The operator keeps running: it makes every new pod a replica.
//!
//! The plan is whole before it begins. What a step makes anew is named by `anew`, so that what was approved is what is done
//! (decision 0018). A restart that was stopped goes on where it stood: pods made since it began are new already.

use std::time::Duration;

use jiff::Timestamp;

use super::anew::{self, Remade};
use super::scene::one_master;
use super::{
    About, Action, ArgDoc, Args, Does, Gate, Goal, ObjectId, Plan, Risk, Scene, Step, gates, moves,
    no_choice, promote,
};
use crate::checks::{Case, Instance, Node};
use crate::domain::engine::Role;
use crate::domain::{InstanceId, NodeId};

/// The action.
pub const ACTION: Action = Action {
    id: "restart",
    verb: "restart",
    title: "Restart every pod",
    doc: "makes every pod of an instance anew, one at a time: replicas first, the master last by takeover, losing no acknowledged write",
    about: About::Instance,
    risk: Risk::Disruptive,
    args: &[
        ArgDoc {
            name: "takeover",
            value: "SECONDS",
            doc: "how long the server may hold writes back while the replica catches up",
            default: Some("3"),
            required: false,
        },
        ArgDoc {
            name: "again",
            value: "",
            doc: "make every pod anew, also those that an unfinished restart has made already",
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

/// How long a pod is given to be made anew and to be in stable sync: a full sync of tens of GiB takes minutes.
const MADE: Duration = Duration::from_secs(900);
/// How long what would hold a takeover up is waited for.
const CALMS: Duration = Duration::from_secs(120);

fn available(scene: &Scene<'_>) -> Result<(), String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    if instance.nodes.len() < 2 {
        return Err(
            "there is no replica to hold the data meanwhile: its only pod would come back with its last snapshot".to_owned(),
        );
    }
    work(scene, &case, instance).map(drop)
}

/// What there is to do.
enum Work<'c, 'a> {
    /// These replicas are made anew, then the master if it is told, after the last one has taken over.
    Whole {
        replicas: Vec<&'c Node<'a>>,
        master: &'c Node<'a>,
        restarts_master: bool,
        to: &'c Node<'a>,
    },
    /// That one has taken over already, and nobody was told.
    TakenOver(&'c Node<'a>),
}

/// When the restart that is to be finished began, by the name of its run: `20261122T221501-restart-…`.
fn began(scene: &Scene<'_>) -> Option<Timestamp> {
    let run = scene
        .args
        .get("resume")
        .filter(|_| !scene.args.is_on("again"))?;
    let at = run.get(..15)?;
    let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%S", at).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

fn work<'c, 'a>(
    scene: &Scene<'_>,
    case: &Case<'_>,
    instance: &'c Instance<'a>,
) -> Result<Work<'c, 'a>, String> {
    let began = began(scene);
    let is_new = |node: &Node<'_>| {
        let made = node.view.pod.value.meta.created;
        made.zip(began)
            .is_some_and(|(made, began)| case.context.by_our_clock(made) >= began)
    };
    let (master, others) = match one_master(instance) {
        Ok(found) => found,
        Err(why) if began.is_some() => {
            return half_way(instance).map(Work::TakenOver).ok_or(why);
        }
        Err(why) => return Err(why),
    };
    // The order of the operator: by name. The first one has been in sync the longest when it takes over.
    let to = *others.first().ok_or("there is no replica")?;
    let replicas: Vec<&Node<'_>> = others.into_iter().filter(|node| !is_new(node)).collect();
    Ok(Work::Whole {
        replicas,
        master,
        restarts_master: !is_new(master),
        to,
    })
}

/// Who has taken over in a restart that was stopped before it could tell anybody: still labelled replica, or the only one that is
/// labelled master while another process says so too.
fn half_way<'c, 'a>(instance: &'c Instance<'a>) -> Option<&'c Node<'a>> {
    [Role::Replica, Role::Master].into_iter().find_map(|label| {
        let mut nodes = instance
            .nodes
            .iter()
            .filter(|node| node.says(Role::Master) && node.view.label_role() == Some(label));
        let one = nodes.next()?;
        nodes.next().is_none().then_some(one)
    })
}

/// Does something with the scene of the promotion that ends it.
fn promoting<T>(
    scene: &Scene<'_>,
    to: &str,
    finishes: bool,
    act: impl FnOnce(&Scene<'_>) -> T,
) -> T {
    let mut args = Args::default().with("to", to).with("operator", "keep");
    args.set("takeover", scene.args.get("takeover").unwrap_or("3"));
    if finishes {
        args.set("resume", scene.args.get("resume").unwrap_or("a restart"));
    }
    act(&Scene::new(
        scene.reading,
        scene.limits,
        scene.rules,
        scene.target,
        &args,
        scene.accepted,
    ))
}

fn reads(scene: &Scene<'_>) -> Vec<super::Look> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    match work(scene, &case, instance) {
        Ok(Work::Whole { to, .. } | Work::TakenOver(to)) => {
            promoting(scene, to.name(), false, promote::ACTION.reads)
        }
        Err(_) => Vec::new(),
    }
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let mut gates = match work(scene, &case, instance) {
        Ok(Work::Whole { to, .. }) => {
            let mut gates = promoting(scene, to.name(), false, promote::ACTION.preflight);
            gates.push(gates::all_in_sync(&case, instance));
            gates.push(gates::budget(instance));
            gates
        }
        Ok(Work::TakenOver(to)) => promoting(scene, to.name(), true, promote::ACTION.preflight),
        Err(why) => vec![Gate::block("one-master", why)],
    };
    if let Some(began) = began(scene) {
        gates.push(Gate::warn(
            "goes-on",
            format!(
                "it goes on with the restart of {}: pods made since are new already (--again makes all anew)",
                began.strftime("%Y-%m-%d %H:%M:%S")
            ),
        ));
    }
    gates
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let id = &instance.view.id;
    let (mut steps, mut goals) = (Vec::new(), Vec::new());
    let sentence;
    match work(scene, &case, instance)? {
        Work::TakenOver(to) => {
            let ended = promoting(scene, to.name(), true, promote::ACTION.plan)?;
            sentence = format!(
                "finish the restart of {id}: {} has taken over already",
                to.name()
            );
            steps.extend(ended.steps);
            goals.extend(ended.goals);
            goals.push(Goal::AllFollow(id.clone(), to.view.id.pod.clone()));
        }
        Work::Whole {
            replicas,
            master,
            restarts_master,
            to,
        } => {
            for replica in &replicas {
                steps.extend(anew_replica(id, replica, master));
                goals.push(remade(replica, id));
            }
            let names: Vec<&str> = replicas.iter().map(|node| node.name()).collect();
            let names = names.join(", then ");
            let verb = match began(scene) {
                Some(_) => "finish the restart of",
                None => "restart",
            };
            sentence = match (names.as_str(), restarts_master) {
                ("", false) => format!("{verb} {id}: every pod is new already"),
                ("", true) => {
                    format!(
                        "{verb} {id}: {} after {} has taken over",
                        master.name(),
                        to.name()
                    )
                }
                (names, false) => format!("{verb} {id}: {names}"),
                (names, true) => format!(
                    "{verb} {id}: {names}, then {} after {} has taken over",
                    master.name(),
                    to.name()
                ),
            };
            if restarts_master {
                takes_over(scene, id, to, master, &replicas, (&mut steps, &mut goals))?;
            } else {
                goals.push(Goal::OneMaster(id.clone()));
                goals.push(Goal::AllFollow(id.clone(), master.view.id.pod.clone()));
            }
        }
    }
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence,
        risk: Risk::Disruptive,
        before: moves::before(instance),
        steps,
        at_the_end: Vec::new(),
        goals,
        patience: Duration::from_secs(60),
        losses: "no acknowledged write: the master is restarted after a replica with every record has taken over. Connections to each pod are reset once".to_owned(),
        takes: "as long as each pod needs to start and to sync, one after the other; tens of milliseconds without writes at the takeover".to_owned(),
        back: "nothing to go back to: the pods are the same but younger; stopped half-way, restart goes on where it stood".to_owned(),
        owner: None,
    })
}

fn remade(node: &Node<'_>, id: &InstanceId) -> Goal {
    let uid = node.view.pod.value.meta.uid.clone();
    Goal::Remade(node.view.id.clone(), uid, id.clone())
}

/// One replica is deleted, made anew by its StatefulSet, and made a replica by the operator.
fn anew_replica(id: &InstanceId, node: &Node<'_>, master: &Node<'_>) -> [Step; 2] {
    let name = node.name();
    [
        Step::new(
            format!("delete pod {name}, a replica"),
            Does::Delete {
                object: ObjectId::pod(&node.view.id),
                uid: node.view.pod.value.meta.uid.clone(),
                grace: None,
                orphans: false,
            },
        )
        .leaves(format!(
            "{name} being made anew; the same restart again goes on with the next pod"
        )),
        Step::new(
            format!("wait until {name} is made anew and all replicas are in stable sync"),
            Does::Await(vec![
                remade(node, id),
                Goal::AllFollow(id.clone(), master.view.id.pod.clone()),
                ready(id),
            ]),
        )
        .within(MADE)
        .leaves(
            "the pods that are left as they were; the same restart again goes on with the next",
        ),
    ]
}

/// The operator says that it has done: a rollout that began meanwhile has not.
fn ready(id: &InstanceId) -> Goal {
    Goal::Field(
        ObjectId::dragonfly(id),
        ["status", "phase"].map(str::to_owned).to_vec(),
        super::Test::Is("Ready".into()),
    )
}

/// The last part: a replica that is new takes over, the old master's pod is deleted and comes back as a replica.
fn takes_over(
    scene: &Scene<'_>,
    id: &InstanceId,
    to: &Node<'_>,
    master: &Node<'_>,
    replicas: &[&Node<'_>],
    (steps, goals): (&mut Vec<Step>, &mut Vec<Goal>),
) -> Result<(), String> {
    let ended = promoting(scene, to.name(), false, promote::ACTION.plan)?;
    let made: Vec<Remade> = replicas
        .iter()
        .map(|node| Remade {
            pod: node.name().to_owned(),
            uid: node.view.pod.value.meta.uid.clone(),
            ip: node.view.ip().map(str::to_owned),
        })
        .collect();
    let lag = scene.limits.lag;
    steps.push(
        Step::new(
            format!(
                "wait until {} can take over, and no save, sync or slow client holds it up",
                to.name()
            ),
            Does::Await(vec![Goal::FitToLead(
                id.clone(),
                to.view.id.pod.clone(),
                lag,
            )]),
        )
        .within(CALMS)
        .leaves(format!(
            "{} master as before, and not yet made anew",
            master.name()
        )),
    );
    steps.extend(ended.steps.into_iter().map(|step| anew::after(step, &made)));
    steps.push(
        Step::new(
            format!(
                "wait until {} is made anew and follows {}",
                master.name(),
                to.name()
            ),
            Does::Await(vec![
                remade(master, id),
                Goal::AllFollow(id.clone(), to.view.id.pod.clone()),
            ]),
        )
        .within(MADE)
        .leaves(format!(
            "{} master, and {} coming back as its replica",
            to.name(),
            master.name()
        )),
    );
    goals.push(remade(master, id));
    let uid = |node: &NodeId, uid: &std::sync::Arc<str>| {
        let is_made = made.iter().any(|one| one.pod == *node.pod);
        match is_made {
            true => anew::uid(&node.pod, uid),
            false => uid.clone(),
        }
    };
    let (node, own) = (&to.view.id, &to.view.pod.value.meta.uid);
    goals.push(Goal::EngineIs(node.clone(), uid(node, own), Role::Master));
    goals.push(Goal::LabelIs(
        node.clone(),
        uid(node, own),
        Some(Role::Master),
    ));
    goals.push(Goal::EndpointIs(id.clone(), node.pod.clone()));
    goals.push(Goal::AllFollow(id.clone(), node.pod.clone()));
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use std::collections::BTreeSet;

    use super::*;
    use crate::actions::{Objects, Reading, Rules, Stand, Target};
    use crate::checks::Limits;
    use crate::domain::fixture::*;

    /// Asks about a fixture, with those args.
    fn asked<T>(f: &Fixture, args: &Args, ask: impl FnOnce(&Scene<'_>) -> T) -> T {
        let target = Target::Instance(f.id.clone());
        let objects = Objects::new();
        let reading = Reading {
            world: &f.world,
            objects: &objects,
            now: now(),
        };
        let (limits, rules, accepted) = (Limits::default(), Rules::default(), BTreeSet::new());
        ask(&Scene::new(
            reading, &limits, &rules, &target, args, &accepted,
        ))
    }

    /// The run that began five minutes before now.
    fn resumed() -> Args {
        Args::default().with("resume", "20260102T115500-restart-orders-0001")
    }

    #[test]
    fn replicas_are_first_the_master_is_last_and_what_is_new_stays() {
        let again = resumed().with("again", "true");
        for (name, spec, args, wanted) in [
            (
                "all",
                healthy(),
                Args::default(),
                Ok(
                    "restart shop/orders: orders-1, then orders-2, then orders-0 after orders-1 has taken over",
                ),
            ),
            (
                "the master is another",
                instance("orders").node(replica()).node(master()),
                Args::default(),
                Ok("restart shop/orders: orders-0, then orders-1 after orders-0 has taken over"),
            ),
            (
                "one is new already",
                instance("orders")
                    .node(master())
                    .node(replica().young(200))
                    .node(replica()),
                resumed(),
                Ok(
                    "finish the restart of shop/orders: orders-2, then orders-0 after orders-1 has taken over",
                ),
            ),
            (
                "that counts for a restart that goes on alone",
                instance("orders")
                    .node(master())
                    .node(replica().young(200))
                    .node(replica()),
                Args::default(),
                Ok(
                    "restart shop/orders: orders-1, then orders-2, then orders-0 after orders-1 has taken over",
                ),
            ),
            (
                "and not where all are wanted",
                instance("orders")
                    .node(master())
                    .node(replica().young(200))
                    .node(replica()),
                again,
                Ok(
                    "restart shop/orders: orders-1, then orders-2, then orders-0 after orders-1 has taken over",
                ),
            ),
            (
                "the master alone is left",
                instance("orders").node(master()).node(replica().young(90)),
                resumed(),
                Ok("finish the restart of shop/orders: orders-0 after orders-1 has taken over"),
            ),
            (
                "the old master is left, as a replica",
                instance("orders").node(replica()).node(master().young(90)),
                resumed(),
                Ok("finish the restart of shop/orders: orders-0"),
            ),
            (
                "nothing is left",
                instance("orders")
                    .node(master().young(90))
                    .node(replica().young(90)),
                resumed(),
                Ok("finish the restart of shop/orders: every pod is new already"),
            ),
            (
                "it was stopped right after the takeover",
                instance("orders")
                    .node(master())
                    .node(replica().young(90).engine_master().replid("x")),
                resumed(),
                Ok("finish the restart of shop/orders: orders-1 has taken over already"),
            ),
            (
                "two masters are nobody's restart",
                instance("orders")
                    .node(master())
                    .node(replica().engine_master().replid("x")),
                Args::default(),
                Err("orders-0 and orders-1 of shop/orders act as master"),
            ),
        ] {
            let f = spec.build();
            let planned = asked(&f, &args, |scene| (ACTION.plan)(scene));
            let again = asked(&f, &args, |scene| (ACTION.plan)(scene));
            assert_eq!(planned, again, "{name}");
            let told = planned.map(|plan| plan.sentence);
            assert_eq!(
                told.as_deref(),
                wanted.map_err(str::to_owned).as_ref().copied(),
                "{name}"
            );
        }
    }

    #[test]
    fn nothing_is_deleted_before_what_went_before_is_in_sync_again() {
        let f = healthy().build();
        let plan = asked(&f, &Args::default(), |scene| (ACTION.plan)(scene)).unwrap();
        let words: Vec<&str> = plan.steps.iter().map(|step| step.words.as_str()).collect();
        assert_eq!(
            words,
            [
                "delete pod orders-1, a replica",
                "wait until orders-1 is made anew and all replicas are in stable sync",
                "delete pod orders-2, a replica",
                "wait until orders-2 is made anew and all replicas are in stable sync",
                "wait until orders-1 can take over, and no save, sync or slow client holds it up",
                "have orders-1 take over, giving the server 3s",
                "label orders-1 master",
                "note on orders-2 that it follows orders-1",
                "take the role label of orders-0",
                "delete pod orders-0, whose process would come back as a master with an old data set",
                "have orders-2 follow orders-1",
                "wait until orders-0 is made anew and follows orders-1",
            ]
        );
        // No step on a pod that the plan makes anew names the uid or the address that it has now.
        for step in &plan.steps[4..] {
            let told = format!("{:?}", step.does);
            for old in [
                "\"uid-orders-1\"",
                "\"uid-orders-2\"",
                "\"10.0.0.2\"",
                "\"10.0.0.3\"",
            ] {
                assert!(!told.contains(old), "{}: {told}", step.words);
            }
        }
        // The takeover is sent once, and only to that pod.
        let Does::Command { uid, .. } = &plan.steps[5].does else {
            panic!("no command");
        };
        assert_eq!(&**uid, "<uid of orders-1, not uid-orders-1>");
        assert!(!plan.steps[5].repeatable);
        for replica in 1..=2 {
            let made = format!("orders-{replica} was made anew and is ready");
            assert!(plan.goals.iter().any(|goal| goal.words() == made));
        }
    }

    #[test]
    fn it_begins_only_where_every_replica_is_in_sync() {
        for (name, spec, stand, evidence) in [
            (
                "healthy",
                healthy(),
                Stand::Pass,
                "every replica is in stable sync, by both ends",
            ),
            (
                "one cut off",
                instance("orders")
                    .node(master())
                    .node(replica())
                    .node(replica().cut_off(60)),
                Stand::Block,
                "orders-2 has no link to its master",
            ),
            (
                "one missing",
                instance("orders").node(master()).node(replica()).wanting(3),
                Stand::Block,
                "1 of 3 pods are missing",
            ),
        ] {
            let f = spec.build();
            let gates = asked(&f, &Args::default(), |scene| (ACTION.preflight)(scene));
            let gate = gates.iter().find(|gate| gate.id == "all-in-sync").unwrap();
            assert_eq!(
                (gate.stand, gate.evidence.as_str()),
                (stand, evidence),
                "{name}"
            );
        }
        let alone = instance("orders").node(master()).build();
        assert!(asked(&alone, &Args::default(), |scene| (ACTION.available)(scene)).is_err());
    }
}
