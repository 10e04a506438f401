//! A node is loading its snapshot: Kubernetes calls it ready (the probe's PING gets an answer), clients get `-LOADING`.
//! A replica that loads because it is in full sync is `replica-syncing`'s matter.

use jiff::Timestamp;

use super::case::later;
use super::words::{are, list, number};
use super::{Answer, Area, Case, Check, Instance, Node, Severity, Shown, Since, Situation, State};
use crate::domain::Role;
use crate::domain::engine::{LinkState, RoleReply};
use crate::domain::object::ContainerState;
use crate::domain::text;
use crate::domain::world::Turn;

/// The check.
pub const CHECK: Check = Check {
    id: "loading",
    area: Area::Instance,
    title: "Loading its snapshot",
    why: "While a node loads, it refuses every command of clients with LOADING. Whether its pod is Ready meanwhile, so that the \
          Service sends clients to it, is its probe's matter.",
    reads: "PING and INFO persistence of every node, its keys, and what it held before it started",
    next: "Wait, and do not restart it: it would begin anew. Its log tells how far it is.\n\
           $ {kubectl} logs {pod} -c dragonfly --tail=20",
    situations: &[&READY, &MASTER, &REPLICA],
    needs: Check::NOTHING,
    run,
};

const READY: Situation = Situation {
    id: "ready-while-loading",
    word: "loads, yet ready",
    class: State::Critical,
    rule: "a node loads a snapshot (as loading) while its pod is Ready and the master Service sends to it",
    meaning: "The Service sends clients to it, and each gets -LOADING until it is done.",
    accounts_for: &["replication-retrying", "partial-sync"],
    shown: Shown::By(&["ready-while-loading"]),
};

const MASTER: Situation = Situation {
    id: "loading",
    word: "loading",
    class: State::Critical,
    rule: "a node to which clients are sent, or that says role:master and is not starting, answers PING with LOADING or INFO persistence with loading:1, and is in no full sync",
    meaning: "Clients are refused, with LOADING where they reach it, until it is done.",
    accounts_for: &["pods-missing", "replication-retrying", "partial-sync"],
    shown: Shown::By(&["loading-not-ready"]),
};

const REPLICA: Situation = Situation {
    id: "replica-loading",
    word: "loading",
    class: State::Syncing,
    rule: "any other node loads a snapshot",
    meaning: "It is no candidate for a failover until it is done.",
    accounts_for: &["replica-waiting"],
    shown: Shown::By(&["loading"]),
};

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = case.judgeable() else {
        return Answer::NOT_APPLICABLE;
    };
    let loading: Vec<&Node<'_>> = instance
        .nodes
        .iter()
        .filter(|n| n.loading && !is_in_full_sync(n))
        .collect();
    if loading.is_empty() {
        return Answer::PASS;
    }
    let ready = loading.iter().any(|n| n.is_ready() && n.view.is_endpoint);
    let master = loading
        .iter()
        .any(|n| n.view.is_endpoint || (n.says(Role::Master) && !n.is_starting()));
    let (severity, situation) = match (ready, master) {
        (true, _) => (Severity::Critical, &READY),
        (false, true) => (Severity::Critical, &MASTER),
        (false, false) => (Severity::Note, &REPLICA),
    };
    let names: Vec<&str> = loading.iter().map(|n| n.name()).collect();
    let progress: Vec<Option<Progress>> = loading
        .iter()
        .map(|node| Progress::of(case, instance, node))
        .collect();
    let far = match (loading.as_slice(), progress.as_slice()) {
        ([_], [Some(progress)]) => format!(": {}", progress.words()),
        _ => String::new(),
    };
    // What it does to clients comes first where it does something to them.
    let doing = match severity {
        Severity::Critical => format!(
            "{} every client while {} a snapshot",
            number(names.len(), "refuses", "refuse"),
            number(names.len(), "it loads", "they load")
        ),
        Severity::Warning | Severity::Note => format!("{} loading a snapshot", are(names.len())),
    };
    let sentence = format!("{} {doing}{far}", list(&names));
    let since = loading
        .iter()
        .map(|node| started(case, node))
        .min_by_key(|since| since.at())
        .unwrap_or(Since::Seen(case.now));
    let mut finding = case
        .finding(&CHECK, situation, severity, sentence)
        .about(names)
        .since(since);
    if master || ready {
        // Who follows it gets no link until it is done.
        finding = finding.covering(instance.nodes.iter().map(Node::name));
    }
    if let Some(percent) = progress
        .iter()
        .flatten()
        .filter_map(Progress::percent)
        .min()
    {
        finding = finding.called(format!("loading {percent}%"));
    }
    for (node, progress) in loading.iter().zip(&progress) {
        let name = node.name();
        let engine = node.view.engine;
        if let Some(known) = engine.and_then(|e| e.persistence.as_ref()) {
            finding = finding.resting_on(
                format!("loading:{}", u8::from(known.value.loading)),
                format!("INFO persistence of {name}"),
                known.at,
            );
        }
        if let Some(known) = engine.and_then(|e| e.ping.as_ref()).filter(|k| k.value.1) {
            finding = finding.resting_on("-LOADING", format!("PING to {name}"), known.at);
        }
        if node.is_ready() {
            let sends = match node.view.is_endpoint {
                true => " and the Service sends to it",
                false => "",
            };
            finding = finding.resting_on(
                format!("Kubernetes calls it ready{sends}"),
                format!("conditions of pod {name}"),
                node.view.pod.changed,
            );
        }
        if !node.is_ready() && !node.is_going() && severity == Severity::Critical {
            finding = finding.resting_on(
                format!(
                    "Kubernetes does not call it ready, and {}",
                    instance.endpoints_words()
                ),
                format!("conditions of pod {name}"),
                node.view.pod.changed,
            );
        }
        if let Some(Progress {
            had: Some((had, of, at)),
            ..
        }) = progress
        {
            finding = finding.resting_on(text::counted(*had, "key", "keys"), of.clone(), *at);
        }
    }
    finding.into()
}

/// It loads what its master sends. INFO replication tells, or ROLE where that was answered alone.
pub(super) fn is_in_full_sync(node: &Node<'_>) -> bool {
    let role = node.view.engine.and_then(|engine| engine.role.as_ref());
    let by_role = matches!(
        role.map(|known| &known.value),
        Some(RoleReply::Replica {
            state: LinkState::FullSync,
            ..
        })
    );
    by_role && node.says(Role::Replica) || node.follower().is_some_and(|link| link.syncing)
}

/// A process that is older has begun to load later: nothing that it loads at its start takes so long, seconds.
const AT_START: i64 = 3600;

/// It loads since its process started: that is the first thing it does. What it loads later (by DFLY LOAD) has no date.
fn started(case: &Case<'_>, node: &Node<'_>) -> Since {
    match node.container().map(|c| &c.state) {
        Some(ContainerState::Running { since: Some(since) })
            if later(case.context.by_our_clock(*since), AT_START) > case.now =>
        {
            Since::Exactly(*since)
        }
        _ => Since::Seen(case.now),
    }
}

/// How far it has come.
struct Progress {
    keys: u64,
    /// The keys that it is to come to, as far as something tells: how many, where that is known from, and since when.
    had: Option<(u64, String, Timestamp)>,
}

impl Progress {
    /// Against what it held before it started; else against what the others hold.
    fn of(case: &Case<'_>, instance: &Instance<'_>, node: &Node<'_>) -> Option<Self> {
        let keys = node.view.engine?.keyspace.as_ref()?.value.keys;
        let id = &instance.view.id;
        let history = case.context.history(&id.namespace, &id.name);
        let before = history
            .and_then(|history| {
                history.last_of(node.name(), |turn| {
                    matches!(turn, Turn::Restarted | Turn::Gone)
                })
            })
            .and_then(|moment| {
                let source = format!("INFO keyspace of {} before it started", node.name());
                Some((moment.keys?, source, moment.at))
            });
        let others = || {
            instance
                .nodes
                .iter()
                .filter(|other| other.name() != node.name() && !other.loading)
                .filter_map(|other| {
                    let known = other.view.engine?.keyspace.as_ref()?;
                    let source = format!("INFO keyspace of {}, for comparison", other.name());
                    Some((known.value.keys, source, known.at))
                })
                .max_by_key(|(keys, ..)| *keys)
        };
        Some(Self {
            keys,
            had: before.or_else(others).filter(|(had, ..)| *had > 0),
        })
    }

    fn percent(&self) -> Option<u64> {
        let (had, ..) = self.had.as_ref()?;
        u64::try_from(u128::from(self.keys) * 100 / u128::from((*had).max(1)))
            .ok()
            .map(|percent| percent.min(100))
    }

    fn words(&self) -> String {
        let keys = text::counted(self.keys, "key", "keys");
        match (&self.had, self.percent()) {
            (Some((had, ..)), Some(percent)) => {
                format!("{keys} of about {} ({percent} %)", text::count(*had))
            }
            _ => format!("{keys} so far"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::checks::fixture::*;
    use crate::domain::engine::{Keyspace, Probe, Server};
    use crate::domain::fixture::*;

    #[test]
    fn a_loading_master_refuses_clients() {
        table(
            &CHECK,
            vec![
                ("healthy", healthy(), "pass"),
                (
                    "the master",
                    instance("orders").node(master().loading()).node(replica()),
                    "critical critical: orders-0 refuses every client while it loads a snapshot: 1,000 keys of about 1,000 (100 %)",
                ),
                (
                    "a replica",
                    instance("orders").node(master()).node(replica().loading()),
                    "note syncing: orders-1 is loading a snapshot: 1,000 keys of about 1,000 (100 %)",
                ),
                (
                    "full sync is told elsewhere",
                    instance("orders")
                        .node(master())
                        .node(replica().full_sync(30, 10)),
                    "pass",
                ),
                (
                    "a node that loads before the operator makes it a replica",
                    instance("orders")
                        .node(master())
                        .node(replica().unlabelled().engine_master().loading()),
                    "note syncing: orders-1 is loading a snapshot: 1,000 keys of about 1,000 (100 %)",
                ),
            ],
        );
    }

    fn of(f: &Fixture) -> super::super::Finding {
        match answer_of(&CHECK, f).verdict {
            super::super::Verdict::Finding(finding) => finding,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ready_while_loading_is_the_worse_and_an_unready_master_is_only_loading() {
        for (name, node, situation) in [
            (
                "ready and the endpoint",
                master().loading(),
                "ready-while-loading",
            ),
            ("not ready", master().loading().unready(), "loading"),
            (
                "ready, and no endpoint",
                master().loading().endpoint(false),
                "loading",
            ),
        ] {
            let is_unready = situation == "loading" && name == "not ready";
            let f = instance("orders").node(node).node(replica()).build();
            let found = of(&f);
            assert_eq!(found.situation.id, situation, "{name}");
            let unready = "Kubernetes does not call it ready, and the Service sends nowhere";
            let told = found.evidence.iter().any(|one| one.text == unready);
            assert_eq!(told, is_unready, "{name}: {:?}", found.evidence);
        }
    }

    #[test]
    fn progress_is_told_against_what_it_held_before() {
        let mut f = instance("orders")
            .node(master().loading().young(30))
            .node(replica())
            .build();
        let holds = |f: &mut Fixture, keys, seconds| {
            let keyspace = Keyspace {
                keys,
                ..Keyspace::default()
            };
            f.answers("orders-0", Probe::Keyspace(keyspace), ago(seconds));
        };
        let up = |f: &mut Fixture, uptime, seconds| {
            let server = Server {
                uptime: Some(uptime),
                ..Server::default()
            };
            f.answers("orders-0", Probe::Server(server), ago(seconds));
        };
        up(&mut f, 5_000, 90);
        holds(&mut f, 4_000, 90);
        up(&mut f, 3, 25);
        holds(&mut f, 1_000, 1);
        let finding = of(&f);
        assert_eq!(
            (finding.sentence.as_str(), finding.short.as_str()),
            (
                "orders-0 refuses every client while it loads a snapshot: 1,000 keys of about 4,000 (25 %)",
                "loading 25%"
            )
        );
        assert_eq!(finding.since, Since::Exactly(ago(30)));
    }

    #[test]
    fn a_process_that_is_old_has_not_loaded_since_it_started() {
        for (age, wanted) in [
            (3500, Since::Exactly(ago(3500))),
            (3700, Since::Seen(now())),
        ] {
            let f = instance("orders")
                .node(master().loading().young(age))
                .build();
            let crate::checks::Verdict::Finding(finding) = answer_of(&CHECK, &f).verdict else {
                panic!("{age}");
            };
            assert_eq!(finding.since, wanted, "{age}");
        }
    }
}
