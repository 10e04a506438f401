//! Ends a takeover that does not end by itself, or the master that one left behind.
//!
//! Measured on v1.39 and v1.40: a takeover is held up by one client that does not read its replies, and the old master is locked
//! meanwhile; the end of that client's connection lets it go on. Never is REPLTAKEOVER sent again: a second one ends the new
//! master (v1.39). Once another is master, the old one has nothing that it lacks, and its pod can go.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{
    About, Action, Does, Gate, Goal, Look, ObjectId, Plan, Risk, Scene, Step, moves, no_choice,
    nothing_more, rolling,
};
use crate::checks::{Case, Instance, Node, Word};
use crate::domain::engine::{Phase, Role};
use crate::domain::text;

/// The action.
pub const ACTION: Action = Action {
    id: "unwedge",
    verb: "unwedge",
    title: "End a takeover that does not end",
    doc: "lets a takeover that is held up go on, by ending the connection of the client that does not read; or removes the locked master that it left behind",
    about: About::Instance,
    risk: Risk::LosesData,
    args: &[],
    reads,
    available,
    candidates: no_choice,
    preflight,
    plan,
};

/// How long the takeover is given once nothing holds it up: tens of milliseconds, measured.
const GOES_ON: Duration = Duration::from_secs(30);
/// How long the old pod is given to come back, and the operator to finish what it was at.
const COMES_BACK: Duration = Duration::from_secs(600);

fn reads(scene: &Scene<'_>) -> Vec<Look> {
    nothing_more(scene)
}

/// How the takeover stands.
enum Wedge<'c, 'a> {
    /// Another is master already; this one is still up and locked.
    LeftBehind {
        new: &'c Node<'a>,
        old: &'c Node<'a>,
    },
    /// Another was made master by a run of ours, and this one's process came back as one, with an old data set, before anybody was
    /// told.
    CameBack {
        new: &'c Node<'a>,
        old: &'c Node<'a>,
    },
    /// It is held up, by these clients of the old master: id and address.
    HeldUp {
        target: Option<&'c Node<'a>>,
        old: &'c Node<'a>,
        clients: Vec<(u64, String)>,
    },
}

/// The new master that nobody was told of, and the old one, in a run that was stopped between the two.
fn came_back<'c, 'a>(instance: &'c Instance<'a>) -> Option<Wedge<'c, 'a>> {
    let with = |label: Role| {
        let mut nodes = instance
            .nodes
            .iter()
            .filter(|node| node.says(Role::Master) && node.view.label_role() == Some(label));
        let one = nodes.next()?;
        nodes.next().is_none().then_some(one)
    };
    let (new, old) = (with(Role::Replica)?, with(Role::Master)?);
    Some(Wedge::CameBack { new, old })
}

fn wedge<'c, 'a>(
    scene: &Scene<'_>,
    case: &Case<'_>,
    instance: &'c Instance<'a>,
) -> Result<Wedge<'c, 'a>, String> {
    let id = &instance.view.id;
    let Some((situation, sentence, about)) = rolling::takeover(case) else {
        if scene.args.get("resume").is_some()
            && let Some(found) = came_back(instance)
        {
            return Ok(found);
        }
        return Err(format!(
            "no takeover of {id} is under way or left a master behind"
        ));
    };
    let nodes = || {
        instance
            .nodes
            .iter()
            .filter(|node| about.iter().any(|pod| pod == node.name()))
    };
    match situation {
        "old-master-up" => {
            let old = nodes().next().ok_or("the old master is not known")?;
            let new = instance
                .masters()
                .into_iter()
                .find(|node| node.name() != old.name());
            let new = new.and_then(|new| instance.node(new.name()));
            Ok(Wedge::LeftBehind {
                new: new.ok_or("no other master is known")?,
                old,
            })
        }
        "takeover-wedged" => {
            let old = nodes()
                .find(|node| node.says(Role::Master))
                .ok_or("which node is the old master is not known")?;
            let target = nodes().find(|node| node.name() != old.name());
            let list = old
                .view
                .engine
                .and_then(|engine| engine.client_list.as_ref());
            let slow = list.iter().flat_map(|known| &known.value.slow);
            let clients: Vec<(u64, String)> = slow
                .filter(|client| client.phase == Phase::Sending || client.send_wait.is_some())
                .filter_map(|client| Some((client.id?, client.addr.clone())))
                .collect();
            Ok(Wedge::HeldUp {
                target,
                old,
                // What holds it up is let go only where it is known who is to be told as master: the old one's process comes
                // back as a master at once.
                clients: if target.is_some() {
                    clients
                } else {
                    Vec::new()
                },
            })
        }
        _ => Err(format!(
            "{sentence}: it is given its time before it counts as wedged"
        )),
    }
}

fn available(scene: &Scene<'_>) -> Result<(), String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    wedge(scene, &case, instance).map(drop)
}

/// How far behind the target is, by the word of the old master, which takes no writes any more.
fn behind(instance: &Instance<'_>, old: &Node<'_>, target: Option<&Node<'_>>) -> Option<u64> {
    instance.view.line_for(&old.view, &target?.view)?.lag
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let found = match wedge(scene, &case, instance) {
        Ok(found) => found,
        Err(why) => return vec![Gate::block("wedged", why)],
    };
    let silent: Vec<&str> = instance
        .nodes
        .iter()
        .filter(|node| node.runs() && matches!(node.word, Word::Silent { .. }))
        .map(Node::name)
        .collect();
    let mut all = match silent.as_slice() {
        [] => Vec::new(),
        // Its dial to one that does not answer fails the whole pass (operator v1.3.1 to v1.6.1).
        some => vec![Gate::warn(
            "all-answer",
            format!(
                "{} does not answer: until it does, the operator makes no new pod a replica",
                some.join(", ")
            ),
        )],
    };
    all.extend(match found {
        Wedge::LeftBehind { new, old } => vec![Gate::pass(
            "all-data",
            format!("{} is master and has all that {} has, which is locked", new.name(), old.name()),
        )],
        Wedge::CameBack { new, old } => vec![Gate::ask(
            "all-data",
            format!(
                "{} has all that {} had when it took over; what was written to {} since it came back is lost with it",
                new.name(),
                old.name(),
                old.name()
            ),
        )],
        Wedge::HeldUp {
            target,
            old,
            clients,
        } => {
            let mut gates = Vec::new();
            let addresses: Vec<&str> = clients.iter().map(|(_, addr)| addr.as_str()).collect();
            gates.push(match addresses.as_slice() {
                [] => Gate::ask(
                    "held-up-by",
                    format!("no client of {} is known that does not read: what holds it up is not known", old.name()),
                ),
                some => Gate::pass("held-up-by", format!("{} reads nothing on {}", some.join(", "), old.name())),
            });
            if clients.is_empty() {
                gates.push(match behind(instance, old, target) {
                    Some(0) => Gate::warn(
                        "all-data",
                        format!("{} is locked, and lists its target as having every record", old.name()),
                    ),
                    Some(lag) => Gate::ask(
                        "all-data",
                        format!("the target lacks {} that {} has", text::records(lag), old.name()),
                    ),
                    None => Gate::ask("all-data", "what the target lacks is not told"),
                });
            }
            gates
        }
    });
    all
}

fn uid(node: &Node<'_>) -> Arc<str> {
    node.view.pod.value.meta.uid.clone()
}

/// Tells Kubernetes who is master, and removes the old one's pod, at one moment.
fn told(new: Option<&Node<'_>>, old: &Node<'_>) -> Vec<Step> {
    let labelled = |node: &Node<'_>, role: Value, words: String| {
        Step::new(
            words,
            Does::Patch {
                object: ObjectId::pod(&node.view.id),
                part: "",
                uid: Some(uid(node)),
                patch: json!({"metadata": {"labels": {"role": role}}}),
            },
        )
    };
    let mut steps = Vec::new();
    if let Some(new) = new {
        let is_labelled = Goal::LabelIs(new.view.id.clone(), uid(new), Some(Role::Master));
        let words = format!("label {} master", new.name());
        steps.push(labelled(new, json!("master"), words).unless(vec![is_labelled]));
    }
    let words = format!("take the role label of {}", old.name());
    let taken = labelled(old, Value::Null, words).optional();
    steps.push(match steps.is_empty() {
        true => taken,
        false => taken.together(),
    });
    steps.push(
        Step::new(
            format!("delete pod {}, the locked master", old.name()),
            Does::Delete {
                object: ObjectId::pod(&old.view.id),
                uid: uid(old),
                grace: None,
                orphans: false,
            },
        )
        .together(),
    );
    steps
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let id = &instance.view.id;
    let mut steps = Vec::new();
    let mut risk = Risk::Disruptive;
    let (sentence, losses, old, leads);
    match wedge(scene, &case, instance)? {
        Wedge::LeftBehind { new, old: locked } => {
            (old, leads) = (locked, None);
            sentence = format!(
                "remove {}, which {} of {id} has taken over from",
                old.name(),
                new.name()
            );
            losses = format!("nothing: {} has all of its data", new.name());
            steps.extend(told(Some(new), old));
        }
        Wedge::CameBack { new, old: back } => {
            (old, leads) = (back, Some(new));
            risk = Risk::LosesData;
            sentence = format!(
                "finish the takeover of {id}: {} has taken over, and {} came back as a master",
                new.name(),
                old.name()
            );
            losses = format!(
                "what was written to {} since its process came back",
                old.name()
            );
            steps.extend(told(Some(new), old));
        }
        Wedge::HeldUp {
            target,
            old: locked,
            clients,
        } if !clients.is_empty() => {
            (old, leads) = (locked, None);
            let names = clients
                .iter()
                .map(|(_, addr)| addr.clone())
                .collect::<Vec<_>>()
                .join(", ");
            sentence = format!(
                "let the takeover of {id} go on: end the connection of {names} to {}",
                old.name()
            );
            losses = "no acknowledged write: the takeover goes on as it was meant to; those clients lose their connection".to_owned();
            steps.extend(
                clients
                    .iter()
                    .map(|(client, addr)| ended(old, *client, addr)),
            );
            // Not for the old one: its process ends, and comes back as a master at once. That it is none is made so by the steps
            // that follow.
            let leads =
                target.map(|new| Goal::EngineIs(new.view.id.clone(), uid(new), Role::Master));
            let goals = leads.into_iter().collect();
            steps.push(
                Step::new(
                    "wait until the takeover has come to its end",
                    Does::Await(goals),
                )
                .within(GOES_ON)
                .leaves("the takeover as it is; unwedge again tells what holds it up by then"),
            );
            steps.extend(told(target, old));
        }
        Wedge::HeldUp {
            target,
            old: locked,
            ..
        } => {
            (old, leads) = (locked, None);
            let lag = behind(instance, old, target);
            if lag != Some(0) {
                risk = Risk::LosesData;
            }
            sentence = format!(
                "end the takeover of {id} by removing {}, the locked master",
                old.name()
            );
            losses = match lag {
                Some(0) => "no acknowledged write, by the word of the old master: its target has every record".to_owned(),
                Some(_) => "the records that the target lacks; how many, the gate all-data tells".to_owned(),
                None => "whatever the target lacks, which is not told".to_owned(),
            };
            // Who is master then is the operator's choice: it knows that the takeover failed.
            steps.extend(told(None, old));
        }
    }
    let mut settled = vec![
        Goal::Remade(old.view.id.clone(), uid(old), id.clone()),
        Goal::OneMaster(id.clone()),
    ];
    // Else the operator may have elected another one, of the same data, before the label was there (seen on the lab).
    if let Some(new) = leads {
        settled.push(Goal::EndpointIs(id.clone(), new.view.id.pod.clone()));
    }
    steps.push(
        Step::new(
            format!(
                "wait until {} is made anew and it is settled who is master",
                old.name()
            ),
            Does::Await(settled.clone()),
        )
        .within(COMES_BACK)
        .leaves("the operator putting the rest right by itself"),
    );
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence,
        risk,
        before: moves::before(instance),
        steps,
        at_the_end: Vec::new(),
        goals: settled,
        patience: Duration::from_secs(60),
        losses,
        takes: "seconds until somebody can write again".to_owned(),
        back: "nothing to go back to: nobody can write as it is".to_owned(),
        owner: None,
    })
}

fn ended(old: &Node<'_>, client: u64, addr: &str) -> Step {
    Step::new(
        format!(
            "end the connection of {addr}, which does not read what {} answers",
            old.name()
        ),
        Does::Command {
            node: old.view.id.clone(),
            uid: uid(old),
            words: vec![
                "CLIENT".to_owned(),
                "KILL".to_owned(),
                "ID".to_owned(),
                client.to_string(),
            ],
            expects: Some(Role::Master),
            // How many it ended.
            reply: Some(String::new()),
            told_by: Vec::new(),
            refuted_by: Vec::new(),
        },
    )
    .optional()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use std::collections::BTreeSet;

    use super::*;
    use crate::actions::{Args, Objects, Reading, Rules, Target};
    use crate::checks::Limits;
    use crate::domain::engine::{ClientList, Persistence, Probe, Question, SlowClient};
    use crate::domain::fixture::*;

    /// A takeover that is held up; for how long a client does not read, and how far its target is behind.
    fn held_up(unread: Option<u64>, lag: u64) -> Fixture {
        let mut f = instance("orders")
            .node(master())
            .node(
                replica()
                    .lagging(lag)
                    .falls_silent(Some(Question::Replication), 70),
            )
            .node(replica())
            .build();
        f.answers(
            "orders-0",
            Probe::Persistence(Persistence::default()),
            ago(1),
        );
        let slow = unread.map(|seconds| SlowClient {
            id: Some(27),
            addr: "10.1.0.9:4711".to_owned(),
            phase: Phase::Sending,
            send_wait: Some(seconds),
            ..SlowClient::default()
        });
        let list = ClientList {
            slow: slow.into_iter().collect(),
            ..ClientList::default()
        };
        f.answers("orders-0", Probe::ClientList(list), ago(1));
        f
    }

    #[test]
    fn what_ends_it_depends_on_what_holds_it_up() {
        let two_masters = || {
            instance("orders")
                .node(master())
                .node(replica().engine_master().replid("other"))
                .build()
        };
        let kill = "CLIENT KILL ID 27";
        for (name, f, resumes, wanted) in [
            (
                "all is well",
                healthy().build(),
                false,
                Err("no takeover of shop/orders is under way or left a master behind"),
            ),
            (
                "by a client",
                held_up(Some(120), 3),
                false,
                Ok((Risk::Disruptive, Some(kill), "label orders-1 master")),
            ),
            (
                "by nobody known",
                held_up(None, 3),
                false,
                Ok((Risk::LosesData, None, "take the role label of orders-0")),
            ),
            (
                "by nobody known, all records there",
                held_up(None, 0),
                false,
                Ok((Risk::Disruptive, None, "take the role label of orders-0")),
            ),
            (
                "two masters that are none of ours",
                two_masters(),
                false,
                Err("no takeover of shop/orders is under way or left a master behind"),
            ),
            (
                "a run of ours was stopped",
                two_masters(),
                true,
                Ok((Risk::LosesData, None, "label orders-1 master")),
            ),
        ] {
            let target = Target::Instance(f.id.clone());
            let objects = Objects::new();
            let reading = Reading {
                world: &f.world,
                objects: &objects,
                now: now(),
            };
            let mut args = Args::default();
            if resumes {
                args.set("resume", "20260102T115900-unwedge-orders-1");
            }
            let (limits, rules, accepted) = (Limits::default(), Rules::default(), BTreeSet::new());
            let scene = Scene::new(reading, &limits, &rules, &target, &args, &accepted);
            let planned = (ACTION.plan)(&scene);
            let (risk, command, told) = match (wanted, planned) {
                (Err(why), planned) => {
                    assert_eq!(planned.unwrap_err(), why, "{name}");
                    continue;
                }
                (Ok((risk, command, told)), Ok(plan)) => {
                    assert_eq!(plan.risk, risk, "{name}");
                    (plan.clone(), command, told)
                }
                (_, Err(why)) => panic!("{name}: {why}"),
            };
            let plan = risk;
            let sent = plan.steps.iter().find_map(|step| match &step.does {
                Does::Command { words, .. } => Some(words.join(" ")),
                _ => None,
            });
            assert_eq!(sent.as_deref(), command, "{name}");
            assert!(
                plan.steps.iter().any(|step| step.words == told),
                "{name}: {:?}",
                plan.steps
            );
            // The old one goes in any case, and no takeover is ever sent.
            let deletes = plan.steps.iter().filter(
                |step| matches!(&step.does, Does::Delete { uid, .. } if &**uid == "uid-orders-0"),
            );
            assert_eq!(deletes.count(), 1, "{name}");
            assert_eq!(plan, (ACTION.plan)(&scene).unwrap(), "{name}");
        }
    }
}
