//! Two engines act as master, each with a data set of its own: one is kept, the others follow it.
//!
//! What clients wrote to the others since they parted is lost, so the sides are compared first. The label goes first, so that
//! nobody is sent to the loser any more; what is connected to its data port is dropped, as the operator does it since v1.4.0,
//! but in one command by the port (`CLIENT KILL LADDR`): replicas and we ourselves are on the admin port.

use std::sync::Arc;
use std::time::Duration;

use super::gates::ADMIN_PORT;
use super::{
    About, Action, ArgDoc, Candidate, Does, Gate, Goal, Plan, Risk, Scene, Step, gates, leading,
    moves,
};
use crate::checks::{Case, Instance, Node, Word};
use crate::domain::engine::{Question, Role};
use crate::domain::text;

/// The action.
pub const ACTION: Action = Action {
    id: "split-brain",
    verb: "split-brain",
    title: "Settle a split brain",
    doc: "keeps one of the nodes that act as master, and has the others follow it: what was written to those is lost",
    about: About::Instance,
    risk: Risk::LosesData,
    args: &[ArgDoc {
        name: "keep",
        value: "POD",
        doc: "the node that stays master",
        default: None,
        required: true,
    }],
    reads: |scene| {
        scene
            .case()
            .as_ref()
            .map(leading::looks)
            .unwrap_or_default()
    },
    available,
    candidates,
    preflight,
    plan,
};

/// The port of a Dragonfly that clients use.
const DATA_PORT: u16 = 6379;
/// How long a full sync may take: 1.4 GB took 6 to 19 s.
const FULL_SYNC: Duration = Duration::from_secs(900);

fn available(scene: &Scene<'_>) -> Result<(), String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    match instance.masters().as_slice() {
        _ if resumes(scene) => Ok(()),
        [] => Err("no engine is known to act as master".to_owned()),
        [one] => Err(format!("the engine of {} alone acts as master", one.name())),
        [_, _, ..] => Ok(()),
    }
}

/// The run that this one finishes: some of the others may follow already.
fn resumes(scene: &Scene<'_>) -> bool {
    scene.args.get("resume").is_some()
}

fn candidates(scene: &Scene<'_>) -> Vec<Candidate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let masters = instance.masters();
    let acts = |node: &Node<'_>| masters.iter().any(|master| master.name() == node.name());
    instance
        .nodes
        .iter()
        .map(|node| Candidate {
            pod: node.name().to_owned(),
            figures: figures(&case, instance, node),
            judged: match acts(node) {
                true if masters.len() == 1 => Err(format!(
                    "{}'s engine alone acts as master: nothing is parted",
                    node.name()
                )),
                true => Ok(format!("{}'s engine acts as master", node.name())),
                false => Err(format!("{}'s engine does not act as master", node.name())),
            },
        })
        .collect()
}

fn keys(case: &Case<'_>, node: &Node<'_>) -> Option<u64> {
    let known = node.told(case, Question::Keyspace, |e| e.keyspace.as_ref())?;
    Some(known.value.keys)
}

/// How many clients use its data port.
fn clients(case: &Case<'_>, node: &Node<'_>) -> Option<u64> {
    let known = node.told(case, Question::ClientList, |e| e.client_list.as_ref())?;
    let on_data = known
        .value
        .groups
        .iter()
        .filter(|group| group.port == Some(DATA_PORT));
    Some(on_data.map(|group| group.count).sum())
}

/// `keys 1,204  offset 8,401  clients 7  up 2h05m  label master  the Service sends to it  followed by 1`.
fn figures(case: &Case<'_>, instance: &Instance<'_>, node: &Node<'_>) -> String {
    let mut words = Vec::new();
    if let Some(keys) = keys(case, node) {
        words.push(format!("keys {}", text::exact(keys)));
    }
    if let Some(offsets) = node.told(case, Question::Offsets, |e| e.offsets.as_ref()) {
        words.push(format!("journal {}", text::exact(offsets.value.total())));
    }
    if let Some(clients) = clients(case, node) {
        words.push(format!("clients {clients}"));
    }
    let server = node.told(case, Question::Server, |e| e.server.as_ref());
    if let Some(up) = server.and_then(|known| known.value.uptime) {
        words.push(format!(
            "up {}",
            text::age_of(i64::try_from(up).unwrap_or(i64::MAX))
        ));
    }
    words.push(format!(
        "label {}",
        node.view.label_role().map_or("none", Role::word)
    ));
    if node.view.is_endpoint {
        words.push("the Service sends to it".to_owned());
    }
    let followers = followers(instance, node).len();
    if followers > 0 {
        words.push(format!("followed by {followers}"));
    }
    words.join("  ")
}

/// The nodes of the instance that say they follow it.
fn followers<'c, 'a>(instance: &'c Instance<'a>, node: &Node<'_>) -> Vec<&'c Node<'a>> {
    let ip = node.view.ip();
    let follows = |other: &&Node<'_>| {
        other
            .follower()
            .is_some_and(|follower| ip.is_some() && ip == Some(follower.host.as_str()))
    };
    instance.nodes.iter().filter(follows).collect()
}

/// Nodes other than the one that is kept whose engines act as master, or would if anybody asked: all of them are to follow.
fn losers<'c, 'a>(instance: &'c Instance<'a>, keep: &str) -> Vec<&'c Node<'a>> {
    instance
        .nodes
        .iter()
        .filter(|node| node.name() != keep && node.says(Role::Master) && node.runs())
        .collect()
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let Some(keep) = scene.args.get("keep") else {
        return vec![Gate::block("chosen", "no node is chosen")];
    };
    let Some(node) = instance.node(keep) else {
        return vec![Gate::block(
            "chosen",
            format!("{} has no pod {}", scene.target, text::one_line(keep)),
        )];
    };
    let losers = losers(instance, keep);
    let mut gates = vec![kept(&case, instance, node)];
    gates.push(match losers.as_slice() {
        [] if resumes(scene) => Gate::pass(
            "parted",
            format!("no engine but {keep}'s acts as master any more"),
        ),
        [] => Gate::block(
            "parted",
            format!("no engine but {keep}'s acts as master: nothing is parted"),
        ),
        some => Gate::pass(
            "parted",
            some.iter()
                .map(|node| format!("{}: {}", node.name(), figures(&case, instance, node)))
                .collect::<Vec<_>>()
                .join("; "),
        ),
    });
    gates.push(less(&case, node, &losers));
    gates.push(served(node, &losers));
    gates.push(all_answer(instance, keep));
    gates.push(match leading::leads(scene, &case) {
        leading::Leads::Yes(why) => Gate::warn(
            "operator-leads",
            format!(
                "{why}: where two pods are labelled master it takes both labels and elects by its own rule, perhaps another than {keep}"
            ),
        ),
        leading::Leads::No(why) | leading::Leads::Untold(why) => Gate::pass("operator-leads", why),
    });
    gates.push(gates::to_be_accepted(gates::no_rollout(&case, instance)));
    gates
}

/// The one that is kept is a master that answers, and stays.
fn kept(case: &Case<'_>, instance: &Instance<'_>, node: &Node<'_>) -> Gate {
    const ID: &str = "kept";
    let name = node.name();
    if !node.says(Role::Master) {
        return Gate::block(ID, format!("{name}'s engine is not known to act as master"));
    }
    if node.is_going() || !node.runs() || node.taken_over {
        return Gate::block(ID, format!("{name} is on its way out"));
    }
    if node.loading {
        return Gate::block(ID, format!("{name} is loading")).passing();
    }
    Gate::pass(ID, format!("{name}: {}", figures(case, instance, node)))
}

/// Nobody that is emptied holds more keys.
fn less(case: &Case<'_>, node: &Node<'_>, losers: &[&Node<'_>]) -> Gate {
    const ID: &str = "keeps-less";
    let name = node.name();
    let own = keys(case, node);
    let more = losers.iter().find(|loser| match (keys(case, loser), own) {
        (Some(theirs), Some(own)) => theirs > own,
        _ => true,
    });
    match more {
        None => Gate::pass(ID, format!("nobody holds more keys than {name}")),
        Some(loser) => {
            let shown =
                |keys: Option<u64>| keys.map_or("an untold number of".to_owned(), text::exact);
            Gate::ask(
                ID,
                format!(
                    "{} holds {} keys and would be emptied, {name} holds {}",
                    loser.name(),
                    shown(keys(case, loser)),
                    shown(own)
                ),
            )
        }
    }
}

/// The Service does not send clients to one that is emptied.
fn served(node: &Node<'_>, losers: &[&Node<'_>]) -> Gate {
    const ID: &str = "service-elsewhere";
    let served = losers.iter().find(|loser| loser.view.is_endpoint);
    match (served, node.view.is_endpoint) {
        (Some(loser), false) => Gate::ask(
            ID,
            format!(
                "the Service sends to {}, and not to {}: what clients write now goes where it is lost",
                loser.name(),
                node.name()
            ),
        ),
        (Some(loser), true) => Gate::pass(
            ID,
            format!(
                "the Service sends to {} and to {}",
                node.name(),
                loser.name()
            ),
        ),
        (None, true) => Gate::pass(ID, format!("the Service sends to {}", node.name())),
        (None, false) => Gate::pass(ID, "the Service sends to none of them"),
    }
}

/// Who is not heard could be a third master, and is not touched.
fn all_answer(instance: &Instance<'_>, keep: &str) -> Gate {
    const ID: &str = "all-answer";
    let silent: Vec<&str> = instance
        .nodes
        .iter()
        .filter(|node| node.name() != keep && matches!(node.word, Word::Silent { .. }))
        .map(Node::name)
        .collect();
    match silent.is_empty() {
        true => Gate::pass(ID, "every node answers"),
        false => Gate::warn(
            ID,
            format!(
                "not heard, and not touched: {}; what is there could be a master too",
                silent.join(", ")
            ),
        ),
    }
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let id = &instance.view.id;
    let keep = scene.args.get("keep").ok_or("no node is chosen")?;
    let node = instance
        .node(keep)
        .ok_or_else(|| format!("{id} has no pod {keep}"))?;
    let ip = node
        .view
        .ip()
        .ok_or_else(|| format!("{keep} has no address"))?;
    let losers = losers(instance, keep);
    let is_loser = |other: &Node<'_>| losers.iter().any(|loser| loser.name() == other.name());
    let mislabelled = instance
        .nodes
        .iter()
        .filter(|other| other.name() != keep && other.view.label_role() == Some(Role::Master));

    // The loser's label goes first: for a moment nobody is served, rather than anybody by the wrong one.
    let mut steps = Vec::new();
    for other in mislabelled {
        let is_first = steps.is_empty();
        let step = moves::unlabel(other);
        steps.push(if is_first { step } else { step.together() });
    }
    steps.push(moves::label_master(node, ip));
    let endpoint = Goal::EndpointIs(id.clone(), Arc::from(keep));
    steps.push(
        Step::new(
            format!("wait until the Service sends to {keep} alone"),
            Does::Await(vec![endpoint.clone()]),
        )
        .within(Duration::from_secs(15))
        .optional(),
    );
    for loser in &losers {
        demote(loser, node, ip, &mut steps);
    }
    // Who followed a loser holds its data set, not the one that is kept.
    let astray: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|other| other.name() != keep && !is_loser(other))
        .filter(|other| other.follower().is_some_and(|follower| follower.host != ip))
        .collect();
    for other in &astray {
        steps.push(moves::repoint(other, keep, ip));
        steps.push(moves::label_replica(other, keep, ip).optional());
    }
    // Whom the run that this one finishes has made follow may have no label yet, and may still be syncing.
    let made: Vec<&Node<'_>> = match resumes(scene) {
        true => followers(instance, node),
        false => Vec::new(),
    };
    for other in &made {
        if other.view.label_role() != Some(Role::Replica) {
            steps.push(moves::label_replica(other, keep, ip));
        }
    }
    steps.extend(moves::schedules(instance, node, &losers));

    let uid = moves::uid(node);
    let mut goals = vec![
        Goal::EngineIs(node.view.id.clone(), uid.clone(), Role::Master),
        Goal::LabelIs(node.view.id.clone(), uid, Some(Role::Master)),
        endpoint,
    ];
    goals.extend(
        losers
            .iter()
            .map(|loser| Goal::StandsDown(loser.view.id.clone(), moves::uid(loser), id.clone())),
    );
    goals.extend(
        losers
            .iter()
            .chain(&astray)
            .chain(&made)
            .map(|other| Goal::Follows(id.clone(), other.view.id.pod.clone(), Arc::from(keep))),
    );
    let names: Vec<&str> = losers
        .iter()
        .chain(&astray)
        .map(|other| other.name())
        .collect();
    let names = match names.is_empty() {
        true => "the others".to_owned(),
        false => names.join(" and "),
    };
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: format!("keep {keep} of {id} as the only master, and have {names} follow it"),
        risk: ACTION.risk,
        before: moves::before(instance),
        steps,
        at_the_end: Vec::new(),
        goals,
        patience: FULL_SYNC,
        losses: format!("everything on {names} that {keep} does not have: whatever was written there since they parted"),
        takes: format!("a second or two without a Service; clients of {names} are dropped and reconnect; then a full sync each (1.4 GB: 6 to 19 s)"),
        back: "none: what is flushed is gone. Take a snapshot of the other side first if it may be needed".to_owned(),
        owner: None,
    })
}

/// A master that is not kept: its clients are dropped, and it follows.
fn demote(loser: &Node<'_>, node: &Node<'_>, ip: &str, steps: &mut Vec<Step>) {
    let (name, keep) = (loser.name(), node.name());
    let own = loser.view.ip().unwrap_or_default();
    let door = match own.contains(':') {
        true => format!("[{own}]:{DATA_PORT}"),
        false => format!("{own}:{DATA_PORT}"),
    };
    let drop = || {
        let mut does = moves::command(loser, &["CLIENT", "KILL", "LADDR", &door]);
        if let Does::Command { reply, .. } = &mut does {
            // It answers with how many there were.
            *reply = Some(String::new());
        }
        does
    };
    steps.push(
        Step::new(
            format!("drop every client on the data port of {name}"),
            drop(),
        )
        .optional(),
    );
    let points = Goal::PointsTo(loser.view.id.clone(), moves::uid(loser), ip.to_owned());
    let does = moves::command(loser, &["REPLICAOF", ip, &ADMIN_PORT.to_string()]);
    let does = moves::expecting(moves::told(does, vec![points.clone()]), Role::Master);
    steps.push(
        Step::new(
            format!("have {name} follow {keep}, which empties it and syncs it anew"),
            does,
        )
        .once()
        .unless(vec![points])
        .within(Duration::from_secs(25))
        .leaves(format!(
            "{name} without label and clients; where it was refused, it does not reach {keep}: then deleting pod {name} ends it"
        )),
    );
    // Who came back in between, by an address or an endpoint that was known from before, reads and cannot write.
    steps.push(Step::new(format!("drop who came back to {name} meanwhile"), drop()).optional());
    steps.push(moves::label_replica(loser, keep, ip));
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )]
    use super::*;
    use crate::actions::Objects;
    use crate::actions::told::{Told, told};
    use crate::domain::FaultKind;
    use crate::domain::fixture::*;

    fn said(spec: InstanceSpec, args: &[(&'static str, &str)]) -> Told {
        told(&ACTION, &spec.build(), args, &Objects::new())
    }

    fn parted() -> InstanceSpec {
        instance("orders")
            .node(master())
            .node(master())
            .node(replica().follows("10.0.0.2"))
    }

    #[test]
    fn one_is_kept_that_acts_as_master_and_holds_no_less() {
        let ask = "ask no-rollout";
        for (case, spec, keep, stops) in [
            ("either", parted(), "orders-0", vec![ask]),
            (
                "nothing is parted",
                healthy(),
                "orders-0",
                vec!["block parted", ask],
            ),
            (
                "a replica",
                parted(),
                "orders-2",
                vec!["block kept", "ask service-elsewhere", ask],
            ),
            (
                "it holds less",
                instance("orders")
                    .node(master())
                    .node(master().keys(2_000))
                    .node(replica()),
                "orders-0",
                vec!["ask keeps-less", ask],
            ),
            (
                "the Service sends to the other",
                instance("orders")
                    .node(master())
                    .node(replica().engine_master())
                    .node(replica().follows("10.0.0.2")),
                "orders-1",
                vec!["ask service-elsewhere", ask],
            ),
            (
                "it does not answer",
                instance("orders")
                    .node(master().unreachable(FaultKind::Timeout, "timed out"))
                    .node(master()),
                "orders-0",
                vec!["block kept", "ask keeps-less", ask],
            ),
            ("no such pod", parted(), "orders-9", vec!["block chosen"]),
        ] {
            assert_eq!(said(spec, &[("keep", keep)]).stops(), stops, "{case}");
        }
        assert_eq!(
            said(healthy(), &[]).unavailable,
            "the engine of orders-0 alone acts as master"
        );
        assert_eq!(said(parted(), &[]).unavailable, "");
    }

    #[test]
    fn the_loser_loses_its_label_then_its_clients_then_its_data() {
        let told = said(parted(), &[("keep", "orders-0")]);
        assert_eq!(
            told.steps(),
            [
                "take the role label of orders-1",
                "label orders-0 master",
                "wait until the Service sends to orders-0 alone",
                "drop every client on the data port of orders-1",
                "have orders-1 follow orders-0, which empties it and syncs it anew",
                "drop who came back to orders-1 meanwhile",
                "label orders-1 replica, following orders-0",
                "have orders-2 follow orders-0",
                "label orders-2 replica, following orders-0",
            ]
        );
        let plan = told.plan.unwrap();
        let sent: Vec<String> = plan
            .steps
            .iter()
            .filter_map(|step| match &step.does {
                Does::Command { words, .. } => Some(words.join(" ")),
                _ => None,
            })
            .collect();
        assert_eq!(
            sent,
            [
                "CLIENT KILL LADDR 10.0.0.2:6379",
                "REPLICAOF 10.0.0.1 9999",
                "CLIENT KILL LADDR 10.0.0.2:6379",
                "REPLICAOF 10.0.0.1 9999",
            ]
        );
        // What empties a node is sent once.
        let emptying = plan.steps.iter().filter(|step| {
            step.words.contains("follow orders-0") && step.words.starts_with("have")
        });
        assert!(emptying.clone().count() == 2 && emptying.into_iter().all(|step| !step.repeatable));
    }

    #[test]
    fn a_run_that_is_finished_labels_who_follows_already_and_waits_for_them() {
        let spec = instance("orders")
            .node(master())
            .node(replica().unlabelled())
            .node(replica());
        let again = said(spec, &[("keep", "orders-0"), ("resume", "run-1")]);
        assert_eq!(
            again.steps(),
            [
                "label orders-0 master",
                "wait until the Service sends to orders-0 alone",
                "label orders-1 replica, following orders-0",
            ]
        );
        assert_eq!(again.stops(), ["ask no-rollout"]);
        assert!(
            again
                .goals()
                .contains(&"orders-1 is in stable sync with orders-0".to_owned())
        );
    }
}
