//! What changed in an instance, newest first: roles, labels, data sets, processes, roll-outs, the operator's leader.
//!
//! Rebuilt from everything that remembers: events (the API server keeps them for an hour), the times in the managed
//! fields of labels, in statuses of containers and in the operator's Lease, and what we saw ourselves. What the cluster
//! wrote down has its moment *exactly* (put to our clock); what only we saw happened some time before we *saw* it, by ours.
//! Where both tell the same change, the exact one is kept.

use std::sync::Arc;

use jiff::Timestamp;

use super::engine::Role;
use super::object::{ContainerEnd, ContainerState, Event, Pod};
use super::text;
use super::view::InstanceView;
use super::world::{History, Moment, Turn};

/// How well the moment of a change is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Precision {
    /// The cluster wrote it down by its own clock, which is put to ours.
    Exactly,
    /// We saw it then, by our clock: it happened between the answer before and that one.
    Seen,
}

impl Precision {
    /// The word shown.
    pub fn word(self) -> &'static str {
        match self {
            Precision::Exactly => "exactly",
            Precision::Seen => "seen",
        }
    }
}

/// What sort of change it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// Who is master: by an engine, a label, or the operator's word.
    Role,
    /// Which data set a node holds.
    Data,
    /// A pod or process began.
    Begin,
    /// A pod or process ended, or is made to.
    End,
    /// A step of a roll-out.
    Rollout,
    /// Who leads the operator.
    Operator,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// How well that is known.
    pub precision: Precision,
    /// Which pod it is about; `None` for the instance as a whole.
    pub pod: Option<Arc<str>>,
    /// Of what sort.
    pub sort: Sort,
    /// What happened, as a phrase without its subject: `was labelled master`.
    pub text: String,
    /// Who tells it: `label role`, `event of the operator`.
    pub source: &'static str,
}

impl Change {
    /// `orders-1 was labelled master`.
    pub fn words(&self) -> String {
        match &self.pod {
            Some(pod) => format!("{pod} {}", self.text),
            None => self.text.clone(),
        }
    }
}

/// How many changes are told at the most.
pub const MOST: usize = 200;

/// Seconds by which two accounts of one change may differ.
const SAME: i64 = 120;

/// The changes of an instance, newest first; of equal age those of the first pod first.
pub fn timeline(view: &InstanceView<'_>) -> Vec<Change> {
    let mut changes = Vec::new();
    for held in view.events() {
        told_by_event(&held.value, &mut changes);
    }
    for node in &view.nodes {
        told_by_pod(&node.pod.value, &mut changes);
    }
    for held in view.context.leases.iter() {
        let lease = &held.value;
        if let (Some(at), Some(holder)) = (lease.acquired, &lease.holder) {
            // `<pod>_<uuid>`.
            let pod = holder
                .split_once('_')
                .map_or(holder.as_str(), |(pod, _)| pod);
            changes.push(Change {
                at,
                precision: Precision::Exactly,
                pod: None,
                sort: Sort::Operator,
                text: format!("{pod} began to lead the operator"),
                source: "Lease of the operator",
            });
        }
    }
    if let Some(at) = view.dragonfly.value.meta.created {
        changes.push(Change {
            at,
            precision: Precision::Exactly,
            pod: None,
            sort: Sort::Begin,
            text: "the Dragonfly object was made".to_owned(),
            source: "metadata",
        });
    }
    for change in &mut changes {
        change.at = view.context.by_our_clock(change.at);
    }
    if let Some(history) = view.context.history(&view.id.namespace, &view.id.name) {
        for moment in history.moments() {
            if !is_told_exactly(view, history, moment) {
                changes.push(seen(moment));
            }
        }
    }
    changes.sort_by(|a, b| (b.at, &a.pod, a.sort, &a.text).cmp(&(a.at, &b.pod, b.sort, &b.text)));
    changes.dedup();
    changes.truncate(MOST);
    changes
}

/// Changes among the events of the operator (v1.1 to v1.6: reasons `Replication` and `Rollout`), the kubelet and the
/// controllers. What the operator says at every turn is none.
fn told_by_event(event: &Event, changes: &mut Vec<Change>) {
    let note = event.note.trim();
    let is_pod = event.about_kind == "Pod";
    let (sort, source) = match event.reason.as_str() {
        "Replication" if note.starts_with("Checked") => return,
        "Replication" => (Sort::Role, "event of the operator"),
        "Rollout" => (Sort::Rollout, "event of the operator"),
        "Resources" if note.contains("rollout") => (Sort::Rollout, "event of the operator"),
        "Killing"
        | "Evicted"
        | "Preempted"
        | "Preempting"
        | "TaintManagerEviction"
        | "NodeNotReady"
        | "OOMKilling"
        | "BackOff"
            if is_pod =>
        {
            (Sort::End, "event of the pod")
        }
        "SuccessfulDelete" if event.about_kind == "StatefulSet" => {
            (Sort::End, "event of the StatefulSet")
        }
        _ => return,
    };
    let pod = is_pod.then(|| Arc::from(event.about_name.as_str()));
    let said = match (source, note) {
        ("event of the operator", note) => format!("the operator says: {}", text::one_line(note)),
        (_, "") => spaced(&event.reason),
        (_, note) => format!("{}: {}", spaced(&event.reason), text::one_line(note)),
    };
    let mut add = |at: Option<Timestamp>, text: String| {
        changes.extend(at.map(|at| Change {
            at,
            precision: Precision::Exactly,
            pod: pod.clone(),
            sort,
            text,
            source,
        }));
    };
    let times = match event.count {
        0 | 1 => String::new(),
        n => format!(" (the last of {n} times)"),
    };
    add(event.at, format!("{said}{times}"));
    if event.count > 1 && event.first != event.at {
        add(
            event.first,
            format!("{said} (the first of {} times)", event.count),
        );
    }
}

/// What a pod's own fields remember of it: the label, its process, its making and its end.
fn told_by_pod(pod: &Pod, changes: &mut Vec<Change>) {
    let mut add = |at: Option<Timestamp>, sort, source, text: String| {
        changes.extend(at.map(|at| Change {
            at,
            precision: Precision::Exactly,
            pod: Some(pod.meta.name.clone()),
            sort,
            text,
            source,
        }));
    };
    if let Some(role) = pod.label_role() {
        let text = format!("was labelled {}", role.word());
        add(pod.role_since, Sort::Role, "label role", text);
    }
    add(
        pod.meta.created,
        Sort::Begin,
        "metadata",
        "was made".to_owned(),
    );
    add(
        pod.meta.deleting,
        Sort::End,
        "metadata",
        "is asked to end".to_owned(),
    );
    let Some(container) = pod.container("dragonfly") else {
        return;
    };
    let ends = [
        container.last_end.as_ref(),
        match &container.state {
            ContainerState::Ended(end) => Some(end),
            _ => None,
        },
    ];
    for end in ends.into_iter().flatten() {
        add(end.at, Sort::End, "status of the container", ended(end));
    }
    if let ContainerState::Running { since } = container.state {
        let again = if container.restarts > 0 { " again" } else { "" };
        let text = format!("its process started{again}");
        // A first start that follows at once is told by the making of the pod.
        let at_once =
            pod.meta.created.zip(since).is_some_and(|(made, since)| {
                since.as_second().saturating_sub(made.as_second()) < SAME
            });
        if container.restarts > 0 || !at_once {
            add(since, Sort::Begin, "status of the container", text);
        }
    }
}

/// `its process ended: OOMKilled, exit code 137`.
fn ended(end: &ContainerEnd) -> String {
    let reason = match end.reason.as_str() {
        "" => "no reason told",
        reason => reason,
    };
    format!("its process ended: {reason}, exit code {}", end.exit)
}

/// A change that we saw.
fn seen(moment: &Moment) -> Change {
    let role = |role: Option<Role>| role.map_or("none", Role::word);
    let (sort, source, text) = match &moment.turn {
        Turn::Role { from, to } => {
            let text = format!("calls itself {}, before that {}", to.word(), from.word());
            (Sort::Role, "ROLE and INFO", text + &had(moment))
        }
        Turn::Label { from, to: None } => {
            let text = format!("lost its role label, which was {}", role(*from));
            (Sort::Role, "label role", text)
        }
        Turn::Label { from, to } => {
            let text = format!("was labelled {}, before that {}", role(*to), role(*from));
            (Sort::Role, "label role", text)
        }
        Turn::Replid { from, to } => {
            let text = format!("is of data set {}, before that {}", short(to), short(from));
            (Sort::Data, "INFO REPLICATION", text + &had(moment))
        }
        Turn::Restarted => (
            Sort::Begin,
            "INFO SERVER",
            format!("its process is a new one{}", had(moment)),
        ),
        Turn::Gone => (
            Sort::End,
            "the list of pods",
            format!("its pod went{}", had(moment)),
        ),
    };
    Change {
        at: moment.at,
        precision: Precision::Seen,
        pod: Some(moment.pod.clone()),
        sort,
        text,
        source,
    }
}

/// What it held when it was last asked before: what tells an empty or stale master.
fn had(moment: &Moment) -> String {
    match (moment.keys, moment.offset) {
        (None, None) => String::new(),
        (Some(keys), None) => format!("; it had {}", text::counted(keys, "key", "keys")),
        (None, Some(offset)) => format!("; it was at offset {offset}"),
        (Some(keys), Some(offset)) => {
            format!(
                "; it had {}, at offset {offset}",
                text::counted(keys, "key", "keys")
            )
        }
    }
}

/// The first letters of a `master_replid`, enough to tell data sets apart.
pub fn short(replid: &str) -> &str {
    match replid.char_indices().nth(8) {
        Some((end, _)) => replid.get(..end).unwrap_or(replid),
        None => replid,
    }
}

/// The cluster wrote that change down itself, so that what we saw of it says nothing more. Clocks may differ by hours: the
/// last change of a label that we saw is the one that its managed fields date, however they date it.
fn is_told_exactly(view: &InstanceView<'_>, history: &History, moment: &Moment) -> bool {
    let Some(node) = view
        .nodes
        .iter()
        .find(|node| node.pod.value.meta.uid == moment.uid)
    else {
        return false;
    };
    let pod = &node.pod.value;
    match &moment.turn {
        Turn::Label { to: Some(to), .. } => {
            let last = history.last_of(&moment.pod, |turn| matches!(turn, Turn::Label { .. }));
            pod.role_since.is_some()
                && pod.label_role() == Some(*to)
                && last.is_some_and(|last| last == moment)
        }
        Turn::Restarted => {
            let container = pod.container("dragonfly");
            let since = container.and_then(|container| match container.state {
                ContainerState::Running { since } => since,
                _ => None,
            });
            since.is_some_and(|since| {
                let since = view.context.by_our_clock(since);
                moment.at.as_second().abs_diff(since.as_second()) <= SAME.unsigned_abs()
            })
        }
        _ => false,
    }
}

/// `TaintManagerEviction` as words.
fn spaced(name: &str) -> String {
    let mut words = String::new();
    let mut lower = false;
    for c in name.chars() {
        if c.is_uppercase() && lower {
            words.push(' ');
        }
        lower = c.is_lowercase();
        words.extend(c.to_lowercase());
    }
    text::one_line(&words)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::domain::engine::{Probe, Server};
    use crate::domain::fixture::*;
    use crate::domain::object::{Event, Lease, Meta, Object};
    use crate::domain::{Fact, Kind, Scope};

    /// Each change in a line: age, precision, what.
    fn told(f: &Fixture) -> Vec<String> {
        let view = f.world.instance(&f.id).unwrap();
        timeline(&view)
            .iter()
            .map(|change| {
                let age = now().as_second() - change.at.as_second();
                let word = change.precision.word();
                format!("{age} {word} {} [{}]", change.words(), change.source)
            })
            .collect()
    }

    /// The same without what every fixture has: pods made and started an hour ago, the object a day ago.
    fn news(f: &Fixture) -> Vec<String> {
        let is_old = |line: &String| line.starts_with("3600 ") || line.starts_with("86400 ");
        told(f).into_iter().filter(|line| !is_old(line)).collect()
    }

    fn event(f: &mut Fixture, about: (&str, &str), reason: &str, note: &str, count: u64, age: i64) {
        let event = Event {
            meta: Meta {
                namespace: Arc::from("shop"),
                name: Arc::from(format!("{}.{reason}.{age}", about.1).as_str()),
                ..Meta::default()
            },
            about_kind: about.0.to_owned(),
            about_name: about.1.to_owned(),
            reason: reason.to_owned(),
            note: note.to_owned(),
            count,
            at: Some(ago(age)),
            first: Some(ago(age + 100 * (i64::try_from(count).unwrap() - 1))),
            ..Event::default()
        };
        f.tell(
            Fact::Seen {
                context: infra(),
                object: Object::Event(Arc::new(event)),
            },
            ago(1),
        );
    }

    #[test]
    fn what_a_wrong_clock_dates_is_put_to_ours() {
        let mut f = instance("orders").node(master()).build();
        event(
            &mut f,
            ("Dragonfly", "orders"),
            "Rollout",
            "Starting",
            1,
            50,
        );
        let before = told(&f);
        let line = "50 exactly the operator says: Starting [event of the operator]";
        assert!(before.iter().any(|told| told == line), "{before:#?}");
        for ahead in [-7_200, 7_200] {
            // The same objects, told by an API server whose clock is wrong: what it calls 50 s ago was at another time.
            let context = infra();
            f.tell(Fact::Dated { context, ahead }, now());
            let wanted = 50 + ahead;
            let line =
                format!("{wanted} exactly the operator says: Starting [event of the operator]");
            let after = told(&f);
            assert!(after.contains(&line), "{ahead}: {after:#?}");
        }
    }

    fn up(f: &mut Fixture, pod: &str, seconds: u64, age: i64) {
        let server = Server {
            uptime: Some(seconds),
            ..Server::default()
        };
        f.answers(pod, Probe::Server(server), ago(age));
    }

    #[test]
    fn an_instance_in_which_nothing_happened_tells_how_it_began() {
        let f = instance("orders").node(master()).build();
        assert_eq!(
            told(&f),
            [
                "3600 exactly orders-0 was made [metadata]",
                "86400 exactly the Dragonfly object was made [metadata]",
            ]
        );
    }

    #[test]
    fn each_source_tells_its_changes() {
        type Set = fn(&mut Fixture);
        let cases: &[(&str, Set, &[&str])] = &[
            (
                "an engine's own role",
                |f| {
                    let replication = bare_master();
                    f.answers("orders-1", Probe::Replication(replication), ago(40));
                },
                &[
                    "40 seen orders-1 calls itself master, before that replica; it had 1,000 keys, at offset 8709 [ROLE and INFO]",
                ],
            ),
            (
                "another data set",
                |f| {
                    let mut other = bare_master();
                    other.replid = Some("ffff0000ffff0000ffff".to_owned());
                    f.answers("orders-0", Probe::Replication(other), ago(30));
                },
                &[
                    "30 seen orders-0 is of data set ffff0000, before that c1d276f4; it had 1,000 keys [INFO REPLICATION]",
                ],
            ),
            (
                "a label, which the managed fields date",
                |f| {
                    f.relabel("orders-1", Some(Role::Master), ago(70));
                },
                &["70 exactly orders-1 was labelled master [label role]"],
            ),
            (
                "a label that came back: only the last change is dated",
                |f| {
                    f.relabel("orders-1", Some(Role::Master), ago(90));
                    f.relabel("orders-1", Some(Role::Replica), ago(70));
                },
                &[
                    "70 exactly orders-1 was labelled replica [label role]",
                    "90 seen orders-1 was labelled master, before that replica [label role]",
                ],
            ),
            (
                "a label that is gone, which nothing dates",
                |f| {
                    f.relabel("orders-0", None, ago(20));
                },
                &["20 seen orders-0 lost its role label, which was master [label role]"],
            ),
            (
                "a process that is a new one, by its uptime alone",
                |f| {
                    up(f, "orders-0", 5_000, 100);
                    up(f, "orders-0", 8, 60);
                },
                &["60 seen orders-0 its process is a new one; it had 1,000 keys [INFO SERVER]"],
            ),
            (
                "a pod that went",
                |f| {
                    f.tell(
                        Fact::Gone {
                            context: infra(),
                            kind: Kind::Pod,
                            namespace: Arc::from("shop"),
                            name: Arc::from("orders-1"),
                        },
                        ago(15),
                    );
                },
                &[
                    "15 seen orders-1 its pod went; it had 1,000 keys, at offset 8709 [the list of pods]",
                ],
            ),
            (
                "the operator's word, but not what it says at every turn",
                |f| {
                    event(
                        f,
                        ("Dragonfly", "orders"),
                        "Replication",
                        "Updated master instance",
                        1,
                        50,
                    );
                    event(
                        f,
                        ("Dragonfly", "orders"),
                        "Replication",
                        "Checked and configured replication",
                        90,
                        4,
                    );
                    event(
                        f,
                        ("Dragonfly", "orders"),
                        "Rollout",
                        "Deleting replica",
                        2,
                        300,
                    );
                },
                &[
                    "50 exactly the operator says: Updated master instance [event of the operator]",
                    "300 exactly the operator says: Deleting replica (the last of 2 times) [event of the operator]",
                    "400 exactly the operator says: Deleting replica (the first of 2 times) [event of the operator]",
                ],
            ),
            (
                "what befell pods, gone ones too, and nothing else that events tell",
                |f| {
                    event(
                        f,
                        ("Pod", "orders-1"),
                        "TaintManagerEviction",
                        "Marking for deletion",
                        1,
                        80,
                    );
                    event(f, ("Pod", "orders-7"), "Killing", "", 1, 81);
                    event(
                        f,
                        ("StatefulSet", "orders"),
                        "SuccessfulDelete",
                        "delete Pod orders-1",
                        1,
                        82,
                    );
                    event(f, ("Pod", "orders-1"), "Pulled", "Container image", 1, 83);
                    event(
                        f,
                        ("Pod", "carts-1"),
                        "Killing",
                        "Stopping container",
                        1,
                        84,
                    );
                },
                &[
                    "80 exactly orders-1 taint manager eviction: Marking for deletion [event of the pod]",
                    "81 exactly orders-7 killing [event of the pod]",
                    "82 exactly successful delete: delete Pod orders-1 [event of the StatefulSet]",
                ],
            ),
            (
                "who leads the operator",
                |f| {
                    let lease = Lease {
                        meta: Meta {
                            namespace: Arc::from("system"),
                            name: Arc::from("lease"),
                            ..Meta::default()
                        },
                        holder: Some("operator-7f9c_8a1f".to_owned()),
                        acquired: Some(ago(500)),
                        ..Lease::default()
                    };
                    f.tell(
                        Fact::Listed {
                            context: infra(),
                            kind: Kind::OperatorLease,
                            scope: Scope::Cluster,
                            objects: vec![Object::OperatorLease(Arc::new(lease))],
                        },
                        ago(9),
                    );
                },
                &["500 exactly operator-7f9c began to lead the operator [Lease of the operator]"],
            ),
        ];
        for (name, set, wanted) in cases {
            let mut f = instance("orders").node(master()).node(replica()).build();
            set(&mut f);
            assert_eq!(news(&f), *wanted, "{name}");
        }
    }

    #[test]
    fn a_restart_is_told_once_and_by_the_kubelet_where_it_can() {
        let mut f = instance("orders")
            .node(master().ended("OOMKilled", 137).young(45))
            .build();
        up(&mut f, "orders-0", 9_000, 200);
        up(&mut f, "orders-0", 3, 40);
        assert_eq!(
            news(&f),
            [
                "45 exactly orders-0 its process started again [status of the container]",
                "45 exactly orders-0 was made [metadata]",
                "50 exactly orders-0 its process ended: OOMKilled, exit code 137 [status of the container]",
            ]
        );
    }

    #[test]
    fn a_data_set_is_named_by_its_first_letters() {
        for (replid, wanted) in [
            ("", ""),
            ("c1d276f4", "c1d276f4"),
            ("c1d276f4aabb", "c1d276f4"),
            ("éééééééééé", "éééééééé"),
        ] {
            assert_eq!(short(replid), wanted);
        }
    }
}
