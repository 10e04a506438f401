//! The host name by which a consumer connects leads nowhere, or to another instance: across a mesh Cilium makes one Service of those
//! of the same name and namespace in either cluster, and of no others.

use crate::checks::acceptance::passages::wish;
use crate::checks::acceptance::{ACCEPTED, untold};
use crate::checks::listed::want;
use crate::checks::reach::services::{Global, ServiceName, of_instance, selects};
use crate::checks::reach::{self};
use crate::checks::words::list;
use crate::checks::{Answer, Area, Case, Check, Severity, Situation};
use crate::domain::reach::Cilium;
use crate::domain::want::ForeignObject;
use crate::domain::world::ContextWorld;
use crate::domain::{Consumer, Foreign, InstanceView, Want};

/// The check.
pub const CHECK: Check = Check {
    id: "host-unserved",
    area: Area::Exposure,
    title: "Host name that does not lead to the instance",
    why: "A name resolves to the Service of that name and namespace in the consumer's own cluster. Cilium joins it with the one of the \
          same name and namespace in another cluster where both are annotated as global; a Service of another name there, however \
          global, is never behind it.",
    reads: "Services of that name and namespace in the consumer's cluster and in the instance's, their annotations, Cilium's settings; \
            consumers in the settings",
    next: "Give both clusters a Service of the same name and namespace, each with service.cilium.io/global: \"true\".",
    situations: &[&NOWHERE, &UNPAIRED, &NOT_GLOBAL, &LOCAL],
    needs,
    run,
};

const NOWHERE: Situation = Situation {
    id: "host-unserved",
    word: "host unserved",
    rule: "the host name of a consumer names a Service that its own cluster does not have, or one that selects another instance",
    meaning: "The name does not resolve, or leads to other data.",
    ..ACCEPTED
};

const UNPAIRED: Situation = Situation {
    id: "service-unpaired",
    word: "service unpaired",
    rule: "the Service that a consumer's host name means has none of the same name and namespace in the cluster of its instance",
    meaning: "Clients have no backend there. A global Service of another name in the instance's cluster changes nothing: Cilium pairs by \
              identical name and namespace.",
    ..ACCEPTED
};

const NOT_GLOBAL: Situation = Situation {
    id: "service-not-global",
    word: "not global",
    rule: "of the two Services of the same name and namespace one is not annotated service.cilium.io/global: \"true\", or the instance's says service.cilium.io/shared: \"false\"",
    meaning: "Each stays a Service of its own cluster: clients of the other have no backend.",
    ..ACCEPTED
};

const LOCAL: Situation = Situation {
    id: "service-has-local-backends",
    word: "local backends",
    rule: "the consumer's own cluster has ready backends behind the global Service of an instance elsewhere, and service.cilium.io/affinity is not remote",
    meaning: "Connections are spread over two data sets.",
    ..ACCEPTED
};

fn needs(case: &Case<'_>) -> Vec<Want> {
    let Some((wish, name, here)) = asked(case) else {
        return Vec::new();
    };
    let mut needs = vec![
        want(here, Foreign::Service, &name.namespace),
        want(here, Foreign::CiliumConfig, ""),
    ];
    if let Some(there) =
        reach::instance_of(case.world, wish).and_then(|id| case.world.context(&id.context))
    {
        needs.push(want(there, Foreign::Service, &name.namespace));
        needs.push(want(there, Foreign::CiliumConfig, ""));
    }
    needs
}

/// The consumer, the Service that its host name means, and the cluster that it runs in.
fn asked<'a>(case: &Case<'a>) -> Option<(&'a Consumer, ServiceName, &'a ContextWorld)> {
    let wish = wish(case).filter(|wish| !wish.denied)?;
    let here = reach::home(case.world, &wish.id.context)?;
    let name = ServiceName::of(&wish.host, &wish.id.namespace)?;
    Some((wish, name, here))
}

fn run(case: &Case<'_>) -> Answer {
    let Some(wish) = wish(case).filter(|wish| !wish.denied && !wish.host.is_empty()) else {
        return Answer::NOT_APPLICABLE;
    };
    let Some(id) = reach::instance_of(case.world, wish) else {
        // That the instance is not known is told with its policies.
        return Answer::NOT_APPLICABLE;
    };
    let (Some(view), Some((_, name, here))) = (case.world.instance(&id), asked(case)) else {
        let sentence = format!(
            "{} connects to {}, which is no name of a Service: where it leads cannot be told",
            wish.id, wish.host
        );
        return untold(case, &CHECK, sentence);
    };
    let is_local = here.id == view.context.id;
    let mut found: Vec<Option<&ForeignObject>> = Vec::new();
    for context in [here, view.context] {
        match name.find(context) {
            Ok(service) => found.push(service),
            Err(why) => {
                return case.unlisted(&CHECK, &context.id, Foreign::Service, &name.namespace, why);
            }
        }
    }
    let [own, paired] = found.as_slice() else {
        return Answer::NOT_APPLICABLE;
    };
    let sides = Sides {
        wish,
        name: &name,
        here,
        view: &view,
    };
    match (own, paired) {
        (_, None) => sides.unpaired(case, own.is_some()),
        (None, Some(_)) => sides.nowhere(case),
        (Some(_), Some(paired)) if !selects(paired, &id.name) => sides.another(case),
        (Some(_), Some(_)) if is_local => Answer::PASS,
        (Some(own), Some(paired)) => sides.paired(case, own, paired),
    }
}

struct Sides<'a> {
    wish: &'a Consumer,
    name: &'a ServiceName,
    here: &'a ContextWorld,
    view: &'a InstanceView<'a>,
}

impl Sides<'_> {
    /// The instance's cluster has no Service of that name.
    fn unpaired(&self, case: &Case<'_>, has_own: bool) -> Answer {
        let Self {
            wish,
            name,
            here,
            view,
        } = self;
        let there = &view.context.id;
        let own = match has_own {
            true => format!("{} has it", here.id),
            false => format!("neither has {}", here.id),
        };
        let others = self.others();
        let belief = match others.is_empty() || here.id == *there {
            true => String::new(),
            false => format!(
                ": {} in {there} does nothing for it, since Cilium pairs Services by identical name and namespace",
                list(&others)
            ),
        };
        let sentence = format!(
            "{} of {} connects to {}, and {there} has no Service {name} ({own}){belief}",
            wish.id, wish.id.context, wish.host
        );
        let situation = match here.id == *there {
            true => &NOWHERE,
            false => &UNPAIRED,
        };
        let service = of_instance(view);
        case.finding(&CHECK, situation, Severity::Critical, sentence)
            .next(format!(
                "Let it connect to {}.{}.svc, the Service of the instance, or give {there} a Service {name} that selects the master.",
                service.name, service.namespace
            ))
            .resting_on(
                "no Service of that name",
                format!("Services of namespace {} in {there}", name.namespace),
                case.now,
            )
            .into()
    }

    /// Global Services of the instance's cluster that lead to it.
    fn others(&self) -> Vec<String> {
        let services = self.view.context.services.iter();
        let leading = services.filter(|held| {
            held.value.is_global()
                && held.value.selector.get("app").map(String::as_str) == Some(&*self.view.id.name)
        });
        leading
            .map(|held| {
                let meta = &held.value.meta;
                format!("the global Service {}/{}", meta.namespace, meta.name)
            })
            .collect()
    }

    /// The consumer's cluster has no Service of that name.
    fn nowhere(&self, case: &Case<'_>) -> Answer {
        let Self {
            wish,
            name,
            here,
            view,
        } = self;
        let sentence = format!(
            "{} connects to {}, and {} has no Service {name}: only {} has it, and a name resolves to Services of the own cluster",
            wish.id, wish.host, here.id, view.context.id
        );
        case.finding(&CHECK, &NOWHERE, Severity::Critical, sentence)
            .resting_on(
                "no Service of that name",
                format!("Services of namespace {} in {}", name.namespace, here.id),
                case.now,
            )
            .mended_by(service(&here.id, name, &view.id.name))
            .into()
    }

    /// It leads to another instance.
    fn another(&self, case: &Case<'_>) -> Answer {
        let Self {
            wish, name, view, ..
        } = self;
        let sentence = format!(
            "{} connects to {}, and Service {name} of {} does not select {}",
            wish.id, wish.host, view.context.id, view.id
        );
        case.finding(&CHECK, &NOWHERE, Severity::Critical, sentence)
            .resting_on(
                format!("its selector has no app={}", view.id.name),
                format!("Service {name} of {}", view.context.id),
                case.now,
            )
            .into()
    }

    /// Both are there, in two clusters.
    fn paired(&self, case: &Case<'_>, own: &ForeignObject, paired: &ForeignObject) -> Answer {
        let Self {
            wish,
            name,
            here,
            view,
        } = self;
        let there = &view.context.id;
        let (ours, theirs) = (Global::of(own), Global::of(paired));
        let mut wrong = Vec::new();
        for (global, context) in [(ours, &here.id), (theirs, there)] {
            if !global.is_global {
                wrong.push(format!("in {context} it is not global"));
            }
        }
        if theirs.is_global && !theirs.is_shared {
            wrong.push(format!(
                "in {there} it keeps its backends to itself (service.cilium.io/shared is false)"
            ));
        }
        if !wrong.is_empty() {
            let at = match ours.is_global {
                false => &here.id,
                true => there,
            };
            let sentence = format!(
                "Service {name}, by which {} of {} connects, does not lead to {there}: {}",
                wish.id,
                wish.id.context,
                list(&wrong)
            );
            return case
                .finding(&CHECK, &NOT_GLOBAL, Severity::Critical, sentence)
                .resting_on(
                    list(&wrong),
                    format!("annotations of Service {name} in {} and {there}", here.id),
                    case.now,
                )
                .mended_by(service(at, name, &view.id.name))
                .into();
        }
        let local = local_backends(here, name);
        if local > 0 && !ours.prefers_remote {
            let sentence = format!(
                "Service {name} has {local} backends in {} itself, beside those of {there} where {} lives",
                here.id, view.id
            );
            return case
                .finding(&CHECK, &LOCAL, Severity::Warning, sentence)
                .next("Let the Service of the consumers' cluster select no pods of its own, or set service.cilium.io/affinity to remote there.")
                .resting_on(
                    format!("{local} ready endpoints that are not the mesh's"),
                    format!("EndpointSlices of Service {name} in {}", here.id),
                    case.now,
                )
                .into();
        }
        // Annotations are but words to a network that is not Cilium's.
        for context in [*here, view.context] {
            let why = match reach::network(context).cilium {
                Cilium::Present(_) => continue,
                Cilium::Absent => format!("{} has no settings of Cilium's", context.id),
                Cilium::Unknown(why) => why,
            };
            let sentence = format!(
                "both clusters have Service {name} as global, and whether anything joins them cannot be told: {why}"
            );
            return untold(case, &CHECK, sentence);
        }
        Answer::PASS
    }
}

/// Ready backends of a Service in a cluster that its own pods are, as far as its EndpointSlices are followed.
fn local_backends(context: &ContextWorld, name: &ServiceName) -> usize {
    const MESH: &str = "multicluster.kubernetes.io/source-cluster";
    let slices = context.slices.group(&name.namespace, &name.name);
    let own = slices.filter(|held| !held.value.meta.labels.contains_key(MESH));
    own.flat_map(|held| &held.value.endpoints)
        .filter(|endpoint| endpoint.ready)
        .count()
}

/// The Service as it is to be in a cluster.
fn service(context: &crate::domain::ContextId, name: &ServiceName, instance: &str) -> String {
    format!(
        "# For {context}: Cilium joins Services of the same name and namespace where both are global.\n\
         apiVersion: v1\n\
         kind: Service\n\
         metadata:\n  name: {}\n  namespace: {}\n  annotations:\n    service.cilium.io/global: \"true\"\n    service.cilium.io/shared: \"true\"\n\
         spec:\n  ports:\n    - name: redis\n      port: 6379\n  selector:\n    app: {instance}\n    app.kubernetes.io/name: dragonfly\n    role: master\n",
        name.name, name.namespace
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing)]
    use super::*;
    use crate::checks::acceptance::fixture::*;
    use crate::domain::fixture::{Fixture, infra};
    use crate::domain::{ContextId, Scope};
    use serde_json::{Value, json};

    fn of(name: &str, global: &str) -> Value {
        json!({"metadata": {"name": name, "namespace": "shop", "annotations": {"service.cilium.io/global": global}},
            "spec": {"selector": {"app": "orders", "role": "master"}, "ports": [{"port": 6379}]}})
    }

    fn services(f: &mut Fixture, context: ContextId, all: Vec<Value>) {
        let scope = Scope::Namespace("shop".into());
        read_in(f, &context, Foreign::Service, scope, Ok(all));
    }

    fn both(f: &mut Fixture, own: Vec<Value>, theirs: Vec<Value>) {
        services(f, ContextId::new("apps"), own);
        services(f, infra(), theirs);
    }

    #[test]
    fn a_name_leads_to_the_instance_only_by_a_pair_of_global_services() {
        let annotated = |more: Value| {
            let mut service = of("orders", "true");
            for (key, value) in more.as_object().into_iter().flatten() {
                service["metadata"]["annotations"][key] = value.clone();
            }
            service
        };
        consumer_table(
            &CHECK,
            false,
            &[
                (
                    "both",
                    &|f| both(f, vec![of("orders", "true")], vec![of("orders", "true")]),
                    "pass",
                ),
                (
                    "under another name there",
                    &|f| {
                        both(
                            f,
                            vec![of("orders", "true")],
                            vec![of("orders-global", "true")],
                        )
                    },
                    "critical critical: web/front of apps connects to orders.shop.svc.cluster.local, and infra has no Service shop/orders (apps has it)",
                ),
                (
                    "not here",
                    &|f| both(f, vec![], vec![of("orders", "true")]),
                    "critical critical: web/front connects to orders.shop.svc.cluster.local, and apps has no Service shop/orders: only infra has it, and a name resolves to Services of the own cluster",
                ),
                (
                    "nowhere",
                    &|f| both(f, vec![], vec![]),
                    "critical critical: web/front of apps connects to orders.shop.svc.cluster.local, and infra has no Service shop/orders (neither has apps)",
                ),
                (
                    "not global here",
                    &|f| both(f, vec![of("orders", "false")], vec![of("orders", "true")]),
                    "critical critical: Service shop/orders, by which web/front of apps connects, does not lead to infra: in apps it is not global",
                ),
                (
                    "nor there",
                    &|f| both(f, vec![of("orders", "false")], vec![of("orders", "")]),
                    "critical critical: Service shop/orders, by which web/front of apps connects, does not lead to infra: in apps it is not global and in infra it is not global",
                ),
                (
                    "kept to itself",
                    &|f| {
                        both(
                            f,
                            vec![of("orders", "true")],
                            vec![annotated(json!({"service.cilium.io/shared": "false"}))],
                        )
                    },
                    "critical critical: Service shop/orders, by which web/front of apps connects, does not lead to infra: in infra it keeps its backends to itself (service.cilium.io/shared is false)",
                ),
                (
                    "another instance's",
                    &|f| {
                        let mut other = of("orders", "true");
                        other["spec"]["selector"]["app"] = json!("carts");
                        both(f, vec![of("orders", "true")], vec![other]);
                    },
                    "critical critical: web/front connects to orders.shop.svc.cluster.local, and Service shop/orders of infra does not select shop/orders",
                ),
                (
                    "without Cilium",
                    &|f| {
                        both(f, vec![of("orders", "true")], vec![of("orders", "true")]);
                        read(f, Foreign::CiliumConfig, Ok(vec![]));
                    },
                    "note unknown: both clusters have Service shop/orders as global, and whether anything joins them cannot be told: infra has no settings of Cilium's",
                ),
                (
                    "not read",
                    &|_| {},
                    "note unknown: nothing is known of Services of namespace shop in apps: they have not been read yet",
                ),
            ],
        );
        consumer_table(&CHECK, true, &[("one to be denied", &|_| {}, "n/a")]);
    }

    #[test]
    fn the_mend_is_a_service_that_pairs() {
        let (mut f, limits) = with_consumer(false);
        both(&mut f, vec![], vec![of("orders", "true")]);
        let made = yaml(&mend(&CHECK, &f, &limits));
        services(&mut f, ContextId::new("apps"), vec![made]);
        assert_eq!(consumer_line(&CHECK, &f, &limits), "pass");
    }

    #[test]
    fn a_global_service_of_another_name_is_named_as_what_it_is_not() {
        let (mut f, limits) = with_consumer(false);
        both(&mut f, vec![of("orders", "true")], vec![]);
        let service = crate::domain::object::Service {
            meta: crate::domain::object::Meta {
                annotations: [("service.cilium.io/global".to_owned(), "true".to_owned())].into(),
                ..meta("orders-global")
            },
            selector: [("app".to_owned(), "orders".to_owned())].into(),
            ..Default::default()
        };
        seen(
            &mut f,
            crate::domain::Object::Service(std::sync::Arc::new(service)),
        );
        let told = consumer_line(&CHECK, &f, &limits);
        let wanted = "the global Service shop/orders-global in infra does nothing for it, since Cilium pairs Services by identical name and namespace";
        assert!(told.ends_with(wanted), "{told}");
    }
}
