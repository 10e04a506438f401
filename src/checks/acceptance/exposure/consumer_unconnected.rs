//! Whether a consumer is connected, by the clients that the master lists: none of its own, or one that must not be there.

use std::collections::BTreeSet;

use crate::checks::acceptance::passages::wish;
use crate::checks::acceptance::{ACCEPTED, untold};
use crate::checks::reach;
use crate::checks::reach::connected::{Connected, connected};
use crate::checks::words::counted;
use crate::checks::{Answer, Area, Case, Check, Limits, Severity, Situation};
use crate::domain::{InstanceId, Want, World, consumers};

/// The check.
pub const CHECK: Check = Check {
    id: "consumer-unconnected",
    area: Area::Exposure,
    title: "Consumer without connections, or one too many",
    why: "Names, Services and policies may all be right and nobody connected: only the master knows who is.",
    reads: "CLIENT LIST of every node, and pods of all contexts by their addresses; consumers in the settings",
    next: "See what its pods say.\n\
           $ {kubectl} get pods",
    situations: &[&UNCONNECTED, &INTRUDER],
    needs,
    run,
};

const UNCONNECTED: Situation = Situation {
    id: "consumer-unconnected",
    word: "unconnected",
    rule: "the nodes of an instance list their clients, every client's address is a pod's that is known, and none is of a consumer that is to use it",
    meaning: "It does not use the instance at present: it is stopped, kept out, or connects elsewhere.",
    ..ACCEPTED
};

const INTRUDER: Situation = Situation {
    id: "consumer-intrudes",
    word: "intruder",
    rule: "a node of an instance lists a client whose address is of a pod of a consumer that is expected to be denied",
    meaning: "Whoever runs there is connected to the data now, whatever policies are predicted to do.",
    ..ACCEPTED
};

fn needs(case: &Case<'_>) -> Vec<Want> {
    let id = wish(case).and_then(|wish| reach::instance_of(case.world, wish));
    match id.and_then(|id| case.world.instance(&id)) {
        Some(_) => consumers::wants(case.world).into_iter().collect(),
        None => Vec::new(),
    }
}

/// The instances whose clients it reads: those that the settings have consumers for. Of a cluster that is not reached nobody
/// asks.
pub(in crate::checks) fn asked(world: &World, limits: &Limits) -> BTreeSet<InstanceId> {
    let wishes = limits.expected.consumers.iter();
    let named = wishes.filter_map(|wish| reach::instance_of(world, wish));
    let known = named.filter_map(|id| world.instance(&id).map(|view| view.id));
    known
        .filter(|id| world.context(&id.context).is_some_and(|c| c.is_live()))
        .collect()
}

fn run(case: &Case<'_>) -> Answer {
    let Some(wish) = wish(case) else {
        return Answer::NOT_APPLICABLE;
    };
    let Some(id) = reach::instance_of(case.world, wish) else {
        return Answer::NOT_APPLICABLE;
    };
    let (count, at) = match connected(case.world, wish, &id) {
        // Nobody claims that it is there.
        Connected::Untold(_) if wish.denied => return Answer::NOT_APPLICABLE,
        Connected::Untold(why) => {
            let sentence = format!(
                "whether {} is connected to {id} cannot be told: {why}",
                wish.id
            );
            return untold(case, &CHECK, sentence);
        }
        Connected::By { clients, at } => (clients, at),
    };
    let source = format!("CLIENT LIST of the nodes of {id}");
    match (count, wish.denied) {
        (0, true) | (1.., false) => Answer::PASS,
        (0, false) => case
            .finding(
                &CHECK,
                &UNCONNECTED,
                Severity::Warning,
                format!(
                    "no client of {} of {} is connected to {id}",
                    wish.id, wish.id.context
                ),
            )
            .resting_on("none of its addresses", source, at)
            .into(),
        (count, true) => case
            .finding(
                &CHECK,
                &INTRUDER,
                Severity::Critical,
                format!(
                    "{} of {} of {}, which is to be kept out, {} connected to {id}",
                    counted(count, "client", "clients"),
                    wish.id,
                    wish.id.context,
                    if count == 1 { "is" } else { "are" }
                ),
            )
            .resting_on(counted(count, "client", "clients"), source, at)
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::engine::{ClientGroup, ClientList, Probe};
    use crate::domain::fixture::{Fixture, ago};
    use crate::domain::{ContextId, Foreign, Scope};
    use serde_json::json;

    #[test]
    fn who_is_connected_is_told_by_the_engine_alone() {
        let clients = |f: &mut Fixture, ips: &[&str]| {
            let group = |ip: &&str| ClientGroup {
                ip: (*ip).to_owned(),
                port: Some(6379),
                count: 2,
                ..ClientGroup::default()
            };
            let list = ClientList {
                total: 2,
                groups: ips.iter().map(group).collect(),
                ..ClientList::default()
            };
            f.answers("orders-0", Probe::ClientList(list), ago(3));
            let pod = json!({"metadata": {"name": "front-1", "namespace": "web"}, "status": {"podIP": "10.9.0.1"}});
            read_in(
                f,
                &ContextId::new("apps"),
                Foreign::Pod,
                Scope::Cluster,
                Ok(vec![pod]),
            );
            read(f, Foreign::Pod, Ok(vec![]));
        };
        consumer_table(
            &CHECK,
            false,
            &[
                (
                    "not asked",
                    &|_| {},
                    "note unknown: whether web/front is connected to shop/orders cannot be told: no node has listed its clients: only instances in view or in trouble are asked",
                ),
                ("connected", &|f| clients(f, &["10.9.0.1"]), "pass"),
                (
                    "not connected",
                    &|f| clients(f, &[]),
                    "warning healthy: no client of web/front of apps is connected to shop/orders",
                ),
                (
                    "perhaps",
                    &|f| clients(f, &["10.77.0.1"]),
                    "note unknown: whether web/front is connected to shop/orders cannot be told: 2 clients have addresses that are no pod's: a gateway or a machine may stand for it",
                ),
            ],
        );
        consumer_table(
            &CHECK,
            true,
            &[
                ("kept out", &|f| clients(f, &[]), "pass"),
                (
                    "connected",
                    &|f| clients(f, &["10.9.0.1"]),
                    "critical critical: 2 clients of web/front of apps, which is to be kept out, are connected to shop/orders",
                ),
            ],
        );
    }
}
