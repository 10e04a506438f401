//! More than one node acts as master: by the engines' own word, or by label.

use super::sides::{amounts, is_split, keys, sides};
use super::steps::ask;
use super::turn::nobody;
use super::words::{are, clock, has, list};
use super::{
    Answer, Area, Case, Check, Finding, Instance, Node, Severity, Shown, Since, Situation, State,
    Word,
};
use crate::domain::Role;

/// The check.
pub const CHECK: Check = Check {
    id: "several-masters",
    area: Area::Replication,
    title: "Several masters",
    why: "Two nodes that both take writes drift apart, and one side's writes will be thrown away.",
    reads: "INFO replication and ROLE of every node, role labels, endpoints of the master Service",
    next: "Restart and delete nothing yet.",
    situations: &[&SPLIT, &ENGINES, &LABELS, &CHANGING],
    needs: Check::NOTHING,
    run,
};

const SPLIT: Situation = Situation {
    id: "split-brain",
    word: "split brain",
    class: State::SeveralMasters,
    rule: "several engines act as master with different replication ids, and they are two data sets: their keys differ by more \
           than one in a hundred (one that is empty and gets nothing is none yet), the Service sends to more than one of them, or replicas follow more than one",
    meaning: "Clients are served by different data sets, and what one side took is lost when it is made a replica again.",
    accounts_for: &["service-elsewhere", "roles-disagree"],
    shown: Shown::By(&["split-brain"]),
};

const ENGINES: Situation = Situation {
    id: "several-masters",
    word: "several masters",
    class: State::SeveralMasters,
    rule: "two or more engines that run and are not starting say role:master, nobody is being taken over, and it is not two data sets that clients write to (split brain); \
           a new, empty pod that was never given a role, and that nobody follows or is sent to, does not count",
    meaning: "Each takes writes that the others never see; when one is made a replica again, its own are lost.",
    shown: Shown::By(&["two-masters"]),
    ..Situation::BASE
};

const LABELS: Situation = Situation {
    id: "two-master-labels",
    word: "two master labels",
    class: State::SeveralMasters,
    rule: "two or more pods are labelled master for more than 5 s, while at most one engine says so",
    meaning: "The Service may send clients to either; a replica refuses their writes with READONLY.",
    accounts_for: &["service-elsewhere", "roles-disagree"],
    shown: Shown::By(&["two-master-labels"]),
};

/// What to do about one.
pub(super) const IT_PASSES: &str =
    "Wait: within seconds they agree, or what is wrong has a name of its own.";

/// A role change on its way, whoever notices it.
pub(super) const CHANGING: Situation = Situation {
    id: "role-changing",
    word: "role change",
    class: State::Syncing,
    rule: "labels, endpoints and engines disagree, but one of them changed less than 5 s ago, or a node was not asked since",
    meaning: "For a moment clients may be refused.",
    shown: Shown::By(&["master-moved"]),
    ..Situation::BASE
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let engines = instance.masters();
    let labels: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|n| n.view.label_role() == Some(Role::Master) && !n.is_going())
        .collect();
    if engines.len() < 2 && labels.len() < 2 {
        // A node that is still starting as a master of its own is one more to come, if nobody takes it.
        let starting = instance.nodes.iter().filter(|n| n.is_starting());
        return Answer::PASS.again(starting.filter_map(|n| n.young_until).min());
    }
    if let Some(until) = on_its_way(case, &engines, &labels) {
        let finding = case
            .finding(&CHECK, &CHANGING, Severity::Note, changing(case, instance))
            .meaning("The nodes that were not asked since are being asked.")
            .next(IT_PASSES)
            .about(engines.iter().chain(&labels).map(|n| n.name()));
        return Answer::from(finding).again(Some(until));
    }
    let finding = if engines.len() >= 2 {
        by_engine(case, instance, &engines)
    } else {
        by_label(case, instance, &engines, &labels)
    };
    finding
        .resting_on(
            instance.endpoints_words(),
            "EndpointSlices",
            instance.endpoints_at().unwrap_or(case.now),
        )
        .into()
}

/// During a role change the old master is a master by its last answer until it is asked again.
fn on_its_way(
    case: &Case<'_>,
    engines: &[&Node<'_>],
    labels: &[&Node<'_>],
) -> Option<jiff::Timestamp> {
    if engines.len() < 2 {
        return labels.iter().filter_map(|n| case.unsettled_until(n)).max();
    }
    let superseded = engines
        .iter()
        .filter_map(|old| case.superseded_until(old, engines));
    let acting = engines.len() - superseded.clone().count();
    superseded.max().filter(|_| acting < 2)
}

/// Who took over from whom, as far as it is known.
fn changing(case: &Case<'_>, instance: &Instance<'_>) -> String {
    let id = &instance.view.id;
    let acting = case.acting(instance);
    let old: Vec<&str> = instance
        .masters()
        .iter()
        .map(|n| n.name())
        .filter(|name| !acting.iter().any(|a| a == name))
        .collect();
    match (acting.as_slice(), old.as_slice()) {
        ([new], [_, ..]) => format!(
            "{id} is changing its master: {new} has taken over, {} {} not been asked since",
            list(&old),
            has(old.len())
        ),
        _ => format!("{id} is changing its master"),
    }
}

fn by_engine(case: &Case<'_>, instance: &Instance<'_>, engines: &[&Node<'_>]) -> Finding {
    let names: Vec<&str> = engines.iter().map(|n| n.name()).collect();
    let both = if names.len() == 2 { "both" } else { "all" };
    let sides = is_split(instance, engines).then(|| sides(engines));
    let what = match &sides {
        Some(sides) => format!(
            "hold {} data sets{}: {sides}",
            number_word(engines.len()),
            going(engines)
        ),
        None => format!("{both} act as master{}", going(engines)),
    };
    let mut finding = case
        .finding(
            &CHECK,
            if sides.is_some() { &SPLIT } else { &ENGINES },
            Severity::Critical,
            format!("{} {what}; {}", list(&names), instance.endpoints_words()),
        )
        .about(names)
        .since(Since::Seen(
            engines
                .iter()
                .filter_map(|n| n.view.engine.and_then(|e| e.role_changed))
                .max()
                .unwrap_or(case.now),
        ));
    let all: Vec<u64> = engines.iter().filter_map(|n| keys(n)).collect();
    finding = finding.next(which_to_keep(instance, engines));
    for node in engines {
        if let Word::Says { at, .. } = node.word {
            let replid = node
                .replid()
                .map_or(String::new(), |id| format!(", replication id {id}"));
            finding = finding.resting_on(
                format!("{} says role:master{replid}", node.name()),
                format!("INFO replication of {}", node.name()),
                at,
            );
        }
        for (text, source, at) in amounts(node, &all) {
            finding = finding.resting_on(text, source, at);
        }
        finding = finding.resting_on(
            format!("{} is labelled {}", node.name(), label(node)),
            format!("labels of pod {}", node.name()),
            node.view.pod.changed,
        );
    }
    finding
}

/// How to learn which side has the writes that must be kept: roles and replication ids do not tell. Keys and journal offsets
/// do, and what a comparison says that only one side has.
fn which_to_keep(instance: &Instance<'_>, engines: &[&Node<'_>]) -> String {
    let names: Vec<&str> = engines.iter().map(|n| n.name()).collect();
    let mut steps = format!(
        "Restart, relabel and delete nothing yet: whichever of {} becomes a replica loses what only it has.",
        list(&names)
    );
    for name in &names {
        steps.push_str(&format!("\nCount the keys of {name}."));
        steps.push_str(&ask(name, "INFO keyspace"));
        steps.push_str(&format!(
            "\nSee how far the journal of {name} is; ask again in a minute, and the side whose offsets grow is being written to."
        ));
        steps.push_str(&ask(name, "DFLY REPLICAOFFSET"));
        steps.push_str(&format!("\nSee who is connected to {name}."));
        steps.push_str(&ask(name, "CLIENT LIST"));
    }
    let id = &instance.view.id;
    steps.push_str(&format!(
        "\nSample keys of every node, to see whose values differ (in the console: ic).\n$ darner compare --context {{context}} \
         {}/{}",
        id.namespace, id.name
    ));
    steps
}

fn number_word(count: usize) -> String {
    match count {
        2 => "two".to_owned(),
        3 => "three".to_owned(),
        more => more.to_string(),
    }
}

/// Which of them are being deleted, and since when: an engine whose pod is terminating still takes what its open
/// connections send until it ends.
fn going(engines: &[&Node<'_>]) -> String {
    engines
        .iter()
        .filter_map(|n| Some((n.name(), n.view.pod.value.meta.deleting?)))
        .map(|(name, at)| format!("; {name} is terminating since {}", clock(at)))
        .collect()
}

fn by_label(
    case: &Case<'_>,
    instance: &Instance<'_>,
    engines: &[&Node<'_>],
    labels: &[&Node<'_>],
) -> Finding {
    let names: Vec<&str> = labels.iter().map(|n| n.name()).collect();
    let both = if names.len() == 2 { "both" } else { "all" };
    let engine = match engines {
        [one] => format!("only {}'s engine is one", one.name()),
        _ => "no engine vouches for it".to_owned(),
    };
    let written = labels
        .iter()
        .filter_map(|n| n.view.pod.value.role_since)
        .max();
    let mut finding = case
        .finding(
            &CHECK,
            &LABELS,
            Severity::Critical,
            format!(
                "{} {} {both} labelled master, {engine}; {}",
                list(&names),
                are(names.len()),
                instance.endpoints_words()
            ),
        )
        .about(names)
        .next(relabel(case, instance))
        .since(written.map_or(Since::Seen(case.now), Since::Exactly));
    for node in labels {
        finding = finding.resting_on(
            format!("{} is labelled master", node.name()),
            format!("labels of pod {}", node.name()),
            node.view.pod.changed,
        );
    }
    finding
}

/// What to do where only the labels are wrong: no data is at stake yet.
fn relabel(case: &Case<'_>, instance: &Instance<'_>) -> String {
    let mut steps = "See the labels.\n$ {kubectl} get pods -l app={name} -L role".to_owned();
    let wrong = instance
        .nodes
        .iter()
        .filter(|n| n.view.label_role() == Some(Role::Master) && n.says(Role::Replica));
    for node in wrong {
        let name = node.name();
        steps.push_str(&format!(
            "\nLabel {name} as what its engine is, a replica.\n$ {{kubectl}} label pod {name} role=replica --overwrite"
        ));
    }
    let end = match nobody(case) {
        Some((why, _)) => format!("Nobody else mends the labels: {why}."),
        None => "Or wait: an operator at work takes the role from all that are labelled master, and elects anew."
            .to_owned(),
    };
    format!("{steps}\n{end}")
}

fn label(node: &Node<'_>) -> &'static str {
    node.view.label_role().map_or("with no role", Role::word)
}

#[cfg(test)]
mod tests;
