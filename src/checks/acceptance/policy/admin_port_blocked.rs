//! Peers or the operator do not reach port 9999 of an instance's nodes: replication stops at the next reconnect, and the operator
//! can neither elect nor roll.

use crate::checks::acceptance::ACCEPTED;
use crate::checks::acceptance::passages::{Admitted, Way, manifest, resting};
use crate::checks::acceptance::untold;
use crate::checks::reach::{self, ADMIN, Passage};
use crate::checks::words::{list, number};
use crate::checks::{Answer, Area, Case, Check, Instance, Severity, Situation};
use crate::domain::reach::{End, Outcome, Protocol, Reach, Side};
use crate::domain::{Role, Want};

/// The check.
pub const CHECK: Check = Check {
    id: "admin-port-blocked",
    area: Area::Policy,
    title: "Peers or operator kept from port 9999",
    why: "Replication and all that the operator does run over port 9999. An allow-list that only names 6379 cuts both: replicas stop at \
          the next reconnect, and the operator neither elects a master nor finishes a rollout.",
    reads: "NetworkPolicies, CiliumNetworkPolicies and CiliumClusterwideNetworkPolicies of the instance's namespace and of the operator's; labels of their pods",
    next: "Add a policy that admits 9999 from the instance's own pods and from the operator's.",
    situations: &[&PEERS, &OPERATOR],
    needs,
    run,
};

const PEERS: Situation = Situation {
    id: "peers-blocked",
    word: "peers blocked",
    rule: "a node of an instance is denied port 9999 of another of its nodes, by simulation",
    meaning: "Replicas cannot connect to their master: links that stand now do not come back once they break, and no failover keeps the data.",
    ..ACCEPTED
};

const OPERATOR: Situation = Situation {
    id: "operator-blocked",
    word: "operator blocked",
    rule: "the operator's pods are denied port 9999 of a node of an instance, by simulation",
    meaning: "The operator cannot ask or configure the nodes: no new master after a loss, no rollout.",
    ..ACCEPTED
};

/// Most replicas whose pairs are simulated.
const REPLICAS: usize = 4;

fn needs(case: &Case<'_>) -> Vec<Want> {
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let mut needs = reach::needs(case.context, &instance.view.id.namespace);
    for (_, operator) in reach::operators(case.context) {
        needs.extend(reach::needs(case.context, &operator.namespace));
    }
    needs
}

/// A connection that is denied.
struct Barred<'e> {
    from: (&'e str, &'e End),
    to: (&'e str, &'e End),
    found: Reach,
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let id = &instance.view.id;
    let nodes = ends(instance);
    let Some((_, some)) = nodes.first() else {
        return Answer::NOT_APPLICABLE;
    };
    let operators = reach::operators(case.context);
    let mut unsure: Option<String> = None;
    let between = Passage::new((case.context, some.clone()), (case.context, some.clone()));
    let mut peers = Vec::new();
    for (from, end) in &nodes {
        let others = nodes.iter().filter(|(name, _)| name != from);
        let all = others.map(|(to, peer)| ((from.as_str(), end), (to.as_str(), peer)));
        barred(&between, all, &mut peers, &mut unsure);
    }
    let mut asking = Vec::new();
    for (from, end) in &operators {
        let passage = Passage::new((case.context, end.clone()), (case.context, some.clone()));
        let all = nodes.iter();
        let all = all.map(|(to, node)| ((from.as_str(), end), (to.as_str(), node)));
        barred(&passage, all, &mut asking, &mut unsure);
    }
    if peers.is_empty() && asking.is_empty() {
        return match unsure {
            Some(why) => untold(
                case,
                &CHECK,
                format!(
                    "whether peers and operator reach port {ADMIN} of {id} cannot be told: {why}"
                ),
            ),
            None => Answer::PASS,
        };
    }
    let situation = match peers.is_empty() {
        false => &PEERS,
        true => &OPERATOR,
    };
    let all_nodes: Vec<&str> = nodes.iter().map(|(name, _)| name.as_str()).collect();
    let mut clauses: Vec<String> = by_reason(&peers)
        .into_iter()
        .map(|(reason, pairs)| {
            let who = of_peers(&pairs, &all_nodes);
            format!("of {id}, {who} on port {ADMIN}: {reason}")
        })
        .collect();
    clauses.extend(by_reason(&asking).into_iter().map(|(reason, pairs)| {
        let who = of_operators(&pairs, &all_nodes, &id.to_string());
        format!("{who} on port {ADMIN}: {reason}")
    }));
    let mut finding = case.finding(&CHECK, situation, Severity::Critical, clauses.join("; "));
    for all in [&peers, &asking] {
        for (_, pairs) in by_reason(all) {
            if let Some(first) = pairs.first() {
                finding = resting(case, finding, &first.found);
            }
        }
    }
    for (name, operator) in &operators {
        if asking.iter().any(|one| one.from.0 == name) {
            finding = finding.resting_on(
                operator_labels(operator),
                format!("labels of {}/{name}", operator.namespace),
                case.now,
            );
        }
    }
    match mends(&id.name, &peers, &asking) {
        Some(manifest) => finding.mended_by(manifest).into(),
        None => finding
            .next("Change the rule that denies it: no other rule can admit what one denies.")
            .into(),
    }
}

/// Adds those of the connections that are denied, and why the first of those that cannot be told cannot.
fn barred<'e>(
    passage: &Passage,
    all: impl Iterator<Item = ((&'e str, &'e End), (&'e str, &'e End))>,
    barred: &mut Vec<Barred<'e>>,
    unsure: &mut Option<String>,
) {
    for (from, to) in all {
        let found = between_ends(passage, from.1, to.1);
        match found.outcome() {
            Outcome::Allowed => {}
            Outcome::Unknown => {
                unsure.get_or_insert_with(|| found.deciding().words());
            }
            Outcome::Denied => barred.push(Barred { from, to, found }),
        }
    }
}

/// Together what is denied for the same reason.
fn by_reason<'b, 'e>(all: &'b [Barred<'e>]) -> Vec<(String, Vec<&'b Barred<'e>>)> {
    let mut found: Vec<(String, Vec<&Barred<'_>>)> = Vec::new();
    for one in all {
        let reason = one.found.deciding().words();
        match found.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, pairs)) => pairs.push(one),
            None => found.push((reason, vec![one])),
        }
    }
    found
}

/// By whom they are opened, with those to whom each is.
fn by_opener<'b>(pairs: &[&'b Barred<'_>]) -> Vec<(&'b str, Vec<&'b str>)> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for one in pairs {
        match found.iter_mut().find(|(from, _)| *from == one.from.0) {
            Some((_, to)) => to.push(one.to.0),
            None => found.push((one.from.0, vec![one.to.0])),
        }
    }
    found
}

/// Every pair of nodes, in words.
fn of_peers(pairs: &[&Barred<'_>], nodes: &[&str]) -> String {
    if pairs.len() == nodes.len() * nodes.len().saturating_sub(1) {
        return format!("{} cannot reach one another", list(nodes));
    }
    let each: Vec<String> = by_opener(pairs)
        .into_iter()
        .map(|(from, to)| format!("{from} cannot reach {}", list(&to)))
        .collect();
    each.join(", ")
}

/// Every pod of the operator with the nodes that it cannot reach, in words.
fn of_operators(pairs: &[&Barred<'_>], nodes: &[&str], instance: &str) -> String {
    let mut groups: Vec<(Vec<&str>, Vec<&str>)> = Vec::new();
    for (from, to) in by_opener(pairs) {
        match groups.iter_mut().find(|(_, known)| *known == to) {
            Some((who, _)) => who.push(from),
            None => groups.push((vec![from], to)),
        }
    }
    let each = groups.into_iter().map(|(who, to)| {
        let pods = number(who.len(), "pod", "pods");
        let whom = match to.len() == nodes.len() {
            true => instance.to_owned(),
            false => format!("{} of {instance}", list(&to)),
        };
        format!("the operator's {pods} {} cannot reach {whom}", list(&who))
    });
    each.collect::<Vec<_>>().join(", ")
}

/// The policies that admit all of it, one for each end that is closed; `None` where only rules that deny stand in the way.
fn mends(name: &str, peers: &[Barred<'_>], operators: &[Barred<'_>]) -> Option<String> {
    let closes = |side: &Side| side.outcome == Outcome::Denied && side.by.is_empty();
    let replication = "replication between its nodes";
    let asked = "the operator asks and configures the nodes over it";
    let all: Vec<(&Barred<'_>, &str)> = peers
        .iter()
        .map(|one| (one, replication))
        .chain(operators.iter().map(|one| (one, asked)))
        .collect();
    let opens = |way: Way, is_of: &dyn Fn(&Barred<'_>) -> bool| {
        let mut end = None;
        let mut admitted: Vec<Admitted<'_>> = Vec::new();
        for (one, why) in all.iter().filter(|(one, _)| is_of(one)) {
            let (side, here, there) = match way {
                Way::Ingress => (&one.found.ingress, one.to.1, one.from.1),
                Way::Egress => (&one.found.egress, one.from.1, one.to.1),
            };
            // All nodes are one peer to a policy, and all pods of an operator another.
            if !closes(side) || admitted.iter().any(|known| known.why == *why) {
                continue;
            }
            end.get_or_insert(here);
            admitted.push(Admitted {
                end: there,
                why: (*why).to_owned(),
                port: ADMIN,
            });
        }
        end.map(|end| (end, admitted))
    };
    let is_peer = |one: &Barred<'_>| peers.iter().any(|peer| std::ptr::eq(peer, one));
    let made = [
        (Way::Ingress, opens(Way::Ingress, &|_| true)),
        (Way::Egress, opens(Way::Egress, &is_peer)),
        (Way::Egress, opens(Way::Egress, &|one| !is_peer(one))),
    ];
    let mut documents: Vec<String> = Vec::new();
    for (way, made) in made {
        let Some((end, admitted)) = made else {
            continue;
        };
        let whose = match admitted.as_slice() {
            [only] if only.why == replication => "peers",
            [_] => "operator",
            _ => "admin",
        };
        // Two policies of one namespace have two names.
        let whose = match documents.is_empty() {
            true => whose.to_owned(),
            false => format!("{whose}-out"),
        };
        documents.push(manifest(&format!("{name}-{whose}"), end, way, &admitted));
    }
    (!documents.is_empty()).then(|| documents.join("---\n"))
}

/// What the operator's own policy admits it by.
fn operator_labels(operator: &End) -> String {
    const LABEL: &str = "control-plane";
    match operator.labels.get(LABEL).map(String::as_str) {
        Some("controller-manager") => {
            "it has control-plane=controller-manager; the operator's own policy (v1.6.0 and later) also wants its namespace, which it \
             knows by its environment POD_NAMESPACE alone".to_owned()
        }
        _ => {
            let own: Vec<String> = operator.labels.keys().cloned().collect();
            let own = match own.is_empty() {
                true => "no label".to_owned(),
                false => list(&own),
            };
            format!(
                "it lacks control-plane=controller-manager, by which the operator's own policy (v1.5.0 and later) admits it; it has {own}"
            )
        }
    }
}

fn between_ends(passage: &Passage, from: &End, to: &End) -> Reach {
    crate::domain::reach::reach(
        (from, &passage.leaving),
        (to, &passage.arriving),
        ADMIN,
        Protocol::Tcp,
    )
}

/// One node of each role and set of labels that policies may tell apart.
fn ends(instance: &Instance<'_>) -> Vec<(String, End)> {
    let base = reach::database(&instance.view);
    let nodes = instance.nodes.iter().filter(|node| !node.is_going());
    let mut master = None;
    let mut others = Vec::new();
    for node in nodes {
        let end = End {
            labels: node.view.pod.value.meta.labels.clone(),
            address: node.view.ip().and_then(|ip| ip.parse().ok()),
            ..base.clone()
        };
        let one = (node.name().to_owned(), end);
        match node.view.label_role() {
            Some(Role::Master) if master.is_none() => master = Some(one),
            _ => others.push(one),
        }
    }
    // So many replicas tell what there is to tell of any number, and a pair costs a simulation.
    others.truncate(REPLICAS);
    master.into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::Foreign;
    use crate::domain::fixture::Fixture;
    use serde_json::{Value, json};

    #[test]
    fn peers_and_the_operator_need_port_9999() {
        let plain = |name: &str, namespace: &str, spec: Value| json!({"metadata": {"name": name, "namespace": namespace}, "spec": spec});
        let clients = plain(
            "clients",
            "shop",
            json!({"podSelector": {"matchLabels": {"app": "orders"}},
            "ingress": [{"ports": [{"port": 6379}]}]}),
        );
        let peers = plain(
            "peers",
            "shop",
            json!({"podSelector": {"matchLabels": {"app": "orders"}},
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "orders"}}}], "ports": [{"port": "admin"}]}]}),
        );
        // To the master, from everywhere.
        let masters = plain(
            "masters",
            "shop",
            json!({"podSelector": {"matchLabels": {"role": "master"}}, "ingress": [{"ports": [{"port": 9999}]}]}),
        );
        // As the operator makes it, from v1.6.0.
        let own = plain(
            "orders",
            "shop",
            json!({"podSelector": {"matchLabels": {"app": "orders"}}, "ingress": [
            {"from": [{"podSelector": {}}], "ports": [{"port": 6379}]},
            {"from": [
                {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "operators"}},
                 "podSelector": {"matchLabels": {"control-plane": "controller-manager"}}},
                {"podSelector": {"matchLabels": {"app": "orders"}}}],
             "ports": [{"port": 9999}]}]}),
        );
        let with = |policies: Vec<Value>| {
            move |f: &mut Fixture| {
                operator(f, 1, &["m-1"]);
                read(f, Foreign::NetworkPolicy, Ok(policies.clone()));
            }
        };
        let out = plain(
            "out",
            "operators",
            json!({"podSelector": {}, "policyTypes": ["Egress"]}),
        );
        instance_table(
            &CHECK,
            &[
                ("open", &with(vec![]), "pass"),
                (
                    "clients alone are admitted",
                    &with(vec![clients.clone()]),
                    "critical critical: of shop/orders, orders-0, orders-1 and orders-2 cannot reach one another on port 9999: ingress at infra: NetworkPolicy \
                     shop/clients selects it, and no rule admits it; the operator's pod dragonfly-operator-0 cannot reach shop/orders on port 9999: ingress \
                     at infra: NetworkPolicy shop/clients selects it, and no rule admits it",
                ),
                (
                    "some peers are admitted",
                    &with(vec![clients.clone(), masters]),
                    "critical critical: of shop/orders, orders-0 cannot reach orders-1 and orders-2, orders-1 cannot reach orders-2, orders-2 cannot reach \
                     orders-1 on port 9999: ingress at infra: NetworkPolicy shop/clients selects it, and no rule admits it; the operator's pod \
                     dragonfly-operator-0 cannot reach orders-1 and orders-2 of shop/orders on port 9999: ingress at infra: NetworkPolicy \
                     shop/clients selects it, and no rule admits it",
                ),
                (
                    "peers too",
                    &with(vec![clients, peers]),
                    "critical critical: the operator's pod dragonfly-operator-0 cannot reach shop/orders on port 9999: ingress at infra: NetworkPolicy shop/clients and \
                     NetworkPolicy shop/peers select it, and no rule admits it",
                ),
                (
                    "the operator's own policy, and an operator without its label",
                    &with(vec![own.clone()]),
                    "critical critical: the operator's pod dragonfly-operator-0 cannot reach shop/orders on port 9999: ingress at infra: NetworkPolicy shop/orders selects it, \
                     and no rule admits it",
                ),
                (
                    "an operator that may open nothing",
                    &with(vec![out]),
                    "critical critical: the operator's pod dragonfly-operator-0 cannot reach shop/orders on port 9999: egress at infra: NetworkPolicy operators/out selects it, \
                     and no rule admits it",
                ),
                (
                    "no operator",
                    &|f| read(f, Foreign::NetworkPolicy, Ok(vec![own.clone()])),
                    "pass",
                ),
            ],
        );
    }
}
