//! A pod asked to leave by the eviction API, which keeps to disruption budgets: what a drain of its machine would do.

use std::time::Duration;

use super::{
    About, Action, ArgDoc, Does, Gate, Goal, ObjectId, Plan, Risk, Scene, Step, choice, gates,
};
use crate::checks::Node;
use crate::domain::engine::Role;

/// The action.
pub const ACTION: Action = Action {
    id: "evict",
    verb: "evict",
    title: "Evict a pod",
    doc: "has the API server evict a pod, which keeps to its disruption budget; the StatefulSet makes it anew, on another machine where this one is cordoned",
    about: About::Instance,
    risk: Risk::Disruptive,
    args: &[ArgDoc {
        doc: "which pod",
        required: true,
        ..choice::POD
    }],
    reads: super::nothing_more,
    available,
    candidates: |scene| choice::candidates(scene, there),
    preflight,
    plan,
};

fn there(node: &Node<'_>) -> Result<String, String> {
    let name = node.name();
    match node.is_going() {
        true => Err(format!("{name} is being deleted already")),
        false if is_master(node) => Ok(format!("{name} is master: promote another first")),
        false => Ok(format!("{name} is no master")),
    }
}

fn is_master(node: &Node<'_>) -> bool {
    node.says(Role::Master) || node.view.label_role() == Some(Role::Master)
}

fn available(scene: &Scene<'_>) -> Result<(), String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    match instance.nodes.is_empty() {
        true => Err("it has no pods".to_owned()),
        false => Ok(()),
    }
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let pod = scene.args.get("pod").unwrap_or_default();
    let node = match choice::named(instance, pod) {
        Ok(node) => node,
        Err(why) => return vec![Gate::block("chosen", why)],
    };
    let mut gates = vec![Gate::of("chosen", there(node))];
    if is_master(node) {
        gates.push(Gate::ask(
            "is-master",
            format!(
                "{pod} is master: evicted, it takes what no replica has yet with it, and the operator elects another. darner promote {} --to POD loses nothing and deletes it too",
                instance.view.id
            ),
        ));
    }
    gates.push(gates::no_rollout(&case, instance));
    gates.push(gates::no_full_sync(instance));
    gates.push(gates::another_replica(&case, instance, pod));
    gates.push(gates::operator_known(&case));
    gates
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let id = &instance.view.id;
    let node = choice::named(instance, scene.args.get("pod").ok_or("no pod is named")?)?;
    let (name, uid) = (node.name(), choice::uid(node));
    let object = ObjectId::pod(&node.view.id);
    let mut goals = vec![Goal::Remade(node.view.id.clone(), uid.clone(), id.clone())];
    let was_master = is_master(node);
    match (was_master, instance.master()) {
        (true, _) => goals.push(Goal::HasMaster(id.clone(), uid.clone())),
        (false, Some(master)) => goals.push(Goal::Follows(
            id.clone(),
            node.view.id.pod.clone(),
            master.view.id.pod.clone(),
        )),
        (false, None) => {}
    }
    let steps = vec![
        Step::new(
            format!("evict {name}"),
            Does::Evict {
                object: object.clone(),
                uid: uid.clone(),
            },
        )
        .once()
        .unless(vec![Goal::Gone(object, uid)])
        .within(Duration::from_secs(30))
        .leaves(format!(
            "{name} on its way out; its StatefulSet makes it anew"
        )),
    ];
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: format!("evict {name} of {id}"),
        risk: ACTION.risk,
        before: vec![choice::line(node)],
        steps,
        at_the_end: Vec::new(),
        goals,
        // It saves what it holds before it ends, is scheduled and takes a full sync.
        patience: Duration::from_secs(600),
        losses: match was_master {
            true => "writes that were acknowledged and that no replica has yet: on SIGTERM it serves no replica any more".to_owned(),
            false => "nothing: it is no master".to_owned(),
        },
        takes: match was_master {
            true => "seconds without a master, until the operator has elected another; then as long as a full sync of the pod that comes back".to_owned(),
            false => "as long as it takes to save, to start anew and to take a full sync; clients of this pod reconnect".to_owned(),
        },
        back: "there is no way back; it comes back by itself".to_owned(),
        owner: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::fixture::{ask, gate};
    use crate::domain::fixture::{healthy, instance, master, replica};

    #[test]
    fn a_master_must_be_accepted_and_promote_is_named_first() {
        let f = healthy().build();
        let asked = "to be accepted: orders-0 is master: evicted, it takes what no replica has yet with it, and the operator elects another. darner promote shop/orders --to POD loses nothing and deletes it too";
        for (pod, wanted) in [("orders-0", asked), ("orders-1", "no such gate")] {
            assert_eq!(
                gate(&ACTION, &f, &[("pod", pod)], "is-master"),
                wanted,
                "{pod}"
            );
        }
    }

    #[test]
    fn what_proves_it_depends_on_what_it_was() {
        let going = instance("orders")
            .node(master())
            .node(replica().deleting())
            .build();
        assert_eq!(
            gate(&ACTION, &going, &[("pod", "orders-1")], "chosen"),
            "blocked: orders-1 is being deleted already"
        );
        let f = healthy().build();
        for (pod, wanted) in [
            (
                "orders-0",
                vec![
                    "orders-0 was made anew and is ready",
                    "shop/orders has one master, and the Service sends to it",
                ],
            ),
            (
                "orders-1",
                vec![
                    "orders-1 was made anew and is ready",
                    "orders-1 is in stable sync with orders-0",
                ],
            ),
        ] {
            let goals = ask(&ACTION, &f, &[("pod", pod)], |scene| {
                plan(scene).map(|plan| plan.goals.iter().map(Goal::words).collect::<Vec<_>>())
            });
            assert_eq!(
                goals,
                Ok(wanted.into_iter().map(str::to_owned).collect()),
                "{pod}"
            );
        }
        let gone = ask(&ACTION, &f, &[("pod", "orders-7")], |scene| {
            plan(scene).map(drop)
        });
        assert_eq!(gone, Err("shop/orders has no pod orders-7".to_owned()));
    }
}
