//! A consumer of another cluster is admitted only because Cilium takes a peer that names no cluster for pods of all: from v1.19 it
//! does not, unless it is told to.

use crate::checks::acceptance::ACCEPTED;
use crate::checks::acceptance::passages::{Admitted, Way, manifest, needs, passage};
use crate::checks::reach::Passage;
use crate::checks::{Answer, Area, Case, Check, Severity, Situation};
use crate::domain::reach::{Cilium, LOCAL_SINCE, Outcome, Policies, Protocol};

/// The check.
pub const CHECK: Check = Check {
    id: "mesh-default-ahead",
    area: Area::Policy,
    title: "Admitted across the mesh by a default that changes",
    why: "Up to v1.18 Cilium takes a policy's peer for pods of every cluster of the mesh; from v1.19 for those of the policy's own, unless \
          policy-default-local-cluster says otherwise or the rule names io.cilium.k8s.policy.cluster, which only Cilium's policies can.",
    reads: "policies of both clusters, and Cilium's settings and version in either; consumers in the settings",
    next: "Before Cilium is upgraded, admit the consumer by a CiliumNetworkPolicy that names its cluster.",
    situations: &[&AHEAD],
    needs,
    run,
};

const AHEAD: Situation = Situation {
    id: "mesh-default-ahead",
    word: "mesh default",
    rule: "a consumer of another cluster is admitted, and would be denied if a peer that names no cluster were of the policy's own alone, where Cilium is older than v1.19 and policy-default-local-cluster is not set, by simulation",
    meaning: "Nothing is wrong yet. The upgrade of Cilium closes the way between the clusters.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let (wish, passage, id) = match passage(case, &CHECK, false) {
        Ok(found) => found,
        Err(answer) => return *answer,
    };
    if passage.from.context == passage.to.context {
        return Answer::NOT_APPLICABLE;
    }
    let now = passage.reach(wish.port, Protocol::Tcp);
    if now.outcome() != Outcome::Allowed {
        // That is another finding.
        return Answer::NOT_APPLICABLE;
    }
    let ahead = Passage {
        leaving: later(passage.leaving.clone()),
        arriving: later(passage.arriving.clone()),
        ..passage.clone()
    };
    let then = ahead.reach(wish.port, Protocol::Tcp);
    if then.outcome() != Outcome::Denied {
        return Answer::PASS;
    }
    let side = then.deciding();
    let sentence = format!(
        "{} of {} reaches {id} only as long as Cilium there is older than {LOCAL_SINCE}: then {}",
        wish.id,
        wish.id.context,
        side.words()
    );
    let mut finding = case.finding(&CHECK, &AHEAD, Severity::Warning, sentence);
    for (rule, why) in &side.near {
        finding = finding.resting_on(
            format!("{rule} admits it now, and names no cluster: {why}"),
            format!("policies of {}, simulated", side.context),
            case.now,
        );
    }
    let (end, peer, way) = match side.direction {
        "egress" => (&passage.from, &passage.to, Way::Egress),
        _ => (&passage.to, &passage.from, Way::Ingress),
    };
    let admitted = Admitted {
        end: peer,
        why: format!("{} of {}", wish.id, wish.id.context),
        port: wish.port,
    };
    let name = format!("{}-across", wish.id.name);
    finding
        .mended_by(manifest(&name, end, way, &[admitted]))
        .into()
}

/// The same policies under the Cilium to come, where nobody has set what a peer is of.
fn later(mut policies: Policies) -> Policies {
    if let Cilium::Present(settings) = &mut policies.network.cilium
        && settings.local_by_default.is_none()
        && settings
            .version
            .is_some_and(|version| version < LOCAL_SINCE)
    {
        settings.version = Some(LOCAL_SINCE);
    }
    policies
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::fixture::{Fixture, infra};
    use crate::domain::{Foreign, Scope};
    use serde_json::{Value, json};

    #[test]
    fn a_default_that_changes_is_told_before_it_does() {
        let policy = json!({"metadata": {"name": "a", "namespace": "shop"}, "spec": {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": {}}]}]}});
        let with = |data: Value, version: &'static str| {
            let policy = policy.clone();
            move |f: &mut Fixture| {
                read(f, Foreign::NetworkPolicy, Ok(vec![policy.clone()]));
                cilium(f, data.clone());
                let operator = json!({"metadata": {"name": "cilium-operator", "namespace": "kube-system"},
                    "spec": {"template": {"spec": {"containers": [{"image": format!("quay.io/cilium/operator-generic:{version}")}]}}}});
                let scope = Scope::Namespace("kube-system".into());
                read_in(f, &infra(), Foreign::Deployment, scope, Ok(vec![operator]));
            }
        };
        consumer_table(
            &CHECK,
            false,
            &[
                ("open", &|_| {}, "pass"),
                (
                    "by default",
                    &with(json!({"cluster-name": "infra"}), "v1.17.6"),
                    "warning healthy: web/front of apps reaches shop/orders only as long as Cilium there is older than v1.19.0: then ingress at infra: \
                     NetworkPolicy shop/a selects it, and no rule admits it",
                ),
                (
                    "set",
                    &with(
                        json!({"cluster-name": "infra", "policy-default-local-cluster": "false"}),
                        "v1.17.6",
                    ),
                    "pass",
                ),
                (
                    "closed since",
                    &with(json!({"cluster-name": "infra"}), "v1.19.1"),
                    "n/a",
                ),
            ],
        );
    }
}
