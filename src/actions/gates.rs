//! Gates that more than one action stands behind, and those of every action.

use crate::checks::{Case, Instance, Node, Word};
use crate::domain::engine::{LinkState, Phase, Question, Role};
use crate::domain::object::Meta;
use crate::domain::text;

use super::scene::one_master;
use super::{Action, Gate, ObjectId, Resource, Scene, Stand, Target};

/// The port of a Dragonfly that answers in every state, v1.1 to v1.6 of the operator.
pub const ADMIN_PORT: u16 = 9999;

/// What every action stands behind: rules of the settings, and the way to the cluster.
pub fn every(action: &Action, scene: &Scene<'_>) -> Vec<Gate> {
    let mut gates = scene.rules.gates(action, scene.target);
    let context = scene.target.context();
    gates.push(match scene.context() {
        Some(known) if known.is_live() => Gate::pass("reachable", format!("{context} answers")),
        Some(known) => {
            let why = known
                .link
                .fault()
                .map_or("it is being opened", |f| &f.message);
            Gate::block("reachable", format!("{context} does not answer: {why}"))
        }
        None => Gate::block("reachable", format!("{context} is not open")),
    });
    if let Some(case) = scene.case()
        && matches!(scene.target, Target::Instance(_))
        && case.instance.is_none()
    {
        gates.push(Gate::block(
            "there",
            format!("there is no Dragonfly {} in {context}", scene.target),
        ));
    }
    gates
}

/// No rollout is on its way: its phase says `Ready`, and every pod is of the newest revision.
pub fn no_rollout(case: &Case<'_>, instance: &Instance<'_>) -> Gate {
    const ID: &str = "no-rollout";
    let phase = instance.view.dragonfly.value.phase.as_deref().unwrap_or("");
    if !phase.eq_ignore_ascii_case("ready") {
        let told = match phase {
            "" => "the operator has written no phase yet".to_owned(),
            phase => format!("its phase is {}", text::one_line(phase)),
        };
        return Gate::block(
            ID,
            format!("{told}: wait until the operator has done with it"),
        );
    }
    let Some(set) = instance.view.stateful_set else {
        return Gate::block(ID, "its StatefulSet is not known");
    };
    let set = &set.value;
    let _ = case;
    match set.updated >= set.replicas || set.current_revision == set.update_revision {
        true => Gate::pass(ID, "every pod is of the newest revision, phase Ready"),
        false => Gate::block(
            ID,
            format!(
                "{} of {} pods are of the newest revision: a rollout is due or on its way",
                set.updated, set.replicas
            ),
        ),
    }
}

/// The same, to be accepted where it would block.
pub fn to_be_accepted(gate: Gate) -> Gate {
    match gate.stand {
        Stand::Block => Gate::ask(gate.id, gate.evidence),
        _ => gate,
    }
}

/// Exactly one node acts as master, by label and by engine, and both name the same.
pub fn one_master_gate(instance: &Instance<'_>) -> Gate {
    Gate::of(
        "one-master",
        one_master(instance).map(|(master, _)| {
            format!(
                "{} is master, by its label and by its engine",
                master.name()
            )
        }),
    )
}

/// Every engine answers: one that does not may be frozen, and a takeover waits for it with the old master locked.
pub fn all_answer(instance: &Instance<'_>) -> Gate {
    const ID: &str = "all-answer";
    let silent: Vec<String> = instance
        .nodes
        .iter()
        .filter(|node| node.runs() && matches!(node.word, Word::Silent { .. }))
        .map(|node| node.name().to_owned())
        .collect();
    match silent.is_empty() {
        true => Gate::pass(ID, "every engine that runs answers"),
        false => Gate::block(
            ID,
            format!(
                "{} does not answer: a takeover would hold the old master locked until its deadline",
                silent.join(", ")
            ),
        ),
    }
}

/// No node loads or is in a full sync.
pub fn no_full_sync(instance: &Instance<'_>) -> Gate {
    const ID: &str = "no-full-sync";
    let busy: Vec<&str> = instance
        .nodes
        .iter()
        .filter(|node| node.loading || node.follower().is_some_and(|f| f.syncing))
        .map(Node::name)
        .collect();
    match busy.is_empty() {
        true => Gate::pass(ID, "no node loads or is in a full sync"),
        false => Gate::block(
            ID,
            format!("{} loads or is in a full sync", busy.join(", ")),
        )
        .passing(),
    }
}

/// No node saves.
pub fn no_save(case: &Case<'_>, instance: &Instance<'_>) -> Gate {
    const ID: &str = "no-save";
    let mut saving = Vec::new();
    let mut untold = Vec::new();
    for node in instance.nodes.iter().filter(|node| node.runs()) {
        match node.told(case, Question::Persistence, |e| e.persistence.as_ref()) {
            Some(known) if known.value.saving => saving.push(node.name()),
            Some(_) => {}
            None => untold.push(node.name()),
        }
    }
    match (saving.is_empty(), untold.is_empty()) {
        (true, true) => Gate::pass(ID, "no node saves"),
        (false, _) => Gate::block(ID, format!("{} saves", saving.join(", "))).passing(),
        (true, false) => Gate::block(
            ID,
            format!("whether {} saves is not told", untold.join(", ")),
        ),
    }
}

/// No client of the master leaves its replies unread: a takeover waits for each, and every write with it.
pub fn no_slow_client(case: &Case<'_>, master: &Node<'_>) -> Gate {
    const ID: &str = "no-slow-client";
    let name = master.name();
    let list = master.told(case, Question::ClientList, |e| e.client_list.as_ref());
    let Some(known) = list else {
        return Gate::block(ID, format!("the clients of {name} are not told"));
    };
    let slow = known
        .value
        .slow
        .iter()
        .find(|client| client.phase == Phase::Sending);
    match slow {
        None => Gate::pass(ID, format!("no client of {name} leaves a reply unread")),
        Some(client) => {
            let waits = client
                .send_wait
                .map_or(String::new(), |s| format!(" for {s}s"));
            let who = client.name.as_deref().unwrap_or("no name");
            Gate::block(
                ID,
                format!(
                    "{} ({who}) leaves a reply of {name} unread{waits}: a takeover waits for it with every write",
                    client.addr
                ),
            )
            .passing()
        }
    }
}

/// What makes a node fit to be master without loss: ready, in stable sync by both ends, of the same data set, and close
/// behind.
///
/// # Errors
/// The first thing that it lacks, in the numbers that are shown.
pub fn fit(case: &Case<'_>, instance: &Instance<'_>, node: &Node<'_>) -> Result<String, String> {
    let name = node.name();
    let (master, _) = one_master(instance)?;
    if name == master.name() {
        return Err(format!("{name} is the master"));
    }
    if node.is_going() {
        return Err(format!("{name} is being deleted"));
    }
    if !node.is_ready() {
        return Err(format!("{name} is not ready"));
    }
    if node.view.label_role() != Some(Role::Replica) {
        return Err(format!("{name} is not labelled replica"));
    }
    if let Word::Silent { .. } = node.word {
        return Err(format!("{name} does not answer"));
    }
    let Some(follower) = node.follower() else {
        return Err(format!("{name}'s engine is no replica"));
    };
    if node.loading {
        return Err(format!("{name} is loading"));
    }
    if follower.syncing {
        return Err(format!("{name} is in a full sync"));
    }
    if !follower.link_up {
        return Err(format!("{name} has no link to its master"));
    }
    if follower.is_half_way() {
        return Err(format!("{name} holds half of a data set"));
    }
    let Some(offset) = follower.offset else {
        return Err(format!(
            "{name} has no offset: it never finished a full sync"
        ));
    };
    if master.view.ip() != Some(follower.host.as_str()) {
        return Err(format!(
            "{name} replicates from {}, which is not {}",
            follower.host,
            master.name()
        ));
    }
    match (node.replid(), master.replid()) {
        (Some(own), Some(other)) if own == other => {}
        (own, other) => {
            return Err(format!(
                "{name} is of data set {}, {} of {}",
                short(own),
                master.name(),
                short(other)
            ));
        }
    }
    let Some(line) = instance.view.line_for(&master.view, &node.view) else {
        return Err(format!(
            "{} does not list {name} as its replica",
            master.name()
        ));
    };
    if line.state != LinkState::Online {
        return Err(format!(
            "{} lists {name} as {}",
            master.name(),
            line.state.word()
        ));
    }
    let lag = line.lag.unwrap_or(0);
    let most = case.limits.lag;
    if lag > most {
        return Err(format!(
            "{name} is {} behind, more than {}",
            text::records(lag),
            text::exact(most)
        ));
    }
    Ok(format!(
        "{name} is in stable sync by both ends, {} behind, offset {}",
        text::records(lag),
        text::exact(offset)
    ))
}

fn short(replid: Option<&str>) -> String {
    replid.map_or("untold".to_owned(), |id| id.chars().take(8).collect())
}

/// A replica is left in sync beside the one that is promoted, for what may come after.
pub fn another_replica(case: &Case<'_>, instance: &Instance<'_>, chosen: &str) -> Gate {
    const ID: &str = "another-replica";
    let fit = instance
        .nodes
        .iter()
        .filter(|node| node.name() != chosen)
        .find(|node| fit(case, instance, node).is_ok());
    match fit {
        Some(other) => Gate::pass(ID, format!("{} is in sync too", other.name())),
        None => Gate::ask(
            ID,
            format!(
                "no replica is in sync beside {chosen}: until the old master follows it, it is alone"
            ),
        ),
    }
}

/// No role was given or taken a moment ago.
pub fn cooled(scene: &Scene<'_>, case: &Case<'_>, instance: &Instance<'_>) -> Gate {
    const ID: &str = "cooldown";
    let now = case.now;
    let changes = instance.nodes.iter().flat_map(|node| {
        let seen = node.view.engine.and_then(|e| e.role_changed);
        let dated = node.view.pod.value.role_since;
        [seen, dated.map(|at| case.context.by_our_clock(at))]
    });
    let last = changes.flatten().filter(|at| *at <= now).max();
    let cooldown = scene.rules.cooldown;
    match last.map(|at| now.as_second().saturating_sub(at.as_second())) {
        Some(ago) if ago < cooldown => Gate::ask(
            ID,
            format!(
                "a role changed {} ago, less than {}",
                text::age_of(ago),
                text::age_of(cooldown)
            ),
        ),
        Some(ago) => Gate::pass(
            ID,
            format!("the last role change is {} ago", text::age_of(ago)),
        ),
        None => Gate::pass(ID, "no role change is known"),
    }
}

/// The operator's Deployment, if there is exactly one.
pub fn operator(case: &Case<'_>) -> Option<ObjectId> {
    let mut operators = case.context.operators.iter();
    let one = operators.next().filter(|_| operators.next().is_none())?;
    let meta = &one.value.meta;
    Some(ObjectId::new(
        &case.context.id,
        Resource::DEPLOYMENT,
        &meta.namespace,
        &meta.name,
    ))
}

/// What the operator does is known: it is told whether one leads.
pub fn operator_known(case: &Case<'_>) -> Gate {
    const ID: &str = "operator-known";
    let mut operators = case.context.operators.iter();
    match (operators.next(), operators.next()) {
        (None, _) => Gate::warn(
            ID,
            "no operator is known in this context: nobody makes a pod's role right but this run",
        ),
        (Some(one), None) => {
            let deployment = &one.value;
            let version = deployment.version().unwrap_or("of an unknown version");
            Gate::pass(
                ID,
                format!(
                    "{} {version}: {} of {} pods ready",
                    deployment.meta.name, deployment.ready, deployment.replicas
                ),
            )
        }
        (Some(_), Some(_)) => Gate::warn(ID, "there are several operators in this context"),
    }
}

/// A budget lets a pod go: the operator's own, or another that selects its pods.
pub fn budget(instance: &Instance<'_>) -> Gate {
    const ID: &str = "budget";
    let budgets = &instance.view.pdbs;
    let short = budgets.iter().find(|held| held.value.allowed < 1);
    match (budgets.is_empty(), short) {
        (true, _) => Gate::pass(ID, "no budget selects its pods"),
        (false, None) => Gate::pass(ID, "its budgets let a pod go"),
        (false, Some(held)) => Gate::block(
            ID,
            format!(
                "budget {} lets no pod go: {} of {} are healthy",
                held.value.meta.name, held.value.healthy, held.value.expected
            ),
        )
        .passing(),
    }
}

/// Every pod that is wanted is there, and each but the master in stable sync by both ends.
pub fn all_in_sync(case: &Case<'_>, instance: &Instance<'_>) -> Gate {
    const ID: &str = "all-in-sync";
    let missing = instance.wanted().saturating_sub(instance.nodes.len());
    let master = one_master(instance).map(|(master, _)| master.name());
    let mut lacks: Vec<String> = instance
        .nodes
        .iter()
        .filter(|node| master.as_deref() != Ok(node.name()))
        .filter_map(|node| fit(case, instance, node).err())
        .collect();
    if missing > 0 {
        lacks.push(format!(
            "{missing} of {} pods are missing",
            instance.wanted()
        ));
    }
    match lacks.as_slice() {
        [] => Gate::pass(ID, "every replica is in stable sync, by both ends"),
        some => Gate::block(ID, some.join("; ")).passing(),
    }
}

/// Git owns it, so that what is changed here is put back: to be accepted.
pub fn owned(meta: &Meta, context: &str) -> Gate {
    const ID: &str = "git-owner";
    let owners = crate::checks::flux::owners(meta);
    let Some(first) = owners.first() else {
        return Gate::pass(ID, "no object of Flux says that it owns it");
    };
    let suspend = format!(
        "darner flux suspend {}/{} -n {} --context {context}",
        crate::checks::flux::kind(first.what).to_lowercase(),
        first.name,
        first.namespace
    );
    Gate::ask(
        ID,
        format!(
            "{} owns it and puts it back: change Git instead, or first stop it with {suspend}",
            git_owner(meta).unwrap_or_default()
        ),
    )
}

/// Who owns an object in Git, by the labels that Flux writes on what it applies.
pub fn git_owner(meta: &Meta) -> Option<String> {
    let owners = crate::checks::flux::owners(meta);
    let words: Vec<String> = owners.iter().map(crate::checks::flux::Ref::words).collect();
    (!words.is_empty()).then(|| words.join(", "))
}
