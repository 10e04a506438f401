//! What an upgrade of the operator would do to consumers, before it is done: from v1.5.0 it makes a NetworkPolicy of its own, which
//! from v1.6.0 admits 6379 from the instance's own namespace alone, and 9999 from itself and peers.

use std::sync::Arc;

use serde_json::json;

use crate::checks::acceptance::ACCEPTED;
use crate::checks::acceptance::passages::{Admitted, Way, allow_list, manifest};
use crate::checks::acceptance::untold;
use crate::checks::crd_missing::followed;
use crate::checks::reach::{self, ADMIN, Passage, scrapers};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Severity, Situation};
use crate::domain::object::Meta;
use crate::domain::reach::{self as simulation, End, Outcome, Policies, PolicyName, Protocol};
use crate::domain::want::ForeignObject;
use crate::domain::{Foreign, InstanceId, Kind, Version, Want};

/// The check.
pub const CHECK: Check = Check {
    id: "upgrade-locks-out",
    area: Area::Policy,
    title: "Consumers that an upgrade of the operator would lock out",
    why: "From v1.5.0 the operator makes a NetworkPolicy for every instance unless spec.networkPolicyEnabled is false; from v1.6.0 it admits \
          the data port from the instance's own namespace alone. An instance that no policy selected is closed from that moment: \
          whoever lives in another namespace or cluster, and the scraper, time out.",
    reads: "the operator's version, spec.networkPolicyEnabled, and all policies, with the one that v1.6.0 would make; consumers in the settings",
    next: "Before the upgrade, apply a policy that admits those who would be locked out: policies add up, the operator's own among them.\n\
           Or set spec.networkPolicyEnabled to false in the Dragonfly object, once the new CRD knows the field.",
    situations: &[&LOCKED_OUT],
    needs,
    run,
};

const LOCKED_OUT: Situation = Situation {
    id: "upgrade-locks-out",
    word: "upgrade locks out",
    rule: "the operator is older than v1.6.0, spec.networkPolicyEnabled is not false, and with the policy that v1.6.0 makes a consumer, scraper or the operator itself is denied that is admitted now, by simulation",
    meaning: "Nothing is wrong yet. The upgrade closes the instance to them within seconds of the new operator's start.",
    ..ACCEPTED
};

/// The first version whose own policy admits the data port from the same namespace alone.
const NARROW: Version = Version(1, 6, 0);

fn needs(case: &Case<'_>) -> Vec<Want> {
    let Some(instance) = &case.instance else {
        return Vec::new();
    };
    let mut needs = reach::needs(case.context, &instance.view.id.namespace);
    needs.extend(scrapers::needs(case.context));
    for wish in case.limits.expected.consumers_of(&instance.view.id) {
        needs.extend(reach::needs_of_consumer(case.world, wish));
    }
    for (_, operator) in reach::operators(case.context) {
        needs.extend(reach::needs(case.context, &operator.namespace));
    }
    needs
}

fn run(case: &Case<'_>) -> Answer {
    let Some(instance) = &case.instance else {
        return Answer::NOT_APPLICABLE;
    };
    let view = &instance.view;
    if view.dragonfly.value.network_policy == Some(false) {
        return Answer::NOT_APPLICABLE;
    }
    if !followed(case, Kind::OperatorDeployment) {
        let sentence = format!(
            "which version of the operator runs in {} is not known: its Deployments are not being followed",
            case.context.id
        );
        return untold(case, &CHECK, sentence);
    }
    let operators = || case.context.operators.iter();
    let Some(version) = operators().find_map(|held| Version::parse(held.value.version()?)) else {
        return match operators().next() {
            None => Answer::NOT_APPLICABLE,
            Some(held) => untold(
                case,
                &CHECK,
                format!(
                    "the image of {} tells no version of the operator",
                    held.value.meta.name
                ),
            ),
        };
    };
    if version >= NARROW {
        return Answer::NOT_APPLICABLE;
    }
    let id = &view.id;
    let to = reach::database(view);
    let home = operators()
        .next()
        .map(|held| held.value.meta.namespace.clone());
    let before = reach::policies(case.context, &id.namespace);
    if !before.unread.is_empty() {
        let sentence = format!(
            "what an upgrade of the operator would do to {id} cannot be told: {}",
            before.unread.join("; ")
        );
        return untold(case, &CHECK, sentence);
    }
    let after = with_own(before.clone(), id, home.as_deref());
    let sides = Sides {
        to: &to,
        before: &before,
        after: &after,
    };
    let mut lost: Vec<(String, End, u16, String)> = Vec::new();
    for wish in case.limits.expected.consumers_of(id) {
        let Some((passage, _)) = reach::of_consumer(case.world, wish).filter(|_| !wish.denied)
        else {
            continue;
        };
        if let Some(why) = sides.lost(&passage, wish.port) {
            lost.push((wish.id.to_string(), passage.from, wish.port, why));
        }
    }
    let scraping = scrapers::found(case.context).unwrap_or_default();
    let others = scraping
        .into_iter()
        .map(|one| (format!("the scraper {}", one.name), one.end))
        .chain(
            reach::operators(case.context)
                .into_iter()
                .take(1)
                .map(|(name, end)| (format!("the operator's own pod {name}"), end)),
        );
    for (name, end) in others {
        let passage = Passage::new((case.context, end), (case.context, to.clone()));
        if let Some(why) = sides.lost(&passage, ADMIN) {
            lost.push((name, passage.from, ADMIN, why));
        }
    }
    if lost.is_empty() {
        return Answer::PASS;
    }
    let names: Vec<&str> = lost.iter().map(|(name, ..)| name.as_str()).collect();
    let sentence = format!(
        "upgrading the operator from {version} to {NARROW} would close {id} to {}",
        list(&names)
    );
    let mut finding = case.finding(&CHECK, &LOCKED_OUT, Severity::Warning, sentence);
    for (name, _, port, why) in &lost {
        finding = finding.resting_on(
            format!("{name} on port {port}: admitted now; with the operator's own policy {why}"),
            format!("policies of {}, simulated", case.context.id),
            case.now,
        );
    }
    // Where none selects it yet, the mend is the first: it must not close it to those whom the operator's own would admit.
    if before.closing(&to, true).is_empty() {
        return finding.mended_by(allow_list(case, view, true)).into();
    }
    let peers: Vec<Admitted<'_>> = lost
        .iter()
        .map(|(name, end, port, _)| Admitted {
            end,
            why: name.clone(),
            port: *port,
        })
        .collect();
    finding
        .mended_by(manifest(
            &format!("{}-beside-own", id.name),
            &to,
            Way::Ingress,
            &peers,
        ))
        .into()
}

/// The instance, its policies as they are, and as they would be.
struct Sides<'a> {
    to: &'a End,
    before: &'a Policies,
    after: &'a Policies,
}

impl Sides<'_> {
    /// Why a passage that is open now would be closed.
    fn lost(&self, passage: &Passage, port: u16) -> Option<String> {
        let by = |arriving: &Policies| {
            simulation::reach(
                (&passage.from, &passage.leaving),
                (self.to, arriving),
                port,
                Protocol::Tcp,
            )
        };
        let (now, then) = (by(self.before), by(self.after));
        let is_lost =
            now.ingress.outcome == Outcome::Allowed && then.ingress.outcome == Outcome::Denied;
        is_lost.then(|| then.ingress.words())
    }
}

/// The policies with the operator's own as v1.6.0 makes it, in place of one that it made before.
fn with_own(before: Policies, id: &InstanceId, operator_home: Option<&str>) -> Policies {
    let own = PolicyName {
        kind: simulation::Kind::NetworkPolicy,
        namespace: id.namespace.clone(),
        name: id.name.clone(),
    };
    let mut after = before.without(&own);
    let pods = json!({"matchLabels": reach::own_labels(&id.name)});
    let operator = json!({
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": operator_home.unwrap_or(&id.namespace)}},
        "podSelector": {"matchLabels": {"control-plane": "controller-manager"}},
    });
    let body = json!({"spec": {
        "podSelector": pods,
        "policyTypes": ["Ingress"],
        "ingress": [
            {"from": [{"podSelector": {}}], "ports": [{"port": reach::DATA, "protocol": "TCP"}]},
            {"from": [operator, {"podSelector": pods}], "ports": [{"port": ADMIN, "protocol": "TCP"}]},
        ],
    }});
    let meta = Meta {
        namespace: id.namespace.clone(),
        name: Arc::clone(&id.name),
        ..Meta::default()
    };
    after.add(Foreign::NetworkPolicy, &ForeignObject { meta, body });
    after
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;
    use crate::checks::Subject;
    use crate::checks::Verdict;
    use crate::checks::acceptance::fixture::*;
    use crate::checks::acceptance::policy::admin_port_blocked;
    use crate::domain::Object;
    use crate::domain::fixture::Fixture;
    use crate::domain::object::{Deployment, Pod};

    fn of_version(f: &mut Fixture, version: &str) {
        let meta = |name: &str| Meta {
            namespace: Arc::from("operators"),
            labels: [("control-plane".to_owned(), "controller-manager".to_owned())].into(),
            ..meta(name)
        };
        let deployment = Deployment {
            meta: meta("dragonfly-operator"),
            replicas: 1,
            images: vec![(
                "manager".to_owned(),
                format!("docker.dragonflydb.io/dragonflydb/operator:{version}"),
            )],
            ..Deployment::default()
        };
        let pod = Pod {
            meta: meta("dragonfly-operator-0"),
            ..Pod::default()
        };
        listed(
            f,
            Kind::OperatorDeployment,
            vec![Object::OperatorDeployment(Arc::new(deployment))],
        );
        listed(
            f,
            Kind::OperatorPod,
            vec![Object::OperatorPod(Arc::new(pod))],
        );
        read(f, Foreign::Service, Ok(vec![]));
        // As the operator labels them.
        pods(f, |_, pod| {
            pod.meta.labels.extend(reach::own_labels("orders"))
        });
    }

    #[test]
    fn the_upgrade_is_simulated_before_it_is_done() {
        let plain = |name: &str, ingress: serde_json::Value| {
            json!({"metadata": {"name": name, "namespace": "shop"},
            "spec": {"podSelector": {"matchLabels": {"app": "orders"}}, "ingress": ingress}})
        };
        let with = |version: &'static str, policies: Vec<serde_json::Value>| {
            move |f: &mut Fixture| {
                of_version(f, version);
                read(f, Foreign::NetworkPolicy, Ok(policies.clone()));
            }
        };
        let web = json!([{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "web"}}}]}]);
        let agent = json!({"metadata": {"name": "vmagent", "namespace": "metrics"},
            "spec": {"selector": {"app": "vmagent"}, "ports": [{"port": 8429}]}});
        instance_table(
            &CHECK,
            &[
                (
                    "a consumer of another namespace",
                    &with("v1.3.0", vec![]),
                    "warning healthy: upgrading the operator from v1.3.0 to v1.6.0 would close shop/orders to web/front",
                ),
                (
                    "one that has a policy of its own",
                    &with("v1.3.0", vec![plain("allow", web)]),
                    "pass",
                ),
                // v1.5 makes its own, which is open to all; v1.6 makes another in its place.
                (
                    "from v1.5.0",
                    &with(
                        "v1.5.0",
                        vec![plain("orders", json!([{"ports": [{"port": 6379}]}]))],
                    ),
                    "warning healthy: upgrading the operator from v1.5.0 to v1.6.0 would close shop/orders to web/front",
                ),
                // It is closed already: that is another finding.
                (
                    "closed now",
                    &with("v1.3.0", vec![plain("closed", json!([]))]),
                    "pass",
                ),
                ("after it", &with("v1.6.1", vec![]), "n/a"),
                (
                    "the scraper too",
                    &|f| {
                        with("v1.3.0", vec![])(f);
                        read(f, Foreign::Service, Ok(vec![agent.clone()]));
                    },
                    "warning healthy: upgrading the operator from v1.3.0 to v1.6.0 would close shop/orders to web/front and the scraper metrics/vmagent",
                ),
                (
                    "turned off",
                    &|f| {
                        with("v1.3.0", vec![])(f);
                        dragonfly(f, |d| d.network_policy = Some(false));
                    },
                    "n/a",
                ),
                (
                    "an operator without its label",
                    &|f| {
                        with("v1.3.0", vec![])(f);
                        operator(f, 1, &["m-1"]);
                        of_version(f, "v1.3.0");
                        let pod = Pod {
                            meta: Meta {
                                namespace: Arc::from("operators"),
                                ..meta("bare-0")
                            },
                            ..Pod::default()
                        };
                        listed(
                            f,
                            Kind::OperatorPod,
                            vec![Object::OperatorPod(Arc::new(pod))],
                        );
                    },
                    "warning healthy: upgrading the operator from v1.3.0 to v1.6.0 would close shop/orders to web/front and the operator's own pod bare-0",
                ),
            ],
        );
    }

    #[test]
    fn the_mend_keeps_them_in() {
        let (mut f, limits) = with_consumer(false);
        of_version(&mut f, "v1.3.0");
        let subject = Subject::Instance(f.id.clone());
        let Verdict::Finding(finding) = answer_within(&CHECK, &f, &limits, &subject).verdict else {
            panic!("nothing was found");
        };
        let mended = yaml(&finding.manifest.unwrap_or_default());
        read(&mut f, Foreign::CiliumNetworkPolicy, Ok(vec![mended]));
        let answer = answer_within(&CHECK, &f, &limits, &subject);
        assert_eq!(crate::checks::fixture::line(&answer), "pass");
        // And it closes nobody out by itself, being the first that selects the pods.
        let answer = answer_within(&admin_port_blocked::CHECK, &f, &limits, &subject);
        assert_eq!(crate::checks::fixture::line(&answer), "pass");
    }
}
