//! Peers or the operator do not reach port 9999 of an instance's nodes: replication stops at the next reconnect, and the operator
//! can neither elect nor roll.

use crate::checks::acceptance::ACCEPTED;
use crate::checks::acceptance::passages::{Admitted, Way, manifest, resting};
use crate::checks::acceptance::untold;
use crate::checks::reach::{self, ADMIN, Passage};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Instance, Severity, Situation};
use crate::domain::reach::{End, Outcome, Protocol, Reach};
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

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let id = &instance.view.id;
    let nodes = ends(instance);
    let Some((_, some)) = nodes.first() else {
        return Answer::NOT_APPLICABLE;
    };
    let mut unsure: Option<String> = None;
    let between = Passage::new((case.context, some.clone()), (case.context, some.clone()));
    let mut blocked: Option<(String, Reach)> = None;
    for (from_name, from) in &nodes {
        for (to_name, to) in nodes.iter().filter(|(name, _)| name != from_name) {
            let found = between_ends(&between, from, to);
            match found.outcome() {
                Outcome::Allowed => {}
                Outcome::Unknown => unsure = unsure.or(Some(found.deciding().words())),
                Outcome::Denied => {
                    blocked.get_or_insert((format!("{from_name} cannot reach {to_name}"), found));
                }
            }
        }
    }
    if let Some((who, found)) = blocked {
        let sentence = format!(
            "of {id}, {who} on port {ADMIN}: {}",
            found.deciding().words()
        );
        let finding = case.finding(&CHECK, &PEERS, Severity::Critical, sentence);
        let finding = resting(case, finding, &found);
        let way = match found.deciding().direction {
            "egress" => Way::Egress,
            _ => Way::Ingress,
        };
        let peers = [Admitted {
            end: some,
            why: "replication between its nodes".to_owned(),
            port: ADMIN,
        }];
        return finding
            .mended_by(manifest(&format!("{}-peers", id.name), some, way, &peers))
            .into();
    }
    let operators = reach::operators(case.context);
    for (name, operator) in &operators {
        let passage = Passage::new(
            (case.context, operator.clone()),
            (case.context, some.clone()),
        );
        let found = nodes
            .iter()
            .map(|(_, to)| between_ends(&passage, operator, to))
            .max_by_key(Reach::outcome);
        let Some(found) = found else { continue };
        match found.outcome() {
            Outcome::Allowed => continue,
            Outcome::Unknown => {
                unsure = unsure.or(Some(found.deciding().words()));
                continue;
            }
            Outcome::Denied => {}
        }
        let sentence = format!(
            "the operator's pod {name} cannot reach {id} on port {ADMIN}: {}",
            found.deciding().words()
        );
        let mut finding = case.finding(&CHECK, &OPERATOR, Severity::Critical, sentence);
        finding = resting(case, finding, &found);
        finding = finding.resting_on(
            operator_labels(operator),
            format!("labels of {}/{name}", operator.namespace),
            case.now,
        );
        let side = found.deciding();
        let (end, peer, way) = match side.direction {
            "egress" => (operator, some, Way::Egress),
            _ => (some, operator, Way::Ingress),
        };
        let peers = [Admitted {
            end: peer,
            why: "the operator asks and configures the nodes over it".to_owned(),
            port: ADMIN,
        }];
        return finding
            .mended_by(manifest(&format!("{}-operator", id.name), end, way, &peers))
            .into();
    }
    match unsure {
        Some(why) => untold(
            case,
            &CHECK,
            format!("whether peers and operator reach port {ADMIN} of {id} cannot be told: {why}"),
        ),
        None => Answer::PASS,
    }
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
    // Two replicas tell what there is to tell of any number.
    others.truncate(2);
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
                    "critical critical: of shop/orders, orders-0 cannot reach orders-1 on port 9999: ingress at infra: NetworkPolicy shop/clients selects it, and no rule admits it",
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
