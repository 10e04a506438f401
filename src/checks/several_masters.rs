//! More than one node acts as master: by the engines' own word, or by label.

use std::collections::BTreeSet;

use super::operator_down::nobody;
use super::steps::ask;
use super::words::{are, clock, exact, has, list};
use super::{
    Answer, Case, Check, Finding, Instance, Node, Severity, Shown, Since, Situation, State, Word,
};
use crate::domain::{Role, text};

/// The check.
pub const CHECK: Check = Check {
    id: "several-masters",
    title: "Several masters",
    why: "Two nodes that both take writes drift apart, and one side's writes will be thrown away.",
    reads: "INFO replication and ROLE of every node, role labels, endpoints of the master Service",
    next: "Restart and delete nothing yet.",
    situations: &[&SPLIT, &ENGINES, &LABELS, &CHANGING],
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

/// The masters are two data sets, not one node that only calls itself master: different replication ids, and keys,
/// endpoints or replicas on more than one side.
fn is_split(instance: &Instance<'_>, engines: &[&Node<'_>]) -> bool {
    let ids: BTreeSet<&str> = engines.iter().filter_map(|n| n.replid()).collect();
    if ids.len() < 2 {
        return false;
    }
    let is_followed = |master: &Node<'_>| {
        let ip = master.view.ip();
        let mut nodes = instance.nodes.iter();
        nodes.any(|n| n.follower().is_some_and(|f| Some(f.host.as_str()) == ip))
    };
    // What has nothing, and gets nothing, is no data set yet: a replica that restarted, and that nobody made one again.
    let is_bare = |n: &Node<'_>| keys(n) == Some(0) && !n.view.is_endpoint && !is_followed(n);
    let keys: Vec<u64> = engines
        .iter()
        .filter(|n| !is_bare(n))
        .filter_map(|n| keys(n))
        .collect();
    let (least, most) = (keys.iter().min(), keys.iter().max());
    let apart = match (least, most) {
        (Some(least), Some(most)) => most - least > most / 100,
        _ => false,
    };
    let sent_to = engines.iter().filter(|n| n.view.is_endpoint).count();
    let followed = engines.iter().filter(|n| is_followed(n)).count();
    apart || sent_to > 1 || followed > 1
}

/// What each side has: `orders-0 has 52,000 keys and orders-1 none`, the one with most first.
fn sides(engines: &[&Node<'_>]) -> String {
    let mut sides: Vec<(&str, Option<u64>)> = engines.iter().map(|n| (n.name(), keys(n))).collect();
    sides.sort_by_key(|(_, keys)| std::cmp::Reverse(*keys));
    let all: Vec<u64> = sides.iter().filter_map(|(_, keys)| *keys).collect();
    let told: Vec<String> = sides
        .iter()
        .map(|(name, keys)| match keys {
            Some(0) => format!("{name} has no keys"),
            Some(keys) => format!("{name} has {} keys", told_apart(*keys, &all)),
            None => format!("what {name} has is not known"),
        })
        .collect();
    list(&told)
}

/// A figure among others, rounded unless another one reads the same then.
fn told_apart(figure: u64, all: &[u64]) -> String {
    let rounded = text::count(figure);
    let is_like_another = all
        .iter()
        .any(|other| *other != figure && text::count(*other) == rounded);
    match is_like_another {
        true => exact(figure),
        false => rounded,
    }
}

fn keys(node: &Node<'_>) -> Option<u64> {
    Some(node.view.engine?.keyspace.as_ref()?.value.keys)
}

/// Keys and journal offset of a side.
fn amounts(node: &Node<'_>, all: &[u64]) -> Vec<(String, String, jiff::Timestamp)> {
    let mut facts = Vec::new();
    let Some(engine) = node.view.engine else {
        return facts;
    };
    if let Some(known) = &engine.keyspace {
        facts.push((
            format!("{} keys", told_apart(known.value.keys, all)),
            format!("INFO keyspace of {}", node.name()),
            known.at,
        ));
    }
    if let Some(known) = &engine.offsets {
        facts.push((
            format!("journal offset {}", known.value.total()),
            format!("DFLY REPLICAOFFSET of {}", node.name()),
            known.at,
        ));
    }
    facts
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
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::Master;
    use crate::domain::engine::{Keyspace, Probe};
    use crate::domain::fixture::*;

    #[test]
    fn engines_and_labels_are_both_heard() {
        table(
            &CHECK,
            vec![
                ("healthy", healthy(), "pass"),
                (
                    "two engines",
                    instance("gitlab")
                        .node(master())
                        .node(replica())
                        .node(replica().engine_master()),
                    "critical several-masters: gitlab-0 and gitlab-2 both act as master; the Service sends to gitlab-0",
                ),
                (
                    "two engines and two labels",
                    instance("gitlab").node(master()).node(master()),
                    "critical several-masters: gitlab-0 and gitlab-1 both act as master; the Service sends to gitlab-0 \
                     and gitlab-1",
                ),
                (
                    "two labels, one engine",
                    instance("gitlab")
                        .node(master())
                        .node(master().engine_replica().endpoint(false)),
                    "critical several-masters: gitlab-0 and gitlab-1 are both labelled master, only gitlab-0's engine \
                     is one; the Service sends to gitlab-0",
                ),
                (
                    "three engines",
                    instance("gitlab")
                        .node(master())
                        .node(replica().engine_master())
                        .node(replica().engine_master()),
                    "critical several-masters: gitlab-0, gitlab-1 and gitlab-2 all act as master; the Service sends to \
                     gitlab-0",
                ),
                (
                    "a young container without a label is only starting",
                    instance("gitlab")
                        .node(master())
                        .node(replica().unlabelled().engine_master().young(20)),
                    "pass",
                ),
                (
                    "so is a replica's that was just restarted",
                    instance("gitlab")
                        .node(master())
                        .node(replica().engine_master().young(20).ended("Error", 1)),
                    "pass",
                ),
                (
                    "but one that was a replica in the same run was promoted",
                    instance("gitlab")
                        .node(master())
                        .node(replica().engine_master().young(20).was(Role::Replica)),
                    "critical several-masters: gitlab-0 and gitlab-1 both act as master; the Service sends to gitlab-0",
                ),
                (
                    "and so was one that traffic is sent to",
                    instance("gitlab")
                        .node(master())
                        .node(replica().engine_master().young(20).endpoint(true)),
                    "critical several-masters: gitlab-0 and gitlab-1 both act as master; the Service sends to gitlab-0 \
                     and gitlab-1",
                ),
                (
                    "an old one without a label may be a master that was left behind",
                    instance("gitlab")
                        .node(master())
                        .node(replica().unlabelled().engine_master()),
                    "critical several-masters: gitlab-0 and gitlab-1 both act as master; the Service sends to gitlab-0",
                ),
                (
                    "a label on a pod that is going counts no more",
                    instance("gitlab")
                        .node(master())
                        .node(master().engine_replica().deleting()),
                    "pass",
                ),
                (
                    "a second master that fell silent is not known to be one",
                    instance("gitlab")
                        .node(master())
                        .node(replica().engine_master().heard(60)),
                    "pass",
                ),
            ],
        );
    }

    #[test]
    fn an_empty_pod_that_never_had_a_role_is_no_second_master() {
        let keyspace = |keys| {
            Probe::Keyspace(Keyspace {
                keys,
                ..Keyspace::default()
            })
        };
        let spec = || {
            instance("gitlab")
                .node(master())
                .node(replica().unlabelled().engine_master())
        };
        let told = |f: &Fixture| line(&answer_of(&CHECK, f));
        let mut f = spec().build();
        f.answers("gitlab-1", keyspace(0), ago(1));
        assert_eq!(told(&f), "pass");
        assert_eq!(judgement(&f).master, Master::One("gitlab-0".to_owned()));
        // What it holds it was written, or loaded: a data set.
        f.answers("gitlab-1", keyspace(1), ago(0));
        assert!(
            told(&f).starts_with("critical several-masters"),
            "{}",
            told(&f)
        );
        // A label that it lost is a role that it had; its clients may be there still.
        let mut f = spec().build();
        f.relabel("gitlab-1", Some(Role::Replica), ago(40));
        f.relabel("gitlab-1", None, ago(30));
        f.answers("gitlab-1", keyspace(0), ago(1));
        assert!(
            told(&f).starts_with("critical several-masters"),
            "{}",
            told(&f)
        );
        // Where nobody else is master, it is one.
        let mut f = instance("gitlab")
            .node(master().unlabelled().endpoint(false))
            .node(replica())
            .build();
        f.answers("gitlab-0", keyspace(0), ago(1));
        assert_eq!(judgement(&f).master, Master::One("gitlab-0".to_owned()));
    }

    #[test]
    fn an_empty_master_that_gets_nothing_is_no_second_data_set() {
        for (keys, endpoint, wanted) in [
            (0, false, "several-masters"),
            (0, true, "split-brain"),
            (1, false, "split-brain"),
        ] {
            let mut f = instance("gitlab")
                .node(master())
                .node(replica())
                .node(replica().engine_master().replid("other").endpoint(endpoint))
                .build();
            for (pod, keys) in [("gitlab-0", 5000), ("gitlab-2", keys)] {
                let keyspace = crate::domain::engine::Keyspace {
                    keys,
                    ..Default::default()
                };
                f.answers(pod, Probe::Keyspace(keyspace), ago(1));
            }
            let crate::checks::Verdict::Finding(finding) = answer_of(&CHECK, &f).verdict else {
                panic!("{keys} keys: no finding");
            };
            assert_eq!(finding.situation.id, wanted, "{keys} keys, {endpoint}");
        }
    }

    #[test]
    fn the_old_masters_last_word_is_not_held_against_the_new_one() {
        let mut f = instance("gitlab")
            .node(master().heard(4))
            .node(replica())
            .build();
        f.answers("gitlab-1", Probe::Replication(bare_master()), ago(0));
        let answer = answer_of(&CHECK, &f);
        assert_eq!(
            line(&answer),
            "note syncing: shop/gitlab is changing its master: gitlab-1 has taken over, gitlab-0 has not been asked since"
        );
        assert_eq!(answer.again_at, Some(ago(-5)));
        assert_eq!(judgement(&f).master, Master::One("gitlab-1".to_owned()));
        // Asked again, the old one still says so.
        f.answers("gitlab-0", Probe::Replication(bare_master()), now());
        let told = line(&answer_of(&CHECK, &f));
        assert!(told.starts_with("critical several-masters"), "{told}");
        let both = vec!["gitlab-0".to_owned(), "gitlab-1".to_owned()];
        assert_eq!(judgement(&f).master, Master::Contested(both));
    }

    #[test]
    fn an_old_master_that_was_asked_after_the_new_one_was_labelled_is_a_second_one_at_once() {
        // The replica is promoted and labelled 3 s ago. All engines are asked then; the old one answered a moment before
        // the new one, and its pod is being deleted.
        let mut f = instance("gitlab")
            .node(master().deleting().heard(2))
            .node(replica())
            .build();
        f.relabel("gitlab-1", Some(Role::Master), ago(3));
        f.answers("gitlab-1", Probe::Replication(bare_master()), ago(1));
        assert_eq!(
            line(&answer_of(&CHECK, &f)),
            "critical several-masters: gitlab-0 and gitlab-1 both act as master; gitlab-0 is terminating since 11:59:57 \
             UTC; the Service sends nowhere"
        );
    }

    #[test]
    fn the_old_master_is_given_no_more_than_the_settling_time() {
        let mut f = instance("gitlab")
            .node(master().heard(8))
            .node(replica().heard(9))
            .build();
        f.answers("gitlab-1", Probe::Replication(bare_master()), ago(6));
        let told = line(&answer_of(&CHECK, &f));
        assert!(told.starts_with("critical several-masters"), "{told}");
    }

    #[test]
    fn two_labels_are_as_old_as_the_second() {
        let f = instance("gitlab")
            .node(master().labelled_since(900))
            .node(master().engine_replica().labelled_since(72))
            .build();
        let super::super::Verdict::Finding(finding) = answer_of(&CHECK, &f).verdict else {
            panic!()
        };
        assert_eq!(finding.since, Since::Exactly(ago(72)));
    }

    #[test]
    fn both_replication_ids_are_evidence() {
        let f = instance("gitlab")
            .node(master().replid("aaa"))
            .node(master().replid("bbb"))
            .build();
        let super::super::Verdict::Finding(finding) = answer_of(&CHECK, &f).verdict else {
            panic!()
        };
        let told: Vec<&str> = finding.evidence.iter().map(|e| e.text.as_str()).collect();
        assert!(told.iter().any(|t| t.contains("aaa")), "{told:?}");
        assert!(told.iter().any(|t| t.contains("bbb")), "{told:?}");
    }
}
