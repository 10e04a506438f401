//! Replication that has stopped is begun anew: the node is told again whom to follow.
//!
//! A replica whose master restarted in place stops for good (`--break_replication_on_master_restart`, which every operator
//! since v1.3.0 sets), and the operator does not repair it: it looks at whom a replica points to, never at the link. REPLICAOF
//! makes it follow again, and empties it first. It may hold what the restarted master has lost, so both are compared.

use std::time::Duration;

use super::gates::ADMIN_PORT;
use super::scene::one_master;
use super::{
    About, Action, ArgDoc, Candidate, Does, Gate, Goal, Plan, Risk, Scene, Step, gates, moves,
    nothing_more,
};
use crate::checks::{Case, Instance, Node, Word};
use crate::domain::engine::{LinkPhase, LinkState, Question, Role, Side};
use crate::domain::text;

/// The action.
pub const ACTION: Action = Action {
    id: "repair",
    verb: "repair",
    title: "Repair replication",
    doc: "has a replica that stopped follow the master again, after comparing what both hold: its own data is flushed, and synced anew",
    about: About::Instance,
    risk: Risk::LosesData,
    args: &[ArgDoc {
        name: "pod",
        value: "POD",
        doc: "the node that does not follow",
        default: None,
        required: true,
    }],
    reads: nothing_more,
    available,
    candidates,
    preflight,
    plan,
};

/// How long a full sync may take: 1.4 GB took 6 to 19 s.
const FULL_SYNC: Duration = Duration::from_secs(900);

fn available(scene: &Scene<'_>) -> Result<(), String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let (_, others) = one_master(instance)?;
    match resumes(scene)
        || others
            .iter()
            .any(|node| stopped(&case, instance, node).is_ok())
    {
        true => Ok(()),
        false => Err("every node that answers follows its master".to_owned()),
    }
}

/// The run that this one finishes: its full sync may be going on.
fn resumes(scene: &Scene<'_>) -> bool {
    scene.args.get("resume").is_some()
}

/// That a node does not follow the master, and how.
///
/// # Errors
/// Why it needs no repair, or this is none for it.
fn stopped(case: &Case<'_>, instance: &Instance<'_>, node: &Node<'_>) -> Result<String, String> {
    let name = node.name();
    let (master, _) = one_master(instance)?;
    if name == master.name() {
        return Err(format!("{name} is the master"));
    }
    if node.is_going() {
        return Err(format!("{name} is being deleted"));
    }
    if matches!(node.word, Word::Silent { .. }) || !node.runs() {
        return Err(format!("{name} does not answer"));
    }
    if node.view.ip().is_none() {
        return Err(format!("{name} has no address"));
    }
    let Some(follower) = node.follower() else {
        let followers = match node.replication.as_ref().map(|known| &known.value.side) {
            Some(Side::Master { replicas, .. }) => replicas.len(),
            _ => 0,
        };
        let is_leftover = node.view.label_role() != Some(Role::Master)
            && !node.view.is_endpoint
            && followers == 0;
        return match is_leftover {
            true => Ok(format!(
                "{name}'s engine follows nobody, and nobody follows it"
            )),
            false => Err(format!(
                "{name}'s engine acts as a master: darner split-brain settles which is"
            )),
        };
    };
    if node.loading || follower.syncing {
        return Err(format!("{name} loads or is in a full sync already"));
    }
    if master.view.ip() != Some(follower.host.as_str()) {
        let host = text::one_line(&follower.host);
        return Ok(format!(
            "{name} follows {host}, which is not {}",
            master.name()
        ));
    }
    let line = instance.view.line_for(&master.view, &node.view);
    let listed = line.map_or("not at all".to_owned(), |line| {
        format!("as {}", line.state.word())
    });
    if follower.claims_sync() {
        return match line.map(|line| &line.state) {
            Some(LinkState::Online) => Err(format!(
                "{name} is in stable sync: told again whom to follow, it would be emptied for nothing"
            )),
            _ => Ok(format!(
                "{name} calls itself in sync, {} lists it {listed}",
                master.name()
            )),
        };
    }
    let list = node.told(case, Question::ClientList, |e| e.client_list.as_ref());
    let phase = list.and_then(|known| Some(&known.value.upstream.as_ref()?.phase));
    let how = match phase {
        Some(LinkPhase::Stopped) => "has stopped for good",
        Some(LinkPhase::Retrying) => "cannot reach its master, and tries again and again",
        _ if follower.is_half_way() => "lost its master in the middle of a full sync",
        _ => "has no link",
    };
    Ok(format!("{name} {how}; {} lists it {listed}", master.name()))
}

fn candidates(scene: &Scene<'_>) -> Vec<Candidate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    instance
        .nodes
        .iter()
        .map(|node| Candidate {
            pod: node.name().to_owned(),
            figures: moves::figures(&case, instance, node),
            judged: stopped(&case, instance, node),
        })
        .collect()
}

fn preflight(scene: &Scene<'_>) -> Vec<Gate> {
    let Some(case) = scene.case() else {
        return Vec::new();
    };
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let Some(pod) = scene.args.get("pod") else {
        return vec![Gate::block("chosen", "no pod is chosen")];
    };
    let Some(node) = instance.node(pod) else {
        return vec![Gate::block(
            "chosen",
            format!("{} has no pod {}", scene.target, text::one_line(pod)),
        )];
    };
    let mut gates = vec![gates::one_master_gate(instance)];
    if is_on_its_way(scene, instance, node) {
        gates.push(Gate::pass(
            "stopped",
            format!("{pod} was told whom to follow already"),
        ));
        return gates;
    }
    gates.push(Gate::of("stopped", stopped(&case, instance, node)));
    if let Ok((master, _)) = one_master(instance) {
        gates.push(more(&case, scene, node, master));
        gates.push(another_copy(&case, instance, master, node));
    }
    gates.push(gates::to_be_accepted(gates::no_rollout(&case, instance)));
    gates
}

/// It is in a sync with the master, or through with it.
fn is_on_its_way(scene: &Scene<'_>, instance: &Instance<'_>, node: &Node<'_>) -> bool {
    let Ok((master, _)) = one_master(instance) else {
        return false;
    };
    resumes(scene)
        && node.follower().is_some_and(|follower| {
            master.view.ip() == Some(follower.host.as_str())
                && (follower.syncing || follower.claims_sync())
        })
}

/// The node holds no more than the master: what it holds beyond that is flushed.
fn more(case: &Case<'_>, scene: &Scene<'_>, node: &Node<'_>, master: &Node<'_>) -> Gate {
    const ID: &str = "replica-has-more";
    let keys = |node: &Node<'_>| {
        let known = node.told(case, Question::Keyspace, |e| e.keyspace.as_ref())?;
        Some(known.value.keys)
    };
    let (name, other) = (node.name(), master.name());
    let (Some(own), Some(masters)) = (keys(node), keys(master)) else {
        return Gate::ask(
            ID,
            format!(
                "how many keys {name} and {other} hold is not told: {name}'s may be the last ones"
            ),
        );
    };
    let history = match node.replid() == master.replid() {
        true => "of the same data set",
        false => "of another data set: its master has restarted, or is another one, since",
    };
    let offsets = match (offset_of(case, node), offset_of(case, master)) {
        (Some(own), Some(masters)) => format!(
            ", offset {} of {name} and {} of {other}",
            text::exact(own),
            text::exact(masters)
        ),
        _ => String::new(),
    };
    let told = format!(
        "{name} holds {} keys, {other} {}{offsets}; {name} is {history}",
        text::exact(own),
        text::exact(masters)
    );
    match own > masters {
        true => Gate::ask(
            ID,
            format!(
                "{told}. All of it would be flushed. To keep it, have it promoted instead: darner failover {} lets the \
                 operator elect a replica, darner promote wants one in sync",
                scene.target
            ),
        ),
        false => Gate::pass(ID, told),
    }
}

fn offset_of(case: &Case<'_>, node: &Node<'_>) -> Option<u64> {
    match node.follower() {
        Some(follower) => follower.offset,
        None => {
            let known = node.told(case, Question::Offsets, |e| e.offsets.as_ref())?;
            Some(known.value.total())
        }
    }
}

/// Somebody beside the master holds its data while this node is empty: a master has aborted in a full sync under load.
fn another_copy(
    case: &Case<'_>,
    instance: &Instance<'_>,
    master: &Node<'_>,
    node: &Node<'_>,
) -> Gate {
    const ID: &str = "another-copy";
    let other = instance
        .nodes
        .iter()
        .filter(|other| other.name() != node.name())
        .find(|other| gates::fit(case, instance, other).is_ok());
    match other {
        Some(other) => Gate::pass(ID, format!("{} is in sync meanwhile", other.name())),
        None => Gate::warn(
            ID,
            format!(
                "until {} is synced, {} alone holds the data",
                node.name(),
                master.name()
            ),
        ),
    }
}

fn plan(scene: &Scene<'_>) -> Result<Plan, String> {
    let case = scene.case().ok_or("the context is not open")?;
    let instance = case.instance.as_ref().ok_or("no such instance is known")?;
    let id = &instance.view.id;
    let pod = scene.args.get("pod").ok_or("no pod is chosen")?;
    let node = instance
        .node(pod)
        .ok_or_else(|| format!("{id} has no pod {pod}"))?;
    let (master, _) = one_master(instance)?;
    let name = master.name();
    let ip = master
        .view
        .ip()
        .ok_or_else(|| format!("{name} has no address"))?;
    let follows = Goal::Follows(
        id.clone(),
        node.view.id.pod.clone(),
        master.view.id.pod.clone(),
    );
    let mut steps = Vec::new();
    if !is_on_its_way(scene, instance, node) {
        let does = moves::command(node, &["REPLICAOF", ip, &ADMIN_PORT.to_string()]);
        let does = moves::told(does, vec![follows.clone()]);
        let role = match node.word {
            Word::Says { role, .. } => role,
            Word::Silent { .. } => return Err(format!("{pod} does not answer")),
        };
        steps.push(
            Step::new(
                format!("have {pod} follow {name}, which empties it and syncs it anew"),
                moves::expecting(does, role),
            )
            .once()
            .within(Duration::from_secs(25))
            .leaves(format!(
                "{pod} in a full sync from {name}: it ends by itself"
            )),
        );
    }
    let meta = &node.view.pod.value.meta;
    let noted = meta.annotations.get(moves::MASTER_IP);
    let labelled = meta.labels.get("master-ip");
    let is_false = |noted: Option<&String>| noted.is_some_and(|noted| noted != ip);
    if node.view.label_role() != Some(Role::Replica) {
        steps.push(moves::label_replica(node, name, ip));
    } else if is_false(noted) || is_false(labelled) {
        steps.push(moves::note(node, name, ip).optional());
    }
    steps.push(
        Step::new(
            format!("wait until {pod} is in stable sync with {name}"),
            Does::Await(vec![follows.clone()]),
        )
        .within(FULL_SYNC)
        .leaves(format!(
            "{pod} in a full sync from {name}: it ends by itself"
        )),
    );
    Ok(Plan {
        action: ACTION.id,
        target: scene.target.clone(),
        args: scene.args.clone(),
        sentence: format!("have {pod} of {id} follow {name} again"),
        risk: ACTION.risk,
        before: moves::before(instance),
        steps,
        at_the_end: Vec::new(),
        goals: vec![
            follows,
            Goal::LabelIs(node.view.id.clone(), moves::uid(node), Some(Role::Replica)),
        ],
        patience: Duration::from_secs(60),
        losses: format!(
            "all that {pod} holds is flushed, and with it whatever {name} does not have"
        ),
        takes: format!(
            "as long as a full sync does (1.4 GB: 6 to 19 s); {name} is slower meanwhile, and {pod} empty"
        ),
        back: format!("none: what {pod} held is gone once the sync begins"),
        owner: None,
    })
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
    use crate::domain::fixture::*;

    fn said(spec: InstanceSpec, args: &[(&'static str, &str)]) -> Told {
        told(&ACTION, &spec.build(), args, &Objects::new())
    }

    #[test]
    fn only_what_does_not_follow_is_told_again() {
        let of = |node: NodeSpec| instance("orders").node(master()).node(node);
        let pod = [("pod", "orders-1")];
        for (case, spec, wanted) in [
            (
                "in sync",
                of(replica()),
                "block stopped: orders-1 is in stable sync: told again whom to follow, it would be emptied for nothing",
            ),
            (
                "stopped",
                of(replica().cut_off(60).listed(Some(LinkState::Preparation))),
                "pass stopped: orders-1 has no link; orders-0 lists it as preparation",
            ),
            (
                "half of a data set",
                of(replica().cut_off(60).offset(None)),
                "pass stopped: orders-1 lost its master in the middle of a full sync; orders-0 lists it not at all",
            ),
            (
                "in a full sync",
                of(replica().full_sync(20, 7)),
                "block stopped: orders-1 loads or is in a full sync already",
            ),
            (
                "astray",
                of(replica().follows("10.9.9.9")),
                "pass stopped: orders-1 follows 10.9.9.9, which is not orders-0",
            ),
            (
                "a process that started anew",
                of(replica().unlabelled().engine_master().keys(0)),
                "pass stopped: orders-1's engine follows nobody, and nobody follows it",
            ),
        ] {
            assert_eq!(said(spec, &pod).gate("stopped"), wanted, "{case}");
        }
        assert_eq!(
            said(healthy(), &[]).unavailable,
            "every node that answers follows its master"
        );
    }

    #[test]
    fn what_the_master_lacks_is_not_flushed_unasked() {
        for (case, keys, replid, wanted) in [
            (
                "the master has more",
                900,
                "c1d276f4",
                "pass replica-has-more: orders-1 holds 900 keys, orders-0 1,000; orders-1 is of the same data set",
            ),
            (
                "the master came back with less",
                2_000,
                "old",
                "ask replica-has-more: orders-1 holds 2,000 keys, orders-0 1,000; orders-1 is of another data set: its master has \
                 restarted, or is another one, since. All of it would be flushed. To keep it, have it promoted instead: darner \
                 failover shop/orders lets the operator elect a replica, darner promote wants one in sync",
            ),
        ] {
            let node = replica().cut_off(60).keys(keys).replid(replid);
            let told = said(
                instance("orders").node(master()).node(node),
                &[("pod", "orders-1")],
            );
            assert_eq!(told.gate("replica-has-more"), wanted, "{case}");
        }
    }

    #[test]
    fn a_sync_that_goes_on_is_not_begun_anew() {
        let pod = ("pod", "orders-1");
        let of = |node: NodeSpec| instance("orders").node(master()).node(node);
        let first = said(of(replica().cut_off(60)), &[pod]);
        assert_eq!(
            first.steps(),
            [
                "have orders-1 follow orders-0, which empties it and syncs it anew",
                "wait until orders-1 is in stable sync with orders-0",
            ]
        );
        let again = said(of(replica().full_sync(9, 7)), &[pod, ("resume", "run-1")]);
        assert_eq!(
            again.steps(),
            ["wait until orders-1 is in stable sync with orders-0"]
        );
        assert_eq!(again.stops(), Vec::<&str>::new());
        let leftover = said(of(replica().unlabelled().engine_master().keys(0)), &[pod]);
        assert_eq!(
            leftover.steps()[1],
            "label orders-1 replica, following orders-0"
        );
    }
}
