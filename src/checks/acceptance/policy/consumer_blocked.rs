//! A consumer is to reach its instance, and by the policies of its own cluster or of the instance's it does not.

use crate::checks::acceptance::ACCEPTED;
use crate::checks::acceptance::passages::{
    Admitted, Way, belief, cannot_tell, manifest, needs, passage, resting,
};
use crate::checks::reach::Passage;
use crate::checks::{Answer, Area, Case, Check, Severity, Situation};
use crate::domain::reach::{Outcome, Protocol};

/// The check.
pub const CHECK: Check = Check {
    id: "consumer-blocked",
    area: Area::Policy,
    title: "Consumer that policies keep out",
    why: "Policies of the consumer's cluster (egress) and of the instance's (ingress) are separate objects, and both must admit the \
          connection. Once one selects a pod, everything that no rule admits is dropped without a word: clients see timeouts.",
    reads: "NetworkPolicies, CiliumNetworkPolicies, CiliumClusterwideNetworkPolicies, Cilium's settings and Namespaces of both clusters; consumers in the settings",
    next: "See which policies select it.\n\
           $ {kubectl} get networkpolicies\n\
           Add a policy that admits it, on the side that this names: policies add up, and one of its own changes nothing else.",
    situations: &[&BLOCKED],
    needs,
    run,
};

const BLOCKED: Situation = Situation {
    id: "consumer-blocked",
    word: "consumer blocked",
    rule: "a consumer that is to reach its instance is denied by the policies that select either end, by simulation",
    meaning: "Its clients cannot open connections: they time out. Connections that were open before a policy came may stay for a while.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let (wish, passage, id) = match passage(case, &CHECK, false) {
        Ok(found) => found,
        Err(answer) => return *answer,
    };
    let found = passage.reach(wish.port, Protocol::Tcp);
    let what = format!("{} reaches {id} on port {}", wish.id, wish.port);
    match found.outcome() {
        Outcome::Allowed => return Answer::PASS,
        Outcome::Unknown => return cannot_tell(case, &CHECK, &what, &found),
        Outcome::Denied => {}
    }
    let side = found.deciding();
    let also = match (found.egress.outcome, found.ingress.outcome) {
        (Outcome::Denied, Outcome::Denied) => format!("; {}", found.egress.words()),
        _ => String::new(),
    };
    let sentence = format!(
        "{} of {} cannot reach {id} on port {}: {}{}{also}",
        wish.id,
        wish.id.context,
        wish.port,
        side.words(),
        belief(side)
    );
    let finding = case.finding(&CHECK, &BLOCKED, Severity::Critical, sentence);
    let finding = resting(case, finding, &found);
    // What a rule denies, no other can admit.
    if !side.by.is_empty() {
        return finding
            .next("Change the rule that denies it: no other rule can admit what one denies.")
            .into();
    }
    // Only Cilium has a name for another cluster: a policy that names a namespace alone means the one of its own cluster.
    if peer_is_nameless(&passage, side.direction) {
        return finding
            .next(
                "No policy can name a pod of the other cluster as long as no mesh of Cilium's joins the two: join them, or \
                 admit the addresses by which its clients come in (ipBlock).",
            )
            .into();
    }
    let name = format!("{}-to-{}", wish.id.name, id.name);
    let (end, peer, way) = match side.direction {
        "egress" => (&passage.from, &passage.to, Way::Egress),
        _ => (&passage.to, &passage.from, Way::Ingress),
    };
    let admitted = Admitted {
        end: peer,
        why: match way {
            Way::Ingress => format!("{}, in {}", wish.id, wish.id.context),
            Way::Egress => format!("{id}, in {}", id.context),
        },
        port: wish.port,
    };
    finding
        .mended_by(manifest(&name, end, way, &[admitted]))
        .into()
}

/// The other end of the side that denies is in another cluster, for which nothing in this one has a name.
fn peer_is_nameless(passage: &Passage, direction: &str) -> bool {
    let (end, peer) = match direction {
        "egress" => (&passage.from, &passage.to),
        _ => (&passage.to, &passage.from),
    };
    end.context != peer.context && peer.cluster.is_none()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::{ContextId, Foreign, Scope};
    use serde_json::json;

    #[test]
    fn both_sides_must_admit_it() {
        let policy = |namespace: &'static str, spec: serde_json::Value| json!({"metadata": {"name": "closed", "namespace": namespace}, "spec": spec});
        let all = |f: &mut _, context: &str, policies: Vec<serde_json::Value>| {
            let context = ContextId::new(context);
            read_in(
                f,
                &context,
                Foreign::NetworkPolicy,
                Scope::Cluster,
                Ok(policies),
            );
        };
        let closed = json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]});
        let admits = json!({"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "web"}}}]}]});
        consumer_table(
            &CHECK,
            false,
            &[
                ("open", &|_| {}, "pass"),
                (
                    "closed at the instance",
                    &|f| all(f, "infra", vec![policy("shop", closed.clone())]),
                    "critical critical: web/front of apps cannot reach shop/orders on port 6379: ingress at infra: NetworkPolicy shop/closed selects it, and no rule admits it",
                ),
                (
                    "closed at the consumer",
                    &|f| all(f, "apps", vec![policy("web", closed.clone())]),
                    "critical critical: web/front of apps cannot reach shop/orders on port 6379: egress at apps: NetworkPolicy web/closed selects it, and no rule admits it",
                ),
                (
                    "closed at another's",
                    &|f| all(f, "apps", vec![policy("other", closed.clone())]),
                    "pass",
                ),
                (
                    "admitted",
                    &|f| all(f, "infra", vec![policy("shop", admits.clone())]),
                    "pass",
                ),
                (
                    "admitted, but only of the policy's own cluster",
                    &|f| {
                        all(f, "infra", vec![policy("shop", admits.clone())]);
                        cilium(
                            f,
                            json!({"cluster-name": "infra", "policy-default-local-cluster": "true"}),
                        );
                    },
                    "critical critical: web/front of apps cannot reach shop/orders on port 6379: ingress at infra: NetworkPolicy shop/closed selects it, and no rule admits it \
                  (ingress rule 1 of NetworkPolicy shop/closed does not: policy-default-local-cluster is true, so that a peer which names no cluster is of the policy's own only)",
                ),
                (
                    "nobody knows of which cluster",
                    &|f| {
                        all(f, "infra", vec![policy("shop", admits.clone())]);
                        cilium(f, json!({"cluster-name": "infra"}));
                    },
                    "note unknown: whether web/front reaches shop/orders on port 6379 cannot be told: ingress rule 1 of NetworkPolicy shop/closed: policy-default-local-cluster is not set, \
                  and which version of Cilium runs is not known: up to v1.18 a peer is a pod of any cluster, from v1.19.0 of its own only",
                ),
                (
                    "not read",
                    &|f| {
                        let fault = crate::domain::Fault::new(
                            crate::domain::FaultKind::Forbidden,
                            "networkpolicies may not be listed",
                        );
                        read_in(
                            f,
                            &ContextId::new("apps"),
                            Foreign::NetworkPolicy,
                            Scope::Cluster,
                            Err(fault),
                        );
                    },
                    "note unknown: whether web/front reaches shop/orders on port 6379 cannot be told: NetworkPolicies of apps cannot be read: networkpolicies may not be listed",
                ),
            ],
        );
        consumer_table(&CHECK, true, &[("one to be denied", &|_| {}, "n/a")]);
    }

    #[test]
    fn without_a_mesh_no_policy_is_offered_that_would_admit_nobody() {
        let policy = json!({"metadata": {"name": "closed", "namespace": "shop"}, "spec": {"podSelector": {}}});
        let (mut f, limits) = with_consumer(false);
        read(&mut f, Foreign::NetworkPolicy, Ok(vec![policy]));
        for context in ["infra", "apps"] {
            let context = ContextId::new(context);
            read_in(
                &mut f,
                &context,
                Foreign::CiliumConfig,
                Scope::Cluster,
                Ok(Vec::new()),
            );
        }
        let consumer = limits.expected.consumers.first().map(|one| one.id.clone());
        let subject = consumer.map(crate::checks::Subject::Consumer);
        let case = subject.as_ref().and_then(|subject| {
            Case::of(&f.world, subject, &limits, crate::domain::fixture::now())
        });
        let verdict = case.map(|case| run(&case).verdict);
        let Some(crate::checks::Verdict::Finding(finding)) = verdict else {
            panic!("{verdict:?}");
        };
        assert_eq!(finding.manifest, None);
        assert!(finding.next.contains("no mesh"), "{}", finding.next);
    }

    #[test]
    fn the_mend_admits_it() {
        let policy = json!({"metadata": {"name": "closed", "namespace": "shop"}, "spec": {"podSelector": {}}});
        let (mut f, limits) = with_consumer(false);
        read(&mut f, Foreign::NetworkPolicy, Ok(vec![policy.clone()]));
        let mend = mend(&CHECK, &f, &limits);
        assert!(mend.contains("kind: CiliumNetworkPolicy"), "{mend}");
        assert!(mend.contains("k8s:io.cilium.k8s.policy.cluster"), "{mend}");
        let mended = crate::checks::acceptance::fixture::yaml(&mend);
        read(&mut f, Foreign::CiliumNetworkPolicy, Ok(vec![mended]));
        assert_eq!(consumer_line(&CHECK, &f, &limits), "pass");
    }
}
