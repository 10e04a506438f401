//! A consumer whose policies let nothing out to the cluster's DNS: it never learns the address of its instance.

use crate::checks::acceptance::ACCEPTED;
use crate::checks::acceptance::passages::{Admitted, Way, cannot_tell, manifest, resting_on, wish};
use crate::checks::listed::want;
use crate::checks::reach::{self, Passage, SYSTEM};
use crate::checks::{Answer, Area, Case, Check, Severity, Situation, Subject};
use crate::domain::reach::{End, Outcome, Protocol};
use crate::domain::world::ContextWorld;
use crate::domain::{Foreign, Want};

/// The check.
pub const CHECK: Check = Check {
    id: "name-lookup-blocked",
    area: Area::Policy,
    title: "No way to the cluster's DNS",
    why: "The first policy about egress closes a pod to everything that none admits, the cluster's DNS among it: every host name fails to \
          resolve, and the connection that the policy was written for with it.",
    reads: "NetworkPolicies, CiliumNetworkPolicies and CiliumClusterwideNetworkPolicies of its cluster; the Service kube-dns in kube-system",
    next: "Add a policy that admits egress to port 53 of the cluster's DNS, over UDP and TCP.",
    situations: &[&BLOCKED],
    needs,
    run,
};

const BLOCKED: Situation = Situation {
    id: "name-lookup-blocked",
    word: "no DNS",
    rule: "the pods of a consumer that connects by host name, or of an instance with snapshots in S3, are denied UDP to port 53 of the cluster's DNS, by simulation",
    meaning: "Host names do not resolve there: what connects by one does not connect at all.",
    ..ACCEPTED
};

fn needs(case: &Case<'_>) -> Vec<Want> {
    let of = |context: &ContextWorld, namespace: &str| {
        let mut needs = reach::needs(context, namespace);
        needs.push(want(context, Foreign::Service, SYSTEM));
        needs
    };
    match (wish(case), &case.instance) {
        (Some(wish), _) => match reach::home(case.world, &wish.id.context) {
            Some(context) => of(context, &wish.id.namespace),
            None => Vec::new(),
        },
        (None, Some(instance)) => of(case.context, &instance.view.id.namespace),
        (None, None) => Vec::new(),
    }
}

/// Whose pods, in words, with the context that they are in.
fn asked<'a>(case: &Case<'a>) -> Option<(String, &'a ContextWorld, End)> {
    match case.subject {
        Subject::Consumer(_) => {
            let wish = wish(case).filter(|wish| !wish.denied)?;
            let context = reach::home(case.world, &wish.id.context)?;
            let by_name = !wish.host.is_empty() && wish.host.parse::<core::net::IpAddr>().is_err();
            let end = reach::consumer(context, wish);
            by_name.then(|| (wish.id.to_string(), context, end))
        }
        Subject::Instance(_) => {
            let view = &case.instance.as_ref()?.view;
            let snapshot = view.dragonfly.value.snapshot.as_ref()?;
            // Nodes find each other by address: only what is outside of the cluster has a name.
            let dir = snapshot.dir.as_deref()?;
            let end = reach::database(view);
            dir.contains("://")
                .then(|| (view.id.to_string(), case.context, end))
        }
        _ => None,
    }
}

fn run(case: &Case<'_>) -> Answer {
    let Some((who, context, from)) = asked(case) else {
        return Answer::NOT_APPLICABLE;
    };
    let (to, port, is_known) = reach::dns(context);
    let passage = Passage::new((context, from), (context, to));
    let found = passage.reach(port, Protocol::Udp);
    // What the DNS itself lets in is not this workload's matter.
    match found.egress.outcome {
        Outcome::Allowed => return Answer::PASS,
        Outcome::Unknown => {
            let what = format!("{who} reaches the DNS of {}", context.id);
            return cannot_tell(case, &CHECK, &what, &found);
        }
        Outcome::Denied => {}
    }
    let sentence = format!(
        "{who} cannot ask the DNS of {}: {}",
        context.id,
        found.egress.words()
    );
    let mut finding = case.finding(&CHECK, &BLOCKED, Severity::Critical, sentence);
    finding = resting_on(case, finding, &found.egress);
    if !is_known {
        finding = finding.resting_on(
            "no Service kube-dns was found: it is taken to be pods of kube-system with k8s-app=kube-dns, on port 53",
            format!("Services of {SYSTEM} in {}", context.id),
            case.now,
        );
    }
    if !found.egress.by.is_empty() {
        return finding.into();
    }
    let admitted = Admitted {
        end: &passage.to,
        why: "the cluster's DNS".to_owned(),
        port,
    };
    finding
        .mended_by(manifest(
            "allow-dns",
            &passage.from,
            Way::Egress,
            &[admitted],
        ))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::{ContextId, Scope};
    use serde_json::json;

    #[test]
    fn whoever_connects_by_name_must_reach_the_dns() {
        let with = |egress: serde_json::Value| {
            let policy = json!({"metadata": {"name": "out", "namespace": "web"},
                "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": egress}});
            move |f: &mut _| {
                read_in(
                    f,
                    &ContextId::new("apps"),
                    Foreign::NetworkPolicy,
                    Scope::Cluster,
                    Ok(vec![policy.clone()]),
                );
            }
        };
        let dns =
            |port: serde_json::Value| json!([{"to": [{"namespaceSelector": {}}], "ports": [port]}]);
        const NONE: &str = "critical critical: web/front cannot ask the DNS of apps: egress at apps: NetworkPolicy web/out selects it, and no rule admits it";
        consumer_table(
            &CHECK,
            false,
            &[
                ("no policy", &|_| {}, "pass"),
                ("closed", &with(json!([])), NONE),
                ("over TCP only", &with(dns(json!({"port": 53}))), NONE),
                (
                    "admitted",
                    &with(dns(json!({"port": 53, "protocol": "UDP"}))),
                    "pass",
                ),
            ],
        );
        let s3 = |f: &mut crate::domain::fixture::Fixture| {
            dragonfly(f, |d| {
                d.snapshot = Some(crate::domain::object::Snapshot {
                    dir: Some("s3://bucket/x".to_owned()),
                    ..Default::default()
                });
            });
        };
        let closed = json!({"metadata": {"name": "out", "namespace": "shop"},
            "spec": {"podSelector": {}, "policyTypes": ["Egress"]}});
        instance_table(
            &CHECK,
            &[
                ("no names to look up", &|_| {}, "n/a"),
                ("open", &s3, "pass"),
                (
                    "closed",
                    &|f| {
                        s3(f);
                        read(f, Foreign::NetworkPolicy, Ok(vec![closed.clone()]));
                    },
                    "critical critical: shop/orders cannot ask the DNS of infra: egress at infra: NetworkPolicy shop/out selects it, and no rule admits it",
                ),
            ],
        );
    }
}
