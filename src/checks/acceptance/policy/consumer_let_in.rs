//! A consumer that must not reach an instance, and by the policies of both clusters it does.

use crate::checks::acceptance::ACCEPTED;
use crate::checks::acceptance::passages::{allow_list, cannot_tell, needs, passage, resting};
use crate::checks::{Answer, Area, Case, Check, Severity, Situation};
use crate::domain::reach::{Outcome, Protocol};

/// The check.
pub const CHECK: Check = Check {
    id: "consumer-let-in",
    area: Area::Policy,
    title: "Consumer that policies should keep out",
    why: "Pods that no policy selects are open to everyone, and rules only ever add up: one that admits too much undoes all others.",
    reads: "NetworkPolicies, CiliumNetworkPolicies, CiliumClusterwideNetworkPolicies, Cilium's settings and Namespaces of both clusters; consumers in the settings",
    next: "Narrow the rule that admits it; where no policy selects the instance's pods, give them one that admits whom it should.\n\
           $ {kubectl} get networkpolicies",
    situations: &[&LET_IN],
    needs,
    run,
};

const LET_IN: Situation = Situation {
    id: "consumer-let-in",
    word: "let in",
    rule: "a consumer that the settings expect to be denied is admitted by the policies that select either end, by simulation",
    meaning: "Whoever runs there can open connections to the data, and has all of it where no password is set.",
    ..ACCEPTED
};

fn run(case: &Case<'_>) -> Answer {
    let (wish, passage, id) = match passage(case, &CHECK, true) {
        Ok(found) => found,
        Err(answer) => return *answer,
    };
    let found = passage.reach(wish.port, Protocol::Tcp);
    let what = format!("{} is kept from {id} on port {}", wish.id, wish.port);
    match found.outcome() {
        Outcome::Denied => return Answer::PASS,
        Outcome::Unknown => return cannot_tell(case, &CHECK, &what, &found),
        Outcome::Allowed => {}
    }
    let sentence = format!(
        "{} of {} is to be kept from {id}, and reaches port {}: {}",
        wish.id,
        wish.id.context,
        wish.port,
        found.ingress.words()
    );
    let finding = case.finding(&CHECK, &LET_IN, Severity::Critical, sentence);
    let finding = resting(case, finding, &found);
    // Where no policy selects the instance one that does mends it; else a rule admits too much, and only its owner can say what
    // it is for.
    match case.world.instance(&id) {
        Some(view) if found.ingress.closing.is_empty() => {
            finding.mended_by(allow_list(case, &view, false)).into()
        }
        _ => finding.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::Foreign;
    use serde_json::json;

    #[test]
    fn it_must_be_kept_out() {
        let with = |spec: serde_json::Value| {
            let policy = json!({"metadata": {"name": "a", "namespace": "shop"}, "spec": spec});
            move |f: &mut _| read(f, Foreign::NetworkPolicy, Ok(vec![policy.clone()]))
        };
        consumer_table(
            &CHECK,
            true,
            &[
                (
                    "open to all",
                    &|_| {},
                    "critical critical: web/front of apps is to be kept from shop/orders, and reaches port 6379: ingress at infra: no policy selects it, so it is open",
                ),
                ("closed", &with(json!({"podSelector": {}})), "pass"),
                (
                    "admitted",
                    &with(json!({"podSelector": {}, "ingress": [{"ports": [{"port": 6379}]}]})),
                    "critical critical: web/front of apps is to be kept from shop/orders, and reaches port 6379: ingress at infra: admitted by ingress rule 1 of NetworkPolicy shop/a",
                ),
                (
                    "another port",
                    &with(json!({"podSelector": {}, "ingress": [{"ports": [{"port": 9999}]}]})),
                    "pass",
                ),
            ],
        );
        consumer_table(&CHECK, false, &[("one to be admitted", &|_| {}, "n/a")]);
    }

    #[test]
    fn the_mend_keeps_it_out() {
        let (mut f, limits) = with_consumer(true);
        let mended = yaml(&mend(&CHECK, &f, &limits));
        read(&mut f, Foreign::NetworkPolicy, Ok(vec![mended]));
        assert_eq!(consumer_line(&CHECK, &f, &limits), "pass");
    }
}
