//! Clients that are still on a node that takes no writes any more: connections outlive a change of the master, and whoever keeps
//! one open gets `-READONLY` until it closes it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::proof::{Tells, droppable};
use super::{About, Action, Candidate, Does, Gate, Goal, Plan, Risk, Scene, Step, choice};
use crate::checks::{Case, Instance, Node};
use crate::domain::consumers::{Consumers, consumers};
use crate::domain::engine::{ClientList, Question, Role};
use crate::domain::text;

/// The action.
pub const ACTION: Action = Action {
    id: "drop-clients",
    verb: "drop-clients",
    title: "Drop clients of an old master",
    doc: "ends the connections of clients to a replica, one by one, so that they connect anew and come to the master; they are shown first, by namespace and workload",
    about: About::Instance,
    risk: Risk::Disruptive,
    args: &[crate::actions::ArgDoc {
        doc: "only this node; without it, every replica",
        ..choice::POD
    }],
    reads: super::nothing_more,
    available,
    candidates,
    preflight,
    plan,
};

fn available(scene: &Scene<'_>) -> Result<(), String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    chosen(scene, instance).map(drop)
}

/// The node that was named, or every replica.
fn chosen<'c, 'a>(
    scene: &Scene<'_>,
    instance: &'c Instance<'a>,
) -> Result<Vec<&'c Node<'a>>, String> {
    if let Some(pod) = scene.args.get("pod") {
        return choice::named(instance, pod).map(|node| vec![node]);
    }
    let replicas: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|node| node.says(Role::Replica))
        .collect();
    match replicas.is_empty() {
        true => Err(format!(
            "no node of {} is known to be a replica",
            instance.view.id
        )),
        false => Ok(replicas),
    }
}

fn clients<'a>(case: &Case<'_>, node: &Node<'a>) -> Option<&'a ClientList> {
    let known = node.told(case, Question::ClientList, |engine| {
        engine.client_list.as_ref()
    });
    known.map(|known| &known.value)
}

/// Addresses whose connections stay: the other nodes', and the operator's.
fn spared(case: &Case<'_>, instance: &Instance<'_>) -> Vec<String> {
    let own = instance.nodes.iter().filter_map(|node| node.view.ip());
    let operator = case
        .context
        .operator_pods
        .iter()
        .filter_map(|held| held.value.ip.as_deref());
    let mut all: Vec<String> = own.chain(operator).map(str::to_owned).collect();
    all.sort();
    all.dedup();
    all
}

/// The clients of a node that would be dropped, by whose they are.
fn doomed(list: &ClientList, all: &Consumers, spare: &[String]) -> (u64, Vec<String>) {
    let mut by_whose: BTreeMap<String, u64> = BTreeMap::new();
    for group in list
        .groups
        .iter()
        .filter(|group| droppable(&group.ip, group.port, spare))
    {
        *by_whose.entry(all.whose(&group.ip).words()).or_default() += group.count;
    }
    let count = by_whose.values().sum();
    let words = by_whose
        .iter()
        .map(|(whose, count)| format!("{count} of {whose}"));
    (count, words.collect())
}

fn candidates(scene: &Scene<'_>) -> Vec<Candidate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let (all, spare) = (
        consumers(case.world, &instance.view),
        spared(&case, instance),
    );
    choice::candidates(scene, |node| {
        choice::answers(node)?;
        if node.says(Role::Master) {
            return Err(format!(
                "{} is the master: clients belong there",
                node.name()
            ));
        }
        let list = clients(&case, node)
            .ok_or_else(|| format!("{} does not tell its clients", node.name()))?;
        match doomed(list, &all, &spare) {
            (0, _) => Err(format!("no client is connected to {}", node.name())),
            (_, words) => Ok(words.join(", ")),
        }
    })
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let nodes = match chosen(scene, instance) {
        Ok(nodes) => nodes,
        Err(why) => return vec![Gate::block("chosen", why)],
    };
    let mut gates = vec![choice::all_answer(&nodes)];
    gates.push(no_master(&nodes));
    // Dropped while nothing takes writes, they would come back to where they were.
    gates.push(match instance.endpoints.as_deref() {
        Some([]) => Gate::ask(
            "master",
            "the Service sends nowhere: dropped clients have no master to come to",
        ),
        _ => Gate::pass("master", instance.endpoints_words()),
    });
    gates.push(shown(&case, instance, &nodes));
    gates
}

/// None of them takes writes: clients of a master are where they belong. One that calls itself so, and to which the Service does
/// not send, may be the old one.
fn no_master(nodes: &[&Node<'_>]) -> Gate {
    const ID: &str = "no-master";
    let masters = || nodes.iter().filter(|node| node.says(Role::Master));
    if let Some(node) = masters().find(|node| node.view.is_endpoint) {
        return Gate::block(
            ID,
            format!(
                "{} is master, and the Service sends to it: its clients are where they belong",
                node.name()
            ),
        );
    }
    match masters().next() {
        None => Gate::pass(ID, "none of them is master"),
        Some(node) => Gate::ask(
            ID,
            format!(
                "{} calls itself master, though the Service does not send to it",
                node.name()
            ),
        ),
    }
}

/// Who is dropped, by namespace and workload.
fn shown(case: &Case<'_>, instance: &Instance<'_>, nodes: &[&Node<'_>]) -> Gate {
    const ID: &str = "clients";
    let (all, spare) = (
        consumers(case.world, &instance.view),
        spared(case, instance),
    );
    let (mut told, mut total) = (Vec::new(), 0);
    for node in nodes {
        let name = node.name();
        let Some(list) = clients(case, node) else {
            return Gate::block(ID, format!("{name} does not tell its clients"));
        };
        let (count, mut words) = doomed(list, &all, &spare);
        if list.others > 0 {
            words.push(format!(
                "{} that are too many to be told apart",
                list.others
            ));
        }
        total += count + list.others;
        if !words.is_empty() {
            told.push(format!("on {name} {}", words.join(", ")));
        }
    }
    let unread: Vec<&str> = all
        .unread
        .iter()
        .map(|(context, _)| context.as_str())
        .collect();
    let unread = match unread.as_slice() {
        [] => String::new(),
        some => format!(
            " (pods of {} are not read: whose an address is there is not told)",
            some.join(", ")
        ),
    };
    match total {
        0 => Gate::block(ID, "no client is connected there"),
        _ => Gate::pass(ID, format!("{}{unread}", told.join("; "))),
    }
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let nodes = chosen(scene, instance)?;
    let spare = spared(&case, instance);
    let steps = nodes.iter().map(|node| {
        Step::new(
            format!(
                "end the connections of clients to {}, one by one",
                node.name()
            ),
            Does::DropClients {
                node: node.view.id.clone(),
                uid: choice::uid(node),
                spare: spare.clone(),
            },
        )
        .once()
        .within(Duration::from_secs(60))
        .leaves(format!("some clients still on {}", node.name()))
    });
    let goals = nodes.iter().map(|node| {
        Goal::Tells(
            node.view.id.clone(),
            choice::uid(node),
            Tells::NoClients(spare.clone()),
        )
    });
    let names: Vec<&str> = nodes.iter().map(|node| node.name()).collect();
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: format!("drop the clients of {} of {}", names.join(", "), text::one_line(&instance.view.id.to_string())),
        risk: ACTION.risk,
        before: nodes.iter().map(|node| choice::line(node)).collect(),
        steps: steps.collect(),
        at_the_end: Vec::new(),
        goals: goals.collect(),
        patience: Duration::from_secs(10),
        losses: "replies that are on their way to these clients; nothing that is stored".to_owned(),
        takes: "a moment. Each client sees its connection closed and connects anew; one that names this pod rather than the Service comes back to it, and is told".to_owned(),
        back: "nothing to take back".to_owned(),
        owner: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::fixture::{ask, gate, held};
    use crate::domain::engine::{ClientGroup, Probe};
    use crate::domain::fixture::{Fixture, ago, healthy};

    fn with(groups: &[(&str, u16, u64)], others: u64) -> Fixture {
        let mut f = healthy().build();
        for pod in ["orders-0", "orders-1", "orders-2"] {
            let own = groups.iter().filter(|_| pod == "orders-1");
            let list = ClientList {
                groups: own
                    .map(|(ip, port, count)| ClientGroup {
                        ip: (*ip).to_owned(),
                        port: Some(*port),
                        count: *count,
                        ..ClientGroup::default()
                    })
                    .collect(),
                others: if pod == "orders-1" { others } else { 0 },
                ..ClientList::default()
            };
            f.answers(pod, Probe::ClientList(list), ago(1));
        }
        f
    }

    #[test]
    fn only_clients_of_the_data_port_from_elsewhere_are_dropped() {
        for (name, groups, others, wanted) in [
            (
                "a client",
                &[("10.4.0.9", 6379, 3)][..],
                0,
                "pass: on orders-1 3 of 10.4.0.9, no pod's",
            ),
            (
                "ourselves",
                &[("127.0.0.1", 6379, 3)],
                0,
                "blocked: no client is connected there",
            ),
            (
                "administration",
                &[("10.4.0.9", 9999, 3)],
                0,
                "blocked: no client is connected there",
            ),
            (
                "another node",
                &[("10.0.0.1", 6379, 1)],
                0,
                "blocked: no client is connected there",
            ),
            (
                "very many",
                &[("10.4.0.9", 6379, 3)],
                500,
                "pass: on orders-1 3 of 10.4.0.9, no pod's, 500 that are too many to be told apart",
            ),
        ] {
            let got = gate(&ACTION, &with(groups, others), &[], "clients");
            let got = got.split(" (pods of").next().unwrap_or_default().to_owned();
            assert_eq!(got, wanted, "{name}");
        }
    }

    #[test]
    fn replicas_are_meant_and_no_master() {
        let f = with(&[("10.4.0.9", 6379, 3)], 0);
        for (pod, sentence, no_master) in [
            (
                None,
                "drop the clients of orders-1, orders-2 of shop/orders",
                "pass: none of them is master",
            ),
            (
                Some("orders-0"),
                "drop the clients of orders-0 of shop/orders",
                "blocked: orders-0 is master, and the Service sends to it: its clients are where they belong",
            ),
        ] {
            let args: Vec<_> = pod.map(|pod| ("pod", pod)).into_iter().collect();
            let got = ask(&ACTION, &f, &args, |scene| {
                plan(scene).map(|plan| plan.sentence)
            });
            assert_eq!(got, Ok(sentence.to_owned()));
            assert_eq!(gate(&ACTION, &f, &args, "no-master"), no_master);
        }
        let mut old = f;
        old.send_to(&["orders-1"], ago(1));
        assert_eq!(
            gate(&ACTION, &old, &[("pod", "orders-0")], "no-master"),
            "to be accepted: orders-0 calls itself master, though the Service does not send to it"
        );
    }

    #[test]
    fn those_who_come_back_are_told() {
        let goal = |f: &Fixture| {
            ask(&ACTION, f, &[("pod", "orders-1")], |scene| {
                plan(scene).map(|mut p| p.goals.remove(0))
            })
        };
        for (groups, others, wanted) in [
            (
                &[("10.0.0.2", 9999, 1)][..],
                0,
                "holds: no client is connected to orders-1",
            ),
            (
                &[("10.4.0.9", 6379, 2)],
                0,
                "not yet: 2 clients are connected to orders-1, of 10.4.0.9",
            ),
            (&[], 7, "untold: 7 clients of orders-1 are not told apart"),
        ] {
            let f = with(groups, others);
            assert_eq!(goal(&f).map(|goal| held(&goal, &f)), Ok(wanted.to_owned()));
        }
    }
}
