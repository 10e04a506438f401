//! A promotion without master and operator: both are dead, and one of the nodes that are left is made master by hand.
//!
//! Who holds most is told by `slave_repl_offset`. A node that was ahead of the one that is promoted must not keep what it
//! had: its first REPLICAOF is answered by a partial sync which is accepted wrongly, and from then on the two differ with
//! link up, lag 0 and equal DBSIZE (v1.40: in 3 of 6 runs; with the highest offset promoted in none of 18). Sent a second
//! time to a node that follows already, REPLICAOF costs a full sync (v1.39 and v1.40), and that is what such a node gets.
//! While it lasts it is empty, so nodes are made to follow one after the other.

use std::sync::Arc;
use std::time::Duration;

use super::gates::ADMIN_PORT;
use super::{
    About, Action, ArgDoc, Candidate, Does, Gate, Goal, Look, Plan, Risk, Scene, Step, leading,
    moves,
};
use crate::checks::{Case, Instance, Node, Word};
use crate::domain::engine::{Question, Role, Side};
use crate::domain::{InstanceId, Version, text};

/// The action.
pub const ACTION: Action = Action {
    id: "emergency-promote",
    verb: "emergency-promote",
    title: "Promote without master and operator",
    doc: "makes the node that you choose master when master and operator are both dead: whoever holds most is offered, and nodes that were ahead are emptied and synced anew",
    about: About::Instance,
    risk: Risk::LosesData,
    args: &[ArgDoc {
        name: "to",
        value: "POD",
        doc: "the node that becomes master",
        default: None,
        required: true,
    }],
    reads,
    available,
    candidates,
    preflight,
    plan,
};

/// How long a full sync may take: 1.4 GB took 6 to 19 s.
const FULL_SYNC: Duration = Duration::from_secs(900);
/// A replica whose link is down shows its offset from this server on.
const SHOWS_OFFSET: Version = Version(1, 37, 0);

fn reads(scene: &Scene<'_>) -> Vec<Look> {
    scene
        .case()
        .as_ref()
        .map(leading::looks)
        .unwrap_or_default()
}

fn available(scene: &Scene<'_>) -> Result<(), String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    if resumes(scene) {
        return Ok(());
    }
    no_master(instance, None)?;
    match instance.nodes.iter().any(|node| holds(&case, node).is_ok()) {
        true => Ok(()),
        false => Err("no node that answers holds a whole data set".to_owned()),
    }
}

/// The run that this one finishes: then the chosen one may be master already.
fn resumes(scene: &Scene<'_>) -> bool {
    scene.args.get("resume").is_some()
}

/// Nobody that answers is master to anybody. A process that came back as a master of its own, without label, traffic and
/// replicas, is none.
fn no_master(instance: &Instance<'_>, but: Option<&str>) -> Result<String, String> {
    let acting: Vec<&Node<'_>> = instance
        .masters()
        .into_iter()
        .filter(|node| Some(node.name()) != but && is_served(node))
        .collect();
    match acting.as_slice() {
        [] => {}
        [one] if one.view.label_role() == Some(Role::Master) => {
            return Err(format!(
                "{} answers as master: darner promote, or failover where it must go, moves it",
                one.name()
            ));
        }
        [one] => {
            return Err(format!(
                "{} answers as master without its label: darner roles puts that right",
                one.name()
            ));
        }
        some => {
            let names: Vec<&str> = some.iter().map(|node| node.name()).collect();
            return Err(format!(
                "{} act as master: darner split-brain settles which is",
                names.join(" and ")
            ));
        }
    }
    let labelled: Vec<String> = instance
        .nodes
        .iter()
        .filter(|node| node.view.label_role() == Some(Role::Master) && Some(node.name()) != but)
        .map(|node| match node.runs() {
            true => format!("{}, labelled master, does not answer as one", node.name()),
            false => format!("{}, labelled master, does not run", node.name()),
        })
        .collect();
    Ok(match labelled.is_empty() {
        true => "no node is labelled master, and none answers as one".to_owned(),
        false => labelled.join("; "),
    })
}

/// Anybody takes it for the master.
fn is_served(node: &Node<'_>) -> bool {
    let followers = match node.replication.as_ref().map(|known| &known.value.side) {
        Some(Side::Master { replicas, .. }) => replicas.len(),
        _ => 0,
    };
    node.view.label_role() == Some(Role::Master) || node.view.is_endpoint || followers > 0
}

/// What a node would bring as master: its offset, as far as that is told.
///
/// # Errors
/// Why it must never be one, as a sentence.
fn holds(case: &Case<'_>, node: &Node<'_>) -> Result<Option<u64>, String> {
    let name = node.name();
    if node.is_going() {
        return Err(format!("{name} is being deleted"));
    }
    if !node.runs() {
        return Err(format!("{name} does not run"));
    }
    if matches!(node.word, Word::Silent { .. }) {
        return Err(format!("{name} does not answer"));
    }
    let Some(follower) = node.follower() else {
        return Err(format!(
            "{name}'s engine is a master of its own: it holds what it was started with"
        ));
    };
    if node.loading || follower.syncing {
        return Err(format!(
            "{name} loads or is in a full sync, and holds half of a data set"
        ));
    }
    if follower.offset.is_some() {
        return Ok(follower.offset);
    }
    let server = node.told(case, Question::Server, |e| e.server.as_ref());
    let version = server.and_then(|known| Version::parse(known.value.version.as_deref()?));
    match version {
        Some(version) if version < SHOWS_OFFSET => Ok(None),
        _ => Err(format!(
            "{name} has no offset: it never finished a full sync"
        )),
    }
}

/// The highest offset that any node has.
fn highest(case: &Case<'_>, instance: &Instance<'_>) -> Option<u64> {
    let offsets = instance
        .nodes
        .iter()
        .filter_map(|node| holds(case, node).ok()?);
    offsets.max()
}

/// Whether a node may have what the chosen one lacks: what it had is to be replaced, whatever a partial sync would say.
fn may_be_ahead(case: &Case<'_>, node: &Node<'_>, chosen: Option<u64>) -> bool {
    match (node.follower(), chosen) {
        // Its own data set is replaced by a full sync anyhow.
        (None, _) => false,
        (Some(_), Some(chosen)) => holds(case, node)
            .ok()
            .flatten()
            .is_none_or(|own| own > chosen),
        (Some(_), None) => true,
    }
}

fn candidates(scene: &Scene<'_>) -> Vec<Candidate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let most = highest(&case, instance);
    let mut all: Vec<(Option<u64>, Candidate)> = instance
        .nodes
        .iter()
        .map(|node| {
            let held = holds(&case, node);
            let offset = held.as_ref().ok().copied().flatten();
            let candidate = Candidate {
                pod: node.name().to_owned(),
                figures: moves::figures(&case, instance, node),
                judged: held.map(|own| compared(node.name(), own, most)),
            };
            (offset, candidate)
        })
        .collect();
    all.sort_by_key(|(offset, _)| std::cmp::Reverse(*offset));
    all.into_iter().map(|(_, candidate)| candidate).collect()
}

fn compared(name: &str, own: Option<u64>, most: Option<u64>) -> String {
    match (own, most) {
        (Some(own), Some(most)) if own < most => format!(
            "{name} lacks {} that another has: to be accepted as lower-offset",
            text::records(most - own)
        ),
        (Some(own), _) => format!("{name} has the highest offset, {}", text::exact(own)),
        (None, _) => format!(
            "{name}'s server shows no offset without a link: compare keys, to be accepted as lower-offset"
        ),
    }
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let Some(to) = scene.args.get("to") else {
        return vec![Gate::block("chosen", "no node is chosen")];
    };
    let Some(node) = instance.node(to) else {
        return vec![Gate::block(
            "chosen",
            format!("{} has no pod {}", scene.target, text::one_line(to)),
        )];
    };
    let nobody = leading::must_not(scene, &case);
    if is_done(scene, node) {
        return vec![
            Gate::pass(
                "chosen",
                format!(
                    "{to}'s engine is master already: what is left is to tell Kubernetes and the other nodes"
                ),
            ),
            Gate::of("master-dead", no_master(instance, Some(to))),
            nobody,
        ];
    }
    vec![
        Gate::of("master-dead", no_master(instance, None)),
        heard(instance, to),
        nobody,
        Gate::of(
            "candidate",
            holds(&case, node).map(|_| format!("{to}: {}", moves::figures(&case, instance, node))),
        ),
        most(&case, instance, node),
        one_history(instance, node),
        fewer_keys(&case, instance, node),
        silent(instance, node),
    ]
}

/// No replica hears from a master that we do not hear: out of our reach is not dead.
fn heard(instance: &Instance<'_>, to: &str) -> Gate {
    const ID: &str = "link-still-up";
    let silent = instance.nodes.iter().filter(|node| {
        node.name() != to && node.view.label_role() == Some(Role::Master) && !answers(node)
    });
    let told: Vec<String> = silent
        .filter_map(|node| {
            let hears = moves::hears(instance, node);
            (!hears.is_empty()).then(|| {
                format!(
                    "the link of {} to {} is up",
                    hears.join(" and of "),
                    node.name()
                )
            })
        })
        .collect();
    match told.is_empty() {
        true => Gate::pass(ID, "no replica hears from the master either"),
        false => Gate::ask(
            ID,
            format!(
                "{}: it is frozen, or alive and only out of our reach; then clients go on writing to it until its pod ends",
                told.join("; ")
            ),
        ),
    }
}

fn is_done(scene: &Scene<'_>, node: &Node<'_>) -> bool {
    resumes(scene) && node.says(Role::Master)
}

/// Nobody has a higher offset than the chosen one.
fn most(case: &Case<'_>, instance: &Instance<'_>, node: &Node<'_>) -> Gate {
    const ID: &str = "lower-offset";
    let own = holds(case, node).ok().flatten();
    let words = compared(node.name(), own, highest(case, instance));
    match may_lack(case, instance, own) {
        true => Gate::ask(ID, words),
        false => Gate::pass(ID, words),
    }
}

fn may_lack(case: &Case<'_>, instance: &Instance<'_>, own: Option<u64>) -> bool {
    own.is_none() || own < highest(case, instance)
}

/// Offsets compare only within one history.
fn one_history(instance: &Instance<'_>, node: &Node<'_>) -> Gate {
    const ID: &str = "one-history";
    let short = |id: &str| id.chars().take(8).collect::<String>();
    let own = node.replid();
    let other = instance.nodes.iter().find(|other| {
        other.name() != node.name() && other.follower().is_some() && other.replid() != own
    });
    match other {
        None => Gate::pass(ID, "every replica that answers is of the same data set"),
        Some(other) => Gate::ask(
            ID,
            format!(
                "{} is of data set {}, {} of {}: their offsets do not compare",
                node.name(),
                own.map_or("untold".to_owned(), short),
                other.name(),
                other.replid().map_or("untold".to_owned(), short)
            ),
        ),
    }
}

/// Nobody has more keys than the chosen one, a process that came back with a snapshot included.
fn fewer_keys(case: &Case<'_>, instance: &Instance<'_>, node: &Node<'_>) -> Gate {
    const ID: &str = "fewer-keys";
    let keys = |node: &Node<'_>| {
        let known = node.told(case, Question::Keyspace, |e| e.keyspace.as_ref())?;
        Some(known.value.keys)
    };
    let Some(own) = keys(node) else {
        return Gate::warn(
            ID,
            format!("how many keys {} holds is not told", node.name()),
        );
    };
    let more = instance
        .nodes
        .iter()
        .filter(|other| other.name() != node.name() && matches!(other.word, Word::Says { .. }))
        .filter_map(|other| Some((other, keys(other)?)))
        .filter(|(_, keys)| *keys > own)
        .max_by_key(|(_, keys)| *keys);
    let own = text::exact(own);
    match more {
        None => Gate::pass(
            ID,
            format!("{} holds {own} keys, and nobody more", node.name()),
        ),
        Some((other, keys)) => Gate::ask(
            ID,
            format!(
                "{} holds {own} keys, {} holds {}: it would be emptied to follow",
                node.name(),
                other.name(),
                text::exact(keys)
            ),
        ),
    }
}

/// Who is not heard may have more, and is not made to follow.
fn silent(instance: &Instance<'_>, node: &Node<'_>) -> Gate {
    const ID: &str = "all-answer";
    let silent: Vec<&str> = instance
        .nodes
        .iter()
        .filter(|other| other.name() != node.name() && !answers(other))
        .map(Node::name)
        .collect();
    match silent.is_empty() {
        true => Gate::pass(ID, "every node answers"),
        false => Gate::warn(
            ID,
            format!(
                "{} {} not answer: what is there is not compared, and it is not made to follow by this run",
                silent.join(" and "),
                if silent.len() == 1 { "does" } else { "do" }
            ),
        ),
    }
}

fn answers(node: &Node<'_>) -> bool {
    node.runs() && !node.is_going() && matches!(node.word, Word::Says { .. })
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let id = &instance.view.id;
    let to = scene.args.get("to").ok_or("no node is chosen")?;
    let node = instance
        .node(to)
        .ok_or_else(|| format!("{id} has no pod {to}"))?;
    let ip = node
        .view
        .ip()
        .ok_or_else(|| format!("{to} has no address"))?;
    let done = is_done(scene, node);
    let others: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|other| other.name() != to && answers(other) && other.view.ip().is_some())
        .collect();
    let dead: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|other| other.name() != to && other.view.label_role() == Some(Role::Master))
        .collect();

    let mut steps = Vec::new();
    if !done {
        steps.push(rise(node));
    }
    steps.push(moves::label_master(node, ip).leaves("the other nodes without a master"));
    for old in &dead {
        steps.push(moves::unlabel(old).together());
        if old.runs() && !answers(old) {
            let words = format!(
                "delete pod {}, whose process does not answer and could come back as a master",
                old.name()
            );
            steps.push(moves::delete(old, words, None).together());
        }
    }
    steps.extend(moves::schedules(instance, node, &others));
    let own = holds(&case, node).ok().flatten();
    let mut emptied = Vec::new();
    for other in &others {
        // The note on a pod is written when it is right: a run that finishes this one knows by it who is done.
        let noted = other.view.pod.value.meta.annotations.get(moves::MASTER_IP);
        let ahead = match done {
            true => noted.map(String::as_str) != Some(ip),
            false => may_be_ahead(&case, other, own),
        };
        if ahead {
            emptied.push(other.name());
        }
        steps.extend(follow(id, other, node, ip, ahead));
    }

    let mut goals = vec![
        Goal::EngineIs(node.view.id.clone(), moves::uid(node), Role::Master),
        Goal::LabelIs(node.view.id.clone(), moves::uid(node), Some(Role::Master)),
        Goal::EndpointIs(id.clone(), Arc::from(to)),
    ];
    goals.extend(
        others
            .iter()
            .map(|other| Goal::Follows(id.clone(), other.view.id.pod.clone(), Arc::from(to))),
    );
    goals.extend(
        dead.iter()
            .filter(|old| !answers(old))
            .map(|old| Goal::LabelIs(old.view.id.clone(), moves::uid(old), None)),
    );
    let flushed = match emptied.as_slice() {
        [] => String::new(),
        some => format!(
            " What {} may have beyond it is lost: emptied, and synced anew.",
            some.join(" and ")
        ),
    };
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: match done {
            true => format!("finish the promotion of {to} of {id} without an operator"),
            false => format!("promote {to} of {id} to master, without master and operator"),
        },
        risk: ACTION.risk,
        before: moves::before(instance),
        steps,
        at_the_end: Vec::new(),
        goals,
        patience: FULL_SYNC,
        losses: format!("acknowledged writes of the dead master that {to} does not have.{flushed}"),
        takes: "a second until writes are taken again; each other node as long as its sync takes (1.4 GB: 6 to 19 s), one after the other".to_owned(),
        back: "none: what is lost stays lost. The dead master must not come back as one: darner repair makes what comes back a replica".to_owned(),
        owner: None,
    })
}

/// The chosen node becomes a master.
fn rise(node: &Node<'_>) -> Step {
    let id = &node.view.id;
    let is = |role| vec![Goal::EngineIs(id.clone(), moves::uid(node), role)];
    let mut does = moves::command(node, &["REPLICAOF", "NO", "ONE"]);
    if let Does::Command {
        expects,
        told_by,
        refuted_by,
        ..
    } = &mut does
    {
        *expects = Some(Role::Replica);
        *told_by = is(Role::Master);
        *refuted_by = is(Role::Replica);
    }
    Step::new(
        format!("have {} follow nobody, and be master", node.name()),
        does,
    )
    .once()
    .leaves(format!(
        "{} master by its engine, and the Service without one until its label says so",
        node.name()
    ))
}

/// Another node follows; one that may be ahead by a full sync.
fn follow(id: &InstanceId, other: &Node<'_>, node: &Node<'_>, ip: &str, ahead: bool) -> Vec<Step> {
    let name = other.name();
    let master = node.name();
    let mut steps = vec![moves::repoint(other, master, ip)];
    if ahead {
        // What may be done twice by a run that is finished is no harm here: it is the second that empties it.
        let again = moves::command(other, &["REPLICAOF", ip, &ADMIN_PORT.to_string()]);
        let again = moves::expecting(again, Role::Replica);
        steps.push(
            Step::new(
                format!("have {name} follow {master} once more, which makes it a full sync: it may have been ahead"),
                again,
            )
            .once()
            .within(Duration::from_secs(25))
            .leaves(format!("{name} perhaps with other data than {master}, and nothing that shows it")),
        );
    }
    let follows = Goal::Follows(
        id.clone(),
        other.view.id.pod.clone(),
        node.view.id.pod.clone(),
    );
    steps.push(
        Step::new(
            format!("wait until {name} is in stable sync with {master}"),
            Does::Await(vec![follows]),
        )
        .within(FULL_SYNC),
    );
    steps.push(moves::label_replica(other, master, ip));
    steps
}

#[cfg(test)]
mod tests;
