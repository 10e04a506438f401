//! No policy selects the pods of an instance: whoever has a network reaches it.

use crate::checks::acceptance::ACCEPTED;
use crate::checks::acceptance::passages::allow_list;
use crate::checks::acceptance::untold;
use crate::checks::reach;
use crate::checks::{Answer, Area, Case, Check, Severity, Situation};
use crate::domain::Want;
use crate::domain::reach::Cilium;

/// The check.
pub const CHECK: Check = Check {
    id: "database-open",
    area: Area::Policy,
    title: "Instance that no policy closes",
    why: "Pods that no policy selects for ingress are open to every pod of every namespace, on 6379 and on 9999, which asks for no \
          password. The operator makes a policy of its own from v1.5.0.",
    reads: "NetworkPolicies, CiliumNetworkPolicies and CiliumClusterwideNetworkPolicies that select its pods",
    next: "Apply a policy that admits whom it should: consumers to 6379; the operator, peers and the scraper to 9999.",
    situations: &[&OPEN],
    needs,
    run,
};

const OPEN: Situation = Situation {
    id: "database-open",
    word: "open to all",
    rule: "no policy selects the pods of an instance for ingress, by simulation",
    meaning: "Every pod of the cluster reaches its data port, and its port for administration, which asks for no password.",
    ..ACCEPTED
};

fn needs(case: &Case<'_>) -> Vec<Want> {
    case.instance.as_ref().map_or_else(Vec::new, |instance| {
        reach::needs(case.context, &instance.view.id.namespace)
    })
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let view = &instance.view;
    let policies = reach::policies(case.context, &view.id.namespace);
    if !policies.unread.is_empty() {
        let sentence = format!(
            "whether a policy closes {} cannot be told: {}",
            view.id,
            policies.unread.join("; ")
        );
        return untold(case, &CHECK, sentence);
    }
    let end = reach::database(view);
    let enforcement = match &policies.network.cilium {
        Cilium::Present(settings) => settings.enforcement.as_str(),
        Cilium::Unknown(_) | Cilium::Absent => "",
    };
    let closing = policies.closing(&end, true);
    let why = match (enforcement, closing.is_empty()) {
        ("always", _) => return Answer::PASS,
        ("never", _) => "Cilium enforces no policy in {context}: enable-policy is never",
        (_, true) => "no policy selects its pods for ingress",
        (_, false) => return Answer::PASS,
    };
    let why = why.replace("{context}", case.context.id.as_str());
    let sentence = format!("{} is open to every pod of the cluster: {why}", view.id);
    let finding = case
        .finding(&CHECK, &OPEN, Severity::Note, sentence)
        .resting_on(
            format!("none of {} selects its pods", policies.len()),
            format!(
                "policies of namespace {} in {}",
                view.id.namespace, case.context.id
            ),
            case.now,
        );
    match enforcement {
        "never" => finding.into(),
        _ => finding.mended_by(allow_list(case, view, false)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::Foreign;
    use serde_json::json;

    #[test]
    fn some_policy_must_select_it() {
        let with = |labels: serde_json::Value, types: serde_json::Value| {
            let policy = json!({"metadata": {"name": "a", "namespace": "shop"},
                "spec": {"podSelector": {"matchLabels": labels}, "policyTypes": types}});
            move |f: &mut _| read(f, Foreign::NetworkPolicy, Ok(vec![policy.clone()]))
        };
        const OPEN: &str = "note healthy: shop/orders is open to every pod of the cluster: no policy selects its pods for ingress";
        instance_table(
            &CHECK,
            &[
                ("none", &|_| {}, OPEN),
                (
                    "one",
                    &with(json!({"app": "orders"}), json!(["Ingress"])),
                    "pass",
                ),
                ("of egress", &with(json!({}), json!(["Egress"])), OPEN),
                (
                    "another's",
                    &with(json!({"app": "carts"}), json!(["Ingress"])),
                    OPEN,
                ),
                (
                    "that nobody enforces",
                    &|f| {
                        with(json!({}), json!(["Ingress"]))(f);
                        cilium(f, json!({"enable-policy": "never"}));
                    },
                    "note healthy: shop/orders is open to every pod of the cluster: Cilium enforces no policy in infra: enable-policy is never",
                ),
                (
                    "not read",
                    &|f| *f = crate::domain::fixture::healthy().build(),
                    "note unknown: whether a policy closes shop/orders cannot be told: NetworkPolicies of infra have not been read yet; \
                     CiliumNetworkPolicies of infra have not been read yet; CiliumClusterwideNetworkPolicies of infra have not been read yet",
                ),
            ],
        );
    }
}
