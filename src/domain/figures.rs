//! The figures of one instance, worked out once: the Fleet screen, the `status` table and the JSON report all show
//! these, so that they cannot tell different stories.
//!
//! Figures carry no judgement. What an engine does not say any more is left out rather than repeated: a replica counts
//! as in sync only while both ends of its link answer.

use jiff::Timestamp;

use super::engine::{LinkState, Question, Role};
use super::view::{InstanceView, NodeView};

/// Who acts as master, as far as it can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Master {
    /// Every engine answers, and none calls itself master.
    None,
    /// This node's engine calls itself master, and no other does.
    One(String),
    /// These nodes' engines all call themselves master.
    Contested(Vec<String>),
    /// No engine vouches for it: this pod merely carries the label `role=master`.
    Labelled(String),
    /// Neither engines nor labels tell.
    Unknown,
}

impl Master {
    /// The cell: a pod's name, `contested`, `none`, `NAME by label`, or `?`.
    pub fn words(&self) -> String {
        match self {
            Master::None => "none".to_owned(),
            Master::One(name) => name.clone(),
            Master::Contested(_) => "contested".to_owned(),
            Master::Labelled(name) => format!("{name} by label"),
            Master::Unknown => "?".to_owned(),
        }
    }
}

/// What a row about an instance shows. `None` always means "not known", never zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// Who acts as master.
    pub master: Master,
    /// Pods whose condition `Ready` is True and that are not being deleted.
    pub ready: usize,
    /// Pods wanted, master included.
    pub wanted: Option<i64>,
    /// Replicas in stable sync by the word of both ends of the link: the node says that its link is up and that it does not
    /// sync, a node that acts as master lists it online, both answer, and the pod is not being deleted. How far behind it
    /// is does not matter. Where several act as master, a replica of any of them counts. `None` when no engine answers
    /// at all. Every place that says how many are in sync says this number of [`Figures::replicas`].
    pub in_sync: Option<usize>,
    /// Replicas there should be: all wanted (or present, if more) pods but one, for one should be master; so it is the same
    /// whether none acts as master, or two.
    pub replicas: usize,
    /// Largest lag of the replicas that the master lists online, journal records.
    pub lag: Option<u64>,
    /// `used_memory` of the master, bytes; of the fullest node where there is not exactly one master.
    pub used: Option<u64>,
    /// `maxmemory` of the same node, bytes.
    pub max: Option<u64>,
    /// Operations a second, of the master.
    pub ops: Option<u64>,
    /// Keys in all databases, of the master.
    pub keys: Option<u64>,
    /// Server versions in use, sorted.
    pub versions: Vec<String>,
    /// Connected clients of the master, admin and replication connections included.
    pub clients: Option<u64>,
    /// The oldest of the nodes' last answers: nothing here is younger than the cluster was then.
    pub as_of: Option<Timestamp>,
}

impl Figures {
    /// Memory used in percent of `maxmemory`, rounded.
    pub fn used_percent(&self) -> Option<u64> {
        let (used, max) = (self.used?, self.max?);
        (max > 0).then(|| {
            u64::try_from((u128::from(used) * 100 + u128::from(max) / 2) / u128::from(max))
                .unwrap_or(u64::MAX)
        })
    }

    /// `1 of 2`.
    pub fn sync_words(&self) -> String {
        match self.in_sync {
            Some(in_sync) => format!("{in_sync} of {}", self.replicas),
            None => format!("? of {}", self.replicas),
        }
    }

    /// `3/3`, or `3/?` where the number wanted is not known.
    pub fn nodes_words(&self) -> String {
        match self.wanted {
            Some(wanted) => format!("{}/{wanted}", self.ready),
            None => format!("{}/?", self.ready),
        }
    }
}

/// Works the figures of an instance out, by who calls itself master.
pub fn figures(view: &InstanceView<'_>) -> Figures {
    let speaking: Vec<&NodeView<'_>> = view.nodes.iter().filter(|n| n.speaks()).collect();
    let masters: Vec<&NodeView<'_>> = speaking
        .iter()
        .copied()
        .filter(|n| n.engine_role().is_some_and(|k| k.value == Role::Master))
        .collect();
    figures_under(view, who_is_master(view, &masters, &speaking))
}

/// The same, by who was judged to act as master: what is shown beside a judgement must not contradict it.
pub fn figures_under(view: &InstanceView<'_>, master: Master) -> Figures {
    let speaking: Vec<&NodeView<'_>> = view.nodes.iter().filter(|n| n.speaks()).collect();
    let masters: Vec<&NodeView<'_>> = speaking
        .iter()
        .copied()
        .filter(|n| match &master {
            Master::One(name) => *n.id.pod == **name,
            Master::Contested(names) => names.iter().any(|name| *n.id.pod == **name),
            Master::None | Master::Labelled(_) | Master::Unknown => false,
        })
        .collect();
    let alive = view
        .nodes
        .iter()
        .filter(|n| n.pod.value.meta.deleting.is_none());
    let present = alive.clone().count();
    let ready = alive.filter(|n| n.pod.value.is_ready()).count();
    let wanted = view.wanted();
    let all = usize::try_from(wanted.unwrap_or(0))
        .unwrap_or(0)
        .max(present);

    let only_master = match masters.as_slice() {
        [one] => Some(*one),
        _ => None,
    };
    let fullest = only_master.or_else(|| {
        speaking
            .iter()
            .copied()
            .max_by_key(|n| memory(n).and_then(|m| m.used))
    });
    Figures {
        master,
        ready,
        wanted,
        in_sync: (!speaking.is_empty()).then(|| {
            speaking
                .iter()
                .filter(|n| n.pod.value.meta.deleting.is_none())
                .filter(|n| masters.iter().any(|m| in_sync(view, m, n)))
                .count()
        }),
        replicas: all.saturating_sub(1),
        lag: only_master.and_then(|m| {
            speaking
                .iter()
                .filter(|_| m.engine_on(Question::Replication).is_some())
                .filter_map(|n| view.line_for(m, n))
                .filter(|line| line.state == LinkState::Online)
                .filter_map(|line| line.lag)
                .max()
        }),
        used: fullest.and_then(|n| memory(n)?.used),
        max: fullest.and_then(|n| memory(n)?.max),
        ops: only_master.and_then(|n| n.engine_on(Question::Stats)?.stats.as_ref()?.value.ops),
        keys: only_master.and_then(|n| {
            Some(
                n.engine_on(Question::Keyspace)?
                    .keyspace
                    .as_ref()?
                    .value
                    .keys,
            )
        }),
        versions: versions(view),
        clients: only_master.and_then(|n| {
            n.engine_on(Question::Clients)?
                .clients
                .as_ref()?
                .value
                .connected
        }),
        as_of: view.nodes.iter().filter_map(|n| n.engine?.heard).min(),
    }
}

fn who_is_master(
    view: &InstanceView<'_>,
    masters: &[&NodeView<'_>],
    speaking: &[&NodeView<'_>],
) -> Master {
    let name = |n: &NodeView<'_>| n.id.pod.to_string();
    match masters {
        [one] => Master::One(name(one)),
        [] if !view.nodes.is_empty() && speaking.len() == view.nodes.len() => Master::None,
        [] => {
            let silent = view
                .labelled_masters()
                .filter(|n| !n.speaks())
                .collect::<Vec<_>>();
            match silent.as_slice() {
                [one] => Master::Labelled(name(one)),
                _ => Master::Unknown,
            }
        }
        several => Master::Contested(several.iter().map(|n| name(n)).collect()),
    }
}

/// Both ends agree: the replica's link is up, not syncing and has an offset; this master lists it online.
fn in_sync(view: &InstanceView<'_>, master: &NodeView<'_>, node: &NodeView<'_>) -> bool {
    node.engine_on(Question::Replication)
        .and_then(|engine| engine.follower())
        .is_some_and(|f| f.link_up && !f.syncing)
        && master.engine_on(Question::Replication).is_some()
        && view
            .line_for(master, node)
            .is_some_and(|line| line.state == LinkState::Online)
}

fn memory<'a>(node: &NodeView<'a>) -> Option<&'a super::engine::Memory> {
    Some(&node.engine_on(Question::Memory)?.memory.as_ref()?.value)
}

fn versions(view: &InstanceView<'_>) -> Vec<String> {
    let mut versions: Vec<String> = view
        .nodes
        .iter()
        .filter_map(|n| n.engine?.server.as_ref()?.value.version.clone())
        .collect();
    versions.sort();
    versions.dedup();
    versions
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::domain::FaultKind;
    use crate::domain::engine::LinkState;
    use crate::domain::fixture::*;

    fn of(spec: InstanceSpec) -> Figures {
        let f = spec.build();
        figures(&f.world.instance(&f.id).unwrap())
    }

    #[test]
    fn a_healthy_instance_in_figures() {
        let figures = of(instance("orders")
            .node(master())
            .node(replica().lagging(7))
            .node(replica().lagging(40).heard(9)));
        assert_eq!(
            figures,
            Figures {
                master: Master::One("orders-0".to_owned()),
                ready: 3,
                wanted: Some(3),
                in_sync: Some(2),
                replicas: 2,
                lag: Some(40),
                used: Some(600 << 20),
                max: Some(1 << 30),
                ops: Some(1_200),
                keys: Some(1_000),
                versions: vec!["v1.39.0".to_owned()],
                clients: Some(7),
                as_of: Some(ago(9)),
            }
        );
        assert_eq!(figures.used_percent(), Some(59));
        assert_eq!(figures.sync_words(), "2 of 2");
        assert_eq!(figures.nodes_words(), "3/3");
    }

    #[test]
    fn who_is_master_as_far_as_it_can_be_told() {
        let no = FaultKind::Forbidden;
        for (spec, words) in [
            (healthy(), "orders-0"),
            (
                instance("orders").node(master()).node(master()),
                "contested",
            ),
            (instance("orders").node(replica()), "none"),
            (instance("orders").node(master().engine_replica()), "none"),
            (
                instance("orders").node(master().unreachable(no, "no")),
                "orders-0 by label",
            ),
            (
                instance("orders").node(master().unasked()).node(replica()),
                "orders-0 by label",
            ),
            (
                instance("orders").node(replica()).node(replica().unasked()),
                "?",
            ),
            (
                instance("orders").node(master().heard(12).falls_silent(None, 9)),
                "orders-0 by label",
            ),
            (
                // A second one that fell silent does not contest the one that speaks.
                instance("orders")
                    .node(master())
                    .node(master().heard(12).falls_silent(None, 9)),
                "orders-0",
            ),
            (instance("orders"), "?"),
        ] {
            assert_eq!(of(spec.clone()).master.words(), words, "{spec:?}");
        }
    }

    #[test]
    fn in_sync_needs_the_word_of_both_ends() {
        for (spec, words) in [
            (healthy(), "2 of 2"),
            (
                instance("o").node(master()).node(replica()).wanting(3),
                "1 of 2",
            ),
            (
                instance("o").node(master()).node(replica().full_sync(9, 1)),
                "0 of 1",
            ),
            (
                instance("o").node(master()).node(replica().cut_off(9)),
                "0 of 1",
            ),
            (
                instance("o").node(master()).node(replica().listed(None)),
                "0 of 1",
            ),
            (
                instance("o")
                    .node(master())
                    .node(replica().listed(Some(LinkState::Preparation))),
                "0 of 1",
            ),
            (
                instance("o")
                    .node(master().heard(12).falls_silent(None, 9))
                    .node(replica()),
                "0 of 1",
            ),
            (
                instance("o")
                    .node(master())
                    .node(replica().heard(12).falls_silent(None, 9)),
                "0 of 1",
            ),
            (instance("o").node(master()), "0 of 0"),
            (
                instance("o")
                    .node(master())
                    .node(replica())
                    .node(replica().deleting())
                    .wanting(2),
                "1 of 1",
            ),
        ] {
            assert_eq!(of(spec.clone()).sync_words(), words, "{spec:?}");
        }
    }

    #[test]
    fn a_section_that_is_not_answered_any_more_gives_no_figure() {
        // The master answers ROLE throughout, so it speaks.
        let with = |master| {
            let spec = instance("orders").node(master).node(replica().lagging(7));
            let mut f = spec.build();
            let replicas = Vec::new();
            let role = crate::domain::engine::RoleReply::Master { replicas };
            f.answers("orders-0", crate::domain::Probe::Role(role), ago(12));
            figures(&f.world.instance(&f.id).unwrap())
        };
        let silent = |question| with(master().heard(12).falls_silent(Some(question), 9));
        let whole = with(master().heard(12));
        assert_eq!((whole.in_sync, whole.lag), (Some(1), Some(7)));
        for (question, wanted) in [
            (
                Question::Replication,
                Figures {
                    in_sync: Some(0),
                    lag: None,
                    ..whole.clone()
                },
            ),
            (
                Question::Stats,
                Figures {
                    ops: None,
                    ..whole.clone()
                },
            ),
            (
                Question::Keyspace,
                Figures {
                    keys: None,
                    ..whole.clone()
                },
            ),
            (
                Question::Clients,
                Figures {
                    clients: None,
                    ..whole.clone()
                },
            ),
            (
                Question::Memory,
                Figures {
                    used: None,
                    max: None,
                    ..whole.clone()
                },
            ),
            (Question::Ping, whole.clone()),
        ] {
            assert_eq!(silent(question), wanted, "{question:?}");
        }
        // A replica that no longer tells of its link is not in sync by its own word.
        let replica = replica()
            .heard(12)
            .falls_silent(Some(Question::Replication), 9);
        let figures = of(instance("orders").node(master()).node(replica));
        assert_eq!(figures.in_sync, Some(0));
    }

    #[test]
    fn what_is_not_known_is_not_zero() {
        let figures = of(instance("orders").wanting(3));
        assert_eq!((figures.ready, figures.wanted), (0, Some(3)));
        assert_eq!(
            (figures.lag, figures.used, figures.keys, figures.as_of),
            (None, None, None, None)
        );
        // Without exactly one master there is no lag, but the fullest node's memory.
        let figures = of(instance("orders").node(master()).node(master()));
        assert_eq!(
            (figures.lag, figures.ops, figures.used),
            (None, None, Some(600 << 20))
        );
        // A master alone has no lag.
        assert_eq!(of(instance("orders").node(master())).lag, None);
    }

    #[test]
    fn lines_over_a_proxy_stand_for_the_nodes_that_are_left() {
        let mut f = instance("o")
            .node(master())
            .node(replica())
            .node(replica())
            .build();
        let line = |ip: &str, lag| crate::domain::engine::ReplicaLine {
            ip: ip.to_owned(),
            port: 6379,
            state: LinkState::Online,
            lag: Some(lag),
        };
        let side = crate::domain::engine::Side::Master {
            connected: 2,
            replicas: vec![line("127.0.0.6", 5), line(&ip(1), 9)],
        };
        let replication = crate::domain::Replication { replid: None, side };
        f.answers("o-0", crate::domain::Probe::Replication(replication), now());
        let view = f.world.instance(&f.id).unwrap();
        let lag = |i: usize| {
            view.line_for(view.nodes.first().unwrap(), view.nodes.get(i).unwrap())
                .and_then(|l| l.lag)
        };
        assert_eq!((lag(0), lag(1), lag(2)), (None, Some(9), Some(5)));
        assert_eq!(figures(&view).in_sync, Some(2));
    }
}
